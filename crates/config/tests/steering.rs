//! What steers an address, from text to the model: scripts, processes, files, groups, notifications.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use common::outcome;
use model::{Account, Command, Deleted, Host, ParameterMatch, TrackedInterface, Weight};
use std::time::Duration;

const SCRIPT: &str = "vrrp_script a {\nscript \"/bin/check x\"\n}\n";

fn instance(name: &str, vrid: u8, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\npriority 90\nvirtual_ipaddress {{\n10.0.0.{vrid}\n}}\n{lines}\n}}\n"
    )
}

/// The host, and the findings besides those about what is not built.
fn read(text: &str) -> (Host, Vec<&'static str>) {
    let (_, outcome) = outcome(text);
    let said = outcome.diagnostics.iter().map(|d| d.id.name()).filter(|id| *id != "not-built").collect();
    let host = outcome.host.unwrap();
    host.check().unwrap();
    (host, said)
}

fn clean(text: &str) -> Host {
    let (host, said) = read(text);
    assert!(said.is_empty(), "{said:?}\n{text}");
    host
}

fn run(path: &str, arguments: &[&str]) -> Command {
    Command::Run { path: path.into(), arguments: arguments.iter().map(|a| (*a).into()).collect() }
}

fn tracked(host: &Host, instance: usize) -> Vec<(&str, i16, bool)> {
    let all = host.instances[instance].tracking.all();
    all.map(|t| (&*t.name, t.weight.value, t.weight.reverse)).collect()
}

#[test]
fn a_script_has_its_defaults_and_what_is_written() {
    let text = format!("{SCRIPT}{}", instance("A", 7, "track_script {\na\n}"));
    let host = clean(&text);
    let script = &host.scripts[0];
    assert_eq!((&*script.name, &script.command), ("a", &run("/bin/check", &["x"])));
    assert_eq!(
        (script.interval, script.timeout, script.rise, script.fall),
        (Duration::from_secs(1), None, 1, 1)
    );
    assert_eq!((script.weight, script.starts_failed, &script.account), (Weight::default(), false, &None));
    assert_eq!(script.limit(), Duration::from_secs(1));
    assert_eq!(tracked(&host, 0), [("a", 0, false)]);
    let text = text.replace(
        "\n}\nvrrp_instance",
        "\ninterval 2.5\ntimeout 1\nrise 3\nfall 4\nweight -20 reverse\nuser nobody nogroup\ninit_fail\n}\nvrrp_instance",
    );
    let host = clean(&text);
    let script = &host.scripts[0];
    assert_eq!(
        (script.interval, script.timeout),
        (Duration::from_millis(2500), Some(Duration::from_secs(1)))
    );
    assert_eq!((script.rise, script.fall, script.starts_failed), (3, 4, true));
    assert_eq!(script.weight, Weight { value: -20, reverse: true });
    assert_eq!(script.account, Some(Account { user: "nobody".into(), group: Some("nogroup".into()) }));
    assert_eq!(tracked(&host, 0), [("a", -20, true)]);
}

#[test]
fn values_of_a_script_that_cannot_be() {
    let with = |line: &str| {
        let script = SCRIPT.replace("\n}", &format!("\n{line}\n}}"));
        let (host, said) = read(&format!("{script}{}", instance("A", 7, "track_script {\na\n}")));
        (host.scripts[0].clone(), said)
    };
    for line in ["interval x", "interval 5000", "timeout -1", "rise 0", "fall x", "weight 300", "weight x"] {
        let (script, said) = with(line);
        assert_eq!((script.interval, script.rise, script.fall), (Duration::from_secs(1), 1, 1), "{line}");
        assert_eq!((script.weight.value, said.len()), (0, 1), "{line}: {said:?}");
    }
    let (script, said) = with("interval 0");
    assert_eq!((script.interval, said), (Duration::from_secs(1), vec!["out-of-range"]));
    let (script, said) = with("weight 254");
    assert_eq!((script.weight.value, said), (253, vec!["out-of-range"]));
    assert_eq!(with("interval 2\ntimeout 3").1, ["timeout-beyond-interval"]);
    assert_eq!(with("timeout 3").1, ["timeout-beyond-interval"], "the interval is 1 s then");
    assert_eq!(with("interval 300\nfall 3").1, ["slow-check"]);
    assert!(with("interval 200\nfall 3").1.is_empty());
}

#[test]
fn commands_keep_their_words_together() {
    let command = |line: &str| {
        let (host, said) =
            read(&format!("vrrp_script a {{\n{line}\n}}\n{}", instance("A", 7, "track_script {\na\n}")));
        (host.scripts.first().map(|s| s.command.clone()), said)
    };
    assert_eq!(command("script /bin/x").0, Some(run("/bin/x", &[])));
    assert_eq!(command(r#"script "/bin/x 'a b' c""#).0, Some(run("/bin/x", &["a b", "c"])));
    assert_eq!(command("script \"killall -0 haproxy\"").0, Some(run("killall", &["-0", "haproxy"])));
    let readable = Command::Readable { path: "/dev/tcp/127.0.0.1/80".into() };
    assert_eq!(command("script \"</dev/tcp/127.0.0.1/80\"").0, Some(readable));
    assert_eq!(command("script /bin/x a"), (Some(run("/bin/x", &[])), vec!["command-cut"]));
    assert_eq!(command("script \"/bin/x | /bin/y\"").1, ["command-shell"]);
    assert_eq!(command("script \"\""), (None, vec!["command-empty"]));
    assert_eq!(command("script '/bin/x"), (None, vec!["unterminated-quote"]));
    assert_eq!(command(""), (None, vec!["tracker-incomplete"]));
}

#[test]
fn names_are_resolved_in_the_order_of_the_file() {
    let (host, said) = read(&format!("{}{SCRIPT}", instance("A", 7, "track_script {\na\n}")));
    assert_eq!((host.scripts.len(), tracked(&host, 0).len(), said), (0, 0, vec!["tracker-late"]));
    let (host, said) = read(&format!("{SCRIPT}{}", instance("A", 7, "track_script {\nother\n}")));
    assert_eq!((host.scripts.len(), said), (0, vec!["tracker-unused", "tracker-unknown"]));
    // The near name is meant: one finding is enough.
    let text = format!("{}{}", SCRIPT.replace(" a ", " check "), instance("A", 7, "track_script {\nchek\n}"));
    assert_eq!(read(&text).1, ["tracker-unknown"]);
    let (host, said) = read(&format!("{SCRIPT}{SCRIPT}{}", instance("A", 7, "track_script {\na\n}")));
    assert_eq!((host.scripts.len(), said), (1, vec!["tracker-twice"]));
    let list = "track_script {\na weight 5 reverse\na weight 6\na\n}";
    let (host, said) = read(&format!("{SCRIPT}{}", instance("A", 7, list)));
    assert_eq!((tracked(&host, 0), said), (vec![("a", 5, true)], vec!["duplicate-entry"; 2]));
    let (host, said) = read(&format!("{SCRIPT}{}", instance("A", 7, "track_script {\na weight 300\n}")));
    assert_eq!((tracked(&host, 0), said), (vec![("a", 0, false)], vec!["out-of-range"]));
    let (_, said) = read(&format!("{SCRIPT}{}", instance("A", 7, "track_file {\na\n}")));
    assert_eq!(said, ["tracker-unused", "tracker-unknown"]);
}

#[test]
fn files_processes_and_sessions() {
    let text = format!(
        "track_file f {{\nfile /run/f\nweight 2\ninit_file 7 overwrite\n}}\n\
         vrrp_track_file g {{\nfile /run/g\n}}\n\
         vrrp_track_process p {{\nprocess /bin/p -x\nparam_match initial\nquorum 2\nquorum_max 5\ndelay 2\nfork_delay 1\nfull_command\nweight 254\n}}\n\
         bfd_instance b {{\nneighbor_ip 10.0.0.2\nmin_rx 20.5\nmultiplier 3\nweight -3\n}}\n{}",
        instance("A", 7, "track_file {\nf\ng weight -254\n}\ntrack_process {\np\n}\ntrack_bfd {\nb\n}")
    );
    let (host, said) = read(&text);
    assert_eq!(said, ["deprecated-keyword"], "vrrp_track_file");
    assert_eq!(tracked(&host, 0), [("p", 254, false), ("f", 2, false), ("g", -254, false), ("b", -3, false)]);
    let initial = host.files[0].initial.unwrap();
    assert_eq!((&*host.files[0].path, initial.value, initial.overwrite), ("/run/f", 7, true));
    assert_eq!((host.files[1].weight.value, host.files[1].initial), (1, None));
    let p = &host.processes[0];
    assert_eq!(
        (&*p.path, &p.parameters[..], p.parameter_match),
        ("/bin/p", &["-x".to_string()][..], ParameterMatch::Initial)
    );
    assert_eq!((p.fewest, p.most, p.full_command), (2, Some(5), true));
    let bfd = &host.bfd[0];
    assert_eq!((bfd.neighbor.to_string(), bfd.source, bfd.max_hops), ("10.0.0.2".into(), None, Some(0)));
    let settings = model::BfdSettings {
        min_tx: 10_000,
        min_rx: 20_500,
        idle_tx: 1_000_000,
        multiplier: 3,
        passive: false,
    };
    assert_eq!(bfd.settings, settings);
    assert_eq!((bfd.hop_limit(), bfd.least_hop_limit(), bfd.multihop), (255, 255, false));
    assert_eq!((p.end_delay, p.begin_delay), (Duration::from_secs(2), Duration::from_secs(1)));
    let low = text.replace("quorum_max 5", "quorum_max 1");
    assert_eq!(read(&low).0.processes[0].most, Some(2), "the quorum is raised to");
}

#[test]
fn the_owner_has_no_weights() {
    let lines = "priority 255\ntrack_interface {\neth1 weight 5\neth2\n}\ntrack_script {\na weight 5\n}";
    let text = format!("{SCRIPT}{}", instance("A", 7, lines).replace("priority 90\n", ""));
    let (host, said) = read(&text);
    assert_eq!(said, ["owner-weight"; 2]);
    let it = &host.instances[0];
    assert_eq!(
        *it.track_interfaces,
        [TrackedInterface { interface: "eth2".into(), weight: 0, reverse: false }]
    );
    assert!(it.tracking.scripts.is_empty());
}

#[test]
fn groups_hold_instances_and_forbid_their_weights() {
    let members = "track_script {\na weight 5\n}\ntrack_interface {\neth1 weight 5\n}";
    let both = format!("{}{}", instance("A", 7, members), instance("B", 8, ""));
    let group = |lines: &str| format!("{SCRIPT}vrrp_sync_group G {{\ngroup {{\nA B\n}}\n{lines}\n}}\n{both}");
    let (host, said) = read(&group(""));
    assert_eq!(said, ["group-weight"; 2]);
    let members: Vec<&str> = host.groups[0].members.iter().map(|m| &**m).collect();
    assert_eq!((members, tracked(&host, 0).len()), (vec!["A", "B"], 0));
    assert_eq!(host.instances[0].track_interfaces[0].weight, 0, "its failure is a fault");
    let process = group("")
        .replace("vrrp_sync_group", "vrrp_track_process p {\nprocess x\nweight 4\n}\nvrrp_sync_group");
    let process = process.replace("track_script {\na weight 5", "track_process {\np");
    assert_eq!(tracked(&read(&process).0, 0), [("p", 4, false)], "the weight of a process stays");
    let host = clean(&group("sync_group_tracking_weight"));
    assert!(host.groups[0].weights);
    assert_eq!(tracked(&host, 0), [("a", 5, false)]);
    // The group's own weights count in any case.
    let text = group("track_script {\na weight 3\n}\nnotify_master /bin/x");
    let (host, _) = read(&text);
    assert_eq!(host.groups[0].tracking.scripts[0].weight.value, 3);
    assert_eq!(host.groups[0].notify.active.as_ref().unwrap().command, run("/bin/x", &[]));
}

#[test]
fn groups_that_cannot_be() {
    let both = format!("{}{}", instance("A", 7, ""), instance("B", 8, ""));
    let ids = |groups: &str| read(&format!("{groups}{both}")).1;
    let group = |name: &str, list: &str| format!("vrrp_sync_group {name} {{\ngroup {{\n{list}\n}}\n}}\n");
    assert!(ids(&group("G", "A\nB")).is_empty());
    assert_eq!(ids(&group("G", "A")), ["group-small"]);
    assert_eq!(ids(&group("G", "")), ["group-small"]);
    assert_eq!(ids(&group("", "A\nB")), ["group-name"]);
    assert_eq!(ids(&group("G", "A\nB\nC")), ["group-member"]);
    assert_eq!(ids(&format!("{}{}", group("G", "A\nB"), group("G", "A\nB"))), ["group-name"]);
    let two = format!("{}{}", group("G", "A\nB"), group("H", "B\nA"));
    assert_eq!(ids(&two), ["group-small", "group-member", "group-member"]);
    assert_eq!(read(&format!("{two}{both}")).0.groups.len(), 1);
}

#[test]
fn who_is_told() {
    let lines = "notify_master \"/bin/x a\" nobody nogroup\nnotify /bin/all\nnotify_deleted\nsmtp_alert\nnotify_priority_changes off";
    let text = format!(
        "global_defs {{\nnotification_email {{\na@b c@d\n}}\nnotification_email_from \"Me <a@b>\"\nsmtp_server mail 2525\n\
         smtp_connect_timeout 1\nsmtp_alert\nvrrp_notify_fifo /run/f nobody\nvrrp_notify_fifo_script /bin/reader\n\
         script_user nobody\nenable_script_security\nstartup_script /bin/up\nshutdown_script_timeout 3\n}}\n{}",
        instance("A", 7, lines)
    );
    let host = clean(&text);
    let notify = &host.instances[0].notify;
    let active = notify.active.as_ref().unwrap();
    assert_eq!(active.command, run("/bin/x", &["a"]));
    assert_eq!(active.account, Some(Account { user: "nobody".into(), group: Some("nogroup".into()) }));
    assert_eq!(
        (&notify.deleted, notify.mail, notify.priority_changes),
        (&Deleted::Told(None), Some(true), Some(false))
    );
    assert_eq!(host.mail.to.len(), 2);
    let server = host.mail.server.as_ref().unwrap();
    assert_eq!(
        (&*server.host, server.port, host.mail.connect_timeout),
        ("mail", 2525, Duration::from_secs(1))
    );
    assert!(host.mail.default && host.script_settings.security);
    let fifo = host.notify.vrrp_fifo.as_ref().unwrap();
    assert_eq!((&*fifo.path, &fifo.script.as_ref().unwrap().command), ("/run/f", &run("/bin/reader", &[])));
    assert_eq!(host.script_settings.startup.as_ref().unwrap().timeout, Duration::from_secs(10));
    assert!(host.script_settings.shutdown.is_none());
    let said = |lines: &str| read(&instance("A", 7, lines)).1;
    assert_eq!(said("notify /bin/x master"), ["command-user"]);
    assert_eq!(said("notify /bin/x -v"), ["command-user"]);
    assert!(said("notify /bin/x haproxy haproxy").is_empty());
    assert_eq!(said("notify /bin/x\nnotify /bin/y"), ["notify-twice"]);
}

#[test]
fn link_delays_are_cut_to_what_the_partners_wait() {
    let text =
        format!("interface_up_down_delays {{\neth0 1 2.5\neth1 30\neth0 2\n}}\n{}", instance("A", 7, ""));
    let (host, said) = read(&text);
    assert_eq!(said, ["duplicate-entry"]);
    assert_eq!(
        (host.link_delays[0].down, host.link_delays[0].up),
        (Duration::from_secs(1), Duration::from_millis(2500))
    );
    assert_eq!(host.link_delays[1].down, Duration::from_secs(30), "nobody waits there");
    let (host, said) = read(&text.replace("eth0 1 2.5", "eth0 20"));
    assert_eq!(said, ["link-delay-cut", "duplicate-entry"]);
    // Two intervals less (256 - 90) / 256 s.
    assert_eq!(host.link_delays[0].down.as_millis(), 1351);
}

#[test]
fn strict_mode_drops_what_the_rfc_has_not() {
    let strict = |lines: &str| read(&instance("A", 7, &format!("strict_mode\n{lines}")));
    let auth = "authentication {\nauth_type PASS\nauth_pass gehe1m\n}";
    let (host, said) = strict(&format!("{auth}\npreempt_delay 5\naccept"));
    assert_eq!(said, ["strict-mode"; 3]);
    let it = &host.instances[0];
    assert_eq!(
        (&it.authentication, it.settings.preempt_delay),
        (&model::Authentication::None, Duration::ZERO)
    );
    assert!(it.strict);
    let (host, said) = strict("state MASTER");
    assert_eq!((host.instances[0].wants_active, said), (false, vec!["strict-mode"]));
    assert_eq!(strict("unicast_peer {\n10.0.0.99\n}").1, ["strict-mode"]);
    assert!(strict("version 3\naccept\nnopreempt").1.is_empty());
    let all = format!("global_defs {{\nvrrp_strict\n}}\n{}", instance("A", 7, auth));
    assert_eq!(read(&all).1, ["strict-mode"]);
    assert!(read(&all.replace("priority", "strict_mode off\npriority")).1.is_empty());
    let (_, outcome) =
        outcome("vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\npriority 9\nstrict_mode\n}\n");
    assert!(outcome.diagnostics.iter().any(|d| d.id.name() == "no-address"));
}

/// What keepalived -t 2.2.7 says of these lines, it says of no other value of theirs.
#[test]
fn strict_mode_turns_extensions_off() {
    let strict = |lines: &str| read(&instance("A", 7, &format!("version 3\naccept\nstrict_mode\n{lines}")));
    let loose = "down_timer_adverts 5\nlower_prio_no_advert false\nhigher_prio_send_advert true\n\
                 garp_lower_prio_repeat 3\ngarp_lower_prio_delay 3";
    let same = "down_timer_adverts 3\nlower_prio_no_advert true\nhigher_prio_send_advert false\n\
                garp_lower_prio_repeat 0\ngarp_lower_prio_delay 0";
    let (host, said) = strict(loose);
    assert_eq!(said, ["strict-mode"; 4]);
    for (host, said) in [(host, vec![]), strict(same), strict("")] {
        assert!(said.is_empty(), "{said:?}");
        let settings = &host.instances[0].settings;
        assert_eq!(settings.down_adverts, 3);
        assert!(settings.lower_priority_no_advert && !settings.higher_priority_send_advert);
        let announce = &settings.announce;
        assert_eq!((announce.lower_priority_repeat, announce.lower_priority_delay), (0, Duration::ZERO));
        assert!(!settings.owner_ignores_adverts);
    }
    let global =
        "global_defs {\nvrrp_strict\nvrrp_higher_prio_send_advert true\nvrrp_down_timer_adverts 5\n}\n";
    let (host, said) = read(&format!("{global}{}", instance("A", 7, "version 3\naccept")));
    let settings = &host.instances[0].settings;
    assert_eq!((settings.down_adverts, settings.higher_priority_send_advert), (3, false));
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn a_strict_owner_is_the_master_and_listens_to_nobody() {
    let strict = |lines: &str| {
        let text = instance("A", 7, &format!("strict_mode\n{lines}")).replace("priority 90", "priority 255");
        read(&text)
    };
    let (host, said) = strict("state MASTER");
    let it = &host.instances[0];
    assert!(it.wants_active && it.settings.owner_ignores_adverts);
    assert!(said.is_empty(), "{said:?}");
    let (host, said) = strict("state BACKUP\nowner_ignore_adverts false");
    let it = &host.instances[0];
    assert!(it.wants_active && it.settings.owner_ignores_adverts);
    assert_eq!(said, ["strict-mode"; 2]);
}

/// Names of tables, priorities, and an owner that is told to accept nothing.
#[test]
fn the_filter_is_named_and_placed() {
    let read = |globals: &str| {
        let (_, outcome) =
            outcome(format!("global_defs {{\n{globals}\n}}\n{}", instance("A", 7, "no_accept")));
        let said: Vec<&str> = outcome.diagnostics.iter().map(|d| d.id.name()).collect();
        (outcome.host.unwrap().filter, said)
    };
    let (filter, said) = read("nftables fw.vrrp\nnftables_priority -150\nnftables_counters");
    assert_eq!((&*filter.table, filter.priority, filter.counters), ("fw.vrrp", -150, true));
    assert_eq!(said, [""; 0]);
    let (filter, said) = read("nftables 7up\nnftables_priority 2147483648");
    assert_eq!((filter, said), (model::Filter::default(), vec!["unknown-word", "out-of-range"]));
    assert_eq!(read("nftables").0, model::Filter::default());
    assert_eq!(read("vrrp_iptables\nvrrp_ipsets"), (model::Filter::default(), vec!["no-effect"; 2]));
    let (_, outcome) = outcome(instance("A", 7, "priority 255\nstate MASTER\nno_accept"));
    let said: Vec<&str> = outcome.diagnostics.iter().map(|d| d.id.name()).collect();
    assert_eq!(said, ["repeated-keyword", "no-effect"], "the priority, and `no_accept`");
    assert!(outcome.host.unwrap().instances[0].accepts());
}

#[test]
fn strict_mode_wants_a_link_local_address_first() {
    let said = |first: &str| {
        let text = instance("A", 7, "accept\nstrict_mode");
        read(&text.replace("10.0.0.7", &format!("{first}\n2001:db8::7"))).1
    };
    assert!(said("fe80::3").is_empty());
    assert_eq!(said("2001:db8::3"), ["strict-mode"]);
    assert_eq!(said("2001:db8::3\nfe80::3"), ["strict-mode"]);
}

#[test]
fn one_mistake_in_a_password_gives_one_finding() {
    let said = |pass: &str| {
        read(&instance("A", 7, &format!("authentication {{\nauth_type PASS\nauth_pass {pass}\n}}"))).1
    };
    assert_eq!(said("abcdefghij#kl"), ["auth-pass-too-long"]);
    assert_eq!(said("abcdefgh#ij"), ["auth-pass-cut"]);
    assert_eq!(said("12345678"), ["known-password"]);
    assert!(said("12345679").is_empty());
}

#[test]
fn a_weight_must_leave_its_mark() {
    let said = |priority: u8, lists: &str| {
        let text = format!("{SCRIPT}{}{}", SCRIPT.replace(" a ", " b "), instance("A", 7, lists));
        read(&text.replace("priority 90", &format!("priority {priority}"))).1
    };
    let both = |a: i16, b: i16| format!("track_script {{\na weight {a}\nb weight {b}\n}}");
    assert!(said(100, &both(20, -20)).is_empty());
    assert!(said(250, &both(20, -20)).is_empty(), "254, and 250 or 230");
    assert_eq!(said(250, &both(20, 20)), ["weight-without-effect"; 2]);
    assert_eq!(said(254, &both(20, 0)), ["weight-without-effect"]);
    assert_eq!(said(1, &both(-20, 0)), ["weight-without-effect"]);
    assert!(said(10, &both(-20, -30)).is_empty(), "1 is not 10");
}

/// What keepalived makes of a script that cannot be run is told to its users.
#[test]
fn a_script_is_judged_by_whoever_shall_run_it() {
    let text = "vrrp_script chk {\nscript /a/b\n}\nvrrp_instance A {\ninterface eth0\nvirtual_router_id 7\n\
                priority 90\nvirtual_ipaddress {\n10.0.0.3\n}\ntrack_script {\nchk\n}\n}\n";
    let said = |keepalived, flaw| {
        let mut sources = config::Sources::new();
        sources.add_root("f", text.as_bytes().to_vec());
        let mut surroundings = config::Surroundings { keepalived, ..config::Surroundings::default() };
        surroundings.programs.insert("chk".into(), flaw);
        match config::load(&sources, &surroundings) {
            config::Loaded::Done(outcome) => outcome.diagnostics[0].message.clone(),
            config::Loaded::Missing(_) => panic!("nothing is included"),
        }
    };
    let theirs = config::table::Release::of("2.2.7");
    let missing = || config::ProgramFlaw::Flaw(model::Flaw::Missing("/a".into()));
    let bare = || config::ProgramFlaw::Bare("/a/b".into());
    assert_eq!(said(None, missing()), "`/a` does not exist: who tracks it has priority 1");
    assert_eq!(said(theirs, missing()), "`/a` does not exist: keepalived drops it");
    assert_eq!(said(None, bare()), "`/a/b` has no `#!` line: it is run by /bin/sh");
    assert_eq!(said(theirs, bare()), "`/a/b` has no `#!` line: keepalived takes that for a success");
}

/// A program that is told of something is looked at as a check is; what comes of it is another thing.
#[test]
fn what_is_told_is_looked_at_too() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\npriority 90\nvirtual_ipaddress {\n10.0.0.3\n}\n\
                notify_master \"/a/b up\" root\nnotify_fault /c\n}\n";
    let said = |keepalived, flaw: config::ProgramFlaw| {
        let mut sources = config::Sources::new();
        sources.add_root("f", text.as_bytes().to_vec());
        let mut surroundings = config::Surroundings { keepalived, ..config::Surroundings::default() };
        let command = model::Command::Run { path: "/a/b".into(), arguments: vec!["up".into()] };
        let account = Some(model::Account { user: "root".into(), group: None });
        surroundings.hooks.insert(model::Hook { command, account }, flaw);
        let config::Loaded::Done(outcome) = config::load(&sources, &surroundings) else {
            panic!("nothing is included")
        };
        let [found] = &outcome.diagnostics[..] else { panic!("{:?}", outcome.diagnostics) };
        let (id, message, span) = (found.id.name(), found.message.clone(), found.span);
        assert_eq!(&text[span.start as usize..span.end as usize], "\"/a/b up\"");
        (id, message)
    };
    let theirs = config::table::Release::of("2.2.7");
    let missing = || config::ProgramFlaw::Flaw(model::Flaw::Missing("/a".into()));
    let bare = || config::ProgramFlaw::Bare("/a/b".into());
    assert_eq!(said(None, missing()), ("script-missing", "`/a` does not exist: it is not told".to_owned()));
    assert_eq!(
        said(theirs, missing()),
        ("script-missing", "`/a` does not exist: keepalived drops it".to_owned())
    );
    assert_eq!(said(None, bare()).1, "`/a/b` has no `#!` line: it is run by /bin/sh");
    assert_eq!(said(theirs, bare()).1, "`/a/b` has no `#!` line: keepalived does not tell it");
}

#[test]
fn recipients_may_have_names() {
    let list =
        "notification_email {\nNight shift <n@x>\na@b <c@d>\n\"M. <e@f>\"\nroot\n}\nsmtp_server 10.0.0.25";
    let text = format!("global_defs {{\n{list}\nsmtp_alert\n}}\n{}", instance("A", 7, ""));
    let to = clean(&text).mail.to;
    assert_eq!(
        to.iter().map(|to| &**to).collect::<Vec<_>>(),
        ["Night shift <n@x>", "a@b", "<c@d>", "M. <e@f>", "root"]
    );
    let bad = text.replace("root", "\"a b\" <x");
    let (host, said) = read(&bad);
    assert_eq!((host.mail.to.len(), said), (4, vec!["mail-address", "mail-address"]));
}

#[test]
fn mail_in_vain_is_noted() {
    let (server, to) = ("smtp_server 10.0.0.25\n", "notification_email {\na@b\n}\n");
    let said = |globals: &str, lines: &str| {
        read(&format!("global_defs {{\n{globals}\n}}\n{}", instance("A", 7, lines))).1
    };
    let both = format!("{server}{to}");
    for (globals, lines, wanted) in [
        ("", "", None),
        ("", "smtp_alert off", None),
        ("", "smtp_alert", Some("mail-nowhere")),
        ("smtp_alert_vrrp", "", Some("mail-nowhere")),
        (&format!("smtp_alert\n{server}"), "", Some("mail-nowhere")),
        (to, "smtp_alert", Some("mail-nowhere")),
        (server, "", None),
        (&both, "", Some("mail-unused")),
        (&format!("{both}smtp_alert"), "smtp_alert off", Some("mail-unused")),
        (&both, "smtp_alert", None),
        (&format!("{both}smtp_alert\nsmtp_alert_vrrp off"), "", Some("mail-unused")),
    ] {
        assert_eq!(said(globals, lines), Vec::from_iter(wanted), "{globals:?} {lines:?}");
    }
    let text = format!("global_defs {{\n{both}\n}}\n{}", instance("A", 7, ""));
    assert_eq!(read(&text).1, ["mail-unused"]);
    assert!(
        read(&format!("{text}virtual_server 10.0.0.9 80 {{\n}}\n"))
            .1
            .iter()
            .all(|id| !id.starts_with("mail"))
    );
}

#[test]
fn sessions_that_cannot_be_or_can_only_just() {
    let one = |lines: &str| {
        let (host, said) = read(&format!(
            "bfd_instance b {{\nmin_rx 100\n{lines}\n}}\n{}",
            instance("A", 7, "track_bfd {\nb\n}")
        ));
        (host.bfd.into_iter().next(), host.instances[0].tracking.bfd.len(), said)
    };
    assert_eq!(one("min_tx 5"), (None, 0, vec!["tracker-incomplete"]));
    assert_eq!(one("neighbor_ip fe80::2%eth0"), (None, 0, vec!["bad-address"]));
    assert_eq!(one("neighbor_ip 10.0.0.2\nsource_ip fd00::1"), (None, 0, vec!["bfd-impossible"]));
    let bad = "neighbour_ip 10.0.0.2\nmin_tx 0.5\nidle_tx 500\nmultiplier 0\nttl 256\nmax_hops 300";
    let (bfd, tracked, said) = one(bad);
    let usual = model::Bfd::new("b", "10.0.0.2".parse().unwrap());
    let settings = model::BfdSettings { min_rx: 100_000, ..usual.settings };
    assert_eq!((bfd, tracked), (Some(model::Bfd { settings, ..usual }), 1));
    assert_eq!(said, ["out-of-range"; 5]);
    let hops = |lines: &str| {
        let (bfd, _, said) = one(lines);
        bfd.map(|bfd| (bfd.hop_limit(), bfd.least_hop_limit(), said.len())).unwrap()
    };
    assert_eq!(hops("neighbor_ip fd00::2"), (255, 64, 0), "BTRAP-5: what keepalived sends is taken");
    assert_eq!(hops("neighbor_ip fd00::2\nhoplimit 255"), (255, 255, 0));
    assert_eq!(hops("neighbor_ip 10.0.0.2\nttl 20\nmax_hops 5"), (20, 15, 0));
    assert_eq!(hops("neighbor_ip 10.0.0.2\nttl 20\nmax_hops 30"), (20, 0, 1));
    assert_eq!(hops("neighbor_ip 10.0.0.2\nmax_hops -1"), (255, 0, 0));
}

//! What the lines of an instance come to: values, defaults, and the rules that hold between lines.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use common::{clean, outcome, places};
use core::time::Duration;
use model::{AnnounceSettings, Authentication, ChecksumForm, Instance, Transport};
use std::net::IpAddr;
use wire::{Family, Interval, Priority, Version};

/// An instance with these lines besides the necessary ones.
fn instance(lines: &str) -> String {
    format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\npriority 90\n{lines}\nvirtual_ipaddress {{ 10.0.0.3 }}\n}}\n"
    )
}

/// The same without an address list of its own.
fn bare(lines: &str) -> String {
    format!("vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\npriority 90\n{lines}\n}}\n")
}

fn with(lines: &str) -> Instance {
    clean(&instance(lines))
}

/// The instance, and the findings it gives.
fn odd(text: &str) -> (Instance, Vec<&'static str>) {
    let (_, outcome) = outcome(text);
    let host = outcome.host.unwrap();
    host.check().unwrap();
    (host.instances.into_iter().next().unwrap(), outcome.diagnostics.iter().map(|d| d.id.name()).collect())
}

fn ids(text: &str) -> Vec<&'static str> {
    outcome(text).1.diagnostics.iter().map(|d| d.id.name()).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn con_8_con_9_con_10_defaults_are_those_of_the_manual() {
    let it = with("");
    assert_eq!(it.settings.version, Version::V2);
    assert_eq!(it.settings.interval, Interval::SECOND);
    assert_eq!(*it.settings.announce, AnnounceSettings::default());
    assert_eq!((it.settings.down_adverts, it.settings.preempt), (3, true));
    assert_eq!(with("version 3").settings.interval, Interval::SECOND);
    assert_eq!(it.transport, Transport::Multicast { group: None, source: None });
    assert_eq!((it.checksum, it.authentication), (ChecksumForm::PseudoHeader, Authentication::None));
    assert_eq!((it.gaps.arp, it.gaps.na), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn con_7_wire_5_priority_without_a_value_of_its_own() {
    let text = |state: &str| instance(state).replace("priority 90\n", "");
    let (it, said) = odd(&text("state BACKUP"));
    assert_eq!(it.settings.priority, Priority::DEFAULT);
    assert_eq!(said, ["priority-missing"]);
    let (it, said) = odd(&text("state MASTER"));
    assert_eq!(it.settings.priority, Priority::OWNER);
    assert_eq!(said, ["priority-missing"]);
    for bad in ["0", "256", "-1", "99999999999999999999"] {
        let (it, said) = odd(&text(&format!("priority {bad}")));
        assert_eq!((it.settings.priority, said), (Priority::DEFAULT, vec!["out-of-range"]), "{bad}");
    }
    // An unusable priority is 100 even for a MASTER.
    let (it, said) = odd(&text("state MASTER\npriority high"));
    assert_eq!((it.settings.priority, said), (Priority::DEFAULT, vec!["bad-number"]));
}

#[test]
fn con_6_vrid_must_be_there_and_exist() {
    let text = |line: &str| instance("").replace("virtual_router_id 7", line);
    assert_eq!(ids(&text("")), ["vrid-missing"]);
    for bad in ["0", "256", "-3"] {
        assert_eq!(ids(&text(&format!("virtual_router_id {bad}")))[0], "vrid-out-of-range", "{bad}");
    }
    assert_eq!(ids(&text("virtual_router_id x")), ["vrid-missing", "bad-number"]);
    assert!(outcome(text("virtual_router_id 0")).1.host.is_none());
}

#[test]
fn con_8_con_9_tm_12_intervals_fit_their_version() {
    let centis = |lines: &str| odd(&instance(lines)).0.settings.interval.centis();
    assert_eq!(with("advert_int 3").settings.interval.centis(), 300);
    assert_eq!(centis("version 3\nadvert_int 0.01"), 1);
    assert_eq!(odd(&instance("advert_int 255")).0.settings.interval, Interval::MAX_V2);
    for (lines, want) in [
        ("advert_int 1.5", 200),
        ("advert_int 1.49", 100),
        ("advert_int 0.4", 100),
        ("version 3\nadvert_int 0.015", 2),
        ("version 3\nadvert_int 50", 4095),
        ("version 3\nadvert_int 40.96", 4095),
    ] {
        assert_eq!(centis(lines), want, "{lines}");
        // What is used may be very short or very long; that is said too.
        assert_eq!(odd(&instance(lines)).1[0], "interval-altered", "{lines}");
    }
    for bad in ["0", "256", "0.004", "-1"] {
        let (it, said) = odd(&instance(&format!("advert_int {bad}")));
        assert_eq!((it.settings.interval.centis(), said), (100, vec!["out-of-range"]), "{bad}");
    }
    let (it, said) = odd(&instance("advert_int 5x"));
    assert_eq!((it.settings.interval.centis(), said), (500, vec!["bad-number"]));
}

#[test]
fn versions_and_families() {
    assert_eq!(with("version 3").settings.version, Version::V3);
    let all = format!("global_defs {{ vrrp_version 3\n}}\n{}", instance(""));
    assert_eq!(clean(&all).settings.version, Version::V3);
    let v6 = clean(&bare("virtual_ipaddress { 2001:db8::3/64 }"));
    assert_eq!((v6.settings.version, v6.settings.family), (Version::V3, Family::V6));
    let (it, said) = odd(&bare("version 2\nvirtual_ipaddress { fe80::1 }"));
    assert_eq!((it.settings.version, said), (Version::V3, vec!["version-conflict"]));
    let (it, said) = odd(&instance("version 3\nversion 2"));
    assert_eq!((it.settings.version, said), (Version::V3, vec!["version-conflict"]));
    let none = clean(&bare("no_virtual_ipaddress\nnative_ipv6"));
    assert_eq!((none.settings.family, none.addresses.len()), (Family::V6, 0));
    let none = clean(&bare("no_virtual_ipaddress\nunicast_peer { fe80::2 }"));
    assert_eq!(none.settings.family, Family::V6);
    assert_eq!(odd(&instance("native_ipv6")).1, ["other-family"]);
}

#[test]
fn preemption_and_what_it_cannot_go_with() {
    assert!(!with("state BACKUP\nnopreempt").settings.preempt);
    assert!(with("nopreempt\npreempt").settings.preempt);
    assert_eq!(with("preempt_delay 1.5").settings.preempt_delay, Duration::from_millis(1500));
    assert_eq!(with("preempt_delay 0\nstate MASTER").settings.preempt_delay, Duration::ZERO);
    let (it, said) = odd(&instance("state MASTER\nnopreempt\npreempt_delay 5"));
    assert_eq!((it.settings.preempt, it.settings.preempt_delay), (true, Duration::ZERO));
    assert_eq!(said, ["nopreempt-ignored", "preempt-delay-ignored"]);
    let (it, said) = odd(&instance("nopreempt").replace("priority 90", "priority 255"));
    assert_eq!((it.settings.preempt, said), (true, vec!["nopreempt-ignored"]));
    let (it, said) = odd(&instance("nopreempt\npreempt_delay 5"));
    assert_eq!((it.settings.preempt, it.settings.preempt_delay.is_zero()), (false, true));
    assert_eq!(said, ["preempt-delay-ignored"]);
    assert_eq!(ids(&instance("preempt_delay 1001")), ["out-of-range"]);
}

#[test]
fn states() {
    assert!(with("state MASTER").wants_active);
    assert!(!with("state BACKUP").wants_active);
    let (it, said) = odd(&instance("state MASTER\nstate BACKUP"));
    assert_eq!((it.wants_active, said), (true, vec!["repeated-keyword"]));
    let (it, said) = odd(&instance("state master"));
    assert_eq!((it.wants_active, said), (false, vec!["unknown-state"]));
    assert!(!with("").wants_active);
}

#[test]
fn authentication_of_version_2() {
    let auth = |inner: &str| instance(&format!("authentication {{\n{inner}\n}}"));
    let Authentication::Header(key) = clean(&auth("auth_type AH\nauth_pass \"a b\"")).authentication else {
        panic!("no key")
    };
    assert_eq!(key.reveal(), *b"a b\0\0\0\0\0");
    let (it, said) = odd(&auth("auth_type PASS\nauth_pass correcthorse"));
    let Authentication::Password(secret) = it.authentication else { panic!("no password") };
    assert_eq!((secret.reveal(), said), (*b"correcth", vec!["auth-pass-too-long"]));
    for (inner, id) in [
        ("auth_type PASS", "auth-incomplete"),
        ("auth_pass 1111", "auth-incomplete"),
        ("auth_type pass\nauth_pass 1111", "auth-type-unknown"),
        ("", "auth-incomplete"),
    ] {
        let (it, said) = odd(&auth(inner));
        assert_eq!((it.authentication, said), (Authentication::None, vec![id]), "{inner}");
    }
    let (it, said) = odd(&auth("auth_type PASS\nauth_pass 1111").replace("priority", "version 3\npriority"));
    assert_eq!((it.authentication, said), (Authentication::None, vec!["auth-with-v3"]));
    assert_eq!(ids(&auth("auth_type PASS\nauth_pass 12!34")), ["auth-pass-cut"]);
    assert_eq!(ids(&auth("auth_type PASS\nauth_pass ${KEEPALIVED_PASSWORD}")), ["undefined-name"]);
    assert!(ids(&auth("auth_type PASS\nauth_pass \"12!34\"")).is_empty());
    assert!(ids(&auth("auth_type PASS\nauth_pass 1234;")).is_empty(), "a password may end so");
    assert!(ids(&auth("auth_type PASS\nauth_pass 12\\!34")).is_empty());
}

#[test]
fn unicast() {
    let it = with(
        "unicast_src_ip 10.0.0.5\nunicast_ttl 64\nunicast_peer {\n10.0.0.6\n10.0.0.7 min_ttl 254 max_ttl 255\n}",
    );
    let Transport::Unicast { source, peers, ttl } = &it.transport else { panic!("not unicast") };
    assert_eq!((*source, *ttl, peers.len()), (Some(ip("10.0.0.5")), 64, 2));
    assert_eq!((peers[1].min_ttl, peers[1].max_ttl), (Some(254), Some(255)));
    assert!(it.check_unicast_source, "a TTL limit turns the check on");
    assert!(!with("unicast_peer { 10.0.0.6 }").check_unicast_source);
    assert!(with("unicast_peer { 10.0.0.6 }\ncheck_unicast_src").check_unicast_source);
    let (it, said) = odd(&instance("unicast_peer {\n10.0.0.6\n10.0.0.6\nfe80::1\nlb02\n}"));
    let Transport::Unicast { peers, .. } = it.transport else { panic!("not unicast") };
    assert_eq!((peers.len(), said), (1, vec!["duplicate-entry", "other-family", "bad-address"]));
    for lines in ["unicast_peer { }", "unicast_src_ip 10.0.0.5"] {
        let (it, said) = odd(&instance(lines));
        assert!(matches!(it.transport, Transport::Multicast { .. }));
        assert_eq!(said, ["no-peers"]);
    }
}

#[test]
fn multicast_source_and_group() {
    let it = with("mcast_src_ip 10.0.0.5\nmcast_dst_ip 224.0.0.99");
    let (group, source) = (Some(ip("224.0.0.99")), Some(ip("10.0.0.5")));
    assert_eq!(it.transport, Transport::Multicast { group, source });
    let (it, said) = odd(&instance("mcast_src_ip fe80::1\nmcast_dst_ip 10.0.0.1"));
    assert_eq!(it.transport, Transport::Multicast { group: None, source: None });
    assert_eq!(said, ["other-family", "not-multicast"]);
}

#[test]
fn address_lines() {
    let lines = "virtual_ipaddress {
        10.0.0.3/24 dev eth1 scope link label eth1:vip brd + no_track noprefixroute
        10.0.0.4/24 broadcast -
        10.0.0.5 peer 10.9.9.9/30
        10.0.0.6 dev eth0
    }
    virtual_ipaddress_excluded {
        2001:db8::3/64 -nodad home preferred_lft 60
        2001:db8::4 preferred_lft forever
        10.0.0.3 dev eth2
    }";
    let it = clean(&bare(lines));
    let first = &it.addresses[0];
    assert_eq!(
        (first.prefix, first.options.scope, first.options.label.as_deref()),
        (24, 253, Some("eth1:vip"))
    );
    assert_eq!(first.options.broadcast, Some("10.0.0.255".parse().unwrap()));
    assert!(
        first.options.no_track
            && first.options.no_prefix_route
            && first.options.device.as_deref() == Some("eth1")
    );
    assert_eq!(it.addresses[1].options.broadcast, Some("10.0.0.0".parse().unwrap()));
    assert_eq!((it.addresses[2].options.peer, it.addresses[2].prefix), (Some(ip("10.9.9.9")), 30));
    assert_eq!(it.addresses[3].options.device, None, "the own interface says nothing new");
    let six = &it.excluded[0];
    assert!(six.options.detect_duplicates && six.options.home && six.options.preferred_lifetime == Some(60));
    assert_eq!(it.excluded[1].options.preferred_lifetime, Some(u32::MAX));
    assert_eq!((it.excluded[1].prefix, it.excluded.len()), (128, 3));
}

#[test]
fn address_lines_that_cannot_be() {
    let count = |line: &str| {
        let (it, said) = odd(&bare(&format!("virtual_ipaddress {{\n10.0.0.9\n{line}\n}}")));
        (it.addresses.len() + it.excluded.len(), said)
    };
    for (line, kept, id) in [
        ("10.0.0.1/33", 2, "bad-prefix"),
        ("10.0.0.1/24x", 2, "bad-prefix"),
        ("10.0.0.1/", 2, "bad-prefix"),
        ("10.0.0.2 255.255.255.0", 2, "address-option"),
        ("10.0.0.4 label abcdefghijklmnop", 1, "address-option"),
        ("10.0.0.4 label", 1, "address-option"),
        ("10.0.0.5 dev", 1, "address-option"),
        ("10.0.0.7 dev eth1 dev eth0", 1, "address-option"),
        ("10.0.0.6 scope foo", 2, "address-option"),
        ("10.0.0.8/31 brd +", 1, "address-option"),
        ("10.0.0.8/24 brd 300.1.1.1", 1, "address-option"),
        ("10.0.0.9 peer 10.0.0.1", 1, "duplicate-address"),
        ("10.0.0.1 peer fe80::1", 2, "address-option"),
        ("10.0.0.1 preferred_lft x", 2, "bad-number"),
        ("10.0.0.1 track_group a", 2, "address-option"),
        ("10.0.0.1 use_vmac", 2, "not-built"),
        ("10.0.0.1-5", 1, "bad-address"),
        ("the address", 1, "bad-address"),
        ("fe80::1", 1, "other-family"),
    ] {
        let (number, said) = count(line);
        assert_eq!((number, said.first().copied()), (kept, Some(id)), "{line}: {said:?}");
    }
    let (it, said) = odd(&bare(
        "virtual_ipaddress {\n2001:db8::9\n2001:db8::1 scope link label x\n2001:db8::2 brd 10.0.0.1\n}",
    ));
    assert_eq!((it.addresses.len(), said.len()), (2, 3));
}

#[test]
fn how_many_addresses() {
    let list = |n: u32, prefix: &str| -> String {
        (0..n)
            .map(|i| {
                if prefix.contains(':') {
                    format!("{prefix}{i:x}\n")
                } else {
                    format!("{prefix}{}.{}\n", i / 256, i % 256)
                }
            })
            .collect()
    };
    let text = |n, prefix| bare(&format!("virtual_ipaddress {{\n{}}}", list(n, prefix)));
    assert_eq!(clean(&text(255, "10.1.")).addresses.len(), 255);
    assert_eq!(ids(&text(256, "10.1.")), ["too-many-addresses"]);
    let (most, _) = odd(&text(300, "10.1."));
    assert_eq!((most.addresses.len(), most.excluded.len()), (255, 45), "the rest moves along unlisted");
    assert_eq!(clean(&text(90, "2001:db8::")).addresses.len(), 90);
    assert_eq!(ids(&text(91, "2001:db8::")), ["too-many-addresses"]);
    assert_eq!(ids(&bare("")), ["no-address-v2"]);
    assert_eq!(ids(&bare("version 3")), ["no-address"]);
    assert!(ids(&bare("version 3\nno_virtual_ipaddress")).is_empty());
}

#[test]
fn announcements_come_from_the_instance_then_the_host_then_the_manual() {
    let globals = "global_defs {\nvrrp_garp_master_delay 2\nvrrp_garp_master_repeat 3\nvrrp_garp_interval 0.001\nvrrp_gna_interval 0.000002\n}\n";
    let text = format!(
        "{}{globals}",
        instance(
            "garp_master_repeat 1\ngarp_lower_prio_repeat 0\ngarp_master_refresh 60\ngarp_master_refresh_repeat 2"
        )
    );
    let it = clean(&text);
    let a = *it.settings.announce;
    assert_eq!((a.repeat, a.delay, a.refresh), (1, Duration::from_secs(2), Duration::from_secs(60)));
    assert_eq!(
        (a.refresh_repeat, a.lower_priority_repeat, a.lower_priority_delay),
        (2, 0, Duration::from_secs(2))
    );
    assert_eq!((it.gaps.arp, it.gaps.na), (Duration::from_millis(1), Duration::from_micros(2)));
    let few = format!("global_defs {{ vrrp_min_garp\n}}\n{}", instance("garp_master_delay 4"));
    let a = *clean(&few).settings.announce;
    assert_eq!((a.repeat, a.delay, a.lower_priority_repeat), (1, Duration::from_secs(4), 1));
    // A losing advert is answered as the host says (Debian's 2.2.7 tells 5 and 5 in its dump), not as the instance announces.
    let own = instance("garp_master_repeat 2\ngarp_master_delay 1");
    let a = *clean(&own).settings.announce;
    assert_eq!((a.repeat, a.delay), (2, Duration::from_secs(1)));
    assert_eq!((a.lower_priority_repeat, a.lower_priority_delay), (5, Duration::from_secs(5)));
    let (it, said) = odd(&instance("garp_master_repeat 0\ngarp_master_delay 5000"));
    assert_eq!((it.settings.announce.repeat, said), (1, vec!["out-of-range", "out-of-range"]));
    let group = format!("garp_group {{\ninterface eth0\ngarp_interval 0.5\n}}\n{}", instance(""));
    assert_eq!(clean(&group).gaps.arp, Duration::from_millis(500));
    let two = group.replace("interface eth0\ngarp", "interfaces {\neth0 eth1\n}\ngarp");
    assert_eq!(odd(&two).1, ["not-built"]);
    assert_eq!(odd(&group.replace("garp_interval 0.5", "")).1, ["no-effect"]);
}

/// What the lines before the instance and those of `global_defs` make of the daemon, and the findings.
fn daemon(before: &str, globals: &str) -> (model::Daemon, Vec<&'static str>) {
    let (_, outcome) = outcome(format!("{before}\nglobal_defs {{\n{globals}\n}}\n{}", instance("")));
    (outcome.host.unwrap().daemon, outcome.diagnostics.iter().map(|d| d.id.name()).collect())
}

#[test]
fn lines_about_the_daemon() {
    let usual = model::Daemon::default();
    assert_eq!(daemon("", ""), (usual.clone(), vec![]));
    let before = "net_namespace blue\ninstance a\nuse_pid_dir\nchild_wait_time 7";
    let globals = "process_names\nprocess_name top\numask 0027\nvrrp_priority -5\nvrrp_rt_priority 30\n\
                   vrrp_cpu_affinity 1 0 1\nvrrp_rlimit_rttime 1\nvrrp_no_swap\ndata_use_instance\n\
                   state_dump_file /x\njson_version 2\nreload_file\nlog_unknown_vrids";
    let (it, said) = daemon(before, globals);
    assert_eq!(said, Vec::<&str>::new());
    assert_eq!(
        (it.namespace.as_deref(), it.name.as_deref(), it.own_pid_directory),
        (Some("blue"), Some("a"), true)
    );
    assert_eq!(it.stop_limit, Duration::from_secs(7));
    let names = (it.supervisor_process.as_deref(), it.worker_process.as_deref());
    assert_eq!(names, (Some("top"), Some("keepalived_vrrp")));
    assert_eq!(
        (it.umask, it.logs_unknown, it.reload_file),
        (Some(0o027), true, Some(model::ReloadFile::Usual))
    );
    let scheduling = it.scheduling;
    assert_eq!(
        (scheduling.nice, scheduling.real_time, scheduling.processors),
        (Some(-5), Some(30), vec![0, 1])
    );
    assert_eq!((scheduling.longest_burst, scheduling.no_swap), (Some(Duration::from_micros(2)), true));
    assert_eq!((it.dumps.named, it.dumps.state.as_deref(), it.dumps.json_version), (true, Some("/x"), 2));
    assert_eq!(daemon("", "umask IXUSR|IRWXG|IRWXO").0.umask, Some(0o177));
    assert_eq!(daemon("", "vrrp_process_name abc\nprocess_names").0.worker_process.as_deref(), Some("abc"));
}

#[test]
fn lines_about_the_daemon_that_are_wrong() {
    for (before, globals, id) in [
        ("child_wait_time -1", "", "out-of-range"),
        ("instance a\ninstance b", "", "first-counts"),
        ("instance", "", "empty-value"),
        ("instance a/b", "", "unknown-word"),
        ("", "umask 999", "bad-number"),
        ("", "umask 1777", "bad-number"),
        ("", "umask IRWXX", "bad-number"),
        ("", "vrrp_rt_priority x", "bad-number"),
        ("", "vrrp_cpu_affinity 9999", "out-of-range"),
        ("", "vrrp_rlimit_rttime 0", "out-of-range"),
        ("", "startup_script_timeout 1001", "out-of-range"),
        ("", "json_version 3", "out-of-range"),
        ("", "include_check always", "unknown-word"),
    ] {
        let (it, said) = daemon(before, globals);
        assert_eq!(said, [id], "{before} {globals}");
        let name = before.contains("instance b").then(|| "a".to_owned());
        assert_eq!(it, model::Daemon { name, ..model::Daemon::default() }, "{before} {globals}");
    }
    // These are moved to what is possible, as keepalived does.
    let (it, said) = daemon("", "vrrp_priority 20\nvrrp_rt_priority 100\nprocess_name abcdefghijklmnopqrst");
    assert_eq!(said, ["out-of-range"; 3]);
    assert_eq!((it.scheduling.nice, it.scheduling.real_time), (Some(0), Some(99)));
    assert_eq!(it.supervisor_process.as_deref(), Some("abcdefghijklmno"));
    // The same twice says nothing new.
    assert_eq!(daemon("net_namespace a\nnet_namespace a", "").1, Vec::<&str>::new());
}

#[test]
fn a_namespace_that_is_meant_and_not_chosen_is_an_error() {
    let unclear = |text: &str| {
        let (_, outcome) = outcome(text);
        let found = outcome.diagnostics.iter().any(|d| d.id.name() == "namespace-unclear");
        assert_eq!(outcome.host.is_none(), found, "{text}");
        found
    };
    let instance = instance("");
    for wrong in [
        "net_namespace",
        "net_namespace a/b",
        "net_namespace ..",
        "net_namespce blue",
        "net_namespace=blue",
        "global_defs {\nnet_namespace blue\n}",
        "globl_defs {\nnet_namespace blue\n}",
        "vrrp_script a {\nnet_namespace blue\n}",
    ] {
        assert!(unclear(&format!("{wrong}\n{instance}")), "{wrong}");
    }
    for right in
        ["net_namespace blue", "# net_namespace", "@other net_namespace blue", "net_namespace_ipvs blue"]
    {
        assert!(!unclear(&format!("{right}\n{instance}")), "{right}");
    }
}

#[test]
fn settings_of_the_host() {
    let text = format!(
        "{}global_defs {{\nrouter_id \"my id\"\nvrrp_mcast_group4 224.0.0.99\nvrrp_mcast_group6 ff02::99\nvrrp_startup_delay 2.5\nvrrp_delay_after_boot 40\ndynamic_interfaces allow_if_changes\nvrrp_check_unicast_src\nvrrp_skip_check_adv_addr on\nv3_checksum_as_v2 whatever\nvrrp_lower_prio_no_advert\nvrrp_higher_prio_send_advert\nvrrp_down_timer_adverts 5\n}}",
        instance("lower_prio_no_advert off")
    );
    let (sources, loaded) = outcome(&text);
    let said: Vec<_> = loaded.diagnostics.iter().map(|d| d.concise(&sources)).collect();
    assert!(said.is_empty(), "{said:?}");
    let host = loaded.host.unwrap();
    assert_eq!((host.router_id.as_deref(), host.startup_delay), (Some("my id"), Duration::from_millis(2500)));
    assert_eq!(host.boot_delay, Duration::from_secs(40));
    assert_eq!(
        (host.group_v4.to_string(), host.group_v6.to_string()),
        ("224.0.0.99".into(), "ff02::99".into())
    );
    let it = &host.instances[0];
    assert!(it.check_unicast_source && it.skip_check_known_leader && it.checksum == ChecksumForm::Message);
    assert!(!it.settings.lower_priority_no_advert && it.settings.higher_priority_send_advert);
    assert_eq!(it.settings.down_adverts, 5);
    assert_eq!(places("global_defs { router_id\n}"), ["1:1 no-instance", "1:15 no-effect"]);
}

#[test]
fn tracked_interfaces() {
    let it = with("dont_track_primary\ntrack_interface {\neth1 weight -20 reverse\neth2\n}");
    assert!(it.ignore_own_link && it.track_interfaces[0].reverse);
    assert_eq!((it.track_interfaces[0].weight, it.track_interfaces[1].weight), (-20, 0));
    let (it, said) =
        odd(&instance("track_interface {\neth1 weight 254\neth1\neth0\neth3 weigth 3\neth4 weight 300\n}"));
    assert_eq!((it.track_interfaces.len(), it.track_interfaces[0].weight), (3, 253));
    assert_eq!(
        said,
        ["out-of-range", "duplicate-entry", "own-interface-tracked", "entry-option", "out-of-range"]
    );
}

#[test]
fn one_router_once() {
    let two = |second: &str| format!("{}{}", instance(""), instance("").replace("vrrp_instance A", second));
    assert_eq!(ids(&two("vrrp_instance B")), ["vrid-twice"]);
    assert_eq!(ids(&two("vrrp_instance A")), ["instance-twice"]);
    assert_eq!(ids(&two("vrrp_instance")), ["instance-name"]);
    assert_eq!(ids(&two("vrrp_instance B C")), ["instance-name"]);
    // keepalived allows this: one speaks to the group, the other to its peers.
    let uni = two("vrrp_instance B").replacen("priority 90", "priority 90\nunicast_peer { 10.0.0.6 }", 1);
    assert!(ids(&uni).is_empty());
    let other = two("vrrp_instance B").replacen("interface eth0", "interface eth1", 1);
    assert!(ids(&other).is_empty());
}

#[test]
fn interfaces() {
    let text = |line: &str| instance("").replace("interface eth0", line);
    assert_eq!(ids(&text("")), ["interface-missing"]);
    assert_eq!(ids(&text("interface lo")), ["interface-loopback"]);
    assert_eq!(ids(&text("interface eth0:1")), ["interface-name"]);
    assert_eq!(ids(&text("interface averyverylongname")), ["interface-name"]);
    assert_eq!(ids(&text("interface <eth>")), ["interface-name"]);
    assert_eq!(ids(&text("interface")), ["missing-value"]);
}

#[test]
fn owner_only_settings() {
    assert_eq!(odd(&instance("owner_ignore_adverts")).1, ["owner-only"]);
    let owner = instance("owner_ignore_adverts").replace("priority 90", "priority 255");
    assert!(clean(&owner).settings.owner_ignores_adverts);
    let all = format!("global_defs {{ vrrp_owner_ignore_adverts\n}}\n{}", instance(""));
    assert!(!clean(&all).settings.owner_ignores_adverts);
}

#[test]
fn given_twice() {
    assert_eq!(odd(&instance("priority 91")).0.settings.priority, Priority(91));
    assert_eq!(ids(&instance("priority 91")), ["repeated-keyword"]);
    assert!(ids(&instance("priority 90")).is_empty());
    assert_eq!(ids(&instance("nopreempt true")), ["extra-words"]);
}

#[test]
fn the_name_of_the_table_s_row_is_no_option() {
    let (it, found) = odd(&bare("virtual_ipaddress {\n10.0.0.3 ADDR[/LEN]\n}"));
    assert_eq!((it.addresses.len(), found), (1, vec!["address-option"]));
}

#[test]
fn places_tell_where_things_stand() {
    let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 7\n priority 9\n authentication {\n auth_type PASS\n auth_pass x\n }\n virtual_ipaddress {\n 10.0.0.3/24 dev eth1\n }\n}\n";
    let (sources, outcome) = common::outcome(text);
    let line = |span| sources.position(span).0;
    let a = outcome.places.instance("A").unwrap();
    assert_eq!(line(a.line("priority")), 4);
    assert_eq!(line(a.line("auth_pass")), 7);
    assert_eq!(line(a.entry("virtual_ipaddress", "10.0.0.3")), 10);
    assert_eq!(line(a.entry("virtual_ipaddress", "10.0.0.4")), 9, "the list");
    assert_eq!((line(a.line("nopreempt")), a.find("nopreempt")), (1, None), "the header");
    assert!(outcome.places.instance("B").is_none());
}

#[test]
fn without_a_usable_peer_an_instance_goes_by_multicast_or_waits() {
    for lines in ["unicast_peer {\n}", "unicast_peer {\n10.0.0.300\n}", "unicast_src_ip 10.0.0.5"] {
        let (it, found) = odd(&instance(lines));
        assert!(matches!(it.transport, Transport::Multicast { .. }), "{lines}");
        assert!(found.contains(&"no-peers"), "{lines}: {found:?}");
        let (it, found) = odd(&instance(&format!("unicast_fault_no_peer\n{lines}")));
        assert!(matches!(it.transport, Transport::Unicast { peers, .. } if peers.is_empty()), "{lines}");
        assert!(found.contains(&"no-peers"), "{lines}: {found:?}");
    }
    let (it, found) = odd(&instance("unicast_fault_no_peer"));
    assert!(
        matches!(it.transport, Transport::Multicast { .. }) && found.is_empty(),
        "nobody spoke of unicast"
    );
}

#[test]
fn who_gives_way_when_late_does_not_preempt() {
    let late = |lines: &str| {
        let (it, found) = odd(&instance(lines));
        (it.settings.late_rival.map(|priority| priority.0), found)
    };
    assert_eq!(late("nopreempt\ntimer_expired_backup"), (Some(254), vec![]));
    assert_eq!(late("nopreempt\ntimer_expired_backup 100"), (Some(100), vec![]));
    assert_eq!(late("nopreempt\ntimer_expired_backup 255"), (Some(254), vec!["out-of-range"]));
    assert_eq!(late("nopreempt\nthread_timer_expired 100"), (Some(100), vec!["deprecated-keyword"]));
    assert_eq!(late("timer_expired_backup 100"), (None, vec!["timer-expired-ignored"]));
}

#[test]
fn keys_are_text_digits_or_a_file() {
    let text = "k".repeat(32);
    let with = |lines: &str| {
        let (_, outcome) = outcome(instance(&format!("auth_hmac {{\n{lines}\n}}")));
        let ids: Vec<&str> = outcome.diagnostics.iter().map(|d| d.id.name()).collect();
        match outcome.host.map(|host| host.instances[0].authentication.clone()) {
            Some(model::Authentication::Keyed(ring)) => Ok((ring, ids)),
            Some(other) => panic!("{other:?}"),
            None => Err(ids),
        }
    };
    let (ring, found) = with(&format!("key 1 {text}")).unwrap();
    assert_eq!((ring.active, ring.keys[0].1.reveal(), found), (1, text.as_bytes(), vec![]));
    let (same, _) = with(&format!("key 1 hex:{}", "6b".repeat(32))).unwrap();
    assert_eq!(same, ring);
    let (two, found) = with(&format!("key 1 {text}\nkey 9 {text}\nactive_key 9\ntime_window 30")).unwrap();
    assert_eq!((two.active, two.window, found), (9, Some(Duration::from_secs(30)), vec![]));
    let (_, found) = with(&format!("key 1 {text}\ntime_window 301\nanti_replay never\nmode lax")).unwrap();
    assert_eq!(found, ["out-of-range", "unknown-word", "unknown-word"]);
    for bad in [
        String::new(),
        format!("key 1 {}", &text[1..]),
        format!("key 1 {text}{text}k"),
        format!("key 0 {text}"),
        format!("key 256 {text}"),
        format!("key {text}"),
        format!("key 1 {text} more"),
        format!("key 1 hex:{}x", "6b".repeat(32)),
        format!("key 1 {text}\nkey 1 {text}"),
        format!("key 1 {text}\nkey 2 {text}"),
        format!("key 1 {text}\nactive_key 2"),
    ] {
        assert_eq!(with(&bad), Err(vec!["hmac-key"]), "{bad}");
    }
}

#[test]
fn a_key_file_is_asked_for_and_loses_one_line_end() {
    let text = instance("auth_hmac {\nkey 1 file:vrrp.key\n}");
    let load_with = |answer: Result<&[u8], config::Refusal>| {
        let mut sources = config::Sources::new();
        sources.add_root("main.conf", text.clone().into_bytes());
        let surroundings = config::Surroundings::default();
        let config::Loaded::Missing(list) = config::load(&sources, &surroundings) else {
            panic!("not asked")
        };
        assert_eq!((list[0].pattern.as_str(), list[0].kind), ("file:vrrp.key", config::IncludeKind::KeyFile));
        let found = match answer {
            Ok(bytes) => config::Found::File(sources.add("vrrp.key", bytes.to_vec())),
            Err(why) => config::Found::Refused { name: "vrrp.key".into(), why },
        };
        sources.resolve(&list[0], vec![found]);
        let config::Loaded::Done(outcome) = config::load(&sources, &surroundings) else {
            panic!("asked again")
        };
        outcome
    };
    for bytes in
        [&[b'k'; 32][..], b"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\n", b"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\r\n"]
    {
        let host = load_with(Ok(bytes)).host.unwrap();
        let model::Authentication::Keyed(ring) = &host.instances[0].authentication else { panic!("no key") };
        assert_eq!(ring.keys[0].1.reveal(), [b'k'; 32]);
    }
    let short = load_with(Ok(b"secret"));
    assert!(short.host.is_none() && !format!("{:?}", short.diagnostics).contains("secret"));
    let exposed = load_with(Err(config::Refusal::Exposed));
    assert!(exposed.host.is_none());
    assert_eq!(
        exposed.diagnostics[0].message,
        "the key file vrrp.key is not read: others than its owner may read or write it (chmod 600)"
    );
}

#[test]
fn a_prefix_length_does_not_cost_a_peer() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\npriority 9\n\
        unicast_src_ip 10.0.0.5/24\nunicast_peer {\n10.0.0.6/24\n}\nvirtual_ipaddress {\n10.0.0.3\n}\n}\n";
    assert_eq!(common::places(text), ["5:16 bad-address", "7:1 bad-address"]);
    let (_, outcome) = common::outcome(text);
    let Transport::Unicast { source, peers, .. } = &outcome.host.unwrap().instances[0].transport else {
        panic!("multicast")
    };
    assert_eq!(*source, Some("10.0.0.5".parse().unwrap()));
    assert_eq!(peers[0].address, "10.0.0.6".parse::<std::net::IpAddr>().unwrap());
}

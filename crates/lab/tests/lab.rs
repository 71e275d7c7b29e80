//! The laboratory tested by itself: what it promises about machines, cables, losses, programs and clients, as
//! root and as an ordinary user; and that nothing of it is left behind.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says that it failed")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "parts of this program talk to its tests")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use lab::harness::{Outcome, Test, fail, main as run, program, skip};
use lab::{Caller, Capture, Change, Client, Ended, Lab, Machine, Reply, Traffic};
use wire::checksum::Sum;
use wire::frame::{ETHERTYPE_IPV4, Seen, header};
use wire::message::{Auth, Outgoing};
use wire::{Interval, Mac, Priority, Version, Vrid, ipv4};

/// Long enough for anything that happens at once, on a busy machine too.
const SOON: Duration = Duration::from_secs(10);
/// Makes this program play a part in one of its own tests.
const ROLE: &str = "STANDFAST_LAB_TEST_ROLE";

fn main() -> ExitCode {
    match std::env::var(ROLE) {
        Ok(role) => play(&role),
        Err(_) => run(tests()),
    }
}

fn tests() -> Vec<Test> {
    vec![
        Test::new("machines_have_names_addresses_and_run_of_their_own", own_things),
        Test::new("machines_reach_each_other_in_both_families", reach),
        Test::new("a_client_sees_a_removed_address_as_one_silence", silence),
        Test::new("a_client_says_who_answered", who_answered),
        Test::new("a_caller_says_whose_service_answered_and_who_refused", called),
        Test::new("a_capture_decodes_a_crafted_advert", capture),
        Test::new("a_capture_file_is_read_by_tcpdump", || read_by("tcpdump", &["-nn", "-r"], "vrid 50")),
        Test::new("a_capture_file_is_read_by_tshark", || read_by("tshark", &["-n", "-r"], "VRRP")),
        Test::new("a_pulled_cable_takes_the_carrier", cable),
        Test::new("isolated_machines_have_carrier_and_reach_only_others", isolation),
        Test::new("losses_are_one_way_and_of_one_kind", one_way),
        Test::new("losses_follow_a_fixed_pattern", pattern),
        Test::new("interfaces_can_be_renamed_deleted_and_made_anew", interfaces),
        Test::new("changes_of_addresses_are_events", events),
        Test::new("programs_run_inside_with_their_output_on_a_tape", programs),
        Test::new("a_crash_lets_nobody_say_a_last_word", crash),
        Test::new("a_frozen_program_goes_on_where_it_was", freeze),
        Test::new("a_dropped_laboratory_takes_runaways_along", runaways),
        Test::new("many_laboratories_at_once", many),
        Test::new("the_machines_namespace_is_forbidden", forbidden),
        Test::new("signals_and_exit_codes_pass_the_border", border),
        Test::new("nothing_is_left_after_a_kill", nothing_left),
        Test::new("an_ordinary_user_can_do_all_this", ordinary_user),
        Test::new("a_user_without_namespaces_is_told_why", told_why),
        Test::slow("a_crash_of_keepalived_is_a_crash", keepalived),
    ]
}

/// lb01 (.5), lb02 (.6) and a client (.9), with both families.
fn three() -> Result<Lab, lab::Error> {
    Lab::builder()
        .machine("lb01", "10.0.0.5/24", Some("fd00:10::5/64"))
        .machine("lb02", "10.0.0.6/24", Some("fd00:10::6/64"))
        .machine("client", "10.0.0.9/24", Some("fd00:10::9/64"))
        .build()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An advert as lb01 would send it, as an Ethernet frame.
fn advert(from: &Machine, priority: u8) -> Result<Vec<u8>, lab::Error> {
    let source = Ipv4Addr::new(10, 0, 0, 5);
    let addresses = [ip("10.0.0.3")];
    let outgoing = Outgoing {
        version: Version::V2,
        vrid: Vrid::new(50).unwrap(),
        priority: Priority(priority),
        interval: Interval::SECOND,
        addresses: &addresses,
        auth: Auth::None,
    };
    let mut message = Vec::new();
    outgoing.emit(Sum::Message, &mut message).unwrap();
    let ip = ipv4::Header {
        source,
        destination: wire::GROUP_V4,
        protocol: wire::PROTOCOL_VRRP,
        ttl: wire::HOP_LIMIT,
        traffic_class: wire::TRAFFIC_CLASS,
        identification: 1,
    };
    let group = Mac([0x01, 0x00, 0x5e, 0, 0, 0x12]);
    let mut frame = header(group, from.mac("eth0")?, ETHERTYPE_IPV4).to_vec();
    ip.emit(message.len(), &mut frame);
    frame.extend(message);
    Ok(frame)
}

fn own_things() -> Outcome {
    let lab = three()?;
    for (name, address) in [("lb01", "10.0.0.5"), ("lb02", "10.0.0.6")] {
        let machine = lab.machine(name)?;
        assert_eq!(machine.read("/proc/sys/kernel/hostname")?.trim(), name);
        assert!(machine.holds(ip(address))?);
        let addresses = machine.addresses("eth0")?;
        assert!(addresses.iter().any(|a| matches!(a.address, IpAddr::V6(v6) if v6.is_unicast_link_local())));
        machine.write("/run/some/where/name", name)?;
    }
    assert_eq!(lab.machine("lb01")?.read("/run/some/where/name")?, "lb01");
    assert!(!Path::new("/run/some").exists());
    assert!(lab.machine("lb01")?.mac("eth0")? != lab.machine("lb02")?.mac("eth0")?);
    // What all share lies in the laboratory's directory.
    let shared = lab.machine("lb01")?.file("shared");
    lab.machine("lb01")?.write(&shared, "seen by all")?;
    assert_eq!(lab.machine("lb02")?.read(&shared)?, "seen by all");
    Ok(())
}

fn reach() -> Outcome {
    let lab = three()?;
    let (lb01, client) = (lab.machine("lb01")?, lab.machine("client")?);
    for target in ["10.0.0.5", "fd00:10::5"].map(ip) {
        let asking = Client::start(client, target)?;
        let answer = asking.wait_for_answer(SOON)?;
        assert_eq!(answer.by, lb01.mac("eth0")?);
        assert_eq!(client.neighbour(target)?, Some(lb01.mac("eth0")?));
    }
    assert_eq!(client.neighbour(ip("10.0.0.6"))?, None);
    Ok(())
}

fn silence() -> Outcome {
    let lab = three()?;
    let (lb01, client) = (lab.machine("lb01")?, lab.machine("client")?);
    let service = "10.0.0.3/32".parse()?;
    lb01.add_address("eth0", service)?;
    let asking = Client::start(client, service.address)?;
    asking.wait_for_answer(SOON)?;
    let watch = lb01.watch_addresses()?;
    lb01.del_address("eth0", service)?;
    let gone = watch.wait_for_address_gone(0, service.address, SOON)?.at;
    // Half a second of silence, by the kernel's own "nothing came".
    assert!(asking.wait_for_answer(Duration::from_millis(500)).is_err());
    lb01.add_address("eth0", service)?;
    let back = asking.wait_for_answer(SOON)?.at;
    let timeline = asking.timeline();
    let silence = *timeline
        .silences()
        .iter()
        .max_by_key(|silence| silence.length())
        .ok_or_else(|| fail("no silence was seen"))?;
    assert!(silence.over && silence.lost > 0, "{silence:?}");
    assert!(silence.length() >= Duration::from_millis(495), "{silence:?}");
    assert!(silence.from <= gone && silence.until <= back, "{silence:?} {gone:?} {back:?}");
    Ok(())
}

fn who_answered() -> Outcome {
    let lab = three()?;
    let (lb01, lb02, client) = (lab.machine("lb01")?, lab.machine("lb02")?, lab.machine("client")?);
    for service in ["10.0.0.3/32", "fd00:10::3/128"] {
        let service: lab::Cidr = service.parse()?;
        lb01.add_address("eth0", service)?;
        let asking = Client::start(client, service.address)?;
        asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
        lb01.del_address("eth0", service)?;
        lb02.add_address("eth0", service)?;
        announce(lb02, service.address)?;
        asking.wait_for_answer_by(lb02.mac("eth0")?, SOON)?;
        let spans = asking.timeline().spans();
        assert_eq!(spans.iter().map(|s| s.by).collect::<Vec<_>>(), [lb01.mac("eth0")?, lb02.mac("eth0")?]);
    }
    Ok(())
}

fn called() -> Outcome {
    let lab = three()?;
    let (lb01, lb02, client) = (lab.machine("lb01")?, lab.machine("lb02")?, lab.machine("client")?);
    let address: lab::Cidr = "10.0.0.3/32".parse()?;
    lb01.add_address("eth0", address)?;
    let (every, patience) = (Duration::from_millis(5), Duration::from_millis(50));
    let caller = Caller::start(client, (address.address, 80).into(), every, patience)?;
    let refused = caller.calls().wait(SOON, |call| call.reply == Reply::Refused);
    assert!(refused.is_some(), "nobody listens there");
    serve(lb01)?;
    caller.wait_for_body("lb01", SOON)?;
    lb01.del_address("eth0", address)?;
    let silent = |call: &lab::Call| call.reply == Reply::Silence;
    assert!(caller.calls().wait(SOON, silent).is_some(), "nobody has the address");
    lb02.add_address("eth0", address)?;
    serve(lb02)?;
    announce(lb02, address.address)?;
    caller.wait_for_body("lb02", SOON)?;
    Ok(())
}

/// Answers every call with the machine's name, until this program ends.
fn serve(machine: &Machine) -> Outcome {
    let listener = machine.within(|| TcpListener::bind(("0.0.0.0", 80)))??;
    let name = machine.name().to_owned();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            if lines.any(|line| line.is_empty()) {
                // Who has hung up wants no answer.
                let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n{name}\n");
            }
        }
    });
    Ok(())
}

/// What a takeover would send.
fn announce(machine: &Machine, address: IpAddr) -> Result<(), lab::Error> {
    let mac = machine.mac("eth0")?;
    match address {
        IpAddr::V4(v4) => machine.send_frame("eth0", &wire::arp::gratuitous_reply(mac, v4)),
        IpAddr::V6(v6) => {
            machine.send_frame("eth0", &wire::ndp::unsolicited_advertisement(mac, v6, v6, false))
        }
    }
}

fn capture() -> Outcome {
    let lab = three()?;
    let (lb01, client) = (lab.machine("lb01")?, lab.machine("client")?);
    let (here, there) = (Capture::start(lb01, "eth0")?, Capture::start(client, "eth0")?);
    let before = lab::now();
    lb01.send_frame("eth0", &advert(lb01, 150)?)?;
    let sent = here.wait_for("the advert leaves", SOON, |r| r.advert() == Some((50, 150)))?;
    let seen = there.wait_for("the advert arrives", SOON, |r| r.advert() == Some((50, 150)))?;
    assert!(sent.outgoing && !seen.outgoing);
    assert!(before <= sent.at && seen.at <= lab::now(), "{before:?} {:?} {:?}", sent.at, seen.at);
    assert!(
        matches!(seen.seen, Some(Seen::Vrrp { sum_ok: true, version: 2, hop_limit: 255, .. })),
        "{seen:?}"
    );
    // Address resolution is seen too, in both families; a ping itself is not.
    for target in ["10.0.0.6", "fd00:10::6"] {
        Client::start(lb01, ip(target))?.wait_for_answer(SOON)?;
    }
    here.wait_for(
        "an ARP reply",
        SOON,
        |r| matches!(r.seen, Some(Seen::Arp(arp)) if arp.sender == ip("10.0.0.6")),
    )?;
    here.wait_for(
        "an advertisement",
        SOON,
        |r| matches!(r.seen, Some(Seen::Neighbor(n)) if n.target == ip("fd00:10::6")),
    )?;
    assert_eq!((here.dropped(), there.dropped()), (0, 0));
    Ok(())
}

fn read_by(decoder: &str, arguments: &[&str], expected: &str) -> Outcome {
    if decoder == "tcpdump" && one_user_only()? {
        return Err(skip("tcpdump insists on becoming another user, and there is only one here"));
    }
    let decoder = program(decoder)?;
    let lab = three()?;
    let (lb01, client) = (lab.machine("lb01")?, lab.machine("client")?);
    let capture = Capture::start(client, "eth0")?;
    for priority in [150, 0] {
        lb01.send_frame("eth0", &advert(lb01, priority)?)?;
        capture.wait_for("the advert", SOON, |record| record.advert() == Some((50, priority)))?;
    }
    let file = lab.directory().join("capture.pcap");
    capture.write_pcap(&file)?;
    let output = Command::new(decoder).args(arguments).arg(&file).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.matches(expected).count() != 2 {
        return Err(fail(format!("{text}{}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(())
}

fn cable() -> Outcome {
    let lab = three()?;
    let (lb01, client) = (lab.machine("lb01")?, lab.machine("client")?);
    let asking = Client::start(client, ip("10.0.0.5"))?;
    asking.wait_for_answer(SOON)?;
    let watch = lb01.watch_addresses()?;
    let carrier_is = |wanted: bool| move |event: &lab::Event| matches!(&event.change, Change::Link { carrier, up: true, .. } if *carrier == wanted);
    lab.cable(lb01).unplug()?;
    let (mark, _) = watch.wait_from(0, "carrier is lost", SOON, carrier_is(false))?;
    assert!(lb01.holds(ip("10.0.0.5"))?, "only the carrier is gone");
    lab.cable(lb01).plug()?;
    watch.wait_from(mark, "carrier is back", SOON, carrier_is(true))?;
    asking.wait_for_answer(SOON)?;
    // Its own end of the cable.
    lb01.link_down("eth0")?;
    let down = |event: &lab::Event| matches!(event.change, Change::Link { up: false, .. });
    watch.wait_from(mark, "eth0 is down", SOON, down)?;
    lb01.link_up("eth0")?;
    asking.wait_for_answer(SOON)?;
    Ok(())
}

fn isolation() -> Outcome {
    let lab = three()?;
    let (lb01, lb02, client) = (lab.machine("lb01")?, lab.machine("lb02")?, lab.machine("client")?);
    let between = Client::start(lb01, ip("10.0.0.6"))?;
    let outside = Client::start(client, ip("10.0.0.5"))?;
    between.wait_for_answer(SOON)?;
    lab.isolate(&[lb01, lb02])?;
    // What was on its way may still arrive.
    let mark = between.answers().mark();
    outside.wait_for_answer(SOON)?;
    outside.wait_for_answer(SOON)?;
    let late = between.answers().wait_from(mark + 2, Duration::from_millis(100), |_| true);
    assert_eq!(late, None);
    assert!(lb01.netlink().link("eth0")?.has_carrier());
    lab.heal()?;
    between.wait_for_answer(SOON)?;
    Ok(())
}

fn one_way() -> Outcome {
    let lab = three()?;
    let (lb01, lb02, client) = (lab.machine("lb01")?, lab.machine("lb02")?, lab.machine("client")?);
    let captures = [Capture::start(lb02, "eth0")?, Capture::start(client, "eth0")?];
    // Each in `arrives` must hear the advert; the others hear the announcement behind it, but not the advert.
    let send = |priority: u8, arrives: [bool; 2]| -> Outcome {
        let marks = captures.each_ref().map(|capture| capture.tape().mark());
        lb01.send_frame("eth0", &advert(lb01, priority)?)?;
        announce(lb01, ip("10.0.0.3"))?;
        for ((capture, mark), arrives) in captures.iter().zip(marks).zip(arrives) {
            capture.wait_from(mark, "the announcement", SOON, |r| matches!(r.seen, Some(Seen::Arp(_))))?;
            if arrives {
                capture.wait_from(mark, "the advert", SOON, |r| r.advert() == Some((50, priority)))?;
            } else if heard(capture, priority) > 0 {
                return Err(fail(format!("advert {priority} was not lost")));
            }
        }
        Ok(())
    };
    send(1, [true, true])?;
    let lossy = lab.lose_from(lb01, Traffic::Vrrp)?;
    send(2, [false, false])?;
    lossy.heal()?;
    send(3, [true, true])?;
    let lossy = lab.lose_to(lb02, Traffic::Vrrp)?;
    send(4, [false, true])?;
    drop(lossy);
    send(5, [true, true])?;
    let _all = lab.lose_from(lb01, Traffic::All)?;
    lb01.send_frame("eth0", &advert(lb01, 6)?)?;
    lb02.send_frame("eth0", &advert(lb01, 7)?)?;
    captures[1].wait_for("lb02's advert", SOON, |r| r.advert() == Some((50, 7)))?;
    assert_eq!(heard(&captures[1], 6), 0);
    Ok(())
}

fn heard(capture: &Capture, priority: u8) -> usize {
    capture.records().iter().filter(|record| record.advert() == Some((50, priority))).count()
}

fn pattern() -> Outcome {
    let lab = three()?;
    let (lb01, client) = (lab.machine("lb01")?, lab.machine("client")?);
    let capture = Capture::start(client, "eth0")?;
    let lossy = lab.lose_pattern_from(lb01, Traffic::Vrrp, &[false, true, true])?;
    let mut mark = 0;
    for priority in 1..=9 {
        lb01.send_frame("eth0", &advert(lb01, priority)?)?;
        (mark, _) =
            lossy.lost().wait_from(mark, SOON, |_| true).ok_or_else(|| fail("nobody saw the advert"))?;
        if priority % 3 == 1 {
            capture.wait_for("the advert that is not lost", SOON, |r| r.advert() == Some((50, priority)))?;
        }
    }
    assert_eq!(lossy.lost().all(), [false, true, true].repeat(3));
    lossy.heal()?;
    lb01.send_frame("eth0", &advert(lb01, 10)?)?;
    capture.wait_for("the advert after the losses", SOON, |r| r.advert() == Some((50, 10)))?;
    let arrived: Vec<u8> =
        capture.records().iter().filter_map(|r| r.advert().map(|(_, priority)| priority)).collect();
    assert_eq!(arrived, [1, 4, 7, 10]);
    Ok(())
}

fn interfaces() -> Outcome {
    let lab = three()?;
    let (lb01, client) = (lab.machine("lb01")?, lab.machine("client")?);
    let asking = Client::start(client, ip("10.0.0.5"))?;
    asking.wait_for_answer(SOON)?;
    let mac = Mac([2, 0, 0, 0, 0, 0x77]);
    lb01.set_mac("eth0", mac)?;
    announce(lb01, ip("10.0.0.5"))?;
    asking.wait_for_answer_by(mac, SOON)?;
    let watch = lb01.watch_addresses()?;
    lb01.rename_link("eth0", "lan0")?;
    watch.wait_for(
        "the new name",
        SOON,
        |e| matches!(&e.change, Change::Link { name, .. } if name == "lan0"),
    )?;
    lb01.rename_link("lan0", "eth0")?;
    let old = lb01.link_index("eth0")?;
    lb01.delete_link("eth0")?;
    watch.wait_for(
        "it is gone",
        SOON,
        |e| matches!(e.change, Change::LinkGone { interface, .. } if interface == old),
    )?;
    assert!(lb01.link_index("eth0").is_err());
    lb01.recreate_link("eth0")?;
    assert_ne!(lb01.link_index("eth0")?, old);
    announce(lb01, ip("10.0.0.5"))?;
    asking.wait_for_answer(SOON)?;
    Ok(())
}

fn events() -> Outcome {
    let lab = three()?;
    let lb01 = lab.machine("lb01")?;
    let watch = lb01.watch_addresses()?;
    for service in ["10.0.0.3/32", "fd00:10::3/128"] {
        let service: lab::Cidr = service.parse()?;
        let (mark, before) = (watch.events().mark(), lab::now());
        lb01.add_address("eth0", service)?;
        let added = watch.wait_for_address(mark, service.address, SOON)?;
        lb01.del_address("eth0", service)?;
        let removed = watch.wait_for_address_gone(mark, service.address, SOON)?;
        assert!(before <= added.at && added.at <= removed.at && removed.at <= lab::now());
        let Change::Address { address, usable, interface } = added.change else {
            return Err(fail(format!("{added:?}")));
        };
        assert_eq!((address, usable, interface), (service, true, lb01.link_index("eth0")?));
        lb01.wait_until_holds(service.address, false, SOON)?;
    }
    assert!(lb01.wait_until_holds(ip("10.0.0.3"), true, Duration::from_millis(20)).is_err());
    Ok(())
}

fn programs() -> Outcome {
    let lab = three()?;
    let lb01 = lab.machine("lb01")?;
    let script = "uname -n; pwd; echo problem >&2; read line; echo \"[$line]\"; printf unfinished; exit 7";
    let daemon = lb01.spawn("sh", |command| {
        command.args(["-c", script]).current_dir("/usr");
    })?;
    daemon.wait_for_line("unfinished", SOON)?;
    assert_eq!(daemon.wait(SOON)?, Ended::Code(7));
    let lines: Vec<String> = daemon.lines().all().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["lb01", "/usr", "problem", "[]", "unfinished"]);
    assert_eq!(std::fs::read_to_string(daemon.log_file())?, daemon.log());
    let error = daemon.wait_for_line("never said", SOON).unwrap_err().to_string();
    assert!(error.contains("never said") && error.contains("unfinished"), "{error}");
    // A plain command, and a program that is not there.
    let output = lb01.command("cat").arg("/proc/net/dev").output()?;
    assert!(String::from_utf8_lossy(&output.stdout).contains("eth0"));
    assert!(lb01.spawn("/no/such/program", |_| {}).is_err());
    Ok(())
}

/// A parent and a child that both would say a last word, and a grandchild.
const FAMILY: &str = r#"
    trap 'echo parent says goodbye' TERM CHLD
    sh -c 'trap "echo child says goodbye" TERM; sleep 1000 & echo ready; while :; do wait; done' &
    while :; do wait; done"#;

fn crash() -> Outcome {
    let lab = three()?;
    let daemon = lab.machine("lb01")?.spawn("sh", |command| {
        command.args(["-c", FAMILY]);
    })?;
    daemon.wait_for_line("ready", SOON)?;
    let family: BTreeSet<i32> = daemon.processes().iter().map(|process| process.pid).collect();
    assert_eq!(family.len(), 3, "{:?}", daemon.processes());
    assert_eq!(daemon.kill_crash()?, Ended::Signal(9));
    // The pipe has ended, so nobody has it any more, and nothing more will be said.
    assert_eq!(daemon.lines().wait(SOON, |line| line.text.contains("goodbye")), None);
    assert!(daemon.processes().is_empty());
    assert!(daemon.term().is_err());
    Ok(())
}

fn freeze() -> Outcome {
    let lab = three()?;
    let daemon = lab.machine("lb01")?.spawn("sh", |command| {
        command.args(["-c", "sleep 1000 & trap 'echo still here' USR1; echo ready; while :; do wait; done"]);
    })?;
    daemon.wait_for_line("ready", SOON)?;
    daemon.freeze()?;
    let states: String = daemon.processes().iter().map(|process| process.state).collect();
    assert_eq!(states, "TT");
    daemon.signal(lab::Signal::USR1)?;
    let said = |line: &lab::Line| line.text.contains("still here");
    assert_eq!(daemon.lines().wait(Duration::from_millis(100), said), None);
    daemon.thaw()?;
    daemon.wait_for_line("still here", SOON)?;
    daemon.term()?;
    assert_eq!(daemon.wait(SOON)?, Ended::Signal(15));
    Ok(())
}

fn runaways() -> Outcome {
    let lab = three()?;
    // The parent ends, and its child with a session of its own belongs to nobody.
    let daemon = lab.machine("lb01")?.spawn("sh", |command| {
        command.args(["-c", "setsid sleep 86399 >/dev/null 2>&1 </dev/null & echo started"]);
    })?;
    assert_eq!(daemon.wait(SOON)?, Ended::Code(0));
    wait_until("the runaway runs", || processes_called("sleep\08639").len() == 1)?;
    drop(lab);
    wait_until("the runaway is gone", || processes_called("sleep\08639").is_empty())
}

fn many() -> Outcome {
    let mut labs = Vec::new();
    for _ in 0..8 {
        labs.push(std::thread::spawn(three));
    }
    let labs: Vec<Lab> = labs.into_iter().map(|lab| lab.join().unwrap()).collect::<Result<_, _>>()?;
    // The same names and addresses in each, and no word from one to the other.
    let captures: Vec<Capture> =
        labs.iter().map(|lab| Capture::start(lab.machine("client")?, "eth0")).collect::<Result<_, _>>()?;
    let directories: BTreeSet<PathBuf> = labs.iter().map(|lab| lab.directory().to_owned()).collect();
    assert_eq!(directories.len(), labs.len());
    for (lab, priority) in labs.iter().zip(1..) {
        let lb01 = lab.machine("lb01")?;
        lb01.send_frame("eth0", &advert(lb01, priority)?)?;
    }
    for (capture, priority) in captures.iter().zip(1..) {
        capture.wait_for("its own advert", SOON, |r| r.advert() == Some((50, priority)))?;
        assert_eq!(capture.records().iter().filter(|r| r.advert().is_some()).count(), 1);
    }
    Ok(())
}

fn forbidden() -> Outcome {
    let inside = lab::inside().ok_or_else(|| fail("not inside"))?;
    let lab = three()?;
    let output = lab.machine("lb01")?.command("sh").args(["-c", "echo $STANDFAST_FORBID_NETNS"]).output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), inside.machine_netns.to_string());
    // The namespace that was entered is another one, and has nothing but a loopback interface.
    assert_ne!(linux::privileges::netns_inode()?, inside.machine_netns);
    let links = linux::netlink::Netlink::open()?.dump_links()?;
    assert!(links.iter().all(|link| !link.up || link.loopback), "{links:?}");
    assert_eq!(lab::enter()?, inside, "entering again changes nothing");
    Ok(())
}

/// The parts that this program plays in its own tests, each in a new process.
fn play(role: &str) -> ExitCode {
    if let Err(refusal) = lab::enter() {
        eprintln!("{refusal}");
        return ExitCode::from(3);
    }
    match role {
        "exit" => ExitCode::from(7),
        "signal" => {
            println!("ready");
            loop {
                std::thread::park();
            }
        }
        "stay" => {
            let lab = three().unwrap();
            let daemon = lab.machine("lb01").unwrap().spawn("sh", |command| {
                command.args(["-c", "sleep 86397 & setsid sleep 86398 & echo ready; wait"]);
            });
            daemon.as_ref().unwrap().wait_for_line("ready", SOON).unwrap();
            println!("ready");
            loop {
                std::thread::park();
            }
        }
        _ => ExitCode::from(4),
    }
}

/// This program, to be started in a role.
fn myself(role: &str) -> Result<Command, lab::harness::Stop> {
    // The file itself may be hidden by the laboratory's own mounts.
    let mut command = Command::new("/proc/self/exe");
    command.env(ROLE, role).stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

fn first_line(child: &mut std::process::Child) -> Result<String, lab::harness::Stop> {
    let mut line = String::new();
    let stdout = child.stdout.take().ok_or_else(|| fail("no output"))?;
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
    Ok(line.trim().to_owned())
}

fn border() -> Outcome {
    assert_eq!(myself("exit")?.status()?.code(), Some(7));
    let mut child = myself("signal")?.spawn()?;
    assert_eq!(first_line(&mut child)?, "ready");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    assert_eq!(child.wait()?.code(), Some(128 + 15));
    Ok(())
}

fn nothing_left() -> Outcome {
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo");
    let scratch =
        || std::fs::read_dir("/run").map(|all| all.flatten().map(|e| e.file_name()).collect::<BTreeSet<_>>());
    let before = (mounts()?, scratch()?);
    let mut child = myself("stay")?.spawn()?;
    assert_eq!(first_line(&mut child)?, "ready");
    let sleepers = ["sleep\086397", "sleep\086398"];
    let run = wait_until("both sleep", || sleepers.iter().all(|name| processes_called(name).len() == 1));
    child.kill()?;
    child.wait()?;
    run?;
    for name in sleepers {
        wait_until(&format!("{name} is gone"), || processes_called(name).is_empty())?;
    }
    assert_eq!((mounts()?, scratch()?), before);
    Ok(())
}

/// The processes of the whole process namespace whose command line begins so (its words end in NUL).
fn processes_called(begin: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let called = |path: &PathBuf| {
        std::fs::read(path.join("cmdline")).is_ok_and(|line| line.starts_with(begin.as_bytes()))
    };
    entries.filter(called).collect()
}

/// For what has no event: the end of a process that belongs to somebody else.
fn wait_until(what: &str, mut reached: impl FnMut() -> bool) -> Outcome {
    let deadline = lab::Deadline::from(SOON);
    while !reached() {
        if deadline.is_past() {
            return Err(fail(format!("{what}: not within {SOON:?}")));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Nobody's number on Debian and most others.
const NOBODY: u32 = 65534;

/// Whether there is no other user than the one that this program is: an ordinary user's namespace.
fn one_user_only() -> std::io::Result<bool> {
    let map = std::fs::read_to_string("/proc/self/uid_map")?;
    Ok(map.split_whitespace().nth(2) == Some("1"))
}

/// This test program where everybody may read and run it, for a process of an ordinary user.
fn for_everybody(place: &Path) -> Result<Command, lab::harness::Stop> {
    use std::os::unix::process::CommandExt as _;
    if one_user_only()? {
        return Err(skip("only root can become another user"));
    }
    let copy = place.join("test-program");
    // Not copied by this process: another thread's fork could hold the copy open for writing.
    let copied =
        Command::new("install").args(["-m", "755"]).arg(std::env::current_exe()?).arg(&copy).status()?;
    assert!(copied.success());
    let mut command = Command::new(copy);
    command
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .stdin(Stdio::null())
        .env_remove("CI")
        .env_remove(lab::harness::SKIPS);
    Ok(command)
}

fn ordinary_user() -> Outcome {
    let lab = Lab::builder().build()?;
    let mut command = for_everybody(lab.directory())?;
    let output = command.args(["--test-threads", "8", "--skip", "slow::"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let summary = text.lines().find(|line| line.starts_with("test result:")).unwrap_or_default();
    if !output.status.success() || !summary.contains(" 0 failed") {
        return Err(fail(format!("{text}{}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(())
}

fn told_why() -> Outcome {
    let lab = Lab::builder().build()?;
    let mut command = for_everybody(lab.directory())?;
    // A user namespace inside which there may be no other, as `user.max_user_namespaces=0` does it everywhere.
    let mut shell = Command::new(program("unshare")?);
    let script = "echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all \"$0\"";
    shell.args(["--user", "--map-root-user", "sh", "-c", script]).arg(command.get_program());
    program("setpriv")?;
    shell.env(ROLE, "exit").stdin(Stdio::null());
    let output = shell.output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("user.max_user_namespaces") && text.contains("sudo sysctl"), "{text}");
    // Without a limit the same call works.
    assert_eq!(command.env(ROLE, "exit").status()?.code(), Some(7));
    Ok(())
}

fn keepalived() -> Outcome {
    let keepalived = program("keepalived")?;
    let lab = three()?;
    let service = ip("10.0.0.3");
    let start = |name: &str, priority: u8| -> Result<lab::Daemon, lab::Error> {
        let machine = lab.machine(name)?;
        let text = format!(
            "vrrp_instance VI_1 {{\n state BACKUP\n interface eth0\n virtual_router_id 50\n \
             priority {priority}\n advert_int 1\n virtual_ipaddress {{\n {service}\n }}\n}}\n"
        );
        machine.write("/run/keepalived.conf", text)?;
        machine.spawn(&keepalived, |command| {
            command.args(["-n", "-l", "-D", "-f", "/run/keepalived.conf"]);
        })
    };
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let (first, second) = (start("lb01", 150)?, start("lb02", 100)?);
    first.wait_for_line("Entering MASTER STATE", SOON)?;
    let client = Client::start(lab.machine("client")?, service)?;
    client.wait_for_answer_by(lab.machine("lb01")?.mac("eth0")?, SOON)?;
    assert!(first.processes().len() > 1, "keepalived is a family: {:?}", first.processes());
    lab.cable(lab.machine("lb01")?).unplug()?;
    assert_eq!(first.kill_crash()?, Ended::Signal(9));
    second.wait_for_line("Entering MASTER STATE", SOON)?;
    client.wait_for_answer_by(lab.machine("lb02")?.mac("eth0")?, SOON)?;
    assert_eq!(heard(&capture, 0), 0, "the dead do not resign");
    let silence = client.timeline().longest_silence();
    // Three lost adverts and the skew, and the time since the last advert.
    assert!(silence > Duration::from_millis(2600) && silence < Duration::from_secs(6), "{silence:?}");
    Ok(())
}

//! keepalived's words, committed: one line or more for each event, the dump files, and that no secret is in any of
//! them.

use crate::config::{host, instance, lb01, lb02, scenario};
use crate::election::settled;
use crate::world::{World, ip, ms};
use model::{Authentication, Flaw, Secret};
use node::compat;
use node::event::{
    Contrast, Disbelieved, Event, Fault, Finish, Health, Standing, StaticNews, Unheard, Unmailed,
};
use node::io::{Ending, Errno, Order, Reason, Unfiltered, Unread};
use node::mail::{Failure, Refused, Stage, Trouble};
use node::sessions::Reach;
use std::sync::Arc;
use timeline::Duration;
use vrrp::{Discard, Leader, Why};
use wire::bfd::Diagnostic;
use wire::{Family, Interval, Priority, Version, Vrid};

/// One of each event, and of those with several texts one of each text.
fn events() -> Vec<Event> {
    let instance: Arc<str> = "VI_1".into();
    let interface: Arc<str> = "eth0".into();
    let (source, address) = (ip("10.0.0.6"), ip("10.0.0.3"));
    let leader = Leader { source, priority: Priority(100) };
    let faults = vec![
        Fault::InterfaceMissing(interface.clone()),
        Fault::InterfaceDown(interface.clone()),
        Fault::NoCarrier(interface.clone()),
        Fault::NoSourceAddress(interface.clone(), Family::V4),
        Fault::NoSourceAddress(interface.clone(), Family::V6),
        Fault::AddressRefused(Errno(13)),
        Fault::AddressKeepsVanishing { address, interface: interface.clone(), by: Some("dhcpcd".into()) },
        Fault::AddressKeepsVanishing { address, interface: interface.clone(), by: None },
        Fault::SourceMissing(source),
        Fault::SourceApart(source, Some("red".into())),
        Fault::SourceApart(source, None),
        Fault::Script("chk".into(), Some(Finish::Ended(Ending::Exited(1)))),
        Fault::Script("chk".into(), None),
        Fault::Process("nginx".into(), 0),
        Fault::Process("nginx".into(), 1),
        Fault::File("drain".into(), 1),
        Fault::Bfd("gateway".into(), false),
        Fault::Bfd("gateway".into(), true),
        Fault::Member { group: "G".into(), member: "VI_2".into() },
        Fault::InterfaceUp(interface.clone()),
        Fault::VrfMissing("red".into()),
        Fault::VrfDown("red".into()),
        Fault::NotAVrf(interface.clone()),
    ];
    let because = |from, to, why, disbelieved| {
        let (instance, faults) = (instance.clone(), faults.clone());
        Event::Moved { instance, from, to, why, faults, disbelieved }
    };
    let moved = |from, to, why| because(from, to, why, None);
    let unheard = |adverts, why| Some(Disbelieved { adverts, source, why });
    let interval = |centis| Interval::from_centis(centis).unwrap();
    let some = || instance.clone();
    let (initialize, backup) = (Standing::Initialize, Standing::Backup);
    let (active, fault) = (Standing::Active, Standing::Fault);
    let second = Duration::from_secs(1);
    let mut events = vec![
        moved(initialize, backup, Why::Started),
        moved(fault, backup, Why::Started),
        moved(initialize, active, Why::Owner),
        moved(backup, active, Why::NoResponse),
        because(backup, active, Why::NoResponse, unheard(1, Discard::Checksum)),
        because(backup, active, Why::NoResponse, unheard(4, Discard::AuthenticationFailed)),
        moved(backup, active, Why::LeaderLeft(source)),
        moved(backup, active, Why::Preempting(leader)),
        moved(active, backup, Why::HigherPriority(leader)),
        moved(active, backup, Why::HigherAddress(leader)),
        moved(active, initialize, Why::Stopped),
        moved(active, fault, Why::Fault),
        moved(backup, active, Why::Group),
        moved(active, backup, Why::TooLate),
        Event::Faults { instance: some(), faults },
        Event::Faults { instance: some(), faults: Vec::new() },
        Event::PriorityChanged { instance: some(), from: Priority(150), to: Priority(90) },
        Event::NewLeader { instance: some(), leader },
        Event::Rival { instance: some(), rival: leader, stays: false, suppressed: 0 },
        Event::Rival { instance: some(), rival: leader, stays: true, suppressed: 59 },
        Event::SecondOwner { instance: some(), source },
        Event::PreemptHold { instance: some(), wait: Duration::from_millis(1_500) },
        Event::SilenceExcused { instance: some() },
        Event::StoodStill { instance: some(), time: Duration::from_millis(6_049) },
        Event::ClockSet { millis: 3_600_040 },
        Event::ClockSet { millis: -1_500 },
        Event::ClockFollowed { source },
        Event::AddressListDiffers {
            instance: some(),
            source,
            theirs: (4..8).map(|n| ip(&format!("10.0.0.{n}"))).collect(),
            ours: vec![address],
        },
        Event::AddressListDiffers { instance: some(), source, theirs: vec![], ours: vec![] },
        Event::IntervalDiffers { instance: some(), source, theirs: interval(250), ours: interval(100) },
    ];
    for why in Discard::ALL {
        let (interface, vrid) = (interface.clone(), Vrid::new(50));
        let contrasts = [
            (Discard::Version, Contrast::Version { theirs: 3, ours: Version::V2 }),
            (Discard::Interval, Contrast::Interval { theirs: Some(interval(200)), ours: interval(100) }),
            (Discard::AuthenticationType, Contrast::Authentication { theirs: 0, ours: 1 }),
        ];
        let contrast = contrasts.into_iter().find(|(of, _)| *of == why).map(|(_, contrast)| contrast);
        let (instance, suppressed) = (Some(some()), 0);
        events.push(Event::Discarded { instance, interface, vrid, source, why, contrast, suppressed });
    }
    let by = Some("dhcpcd".into());
    let lost =
        |by, wait| Event::AddressLost { instance: some(), address, interface: interface.clone(), by, wait };
    let fixed = |news| Event::Static { address, interface: interface.clone(), news };
    let (vrid, why) = (Vrid::new(9), Discard::Checksum);
    events.extend([
        Event::Discarded {
            instance: None,
            interface: interface.clone(),
            vrid,
            source,
            why,
            contrast: None,
            suppressed: 3,
        },
        lost(by, Duration::ZERO),
        lost(None, second * 4),
        Event::AddressAdopted { instance: some(), address, interface: interface.clone() },
        Event::LeftoverRemoved { address, interface: interface.clone() },
        Event::AddressRefused {
            instance: some(),
            address,
            interface: interface.clone(),
            errno: Errno(1),
            wait: second * 10,
        },
        Event::AddressStays { address, interface: interface.clone(), errno: Errno(1) },
        fixed(StaticNews::Adopted),
        fixed(StaticNews::Lost { by: Some("ip".into()), wait: Some(Duration::ZERO) }),
        fixed(StaticNews::Lost { by: None, wait: Some(second * 10) }),
        fixed(StaticNews::Lost { by: None, wait: None }),
        fixed(StaticNews::Refused { errno: Errno(13), wait: second * 10 }),
        Event::FilterInForce { table: "standfast".into() },
        Event::FilterLacking { table: "standfast".into(), why: Unfiltered::Absent(Errno(93)) },
        Event::FilterLacking { table: "mine".into(), why: Unfiltered::Taken },
        Event::FilterLacking { table: "standfast".into(), why: Unfiltered::Refused(Errno(1)) },
        Event::FilterLacking { table: "standfast".into(), why: Unfiltered::Refused(Errno(28)) },
        Event::FilterRepaired { table: "standfast".into(), by: Some("nft (process 7)".into()), times: 1 },
        Event::FilterRepaired { table: "standfast".into(), by: None, times: 3 },
        Event::FilterStays { table: "standfast".into(), errno: Errno(1) },
        Event::Holding { instance: some(), addresses: 1 },
        Event::Holding { instance: some(), addresses: 20 },
        Event::AddressWhileBackup { instance: some(), address, prefix: 32, interface: interface.clone() },
        Event::Unsent { instance: some(), errno: Errno(101), suppressed: 2 },
        Event::Unsent { instance: some(), errno: Errno(1), suppressed: 0 },
        Event::Configured { instances: 1, added: 1, removed: 0, altered: 0 },
        Event::Configured { instances: 3, added: 1, removed: 0, altered: 2 },
    ]);
    events.extend(tracked());
    events
}

/// Events of what is tracked.
fn tracked() -> Vec<Event> {
    let path = || "/etc/keepalived/chk.sh".to_owned();
    let (user, errno) = (String::from("nobody"), Errno(1));
    let reasons = [
        Reason::Flaw(Flaw::Missing("/etc/keepalived".into())),
        Reason::Flaw(Flaw::NotAFile(path())),
        Reason::Flaw(Flaw::NotExecutable { path: path(), mode: 0o100_644, user: user.clone() }),
        Reason::Flaw(Flaw::Interpreter { path: path(), interpreter: Some("/usr/bin/python4".into()) }),
        Reason::Flaw(Flaw::Interpreter { path: path(), interpreter: None }),
        Reason::Flaw(Flaw::Unsafe { path: path(), mode: 0o100_777, owner: 0 }),
        Reason::Flaw(Flaw::NoAccount("checker".into())),
        Reason::Switch { user, errno },
        Reason::Refused(Errno(11)),
        Reason::NoRunner,
        Reason::NotBegun,
    ];
    let endings = [
        Ending::Exited(0),
        Ending::Exited(1),
        Ending::Exited(126),
        Ending::Exited(127),
        Ending::Signalled(9),
    ];
    let endings = endings.into_iter().chain(reasons.map(Ending::NotRun)).map(Finish::Ended);
    let scripts = endings.chain([Finish::TimedOut]).map(|finish| {
        let health = finish.health();
        Event::Script { script: "chk".into(), health, finish }
    });
    let process = |health, count| Event::Process { process: "nginx".into(), health, count };
    let file = |value, unread| Event::File { file: "drain".into(), value, unread };
    let session: Arc<str> = "gateway".into();
    let bfd = |reach| Event::Bfd { session: session.clone(), reach };
    let discarded = |why, suppressed| Event::BfdDiscarded {
        session: session.clone(),
        source: ip("10.0.0.1"),
        why,
        suppressed,
    };
    let unsent = |errno| Event::BfdUnsent { session: session.clone(), errno, suppressed: 0 };
    let moved = |to| Event::GroupMoved { group: "G".into(), from: Standing::Backup, to };
    let unheard = |why| Event::Unheard { script: "VI_50 notify_master".into(), why };
    let more = [
        Event::ScriptReturns { script: "chk".into(), status: 2 },
        process(Health::Well, Ok(2)),
        process(Health::Failed, Ok(0)),
        process(Health::Unknown, Err(Errno(1))),
        file(-20, None),
        file(0, Some(Unread::Absent)),
        file(-20, Some(Unread::Garbage)),
        file(-20, Some(Unread::NotAFile("a pipe"))),
        file(-20, Some(Unread::Refused(Errno(13)))),
        bfd(Reach::Up),
        bfd(Reach::Down { ours: Diagnostic::EXPIRED, theirs: Diagnostic::NONE, on_purpose: false }),
        bfd(Reach::Down { ours: Diagnostic::NEIGHBOR_DOWN, theirs: Diagnostic(17), on_purpose: true }),
        bfd(Reach::NeverUp(Duration::from_secs(3))),
        bfd(Reach::Unheard(Errno(98))),
        Event::TrackedBfd { instance: "VI_50".into(), session: "gateway".into(), is_up: true },
        Event::TrackedBfd { instance: "VI_50".into(), session: "gateway".into(), is_up: false },
        discarded(node::sessions::Discard::Distance, 0),
        discarded(node::sessions::Discard::Port, 0),
        discarded(node::sessions::Discard::Source, 2),
        discarded(node::sessions::Discard::Packet(wire::bfd::Refused::Authenticated), 0),
        unsent(Errno(1)),
        unsent(Errno(101)),
        moved(Standing::Active),
        moved(Standing::Fault),
        moved(Standing::Initialize),
        unheard(Unheard::Ended { how: Ending::Exited(2), suppressed: 0 }),
        unheard(Unheard::Ended { how: Ending::Exited(127), suppressed: 3 }),
        unheard(Unheard::Ended { how: Ending::Signalled(9), suppressed: 0 }),
        unheard(Unheard::Ended {
            how: Ending::NotRun(node::io::Reason::Flaw(Flaw::Missing("/x".into()))),
            suppressed: 0,
        }),
        unheard(Unheard::Slow { waiting: 0 }),
        unheard(Unheard::Slow { waiting: 2 }),
        unheard(Unheard::Lost { count: 7 }),
    ];
    scripts.chain(more).chain(mail()).collect()
}

/// Events of mail.
fn mail() -> Vec<Event> {
    let title: Arc<str> = "[LB] VRRP Instance A - Entering MASTER state".into();
    let server = Some("10.0.0.25:25".parse().unwrap());
    let silent = || Trouble::Silent(Duration::from_secs(30));
    let failures = [
        (None, Stage::Lookup, Trouble::Unknown("Name or service not known".into())),
        (None, Stage::Lookup, silent()),
        (server, Stage::Connect, Trouble::Refused(Errno(111))),
        (server, Stage::Connect, Trouble::Refused(Errno(113))),
        (server, Stage::Connect, Trouble::Refused(Errno(1))),
        (server, Stage::Connect, Trouble::Refused(Errno(101))),
        (server, Stage::Connect, silent()),
        (server, Stage::Greeting, Trouble::Silent(Duration::from_millis(1_500))),
        (server, Stage::Hello, Trouble::Garbage("HTTP/1.1 400 Bad Request".into())),
        (server, Stage::Sender, Trouble::Closed),
        (server, Stage::Sender, Trouble::Unfit("Me and you".into())),
        (server, Stage::Recipient, Trouble::Answer("550 no such user".into())),
        (server, Stage::Data, Trouble::Answer("451 try later".into())),
        (server, Stage::Text, silent()),
        (None, Stage::Connect, Trouble::Nobody),
    ];
    let mut events = Vec::new();
    for (at, (server, stage, trouble)) in failures.into_iter().enumerate() {
        let failure = Failure { server, stage, trouble };
        let suppressed = if at == 0 { 3 } else { 0 };
        events.push(Event::Unmailed(Unmailed::Failed { title: title.clone(), failure, suppressed }));
    }
    let trouble = Trouble::Answer("550 no such user".into());
    let refused = Refused { recipient: "root".into(), trouble };
    events.push(Event::Unmailed(Unmailed::Refused { title, refused, suppressed: 0 }));
    events.push(Event::Unmailed(Unmailed::Lost { count: 1 }));
    events.push(Event::Unmailed(Unmailed::Left { count: 3 }));
    events
}

/// The name of an event's variant. A new variant must be named here, and so is not forgotten above.
const fn name(event: &Event) -> &'static str {
    match event {
        Event::Moved { .. } => "Moved",
        Event::Faults { .. } => "Faults",
        Event::PriorityChanged { .. } => "PriorityChanged",
        Event::NewLeader { .. } => "NewLeader",
        Event::Rival { .. } => "Rival",
        Event::SecondOwner { .. } => "SecondOwner",
        Event::PreemptHold { .. } => "PreemptHold",
        Event::SilenceExcused { .. } => "SilenceExcused",
        Event::StoodStill { .. } => "StoodStill",
        Event::ClockSet { .. } => "ClockSet",
        Event::ClockFollowed { .. } => "ClockFollowed",
        Event::Discarded { .. } => "Discarded",
        Event::AddressListDiffers { .. } => "AddressListDiffers",
        Event::IntervalDiffers { .. } => "IntervalDiffers",
        Event::AddressLost { .. } => "AddressLost",
        Event::AddressAdopted { .. } => "AddressAdopted",
        Event::LeftoverRemoved { .. } => "LeftoverRemoved",
        Event::AddressRefused { .. } => "AddressRefused",
        Event::AddressStays { .. } => "AddressStays",
        Event::AddressWhileBackup { .. } => "AddressWhileBackup",
        Event::Static { .. } => "Static",
        Event::FilterInForce { .. } => "FilterInForce",
        Event::FilterLacking { .. } => "FilterLacking",
        Event::FilterRepaired { .. } => "FilterRepaired",
        Event::FilterStays { .. } => "FilterStays",
        Event::Holding { .. } => "Holding",
        Event::Unsent { .. } => "Unsent",
        Event::Script { .. } => "Script",
        Event::ScriptReturns { .. } => "ScriptReturns",
        Event::Process { .. } => "Process",
        Event::File { .. } => "File",
        Event::Bfd { .. } => "Bfd",
        Event::TrackedBfd { .. } => "TrackedBfd",
        Event::BfdDiscarded { .. } => "BfdDiscarded",
        Event::BfdUnsent { .. } => "BfdUnsent",
        Event::GroupMoved { .. } => "GroupMoved",
        Event::Unheard { .. } => "Unheard",
        Event::Unmailed(_) => "Unmailed",
        Event::Configured { .. } => "Configured",
    }
}

#[test]
fn one_of_each_event_in_words() {
    let mut text = String::new();
    for event in events() {
        text += &format!("{} {:?}\n", name(&event), event.level());
        for line in compat::log_lines(&event) {
            text += &format!("    {line}\n");
        }
    }
    insta::assert_snapshot!("events", text);
}

#[test]
fn every_event_has_something_to_say() {
    for event in events() {
        let lines = compat::log_lines(&event);
        assert!(
            !lines.is_empty() && lines.iter().all(|line| !line.is_empty() && !line.contains('\n')),
            "{event:?}"
        );
    }
}

#[test]
fn errors_of_the_kernel_are_explained() {
    let mut text = String::new();
    for errno in [1, 13, 17, 19, 22, 28, 95, 99, 100, 101, 105, 4] {
        text += &format!("{errno}: {}\n", Errno(errno));
    }
    insta::assert_snapshot!("errors", text);
}

/// lb01 and lb02 after a failover, a theft and some nonsense.
fn story() -> World {
    let mut world = settled();
    world.run(ms(500));
    world.crash(0, true);
    world.run(ms(10_000));
    world.boot(0, lb01());
    world.run(ms(10_000));
    world
}

#[test]
fn the_status_of_the_two_node_story() {
    let world = story();
    insta::assert_debug_snapshot!("status_lb01", world.machines[0].node.status(world.now));
    insta::assert_debug_snapshot!("status_lb02", world.machines[1].node.status(world.now));
}

#[test]
fn the_dump_files_of_the_two_node_story() {
    let world = story();
    for (n, file) in ["lb01", "lb02"].into_iter().enumerate() {
        let status = world.machines[n].node.status(world.now);
        insta::assert_snapshot!(format!("data_{file}"), compat::data(&status));
        insta::assert_snapshot!(format!("stats_{file}"), compat::statistics(&status));
        let host = world.machines[n].node.host();
        let wall = std::time::Duration::from_millis(1_800_000_000_500);
        insta::assert_snapshot!(format!("json_{file}"), compat::json(&status, &host, wall).unwrap());
        let mut second = host.clone();
        second.daemon.dumps.json_version = 2;
        let second = compat::json(&status, &second, wall).unwrap();
        assert!(
            second.starts_with("{\"vrrp\":[{\"data\":{") && second.ends_with("}}],\"track_process\":[]}"),
            "{second}"
        );
        assert_eq!(compat::json(&status, &model::Host::default(), wall), None);
    }
}

#[test]
fn a_fault_is_visible_in_the_dump() {
    let mut world = World::new(1);
    world.machines[0].remove_link(crate::world::ETH0);
    world.boot(0, lb02());
    world.run(ms(1_000));
    let data = compat::data(&world.machines[0].node.status(world.now));
    assert!(data.contains("State = FAULT") && data.contains("interface eth0 does not exist"), "{data}");
}

#[test]
fn secrets_are_nowhere() {
    let password = Authentication::Password(Secret::cut(b"pa55word"));
    let key = Authentication::Header(Secret::cut(b"ah5ecret"));
    let both = || {
        host(vec![
            model::Instance { authentication: password.clone(), ..scenario(150) },
            model::Instance { authentication: key.clone(), ..instance(51, 150, &["10.0.0.4"]) },
        ])
    };
    let mut world = World::new(2);
    world.boot(0, both());
    world.boot(1, both());
    world.run(ms(20_000));
    world.order(0, Order::Stop);
    world.run(ms(5_000));
    let mut texts = String::new();
    for n in 0..2 {
        let machine = &world.machines[n];
        let status = machine.node.status(world.now);
        texts += &format!("{:?}{:#?}{status:?}{:?}", machine.node, machine.node, machine.log);
        texts += &(compat::data(&status) + &compat::statistics(&status));
        texts += &compat::json(&status, &machine.node.host(), std::time::Duration::ZERO).unwrap();
        texts += &world.story(n);
    }
    let bytes = |text: &str| text.bytes().map(|b| b.to_string()).collect::<Vec<_>>();
    for secret in ["pa55word", "ah5ecret"] {
        assert!(!texts.contains(secret), "in clear");
        assert!(!texts.contains(&bytes(secret).join(", ")), "as numbers");
        assert!(!texts.contains(&bytes(secret).join(",\n")), "as numbers in lines");
        let spread = bytes(secret).iter().map(|b| format!("{b},")).collect::<Vec<_>>();
        let squeezed: String = texts.split_whitespace().collect();
        assert!(!squeezed.contains(&spread.concat()), "as numbers, however they are laid out");
    }
}

//! BFD: what the neighbour of a session does to an instance, and what the sessions of a host make of packets.

use crate::config::{host, scenario};
use crate::tracking::{OK, alone, tracked};
use crate::world::{World, ip, ms};
use model::{Bfd, Host, Tracked, Weight};
use node::event::{Event, Fault, Standing};
use node::io::{Errno, Fact};
use node::sessions::{Discard, Effect, Input, Packet, Reach, SessionId, Sessions};
use timeline::{Duration, Instant, Machine};
use wire::Family;
use wire::bfd::{Control, Diagnostic, Refused, State};

const DOWN: Reach = Reach::Down { ours: Diagnostic::EXPIRED, theirs: Diagnostic::NONE, on_purpose: false };

fn bfd(name: &str, neighbor: &str) -> Bfd {
    let new = Bfd::new(name, ip(neighbor));
    let settings = model::BfdSettings { min_tx: 100_000, min_rx: 100_000, multiplier: 3, ..new.settings };
    Bfd { settings, ..new }
}

fn watched(weight: Weight) -> Host {
    let mut host = host(vec![scenario(100)]);
    host.bfd = vec![bfd("gateway", "10.0.0.1")];
    host.instances[0].tracking.bfd = vec![Tracked { name: "gateway".into(), weight }];
    host
}

fn tell(world: &mut World, reach: Reach) {
    world.machines[0].tell(Fact::Bfd { name: "gateway".into(), reach });
    world.run(ms(10));
}

#[test]
fn up_and_down_count_as_a_script_does() {
    // Weight, reverse, the priority while it is up, down, never up, unheard; 0 is FAULT.
    let table = [
        (0, false, [100, 0, 0, 1]),
        (0, true, [0, 100, 100, 1]),
        (30, false, [130, 100, 100, 1]),
        (30, true, [70, 100, 100, 1]),
        (-30, false, [100, 70, 70, 1]),
        (-30, true, [100, 130, 130, 1]),
    ];
    let reaches = [Reach::Up, DOWN, Reach::NeverUp(ms(3_000)), Reach::Unheard(Errno(98))];
    for (value, reverse, expected) in table {
        for (reach, expected) in reaches.into_iter().zip(expected) {
            let mut world = alone(watched(Weight { value, reverse }), OK);
            world.run(ms(10));
            tell(&mut world, reach);
            let status = world.status(0, "VI_50");
            let counted = if status.standing == Standing::Fault { 0 } else { status.priority.0 };
            assert_eq!(counted, expected, "{value} {reverse} {reach:?}");
        }
    }
}

#[test]
fn one_that_has_not_spoken_is_waited_for_and_moves_nobody() {
    let mut world = alone(watched(Weight::default()), OK);
    world.run(ms(20_000));
    assert_eq!((world.standing(0), world.status(0, "VI_50").waits), (Standing::Initialize, true));
    tell(&mut world, Reach::Up);
    world.run(ms(5_000));
    assert_eq!(world.standing(0), Standing::Active);
    tell(&mut world, DOWN);
    assert_eq!(world.status(0, "VI_50").faults, [Fault::Bfd("gateway".into(), false)]);
    tell(&mut world, Reach::Up);
    assert_eq!(world.standing(0), Standing::Backup);
    insta::assert_snapshot!(world.story(0), @r"
     0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
    20.000000 (gateway) Entering Up state
    20.000000 VRRP_Instance(VI_50) Tracked BFD instance gateway is UP
    20.000000 (VI_50) Entering BACKUP STATE (init)
    23.609375 (VI_50) Receive advertisement timeout
    23.609375 (VI_50) Entering MASTER STATE
    23.609375 (VI_50) because no advert came from an active router in time
    23.609375 (VI_50) 1 address in place
    25.010000 (gateway) Entering Down state (Local diagnostic - Control Detection Time Expired, Remote diagnostic - No Diagnostic)
    25.010000 VRRP_Instance(VI_50) Tracked BFD instance gateway is DOWN
    25.010000 (VI_50) Entering FAULT STATE
    25.010000 (VI_50) because BFD session gateway is down
    25.020000 (gateway) Entering Up state
    25.020000 VRRP_Instance(VI_50) Tracked BFD instance gateway is UP
    25.020000 (VI_50) Entering BACKUP STATE
    25.020000 (VI_50) because no fault is left
    ");
}

#[test]
fn what_a_session_last_said_stays_over_a_reload() {
    let mut world = alone(watched(Weight { value: -30, reverse: false }), OK);
    world.run(ms(10));
    tell(&mut world, DOWN);
    assert_eq!(world.status(0, "VI_50").priority.0, 70);
    let mut other = watched(Weight { value: -30, reverse: false });
    other.bfd[0].neighbor = ip("10.0.0.2");
    world.configure(0, other);
    world.run(ms(10));
    assert_eq!(world.status(0, "VI_50").priority.0, 70);
    // One that nobody tracks moves nothing.
    let mut none = watched(Weight::default());
    none.instances[0].tracking.bfd = vec![tracked("gateway", 0)];
    none.instances[0].tracking.bfd.clear();
    world.configure(0, none);
    world.run(ms(10));
    assert_eq!((world.status(0, "VI_50").priority.0, world.standing(0)), (100, Standing::Backup));
}

// ---- sessions ----

const GATEWAY: &str = "10.0.0.1";

fn give(sessions: &mut Sessions, at: u64, input: Input<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    sessions.handle(instant(at), input, &mut effects);
    effects
}

const fn instant(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn begun(list: &[Bfd]) -> Sessions {
    let mut sessions = Sessions::new(5);
    assert_eq!(give(&mut sessions, 0, Input::Configure(list)), []);
    sessions
}

fn sent(effects: &[Effect]) -> Vec<(SessionId, Control)> {
    let sent = |effect: &Effect| match effect {
        Effect::Send { session, bytes } => Some((*session, Control::read(bytes).unwrap())),
        Effect::Fact(_) | Effect::Report(_) => None,
    };
    effects.iter().filter_map(sent).collect()
}

fn facts(effects: &[Effect]) -> Vec<Reach> {
    let reach = |effect: &Effect| match effect {
        Effect::Fact(Fact::Bfd { reach, .. }) => Some(*reach),
        Effect::Fact(_) | Effect::Send { .. } | Effect::Report(_) => None,
    };
    effects.iter().filter_map(reach).collect()
}

/// What the neighbour says, seen from its end of the session.
fn answer(state: State, ours: u32) -> Control {
    Control {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        is_final: false,
        independent: false,
        demand: false,
        multiplier: 3,
        my_discriminator: 77,
        your_discriminator: ours,
        desired_min_tx: 100_000,
        required_min_rx: 100_000,
        required_min_echo_rx: 0,
    }
}

fn hear(sessions: &mut Sessions, at: u64, source: &str, ttl: u8, control: Control) -> Vec<Effect> {
    let bytes = control.write();
    let (source, at) = (ip(source), instant(at));
    let packet = Packet { source, hop_limit: Some(ttl), multihop: false, at, bytes: &bytes };
    let mut effects = Vec::new();
    sessions.handle(at, Input::Packet(packet), &mut effects);
    effects
}

/// A session with the gateway that is up at 100 ms; and our name for it.
fn up(list: &[Bfd]) -> (Sessions, u32) {
    let mut sessions = begun(list);
    let first = sent(&give(&mut sessions, 0, Input::Elapsed));
    let ours = first[0].1.my_discriminator;
    assert_eq!(facts(&hear(&mut sessions, 50, GATEWAY, 255, answer(State::Down, 0))), []);
    assert_eq!(facts(&hear(&mut sessions, 100, GATEWAY, 255, answer(State::Init, ours))), [Reach::Up]);
    (sessions, ours)
}

fn discards(sessions: &Sessions) -> Vec<(Discard, u64)> {
    let mut status = node::Node::new().status(Instant::EPOCH);
    sessions.describe(&mut status);
    status.bfd_discards
}

#[test]
fn brx_0_to_9_each_discard_is_counted_and_takes_no_session_down() {
    let list = [bfd("gateway", GATEWAY)];
    let (mut sessions, ours) = up(&list);
    let down = answer(State::Down, 0);
    for ttl in [254, 64, 1] {
        assert_eq!(facts(&hear(&mut sessions, 110, GATEWAY, ttl, down)), [], "TTL {ttl}");
    }
    hear(&mut sessions, 110, "10.0.0.99", 255, down);
    hear(&mut sessions, 110, GATEWAY, 255, Control { your_discriminator: ours ^ 1, ..down });
    hear(&mut sessions, 110, GATEWAY, 255, answer(State::Up, 0));
    let bytes = down.write();
    let packet =
        Packet { source: ip(GATEWAY), hop_limit: Some(255), multihop: true, at: instant(110), bytes: &bytes };
    give(&mut sessions, 110, Input::Packet(packet));
    let nothing_said = Packet { hop_limit: None, multihop: false, ..packet };
    give(&mut sessions, 110, Input::Packet(nothing_said));
    give(&mut sessions, 110, Input::Packet(Packet { bytes: &bytes[..23], ..nothing_said }));
    let expected = [
        (Discard::Packet(Refused::Short), 1),
        (Discard::Packet(Refused::YourDiscriminator), 1),
        (Discard::Stranger, 2),
        (Discard::Port, 1),
        (Discard::Distance, 4),
    ];
    assert_eq!(discards(&sessions), expected);
    // BTRAP-11: none of them was heard. The last one that counts came at 100 ms.
    let effects = give(&mut sessions, 400, Input::Elapsed);
    assert_eq!(facts(&effects), [DOWN]);
}

#[test]
fn a_discard_is_told_once_a_minute() {
    let (mut sessions, _) = up(&[bfd("gateway", GATEWAY)]);
    let told = |sessions: &mut Sessions, at| {
        let effects = hear(sessions, at, GATEWAY, 64, answer(State::Down, 0));
        let report = |effect: &Effect| match effect {
            Effect::Report(Event::BfdDiscarded { why, suppressed, .. }) => Some((*why, *suppressed)),
            Effect::Report(_) | Effect::Send { .. } | Effect::Fact(_) => None,
        };
        effects.iter().find_map(report)
    };
    assert_eq!(told(&mut sessions, 101), Some((Discard::Distance, 0)));
    assert_eq!(told(&mut sessions, 102), None);
    assert_eq!(told(&mut sessions, 60_102), Some((Discard::Distance, 1)));
}

#[test]
fn what_may_come_from_afar_must_come_from_the_neighbour() {
    let mut near = bfd("gateway", GATEWAY);
    let (mut sessions, ours) = up(std::slice::from_ref(&near));
    // On one link a neighbour may change its source (BENC-5).
    hear(&mut sessions, 110, "10.0.0.99", 255, answer(State::Up, ours));
    assert_eq!(discards(&sessions), []);
    near.max_hops = Some(5);
    let (mut sessions, ours) = up(&[near]);
    hear(&mut sessions, 110, GATEWAY, 250, answer(State::Up, ours));
    assert_eq!(discards(&sessions), []);
    hear(&mut sessions, 110, "10.0.0.99", 255, answer(State::Up, ours));
    hear(&mut sessions, 110, GATEWAY, 249, answer(State::Up, ours));
    assert_eq!(discards(&sessions), [(Discard::Distance, 1), (Discard::Source, 1)]);
}

#[test]
fn bcl_4_one_that_only_begins_has_time() {
    let mut sessions = begun(&[bfd("gateway", GATEWAY)]);
    let mut at = 0;
    let mut said = Vec::new();
    while at < 10_000 {
        let effects = give(&mut sessions, at, Input::Elapsed);
        said.extend(facts(&effects).into_iter().map(|reach| (at, reach)));
        at = sessions.deadline().unwrap().as_nanos().div_ceil(1_000_000).max(at + 1);
    }
    assert_eq!(said, [(3_000, Reach::NeverUp(Duration::from_secs(3)))]);
}

#[test]
fn a_reload_keeps_a_session_whose_path_is_the_same() {
    let old = bfd("gateway", GATEWAY);
    let (mut sessions, ours) = up(std::slice::from_ref(&old));
    let mut new = old.clone();
    (new.settings.min_tx, new.weight.value) = (200_000, 5);
    assert_eq!(give(&mut sessions, 150, Input::Configure(&[new.clone()])), []);
    let heard = hear(&mut sessions, 160, GATEWAY, 255, answer(State::Up, ours));
    assert_eq!(facts(&heard), []);
    // Another path: the old neighbour is told that it is on purpose, the new session begins.
    new.neighbor = ip("10.0.0.2");
    let effects = give(&mut sessions, 170, Input::Configure(&[new]));
    let last = sent(&effects);
    assert_eq!((last[0].1.state, last[0].1.diagnostic), (State::AdminDown, Diagnostic::ADMIN_DOWN));
    assert_eq!((last.len(), facts(&effects)), (1, vec![]));
    let first = sent(&give(&mut sessions, 171, Input::Elapsed));
    assert_eq!(first[0].1.state, State::Down);
    assert!(first[0].0 != last[0].0 && first[0].1.my_discriminator != ours);
    let effects = give(&mut sessions, 180, Input::Stop);
    assert_eq!(sent(&effects)[0].1.state, State::AdminDown);
    assert_eq!((facts(&effects), sessions.deadline()), (vec![], None));
}

#[test]
fn a_port_that_cannot_be_heard_says_nothing_about_the_neighbour() {
    let mut sessions = begun(&[bfd("gateway", GATEWAY), bfd("six", "fd00::1")]);
    let no_socket = |why| Input::NoSocket { family: Family::V4, multihop: false, why };
    let effects = give(&mut sessions, 1, no_socket(Some(Errno(98))));
    assert_eq!(facts(&effects), [Reach::Unheard(Errno(98))]);
    // Its time begins when it can hear.
    give(&mut sessions, 2_000, Input::Elapsed);
    assert_eq!(facts(&give(&mut sessions, 2_500, no_socket(None))), []);
    assert_eq!(
        facts(&give(&mut sessions, 3_000, Input::Elapsed)),
        [Reach::NeverUp(ms(3_000))],
        "the other one"
    );
    assert_eq!(facts(&give(&mut sessions, 5_500, Input::Elapsed)), [Reach::NeverUp(ms(3_000))]);
}

#[test]
fn what_was_not_sent_is_not_counted_as_sent() {
    let mut sessions = begun(&[bfd("gateway", GATEWAY)]);
    let (session, _) = sent(&give(&mut sessions, 0, Input::Elapsed))[0];
    let told = give(&mut sessions, 0, Input::Unsent { session, errno: Errno(101) });
    let event = Event::BfdUnsent { session: "gateway".into(), errno: Errno(101), suppressed: 0 };
    assert_eq!(told, [Effect::Report(event)]);
    assert_eq!(give(&mut sessions, 1, Input::Unsent { session, errno: Errno(101) }), []);
}

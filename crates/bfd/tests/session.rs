//! The session against the conformance list: every state with every event, the timers, and two sessions with each other
//! over a network that loses packets.

use bfd::{Chance, Effect, Input, Session, Settings};
use proptest::prelude::*;
use timeline::{Duration, Instant, Machine};
use wire::bfd::{Control, Diagnostic, State};

const SETTINGS: Settings =
    Settings { min_tx: 50_000, min_rx: 50_000, idle_tx: 1_000_000, multiplier: 3, passive: false };
const OURS: u32 = 0x0a0b_0c0d;
const THEIRS: u32 = 0x0102_0304;

const fn ms(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

/// A packet of the neighbour.
const fn from_neighbor(state: State) -> Control {
    Control {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        is_final: false,
        independent: false,
        demand: false,
        multiplier: 3,
        my_discriminator: THEIRS,
        your_discriminator: OURS,
        desired_min_tx: 50_000,
        required_min_rx: 50_000,
        required_min_echo_rx: 0,
    }
}

fn give(session: &mut Session, at: Instant, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    session.handle(at, input, &mut effects);
    effects
}

fn hear(session: &mut Session, at: Instant, control: Control) -> Vec<Effect> {
    give(session, at, Input::Packet { control, at })
}

fn sent(effects: &[Effect]) -> Vec<Control> {
    let sent = |effect: &Effect| match effect {
        Effect::Send(control) => Some(*control),
        Effect::Moved(_) => None,
    };
    effects.iter().filter_map(sent).collect()
}

/// A session in a state, reached as packets reach it, at 1000 ms.
fn in_state(state: State) -> Session {
    let mut session = Session::new(SETTINGS, OURS, Chance::new(1));
    give(&mut session, ms(1000), Input::Elapsed);
    if matches!(state, State::Init | State::Up) {
        hear(&mut session, ms(1000), from_neighbor(State::Down));
    }
    if state == State::Up {
        hear(&mut session, ms(1000), from_neighbor(State::Init));
    }
    if state == State::AdminDown {
        give(&mut session, ms(1000), Input::Disable);
    }
    assert_eq!(session.state(), state);
    session
}

#[test]
fn bsm_1_to_19_every_state_with_every_event() {
    use State::{AdminDown, Down, Init, Up};
    // Hearing AdminDown, Down, Init, Up; silence; being disabled.
    let table = [
        (Down, [Down, Init, Up, Down, Down, AdminDown]),
        (Init, [Down, Init, Up, Up, Down, AdminDown]),
        (Up, [Down, Down, Up, Up, Down, AdminDown]),
        (AdminDown, [AdminDown; 6]),
    ];
    for (from, expected) in table {
        for (heard, to) in [AdminDown, Down, Init, Up].into_iter().zip(expected) {
            let mut session = in_state(from);
            let before = session.diagnostic();
            let effects = hear(&mut session, ms(1001), from_neighbor(heard));
            assert_eq!(session.state(), to, "{from} hears {heard}");
            let fell = matches!(from, Init | Up) && to == Down;
            let diagnostic = if fell { Diagnostic::NEIGHBOR_DOWN } else { before };
            assert_eq!(session.diagnostic(), diagnostic, "{from} hears {heard}");
            // BSM-22: what is new is sent at once, and nothing else is.
            assert_eq!(sent(&effects).len(), usize::from(from != to), "{from} hears {heard}");
        }
        let mut silent = in_state(from);
        // Told in time, so nothing is excused.
        let at = silent.deadline().unwrap();
        give(&mut silent, at, Input::Elapsed);
        give(&mut silent, ms(1150), Input::Elapsed);
        assert_eq!(silent.state(), expected[4], "{from} hears nothing");
        assert_eq!(silent.remote_discriminator(), 0, "BVAR-4");
        let mut disabled = in_state(from);
        give(&mut disabled, ms(1001), Input::Disable);
        assert_eq!(disabled.state(), expected[5]);
        assert_eq!(disabled.diagnostic(), Diagnostic::ADMIN_DOWN, "BSM-18");
    }
}

#[test]
fn bt_6_7_9_the_way_up_and_the_poll() {
    let mut session = Session::new(SETTINGS, OURS, Chance::new(7));
    let first = sent(&give(&mut session, ms(0), Input::Elapsed));
    let down = Control {
        my_discriminator: OURS,
        your_discriminator: 0,
        desired_min_tx: 1_000_000,
        ..from_neighbor(State::Down)
    };
    assert_eq!(first, [down], "BFD-DOWN, at once");
    let slow = Control { desired_min_tx: 1_000_000, ..from_neighbor(State::Down) };
    let init = sent(&hear(&mut session, ms(100), slow));
    assert_eq!(init[0].state, State::Init);
    assert_eq!(init[0].your_discriminator, THEIRS);
    assert_eq!(session.detection_time(), Some(Duration::from_secs(3)), "their multiplier, their slow rate");
    let up = sent(&hear(&mut session, ms(200), Control { state: State::Init, ..slow }));
    assert_eq!((up[0].state, up[0].poll, up[0].desired_min_tx), (State::Up, true, 50_000));
    // Their poll is answered at once, with F and without P, though ours runs.
    let answer = sent(&hear(&mut session, ms(201), Control { poll: true, ..from_neighbor(State::Up) }));
    assert_eq!(answer.len(), 1);
    assert!(answer[0].is_final && !answer[0].poll);
    assert_eq!(session.detection_time(), Some(Duration::from_millis(150)));
    // Until F comes each packet asks; after that none does.
    assert!(sent(&give(&mut session, ms(260), Input::Elapsed))[0].poll);
    hear(&mut session, ms(261), Control { is_final: true, ..from_neighbor(State::Up) });
    assert!(!sent(&give(&mut session, ms(320), Input::Elapsed))[0].poll);
}

#[test]
fn bt_7_detection_times() {
    // Their multiplier, our Required Min RX, their Desired Min TX, the Detection Time; microseconds.
    let table = [
        (3, 50_000, 50_000, 150_000),
        (3, 50_000, 300_000, 900_000),
        (3, 300_000, 50_000, 900_000),
        (3, 50_000, 1_000_000, 3_000_000),
        (5, 10_000, 10_000, 50_000),
        (1, 1_000_000, 1_000_000, 1_000_000),
    ];
    for (multiplier, min_rx, desired_min_tx, time) in table {
        // Ours must play no part (BTRAP-2).
        let mut session = Session::new(Settings { min_rx, multiplier: 9, ..SETTINGS }, OURS, Chance::new(1));
        hear(&mut session, ms(0), Control { multiplier, desired_min_tx, ..from_neighbor(State::Down) });
        hear(&mut session, ms(0), Control { multiplier, desired_min_tx, ..from_neighbor(State::Init) });
        assert_eq!(session.detection_time(), Some(Duration::from_micros(time)));
    }
}

#[test]
fn bt_2_3_jitter_is_drawn_for_each_packet() {
    for (multiplier, least, most) in [(3, 37_500, 50_000), (1, 37_500, 45_000)] {
        let mut session = Session::new(Settings { multiplier, ..SETTINGS }, OURS, Chance::new(42));
        hear(&mut session, ms(0), from_neighbor(State::Down));
        hear(&mut session, ms(0), from_neighbor(State::Init));
        let (mut at, mut gaps) = (ms(0), Vec::new());
        while gaps.len() < 1000 {
            hear(&mut session, at, from_neighbor(State::Up));
            let due = session.deadline().unwrap();
            gaps.push(u64::try_from(due.since(at).as_micros()).unwrap());
            assert_eq!(sent(&give(&mut session, due, Input::Elapsed)).len(), 1);
            at = due;
        }
        gaps.sort_unstable();
        let (first, last) = (gaps[0], gaps[999]);
        let tenth = (most - least) / 10;
        assert!(least <= first && first < least + tenth, "{first}");
        assert!(most - tenth < last && last <= most, "{last}");
        let middle = gaps[500];
        assert!(least + 4 * tenth < middle && middle < most - 4 * tenth, "{middle}");
    }
}

#[test]
fn bt_5_13_18_the_neighbor_sets_the_pace() {
    let mut session = in_state(State::Up);
    hear(&mut session, ms(1001), Control { required_min_rx: 400_000, ..from_neighbor(State::Up) });
    assert_eq!(session.send_interval(), Duration::from_millis(400));
    hear(&mut session, ms(1002), Control { required_min_rx: 0, ..from_neighbor(State::Up) });
    assert_eq!(session.deadline(), Some(ms(1152)), "only the Detection Time runs");
    hear(&mut session, ms(1100), from_neighbor(State::Up));
    assert_eq!(sent(&give(&mut session, ms(1100), Input::Elapsed)).len(), 1, "the new deadline is past");
    // Demand: no periodic packets once the poll is over.
    hear(&mut session, ms(1101), Control { demand: true, is_final: true, ..from_neighbor(State::Up) });
    assert_eq!(session.deadline(), Some(ms(1251)));
}

#[test]
fn bt_10_11_15_a_change_while_up_counts_when_the_neighbor_knows() {
    let mut session = in_state(State::Up);
    hear(&mut session, ms(1001), Control { is_final: true, ..from_neighbor(State::Up) });
    let slower = Settings { min_tx: 200_000, min_rx: 20_000, ..SETTINGS };
    give(&mut session, ms(1002), Input::Reconfigure(slower));
    assert_eq!(session.send_interval(), Duration::from_millis(50));
    assert_eq!(session.detection_time(), Some(Duration::from_millis(150)));
    let told = sent(&give(&mut session, ms(1060), Input::Elapsed))[0];
    assert_eq!((told.poll, told.desired_min_tx, told.required_min_rx), (true, 200_000, 20_000));
    // Another change during the poll: its end says nothing about that one.
    give(&mut session, ms(1061), Input::Reconfigure(Settings { min_tx: 300_000, ..slower }));
    hear(&mut session, ms(1062), Control { is_final: true, ..from_neighbor(State::Up) });
    assert_eq!(session.send_interval(), Duration::from_millis(50));
    hear(&mut session, ms(1063), from_neighbor(State::Up));
    assert!(sent(&give(&mut session, ms(1120), Input::Elapsed))[0].poll);
    hear(&mut session, ms(1121), Control { is_final: true, ..from_neighbor(State::Up) });
    assert_eq!(session.send_interval(), Duration::from_millis(300));
    assert_eq!(session.detection_time(), Some(Duration::from_millis(150)), "their rate");
}

#[test]
fn bt_8_silence_and_a_machine_that_stood_still() {
    let mut session = in_state(State::Up);
    let due = session.deadline().unwrap();
    give(&mut session, due, Input::Elapsed);
    give(&mut session, ms(1149), Input::Elapsed);
    assert_eq!(session.state(), State::Up);
    let effects = give(&mut session, ms(1151), Input::Elapsed);
    let Effect::Moved(moved) = effects[0] else { panic!("{effects:?}") };
    assert_eq!((moved.to, moved.silence), (State::Down, Some(Duration::from_millis(150))));
    let told = sent(&effects)[0];
    assert_eq!(
        (told.diagnostic, told.your_discriminator, told.desired_min_tx),
        (Diagnostic::EXPIRED, 0, 1_000_000)
    );
    // Much too late: once more the same patience, and only once.
    let mut session = in_state(State::Up);
    give(&mut session, ms(5000), Input::Elapsed);
    assert_eq!(session.state(), State::Up);
    give(&mut session, ms(9000), Input::Elapsed);
    assert_eq!(session.state(), State::Down);
}

#[test]
fn one_that_is_passive_waits_for_the_first_word() {
    let mut session = Session::new(Settings { passive: true, ..SETTINGS }, OURS, Chance::new(1));
    assert_eq!(session.deadline(), None);
    assert_eq!(give(&mut session, ms(5000), Input::Elapsed), []);
    assert_eq!(sent(&hear(&mut session, ms(5001), from_neighbor(State::Down)))[0].state, State::Init);
}

/// Two sessions and the packets between them.
struct Pair {
    ends: [Session; 2],
    now: Instant,
    /// Arrival, receiver, packet.
    on_the_way: Vec<(Instant, usize, Control)>,
    chance: Chance,
    /// Of a hundred packets so many are lost.
    loss: u64,
}

impl Pair {
    fn until(&mut self, end: Instant) {
        loop {
            let arrival = self.on_the_way.iter().map(|(at, ..)| *at).min();
            let due = self.ends.iter().filter_map(Machine::deadline).min();
            let Some(next) = [arrival, due].into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            let now = self.now;
            for (_, to, control) in self.on_the_way.extract_if(.., |(at, ..)| *at <= now).collect::<Vec<_>>()
            {
                // What the layer below sorts out.
                let known = [0, self.ends[to].discriminator()].contains(&control.your_discriminator);
                if known && let Ok(control) = Control::read(&control.write()) {
                    self.give(to, Input::Packet { control, at: now });
                }
            }
            (0..2).for_each(|end| self.give(end, Input::Elapsed));
        }
        self.now = end;
    }

    fn give(&mut self, end: usize, input: Input) {
        for control in sent(&give(&mut self.ends[end], self.now, input)) {
            assert!(!(control.poll && control.is_final), "BWIRE-3");
            assert!(control.my_discriminator != 0 && control.multiplier != 0);
            if self.chance.between(0, 100) >= self.loss {
                let after = Duration::from_micros(self.chance.between(100, 4000));
                self.on_the_way.push((self.now + after, 1 - end, control));
            }
        }
        assert!(self.on_the_way.len() < 1000, "a storm");
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    let interval = || 1_000u32..400_000;
    (interval(), interval(), 1_000_000u32..3_000_000, 1u8..8, any::<bool>()).prop_map(
        |(min_tx, min_rx, idle_tx, multiplier, passive)| Settings {
            min_tx,
            min_rx,
            idle_tx,
            multiplier,
            passive,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However packets were lost and settings changed, two sessions find each other once the network is well, stay Up,
    /// and notice its end within the Detection Time.
    #[test]
    fn two_sessions_are_never_stuck(
        mut first in settings(),
        second in settings(),
        later in settings(),
        seed: u64,
        loss in 0u64..100,
        restart: bool,
    ) {
        first.passive = false;
        let new = |settings, n| Session::new(settings, n, Chance::new(seed ^ u64::from(n)));
        let ends = [new(first, 11), new(second, 22)];
        let mut pair = Pair { ends, now: ms(0), on_the_way: Vec::new(), chance: Chance::new(seed), loss };
        pair.until(ms(4000));
        pair.give(0, Input::Reconfigure(Settings { passive: false, ..later }));
        pair.until(ms(8000));
        if restart {
            pair.ends[1] = new(second, 33);
        }
        // One may wait for the Detection Time of the slow rate to end before it listens to a name that is new.
        pair.loss = 0;
        pair.until(ms(60_000));
        let states = [pair.ends[0].state(), pair.ends[1].state()];
        prop_assert_eq!(states, [State::Up, State::Up]);
        let patience = [0, 1].map(|end| pair.ends[end].detection_time().unwrap());
        pair.loss = 100;
        pair.on_the_way.clear();
        pair.until(ms(60_000) + patience[0].max(patience[1]));
        let states = [pair.ends[0].state(), pair.ends[1].state()];
        prop_assert_eq!(states, [State::Down, State::Down]);
    }

    /// No packet and no order makes it panic, send two packets for one cause, or forget its timer.
    #[test]
    fn any_packets_at_any_time(events in prop::collection::vec((any::<[u8; 24]>(), 0u64..3_000_000, 0u8..8), 0..200)) {
        let mut session = Session::new(SETTINGS, OURS, Chance::new(3));
        let mut now = ms(0);
        for (mut bytes, micros, what) in events {
            now += Duration::from_micros(micros);
            (bytes[0], bytes[1], bytes[3]) = (bytes[0] & 0x1f | 0x20, bytes[1] & 0xfa, 24);
            let effects = match (what, Control::read(&bytes)) {
                (0, _) => give(&mut session, now, Input::Reconfigure(Settings { min_tx: 1000, ..SETTINGS })),
                (1..=3, _) | (_, Err(_)) => give(&mut session, now, Input::Elapsed),
                (_, Ok(control)) => hear(&mut session, now, control),
            };
            prop_assert!(sent(&effects).len() <= 2, "{:?}", effects);
            prop_assert!(session.send_interval() >= Duration::from_millis(1));
        }
    }
}

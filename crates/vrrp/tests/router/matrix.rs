//! State × input as one table that a person can read: what each representative state does with each input.
//! A change of behaviour shows as a changed line, with its time, in review. `=` is: nothing changed. The own address
//! is not shown.

use std::fmt::Write as _;

use vrrp::{Input, Manner, Notice, Settings, State};
use wire::Version::{V2, V3};

use crate::*;

/// One more row for a state: what happens, and the time that passes before it.
type Row = (&'static str, fn(&mut Bench) -> Vec<Effect>);

const ROWS: &[Row] = &[
    ("Startup", |b| b.start()),
    ("Startup, another address", |b| b.give(Input::Startup { primary: ip(LOWER) })),
    ("Resume, Active 1 s ago", |b| {
        let legacy = crate::legacy::active(b, Duration::from_secs(1));
        b.give(Input::Resume { primary: ip(OWN), legacy })
    }),
    ("Resume, Active 4 s ago", |b| {
        let legacy = crate::legacy::active(b, Duration::from_secs(4));
        b.give(Input::Resume { primary: ip(OWN), legacy })
    }),
    ("Resume, Backup of another at 2 s", |b| {
        let legacy = crate::legacy::backup(HIGHER, 200);
        b.give(Input::Resume { primary: ip(OWN), legacy })
    }),
    ("Shutdown Stop", |b| b.give(Input::Shutdown(Manner::Stop))),
    ("Shutdown Fault", |b| b.give(Input::Shutdown(Manner::Fault))),
    ("Shutdown Mute", |b| b.give(Input::Shutdown(Manner::Mute))),
    ("advert 0", |b| b.hear(HIGHER, 0)),
    ("advert 0 of another", |b| b.hear(LOWER, 0)),
    ("advert 50, 0.1 s", |b| b.hear_interval(HIGHER, 50, centis(10))),
    ("advert equal, lower address", |b| b.hear(LOWER, b.router.priority().0)),
    ("advert equal, higher address", |b| b.hear(HIGHER, b.router.priority().0)),
    ("advert 200", |b| b.hear(LOWER, 200)),
    ("advert 200, 0.1 s", |b| b.hear_interval(LOWER, 200, centis(10))),
    ("advert 200, 5 s old", |b| b.hear_late(LOWER, 200, Duration::from_secs(5))),
    ("advert 255", |b| b.hear(HIGHER, 255)),
    ("advert 200 of our own", |b| b.hear(OWN, 200)),
    ("Priority 101", |b| b.give(Input::Priority(Priority(101)))),
    ("Priority 99", |b| b.give(Input::Priority(Priority(99)))),
    ("Priority 255", |b| b.give(Input::Priority(Priority::OWNER))),
    ("Primary, another address", |b| b.give(Input::Primary(ip(LOWER)))),
    ("Reconfigure, the same", |b| {
        let (settings, priority) = (b.router.settings().clone(), b.router.priority());
        b.give(Input::Reconfigure { settings, priority })
    }),
    ("Reconfigure, 2 s, 150", |b| {
        let settings = Settings { interval: centis(200), ..b.router.settings().clone() };
        b.give(Input::Reconfigure { settings, priority: Priority(150) })
    }),
    ("Deaf", |b| b.give(Input::Deaf)),
    ("TakeOver", |b| b.give(Input::TakeOver)),
    ("StandBack", |b| b.give(Input::StandBack)),
    ("Elapsed, now", |b| b.give(Input::Elapsed)),
    ("Elapsed, early", |b| elapsed(b, |due| due - nanos(1))),
    ("Elapsed, on time", |b| elapsed(b, |due| due)),
    ("Elapsed, 2.5 s late", |b| elapsed(b, |due| due + millis(2500))),
];

fn elapsed(bench: &mut Bench, when: fn(Instant) -> Instant) -> Vec<Effect> {
    bench.now = bench.router.deadline().map_or(bench.now, when);
    bench.give(Input::Elapsed)
}

/// The representative states, each 0.25 s after what brought it about.
fn states(version: Version) -> Vec<(&'static str, Bench)> {
    let with = |change: fn(&mut Settings)| {
        let mut changed = settings(version);
        change(&mut changed);
        changed
    };
    let after = |configured: Settings, events: fn(&mut Bench)| {
        let mut bench = Bench::started(configured);
        events(&mut bench);
        bench.wait(millis(250));
        bench
    };
    let hold = |s: &mut Settings| s.preempt_delay = Duration::from_secs(10);
    let own = |s: &mut Settings| s.priority = Priority::OWNER;
    let slow = |b: &mut Bench| drop(b.hear(HIGHER, 200));
    vec![
        ("Initialize", Bench::new(settings(version))),
        ("Initialize, owner", Bench::new(with(own))),
        ("Backup, fresh", after(settings(version), |_| {})),
        ("Backup, following 200", after(settings(version), slow)),
        ("Backup, following 200 without preemption", after(with(|s| s.preempt = false), slow)),
        ("Backup, holding preemption back", after(with(hold), |b| drop(b.hear(HIGHER, 50)))),
        ("Backup, the hold is over", {
            after(with(hold), |b| {
                for _ in 0..10 {
                    b.hear(HIGHER, 50);
                    b.wait(Duration::from_secs(1));
                }
            })
        }),
        ("Backup, after priority 0", {
            after(settings(version), |b| {
                b.hear(HIGHER, 200);
                b.hear(HIGHER, 0);
            })
        }),
        ("Backup, an owner that gave way", after(with(own), |b| drop(b.hear(HIGHER, 255)))),
        ("Active", after(settings(version), |b| drop(b.run_out()))),
        ("Active, owner", after(with(own), |_| {})),
    ]
}

#[test]
fn state_by_input() {
    let mut table = String::new();
    for version in [V2, V3] {
        for (name, bench) in states(version) {
            writeln!(table, "== version {version}: {name}\n   {}", show_state(&bench)).unwrap();
            for (input, give) in ROWS {
                let mut after = bench.clone();
                let effects = give(&mut after);
                let waited = after.now.since(bench.now);
                let time = if waited.is_zero() { String::new() } else { format!(" ({})", show(waited)) };
                let same = after.router == bench.router;
                let next = if same { "=".to_owned() } else { show_state(&after) };
                let said: Vec<_> = effects.iter().map(show_effect).collect();
                let label = format!("{input}{time}");
                writeln!(table, "{label:<44} {next} | {}", said.join(", ")).unwrap();
            }
            table.push('\n');
        }
    }
    // No trailing blanks, which nobody sees.
    let table: String =
        table.lines().map(|line| format!("{}\n", line.trim_end_matches([' ', '|']))).collect();
    insta::assert_snapshot!(table);
}

/// Seconds, as short as they are exact.
fn show(time: Duration) -> String {
    let text = format!("{}.{:09}", time.as_secs(), time.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn show_state(bench: &Bench) -> String {
    let router = &bench.router;
    let rel = |at: Instant| match (at.since(bench.now), bench.now.since(at)) {
        (Duration::ZERO, past) if !past.is_zero() => format!("-{}", show(past)),
        (future, _) => format!("+{}", show(future)),
    };
    let some =
        |name: &str, at: Option<Instant>| at.map(|at| format!(" {name} {}", rel(at))).unwrap_or_default();
    let who = |l: &Leader| format!(" leader {}", show_leader(*l));
    let priority = router.priority();
    match router.state() {
        State::Initialize => format!("Initialize {priority}"),
        State::Backup { down_at, interval, hold, leader, preempting } => format!(
            "Backup {priority} down {} interval {interval}{}{}{}",
            rel(*down_at),
            some("hold", *hold),
            leader.as_ref().map(who).unwrap_or_default(),
            if *preempting { " preempting" } else { "" },
        ),
        State::Active { advertise_at, announcing: a, answers: _ } => format!(
            "Active {priority} advert {}{}{}{}",
            rel(*advertise_at),
            some("again", a.again_at),
            some("rival", a.rival_at),
            some("refresh", a.refresh_at),
        ),
    }
}

fn show_leader(leader: Leader) -> String {
    format!("{}@{}", leader.source, leader.priority)
}

fn show_effect(effect: &Effect) -> String {
    match effect {
        Effect::Advertise(priority) => format!("advert {priority}"),
        Effect::Announce { rounds } => format!("announce x{rounds}"),
        Effect::Transition(Transition { from, to, why }) => {
            let why = match why {
                Why::LeaderLeft(source) => format!("LeaderLeft {source}"),
                Why::Preempting(l) => format!("Preempting {}", show_leader(*l)),
                Why::HigherPriority(l) => format!("HigherPriority {}", show_leader(*l)),
                Why::HigherAddress(l) => format!("HigherAddress {}", show_leader(*l)),
                Why::Started
                | Why::Owner
                | Why::Resumed
                | Why::NoResponse
                | Why::Stopped
                | Why::Fault
                | Why::Group
                | Why::TooLate => {
                    format!("{why:?}")
                }
            };
            format!("{from:?} -> {to:?} ({why})")
        }
        Effect::Notice(notice) => match notice {
            Notice::NewLeader(l) => format!("new leader {}", show_leader(*l)),
            Notice::Rival(l) => format!("rival {}", show_leader(*l)),
            Notice::SecondOwner(source) => format!("second owner {source}"),
            Notice::PreemptHold(time) => format!("preemption held {} s", show(*time)),
            Notice::SilenceExcused => "silence excused".to_owned(),
            Notice::StoodStill(time) => format!("stood still {} s", show(*time)),
        },
    }
}

//! The exhaustive walk: every state that a router can reach by a finite alphabet of inputs, and every requirement
//! that must hold whatever happens, checked on every transition.
//!
//! Times are taken relative to now, and are multiples of a tick of a quarter interval (the priorities are chosen
//! so that the skews are), so the states are finitely many and the walk closes. A state that a router forgets to
//! leave, a timer in the past, a second timer: all would show here without anybody having thought of the input.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use vrrp::{AnnounceSettings, Input, Manner, Settings, State};
use wire::Version::{V2, V3};

use crate::*;

/// What a walk does: inputs, and time.
#[derive(Clone, Copy, Debug)]
enum Letter {
    Tick,
    ToDeadline,
    Elapsed,
    Startup,
    Shutdown(Manner),
    /// Priority, from the higher address, how many intervals it says, how many ticks it lay in a queue.
    Hear(u8, bool, u16, u32),
    OwnAdvert,
    Priority(u8),
    Deaf,
    TakeOver,
    StandBack,
    /// To one of the settings of the walk.
    Reconfigure(usize),
}

struct Walk {
    name: &'static str,
    settings: Vec<Settings>,
    alphabet: Vec<Letter>,
    at_most: usize,
}

/// One transition under the microscope.
struct Step<'a> {
    letter: Letter,
    before: &'a Bench,
    after: &'a Bench,
    effects: &'a [Effect],
}

type Invariant = (&'static str, fn(&Step<'_>) -> bool);

const INVARIANTS: &[Invariant] = &[
    ("SM-P-1: a timer runs in Backup and Active, none in Initialize", |s| {
        s.after.router.deadline().is_some() == (s.after.role() != Role::Initialize)
    }),
    ("SM-P-2: adverts only on entry to Active, in Active, and before yielding if so configured", |s| {
        let from_active = s.before.role() == Role::Active;
        adverts(s.effects).iter().filter(|p| **p != 0).all(|p| {
            let yields = from_active && s.after.role() == Role::Backup;
            *p == s.after.router.priority().0
                && (s.after.role() == Role::Active
                    || yields && s.after.router.settings().higher_priority_send_advert)
        })
    }),
    (
        "WIRE-5: priority 0 once, and only on leaving Active by a Shutdown that can speak, or for the group",
        |s| {
            let zeros = adverts(s.effects).iter().filter(|p| **p == 0).count();
            let speaks =
                matches!(s.letter, Letter::Shutdown(Manner::Stop | Manner::Fault) | Letter::StandBack);
            zeros == usize::from(s.before.role() == Role::Active && speaks)
        },
    ),
    ("exactly one Transition for a change of role, and none without", |s| {
        let (from, to) = (s.before.role(), s.after.role());
        let told: Vec<_> = transitions(s.effects).collect();
        if from == to { told.is_empty() } else { matches!(told[..], [t] if (t.from, t.to) == (from, to)) }
    }),
    ("nothing is overdue after Elapsed", |s| {
        !matches!(s.letter, Letter::Elapsed) || s.after.router.deadline().is_none_or(|due| due > s.after.now)
    }),
    ("TM-9: Elapsed before the deadline does nothing", |s| {
        let early = s.before.router.deadline().is_none_or(|due| due > s.before.now);
        !(matches!(s.letter, Letter::Elapsed) && early) || is_silent(s)
    }),
    ("time alone changes nothing", |s| {
        !matches!(s.letter, Letter::Tick | Letter::ToDeadline) || is_silent(s)
    }),
    ("at most four effects", |s| s.effects.len() <= 4),
    ("announcements only as Active", |s| announced(s.effects).is_empty() || s.after.role() == Role::Active),
    ("SM-BKP-3: an entry to Active advertises first and announces last", |s| {
        let entered = s.before.role() != Role::Active && s.after.role() == Role::Active;
        !entered
            || matches!(
                s.effects,
                [Effect::Advertise(_), Effect::Transition(_), Effect::Announce { rounds: 1.. }]
            )
    }),
    (
        "a Backup becomes Active only when its timer has run out, it becomes the owner, or its group does",
        |s| {
            let entered = s.before.role() == Role::Backup && s.after.role() == Role::Active;
            let overdue = s.before.router.deadline().is_some_and(|due| due <= s.before.now);
            let became_owner = !s.before.router.priority().is_owner() && s.after.router.priority().is_owner();
            let follows = matches!(s.letter, Letter::TakeOver);
            !entered || became_owner || follows || (overdue && matches!(s.letter, Letter::Elapsed))
        },
    ),
    ("an Active router leaves only by Shutdown or for a winning advert (SM-ACT-5, SM-ACT-6, SM-P-5)", |s| {
        let left = s.before.role() == Role::Active && s.after.role() != Role::Active;
        let own = s.before.router.priority().0;
        !left
            || match s.letter {
                Letter::Shutdown(_) | Letter::StandBack => true,
                Letter::Hear(priority, higher, ..) => priority > own || (priority == own && higher),
                Letter::Tick | Letter::ToDeadline | Letter::Elapsed | Letter::Startup => false,
                Letter::OwnAdvert | Letter::Priority(_) | Letter::Deaf | Letter::Reconfigure(_) => false,
                Letter::TakeOver => false,
            }
    }),
    ("an Active router always yields to a winning advert (SM-P-4)", |s| {
        let own = s.before.router.priority().0;
        let wins = matches!(s.letter, Letter::Hear(p, higher, ..) if p > own || (p == own && higher));
        !(s.before.role() == Role::Active && wins) || s.after.role() == Role::Backup
    }),
    ("only Startup leaves Initialize, only Shutdown enters it", |s| {
        let startup = matches!(s.letter, Letter::Startup);
        let shutdown = matches!(s.letter, Letter::Shutdown(_));
        (s.before.role() != Role::Initialize || startup || s.after.role() == Role::Initialize)
            && (s.after.role() != Role::Initialize || shutdown || s.before.role() == Role::Initialize)
    }),
    ("SM-INIT-4 to 6: what matters to nobody is not even told", |s| {
        let matters = matches!(s.letter, Letter::Startup | Letter::Priority(_) | Letter::Reconfigure(_));
        s.before.role() != Role::Initialize || matters || is_silent(s)
    }),
    ("SM-ACT-10: our own advert does nothing to an Active router", |s| {
        !(matches!(s.letter, Letter::OwnAdvert) && s.before.role() == Role::Active) || is_silent(s)
    }),
    ("StandBack makes a Backup, and one that waits for an interval at least", |s| {
        let interval = s.after.router.active_interval().duration();
        !matches!(s.letter, Letter::StandBack)
            || s.before.role() == Role::Initialize
            || s.after.role() == Role::Backup
                && s.after.router.deadline().is_some_and(|due| due >= s.after.now + interval)
    }),
    ("who agrees to lead has nobody above it that was heard", |s| {
        let heard = s.after.router.leader().filter(|leader| leader.priority.0 > 0);
        let above = heard.is_some_and(|leader| leader.priority >= s.after.router.priority());
        let overdue = s.after.router.deadline().is_some_and(|due| due <= s.after.now);
        s.after.role() != Role::Backup || overdue || !above || !s.after.router.agrees_to_lead(s.after.now)
    }),
    ("TM-10: Deaf only ever lengthens the wait of a Backup", |s| {
        !matches!(s.letter, Letter::Deaf)
            || (s.after.router.deadline() >= s.before.router.deadline()
                && s.after.role() == s.before.role()
                && (s.before.role() == Role::Backup || is_silent(s)))
    }),
    ("SM-BKP-16: settings that are the same change nothing but what an Active router repeats", |s| {
        let same = s.before.router.settings() == s.after.router.settings()
            && s.before.router.priority() == s.after.router.priority();
        let again = matches!(s.letter, Letter::Reconfigure(_)) && same;
        !again || s.before.role() == Role::Active || is_silent(s)
    }),
    (
        "SM-BKP-7, SM-BKP-8: an inferior advert is followed without preemption, and never shortens the wait",
        |s| {
            let inferior = matches!(s.letter, Letter::Hear(p @ 1.., ..) if p < s.before.router.priority().0);
            if !(inferior && s.before.role() == Role::Backup) {
                return true;
            }
            let settings = s.before.router.settings();
            let unmoved = s.after.router.deadline() == s.before.router.deadline();
            let preempts = settings.preempt || s.before.router.priority().is_owner();
            !preempts || !settings.preempt_delay.is_zero() || unmoved
        },
    ),
    ("a Backup waits no longer than the longest Active_Down_Interval there is", |s| {
        let longest = s.after.router.settings().interval.max(s.after.router.active_interval()).duration() * 8;
        s.after.role() != Role::Backup || s.after.left() <= longest
    }),
    ("SM-BKP-3: silence makes every started router Active", |s| {
        let mut alone = s.after.clone();
        if alone.role() == Role::Backup {
            alone.now = alone.now.max(alone.router.deadline().unwrap());
            alone.give(Input::Elapsed);
        }
        alone.role() == Role::Active || s.after.role() == Role::Initialize
    }),
    ("SM-ACT-3: an Active router advertises within an interval", |s| {
        let mut alone = s.after.clone();
        if alone.role() != Role::Active {
            return true;
        }
        let interval = alone.router.settings().interval.duration();
        let overdue = alone.give(Input::Elapsed);
        !adverts(&overdue).is_empty()
            || alone.run(interval).iter().any(|(_, effect)| matches!(effect, Effect::Advertise(_)))
    }),
];

fn is_silent(step: &Step<'_>) -> bool {
    step.effects.is_empty() && step.after.router == step.before.router
}

fn transitions(effects: &[Effect]) -> impl Iterator<Item = &Transition> {
    effects.iter().filter_map(|e| if let Effect::Transition(t) = e { Some(t) } else { None })
}

/// A state as what is to come sees it: times relative to now, and the past as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Relative {
    role: Role,
    settings: Settings,
    priority: u8,
    /// Of the state's own timer, a missed one with how long ago.
    due: Option<i128>,
    others: Vec<Option<Duration>>,
    interval: Interval,
    leader: Option<Leader>,
    preempting: bool,
}

fn relative(bench: &Bench) -> Relative {
    let router = &bench.router;
    let rel = |at: Instant| i128::from(at.as_nanos()) - i128::from(bench.now.as_nanos());
    let left = |at: Instant| at.since(bench.now);
    // The oldest queued advert of the alphabet is two ticks old, so a hold that ended is told apart that long.
    let held = |at: Instant| at.since(bench.now - tick(router.settings()) * 2);
    let (due, others) = match router.state() {
        State::Initialize => (None, vec![]),
        State::Backup { down_at, hold, .. } => (Some(*down_at), vec![hold.map(held)]),
        State::Active { advertise_at, announcing: a, answers } => {
            // The meter shows its one instant to nobody but Debug.
            let meter = format!("{answers:?}");
            let text: String = meter.chars().filter(char::is_ascii_digit).collect();
            let used_until = Instant::from_nanos(text.parse().unwrap());
            let others = vec![a.again_at.map(left), a.rival_at.map(left), a.refresh_at.map(left)];
            (Some(*advertise_at), [others, vec![Some(left(used_until))]].concat())
        }
    };
    Relative {
        role: bench.role(),
        settings: router.settings().clone(),
        priority: router.priority().0,
        due: due.map(rel),
        others,
        interval: router.active_interval(),
        leader: router.leader(),
        preempting: matches!(router.state(), State::Backup { preempting: true, .. }),
    }
}

fn tick(settings: &Settings) -> Duration {
    settings.interval.duration() / 4
}

impl Walk {
    /// `bench` after `letter`, and what it said; `None` where the letter has no place.
    fn step(&self, bench: &Bench, letter: Letter) -> Option<(Bench, Vec<Effect>)> {
        let mut after = bench.clone();
        let unit = tick(bench.router.settings());
        let effects = match letter {
            // A driver is late by three ticks at most, or there would be no end.
            Letter::Tick => {
                let due = bench.router.deadline()?;
                if due + unit * 3 <= bench.now {
                    return None;
                }
                after.wait(unit);
                vec![]
            }
            Letter::ToDeadline => {
                let due = bench.router.deadline()?;
                if due <= bench.now {
                    return None;
                }
                after.now = due;
                vec![]
            }
            Letter::Elapsed => after.give(Input::Elapsed),
            Letter::Startup => after.start(),
            Letter::Shutdown(manner) => after.give(Input::Shutdown(manner)),
            Letter::Hear(priority, higher, intervals, age) => {
                let interval = centis(self.settings[0].interval.centis() * intervals);
                let source = ip(if higher { HIGHER } else { LOWER });
                let (priority, at) = (Priority(priority), after.now - unit * age);
                after.give(Input::Advertisement(Advertisement { source, priority, interval, at }))
            }
            Letter::OwnAdvert => after.hear(OWN, 255),
            Letter::Priority(priority) => after.give(Input::Priority(Priority(priority))),
            Letter::Deaf => after.give(Input::Deaf),
            Letter::TakeOver => after.give(Input::TakeOver),
            Letter::StandBack => after.give(Input::StandBack),
            Letter::Reconfigure(index) => {
                let settings = self.settings[index].clone();
                after.give(Input::Reconfigure { priority: settings.priority, settings })
            }
        };
        Some((after, effects))
    }

    /// Breadth first, so that the path to a broken invariant is the shortest there is.
    /// Gives the numbers of states and of transitions.
    fn run(&self) -> (usize, usize) {
        let start = Bench::new(self.settings[0].clone());
        let mut seen: HashMap<Relative, Option<(Relative, Letter)>> = HashMap::new();
        let mut queue = VecDeque::new();
        seen.insert(relative(&start), None);
        queue.push_back(start);
        let mut transitions = 0;
        while let Some(before) = queue.pop_front() {
            let from = relative(&before);
            for letter in &self.alphabet {
                let Some((after, effects)) = self.step(&before, *letter) else { continue };
                transitions += 1;
                let step = Step { letter: *letter, before: &before, after: &after, effects: &effects };
                for (name, holds) in INVARIANTS {
                    assert!(
                        holds(&step),
                        "{}: {name}\nby {:?} + {letter:?}\nfrom {:?}\nto {:?}\n{effects:?}",
                        self.name,
                        path(&seen, &from),
                        relative(&before),
                        relative(&after),
                    );
                }
                let to = relative(&after);
                if let Entry::Vacant(vacant) = seen.entry(to) {
                    vacant.insert(Some((from.clone(), *letter)));
                    queue.push_back(after);
                    assert!(seen.len() <= self.at_most, "{}: more than {} states", self.name, self.at_most);
                }
            }
        }
        (seen.len(), transitions)
    }
}

fn path(seen: &HashMap<Relative, Option<(Relative, Letter)>>, to: &Relative) -> Vec<Letter> {
    let mut letters = Vec::new();
    let mut at = to;
    while let Some(Some((before, letter))) = seen.get(at) {
        letters.push(*letter);
        at = before;
    }
    letters.reverse();
    letters
}

#[expect(clippy::print_stdout, reason = "the size of the walk is a result")]
fn report(walk: &Walk) {
    let (states, transitions) = walk.run();
    println!("{}: {states} states, {transitions} transitions", walk.name);
}

/// Ticks: two to the second burst, three to a refresh.
fn walked(version: Version, priority: u8) -> Settings {
    let base = Settings { interval: centis(100), ..settings(version) };
    let unit = tick(&base);
    let announce = AnnounceSettings {
        delay: unit * 2,
        refresh: unit * 3,
        lower_priority_delay: unit * 2,
        ..AnnounceSettings::default()
    };
    Settings { priority: Priority(priority), announce: announce.into(), ..base }
}

fn alphabet(more: &[Letter]) -> Vec<Letter> {
    let mut letters = vec![
        Letter::Tick,
        Letter::ToDeadline,
        Letter::Elapsed,
        Letter::Startup,
        Letter::Shutdown(Manner::Stop),
        Letter::Shutdown(Manner::Fault),
        Letter::Shutdown(Manner::Mute),
        Letter::Hear(0, true, 1, 0),
        Letter::Hear(0, false, 1, 1),
        Letter::Hear(64, true, 1, 0),
        Letter::Hear(128, false, 1, 0),
        Letter::Hear(128, true, 1, 1),
        Letter::Hear(192, false, 1, 0),
        Letter::OwnAdvert,
        Letter::Deaf,
        Letter::TakeOver,
        Letter::StandBack,
        Letter::Reconfigure(0),
    ];
    letters.extend_from_slice(more);
    letters
}

#[test]
fn version_3_with_priorities_that_move_and_an_interval_to_learn() {
    let moves = [
        Letter::Priority(64),
        Letter::Priority(128),
        Letter::Priority(192),
        Letter::Hear(192, true, 2, 0),
        Letter::Hear(64, false, 2, 2),
    ];
    report(&Walk {
        name: "version 3",
        settings: vec![walked(V3, 128)],
        alphabet: alphabet(&moves),
        at_most: 4_000,
    });
}

#[test]
fn version_3_with_preemption_held_back_switched_off_and_on() {
    let held = Settings { preempt_delay: millis(1500), ..walked(V3, 128) };
    let never = Settings { preempt: false, higher_priority_send_advert: true, ..walked(V3, 128) };
    let quiet = Settings { lower_priority_no_advert: true, ..walked(V3, 128) };
    report(&Walk {
        name: "version 3, three settings",
        settings: vec![held, never, quiet],
        alphabet: alphabet(&[Letter::Reconfigure(1), Letter::Reconfigure(2), Letter::Hear(64, false, 2, 2)]),
        at_most: 4_000,
    });
}

#[test]
fn version_2() {
    let moves = [Letter::Priority(64), Letter::Priority(128), Letter::Hear(192, true, 2, 0)];
    report(&Walk {
        name: "version 2",
        settings: vec![walked(V2, 128)],
        alphabet: alphabet(&moves),
        at_most: 4_000,
    });
}

#[test]
fn owners_and_what_becomes_of_them() {
    // 255 has a skew of its own, which is no multiple of the tick: every time then comes in two kinds.
    let letters = [Letter::Hear(255, true, 1, 0), Letter::Hear(255, false, 1, 0), Letter::Reconfigure(1)];
    report(&Walk {
        name: "owner",
        settings: vec![walked(V3, 255), walked(V3, 128)],
        alphabet: alphabet(&letters),
        at_most: 4_000,
    });
}

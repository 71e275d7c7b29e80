//! What was expected, beside what was seen.

use std::time::Duration;

use timeline::Instant;

use super::cast::Cast;
use super::history::{History, Life, longest};
use super::scenario::{Claim, Expectation, When, Who};
use crate::draw::words::span;

/// An expectation with what came of it.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// It was kept.
    pub(crate) kept: bool,
    /// What was seen.
    pub(crate) seen: String,
}

/// Judges an expectation.
pub(crate) fn judge(expectation: &Expectation, cast: &Cast, history: &History) -> Verdict {
    let court = Court { cast, history, expectation };
    let mut worst: Option<(Judged, usize)> = None;
    for service in &expectation.services {
        let Some(life) = history.lives.get(*service) else { continue };
        let judged = court.one(life);
        let is_worse = |worst: &(Judged, usize)| {
            (worst.0.kept && !judged.kept) || (worst.0.kept == judged.kept && judged.size > worst.0.size)
        };
        if worst.as_ref().is_none_or(is_worse) {
            worst = Some((judged, *service));
        }
    }
    let Some((judged, service)) = worst else {
        return Verdict { kept: true, seen: "there is nothing to own".to_owned() };
    };
    let which = match expectation.services.len() {
        1 => String::new(),
        _ => cast.services.get(service).map(|service| format!("{}: ", service.name)).unwrap_or_default(),
    };
    Verdict { kept: judged.kept, seen: format!("{which}{}", judged.seen) }
}

/// What came of it for one service.
struct Judged {
    kept: bool,
    seen: String,
    /// Of two that are alike the one with the larger is told.
    size: Duration,
}

struct Court<'a> {
    cast: &'a Cast,
    history: &'a History,
    expectation: &'a Expectation,
}

impl Court<'_> {
    fn one(&self, life: &Life) -> Judged {
        match &self.expectation.claim {
            Claim::Owns(who, When::Within(time)) => self.within(life, *who, *time),
            Claim::Owns(who, When::At(at)) => self.at(life, *who, Instant::EPOCH + *at),
            Claim::Owns(who, When::End) => self.at(life, *who, self.history.end),
            Claim::Owns(who, When::Through(from, to)) => self.through(life, *who, [*from, *to]),
            Claim::One(time) => self.alone(life, Instant::EPOCH + self.expectation.since + *time),
            Claim::Nobody(most) => {
                let gap = longest(&life.gaps());
                let seen = if life.begun().is_none() {
                    "nobody ever owned it".to_owned()
                } else if gap.is_zero() {
                    "somebody always did".to_owned()
                } else {
                    format!("nobody did for {}", span(gap))
                };
                Judged { kept: life.begun().is_some() && gap <= *most, seen, size: gap }
            }
            Claim::Two(most) => {
                let two = longest(&life.doubles());
                let seen = if two.is_zero() {
                    "there never were".to_owned()
                } else {
                    format!("two for {}", span(two))
                };
                Judged { kept: two <= *most, seen, size: two }
            }
            Claim::Silence(most) => {
                let silent = longest(&life.silences());
                let seen = if silent.is_zero() {
                    "always answered".to_owned()
                } else {
                    format!("silent for {}", span(silent))
                };
                Judged { kept: silent <= *most, seen, size: silent }
            }
            Claim::Owners(want) => {
                let sequence = life.sequence();
                let seen = if sequence.is_empty() {
                    "nobody ever owned it".to_owned()
                } else {
                    format!("they were {}", self.names(&sequence, ", "))
                };
                Judged { kept: sequence == *want, seen, size: Duration::ZERO }
            }
        }
    }

    fn within(&self, life: &Life, who: Who, time: Duration) -> Judged {
        let from = Instant::EPOCH + self.expectation.since;
        let changes = life.owners.changes().iter().map(|(at, _)| *at).filter(|at| *at > from);
        let fits = |at: &Instant| life.owners.at(*at).is_some_and(|owners| is(who, owners));
        match std::iter::once(from).chain(changes).find(fits) {
            Some(at) if at == from => Judged { kept: true, seen: "at once".to_owned(), size: Duration::ZERO },
            Some(at) => {
                let took = at.since(from);
                let kept = took <= time;
                let seen =
                    if kept { format!("after {}", span(took)) } else { format!("only after {}", span(took)) };
                Judged { kept, seen, size: took }
            }
            None => {
                let owners = life.owners.at(self.history.end).map(Vec::as_slice).unwrap_or_default();
                let seen = format!("never; at the end {}", self.owned_by(owners));
                Judged { kept: false, seen, size: Duration::MAX }
            }
        }
    }

    fn at(&self, life: &Life, who: Who, at: Instant) -> Judged {
        let owners = life.owners.at(at).map(Vec::as_slice).unwrap_or_default();
        let kept = is(who, owners);
        Judged { kept, seen: format!("then {}", self.owned_by(owners)), size: Duration::ZERO }
    }

    fn through(&self, life: &Life, who: Who, [from, to]: [Duration; 2]) -> Judged {
        let (from, to) = (Instant::EPOCH + from, Instant::EPOCH + to);
        let changes = life.owners.changes().iter().map(|(at, _)| *at).filter(|at| *at > from && *at <= to);
        let not = |at: &Instant| life.owners.at(*at).is_none_or(|owners| !is(who, owners));
        match std::iter::once(from).chain(changes).find(not) {
            None => Judged { kept: true, seen: "all the time".to_owned(), size: Duration::ZERO },
            Some(at) => {
                let owners = life.owners.at(at).map(Vec::as_slice).unwrap_or_default();
                let seen =
                    format!("at {:.3} s {}", at.since(Instant::EPOCH).as_secs_f64(), self.owned_by(owners));
                Judged { kept: false, seen, size: to.since(at) }
            }
        }
    }

    fn alone(&self, life: &Life, at: Instant) -> Judged {
        let owners = life.owners.at(at).map(Vec::as_slice).unwrap_or_default();
        let seen = format!("then {}", self.owned_by(owners));
        Judged { kept: owners.len() == 1, seen, size: Duration::ZERO }
    }

    fn owned_by(&self, owners: &[usize]) -> String {
        match owners {
            [] => "nobody owned it".to_owned(),
            _ => format!("{} owned it", self.names(owners, " and ")),
        }
    }

    fn names(&self, nodes: &[usize], between: &str) -> String {
        nodes.iter().map(|node| self.cast.name(*node)).collect::<Vec<_>>().join(between)
    }
}

fn is(who: Who, owners: &[usize]) -> bool {
    match who {
        Who::Node(node) => owners.contains(&node),
        Who::Somebody => !owners.is_empty(),
        Who::Nobody => owners.is_empty(),
    }
}

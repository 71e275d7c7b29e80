//! Whether a failure that lowers a node's priority lets another node take the address.
//!
//! A backup takes the address only from a node whose priority is *below* its own, and with `nopreempt` not
//! even then. So the numbers decide, and they stand in two files.

use super::group::{Group, files};
use super::node::Member;
use crate::diagnostic::{Diagnostic, Findings};
use crate::registry::Id;
use crate::source::Span;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use model::{TrackedInterface, Tracking};

/// Something that changes the priority when it fails.
#[derive(Clone, Debug)]
struct Tracker {
    /// ``script `chk` ``.
    what: String,
    /// Positive: added while well. Negative: subtracted while not.
    weight: i32,
    place: Span,
}

/// A node's priority, and what can happen to it.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    base: i32,
    /// Those with a weight; the others end in FAULT, which always gives the address away.
    trackers: Vec<Tracker>,
    /// A number in a file counts as well, which can be any.
    file: bool,
}

impl Standing {
    pub(super) fn of(member: &Member<'_>) -> Self {
        let instance = member.instance;
        let entry = |list: &str, word: &str| member.entry(list, word);
        let mut standing = Self {
            base: instance.settings.priority.0.into(),
            trackers: Vec::new(),
            file: instance.tracking.files.iter().any(|file| file.weight.value != 0),
        };
        standing.add(&instance.track_interfaces, &instance.tracking, &entry);
        // What a group tracks counts for each of its members.
        if let Some(group) = member.group {
            let entry = |list: &str, word: &str| member.group_entry(group, list, word);
            standing.add(&group.track_interfaces, &group.tracking, &entry);
            standing.file |= group.tracking.files.iter().any(|file| file.weight.value != 0);
        }
        standing
    }

    fn add(
        &mut self,
        interfaces: &[TrackedInterface],
        tracking: &Tracking,
        place: &dyn Fn(&str, &str) -> Span,
    ) {
        let named = [
            ("script", "track_script", &tracking.scripts),
            ("process", "track_process", &tracking.processes),
            ("BFD session", "track_bfd", &tracking.bfd),
        ];
        for (kind, list, tracked) in named {
            self.trackers.extend(tracked.iter().map(|tracked| Tracker {
                what: format!("{kind} `{}`", tracked.name),
                weight: tracked.weight.value.into(),
                place: place(list, &tracked.name),
            }));
        }
        self.trackers.extend(interfaces.iter().map(|tracked| Tracker {
            what: format!("interface `{}`", tracked.interface),
            weight: tracked.weight.into(),
            place: place("track_interface", &tracked.interface),
        }));
        self.trackers.retain(|tracker| tracker.weight != 0);
    }

    /// The priority while nothing has failed.
    pub(super) fn well(&self) -> u8 {
        self.clamped(self.raw())
    }

    /// How it comes about: `150`, or `100 + 20 = 120`.
    pub(super) fn sum(&self) -> String {
        let mut text = format!("{}", self.base);
        let gains = self.trackers.iter().filter(|tracker| tracker.weight > 0);
        let mut any = false;
        for gain in gains {
            any = true;
            // Writing to a string cannot fail.
            let _ = write!(text, " + {}", gain.weight);
        }
        if any {
            // 190 + 100 is no more than 254.
            let (whole, well) = (self.raw(), self.well());
            let _ = match whole > i32::from(well) {
                true => write!(text, ", at most {well}"),
                false => write!(text, " = {well}"),
            };
        }
        text
    }

    /// The priority when these have failed.
    fn after<'t>(&self, failed: impl IntoIterator<Item = &'t Tracker>) -> u8 {
        let lost: i32 = failed.into_iter().map(|tracker| tracker.weight.abs()).sum();
        self.clamped(self.raw() - lost)
    }

    fn raw(&self) -> i32 {
        self.base + self.trackers.iter().map(|tracker| tracker.weight.max(0)).sum::<i32>()
    }

    /// No weight makes or unmakes an owner.
    fn clamped(&self, value: i32) -> u8 {
        let value = if self.base == 255 { 255 } else { value.clamp(1, 254) };
        u8::try_from(value).unwrap_or(u8::MAX)
    }
}

/// Looks at the node that holds the address while all is well, and at whoever could take it.
pub(super) fn compare(group: &Group<'_>, findings: &mut Findings) {
    let well = |m: &&Member<'_>| Standing::of(m).well();
    let Some(holder) = group.members.iter().rev().max_by_key(well) else { return };
    let standing = Standing::of(holder);
    let others = || group.members.iter().filter(|m| m.file != holder.file);
    let Some(next) = others().rev().max_by_key(well) else { return };
    if standing.trackers.is_empty() {
        return;
    }
    let taker = others().filter(|m| m.instance.settings.preempt).rev().max_by_key(well);
    let case = Case { holder, standing };
    match taker {
        Some(taker) => case.against(taker, findings),
        None => case.nobody_takes(next, &others().collect::<Vec<_>>(), findings),
    }
}

/// The holder, with weights.
struct Case<'m, 'a> {
    holder: &'m Member<'a>,
    standing: Standing,
}

impl Case<'_, '_> {
    fn against(&self, taker: &Member<'_>, findings: &mut Findings) {
        let limit = Standing::of(taker).well();
        let all = self.standing.after(&self.standing.trackers);
        if all >= limit && !self.standing.file {
            self.never(taker, all, findings);
            return;
        }
        let alone = self.standing.trackers.iter().filter(|one| self.standing.after([*one]) >= limit);
        for one in alone {
            let left = self.standing.after([one]);
            findings.add(Id::PairWeightAlone, one.place, |d| {
                let d = d.say(format!(
                    "{} alone does not move the address: {} leaves {left}, {} has {limit}",
                    one.what,
                    self.arithmetic(&[one]),
                    taker.file_name
                ));
                self.both_priorities(d, taker).help(self.advice(limit))
            });
        }
    }

    fn never(&self, taker: &Member<'_>, all: u8, findings: &mut Findings) {
        let trackers: Vec<&Tracker> = self.standing.trackers.iter().collect();
        let Some(first) = trackers.first() else { return };
        let limit = Standing::of(taker).well();
        findings.add(Id::PairWeight, first.place, |d| {
            let relation = if all == limit { "not below" } else { "above" };
            let d = d.say(format!(
                "{} never moves the address: {} = {all} is {relation} the {limit} of {}",
                self.subject(),
                self.arithmetic(&trackers),
                taker.file_name
            ));
            let d = trackers.iter().skip(1).fold(d, |d, more| d.label(more.place, "even together with this"));
            self.both_priorities(d, taker).help(self.advice(limit))
        });
    }

    /// All others have `nopreempt`, which holds against a lowered priority too.
    fn nobody_takes(&self, next: &Member<'_>, others: &[&Member<'_>], findings: &mut Findings) {
        let Some(first) = self.standing.trackers.first() else { return };
        findings.add(Id::PairWeightNopreempt, first.place, |d| {
            d.say(format!(
                "{} never moves the address: with `nopreempt`, {} leaves it to a node of any priority",
                self.subject(),
                files(others)
            ))
            .label(next.line("nopreempt"), "does not take over from a lower priority")
            .help("leave the weight out: then a failure gives the address away whatever the priorities are")
        });
    }

    /// What fails, in words.
    fn subject(&self) -> String {
        match &*self.standing.trackers {
            [one] => one.what.clone(),
            several => format!("even all {} trackers together", several.len()),
        }
    }

    /// `150 - 20`.
    fn arithmetic(&self, failed: &[&Tracker]) -> String {
        let mut text = format!("{}", self.standing.raw());
        for tracker in failed {
            // Writing to a string cannot fail.
            let _ = write!(text, " - {}", tracker.weight.abs());
        }
        text
    }

    fn both_priorities(&self, d: Diagnostic, taker: &Member<'_>) -> Diagnostic {
        d.label(self.holder.line("priority"), format!("{} while all is well", self.standing.sum()))
            .label(taker.line("priority"), format!("{} while all is well", Standing::of(taker).sum()))
    }

    fn advice(&self, limit: u8) -> String {
        if self.standing.base == 255 {
            return String::from("no weight changes priority 255: write less");
        }
        let difference = i32::from(self.standing.well()) - i32::from(limit);
        format!(
            "the weight must be greater than the difference of the priorities ({difference}); without a weight, a failure always gives the address away"
        )
    }
}

//! Who holds the address: priorities, initial states and preemption.

use super::group::{Group, files};
use super::node::Member;
use super::weights::Standing;
use crate::diagnostic::Findings;
use crate::registry::Id;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

/// Compares what decides about the holder while everything is well.
pub(super) fn compare(group: &Group<'_>, findings: &mut Findings) {
    let owners = owners(group, findings);
    same_priority(group, findings);
    if !owners {
        states(group, findings);
    }
    preemption(group, findings);
}

/// More than one node with priority 255.
fn owners(group: &Group<'_>, findings: &mut Findings) -> bool {
    let is_owner = |m: &&Member<'_>| m.instance.settings.priority.is_owner();
    let owners: Vec<&Member<'_>> = group.members.iter().filter(is_owner).collect();
    let [first, .., last] = &*owners else { return false };
    findings.add(Id::PairOwners, last.line("priority"), |d| {
        d.say(format!("priority 255 here and in {}: each takes the address as soon as it starts", files(&owners[..owners.len() - 1])))
            .label(first.line("priority"), "255 here too")
            .help("255 is for the one router whose interface has the address itself: write less, and different priorities")
    });
    true
}

fn same_priority(group: &Group<'_>, findings: &mut Findings) {
    let mut by_value: BTreeMap<u8, Vec<&Member<'_>>> = BTreeMap::new();
    for member in &group.members {
        by_value.entry(Standing::of(member).well()).or_default().push(member);
    }
    // Two owners are another mistake.
    by_value.remove(&255);
    for members in by_value.into_values() {
        let Some((last, rest)) = members.split_last() else { continue };
        let Some(first) = rest.first() else { continue };
        findings.add(Id::PairPriority, last.line("priority"), |d| {
            let d = d.say(format!(
                "priority {} here and in {}: none is preferred, and of two that start together the higher IP address wins",
                Standing::of(last).sum(),
                files(rest)
            ));
            d.label(first.line("priority"), format!("{} here", Standing::of(first).sum()))
                .help("give the node that shall hold the address the higher priority")
        });
    }
}

fn states(group: &Group<'_>, findings: &mut Findings) {
    let actives: Vec<&Member<'_>> = group.members.iter().filter(|m| m.instance.wants_active).collect();
    if let [first, .., last] = &*actives {
        findings.add(Id::PairStateBoth, last.line("state"), |d| {
            d.say(format!(
                "`state MASTER` here and in {}: the priority decides all the same",
                files(&actives[..actives.len() - 1])
            ))
            .label(first.line("state"), "MASTER here too")
            .help("write `state BACKUP` on all nodes but the one with the highest priority")
        });
        return;
    }
    let [active] = &*actives else { return };
    let well = |m: &Member<'_>| Standing::of(m).well();
    let higher = group.members.iter().filter(|m| well(m) > well(active)).max_by_key(|m| well(m));
    let Some(higher) = higher else { return };
    findings.add(Id::PairStateLower, active.line("state"), |d| {
        let (low, high) = (Standing::of(active).sum(), Standing::of(higher).sum());
        let when = if higher.instance.settings.preempt { "" } else { ", as soon as it is free" };
        d.say(format!(
            "`state MASTER` with priority {low}, but {} has {high}: the address goes there{when}",
            higher.file_name
        ))
        .label(active.line("priority"), format!("{low} here"))
        .label(higher.line("priority"), format!("{high} here"))
        .help("the priority decides, not the state: give this node the higher one, or write `state BACKUP`")
    });
}

fn preemption(group: &Group<'_>, findings: &mut Findings) {
    let (without, with): (Vec<&Member<'_>>, Vec<&Member<'_>>) =
        group.members.iter().partition(|m| m.instance.settings.preempt);
    let (Some(stays), Some(takes)) = (with.first(), without.first()) else { return };
    findings.add(Id::PairNopreempt, stays.line("nopreempt"), |d| {
        let well = |m: &Member<'_>| Standing::of(m).well();
        let rival = without.iter().find(|m| well(m) > well(stays));
        let rival = rival.unwrap_or(takes);
        // It may stand there, and be ignored.
        let (place, label) = match rival.find("nopreempt") {
            Some(place) => (place, "it cannot work here, so this node preempts"),
            None => (rival.line("priority"), "this node preempts"),
        };
        let higher = if well(rival) > well(stays) {
            "which has the higher priority and takes the address back"
        } else {
            "which takes the address whenever it has the higher priority"
        };
        let d =
            d.say(format!("`nopreempt` here, but not in {}, {higher}", rival.file_name)).label(place, label);
        d.help("write `state BACKUP` and `nopreempt` on all nodes, or on none")
    });
}

//! Whether the same instances change state together on all nodes.

use super::group::Group;
use super::node::{Member, names};
use crate::diagnostic::Findings;
use crate::registry::Id;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The routers, by their numbers, that are in one sync group.
type Set = BTreeSet<usize>;

/// Compares sync groups as sets of routers: neither their names nor those of the instances need to agree.
pub(super) fn compare(groups: &[Group<'_>], findings: &mut Findings) {
    let mut numbers: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for (number, group) in groups.iter().enumerate() {
        for member in &group.members {
            numbers.insert((member.file, &member.instance.name), number);
        }
    }
    // Once for each sync group: they may be large, and all their routers are compared.
    let mut sets: BTreeMap<(usize, &str), Arc<Set>> = BTreeMap::new();
    for member in groups.iter().flat_map(|group| &group.members) {
        let Some(group) = member.group else { continue };
        sets.entry((member.file, &group.name)).or_insert_with(|| {
            let known = group.members.iter().filter_map(|name| numbers.get(&(member.file, &**name)));
            Arc::new(known.copied().collect())
        });
    }
    let set = |member: &Member<'_>| -> Arc<Set> {
        member.group.and_then(|group| sets.get(&(member.file, &*group.name)).cloned()).unwrap_or_default()
    };
    for (number, group) in groups.iter().enumerate() {
        for odd in group.odd(set) {
            // Every router of a group shows the difference: it is told at the first one.
            if odd.has.union(&odd.wanted).next() != Some(&number) {
                continue;
            }
            let Some(other) = odd.usual.first() else { continue };
            findings.add(Id::PairSyncGroup, place(odd.member), |d| {
                let (here, there) = (together(groups, &odd.has, odd.member), together(groups, &odd.wanted, other));
                d.say(format!("{here} here, but {there} in {}", odd.others()))
                    .label(place(other), format!("{there} here"))
                    .help("group the same instances on all nodes, or their addresses part when another node takes over")
            });
        }
    }
}

fn place(member: &Member<'_>) -> crate::Span {
    member
        .group
        .map_or_else(|| member.header(), |group| member.group_entry(group, "group", &member.instance.name))
}

/// In words, with the names on the node of `member`.
fn together(groups: &[Group<'_>], set: &Set, member: &Member<'_>) -> String {
    let members = set.iter().filter_map(|number| groups.get(*number));
    let here = |group: &Group<'_>| {
        group.members.iter().find(|m| m.file == member.file).map(|m| format!("`{}`", m.instance.name))
    };
    let list: Vec<_> = members.filter_map(here).collect();
    match &*list {
        [] | [_] => format!("`{}` is in no sync group with others", member.instance.name),
        list => format!("{} change state together", names(list.iter().map(|name| name.as_str()))),
    }
}

//! Whether all nodes watch the same things.

use super::group::Group;
use super::node::{Member, names};
use crate::diagnostic::Findings;
use crate::registry::Id;
use crate::source::Span;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use model::Tracking;

/// What a node watches, with the places. Interfaces are left out: their names differ from node to node.
type Watched = BTreeMap<String, Span>;

/// Says what only some nodes watch. Names may differ between nodes; so only a node that watches less than another
/// one, and nothing else instead, is told of.
pub(super) fn compare(group: &Group<'_>, findings: &mut Findings) {
    let all: Vec<(&Member<'_>, Watched)> = group.members.iter().map(|m| (m, watched(m))).collect();
    let Some((most, full)) = all.iter().rev().max_by_key(|(_, list)| list.len()) else { return };
    for (member, list) in &all {
        let subset = list.keys().all(|name| full.contains_key(name));
        let missing: Vec<&String> =
            full.keys().filter(|what| !list.contains_key(*what) && !member.mentions(name_in(what))).collect();
        let Some(place) = missing.first().and_then(|name| full.get(*name)).filter(|_| subset) else {
            continue;
        };
        findings.add(Id::PairTracking, *place, |d| {
            let (what, file) = (names(missing.iter().map(|name| name.as_str())), member.file_name);
            let own = &most.instance.name;
            d.say(format!("`{own}` tracks {what} here, but not in {file}"))
                .label(member.header(), "a failure on this node is not noticed")
                .help("track the same things on all nodes")
        });
    }
}

/// The name in ``script `chk` ``.
fn name_in(what: &str) -> &str {
    what.split('`').nth(1).unwrap_or_default()
}

fn watched(member: &Member<'_>) -> Watched {
    let mut list = Watched::new();
    add(&mut list, &member.instance.tracking, &|list, word| member.entry(list, word));
    if let Some(group) = member.group {
        add(&mut list, &group.tracking, &|list, word| member.group_entry(group, list, word));
    }
    list
}

fn add(list: &mut Watched, tracking: &Tracking, place: &dyn Fn(&str, &str) -> Span) {
    let lists = [
        ("script", "track_script", &tracking.scripts),
        ("process", "track_process", &tracking.processes),
        ("file", "track_file", &tracking.files),
        ("BFD session", "track_bfd", &tracking.bfd),
    ];
    for (kind, keyword, tracked) in lists {
        for one in tracked {
            list.entry(format!("{kind} `{}`", one.name)).or_insert_with(|| place(keyword, &one.name));
        }
    }
}

//! `vrrp_sync_group`: instances that change state together; and `interface_up_down_delays`.

use super::Lower;
use super::finish::Placed;
use super::trackers::{Kind, Trackers};
use super::tracking::{Line, tracking};
use super::value::Numbers;
use crate::registry::Id;
use crate::source::Span;
use crate::tree::At;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use model::{InterfaceName, LinkDelay, Notify, SyncGroup, TrackedInterface};

/// A group as it is written.
#[derive(Debug)]
pub(super) struct GroupDraft {
    name: Arc<str>,
    header: Span,
    /// `group` itself.
    list: Option<Span>,
    members: Vec<(Arc<str>, Span)>,
    weights: bool,
    interfaces: Vec<(TrackedInterface, Span)>,
    lines: Vec<Line>,
    notify: Notify,
}

impl Lower<'_> {
    /// Reads a group; `None` when it has no name of its own.
    pub(super) fn sync_group(
        &mut self,
        block: At<'_, '_>,
        index: usize,
        trackers: &mut Trackers,
        names: &mut BTreeMap<Arc<str>, Span>,
    ) -> Option<GroupDraft> {
        let [word] = block.arguments() else {
            self.findings.add(Id::GroupName, block.node.span, |d| {
                let none = block.arguments().is_empty();
                d.say(format!(
                    "this group has {}: it is skipped",
                    if none { "no name" } else { "more than one name" }
                ))
                .help("write `vrrp_sync_group VG_1 {`")
            });
            return None;
        };
        let name: Arc<str> = Arc::from(&*String::from_utf8_lossy(&word.text));
        match names.entry(name.clone()) {
            Entry::Vacant(free) => {
                free.insert(word.span);
            }
            Entry::Occupied(first) => {
                let first = *first.get();
                self.findings.add(Id::GroupName, word.span, |d| {
                    d.say(format!("there is a group `{}` already: this one is skipped", word.shown()))
                        .label(first, "the first one")
                });
                return None;
            }
        }
        let mut draft = GroupDraft {
            name,
            header: block.node.span,
            list: None,
            members: Vec::new(),
            weights: false,
            interfaces: Vec::new(),
            lines: Vec::new(),
            notify: Notify::default(),
        };
        for at in block.children() {
            self.group_line(at, index, trackers, &mut draft);
        }
        Some(draft)
    }

    fn group_line(&mut self, at: At<'_, '_>, index: usize, trackers: &mut Trackers, draft: &mut GroupDraft) {
        let Some(keyword) = at.node.keyword else { return };
        self.unbuilt(keyword, at.node.span);
        if let Some(kind) = Kind::of_list(keyword.name) {
            return self.track(at, kind, index, trackers, &mut draft.lines);
        }
        match keyword.name {
            "group" => {
                self.extra(at, 0);
                draft.list.get_or_insert(at.node.span);
                for word in at.children().flat_map(At::words) {
                    draft.members.push((Arc::from(&*String::from_utf8_lossy(&word.text)), word.span));
                }
            }
            "track_interface" => {
                self.extra(at, 0);
                self.tracked_interfaces(at, &mut draft.interfaces);
            }
            "sync_group_tracking_weight" | "global_tracking" => {
                self.flag(at);
                draft.weights = true;
            }
            name => {
                self.notify(at, name, &mut draft.notify);
            }
        }
    }

    /// Puts the groups together when all instances are known. `written`: the names of all instances of the file,
    /// those too that cannot run.
    pub(super) fn finish_groups(
        &mut self,
        drafts: Vec<GroupDraft>,
        instances: &mut [Placed],
        written: &BTreeMap<Arc<str>, Span>,
    ) -> Vec<SyncGroup> {
        let index: BTreeMap<Arc<str>, usize> =
            instances.iter().enumerate().map(|(n, placed)| (placed.instance.name.clone(), n)).collect();
        let mut taken: BTreeMap<Arc<str>, (Arc<str>, Span)> = BTreeMap::new();
        let mut groups = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let members = self.members(&draft, written, &mut taken);
            let count = members.len();
            let place = draft.list.unwrap_or(draft.header);
            if count == 0 {
                self.findings.add(Id::GroupSmall, place, |d| {
                    d.say(format!("the group `{}` has no instance: it has no effect", draft.name))
                        .help("name two or more instances in `group { ... }`, or remove it")
                });
                continue;
            }
            if count == 1 {
                self.findings.add(Id::GroupSmall, place, |d| {
                    d.say(format!(
                        "the group `{}` has one instance only: there is nothing to keep together",
                        draft.name
                    ))
                    .help("name two or more instances in `group { ... }`, or remove it")
                });
            }
            let members: Vec<Arc<str>> =
                members.into_iter().filter(|name| index.contains_key(name)).collect();
            if !draft.weights {
                for placed in members.iter().filter_map(|name| index.get(name)) {
                    if let Some(placed) = instances.get_mut(*placed) {
                        self.drop_weights(placed, &draft);
                    }
                }
            }
            if members.is_empty() {
                continue;
            }
            groups.push(SyncGroup {
                name: draft.name,
                members,
                weights: draft.weights,
                track_interfaces: draft.interfaces.into_iter().map(|(tracked, _)| tracked).collect(),
                tracking: tracking(&draft.lines).into(),
                notify: draft.notify.into(),
            });
        }
        groups
    }

    fn members(
        &mut self,
        draft: &GroupDraft,
        written: &BTreeMap<Arc<str>, Span>,
        taken: &mut BTreeMap<Arc<str>, (Arc<str>, Span)>,
    ) -> Vec<Arc<str>> {
        let mut members = Vec::with_capacity(draft.members.len());
        for (name, span) in &draft.members {
            if !written.contains_key(name) {
                if !self.findings.wants(Id::GroupMember, *span) {
                    continue;
                }
                let near = crate::suggest::nearest(name, written.keys().map(|n| &**n));
                self.findings.add(Id::GroupMember, *span, |d| {
                    let shown = crate::text::shown(name.as_bytes());
                    let d = d.say(format!("there is no instance `{shown}`: it is left out of the group"));
                    match near {
                        Some(near) => d.help(format!("did you mean `{near}`?")).suggest(*span, near),
                        None => d,
                    }
                });
                continue;
            }
            match taken.entry(name.clone()) {
                Entry::Vacant(free) => {
                    free.insert((draft.name.clone(), *span));
                    members.push(name.clone());
                }
                Entry::Occupied(first) => {
                    let (group, place) = first.get().clone();
                    self.findings.add(Id::GroupMember, *span, |d| {
                        d.say(format!(
                            "`{name}` is in the group `{group}` already: it is left out of this one"
                        ))
                        .label(place, "it is here already")
                        .help("an instance can be in one group")
                    });
                }
            }
        }
        members
    }

    /// What a member tracks with a weight: keepalived drops the line; of an interface only the weight; and of a
    /// process nothing.
    fn drop_weights(&mut self, placed: &mut Placed, draft: &GroupDraft) {
        let stays = |line: &Line| line.kind == Kind::Process || line.tracked.weight.value == 0;
        for (name, weight, span) in placed.weighted_interfaces() {
            self.group_weight(name, weight, span, "only the weight is dropped: a failure is a fault", draft);
        }
        for line in placed.lines.iter().filter(|line| !stays(line)) {
            let tracked = &line.tracked;
            self.group_weight(&tracked.name, tracked.weight.value, line.span, "the line is dropped", draft);
        }
        placed.keep_lines(stays);
        for tracked in placed.instance.track_interfaces.written().into_iter().flatten() {
            tracked.weight = 0;
        }
    }

    fn group_weight(&mut self, name: &str, weight: i16, span: Span, fate: &str, draft: &GroupDraft) {
        self.findings.add(Id::GroupWeight, span, |d| {
            let group = &draft.name;
            d.say(format!(
                "`{name}` has the weight {weight}, and the group `{group}` allows its members none: {fate}"
            ))
            .label(draft.header, "this group")
            .help("track it in the group, or write `sync_group_tracking_weight` there")
        });
    }

    /// `interface_up_down_delays`.
    pub(super) fn link_delays(&mut self, block: At<'_, '_>, out: &mut Vec<(LinkDelay, Span)>) {
        self.extra(block, 0);
        let allowed = Numbers::micros(0..=255_000_000).otherwise("the line is dropped");
        let mut seen: BTreeSet<InterfaceName> =
            out.iter().map(|(delay, _)| delay.interface.clone()).collect();
        for at in block.children() {
            let words = at.words();
            let Some(first) = words.first() else { continue };
            let Some(interface) = self.listed_interface(first) else { continue };
            let Some(down) = words.get(1) else {
                self.option_without_value(first);
                continue;
            };
            let name = "interface_up_down_delays";
            let Some(down) = self.number_in(name, down, &allowed, Id::OutOfRange) else { continue };
            let up = match words.get(2) {
                Some(up) => match self.number_in(name, up, &allowed, Id::OutOfRange) {
                    Some(up) => up,
                    None => continue,
                },
                None => 0,
            };
            if let (Some(third), Some(last)) = (words.get(3), words.last()) {
                self.findings.add(Id::ExtraWords, third.span.to(last.span), |d| {
                    d.say("a line takes an interface and two times: the rest is ignored")
                });
            }
            if !seen.insert(interface.clone()) {
                self.findings.add(Id::DuplicateEntry, first.span, |d| {
                    d.say(format!("`{interface}` stands here already: the line is dropped"))
                });
                continue;
            }
            self.must_exist(&interface, first.span);
            let (down, up) = (Duration::from_micros(down), Duration::from_micros(up));
            out.push((LinkDelay { interface, down, up }, first.span));
        }
    }
}

//! `static_ipaddress` and `track_group`: addresses that do not move, and the instances that go by their interfaces.

use super::Lower;
use super::finish::Placed;
use crate::registry::Id;
use crate::source::Span;
use crate::text::Word;
use crate::tree::At;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Host, InterfaceName, StaticAddress, TrackGroup};

/// Where a static address belongs that names no interface, without `default_interface`.
const DEFAULT_INTERFACE: &str = "eth0";

/// What was read of both.
#[derive(Default)]
pub(super) struct Fixed {
    groups: Vec<Draft>,
    /// The names of the groups so far.
    names: BTreeMap<Arc<str>, Span>,
    addresses: Vec<(StaticAddress, Span)>,
    /// Groups that were named before they were known, each with the line.
    unknown: Vec<(Arc<str>, Span)>,
}

/// A `track_group` as it is written.
struct Draft {
    name: Arc<str>,
    header: Span,
    members: Vec<(Arc<str>, Span)>,
}

/// Where an address stands already, and the instance whose virtual one it is.
type Taken<'a> = (Span, Option<&'a Arc<str>>);

impl Lower<'_> {
    pub(super) fn track_group(&mut self, block: At<'_, '_>, fixed: &mut Fixed) {
        let [word] = block.arguments() else {
            self.findings.add(Id::GroupName, block.node.span, |d| {
                let none = block.arguments().is_empty();
                d.say(format!(
                    "this track_group has {}: it is skipped",
                    if none { "no name" } else { "more than one name" }
                ))
                .help("write `track_group TG_1 {`")
            });
            return;
        };
        let name: Arc<str> = Arc::from(&*String::from_utf8_lossy(&word.text));
        match fixed.names.entry(name.clone()) {
            Entry::Vacant(free) => {
                free.insert(word.span);
            }
            Entry::Occupied(first) => {
                let first = *first.get();
                self.findings.add(Id::GroupName, word.span, |d| {
                    d.say(format!("there is a track_group `{}` already: this one is skipped", word.shown()))
                        .label(first, "the first one")
                });
                return;
            }
        }
        let mut draft = Draft { name, header: block.node.span, members: Vec::new() };
        for list in block.children().filter(|at| at.node.keyword.is_some_and(|k| k.name == "group")) {
            self.extra(list, 0);
            for word in list.children().flat_map(At::words) {
                draft.members.push((Arc::from(&*String::from_utf8_lossy(&word.text)), word.span));
            }
        }
        fixed.groups.push(draft);
    }

    /// `usual`: the `default_interface`.
    pub(super) fn static_addresses(
        &mut self,
        block: At<'_, '_>,
        usual: Option<&InterfaceName>,
        fixed: &mut Fixed,
    ) {
        self.extra(block, 0);
        for at in block.children() {
            self.static_address(at, usual, fixed);
        }
    }

    /// One line. Its options of its own are taken out before.
    fn static_address(&mut self, at: At<'_, '_>, usual: Option<&InterfaceName>, fixed: &mut Fixed) {
        let words = at.words();
        let Some(first) = words.first() else { return };
        let mut rest: Vec<Word<'_>> = Vec::with_capacity(words.len());
        let mut group: Option<&Word<'_>> = None;
        let mut options = words.iter().skip(1);
        while let Some(word) = options.next() {
            match &*word.text {
                b"track_group" => {
                    let Some(name) = options.next() else {
                        return self.entry(word.span, "`track_group` needs a value: the address is dropped");
                    };
                    match group {
                        None => group = Some(name),
                        Some(_) => self.entry(word.span, "`track_group` is given twice: this one is ignored"),
                    }
                }
                b"use_vmac" => {
                    self.entry(word.span, "`use_vmac` is no option of a static address: it is ignored");
                }
                _ => rest.push(word.clone()),
            }
        }
        let Some(mut address) = self.one_address(first, &rest) else { return };
        if address.options.device.is_none() {
            let usual = usual.cloned().unwrap_or_else(|| DEFAULT_INTERFACE.into());
            self.must_exist(&usual, first.span);
            address.options.device = Some(usual);
        }
        let mut track_group = group.and_then(|word| Self::named_group(word, fixed));
        if let Some(word) = group.filter(|_| address.options.no_track) {
            self.findings.add(Id::NoEffect, word.span, |d| {
                d.say("`no_track` says that nobody goes by this address: `track_group` has no effect")
                    .help("remove one of the two")
            });
            track_group = None;
        }
        fixed.addresses.push((StaticAddress { address, track_group }, first.span));
    }

    /// The group of a line. What is not known yet is reported at the end, when it is clear whether it comes later.
    fn named_group(word: &Word<'_>, fixed: &mut Fixed) -> Option<Arc<str>> {
        let name: Arc<str> = Arc::from(&*String::from_utf8_lossy(&word.text));
        if fixed.names.contains_key(&name) {
            return Some(name);
        }
        fixed.unknown.push((name, word.span));
        None
    }

    /// Puts both into the host when all instances are known. `written`: the names of all instances of the file.
    pub(super) fn finish_fixed(
        &mut self,
        fixed: Fixed,
        instances: &[Placed],
        written: &BTreeMap<Arc<str>, Span>,
        host: &mut Host,
    ) {
        for (name, span) in &fixed.unknown {
            self.unknown_track_group(name, *span, &fixed.names);
        }
        let running: BTreeSet<&Arc<str>> = instances.iter().map(|placed| &placed.instance.name).collect();
        for draft in fixed.groups {
            let members = self.track_group_members(&draft, written);
            if members.is_empty() {
                self.findings.add(Id::GroupSmall, draft.header, |d| {
                    d.say(format!("the track_group `{}` has no instance: it has no effect", draft.name))
                        .help("name the instances in `group { ... }`, or remove it")
                });
            }
            let members: Vec<Arc<str>> = members.into_iter().filter(|name| running.contains(name)).collect();
            if !members.is_empty() {
                host.track_groups.push(TrackGroup { name: draft.name, members });
            }
        }
        let groups: BTreeSet<&Arc<str>> = host.track_groups.iter().map(|group| &group.name).collect();
        let mut seen: BTreeMap<(InterfaceName, IpAddr), Taken<'_>> = BTreeMap::new();
        for placed in instances {
            let places = placed.addresses.iter().chain(&placed.excluded);
            for (held, span) in placed.instance.held_addresses().zip(places) {
                let Some(device) = placed.instance.device_of(held) else { continue };
                let key = (device.clone(), held.address);
                seen.entry(key).or_insert((*span, Some(&placed.instance.name)));
            }
        }
        for (mut one, span) in fixed.addresses {
            let Some(interface) = one.interface().cloned() else { continue };
            match seen.entry((interface, one.address.address)) {
                Entry::Vacant(free) => {
                    free.insert((span, None));
                    one.track_group = one.track_group.filter(|group| groups.contains(group));
                    host.static_addresses.push(one);
                }
                Entry::Occupied(first) => {
                    let (place, of) = *first.get();
                    self.static_twice(one.address.address, span, place, of);
                }
            }
        }
    }

    fn static_twice(&mut self, address: IpAddr, span: Span, first: Span, of: Option<&Arc<str>>) {
        self.findings.add(Id::DuplicateAddress, span, |d| match of {
            Some(name) => d
                .say(format!("{address} is a virtual address of `{name}`: this line is dropped"))
                .label(first, "it moves with this instance")
                .help("as a static address it would be on every node at once"),
            None => d
                .say(format!("{address} stands on this interface already: this line is dropped"))
                .label(first, "the first one"),
        });
    }

    fn unknown_track_group(&mut self, name: &Arc<str>, span: Span, names: &BTreeMap<Arc<str>, Span>) {
        if let Some(place) = names.get(name) {
            self.findings.add(Id::TrackerLate, span, |d| {
                d.say(format!("`{name}` is defined further below: no instance goes by this address"))
                    .label(*place, "this stands too late")
                    .help(format!("move `track_group {name}` above the line"))
            });
            return;
        }
        if !self.findings.wants(Id::TrackerUnknown, span) {
            return;
        }
        let near = crate::suggest::nearest(name, names.keys().map(|n| &**n));
        self.findings.add(Id::TrackerUnknown, span, |d| {
            let shown = crate::text::shown(name.as_bytes());
            let d = d.say(format!("there is no track_group `{shown}`: no instance goes by this address"));
            match near {
                Some(near) => d.help(format!("did you mean `{near}`?")).suggest(span, near),
                None => d.help(format!("define it with `track_group {shown} {{ ... }}` above")),
            }
        });
    }

    fn track_group_members(&mut self, draft: &Draft, written: &BTreeMap<Arc<str>, Span>) -> Vec<Arc<str>> {
        let mut seen = BTreeSet::new();
        let mut members = Vec::with_capacity(draft.members.len());
        for (name, span) in &draft.members {
            if written.contains_key(name) {
                if seen.insert(name) {
                    members.push(name.clone());
                } else {
                    self.findings.add(Id::DuplicateEntry, *span, |d| {
                        d.say(format!("`{name}` stands in this track_group already"))
                    });
                }
                continue;
            }
            if !self.findings.wants(Id::GroupMember, *span) {
                continue;
            }
            let near = crate::suggest::nearest(name, written.keys().map(|n| &**n));
            self.findings.add(Id::GroupMember, *span, |d| {
                let shown = crate::text::shown(name.as_bytes());
                let d = d.say(format!("there is no instance `{shown}`: it is left out of the track_group"));
                match near {
                    Some(near) => d.help(format!("did you mean `{near}`?")).suggest(*span, near),
                    None => d,
                }
            });
        }
        members
    }
}

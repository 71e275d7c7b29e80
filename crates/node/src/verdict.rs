//! Facts → fold → verdict: may this instance take part, and with which priority? Recomputed from zero each
//! time, so nothing can drift.
//!
//! First each instance alone ([`own`]), then its group ([`Share::of_group`]), then both together
//! ([`Verdict::of`]). A group only adds up what its members say of themselves, and no member is judged by what
//! its group says: so two members never hold each other in FAULT.

use crate::egress;
use crate::event::{Fault, Health};
use crate::facts::Facts;
use crate::io::InterfaceIndex;
use crate::status::Kind;
use crate::track::Trackers;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Authentication, Home, Host, Instance, Rare, TrackedInterface, Tracking, Transport, Weight};
use timeline::Instant;
use wire::{Family, Mac, Priority};

/// What the facts say about one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Effective priority (WIRE-4): 1..=254, or 255 for the owner.
    pub(crate) priority: Priority,
    /// Why it cannot take part; empty: it can.
    pub(crate) faults: Rare<Vec<Fault>>,
    /// Something that it tracks has not been heard of yet: it does not start before.
    pub(crate) waits: bool,
    /// Something that it tracks by weight has not been heard of yet, and its priority may be another.
    pub(crate) is_early: bool,
    /// Where it speaks, if the interface exists and has a source address.
    pub(crate) place: Option<Place>,
}

/// What the router before this one leaves to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bequest {
    /// Its effective priority.
    pub(crate) priority: Priority,
    /// Not longer than until then: what hangs must not hide what has failed since.
    pub(crate) until: Instant,
}

/// Where an instance speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// 0 where routing decides ([`Home::Routed`]).
    pub(crate) interface: InterfaceIndex,
    /// The VRF device whose routing table unicast goes by, or 0.
    pub(crate) vrf: InterfaceIndex,
    pub(crate) mac: Mac,
    pub(crate) source: IpAddr,
}

/// A part of a verdict: what one instance says of itself, or what a group says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) faults: Vec<Fault>,
    pub(crate) weight: i32,
    /// Whether something is well cannot be found out.
    pub(crate) is_unknown: bool,
    pub(crate) waits: bool,
    /// What it will count is not known yet.
    pub(crate) is_early: bool,
}

/// Everything that is known.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) trackers: &'a Trackers,
    pub(crate) host: &'a Host,
}

/// What one tracked thing counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Nothing,
    Weight(i32),
    Fault(Fault),
    Unknown,
    Waits,
    /// Nothing, for now.
    Early,
}

/// A line of a tracking list, and what it counts now.
pub(crate) struct Line<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: &'a Arc<str>,
    pub(crate) weight: Weight,
    pub(crate) count: Count,
}

impl Verdict {
    /// The instance's own share and its group's.
    pub(crate) fn of(instance: &Instance, own: &Share, place: Option<Place>, group: Option<&Share>) -> Self {
        let mut faults = own.faults.clone();
        let (mut weight, mut is_unknown) = (own.weight, own.is_unknown);
        let (mut waits, mut is_early) = (own.waits, own.is_early);
        if let Some(group) = group {
            // Whoever is the reason needs not be told so.
            let of_others =
                |fault: &&Fault| !matches!(fault, Fault::Member { member, .. } if *member == instance.name);
            faults.extend(group.faults.iter().filter(of_others).cloned());
            weight += group.weight;
            is_unknown |= group.is_unknown;
            waits |= group.waits;
            is_early |= group.is_early;
        }
        faults.sort();
        faults.dedup();
        let base = instance.settings.priority;
        // A healthy peer shall have it; where there is none, it goes on.
        let priority = if is_unknown && !base.is_owner() { Priority(1) } else { effective(base, weight) };
        Self { priority, faults: faults.into(), waits, is_early: is_early && !is_unknown, place }
    }

    /// The priority of the router before it holds until what this one tracks is known, or it has been waited for long
    /// enough, or something is known to be unknowable. No owner is moved, and none made.
    pub(crate) fn inherit(&mut self, now: Instant, bequest: &mut Option<Box<Bequest>>) {
        bequest.take_if(|bequest| !self.is_early || now >= bequest.until);
        let both =
            bequest.as_deref().filter(|bequest| !bequest.priority.is_owner() && !self.priority.is_owner());
        if let Some(Bequest { priority, .. }) = both {
            self.priority = *priority;
        }
    }
}

impl Share {
    fn add(&mut self, count: Count) {
        match count {
            Count::Nothing => {}
            Count::Weight(weight) => self.weight += weight,
            Count::Fault(fault) => self.faults.push(fault),
            Count::Unknown => self.is_unknown = true,
            Count::Waits => self.waits = true,
            Count::Early => self.is_early = true,
        }
    }

    /// What a group says to each of its members: what it tracks, and what is the matter with one of them.
    pub(crate) fn of_group<'a>(
        sight: Sight<'_>,
        group: &model::SyncGroup,
        members: impl Iterator<Item = (&'a Arc<str>, &'a Self)>,
    ) -> Self {
        let mut share = Self::default();
        lines(sight, &group.tracking, &group.track_interfaces).for_each(|line| share.add(line.count));
        for (member, own) in members {
            share.is_unknown |= own.is_unknown;
            share.waits |= own.waits;
            share.is_early |= own.is_early;
            if !own.faults.is_empty() {
                let (group, member) = (group.name.clone(), member.clone());
                share.faults.push(Fault::Member { group, member });
            }
        }
        share
    }
}

/// Judges one instance alone. `trouble`: why it could not hold its addresses a moment ago.
pub(crate) fn own(
    sight: Sight<'_>,
    instance: &Instance,
    trouble: Option<Fault>,
    is_virtual: impl Fn(IpAddr) -> bool,
) -> (Share, Option<Place>) {
    let facts = sight.facts;
    let mut share = Share::default();
    let faults = &mut share.faults;
    let place = match &instance.home {
        Home::Interface(name) => on_interface(sight, instance, name, is_virtual, faults),
        Home::Routed { vrf } => routed(sight, instance, vrf.as_ref(), faults),
    };
    let (family, sealed) =
        (instance.settings.family, matches!(instance.authentication, Authentication::Header(_)));
    // Sealed adverts leave through the same socket as plain ones.
    let vrf = facts.vrf_of_home(&instance.home);
    let why = |sealed| facts.no_socket((family, sealed, vrf));
    let why = why(false).or_else(|| why(true).filter(|_| sealed));
    faults.extend(why.map(|errno| Fault::NoSocket(family, errno)));
    // The interfaces of addresses count like the own one, unless told otherwise.
    for address in instance.held_addresses() {
        let own = instance.home.interface();
        if let Some(device) =
            address.options.device.as_ref().filter(|name| Some(*name) != own && !address.options.no_track)
        {
            faults.extend(link_fault(sight, device));
        }
    }
    for device in sight.trackers.static_links.get(&instance.name).into_iter().flatten() {
        faults.extend(link_fault(sight, device));
    }
    faults.extend(trouble);
    faults.extend(instance.addresses.is_empty().then_some(Fault::NoAddresses));
    let is_alone = matches!(&instance.transport, Transport::Unicast { peers, .. } if peers.is_empty());
    faults.extend(is_alone.then_some(Fault::NoPeers));
    let tracked = lines(sight, &instance.tracking, &instance.track_interfaces);
    tracked.for_each(|line| share.add(line.count));
    (share, place)
}

/// Where an instance speaks that has an interface, and what is wrong with that.
fn on_interface(
    sight: Sight<'_>,
    instance: &Instance,
    name: &Arc<str>,
    is_virtual: impl Fn(IpAddr) -> bool,
    faults: &mut Vec<Fault>,
) -> Option<Place> {
    let Sight { facts, host, .. } = sight;
    let Some(link) = facts.link_named(name) else {
        faults.push(Fault::InterfaceMissing(name.clone()));
        return None;
    };
    if !instance.ignore_own_link {
        faults.extend(link_fault(sight, name));
    }
    let beyond = || facts.global_source(link.index, &is_virtual);
    let configured = instance.transport.source();
    let source = configured
        .or_else(|| speaks_beyond_the_link(instance).then(beyond).flatten())
        .or_else(|| facts.source(link.index, instance.settings.family, &is_virtual));
    if source.is_none() {
        faults.push(Fault::NoSourceAddress(name.clone(), instance.settings.family));
    }
    let missing = configured.filter(|source| instance.track_source && !facts.has(link.index, *source));
    faults.extend(missing.map(Fault::SourceMissing));
    if matches!(instance.transport, Transport::Multicast { .. }) {
        let why = facts.not_joined(link.index, egress::group(host, instance));
        faults.extend(why.map(|errno| Fault::NotJoined(name.clone(), errno)));
    }
    let vrf = facts.vrf_of(link.index).flatten().unwrap_or(0);
    source.map(|source| Place { interface: link.index, vrf, mac: link.mac, source })
}

/// The same for one that goes by routing. Of a VRF device only whether it is up counts: its carrier says nothing.
fn routed(
    sight: Sight<'_>,
    instance: &Instance,
    vrf: Option<&Arc<str>>,
    faults: &mut Vec<Fault>,
) -> Option<Place> {
    let facts = sight.facts;
    let within = match vrf.map(|name| (name, facts.link_named(name))) {
        None => None,
        Some((name, None)) => {
            faults.push(Fault::VrfMissing(name.clone()));
            return None;
        }
        Some((name, Some(link))) if !link.is_vrf => {
            faults.push(Fault::NotAVrf(name.clone()));
            return None;
        }
        Some((name, Some(link))) => {
            let is_down = match link_fault(sight, name) {
                None => false,
                Some(Fault::InterfaceDown(_) | Fault::InterfaceMissing(_)) => true,
                Some(_) => !link.up,
            };
            faults.extend(is_down.then(|| Fault::VrfDown(name.clone())));
            Some(link.index)
        }
    };
    // [`Host::check`] knows none without.
    let source = instance.transport.source()?;
    let is_missing = instance.track_source && !facts.has_within(within, source);
    faults.extend(is_missing.then(|| match facts.interface_of(source) {
        None => Fault::SourceMissing(source),
        Some(_) => Fault::SourceApart(source, vrf.cloned()),
    }));
    Some(Place { interface: 0, vrf: within.unwrap_or(0), mac: Mac::default(), source })
}

/// Everything that an instance or a group tracks, with what it counts.
pub(crate) fn lines<'a>(
    sight: Sight<'a>,
    tracking: &'a Tracking,
    interfaces: &'a [TrackedInterface],
) -> impl Iterator<Item = Line<'a>> {
    let scripts = tracking.scripts.iter().map(move |tracked| {
        let (kind, name, weight) = (Kind::Script, &tracked.name, tracked.weight);
        Line { kind, name, weight, count: script(sight, name, weight) }
    });
    let processes = tracking.processes.iter().map(move |tracked| {
        let (kind, name, weight) = (Kind::Process, &tracked.name, tracked.weight);
        Line { kind, name, weight, count: process(sight, name, weight) }
    });
    let files = tracking.files.iter().map(move |tracked| {
        let (kind, name, weight) = (Kind::File, &tracked.name, tracked.weight);
        Line { kind, name, weight, count: file(sight, name, weight) }
    });
    let interfaces = interfaces.iter().map(move |tracked| {
        let weight = Weight { value: tracked.weight, reverse: tracked.reverse };
        let (kind, name) = (Kind::Interface, &tracked.interface);
        Line { kind, name, weight, count: interface(sight, name, weight) }
    });
    let neighbors = tracking.bfd.iter().map(move |tracked| {
        let (kind, name, weight) = (Kind::Bfd, &tracked.name, tracked.weight);
        Line { kind, name, weight, count: neighbor(sight, name, weight) }
    });
    scripts.chain(processes).chain(files).chain(neighbors).chain(interfaces)
}

/// Who is not defined says nothing; [`Host::check`] knows none such.
fn script(sight: Sight<'_>, name: &Arc<str>, weight: Weight) -> Count {
    let Some(probe) = sight.trackers.scripts.get(name) else { return Count::Nothing };
    counted(probe.health, weight, || Fault::Script(name.clone(), probe.why.clone()))
}

fn process(sight: Sight<'_>, name: &Arc<str>, weight: Weight) -> Count {
    let Some(crowd) = sight.trackers.processes.get(name) else { return Count::Nothing };
    counted(crowd.health, weight, || Fault::Process(name.clone(), crowd.judged))
}

/// `reverse` swaps well and failed where there is no weight; a weight it turns over: what would be added is
/// subtracted, at the same times.
fn counted(health: Health, weight: Weight, fault: impl Fn() -> Fault) -> Count {
    let turned = |value: i16| Count::Weight(i32::from(value) * if weight.reverse { -1 } else { 1 });
    match (health, weight.value) {
        (Health::Unknown, _) => Count::Unknown,
        // One that counts by its weight holds nobody up.
        (Health::Waiting, 0) => Count::Waits,
        (Health::Waiting, _) => Count::Early,
        (_, 0) if health.is_failed(weight.reverse) => Count::Fault(fault()),
        (Health::Well, more @ 1..) => turned(more),
        (Health::Failed, less @ ..0) => turned(less),
        (Health::Well | Health::Failed, _) => Count::Nothing,
    }
}

/// The number in a file times its weight; what would move a priority by more than there is, downwards, is a fault.
fn file(sight: Sight<'_>, name: &Arc<str>, weight: Weight) -> Count {
    let Some(number) = sight.trackers.files.get(name) else { return Count::Nothing };
    let fault = || Count::Fault(Fault::File(name.clone(), number.value));
    match (number.is_known, weight.value) {
        (false, 0) => Count::Waits,
        (false, _) => Count::Early,
        (true, 0) if (number.value != 0) != weight.reverse => fault(),
        (true, 0) => Count::Nothing,
        (true, factor) => {
            let product = i64::from(number.value) * i64::from(factor) * if weight.reverse { -1 } else { 1 };
            match i32::try_from(product.clamp(-254, 253)) {
                Ok(-254) | Err(_) => fault(),
                Ok(0) => Count::Nothing,
                Ok(weight) => Count::Weight(weight),
            }
        }
    }
}

fn neighbor(sight: Sight<'_>, name: &Arc<str>, weight: Weight) -> Count {
    let Some(neighbor) = sight.trackers.neighbors.get(name) else { return Count::Nothing };
    let is_up = neighbor.health() == Health::Well;
    counted(neighbor.health(), weight, || Fault::Bfd(name.clone(), is_up))
}

fn interface(sight: Sight<'_>, name: &Arc<str>, weight: Weight) -> Count {
    let fault = link_fault(sight, name);
    let health = if fault.is_none() { Health::Well } else { Health::Failed };
    counted(health, weight, || fault.clone().unwrap_or_else(|| Fault::InterfaceUp(name.clone())))
}

/// Base and weights, clamped (WIRE-4): trackers move no owner, and make none.
fn effective(base: Priority, weight: i32) -> Priority {
    if base.is_owner() {
        return base;
    }
    Priority(u8::try_from((i32::from(base.0) + weight).clamp(1, 254)).unwrap_or(1))
}

/// What is wrong with an interface, as far as it counts yet.
fn link_fault(sight: Sight<'_>, name: &Arc<str>) -> Option<Fault> {
    match sight.trackers.links.get(name) {
        Some(damped) => damped.fault().cloned(),
        None => sight.facts.link_fault(name),
    }
}

/// Unicast to IPv6 peers that a link-local source would not reach.
fn speaks_beyond_the_link(instance: &Instance) -> bool {
    let Transport::Unicast { peers, .. } = &instance.transport else { return false };
    instance.settings.family == Family::V6
        && peers.iter().any(|peer| match peer.address {
            IpAddr::V4(_) => false,
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_4_trackers_clamp_and_leave_the_owner_alone() {
        assert_eq!(effective(Priority(100), -200), Priority(1));
        assert_eq!(effective(Priority(100), 200), Priority(254));
        assert_eq!(effective(Priority(100), -30), Priority(70));
        assert_eq!(effective(Priority::OWNER, -254), Priority::OWNER);
    }
}

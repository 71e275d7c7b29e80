//! Facts → fold → verdict: may this instance take part, and with which priority? Recomputed from zero each
//! time, so nothing can drift.

use crate::egress;
use crate::event::Fault;
use crate::facts::Facts;
use crate::io::InterfaceIndex;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Authentication, Host, Instance, Transport};
use wire::{Family, Mac, Priority};

/// What the facts say about one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Effective priority (WIRE-4): 1..=254, or 255 for the owner.
    pub(crate) priority: Priority,
    /// Why it cannot take part; empty: it can.
    pub(crate) faults: Vec<Fault>,
    /// Where it speaks, if the interface exists and has a source address.
    pub(crate) place: Option<Place>,
}

/// Where an instance speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) interface: InterfaceIndex,
    pub(crate) mac: Mac,
    pub(crate) source: IpAddr,
}

/// Judges one instance. `trouble`: why it could not hold its addresses a moment ago.
pub(crate) fn judge(
    facts: &Facts,
    host: &Host,
    instance: &Instance,
    trouble: Option<Fault>,
    is_virtual: impl Fn(IpAddr) -> bool,
) -> Verdict {
    let mut faults = Vec::new();
    let mut place = None;
    let name = &instance.interface;
    match facts.link_named(name) {
        None => faults.push(Fault::InterfaceMissing(name.clone())),
        Some(link) => {
            if !instance.ignore_own_link {
                faults.extend(link_fault(facts, name));
            }
            let beyond = || facts.global_source(link.index, &is_virtual);
            let source = configured_source(instance)
                .or_else(|| speaks_beyond_the_link(instance).then(beyond).flatten())
                .or_else(|| facts.source(link.index, instance.settings.family, &is_virtual));
            match source {
                Some(source) => place = Some(Place { interface: link.index, mac: link.mac, source }),
                None => faults.push(Fault::NoSourceAddress(name.clone(), instance.settings.family)),
            }
            if matches!(instance.transport, Transport::Multicast { .. }) {
                let why = facts.not_joined(link.index, egress::group(host, instance));
                faults.extend(why.map(|errno| Fault::NotJoined(name.clone(), errno)));
            }
        }
    }
    let (family, sealed) =
        (instance.settings.family, matches!(instance.authentication, Authentication::Header(_)));
    // Sealed adverts leave through the same socket as plain ones.
    let why = facts.no_socket(family, false).or_else(|| facts.no_socket(family, true).filter(|_| sealed));
    faults.extend(why.map(|errno| Fault::NoSocket(family, errno)));
    // The interfaces of addresses count like the own one, unless told otherwise.
    for address in instance.held_addresses() {
        if let Some(device) = address.device.as_ref().filter(|device| *device != name && !address.no_track) {
            faults.extend(link_fault(facts, device));
        }
    }
    let mut weight = 0_i32;
    for tracked in &instance.track_interfaces {
        let fault = link_fault(facts, &tracked.interface);
        let failed = fault.is_some() != tracked.reverse;
        match tracked.weight {
            0 if failed => {
                faults.push(fault.unwrap_or_else(|| Fault::InterfaceDown(tracked.interface.clone())));
            }
            more if more > 0 && !failed => weight += i32::from(more),
            less if less < 0 && failed => weight += i32::from(less),
            _ => {}
        }
    }
    faults.extend(trouble);
    faults.extend(instance.addresses.is_empty().then_some(Fault::NoAddresses));
    faults.sort();
    faults.dedup();
    Verdict { priority: effective(instance.settings.priority, weight), faults, place }
}

/// Base and weights, clamped (WIRE-4): trackers move no owner, and make none.
fn effective(base: Priority, weight: i32) -> Priority {
    if base.is_owner() {
        return base;
    }
    Priority(u8::try_from((i32::from(base.0) + weight).clamp(1, 254)).unwrap_or(1))
}

fn link_fault(facts: &Facts, name: &alloc::sync::Arc<str>) -> Option<Fault> {
    match facts.link_named(name) {
        None => Some(Fault::InterfaceMissing(name.clone())),
        Some(link) if !link.up => Some(Fault::InterfaceDown(name.clone())),
        Some(link) if !link.carrier => Some(Fault::NoCarrier(name.clone())),
        Some(_) => None,
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

const fn configured_source(instance: &Instance) -> Option<IpAddr> {
    match &instance.transport {
        Transport::Multicast { source, .. } | Transport::Unicast { source, .. } => *source,
    }
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

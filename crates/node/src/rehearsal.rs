//! A takeover that nobody sees.

use crate::Node;
use crate::io::{Address, Effect, Fact, Input, Link};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use model::{Host, Instance, VirtualAddress};
use timeline::{Duration, Instant, Machine as _};
use vrrp::Settings;
use wire::{Family, Mac, Version, Vrid};

/// Takes over an address of each family on a host that does not exist, and gives them back. Whoever runs this has in memory
/// what a takeover needs of this crate. Returns how many times something was sent or held.
#[must_use]
pub fn rehearse() -> usize {
    let Some(vrid) = Vrid::new(1) else { return 0 };
    let (interface, name, usable) = (1, "rehearsal", true);
    let (up, carrier, loopback, forwards_ipv6, is_vrf, master) = (true, true, false, false, false, None);
    let link = Link {
        index: interface,
        name: name.into(),
        mac: Mac([0; 6]),
        up,
        carrier,
        loopback,
        forwards_ipv6,
        is_vrf,
        master,
    };
    // Addresses for documentation (RFC 5737, RFC 3849), and a link-local one.
    let v4 = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
    let v6 = |first, last| IpAddr::V6(Ipv6Addr::new(first, 0xdb8, 0, 0, 0, 0, 0, last));
    let own = [v4(1), v6(0xfe80, 1)].map(|address| {
        let (prefix, secondary, marked) = (32, false, false);
        Address { interface, address, prefix, usable, secondary, marked }
    });
    let instances = [v4(2), v6(0x2001, 2)].map(|address| {
        let settings = Settings::new(Version::V3, Family::of(address), vrid);
        Instance::new(name, name, settings, vec![VirtualAddress::host(address)])
    });
    let host = Host { instances: instances.into(), ..Host::default() };
    let (mut node, mut effects, mut done) = (Node::new(), Vec::new(), 0);
    let mut now = Instant::EPOCH + Duration::from_secs(1);
    node.handle(
        now,
        Input::Fact(Fact::Everything { links: vec![link], addresses: own.into() }),
        &mut effects,
    );
    node.handle(now, Input::Configure(Box::new(host)), &mut effects);
    // Until they were Active for an advert.
    for _ in 0..4 {
        node.handle(now, Input::Elapsed, &mut effects);
        node.note_estates(|_, _| true);
        done += effects.iter().filter(|effect| matches!(effect, Effect::Send(_) | Effect::Hold(_))).count();
        effects.clear();
        now = node.deadline().unwrap_or(now).max(now);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rehearsal_takes_over_and_advertises_in_both_families() {
        // An advert each, the addresses and their announcements; then more adverts.
        assert!(rehearse() >= 6, "{}", rehearse());
    }
}

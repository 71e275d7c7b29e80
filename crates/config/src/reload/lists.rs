//! Addresses, peers and tracked interfaces: what came, what went, what is another.

use super::instance::longest_down;
use super::{Difference, Elsewhere, Notice, Pair, about};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Host, Instance, InterfaceName, Peer, TrackedInterface, Transport, VirtualAddress};

use Notice::{Interrupts, Nobody, Noticed};

const LISTED: &str = "virtual_ipaddress";
const UNLISTED: &str = "virtual_ipaddress_excluded";

/// An address in an instance, with the block that it stands in.
type Held<'a> = (&'static str, &'a VirtualAddress);

fn held(instance: &Instance) -> impl Iterator<Item = Held<'_>> {
    let listed = instance.addresses.iter().map(|address| (LISTED, address));
    listed.chain(instance.excluded.iter().map(|address| (UNLISTED, address)))
}

/// An address on an interface.
type Place<'a> = (IpAddr, Option<&'a InterfaceName>);

fn place<'a>(instance: &'a Instance, address: &'a VirtualAddress) -> Place<'a> {
    (address.address, instance.device_of(address))
}

/// What an instance holds, by its place; the first one counts. Lists may be long, and each entry is looked up in
/// the other list.
fn by_place(instance: &Instance) -> BTreeMap<Place<'_>, Held<'_>> {
    let mut places = BTreeMap::new();
    for (block, address) in held(instance) {
        places.entry(place(instance, address)).or_insert((block, address));
    }
    places
}

/// Who holds which address where, on one host.
#[derive(Debug)]
pub(super) struct Holders<'a>(BTreeMap<Place<'a>, Vec<&'a Instance>>);

impl<'a> Holders<'a> {
    pub(super) fn of(host: &'a Host) -> Self {
        let mut holders: BTreeMap<Place<'a>, Vec<&'a Instance>> = BTreeMap::new();
        for instance in &host.instances {
            for address in instance.held_addresses() {
                holders.entry(place(instance, address)).or_default().push(instance);
            }
        }
        Self(holders)
    }

    /// Another instance of the host that has this address in this place.
    fn besides(&self, instance: &Instance, address: &VirtualAddress) -> Option<Arc<str>> {
        let mut having = self.0.get(&place(instance, address)).into_iter().flatten();
        let identity = instance.identity();
        having.find(|one| one.identity() != identity).map(|one| one.name.clone())
    }
}

impl Pair<'_> {
    pub(super) fn addresses(
        &self,
        old: &Instance,
        new: &Instance,
        elsewhere: &Elsewhere<'_>,
        list: &mut Vec<Difference>,
    ) {
        let (was_held, is_held) = (by_place(old), by_place(new));
        for (block, address) in held(old) {
            let text = address.address.to_string();
            match is_held.get(&place(old, address)).copied() {
                None => list.push(self.address_gone(block, (old, address), elsewhere)),
                Some((to, other)) if address != other => {
                    let (was, is) =
                        (crate::print::virtual_address(address), crate::print::virtual_address(other));
                    let what = format!("{was} → {is}");
                    let why = "if it is Active, the address is removed and set again at once";
                    let mut difference = self.entry(block, (Some(&text), None), what, Interrupts, why);
                    difference.new = self.entry(to, (None, Some(&text)), String::new(), Nobody, "").new;
                    list.push(difference);
                }
                Some((to, _)) if to != block => {
                    let (what, why) = (format!("{address} moves to {to}"), "it stays where it is");
                    let mut difference = self.entry(block, (Some(&text), None), what, Nobody, why);
                    difference.new = self.entry(to, (None, Some(&text)), String::new(), Nobody, "").new;
                    list.push(difference);
                }
                Some(_) => {}
            }
        }
        for (block, address) in held(new) {
            if was_held.contains_key(&place(new, address)) {
                continue;
            }
            let from = elsewhere.old_holders.besides(new, address);
            let why = match from.filter(|_| elsewhere.new_holders.besides(new, address).is_none()) {
                Some(name) => format!("it comes from `{name}` and stays if both are Active"),
                None => "if it is Active, it is set and announced at once".into(),
            };
            let text = address.address.to_string();
            list.push(self.entry(block, (None, Some(&text)), format!("{address} added"), Noticed, why));
        }
        self.address_list(old, new, list);
        let unlisted =
            |one: &Instance| one.excluded.iter().map(|a| (one.device_of(a).cloned(), a.address)).collect();
        if is_other_order(unlisted(old), unlisted(new)) {
            let what = "the excluded addresses stand in another order".into();
            list.push(self.difference(UNLISTED, what, Nobody, "each stays where it is"));
        }
    }

    fn address_gone(
        &self,
        block: &str,
        at: (&Instance, &VirtualAddress),
        elsewhere: &Elsewhere<'_>,
    ) -> Difference {
        let (notice, why) = match elsewhere.new_holders.besides(at.0, at.1) {
            Some(name) => (Interrupts, format!("it goes to `{name}` and stays if both are Active")),
            None => {
                (Interrupts, "if it is Active, the address is removed at once, and nobody holds it".into())
            }
        };
        let text = at.1.address.to_string();
        self.entry(block, (Some(&text), None), format!("{} removed", at.1), notice, why)
    }

    /// What adverts list.
    fn address_list(&self, old: &Instance, new: &Instance, list: &mut Vec<Difference>) {
        let plain =
            |instance: &Instance| instance.addresses.iter().map(|a| a.address).collect::<Vec<IpAddr>>();
        let (was, is) = (plain(old), plain(new));
        if was == is {
            return;
        }
        let set = |list: &[IpAddr]| list.iter().copied().collect::<BTreeSet<_>>();
        if set(&was) == set(&is) {
            let what = "the addresses stand in another order".into();
            list.push(self.difference(LISTED, what, Nobody, "adverts list the same addresses"));
            return;
        }
        let es = if is.len() == 1 { "" } else { "es" };
        let what = format!("adverts list {} address{es} instead of {}", is.len(), was.len());
        let what = if was.len() == is.len() { "adverts list other addresses".into() } else { what };
        let why = format!(
            "partners with another list say so in their log; keepalived before 2.3.3 discards such adverts and takes \
             over too within {}, until its list is the same",
            about(longest_down(&new.settings))
        );
        list.push(self.difference(LISTED, what, Interrupts, why));
    }

    pub(super) fn peers(&self, old: &Instance, new: &Instance, list: &mut Vec<Difference>) {
        let (Transport::Unicast { peers: was, .. }, Transport::Unicast { peers: is, .. }) =
            (&old.transport, &new.transport)
        else {
            return;
        };
        let by_address =
            |peers: &'_ [Peer]| peers.iter().map(|peer| (peer.address, *peer)).collect::<BTreeMap<_, _>>();
        let (before, after) = (by_address(was), by_address(is));
        for peer in was {
            let text = peer.address.to_string();
            match after.get(&peer.address) {
                None => {
                    let what = format!("peer {} removed", peer.address);
                    let why = format!(
                        "it gets no more adverts: if it still counts on this node, it takes over too within {}",
                        about(longest_down(&new.settings))
                    );
                    list.push(self.entry("unicast_peer", (Some(&text), None), what, Interrupts, why));
                }
                Some(other) if other != peer => {
                    let what = format!("peer {}: {} → {}", peer.address, limits(peer), limits(other));
                    let why = "its adverts are believed only within these limits";
                    let both = (Some(&*text), Some(&*text));
                    list.push(self.entry("unicast_peer", both, what, Interrupts, why));
                }
                Some(_) => {}
            }
        }
        for peer in is.iter().filter(|peer| !before.contains_key(&peer.address)) {
            let text = peer.address.to_string();
            let why = "it gets adverts from now on";
            let what = format!("peer {} added", peer.address);
            list.push(self.entry("unicast_peer", (None, Some(&text)), what, Noticed, why));
        }
        let order = |peers: &[Peer]| peers.iter().map(|peer| peer.address).collect::<Vec<_>>();
        if is_other_order(order(was), order(is)) {
            let what = "the peers stand in another order".into();
            list.push(self.difference("unicast_peer", what, Nobody, "each gets the same adverts"));
        }
    }

    pub(super) fn tracked(&self, old: &Instance, new: &Instance, list: &mut Vec<Difference>) {
        if old.ignore_own_link != new.ignore_own_link {
            let (what, why) = if new.ignore_own_link {
                ("dont_track_primary added", "if its link is down now, that is no fault any more")
            } else {
                ("dont_track_primary removed", "if its link is down now, that is a fault")
            };
            list.push(self.difference("dont_track_primary", what.into(), Noticed, why));
        }
        const LIST: &str = "track_interface";
        let (before, after) = (by_interface(old), by_interface(new));
        for tracked in &old.track_interfaces {
            let name = &*tracked.interface;
            let what = match after.get(&tracked.interface) {
                None => format!("{name} is tracked no more ({})", weight(tracked)),
                Some(_) => continue,
            };
            let why = format!("{} now, an effect ends at once: {}", state(tracked), effect(tracked));
            list.push(self.entry(LIST, (Some(name), None), what, Interrupts, why));
        }
        for tracked in &new.track_interfaces {
            let name = &*tracked.interface;
            let (was, what) = match before.get(&tracked.interface).copied() {
                Some(same) if same == tracked => continue,
                Some(other) => (Some(name), format!("{name}: {} → {}", weight(other), weight(tracked))),
                None => (None, format!("{name} is tracked ({})", weight(tracked))),
            };
            let why = format!("{} now, it counts at once: {}", state(tracked), effect(tracked));
            list.push(self.entry(LIST, (was, Some(name)), what, Interrupts, why));
        }
        let order =
            |one: &Instance| one.track_interfaces.iter().map(|t| t.interface.clone()).collect::<Vec<_>>();
        if is_other_order(order(old), order(new)) {
            let what = "the tracked interfaces stand in another order".into();
            list.push(self.difference(LIST, what, Nobody, "each counts as before"));
        }
    }
}

/// What an instance tracks, by name.
fn by_interface(instance: &Instance) -> BTreeMap<&InterfaceName, &TrackedInterface> {
    instance.track_interfaces.iter().map(|tracked| (&tracked.interface, tracked)).collect()
}

/// The same things, but not in the same order.
fn is_other_order<T: Ord>(mut a: Vec<T>, mut b: Vec<T>) -> bool {
    let moved = a != b;
    a.sort_unstable();
    b.sort_unstable();
    moved && a == b
}

fn limits(peer: &Peer) -> String {
    match (peer.min_ttl, peer.max_ttl) {
        (None, None) => "any TTL".into(),
        (Some(low), None) => format!("TTL {low} or more"),
        (None, Some(high)) => format!("TTL {high} or less"),
        (Some(low), Some(high)) => format!("TTL {low} to {high}"),
    }
}

fn weight(tracked: &TrackedInterface) -> String {
    let reverse = if tracked.reverse { " reverse" } else { "" };
    format!("weight {}{reverse}", tracked.weight)
}

/// When it counts.
fn state(tracked: &TrackedInterface) -> String {
    let is_down = if tracked.weight == 0 { !tracked.reverse } else { tracked.weight < 0 };
    let when = if is_down { "down" } else { "up" };
    format!("if {} is {when}", tracked.interface)
}

/// What it does then.
fn effect(tracked: &TrackedInterface) -> String {
    match tracked.weight {
        0 => "a fault".into(),
        weight if tracked.reverse => format!("{:+} for the priority", -i32::from(weight)),
        weight => format!("{weight:+} for the priority"),
    }
}

//! Facts come in: what the kernel tells about interfaces and addresses, and what follows from it.

use super::{NOBODY, Node, report};
use crate::event::Event;
use crate::held::{Held, Whose};
use crate::io::{Actor, Address, Effect, Fact, InterfaceIndex, RouterId};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use timeline::Instant;
use vrrp::Role;

impl Node {
    pub(super) fn learn(&mut self, now: Instant, fact: Fact, effects: &mut Vec<Effect>) {
        match fact {
            Fact::Link(link) => {
                let before = self.facts.link(link.index).map(|old| old.name.clone());
                let name = link.name.clone();
                if self.facts.set_link(link) {
                    self.mark_device(&name);
                    before.into_iter().for_each(|old| self.mark_device(&old));
                    self.index_wire();
                }
            }
            Fact::LinkGone(index) => {
                let name = self.facts.name_of(index);
                if self.facts.remove_link(index) {
                    self.forget_interface(index);
                    self.mark_device(&name);
                    self.index_wire();
                }
            }
            Fact::Address(address) => {
                if self.facts.set_address(address.clone()) {
                    self.notice_address(&address);
                }
            }
            Fact::AddressGone { interface, address, by } => {
                self.facts.remove_address(interface, address);
                match by {
                    Actor::Other(who) => {
                        self.lose_address(now, interface, address, who, effects);
                        self.mark_device(&self.facts.name_of(interface));
                    }
                    Actor::Ourselves => self.forget_leftover(interface, address),
                }
            }
            Fact::Everything { links, addresses } => {
                self.facts.replace(links, addresses);
                self.dirty.extend(self.slots.keys().copied());
                self.index_wire();
                self.compare_everything(now, effects);
            }
            Fact::Deaf => self.excuse_all(now, effects),
        }
    }

    pub(super) fn mark_device(&mut self, name: &Arc<str>) {
        self.dirty.extend(self.by_device.get(name).into_iter().flatten().copied());
    }

    /// Addresses on an interface that vanished are gone without a trace.
    fn forget_interface(&mut self, index: InterfaceIndex) {
        for slot in self.slots.values_mut() {
            for spot in slot.spots.iter_mut().filter(|spot| spot.at == Some(index)) {
                spot.held = Held::Absent;
                spot.at = None;
                self.touched.insert(slot.id);
            }
        }
    }

    /// An address that we did not know is there: a source address, or one that an earlier run left.
    pub(super) fn notice_address(&mut self, address: &Address) {
        if !address.marked {
            return self.mark_device(&self.facts.name_of(address.interface));
        }
        let mut known = false;
        for id in self.by_address.get(&address.address).into_iter().flatten() {
            let Some(slot) = self.slots.get_mut(id) else { continue };
            for spot in slot.spots.iter_mut().filter(|spot| spot.address.address == address.address) {
                let here = self.facts.link_named(&spot.device).is_some_and(|l| l.index == address.interface);
                known |= here;
                if here && spot.held == Held::Absent {
                    spot.at = Some(address.interface);
                    spot.held = Held::Present(Whose::Leftover);
                    self.touched.insert(*id);
                }
            }
        }
        if !known {
            self.touched.insert(NOBODY);
        }
    }

    /// What looked like a leftover was our own, already on its way out when we were told of it.
    fn forget_leftover(&mut self, interface: InterfaceIndex, address: IpAddr) {
        for id in self.by_address.get(&address).into_iter().flatten() {
            let Some(slot) = self.slots.get_mut(id) else { continue };
            for spot in slot.spots.iter_mut().filter(|spot| spot.is_at(interface, address)) {
                if spot.held == Held::Present(Whose::Leftover) {
                    spot.held = Held::Absent;
                    self.touched.insert(*id);
                }
            }
        }
    }

    /// After the whole truth was told: what we thought present and is not was lost.
    fn compare_everything(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let mut lost = Vec::new();
        for slot in self.slots.values_mut() {
            for spot in &mut slot.spots {
                match (spot.held, spot.at) {
                    (Held::Present(_), Some(at)) if self.facts.link(at).is_none() => {
                        spot.held = Held::Absent;
                        spot.at = None;
                        self.touched.insert(slot.id);
                    }
                    (Held::Present(_), Some(at)) if !self.facts.has_address(at, spot.address.address) => {
                        lost.push((at, spot.address.address));
                    }
                    _ => {}
                }
            }
        }
        for (interface, address) in lost {
            self.lose_address(now, interface, address, None, effects);
        }
        let marked: Vec<Address> = self.facts.all_addresses().filter(|a| a.marked).cloned().collect();
        marked.iter().for_each(|address| self.notice_address(address));
    }

    /// Somebody removed one of our addresses: it is set again at the end of this turn, unless it is a fight.
    fn lose_address(
        &mut self,
        now: Instant,
        interface: InterfaceIndex,
        address: IpAddr,
        by: Option<alloc::string::String>,
        effects: &mut Vec<Effect>,
    ) {
        for id in self.by_address.get(&address).cloned().unwrap_or_default() {
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            let Some(spot) = slot.spots.iter_mut().find(|spot| spot.is_at(interface, address)) else {
                continue;
            };
            match spot.held {
                Held::Adding { epoch, .. } => spot.held = Held::Adding { epoch, lost: true },
                Held::Present(_) => {
                    spot.held = Held::Absent;
                    self.touched.insert(id);
                    // A link that went down takes its IPv6 addresses along: that is no theft.
                    let standing = self.facts.link(interface).is_some_and(|link| link.up);
                    if slot.router.role() == Role::Active && standing {
                        slot.counters.lost_addresses += 1;
                        slot.holding = false;
                        let wait = slot.removals.note(now);
                        slot.repair_at = (!wait.is_zero()).then(|| now + wait);
                        self.schedule.arm(slot, Instant::EPOCH);
                        let instance = slot.instance.name.clone();
                        let interface = self.facts.name_of(interface);
                        let by = by.clone();
                        effects.push(report(Event::AddressLost { instance, address, interface, by, wait }));
                    }
                }
                Held::Absent | Held::Removing { .. } | Held::Refused { .. } => {}
            }
        }
    }

    pub(super) fn excuse_all(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let ids: Vec<RouterId> = self.slots.keys().copied().collect();
        for id in ids {
            self.drive(now, id, vrrp::Input::Deaf, effects);
        }
    }
}

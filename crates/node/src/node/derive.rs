//! What must be held, derived once at the end of a turn and compared with what is held; and what became of it.

use super::{NOBODY, Node, report};
use crate::egress::announcement;
use crate::event::Event;
use crate::facts::Facts;
use crate::held::{Held, Spot, Step};
use crate::io::{Act, Announcement, Effect, Hold, Order, Outcome, Placed, RouterId, Settled};
use crate::slot::{RETRY_ONE, Slot};
use alloc::sync::Arc;
use alloc::vec::Vec;
use timeline::{Duration, Instant};
use vrrp::Role;
use wire::Family;

impl Node {
    pub(super) fn derive(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.touched.is_empty() {
            return;
        }
        for id in core::mem::take(&mut self.touched) {
            if id == NOBODY {
                self.remove_leftovers(effects);
            } else if self.stopping != Some(Order::Abandon) {
                self.derive_one(now, id, effects);
            }
        }
    }

    fn derive_one(&mut self, now: Instant, id: RouterId, effects: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let active = slot.router.role() == Role::Active;
        let leftovers = slot.has_leftovers();
        let paused = slot.repair_at.is_some_and(|until| now < until);
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for spot in &mut slot.spots {
            let here = self.facts.link_named(&spot.device).map(|link| link.index);
            // Its interface was replaced: what is on the old one goes, and it starts anew on the new one.
            if spot.at != here {
                if spot.step(false, now) == Step::Remove {
                    remove.extend(spot.placed());
                }
                spot.held = Held::Absent;
                spot.at = here;
            }
            // A refusal counts for one activation; the next one tries anew.
            if !active && matches!(spot.held, Held::Refused { .. }) {
                spot.held = Held::Absent;
            }
            match spot.step(active && here.is_some(), now) {
                Step::Add if !paused => {
                    spot.held = Held::Adding { epoch: self.epoch + 1, lost: false };
                    add.extend(spot.placed());
                }
                Step::Remove => {
                    spot.held = Held::Removing { epoch: self.epoch + 1 };
                    remove.extend(spot.placed());
                }
                Step::Nothing | Step::Add => {}
            }
        }
        let rounds = core::mem::take(&mut slot.rounds);
        if add.is_empty() && remove.is_empty() && (rounds == 0 || !active) {
            return;
        }
        self.epoch += 1;
        let epoch = self.epoch;
        let hold = |act| Effect::Hold(Hold { router: id, epoch, act });
        if !remove.is_empty() {
            slot.holding = false;
            for (at, placed) in remove.iter().map(|p| (p.interface, p)) {
                self.facts.remove_address(at, placed.address.address);
            }
            effects.push(hold(Act::Remove { addresses: remove.into(), all: leftovers }));
        }
        let facts = &self.facts;
        if !add.is_empty() {
            slot.holding = false;
            let announcements = add.iter().filter_map(|placed| announce(facts, placed)).collect::<Arc<[_]>>();
            effects.push(hold(Act::Add { addresses: add.into(), announcements: announcements.clone() }));
            // The hand sends the first round with each batch.
            if rounds > 1 && announcements.len() == slot.spots.len() {
                let gap = pause(slot);
                effects.push(hold(Act::Announce { announcements, rounds: rounds - 1, gap }));
                return;
            }
        }
        if active && rounds > 0 {
            let placed = slot.spots.iter().filter_map(Spot::placed).collect::<Vec<_>>();
            let announcements =
                placed.iter().filter_map(|placed| announce(facts, placed)).collect::<Arc<[_]>>();
            effects.push(hold(Act::Announce { announcements, rounds, gap: pause(slot) }));
        }
    }

    /// Marked addresses that no instance here has a place for: an earlier run left them.
    fn remove_leftovers(&mut self, effects: &mut Vec<Effect>) {
        let mut placed = Vec::new();
        for address in self.facts.all_addresses().filter(|a| a.marked) {
            let ours = self.by_address.get(&address.address).into_iter().flatten().any(|id| {
                let spots = self.slots.get(id).map(|slot| slot.spots.as_slice()).unwrap_or_default();
                spots.iter().any(|spot| spot.is_at(address.interface, address.address))
            });
            if !ours {
                let mut virtual_address = model::VirtualAddress::host(address.address);
                virtual_address.prefix = address.prefix;
                placed.push(Placed { interface: address.interface, address: virtual_address });
            }
        }
        for gone in &placed {
            let (address, interface) = (gone.address.address, self.facts.name_of(gone.interface));
            self.facts.remove_address(gone.interface, address);
            effects.push(report(Event::LeftoverRemoved { address, interface }));
        }
        if !placed.is_empty() {
            self.epoch += 1;
            let act = Act::Remove { addresses: placed.into(), all: true };
            effects.push(Effect::Hold(Hold { router: NOBODY, epoch: self.epoch, act }));
        }
    }

    pub(super) fn settle(&mut self, now: Instant, outcome: &Outcome, effects: &mut Vec<Effect>) {
        if self.departing.get(&outcome.router) == Some(&outcome.epoch) {
            self.departing.remove(&outcome.router);
        }
        let id = outcome.router;
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let mut refused = Vec::new();
        for (interface, address, settled) in &outcome.results {
            let Some(spot) = slot.spots.iter_mut().find(|spot| spot.is_at(*interface, *address)) else {
                continue;
            };
            if !spot.settle(outcome.epoch, *settled, now + RETRY_ONE) {
                continue;
            }
            let (instance, name) = (slot.instance.name.clone(), self.facts.name_of(*interface));
            match settled {
                Settled::Adopted => {
                    effects.push(report(Event::AddressAdopted {
                        instance,
                        address: *address,
                        interface: name,
                    }));
                }
                Settled::Refused(errno) => refused.push((*address, name, *errno)),
                Settled::Added | Settled::Removed | Settled::NotOurs | Settled::Superseded => {}
            }
            if matches!(spot.held, Held::Absent) {
                self.touched.insert(id);
            }
        }
        let active = slot.router.role() == Role::Active;
        let mut wait = RETRY_ONE;
        if active && let Some(errno) = slot.refused_altogether() {
            wait = slot.refusal.note(now, errno);
            self.dirty.insert(id);
        } else if active && !slot.spots.is_empty() && slot.all_present() && !slot.holding {
            slot.holding = true;
            slot.refusal.forgive();
            let (instance, addresses) = (slot.instance.name.clone(), slot.spots.len());
            effects.push(report(Event::Holding { instance, addresses }));
        }
        for (address, interface, errno) in refused {
            let instance = slot.instance.name.clone();
            effects.push(report(Event::AddressRefused { instance, address, interface, errno, wait }));
        }
        self.schedule.arm(slot, Instant::EPOCH);
    }
}

fn pause(slot: &Slot) -> Duration {
    match slot.instance.settings.family {
        Family::V4 => slot.instance.arp_gap,
        Family::V6 => slot.instance.na_gap,
    }
}

fn announce(facts: &Facts, placed: &Placed) -> Option<Announcement> {
    let link = facts.link(placed.interface)?;
    let link_local = facts.source(link.index, Family::V6, |_| false);
    Some(announcement(placed, link.mac, link_local, link.forwards_ipv6))
}

//! What must be held, derived once at the end of a turn and compared with what is held; and what became of it.

use super::departing::{Gone, fence};
use super::fixtures::FIXTURES;
use super::{NOBODY, Node, report};
use crate::egress::announcement;
use crate::event::{Event, Fault};
use crate::facts::Facts;
use crate::held::{Held, Spot, Step, Whose};
use crate::io::{Act, Announcement, Effect, Hold, Outcome, Placed, RouterId, Settled};
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
        // One by one: a router may leave an address to another, or to nobody, which is then looked at (again).
        loop {
            // First what is nobody's: it may stand in the way of what is somebody's.
            if self.touched.remove(&NOBODY) {
                self.remove_leftovers(effects);
            }
            let Some(id) = self.touched.pop_first() else { return };
            if id == FIXTURES {
                self.derive_fixtures(now, effects);
            } else {
                self.derive_one(now, id, effects);
            }
        }
    }

    /// Leaves an address that a router must not hold any more to another one that is Active and wants it in the
    /// same place, or to a static one there; false if there is none.
    pub(super) fn leave_to_another(&mut self, id: RouterId, spot: &Spot) -> bool {
        let fixed = if self.stopping.is_none() { self.fixtures.same_place(spot) } else { None };
        if let Some(its) = fixed.filter(|_| id != FIXTURES)
            && let Some(taken) = leave(spot, its)
        {
            if taken {
                self.touched.insert(FIXTURES);
            }
            return true;
        }
        let others = self.by_address.ids(spot.address.address);
        for other in others.filter(|other| **other != id) {
            let Some(slot) = self.slots.get_mut(other) else { continue };
            if slot.router.role() != Role::Active {
                continue;
            }
            let Some(its) = slot.spots.iter_mut().find(|its| its.is_same_place(spot)) else { continue };
            if let Some(taken) = leave(spot, its) {
                if taken {
                    self.touched.insert(*other);
                }
                return true;
            }
        }
        false
    }

    /// What the router of this instance must not hold any more and another may keep.
    fn leave_what_others_want(&mut self, id: RouterId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if slot.router.role() == Role::Active {
            return;
        }
        let mut spots = core::mem::take(&mut slot.spots);
        for spot in &mut spots {
            if spot.step(false, Instant::NEVER) == Step::Remove && self.leave_to_another(id, spot) {
                spot.held = Held::Absent;
            }
        }
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.spots = spots;
        }
    }

    /// What is to be set and what is to go under the next epoch, of the addresses of one router or of the static ones.
    pub(super) fn compare(
        &mut self,
        now: Instant,
        id: RouterId,
        spots: &mut [Spot],
        wanted: bool,
    ) -> (Vec<Placed>, Gone) {
        let epoch = self.epoch + 1;
        let (mut add, mut gone) = (Vec::new(), Gone::default());
        for spot in spots {
            let here = self.facts.link_named(&spot.device).map(|link| link.index);
            // Its interface was replaced: what is on the old one goes, and it starts anew on the new one.
            if spot.at != here {
                let placed = spot.placed();
                if let Held::Removing { epoch, .. } = spot.held {
                    self.departing.note(id, epoch, placed.iter());
                } else if spot.step(false, Instant::NEVER) == Step::Remove {
                    self.departing.note(id, epoch, placed.iter());
                    gone.take(spot);
                } else if placed.is_some_and(|placed| self.facts.is_marked(placed.place())) {
                    // It was thought lost, and is there.
                    self.touched.insert(NOBODY);
                }
                spot.held = Held::Absent;
                spot.at = here;
            }
            // A refusal or a fight counts for one activation; the next one tries anew.
            if !wanted && matches!(spot.held, Held::Refused { .. } | Held::Lost { .. }) {
                spot.held = Held::Absent;
            }
            match spot.step(wanted && here.is_some(), now) {
                Step::Add => {
                    spot.held = Held::Adding { epoch, lost: None };
                    add.extend(spot.placed());
                }
                Step::Remove => {
                    let whose = spot.whose();
                    gone.take(spot);
                    spot.held = Held::Removing { epoch, whose };
                }
                Step::Nothing => {}
            }
        }
        (add, gone)
    }

    fn derive_one(&mut self, now: Instant, id: RouterId, effects: &mut Vec<Effect>) {
        self.leave_what_others_want(id);
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let active = slot.router.role() == Role::Active;
        let epoch = self.epoch + 1;
        let mut spots = core::mem::take(&mut slot.spots);
        let (add, gone) = self.compare(now, id, &mut spots, active);
        self.tell_leftovers(&gone, effects);
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.spots = spots;
        let mut rounds = core::mem::take(&mut slot.rounds);
        // To remove one of its addresses takes back what was asked for before: of those that stay, some may be set and not be
        // announced yet.
        let is_adding = |spot: &Spot| matches!(spot.held, Held::Adding { epoch: asked, .. } if asked < epoch);
        let owes = active && !gone.is_empty() && slot.spots.iter().any(is_adding);
        // What was asked for must not go on, and must not happen late: even if there is nothing to remove.
        let stop = !active && core::mem::take(&mut slot.asked);
        if !(add.is_empty() && gone.is_empty() && (rounds == 0 || !active) && !stop) {
            self.epoch = epoch;
        }
        // Before anything is set: no packet shall slip in.
        slot.close(self.epoch, effects);
        slot.holding &= add.is_empty() && gone.is_empty();
        slot.asked |= !add.is_empty() || (active && rounds > 0) || owes;
        if stop && gone.is_empty() {
            effects.push(fence(id, epoch));
        }
        gone.ask(id, epoch, &mut self.facts, effects);
        let facts = &self.facts;
        let hold = |act| Effect::Hold(Hold { router: id, epoch, act });
        if !add.is_empty() {
            let announcements = add.iter().filter_map(|placed| announce(facts, placed)).collect::<Arc<[_]>>();
            // Set while Active already (a reload, a repair): nothing is owed, but these have to become known.
            let more = if rounds == 0 { slot.instance.settings.announce.repeat.saturating_sub(1) } else { 0 };
            // The hand sends the first round with each batch.
            if announcements.len() == slot.spots.len() {
                rounds = rounds.saturating_sub(1);
            }
            effects.push(hold(Act::Add { addresses: add.into(), announcements: announcements.clone() }));
            if active && more > 0 && !announcements.is_empty() {
                effects.push(hold(Act::Announce { announcements, rounds: more, gap: pause(slot) }));
            }
        }
        rounds = rounds.max(u32::from(owes));
        if active && rounds > 0 {
            let there = slot.spots.iter().filter(|spot| spot.is_announceable()).filter_map(Spot::placed);
            let announcements = there.filter_map(|placed| announce(facts, &placed)).collect::<Arc<[_]>>();
            if !announcements.is_empty() {
                effects.push(hold(Act::Announce { announcements, rounds, gap: pause(slot) }));
            }
        }
        note_holding(slot, effects);
        slot.note_aside();
        self.schedule.arm(slot, Instant::EPOCH);
    }

    /// Marked addresses that no instance here has a place for: an earlier run left them.
    fn remove_leftovers(&mut self, effects: &mut Vec<Effect>) {
        let mut gone = Gone::default();
        for address in self.facts.marked() {
            let ours = self.by_address.ids(address.address).any(|id| {
                let spots = self.slots.get(id).map(|slot| slot.spots.as_slice()).unwrap_or_default();
                spots.iter().any(|spot| spot.is_at(address.place()))
            });
            let fixed = self.fixtures.is_at(address.place());
            if !ours && !fixed && !self.departing.contains(address.place()) {
                let mut virtual_address = model::VirtualAddress::host(address.address);
                virtual_address.prefix = address.prefix;
                gone.take_leftover(Placed { interface: address.interface, address: virtual_address });
            }
        }
        if gone.is_empty() {
            return;
        }
        self.tell_leftovers(&gone, effects);
        self.epoch += 1;
        self.departing.note(NOBODY, self.epoch, gone.all());
        gone.ask(NOBODY, self.epoch, &mut self.facts, effects);
    }

    pub(super) fn settle(&mut self, now: Instant, outcome: &Outcome, effects: &mut Vec<Effect>) {
        self.settle_departed(outcome, effects);
        let id = outcome.router;
        if id == FIXTURES {
            return self.settle_fixtures(now, outcome, effects);
        }
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let mut refused = Vec::new();
        let mut from = 0;
        for (place, settled) in &outcome.results {
            // The results come in the order of the addresses, more or less: look onward from the last one.
            let count = slot.spots.len();
            let (before, after) = slot.spots.split_at_mut(from);
            let mut spots = after.iter_mut().chain(before).zip(from..);
            let Some((spot, at)) = spots.find(|(spot, _)| spot.is_at(*place)) else { continue };
            from = (at + 1) % count;
            let adding = matches!(spot.held, Held::Adding { .. });
            let news = spot.settle(outcome.epoch, *settled, now + RETRY_ONE);
            let absent = matches!(spot.held, Held::Absent | Held::Lost { .. });
            if !news {
                continue;
            }
            let (instance, address, interface) =
                (slot.instance.name.clone(), place.address, self.facts.name_of(place.interface));
            match settled {
                Settled::Adopted => {
                    effects.push(report(Event::AddressAdopted { instance, address, interface }));
                }
                Settled::Refused(errno) if adding => refused.push((address, interface, *errno)),
                Settled::Refused(errno) => {
                    effects.push(report(Event::AddressStays { address, interface, errno: *errno }));
                }
                Settled::Added | Settled::Removed | Settled::NotOurs | Settled::Superseded => {}
            }
            if absent {
                self.touched.insert(id);
            }
        }
        let mut wait = RETRY_ONE;
        if slot.router.role() == Role::Active
            && !refused.is_empty()
            && let Some(errno) = slot.refused_altogether()
        {
            wait = slot.refusal.note(now, Fault::AddressRefused(errno));
            self.dirty.insert(id);
        }
        for (address, interface, errno) in refused {
            let instance = slot.instance.name.clone();
            effects.push(report(Event::AddressRefused { instance, address, interface, errno, wait }));
        }
        note_holding(slot, effects);
        slot.note_aside();
        self.schedule.arm(slot, Instant::EPOCH);
    }

    /// What became of addresses that no router has a place for any more.
    fn settle_departed(&mut self, outcome: &Outcome, effects: &mut Vec<Effect>) {
        let departed = self.departing.settle(outcome);
        for ((place, settled), _) in outcome.results.iter().zip(departed).filter(|(_, is)| *is) {
            match settled {
                Settled::Refused(errno) => {
                    let (address, interface) = (place.address, self.facts.name_of(place.interface));
                    effects.push(report(Event::AddressStays { address, interface, errno: *errno }));
                }
                // We may have been told that it was there after we had asked for its end.
                Settled::Removed => self.facts.remove_marked(*place),
                Settled::Added | Settled::Adopted | Settled::NotOurs | Settled::Superseded => {}
            }
        }
    }
}

/// Leaves what one must not hold any more to another that wants it in the same place: whether that one has got it by
/// this, or had it already; `None`: there is nothing to leave.
const fn leave(spot: &Spot, its: &mut Spot) -> Option<bool> {
    match (spot.held, its.held) {
        (_, Held::Adding { .. } | Held::Present(Whose::Ours | Whose::Leftover)) => Some(false),
        (Held::Present(whose) | Held::Stays { whose, .. }, _) => {
            (its.at, its.held) = (spot.at, Held::Present(whose));
            Some(true)
        }
        (
            Held::Absent
            | Held::Adding { .. }
            | Held::Removing { .. }
            | Held::Lost { .. }
            | Held::Refused { .. },
            _,
        ) => None,
    }
}

/// Says once for each activation that all addresses are in place.
fn note_holding(slot: &mut Slot, effects: &mut Vec<Effect>) {
    let active = slot.router.role() == Role::Active;
    if !active || slot.holding || slot.spots.is_empty() || !slot.all_present() {
        return;
    }
    slot.holding = true;
    // Setting an address is no proof that it will be left alone.
    if !slot.spots.iter().any(|spot| spot.removals.is_fight()) {
        slot.refusal.forgive();
    }
    let (instance, addresses) = (slot.instance.name.clone(), slot.spots.len());
    effects.push(report(Event::Holding { instance, addresses }));
}

fn pause(slot: &Slot) -> Duration {
    match slot.instance.settings.family {
        Family::V4 => slot.instance.gaps.arp,
        Family::V6 => slot.instance.gaps.na,
    }
}

fn announce(facts: &Facts, placed: &Placed) -> Option<Announcement> {
    let link = facts.link(placed.interface)?;
    let link_local = facts.source(link.index, Family::V6, |_| false);
    Some(announcement(placed, link.mac, link_local, link.forwards_ipv6))
}

//! Facts come in: what the kernel tells about interfaces and addresses, and what follows from it.

use super::fixtures::FIXTURES;
use super::{NOBODY, Node, report};
use crate::event::{Event, Fault};
use crate::facts::News;
use crate::held::{Held, Spot, Whose};
use crate::io::{Actor, Address, Effect, Fact, InterfaceIndex, Place, RouterId};
use crate::slot::Slot;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Authentication, Replay};
use timeline::{Duration, Instant, Machine};
use vrrp::Role;

/// An address that somebody removed.
#[derive(Debug)]
pub(super) struct Loss {
    id: RouterId,
    place: Place,
    by: Option<String>,
}

impl Node {
    pub(super) fn learn(&mut self, now: Instant, fact: Fact, effects: &mut Vec<Effect>) {
        match fact {
            Fact::Link(link) => {
                let before = self.facts.link(link.index).map(|old| old.name.clone());
                let name = link.name.clone();
                let news = self.facts.set_link(link);
                if news != News::Nothing {
                    self.dirty_devices.insert(name);
                    self.dirty_devices.extend(before);
                }
                self.by_wire_stale |= news == News::Name;
            }
            Fact::LinkGone(index) => {
                let name = self.facts.name_of(index);
                if self.facts.remove_link(index) {
                    self.forget_interface(index);
                    self.dirty_devices.insert(name);
                    self.by_wire_stale = true;
                }
            }
            Fact::Address(address) => {
                if self.facts.set_address(address.clone()) {
                    self.notice_address(&address);
                }
            }
            Fact::AddressGone { place, by: Actor::Other(who) } => {
                self.facts.remove_address(place);
                self.lose_address(now, place, who);
                self.dirty_devices.insert(self.facts.name_of(place.interface));
            }
            Fact::AddressGone { place, by: Actor::Ourselves } => {
                self.facts.remove_marked(place);
                self.forget_leftover(place);
            }
            Fact::Everything { links, addresses } => {
                self.facts.replace(links, addresses);
                self.dirty.extend(self.slots.ids());
                self.dirty_groups.extend(0..self.groups.len());
                self.dirty_devices.extend(self.trackers.links.keys().cloned());
                self.by_wire_stale = true;
                self.compare_everything(now);
            }
            Fact::Deaf => self.excuse_all(now, effects),
            Fact::NoSocket { family, sealed, vrf, why } => {
                if self.facts.set_no_socket((family, sealed, vrf), why) {
                    self.dirty.extend(self.slots.ids());
                }
            }
            Fact::NotJoined { interface, group, why } => {
                if self.facts.set_not_joined(interface, group, why) {
                    self.dirty_devices.insert(self.facts.name_of(interface));
                }
            }
            Fact::WallClock(ahead) => self.set_clock(ahead, effects),
            Fact::File { name, value } => self.trackers.set_file(now, &name, value, effects),
            Fact::Filter(filtering) => self.learn_filter(now, filtering, effects),
            Fact::Processes { name, count } => self.trackers.set_processes(now, &name, count, effects),
            Fact::Bfd { name, reach } => self.trackers.set_neighbor(now, &name, reach, effects),
        }
    }

    /// Addresses on an interface that vanished are gone without a trace.
    fn forget_interface(&mut self, index: InterfaceIndex) {
        self.departing.forget_interface(index);
        self.fixtures.forget_interface(index);
        for slot in self.slots.values_mut() {
            for spot in slot.spots.iter_mut().filter(|spot| spot.at == Some(index)) {
                spot.held = Held::Absent;
                spot.at = None;
                // What was refused there says nothing about the next interface of that name.
                slot.refusal.forgive();
                self.touched.insert(slot.id);
            }
            slot.note_aside();
        }
    }

    /// An address that we did not know is there: a source address, or one that an earlier run left.
    pub(super) fn notice_address(&mut self, address: &Address) {
        if !address.marked {
            self.dirty_devices.insert(self.facts.name_of(address.interface));
        }
        let mut known = self.departing.contains(address.place());
        if self.fixtures.notice(address, &self.facts.name_of(address.interface)) {
            known = true;
            self.touched.insert(FIXTURES);
        }
        // It is no leftover if it is one of ours, under way or there, for whichever instance.
        let ids = || self.by_address.ids(address.address);
        let mut spots = ids().filter_map(|id| self.slots.get(id)).flat_map(|slot| &slot.spots);
        let mut claimed =
            address.marked && spots.any(|spot| spot.is_at(address.place()) && spot.is_claimed());
        for id in ids() {
            let Some(slot) = self.slots.get_mut(id) else { continue };
            for spot in slot.spots.iter_mut().filter(|spot| spot.address.address == address.address) {
                let here = self.facts.link_named(&spot.device).is_some_and(|l| l.index == address.interface);
                let here = here && spot.address.prefix == address.prefix;
                known |= here;
                // The interface may have another name by now.
                if let Held::Adding { lost, .. } = &mut spot.held
                    && spot.at == Some(address.interface)
                    && spot.address.prefix == address.prefix
                {
                    // It is there again: what was removed was another one, before ours was set.
                    *lost = None;
                }
                if !here {
                    continue;
                }
                if address.marked && !claimed && matches!(spot.held, Held::Absent | Held::Lost { .. }) {
                    claimed = true;
                    spot.at = Some(address.interface);
                    spot.held = Held::Present(Whose::Leftover);
                    self.touched.insert(*id);
                }
            }
        }
        if !known && address.marked {
            self.touched.insert(NOBODY);
        }
    }

    /// What looked like a leftover was our own, already on its way out when we were told of it.
    fn forget_leftover(&mut self, place: Place) {
        if self.fixtures.forget_leftover(place) {
            self.touched.insert(FIXTURES);
        }
        for id in self.by_address.ids(place.address) {
            let Some(slot) = self.slots.get_mut(id) else { continue };
            for spot in slot.spots.iter_mut().filter(|spot| spot.is_at(place)) {
                if spot.held == Held::Present(Whose::Leftover) {
                    spot.held = Held::Absent;
                    self.touched.insert(*id);
                }
            }
        }
    }

    /// After the whole truth was told: what we thought present and is not was lost.
    fn compare_everything(&mut self, now: Instant) {
        let mut lost = Vec::new();
        let fixed = self.fixtures.spots.iter_mut().map(|spot| (FIXTURES, spot));
        let moving = self.slots.values_mut().flat_map(|slot| {
            let id = slot.id;
            slot.spots.iter_mut().map(move |spot| (id, spot))
        });
        for (id, spot) in moving.chain(fixed) {
            let Some(place) = spot.place() else { continue };
            let is_there = self.facts.is_taken(place);
            if self.facts.link(place.interface).is_none() {
                spot.held = Held::Absent;
                spot.at = None;
                self.touched.insert(id);
            } else if let Held::Adding { lost, .. } = &mut spot.held {
                // Not set yet, or set and taken away unseen: when it is done, do it once more, which does no harm.
                *lost = (!is_there).then_some(now);
            } else if matches!(spot.held, Held::Present(_)) && !is_there {
                lost.push(place);
            }
        }
        for place in lost {
            self.lose_address(now, place, None);
        }
        let marked: Vec<Address> = self.facts.marked().cloned().collect();
        marked.iter().for_each(|address| self.notice_address(address));
    }

    /// Somebody removed one of our addresses: it is set again at the end of this turn, unless it is a fight.
    fn lose_address(&mut self, now: Instant, lost: Place, by: Option<String>) {
        if let Some(place) = self.fixtures.lose(lost, now) {
            self.touched.insert(FIXTURES);
            self.losses.push(Loss { id: FIXTURES, place, by: by.clone() });
        }
        for id in self.by_address.ids(lost.address) {
            let Some(slot) = self.slots.get_mut(id) else { continue };
            // What somebody else had set may have had another prefix.
            let is_lost = |spot: &&mut Spot| spot.place().is_some_and(|place| place.excludes(&lost));
            let Some(spot) = slot.spots.iter_mut().find(is_lost) else { continue };
            let Some(place) = spot.place() else { continue };
            match spot.held {
                Held::Adding { epoch, .. } => spot.held = Held::Adding { epoch, lost: Some(now) },
                Held::Present(_) => spot.held = Held::Lost { again_at: now },
                Held::Stays { .. } => spot.held = Held::Absent,
                Held::Absent | Held::Removing { .. } | Held::Lost { .. } | Held::Refused { .. } => continue,
            }
            self.touched.insert(*id);
            self.losses.push(Loss { id: *id, place, by: by.clone() });
        }
    }

    /// Tells what was taken away in this turn, and resigns if it is a fight, now that all facts are in: a link
    /// that goes down takes its IPv6 addresses along, and says so only after them. That is no theft.
    pub(super) fn mourn(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for Loss { id, place, by } in core::mem::take(&mut self.losses) {
            if id == FIXTURES {
                self.mourn_fixture(now, place, by, effects);
                continue;
            }
            let Place { interface, address, .. } = place;
            let standing = self.facts.link(interface).is_some_and(|link| link.up);
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            if slot.router.role() != Role::Active {
                continue;
            }
            let Some(spot) = slot.spots.iter_mut().find(|spot| spot.is_at(place)) else { continue };
            let (Held::Lost { again_at: again } | Held::Adding { lost: Some(again), .. }) = &mut spot.held
            else {
                continue;
            };
            *again = now;
            let fight = spot.removals.note(slot.since, now);
            // A link takes its addresses along once; whoever takes them again and again is not the link.
            if !standing && !fight {
                continue;
            }
            let mut wait = Duration::ZERO;
            if fight {
                // Nobody would hold it while we wait: better another router does.
                wait = match &slot.refusal.until {
                    Some(refused) => refused.0.since(now),
                    None => {
                        let (interface, by) = (spot.device.clone(), by.clone());
                        let wait =
                            slot.refusal.note(now, Fault::AddressKeepsVanishing { address, interface, by });
                        slot.note_aside();
                        wait
                    }
                };
                self.dirty.insert(id);
            } else if slot.holding && !slot.spots.iter().any(|spot| spot.removals.is_fight()) {
                slot.refusal.forgive();
                slot.note_aside();
            }
            slot.counters.incidents.lost_addresses += 1;
            slot.holding = false;
            let (instance, interface) = (slot.instance.name.clone(), self.facts.name_of(interface));
            effects.push(report(Event::AddressLost { instance, address, interface, by, wait }));
        }
        self.judge_dirty(now, effects);
    }

    /// The wall clock was set, or adjusted: see [`crate::dial`].
    fn set_clock(&mut self, ahead: i128, effects: &mut Vec<Effect>) {
        let Some(step) = self.dial.tell(ahead) else { return };
        let is_signed = |slot: &Slot| match &slot.instance.authentication {
            Authentication::Keyed(ring) => ring.replay == Replay::Time,
            Authentication::None | Authentication::Password(_) | Authentication::Header(_) => false,
        };
        if self.slots.values().any(is_signed) {
            let millis =
                i64::try_from(step / 1_000_000).unwrap_or(if step < 0 { i64::MIN } else { i64::MAX });
            effects.push(report(Event::ClockSet { millis }));
        }
    }

    /// Another router goes by the wall clock as it is now.
    pub(super) fn follow_clock(&mut self, source: IpAddr, effects: &mut Vec<Effect>) {
        if self.dial.follow() {
            effects.push(report(Event::ClockFollowed { source }));
        }
    }

    /// Once for each silence: a flood that makes us deaf for ever must not keep a backup from taking over.
    fn excuse_all(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let ids: Vec<RouterId> =
            self.slots.values().filter(|slot| !slot.excused).map(|slot| slot.id).collect();
        for id in ids {
            let before = self.slots.get(&id).and_then(|slot| slot.router.deadline());
            self.drive(now, id, vrrp::Input::Deaf, effects);
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.excused = slot.router.deadline() != before;
            }
        }
    }
}

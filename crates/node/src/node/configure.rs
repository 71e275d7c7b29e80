//! A configuration comes in: old and new instances compared, and only what changed is touched.

use super::{Node, report};
use crate::event::Event;
use crate::held::{Held, Spot, Step, Whose};
use crate::io::{Act, Address, Effect, Hold, Placed, RouterId};
use crate::slot::Slot;
use crate::verdict::judge;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use model::{Change, Host, Transport};
use timeline::Instant;
use vrrp::Manner;

impl Node {
    pub(super) fn configure(&mut self, now: Instant, host: Host, effects: &mut Vec<Effect>) {
        let old = core::mem::take(&mut self.host);
        let first = self.slots.is_empty() && old.instances.is_empty();
        if first && !host.startup_delay.is_zero() {
            self.ready_at = Some(now + host.startup_delay);
        }
        let ids: BTreeMap<model::Identity, RouterId> =
            self.slots.values().map(|slot| (slot.instance.identity(), slot.id)).collect();
        let (mut added, mut removed, mut altered) = (0, 0, 0);
        let groups_moved = (old.group_v4, old.group_v6) != (host.group_v4, host.group_v6);
        for change in model::changes(&old, &host) {
            match change {
                Change::Removed(instance) => {
                    removed += 1;
                    if let Some(id) = ids.get(&instance.identity()) {
                        self.retire(now, *id, effects);
                    }
                }
                Change::Kept(instance) => {
                    if let Some(slot) = ids.get(&instance.identity()).and_then(|id| self.slots.get_mut(id))
                        && groups_moved
                    {
                        slot.egress.forget();
                    }
                }
                Change::Altered { new, .. } => {
                    altered += 1;
                    if let Some(id) = ids.get(&new.identity()) {
                        self.alter(now, *id, new, effects);
                    }
                }
                Change::Added(instance) => {
                    added += 1;
                    let id = RouterId(self.next_id);
                    self.next_id += 1;
                    self.slots.insert(id, Slot::new(id, instance.clone(), now));
                    self.dirty.insert(id);
                }
            }
        }
        let instances = host.instances.len();
        self.host = host;
        self.index();
        // Addresses that an earlier run left belong to the instances that are configured now.
        let marked: Vec<Address> = self.facts.all_addresses().filter(|a| a.marked).cloned().collect();
        marked.iter().for_each(|address| self.notice_address(address));
        effects.push(report(Event::Configured { instances, added, removed, altered }));
        self.judge_dirty(now, effects);
    }

    /// An instance is no longer configured: it resigns, and its addresses go.
    fn retire(&mut self, now: Instant, id: RouterId, effects: &mut Vec<Effect>) {
        self.drive(now, id, vrrp::Input::Shutdown(Manner::Stop), effects);
        if let Some(mut slot) = self.slots.remove(&id) {
            let gone = core::mem::take(&mut slot.spots);
            self.drop_spots(id, gone, effects);
        }
    }

    /// Same virtual router, other settings: whatever did not change is not touched.
    fn alter(&mut self, now: Instant, id: RouterId, new: &model::Instance, effects: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.instance = new.clone();
        let gone = slot.adopt_configuration();
        slot.holding = false;
        slot.repair_at = None;
        let by_address = &self.by_address;
        let refused = slot.refusal.until.map(|(_, errno)| errno);
        let verdict = judge(&self.facts, new, refused, |address| by_address.contains_key(&address));
        let settings = new.settings.clone();
        let input = vrrp::Input::Reconfigure { settings, priority: verdict.priority };
        // Keep the old place for the advert if the new one has none; the verdict follows at once.
        slot.verdict.place = verdict.place.or(slot.verdict.place);
        self.drop_spots(id, gone, effects);
        self.drive(now, id, input, effects);
        self.dirty.insert(id);
    }

    /// Removes what an instance no longer wants.
    fn drop_spots(&mut self, id: RouterId, spots: Vec<Spot>, effects: &mut Vec<Effect>) {
        let leftovers = spots.iter().any(|spot| spot.held == Held::Present(Whose::Leftover));
        let placed: Vec<Placed> = spots
            .iter()
            .filter(|spot| spot.step(false, Instant::EPOCH) == Step::Remove)
            .filter_map(Spot::placed)
            .collect();
        if placed.is_empty() {
            return;
        }
        self.epoch += 1;
        // The router may live on with other addresses; what is removed here is nobody's from now on.
        self.departing.insert(id, self.epoch);
        let act = Act::Remove { addresses: placed.into(), all: leftovers };
        effects.push(Effect::Hold(Hold { router: id, epoch: self.epoch, act }));
    }

    /// Rebuilds the look-ups that follow from the configuration.
    fn index(&mut self) {
        self.by_device.clear();
        self.by_address.clear();
        for slot in self.slots.values() {
            let instance = &slot.instance;
            let devices = core::iter::once(&instance.interface)
                .chain(instance.held_addresses().filter_map(|a| a.device.as_ref()))
                .chain(instance.track_interfaces.iter().map(|t| &t.interface));
            for device in devices {
                let ids = self.by_device.entry(device.clone()).or_default();
                if ids.last() != Some(&slot.id) {
                    ids.push(slot.id);
                }
            }
            for address in instance.held_addresses() {
                self.by_address.entry(address.address).or_default().push(slot.id);
            }
        }
        self.index_wire();
    }

    pub(super) fn index_wire(&mut self) {
        self.by_wire.clear();
        for slot in self.slots.values() {
            let instance = &slot.instance;
            if let Some(link) = self.facts.link_named(&instance.interface) {
                let unicast = matches!(instance.transport, Transport::Unicast { .. });
                let key = (link.index, instance.settings.vrid, instance.settings.family, unicast);
                self.by_wire.insert(key, slot.id);
            }
        }
    }
}

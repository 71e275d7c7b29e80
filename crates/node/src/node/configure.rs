//! A configuration comes in: old and new instances compared, and only what changed is touched.

use super::departing::{Gone, fence};
use super::fixtures::FIXTURES;
use super::group::{User, keys};
use super::wires::{Door, Way};
use super::{Node, report};
use crate::event::Event;
use crate::held::{Held, Spot, Step};
use crate::io::{Address, Effect, RouterId};
use crate::slot::Slot;
use crate::verdict::{Sight, Verdict, own};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use model::{Change, Home, Host, Instance, Rare, Transport};
use timeline::Instant;
use vrrp::Phase;

/// So many adverts may leave in one moment.
const BURST: usize = 64;

impl Node {
    pub(super) fn configure(&mut self, now: Instant, host: Host, effects: &mut Vec<Effect>) {
        // What resigns does so to the old groups, what stays speaks to the new ones.
        let (group_v4, group_v6) = (host.group_v4, host.group_v6);
        let groups = Host { group_v4: self.host.group_v4, group_v6: self.host.group_v6, ..Host::default() };
        let old = self.host();
        self.host = groups;
        let first = !core::mem::replace(&mut self.configured, true);
        let fixed_no_more = self.adopt_fixtures(&host.static_addresses);
        let inherited = self.inherited_scripts(&host);
        self.trackers.configure(now, &host, &inherited, effects);
        let mut estates = core::mem::take(&mut self.estates);
        // The clock began with the machine. Who goes on does not start.
        let ready_at = (now + host.startup_delay).max(Instant::EPOCH + host.boot_delay);
        if first && ready_at > now && estates.is_empty() {
            self.ready_at = Some(ready_at);
        }
        let ids: BTreeMap<model::Identity, RouterId> =
            self.slots.values().map(|slot| (slot.instance.identity(), slot.id)).collect();
        let (mut added, mut removed, mut altered) = (0, 0, 0);
        let groups_moved = (old.group_v4, old.group_v6) != (host.group_v4, host.group_v6);
        for change in model::changes(&old, &host) {
            if !matches!(change, Change::Removed(_)) {
                (self.host.group_v4, self.host.group_v6) = (group_v4, group_v6);
            }
            match change {
                Change::Removed(instance) => {
                    removed += 1;
                    if let Some(id) = ids.get(&instance.identity()) {
                        self.retire(now, *id, &host, effects);
                    }
                }
                Change::Kept(instance) => {
                    if let Some(slot) = ids.get(&instance.identity()).and_then(|id| self.slots.get_mut(id))
                        && groups_moved
                    {
                        slot.egress.forget();
                    }
                }
                Change::Altered { old, new } => {
                    altered += 1;
                    if let Some(id) = ids.get(&new.identity()) {
                        if groups_moved || !is_unmoved(old, new) {
                            self.alter(now, *id, new, effects);
                        } else if let Some(slot) = self.slots.get_mut(id) {
                            slot.adopt_instance(new.clone());
                            self.dirty.insert(*id);
                            self.touched.insert(*id);
                        }
                    }
                }
                Change::Added(instance) => {
                    added += 1;
                    let id = RouterId(self.next_id);
                    self.next_id += 1;
                    let mut slot = Slot::new(id, instance.clone(), now);
                    if let Some(estate) = estates.remove(&instance.identity()) {
                        slot.inherit(&estate);
                    }
                    self.slots.insert(Box::new(slot));
                    self.dirty.insert(id);
                }
            }
        }
        // Members of track_groups go by other interfaces now.
        if (&old.static_addresses, &old.track_groups) != (&host.static_addresses, &host.track_groups) {
            self.dirty.extend(self.slots.ids());
        }
        let instances = host.instances.len();
        self.herald.configure(&host);
        self.dial.configure(&host);
        self.adopt(host);
        self.index();
        self.form_groups(now);
        self.drop_spots(FIXTURES, fixed_no_more, false, effects);
        self.dirty_devices.extend(self.trackers.links.keys().cloned());
        // Addresses that an earlier run left belong to the instances that are configured now.
        let marked: Vec<Address> = self.facts.marked().cloned().collect();
        marked.iter().for_each(|address| self.notice_address(address));
        effects.push(report(Event::Configured { instances, added, removed, altered }));
        self.judge_dirty(now, effects);
        // Who could not go on at once starts as any other.
        self.slots.values_mut().for_each(|slot| slot.decline());
        self.unite_groups(now, effects);
        if !first && self.host.notify.states_on_reload {
            self.repeat_states(effects);
        }
    }

    /// The scripts that somebody tracks who goes on in the place of another, alone or in a group.
    fn inherited_scripts(&self, host: &Host) -> BTreeSet<Arc<str>> {
        let heirs: BTreeMap<&Arc<str>, &Instance> = host
            .instances
            .iter()
            .filter(|instance| self.estates.contains_key(&instance.identity()))
            .map(|instance| (&instance.name, instance))
            .collect();
        let groups =
            host.groups.iter().filter(|group| group.members.iter().any(|name| heirs.contains_key(name)));
        let tracking =
            heirs.values().map(|instance| &instance.tracking).chain(groups.map(|group| &group.tracking));
        tracking.flat_map(|tracking| &tracking.scripts).map(|tracked| tracked.name.clone()).collect()
    }

    /// All instances have their slots.
    fn adopt(&mut self, host: Host) {
        let ids: BTreeMap<model::Identity, RouterId> =
            self.slots.values().map(|slot| (slot.instance.identity(), slot.id)).collect();
        self.order = host.instances.iter().filter_map(|i| ids.get(&i.identity()).copied()).collect();
        self.host = Host { instances: Vec::new(), ..host };
    }

    /// An instance is no longer configured: it resigns, and its addresses go.
    fn retire(&mut self, now: Instant, id: RouterId, host: &Host, effects: &mut Vec<Effect>) {
        let standing = self.slots.get(&id).map(|slot| slot.standing);
        self.shut(now, id, effects);
        if let Some(mut slot) = self.slots.remove(&id) {
            let standing = standing.unwrap_or(slot.standing);
            self.herald.deleted(now, host, &slot, standing, effects);
            let gone = core::mem::take(&mut slot.spots);
            self.drop_spots(id, gone, slot.asked, effects);
            Self::open_all(id, self.epoch, &slot.closed, effects);
        }
    }

    /// Same virtual router, other settings: whatever did not change is not touched.
    fn alter(&mut self, now: Instant, id: RouterId, new: &model::Instance, effects: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.adopt_instance(new.clone());
        let gone = slot.adopt_configuration();
        slot.holding &= gone.is_empty() && slot.all_present();
        // The administrator has seen to it: try again.
        slot.refusal.forgive();
        slot.spots.iter_mut().for_each(|spot| spot.removals = Rare::default());
        slot.note_aside();
        let by_address = &self.by_address;
        let sight = Sight { facts: &self.facts, trackers: &self.trackers, host: &self.host };
        let (own, place) = own(sight, new, None, |address| by_address.contains(address));
        let group = slot.group.and_then(|at| self.groups.get(at)).map(|group| &group.share);
        let mut verdict = Verdict::of(new, &own, place, group);
        verdict.inherit(now, &mut slot.bequest);
        let settings = new.settings.clone();
        let input = vrrp::Input::Reconfigure { settings, priority: verdict.priority };
        // Keep the old place for the advert if the new one has none; the verdict follows at once.
        slot.verdict.place = verdict.place.or(slot.verdict.place);
        self.drop_spots(id, gone, false, effects);
        self.drive(now, id, input, effects);
        self.dirty.insert(id);
        self.touched.insert(id);
    }

    /// Removes what an instance no longer wants; `stop`: whatever it asked for is off.
    fn drop_spots(&mut self, id: RouterId, spots: Vec<Spot>, stop: bool, effects: &mut Vec<Effect>) {
        let mut gone = Gone::default();
        for spot in &spots {
            if let Held::Removing { epoch, .. } = spot.held {
                // On its way out already: nothing to ask for, but it is not gone yet.
                self.departing.note(id, epoch, spot.placed().iter());
            } else if spot.step(false, Instant::NEVER) == Step::Remove && !self.leave_to_another(id, spot) {
                gone.take(spot);
            }
        }
        if gone.is_empty() {
            if stop {
                self.epoch += 1;
                effects.push(fence(id, self.epoch));
            }
            return;
        }
        self.epoch += 1;
        // The router may live on with other addresses; what is removed here is nobody's from now on.
        self.departing.note(id, self.epoch, gone.all());
        gone.ask(id, self.epoch, &mut self.facts, effects);
        // As where an Active router removes one of its own.
        if let Some(slot) = self.slots.get_mut(&id) {
            let is_adding = |spot: &Spot| matches!(spot.held, Held::Adding { .. });
            slot.rounds = slot.rounds.max(u32::from(slot.spots.iter().any(is_adding)));
        }
    }

    /// Rebuilds the look-ups that follow from the configuration.
    fn index(&mut self) {
        self.by_device.clear();
        self.by_tracker.clear();
        self.roaming.clear();
        self.index_groups();
        for slot in self.slots.values() {
            let instance = &slot.instance;
            let devices = instance
                .home
                .device()
                .into_iter()
                .chain(instance.held_addresses().filter_map(|a| a.options.device.as_ref()))
                .chain(instance.track_interfaces.iter().map(|t| &t.interface))
                .chain(self.trackers.static_links.get(&instance.name).into_iter().flatten());
            for device in devices {
                let ids = self.by_device.entry(device.clone()).or_default();
                if ids.last() != Some(&slot.id) {
                    ids.push(slot.id);
                }
            }
            if instance.home.is_routed() && instance.track_source {
                self.roaming.push(slot.id);
            }
            for key in keys(&instance.tracking) {
                self.by_tracker.entry(key).or_default().push(User::Router(slot.id));
            }
        }
        self.by_address.replace(
            self.slots
                .values()
                .flat_map(|slot| slot.instance.held_addresses().map(|held| (held.address, slot.id))),
        );
        self.by_wire_stale = true;
        self.spread();
    }

    /// Many routers that become Active together, after a crash say, shall not advertise in one burst for ever: it would
    /// fill queues and hold up what comes behind it. They advertise in groups, one wake-up for each, spread over the
    /// interval. Few of them keep the rhythm that the RFC gives.
    fn spread(&mut self) {
        let groups = u32::try_from(self.slots.len().div_ceil(BURST)).unwrap_or(u32::MAX);
        for slot in self.slots.values_mut() {
            let part = |group: u32| Phase::Fixed(group * (u32::MAX / groups));
            slot.router.set_phase(if groups > 1 { part(slot.id.0 % groups) } else { Phase::Free });
        }
    }

    /// Rebuilds the look-up of adverts, if interfaces or instances came or went. Once for all the facts of a turn.
    pub(super) fn index_wire(&mut self) {
        if !core::mem::take(&mut self.by_wire_stale) {
            return;
        }
        self.by_wire.clear();
        for slot in self.slots.values() {
            let instance = &slot.instance;
            let index = |name: &Arc<str>| self.facts.link_named(name).map(|link| link.index);
            let door = match &instance.home {
                Home::Interface(name) => index(name).map(Door::Interface),
                Home::Routed { vrf: None } => Some(Door::Vrf(None)),
                Home::Routed { vrf: Some(name) } => index(name).map(|vrf| Door::Vrf(Some(vrf))),
            };
            if let Some(door) = door {
                let unicast = matches!(instance.transport, Transport::Unicast { .. });
                let way = Way { door, family: instance.settings.family, unicast };
                self.by_wire.insert(way, instance.settings.vrid, slot.id);
            }
        }
    }
}

/// Whether a router runs on as if nothing had changed: only things are other that no router heeds, though its verdict
/// may. Else a changed notify script would send an advert and shift the rhythm.
fn is_unmoved(old: &Instance, new: &Instance) -> bool {
    let Instance { tracking, notify, strict, accept, track_source, wants_active, .. } = new.clone();
    *new == Instance { tracking, notify, strict, accept, track_source, wants_active, ..old.clone() }
}

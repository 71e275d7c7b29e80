//! Verdicts come out: the fold over the facts, and the router told what it means for it.

use super::fixtures::FIXTURES;
use super::group::User;
use super::{Node, report};
use crate::event::{Event, Health, Standing};
use crate::held::{Held, Whose};
use crate::io::{Effect, RouterId};
use crate::track::{Key, Neighbor};
use crate::verdict::{Place, Sight, Verdict, own};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use timeline::{Duration, Instant};
use vrrp::{Manner, Role};
use wire::Priority;

/// After the change to Backup, so long until what is still there is not ours any more.
const SETTLED: Duration = Duration::from_secs(2);

impl Node {
    /// Judges again whatever the news are about: each instance alone, then the groups, then both together.
    pub(super) fn judge_dirty(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.index_wire();
        if !self.dirty_devices.is_empty() {
            self.dirty.extend(&self.roaming);
        }
        for device in core::mem::take(&mut self.dirty_devices) {
            let fault = self.facts.link_fault(&device);
            self.trackers.set_link(now, &device, fault);
            if !self.fixtures.is_empty() {
                self.touched.insert(FIXTURES);
            }
            self.dirty_link(device);
        }
        for key in self.trackers.take_news() {
            match key {
                Key::Link(device) => self.dirty_link(device),
                Key::Script(_) | Key::Process(_) | Key::File(_) => self.dirty_users(&key),
                Key::Bfd(ref name) => {
                    self.tell_neighbor(name, &key, effects);
                    self.dirty_users(&key);
                }
            }
        }
        if self.dirty.is_empty() && self.dirty_groups.is_empty() {
            return;
        }
        self.era += 1;
        let mut ids = core::mem::take(&mut self.dirty);
        for id in &ids {
            self.judge_alone(*id);
        }
        for at in core::mem::take(&mut self.dirty_groups) {
            if self.judge_group(at) {
                ids.extend(self.groups.get(at).into_iter().flat_map(|group| &group.members));
            }
        }
        for id in ids {
            self.judge_one(now, id, effects);
        }
        self.follow(now, effects);
    }

    /// Those who follow the log of an instance find there what moved it, as with keepalived.
    fn tell_neighbor(&self, session: &Arc<str>, key: &Key, effects: &mut Vec<Effect>) {
        let is_up = match self.trackers.neighbors.get(session).map(Neighbor::health) {
            Some(Health::Well) => true,
            Some(Health::Failed) => false,
            Some(Health::Waiting | Health::Unknown) | None => return,
        };
        let mut ids = BTreeSet::new();
        for user in self.by_tracker.get(key).into_iter().flatten() {
            match user {
                User::Router(id) => _ = ids.insert(*id),
                User::Group(at) => {
                    ids.extend(self.groups.get(*at).into_iter().flat_map(|group| &group.members))
                }
            }
        }
        for slot in ids.iter().filter_map(|id| self.slots.get(id)) {
            let (instance, session) = (slot.instance.name.clone(), session.clone());
            effects.push(report(Event::TrackedBfd { instance, session, is_up }));
        }
    }

    fn dirty_link(&mut self, device: Arc<str>) {
        self.dirty.extend(self.by_device.get(&device).into_iter().flatten());
        self.dirty_users(&Key::Link(device));
    }

    fn dirty_users(&mut self, key: &Key) {
        for user in self.by_tracker.get(key).into_iter().flatten() {
            match user {
                User::Router(id) => _ = self.dirty.insert(*id),
                User::Group(at) => _ = self.dirty_groups.insert(*at),
            }
        }
    }

    /// What an instance says of itself.
    fn judge_alone(&mut self, id: RouterId) {
        let by_address = &self.by_address;
        let sight = Sight { facts: &self.facts, trackers: &self.trackers, host: &self.host };
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let trouble = slot.refusal.until.as_ref().map(|refused| refused.1.clone());
        let (own, place) = own(sight, &slot.instance, trouble, |address| by_address.contains(address));
        slot.place = place;
        if core::mem::replace(&mut slot.own, own) != slot.own {
            self.dirty_groups.extend(slot.group);
        }
    }

    /// Tells of virtual addresses that are here, not set by us, while another router is Active: once for each
    /// time that they appear.
    pub(super) fn note_squatters(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for id in &self.touched {
            let Some(slot) = self.slots.get_mut(id) else { continue };
            let led = slot.router.leader().is_some_and(|leader| leader.priority != Priority::LEAVING);
            if !led || slot.router.priority().is_owner() {
                continue;
            }
            // What we just gave back may be told as present for a moment more.
            let settled = slot.counters.became_active == 0 || now.since(slot.since) > SETTLED;
            for spot in &slot.spots {
                let address = spot.address.address;
                let link = self.facts.link_named(&spot.device);
                let Some(prefix) = link.and_then(|link| self.facts.unmarked(link.index, address)) else {
                    if slot.squatters.contains(&address) {
                        slot.squatters.remove(&address);
                    }
                    continue;
                };
                let foreign =
                    spot.held == Held::Present(Whose::Foreign) || spot.held == Held::Absent && settled;
                if foreign && slot.squatters.insert(address) {
                    let (instance, interface) = (slot.instance.name.clone(), spot.device.clone());
                    effects.push(report(Event::AddressWhileBackup { instance, address, prefix, interface }));
                }
            }
        }
    }

    fn judge_one(&mut self, now: Instant, id: RouterId, effects: &mut Vec<Effect>) {
        let waiting = self.ready_at.is_some();
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let group = slot.group.and_then(|at| self.groups.get(at)).map(|group| &group.share);
        let mut verdict = Verdict::of(&slot.instance, &slot.own, slot.place, group);
        verdict.inherit(now, &mut slot.bequest);
        let before = core::mem::replace(&mut slot.verdict, verdict);
        self.touched.insert(id);
        self.note_priority(id);
        if self.stopping.is_some() || waiting {
            return;
        }
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let role = slot.router.role();
        let (priority, place) = (slot.verdict.priority, slot.verdict.place);
        let new_mac = before.place.is_some() && before.place.map(|p| p.mac) != place.map(|p| p.mac);
        match (place, slot.verdict.faults.is_empty()) {
            (Some(place), true) => {
                if slot.router.priority() != priority {
                    let (from, instance) = (slot.router.priority(), slot.instance.name.clone());
                    effects.push(report(Event::PriorityChanged { instance, from, to: priority }));
                    self.drive(now, id, vrrp::Input::Priority(priority), effects);
                }
                let Some(slot) = self.slots.get_mut(&id) else { return };
                if role == Role::Initialize {
                    // It starts when the first word of all that it tracks has come; once it runs, it need not wait.
                    let primary = place.source;
                    let input = match slot.legacy.take() {
                        // It runs, as far as anybody else can tell.
                        Some(legacy) => vrrp::Input::Resume { primary, legacy: *legacy },
                        None if slot.verdict.waits => return,
                        None => vrrp::Input::Startup { primary },
                    };
                    self.drive(now, id, input, effects);
                } else {
                    if new_mac && role == Role::Active {
                        slot.rounds = slot.rounds.max(slot.instance.settings.announce.repeat);
                    }
                    self.drive(now, id, vrrp::Input::Primary(place.source), effects);
                }
            }
            (_, _) if role == Role::Initialize => {
                let changed = slot.verdict.faults != before.faults;
                let (instance, faults) = (slot.instance.name.clone(), slot.verdict.faults.to_vec());
                if slot.standing == Standing::Initialize {
                    slot.standing = Standing::Fault;
                    slot.since = now;
                    self.moved_groups.extend(slot.group);
                    let (from, to, why) = (Standing::Initialize, Standing::Fault, vrrp::Why::Fault);
                    let disbelieved = None;
                    effects.push(report(Event::Moved { instance, from, to, why, faults, disbelieved }));
                    self.herald.stands(slot);
                } else if changed {
                    effects.push(report(Event::Faults { instance, faults }));
                }
            }
            // A word of farewell needs a way out: the place where it spoke, still up.
            (_, _) => {
                let is_open = |old: &Place| match (old.interface, old.vrf) {
                    (0, 0) => true,
                    (0, vrf) => self.facts.link(vrf).is_some_and(|vrf| vrf.up),
                    (own, _) => self.facts.link(own).is_some_and(|link| link.up && link.carrier),
                };
                let speaks = before.place.filter(is_open);
                let manner = if speaks.is_some() { Manner::Fault } else { Manner::Mute };
                slot.verdict.place = place.or(speaks);
                self.drive(now, id, vrrp::Input::Shutdown(manner), effects);
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.verdict.place = place;
                }
            }
        }
    }
}

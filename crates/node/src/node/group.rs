//! Sync groups: instances that move as one.
//!
//! Faults and weights are folded ([`Share::of_group`]). What remains is the role: when one member becomes Active
//! or yields, the others follow at once; and a member whose timer has run out takes over only if no other one hears
//! a router that it would have to yield to, or the group would go to and fro for ever.

use super::{Node, report};
use crate::event::{Event, Standing};
use crate::io::{Effect, RouterId};
use crate::slot::Slot;
use crate::track::Key;
use crate::verdict::{Share, Sight};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use model::SyncGroup;
use timeline::Instant;
use vrrp::{Role, Transition};
use wire::Priority;

/// A group at run time.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) group: SyncGroup,
    pub(crate) members: Vec<RouterId>,
    /// What it says to its members.
    pub(crate) share: Share,
    /// Where all of its members stood last.
    pub(crate) standing: Standing,
    pub(crate) since: Instant,
}

/// Who tracks something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    Router(RouterId),
    Group(usize),
}

/// A member changed its role.
#[derive(Debug)]
pub(super) struct Stir {
    id: RouterId,
    group: usize,
    transition: Transition,
}

impl Stir {
    pub(super) const fn new(id: RouterId, group: usize, transition: Transition) -> Self {
        Self { id, group, transition }
    }
}

impl Slot {
    /// Whether its group must not take over now: it hears a router that it would yield to, or that it must not
    /// preempt. An advert and a half late, that router has gone.
    fn objects(&self, now: Instant) -> bool {
        let patience = self.router.active_interval().duration() * 3 / 2;
        self.router.leader().is_some()
            && !self.router.agrees_to_lead(now)
            && now.since(self.heard_at) < patience
    }
}

impl Node {
    /// Forms the groups of a configuration that has just come into force.
    pub(super) fn form_groups(&mut self, now: Instant) {
        let mut before: BTreeMap<Arc<str>, Group> =
            core::mem::take(&mut self.groups).into_iter().map(|old| (old.group.name.clone(), old)).collect();
        for slot in self.slots.values_mut() {
            // It may have left one.
            if slot.group.take().is_some() {
                self.dirty.insert(slot.id);
            }
        }
        let names: BTreeMap<Arc<str>, RouterId> =
            self.slots.values().map(|slot| (slot.instance.name.clone(), slot.id)).collect();
        for (at, group) in self.host.groups.iter().enumerate() {
            let members: Vec<RouterId> =
                group.members.iter().filter_map(|name| names.get(name).copied()).collect();
            for id in &members {
                if let Some(slot) = self.slots.get_mut(id) {
                    slot.group = Some(at);
                }
            }
            self.dirty.extend(&members);
            self.dirty_groups.insert(at);
            let old = before.remove(&group.name).map(|old| (old.standing, old.since));
            let (standing, since) = old.unwrap_or((Standing::Initialize, now));
            let (group, share) = (group.clone(), Share::default());
            self.groups.push(Group { group, members, share, standing, since });
        }
    }

    /// Who tracks what, of groups.
    pub(super) fn index_groups(&mut self) {
        for (at, group) in self.host.groups.iter().enumerate() {
            for key in keys(&group.tracking) {
                self.by_tracker.entry(key).or_default().push(User::Group(at));
            }
            for tracked in &group.track_interfaces {
                let key = Key::Link(tracked.interface.clone());
                self.by_tracker.entry(key).or_default().push(User::Group(at));
            }
        }
    }

    /// Folds what the members and the trackers of a group say; true if that is another than before.
    pub(super) fn judge_group(&mut self, at: usize) -> bool {
        let sight = Sight { facts: &self.facts, trackers: &self.trackers, host: &self.host };
        let slots = &self.slots;
        let Some(group) = self.groups.get_mut(at) else { return false };
        let members = group.members.iter().filter_map(|id| slots.get(id));
        let members = members.map(|slot| (&slot.instance.name, &slot.own));
        let share = Share::of_group(sight, &group.group, members);
        core::mem::replace(&mut group.share, share) != group.share
    }

    /// Whether a member whose timer has run out may take over: if no other one objects, or if its leader resigned.
    /// Then the leader's group did, though not every member of it may have been able to say so.
    pub(super) fn may_lead(&self, now: Instant, id: RouterId) -> bool {
        let Some(slot) = self.slots.get(&id) else { return true };
        if slot.router.leader().is_some_and(|leader| leader.priority == Priority::LEAVING) {
            return true;
        }
        let group = slot.group.and_then(|at| self.groups.get(at));
        let others = group.into_iter().flat_map(|group| &group.members).filter(|other| **other != id);
        !others.filter_map(|other| self.slots.get(other)).any(|slot| slot.objects(now))
    }

    /// The other members follow what one has done.
    pub(super) fn follow(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(Stir { id, group, transition }) = self.stirred.pop() {
            let role = self.slots.get(&id).map(|slot| slot.router.role());
            // It may have moved on since.
            if role != Some(transition.to) {
                continue;
            }
            let leads = self.has_role(group, Role::Active);
            match (transition.from, transition.to) {
                (_, Role::Active) => self.drive_group(now, group, Role::Backup, effects),
                (Role::Active, Role::Backup) => self.drive_group(now, group, Role::Active, effects),
                // It comes late to a group that leads already.
                (Role::Initialize | Role::Backup, Role::Backup) if leads => {
                    self.drive(now, id, vrrp::Input::TakeOver, effects);
                }
                (Role::Initialize | Role::Backup, Role::Backup) | (_, Role::Initialize) => {}
            }
        }
    }

    /// Makes the members of a role change to the other one.
    fn drive_group(&mut self, now: Instant, group: usize, role: Role, effects: &mut Vec<Effect>) {
        let members = self.groups.get(group).map(|group| group.members.clone()).unwrap_or_default();
        for id in members {
            let input = match self.slots.get(&id).map(|slot| slot.router.role()) {
                Some(its) if its == role && role == Role::Backup => vrrp::Input::TakeOver,
                Some(its) if its == role => vrrp::Input::StandBack,
                Some(_) | None => continue,
            };
            self.drive(now, id, input, effects);
        }
    }

    fn has_role(&self, group: usize, role: Role) -> bool {
        let members = self.groups.get(group).into_iter().flat_map(|group| &group.members);
        members.filter_map(|id| self.slots.get(id)).any(|slot| slot.router.role() == role)
    }

    /// A reload may have put together what stood apart.
    pub(super) fn unite_groups(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for at in 0..self.groups.len() {
            if self.has_role(at, Role::Active) && self.has_role(at, Role::Backup) {
                let members = self.groups.get(at).into_iter().flat_map(|group| &group.members);
                let yields = members.filter_map(|id| self.slots.get(id)).any(|slot| slot.objects(now));
                let role = if yields { Role::Active } else { Role::Backup };
                self.drive_group(now, at, role, effects);
                // What they did to each other is done.
                self.stirred.clear();
            }
            self.moved_groups.insert(at);
        }
    }

    /// Tells of the groups whose members all stand elsewhere now.
    pub(super) fn tell_groups(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(at) = self.moved_groups.pop_first() {
            let Some(group) = self.groups.get_mut(at) else { continue };
            let mut standings = group.members.iter().filter_map(|id| self.slots.get(id)).map(|s| s.standing);
            let Some(to) = standings.next() else { continue };
            if to == group.standing || standings.any(|other| other != to) {
                continue;
            }
            let from = core::mem::replace(&mut group.standing, to);
            group.since = now;
            self.herald.group_stands(group, at, from);
            let group = group.group.name.clone();
            effects.push(report(Event::GroupMoved { group, from, to }));
        }
    }
}

/// Everything in a tracking list.
pub(super) fn keys(tracking: &model::Tracking) -> impl Iterator<Item = Key> + '_ {
    let scripts = tracking.scripts.iter().map(|tracked| Key::Script(tracked.name.clone()));
    let processes = tracking.processes.iter().map(|tracked| Key::Process(tracked.name.clone()));
    let files = tracking.files.iter().map(|tracked| Key::File(tracked.name.clone()));
    let neighbors = tracking.bfd.iter().map(|tracked| Key::Bfd(tracked.name.clone()));
    scripts.chain(processes).chain(files).chain(neighbors)
}

//! Who is told what, and when.

use super::{Group, Node};
use crate::event::Standing;
use crate::held::Held;
use crate::io::{Effect, Order, RouterId};
use crate::notify::{Herald, News, Subject, Truth, Who};
use crate::slots::Slots;
use alloc::vec::Vec;
use model::Notify;
use timeline::Instant;
use wire::Priority;

/// What is true of the routers and groups.
struct Now<'a> {
    slots: &'a Slots,
    groups: &'a [Group],
}

impl Truth for Now<'_> {
    fn is_settled(&self, id: RouterId) -> bool {
        let spots = self.slots.get(&id).map(|slot| slot.spots.as_slice()).unwrap_or_default();
        !spots.iter().any(|spot| matches!(spot.held, Held::Adding { .. } | Held::Removing { .. }))
    }

    fn members(&self, group: usize) -> &[RouterId] {
        self.groups.get(group).map(|group| group.members.as_slice()).unwrap_or_default()
    }

    fn notify(&self, who: Who, name: &str) -> Option<&Notify> {
        match who {
            Who::Router(id) => self.slots.get(&id).map(|slot| &*slot.instance.notify),
            Who::Group(at) => {
                let group = self.groups.get(at).map(|group| &group.group);
                group.filter(|group| *group.name == *name).map(|group| &*group.notify)
            }
        }
    }
}

impl Node {
    /// Tells what is true by now.
    pub(super) fn tell_news(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.herald.post.fire(now, effects);
        self.herald.outbox.fire(now, effects);
        let parts = self.stopping == Some(Order::Stop) && !self.herald.parted && self.holds_nothing();
        if parts {
            self.part();
        }
        let Self { herald, host, slots, groups, .. } = self;
        herald.tell_all(now, host, &Now { slots, groups }, effects);
        if parts {
            herald.parted = true;
            herald.post.hurry(now, effects);
            herald.outbox.hurry(now);
        }
    }

    /// The daemon ends: first all instances, then all groups.
    fn part(&mut self) {
        for slot in self.slots.values() {
            let subject = Subject::Instance(slot.instance.name.clone());
            self.herald.stops(subject, Who::Router(slot.id), slot.verdict.priority);
        }
        for (at, group) in self.groups.iter().enumerate() {
            let subject = Subject::Group(group.group.name.clone());
            self.herald.stops(subject, Who::Group(at), Priority::LEAVING);
        }
    }

    /// Tells of another priority, if that is wanted.
    pub(super) fn note_priority(&mut self, id: RouterId) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let priority = slot.verdict.priority;
        if core::mem::replace(&mut slot.told_priority, priority) == priority
            || slot.standing == Standing::Initialize
        {
            return;
        }
        let group = slot.group.and_then(|at| self.groups.get(at));
        let of_group = group.and_then(|group| group.group.notify.priority_changes);
        let wanted = slot.instance.notify.priority_changes.or(of_group);
        if wanted.unwrap_or(self.host.notify.priority_changes) {
            let active = slot.standing == Standing::Active;
            self.herald.owe_instance(slot, News::Priority { active }, priority);
        }
    }

    /// After a reload: all states once more, into the pipes.
    pub(super) fn repeat_states(&self, effects: &mut Vec<Effect>) {
        let herald: &Herald = &self.herald;
        for slot in self.slots.values() {
            let subject = Subject::Instance(slot.instance.name.clone());
            herald.repeat(
                &self.host,
                (Who::Router(slot.id), &subject),
                slot.standing,
                slot.verdict.priority,
                effects,
            );
        }
        for (at, group) in self.groups.iter().enumerate() {
            let subject = Subject::Group(group.group.name.clone());
            herald.repeat(&self.host, (Who::Group(at), &subject), group.standing, Priority::LEAVING, effects);
        }
    }
}

//! What the protocol allows, from its own text and not from the code that is watched.

use std::time::Duration;

use model::{Instance, SyncGroup, Weight};
use wire::Version;

use super::cast::Cast;

/// Who owns a service after something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heir {
    /// This node, within so long.
    Next(usize, Duration),
    /// Who owned it before.
    Stays(Reason),
}

/// Why a failed check leaves a service where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Neither it nor its group tracks that script.
    Untracked,
    /// What the failure takes away is too little.
    Light,
    /// The next node takes nothing from one that lives.
    Nopreempt,
}

/// The protocol's arithmetic about a cast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Law<'a> {
    cast: &'a Cast,
}

impl<'a> Law<'a> {
    /// About this cast.
    pub(crate) const fn new(cast: &'a Cast) -> Self {
        Self { cast }
    }

    /// The priority of an instance when nothing is wrong: what is tracked and well adds to it.
    fn priority(&self, service: usize, node: usize) -> u32 {
        let Some(instance) = self.cast.instance(service, node) else { return 0 };
        let base = i32::from(instance.settings.priority.0);
        if base == 255 {
            return 255;
        }
        let group = self.sync_group(service, node);
        let of_group = group.into_iter().flat_map(|group| &group.track_interfaces);
        let links = instance.track_interfaces.iter().chain(of_group);
        let links = links.map(|tracked| (tracked.weight, tracked.reverse));
        let of_group = group.into_iter().flat_map(|group| &group.tracking.scripts);
        let scripts = instance.tracking.scripts.iter().chain(of_group);
        let scripts = scripts.map(|tracked| (tracked.weight.value, tracked.weight.reverse));
        let of_group = group.into_iter().flat_map(|group| &group.tracking.bfd);
        let sessions = instance.tracking.bfd.iter().chain(of_group);
        let sessions = sessions.map(|tracked| (tracked.weight.value, tracked.weight.reverse));
        let well = |(weight, reverse): (i16, bool)| i32::from(weight.max(0)) * if reverse { -1 } else { 1 };
        let sum = base + links.chain(scripts).chain(sessions).map(well).sum::<i32>();
        u32::try_from(sum.clamp(1, 254)).unwrap_or(1)
    }

    /// Who takes over when a node is gone: the highest priority, unless two have it.
    pub(crate) fn next(&self, service: usize, gone: usize) -> Option<usize> {
        let others: Vec<(u32, usize)> = self
            .cast
            .members(service)
            .filter(|(node, _)| *node != gone)
            .map(|(node, _)| (self.priority(service, node), node))
            .collect();
        let highest = others.iter().map(|(priority, _)| *priority).max()?;
        let mut first = others.iter().filter(|(priority, _)| *priority == highest);
        let (_, node) = first.next()?;
        let is_steered = |node: usize| self.cast.instance(service, node).is_some_and(is_steered);
        (first.next().is_none() && !others.iter().any(|(_, node)| is_steered(*node))).then_some(*node)
    }

    /// Who owns a service after a check failed on its owner, and how long after that was noticed; `None` when that is
    /// not for the protocol to say.
    pub(crate) fn after_check(&self, service: usize, owner: usize, script: &str) -> Option<Heir> {
        let instance = self.cast.instance(service, owner)?;
        let members = self.group(service, owner);
        let weights = |service: usize| self.weights(service, owner, script);
        if members.iter().any(|member| weights(*member).iter().any(|weight| weight.value == 0)) {
            // FAULT: it resigns, and its whole group.
            let next = self.next(service, owner)?;
            let alike = members.iter().all(|member| self.next(*member, owner) == Some(next));
            let slowest = members.iter().map(|member| self.skew(*member, next)).max()?;
            return (alike && instance.settings.priority.0 != 255).then_some(Heir::Next(next, slowest));
        }
        if members.iter().all(|member| weights(*member).is_empty()) {
            return Some(Heir::Stays(Reason::Untracked));
        }
        // Where one member may draw the others along, the order decides.
        let [_] = &members[..] else { return None };
        let next = self.next(service, owner)?;
        let own = self.priority(service, owner);
        let [weight] = weights(service)[..] else { return None };
        if weight.reverse || own == 255 {
            return None;
        }
        let less = u32::from(weight.value.unsigned_abs());
        let heir = self.cast.instance(service, next)?;
        if own.saturating_sub(less).max(1) >= self.priority(service, next) {
            return Some(Heir::Stays(Reason::Light));
        }
        if !heir.settings.preempt {
            return Some(Heir::Stays(Reason::Nopreempt));
        }
        Some(Heir::Next(next, self.down(service, next) + heir.settings.preempt_delay))
    }

    /// What moves with a service on a node: the members of its group, itself among them.
    fn group(&self, service: usize, node: usize) -> Vec<usize> {
        let Some(group) = self.sync_group(service, node) else { return vec![service] };
        let is_member = |other: &usize| {
            self.cast.instance(*other, node).is_some_and(|instance| group.members.contains(&instance.name))
        };
        (0..self.cast.services.len()).filter(is_member).collect()
    }

    fn sync_group(&self, service: usize, node: usize) -> Option<&'a SyncGroup> {
        let cast = self.cast;
        let name = &cast.instance(service, node)?.name;
        cast.nodes.get(node)?.host.groups.iter().find(|group| group.members.contains(name))
    }

    /// The weights with which a service and its group track a script.
    fn weights(&self, service: usize, node: usize, script: &str) -> Vec<Weight> {
        let own = self.cast.instance(service, node).map(|instance| &instance.tracking);
        let of_group = self.sync_group(service, node).map(|group| &group.tracking);
        let tracked = own.into_iter().chain(of_group).flat_map(|tracking| &tracking.scripts);
        tracked.filter(|tracked| &*tracked.name == script).map(|tracked| tracked.weight).collect()
    }

    /// Skew_Time of a backup: RFC 3768 and RFC 9568, section 6.1.
    pub(crate) fn skew(&self, service: usize, node: usize) -> Duration {
        let Some(instance) = self.cast.instance(service, node) else { return Duration::ZERO };
        let whole = match instance.settings.version {
            Version::V2 => Duration::from_secs(1),
            // A backup of version 3 follows the interval of whoever is Active.
            Version::V3 => self.interval(service),
        };
        whole * (256 - self.priority(service, node)) / 256
    }

    /// The longest silence that a backup bears (Master_Down_Interval, Active_Down_Interval).
    pub(crate) fn down(&self, service: usize, node: usize) -> Duration {
        let Some(instance) = self.cast.instance(service, node) else { return Duration::ZERO };
        let interval = match instance.settings.version {
            Version::V2 => instance.settings.interval.duration(),
            Version::V3 => self.interval(service),
        };
        interval * u32::from(instance.settings.down_adverts) + self.skew(service, node)
    }

    /// The longest interval of a service.
    fn interval(&self, service: usize) -> Duration {
        let intervals = self.cast.members(service).map(|(_, instance)| instance.settings.interval.duration());
        intervals.max().unwrap_or_default()
    }

    /// Whether a node that comes back takes a service from those who serve it meanwhile.
    pub(crate) fn takes_back(&self, service: usize, node: usize) -> bool {
        let Some(instance) = self.cast.instance(service, node) else { return false };
        let own = self.priority(service, node);
        let others = self.cast.members(service).filter(|(other, _)| *other != node);
        let is_higher = others.map(|(other, _)| self.priority(service, other)).all(|other| own > other);
        own == 255 || (instance.settings.preempt && is_higher)
    }

    /// How long a node needs to take back what is its own, from its boot.
    pub(crate) fn return_time(&self, service: usize, node: usize) -> Duration {
        let delay = self.cast.instance(service, node).map(|instance| instance.settings.preempt_delay);
        let startup = self.cast.nodes.get(node).map(|node| node.host.startup_delay.max(node.host.boot_delay));
        self.down(service, node) + delay.unwrap_or_default() + startup.unwrap_or_default()
    }

    /// How long all need until they agree after they see each other again: two adverts of the slowest.
    pub(crate) fn agree(&self) -> Duration {
        let services = 0..self.cast.services.len();
        services.map(|service| self.interval(service)).max().unwrap_or_default() * 2
    }

    /// When everything has settled after a start.
    pub(crate) fn settled(&self) -> Duration {
        let mut longest = Duration::ZERO;
        for service in 0..self.cast.services.len() {
            for (node, _) in self.cast.members(service) {
                longest = longest.max(self.return_time(service, node));
            }
        }
        Duration::from_secs((longest + self.agree()).as_secs() + 3).max(Duration::from_secs(10))
    }
}

/// Whether something moves its priority of which it is not known how it stands when all is well.
fn is_steered(instance: &Instance) -> bool {
    let tracking = &instance.tracking;
    let unknown = tracking.processes.iter().chain(&tracking.files);
    unknown.into_iter().any(|tracked| tracked.weight.value != 0)
}

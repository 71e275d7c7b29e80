//! What no host may be told: the invariants that single fields cannot express.

use crate::{Authentication, Bfd, Home, Host, Instance, Tracking, Transport};
use alloc::collections::BTreeMap;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::net::IpAddr;
use wire::{Family, Interval, Version};

/// A combination that cannot run. `instance` names the virtual router.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The texts say it.
pub enum Inconsistent {
    #[error("two instances are named {0}")]
    NameTwice(Arc<str>),
    #[error("instances {first} and {second} are the same virtual router: {identity}")]
    IdentityTwice { first: Arc<str>, second: Arc<str>, identity: String },
    #[error("instance {0}: VRRP version 2 knows no IPv6")]
    VersionWithoutFamily(Arc<str>),
    #[error("instance {0}: VRRP version 3 knows no auth_type")]
    VersionWithoutAuthentication(Arc<str>),
    #[error("instance {0}: auth_hmac signs with a key that it does not have")]
    KeyMissing(Arc<str>),
    #[error("instance {0}: version 2 advertises in whole seconds up to 255 s")]
    IntervalNotInVersion2(Arc<str>),
    #[error("instance {0}: version 3 advertises at most every 40.95 s")]
    IntervalNotInVersion3(Arc<str>),
    #[error("instance {instance}: address {address} is not of its family")]
    AddressOfOtherFamily { instance: Arc<str>, address: IpAddr },
    #[error("instance {instance}: {count} addresses do not fit into one advert (at most {limit})")]
    TooManyAddresses { instance: Arc<str>, count: usize, limit: usize },
    #[error("instance {instance}: address {address} stands twice on {device}")]
    AddressTwice { instance: Arc<str>, address: IpAddr, device: Arc<str> },
    #[error("instance {0}: priority 0 is reserved for leaving")]
    PriorityZero(Arc<str>),
    #[error("instance {instance}: peer {peer} is not of its family")]
    PeerOfOtherFamily { instance: Arc<str>, peer: IpAddr },
    #[error("instance {0}: multicast needs an interface")]
    MulticastNowhere(Arc<str>),
    #[error("instance {0}: without an interface nothing says which source address its adverts have")]
    SourceNowhere(Arc<str>),
    #[error("instance {instance}: {address} is link-local, and no interface says on which link")]
    LinkNowhere { instance: Arc<str>, address: IpAddr },
    #[error("instance {instance}: nothing says on which interface address {address} belongs")]
    AddressNowhere { instance: Arc<str>, address: IpAddr },
    #[error("two {kind} are named {name}")]
    TrackerTwice { kind: &'static str, name: Arc<str> },
    #[error("{by} tracks {name}, which does not exist")]
    TrackedUnknown { by: Arc<str>, name: Arc<str> },
    #[error("{by} tracks {name} twice")]
    TrackedTwice { by: Arc<str>, name: Arc<str> },
    #[error("{by} tracks {name} with the weight {weight}")]
    WeightOutOfRange { by: Arc<str>, name: Arc<str>, weight: i16 },
    #[error("script {0} has an interval, a rise or a fall of 0")]
    ScriptNever(Arc<str>),
    #[error("process {0} allows fewer than it wants")]
    ProcessNever(Arc<str>),
    #[error("the BFD session {0} has an interval below 1 ms, or a multiplier or hop limit of 0")]
    BfdNever(Arc<str>),
    #[error("the BFD session {0} has addresses of two families")]
    BfdFamily(Arc<str>),
    #[error("two BFD sessions have the neighbour {0}")]
    BfdNeighborTwice(IpAddr),
    #[error("group {0} has no member")]
    GroupEmpty(Arc<str>),
    #[error("group {group} has the member {member}, which does not exist or is in two groups")]
    GroupMember { group: Arc<str>, member: Arc<str> },
    #[error("group {group} allows no weights, and {member} tracks with one")]
    GroupWeight { group: Arc<str>, member: Arc<str> },
    #[error("the address owner {0} tracks with a weight")]
    OwnerWeight(Arc<str>),
    #[error("the static address {0} names no interface")]
    StaticNowhere(IpAddr),
    #[error("the static address {address} stands twice on {device}, or is a virtual one too")]
    StaticTwice { address: IpAddr, device: Arc<str> },
    #[error("the static address {address} names the track_group {group}, which does not exist")]
    StaticGroup { address: IpAddr, group: Arc<str> },
    #[error("track_group {0} has no member")]
    TrackGroupEmpty(Arc<str>),
    #[error("track_group {group} has the member {member}, which does not exist or stands there twice")]
    TrackGroupMember { group: Arc<str>, member: Arc<str> },
}

impl Host {
    /// The first thing that makes this configuration impossible to run.
    ///
    /// # Errors
    /// The [`Inconsistent`] combination.
    pub fn check(&self) -> Result<(), Inconsistent> {
        let known = self.trackers();
        let mut names = BTreeSet::new();
        let mut identities = BTreeMap::new();
        for instance in &self.instances {
            if !names.insert(&instance.name) {
                return Err(Inconsistent::NameTwice(instance.name.clone()));
            }
            let identity = instance.identity();
            let text = identity.to_string();
            if let Some(first) = identities.insert(identity, instance.name.clone()) {
                let second = instance.name.clone();
                return Err(Inconsistent::IdentityTwice { first, second, identity: text });
            }
            instance.check()?;
            check_tracking(&known, &instance.name, &instance.tracking)?;
        }
        self.check_trackers()?;
        self.check_groups(&known)?;
        self.check_track_groups(&names)?;
        self.check_static()
    }

    /// The names that can be tracked, in the order of [`Tracking::lists`].
    fn trackers(&self) -> [BTreeSet<&str>; 4] {
        [
            self.scripts.iter().map(|s| &*s.name).collect(),
            self.processes.iter().map(|p| &*p.name).collect(),
            self.files.iter().map(|f| &*f.name).collect(),
            self.bfd.iter().map(|b| &*b.name).collect(),
        ]
    }

    fn check_trackers(&self) -> Result<(), Inconsistent> {
        once("scripts", self.scripts.iter().map(|s| &s.name))?;
        once("processes", self.processes.iter().map(|p| &p.name))?;
        once("files", self.files.iter().map(|f| &f.name))?;
        once("BFD sessions", self.bfd.iter().map(|b| &b.name))?;
        once("groups", self.groups.iter().map(|g| &g.name))?;
        once("interfaces with delays", self.link_delays.iter().map(|d| &d.interface))?;
        if let Some(never) = self.scripts.iter().find(|s| s.interval.is_zero() || s.rise == 0 || s.fall == 0)
        {
            return Err(Inconsistent::ScriptNever(never.name.clone()));
        }
        self.check_bfd()?;
        match self.processes.iter().find(|p| p.most.is_some_and(|most| most < p.fewest)) {
            Some(never) => Err(Inconsistent::ProcessNever(never.name.clone())),
            None => Ok(()),
        }
    }

    fn check_bfd(&self) -> Result<(), Inconsistent> {
        let mut neighbors = BTreeSet::new();
        for Bfd { name, neighbor, source, settings, hop_limit, .. } in &self.bfd {
            let shortest = settings.min_tx.min(settings.min_rx).min(settings.idle_tx);
            if shortest < 1000 || settings.multiplier == 0 || *hop_limit == Some(0) {
                return Err(Inconsistent::BfdNever(name.clone()));
            }
            if source.is_some_and(|source| Family::of(source) != Family::of(*neighbor)) {
                return Err(Inconsistent::BfdFamily(name.clone()));
            }
            if !neighbors.insert(neighbor) {
                return Err(Inconsistent::BfdNeighborTwice(*neighbor));
            }
        }
        Ok(())
    }

    fn check_track_groups(&self, names: &BTreeSet<&Arc<str>>) -> Result<(), Inconsistent> {
        once("track_groups", self.track_groups.iter().map(|g| &g.name))?;
        for group in &self.track_groups {
            if group.members.is_empty() {
                return Err(Inconsistent::TrackGroupEmpty(group.name.clone()));
            }
            let mut seen = BTreeSet::new();
            let odd = group.members.iter().find(|member| !names.contains(member) || !seen.insert(*member));
            if let Some(member) = odd {
                let (group, member) = (group.name.clone(), member.clone());
                return Err(Inconsistent::TrackGroupMember { group, member });
            }
        }
        Ok(())
    }

    fn check_static(&self) -> Result<(), Inconsistent> {
        if self.static_addresses.is_empty() {
            return Ok(());
        }
        let groups: BTreeSet<&Arc<str>> = self.track_groups.iter().map(|group| &group.name).collect();
        let held = self
            .instances
            .iter()
            .flat_map(|i| i.held_addresses().filter_map(|a| Some((i.device_of(a)?, a.address))));
        let mut seen: BTreeSet<(&Arc<str>, IpAddr)> = held.collect();
        for one in &self.static_addresses {
            let address = one.address.address;
            let Some(device) = one.interface() else { return Err(Inconsistent::StaticNowhere(address)) };
            if !seen.insert((device, address)) {
                return Err(Inconsistent::StaticTwice { address, device: device.clone() });
            }
            if let Some(group) = one.track_group.as_ref().filter(|group| !groups.contains(group)) {
                return Err(Inconsistent::StaticGroup { address, group: group.clone() });
            }
        }
        Ok(())
    }

    fn check_groups(&self, known: &[BTreeSet<&str>; 4]) -> Result<(), Inconsistent> {
        let by_name: BTreeMap<&Arc<str>, &Instance> = self.instances.iter().map(|i| (&i.name, i)).collect();
        let mut taken = BTreeSet::new();
        for group in &self.groups {
            if group.members.is_empty() {
                return Err(Inconsistent::GroupEmpty(group.name.clone()));
            }
            for member in &group.members {
                let Some(instance) = by_name.get(member).filter(|_| taken.insert(member)) else {
                    return Err(Inconsistent::GroupMember {
                        group: group.name.clone(),
                        member: member.clone(),
                    });
                };
                if !group.weights && instance.has_weights(false) {
                    return Err(Inconsistent::GroupWeight {
                        group: group.name.clone(),
                        member: member.clone(),
                    });
                }
            }
            check_tracking(known, &group.name, &group.tracking)?;
        }
        Ok(())
    }
}

fn check_tracking(
    known: &[BTreeSet<&str>; 4],
    by: &Arc<str>,
    tracking: &Tracking,
) -> Result<(), Inconsistent> {
    for ((list, known), limit) in tracking.lists().into_iter().zip(known).zip([253, 254, 254, 253]) {
        let mut seen = BTreeSet::new();
        for tracked in list {
            let (by, name, weight) = (by.clone(), tracked.name.clone(), tracked.weight.value);
            if !known.contains(&*name) {
                return Err(Inconsistent::TrackedUnknown { by, name });
            }
            if !seen.insert(&tracked.name) {
                return Err(Inconsistent::TrackedTwice { by, name });
            }
            if weight.abs() > limit {
                return Err(Inconsistent::WeightOutOfRange { by, name, weight });
            }
        }
    }
    Ok(())
}

fn once<'a>(kind: &'static str, names: impl Iterator<Item = &'a Arc<str>>) -> Result<(), Inconsistent> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Inconsistent::TrackerTwice { kind, name: name.clone() });
        }
    }
    Ok(())
}

impl Instance {
    /// The most addresses that one advert can list without fragments at an MTU of 1500 (WIRE-11).
    #[must_use]
    pub const fn address_limit(family: Family) -> usize {
        match family {
            Family::V4 => 255,
            Family::V6 => 90,
        }
    }

    /// Whether it tracks something that changes its priority; processes count on request.
    fn has_weights(&self, processes: bool) -> bool {
        let Tracking { scripts, processes: others, files, bfd } = &*self.tracking;
        let others = others.iter().filter(|_| processes);
        self.track_interfaces.iter().any(|t| t.weight != 0)
            || scripts.iter().chain(files).chain(bfd).chain(others).any(|t| t.weight.value != 0)
    }

    fn check(&self) -> Result<(), Inconsistent> {
        let name = || self.name.clone();
        let settings = &self.settings;
        match settings.version {
            Version::V2 if settings.family == Family::V6 => {
                return Err(Inconsistent::VersionWithoutFamily(name()));
            }
            Version::V2 if settings.interval.whole_secs().is_none() => {
                return Err(Inconsistent::IntervalNotInVersion2(name()));
            }
            Version::V3 if settings.interval > Interval::MAX_V3 => {
                return Err(Inconsistent::IntervalNotInVersion3(name()));
            }
            Version::V3
                if matches!(self.authentication, Authentication::Password(_) | Authentication::Header(_)) =>
            {
                return Err(Inconsistent::VersionWithoutAuthentication(name()));
            }
            Version::V2 | Version::V3 => {}
        }
        if let Authentication::Keyed(ring) = &self.authentication
            && ring.key(ring.active).is_none()
        {
            return Err(Inconsistent::KeyMissing(name()));
        }
        if settings.priority.0 == 0 {
            return Err(Inconsistent::PriorityZero(name()));
        }
        if settings.priority.is_owner() && self.has_weights(true) {
            return Err(Inconsistent::OwnerWeight(name()));
        }
        let limit = Self::address_limit(settings.family);
        if self.addresses.len() > limit {
            return Err(Inconsistent::TooManyAddresses {
                instance: name(),
                count: self.addresses.len(),
                limit,
            });
        }
        if let Some(odd) = self.addresses.iter().find(|a| Family::of(a.address) != settings.family) {
            return Err(Inconsistent::AddressOfOtherFamily { instance: name(), address: odd.address });
        }
        let mut seen = BTreeSet::new();
        for held in self.held_addresses() {
            let (instance, address) = (name(), held.address);
            let Some(device) = self.device_of(held) else {
                return Err(Inconsistent::AddressNowhere { instance, address });
            };
            if !seen.insert((device.clone(), address)) {
                return Err(Inconsistent::AddressTwice { instance, address, device: device.clone() });
            }
        }
        self.check_home()?;
        if let Transport::Unicast { peers, .. } = &self.transport
            && let Some(odd) = peers.iter().find(|p| Family::of(p.address) != settings.family)
        {
            return Err(Inconsistent::PeerOfOtherFamily { instance: name(), peer: odd.address });
        }
        Ok(())
    }

    /// Without an interface nothing can be taken from it.
    fn check_home(&self) -> Result<(), Inconsistent> {
        if let Home::Interface(_) = self.home {
            return Ok(());
        }
        let Transport::Unicast { source, peers, .. } = &self.transport else {
            return Err(Inconsistent::MulticastNowhere(self.name.clone()));
        };
        let Some(source) = source else { return Err(Inconsistent::SourceNowhere(self.name.clone())) };
        let mut all = core::iter::once(*source).chain(peers.iter().map(|peer| peer.address));
        let is_local = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        match all.find(is_local) {
            Some(address) => Err(Inconsistent::LinkNowhere { instance: self.name.clone(), address }),
            None => Ok(()),
        }
    }
}

//! What no host may be told: the invariants that single fields cannot express.

use crate::{Authentication, Host, Instance, Transport};
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
    #[error("instance {0}: VRRP version 3 knows no authentication")]
    VersionWithoutAuthentication(Arc<str>),
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
}

impl Host {
    /// The first thing that makes this configuration impossible to run.
    ///
    /// # Errors
    /// The [`Inconsistent`] combination.
    pub fn check(&self) -> Result<(), Inconsistent> {
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
        }
        Ok(())
    }
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
            Version::V3 if self.authentication != Authentication::None => {
                return Err(Inconsistent::VersionWithoutAuthentication(name()));
            }
            Version::V2 | Version::V3 => {}
        }
        if settings.priority.0 == 0 {
            return Err(Inconsistent::PriorityZero(name()));
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
            let device = self.device_of(held);
            if !seen.insert((device.clone(), held.address)) {
                let device = device.clone();
                return Err(Inconsistent::AddressTwice { instance: name(), address: held.address, device });
            }
        }
        if let Transport::Unicast { peers, .. } = &self.transport
            && let Some(odd) = peers.iter().find(|p| Family::of(p.address) != settings.family)
        {
            return Err(Inconsistent::PeerOfOtherFamily { instance: name(), peer: odd.address });
        }
        Ok(())
    }
}

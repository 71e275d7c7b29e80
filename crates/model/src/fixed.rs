//! Addresses that do not move: kept up as long as the daemon runs (`static_ipaddress`), and who goes by their interfaces.

use crate::{Host, InterfaceName, VirtualAddress};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// An address that is kept up all the time, whoever is Active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticAddress {
    /// The address; its interface is always written.
    pub address: VirtualAddress,
    /// The `track_group` whose instances go by the link of its interface. Of no effect with `no_track`.
    pub track_group: Option<Arc<str>>,
}

impl StaticAddress {
    /// Its interface; [`Host::check`] knows none without.
    #[must_use]
    pub fn interface(&self) -> Option<&InterfaceName> {
        self.address.options.device.as_ref()
    }
}

/// Instances that go by the interfaces of static addresses (a `track_group`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackGroup {
    /// Its name; unique in the host.
    pub name: Arc<str>,
    /// The names of its instances, 1 or more, each once.
    pub members: Vec<Arc<str>>,
}

impl Host {
    /// The interfaces that an instance has to go by because of static addresses, by the name of the instance.
    #[must_use]
    pub fn static_interfaces(&self) -> BTreeMap<Arc<str>, Vec<InterfaceName>> {
        let mut by_group: BTreeMap<&Arc<str>, Vec<&InterfaceName>> = BTreeMap::new();
        for one in self.static_addresses.iter().filter(|one| !one.address.options.no_track) {
            if let (Some(group), Some(interface)) = (&one.track_group, one.interface()) {
                by_group.entry(group).or_default().push(interface);
            }
        }
        let mut by_member: BTreeMap<Arc<str>, Vec<InterfaceName>> = BTreeMap::new();
        for (group, mut interfaces) in
            self.track_groups.iter().filter_map(|group| Some((group, by_group.remove(&group.name)?)))
        {
            interfaces.sort_unstable();
            interfaces.dedup();
            for member in &group.members {
                by_member.entry(member.clone()).or_default().extend(interfaces.iter().copied().cloned());
            }
        }
        for interfaces in by_member.values_mut() {
            interfaces.sort_unstable();
            interfaces.dedup();
        }
        by_member
    }
}

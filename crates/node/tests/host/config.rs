//! Configurations for the tests: the reference scenario's two load balancers and what is built from them.

use crate::world::ip;
use model::{Authentication, Host, Instance, Secret, VirtualAddress};
use vrrp::Settings;
use wire::{Family, Interval, Priority, Version, Vrid};

/// Instance `VI_<vrid>` on eth0: version 2 for IPv4, 3 for IPv6, one advert a second.
pub(crate) fn instance(vrid: u8, priority: u8, addresses: &[&str]) -> Instance {
    let addresses: Vec<VirtualAddress> =
        addresses.iter().map(|text| VirtualAddress::host(ip(text))).collect();
    let family = Family::of(addresses[0].address);
    let version = if family == Family::V4 { Version::V2 } else { Version::V3 };
    let mut settings = Settings::new(version, family, Vrid::new(vrid).unwrap());
    settings.priority = Priority(priority);
    Instance::new(format!("VI_{vrid}"), "eth0", settings, addresses)
}

pub(crate) fn host(instances: Vec<Instance>) -> Host {
    Host { instances, ..Host::default() }
}

/// The scenario's instance, without `state MASTER`.
pub(crate) fn scenario(priority: u8) -> Instance {
    let authentication = Authentication::Password(Secret::cut(b"1111"));
    Instance { authentication, ..instance(50, priority, &["10.0.0.3"]) }
}

/// lb01 of the reference scenario: `state MASTER`, priority 150.
pub(crate) fn lb01() -> Host {
    let mut instance = scenario(150);
    instance.wants_active = true;
    Host { router_id: Some("lb01".into()), ..host(vec![instance]) }
}

/// lb02 of the reference scenario: `state BACKUP`, priority 100.
pub(crate) fn lb02() -> Host {
    Host { router_id: Some("lb02".into()), ..host(vec![scenario(100)]) }
}

/// The same host with something about its first instance changed.
pub(crate) fn with(mut host: Host, change: impl FnOnce(&mut Instance)) -> Host {
    change(&mut host.instances[0]);
    host
}

pub(crate) fn interval(centis: u16) -> Interval {
    Interval::from_centis(centis).unwrap()
}

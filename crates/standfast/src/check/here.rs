//! What is known of this machine when a configuration is checked for it.

use crate::daemon::host_name;
use config::{Interface, Surroundings};
use linux::netlink::Netlink;
use std::collections::BTreeMap;

/// This machine: its name, and its interfaces if they count and can be listed.
#[must_use]
pub fn surroundings(config_id: Option<String>, with_interfaces: bool) -> Surroundings {
    Surroundings {
        host_name: host_name(),
        config_id,
        interfaces: with_interfaces.then(interfaces).and_then(Result::ok),
        keepalived: None,
        environment: crate::sources::environment(),
    }
}

/// The interfaces of this network namespace with their addresses, by name. Addresses that Standfast set do
/// not count: they come and go.
///
/// # Errors
/// When the kernel does not list them.
pub fn interfaces() -> linux::error::Result<BTreeMap<String, Interface>> {
    let mut netlink = Netlink::open()?;
    let links = netlink.dump_links()?;
    let addresses = netlink.dump_addresses()?;
    let interface = |index| {
        let own = addresses.iter().filter(|a| a.interface == index && !a.marked);
        Interface { addresses: own.map(|a| (a.address, a.prefix)).collect() }
    };
    Ok(links.iter().map(|link| (link.name.to_string(), interface(link.index))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_always_there() {
        assert!(interfaces().unwrap().contains_key("lo"));
    }
}

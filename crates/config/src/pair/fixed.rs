//! Whether two nodes hold one static address.

use super::node::Files;
use crate::diagnostic::Findings;
use crate::registry::Id;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::ToString;
use core::net::IpAddr;
use model::StaticAddress;

/// A static address is held by each node that has it, all the time. On the loopback interface that is what it is for:
/// nobody asks the network for it there.
pub(super) fn compare(files: &Files<'_>, findings: &mut Findings) {
    let mut first: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for (index, file) in files.list.iter().enumerate() {
        for one in file.node.host.static_addresses.iter().filter(|one| reaches_others(one)) {
            let address = one.address.address;
            let other = *first.entry(address).or_insert(index);
            let Some(theirs) = files.list.get(other).filter(|_| other != index) else { continue };
            let place = |file: &super::node::File<'_>| {
                let block = file.node.places.block("static_ipaddress", "");
                block.map_or(file.start, |block| block.entry("static_ipaddress", &address.to_string()))
            };
            findings.add(Id::PairStatic, place(file), |d| {
                d.say(format!(
                    "{address} is a static address here and in {}: both hold it at once",
                    theirs.name
                ))
                .label(place(theirs), "also here")
                .help("give each node an address of its own, or write it in `virtual_ipaddress`")
            });
        }
    }
}

fn reaches_others(one: &StaticAddress) -> bool {
    one.interface().is_some_and(|name| &**name != "lo") && one.address.options.scope != HOST
}

/// The scope of what only this machine sees.
const HOST: u8 = 254;

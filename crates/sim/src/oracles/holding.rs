//! A daemon that has nothing under way holds the addresses of its Active routers, all of them and no others, and what it
//! says that it holds is what its kernel has. Those that do not accept are closed there, all of them and no others.

use super::Violation;
use crate::machine::Machine;
use crate::world::World;
use alloc::collections::BTreeSet;
use alloc::format;
use node::event::Standing;
use node::status::{AddressState, AddressStatus, Status};

/// How many daemons it has judged.
pub(crate) fn look(world: &mut World) -> Result<u64, Violation> {
    let now = world.now;
    let mut judged = 0;
    for n in 0..world.machines.len() {
        let Some(status) = world.machines.get_mut(n).and_then(|machine| machine.news(now)) else { continue };
        let Some(machine) = world.machines.get(n) else { continue };
        let marked: BTreeSet<_> =
            machine.kernel.marked().map(|place| (place.address, place.prefix)).collect();
        let fault = |what| Err(Violation::new(now, "holding", format!("{}: {what}", world.name(n))));
        judged += 1;
        if let Some(what) = contradiction(&status) {
            return fault(what);
        }
        let moving = status.instances.iter().flat_map(|instance| &instance.addresses);
        let all = moving.chain(&status.static_addresses);
        let held = all.filter(|address| address.state == AddressState::Held);
        let held: BTreeSet<_> = held.map(|address| (address.address, address.prefix)).collect();
        if held != marked {
            return fault(format!("it says that it holds {held:?}, and its kernel has {marked:?}"));
        }
        if let Some(what) = open(machine, &status) {
            return fault(what);
        }
    }
    Ok(judged)
}

/// What accepts and must not, or the reverse.
fn open(machine: &Machine, status: &Status) -> Option<alloc::string::String> {
    let shut = status.instances.iter().filter(|instance| !instance.accepts);
    let addresses = shut.flat_map(|instance| instance.addresses.iter().map(move |one| (instance, one)));
    let here = addresses.filter(|(instance, address)| match address.state {
        AddressState::Held => true,
        AddressState::Foreign | AddressState::Refused(_) => instance.standing == Standing::Active,
        AddressState::Absent | AddressState::Adding | AddressState::Removing => false,
    });
    let wanted: BTreeSet<_> = here.map(|(_, address)| (address.address, address.prefix)).collect();
    let closed: BTreeSet<_> = machine.kernel.closed().map(|place| (place.address, place.prefix)).collect();
    (wanted != closed).then(|| format!("{wanted:?} must not accept, and {closed:?} is closed"))
}

/// What is not as the role of its router demands.
fn contradiction(status: &Status) -> Option<alloc::string::String> {
    for instance in &status.instances {
        let is_active = instance.standing == Standing::Active;
        for address in &instance.addresses {
            let is_right = match address.state {
                AddressState::Held | AddressState::Foreign => is_active,
                AddressState::Absent => !is_active,
                AddressState::Refused(_) => is_active,
                AddressState::Adding | AddressState::Removing => false,
            };
            if !is_right {
                let (standing, state) = (instance.standing, address.state);
                return Some(format!(
                    "{} is {standing:?}, and {} is {state:?}",
                    instance.name, address.address
                ));
            }
        }
    }
    let busy =
        |address: &&AddressStatus| matches!(address.state, AddressState::Adding | AddressState::Removing);
    let fixed = status.static_addresses.iter().find(busy)?;
    Some(format!("the static address {} is {:?}", fixed.address, fixed.state))
}

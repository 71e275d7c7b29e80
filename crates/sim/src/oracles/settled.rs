//! Some time after everything was healed each instance is Active on one machine, the best one if it may preempt, which
//! has its addresses; nobody else has any.

use super::Violation;
use crate::plan::{Plan, addresses};
use crate::world::World;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::Instance;

pub(crate) fn look(world: &World, plan: &Plan) -> Result<(), Violation> {
    let what = what_is_wrong(world, plan);
    what.map_or(Ok(()), |what| Err(Violation::new(world.now, "settled", what)))
}

fn what_is_wrong(world: &World, plan: &Plan) -> Option<String> {
    if let Some(n) = world.machines.iter().position(|machine| !machine.is_running()) {
        return Some(format!("{} does not run", world.name(n)));
    }
    let instances = plan.hosts.first().map(|host| host.instances.as_slice()).unwrap_or_default();
    let wrong = instances.iter().enumerate().find_map(|(at, instance)| misplaced(world, plan, at, instance));
    wrong.or_else(|| stray(world, plan))
}

fn misplaced(world: &World, plan: &Plan, at: usize, instance: &Instance) -> Option<String> {
    let machines = world.machines.iter().enumerate();
    let holders: Vec<usize> =
        machines.filter(|(_, machine)| machine.is_active(&instance.name)).map(|(n, _)| n).collect();
    let [holder] = holders[..] else {
        let names: Vec<_> = holders.into_iter().map(|n| world.name(n)).collect();
        return Some(format!("{} is Active on {names:?}", instance.name));
    };
    let priority = |n: usize| Some(plan.hosts.get(n)?.instances.get(at)?.settings.priority);
    let best = (0..plan.hosts.len()).filter_map(priority).max();
    if instance.settings.preempt && priority(holder) != best {
        return Some(format!("{} is Active on {}, which is not the best", instance.name, world.name(holder)));
    }
    let has = |n: usize, address: IpAddr| world.machines.get(n).is_some_and(|m| m.kernel.has(address));
    for address in addresses(instance) {
        let there: Vec<usize> = (0..plan.hosts.len()).filter(|n| has(*n, address)).collect();
        // Instances that share it may be Active on different machines.
        let wants = |other: &Instance| other.name != instance.name && addresses(other).any(|a| a == address);
        let is_elsewhere = |n: usize| {
            let all = plan.hosts.get(n).into_iter().flat_map(|host| &host.instances);
            let machine = world.machines.get(n);
            all.filter(|other| wants(other)).any(|other| machine.is_some_and(|m| m.is_active(&other.name)))
        };
        if !there.contains(&holder) || there.iter().any(|n| *n != holder && !is_elsewhere(*n)) {
            let names: Vec<_> = there.into_iter().map(|n| world.name(n)).collect();
            return Some(format!("{address} is on {names:?} and belongs on {}", world.name(holder)));
        }
    }
    None
}

/// An address with our mark that no configuration has.
fn stray(world: &World, plan: &Plan) -> Option<String> {
    let is_known = |address: IpAddr| {
        let mut all = plan.hosts.iter().flat_map(|host| &host.instances).flat_map(addresses);
        all.any(|known| known == address)
    };
    world.machines.iter().enumerate().find_map(|(n, machine)| {
        let place = machine.kernel.marked().find(|place| !is_known(place.address))?;
        Some(format!("{} holds {}, which nobody wants", world.name(n), place.address))
    })
}

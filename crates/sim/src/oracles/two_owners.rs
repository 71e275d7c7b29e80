//! On a network that is whole two Active routers part as soon as the lesser one has heard an advert of the other: after the
//! longest of their intervals. And soon after the routers have parted the addresses have.

use super::Violation;
use super::watch::Watch;
use crate::world::World;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use timeline::{Duration, Instant};

/// What the network, a turn and the drift of the clocks need.
const SLACK: Duration = Duration::from_millis(5);

/// So many adverts are missing until a peer takes over, by default: no world has another number.
const MISSING: u32 = 3;

/// Since when there has been more than one on a whole network.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    routers: BTreeMap<Arc<str>, Instant>,
    /// The same of addresses, and whether one of the machines had no worker meanwhile.
    addresses: BTreeMap<IpAddr, (Instant, bool)>,
}

pub(crate) fn look(memory: &mut Memory, world: &World, watch: &Watch) -> Result<(), Violation> {
    if !world.is_whole() {
        *memory = Memory::default();
        return Ok(());
    }
    let fault = |what: String| Err(Violation::new(world.now, "two owners", what));
    let mut leaders: BTreeMap<&Arc<str>, Vec<usize>> = BTreeMap::new();
    for (n, machine) in world.machines.iter().enumerate() {
        machine.active().for_each(|instance| leaders.entry(instance).or_default().push(n));
    }
    leaders.retain(|_, machines| machines.len() > 1);
    memory.routers.retain(|instance, _| leaders.contains_key(instance));
    for (instance, machines) in leaders {
        let since = *memory.routers.entry(instance.clone()).or_insert(world.now);
        let bound = longest(watch, &machines, Some(instance)) + SLACK;
        if world.now.since(since) > bound {
            let names: Vec<_> = machines.into_iter().map(|n| world.name(n)).collect();
            return fault(format!("{instance} has been Active on {names:?} since {since:?}"));
        }
    }
    let mut holders: BTreeMap<IpAddr, Vec<usize>> = BTreeMap::new();
    for (n, machine) in world.machines.iter().enumerate() {
        // What a dead daemon left nobody can take away, but for a supervisor; and a hand that is at work may be about to.
        let is_guarded = machine.is_running() || machine.is_offered();
        if is_guarded && machine.kernel.next().is_none() && !machine.is_called() {
            machine.kernel.marked().for_each(|place| holders.entry(place.address).or_default().push(n));
        }
    }
    // Instances that share an address may be Active on different machines.
    let wants = |address: IpAddr| {
        let names = watch.routers.iter().filter(move |(_, watched)| {
            watched.instance.held_addresses().any(|held| held.address == address)
        });
        let names: BTreeSet<&Arc<str>> = names.map(|((_, name), _)| name).collect();
        names.len()
    };
    holders.retain(|address, machines| machines.len() > 1 && wants(*address) < 2);
    memory.addresses.retain(|address, _| holders.contains_key(address));
    for (address, machines) in holders {
        // Where no worker runs nobody hears the other. Another begins, or the addresses go, while a peer still waits.
        let is_deaf = machines.iter().any(|n| world.machines.get(*n).is_some_and(|m| !m.is_running()));
        let seen = memory.addresses.entry(address).or_insert((world.now, is_deaf));
        seen.1 |= is_deaf;
        let since = seen.0;
        let bound = longest(watch, &machines, None) * if seen.1 { MISSING + 1 } else { 1 };
        if world.now.since(since) > bound + SLACK {
            let names: Vec<_> = machines.into_iter().map(|n| world.name(n)).collect();
            return fault(format!("{address} has been on {names:?} since {since:?}"));
        }
    }
    Ok(())
}

/// The longest interval of these routers.
fn longest(watch: &Watch, machines: &[usize], name: Option<&Arc<str>>) -> Duration {
    let left = watch.left.iter().filter(|(key, _)| !watch.routers.contains_key(key));
    let routers = watch
        .routers
        .iter()
        .chain(left)
        .filter(|((n, instance), _)| machines.contains(n) && name.is_none_or(|name| name == instance));
    routers.map(|(_, watched)| watched.rules.interval).max().unwrap_or(Duration::ZERO)
}

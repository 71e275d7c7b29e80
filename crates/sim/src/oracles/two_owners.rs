//! On a network that is whole two Active routers part as soon as the lesser one has heard an advert of the other.

use super::Violation;
use crate::world::World;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use timeline::{Duration, Instant};

/// The longest interval of any plan, and what the network and a turn need.
const BOUND: Duration = Duration::from_millis(1_100);

/// Since when an instance has had more than one Active router on a whole network.
pub(crate) type Memory = BTreeMap<Arc<str>, Instant>;

pub(crate) fn look(memory: &mut Memory, world: &World) -> Result<(), Violation> {
    if !world.is_whole() {
        memory.clear();
        return Ok(());
    }
    let mut holders: BTreeMap<&Arc<str>, Vec<usize>> = BTreeMap::new();
    for (n, machine) in world.machines.iter().enumerate() {
        machine.active().for_each(|instance| holders.entry(instance).or_default().push(n));
    }
    holders.retain(|_, machines| machines.len() > 1);
    memory.retain(|instance, _| holders.contains_key(instance));
    for (instance, machines) in holders {
        let since = *memory.entry(instance.clone()).or_insert(world.now);
        if world.now.since(since) > BOUND {
            let names: Vec<_> = machines.into_iter().map(|n| world.name(n)).collect();
            let what = format!("{instance} has been Active on {names:?} since {since:?}");
            return Err(Violation::new(world.now, "two owners", what));
        }
    }
    Ok(())
}

//! Nothing that is due waits: whoever hears nothing takes over when it should, and what waits for a daemon is told.

use super::Violation;
use super::adverts::BUDGET;
use super::naive::Naive;
use super::watch::Watch;
use crate::world::World;
use alloc::format;

pub(crate) fn look(world: &World, watch: &Watch) -> Result<(), Violation> {
    for ((n, instance), watched) in &watch.routers {
        let Some(machine) = world.machines.get(*n).filter(|machine| machine.is_well(world.now)) else {
            continue;
        };
        if let Naive::Backup { due: Some(due), .. } = watched.naive
            && due + BUDGET < machine.local(world.now)
        {
            let what = format!("{}: {instance} should have taken over at {due:?}", world.name(*n));
            return Err(Violation::new(world.now, "starvation", what));
        }
    }
    for (n, machine) in world.machines.iter().enumerate() {
        // One that has ended may be starting again.
        if machine.is_well(world.now) && machine.is_called() && !world.ended.contains(&n) {
            let what = format!("{}: something waits and the daemon is not told", world.name(n));
            return Err(Violation::new(world.now, "starvation", what));
        }
    }
    Ok(())
}

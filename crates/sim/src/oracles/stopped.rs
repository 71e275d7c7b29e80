//! A daemon that ended in order leaves nothing behind.

use super::Violation;
use crate::world::World;
use alloc::format;

pub(crate) fn look(world: &World) -> Result<(), Violation> {
    for n in &world.ended {
        // One that was told to leave everything leaves it.
        let Some(machine) = world.machines.get(*n).filter(|machine| !machine.leaves) else { continue };
        if let Some(place) = machine.kernel.marked().next() {
            let what = format!("{} has ended and still holds {}", world.name(*n), place.address);
            return Err(Violation::new(world.now, "stopped", what));
        }
    }
    Ok(())
}

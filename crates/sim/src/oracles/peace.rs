//! When all is well and everything has settled nothing moves any more.

use super::Violation;
use crate::world::World;
use alloc::string::ToString as _;

/// How often anything had moved when peace began.
pub(crate) type Memory = Option<u64>;

pub(crate) fn look(memory: &mut Memory, world: &World) -> Result<(), Violation> {
    if *memory.get_or_insert(world.moves) == world.moves {
        return Ok(());
    }
    Err(Violation::new(world.now, "peace", "an instance moved though nothing happened".to_string()))
}

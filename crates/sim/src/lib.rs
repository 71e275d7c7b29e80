//! A world that does not exist: machines with kernels and clocks of their own on a network that misbehaves, all of it
//! decided by one number.
//!
//! A [`Scene`] is a [`Cluster`] and what happens to it; [`play`] lets it happen. [`run`] makes a cluster and a storm
//! from a seed, lets it happen, heals everything, and looks the whole time whether what must hold holds ([`oracles`]).
//! The same seed gives the same world and the same trace, byte for byte. The machines run the very `node` that Linux
//! runs; only the loop around it is another.
//!
//! # What this is not
//! It is no proof of anything that Linux does; but what its [`kernel`] does is compared with Linux, deed by deed.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod clock;
mod cluster;
mod forge;
pub mod kernel;
mod lan;
mod machine;
pub mod oracles;
mod plan;
mod programs;
mod random;
mod scene;
#[cfg(test)]
mod tests;
mod trace;
mod world;

pub use cluster::{Cluster, Member, Port};
pub use forge::Forgery;
pub use lan::Path;
pub use oracles::Violation;
pub use programs::Course;
pub use scene::{Advert, Announced, Held, Moved, Record, Scene, Step, play};
pub use trace::Trace;

use alloc::collections::BTreeMap;
use alloc::string::String;
use oracles::Oracles;
use plan::{Plan, STORM};
use world::World;

/// What happened in the world of one seed.
#[derive(Debug)]
pub struct Run {
    /// Everything that happened.
    pub trace: Trace,
    /// The first thing that must not happen; nothing happened after it.
    pub violation: Option<Violation>,
    /// What there was to judge, and how often.
    pub seen: BTreeMap<String, u64>,
}

/// Lets the world of this seed happen.
#[must_use]
pub fn run(seed: u64) -> Run {
    let plan = Plan::new(seed);
    let bound = plan.bound();
    let mut world = World::new(&plan.scene());
    world.set_hand(plan.hand);
    let mut oracles = Oracles::default();
    let happened = world
        .run_until(STORM, |world| oracles.look(world))
        .and_then(|()| world.run_until(STORM + bound, |world| oracles.look(world)))
        .and_then(|()| oracles::settled::look(&world, &plan))
        .and_then(|()| world.run_until(STORM + bound + plan::QUIET, |world| oracles.look_in_peace(world)));
    let (violation, seen) = (happened.err(), oracles.seen.into_map());
    Run { violation, seen, trace: world.into_record().trace }
}

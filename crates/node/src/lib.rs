//! The whole host, pure: facts, verdicts, routers, what must be held, events, counters and status.
//!
//! [`Node`] is a [`timeline::Machine`]: [`io::Input`] in, [`io::Effect`] out. Linux and the simulator are two
//! loops around it. Whatever keepalived's users meet in its own words is in [`compat`].
//!
//! # What this is not
//! It reads no configuration file and no clock, and touches no kernel: it is told, and it asks.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod compat;
mod dial;
mod echo;
mod egress;
pub mod estate;
pub mod event;
mod facts;
mod held;
pub mod io;
pub mod mail;
mod node;
pub mod notify;
mod rehearsal;
mod run;
mod schedule;
pub mod sessions;
mod slot;
mod slots;
pub mod status;
mod track;
mod verdict;

pub use node::{Listener, Node, Strays};
pub use rehearsal::rehearse;
pub use slot::{Counters, Discards, Incidents};

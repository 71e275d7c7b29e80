//! One BFD session (RFC 5880, asynchronous mode): does the path to this neighbour carry packets in both directions?
//!
//! [`Session`] is told packets that were believed and that time has passed; it says what to send and where it stands.
//! Chance is a number that it is given at the start ([`Chance`]), so that one history has one outcome.
//!
//! # What this is not
//! It knows no address, no port and no hop limit: which packet belongs to which session, and whether it came from near
//! enough, is decided before. It asks for no echo and no demand mode, and authenticates nothing.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod chance;
mod session;

pub use chance::Chance;
pub use session::{Effect, Input, Session, Settings, Transition};

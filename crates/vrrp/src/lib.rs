//! VRRP as a state machine: one virtual router, its timers, and which adverts it believes.
//!
//! Start at [`Router::handle`](router::Router): one match over state and input, each arm headed by the
//! requirement it obeys. [`admit`] decides what reaches it; [`timers`] holds the arithmetic.
//!
//! The requirement ids (`SM-BKP-7`, `RX-12` …) are those of the project's conformance table; each names its
//! RFC section.
//!
//! # What this is not
//! It sends nothing, holds no address and knows no interface: effects are words to a host that does.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod admit;
mod keyring;
mod legacy;
mod rare;
mod router;
mod settings;
pub mod timers;

pub use admit::{
    Admitted, Authentication, Discard, Expected, Heard, Ingress, Peer, Policy, Remarks, Seen, SumForm, admit,
    admit_stray,
};
pub use keyring::{Clocks, Freshness, Keyring, Mode, Replay};
pub use legacy::Legacy;
pub use rare::{Blank, Rare};
pub use router::{
    Advertisement, Announcing, Effect, Input, Leader, Manner, Notice, Phase, Role, Router, State, Transition,
    Why,
};
pub use settings::{AnnounceSettings, Settings};

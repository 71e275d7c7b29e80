//! The real world under a [`Node`](node): clocks, sockets, netlink, threads, signals, privileges, the ledger.
//!
//! Everything here is a part; the loop that turns facts and frames into a node's inputs, and its effects
//! into system calls, is put together from them. All `unsafe` of the program lives in the module `sys`.
//!
//! # What this is not
//! It decides nothing about the protocol and knows no configuration language. What it is asked to hold or
//! send it holds or sends, and it says what became of it.
#![deny(unsafe_code)]

pub mod clock;
pub mod error;
pub mod filter;
pub mod hand;
pub mod ledger;
pub mod links;
pub mod mail;
pub mod mailbox;
pub mod monitor;
pub mod neighbors;
pub mod netlink;
pub mod nftables;
pub mod notify;
pub mod packet;
pub mod pidfile;
pub mod pipes;
pub mod place;
pub mod privileges;
pub mod scheduling;
pub mod script;
pub mod session;
pub mod signals;
pub mod sockets;
mod sys;
pub mod timer;
pub mod vigil;
pub mod watch;

pub use error::{Error, Refusal};

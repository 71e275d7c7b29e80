//! What must hold for any bytes whatever, one function for each place where bytes come in from outside.
//!
//! A function takes bytes as a fuzzer makes them, turns them into the input of one part, and panics if that part does
//! what it must never do. The targets in `fuzz/` call them with new bytes all the time; `cargo test` calls them with
//! what the fuzzers kept (`fuzz/corpus`).
//!
//! # What this is not
//! It does not say what the parts should do with good input: their own tests do.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "to panic is how a trial ends that was lost")]

pub mod inputs;
pub mod ledger;
pub mod netlink;
pub mod packets;
pub mod sessions;

//! The whole host, in a world that fits into a test: two or three nodes, their kernels, the network between them,
//! and virtual time. Each module tells one kind of story.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod addresses;
mod closed;
mod config;
mod discards;
mod echo;
mod election;
mod facts;
mod fixed;
mod groups;
mod inherit;
mod interfaces;
mod mail;
mod neighbors;
mod notify;
mod random;
mod reload;
mod routed;
mod rows;
mod silence;
mod stop;
mod tracking;
mod words;
mod world;

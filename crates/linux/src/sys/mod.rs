//! The only place of the program with `unsafe`: system calls that the safe wrappers do not offer.
//!
//! Each block says why it is sound. Nothing here decides anything; the modules above give it meaning.
#![allow(unsafe_code)]

pub(crate) mod account;
pub(crate) mod control;
pub(crate) mod map;
pub(crate) mod message;
pub(crate) mod option;
pub(crate) mod process;
pub(crate) mod session;
pub(crate) mod spawn;

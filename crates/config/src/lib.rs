//! The configuration language of keepalived: from files, given as data, to the typed configuration of a
//! host and to everything that can be said about the text.
//!
//! ```
//! use config::{Loaded, Sources, Surroundings, load};
//!
//! let text = b"vrrp_instance VI_1 {
//!     interface eth0
//!     virtual_router_id 50
//!     priority 150
//!     virtual_ipaddress { 10.0.0.3 }
//! }";
//! let mut sources = Sources::new();
//! sources.add_root("keepalived.conf", text.to_vec());
//! let Loaded::Done(outcome) = load(&sources, &Surroundings::default()) else { panic!("no includes") };
//! assert!(outcome.diagnostics.is_empty());
//! assert_eq!(outcome.host.unwrap().instances.len(), 1);
//! ```
//!
//! # How it works
//! `reader` (lines, comments, definitions, includes) → `tree` (blocks, by the one keyword `table`) → `lower`
//! (values, defaults, rules between lines) → [`model::Host`]. Each step reports what it finds and goes on,
//! so one run reports everything.
//!
//! # What this is not
//! It opens no file and asks no system: files, the host's name and its interfaces are arguments. It knows
//! nothing of what runs; it only says what is wanted. It does not draw: `standfast` renders diagnostics.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod definitions;
mod diagnostic;
mod lint;
mod loops;
mod lower;
mod origins;
pub mod pair;
mod places;
mod print;
mod reader;
mod registry;
mod releases;
mod reload;
mod secret;
mod shell;
mod source;
mod suggest;
pub mod table;
mod text;
mod tree;

pub use diagnostic::{CAP, Diagnostic, Fix, Safety, Severity};
pub use places::{BlockPlaces, Places};
pub use print::{Detail, Secrets, print};
pub use registry::Id;
pub use reload::{Alteration, Difference, Fate, Notice, Reload, Written, reload};
pub use secret::{Masked, masked};
pub use source::{FILE_LIMIT, FileId, Found, IncludeKind, IncludeRequest, Refusal, Sources, Span};
pub use suggest::nearest;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use diagnostic::Findings;
use model::{Flaw, Hook};
use print::seconds;

/// What the text may depend on besides itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The host's name. Up to its first dot it is the configuration id, unless one is given.
    pub host_name: String,
    /// The configuration id that `@id` lines are compared with.
    pub config_id: Option<String>,
    /// The interfaces that exist, by name; `None`: not known, nothing is said about them.
    pub interfaces: Option<BTreeMap<String, Interface>>,
    /// What is wrong with the programs of the host's `vrrp_script` blocks, by name. Only where a program is looked
    /// at on the machine that shall run it can anything be said.
    pub programs: BTreeMap<String, ProgramFlaw>,
    /// The same of the programs that are told of changes, each with its account.
    pub hooks: BTreeMap<Hook, ProgramFlaw>,
    /// The file is for this version of keepalived: words that are newer are reported, and what Standfast does
    /// differently, or cannot do yet, is not.
    pub keepalived: Option<table::Release>,
    /// A plain `include` complains about everything (`-e`, `--all-config`).
    pub all_includes: bool,
    /// The environment variables, for `${_ENV NAME}`.
    pub environment: BTreeMap<String, String>,
}

/// What is known of an interface of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its addresses with their prefix lengths, without those that Standfast itself added.
    pub addresses: Vec<(IpAddr, u8)>,
    /// It is a VRF device.
    pub is_vrf: bool,
    /// The VRF of which it is a port.
    pub vrf: Option<String>,
}

/// Why a program cannot be run as it is written, or should not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramFlaw {
    /// It is not run.
    Flaw(Flaw),
    /// This process may not become that user.
    NoSwitch(String),
    /// A text without a `#!` line.
    Bare(String),
}

impl Surroundings {
    fn config_id(&self) -> &str {
        match &self.config_id {
            Some(id) => id,
            None => self.host_name.split('.').next().unwrap_or_default(),
        }
    }
}

/// How far [`load`] came.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of them at a time")]
pub enum Loaded {
    /// These includes must be resolved first ([`Sources::resolve`]); then call again.
    Missing(Vec<IncludeRequest>),
    /// Everything was read.
    Done(Outcome),
}

/// What was understood, and what there is to say.
#[derive(Debug)]
pub struct Outcome {
    /// The configuration; `None` when an error forbids to run it. [`model::Host::check`] accepts it.
    pub host: Option<model::Host>,
    /// What was understood in spite of an error that forbids to run it: only to be looked at.
    pub partial: Option<Box<model::Host>>,
    /// Where its parts were written; also of what was not understood.
    pub places: Places,
    /// The findings, in the order of the text; at most [`CAP`] of a kind.
    pub diagnostics: Vec<Diagnostic>,
    /// How many findings of a kind were left out beyond these.
    pub omitted: Vec<(Id, usize)>,
}

/// Reads a configuration. Call it again after [`Loaded::Missing`] was answered; each call reads from the
/// start, so that a definition in one file counts in the next.
#[must_use]
pub fn load(sources: &Sources, surroundings: &Surroundings) -> Loaded {
    let mut findings = Findings::default();
    let mut stream = reader::read(sources, surroundings, &mut findings);
    if !stream.missing.is_empty() {
        return Loaded::Missing(stream.missing.into_iter().collect());
    }
    let chain = core::mem::take(&mut stream.chain);
    let origins = core::mem::take(&mut stream.origins);
    let tree = tree::build(stream, surroundings, &mut findings);
    if let Some(release) = surroundings.keepalived {
        releases::newer(&tree, release, &mut findings);
    }
    let (host, missing) = lower::lower(&tree, sources, surroundings, &mut findings);
    if !missing.is_empty() {
        return Loaded::Missing(missing.into_iter().collect());
    }
    let (host, partial) =
        if findings.has_errors() { (None, Some(Box::new(host))) } else { (Some(host), None) };
    let places = places::Places::of(&tree);
    let (mut diagnostics, mut omitted) = findings.finish();
    if surroundings.keepalived.is_some() {
        let of_standfast = |id: Id| matches!(id, Id::NotBuilt | Id::NoEffect);
        diagnostics.retain(|d| !of_standfast(d.id));
        omitted.retain(|(id, _)| !of_standfast(*id));
    }
    origins.settle(&mut diagnostics, sources);
    for diagnostic in &mut diagnostics {
        let mut file = diagnostic.span.file;
        while let Some(span) = chain.get(&file) {
            if diagnostic.include_chain.contains(span) {
                break;
            }
            diagnostic.include_chain.push(*span);
            file = span.file;
        }
    }
    Loaded::Done(Outcome { host, partial, places, diagnostics, omitted })
}

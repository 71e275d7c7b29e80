//! Compares the configurations of two or more nodes: what each file alone may well say, but not the files of
//! one cluster together. keepalived, which sees one file at a time, says none of it.
//!
//! Instances that belong together are found first (`groups`); each group is then looked at by one module
//! for each kind of mistake. Among three and more nodes the odd one is told against the majority, once.

mod addresses;
mod adverts;
mod election;
mod fixed;
mod group;
mod groups;
mod node;
mod peers;
mod together;
mod tracking;
mod weights;

use crate::diagnostic::{Diagnostic, Findings};
use crate::registry::Id;
use crate::source::Sources;
use crate::{Outcome, Places};
use alloc::vec::Vec;
use groups::Matched;
use model::Host;
use node::Files;

/// One node's configuration, after [`crate::load`].
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Its files.
    pub sources: &'a Sources,
    /// Its configuration, as far as it was understood.
    pub host: &'a Host,
    /// Where the parts of it were written.
    pub places: &'a Places,
}

impl<'a> Node<'a> {
    /// The node of an outcome, a broken one too.
    #[must_use]
    pub fn of(sources: &'a Sources, outcome: &'a Outcome) -> Option<Self> {
        let host = outcome.host.as_ref().or(outcome.partial.as_deref())?;
        Some(Self { sources, host, places: &outcome.places })
    }
}

/// What a comparison found.
#[derive(Debug)]
pub struct Comparison {
    /// The findings, in the order of the nodes. Each one's place is on the node that differs, its labels show the others.
    pub diagnostics: Vec<Diagnostic>,
    /// How many findings of a kind were left out beyond these.
    pub omitted: Vec<(Id, usize)>,
}

/// Compares nodes with each other. Fewer than two give no finding. The files of one node must have other ids
/// than those of the others ([`Sources::apart_from`]).
#[must_use]
pub fn compare(nodes: &[Node<'_>]) -> Comparison {
    let files = Files::new(nodes);
    let mut findings = Findings::default();
    let Matched { groups, alone } = groups::matched(&files, &mut findings);
    for group in &groups {
        if !adverts::compare(group, &mut findings) {
            continue;
        }
        addresses::compare(group, &mut findings);
        peers::compare(group, &mut findings);
        election::compare(group, &mut findings);
        weights::compare(group, &mut findings);
        tracking::compare(group, &mut findings);
    }
    together::compare(&groups, &mut findings);
    fixed::compare(&files, &mut findings);
    for (member, missing) in &alone {
        groups::say_alone(member, missing, &mut findings);
    }
    let (diagnostics, omitted) = findings.finish();
    Comparison { diagnostics, omitted }
}

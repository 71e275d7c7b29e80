//! The instances of several nodes that are one virtual router, and who among them is the odd one.

use super::node::{Member, names};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

/// One virtual router: at most one instance from each node, at least two.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) members: Vec<Member<'a>>,
}

/// A member that differs from the others.
#[derive(Debug)]
pub(super) struct Odd<'m, 'a, K> {
    /// It.
    pub(super) member: &'m Member<'a>,
    /// What it has.
    pub(super) has: K,
    /// The others that agree, one or more.
    pub(super) usual: Vec<&'m Member<'a>>,
    /// What they have.
    pub(super) wanted: K,
}

impl<'a> Group<'a> {
    /// Who differs from what most have; on a draw the first node is right.
    pub(super) fn odd<'m, K: PartialEq + Clone>(
        &'m self,
        key: impl Fn(&Member<'a>) -> K,
    ) -> Vec<Odd<'m, 'a, K>> {
        let keys: Vec<K> = self.members.iter().map(key).collect();
        let votes = |key: &K| keys.iter().filter(|k| *k == key).count();
        // Of equal numbers of votes `rev` makes the first one win.
        let Some(wanted) = keys.iter().rev().max_by_key(|key| votes(key)) else { return Vec::new() };
        let usual: Vec<&Member<'a>> =
            self.members.iter().zip(&keys).filter(|(_, key)| *key == wanted).map(|(m, _)| m).collect();
        let others = self.members.iter().zip(&keys).filter(|(_, key)| *key != wanted);
        others
            .map(|(member, has)| Odd {
                member,
                has: has.clone(),
                usual: usual.clone(),
                wanted: wanted.clone(),
            })
            .collect()
    }
}

impl<'a, K> Odd<'_, 'a, K> {
    /// The files of those that agree.
    pub(super) fn others(&self) -> String {
        files(&self.usual)
    }

    /// Labels the places of those that agree.
    pub(super) fn label(
        &self,
        mut d: Diagnostic,
        place: impl Fn(&Member<'a>) -> Span,
        text: impl Display,
    ) -> Diagnostic {
        for member in &self.usual {
            d = d.label(place(member), alloc::format!("{text}"));
        }
        d
    }
}

/// The files of some members.
pub(super) fn files(members: &[&Member<'_>]) -> String {
    names(members.iter().map(|member| member.file_name))
}

//! What a reload changes: old and new instances matched by identity, not by name.

use crate::{Host, Identity, Instance};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What happens to one virtual router when a new configuration comes.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// It was not there before.
    Added(&'a Instance),
    /// It is there no more.
    Removed(&'a Instance),
    /// It stays, and everything about it stays: it must not notice.
    Kept(&'a Instance),
    /// It stays the same virtual router with other settings.
    Altered {
        /// As it was.
        old: &'a Instance,
        /// As it shall be.
        new: &'a Instance,
    },
}

/// The changes from `old` to `new`: removals first (in the old order), then the rest in the new order.
#[must_use]
pub fn changes<'a>(old: &'a Host, new: &'a Host) -> Vec<Change<'a>> {
    let before: BTreeMap<Identity, &Instance> = old.instances.iter().map(|i| (i.identity(), i)).collect();
    let after: BTreeMap<Identity, &Instance> = new.instances.iter().map(|i| (i.identity(), i)).collect();
    let removed = old.instances.iter().filter(|i| !after.contains_key(&i.identity())).map(Change::Removed);
    let rest = new.instances.iter().map(|new| match before.get(&new.identity()) {
        None => Change::Added(new),
        Some(old) if *old == new => Change::Kept(new),
        Some(old) => Change::Altered { old, new },
    });
    removed.chain(rest).collect()
}

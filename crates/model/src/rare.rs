//! What nearly nobody writes, and what a thousand instances should not each keep room for.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;
use core::ops::{Deref, DerefMut};

/// A value that says nothing, as nearly all are.
pub trait Blank: Clone + PartialEq + 'static {
    /// It.
    const BLANK: &'static Self;
}

/// Such a value, or one that says something. Reads and is compared as the value itself; one that says nothing takes the place of
/// a pointer.
#[derive(Clone)]
pub struct Rare<T>(Option<Box<T>>);

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Blank> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Self((value != *T::BLANK).then(|| Box::new(value)))
    }
}

impl<T: Blank> Rare<T> {
    /// Gives the place back if nothing is said any more.
    pub fn settle(&mut self) {
        if **self == *T::BLANK {
            self.0 = None;
        }
    }
}

impl<T: Blank> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::BLANK)
    }
}

impl<T: Blank> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::BLANK.clone()))
    }
}

impl<T: Blank> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Blank + Eq> Eq for Rare<T> {}

impl<T: Blank + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<K: Clone + PartialEq + 'static, V: Clone + PartialEq + 'static> Blank for BTreeMap<K, V> {
    const BLANK: &'static Self = &Self::new();
}

impl<T: Clone + PartialEq + 'static> Blank for BTreeSet<T> {
    const BLANK: &'static Self = &Self::new();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Notify, Tracking};
    use alloc::format;

    #[test]
    fn it_is_what_it_says_however_it_came_to_say_it() {
        let mut one: Rare<Notify> = Rare::default();
        assert_eq!((&*one, one.0.is_none()), (&Notify::default(), true));
        one.mail = Some(true);
        let other = Rare::from(Notify { mail: Some(true), ..Notify::default() });
        assert_eq!(one, other);
        assert_eq!(format!("{one:?}"), format!("{:?}", *other));
        one.mail = None;
        assert_eq!(one, Rare::default(), "what was written and taken back says nothing");
        assert!(Rare::from(Tracking::default()).0.is_none());
        assert_eq!(*Tracking::BLANK, Tracking::default());
        assert_eq!(size_of::<Rare<Notify>>(), size_of::<usize>());
    }
}

//! What nearly nobody writes, and what a thousand instances should not each keep room for.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
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
    /// The value for writing, if anything was written already: to write into one that says nothing takes a place first.
    pub fn written(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

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

impl<T: Blank + Hash> Hash for Rare<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: Blank + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Clone + PartialEq + 'static> Blank for Vec<T> {
    const BLANK: &'static Self = &Self::new();
}

impl<K: Clone + PartialEq + 'static, V: Clone + PartialEq + 'static> Blank for BTreeMap<K, V> {
    const BLANK: &'static Self = &Self::new();
}

impl<T: Clone + PartialEq + 'static> Blank for BTreeSet<T> {
    const BLANK: &'static Self = &Self::new();
}

impl<T: Clone + PartialEq + 'static> FromIterator<T> for Rare<Vec<T>> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        all.into_iter().collect::<Vec<T>>().into()
    }
}

impl<'a, T: Clone + PartialEq + 'static> IntoIterator for &'a Rare<Vec<T>> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AnnounceSettings;
    use alloc::format;

    #[test]
    fn it_is_what_it_says_however_it_came_to_say_it() {
        let mut one: Rare<AnnounceSettings> = Rare::default();
        assert_eq!((&*one, one.0.is_none()), (&AnnounceSettings::default(), true));
        one.repeat = 2;
        let other = Rare::from(AnnounceSettings { repeat: 2, ..AnnounceSettings::default() });
        assert_eq!(one, other);
        assert_eq!(format!("{one:?}"), format!("{:?}", *other));
        one.repeat = AnnounceSettings::default().repeat;
        assert_eq!(one, Rare::default(), "what was written and taken back says nothing");
        assert!(one.0.is_some());
        one.settle();
        assert!(one.0.is_none());
        assert!(Rare::from(AnnounceSettings::default()).0.is_none());
        assert_eq!(size_of::<Rare<AnnounceSettings>>(), size_of::<usize>());
    }
}

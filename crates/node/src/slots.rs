//! All instances at run time, by their numbers: a place is found without a search, since each advert asks for it.

use crate::io::RouterId;
use crate::slot::Slot;
use alloc::boxed::Box;
use alloc::collections::VecDeque;

/// Numbers only grow, and most of those between the first and the last are in use.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// The number of the first place.
    first: u32,
    /// Boxed: a place costs little, used or not.
    places: VecDeque<Option<Box<Slot>>>,
    count: usize,
}

impl Slots {
    fn place(&self, id: RouterId) -> Option<usize> {
        id.0.checked_sub(self.first).and_then(|at| usize::try_from(at).ok())
    }

    pub(crate) fn get(&self, id: &RouterId) -> Option<&Slot> {
        self.places.get(self.place(*id)?)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: &RouterId) -> Option<&mut Slot> {
        let at = self.place(*id)?;
        self.places.get_mut(at)?.as_deref_mut()
    }

    /// Takes in one whose number is greater than all before it. Its place is its number, so one with a smaller number is
    /// not taken: there is none, since numbers are never given twice.
    pub(crate) fn insert(&mut self, slot: Box<Slot>) {
        if self.places.is_empty() {
            self.first = slot.id.0;
        }
        let Some(at) = self.place(slot.id).filter(|at| *at >= self.places.len()) else { return };
        self.places.resize_with(at, || None);
        self.places.push_back(Some(slot));
        self.count += 1;
    }

    pub(crate) fn remove(&mut self, id: &RouterId) -> Option<Box<Slot>> {
        let at = self.place(*id)?;
        let gone = self.places.get_mut(at)?.take()?;
        self.count -= 1;
        while matches!(self.places.front(), Some(None)) {
            self.places.pop_front();
            self.first += 1;
        }
        Some(gone)
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// All, from the smallest number to the greatest.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Slot> {
        self.places.iter().filter_map(Option::as_deref)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.places.iter_mut().filter_map(Option::as_deref_mut)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = RouterId> {
        self.values().map(|slot| slot.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use model::Instance;
    use timeline::Instant;
    use vrrp::Settings;
    use wire::{Family, Version, Vrid};

    fn slot(id: u32) -> Box<Slot> {
        let settings = Settings::new(Version::V3, Family::V4, Vrid::new(1).unwrap());
        let instance = Instance::new("VI", "eth0", settings, Vec::new());
        Box::new(Slot::new(RouterId(id), instance, Instant::EPOCH))
    }

    fn ids(slots: &Slots) -> Vec<u32> {
        slots.ids().map(|id| id.0).collect()
    }

    #[test]
    fn what_is_in_is_found_and_gaps_are_not() {
        let mut slots = Slots::default();
        for id in [3, 4, 9] {
            slots.insert(slot(id));
        }
        assert_eq!((ids(&slots), slots.len()), (alloc::vec![3, 4, 9], 3));
        for id in [0, 2, 5, 10, u32::MAX] {
            assert!(slots.get(&RouterId(id)).is_none() && slots.remove(&RouterId(id)).is_none(), "{id}");
        }
        assert_eq!(slots.get_mut(&RouterId(9)).map(|slot| slot.id), Some(RouterId(9)));
        slots.insert(slot(4));
        assert_eq!(slots.len(), 3, "no number is given twice");
    }

    #[test]
    fn places_before_the_first_are_given_up() {
        let mut slots = Slots::default();
        (0..5).for_each(|id| slots.insert(slot(id)));
        assert!(slots.remove(&RouterId(1)).is_some() && slots.remove(&RouterId(0)).is_some());
        assert_eq!((ids(&slots), slots.places.len()), (alloc::vec![2, 3, 4], 3));
        (2..5).for_each(|id| assert!(slots.remove(&RouterId(id)).is_some()));
        assert_eq!((slots.len(), slots.places.len()), (0, 0));
        slots.insert(slot(70_000));
        assert_eq!((ids(&slots), slots.places.len()), (alloc::vec![70_000], 1), "no room for those between");
    }
}

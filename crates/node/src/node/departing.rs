//! Addresses on their way out: what is asked of the hand, and what is still under way for routers that have
//! forgotten them.

use crate::facts::Facts;
use crate::held::{Spot, Whose};
use crate::io::{Act, Effect, Hold, InterfaceIndex, Outcome, Place, Placed, RouterId};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Addresses to remove, apart by whether they may have been there before this run: only those of an earlier run
/// are removed though this run did not set them, never all because one of them is such.
#[derive(Debug, Default)]
pub(super) struct Gone {
    ours: Vec<Placed>,
    leftovers: Vec<Placed>,
}

impl Gone {
    pub(super) fn take(&mut self, spot: &Spot) {
        if spot.whose() == Whose::Leftover { &mut self.leftovers } else { &mut self.ours }
            .extend(spot.placed());
    }

    pub(super) fn take_leftover(&mut self, placed: Placed) {
        self.leftovers.push(placed);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.ours.is_empty() && self.leftovers.is_empty()
    }

    pub(super) fn leftovers(&self) -> &[Placed] {
        &self.leftovers
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Placed> {
        self.ours.iter().chain(&self.leftovers)
    }

    /// Asks the hand. From now on they are not there, as far as anybody here is concerned.
    pub(super) fn ask(self, router: RouterId, epoch: u64, facts: &mut Facts, effects: &mut Vec<Effect>) {
        self.all().for_each(|placed| facts.remove_marked(placed.place()));
        for (placed, all) in [(self.ours, false), (self.leftovers, true)] {
            if !placed.is_empty() {
                let act = Act::Remove { addresses: placed.into(), all };
                effects.push(Effect::Hold(Hold { router, epoch, act }));
            }
        }
    }
}

/// Tells the hand that a router's mind has changed: whatever it announces or was to set is off.
pub(super) fn fence(router: RouterId, epoch: u64) -> Effect {
    let act = Act::Remove { addresses: Arc::new([]), all: false };
    Effect::Hold(Hold { router, epoch, act })
}

/// Removals under way that no router waits for: its instance is gone, or has other addresses now, or another
/// interface. Each place with how often it was asked for.
#[derive(Debug, Default)]
pub(super) struct Departing {
    asked: BTreeMap<(RouterId, u64), BTreeMap<Place, u32>>,
    /// The same without who asked.
    places: BTreeMap<Place, u32>,
}

impl Departing {
    pub(super) fn note<'a>(&mut self, id: RouterId, epoch: u64, placed: impl Iterator<Item = &'a Placed>) {
        for placed in placed {
            let place = placed.place();
            *self.asked.entry((id, epoch)).or_default().entry(place).or_default() += 1;
            *self.places.entry(place).or_default() += 1;
        }
    }

    /// Takes an outcome: for each of its addresses whether it was one of these.
    pub(super) fn settle(&mut self, outcome: &Outcome) -> Vec<bool> {
        let key = (outcome.router, outcome.epoch);
        let Some(asked) = self.asked.get_mut(&key) else { return Vec::new() };
        let results = outcome.results.iter();
        let departed = results.map(|(place, _)| take(asked, *place) && take(&mut self.places, *place));
        let departed = departed.collect();
        if asked.is_empty() {
            self.asked.remove(&key);
        }
        departed
    }

    /// Nothing that is on an interface that vanished needs to be waited for.
    pub(super) fn forget_interface(&mut self, index: InterfaceIndex) {
        self.places.retain(|place, _| place.interface != index);
        self.asked.retain(|_, places| {
            places.retain(|place, _| place.interface != index);
            !places.is_empty()
        });
    }

    pub(super) fn contains(&self, place: Place) -> bool {
        self.places.contains_key(&place)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// Takes one of these away; false if there is none.
fn take(places: &mut BTreeMap<Place, u32>, place: Place) -> bool {
    let Some(count) = places.get_mut(&place) else { return false };
    *count -= 1;
    if *count == 0 {
        places.remove(&place);
    }
    true
}

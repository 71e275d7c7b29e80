//! Addresses that do not accept: which must be filtered, and how that goes.

use super::{Node, report};
use crate::event::Event;
use crate::held::{Spot, Whose};
use crate::io::{Act, Effect, FilterState, Filtering, Hold, Place, RouterId};
use crate::slot::Slot;
use alloc::sync::Arc;
use alloc::vec::Vec;
use timeline::Instant;
use vrrp::Role;

impl Slot {
    /// Where packets for its addresses are to be dropped: wherever they are or may be by its doing. While Active that is
    /// everywhere it wants them: what somebody removes comes back, and what the kernel refuses may be set later.
    fn closed_places(&self) -> Vec<Place> {
        if self.instance.accepts() {
            return Vec::new();
        }
        let active = self.router.role() == Role::Active;
        let here = |spot: &&Spot| active || spot.is_claimed() && spot.whose() != Whose::Foreign;
        let mut places: Vec<Place> = self.spots.iter().filter(here).filter_map(Spot::place).collect();
        places.sort_unstable();
        places
    }

    /// Tells the hand where, if that is not as it was.
    pub(crate) fn close(&mut self, epoch: u64, effects: &mut Vec<Effect>) {
        // Without any the steady case costs a look at two flags.
        if self.instance.accepts() && self.closed.is_empty() {
            return;
        }
        let places = self.closed_places();
        if *self.closed != *places {
            self.closed = places.into();
            effects.push(self.closing(epoch));
        }
    }

    fn closing(&self, epoch: u64) -> Effect {
        Effect::Hold(Hold { router: self.id, epoch, act: Act::Close { places: Arc::clone(&self.closed) } })
    }
}

/// The filter as far as the node knows it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) filtering: Filtering,
    /// Repairs that were told.
    told: u64,
    quiet: crate::slot::Quiet,
}

impl Node {
    /// A router is no more: nothing is closed for it once what was asked for it before is done.
    pub(super) fn open_all(id: RouterId, epoch: u64, closed: &[Place], effects: &mut Vec<Effect>) {
        if !closed.is_empty() {
            let act = Act::Close { places: Arc::new([]) };
            effects.push(Effect::Hold(Hold { router: id, epoch, act }));
        }
    }

    pub(super) fn learn_filter(&mut self, now: Instant, filtering: Filtering, effects: &mut Vec<Effect>) {
        let before = core::mem::replace(&mut self.filter.filtering, filtering);
        let after = &self.filter.filtering;
        let table = || Arc::from(self.host.filter.table.as_str());
        if before.state != after.state {
            match after.state {
                FilterState::Off => {}
                FilterState::InForce => effects.push(report(Event::FilterInForce { table: table() })),
                FilterState::Stays(errno) => {
                    effects.push(report(Event::FilterStays { table: table(), errno }));
                }
                FilterState::Lacking(why) => {
                    effects.push(report(Event::FilterLacking { table: table(), why }));
                }
            }
        }
        if after.repairs != self.filter.told && self.filter.quiet.tell(now, 1).is_some() {
            let times = after.repairs.saturating_sub(self.filter.told);
            let by = after.by.clone();
            effects.push(report(Event::FilterRepaired { table: table(), by, times }));
            self.filter.told = after.repairs;
        }
    }
}

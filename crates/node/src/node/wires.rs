//! Which router an advert is for: asked for each advert that arrives, so it costs two steps and no search.

use crate::io::{InterfaceIndex, RouterId};
use alloc::boxed::Box;
use alloc::vec::Vec;
use wire::{Family, Vrid};

/// Where an advert comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Door {
    /// On this interface.
    Interface(InterfaceIndex),
    /// On whichever interface of this VRF, or of none.
    Vrf(Option<InterfaceIndex>),
}

/// What arrives through one door in one way; unicast and multicast are two routers with one VRID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub(super) door: Door,
    pub(super) family: Family,
    pub(super) unicast: bool,
}

/// The routers of each way by VRID.
#[derive(Debug, Default)]
pub(super) struct Wires(Vec<(Way, Box<[Option<RouterId>; 256]>)>);

impl Wires {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn insert(&mut self, way: Way, vrid: Vrid, id: RouterId) {
        let at = match self.0.binary_search_by_key(&way, |(way, _)| *way) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (way, Box::new([None; 256])));
                at
            }
        };
        if let Some(router) =
            self.0.get_mut(at).and_then(|(_, by_vrid)| by_vrid.get_mut(usize::from(vrid.get())))
        {
            *router = Some(id);
        }
    }

    /// Who listens there; of unicast, who listens on every interface of its VRF (`Some(None)`: of none); whoever listens
    /// in the other way if nobody does.
    pub(super) fn find(
        &self,
        way: Way,
        vrid: Vrid,
        vrf: impl FnOnce() -> Option<Option<InterfaceIndex>>,
    ) -> Option<RouterId> {
        let anywhere = || self.get(Way { door: Door::Vrf(vrf()?), ..way }, vrid);
        self.get(way, vrid)
            .or_else(|| if way.unicast { anywhere() } else { None })
            .or_else(|| self.get(Way { unicast: !way.unicast, ..way }, vrid))
    }

    fn get(&self, way: Way, vrid: Vrid) -> Option<RouterId> {
        let at = self.0.binary_search_by_key(&way, |(way, _)| *way).ok()?;
        *self.0.get(at)?.1.get(usize::from(vrid.get()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advert_finds_the_router_of_its_way() {
        let mut wires = Wires::default();
        let vrid = |number| Vrid::new(number).unwrap();
        let through = |door, unicast| Way { door, family: Family::V4, unicast };
        let way = |interface, unicast| through(Door::Interface(interface), unicast);
        wires.insert(way(7, false), vrid(51), RouterId(1));
        wires.insert(way(3, false), vrid(51), RouterId(2));
        wires.insert(way(7, true), vrid(51), RouterId(3));
        wires.insert(way(7, false), vrid(255), RouterId(4));
        let find = |wires: &Wires, way, number| wires.find(way, vrid(number), || Some(None));
        assert_eq!(find(&wires, way(7, false), 51), Some(RouterId(1)));
        assert_eq!(find(&wires, way(7, true), 51), Some(RouterId(3)));
        assert_eq!(find(&wires, way(3, true), 51), Some(RouterId(2)), "nobody listens to unicast there");
        assert_eq!(find(&wires, way(7, true), 255), Some(RouterId(4)));
        assert_eq!(find(&wires, Way { family: Family::V6, ..way(7, false) }, 51), None);
        assert_eq!(find(&wires, way(7, false), 52), None);

        // The same VRID in a VRF and outside, by routers without interface.
        wires.insert(through(Door::Vrf(None), true), vrid(51), RouterId(5));
        wires.insert(through(Door::Vrf(Some(9)), true), vrid(51), RouterId(6));
        assert_eq!(find(&wires, way(7, true), 51), Some(RouterId(3)), "who has the interface comes first");
        assert_eq!(
            find(&wires, way(3, true), 51),
            Some(RouterId(5)),
            "before who only hears multicast there"
        );
        assert_eq!(find(&wires, way(4, true), 51), Some(RouterId(5)));
        assert_eq!(find(&wires, way(4, false), 51), None, "multicast is not for them");
        assert_eq!(wires.find(way(4, true), vrid(51), || Some(Some(9))), Some(RouterId(6)));
        assert_eq!(wires.find(way(4, true), vrid(51), || Some(Some(8))), None, "nobody there");
        assert_eq!(wires.find(way(4, true), vrid(51), || None), None, "an interface that nobody knows");
        wires.clear();
        assert_eq!(find(&wires, way(7, false), 51), None);
    }
}

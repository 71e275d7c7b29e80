//! Two virtual routers that cannot both hear: one has the interface on which the other's adverts come in.

use super::Advice;
use crate::diagnostic::Findings;
use crate::lower::Placed;
use crate::registry::Id;
use alloc::collections::BTreeMap;
use alloc::format;
use model::{Home, Transport};

impl Advice<'_> {
    /// An advert that comes in on an interface is for who has that interface, before it is for who has none. Which VRF an
    /// interface is in is not always known; then it is taken to be in none.
    pub(super) fn homes(&self, findings: &mut Findings) {
        if self.surroundings.keepalived.is_some() {
            return;
        }
        let unicast = || {
            let all = self.instances.iter();
            all.filter(|placed| matches!(placed.instance.transport, Transport::Unicast { .. }))
        };
        let key = |placed: &Placed, vrf| {
            let settings = &placed.instance.settings;
            (settings.family, settings.vrid, vrf)
        };
        let known = self.surroundings.interfaces.as_ref();
        let mut takers = BTreeMap::new();
        for placed in unicast() {
            if let Home::Interface(name) = &placed.instance.home {
                let vrf = known.and_then(|all| all.get(&**name)?.vrf.as_deref());
                takers.entry(key(placed, vrf)).or_insert((placed, name));
            }
        }
        for placed in unicast() {
            let Home::Routed { vrf } = &placed.instance.home else { continue };
            let Some((taker, interface)) = takers.get(&key(placed, vrf.as_deref())) else { continue };
            let (name, other, settings) =
                (&placed.instance.name, &taker.instance.name, &placed.instance.settings);
            findings.add(Id::VridShared, placed.header, |d| {
                d.say(format!(
                    "`{name}` and `{other}` both use VRID {} with {} unicast: what comes in on {interface} is for `{other}` only",
                    settings.vrid, settings.family
                ))
                .label(taker.header, format!("`{other}` has the interface {interface}"))
                .help("give one of them another virtual_router_id, here and on its partners")
            });
        }
    }
}

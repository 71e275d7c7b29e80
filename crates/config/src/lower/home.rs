//! Where an instance speaks: on an interface, or wherever routing leads.

use super::Lower;
use super::address::Entry;
use super::instance::Draft;
use super::strict::is_link_local;
use crate::registry::Id;
use crate::source::Span;
use alloc::format;
use alloc::string::String;
use model::{Home, InterfaceName, Transport};

impl Lower<'_> {
    /// `peers`: where they stand. `None`: it does not run, and that was reported.
    pub(super) fn chosen_home(
        &mut self,
        draft: &mut Draft,
        transport: &Transport,
        peers: &[Span],
    ) -> Option<Home> {
        if let Some((name, place)) = &draft.interface {
            if let Some((_, span)) = draft.vrf {
                self.findings.add(Id::VrfIgnored, span, |d| {
                    d.say("an instance with an interface is in the VRF of that: `vrf` is ignored")
                        .label(*place, "its interface")
                        .help("remove the line; or remove `interface`, and name the interface of each address with `dev`")
                });
            }
            return Some(Home::Interface(name.clone()));
        }
        if draft.interface_refused {
            return None;
        }
        let Transport::Unicast { source, peers: list, .. } = transport else {
            let vrf = draft.vrf.as_ref().map(|(_, span)| *span);
            self.findings.add(Id::InterfaceMissing, draft.header, |d| {
                let d = d.say(format!("`{}` has no interface", draft.name));
                match vrf {
                    Some(place) => d.label(place, "this is in its place for unicast only").help(
                        "write `interface` and the name of one in this VRF; or list the partners in `unicast_peer`",
                    ),
                    None => d.help("write `interface` and the name of the one that the partners share"),
                }
            });
            return None;
        };
        let Some(source) = source else {
            self.findings.add(Id::InterfaceMissing, draft.header, |d| {
                d.say(format!(
                    "`{}` has neither interface nor source address: nothing says from where it speaks",
                    draft.name
                ))
                .help("write `unicast_src_ip` and the address of this node that the partners list; or `interface`")
            });
            return None;
        };
        let written = draft.unicast_source.or(draft.multicast_source).map_or(draft.header, |(_, span)| span);
        let places = peers.iter().copied().zip(list.iter().map(|peer| peer.address));
        let mut all = core::iter::once((written, *source)).chain(places);
        if let Some((span, address)) = all.find(|(_, address)| is_link_local(*address)) {
            self.findings.add(Id::InterfaceMissing, span, |d| {
                d.say(format!("{address} is link-local, and `{}` has no interface that says on which link", draft.name))
                    .help("write `interface` and the name of the one that the partners share; or use global addresses")
            });
            return None;
        }
        if core::mem::take(&mut draft.ignore_own_link) {
            self.findings.add_once(
                (Id::NoEffect, "dont_track_primary", String::from(&*draft.name)),
                draft.header,
                |d| {
                    d.say(format!(
                        "`{}` has no interface of its own: `dont_track_primary` has no effect",
                        draft.name
                    ))
                },
            );
        }
        let vrf = draft.vrf.take().map(|(name, span)| {
            self.must_be_vrf(&name, span);
            name
        });
        Some(Home::Routed { vrf })
    }

    fn must_be_vrf(&mut self, name: &InterfaceName, span: Span) {
        let known = self.surroundings.interfaces.as_ref().and_then(|all| all.get(&**name));
        match known.map(|interface| interface.is_vrf) {
            None => self.must_exist(name, span),
            Some(true) => {}
            Some(false) => self.findings.add(Id::NotAVrf, span, |d| {
                d.say(format!("interface `{name}` is no VRF device: the instance stays in FAULT"))
                    .help("`ip link show type vrf` lists the VRF devices; of which an interface is a port, `ip link show dev NAME` says")
            }),
        }
    }

    /// Whether something says of each address on which interface it belongs.
    pub(super) fn have_places<'a>(
        &mut self,
        draft: &Draft,
        home: Option<&Home>,
        addresses: impl Iterator<Item = &'a Entry>,
    ) -> bool {
        if !home.is_some_and(Home::is_routed) {
            return true;
        }
        let mut lost = addresses.filter(|entry| entry.address.options.device.is_none());
        let Some(first) = lost.next() else { return true };
        let more = lost.count();
        self.findings.add(Id::InterfaceMissing, first.span, |d| {
            let others = if more > 0 { format!(" (and of {more} more)") } else { String::new() };
            d.say(format!(
                "`{}` has no interface, and nothing says on which one {}{others} belongs",
                draft.name, first.address.address
            ))
            .help("write `dev` and the name of the interface behind each address")
        });
        false
    }
}

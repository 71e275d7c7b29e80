//! `bfd_instance`: a session with a neighbour.

use super::trackers::Kind;
use super::value::Numbers;
use super::{Given, Lower};
use crate::registry::Id;
use crate::source::Span;
use crate::tree::At;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use core::net::IpAddr;
use model::{Bfd, Weight};

/// The longest interval that keepalived takes for meant.
const SENSIBLE: u32 = 10_000_000;

/// The longest name that keepalived takes.
const LONGEST_NAME: usize = 31;

impl Lower<'_> {
    /// Reads one session; `None` when it cannot be. `neighbors`: those of the sessions above.
    pub(super) fn bfd(
        &mut self,
        block: At<'_, '_>,
        name: &Arc<str>,
        neighbors: &mut BTreeMap<IpAddr, Span>,
    ) -> (Option<Bfd>, Weight) {
        let mut bfd = Bfd::new(name.clone(), IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED));
        let (mut neighbor, mut source) = (None, None);
        let mut hops = None;
        let mut given = Given::default();
        for at in block.children() {
            let Some(keyword) = at.node.keyword else { continue };
            self.given(&mut given, at);
            let settings = &mut bfd.settings;
            match keyword.name {
                "neighbor_ip" | "neighbour_ip" => neighbor = self.address(at).or(neighbor),
                "source_ip" => source = self.address(at).or(source),
                "min_tx" => settings.min_tx = self.bfd_time(at, 1000).unwrap_or(settings.min_tx),
                "min_rx" => settings.min_rx = self.bfd_time(at, 1000).unwrap_or(settings.min_rx),
                "idle_tx" => settings.idle_tx = self.bfd_time(at, 1_000_000).unwrap_or(settings.idle_tx),
                "multiplier" => settings.multiplier = self.byte(at).unwrap_or(settings.multiplier),
                "passive" => {
                    self.flag(at);
                    settings.passive = true;
                }
                "ttl" | "hoplimit" => bfd.hop_limit = self.byte(at).or(bfd.hop_limit),
                "max_hops" => hops = self.max_hops(at).or(hops),
                "multihop" => bfd.multihop = self.switch(at).unwrap_or(bfd.multihop),
                "weight" => self.own_weight(at, Kind::Bfd, &mut bfd.weight),
                _ => self.flag(at),
            }
        }
        let weight = bfd.weight;
        if name.len() > LONGEST_NAME {
            self.findings.add(Id::BfdImpossible, block.node.span, |d| {
                d.say(format!("a name of {} characters is too long: the session does not count", name.len()))
                    .help(format!("names of BFD sessions have {LONGEST_NAME} characters at most"))
            });
            return (None, weight);
        }
        let Some((address, span)) = neighbor else {
            self.lacks(block, Kind::Bfd, "neighbor_ip");
            return (None, weight);
        };
        bfd.neighbor = address;
        bfd.source = source.map(|(source, _)| source);
        self.hops(&mut bfd, hops);
        if let Some((source, place)) = source.filter(|(source, _)| source.is_ipv4() != address.is_ipv4()) {
            self.findings.add(Id::BfdImpossible, place, |d| {
                d.say(format!("nothing can be sent from {source} to {address}: the session does not count"))
                    .label(span, "this is of the other family")
                    .help("write a `source_ip` of the family of `neighbor_ip`, or none")
            });
            return (None, weight);
        }
        if let Some(first) = neighbors.get(&address) {
            self.findings.add(Id::BfdImpossible, span, |d| {
                d.say(format!("there is a session with {address} already: this one does not count"))
                    .label(*first, "this one counts")
                    .help("several instances may track one session: name the first one in `track_bfd`")
            });
            return (None, weight);
        }
        neighbors.insert(address, span);
        (Some(bfd), weight)
    }

    /// More hops than a packet can make are as many as it can.
    fn hops(&mut self, bfd: &mut Bfd, hops: Option<(Option<u8>, Span)>) {
        let Some((hops, span)) = hops else { return };
        let most = bfd.hop_limit.unwrap_or(if bfd.neighbor.is_ipv4() { 255 } else { 64 });
        bfd.max_hops = hops.map(|hops| hops.min(most));
        if let Some(hops) = hops.filter(|hops| *hops > most) {
            self.findings.add(Id::OutOfRange, span, |d| {
                d.say(format!("no packet makes {hops} hops with a TTL of {most}: {most} is used"))
            });
        }
    }

    /// A time in milliseconds, as microseconds from `least` on.
    fn bfd_time(&mut self, at: At<'_, '_>, least: u64) -> Option<u32> {
        let allowed = Numbers {
            range: least..=4_294_967_000,
            places: 3,
            unit: " ms",
            otherwise: "the line is ignored",
        };
        let time = self.number(at, &allowed).and_then(|time| u32::try_from(time).ok())?;
        if time > SENSIBLE
            && least == 1000
            && let Some(word) = at.arguments().first()
        {
            self.findings.add(Id::OutOfRange, word.span, |d| {
                d.say(format!("{} ms are {} s: the number is in milliseconds", time / 1000, time / 1_000_000))
            });
        }
        Some(time)
    }

    fn byte(&mut self, at: At<'_, '_>) -> Option<u8> {
        self.number(at, &Numbers::count(1..=255)).and_then(|number| u8::try_from(number).ok())
    }

    /// `max_hops`; -1 is any number.
    fn max_hops(&mut self, at: At<'_, '_>) -> Option<(Option<u8>, Span)> {
        if let [word] = at.arguments()
            && &*word.text == b"-1"
        {
            return Some((None, word.span));
        }
        let hops = self.number(at, &Numbers::count(0..=255)).and_then(|number| u8::try_from(number).ok())?;
        Some((Some(hops), at.node.span))
    }
}

//! From a draft to an instance: defaults, and the rules that hold between lines.

use super::Lower;
use super::address::Entry;
use super::global::{Gaps, Globals};
use super::instance::{AuthType, Draft};
use super::strict::{Loose, accepts, is_link_local, is_strict, tighten};
use super::tracking::{Line, tracking};
use super::value::fixed;
use crate::registry::Id;
use crate::source::Span;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use model::{
    AnnounceSettings, Authentication, ChecksumForm, Home, Instance, InterfaceName, Peer, Settings,
    TrackedInterface, Transport, VirtualAddress,
};
use wire::{Family, Interval, Priority, Version};

/// An instance with the places of what can be said about it.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) instance: Instance,
    /// The line that opens it.
    pub(crate) header: Span,
    /// Its priority, if one was written.
    pub(crate) priority: Option<Span>,
    /// The places of the listed addresses.
    pub(crate) addresses: Vec<Span>,
    /// The places of the other addresses.
    pub(crate) excluded: Vec<Span>,
    /// The places of the tracked interfaces.
    pub(crate) interfaces: Vec<Span>,
    /// What is tracked by name.
    pub(crate) lines: Vec<Line>,
    /// The places of the peers.
    pub(crate) peers: Vec<Span>,
    /// The password.
    pub(crate) password: Option<Span>,
    /// The written interval.
    pub(crate) interval: Option<Span>,
    /// The line with the source of adverts.
    pub(crate) source: Option<Span>,
}

impl Placed {
    /// Everything tracked with a weight: its name, the weight and its place.
    fn weighted(&self) -> impl Iterator<Item = (&Arc<str>, i16, Span)> {
        self.weighted_interfaces().chain(self.weighted_lines())
    }

    /// The interfaces tracked with a weight.
    pub(super) fn weighted_interfaces(&self) -> impl Iterator<Item = (&Arc<str>, i16, Span)> {
        let interfaces = self.instance.track_interfaces.iter().zip(&self.interfaces);
        interfaces.map(|(t, span)| (&t.interface, t.weight, *span)).filter(|(_, weight, _)| *weight != 0)
    }

    /// What else is tracked with a weight.
    pub(super) fn weighted_lines(&self) -> impl Iterator<Item = (&Arc<str>, i16, Span)> {
        let lines = self.lines.iter().map(|l| (&l.tracked.name, l.tracked.weight.value, l.span));
        lines.filter(|(_, weight, _)| *weight != 0)
    }

    /// Drops everything tracked with a weight.
    fn drop_weighted(&mut self) {
        let weights = self.instance.track_interfaces.iter().map(|t| t.weight);
        let kept = self.interfaces.iter().zip(weights).filter(|(_, weight)| *weight == 0);
        self.interfaces = kept.map(|(span, _)| *span).collect();
        let tracked = self.instance.track_interfaces.written();
        tracked.into_iter().for_each(|tracked| tracked.retain(|t| t.weight == 0));
        self.instance.track_interfaces.settle();
        self.keep_lines(|line| line.tracked.weight.value == 0);
    }

    /// Drops what is tracked by name, but for what `keep` says.
    pub(super) fn keep_lines(&mut self, keep: impl FnMut(&Line) -> bool) {
        self.lines.retain(keep);
        self.instance.tracking = tracking(&self.lines).into();
    }
}

impl Lower<'_> {
    /// Decides about everything that one line alone cannot say. `None`: the instance cannot be; that was
    /// reported, and so was everything else about it.
    pub(super) fn finish(
        &mut self,
        mut draft: Draft,
        globals: &Globals,
        groups: &BTreeMap<InterfaceName, Gaps>,
    ) -> Option<Placed> {
        let family = self.family(&draft);
        let version = self.chosen_version(&draft, family, globals);
        let priority = self.chosen_priority(&draft);
        let (preempt, mut preempt_delay) = self.preemption(&draft, priority);
        let interval = self.chosen_interval(&draft, version);
        let source = draft.unicast_source.or(draft.multicast_source).map(|(_, span)| span);
        let keys = draft.keys.as_ref().map(|keys| keys.first());
        let password = keys.or(draft.auth_pass.as_ref().map(|(_, span)| *span));
        let mut authentication = self.chosen_authentication(&mut draft, version, family);
        let (transport, peers) = self.transport(&mut draft, family);
        let loose = Loose {
            version,
            priority,
            transport: &transport,
            authentication: &mut authentication,
            preempt_delay: &mut preempt_delay,
        };
        self.strict(&draft, globals, loose);
        let home = self.chosen_home(&mut draft, &transport, &peers);
        let interface = home.as_ref().and_then(Home::interface).cloned();
        let strict = is_strict(&draft, globals);
        let required = version == Version::V3 || strict;
        let addresses = self.listed(&mut draft, family, required, interface.as_ref());
        let excluded = self.unlisted(&mut draft, &addresses, interface.as_ref());
        let (track_interfaces, interfaces) = self.tracked(&mut draft, interface.as_ref());
        let owner_ignores_adverts = self.owner_ignores(&draft, globals, priority);
        let strict_first = addresses.first().filter(|_| strict && family == Family::V6);
        if let Some(first) = strict_first.filter(|entry| !is_link_local(entry.address.address)) {
            self.not_link_local(first, &addresses);
        }
        // A source of the other family was dropped, and that was reported.
        let track_source = self.track_source(draft.track_source, source) && transport.source().is_some();
        if draft.vrid.is_none() && !draft.vrid_refused {
            self.findings.add(Id::VridMissing, draft.header, |d| {
                d.say(format!("`{}` has no virtual_router_id", draft.name))
                    .help("write a number from 1 to 255 that no other router on this link uses, the same on all nodes of the pair")
            });
        }
        let has_places = self.have_places(&draft, home.as_ref(), addresses.iter().chain(&excluded));
        let (vrid, home) = (draft.vrid?, home.filter(|_| has_places)?);
        let gaps = interface.and_then(|name| groups.get(&name)).copied().unwrap_or_default();
        let mut settings = Settings {
            priority,
            interval,
            preempt,
            preempt_delay,
            down_adverts: draft.down_adverts.map(|(count, _)| count).or(globals.down_adverts).unwrap_or(3),
            owner_ignores_adverts,
            late_rival: self.chosen_late_rival(&draft, preempt),
            lower_priority_no_advert: draft.lower_no_advert.map_or(globals.lower_no_advert, |(on, _)| on),
            higher_priority_send_advert: draft
                .higher_send_advert
                .map_or(globals.higher_send_advert, |(on, _)| on),
            announce: announce(&draft, globals).into(),
            ..Settings::new(version, family, vrid)
        };
        if strict {
            tighten(&mut settings);
        }
        let accept = accepts(&draft, strict, version);
        if let Some((false, span)) = draft.accept.filter(|_| priority.is_owner()) {
            self.findings.add(Id::NoEffect, span, |d| {
                let d = d.say("the address owner accepts always: `no_accept` has no effect");
                match draft.priority {
                    Some((_, place)) => d.label(place, "priority 255 is the address owner"),
                    None => d,
                }
            });
        }
        let message_checksum = draft.message_checksum.unwrap_or(globals.message_checksum);
        let instance = Instance {
            name: draft.name,
            home,
            settings,
            wants_active: if strict { priority.is_owner() } else { draft.wants_active.is_some() },
            transport,
            authentication,
            checksum: if message_checksum { ChecksumForm::Message } else { ChecksumForm::PseudoHeader },
            addresses: addresses.iter().map(|entry| entry.address.clone()).collect(),
            excluded: excluded.iter().map(|entry| entry.address.clone()).collect(),
            track_interfaces: track_interfaces.into(),
            tracking: tracking(&draft.lines).into(),
            ignore_own_link: draft.ignore_own_link,
            track_source,
            notify: draft.notify.into(),
            strict,
            accept,
            gaps: model::Gaps {
                arp: gaps.arp.unwrap_or(globals.arp_gap),
                na: gaps.na.unwrap_or(globals.na_gap),
            }
            .into(),
            skip_check_known_leader: draft.skip_check.unwrap_or(globals.skip_check),
            check_unicast_source: draft.check_unicast_source || globals.check_unicast_source,
        };
        let mut placed = Placed {
            instance,
            header: draft.header,
            priority: draft.priority.map(|(_, span)| span),
            addresses: addresses.iter().map(|entry| entry.span).collect(),
            excluded: excluded.iter().map(|entry| entry.span).collect(),
            interfaces,
            lines: draft.lines,
            peers,
            password,
            interval: draft.interval.map(|(_, span)| span),
            source,
        };
        self.owner_weights(&mut placed);
        Some(placed)
    }

    fn track_source(&mut self, wanted: Option<Span>, source: Option<Span>) -> bool {
        let Some(span) = wanted.filter(|_| source.is_none()) else { return wanted.is_some() };
        self.findings.add(Id::SourceMissing, span, |d| {
            d.say("`track_src_ip` watches a source that is not written: it is ignored")
                .help("write `unicast_src_ip` or `mcast_src_ip` too, or remove the line")
        });
        false
    }

    /// The priority of an owner never changes, so keepalived drops what would change it.
    fn owner_weights(&mut self, placed: &mut Placed) {
        if !placed.instance.settings.priority.is_owner() {
            return;
        }
        for (name, weight, span) in placed.weighted() {
            self.findings.add(Id::OwnerWeight, span, |d| {
                let d = d.say(format!(
                    "priority 255 never changes, so the weight {weight} of `{name}` cannot count: the line is dropped"
                ));
                let d = match placed.priority {
                    Some(place) => d.label(place, "the address owner"),
                    None => d,
                };
                d.help("write a priority below 255, or track without a weight: a failure is a fault then")
            });
        }
        placed.drop_weighted();
    }

    /// The first address decides; without one, whatever else has a family.
    fn family(&mut self, draft: &Draft) -> Family {
        let Some(first) = draft.addresses.first() else {
            let other = draft.peers.first().map(|(peer, _)| peer.address);
            let other = other.or(draft.unicast_source.or(draft.multicast_source).map(|(source, _)| source));
            let usual = if draft.native_v6.is_some() { Family::V6 } else { Family::V4 };
            return other.map_or(usual, Family::of);
        };
        let family = Family::of(first.address.address);
        if let Some(span) = draft.native_v6.filter(|_| family == Family::V4) {
            self.findings.add(Id::OtherFamily, span, |d| {
                d.say("the addresses are IPv4, so adverts travel over IPv4: `native_ipv6` is ignored")
                    .label(first.span, "the first address decides")
            });
        }
        family
    }

    fn chosen_version(&mut self, draft: &Draft, family: Family, globals: &Globals) -> Version {
        if family == Family::V4 {
            return draft.version.map(|(version, _)| version).or(globals.version).unwrap_or(Version::V2);
        }
        if let Some((Version::V2, span)) = draft.version {
            self.findings.add(Id::VersionConflict, span, |d| {
                let d = d.say("VRRP version 2 knows no IPv6: version 3 is used");
                match draft.addresses.first() {
                    Some(first) => d.label(first.span, "the first address decides about the family"),
                    None => d,
                }
            });
        }
        Version::V3
    }

    fn chosen_priority(&mut self, draft: &Draft) -> Priority {
        if let Some((priority, _)) = draft.priority {
            return Priority(priority);
        }
        if draft.priority_refused {
            return Priority::DEFAULT;
        }
        let owner = draft.wants_active.is_some();
        let priority = if owner { Priority::OWNER } else { Priority::DEFAULT };
        self.findings.add(Id::PriorityMissing, draft.header, |d| {
            let d = d.say(format!("`{}` has no priority: {priority} is used", draft.name));
            let d = match draft.wants_active {
                Some(span) => d.label(span, "with MASTER the default is 255, the address owner"),
                None => d,
            };
            d.help("write one; the node that shall have the address gets the higher one")
        });
        priority
    }

    fn preemption(&mut self, draft: &Draft, priority: Priority) -> (bool, Duration) {
        let mut preempt = true;
        if let Some(span) = draft.nopreempt {
            let obstacle = match (draft.wants_active, draft.priority) {
                (Some(state), _) => Some((state, "`state MASTER` takes the address at every start")),
                (None, Some((_, place))) if priority.is_owner() => {
                    Some((place, "priority 255 is the address owner, who always takes it back"))
                }
                _ => None,
            };
            match obstacle {
                None => preempt = false,
                Some((place, why)) => self.findings.add(Id::NopreemptIgnored, span, |d| {
                    let d = d.say("`nopreempt` cannot work here and is ignored").label(place, why);
                    if draft.wants_active.is_some() {
                        d.help(
                            "write `state BACKUP` and `nopreempt` on both nodes, with different priorities",
                        )
                    } else {
                        d.help("write a priority below 255")
                    }
                }),
            }
        }
        let Some((delay, span)) = draft.preempt_delay.filter(|(delay, _)| !delay.is_zero()) else {
            return (preempt, Duration::ZERO);
        };
        let obstacle = if preempt { draft.wants_active } else { draft.nopreempt };
        let Some(place) = obstacle else { return (preempt, delay) };
        self.findings.add(Id::PreemptDelayIgnored, span, |d| {
            let d = d.say("`preempt_delay` cannot work here and is ignored");
            if preempt {
                d.label(place, "`state MASTER` takes the address without waiting")
                    .help("write `state BACKUP`")
            } else {
                d.label(place, "nothing is taken over, so nothing is delayed").help("remove one of the two")
            }
        });
        (preempt, Duration::ZERO)
    }

    fn chosen_interval(&mut self, draft: &Draft, version: Version) -> Interval {
        let Some((micros, span)) = draft.interval else { return Interval::SECOND };
        let step = match version {
            Version::V2 => 1_000_000,
            Version::V3 => 10_000,
        };
        let rounded = ((micros + step / 2) / step * step).max(step);
        let most = match version {
            Version::V2 => Interval::MAX_V2,
            Version::V3 => Interval::MAX_V3,
        };
        let centis = u16::try_from(rounded / 10_000).unwrap_or(u16::MAX).min(most.centis());
        let interval = Interval::from_centis(centis).unwrap_or(Interval::SECOND);
        if u64::from(centis) * 10_000 != micros {
            let used = fixed(u64::from(centis), 2);
            self.findings.add(Id::IntervalAltered, span, |d| {
                let d = match version {
                    Version::V2 => d
                        .say(format!("version 2 advertises in whole seconds: {used} s is used"))
                        .help(format!("write `advert_int {used}` on all nodes, or `version 3` on all nodes")),
                    Version::V3 if rounded > u64::from(centis) * 10_000 => {
                        d.say(format!("version 3 advertises at least every 40.95 s: {used} s is used"))
                    }
                    Version::V3 => d.say(format!("version 3 counts in steps of 10 ms: {used} s is used")),
                };
                d.fix(span, used)
            });
        }
        interval
    }

    /// Who preempts takes the address back at once: it need not give way first.
    fn chosen_late_rival(&mut self, draft: &Draft, preempt: bool) -> Option<Priority> {
        let (priority, span) = draft.late_rival?;
        if !preempt {
            return Some(Priority(priority));
        }
        self.findings.add(Id::TimerExpiredIgnored, span, |d| {
            d.say("`timer_expired_backup` needs `nopreempt`: the line is ignored")
                .help("write `state BACKUP` and `nopreempt`, or remove the line")
        });
        None
    }

    fn chosen_authentication(
        &mut self,
        draft: &mut Draft,
        version: Version,
        family: Family,
    ) -> Authentication {
        if let Some(keyed) = self.chosen_keys(draft) {
            return keyed;
        }
        let Some(block) = draft.auth_block else { return Authentication::None };
        let (kind, pass) = (draft.auth_type, draft.auth_pass.take());
        if version == Version::V3 {
            self.findings.add(Id::AuthWithV3, block, |d| {
                let d = d.say("VRRP version 3 has no authentication: adverts go without");
                let d = match draft.version {
                    _ if family == Family::V6 => match draft.addresses.first() {
                        Some(first) => d.label(first.span, "IPv6 is always version 3"),
                        None => d,
                    },
                    Some((_, span)) => d.label(span, "version 3 is chosen here"),
                    None => {
                        d.say("`vrrp_version 3` holds here, which has no authentication: adverts go without")
                    }
                };
                d.help("remove the block; let a firewall accept protocol 112 from the partners only")
            });
            return Authentication::None;
        }
        match (kind, pass) {
            (Some((AuthType::Pass, _)), Some((secret, _))) => return Authentication::Password(secret),
            (Some((AuthType::Header, _)), Some((secret, _))) => return Authentication::Header(secret),
            (Some(_), None) if draft.auth_pass_refused => {}
            (Some((_, span)), None) => self.findings.add(Id::AuthIncomplete, span, |d| {
                d.say("there is no password: adverts go without authentication")
                    .help("write `auth_pass` with at most 8 characters, the same on all nodes")
            }),
            (None, _) if draft.auth_type_refused => {}
            (None, _) => self.findings.add(Id::AuthIncomplete, block, |d| {
                d.say("there is no `auth_type`: adverts go without authentication")
                    .help("write `auth_type PASS`, or remove the block on all nodes")
            }),
        }
        Authentication::None
    }

    /// A source or group of the other family is no use.
    fn of_family(&mut self, address: Option<(IpAddr, Span)>, family: Family) -> Option<IpAddr> {
        let (address, span) = address?;
        if Family::of(address) == family {
            return Some(address);
        }
        self.findings.add(Id::OtherFamily, span, |d| {
            d.say(format!("{address} is not {family}, as the instance is: the line is ignored"))
        });
        None
    }

    fn transport(&mut self, draft: &mut Draft, family: Family) -> (Transport, Vec<Span>) {
        let unicast_source = self.of_family(draft.unicast_source, family);
        let multicast_source = self.of_family(draft.multicast_source, family);
        let (peers, places) = self.chosen_peers(core::mem::take(&mut draft.peers), family);
        if !peers.is_empty() {
            let source = unicast_source.or(multicast_source);
            let ttl = draft.unicast_ttl.unwrap_or(wire::HOP_LIMIT);
            return (Transport::Unicast { source, peers, ttl }, places);
        }
        if let Some(span) = draft.unicast.or(draft.unicast_source.map(|(_, span)| span)) {
            let fault = draft.fault_without_peers;
            self.findings.add(Id::NoPeers, span, |d| {
                let d = if fault {
                    d.say("there is no usable peer: the instance stays in FAULT (unicast_fault_no_peer)")
                } else {
                    d.say("there is no usable peer: adverts go by multicast")
                };
                d.help("list the partners' addresses in `unicast_peer`, one on each line")
            });
            if fault {
                let source = unicast_source.or(multicast_source);
                let ttl = draft.unicast_ttl.unwrap_or(wire::HOP_LIMIT);
                return (Transport::Unicast { source, peers: Vec::new(), ttl }, Vec::new());
            }
        }
        let mut group = self.of_family(draft.multicast_group, family);
        if let (Some(address), Some((_, span))) = (group.filter(|g| !g.is_multicast()), draft.multicast_group)
        {
            self.findings.add(Id::NotMulticast, span, |d| {
                d.say(format!("`{address}` is no multicast group: the line is ignored"))
            });
            group = None;
        }
        (Transport::Multicast { group, source: multicast_source.or(unicast_source) }, Vec::new())
    }

    fn chosen_peers(&mut self, peers: Vec<(Peer, Span)>, family: Family) -> (Vec<Peer>, Vec<Span>) {
        let mut seen: BTreeMap<IpAddr, Span> = BTreeMap::new();
        let mut kept = Vec::with_capacity(peers.len());
        for (peer, span) in peers {
            if Family::of(peer.address) != family {
                self.findings.add(Id::OtherFamily, span, |d| {
                    d.say(format!("the instance is {family}: this peer is dropped"))
                });
            } else if let Some(first) = seen.get(&peer.address) {
                self.findings.add(Id::DuplicateEntry, span, |d| {
                    d.say("this peer is listed already: the line is dropped").label(*first, "the first one")
                });
            } else {
                seen.insert(peer.address, span);
                kept.push((peer, span));
            }
        }
        kept.into_iter().unzip()
    }

    /// The addresses that adverts list.
    fn listed(
        &mut self,
        draft: &mut Draft,
        family: Family,
        required: bool,
        interface: Option<&InterfaceName>,
    ) -> Vec<Entry> {
        let mut seen: BTreeMap<IpAddr, Span> = BTreeMap::new();
        let mut kept: Vec<Entry> = Vec::with_capacity(draft.addresses.len());
        for mut entry in core::mem::take(&mut draft.addresses) {
            let address = entry.address.address;
            if Family::of(address) != family {
                self.findings.add(Id::OtherFamily, entry.span, |d| {
                    let d = d.say(format!("the instance is {family}: {address} is dropped"));
                    let d = match kept.first() {
                        Some(first) => d.label(first.span, "the first address decides"),
                        None => d,
                    };
                    d.help("put it in `virtual_ipaddress_excluded`, or in an instance of its own")
                });
            } else if let Some(first) = seen.get(&address) {
                self.duplicate_address(&entry, *first);
            } else {
                seen.insert(address, entry.span);
                own_device(&mut entry.address, interface);
                kept.push(entry);
            }
        }
        let limit = Instance::address_limit(family);
        if let Some(over) = kept.get(limit) {
            let count = kept.len();
            self.findings.add(Id::TooManyAddresses, over.span, |d| {
                d.say(format!("{count} addresses do not fit into one advert: {family} has room for {limit}"))
                    .help("this and the rest move along unlisted; write them in `virtual_ipaddress_excluded`")
            });
            let rest = kept.split_off(limit);
            draft.excluded.splice(..0, rest);
        }
        if kept.is_empty() && !draft.no_address {
            let id = if required { Id::NoAddress } else { Id::NoAddressV2 };
            self.findings.add(id, draft.list.unwrap_or(draft.header), |d| {
                let d = d.say(format!("`{}` has no address to keep", draft.name));
                if id == Id::NoAddress {
                    d.help("list at least one in `virtual_ipaddress`, or write `no_virtual_ipaddress`")
                } else {
                    d.help("list at least one in `virtual_ipaddress`")
                }
            });
        }
        kept
    }

    /// The addresses that move along.
    fn unlisted(
        &mut self,
        draft: &mut Draft,
        listed: &[Entry],
        interface: Option<&InterfaceName>,
    ) -> Vec<Entry> {
        let mut seen: BTreeMap<(IpAddr, Option<InterfaceName>), Span> = BTreeMap::new();
        for entry in listed {
            seen.insert((entry.address.address, entry.address.options.device.clone()), entry.span);
        }
        let mut kept = Vec::with_capacity(draft.excluded.len());
        for mut entry in core::mem::take(&mut draft.excluded) {
            own_device(&mut entry.address, interface);
            let key = (entry.address.address, entry.address.options.device.clone());
            if let Some(first) = seen.get(&key) {
                self.duplicate_address(&entry, *first);
            } else {
                seen.insert(key, entry.span);
                kept.push(entry);
            }
        }
        kept
    }

    fn duplicate_address(&mut self, entry: &Entry, first: Span) {
        self.findings.add(Id::DuplicateAddress, entry.span, |d| {
            d.say(format!("{} stands in this instance already: this line is dropped", entry.address.address))
                .label(first, "the first one")
        });
    }

    fn tracked(
        &mut self,
        draft: &mut Draft,
        interface: Option<&InterfaceName>,
    ) -> (Vec<TrackedInterface>, Vec<Span>) {
        let mut seen: BTreeSet<InterfaceName> = BTreeSet::new();
        let mut kept = Vec::with_capacity(draft.trackers.len());
        for (tracker, span) in core::mem::take(&mut draft.trackers) {
            if Some(&tracker.interface) == interface {
                let ignored = draft.ignore_own_link;
                self.findings.add(Id::OwnInterfaceTracked, span, |d| {
                    let d = d.say("the instance's own interface is tracked anyway: the line is dropped");
                    if ignored {
                        d.help("`dont_track_primary` switches that off; a weight for it is not possible")
                    } else {
                        d.help("remove the line")
                    }
                });
            } else if seen.insert(tracker.interface.clone()) {
                kept.push((tracker, span));
            } else {
                self.findings.add(Id::DuplicateEntry, span, |d| {
                    d.say(format!("`{}` is tracked already: the line is dropped", tracker.interface))
                });
            }
        }
        kept.into_iter().unzip()
    }

    fn owner_ignores(&mut self, draft: &Draft, globals: &Globals, priority: Priority) -> bool {
        let Some((wanted, span)) = draft.owner_ignores else {
            return globals.owner_ignores && priority.is_owner();
        };
        if wanted && !priority.is_owner() {
            self.findings.add(Id::OwnerOnly, span, |d| {
                let d = d.say("`owner_ignore_adverts` is for priority 255 only: it is ignored");
                match draft.priority {
                    Some((priority, place)) => d.label(place, format!("this is {priority}")),
                    None => d,
                }
            });
        }
        wanted && priority.is_owner()
    }
}

/// `dev` with the instance's own interface says nothing new.
fn own_device(address: &mut VirtualAddress, interface: Option<&InterfaceName>) {
    if address.options.device.is_some() && address.options.device.as_ref() == interface {
        address.options.device = None;
        address.options.settle();
    }
}

fn announce(draft: &Draft, globals: &Globals) -> AnnounceSettings {
    let (own, all) = (&draft.announcing, &globals.announcing);
    let usual = AnnounceSettings::default();
    // `vrrp_min_garp` replaces the defaults, not what was written.
    let (repeat, delay) = if globals.min_garp { (1, Duration::ZERO) } else { (usual.repeat, usual.delay) };
    // A losing advert is answered as the host says, not as the instance announces itself.
    let (all_repeat, all_delay) = (all.repeat.unwrap_or(repeat), all.delay.unwrap_or(delay));
    AnnounceSettings {
        repeat: own.repeat.unwrap_or(all_repeat),
        delay: own.delay.unwrap_or(all_delay),
        refresh: own.refresh.or(all.refresh).unwrap_or(usual.refresh),
        refresh_repeat: own.refresh_repeat.or(all.refresh_repeat).unwrap_or(usual.refresh_repeat),
        lower_priority_repeat: own.lower_repeat.or(all.lower_repeat).unwrap_or(all_repeat),
        lower_priority_delay: own.lower_delay.or(all.lower_delay).unwrap_or(all_delay),
    }
}

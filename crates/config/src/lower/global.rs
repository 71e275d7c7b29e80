//! `global_defs` and `garp_group`: settings of the host and defaults of its instances.

use super::daemon::Serving;
use super::notify::Telling;
use super::value::{LONGEST, Numbers, micros};
use super::{Given, Lower};
use crate::registry::Id;
use crate::source::Span;
use crate::table::Shape;
use crate::text::Word;
use crate::tree::{At, Tree};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use model::{Filter, Host, InterfaceName};
use wire::Version;

/// Settings that an instance may also give for itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Announcing {
    pub(super) delay: Option<Duration>,
    pub(super) repeat: Option<u32>,
    pub(super) refresh: Option<Duration>,
    pub(super) refresh_repeat: Option<u32>,
    pub(super) lower_delay: Option<Duration>,
    pub(super) lower_repeat: Option<u32>,
}

/// What `global_defs` said.
#[derive(Debug, Default)]
pub(super) struct Globals {
    router_id: Option<String>,
    group_v4: Option<Ipv4Addr>,
    group_v6: Option<Ipv6Addr>,
    startup_delay: Duration,
    boot_delay: Duration,
    pub(super) version: Option<Version>,
    pub(super) announcing: Announcing,
    pub(super) min_garp: bool,
    pub(super) arp_gap: Duration,
    pub(super) na_gap: Duration,
    pub(super) down_adverts: Option<u8>,
    pub(super) lower_no_advert: bool,
    pub(super) higher_send_advert: bool,
    pub(super) check_unicast_source: bool,
    pub(super) skip_check: bool,
    pub(super) owner_ignores: bool,
    pub(super) message_checksum: bool,
    /// `vrrp_strict`.
    pub(super) strict: Option<Span>,
    /// `default_interface`.
    pub(super) default_interface: Option<InterfaceName>,
    filter: Filter,
    telling: Telling,
    /// About the daemon itself; further lines of it stand outside of `global_defs`.
    pub(super) serving: Serving,
}

impl Globals {
    pub(super) fn host(&self) -> Host {
        let mut host = Host {
            router_id: self.router_id.clone(),
            startup_delay: self.startup_delay,
            boot_delay: self.boot_delay,
            ..Host::default()
        };
        host.group_v4 = self.group_v4.unwrap_or(host.group_v4);
        host.group_v6 = self.group_v6.unwrap_or(host.group_v6);
        host.script_settings = self.telling.scripts.clone();
        host.notify = self.telling.notify.clone();
        host.mail = self.telling.mail.clone();
        host.filter = self.filter.clone();
        host
    }
}

/// Gaps of one interface, from a `garp_group`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gaps {
    pub(super) arp: Option<Duration>,
    pub(super) na: Option<Duration>,
}

impl Lower<'_> {
    pub(super) fn globals(&mut self, tree: &Tree<'_>) -> Globals {
        let mut globals = Globals::default();
        let mut given = Given::default();
        for block in tree.roots().filter(|at| at.node.keyword.is_some_and(|k| k.name == "global_defs")) {
            self.extra(block, 0);
            for at in block.children() {
                self.given(&mut given, at);
                self.global(at, &mut globals);
            }
        }
        globals.telling.finish();
        globals
    }

    fn global(&mut self, at: At<'_, '_>, globals: &mut Globals) {
        let Some(keyword) = at.node.keyword else { return };
        match keyword.name {
            "router_id" => self.router_id(at, globals),
            // An interface that is not there is always waited for.
            "dynamic_interfaces" => self.dynamic_interfaces(at),
            // keepalived reads no argument here, whatever it is.
            "v3_checksum_as_v2" => globals.message_checksum = true,
            "vrrp_mcast_group4" => {
                if let Some(IpAddr::V4(group)) = self.group(at, "224.0.0.18", IpAddr::is_ipv4) {
                    globals.group_v4 = Some(group);
                }
            }
            "vrrp_mcast_group6" => {
                if let Some(IpAddr::V6(group)) = self.group(at, "ff02::12", IpAddr::is_ipv6) {
                    globals.group_v6 = Some(group);
                }
            }
            "default_interface" => self.default_interface(at, globals),
            "vrrp_garp_interval" => self.gap(at, &mut globals.arp_gap),
            "vrrp_gna_interval" => self.gap(at, &mut globals.na_gap),
            // The reader took it, for the lines behind it.
            "random_seed" => {
                self.number(at, &Numbers::count(0..=u64::from(u32::MAX)));
            }
            "vrrp_startup_delay" => {
                if let Some(delay) = self.number(at, &Numbers::micros(1000..=LONGEST)) {
                    globals.startup_delay = micros(delay);
                }
            }
            "vrrp_delay_after_boot" => {
                if let Some(delay) = self.number(at, &Numbers::micros(1000..=LONGEST)) {
                    globals.boot_delay = micros(delay);
                }
            }
            "vrrp_version" => globals.version = self.version(at).or(globals.version),
            "vrrp_down_timer_adverts" => {
                globals.down_adverts = self.down_adverts(at).or(globals.down_adverts)
            }
            "vrrp_min_garp" => self.set(at, &mut globals.min_garp),
            "vrrp_lower_prio_no_advert" => self.set(at, &mut globals.lower_no_advert),
            "vrrp_higher_prio_send_advert" => self.set(at, &mut globals.higher_send_advert),
            "vrrp_skip_check_adv_addr" => self.set(at, &mut globals.skip_check),
            "vrrp_owner_ignore_adverts" => self.set(at, &mut globals.owner_ignores),
            "vrrp_check_unicast_src" => {
                self.flag(at);
                globals.check_unicast_source = true;
            }
            "vrrp_strict" => {
                if let Some(strict) = self.switch(at) {
                    globals.strict = strict.then_some(at.node.span);
                }
            }
            name if self.filter(at, name, &mut globals.filter) => {}
            name if self.telling(at, name, &mut globals.telling) => self.unbuilt(keyword, at.node.span),
            name if self.serving(at, name, &mut globals.serving) => self.unbuilt(keyword, at.node.span),
            name => match name.strip_prefix("vrrp_").filter(|name| name.starts_with("garp_")) {
                Some(name) if self.announcing(at, name, &mut globals.announcing) => {}
                _ => self.passed_over(at),
            },
        }
    }

    fn router_id(&mut self, at: At<'_, '_>, globals: &mut Globals) {
        self.extra(at, 1);
        // The only word of these whose absence does not stop keepalived.
        match at.arguments().first() {
            Some(word) => globals.router_id = Some(String::from_utf8_lossy(&word.text).into_owned()),
            None => self.findings.add(Id::NoEffect, at.node.span, |d| {
                d.say("`router_id` has no value: the host name is used")
            }),
        }
    }

    fn dynamic_interfaces(&mut self, at: At<'_, '_>) {
        self.extra(at, 1);
        if let Some(word) = at.arguments().first().filter(|w| *w.text != *b"allow_if_changes") {
            self.findings.add(Id::ExtraWords, word.span, |d| {
                d.say(format!("`{}` is no option of `dynamic_interfaces`: it is ignored", word.shown()))
                    .help("the only one is `allow_if_changes`")
            });
        }
    }

    fn default_interface(&mut self, at: At<'_, '_>, globals: &mut Globals) {
        self.extra(at, 1);
        let Some(word) = at.arguments().first() else { return self.missing_value(at) };
        match Self::interface_name(word) {
            Some(name) => {
                self.must_exist(&name, word.span);
                globals.default_interface = Some(name);
            }
            None => self.findings.add(Id::EntryOption, word.span, |d| {
                d.say(format!("`{}` cannot be the name of an interface: it is ignored", word.shown()))
            }),
        }
    }

    pub(super) fn set(&mut self, at: At<'_, '_>, place: &mut bool) {
        *place = self.switch(at).unwrap_or(*place);
    }

    fn gap(&mut self, at: At<'_, '_>, place: &mut Duration) {
        let allowed = Numbers::micros(1..=LONGEST).otherwise("there is no gap");
        if let Some(gap) = self.number(at, &allowed) {
            *place = micros(gap);
        }
    }

    pub(super) fn version(&mut self, at: At<'_, '_>) -> Option<Version> {
        match self.number(at, &Numbers::count(2..=3))? {
            2 => Some(Version::V2),
            _ => Some(Version::V3),
        }
    }

    pub(super) fn down_adverts(&mut self, at: At<'_, '_>) -> Option<u8> {
        self.number(at, &Numbers::count(1..=100)).and_then(|n| u8::try_from(n).ok())
    }

    /// A multicast group of one family.
    fn group(&mut self, at: At<'_, '_>, usual: &str, family: fn(&IpAddr) -> bool) -> Option<IpAddr> {
        let (address, span) = self.address(at)?;
        if !family(&address) || !address.is_multicast() {
            self.findings.add(Id::NotMulticast, span, |d| {
                d.say(format!("`{address}` is no group of this family: {usual} is used"))
            });
            return None;
        }
        if let IpAddr::V6(group) = address
            && group.octets()[1] & 0x0f != 2
        {
            self.findings.add(Id::NotMulticast, span, |d| {
                d.say(format!("`{group}` is not link-local: routers may forward the adverts"))
                    .help("groups of one link begin with ff02")
            });
        }
        Some(address)
    }

    /// One of the settings for announcements, by its name in an instance; false when it is none of them.
    pub(super) fn announcing(&mut self, at: At<'_, '_>, name: &str, to: &mut Announcing) -> bool {
        const SECONDS: u64 = 4294;
        const MOST: u64 = u32::MAX as u64;
        let seconds =
            |lower: &mut Self, most| lower.number(at, &Numbers::seconds(0..=most)).map(Duration::from_secs);
        match name {
            "garp_master_delay" => to.delay = seconds(self, SECONDS).or(to.delay),
            "garp_lower_prio_delay" => to.lower_delay = seconds(self, SECONDS).or(to.lower_delay),
            "garp_master_refresh" => to.refresh = seconds(self, MOST).or(to.refresh),
            "garp_master_repeat" => to.repeat = self.repeat(at).or(to.repeat),
            "garp_master_refresh_repeat" => to.refresh_repeat = self.repeat(at).or(to.refresh_repeat),
            "garp_lower_prio_repeat" => {
                let count = self.number(at, &Numbers::count(0..=0x7fff_ffff));
                to.lower_repeat = count.and_then(|n| u32::try_from(n).ok()).or(to.lower_repeat);
            }
            _ => return false,
        }
        true
    }

    /// How often; 0 is read as 1.
    fn repeat(&mut self, at: At<'_, '_>) -> Option<u32> {
        let count = self.number(at, &Numbers::count(0..=u64::from(u32::MAX)))?;
        if count == 0
            && let Some(word) = at.arguments().first()
        {
            self.findings.add(Id::OutOfRange, word.span, |d| {
                d.say("at least 1 packet is sent: 1 is read").fix(word.span, "1")
            });
            return Some(1);
        }
        u32::try_from(count).ok()
    }

    /// The gaps of interfaces that stand in a `garp_group`.
    pub(super) fn garp_groups(&mut self, tree: &Tree<'_>) -> BTreeMap<InterfaceName, Gaps> {
        let mut all = BTreeMap::new();
        for block in tree.roots().filter(|at| at.node.keyword.is_some_and(|k| k.name == "garp_group")) {
            self.extra(block, 0);
            let mut gaps = Gaps::default();
            let mut members = BTreeMap::new();
            let mut given = Given::default();
            for at in block.children() {
                self.given(&mut given, at);
                self.garp_group_line(at, &mut gaps, &mut members);
            }
            if members.is_empty() || gaps.arp.or(gaps.na).is_none() {
                self.findings.add(Id::NoEffect, block.node.span, |d| {
                    let what = if members.is_empty() { "names no interface" } else { "sets no gap" };
                    d.say(format!("this `garp_group` {what}: it does nothing"))
                });
            }
            if members.len() > 1 {
                self.findings.add_once((Id::NotBuilt, "garp_group", String::new()), block.node.span, |d| {
                    d.say(
                        "`garp_group` over several interfaces is not built yet: each keeps the gap by itself",
                    )
                });
            }
            for (name, ()) in members {
                all.entry(name).or_insert(gaps);
            }
        }
        all
    }

    fn garp_group_line(
        &mut self,
        at: At<'_, '_>,
        gaps: &mut Gaps,
        members: &mut BTreeMap<InterfaceName, ()>,
    ) {
        let Some(keyword) = at.node.keyword else { return };
        match keyword.name {
            "garp_interval" => {
                gaps.arp = self.group_gap(at).or(gaps.arp);
            }
            "gna_interval" => {
                gaps.na = self.group_gap(at).or(gaps.na);
            }
            "interface" => {
                if let Some(word) = self.value(at) {
                    self.member(word, members);
                }
            }
            "interfaces" => {
                debug_assert!(matches!(keyword.shape, Shape::Lines(_)));
                self.extra(at, 0);
                for word in at.children().flat_map(At::words) {
                    self.member(word, members);
                }
            }
            _ => self.passed_over(at),
        }
    }

    /// A gap of a group; 0 is none.
    fn group_gap(&mut self, at: At<'_, '_>) -> Option<Duration> {
        let gap = self.number(at, &Numbers::micros(0..=LONGEST))?;
        (gap > 0).then(|| micros(gap))
    }

    fn member(&mut self, word: &Word<'_>, members: &mut BTreeMap<InterfaceName, ()>) {
        match Self::interface_name(word) {
            Some(name) => {
                self.must_exist(&name, word.span);
                members.insert(name, ());
            }
            None => self.findings.add(Id::EntryOption, word.span, |d| {
                d.say(format!("`{}` cannot be the name of an interface: it is ignored", word.shown()))
            }),
        }
    }
}

//! A `vrrp_instance` as it is written: every line read, nothing decided yet.

use super::address::Entry;
use super::global::Announcing;
use super::keys::Keys;
use super::trackers::{Kind, Trackers};
use super::tracking::Line;
use super::value::Numbers;
use super::{Given, Lower, PLACEHOLDER};
use crate::registry::Id;
use crate::source::Span;
use crate::tree::At;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use model::{InterfaceName, Notify, Peer, Secret, TrackedInterface};
use wire::{Version, Vrid};

/// The two kinds of version 2 authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthType {
    Pass,
    Header,
}

/// What was written about an instance, each with its place.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: Arc<str>,
    pub(super) header: Span,
    pub(super) wants_active: Option<Span>,
    /// `state BACKUP` was written.
    pub(super) wants_backup: Option<Span>,
    pub(super) interface: Option<(InterfaceName, Span)>,
    /// An interface or a VRF was written, but cannot be used; that was reported.
    pub(super) interface_refused: bool,
    pub(super) vrf: Option<(InterfaceName, Span)>,
    pub(super) vrid: Option<Vrid>,
    pub(super) vrid_refused: bool,
    pub(super) priority: Option<(u8, Span)>,
    /// A priority was written, but cannot be used.
    pub(super) priority_refused: bool,
    /// In microseconds.
    pub(super) interval: Option<(u64, Span)>,
    pub(super) version: Option<(Version, Span)>,
    pub(super) native_v6: Option<Span>,
    pub(super) nopreempt: Option<Span>,
    pub(super) preempt_delay: Option<(Duration, Span)>,
    /// `auth_hmac`.
    pub(super) keys: Option<Keys>,
    pub(super) auth_block: Option<Span>,
    pub(super) auth_type: Option<(AuthType, Span)>,
    pub(super) auth_type_refused: bool,
    /// The keyword stands there, but no password behind it; that was reported.
    pub(super) auth_pass_refused: bool,
    pub(super) auth_pass: Option<(Secret, Span)>,
    pub(super) addresses: Vec<Entry>,
    pub(super) excluded: Vec<Entry>,
    pub(super) no_address: bool,
    /// `virtual_ipaddress` itself.
    pub(super) list: Option<Span>,
    pub(super) unicast: Option<Span>,
    pub(super) peers: Vec<(Peer, Span)>,
    pub(super) unicast_source: Option<(IpAddr, Span)>,
    pub(super) unicast_ttl: Option<u8>,
    pub(super) fault_without_peers: bool,
    /// `timer_expired_backup`: the highest priority of the peers.
    pub(super) late_rival: Option<(u8, Span)>,
    pub(super) check_unicast_source: bool,
    pub(super) multicast_source: Option<(IpAddr, Span)>,
    pub(super) multicast_group: Option<(IpAddr, Span)>,
    pub(super) trackers: Vec<(TrackedInterface, Span)>,
    pub(super) lines: Vec<Line>,
    pub(super) ignore_own_link: bool,
    pub(super) track_source: Option<Span>,
    pub(super) notify: Notify,
    pub(super) strict: Option<(bool, Span)>,
    /// `accept` or `no_accept`, whichever came last.
    pub(super) accept: Option<(bool, Span)>,
    pub(super) message_checksum: Option<bool>,
    pub(super) skip_check: Option<bool>,
    pub(super) lower_no_advert: Option<(bool, Span)>,
    pub(super) higher_send_advert: Option<(bool, Span)>,
    pub(super) owner_ignores: Option<(bool, Span)>,
    pub(super) announcing: Announcing,
    /// The last line about announcements after an advert of lower priority.
    pub(super) lower_announcing: Option<Span>,
    pub(super) down_adverts: Option<(u8, Span)>,
}

impl Draft {
    fn new(name: Arc<str>, header: Span) -> Self {
        Self {
            name,
            header,
            wants_active: None,
            wants_backup: None,
            interface: None,
            vrf: None,
            interface_refused: false,
            vrid: None,
            vrid_refused: false,
            priority: None,
            priority_refused: false,
            interval: None,
            version: None,
            native_v6: None,
            nopreempt: None,
            preempt_delay: None,
            keys: None,
            auth_block: None,
            auth_type: None,
            auth_type_refused: false,
            auth_pass_refused: false,
            auth_pass: None,
            addresses: Vec::new(),
            excluded: Vec::new(),
            no_address: false,
            list: None,
            unicast: None,
            peers: Vec::new(),
            unicast_source: None,
            unicast_ttl: None,
            fault_without_peers: false,
            late_rival: None,
            check_unicast_source: false,
            multicast_source: None,
            multicast_group: None,
            trackers: Vec::new(),
            lines: Vec::new(),
            ignore_own_link: false,
            track_source: None,
            notify: Notify::default(),
            strict: None,
            accept: None,
            message_checksum: None,
            skip_check: None,
            lower_no_advert: None,
            higher_send_advert: None,
            owner_ignores: None,
            announcing: Announcing::default(),
            lower_announcing: None,
            down_adverts: None,
        }
    }
}

impl Lower<'_> {
    /// Reads all lines of an instance. `index`: its place among the blocks of the file.
    pub(super) fn instance(
        &mut self,
        block: At<'_, '_>,
        name: Arc<str>,
        index: usize,
        trackers: &mut Trackers,
    ) -> Draft {
        let mut draft = Draft::new(name, block.node.span);
        let mut given = Given::default();
        for at in block.children() {
            self.given(&mut given, at);
            let kind = at.node.keyword.and_then(|k| Kind::of_list(k.name));
            match kind {
                Some(kind) => {
                    self.track(at, kind, index, trackers, &mut draft.lines);
                    at.node.keyword.into_iter().for_each(|keyword| self.unbuilt(keyword, at.node.span));
                }
                None => self.instance_line(at, &mut draft),
            }
        }
        draft
    }

    fn instance_line(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        let Some(keyword) = at.node.keyword else { return };
        match keyword.name {
            "state" => self.state(at, draft),
            "interface" => self.interface(at, draft),
            "vrf" => self.vrf(at, draft),
            "virtual_router_id" => self.vrid(at, draft),
            "priority" => self.priority(at, draft),
            "advert_int" => self.interval(at, draft),
            "version" => self.instance_version(at, draft),
            "timer_expired_backup" | "thread_timer_expired" => self.late_rival(at, draft),
            "authentication" => self.authentication(at, draft),
            "auth_hmac" => self.keys(at, draft),
            "virtual_ipaddress" => {
                self.extra(at, 0);
                draft.list.get_or_insert(at.node.span);
                self.addresses(at, &mut draft.addresses);
            }
            "virtual_ipaddress_excluded" => {
                self.extra(at, 0);
                self.addresses(at, &mut draft.excluded);
            }
            "unicast_peer" => {
                self.extra(at, 0);
                draft.unicast.get_or_insert(at.node.span);
                draft.check_unicast_source |= self.peers(at, &mut draft.peers);
            }
            "unicast_src_ip" => draft.unicast_source = self.address(at).or(draft.unicast_source),
            "mcast_src_ip" => draft.multicast_source = self.address(at).or(draft.multicast_source),
            "mcast_dst_ip" => draft.multicast_group = self.address(at).or(draft.multicast_group),
            "unicast_ttl" => {
                let ttl = self.number(at, &Numbers::count(0..=255).otherwise("255 is used"));
                draft.unicast_ttl = ttl.and_then(|n| u8::try_from(n).ok()).or(draft.unicast_ttl);
            }
            "track_interface" => {
                self.extra(at, 0);
                self.tracked_interfaces(at, &mut draft.trackers);
            }
            "preempt_delay" => self.preempt_delay(at, draft),
            "v3_checksum_as_v2" => draft.message_checksum = self.switch(at).or(draft.message_checksum),
            "skip_check_adv_addr" => draft.skip_check = self.switch(at).or(draft.skip_check),
            "lower_prio_no_advert" => {
                draft.lower_no_advert =
                    self.switch(at).map(|on| (on, at.node.span)).or(draft.lower_no_advert);
            }
            "higher_prio_send_advert" => {
                draft.higher_send_advert =
                    self.switch(at).map(|on| (on, at.node.span)).or(draft.higher_send_advert);
            }
            "owner_ignore_adverts" => {
                draft.owner_ignores = self.switch(at).map(|on| (on, at.node.span)).or(draft.owner_ignores);
            }
            "down_timer_adverts" => {
                draft.down_adverts =
                    self.down_adverts(at).map(|count| (count, at.node.span)).or(draft.down_adverts);
            }
            "track_src_ip" => {
                self.flag(at);
                draft.track_source = Some(at.node.span);
            }
            "strict_mode" => {
                draft.strict = self.switch(at).map(|on| (on, at.node.span)).or(draft.strict);
            }
            name if self.notify(at, name, &mut draft.notify) => {}
            name if self.instance_flag(at, name, draft) => {}
            name if self.announcing(at, name, &mut draft.announcing) => {
                if name.starts_with("garp_lower_prio") {
                    draft.lower_announcing = Some(at.node.span);
                }
            }
            _ => self.passed_over(at),
        }
    }

    /// The keywords that stand alone; false when it is none of them.
    fn instance_flag(&mut self, at: At<'_, '_>, name: &str, draft: &mut Draft) -> bool {
        match name {
            "nopreempt" => draft.nopreempt = Some(at.node.span),
            "preempt" => draft.nopreempt = None,
            "native_ipv6" => draft.native_v6 = Some(at.node.span),
            "no_virtual_ipaddress" => draft.no_address = true,
            "dont_track_primary" => draft.ignore_own_link = true,
            "check_unicast_src" => draft.check_unicast_source = true,
            "accept" => draft.accept = Some((true, at.node.span)),
            "no_accept" => draft.accept = Some((false, at.node.span)),
            "unicast_fault_no_peer" => draft.fault_without_peers = true,
            _ => return false,
        }
        self.flag(at);
        true
    }

    fn state(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        let Some(word) = self.value(at) else { return };
        match &*word.text {
            b"MASTER" => draft.wants_active = Some(word.span),
            b"BACKUP" => {
                if let Some(first) = draft.wants_active {
                    self.findings.add(Id::RepeatedKeyword, word.span, |d| {
                        d.say("`state` is given twice: MASTER stays").label(first, "this one counts")
                    });
                } else {
                    draft.wants_backup = Some(word.span);
                }
            }
            other => {
                let meant = match &*other.to_ascii_uppercase() {
                    b"MASTER" | b"ACTIVE" | b"PRIMARY" => Some("MASTER"),
                    b"BACKUP" | b"SLAVE" | b"STANDBY" | b"SECONDARY" | b"PEER" => Some("BACKUP"),
                    _ => crate::suggest::nearest(&word.shown(), ["MASTER", "BACKUP"]),
                };
                draft.wants_active = None;
                self.findings.add(Id::UnknownState, word.span, |d| {
                    let d = d.say(format!("`{}` is no state: BACKUP is used", word.shown()));
                    match meant {
                        // BACKUP is what is used; MASTER is what is written in other letters.
                        Some(meant) if meant == "BACKUP" || other.eq_ignore_ascii_case(meant.as_bytes()) => {
                            d.help(format!("write {meant}")).fix(word.span, meant)
                        }
                        Some(meant) => d.help(format!("write {meant}")).suggest(word.span, meant),
                        None => d.help("write MASTER or BACKUP"),
                    }
                });
            }
        }
    }

    fn interface(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        draft.interface_refused = true;
        let Some(word) = self.value(at) else { return };
        let Some(name) = Self::interface_name(word) else {
            let shown = word.shown();
            self.findings.add(Id::InterfaceName, word.span, |d| {
                let d = d.say(format!("`{shown}` cannot be the name of an interface"));
                if shown.contains(PLACEHOLDER) {
                    return d.help("put the real name in the place of this one; `ip -brief link` lists them");
                }
                match shown.split_once(':') {
                    Some((device, _)) if !device.is_empty() => d.help(format!(
                        "it looks like a label: write `interface {device}`, and `label {shown}` behind the address"
                    )),
                    _ => d.help("names have 1 to 15 characters and no blank, `/` or `:`"),
                }
            });
            return;
        };
        if &*name == "lo" {
            self.findings.add(Id::InterfaceLoopback, word.span, |d| {
                d.say("VRRP cannot run on the loopback interface: nobody else is there")
                    .help("name the interface that the partners share; an address may still say `dev lo`")
            });
            return;
        }
        self.must_exist(&name, word.span);
        draft.interface = Some((name, word.span));
    }

    fn vrf(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        let Some(word) = self.value(at) else {
            draft.interface_refused = true;
            return;
        };
        draft.vrf = Self::interface_name(word).map(|name| (name, word.span));
        if draft.vrf.is_none() {
            draft.interface_refused = true;
            self.findings.add(Id::InterfaceName, word.span, |d| {
                d.say(format!("`{}` cannot be the name of an interface", word.shown()))
                    .help("write the name of the VRF device; `ip link show type vrf` lists them")
            });
        }
    }

    fn vrid(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        draft.vrid_refused = true;
        let allowed = Numbers::count(1..=255).otherwise("the instance has no VRID");
        let Some(word) = self.value(at) else { return };
        let number = self.number_in("virtual_router_id", word, &allowed, Id::VridOutOfRange);
        match number.and_then(|n| u8::try_from(n).ok()).and_then(Vrid::new) {
            Some(vrid) => draft.vrid = Some(vrid),
            // What is not a number at all leaves the VRID missing; that is the error then.
            None if !word.text.first().is_some_and(|b| b.is_ascii_digit() || *b == b'-') => {
                draft.vrid_refused = false;
            }
            None => {}
        }
    }

    fn priority(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        let number = self.number(at, &Numbers::count(1..=255).otherwise("100 is used"));
        match number.and_then(|n| u8::try_from(n).ok()) {
            Some(priority) => draft.priority = Some((priority, at.node.span)),
            None => {
                draft.priority = None;
                draft.priority_refused = true;
            }
        }
    }

    fn interval(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        let allowed = Numbers::micros(10_000..=255_000_000).otherwise("1 s is used");
        if let (Some(interval), Some(word)) = (self.number(at, &allowed), at.arguments().first()) {
            draft.interval = Some((interval, word.span));
        }
    }

    fn instance_version(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        let Some(version) = self.version(at) else { return };
        match draft.version {
            Some((first, span)) if first != version => {
                self.findings.add(Id::VersionConflict, at.node.span, |d| {
                    d.say(format!("version {first} was chosen already: this line is ignored"))
                        .label(span, "this one counts")
                });
            }
            _ => draft.version = Some((version, at.node.span)),
        }
    }

    fn preempt_delay(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        let allowed = Numbers::micros(0..=1_000_000_000).otherwise("there is no delay");
        if let Some(delay) = self.number(at, &allowed) {
            draft.preempt_delay = Some((Duration::from_micros(delay), at.node.span));
        }
    }

    fn late_rival(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        let allowed = Numbers::count(1..=254).otherwise("254 is used");
        let number = if at.arguments().is_empty() { None } else { self.number(at, &allowed) };
        let priority = number.and_then(|n| u8::try_from(n).ok()).unwrap_or(254);
        draft.late_rival = Some((priority, at.node.span));
    }

    fn authentication(&mut self, block: At<'_, '_>, draft: &mut Draft) {
        self.extra(block, 0);
        draft.auth_block = Some(block.node.span);
        let mut given = Given::default();
        for at in block.children() {
            self.given(&mut given, at);
            match at.node.keyword.map(|k| k.name) {
                Some("auth_type") => self.auth_type(at, draft),
                Some("auth_pass") => self.auth_pass(at, draft),
                _ => self.passed_over(at),
            }
        }
    }

    fn auth_type(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        let Some(word) = self.value(at) else { return };
        match &*word.text {
            b"PASS" => draft.auth_type = Some((AuthType::Pass, word.span)),
            b"AH" => draft.auth_type = Some((AuthType::Header, word.span)),
            other => {
                draft.auth_type_refused = true;
                let meant = match &*other.to_ascii_uppercase() {
                    b"PASS" | b"PASSWORD" | b"SIMPLE" => Some("PASS"),
                    b"AH" => Some("AH"),
                    _ => None,
                };
                self.findings.add(Id::AuthTypeUnknown, word.span, |d| {
                    let d = d.say("there is no such authentication: adverts go without");
                    match meant {
                        Some(meant) => d.help(format!("write {meant}")).suggest(word.span, meant),
                        None => d.help("write PASS (a password) or AH (a signature)"),
                    }
                });
            }
        }
    }

    fn auth_pass(&mut self, at: At<'_, '_>, draft: &mut Draft) {
        let Some(word) = self.value(at) else {
            draft.auth_pass_refused = true;
            return;
        };
        let length = word.text.len();
        // `${PASSWORD}`: the name is no password, and that nobody defined it is said already.
        let name = word.text.starts_with(b"${") && word.text.ends_with(b"}");
        if length > 8 && !name {
            self.findings.add(Id::AuthPassTooLong, word.span, |d| {
                d.say(format!("the password has {length} characters: only the first 8 are used"))
                    .help("shorten it on every node; the partners cut it at the same place meanwhile")
            });
        }
        // A `#` or `!` right behind the word was once part of it, as people see it. What a long word lost
        // there would not count anyway.
        let next = self.sources.bytes(word.span.file).get(word.span.end as usize);
        if let Some(mark @ (b'#' | b'!')) = next.copied().filter(|_| length <= 8) {
            let mark_span = Span { start: word.span.end, end: word.span.end + 1, ..word.span };
            let mark = char::from(mark);
            self.findings.add(Id::AuthPassCut, mark_span, |d| {
                d.say(format!("`{mark}` begins a comment: the password ends before it"))
                    .help(String::from("put the password in double quotes, on every node"))
            });
        }
        draft.auth_pass = Some((Secret::cut(&word.text), word.span));
    }
}

//! `strict_mode` and `vrrp_strict`: what keepalived drops then, what it sets, and what it refuses.

use super::Lower;
use super::address::Entry;
use super::global::Globals;
use super::instance::Draft;
use crate::registry::Id;
use crate::source::Span;
use alloc::format;
use alloc::sync::Arc;
use core::net::IpAddr;
use core::time::Duration;
use model::{Authentication, KeyMode, Settings, Transport};
use wire::{Priority, Version};

/// What strict mode may change.
pub(super) struct Loose<'a> {
    pub(super) version: Version,
    pub(super) priority: Priority,
    pub(super) transport: &'a Transport,
    pub(super) authentication: &'a mut Authentication,
    pub(super) preempt_delay: &'a mut Duration,
}

/// Whether the instance is strict, by itself or with all others.
pub(super) fn is_strict(draft: &Draft, globals: &Globals) -> bool {
    draft.strict.map_or(globals.strict.is_some(), |(strict, _)| strict)
}

/// Accept_Mode: usual, but for strict mode, where RFC 9568's default holds and RFC 3768 knows none.
pub(super) fn accepts(draft: &Draft, strict: bool, version: Version) -> bool {
    match draft.accept {
        Some((true, _)) => !(strict && version == Version::V2),
        Some((false, _)) => false,
        None => !strict,
    }
}

/// What holds in strict mode, whatever the lines say: keepalived's extensions are off, and the owner listens to nobody.
pub(super) fn tighten(settings: &mut Settings) {
    settings.down_adverts = 3;
    settings.lower_priority_no_advert = true;
    settings.higher_priority_send_advert = false;
    settings.announce.lower_priority_repeat = 0;
    settings.announce.lower_priority_delay = Duration::ZERO;
    settings.owner_ignores_adverts = settings.priority.is_owner();
}

impl Lower<'_> {
    pub(super) fn strict(&mut self, draft: &Draft, globals: &Globals, loose: Loose<'_>) {
        if !is_strict(draft, globals) {
            return;
        }
        let cause = draft.strict.map(|(_, span)| span).or(globals.strict);
        if let (Authentication::Keyed(ring), Some(keys)) = (&mut *loose.authentication, &draft.keys)
            && ring.mode != KeyMode::Enforce
        {
            Arc::make_mut(ring).mode = KeyMode::Enforce;
            self.too_loose(
                keys.place(),
                cause,
                "strict mode believes signed adverts only: `mode enforce` is used",
                "write `mode enforce`, or leave strict mode",
            );
        }
        let is_legacy =
            matches!(loose.authentication, Authentication::Password(_) | Authentication::Header(_));
        if let Some(block) = draft.auth_block.filter(|_| is_legacy) {
            *loose.authentication = Authentication::None;
            self.too_loose(
                block,
                cause,
                "strict mode has no authentication: adverts go without",
                "remove the block on all nodes, or leave strict mode on all nodes",
            );
        }
        if let Some((_, span)) = draft.preempt_delay.filter(|_| !loose.preempt_delay.is_zero()) {
            *loose.preempt_delay = Duration::ZERO;
            self.too_loose(
                span,
                cause,
                "strict mode has no `preempt_delay`: it is ignored",
                "remove the line, or leave strict mode",
            );
        }
        if let Some(span) = draft.unicast.filter(|_| matches!(loose.transport, Transport::Unicast { .. })) {
            self.too_loose(
                span,
                cause,
                "strict mode knows multicast only: newer versions of keepalived refuse to start with this",
                "leave strict mode, or remove the peers",
            );
        }
        self.strict_state(draft, cause, loose.priority);
        self.strict_accept(draft, cause, loose.version);
        self.extensions(draft, cause, loose.priority);
    }

    fn strict_state(&mut self, draft: &Draft, cause: Option<Span>, priority: Priority) {
        if let Some(span) = draft.wants_active.filter(|_| !priority.is_owner()) {
            let what = format!(
                "strict mode starts the address owner only as MASTER, and this priority is {priority}: BACKUP is used"
            );
            let help = "write BACKUP: the highest priority gets the address all the same";
            self.too_loose(span, cause, &what, help);
        }
        let backup = draft.wants_backup.filter(|_| priority.is_owner() && draft.wants_active.is_none());
        if let Some(span) = backup {
            let what =
                "strict mode starts the address owner as MASTER, and priority 255 makes this one the owner";
            self.too_loose(span, cause, what, "write MASTER, or a priority below 255");
        }
    }

    /// RFC 3768 knows no Accept_Mode: only the owner answers.
    fn strict_accept(&mut self, draft: &Draft, cause: Option<Span>, version: Version) {
        if let Some((true, span)) = draft.accept.filter(|_| version == Version::V2) {
            self.too_loose(
                span,
                cause,
                "strict mode has no `accept` in version 2: it is ignored",
                "remove the line, or write `version 3`",
            );
        }
    }

    /// What keepalived adds to the protocol. Only what says otherwise is worth a word.
    fn extensions(&mut self, draft: &Draft, cause: Option<Span>, priority: Priority) {
        let lower = &draft.announcing;
        let repeats = lower.lower_repeat.is_some_and(|n| n > 0);
        let waits = lower.lower_delay.is_some_and(|delay| !delay.is_zero());
        let lines = [
            (
                draft.down_adverts.filter(|(count, _)| *count != 3).map(|(_, span)| span),
                "strict mode waits for 3 adverts: `down_timer_adverts` is ignored",
            ),
            (
                draft.lower_no_advert.filter(|(on, _)| !on).map(|(_, span)| span),
                "strict mode answers no advert of lower priority: `lower_prio_no_advert true` is used",
            ),
            (
                draft.higher_send_advert.filter(|(on, _)| *on).map(|(_, span)| span),
                "strict mode sends nothing when it yields: `higher_prio_send_advert false` is used",
            ),
            (
                draft.lower_announcing.filter(|_| repeats || waits),
                "strict mode announces nothing again after an advert of lower priority: `garp_lower_prio_*` is ignored",
            ),
            (
                draft.owner_ignores.filter(|(on, _)| !on && priority.is_owner()).map(|(_, span)| span),
                "strict mode lets the address owner listen to nobody: `owner_ignore_adverts true` is used",
            ),
        ];
        for (span, what) in lines {
            if let Some(span) = span {
                self.too_loose(span, cause, what, "remove the line, or leave strict mode");
            }
        }
    }

    /// WIRE-7: the first address of an IPv6 advert is link-local.
    pub(super) fn not_link_local(&mut self, first: &Entry, all: &[Entry]) {
        let other = all.iter().find(|entry| is_link_local(entry.address.address)).map(|entry| entry.span);
        self.findings.add(Id::StrictMode, first.span, |d| {
            let d = d.say("strict mode wants a link-local address first");
            match other {
                Some(span) => {
                    d.label(span, "adverts list this one first").help("write it first on all nodes")
                }
                None => d.help("list an address of fe80::/10 first, the same on all nodes"),
            }
        });
    }

    fn too_loose(&mut self, span: Span, cause: Option<Span>, what: &str, help: &'static str) {
        self.findings.add(Id::StrictMode, span, |d| {
            let d = d.say(what).help(help);
            match cause {
                Some(cause) => d.label(cause, "strict mode"),
                None => d,
            }
        });
    }
}

pub(super) const fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

//! `strict_mode` and `vrrp_strict`: what keepalived drops then, and what it refuses.

use super::Lower;
use super::global::Globals;
use super::instance::Draft;
use crate::registry::Id;
use crate::source::Span;
use alloc::format;
use core::time::Duration;
use model::{Authentication, Transport};
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

impl Lower<'_> {
    pub(super) fn strict(&mut self, draft: &Draft, globals: &Globals, loose: Loose<'_>) {
        if !is_strict(draft, globals) {
            return;
        }
        let cause = draft.strict.map(|(_, span)| span).or(globals.strict);
        if let Some(block) = draft.auth_block.filter(|_| *loose.authentication != Authentication::None) {
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
        if let Some(span) = draft.wants_active.filter(|_| !loose.priority.is_owner()) {
            let what = format!(
                "strict mode starts the address owner only as MASTER, and this priority is {}: BACKUP is used",
                loose.priority
            );
            self.too_loose(
                span,
                cause,
                &what,
                "write BACKUP: the highest priority gets the address all the same",
            );
        }
        if let Some(span) = draft.accept.filter(|_| loose.version == Version::V2) {
            self.too_loose(
                span,
                cause,
                "strict mode has no `accept` in version 2: it is ignored",
                "remove the line, or write `version 3`",
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

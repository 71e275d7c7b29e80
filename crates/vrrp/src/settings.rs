//! What one virtual router is told by its administrator, as far as the protocol cares.

use crate::rare::{Blank, Rare};
use timeline::Duration;
use wire::{Family, Interval, Priority, Version, Vrid};

/// The settings of one virtual router (RFC 9568 section 6.1 and keepalived's additions).
///
/// Addresses are not here: the state machine decides *when* they are owned; which they are is the host's
/// business (`model::Instance`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Protocol version that is spoken and believed.
    pub version: Version,
    /// Address family of the adverts.
    pub family: Family,
    /// Virtual Router Identifier.
    pub vrid: Vrid,
    /// Priority before any tracker has its say, 1..=255.
    pub priority: Priority,
    /// Advertisement_Interval: the rate at which this router advertises when it is Active.
    pub interval: Interval,
    /// Preempt_Mode: take over from an Active router of lower priority. The owner always preempts (CFG-4).
    pub preempt: bool,
    /// How long to tolerate a lower-priority Active router before preempting it (SM-BKP-15). Zero: not at all.
    pub preempt_delay: Duration,
    /// How many missed adverts make the Active router "down"; 3 in the RFC (TM-2, TM-4).
    pub down_adverts: u8,
    /// The owner drops every advert (text of RFC 9568 before erratum 8298) instead of settling the conflict.
    pub owner_ignores_adverts: bool,
    /// Active, and the timers ran so late that a peer of this priority must have taken over: yield, instead of going on
    /// (keepalived's `timer_expired_backup`). Of use without `preempt` only.
    pub late_rival: Option<Priority>,
    /// Active: do not answer a losing advert at once (RFC 5798 behaviour; undoes SM-ACT-7/8).
    pub lower_priority_no_advert: bool,
    /// Active, displaced by a higher priority: send one more advert before yielding.
    pub higher_priority_send_advert: bool,
    /// When to announce the addresses to the neighbours while Active.
    pub announce: Rare<AnnounceSettings>,
}

/// When gratuitous ARP (or Neighbor Advertisement) bursts are sent while Active (GARP-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AnnounceSettings {
    /// Packets for each address in a burst, 1 or more.
    pub repeat: u32,
    /// From becoming Active to the second burst; zero: no second burst.
    pub delay: Duration,
    /// Period of refresh bursts, counted from the end of `delay`; zero: none.
    pub refresh: Duration,
    /// Packets for each address in a refresh burst, 1 or more.
    pub refresh_repeat: u32,
    /// Packets for each address after a losing advert was heard; 0: none.
    pub lower_priority_repeat: u32,
    /// From a losing advert to its second burst; zero: no second burst.
    pub lower_priority_delay: Duration,
}

impl Default for AnnounceSettings {
    /// keepalived's defaults: five, and five more after five seconds; the same after a losing advert.
    fn default() -> Self {
        *Self::BLANK
    }
}

impl Blank for AnnounceSettings {
    const BLANK: &'static Self = &Self {
        repeat: 5,
        delay: Duration::from_secs(5),
        refresh: Duration::ZERO,
        refresh_repeat: 1,
        lower_priority_repeat: 5,
        lower_priority_delay: Duration::from_secs(5),
    };
}

impl Settings {
    /// The settings of a router for which nothing but version, family and VRID was chosen.
    #[must_use]
    pub fn new(version: Version, family: Family, vrid: Vrid) -> Self {
        Self {
            version,
            family,
            vrid,
            priority: Priority::DEFAULT,
            interval: Interval::SECOND,
            preempt: true,
            preempt_delay: Duration::ZERO,
            down_adverts: 3,
            owner_ignores_adverts: false,
            late_rival: None,
            lower_priority_no_advert: false,
            higher_priority_send_advert: false,
            announce: Rare::default(),
        }
    }
}

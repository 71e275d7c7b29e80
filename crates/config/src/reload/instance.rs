//! Instances that come, go, or become another one.

use super::{Difference, Elsewhere, Notice, Pair, about};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use model::{Instance, InterfaceName, Settings, Transport};
use vrrp::timers;
use wire::{Priority, Version};

/// How long this router waits for a silent Active router.
pub(super) fn own_down(settings: &Settings) -> Duration {
    timers::down(settings.version, settings.interval, settings.priority, settings.down_adverts)
}

/// How long a partner of this priority waits for a silent Active router with these settings.
pub(super) fn partner_down(settings: &Settings, priority: Priority) -> Duration {
    timers::down(settings.version, settings.interval, priority, settings.down_adverts)
}

/// The longest that any partner waits for an Active router that fell silent, or speaks so that it is not believed.
pub(super) fn longest_down(settings: &Settings) -> Duration {
    partner_down(settings, Priority(1))
}

/// The longest that any partner waits for an Active router that resigned.
fn longest_skew(settings: &Settings) -> Duration {
    timers::skew(settings.version, settings.interval, Priority(1))
}

/// When a router that starts becomes Active.
fn becomes_active(settings: &Settings) -> String {
    if settings.priority.is_owner() {
        return "is Active at once".into();
    }
    let after = about(own_down(settings));
    let unless = if settings.preempt {
        format!("a partner with priority {} or more", settings.priority)
    } else {
        "any partner".into()
    };
    let held = if settings.preempt_delay.is_zero() {
        String::new()
    } else {
        format!(", or a lower one for {} after it was first heard", about(settings.preempt_delay))
    };
    format!("starts as Backup and is Active after {after}, unless {unless} is Active{held}")
}

impl Pair<'_> {
    pub(super) fn added(&self, one: &Instance) -> Vec<Difference> {
        let what = summary(one);
        let why = format!("it {}", becomes_active(&one.settings));
        let mut difference = self.difference("vrrp_instance", what, Notice::Noticed, why);
        difference.old = None;
        vec![difference]
    }

    pub(super) fn removed(&self, gone: &Instance) -> Vec<Difference> {
        let why = format!(
            "if it is Active, it resigns and its addresses go: a partner takes over within {}; without one nobody holds them",
            about(longest_skew(&gone.settings))
        );
        let mut difference = self.difference("vrrp_instance", summary(gone), Notice::Interrupts, why);
        difference.new = None;
        vec![difference]
    }

    pub(super) fn replaced(
        &self,
        old: &Instance,
        new: &Instance,
        elsewhere: &Elsewhere<'_>,
    ) -> Vec<Difference> {
        let mut list = Vec::new();
        let why = self.becomes_another(old, new);
        let mut note = |keyword: &str, was: String, is: String| {
            if was != is {
                let what = format!("{} {was} → {is}", keyword.split(' ').next().unwrap_or(keyword));
                let why = if list.is_empty() { why.clone() } else { "part of the same move".into() };
                list.push(self.difference(keyword, what, Notice::Interrupts, why));
            }
        };
        let name = |device: Option<&InterfaceName>| device.map_or("none", |name| name).to_string();
        note("interface", name(old.home.interface()), name(new.home.interface()));
        note("vrf", name(old.home.vrf()), name(new.home.vrf()));
        note("virtual_router_id", format!("{}", old.settings.vrid), format!("{}", new.settings.vrid));
        let family = |instance: &Instance| format!("{}", instance.settings.family);
        note("virtual_ipaddress", family(old), family(new));
        let transport = |instance: &Instance| match instance.transport {
            Transport::Multicast { .. } => String::from("multicast"),
            Transport::Unicast { .. } => String::from("unicast"),
        };
        note("unicast_peer", transport(old), transport(new));
        // It starts anew with all of these, so none has a consequence of its own.
        let more = self.altered(old, new, elsewhere).into_iter().map(|mut difference| {
            difference.notice = Notice::Noticed;
            difference.consequence = "counts from the start of the new one".into();
            difference
        });
        list.extend(more);
        list
    }

    fn becomes_another(&self, old: &Instance, new: &Instance) -> String {
        let settings = &old.settings;
        let (vrid, family) = (new.settings.vrid, new.settings.family);
        let alike = (settings.vrid, settings.family) == (vrid, family)
            && matches!(old.transport, Transport::Unicast { .. })
                == matches!(new.transport, Transport::Unicast { .. });
        let deaf = if alike { "; unless it is on the new link too, it" } else { ", and" };
        format!(
            "this makes it another virtual router: the old one, if Active, resigns (priority 0) and its addresses go; \
             the new one {}. A partner without this change takes over within {}{deaf} does not hear the new one: then \
             both hold the addresses until it has the change too",
            becomes_active(&new.settings),
            about(longest_skew(settings))
        )
    }
}

fn summary(one: &Instance) -> String {
    let mut held = one.held_addresses();
    let first = held.next().map(|held| format!("{held}"));
    let rest = held.count();
    let addresses = match (first, rest) {
        (None, _) => "no address".into(),
        (Some(first), 0) => first,
        (Some(first), rest) => format!("{first} and {rest} more"),
    };
    let version = match one.settings.version {
        Version::V2 => "version 2",
        Version::V3 => "version 3",
    };
    format!("{version}, priority {}, {addresses}", one.settings.priority)
}

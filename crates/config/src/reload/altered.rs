//! An instance that stays the same virtual router, with other settings.

use super::instance::{longest_down, own_down, partner_down};
use super::{Difference, Elsewhere, Notice, Pair, about, times};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use model::{AnnounceSettings, Authentication, ChecksumForm, Instance, Settings, Transport};
use wire::{Family, Priority, Version};

use Notice::{Interrupts, Nobody, Noticed};

/// Only the next election has to do with it.
const LATER: &str = "it counts from the next time that it matters; nothing happens now";

impl Pair<'_> {
    pub(super) fn altered(
        &self,
        old: &Instance,
        new: &Instance,
        elsewhere: &Elsewhere<'_>,
    ) -> Vec<Difference> {
        let mut list = Vec::new();
        if old.name != new.name {
            let what = format!("renamed: {} → {}", old.name, new.name);
            let why = "it is the same virtual router and goes on; messages and scripts use the new name";
            list.push(self.difference("vrrp_instance", what, Nobody, why));
        }
        self.protocol(old, new, &mut list);
        self.election(old, new, &mut list);
        self.transport(old, new, &mut list);
        self.addresses(old, new, elsewhere, &mut list);
        self.tracked(old, new, &mut list);
        self.announcing(old, new, &mut list);
        let mut more = Vec::new();
        self.around((elsewhere.old, old), (elsewhere.new, new), &mut more);
        list.append(&mut more);
        list
    }

    /// What partners must agree about.
    fn protocol(&self, old: &Instance, new: &Instance, list: &mut Vec<Difference>) {
        let (was, is) = (&old.settings, &new.settings);
        if was.version != is.version {
            let what = format!("version {} → {}", was.version, is.version);
            list.push(self.difference("version", what, Interrupts, not_believed(was, is, "speak")));
        }
        if old.authentication != new.authentication {
            let what = match (kind(&old.authentication), kind(&new.authentication)) {
                (was, is) if was == is => match is {
                    "auth_hmac" => "other keys or settings (auth_hmac)".to_string(),
                    _ => format!("another password ({is})"),
                },
                (was, is) => format!("authentication {was} → {is}"),
            };
            list.push(self.difference("authentication", what, Interrupts, not_believed(was, is, "have")));
        }
        if old.checksum != new.checksum {
            let show = |form| if form == ChecksumForm::Message { "on" } else { "off" };
            let what = format!("v3_checksum_as_v2 {} → {}", show(old.checksum), show(new.checksum));
            let difference = if is.version == Version::V3 && is.family == Family::V4 {
                let why = "keepalived partners set otherwise discard its adverts; Standfast accepts both";
                self.difference("v3_checksum_as_v2", what, Interrupts, why)
            } else {
                self.difference(
                    "v3_checksum_as_v2",
                    what,
                    Nobody,
                    "only version 3 over IPv4 has to do with it",
                )
            };
            list.push(difference);
        }
        if was.interval != is.interval {
            let what = format!("advert_int {} → {}", was.interval, is.interval);
            let difference = match is.version {
                // The change of the version says it all.
                _ if was.version != is.version => {
                    self.difference("advert_int", what, Noticed, "it counts with the new version")
                }
                Version::V2 => self.difference("advert_int", what, Interrupts, not_believed(was, is, "have")),
                Version::V3 => {
                    let why = format!(
                        "if it is Active, it advertises at once and then in the new rhythm, which partners learn from \
                         its adverts: they wait up to {} for it instead of {}",
                        about(longest_down(is)),
                        about(longest_down(was))
                    );
                    self.difference("advert_int", what, Noticed, why)
                }
            };
            list.push(difference);
        }
    }

    /// Who becomes Active, and when.
    fn election(&self, old: &Instance, new: &Instance, list: &mut Vec<Difference>) {
        let (was, is) = (&old.settings, &new.settings);
        if was.priority != is.priority {
            let what = format!("priority {} → {}", was.priority, is.priority);
            let (notice, why) = priority(was, is);
            list.push(self.difference("priority", what, notice, why));
        }
        match (was.preempt, is.preempt) {
            (true, false) => list.push(self.difference("nopreempt", "nopreempt added".into(), Nobody, LATER)),
            (false, true) => {
                let why =
                    format!("if it is Backup of a partner with lower priority, it takes over {}", within(is));
                list.push(self.difference("nopreempt", "nopreempt removed".into(), Interrupts, why));
            }
            (true, true) | (false, false) => {}
        }
        if was.preempt_delay != is.preempt_delay {
            let what = times("preempt_delay", was.preempt_delay, is.preempt_delay);
            let why = "a preemption that is waiting now starts its wait anew; nothing happens else";
            list.push(self.difference("preempt_delay", what, Noticed, why));
        }
        if was.down_adverts != is.down_adverts {
            let what = format!("down_timer_adverts {} → {}", was.down_adverts, is.down_adverts);
            let why = format!(
                "from the next advert on it takes over after {} of silence; before: {}",
                about(own_down(is)),
                about(own_down(was))
            );
            list.push(self.difference("down_timer_adverts", what, Nobody, why));
        }
        if was.late_rival != is.late_rival {
            let show = |rival: Option<Priority>| rival.map_or("off".to_string(), |rival| rival.to_string());
            let what = format!("timer_expired_backup {} → {}", show(was.late_rival), show(is.late_rival));
            list.push(self.difference("timer_expired_backup", what, Nobody, LATER));
        }
        if old.wants_active != new.wants_active {
            let show = |master| if master { "MASTER" } else { "BACKUP" };
            let what = format!("state {} → {}", show(old.wants_active), show(new.wants_active));
            list.push(self.difference("state", what, Nobody, "a reload changes no role by it"));
        }
        let mut switch = |keyword: &str, was: bool, is: bool| {
            if was != is {
                let show = |on| if on { "on" } else { "off" };
                let what = format!("{keyword} {} → {}", show(was), show(is));
                list.push(self.difference(keyword, what, Nobody, LATER));
            }
        };
        switch("owner_ignore_adverts", was.owner_ignores_adverts, is.owner_ignores_adverts);
        switch("lower_prio_no_advert", was.lower_priority_no_advert, is.lower_priority_no_advert);
        switch("higher_prio_send_advert", was.higher_priority_send_advert, is.higher_priority_send_advert);
        switch("skip_check_adv_addr", old.skip_check_known_leader, new.skip_check_known_leader);
    }

    /// How adverts travel.
    fn transport(&self, old: &Instance, new: &Instance, list: &mut Vec<Difference>) {
        use Transport::{Multicast, Unicast};
        match (&old.transport, &new.transport) {
            (Multicast { group: was, source: from }, Multicast { group: is, source: to }) => {
                self.source("mcast_src_ip", *from, *to, Noticed, list);
                if was != is {
                    let show = |group: &Option<IpAddr>| group.map_or("the host's".into(), |g| g.to_string());
                    let what = format!("mcast_dst_ip {} → {}", show(was), show(is));
                    list.push(self.group("mcast_dst_ip", what, true));
                }
            }
            (Unicast { source: from, ttl: was, .. }, Unicast { source: to, ttl: is, .. }) => {
                self.source("unicast_src_ip", *from, *to, Interrupts, list);
                if was != is {
                    let what = format!("unicast_ttl {was} → {is}");
                    let (notice, why) = if is < was {
                        (
                            Interrupts,
                            "partners further away, or with a larger `min_ttl`, do not hear it any more",
                        )
                    } else {
                        (Noticed, "partners with a smaller `max_ttl` do not believe it any more")
                    };
                    list.push(self.difference("unicast_ttl", what, notice, why));
                }
                self.peers(old, new, list);
            }
            // Another identity; that is told elsewhere.
            (Multicast { .. }, Unicast { .. }) | (Unicast { .. }, Multicast { .. }) => {}
        }
        match (old.check_unicast_source, new.check_unicast_source) {
            (false, true) => {
                let why = "adverts of nodes that are not listed as peers are discarded from now on";
                let what = "check_unicast_src added".into();
                let unicast = matches!(new.transport, Unicast { .. });
                let notice = if unicast { Interrupts } else { Nobody };
                let why = if unicast { why } else { "only unicast has to do with it" };
                list.push(self.difference("check_unicast_src", what, notice, why));
            }
            (true, false) => {
                list.push(self.difference(
                    "check_unicast_src",
                    "check_unicast_src removed".into(),
                    Nobody,
                    LATER,
                ));
            }
            (true, true) | (false, false) => {}
        }
    }

    fn source(
        &self,
        keyword: &str,
        was: Option<IpAddr>,
        is: Option<IpAddr>,
        notice: Notice,
        list: &mut Vec<Difference>,
    ) {
        if was != is {
            let show =
                |source: Option<IpAddr>| source.map_or("the interface's own".into(), |s| s.to_string());
            let what = format!("{keyword} {} → {}", show(was), show(is));
            let why = if notice == Interrupts {
                "adverts come from another address: partners that check it (`check_unicast_src`) must list it"
            } else {
                "adverts come from another address; partners follow it"
            };
            list.push(self.difference(keyword, what, notice, why));
        }
    }

    fn announcing(&self, old: &Instance, new: &Instance, list: &mut Vec<Difference>) {
        let mut time = |keyword: &str, was: Duration, is: Duration| {
            if was != is {
                list.push(self.difference(keyword, times(keyword, was, is), Nobody, LATER));
            }
        };
        let (was, is): (&AnnounceSettings, &AnnounceSettings) =
            (&old.settings.announce, &new.settings.announce);
        time("garp_master_delay", was.delay, is.delay);
        time("garp_lower_prio_delay", was.lower_priority_delay, is.lower_priority_delay);
        time("garp_interval", old.gaps.arp, new.gaps.arp);
        time("gna_interval", old.gaps.na, new.gaps.na);
        if was.refresh != is.refresh {
            let what = times("garp_master_refresh", was.refresh, is.refresh);
            let why = "if it is Active, it announces its addresses again in the new rhythm";
            list.push(self.difference("garp_master_refresh", what, Nobody, why));
        }
        let mut count = |keyword: &str, was: u32, is: u32| {
            if was != is {
                list.push(self.difference(keyword, format!("{keyword} {was} → {is}"), Nobody, LATER));
            }
        };
        count("garp_master_repeat", was.repeat, is.repeat);
        count("garp_master_refresh_repeat", was.refresh_repeat, is.refresh_repeat);
        count("garp_lower_prio_repeat", was.lower_priority_repeat, is.lower_priority_repeat);
    }
}

const fn kind(authentication: &Authentication) -> &'static str {
    match authentication {
        Authentication::None => "none",
        Authentication::Password(_) => "PASS",
        Authentication::Header(_) => "AH",
        Authentication::Keyed(_) => "auth_hmac",
    }
}

/// Partners and this node discard each other's adverts.
fn not_believed(was: &Settings, is: &Settings, verb: &str) -> String {
    let longest = longest_down(was).max(own_down(is));
    format!(
        "partners that still {verb} the old one discard its adverts, and it theirs: within {} both hold the addresses, \
         until all nodes {verb} the same",
        about(longest)
    )
}

/// When this router takes over from an inferior one.
fn within(settings: &Settings) -> String {
    let delay = settings.preempt_delay;
    if delay.is_zero() {
        return format!("within {}", about(own_down(settings)));
    }
    // The delay runs from the next advert on, and the last advert within it arms the timer once more.
    let whole = settings.interval.duration() + delay + own_down(settings);
    format!("after its preempt_delay, within {}", about(whole))
}

fn priority(was: &Settings, is: &Settings) -> (Notice, String) {
    let (before, after) = (was.priority.0, is.priority.0);
    if is.priority.is_owner() {
        let why = "if it is Backup, it is Active at once, and the partner yields to its first advert";
        return (Interrupts, why.into());
    }
    if after < before {
        // 255 is an owner's; a partner has at most 254.
        let most = before.min(254);
        if after >= most {
            return (Noticed, "if it is Active, it says so at once; no partner can have more".into());
        }
        let range = span(after + 1, most);
        let why = format!(
            "if it is Active, it says so at once: a partner with priority {range} takes over within {}, unless it has \
             `nopreempt` or `preempt_delay`",
            about(partner_down(is, Priority(after + 1)))
        );
        return (Interrupts, why);
    }
    if !is.preempt {
        let why = "if it is Active, it says so at once; as Backup it preempts nobody (`nopreempt`)";
        return (Noticed, why.into());
    }
    let range = span(before, after - 1);
    (Interrupts, format!("if it is Backup of a partner with priority {range}, it takes over {}", within(is)))
}

/// `90`, or `90 to 149`.
fn span(low: u8, high: u8) -> String {
    if low == high { format!("{low}") } else { format!("{low} to {high}") }
}

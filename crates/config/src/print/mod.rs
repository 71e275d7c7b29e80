//! From [`model::Host`] back to text: one normal form, which reads back to the same host.
//!
//! Includes, definitions, conditions and the inheritance from `global_defs` are gone: each instance says what
//! holds for it. So two prints can be compared line by line.

mod command;
mod daemon;
mod instance;
mod notify;
mod trackers;
mod writer;

pub(crate) use instance::virtual_address;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::time::Duration;
use model::{Filter, Host, InterfaceName};
use writer::{Writer, word};

/// What becomes of passwords and keys in a print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// Eight stars, whatever the secret is: nothing can be learnt from them, not even its length.
    #[default]
    Masked,
    /// As they are. One that is not UTF-8 stays masked.
    Shown,
}

/// What stands for a secret.
const MASK: &str = "********";

/// How much a print says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// What identifies an instance and rules its timing, and whatever is not at its default.
    #[default]
    Normal,
    /// Also each default, as a comment.
    Defaults,
}

/// The text of a configuration in normal form. With [`Secrets::Shown`], [`crate::load`] makes the same host of
/// it; otherwise all but the secrets.
///
/// A host that the language cannot say (a name with a double quote in it, an owner that does not preempt) is
/// printed as near to it as possible. None that came out of [`crate::load`] is such.
#[must_use]
pub fn print(host: &Host, secrets: Secrets, detail: Detail) -> String {
    let mut print = Print::new(host, secrets, detail);
    let gaps = Gaps::of(host);
    print.serving_root(&host.daemon);
    print.globals(host, &gaps);
    for (interface, (arp, na)) in &gaps.by_interface {
        print.to.gap();
        print.to.open("garp_group");
        print.to.line(&format!("interface {}", word(interface)));
        print.setting("garp_interval", &seconds(*arp), arp.is_zero());
        print.setting("gna_interval", &seconds(*na), na.is_zero());
        print.to.close();
    }
    print.trackers(host);
    print.all_groups(host);
    print.fixed(host);
    for instance in &host.instances {
        print.to.gap();
        print.instance(instance);
    }
    print.to.finish()
}

/// The lines that stand outside of blocks, those about what can be tracked, and the groups.
pub(crate) fn definitions(host: &Host, secrets: Secrets) -> String {
    let mut print = Print { weights: true, ..Print::new(host, secrets, Detail::Normal) };
    print.serving_root(&host.daemon);
    print.trackers(host);
    print.all_groups(host);
    print.fixed(host);
    print.to.finish()
}

/// The lines of `global_defs` about programs, pipes, mail and the daemon.
pub(crate) fn telling(host: &Host, secrets: Secrets) -> String {
    let mut print = Print::new(host, secrets, Detail::Normal);
    print.telling(host);
    print.to.finish()
}

/// The lines of an instance about what it tracks by name and who is told.
pub(crate) fn around(host: &Host, instance: &model::Instance, secrets: Secrets) -> String {
    let mut print = Print { weights: true, ..Print::new(host, secrets, Detail::Normal) };
    print.tracking(&[], &instance.tracking);
    print.notify(&instance.notify);
    print.switch("strict_mode", instance.strict);
    print.flag("no_accept", !instance.accept);
    print.flag("track_src_ip", instance.track_source);
    print.to.finish()
}

struct Print<'a> {
    to: Writer,
    host: &'a Host,
    secrets: Secrets,
    detail: Detail,
    /// Each tracked line says its weight, whatever the definition says.
    weights: bool,
}

impl<'a> Print<'a> {
    fn new(host: &'a Host, secrets: Secrets, detail: Detail) -> Self {
        Self { to: Writer::default(), host, secrets, detail, weights: false }
    }

    fn telling(&mut self, host: &Host) {
        self.programs(&host.script_settings);
        self.host_notify(&host.notify);
        self.mail(&host.mail);
        self.serving(&host.daemon);
        self.filter(&host.filter);
    }

    fn filter(&mut self, filter: &Filter) {
        let usual = Filter::default();
        self.setting("nftables", &word(&filter.table), filter.table == usual.table);
        self.setting("nftables_priority", &format!("{}", filter.priority), filter.priority == usual.priority);
        self.flag("nftables_counters", filter.counters);
    }

    /// A keyword with its value; `usual`: that is its default.
    fn setting(&mut self, keyword: &str, value: &str, usual: bool) {
        let line = format!("{keyword} {value}");
        if usual { self.usual(&line) } else { self.to.line(&line) }
    }

    /// A line that would say nothing new.
    fn usual(&mut self, line: &str) {
        if self.detail == Detail::Defaults {
            self.to.line(&format!("# {line}"));
        }
    }

    /// A keyword that stands alone.
    fn flag(&mut self, keyword: &str, given: bool) {
        if given {
            self.to.line(keyword);
        }
    }

    fn globals(&mut self, host: &Host, gaps: &Gaps) {
        let usual = Host::default();
        let mut inner = Self { to: Writer::default(), ..*self };
        if let Some(id) = &host.router_id {
            inner.setting("router_id", &word(id), false);
        }
        let group = host.group_v4;
        inner.setting("vrrp_mcast_group4", &format!("{group}"), group == usual.group_v4);
        let group = host.group_v6;
        inner.setting("vrrp_mcast_group6", &format!("{group}"), group == usual.group_v6);
        let delay = host.startup_delay;
        // Zero cannot be written.
        if !delay.is_zero() {
            inner.setting("vrrp_startup_delay", &seconds(delay), false);
        }
        if !host.boot_delay.is_zero() {
            inner.setting("vrrp_delay_after_boot", &seconds(host.boot_delay), false);
        }
        if !gaps.arp.is_zero() {
            inner.setting("vrrp_garp_interval", &seconds(gaps.arp), false);
        }
        if !gaps.na.is_zero() {
            inner.setting("vrrp_gna_interval", &seconds(gaps.na), false);
        }
        inner.telling(host);
        let lines = inner.to.finish();
        if !lines.is_empty() {
            self.to.gap();
            self.to.open("global_defs");
            lines.lines().for_each(|line| self.to.line(line));
            self.to.close();
        }
    }
}

/// Where the pauses between announcements are written: for the whole host if all instances agree, else for
/// each interface.
struct Gaps {
    arp: Duration,
    na: Duration,
    by_interface: BTreeMap<InterfaceName, (Duration, Duration)>,
}

impl Gaps {
    fn of(host: &Host) -> Self {
        // Without an interface there is no group either.
        let routed = host.instances.iter().find(|instance| instance.home.is_routed());
        let common = |gap: fn(&model::Instance) -> Duration| {
            let first = host.instances.first().map_or(Duration::ZERO, gap);
            let is_common = || host.instances.iter().all(|instance| gap(instance) == first);
            routed.map(gap).or_else(|| is_common().then_some(first))
        };
        let (arp, na) = (common(|i| i.gaps.arp), common(|i| i.gaps.na));
        let mut by_interface = BTreeMap::new();
        for instance in &host.instances {
            let own = |gap: Duration, common: Option<Duration>| {
                if common == Some(gap) { Duration::ZERO } else { gap }
            };
            let own = (own(instance.gaps.arp, arp), own(instance.gaps.na, na));
            if let Some(name) = instance.home.interface().filter(|_| own != (Duration::ZERO, Duration::ZERO))
            {
                by_interface.insert(name.clone(), own);
            }
        }
        Self { arp: arp.unwrap_or_default(), na: na.unwrap_or_default(), by_interface }
    }
}

/// Seconds with as many digits behind the point as there are, to the microsecond.
pub(crate) fn seconds(time: Duration) -> String {
    let micros = time.subsec_micros();
    if micros == 0 {
        return format!("{}", time.as_secs());
    }
    let fraction = format!("{micros:06}");
    format!("{}.{}", time.as_secs(), fraction.trim_end_matches('0'))
}

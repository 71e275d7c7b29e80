//! Times that do not fit each other.

use super::Advice;
use super::scripts::shown;
use crate::diagnostic::Findings;
use crate::lower::Placed;
use crate::registry::Id;
use alloc::collections::BTreeMap;
use alloc::format;
use core::time::Duration;
use model::{Instance, LinkDelay};

/// So many packets at once fill the queue of a network card or a switch.
const FLOOD: u64 = 5000;

/// Shorter pauses are ordinary on a busy machine.
const TIGHT: Duration = Duration::from_millis(50);

/// Whoever waits this long has given up.
const SLOW: Duration = Duration::from_secs(60);

impl Advice<'_> {
    pub(super) fn timing(&self, findings: &mut Findings) {
        self.floods(findings);
        self.link_delays(findings);
        self.intervals(findings);
    }

    /// Announcements of all addresses go out in one burst, unless there is a gap.
    fn floods(&self, findings: &mut Findings) {
        for placed in self.instances {
            let instance = &placed.instance;
            let count = |v4: bool, gap: Duration| {
                let all = instance.held_addresses().filter(|a| a.address.is_ipv4() == v4);
                if gap.is_zero() { all.count() as u64 } else { 0 }
            };
            let addresses = count(true, instance.gaps.arp) + count(false, instance.gaps.na);
            let repeat = u64::from(instance.settings.announce.repeat);
            if addresses * repeat < FLOOD {
                continue;
            }
            findings.add(Id::AnnouncementFlood, placed.header, |d| {
                d.say(format!(
                    "`{}` sends {} announcements at once when it takes over ({addresses} x {repeat})",
                    instance.name,
                    addresses * repeat
                ))
                .help("`vrrp_garp_interval 0.001` and `vrrp_gna_interval 0.001` in `global_defs` spread them, or lower `garp_master_repeat`")
            });
        }
    }

    /// A link that is believed to be up for longer than the partners wait keeps the address on two machines.
    fn link_delays(&self, findings: &mut Findings) {
        let limits = limits(self.instances);
        for (delay, span) in self.delays {
            let Some((limit, instance)) = limits.get(&*delay.interface) else { continue };
            if delay.down <= *limit {
                continue;
            }
            findings.add(Id::LinkDelayCut, *span, |d| {
                d.say(format!(
                    "`{}` may be down for {} without notice, but the partners of `{}` wait less: {} is used",
                    delay.interface,
                    shown(delay.down),
                    instance.name,
                    shown(*limit)
                ))
            });
        }
    }

    /// Intervals at which a pause of the machine, or a failure, is not what was thought of.
    fn intervals(&self, findings: &mut Findings) {
        for placed in self.instances {
            let settings = &placed.instance.settings;
            let Some(span) = placed.interval else { continue };
            let interval = interval(&placed.instance);
            let silence = interval * u32::from(settings.down_adverts);
            if interval <= TIGHT {
                findings.add(Id::TightInterval, span, |d| {
                    d.say(format!(
                        "{} of silence and the partners take over: a busy or virtual machine pauses longer",
                        shown(silence)
                    ))
                    .help("intervals from 0.1 s on survive such pauses")
                });
            } else if silence > SLOW {
                findings.add(Id::SlowTakeover, span, |d| {
                    d.say(format!(
                        "when this node dies its addresses are gone for {} (interval {} x {})",
                        shown(silence),
                        shown(interval),
                        settings.down_adverts
                    ))
                    .help("`advert_int` is in seconds; 1 is usual")
                });
            }
        }
    }
}

/// The longest delay of each interface, with the instance that sets it.
fn limits(instances: &[Placed]) -> BTreeMap<&str, (Duration, &Instance)> {
    let mut limits: BTreeMap<&str, (Duration, &Instance)> = BTreeMap::new();
    for instance in instances.iter().map(|placed| &placed.instance) {
        let limit = longest_delay(instance);
        let Some(name) = instance.home.device() else { continue };
        let entry = limits.entry(name).or_insert((limit, instance));
        if limit < entry.0 {
            *entry = (limit, instance);
        }
    }
    limits
}

/// Cuts each delay to what the partners of the instances on its interface allow.
pub(crate) fn shorten(delays: &mut [LinkDelay], instances: &[Placed]) {
    let limits = limits(instances);
    for delay in delays {
        if let Some((limit, _)) = limits.get(&*delay.interface) {
            delay.down = delay.down.min(*limit);
        }
    }
}

fn interval(instance: &Instance) -> Duration {
    Duration::from_millis(u64::from(instance.settings.interval.centis()) * 10)
}

/// How long a link can be down before the partners take over: the adverts they miss but one, less their skew.
fn longest_delay(instance: &Instance) -> Duration {
    let settings = &instance.settings;
    let interval = interval(instance);
    let skew = match settings.version {
        wire::Version::V2 => Duration::from_secs(1),
        wire::Version::V3 => interval,
    };
    let skew = skew * (256 - u32::from(settings.priority.0)) / 256;
    let whole = (interval * u32::from(settings.down_adverts).saturating_sub(1)).saturating_sub(skew);
    // As exactly as it can be written.
    whole - Duration::from_nanos(u64::from(whole.subsec_nanos() % 1_000))
}

//! Times that do not fit each other.

use super::Advice;
use super::scripts::shown;
use crate::diagnostic::Findings;
use crate::lower::Placed;
use crate::registry::Id;
use alloc::format;
use core::time::Duration;
use model::{Instance, LinkDelay};

/// So many packets at once fill the queue of a network card or a switch.
const FLOOD: u64 = 5000;

impl Advice<'_> {
    pub(super) fn timing(&self, findings: &mut Findings) {
        self.floods(findings);
        self.link_delays(findings);
    }

    /// Announcements of all addresses go out in one burst, unless there is a gap.
    fn floods(&self, findings: &mut Findings) {
        for placed in self.instances {
            let instance = &placed.instance;
            let count = |v4: bool, gap: Duration| {
                let all = instance.held_addresses().filter(|a| a.address.is_ipv4() == v4);
                if gap.is_zero() { all.count() as u64 } else { 0 }
            };
            let addresses = count(true, instance.arp_gap) + count(false, instance.na_gap);
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
        for (delay, span) in self.delays {
            let on = self.instances.iter().map(|p| &p.instance).filter(|i| i.interface == delay.interface);
            let Some((instance, limit)) = on.map(|i| (i, longest_delay(i))).min_by_key(|(_, limit)| *limit)
            else {
                continue;
            };
            if delay.down <= limit {
                continue;
            }
            findings.add(Id::LinkDelayCut, *span, |d| {
                d.say(format!(
                    "`{}` may be down for {} without notice, but the partners of `{}` wait less: {} is used",
                    delay.interface,
                    shown(delay.down),
                    instance.name,
                    shown(limit)
                ))
            });
        }
    }
}

/// Cuts each delay to what the partners of the instances on its interface allow.
pub(crate) fn shorten(delays: &mut [LinkDelay], instances: &[Placed]) {
    for delay in delays {
        let on = instances.iter().map(|p| &p.instance).filter(|i| i.interface == delay.interface);
        if let Some(limit) = on.map(longest_delay).min() {
            delay.down = delay.down.min(limit);
        }
    }
}

/// How long a link can be down before the partners take over: the adverts they miss but one, less their skew.
fn longest_delay(instance: &Instance) -> Duration {
    let settings = &instance.settings;
    let interval = Duration::from_millis(u64::from(settings.interval.centis()) * 10);
    let skew = match settings.version {
        wire::Version::V2 => Duration::from_secs(1),
        wire::Version::V3 => interval,
    };
    let skew = skew * (256 - u32::from(settings.priority.0)) / 256;
    (interval * u32::from(settings.down_adverts).saturating_sub(1)).saturating_sub(skew)
}

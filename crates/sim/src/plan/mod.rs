//! What a seed means: a cluster, and a storm that comes over it.

mod cluster;
mod storm;
mod tracked;

#[cfg(test)]
pub(crate) use self::cluster::instance;
use crate::cluster::Cluster;
use crate::random::Random;
use crate::scene::{Scene, Step};
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Host, Instance};
use timeline::{Duration, Instant};

/// When the storm is over and everything is healed.
pub(crate) const STORM: Instant = Instant::from_nanos(60_000_000_000);
/// So long nothing may change after everything has settled.
pub(crate) const QUIET: Duration = Duration::from_secs(10);

/// A cluster and its storm.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What is plugged where, and the configuration of each machine when all is well.
    cluster: Cluster,
    /// The configurations alone.
    pub(crate) hosts: Vec<Host>,
    /// What the hands need for one order when all is well.
    pub(crate) hand: Duration,
    steps: Vec<(Instant, Step)>,
    seed: u64,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let cluster = cluster::any(random);
        let hosts: Vec<Host> = cluster.machines.iter().map(|member| member.host.clone()).collect();
        // Some worlds have slow kernels: then minds change while something is being set.
        let hand = if random.permille(250) { random.millis(1, 250) } else { Duration::from_micros(300) };
        let mut steps: Vec<_> =
            (0..hosts.len()).map(|n| (Instant::EPOCH + random.millis(0, 3_000), Step::Start(n))).collect();
        steps.extend(storm::any(random, &cluster, hand));
        steps.retain(|(at, _)| *at < STORM);
        steps.push((STORM, Step::Heal));
        let seed = random.next();
        Self { cluster, hosts, hand, steps, seed }
    }

    /// The same as a scene, until everything is over.
    pub(crate) fn scene(&self) -> Scene {
        let steps = self.steps.iter().map(|(at, step)| (at.since(Instant::EPOCH), step.clone()));
        let length = STORM.since(Instant::EPOCH) + self.bound() + QUIET;
        Scene { cluster: self.cluster.clone(), steps: steps.collect(), length, seed: self.seed }
    }

    /// How long it may take until everything is as it should be after the storm.
    pub(crate) fn bound(&self) -> Duration {
        let fought = |(_, step): &(Instant, Step)| {
            matches!(step, Step::Refuse { .. } | Step::Steal { .. } | Step::Unseen { .. })
        };
        // Down and skew, the delay before preemption, adverts until everybody knows.
        let is_tracking = |host: &Host| !(host.scripts.is_empty() && host.processes.is_empty());
        let checks = if self.hosts.iter().any(is_tracking) { 10 } else { 0 };
        let settle = Duration::from_secs(10 + checks);
        // After a refusal or a fight an instance waits for up to 40 s before it tries once more.
        if self.steps.iter().any(fought) { settle + Duration::from_secs(45) } else { settle }
    }
}

/// All addresses of an instance.
pub(crate) fn addresses(instance: &Instance) -> impl Iterator<Item = IpAddr> + '_ {
    instance.held_addresses().map(|held| held.address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn every_kind_of_trouble_is_common() {
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        for seed in 0..300 {
            for (_, step) in Plan::new(seed).steps {
                let text = format!("{step:?}");
                let kind = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                *seen.entry(kind.into()).or_default() += 1;
            }
        }
        let kinds = [
            "Start",
            "Stop",
            "PowerLost",
            "Crash",
            "Edit",
            "Reload",
            "Freeze",
            "Suspend",
            "Pause",
            "Stall",
            "Hand",
            "Desk",
            "Wall",
            "Up",
            "Carrier",
            "Steal",
            "Unseen",
            "Refuse",
            "Overrun",
            "Path",
            "Present",
            "Rename",
            "Own",
            "Forged",
            "Abandon",
        ];
        for kind in kinds {
            assert!(seen.get(kind).is_some_and(|count| *count > 20), "{kind} in {seen:?}");
        }
    }

    #[test]
    fn every_configuration_can_run() {
        for seed in 0..300 {
            let plan = Plan::new(seed);
            plan.hosts.iter().for_each(|host| host.check().unwrap());
            for (_, step) in plan.steps {
                if let Step::Reload { host, .. } | Step::Edit { host, .. } = step {
                    host.check().unwrap();
                }
            }
        }
    }
}

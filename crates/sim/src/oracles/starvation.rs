//! Nothing that is due waits: whoever hears nothing takes over when it should, what waits for a daemon is told, an address
//! that is wanted and absent is being set or tried again, and the network is told of every address.

use super::Violation;
use super::adverts::BUDGET;
use super::naive::Naive;
use super::watch::{Watch, Watched};
use crate::machine::Machine;
use crate::world::World;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::net::IpAddr;
use model::Instance;
use node::event::Standing;
use node::io::{Act, Effect};
use timeline::{Duration, Instant};

/// After so long an address that was refused is tried once more.
const RETRY: Duration = Duration::from_secs(10);

/// What the oracle remembers.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// By machine and address.
    asked: BTreeMap<(usize, IpAddr), Asked>,
    /// Those that lead.
    leads: BTreeMap<(usize, Arc<str>), Lead>,
}

/// What a daemon did about an address.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// When it last wanted it to be set.
    at: Instant,
    /// When its kernel refused it since.
    refused: Option<Instant>,
    /// So often the network was to be told since its router leads.
    rounds: u32,
    /// When that was last so.
    told_at: Instant,
}

/// A router that leads.
#[derive(Clone, Debug)]
struct Lead {
    /// By the machine's clock.
    since: Instant,
    /// With these settings for so long.
    configured_at: Instant,
    instance: Instance,
}

pub(crate) fn look(memory: &mut Memory, world: &World, watch: &Watch) -> Result<(), Violation> {
    memory.follow(world, watch);
    let fault = |n: usize, what: String| {
        Err(Violation::new(world.now, "starvation", format!("{}: {what}", world.name(n))))
    };
    for ((n, instance), watched) in &watch.routers {
        let Some(machine) = world.machines.get(*n).filter(|machine| machine.is_well(world.now)) else {
            continue;
        };
        let local = machine.local(world.now);
        if let Naive::Backup { due: Some(due), .. } = watched.naive
            && due + BUDGET < local
        {
            return fault(*n, format!("{instance} should have taken over at {due:?}"));
        }
        if let Some(what) = memory.neglected(*n, machine, watched, instance, local) {
            return fault(*n, what);
        }
    }
    for (n, machine) in world.machines.iter().enumerate() {
        // One that has ended may be starting again.
        if machine.is_well(world.now) && machine.is_called() && !world.ended.contains(&n) {
            return fault(n, "something waits and the daemon is not told".into());
        }
    }
    Ok(())
}

impl Memory {
    fn follow(&mut self, world: &World, watch: &Watch) {
        for (n, turn) in &world.turns {
            if turn.first {
                self.asked.retain(|(machine, _), _| machine != n);
                self.leads.retain(|(machine, _), _| machine != n);
            }
            for address in &turn.refused {
                self.asked.entry((*n, *address)).or_default().refused = Some(turn.local);
            }
            self.follow_leads(*n, turn.local, watch);
            for effect in &turn.effects {
                let Effect::Hold(hold) = effect else { continue };
                self.note(*n, turn.local, &hold.act);
            }
        }
    }

    fn follow_leads(&mut self, n: usize, local: Instant, watch: &Watch) {
        for ((_, name), watched) in watch.routers.iter().filter(|((machine, _), _)| *machine == n) {
            let key = (n, name.clone());
            if watched.standing != Standing::Active {
                self.leads.remove(&key);
                continue;
            }
            let instance = || watched.instance.clone();
            match self.leads.get_mut(&key) {
                Some(lead) if lead.instance == watched.instance => {}
                Some(lead) => (lead.configured_at, lead.instance) = (local, instance()),
                None => {
                    for held in watched.instance.held_addresses() {
                        self.asked.entry((n, held.address)).or_default().rounds = 0;
                    }
                    let lead = Lead { since: local, configured_at: local, instance: instance() };
                    self.leads.insert(key, lead);
                }
            }
        }
    }

    fn note(&mut self, n: usize, local: Instant, act: &Act) {
        let (announcements, rounds) = match act {
            Act::Add { addresses, announcements } => {
                for placed in addresses.iter() {
                    let asked = self.asked.entry((n, placed.address.address)).or_default();
                    (asked.at, asked.refused) = (local, None);
                }
                (announcements, 1)
            }
            Act::Announce { announcements, rounds, .. } => (announcements, *rounds),
            Act::Remove { .. } | Act::Close { .. } => return,
        };
        for announcement in announcements.iter() {
            let asked = self.asked.entry((n, announcement.address)).or_default();
            asked.rounds = asked.rounds.saturating_add(rounds);
            asked.told_at = local;
        }
    }

    /// What a router that leads should have done for one of its addresses and has not.
    fn neglected(
        &self,
        n: usize,
        machine: &Machine,
        watched: &Watched,
        name: &Arc<str>,
        local: Instant,
    ) -> Option<String> {
        let lead = self.leads.get(&(n, name.clone()))?;
        // What instances share each announces for itself, and the count here is of all.
        let leaders = self.leads.iter().filter(|((other, _), _)| *other == n).map(|(_, lead)| lead);
        let is_shared = |address: IpAddr| {
            let held =
                leaders.clone().filter(|lead| lead.instance.held_addresses().any(|h| h.address == address));
            held.count() > 1
        };
        let announce = &watched.instance.settings.announce;
        for held in watched.instance.held_addresses() {
            let address = held.address;
            let asked = self.asked.get(&(n, address)).copied().unwrap_or_default();
            if !machine.kernel.has(address) {
                let is_idle = machine.kernel.next().is_none() && !machine.is_called();
                let due = asked.refused.map_or(asked.at, |at| at + RETRY + BUDGET);
                if is_idle && due < local {
                    return Some(format!("{name} leads without {address}, and nobody tries to set it"));
                }
                continue;
            }
            if is_shared(address) {
                continue;
            }
            let is_old = |since: Instant, more: Duration| since + more + BUDGET < local;
            // Whatever was set later owes less.
            let is_first = lead.configured_at == lead.since && asked.at <= lead.since + BUDGET;
            let both = if announce.delay.is_zero() { 1 } else { 2 };
            let owed = announce.repeat * both;
            if is_first && is_old(lead.since, announce.delay) && asked.rounds < owed {
                return Some(format!(
                    "{address} was to be announced {owed} times, and was {} times",
                    asked.rounds
                ));
            }
            let from = (lead.since + announce.delay).max(lead.configured_at);
            let is_due = is_old(from.max(asked.told_at), announce.refresh);
            if !announce.refresh.is_zero() && is_due {
                return Some(format!("{address} was last announced at {:?}", asked.told_at));
            }
        }
        None
    }
}

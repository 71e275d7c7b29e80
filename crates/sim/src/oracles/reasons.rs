//! No router moves without a reason, and the reason that it tells is true: what was delivered to it, what its interfaces
//! are, what it was ordered to do.

use super::Violation;
use super::naive::{Advert, Rules};
use super::watch::{Account, Move, Watched};
use crate::machine::Machine;
use crate::world::World;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use core::net::IpAddr;
use model::Authentication;
use node::event::{Fault, Standing};
use timeline::{Duration, Instant};
use vrrp::Why;
use wire::Family;

/// What each router has heard since it began to take part.
pub(crate) type Memory = BTreeMap<(usize, Arc<str>), Heard>;

/// What one router has heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// The last advert of each neighbour.
    last: BTreeMap<IpAddr, Advert>,
    /// The first of the adverts with less than its own since the last with as much or more.
    lesser_since: Option<Instant>,
}

pub(crate) fn look(memory: &mut Memory, world: &World, accounts: &[Account]) -> Result<(), Violation> {
    for account in accounts {
        let heard = memory.entry((account.machine, account.name.clone())).or_default();
        for advert in &account.heard {
            heard.note(advert, &account.before.rules);
        }
        for step in &account.moves {
            if let Err(what) = is_true(step, account, accounts, heard, world) {
                let machine = world.name(account.machine);
                let (name, why, faults) = (&account.name, step.why, &step.faults);
                let what = format!("{machine}: {name} says {why:?} {faults:?}: {what}");
                return Err(Violation::new(world.now, "reasons", what));
            }
            if step.to != Standing::Active {
                // Who begins to take part hears what came in the same turn; who yields heard whom it yields to.
                let skipped = match (step.from, step.to) {
                    (Standing::Active, _) => account.heard.len().saturating_sub(1),
                    (_, Standing::Backup) => 0,
                    _ => account.heard.len(),
                };
                let last =
                    account.heard.iter().skip(skipped).map(|advert| (advert.source, *advert)).collect();
                *heard = Heard { last, ..Heard::default() };
            }
        }
        if account.before.rules.preempt_delay != account.after.rules.preempt_delay {
            heard.lesser_since = None;
        }
    }
    Ok(())
}

impl Heard {
    fn note(&mut self, advert: &Advert, rules: &Rules) {
        self.last.insert(advert.source, *advert);
        if advert.priority != 0 {
            let is_lesser = advert.priority < rules.priority;
            self.lesser_since = is_lesser.then(|| self.lesser_since.unwrap_or(advert.at));
        }
    }
}

fn is_true(
    step: &Move,
    account: &Account,
    accounts: &[Account],
    heard: &Heard,
    world: &World,
) -> Result<(), &'static str> {
    let Watched { rules, .. } = &account.after;
    let is_out = |standing| matches!(standing, Standing::Initialize | Standing::Fault);
    let demand = |is: bool, what| if is { Ok(()) } else { Err(what) };
    let in_this_turn = |source: IpAddr, priority: u8| {
        account.heard.iter().any(|advert| (advert.source, advert.priority) == (source, priority))
    };
    let order = (step.from, step.to);
    // Which sequence numbers were used before is not known here: of sealed adverts some were not believed.
    let is_sealed = matches!(account.before.instance.authentication, Authentication::Header(_));
    match step.why {
        Why::Started => {
            demand(is_out(step.from) && step.to == Standing::Backup, "it was taking part")?;
            demand(rules.priority != 255, "it owns the address")?;
            faultless(account, world)
        }
        Why::Owner => {
            let owns = rules.priority == 255 || account.before.rules.priority == 255 || account.hasty;
            demand(owns && step.to == Standing::Active, "it does not own the address")?;
            faultless(account, world)
        }
        Why::Resumed => {
            demand(is_out(step.from), "it was taking part")?;
            let left = account.left.as_ref().ok_or("there was nobody before it")?;
            demand(left.standing == step.to, "the one before it stood elsewhere")?;
            let down = left.rules.interval * left.rules.missing;
            let is_early = left.advertised.is_some_and(|at| account.local < at + down);
            demand(step.to == Standing::Backup || is_early, "another may have taken over meanwhile")?;
            faultless(account, world)
        }
        Why::NoResponse => {
            demand(order == (Standing::Backup, Standing::Active), "it was not Backup")?;
            // Whoever said that it leaves and whoever has less are not who is missed.
            let own = if rules.preempts() && rules.preempt_delay.is_zero() { rules.priority } else { 1 };
            let leaving = heard.last.values().filter(|advert| advert.priority == 0).map(|advert| advert.at);
            let leaving = leaving.max();
            let mut missed = heard.last.values().filter(|advert| advert.priority >= own);
            let interval = shortest(account, heard);
            let is_silent = |advert: &Advert| {
                let silence = account.local.since(advert.at);
                silence >= rules.down(interval)
                    || leaving.is_some_and(|at| at >= advert.at && silence >= rules.skew(interval))
            };
            demand(is_sealed || missed.all(is_silent), "an advert came not long ago")
        }
        Why::LeaderLeft(source) => {
            demand(order == (Standing::Backup, Standing::Active), "it was not Backup")?;
            let last = heard.last.get(&source).ok_or("it was never heard")?;
            demand(is_sealed || last.priority == 0, "it did not say so")?;
            demand(
                is_sealed || account.local.since(last.at) >= rules.skew(shortest(account, heard)),
                "too early",
            )
        }
        Why::Preempting(leader) => {
            demand(order == (Standing::Backup, Standing::Active), "it was not Backup")?;
            demand(rules.preempts(), "it may not")?;
            let last = heard.last.get(&leader.source).ok_or("it was never heard")?;
            let has_less = last.priority == leader.priority.0 && last.priority < rules.priority;
            demand(is_sealed || has_less, "it has no less")?;
            let held = heard.lesser_since.is_none_or(|at| account.local.since(at) >= rules.preempt_delay);
            demand(is_sealed || held, "preemption is held back")
        }
        Why::HigherPriority(leader) => {
            demand(order == (Standing::Active, Standing::Backup), "it was not Active")?;
            demand(
                leader.priority.0 > account.before.rules.priority.min(rules.priority),
                "it is not higher",
            )?;
            demand(in_this_turn(leader.source, leader.priority.0), "no such advert came")
        }
        Why::HigherAddress(leader) => {
            demand(order == (Standing::Active, Standing::Backup), "it was not Active")?;
            let own = account.before.rules.source;
            demand(leader.source > own, "its address is not higher")?;
            demand(in_this_turn(leader.source, leader.priority.0), "no such advert came")
        }
        // What was in force before cannot be asked any more.
        Why::TooLate => demand(account.after.instance.settings.late_rival.is_some(), "nobody asked for it"),
        Why::Group if account.ordered => Ok(()),
        Why::Group => demand(goes_along(step, account, accounts, world), "nobody of its group went there"),
        Why::Stopped => demand(account.ordered && step.to == Standing::Initialize, "nobody said so"),
        Why::Fault => {
            demand(step.to == Standing::Fault && !step.faults.is_empty(), "there is no fault")?;
            demand(
                step.faults.iter().all(|fault| is_so(fault, account, accounts, world)),
                "the fault is not there",
            )
        }
    }
}

/// Whether another of its group is where it goes, or has been there in this turn.
fn goes_along(step: &Move, account: &Account, accounts: &[Account], world: &World) -> bool {
    let Some(machine) = world.machines.get(account.machine) else { return true };
    let Some(host) = machine.in_force() else { return true };
    let groups = host.groups.iter().filter(|group| group.members.contains(&account.name));
    let mut others = groups.flat_map(|group| &group.members).filter(|other| **other != account.name);
    others.any(|name| {
        let mut here = accounts.iter().filter(|a| a.machine == account.machine && a.name == *name);
        here.any(|a| a.after.standing == step.to || a.moves.iter().any(|other| other.to == step.to))
    })
}

/// The shortest interval that anybody spoke of.
fn shortest(account: &Account, heard: &Heard) -> Duration {
    let own = account.after.rules.interval;
    heard.last.values().map(|advert| advert.interval).chain([own]).min().unwrap_or(own)
}

/// Whoever takes part has an interface that works.
fn faultless(account: &Account, world: &World) -> Result<(), &'static str> {
    let Some(machine) = world.machines.get(account.machine) else { return Ok(()) };
    let instance = &account.after.instance;
    let Some(name) = instance.home.interface() else { return Ok(()) };
    let link = machine.kernel.link_named(name);
    let works = link.is_some_and(|link| link.up && link.carrier);
    // What the kernel has not told yet nobody can know.
    if works || instance.ignore_own_link || machine.is_called() || is_damped(machine, name) {
        Ok(())
    } else {
        Err("its interface is down")
    }
}

/// Whether what counts may be another than what is: changes of this link count only when they last.
fn is_damped(machine: &Machine, interface: &Arc<str>) -> bool {
    machine.in_force().is_some_and(|host| host.link_delays.iter().any(|delay| delay.interface == *interface))
}

/// Whether a script counts as failed until it says otherwise.
fn starts_failed(machine: &Machine, name: &Arc<str>) -> bool {
    let host = machine.in_force();
    host.is_some_and(|host| host.scripts.iter().any(|script| script.name == *name && script.starts_failed))
}

/// Whether a fault is there, as far as the machine's kernel shows it.
fn is_so(fault: &Fault, account: &Account, accounts: &[Account], world: &World) -> bool {
    let Some(machine) = world.machines.get(account.machine) else { return true };
    let link = |name: &Arc<str>| machine.kernel.link_named(name);
    let is_ours =
        |address: &IpAddr| account.before.instance.held_addresses().any(|wanted| wanted.address == *address);
    match fault {
        Fault::InterfaceDown(name) | Fault::NoCarrier(name) if is_damped(machine, name) => true,
        Fault::InterfaceMissing(name) => link(name).is_none(),
        Fault::InterfaceDown(name) => link(name).is_some_and(|link| !link.up),
        Fault::NoCarrier(name) => link(name).is_some_and(|link| !link.carrier),
        Fault::AddressRefused(_) => account.refused.iter().any(is_ours),
        Fault::AddressKeepsVanishing { address, .. } => {
            account.taken.contains(address) || !machine.kernel.has(*address)
        }
        Fault::NoAddresses => account.after.instance.addresses.is_empty(),
        Fault::NoPeers => matches!(
            &account.after.instance.transport,
            model::Transport::Unicast { peers, .. } if peers.is_empty()
        ),
        // Sockets and groups work in this world.
        Fault::NoSocket(..) | Fault::NotJoined(..) => false,
        // Here is no VRF, and nobody asks for one.
        Fault::VrfMissing(_) | Fault::VrfDown(_) | Fault::NotAVrf(_) | Fault::SourceApart(..) => false,
        Fault::NoSourceAddress(name, family) => {
            link(name).is_some_and(|link| !machine.kernel.has_own(link.index, *family == Family::V4))
        }
        Fault::InterfaceUp(name) => link(name).is_some_and(|link| link.up),
        Fault::Script(name, _) => machine.programs.has_ailed(name) || starts_failed(machine, name),
        Fault::Process(name, _) | Fault::File(name, _) | Fault::Bfd(name, false) => {
            machine.programs.has_ailed(name)
        }
        // Up is what a session is from the start.
        Fault::Bfd(_, true) => true,
        // Another member has a fault of its own, at the end of this turn or in it.
        Fault::Member { member, .. } => accounts
            .iter()
            .filter(|other| other.machine == account.machine && other.name == *member)
            .any(|other| other.after.standing == Standing::Fault || !other.moves.is_empty()),
        // Nobody in a simulated world asks for it.
        Fault::SourceMissing(_) => false,
    }
}

//! An Active router sends its adverts on its absolute schedule: none is missing, none doubled, none late. Who resigns
//! says so once; who is not Active says nothing.

use super::Violation;
use super::naive::Naive;
use super::watch::{Account, Watch};
use crate::world::World;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::net::IpAddr;
use node::event::{Fault, Standing};
use timeline::Duration;
use vrrp::Why;

/// What a machine that is well may need for a turn.
pub(crate) const BUDGET: Duration = Duration::from_millis(1);

pub(crate) fn look(world: &World, watch: &Watch, accounts: &[Account]) -> Result<(), Violation> {
    for account in accounts {
        if let Some(what) = wrong(account) {
            let what = format!("{}: {}: {what}", world.name(account.machine), account.name);
            return Err(Violation::new(world.now, "adverts", what));
        }
    }
    for ((n, instance), watched) in &watch.routers {
        let Some(machine) = world.machines.get(*n).filter(|machine| machine.is_well(world.now)) else {
            continue;
        };
        if let Naive::Active { next: Some(next), .. } = watched.naive
            && next + BUDGET < machine.local(world.now)
        {
            let what = format!("{}: {instance}: the advert of {next:?} has not been sent", world.name(*n));
            return Err(Violation::new(world.now, "adverts", what));
        }
    }
    Ok(())
}

fn wrong(account: &Account) -> Option<String> {
    // Each destination is told the same.
    let mut sent: BTreeMap<IpAddr, (usize, usize)> = BTreeMap::new();
    for (priority, destination) in &account.sent {
        let (adverts, farewells) = sent.entry(*destination).or_default();
        *(if *priority == 0 { farewells } else { adverts }) += 1;
    }
    let is_active = |standing| standing == Standing::Active;
    let led = is_active(account.before.standing) || account.moves.iter().any(|step| is_active(step.to));
    if !led && !account.sent.is_empty() {
        return Some(format!("it is not Active and sent {:?}", account.sent));
    }
    // Who goes on in the place of another goes by its priority until what is tracked is known.
    let left = account.left.as_ref().map_or(0, |left| left.rules.priority);
    let may_be = [account.before.rules.priority, account.after.rules.priority, left, 0];
    let strange = |sent: &&(u8, IpAddr)| !account.hasty && !may_be.contains(&sent.0);
    if let Some((priority, _)) = account.sent.iter().find(strange) {
        return Some(format!("it sent priority {priority}"));
    }
    let is_dumb =
        |fault: &Fault| !matches!(fault, Fault::AddressRefused(_) | Fault::AddressKeepsVanishing { .. });
    let left = account
        .moves
        .iter()
        .filter(|step| is_active(step.from) && matches!(step.to, Standing::Initialize | Standing::Fault));
    // With a broken link nothing can be said; a link that only an address is on does not matter.
    let spoken = left.clone().filter(|step| !step.faults.iter().any(is_dumb)).count();
    if sent.is_empty() && spoken > 0 {
        return Some("it left without a word".into());
    }
    for (destination, (adverts, farewells)) in sent {
        // Whoever leaves because its group does says so.
        let with_group = account.moves.iter().filter(|step| is_active(step.from) && step.why == Why::Group);
        if farewells < spoken || farewells > left.clone().count() + with_group.count() {
            return Some(format!("it resigned {spoken} times and told {destination} {farewells} times"));
        }
        if let Some(said) = &account.said
            && !(said.least..=said.most).contains(&adverts)
        {
            let (least, most) = (said.least, said.most);
            return Some(format!("it sent {adverts} adverts to {destination}, not {least} to {most}"));
        }
    }
    let missing = account.said.as_ref().is_some_and(|said| said.least > 0);
    (missing && account.sent.is_empty()).then(|| "it did not advertise".into())
}

//! Every router leads and follows when the naive model says so, to the nanosecond of its own clock.

use super::Violation;
use super::naive::Naive;
use super::watch::Account;
use crate::world::World;
use alloc::format;
use node::event::Standing;

pub(crate) fn look(world: &World, accounts: &[Account]) -> Result<(), Violation> {
    for account in accounts {
        let Some(said) = &account.said else { continue };
        let moved = account.moves.iter().map(|step| step.to == Standing::Active);
        if !moved.eq(said.moves.iter().copied()) {
            let happened: alloc::vec::Vec<_> = account.moves.iter().map(|step| step.to).collect();
            let what = format!(
                "{}: {}, {:?}, {:?}, at {:?} heard {:?}: should become Active {:?}, became {happened:?}",
                world.name(account.machine),
                account.name,
                account.before.standing,
                account.before.naive,
                account.local,
                account.heard,
                said.moves,
            );
            return Err(Violation::new(world.now, "reference", what));
        }
        let should = match account.after.naive {
            Naive::Out => continue,
            Naive::Backup { .. } => Standing::Backup,
            Naive::Active { .. } => Standing::Active,
        };
        if account.after.standing != should {
            let what = format!(
                "{}: {} is not {should:?} as it should be",
                world.name(account.machine),
                account.name
            );
            return Err(Violation::new(world.now, "reference", what));
        }
    }
    Ok(())
}

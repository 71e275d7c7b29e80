//! What the oracles had to judge: one that never looks is worth nothing.

use super::naive::Naive;
use super::watch::{Account, Watch};
use crate::world::World;
use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use node::event::Standing;
use vrrp::Why;

/// How often.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    rare: BTreeMap<String, u64>,
    predicted: u64,
    silent: u64,
    adverts: u64,
    held: u64,
    waited: u64,
    whole: u64,
}

impl Seen {
    pub(crate) fn count(&mut self, world: &World, watch: &Watch, accounts: &[Account], held: u64) {
        self.held += held;
        self.whole += u64::from(world.is_whole());
        let waits = |naive: &Naive| matches!(naive, Naive::Backup { due: Some(_), .. });
        self.waited += watch.routers.values().map(|watched| u64::from(waits(&watched.naive))).sum::<u64>();
        for account in accounts {
            *(if account.said.is_some() { &mut self.predicted } else { &mut self.silent }) += 1;
            let leads = account.before.standing == Standing::Active;
            self.adverts += u64::from(leads && account.said.is_some());
            for step in &account.moves {
                let predicted = if account.said.is_some() { ", foretold" } else { "" };
                self.note(format!("move: {}{predicted}", name(step.why)));
                step.faults
                    .iter()
                    .for_each(|fault| self.note(format!("fault: {}", head(&format!("{fault:?}")))));
            }
        }
        for (_, turn) in &world.turns {
            for why in turn.forged.iter().flat_map(|judgement| &judgement.why) {
                self.note(format!("forged: {why:?}"));
            }
        }
        for n in &world.ended {
            let leaves = world.machines.get(*n).is_some_and(|machine| machine.leaves);
            self.note(if leaves { "stopped: leaves all" } else { "stopped: in order" }.into());
        }
    }

    fn note(&mut self, what: String) {
        *self.rare.entry(what).or_default() += 1;
    }

    /// All of it.
    pub(crate) fn into_map(self) -> BTreeMap<String, u64> {
        let common = [
            ("reference: turns foretold", self.predicted),
            ("reference: turns not foretold", self.silent),
            ("adverts: turns of a leader foretold", self.adverts),
            ("holding: daemons at rest", self.held),
            ("starvation: waiting routers", self.waited),
            ("two owners: moments of a whole network", self.whole),
        ];
        let mut all = self.rare;
        all.extend(common.map(|(what, count)| (what.to_owned(), count)));
        all
    }
}

const fn name(why: Why) -> &'static str {
    match why {
        Why::Started => "Started",
        Why::Owner => "Owner",
        Why::Resumed => "Resumed",
        Why::NoResponse => "NoResponse",
        Why::LeaderLeft(_) => "LeaderLeft",
        Why::Preempting(_) => "Preempting",
        Why::HigherPriority(_) => "HigherPriority",
        Why::HigherAddress(_) => "HigherAddress",
        Why::Stopped => "Stopped",
        Why::Fault => "Fault",
        Why::Group => "Group",
        Why::TooLate => "TooLate",
    }
}

/// The first word.
fn head(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

//! Follows each router of each machine with the naive model, and gives an account of each turn: what should have
//! happened, where that can be said, and what did.
//!
//! It can be said as long as the router takes part and nothing but adverts and time decides. Going into and out of a
//! fault is taken as the daemon tells it (whether that is true is for `reasons` to see). After a change of
//! configuration or priority that came together with adverts the next deadline cannot be said until an advert sets it.

use super::naive::{Advert, Naive, Rules, Said, read};
use crate::machine::{Machine, Turn};
use crate::world::World;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Authentication, Instance};
use node::event::{Event, Fault, Standing};
use node::io::{Effect, Transmit};
use node::status::InstanceStatus;
use timeline::Instant;
use vrrp::Why;
use wire::{Family, Version};

/// All routers that run.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) routers: BTreeMap<(usize, Arc<str>), Watched>,
    /// Those of daemons that do not run any more, as they stood.
    pub(crate) left: BTreeMap<(usize, Arc<str>), Watched>,
}

/// One router.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) instance: Instance,
    pub(crate) rules: Rules,
    pub(crate) standing: Standing,
    pub(crate) naive: Naive,
    /// When it last advertised, on the machine's clock.
    pub(crate) advertised: Option<Instant>,
}

/// What one turn meant for one router.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) machine: usize,
    pub(crate) name: Arc<str>,
    pub(crate) local: Instant,
    /// The adverts that it must have believed.
    pub(crate) heard: Vec<Advert>,
    /// What the model says; `None`: it cannot.
    pub(crate) said: Option<Said>,
    pub(crate) moves: Vec<Move>,
    /// Priority and destination of each advert.
    pub(crate) sent: Vec<(u8, IpAddr)>,
    /// Before the turn; the same as after it if it is new.
    pub(crate) before: Watched,
    pub(crate) after: Watched,
    /// An order or a configuration came.
    pub(crate) ordered: bool,
    /// Addresses that the kernel would not set.
    pub(crate) refused: Vec<IpAddr>,
    /// Addresses that somebody else took away.
    pub(crate) taken: Vec<IpAddr>,
    /// Several configurations came in one turn.
    pub(crate) hasty: bool,
    /// How the same router of the daemon before stood when that died.
    pub(crate) left: Option<Watched>,
}

/// A change that the daemon told.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    pub(crate) from: Standing,
    pub(crate) to: Standing,
    pub(crate) why: Why,
    pub(crate) faults: Vec<Fault>,
}

impl Watch {
    /// Takes in what happened in this moment.
    pub(crate) fn look(&mut self, world: &World) -> Vec<Account> {
        let mut accounts = Vec::new();
        for (n, turn) in &world.turns {
            if let Some(machine) = world.machines.get(*n) {
                self.take(*n, machine, world.now, turn, &mut accounts);
            }
        }
        self.leave(|n| !world.machines.get(n).is_some_and(Machine::is_running));
        accounts
    }

    /// The routers of these machines run no longer.
    fn leave(&mut self, is_gone: impl Fn(usize) -> bool) {
        let left = &mut self.left;
        self.routers.retain(|key, watched| {
            let stays = !is_gone(key.0);
            if !stays {
                left.insert(key.clone(), watched.clone());
            }
            stays
        });
    }

    fn take(&mut self, n: usize, machine: &Machine, now: Instant, turn: &Turn, accounts: &mut Vec<Account>) {
        if turn.first {
            // A worker may have died and another begun in one moment.
            self.leave(|other| other == n);
        }
        let is_news = |effect: &Effect| match effect {
            Effect::Report(event) => matches!(
                event,
                Event::Moved { .. } | Event::PriorityChanged { .. } | Event::Configured { .. }
            ),
            Effect::Send(_)
            | Effect::Hold(_)
            | Effect::Run(_)
            | Effect::Kill(_)
            | Effect::Tell(_)
            | Effect::Mail(_) => false,
        };
        // A daemon that has just ended cannot be asked: its routers are as they were.
        let mut routers: BTreeMap<Arc<str>, Watched> = BTreeMap::new();
        if turn.effects.iter().any(is_news)
            && let Some(status) = machine.status(now)
        {
            for instance in machine.instances() {
                let state = status.instances.iter().find(|state| state.name == instance.name);
                let Some(state) = state else { continue };
                let rules = rules(instance, state);
                let naive = Naive::Out;
                let instance = instance.clone();
                routers.insert(
                    state.name.clone(),
                    Watched { instance, rules, standing: state.standing, naive, advertised: None },
                );
            }
        }
        let known: Vec<Arc<str>> =
            self.routers.keys().filter(|(other, _)| *other == n).map(|(_, name)| name.clone()).collect();
        let is_reread = !routers.is_empty();
        let new = routers.keys().filter(|name| !known.contains(name)).cloned().collect::<Vec<_>>();
        for name in known.into_iter().chain(new) {
            let before = self.routers.get(&(n, name.clone())).cloned();
            let now = routers.remove(&name);
            let is_gone = is_reread && now.is_none();
            let before = before.or_else(|| now.clone());
            let Some(before) = before else { continue };
            let after = now.unwrap_or_else(|| before.clone());
            let left = self.left.get(&(n, name.clone())).filter(|_| turn.first).cloned();
            let account = account(n, name.clone(), machine, turn, (before, after, left));
            if is_gone {
                self.routers.remove(&(n, name));
            } else {
                self.routers.insert((n, name), account.after.clone());
            }
            accounts.push(account);
        }
    }
}

fn account(
    n: usize,
    name: Arc<str>,
    machine: &Machine,
    turn: &Turn,
    (mut before, mut after, left): (Watched, Watched, Option<Watched>),
) -> Account {
    let moves = moves(turn, &name);
    let is_of = |frame: &Transmit| {
        let settings = &before.instance.settings;
        let alike = Family::of(frame.source) == settings.family
            && before.instance.home.interface() == Some(&machine.name_of(frame.interface));
        alike && read(frame, turn.local).is_some_and(|advert| advert.vrid == settings.vrid.get())
    };
    let sent = turn.effects.iter().filter_map(|effect| match effect {
        Effect::Send(frame) if is_of(frame) => Some((read(frame, turn.local)?.priority, frame.destination)),
        Effect::Send(_)
        | Effect::Hold(_)
        | Effect::Report(_)
        | Effect::Run(_)
        | Effect::Kill(_)
        | Effect::Tell(_)
        | Effect::Mail(_) => None,
    });
    let sent: Vec<_> = sent.collect();
    let is_advert = sent.iter().any(|(priority, _)| *priority != 0);
    after.advertised = if is_advert { Some(turn.local) } else { before.advertised };
    let heard = turn.heard.iter().filter(|(_, frame)| is_of(frame));
    let heard = heard.filter_map(|(at, frame)| read(frame, *at));
    let heard: Vec<Advert> = heard.filter(|advert| before.rules.believes(advert)).collect();
    let told = turn.effects.iter().any(|effect| match effect {
        Effect::Report(Event::PriorityChanged { instance, .. }) => *instance == name,
        Effect::Send(_)
        | Effect::Hold(_)
        | Effect::Report(_)
        | Effect::Run(_)
        | Effect::Kill(_)
        | Effect::Tell(_)
        | Effect::Mail(_) => false,
    });
    let is_outside = |standing| matches!(standing, Standing::Initialize | Standing::Fault);
    let is_outward = moves.iter().any(|step| is_outside(step.from) || is_outside(step.to));
    // What only decides its priority is told as such.
    let tracking = after.instance.tracking.clone();
    let altered = Instance { tracking, ..before.instance.clone() } != after.instance;
    // What was in force in between is not known any more.
    let is_configured = |effect: &&Effect| matches!(effect, Effect::Report(Event::Configured { .. }));
    // Which sequence numbers were used before is not known here.
    let is_sealed = matches!(before.instance.authentication, Authentication::Header(_));
    // What a group makes its members do is none of the protocol's.
    let is_grouped =
        machine.in_force().is_some_and(|host| host.groups.iter().any(|group| group.members.contains(&name)));
    // What a daemon that ends has read last cannot be asked any more.
    let configured = turn.effects.iter().filter(is_configured).count();
    let is_unread = turn.ended && configured > 0;
    // Whoever is told to leave everything as it is stops in the middle of its turn.
    let is_cut_short = turn.ended && machine.leaves;
    let hasty = is_grouped || is_sealed || is_unread || is_cut_short || configured > 1;
    let mut said = Said::default();
    let local = turn.local;
    let said = if is_outward {
        after.naive = begun(&moves, &after.rules, local, !heard.is_empty(), left.as_ref());
        None
    } else {
        let mut naive = before.naive.clone();
        if told && !altered {
            naive.alter(&before.rules, &after.rules, local, false);
        }
        let rules = if told && !altered { &after.rules } else { &before.rules };
        heard.iter().for_each(|advert| naive.hear(rules, local, *advert, &mut said));
        if turn.deaf {
            naive.miss(rules, local);
        }
        if altered {
            naive.alter(&before.rules, &after.rules, local, true);
        }
        let is_told = told || altered || hasty;
        let is_known = naive.is_known() && !hasty;
        if !hasty {
            naive.elapse(&after.rules, local, &mut said);
        }
        // The order of things is not known, or the change itself moves it.
        let is_owner_now = is_told && after.rules.priority == 255;
        if !is_known || (told && !heard.is_empty()) || is_owner_now {
            naive = if moves.is_empty() {
                naive.forgotten()
            } else {
                begun(&moves, &after.rules, local, true, None)
            };
        }
        after.naive = naive;
        (is_known && !is_told).then_some(said)
    };
    if let Some(last) = moves.last() {
        after.standing = last.to;
    }
    if before.standing != after.standing && moves.is_empty() {
        before.standing = after.standing;
    }
    let (ordered, refused, taken) = (turn.ordered, turn.refused.clone(), turn.taken.clone());
    Account {
        machine: n,
        name,
        local,
        heard,
        said,
        moves,
        sent,
        before,
        after,
        ordered,
        refused,
        taken,
        hasty,
        left,
    }
}

/// Where the model is after the daemon went its own way; what may have been heard since cannot be said.
fn begun(moves: &[Move], rules: &Rules, local: Instant, heard: bool, left: Option<&Watched>) -> Naive {
    let interval = rules.interval;
    match moves.last() {
        // It keeps the rhythm of the one before it, and follows whom that followed.
        Some(Move { to: Standing::Active, why: Why::Resumed, .. }) => {
            let before = left.filter(|left| left.rules.interval == interval && !heard);
            let next =
                before.and_then(|left| if let Naive::Active { next, .. } = left.naive { next } else { None });
            let missed = |next: Instant| u32::try_from(local.since(next).as_nanos() / interval.as_nanos());
            let next =
                next.map(
                    |next| {
                        if next > local { next } else { next + interval * (1 + missed(next).unwrap_or(0)) }
                    },
                );
            Naive::Active { next, answered: None }
        }
        Some(Move { to: Standing::Backup, why: Why::Resumed, .. }) => {
            let learnt = left.and_then(|left| match left.naive {
                Naive::Backup { interval, .. } if rules.v3 => Some(interval),
                Naive::Out | Naive::Backup { .. } | Naive::Active { .. } => None,
            });
            let interval = learnt.unwrap_or(interval);
            let due = (!heard).then(|| local + rules.down(interval));
            Naive::Backup { due, interval, hold: None, excused: false, ousts: None }
        }
        Some(Move { to: Standing::Backup, why: Why::Started, .. }) if !heard => Naive::start(rules, local),
        Some(Move { to: Standing::Active, .. }) => {
            Naive::Active { next: (!heard).then(|| local + interval), answered: None }
        }
        Some(Move { to: Standing::Backup, .. }) => {
            Naive::Backup { due: None, interval, hold: None, excused: true, ousts: None }
        }
        Some(_) | None => Naive::Out,
    }
}

fn moves(turn: &Turn, name: &Arc<str>) -> Vec<Move> {
    let moves = turn.effects.iter().filter_map(|effect| match effect {
        Effect::Report(Event::Moved { instance, from, to, why, faults, .. }) if instance == name => {
            Some(Move { from: *from, to: *to, why: *why, faults: faults.clone() })
        }
        Effect::Send(_)
        | Effect::Hold(_)
        | Effect::Report(_)
        | Effect::Run(_)
        | Effect::Kill(_)
        | Effect::Tell(_)
        | Effect::Mail(_) => None,
    });
    moves.collect()
}

fn rules(instance: &Instance, state: &InstanceStatus) -> Rules {
    let settings = &instance.settings;
    Rules {
        v3: settings.version == Version::V3,
        interval: settings.interval.duration(),
        priority: state.priority.0,
        source: state.source.unwrap_or(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED)),
        preempt: settings.preempt,
        preempt_delay: settings.preempt_delay,
        missing: settings.down_adverts.into(),
        ignores: settings.owner_ignores_adverts,
        proud: settings.lower_priority_no_advert,
        polite: settings.higher_priority_send_advert,
    }
}

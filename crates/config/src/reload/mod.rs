//! What a reload from one configuration to another would change, and whether anybody would notice.
//!
//! The consequences are those of `node`'s reload: instances are matched by identity; what is equal is not touched;
//! an altered router keeps its role, tells a new priority at once and arms its timers anew at the next advert.

mod altered;
mod instance;
mod lists;
mod rest;

use crate::source::Span;
use crate::{Places, seconds};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use lists::Holders;
use model::{Change, Host, Instance, Transport};
use wire::Family;

/// Who would notice a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notice {
    /// Nobody on the network.
    Nobody,
    /// Partners or neighbours can see it; the addresses stay where they are.
    Noticed,
    /// An address may move, be away, or be held twice.
    Interrupts,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody notices",
            Self::Noticed => "noticed",
            Self::Interrupts => "may interrupt",
        })
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What is different: `priority 150 → 90`. Never holds a secret.
    pub what: String,
    /// Who would notice.
    pub notice: Notice,
    /// What would happen.
    pub consequence: String,
    /// Where it is written in the old configuration.
    pub old: Option<Span>,
    /// Where it is written in the new one.
    pub new: Option<Span>,
}

/// What happens to a virtual router, or to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It starts.
    Added,
    /// It resigns and ends.
    Removed,
    /// It goes on with other settings.
    Altered,
    /// It ends, and another one starts in its place: its interface, VRF, VRID, family or transport is another.
    Replaced,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Altered => "changed",
            Self::Replaced => "replaced",
        })
    }
}

/// The differences of one virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alteration {
    /// Its name, the new one if it has two; `None`: the host.
    pub name: Option<Arc<str>>,
    /// Interface, VRID and family; empty for the host.
    pub identity: String,
    /// What happens to it.
    pub fate: Fate,
    /// The differences, at least one.
    pub differences: Vec<Difference>,
}

impl Alteration {
    /// Who would notice any of it.
    #[must_use]
    pub fn notice(&self) -> Notice {
        self.differences.iter().map(|d| d.notice).max().unwrap_or(Notice::Nobody)
    }
}

/// A reload, before it happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// What is not the same: the host first, then what ends, then the rest in the new order.
    pub alterations: Vec<Alteration>,
    /// How many instances stay as they are.
    pub kept: usize,
}

impl Reload {
    /// Who would notice any of it.
    #[must_use]
    pub fn notice(&self) -> Notice {
        self.alterations.iter().map(Alteration::notice).max().unwrap_or(Notice::Nobody)
    }
}

/// A configuration with the places of its parts.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// What it means.
    pub host: &'a Host,
    /// Where it says so.
    pub places: &'a Places,
}

/// What a reload from `old` to `new` would change.
#[must_use]
pub fn reload(old: Written<'_>, new: Written<'_>) -> Reload {
    let mut done = Reload::default();
    let of_host = Pair { old: old.places, new: new.places, names: None }.host(old.host, new.host);
    if !of_host.is_empty() {
        let (name, identity, fate) = (None, String::new(), Fate::Altered);
        done.alterations.push(Alteration { name, identity, fate, differences: of_host });
    }
    let changes = model::changes(old.host, new.host);
    let successors = successors(&changes);
    let moved: BTreeSet<&Arc<str>> = successors.values().map(|gone| &gone.name).collect();
    let pair = |names| Pair { old: old.places, new: new.places, names };
    let elsewhere = Elsewhere {
        old: old.host,
        new: new.host,
        old_holders: Holders::of(old.host),
        new_holders: Holders::of(new.host),
    };
    for change in &changes {
        let (name, at, fate, differences) = match *change {
            Change::Kept(_) => {
                done.kept += 1;
                continue;
            }
            // It is told with its successor.
            Change::Removed(gone) if moved.contains(&gone.name) => continue,
            Change::Removed(gone) => {
                let pair = pair(Some((&*gone.name, "")));
                (&gone.name, gone, Fate::Removed, pair.removed(gone))
            }
            Change::Added(one) => {
                let before = successors.get(&one.name).copied();
                match before {
                    Some(gone) => {
                        let pair = pair(Some((&*gone.name, &*one.name)));
                        (&one.name, one, Fate::Replaced, pair.replaced(gone, one, &elsewhere))
                    }
                    None => {
                        let pair = pair(Some(("", &*one.name)));
                        (&one.name, one, Fate::Added, pair.added(one))
                    }
                }
            }
            Change::Altered { old: was, new: is } => {
                let pair = pair(Some((&*was.name, &*is.name)));
                (&is.name, is, Fate::Altered, pair.altered(was, is, &elsewhere))
            }
        };
        let identity = format!("{}", at.identity());
        done.alterations.push(Alteration { name: Some(name.clone()), identity, fate, differences });
    }
    done
}

/// The removed instances that live on as another virtual router, by the name of that one: the same name, else an
/// address in common.
fn successors<'a>(changes: &[Change<'a>]) -> BTreeMap<&'a Arc<str>, &'a Instance> {
    let mut added: Vec<&Instance> = Vec::new();
    let mut removed: Vec<&Instance> = Vec::new();
    for change in changes {
        match *change {
            Change::Added(one) => added.push(one),
            Change::Removed(one) => removed.push(one),
            Change::Kept(_) | Change::Altered { .. } => {}
        }
    }
    let mut pairs = BTreeMap::new();
    let names: BTreeSet<&Arc<str>> = added.iter().map(|one| &one.name).collect();
    removed.retain(|gone| match names.get(&gone.name) {
        Some(name) => pairs.insert(*name, *gone).is_some(),
        None => true,
    });
    let mut having: BTreeMap<IpAddr, Vec<&Instance>> = BTreeMap::new();
    for one in added.into_iter().rev() {
        for held in one.held_addresses() {
            having.entry(held.address).or_default().push(one);
        }
    }
    for gone in removed {
        for held in gone.held_addresses() {
            let Some(free) = having.get_mut(&held.address) else { continue };
            // Whoever has a predecessor is not asked again.
            while free.pop_if(|one| pairs.contains_key(&one.name)).is_some() {}
            if let Some(one) = free.pop() {
                pairs.insert(&one.name, gone);
                break;
            }
        }
    }
    pairs
}

/// What the other instances have, before and after.
struct Elsewhere<'a> {
    old: &'a Host,
    new: &'a Host,
    old_holders: Holders<'a>,
    new_holders: Holders<'a>,
}

/// The two texts, and the names of the instance in each.
#[derive(Clone, Copy)]
struct Pair<'a> {
    old: &'a Places,
    new: &'a Places,
    names: Option<(&'a str, &'a str)>,
}

impl Pair<'_> {
    /// A difference that the line of a keyword makes.
    fn difference(
        &self,
        keyword: &str,
        what: String,
        notice: Notice,
        consequence: impl Into<String>,
    ) -> Difference {
        let place = |places: &Places, name: Option<&str>| {
            let own = name.and_then(|name| places.instance(name));
            let global = places.block("global_defs", "");
            let inherited = format!("vrrp_{keyword}");
            let line = own.and_then(|block| block.find(keyword));
            let line =
                line.or_else(|| global.and_then(|block| block.find(keyword).or(block.find(&inherited))));
            line.or(own.map(|block| block.header))
        };
        let (old, new) = (self.names.map(|n| n.0), self.names.map(|n| n.1));
        let consequence = consequence.into();
        Difference { what, notice, consequence, old: place(self.old, old), new: place(self.new, new) }
    }

    /// A difference that the entry of a list makes; on the side where there is none, no place.
    fn entry(
        &self,
        list: &str,
        (was, is): (Option<&str>, Option<&str>),
        what: String,
        notice: Notice,
        consequence: impl Into<String>,
    ) -> Difference {
        let place = |places: &Places, name: Option<&str>, word: Option<&str>| {
            word.and_then(|word| places.instance(name?).map(|block| block.entry(list, word)))
        };
        let (old, new) = (self.names.map(|n| n.0), self.names.map(|n| n.1));
        Difference {
            what,
            notice,
            consequence: consequence.into(),
            old: place(self.old, old, was),
            new: place(self.new, new, is),
        }
    }

    fn host(&self, old: &Host, new: &Host) -> Vec<Difference> {
        let mut list = Vec::new();
        if old.router_id != new.router_id {
            let show = |id: &Option<String>| id.clone().unwrap_or_else(|| "the host name".into());
            let what = format!("router_id {} → {}", show(&old.router_id), show(&new.router_id));
            list.push(self.difference(
                "router_id",
                what,
                Notice::Nobody,
                "only messages and scripts name it",
            ));
        }
        if old.startup_delay != new.startup_delay {
            let what = times("vrrp_startup_delay", old.startup_delay, new.startup_delay);
            let why = "it counts when the daemon starts, not at a reload";
            list.push(self.difference("vrrp_startup_delay", what, Notice::Nobody, why));
        }
        if old.boot_delay != new.boot_delay {
            let what = times("vrrp_delay_after_boot", old.boot_delay, new.boot_delay);
            let why = "it counts when the daemon starts, not at a reload";
            list.push(self.difference("vrrp_delay_after_boot", what, Notice::Nobody, why));
        }
        let users = |family| {
            new.instances.iter().any(|instance| {
                let group = matches!(instance.transport, Transport::Multicast { group: None, .. });
                group && instance.settings.family == family
            })
        };
        if old.group_v4 != new.group_v4 {
            let what = format!("vrrp_mcast_group4 {} → {}", old.group_v4, new.group_v4);
            list.push(self.group("vrrp_mcast_group4", what, users(Family::V4)));
        }
        if old.group_v6 != new.group_v6 {
            let what = format!("vrrp_mcast_group6 {} → {}", old.group_v6, new.group_v6);
            list.push(self.group("vrrp_mcast_group6", what, users(Family::V6)));
        }
        self.beside(old, new, &mut list);
        list
    }

    fn group(&self, keyword: &str, what: String, used: bool) -> Difference {
        if used {
            let why = "adverts go to the new group from now on: partners that still listen to the old one hear none \
                       and take over too; two nodes hold the addresses until all have the same group";
            self.difference(keyword, what, Notice::Interrupts, why)
        } else {
            self.difference(keyword, what, Notice::Nobody, "no instance speaks to this group")
        }
    }
}

/// `keyword 1 s → 2 s`.
fn times(keyword: &str, old: Duration, new: Duration) -> String {
    let show = |time: Duration| if time.is_zero() { "off".into() } else { format!("{} s", seconds(time)) };
    format!("{keyword} {} → {}", show(old), show(new))
}

/// A time as people say it: `3.6 s`, below a second to the millisecond, never less than it is.
fn about(time: Duration) -> String {
    let step: u128 = if time < Duration::from_secs(1) { 1_000 } else { 100_000 };
    let micros = time.as_nanos().div_ceil(1_000).div_ceil(step) * step;
    let rounded = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
    format!("{} s", seconds(rounded))
}

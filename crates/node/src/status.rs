//! A snapshot of everything an operator may ask for: a pure projection of the node, from which text, JSON and
//! metrics are only formatted.

use crate::event::{Fault, Finish, Health, Standing};
use crate::held::{Held, Spot, Whose};
use crate::io::{Errno, FilterState, Order, Unread};
use crate::node::{Group, Node};
use crate::slot::{Counters, Slot};
use crate::track::{Crowd, Neighbor, Number, Probe};
use crate::verdict::{Count, Line, Sight, lines};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use model::{Home, Transport, Weight};
use timeline::{Duration, Instant};
use vrrp::{Discard, Leader};
use wire::{Family, Interval, Priority, Version, Vrid};

/// The node at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// `router_id`.
    pub router_id: Option<String>,
    /// Orderly end under way.
    pub stopping: bool,
    /// The instances, in the order in which they were configured.
    pub instances: Vec<InstanceStatus>,
    /// The groups, in the order of the file.
    pub groups: Vec<GroupStatus>,
    /// The static addresses, in the order of the file.
    pub static_addresses: Vec<AddressStatus>,
    /// The scripts, by name.
    pub scripts: Vec<ScriptStatus>,
    /// The tracked processes, by name.
    pub processes: Vec<ProcessStatus>,
    /// The tracked files, by name.
    pub files: Vec<FileStatus>,
    /// The filter of addresses that do not accept, if there are some, or it is still there.
    pub filter: Option<FilterStatus>,
    /// The BFD sessions, by name.
    pub sessions: Vec<SessionStatus>,
    /// Datagrams at BFD ports that were not believed, by why. Filled in by [`crate::sessions::Sessions::describe`].
    pub bfd_discards: Vec<(crate::sessions::Discard, u64)>,
    /// Mail, if there is any to send.
    pub mail: Option<MailStatus>,
    /// Adverts that no instance here was meant by, by [`Discard::index`].
    pub strays: [u64; Discard::ALL.len()],
}

/// One instance at one moment.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // Named after the settings of the same name.
pub struct InstanceStatus {
    pub name: Arc<str>,
    pub home: Home,
    pub vrid: Vrid,
    pub family: Family,
    pub version: Version,
    pub unicast: bool,
    pub standing: Standing,
    /// How long it has stood there.
    pub since: Duration,
    pub faults: Vec<Fault>,
    pub base_priority: Priority,
    pub priority: Priority,
    /// What it tracks, then what its group does, with what each counts now: base and these make the priority.
    pub tracked: Vec<TrackedStatus>,
    /// Something that it tracks has not been heard of yet: it does not start before.
    pub waits: bool,
    /// Its group.
    pub group: Option<Arc<str>>,
    pub interval: Interval,
    /// Learnt from the Active router (version 3), or our own.
    pub active_interval: Interval,
    pub preempt: bool,
    /// Hosts may speak to its addresses.
    pub accepts: bool,
    /// Where adverts are sent from.
    pub source: Option<IpAddr>,
    /// The Active router that is followed.
    pub leader: Option<Leader>,
    pub addresses: Vec<AddressStatus>,
    pub skew_time: Duration,
    pub down_interval: Duration,
    pub counters: Counters,
}

/// What is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A script.
    Script,
    /// Processes.
    Process,
    /// A file.
    File,
    /// A BFD session.
    Bfd,
    /// An interface.
    Interface,
}

/// Something that an instance tracks, or its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedStatus {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: Arc<str>,
    /// Its group tracks it.
    pub by_group: bool,
    /// The weight that was written.
    pub weight: Weight,
    /// What it counts now.
    pub counts: Counts,
}

impl fmt::Display for TrackedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Script => "script",
            Kind::Process => "process",
            Kind::File => "file",
            Kind::Bfd => "BFD session",
            Kind::Interface => "interface",
        };
        write!(f, "{kind} {} weight {}", self.name, self.weight.value)?;
        f.write_str(if self.weight.reverse { " reverse" } else { "" })?;
        f.write_str(if self.by_group { " (group): " } else { ": " })?;
        match &self.counts {
            Counts::Adds(number) => write!(f, "{number:+}"),
            Counts::Fault(fault) => write!(f, "FAULT: {fault}"),
            Counts::Unknown => f.write_str("unknown: priority 1"),
            Counts::Waiting => f.write_str("nothing is known yet"),
        }
    }
}

/// What something tracked counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counts {
    /// So much is added to the priority.
    Adds(i32),
    /// A fault.
    Fault(Fault),
    /// It cannot be found out: priority 1.
    Unknown,
    /// Nothing is known yet.
    Waiting,
}

/// A script at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptStatus {
    /// Its name.
    pub name: Arc<str>,
    /// How what it checks is.
    pub health: Health,
    /// Since when.
    pub since: Duration,
    /// What its last run led to, and how long ago that was.
    pub last: Option<(Finish, Duration)>,
    /// One is under way.
    pub is_running: bool,
    /// Runs that were begun.
    pub runs: u64,
    /// Runs that were left out because the one before had not ended.
    pub skipped: u64,
}

/// Tracked processes at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStatus {
    /// Their name.
    pub name: Arc<str>,
    /// Whether they are as many as wanted.
    pub health: Health,
    /// Since when.
    pub since: Duration,
    /// How many; `None`: nobody has counted yet.
    pub count: Option<Result<u32, Errno>>,
}

/// A tracked file at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// Its name.
    pub name: Arc<str>,
    /// The number that counts; `None`: nobody has looked yet.
    pub value: Option<i32>,
    /// Why the file says no number now.
    pub unread: Option<Unread>,
    /// Since when the number counts.
    pub since: Duration,
}

/// The filter at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterStatus {
    /// The name of its table.
    pub table: String,
    /// Whether it is in force.
    pub state: FilterState,
    /// So many addresses are to be filtered now.
    pub closed: usize,
    /// How many transactions were made for it since the daemon started.
    pub batches: u64,
    /// How often it was put back since the daemon started.
    pub repairs: u64,
}

/// A BFD session at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionStatus {
    /// Its name.
    pub name: Arc<str>,
    /// How its neighbour is.
    pub health: Health,
    /// Since when.
    pub since: Duration,
    /// What only the session knows. Filled in by [`crate::sessions::Sessions::describe`].
    pub detail: Option<Box<SessionDetail>>,
}

/// What a BFD session knows of itself (names as in RFC 9314).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Named after the settings and fields of the same name.
pub struct SessionDetail {
    pub neighbor: IpAddr,
    pub source: Option<IpAddr>,
    pub multihop: bool,
    pub state: wire::bfd::State,
    pub remote_state: wire::bfd::State,
    pub diagnostic: wire::bfd::Diagnostic,
    pub remote_diagnostic: wire::bfd::Diagnostic,
    pub discriminator: u32,
    /// 0: not known.
    pub remote_discriminator: u32,
    /// Without jitter.
    pub send_interval: Duration,
    /// `None`: the neighbour has not been heard.
    pub detection_time: Option<Duration>,
    pub received: u64,
    pub sent: u64,
    pub discarded: u64,
    pub unsent: u64,
    /// How often it came up.
    pub ups: u64,
    /// How often it went down after that.
    pub downs: u64,
}

/// Mail since the daemon started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailStatus {
    /// Where it is delivered; empty: nowhere any more.
    pub server: String,
    /// Taken by the server.
    pub delivered: u64,
    /// Nobody got them.
    pub failed: u64,
    /// Recipients of delivered mail that do not get it.
    pub refused: u64,
    /// Not sent: too many waited, or the daemon ended.
    pub lost: u64,
    /// Not delivered yet.
    pub waiting: u64,
}

/// A sync group at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Its members.
    pub members: Vec<Arc<str>>,
    /// Where all of them stand, or stood last.
    pub standing: Standing,
    /// Since when.
    pub since: Duration,
}

/// One address at one moment.
#[derive(Clone, Debug)]
pub struct AddressStatus {
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// Its interface.
    pub device: Arc<str>,
    /// What is known about it.
    pub state: AddressState,
}

/// What is known about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// Not here.
    Absent,
    /// Being set.
    Adding,
    /// Here, set by us.
    Held,
    /// Here, and not ours to remove.
    Foreign,
    /// Being removed.
    Removing,
    /// The kernel refused it.
    Refused(Errno),
}

impl Node {
    /// Everything there is to know at `now`.
    #[must_use]
    pub fn status(&self, now: Instant) -> Status {
        Status {
            router_id: self.host.router_id.clone(),
            stopping: self.stopping == Some(Order::Stop),
            instances: self.slots.values().map(|slot| self.instance(slot, now)).collect(),
            groups: self.groups.iter().map(|group| group_status(group, now)).collect(),
            static_addresses: self.fixtures.spots.iter().map(address).collect(),
            scripts: self.trackers.scripts.iter().map(|(name, probe)| script(name, probe, now)).collect(),
            processes: self
                .trackers
                .processes
                .iter()
                .map(|(name, crowd)| process(name, crowd, now))
                .collect(),
            files: self.trackers.files.iter().map(|(name, number)| file(name, number, now)).collect(),
            filter: self.filter_status(),
            sessions: self.trackers.neighbors.iter().map(|(name, known)| session(name, known, now)).collect(),
            bfd_discards: Vec::new(),
            mail: self.herald.outbox.status(&self.host),
            strays: self.strays.discards,
        }
    }

    fn filter_status(&self) -> Option<FilterStatus> {
        let filtering = &self.filter.filtering;
        let is_of_use =
            self.instances().any(|instance| !instance.accepts()) || filtering.state != FilterState::Off;
        is_of_use.then(|| FilterStatus {
            table: self.host.filter.table.clone(),
            state: filtering.state,
            closed: self.slots.values().map(|slot| slot.closed.len()).sum(),
            batches: filtering.batches,
            repairs: filtering.repairs,
        })
    }

    /// What an instance and its group track.
    fn tracked(&self, slot: &Slot) -> Vec<TrackedStatus> {
        let sight = Sight { facts: &self.facts, trackers: &self.trackers, host: &self.host };
        let of = |by_group| {
            move |line: Line<'_>| TrackedStatus {
                kind: line.kind,
                name: line.name.clone(),
                by_group,
                weight: line.weight,
                counts: match line.count {
                    Count::Nothing | Count::Early => Counts::Adds(0),
                    Count::Weight(weight) => Counts::Adds(weight),
                    Count::Fault(fault) => Counts::Fault(fault),
                    Count::Unknown => Counts::Unknown,
                    Count::Waits => Counts::Waiting,
                },
            }
        };
        let instance = &slot.instance;
        let own = lines(sight, &instance.tracking, &instance.track_interfaces).map(of(false));
        let group = slot.group.and_then(|at| self.groups.get(at)).map(|group| &group.group);
        let shared = group.into_iter().flat_map(|g| lines(sight, &g.tracking, &g.track_interfaces));
        own.chain(shared.map(of(true))).collect()
    }

    fn instance(&self, slot: &Slot, now: Instant) -> InstanceStatus {
        let (configured, settings) = (&slot.instance, &slot.instance.settings);
        let addresses = slot.spots.iter().map(address);
        InstanceStatus {
            name: configured.name.clone(),
            home: configured.home.clone(),
            vrid: settings.vrid,
            family: settings.family,
            version: settings.version,
            unicast: matches!(configured.transport, Transport::Unicast { .. }),
            standing: slot.standing,
            since: now.since(slot.since),
            faults: slot.verdict.faults.to_vec(),
            base_priority: settings.priority,
            priority: slot.router.priority(),
            tracked: self.tracked(slot),
            waits: slot.verdict.waits,
            group: slot.group.and_then(|at| self.groups.get(at)).map(|group| group.group.name.clone()),
            interval: settings.interval,
            active_interval: slot.router.active_interval(),
            preempt: settings.preempt,
            accepts: configured.accepts(),
            source: slot.verdict.place.map(|place| place.source),
            leader: slot.router.leader(),
            addresses: addresses.collect(),
            skew_time: slot.router.skew_time(),
            down_interval: slot.router.down_interval(),
            counters: slot.counters.clone(),
        }
    }
}

fn address(spot: &Spot) -> AddressStatus {
    AddressStatus {
        address: spot.address.address,
        prefix: spot.address.prefix,
        device: spot.device.clone(),
        state: match spot.held {
            Held::Absent | Held::Lost { .. } => AddressState::Absent,
            Held::Adding { .. } => AddressState::Adding,
            Held::Present(Whose::Ours | Whose::Leftover) => AddressState::Held,
            Held::Present(Whose::Foreign) => AddressState::Foreign,
            Held::Removing { .. } | Held::Stays { .. } => AddressState::Removing,
            Held::Refused { errno, .. } => AddressState::Refused(errno),
        },
    }
}

fn group_status(group: &Group, now: Instant) -> GroupStatus {
    let (name, members) = (group.group.name.clone(), group.group.members.clone());
    GroupStatus { name, members, standing: group.standing, since: now.since(group.since) }
}

fn script(name: &Arc<str>, probe: &Probe, now: Instant) -> ScriptStatus {
    ScriptStatus {
        name: name.clone(),
        health: probe.health,
        since: now.since(probe.since),
        last: probe.last.as_ref().map(|(at, finish)| (finish.clone(), now.since(*at))),
        is_running: probe.run.is_some(),
        runs: probe.runs,
        skipped: probe.skipped,
    }
}

fn process(name: &Arc<str>, crowd: &Crowd, now: Instant) -> ProcessStatus {
    let (health, count) = (crowd.health, crowd.count);
    ProcessStatus { name: name.clone(), health, since: now.since(crowd.since), count }
}

fn session(name: &Arc<str>, known: &Neighbor, now: Instant) -> SessionStatus {
    let (health, since) = (known.health(), now.since(known.since));
    SessionStatus { name: name.clone(), health, since, detail: None }
}

fn file(name: &Arc<str>, number: &Number, now: Instant) -> FileStatus {
    let value = number.is_known.then_some(number.value);
    FileStatus { name: name.clone(), value, unread: number.unread, since: now.since(number.since) }
}

//! A snapshot of everything an operator may ask for: a pure projection of the node, from which text, JSON and
//! metrics are only formatted.

use crate::event::{Fault, Standing};
use crate::held::{Held, Whose};
use crate::io::{Errno, Order};
use crate::node::Node;
use crate::slot::{Counters, Slot};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::Transport;
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
    /// Adverts that no instance here was meant by, by [`Discard::index`].
    pub strays: [u64; Discard::ALL.len()],
}

/// One instance at one moment.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // Named after the settings of the same name.
pub struct InstanceStatus {
    pub name: Arc<str>,
    pub interface: Arc<str>,
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
    pub interval: Interval,
    /// Learnt from the Active router (version 3), or our own.
    pub active_interval: Interval,
    pub preempt: bool,
    /// Where adverts are sent from.
    pub source: Option<IpAddr>,
    /// The Active router that is followed.
    pub leader: Option<Leader>,
    pub addresses: Vec<AddressStatus>,
    pub skew_time: Duration,
    pub down_interval: Duration,
    pub counters: Counters,
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
            instances: self.slots.values().map(|slot| instance(slot, now)).collect(),
            strays: self.strays.discards,
        }
    }
}

fn instance(slot: &Slot, now: Instant) -> InstanceStatus {
    let (configured, settings) = (&slot.instance, &slot.instance.settings);
    let addresses = slot.spots.iter().map(|spot| AddressStatus {
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
    });
    InstanceStatus {
        name: configured.name.clone(),
        interface: configured.interface.clone(),
        vrid: settings.vrid,
        family: settings.family,
        version: settings.version,
        unicast: matches!(configured.transport, Transport::Unicast { .. }),
        standing: slot.standing,
        since: now.since(slot.since),
        faults: slot.verdict.faults.clone(),
        base_priority: settings.priority,
        priority: slot.router.priority(),
        interval: settings.interval,
        active_interval: slot.router.active_interval(),
        preempt: settings.preempt,
        source: slot.verdict.place.map(|place| place.source),
        leader: slot.router.leader(),
        addresses: addresses.collect(),
        skew_time: slot.router.skew_time(),
        down_interval: slot.router.down_interval(),
        counters: slot.counters.clone(),
    }
}

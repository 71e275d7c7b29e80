//! What a node reports: one variant for each thing worth telling, with what a person needs to act on it.
//!
//! An event is data. Its words are in [`crate::compat`] (where keepalived's users grep for them) and its weight
//! is [`Event::level`]; logs, status and later metrics follow from this one list.

use crate::io::{Ending, Errno, Unfiltered, Unread};
use crate::mail::{Failure, Refused};
use crate::sessions::Reach;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use vrrp::{Discard, Leader, Why};
use wire::{Family, Interval, Priority, Version, Vrid};

/// Where an instance stands, as an administrator sees it: the role, with "cannot take part" told apart from
/// "not started".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Not started, or stopped.
    Initialize,
    /// Watching the Active router.
    Backup,
    /// Holding the addresses.
    Active,
    /// Cannot take part: see its faults.
    Fault,
}

/// How something that is tracked is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// Nothing is known yet.
    Waiting,
    /// As it should be.
    Well,
    /// Not as it should be.
    Failed,
    /// It cannot be found out.
    Unknown,
}

/// What a run of a script led to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finish {
    /// It ended, or could not be run.
    Ended(Ending),
    /// It took too long.
    TimedOut,
}

impl Finish {
    /// What it says: only a check that was carried out can fail. 126 and 127 are what a shell says when it could not.
    #[must_use]
    pub const fn health(&self) -> Health {
        match self {
            Self::Ended(Ending::Exited(0)) => Health::Well,
            Self::Ended(Ending::NotRun(_) | Ending::Exited(126 | 127)) => Health::Unknown,
            Self::Ended(Ending::Exited(_) | Ending::Signalled(_)) | Self::TimedOut => Health::Failed,
        }
    }
}

/// Why an instance cannot take part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The interface does not exist (yet).
    InterfaceMissing(Arc<str>),
    /// The interface is down.
    InterfaceDown(Arc<str>),
    /// The interface has no carrier.
    NoCarrier(Arc<str>),
    /// No address to send from: no IPv4 address, or no link-local IPv6 address that is usable.
    NoSourceAddress(Arc<str>, Family),
    /// The kernel refused every address of the instance.
    AddressRefused(Errno),
    /// Somebody removes an address again and again.
    AddressKeepsVanishing {
        /// The address.
        address: IpAddr,
        /// From this interface.
        interface: Arc<str>,
        /// Who removed it last, if that is known.
        by: Option<String>,
    },
    /// It was configured without addresses, so no advert of it could be sent (RX-11).
    NoAddresses,
    /// It was to speak to peers and has none (`unicast_fault_no_peer`).
    NoPeers,
    /// The kernel refused the sockets through which adverts of this family go and come.
    NoSocket(Family, Errno),
    /// The kernel refused to join the group of the adverts on the interface, so none would be heard.
    NotJoined(Arc<str>, Errno),
    /// The source address that was written is not here (`track_src_ip`).
    SourceMissing(IpAddr),
    /// It is here, but not where the instance speaks: in this VRF, or outside of all.
    SourceApart(IpAddr, Option<Arc<str>>),
    /// A script failed, or succeeded and counts in reverse; what its run led to, if it has run.
    Script(Arc<str>, Option<Finish>),
    /// There are more or fewer processes than wanted.
    Process(Arc<str>, u32),
    /// A file says a number that is a fault.
    File(Arc<str>, i32),
    /// A BFD session is down, or up and counts in reverse.
    Bfd(Arc<str>, bool),
    /// A member of its group cannot take part.
    Member {
        /// The group.
        group: Arc<str>,
        /// The member.
        member: Arc<str>,
    },
    /// The interface is up, and that counts as a failure (`reverse`).
    InterfaceUp(Arc<str>),
    /// The VRF device in which it speaks does not exist (yet).
    VrfMissing(Arc<str>),
    /// The VRF device in which it speaks is down: nothing passes through it.
    VrfDown(Arc<str>),
    /// What was named as the VRF device is another kind of interface.
    NotAVrf(Arc<str>),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InterfaceMissing(name) => write!(f, "interface {name} does not exist"),
            Self::InterfaceDown(name) => write!(f, "interface {name} is down"),
            Self::NoCarrier(name) => write!(f, "interface {name} has no carrier"),
            Self::NoSourceAddress(name, Family::V4) => {
                write!(f, "interface {name} has no IPv4 address to send from")
            }
            Self::NoSourceAddress(name, Family::V6) => {
                write!(f, "interface {name} has no usable link-local IPv6 address to send from")
            }
            Self::AddressRefused(errno) => write!(f, "address refused: {errno}"),
            Self::AddressKeepsVanishing { address, interface, by } => {
                write!(f, "{address} keeps being removed from {interface}")?;
                match by {
                    Some(by) => write!(f, " (last by {by})"),
                    None => Ok(()),
                }
            }
            Self::NoAddresses => f.write_str("no address is configured: an advert must list one"),
            Self::NoPeers => f.write_str("no unicast peer is configured (unicast_fault_no_peer)"),
            Self::NoSocket(family, errno) => write!(f, "no {family} sockets for adverts: {errno}"),
            Self::NotJoined(name, errno) => write!(f, "adverts on {name} cannot be heard: {errno}"),
            Self::SourceMissing(address) => write!(f, "the source address {address} is not here"),
            Self::SourceApart(address, Some(vrf)) => {
                write!(f, "the source address {address} is on no interface of VRF {vrf}")
            }
            Self::SourceApart(address, None) => {
                write!(f, "the source address {address} is on no interface outside VRFs")
            }
            Self::Script(name, Some(finish)) => write!(f, "script {name} {finish}"),
            Self::Script(name, None) => write!(f, "script {name} has not run yet (init_fail)"),
            Self::Process(name, 1) => write!(f, "1 process {name} runs"),
            Self::Process(name, count) => write!(f, "{count} processes {name} run"),
            Self::File(name, value) => write!(f, "file {name} says {value}"),
            Self::Bfd(name, false) => write!(f, "BFD session {name} is down"),
            Self::Bfd(name, true) => {
                write!(f, "BFD session {name} is up, which counts as a failure (reverse)")
            }
            Self::Member { group, member } => write!(f, "{member} of its group {group} cannot take part"),
            Self::InterfaceUp(name) => {
                write!(f, "interface {name} is up, which counts as a failure (reverse)")
            }
            Self::VrfMissing(name) => write!(f, "the VRF device {name} does not exist"),
            Self::VrfDown(name) => write!(f, "the VRF device {name} is down"),
            Self::NotAVrf(name) => write!(f, "interface {name} is no VRF device"),
        }
    }
}

impl fmt::Display for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("timed_out"),
            Self::Ended(Ending::Exited(0)) => f.write_str("succeeded"),
            Self::Ended(Ending::Exited(126)) => {
                f.write_str("could not run a command (exited with status 126)")
            }
            Self::Ended(Ending::Exited(127)) => {
                f.write_str("did not find a command (exited with status 127)")
            }
            Self::Ended(Ending::Exited(status)) => write!(f, "failed (exited with status {status})"),
            Self::Ended(Ending::Signalled(signal)) => write!(f, "failed (due to signal {signal})"),
            Self::Ended(Ending::NotRun(reason)) => write!(f, "cannot be run: {reason}"),
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("is missing or empty"),
            Self::Garbage => f.write_str("does not begin with a number of 32 bits"),
            Self::NotAFile(what) => write!(f, "is {what}, not a file"),
            Self::Refused(errno) => write!(f, "cannot be read ({errno})"),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            1 => "operation not permitted (needs CAP_NET_ADMIN)",
            12 => "out of memory",
            13 => "permission denied",
            17 => "it exists already",
            19 => "no such device",
            22 => "invalid argument",
            23 => "the machine has too many files open",
            24 => "too many files are open (LimitNOFILE)",
            28 => "no space: a limit of the kernel is reached",
            97 => "address family not supported (is IPv6 switched off?)",
            95 => "not supported (is IPv6 switched off on this interface?)",
            98 => "address in use by another program",
            99 => "address not available",
            100 => "network is down",
            101 => "network is unreachable",
            105 => "no buffer space",
            113 => "no route to host",
            other => return write!(f, "error {other}"),
        };
        f.write_str(text)
    }
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Ordinary life.
    Info,
    /// Look at it.
    Warning,
    /// Act on it.
    Alarm,
}

/// Adverts for an instance that were not believed since the last one that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disbelieved {
    /// How many.
    pub adverts: u32,
    /// Who sent the last one.
    pub source: IpAddr,
    /// Why the last one was not believed.
    pub why: Discard,
}

/// What an advert that was not believed says, and what we say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Theirs and ours.
pub enum Contrast {
    /// VRRP versions.
    Version { theirs: u8, ours: Version },
    /// Intervals; `None` is zero.
    Interval { theirs: Option<Interval>, ours: Interval },
    /// Authentication types of version 2.
    Authentication { theirs: u8, ours: u8 },
}

/// Why a program that is told of changes did not do so in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// It ended otherwise than well.
    Ended {
        /// How.
        how: Ending,
        /// So many like it were not told.
        suppressed: u32,
    },
    /// It takes too long and is waited for no longer.
    Slow {
        /// So many more are to be run for the same instance or group.
        waiting: usize,
    },
    /// So many were not run at all.
    Lost {
        /// How many.
        count: u32,
    },
}

/// What is wrong with mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmailed {
    /// Nobody got it.
    Failed {
        /// Its subject.
        title: Arc<str>,
        /// Why.
        failure: Failure,
        /// So many like it were not told.
        suppressed: u32,
    },
    /// Somebody did not get it.
    Refused {
        /// Its subject.
        title: Arc<str>,
        /// Who, and why.
        refused: Refused,
        /// So many like it were not told.
        suppressed: u32,
    },
    /// So many were not sent: too many wait already.
    Lost {
        /// How many.
        count: u64,
    },
    /// So many were not sent when the daemon ended.
    Left {
        /// How many.
        count: u64,
    },
}

/// What became of a static address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaticNews {
    /// Somebody removed it. It is set again now or after `wait`; `None`: it is not watched (`no_track`).
    Lost {
        /// The process, if it could be found.
        by: Option<String>,
        /// How long until it is set again.
        wait: Option<Duration>,
    },
    /// It was there before us; it will be left there.
    Adopted,
    /// The kernel refused it; it is tried again each time that so long has passed.
    Refused {
        /// Why.
        errno: Errno,
        /// Until the next try.
        wait: Duration,
    },
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Fields are named for what they are; the variants say the rest.
pub enum Event {
    /// An instance stands elsewhere now.
    Moved {
        instance: Arc<str>,
        from: Standing,
        to: Standing,
        why: Why,
        faults: Vec<Fault>,
        /// Silence was concluded though these came.
        disbelieved: Option<Disbelieved>,
    },
    /// More or fewer faults, still unable to take part.
    Faults { instance: Arc<str>, faults: Vec<Fault> },
    /// The effective priority changed.
    PriorityChanged { instance: Arc<str>, from: Priority, to: Priority },
    /// A Backup follows another Active router.
    NewLeader { instance: Arc<str>, leader: Leader },
    /// Active, and another router advertises with less; `stays`: it still does though it must have heard us.
    Rival { instance: Arc<str>, rival: Leader, stays: bool, suppressed: u32 },
    /// Two routers say that they own the address.
    SecondOwner { instance: Arc<str>, source: IpAddr },
    /// Preemption is held back.
    PreemptHold { instance: Arc<str>, wait: Duration },
    /// Silence was not counted.
    SilenceExcused { instance: Arc<str> },
    /// Active, and this process stood still for so long that a backup has probably taken over meanwhile.
    StoodStill { instance: Arc<str>, time: Duration },
    /// The wall clock was set by so many milliseconds; signed adverts do not follow it yet.
    ClockSet { millis: i64 },
    /// Signed adverts go by the wall clock as it is now, because those of this router say another time than before.
    ClockFollowed { source: IpAddr },
    /// An advert was not believed.
    Discarded {
        instance: Option<Arc<str>>,
        interface: Arc<str>,
        vrid: Option<Vrid>,
        source: IpAddr,
        why: Discard,
        contrast: Option<Contrast>,
        suppressed: u32,
    },
    /// An advert lists other addresses than we do: those that only it lists, and those that only we do.
    AddressListDiffers { instance: Arc<str>, source: IpAddr, theirs: Vec<IpAddr>, ours: Vec<IpAddr> },
    /// An advert has another interval than ours (version 3: it is followed).
    IntervalDiffers { instance: Arc<str>, source: IpAddr, theirs: Interval, ours: Interval },
    /// Somebody removed one of our addresses while Active; it is set again now or after `wait`.
    AddressLost {
        instance: Arc<str>,
        address: IpAddr,
        interface: Arc<str>,
        by: Option<String>,
        wait: Duration,
    },
    /// An address was there before us; it will be left there.
    AddressAdopted { instance: Arc<str>, address: IpAddr, interface: Arc<str> },
    /// An address that an earlier run left is taken away.
    LeftoverRemoved { address: IpAddr, interface: Arc<str> },
    /// The kernel refused an address; it is tried again after `wait`.
    AddressRefused { instance: Arc<str>, address: IpAddr, interface: Arc<str>, errno: Errno, wait: Duration },
    /// The kernel refused to remove an address that is not to be here any more: two hosts may answer for it.
    AddressStays { address: IpAddr, interface: Arc<str>, errno: Errno },
    /// A virtual address that we did not set is here though the instance is Backup: two hosts may answer for it.
    AddressWhileBackup { instance: Arc<str>, address: IpAddr, prefix: u8, interface: Arc<str> },
    /// What became of a static address.
    Static { address: IpAddr, interface: Arc<str>, news: StaticNews },
    /// Addresses that do not accept are filtered now, by this table.
    FilterInForce { table: Arc<str> },
    /// They are not: they accept meanwhile.
    FilterLacking { table: Arc<str>, why: Unfiltered },
    /// The table is of no use any more and cannot be removed: addresses may not accept that should.
    FilterStays { table: Arc<str>, errno: Errno },
    /// Somebody changed or removed the table, so many times since the last such event; it was put back.
    FilterRepaired { table: Arc<str>, by: Option<String>, times: u64 },
    /// All addresses of an Active instance are in place.
    Holding { instance: Arc<str>, addresses: usize },
    /// Adverts could not be sent.
    Unsent { instance: Arc<str>, errno: Errno, suppressed: u32 },
    /// The health of a script is another, or known for the first time.
    Script { script: Arc<str>, health: Health, finish: Finish },
    /// A script ended with another status than before; whether that counts is told apart.
    ScriptReturns { script: Arc<str>, status: u8 },
    /// The health of a tracked process is another.
    Process { process: Arc<str>, health: Health, count: Result<u32, Errno> },
    /// A tracked file says another number, or none.
    File { file: Arc<str>, value: i32, unread: Option<Unread> },
    /// The neighbour of a BFD session is otherwise than before, or known for the first time.
    Bfd { session: Arc<str>, reach: Reach },
    /// An instance tracks a session that went up or down.
    TrackedBfd { instance: Arc<str>, session: Arc<str>, is_up: bool },
    /// A datagram of a session's neighbour was not believed.
    BfdDiscarded { session: Arc<str>, source: IpAddr, why: crate::sessions::Discard, suppressed: u32 },
    /// A packet of a session could not be sent.
    BfdUnsent { session: Arc<str>, errno: Errno, suppressed: u32 },
    /// The members of a group stand elsewhere now, all of them.
    GroupMoved { group: Arc<str>, from: Standing, to: Standing },
    /// A program that is told of changes (or, if some were not run, the instance or group).
    Unheard { script: Arc<str>, why: Unheard },
    /// A mail that was not delivered, or not to all.
    Unmailed(Unmailed),
    /// A configuration is in force.
    Configured { instances: usize, added: usize, removed: usize, altered: usize },
}

impl Event {
    /// How much it matters.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Moved { to: Standing::Fault, .. }
            | Self::Moved { disbelieved: Some(_), .. }
            | Self::SecondOwner { .. }
            | Self::Rival { stays: true, .. }
            | Self::Unsent { .. }
            | Self::AddressWhileBackup { .. }
            | Self::AddressRefused { .. }
            | Self::Static { news: StaticNews::Refused { .. }, .. }
            | Self::AddressStays { .. }
            | Self::FilterLacking { .. }
            | Self::FilterStays { .. }
            | Self::Script { health: Health::Unknown, .. }
            | Self::Process { health: Health::Unknown, .. }
            | Self::Bfd { reach: Reach::Unheard(_), .. }
            | Self::Unheard {
                why: Unheard::Lost { .. } | Unheard::Ended { how: Ending::NotRun(_), .. },
                ..
            } => Level::Alarm,
            Self::Faults { .. }
            | Self::Rival { .. }
            | Self::SilenceExcused { .. }
            | Self::StoodStill { .. }
            | Self::ClockSet { .. }
            | Self::ClockFollowed { .. }
            | Self::Discarded { .. }
            | Self::AddressListDiffers { .. }
            | Self::IntervalDiffers { .. }
            | Self::AddressLost { .. }
            | Self::Static { news: StaticNews::Lost { .. }, .. }
            | Self::FilterRepaired { .. }
            | Self::LeftoverRemoved { .. }
            | Self::Script { health: Health::Failed, .. }
            | Self::Unheard { .. }
            | Self::Unmailed(_)
            | Self::Process { health: Health::Failed, .. }
            | Self::Bfd { reach: Reach::Down { .. } | Reach::NeverUp(_), .. }
            | Self::TrackedBfd { is_up: false, .. }
            | Self::BfdDiscarded { .. }
            | Self::BfdUnsent { .. }
            | Self::File {
                unread: Some(Unread::Garbage | Unread::NotAFile(_) | Unread::Refused(_)), ..
            } => Level::Warning,
            Self::Moved { .. }
            | Self::PriorityChanged { .. }
            | Self::NewLeader { .. }
            | Self::PreemptHold { .. }
            | Self::AddressAdopted { .. }
            | Self::Static { news: StaticNews::Adopted, .. }
            | Self::FilterInForce { .. }
            | Self::Holding { .. }
            | Self::Script { .. }
            | Self::ScriptReturns { .. }
            | Self::Process { .. }
            | Self::File { .. }
            | Self::Bfd { .. }
            | Self::TrackedBfd { .. }
            | Self::GroupMoved { .. }
            | Self::Configured { .. } => Level::Info,
        }
    }
}

//! keepalived's words, in one place: the lines that scripts grep for, the state names that scripts are given,
//! the statistics file that monitoring reads. Nothing outside this file says MASTER.

use crate::event::{Event, Fault, Standing};
use crate::status::{AddressState, InstanceStatus, Status};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::time::Duration;
use vrrp::{Discard, Leader, Why};
use wire::Priority;

/// The word that notify scripts, FIFO lines and logs use for a standing.
#[must_use]
pub const fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Initialize => "INIT",
        Standing::Backup => "BACKUP",
        Standing::Active => "MASTER",
        Standing::Fault => "FAULT",
    }
}

/// An event as log lines: first keepalived's own line where there is one, then what keepalived does not say.
#[must_use]
pub fn log_lines(event: &Event) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |text: fmt::Arguments<'_>| lines.push(alloc::format!("{text}"));
    match event {
        Event::Moved { instance, from, to, why, faults } => {
            if matches!(why, Why::NoResponse) && *to == Standing::Active {
                say(format_args!("({instance}) Receive advertisement timeout"));
            }
            match (from, to) {
                (_, Standing::Initialize) => say(format_args!("({instance}) Entering STOP STATE")),
                (Standing::Initialize, Standing::Backup) => {
                    say(format_args!("({instance}) Entering BACKUP STATE (init)"));
                }
                (_, to) => say(format_args!("({instance}) Entering {} STATE", word(*to))),
            }
            if let Some(reason) = reason(why, faults) {
                say(format_args!("({instance}) because {reason}"));
            }
        }
        Event::Faults { .. }
        | Event::PriorityChanged { .. }
        | Event::NewLeader { .. }
        | Event::Rival { .. }
        | Event::SecondOwner { .. }
        | Event::PreemptHold { .. }
        | Event::SilenceExcused { .. }
        | Event::Discarded { .. }
        | Event::AddressListDiffers { .. }
        | Event::IntervalDiffers { .. }
        | Event::AddressLost { .. }
        | Event::AddressAdopted { .. }
        | Event::LeftoverRemoved { .. }
        | Event::AddressRefused { .. }
        | Event::AddressStays { .. }
        | Event::Holding { .. }
        | Event::Unsent { .. }
        | Event::Configured { .. } => say(format_args!("{}", Words(event))),
    }
    lines
}

fn reason(why: &Why, faults: &[Fault]) -> Option<String> {
    Some(match why {
        Why::Started | Why::Stopped => return None,
        Why::Owner => "its priority is 255: it owns the address".into(),
        Why::NoResponse => "no advert came from an active router in time".into(),
        Why::LeaderLeft(source) => alloc::format!("{source} resigned (priority 0)"),
        Why::Preempting(Leader { source, priority }) => {
            alloc::format!("{source} is active with the lower priority {priority}")
        }
        Why::HigherPriority(Leader { source, priority }) => {
            alloc::format!("{source} advertises the higher priority {priority}")
        }
        Why::HigherAddress(Leader { source, priority }) => {
            alloc::format!("{source} advertises the same priority {priority} and has the higher address")
        }
        Why::Fault => alloc::format!("{}", List(faults)),
    })
}

/// Faults, joined.
struct List<'a>(&'a [Fault]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// The words of events that keepalived has no line for, or words differently in each version.
struct Words<'a>(&'a Event);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Moved { .. } => Ok(()),
            Event::Faults { instance, faults } if faults.is_empty() => {
                write!(f, "({instance}) no fault left")
            }
            Event::Faults { instance, faults } => write!(f, "({instance}) still in FAULT: {}", List(faults)),
            Event::PriorityChanged { instance, from, to } => {
                write!(f, "({instance}) Changing effective priority from {from} to {to}")
            }
            Event::NewLeader { instance, leader } => {
                write!(f, "({instance}) follows {} (priority {})", leader.source, leader.priority)
            }
            Event::Rival { instance, rival, suppressed } => {
                let Leader { source, priority } = rival;
                write!(f, "({instance}) Received advert from {source} with lower priority {priority}: ")?;
                write!(f, "it has not heard us (yet); answered{}", More(*suppressed))
            }
            Event::SecondOwner { instance, source } => {
                write!(f, "({instance}) CONFIGURATION ERROR: {source} also has priority 255. ")?;
                f.write_str(
                    "Only the router whose own address is the virtual one may: give the other less than 255",
                )
            }
            Event::PreemptHold { instance, wait } => {
                write!(
                    f,
                    "({instance}) a lower priority is active; preempting in {} (preempt_delay)",
                    Secs(*wait)
                )
            }
            Event::SilenceExcused { instance } => {
                write!(
                    f,
                    "({instance}) this process was late or adverts were lost: waiting one more interval"
                )
            }
            Event::Discarded { instance, interface, vrid, source, why, suppressed } => {
                match instance {
                    Some(instance) => write!(f, "({instance}) ")?,
                    None => write!(f, "{interface}: ")?,
                }
                write!(f, "ignored an advert from {source}")?;
                if let (None, Some(vrid)) = (instance, vrid) {
                    write!(f, " for VRID {vrid}")?;
                }
                write!(f, ": {why}{}", More(*suppressed))
            }
            Event::AddressListDiffers { instance, source } => {
                write!(f, "({instance}) {source} advertises another list of addresses than ours: ")?;
                f.write_str("compare virtual_ipaddress on both nodes")
            }
            Event::IntervalDiffers { instance, source } => {
                write!(
                    f,
                    "({instance}) {source} advertises at another interval (advert_int) than ours; following it"
                )
            }
            Event::AddressLost { instance, address, interface, by, wait } => {
                write!(f, "({instance}) {address} was removed from {interface}")?;
                if let Some(by) = by {
                    write!(f, " by {by}")?;
                }
                if wait.is_zero() {
                    f.write_str("; setting it again at once")
                } else {
                    write!(
                        f,
                        " again and again; setting it again in {}. Find out who removes it",
                        Secs(*wait)
                    )
                }
            }
            Event::AddressAdopted { instance, address, interface } => {
                write!(f, "({instance}) {address} was on {interface} already; it will be left there")
            }
            Event::LeftoverRemoved { address, interface } => {
                write!(f, "removed {address} from {interface}: an earlier run had left it")
            }
            Event::AddressRefused { instance, address, interface, errno, wait } => {
                write!(
                    f,
                    "({instance}) cannot set {address} on {interface}: {errno}; next try in {}",
                    Secs(*wait)
                )
            }
            Event::AddressStays { address, interface, errno } => {
                write!(f, "cannot remove {address} from {interface}: {errno}; another host may hold it too")
            }
            Event::Holding { instance, addresses } => {
                write!(
                    f,
                    "({instance}) {addresses} address{} in place",
                    if *addresses == 1 { "" } else { "es" }
                )
            }
            Event::Unsent { instance, errno, suppressed } => {
                write!(f, "({instance}) could not send an advert: {errno}{}", More(*suppressed))
            }
            Event::Configured { instances, added, removed, altered } => {
                write!(f, "configuration in force: {instances} instances ")?;
                write!(f, "({added} new, {removed} removed, {altered} changed)")
            }
        }
    }
}

/// How many like it were not told.
struct More(u32);

impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, " ({} more like it since)", self.0) }
    }
}

/// A duration in seconds.
struct Secs(Duration);

impl fmt::Display for Secs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis.is_multiple_of(1000) { write!(f, "{} s", millis / 1000) } else { write!(f, "{millis} ms") }
    }
}

/// The statistics file that keepalived writes at SIGUSR2 (`keepalived.stats`).
#[must_use]
pub fn statistics(status: &Status) -> String {
    let mut out = String::new();
    for instance in &status.instances {
        // Writing to a String cannot fail.
        let _ = write_statistics(&mut out, instance);
    }
    out
}

fn write_statistics(out: &mut String, instance: &InstanceStatus) -> fmt::Result {
    let c = &instance.counters;
    let n = |why| c.discarded(why);
    writeln!(out, "VRRP Instance: {}", instance.name)?;
    writeln!(out, "  Advertisements:\n    Received: {}\n    Sent: {}", c.received, c.sent)?;
    writeln!(out, "  Became master: {}\n  Released master: {}", c.became_active, c.released_active)?;
    writeln!(out, "  Packet Errors:")?;
    writeln!(out, "    Length: {}\n    TTL: {}", n(Discard::Truncated), n(Discard::HopLimit))?;
    writeln!(out, "    Invalid Type: {}", n(Discard::Type))?;
    let intervals = n(Discard::Interval) + n(Discard::IntervalZero);
    writeln!(out, "    Advertisement Interval: {intervals}")?;
    writeln!(out, "    Address List: {}", c.address_list_differs + n(Discard::AddressList))?;
    writeln!(out, "  Authentication Errors:")?;
    writeln!(out, "    Invalid Type: {}", n(Discard::AuthenticationUnknown))?;
    writeln!(out, "    Type Mismatch: {}", n(Discard::AuthenticationType))?;
    writeln!(out, "    Failure: {}", n(Discard::AuthenticationFailed) + n(Discard::Replay))?;
    writeln!(out, "  Priority Zero:")?;
    writeln!(out, "    Received: {}\n    Sent: {}", c.priority_zero_received, c.priority_zero_sent)
}

/// The state of the daemon as text (SIGUSR1, `keepalived.data`). Secrets are not in it.
#[must_use]
pub fn data(status: &Status) -> String {
    let mut out = String::new();
    for instance in &status.instances {
        let _ = write_data(&mut out, instance);
    }
    out
}

fn write_data(out: &mut String, i: &InstanceStatus) -> fmt::Result {
    writeln!(out, " VRRP Instance = {}", i.name)?;
    writeln!(out, "   VRRP Version = {}", i.version)?;
    writeln!(out, "   State = {}", word(i.standing))?;
    if !i.faults.is_empty() {
        writeln!(out, "   Faults = {}", List(&i.faults))?;
    }
    writeln!(out, "   Last transition = {} ago", Secs(Duration::from_secs(i.since.as_secs())))?;
    writeln!(out, "   Interface = {}", i.interface)?;
    writeln!(out, "   Virtual Router ID = {}", i.vrid)?;
    writeln!(out, "   Priority = {}\n   Effective priority = {}", i.base_priority, i.priority)?;
    writeln!(out, "   Advert interval = {}", i.interval)?;
    writeln!(out, "   Preempt = {}", if i.preempt { "enabled" } else { "disabled" })?;
    match i.leader {
        Some(Leader { source, priority }) if priority != Priority::LEAVING => {
            writeln!(out, "   Master router = {source}\n   Master priority = {priority}")?;
        }
        Some(_) | None => {}
    }
    writeln!(out, "   Virtual IP = {}", i.addresses.len())?;
    for address in &i.addresses {
        let state = match address.state {
            AddressState::Absent => "",
            AddressState::Adding => " (being set)",
            AddressState::Held => " set",
            AddressState::Foreign => " set, not by us",
            AddressState::Removing => " (being removed)",
            AddressState::Refused(_) => " refused",
        };
        writeln!(out, "     {}/{} dev {}{state}", address.address, address.prefix, address.device)?;
    }
    Ok(())
}

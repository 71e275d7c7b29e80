//! keepalived's words, in one place: the lines that scripts grep for, the state names that scripts are given,
//! the statistics and JSON that monitoring reads. Nothing outside of it says MASTER.

mod fixed;
mod json;

pub use json::json;

use crate::event::{Contrast, Disbelieved, Event, Fault, Finish, Health, Standing, Unheard, Unmailed};
use crate::io::{Ending, Errno, FilterState, Unfiltered, Unread};
use crate::mail::clean;
use crate::notify::Subject;
use crate::sessions::Reach;
use crate::status::{FilterStatus, InstanceStatus, MailStatus, SessionStatus, Status};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::net::IpAddr;
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

/// What notify scripts and FIFO lines say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Active.
    Active,
    /// Backup.
    Backup,
    /// It cannot take part.
    Fault,
    /// The daemon ends.
    Stop,
    /// A reload removed it.
    Deleted,
    /// An advert of a lower priority was heard. FIFOs only.
    LowerAdvert,
    /// Another priority while Active. FIFOs only.
    ActivePriority,
    /// Another priority while not Active. FIFOs only.
    BackupPriority,
}

impl Word {
    /// The word for a standing. One that has not begun is never told.
    #[must_use]
    pub const fn of(standing: Standing) -> Self {
        match standing {
            Standing::Active => Self::Active,
            Standing::Backup => Self::Backup,
            Standing::Fault => Self::Fault,
            Standing::Initialize => Self::Stop,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Active => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
            Self::LowerAdvert => "MASTER_RX_LOWER_PRI",
            Self::ActivePriority => "MASTER_PRIORITY",
            Self::BackupPriority => "BACKUP_PRIORITY",
        }
    }
}

/// The four arguments that `notify` adds to those of the configuration. A group's priority is always 0.
#[must_use]
pub fn notify_arguments(subject: &Subject, word: Word, priority: Priority) -> [String; 4] {
    let kind = kind(subject);
    [kind.into(), String::from(&**subject.name()), word.text().into(), alloc::format!("{priority}")]
}

/// The line of a FIFO.
#[must_use]
pub fn fifo_line(subject: &Subject, word: Word, priority: Priority) -> String {
    let (kind, name, word) = (kind(subject), subject.name(), word.text());
    alloc::format!("{kind} \"{name}\" {word} {priority}\n")
}

/// Who says that it sends the mail.
pub const MAILER: &str = "Keepalived";

/// The subject of a mail. Only words of states are mailed.
#[must_use]
pub fn mail_title(router_id: &str, subject: &Subject, word: Word) -> String {
    let (kind, name) = (mail_kind(subject), subject.name());
    let title = match word {
        Word::Stop => alloc::format!("[{router_id}] VRRP {kind} {name} - Stopping"),
        Word::Deleted => alloc::format!("[{router_id}] VRRP {kind} {name} - Deleted"),
        Word::Active
        | Word::Backup
        | Word::Fault
        | Word::LowerAdvert
        | Word::ActivePriority
        | Word::BackupPriority => {
            alloc::format!("[{router_id}] VRRP {kind} {name} - Entering {} state", word.text())
        }
    };
    clean(&title)
}

/// The text of a mail.
#[must_use]
pub const fn mail_body(subject: &Subject, word: Word) -> &'static str {
    match (subject, word) {
        (_, Word::Deleted) => "=> VRRP Deleted at reload <=",
        (Subject::Instance(_), Word::Active) => "=> VRRP Instance is now owning VRRP VIPs <=",
        (Subject::Instance(_), Word::Stop) => "=> VRRP Instance stopping <=",
        (Subject::Instance(_), _) => "=> VRRP Instance is no longer owning VRRP VIPs <=",
        (Subject::Group(_), Word::Active) => "=> All VRRP group instances are now in MASTER state <=",
        (Subject::Group(_), Word::Backup) => "=> All VRRP group instances are now in BACKUP state <=",
        (Subject::Group(_), Word::Stop) => "=> All VRRP group instances are now stopping <=",
        (Subject::Group(_), _) => "=> All VRRP group instances are now in FAULT state <=",
    }
}

const fn mail_kind(subject: &Subject) -> &'static str {
    match subject {
        Subject::Instance(_) => "Instance",
        Subject::Group(_) => "Group",
    }
}

const fn kind(subject: &Subject) -> &'static str {
    match subject {
        Subject::Instance(_) => "INSTANCE",
        Subject::Group(_) => "GROUP",
    }
}

/// An event as log lines: first keepalived's own line where there is one, then what keepalived does not say.
#[must_use]
pub fn log_lines(event: &Event) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |text: fmt::Arguments<'_>| lines.push(alloc::format!("{text}"));
    match event {
        Event::Moved { instance, from, to, why, faults, disbelieved } => {
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
            if let Some(reason) = reason(*from, why, faults, *disbelieved) {
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
        | Event::StoodStill { .. }
        | Event::ClockSet { .. }
        | Event::ClockFollowed { .. }
        | Event::Discarded { .. }
        | Event::AddressListDiffers { .. }
        | Event::IntervalDiffers { .. }
        | Event::AddressLost { .. }
        | Event::AddressAdopted { .. }
        | Event::LeftoverRemoved { .. }
        | Event::AddressRefused { .. }
        | Event::AddressStays { .. }
        | Event::AddressWhileBackup { .. }
        | Event::Static { .. }
        | Event::FilterInForce { .. }
        | Event::FilterLacking { .. }
        | Event::FilterStays { .. }
        | Event::FilterRepaired { .. }
        | Event::Holding { .. }
        | Event::Unsent { .. }
        | Event::Script { .. }
        | Event::ScriptReturns { .. }
        | Event::Process { .. }
        | Event::File { .. }
        | Event::Bfd { .. }
        | Event::TrackedBfd { .. }
        | Event::BfdDiscarded { .. }
        | Event::BfdUnsent { .. }
        | Event::GroupMoved { .. }
        | Event::Unheard { .. }
        | Event::Unmailed(_)
        | Event::Configured { .. } => say(format_args!("{}", Words(event))),
    }
    lines
}

/// Why an instance moved, in the words of the log; `None` when there is nothing to say.
#[must_use]
pub fn reason(
    from: Standing,
    why: &Why,
    faults: &[Fault],
    disbelieved: Option<Disbelieved>,
) -> Option<String> {
    Some(match why {
        Why::Started if from == Standing::Fault => "no fault is left".into(),
        Why::Started | Why::Stopped => return None,
        Why::Owner => "its priority is 255: it owns the address".into(),
        Why::NoResponse if let Some(Disbelieved { adverts, source, why }) = disbelieved => {
            let (noun, was) = if adverts == 1 { ("advert", "was") } else { ("adverts", "were") };
            alloc::format!("{adverts} {noun} of {source} {was} not believed (the last: {why})")
        }
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
        Why::Resumed => "it goes on where the worker before it left off".into(),
        Why::Group => "its group moves as one".into(),
        Why::TooLate => {
            "this process stood still for so long that a peer must have taken over (timer_expired_backup)"
                .into()
        }
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
            Event::Rival { instance, rival: Leader { source, priority }, stays: true, suppressed } => {
                write!(
                    f,
                    "({instance}) {source} still advertises (priority {priority}) and does not hear us: "
                )?;
                f.write_str(
                    "two machines hold the address; does a firewall or a one-way link keep our adverts ",
                )?;
                write!(f, "from it?{}", More(*suppressed))
            }
            Event::Rival { instance, rival: Leader { source, priority }, stays: false, suppressed } => {
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
            Event::StoodStill { instance, time } => {
                let tenths = time.as_millis() / 100;
                write!(f, "({instance}) this process stood still for {}.{} s; ", tenths / 10, tenths % 10)?;
                f.write_str("another router may have been active meanwhile")
            }
            Event::ClockSet { millis } => {
                let way = if *millis < 0 { "back" } else { "forward" };
                let tenths = millis.unsigned_abs() / 100;
                write!(f, "the wall clock was put {way} by {}.{} s; ", tenths / 10, tenths % 10)?;
                f.write_str(
                    "signed adverts go on as if it had not, until those of another router show a new time",
                )
            }
            Event::ClockFollowed { source } => {
                write!(
                    f,
                    "signed adverts go by the wall clock as it is now: those of {source} show a new time"
                )
            }
            Event::Discarded { instance, interface, vrid, source, why, contrast, suppressed } => {
                match instance {
                    Some(instance) => write!(f, "({instance}) ")?,
                    None => write!(f, "{interface}: ")?,
                }
                write!(f, "ignored an advert from {source}")?;
                if let (None, Some(vrid)) = (instance, vrid) {
                    write!(f, " for VRID {vrid}")?;
                }
                write!(f, ": {why}")?;
                if let Some(contrast) = contrast {
                    write!(f, " ({contrast})")?;
                }
                write!(f, "{}", More(*suppressed))
            }
            Event::AddressListDiffers { instance, source, theirs, ours } => {
                write!(f, "({instance}) {source} advertises another list of addresses than ours: ")?;
                if !theirs.is_empty() {
                    write!(f, "it adds {}; ", Few(theirs))?;
                }
                if !ours.is_empty() {
                    write!(f, "it lacks {}; ", Few(ours))?;
                }
                f.write_str("compare virtual_ipaddress on both nodes")
            }
            Event::IntervalDiffers { instance, source, theirs, ours } => {
                write!(f, "({instance}) {source} advertises at another interval (advert_int) than ours: ")?;
                write!(f, "every {theirs}, ours {ours}; following it")
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
                        " again and again: leaving it to others for {}. Find out who removes it",
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
            Event::AddressWhileBackup { instance, address, prefix, interface } => {
                write!(f, "({instance}) {address} is on {interface} although this router is Backup: ")?;
                write!(
                    f,
                    "two machines may answer; remove it: ip addr del {address}/{prefix} dev {interface}"
                )
            }
            Event::Static { address, interface, news } => fixed::write_news(f, *address, interface, news),
            Event::FilterInForce { table } => {
                write!(f, "table inet {table} drops what hosts send to addresses that do not accept")
            }
            Event::FilterLacking { table, why } => {
                f.write_str("addresses accept though they must not (no_accept, strict_mode): ")?;
                write_unfiltered(f, table, *why)
            }
            Event::FilterStays { table, errno } => write!(
                f,
                "cannot remove table inet {table}: {errno}; addresses in it do not accept; nft delete table inet {table}"
            ),
            Event::FilterRepaired { table, by, times } => {
                write!(f, "table inet {table} was changed or removed")?;
                by.as_ref().map_or(Ok(()), |by| write!(f, " by {by}"))?;
                f.write_str(" and is put back")?;
                if *times > 1 { write!(f, " ({times} times since the last such line)") } else { Ok(()) }
            }
            Event::Holding { instance, addresses } => {
                write!(
                    f,
                    "({instance}) {addresses} address{} in place",
                    if *addresses == 1 { "" } else { "es" }
                )
            }
            // EPERM here is not about privileges: those were needed to open the socket.
            Event::Unsent { instance, errno: Errno(1), suppressed } => {
                write!(f, "({instance}) could not send an advert: the firewall of this machine drops our ")?;
                write!(f, "adverts (output, protocol 112){}", More(*suppressed))
            }
            Event::Unsent { instance, errno, suppressed } => {
                write!(f, "({instance}) could not send an advert: {errno}{}", More(*suppressed))
            }
            Event::Script { script, health: Health::Unknown, finish } => {
                write!(f, "VRRP_Script({script}) {finish}: nobody knows whether its service is well, so ")?;
                f.write_str("who tracks it has priority 1 until that is mended")
            }
            Event::Script { script, finish, .. } => write!(f, "VRRP_Script({script}) {finish}"),
            Event::ScriptReturns { script, status } => write!(f, "Script `{script}` now returning {status}"),
            Event::Process { process, count: Err(errno), .. } => {
                write!(f, "processes {process} cannot be watched: {errno}; who tracks them has priority 1")
            }
            Event::Process { process, health, count: Ok(count) } => {
                let word = if *health == Health::Well { "gained" } else { "lost" };
                write!(f, "Quorum {word} for tracked process {process} ({count} running)")
            }
            Event::File { file, value, unread: None } => write!(f, "tracked file {file} says {value}"),
            Event::File { file, unread: Some(why @ Unread::Absent), .. } => {
                write!(f, "tracked file {file} {why}: it counts as 0")
            }
            Event::File { file, value, unread: Some(why) } => {
                write!(f, "tracked file {file} {why}: {value} stays")
            }
            Event::Bfd { session, reach: Reach::Up } => write!(f, "({session}) Entering Up state"),
            Event::Bfd { session, reach: Reach::Down { ours, theirs, on_purpose } } => {
                write!(f, "({session}) Entering Down state (Local diagnostic - {ours}, ")?;
                write!(f, "Remote diagnostic - {theirs})")?;
                f.write_str(if *on_purpose { ": its administrator took it down" } else { "" })
            }
            Event::Bfd { session, reach: Reach::NeverUp(time) } => {
                write!(f, "({session}) has not come up within {}: it counts as down", Secs(*time))
            }
            Event::Bfd { session, reach: Reach::Unheard(errno) } => {
                write!(
                    f,
                    "({session}) cannot be heard ({errno}): who tracks it has priority 1 until that is "
                )?;
                f.write_str("mended")
            }
            Event::TrackedBfd { instance, session, is_up } => {
                let word = if *is_up { "UP" } else { "DOWN" };
                write!(f, "VRRP_Instance({instance}) Tracked BFD instance {session} is {word}")
            }
            Event::BfdDiscarded { session, source, why, suppressed } => {
                write!(f, "({session}) a packet from {source} is not believed: {why}{}", More(*suppressed))
            }
            // As with adverts: the firewall's answer.
            Event::BfdUnsent { session, errno: Errno(1), suppressed } => {
                write!(
                    f,
                    "({session}) Error sending packet: the firewall of this machine drops it (output, "
                )?;
                write!(f, "UDP port 3784 or 4784){}", More(*suppressed))
            }
            Event::BfdUnsent { session, errno, suppressed } => {
                write!(f, "({session}) Error sending packet: {errno}{}", More(*suppressed))
            }
            Event::GroupMoved { group, to: Standing::Initialize, .. } => {
                write!(f, "VRRP_Group({group}) Syncing instances to STOP state")
            }
            Event::GroupMoved { group, to, .. } => {
                write!(f, "VRRP_Group({group}) Syncing instances to {} state", word(*to))
            }
            Event::Unheard { script, why: Unheard::Ended { how: Ending::NotRun(reason), suppressed } } => {
                write!(f, "script {script} cannot be run: {reason}{}", More(*suppressed))
            }
            Event::Unheard { script, why: Unheard::Ended { how, suppressed } } => {
                write!(f, "script {script} {}{}", Finish::Ended(how.clone()), More(*suppressed))
            }
            Event::Unheard { script, why: Unheard::Slow { waiting } } => {
                write!(f, "script {script} takes too long: it is not waited for any longer")?;
                if *waiting > 0 { write!(f, " ({waiting} more to be run)") } else { Ok(()) }
            }
            Event::Unheard { script, why: Unheard::Lost { count } } => {
                write!(f, "({script}) {count} notify scripts were not run: those before them take too long")
            }
            Event::Unmailed(why) => write!(f, "{why}"),
            Event::Configured { instances, added, removed, altered } => {
                let s = if *instances == 1 { "" } else { "s" };
                write!(f, "configuration in force: {instances} instance{s} ")?;
                write!(f, "({added} new, {removed} removed, {altered} changed)")
            }
        }
    }
}

/// Why there is no filter, and what to do.
fn write_unfiltered(f: &mut impl fmt::Write, table: &str, why: Unfiltered) -> fmt::Result {
    match why {
        Unfiltered::Absent(errno) => write!(
            f,
            "the kernel has no nftables ({errno}); load nf_tables (modprobe nf_tables), or write `accept`"
        ),
        Unfiltered::Taken => write!(
            f,
            "table inet {table} is there and not ours; name another one with `nftables NAME`, or remove it: \
             nft delete table inet {table}"
        ),
        // EPERM here is not about privileges: those were needed before.
        Unfiltered::Refused(Errno(1)) => write!(
            f,
            "another program owns table inet {table}, or nftables may not be changed here; see: nft list tables"
        ),
        Unfiltered::Refused(errno) => {
            write!(
                f,
                "the kernel refused the rules of table inet {table} ({errno}); see: nft list table inet {table}"
            )
        }
    }
}

impl fmt::Display for Unmailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |count: u64| if count == 1 { " was" } else { "s were" };
        match self {
            Self::Failed { title, failure, suppressed } => {
                write!(f, "mail \"{title}\" was not delivered: {failure}{}", More(*suppressed))
            }
            Self::Refused { title, refused, suppressed } => {
                let (recipient, trouble) = (clean(&refused.recipient), &refused.trouble);
                write!(f, "mail \"{title}\" does not reach {recipient}: {trouble}{}", More(*suppressed))
            }
            Self::Lost { count } => write!(f, "{count} mail{} not sent: too many wait already", s(*count)),
            Self::Left { count } => {
                write!(f, "{count} mail{} not delivered in time before the end", s(*count))
            }
        }
    }
}

impl fmt::Display for Contrast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let auth = |kind| match kind {
            0 => "no authentication",
            1 => "PASS",
            2 => "AH",
            _ => "a type that does not exist",
        };
        match *self {
            Self::Version { theirs, ours } => write!(f, "version {theirs}, ours {ours}"),
            Self::Interval { theirs: Some(theirs), ours } => write!(f, "every {theirs}, ours {ours}"),
            Self::Interval { theirs: None, ours } => write!(f, "every 0 s, ours {ours}"),
            Self::Authentication { theirs, ours } => write!(f, "{}, ours {}", auth(theirs), auth(ours)),
        }
    }
}

/// The first few addresses.
struct Few<'a>(&'a [IpAddr]);

impl fmt::Display for Few<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (n, address) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{address}", if n == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
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
    writeln!(out, "    Address List: {}", c.incidents.address_list_differs + n(Discard::AddressList))?;
    writeln!(out, "  Authentication Errors:")?;
    writeln!(out, "    Invalid Type: {}", n(Discard::AuthenticationUnknown))?;
    let mismatches = n(Discard::AuthenticationType) + n(Discard::SignatureMissing);
    writeln!(out, "    Type Mismatch: {mismatches}")?;
    writeln!(out, "    Failure: {}", authentication_failures(c))?;
    // keepalived 2.2.7 has no such adverts: these lines are there when there is something to count.
    let signed = [Discard::SignatureMissing, Discard::KeyUnknown, Discard::SignatureWrong, Discard::Stale];
    for why in signed.into_iter().filter(|why| n(*why) > 0) {
        writeln!(out, "    {}: {}", why.name(), n(why))?;
    }
    writeln!(out, "  Priority Zero:")?;
    writeln!(
        out,
        "    Received: {}\n    Sent: {}",
        c.incidents.priority_zero_received, c.incidents.priority_zero_sent
    )
}

/// What 2.2.7 counts as a failure: a wrong password or signature, and a repetition.
fn authentication_failures(c: &crate::Counters) -> u64 {
    [
        Discard::AuthenticationFailed,
        Discard::Replay,
        Discard::KeyUnknown,
        Discard::SignatureWrong,
        Discard::Stale,
    ]
    .iter()
    .map(|why| c.discarded(*why))
    .sum()
}

/// The state of the daemon as text (SIGUSR1, `keepalived.data`). Secrets are not in it.
#[must_use]
pub fn data(status: &Status) -> String {
    let mut out = String::from("------< VRRP Topology >------\n");
    for instance in &status.instances {
        let _ = write_data(&mut out, instance);
    }
    let _ = fixed::write_addresses(&mut out, &status.static_addresses);
    let _ = write_tracked(&mut out, status);
    if let Some(filter) = &status.filter {
        let _ = write_filter(&mut out, filter);
    }
    if let Some(mail) = &status.mail {
        let _ = write_mail(&mut out, mail);
    }
    out
}

fn write_filter(out: &mut String, filter: &FilterStatus) -> fmt::Result {
    let FilterStatus { table, state, closed, batches, repairs } = filter;
    writeln!(out, " Filter = table inet {table}")?;
    match state {
        FilterState::Off => writeln!(out, "   Status = off")?,
        FilterState::InForce => writeln!(out, "   Status = in force")?,
        FilterState::Stays(errno) => writeln!(out, "   Status = cannot be removed: {errno}")?,
        FilterState::Lacking(why) => {
            out.push_str("   Status = NOT in force: ");
            write_unfiltered(out, table, *why)?;
            out.push('\n');
        }
    }
    writeln!(out, "   Addresses that do not accept now = {closed}")?;
    writeln!(out, "   Transactions = {batches}, put back = {repairs}")
}

fn write_mail(out: &mut String, mail: &MailStatus) -> fmt::Result {
    let MailStatus { server, delivered, failed, refused, lost, waiting } = mail;
    writeln!(out, " Mail server = {}", if server.is_empty() { "none" } else { server })?;
    writeln!(out, "   Delivered = {delivered}, recipients refused = {refused}")?;
    writeln!(out, "   Not delivered = {failed}, not sent = {lost}, waiting = {waiting}")
}

/// What is tracked, once for all who track it.
fn write_tracked(out: &mut String, status: &Status) -> fmt::Result {
    for group in &status.groups {
        writeln!(out, " VRRP Sync Group = {}, {}", group.name, word(group.standing))?;
        group.members.iter().try_for_each(|member| writeln!(out, "   monitor = {member}"))?;
    }
    for script in &status.scripts {
        writeln!(out, " VRRP Script = {}", script.name)?;
        writeln!(out, "   Status = {} since {}", health(script.health), Secs(whole(script.since)))?;
        if let Some((finish, ago)) = &script.last {
            writeln!(out, "   Last run = {finish}, {} ago", Secs(whole(*ago)))?;
        }
        writeln!(out, "   Runs = {}, left out = {}", script.runs, script.skipped)?;
    }
    for process in &status.processes {
        writeln!(out, " VRRP Process = {}", process.name)?;
        writeln!(out, "   Status = {} since {}", health(process.health), Secs(whole(process.since)))?;
        match process.count {
            Some(Ok(count)) => writeln!(out, "   Current processes = {count}")?,
            Some(Err(errno)) => writeln!(out, "   Current processes = unknown: {errno}")?,
            None => {}
        }
    }
    for session in &status.sessions {
        write_session(out, session)?;
    }
    for (why, count) in &status.bfd_discards {
        writeln!(out, " BFD packets not believed, {why} = {count}")?;
    }
    for file in &status.files {
        writeln!(out, " VRRP Track file = {}", file.name)?;
        if let Some(value) = file.value {
            writeln!(out, "   Value = {value} since {}", Secs(whole(file.since)))?;
        }
    }
    Ok(())
}

fn write_session(out: &mut String, session: &SessionStatus) -> fmt::Result {
    writeln!(out, " BFD Instance = {}", session.name)?;
    writeln!(out, "   Status = {} since {}", health(session.health), Secs(whole(session.since)))?;
    let Some(detail) = &session.detail else { return Ok(()) };
    writeln!(out, "   Neighbor IP = {}", detail.neighbor)?;
    if let Some(source) = detail.source {
        writeln!(out, "   Source IP = {source}")?;
    }
    if detail.multihop {
        writeln!(out, "   Multihop")?;
    }
    writeln!(out, "   State = {}, neighbour's = {}", detail.state, detail.remote_state)?;
    let (ours, theirs) = (detail.diagnostic, detail.remote_diagnostic);
    writeln!(out, "   Local diagnostic = {ours}, remote diagnostic = {theirs}")?;
    let (local, remote) = (detail.discriminator, detail.remote_discriminator);
    writeln!(out, "   Local discriminator = {local:#010x}, remote discriminator = {remote:#010x}")?;
    writeln!(out, "   Send interval = {} usecs", detail.send_interval.as_micros())?;
    if let Some(time) = detail.detection_time {
        writeln!(out, "   Detection time = {} usecs", time.as_micros())?;
    }
    writeln!(out, "   Packets: {} sent, {} received", detail.sent, detail.received)?;
    writeln!(out, "   Not believed = {}, not sent = {}", detail.discarded, detail.unsent)?;
    writeln!(out, "   Came up = {}, went down = {}", detail.ups, detail.downs)
}

const fn health(health: Health) -> &'static str {
    match health {
        Health::Waiting => "INIT",
        Health::Well => "GOOD",
        Health::Failed => "BAD",
        Health::Unknown => "UNKNOWN",
    }
}

const fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

fn write_data(out: &mut String, i: &InstanceStatus) -> fmt::Result {
    writeln!(out, " VRRP Instance = {}", i.name)?;
    writeln!(out, "   VRRP Version = {}", i.version)?;
    writeln!(out, "   State = {}\n   Wantstate = {}", word(i.standing), word(i.standing))?;
    if !i.faults.is_empty() {
        writeln!(out, "   Faults = {}", List(&i.faults))?;
    }
    writeln!(out, "   Last transition = {} ago", Secs(whole(i.since)))?;
    if i.waits {
        writeln!(out, "   Waits for the first word of what it tracks")?;
    }
    writeln!(out, "   Interface = {}", i.home.interface().map_or("none", |name| name))?;
    if let Some(vrf) = i.home.vrf() {
        writeln!(out, "   VRF = {vrf}")?;
    }
    if let Some(source) = i.source {
        writeln!(out, "   Using src_ip = {source}")?;
    }
    writeln!(out, "   Master down timer = {} usecs", i.down_interval.as_micros())?;
    writeln!(out, "   Virtual Router ID = {}", i.vrid)?;
    writeln!(out, "   Priority = {}\n   Effective priority = {}", i.base_priority, i.priority)?;
    writeln!(out, "   Total priority = {}", i.priority)?;
    for tracked in &i.tracked {
        writeln!(out, "     {tracked}")?;
    }
    if let Some(group) = &i.group {
        writeln!(out, "   Sync group = {group}")?;
    }
    writeln!(out, "   Advert interval = {}", i.interval)?;
    writeln!(out, "   Preempt = {}", if i.preempt { "enabled" } else { "disabled" })?;
    writeln!(out, "   Accept = {}", if i.accepts { "enabled" } else { "disabled" })?;
    match i.leader {
        Some(Leader { source, priority }) if priority != Priority::LEAVING => {
            writeln!(out, "   Master router = {source}\n   Master priority = {priority}")?;
        }
        Some(_) | None => {}
    }
    writeln!(out, "   Virtual IP ({}):", i.addresses.len())?;
    i.addresses.iter().try_for_each(|address| fixed::write_address(out, address))
}

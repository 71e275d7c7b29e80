//! Addresses that do not accept: one nf_tables table of ours, written in whole transactions.
//!
//! A table of ours is known by its comment, and the one with the usual name by that; no other is ever touched.

mod batch;
mod sentry;
mod table;

use crate::error::{Error, Refusal, Result};
use crate::netlink::{open_socket_of, port_of, read};
use crate::sys::option;
use batch::{Batch, GENERIC, INET, Kind};
use model::Filter;
use netlink_packet_core::{NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR};
use node::io::{Errno, Unfiltered};
use read::{Messages, Raw};
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{RecvFlags, SendFlags, recvfrom, sockopt};
pub(crate) use sentry::{Alert, Noticed, Sentry};
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::time::Duration;
pub use table::Key;

/// Largest message that is read.
const INBOX: usize = 32 * 1024;

/// A table of the family `inet`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Table {
    name: String,
    /// This program made it.
    ours: bool,
}

impl Table {
    fn read(raw: &Raw<'_>) -> Option<Self> {
        if raw.kind != Kind::NewTable.number() || raw.body.first() != Some(&INET) {
            return None;
        }
        let (mut name, mut ours) = (None, false);
        for (kind, value) in read::attributes(raw.body, GENERIC) {
            match kind {
                1 => name = Some(read::text(value)),
                6 => ours = table::is_mark(value),
                _ => {}
            }
        }
        let name = name?;
        // Kernels before 5.10 keep no comment.
        let ours = ours || name == Filter::USUAL;
        Some(Self { name, ours })
    }
}

/// A netfilter netlink socket.
#[derive(Debug)]
pub struct Nftables {
    fd: OwnedFd,
    port: u32,
    sequence: u32,
    inbox: Vec<u8>,
    batches: u64,
}

impl Nftables {
    /// Opens a socket in the calling thread's network namespace. The kernel loads what it needs for it.
    ///
    /// # Errors
    /// In a forbidden namespace, or when the kernel has no netfilter.
    pub fn open() -> Result<Self> {
        let fd = open_socket_of(Some(netlink::NETFILTER), 0)?;
        let doing = "prepare a netfilter socket";
        // An answer for each message of a batch that is refused must fit.
        option::set_receive_buffer(&fd, 1 << 20).map_err(|why| Error::refused(doing, why))?;
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(Duration::from_secs(2)))
            .map_err(|why| Error::refused(doing, why))?;
        let port = port_of(&fd)?;
        Ok(Self { fd, port, sequence: 1, inbox: vec![0; INBOX], batches: 0 })
    }

    /// The socket's port id: what is told of its own changes carries it.
    pub(crate) const fn port(&self) -> u32 {
        self.port
    }

    /// How many transactions were sent.
    #[must_use]
    pub const fn batches(&self) -> u64 {
        self.batches
    }

    /// Makes the table say exactly this, in one moment. Other tables of ours go with it.
    ///
    /// # Errors
    /// When the kernel refuses, or a table of that name is somebody else's.
    pub fn replace(&mut self, filter: &Filter, closed: &BTreeSet<Key>) -> Result<(), Unfiltered> {
        let is_gone = |why: &Unfiltered| *why == Unfiltered::Refused(Errno(libc::ENOENT));
        self.again_if(is_gone, |kernel| {
            let tables = kernel.tables().map_err(|why| match why.errno.0 {
                // Nobody in the kernel knows what a table is.
                libc::EINVAL => Unfiltered::Absent(why.errno),
                _ => lacking(&why),
            })?;
            if tables.iter().any(|table| table.name == filter.table && !table.ours) {
                return Err(Unfiltered::Taken);
            }
            let old = tables.into_iter().filter(|table| table.ours && table.name != filter.table);
            let old: Vec<String> = old.map(|table| table.name).collect();
            let mut batch = Batch::new(kernel.sequence);
            table::replace(&mut batch, filter, closed, &old);
            kernel.commit(batch).map_err(|why| lacking(&why))
        })
    }

    /// Between looking and doing, somebody may have removed what was there.
    fn again_if<E>(
        &mut self,
        is_gone: impl Fn(&E) -> bool,
        mut attempt: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let first = attempt(self);
        if first.as_ref().is_err_and(is_gone) { attempt(self) } else { first }
    }

    /// Adds elements to the table, or removes them.
    ///
    /// # Errors
    /// When the kernel refuses: then nothing has changed.
    pub fn change(&mut self, filter: &Filter, keys: &BTreeSet<Key>, adds: bool) -> Result<(), Refusal> {
        let mut batch = Batch::new(self.sequence);
        table::change(&mut batch, &filter.table, keys, adds);
        self.commit(batch)
    }

    /// Removes all tables of ours.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn sweep(&mut self) -> Result<(), Refusal> {
        self.again_if(
            |why: &Refusal| why.is(libc::ENOENT),
            |kernel| {
                let tables = match kernel.tables() {
                    // Nobody in the kernel knows what a table is: there is none.
                    Err(why) if why.is(libc::EINVAL) || matches!(lacking(&why), Unfiltered::Absent(_)) => {
                        Vec::new()
                    }
                    tables => tables?,
                };
                let ours = tables.into_iter().filter(|table| table.ours);
                let ours: Vec<String> = ours.map(|table| table.name).collect();
                if ours.is_empty() {
                    return Ok(());
                }
                let mut batch = Batch::new(kernel.sequence);
                ours.iter().for_each(|name| batch.delete_table(name));
                kernel.commit(batch)
            },
        )
    }

    fn tables(&mut self) -> Result<Vec<Table>, Refusal> {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.send(&batch::request(Kind::GetTable, NLM_F_DUMP, sequence))?;
        let mut tables = Vec::new();
        let mut end = Ok(());
        self.receive(|raw| {
            if raw.sequence != sequence {
                return false;
            }
            tables.extend(Table::read(raw));
            match raw.kind {
                NLMSG_DONE => true,
                NLMSG_ERROR => {
                    end = refusal(raw);
                    true
                }
                _ => false,
            }
        })?;
        end.map(|()| tables)
    }

    /// Sends a batch and waits for what became of it.
    fn commit(&mut self, batch: Batch) -> Result<(), Refusal> {
        let (bytes, first, answered, next) = batch.finish();
        self.sequence = next;
        self.batches += 1;
        // It goes as one message, however long it is.
        let room = i32::try_from(bytes.len().saturating_mul(2)).unwrap_or(i32::MAX).max(1 << 18);
        option::set_send_buffer(&self.fd, room)?;
        self.send(&bytes)?;
        let mut worst = Ok(());
        self.receive(|raw| {
            let of_this = raw.sequence.wrapping_sub(first) < next.wrapping_sub(first);
            if raw.kind != NLMSG_ERROR || !of_this {
                return false;
            }
            let answer = refusal(raw);
            // What makes the whole fail is said of its beginning, and nothing follows.
            let is_end = raw.sequence == answered || raw.sequence == first && answer.is_err();
            if worst.is_ok() {
                worst = answer;
            }
            is_end
        })?;
        worst
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Refusal> {
        loop {
            match rustix::net::send(&self.fd, bytes, SendFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(why) => return Err(why.into()),
            }
        }
    }

    /// Receives until `take` says that this was the end.
    fn receive(&mut self, mut take: impl FnMut(&Raw<'_>) -> bool) -> Result<(), Refusal> {
        loop {
            let (len, from) = match recvfrom(&self.fd, &mut self.inbox[..], RecvFlags::empty()) {
                Ok((len, _, from)) => (len, from),
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return Err(Refusal::new(libc::ETIMEDOUT)),
                Err(why) => return Err(why.into()),
            };
            let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            // Only the kernel is believed.
            if from.is_none_or(|from| from.pid() == 0) {
                let mut is_end = false;
                Messages(&self.inbox[..len]).for_each(|raw| is_end |= take(&raw));
                if is_end {
                    return Ok(());
                }
            }
        }
    }
}

fn refusal(raw: &Raw<'_>) -> Result<(), Refusal> {
    match read::verdict(raw) {
        Some((0, _)) => Ok(()),
        Some((errno @ 1.., text)) => Err(Refusal { errno: Errno(errno), text }),
        Some(_) | None => Err(Refusal::new(libc::EBADMSG)),
    }
}

/// What a refusal means for the filter.
pub(crate) fn lacking(why: &Refusal) -> Unfiltered {
    match why.errno.0 {
        libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT | libc::EOPNOTSUPP => Unfiltered::Absent(why.errno),
        _ => Unfiltered::Refused(why.errno),
    }
}

/// Whether the kernel has nftables loaded: without them there are no tables, and asking would load them. Where netfilter's
/// socket is no module, nftables are taken for built in as well.
#[must_use]
pub fn is_loaded() -> bool {
    let modules = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    let has = |name| modules.lines().any(|line| line.split(' ').next() == Some(name));
    has("nf_tables") || !has("nfnetlink") && has_socket()
}

fn has_socket() -> bool {
    // Columns: sk, protocol, port id. The kernel's own socket has port id 0.
    let listed = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap_or_default();
    listed.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some("12") && words.next() == Some("0")
    })
}

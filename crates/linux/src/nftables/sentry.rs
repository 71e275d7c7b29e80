//! Notices that somebody else has changed our table: a thread that waits for what the kernel tells of all tables.
//!
//! Not the packet thread, because a host may change its rules a thousand times a second; not the hand, which waits for
//! orders. It begins with the first filter and ends with the process; nobody waits for it.

use super::batch::{GENERIC, INET, Kind, SUBSYSTEM};
use crate::error::{Error, Refusal, Result};
use crate::netlink::open_socket_of;
use crate::netlink::read::{self, Messages, Raw};
use crate::sys::map::Room;
use crate::sys::option;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{RecvFlags, recvfrom};
use std::sync::{Arc, Mutex, PoisonError};

/// `NFNLGRP_NFTABLES` as a bit.
const GROUP: u32 = 1 << 6;

/// What was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Noticed {
    /// Somebody changed the table: this process, if that is known.
    Change(Option<String>),
    /// Something was not heard, and it may have been about the table.
    Loss,
}

/// Called when something was noticed.
pub(crate) type Alert = Box<dyn Fn(Noticed) + Send>;

/// The thread, from outside.
#[derive(Debug)]
pub(crate) struct Sentry {
    watched: Arc<Mutex<String>>,
}

impl Sentry {
    /// Watches `table`, in the calling thread's network namespace. What `port` does is expected.
    pub(crate) fn start(table: &str, port: u32, alert: Alert) -> Result<Self> {
        let fd = open_socket_of(Some(netlink::NETFILTER), GROUP)?;
        option::set_receive_buffer(&fd, 1 << 20)
            .map_err(|why| Error::refused("size a receive buffer", why))?;
        let watched = Arc::new(Mutex::new(table.to_owned()));
        let mut ear = Ear { watched: Arc::clone(&watched), port, touched: false };
        std::thread::Builder::new()
            .name("sentry".to_owned())
            .spawn(move || {
                let mut inbox = Room::new(64 * 1024);
                loop {
                    match recvfrom(&fd, &mut inbox[..], RecvFlags::empty()) {
                        Ok((len, _, from)) => {
                            let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
                            // Only the kernel is believed.
                            if from.is_none_or(|from| from.pid() == 0) {
                                ear.take(&inbox[..len], &alert);
                            }
                        }
                        Err(rustix::io::Errno::INTR) => {}
                        Err(rustix::io::Errno::NOBUFS) => alert(Noticed::Loss),
                        Err(_) => return,
                    }
                }
            })
            .map_err(|why| Error::refused("start the watch over the filter", Refusal::of(&why)))?;
        Ok(Self { watched })
    }

    /// Watches another table from now on.
    pub(crate) fn watch(&self, table: &str) {
        table.clone_into(&mut self.watched.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What was heard of a transaction whose end has not come yet.
struct Ear {
    watched: Arc<Mutex<String>>,
    port: u32,
    touched: bool,
}

impl Ear {
    fn take(&mut self, bytes: &[u8], alert: &Alert) {
        for raw in Messages(bytes) {
            let [subsystem, kind] = raw.kind.to_be_bytes();
            if subsystem != SUBSYSTEM || raw.port == self.port {
                continue;
            }
            // The end of each transaction names who did it.
            if u16::from_be_bytes([subsystem, kind]) == Kind::NewGeneration.number() {
                if std::mem::take(&mut self.touched) {
                    alert(Noticed::Change(who(&raw)));
                }
            } else {
                self.touched |= self.is_ours(&raw);
            }
        }
    }

    /// Of every kind of object the first attribute is the name of its table.
    fn is_ours(&self, raw: &Raw<'_>) -> bool {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        raw.body.first() == Some(&INET)
            && read::attributes(raw.body, GENERIC)
                .any(|(kind, value)| kind == 1 && read::text(value) == *watched)
    }
}

fn who(raw: &Raw<'_>) -> Option<String> {
    let mut found = (None, None);
    for (kind, value) in read::attributes(raw.body, GENERIC) {
        match kind {
            2 => found.0 = value.try_into().ok().map(u32::from_be_bytes),
            // A program names itself as it likes.
            3 => found.1 = Some(read::said_in_words(value)),
            _ => {}
        }
    }
    let (Some(process), Some(name)) = found else { return None };
    Some(format!("{name} (process {process})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, port: u32, family: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![family, 0, 0, 0];
        for (kind, value) in attributes {
            body.extend_from_slice(&u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
            body.extend_from_slice(&kind.to_ne_bytes());
            body.extend_from_slice(value);
            body.resize(read::align(body.len()), 0);
        }
        let len = u32::try_from(read::HEADER + body.len()).unwrap();
        let kind = u16::from_be_bytes([SUBSYSTEM, kind]);
        let mut bytes = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 6]].concat();
        bytes.extend_from_slice(&port.to_ne_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    #[test]
    fn who_changed_our_table_is_told_once_for_each_transaction() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let alert: Alert = {
            let told = Arc::clone(&told);
            Box::new(move |who| told.lock().unwrap().push(who))
        };
        let mut ear = Ear { watched: Arc::new(Mutex::new("standfast".into())), port: 7, touched: false };
        let end = |port| message(15, port, 0, &[(2, &[0, 0, 1, 2]), (3, b"nft\0")]);
        let mut hear = |messages: &[Vec<u8>]| {
            ear.take(&messages.concat(), &alert);
            std::mem::take(&mut *told.lock().unwrap())
        };
        // Others' tables, and our own doing.
        assert_eq!(hear(&[message(2, 9, INET, &[(1, b"other\0")]), end(9)]), []);
        assert_eq!(hear(&[message(2, 9, 2, &[(1, b"standfast\0")]), end(9)]), [], "another family");
        assert_eq!(hear(&[message(2, 7, INET, &[(1, b"standfast\0")]), end(7)]), []);
        // A rule, then the table.
        let both = [message(8, 9, INET, &[(1, b"standfast\0")]), message(2, 9, INET, &[(1, b"standfast\0")])];
        assert_eq!(hear(&both), [], "the end has not come");
        assert_eq!(hear(&[end(9)]), [Noticed::Change(Some("nft (process 258)".to_owned()))]);
        assert_eq!(hear(&[end(9)]), []);
    }
}

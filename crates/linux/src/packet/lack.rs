//! What cannot be had from the kernel or cannot be read, and when that is told.

use crate::error::Error;
use crate::sockets::{Missing, Unjoined};
use node::io::{Errno, Fact, InterfaceIndex};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use timeline::Instant;
use wire::Family;

/// Datagrams that could not even be looked at. Anybody may send them: told rarely.
#[derive(Debug, Default)]
pub(super) struct Unreadable {
    untold: u64,
    quiet_until: Option<Instant>,
}

impl Unreadable {
    const QUIET: Duration = Duration::from_secs(60);

    /// Takes so many more; what is to be told now, if anything.
    pub(super) fn note(&mut self, now: Instant, more: u32) -> Option<String> {
        self.untold += u64::from(more);
        if self.untold == 0 || self.quiet_until.is_some_and(|at| now < at) {
            return None;
        }
        self.quiet_until = Some(now + Self::QUIET);
        let text = format!(
            "{} datagram(s) ignored: longer than any advert, or without the interface that they came in on",
            std::mem::take(&mut self.untold)
        );
        Some(text)
    }
}

/// What the kernel refused, by what it is.
#[derive(Debug, Default)]
pub(super) struct Lacking {
    sockets: BTreeMap<(Family, bool, Option<InterfaceIndex>), Errno>,
    groups: BTreeMap<(InterfaceIndex, IpAddr), Errno>,
}

impl Lacking {
    pub(super) fn is_empty(&self) -> bool {
        self.sockets.is_empty() && self.groups.is_empty()
    }

    /// Takes what sockets are missing now. Returns what is new about that: the facts, and the words for them.
    pub(super) fn sockets(&mut self, missing: &[Missing]) -> (Vec<Fact>, Vec<String>) {
        let now = missing.iter().map(|one| ((one.family, one.sealed, one.vrf), &one.why));
        let fact = |(family, sealed, vrf), why| Fact::NoSocket { family, sealed, vrf, why };
        changes(&mut self.sockets, now.collect(), fact)
    }

    /// The same for groups.
    pub(super) fn groups(&mut self, unjoined: &[Unjoined]) -> (Vec<Fact>, Vec<String>) {
        let now = unjoined.iter().map(|one| ((one.interface, one.group), &one.why));
        let fact = |(interface, group), why| Fact::NotJoined { interface, group, why };
        changes(&mut self.groups, now.collect(), fact)
    }
}

/// Replaces what was lacking by what is lacking now.
fn changes<K: Copy + Ord>(
    before: &mut BTreeMap<K, Errno>,
    now: BTreeMap<K, &Error>,
    fact: impl Fn(K, Option<Errno>) -> Fact,
) -> (Vec<Fact>, Vec<String>) {
    let (mut facts, mut words) = (Vec::new(), Vec::new());
    before.retain(|key, _| {
        let still = now.contains_key(key);
        if !still {
            facts.push(fact(*key, None));
        }
        still
    });
    for (key, why) in now {
        let errno = why.errno().unwrap_or(Errno(libc::EIO));
        if before.insert(key, errno) != Some(errno) {
            facts.push(fact(key, Some(errno)));
            words.push(why.to_string());
        }
    }
    (facts, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;

    fn missing(family: Family, errno: i32) -> Missing {
        Missing {
            family,
            sealed: false,
            vrf: None,
            why: Error::refused("open a socket", Refusal::new(errno)),
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_once_a_minute() {
        let mut unreadable = Unreadable::default();
        let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
        assert_eq!(unreadable.note(at(1), 0), None);
        assert!(unreadable.note(at(1), 2).is_some_and(|text| text.starts_with("2 datagram(s) ignored")));
        assert_eq!(unreadable.note(at(2), 3), None);
        assert_eq!(unreadable.note(at(60), 1), None);
        assert!(unreadable.note(at(61), 0).is_some_and(|text| text.starts_with("4 datagram(s) ignored")));
        assert_eq!(unreadable.note(at(200), 0), None);
    }

    #[test]
    fn the_node_hears_only_what_is_new_about_what_is_lacking() {
        let in_vrf = |family, vrf, why: Option<i32>| Fact::NoSocket {
            family,
            sealed: false,
            vrf,
            why: why.map(Errno),
        };
        let fact = |family, why| in_vrf(family, None, why);
        let mut lacking = Lacking::default();
        assert_eq!(lacking.sockets(&[]), (vec![], vec![]));
        let (facts, words) = lacking.sockets(&[missing(Family::V6, libc::EAFNOSUPPORT)]);
        assert_eq!(facts, [fact(Family::V6, Some(97))]);
        assert_eq!(words, ["cannot open a socket: Address family not supported by protocol"]);
        assert!(!lacking.is_empty());
        assert_eq!(lacking.sockets(&[missing(Family::V6, libc::EAFNOSUPPORT)]), (vec![], vec![]));
        let (facts, words) = lacking.sockets(&[missing(Family::V4, libc::EPERM)]);
        assert_eq!(facts, [fact(Family::V6, None), fact(Family::V4, Some(1))]);
        assert_eq!(words.len(), 1);
        // Of one VRF, where both sockets fail for the same reason.
        let red = Missing { vrf: Some(20), ..missing(Family::V4, libc::EMFILE) };
        let (facts, words) = lacking.sockets(&[missing(Family::V4, libc::EPERM), red.clone(), red]);
        assert_eq!((facts, words.len()), (vec![in_vrf(Family::V4, Some(20), Some(24))], 1));
        let (facts, words) = lacking.sockets(&[missing(Family::V4, libc::EPERM)]);
        assert_eq!((facts, words), (vec![in_vrf(Family::V4, Some(20), None)], vec![]));
        let (facts, words) = lacking.sockets(&[]);
        assert_eq!((facts, words), (vec![fact(Family::V4, None)], vec![]));
        assert!(lacking.is_empty());
    }
}

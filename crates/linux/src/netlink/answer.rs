//! The kernel's answers to what was asked, put together from one received buffer after another: no socket, only bytes.

use crate::error::Refusal;
use netlink_packet_core::{NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR};
use node::io::{Address, Errno};

use super::read::{self, LinkSeen, Messages, Raw};

/// Why the kernel refused a request; `None`: it did not.
fn refusal(raw: &Raw<'_>) -> Option<Refusal> {
    match read::verdict(raw) {
        Some((0, _)) => None,
        Some((errno @ 1.., text)) => Some(Refusal { errno: Errno(errno), text }),
        // Not "all is well": nobody knows.
        Some(_) | None => Some(Refusal::new(libc::EBADMSG)),
    }
}

/// A table that the kernel lists in many messages.
#[derive(Debug)]
pub struct Dump<T> {
    sequence: u32,
    take: fn(&Raw<'_>) -> Option<T>,
    found: Vec<T>,
    disturbed: bool,
    refused: Option<Refusal>,
}

/// A table as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// It changed meanwhile, or a part could not be read: not the whole truth.
    pub disturbed: bool,
}

impl Dump<LinkSeen> {
    /// The interfaces, asked for with this sequence number.
    #[must_use]
    pub fn links(sequence: u32) -> Self {
        Self::new(sequence, |raw| (raw.kind == libc::RTM_NEWLINK).then(|| LinkSeen::read(raw.body))?)
    }
}

impl Dump<Address> {
    /// The addresses, asked for with this sequence number.
    #[must_use]
    pub fn addresses(sequence: u32) -> Self {
        Self::new(sequence, |raw| (raw.kind == libc::RTM_NEWADDR).then(|| read::address(raw.body))?)
    }
}

impl<T> Dump<T> {
    pub(super) fn new(sequence: u32, take: fn(&Raw<'_>) -> Option<T>) -> Self {
        Self { sequence, take, found: Vec::new(), disturbed: false, refused: None }
    }

    /// Takes what was received; whether that was the end.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        let mut messages = Messages(bytes);
        for raw in messages.by_ref().filter(|raw| raw.sequence == self.sequence) {
            self.disturbed |= raw.flags & NLM_F_DUMP_INTR != 0;
            match raw.kind {
                NLMSG_ERROR => {
                    self.refused = refusal(&raw);
                    return true;
                }
                NLMSG_DONE => {
                    // It says how the dump went only if it went wrong.
                    let wrong = read::verdict(&raw).is_some_and(|(errno, _)| errno > 0);
                    self.refused = if wrong { refusal(&raw) } else { None };
                    return true;
                }
                _ => self.found.extend((self.take)(&raw)),
            }
        }
        self.disturbed |= !messages.is_whole();
        false
    }

    /// What was listed.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn finish(self) -> Result<Table<T>, Refusal> {
        match self.refused {
            Some(why) => Err(why),
            None => Ok(Table { rows: self.found, disturbed: self.disturbed }),
        }
    }
}

/// The answers to requests with sequence numbers in a row, of which the last one is always answered.
#[derive(Debug)]
pub struct Answers<'a> {
    first: u32,
    results: &'a mut [Result<(), Refusal>],
}

impl<'a> Answers<'a> {
    /// `results` has a place for each request; those that are not refused stay as they are.
    #[must_use]
    pub const fn new(first: u32, results: &'a mut [Result<(), Refusal>]) -> Self {
        Self { first, results }
    }

    /// Takes what was received; whether the last one is answered.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        let last = self.results.len().saturating_sub(1);
        let mut done = false;
        for raw in Messages(bytes).filter(|raw| raw.kind == NLMSG_ERROR) {
            let at = usize::try_from(raw.sequence.wrapping_sub(self.first)).unwrap_or(usize::MAX);
            // Others are answers to older requests, whose reader gave up.
            let Some(result) = self.results.get_mut(at) else { continue };
            if let Some(why) = refusal(&raw) {
                *result = Err(why);
            }
            done |= at == last;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len() + read::HEADER).unwrap();
        let mut bytes =
            [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0, 0], &sequence.to_ne_bytes(), &[0; 4]].concat();
        bytes.extend_from_slice(body);
        bytes.resize(read::align(bytes.len()), 0);
        bytes
    }

    #[test]
    fn an_end_that_cannot_be_read_is_no_success() {
        let mut dump = Dump::links(7);
        assert!(!dump.take(&message(NLMSG_ERROR, 6, &[])), "the answer to another request");
        assert!(dump.take(&message(NLMSG_ERROR, 7, &[1])));
        assert_eq!(dump.finish(), Err(Refusal::new(libc::EBADMSG)));
        let mut results = vec![Ok(()), Ok(())];
        assert!(!Answers::new(7, &mut results).take(&message(NLMSG_ERROR, 7, &[])));
        assert!(Answers::new(7, &mut results).take(&message(NLMSG_ERROR, 8, &[0; 4])));
        assert_eq!(results, [Err(Refusal::new(libc::EBADMSG)), Ok(())]);
    }

    #[test]
    fn a_dump_that_was_cut_is_not_the_whole_truth() {
        let link = [vec![0, 0, 1, 0, 7, 0, 0, 0], vec![0; 8]].concat();
        let whole = message(libc::RTM_NEWLINK, 7, &link);
        for (end, disturbed) in [(whole.len(), false), (whole.len() - 1, true), (3, true)] {
            let mut dump = Dump::links(7);
            assert!(!dump.take(&whole[..end]));
            assert!(dump.take(&message(NLMSG_DONE, 7, &[0; 4])));
            let table = dump.finish().unwrap();
            assert_eq!((table.rows.len(), table.disturbed), (usize::from(!disturbed), disturbed));
        }
    }
}

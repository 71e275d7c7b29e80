//! Writes one nf_tables transaction: messages between a beginning and an end that the kernel carries out together, or
//! not at all.
//!
//! Only what the filter needs is here. The numbers are those of the kernel's `nfnetlink.h` and `nf_tables.h`; attributes
//! are in network byte order. nft(8) lists what was written, and so do the tests.

use crate::netlink::read::{HEADER, align};

/// `NFNL_SUBSYS_NFTABLES`.
pub(super) const SUBSYSTEM: u8 = 10;
/// `NFPROTO_INET`: both families in one table.
pub(super) const INET: u8 = 1;
/// `struct nfgenmsg`.
pub(super) const GENERIC: usize = 4;

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;

/// Elements that one message carries: an attribute is no longer than 64 KiB.
const ELEMENTS: usize = 1024;

/// `NFT_MSG_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    NewTable = 0,
    GetTable = 1,
    DelTable = 2,
    NewChain = 3,
    NewRule = 6,
    NewSet = 9,
    NewElements = 12,
    DelElements = 14,
    NewGeneration = 15,
}

impl Kind {
    /// As `nlmsg_type`.
    pub(super) const fn number(self) -> u16 {
        u16::from_be_bytes([SUBSYSTEM, self as u8])
    }
}

/// A set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) name: &'static str,
    /// What nft(8) calls the type; the kernel only keeps it.
    pub(super) key_type: u32,
    /// Bytes.
    pub(super) key_len: u32,
    /// Never changes.
    pub(super) constant: bool,
}

/// One step of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Loads a property of the packet (`NFT_META_*`) into a register.
    Meta { key: u32, to: u32 },
    /// Loads bytes from the network (1) or transport (2) header.
    Payload { base: u32, offset: u32, len: u32, to: u32 },
    /// Goes on if register 1 is this byte.
    Is(u8),
    /// Goes on if what begins in register 1 is in the set.
    In(Set),
    /// Counts.
    Count,
    /// Lets the packet pass this table.
    Accept,
    /// Drops it.
    Drop,
    /// Goes on in another chain.
    Goto(&'static str),
}

/// A transaction that is being written.
#[derive(Debug)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where the message begins that is being written, or was written last.
    start: usize,
    first: u32,
    next: u32,
}

impl Batch {
    /// `sequence` is the number of its first message.
    pub(super) fn new(sequence: u32) -> Self {
        let mut batch = Self { bytes: Vec::with_capacity(4096), start: 0, first: sequence, next: sequence };
        batch.mark(BATCH_BEGIN);
        batch
    }

    /// The bytes to send, the number of the first message, that of the one that is answered, and the number after all.
    pub(super) fn finish(mut self) -> (Vec<u8>, u32, u32, u32) {
        let (last, answered) = (self.start, self.next.wrapping_sub(1));
        if let Some(flags) = self.bytes.get_mut(last + 6..last + 8) {
            flags.copy_from_slice(&(NLM_F_REQUEST | NLM_F_ACK | flags_of(flags)).to_ne_bytes());
        }
        self.mark(BATCH_END);
        (self.bytes, self.first, answered, self.next)
    }

    /// The beginning or the end.
    fn mark(&mut self, kind: u16) {
        self.begin(kind, NLM_F_REQUEST, 0, u16::from(SUBSYSTEM));
        self.end();
    }

    fn message(&mut self, kind: Kind, flags: u16, write: impl FnOnce(&mut Self)) {
        self.begin(kind.number(), NLM_F_REQUEST | flags, INET, 0);
        write(self);
        self.end();
    }

    fn begin(&mut self, kind: u16, flags: u16, family: u8, resource: u16) {
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&self.next.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[family, 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
        self.next = self.next.wrapping_add(1);
    }

    fn end(&mut self) {
        let len = u32::try_from(self.bytes.len() - self.start).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(self.start..self.start + 4) {
            place.copy_from_slice(&len.to_ne_bytes());
        }
    }

    /// One attribute.
    fn put(&mut self, kind: u16, value: &[u8]) {
        let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&len.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(align(self.bytes.len()), 0);
    }

    fn number(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes);
    }

    fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.put(kind | NESTED, &[]);
        write(self);
        let len = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        if let Some(place) = self.bytes.get_mut(start..start + 2) {
            place.copy_from_slice(&len.to_ne_bytes());
        }
    }

    /// Makes a table; one that is there stays as it is.
    pub(super) fn add_table(&mut self, name: &str, user_data: &[u8]) {
        self.message(Kind::NewTable, NLM_F_CREATE, |batch| {
            batch.text(1, name);
            batch.number(2, 0);
            batch.put(6, user_data);
        });
    }

    /// Removes a table with everything in it.
    pub(super) fn delete_table(&mut self, name: &str) {
        self.message(Kind::DelTable, 0, |batch| batch.text(1, name));
    }

    /// Makes a set. Sets of one batch have different numbers.
    pub(super) fn add_set(&mut self, table: &str, set: Set, number: u32) {
        self.message(Kind::NewSet, NLM_F_CREATE, |batch| {
            batch.text(1, table);
            batch.text(2, set.name);
            batch.number(3, if set.constant { 2 } else { 0 });
            batch.number(4, set.key_type);
            batch.number(5, set.key_len);
            batch.number(10, number);
        });
    }

    /// A chain; `hook`: its number and the priority, for one that packets come to by themselves.
    pub(super) fn add_chain(&mut self, table: &str, name: &str, hook: Option<(u32, i32)>) {
        self.message(Kind::NewChain, NLM_F_CREATE, |batch| {
            batch.text(1, table);
            batch.text(3, name);
            if let Some((number, priority)) = hook {
                batch.nest(4, |batch| {
                    batch.number(1, number);
                    batch.put(2, &priority.to_be_bytes());
                });
                batch.number(5, 1); // NF_ACCEPT
                batch.text(7, "filter");
            }
        });
    }

    /// A rule at the end of a chain.
    pub(super) fn add_rule(&mut self, table: &str, chain: &str, steps: &[Step]) {
        self.message(Kind::NewRule, NLM_F_CREATE | NLM_F_APPEND, |batch| {
            batch.text(1, table);
            batch.text(2, chain);
            batch.nest(4, |batch| steps.iter().for_each(|step| batch.step(*step)));
        });
    }

    fn step(&mut self, step: Step) {
        let name = match step {
            Step::Meta { .. } => "meta",
            Step::Payload { .. } => "payload",
            Step::Is(_) => "cmp",
            Step::In(_) => "lookup",
            Step::Count => "counter",
            Step::Accept | Step::Drop | Step::Goto(_) => "immediate",
        };
        self.nest(1, |batch| {
            batch.text(1, name);
            batch.nest(2, |batch| batch.details(step));
        });
    }

    fn details(&mut self, step: Step) {
        match step {
            Step::Meta { key, to } => {
                self.number(1, to);
                self.number(2, key);
            }
            Step::Payload { base, offset, len, to } => {
                for (kind, value) in [(1, to), (2, base), (3, offset), (4, len)] {
                    self.number(kind, value);
                }
            }
            Step::Is(byte) => {
                self.number(1, 1);
                self.number(2, 0); // equal
                self.nest(3, |batch| batch.put(1, &[byte]));
            }
            Step::In(set) => {
                self.text(1, set.name);
                self.number(2, 1);
            }
            Step::Count => {}
            Step::Accept => self.verdict(1, None),
            Step::Drop => self.verdict(0, None),
            Step::Goto(chain) => self.verdict(-4, Some(chain)),
        }
    }

    fn verdict(&mut self, code: i32, chain: Option<&str>) {
        self.number(1, 0); // the verdict register
        self.nest(2, |batch| {
            batch.nest(2, |batch| {
                batch.put(1, &code.to_be_bytes());
                if let Some(chain) = chain {
                    batch.text(2, chain);
                }
            });
        });
    }

    /// Elements come; those that are there stay.
    pub(super) fn add_elements<K: AsRef<[u8]>>(&mut self, table: &str, set: Set, keys: &[K]) {
        self.elements(Kind::NewElements, NLM_F_CREATE, table, set, keys);
    }

    /// Elements go. One that is not there makes the whole batch fail.
    pub(super) fn delete_elements<K: AsRef<[u8]>>(&mut self, table: &str, set: Set, keys: &[K]) {
        self.elements(Kind::DelElements, 0, table, set, keys);
    }

    fn elements<K: AsRef<[u8]>>(&mut self, kind: Kind, flags: u16, table: &str, set: Set, keys: &[K]) {
        for keys in keys.chunks(ELEMENTS) {
            self.message(kind, flags, |batch| {
                batch.text(1, table);
                batch.text(2, set.name);
                batch.nest(3, |batch| {
                    for key in keys {
                        batch.nest(1, |batch| batch.nest(1, |batch| batch.put(1, key.as_ref())));
                    }
                });
            });
        }
    }
}

fn flags_of(bytes: &[u8]) -> u16 {
    bytes.try_into().map_or(0, u16::from_ne_bytes)
}

/// A request outside of any transaction.
pub(super) fn request(kind: Kind, flags: u16, sequence: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + GENERIC);
    bytes.extend_from_slice(&20u32.to_ne_bytes());
    bytes.extend_from_slice(&kind.number().to_ne_bytes());
    bytes.extend_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 0, INET, 0, 0, 0]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::read::{Messages, Raw};

    fn messages(bytes: &[u8]) -> Vec<Raw<'_>> {
        let mut messages = Messages(bytes);
        let all = messages.by_ref().collect();
        assert!(messages.is_whole());
        all
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_batch_that_removes_a_table_byte_for_byte() {
        let mut batch = Batch::new(7);
        batch.delete_table("standfast");
        let (bytes, first, answered, next) = batch.finish();
        assert_eq!((first, answered, next), (7, 8, 10));
        #[rustfmt::skip]
        let expected = [
            20, 0, 0, 0, 0x10, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0,   0, 0, 0, 10,
            36, 0, 0, 0, 2, 10,   5, 0, 8, 0, 0, 0, 0, 0, 0, 0,   1, 0, 0, 0,
            14, 0, 1, 0, b's', b't', b'a', b'n', b'd', b'f', b'a', b's', b't', 0, 0, 0,
            20, 0, 0, 0, 0x11, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0,   0, 0, 0, 10,
        ];
        assert_eq!(bytes, expected);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_rule_byte_for_byte() {
        let mut batch = Batch::new(1);
        batch.add_rule("t", "c", &[Step::Meta { key: 16, to: 1 }, Step::Is(112), Step::Drop]);
        let (bytes, ..) = batch.finish();
        let rule = messages(&bytes)[1];
        assert_eq!((rule.kind, rule.flags), (0x0a06, 0x0c05));
        #[rustfmt::skip]
        let expected = [
            1, 0, 0, 0,
            6, 0, 1, 0, b't', 0, 0, 0,
            6, 0, 2, 0, b'c', 0, 0, 0,
            132, 0, 4, 0x80,
            36, 0, 1, 0x80,
                9, 0, 1, 0, b'm', b'e', b't', b'a', 0, 0, 0, 0,
                20, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, 16,
            44, 0, 1, 0x80,
                8, 0, 1, 0, b'c', b'm', b'p', 0,
                32, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, 0,
                    12, 0, 3, 0x80, 5, 0, 1, 0, 112, 0, 0, 0,
            48, 0, 1, 0x80,
                14, 0, 1, 0, b'i', b'm', b'm', b'e', b'd', b'i', b'a', b't', b'e', 0, 0, 0,
                28, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 0,
                    16, 0, 2, 0x80, 12, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 0,
        ];
        assert_eq!(rule.body, expected);
    }

    #[test]
    fn no_message_is_longer_than_an_attribute_may_be() {
        let set = Set { name: "s", key_type: 7, key_len: 20, constant: false };
        let keys = vec![[0u8; 20]; 2500];
        let mut batch = Batch::new(1);
        batch.add_elements("t", set, &keys);
        let (bytes, _, answered, _) = batch.finish();
        let all = messages(&bytes);
        assert_eq!(all.len(), 5);
        let asking: Vec<u32> =
            all.iter().filter(|raw| raw.flags & NLM_F_ACK != 0).map(|raw| raw.sequence).collect();
        assert_eq!(asking, [answered], "the last of them");
        assert!(all.iter().all(|raw| raw.body.len() < usize::from(u16::MAX)));
    }
}

//! The memory of a ledger: a header, one record for each router, one for each address.

use crate::error::{Error, Result};
use crate::sys::map::Shared;
use rustix::fs::{SealFlags, fcntl_get_seals, fstat};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const MAGIC: u64 = u64::from_be_bytes(*b"STDFAST\0");
pub(super) const VERSION: u64 = 3;
pub(super) const HEADER: usize = 16;
pub(super) const ROUTER: usize = 16;
pub(super) const ADDRESS: usize = 4;
pub(super) const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
/// More records of either kind than any host has; keeps a damaged header from mapping the moon.
pub(super) const MOST: usize = 1 << 20;

/// Words of the header, by number.
pub(super) mod at {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = 1;
    pub(crate) const ADDRESSES: usize = 2;
    pub(crate) const SEQUENCE: usize = 3;
    pub(crate) const NETNS: usize = 4;
    pub(crate) const ROUTERS: usize = 5;
    pub(crate) const CLAIM: usize = 6;
    pub(crate) const ROUTERS_USED: usize = 7;
    pub(crate) const TURNED: usize = 8;
    pub(crate) const DUE: usize = 9;
    pub(crate) const PACE: usize = 10;
    pub(crate) const PACKET_THREAD: usize = 11;
    pub(crate) const HAND_SINCE: usize = 12;
    pub(crate) const HAND_THREAD: usize = 13;
    pub(crate) const ADDRESSES_USED: usize = 14;
    /// A table of ours is or may be in the kernel.
    pub(crate) const FILTER: usize = 15;
}

#[derive(Debug)]
pub(super) struct Book {
    map: Shared,
    routers: usize,
    addresses: usize,
}

/// Records that are free. Those that were never used are not listed: there are many more of them than a host ever uses.
#[derive(Debug)]
pub(super) struct Free {
    /// To be used again, the last one first.
    again: Vec<usize>,
    /// All from here to the end were never used.
    next: usize,
    end: usize,
}

impl Free {
    /// Those from `next` to `end`.
    pub(super) const fn from(next: usize, end: usize) -> Self {
        Self { again: Vec::new(), next, end }
    }

    pub(super) fn take(&mut self) -> Option<usize> {
        self.again.pop().or_else(|| {
            let fresh = self.next;
            (fresh < self.end).then(|| {
                self.next += 1;
                fresh
            })
        })
    }

    pub(super) fn put(&mut self, slot: usize) {
        self.again.push(slot);
    }
}

/// Words of a ledger with so many records.
pub(super) const fn length(routers: usize, addresses: usize) -> usize {
    HEADER + routers * ROUTER + addresses * ADDRESS
}

pub(super) fn word(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Book {
    /// Maps a new ledger, which is as long as it has to be.
    pub(super) fn begin(fd: impl AsFd, routers: usize, addresses: usize) -> Result<Self> {
        let map = Shared::map(fd, length(routers, addresses), true)
            .map_err(|why| Error::refused("create the ledger", why))?;
        Ok(Self { map, routers, addresses })
    }

    /// Maps a ledger that another process writes or has written.
    pub(super) fn open(fd: impl AsFd, writable: bool) -> Result<Self> {
        let doing = "open the ledger";
        let refused = |why: rustix::io::Errno| Error::refused(doing, why);
        let garbled = |what| Error::Garbled { doing: doing.to_owned(), what };
        if !fcntl_get_seals(&fd).map_err(refused)?.contains(SEALS) {
            return Err(garbled("it is not sealed"));
        }
        let bytes = usize::try_from(fstat(&fd).map_err(refused)?.st_size).unwrap_or(0);
        let words = bytes / 8;
        if !bytes.is_multiple_of(8) || words < HEADER || words > length(MOST, MOST) {
            return Err(garbled("its size is wrong"));
        }
        let map = Shared::map(&fd, words, writable).map_err(|why| Error::refused(doing, why))?;
        let mut book = Self { map, routers: 0, addresses: 0 };
        if book.load(at::MAGIC) != MAGIC {
            return Err(garbled("it is not a ledger"));
        }
        if book.load(at::VERSION) != VERSION {
            return Err(garbled("it is of another version"));
        }
        let count = |at| usize::try_from(book.load(at)).ok().filter(|count| *count <= MOST);
        match (count(at::ROUTERS), count(at::ADDRESSES)) {
            (Some(routers), Some(addresses)) if length(routers, addresses) == words => {
                (book.routers, book.addresses) = (routers, addresses);
                Ok(book)
            }
            _ => Err(garbled("its size is wrong")),
        }
    }

    pub(super) const fn routers(&self) -> usize {
        self.routers
    }

    pub(super) const fn addresses(&self) -> usize {
        self.addresses
    }

    /// The records of routers that were ever used: what lies beyond is never touched, and takes no memory.
    pub(super) fn used_routers(&self) -> impl Iterator<Item = &[AtomicU64; ROUTER]> {
        let used = usize::try_from(self.load(at::ROUTERS_USED)).unwrap_or(usize::MAX);
        (0..used.min(self.routers)).filter_map(|slot| self.router(slot))
    }

    /// The same of addresses, with their numbers.
    pub(super) fn used_addresses(&self) -> impl Iterator<Item = (usize, [&AtomicU64; 3])> {
        let used = usize::try_from(self.load(at::ADDRESSES_USED)).unwrap_or(usize::MAX);
        (0..used.min(self.addresses)).filter_map(|slot| Some((slot, self.address(slot)?)))
    }

    /// A record is about to be used: `which` is one of the two words that say how many ever were.
    pub(super) fn use_up_to(&self, which: usize, slot: usize) {
        if self.load(which) <= word(slot) {
            self.store(which, word(slot + 1));
        }
    }

    pub(super) fn header(&self, at: usize) -> Option<&AtomicU64> {
        self.map.words().get(at)
    }

    pub(super) fn load(&self, at: usize) -> u64 {
        self.header(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    pub(super) fn store(&self, at: usize, value: u64) {
        if let Some(word) = self.header(at) {
            word.store(value, Ordering::Release);
        }
    }

    pub(super) fn router(&self, slot: usize) -> Option<&[AtomicU64; ROUTER]> {
        let start = HEADER + slot * ROUTER;
        let words = self.map.words().get(start..start + ROUTER)?;
        words.first_chunk().filter(|_| slot < self.routers)
    }

    pub(super) fn address(&self, slot: usize) -> Option<[&AtomicU64; 3]> {
        let start = HEADER + self.routers * ROUTER + slot * ADDRESS;
        match self.map.words().get(start..start + ADDRESS)? {
            [head, high, low, _] if slot < self.addresses => Some([head, high, low]),
            _ => None,
        }
    }
}

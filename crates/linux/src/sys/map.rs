//! Memory of the kernel's own pages.
//!
//! [`Shared`] is memory that this process shares with another through a memfd, as an array of atomic words. Every access is
//! an atomic operation on a `u64`, so that what the other side does at the same moment can make a value old or new but never
//! undefined. [`Room`] is a buffer of which only the pages that are used take memory.

use crate::error::Refusal;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use std::alloc::{Layout, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

/// A shared mapping of `len` words.
#[derive(Debug)]
pub(crate) struct Shared {
    start: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: the memory is only reached through `&AtomicU64`, which any thread may use; unmapping takes ownership.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Maps the first `len` words of `fd`. The file must be that long and sealed against shrinking, or an access
    /// beyond its end kills the process; [`crate::ledger`] checks both.
    pub(crate) fn map(fd: impl AsFd, len: usize, writable: bool) -> Result<Self, Refusal> {
        let protection = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        let bytes = len.checked_mul(8).ok_or(Refusal::new(libc::EOVERFLOW))?;
        // SAFETY: a new mapping at an address of the kernel's choice cannot overlap anything that Rust knows.
        let start = unsafe { mmap(ptr::null_mut(), bytes, protection, MapFlags::SHARED, fd, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(Refusal::new(libc::ENOMEM))?;
        Ok(Self { start, len })
    }

    /// The words. A mapping that is not writable must only be loaded from (a store would be a fault).
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `start` is page-aligned and maps `len` words for as long as `self` lives; all bytes are initialised
        // (the file's), and every reader and writer in this process goes through atomics.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody can hold a reference into it any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len * 8) };
    }
}

/// Room for the longest message that may come. Most are short: only the pages that one has filled take memory, whereas what
/// the allocator gives may be full of what was there before, and is cleared.
#[derive(Debug)]
pub(crate) struct Room {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: it is the only owner of its memory, as a `Box<[u8]>` is.
unsafe impl Send for Room {}
// SAFETY: as above; a shared reference only reads.
unsafe impl Sync for Room {}

impl Room {
    /// So many bytes, all zero.
    ///
    /// Ends the process as any allocation does if there is no memory left. `len` is not 0.
    pub(crate) fn new(len: usize) -> Self {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice cannot overlap anything that Rust knows.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, access, MapFlags::PRIVATE) };
        match start.ok().and_then(|start| NonNull::new(start.cast())) {
            Some(start) => Self { start, len },
            None => handle_alloc_error(Layout::array::<u8>(len).unwrap_or_else(|_| Layout::new::<u8>())),
        }
    }
}

impl Deref for Room {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start` maps `len` bytes for as long as `self` lives, all of them initialised (the kernel clears them), and
        // nobody writes while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Room {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed by nobody else.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody can hold a reference into it any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_empty_and_can_be_filled_to_its_last_byte() {
        let mut room = Room::new(64 << 10);
        assert!(room.len() == 64 << 10 && room.iter().all(|byte| *byte == 0));
        room.fill(7);
        assert!(room.iter().all(|byte| *byte == 7));
    }
}

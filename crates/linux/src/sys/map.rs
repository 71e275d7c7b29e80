//! Memory that this process shares with another through a memfd, as an array of atomic words.
//!
//! Every access is an atomic operation on a `u64`, so that what the other side does at the same moment can
//! make a value old or new but never undefined.

use crate::error::Refusal;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
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

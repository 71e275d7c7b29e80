//! The database of users and groups, which the C library reads from wherever the host keeps it.

use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr;

/// No entry of a database is longer.
const LONGEST: usize = 1 << 20;

/// A user: number and group.
pub(crate) type User = (u32, u32);

/// Asks with ever more room. `Err`: the error number; `Ok(None)`: there is none of that name.
fn ask<R, T>(
    mut question: impl FnMut(*mut R, &mut [c_char], &mut *mut R) -> c_int,
    read: impl Fn(&R) -> T,
) -> Result<Option<T>, c_int> {
    let mut room = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::<R>::uninit();
        let mut found = ptr::null_mut();
        match question(entry.as_mut_ptr(), &mut room, &mut found) {
            libc::ERANGE if room.len() < LONGEST => room.resize(room.len() * 4, 0),
            libc::EINTR => {}
            // "Not found" in the words of the various databases.
            0 | libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM if found.is_null() => return Ok(None),
            0 => {
                // SAFETY: found, so the library has filled in the entry, whose strings lie in `room`.
                return Ok(Some(read(unsafe { entry.assume_init_ref() })));
            }
            why => return Err(why),
        }
    }
}

/// The user of that name.
pub(crate) fn user(name: &CStr) -> Result<Option<User>, c_int> {
    ask(
        // SAFETY: all pointers are to memory that outlives the call, with its true length.
        |entry, room, found| unsafe {
            libc::getpwnam_r(name.as_ptr(), entry, room.as_mut_ptr(), room.len(), found)
        },
        |entry: &libc::passwd| (entry.pw_uid, entry.pw_gid),
    )
}

/// The name and the group of the user with that number.
pub(crate) fn user_of(number: u32) -> Result<Option<(CString, u32)>, c_int> {
    ask(
        // SAFETY: as above.
        |entry, room, found| unsafe { libc::getpwuid_r(number, entry, room.as_mut_ptr(), room.len(), found) },
        |entry: &libc::passwd| {
            // SAFETY: the library has made it a string that ends with a zero.
            let name = unsafe { CStr::from_ptr(entry.pw_name) };
            (name.to_owned(), entry.pw_gid)
        },
    )
}

/// The group of that name.
pub(crate) fn group(name: &CStr) -> Result<Option<u32>, c_int> {
    ask(
        // SAFETY: as above.
        |entry, room, found| unsafe {
            libc::getgrnam_r(name.as_ptr(), entry, room.as_mut_ptr(), room.len(), found)
        },
        |entry: &libc::group| entry.gr_gid,
    )
}

/// All groups of a user, `first` among them.
pub(crate) fn groups_of(name: &CStr, first: u32) -> Vec<u32> {
    let mut list = vec![first; 64];
    loop {
        let mut count = c_int::try_from(list.len()).unwrap_or(c_int::MAX);
        // SAFETY: `count` is the length of the list, and the library writes no more.
        let done = unsafe { libc::getgrouplist(name.as_ptr(), first, list.as_mut_ptr(), &raw mut count) };
        let count = usize::try_from(count).unwrap_or(0);
        if done >= 0 {
            list.truncate(count);
            return list;
        }
        // The kernel takes no more for a process.
        if list.len() >= 1 << 16 {
            return vec![first];
        }
        list.resize(count.max(list.len() * 2), first);
    }
}

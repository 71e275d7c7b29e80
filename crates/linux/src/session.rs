//! How this program starts itself again as another stage (front, supervisor, worker).

use crate::sys::session;
use std::os::fd::{OwnedFd, RawFd};
use std::process::Command;

/// Runs `command` in a session of its own, away from the terminal, and with no descriptors but the standard streams.
pub fn detach(command: &mut Command) {
    session::new_session(command);
}

/// Gives `command` these descriptors under the same numbers. They must stay open in the caller until the start.
pub fn keep_open<const N: usize>(command: &mut Command, fds: [RawFd; N]) {
    session::keep_open(command, fds);
}

/// Ends `command` in order (SIGTERM) when the calling thread ends, however it ends.
pub fn end_with_parent(command: &mut Command) {
    session::end_with_parent(command);
}

/// Takes over a descriptor that this process inherited under `number`; `None` if nothing is open there, or if
/// it is a standard stream. To be called once for a number, at the very start of the program.
#[must_use]
pub fn inherit(number: RawFd) -> Option<OwnedFd> {
    session::inherit(number)
}

//! One daemon for each network namespace, whatever their pid files are: two would remove each other's addresses.
//!
//! The lock is a name of an abstract socket. Such names belong to the network namespace and vanish with the
//! process that has them, so there is nothing to clear away after a crash.

use crate::error::{Error, Result};
use rustix::process::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};

/// The abstract name.
const NAME: &str = "\0standfast/vrrp";
/// A holder that is not there when it is asked has just ended: so often the name is tried for.
const ATTEMPTS: usize = 8;
/// Callers that are sent away in one go.
const CALLERS: usize = 64;

/// The network namespace is ours as long as this lives.
#[derive(Debug)]
pub struct Place(Socket);

/// What came of [`Place::take`].
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Ours(Place),
    /// Another daemon is here; its process id, if it can be seen from here.
    Occupied(Option<u32>),
    /// Somebody who may not run a daemon has the name: it says nothing. Who, in words.
    Squatted(String),
}

impl Place {
    /// Takes the calling thread's network namespace.
    ///
    /// # Errors
    /// The kernel's refusal of a local socket.
    pub fn take() -> Result<Taken> {
        let failed = |why: &std::io::Error| {
            Error::refused("take the lock of this network namespace", crate::Refusal::of(why))
        };
        let name = SockAddr::unix(NAME).map_err(|why| failed(&why))?;
        for _ in 0..ATTEMPTS {
            let socket = local().map_err(|why| failed(&why))?;
            match socket.bind(&name).and_then(|()| socket.listen(128)) {
                Ok(()) => return Ok(Taken::Ours(Self(socket))),
                Err(why) if why.kind() == ErrorKind::AddrInUse => {}
                Err(why) => return Err(failed(&why)),
            }
            let caller = local().map_err(|why| failed(&why))?;
            match caller.connect(&name) {
                Ok(()) => {
                    let (pid, uid) = crate::sys::option::peer(&caller)
                        .map_err(|why| Error::refused("ask who has this network namespace's lock", why))?;
                    let entitled = uid == 0 || uid == geteuid().as_raw();
                    return Ok(match pid {
                        _ if entitled => Taken::Occupied(pid),
                        Some(pid) => Taken::Squatted(format!("process {pid} of user {uid}")),
                        None => Taken::Squatted(format!("a process of user {uid}")),
                    });
                }
                Err(why) if why.kind() == ErrorKind::ConnectionRefused => {}
                // A daemon of ours lets nobody wait.
                Err(_) => return Ok(Taken::Squatted("a process that does not answer".to_owned())),
            }
        }
        Ok(Taken::Squatted("a process that does not listen".to_owned()))
    }

    /// Sends those away who asked; they have learnt already who is here.
    pub fn dismiss(&self) {
        for _ in 0..CALLERS {
            if self.0.accept().is_err() {
                return;
            }
        }
    }
}

/// Readable while somebody asks.
impl AsFd for Place {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A socket that is not inherited and never waits.
fn local() -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

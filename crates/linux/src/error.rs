//! What can go wrong between this program and the kernel, in words that an administrator understands at
//! three in the morning: what was tried, on what, and why the kernel said no.

use node::io::Errno;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// A `Result` of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kernel's "no".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error number.
    pub errno: Errno,
    /// What the kernel said besides (netlink's extended acknowledgement), if anything.
    pub text: Option<String>,
}

impl Refusal {
    /// A refusal with a number only.
    #[must_use]
    pub const fn new(errno: i32) -> Self {
        Self { errno: Errno(errno), text: None }
    }

    /// The errno of the last system call of the standard library or of `socket2`.
    #[must_use]
    pub fn of(error: &std::io::Error) -> Self {
        Self::new(error.raw_os_error().unwrap_or(libc::EIO))
    }

    /// Whether the error number is `errno`.
    #[must_use]
    pub const fn is(&self, errno: i32) -> bool {
        self.errno.0 == errno
    }
}

impl From<rustix::io::Errno> for Refusal {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::new(errno.raw_os_error())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(self.errno))?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

/// The C library's words for an error number ("Operation not permitted").
#[must_use]
pub fn describe(errno: Errno) -> String {
    let whole = std::io::Error::from_raw_os_error(errno.0).to_string();
    match whole.find(" (os error") {
        Some(end) => whole[..end].to_owned(),
        None => whole,
    }
}

/// What this crate could not do, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused.
    #[error("cannot {doing}: {why}{}", hint(why, *needs))]
    Refused {
        /// What was tried, as a verb phrase with its object: "set 10.0.0.3/32 on eth0".
        doing: String,
        /// The kernel's answer.
        why: Refusal,
        /// The capability without which this cannot work.
        needs: Option<&'static str>,
    },
    /// The kernel's answer could not be read.
    #[error("cannot {doing}: the kernel's answer is not what it should be ({what})")]
    Garbled {
        /// What was tried.
        doing: String,
        /// What was wrong with it.
        what: &'static str,
    },
    /// There is no interface of that name.
    #[error("there is no interface {0}")]
    NoInterface(String),
    /// Another process holds the pid file.
    #[error("already running{} ({} is locked)", running(*pid), path.display())]
    AlreadyRunning {
        /// The file.
        path: PathBuf,
        /// What it says, if it is a number.
        pid: Option<u32>,
    },
    /// This network namespace was declared out of bounds.
    #[error(transparent)]
    Forbidden(#[from] crate::privileges::ForbiddenNetns),
}

fn hint(why: &Refusal, needs: Option<&'static str>) -> String {
    match needs {
        Some(needs) if why.is(libc::EPERM) || why.is(libc::EACCES) => format!(" (needs {needs})"),
        _ => String::new(),
    }
}

fn running(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" as process {pid}"))
}

impl Error {
    /// A refused system call that needs no particular capability.
    pub fn refused(doing: impl Into<String>, why: impl Into<Refusal>) -> Self {
        Self::Refused { doing: doing.into(), why: why.into(), needs: None }
    }

    /// A refused change of the network's configuration.
    pub fn admin(doing: impl Into<String>, why: impl Into<Refusal>) -> Self {
        Self::Refused { doing: doing.into(), why: why.into(), needs: Some("CAP_NET_ADMIN") }
    }

    /// A refused use of a raw or packet socket.
    pub fn raw(doing: impl Into<String>, why: impl Into<Refusal>) -> Self {
        Self::Refused { doing: doing.into(), why: why.into(), needs: Some("CAP_NET_RAW") }
    }

    /// The error number, if the kernel gave one.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { why, .. } => Some(why.errno),
            Self::NoInterface(_) => Some(Errno(libc::ENODEV)),
            Self::Garbled { .. } | Self::AlreadyRunning { .. } | Self::Forbidden(_) => None,
        }
    }

    /// What became of an address that should have been set: "cannot set 10.0.0.3/32 on eth0: ...".
    #[must_use]
    pub fn setting(address: IpAddr, prefix: u8, interface: &str, why: Refusal) -> Self {
        Self::admin(format!("set {address}/{prefix} on {interface}"), why)
    }

    /// What became of an address that should have gone.
    #[must_use]
    pub fn removing(address: IpAddr, prefix: u8, interface: &str, why: Refusal) -> Self {
        Self::admin(format!("remove {address}/{prefix} from {interface}"), why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_refusal_reads_like_a_sentence() {
        let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3));
        let error = Error::setting(address, 32, "eth0", Refusal::new(libc::EPERM));
        assert_eq!(
            error.to_string(),
            "cannot set 10.0.0.3/32 on eth0: Operation not permitted (needs CAP_NET_ADMIN)"
        );
        let why = Refusal { errno: Errno(libc::EINVAL), text: Some("ipv4: Invalid prefix length".into()) };
        assert_eq!(
            Error::removing(address, 33, "eth0", why).to_string(),
            "cannot remove 10.0.0.3/33 from eth0: Invalid argument: ipv4: Invalid prefix length"
        );
    }
}

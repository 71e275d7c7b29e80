//! The namespaces of one machine: a network, a mount table and a host name of its own, held by open
//! descriptors, so that no anchor process is needed and closing them is enough to be rid of them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Command;
use std::sync::Arc;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::enter::{SCRATCH, namespace_inode};
use crate::{Error, Result, sys};

/// Sysctls of a fresh machine: addresses are usable at once, and nobody asks for routers.
///
/// The names exist in every kernel with IPv6; where `/proc/sys` is read-only they are left alone, and
/// `Builder::build` waits until the addresses are usable instead.
const SETTINGS: [(&str, &str); 8] = [
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/dad_transmits", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
    // Left to itself the kernel delays the first reports of a group membership by up to ten seconds.
    ("net/ipv6/conf/default/mldv2_unsolicited_report_interval", "10"),
    ("net/ipv4/ping_group_range", "0 0"),
    ("net/ipv4/conf/default/igmpv2_unsolicited_report_interval", "10"),
];

/// Open namespaces.
#[derive(Debug)]
pub(crate) struct Namespaces {
    name: String,
    net: File,
    mnt: File,
    uts: File,
    inode: u64,
}

impl Namespaces {
    /// Makes namespaces for a machine called `name`; `furnish` then runs inside, on a thread of its own.
    pub(crate) fn make(name: &str, furnish: impl FnOnce() -> Result<()> + Send) -> Result<Self> {
        on_thread(name, || {
            let doing = |what: &str| format!("{what} of {name}");
            // A new mount table implies a root and working directory that no other thread shares.
            sys::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWUTS)
                .map_err(|e| Error::system(doing("make the namespaces"), e))?;
            rustix::system::sethostname(name.as_bytes())
                .map_err(|e| Error::system(doing("set the host name"), e))?;
            private_mounts().map_err(|e| Error::system(doing("prepare the mounts"), e))?;
            for (setting, value) in SETTINGS {
                let _ = std::fs::write(format!("/proc/sys/{setting}"), value);
            }
            sys::link_up("lo").map_err(|e| Error::system(doing("bring up lo"), e))?;
            furnish()?;
            let open = |kind: &str| {
                File::open(format!("/proc/thread-self/ns/{kind}"))
                    .map_err(|e| Error::system(doing(&format!("open the {kind} namespace")), e))
            };
            let inode = namespace_inode("/proc/thread-self/ns/net")
                .map_err(|e| Error::system(doing("look at the namespace"), e))?;
            Ok(Self { name: name.to_owned(), net: open("net")?, mnt: open("mnt")?, uts: open("uts")?, inode })
        })
    }

    /// The network namespace.
    pub(crate) fn net(&self) -> BorrowedFd<'_> {
        self.net.as_fd()
    }

    /// The inode of the network namespace: its name in `/proc/PID/ns/net`.
    pub(crate) fn inode(&self) -> u64 {
        self.inode
    }

    /// Runs `job` inside, on a thread of its own.
    pub(crate) fn within<T: Send>(&self, job: impl FnOnce() -> T + Send) -> Result<T> {
        on_thread(&self.name, || {
            sys::unshare(UnshareFlags::FS)
                .and_then(|()| self.join())
                .map_err(|e| Error::system(format!("go into the namespaces of {}", self.name), e))?;
            Ok(job())
        })
    }

    /// Lets `command` run inside.
    pub(crate) fn admit(self: &Arc<Self>, command: &mut Command) {
        let inside = Arc::clone(self);
        sys::before_exec(command, move || sys::with_same_directory(|| inside.join()));
    }

    fn join(&self) -> io::Result<()> {
        move_into_link_name_space(self.net.as_fd(), Some(LinkNameSpaceType::Network))?;
        move_into_link_name_space(self.uts.as_fd(), Some(LinkNameSpaceType::HostNameAndNISDomainName))?;
        // The mounts last: they change what paths mean.
        Ok(move_into_link_name_space(self.mnt.as_fd(), Some(LinkNameSpaceType::Mount))?)
    }
}

/// A private `/run`, with the laboratory's scratch directory still in it, and a `/sys` that shows this network.
fn private_mounts() -> io::Result<()> {
    let none = None::<&std::ffi::CStr>;
    let quiet = MountFlags::NOSUID | MountFlags::NODEV;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let scratch = File::open(SCRATCH)?;
    mount("lab", "/run", "tmpfs", quiet, Some(c"mode=0755"))?;
    std::fs::create_dir(SCRATCH)?;
    let through = format!("/proc/thread-self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&scratch));
    mount_bind_recursive(through, SCRATCH)?;
    // Some programs look for interfaces there; not everywhere may an ordinary user mount it.
    let _ = mount("sysfs", "/sys", "sysfs", quiet | MountFlags::NOEXEC, none);
    Ok(())
}

/// Runs `job` on a new thread and waits for it; a panic goes on in the caller.
fn on_thread<T: Send>(name: &str, job: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn_scoped(scope, job)
            .map_err(|e| Error::system(format!("start a thread for {name}"), e))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

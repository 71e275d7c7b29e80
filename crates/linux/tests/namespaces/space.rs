//! Namespaces for tests: never the machine's own.

use crate::sys::{self, unshare};
use linux::links::Netns;
use linux::netlink::Netlink;
use node::io::InterfaceIndex;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Moves the (single-threaded) process into a network and mount namespace of its own, through a user
/// namespace if it is not root, and forbids the machine's network namespace to everything that follows.
pub(crate) fn leave_the_machine() -> Result<(), String> {
    let machine = linux::privileges::netns_inode().map_err(|error| format!("no /proc: {error}"))?;
    sys::forbid(machine);
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    if !uid.is_root() {
        unshare(UnshareFlags::NEWUSER).map_err(|error| format!("no user namespace: {error}"))?;
        let write = |path: &str, text: String| {
            std::fs::write(path, text).map_err(|error| format!("cannot write {path}: {error}"))
        };
        write("/proc/self/setgroups", "deny".into())?;
        write("/proc/self/uid_map", format!("0 {} 1", uid.as_raw()))?;
        write("/proc/self/gid_map", format!("0 {} 1", gid.as_raw()))?;
    }
    unshare(UnshareFlags::NEWNET | UnshareFlags::NEWNS)
        .map_err(|error| format!("no network namespace: {error}"))?;
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .map_err(|error| format!("cannot make the mounts private: {error}"))?;
    let here = linux::privileges::netns_inode().map_err(|error| format!("no /proc: {error}"))?;
    if here == machine { Err("still in the machine's network namespace".into()) } else { Ok(()) }
}

/// Gives the calling thread a fresh network namespace with `lo` up.
pub(crate) fn fresh() {
    unshare(UnshareFlags::NEWNET).expect("a network namespace");
    Netlink::open().expect("netlink").set_up("lo", true).expect("lo up");
}

/// The calling thread's network namespace, to come back to.
pub(crate) fn here() -> File {
    File::open("/proc/thread-self/ns/net").expect("the own network namespace")
}

/// Moves the calling thread into a network namespace.
pub(crate) fn enter(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("setns");
}

/// Makes another network namespace and stays in the old one.
pub(crate) fn another() -> File {
    let old = here();
    fresh();
    let new = here();
    enter(&old);
    new
}

/// Runs `work` in another network namespace.
pub(crate) fn inside<T>(namespace: &File, work: impl FnOnce() -> T) -> T {
    let old = here();
    enter(namespace);
    let result = work();
    enter(&old);
    result
}

/// Lays a cable from `name` here to `peer` in `place`, both ends up; returns both interface numbers.
pub(crate) fn cable(name: &str, peer: &str, place: &File) -> (InterfaceIndex, InterfaceIndex) {
    let mut netlink = Netlink::open().expect("netlink");
    netlink.create_veth(name, peer, Some(Netns::Fd(place.as_fd()))).expect("a cable");
    sysctl(&format!("ipv6/conf/{name}/accept_dad"), "0");
    netlink.set_up(name, true).expect("up");
    let other = inside(place, || {
        sysctl(&format!("ipv6/conf/{peer}/accept_dad"), "0");
        let mut netlink = Netlink::open().expect("netlink");
        netlink.set_up(peer, true).expect("up");
        netlink.link_index(peer).expect("index")
    });
    (netlink.link_index(name).expect("index"), other)
}

/// Writes `/proc/sys/net/...` of the calling thread's namespace.
pub(crate) fn sysctl(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/{name}"), value).expect("sysctl");
}

/// Sets an address.
pub(crate) fn address(interface: &str, address: &str, prefix: u8) -> IpAddr {
    let address: IpAddr = address.parse().expect("an address");
    Netlink::open().expect("netlink").add_address(interface, address, prefix).expect("address");
    address
}

/// Waits until `done` returns something, at most ten seconds.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < deadline, "in ten seconds not seen: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A path for a file or directory of this run; nothing is there.
pub(crate) fn scratch(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("standfast-test-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// Hears every frame that arrives on an interface.
pub(crate) struct Sniffer(socket2::Socket);

impl Sniffer {
    /// Listens on an interface of the calling thread's namespace.
    pub(crate) fn new(interface: InterfaceIndex) -> Self {
        let all = i32::from(3u16.to_be()); // ETH_P_ALL
        let socket = socket2::Socket::new(
            socket2::Domain::PACKET,
            socket2::Type::RAW.nonblocking(),
            Some(socket2::Protocol::from(all)),
        )
        .expect("a packet socket");
        socket.set_recv_buffer_size(8 << 20).expect("a receive buffer");
        let address = sys::link_address(interface);
        socket.bind(&address).expect("bound to one interface");
        Self(socket)
    }

    /// Sends a frame.
    pub(crate) fn send(&self, frame: &[u8]) {
        rustix::net::send(&self.0, frame, rustix::net::SendFlags::empty()).expect("sent");
    }

    /// What has arrived, without waiting.
    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = [0u8; 2048];
        while let Ok((len, _)) = rustix::net::recv(&self.0, &mut buffer[..], rustix::net::RecvFlags::empty())
        {
            frames.push(buffer[..len].to_vec());
        }
        frames
    }
}

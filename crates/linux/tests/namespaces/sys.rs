//! The few calls of these tests that are not safe by themselves.
#![allow(unsafe_code)]

use node::io::InterfaceIndex;
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Names the machine's network namespace for everything that follows. Only while no other thread exists.
pub(crate) fn forbid(machine: u64) {
    // SAFETY: the caller is the only thread, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var(linux::privileges::FORBID_NETNS, machine.to_string()) };
}

/// Leaves the namespaces that `flags` name.
pub(crate) fn unshare(flags: UnshareFlags) -> Result<(), rustix::io::Errno> {
    // SAFETY: descriptor tables (`FILES`) are never unshared here, which is the one danger that the function names.
    unsafe { unshare_unsafe(flags) }
}

/// The address of every frame on an interface.
pub(crate) fn link_address(interface: InterfaceIndex) -> socket2::SockAddr {
    // SAFETY: all-zero bytes are a valid sockaddr_ll, whose length is given.
    let ((), address) = unsafe {
        socket2::SockAddr::try_init(|storage, len| {
            let to = storage.cast::<libc::sockaddr_ll>();
            (*to).sll_family = libc::AF_PACKET.try_into().unwrap();
            (*to).sll_protocol = 3u16.to_be();
            (*to).sll_ifindex = interface.try_into().unwrap();
            *len = size_of::<libc::sockaddr_ll>().try_into().unwrap();
            Ok(())
        })
    }
    .expect("an address");
    address
}

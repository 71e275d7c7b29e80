//! A machine of the laboratory: what one can do to it, run in it and ask it.

use std::ffi::OsStr;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linux::netlink::Netlink;
use linux::privileges::FORBID_NETNS;
use wire::Mac;

use crate::capture::packet_socket;
use crate::laboratory::Switch;
use crate::namespaces::Namespaces;
use crate::watch::{Change, Watch};
use crate::{Cidr, Daemon, Deadline, Error, Result, bpf, enter, watch};

/// The interface that every machine has.
pub(crate) const ETH0: &str = "eth0";
/// Within this time links come up and addresses are usable, unless something is very wrong.
pub(crate) const READY: Duration = Duration::from_secs(10);

/// A machine: a network, mounts and a host name of its own. Clones are the same machine.
#[derive(Clone, Debug)]
pub struct Machine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    addresses: Vec<Cidr>,
    port: String,
    namespaces: Arc<Namespaces>,
    netlink: Mutex<Netlink>,
    switch: Arc<Switch>,
    directory: PathBuf,
    spawned: AtomicU32,
}

/// A machine on its way into the network.
#[derive(Debug)]
pub(crate) struct Joining {
    machine: Machine,
    interface: String,
    watch: Watch,
    mark: usize,
}

impl Joining {
    /// Waits until the link carries frames at both ends and the addresses can be used.
    pub(crate) fn wait(self) -> Result<()> {
        let Self { machine, interface, watch, mark } = self;
        let deadline = Deadline::from(READY);
        // The event, not the flag: the kernel sets the flag before it lets frames pass.
        let runs = |change: &Change| matches!(change, Change::Link { name, carrier: true, .. } if *name == interface);
        watch.wait_for("the link runs", deadline, |event| runs(&event.change))?;
        machine.0.switch.wait_until_forwarding(machine.port(), mark, deadline)?;
        let mut next = 0;
        while !machine.has_usable_addresses(&interface)? {
            (next, _) = watch.wait_from(next, "the addresses can be used", deadline, |_| true)?;
        }
        Ok(())
    }
}

impl Machine {
    /// Makes it and joins it to `port` of the switch. Its link is on its way up.
    pub(crate) fn make(
        name: &str,
        addresses: Vec<Cidr>,
        port: String,
        switch: &Arc<Switch>,
        directory: &Path,
    ) -> Result<(Self, Joining)> {
        let mut netlink = None;
        let namespaces = Namespaces::make(name, || {
            netlink = Some(Netlink::open()?);
            Ok(())
        })?;
        let netlink = Mutex::new(netlink.ok_or(Error::Outside)?);
        let machine = Self(Arc::new(Inner {
            name: name.to_owned(),
            addresses,
            port,
            namespaces: Arc::new(namespaces),
            netlink,
            switch: Arc::clone(switch),
            directory: directory.to_owned(),
            spawned: AtomicU32::new(0),
        }));
        let joining = machine.connect(ETH0)?;
        Ok((machine, joining))
    }

    /// Lays the cable, brings both ends up, and sets the addresses.
    fn connect(&self, interface: &str) -> Result<Joining> {
        let Inner { switch, port, namespaces, addresses, .. } = &*self.0;
        // Listening before doing: what happens in between is not missed.
        let joining = Joining {
            machine: self.clone(),
            interface: interface.to_owned(),
            watch: self.watch_addresses()?,
            mark: switch.mark(),
        };
        switch.lay_cable(port, interface, namespaces)?;
        let mut netlink = self.netlink();
        if let Some(first) = addresses.first() {
            netlink.set_mac(interface, first.mac())?;
        }
        switch.netlink().set_up(port, true)?;
        netlink.set_up(interface, true)?;
        // Not before: an interface that goes down and up again loses its IPv6 addresses.
        for cidr in addresses {
            netlink.add_address(interface, cidr.address, cidr.prefix)?;
        }
        drop(netlink);
        Ok(joining)
    }

    /// Whether the addresses of `interface` (the link-local one too, if there are others of IPv6) can be used.
    fn has_usable_addresses(&self, interface: &str) -> Result<bool> {
        let mut netlink = self.netlink();
        let index = netlink.link_index(interface)?;
        let mut all = netlink.dump_addresses()?;
        all.retain(|address| address.interface == index);
        let needs_local = self.0.addresses.iter().any(|cidr| cidr.address.is_ipv6());
        let is_local = |address: &node::io::Address| match address.address {
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
            IpAddr::V4(_) => false,
        };
        Ok(all.iter().all(|address| address.usable) && (!needs_local || all.iter().any(is_local)))
    }

    /// Its name, which is also its host name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The addresses that it was built with, the first of them first.
    #[must_use]
    pub fn own_addresses(&self) -> &[Cidr] {
        &self.0.addresses
    }

    pub(crate) fn port(&self) -> &str {
        &self.0.port
    }

    pub(crate) fn namespaces(&self) -> &Arc<Namespaces> {
        &self.0.namespaces
    }

    /// A netlink socket in this machine.
    pub fn netlink(&self) -> MutexGuard<'_, Netlink> {
        self.0.netlink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command that will run in this machine: in its network, with its mounts and host name.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some(inside) = enter::inside() {
            command.env(FORBID_NETNS, inside.machine_netns.to_string());
        }
        self.0.namespaces.admit(&mut command);
        command
    }

    /// Starts a program in this machine; `shape` gives it arguments, environment and so on.
    ///
    /// Its input is empty, its outputs are on the [`Daemon`]'s tape.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, program: impl AsRef<OsStr>, shape: impl FnOnce(&mut Command)) -> Result<Daemon> {
        let program = program.as_ref();
        let short = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
        let number = self.0.spawned.fetch_add(1, Ordering::Relaxed);
        let file = self.0.directory.join(format!("{}-{short}-{number}.log", self.name()));
        let mut command = self.command(program);
        shape(&mut command);
        Daemon::start(format!("{short} on {}", self.name()), command, file)
    }

    /// Runs `job` on a thread inside this machine: sockets that it opens are this machine's for ever.
    ///
    /// A panic in it goes on in the caller.
    ///
    /// # Errors
    /// When the thread cannot get in.
    pub fn within<T: Send>(&self, job: impl FnOnce() -> T + Send) -> Result<T> {
        self.0.namespaces.within(job)
    }

    /// Writes a file as this machine sees it (in its own `/run`, say), with its directories.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<()> {
        let (path, content) = (path.as_ref(), content.as_ref());
        let write = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, content)
        };
        self.within(write)?.map_err(|why| self.failed(&format!("write {}", path.display()), why))
    }

    /// Reads a file as this machine sees it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        self.within(|| fs::read_to_string(path))?
            .map_err(|why| self.failed(&format!("read {}", path.display()), why))
    }

    fn failed(&self, doing: &str, why: std::io::Error) -> Error {
        Error::system(format!("{doing} on {}", self.name()), why)
    }

    /// A file in the laboratory's directory, named after this machine; it has the same name everywhere.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.directory.join(format!("{}-{name}", self.name()))
    }

    /// The addresses of an interface, in the kernel's order, link-local ones included.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn addresses(&self, interface: &str) -> Result<Vec<Cidr>> {
        let mut netlink = self.netlink();
        let index = netlink.link_index(interface)?;
        let all = netlink.dump_addresses()?;
        let here = all.iter().filter(|address| address.interface == index);
        Ok(here.map(|address| Cidr { address: address.address, prefix: address.prefix }).collect())
    }

    /// Whether it has this address, on any interface.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn holds(&self, address: IpAddr) -> Result<bool> {
        Ok(self.netlink().dump_addresses()?.iter().any(|held| held.address == address))
    }

    /// Sets an address, as an administrator would.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn add_address(&self, interface: &str, address: Cidr) -> Result<()> {
        Ok(self.netlink().add_address(interface, address.address, address.prefix)?)
    }

    /// Removes an address, whoever set it.
    ///
    /// # Errors
    /// When it is not there.
    pub fn del_address(&self, interface: &str, address: Cidr) -> Result<()> {
        Ok(self.netlink().remove_address(interface, address.address, address.prefix)?)
    }

    /// Sets an interface down, as an administrator would on this machine.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn link_down(&self, interface: &str) -> Result<()> {
        Ok(self.netlink().set_up(interface, false)?)
    }

    /// Sets an interface up.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn link_up(&self, interface: &str) -> Result<()> {
        Ok(self.netlink().set_up(interface, true)?)
    }

    /// Deletes an interface.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn delete_link(&self, interface: &str) -> Result<()> {
        Ok(self.netlink().delete_link(interface)?)
    }

    /// Makes `interface` anew, after [`Machine::delete_link`]: a new cable, a new number, the machine's own addresses.
    ///
    /// # Errors
    /// When it is still there.
    pub fn recreate_link(&self, interface: &str) -> Result<()> {
        // The kernel deletes the other end of a cable together with this one, in the same breath.
        self.connect(interface)?.wait()
    }

    /// Renames an interface; it goes down for that moment, as older kernels demand, and loses its IPv6 addresses.
    ///
    /// # Errors
    /// When there is no such interface, or the name is taken.
    pub fn rename_link(&self, interface: &str, new: &str) -> Result<()> {
        let mut netlink = self.netlink();
        netlink.set_up(interface, false)?;
        netlink.rename(interface, new)?;
        Ok(netlink.set_up(new, true)?)
    }

    /// The Ethernet address of an interface.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn mac(&self, interface: &str) -> Result<Mac> {
        Ok(self.netlink().link(interface)?.mac)
    }

    /// Gives an interface another Ethernet address.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn set_mac(&self, interface: &str, mac: Mac) -> Result<()> {
        Ok(self.netlink().set_mac(interface, mac)?)
    }

    /// The kernel's number of an interface.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn link_index(&self, interface: &str) -> Result<u32> {
        Ok(self.netlink().link_index(interface)?)
    }

    /// Where this machine's `eth0` would send a packet for `address` on the same network: its ARP or neighbour
    /// table. `None`: it does not know.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn neighbour(&self, address: IpAddr) -> Result<Option<Mac>> {
        Ok(self.netlink().neighbour(ETH0, address)?.and_then(|neighbour| neighbour.mac))
    }

    /// Sends one Ethernet frame, whatever it says, out of an interface.
    ///
    /// # Errors
    /// When there is no such interface, or it is down.
    pub fn send_frame(&self, interface: &str, frame: &[u8]) -> Result<()> {
        let index = self.link_index(interface)?;
        let nothing = bpf::program([], 0, 0);
        let socket = self.within(|| packet_socket(index, Some(&nothing)))??;
        let sent = rustix::net::send(&socket, frame, rustix::net::SendFlags::empty());
        sent.map(drop).map_err(|why| self.failed(&format!("send a frame out of {interface}"), why.into()))
    }

    /// Listens to changes of addresses and links from now on.
    ///
    /// # Errors
    /// When the socket is refused.
    pub fn watch_addresses(&self) -> Result<Watch> {
        let socket = self.within(watch::open)??;
        Watch::start(self.name(), socket)
    }

    /// Waits until it holds `address` (or does not, if `held` is false); says when that was seen.
    ///
    /// # Errors
    /// [`Error::Late`].
    pub fn wait_until_holds(
        &self,
        address: IpAddr,
        held: bool,
        within: Duration,
    ) -> Result<timeline::Instant> {
        let watch = self.watch_addresses()?;
        if self.holds(address)? == held {
            return Ok(crate::now());
        }
        let changed = |change: &Change| match change {
            Change::Address { address: a, .. } => held && a.address == address,
            Change::AddressGone { address: a, .. } => !held && a.address == address,
            Change::Link { .. } | Change::LinkGone { .. } | Change::Port { .. } | Change::Lost => false,
        };
        let what = format!("{} {address}", if held { "holds" } else { "has let go of" });
        Ok(watch.wait_for(&what, within, |event| changed(&event.change))?.at)
    }
}

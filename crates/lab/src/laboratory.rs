//! A laboratory: some machines, and the switch that joins them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linux::netlink::Netlink;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::enter::SCRATCH;
use crate::loss::{Lossy, Traffic};
use crate::machine::{Joining, Machine, READY};
use crate::namespaces::Namespaces;
use crate::watch::{Change, Event, Watch};
use crate::{Cidr, Deadline, Error, Result, enter, processes, watch};

/// The bridge inside the switch.
const BRIDGE: &str = "br0";
/// Numbers the laboratories of this process; their directories must differ.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Some machines on one switch. Dropped: every process in them is killed, and all of it vanishes.
#[derive(Debug)]
pub struct Lab {
    switch: Arc<Switch>,
    machines: Vec<Machine>,
    directory: PathBuf,
}

/// The bridge, in a network namespace of its own.
#[derive(Debug)]
pub(crate) struct Switch {
    namespaces: Namespaces,
    netlink: Mutex<Netlink>,
    watch: Watch,
    isolated: Mutex<BTreeSet<String>>,
    next: AtomicU32,
}

impl Switch {
    fn make() -> Result<Self> {
        let mut made = None;
        let namespaces = Namespaces::make("switch", || {
            // A switch has no say in the network: no IPv6 of its own, so no packets of its own.
            for group in ["all", "default"] {
                let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{group}/disable_ipv6"), "1");
            }
            let mut opened = Netlink::open()?;
            opened.create_bridge(BRIDGE)?;
            opened.set_up(BRIDGE, true)?;
            made = Some((opened, watch::open()?));
            Ok(())
        })?;
        let (netlink, socket) = made.ok_or(Error::Outside)?;
        let watch = Watch::start("switch", socket)?;
        let isolated = Mutex::new(BTreeSet::new());
        Ok(Self { namespaces, netlink: Mutex::new(netlink), watch, isolated, next: AtomicU32::new(1) })
    }

    pub(crate) fn netlink(&self) -> MutexGuard<'_, Netlink> {
        self.netlink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// A number that this switch has not given out yet.
    pub(crate) fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The ports that reach only ports that are not among these.
    pub(crate) fn isolated(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.isolated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `port`, which became a port after `mark`, lets frames pass.
    ///
    /// Carrier is not enough: the bridge opens a port when it hears of the carrier, a little later.
    pub(crate) fn wait_until_forwarding(&self, port: &str, mark: usize, deadline: Deadline) -> Result<()> {
        let index = self.netlink().link_index(port)?;
        let open = |event: &Event| event.change == Change::Port { interface: index, forwarding: true };
        self.watch.wait_from(mark, &format!("{port} lets frames pass"), deadline, open).map(drop)
    }

    /// What has been heard of the ports so far: a mark for [`Switch::wait_until_forwarding`].
    pub(crate) fn mark(&self) -> usize {
        self.watch.events().mark()
    }

    /// Lays a cable from a port of the switch to an interface in `machine`; both ends are down.
    pub(crate) fn lay_cable(&self, port: &str, interface: &str, machine: &Namespaces) -> Result<()> {
        let mut netlink = self.netlink();
        netlink.create_veth(port, interface, Some(linux::links::Netns::Fd(machine.net())))?;
        netlink.set_master(port, Some(BRIDGE))?;
        Ok(())
    }
}

/// What a laboratory shall be. Made by [`Lab::builder`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    machines: Vec<(String, Vec<String>)>,
}

impl Builder {
    /// A machine with an IPv4 address on its `eth0`, and perhaps an IPv6 address: `"10.0.0.5/24"`, `"fd00:10::5/64"`.
    #[must_use]
    pub fn machine(self, name: &str, ipv4: &str, ipv6: Option<&str>) -> Self {
        self.machine_with(name, &[&[ipv4], ipv6.as_slice()].concat())
    }

    /// A machine with any addresses on its `eth0`, in this order; none is possible too.
    #[must_use]
    pub fn machine_with(mut self, name: &str, addresses: &[&str]) -> Self {
        self.machines.push((name.to_owned(), addresses.iter().map(|&text| text.to_owned()).collect()));
        self
    }

    /// Builds it: when this returns, the machines reach each other.
    ///
    /// # Errors
    /// Before [`enter`](crate::enter), for addresses or names that are none, and when the kernel refuses.
    pub fn build(self) -> Result<Lab> {
        enter::inside().ok_or(Error::Outside)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = Path::new(SCRATCH).join(format!("{}-{number}", std::process::id()));
        std::fs::create_dir(&directory)
            .map_err(|why| Error::system(format!("make the directory {}", directory.display()), why))?;
        let mut lab = Lab { switch: Arc::new(Switch::make()?), machines: Vec::new(), directory };
        let mut comings = Vec::new();
        for (name, addresses) in self.machines {
            if lab.machine(&name).is_ok() {
                return Err(Error::NoMachine(name));
            }
            let addresses = addresses.iter().map(|text| text.parse()).collect::<Result<Vec<Cidr>>>()?;
            let port = format!("port{}", lab.machines.len());
            let (machine, joining) = Machine::make(&name, addresses, port, &lab.switch, &lab.directory)?;
            lab.machines.push(machine);
            comings.push(joining);
        }
        // All links come up side by side.
        comings.into_iter().try_for_each(Joining::wait)?;
        Ok(lab)
    }
}

impl Lab {
    /// A laboratory to be.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The machine of that name.
    ///
    /// # Errors
    /// [`Error::NoMachine`].
    pub fn machine(&self, name: &str) -> Result<&Machine> {
        self.machines
            .iter()
            .find(|machine| machine.name() == name)
            .ok_or_else(|| Error::NoMachine(name.to_owned()))
    }

    /// All machines, in the order in which they were named.
    #[must_use]
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }

    /// A directory that all machines see under the same name; it vanishes with the laboratory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Lays a cable between two machines, past the switch: the interface `name` of both, each with its address. When
    /// this returns, it carries frames.
    ///
    /// # Errors
    /// When one of them has such an interface, and when the kernel refuses.
    pub fn join(&self, name: &str, ends: [(&Machine, Cidr); 2]) -> Result<()> {
        let [(one, _), (other, _)] = ends;
        let watches = [one.watch_addresses()?, other.watch_addresses()?];
        let far = linux::links::Netns::Fd(other.namespaces().net());
        one.netlink().create_veth(name, name, Some(far))?;
        for (machine, address) in ends {
            let mut netlink = machine.netlink();
            netlink.set_up(name, true)?;
            netlink.add_address(name, address.address, address.prefix)?;
        }
        for watch in watches {
            let runs =
                |change: &Change| matches!(change, Change::Link { name: n, carrier: true, .. } if n == name);
            watch.wait_for("the cable carries frames", READY, |event| runs(&event.change))?;
        }
        Ok(())
    }

    /// The cable between `machine` and the switch.
    #[must_use]
    pub fn cable<'a>(&'a self, machine: &'a Machine) -> Cable<'a> {
        Cable { switch: &self.switch, machine }
    }

    /// Lets `machines` not reach each other, while the others reach all of them and every link has carrier.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn isolate(&self, machines: &[&Machine]) -> Result<()> {
        for machine in machines {
            self.switch.isolated().insert(machine.port().to_owned());
            self.switch.netlink().set_isolated(machine.port(), true)?;
        }
        Ok(())
    }

    /// Ends all isolation.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn heal(&self) -> Result<()> {
        let ports = std::mem::take(&mut *self.switch.isolated());
        for port in ports {
            self.switch.netlink().set_isolated(&port, false)?;
        }
        Ok(())
    }

    /// Loses, at the switch, all `traffic` that comes from `machine`, until the result is dropped.
    ///
    /// # Errors
    /// When the kernel refuses or has no such filters.
    pub fn lose_from(&self, machine: &Machine, traffic: Traffic) -> Result<Lossy> {
        Lossy::from(&self.switch, machine.port(), traffic)
    }

    /// Loses, at the switch, all `traffic` that is on its way to `machine`, until the result is dropped.
    ///
    /// # Errors
    /// When the kernel refuses or has no such filters.
    pub fn lose_to(&self, machine: &Machine, traffic: Traffic) -> Result<Lossy> {
        Lossy::to(&self.switch, machine.port(), traffic)
    }

    /// Loses some of the `traffic` that comes from `machine`: the n-th frame if the n-th of `lost` says so, round and
    /// round. What is not lost is passed on by a thread of this process, some 0.1 ms late.
    ///
    /// # Errors
    /// When the kernel refuses or has no such filters.
    pub fn lose_pattern_from(&self, machine: &Machine, traffic: Traffic, lost: &[bool]) -> Result<Lossy> {
        let others = self.machines.iter().map(Machine::port).filter(|port| *port != machine.port());
        Lossy::pattern(&self.switch, machine.port(), others, traffic, lost)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // What left the family of its daemon (a second fork, say) is still in a namespace that is ours alone.
        for machine in &self.machines {
            for process in processes::in_netns(machine.namespaces().inode()) {
                let handle = Pid::from_raw(process.pid).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
                if let Some(Ok(handle)) = handle {
                    let _ = pidfd_send_signal(&handle, Signal::KILL);
                }
            }
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A cable, held at the switch's end.
#[derive(Debug)]
pub struct Cable<'a> {
    switch: &'a Switch,
    machine: &'a Machine,
}

impl Cable<'_> {
    /// Pulls it out: the machine loses carrier.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unplug(&self) -> Result<()> {
        Ok(self.switch.netlink().set_up(self.machine.port(), false)?)
    }

    /// Plugs it in again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn plug(&self) -> Result<()> {
        Ok(self.switch.netlink().set_up(self.machine.port(), true)?)
    }
}

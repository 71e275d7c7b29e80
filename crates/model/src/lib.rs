//! The typed configuration of a host: what the administrator wants, after every word of it was understood.
//!
//! The configuration language lowers to these types and the running host (`node`) reads nothing else, so a
//! second language, a control API or a test can speak to `node` without a parser. A value of these types
//! is possible by construction or refused by [`Host::check`].
//!
//! # What this is not
//! It holds no text positions and no comments (`config` has those), and nothing that changes while running.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod change;
mod check;
mod daemon;
mod filter;
mod fixed;
mod home;
mod notify;
mod script;
mod track;

pub use change::{Change, changes};
pub use check::Inconsistent;
pub use daemon::{Daemon, Dumps, LONGEST_PROCESS_NAME, ReloadFile, Scheduling};
pub use filter::Filter;
pub use fixed::{StaticAddress, TrackGroup};
pub use home::Home;
pub use notify::{Deleted, Fifo, HostNotify, Mail, MailServer, Notify};
pub use script::{Account, Command, Flaw, Hook, Scripts, TimedHook};
pub use track::{
    Bfd, File, InitialNumber, LinkDelay, ParameterMatch, Process, Script, SyncGroup, Tracked, Tracking,
    Weight,
};
pub use vrrp::{Blank, Rare};

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
pub use bfd::Settings as BfdSettings;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
pub use vrrp::{AnnounceSettings, Keyring, Mode as KeyMode, Peer, Replay, Settings};
pub use wire::trailer::Key;
use wire::{Family, Vrid};

/// The name of a network interface as the kernel knows it, 1..=15 bytes.
pub type InterfaceName = Arc<str>;

/// Everything one host is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// `router_id`: how this host names itself in messages; `None`: the host name.
    pub router_id: Option<String>,
    /// IPv4 group of multicast adverts (`vrrp_mcast_group4`).
    pub group_v4: Ipv4Addr,
    /// IPv6 group of multicast adverts (`vrrp_mcast_group6`).
    pub group_v6: Ipv6Addr,
    /// Time after the daemon's start in which no instance runs and no advert counts (`vrrp_startup_delay`).
    pub startup_delay: Duration,
    /// The same, counted from the start of the machine (`vrrp_delay_after_boot`). The later one counts.
    pub boot_delay: Duration,
    /// What the daemon itself is told.
    pub daemon: Daemon,
    /// The virtual routers, in the order of the file.
    pub instances: Vec<Instance>,
    /// Groups of instances that change state together, in the order of the file.
    pub groups: Vec<SyncGroup>,
    /// Addresses that are kept up all the time, in the order of the file.
    pub static_addresses: Vec<StaticAddress>,
    /// Groups of instances that go by the interfaces of those, in the order of the file.
    pub track_groups: Vec<TrackGroup>,
    /// Scripts, in the order of the file; each is tracked by something.
    pub scripts: Vec<Script>,
    /// Processes, in the order of the file; each is tracked by something.
    pub processes: Vec<Process>,
    /// Files, in the order of the file; each is tracked by something.
    pub files: Vec<File>,
    /// BFD sessions, in the order of the file.
    pub bfd: Vec<Bfd>,
    /// How long changes of links must last, each interface once.
    pub link_delays: Vec<LinkDelay>,
    /// What holds for all programs that are run.
    pub script_settings: Scripts,
    /// Who is told of all changes.
    pub notify: HostNotify,
    /// Mail about changes.
    pub mail: Mail,
    /// What drops packets for addresses that do not accept, if there are some.
    pub filter: Filter,
}

impl Host {
    /// Whether an address here does not accept: only then there is a filter.
    #[must_use]
    pub fn filters(&self) -> bool {
        self.instances.iter().any(|instance| !instance.accepts())
    }

    /// The same in memory of its own, in which a name that stands in many instances is there once. What has just been read
    /// is scattered over all the memory that reading took, and hardly any of that could be given back.
    #[must_use]
    pub fn gathered(&self) -> Self {
        let mut host = self.clone();
        let mut names = BTreeSet::<Arc<str>>::new();
        let mut gather = |name: &mut Arc<str>| {
            if let Some(known) = names.get(&**name) {
                *name = known.clone();
            } else {
                *name = Arc::from(&**name);
                names.insert(name.clone());
            }
        };
        for instance in &mut host.instances {
            gather(&mut instance.name);
            match &mut instance.home {
                Home::Interface(interface) => gather(interface),
                Home::Routed { vrf } => vrf.iter_mut().for_each(&mut gather),
            }
            let excluded = instance.excluded.written().into_iter().flatten();
            let addresses = instance.addresses.iter_mut().chain(excluded);
            let options = addresses.filter_map(|address| address.options.written());
            options.filter_map(|options| options.device.as_mut()).for_each(&mut gather);
            let tracked = instance.track_interfaces.written().into_iter().flatten();
            tracked.for_each(|tracked| gather(&mut tracked.interface));
        }
        host
    }
}

impl Default for Host {
    fn default() -> Self {
        Self {
            router_id: None,
            group_v4: wire::GROUP_V4,
            group_v6: wire::GROUP_V6,
            startup_delay: Duration::ZERO,
            boot_delay: Duration::ZERO,
            daemon: Daemon::default(),
            instances: Vec::new(),
            groups: Vec::new(),
            static_addresses: Vec::new(),
            track_groups: Vec::new(),
            scripts: Vec::new(),
            processes: Vec::new(),
            files: Vec::new(),
            bfd: Vec::new(),
            link_delays: Vec::new(),
            script_settings: Scripts::default(),
            notify: HostNotify::default(),
            mail: Mail::default(),
            filter: Filter::default(),
        }
    }
}

/// One virtual router on this host (a `vrrp_instance`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its name; unique in the host.
    pub name: Arc<str>,
    /// Where its adverts leave and arrive.
    pub home: Home,
    /// What the protocol needs to know.
    pub settings: Settings,
    /// `state MASTER` was written. It starts as Backup all the same, as keepalived's do: only priority 255 starts
    /// as Active.
    pub wants_active: bool,
    /// How adverts travel.
    pub transport: Transport,
    /// How adverts are authenticated.
    pub authentication: Authentication,
    /// Which checksum version 3 uses over IPv4 (CK-5).
    pub checksum: ChecksumForm,
    /// Addresses that are listed in adverts, in the order of the file; 1 or more of the router's family
    /// (0 only with `no_virtual_ipaddress`).
    pub addresses: Vec<VirtualAddress>,
    /// Addresses that move along but are not listed (`virtual_ipaddress_excluded`); any family.
    pub excluded: Rare<Vec<VirtualAddress>>,
    /// Further interfaces whose link state counts.
    pub track_interfaces: Rare<Vec<TrackedInterface>>,
    /// What else is tracked.
    pub tracking: Rare<Tracking>,
    /// The own interface's link state does not count (`dont_track_primary`).
    pub ignore_own_link: bool,
    /// A source address that is written but not there is a fault (`track_src_ip`).
    pub track_source: bool,
    /// Who is told of its changes.
    pub notify: Rare<Notify>,
    /// It was asked for what RFC 3768 or RFC 9568 say to the letter (`strict_mode`, `vrrp_strict`).
    pub strict: bool,
    /// Accept_Mode of RFC 9568, as it was written (`accept`, `no_accept`): without it, packets for the addresses are
    /// dropped. The address owner accepts all the same: [`Instance::accepts`].
    pub accept: bool,
    /// Pauses between announcements.
    pub gaps: Rare<Gaps>,
    /// Do not compare the address list of further adverts of the known Active router.
    pub skip_check_known_leader: bool,
    /// Accept unicast adverts only from listed peers (`check_unicast_src`).
    pub check_unicast_source: bool,
}

impl Instance {
    /// One that says no more than it must: everything else is as if no line spoke of it.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        home: impl Into<Home>,
        settings: Settings,
        addresses: Vec<VirtualAddress>,
    ) -> Self {
        Self {
            name: name.into(),
            home: home.into(),
            settings,
            wants_active: false,
            transport: Transport::Multicast { group: None, source: None },
            authentication: Authentication::None,
            checksum: ChecksumForm::default(),
            addresses,
            excluded: Rare::default(),
            track_interfaces: Rare::default(),
            tracking: Rare::default(),
            ignore_own_link: false,
            track_source: false,
            notify: Rare::default(),
            strict: false,
            accept: true,
            gaps: Rare::default(),
            skip_check_known_leader: false,
            check_unicast_source: false,
        }
    }

    /// What makes this virtual router *this* one, across a reload (CON-12; keepalived matches the same way).
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            home: self.home.clone(),
            vrid: self.settings.vrid,
            family: self.settings.family,
            unicast: matches!(self.transport, Transport::Unicast { .. }),
        }
    }

    /// Whether hosts may speak to its addresses while it is Active.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.accept || self.settings.priority.is_owner()
    }

    /// All addresses that this instance holds while Active: the listed ones, then the excluded ones.
    pub fn held_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.addresses.iter().chain(&*self.excluded)
    }

    /// The interface on which a virtual address belongs; [`Host::check`] knows none without.
    #[must_use]
    pub fn device_of<'a>(&'a self, address: &'a VirtualAddress) -> Option<&'a InterfaceName> {
        address.options.device.as_ref().or_else(|| self.home.interface())
    }
}

/// Pauses between the announcements of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Between two gratuitous ARPs (`vrrp_garp_interval`, `garp_group`).
    pub arp: Duration,
    /// Between two unsolicited Neighbor Advertisements.
    pub na: Duration,
}

impl Blank for Gaps {
    const BLANK: &'static Self = &Self { arp: Duration::ZERO, na: Duration::ZERO };
}

/// Identity of a virtual router on a host: where it speaks, VRID, family, and whether it speaks unicast.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Where its adverts leave and arrive.
    pub home: Home,
    /// Its VRID.
    pub vrid: Vrid,
    /// Its family.
    pub family: Family,
    /// Unicast or multicast.
    pub unicast: bool,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} VRID {} {}", self.home, self.vrid, self.family)?;
        if self.unicast { f.write_str(" unicast") } else { Ok(()) }
    }
}

/// How adverts travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// To the VRRP group.
    Multicast {
        /// The group, when it is not the host's ([`Host::group_v4`], [`Host::group_v6`]).
        group: Option<IpAddr>,
        /// Source address; `None`: the interface's primary (IPv4) or link-local (IPv6) address.
        source: Option<IpAddr>,
    },
    /// To each listed peer (UNI-1).
    Unicast {
        /// Source address; `None`: the interface's primary address.
        source: Option<IpAddr>,
        /// The peers, each once, all of the router's family.
        peers: Vec<Peer>,
        /// TTL or hop limit of sent adverts.
        ttl: u8,
    },
}

impl Transport {
    /// The source address that was chosen.
    #[must_use]
    pub const fn source(&self) -> Option<IpAddr> {
        match self {
            Self::Multicast { source, .. } | Self::Unicast { source, .. } => *source,
        }
    }
}

/// How adverts are authenticated: RFC 2338 section 5.3.6 in version 2, or keepalived's signed trailer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// None (the only one of RFC 3768 and of version 3).
    None,
    /// Plain text of up to 8 bytes. It guards against mistakes only (AUTH-5).
    Password(Secret),
    /// IPsec Authentication Header, HMAC-MD5-96, as keepalived speaks it.
    Header(Secret),
    /// A signed trailer behind each advert, in either version (`auth_hmac`).
    Keyed(Arc<Keyring>),
}

/// Eight secret bytes, zero-padded. Never shown: `Debug` prints dots.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 8]);

impl Secret {
    /// The first 8 bytes of `text`, padded with zeros (AUTH-2, AUTH-4).
    #[must_use]
    pub fn cut(text: &[u8]) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
        }
        Self(bytes)
    }

    /// The bytes, for the wire only.
    #[must_use]
    pub const fn reveal(&self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// Which checksum a version 3 advert over IPv4 carries (CK-3, CK-4, CK-5). On receipt, unless fixed, both
/// are accepted and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChecksumForm {
    /// With the IPv4 pseudo-header, as deployed routers send and require it; accepts both.
    #[default]
    PseudoHeader,
    /// Over the message alone, as RFC 9568 says (`v3_checksum_as_v2`); accepts both.
    Message,
}

/// An address that moves with the Active role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length; 32 or 128 unless written.
    pub prefix: u8,
    /// What else is written of it.
    pub options: Rare<AddressOptions>,
}

impl VirtualAddress {
    /// An address with every option at its default and the prefix of a host.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        let prefix = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Self { address, prefix, options: Rare::default() }
    }

    /// The same with these options.
    #[must_use]
    pub fn with(self, options: AddressOptions) -> Self {
        Self { options: options.into(), ..self }
    }
}

/// What a line says of a virtual address beside the address and its prefix. Most say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressOptions {
    /// The interface that carries it, when it is not the instance's.
    pub device: Option<InterfaceName>,
    /// Routing scope number (0 global, 200 site, 253 link, 254 host); IPv4 only.
    pub scope: u8,
    /// Label, IPv4 only.
    pub label: Option<String>,
    /// Broadcast address, IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// IPv6: run Duplicate Address Detection (`-nodad` was written; without it DAD is off, ND-10).
    pub detect_duplicates: bool,
    /// Peer address of a point-to-point link, with its own prefix length in `prefix`.
    pub peer: Option<IpAddr>,
    /// Do not create the prefix route (`noprefixroute`).
    pub no_prefix_route: bool,
    /// IPv6 Mobile IP home address flag (`home`).
    pub home: bool,
    /// IPv6 preferred lifetime in seconds; `None`: forever, or 0 for a /128 (as keepalived does).
    pub preferred_lifetime: Option<u32>,
    /// Ignore the link state of its interface (`no_track`).
    pub no_track: bool,
}

impl Blank for AddressOptions {
    const BLANK: &'static Self = &Self {
        device: None,
        scope: 0,
        label: None,
        broadcast: None,
        detect_duplicates: false,
        peer: None,
        no_prefix_route: false,
        home: false,
        preferred_lifetime: None,
        no_track: false,
    };
}

impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A further interface whose link state counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedInterface {
    /// Its name.
    pub interface: InterfaceName,
    /// 0: down means fault. Positive: added while up. Negative: subtracted while down. -253..=253.
    pub weight: i16,
    /// Count "down" as "up" and the reverse.
    pub reverse: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_gathered_host_is_the_same_with_each_name_once() {
        let instance = |vrid: u8| {
            let settings = Settings::new(wire::Version::V3, Family::V4, Vrid::new(vrid).unwrap());
            let mut address = VirtualAddress::host("10.0.0.3".parse().unwrap());
            address.options.device = Some("eth1".into());
            Instance::new(
                alloc::format!("VI_{vrid}"),
                Home::Interface("eth0".into()),
                settings,
                vec![address],
            )
        };
        let host = Host { instances: vec![instance(1), instance(2)], ..Host::default() };
        let gathered = host.gathered();
        assert_eq!(gathered, host);
        let [one, two] = &gathered.instances[..] else { panic!("two") };
        let (Home::Interface(a), Home::Interface(b)) = (&one.home, &two.home) else { panic!("interfaces") };
        assert!(Arc::ptr_eq(a, b));
        let device = |instance: &Instance| instance.addresses[0].options.device.clone().unwrap();
        assert!(Arc::ptr_eq(&device(one), &device(two)));
        assert!(!Arc::ptr_eq(&one.name, &host.instances[0].name));
    }
}

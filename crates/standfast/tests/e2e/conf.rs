//! Configurations as tests need them: a virtual router in one of its protocol flavours, with what the test wants
//! differently.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// What goes over the wire: the version, the family, how adverts are addressed and authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Version 2 without authentication.
    V2,
    /// Version 2 with a password: the reference scenario.
    V2Pass,
    /// Version 2 inside an Authentication Header.
    V2Ah,
    /// Version 2 to a unicast peer.
    V2Unicast,
    /// Version 3 over IPv4.
    V3,
    /// Version 3 over IPv6.
    V3Ipv6,
    /// Version 3 to a unicast peer.
    V3Unicast,
}

/// The node with the higher priority.
pub(crate) const LB01: &str = "lb01";
/// The other one.
pub(crate) const LB02: &str = "lb02";

impl Flavour {
    /// The protocol version.
    pub(crate) fn version(self) -> u8 {
        match self {
            Self::V2 | Self::V2Pass | Self::V2Ah | Self::V2Unicast => 2,
            Self::V3 | Self::V3Ipv6 | Self::V3Unicast => 3,
        }
    }

    pub(crate) fn is_ipv6(self) -> bool {
        self == Self::V3Ipv6
    }

    pub(crate) fn is_unicast(self) -> bool {
        matches!(self, Self::V2Unicast | Self::V3Unicast)
    }

    /// The address that clients use.
    pub(crate) fn service(self) -> IpAddr {
        if self.is_ipv6() { ip("fd00:10::3") } else { ip("10.0.0.3") }
    }

    /// The virtual router as `machine` has it: 150 and MASTER on lb01, 100 and BACKUP elsewhere.
    pub(crate) fn instance(self, machine: &str) -> Instance {
        let first = machine == LB01;
        let mut instance = Instance::new("VI_1", 50);
        instance.state = if first { "MASTER" } else { "BACKUP" };
        instance.priority = if first { 150 } else { 100 };
        instance.addresses = vec![self.service().to_string()];
        if self.is_ipv6() {
            // The list begins with the link-local address of the virtual router.
            instance.addresses = vec!["fe80::3".into(), "fd00:10::3".into()];
        }
        if self.version() == 3 {
            instance.lines.push("version 3".into());
        }
        match self {
            Self::V2Pass => instance.lines.push(authentication("PASS")),
            Self::V2Ah => instance.lines.push(authentication("AH")),
            Self::V2Unicast | Self::V3Unicast => {
                let (own, peer) = if first { (5, 6) } else { (6, 5) };
                instance.lines.push(format!("unicast_src_ip 10.0.0.{own}"));
                instance.lines.push(format!("unicast_peer {{\n        10.0.0.{peer}\n    }}"));
            }
            Self::V2 | Self::V3 | Self::V3Ipv6 => {}
        }
        instance
    }
}

fn authentication(kind: &str) -> String {
    format!("authentication {{\n        auth_type {kind}\n        auth_pass 1111\n    }}")
}

/// A `vrrp_instance` block.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) vrid: u8,
    pub(crate) state: &'static str,
    pub(crate) interface: String,
    pub(crate) priority: u8,
    /// Seconds, as they are written.
    pub(crate) interval: String,
    pub(crate) lines: Vec<String>,
    pub(crate) addresses: Vec<String>,
}

impl Instance {
    /// One that starts as BACKUP with the ordinary priority, on `eth0`, without addresses.
    pub(crate) fn new(name: &str, vrid: u8) -> Self {
        Self {
            name: name.into(),
            vrid,
            state: "BACKUP",
            interface: "eth0".into(),
            priority: 100,
            interval: "1".into(),
            lines: Vec::new(),
            addresses: Vec::new(),
        }
    }

    pub(crate) fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    pub(crate) fn every(mut self, seconds: &str) -> Self {
        self.interval = seconds.into();
        self
    }

    pub(crate) fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    pub(crate) fn state(mut self, state: &'static str) -> Self {
        self.state = state;
        self
    }

    pub(crate) fn address(mut self, address: impl Into<String>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// The file with this instance alone.
    pub(crate) fn file(&self) -> String {
        file(std::slice::from_ref(self))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "vrrp_instance {} {{", self.name)?;
        writeln!(f, "    state {}\n    interface {}", self.state, self.interface)?;
        writeln!(f, "    virtual_router_id {}\n    priority {}", self.vrid, self.priority)?;
        writeln!(f, "    advert_int {}", self.interval)?;
        for line in &self.lines {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "    virtual_ipaddress {{")?;
        for address in &self.addresses {
            writeln!(f, "        {address}")?;
        }
        writeln!(f, "    }}\n}}")
    }
}

/// A whole file.
pub(crate) fn file(instances: &[Instance]) -> String {
    instances.iter().map(ToString::to_string).collect()
}

/// The scenario's file for a node, word for word: braces where its author put them.
pub(crate) fn scenario(machine: &str) -> String {
    let (state, priority) = if machine == LB01 { ("MASTER", 150) } else { ("BACKUP", 100) };
    format!(
        "global_defs {{
    router_id {machine}
}}

vrrp_instance VI_1 {{
    state {state}
    interface eth0
    virtual_router_id 50
    priority {priority}
    advert_int 1
    authentication {{
        auth_type PASS
        auth_pass 1111
}}
    virtual_ipaddress {{
        10.0.0.3
    }}
}}
"
    )
}

/// The time that a lower priority waits longer.
pub(crate) fn skew(version: u8, priority: u8, interval: Duration) -> Duration {
    let share = u32::from(u8::MAX - priority) + 1;
    if version == 2 { Duration::from_secs(1) * share / 256 } else { interval * share / 256 }
}

/// After this much silence of the Active router, a Backup takes over.
pub(crate) fn master_down(version: u8, priority: u8, interval: Duration) -> Duration {
    interval * 3 + skew(version, priority, interval)
}

/// An address in a test.
pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

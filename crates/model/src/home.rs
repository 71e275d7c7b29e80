//! Where a virtual router speaks on its host.

use crate::InterfaceName;
use core::fmt;

/// Where the adverts of an instance leave and arrive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Home {
    /// On this interface (`interface`).
    Interface(InterfaceName),
    /// Unicast that leaves wherever routing leads and may arrive on any interface.
    Routed {
        /// The VRF device whose routing table and ports these are; `None`: what belongs to no VRF.
        vrf: Option<InterfaceName>,
    },
}

impl Home {
    /// The interface, if it has one.
    #[must_use]
    pub const fn interface(&self) -> Option<&InterfaceName> {
        match self {
            Self::Interface(name) => Some(name),
            Self::Routed { .. } => None,
        }
    }

    /// The VRF device, if it has one.
    #[must_use]
    pub const fn vrf(&self) -> Option<&InterfaceName> {
        match self {
            Self::Interface(_) => None,
            Self::Routed { vrf } => vrf.as_ref(),
        }
    }

    /// The device that it cannot do without: its interface or its VRF.
    #[must_use]
    pub fn device(&self) -> Option<&InterfaceName> {
        self.interface().or_else(|| self.vrf())
    }

    /// Whether routing decides where its adverts leave.
    #[must_use]
    pub const fn is_routed(&self) -> bool {
        matches!(self, Self::Routed { .. })
    }
}

impl From<InterfaceName> for Home {
    fn from(name: InterfaceName) -> Self {
        Self::Interface(name)
    }
}

impl From<&str> for Home {
    fn from(name: &str) -> Self {
        Self::Interface(name.into())
    }
}

/// As a person would name it: `eth0`, `VRF red`, `no interface`.
impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => f.write_str(name),
            Self::Routed { vrf: Some(vrf) } => write!(f, "VRF {vrf}"),
            Self::Routed { vrf: None } => f.write_str("no interface"),
        }
    }
}

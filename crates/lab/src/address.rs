//! An address with its prefix length, as people write it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use wire::Mac;

use crate::{Error, Result};

/// An address and the length of its network's prefix: `10.0.0.5/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    /// The address.
    pub address: IpAddr,
    /// The prefix length.
    pub prefix: u8,
}

impl Cidr {
    /// The longest prefix of the family: the address alone.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix }
    }

    /// A locally administered Ethernet address that tells its owner: 02:00 and the end of the address.
    #[must_use]
    pub(crate) fn mac(self) -> Mac {
        let [a, b, c, d] = match self.address {
            IpAddr::V4(v4) => v4.octets(),
            IpAddr::V6(v6) => {
                v6.to_bits().to_le_bytes().first_chunk().map_or([0; 4], |&[a, b, c, d]| [d, c, b, a])
            }
        };
        Mac([2, 0, a, b, c, d])
    }
}

impl FromStr for Cidr {
    type Err = Error;

    /// Reads `address/prefix`; without a prefix it is the address alone.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::NoCidr(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let host = Self::host(address.parse().map_err(|_| wrong())?);
        match prefix {
            Some(prefix) if prefix > host.prefix => Err(wrong()),
            Some(prefix) => Ok(Self { prefix, ..host }),
            None => Ok(host),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_writes_and_refuses_the_rest() {
        for text in ["10.0.0.5/24", "fd00:10::5/64", "10.0.0.3/32"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        assert_eq!("10.0.0.3".parse::<Cidr>().unwrap().to_string(), "10.0.0.3/32");
        for text in ["", "10.0.0.3/33", "10.0.0/24", "fd00::/129", "10.0.0.3/x"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_ethernet_address_tells_whose_it_is() {
        assert_eq!("10.0.0.5/24".parse::<Cidr>().unwrap().mac().to_string(), "02:00:0a:00:00:05");
        assert_eq!("fd00:10::5/64".parse::<Cidr>().unwrap().mac().to_string(), "02:00:00:00:00:05");
    }
}

//! The wire format against the conformance list: every worked vector, every requirement that bytes can show,
//! properties over all bytes, and another implementation as the oracle.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should panic")]

mod ah;
mod announce;
mod bfd;
mod checksum;
mod frame;
mod ip;
mod message;
mod negative;
mod oracle;
mod properties;
mod vectors;
mod worked;

use std::net::IpAddr;

use wire::checksum::Sum;
use wire::message::{Auth, Outgoing, Unencodable};
use wire::{Interval, Priority, Version, Vrid};

/// The bytes of a literal.
fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "half a byte in {text}");
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn pseudo(source: &str, destination: &str) -> Sum {
    Sum::PseudoHeader { source: ip(source), destination: ip(destination) }
}

/// An advert that owns its addresses, so that a test is one line.
#[derive(Clone, Debug)]
struct Advert {
    version: Version,
    vrid: u8,
    priority: u8,
    centis: u16,
    addresses: Vec<IpAddr>,
    auth: Auth,
}

impl Advert {
    fn v2(vrid: u8, priority: u8, seconds: u8, addresses: &[&str]) -> Self {
        Self::new(Version::V2, vrid, priority, u16::from(seconds) * 100, addresses)
    }

    fn v3(vrid: u8, priority: u8, centis: u16, addresses: &[&str]) -> Self {
        Self::new(Version::V3, vrid, priority, centis, addresses)
    }

    fn new(version: Version, vrid: u8, priority: u8, centis: u16, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|text| ip(text)).collect();
        Self { version, vrid, priority, centis, addresses, auth: Auth::None }
    }

    fn auth(self, auth: Auth) -> Self {
        Self { auth, ..self }
    }

    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            version: self.version,
            vrid: Vrid::new(self.vrid).expect("a VRID"),
            priority: Priority(self.priority),
            interval: Interval::from_centis(self.centis).expect("an interval"),
            addresses: &self.addresses,
            auth: self.auth,
        }
    }

    fn emit(&self, sum: Sum) -> Result<Vec<u8>, Unencodable> {
        let mut out = Vec::new();
        self.outgoing().emit(sum, &mut out).map(|()| out)
    }

    #[track_caller]
    fn assert_is(&self, sum: Sum, expected: &str) {
        assert_eq!(self.emit(sum), Ok(hex(expected)), "{self:?}");
    }
}

//! Ancillary data (`cmsg(3)`) as bytes: written and read without pointers.
//!
//! A control message is a header (length in a `usize`, level, type) and data, padded to the size of a `usize`.

use std::ffi::c_int;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Room for the control messages of one datagram, aligned as the kernel writes them.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space(pub(crate) [u8; 256]);

impl Space {
    pub(crate) const EMPTY: Self = Self([0; 256]);
}

const WORD: usize = size_of::<usize>();
/// Length of `struct cmsghdr` as the kernel sees it.
const HEADER: usize = WORD + 8;
/// `SO_TIMESTAMPNS` with 64-bit seconds on every machine (Linux 5.1); the message has the same number.
pub(crate) const SO_TIMESTAMPNS_NEW: c_int = 64;
/// `SO_RXQ_OVFL`.
pub(crate) const SO_RXQ_OVFL: c_int = 40;

const fn align(len: usize) -> usize {
    (len + WORD - 1) & !(WORD - 1)
}

/// Appends control messages to a [`Space`].
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    space: &'a mut Space,
    len: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(space: &'a mut Space) -> Self {
        Self { space, len: 0 }
    }

    /// How many bytes are written.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Appends one message. What does not fit is left out; the callers' few small messages always fit.
    pub(crate) fn push(&mut self, level: c_int, kind: c_int, data: &[u8]) {
        let whole = HEADER + data.len();
        let Some(to) = self.space.0.get_mut(self.len..self.len + align(whole)) else { return };
        to.fill(0);
        to[..WORD].copy_from_slice(&whole.to_ne_bytes());
        to[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        to[WORD + 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        to[HEADER..whole].copy_from_slice(data);
        self.len += align(whole);
    }

    /// `IP_PKTINFO`: leave through this interface (0: routing decides), routed as if from `source`.
    pub(crate) fn packet_info_v4(&mut self, interface: u32, source: Ipv4Addr) {
        let mut data = [0; 12];
        data[..4].copy_from_slice(&interface.to_ne_bytes());
        data[4..8].copy_from_slice(&source.octets());
        self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &data);
    }

    /// `IPV6_PKTINFO`: leave through this interface (0: routing decides) with this source.
    pub(crate) fn packet_info_v6(&mut self, interface: u32, source: Ipv6Addr) {
        let mut data = [0; 20];
        data[..16].copy_from_slice(&source.octets());
        data[16..].copy_from_slice(&interface.to_ne_bytes());
        self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data);
    }

    /// `IPV6_HOPLIMIT`.
    pub(crate) fn hop_limit(&mut self, hops: u8) {
        self.push(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &c_int::from(hops).to_ne_bytes());
    }
}

/// What the control messages of a received datagram said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The interface on which it arrived; 0: not said.
    pub(crate) interface: u32,
    /// IPv6 destination.
    pub(crate) destination_v6: Option<Ipv6Addr>,
    /// TTL or IPv6 hop limit.
    pub(crate) hop_limit: Option<u8>,
    /// Wall-clock time of arrival, since 1970.
    pub(crate) stamp: Option<Duration>,
    /// How many datagrams this socket has dropped so far for want of buffer; wraps.
    pub(crate) dropped: Option<u32>,
}

impl Said {
    /// Reads control messages; ends at the first that is cut short.
    pub(crate) fn read(mut control: &[u8]) -> Self {
        let mut said = Self::default();
        while let Some(len) = control.first_chunk().map(|bytes| usize::from_ne_bytes(*bytes)) {
            let Some(data) = control.get(HEADER..len) else { break };
            if let (Some(level), Some(kind)) = (int(control, WORD), int(control, WORD + 4)) {
                said.take(level, kind, data);
            }
            control = control.get(align(len)..).unwrap_or(&[]);
        }
        said
    }

    fn take(&mut self, level: c_int, kind: c_int, data: &[u8]) {
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => self.interface = word(data, 0).unwrap_or(0),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                self.destination_v6 = data.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes));
                self.interface = word(data, 16).unwrap_or(0);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) | (libc::IPPROTO_IP, libc::IP_TTL) => {
                self.hop_limit = int(data, 0).and_then(|hops| u8::try_from(hops).ok());
            }
            (libc::SOL_SOCKET, SO_TIMESTAMPNS_NEW) => self.stamp = timespec(data),
            (libc::SOL_SOCKET, SO_RXQ_OVFL) => self.dropped = word(data, 0),
            _ => {}
        }
    }
}

fn int(bytes: &[u8], at: usize) -> Option<c_int> {
    Some(c_int::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn timespec(data: &[u8]) -> Option<Duration> {
    let seconds = i64::from_ne_bytes(data.get(..8)?.try_into().ok()?);
    let nanos = i64::from_ne_bytes(data.get(8..16)?.try_into().ok()?);
    Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut space = Space::EMPTY;
        let mut writer = Writer::new(&mut space);
        writer.packet_info_v6(7, Ipv6Addr::LOCALHOST);
        writer.hop_limit(255);
        let mut stamp = 5i64.to_ne_bytes().to_vec();
        stamp.extend(9i64.to_ne_bytes());
        writer.push(libc::SOL_SOCKET, SO_TIMESTAMPNS_NEW, &stamp);
        writer.push(libc::SOL_SOCKET, SO_RXQ_OVFL, &3u32.to_ne_bytes());
        writer.push(1, 9999, &[1]);
        let len = writer.len();
        let said = Said::read(&space.0[..len]);
        assert_eq!(
            said,
            Said {
                interface: 7,
                destination_v6: Some(Ipv6Addr::LOCALHOST),
                hop_limit: Some(255),
                stamp: Some(Duration::new(5, 9)),
                dropped: Some(3),
            }
        );
        for end in 0..len {
            let _ = Said::read(&space.0[..end]);
        }
    }

    #[test]
    fn a_length_that_lies_ends_the_list() {
        for len in [0usize, 3, 15, 17, usize::MAX, usize::MAX - 7] {
            let mut space = Space::EMPTY;
            space.0[..WORD].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(Said::read(&space.0), Said::default());
        }
    }
}

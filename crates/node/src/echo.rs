//! The advert that a Backup hears again and again. What says, byte for byte, what the last believed one has said is believed
//! for the same reasons and does the same: it puts the takeover off. So it is compared with that and not checked anew, which
//! asks for a few lines of memory instead of a dozen; and a thousand routers do not fit into a processor's cache.
//!
//! It holds until anything but adverts and time comes to the node, or anything else happens to the router.

use crate::io::{Datagram, Frame, InterfaceIndex};
use core::fmt;
use core::mem::size_of;
use timeline::Duration;
use vrrp::{Admitted, Authentication, SumForm};
use wire::Version;

/// The longest advert that is compared: of IPv4, version 3 with 12 addresses or version 2 with 10; of IPv6, with two, of
/// which the first is link-local. Longer ones are checked each time.
const ROOM: usize = 76;
/// Source, destination and hop limit of IPv6, which do not come with the payload.
const V6: usize = 34;

/// What was said, where, and what it did.
#[repr(C)]
pub(crate) struct Echo {
    interface: InterfaceIndex,
    len: u8,
    said: [u8; ROOM],
    /// The time of the node in which it was believed.
    era: u64,
    /// So long after it a takeover is due.
    pub(crate) span: Duration,
}

/// Not what was said: that may be a password.
impl fmt::Debug for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interface, len, era, span, .. } = self;
        write!(f, "Echo({len} bytes on {interface}, in era {era}, for {span:?})")
    }
}

impl Echo {
    /// Nothing was said that may be compared.
    pub(crate) const NONE: Self =
        Self { interface: 0, len: 0, said: [0; ROOM], era: 0, span: Duration::ZERO };

    /// Something has happened to the router.
    pub(crate) const fn forget(&mut self) {
        self.len = 0;
    }

    /// Of an advert that was believed without any remark, and not for what changes from one to the next. `era` is a number
    /// that never comes back once anything has happened by which another would be judged otherwise.
    pub(crate) fn of(
        frame: &Frame<'_>,
        (version, authentication): (Version, &Authentication),
        admitted: &Admitted,
        era: u64,
        span: Duration,
    ) -> Self {
        let remarks = &admitted.remarks;
        let is_plain = match authentication {
            Authentication::None | Authentication::Password(_) => true,
            Authentication::Header(_) | Authentication::Keyed(_) => false,
        };
        let is_odd = remarks.address_list_differs
            || remarks.interval_differs
            || remarks.confirms_wall_clock
            || version == Version::V3 && remarks.sum == SumForm::Message;
        if !is_plain || is_odd {
            return Self::NONE;
        }
        let mut said = [0; ROOM];
        let Some(len) = write(&frame.datagram, &mut said) else { return Self::NONE };
        Self { interface: frame.interface, len, said, era, span }
    }

    /// Whether this says the same, in the same place, and nothing has happened in between.
    pub(crate) fn repeats(&self, frame: &Frame<'_>, era: u64) -> bool {
        if self.len == 0 || self.era != era || self.interface != frame.interface {
            return false;
        }
        let Some(said) = self.said.get(..usize::from(self.len)) else { return false };
        match frame.datagram {
            Datagram::V4(bytes) => bytes.len() == said.len() && pieces(bytes) == pieces(said),
            Datagram::V6 { source, destination, hop_limit, payload } => {
                let head = v6_head(source.octets(), destination.octets(), hop_limit);
                said.split_at_checked(V6) == Some((&head, payload))
            }
        }
    }
}

/// An IPv4 packet without what says nothing: its identification, which the kernel counts up, and the checksum of its header,
/// which follows from the rest and has been checked.
fn pieces(packet: &[u8]) -> [Option<&[u8]>; 3] {
    [packet.get(..4), packet.get(6..10), packet.get(12..)]
}

fn v6_head(source: [u8; 16], destination: [u8; 16], hop_limit: Option<u8>) -> [u8; V6] {
    let mut head = [0; V6];
    let limit = [u8::from(hop_limit.is_some()), hop_limit.unwrap_or(0)];
    let all = source.into_iter().chain(destination).chain(limit);
    head.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    head
}

/// Writes a datagram as it is compared. `None`: there is no room for it.
fn write(datagram: &Datagram<'_>, to: &mut [u8; ROOM]) -> Option<u8> {
    let (head, rest) = match *datagram {
        Datagram::V4(bytes) => ([0; V6], bytes),
        Datagram::V6 { source, destination, hop_limit, payload } => {
            (v6_head(source.octets(), destination.octets(), hop_limit), payload)
        }
    };
    let head: &[u8] = if matches!(datagram, Datagram::V4(_)) { &[] } else { &head };
    let len = head.len() + rest.len();
    to.get_mut(..head.len())?.copy_from_slice(head);
    to.get_mut(head.len()..len)?.copy_from_slice(rest);
    u8::try_from(len).ok().filter(|len| *len > 0)
}

// What each advert asks for lies together.
const _: () = assert!(size_of::<Echo>() <= 112);

#[cfg(test)]
mod tests {
    use super::*;
    use timeline::Instant;
    use vrrp::{Advertisement, Remarks};
    use wire::{Interval, Priority};

    fn admitted(change: impl Fn(&mut Remarks)) -> Admitted {
        let source = [10, 0, 0, 5].into();
        let (priority, interval, at) = (Priority(100), Interval::SECOND, Instant::EPOCH);
        let mut remarks = Remarks {
            address_list_differs: false,
            interval_differs: false,
            sum: SumForm::PseudoHeader,
            confirms_wall_clock: false,
        };
        change(&mut remarks);
        Admitted { advertisement: Advertisement { source, priority, interval, at }, remarks }
    }

    const fn v4(bytes: &[u8]) -> Frame<'_> {
        Frame { interface: 2, at: Instant::EPOCH, datagram: Datagram::V4(bytes) }
    }

    fn echo(frame: &Frame<'_>) -> Echo {
        let plain = (Version::V3, &Authentication::None);
        Echo::of(frame, plain, &admitted(|_| {}), 7, Duration::ZERO)
    }

    #[test]
    fn each_byte_counts_but_those_that_say_nothing() {
        let packet: [u8; 32] = core::array::from_fn(|at| u8::try_from(at).unwrap());
        let echo = echo(&v4(&packet));
        assert!(echo.repeats(&v4(&packet), 7));
        for at in 0..packet.len() {
            let mut other = packet;
            other[at] ^= 1;
            assert_eq!(echo.repeats(&v4(&other), 7), matches!(at, 4 | 5 | 10 | 11), "byte {at}");
        }
        assert!(!echo.repeats(&v4(&packet[..31]), 7), "shorter");
        assert!(!echo.repeats(&v4(&packet), 8), "something has happened");
        assert!(!echo.repeats(&Frame { interface: 3, ..v4(&packet) }, 7), "elsewhere");
        assert!(!Echo::NONE.repeats(&v4(&[]), 0));
    }

    #[test]
    fn of_ipv6_the_addresses_and_the_hop_limit_count_too() {
        let frame = |source: u16, destination: u16, hop_limit, payload| {
            let [source, destination] =
                [source, destination].map(|last| [0xfe80, 0, 0, 0, 0, 0, 0, last].into());
            Frame {
                interface: 2,
                at: Instant::EPOCH,
                datagram: Datagram::V6 { source, destination, hop_limit, payload },
            }
        };
        let payload = [5; 24];
        let first = frame(1, 2, Some(255), &payload);
        let echo = echo(&first);
        assert!(echo.repeats(&first, 7));
        for other in [
            frame(3, 2, Some(255), &payload),
            frame(1, 3, Some(255), &payload),
            frame(1, 2, Some(0), &payload),
            frame(1, 2, None, &payload),
            frame(1, 2, Some(255), &payload[..23]),
            frame(1, 2, Some(255), &[6; 24]),
        ] {
            assert!(!echo.repeats(&other, 7), "{other:?}");
        }
    }

    #[test]
    fn what_was_odd_or_is_never_the_same_or_too_long_is_checked_each_time() {
        let bytes = [1; ROOM + 1];
        let frame = v4(&bytes[..32]);
        let of = |version, authentication: &Authentication, change: fn(&mut Remarks)| {
            Echo::of(&frame, (version, authentication), &admitted(change), 7, Duration::ZERO)
                .repeats(&frame, 7)
        };
        let none = Authentication::None;
        assert!(of(Version::V3, &none, |_| {}));
        assert!(
            of(Version::V2, &none, |remarks| remarks.sum = SumForm::Message),
            "the only form that it has"
        );
        assert!(!of(Version::V3, &none, |remarks| remarks.sum = SumForm::Message), "counted");
        assert!(!of(Version::V3, &none, |remarks| remarks.address_list_differs = true));
        assert!(!of(Version::V3, &none, |remarks| remarks.interval_differs = true));
        assert!(!of(Version::V3, &none, |remarks| remarks.confirms_wall_clock = true));
        let sealed = Authentication::Header(wire::ah::Key::new(*b"secret00"));
        assert!(!of(Version::V2, &sealed, |_| {}), "its sequence number counts");
        assert!(!echo(&v4(&bytes)).repeats(&v4(&bytes), 7));
        assert!(echo(&v4(&bytes[..ROOM])).repeats(&v4(&bytes[..ROOM]), 7));
    }
}

//! BFD control packets (RFC 5880 section 4.1): the 24 bytes by which two neighbours know that the path between them
//! is alive.
//!
//! Intervals are microseconds here as on the wire (BTRAP-1). What a packet means for a session is `bfd::Session`'s
//! business; what is refused here is what the text says to discard before any session is asked (section 6.8.6).

use core::fmt;

/// The bytes of a packet without authentication, the only ones that are written here.
pub const LEN: usize = 24;
/// UDP destination port between neighbours on one link (RFC 5881 section 4, BCON-1).
pub const PORT: u16 = 3784;
/// UDP destination port over several hops (RFC 5883 section 5).
pub const MULTIHOP_PORT: u16 = 4784;
/// The first source port that a session may send from; the last is 65535 (RFC 5881 section 4, BCON-2).
pub const FIRST_SOURCE_PORT: u16 = 49152;

/// The shortest packet that says it is authenticated.
const LEN_AUTHENTICATED: u8 = 26;
const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const INDEPENDENT: u8 = 0x08;
const AUTHENTICATED: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// Where a session stands (RFC 5880 section 4.1, BCON-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum State {
    /// Held down by the administrator.
    AdminDown,
    /// Nothing is heard.
    #[default]
    Down,
    /// The neighbour is heard; whether it hears us is not known yet.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    const fn of(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// Why a session last left Up, 0 to 31; any number may come (BCON-9, BWIRE-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Diagnostic(pub u8);

impl Diagnostic {
    /// Nothing is the matter.
    pub const NONE: Self = Self(0);
    /// Nothing was heard for a Detection Time.
    pub const EXPIRED: Self = Self(1);
    /// The neighbour says that it does not hear us.
    pub const NEIGHBOR_DOWN: Self = Self(3);
    /// The administrator wants it down.
    pub const ADMIN_DOWN: Self = Self(7);
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "No Diagnostic",
            1 => "Control Detection Time Expired",
            2 => "Echo Function Failed",
            3 => "Neighbor Signaled Session Down",
            4 => "Forwarding Plane Reset",
            5 => "Path Down",
            6 => "Concatenated Path Down",
            7 => "Administratively Down",
            8 => "Reverse Concatenated Path Down",
            other => return write!(f, "Diagnostic {other}"),
        })
    }
}

/// A control packet without authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Control {
    /// Why the sender's session last left Up.
    pub diagnostic: Diagnostic,
    /// Where the sender's session stands.
    pub state: State,
    /// P: the sender asks for an answer with `is_final`.
    pub poll: bool,
    /// F: the answer to a poll.
    pub is_final: bool,
    /// C: the sender's BFD outlives its control plane. Never sent.
    pub independent: bool,
    /// D: the sender wants no periodic packets while both are Up. Never sent (BWIRE-5).
    pub demand: bool,
    /// The sender is silent if it sends none of so many packets in a row; not 0.
    pub multiplier: u8,
    /// The sender's name for the session; not 0.
    pub my_discriminator: u32,
    /// The receiver's name for the session; 0: the sender does not know it.
    pub your_discriminator: u32,
    /// The sender would like to send this often; microseconds.
    pub desired_min_tx: u32,
    /// The sender takes packets this often; microseconds, 0: none.
    pub required_min_rx: u32,
    /// The sender takes echo packets this often; microseconds, 0: none. Sent as 0 (BCON-6).
    pub required_min_echo_rx: u32,
}

/// Why bytes are not a packet that may be believed, in the order in which they are asked (BRX-1 to BRX-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// Shorter than any packet.
    Short,
    /// Not version 1.
    Version,
    /// The length that it states is too small, or beyond its end.
    Length,
    /// Detect Mult is 0.
    Multiplier,
    /// The Multipoint bit is set.
    Multipoint,
    /// My Discriminator is 0.
    MyDiscriminator,
    /// Your Discriminator is 0 in a state that is reached only by who knows it.
    YourDiscriminator,
    /// It is authenticated, and no authentication is in use.
    Authenticated,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "it is shorter than a BFD packet",
            Self::Version => "it is not of BFD version 1",
            Self::Length => "the length in it is wrong",
            Self::Multiplier => "its detection multiplier is 0",
            Self::Multipoint => "its multipoint bit is set",
            Self::MyDiscriminator => "its own discriminator is 0",
            Self::YourDiscriminator => "it claims a session that it cannot name",
            Self::Authenticated => "it is authenticated, and no authentication is in use",
        })
    }
}

impl Control {
    /// Reads the payload of a UDP datagram. What stands behind the packet is ignored (BWIRE-4).
    ///
    /// # Errors
    /// The first reason to discard it.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let Some(packet) = bytes.first_chunk::<LEN>() else { return Err(Refused::Short) };
        let [first, flags, multiplier, len, rest @ ..] = *packet;
        if first >> 5 != 1 {
            return Err(Refused::Version);
        }
        let authenticated = flags & AUTHENTICATED != 0;
        let least = if authenticated { LEN_AUTHENTICATED } else { 24 };
        if len < least || usize::from(len) > bytes.len() {
            return Err(Refused::Length);
        }
        if multiplier == 0 {
            return Err(Refused::Multiplier);
        }
        if flags & MULTIPOINT != 0 {
            return Err(Refused::Multipoint);
        }
        let word = |at: usize| {
            rest.get(at..at + 4).and_then(|b| b.first_chunk()).copied().map_or(0, u32::from_be_bytes)
        };
        let control = Self {
            diagnostic: Diagnostic(first & 0x1f),
            state: State::of(flags >> 6),
            poll: flags & POLL != 0,
            is_final: flags & FINAL != 0,
            independent: flags & INDEPENDENT != 0,
            demand: flags & DEMAND != 0,
            multiplier,
            my_discriminator: word(0),
            your_discriminator: word(4),
            desired_min_tx: word(8),
            required_min_rx: word(12),
            required_min_echo_rx: word(16),
        };
        if control.my_discriminator == 0 {
            return Err(Refused::MyDiscriminator);
        }
        // The packet's state, not ours: a neighbour that restarted is heard by a session that is Up (BTRAP-3).
        if control.your_discriminator == 0 && !matches!(control.state, State::Down | State::AdminDown) {
            return Err(Refused::YourDiscriminator);
        }
        if authenticated {
            return Err(Refused::Authenticated);
        }
        Ok(control)
    }

    /// The bytes of the packet. P and F are never both set (BWIRE-3): an answer wins.
    #[must_use]
    pub fn write(&self) -> [u8; LEN] {
        let bit = |set: bool, mask: u8| if set { mask } else { 0 };
        let mut packet = [0; LEN];
        packet[0] = 1 << 5 | self.diagnostic.0 & 0x1f;
        packet[1] = self.state.bits() << 6
            | bit(self.poll && !self.is_final, POLL)
            | bit(self.is_final, FINAL)
            | bit(self.independent, INDEPENDENT)
            | bit(self.demand, DEMAND);
        packet[2] = self.multiplier;
        packet[3] = 24;
        packet[4..8].copy_from_slice(&self.my_discriminator.to_be_bytes());
        packet[8..12].copy_from_slice(&self.your_discriminator.to_be_bytes());
        packet[12..16].copy_from_slice(&self.desired_min_tx.to_be_bytes());
        packet[16..20].copy_from_slice(&self.required_min_rx.to_be_bytes());
        packet[20..24].copy_from_slice(&self.required_min_echo_rx.to_be_bytes());
        packet
    }
}

//! Any packets, orders and times for the BFD sessions of a host: each packet is counted once, no timer is forgotten, and
//! what is said of a neighbour is what its session says.

use arbitrary::{Result, Unstructured};
use model::Bfd;
use node::io::{Errno, Fact};
use node::sessions::{Effect, Input, Packet, Reach, SessionId, Sessions};
use node::status::Status;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use timeline::{Duration, Instant, Machine};
use wire::Family;
use wire::bfd::{Control, State};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Plays what the bytes say.
///
/// # Panics
/// When a rule is broken.
pub fn check(bytes: &[u8]) {
    let mut world = World {
        sessions: Sessions::new(7),
        now: Instant::from_nanos(1_000_000_000_000),
        told: BTreeMap::new(),
        names: BTreeMap::new(),
        packets: 0,
        stopped: false,
    };
    let mut u = Unstructured::new(bytes);
    while !u.is_empty() && world.step(&mut u).is_ok() {}
}

struct World {
    sessions: Sessions,
    now: Instant,
    told: BTreeMap<Arc<str>, Reach>,
    /// Our discriminators, by neighbour, as packets named them.
    names: BTreeMap<SessionId, u32>,
    packets: u64,
    stopped: bool,
}

impl World {
    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=15_u8)? {
            0 | 1 => self.configure(u)?,
            2 => {
                let session = SessionId(u.int_in_range(0..=4)?);
                self.give(Input::Unsent { session, errno: Errno(u.arbitrary()?) });
            }
            3 => {
                let family = if u.arbitrary()? { Family::V4 } else { Family::V6 };
                let why = if u.arbitrary()? { Some(Errno(u.arbitrary()?)) } else { None };
                self.give(Input::NoSocket { family, multihop: u.arbitrary()?, why });
            }
            4 if u.ratio(1, 8)? => {
                self.give(Input::Stop);
                self.stopped = true;
            }
            5..=9 => self.packet(u)?,
            _ => self.wait(u)?,
        }
        self.compare();
        Ok(())
    }

    fn configure(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let mut list: Vec<Bfd> = Vec::new();
        for name in NAMES {
            if u.arbitrary()? {
                let neighbor = address(u)?;
                if list.iter().any(|bfd| bfd.neighbor == neighbor) {
                    continue;
                }
                let mut bfd = Bfd::new(name, neighbor);
                bfd.settings.min_tx = u.int_in_range(1_000..=2_000_000)?;
                bfd.settings.min_rx = u.int_in_range(1_000..=2_000_000)?;
                bfd.settings.multiplier = u.int_in_range(1..=255)?;
                bfd.settings.passive = u.arbitrary()?;
                bfd.max_hops = u.arbitrary()?;
                bfd.multihop = u.arbitrary()?;
                list.push(bfd);
            }
        }
        // A session that begins anew says anew what it has to say.
        self.told.clear();
        self.give(Input::Configure(&list));
        Ok(())
    }

    fn packet(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let mut bytes: [u8; 24] = u.arbitrary()?;
        if u.ratio(7, 8)? {
            (bytes[0], bytes[1], bytes[3]) = (bytes[0] & 0x1f | 0x20, bytes[1] & 0xfa, 24);
            let known: Vec<u32> = self.names.values().copied().collect();
            let named = if known.is_empty() || u.ratio(1, 4)? { 0 } else { *u.choose(&known)? };
            bytes[8..12].copy_from_slice(&named.to_be_bytes());
        }
        let len = if u.ratio(1, 16)? { u.int_in_range(0..=24)? } else { 24 };
        let hop_limit = *u.choose(&[Some(255), Some(255), Some(254), Some(64), None])?;
        let at = self.now - Duration::from_millis(u.int_in_range(0..=20)?);
        let (source, multihop) = (address(u)?, u.arbitrary()?);
        if !self.stopped {
            self.packets += 1;
        }
        self.give(Input::Packet(Packet { source, hop_limit, multihop, at, bytes: &bytes[..len] }));
        Ok(())
    }

    fn wait(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        self.now = match self.sessions.deadline() {
            Some(at) if u.ratio(3, 4)? => self.now.max(at),
            _ => self.now + Duration::from_micros(u.int_in_range(0..=5_000_000)?),
        };
        self.give(Input::Elapsed);
        assert!(self.sessions.deadline().is_none_or(|at| at > self.now), "it would spin");
        Ok(())
    }

    fn give(&mut self, input: Input<'_>) {
        let mut effects = Vec::new();
        self.sessions.handle(self.now, input, &mut effects);
        assert!(effects.len() <= 64, "a storm: {effects:?}");
        for effect in effects {
            match effect {
                Effect::Send { session, bytes } => {
                    let control = Control::read(&bytes).unwrap_or_else(|why| panic!("{why}: {bytes:?}"));
                    assert!(!(control.poll && control.is_final), "BWIRE-3");
                    let slow = control.state == State::Up || control.desired_min_tx >= 1_000_000;
                    assert!(slow, "BVAR-6: {control:?}");
                    self.names.insert(session, control.my_discriminator);
                }
                Effect::Fact(Fact::Bfd { name, reach }) => {
                    assert!(!self.stopped, "nobody is asked any more");
                    assert_ne!(self.told.insert(name, reach), Some(reach), "told twice");
                }
                Effect::Fact(other) => panic!("{other:?}"),
                Effect::Report(_) => {}
            }
        }
    }

    /// No packet is counted twice.
    fn compare(&self) {
        let mut status: Status = node::Node::new().status(self.now);
        self.sessions.describe(&mut status);
        let discarded: u64 = status.bfd_discards.iter().map(|(_, count)| count).sum();
        assert!(discarded <= self.packets, "more discards than packets");
        assert!(self.sessions.paths().count() <= NAMES.len());
    }
}

fn address(u: &mut Unstructured<'_>) -> Result<IpAddr> {
    let n = u.int_in_range(1..=3)?;
    Ok(if u.ratio(3, 4)? {
        IpAddr::from([10, 0, 0, n])
    } else {
        IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, n.into()])
    })
}

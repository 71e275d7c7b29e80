//! What happens to a cluster, as data, and what came of it.

use crate::cluster::Cluster;
use crate::forge::Forgery;
use crate::lan::Path;
use crate::oracles::{self, Violation};
use crate::programs::Course;
use crate::trace::Trace;
use crate::world::World;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::Host;
use node::event::{Disbelieved, Fault, Standing};
use node::io::{Errno, Unread};
use node::sessions::Reach;
use timeline::{Duration, Instant};
use vrrp::Why;
use wire::{Priority, Vrid};

/// Something that happens to the world. Machines are numbers: their places in [`Cluster::machines`]. What somebody does
/// on a machine that sleeps or is paused happens as soon as it is awake.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // Fields are named for what they are; the variants say the rest.
pub enum Step {
    /// The machine is switched on, if it is off, and its daemon starts.
    Start(usize),
    /// The daemon is told to end.
    Stop(usize),
    /// The machine is off: it holds nothing and hears nothing.
    PowerLost(usize),
    /// The daemon dies; `cleaned`: its supervisor removes what it held.
    Crash { machine: usize, cleaned: bool },
    /// The worker of the daemon dies. If that leaves the time, its supervisor lets another one go on with what it held,
    /// which has read its configuration after so long; if not, or if it was the second death within a minute, what was held
    /// is removed, and another one starts a second later.
    Replace { machine: usize, time: Duration },
    /// The next worker begins: follows of itself from [`Step::Replace`].
    Succeed(usize),
    /// What the next worker has not gone on with in time is removed: follows of itself from [`Step::Replace`].
    Revoke(usize),
    /// The configuration becomes another, and nobody has been told yet.
    Edit { machine: usize, host: Box<Host> },
    /// The configuration becomes another, and the daemon is told to read it, which takes `reading`.
    Reload { machine: usize, host: Box<Host>, reading: Duration },
    /// The daemon does not run for so long. Its kernel does: it holds, hears and stores.
    Freeze { machine: usize, time: Duration },
    /// The machine sleeps for so long: it hears nothing and answers for nothing. Its clock goes on.
    Suspend { machine: usize, time: Duration },
    /// The machine, a virtual one, stands still for so long, and its clock with it. What comes for it waits.
    Pause { machine: usize, time: Duration },
    /// The thread that sends adverts does not run for so long.
    Stall { machine: usize, time: Duration },
    /// What the thread that sets addresses needs for each order from now on.
    Hand { machine: usize, time: Duration },
    /// The thread that obeys signals, reads configurations and writes logs does not run for so long.
    Desk { machine: usize, time: Duration },
    /// The wall clock is put forward (or back) by so much. Nothing may come of it.
    Wall { machine: usize, millis: i64 },
    /// An interface is set up or down.
    Up { machine: usize, interface: Arc<str>, up: bool },
    /// An interface vanishes, with all that is on it (`false`), or comes back under a new number (`true`).
    Present { machine: usize, interface: Arc<str>, present: bool },
    /// An interface is called something else from now on.
    Rename { machine: usize, interface: Arc<str>, name: Arc<str> },
    /// The machine's own addresses on an interface are removed (`false`), or set again (`true`).
    Own { machine: usize, interface: Arc<str>, there: bool },
    /// Somebody on the segment makes up an advert for one of the instances here. Nobody may believe it.
    Forged { machine: usize, instance: usize, forgery: Forgery, priority: u8 },
    /// The daemon ends without a word and leaves everything as it is (`--dont-release-vrrp`).
    Abandon(usize),
    /// A cable is plugged in or pulled.
    Carrier { machine: usize, interface: Arc<str>, on: bool },
    /// Somebody removes a virtual address.
    Steal { machine: usize, address: IpAddr },
    /// Somebody removes a virtual address, and the notification of it is lost.
    Unseen { machine: usize, address: IpAddr },
    /// The kernel refuses to set an address from now on, or no longer.
    Refuse { machine: usize, address: IpAddr, refused: bool },
    /// Notifications and adverts were lost because nobody fetched them.
    Overrun(usize),
    /// How runs of a script go that begin from now on.
    Check { machine: usize, script: Arc<str>, course: Course },
    /// A tracked file says something else now.
    File { machine: usize, file: Arc<str>, value: Result<i32, Unread> },
    /// So many processes match a tracked one now.
    Processes { machine: usize, process: Arc<str>, count: Result<u32, Errno> },
    /// The neighbour of a BFD session is so now: sessions are told of, not played.
    Bfd { machine: usize, session: Arc<str>, reach: Reach },
    /// What happens to frames from one machine to another from now on, on one segment or (`None`) on all.
    Path { segment: Option<u8>, from: usize, to: usize, path: Path },
    /// All that was done to network and machines is undone, and every daemon runs with the configuration that its
    /// machine had first.
    Heal,
}

/// A cluster, and what happens to it. At first all machines are on and no daemon runs.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The cluster.
    pub cluster: Cluster,
    /// What happens, and when; in any order.
    pub steps: Vec<(Duration, Step)>,
    /// So long it is watched.
    pub length: Duration,
    /// Decides all chance: clocks, losses, delays.
    pub seed: u64,
}

/// An instance stands elsewhere now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Fields are named for what they are.
pub struct Moved {
    pub at: Instant,
    pub machine: usize,
    pub instance: Arc<str>,
    pub from: Standing,
    pub to: Standing,
    pub why: Why,
    pub faults: Vec<Fault>,
    pub disbelieved: Option<Disbelieved>,
}

/// A machine answers for a virtual address from now on, or no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// When.
    pub at: Instant,
    /// Which machine.
    pub machine: usize,
    /// Which address.
    pub address: IpAddr,
    /// It is set, and the machine's kernel runs. What the daemon knows of it does not matter.
    pub is_held: bool,
}

/// A machine told its network of an address: the first gratuitous ARP or Neighbor Advertisement of a burst.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Fields are named for what they are.
pub struct Announced {
    pub at: Instant,
    pub machine: usize,
    pub interface: Arc<str>,
    pub address: IpAddr,
}

/// An advert left a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Fields are named for what they are.
pub struct Advert {
    pub at: Instant,
    pub machine: usize,
    pub interface: Arc<str>,
    pub vrid: Vrid,
    pub priority: Priority,
    pub source: IpAddr,
    pub destination: IpAddr,
}

/// What came of a [`Scene`]; each list in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Everything.
    pub trace: Trace,
    /// Instances that changed their state. A daemon that dies moves nothing: see [`Self::runs`].
    pub moves: Vec<Moved>,
    /// Who answers for which virtual address.
    pub held: Vec<Held>,
    /// Who told the network of addresses.
    pub announced: Vec<Announced>,
    /// Adverts that left a machine.
    pub adverts: Vec<Advert>,
    /// When daemons began to run (true) and ceased to.
    pub runs: Vec<(Instant, usize, bool)>,
    /// What must never happen and did.
    pub violations: Vec<Violation>,
}

/// Lets a scene happen. The same scene gives the same record, byte for byte.
#[must_use]
pub fn play(scene: &Scene) -> Record {
    let mut world = World::new(scene);
    let mut violations: Vec<Violation> = Vec::new();
    let ended = world.run_until(Instant::EPOCH + scene.length, |world| {
        if let Err(violation) = oracles::look_always(world)
            && !violations.iter().any(|known| known.is_like(&violation))
        {
            violations.push(violation);
        }
        Ok(())
    });
    violations.extend(ended.err());
    Record { violations, ..world.into_record() }
}

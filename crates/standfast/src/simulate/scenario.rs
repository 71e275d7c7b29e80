//! What happens, and what is expected, as data.

use std::net::IpAddr;
use std::time::Duration;

use model::Host;

/// What happens, and what is expected of it.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// How it is called: a built-in name, or the file.
    pub(crate) name: String,
    /// One line about it.
    pub(crate) title: String,
    /// What to say below the result: what it means, and what to do about it.
    pub(crate) remarks: Vec<Remark>,
    /// What happens, in the order of time.
    pub(crate) acts: Vec<(Duration, Act)>,
    /// The statements as they were written, in the order of time.
    pub(crate) told: Vec<(Duration, String)>,
    /// What is expected.
    pub(crate) expectations: Vec<Expectation>,
    /// The end.
    pub(crate) until: Duration,
}

/// What a result means, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remark {
    /// It is about two owners: without these there is nothing to say.
    pub(crate) about_two: bool,
    /// The text.
    pub(crate) text: &'static str,
}

/// Something that happens. Numbers are those of nodes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// The daemon is started.
    Start(usize),
    /// The daemon is told to end.
    Stop(usize),
    /// The daemon dies; its supervisor removes what it held and starts another.
    Crash(usize),
    /// The machine has no power any more.
    PowerOff(usize),
    /// The machine boots, and its daemon starts.
    PowerOn(usize),
    /// The machine, a virtual one, stands still for so long.
    Pause(usize, Duration),
    /// The daemon does not run for so long; its kernel does.
    Freeze(usize, Duration),
    /// The daemon reads another configuration.
    Reload(usize, Box<Host>),
    /// Nothing from the first reaches the second.
    Cut(usize, usize),
    /// So many percent of what the first sends never reach the second.
    Lose(usize, usize, u8),
    /// What the first sends reaches the second so much later.
    Delay(usize, usize, Duration),
    /// All is well from the first to the second.
    Mend(usize, usize),
    /// Nothing reaches the node or leaves it; its link is up.
    Isolate(usize),
    /// The node's port at the switch forwards again.
    Rejoin(usize),
    /// All is well with the network.
    Heal,
    /// The cable of an interface is plugged in (true) or pulled.
    Cable(usize, Option<String>, bool),
    /// From now on, a script succeeds or fails on the node.
    Script(usize, String, bool),
    /// From now on, a BFD session is up or down on the node.
    Bfd(usize, String, bool),
    /// Somebody removes an address by hand.
    Remove(usize, IpAddr),
}

impl Act {
    /// The node whose life an act is about.
    pub(crate) const fn subject(&self) -> Option<usize> {
        match self {
            Self::Start(node)
            | Self::Stop(node)
            | Self::Crash(node)
            | Self::PowerOff(node)
            | Self::PowerOn(node)
            | Self::Pause(node, _)
            | Self::Freeze(node, _)
            | Self::Reload(node, _) => Some(*node),
            Self::Cut(..)
            | Self::Lose(..)
            | Self::Delay(..)
            | Self::Mend(..)
            | Self::Isolate(_)
            | Self::Rejoin(_)
            | Self::Heal
            | Self::Cable(..)
            | Self::Script(..)
            | Self::Bfd(..)
            | Self::Remove(..) => None,
        }
    }

    /// Whether clients can reach a node (`None`: every node) from now on.
    pub(crate) const fn reach(&self) -> Option<(Option<usize>, bool)> {
        match self {
            Self::Isolate(node) | Self::Cable(node, _, false) => Some((Some(*node), false)),
            Self::Rejoin(node) | Self::Cable(node, _, true) => Some((Some(*node), true)),
            Self::Heal => Some((None, true)),
            Self::Start(_)
            | Self::Stop(_)
            | Self::Crash(_)
            | Self::PowerOff(_)
            | Self::PowerOn(_)
            | Self::Pause(..)
            | Self::Freeze(..)
            | Self::Reload(..)
            | Self::Cut(..)
            | Self::Lose(..)
            | Self::Delay(..)
            | Self::Mend(..)
            | Self::Script(..)
            | Self::Bfd(..)
            | Self::Remove(..) => None,
        }
    }
}

/// Something that is expected.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expectation {
    /// As it was written.
    pub(crate) text: String,
    /// The line in its file, from 1.
    pub(crate) line: usize,
    /// Its bytes in the file, from and to.
    pub(crate) place: (usize, usize),
    /// When what it follows happened.
    pub(crate) since: Duration,
    /// What it is about: numbers of services.
    pub(crate) services: Vec<usize>,
    /// What is expected of each of them.
    pub(crate) claim: Claim,
}

/// What is expected of a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Claim {
    /// An owner at a time.
    Owns(Who, When),
    /// Exactly one owner, soon, until something else happens.
    One(Duration),
    /// The longest time without an owner, once there was one.
    Nobody(Duration),
    /// The longest time with two owners or more.
    Two(Duration),
    /// The longest silence that a client sees.
    Silence(Duration),
    /// The owners one after the other.
    Owners(Vec<usize>),
}

/// An owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// This node.
    Node(usize),
    /// Any node.
    Somebody,
    /// No node.
    Nobody,
}

/// A time at which something is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// At some moment within so long after what it follows.
    Within(Duration),
    /// At this moment.
    At(Duration),
    /// From the first to the second without a break.
    Through(Duration, Duration),
    /// At the end.
    End,
}

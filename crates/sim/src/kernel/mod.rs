//! The kernel of one machine, as far as the seam shows it, and the hand that writes to it: interfaces, addresses, what
//! is refused, and orders that take their time.
//!
//! What it does, Linux does: the same deeds are replayed on both, and every answer, notice and table is
//! compared (`crates/standfast/tests/parity`). What stands here is therefore what Linux was seen to do.
//!
//! # What this is not
//! It detects no duplicate addresses: an IPv6 address is usable at once. It knows neither routes nor peers of
//! point-to-point links, and no refusal that comes from want of memory or rights, except [`Kernel::refuse`].

mod hand;
mod member;
mod tables;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use hand::Hand;
pub(crate) use member::FIRST;
use member::Nic;
use node::io::{Actor, Address, Errno, Fact, Hold, InterfaceIndex, Link, Outcome, Place};
use tables::Tables;
use timeline::{Duration, Instant};
use wire::Mac;

/// What others than the daemon do to a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Makes an Ethernet interface. It is down; its cable is plugged in.
    Create {
        /// Its name.
        name: Arc<str>,
        /// Its Ethernet address.
        mac: Mac,
    },
    /// Deletes an interface.
    Delete(InterfaceIndex),
    /// Gives it another name.
    Rename(InterfaceIndex, Arc<str>),
    /// Gives it another Ethernet address.
    Mac(InterfaceIndex, Mac),
    /// Sets the length of its longest packet.
    Mtu(InterfaceIndex, u32),
    /// Sets it up (true) or down.
    Up(InterfaceIndex, bool),
    /// Plugs its cable in (true) or out.
    Carrier(InterfaceIndex, bool),
    /// Lets secondary IPv4 addresses survive the removal of their primary one (true), or not.
    Promote(InterfaceIndex, bool),
    /// Turns its IPv6 on (true) or off.
    Ipv6(InterfaceIndex, bool),
    /// Lets it forward IPv6 (true), or not.
    Forward(InterfaceIndex, bool),
    /// Sets an address, as an administrator would.
    Set(Place),
    /// Removes an address, whoever set it.
    Unset(Place),
}

/// A kernel, and the hand of the daemon that runs on it.
#[derive(Debug)]
pub struct Kernel {
    tables: Tables,
    hand: Hand,
    /// The machine's own addresses in a simulated world.
    own: Vec<Place>,
    /// The interfaces that belong to a simulated machine.
    ports: Vec<Nic>,
}

impl Default for Kernel {
    /// One with nothing but a loopback interface, and nobody who does anything.
    fn default() -> Self {
        Self { tables: Tables::new(), hand: Hand::default(), own: Vec::new(), ports: Vec::new() }
    }
}

impl Kernel {
    /// One without any interface.
    fn bare() -> Self {
        let tables = Tables::bare(FIRST - 1);
        Self { tables, ..Self::default() }
    }

    /// Somebody does something; what the kernel tells about it is appended to `notices`.
    ///
    /// # Errors
    /// The kernel's refusal; then nothing has changed.
    pub fn perform(&mut self, deed: &Deed, notices: &mut Vec<Fact>) -> Result<(), Errno> {
        self.tables.perform(deed, notices)
    }

    /// Hands an order to the hand.
    pub fn ask(&mut self, now: Instant, hold: Hold) {
        self.hand.ask(now, hold);
    }

    /// When the hand has carried out the next order.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.hand.next()
    }

    /// Lets the hand carry out the next order, if that is due, and returns what became of it.
    pub fn work(&mut self, now: Instant, notices: &mut Vec<Fact>) -> Option<Outcome> {
        self.hand.work(now, &mut self.tables, notices)
    }

    /// The daemon has heard that an interface is gone.
    pub fn forget(&mut self, interface: InterfaceIndex) {
        self.hand.forget(interface);
    }

    /// What the daemon that runs now has set, by its own account.
    pub fn held(&self) -> impl Iterator<Item = Place> {
        self.hand.own()
    }

    /// Whatever was asked for by a daemon that is no more is off; `cleaned`: its addresses are removed.
    pub fn bury(&mut self, cleaned: bool) {
        let left = self.hand.end();
        for place in left.into_iter().filter(|_| cleaned) {
            if self.tables.find(place).is_some_and(|there| there.marked) {
                // Nobody listens, and what is not there any more needs no removal.
                let _ = self.tables.unset(place, &Actor::Other(None), &mut Vec::new());
            }
        }
    }

    /// Whatever was asked for by a worker that is no more is off; another one goes on with what it has set.
    pub fn orphan(&mut self) {
        self.hand.orphan();
    }

    /// The whole truth.
    #[must_use]
    pub fn everything(&self) -> Fact {
        Fact::Everything { links: self.links(), addresses: self.addresses() }
    }

    /// All interfaces.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.tables.links()
    }

    /// One interface.
    #[must_use]
    pub fn link(&self, interface: InterfaceIndex) -> Option<Link> {
        self.tables.link(interface)
    }

    /// All addresses, in the kernel's order.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.tables.addresses()
    }

    /// From now on an address can be set (`false`), or is refused whenever the hand tries.
    pub fn refuse(&mut self, address: IpAddr, refused: bool) {
        if refused {
            self.hand.refuses.insert(address);
        } else {
            self.hand.refuses.remove(&address);
        }
    }

    /// From now on the hand needs so long for each order.
    pub const fn set_delay(&mut self, delay: Duration) {
        self.hand.delay = delay;
    }
}

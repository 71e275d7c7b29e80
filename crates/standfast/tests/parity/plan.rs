//! What happens, decided by a number and by what is there.

use crate::two::at;
use model::{AddressOptions, VirtualAddress};
use node::io::{Act, Hold, InterfaceIndex, Place, Placed, RouterId};
use sim::kernel::{Deed, Kernel};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use wire::Mac;

/// Something that happens to both kernels.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// Somebody else does something.
    Deed(Deed),
    /// The daemon's hand gets orders, all at once.
    Holds(Vec<Hold>),
    /// These happen, and what is told of them is lost.
    Lost(Vec<Deed>),
    /// The daemon dies and another one starts; `cleaned`: what it held is removed in between.
    Restart { cleaned: bool },
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Holds(holds) = self else { return write!(f, "{self:?}") };
        for Hold { router, epoch, act } in holds {
            let (what, addresses): (_, &[Placed]) = match act {
                Act::Add { addresses, .. } => ("add", addresses),
                Act::Remove { addresses, all: false } => ("remove", addresses),
                Act::Remove { addresses, all: true } => ("remove all", addresses),
                Act::Announce { .. } => ("announce", &[]),
                Act::Close { .. } => ("close", &[]),
            };
            write!(f, "router {} epoch {epoch}: {what}", router.0)?;
            for placed in addresses {
                write!(f, " {} scope {}", at(placed.place()), placed.address.options.scope)?;
            }
            f.write_str("; ")?;
        }
        Ok(())
    }
}

const LINKS: [&str; 5] = ["a", "b", "c", "d", "e"];
/// More interfaces at once tell nothing new.
const MOST: usize = 3;
const ADDRESSES: [(&str, u8); 18] = [
    ("10.0.0.1", 24),
    ("10.0.0.2", 24),
    ("10.0.0.3", 24),
    ("10.0.0.4", 24),
    // Of the same subnet and of another to the kernel, which looks at the prefix.
    ("10.0.0.1", 32),
    ("10.0.0.2", 25),
    ("10.0.0.5", 32),
    ("10.1.0.1", 24),
    ("10.1.0.2", 24),
    ("10.2.0.1", 16),
    ("2001:db8::1", 64),
    ("2001:db8::2", 64),
    ("2001:db8::1", 128),
    ("fd00::3", 128),
    ("fe80::5", 64),
    // What no interface can have.
    ("ff02::5", 64),
    ("::1", 128),
    ("10.0.0.6", 33),
];

/// Numbers from a number (splitmix64).
#[derive(Debug)]
pub(crate) struct Plan {
    state: u64,
    epochs: [u64; 3],
    macs: u8,
}

impl Plan {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed, epochs: [0; 3], macs: 0 }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let limit = u64::try_from(limit).unwrap();
        usize::try_from((mixed ^ mixed >> 31) % limit).unwrap()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// What happens next.
    pub(crate) fn next(&mut self, kernel: &Kernel) -> Happening {
        match self.below(40) {
            0 => Happening::Restart { cleaned: self.coin() },
            1 => {
                let count = 1 + self.below(4);
                Happening::Lost((0..count).map(|_| self.deed(kernel)).collect())
            }
            2..19 => {
                let count = self.one(&[1, 1, 1, 2, 3]);
                Happening::Holds((0..count).map(|_| self.hold(kernel)).collect())
            }
            _ => Happening::Deed(self.deed(kernel)),
        }
    }

    fn deed(&mut self, kernel: &Kernel) -> Deed {
        let links: Vec<_> = kernel.links().into_iter().filter(|link| !link.loopback).collect();
        if links.len() < MOST && self.below(6) == 0 || links.is_empty() {
            let free: Vec<_> =
                LINKS.iter().filter(|name| !links.iter().any(|link| *link.name == ***name)).collect();
            let mac = self.mac();
            return Deed::Create { name: Arc::from(*self.one(&free)), mac };
        }
        let index = links[self.below(links.len())].index;
        let on = self.coin();
        match self.below(40) {
            0 => Deed::Delete(index),
            1 => Deed::Rename(index, self.one(&LINKS).into()),
            2 => Deed::Mac(index, self.mac()),
            3 | 4 => Deed::Mtu(index, self.one(&[1500, 1500, 1280, 1279, 600, 60])),
            5..8 => Deed::Up(index, false),
            8..13 => Deed::Up(index, true),
            13..18 => Deed::Carrier(index, on),
            18..20 => Deed::Promote(index, on),
            20..22 => Deed::Ipv6(index, self.below(3) > 0),
            22 => Deed::Forward(index, on),
            23..33 => Deed::Set(self.place(kernel)),
            _ => Deed::Unset(self.place(kernel)),
        }
    }

    fn mac(&mut self) -> Mac {
        self.macs += 1;
        Mac([2, 0, 0, 0, 0, self.macs])
    }

    /// A place: often one where something is.
    fn place(&mut self, kernel: &Kernel) -> Place {
        let there: Vec<_> = kernel.addresses().into_iter().filter(|one| one.interface > 1).collect();
        if !there.is_empty() && self.below(3) == 0 {
            return there[self.below(there.len())].place();
        }
        let (text, prefix) = self.one(&ADDRESSES);
        let address: IpAddr = text.parse().unwrap();
        Place { interface: self.interface(kernel), address, prefix }
    }

    fn interface(&mut self, kernel: &Kernel) -> InterfaceIndex {
        let mut links: Vec<_> =
            kernel.links().iter().map(|link| link.index).filter(|index| *index > 1).collect();
        // None has this number.
        if self.below(20) == 0 || links.is_empty() {
            links = vec![99];
        }
        self.one(&links)
    }

    fn hold(&mut self, kernel: &Kernel) -> Hold {
        let which = self.below(3);
        // Now and then as if it had been overtaken on its way.
        self.epochs[which] += u64::from(self.below(8) > 0);
        let (epoch, router) = (self.epochs[which], RouterId(u32::try_from(which).unwrap()));
        let count = self.below(4);
        let addresses: Arc<[Placed]> = (0..count)
            .map(|_| {
                let Place { interface, address, prefix } = self.place(kernel);
                let scope = if self.below(8) == 0 { 200 } else { 0 };
                let scope = if address.is_ipv4() { scope } else { 0 };
                let options = AddressOptions { scope, ..AddressOptions::default() };
                let address = VirtualAddress { prefix, ..VirtualAddress::host(address) }.with(options);
                Placed { interface, address }
            })
            .collect();
        let act = match self.below(5) {
            0..3 => Act::Add { addresses, announcements: Arc::new([]) },
            which => Act::Remove { addresses, all: which == 3 },
        };
        Hold { router, epoch, act }
    }
}

//! Frames that get lost on the way: at a port of the switch, in one direction, of one kind, all or by a fixed
//! pattern. Never at random: a test that fails must fail again.
//!
//! The kernel drops them itself (a classic BPF program at the port's traffic control hook). For a pattern it
//! drops all, and a thread that saw them before sends on those that are to arrive.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use linux::netlink::Request;
use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL, Nla as _};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};
use rustix::net::SendFlags;

use crate::bpf::{self, RESOLUTION, VRRP};
use crate::capture::packet_socket;
use crate::laboratory::Switch;
use crate::tape::{Flow, Pump, Tape};
use crate::{Error, Result, sys};

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// VRRP in all its forms: protocol 112, and 51 around it.
    Vrrp,
    /// ARP and IPv6 neighbour discovery.
    Resolution,
    /// Everything.
    All,
}

impl Traffic {
    /// A program that returns `hit` for a frame of this traffic, else `miss`.
    fn program(self, hit: u32, miss: u32) -> Vec<libc::sock_filter> {
        match self {
            Self::Vrrp => bpf::program(VRRP, hit, miss),
            Self::Resolution => bpf::program(RESOLUTION, hit, miss),
            Self::All => bpf::program([], hit, hit),
        }
    }
}

/// A direction at a port: the kernel's name of its traffic control hook (linux/pkt_sched.h).
#[derive(Clone, Copy, Debug)]
enum Hook {
    Ingress,
    Egress,
}

/// Losses, until this is dropped.
#[derive(Debug)]
pub struct Lossy {
    filter: Filter,
    lost: Arc<Tape<bool>>,
    _relay: Option<Pump>,
}

impl Lossy {
    pub(crate) fn from(switch: &Arc<Switch>, port: &str, traffic: Traffic) -> Result<Self> {
        Ok(Self {
            filter: Filter::install(switch, port, Hook::Ingress, traffic)?,
            lost: Arc::default(),
            _relay: None,
        })
    }

    pub(crate) fn to(switch: &Arc<Switch>, port: &str, traffic: Traffic) -> Result<Self> {
        Ok(Self {
            filter: Filter::install(switch, port, Hook::Egress, traffic)?,
            lost: Arc::default(),
            _relay: None,
        })
    }

    pub(crate) fn pattern<'a>(
        switch: &Arc<Switch>,
        port: &str,
        others: impl Iterator<Item = &'a str>,
        traffic: Traffic,
        lost: &[bool],
    ) -> Result<Self> {
        let tape = Arc::new(Tape::default());
        let relay = Relay {
            tape: Arc::clone(&tape),
            switch: Arc::clone(switch),
            from: port.to_owned(),
            to: others.map(|other| Ok((other.to_owned(), sender(switch, other)?))).collect::<Result<_>>()?,
            lost: lost.to_vec(),
            next: 0,
            buffer: vec![0; 64 * 1024],
        };
        let index = switch.netlink().link_index(port)?;
        let program = traffic.program(u32::MAX, 0);
        // The socket sees a frame before the hook drops it.
        let socket = switch.namespaces().within(|| packet_socket(index, Some(&program)))??;
        let filter = Filter::install(switch, port, Hook::Ingress, traffic)?;
        Ok(Self { filter, lost: tape, _relay: Some(relay.start(socket)?) })
    }

    /// With a pattern: for each frame so far whether it was lost. Without one nobody counts.
    #[must_use]
    pub fn lost(&self) -> &Tape<bool> {
        &self.lost
    }

    /// Ends the losses; as dropping it, but says whether it worked.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn heal(mut self) -> Result<()> {
        self.filter.remove()
    }
}

/// A program at a hook of a port.
#[derive(Debug)]
struct Filter {
    switch: Arc<Switch>,
    port: String,
    hook: Hook,
    priority: u32,
    there: bool,
}

const SHOT: u32 = 2; // TC_ACT_SHOT
const UNSPEC: u32 = u32::MAX; // TC_ACT_UNSPEC: the next filter decides
const CLSACT: u32 = 0xffff_fff1; // TC_H_CLSACT, and its handle below
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_OPS_LEN: u16 = 4;
const TCA_BPF_OPS: u16 = 5;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;

impl Filter {
    fn install(switch: &Arc<Switch>, port: &str, hook: Hook, traffic: Traffic) -> Result<Self> {
        let priority = switch.number();
        let mut filter =
            Self { switch: Arc::clone(switch), port: port.to_owned(), hook, priority, there: false };
        let doing = || format!("lose frames at the switch's {port}");
        let mut queue = TcMessage::default();
        queue.header.index = filter.index()?;
        (queue.header.handle, queue.header.parent) = (TcHandle::from(0xffff_0000), TcHandle::from(CLSACT));
        queue.attributes.push(TcAttribute::Kind("clsact".to_owned()));
        let create = NLM_F_CREATE | NLM_F_EXCL;
        let queue = Request::new(RouteNetlinkMessage::NewQueueDiscipline(queue), create);
        match switch.netlink().run(&queue) {
            Err(why) if !why.is(libc::EEXIST) => return Err(linux::Error::admin(doing(), why).into()),
            _ => {}
        }
        let mut message = filter.message()?;
        message
            .attributes
            .push(TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, options(&traffic.program(SHOT, UNSPEC)))));
        let request = Request::new(RouteNetlinkMessage::NewTrafficFilter(message), create);
        switch.netlink().run(&request).map_err(|why| linux::Error::admin(doing(), why))?;
        filter.there = true;
        Ok(filter)
    }

    fn index(&self) -> Result<i32> {
        let index = self.switch.netlink().link_index(&self.port)?;
        i32::try_from(index)
            .map_err(|_| Error::system("number an interface", std::io::ErrorKind::InvalidData))
    }

    /// The part that installing and removing have in common.
    fn message(&self) -> Result<TcMessage> {
        let minor = match self.hook {
            Hook::Ingress => 0xfff2,
            Hook::Egress => 0xfff3,
        };
        let all = u32::from(u16::try_from(libc::ETH_P_ALL).unwrap_or(0).to_be());
        let mut message = TcMessage::default();
        message.header.index = self.index()?;
        message.header.parent = TcHandle::from(0xffff_0000 | minor);
        message.header.info = self.priority << 16 | all;
        message.attributes.push(TcAttribute::Kind("bpf".to_owned()));
        Ok(message)
    }

    fn remove(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.there) {
            return Ok(());
        }
        let request = Request::new(RouteNetlinkMessage::DelTrafficFilter(self.message()?), 0);
        let doing = || format!("stop losing frames at the switch's {}", self.port);
        Ok(self.switch.netlink().run(&request).map_err(|why| linux::Error::admin(doing(), why))?)
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // It went with its port if that is gone.
        let _ = self.remove();
    }
}

/// The options of a BPF filter whose result is the verdict.
fn options(program: &[libc::sock_filter]) -> Vec<u8> {
    let mut code = Vec::with_capacity(program.len() * 8);
    for step in program {
        code.extend(step.code.to_ne_bytes());
        code.extend([step.jt, step.jf]);
        code.extend(step.k.to_ne_bytes());
    }
    let len = u16::try_from(program.len()).unwrap_or(u16::MAX);
    let parts = [
        DefaultNla::new(TCA_BPF_OPS_LEN, len.to_ne_bytes().to_vec()),
        DefaultNla::new(TCA_BPF_OPS, code),
        DefaultNla::new(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes().to_vec()),
    ];
    let mut bytes = Vec::new();
    for part in &parts {
        let (start, len) = (bytes.len(), part.value_len() + 4);
        bytes.extend(u16::try_from(len).unwrap_or(u16::MAX).to_ne_bytes());
        bytes.extend(part.kind().to_ne_bytes());
        bytes.resize(start + len.next_multiple_of(4), 0);
        if let Some(value) = bytes.get_mut(start + 4..start + len) {
            part.emit_value(value);
        }
    }
    bytes
}

/// Sends on those frames that a pattern does not lose.
struct Relay {
    switch: Arc<Switch>,
    from: String,
    to: Vec<(String, OwnedFd)>,
    lost: Vec<bool>,
    next: usize,
    tape: Arc<Tape<bool>>,
    buffer: Vec<u8>,
}

/// A socket that only sends, out of `port`.
fn sender(switch: &Switch, port: &str) -> Result<OwnedFd> {
    let index = switch.netlink().link_index(port)?;
    let nothing = bpf::program([], 0, 0);
    switch.namespaces().within(|| packet_socket(index, Some(&nothing)))?
}

impl Relay {
    fn start(mut self, socket: OwnedFd) -> Result<Pump> {
        Pump::start("relay", socket, move |fd| self.pass(fd))
    }

    fn pass(&mut self, fd: BorrowedFd<'_>) -> Flow {
        loop {
            match sys::receive(fd, &mut self.buffer) {
                Ok(received) if received.outgoing => {}
                Ok(received) => {
                    let lost = self.lost.get(self.next % self.lost.len().max(1)).copied().unwrap_or(false);
                    self.next += 1;
                    if !lost {
                        self.send(received.len);
                    }
                    self.tape.push(lost);
                }
                Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
                Err(why) if why.raw_os_error() == Some(libc::ENETDOWN) => {}
                Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => return Flow::On,
                Err(_) => return Flow::End,
            }
        }
    }

    fn send(&self, len: usize) {
        let frame = self.buffer.get(..len).unwrap_or_default();
        let isolated = self.switch.isolated();
        for (port, socket) in &self.to {
            if !(isolated.contains(&self.from) && isolated.contains(port)) {
                // Nothing arrives at an unplugged port.
                let _ = rustix::net::send(socket.as_fd(), frame, SendFlags::empty());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_attributes_on_four_byte_borders() {
        let bytes = options(&bpf::program([], SHOT, SHOT));
        assert_eq!(bytes.len(), 8 + 12 + 8);
        assert_eq!(bytes[..8], [[6, 0], 4_u16.to_ne_bytes(), 1_u16.to_ne_bytes(), [0, 0]].concat());
        assert_eq!(bytes[20..], [[8, 0], 8_u16.to_ne_bytes(), [1, 0], [0, 0]].concat());
    }
}

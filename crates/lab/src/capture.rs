//! What goes over a wire: VRRP, ARP and neighbour discovery, seen by the kernel's own eyes and decoded, with
//! times on the laboratory's clock; and a file of it for other programs' eyes.

use std::io::{self, BufWriter, Write};
use std::net::Ipv4Addr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant as Ticks};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use timeline::Instant;
use wire::frame::{self, Seen};

use crate::bpf::{self, RESOLUTION, ROUTERS, VRRP};
use crate::clock::{Deadline, from_wall, now};
use crate::tape::{Flow, Pump, Tape};
use crate::{Error, Machine, Result, sys};

/// Room for some seconds of a thousand virtual routers' adverts.
const BUFFER: i32 = 32 << 20;

/// A captured frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When the kernel handled it, on the laboratory's clock.
    pub at: Instant,
    /// The kernel's wall-clock stamp, since 1970.
    pub wall: Duration,
    /// The machine on which it was captured sent it.
    pub outgoing: bool,
    /// What it was; `None` if it is too broken to say.
    pub seen: Option<Seen>,
    /// The whole frame.
    pub frame: Arc<[u8]>,
}

impl Record {
    /// The VRID and priority, if it is an advert (right or wrong).
    #[must_use]
    pub fn advert(&self) -> Option<(u8, u8)> {
        match self.seen {
            Some(Seen::Vrrp { vrid, priority, .. }) => Some((vrid, priority.0)),
            _ => None,
        }
    }
}

/// Captures until it is dropped.
#[derive(Debug)]
pub struct Capture {
    place: String,
    records: Arc<Tape<Record>>,
    dropped: Arc<std::sync::atomic::AtomicU32>,
    _pump: Pump,
}

impl Capture {
    /// Captures VRRP, ARP, neighbour discovery and Router Advertisements on an interface of `machine`, also what is addressed to others.
    ///
    /// # Errors
    /// When there is no such interface, or the socket is refused.
    pub fn start(machine: &Machine, interface: &str) -> Result<Self> {
        Self::through(
            machine,
            interface,
            &bpf::program(VRRP.into_iter().chain(RESOLUTION).chain(ROUTERS), u32::MAX, 0),
        )
    }

    /// Captures only the plain IPv4 adverts of some VRIDs, and all that come from `suspect`: at a hundred thousand
    /// adverts a second a sample tells as much, and does not change what it measures.
    ///
    /// # Errors
    /// As [`Capture::start`].
    pub fn sample(
        machine: &Machine,
        interface: &str,
        vrids: &[u8],
        suspect: Option<Ipv4Addr>,
    ) -> Result<Self> {
        let cases: Vec<_> = vrids.iter().map(|&vrid| bpf::adverts_of(vrid).to_vec()).collect();
        let suspect = suspect.map(|source| bpf::adverts_from(source).to_vec());
        let cases = cases.iter().chain(&suspect).map(Vec::as_slice);
        Self::through(machine, interface, &bpf::program(cases, u32::MAX, 0))
    }

    /// Captures ARP and neighbour discovery only.
    ///
    /// # Errors
    /// As [`Capture::start`].
    pub fn resolution(machine: &Machine, interface: &str) -> Result<Self> {
        Self::through(machine, interface, &bpf::program(RESOLUTION, u32::MAX, 0))
    }

    fn through(machine: &Machine, interface: &str, program: &[libc::sock_filter]) -> Result<Self> {
        let index = machine.link_index(interface)?;
        let socket = machine.within(|| packet_socket(index, Some(program)))??;
        let records = Arc::new(Tape::default());
        let dropped = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let (tape, lost) = (Arc::clone(&records), Arc::clone(&dropped));
        let mut buffer = vec![0; 64 * 1024];
        let pump = Pump::start("capture", socket, move |fd| {
            let flow = read(fd, &mut buffer, &tape);
            lost.fetch_add(sys::packets_dropped(fd).unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
            flow
        })?;
        Ok(Self { place: format!("{interface} of {}", machine.name()), records, dropped, _pump: pump })
    }

    /// All records so far, as a tape.
    #[must_use]
    pub fn tape(&self) -> &Tape<Record> {
        &self.records
    }

    /// All records so far.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.records.all()
    }

    /// How many frames the kernel had no room for; a number above 0 spoils a measurement.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        self.dropped.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Waits for the frame that `wanted` likes, however long ago it was; `what` says what for.
    ///
    /// # Errors
    /// [`Error::Late`], with the last frames.
    pub fn wait_for(
        &self,
        what: &str,
        deadline: impl Into<Deadline>,
        wanted: impl FnMut(&Record) -> bool,
    ) -> Result<Record> {
        self.wait_from(0, what, deadline, wanted).map(|(_, record)| record)
    }

    /// As [`Capture::wait_for`], but not before `mark` (see [`Tape::mark`]); says where to go on.
    ///
    /// # Errors
    /// [`Error::Late`], with the last frames.
    pub fn wait_from(
        &self,
        mark: usize,
        what: &str,
        deadline: impl Into<Deadline>,
        wanted: impl FnMut(&Record) -> bool,
    ) -> Result<(usize, Record)> {
        let begun = Ticks::now();
        self.records.wait_from(mark, deadline, wanted).ok_or_else(|| {
            let all = self.records.all();
            let last = all.get(all.len().saturating_sub(8)..).unwrap_or_default();
            let lines: Vec<String> = last.iter().map(line).collect();
            let seen = format!("the last of {} frames:\n{}", all.len(), lines.join("\n"));
            Error::Late { what: format!("{}: {what}", self.place), within: begun.elapsed(), seen }
        })
    }

    /// Writes all records as a capture file that `tcpdump -r` and `tshark -r` read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_pcap(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let write = || -> io::Result<()> {
            let mut file = BufWriter::new(std::fs::File::create(path)?);
            write_pcap(&mut file, &self.records.all())?;
            file.flush()
        };
        write().map_err(|why| Error::system(format!("write {}", path.display()), why))
    }
}

fn line(record: &Record) -> String {
    match &record.seen {
        Some(seen) => format!("{:?} {seen}", record.at),
        None => format!("{:?} {} bytes that make no sense", record.at, record.frame.len()),
    }
}

/// A packet socket on interface `index` of the calling thread's namespace that receives what `program` lets
/// through, without blocking. Without a program: everything.
pub(crate) fn packet_socket(index: u32, program: Option<&[libc::sock_filter]>) -> Result<OwnedFd> {
    let failed = |why: io::Error| Error::system("open a packet socket", why);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Protocol 0: it receives nothing before it is bound, so nothing gets past the filter.
    let socket =
        socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None).map_err(|why| failed(why.into()))?;
    if let Some(program) = program {
        sys::attach_filter(&socket, program).map_err(failed)?;
    }
    sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1_i32).map_err(failed)?;
    sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &BUFFER)
        .or_else(|_| sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &BUFFER))
        .map_err(failed)?;
    sys::promiscuous(&socket, index).map_err(failed)?;
    sys::bind_packet(&socket, index).map_err(failed)?;
    Ok(socket)
}

fn read(fd: BorrowedFd<'_>, buffer: &mut [u8], tape: &Tape<Record>) -> Flow {
    loop {
        match sys::receive(fd, buffer) {
            Ok(received) => {
                let frame: Arc<[u8]> = buffer.get(..received.len).unwrap_or_default().into();
                let wall = received.stamp.unwrap_or_default();
                let at = received.stamp.map_or_else(now, from_wall);
                tape.push(Record { at, wall, outgoing: received.outgoing, seen: frame::read(&frame), frame });
            }
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            // The interface went down; the socket hears of it again when it comes up.
            Err(why) if why.raw_os_error() == Some(libc::ENETDOWN) => {}
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Flow::On,
            Err(_) => return Flow::End,
        }
    }
}

/// The classic format, with nanoseconds.
fn write_pcap(file: &mut impl Write, records: &[Record]) -> io::Result<()> {
    const ETHERNET: u32 = 1;
    const LONGEST: u32 = 0x4_0000;
    for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, LONGEST, ETHERNET] {
        file.write_all(&word.to_le_bytes())?;
    }
    for record in records {
        let seconds = u32::try_from(record.wall.as_secs()).map_err(|_| io::ErrorKind::InvalidData)?;
        let len = u32::try_from(record.frame.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        for word in [seconds, record.wall.subsec_nanos(), len, len] {
            file.write_all(&word.to_le_bytes())?;
        }
        file.write_all(&record.frame)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_file_has_the_classic_layout() {
        let record = Record {
            at: Instant::EPOCH,
            wall: Duration::new(7, 9),
            outgoing: false,
            seen: None,
            frame: Arc::from([1, 2, 3]),
        };
        let mut file = Vec::new();
        write_pcap(&mut file, &[record]).unwrap();
        assert_eq!(file[..8], [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0]);
        assert_eq!(file[20..], [1, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3]);
    }
}

//! A client that asks the service address every few milliseconds whether it is there: what users of the address
//! feel of a failover.
//!
//! It sends ICMP echo requests on an absolute schedule and notes who answered what and when. Requests also go
//! out while the address cannot be resolved; the kernel keeps them back then and sends them late, so silences
//! are counted between answers, not between requests.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant as Ticks};

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sendto, socket_with};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use timeline::Instant;
use wire::Mac;

use crate::capture::packet_socket;
use crate::clock::{Deadline, from_wall, now, timespec};
use crate::machine::ETH0;
use crate::tape::{Flow, Pump, Tape};
use crate::{Error, Machine, Result, bpf, icmp, sys};

/// How often a client asks.
const INTERVAL: Duration = Duration::from_millis(5);

/// Tells the clients of this process apart.
static NEXT: AtomicU16 = AtomicU16::new(1);

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// When it was handed to the kernel.
    pub sent: Instant,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When the kernel received it.
    pub at: Instant,
    /// Which request it answers: the index of a [`Probe`].
    pub to: usize,
    /// The Ethernet address from which it came: which machine answered.
    pub by: Mac,
}

/// Asks until it is dropped.
#[derive(Debug)]
pub struct Client {
    name: String,
    target: IpAddr,
    interval: Duration,
    probes: Arc<Tape<Probe>>,
    answers: Arc<Tape<Answer>>,
    _pumps: [Pump; 2],
}

impl Client {
    /// Lets `machine` ask `target` every 5 ms, out of its `eth0`.
    ///
    /// # Errors
    /// When the sockets are refused.
    pub fn start(machine: &Machine, target: IpAddr) -> Result<Self> {
        Self::start_every(machine, target, INTERVAL)
    }

    /// Lets `machine` ask `target` every `interval`.
    ///
    /// # Errors
    /// When the sockets are refused.
    pub fn start_every(machine: &Machine, target: IpAddr, interval: Duration) -> Result<Self> {
        let name = format!("client {} asking {target}", machine.name());
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let index = machine.link_index(ETH0)?;
        let cases = bpf::echo_replies(id);
        let program = bpf::program(cases.iter().map(<[bpf::Test; 4]>::as_slice), u32::MAX, 0);
        let (receiver, sender) = machine
            .within(|| Ok::<_, Error>((packet_socket(index, Some(&program))?, echo_socket(target)?)))??;
        let timer = every(interval).map_err(|why| Error::system(format!("start a timer for {name}"), why))?;
        let (probes, answers) = (Arc::new(Tape::default()), Arc::new(Tape::default()));
        let mut hear = Hear {
            target,
            probes: Arc::clone(&probes),
            answers: Arc::clone(&answers),
            buffer: vec![0; 2048],
        };
        let ask = Ask { target, id, socket: sender, probes: Arc::clone(&probes) };
        let pumps = [
            Pump::start("hear", receiver, move |fd| hear.read(fd))?,
            Pump::start("ask", timer, move |fd| ask.tick(fd))?,
        ];
        Ok(Self { name, target, interval, probes, answers, _pumps: pumps })
    }

    /// The address that it asks.
    #[must_use]
    pub fn target(&self) -> IpAddr {
        self.target
    }

    /// All answers so far, as a tape.
    #[must_use]
    pub fn answers(&self) -> &Tape<Answer> {
        &self.answers
    }

    /// Waits for an answer that comes from now on.
    ///
    /// # Errors
    /// [`Error::Late`].
    pub fn wait_for_answer(&self, deadline: impl Into<Deadline>) -> Result<Answer> {
        self.wait("an answer", deadline, |_| true)
    }

    /// Waits for an answer that comes from now on, from the machine with this Ethernet address.
    ///
    /// # Errors
    /// [`Error::Late`].
    pub fn wait_for_answer_by(&self, by: Mac, deadline: impl Into<Deadline>) -> Result<Answer> {
        self.wait(&format!("an answer by {by}"), deadline, |answer| answer.by == by)
    }

    fn wait(
        &self,
        what: &str,
        deadline: impl Into<Deadline>,
        mut wanted: impl FnMut(&Answer) -> bool,
    ) -> Result<Answer> {
        let (begun, start) = (Ticks::now(), now());
        // By the kernel's time: an earlier answer may not have been read yet.
        let found = self.answers.wait_from(self.answers.mark(), deadline, |a| a.at >= start && wanted(a));
        found.map(|(_, answer)| answer).ok_or_else(|| {
            let seen = format!("the last answer: {:?}, now {:?}", self.answers.all().last(), now());
            Error::Late { what: format!("{}: {what}", self.name), within: begun.elapsed(), seen }
        })
    }

    /// What it has seen until now.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        // In this order: an answer is never without its request.
        let mut answers = self.answers.all();
        let probes = self.probes.all();
        answers.sort_by_key(|answer| answer.at);
        Timeline { probes, answers, interval: self.interval, taken: now() }
    }
}

/// A time in which nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The last answer before (or the first request, if there was none).
    pub from: Instant,
    /// The first answer after, or the end of the timeline.
    pub until: Instant,
    /// Somebody answered at the end.
    pub over: bool,
    /// How many requests in it were never answered.
    pub lost: usize,
}

impl Silence {
    /// How long it was; at most one [`Timeline::resolution`] too long.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.until.since(self.from)
    }
}

/// A time in which one machine answered and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its Ethernet address.
    pub by: Mac,
    /// Its first answer.
    pub from: Instant,
    /// Its last answer before another machine's.
    pub until: Instant,
    /// How many answers.
    pub answers: usize,
}

/// What a client has seen.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// All requests, in order.
    pub probes: Vec<Probe>,
    /// All answers, in the order in which they came.
    pub answers: Vec<Answer>,
    /// How often the client meant to ask.
    pub interval: Duration,
    /// When this was taken.
    pub taken: Instant,
}

impl Timeline {
    /// The same from `start` on.
    #[must_use]
    pub fn since(&self, start: Instant) -> Self {
        let skipped = self.probes.partition_point(|probe| probe.sent < start);
        let answers = self.answers.iter().filter(|answer| answer.to >= skipped);
        Self {
            probes: self.probes.get(skipped..).unwrap_or_default().to_vec(),
            answers: answers.map(|answer| Answer { to: answer.to - skipped, ..*answer }).collect(),
            ..self.clone()
        }
    }

    /// The longest time between two requests: shorter silences can go unnoticed, and a silence can seem longer
    /// by that much. It is the interval, or more if this machine was too busy to keep it.
    #[must_use]
    pub fn resolution(&self) -> Duration {
        let apart = self.probes.windows(2).map(|pair| pair[1].sent.since(pair[0].sent));
        apart.max().unwrap_or_default().max(self.interval)
    }

    /// How long each request waited for its first answer; `None`: for ever.
    #[must_use]
    pub fn delays(&self) -> Vec<Option<Duration>> {
        let mut delays = vec![None; self.probes.len()];
        for answer in &self.answers {
            if let (Some(probe), Some(delay)) = (self.probes.get(answer.to), delays.get_mut(answer.to)) {
                delay.get_or_insert(answer.at.since(probe.sent));
            }
        }
        delays
    }

    /// How many requests were never answered, those of the last 5 intervals excepted.
    #[must_use]
    pub fn lost(&self) -> usize {
        let settled = self.taken - self.interval * 5;
        let all = self.probes.iter().zip(self.delays());
        all.filter(|(probe, delay)| probe.sent < settled && delay.is_none()).count()
    }

    /// The times in which a request was not answered within one interval.
    #[must_use]
    pub fn silences(&self) -> Vec<Silence> {
        let mut silences: Vec<Silence> = Vec::new();
        for (probe, delay) in self.probes.iter().zip(self.delays()) {
            let settled = probe.sent + self.interval < self.taken;
            if !settled || delay.is_some_and(|delay| delay <= self.interval) {
                continue;
            }
            let lost = usize::from(delay.is_none());
            match silences.last_mut() {
                Some(last) if probe.sent < last.until => last.lost += lost,
                _ => silences.push(self.silence_at(probe.sent, lost)),
            }
        }
        silences
    }

    fn silence_at(&self, sent: Instant, lost: usize) -> Silence {
        let after = self.answers.partition_point(|answer| answer.at <= sent);
        let before = after.checked_sub(1).and_then(|at| self.answers.get(at));
        let first = self.probes.first().map_or(sent, |probe| probe.sent);
        let next = self.answers.get(after);
        Silence {
            from: before.map_or(first, |answer| answer.at),
            until: next.map_or(self.taken, |answer| answer.at),
            over: next.is_some(),
            lost,
        }
    }

    /// The length of the longest silence; zero if there was none.
    #[must_use]
    pub fn longest_silence(&self) -> Duration {
        self.silences().iter().map(Silence::length).max().unwrap_or_default()
    }

    /// Who answered, one after the other.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for &Answer { at, by, .. } in &self.answers {
            match spans.last_mut() {
                Some(last) if last.by == by => (last.until, last.answers) = (at, last.answers + 1),
                _ => spans.push(Span { by, from: at, until: at, answers: 1 }),
            }
        }
        spans
    }
}

/// A socket that sends echo requests and receives nothing.
fn echo_socket(target: IpAddr) -> Result<OwnedFd> {
    let failed = |why: std::io::Error| Error::system("open an ICMP socket", why);
    let (family, protocol) = match target {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        socket_with(family, SocketType::RAW, flags, Some(protocol)).map_err(|why| failed(why.into()))?;
    sys::attach_filter(&socket, &bpf::program([], 0, 0)).map_err(failed)?;
    Ok(socket)
}

/// A timer that fires every `interval`, counted from now whatever happens in between.
fn every(interval: Duration) -> rustix::io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let interval = timespec(interval.max(Duration::from_micros(100)));
    let setting = Itimerspec { it_interval: interval, it_value: interval };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &setting)?;
    Ok(timer)
}

struct Ask {
    target: IpAddr,
    id: u16,
    socket: OwnedFd,
    probes: Arc<Tape<Probe>>,
}

impl Ask {
    fn tick(&self, timer: BorrowedFd<'_>) -> Flow {
        let mut expirations = [0; 8];
        if rustix::io::read(timer, &mut expirations).is_err() {
            return Flow::On;
        }
        // Ticks that were missed are not made up for: `Timeline::resolution` tells of them.
        let [.., high, low] = self.probes.mark().to_be_bytes();
        let request = icmp::request(self.target, self.id, u16::from_be_bytes([high, low]));
        // First the note, then the request: its answer may be here before the call returns.
        self.probes.push(Probe { sent: now() });
        // A request that could not be sent is a request without an answer.
        let _ = sendto(self.socket.as_fd(), &request, SendFlags::empty(), &SocketAddr::new(self.target, 0));
        Flow::On
    }
}

struct Hear {
    target: IpAddr,
    probes: Arc<Tape<Probe>>,
    answers: Arc<Tape<Answer>>,
    buffer: Vec<u8>,
}

impl Hear {
    fn read(&mut self, socket: BorrowedFd<'_>) -> Flow {
        loop {
            match sys::receive(socket, &mut self.buffer) {
                Ok(received) => self.take(received),
                Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
                Err(why) if why.raw_os_error() == Some(libc::ENETDOWN) => {}
                Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => return Flow::On,
                Err(_) => return Flow::End,
            }
        }
    }

    fn take(&self, received: sys::Received) {
        let frame = self.buffer.get(..received.len).unwrap_or_default();
        let Some((sequence, source, by)) = icmp::reply(frame) else { return };
        if received.outgoing || source != self.target {
            return;
        }
        if let Some(to) = latest(self.probes.mark(), sequence) {
            let at = received.stamp.map_or_else(now, from_wall);
            self.answers.push(Answer { at, to, by });
        }
    }
}

/// The latest of `sent` requests that had this sequence number.
fn latest(sent: usize, sequence: u16) -> Option<usize> {
    let last = sent.checked_sub(1)?;
    let back = last.wrapping_sub(usize::from(sequence)) & 0xffff;
    last.checked_sub(back)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// Requests every 5 ms until 100 ms; `answer` gives for each when the answer came, and whose.
    fn timeline(answer: impl Fn(u64) -> Option<(u64, Mac)>) -> Timeline {
        let sent: Vec<u64> = (0..=20).map(|n| n * 5).collect();
        let answers =
            sent.iter().enumerate().filter_map(|(to, &sent)| answer(sent).map(|(at, by)| (to, at, by)));
        let mut answers: Vec<_> = answers.map(|(to, at, by)| Answer { at: ms(at), to, by }).collect();
        answers.sort_by_key(|answer| answer.at);
        let probes = sent.iter().map(|&sent| Probe { sent: ms(sent) }).collect();
        Timeline { probes, answers, interval: Duration::from_millis(5), taken: ms(200) }
    }

    #[test]
    fn without_a_loss_there_is_no_silence() {
        let all = timeline(|sent| Some((sent + 1, A)));
        assert_eq!((all.silences(), all.lost()), (vec![], 0));
        assert_eq!(all.resolution(), Duration::from_millis(5));
        assert_eq!(all.longest_silence(), Duration::ZERO);
    }

    #[test]
    fn a_silence_lies_between_two_answers_and_late_answers_count_when_they_come() {
        // From 30 on nobody holds the address. At 62 the other does; requests since 45 waited for that.
        let all = timeline(|sent| match sent {
            0..30 => Some((sent + 1, A)),
            30..45 => None,
            45..62 => Some((62, B)),
            _ => Some((sent + 1, B)),
        });
        let silence = Silence { from: ms(26), until: ms(62), over: true, lost: 3 };
        assert_eq!(all.silences(), [silence]);
        assert_eq!((all.lost(), all.longest_silence()), (3, Duration::from_millis(36)));
        let spans = all.spans();
        assert_eq!(spans.iter().map(|span| span.by).collect::<Vec<_>>(), [A, B]);
        assert_eq!((spans[0].until, spans[1].from), (ms(26), ms(62)));
        assert_eq!(all.since(ms(65)).silences(), []);
    }

    #[test]
    fn a_silence_may_begin_with_the_observation_and_outlast_it() {
        let never = timeline(|_| None);
        assert_eq!(never.silences(), [Silence { from: ms(0), until: ms(200), over: false, lost: 21 }]);
    }

    #[test]
    fn sequence_numbers_wrap() {
        assert_eq!(latest(0, 0), None);
        assert_eq!(latest(1, 0), Some(0));
        assert_eq!(latest(1, 1), None);
        assert_eq!(latest(0x1_0003, 2), Some(0x1_0002));
        assert_eq!(latest(0x1_0003, 0xffff), Some(0xffff));
    }
}

//! A client of a service behind the address: it calls again and again and notes who answered, in the service's own
//! words. [`Client`](crate::Client) asks whether the address is there; this one asks whether it is of any use.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant as Ticks};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use timeline::Instant;

use crate::clock::{Deadline, now, timespec};
use crate::tape::Tape;
use crate::{Error, Machine, Result};

/// More of an answer is not read.
const LONGEST: u64 = 4096;

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The service answered with this body.
    Body(String),
    /// The machine that has the address said that nobody listens there, or who listened broke off.
    Refused,
    /// Nobody said anything, or not to the end.
    Silence,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it began.
    pub began: Instant,
    /// When it was over.
    pub ended: Instant,
    /// What came of it.
    pub reply: Reply,
}

/// Calls an HTTP service until it is dropped, one call after the other.
#[derive(Debug)]
pub struct Caller {
    calls: Arc<Tape<Call>>,
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Caller {
    /// Lets `machine` call `target` every `interval`, and wait no longer than `patience` each time. A call that takes
    /// longer than the interval delays the next.
    ///
    /// # Errors
    /// When there can be no such thread.
    pub fn start(
        machine: &Machine,
        target: SocketAddr,
        interval: Duration,
        patience: Duration,
    ) -> Result<Self> {
        let doing = || format!("let {} call {target}", machine.name());
        let stop = eventfd(0, EventfdFlags::CLOEXEC).map_err(|why| Error::system(doing(), why))?;
        let told = stop.try_clone().map_err(|why| Error::system(doing(), why))?;
        let calls = Arc::new(Tape::default());
        let (machine_inside, tape) = (machine.clone(), Arc::clone(&calls));
        let run = move || {
            // What it cannot do there is seen by whoever waits for an answer.
            let _ = machine_inside.within(|| go_on(target, interval, patience, &tape, &told));
            tape.end();
        };
        let thread = std::thread::Builder::new().name("call".to_owned()).spawn(run);
        Ok(Self { calls, stop, thread: Some(thread.map_err(|why| Error::system(doing(), why))?) })
    }

    /// All calls so far, as a tape.
    #[must_use]
    pub fn calls(&self) -> &Tape<Call> {
        &self.calls
    }

    /// Waits for a call, begun from now on, that is answered with `body`.
    ///
    /// # Errors
    /// [`Error::Late`].
    pub fn wait_for_body(&self, body: &str, deadline: impl Into<Deadline>) -> Result<Call> {
        let (begun, start) = (Ticks::now(), now());
        let wanted = |call: &Call| call.began >= start && call.reply == Reply::Body(body.to_owned());
        let found = self.calls.wait_from(self.calls.mark(), deadline, wanted);
        found.map(|(_, call)| call).ok_or_else(|| {
            let seen = format!("the last call: {:?}", self.calls.all().last());
            Error::Late { what: format!("a call answered with {body:?}"), within: begun.elapsed(), seen }
        })
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // The counter of an eventfd of our own takes a 1 at any time.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Calls until it is told to stop.
fn go_on(target: SocketAddr, interval: Duration, patience: Duration, tape: &Tape<Call>, told: &OwnedFd) {
    loop {
        let (next, began) = (Ticks::now() + interval, now());
        let reply = call(target, patience);
        tape.push(Call { began, ended: now(), reply });
        let left = next.saturating_duration_since(Ticks::now());
        let mut stop = [PollFd::new(told, PollFlags::IN)];
        if poll(&mut stop, Some(&timespec(left))).is_ok_and(|ready| ready > 0) {
            return;
        }
    }
}

/// One call.
fn call(target: SocketAddr, patience: Duration) -> Reply {
    let until = Ticks::now() + patience;
    let asked = TcpStream::connect_timeout(&target, patience).and_then(|mut stream| {
        stream.set_write_timeout(Some(patience))?;
        write!(stream, "GET / HTTP/1.0\r\nHost: {}\r\n\r\n", target.ip())?;
        // A service that sends one byte now and then would be waited for longer: the laboratory has none.
        let left = until.saturating_duration_since(Ticks::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer)?;
        Ok(answer)
    });
    match asked {
        Ok(answer) => body(&String::from_utf8_lossy(&answer)).map_or(Reply::Silence, Reply::Body),
        Err(why) if matches!(why.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {
            Reply::Refused
        }
        Err(_) => Reply::Silence,
    }
}

/// The body of a good HTTP answer, without blanks around it.
fn body(answer: &str) -> Option<String> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let good = head.starts_with("HTTP/1.") && head.split(' ').nth(1) == Some("200");
    good.then(|| body.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_has_a_body() {
        assert_eq!(body("HTTP/1.0 200 OK\r\nA: b\r\n\r\nlb01\n"), Some("lb01".to_owned()));
        assert_eq!(body("HTTP/1.1 200 OK\r\n\r\n"), Some(String::new()));
        assert_eq!(body("HTTP/1.0 502 Bad Gateway\r\n\r\nlb01\n"), None);
        assert_eq!(body("HTTP/1.0 200 OK\r\nA: b\r\n"), None);
    }
}

//! A connection to a mail server. Whatever the server does, each answer has its time and its length.

use super::dialogue::{Ear, Next, Reply, Transaction};
use super::resolver::Resolver;
use crate::error::Refusal;
use model::Mail;
use node::io::Letter;
use node::mail::{Delivery, Failure, Stage, Trouble, clean};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// So long a server may take to say good-bye.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// A server that has been greeted.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    server: SocketAddr,
    limit: Duration,
    ear: Ear,
}

/// What became of a mail, and of the connection.
#[derive(Debug)]
pub(super) enum Sent {
    /// The server may be given another one.
    Done(Delivery),
    /// That is known, and the connection is of no use any more.
    Last(Delivery),
    /// The connection is of no use any more.
    Broken(Failure),
}

impl Link {
    /// Finds the server, connects and greets.
    ///
    /// # Errors
    /// How far that came, and why.
    pub(super) fn open(envelope: &Mail, resolver: &mut Resolver) -> Result<Self, Failure> {
        let fail = |stage, trouble| Failure { server: None, stage, trouble };
        let limit = envelope.connect_timeout;
        let Some(server) = &envelope.server else {
            return Err(fail(Stage::Lookup, Trouble::Unknown("no server is configured".into())));
        };
        let found = resolver.look_up(&server.host, server.port, limit);
        let addresses = found.map_err(|trouble| fail(Stage::Lookup, trouble))?;
        let (stream, server) = connect(&addresses, limit)?;
        let mut link = Self { stream, server, limit, ear: Ear::default() };
        let helo = envelope.helo.as_deref().map(clean).unwrap_or_default();
        let word = helo.split_whitespace().next().unwrap_or("localhost");
        let hello = format!("HELO {word}\r\n");
        for (stage, say) in [(Stage::Greeting, ""), (Stage::Hello, &*hello)] {
            match link.converse(say.as_bytes(), limit) {
                Ok(reply) if reply.is_good() => {}
                Ok(reply) => return Err(link.failure(stage, reply.trouble())),
                Err(trouble) => return Err(link.failure(stage, trouble)),
            }
        }
        Ok(link)
    }

    const fn failure(&self, stage: Stage, trouble: Trouble) -> Failure {
        Failure { server: Some(self.server), stage, trouble }
    }

    /// Sends one mail.
    pub(super) fn send(&mut self, letter: &Letter, date: &str) -> Sent {
        let (mut transaction, mut next) = Transaction::begin(self.server, letter, date);
        let mut spoken = false;
        loop {
            let say = match next {
                // What the server took of a mail that failed is to be forgotten.
                Next::Over(Delivery::Failed(failure)) if spoken => return self.reset(failure),
                Next::Over(how) if self.ear.is_spoilt => return Sent::Last(how),
                Next::Over(how) => return Sent::Done(how),
                Next::Say(say) => say,
            };
            spoken = true;
            // Who has taken a mail may end the session in the same breath: `250 queued`, `421 closing`.
            self.ear.first_decides = transaction.stage() == Stage::Text;
            match self.converse(&say, self.limit) {
                // It closes the connection, whatever it was asked.
                Ok(reply) if reply.code == 421 => {
                    return Sent::Broken(self.failure(transaction.stage(), reply.trouble()));
                }
                Ok(reply) => next = transaction.hear(reply),
                Err(trouble) => return Sent::Broken(self.failure(transaction.stage(), trouble)),
            }
        }
    }

    fn reset(&mut self, failure: Failure) -> Sent {
        match self.converse(b"RSET\r\n", self.limit.min(GOOD_BYE)) {
            Ok(reply) if reply.is_good() => Sent::Done(Delivery::Failed(failure)),
            Ok(_) | Err(_) => Sent::Broken(failure),
        }
    }

    /// Says QUIT; the answer is awaited in [`Self::quit`].
    pub(super) fn say_good_bye(&mut self) {
        // One who does not hear it sees the connection end.
        let _ = self.write(b"QUIT\r\n", Instant::now() + GOOD_BYE);
    }

    /// Waits for the server's good-bye, and ends the connection.
    pub(super) fn quit(mut self) {
        let _ = self.converse(b"", self.limit.min(GOOD_BYE));
    }

    fn converse(&mut self, say: &[u8], limit: Duration) -> Result<Reply, Trouble> {
        let until = Instant::now() + limit;
        let result = self.write(say, until).and_then(|()| self.read(until));
        result.map_err(|trouble| timed(trouble, limit))
    }

    fn write(&mut self, mut say: &[u8], until: Instant) -> Result<(), Trouble> {
        while !say.is_empty() {
            self.stream.set_write_timeout(Some(left(until)?)).map_err(|why| trouble(&why))?;
            match self.stream.write(say) {
                Ok(0) => return Err(Trouble::Closed),
                Ok(count) => say = say.get(count..).unwrap_or_default(),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(trouble(&why)),
            }
        }
        Ok(())
    }

    fn read(&mut self, until: Instant) -> Result<Reply, Trouble> {
        let mut bytes = [0; 2048];
        loop {
            self.stream.set_read_timeout(Some(left(until)?)).map_err(|why| trouble(&why))?;
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(Trouble::Closed),
                Ok(count) => {
                    if let Some(reply) = self.ear.hear(bytes.get(..count).unwrap_or_default()) {
                        return reply;
                    }
                }
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(trouble(&why)),
            }
        }
    }
}

/// Connects to the first address that answers; the time is shared among them.
fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<(TcpStream, SocketAddr), Failure> {
    let until = Instant::now() + limit;
    let unknown = Trouble::Unknown("the name has no address".into());
    let mut last = Failure { server: None, stage: Stage::Lookup, trouble: unknown };
    for (server, more) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = until.saturating_duration_since(Instant::now()) / u32::try_from(more).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(server, share.max(Duration::from_millis(1))) {
            Ok(stream) => {
                // Each line is an answer that the other side waits for.
                let _ = stream.set_nodelay(true);
                return Ok((stream, *server));
            }
            Err(why) => {
                let trouble = timed(trouble(&why), share);
                last = Failure { server: Some(*server), stage: Stage::Connect, trouble };
            }
        }
    }
    Err(last)
}

fn left(until: Instant) -> Result<Duration, Trouble> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Trouble::Silent(left)) } else { Ok(left) }
}

/// How long it was silent is known to whoever waited.
fn timed(trouble: Trouble, time: Duration) -> Trouble {
    if matches!(trouble, Trouble::Silent(_)) { Trouble::Silent(time) } else { trouble }
}

fn trouble(why: &std::io::Error) -> Trouble {
    let kind = why.kind();
    if matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut) {
        return Trouble::Silent(Duration::ZERO);
    }
    if matches!(kind, ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe) {
        return Trouble::Closed;
    }
    Trouble::Refused(Refusal::of(why).errno)
}

//! Mail: delivered by a thread of its own, which may wait for a resolver and a server as long as it has to.
//!
//! The thread begins with the first mail. It delivers in order and answers each letter once; one connection takes all
//! the mail that waits for it. If a server cannot be reached or does not answer, all the mail that waits for it shares
//! that fate: else each would wait as long, one after the other. Nobody waits for the thread at the end; the node gives
//! mail its time. The client is our own: the library that was looked at (lettre) only says EHLO, refuses recipients
//! without a domain, takes a line of any length into memory, and waits anew for each byte.

mod dialogue;
mod link;
mod resolver;

use self::link::{Link, Sent};
use self::resolver::Resolver;
use crate::error::Result;
use crate::mailbox::Mailbox;
use model::Mail;
use node::io::{Letter, Mailed};
use node::mail::{Delivery, Failure, Stage, Trouble};
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::SystemTime;

/// A letter and when it was posted.
#[derive(Debug)]
struct Posted {
    letter: Letter,
    at: SystemTime,
}

/// The reactor's side.
#[derive(Debug)]
pub struct Mailer {
    letters: Option<Arc<Mailbox<Posted>>>,
    answers: Arc<Mailbox<Mailed>>,
}

impl Mailer {
    /// No mail yet, and no thread.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn new() -> Result<Self> {
        Ok(Self { letters: None, answers: Arc::new(Mailbox::new()?) })
    }

    /// Has a letter delivered. The answer comes later.
    pub fn send(&mut self, letter: Letter) {
        if self.letters.is_none() {
            self.letters = self.start();
        }
        match &self.letters {
            Some(letters) => letters.push(Posted { letter, at: SystemTime::now() }),
            None => {
                let failure = Failure { server: None, stage: Stage::Connect, trouble: Trouble::Nobody };
                self.answers.push(Mailed { id: letter.id, how: Delivery::Failed(failure) });
            }
        }
    }

    fn start(&self) -> Option<Arc<Mailbox<Posted>>> {
        let letters = Arc::new(Mailbox::new().ok()?);
        let (letters_there, answers) = (letters.clone(), self.answers.clone());
        let mut postman =
            Postman { letters: letters_there, answers, waiting: VecDeque::new(), resolver: Resolver::new() };
        let thread = std::thread::Builder::new().name("mail".into());
        thread.spawn(move || postman.work()).ok()?;
        Some(letters)
    }

    /// Moves what became of letters to the end of `into`.
    pub fn receive(&self, into: &mut Vec<Mailed>) {
        self.answers.take(into);
    }
}

/// Readable while there are answers.
impl AsFd for Mailer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.answers.as_fd()
    }
}

struct Postman {
    letters: Arc<Mailbox<Posted>>,
    answers: Arc<Mailbox<Mailed>>,
    waiting: VecDeque<Posted>,
    resolver: Resolver,
}

impl Postman {
    fn work(&mut self) -> ! {
        loop {
            self.collect();
            if self.waiting.is_empty() {
                let _ = poll(&mut [PollFd::new(&*self.letters, PollFlags::IN)], None);
            } else {
                self.round();
            }
        }
    }

    fn collect(&mut self) {
        let mut letters = Vec::new();
        self.letters.take(&mut letters);
        self.waiting.extend(letters);
    }

    /// One session with a server: as much of the mail that waits for it as it takes.
    fn round(&mut self) {
        let Some(envelope) = self.waiting.front().map(|posted| posted.letter.envelope.clone()) else {
            return;
        };
        let mut link = match Link::open(&envelope, &mut self.resolver) {
            Ok(link) => link,
            Err(failure) => return self.fail_all(&envelope, &failure),
        };
        let mut first = true;
        loop {
            let Some(posted) = self.waiting.front().filter(|one| is_same(&one.letter.envelope, &envelope))
            else {
                return link.quit();
            };
            match link.send(&posted.letter, &date(posted.at)) {
                Sent::Done(how) => {
                    let posted = self.waiting.pop_front();
                    self.collect();
                    let goes_on =
                        self.waiting.front().is_some_and(|one| is_same(&one.letter.envelope, &envelope));
                    if !goes_on {
                        link.say_good_bye();
                    }
                    self.answer(posted, how);
                    if !goes_on {
                        return link.quit();
                    }
                }
                Sent::Last(how) => {
                    let posted = self.waiting.pop_front();
                    return self.answer(posted, how);
                }
                // It has had enough of this session, not of this mail.
                Sent::Broken(failure) if !first && is_tired(&failure) => return,
                Sent::Broken(failure) => {
                    if matches!(failure.trouble, Trouble::Silent(_)) {
                        self.collect();
                        return self.fail_all(&envelope, &failure);
                    }
                    let posted = self.waiting.pop_front();
                    return self.answer(posted, Delivery::Failed(failure));
                }
            }
            first = false;
        }
    }

    fn answer(&self, posted: Option<Posted>, how: Delivery) {
        self.answers.push_all(posted.map(|posted| Mailed { id: posted.letter.id, how }));
    }

    /// All that waits for this server is lost.
    fn fail_all(&mut self, envelope: &Mail, failure: &Failure) {
        self.collect();
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (lost, rest): (Vec<_>, Vec<_>) = waiting.partition(|one| is_same(&one.letter.envelope, envelope));
        self.waiting = rest.into();
        let how = |posted: Posted| Mailed { id: posted.letter.id, how: Delivery::Failed(failure.clone()) };
        self.answers.push_all(lost.into_iter().map(how));
    }
}

/// Whether one session can carry the mail of both.
fn is_same(one: &Mail, other: &Mail) -> bool {
    (&one.server, &one.helo, one.connect_timeout) == (&other.server, &other.helo, other.connect_timeout)
}

/// Whether a server that has taken mail in this session ends it before the next.
const fn is_tired(failure: &Failure) -> bool {
    matches!((failure.stage, &failure.trouble), (Stage::Sender, Trouble::Closed | Trouble::Answer(_)))
}

/// The date as RFC 5322 writes it.
fn date(at: SystemTime) -> String {
    let zoned = jiff::Timestamp::try_from(at).map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
    zoned.and_then(|zoned| jiff::fmt::rfc2822::to_string(&zoned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_date_is_that_of_a_mail() {
        let text = date(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_903_197));
        let parsed = jiff::fmt::rfc2822::parse(&text).unwrap();
        assert_eq!(parsed.timestamp().as_second(), 1_795_903_197, "{text}");
        assert!(text.is_ascii() && text.len() == "Sat, 28 Nov 2026 21:59:57 +0000".len(), "{text}");
    }
}

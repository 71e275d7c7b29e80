//! Mail about changes of state: what is mailed, and the queue until somebody has delivered it.
//!
//! Mail goes out in the order in which it was told, a few at a time, so that one session with the server can deliver
//! many. What could not be delivered is not tried again: by then it would be old news, and often wrong ones.

use super::{Subject, Who};
use crate::compat::{self, Word};
use crate::event::{Event, Unmailed};
use crate::io::{Effect, Letter, LetterId, Mailed, RouterId};
use crate::mail::Delivery;
use crate::slot::Quiet;
use crate::status::MailStatus;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use model::{Host, Mail, Notify};
use timeline::{Duration, Instant};

/// So many are with the driver at once.
const UNDER_WAY: usize = 64;
/// So many of one instance or group may wait.
const WAITING: usize = 16;
/// So many may wait in all.
const ALL: usize = 16_384;
/// So long the daemon waits for mail when it ends.
const LAST: Duration = Duration::from_secs(2);
/// So many failures are told in a minute.
const BURST: u32 = 8;

/// A mail that waits.
#[derive(Debug)]
struct Waiting {
    subject: Subject,
    letter: Letter,
}

/// All mail that is to be delivered.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// What was mailed last of each. A reload may rename an instance, not a group.
    routers: BTreeMap<RouterId, Word>,
    groups: BTreeMap<Arc<str>, Word>,
    waiting: VecDeque<Waiting>,
    /// How many of each wait.
    counts: BTreeMap<Subject, usize>,
    /// What the driver has, with the subjects.
    under_way: BTreeMap<LetterId, Arc<str>>,
    envelope: Arc<Mail>,
    last: u64,
    delivered: u64,
    failed: u64,
    refused: u64,
    lost: u64,
    /// Of those, not told yet.
    untold: u64,
    failures: Quiet,
    losses: Quiet,
    /// The daemon ends then at the latest.
    closes_at: Option<Instant>,
}

/// Whether mail about a subject is wanted, and there is a way to send it.
pub(super) fn is_wanted(host: &Host, notify: &Notify) -> bool {
    let Mail { to, server, default, .. } = &host.mail;
    server.is_some() && !to.is_empty() && notify.mail.unwrap_or(*default)
}

impl Outbox {
    /// Nothing waits, and nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.closes_at.filter(|_| !self.is_empty())
    }

    /// Only these groups are known from now on.
    pub(crate) fn retain_groups(&mut self, groups: &BTreeSet<&Arc<str>>) {
        self.groups.retain(|name, _| groups.contains(name));
    }

    /// An instance is gone.
    pub(crate) fn forget(&mut self, id: RouterId) {
        self.routers.remove(&id);
    }

    /// Mails a word, if it is not what was mailed last.
    pub(crate) fn post(
        &mut self,
        now: Instant,
        host: &Host,
        (who, subject): (Who, &Subject),
        word: Word,
        effects: &mut Vec<Effect>,
    ) {
        if word == Word::Fault && host.mail.no_faults {
            return;
        }
        let before = match who {
            Who::Router(id) => self.routers.insert(id, word),
            Who::Group(_) => self.groups.insert(subject.name().clone(), word),
        };
        if before == Some(word) {
            return;
        }
        if *self.envelope != host.mail {
            self.envelope = Arc::new(host.mail.clone());
        }
        self.last += 1;
        let letter = Letter {
            id: LetterId(self.last),
            title: compat::mail_title(host.router_id.as_deref().unwrap_or_default(), subject, word).into(),
            body: compat::mail_body(subject, word),
            envelope: self.envelope.clone(),
        };
        self.waiting.push_back(Waiting { subject: subject.clone(), letter });
        let count = self.counts.entry(subject.clone()).or_default();
        *count += 1;
        if *count > WAITING || self.waiting.len() > ALL {
            let crowded = *count > WAITING;
            let oldest = self.waiting.iter().position(|one| !crowded || one.subject == *subject);
            if let Some(one) = oldest.and_then(|at| self.waiting.remove(at)) {
                self.uncount(&one.subject);
                self.lost += 1;
                self.untold += 1;
            }
            if self.losses.tell(now, 1).is_some() {
                self.say_lost(effects);
            }
        }
        self.go_on(effects);
    }

    fn uncount(&mut self, subject: &Subject) {
        if let Some(count) = self.counts.get_mut(subject) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(subject);
            }
        }
    }

    /// Gives the driver what it may have.
    fn go_on(&mut self, effects: &mut Vec<Effect>) {
        while self.under_way.len() < UNDER_WAY {
            let Some(Waiting { subject, letter }) = self.waiting.pop_front() else {
                if self.untold > 0 && self.under_way.is_empty() {
                    self.say_lost(effects);
                }
                return;
            };
            self.uncount(&subject);
            self.under_way.insert(letter.id, letter.title.clone());
            effects.push(Effect::Mail(letter));
        }
    }

    /// The driver has done with a mail.
    pub(crate) fn mailed(&mut self, now: Instant, Mailed { id, how }: Mailed, effects: &mut Vec<Effect>) {
        // One that is not waited for any more was told of already.
        let Some(title) = self.under_way.remove(&id) else { return };
        let mut say = |why| effects.push(Effect::Report(Event::Unmailed(why)));
        match how {
            Delivery::Taken(refused) => {
                self.delivered += 1;
                for refused in refused {
                    self.refused += 1;
                    if let Some(suppressed) = self.failures.tell(now, BURST) {
                        say(Unmailed::Refused { title: title.clone(), refused, suppressed });
                    }
                }
            }
            Delivery::Failed(failure) => {
                self.failed += 1;
                if let Some(suppressed) = self.failures.tell(now, BURST) {
                    say(Unmailed::Failed { title, failure, suppressed });
                }
            }
        }
        self.go_on(effects);
    }

    /// The daemon ends: mail has a short time left.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.closes_at.get_or_insert(now + LAST);
    }

    /// Looks whether the time is over.
    pub(crate) fn fire(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.is_empty() || self.closes_at.is_none_or(|at| now < at) {
            return;
        }
        if self.untold > 0 {
            self.say_lost(effects);
        }
        let count = u64::try_from(self.waiting.len() + self.under_way.len()).unwrap_or(u64::MAX);
        self.lost += count;
        (self.waiting, self.counts, self.under_way) = Default::default();
        effects.push(Effect::Report(Event::Unmailed(Unmailed::Left { count })));
    }

    fn say_lost(&mut self, effects: &mut Vec<Effect>) {
        let count = core::mem::take(&mut self.untold);
        effects.push(Effect::Report(Event::Unmailed(Unmailed::Lost { count })));
    }

    /// What there is to say about mail; `None`: there is none.
    pub(crate) fn status(&self, host: &Host) -> Option<MailStatus> {
        let Self { delivered, failed, refused, lost, .. } = *self;
        let server = host.mail.server.as_ref().filter(|_| !host.mail.to.is_empty());
        if server.is_none() && self.last == 0 {
            return None;
        }
        let waiting = u64::try_from(self.waiting.len() + self.under_way.len()).unwrap_or(u64::MAX);
        let server = server.map(|server| alloc::format!("{} port {}", server.host, server.port));
        Some(MailStatus {
            server: server.as_deref().map_or(String::new(), crate::mail::clean),
            delivered,
            failed,
            refused,
            lost,
            waiting,
        })
    }
}

//! One session with what is known around it: its configuration, what was told of it, and how long it may take to come up.

use super::{Discard, Reach};
use crate::io::Errno;
use crate::slot::Quiet;
use crate::status::SessionDetail;
use alloc::collections::BTreeMap;
use bfd::{Chance, Session, Transition};
use model::Bfd;
use timeline::{Duration, Instant, Machine};
use wire::Family;
use wire::bfd::State;

/// Intervals of the slow rate in which a session must come up: one for each packet of the handshake.
const HANDSHAKE: u32 = 3;

/// What was counted since the session began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) discarded: u64,
    pub(super) unsent: u64,
    ups: u64,
    downs: u64,
}

#[derive(Debug)]
pub(super) struct Watch {
    pub(super) bfd: Bfd,
    pub(super) session: Session,
    pub(super) counts: Counts,
    pub(super) told: BTreeMap<Discard, Quiet>,
    pub(super) quiet: Quiet,
    pub(super) queued: Option<Instant>,
    /// What it says; `None`: nothing yet.
    reach: Option<Reach>,
    /// What the node knows.
    known: Option<Reach>,
    /// When it counts as down if it has not come up.
    patience: Option<Instant>,
}

impl Watch {
    pub(super) fn new(bfd: Bfd, discriminator: u32, chance: Chance, now: Instant) -> Self {
        let patience = Some(now + handshake(&bfd));
        let session = Session::new(bfd.settings, discriminator, chance);
        let (counts, told, quiet) = (Counts::default(), BTreeMap::new(), Quiet::default());
        Self { bfd, session, counts, told, quiet, queued: None, reach: None, known: None, patience }
    }

    /// Whether a session of this configuration is the same one: the rest can change while it is up.
    pub(super) fn is_same_path(&self, new: &Bfd) -> bool {
        let what = |bfd: &Bfd| (bfd.neighbor, bfd.source, bfd.hop_limit(), bfd.multihop);
        what(&self.bfd) == what(new)
    }

    /// The port through which its packets come.
    pub(super) const fn side(&self) -> (Family, bool) {
        (Family::of(self.bfd.neighbor), self.bfd.multihop)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.session.deadline(), self.patience].into_iter().flatten().min()
    }

    pub(super) fn moved(&mut self, transition: &Transition) {
        match (transition.from, transition.to) {
            (_, State::Up) => {
                self.counts.ups += 1;
                self.patience = None;
                self.reach = Some(Reach::Up);
            }
            (State::Up, State::Down) => {
                self.counts.downs += 1;
                let on_purpose = transition.silence.is_none() && transition.remote == State::AdminDown;
                let (ours, theirs) = (transition.diagnostic, transition.theirs);
                self.reach = Some(Reach::Down { ours, theirs, on_purpose });
            }
            (_, State::Down | State::Init | State::AdminDown) => {}
        }
    }

    /// Its packets are heard only now: it begins to come up.
    pub(super) fn be_patient(&mut self, now: Instant) {
        if self.session.state() != State::Up {
            (self.reach, self.patience) = (None, Some(now + handshake(&self.bfd)));
        }
    }

    /// BCL-4: what first comes up has time to do so.
    pub(super) fn lose_patience(&mut self, now: Instant) {
        if self.patience.take_if(|at| now >= *at).is_some() {
            self.reach = Some(Reach::NeverUp(handshake(&self.bfd)));
        }
    }

    /// What the node does not know yet. `unheard`: why nothing can be heard. Nothing is said that a session which is
    /// only beginning again could take back.
    pub(super) fn news(&mut self, unheard: Option<Errno>) -> Option<Reach> {
        let reach = unheard.map(Reach::Unheard).or(self.reach)?;
        (self.known.replace(reach) != Some(reach)).then_some(reach)
    }

    pub(super) fn detail(&self) -> SessionDetail {
        let (session, counts) = (&self.session, &self.counts);
        SessionDetail {
            neighbor: self.bfd.neighbor,
            source: self.bfd.source,
            multihop: self.bfd.multihop,
            state: session.state(),
            remote_state: session.remote_state(),
            diagnostic: session.diagnostic(),
            remote_diagnostic: session.remote_diagnostic(),
            discriminator: session.discriminator(),
            remote_discriminator: session.remote_discriminator(),
            send_interval: session.send_interval(),
            detection_time: session.detection_time(),
            received: counts.received,
            sent: counts.sent,
            discarded: counts.discarded,
            unsent: counts.unsent,
            ups: counts.ups,
            downs: counts.downs,
        }
    }
}

fn handshake(bfd: &Bfd) -> Duration {
    Duration::from_micros(bfd.settings.idle_tx.max(1_000_000).into()) * HANDSHAKE
}

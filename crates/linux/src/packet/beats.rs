//! The part of a turn that is BFD's: packets in, sessions, packets out, and the sockets for both.

use super::wake::Readable;
use super::{Report, Turner};
use crate::clock::Turn;
use crate::error::Result;
use crate::neighbors::Change;
use node::event::Level;
use node::io::{Errno, Input};
use node::sessions::{self, Path};
use timeline::{Instant, Machine};

impl Turner {
    /// Packets of BFD, wherever the turn stands in time: they are few, and say when they came.
    pub(super) fn hear_neighbors(&mut self, turn: &Turn) {
        let Self { sessions, neighbors, beats, .. } = self;
        let unreadable = neighbors.receive(turn, |now, packet| {
            sessions.handle(now, sessions::Input::Packet(packet), beats);
        });
        if let Some(text) = self.unreadable.note(turn.now, unreadable) {
            self.teller.tell(Report::Problem(Level::Warning, text));
        }
        self.take_beats(turn.now);
    }

    /// Tells the sessions something, and the node what follows.
    pub(super) fn watch_neighbors(&mut self, now: Instant, input: sessions::Input<'_>) {
        self.sessions.handle(now, input, &mut self.beats);
        self.take_beats(now);
    }

    fn take_beats(&mut self, now: Instant) {
        for beat in self.beats.drain(..) {
            match beat {
                sessions::Effect::Send { session, bytes } => self.packets.push((session, bytes)),
                sessions::Effect::Fact(fact) => {
                    self.is_told = true;
                    self.node.handle(now, Input::Fact(fact), &mut self.effects);
                }
                sessions::Effect::Report(event) => self.teller.tell(Report::Event(event)),
            }
        }
    }

    /// After the adverts.
    pub(super) fn send_packets(&mut self, now: Instant) {
        for (session, bytes) in self.packets.drain(..) {
            if let Err(errno) = self.neighbors.send(session, &bytes) {
                self.sessions.handle(now, sessions::Input::Unsent { session, errno }, &mut self.beats);
            }
        }
        self.neighbors.forget_retired();
        self.take_beats(now);
    }

    /// Makes the sockets of BFD sessions those that there are now.
    pub(super) fn meet_neighbors(&mut self, now: Instant) {
        let node = &self.node;
        let scope =
            |path: &Path| path.source.filter(|_| path.is_link_local()).and_then(|at| node.interface_of(at));
        let wanted: Vec<_> = self.sessions.paths().map(|path| (path, scope(&path))).collect();
        self.is_scoped = wanted.iter().any(|(path, _)| path.is_link_local());
        let changes = match self.neighbors.adapt(&wanted) {
            Ok(changes) => changes,
            Err(why) => return self.teller.tell(Report::Problem(Level::Alarm, why.to_string())),
        };
        for Change { family, multihop, why } in changes {
            let errno = why.as_ref().map(|why| why.errno().unwrap_or(Errno(libc::EIO)));
            if let Some(why) = why {
                self.teller.tell(Report::Problem(Level::Alarm, why.to_string()));
            }
            self.watch_neighbors(now, sessions::Input::NoSocket { family, multihop, why: errno });
        }
        let watched: Result<()> =
            self.neighbors.ears().try_for_each(|ear| self.watch(ear, Readable::NEIGHBORS));
        if let Err(why) = watched {
            self.teller.tell(Report::Problem(Level::Alarm, why.to_string()));
        }
    }
}

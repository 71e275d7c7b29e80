//! What was seen, and what follows from it: pure functions over captured frames, answers and changes of
//! addresses. Every number of the demonstration comes from here, and none from what should have happened.

use std::net::IpAddr;
use std::time::Duration;

use lab::{Answer, Call, Change, Event, Probe, Record, Reply};
use timeline::Instant;
use wire::Mac;
use wire::frame::Seen;

use super::scenario::{ASKS_EVERY, INTERVAL, VIP, VRID, Who};

/// A frame that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    /// When the kernel handled it.
    pub(crate) at: Instant,
    /// Who sent it; `None`: neither of the two.
    pub(crate) who: Option<Who>,
    /// What it was.
    pub(crate) what: What,
}

/// What a frame was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// An advert.
    Advert {
        /// Its priority; 0 says "I am leaving".
        priority: u8,
        /// What is wrong with it.
        fault: Option<String>,
    },
    /// A gratuitous ARP for the service address.
    Announcement,
}

/// Reads captured frames; all that has to do neither with VRRP nor with the service address is left out.
pub(crate) fn sights(records: &[Record], macs: [Mac; 2]) -> Vec<Sight> {
    records.iter().filter_map(|record| sight(record, macs)).collect()
}

/// Reads one captured frame.
pub(crate) fn sight(record: &Record, macs: [Mac; 2]) -> Option<Sight> {
    match record.seen? {
        Seen::Vrrp { source, priority, .. } => {
            let who = Who::BOTH.into_iter().find(|who| source == IpAddr::from(who.address()));
            let what = What::Advert { priority: priority.0, fault: fault(&record.seen?, who) };
            Some(Sight { at: record.at, who, what })
        }
        Seen::Arp(arp) if arp.is_gratuitous() && arp.sender == VIP => {
            let who = Who::BOTH.into_iter().find(|who| macs[who.index()] == arp.sender_mac);
            Some(Sight { at: record.at, who, what: What::Announcement })
        }
        Seen::Arp(_) | Seen::Neighbor(_) => None,
    }
}

/// What is wrong with an advert, for the two configurations of the scenario.
fn fault(seen: &Seen, who: Option<Who>) -> Option<String> {
    let Seen::Vrrp {
        hop_limit,
        version,
        kind,
        vrid,
        priority,
        first,
        centiseconds,
        authenticated,
        sum_ok,
        ..
    } = seen
    else {
        return None;
    };
    let Some(who) = who else { return Some(format!("from neither of the two: {seen}")) };
    let right = *hop_limit == wire::HOP_LIMIT
        && (*version, *kind, *vrid) == (2, wire::message::ADVERTISEMENT, VRID)
        && [0, who.priority()].contains(&priority.0)
        && *first == Some(VIP.into())
        && Duration::from_millis(u64::from(*centiseconds) * 10) == INTERVAL
        && *authenticated
        && *sum_ok;
    (!right).then(|| seen.to_string())
}

/// Whether a machine takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// It has no power.
    Off,
    /// It runs, without the daemon.
    Idle,
    /// Its daemon runs.
    Serving,
    /// Its daemon runs and is in FAULT.
    Fault,
}

/// A time in which a machine held the service address and could be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// Who.
    pub(crate) who: Who,
    /// From then on.
    pub(crate) from: Instant,
    /// Until then; the end of the history, if it still does.
    pub(crate) until: Instant,
}

/// A time between two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The answer before, or the beginning.
    pub(crate) from: Instant,
    /// The answer after, or the end.
    pub(crate) until: Instant,
    /// Requests sent in it that were never answered.
    pub(crate) lost: usize,
}

impl Gap {
    /// How long it was.
    pub(crate) fn length(self) -> Duration {
        self.until.since(self.from)
    }
}

/// What became of the calls of the service in some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// The longest time between two answered calls; in it so many were not answered.
    pub(crate) gap: Gap,
    /// Calls begun.
    pub(crate) calls: usize,
    /// Of those: nobody listened where the address was.
    pub(crate) refused: usize,
    /// Of those: nobody said anything in time.
    pub(crate) silent: usize,
    /// Whose services answered, one after the other.
    pub(crate) by: Vec<Who>,
}

/// Whose service answered a call.
pub(crate) fn served_by(call: &Call) -> Option<Who> {
    match &call.reply {
        Reply::Body(name) => Who::named(name),
        Reply::Refused | Reply::Silence => None,
    }
}

/// How many frames of which kind somebody sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Adverts of each of the two, resignations among them.
    pub(crate) adverts: [usize; 2],
    /// Resignations (priority 0) of each.
    pub(crate) resignations: [usize; 2],
    /// Gratuitous ARPs of each.
    pub(crate) announcements: [usize; 2],
    /// What was wrong with adverts.
    pub(crate) faults: Vec<String>,
}

/// Everything that was seen until now.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// When the machines stood ready.
    pub(crate) begun: Instant,
    /// When this was taken.
    pub(crate) taken: Instant,
    /// What the client's network card saw.
    pub(crate) sights: Vec<Sight>,
    /// What the client asked.
    pub(crate) probes: Vec<Probe>,
    /// What it was answered, in order.
    pub(crate) answers: Vec<Answer>,
    /// Who held the address, in order of beginning.
    pub(crate) holds: Vec<Hold>,
    /// The client's calls of the service, in order.
    pub(crate) calls: Vec<Call>,
    /// What became of each machine, in order.
    pub(crate) power: [Vec<(Instant, Power)>; 2],
    /// Their Ethernet addresses.
    pub(crate) macs: [Mac; 2],
}

#[expect(clippy::wildcard_enum_match_arm, reason = "two of many changes matter")]
/// When `who` held the service address, from what its kernel said and when it had power.
pub(crate) fn holds(who: Who, events: &[Event], power: &[(Instant, Power)], taken: Instant) -> Vec<Hold> {
    let mut steps: Vec<(Instant, Option<bool>, Option<bool>)> = Vec::new();
    for event in events {
        let set = match &event.change {
            Change::Address { address, .. } if address.address == VIP => true,
            Change::AddressGone { address, .. } if address.address == VIP => false,
            _ => continue,
        };
        steps.push((event.at, Some(set), None));
    }
    steps.extend(power.iter().map(|(at, power)| (*at, None, Some(*power != Power::Off))));
    steps.sort_by_key(|(at, ..)| *at);
    let (mut set, mut reachable, mut since) = (false, true, None);
    let mut found = Vec::new();
    for (at, now_set, now_reachable) in steps {
        (set, reachable) = (now_set.unwrap_or(set), now_reachable.unwrap_or(reachable));
        match (since, set && reachable) {
            (None, true) => since = Some(at),
            (Some(from), false) => {
                found.push(Hold { who, from, until: at });
                since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    found.extend(since.map(|from| Hold { who, from, until: taken }));
    found
}

impl History {
    /// Who answers from `mac`.
    pub(crate) fn owner_of(&self, mac: Mac) -> Option<Who> {
        Who::BOTH.into_iter().find(|who| self.macs[who.index()] == mac)
    }

    /// What `who` was at `at`.
    pub(crate) fn power_at(&self, who: Who, at: Instant) -> Power {
        let changes = &self.power[who.index()];
        let before = changes.iter().rev().find(|(since, _)| *since <= at);
        before.map_or(Power::Idle, |(_, power)| *power)
    }

    /// How often the address went from one of the two to the other between `from` and `until`.
    pub(crate) fn moves(&self, from: Instant, until: Instant) -> usize {
        let known = self.holds.iter().filter(|hold| hold.until > from && hold.from < until);
        let order: Vec<Who> = known.map(|hold| hold.who).collect();
        order.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    /// For how long both held the address between `from` and `until`.
    pub(crate) fn both_held(&self, from: Instant, until: Instant) -> Duration {
        let of = |who: Who| self.holds.iter().filter(move |hold| hold.who == who);
        let mut total = Duration::ZERO;
        for one in of(Who::Lb01) {
            for two in of(Who::Lb02) {
                let begin = one.from.max(two.from).max(from);
                total += one.until.min(two.until).min(until).since(begin);
            }
        }
        total
    }

    /// What was on the wire between `from` and `until`.
    pub(crate) fn traffic(&self, from: Instant, until: Instant) -> Traffic {
        let mut traffic = Traffic::default();
        for sight in self.sights.iter().filter(|sight| sight.at >= from && sight.at < until) {
            match (&sight.what, sight.who.map(Who::index)) {
                (What::Advert { priority, fault }, who) => {
                    traffic.faults.extend(fault.clone().filter(|fault| !traffic.faults.contains(fault)));
                    if let Some(who) = who {
                        traffic.adverts[who] += 1;
                        traffic.resignations[who] += usize::from(*priority == 0);
                    }
                }
                (What::Announcement, Some(who)) => traffic.announcements[who] += 1,
                (What::Announcement, None) => {}
            }
        }
        traffic
    }

    /// Adverts sent by somebody who did not hold the address, nor did within `grace` of it.
    pub(crate) fn adverts_beside_the_holder(
        &self,
        from: Instant,
        until: Instant,
        grace: Duration,
    ) -> Vec<&Sight> {
        let within = self.sights.iter().filter(|sight| sight.at >= from && sight.at < until);
        within
            .filter(|sight| matches!(sight.what, What::Advert { .. }))
            .filter(|sight| {
                !self.holds.iter().any(|hold| {
                    Some(hold.who) == sight.who
                        && hold.from <= sight.at + grace
                        && sight.at <= hold.until + grace
                })
            })
            .collect()
    }

    /// The longest time between two answers, one of them at least between `from` and `until`.
    pub(crate) fn longest_gap(&self, from: Instant, until: Instant) -> Gap {
        let longest =
            self.gaps().filter(|gap| gap.until > from && gap.from < until).max_by_key(|gap| gap.length());
        let mut gap = longest.unwrap_or(Gap { from, until, lost: 0 });
        gap.lost = self.lost_in(gap);
        gap
    }

    /// The times between answers, in order; the time since the last one too. `lost` is not counted.
    ///
    /// A time in which the client did not ask, because this machine was too busy to let it, is no silence: a gap
    /// begins one interval before the first request in it at the earliest.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = Gap> + '_ {
        let begin = self.probes.first().map_or(self.begun, |probe| probe.sent);
        let ends = self.answers.iter().map(|answer| answer.at).chain([self.taken]);
        let mut next = 0;
        ends.scan(begin, move |last, until| {
            let from = std::mem::replace(last, until);
            while self.probes.get(next).is_some_and(|probe| probe.sent <= from) {
                next += 1;
            }
            let asked = self.probes.get(next).map_or(until, |probe| probe.sent - ASKS_EVERY);
            Some(Gap { from: from.max(asked).min(until), until, lost: 0 })
        })
    }

    fn lost_in(&self, gap: Gap) -> usize {
        let first = self.probes.partition_point(|probe| probe.sent < gap.from);
        let end = self.probes.partition_point(|probe| probe.sent < gap.until);
        let answered: std::collections::BTreeSet<usize> =
            self.answers.iter().map(|answer| answer.to).filter(|to| (first..end).contains(to)).collect();
        (end - first) - answered.len()
    }

    /// The times between answered calls of the service, in order; the time since the last one too. `lost` is not
    /// counted.
    pub(crate) fn outages(&self) -> impl Iterator<Item = Gap> + '_ {
        let begin = self.calls.first().map_or(self.taken, |call| call.began);
        let answered = self.calls.iter().filter(|call| served_by(call).is_some());
        let ends = answered.map(|call| call.ended).chain([self.taken]);
        ends.scan(begin, |last, until| Some(Gap { from: std::mem::replace(last, until), until, lost: 0 }))
    }

    /// Whose services answered the client, one after the other: each from its first answer to its last before
    /// another's, or before a call that was not answered.
    pub(crate) fn served(&self) -> Vec<Hold> {
        let mut all: Vec<Hold> = Vec::new();
        let mut broken = true;
        for call in &self.calls {
            let Some(who) = served_by(call) else {
                broken = true;
                continue;
            };
            match all.last_mut() {
                Some(last) if last.who == who && !broken => last.until = call.ended,
                _ => all.push(Hold { who, from: call.ended, until: call.ended }),
            }
            broken = false;
        }
        all
    }

    /// What became of the calls that the client began between `from` and `until`.
    pub(crate) fn service(&self, from: Instant, until: Instant) -> Service {
        let calls: Vec<&Call> =
            self.calls.iter().filter(|call| call.began >= from && call.began < until).collect();
        let longest =
            self.outages().filter(|gap| gap.until > from && gap.from < until).max_by_key(|gap| gap.length());
        let mut gap = longest.unwrap_or(Gap { from, until, lost: 0 });
        let in_gap = self.calls.iter().filter(|call| call.began >= gap.from && call.began < gap.until);
        gap.lost = in_gap.filter(|call| served_by(call).is_none()).count();
        let of = |reply: &Reply| calls.iter().filter(|call| call.reply == *reply).count();
        let mut by: Vec<Who> = calls.iter().filter_map(|call| served_by(call)).collect();
        by.dedup();
        Service { gap, calls: calls.len(), refused: of(&Reply::Refused), silent: of(&Reply::Silence), by }
    }

    /// Who answered the client between `from` and `until`, one after the other, and since when each.
    pub(crate) fn answerers(&self, from: Instant, until: Instant) -> Vec<(Who, Instant)> {
        let within = self.answers.iter().filter(|answer| answer.at >= from && answer.at < until);
        let mut order: Vec<(Who, Instant)> =
            within.filter_map(|answer| Some((self.owner_of(answer.by)?, answer.at))).collect();
        order.dedup_by_key(|(who, _)| *who);
        order
    }

    /// By how much this machine was too busy to let the client ask in time, at worst: what it adds to
    /// everything that is measured on it.
    pub(crate) fn hesitation(&self, from: Instant, until: Instant) -> Duration {
        let asked = self.probes.iter().map(|probe| probe.sent).filter(|sent| *sent >= from && *sent < until);
        let asked: Vec<Instant> = asked.collect();
        let apart = asked.windows(2).map(|pair| pair[1].since(pair[0]));
        apart.max().unwrap_or_default().saturating_sub(ASKS_EVERY)
    }
}

/// `a` − `b` in nanoseconds, negative if `a` is earlier.
pub(crate) fn signed(a: Instant, b: Instant) -> i64 {
    let (ahead, behind) = (a.since(b), b.since(a));
    let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    if behind.is_zero() { nanos(ahead) } else { -nanos(behind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACS: [Mac; 2] = [Mac([2, 0, 10, 0, 0, 5]), Mac([2, 0, 10, 0, 0, 6])];

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn held(at: u64, set: bool) -> Event {
        let address = lab::Cidr::host(VIP.into());
        let change = if set {
            Change::Address { address, interface: 2, usable: true }
        } else {
            Change::AddressGone { address, interface: 2 }
        };
        Event { at: ms(at), change }
    }

    fn advert(at: u64, who: Who) -> Sight {
        let what = What::Advert { priority: who.priority(), fault: None };
        Sight { at: ms(at), who: Some(who), what }
    }

    /// lb01 answers until 100 ms, lb02 from 160 ms on; lb01 holds until 110 ms, lb02 from 150 ms on.
    fn history() -> History {
        let probes: Vec<Probe> = (0..100).map(|n| Probe { sent: ms(n * 2) }).collect();
        let answers = (0..100).filter(|n| *n <= 50 || *n >= 80).map(|n: usize| Answer {
            at: ms(u64::try_from(n).unwrap() * 2),
            to: n,
            by: MACS[usize::from(n >= 80)],
        });
        History {
            begun: ms(0),
            taken: ms(200),
            sights: vec![advert(50, Who::Lb01), advert(140, Who::Lb01), advert(149, Who::Lb02)],
            answers: answers.collect(),
            probes,
            holds: vec![
                Hold { who: Who::Lb01, from: ms(10), until: ms(110) },
                Hold { who: Who::Lb02, from: ms(150), until: ms(200) },
            ],
            calls: vec![
                call(10, Reply::Body("lb01".into())),
                call(20, Reply::Body("lb01".into())),
                call(110, Reply::Refused),
                call(120, Reply::Silence),
                call(160, Reply::Body("lb02".into())),
                call(170, Reply::Body("somebody".into())),
            ],
            power: [vec![(ms(5), Power::Serving), (ms(110), Power::Off)], vec![]],
            macs: MACS,
        }
    }

    fn call(at: u64, reply: Reply) -> Call {
        Call { began: ms(at), ended: ms(at + 1), reply }
    }

    #[test]
    fn calls_tell_who_served_and_how_long_nobody_did() {
        let service = history().service(ms(15), ms(165));
        let gap = Gap { from: ms(21), until: ms(161), lost: 2 };
        let by = vec![Who::Lb01, Who::Lb02];
        assert_eq!(service, Service { gap, calls: 4, refused: 1, silent: 1, by });
        // What neither of the two said is no answer.
        let outages: Vec<_> = history().outages().map(|gap| (gap.from, gap.until)).collect();
        let all = [(10, 11), (11, 21), (21, 161), (161, 200)];
        assert_eq!(outages, all.map(|(from, until)| (ms(from), ms(until))));
        let served: Vec<_> =
            history().served().iter().map(|hold| (hold.who, hold.from, hold.until)).collect();
        assert_eq!(served, [(Who::Lb01, ms(11), ms(21)), (Who::Lb02, ms(161), ms(161))]);
        let answerers = history().answerers(ms(90), ms(200));
        assert_eq!(answerers, [(Who::Lb01, ms(90)), (Who::Lb02, ms(160))]);
    }

    #[test]
    fn a_dead_machine_holds_nothing_though_its_kernel_still_does() {
        let power = [(ms(0), Power::Serving), (ms(30), Power::Off), (ms(60), Power::Idle)];
        let events = [held(10, true), held(12, true), held(50, false), held(70, true)];
        let all = holds(Who::Lb01, &events, &power, ms(90));
        let times: Vec<_> = all.iter().map(|hold| (hold.from, hold.until)).collect();
        assert_eq!(times, [(ms(10), ms(30)), (ms(70), ms(90))]);
    }

    #[test]
    fn the_longest_gap_lies_between_two_answers() {
        let gap = history().longest_gap(ms(90), ms(200));
        assert_eq!((gap.from, gap.until, gap.lost), (ms(100), ms(160), 29));
        assert_eq!(history().longest_gap(ms(170), ms(190)).length(), Duration::from_millis(2));
    }

    #[test]
    fn a_client_that_did_not_ask_was_not_left_waiting() {
        let mut history = history();
        let asked = |at: Instant| at < ms(20) || at > ms(70);
        history.probes.retain(|probe| asked(probe.sent));
        history.answers.retain(|answer| asked(answer.at));
        assert_eq!(history.longest_gap(ms(0), ms(90)).length(), Duration::from_millis(2));
        assert_eq!(history.hesitation(ms(0), ms(90)), Duration::from_millis(52));
    }

    #[test]
    fn moves_and_times_with_two_holders() {
        let mut history = history();
        assert_eq!(history.moves(ms(0), ms(200)), 1);
        assert_eq!(history.moves(ms(160), ms(200)), 0);
        assert_eq!(history.both_held(ms(0), ms(200)), Duration::ZERO);
        history.holds[0].until = ms(153);
        assert_eq!(history.both_held(ms(0), ms(200)), Duration::from_millis(3));
    }

    #[test]
    fn an_advert_beside_the_holder_is_found() {
        let history = history();
        let beside = history.adverts_beside_the_holder(ms(0), ms(200), Duration::from_millis(2));
        assert_eq!(beside.iter().map(|sight| sight.at).collect::<Vec<_>>(), [ms(140)]);
        assert_eq!(history.traffic(ms(0), ms(200)).adverts, [2, 1]);
    }

    #[test]
    fn power_and_sign() {
        let history = history();
        assert_eq!(history.power_at(Who::Lb01, ms(0)), Power::Idle);
        assert_eq!(history.power_at(Who::Lb01, ms(109)), Power::Serving);
        assert_eq!(history.power_at(Who::Lb01, ms(110)), Power::Off);
        assert_eq!((signed(ms(1), ms(3)), signed(ms(3), ms(1))), (-2_000_000, 2_000_000));
    }
}

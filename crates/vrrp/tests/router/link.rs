//! Routers against each other on a link that loses nothing, in virtual time: whoever they are, in the end one is
//! Active, and all agree on which (SM-P-3, SM-P-4).

use vrrp::{Input, Settings};
use wire::Version::{V2, V3};

use crate::*;

/// How long a frame is on its way.
const LATENCY: Duration = Duration::from_millis(2);

struct Frame {
    due: Instant,
    to: usize,
    advert: Advertisement,
}

struct Link {
    now: Instant,
    hosts: Vec<(IpAddr, Router)>,
    /// In the order of sending, which is that of arrival.
    frames: Vec<Frame>,
    /// Which hosts hear each other: those of one side.
    side: Vec<u8>,
    /// Role changes since the last question.
    changes: usize,
}

impl Link {
    /// All on one side, nobody started. Host `n` has the address 10.0.0.(9 + n): text and number disagree.
    fn new(hosts: &[Settings]) -> Self {
        let address = |n: usize| ip(&format!("10.0.0.{}", 9 + n));
        let hosts: Vec<_> =
            hosts.iter().enumerate().map(|(n, s)| (address(n), Router::new(s.clone()))).collect();
        let side = vec![0; hosts.len()];
        Self { now: Instant::from_nanos(1_000_000_000_000), hosts, frames: Vec::new(), side, changes: 0 }
    }

    fn start(&mut self, host: usize) {
        let primary = self.hosts[host].0;
        self.give(host, Input::Startup { primary });
    }

    fn give(&mut self, host: usize, input: Input) {
        let (source, router) = &mut self.hosts[host];
        let mut effects = Vec::new();
        router.handle(self.now, input, &mut effects);
        let (source, interval) = (*source, router.settings().interval);
        self.changes += effects.iter().filter(|e| matches!(e, Effect::Transition(_))).count();
        for priority in adverts(&effects) {
            let due = self.now + LATENCY;
            let advert = Advertisement { source, priority: Priority(priority), interval, at: due };
            let others = (0..self.hosts.len()).filter(|to| *to != host && self.side[*to] == self.side[host]);
            self.frames.extend(others.map(|to| Frame { due, to, advert }));
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timer = (0..self.hosts.len())
                .filter_map(|host| self.hosts[host].1.deadline().map(|due| (due.max(self.now), host)))
                .min();
            let frame = self.frames.first().map(|frame| frame.due);
            // What has arrived is read before a timer that is due at the same time (TM-10).
            if let Some(due) = frame.filter(|due| *due <= end && timer.is_none_or(|(at, _)| *due <= at)) {
                self.now = due;
                let Frame { to, advert, .. } = self.frames.remove(0);
                self.give(to, Input::Advertisement(advert));
            } else if let Some((due, host)) = timer.filter(|(due, _)| *due <= end) {
                self.now = due;
                self.give(host, Input::Elapsed);
                let next = self.hosts[host].1.deadline();
                assert!(next.is_none_or(|due| due > self.now), "overdue after Elapsed");
            } else {
                break;
            }
        }
        self.now = end;
    }

    fn active(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].1.role() == Role::Active).collect()
    }

    /// The one Active router, whom all others follow, now and ever after.
    fn settled(&mut self, what: &dyn std::fmt::Debug) -> usize {
        let active = self.active();
        assert_eq!(active.len(), 1, "{what:?}: {:?}", self.hosts);
        self.changes = 0;
        self.run(self.longest() * 3);
        assert_eq!((self.changes, self.active()), (0, active.clone()), "{what:?}: no peace");
        for (address, router) in self.hosts.iter().filter(|(_, router)| router.role() == Role::Backup) {
            let followed = router.leader().map(|l| l.source);
            assert_eq!(followed, Some(self.hosts[active[0]].0), "{what:?}: the view of {address}");
        }
        active[0]
    }

    /// max(Active_Down_Interval) and one interval, and what the frames need.
    fn longest(&self) -> Duration {
        let slowest = self.hosts.iter().map(|(_, r)| r.settings().interval).max().unwrap();
        let down = |r: &Router| vrrp::timers::down(r.settings().version, slowest, r.priority(), 3);
        self.hosts.iter().map(|(_, r)| down(r)).max().unwrap() + slowest.duration() + LATENCY * 4
    }
}

/// Every host of a small set, by what matters between hosts.
fn variants(version: Version) -> Vec<Settings> {
    let intervals: &[u16] = if version == V2 { &[100] } else { &[10, 100, 250] };
    let mut all = Vec::new();
    for priority in [100, 101, 255] {
        for interval in intervals {
            for preempt in [true, false] {
                let priority = Priority(priority);
                all.push(Settings { priority, interval: centis(*interval), preempt, ..settings(version) });
            }
        }
    }
    for change in [(|s: &mut Settings| s.lower_priority_no_advert = true) as fn(&mut Settings), |s| {
        s.higher_priority_send_advert = true
    }] {
        let mut settings = settings(version);
        change(&mut settings);
        all.push(settings);
    }
    all
}

/// Who wins when two Active routers meet.
fn stronger(link: &Link, a: usize, b: usize) -> usize {
    let rank = |n: usize| (link.hosts[n].1.priority(), link.hosts[n].0);
    if rank(a) > rank(b) { a } else { b }
}

fn pairs() -> impl Iterator<Item = [Settings; 2]> {
    [V2, V3].into_iter().flat_map(|version| {
        let all = variants(version);
        let others = all.clone();
        all.into_iter().flat_map(move |a| others.clone().into_iter().map(move |b| [a.clone(), b]))
    })
}

#[test]
fn sm_p_3_any_two_routers_reach_one_active_router() {
    let mut count = 0;
    for pair in pairs() {
        for apart in [0, 1, 700, 5000, 20_000] {
            let mut link = Link::new(&pair);
            link.start(0);
            link.run(millis(apart));
            link.start(1);
            link.run(link.longest());
            let winner = link.settled(&(&pair, apart));
            if pair.iter().all(|s| s.preempt) {
                let best = pair.iter().map(|s| s.priority).max();
                assert_eq!(Some(pair[winner].priority), best, "{pair:?}");
            }
            count += 1;
        }
    }
    println!("{count} pairs");
}

#[test]
fn sm_p_3_a_router_that_leaves_or_breaks_is_replaced_and_returns() {
    for pair in pairs() {
        for resigns in [true, false] {
            let mut link = Link::new(&pair);
            link.start(0);
            link.start(1);
            link.run(link.longest() * 2);
            let gone = link.settled(&pair);
            let manner = if resigns { vrrp::Manner::Stop } else { vrrp::Manner::Mute };
            link.give(gone, Input::Shutdown(manner));
            link.run(link.longest());
            assert_eq!(link.active(), [1 - gone], "{pair:?}");
            link.start(gone);
            link.run(link.longest());
            link.settled(&pair);
        }
    }
}

#[test]
fn sm_p_4_after_a_partition_exactly_one_yields_and_both_agree_which() {
    for pair in pairs() {
        let mut link = Link::new(&pair);
        link.start(0);
        link.start(1);
        link.run(link.longest());
        link.side = vec![0, 1];
        link.run(link.longest() * 2);
        assert_eq!(link.active(), [0, 1], "{pair:?}: each on its own");
        link.side = vec![0, 0];
        link.changes = 0;
        let slowest = pair.iter().map(|s| s.interval).max().unwrap();
        link.run(slowest.duration() + LATENCY * 3);
        assert_eq!(link.changes, 1, "{pair:?}: one of two yields");
        let expected = stronger(&link, 0, 1);
        assert_eq!(link.settled(&pair), expected, "{pair:?}");
    }
}

#[test]
fn sm_p_3_any_three_routers_reach_one_active_router_also_after_a_partition() {
    let hosts = |version| {
        let mut all = Vec::new();
        for (priority, interval, preempt) in [
            (100, 100, true),
            (100, 100, false),
            (150, 100, true),
            (200, 30, false),
            (200, 300, true),
            (255, 100, true),
        ] {
            let interval = centis(if version == V2 { 100 } else { interval });
            all.push(Settings { priority: Priority(priority), interval, preempt, ..settings(version) });
        }
        all
    };
    for version in [V2, V3] {
        let all = hosts(version);
        for (a, b, c) in (0..all.len()).flat_map(|a| (0..6).flat_map(move |b| (0..6).map(move |c| (a, b, c))))
        {
            let trio = [all[a].clone(), all[b].clone(), all[c].clone()];
            let mut link = Link::new(&trio);
            for host in 0..3 {
                link.start(host);
                link.run(millis(300));
            }
            link.run(link.longest());
            let first = link.settled(&trio);
            link.side[first] = 1;
            link.run(link.longest() * 2);
            assert_eq!(link.active().len(), 2, "{trio:?}: one on each side");
            link.side[first] = 0;
            link.run(link.longest());
            link.settled(&trio);
        }
    }
}

#[test]
fn sm_p_5_without_preemption_a_newcomer_never_takes_the_role() {
    for version in [V2, V3] {
        for (old, new) in [(100, 254), (100, 100), (1, 200)] {
            let host =
                |priority| Settings { priority: Priority(priority), preempt: false, ..settings(version) };
            for apart in [4000, 4900, 4997, 7300] {
                let mut link = Link::new(&[host(old), host(new)]);
                link.start(0);
                link.run(millis(apart));
                link.start(1);
                link.run(link.longest() * 5);
                assert_eq!(link.settled(&(old, new, apart)), 0);
            }
        }
    }
}

#[test]
fn sm_act_4_trap_16_a_second_active_router_that_resigns_makes_nobody_flap() {
    let host = |priority| Settings { priority: Priority(priority), ..settings(V3) };
    let mut link = Link::new(&[host(100), host(150), host(200)]);
    (0..3).for_each(|n| link.start(n));
    link.run(link.longest());
    assert_eq!(link.settled(&"start"), 2);
    // 150 was alone and comes back just to leave: the third router hears both.
    link.side = vec![0, 1, 0];
    link.run(link.longest());
    link.side = vec![0, 0, 0];
    link.changes = 0;
    link.give(1, Input::Shutdown(vrrp::Manner::Stop));
    link.run(link.longest());
    assert_eq!((link.active(), link.changes), (vec![2], 1));
}

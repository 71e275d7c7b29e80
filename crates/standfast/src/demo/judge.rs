//! What is right: each check compares what was seen with what the protocol allows, and says exactly why not.

use std::time::Duration;

use serde_json::json;
use timeline::Instant;
use wire::Mac;

use super::measure::{History, signed};
use super::report::Step;
use super::scenario::{ASKS_EVERY, CALLS_EVERY, FALL, LOOKS_EVERY, PATIENCE, VIP, Who};
use crate::draw::words::{count, micros, millis, secs, span};

/// What passes for "at once", here and on every machine that is not overloaded. By how much this machine
/// hesitated, as the client's own timer showed, is added to it.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(20);

/// The part of the history that a check looks at, and how exact this machine was meanwhile.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    pub(crate) history: &'a History,
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

impl<'a> Window<'a> {
    /// From `from` until the history was taken.
    pub(crate) fn since(history: &'a History, from: Instant) -> Self {
        Self { history, from, until: history.taken }
    }

    /// How late "at once" may be.
    pub(crate) fn slack(&self) -> Duration {
        AT_ONCE + self.history.hesitation(self.from, self.until)
    }
}

/// When an address was taken over, and when it should have been.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takeover {
    /// By whom.
    pub(crate) by: Who,
    /// What the time counts from.
    pub(crate) base: Instant,
    /// How long after that it is due.
    pub(crate) wait: Duration,
    /// When the first gratuitous ARP left.
    pub(crate) announced: Instant,
}

impl Takeover {
    /// Nanoseconds after it was due.
    fn late(&self) -> i64 {
        signed(self.announced, self.base + self.wait)
    }

    /// `312 µs after it was due`.
    fn words(&self) -> String {
        let late = self.late();
        let side = if late < 0 { "before" } else { "after" };
        format!("{} {side} it was due", span(Duration::from_nanos(late.unsigned_abs())))
    }

    fn reasons(&self, slack: Duration) -> Vec<String> {
        let late = self.late();
        // The two stamps are of one kernel; what is earlier than this was not waited for.
        let early = late < 0 && late.unsigned_abs() > 1_000_000;
        let mut why = Vec::new();
        if early {
            why.push(format!("it must not come before {:.3} s have passed", self.wait.as_secs_f64()));
        } else if late > 0 && Duration::from_nanos(late.unsigned_abs()) > slack {
            why.push(format!("more than {} late", span(slack)));
        }
        why
    }

    fn facts(&self) -> serde_json::Value {
        json!({
            "by": self.by.name(),
            "after_s": secs(self.announced.since(self.base)),
            "due_s": secs(self.wait),
            "first_announcement_late_us": micros(self.late()),
        })
    }
}

/// A takeover that is counted from an advert that was heard.
pub(crate) fn takeover(step: &mut Step, window: &Window<'_>, takeover: &Takeover) {
    let after = takeover.announced.since(takeover.base).as_secs_f64();
    let text = format!("{}'s gratuitous ARP left {} ({after:.6} s)", takeover.by.name(), takeover.words());
    step.check("takeover", text, takeover.reasons(window.slack()), takeover.facts());
}

/// A takeover after a start, counted from the moment at which the daemon said that it listens. That line comes
/// out a little after its timer began, so the takeover may seem early by as much as this machine is slow.
pub(crate) fn takeover_after_start(
    step: &mut Step,
    window: &Window<'_>,
    takeover: &Takeover,
    started: Instant,
) {
    takeover_after(step, window, takeover, ("start", started));
}

/// As [`takeover_after_start`], after something else that is called `what`.
pub(crate) fn takeover_after(
    step: &mut Step,
    window: &Window<'_>,
    takeover: &Takeover,
    (what, started): (&str, Instant),
) {
    let after = takeover.announced.since(takeover.base);
    let since_start = takeover.announced.since(started);
    let name = takeover.by.name();
    let text = format!(
        "{name} took it {} after it began to listen, {} after {what}",
        span(after),
        span(since_start)
    );
    let slack = window.slack();
    let mut why = Vec::new();
    if after + slack < takeover.wait {
        why.push(format!("it must listen for {}", span(takeover.wait)));
    }
    if after > takeover.wait + slack {
        why.push(format!("it should not take more than {}", span(takeover.wait + slack)));
    }
    let facts = json!({
        "by": name,
        "after_s": secs(after),
        "due_s": secs(takeover.wait),
        "after_start_s": secs(since_start),
    });
    step.check("takeover", text, why, facts);
}

/// What the client felt: the longest time between two answers, which may be `allowed` and what is "at once".
pub(crate) fn client(step: &mut Step, window: &Window<'_>, allowed: Duration, then: Who) {
    let gap = window.history.longest_gap(window.from, window.until);
    let last = window.history.answers.last();
    let by = last.and_then(|answer| window.history.owner_of(answer.by));
    let text = if gap.length() > AT_ONCE {
        format!("no answer for {} ({}), then {} answered", span(gap.length()), lost(gap.lost), then.name())
    } else {
        format!("never waited longer than {} for an answer; {}", span(gap.length()), lost(gap.lost))
    };
    let mut why = Vec::new();
    let limit = allowed + window.slack();
    if gap.length() > limit {
        why.push(format!("{} would be in order", span(limit)));
    }
    if by != Some(then) {
        let name = by.map_or("nobody", Who::name);
        why.push(format!("at the end {name} answers, and it should be {}", then.name()));
    }
    let hesitation = window.history.hesitation(window.from, window.until);
    let facts = json!({
        "silent_ms": millis(gap.length()),
        "lost": gap.lost,
        "asks_every_ms": millis(ASKS_EVERY),
        "machine_hesitated_ms": millis(hesitation),
        "answered_by": by.map(Who::name),
    });
    step.check("client", text, why, facts);
}

fn lost(requests: usize) -> String {
    match requests {
        0 => "no request lost".to_owned(),
        n => format!("{} lost", count(n, "request")),
    }
}

/// The ARP entry of the client: it was `before`, and should be that of `now`.
pub(crate) fn arp(step: &mut Step, macs: [Mac; 2], before: Option<Mac>, after: Option<Mac>, now: Who) {
    let text = |mac: Option<Mac>| mac.map_or("nowhere".to_owned(), |mac| mac.to_string());
    let owner = macs.iter().position(|mac| Some(*mac) == after).map_or("nobody", |at| Who::BOTH[at].name());
    let measured = match before {
        Some(mac) if Some(mac) != after => {
            format!("{VIP} was at {mac}, now at {} ({owner})", text(after))
        }
        _ => format!("{VIP} is at {} ({owner})", text(after)),
    };
    let mut why = Vec::new();
    if after != Some(macs[now.index()]) {
        why.push(format!("it should be at {} ({})", macs[now.index()], now.name()));
    }
    let facts =
        json!({ "before": before.map(|mac| mac.to_string()), "after": after.map(|mac| mac.to_string()) });
    step.check("arp", measured, why, facts);
}

/// What was on the wire: adverts of the holder alone, and none that is malformed. `holder` has it at the end.
pub(crate) fn wire(step: &mut Step, window: &Window<'_>, dropped: u32) {
    let traffic = window.history.traffic(window.from, window.until);
    let own = |who: Who| {
        let at = who.index();
        let resigned = match traffic.resignations[at] {
            0 => String::new(),
            n => format!(" ({n} with priority 0)"),
        };
        format!("{} by {}{resigned}", traffic.adverts[at], who.name())
    };
    let announced: usize = traffic.announcements.iter().sum();
    let text = format!("{}, {}; {}", own(Who::Lb01), own(Who::Lb02), count(announced, "gratuitous ARP"),);
    let mut why: Vec<String> =
        traffic.faults.iter().map(|fault| format!("not as configured: {fault}")).collect();
    let slack = window.slack();
    for sight in window.history.adverts_beside_the_holder(window.from, window.until, slack) {
        let name = sight.who.map_or("somebody", Who::name);
        let at = sight.at.since(window.history.begun).as_secs_f64();
        why.push(format!("at {at:.3} s {name} sent an advert without holding the address"));
    }
    if dropped > 0 {
        why.push(format!(
            "the kernel had no room for {}",
            count(usize::try_from(dropped).unwrap_or(0), "frame")
        ));
    }
    let facts = json!({
        "lb01": traffic.adverts[0], "lb02": traffic.adverts[1],
        "resignations": traffic.resignations.iter().sum::<usize>(),
        "announcements_lb01": traffic.announcements[0], "announcements_lb02": traffic.announcements[1],
    });
    step.check("adverts", text, why, facts);
}

/// Who held the address: never both, except at once while it changes hands (`handover`), and how often it moved.
pub(crate) fn holders(step: &mut Step, window: &Window<'_>, handover: bool, moves: usize) {
    let both = window.history.both_held(window.from, window.until);
    let moved = window.history.moves(window.from, window.until);
    let times = match moved {
        0 => "it did not move".to_owned(),
        1 => "it moved once".to_owned(),
        n => format!("it moved {n} times"),
    };
    let text = if both.is_zero() {
        format!("{times}; never two at once")
    } else {
        format!("{times}; two for {} while it changed hands", span(both))
    };
    let limit = if handover { window.slack() } else { Duration::ZERO };
    let mut why = Vec::new();
    if both > limit {
        why.push(format!("two machines had the address for {}", span(both)));
    }
    if moved != moves {
        why.push(format!(
            "it should have moved {}",
            if moves == 1 { "once".into() } else { format!("{moves} times") }
        ));
    }
    step.check("holders", text, why, json!({ "both_held_us": micros(nanos(both)), "moves": moved }));
}

/// How long a service was dead, or back, until the check of `lb01` made it resign, or listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noticed {
    /// When the service died, or was back.
    pub(crate) changed: Instant,
    /// When that was noticed.
    pub(crate) noticed: Option<Instant>,
    /// The longest that it may take.
    pub(crate) limit: Duration,
}

/// A dead service: so many looks in a row fail, then lb01 resigns.
pub(crate) fn notices_death(step: &mut Step, window: &Window<'_>, seen: Noticed) {
    let least = LOOKS_EVERY * (FALL - 1);
    let mut why = seen.reasons(window.slack());
    let after = seen.after();
    if after.is_some_and(|after| after + window.slack() < least) {
        why.push(format!("{FALL} failures in a row take {} at least", span(least)));
    }
    let text = match after {
        Some(after) => {
            format!("lb01's check failed {FALL} times; it resigned {} after the service died", span(after))
        }
        None => "lb01 did not resign (priority 0) when its service died".to_owned(),
    };
    step.check("check", text, why, seen.facts());
}

/// A service that is back: one look succeeds, and lb01 listens.
pub(crate) fn notices_return(step: &mut Step, window: &Window<'_>, seen: Noticed) {
    let text = match seen.after() {
        Some(after) => format!("lb01's check found the service {} after it was back", span(after)),
        None => "lb01 did not notice that its service is back".to_owned(),
    };
    step.check("check", text, seen.reasons(window.slack()), seen.facts());
}

impl Noticed {
    fn after(&self) -> Option<Duration> {
        self.noticed.map(|noticed| noticed.since(self.changed))
    }

    fn reasons(&self, slack: Duration) -> Vec<String> {
        match self.after() {
            Some(after) if after <= self.limit + slack => vec![],
            Some(_) | None => vec![format!("{} would be in order", span(self.limit + slack))],
        }
    }

    fn facts(&self) -> serde_json::Value {
        json!({ "after_s": self.after().map(secs), "due_s": secs(self.limit) })
    }
}

/// What the client got from the service: the longest time without an answer, which may be `allowed` and what is
/// "at once" and one call; and whose services answered, one after the other: these and no others.
pub(crate) fn service(step: &mut Step, window: &Window<'_>, allowed: Duration, order: &[Who]) {
    let service = window.history.service(window.from, window.until);
    let names = |all: &[Who]| match all {
        [] => "nobody".to_owned(),
        all => all.iter().map(|who| who.name()).collect::<Vec<_>>().join(", then "),
    };
    let one = CALLS_EVERY + PATIENCE;
    let (gap, by) = (service.gap, names(&service.by));
    let text = if gap.length() > AT_ONCE + one {
        format!(
            "nobody served for {} ({} refused, {} unanswered); served by {by}",
            span(gap.length()),
            count(service.refused, "call"),
            service.silent
        )
    } else {
        format!("served by {by}; never longer than {} without an answer", span(gap.length()))
    };
    let mut why = Vec::new();
    let limit = allowed + one + window.slack();
    if gap.length() > limit {
        why.push(format!("{} would be in order", span(limit)));
    }
    if service.by != order {
        why.push(format!("it should be {}", names(order)));
    }
    let facts = json!({
        "silent_ms": millis(gap.length()),
        "calls": service.calls, "refused": service.refused, "unanswered": service.silent,
        "calls_every_ms": millis(CALLS_EVERY),
        "served_by": service.by.iter().map(|who| who.name()).collect::<Vec<_>>(),
    });
    step.check("service", text, why, facts);
}

/// What a daemon said, and how long after `since`: `limit` at most.
pub(crate) fn says(
    step: &mut Step,
    who: Who,
    since: Instant,
    (at, line): &(Instant, String),
    limit: Duration,
) {
    let (name, after) = (who.name(), at.since(since));
    let why = (after > limit).then(|| format!("{} would be in order", span(limit)));
    let facts = json!({ "machine": name, "after_s": secs(after), "line": line });
    step.check("log", format!("{name} after {}: {line}", span(after)), why.into_iter().collect(), facts);
}

/// A split brain, and its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    /// The way between the two was cut.
    pub(crate) cut: Instant,
    /// It was open in both directions again.
    pub(crate) healed: Instant,
    /// How long they may go on side by side then.
    pub(crate) allowed: Duration,
}

/// Both hold the address while they cannot hear each other, and one yields soon after they can.
pub(crate) fn split(step: &mut Step, window: &Window<'_>, split: Split, left: [bool; 2]) {
    let total = window.history.both_held(split.cut, window.until);
    let after = window.history.both_held(split.healed, window.until);
    let text = format!("two for {} in all, for {} of it after the heal", span(total), span(after));
    let mut why = Vec::new();
    if total <= after {
        why.push("two machines should have had the address before the heal".to_owned());
    }
    let limit = split.allowed + window.slack();
    if after > limit {
        why.push(format!("{} after the heal would be in order", span(limit)));
    }
    if left != [true, false] {
        why.push("in the end lb01 alone should have the address".to_owned());
    }
    let facts =
        json!({ "both_held_s": secs(total), "after_heal_ms": millis(after), "due_s": secs(split.allowed) });
    step.check("holders", text, why, facts);
}

/// Whom the client reached during a split brain: it notices nothing, and cannot choose.
pub(crate) fn client_of_two(step: &mut Step, window: &Window<'_>) {
    let order = window.history.answerers(window.from, window.until);
    let gap = window.history.longest_gap(window.from, window.until);
    let told: Vec<String> = order
        .iter()
        .map(|(who, at)| format!("{} from {:.1} s on", who.name(), at.since(window.from).as_secs_f64()))
        .collect();
    let text = format!("answered by {}; never waited longer than {}", told.join(", "), span(gap.length()));
    let mut why = Vec::new();
    let limit = window.slack();
    if gap.length() > limit {
        why.push(format!("{} would be in order", span(limit)));
    }
    if !order.iter().any(|(who, _)| *who == Who::Lb02) {
        why.push("lb02 announced the address, so the client should have reached it".to_owned());
    }
    if order.last().map(|(who, _)| *who) != Some(Who::Lb01) {
        why.push("at the end it should be lb01".to_owned());
    }
    let by: Vec<_> = order
        .iter()
        .map(|(who, at)| json!({ "machine": who.name(), "after_cut_s": secs(at.since(window.from)) }))
        .collect();
    let facts = json!({ "silent_ms": millis(gap.length()), "lost": gap.lost, "answered_by": by });
    step.check("client", text, why, facts);
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::measure::Hold;

    fn at(micros: u64) -> Instant {
        Instant::from_nanos(micros * 1000)
    }

    fn taken(announced: u64) -> Takeover {
        let wait = Duration::from_micros(3_609_375);
        Takeover { by: Who::Lb02, base: at(1_000_000), wait, announced: at(announced) }
    }

    #[test]
    fn a_takeover_may_be_late_by_the_slack_but_never_early() {
        let slack = Duration::from_millis(20);
        assert_eq!(taken(4_609_687).words(), "312 µs after it was due");
        assert!(taken(4_609_687).reasons(slack).is_empty());
        assert_eq!(taken(4_639_375).reasons(slack), ["more than 20 ms late"]);
        assert_eq!(taken(4_000_000).reasons(slack), ["it must not come before 3.609 s have passed"]);
    }

    #[test]
    fn an_arp_entry_that_did_not_move_is_off() {
        let macs = [Mac([2, 0, 10, 0, 0, 5]), Mac([2, 0, 10, 0, 0, 6])];
        let mut step = Step::new(2, "S3", "crash", at(0));
        arp(&mut step, macs, Some(macs[0]), Some(macs[1]), Who::Lb02);
        assert_eq!(
            step.checks[0].measured,
            "10.0.0.3 was at 02:00:0a:00:00:05, now at 02:00:0a:00:00:06 (lb02)"
        );
        arp(&mut step, macs, Some(macs[0]), Some(macs[0]), Who::Lb02);
        assert_eq!(step.checks[1].why.as_deref(), Some("it should be at 02:00:0a:00:00:06 (lb02)"));
    }

    /// Of a history in which the client asks every millisecond and all is quiet otherwise: what a check found.
    fn found(
        change: impl FnOnce(&mut History),
        check: impl FnOnce(&mut Step, &Window<'_>),
    ) -> (bool, String) {
        let ms = |millis: u64| at(millis * 1000);
        let mut history = History {
            begun: at(0),
            taken: ms(5000),
            sights: vec![],
            probes: (0..5000).map(|n| lab::Probe { sent: ms(n) }).collect(),
            answers: vec![],
            holds: vec![
                Hold { who: Who::Lb01, from: at(0), until: ms(5000) },
                Hold { who: Who::Lb02, from: ms(1000), until: ms(4300) },
            ],
            calls: vec![],
            power: [vec![], vec![]],
            macs: [Mac([2, 0, 10, 0, 0, 5]), Mac([2, 0, 10, 0, 0, 6])],
        };
        change(&mut history);
        let mut step = Step::new(1, "S", "", at(0));
        check(&mut step, &Window::since(&history, at(0)));
        (step.checks[0].ok, step.checks[0].why.clone().unwrap_or(step.checks[0].measured.clone()))
    }

    fn death(after: Option<u64>) -> (bool, String) {
        let noticed = after.map(at);
        let seen = Noticed { changed: at(0), noticed, limit: Duration::from_secs(2) };
        found(|_| {}, |step, window| notices_death(step, window, seen))
    }

    #[test]
    fn a_dead_service_is_noticed_after_two_failures_and_no_later() {
        let (ok, text) = death(Some(1_600_000));
        assert!(ok, "{text}");
        assert_eq!(text, "lb01's check failed 2 times; it resigned 1.600 s after the service died");
        assert_eq!(death(Some(2_100_000)), (false, "2.020 s would be in order".to_owned()));
        assert_eq!(death(Some(900_000)), (false, "2 failures in a row take 1.000 s at least".to_owned()));
        assert_eq!(death(None), (false, "2.020 s would be in order".to_owned()));
    }

    #[test]
    fn calls_are_judged_by_the_longest_outage_and_by_who_answered() {
        let calls = |from: u64, until: u64, reply: lab::Reply| {
            let call = move |n: u64| lab::Call {
                began: at(n * 10_000),
                ended: at(n * 10_000),
                reply: reply.clone(),
            };
            (from..until).map(call)
        };
        let body = |name: &str| lab::Reply::Body(name.to_owned());
        let served = |history: &mut History| {
            let refused = calls(100, 300, lab::Reply::Refused);
            history.calls =
                calls(0, 100, body("lb01")).chain(refused).chain(calls(300, 500, body("lb02"))).collect();
        };
        let judged = |allowed: u64, order: &'static [Who]| {
            found(served, |step, window| service(step, window, Duration::from_millis(allowed), order))
        };
        let (ok, text) = judged(2000, &[Who::Lb01, Who::Lb02]);
        assert!(ok, "{text}");
        assert_eq!(
            text,
            "nobody served for 2.010 s (200 calls refused, 0 unanswered); served by lb01, then lb02"
        );
        assert_eq!(judged(1900, &[Who::Lb01, Who::Lb02]), (false, "1.980 s would be in order".to_owned()));
        assert_eq!(judged(2000, &[Who::Lb02]), (false, "it should be lb02".to_owned()));
    }

    #[test]
    fn two_holders_are_counted_until_one_yields() {
        let judged = |healed: u64, left: [bool; 2]| {
            let seen = Split { cut: at(0), healed: at(healed), allowed: Duration::from_millis(500) };
            found(|_| {}, |step, window| split(step, window, seen, left))
        };
        let (ok, text) = judged(4_000_000, [true, false]);
        assert!(ok, "{text}");
        assert_eq!(text, "two for 3.300 s in all, for 300 ms of it after the heal");
        assert_eq!(
            judged(3_700_000, [true, false]),
            (false, "520 ms after the heal would be in order".to_owned())
        );
        let both = judged(4_000_000, [true, true]);
        assert_eq!(both, (false, "in the end lb01 alone should have the address".to_owned()));
    }

    #[test]
    fn a_client_of_two_must_have_met_both() {
        let answers = |until: u64, second: bool| {
            move |history: &mut History| {
                let by = |n: u64| history.macs[usize::from(second && (1000..4000).contains(&n))];
                let answer =
                    |n: u64| lab::Answer { at: at(n * 1000), to: usize::try_from(n).unwrap(), by: by(n) };
                history.answers = (0..until).map(answer).collect();
            }
        };
        let judged = |until, second| found(answers(until, second), client_of_two);
        let (ok, text) = judged(5000, true);
        assert!(ok, "{text}");
        assert_eq!(
            text,
            "answered by lb01 from 0.0 s on, lb02 from 1.0 s on, lb01 from 4.0 s on; never waited longer than 1.0 ms"
        );
        assert!(!judged(5000, false).0);
        assert_eq!(judged(3000, true).1, "20 ms would be in order; at the end it should be lb01");
    }
}

//! What is right: each check compares what was seen with what the protocol allows, and says exactly why not.

use std::time::Duration;

use serde_json::json;
use timeline::Instant;
use wire::Mac;

use super::measure::{History, signed};
use super::report::Step;
use super::scenario::{ASKS_EVERY, VIP, Who};
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
    fn slack(&self) -> Duration {
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
    let after = takeover.announced.since(takeover.base);
    let since_start = takeover.announced.since(started);
    let name = takeover.by.name();
    let text =
        format!("{name} took it {} after it began to listen, {} after start", span(after), span(since_start));
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

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

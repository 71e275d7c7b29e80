//! Scripts that notice too late, or not at all.

use super::Advice;
use crate::diagnostic::Findings;
use crate::lower::ScriptPlaces;
use crate::registry::Id;
use alloc::format;
use alloc::string::String;
use core::time::Duration;
use model::Script;

/// A failure that is noticed later than this is noticed by the users first.
const LATE: Duration = Duration::from_secs(600);

impl Advice<'_> {
    pub(super) fn scripts(&self, findings: &mut Findings) {
        for (script, places) in self.host.scripts.iter().zip(self.scripts) {
            timeout(script, places, findings);
            notices(script, places, findings);
        }
    }
}

fn timeout(script: &Script, places: &ScriptPlaces, findings: &mut Findings) {
    let (Some(limit), Some(span)) = (script.timeout, places.timeout) else { return };
    if limit <= script.interval {
        return;
    }
    findings.add(Id::TimeoutBeyondInterval, span, |d| {
        let d = d.say(format!(
            "a run may take {}, but the next one is due after {}: runs are skipped while one hangs",
            shown(limit),
            shown(script.interval)
        ));
        let d = match places.interval {
            Some(place) => d.label(place, "the interval"),
            None => d.label(places.name, "it has no `interval`, so that is 1 s"),
        };
        d.help("a timeout up to the interval tells a hanging service from a slow one in time")
    });
}

fn notices(script: &Script, places: &ScriptPlaces, findings: &mut Findings) {
    let time = script.interval.saturating_mul(script.fall);
    if time <= LATE {
        return;
    }
    let span = places.fall.filter(|_| script.fall > 1).or(places.interval).unwrap_or(places.name);
    findings.add(Id::SlowCheck, span, |d| {
        d.say(format!(
            "a failure counts after {} (interval {} x fall {})",
            shown(time),
            shown(script.interval),
            script.fall
        ))
        .help("both times are given in seconds")
    });
}

/// A time for people.
pub(super) fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds, time.subsec_millis()) {
        (0, millis) => format!("{millis} ms"),
        (_, millis) if seconds < 600 && millis > 0 => {
            let fraction = format!("{millis:03}");
            format!("{seconds}.{} s", fraction.trim_end_matches('0'))
        }
        (0..600, _) => format!("{seconds} s"),
        (600..7200, _) => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

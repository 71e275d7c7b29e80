//! Weights that change nothing.

use super::Advice;
use crate::diagnostic::Findings;
use crate::lower::Placed;
use crate::registry::Id;
use crate::source::Span;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Something that is well or failed, and adds to the priority in each case.
struct Part {
    name: Arc<str>,
    span: Span,
    well: i32,
    failed: i32,
    weight: i16,
}

impl Part {
    fn new(name: Arc<str>, weight: i16, reverse: bool, span: Span) -> Self {
        let (well, failed) = (i32::from(weight.max(0)), i32::from(weight.min(0)));
        let (well, failed) = if reverse { (-well, -failed) } else { (well, failed) };
        Self { name, span, well, failed, weight }
    }
}

impl Advice<'_> {
    /// The sum is cut to 1..=254. When that cuts the difference away, a failure moves nothing.
    pub(super) fn weights(&self, findings: &mut Findings) {
        for placed in self.instances {
            let base = i32::from(placed.instance.settings.priority.0);
            // What a file adds depends on the number in it.
            if placed.instance.settings.priority.is_owner() || !placed.instance.tracking.files.is_empty() {
                continue;
            }
            let parts = parts(placed);
            let well: i32 = base + parts.iter().map(|p| p.well).sum::<i32>();
            for part in parts.iter().filter(|p| p.weight != 0) {
                let failed = well - part.well + part.failed;
                if cut(failed) == cut(well) {
                    report(part, base, &parts, failed, findings);
                }
            }
        }
    }
}

fn parts(placed: &Placed) -> Vec<Part> {
    let interfaces = placed.instance.track_interfaces.iter().zip(&placed.interfaces);
    let interfaces = interfaces.map(|(t, span)| Part::new(t.interface.clone(), t.weight, t.reverse, *span));
    let lines = placed.lines.iter().map(|line| {
        let weight = line.tracked.weight;
        Part::new(line.tracked.name.clone(), weight.value, weight.reverse, line.span)
    });
    interfaces.chain(lines).collect()
}

fn cut(priority: i32) -> i32 {
    priority.clamp(1, 254)
}

fn report(part: &Part, base: i32, parts: &[Part], failed: i32, findings: &mut Findings) {
    let sum = |own: i32| {
        let terms = parts.iter().filter(|p| p.weight != 0).map(|p| {
            let value = if core::ptr::eq(p, part) { own } else { p.well };
            if value < 0 { format!(" - {}", -value) } else { format!(" + {value}") }
        });
        // A long sum tells nobody anything.
        let terms: Vec<String> = terms.collect();
        if terms.len() > 6 { format!("{base} and all weights") } else { format!("{base}{}", terms.concat()) }
    };
    let well = failed - part.failed + part.well;
    findings.add(Id::WeightWithoutEffect, part.span, |d| {
        d.say(format!(
            "a failure of `{}` changes nothing: {} = {well} while it is well and {} = {failed} when it failed, both cut to {}",
            part.name,
            sum(part.well),
            sum(part.failed),
            cut(failed)
        ))
        .help("priorities end at 1 and 254: leave room for the weights")
    });
}

//! What both did, side by side, and whether what differs was expected.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use lab::harness::{Outcome, fail};

use crate::case::{Case, Difference};
use crate::heard::{Phase, Played};
use crate::seconds;

/// A known difference that is so after more than one act.
const ANY: &str = "any";

/// Two stories, compared.
pub(crate) struct Comparison {
    /// How many things were compared.
    pub(crate) count: usize,
    /// All that ours was seen to do.
    pub(crate) seen: String,
    differences: Vec<Difference>,
    /// How much later or earlier a change of owners was, ours against theirs, at most.
    apart: Duration,
    logs: String,
    lengths: [usize; 2],
    transitions: usize,
}

impl Comparison {
    pub(crate) fn new(case: &Case, ours: Played, theirs: Played) -> Self {
        let mut comparison = Self {
            count: 0,
            seen: ours.phases.iter().map(|phase| format!("{}\n{:#?}\n", phase.act, phase.seen)).collect(),
            differences: Vec::new(),
            apart: Duration::ZERO,
            logs: format!("ours:\n{}\ntheirs:\n{}", ours.logs, theirs.logs),
            lengths: [ours.phases.len(), theirs.phases.len()],
            transitions: 0,
        };
        debug_assert_eq!(case.story.len(), ours.phases.len());
        for (ours, theirs) in ours.phases.iter().zip(&theirs.phases) {
            comparison.phase(ours, theirs);
        }
        comparison
    }

    fn phase(&mut self, ours: &Phase, theirs: &Phase) {
        let keys: BTreeSet<&String> = ours.seen.keys().chain(theirs.seen.keys()).collect();
        for key in keys {
            let said = |phase: &Phase| {
                let mut all = phase.seen.get(key).cloned().unwrap_or_default();
                if is_started_at_once(key) {
                    all.sort();
                }
                all.join(", ")
            };
            let (one, other) = (said(ours), said(theirs));
            self.count += theirs.seen.get(key).map_or(0, Vec::len);
            if one != other {
                let (after, at) = (ours.act.clone(), key.clone());
                let because = String::new();
                self.differences.push(Difference { after, at, theirs: other, ours: one, because });
            }
        }
        if let (Some(one), Some(other)) = (ours.moved, theirs.moved) {
            self.transitions += 1;
            self.apart = self.apart.max(one.abs_diff(other));
        }
    }

    /// One line.
    pub(crate) fn summary(&self, case: &Case) -> String {
        format!(
            "{}: {} acts, {} things compared, {} changes of owners, at most {} apart; {} differ, {} known",
            case.name,
            case.story.len(),
            self.count,
            self.transitions,
            seconds(self.apart),
            self.differences.len(),
            case.differences.len(),
        )
    }

    /// Whether both did the same, but for what the case names; and whether all that it names is so.
    pub(crate) fn outcome(&self, case: &Case) -> Outcome {
        let is_same = |known: &Difference, found: &Difference| {
            (known.after == found.after || known.after == ANY)
                && known.at == found.at
                && known.theirs == found.theirs
                && known.ours == found.ours
        };
        let mut text = String::new();
        for found in &self.differences {
            if !case.differences.iter().any(|known| is_same(known, found)) {
                let Difference { after, at, theirs, ours, .. } = found;
                let _ =
                    write!(text, "\nafter: {after}\nat: {at}\ntheirs: {theirs}\nours: {ours}\nbecause: \n");
            }
        }
        for known in &case.differences {
            if !self.differences.iter().any(|found| is_same(known, found)) {
                let _ = write!(text, "\nexpected, and not so: after {:?} at {:?}\n", known.after, known.at);
            }
        }
        if self.lengths != [case.story.len(); 2] {
            let _ = write!(text, "\nonly {:?} acts were played\n", self.lengths);
        }
        // Two that do nothing would agree too.
        if self.count < case.story.len() {
            let _ = write!(text, "\nonly {} things were compared\n", self.count);
        }
        if text.is_empty() { Ok(()) } else { Err(fail(format!("they differ:\n{text}\n{}", self.logs))) }
    }
}

/// Whether keepalived does not fix an order: it starts all scripts at once, and each writes when it runs. That ours keep
/// the order of the FIFO is tested in `e2e/notify.rs`.
fn is_started_at_once(key: &str) -> bool {
    [" notify ", " script "].iter().any(|kind| key.contains(kind))
}

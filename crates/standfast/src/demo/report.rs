//! Steps and their checks: as lines for people, as JSON for programs. What was measured stands in both.

use serde::Serialize;
use serde_json::{Map, Value};
use timeline::Instant;

use super::scenario::Term;
use crate::draw::ink::{Ink, Line};
use crate::draw::words::{WIDTH, seconds, secs, wrap};

/// Columns before the text of a check.
const INDENT: usize = 14;

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    /// What kind of thing.
    pub(crate) name: &'static str,
    /// It is as the protocol demands.
    pub(crate) ok: bool,
    /// What was seen.
    pub(crate) measured: String,
    /// Why it is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// The numbers.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) facts: Map<String, Value>,
}

/// One step of the story.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Which, from 1.
    pub(crate) number: usize,
    /// The part of the reference scenario.
    pub(crate) story: &'static str,
    /// What happens.
    pub(crate) title: String,
    /// What the protocol allows, with its arithmetic.
    pub(crate) allowed: Vec<(&'static str, Term)>,
    /// When it began.
    pub(crate) from: Instant,
    /// When it ended.
    pub(crate) until: Instant,
    /// What was looked at.
    pub(crate) checks: Vec<Check>,
}

impl Step {
    /// A step that begins now.
    pub(crate) fn new(number: usize, story: &'static str, title: &str, from: Instant) -> Self {
        let title = title.to_owned();
        Self { number, story, title, allowed: Vec::new(), from, until: from, checks: Vec::new() }
    }

    /// Notes a check; `why` holds what is wrong, one reason at least if anything is.
    pub(crate) fn check(&mut self, name: &'static str, measured: String, why: Vec<String>, facts: Value) {
        let facts = match facts {
            Value::Object(facts) => facts,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Map::new()
            }
        };
        let why = (!why.is_empty()).then(|| why.join("; "));
        self.checks.push(Check { name, ok: why.is_none(), measured, why, facts });
    }

    /// How many checks are off.
    pub(crate) fn off(&self) -> usize {
        self.checks.iter().filter(|check| !check.ok).count()
    }

    /// What is known at the beginning: what is done, and what the protocol allows.
    pub(crate) fn head(&self) -> Vec<Line> {
        let title = Line::plain(" ").add(Ink::Bold, format!("{} {}", self.number, self.title));
        let mut lines = vec![title.flush(Ink::Dim, self.story, WIDTH)];
        for (n, (what, term)) in self.allowed.iter().enumerate() {
            let name = if n == 0 { "   allowed" } else { "" };
            let formula = format!("{name:<pad$}{}: {what}", term.formula, pad = INDENT);
            lines.extend(wrap(&formula, INDENT).into_iter().map(|text| Line::default().add(Ink::Dim, text)));
        }
        lines
    }

    /// What is known at the end.
    pub(crate) fn tail(&self) -> Vec<Line> {
        self.checks.iter().flat_map(Check::lines).collect()
    }

    /// As JSON; times are seconds since the machines stood ready.
    pub(crate) fn json(&self, begun: Instant) -> Value {
        let allowed = self.allowed.iter().map(|(what, term)| {
            serde_json::json!({
                "what": what, "formula": term.formula, "seconds": secs(term.length),
            })
        });
        serde_json::json!({
            "number": self.number,
            "story": self.story,
            "title": self.title,
            "from_s": seconds(self.from, begun),
            "until_s": seconds(self.until, begun),
            "allowed": allowed.collect::<Vec<_>>(),
            "ok": self.off() == 0,
            "checks": self.checks,
        })
    }
}

impl Check {
    fn lines(&self) -> Vec<Line> {
        let (sign, ink) = if self.ok { ("✓", Ink::Good) } else { ("✗", Ink::Bad) };
        let text = wrap(&format!("{:<pad$}{}", "", self.measured, pad = INDENT), INDENT);
        let mut lines = Vec::new();
        for (n, row) in text.iter().enumerate() {
            let rest: String = row.chars().skip(INDENT).collect();
            let begin = if n == 0 {
                let name = format!("{:<pad$}", self.name, pad = INDENT - 5);
                Line::plain("   ").add(ink, sign).add(Ink::Plain, " ").add(Ink::Dim, name)
            } else {
                Line::plain(" ".repeat(INDENT))
            };
            lines.push(begin.add(Ink::Plain, rest));
        }
        for row in self.why.iter().flat_map(|why| why.lines()) {
            let off = wrap(&format!("{:<pad$}off: {row}", "", pad = INDENT), INDENT + 5);
            lines.extend(off.into_iter().map(|text| Line::default().add(Ink::Bad, text)));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_without_a_reason_is_ok() {
        let mut step = Step::new(1, "S2", "start", Instant::EPOCH);
        step.check("client", "fine".into(), vec![], serde_json::json!({"silence_ms": 3.5}));
        step.check("arp", "odd".into(), vec!["one".into(), "two".into()], Value::Null);
        assert_eq!(step.off(), 1);
        let json = step.json(Instant::EPOCH);
        assert_eq!(json["checks"][0]["facts"]["silence_ms"], 3.5);
        assert_eq!(json["checks"][1]["why"], "one; two");
        assert_eq!(json["ok"], false);
    }
}

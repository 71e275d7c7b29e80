//! The rows of the list.

use anyhow::{Context, Result, bail};

/// A requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Where it stands in the list, from 1.
    pub(super) line: usize,
    /// `SM-BKP-7`.
    pub(super) id: String,
    /// The word of the RFC, or what takes its place.
    pub(super) level: String,
    /// RFC and section.
    pub(super) source: String,
    /// How it is shown.
    pub(super) class: Class,
    /// In a few words.
    pub(super) title: String,
    /// Why there is no test; for [`Class::See`] the rows whose tests show it.
    pub(super) reason: String,
}

/// How a row is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// By tests with its id in their names.
    Tested,
    /// By the tests of other rows.
    See,
    /// Not at all, for a reason.
    Excused,
    /// Not at all: we do not do it.
    NotMet,
}

impl Class {
    pub(super) const ALL: [Self; 4] = [Self::Tested, Self::See, Self::Excused, Self::NotMet];

    /// As the list has it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Tested => "tested",
            Self::See => "see",
            Self::Excused => "excused",
            Self::NotMet => "not met",
        }
    }
}

impl Row {
    /// The part before the last number or word: `SM-BKP`.
    pub(super) fn family(&self) -> &str {
        match self.id.split_once('-') {
            Some(("SM", rest)) => &self.id[..3 + rest.find('-').unwrap_or(rest.len())],
            Some((family, rest)) if rest.starts_with(|c: char| c.is_ascii_digit()) => family,
            // Worked vectors have words instead of numbers; those of frames have no family of their own.
            Some((family @ ("VEC" | "NEG"), _)) => family,
            _ => "frames",
        }
    }

    /// As it stands in the name of a test: `sm_bkp_7`.
    pub(super) fn token(&self) -> String {
        self.id.to_ascii_lowercase().replace('-', "_")
    }
}

/// Reads the list: fields between tabs, `#` before a comment.
pub(super) fn read(text: &str) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let row = row(at + 1, line).with_context(|| format!("line {} of the list", at + 1))?;
        if rows.iter().any(|other| other.id == row.id) {
            bail!("{} stands twice in the list", row.id);
        }
        rows.push(row);
    }
    Ok(rows)
}

fn row(line: usize, text: &str) -> Result<Row> {
    let fields: Vec<&str> = text.split('\t').collect();
    let [id, level, source, class, title, reason] = fields[..] else {
        bail!("{} fields instead of 6: {text:?}", fields.len());
    };
    let known = Class::ALL.into_iter().find(|known| known.word() == class);
    let class = known.with_context(|| format!("no class {class:?}"))?;
    if (class == Class::Tested) != reason.is_empty() {
        bail!("{id} is `{}`: the last field is {reason:?}", class.word());
    }
    let [id, level, source, title, reason] = [id, level, source, title, reason].map(str::to_owned);
    Ok(Row { line, id, level, source, class, title, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_six_fields_and_a_reason_if_it_needs_one() {
        let rows =
            read("# head\nA-1\tMUST\t9568 1\ttested\tone\t\nSM-B-2\tD\t\texcused\ttwo\twhy\n").unwrap();
        assert_eq!(rows.iter().map(Row::family).collect::<Vec<_>>(), ["A", "SM-B"]);
        assert_eq!((rows[1].line, rows[1].token().as_str()), (3, "sm_b_2"));
        for bad in [
            "A-1\tMUST\t\ttested\tone",
            "A-1\tMUST\t\tnever\tone\t",
            "A-1\tMUST\t\ttested\tone\tbecause",
            "A-1\tMUST\t\texcused\tone\t",
            "A-1\t\t\ttested\tone\t\nA-1\t\t\ttested\tone\t",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn vectors_have_families_too() {
        let family = |id: &str| read(&format!("{id}\t\t\ttested\t\t")).unwrap()[0].family().to_owned();
        assert_eq!(
            ["VEC-V2-NONE", "NEG-VER4", "GARP-1", "GARP-REPLY", "SB1W-3"].map(family),
            ["VEC", "NEG", "GARP", "frames", "SB1W"]
        );
    }
}

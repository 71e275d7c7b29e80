//! The page: a table for each family.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::names::Test;
use super::rows::{Class, Row};

/// Families in words. What is not here stands under its own name.
const TITLES: &[(&str, &str)] = &[
    ("CON", "Constants"),
    ("WIRE", "Fields"),
    ("CK", "Checksum"),
    ("VEC", "Worked vectors"),
    ("NEG", "Vectors that are not believed"),
    ("frames", "Frames of ARP and Neighbor Discovery"),
    ("GARP", "Gratuitous ARP"),
    ("NA", "Neighbor Advertisements"),
    ("TM", "Timers"),
    ("SM-INIT", "Initialize"),
    ("SM-BKP", "Backup"),
    ("SM-ACT", "Active"),
    ("SM-P", "Properties of any sequence of events"),
    ("RX", "Receive checks"),
    ("TX", "Sending"),
    ("BK", "What a Backup owes"),
    ("ARP", "What the Active router owes: ARP"),
    ("ND", "What the Active router owes: Neighbor Discovery"),
    ("FWD", "What the Active router owes: forwarding and accepting"),
    ("AUTH", "Authentication"),
    ("IOP", "Versions 2 and 3 together"),
    ("UNI", "Unicast"),
    ("CFG", "Configuration"),
    ("DIF", "What changed between the RFCs"),
    ("ERR", "Errata"),
    ("NAM", "Names of RFC 8347, 6527 and 2787"),
    ("TRAP", "Traps"),
    ("ACD", "Address conflicts (RFC 5227)"),
    ("SBW", "Split brain: what it looks like"),
    ("SBD", "Split brain: what is told"),
    ("SBY", "Split brain: who yields"),
    ("SB1W", "Split brain: one-way failures"),
    ("SBC", "Split brain: causes"),
    ("SBG", "Split brain: caches"),
    ("SBL", "Split brain: leases"),
    ("SBF", "Split brain: fences"),
    ("SBT", "Split brain: stories"),
];

const HEAD: &str = "\
# Conformance

*Made by `cargo xtask conformance` from `docs/conformance.tsv` and from a run of the tests; do not edit.*

One row for each requirement of VRRP and of what surrounds it: RFC 9568 with its errata, 5798, 3768 and 2338 for what
they alone say, 4861 and 5227 for announcements, and the decisions of this project (level D). A test names the rows that
it shows: `sm_bkp_7_...` shows SM-BKP-7. All of them passed when this page was made.

- **pass**: tests with this id passed. *see*: the tests of other rows show it.
- *excused*: it cannot be asked of this program (yet); the reason stands there.
- **not met**: it is asked of this program, and it does otherwise.

";

/// The whole page.
pub(super) fn write(rows: &[Row], shown: &BTreeMap<&str, Vec<&Test>>) -> String {
    let mut page = HEAD.to_owned();
    page.push_str(&summary(rows));
    let mut families: Vec<&str> = Vec::new();
    for row in rows {
        if !families.contains(&row.family()) {
            families.push(row.family());
        }
    }
    for family in families {
        let title = TITLES.iter().find(|(known, _)| *known == family).map_or(family, |(_, title)| title);
        let _ = writeln!(page, "\n## {title}\n\n| id | level | RFC | requirement | result | tests |");
        page.push_str("|---|---|---|---|---|---|\n");
        for row in rows.iter().filter(|row| row.family() == family) {
            let tests = shown.get(row.id.as_str()).map_or(&[][..], Vec::as_slice);
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {} | {} |",
                row.id,
                row.level,
                row.source,
                row.title,
                result(row),
                tests
                    .iter()
                    .map(|test| format!("{} `{}`", test.krate, test.name))
                    .collect::<Vec<_>>()
                    .join("<br>"),
            );
        }
    }
    page
}

fn summary(rows: &[Row]) -> String {
    let mut text = "| result | rows | of them MUST or MUST NOT |\n|---|---|---|\n".to_owned();
    let of = |class| rows.iter().filter(move |row| row.class == class);
    for class in Class::ALL.into_iter().filter(|class| of(*class).count() > 0) {
        let must = of(class).filter(|row| matches!(row.level.as_str(), "MUST" | "MUST NOT")).count();
        let word = if class == Class::Tested { "pass" } else { class.word() };
        let _ = writeln!(text, "| {word} | {} | {must} |", of(class).count());
    }
    text
}

fn result(row: &Row) -> String {
    match row.class {
        Class::Tested => "**pass**".to_owned(),
        Class::See => format!("*see* {}", row.reason.replace(' ', ", ")),
        Class::Excused => format!("*excused*: {}", row.reason),
        Class::NotMet => format!("**not met**: {}", row.reason),
    }
}

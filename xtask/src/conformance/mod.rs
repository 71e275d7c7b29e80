//! The requirements of VRRP, row by row: `docs/conformance.tsv` lists them, the names of the tests say which rows they
//! show, and `docs/conformance.md` is made of both and of a run in which all of those tests passed.

mod names;
mod page;
mod rows;
mod run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell;
use crate::tidy::Finding;
use names::{Named, Test};
use rows::{Class, Row};

/// The rows.
const LIST: &str = "docs/conformance.tsv";
/// What is made of them.
const PAGE: &str = "docs/conformance.md";
/// What mends most findings.
const MEND: &str = "run `cargo xtask conformance`";

/// Runs every test that names a row and writes the page; true if all passed and nothing is amiss.
pub(crate) fn write() -> Result<bool> {
    let root = shell::root();
    let state = State::read(&root)?;
    let findings = state.findings();
    for finding in &findings {
        println!("{finding}");
    }
    let named: Vec<&Test> = state.named.iter().map(|named| &named.test).collect();
    if !findings.is_empty() || !run::all_pass(&named)? {
        println!("{PAGE} is as it was");
        return Ok(false);
    }
    let page = page::write(&state.rows, &state.shown());
    std::fs::write(root.join(PAGE), page).with_context(|| format!("cannot write {PAGE}"))?;
    println!("{PAGE}: {} rows, {} tests passed", state.rows.len(), named.len());
    Ok(true)
}

/// What is wrong with list, names and page, without running anything.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let state = State::read(root)?;
    let mut findings = state.findings();
    let written = std::fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    let page = page::write(&state.rows, &state.shown());
    if findings.is_empty() && written != page {
        let same = written.lines().zip(page.lines()).take_while(|(old, new)| old == new).count();
        findings.push(finding(PAGE, same + 1, format!("out of date: {MEND}")));
    }
    Ok(findings)
}

fn finding(file: impl Into<PathBuf>, line: usize, text: String) -> Finding {
    Finding { file: file.into(), line, text }
}

/// The list, and the tests that name its rows.
struct State {
    rows: Vec<Row>,
    named: Vec<Named>,
    /// Names that look like those of rows that do not exist.
    strangers: Vec<Finding>,
}

impl State {
    fn read(root: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(root.join(LIST)).with_context(|| format!("cannot read {LIST}"))?;
        let rows = rows::read(&text)?;
        let (named, strangers) = names::collect(root, &rows)?;
        Ok(Self { rows, named, strangers })
    }

    /// The tests of each row, in order.
    fn shown(&self) -> BTreeMap<&str, Vec<&Test>> {
        let mut shown: BTreeMap<&str, Vec<&Test>> = BTreeMap::new();
        for named in &self.named {
            for id in &named.ids {
                shown.entry(id).or_default().push(&named.test);
            }
        }
        shown.values_mut().for_each(|tests| {
            tests.sort();
            tests.dedup();
        });
        shown
    }

    fn findings(&self) -> Vec<Finding> {
        let shown = self.shown();
        let mut findings: Vec<Finding> = self.strangers.clone();
        for row in &self.rows {
            let tests = shown.get(row.id.as_str());
            let text = match (&row.class, tests) {
                (Class::Tested, None) => "no test has this id in its name, and no reason is given".to_owned(),
                (Class::Excused | Class::NotMet, Some(tests)) => {
                    format!("{} has this id in its name, so the row is `tested`", tests[0])
                }
                (Class::See, _) => match Self::unshown(&row.reason, &shown) {
                    None => continue,
                    Some(other) => format!("refers to {other}, which no test shows"),
                },
                (Class::Tested, Some(_)) | (Class::Excused | Class::NotMet, None) => {
                    continue;
                }
            };
            findings.push(finding(LIST, row.line, format!("{}: {text}", row.id)));
        }
        findings
    }

    /// The first of the rows in `reason` without a test.
    fn unshown<'a>(reason: &'a str, shown: &BTreeMap<&str, Vec<&Test>>) -> Option<&'a str> {
        reason.split(' ').find(|id| !shown.contains_key(id))
    }
}

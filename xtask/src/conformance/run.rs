//! The run that the page tells of.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::names::Test;
use crate::shell;
use crate::test::Skips;

/// Whether each of `tests` ran and passed.
pub(super) fn all_pass(tests: &[&Test]) -> Result<bool> {
    ensure!(
        shell::cargo(["nextest", "--version"]).quietly(),
        "cargo-nextest is not installed: it says of each test how it ended"
    );
    let names: BTreeSet<&str> = tests.iter().map(|test| test.name.as_str()).collect();
    let wanted = format!("test(/(^|::)({})$/)", names.into_iter().collect::<Vec<_>>().join("|"));
    let config = shell::root().join("xtask/nextest.toml");
    let config = config.to_string_lossy();
    let skips = Skips::new();
    let words = ["nextest", "run", "--workspace", "--no-fail-fast", "--config-file", &config];
    let mut passed = BTreeSet::new();
    let good = shell::cargo(words.into_iter().chain(["--status-level", "pass", "-E", &wanted]))
        .with(crate::test::SKIPS, skips.path())
        .heard_by(|line| passed.extend(passed_test(line)))?;
    let skipped = skips.read();
    for line in &skipped {
        println!("skipped: {}", line.replace('\t', ": "));
    }
    let absent: Vec<_> = tests.iter().filter(|test| !passed.contains(*test)).collect();
    for test in &absent {
        println!("did not pass: {test}");
    }
    Ok(good && skipped.is_empty() && absent.is_empty())
}

/// From a line of nextest: `PASS [   0.004s] ( 1/93) wire::conformance message::wire_1_...`.
fn passed_test(line: &str) -> Option<Test> {
    let rest = line.trim_start().strip_prefix("PASS [")?;
    let mut words = rest.split_once(']')?.1.split_whitespace().rev();
    let (name, binary) = (words.next()?, words.next()?);
    let last = |text: &str| text.rsplit("::").next().map(str::to_owned);
    Some(Test { krate: binary.split("::").next()?.to_owned(), name: last(name)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_nextest_are_understood() {
        let test = |krate: &str, name: &str| Some(Test { krate: krate.into(), name: name.into() });
        let line = "        PASS [   0.004s] ( 1/93) wire::conformance message::wire_1_it";
        assert_eq!(passed_test(line), test("wire", "wire_1_it"));
        assert_eq!(passed_test("PASS [   0.004s] vrrp timers::tests::tm_1_it"), test("vrrp", "tm_1_it"));
        assert_eq!(passed_test("        FAIL [   0.004s] wire a::b"), None);
    }
}

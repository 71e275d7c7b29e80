//! How many tests passed, failed and were left out: read from what the test runners print.

use std::fmt;
use std::ops::AddAssign;

/// A count of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.skipped += more.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Count {
    /// One check of another kind than a test.
    pub(crate) fn check(good: bool) -> Self {
        Self { passed: good.into(), failed: (!good).into(), skipped: 0 }
    }

    /// From a line of `cargo test`: `test result: ok. 23 passed; 0 failed; 1 ignored; ...`.
    pub(crate) fn of_libtest(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("test result: ")?.1.split_once(". ")?;
        let number = |word| number_before(rest.split("; "), word);
        Some(Self {
            passed: number("passed")?,
            failed: number("failed")?,
            skipped: number("ignored").unwrap_or(0),
        })
    }

    /// From the last line of `cargo nextest run`: `Summary [ 1.234s] 43 tests run: 42 passed (1 slow), 1 failed, 0 skipped`.
    pub(crate) fn of_nextest(line: &str) -> Option<Self> {
        let (head, rest) =
            line.split_once(" run: ").filter(|(head, _)| head.trim_start().starts_with("Summary"))?;
        head.contains("test").then_some(())?;
        let number = |word| number_before(rest.split(", "), word).unwrap_or(0);
        let failed = ["failed", "timed out", "exec failed"].into_iter().map(number).sum();
        Some(Self { passed: number("passed"), failed, skipped: number("skipped") })
    }
}

/// The number in the part `NUMBER word` or `NUMBER word (...)`.
fn number_before<'a>(mut parts: impl Iterator<Item = &'a str>, word: &str) -> Option<u64> {
    parts.find_map(|part| {
        let (number, rest) = part.trim().split_once(' ')?;
        let name = rest.split_once(" (").map_or(rest, |(name, _)| name);
        (name == word).then(|| number.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_test_is_understood() {
        let line = "test result: FAILED. 19 passed; 4 failed; 2 ignored; 0 measured; 0 filtered out; finished in 8.37s";
        assert_eq!(Count::of_libtest(line), Some(Count { passed: 19, failed: 4, skipped: 2 }));
        assert_eq!(Count::of_libtest("test some::thing ... ok"), None);
    }

    #[test]
    fn nextest_is_understood() {
        let line = "     Summary [   9.215s] 43/50 tests run: 40 passed (2 slow, 1 flaky), 2 failed, 1 timed out, 7 skipped";
        assert_eq!(Count::of_nextest(line), Some(Count { passed: 40, failed: 3, skipped: 7 }));
        assert_eq!(
            Count::of_nextest("     Summary [ 0.1s] 1 test run: 1 passed, 0 skipped"),
            Some(Count { passed: 1, failed: 0, skipped: 0 })
        );
        assert_eq!(Count::of_nextest("  PASS [ 0.01s] crate a_test"), None);
    }
}

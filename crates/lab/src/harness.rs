//! A runner for tests that need a laboratory: enters it before any thread exists, runs tests side by side, and
//! says of a test that could not run why.
//!
//! It understands what `cargo test` and `cargo nextest` say to test programs.
//!
//! ```no_run
//! use lab::harness::{Outcome, Test, main, program};
//!
//! fn failover() -> Outcome {
//!     let keepalived = program("keepalived")?;
//!     // ...
//!     # let _ = keepalived;
//!     Ok(())
//! }
//!
//! fn run() -> std::process::ExitCode {
//!     main(vec![Test::new("failover", failover)])
//! }
//! ```

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::daemon::evidence;

/// Tests mostly wait, so more of them run at once than there are processors.
const THREADS: usize = 8;
/// How many lines of each program's log are shown when a test fails.
const LINES: usize = 40;
/// Names a file to which a line `test<TAB>why` is added for each test that was skipped.
pub const SKIPS: &str = "STANDFAST_SKIPS";

/// Why a test ended early.
#[derive(Debug)]
pub enum Stop {
    /// It failed.
    Failed(String),
    /// It cannot run here.
    Skip(String),
    /// A program is missing that a complete test run has: in CI (`CI=true`) that is a failure.
    Missing(String),
}

/// What a test returns; any error can be made a [`Stop::Failed`] with `?`.
pub type Outcome = Result<(), Stop>;

impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            let _ = write!(text, ": {cause}");
            next = cause.source();
        }
        Self::Failed(text)
    }
}

/// Ends a test that cannot run here: `return Err(skip("no IPv6"))`.
#[must_use]
pub fn skip(why: impl Into<String>) -> Stop {
    Stop::Skip(why.into())
}

/// Ends a test with a failure.
#[must_use]
pub fn fail(why: impl Into<String>) -> Stop {
    Stop::Failed(why.into())
}

/// Where the program `name` is, for a test that needs it (keepalived, tshark, tcpdump ...).
///
/// # Errors
/// [`Stop::Missing`].
pub fn program(name: &str) -> Result<PathBuf, Stop> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from));
    let mut found = places.map(|place| place.join(name)).filter(|file| is_executable(file));
    found.next().ok_or_else(|| Stop::Missing(format!("{name} is not installed")))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A test.
pub struct Test {
    name: String,
    run: Box<dyn FnOnce() -> Outcome + Send>,
}

impl Test {
    /// The test `run`, called `name`.
    pub fn new(name: impl Into<String>, run: impl FnOnce() -> Outcome + Send + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }

    /// A test that takes many seconds: `slow::` stands before its name, so that it can be left out.
    pub fn slow(name: &str, run: impl FnOnce() -> Outcome + Send + 'static) -> Self {
        Self::new(format!("slow::{name}"), run)
    }
}

/// Enters the laboratory and runs `tests`. To be called first in the `main` of a test program.
#[must_use]
pub fn main(tests: Vec<Test>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A list is only a list; everything else gets namespaces first.
    let refused = if arguments.list { None } else { crate::enter().err().map(|refusal| refusal.to_string()) };
    // One thread would mean the main thread, as libtest-mimic sees it: fine here as well.
    arguments.test_threads.get_or_insert(THREADS);
    let trials = tests.into_iter().map(|test| trial(test, refused.clone())).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(test: Test, refused: Option<String>) -> Trial {
    let Test { name, run } = test;
    let title = name.clone();
    Trial::ignorable_test(name, move || {
        drop(evidence::take());
        let outcome = match refused {
            Some(why) => Err(Stop::Missing(why)),
            None => std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
                .unwrap_or_else(|panic| Err(fail(said(&*panic)))),
        };
        conclude(&title, outcome)
    })
}

/// The message of a panic.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}

fn conclude(title: &str, outcome: Outcome) -> Result<Completion, Failed> {
    let why = match outcome {
        Ok(()) => return Ok(Completion::Completed),
        Err(Stop::Failed(why)) => return Err(Failed::from(format!("{why}{}", logs()))),
        Err(Stop::Missing(why)) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            return Err(Failed::from(format!("{why}, and this is CI: there it must not be missing")));
        }
        Err(Stop::Skip(why) | Stop::Missing(why)) => why,
    };
    let why = why.replace(['\n', '\t'], " ");
    if let Some(file) = std::env::var_os(SKIPS) {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        let _ = file.and_then(|mut file| file.write_all(format!("{title}\t{why}\n").as_bytes()));
    }
    Ok(Completion::ignored_with(format!("skipped: {why}")))
}

/// The ends of the logs of all programs that the test started.
fn logs() -> String {
    let mut text = String::new();
    for (name, tape) in evidence::take() {
        let lines = tape.all();
        let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
        let _ = write!(text, "\n--- {name}, the last {} of {} lines:", last.len(), lines.len());
        for line in last {
            let _ = write!(text, "\n{:?} {}", line.at, line.text);
        }
    }
    text
}

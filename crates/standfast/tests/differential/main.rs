//! The same configurations and the same disturbances under our daemon and under Debian's keepalived: the same owners
//! of each virtual address one after the other, the same adverts and announcements, the same arguments of notify scripts
//! and lines of FIFOs. What differs is named in the case, with a reason, or the test fails; and so does a reason that
//! no longer holds.
//!
//! A case is a text in `cases` (see `case.rs`). Those with the word `ci` run always; all run with
//! `cargo xtask soak --differential`, where a case that differs is played again, up to twice: if it then agrees it was
//! the noise of the machine, which is printed.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says that it failed")]
#![expect(clippy::print_stdout, reason = "what was compared is for the reader of the test's output")]

mod act;
mod case;
mod heard;
mod reasons;
mod stage;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, fail, program};

use case::Case;
use heard::Played;
use stage::Kind;
use verdict::Comparison;

/// Set: all cases, not only those of CI, and a second and third try.
/// With the word `show`: once, and all that was seen.
const ALL: &str = "STANDFAST_DIFFERENTIAL";
/// How many cases the plan asks for.
const LEAST: usize = 40;

/// What all cases that ran compared.
static COMPARED: AtomicUsize = AtomicUsize::new(0);

fn main() -> ExitCode {
    let all = std::env::var_os(ALL).is_some();
    let cases = match case::all() {
        Ok(cases) => cases,
        Err(why) => {
            println!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let mut tests = vec![
        Test::new("differential::every_reason_is_in_the_manual_and_in_a_case", {
            let cases = cases.clone();
            move || reasons::are_sound(&cases)
        }),
        Test::new("differential::there_are_enough_cases", {
            let count = cases.len();
            move || if count >= LEAST { Ok(()) } else { Err(fail(format!("only {count} cases"))) }
        }),
    ];
    let chosen = cases.into_iter().filter(|case| all || case.ci);
    tests.extend(chosen.map(|case| {
        Test::new(format!("differential::case::{}", case.name), move || {
            if all { patient(&case) } else { once(&case).and_then(|comparison| comparison.outcome(&case)) }
        })
    }));
    let code = lab::harness::main(tests);
    match COMPARED.load(Ordering::Relaxed) {
        0 => {}
        count => println!("\n{count} things that were told, held, sent or announced were compared"),
    }
    code
}

/// Plays it with both, at the same time, and compares.
fn once(case: &Case) -> Result<Comparison, Stop> {
    let theirs = program("keepalived")?;
    let ours = PathBuf::from(env!("CARGO_BIN_EXE_standfast"));
    let (ours, theirs) = std::thread::scope(|scope| {
        let ours = scope.spawn(|| stage::play(case, Kind::Standfast, &ours));
        let theirs = scope.spawn(|| stage::play(case, Kind::Keepalived, &theirs));
        (ours.join(), theirs.join())
    });
    let played = |result: std::thread::Result<Result<Played, Stop>>, kind: Kind| {
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(|stop| match stop {
            Stop::Failed(why) => fail(format!("with {kind}: {why}")),
            other @ (Stop::Skip(_) | Stop::Missing(_)) => other,
        })
    };
    let comparison = Comparison::new(case, played(ours, Kind::Standfast)?, played(theirs, Kind::Keepalived)?);
    COMPARED.fetch_add(comparison.count, Ordering::Relaxed);
    println!("{}", comparison.summary(case));
    if is_shown() {
        println!("{}", comparison.seen);
    }
    Ok(comparison)
}

/// For whoever writes a case.
fn is_shown() -> bool {
    std::env::var(ALL).is_ok_and(|word| word == "show")
}

/// Up to three times: a busy machine may delay one of the two so much that it does something else.
fn patient(case: &Case) -> Outcome {
    let tries = if is_shown() { 1 } else { 3 };
    let mut last = Ok(());
    for attempt in 1..=tries {
        last = once(case).and_then(|comparison| comparison.outcome(case));
        match &last {
            Ok(()) if attempt > 1 => println!("FLAKY {}: agreed at attempt {attempt}", case.name),
            Err(Stop::Failed(why)) => {
                println!("{}: attempt {attempt} differs\n{why}", case.name);
                continue;
            }
            Ok(()) | Err(Stop::Skip(_) | Stop::Missing(_)) => {}
        }
        break;
    }
    last
}

/// Shown with tenths of a second, as a person compares.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

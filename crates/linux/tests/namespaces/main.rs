//! Everything that needs a kernel, in network namespaces that exist only for this run.
//!
//! `main` leaves the machine's namespaces before any thread exists; each test then takes a network namespace
//! of its own. As an ordinary user it takes a user namespace first; where that is not allowed all tests are skipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "the whole program is a test, and its runner prints what a test prints"
)]

use libtest_mimic::{Arguments, Failed, Trial};

mod closed;
mod hand;
mod mail;
mod monitor;
mod netlink;
mod process;
mod sockets;
mod space;
mod sys;

fn main() {
    if process::play() {
        return;
    }
    let arguments = Arguments::from_args();
    let reason = space::leave_the_machine().err();
    let mut trials = Vec::new();
    netlink::trials(&mut trials);
    sockets::trials(&mut trials);
    hand::trials(&mut trials);
    closed::trials(&mut trials);
    monitor::trials(&mut trials);
    process::trials(&mut trials);
    mail::trials(&mut trials);
    let trials = match reason {
        None => trials,
        Some(why) => {
            println!("skipped: {why}");
            trials.into_iter().map(|trial: Trial| trial.with_ignored_flag(true)).collect()
        }
    };
    libtest_mimic::run(&arguments, trials).exit();
}

/// A test in a fresh network namespace of its own thread.
fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        let outcome = std::thread::Builder::new().name("trial".into()).spawn(move || {
            space::fresh();
            test();
        });
        match outcome.map_err(|error| Failed::from(error.to_string()))?.join() {
            Ok(()) => Ok(()),
            Err(panic) => Err(panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_else(|| "panicked".into())
                .into()),
        }
    })
}

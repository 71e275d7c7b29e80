//! The program's own parts: command line, configuration files, reports, the daemon, the demo.
//!
//! Called as `standfast` it has commands of its own ([`cli`]); called as `keepalived` (by a link to the
//! binary) it takes keepalived's command line and exit codes ([`keepalived`]). Both lead to one
//! [`daemon::Invocation`].

pub mod check;
pub mod cli;
pub mod daemon;
pub mod demo;
mod draw;
mod errand;
pub mod explain;
mod guard;
pub mod keepalived;
pub mod log;
pub mod report;
pub mod simulate;
pub mod sources;
pub mod supervisor;
pub mod terms;
pub mod worker;

use std::process::ExitCode;

/// Runs the program that `argv[0]` names.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let called = arguments.first().map(std::path::Path::new).and_then(std::path::Path::file_name);
    let code = if called.is_some_and(|name| name == "keepalived") {
        keepalived::main(&arguments)
    } else {
        cli::main(&arguments)
    };
    ExitCode::from(code)
}

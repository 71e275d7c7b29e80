//! The binary: looks at the name it was called by, and hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    standfast::main()
}

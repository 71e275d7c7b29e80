//! Any bytes as what a worker leaves behind: `trials::ledger`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trials::ledger::check(bytes));

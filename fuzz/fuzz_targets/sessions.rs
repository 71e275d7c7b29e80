//! Any packets, orders and times for BFD sessions: `trials::sessions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trials::sessions::check(bytes));

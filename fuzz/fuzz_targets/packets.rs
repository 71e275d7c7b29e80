//! Any bytes as a datagram: `trials::packets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trials::packets::check(bytes));

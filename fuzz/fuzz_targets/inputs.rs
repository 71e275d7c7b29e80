//! Any sequence of inputs of a node: `trials::inputs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trials::inputs::check(bytes));

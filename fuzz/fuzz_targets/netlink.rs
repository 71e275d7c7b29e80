//! Any bytes as answers and notifications of the kernel: `trials::netlink`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trials::netlink::check(bytes));

//! Every input that the fuzz targets in `fuzz/` keep, without a fuzzer: each is tried again.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Tries every file of a corpus; at least `least` of them are there.
fn replay(name: &str, least: usize, trial: impl Fn(&[u8])) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let begun = Instant::now();
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trial(&bytes)));
        assert!(tried.is_ok(), "{}", path.display());
        assert!(begun.elapsed() < Duration::from_secs(5), "{}: {:?}", path.display(), begun.elapsed());
        count += 1;
    }
    assert!(count >= least, "only {count} files");
}

#[test]
fn inputs() {
    replay("inputs", 20, trials::inputs::check);
}

#[test]
fn ledger() {
    replay("ledger", 10, trials::ledger::check);
}

#[test]
fn netlink() {
    replay("netlink", 20, trials::netlink::check);
}

#[test]
fn packets() {
    replay("packets", 20, trials::packets::check);
}

#[test]
fn sessions() {
    replay("sessions", 20, trials::sessions::check);
}

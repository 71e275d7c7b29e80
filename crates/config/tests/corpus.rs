//! Every input that the fuzz targets in `fuzz/` keep, without a fuzzer: no panic, and whatever is answered can
//! run.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

use config::{Found, Loaded, Outcome, Sources, Surroundings, load};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Reads bytes whose every include finds the file itself.
fn read(bytes: &[u8]) -> (Sources, Outcome) {
    let mut sources = Sources::new();
    let root = sources.add_root("keepalived.conf", bytes.to_vec());
    let surroundings = Surroundings { host_name: "lb01.example.net".into(), ..Surroundings::default() };
    for _ in 0..100 {
        match load(&sources, &surroundings) {
            Loaded::Done(outcome) => return (sources, outcome),
            Loaded::Missing(requests) => {
                for request in requests {
                    sources.resolve(&request, vec![Found::File(root)]);
                }
            }
        }
    }
    panic!("the includes never end");
}

#[test]
fn text() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/text");
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let start = Instant::now();
        let (sources, outcome) = read(&bytes);
        assert!(start.elapsed() < Duration::from_secs(5), "{}: {:?}", path.display(), start.elapsed());
        if let Some(host) = &outcome.host {
            assert_eq!(host.check(), Ok(()), "{}", path.display());
        }
        for d in &outcome.diagnostics {
            let spans = d.labels.iter().map(|(span, _)| *span).chain(d.include_chain.iter().copied());
            for span in spans.chain([d.span]) {
                assert!(
                    span.start <= span.end && span.end as usize <= bytes.len(),
                    "{}: {d:?}",
                    path.display()
                );
            }
            assert!(!d.concise(&sources).contains('\n'), "{}: {d:?}", path.display());
        }
        count += 1;
    }
    assert!(count >= 10, "only {count} files");
}

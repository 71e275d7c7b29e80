//! Any bytes as a configuration: an answer, in bounded time, and whatever is answered can run.
#![no_main]

use config::{Found, Loaded, Sources, Surroundings, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut sources = Sources::new();
    let root = sources.add_root("keepalived.conf", bytes.to_vec());
    let surroundings = Surroundings { host_name: "lb01.example.net".into(), ..Surroundings::default() };
    for _ in 0..100 {
        match load(&sources, &surroundings) {
            // Every include finds the file itself, so loops of includes are met too.
            Loaded::Missing(requests) => {
                for request in requests {
                    sources.resolve(&request, vec![Found::File(root)]);
                }
            }
            Loaded::Done(outcome) => {
                if let Some(host) = &outcome.host {
                    assert_eq!(host.check(), Ok(()));
                }
                for finding in &outcome.diagnostics {
                    let labels = finding.labels.iter().map(|(span, _)| *span);
                    for span in labels.chain([finding.span]).chain(finding.include_chain.iter().copied()) {
                        assert!(span.start <= span.end && span.end as usize <= bytes.len());
                    }
                    assert!(!finding.message.is_empty() && !finding.concise(&sources).contains('\n'));
                }
                return;
            }
        }
    }
    panic!("the includes never end");
});

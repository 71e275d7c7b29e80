//! Any bytes at all: no panic, an answer, and whatever is answered can run.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use common::outcome;
use proptest::prelude::*;

/// Words that mean something, so that random text reaches the depths.
fn word() -> impl Strategy<Value = String> {
    let known: Vec<&'static str> =
        config::table::Block::ALL.iter().flat_map(|b| b.keywords()).map(|k| k.name).collect();
    prop_oneof![
        4 => proptest::sample::select(known).prop_map(String::from),
        2 => proptest::sample::select(vec![
            "{", "}", "\n", "\"", "10.0.0.3", "10.0.0.3/24", "fe80::1/64", "eth0", "MASTER", "3", "0", "300", "weight",
            "$A=1", "${A}", "$A", "@lb01", "@^x", "~SEQ(A,1,2)", "#", "!", "\\", "\u{a0}", "“", "vrrp_instance a {",
            "virtual_ipaddress {", "virtual_router_id 7", "interface eth0", "unicast_peer {",
        ]).prop_map(String::from),
        1 => "[ -~]{0,12}",
        1 => (0u32..70000).prop_map(|n| n.to_string()),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let end = prop_oneof![3 => Just(" "), 2 => Just("\n")];
    proptest::collection::vec((word(), end), 0..120)
        .prop_map(|list| list.into_iter().flat_map(|(word, end)| [word, end.to_string()]).collect())
}

fn holds(bytes: &[u8]) -> Result<(), TestCaseError> {
    let (sources, outcome) = match std::panic::catch_unwind(|| outcome(bytes)) {
        Ok(done) => done,
        // An include in the random text; that is an answer too.
        Err(panic) => {
            let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            prop_assert!(message.starts_with("includes are wanted"), "{}", message);
            return Ok(());
        }
    };
    if let Some(host) = &outcome.host {
        prop_assert_eq!(host.check(), Ok(()));
    }
    for d in &outcome.diagnostics {
        let spans =
            d.labels.iter().map(|(span, _)| *span).chain([d.span]).chain(d.fix.iter().map(|f| f.span));
        for span in spans {
            prop_assert!(span.start <= span.end && span.end as usize <= bytes.len(), "{:?}", d);
        }
        let line = d.concise(&sources);
        prop_assert!(!line.contains('\n') && !d.message.is_empty(), "{:?}", d);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        holds(&bytes)?;
    }

    #[test]
    fn any_words(text in text()) {
        holds(text.as_bytes())?;
    }

    #[test]
    fn any_instance(lines in proptest::collection::vec((word(), word(), word()), 0..25)) {
        let body: String = lines.iter().map(|(a, b, c)| format!("{a} {b} {c}\n")).collect();
        let text = format!("vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\n{body}\nvirtual_ipaddress {{\n10.0.0.9\n}}\n}}\n");
        holds(text.as_bytes())?;
    }

    #[test]
    fn masking_keeps_columns(line in "[ -~äö　]{0,80}") {
        let masked = config::masked(line.as_bytes());
        prop_assert_eq!(masked.text.chars().count(), line.chars().count());
        prop_assert_eq!(masked.at.len(), line.len() + 1);
        prop_assert_eq!(masked.at.last().copied(), Some(masked.text.len()));
    }
}

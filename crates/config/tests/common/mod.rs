//! What several tests of this crate need.

use config::{Diagnostic, Loaded, Outcome, Sources, Surroundings, load};

/// Loads one file without includes.
pub(crate) fn outcome(text: impl AsRef<[u8]>) -> (Sources, Outcome) {
    let mut sources = Sources::new();
    sources.add_root("t", text.as_ref().to_vec());
    let surroundings = Surroundings { host_name: "lb01.example.net".into(), ..Surroundings::default() };
    match load(&sources, &surroundings) {
        Loaded::Done(outcome) => (sources, outcome),
        Loaded::Missing(list) => panic!("includes are wanted: {list:?}"),
    }
}

/// The findings as `line:column id`.
#[allow(dead_code, reason = "not every test uses it")]
pub(crate) fn places(text: &str) -> Vec<String> {
    let (sources, outcome) = outcome(text);
    let place = |d: &Diagnostic| {
        let (line, column) = sources.position(d.span);
        format!("{line}:{column} {}", d.id)
    };
    outcome.diagnostics.iter().map(place).collect()
}

/// The one instance of a file that gives no finding.
#[allow(dead_code, reason = "not every test uses it")]
pub(crate) fn clean(text: &str) -> model::Instance {
    let (sources, outcome) = outcome(text);
    let said: Vec<String> = outcome.diagnostics.iter().map(|d| d.concise(&sources)).collect();
    assert!(said.is_empty(), "{said:#?}");
    let host = outcome.host.unwrap();
    host.check().unwrap();
    host.instances.into_iter().next().unwrap()
}

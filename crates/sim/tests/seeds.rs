//! Many worlds, and those that once went wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds of worlds in which something was wrong once. They stay.
const FAILED: &[u64] = &[
    // An oracle forgot what a router heard in the very turn in which it began to take part.
    8_840, // A successor advertised for a moment as if it tracked nothing.
    2_804, 7_924, // Adverts waited for a worker that died: nobody can have heard them.
    4_728, 9_061,
];

/// How many worlds there are: all where continuous integration says that it is itself, else as many as a person at work
/// has time for.
fn worlds() -> u64 {
    if std::env::var_os("CI").is_some() { 10_000 } else { 1_000 }
}

/// What went wrong in each of these worlds; every processor takes the next one.
fn wrong(seeds: impl Fn(u64) -> Option<u64> + Sync) -> Vec<String> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut wrong = Vec::new();
        while let Some(seed) = seeds(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(violation) = sim::run(seed).violation {
                wrong.push(format!("seed {seed}: {violation}"));
            }
        }
        wrong
    };
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|_| vec!["panic".into()]))
            .collect()
    })
}

#[test]
fn nothing_that_must_not_happen_happens_in_any_of_these_worlds() {
    let wrong = wrong(|n| (n < worlds()).then_some(n));
    assert!(wrong.is_empty(), "{}\ncargo xtask sim --seed N tells the story of one", wrong.join("\n"));
}

#[test]
fn every_oracle_has_something_to_judge() {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..300 {
        sim::run(seed).seen.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
    }
    let whys = "Started Owner Resumed NoResponse LeaderLeft Preempting HigherPriority HigherAddress Stopped Fault Group";
    let faults = "InterfaceMissing InterfaceDown NoCarrier NoSourceAddress AddressKeepsVanishing AddressRefused \
                  Script Process Member";
    let forged = "HopLimit Version Type Truncated TrailingBytes Checksum Vrid AuthenticationType \
                  AuthenticationFailed Interval OwnSource Destination UnlistedPeer";
    let named = [("move", whys), ("fault", faults), ("forged", forged)];
    let all = named
        .iter()
        .flat_map(|(kind, names)| names.split_whitespace().map(move |name| format!("{kind}: {name}")));
    for what in all.chain(["stopped: in order".into(), "stopped: leaves all".into()]) {
        assert!(seen.keys().any(|key| key.starts_with(&what)), "{what} in {seen:#?}");
    }
    let more_than = |what: &str, least: u64| {
        assert!(seen.get(what).is_some_and(|count| *count > least), "{what} in {seen:#?}")
    };
    more_than("reference: turns foretold", 300_000);
    more_than("adverts: turns of a leader foretold", 100_000);
    more_than("holding: daemons at rest", 3_000);
    more_than("starvation: waiting routers", 500_000);
    more_than("two owners: moments of a whole network", 200_000);
}

#[test]
fn what_was_wrong_once_is_right() {
    let wrong = wrong(|n| FAILED.get(usize::try_from(n).unwrap()).copied());
    assert!(wrong.is_empty(), "{}\ncargo xtask sim --seed N tells the story of one", wrong.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_world_byte_for_byte() {
    for seed in 0..20 {
        let (one, other) = (sim::run(seed), sim::run(seed));
        assert_eq!(one.trace.whole(), other.trace.whole());
        assert_ne!(one.trace.whole(), sim::run(seed + 1).trace.whole());
    }
}

//! Why the two may differ, once for all cases. The manual says each of them to its readers; a defect of keepalived's
//! says here what was seen.

use lab::harness::{Outcome, fail};

use crate::case::Case;

/// Why a difference is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reason {
    /// What cases call it.
    name: &'static str,
    /// Words of the manual, which says it to users.
    manual: &'static str,
    source: Source,
}

/// Where a reason comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// We do otherwise on purpose.
    Purpose,
    /// keepalived itself does as we do since this version.
    Since(&'static str),
    /// A defect of 2.2.7: what was seen.
    Defect(&'static str),
}

const fn reason(name: &'static str, manual: &'static str, source: Source) -> Reason {
    Reason { name, manual, source }
}

/// All of them.
const REASONS: &[Reason] = &[
    reason("deleted_by_hand", "an address deleted by hand costs a demotion", Source::Purpose),
    reason(
        "was_there",
        "an address that is there already is taken over, and removed at the end",
        Source::Purpose,
    ),
    reason(
        "check_that_cannot_run",
        "a check script that cannot be run counts as success, or is dropped",
        Source::Purpose,
    ),
    reason("missing_interface", "an interface that does not exist stops the daemon", Source::Purpose),
    reason(
        "group_resigns",
        "when a member of a group yields, the others leave without a word",
        Source::Purpose,
    ),
    reason("other_list", "an advert with another list of addresses is not believed", Source::Since("2.3.3")),
    reason(
        "states_on_reload",
        "after a reload `fifo_write_vrrp_states_on_reload` repeats the states of groups only",
        Source::Since("2.4.0"),
    ),
    reason(
        "resigns_twice",
        "an instance that goes to FAULT resigns twice",
        Source::Defect("two adverts of priority 0 within a millisecond, for every fault but a lost link"),
    ),
    reason(
        "hop_limit",
        "unicast adverts over IPv6 have hop limit 64",
        Source::Defect("64 on the wire although unicast_ttl says 255; 255 over IPv4 and for multicast"),
    ),
    reason(
        "startup_delay",
        "who hears a lesser router during `vrrp_startup_delay` does not take over afterwards",
        Source::Defect("six seconds after the delay every advert of the lesser one was still discarded"),
    ),
    reason(
        "source_address",
        "`track_src_ip` has no effect",
        Source::Defect("the log says that the address is deassigned, and the instance stays MASTER"),
    ),
    reason(
        "init_fail",
        "`init_fail` has no effect",
        Source::Defect("no FAULT is told before the first result, as if the word were not there"),
    ),
    reason(
        "silent_master",
        "a MASTER that hears adverts that it does not believe sends none",
        Source::Defect("it holds the address, and each such advert puts its own off"),
    ),
    reason(
        "new_group",
        "a group that a reload makes of MASTERs is not told",
        Source::Defect("one made of BACKUPs is"),
    ),
    reason(
        "priority_again",
        "a reload tells the priority of an instance once more",
        Source::Defect("when a weight counts, although nothing changed"),
    ),
    reason(
        "no_number",
        "a tracked file with text that is no number counts as 0",
        Source::Defect("the priority went back to 150 from 130"),
    ),
];

/// Each reason is used, each that is used exists, and the manual says what we say that it says.
pub(crate) fn are_sound(cases: &[Case]) -> Outcome {
    let manual = include_str!("../../../../docs/manual.md");
    let used: Vec<(&str, &str)> = cases
        .iter()
        .flat_map(|case| case.differences.iter().map(|known| (case.name.as_str(), known.because.as_str())))
        .collect();
    let mut wrong = Vec::new();
    for (case, name) in &used {
        if !REASONS.iter().any(|known| known.name == *name) {
            wrong.push(format!("{case}: there is no reason {name:?}"));
        }
    }
    for Reason { name, manual: words, source } in REASONS {
        if !used.iter().any(|(_, used)| used == name) {
            wrong.push(format!("no case has the reason {name}"));
        }
        if !manual.contains(words) {
            wrong.push(format!("{name}: the manual does not say {words:?}"));
        }
        match source {
            Source::Since(version) if !version.starts_with("2.") => {
                wrong.push(format!("{name}: {version} is no version of keepalived"));
            }
            Source::Defect("") => wrong.push(format!("{name}: what was seen?")),
            Source::Purpose | Source::Since(_) | Source::Defect(_) => {}
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(fail(wrong.join("\n"))) }
}

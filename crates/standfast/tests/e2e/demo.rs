//! `standfast demo` played to its end: what it tells is what happened. The times are its own to judge: on a busy
//! machine they may be off, and it says so itself.

use std::process::Command;

use lab::harness::{Outcome, Stop, Test, fail};
use serde_json::Value;

use crate::pair::ours;

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::slow("demo::a_dying_service_and_a_split_brain_are_shown_as_they_happened", whole)]
}

/// The checks of a step, by name.
fn checks<'a>(document: &'a Value, step: usize, name: &str) -> Vec<&'a Value> {
    let all = document["steps"][step - 1]["checks"].as_array();
    all.into_iter().flatten().filter(|check| check["name"] == name).collect()
}

fn whole() -> Outcome {
    let output = Command::new(ours()).args(["demo", "--json"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let document: Value =
        serde_json::from_slice(&output.stdout).map_err(|why| fail(format!("{why}: {said}")))?;
    let steps = document["steps"].as_array().map_or(0, Vec::len);
    let played = (1..=7).all(|step| checks(&document, step, "stopped").is_empty());
    assert!(steps == 7 && played, "{document:#}");
    assert_eq!(output.status.code() == Some(0), document["ok"] == true, "{document:#}");
    service(&document);
    split(&document)
}

/// lb01's service dies, lb02's serves, lb01's serves again.
fn service(document: &Value) {
    let served: Vec<&Value> =
        checks(document, 6, "service").into_iter().map(|check| &check["facts"]["served_by"]).collect();
    assert_eq!(served, [&serde_json::json!(["lb02"]), &serde_json::json!(["lb02", "lb01"])]);
    let dead = &checks(document, 6, "service")[0]["facts"];
    assert!(dead["refused"].as_u64() > Some(0), "lb01 refused while it still had the address: {dead:#}");
    assert!(dead["unanswered"].as_u64() > Some(0), "nobody had the address then: {dead:#}");
    let adverts = &checks(document, 6, "adverts")[0]["facts"];
    assert_eq!(adverts["resignations"], 1, "{adverts:#}");
    let log = &checks(document, 6, "log")[0]["facts"]["line"];
    assert!(log.as_str().is_some_and(|line| line.contains("because script service failed")), "{log}");
    let spans = document["timeline"]["service"].as_array();
    let order: Vec<&Value> = spans.into_iter().flatten().map(|span| &span["machine"]).collect();
    assert!(order.starts_with(&[&Value::from("lb01"), &Value::from("lb02")]), "{order:?}");
}

/// Both have the address, lb01 finds out as soon as it can, lb02 yields.
fn split(document: &Value) -> Outcome {
    let held = &checks(document, 7, "ip addr")[0]["facts"];
    assert_eq!((&held["lb01"], &held["lb02"]), (&"10.0.0.3/32".into(), &"10.0.0.3/32".into()));
    let lines: Vec<&Value> = checks(document, 7, "log").into_iter().map(|check| &check["facts"]).collect();
    let said = |machine: &str, words: &str| {
        let line = |facts: &&&Value| facts["line"].as_str().is_some_and(|line| line.contains(words));
        lines.iter().filter(line).any(|facts| facts["machine"] == machine)
    };
    assert!(said("lb02", "because no advert came from an active router in time"), "{lines:#?}");
    assert!(said("lb01", "10.0.0.6 still advertises (priority 100) and does not hear us"), "{lines:#?}");
    assert!(said("lb02", "because 10.0.0.5 advertises the higher priority 150"), "{lines:#?}");
    let holders = &checks(document, 7, "holders")[0]["facts"];
    let (both, after) = (holders["both_held_s"].as_f64(), holders["after_heal_ms"].as_f64());
    let (both, after) = both.zip(after).ok_or_else(|| -> Stop { fail(format!("{holders:#}")) })?;
    assert!(both > after / 1e3 && after > 0.0, "{holders:#}");
    let reached: Vec<&Value> = checks(document, 7, "client")[0]["facts"]["answered_by"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|by| &by["machine"])
        .collect();
    assert_eq!(reached, ["lb01", "lb02", "lb01"]);
    Ok(())
}

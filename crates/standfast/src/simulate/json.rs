//! What came of scenarios, for programs.

use serde_json::{Value, json};
use timeline::Instant;

use super::cast::Cast;
use super::history::{Life, Span};
use super::tell::Outcome;
use crate::draw::words::{seconds, secs};

/// One scenario.
pub(super) fn outcome(outcome: &Outcome, cast: &Cast) -> Value {
    let scenario = &outcome.scenario;
    let events = scenario.told.iter().map(|(at, text)| json!({ "at_s": secs(*at), "what": text }));
    let expectations = scenario.expectations.iter().zip(&outcome.verdicts).map(|(expectation, verdict)| {
        json!({
            "line": expectation.line,
            "text": expectation.text,
            "kept": verdict.kept,
            "seen": verdict.seen,
        })
    });
    let lives = outcome.history.lives.iter().enumerate();
    json!({
        "name": scenario.name,
        "title": scenario.title,
        "kept": outcome.is_well(),
        "length_s": secs(scenario.until),
        "events": events.collect::<Vec<_>>(),
        "instances": lives.map(|(service, life)| instance(outcome, cast, service, life)).collect::<Vec<_>>(),
        "expectations": expectations.collect::<Vec<_>>(),
        "remarks": outcome.remarks(cast),
        "bugs": outcome.record.bugs,
    })
}

fn instance(outcome: &Outcome, cast: &Cast, service: usize, life: &Life) -> Value {
    let end = outcome.history.end;
    let owners = life.owners.spans(end).filter(|(span, _)| !span.length().is_zero());
    let owners = owners.map(|(span, owners)| {
        let names: Vec<&str> = owners.iter().map(|node| cast.name(*node)).collect();
        json!({ "from_s": at(span.from), "until_s": at(span.until), "owners": names })
    });
    let moves = outcome.record.moves.iter().filter(|step| step.service == service).map(|step| {
        json!({
            "at_s": at(step.at),
            "node": cast.name(step.node),
            "from": node::compat::word(step.from),
            "to": node::compat::word(step.to),
            "why": step.why,
        })
    });
    let spans = |spans: Vec<Span>| -> Vec<Value> {
        spans.iter().map(|span| json!({ "from_s": at(span.from), "until_s": at(span.until) })).collect()
    };
    json!({
        "name": cast.services.get(service).map_or("", |service| &service.name),
        "addresses": cast.addresses(service),
        "nodes": cast.members(service).map(|(node, _)| cast.name(node)).collect::<Vec<_>>(),
        "owners": owners.collect::<Vec<_>>(),
        "sequence": life.sequence().iter().map(|node| cast.name(*node)).collect::<Vec<_>>(),
        "moves": moves.collect::<Vec<_>>(),
        "without_owner": spans(life.gaps()),
        "two_owners": spans(life.doubles()),
        "client_silent": spans(life.silences()),
    })
}

fn at(at: Instant) -> f64 {
    seconds(at, Instant::EPOCH)
}

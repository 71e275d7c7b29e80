//! What `standfast check` shows, in every format, is what stands in `tests/formats`. With `BLESS=1` in the
//! environment these files are rewritten.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

use serde_json::Value;
use standfast::check::{Args, Colour, run};
use standfast::report::Format;
use std::fs;
use std::path::Path;

fn checked(format: Format) -> (u8, String) {
    let mut out = Vec::new();
    let files = vec!["tests/formats/lb01.conf".into()];
    let code = run(&Args { files, format, color: Colour::Never, ..Args::default() }, &mut out);
    (code, String::from_utf8(out).unwrap())
}

fn holds(name: &str, shown: &str) {
    let path = Path::new("tests/formats").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, shown).unwrap();
    }
    assert_eq!(shown, fs::read_to_string(&path).unwrap(), "{name}");
}

#[test]
fn every_format_shows_the_same_findings() {
    let (code, full) = checked(Format::Full);
    let (concise_code, concise) = checked(Format::Concise);
    let (json_code, json) = checked(Format::Json);
    holds("full.txt", &full);
    holds("concise.txt", &concise);
    holds("json.json", &json);
    assert_eq!((code, concise_code, json_code), (1, 1, 1));
    for text in [&full, &concise, &json, &checked(Format::Sarif).1] {
        assert!(!text.contains("geheim"), "{text}");
        for id in ["unknown-keyword", "nopreempt-ignored", "bad-prefix", "auth-pass-too-long"] {
            assert!(text.contains(id), "{id} in {text}");
        }
    }
}

#[test]
fn sarif_has_what_its_schema_wants() {
    let (code, text) = checked(Format::Sarif);
    let mut log: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &mut log["runs"][0];
    assert_eq!(run["invocations"][0]["exitCode"], code);
    let rules = run["tool"]["driver"]["rules"].take();
    let rules = rules.as_array().unwrap();
    assert_eq!(rules.len(), config::Id::ALL.len());
    for rule in rules {
        for field in
            ["/id", "/shortDescription/text", "/fullDescription/text", "/help/text", "/help/markdown"]
        {
            assert!(
                rule.pointer(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty()),
                "{field}"
            );
        }
    }
    let artifacts = run["artifacts"].as_array().unwrap().clone();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let related = result["relatedLocations"].as_array().cloned().unwrap_or_default();
        for location in result["locations"].as_array().unwrap().iter().chain(&related) {
            let place = &location["physicalLocation"];
            let artifact = usize::try_from(place["artifactLocation"]["index"].as_u64().unwrap()).unwrap();
            assert_eq!(artifacts[artifact]["location"]["uri"], place["artifactLocation"]["uri"]);
            let region = |name: &str| place["region"][name].as_u64().unwrap();
            assert!(region("startLine") >= 1 && region("startColumn") >= 1);
            assert!((region("endLine"), region("endColumn")) >= (region("startLine"), region("startColumn")));
        }
    }
    // What changes with every version and every new kind of finding.
    for result in run["results"].as_array_mut().unwrap() {
        result["ruleIndex"] = Value::Null;
    }
    run["tool"]["driver"]["version"] = Value::Null;
    run["tool"]["driver"]["semanticVersion"] = Value::Null;
    holds("sarif.json", &(serde_json::to_string_pretty(run).unwrap() + "\n"));
}

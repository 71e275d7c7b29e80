//! The pages of `docs/diagnostics` are true: each example gives exactly the findings that stand below it, and
//! what is recommended instead gives none.
//!
//! A page holds fenced blocks. `keepalived` is a main file; the first one is wrong, each further one is
//! right (it may use keywords that are not built yet). A `text` block holds the findings of the one before. Words behind `keepalived` say more:
//! `file=NAME` is a file for includes (`executable`: a refused one), `escaped` resolves `\xHH` and
//! `«TEXT*COUNT»`, `interfaces=A,B:10.0.0.5/24+fe80::1/64` are those of the host, `missing` is a main file that is not there,
//! `chain=N` adds files `a1.conf` to `aN.conf` that include each other.
//! With `BLESS=1` in the environment the `text` blocks are rewritten.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

use config::{Found, Id, IncludeRequest, Interface, Loaded, Outcome, Refusal, Sources, Surroundings, load};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics")
}

struct Fence {
    info: String,
    text: String,
}

fn fences(page: &str) -> Vec<Fence> {
    let mut list = Vec::new();
    let mut open: Option<Fence> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some(Fence { info: info.to_string(), text: String::new() }),
            (Some(_), Some("")) => list.extend(open.take()),
            (Some(fence), _) => {
                fence.text.push_str(line);
                fence.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    list
}

/// `\xHH` and `«TEXT*COUNT»`.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(hex) = rest.strip_prefix("\\x").and_then(|r| r.get(..2)) {
            out.push(u8::from_str_radix(hex, 16).unwrap());
            rest = &rest[4..];
        } else if let Some((inner, after)) = rest.strip_prefix('«').and_then(|r| r.split_once('»')) {
            let (what, count) = inner.split_once('*').unwrap();
            out.extend(what.repeat(count.parse().unwrap()).as_bytes());
            rest = after;
        } else {
            out.extend(c.to_string().as_bytes());
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// `eth0` or `eth0:10.0.0.5/24+fe80::1/64`.
fn interface(text: &str) -> (String, Interface) {
    let (name, addresses) = text.split_once(':').unwrap_or((text, ""));
    let address = |text: &str| {
        let (address, prefix) = text.split_once('/').unwrap();
        (address.parse().unwrap(), prefix.parse().unwrap())
    };
    let addresses = addresses.split('+').filter(|a| !a.is_empty()).map(address).collect();
    (name.to_string(), Interface { addresses })
}

fn run(main: &Fence, files: &BTreeMap<String, Fence>) -> (Sources, Outcome) {
    let words: Vec<&str> = main.info.split(' ').collect();
    let mut surroundings = Surroundings { host_name: "lb01.example.net".into(), ..Surroundings::default() };
    if let Some(list) = words.iter().find_map(|w| w.strip_prefix("interfaces=")) {
        surroundings.interfaces = Some(list.split(',').map(interface).collect());
    }
    let mut sources = Sources::new();
    let bytes =
        if words.contains(&"escaped") { unescape(&main.text) } else { main.text.clone().into_bytes() };
    if words.contains(&"missing") {
        sources.add_refused_root("keepalived.conf", Refusal::Missing);
    } else {
        sources.add_root("keepalived.conf", bytes);
    }
    let mut ids = BTreeMap::new();
    for (name, file) in files {
        ids.insert(name.clone(), sources.add(name.clone(), file.text.clone().into_bytes()));
    }
    let chain = words.iter().find_map(|w| w.strip_prefix("chain=")).map_or(0, |n| n.parse().unwrap());
    for n in 1..=chain {
        let text = format!("include a{}.conf\n", n + 1).into_bytes();
        ids.insert(format!("a{n}.conf"), sources.add(format!("a{n}.conf"), text));
    }
    ids.insert("keepalived.conf".into(), sources.roots()[0]);
    let answer = |request: &IncludeRequest| match (ids.get(&request.pattern), files.get(&request.pattern)) {
        (_, Some(file)) if file.info.contains("executable") => {
            vec![Found::Refused { name: request.pattern.clone(), why: Refusal::Executable }]
        }
        (Some(id), _) => vec![Found::File(*id)],
        (None, _) => Vec::new(),
    };
    for _ in 0..50 {
        match load(&sources, &surroundings) {
            Loaded::Done(outcome) => return (sources, outcome),
            Loaded::Missing(requests) => {
                for request in requests {
                    let found = answer(&request);
                    sources.resolve(&request, found);
                }
            }
        }
    }
    panic!("the includes never end");
}

fn is_main(fence: &Fence) -> bool {
    fence.info.split(' ').next() == Some("keepalived") && !fence.info.contains("file=")
}

/// What a page claims, and what is true.
fn check(id: Id, page: &str) -> Vec<(String, String)> {
    let all = fences(page);
    let mut files = BTreeMap::new();
    for fence in &all {
        if let Some(name) = fence.info.split(' ').find_map(|w| w.strip_prefix("file=")) {
            let copy = Fence { info: fence.info.clone(), text: fence.text.clone() };
            files.insert(name.to_string(), copy);
        }
    }
    let mut results = Vec::new();
    let mut first = true;
    for (index, fence) in all.iter().enumerate().filter(|(_, f)| is_main(f)) {
        let (sources, outcome) = run(fence, &files);
        let mut said: String = outcome.diagnostics.iter().map(|d| d.concise(&sources) + "\n").collect();
        for (kind, count) in &outcome.omitted {
            said.push_str(&format!("... and {count} more {kind}\n"));
        }
        if first {
            let claimed = all.get(index + 1).filter(|f| f.info == "text").map_or("", |f| &f.text);
            assert!(
                outcome.diagnostics.iter().any(|d| d.id == id),
                "{id}: its example does not show it:\n{said}"
            );
            results.push((claimed.to_string(), said));
        } else {
            // What is right stays right while a part of it is not built.
            let unbuilt = format!("warning[{}]", Id::NotBuilt);
            let said = said.lines().filter(|l| id == Id::NotBuilt || !l.contains(&unbuilt));
            results.push((String::new(), said.map(|l| format!("{l}\n")).collect()));
        }
        if let Some(host) = &outcome.host {
            host.check().unwrap();
        }
        first = false;
    }
    assert!(results.len() >= 2, "{id}: a wrong and a right example are wanted");
    results
}

#[test]
fn every_page_is_true() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = String::new();
    for id in Id::ALL {
        let path = directory().join(format!("{id}.md"));
        let page = fs::read_to_string(&path).unwrap();
        let results = check(*id, &page);
        let (claimed, said) = &results[0];
        if claimed != said {
            if bless {
                let old = format!("```text\n{claimed}```");
                assert!(page.contains(&old), "{id}: no text block to rewrite");
                fs::write(&path, page.replacen(&old, &format!("```text\n{said}```"), 1)).unwrap();
            } else {
                wrong.push_str(&format!("{id} claims:\n{claimed}but says:\n{said}\n"));
            }
        }
        for (_, said) in results.iter().skip(1).filter(|(_, said)| !said.is_empty()) {
            wrong.push_str(&format!("{id}: the corrected example says:\n{said}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_page_has_the_same_head_and_no_page_is_a_stranger() {
    for id in Id::ALL {
        let page = id.explanation();
        let severity = id.severity().to_string();
        let head = format!("# {id}\n\n*{severity}: {}*\n\n", id.title());
        assert!(page.starts_with(&head), "{id}: the page must start with\n{head}");
    }
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let stem = name.strip_suffix(".md").unwrap();
        assert!(Id::of(stem).is_some(), "{name} explains nothing");
    }
}

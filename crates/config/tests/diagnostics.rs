//! The pages of `docs/diagnostics` are true: each example gives exactly the findings that stand below it, and
//! what is recommended instead gives none.
//!
//! A page holds fenced blocks. `keepalived` is a main file; the first one is wrong, each further one is
//! right (it may use keywords that are not built yet). A `text` block holds the findings of the one before. Words behind `keepalived` say more:
//! `file=NAME` is a file for includes (`executable`: a refused one), `escaped` resolves `\xHH` and
//! `«TEXT*COUNT»`, `interfaces=A,B:10.0.0.5/24+fe80::1/64,C:vrf,D:in-C` are those of the host, `for=VERSION` is a file
//! for that keepalived, `program=SCRIPT:KIND:...` is what is wrong with a program of the host, `missing` is a main file that is not there, `chain=N` adds files `a1.conf` to `aN.conf`
//! that include each other. Fences with `node=NAME` are the files `NAME.conf` of several nodes that are
//! compared: those up to a name that was there already are one example.
//! With `BLESS=1` in the environment the `text` blocks are rewritten.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

use config::pair::{Comparison, Node, compare};
use config::{
    Diagnostic, Found, Id, IncludeRequest, Interface, Loaded, Outcome, ProgramFlaw, Refusal, Sources,
    Surroundings, load,
};
use model::Flaw;
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

/// `eth0`, `eth0:10.0.0.5/24+fe80::1/64`, `red:vrf`, or `eth0:in-red`.
fn interface(text: &str) -> (String, Interface) {
    let (name, addresses) = text.split_once(':').unwrap_or((text, ""));
    let address = |text: &str| {
        let (address, prefix) = text.split_once('/').unwrap();
        (address.parse().unwrap(), prefix.parse().unwrap())
    };
    let is_vrf = addresses == "vrf";
    let vrf = addresses.strip_prefix("in-").map(str::to_string);
    let no_address = is_vrf || vrf.is_some();
    let addresses = addresses.split('+').filter(|a| !a.is_empty() && !no_address).map(address).collect();
    (name.to_string(), Interface { addresses, is_vrf, vrf })
}

/// `NAME:KIND` with what is said of it, `:` between them.
fn program(text: &str) -> (String, ProgramFlaw) {
    let words: Vec<&str> = text.split(':').collect();
    let word = |at: usize| words[at].to_string();
    let mode = || u32::from_str_radix(words[3], 8).unwrap();
    let flaw = match words[1] {
        "missing" => ProgramFlaw::Flaw(Flaw::Missing(word(2))),
        "directory" => ProgramFlaw::Flaw(Flaw::NotAFile(word(2))),
        "forbidden" => ProgramFlaw::Flaw(Flaw::NotExecutable { path: word(2), mode: mode(), user: word(4) }),
        "interpreter" => ProgramFlaw::Flaw(Flaw::Interpreter {
            path: word(2),
            interpreter: words.get(3).map(|word| word.to_string()),
        }),
        "unsafe" => {
            ProgramFlaw::Flaw(Flaw::Unsafe { path: word(2), mode: mode(), owner: words[4].parse().unwrap() })
        }
        "account" => ProgramFlaw::Flaw(Flaw::NoAccount(word(2))),
        "switch" => ProgramFlaw::NoSwitch(word(2)),
        "bare" => ProgramFlaw::Bare(word(2)),
        other => panic!("{other}"),
    };
    (words[0].to_string(), flaw)
}

fn run(main: &Fence, files: &BTreeMap<String, Fence>, mut sources: Sources) -> (Sources, Outcome) {
    let words: Vec<&str> = main.info.split(' ').collect();
    let node = words.iter().find_map(|w| w.strip_prefix("node="));
    let host_name = format!("{}.example.net", node.unwrap_or("lb01"));
    let main_name = node.map_or("keepalived.conf".into(), |node| format!("{node}.conf"));
    let mut surroundings = Surroundings { host_name, ..Surroundings::default() };
    if let Some(list) = words.iter().find_map(|w| w.strip_prefix("interfaces=")) {
        surroundings.interfaces = Some(list.split(',').map(interface).collect());
    }
    for word in words.iter().filter_map(|w| w.strip_prefix("program=")) {
        let (name, flaw) = program(word);
        surroundings.programs.insert(name, flaw);
    }
    if let Some(release) = words.iter().find_map(|w| w.strip_prefix("for=")) {
        surroundings.keepalived = Some(config::table::Release::of(release).unwrap());
    }
    let bytes =
        if words.contains(&"escaped") { unescape(&main.text) } else { main.text.clone().into_bytes() };
    if words.contains(&"missing") {
        sources.add_refused_root(&*main_name, Refusal::Missing);
    } else {
        sources.add_root(&*main_name, bytes);
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
    ids.insert(main_name, sources.roots()[0]);
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

fn node(fence: &Fence) -> Option<&str> {
    fence.info.split(' ').find_map(|w| w.strip_prefix("node="))
}

/// The examples of a page: the main files of each, and the fence behind them.
fn examples(all: &[Fence]) -> Vec<(Vec<&Fence>, Option<&Fence>)> {
    let mut list: Vec<(Vec<&Fence>, Option<&Fence>)> = Vec::new();
    for (index, fence) in all.iter().enumerate().filter(|(_, f)| is_main(f)) {
        let behind = all.get(index + 1);
        match list.last_mut() {
            Some((nodes, last))
                if node(fence).is_some()
                    && last.is_some_and(|f| std::ptr::eq(f, fence))
                    && nodes.iter().all(|n| node(n) != node(fence)) =>
            {
                nodes.push(fence);
                *last = behind;
            }
            _ => list.push((vec![fence], behind)),
        }
    }
    list
}

/// Everything that is said about an example.
fn said(nodes: &[&Fence], files: &BTreeMap<String, Fence>) -> (Vec<Id>, String) {
    let mut outcomes: Vec<(Sources, Outcome)> = Vec::new();
    for fence in nodes {
        let sources = Sources::apart_from(outcomes.iter().map(|(sources, _)| sources));
        outcomes.push(run(fence, files, sources));
    }
    let mut ids = Vec::new();
    let mut text = String::new();
    let mut tell = |diagnostics: &[Diagnostic], omitted: &[(Id, usize)]| {
        for d in diagnostics {
            ids.push(d.id);
            let (sources, _) = outcomes.iter().find(|(sources, _)| sources.contains(d.span.file)).unwrap();
            text.push_str(&(d.concise(sources) + "\n"));
        }
        for (kind, count) in omitted {
            text.push_str(&format!("... and {count} more {kind}\n"));
        }
    };
    for (_, outcome) in &outcomes {
        tell(&outcome.diagnostics, &outcome.omitted);
        if let Some(host) = &outcome.host {
            host.check().unwrap();
        }
    }
    let nodes: Vec<Node<'_>> = outcomes.iter().filter_map(|(s, outcome)| Node::of(s, outcome)).collect();
    let Comparison { diagnostics, omitted } = compare(&nodes);
    tell(&diagnostics, &omitted);
    (ids, text)
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
    for (nodes, behind) in examples(&all) {
        let (ids, said) = said(&nodes, &files);
        if results.is_empty() {
            assert!(ids.contains(&id), "{id}: its example does not show it:\n{said}");
            let claimed = behind.filter(|f| f.info == "text").map_or("", |f| &f.text);
            results.push((claimed.to_string(), said));
        } else {
            // What is right stays right while a part of it is not built.
            let unbuilt = format!("warning[{}]", Id::NotBuilt);
            let said = said.lines().filter(|l| id == Id::NotBuilt || !l.contains(&unbuilt));
            results.push((String::new(), said.map(|l| format!("{l}\n")).collect()));
        }
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

//! The long texts of the keywords are complete, and their examples are right.
//!
//! `src/table/long/SLICE.md` belongs to the slice `SLICE` of the table: a section `## KEYWORD` for each of its
//! rows. A fence `keepalived` holds lines of the block that the slice describes; `keepalived whole` holds
//! whole blocks. What an example leaves out is added here, so that it must give no finding at all, except
//! that something is not built, has no effect, or is an old word.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// What every file is tested with when it brings no instance of its own.
const INSTANCE: &str = "vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 50
    priority 150
    virtual_ipaddress {
        10.0.0.3/24
    }
}
";

fn table() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/table")
}

/// The files of a directory with this ending, by their stems.
fn files(directory: PathBuf, ending: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == ending) {
            let stem = path.file_stem().unwrap().to_str().unwrap().to_string();
            found.insert(stem, fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// The rows of each slice, as they stand in the source of the table.
fn slices() -> BTreeMap<String, Vec<String>> {
    let mut slices: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in files(table(), "rs").into_values() {
        let mut slice = None;
        for line in text.lines() {
            if let Some((name, _)) = line.split_once("const ").and_then(|(_, r)| r.split_once(": &[Keyword]"))
            {
                slice = Some(slices.entry(name.to_lowercase()).or_default());
            } else if let Some((name, _)) = line.trim().strip_prefix("k(\"").and_then(|r| r.split_once("\","))
            {
                slice.as_mut().unwrap().push(name.replace("\\\\", "\\"));
            }
        }
    }
    slices
}

fn pages() -> BTreeMap<String, String> {
    files(table().join("long"), "md")
}

/// The sections of a page: keyword and text.
fn sections(page: &str) -> Vec<(&str, String)> {
    let mut list: Vec<(&str, String)> = Vec::new();
    for line in page.lines() {
        if let Some(keyword) = line.strip_prefix("## ") {
            list.push((keyword, String::new()));
        } else if let Some((_, text)) = list.last_mut() {
            text.push_str(line);
            text.push('\n');
        } else {
            assert!(line.is_empty(), "text before the first section: {line}");
        }
    }
    list
}

#[test]
fn every_keyword_of_the_list_is_in_a_slice() {
    let slices = slices();
    let count: usize = config::table::Block::ALL.iter().map(|b| b.keywords().count()).sum();
    let rows: usize = slices.values().map(Vec::len).sum();
    // Blocks may share a slice, so there are fewer rows than keywords in blocks.
    assert!(rows <= count && rows > 400, "{rows} rows for {count} keywords");
    for keyword in config::table::Block::ALL.iter().flat_map(|b| b.keywords()) {
        assert!(slices.values().flatten().any(|name| name == keyword.name), "{}", keyword.name);
    }
}

#[test]
fn every_keyword_has_its_text_and_no_text_is_a_stranger() {
    let (slices, pages) = (slices(), pages());
    let mut wrong = Vec::new();
    for (slice, rows) in &slices {
        let sections = pages.get(slice).map(|page| sections(page)).unwrap_or_default();
        for row in rows {
            match sections.iter().filter(|(name, _)| name == row).count() {
                0 => wrong.push(format!("{slice}.md explains `{row}` nowhere")),
                1 => {}
                n => wrong.push(format!("{slice}.md explains `{row}` {n} times")),
            }
        }
        for (name, text) in sections {
            if !rows.iter().any(|row| row == name) {
                wrong.push(format!("{slice}.md explains `{name}`, which is no row"));
            }
            if text.trim().len() < 20 {
                wrong.push(format!("{slice}.md says too little about `{name}`"));
            }
        }
    }
    wrong.extend(pages.keys().filter(|p| !slices.contains_key(*p)).map(|p| format!("{p}.md is no slice")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The examples of a text: whether it is whole, and its lines.
fn examples(text: &str) -> Vec<(bool, String)> {
    let mut list = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                assert!(matches!(info, "keepalived" | "keepalived whole"), "what is a fence `{info}`?");
                open = Some((info.ends_with("whole"), String::new()));
            }
            (Some(_), Some("")) => list.extend(open.take()),
            (Some((_, example)), _) => {
                example.push_str(line);
                example.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    list
}

fn has(lines: &str, keyword: &str) -> bool {
    lines.lines().any(|line| line.split_whitespace().next() == Some(keyword))
}

/// An instance with these lines and whatever they leave out.
fn instance(lines: &str) -> String {
    let mut text = String::from("vrrp_instance VI_1 {\n");
    for usual in
        ["interface eth0", "virtual_router_id 50", "priority 150", "virtual_ipaddress {\n10.0.0.3/24\n}"]
    {
        if !has(lines, usual.split(' ').next().unwrap()) {
            text.push_str(usual);
            text.push('\n');
        }
    }
    text + lines + "}\n"
}

/// The instance above, with one more block.
fn tracking(block: &str) -> String {
    instance(&format!("{block} {{\nx\n}}\n"))
}

/// A real server with a check.
fn check(name: &str, lines: &str) -> String {
    format!("virtual_server 10.0.0.3 80 {{\nreal_server 10.0.0.7 80 {{\n{name} {{\n{lines}}}\n}}\n}}\n")
}

/// A whole configuration around the lines of a slice.
fn place(slice: &str, lines: &str) -> String {
    match slice {
        "root" | "any_line" => lines.to_string(),
        "global_defs" | "garp_group" => format!("{slice} {{\n{lines}}}\n"),
        "vrrp_instance" => instance(lines),
        "authentication" => instance(&format!("authentication {{\n{lines}}}\n")),
        "auth_hmac" => instance(&format!("auth_hmac {{\n{lines}}}\n")),
        "address_line" => instance(&format!("virtual_ipaddress {{\n{lines}}}\n")),
        "route_line" => instance(&format!("virtual_routes {{\n{lines}}}\n")),
        "rule_line" => instance(&format!("virtual_rules {{\n{lines}}}\n")),
        "vrrp_sync_group" => {
            let second = INSTANCE.replace("VI_1", "VI_2").replace("50", "51").replace("0.3", "0.4");
            format!("vrrp_sync_group VG_1 {{\n{lines}}}\n{INSTANCE}{second}")
        }
        "vrrp_script" => format!("vrrp_script x {{\n{lines}}}\n") + &tracking("track_script"),
        "vrrp_track_process" => format!("{slice} x {{\n{lines}}}\n") + &tracking("track_process"),
        "track_file" | "vrrp_track_file" => format!("{slice} x {{\n{lines}}}\n") + &tracking("track_file"),
        "bfd_instance" => format!("{slice} x {{\n{lines}}}\n") + &tracking("track_bfd"),
        "http_get" => check("HTTP_GET", lines),
        "misc_check" => check("MISC_CHECK", lines),
        "dns_check" => check("DNS_CHECK", lines),
        "url" => check("HTTP_GET", &format!("url {{\n{lines}}}\n")),
        "virtual_server" => format!("virtual_server 10.0.0.3 80 {{\n{lines}}}\n"),
        "real_server" => {
            format!("virtual_server 10.0.0.3 80 {{\nreal_server 10.0.0.7 80 {{\n{lines}}}\n}}\n")
        }
        _ => panic!("where does an example of {slice} belong?"),
    }
}

#[test]
fn every_example_is_right() {
    let mut wrong = String::new();
    let mut count = 0;
    for (slice, page) in pages() {
        for (keyword, text) in sections(&page) {
            for (whole, lines) in examples(&text) {
                count += 1;
                let mut file = if whole { lines } else { place(&slice, &lines) };
                if !has(&file, "vrrp_instance") {
                    file.push_str(INSTANCE);
                }
                let (sources, outcome) = common::outcome(&file);
                for finding in &outcome.diagnostics {
                    let expected = ["not-built", "no-effect", "deprecated-keyword"];
                    if !expected.contains(&finding.id.name()) {
                        wrong.push_str(&format!("{slice}.md, {keyword}: {}\n", finding.concise(&sources)));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 40, "only {count} examples were found");
}

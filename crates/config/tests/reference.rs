//! The reference in `docs/reference` is what the table says. With `BLESS=1` in the environment it is written
//! anew (`cargo xtask reference`).
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

use config::table::{Block, Page, json, pages};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

fn wanted() -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> =
        pages().into_iter().map(|Page { name, text }| (name, text)).collect();
    files.insert("keywords.schema.json".into(), json::table());
    files
}

#[test]
fn the_committed_reference_is_up_to_date() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let bless = std::env::var_os("BLESS").is_some();
    if bless {
        fs::create_dir_all(&directory).unwrap();
    }
    let wanted = wanted();
    let mut wrong = Vec::new();
    for (name, text) in &wanted {
        let path = directory.join(name);
        if fs::read_to_string(&path).ok().as_ref() == Some(text) {
            continue;
        }
        if bless {
            fs::write(&path, text).unwrap();
        } else {
            wrong.push(format!("{name} is not what the table says"));
        }
    }
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if !wanted.contains_key(path.file_name().unwrap().to_str().unwrap()) {
            if bless {
                fs::remove_file(&path).unwrap();
            } else {
                wrong.push(format!("{} belongs to nothing", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "run `cargo xtask reference`: {wrong:#?}");
}

#[test]
fn the_data_is_whole() {
    let data: serde_json::Value = serde_json::from_str(&json::table()).unwrap();
    let blocks = data["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), Block::ALL.len());
    let keywords: usize = blocks.iter().map(|block| block["keywords"].as_array().unwrap().len()).sum();
    assert_eq!(keywords, Block::ALL.iter().map(|block| block.keywords().count()).sum::<usize>());
    let find = |block: &str, keyword: &str| {
        let block = blocks.iter().find(|b| b["block"] == block).unwrap();
        block["keywords"].as_array().unwrap().iter().find(|k| k["keyword"] == keyword).unwrap().clone()
    };
    let interval = find("vrrp_instance", "advert_int");
    assert_eq!((interval["value"].as_str(), interval["max"].as_f64()), (Some("number"), Some(255.0)));
    assert_eq!(interval["places"], 6);
    assert_eq!(find("(root)", "vrrp_instance")["opens"], "vrrp_instance");
    assert_eq!(find("virtual_server", "protocol")["words"][0], "TCP");
    assert_eq!(find("vrrp_instance", "virtual_ipaddress")["lines"], "ADDRESS-LINE");
    assert!(find("vrrp_instance", "priority")["long"].as_str().unwrap().len() > 20);
}

/// Links between the pages lead somewhere.
#[test]
fn links_lead_to_pages() {
    let wanted = wanted();
    for (name, text) in &wanted {
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            assert!(wanted.contains_key(target), "{name} links to {target}");
        }
    }
}

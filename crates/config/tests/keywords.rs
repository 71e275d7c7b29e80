//! Every keyword of the language is known, and every honoured one is really read.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use config::table::{Block, Shape, State, homes};

const KEYWORDS: &str = include_str!("keywords.txt");

fn block(path: &str) -> Block {
    *Block::ALL.iter().find(|b| b.path() == path).unwrap_or_else(|| panic!("no block {path}"))
}

#[test]
fn the_whole_list_is_in_the_table() {
    let mut count = 0;
    for line in KEYWORDS.lines() {
        let (path, name) = line.split_once('\t').unwrap();
        assert!(block(path).keyword(name.as_bytes()).is_some(), "{name} in {path}");
        count += 1;
    }
    let table: usize = Block::ALL.iter().map(|b| b.keywords().count()).sum();
    assert_eq!(count, table, "the table has what the list has not");
}

#[test]
fn homes_finds_every_block_of_a_word() {
    assert_eq!(homes(b"weight").filter(|(b, _)| b.is_block()).count(), 8);
    assert_eq!(homes(b"nonsense").count(), 0);
}

/// A known keyword is never called unknown, whatever else is wrong about its line; and an honoured one finds
/// its reader (the reader's fallback asserts in a debug build).
#[test]
fn every_keyword_is_recognised_where_it_belongs() {
    for block in Block::ALL.iter().filter(|b| b.is_block()) {
        for keyword in block.keywords() {
            let body = if keyword.shape.opens() { " x { }" } else { " 1" };
            let mut text = format!("{}{body}\n", keyword.name);
            for part in path_to(*block).into_iter().rev() {
                text = format!("{part} x {{\n{text}}}\n");
            }
            let (_, outcome) = common::outcome(&text);
            let ids: Vec<_> = outcome.diagnostics.iter().map(|d| d.id.name()).collect();
            for bad in ["unknown-keyword", "unknown-block", "misplaced-keyword"] {
                assert!(!ids.contains(&bad), "{} in {}: {ids:?}\n{text}", keyword.name, block.path());
            }
            if block.path().starts_with("vrrp_instance") || *block == Block::GlobalDefs {
                let reported = ids.contains(&"not-built") || ids.contains(&"no-effect");
                assert_eq!(reported, keyword.state != State::Honoured, "{}: {ids:?}", keyword.name);
            }
        }
    }
}

/// The keywords that open the blocks down to this one.
fn path_to(block: Block) -> Vec<&'static str> {
    if block == Block::Root { Vec::new() } else { block.path().split('/').collect() }
}

#[test]
fn unbuilt_blocks_give_one_warning_for_the_outermost() {
    let text = "virtual_server 10.0.0.3 80 {\n real_server 10.0.0.7 80 {\n TCP_CHECK {\n connect_timeout 3\n }\n }\n}\n";
    let (_, outcome) = common::outcome(text);
    let ids: Vec<_> = outcome.diagnostics.iter().map(|d| d.id.name()).collect();
    assert_eq!(ids, ["not-built", "no-instance"]);
    let with_typo = text.replace("connect_timeout", "conect_timeout");
    let (_, outcome) = common::outcome(with_typo);
    assert!(outcome.diagnostics.iter().any(|d| d.help.as_deref() == Some("did you mean `connect_timeout`?")));
}

#[test]
fn every_block_keyword_leads_to_a_block() {
    for block in Block::ALL {
        for keyword in block.keywords() {
            if let Shape::Block(inner) = keyword.shape {
                assert!(inner.path().ends_with(keyword.name), "{}", keyword.name);
            }
        }
    }
}

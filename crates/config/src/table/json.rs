//! The table as data for programs: completions of editors, other checkers.

use super::{Block, Keyword, Lines, Shape, State, Value};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

/// The whole table.
#[must_use]
pub fn table() -> String {
    let mut out = String::from("{\n \"format\": 1,\n \"blocks\": [\n");
    let blocks: Vec<String> = Block::ALL
        .iter()
        .map(|block| {
            let rows: Vec<String> =
                block.keywords().map(|keyword| format!("   {}", row(*block, keyword))).collect();
            format!(
                "  {{\"block\": {}, \"lines\": {}, \"keywords\": [\n{}\n  ]}}",
                text(block.path()),
                !block.is_block(),
                rows.join(",\n")
            )
        })
        .collect();
    out.push_str(&blocks.join(",\n"));
    out.push_str("\n ]\n}\n");
    out
}

/// Some keywords, as one array.
#[must_use]
pub fn rows(list: &[(Block, &Keyword)]) -> String {
    let rows: Vec<String> =
        list.iter().map(|(block, keyword)| format!(" {}", row(*block, keyword))).collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}

fn row(block: Block, keyword: &Keyword) -> String {
    let mut object = Object::new();
    object.text("keyword", keyword.name);
    object.text("block", block.path());
    object.text("arguments", keyword.arguments);
    match keyword.shape {
        Shape::Block(inner) => object.text("opens", inner.path()),
        Shape::Lines(lines) => object.text("lines", lines_name(lines)),
        Shape::Flag | Shape::Value | Shape::Optional | Shape::Words => value(keyword, &mut object),
    }
    object.unless_empty("remark", keyword.remark);
    object.unless_empty("default", keyword.default);
    if let Some(since) = keyword.since() {
        object.text("since", &format!("{since}"));
    }
    match keyword.state {
        State::Honoured => object.text("state", "honoured"),
        State::NoEffect(why) => {
            object.text("state", "no-effect");
            object.text("because", why);
        }
        State::NotBuilt => object.text("state", "not-built"),
    }
    object.text("doc", keyword.doc);
    object.text("long", block.long(keyword.name).unwrap_or_default());
    object.end()
}

fn value(keyword: &Keyword, object: &mut Object) {
    object.text("value", keyword.value.kind());
    object.raw("required", matches!(keyword.shape, Shape::Value | Shape::Words));
    if let Some(number) = keyword.value.number() {
        let (low, high) = number.ends();
        object.raw("min", low);
        object.raw("max", high);
        if number.places > 0 {
            object.raw("places", number.places);
        }
        object.unless_empty("unit", number.unit);
    }
    let words: &[&str] = if let Value::OneOf(words) | Value::AnyCase(words) = keyword.value {
        words
    } else if keyword.value == Value::Switch {
        &["true", "on", "yes", "false", "off", "no"]
    } else if keyword.value == Value::Forwarding {
        &["NAT", "DR", "TUN"]
    } else {
        &[]
    };
    if !words.is_empty() {
        let list: Vec<String> = words.iter().map(|word| text(word)).collect();
        object.raw("words", format!("[{}]", list.join(", ")));
    }
}

/// What stands in the lines of a list block.
const fn lines_name(lines: Lines) -> &'static str {
    match lines {
        Lines::Addresses => "ADDRESS-LINE",
        Lines::Routes => "ROUTE-LINE",
        Lines::Rules => "RULE-LINE",
        Lines::Trackers => "trackers",
        Lines::Peers => "peers",
        Lines::Names => "names",
        Lines::ServerGroup => "virtual servers",
    }
}

/// An object on one line.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self(String::from("{"))
    }

    fn raw(&mut self, name: &str, value: impl core::fmt::Display) {
        let comma = if self.0.len() > 1 { ", " } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{comma}\"{name}\": {value}");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.raw(name, text(value));
    }

    fn unless_empty(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.text(name, value);
        }
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A string of JSON.
fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

//! `standfast explain`: the long text of a finding, and everything known about a keyword.

use config::table::{Block, FORMER, Former, Keyword, State, Successor, facts, homes, json};
use config::{Id, nearest};
use std::io::{self, Write};

/// How many texts of one word are printed whole. Of more, the short ones are, to choose from.
const TEXTS: usize = 2;

/// Options of `standfast explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A finding (nopreempt-ignored) or a keyword (virtual_router_id, vrrp_script/weight)
    #[arg(value_name = "ID|KEYWORD", required_unless_present_any = ["list", "json"])]
    pub topic: Option<String>,
    /// List all findings and keywords, a line for each
    #[arg(long, conflicts_with = "topic")]
    pub list: bool,
    /// Print JSON; without a topic the whole table of keywords
    #[arg(long, conflicts_with = "list")]
    pub json: bool,
}

/// A keyword with the blocks in which it is one and the same.
struct Entry {
    keyword: &'static Keyword,
    blocks: Vec<Block>,
}

/// Explains; 2 when there is nothing of that name.
pub fn run(args: &Args, out: &mut dyn Write) -> u8 {
    let done = match args.topic.as_deref().map(str::trim) {
        None if args.json => out.write_all(json::table().as_bytes()).map(|()| true),
        None => list(out).map(|()| true),
        Some(topic) if args.json => data(topic, out),
        Some(topic) => explain(topic, out),
    };
    // A reader that went away does not need the rest.
    match done {
        Ok(true) | Err(_) => 0,
        Ok(false) => 2,
    }
}

fn explain(topic: &str, out: &mut dyn Write) -> io::Result<bool> {
    if let Some(id) = Id::of(topic) {
        out.write_all(id.explanation().as_bytes())?;
        return Ok(true);
    }
    let entries = entries(topic);
    if !entries.is_empty() {
        describe_all(&entries, out)?;
        return Ok(true);
    }
    if let Some(old) = FORMER.iter().find(|old| old.name == topic) {
        former(old, out)?;
        return Ok(true);
    }
    stranger(topic, out)?;
    Ok(false)
}

/// The keywords that a topic names: `weight`, `vrrp_script/weight`, `real_server.weight`.
fn entries(topic: &str) -> Vec<Entry> {
    let (within, name) = match topic.rsplit_once(['/', '.']) {
        // A few names hold such a sign themselves.
        Some((within, name)) if homes(topic.as_bytes()).next().is_none() => (Some(within), name),
        _ => (None, topic),
    };
    let mut list: Vec<Entry> = Vec::new();
    for (block, keyword) in
        homes(name.as_bytes()).filter(|(block, _)| within.is_none_or(|w| stands_in(*block, w)))
    {
        match list.iter_mut().find(|entry| std::ptr::eq(entry.keyword, keyword)) {
            Some(entry) => entry.blocks.push(block),
            None => list.push(Entry { keyword, blocks: vec![block] }),
        }
    }
    list
}

/// Whether `within` names the block: by its whole path or the end of it.
fn stands_in(block: Block, within: &str) -> bool {
    let within = within.replace('.', "/");
    let path = block.path();
    path.eq_ignore_ascii_case(&within)
        || path
            .len()
            .checked_sub(within.len() + 1)
            .is_some_and(|at| path.as_bytes()[at] == b'/' && path[at + 1..].eq_ignore_ascii_case(&within))
        || block.name().trim_matches(['(', ')']).eq_ignore_ascii_case(&within)
}

fn describe_all(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        describe(entry, entries.len() <= TEXTS, out)?;
    }
    if entries.len() > TEXTS
        && let Some(entry) = entries.first()
        && let Some(block) = entry.blocks.first()
    {
        writeln!(out, "\nMore about one of them: standfast explain {}/{}", block.name(), entry.keyword.name)?;
    }
    Ok(())
}

fn describe(entry: &Entry, whole: bool, out: &mut dyn Write) -> io::Result<()> {
    let keyword = entry.keyword;
    writeln!(out, "{}", format!("{} {}", keyword.name, keyword.arguments).trim_end())?;
    for block in &entry.blocks {
        writeln!(out, "    {}", place(*block))?;
    }
    writeln!(out, "    {}", keyword.doc)?;
    for (what, text) in facts(keyword) {
        match (what, keyword.state) {
            ("state", State::Honoured) => {}
            ("state", State::NoEffect(_) | State::NotBuilt) => writeln!(out, "    {text}")?,
            ("since keepalived", _) => writeln!(out, "    since keepalived {text}")?,
            _ => writeln!(out, "    {what}: {text}")?,
        }
    }
    if let config::table::Shape::Block(inner) = keyword.shape {
        let names: Vec<&str> = inner.keywords().map(|k| k.name).collect();
        writeln!(out, "    in it: {}", names.join(", "))?;
    }
    let long = entry.blocks.first().and_then(|block| block.long(keyword.name));
    if let Some(long) = long.filter(|_| whole) {
        writeln!(out, "\n{long}")?;
    }
    Ok(())
}

fn place(block: Block) -> String {
    if block == Block::Root {
        "outside the blocks".to_owned()
    } else if block == Block::AnyLine {
        "on any line".to_owned()
    } else if block.is_block() {
        format!("in {}", block.path().replace('/', " / "))
    } else {
        format!("in a line of type {}", block.path())
    }
}

fn former(old: &Former, out: &mut dyn Write) -> io::Result<()> {
    let blocks: Vec<&str> = old.blocks.iter().map(|block| block.name()).collect();
    writeln!(out, "{}\n    an old word of {}; keepalived no longer knows it", old.name, blocks.join(", "))?;
    match old.successor {
        Successor::Word(today) => writeln!(out, "    today: {today}"),
        Successor::Advice(advice) => writeln!(out, "    {advice}"),
    }
}

fn stranger(topic: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "there is no finding and no keyword `{topic}`")?;
    let name = topic.rsplit(['/', '.']).next().unwrap_or(topic);
    let blocks: Vec<String> =
        homes(name.as_bytes()).map(|(block, _)| format!("{}/{name}", block.name())).collect();
    if !blocks.is_empty() {
        return writeln!(out, "`{name}` stands in other blocks: {}", blocks.join(", "));
    }
    let ids = Id::ALL.iter().map(|id| id.name());
    let keywords = Block::ALL.iter().flat_map(|block| block.keywords()).map(|keyword| keyword.name);
    match nearest(name, ids.chain(keywords)) {
        Some(near) => writeln!(out, "did you mean `{near}`?"),
        None => writeln!(out, "`standfast explain --list` lists them"),
    }
}

fn list(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Findings of `standfast check`:")?;
    for id in Id::ALL {
        writeln!(out, "  {:<24} {:<8} {}", id.name(), id.severity().to_string(), id.title())?;
    }
    for block in Block::ALL {
        writeln!(out, "\nKeywords {}:", place(*block))?;
        for keyword in block.keywords() {
            let state = match keyword.state {
                State::Honoured => "",
                State::NoEffect(_) => " (no effect)",
                State::NotBuilt => " (not built)",
            };
            writeln!(out, "  {:<36} {}{state}", keyword.name, keyword.doc)?;
        }
    }
    Ok(())
}

fn data(topic: &str, out: &mut dyn Write) -> io::Result<bool> {
    if let Some(id) = Id::of(topic) {
        let object = serde_json::json!({
            "id": id.name(),
            "severity": id.severity().to_string(),
            "title": id.title(),
            "page": id.explanation(),
        });
        writeln!(out, "{object:#}")?;
        return Ok(true);
    }
    let rows: Vec<(Block, &Keyword)> = entries(topic)
        .iter()
        .flat_map(|entry| entry.blocks.iter().map(|block| (*block, entry.keyword)))
        .collect();
    out.write_all(json::rows(&rows).as_bytes())?;
    Ok(!rows.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(topic: &str) -> (u8, String) {
        with(Some(topic), false, false)
    }

    fn with(topic: Option<&str>, list: bool, json: bool) -> (u8, String) {
        let mut out = Vec::new();
        let code = run(&Args { topic: topic.map(String::from), list, json }, &mut out);
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn findings_keywords_and_strangers() {
        let (code, text) = said("nopreempt-ignored");
        assert!(code == 0 && text.starts_with("# nopreempt-ignored\n"), "{text}");
        let (code, text) = said("advert_int");
        assert!(code == 0 && text.starts_with("advert_int SECS\n    in vrrp_instance\n"), "{text}");
        let (_, text) = said("priority");
        assert_eq!(text.matches("priority N\n").count(), 3, "{text}");
        assert_eq!(
            said("nopreemt"),
            (2, "there is no finding and no keyword `nopreemt`\ndid you mean `nopreempt`?\n".into())
        );
    }

    #[test]
    fn a_block_chooses_among_many() {
        let (code, text) = said("vrrp_script/weight");
        assert!(code == 0 && text.starts_with("weight N [reverse]\n    in vrrp_script\n"), "{text}");
        assert_eq!(text.matches("    value: ").count(), 1, "{text}");
        assert_eq!(said("virtual_server/real_server/weight"), said("real_server.weight"));
        let (code, text) = said("garp_group/weight");
        assert!(code == 2 && text.contains("vrrp_script/weight"), "{text}");
        // One row that several blocks share is told once.
        let (_, text) = said("connect_ip");
        assert_eq!(text.matches("connect_ip ADDR\n").count(), 1, "{text}");
        assert_eq!(text.matches("    in virtual_server / real_server / ").count(), 8, "{text}");
    }

    #[test]
    fn long_texts_and_old_words() {
        let (_, text) = said("virtual_router_id");
        assert!(text.contains("\n\n") && text.len() > 300, "{text}");
        let (code, text) = said("lvs_id");
        assert!(code == 0 && text.contains("today: router_id"), "{text}");
    }

    #[test]
    fn lists_and_data() {
        let (_, text) = with(None, true, false);
        assert!(text.lines().count() > 650 + Id::ALL.len(), "{}", text.lines().count());
        let (_, text) = with(None, false, true);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        let (code, text) = with(Some("weight"), false, true);
        let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, rows.as_array().unwrap().len()), (0, 8));
        let (code, text) = with(Some("vrid-twice"), false, true);
        let page: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, page["severity"].as_str()), (0, Some("error")));
        assert_eq!(with(Some("nonsense"), false, true).0, 2);
    }
}

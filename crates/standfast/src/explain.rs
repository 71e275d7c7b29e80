//! `standfast explain`: the long text of a finding, and everything known about a keyword.

use config::table::{Block, Keyword, Shape, State, homes};
use config::{Id, nearest};
use std::io::{self, Write};

/// Options of `standfast explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A finding (nopreempt-ignored) or a keyword (virtual_router_id)
    #[arg(value_name = "ID|KEYWORD")]
    pub topic: String,
}

/// Explains; 2 when there is nothing of that name.
pub fn run(args: &Args, out: &mut dyn Write) -> u8 {
    let topic = args.topic.trim();
    // A reader that went away does not need the rest.
    match explain(topic, out) {
        Ok(true) | Err(_) => 0,
        Ok(false) => 2,
    }
}

fn explain(topic: &str, out: &mut dyn Write) -> io::Result<bool> {
    if let Some(id) = Id::of(topic) {
        out.write_all(id.explanation().as_bytes())?;
        return Ok(true);
    }
    let mut known = false;
    for (block, keyword) in homes(topic.as_bytes()) {
        if known {
            writeln!(out)?;
        }
        known = true;
        describe(block, keyword, out)?;
    }
    if !known {
        let ids = Id::ALL.iter().map(|id| id.name());
        let keywords = Block::ALL.iter().flat_map(|block| block.keywords()).map(|keyword| keyword.name);
        writeln!(out, "there is no finding and no keyword `{topic}`")?;
        if let Some(near) = nearest(topic, ids.chain(keywords)) {
            writeln!(out, "did you mean `{near}`?")?;
        }
    }
    Ok(known)
}

fn describe(block: Block, keyword: &Keyword, out: &mut dyn Write) -> io::Result<()> {
    let place = if block == Block::Root {
        "outside the blocks".to_owned()
    } else if block == Block::AnyLine {
        "on any line".to_owned()
    } else if block.is_block() {
        format!("in {}", block.path().replace('/', " / "))
    } else {
        format!("in a line of type {}", block.path())
    };
    writeln!(out, "{} {}", keyword.name, keyword.arguments)?;
    writeln!(out, "    {place}")?;
    writeln!(out, "    {}", keyword.doc)?;
    let value = keyword.value_text();
    if !matches!(keyword.shape, Shape::Flag) && !value.is_empty() {
        writeln!(out, "    value: {value}")?;
    }
    if !keyword.default.is_empty() {
        writeln!(out, "    default: {}", keyword.default)?;
    }
    if let Some(since) = keyword.since() {
        writeln!(out, "    since keepalived {since}")?;
    }
    match keyword.state {
        State::Honoured => Ok(()),
        State::NoEffect(why) => writeln!(out, "    no effect in Standfast: {why}"),
        State::NotBuilt => writeln!(out, "    not built yet in Standfast: known, reported, without effect"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(topic: &str) -> (u8, String) {
        let mut out = Vec::new();
        let code = run(&Args { topic: topic.into() }, &mut out);
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
}

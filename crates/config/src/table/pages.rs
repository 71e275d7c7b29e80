//! The table as pages of the manual: one for each block, and what is built of it.

use super::{Block, Keyword, Shape, State, homes};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A page of the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The file's name.
    pub name: String,
    /// Its text, in Markdown.
    pub text: String,
}

const MADE: &str = "<!-- Made from the table of keywords by `cargo xtask reference`. -->\n\n";

/// Every page: the index, one for each block, the coverage.
#[must_use]
pub fn pages() -> Vec<Page> {
    let mut list = Vec::from([
        Page { name: String::from("README.md"), text: index() },
        Page { name: String::from("coverage.md"), text: coverage() },
    ]);
    list.extend(Block::ALL.iter().map(|block| Page { name: file(*block), text: block_page(*block) }));
    list
}

/// `virtual_server/real_server/HTTP_GET/url` → `http_get_url.md`.
fn file(block: Block) -> String {
    let mut parts = block.path().rsplit('/');
    let last = parts.next().unwrap_or_default();
    // `url` stands in two blocks.
    let name = match (last, parts.next()) {
        ("url" | "host", Some(around)) => format!("{around}_{last}"),
        _ => String::from(last.trim_matches(['(', ')'])),
    };
    format!("{}.md", name.to_lowercase().replace(['-', ' '], "_"))
}

/// A block as a heading.
fn title(block: Block) -> String {
    match block.path() {
        "(any line)" => String::from("On any line"),
        "(root)" => String::from("Outside the blocks"),
        "ADDRESS-LINE" => String::from("Words of an address"),
        "ROUTE-LINE" => String::from("Words of a route"),
        "RULE-LINE" => String::from("Words of a rule"),
        path => format!("`{}`", path.replace('/', "` / `")),
    }
}

fn index() -> String {
    let mut out = String::from(MADE);
    out.push_str("# Reference of the configuration\n\nEvery keyword of keepalived 2.4.3, and what Standfast does with it. `standfast explain KEYWORD` prints the same texts.\n\n");
    for block in Block::ALL {
        out.push_str(&format!("- [{}]({}): {}\n", title(*block), file(*block), purpose(*block)));
    }
    out.push_str("\n[What is built](coverage.md) counts them. [keywords.schema.json](keywords.schema.json) is the same table for programs.\n");
    out
}

/// What a block is for, in one sentence.
fn purpose(block: Block) -> &'static str {
    match block.path() {
        "(any line)" => "Comments, includes, definitions, conditions.",
        "(root)" => "The keywords that open blocks, and a few settings of the whole daemon.",
        "ADDRESS-LINE" => "What may follow an address.",
        "ROUTE-LINE" => "What a route consists of.",
        "RULE-LINE" => "What a policy rule consists of.",
        _ => opener(block).map_or("", |keyword| keyword.doc),
    }
}

/// The keyword that opens a block.
fn opener(block: Block) -> Option<&'static Keyword> {
    homes(block.name().as_bytes()).map(|(_, keyword)| keyword).find(|k| k.shape == Shape::Block(block))
}

fn block_page(block: Block) -> String {
    let mut out = String::from(MADE);
    out.push_str(&format!("# {}\n\n{}\n", title(block), purpose(block)));
    if let Some(opener) = opener(block) {
        out.push_str(&format!("\n```text\n{} {}\n```\n", opener.name, opener.arguments));
    }
    out.push_str("\n| keyword | what it is for | state |\n|---|---|---|\n");
    for keyword in block.keywords() {
        let cells = [code(keyword.name), cell(keyword.doc), String::from(state(keyword.state))];
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    for keyword in block.keywords() {
        out.push_str(&section(block, keyword));
    }
    out
}

fn section(block: Block, keyword: &Keyword) -> String {
    let mut out = format!("\n## {}\n\n", code(keyword.name));
    out.push_str(&format!("    {}\n\n", join(keyword.name, keyword.arguments)));
    for (what, text) in facts(keyword) {
        out.push_str(&format!("- {what}: {text}\n"));
    }
    if let Shape::Block(inner) = keyword.shape {
        out.push_str(&format!("- its lines: [{}]({})\n", title(inner), file(inner)));
    }
    out.push_str(&format!("\n{}\n", block.long(keyword.name).unwrap_or(keyword.doc)));
    out
}

/// What there is to know about a keyword, by its kind: `value`, `default`, `since keepalived`, `state`.
#[must_use]
pub fn facts(keyword: &Keyword) -> Vec<(&'static str, String)> {
    let mut list = Vec::new();
    let value = keyword.value_text();
    if !value.is_empty() {
        list.push(("value", value));
    }
    if !keyword.default.is_empty() {
        list.push(("default", String::from(keyword.default)));
    }
    if let Some(since) = keyword.since() {
        list.push(("since keepalived", format!("{since}")));
    }
    let state = match keyword.state {
        State::Honoured => String::from("honoured"),
        State::NoEffect(why) => format!("no effect in Standfast: {why}"),
        State::NotBuilt => {
            String::from("not built yet in Standfast: known, checked, reported, without effect")
        }
    };
    list.push(("state", state));
    list
}

/// A keyword with its arguments.
fn join(name: &str, arguments: &str) -> String {
    let text = format!("{name} {arguments}");
    String::from(text.trim_end())
}

const fn state(state: State) -> &'static str {
    match state {
        State::Honoured => "honoured",
        State::NoEffect(_) => "no effect",
        State::NotBuilt => "not built",
    }
}

fn code(name: &str) -> String {
    format!("`{}`", cell(name))
}

/// Text in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Parts of the language, each with its blocks.
const AREAS: &[(&str, &[Block])] = &[
    ("Language", &[Block::AnyLine]),
    ("Global", &[Block::Root, Block::GlobalDefs]),
    (
        "VRRP",
        &[
            Block::VrrpInstance,
            Block::Authentication,
            Block::AuthHmac,
            Block::VrrpSyncGroup,
            Block::GarpGroup,
            Block::AddressLine,
        ],
    ),
    ("Routes and rules", &[Block::RouteLine, Block::RuleLine]),
    (
        "Tracking",
        &[
            Block::VrrpScript,
            Block::VrrpTrackProcess,
            Block::TrackFile,
            Block::VrrpTrackFile,
            Block::TrackGroup,
        ],
    ),
    ("BFD", &[Block::BfdInstance]),
    (
        "LVS",
        &[
            Block::VirtualServer,
            Block::RealServer,
            Block::TcpCheck,
            Block::UdpCheck,
            Block::SmtpCheck,
            Block::SmtpHost,
            Block::PingCheck,
            Block::HttpGet,
            Block::HttpUrl,
            Block::SslGet,
            Block::SslUrl,
            Block::DnsCheck,
            Block::MiscCheck,
            Block::FileCheck,
            Block::BfdCheck,
            Block::Ssl,
        ],
    ),
];

/// How many keywords are in each state.
#[derive(Clone, Copy, Default)]
struct Counts {
    honoured: usize,
    no_effect: usize,
    not_built: usize,
}

impl Counts {
    fn of(blocks: &[Block]) -> Self {
        let mut counts = Self::default();
        for keyword in blocks.iter().flat_map(|block| block.keywords()) {
            match keyword.state {
                State::Honoured => counts.honoured += 1,
                State::NoEffect(_) => counts.no_effect += 1,
                State::NotBuilt => counts.not_built += 1,
            }
        }
        counts
    }

    fn row(self, name: &str) -> String {
        let all = self.honoured + self.no_effect + self.not_built;
        format!("| {name} | {all} | {} | {} | {} |\n", self.honoured, self.no_effect, self.not_built)
    }
}

fn coverage() -> String {
    const HEAD: &str = "| keywords | honoured | no effect | not built |\n|---|---|---|---|---|\n";
    let mut out = String::from(MADE);
    out.push_str(
        "# What is built\n\n*Honoured*: does what keepalived does, or what the manual says instead. *No effect*: read, and on purpose without consequence. *Not built*: known and checked; each use gives a warning. Nothing is ignored in silence.\n\n",
    );
    out.push_str(&format!("| part {HEAD}"));
    for (name, blocks) in AREAS {
        out.push_str(&Counts::of(blocks).row(name));
    }
    out.push_str(&Counts::of(Block::ALL).row("**all**"));
    out.push_str(&format!("\n| block {HEAD}"));
    for block in Block::ALL {
        out.push_str(&Counts::of(&[*block]).row(&format!("[{}]({})", title(*block), file(*block))));
    }
    for block in Block::ALL {
        out.push_str(&format!("\n## {}\n\n", title(*block)));
        for wanted in ["honoured", "no effect", "not built"] {
            let names: Vec<String> = block
                .keywords()
                .filter(|k| state(k.state) == wanted)
                .map(|k| format!("`{}`", k.name))
                .collect();
            if !names.is_empty() {
                out.push_str(&format!("- {wanted}: {}\n", names.join(", ")));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_in_one_area_and_has_a_page_of_its_own() {
        for block in Block::ALL {
            assert_eq!(AREAS.iter().filter(|(_, list)| list.contains(block)).count(), 1, "{}", block.path());
            assert!(!purpose(*block).is_empty(), "{}", block.path());
        }
        let mut names: Vec<String> = pages().into_iter().map(|page| page.name).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

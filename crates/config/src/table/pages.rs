//! The table as pages of the manual: one for each block, and what is built of it.

use super::{Area, Block, Keyword, Part, Shape, State, Tier, homes};
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

/// How many keywords are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    honoured: usize,
    no_effect: usize,
    /// Not built, and of a part that comes later as a whole.
    excepted: usize,
    not_built: usize,
}

/// What counts a keyword once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Honoured,
    NoEffect,
    Excepted(Part),
    NotBuilt,
}

/// A keyword in its block.
type Row = (Block, &'static Keyword);

/// The whole table.
fn rows() -> impl Iterator<Item = Row> {
    Block::ALL.iter().flat_map(|block| block.keywords().map(|keyword| (*block, keyword)))
}

fn kind((block, keyword): Row) -> Kind {
    match (keyword.state, block.part(keyword)) {
        (State::Honoured, _) => Kind::Honoured,
        (State::NoEffect(_), _) => Kind::NoEffect,
        (State::NotBuilt, Some(part)) => Kind::Excepted(part),
        (State::NotBuilt, None) => Kind::NotBuilt,
    }
}

impl Counts {
    fn of(rows: impl Iterator<Item = Row>) -> Self {
        let mut counts = Self::default();
        for row in rows {
            match kind(row) {
                Kind::Honoured => counts.honoured += 1,
                Kind::NoEffect => counts.no_effect += 1,
                Kind::Excepted(_) => counts.excepted += 1,
                Kind::NotBuilt => counts.not_built += 1,
            }
        }
        counts
    }

    const fn all(self) -> usize {
        self.honoured + self.no_effect + self.excepted + self.not_built
    }

    fn row(self, name: &str) -> String {
        let Self { honoured, no_effect, excepted, not_built } = self;
        format!("| {name} | {} | {honoured} | {no_effect} | {excepted} | {not_built} |\n", self.all())
    }
}

const COLUMNS: &str = "| keywords | honoured | no effect | excepted | not built |\n|---|---|---|---|---|";

fn coverage() -> String {
    let mut out = String::from(MADE);
    out.push_str(
        "# What is built\n\n*Honoured*: does what keepalived does, or what the manual says instead. *No effect*: read, and on purpose without consequence. *Not built*: known and checked; each use gives a warning. *Excepted*: not built either, because it belongs to a part that is no part of a virtual address and comes as a whole (",
    );
    let lacks = |part: &Part| rows().any(|row| kind(row) == Kind::Excepted(*part));
    let parts: Vec<_> = Part::ALL.into_iter().filter(lacks).map(Part::name).collect();
    out.push_str(&parts.join(", "));
    out.push_str("). Nothing is ignored in silence.\n\n");
    for tier in Tier::ALL {
        out.push_str(&format!("- Tier {}: {}\n", tier.number(), tier.words()));
    }
    out.push_str(&by_tier());
    out.push_str(&exceptions());
    out.push_str(&by_block());
    out
}

/// Area and tier: the counts, and by name what lacks.
fn by_tier() -> String {
    let mut out = format!("\n| area, tier {COLUMNS}---|\n");
    let mut lacks = String::new();
    for area in Area::ALL {
        for tier in Tier::ALL {
            let here = || rows().filter(|(block, k)| block.area(k) == area && block.tier(k) == tier);
            let counts = Counts::of(here());
            if counts.all() > 0 {
                out.push_str(&counts.row(&format!("{} {}", area.name(), tier.number())));
            }
            // Virtual servers lack as a whole: the list by block below names all of it.
            if counts.not_built > 0 && area != Area::Servers {
                let names = list_of_many(here().filter(|row| kind(*row) == Kind::NotBuilt));
                lacks.push_str(&format!("- {} {}: {names}\n", area.name(), tier.number()));
            }
        }
    }
    for tier in Tier::ALL {
        let counts = Counts::of(rows().filter(|(block, k)| block.tier(k) == tier));
        out.push_str(&counts.row(&format!("**all of tier {}**", tier.number())));
    }
    out.push_str(&Counts::of(rows()).row("**all**"));
    let core = rows().filter(|(block, keyword)| {
        matches!(block.area(keyword), Area::Global | Area::Vrrp | Area::Tracking)
            && matches!(block.tier(keyword), Tier::Ordinary | Tier::Occasional)
    });
    out.push_str(&Counts::of(core).row("**Global, VRRP and Tracking of tiers 1 and 2**"));
    out.push_str(&format!("\n## Not built, by area and tier\n\n{lacks}"));
    out
}

/// The keywords of parts that come as a whole, and those that have no effect, with the reason.
fn exceptions() -> String {
    let mut out = String::from("\n## Excepted\n\n");
    for part in Part::ALL {
        let of = || rows().filter(|row| kind(*row) == Kind::Excepted(part));
        let counts = Tier::ALL.map(|tier| of().filter(|(block, k)| block.tier(k) == tier).count());
        let tiers: Vec<String> = Tier::ALL
            .iter()
            .zip(counts)
            .filter(|(_, count)| *count > 0)
            .map(|(tier, count)| format!("{count} of tier {}", tier.number()))
            .collect();
        if !tiers.is_empty() {
            out.push_str(&format!("- {} ({}): {}\n", part.name(), tiers.join(", "), list(of())));
        }
    }
    out.push_str("\n## No effect, and why\n\n");
    for (block, keyword) in rows() {
        if let State::NoEffect(why) = keyword.state {
            let (area, tier) = (block.area(keyword).name(), block.tier(keyword).number());
            out.push_str(&format!("- `{}` ({area} {tier}): {why}\n", keyword.name));
        }
    }
    out
}

fn list(rows: impl Iterator<Item = Row>) -> String {
    let names: Vec<String> = rows.map(|(_, keyword)| format!("`{}`", keyword.name)).collect();
    names.join(", ")
}

/// As [`list`], over several blocks: with the block where the name alone would not do.
fn list_of_many(rows: impl Iterator<Item = Row>) -> String {
    let main = [Block::Root, Block::GlobalDefs, Block::VrrpInstance];
    let names: Vec<String> = rows
        .map(|(block, keyword)| {
            let place = if main.contains(&block) { String::new() } else { format!(" ({})", title(block)) };
            format!("`{}`{place}", keyword.name)
        })
        .collect();
    names.join(", ")
}

/// Block by block: the counts, and every keyword by name.
fn by_block() -> String {
    let of = |block: Block| rows().filter(move |(home, _)| *home == block);
    let mut out = format!("\n## By block\n\n| block {COLUMNS}---|\n");
    for block in Block::ALL {
        out.push_str(&Counts::of(of(*block)).row(&format!("[{}]({})", title(*block), file(*block))));
    }
    for block in Block::ALL {
        out.push_str(&format!("\n### {}\n\n", title(*block)));
        for wanted in ["honoured", "no effect", "not built"] {
            let names = list(of(*block).filter(|(_, keyword)| state(keyword.state) == wanted));
            if !names.is_empty() {
                out.push_str(&format!("- {wanted}: {names}\n"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_has_a_page_of_its_own() {
        for block in Block::ALL {
            assert!(!purpose(*block).is_empty(), "{}", block.path());
        }
        let mut names: Vec<String> = pages().into_iter().map(|page| page.name).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    /// Each number of the table against the names below it: two ways to count the same.
    #[test]
    fn the_numbers_are_those_of_the_names() {
        let text = coverage();
        let line = |begin: &str| text.lines().find(|line| line.starts_with(begin)).unwrap_or_default();
        let column = |name: &str, column: usize| -> usize {
            line(&format!("| {name} |")).split('|').nth(column + 2).unwrap().trim().parse().unwrap()
        };
        // Behind the colon; no name has a comma in it.
        let names = |begin: &str| match line(begin).split_once(": ") {
            Some((_, names)) => names.split(", ").count(),
            None => 0,
        };
        for area in Area::ALL.into_iter().filter(|area| *area != Area::Servers) {
            for tier in Tier::ALL {
                let name = format!("{} {}", area.name(), tier.number());
                if line(&format!("| {name} |")).is_empty() {
                    assert_eq!(names(&format!("- {name}: ")), 0, "{name}");
                    continue;
                }
                assert_eq!(column(&name, 4), names(&format!("- {name}: ")), "{name}");
                let parts: usize = (1..=4).map(|at| column(&name, at)).sum();
                assert_eq!(column(&name, 0), parts, "{name}");
            }
        }
        let excepted: usize = Part::ALL.iter().map(|part| names(&format!("- {} (", part.name()))).sum();
        assert_eq!(column("**all**", 3), excepted);
        let core = ["Global 1", "Global 2", "VRRP 1", "VRRP 2", "Tracking 1", "Tracking 2"];
        for at in 0..=4 {
            let sum: usize = core.iter().map(|name| column(name, at)).sum();
            assert_eq!(column("**Global, VRRP and Tracking of tiers 1 and 2**", at), sum);
        }
        let tiers: usize = (1..=4).map(|tier| column(&format!("**all of tier {tier}**"), 0)).sum();
        assert_eq!(column("**all**", 0), tiers);
    }
}

//! Where in the text each thing was written, for whoever looks at a configuration after it was lowered:
//! comparisons of two nodes, of two versions of a file, findings that need the whole host.

use crate::source::Span;
use crate::table::{Block, Keyword, Shape};
use crate::tree::{At, Tree};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// The places of everything in one configuration.
#[derive(Clone, Debug, Default)]
pub struct Places {
    blocks: BTreeMap<(&'static str, String), BlockPlaces>,
}

impl Places {
    /// A block outside all blocks: `("vrrp_instance", "VI_1")`, `("global_defs", "")`. Of two blocks with the
    /// same name it is the first: the other one does not count.
    #[must_use]
    pub fn block(&self, keyword: &str, name: &str) -> Option<&BlockPlaces> {
        // A borrowed pair cannot be looked up in a map of owned ones without an allocation; this is no hot path.
        let keyword = Block::Root.keyword(keyword.as_bytes())?;
        self.blocks.get(&(keyword.name, String::from(name)))
    }

    /// The instance of that name.
    #[must_use]
    pub fn instance(&self, name: &str) -> Option<&BlockPlaces> {
        self.block("vrrp_instance", name)
    }

    pub(crate) fn of(tree: &Tree<'_>) -> Self {
        let mut blocks = BTreeMap::new();
        for at in tree.roots() {
            let Some(keyword) = at.node.keyword else { continue };
            let name = at.arguments().first().map(|word| String::from_utf8_lossy(&word.text).into_owned());
            blocks.entry((keyword.name, name.unwrap_or_default())).or_insert_with(|| BlockPlaces::of(at));
        }
        Self { blocks }
    }
}

/// The places of one block.
#[derive(Clone, Debug)]
pub struct BlockPlaces {
    /// The line that opens it.
    pub header: Span,
    /// Each line with a keyword, those of inner blocks too, in the order of the text.
    lines: Vec<(&'static str, Span)>,
    /// Each line of a list, sorted by [`Entry::key`]; the order of the text among equal ones.
    entries: Vec<Entry>,
}

/// A line of a list.
#[derive(Clone, Debug)]
struct Entry {
    /// The list's keyword.
    list: &'static str,
    /// The line's first word.
    word: String,
    span: Span,
}

impl Entry {
    fn key(&self) -> (&str, &str) {
        (self.list, bare(&self.word))
    }
}

/// An address without its prefix length.
fn bare(word: &str) -> &str {
    word.split('/').next().unwrap_or(word)
}

impl BlockPlaces {
    /// The last line with this keyword, if there is one.
    #[must_use]
    pub fn find(&self, keyword: &str) -> Option<Span> {
        self.lines.iter().rev().find(|(name, _)| *name == keyword).map(|(_, span)| *span)
    }

    /// The last line with this keyword; without one, the line that opens the block.
    #[must_use]
    pub fn line(&self, keyword: &str) -> Span {
        self.find(keyword).unwrap_or(self.header)
    }

    /// The entry of a list (`virtual_ipaddress`, `unicast_peer`, `track_script` …) that begins with `word`, a
    /// prefix length not counted; without one, the list; without a list, the line that opens the block.
    #[must_use]
    pub fn entry(&self, list: &str, word: &str) -> Span {
        // Lists may have many thousand lines, and each of them may be looked for.
        let key = (list, bare(word));
        let from = self.entries.partition_point(|entry| entry.key() < key);
        let mut alike = self.entries.iter().skip(from).take_while(|entry| entry.key() == key);
        let found = alike.find(|entry| entry.word == word || bare(&entry.word) == word);
        found.map_or_else(|| self.line(list), |entry| entry.span)
    }

    fn of(block: At<'_, '_>) -> Self {
        let mut places = Self { header: block.node.span.plain(), lines: Vec::new(), entries: Vec::new() };
        places.add(block);
        places.entries.sort_by(|a, b| a.key().cmp(&b.key()));
        places
    }

    fn add(&mut self, block: At<'_, '_>) {
        let mut blocks = Vec::from([block]);
        while let Some(block) = blocks.pop() {
            for at in block.children() {
                match at.node.keyword {
                    Some(keyword) => {
                        self.lines.push((keyword.name, at.node.span.plain()));
                        if keyword.shape.opens() {
                            blocks.push(at);
                        }
                    }
                    None => self.entry_line(block.node.keyword, at),
                }
            }
        }
    }

    fn entry_line(&mut self, list: Option<&'static Keyword>, at: At<'_, '_>) {
        let (Some(list), Some(first)) = (list, at.words().first()) else { return };
        if matches!(list.shape, Shape::Lines(_)) {
            let word = String::from_utf8_lossy(&first.text).into_owned();
            self.entries.push(Entry { list: list.name, word, span: at.node.span.plain() });
        }
    }
}

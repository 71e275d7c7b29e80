//! From lines and braces to a tree of blocks, with recovery from every kind of misplaced brace.
//!
//! The tree is one array in the order of the text; a node knows where its contents end. Nothing here is
//! recursive, so no depth of nesting can exhaust the stack.

use crate::Surroundings;
use crate::diagnostic::Findings;
use crate::reader::{Event, Stream};
use crate::registry::Id;
use crate::secret::names_secret;
use crate::shell::ScriptLine;
use crate::source::Span;
use crate::suggest::nearest;
use crate::table::{Block, Keyword, Lines, Shape, Successor, Value, former, homes, meant};
use crate::text::Word;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// The line that must not be overlooked.
const NAMESPACE: &[u8] = b"net_namespace";

/// What begins a comment in other languages.
const COMMENT_SIGN: &[u8] = b"//";

/// What version control writes around two versions of the same lines.
const MERGE_MARKS: [&[u8]; 4] = [b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>"];

/// A line, with its block if it has one.
#[derive(Debug)]
pub(crate) struct Node {
    /// The keyword of the line; `None` for a line of a list block.
    pub(crate) keyword: Option<&'static Keyword>,
    words: Range<u32>,
    /// The words of the line.
    pub(crate) span: Span,
    /// Whether a block was opened.
    pub(crate) opened: bool,
    /// One past the last node of its contents.
    end: u32,
}

/// Everything that was understood.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    nodes: Vec<Node>,
    words: Vec<Word<'a>>,
    scripts: BTreeMap<u32, ScriptLine<'a>>,
}

/// One node of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'t, 'a> {
    tree: &'t Tree<'a>,
    index: usize,
    pub(crate) node: &'t Node,
}

impl<'a> Tree<'a> {
    /// The nodes outside every block.
    pub(crate) fn roots(&self) -> Children<'_, 'a> {
        Children { tree: self, next: 0, end: self.nodes.len() }
    }
}

impl<'t, 'a> At<'t, 'a> {
    /// The words of the line; the first is the keyword, where there is one.
    pub(crate) fn words(self) -> &'t [Word<'a>] {
        self.tree.words.get(self.node.words.start as usize..self.node.words.end as usize).unwrap_or(&[])
    }

    /// The words after the keyword.
    pub(crate) fn arguments(self) -> &'t [Word<'a>] {
        self.words().get(1..).unwrap_or(&[])
    }

    /// The words behind the keyword of a command (`script`, `notify_master` …) or of a regular expression, as
    /// [`crate::shell`] reads them; the first one of a command is split once more in `command`. `None` for any
    /// other line, and for one whose quotes do not match, which was reported.
    pub(crate) fn script(self) -> Option<&'t ScriptLine<'a>> {
        self.tree.scripts.get(&self.node.words.start)
    }

    /// The lines of its block.
    pub(crate) fn children(self) -> Children<'t, 'a> {
        Children { tree: self.tree, next: self.index + 1, end: self.node.end as usize }
    }
}

pub(crate) struct Children<'t, 'a> {
    tree: &'t Tree<'a>,
    next: usize,
    end: usize,
}

impl<'t, 'a> Iterator for Children<'t, 'a> {
    type Item = At<'t, 'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next;
        let node = self.tree.nodes.get(index).filter(|_| index < self.end)?;
        self.next = (node.end as usize).max(index + 1);
        Some(At { tree: self.tree, index, node })
    }
}

/// What the contents of an open block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    /// Keywords of this block.
    Keywords(Block),
    /// The lines of a list.
    Lines,
    /// Nothing that counts: the block is unknown and was reported.
    Skipped,
}

#[derive(Debug)]
struct Open {
    inside: Inside,
    /// The node whose contents these are; `None` for a brace that belongs to nothing.
    node: Option<usize>,
    /// What opened it, for messages.
    header: Span,
    name: &'static str,
    /// Further braces within that have no meaning of their own. A count, so that no input can make the
    /// stack deeper than the language is.
    depth: usize,
}

struct Builder<'a, 'f> {
    nodes: Vec<Node>,
    stream: Stream<'a>,
    findings: &'f mut Findings,
    /// What happens to an unknown block.
    block_fate: &'static str,
    stack: Vec<Open>,
    /// `{` without a `}` in the rest of the text, and the reverse: what recovery may assume.
    missing_close: usize,
    extra_close: usize,
    /// The next event.
    next: usize,
    /// The names of all keywords: most lines of a file of garbage begin with none of them.
    names: BTreeSet<&'static [u8]>,
}

/// Builds the tree, reports everything about its shape and every word that is not known.
pub(crate) fn build<'a>(
    mut stream: Stream<'a>,
    surroundings: &Surroundings,
    findings: &mut Findings,
) -> Tree<'a> {
    let block_fate = match surroundings.keepalived {
        Some(_) => "keepalived reads its lines as part of what is around it, whose end is then its `}`",
        None => "the whole block is skipped",
    };
    let (missing_close, extra_close) = balance(&stream);
    let events = core::mem::take(&mut stream.events);
    let mut builder = Builder {
        nodes: Vec::new(),
        stream,
        findings,
        block_fate,
        stack: Vec::new(),
        missing_close,
        extra_close,
        next: 0,
        names: Block::ALL.iter().flat_map(|b| b.keywords()).map(|k| k.name.as_bytes()).collect(),
    };
    while let Some((event, span)) = events.get(builder.next) {
        builder.next += 1;
        let following = events.get(builder.next);
        let opens = following.filter(|(e, _)| matches!(e, Event::Open)).map(|(_, span)| *span);
        match event {
            Event::Line(words) => builder.line(words.clone(), *span, opens),
            Event::Open => builder.stray_open(*span),
            Event::Close => builder.close(*span),
        }
    }
    builder.end();
    Tree { nodes: builder.nodes, words: builder.stream.words, scripts: builder.stream.scripts }
}

/// In quotes it is meant as a word.
fn looks_like_comment(word: &Word<'_>) -> bool {
    let quoted = word.span.end.saturating_sub(word.span.start) as usize != word.text.len();
    word.text.starts_with(COMMENT_SIGN) && !quoted
}

/// From which word on a line has nothing that its keyword reads; `None` if any number of words may count.
const fn spare(keyword: &Keyword) -> Option<u32> {
    match (keyword.shape, keyword.value) {
        (Shape::Flag, _) => Some(1),
        (Shape::Words | Shape::Block(_) | Shape::Lines(_), _)
        | (_, Value::Words | Value::Account | Value::Script | Value::Command | Value::Fifo) => None,
        (Shape::Value | Shape::Optional, _) => Some(2),
    }
}

/// How many `{` are never closed, and how many `}` close nothing.
fn balance(stream: &Stream<'_>) -> (usize, usize) {
    stream.events.iter().fold((0, 0), |(open, extra), (event, _)| match event {
        Event::Open => (open + 1, extra),
        Event::Close if open == 0 => (0, extra + 1),
        Event::Close => (open - 1, extra),
        Event::Line(_) => (open, extra),
    })
}

impl<'a> Builder<'a, '_> {
    fn inside(&self) -> Inside {
        self.stack.last().map_or(Inside::Keywords(Block::Root), |open| open.inside)
    }

    fn line(&mut self, words: Range<u32>, span: Span, opens: Option<Span>) {
        let Some(first) = self.stream.words.get(words.start as usize) else { return };
        let first = first.clone();
        self.close_forgotten(&first, opens.is_some());
        match self.inside() {
            Inside::Skipped => {
                if *first.text == *NAMESPACE {
                    self.namespace_unclear(first.span, Block::AnyLine, None);
                }
                if opens.is_some() {
                    self.next += 1;
                    self.open(Inside::Skipped, None, span, "");
                }
            }
            Inside::Lines => self.entry(&first, words, span, opens),
            Inside::Keywords(block) => match block.keyword(&first.text) {
                Some(keyword) => {
                    let (words, span) = match spare(keyword) {
                        Some(spare) => self.without_comment(words, span, spare),
                        None => (words, span),
                    };
                    if spare(keyword).is_some() && !matches!(keyword.value, Value::Secret) {
                        self.semicolon(&words);
                    }
                    self.known(keyword, words, span, opens);
                }
                None => self.unknown(block, &first, span, opens),
            },
        }
    }

    /// A line of a list.
    fn entry(&mut self, first: &Word<'a>, words: Range<u32>, span: Span, opens: Option<Span>) {
        let list = self.stack.last().and_then(|open| self.nodes.get(open.node?)).and_then(|n| n.keyword);
        let kind = list.and_then(|keyword| match keyword.shape {
            Shape::Lines(kind) => Some(kind),
            Shape::Block(_) | Shape::Flag | Shape::Value | Shape::Optional | Shape::Words => None,
        });
        if kind == Some(Lines::ServerGroup) && Block::VirtualServer.keyword(&first.text).is_some() {
            return self.service_in_group(first.span, span, opens);
        }
        let (words, span) = match kind {
            Some(Lines::Names) | None => (words, span),
            Some(_) => self.without_comment(words, span, 0),
        };
        if !words.is_empty() {
            if matches!(kind, Some(kind) if kind != Lines::Names) {
                self.semicolon(&words);
            }
            self.node(None, words, span);
        }
    }

    /// Reports `;` at the end of a line, which other languages want there.
    fn semicolon(&mut self, words: &Range<u32>) {
        let words = self.stream.words.get(words.start as usize..words.end as usize).unwrap_or(&[]);
        // The place of a word in quotes is longer than its text.
        let bare = |word: &&Word<'_>| (word.span.end - word.span.start) as usize == word.text.len();
        let Some(last) = words.last().filter(|last| last.text.ends_with(b";")).filter(bare) else {
            return;
        };
        let sign = Span { start: last.span.end.saturating_sub(1).max(last.span.start), ..last.span };
        self.findings.add_once((Id::Semicolon, "", String::new()), sign, |d| {
            d.say("no `;` ends a line here: keepalived takes it for part of the word").help("remove it")
        });
    }

    /// `virtual_server_group` with the contents of a `virtual_server`, which is one mistake.
    fn service_in_group(&mut self, first: Span, line: Span, opens: Option<Span>) {
        if opens.is_some() {
            self.next += 1;
            self.open(Inside::Skipped, None, line, "");
        }
        self.findings.add_once((Id::MisplacedKeyword, "virtual_server_group", String::new()), first, |d| {
            d.say("this belongs in `virtual_server`, not in `virtual_server_group`: it is dropped")
                .help("a group lists addresses only; the rest stands in `virtual_server group NAME { … }`")
        });
    }

    /// Reports `// …` from the word `spare` of a line on, and takes it away: keepalived ignores these words.
    fn without_comment(&mut self, words: Range<u32>, span: Span, spare: u32) -> (Range<u32>, Span) {
        let from = words.start + spare;
        let rest = self.stream.words.get(from as usize..words.end as usize).unwrap_or(&[]);
        let Some(at) = rest.iter().position(looks_like_comment) else {
            return (words, span);
        };
        let end = from + u32::try_from(at).unwrap_or(u32::MAX);
        let sign = rest.get(at).map_or(span, |word| word.span);
        self.comment_sign(sign);
        let last = end.checked_sub(1).filter(|last| *last >= words.start);
        let kept = last.and_then(|last| self.stream.words.get(last as usize)).map_or(span, |w| w.span);
        (words.start..end, Span { end: kept.end, ..span })
    }

    fn comment_sign(&mut self, span: Span) {
        self.findings.add_once((Id::CommentSign, "", String::new()), span, |d| {
            d.say("`//` begins no comment: what follows is read as words, and ignored")
                .help("write `#` instead")
        });
    }

    fn known(&mut self, keyword: &'static Keyword, words: Range<u32>, span: Span, opens: Option<Span>) {
        let node = self.node(Some(keyword), words.clone(), span);
        let inside = match keyword.shape {
            Shape::Block(block) => Inside::Keywords(block),
            Shape::Lines(_) => Inside::Lines,
            Shape::Flag | Shape::Value | Shape::Optional | Shape::Words => return,
        };
        if opens.is_some() {
            self.next += 1;
        } else {
            let listed = matches!(keyword.shape, Shape::Lines(_)).then(|| self.after(&words)).flatten();
            self.findings.add(Id::MissingOpenBrace, span.after(), |d| {
                let d = d.say(format!("`{}` needs a block: a `{{` is missing here", keyword.name));
                match listed {
                    // `virtual_ipaddress 10.0.0.3`: the entry is there, the braces are not.
                    Some((place, text)) => d
                        .help(format!("write `{} {{ {text} }}`", keyword.name))
                        .suggest(place, format!("{{ {text} }}")),
                    None => d.suggest(span.after(), " {"),
                }
            });
            // Only when a `}` would otherwise be too many can the lines below be meant as the contents.
            if self.extra_close == 0 {
                return;
            }
            self.extra_close -= 1;
        }
        if let Some(node) = self.nodes.get_mut(node) {
            node.opened = true;
        }
        self.open(inside, Some(node), span, keyword.name);
    }

    /// The words behind the first one, if there are any.
    fn after(&self, words: &Range<u32>) -> Option<(Span, String)> {
        let rest = self.stream.words.get(words.start as usize + 1..words.end as usize)?;
        let place = rest.first()?.span.to(rest.last()?.span);
        let text: Vec<String> = rest.iter().map(Word::shown).collect();
        Some((place, text.join(" ")))
    }

    fn unknown(&mut self, block: Block, first: &Word<'a>, span: Span, opens: Option<Span>) {
        if opens.is_some() {
            self.next += 1;
            self.open(Inside::Skipped, None, span, "");
        }
        if looks_like_comment(first) {
            return self.comment_sign(first.span);
        }
        if MERGE_MARKS.contains(&&*first.text) {
            return self.findings.add_once((Id::MergeMarks, "", String::new()), first.span, |d| {
                d.say("a merge left its marks here: the lines of both sides are read")
                    .help("decide for one side, and remove the marks")
            });
        }
        let is_block = opens.is_some();
        let text = core::str::from_utf8(&first.text).unwrap_or_default();
        if let Some(old) = former(block, &first.text) {
            return self.obsolete(old.name, old.successor, first.span);
        }
        let elsewhere: Vec<Block> = if self.names.contains(&*first.text) {
            let blocks = homes(&first.text).map(|(home, _)| home);
            blocks.filter(|home| home.is_block() && *home != block).collect()
        } else {
            Vec::new()
        };
        if *first.text == *NAMESPACE {
            return self.namespace_unclear(first.span, block, None);
        }
        if !elsewhere.is_empty() {
            return self.misplaced(block, text, first.span, &elsewhere, is_block);
        }
        let id = if is_block { Id::UnknownBlock } else { Id::UnknownKeyword };
        // The search for a suggestion is dear; a file of garbage must not pay it for every line.
        let key = (id, block.path(), String::from(text));
        if self.findings.again(&key, first.span) || !self.findings.wants(id, first.span) {
            return;
        }
        let names = block.keywords().map(|k| k.name);
        // `priority=100` and `state: MASTER`: the keyword is there, glued to something.
        let stem = text.split(['=', ':', '<', '{', ';', ',']).next().unwrap_or(text);
        let glued = stem.len() < text.len() && block.keyword(stem.as_bytes()).is_some();
        let near = if glued { Some(stem) } else { nearest(stem, names).or_else(|| meant(stem)) };
        if near.is_some_and(|near| near.as_bytes() == NAMESPACE) {
            return self.namespace_unclear(first.span, block, Some("net_namespace"));
        }
        // In a block with a password any unknown word may be the password.
        let hide = matches!(block, Block::Authentication | Block::AuthHmac | Block::Ssl);
        let shown = if (hide || names_secret(&first.text)) && (near.is_none() || glued) {
            String::from("this word")
        } else {
            format!("`{}`", first.shown())
        };
        let block_fate = self.block_fate;
        self.findings.add_once(key, first.span, |d| {
            let fate = if is_block { block_fate } else { "the line is ignored" };
            let d = d.say(format!("{shown} is not known {}: {fate}", place(block)));
            match near {
                Some(_) if glued => d.help(format!("a blank stands between `{stem}` and its value")),
                Some(near) => {
                    let d = d.help(format!("did you mean `{near}`?"));
                    if text.len() == stem.len() { d.suggest(first.span, near) } else { d }
                }
                None if block == Block::VrrpSyncGroup && !is_block => {
                    d.help("the names of instances stand in a block of their own: `group { … }`")
                }
                None if block == Block::Root && looks_like_prose(text) => d.help("begin a comment with `#`"),
                None => d,
            }
        });
    }

    /// Whoever wrote it wanted another network namespace than this one: passing the line over would let the daemon
    /// speak where it must not.
    fn namespace_unclear(&mut self, span: Span, block: Block, meant: Option<&'static str>) {
        self.findings.add(Id::NamespaceUnclear, span, |d| match meant {
            Some(meant) => d
                .say("this line does not choose a network namespace, and the daemon would speak in another one")
                .help(format!("did you mean `{meant}`?"))
                .suggest(span, meant),
            None if block == Block::AnyLine => d
                .say("`net_namespace` stands in a block that is not known: it would choose no namespace")
                .help("write it outside of all blocks"),
            None => d
                .say(format!("`net_namespace` does not stand {}: it would choose no namespace", place(block)))
                .help("write it outside of all blocks"),
        });
    }

    /// A word that keepalived no longer knows.
    fn obsolete(&mut self, name: &'static str, successor: Successor, span: Span) {
        let text = format!("`{name}` went out of use long ago: the line is ignored");
        let key = (Id::ObsoleteKeyword, name, String::new());
        match successor {
            // Each place has its own fix.
            Successor::Word(today) => self.findings.add(Id::ObsoleteKeyword, span, |d| {
                d.say(text).help(format!("write `{today}`")).suggest(span, today)
            }),
            Successor::Advice(advice) => self.findings.add_once(key, span, |d| d.say(text).help(advice)),
        }
    }

    fn misplaced(&mut self, block: Block, text: &str, span: Span, elsewhere: &[Block], is_block: bool) {
        let mut names: Vec<String> = elsewhere.iter().map(|b| place(*b)).collect();
        names.dedup();
        let more = names.len().saturating_sub(2);
        names.truncate(2);
        let names = if more > 0 {
            format!("{} or {more} other blocks", names.join(", "))
        } else {
            names.join(" or ")
        };
        let block_fate = self.block_fate;
        let around = self.stack.last().filter(|o| !o.name.is_empty()).map(|o| (o.header, o.name));
        let extra = self.extra_close > 0 && block == Block::Root;
        // `interfaces eth0`: a word of another block, and one letter too many of a word of this one.
        let slip = nearest(text, block.keywords().map(|k| k.name)).filter(|near| {
            let (long, short) = if near.len() > text.len() { (*near, text) } else { (text, *near) };
            short.len() + 1 == long.len() && long.starts_with(short)
        });
        let key = (Id::MisplacedKeyword, block.path(), String::from(text));
        self.findings.add_once(key, span, |d| {
            let fate = if is_block { block_fate } else { "the line is ignored" };
            let mut d = d.say(format!("`{text}` belongs {names}, not {}: {fate}", place(block)));
            if let Some((header, name)) = around {
                d = d.label(header, format!("`{name}` begins here"));
            }
            match slip {
                _ if extra => d.help("is there a `}` too many above?"),
                Some(near) => d.help(format!("did you mean `{near}`?")).suggest(span, near),
                None => d,
            }
        });
    }

    /// A `}` was forgotten when a line makes no sense here, but does in a block around, and the braces do
    /// not match anyway.
    fn close_forgotten(&mut self, first: &Word<'a>, opens: bool) {
        if self.missing_close == 0 || self.stack.is_empty() {
            return;
        }
        let sense = |inside: Inside| match inside {
            Inside::Keywords(block) => block.keyword(&first.text).is_some_and(|k| opens || !k.shape.opens()),
            Inside::Lines | Inside::Skipped => false,
        };
        if sense(self.inside()) {
            return;
        }
        let outer = self.stack.iter().rposition(|open| sense(open.inside)).map(|index| index + 1);
        let keep = match outer {
            Some(keep) => keep,
            None if opens && sense(Inside::Keywords(Block::Root)) => 0,
            None => return,
        };
        // In a list or an unknown block any word may stand; only a block of the file's level is convincing.
        let certain = opens || !matches!(self.inside(), Inside::Skipped);
        let levels: usize = self.stack.iter().skip(keep).map(|open| open.depth + 1).sum();
        if !certain || levels > self.missing_close {
            return;
        }
        self.missing_close -= levels;
        while self.stack.len() > keep {
            let Some(open) = self.stack.pop() else { break };
            let name = first.shown();
            self.report_unclosed(&open, Some((first.span, name)));
            self.finish(&open);
        }
    }

    /// A `{` that follows no keyword which wants one.
    fn stray_open(&mut self, span: Span) {
        if self.inside() == Inside::Skipped {
            return self.open(Inside::Skipped, None, span, "");
        }
        let before = self.nodes.last().and_then(|n| n.keyword).filter(|k| !k.shape.opens());
        self.findings.add(Id::UnexpectedOpenBrace, span, |d| {
            let d = d.say("no block begins here: the `{` is ignored");
            match before {
                Some(keyword) => d.help(format!("`{}` has no block", keyword.name)),
                None => d,
            }
        });
        // With too few `}` this one has none of its own; else its contents belong to the block around.
        if self.missing_close > 0 {
            self.missing_close -= 1;
        } else {
            let inside = self.inside();
            self.open(inside, None, span, "");
        }
    }

    fn close(&mut self, span: Span) {
        if let Some(open) = self.stack.last_mut().filter(|open| open.depth > 0) {
            open.depth -= 1;
            return;
        }
        match self.stack.pop() {
            Some(open) => self.finish(&open),
            None => self.findings.add(Id::ExtraCloseBrace, span, |d| {
                d.say("no block is open here: the `}` is ignored")
                    .help("was a block closed too early, or twice?")
                    .suggest(span, "")
            }),
        }
    }

    fn end(&mut self) {
        while let Some(open) = self.stack.pop() {
            self.report_unclosed(&open, None);
            self.finish(&open);
        }
    }

    fn report_unclosed(&mut self, open: &Open, before: Option<(Span, String)>) {
        let name = if open.name.is_empty() { "this block" } else { open.name };
        self.findings.add(Id::MissingCloseBrace, open.header, |d| match before {
            Some((span, word)) => d
                .say(format!("nothing closes `{name}`; it is taken to end before `{word}`"))
                .label(span, format!("`{word}` cannot stand in `{name}`: write a `}}` above"))
                .suggest(span.before(), "}\n"),
            None => d.say(format!("nothing closes `{name}`: a `}}` is missing")),
        });
    }

    fn open(&mut self, inside: Inside, node: Option<usize>, header: Span, name: &'static str) {
        if node.is_none()
            && let Some(top) = self.stack.last_mut()
            && top.inside == inside
        {
            top.depth += 1;
            return;
        }
        self.stack.push(Open { inside, node, header, name, depth: 0 });
    }

    fn finish(&mut self, open: &Open) {
        let end = index(self.nodes.len());
        if let Some(node) = open.node.and_then(|node| self.nodes.get_mut(node)) {
            node.end = end;
        }
    }

    fn node(&mut self, keyword: Option<&'static Keyword>, words: Range<u32>, span: Span) -> usize {
        let at = self.nodes.len();
        self.nodes.push(Node { keyword, words, span, opened: false, end: index(at + 1) });
        at
    }
}

fn looks_like_prose(word: &str) -> bool {
    !word.contains('_') && word.starts_with(|c: char| !c.is_ascii_lowercase())
}

/// A block for a message, with its preposition.
fn place(block: Block) -> String {
    if block == Block::Root { String::from("outside the blocks") } else { format!("in `{}`", block.name()) }
}

/// Nodes are fewer than events, which are limited.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

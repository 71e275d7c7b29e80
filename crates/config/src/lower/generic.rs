//! The check of every line that nothing reads yet: its value must be what the table says.
//!
//! It comes last and keeps quiet about a line that was found wrong already.

use super::Lower;
use super::value::{fixed, leading, parse_address, trimmed};
use crate::registry::Id;
use crate::source::{FileId, Span};
use crate::suggest::nearest;
use crate::table::{Block, Former, Keyword, Lines, Number, Shape, State, Successor, Value, former};
use crate::text::Word;
use crate::tree::{At, Tree};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

/// Lines of which something was said before.
pub(super) struct Complaints(Vec<(FileId, u32)>);

impl Complaints {
    fn about(&self, span: Span) -> bool {
        let at = self.0.partition_point(|(file, start)| (*file, *start) < (span.file, span.start));
        self.0.get(at).is_some_and(|(file, start)| *file == span.file && *start <= span.end)
    }
}

impl Lower<'_> {
    /// Checks what is not honoured, in all blocks.
    pub(super) fn unread(&mut self, tree: &Tree<'_>) {
        let complaints = Complaints(self.findings.complaints());
        for at in tree.roots() {
            self.unread_node(at, Block::Root, &complaints);
        }
    }

    fn unread_node(&mut self, at: At<'_, '_>, block: Block, complaints: &Complaints) {
        let Some(keyword) = at.node.keyword else { return };
        if let (Some(old), Some(word)) = (former(block, keyword.name.as_bytes()), at.words().first()) {
            self.deprecated(old, word.span);
        }
        let quiet = keyword.state == State::Honoured || complaints.about(at.node.span);
        match keyword.shape {
            // Blocks are no deeper than the table is.
            Shape::Block(inner) => {
                if !quiet {
                    self.header(at, keyword);
                }
                for child in at.children() {
                    self.unread_node(child, inner, complaints);
                }
                if at.node.opened {
                    self.lacks_a_line(at, inner);
                }
            }
            Shape::Lines(kind) if keyword.state != State::Honoured => {
                if kind == Lines::ServerGroup && !quiet {
                    self.needs_name(at);
                }
                self.unread_lines(at, kind, complaints);
            }
            Shape::Lines(_) => {}
            Shape::Flag | Shape::Value | Shape::Optional | Shape::Words if !quiet => {
                self.unread_value(at, keyword, block);
            }
            Shape::Flag | Shape::Value | Shape::Optional | Shape::Words => {}
        }
    }

    /// A word that keepalived takes, though another one is written today.
    pub(super) fn deprecated(&mut self, old: &Former, span: Span) {
        let text = format!("`{}` is an old word", old.name);
        let key = (Id::DeprecatedKeyword, old.name, String::new());
        match old.successor {
            // Each place has its own fix.
            Successor::Word(today) => self.findings.add(Id::DeprecatedKeyword, span, |d| {
                d.say(text).help(format!("today `{today}` is written")).fix(span, today)
            }),
            Successor::Advice(advice) => self.findings.add_once(key, span, |d| d.say(text).help(advice)),
        }
    }

    /// A block of LVS that does nothing without a certain line.
    fn lacks_a_line(&mut self, at: At<'_, '_>, block: Block) {
        let Some((_, keyword, fate)) = NEEDED.iter().find(|(of, ..)| *of == block) else { return };
        // A line that is there, but wrong, was reported.
        if at.children().any(|line| line.node.keyword.is_some_and(|k| k.name == *keyword)) {
            return;
        }
        self.findings.add(Id::IncompleteBlock, at.node.span, |d| {
            d.say(format!("`{}` has no `{keyword}`: {fate}", block.name()))
                .help(format!("write `{keyword}` in it, or remove the block"))
        });
    }

    fn unread_lines(&mut self, block: At<'_, '_>, kind: Lines, complaints: &Complaints) {
        for at in block.children().filter(|at| !complaints.about(at.node.span)) {
            match kind {
                Lines::Routes => self.route(at),
                Lines::Rules => self.rule(at),
                Lines::ServerGroup => self.group_entry(at),
                Lines::Addresses | Lines::Trackers | Lines::Peers | Lines::Names => {}
            }
        }
    }

    /// What stands between the keyword of a block and its brace.
    fn header(&mut self, at: At<'_, '_>, keyword: &Keyword) {
        match keyword.name {
            "virtual_server" => {
                let Some(first) = self.needs_name(at) else { return };
                match &*first.text {
                    b"group" => {
                        if at.arguments().len() < 2 {
                            self.missing_value(at);
                        }
                    }
                    b"fwmark" => match at.arguments().get(1) {
                        Some(mark) => {
                            self.number_of("fwmark", mark, MARK, "the service is skipped");
                            self.extra(at, 2);
                        }
                        None => self.missing_value(at),
                    },
                    _ => self.endpoint(at, "the service is skipped"),
                }
                self.service(at);
            }
            "real_server" if self.needs_name(at).is_some() => self.endpoint(at, "the server is skipped"),
            _ => {}
        }
    }

    fn needs_name<'t, 'a>(&mut self, at: At<'t, 'a>) -> Option<&'t Word<'a>> {
        let first = at.arguments().first();
        if first.is_none() {
            self.missing_value(at);
        }
        first
    }

    /// The port of a service or a server; 0 is as good as none, which is every port.
    fn port(&mut self, word: &Word<'_>, otherwise: &str) {
        if !word.text.iter().all(|b| *b == b'0') {
            self.number_of("the port", word, PORT, otherwise);
        }
    }

    /// What depends on how a service is named: by a mark or by an address.
    fn service(&mut self, at: At<'_, '_>) {
        let Some(first) = at.arguments().first() else { return };
        let address = parse_address(&first.text);
        let lines =
            || at.children().filter_map(|line| Some((line, line.node.keyword?.name, line.arguments())));
        if *first.text == *b"fwmark" {
            for (line, name, arguments) in lines() {
                match (name, arguments) {
                    ("protocol", [_, ..]) => {
                        self.with_mark(line.node.span, first.span, "`protocol`");
                    }
                    ("real_server", [_, port, ..]) if port.text.iter().any(|b| *b != b'0') => {
                        self.with_mark(port.span, first.span, "the port of a server");
                    }
                    _ => {}
                }
            }
        }
        for (_, name, arguments) in lines() {
            let ("persistence_granularity", [word, ..], Some(address)) = (name, arguments, address) else {
                continue;
            };
            let text = core::str::from_utf8(&word.text).unwrap_or_default();
            let (right, wanted) = match address {
                // A lone number is an address too, though not the one that is meant.
                IpAddr::V4(_) => {
                    (text.parse::<Ipv4Addr>().is_ok() || text.parse::<u32>().is_ok(), "an IPv4 mask")
                }
                IpAddr::V6(_) => {
                    (text.parse().is_ok_and(|n: u8| (1..=128).contains(&n)), "a prefix length from 1 to 128")
                }
            };
            if !right {
                self.findings.add(Id::BadPrefix, word.span, |d| {
                    d.say(format!("`{}` is not {wanted}: the line is ignored", word.shown()))
                });
            }
        }
    }

    fn with_mark(&mut self, span: Span, mark: Span, what: &str) {
        self.findings.add(Id::FwmarkIgnored, span, |d| {
            d.say(format!("a service by fwmark takes no notice of {what}"))
                .label(mark, "packets are told by their mark alone")
                .help("let the firewall rule that sets the mark choose them")
        });
    }

    /// `IP [PORT]`.
    fn endpoint(&mut self, at: At<'_, '_>, otherwise: &str) {
        let [address, rest @ ..] = at.arguments() else { return };
        if parse_address(&address.text).is_none() {
            return self.no_address(address, otherwise);
        }
        if let Some(port) = rest.first() {
            self.port(port, otherwise);
        }
        self.extra(at, 2);
    }

    fn no_address(&mut self, word: &Word<'_>, otherwise: &str) {
        self.findings.add(Id::BadAddress, word.span, |d| {
            let d = d.say(format!("`{}` is not an IP address: {otherwise}", word.shown()));
            // `10.0.0.3:80`
            match split_port(&word.text) {
                Some((address, port)) => d
                    .help("a blank stands between address and port")
                    .fix(word.span, format!("{address} {port}")),
                None => d,
            }
        });
    }

    /// `IP[-N|-IP|/MASK] [PORT] | fwmark N [inet|inet6]` of a `virtual_server_group`.
    fn group_entry(&mut self, at: At<'_, '_>) {
        const OTHERWISE: &str = "the line is dropped";
        let [first, rest @ ..] = at.words() else { return };
        if *first.text == *b"fwmark" {
            match rest.first() {
                Some(mark) => self.number_of("fwmark", mark, MARK, OTHERWISE),
                None => self.entry(first.span, "`fwmark` needs a number: the line is dropped"),
            }
            return;
        }
        let text = &*first.text;
        let end = text.iter().position(|b| matches!(b, b'-' | b'/')).unwrap_or(text.len());
        if text.get(..end).and_then(parse_address).is_none() {
            return self.no_address(first, OTHERWISE);
        }
        if let Some(port) = rest.first() {
            self.port(port, OTHERWISE);
        }
    }

    pub(super) fn entry(&mut self, span: Span, message: impl Into<String>) {
        let message = message.into();
        self.findings.add(Id::EntryOption, span, |d| d.say(message));
    }

    /// The value of a keyword, as its type in the table wants it.
    fn unread_value(&mut self, at: At<'_, '_>, keyword: &'static Keyword, block: Block) {
        let [first, rest @ ..] = at.arguments() else {
            if matches!(keyword.shape, Shape::Value | Shape::Words) {
                self.missing_value(at);
            }
            return;
        };
        match keyword.shape {
            Shape::Flag if !keyword.remark.starts_with("any word") => self.extra(at, 0),
            Shape::Value | Shape::Optional if single(keyword.value) => self.extra(at, 1),
            Shape::Flag
            | Shape::Value
            | Shape::Optional
            | Shape::Words
            | Shape::Block(_)
            | Shape::Lines(_) => {}
        }
        match keyword.value {
            Value::Switch => _ = self.switch(at),
            Value::Number(number) => self.unread_number(at, keyword, number, block),
            Value::Weight(number) => {
                self.number_of("weight", first, beyond(keyword, number), "the line is ignored");
                let known = |w: &&Word<'_>| !matches!(&*w.text, b"reverse" | b"noreverse");
                if let Some(word) = rest.first().filter(known) {
                    self.one_of(word, &["reverse", "noreverse"], false);
                }
            }
            Value::OneOf(words) if !keyword.remark.starts_with("or ") => self.one_of(first, words, false),
            Value::AnyCase(words) => self.one_of(first, words, true),
            Value::Address => _ = self.address(at),
            Value::Endpoint => self.endpoint(at, "the line is ignored"),
            Value::Forwarding => self.forwarding(first, rest),
            Value::Hex => self.hex(first, keyword),
            Value::Words if keyword.name == "status_code" => {
                for word in at.arguments() {
                    self.status(word);
                }
            }
            Value::OneOf(_)
            | Value::Nothing
            | Value::Named(_)
            | Value::Range(_)
            | Value::Prefix
            | Value::Interface
            | Value::Name
            | Value::Path
            | Value::Pattern
            | Value::Text
            | Value::Secret
            | Value::Account
            | Value::Script
            | Value::Command
            | Value::Fifo
            | Value::Regex
            | Value::Words
            | Value::Block => {}
        }
    }

    fn hex(&mut self, word: &Word<'_>, keyword: &Keyword) {
        // An `x` stands for any digit of a reply.
        let any = keyword.name == "require_reply";
        let digit = |b: &u8| b.is_ascii_hexdigit() || (any && b.eq_ignore_ascii_case(&b'x'));
        let problem = if !word.text.iter().all(digit) {
            "is no row of hexadecimal digits"
        } else if keyword.name == "digest" && word.text.len() != 32 {
            "has not 32 digits"
        } else {
            return;
        };
        self.findings.add(Id::BadNumber, word.span, |d| {
            d.say(format!("`{}` {problem}: the line is ignored", word.shown()))
        });
    }

    /// `200` or `200-204`.
    fn status(&mut self, word: &Word<'_>) {
        let ends: Vec<Option<i64>> = word
            .text
            .split(|b| *b == b'-')
            .map(|part| core::str::from_utf8(part).ok().and_then(|p| p.parse().ok()))
            .collect();
        let possible = |n: i64| (STATUS.min..=STATUS.max).contains(&n);
        let right = match *ends {
            [Some(code)] => possible(code),
            [Some(from), Some(to)] => possible(from) && possible(to) && from <= to,
            _ => false,
        };
        if !right {
            self.findings.add(Id::OutOfRange, word.span, |d| {
                d.say(format!("`{}` is no status from 100 to 599: it is ignored", word.shown()))
            });
        }
    }

    fn unread_number(&mut self, at: At<'_, '_>, keyword: &Keyword, number: Number, block: Block) {
        let mut words = at.arguments().iter();
        let Some(mut word) = words.next() else { return };
        // `garp_extra_if all 60`
        if *word.text == *b"all" && keyword.remark.starts_with("`all`") {
            let Some(next) = words.next() else { return self.missing_value(at) };
            word = next;
        }
        if leading(trimmed(word), u32::from(number.places)).is_some_and(|n| n.value == 0 && !n.garbage) {
            if keyword.remark.contains("0 is read as 1") {
                self.findings.add(Id::OutOfRange, word.span, |d| {
                    d.say(format!("`{}` begins at 1: 1 is read", keyword.name)).fix(word.span, "1")
                });
                return;
            }
            if keyword.name == "persistence_timeout" {
                self.findings.add(Id::OutOfRange, word.span, |d| {
                    d.say("`persistence_timeout` begins at 1: the line is ignored")
                        .help("without this line nothing persists; remove it")
                });
                return;
            }
        }
        let otherwise = if keyword.remark.starts_with("a number outside") {
            "the nearest one is used"
        } else if block == Block::VirtualServer && keyword.name == "quorum" {
            "1 is used"
        } else {
            "the line is ignored"
        };
        self.number_of(keyword.name, word, beyond(keyword, number), otherwise);
    }

    /// A number of the table in a word.
    pub(super) fn number_of(&mut self, name: &str, word: &Word<'_>, number: Number, otherwise: &str) {
        let text = trimmed(word);
        let (negative, digits) = match text.strip_prefix(b"-") {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (low, high) = number.ends();
        let unit = if number.unit.is_empty() { String::new() } else { format!(" {}", number.unit) };
        let name = if name.starts_with("the ") { Cow::from(name) } else { Cow::from(format!("`{name}`")) };
        let Some(found) = leading(digits, u32::from(number.places)) else {
            self.findings.add(Id::BadNumber, word.span, |d| {
                d.say(format!("`{}` is not a number: {otherwise}", word.shown()))
                    .help(format!("{name} takes {low} to {high}{unit}"))
            });
            return;
        };
        let value = i64::try_from(found.value).unwrap_or(i64::MAX);
        let value = if negative { -value } else { value };
        if !(number.min..=number.max).contains(&value) {
            self.findings.add(Id::OutOfRange, word.span, |d| {
                d.say(format!("{name} takes {low} to {high}{unit}, not {}: {otherwise}", word.shown()))
            });
            return;
        }
        if found.garbage || found.rounded {
            let sign = if negative { "-" } else { "" };
            let used = format!("{sign}{}", fixed(found.value, u32::from(number.places)));
            self.findings.add(Id::BadNumber, word.span, |d| {
                let d = if found.garbage {
                    d.say(format!("`{}` is not a number: {used} is read", word.shown()))
                } else {
                    d.say(format!("`{}` has too many digits behind the point: {used} is read", word.shown()))
                };
                d.fix(word.span, &*used)
            });
        }
    }

    /// A word that must be one of a few.
    pub(super) fn one_of(&mut self, word: &Word<'_>, words: &[&'static str], any_case: bool) {
        let text = core::str::from_utf8(&word.text).unwrap_or_default();
        let alike = words.iter().find(|w| w.eq_ignore_ascii_case(text));
        if words.contains(&text) || (any_case && alike.is_some()) {
            return;
        }
        let near = alike.copied().or_else(|| nearest(text, words.iter().copied()));
        self.findings.add(Id::UnknownWord, word.span, |d| {
            let d = d.say(format!("`{}` cannot stand here: it is ignored", word.shown()));
            match near {
                Some(near) if alike.is_some() => d.help(format!("write `{near}`")).fix(word.span, near),
                Some(near) => d.help(format!("did you mean `{near}`?")).suggest(word.span, near),
                None => d.help(format!("write one of {}", words.join(", "))),
            }
        });
    }

    /// `NAT|DR|TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]`.
    fn forwarding(&mut self, method: &Word<'_>, rest: &[Word<'_>]) {
        self.one_of(method, &["NAT", "DR", "TUN"], false);
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            match &*word.text {
                b"type" => match rest.next() {
                    Some(kind) => self.one_of(kind, &["ipip", "gue", "gre"], false),
                    None => self.entry(word.span, "`type` needs a value: it is ignored"),
                },
                b"port" => match rest.next() {
                    Some(port) => self.number_of("the port", port, PORT, "it is ignored"),
                    None => self.entry(word.span, "`port` needs a value: it is ignored"),
                },
                _ => self.one_of(word, &["type", "port", "nocsum", "csum", "remcsum"], false),
            }
        }
    }
}

/// Blocks with the line that each of them needs, and what becomes of it otherwise.
const NEEDED: &[(Block, &str, &str)] = &[
    (Block::VirtualServer, "real_server", "the service is skipped"),
    (Block::HttpGet, "url", "the check is skipped"),
    (Block::SslGet, "url", "the check is skipped"),
    (Block::HttpUrl, "path", "the URL is skipped"),
    (Block::SslUrl, "path", "the URL is skipped"),
    (Block::MiscCheck, "misc_path", "the check is skipped"),
    (Block::FileCheck, "track_file", "the check is skipped"),
    (Block::BfdCheck, "name", "the check is skipped"),
];

const STATUS: Number = Number::count("100..599");
const PORT: Number = Number::count("1..65535");
const MARK: Number = Number::count("0..4294967295");

/// Newer versions allow less of some numbers than 2.2.7 did: these are not called wrong.
fn beyond(keyword: &Keyword, number: Number) -> Number {
    if !keyword.remark.starts_with("2.2.7 takes more") {
        return number;
    }
    Number { min: if number.min < 0 { i64::MIN } else { number.min }, max: i64::MAX, ..number }
}

/// Whether a value is one word.
const fn single(value: Value) -> bool {
    !matches!(
        value,
        Value::Words
            | Value::Weight(_)
            | Value::Account
            | Value::Script
            | Value::Command
            | Value::Fifo
            | Value::Endpoint
            | Value::Forwarding
            | Value::Switch
            | Value::Address
            | Value::Block
    )
}

/// `10.0.0.3:80`
fn split_port(text: &[u8]) -> Option<(IpAddr, u16)> {
    let (address, port) = core::str::from_utf8(text).ok()?.rsplit_once(':')?;
    let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    Some((address.parse().ok()?, port.parse().ok()?))
}

//! The words of routes and policy rules. Nothing sets them yet; what is written must still make sense.

use super::Lower;
use super::value::parse_address;
use crate::registry::Id;
use crate::suggest::nearest;
use crate::table::{Block, Keyword, Number, Shape, Value, former};
use crate::text::Word;
use crate::tree::At;
use alloc::format;

/// What happens to a line with a word that cannot be.
const DROPPED: &str = "the line is dropped";

/// Words that stand for every destination.
const EVERYTHING: [&[u8]; 4] = [b"default", b"any", b"all", b"default6"];

/// The line cannot be used; that was reported, and the rest of it is not looked at.
struct Dropped;

type Rest<'t, 'a> = core::slice::Iter<'t, Word<'a>>;

impl Lower<'_> {
    /// A line of `virtual_routes` or `static_routes`.
    pub(super) fn route(&mut self, at: At<'_, '_>) {
        let mut rest = at.words().iter();
        let mut destination = false;
        while let Some(word) = rest.next() {
            let kind = Block::RouteLine.keyword(b"(type)").map(|k| k.value);
            let is_type = matches!(kind, Some(Value::OneOf(types)) if types.iter().any(|t| t.as_bytes() == &*word.text));
            if is_type {
                continue;
            }
            if *word.text == *b"to" {
                destination = true;
                if self.prefix_after(word, &mut rest).is_err() {
                    return;
                }
                continue;
            }
            if *word.text == *b"weight" {
                let Some(weight) = rest.next() else { return self.no_value(word) };
                self.number_of("weight", weight, LEG_WEIGHT, DROPPED);
                continue;
            }
            let Some(keyword) = option(Block::RouteLine, word) else {
                if is_prefix(word) {
                    destination = true;
                    continue;
                }
                return self.stranger(word, Block::RouteLine, "a route");
            };
            if let Some(old) = former(Block::RouteLine, &word.text) {
                self.deprecated(old, word.span);
            }
            // Its own grammar is not looked into.
            if keyword.name == "encap" || self.option_of(keyword, word, &mut rest).is_err() {
                return;
            }
        }
        if !destination {
            self.entry(at.node.span, "a route needs a destination: the line is dropped");
        }
    }

    /// A line of `virtual_rules` or `static_rules`.
    pub(super) fn rule(&mut self, at: At<'_, '_>) {
        let mut rest = at.words().iter();
        let mut action = false;
        while let Some(word) = rest.next() {
            match &*word.text {
                b"type" => continue,
                b"nop" | b"blackhole" | b"unreachable" | b"prohibit" => {
                    action = true;
                    continue;
                }
                b"table" | b"lookup" | b"goto" | b"l3mdev" => action = true,
                _ => {}
            }
            let Some(keyword) = option(Block::RuleLine, word) else {
                return self.stranger(word, Block::RuleLine, "a rule");
            };
            if self.option_of(keyword, word, &mut rest).is_err() {
                return;
            }
        }
        if !action {
            let span = at.node.span;
            self.findings.add(Id::EntryOption, span, |d| {
                d.say("a rule needs an action: the line is dropped")
                    .help("end it with `table N`, `goto N`, `blackhole`, `unreachable` or `prohibit`")
            });
        }
    }

    fn option_of(
        &mut self,
        keyword: &Keyword,
        word: &Word<'_>,
        rest: &mut Rest<'_, '_>,
    ) -> Result<(), Dropped> {
        if keyword.shape == Shape::Flag || keyword.name == "nexthop" {
            return Ok(());
        }
        if matches!(keyword.value, Value::Prefix) {
            return self.prefix_after(word, rest);
        }
        let mut value = rest.next();
        // `mtu lock 1400`, `via inet 10.0.0.1`, `as to 10.0.0.1`
        if keyword.shape == Shape::Optional
            && value.is_some_and(|w| matches!(&*w.text, b"lock" | b"inet" | b"inet6" | b"to"))
        {
            value = rest.next();
        }
        let Some(value) = value else {
            self.no_value(word);
            return Err(Dropped);
        };
        if let Value::Number(number) = keyword.value
            && !has_base(value)
        {
            self.number_of(keyword.name, value, number, DROPPED);
        } else if keyword.value == Value::Address && parse_address(&value.text).is_none() {
            self.findings.add(Id::BadAddress, value.span, |d| {
                d.say(format!("`{}` is not an IP address: {DROPPED}", value.shown()))
            });
            return Err(Dropped);
        } else if let Value::OneOf(words) = keyword.value
            && !keyword.remark.starts_with("or ")
        {
            self.one_of(value, words, false);
        } else if matches!(keyword.value, Value::Range(_)) && !value.text.contains(&b'-') {
            let message =
                format!("`{}` takes two numbers with `-` between them: it is ignored", keyword.name);
            self.entry(value.span, message);
        }
        Ok(())
    }

    /// keepalived ends when the value of such a word is missing.
    fn no_value(&mut self, word: &Word<'_>) {
        self.findings
            .add(Id::MissingValue, word.span, |d| d.say(format!("`{}` needs a value", word.shown())));
    }

    fn prefix_after(&mut self, word: &Word<'_>, rest: &mut Rest<'_, '_>) -> Result<(), Dropped> {
        let Some(value) = rest.next() else {
            self.no_value(word);
            return Err(Dropped);
        };
        if is_prefix(value) {
            return Ok(());
        }
        self.findings.add(Id::BadAddress, value.span, |d| {
            d.say(format!("`{}` is no address with a prefix length: {DROPPED}", value.shown()))
        });
        Err(Dropped)
    }

    /// A word that is none of the line's.
    fn stranger(&mut self, word: &Word<'_>, block: Block, of: &str) {
        let shown = word.shown();
        let names = block.keywords().map(|k| k.name).filter(|n| !n.starts_with(['(', '[']));
        let near = nearest(&shown, names);
        self.findings.add(Id::EntryOption, word.span, |d| {
            let d = d.say(format!("`{shown}` is no word of {of}: {DROPPED}"));
            match near {
                Some(near) => d.help(format!("did you mean `{near}`?")).suggest(word.span, near),
                None => d,
            }
        });
    }
}

const LEG_WEIGHT: Number = Number::count("1..256");

/// The option of that name. Rows in brackets describe a place and are no words.
fn option(block: Block, word: &Word<'_>) -> Option<&'static Keyword> {
    block.keyword(&word.text).filter(|k| !k.name.starts_with(['(', '[']))
}

/// An address, perhaps with a prefix length (keepalived replaces one that cannot be), or a word for all.
fn is_prefix(word: &Word<'_>) -> bool {
    EVERYTHING.contains(&&*word.text)
        || word.text.split(|b| *b == b'/').next().is_some_and(|address| parse_address(address).is_some())
}

/// Numbers in hexadecimal or octal, which some of these words take.
fn has_base(word: &Word<'_>) -> bool {
    word.text.len() > 1 && word.text.first() == Some(&b'0')
}

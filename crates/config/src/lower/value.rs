//! Values: numbers, times, switches, addresses, interface names; and what is wrong with them.

use super::Lower;
use crate::registry::Id;
use crate::source::Span;
use crate::table::{Keyword, Shape, State};
use crate::text::{Word, is_blank};
use crate::tree::At;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::RangeInclusive;
use core::time::Duration;

/// The longest time of most keywords: microseconds in 32 bits.
pub(super) const LONGEST: u64 = 4_294_967_295;

/// What a keyword allows.
pub(super) struct Numbers {
    /// Allowed values, in units of 10 to the power of minus `places`.
    pub(super) range: RangeInclusive<u64>,
    /// Digits behind the point.
    pub(super) places: u32,
    /// Unit as shown, with its blank: `" s"`.
    pub(super) unit: &'static str,
    /// What happens instead of a value that cannot be used.
    pub(super) otherwise: &'static str,
}

impl Numbers {
    pub(super) const fn count(range: RangeInclusive<u64>) -> Self {
        Self { range, places: 0, unit: "", otherwise: "the line is ignored" }
    }

    pub(super) const fn seconds(range: RangeInclusive<u64>) -> Self {
        Self { range, places: 0, unit: " s", otherwise: "the line is ignored" }
    }

    /// Seconds with six digits behind the point; the range in microseconds.
    pub(super) const fn micros(range: RangeInclusive<u64>) -> Self {
        Self { range, places: 6, unit: " s", otherwise: "the line is ignored" }
    }

    pub(super) const fn otherwise(self, otherwise: &'static str) -> Self {
        Self { otherwise, ..self }
    }
}

/// A number at the start of a text.
pub(super) struct Leading {
    pub(super) value: u64,
    /// There was more than a number.
    pub(super) garbage: bool,
    /// It had more digits behind the point than count.
    pub(super) rounded: bool,
}

pub(super) fn leading(text: &[u8], places: u32) -> Option<Leading> {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let whole = digits(text);
    let fold = |value: u64, b: &u8| value.saturating_mul(10).saturating_add(u64::from(b - b'0'));
    let mut value = text.get(..whole)?.iter().fold(0, fold);
    let mut rest = text.get(whole..)?;
    let mut fraction: &[u8] = &[];
    if places > 0
        && let Some(behind) = rest.strip_prefix(b".")
    {
        let length = digits(behind);
        fraction = behind.get(..length)?;
        rest = behind.get(length..)?;
    }
    if whole == 0 && fraction.is_empty() {
        return None;
    }
    let kept = fraction.len().min(places as usize);
    value = fraction.get(..kept)?.iter().fold(value, fold);
    value = (kept..places as usize).fold(value, |value, _| value.saturating_mul(10));
    let next = fraction.get(kept);
    if next.is_some_and(|digit| *digit >= b'5') {
        value = value.saturating_add(1);
    }
    Some(Leading { value, garbage: !rest.is_empty(), rounded: next.is_some() })
}

/// A fixed-point number for people: `0.01`, `40.95`, `255`.
pub(super) fn fixed(value: u64, places: u32) -> String {
    let scale = 10u64.pow(places);
    let (whole, rest) = (value / scale, value % scale);
    if rest == 0 {
        return format!("{whole}");
    }
    let fraction = format!("{rest:0width$}", width = places as usize);
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

pub(super) fn micros(value: u64) -> Duration {
    Duration::from_micros(value)
}

/// A word without the blanks that quotes may have kept.
pub(super) fn trimmed<'w>(word: &'w Word<'_>) -> &'w [u8] {
    let text = &*word.text;
    let start = text.iter().position(|b| !is_blank(*b)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

impl Lower<'_> {
    /// The value of a keyword that needs one. Reports its absence and words after it.
    pub(super) fn value<'t, 'a>(&mut self, at: At<'t, 'a>) -> Option<&'t Word<'a>> {
        let arguments = at.arguments();
        let Some(value) = arguments.first() else {
            self.missing_value(at);
            return None;
        };
        self.extra(at, 1);
        Some(value)
    }

    /// Reports a keyword without its value. keepalived ends for most, and drops the line for some.
    pub(super) fn missing_value(&mut self, at: At<'_, '_>) {
        let Some(keyword) = at.node.keyword else { return };
        // A template that marks its places with `#` leaves comments where values should be.
        let bytes = self.sources.bytes(at.node.span.file);
        let behind = bytes.get(at.node.span.end as usize..).unwrap_or_default();
        let next = behind.iter().find(|b| !matches!(b, b' ' | b'\t')).copied();
        let id = if keyword.lenient { Id::EmptyValue } else { Id::MissingValue };
        self.findings.add(id, at.node.span, |d| {
            let d = match keyword.lenient {
                true => d.say(format!("`{}` needs a value: the line is ignored", keyword.name)),
                false => d.say(format!("`{}` needs a value", keyword.name)),
            };
            match next {
                Some(mark @ (b'#' | b'!')) => d.help(format!(
                    "`{}` begins a comment: the rest of the line does not count",
                    char::from(mark)
                )),
                _ => d.help(format!("write `{} {}`", keyword.name, keyword.arguments)),
            }
        });
    }

    /// Reports words after the `expected` ones.
    pub(super) fn extra(&mut self, at: At<'_, '_>, expected: usize) {
        let arguments = at.arguments();
        let (Some(first), Some(last), Some(keyword)) =
            (arguments.get(expected), arguments.last(), at.node.keyword)
        else {
            return;
        };
        if keyword.shape.opens() && !at.node.opened {
            // The missing brace was reported; the words were meant to stand behind it.
            return;
        }
        let secret = at.words().iter().any(|w| crate::secret::names_secret(&w.text));
        self.findings.add(Id::ExtraWords, first.span.to(last.span), |d| {
            let words: Vec<String> = arguments.iter().skip(expected).map(Word::shown).collect();
            let d = match secret {
                true => d.say("the rest of the line is ignored"),
                false => d.say(format!("`{}` is ignored", crate::text::shown(words.join(" ").as_bytes()))),
            };
            let neighbour = crate::table::Block::VrrpInstance.keyword(&first.text).is_some();
            if neighbour && !secret {
                return d.help("one keyword stands on a line: begin a new one");
            }
            match keyword.shape {
                Shape::Flag => d.help(format!("`{}` takes no value", keyword.name)),
                Shape::Value | Shape::Optional => d.help(format!("`{}` takes one value", keyword.name)),
                Shape::Words | Shape::Block(_) | Shape::Lines(_) => d,
            }
        });
    }

    /// The number that follows a keyword, in units of 10 to the power of minus `places`.
    pub(super) fn number(&mut self, at: At<'_, '_>, allowed: &Numbers) -> Option<u64> {
        let name = at.node.keyword?.name;
        let word = self.value(at)?;
        self.number_in(name, word, allowed, Id::OutOfRange)
    }

    /// A number in a word; `name` is what it is the value of, `outside` the finding for a wrong range.
    pub(super) fn number_in(
        &mut self,
        name: &str,
        word: &Word<'_>,
        allowed: &Numbers,
        outside: Id,
    ) -> Option<u64> {
        let shown = word.shown();
        let text = trimmed(word);
        let (low, high) = (*allowed.range.start(), *allowed.range.end());
        let unit = allowed.unit;
        let range = format!("{} to {}{unit}", fixed(low, allowed.places), fixed(high, allowed.places));
        let otherwise = allowed.otherwise;
        let decimal = decimal_comma(text).and_then(|text| leading(&text, allowed.places));
        if let Some(meant) = decimal.filter(|n| !n.garbage && allowed.range.contains(&n.value)) {
            let read = leading(text, allowed.places).map(|n| n.value).filter(|n| allowed.range.contains(n));
            let fate = read.map_or_else(
                || otherwise.into(),
                |value| format!("{} is read", fixed(value, allowed.places)),
            );
            let meant = fixed(meant.value, allowed.places);
            self.findings.add(Id::BadNumber, word.span, |d| {
                d.say(format!("`{shown}` has a comma for a decimal point: {fate}"))
                    .help(format!("write {meant}"))
                    .suggest(word.span, meant)
            });
            return read;
        }
        let negative = text.strip_prefix(b"-").and_then(|rest| leading(rest, allowed.places)).is_some();
        let Some(number) = leading(text, allowed.places) else {
            if negative {
                self.findings.add(outside, word.span, |d| {
                    d.say(format!("`{name}` takes {range}, not {shown}: {otherwise}"))
                });
            } else {
                self.findings.add(Id::BadNumber, word.span, |d| {
                    d.say(format!("`{shown}` is not a number: {otherwise}"))
                        .help(format!("`{name}` takes {range}"))
                });
            }
            return None;
        };
        if !allowed.range.contains(&number.value) {
            self.findings.add(outside, word.span, |d| {
                d.say(format!("`{name}` takes {range}, not {shown}: {otherwise}"))
            });
            return None;
        }
        if number.garbage || number.rounded {
            let used = fixed(number.value, allowed.places);
            self.findings.add(Id::BadNumber, word.span, |d| {
                let d = if number.garbage {
                    d.say(format!("`{shown}` is not a number: {used} is read"))
                } else {
                    d.say(format!("`{shown}` has too many digits behind the point: {used} is read"))
                };
                d.fix(word.span, &*used)
            });
        }
        Some(number.value)
    }

    /// A switch: nothing means on.
    pub(super) fn switch(&mut self, at: At<'_, '_>) -> Option<bool> {
        self.extra(at, 1);
        let Some(word) = at.arguments().first() else { return Some(true) };
        match &*word.text {
            b"true" | b"on" | b"yes" => Some(true),
            b"false" | b"off" | b"no" => Some(false),
            other => {
                let lower = other.to_ascii_lowercase();
                let known = matches!(&*lower, b"true" | b"on" | b"yes" | b"false" | b"off" | b"no");
                self.findings.add(Id::BadSwitch, word.span, |d| {
                    let d = d.say(format!("`{}` is neither on nor off: the line is ignored", word.shown()));
                    if known {
                        d.help("write it in small letters")
                            .fix(word.span, String::from_utf8_lossy(&lower).into_owned())
                    } else {
                        d.help("write true, on, yes, false, off or no")
                    }
                });
                None
            }
        }
    }

    /// A flag: the word alone.
    pub(super) fn flag(&mut self, at: At<'_, '_>) {
        self.extra(at, 0);
    }

    /// An address that follows a keyword.
    pub(super) fn address(&mut self, at: At<'_, '_>) -> Option<(IpAddr, Span)> {
        let word = self.value(at)?;
        let address = self.plain_address(word);
        if address.is_none() {
            self.findings.add(Id::BadAddress, word.span, |d| {
                d.say(format!("`{}` is not an IP address: the line is ignored", word.shown()))
            });
        }
        Some((address?, word.span))
    }

    /// An address where no prefix length belongs. keepalived ignores one without a word, so it is not a reason
    /// to lose the address.
    pub(super) fn plain_address(&mut self, word: &Word<'_>) -> Option<IpAddr> {
        if let Some(address) = parse_address(&word.text) {
            return Some(address);
        }
        let address = word.text.split(|b| *b == b'/').next().and_then(parse_address)?;
        self.findings.add(Id::BadAddress, word.span, |d| {
            d.say(format!("`{}` is read as {address}", word.shown()))
                .help("write it without a prefix length")
                .fix(word.span, format!("{address}"))
        });
        Some(address)
    }

    /// Reports the use of something that is known but does nothing here.
    pub(super) fn unbuilt(&mut self, keyword: &'static Keyword, span: Span) {
        let name = keyword.name;
        match keyword.state {
            State::Honoured => {}
            State::NoEffect(why) => self.findings.add_once((Id::NoEffect, name, String::new()), span, |d| {
                d.say(format!("`{name}` has no effect here: {why}"))
            }),
            State::NotBuilt => self.findings.add_once((Id::NotBuilt, name, String::new()), span, |d| {
                d.say(format!("`{name}` is not built yet: {}", super::consequence(keyword)))
            }),
        }
    }
}

/// `0,5` as `0.5`: digits, one comma, digits.
fn decimal_comma(text: &[u8]) -> Option<Vec<u8>> {
    let at = text.iter().position(|b| *b == b',')?;
    let (whole, rest) = (text.get(..at)?, text.get(at + 1..)?);
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    (digits(whole) && digits(rest)).then(|| [whole, b".", rest].concat())
}

/// An address, as the C library reads one.
pub(super) fn parse_address(text: &[u8]) -> Option<IpAddr> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, places: u32) -> Option<(u64, bool, bool)> {
        leading(text.as_bytes(), places).map(|n| (n.value, n.garbage, n.rounded))
    }

    #[test]
    fn numbers_and_what_follows_them() {
        assert_eq!(read("100", 0), Some((100, false, false)));
        assert_eq!(read("5x", 0), Some((5, true, false)));
        assert_eq!(read("5.5", 0), Some((5, true, false)));
        assert_eq!(read("x", 0), None);
        assert_eq!(read("", 0), None);
        assert_eq!(read("99999999999999999999999", 0), Some((u64::MAX, false, false)));
    }

    #[test]
    fn decimals_round_half_up() {
        assert_eq!(read("1.5", 6), Some((1_500_000, false, false)));
        assert_eq!(read(".25", 6), Some((250_000, false, false)));
        assert_eq!(read("0.0000005", 6), Some((1, false, true)));
        assert_eq!(read("0.0000004", 6), Some((0, false, true)));
        assert_eq!(read("1.5s", 6), Some((1_500_000, true, false)));
        assert_eq!(read("3", 6), Some((3_000_000, false, false)));
    }

    #[test]
    fn fixed_point_text() {
        assert_eq!(fixed(10_000, 6), "0.01");
        assert_eq!(fixed(255_000_000, 6), "255");
        assert_eq!(fixed(7, 0), "7");
    }
}

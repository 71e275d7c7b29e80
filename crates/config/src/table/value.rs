//! What the value of a keyword may be: one type, from which follow the check, the text for people and the
//! data for editors.

use alloc::format;
use alloc::string::String;

/// What follows a keyword, or stands as one option of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Nothing,
    /// `true`, `on`, `yes`, `false`, `off` or `no`; nothing means on.
    Switch,
    /// A number.
    Number(Number),
    /// A number, or a name that the system has for one (routing tables, protocols, scopes).
    Named(Number),
    /// Two numbers with `-` between them.
    Range(Number),
    /// A weight, then perhaps `reverse`.
    Weight(Number),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of these words, in small or capital letters.
    AnyCase(&'static [&'static str]),
    /// An address.
    Address,
    /// An address, then perhaps a port.
    Endpoint,
    /// An address with the length of its prefix.
    Prefix,
    /// The name of a network interface.
    Interface,
    /// A name that this file gives to something.
    Name,
    /// A file or directory.
    Path,
    /// A pattern of file names.
    Pattern,
    /// Any word.
    Text,
    /// A word that must not be shown.
    Secret,
    /// A user, then perhaps a group.
    Account,
    /// A command, then perhaps the user and the group it runs as.
    Script,
    /// A command.
    Command,
    /// A file, then perhaps the user and the group it belongs to.
    Fifo,
    /// Hexadecimal digits, two for each byte.
    Hex,
    /// A regular expression.
    Regex,
    /// How packets reach a real server: the method, then perhaps the kind of tunnel.
    Forwarding,
    /// Several words with a grammar of their own.
    Words,
    /// The contents of a block.
    Block,
}

/// A number with its unit and range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The smallest allowed, in units of 10 to the power of minus `places`.
    pub min: i64,
    /// The largest allowed, in the same units.
    pub max: i64,
    /// Digits behind the point that count.
    pub places: u8,
    /// `s`, `ms`, `us`, `bytes`, or nothing for a count.
    pub unit: &'static str,
    /// The range as it was written.
    pub(crate) range: &'static str,
}

impl Number {
    const fn new(range: &'static str, places: u8, unit: &'static str) -> Self {
        let bytes = range.as_bytes();
        let mut dots = 0;
        while bytes[dots] != b'.' || bytes[dots + 1] != b'.' {
            dots += 1;
        }
        let min = fixed(bytes, 0, dots, places);
        let max = fixed(bytes, dots + 2, bytes.len(), places);
        assert!(min <= max, "a range begins with its smaller end");
        Self { min, max, places, unit, range }
    }

    /// A whole number without a unit.
    pub(crate) const fn count(range: &'static str) -> Self {
        Self::new(range, 0, "")
    }

    /// The smallest and the largest value, as people write them.
    #[must_use]
    pub fn ends(self) -> (&'static str, &'static str) {
        self.range.split_once("..").unwrap_or((self.range, self.range))
    }

    fn text(self) -> String {
        let (low, high) = self.ends();
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        match self.places {
            0 => format!("{low} to {high}{unit}"),
            places => format!("{low} to {high}{unit}, up to {places} digits behind the point"),
        }
    }
}

/// A decimal number of the table, in units of 10 to the power of minus `places`.
const fn fixed(bytes: &[u8], from: usize, to: usize, places: u8) -> i64 {
    let negative = bytes[from] == b'-';
    let mut at = if negative { from + 1 } else { from };
    let mut value: i64 = 0;
    let mut behind = 0;
    let mut point = false;
    while at < to {
        if bytes[at] == b'.' {
            point = true;
        } else {
            assert!(bytes[at].is_ascii_digit(), "a range of the table holds digits and a point");
            value = value * 10 + (bytes[at] - b'0') as i64;
            if point {
                behind += 1;
            }
        }
        at += 1;
    }
    while behind < places {
        value *= 10;
        behind += 1;
    }
    if negative { -value } else { value }
}

/// A whole number without a unit.
pub(super) const fn int(range: &'static str) -> Value {
    Value::Number(Number::count(range))
}

/// Whole seconds.
pub(super) const fn secs(range: &'static str) -> Value {
    Value::Number(Number::new(range, 0, "s"))
}

/// Seconds to the millisecond.
pub(super) const fn secs3(range: &'static str) -> Value {
    Value::Number(Number::new(range, 3, "s"))
}

/// Seconds to the microsecond.
pub(super) const fn secs6(range: &'static str) -> Value {
    Value::Number(Number::new(range, 6, "s"))
}

/// Milliseconds to the microsecond.
pub(super) const fn msecs3(range: &'static str) -> Value {
    Value::Number(Number::new(range, 3, "ms"))
}

/// Whole microseconds.
pub(super) const fn usecs(range: &'static str) -> Value {
    Value::Number(Number::new(range, 0, "us"))
}

/// Bytes.
pub(super) const fn bytes(range: &'static str) -> Value {
    Value::Number(Number::new(range, 0, "bytes"))
}

/// A number or its name.
pub(super) const fn named(range: &'static str) -> Value {
    Value::Named(Number::count(range))
}

/// Two numbers.
pub(super) const fn span(range: &'static str) -> Value {
    Value::Range(Number::count(range))
}

/// A weight.
pub(super) const fn weight(range: &'static str) -> Value {
    Value::Weight(Number::count(range))
}

/// What 32 bits hold.
pub(super) const U32: &str = "0..4294967295";
/// What 31 bits hold.
pub(super) const U31: &str = "0..2147483647";

impl Value {
    /// The number in it, if it is one.
    #[must_use]
    pub const fn number(self) -> Option<Number> {
        if let Self::Number(number) | Self::Named(number) | Self::Range(number) | Self::Weight(number) = self
        {
            Some(number)
        } else {
            None
        }
    }

    /// What it may be, for people; empty when there is nothing to say.
    #[must_use]
    pub fn text(self) -> String {
        let fixed = match self {
            Self::Nothing | Self::Words | Self::Block => "",
            Self::Switch => "true, on, yes, false, off or no; alone it means on",
            Self::Number(number) => return number.text(),
            Self::Named(number) => return format!("{}, or a name", number.text()),
            Self::Range(number) => return format!("two numbers, each {}", number.text()),
            Self::Weight(number) => return format!("{}, then perhaps `reverse`", number.text()),
            Self::OneOf(words) => return words.join(", "),
            Self::AnyCase(words) => return format!("{} (or in small letters)", words.join(", ")),
            Self::Address => "an address",
            Self::Endpoint => "an address, then perhaps a port",
            Self::Prefix => "an address with a prefix length",
            Self::Interface => "the name of an interface",
            Self::Name => "a name",
            Self::Path => "a file or directory",
            Self::Pattern => "a file, or a pattern of names",
            Self::Text => "one word; blanks need quotes",
            Self::Secret => "one word; never shown",
            Self::Account => "a user, then perhaps a group",
            Self::Script => "a command, in quotes if it has arguments; then perhaps user and group",
            Self::Command => "a command, in quotes if it has arguments",
            Self::Fifo => "a file, then perhaps user and group",
            Self::Hex => "hexadecimal digits",
            Self::Regex => "a regular expression",
            Self::Forwarding => "NAT, DR or TUN; after TUN perhaps the kind of tunnel",
        };
        String::from(fixed)
    }

    /// Its name in the data for programs.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Switch => "switch",
            Self::Number(_) => "number",
            Self::Named(_) => "number-or-name",
            Self::Range(_) => "range",
            Self::Weight(_) => "weight",
            Self::OneOf(_) | Self::AnyCase(_) => "one-of",
            Self::Address => "address",
            Self::Endpoint => "endpoint",
            Self::Prefix => "prefix",
            Self::Interface => "interface",
            Self::Name => "name",
            Self::Path => "path",
            Self::Pattern => "pattern",
            Self::Text => "text",
            Self::Secret => "secret",
            Self::Account => "account",
            Self::Script => "script",
            Self::Command => "command",
            Self::Fifo => "fifo",
            Self::Hex => "hex",
            Self::Regex => "regex",
            Self::Forwarding => "forwarding",
            Self::Words => "words",
            Self::Block => "block",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_in_its_unit() {
        let number = |value: Value| value.number().unwrap();
        let gap = number(secs6("0.000001..4294"));
        assert_eq!((gap.min, gap.max), (1, 4_294_000_000));
        assert_eq!(gap.ends(), ("0.000001", "4294"));
        let priority = number(int("-20..19"));
        assert_eq!((priority.min, priority.max), (-20, 19));
        assert_eq!(int("1..255").text(), "1 to 255");
        assert_eq!(secs("0..4294").text(), "0 to 4294 s");
        assert_eq!(secs3("0.001..4294").text(), "0.001 to 4294 s, up to 3 digits behind the point");
    }
}

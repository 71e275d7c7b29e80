//! `$NAME=value` and its uses, and the lines that only some hosts read (`@id`).

use crate::origins::Origins;
use crate::secret::names_secret;
use crate::source::Span;
use crate::text::{Splice, Text, is_blank, shown};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// The longest line after substitution, as before it.
pub(crate) const LINE_LIMIT: usize = 1023;

/// The same as a width of places in files.
pub(crate) const LINE_LIMIT_U32: u32 = 1023;

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Meaning<'a> {
    /// A text, and where it stands.
    Text(Vec<u8>, Span),
    /// Several lines.
    Lines(Rc<[Text<'a>]>),
    /// What the variable of a loop is in this turn.
    Turn(Vec<u8>),
}

/// The names defined so far.
#[derive(Debug, Default)]
pub(crate) struct Definitions<'a> {
    names: BTreeMap<Vec<u8>, Meaning<'a>>,
    /// Where the sequence of random numbers stands.
    random: u64,
}

/// What became of one line.
pub(crate) enum Expanded<'a> {
    /// Nothing to replace; the names that stay as they are.
    Same(Vec<Left>),
    /// Replaced; the new text.
    New(Text<'a>),
    /// Replaced by several lines: the first one, and all of them, whose first one is in it already.
    Lines(Text<'a>, Rc<[Text<'a>]>, u32),
    /// It would become too long.
    TooLong(Span),
    /// Names are nested too deep.
    TooDeep(Span),
}

/// A name that stays as it is.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    pub(crate) name: String,
    pub(crate) place: Span,
    pub(crate) quoted: bool,
    pub(crate) braced: bool,
    pub(crate) why: Why,
}

/// Why a name is not replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nobody defined it.
    Undefined,
    /// It has several lines, and something stands behind it.
    Lines,
    /// What stands in the braces behind a built-in name cannot be.
    Parameters(&'static str),
}

/// Values that come from outside the text.
pub(crate) struct Outside<'s> {
    pub(crate) directory: &'s str,
    pub(crate) config_id: &'s str,
    pub(crate) environment: &'s BTreeMap<String, String>,
}

impl<'a> Definitions<'a> {
    pub(crate) fn new(seed: u64) -> Self {
        Self { names: BTreeMap::new(), random: seed }
    }

    pub(crate) fn set(&mut self, name: &[u8], meaning: Meaning<'a>) {
        self.names.insert(name.to_vec(), meaning);
    }

    /// Starts the sequence of random numbers anew.
    pub(crate) fn seed(&mut self, seed: u64) {
        self.random = seed;
    }

    /// Replaces every name in `text` once.
    pub(crate) fn expand(
        &mut self,
        text: &Text<'a>,
        outside: &Outside<'_>,
        origins: &mut Origins,
    ) -> Expanded<'a> {
        let bytes = &text.bytes;
        let secret = bytes.split(|b| is_blank(*b)).any(names_secret);
        let mut left = Vec::new();
        let mut splice: Option<Splice<'_, 'a>> = None;
        let mut from = 0;
        let mut at = 0;
        let mut quoted = false;
        while let Some(&byte) = bytes.get(at) {
            if byte == b'"' {
                quoted = !quoted;
            }
            let Some(usage) = (byte == b'$').then(|| usage(&bytes[at..])).flatten() else {
                at += 1;
                continue;
            };
            let place = at..at + usage.length;
            at = place.end;
            let span = text.span(place.clone());
            let value = match self.value(&usage, outside, quoted) {
                Ok(Value::Bytes(value, definition)) => {
                    if let Some(definition) = definition.filter(|_| !secret) {
                        origins.replaced(span, usage.name, definition);
                    }
                    value
                }
                Ok(Value::Lines(lines)) if place.end == bytes.len() => {
                    let name = shown(usage.name);
                    let label = || format!("`{name}` is used here");
                    let Some(context) = origins.enter(span, label) else {
                        return Expanded::TooDeep(span);
                    };
                    let mut splice = splice.unwrap_or_else(|| Splice::new(text));
                    splice.copy(from..place.start);
                    if let Some(first) = lines.first() {
                        splice.append(&first.clone().within(context));
                    }
                    if splice.len() > LINE_LIMIT {
                        return Expanded::TooLong(span);
                    }
                    return Expanded::Lines(splice.finish(), lines, context);
                }
                Ok(Value::Lines(_)) => {
                    left.push(usage.left(span, quoted, Why::Lines));
                    continue;
                }
                Err(why) => {
                    left.push(usage.left(span, quoted, why));
                    continue;
                }
            };
            let splice = splice.get_or_insert_with(|| Splice::new(text));
            splice.copy(from..place.start);
            splice.replace(place.clone(), &value);
            if splice.len() > LINE_LIMIT {
                return Expanded::TooLong(span);
            }
            from = place.end;
        }
        match splice {
            None => Expanded::Same(left),
            Some(mut splice) => {
                splice.copy(from..bytes.len());
                if splice.len() > LINE_LIMIT {
                    return Expanded::TooLong(text.span(0..bytes.len()));
                }
                Expanded::New(splice.finish())
            }
        }
    }

    fn value(&mut self, usage: &Usage<'_>, outside: &Outside<'_>, quoted: bool) -> Result<Value<'a>, Why> {
        if usage.parameters.is_empty() {
            match self.names.get(usage.name) {
                Some(Meaning::Text(value, place)) => {
                    return Ok(Value::Bytes(value.clone(), Some(*place)));
                }
                Some(Meaning::Turn(value)) => return Ok(Value::Bytes(value.clone(), None)),
                Some(Meaning::Lines(lines)) => return Ok(Value::Lines(lines.clone())),
                None => {}
            }
        }
        if !usage.braced {
            return Err(Why::Undefined);
        }
        let parameters: Vec<&[u8]> =
            usage.parameters.split(|b| is_blank(*b)).filter(|word| !word.is_empty()).collect();
        let constant = |value: &[u8]| match parameters.is_empty() {
            true => Ok(Value::Bytes(value.to_vec(), None)),
            false => Err(Why::Parameters("takes no parameter")),
        };
        match usage.name {
            // The result is searched for comments again, where only quotes or a backslash protect it.
            b"_HASH" => constant(if quoted { b"#" } else { b"\\#" }),
            b"_BANG" => constant(if quoted { b"!" } else { b"\\!" }),
            b"_PWD" => constant(outside.directory.as_bytes()),
            b"_INSTANCE" => constant(outside.config_id.as_bytes()),
            b"_RANDOM" => self.random(&parameters),
            b"_ENV" => match parameters.as_slice() {
                [name] => {
                    let name = String::from_utf8_lossy(name);
                    let value = outside.environment.get(&*name).map(|v| v.as_bytes().to_vec());
                    Ok(Value::Bytes(value.unwrap_or_default(), None))
                }
                _ => Err(Why::Parameters("takes the name of one environment variable")),
            },
            _ => Err(Why::Undefined),
        }
    }

    /// `${_RANDOM}`, `${_RANDOM MIN}`, `${_RANDOM MIN MAX}`.
    fn random(&mut self, parameters: &[&[u8]]) -> Result<Value<'a>, Why> {
        let number = |word: &[u8]| core::str::from_utf8(word).ok().and_then(|text| text.parse::<u32>().ok());
        let numbers: Option<Vec<u32>> = parameters.iter().map(|word| number(word)).collect();
        let (low, high) = match numbers.as_deref() {
            Some([]) => (0, 32767),
            Some([low]) => (*low, 32767),
            Some([low, high]) => (*low, *high),
            _ => return Err(Why::Parameters("takes a smallest and a largest number, or neither")),
        };
        let (low, high) = (low.min(high), low.max(high));
        // SplitMix64, by Vigna: small, and as good as this needs.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        let value = u64::from(low) + x % (u64::from(high - low) + 1);
        Ok(Value::Bytes(format!("{value}").into_bytes(), None))
    }

    /// A short text with every name of one line replaced, again and again: the numbers of a loop.
    pub(crate) fn plain(&self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        for _ in 0..8 {
            let Some(at) = text.iter().position(|b| *b == b'$') else { break };
            let found = usage(text.get(at..).unwrap_or_default());
            let Some((length, name)) = found.map(|u| (u.length, u.name.to_vec())) else { break };
            let Some(Meaning::Text(value, _) | Meaning::Turn(value)) = self.names.get(&name) else { break };
            if text.len() + value.len() > LINE_LIMIT {
                break;
            }
            let value = value.clone();
            text.splice(at..at + length, value);
        }
        text
    }
}

enum Value<'a> {
    Bytes(Vec<u8>, Option<Span>),
    Lines(Rc<[Text<'a>]>),
}

/// A `$` that could be a use of a name.
struct Usage<'b> {
    name: &'b [u8],
    parameters: &'b [u8],
    braced: bool,
    length: usize,
}

impl Usage<'_> {
    fn left(&self, place: Span, quoted: bool, why: Why) -> Left {
        Left { name: shown(self.name), place, quoted, braced: self.braced, why }
    }
}

/// How many bytes a `${NAME}` at the start takes; 0 if there is none.
pub(crate) fn name_in_braces(bytes: &[u8]) -> usize {
    usage(bytes).filter(|usage| usage.braced).map_or(0, |usage| usage.length)
}

/// Reads `${NAME}`, `${NAME parameters}`, or `$NAME` before a blank, `,`, `)` or the end.
fn usage(bytes: &[u8]) -> Option<Usage<'_>> {
    let rest = bytes.get(1..)?;
    if let Some(inner) = rest.strip_prefix(b"{") {
        let end = inner.iter().position(|b| *b == b'}')?;
        let inner = inner.get(..end)?;
        let name = inner.get(..name_length(inner))?;
        let parameters = inner.get(name.len()..)?;
        let words_only = parameters.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_' || is_blank(*b));
        return (!name.is_empty() && words_only).then_some(Usage {
            name,
            parameters,
            braced: true,
            length: end + 3,
        });
    }
    let name = rest.get(..name_length(rest))?;
    let ends = rest.get(name.len()).is_none_or(|b| matches!(b, b' ' | b'\t' | b',' | b')'));
    (!name.is_empty() && ends).then_some(Usage {
        name,
        parameters: &[],
        braced: false,
        length: name.len() + 1,
    })
}

/// How many bytes at the start are a name: a letter or `_`, then letters, digits and `_`.
pub(crate) fn name_length(bytes: &[u8]) -> usize {
    if bytes.first().is_none_or(|b| b.is_ascii_digit()) {
        return 0;
    }
    bytes.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).unwrap_or(bytes.len())
}

/// `$NAME=value`: the length of the name, and where the value starts.
pub(crate) fn definition(bytes: &[u8]) -> Option<(usize, usize)> {
    let rest = bytes.strip_prefix(b"$")?;
    let length = name_length(rest);
    (length > 0 && rest.get(length) == Some(&b'=')).then_some((length, length + 2))
}

/// What an `@id` at the start of a line decides.
pub(crate) enum Condition {
    /// There is none.
    Absent,
    /// The rest of the line, from this byte on, is read.
    Keep(usize),
    /// The line is not for this host.
    Drop,
}

/// Reads `@id rest` and `@^id rest`.
pub(crate) fn condition(bytes: &[u8], config_id: &str) -> Condition {
    let Some(rest) = bytes.strip_prefix(b"@") else { return Condition::Absent };
    let (inverted, rest) = rest.strip_prefix(b"^").map_or((false, rest), |rest| (true, rest));
    let length = rest.iter().position(|b| is_blank(*b)).unwrap_or(rest.len());
    let id = rest.get(..length).unwrap_or(rest);
    if (id == config_id.as_bytes()) != inverted && length < rest.len() {
        Condition::Keep(bytes.len() - rest.len() + length)
    } else {
        Condition::Drop
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;
    use alloc::vec;

    fn expand(definitions: &mut Definitions<'static>, line: &'static str) -> String {
        let file = Sources::new().add_root("t", vec![]);
        let text = Text::plain(line.as_bytes(), file, 0);
        let environment = [(String::from("SITE"), String::from("north"))].into_iter().collect();
        let outside = Outside { directory: "/etc/x", config_id: "lb01", environment: &environment };
        match definitions.expand(&text, &outside, &mut Origins::default()) {
            Expanded::New(text) => String::from_utf8(text.bytes.into_owned()).unwrap(),
            Expanded::Same(left) => {
                left.iter().map(|l| format!("<{}{:?}>", l.name, l.why)).collect::<String>()
            }
            Expanded::Lines(..) => "(lines)".into(),
            Expanded::TooLong(_) | Expanded::TooDeep(_) => "(too much)".into(),
        }
    }

    #[test]
    fn names_are_replaced_where_they_may_be() {
        let mut definitions = Definitions::new(1);
        let place = Span { file: Sources::new().add_root("t", vec![]), start: 0, end: 0 };
        definitions.set(b"IF", Meaning::Text(b"eth0".to_vec(), place));
        definitions.set(b"ML", Meaning::Lines(Rc::new([Text::plain(b"a", place.file, 0)])));
        let mut is =
            |line: &'static str, want: &str| assert_eq!(expand(&mut definitions, line), want, "{line}");
        is("dev $IF", "dev eth0");
        is("a${IF}b", "aeth0b");
        is("f($IF, $IF)", "f(eth0, eth0)");
        is("\"$IF\"", "");
        is("\"${IF}\"", "\"eth0\"");
        is("$IFX=", "");
        is("a ${_PWD}/b ${_INSTANCE}", "a /etc/x/b lb01");
        is("a ${NOBODY} $1 ${-}", "<NOBODYUndefined>");
        is("x $ML", "(lines)");
        is("x ${ML} y", "<MLLines>");
        is("${_ENV SITE}${_ENV NONE}.", "north.");
        is("${_RANDOM 5 5} ${_RANDOM  7  7 }", "5 7");
        assert!(expand(&mut definitions, "${_RANDOM a}").contains("Parameters"));
        assert!(expand(&mut definitions, "${_RANDOM 1 2 3}").contains("Parameters"));
        assert!(expand(&mut definitions, "${_PWD 1}").contains("Parameters"));
        assert!(expand(&mut definitions, "${_ENV}").contains("Parameters"));
    }

    #[test]
    fn random_numbers_are_in_their_range_and_repeatable() {
        let list = |seed: u64| {
            let mut definitions = Definitions::new(seed);
            let mut one = || expand(&mut definitions, "${_RANDOM 10 12}").parse::<u32>().unwrap();
            (0..50).map(|_| one()).collect::<Vec<_>>()
        };
        let seen = list(7);
        assert!((10..=12).all(|n| seen.contains(&n)) && seen.iter().all(|n| (10..=12).contains(n)));
        assert_eq!(seen, list(7));
        assert_ne!(seen, list(8));
        let default = expand(&mut Definitions::new(3), "${_RANDOM}").parse::<u32>().unwrap();
        assert!(default <= 32767);
    }

    #[test]
    fn definitions_and_conditions_are_recognised() {
        assert_eq!(definition(b"$A=b"), Some((1, 3)));
        assert_eq!(definition(b"$A ="), None);
        assert_eq!(definition(b"$1=b"), None);
        assert!(matches!(condition(b"@lb01 x", "lb01"), Condition::Keep(5)));
        assert!(matches!(condition(b"@^lb01 x", "lb01"), Condition::Drop));
        assert!(matches!(condition(b"@^lb02 x", "lb01"), Condition::Keep(6)));
        assert!(matches!(condition(b"@lb01", "lb01"), Condition::Drop));
    }
}

//! `$NAME=value` and its uses, and the lines that only some hosts read (`@id`).

use crate::source::Span;
use crate::text::{Splice, Text, is_blank};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// The longest line after substitution, as before it.
pub(crate) const LINE_LIMIT: usize = 1023;

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    Text(Vec<u8>),
    /// A definition over several lines, which is not built yet.
    Lines,
}

/// The names defined so far.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    names: BTreeMap<Vec<u8>, Meaning>,
}

/// What became of one line.
pub(crate) enum Expanded<'a> {
    /// Nothing to replace.
    Same,
    /// Replaced; the new text.
    New(Text<'a>),
    /// It uses something that is not built yet, by the name of its keyword.
    NotBuilt(&'static str, Span),
    /// It uses a name that nobody defined.
    Undefined(String, Span),
    /// It would become too long.
    TooLong(Span),
}

/// Values that come from outside the text.
pub(crate) struct BuiltIn<'s> {
    pub(crate) directory: &'s str,
    pub(crate) config_id: &'s str,
}

impl Definitions {
    pub(crate) fn set(&mut self, name: &[u8], meaning: Meaning) {
        self.names.insert(name.to_vec(), meaning);
    }

    /// Replaces every name in `text` once. `secret`: a lone `$name` may be part of a password.
    pub(crate) fn expand<'a>(&self, text: &Text<'a>, outside: &BuiltIn<'_>, secret: bool) -> Expanded<'a> {
        let bytes = &text.bytes;
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
            let value = match self.value(&usage, outside, quoted) {
                Value::Bytes(value) => value,
                Value::NotBuilt(what) => return Expanded::NotBuilt(what, text.span(place)),
                // A shell's own variable in a quoted command stays; so does a dollar in a password.
                Value::None if quoted || secret => {
                    at = place.end;
                    continue;
                }
                Value::None => {
                    return Expanded::Undefined(crate::text::shown(usage.name), text.span(place));
                }
            };
            let splice = splice.get_or_insert_with(|| Splice::new(text));
            splice.copy(from..at);
            splice.replace(place.clone(), &value);
            if splice.len() > LINE_LIMIT {
                return Expanded::TooLong(text.span(place));
            }
            from = place.end;
            at = place.end;
        }
        match splice {
            None => Expanded::Same,
            Some(mut splice) => {
                splice.copy(from..bytes.len());
                if splice.len() > LINE_LIMIT {
                    return Expanded::TooLong(text.span(0..bytes.len()));
                }
                Expanded::New(splice.finish())
            }
        }
    }

    fn value(&self, usage: &Usage<'_>, outside: &BuiltIn<'_>, quoted: bool) -> Value {
        match self.names.get(usage.name) {
            Some(Meaning::Text(value)) if usage.parameters.is_empty() => return Value::Bytes(value.clone()),
            Some(Meaning::Lines) => return Value::NotBuilt("$NAME="),
            _ => {}
        }
        if !usage.braced {
            return Value::None;
        }
        match usage.name {
            // The result is searched for comments again, where only quotes or a backslash protect it.
            b"_HASH" => Value::Bytes(if quoted { b"#".to_vec() } else { b"\\#".to_vec() }),
            b"_BANG" => Value::Bytes(if quoted { b"!".to_vec() } else { b"\\!".to_vec() }),
            b"_PWD" => Value::Bytes(outside.directory.as_bytes().to_vec()),
            b"_INSTANCE" => Value::Bytes(outside.config_id.as_bytes().to_vec()),
            b"_RANDOM" => Value::NotBuilt("${_RANDOM}"),
            b"_ENV" => Value::NotBuilt("${_ENV}"),
            _ => Value::None,
        }
    }
}

enum Value {
    Bytes(Vec<u8>),
    NotBuilt(&'static str),
    None,
}

/// A `$` that could be a use of a name.
struct Usage<'b> {
    name: &'b [u8],
    parameters: &'b [u8],
    braced: bool,
    length: usize,
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
fn name_length(bytes: &[u8]) -> usize {
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

    fn expand(definitions: &Definitions, line: &str) -> Option<String> {
        let file = Sources::new().add_root("t", vec![]);
        let text = Text::plain(line.as_bytes(), file, 0);
        let outside = BuiltIn { directory: "/etc/x", config_id: "lb01" };
        match definitions.expand(&text, &outside, false) {
            Expanded::New(text) => Some(String::from_utf8(text.bytes.into_owned()).unwrap()),
            Expanded::Same => Some("(same)".into()),
            Expanded::NotBuilt(..) | Expanded::Undefined(..) | Expanded::TooLong(_) => None,
        }
    }

    #[test]
    fn names_are_replaced_where_they_may_be() {
        let mut definitions = Definitions::default();
        definitions.set(b"IF", Meaning::Text(b"eth0".to_vec()));
        let is = |line: &str, want: &str| assert_eq!(expand(&definitions, line).as_deref(), Some(want));
        is("dev $IF", "dev eth0");
        is("a${IF}b", "aeth0b");
        is("f($IF, $IF)", "f(eth0, eth0)");
        is("\"$IF\"", "(same)");
        is("\"${IF}\"", "\"eth0\"");
        is("$IFX=", "(same)");
        is("a ${_PWD}/b ${_INSTANCE}", "a /etc/x/b lb01");
        is("script \"x $HOME\"", "(same)");
        assert_eq!(expand(&definitions, "a ${NOBODY}"), None);
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

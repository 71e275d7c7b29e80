//! The second way in which keepalived splits a line: commands and regular expressions, much as a shell
//! would read them. Single and double quotes group, a backslash escapes, in and out of quotes.

use crate::source::Span;
use crate::text::{Splice, Text, Word, is_blank};
use alloc::vec::Vec;
use core::ops::Range;

/// How the words behind a keyword are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// A command: its first word is split once more, into a path and arguments.
    Command,
    /// A regular expression.
    Pattern,
}

impl Script {
    /// How the line of this keyword is read; `None`: like every other line.
    pub(crate) fn of(keyword: &[u8]) -> Option<Self> {
        Some(match keyword {
            b"script"
            | b"misc_path"
            | b"quorum_up"
            | b"quorum_down"
            | b"startup_script"
            | b"shutdown_script"
            | b"notify_fifo_script"
            | b"vrrp_notify_fifo_script"
            | b"lvs_notify_fifo_script"
            | b"notify"
            | b"notify_master"
            | b"notify_backup"
            | b"notify_fault"
            | b"notify_stop"
            | b"notify_deleted"
            | b"notify_master_rx_lower_pri"
            | b"notify_up"
            | b"notify_down" => Self::Command,
            b"regex" => Self::Pattern,
            _ => return None,
        })
    }
}

/// A line that was read in this way.
#[derive(Clone, Debug)]
pub(crate) struct ScriptLine<'a> {
    /// The words behind the keyword, quotes and escapes resolved.
    pub(crate) words: Vec<Word<'a>>,
    /// The command: the first of these words, split into the path and its arguments. Empty when there is
    /// nothing in the word; for a regular expression, too.
    pub(crate) command: Vec<Word<'a>>,
}

/// Why a line cannot be read in this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing closes the quote at this place.
    OpenQuote(Span),
    /// The escape at this place stands for the byte that ends every command.
    Nul(Span),
}

/// Reads a line whose first word is a keyword.
pub(crate) fn script_line<'a>(
    text: &Text<'a>,
    range: Range<usize>,
    script: Script,
) -> Result<ScriptLine<'a>, Flaw> {
    let found = split(text, range)?;
    let words = found.iter().skip(1).map(Piece::word).collect();
    let command = match (script, found.get(1)) {
        (Script::Command, Some(first)) => {
            split(&first.text, 0..first.text.bytes.len())?.iter().map(Piece::word).collect()
        }
        _ => Vec::new(),
    };
    Ok(ScriptLine { words, command })
}

/// A word, and what it was made of.
struct Piece<'a> {
    text: Text<'a>,
    /// With its quotes.
    span: Span,
}

impl<'a> Piece<'a> {
    fn word(&self) -> Word<'a> {
        Word { text: self.text.bytes.clone(), span: self.span }
    }
}

fn split<'a>(text: &Text<'a>, range: Range<usize>) -> Result<Vec<Piece<'a>>, Flaw> {
    let mut words = Vec::new();
    let mut at = range.start;
    let end = range.end.min(text.bytes.len());
    while at < end {
        if text.bytes.get(at).copied().is_some_and(is_blank) {
            at += 1;
            continue;
        }
        let (word, length) = word(text, at..end)?;
        words.push(Piece { text: word, span: text.span(at..at + length) });
        at += length;
    }
    Ok(words)
}

/// The word at the start of `range`, and how many bytes it takes.
fn word<'a>(text: &Text<'a>, range: Range<usize>) -> Result<(Text<'a>, usize), Flaw> {
    let bytes = text.bytes.get(..range.end).unwrap_or(&text.bytes);
    let mut splice = Splice::new(text);
    // What stands between here and `at` is copied as it is.
    let mut from = range.start;
    let mut at = range.start;
    let mut quote: Option<usize> = None;
    while let Some(&byte) = bytes.get(at) {
        match (byte, quote) {
            (b'\\', _) if at + 1 < bytes.len() => {
                splice.copy(from..at);
                let (value, length) = escape(bytes.get(at + 1..).unwrap_or_default());
                if value == 0 {
                    return Err(Flaw::Nul(text.span(at..at + 1 + length)));
                }
                splice.replace(at..at + 1 + length, &[value]);
                at += 1 + length;
                from = at;
                continue;
            }
            (b'"' | b'\'', None) => {
                splice.copy(from..at);
                quote = Some(at);
                from = at + 1;
            }
            (b'"' | b'\'', Some(open)) if bytes.get(open) == Some(&byte) => {
                splice.copy(from..at);
                quote = None;
                from = at + 1;
            }
            (byte, None) if is_blank(byte) => break,
            _ => {}
        }
        at += 1;
    }
    if let Some(open) = quote {
        return Err(Flaw::OpenQuote(text.span(open..open + 1)));
    }
    splice.copy(from..at);
    Ok((splice.finish(), at - range.start))
}

/// What follows a backslash: the byte that is meant, and how many bytes say so.
fn escape(bytes: &[u8]) -> (u8, usize) {
    let Some(&first) = bytes.first() else { return (b'\\', 0) };
    let number = |from: usize, most: usize, base: u32| {
        let digits = bytes.iter().skip(from).take(most);
        digits
            .map_while(|b| char::from(*b).to_digit(base))
            .fold((0u32, from), |(value, length), digit| (value * base + digit, length + 1))
    };
    let low = |value: u32| value.to_le_bytes()[0];
    match first {
        b'a' => (0x07, 1),
        b'b' => (0x08, 1),
        b'E' => (0x1b, 1),
        b'f' => (0x0c, 1),
        b'n' => (b'\n', 1),
        b'r' => (b'\r', 1),
        b't' => (b'\t', 1),
        b'v' => (0x0b, 1),
        b'0'..=b'7' => {
            let (value, length) = number(0, 3, 8);
            (low(value), length)
        }
        b'x' if bytes.get(1).is_some_and(u8::is_ascii_hexdigit) => {
            let (value, length) = number(1, 2, 16);
            (low(value), length)
        }
        b'c' => match bytes.get(1) {
            Some(letter) => (letter & 0x1f, 2),
            None => (first, 1),
        },
        other => (other, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;
    use alloc::string::String;
    use alloc::vec;

    fn read(line: &str, script: Script) -> Result<(Vec<String>, Vec<String>), Flaw> {
        let file = Sources::new().add_root("t", vec![]);
        let text = Text::plain(line.as_bytes(), file, 0);
        let plain = |list: Vec<Word<'_>>| {
            list.into_iter().map(|w| String::from_utf8_lossy(&w.text).into_owned()).collect()
        };
        script_line(&text, 0..line.len(), script).map(|line| (plain(line.words), plain(line.command)))
    }

    fn words(line: &str) -> Vec<String> {
        read(line, Script::Pattern).unwrap().0
    }

    fn command(line: &str) -> Vec<String> {
        read(line, Script::Command).unwrap().1
    }

    #[test]
    fn only_the_first_word_is_the_command() {
        assert_eq!(command("script /bin/x a b"), ["/bin/x"]);
        assert_eq!(words("notify /bin/x root wheel"), ["/bin/x", "root", "wheel"]);
        assert_eq!(command(r#"script "/bin/x a b" root"#), ["/bin/x", "a", "b"]);
        assert_eq!(command("script '/bin/x a b'"), ["/bin/x", "a", "b"]);
        assert!(command("script").is_empty() && command("script ''").is_empty());
        assert_eq!(words("script '' \"\""), ["", ""]);
    }

    #[test]
    fn quotes_group_and_join() {
        assert_eq!(words(r#"script a"b c"d'e "f' g"#), ["ab cde \"f", "g"]);
        assert_eq!(
            command(r#"script "/bin/sh -c 'kill -0 `cat /x`'""#),
            ["/bin/sh", "-c", "kill -0 `cat /x`"]
        );
        assert_eq!(command(r#"script "/bin/sh -c \"a b\"""#), ["/bin/sh", "-c", "a b"]);
        assert_eq!(command(r#"script '/bin/sh -c "it'\''s"'"#).len(), 3);
    }

    #[test]
    fn escapes_hold_in_and_out_of_quotes() {
        assert_eq!(words(r#"regex a\tb "c\x41\101\cAd" \"e\q"#), ["a\tb", "cAA\u{1}d", "\"eq"]);
        assert_eq!(words(r"regex a\ b c\\"), ["a b", "c\\"]);
        assert_eq!(words(r"regex \E\a\xg"), ["\u{1b}\u{7}xg"]);
        // A backslash at the very end has nothing to escape.
        assert_eq!(words(r"regex a\"), ["a\\"]);
    }

    #[test]
    fn what_cannot_be_read_is_shown_where_it_stands() {
        let at = |line: &str| match read(line, Script::Command) {
            Err(Flaw::OpenQuote(span)) => ("quote", span.start),
            Err(Flaw::Nul(span)) => ("nul", span.start),
            Ok(words) => panic!("{words:?}"),
        };
        assert_eq!(at("script 'a b"), ("quote", 7));
        assert_eq!(at(r#"script "a 'b c""#), ("quote", 10));
        assert_eq!(at(r#"script 'a "b c'"#), ("quote", 10));
        assert_eq!(at(r"script a\0b"), ("nul", 8));
        assert_eq!(at(r"script a\x00"), ("nul", 8));
    }

    #[test]
    fn places_survive_both_splits() {
        let file = Sources::new().add_root("t", vec![]);
        let line = br#"script "/bin/x \x41 'b c'" root"#;
        let read = script_line(&Text::plain(line, file, 100), 0..line.len(), Script::Command).unwrap();
        let places: Vec<_> = read.command.iter().map(|w| (w.span.start - 100, w.span.end - 100)).collect();
        assert_eq!(places, [(8, 14), (15, 19), (20, 25)]);
        assert_eq!((read.words[1].span.start, read.words[1].span.end), (127, 131));
    }
}

//! One line of text that remembers where each of its bytes came from, through escapes and substitutions.

use crate::source::{FileId, Span};
use alloc::borrow::Cow;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::ops::Range;

/// A run of bytes with one origin.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where the run starts in the line.
    at: u32,
    /// Where it came from.
    file: FileId,
    start: u32,
    end: u32,
    /// Copied byte for byte; otherwise the whole run stands for the whole of `start..end`.
    copied: bool,
}

/// A line, or a part of one.
#[derive(Clone, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) bytes: Cow<'a, [u8]>,
    file: FileId,
    /// Where `bytes` starts: in the file when there are no pieces, else in the line that the pieces describe.
    shift: u32,
    pieces: Option<Rc<[Piece]>>,
}

impl<'a> Text<'a> {
    /// Bytes of a file, unchanged.
    pub(crate) fn plain(bytes: &'a [u8], file: FileId, start: u32) -> Self {
        Self { bytes: Cow::Borrowed(bytes), file, shift: start, pieces: None }
    }

    /// Where a part of this text came from.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        let start = self.shift + clamp(range.start);
        let end = self.shift + clamp(range.end);
        let Some(pieces) = &self.pieces else { return Span { file: self.file, start, end } };
        let Some(first) = piece(pieces, start) else {
            return Span { file: self.file, start: 0, end: 0 };
        };
        let from = if first.copied { (first.start + (start - first.at)).min(first.end) } else { first.start };
        // The last byte decides about the end: the next one may come from somewhere else.
        let to = match piece(pieces, end.saturating_sub(1)).filter(|_| end > start) {
            Some(last) if last.file != first.file => first.end,
            Some(last) if last.copied => (last.start + (end - last.at)).min(last.end),
            Some(last) => last.end,
            None => from,
        };
        Span { file: first.file, start: from, end: to.max(from) }
    }

    /// The same text, read in a context.
    pub(crate) fn within(mut self, context: u32) -> Self {
        self.file = self.file.within(context);
        if let Some(pieces) = &mut self.pieces {
            *pieces = pieces.iter().map(|p| Piece { file: p.file.within(context), ..*p }).collect();
        }
        self
    }

    /// A part of this text.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let shift = self.shift + clamp(range.start);
        let bytes = match &self.bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(range).unwrap_or(&[])),
            Cow::Owned(bytes) => Cow::Owned(bytes.get(range).unwrap_or(&[]).to_vec()),
        };
        Self { bytes, file: self.file, shift, pieces: self.pieces.clone() }
    }

    /// This text without blanks at both ends.
    pub(crate) fn trim(&self) -> Self {
        let is_text = |b: &u8| !is_blank(*b);
        let Some(start) = self.bytes.iter().position(is_text) else { return self.slice(0..0) };
        let end = self.bytes.iter().rposition(is_text).map_or(start, |last| last + 1);
        self.slice(start..end)
    }
}

/// The run that holds a byte.
fn piece(pieces: &[Piece], at: u32) -> Option<&Piece> {
    pieces.get(pieces.partition_point(|p| p.at <= at).saturating_sub(1))
}

/// Builds a text out of parts of another one and of foreign bytes.
pub(crate) struct Splice<'t, 'a> {
    from: &'t Text<'a>,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

impl<'t, 'a> Splice<'t, 'a> {
    pub(crate) fn new(from: &'t Text<'a>) -> Self {
        Self { from, bytes: Vec::with_capacity(from.bytes.len()), pieces: Vec::new() }
    }

    /// Copies a part of the old text, each run of it with its own origin.
    pub(crate) fn copy(&mut self, range: Range<usize>) {
        let Some(part) = self.from.bytes.get(range.clone()) else { return };
        if part.is_empty() {
            return;
        }
        let Some(pieces) = &self.from.pieces else {
            self.piece(self.from.span(range), true);
            self.bytes.extend_from_slice(part);
            return;
        };
        let (first, last) = (self.from.shift + clamp(range.start), self.from.shift + clamp(range.end));
        let base = clamp(self.bytes.len());
        let from = pieces.partition_point(|p| p.at <= first).saturating_sub(1);
        for piece in pieces.iter().skip(from).take_while(|piece| piece.at < last) {
            let begins = piece.at.max(first);
            let skipped = if piece.copied { begins - piece.at } else { 0 };
            let at = base + (begins - first);
            self.pieces.push(Piece { at, start: piece.start + skipped, ..*piece });
        }
        self.bytes.extend_from_slice(part);
    }

    /// Puts `bytes` in the place of a part of the old text.
    pub(crate) fn replace(&mut self, range: Range<usize>, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.piece(self.from.span(range), false);
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Puts another text behind what there is.
    pub(crate) fn append(&mut self, text: &Text<'_>) {
        let mut other = Splice::new(text);
        other.copy(0..text.bytes.len());
        let base = clamp(self.bytes.len());
        self.pieces.extend(other.pieces.into_iter().map(|p| Piece { at: base + p.at, ..p }));
        self.bytes.extend_from_slice(&other.bytes);
    }

    fn piece(&mut self, span: Span, copied: bool) {
        let Span { file, start, end } = span;
        self.pieces.push(Piece { at: clamp(self.bytes.len()), file, start, end, copied });
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn finish(self) -> Text<'a> {
        let pieces = Some(self.pieces.into());
        Text { bytes: Cow::Owned(self.bytes), file: self.from.file, shift: 0, pieces }
    }
}

/// The separators of words.
pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// A place in a file fits 32 bits: files are at most 64 MiB.
fn clamp(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Cuts the comment off, resolves `\#` and `\!`, and trims.
///
/// A backslash hides the next character from this search everywhere, so `\"` does not change whether the
/// text is quoted; only before `#` and `!` outside quotes does it disappear.
pub(crate) fn strip<'a>(text: &Text<'a>) -> Text<'a> {
    let bytes = &text.bytes;
    let mut escapes = Vec::new();
    let mut quoted = false;
    let mut end = bytes.len();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => {
                if !quoted && matches!(bytes.get(at + 1), Some(b'#' | b'!')) {
                    escapes.push(at);
                }
                at += 1;
            }
            b'"' => quoted = !quoted,
            b'#' | b'!' if !quoted => {
                end = at;
                break;
            }
            _ => {}
        }
        at += 1;
    }
    if escapes.is_empty() {
        return text.slice(0..end).trim();
    }
    let mut splice = Splice::new(text);
    let mut from = 0;
    for escape in escapes {
        splice.copy(from..escape);
        from = escape + 1;
    }
    splice.copy(from..end);
    splice.finish().trim()
}

/// A word of a line.
#[derive(Clone, Debug)]
pub(crate) struct Word<'a> {
    pub(crate) text: Cow<'a, [u8]>,
    pub(crate) span: Span,
}

impl Word<'_> {
    /// The word for people: bytes that are not UTF-8 become question marks, long ones are cut.
    pub(crate) fn shown(&self) -> alloc::string::String {
        shown(&self.text)
    }
}

/// Bytes for people: at most 60 characters, none of them a control character.
pub(crate) fn shown(bytes: &[u8]) -> alloc::string::String {
    let text = alloc::string::String::from_utf8_lossy(bytes);
    let mut out: alloc::string::String =
        text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        out.push('…');
    }
    out
}

/// A piece of a line between braces.
#[derive(Debug)]
pub(crate) enum Part {
    Words(Range<usize>),
    Open(usize),
    Close(usize),
}

/// Splits a line at its braces outside double quotes. A `${NAME}` that nobody defined stays one word: as braces
/// it would damage the block around it, which nobody wants; so does a mark of a template.
pub(crate) fn parts(bytes: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut quoted = false;
    let mut from = 0;
    let mut whole = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'$' if !quoted && at >= whole => whole = at + crate::definitions::name_in_braces(&bytes[at..]),
            b'{' if !quoted && at >= whole && template_mark(&bytes[at..]) > 0 => {
                whole = at + template_mark(&bytes[at..]);
            }
            b'{' | b'}' if !quoted && at >= whole => {
                parts.push(Part::Words(from..at));
                parts.push(if *byte == b'{' { Part::Open(at) } else { Part::Close(at) });
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(Part::Words(from..bytes.len()));
    parts
}

/// The length of the mark of a template that begins a text: `{{ NAME }}`, `{% if … %}`; 0 if it is none.
fn template_mark(bytes: &[u8]) -> usize {
    let end: &[u8] = match bytes.get(..2) {
        Some(b"{{") => b"}}",
        Some(b"{%") => b"%}",
        _ => return 0,
    };
    bytes.windows(2).position(|pair| pair == end).map_or(0, |at| at + 2)
}

/// Where the first mark of a template stands outside double quotes.
pub(crate) fn find_template_mark(bytes: &[u8]) -> Option<Range<usize>> {
    let mut quoted = false;
    bytes.iter().enumerate().find_map(|(at, byte)| {
        quoted ^= *byte == b'"';
        let length = if *byte == b'{' && !quoted { template_mark(&bytes[at..]) } else { 0 };
        (length > 0).then_some(at..at + length)
    })
}

/// The words of a text. A quote begins and ends a word, also in its middle; the rest after a quote that is
/// never closed is dropped; the answer is where that quote stands.
pub(crate) fn words<'a>(text: &Text<'a>, range: Range<usize>, out: &mut Vec<Word<'a>>) -> Option<usize> {
    let bytes = text.bytes.get(..range.end).unwrap_or(&text.bytes);
    let mut at = range.start;
    while at < bytes.len() {
        if is_blank(bytes[at]) {
            at += 1;
        } else if bytes[at] == b'"' {
            let inner = at + 1;
            let Some(length) = bytes[inner..].iter().position(|b| *b == b'"') else { return Some(at) };
            out.push(Word {
                text: text.slice(inner..inner + length).bytes,
                span: text.span(at..inner + length + 1),
            });
            at = inner + length + 1;
        } else {
            let length =
                bytes[at..].iter().position(|b| is_blank(*b) || *b == b'"').unwrap_or(bytes.len() - at);
            out.push(Word { text: text.slice(at..at + length).bytes, span: text.span(at..at + length) });
            at += length;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;
    use alloc::string::String;
    use alloc::vec;

    fn split(line: &str) -> Vec<String> {
        let file = Sources::new().add_root("t", vec![]);
        let text = strip(&Text::plain(line.as_bytes(), file, 0));
        let mut list = Vec::new();
        for part in parts(&text.bytes) {
            match part {
                Part::Words(range) => {
                    let mut found = Vec::new();
                    words(&text, range, &mut found);
                    list.extend(found.into_iter().map(|w| String::from_utf8(w.text.into_owned()).unwrap()));
                }
                Part::Open(_) => list.push("{".into()),
                Part::Close(_) => list.push("}".into()),
            }
        }
        list
    }

    #[test]
    fn words_quotes_and_braces() {
        assert_eq!(split("  a  b\tc "), ["a", "b", "c"]);
        assert_eq!(split(r#"ab"c d"e "" f"#), ["ab", "c d", "e", "", "f"]);
        assert_eq!(split("a { b c }"), ["a", "{", "b", "c", "}"]);
        assert_eq!(split("} x {"), ["}", "x", "{"]);
        assert_eq!(split(r#"a "b { c" d"#), ["a", "b { c", "d"]);
        assert_eq!(split(r#"a "b c"#), ["a"]);
    }

    #[test]
    fn comments_and_escapes() {
        assert_eq!(split("a b # c"), ["a", "b"]);
        assert_eq!(split("a b! c"), ["a", "b"]);
        assert_eq!(split(r#"a "b # c" ! d"#), ["a", "b # c"]);
        assert_eq!(split(r"a b\#c d\!"), ["a", "b#c", "d!"]);
        // The backslash hides the quote from the search for comments only.
        assert_eq!(split(r#"a \"b c\" # d"#), ["a", "\\", "b c\\"]);
    }

    #[test]
    fn places_survive_an_escape() {
        let file = Sources::new().add_root("t", vec![]);
        let line = br"key a\#b c";
        let text = strip(&Text::plain(line, file, 100));
        let mut found = Vec::new();
        words(&text, 0..text.bytes.len(), &mut found);
        let places: Vec<_> = found.iter().map(|w| (w.span.start, w.span.end)).collect();
        assert_eq!(places, [(100, 103), (104, 108), (109, 110)]);
    }
}

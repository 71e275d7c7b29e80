//! Lines of keepalived.conf: blanks in front, words quoted where they must be.

use alloc::string::String;
use core::fmt::Write as _;

/// Longer lines are not read, so blanks that only please the eye are left out of them.
const LINE_LIMIT: usize = 1000;

/// Text that grows line by line.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// An empty line, but not at the start.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    pub(super) fn line(&mut self, line: &str) {
        if line.len() <= LINE_LIMIT {
            let blanks = self.depth * 4;
            // Writing to a string cannot fail.
            let _ = write!(self.text, "{:blanks$}", "");
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// `header {`, and the lines that follow stand deeper.
    pub(super) fn open(&mut self, header: &str) {
        if header.len() <= LINE_LIMIT {
            self.line(&[header, " {"].concat());
        } else {
            self.line(header);
            self.line("{");
        }
        self.depth += 1;
    }

    pub(super) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.line("}");
    }
}

/// A word as it must be written to be read as this one.
///
/// The language has no way to write a double quote or a line end, so no word that was read holds one.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '#' | '!' | '{' | '}' | '$');
    // At the start of a line these begin conditions, repetitions and includes; `//` looks like a comment.
    let mark = text.is_empty()
        || text.starts_with(['@', '~'])
        || text.starts_with("include")
        || text.starts_with("//");
    if !mark && text.chars().all(plain) {
        return String::from(text);
    }
    // A backslash right before the quote would hide it from the search for comments.
    let escapable = |c: char| plain(c) || matches!(c, '#' | '!');
    if text.ends_with('\\') && !mark && text.chars().all(escapable) {
        return text.replace('#', "\\#").replace('!', "\\!");
    }
    ["\"", text, "\""].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_they_must_be() {
        for text in ["eth0", "10.0.0.3/24", "VI-1", "a@b", "fe80::1", "it's", "a\\b", "\\"] {
            assert_eq!(word(text), text);
        }
        for text in ["", "a b", "a#b", "a!", "{", "$x", "@lb01", "~SEQ", "include", "//", "ä", "a\\#b"] {
            assert_eq!(word(text), alloc::format!("\"{text}\""));
        }
        assert_eq!(word("a#\\"), "a\\#\\");
    }

    #[test]
    fn long_lines_keep_to_the_limit() {
        let mut writer = Writer::default();
        let long = "x".repeat(1009);
        writer.open("a");
        writer.open(&long);
        writer.line(&long);
        writer.close();
        writer.close();
        let text = writer.finish();
        assert!(text.lines().all(|line| line.len() <= 1009), "{text}");
        assert!(text.starts_with("a {\nxxx") && text.ends_with("\n    }\n}\n"));
    }
}

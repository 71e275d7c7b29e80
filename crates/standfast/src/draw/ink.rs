//! Lines with meaning instead of colours: what is good, bad or somebody's. A terminal, a plain file and a
//! picture each show that in their own way.

use std::io::IsTerminal as _;

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Ordinary text.
    Plain,
    /// A headline.
    Bold,
    /// Of less interest.
    Dim,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Of the node with this number, from 0.
    Node(u8),
    /// Nobody answers.
    Silent,
}

/// A line, in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Ink, String)>);

impl Line {
    /// Ordinary text.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::default().add(Ink::Plain, text)
    }

    /// The same with more text at its end.
    pub(crate) fn add(mut self, ink: Ink, text: impl Into<String>) -> Self {
        let text = text.into();
        match self.0.last_mut() {
            Some((last, so_far)) if *last == ink => so_far.push_str(&text),
            _ => self.0.push((ink, text)),
        }
        self
    }

    /// The same with `text` ending in column `width`.
    pub(crate) fn flush(self, ink: Ink, text: &str, width: usize) -> Self {
        let room = width.saturating_sub(self.width() + text.chars().count()).max(1);
        self.add(Ink::Plain, " ".repeat(room)).add(ink, text)
    }

    /// How many columns it takes; all characters used here take one.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// Its pieces.
    pub(crate) fn pieces(&self) -> &[(Ink, String)] {
        &self.0
    }
}

/// How lines are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// With colours.
    pub(crate) colour: bool,
    /// With ASCII only.
    pub(crate) ascii: bool,
}

impl Look {
    /// What standard output and its reader can show.
    pub(crate) fn detect(ascii: bool) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let dumb = set("TERM").is_none_or(|term| term == "dumb");
        let colour = std::io::stdout().is_terminal() && !dumb && set("NO_COLOR").is_none();
        // The first that is set decides, as setlocale(3) has it.
        let language = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let language = language.to_ascii_lowercase();
        let utf8 = language.contains("utf-8") || language.contains("utf8");
        Self { colour, ascii: ascii || !utf8 }
    }

    /// The line as text, with its escape sequences and without its end.
    pub(crate) fn show(self, line: &Line) -> String {
        let mut shown = String::new();
        for (ink, text) in line.pieces() {
            let code = if self.colour { escape(*ink) } else { "" };
            shown.push_str(code);
            if self.ascii {
                shown.extend(text.chars().map(to_ascii));
            } else {
                shown.push_str(text);
            }
            if !code.is_empty() {
                shown.push_str("\x1b[0m");
            }
        }
        shown.truncate(shown.trim_end_matches(' ').len());
        shown
    }
}

const fn escape(ink: Ink) -> &'static str {
    match ink {
        Ink::Plain => "",
        Ink::Bold => "\x1b[1m",
        Ink::Dim => "\x1b[2m",
        Ink::Good => "\x1b[32m",
        Ink::Bad => "\x1b[1;31m",
        Ink::Node(number) => match number % 4 {
            0 => "\x1b[36m",
            1 => "\x1b[35m",
            2 => "\x1b[33m",
            _ => "\x1b[34m",
        },
        Ink::Silent => "\x1b[31m",
    }
}

/// One character for one, so that columns stay columns.
const fn to_ascii(character: char) -> char {
    match character {
        '█' => '#',
        '·' => '.',
        '×' => 'x',
        '░' => '_',
        '✓' => '+',
        '✗' => '!',
        '−' => '-',
        'µ' => 'u',
        '≤' => '<',
        '┆' => '|',
        '\0'..='\x7f' => character,
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_keeps_the_columns() {
        let line = Line::plain("3 × 1 s + (256 − 100)").add(Ink::Node(0), "██░·");
        let plain = Look { colour: false, ascii: true }.show(&line);
        assert_eq!(plain, "3 x 1 s + (256 - 100)##_.");
        assert_eq!(plain.len(), line.width());
    }

    #[test]
    fn colours_are_closed_and_line_ends_are_clean() {
        let line = Line::plain("a").add(Ink::Good, "✓").add(Ink::Plain, "  ");
        assert_eq!(Look { colour: true, ascii: false }.show(&line), "a\x1b[32m✓\x1b[0m");
        assert_eq!(Line::plain("ab").flush(Ink::Dim, "S3", 10).width(), 10);
    }
}

//! A line as words, with the place of each.

use std::time::Duration;

/// A word of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// Its text, without quotes.
    pub(crate) text: &'a str,
    /// Where it begins in the file.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
}

/// Signs that need no space around them, longest first.
const SIGNS: [&str; 4] = ["<->", "->", "<-", ","];

/// The words of a line that begins at byte `from` of its file; a comment is none.
pub(crate) fn split(line: &str, from: usize) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(first) = rest.chars().next() else { break };
        let length = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if matches!(first, '#' | '!') {
            break;
        } else if let Some(quoted) = rest.strip_prefix('"')
            && let Some(close) = quoted.find('"')
        {
            let text = &quoted[..close];
            words.push(Word { text, start: from + at, end: from + at + close + 2 });
            at += close + 2;
            continue;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            sign.len()
        } else {
            let ends = |(n, c): &(usize, char)| {
                c.is_whitespace()
                    || matches!(c, '#' | '"')
                    || SIGNS.iter().any(|sign| rest.get(*n..).is_some_and(|rest| rest.starts_with(sign)))
            };
            rest.char_indices().find(ends).map_or(rest.len(), |(n, _)| n)
        };
        let text = &rest[..length];
        words.push(Word { text, start: from + at, end: from + at + length });
        at += length;
    }
    words
}

/// `10s`, `1.5s`, `500ms`, `2m`, `1h`, `1m30s`, and `10` as seconds.
pub(crate) fn time(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    let mut units = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| !c.is_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let scale = match unit {
            "" if units == 0 && behind.is_empty() => 1.0,
            "ms" => 0.001,
            "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        total += Duration::try_from_secs_f64(number * scale).ok()?;
        units += 1;
        rest = behind;
    }
    // To the microsecond: what a fraction of a second means must not depend on how it was written.
    let micros = u64::try_from((total.as_nanos() + 500) / 1000).ok()?;
    (units > 0).then(|| Duration::from_micros(micros))
}

/// Whether a word is only the unit of the number before it: `10 s`.
pub(crate) fn is_unit(text: &str) -> bool {
    time(&format!("1{text}")).is_some() && text.starts_with(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_places() {
        let texts = |line| split(line, 0).iter().map(|word| word.text).collect::<Vec<_>>();
        assert_eq!(texts("at 0s start lb01, lb02 # both"), ["at", "0s", "start", "lb01", ",", "lb02"]);
        assert_eq!(texts("cut lb-1->lb02"), ["cut", "lb-1", "->", "lb02"]);
        assert_eq!(texts("cut \"my lb\" <-> b"), ["cut", "my lb", "<->", "b"]);
        let places: Vec<(usize, usize)> =
            split(" a \"b c\" ü", 10).iter().map(|w| (w.start, w.end)).collect();
        assert_eq!(places, [(11, 12), (13, 18), (19, 21)]);
        assert!(split("  ! nothing", 0).is_empty());
    }

    #[test]
    fn times_as_people_write_them() {
        let millis = |text| time(text).map(|time| time.as_millis());
        assert_eq!(millis("10s"), Some(10_000));
        assert_eq!(millis("1.5s"), Some(1_500));
        assert_eq!(millis("3.7"), Some(3_700));
        assert_eq!(millis("1m30s"), Some(90_000));
        assert_eq!(millis("250ms"), Some(250));
        assert_eq!(
            (millis("s"), millis("10x"), millis(""), millis("1..2s"), millis("10s5")),
            (None, None, None, None, None)
        );
        assert!(is_unit("s") && is_unit("ms") && !is_unit("start") && !is_unit("5s"));
    }
}

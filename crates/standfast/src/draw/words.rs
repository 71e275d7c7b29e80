//! Times, counts and paragraphs as people read them.

use std::time::Duration;

use timeline::Instant;

/// Columns of the text.
pub(crate) const WIDTH: usize = 80;

/// Breaks a text at spaces so that it fits; what follows the first row is indented.
pub(crate) fn wrap(text: &str, indent: usize) -> Vec<String> {
    let lead = text.len() - text.trim_start_matches(' ').len();
    let mut rows = vec![" ".repeat(lead)];
    let mut begun = false;
    for word in text.trim_start_matches(' ').split_inclusive(' ') {
        let Some(row) = rows.last_mut() else { break };
        if begun && row.chars().count() + word.trim_end_matches(' ').chars().count() > WIDTH {
            rows.push(format!("{}{word}", " ".repeat(indent)));
        } else {
            row.push_str(word);
            begun = true;
        }
    }
    rows
}

/// Seconds since `begun`, to the microsecond.
pub(crate) fn seconds(at: Instant, begun: Instant) -> f64 {
    secs(at.since(begun))
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

/// A time in seconds for JSON, to the microsecond.
pub(crate) fn secs(span: Duration) -> f64 {
    rounded(span.as_secs_f64(), 1e6)
}

/// A time in milliseconds for JSON, to the microsecond.
pub(crate) fn millis(span: Duration) -> f64 {
    rounded(span.as_secs_f64() * 1e3, 1e3)
}

/// Signed nanoseconds as microseconds for JSON, to a tenth.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a minute are far below 2^52")]
pub(crate) fn micros(nanos: i64) -> f64 {
    rounded(nanos as f64 / 1e3, 10.0)
}

/// A time as people read it: `3.609 s`, `612 ms`, `2.1 ms`, `312 µs`.
pub(crate) fn span(length: Duration) -> String {
    let micros = (length.as_nanos() + 500) / 1000;
    match micros {
        0..=999 => format!("{micros} µs"),
        1_000..=9_999 => format!("{:.1} ms", length.as_secs_f64() * 1e3),
        10_000..=999_499 => format!("{:.0} ms", length.as_secs_f64() * 1e3),
        _ => format!("{:.3} s", length.as_secs_f64()),
    }
}

/// `1 advert`, `2 adverts`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let text = |micros| span(Duration::from_micros(micros));
        assert_eq!(text(312), "312 µs");
        assert_eq!(text(2_140), "2.1 ms");
        assert_eq!(text(612_345), "612 ms");
        assert_eq!(text(999_700), "1.000 s");
        assert_eq!(text(3_609_402), "3.609 s");
    }

    #[test]
    fn long_text_is_broken_at_spaces() {
        let long = format!("   x {}", "word ".repeat(40));
        let rows = wrap(&long, 5);
        assert!(rows.len() == 3 && rows.iter().all(|row| row.trim_end().chars().count() <= WIDTH));
        assert!(rows[0].starts_with("   x word") && rows[1].starts_with("     word"));
        assert_eq!(wrap("", 3), [""]);
    }
}

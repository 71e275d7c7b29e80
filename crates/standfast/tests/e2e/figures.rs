//! What was measured on the way, printed when all tests are done: the tests only hold it against generous bounds.

use std::fmt::Display;
use std::sync::Mutex;
use std::time::Duration;

static FIGURES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Notes a measurement.
pub(crate) fn note(what: impl Display, value: impl Display) {
    FIGURES.lock().unwrap().push(format!("{what}: {value}"));
}

/// Notes a time in milliseconds.
pub(crate) fn time(what: impl Display, value: Duration) {
    note(what, format_args!("{:.1} ms", value.as_secs_f64() * 1000.0));
}

/// Prints all, sorted by what they are.
pub(crate) fn print() {
    let mut figures = FIGURES.lock().unwrap();
    if !figures.is_empty() {
        figures.sort();
        println!("measured:\n  {}", figures.join("\n  "));
    }
}

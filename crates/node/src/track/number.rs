//! One tracked file: the number in it.

use crate::io::Unread;
use alloc::string::String;
use timeline::Instant;

/// The number in a file, as far as it is known.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) path: String,
    /// The last number that was read.
    pub(crate) value: i32,
    /// Why the file says nothing now.
    pub(crate) unread: Option<Unread>,
    /// Somebody has looked.
    pub(crate) is_known: bool,
    pub(crate) since: Instant,
}

/// What is new about a file.
pub(crate) struct News {
    /// It is worth a word.
    pub(crate) is_told: bool,
    /// It counts otherwise than before.
    pub(crate) counts: bool,
}

impl Number {
    pub(crate) const fn new(path: String, now: Instant) -> Self {
        Self { path, value: 0, unread: None, is_known: false, since: now }
    }

    /// Takes what was read. A file that is gone says 0; one that cannot be understood says what it said before.
    pub(crate) fn set(&mut self, now: Instant, read: Result<i32, Unread>) -> Option<News> {
        let value = match read {
            Ok(value) => value,
            Err(Unread::Absent) => 0,
            Err(Unread::Garbage | Unread::NotAFile(_) | Unread::Refused(_)) => self.value,
        };
        let (unread, first) = (read.err(), !self.is_known);
        if !first && (value, unread) == (self.value, self.unread) {
            return None;
        }
        let is_other = value != self.value;
        // That a file is not there is how many tracked files begin.
        let is_told = if first { !matches!(unread, None | Some(Unread::Absent)) || is_other } else { true };
        if is_other || first {
            self.since = now;
        }
        (self.value, self.unread, self.is_known) = (value, unread, true);
        Some(News { is_told, counts: first || is_other })
    }
}

//! `auth_hmac`: the keys that sign adverts.
//!
//! keepalived drops a block that cannot be used, and then sends unsigned. Here that is an error: whoever asks for
//! signatures must not get adverts without them, and partners that require them would not hear this node.

use super::instance::Draft;
use super::value::Numbers;
use super::{Given, Lower};
use crate::registry::Id;
use crate::source::{Found, IncludeKind, IncludeRequest, Span};
use crate::text::Word;
use crate::tree::At;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use model::{Authentication, Key, KeyMode, Keyring, Replay};

/// What there is to do about most findings here.
const MAKE: &str = "`openssl rand -hex 32` makes one: write it as `key 1 hex:...`, the same on all nodes";

/// An `auth_hmac` block as it is written.
#[derive(Debug)]
pub(super) struct Keys {
    block: Span,
    keys: Vec<(u8, Key, Span)>,
    /// A key was written but cannot be used; that was reported.
    refused: bool,
    active: Option<(u8, Span)>,
    window: Option<Duration>,
    replay: Replay,
    mode: Option<(KeyMode, Span)>,
}

impl Keys {
    /// The line that says how strictly signatures are required, or the whole block.
    pub(super) fn place(&self) -> Span {
        self.mode.map_or(self.block, |(_, span)| span)
    }

    /// The first key.
    pub(super) fn first(&self) -> Span {
        self.keys.first().map_or(self.block, |(.., span)| *span)
    }
}

impl Lower<'_> {
    pub(super) fn keys(&mut self, block: At<'_, '_>, draft: &mut Draft) {
        self.extra(block, 0);
        let mut to = Keys {
            block: block.node.span,
            keys: Vec::new(),
            refused: false,
            active: None,
            window: None,
            replay: Replay::Time,
            mode: None,
        };
        let mut given = Given::default();
        for at in block.children() {
            self.given(&mut given, at);
            match at.node.keyword.map(|k| k.name) {
                Some("key") => self.key(at, &mut to),
                Some("active_key") => {
                    let id = self.number(at, &Numbers::count(1..=255)).and_then(|id| u8::try_from(id).ok());
                    match id {
                        Some(id) => to.active = Some((id, at.node.span)),
                        None => to.refused = true,
                    }
                }
                Some("time_window") => {
                    let allowed = Numbers::seconds(1..=300).otherwise("the default is used");
                    to.window = self.number(at, &allowed).map(Duration::from_secs).or(to.window);
                }
                Some("anti_replay") => {
                    let Some(word) = self.value(at) else { continue };
                    self.one_of(word, &["time", "monotonic"], false);
                    match &*word.text {
                        b"time" => to.replay = Replay::Time,
                        b"monotonic" => to.replay = Replay::Monotonic,
                        _ => {}
                    }
                }
                Some("mode") => {
                    let Some(word) = self.value(at) else { continue };
                    self.one_of(word, &["enforce", "permissive", "receive-only"], false);
                    let mode = match &*word.text {
                        b"enforce" => KeyMode::Enforce,
                        b"permissive" => KeyMode::Permissive,
                        b"receive-only" => KeyMode::ReceiveOnly,
                        _ => continue,
                    };
                    to.mode = Some((mode, at.node.span));
                }
                _ => self.passed_over(at),
            }
        }
        if let Some(first) = &draft.keys {
            let first = first.block;
            self.findings.add(Id::RepeatedKeyword, block.node.span, |d| {
                d.say("`auth_hmac` is given twice: this one counts").label(first, "this one does not")
            });
        }
        draft.keys = Some(to);
    }

    /// `ID VALUE`. Nothing of the value is ever shown.
    fn key(&mut self, at: At<'_, '_>, to: &mut Keys) {
        let [id, value, rest @ ..] = at.arguments() else {
            to.refused = true;
            return self.unusable(at.node.span, "a key needs a number and a value", MAKE);
        };
        if let Some(first) = rest.first() {
            to.refused = true;
            let help = "put a key with blanks in double quotes, on every node";
            return self.unusable(first.span, "the key ends before this word", help);
        }
        let number = core::str::from_utf8(&id.text).ok().and_then(|text| text.parse::<u8>().ok());
        let Some(number) = number.filter(|number| *number > 0) else {
            to.refused = true;
            return self.unusable(id.span, "the number of a key is 1 to 255", MAKE);
        };
        if let Some((.., first)) = to.keys.iter().find(|(other, ..)| *other == number) {
            let first = *first;
            to.refused = true;
            return self.findings.add(Id::HmacKey, id.span, |d| {
                d.say(format!("there is a key {number} already"))
                    .label(first, "the first one")
                    .help("give each key a number of its own, the same on all nodes")
            });
        }
        match self.key_bytes(value) {
            Ok(bytes) => match Key::new(&bytes) {
                Some(key) => return to.keys.push((number, key, at.node.span)),
                None => {
                    let what = format!("the key has {} bytes; it needs 32 to 64", bytes.len());
                    self.unusable(value.span, &what, MAKE);
                }
            },
            Err(Unread::Asked) => {}
            Err(Unread::Why(what)) => self.unusable(value.span, &what, MAKE),
        }
        to.refused = true;
    }

    fn unusable(&mut self, span: Span, what: &str, help: &str) {
        self.findings.add(Id::HmacKey, span, |d| d.say(what.to_string()).help(help.to_string()));
    }

    /// The bytes that `text`, `hex:DIGITS` or `file:PATH` stand for.
    fn key_bytes(&mut self, word: &Word<'_>) -> Result<Vec<u8>, Unread> {
        let text = &*word.text;
        if let Some(digits) = text.strip_prefix(b"hex:") {
            let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
            let bytes = digits.chunks(2).map(|pair| match pair {
                [high, low] => Some(digit(high)? << 4 | digit(low)?),
                _ => None,
            });
            let odd = "behind `hex:` stand hexadecimal digits, two for each byte";
            return bytes.collect::<Option<Vec<u8>>>().ok_or_else(|| Unread::Why(odd.into()));
        }
        if !text.starts_with(b"file:") {
            return Ok(text.to_vec());
        }
        let (pattern, from) = (String::from_utf8_lossy(text).into_owned(), word.span.file.plain());
        match self.sources.resolved(from, &pattern) {
            None => {
                self.missing.insert(IncludeRequest { pattern, from, kind: IncludeKind::KeyFile });
                Err(Unread::Asked)
            }
            Some([Found::File(file), ..]) => {
                let bytes = self.sources.bytes(*file);
                let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                // The last byte of random ones may look like the end of a line.
                let is_text = line.iter().all(|byte| matches!(byte, b' '..=b'~'));
                Ok(if is_text { line } else { bytes }.to_vec())
            }
            Some([Found::Refused { name, why }, ..]) => {
                Err(Unread::Why(format!("the key file {name} is not read: {why}")))
            }
            Some([]) => Err(Unread::Why("the key file is not read: there is no such file".into())),
        }
    }

    /// The keys of a block that can be used.
    pub(super) fn chosen_keys(&mut self, draft: &Draft) -> Option<Authentication> {
        let to = draft.keys.as_ref()?;
        if let Some(block) = draft.auth_block {
            self.findings.add(Id::AuthReplaced, block, |d| {
                d.say("`auth_hmac` takes the place of this block: it is ignored")
                    .label(to.block, "this one counts")
                    .help("remove one of the two, on all nodes")
            });
        }
        let active = match (to.active, to.keys.as_slice()) {
            _ if to.refused => return Some(Authentication::None),
            (_, []) => {
                self.unusable(to.block, "`auth_hmac` has no key", MAKE);
                return Some(Authentication::None);
            }
            (Some((id, span)), keys) if keys.iter().all(|(own, ..)| *own != id) => {
                let help = "write the number of one of the `key` lines";
                self.unusable(span, &format!("there is no key {id}"), help);
                return Some(Authentication::None);
            }
            (Some((id, _)), _) => id,
            (None, [(id, ..)]) => *id,
            (None, [..]) => {
                let help = "write `active_key` with the number of the key that all nodes know already";
                self.unusable(to.block, "several keys, and none is chosen for signing", help);
                return Some(Authentication::None);
            }
        };
        let mode = to.mode.map(|(mode, _)| mode).unwrap_or_default();
        if mode != KeyMode::Enforce {
            self.findings.add(Id::HmacMode, to.place(), |d| {
                d.say("unsigned adverts are believed too: whoever can send one can take the address")
                    .help("write `mode enforce` once all nodes sign")
            });
        }
        let keys = to.keys.iter().map(|(id, key, _)| (*id, key.clone())).collect();
        Some(Authentication::Keyed(
            Keyring { keys, active, window: to.window, replay: to.replay, mode }.into(),
        ))
    }
}

/// Why there are no bytes.
enum Unread {
    /// The file was asked for.
    Asked,
    /// What to say.
    Why(String),
}

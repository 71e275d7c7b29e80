//! From files to a stream of lines and braces: physical lines, comments, conditions, definitions,
//! substitution and includes, in the order in which keepalived takes these steps.

use crate::Surroundings;
use crate::definitions::{BuiltIn, Condition, Definitions, Expanded, LINE_LIMIT, Meaning};
use crate::definitions::{condition, definition};
use crate::diagnostic::Findings;
use crate::registry::Id;
use crate::secret::names_secret;
use crate::shell::{Flaw, Script, ScriptLine, script_line};
use crate::source::{FILE_LIMIT, FileId, Found, IncludeKind, IncludeRequest, Refusal, Sources, Span};
use crate::text::{Part, Text, Word, parts, shown, strip, words};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

/// How deep includes may be nested.
const INCLUDE_DEPTH: usize = 32;
/// How many files may be read in all, each as often as it is included.
const INCLUDE_COUNT: usize = 10_000;
/// How many words, lines and braces one configuration may have. 10,000 full instances have about 600,000.
const SIZE_LIMIT: usize = 4_000_000;
/// How many bytes substitution may write in all.
const SUBSTITUTED_LIMIT: usize = 256 << 20;
/// How often the result of a substitution may hold another name.
const ROUNDS: usize = 64;

/// For those who have no file yet.
const SHORTEST: &str = "write the file, or name another one. The shortest that works:
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 50
        priority 100
        virtual_ipaddress { 10.0.0.3/24 }
    }";

/// What the tree is built of.
#[derive(Debug)]
pub(crate) enum Event {
    /// Words `first..last` of [`Stream::words`], at least one.
    Line(Range<u32>),
    Open,
    Close,
}

/// Everything that was read.
#[derive(Debug, Default)]
pub(crate) struct Stream<'a> {
    pub(crate) words: Vec<Word<'a>>,
    pub(crate) events: Vec<(Event, Span)>,
    /// Commands and regular expressions, by the index of their keyword in `words`.
    pub(crate) scripts: BTreeMap<u32, ScriptLine<'a>>,
    /// The include line that first led to a file.
    pub(crate) chain: BTreeMap<FileId, Span>,
    /// Includes that the caller must resolve first.
    pub(crate) missing: BTreeSet<IncludeRequest>,
}

struct Frame<'a> {
    file: FileId,
    bytes: &'a [u8],
    at: usize,
    /// Files of the include line that was read last, still to come.
    queue: VecDeque<FileId>,
}

pub(crate) struct Reader<'a, 'f> {
    sources: &'a Sources,
    config_id: String,
    findings: &'f mut Findings,
    definitions: Definitions,
    stack: Vec<Frame<'a>>,
    opened: usize,
    /// Bytes that substitution wrote.
    substituted: usize,
    /// Within a definition of several lines.
    collecting: bool,
    out: Stream<'a>,
}

/// Reads all files.
pub(crate) fn read<'a>(
    sources: &'a Sources,
    surroundings: &Surroundings,
    findings: &mut Findings,
) -> Stream<'a> {
    let mut reader = Reader {
        sources,
        config_id: surroundings.config_id().to_string(),
        findings,
        definitions: Definitions::default(),
        stack: Vec::new(),
        opened: 0,
        substituted: 0,
        collecting: false,
        out: Stream::default(),
    };
    for root in sources.roots() {
        reader.root(*root);
    }
    reader.out
}

impl<'a> Reader<'a, '_> {
    fn root(&mut self, file: FileId) {
        let whole = Span { file, start: 0, end: 0 };
        if let Some(why) = self.sources.refusal(file) {
            let name = self.sources.name(file);
            self.findings.add(Id::FileUnreadable, whole, |d| {
                let d = d.say(format!("cannot read `{name}`: {why}"));
                match why {
                    Refusal::Missing => d.help(SHORTEST),
                    Refusal::Directory => {
                        d.help("name the file; a main file can take in a directory: include conf.d/*.conf")
                    }
                    Refusal::Unreadable(_) => d.help(format!("who may read it? `ls -l {name}`")),
                    Refusal::NotRegular | Refusal::Executable | Refusal::TooLarge => d,
                }
            });
            return;
        }
        self.push(file);
        while let Some(frame) = self.stack.last_mut() {
            if let Some(next) = frame.queue.pop_front() {
                self.push(next);
                continue;
            }
            if frame.at >= frame.bytes.len() {
                self.stack.pop();
                continue;
            }
            let start = frame.at;
            let rest = frame.bytes.get(start..).unwrap_or(&[]);
            let length = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1);
            frame.at += length;
            let (file, bytes) = (frame.file, rest.get(..length).unwrap_or(rest));
            self.physical(file, start, bytes);
            let size = self.out.events.len() + self.out.words.len();
            if size > SIZE_LIMIT || self.substituted > SUBSTITUTED_LIMIT {
                let at = Span { file, start: offset(start), end: offset(start + length) };
                self.findings.add(Id::TooLarge, at, |d| {
                    if size > SIZE_LIMIT {
                        d.say(format!("more than {SIZE_LIMIT} lines and words; reading stops here"))
                    } else {
                        d.say("replacing the names makes more than 256 MiB of text; reading stops here")
                    }
                });
                self.stack.clear();
            }
        }
    }

    fn push(&mut self, file: FileId) {
        let bytes = self.sources.bytes(file);
        if bytes.len() > FILE_LIMIT {
            let name = self.sources.name(file);
            self.findings.add(Id::TooLarge, Span { file, start: 0, end: 0 }, |d| {
                d.say(format!(
                    "`{name}` has {} MiB; at most {} are read",
                    bytes.len() >> 20,
                    FILE_LIMIT >> 20
                ))
                .help("is this a configuration file?")
            });
            return;
        }
        self.stack.push(Frame { file, bytes, at: 0, queue: VecDeque::new() });
    }

    /// One line of a file, with its line end.
    fn physical(&mut self, file: FileId, start: usize, bytes: &'a [u8]) {
        let span = Span { file, start: offset(start), end: offset(start + bytes.len()) };
        if bytes.len() > LINE_LIMIT {
            let place = Span { end: span.start + 40, ..span };
            self.findings.add(Id::LineTooLong, place, |d| {
                d.say(format!(
                    "this line has {} bytes; lines over {LINE_LIMIT} are ignored, as keepalived does",
                    bytes.len()
                ))
                .help("a list in a block may be spread over several lines")
            });
            return;
        }
        if let Some(at) = bytes.iter().position(|b| *b == 0) {
            let place = Span { start: offset(start + at), end: offset(start + at + 1), ..span };
            self.findings.add(Id::NulByte, place, |d| {
                d.say("this line holds a NUL byte and is ignored, as keepalived does")
                    .help("was the file damaged, or saved as UTF-16? Save it as UTF-8")
            });
            return;
        }
        let mut text = Text::plain(bytes, file, offset(start));
        if start == 0 && bytes.starts_with(b"\xef\xbb\xbf") {
            let mark = text.span(0..3);
            self.findings.add(Id::ByteOrderMark, mark, |d| {
                d.say("the file starts with a byte order mark, which keepalived takes for a word")
                    .help("save the file as \"UTF-8 without BOM\"")
                    .fix(mark, "")
            });
            text = text.slice(3..bytes.len());
        }
        let stripped = strip(&text);
        // A command is read in its own way and may hold a lone quote.
        let script = Script::of(first_word(&stripped.text.bytes)).is_some();
        if let Some(quote) = stripped.open_quote.filter(|_| !script) {
            self.findings.add(Id::UnterminatedQuote, quote, |d| {
                d.say("nothing closes this quote: the rest of the line is dropped")
                    .help("close it on the same line")
            });
        }
        let text = stripped.text;
        if !text.bytes.is_ascii() {
            self.odd_characters(&text);
        }
        if self.collecting {
            self.collecting = text.bytes.last() == Some(&b'\\');
            return;
        }
        if !text.bytes.is_empty() {
            self.logical(text);
        }
    }

    /// Characters that look like something else. Comments are gone already.
    fn odd_characters(&mut self, text: &Text<'a>) {
        let bytes = &text.bytes;
        let valid = match core::str::from_utf8(bytes) {
            Ok(valid) => valid,
            Err(broken) => {
                let at = broken.valid_up_to();
                self.findings.add(Id::NotUtf8, text.span(at..at + 1), |d| {
                    d.say("this byte is not UTF-8").help("save the file as UTF-8")
                });
                return;
            }
        };
        let mut quoted = false;
        let mut blanks: Option<Range<usize>> = None;
        let mut quotes: Option<Range<usize>> = None;
        for (at, c) in valid.char_indices() {
            let place = at..at + c.len_utf8();
            quoted ^= c == '"';
            if quoted {
                continue;
            }
            let found = match c {
                '\u{a0}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{3000}' | '\u{feff}' => &mut blanks,
                '\u{201c}'..='\u{201f}' | '\u{ff02}' | '\u{ab}' | '\u{bb}' => &mut quotes,
                _ => continue,
            };
            *found = Some(found.as_ref().map_or(place.start, |f| f.start)..place.end);
        }
        let mended = |range: &Range<usize>, to: &str| {
            let part = valid.get(range.clone()).unwrap_or_default();
            part.chars().map(|c| if is_odd(c) { to.to_string() } else { c.to_string() }).collect::<String>()
        };
        if let Some(range) = blanks {
            let c = valid.get(range.clone()).and_then(|t| t.chars().next()).unwrap_or(' ');
            let name = if c == '\u{3000}' { "a full-width space" } else { "a non-breaking space" };
            let place = text.span(range.clone());
            self.findings.add(Id::OddBlank, text.span(range.start..range.start + c.len_utf8()), |d| {
                d.say(format!(
                    "{name} (U+{:04X}) is no blank: keepalived takes it for part of a word",
                    c as u32
                ))
                .help("replace it with an ordinary blank; it comes from copying out of a web page")
                .fix(place, mended(&range, " "))
            });
            self.findings.mute(text.span(0..bytes.len()));
        }
        if let Some(range) = quotes {
            let c = valid.get(range.clone()).and_then(|t| t.chars().next()).unwrap_or('"');
            let place = text.span(range.clone());
            self.findings.add(Id::OddQuote, text.span(range.start..range.start + c.len_utf8()), |d| {
                d.say(format!("`{c}` is no quote: keepalived takes it for part of a word"))
                    .help("write the straight quote \"")
                    .fix(place, mended(&range, "\""))
            });
        }
    }

    /// A line without comment and outer blanks: conditions, definitions, substitution.
    fn logical(&mut self, mut text: Text<'a>) {
        for _ in 0..ROUNDS {
            match condition(&text.bytes, &self.config_id) {
                Condition::Drop => return,
                Condition::Keep(from) => {
                    text = text.slice(from..text.bytes.len()).trim();
                    continue;
                }
                Condition::Absent => {}
            }
            if let Some((length, from)) = definition(&text.bytes) {
                return self.define(&text, length, from);
            }
            if let Some(keyword) = repetition(&text.bytes) {
                return self.not_built(keyword, text.span(0..keyword.len()));
            }
            if !text.bytes.contains(&b'$') {
                return self.statement(&text);
            }
            let directory = text.span(0..0).file;
            let name = self.sources.name(directory);
            let outside = BuiltIn {
                directory: name.rsplit_once('/').map_or(".", |(directory, _)| directory),
                config_id: &self.config_id,
            };
            let secret = names_secret(first_word(&text.bytes));
            match self.definitions.expand(&text, &outside, secret) {
                Expanded::Same => return self.statement(&text),
                Expanded::New(new) => {
                    self.substituted += new.bytes.len();
                    text = strip(&new).text;
                }
                Expanded::NotBuilt(keyword, span) => return self.not_built(keyword, span),
                Expanded::Undefined(name, span) => {
                    self.findings.add(Id::UndefinedName, span, |d| {
                        d.say(format!("nobody defined `{name}`: the line is ignored"))
                            .help(format!("define it on a line above: ${name}=value"))
                    });
                    return;
                }
                Expanded::TooLong(span) => {
                    self.findings.add(Id::EndlessDefinition, span, |d| {
                        d.say(format!(
                            "with its names replaced this line is longer than {LINE_LIMIT} bytes: it is ignored"
                        ))
                    });
                    return;
                }
            }
        }
        self.findings.add(Id::EndlessDefinition, text.span(0..text.bytes.len()), |d| {
            d.say("the names on this line stand for each other without an end: it is ignored")
        });
    }

    fn define(&mut self, text: &Text<'a>, length: usize, from: usize) {
        let name = text.bytes.get(1..=length).unwrap_or_default();
        let value = text.slice(from..text.bytes.len()).trim();
        if value.bytes.last() == Some(&b'\\') {
            self.definitions.set(name, Meaning::Lines);
            self.collecting = true;
            let place = text.span(0..from);
            let shown = shown(name);
            self.findings.add_once((Id::NotBuilt, "$NAME=", shown.clone()), place, |d| {
                d.say(format!("`${shown}=`: definitions over several lines are not built yet"))
                    .help("lines that use this name are ignored")
            });
        } else {
            self.definitions.set(name, Meaning::Text(value.bytes.into_owned()));
        }
    }

    fn not_built(&mut self, keyword: &'static str, place: Span) {
        self.findings.add_once((Id::NotBuilt, keyword, String::new()), place, |d| {
            d.say(format!("`{keyword}` is not built yet: the line is ignored"))
        });
    }

    /// A complete line: an include, or words and braces.
    fn statement(&mut self, text: &Text<'a>) {
        if let Some(kind) = IncludeKind::of(first_word(&text.bytes)) {
            return self.include(text, kind);
        }
        for part in parts(&text.bytes) {
            match part {
                Part::Open(at) => self.out.events.push((Event::Open, text.span(at..at + 1))),
                Part::Close(at) => self.out.events.push((Event::Close, text.span(at..at + 1))),
                Part::Words(range) => {
                    let first = self.out.words.len();
                    words(text, range.clone(), &mut self.out.words);
                    let (Some(a), Some(b)) = (self.out.words.get(first), self.out.words.last()) else {
                        continue;
                    };
                    let script = Script::of(&a.text);
                    let span = a.span.to(b.span);
                    let words = offset(first)..offset(self.out.words.len());
                    if let Some(script) = script {
                        self.script(text, range, script, words.start);
                    }
                    self.out.events.push((Event::Line(words), span));
                }
            }
        }
    }

    /// A line that holds a command or a regular expression.
    fn script(&mut self, text: &Text<'a>, range: Range<usize>, script: Script, keyword: u32) {
        match script_line(text, range, script) {
            Ok(line) => {
                self.out.scripts.insert(keyword, line);
            }
            Err(Flaw::OpenQuote(place)) => self.findings.add(Id::UnterminatedQuote, place, |d| {
                d.say("nothing closes this quote: the line is ignored").help(
                    "in a command both \" and ' are quotes; to have one as it is, put a backslash before it",
                )
            }),
            Err(Flaw::Nul(place)) => self.findings.add(Id::NulByte, place, |d| {
                d.say("this stands for a NUL byte, which no command can hold: the line is ignored")
            }),
        }
    }

    fn include(&mut self, text: &Text<'a>, kind: IncludeKind) {
        let mut found = Vec::new();
        words(text, 0..text.bytes.len(), &mut found);
        let place = text.span(0..text.bytes.len());
        let Some(pattern) = found.get(1) else {
            self.findings.add(Id::IncludeNotFound, place, |d| {
                d.say("which file? Nothing is included")
                    .help("write the name or pattern: include conf.d/*.conf")
            });
            return;
        };
        if let Some(extra) = found.get(2) {
            self.findings.add(Id::ExtraWords, extra.span, |d| {
                d.say("an include takes one name or pattern; the rest is ignored")
            });
        }
        let span = pattern.span;
        let name = String::from_utf8_lossy(&pattern.text).into_owned();
        let Some(answers) = self.sources.resolved(span.file, &name) else {
            self.out.missing.insert(IncludeRequest { pattern: name, from: span.file, kind });
            return;
        };
        if answers.is_empty() {
            self.nothing_matches(&name, span, kind);
        }
        for answer in answers {
            match answer {
                Found::File(file) => self.include_file(*file, span),
                Found::Refused { name: refused, why } => {
                    self.include_refused(&name, refused, why, span, kind)
                }
            }
        }
    }

    fn nothing_matches(&mut self, name: &str, span: Span, kind: IncludeKind) {
        let complains = match kind {
            IncludeKind::Wildcard | IncludeKind::All => true,
            IncludeKind::Braces => name.contains('{'),
            // A directory that may be empty is what wildcards are for.
            IncludeKind::Plain | IncludeKind::Readable | IncludeKind::Match => !is_pattern(name),
        };
        if complains {
            self.findings.add(Id::IncludeNotFound, span, |d| {
                d.say(format!("no file matches `{}`: nothing is included", shown(name.as_bytes())))
                    .help("a relative name starts at the directory of the including file")
            });
        }
    }

    fn include_refused(&mut self, pattern: &str, name: &str, why: &Refusal, span: Span, kind: IncludeKind) {
        match why {
            Refusal::Missing => self.nothing_matches(name, span, kind),
            // Sub-directories of `conf.d/*` are ordinary.
            Refusal::Directory if is_pattern(pattern) && kind == IncludeKind::Plain => {}
            Refusal::Directory
            | Refusal::NotRegular
            | Refusal::Executable
            | Refusal::TooLarge
            | Refusal::Unreadable(_) => self.findings.add(Id::IncludeRefused, span, |d| {
                let d = d.say(format!("`{}` is not included: {why}", shown(name.as_bytes())));
                if *why == Refusal::Executable {
                    d.help(format!("chmod a-x {}", shown(name.as_bytes())))
                } else {
                    d
                }
            }),
        }
    }

    fn include_file(&mut self, file: FileId, span: Span) {
        let name = self.sources.name(file);
        if self.stack.iter().any(|frame| frame.file == file) {
            self.findings.add(Id::IncludeLoop, span, |d| {
                d.say(format!(
                    "`{name}` is being read already: it cannot include itself, nothing is included"
                ))
            });
            return;
        }
        self.opened += 1;
        if self.stack.len() > INCLUDE_DEPTH || self.opened > INCLUDE_COUNT {
            self.findings.add(Id::IncludeTooDeep, span, |d| {
                d.say(format!(
                    "more than {INCLUDE_DEPTH} includes within each other, or {INCLUDE_COUNT} in all: `{name}` is not included"
                ))
            });
            return;
        }
        self.out.chain.entry(file).or_insert(span);
        if let Some(frame) = self.stack.last_mut() {
            frame.queue.push_back(file);
        }
    }
}

const fn is_odd(c: char) -> bool {
    matches!(
        c,
        '\u{a0}'
            | '\u{2000}'..='\u{200b}'
            | '\u{202f}'
            | '\u{3000}'
            | '\u{feff}'
            | '\u{201c}'..='\u{201f}'
            | '\u{ff02}'
            | '\u{ab}'
            | '\u{bb}'
    )
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}

/// `~SEQ(...)` and its relatives, by the name of the keyword.
fn repetition(bytes: &[u8]) -> Option<&'static str> {
    // The longer word first.
    ["~SEQx", "~SEQ", "~LST"].into_iter().find(|word| bytes.starts_with(word.as_bytes()))
}

fn first_word(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| crate::text::is_blank(*b)).next().unwrap_or_default()
}

/// A place in a file fits 32 bits: files are at most 64 MiB.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

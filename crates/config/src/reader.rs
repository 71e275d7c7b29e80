//! From files to a stream of lines and braces: physical lines, comments, conditions, definitions,
//! substitution and includes, in the order in which keepalived takes these steps.

use crate::Surroundings;
use crate::definitions::{Condition, Definitions, Expanded, LINE_LIMIT, Left, Meaning, Outside, Why};
use crate::definitions::{condition, definition};
use crate::diagnostic::Findings;
use crate::loops::{Head, Loop, head};
use crate::origins::Origins;
use crate::registry::Id;
use crate::secret::names_secret;
use crate::shell::{Flaw, Script, ScriptLine, script_line};
use crate::source::{Checks, FILE_LIMIT, FileId, Found, IncludeKind, IncludeRequest, Refusal, Sources, Span};
use crate::text::{Part, Text, Word, find_template_mark, is_blank, parts, shown, strip, words};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::rc::Rc;
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
/// How many lines definitions and loops may make in all.
const MADE_LIMIT: usize = 250_000;
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
    /// Where text came from that does not stand where it is read.
    pub(crate) origins: Origins,
    /// Includes that the caller must resolve first.
    pub(crate) missing: BTreeSet<IncludeRequest>,
}

struct Frame<'a> {
    file: FileId,
    bytes: &'a [u8],
    at: usize,
    /// Files of the include line that was read last, still to come.
    queue: VecDeque<FileId>,
    /// What the line that was read last still brings, the next one last.
    pending: Vec<Pending<'a>>,
}

/// Lines that do not stand in the file where they are read.
enum Pending<'a> {
    /// The lines of a definition from this one on.
    Lines { lines: Rc<[Text<'a>]>, next: usize, context: u32 },
    /// The turns of a loop that are left.
    Turns(Loop, Rc<Text<'a>>, Span),
}

/// A definition of several lines that is not complete yet.
struct Collecting<'a> {
    name: Vec<u8>,
    lines: Vec<Text<'a>>,
}

pub(crate) struct Reader<'a, 'f> {
    sources: &'a Sources,
    surroundings: &'f Surroundings,
    /// What a plain `include` complains about.
    checks: Checks,
    findings: &'f mut Findings,
    definitions: Definitions<'a>,
    stack: Vec<Frame<'a>>,
    opened: usize,
    /// Bytes that substitution wrote.
    substituted: usize,
    /// Lines that definitions and loops made.
    made: usize,
    collecting: Option<Collecting<'a>>,
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
        surroundings,
        findings,
        definitions: Definitions::new(seed_of(&surroundings.host_name)),
        checks: if surroundings.all_includes { Checks::ALL } else { Checks::default() },
        stack: Vec::new(),
        opened: 0,
        substituted: 0,
        made: 0,
        collecting: None,
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
                    Refusal::NotRegular
                    | Refusal::Executable
                    | Refusal::Exposed
                    | Refusal::Foreign(_)
                    | Refusal::TooLarge => d,
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
            if let Some(pending) = frame.pending.pop() {
                let place = Span { file: frame.file, start: offset(frame.at), end: offset(frame.at) };
                self.made += 1;
                self.pending(pending);
                self.limit(place);
                continue;
            }
            if frame.at >= frame.bytes.len() {
                self.collected();
                self.stack.pop();
                continue;
            }
            let start = frame.at;
            let rest = frame.bytes.get(start..).unwrap_or(&[]);
            let length = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1);
            frame.at += length;
            let (file, bytes) = (frame.file, rest.get(..length).unwrap_or(rest));
            self.physical(file, start, bytes);
            self.limit(Span { file, start: offset(start), end: offset(start + length) });
        }
    }

    /// Ends the reading when it became too much.
    fn limit(&mut self, place: Span) {
        let size = self.out.events.len() + self.out.words.len();
        let problem = if size > SIZE_LIMIT {
            format!("more than {SIZE_LIMIT} lines and words")
        } else if self.substituted > SUBSTITUTED_LIMIT {
            String::from("replacing the names makes more than 256 MiB of text")
        } else if self.made > MADE_LIMIT {
            format!("definitions and loops make more than {MADE_LIMIT} lines")
        } else {
            return;
        };
        self.findings.add(Id::TooLarge, place, |d| d.say(format!("{problem}; reading stops here")));
        self.stack.clear();
    }

    fn pending(&mut self, pending: Pending<'a>) {
        match pending {
            Pending::Lines { lines, next, context } => {
                let Some(line) = lines.get(next).cloned() else { return };
                if next + 1 < lines.len() {
                    self.later(Pending::Lines { lines, next: next + 1, context });
                }
                self.logical(line.within(context));
            }
            Pending::Turns(mut turns, text, place) => {
                let Some(values) = turns.turn() else { return };
                let secret = text.bytes.split(|b| is_blank(*b)).any(names_secret);
                let label = || turn_label(&turns.names, &values, secret);
                let Some(context) = self.out.origins.enter(place, label) else {
                    return self.too_deep(place);
                };
                for (name, value) in turns.names.iter().zip(values) {
                    self.definitions.set(name, Meaning::Turn(value));
                }
                self.later(Pending::Turns(turns, text.clone(), place));
                self.logical(Text::clone(&text).within(context));
            }
        }
    }

    fn later(&mut self, pending: Pending<'a>) {
        if let Some(frame) = self.stack.last_mut() {
            frame.pending.push(pending);
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
        self.stack.push(Frame { file, bytes, at: 0, queue: VecDeque::new(), pending: Vec::new() });
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
        // keepalived looks for the backslash before it cuts the comment off.
        let continued = text.trim().bytes.last() == Some(&b'\\');
        let text = strip(&text);
        if !text.bytes.is_ascii() {
            self.odd_characters(&text);
        }
        if let Some(collecting) = &mut self.collecting {
            let line = if continued { without_backslash(&text) } else { text };
            if !line.bytes.is_empty() {
                collecting.lines.push(line);
            }
            if !continued {
                self.collected();
            }
            return;
        }
        if !text.bytes.is_empty() {
            self.continued(text, continued);
        }
    }

    /// A definition of several lines is complete.
    fn collected(&mut self) {
        if let Some(Collecting { name, lines }) = self.collecting.take() {
            self.definitions.set(&name, Meaning::Lines(lines.into()));
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
            part.chars()
                .filter(|c| !is_empty_space(*c))
                .map(|c| if is_odd(c) { to.to_string() } else { c.to_string() })
                .collect::<String>()
        };
        if let Some(range) = blanks {
            let c = valid.get(range.clone()).and_then(|t| t.chars().next()).unwrap_or(' ');
            let name = match c {
                '\u{3000}' => "a full-width space",
                '\u{200b}' | '\u{feff}' => "an invisible space",
                '\u{a0}' | '\u{202f}' => "a non-breaking space",
                _ => "a typographic space",
            };
            let instead = if is_empty_space(c) { "remove it" } else { "replace it with an ordinary blank" };
            let place = text.span(range.clone());
            self.findings.add(Id::OddBlank, text.span(range.start..range.start + c.len_utf8()), |d| {
                d.say(format!(
                    "{name} (U+{:04X}) is no blank: keepalived takes it for part of a word",
                    c as u32
                ))
                .help(format!("{instead}; it comes from copying out of a web page"))
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

    /// A line without comment and outer blanks, wherever it came from.
    fn logical(&mut self, text: Text<'a>) {
        self.continued(text, false);
    }

    /// The same; `continued`: a backslash stood at its end in the file. Conditions, definitions, loops,
    /// substitution.
    fn continued(&mut self, mut text: Text<'a>, continued: bool) {
        let surroundings = self.surroundings;
        for _ in 0..ROUNDS {
            match condition(&text.bytes, surroundings.config_id()) {
                Condition::Drop => return,
                Condition::Keep(from) => {
                    text = text.slice(from..text.bytes.len()).trim();
                    continue;
                }
                Condition::Absent => {}
            }
            if let Some((length, from)) = definition(&text.bytes) {
                return self.define(&text, length, from, continued);
            }
            match head(&text.bytes, &self.definitions) {
                Head::Absent => {}
                Head::Loop(found, from) => return self.repeat(&text, found, from),
                Head::Broken(range, what) => {
                    return self.findings.add(Id::BadLoop, text.span(range), |d| {
                        d.say(format!("this is no loop: {what}; the line is ignored"))
                    });
                }
            }
            if !text.bytes.contains(&b'$') {
                return self.statement(&text);
            }
            let file = self.stack.last().map_or(text.span(0..0).file, |frame| frame.file);
            let name = self.sources.name(file);
            let outside = Outside {
                directory: name.rsplit_once('/').map_or(".", |(directory, _)| directory),
                config_id: surroundings.config_id(),
                environment: &surroundings.environment,
            };
            match self.definitions.expand(&text, &outside, &mut self.out.origins) {
                Expanded::Same(left) => {
                    self.left(&text, &left);
                    return self.statement(&text);
                }
                Expanded::New(new) => {
                    self.substituted += new.bytes.len();
                    text = strip(&new);
                }
                Expanded::Lines(first, lines, context) => {
                    self.substituted += first.bytes.len();
                    self.made += 1;
                    if lines.len() > 1 {
                        self.later(Pending::Lines { lines, next: 1, context });
                    }
                    text = strip(&first);
                }
                Expanded::TooLong(span) => {
                    return self.findings.add(Id::EndlessDefinition, span, |d| {
                        d.say(format!(
                            "with its names replaced this line is longer than {LINE_LIMIT} bytes: it is ignored"
                        ))
                    });
                }
                Expanded::TooDeep(span) => return self.too_deep(span),
            }
        }
        self.findings.add(Id::EndlessDefinition, text.span(0..text.bytes.len()), |d| {
            d.say("the names on this line stand for each other without an end: it is ignored")
        });
    }

    fn too_deep(&mut self, place: Span) {
        self.findings.add(Id::EndlessDefinition, place, |d| {
            d.say("definitions and loops bring each other without an end: the line is ignored")
        });
    }

    fn define(&mut self, text: &Text<'a>, length: usize, from: usize, continued: bool) {
        let name = text.bytes.get(1..=length).unwrap_or_default();
        let value = text.slice(from..text.bytes.len()).trim();
        if continued {
            let first = without_backslash(&value);
            let lines = if first.bytes.is_empty() { Vec::new() } else { Vec::from([first]) };
            self.collecting = Some(Collecting { name: name.to_vec(), lines });
        } else {
            let place = value.span(0..value.bytes.len());
            self.definitions.set(name, Meaning::Text(value.bytes.into_owned(), place));
        }
    }

    fn repeat(&mut self, text: &Text<'a>, found: Loop, from: usize) {
        let rest = text.slice(from..text.bytes.len());
        let place = text.span(0..from).to(text.span(0..from.saturating_sub(1)));
        if rest.bytes.is_empty() {
            return self.findings.add(Id::BadLoop, place, |d| d.say("nothing stands behind this loop"));
        }
        self.later(Pending::Turns(found, Rc::new(rest), place));
    }

    /// Names that are not replaced: their text stays, and that is said where it was hardly meant.
    fn left(&mut self, text: &Text<'a>, left: &[Left]) {
        let script = Script::of(first_word(&text.bytes)).is_some();
        let secret = text.bytes.split(|b| is_blank(*b)).any(names_secret);
        let mut said = false;
        for name in left {
            // A shell's own variable; a dollar in a password.
            let meant = if name.braced { name.quoted } else { name.why == Why::Undefined };
            if meant && (script || secret) || name.quoted && !name.braced {
                continue;
            }
            said = true;
            self.left_one(text, name, secret);
        }
        // Whatever the line lacks, this is why.
        if said {
            self.findings.mute(text.span(0..text.bytes.len()));
        }
    }

    fn left_one(&mut self, text: &Text<'a>, left: &Left, secret: bool) {
        let name = if secret { String::from("this name") } else { format!("`{}`", left.name) };
        let blank = text.bytes.split(|b| is_blank(*b)).nth(1).is_some_and(|word| word.starts_with(b"="));
        let defines = blank && text.bytes.starts_with(b"$");
        match &left.why {
            Why::Undefined => self.findings.add(Id::UndefinedName, left.place, |d| {
                let d = d.say(format!("nobody defined {name}: its text stays as it is"));
                match (secret, defines) {
                    (true, _) => d,
                    (false, true) => d.help("a definition has no blank before its `=`"),
                    (false, false) => d.help(format!("define it on a line above: ${}=value", left.name)),
                }
            }),
            Why::Lines => self.findings.add(Id::UndefinedName, left.place, |d| {
                d.say(format!(
                    "{name} has several lines, and something stands behind it: its text stays as it is"
                ))
                .help("put what follows on a line of its own")
            }),
            Why::Parameters(what) => self.findings.add(Id::BadBuiltIn, left.place, |d| {
                d.say(format!("{name} {what}: its text stays as it is"))
            }),
        }
    }

    /// A complete line: an include, or words and braces.
    fn statement(&mut self, text: &Text<'a>) {
        let first = first_word(&text.bytes);
        if let Some(kind) = IncludeKind::of(first) {
            return self.include(text, kind);
        }
        if first == b"random_seed"
            && let Some(seed) = text.bytes.get(first.len()..).and_then(decimal)
        {
            self.definitions.seed(seed);
        }
        if first == b"include_check" {
            let mut found = Vec::new();
            words(text, 0..text.bytes.len(), &mut found);
            let names = found.iter().skip(1).map(|word| &*word.text);
            if let Some(checks) = self.checks.changed(names) {
                self.checks = checks;
            }
        }
        if let Some(mark) = find_template_mark(&text.bytes) {
            let control = text.bytes.get(mark.start + 1) == Some(&b'%');
            self.template(text, mark);
            if control {
                return;
            }
        }
        for part in parts(&text.bytes) {
            match part {
                Part::Open(at) => self.out.events.push((Event::Open, text.span(at..at + 1))),
                Part::Close(at) => self.out.events.push((Event::Close, text.span(at..at + 1))),
                Part::Words(range) => {
                    let first = self.out.words.len();
                    let open = words(text, range.clone(), &mut self.out.words);
                    let script = self.out.words.get(first).and_then(|word| Script::of(&word.text));
                    if script.is_none() {
                        self.open_quote(text, open);
                    }
                    let (Some(a), Some(b)) = (self.out.words.get(first), self.out.words.last()) else {
                        continue;
                    };
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

    /// A file that something else was to fill in. What its marks stand for is not known, so what else there
    /// would be to say about their lines is not worth a line.
    fn template(&mut self, text: &Text<'a>, mark: Range<usize>) {
        self.findings.add_once((Id::Template, "", String::new()), text.span(mark), |d| {
            d.say("this is the mark of a template, which nobody filled in")
                .help("check the file that is made from the template")
        });
        self.findings.mute(text.span(0..text.bytes.len()));
    }

    fn open_quote(&mut self, text: &Text<'a>, open: Option<usize>) {
        let Some(at) = open else { return };
        self.findings.add(Id::UnterminatedQuote, text.span(at..at + 1), |d| {
            d.say("nothing closes this quote: the rest of the line is dropped")
                .help("close it on the same line")
        });
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
        let open = words(text, 0..text.bytes.len(), &mut found);
        self.open_quote(text, open);
        let place = text.span(0..text.bytes.len());
        let Some(pattern) = found.get(1) else {
            self.findings.add(Id::EmptyValue, place, |d| {
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
        // A name in a definition is relative to the file that uses it.
        let from = self.stack.last().map_or(span.file.plain(), |frame| frame.file);
        let Some(answers) = self.sources.resolved(from, &name) else {
            self.out.missing.insert(IncludeRequest { pattern: name, from, kind });
            return;
        };
        if answers.is_empty() {
            self.nothing_matches(&name, &name, span, kind);
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

    /// What a plain `include` complains about is told by `include_check` and the command line.
    const fn checks_of(&self, kind: IncludeKind) -> Checks {
        if matches!(kind, IncludeKind::Plain) { self.checks } else { kind.checks() }
    }

    fn nothing_matches(&mut self, pattern: &str, name: &str, span: Span, kind: IncludeKind) {
        let checks = self.checks_of(kind);
        let complains = checks.braces && pattern.contains('{')
            || if is_pattern(pattern) { checks.wildcard } else { checks.name };
        let id = if complains { Id::IncludeNotFound } else { Id::IncludeEmpty };
        self.findings.add(id, span, |d| {
            d.say(format!("no file matches `{}`: nothing is included", shown(name.as_bytes())))
                .help("a relative name starts at the directory of the including file")
        });
    }

    fn include_refused(&mut self, pattern: &str, name: &str, why: &Refusal, span: Span, kind: IncludeKind) {
        match why {
            Refusal::Missing => self.nothing_matches(pattern, name, span, kind),
            // Sub-directories of `conf.d/*` are ordinary.
            Refusal::Directory if is_pattern(pattern) && !self.checks_of(kind).read => {
                self.findings.add(Id::IncludeEmpty, span, |d| {
                    d.say(format!("`{}` is a directory: nothing in it is included", shown(name.as_bytes())))
                });
            }
            Refusal::Directory
            | Refusal::NotRegular
            | Refusal::Executable
            | Refusal::Exposed
            | Refusal::Foreign(_)
            | Refusal::TooLarge
            | Refusal::Unreadable(_) => {
                let id = if self.checks_of(kind).read { Id::IncludeNotFound } else { Id::IncludeRefused };
                self.findings.add(id, span, |d| {
                    let d = d.say(format!("`{}` is not included: {why}", shown(name.as_bytes())));
                    if *why == Refusal::Executable {
                        d.help(format!("chmod a-x {}", shown(name.as_bytes())))
                    } else {
                        d
                    }
                })
            }
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
        self.out.chain.entry(file).or_insert(span.plain());
        if let Some(frame) = self.stack.last_mut() {
            frame.queue.push_back(file);
        }
    }
}

/// Whether this character has no width: where it stands no blank was meant.
const fn is_empty_space(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{feff}')
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

/// A line of a definition without the backslash that continues it, which a comment may have taken along.
fn without_backslash<'a>(text: &Text<'a>) -> Text<'a> {
    match text.bytes.strip_suffix(b"\\") {
        Some(rest) => text.slice(0..rest.len()).trim(),
        None => text.clone(),
    }
}

/// What is said at the head of a loop about a finding in one of its turns.
fn turn_label(names: &[Vec<u8>], values: &[Vec<u8>], secret: bool) -> String {
    if secret || names.iter().any(|name| names_secret(name)) {
        return String::from("in this loop");
    }
    let pairs = names.iter().zip(values);
    let texts: Vec<String> =
        pairs.map(|(name, value)| format!("`{}` is {}", shown(name), shown(value))).collect();
    format!("when {}", texts.join(", "))
}

/// Random numbers differ between hosts, but neither between a check and what runs, nor from one reload to the
/// next.
fn seed_of(host_name: &str) -> u64 {
    // FNV-1a.
    host_name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn decimal(bytes: &[u8]) -> Option<u64> {
    core::str::from_utf8(bytes).ok()?.trim().parse::<u32>().ok().map(u64::from)
}

fn first_word(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| is_blank(*b)).next().unwrap_or_default()
}

/// A place in a file fits 32 bits: files are at most 64 MiB.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

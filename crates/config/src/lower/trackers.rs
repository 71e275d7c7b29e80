//! What can be tracked: `vrrp_script`, `vrrp_track_process`, `track_file`, `bfd_instance`.

use super::value::{LONGEST, Numbers, micros};
use super::{Given, Lower};
use crate::registry::Id;
use crate::source::Span;
use crate::tree::{At, Tree};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use model::{Bfd, File, InitialNumber, ParameterMatch, Process, Script, Weight};

/// The kinds of things that are tracked by name, in the order of [`model::Tracking::lists`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Script,
    Process,
    File,
    Bfd,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Script, Self::Process, Self::File, Self::Bfd];

    /// What defines one, by the keyword of its block.
    fn of(keyword: &str) -> Option<Self> {
        match keyword {
            "vrrp_script" => Some(Self::Script),
            "vrrp_track_process" => Some(Self::Process),
            "track_file" | "vrrp_track_file" => Some(Self::File),
            "bfd_instance" => Some(Self::Bfd),
            _ => None,
        }
    }

    /// What tracks one.
    pub(super) fn of_list(keyword: &str) -> Option<Self> {
        match keyword {
            "track_script" => Some(Self::Script),
            "track_process" => Some(Self::Process),
            "track_file" => Some(Self::File),
            "track_bfd" => Some(Self::Bfd),
            _ => None,
        }
    }

    /// The list that tracks one.
    pub(crate) const fn list(self) -> &'static str {
        match self {
            Self::Script => "track_script",
            Self::Process => "track_process",
            Self::File => "track_file",
            Self::Bfd => "track_bfd",
        }
    }

    /// The block that defines one.
    pub(crate) const fn block(self) -> &'static str {
        match self {
            Self::Script => "vrrp_script",
            Self::Process => "vrrp_track_process",
            Self::File => "track_file",
            Self::Bfd => "bfd_instance",
        }
    }

    /// What it is called.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Process => "process",
            Self::File => "file",
            Self::Bfd => "BFD session",
        }
    }

    /// The largest weight.
    pub(super) const fn limit(self) -> i16 {
        match self {
            Self::Script | Self::Bfd => 253,
            Self::Process | Self::File => 254,
        }
    }
}

/// One that was defined, usable or not.
#[derive(Debug)]
pub(crate) struct Defined {
    pub(crate) kind: Kind,
    pub(crate) name: Arc<str>,
    /// Its name in the text.
    pub(crate) span: Span,
    /// Its place among the blocks of the file.
    pub(super) index: usize,
    pub(super) weight: Weight,
    /// `None`: it lacks what it needs; that was reported.
    pub(super) what: Option<What>,
    /// Something tracks it.
    pub(super) used: bool,
    /// Something tries to track it in vain; that was reported.
    pub(super) meant: bool,
}

#[derive(Debug)]
pub(super) enum What {
    Script(Script, ScriptPlaces),
    Process(Process),
    File(File),
    Bfd(Bfd),
}

/// The places of a script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScriptPlaces {
    /// Its name.
    pub(crate) name: Span,
    pub(crate) command: Option<Span>,
    pub(crate) user: Option<Span>,
    pub(crate) interval: Option<Span>,
    pub(crate) timeout: Option<Span>,
    pub(crate) fall: Option<Span>,
}

/// Everything that can be tracked.
#[derive(Debug, Default)]
pub(crate) struct Trackers {
    pub(super) list: Vec<Defined>,
    by_name: BTreeMap<(Kind, Arc<str>), usize>,
}

impl Trackers {
    pub(super) fn find(&mut self, kind: Kind, name: &Arc<str>) -> Option<&mut Defined> {
        let index = *self.by_name.get(&(kind, name.clone()))?;
        self.list.get_mut(index)
    }

    /// The names of a kind, in the order of the file.
    pub(super) fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.list.iter().filter(move |d| d.kind == kind).map(|d| &*d.name)
    }

    pub(super) fn exists(&self, kind: Kind, name: &str) -> bool {
        self.by_name.contains_key(&(kind, Arc::from(name)))
    }
}

impl Lower<'_> {
    /// Reads every block that defines something to track.
    pub(super) fn trackers(&mut self, tree: &Tree<'_>) -> Trackers {
        let mut trackers = Trackers::default();
        let mut neighbors = BTreeMap::new();
        for (index, at) in tree.roots().enumerate() {
            let Some(kind) = at.node.keyword.and_then(|k| Kind::of(k.name)) else { continue };
            let Some(word) = at.arguments().first() else {
                self.value(at);
                continue;
            };
            self.extra(at, 1);
            let name: Arc<str> = Arc::from(&*String::from_utf8_lossy(&word.text));
            let first = trackers.find(kind, &name).map(|first| first.span);
            if let Some(first) = first {
                self.findings.add(Id::TrackerTwice, word.span, |d| {
                    d.say(format!(
                        "there is a {} `{}` already: this one is never used",
                        kind.noun(),
                        word.shown()
                    ))
                    .label(first, "this one is used")
                    .help(format!("give each {} a name of its own", kind.noun()))
                });
            }
            let (what, weight) = match kind {
                Kind::Script => self.script(at, &name, word.span),
                Kind::Process => self.process(at, &name),
                Kind::File => self.file(at, &name),
                Kind::Bfd => {
                    let (bfd, weight) = self.bfd(at, &name, &mut neighbors);
                    (bfd.map(What::Bfd), weight)
                }
            };
            if first.is_none() {
                trackers.by_name.insert((kind, name.clone()), trackers.list.len());
                trackers.list.push(Defined {
                    kind,
                    name,
                    span: word.span,
                    index,
                    weight,
                    what,
                    used: false,
                    meant: false,
                });
            }
        }
        trackers
    }

    pub(super) fn lacks(&mut self, at: At<'_, '_>, kind: Kind, keyword: &str) {
        // A line that is there, but wrong, was reported.
        if at.children().any(|line| line.node.keyword.is_some_and(|k| k.name == keyword)) {
            return;
        }
        self.findings.add(Id::TrackerIncomplete, at.node.span, |d| {
            d.say(format!("this {} has no `{keyword}`: it does not count", kind.noun()))
                .help(format!("write `{keyword}` in it, or remove the block"))
        });
    }

    fn script(&mut self, block: At<'_, '_>, name: &Arc<str>, span: Span) -> (Option<What>, Weight) {
        let mut command = None;
        let mut places =
            ScriptPlaces { name: span, command: None, user: None, interval: None, timeout: None, fall: None };
        let mut script = Script {
            name: name.clone(),
            command: model::Command::Readable { path: String::new() },
            account: None,
            interval: Duration::from_secs(1),
            timeout: None,
            rise: 1,
            fall: 1,
            weight: Weight::default(),
            starts_failed: false,
        };
        let mut given = Given::default();
        for at in block.children() {
            let Some(keyword) = at.node.keyword else { continue };
            self.given(&mut given, at);
            match keyword.name {
                "script" => places.command = Some(at.node.span),
                "user" => places.user = Some(at.node.span),
                "interval" => places.interval = Some(at.node.span),
                "timeout" => places.timeout = Some(at.node.span),
                "fall" => places.fall = Some(at.node.span),
                _ => {}
            }
            match keyword.name {
                "script" => command = self.script_command(at).or(command),
                "interval" => script.interval = self.period(at).unwrap_or(script.interval),
                "timeout" => script.timeout = self.period(at).or(script.timeout),
                "weight" => self.own_weight(at, Kind::Script, &mut script.weight),
                "rise" => script.rise = self.times(at).unwrap_or(script.rise),
                "fall" => script.fall = self.times(at).unwrap_or(script.fall),
                "user" => script.account = self.account(at).or(script.account),
                "init_fail" => {
                    self.flag(at);
                    script.starts_failed = true;
                }
                _ => {}
            }
        }
        let weight = script.weight;
        let Some(command) = command else {
            self.lacks(block, Kind::Script, "script");
            return (None, weight);
        };
        (Some(What::Script(Script { command, ..script }, places)), weight)
    }

    /// A time between runs; 0 is read as 1 s.
    fn period(&mut self, at: At<'_, '_>) -> Option<Duration> {
        let allowed =
            Numbers { range: 0..=4_294_000, places: 3, unit: " s", otherwise: "the line is ignored" };
        let time = self.number(at, &allowed)?;
        if time == 0
            && let Some(word) = at.arguments().first()
        {
            self.findings
                .add(Id::OutOfRange, word.span, |d| d.say("0 s is no time: 1 s is used").fix(word.span, "1"));
            return Some(Duration::from_secs(1));
        }
        Some(Duration::from_millis(time))
    }

    fn times(&mut self, at: At<'_, '_>) -> Option<u32> {
        self.number(at, &Numbers::count(1..=0x7fff_ffff)).and_then(|n| u32::try_from(n).ok())
    }

    /// `weight N [reverse]` in a definition.
    pub(super) fn own_weight(&mut self, at: At<'_, '_>, kind: Kind, weight: &mut Weight) {
        let arguments = at.arguments();
        let Some(number) = arguments.first() else {
            self.value(at);
            return;
        };
        weight.value = self.weight(number, kind.limit(), weight.value).unwrap_or(weight.value);
        match arguments.get(1) {
            Some(word) if &*word.text != b"reverse" => self.findings.add(Id::UnknownWord, word.span, |d| {
                d.say(format!("`{}` cannot stand here: it is ignored", word.shown()))
                    .help("behind a weight only `reverse` can stand")
            }),
            word => weight.reverse |= word.is_some(),
        }
        self.extra(at, 2);
    }

    fn process(&mut self, block: At<'_, '_>, name: &Arc<str>) -> (Option<What>, Weight) {
        let mut command: Option<(String, Vec<String>)> = None;
        let mut process = Process {
            name: name.clone(),
            path: String::new(),
            parameters: Vec::new(),
            parameter_match: ParameterMatch::Exact,
            full_command: false,
            weight: Weight::default(),
            fewest: 1,
            most: None,
            end_delay: Duration::ZERO,
            begin_delay: Duration::ZERO,
        };
        let mut most = None;
        let mut given = Given::default();
        for at in block.children() {
            let Some(keyword) = at.node.keyword else { continue };
            self.given(&mut given, at);
            match keyword.name {
                "process" => {
                    let mut words =
                        at.arguments().iter().map(|w| String::from_utf8_lossy(&w.text).into_owned());
                    match words.next() {
                        Some(path) => command = Some((path, words.collect())),
                        None => {
                            self.value(at);
                        }
                    }
                }
                "param_match" => self.parameter_match(at, &mut process),
                "weight" => self.own_weight(at, Kind::Process, &mut process.weight),
                "quorum" => {
                    process.fewest = self.how_many(at, 1).unwrap_or(process.fewest);
                }
                "quorum_max" => most = self.how_many(at, 0).map(|n| (n, at.node.span)).or(most),
                "delay" => {
                    if let Some(delay) = self.delay(at) {
                        (process.end_delay, process.begin_delay) = (delay, delay);
                    }
                }
                "terminate_delay" => process.end_delay = self.delay(at).unwrap_or(process.end_delay),
                "fork_delay" => process.begin_delay = self.delay(at).unwrap_or(process.begin_delay),
                "full_command" => {
                    self.flag(at);
                    process.full_command = true;
                }
                _ => {}
            }
        }
        // `quorum_max 0` alone means that there may be none.
        if let Some((limit, span)) = most {
            if limit == 0 && process.fewest == 1 {
                process.fewest = 0;
            } else if limit < process.fewest {
                self.findings.add(Id::OutOfRange, span, |d| {
                    d.say(format!(
                        "`quorum_max` {limit} is below the quorum of {}: the quorum is used",
                        process.fewest
                    ))
                });
            }
            process.most = Some(limit.max(process.fewest));
        }
        let weight = process.weight;
        let Some((path, parameters)) = command else {
            self.lacks(block, Kind::Process, "process");
            return (None, weight);
        };
        (Some(What::Process(Process { path, parameters, ..process })), weight)
    }

    fn parameter_match(&mut self, at: At<'_, '_>, process: &mut Process) {
        self.extra(at, 1);
        process.parameter_match = match at.arguments().first() {
            None => ParameterMatch::Exact,
            Some(word) if &*word.text == b"initial" => ParameterMatch::Initial,
            Some(word) if &*word.text == b"partial" => ParameterMatch::Partial,
            Some(word) => {
                self.findings.add(Id::EntryOption, word.span, |d| {
                    d.say(format!("`{}` is no way to compare: the line is ignored", word.shown()))
                        .help("write `initial` or `partial`, or nothing")
                });
                return;
            }
        };
    }

    fn how_many(&mut self, at: At<'_, '_>, least: u64) -> Option<u32> {
        self.number(at, &Numbers::count(least..=65535)).and_then(|n| u32::try_from(n).ok())
    }

    fn delay(&mut self, at: At<'_, '_>) -> Option<Duration> {
        self.number(at, &Numbers::micros(1..=LONGEST.min(3_600_000_000))).map(micros)
    }

    fn file(&mut self, block: At<'_, '_>, name: &Arc<str>) -> (Option<What>, Weight) {
        let mut path = None;
        let mut weight = Weight { value: 1, reverse: false };
        let mut initial = None;
        let mut given = Given::default();
        for at in block.children() {
            let Some(keyword) = at.node.keyword else { continue };
            self.given(&mut given, at);
            match keyword.name {
                "file" => {
                    path = self.value(at).map(|w| String::from_utf8_lossy(&w.text).into_owned()).or(path)
                }
                "weight" => self.own_weight(at, Kind::File, &mut weight),
                "init_file" => initial = self.initial(at).or(initial),
                _ => {}
            }
        }
        let Some(path) = path else {
            self.lacks(block, Kind::File, "file");
            return (None, weight);
        };
        (Some(What::File(File { name: name.clone(), path, weight, initial })), weight)
    }

    /// `init_file [VALUE] [overwrite]`.
    fn initial(&mut self, at: At<'_, '_>) -> Option<InitialNumber> {
        let mut number = InitialNumber { value: 0, overwrite: false };
        for word in at.arguments() {
            let text = core::str::from_utf8(&word.text).unwrap_or_default();
            if text == "overwrite" {
                number.overwrite = true;
            } else if let Ok(value) = text.parse() {
                number.value = value;
            } else {
                self.findings.add(Id::BadNumber, word.span, |d| {
                    d.say(format!("`{}` is no number for a file: the line is ignored", word.shown()))
                        .help("`init_file` takes a number and the word `overwrite`")
                });
                return None;
            }
        }
        Some(number)
    }
}

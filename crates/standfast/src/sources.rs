//! Reads configuration files for `config`, which only sees their bytes: the main file, and whatever its
//! includes ask for.

use crate::check::here;
use crate::report::{Reporter, Tally, counted};
use config::{
    Diagnostic, FILE_LIMIT, FileId, Found, Id, IncludeKind, IncludeRequest, Loaded, Outcome, Places, Refusal,
    Severity, Sources, Surroundings, load, pair,
};
use node::event::Level;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How many names a pattern with `{a,b}` may stand for.
const ALTERNATIVES: usize = 1000;

/// A configuration that was read.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each configuration")]
pub enum Read {
    /// The main file is there.
    Done {
        /// What it means; `None` when an error forbids to run it.
        host: Option<model::Host>,
        /// What was understood in spite of such an error: only to be looked at.
        partial: Option<Box<model::Host>>,
        /// Where its parts were written.
        places: Places,
        /// What there is to say, in the order of the text.
        diagnostics: Vec<Diagnostic>,
        /// How many findings of a kind were left out.
        omitted: Vec<(Id, usize)>,
        /// The files.
        sources: Sources,
    },
    /// The main file is not there, or may not be read.
    Absent {
        /// Why, and what to do.
        diagnostics: Vec<Diagnostic>,
        /// The files: one, empty.
        sources: Sources,
    },
}

impl Read {
    /// The files.
    #[must_use]
    pub const fn sources(&self) -> &Sources {
        match self {
            Self::Done { sources, .. } | Self::Absent { sources, .. } => sources,
        }
    }

    /// What there is to say.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Done { diagnostics, .. } | Self::Absent { diagnostics, .. } => diagnostics,
        }
    }

    /// How many findings of a kind were left out.
    #[must_use]
    pub fn omitted(&self) -> &[(Id, usize)] {
        match self {
            Self::Done { omitted, .. } => omitted,
            Self::Absent { .. } => &[],
        }
    }

    /// The configuration as a node to compare with others; `None` when it is not there.
    #[must_use]
    pub fn node(&self) -> Option<pair::Node<'_>> {
        match self {
            Self::Done { host, partial, places, sources, .. } => {
                let host = host.as_ref().or(partial.as_deref())?;
                Some(pair::Node { sources, host, places })
            }
            Self::Absent { .. } => None,
        }
    }

    /// The findings as lines of a log, with their help. How bad each is, the log shows by its level. Of notes,
    /// only how many there are: they drop and alter nothing, and a log is no place for advice.
    #[must_use]
    pub fn lines(&self) -> Vec<(Level, String)> {
        let mut reporter = Reporter::new([self.sources()], false);
        let mut lines = Vec::new();
        for d in self.diagnostics() {
            let level = match d.severity {
                Severity::Note => continue,
                Severity::Warning => Level::Warning,
                Severity::Error => Level::Alarm,
            };
            let mut help = d.help.as_deref().unwrap_or_default().lines();
            let first = help.next().map(|first| format!("; {first}")).unwrap_or_default();
            let (line, column) = reporter.position(d.span);
            let name = reporter.name(d.span.file);
            lines.push((level, format!("{name}:{line}:{column}: {}{first} [{}]", d.message, d.id)));
            lines.extend(help.map(|more| (level, more.to_owned())));
        }
        let rest = |(id, count): &(Id, usize)| (Level::Warning, format!("and {count} more findings [{id}]"));
        lines.extend(self.omitted().iter().filter(|(id, _)| id.severity() != Severity::Note).map(rest));
        let notes = Tally::of(self.diagnostics(), self.omitted()).notes;
        if let (1.., Some(root)) = (notes, self.sources().roots().first()) {
            let name = self.sources().name(*root);
            lines
                .push((Level::Info, format!("{} of advice: standfast check {name}", counted(notes, "note"))));
        }
        lines
    }
}

/// The environment variables that are text.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

/// Reads a configuration with everything that it includes.
#[must_use]
pub fn read(path: &Path, surroundings: &Surroundings) -> Read {
    complete(path, content(path, Rule::Main), surroundings, Files::default())
}

/// Reads configurations once, each by itself: pipes will do too, and `-` is standard input. No two of their
/// files have the same id, so that a finding can have places in several of them.
#[must_use]
pub fn read_each(paths: &[PathBuf], surroundings: &Surroundings) -> Vec<Read> {
    let mut reads: Vec<Read> = Vec::new();
    for path in paths {
        let sources = Sources::apart_from(reads.iter().map(Read::sources));
        let files = Files { sources, ..Files::default() };
        let main = if path.as_os_str() == "-" {
            limited(std::io::stdin().lock())
        } else {
            content(path, Rule::Once)
        };
        reads.push(complete(path, main, surroundings, files));
    }
    reads
}

/// The name of a configuration as users see it; `-` is standard input.
#[must_use]
pub fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() }
}

fn complete(
    path: &Path,
    main: Result<Vec<u8>, Refusal>,
    surroundings: &Surroundings,
    mut files: Files,
) -> Read {
    let name = shown(path);
    let absent = match main {
        Ok(bytes) => {
            let id = files.sources.add_root(name, bytes);
            files.add(path, id);
            false
        }
        Err(why) => {
            files.sources.add_refused_root(name, why);
            true
        }
    };
    let mut outcome = settled(&mut files, surroundings);
    // For this machine: only now it is known which programs there are to look at.
    let host =
        outcome.host.as_ref().or(outcome.partial.as_deref()).filter(|_| surroundings.interfaces.is_some());
    let here::Programs { scripts: programs, hooks } = host.map(here::programs).unwrap_or_default();
    if !programs.is_empty() || !hooks.is_empty() {
        outcome = settled(&mut files, &Surroundings { programs, hooks, ..surroundings.clone() });
    }
    let (diagnostics, sources) = (outcome.diagnostics, files.sources);
    if absent {
        return Read::Absent { diagnostics, sources };
    }
    Read::Done {
        host: outcome.host,
        partial: outcome.partial,
        places: outcome.places,
        diagnostics,
        omitted: outcome.omitted,
        sources,
    }
}

/// Reads with everything that is included.
fn settled(files: &mut Files, surroundings: &Surroundings) -> Outcome {
    // Each round answers at least one request that was open, and their number is limited by `config`.
    loop {
        match load(&files.sources, surroundings) {
            Loaded::Missing(requests) => {
                for request in &requests {
                    let found = files.find(request);
                    files.sources.resolve(request, found);
                }
            }
            Loaded::Done(outcome) => return outcome,
        }
    }
}

/// The files read so far.
#[derive(Default)]
struct Files {
    sources: Sources,
    /// By their real path, so that a file that includes itself under another name is recognised.
    known: BTreeMap<PathBuf, FileId>,
    paths: BTreeMap<FileId, PathBuf>,
}

impl Files {
    fn add(&mut self, path: &Path, id: FileId) {
        self.paths.insert(id, path.to_path_buf());
        if let Ok(real) = fs::canonicalize(path) {
            self.known.insert(real, id);
        }
    }

    fn find(&mut self, request: &IncludeRequest) -> Vec<Found> {
        let directory = self.paths.get(&request.from).and_then(|path| path.parent()).unwrap_or(Path::new(""));
        let directory = directory.to_path_buf();
        if let (IncludeKind::KeyFile, Some(name)) = (request.kind, request.pattern.strip_prefix("file:")) {
            return vec![self.key(&directory.join(name))];
        }
        let mut found = Vec::new();
        for pattern in alternatives(&request.pattern) {
            for path in matching(&directory, &pattern) {
                found.push(self.one(&path));
            }
        }
        found
    }

    /// The file of a key. It is no part of the configuration: nothing may include it by the way.
    fn key(&mut self, path: &Path) -> Found {
        let name = path.display().to_string();
        match content(path, Rule::Key) {
            Ok(bytes) => Found::File(self.sources.add(name, bytes)),
            Err(why) => Found::Refused { name, why },
        }
    }

    fn one(&mut self, path: &Path) -> Found {
        let name = path.display().to_string();
        if let Some(id) = fs::canonicalize(path).ok().and_then(|real| self.known.get(&real)) {
            return Found::File(*id);
        }
        match content(path, Rule::Include) {
            Ok(bytes) => {
                let id = self.sources.add(name, bytes);
                self.add(path, id);
                Found::File(id)
            }
            Err(why) => Found::Refused { name, why },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// An execute bit does not matter.
    Main,
    /// The same, and it may be a pipe or a device, since it is read only now.
    Once,
    /// Must not have an execute bit.
    Include,
    /// Must be its owner's alone.
    Key,
}

/// The bytes of a regular file, or why there are none. (A pipe would be empty at the next reload.)
fn content(path: &Path, rule: Rule) -> Result<Vec<u8>, Refusal> {
    let check = |metadata: fs::Metadata| match metadata {
        directory if directory.is_dir() => Err(Refusal::Directory),
        other if !other.is_file() && rule != Rule::Once => Err(Refusal::NotRegular),
        file if rule == Rule::Include && file.permissions().mode() & 0o111 != 0 => Err(Refusal::Executable),
        file if rule == Rule::Key && file.permissions().mode() & 0o077 != 0 => Err(Refusal::Exposed),
        file if rule == Rule::Key && file.uid() != 0 && file.uid() != rustix::process::geteuid().as_raw() => {
            Err(Refusal::Foreign(file.uid()))
        }
        _ => Ok(()),
    };
    // Looked at before it is opened, since opening a device may do something; and afterwards, since it may be
    // another by then, which is why opening must not wait for the other end of a pipe.
    check(fs::metadata(path).map_err(refusal)?)?;
    // What is read once is waited for.
    let flags = if rule == Rule::Once { rustix::fs::OFlags::empty() } else { rustix::fs::OFlags::NONBLOCK };
    let no_wait = i32::try_from(flags.bits()).unwrap_or_default();
    let file = fs::OpenOptions::new().read(true).custom_flags(no_wait).open(path).map_err(refusal)?;
    check(file.metadata().map_err(refusal)?)?;
    limited(file)
}

fn refusal(error: std::io::Error) -> Refusal {
    if error.kind() == std::io::ErrorKind::NotFound {
        Refusal::Missing
    } else {
        Refusal::Unreadable(error.to_string())
    }
}

/// Everything, unless it is too much.
fn limited(from: impl std::io::Read) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE_LIMIT).unwrap_or(u64::MAX);
    from.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(refusal)?;
    if bytes.len() > FILE_LIMIT { Err(Refusal::TooLarge) } else { Ok(bytes) }
}

/// The files that a pattern without braces names. A plain name names itself, whether it exists or not.
fn matching(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    if !pattern.contains(['*', '?', '[']) {
        return vec![directory.join(pattern)];
    }
    let full = if pattern.starts_with('/') {
        pattern.to_owned()
    } else {
        // The directory is meant as it is called, even if it is called `[x]`.
        let escaped = glob::Pattern::escape(&directory.to_string_lossy());
        if escaped.is_empty() { pattern.to_owned() } else { format!("{escaped}/{pattern}") }
    };
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    match glob::glob_with(&full, options) {
        // What cannot be looked into is named, so that its reading fails with the reason.
        Ok(paths) => paths.map(|path| path.unwrap_or_else(|error| error.path().to_path_buf())).collect(),
        Err(_) => vec![directory.join(pattern)],
    }
}

/// `a{b,c}d` as `abd` and `acd`; a brace without a comma or without its partner stays as it is.
fn alternatives(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(next) = open.pop() {
        match innermost(&next) {
            Some((before, list, after)) if done.len() + open.len() < ALTERNATIVES => {
                // The stack gives the last one first.
                open.extend(list.rsplit(',').map(|choice| format!("{before}{choice}{after}")));
            }
            _ => done.push(next),
        }
    }
    done
}

/// The first pair of braces that holds no other brace and has a comma.
fn innermost(pattern: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(close) = pattern.get(from..)?.find('}').map(|at| from + at) {
        if let Some(open) = pattern.get(..close)?.rfind('{') {
            let list = pattern.get(open + 1..close)?;
            if list.contains(',') {
                return Some((pattern.get(..open)?, list, pattern.get(close + 1..)?));
            }
        }
        from = close + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own that is gone afterwards.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("standfast-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const BODY: &str = "interface eth0\nvirtual_router_id 7\npriority 90\nvirtual_ipaddress { 10.0.0.3 }\n";

    fn ids(read: &Read) -> Vec<&'static str> {
        read.diagnostics().iter().map(|d| d.id.name()).collect()
    }

    #[test]
    fn braces_stand_for_alternatives() {
        assert_eq!(alternatives("a{b,c}d"), ["abd", "acd"]);
        assert_eq!(alternatives("{a,b}{c,d}"), ["ac", "ad", "bc", "bd"]);
        assert_eq!(alternatives("{a,{b,c}}"), ["a", "b", "a", "c"]);
        assert_eq!(alternatives("a{b}c{"), ["a{b}c{"]);
        assert!(alternatives(&"{a,b}".repeat(40)).len() <= 2 * ALTERNATIVES);
    }

    #[test]
    fn includes_start_at_the_including_file() {
        let here = Scratch::new("includes");
        let main = here.write("main.conf", "include sub/*.conf\ninclude {x,y}.conf\n");
        here.write("sub/one.conf", "include inner/two.conf\n");
        here.write("sub/inner/two.conf", &format!("vrrp_instance A {{\n{BODY}}}\n"));
        here.write("y.conf", "global_defs {\nrouter_id y\n}\n");
        let read = read(&main, &Surroundings::default());
        // x.conf is missing, which a plain include only notes.
        let Read::Done { host: Some(host), .. } = &read else { panic!("{:?}", read.lines()) };
        assert_eq!((host.instances.len(), host.router_id.as_deref()), (1, Some("y")));
    }

    #[test]
    fn what_cannot_be_included_is_said() {
        let here = Scratch::new("refused");
        let text = format!(
            "include missing.conf\ninclude sub\ninclude run.conf\ninclude main.conf\nvrrp_instance A {{\n{BODY}}}\n"
        );
        let main = here.write("main.conf", &text);
        here.write("sub/x", "");
        let run = here.write("run.conf", "");
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
        let read = read(&main, &Surroundings::default());
        assert_eq!(ids(&read), ["include-empty", "include-refused", "include-refused", "include-loop"]);
        assert!(matches!(read, Read::Done { host: Some(_), .. }));
    }

    #[test]
    fn a_main_file_that_is_not_there() {
        let here = Scratch::new("absent");
        let read = read(&here.0.join("nothing.conf"), &Surroundings::default());
        assert!(matches!(read, Read::Absent { .. }));
        assert_eq!(ids(&read), ["file-unreadable"]);
        assert!(read.lines()[0].1.contains("there is no such file"));
        let directory = super::read(&here.0, &Surroundings::default());
        assert!(directory.lines()[0].1.contains("it is a directory"), "{:?}", directory.lines());
        let pipe = here.0.join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let refused = super::read(&pipe, &Surroundings::default());
        assert!(refused.lines()[0].1.contains("it is not a regular file"), "{:?}", refused.lines());
        // What is read only once may be a pipe.
        let text = format!("vrrp_instance A {{\n{BODY}}}\n");
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::write(pipe, text)
        });
        let read = read_each(&[pipe], &Surroundings::default());
        writer.join().unwrap().unwrap();
        assert!(matches!(&read[..], [Read::Done { host: Some(_), .. }]), "{:?}", read[0].lines());
    }
}

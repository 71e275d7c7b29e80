//! The files of a configuration as data: the caller reads them, this crate only looks at their bytes.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// The largest file that is read. A configuration of 10,000 instances is about 4 MB.
pub const FILE_LIMIT: usize = 64 << 20;

/// Names a file within its [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    index: u32,
    /// While a configuration is read: which use of a definition or turn of a loop brought the text here, from
    /// 1; 0: the text stands where it is read. Nothing that leaves this crate has one.
    context: u32,
}

impl FileId {
    const fn new(index: u32) -> Self {
        Self { index, context: 0 }
    }

    pub(crate) const fn context(self) -> u32 {
        self.context
    }

    /// The file, read in this context.
    pub(crate) const fn within(self, context: u32) -> Self {
        Self { context, ..self }
    }

    /// The file itself.
    pub(crate) const fn plain(self) -> Self {
        self.within(0)
    }
}

/// A place in a file: bytes `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes as an index range.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The same place without the way that led to it.
    pub(crate) const fn plain(self) -> Self {
        Self { file: self.file.plain(), ..self }
    }

    /// The empty place just before this one.
    #[must_use]
    pub const fn before(self) -> Self {
        Self { end: self.start, ..self }
    }

    /// The empty place just after this one.
    #[must_use]
    pub const fn after(self) -> Self {
        Self { start: self.end, ..self }
    }

    /// From the start of this to the end of `other`, when both are in one file; else this.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file == other.file && other.end >= self.start {
            Self { end: other.end, ..self }
        } else {
            self
        }
    }
}

/// Why a file that was asked for is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such file.
    Missing,
    /// It is a directory.
    Directory,
    /// It is a device, a pipe or a socket.
    NotRegular,
    /// It has an execute bit, so it is taken for a program (keepalived's rule for includes).
    Executable,
    /// A key file that others than its owner may read or write.
    Exposed,
    /// It belongs to another user (with this number) than root and the daemon's, who may replace it.
    Foreign(u32),
    /// It is larger than [`FILE_LIMIT`].
    TooLarge,
    /// The operating system refused; its words.
    Unreadable(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file"),
            Self::Directory => f.write_str("it is a directory"),
            Self::NotRegular => f.write_str("it is not a regular file"),
            Self::Executable => f.write_str("it has an execute bit, so it is taken for a program"),
            Self::Foreign(user) => write!(f, "it belongs to user {user}, who may replace it (chown root)"),
            Self::Exposed => f.write_str("others than its owner may read or write it (chmod 600)"),
            Self::TooLarge => write!(f, "it is larger than {} MiB", FILE_LIMIT >> 20),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

/// Which of the include words was written. They differ in what is worth a complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IncludeKind {
    /// `include`
    Plain,
    /// `includer`: unreadable files.
    Readable,
    /// `includem`: also a plain name that does not exist.
    Match,
    /// `includew`: also a pattern without a match.
    Wildcard,
    /// `includeb`: unreadable files and `{a,b}` members that do not exist.
    Braces,
    /// `includea`: everything.
    All,
    /// Not an include: the file of a `key`, behind `file:`. It is one file, whatever signs its name has, and its
    /// bytes are secret.
    KeyFile,
}

/// What an include complains about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checks {
    /// A file that cannot be read.
    pub(crate) read: bool,
    /// A plain name that does not exist.
    pub(crate) name: bool,
    /// A pattern without a match.
    pub(crate) wildcard: bool,
    /// Members of `{a,b}` that do not exist.
    pub(crate) braces: bool,
}

impl Checks {
    pub(crate) const ALL: Self = Self { read: true, name: true, wildcard: true, braces: true };

    /// What the words of `include_check` make of these; `None`: one of them is not known.
    pub(crate) fn changed<'w>(self, words: impl Iterator<Item = &'w [u8]>) -> Option<Self> {
        let (mut checks, mut any, mut plain) = (self, false, false);
        for word in words {
            any = true;
            let (on, name) = match word {
                [b'+', rest @ ..] => (true, rest),
                [b'-', rest @ ..] => (false, rest),
                whole => {
                    // Without a sign, a list says all there is.
                    if !core::mem::replace(&mut plain, true) {
                        checks = Self::default();
                    }
                    (true, whole)
                }
            };
            match name {
                b"read" => checks.read = on,
                b"match" => checks.name = on,
                b"wildcard_match" => checks.wildcard = on,
                b"brace_match" => checks.braces = on,
                _ => return None,
            }
        }
        Some(if any { checks } else { Self::ALL })
    }
}

impl IncludeKind {
    pub(crate) const fn checks(self) -> Checks {
        let none = Checks { read: false, name: false, wildcard: false, braces: false };
        match self {
            Self::Plain => none,
            Self::Readable => Checks { read: true, ..none },
            Self::Match => Checks { read: true, name: true, ..none },
            Self::Wildcard => Checks { read: true, name: true, wildcard: true, ..none },
            Self::Braces => Checks { read: true, braces: true, ..none },
            Self::All | Self::KeyFile => Checks::ALL,
        }
    }

    /// The kind that a keyword names.
    #[must_use]
    pub fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"include" => Self::Plain,
            b"includer" => Self::Readable,
            b"includem" => Self::Match,
            b"includew" => Self::Wildcard,
            b"includeb" => Self::Braces,
            b"includea" => Self::All,
            _ => return None,
        })
    }
}

/// An include that the caller must resolve before [`crate::load`] can finish.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IncludeRequest {
    /// The file name or glob pattern (`* ? []` and `{a,b}`), as written; of a key file with `file:` before it.
    pub pattern: String,
    /// The file that asks; relative patterns start at its directory.
    pub from: FileId,
    /// The include word.
    pub kind: IncludeKind,
}

/// One answer to an [`IncludeRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This file, added before with [`Sources::add`]. The same file must keep the same id, or loops are
    /// only found by their depth.
    File(FileId),
    /// This one matched but cannot be used.
    Refused {
        /// Its name as shown to users.
        name: String,
        /// Why.
        why: Refusal,
    },
}

#[derive(Clone, Debug)]
struct Source {
    name: String,
    bytes: Vec<u8>,
    refused: Option<Refusal>,
}

/// The files of one configuration.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The number of the first file.
    first: u32,
    files: Vec<Source>,
    roots: Vec<FileId>,
    includes: BTreeMap<(FileId, String), Vec<Found>>,
}

impl Sources {
    /// No files yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No files yet; those to come have other ids than any file of `others`, so that a finding can have places
    /// in several configurations.
    #[must_use]
    pub fn apart_from<'a>(others: impl IntoIterator<Item = &'a Self>) -> Self {
        let first = others.into_iter().map(Self::next).max().unwrap_or_default();
        Self { first, ..Self::default() }
    }

    /// Whether the file is one of these.
    #[must_use]
    pub fn contains(&self, file: FileId) -> bool {
        self.source(file).is_some()
    }

    /// Adds a file that the configuration starts with. Several are read one after the other.
    pub fn add_root(&mut self, name: impl Into<String>, bytes: Vec<u8>) -> FileId {
        let id = self.add(name, bytes);
        self.roots.push(id);
        id
    }

    /// Adds a starting file that cannot be read: [`crate::load`] will report it as an error.
    pub fn add_refused_root(&mut self, name: impl Into<String>, why: Refusal) -> FileId {
        let id = self.add_root(name, Vec::new());
        if let Some(source) = self.files.last_mut() {
            source.refused = Some(why);
        }
        id
    }

    /// Adds a file for an include; [`Sources::resolve`] says which one.
    pub fn add(&mut self, name: impl Into<String>, bytes: Vec<u8>) -> FileId {
        let id = FileId::new(self.next());
        self.files.push(Source { name: name.into(), bytes, refused: None });
        id
    }

    /// Gives a file other bytes, to see what would be said about it then.
    pub fn replace(&mut self, file: FileId, bytes: Vec<u8>) {
        let index = file.index.checked_sub(self.first).map(|index| index as usize);
        if let Some(source) = index.and_then(|index| self.files.get_mut(index)) {
            source.bytes = bytes;
        }
    }

    /// Answers a request: the files in the order in which they are to be read, or none.
    pub fn resolve(&mut self, request: &IncludeRequest, found: Vec<Found>) {
        self.includes.insert((request.from, request.pattern.clone()), found);
    }

    /// The name of a file as shown to users; empty for an unknown id.
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        self.source(file).map_or("", |s| &s.name)
    }

    /// The bytes of a file; none for an unknown id.
    #[must_use]
    pub fn bytes(&self, file: FileId) -> &[u8] {
        self.source(file).map_or(&[], |s| &s.bytes)
    }

    /// Every file, in the order of adding.
    pub fn files(&self) -> impl Iterator<Item = FileId> {
        (self.first..self.next()).map(FileId::new)
    }

    /// The files that the configuration starts with.
    #[must_use]
    pub fn roots(&self) -> &[FileId] {
        &self.roots
    }

    /// The bytes of a place; empty when it does not exist.
    #[must_use]
    pub fn text(&self, span: Span) -> &[u8] {
        self.bytes(span.file).get(span.range()).unwrap_or(&[])
    }

    /// Line and column (both from 1, the column in characters) of the start of a place.
    #[must_use]
    pub fn position(&self, span: Span) -> (usize, usize) {
        let bytes = self.bytes(span.file);
        let before = bytes.get(..span.start as usize).unwrap_or(bytes);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        // Continuation bytes of UTF-8 do not begin a character.
        let column = before[start..].iter().filter(|b| **b & 0xc0 != 0x80).count() + 1;
        (line, column)
    }

    pub(crate) fn refusal(&self, file: FileId) -> Option<&Refusal> {
        self.source(file)?.refused.as_ref()
    }

    pub(crate) fn resolved(&self, from: FileId, pattern: &str) -> Option<&[Found]> {
        // A tuple key of owned parts cannot be looked up by reference.
        self.includes.get(&(from, String::from(pattern))).map(Vec::as_slice)
    }
    fn source(&self, file: FileId) -> Option<&Source> {
        self.files.get(file.index.checked_sub(self.first)? as usize)
    }

    fn next(&self) -> u32 {
        self.first.saturating_add(u32::try_from(self.files.len()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_several_configurations_are_told_apart() {
        let mut one = Sources::new();
        let a = one.add_root("a", b"1".to_vec());
        let b = one.add("b", b"2".to_vec());
        let mut two = Sources::apart_from([&one]);
        let c = two.add_root("c", b"3".to_vec());
        assert_eq!((one.bytes(a), one.bytes(b), two.bytes(c)), (&b"1"[..], &b"2"[..], &b"3"[..]));
        assert_eq!((one.bytes(c), two.bytes(b), two.name(a)), (&b""[..], &b""[..], ""));
        two.replace(c, b"4".to_vec());
        two.replace(a, b"5".to_vec());
        assert_eq!((two.bytes(c), two.bytes(a)), (&b"4"[..], &b""[..]));
        assert!(two.contains(c) && !two.contains(a) && !one.contains(c));
        assert_eq!(two.files().collect::<Vec<_>>(), [c]);
    }
}

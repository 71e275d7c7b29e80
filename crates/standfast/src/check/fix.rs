//! `check --fix`: makes the changes that are safe, and shows them.
//!
//! Each round applies the safe fixes that do not touch each other, in memory, and reads the result again:
//! what it brought must be gone and nothing may have come. Only then files are written, each at once.

use crate::sources::Read;
use config::{Diagnostic, FileId, Fix, Id, Loaded, Safety, Severity, Sources, Surroundings, load, masked};
use rustix::fs::{Gid, Uid, fchown};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// So many bytes are read again to mend a configuration. Each round mends up to a hundred findings of a kind.
const ENOUGH: usize = 512 << 20;
/// The same to say how many findings could be mended: a large file is not read many times for that.
const GLANCE: usize = 4 << 20;
/// So many fixes of a round are tried one by one when they do not go together.
const SINGLE: usize = 200;

/// What safe fixes make of the files of a configuration.
#[derive(Debug, Default)]
pub(super) struct Mended {
    files: Vec<MendedFile>,
    /// How many findings are gone.
    pub(super) findings: usize,
}

#[derive(Debug)]
struct MendedFile {
    name: String,
    before: Vec<u8>,
    after: Vec<u8>,
}

/// Applies the safe fixes in memory.
pub(super) fn mend(read: &Read, surroundings: &Surroundings) -> Mended {
    mend_within(read, surroundings, ENOUGH)
}

/// How many findings can be mended; in a large file perhaps more.
pub(super) fn mendable(read: &Read, surroundings: &Surroundings) -> usize {
    mend_within(read, surroundings, GLANCE).findings
}

fn mend_within(read: &Read, surroundings: &Surroundings, budget: usize) -> Mended {
    let Read::Done { sources: original, diagnostics, omitted, .. } = read else { return Mended::default() };
    let mut sources = original.clone();
    let mut state = State { diagnostics: diagnostics.clone(), omitted: omitted.clone() };
    let mut findings = 0;
    let size = original.files().map(|file| original.bytes(file).len()).sum::<usize>().max(1);
    let mut tries = (budget / size).clamp(1, 10_000);
    loop {
        let fixes = applicable(&state.diagnostics, &sources);
        let Some((next, then, count)) = round(&sources, &state, &fixes, surroundings, &mut tries) else {
            break;
        };
        (sources, state) = (next, then);
        findings += count;
    }
    let changed = original.files().filter(|file| original.bytes(*file) != sources.bytes(*file));
    let file = |file: FileId| MendedFile {
        name: original.name(file).to_owned(),
        before: original.bytes(file).to_vec(),
        after: sources.bytes(file).to_vec(),
    };
    Mended { files: changed.map(file).collect(), findings }
}

/// What there is to say about some sources.
struct State {
    diagnostics: Vec<Diagnostic>,
    omitted: Vec<(Id, usize)>,
}

impl State {
    fn of(sources: &Sources, surroundings: &Surroundings) -> Option<Self> {
        match load(sources, surroundings) {
            Loaded::Done(outcome) => {
                Some(Self { diagnostics: outcome.diagnostics, omitted: outcome.omitted })
            }
            // A mended line asks for another file: what is in it is not known.
            Loaded::Missing(_) => None,
        }
    }

    fn counts(&self) -> BTreeMap<Id, usize> {
        let mut counts: BTreeMap<Id, usize> = self.omitted.iter().copied().collect();
        for diagnostic in &self.diagnostics {
            *counts.entry(diagnostic.id).or_default() += 1;
        }
        counts
    }
}

/// All fixes together if that is good, else those that are good one after the other.
fn round(
    sources: &Sources,
    state: &State,
    fixes: &[(Id, Fix)],
    surroundings: &Surroundings,
    tries: &mut usize,
) -> Option<(Sources, State, usize)> {
    if fixes.is_empty() || *tries == 0 {
        return None;
    }
    *tries -= 1;
    if let Some((next, then)) = attempt(sources, state, fixes, surroundings) {
        return Some((next, then, fixes.len()));
    }
    // From the end, so that the places of those before stay.
    let mut best: Option<(Sources, State, usize)> = None;
    for fix in fixes.iter().rev().take(SINGLE.min(*tries)) {
        *tries -= 1;
        let (from, base) = best.as_ref().map_or((sources, state), |(s, t, _)| (s, t));
        if let Some((next, then)) = attempt(from, base, std::slice::from_ref(fix), surroundings) {
            let count = best.as_ref().map_or(0, |(.., count)| *count) + 1;
            best = Some((next, then, count));
        }
    }
    best
}

/// The sources with these fixes, if the findings are gone then and no others have come.
fn attempt(
    sources: &Sources,
    before: &State,
    fixes: &[(Id, Fix)],
    surroundings: &Surroundings,
) -> Option<(Sources, State)> {
    let mut next = sources.clone();
    let files: BTreeSet<FileId> = fixes.iter().map(|(_, fix)| fix.span.file).collect();
    for file in files {
        let mut bytes = sources.bytes(file).to_vec();
        for (_, fix) in fixes.iter().rev().filter(|(_, fix)| fix.span.file == file) {
            bytes.splice(fix.span.range(), fix.replacement.bytes());
        }
        next.replace(file, bytes);
    }
    let after = State::of(&next, surroundings)?;
    let (was, is) = (before.counts(), after.counts());
    let mended = |id: Id| fixes.iter().filter(|(of, _)| *of == id).count();
    // A character that does not belong hides what is wrong with its line.
    let hidden = fixes.iter().any(|(id, _)| matches!(id, Id::ByteOrderMark | Id::OddBlank | Id::OddQuote));
    let good = Id::ALL.iter().all(|id| {
        let allowed = was.get(id).copied().unwrap_or(0).saturating_sub(mended(*id));
        let may_show = hidden && id.severity() != Severity::Error && mended(*id) == 0;
        is.get(id).copied().unwrap_or(0) <= allowed || may_show
    });
    good.then_some((next, after))
}

/// The safe fixes in the order of the text, none touching another.
fn applicable(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<(Id, Fix)> {
    let safe = diagnostics.iter().filter_map(|d| {
        let fix = d.fix.as_ref().filter(|fix| fix.safety == Safety::Safe && is_literal(sources, fix))?;
        Some((d.id, fix.clone()))
    });
    let mut list: Vec<(Id, Fix)> = safe.collect();
    list.sort_by_key(|(_, fix)| (fix.span.file, fix.span.start, fix.span.end));
    let mut kept: Vec<(Id, Fix)> = Vec::new();
    for (id, fix) in list {
        let apart = kept
            .last()
            .is_none_or(|(_, last)| last.span.file != fix.span.file || last.span.end < fix.span.start);
        if apart {
            kept.push((id, fix));
        }
    }
    kept
}

/// Whether the place is text as it was read, in one line: not a definition, not the use of one, not a line
/// that goes on in the next.
fn is_literal(sources: &Sources, fix: &Fix) -> bool {
    let bytes = sources.bytes(fix.span.file);
    let Some(text) = bytes.get(fix.span.range()) else { return false };
    let (start, end) = lines_around(bytes, fix.span.range());
    let line = bytes.get(start..end).unwrap_or_default().trim_ascii();
    let joined =
        bytes.get(..start).unwrap_or_default().trim_ascii_end().ends_with(b"\\") || line.ends_with(b"\\");
    !joined && !line.starts_with(b"$") && !text.iter().any(|b| matches!(b, b'$' | b'~' | b'\n'))
}

/// From the start of the first line of a range to the end of its last one.
fn lines_around(bytes: &[u8], range: std::ops::Range<usize>) -> (usize, usize) {
    let before = bytes.get(..range.start).unwrap_or_default();
    let after = bytes.get(range.end..).unwrap_or_default();
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let end = after.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| range.end + at);
    (start, end)
}

impl Mended {
    /// What changes, line by line. Secrets are masked, and characters that cannot be seen are named.
    pub(super) fn show(&self, colour: bool, out: &mut dyn Write) -> io::Result<()> {
        let (red, green, plain) = if colour { ("\x1b[31m", "\x1b[32m", "\x1b[0m") } else { ("", "", "") };
        for file in &self.files {
            // Safe fixes stay within their line, so line by line is the difference.
            let lines = file.before.split(|b| *b == b'\n').zip(file.after.split(|b| *b == b'\n'));
            writeln!(out, "--- {0}\n+++ {0}", file.name)?;
            for (number, (old, new)) in lines.enumerate().filter(|(_, (old, new))| old != new) {
                writeln!(out, "@@ line {} @@", number + 1)?;
                writeln!(out, "{red}-{}{plain}", visible(old))?;
                writeln!(out, "{green}+{}{plain}", visible(new))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    /// How many files change.
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// Writes the files, each at once. All are written beside the old ones first, so that what is refused, or a
    /// full disk, changes none.
    ///
    /// # Errors
    /// What was tried with which file, and why it did not work.
    pub(super) fn write(&self) -> Result<(), String> {
        let failed = |file: &MendedFile, why: String| format!("cannot change {}: {why}", file.name);
        let mut drafts = Vec::with_capacity(self.files.len());
        for file in &self.files {
            drafts.push((file, Draft::of(file).map_err(|why| failed(file, why))?));
        }
        for (file, draft) in drafts {
            draft.put(&file.before).map_err(|why| failed(file, why))?;
        }
        Ok(())
    }
}

/// A line that can be looked at.
fn visible(line: &[u8]) -> String {
    let mut text = String::new();
    for c in masked(line).text.trim_end().chars() {
        let blank = c.is_whitespace() && c != ' ';
        if blank || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{2028}'..='\u{202e}') {
            text.push_str(&format!("<U+{:04X}>", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

/// The new text of a file, beside the old one; gone when it is not put in its place.
struct Draft {
    path: PathBuf,
    beside: PathBuf,
}

impl Draft {
    fn of(file: &MendedFile) -> Result<Self, String> {
        // A link stays a link: what it leads to is changed.
        let path = fs::canonicalize(&file.name).map_err(|e| e.to_string())?;
        let metadata = fs::metadata(&path).map_err(|e| e.to_string())?;
        if !metadata.is_file() {
            return Err("it is not a regular file".into());
        }
        if metadata.nlink() > 1 {
            return Err("it has several names (hard links), and only one of them would change".into());
        }
        is_still(&path, &file.before)?;
        let beside = beside(&path);
        // Made by this call, or it fails: what is there already is not ours to remove.
        let new = File::options().write(true).create_new(true).mode(0o600).open(&beside);
        let new = new.map_err(|e| e.to_string())?;
        let draft = Self { path, beside };
        fill(new, &file.after, &metadata).map_err(|e| e.to_string())?;
        Ok(draft)
    }

    fn put(self, before: &[u8]) -> Result<(), String> {
        is_still(&self.path, before)?;
        fs::rename(&self.beside, &self.path).map_err(|e| e.to_string())?;
        // The change is made; that it also survives a power failure is worth a try.
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After the renaming there is nothing of that name.
        let _ = fs::remove_file(&self.beside);
    }
}

fn is_still(path: &Path, before: &[u8]) -> Result<(), String> {
    let now = fs::read(path).map_err(|e| e.to_string())?;
    if now == before { Ok(()) } else { Err("somebody else changed it meanwhile".into()) }
}

/// A new name beside the file.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // No name that an include of `*.conf` would match.
    path.with_file_name(format!(".{name}.standfast-{}", std::process::id()))
}

fn fill(mut file: File, bytes: &[u8], like: &fs::Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        fchown(&file, Some(Uid::from_raw(like.uid())), Some(Gid::from_raw(like.gid())))?;
    }
    file.set_permissions(Permissions::from_mode(like.mode() & 0o7777))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Args, run};
    use crate::sources::read;
    use proptest::prelude::*;

    /// A directory of its own that is gone afterwards.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("standfast-fix-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            fs::write(self.0.join(name), text).unwrap();
            self.0.join(name)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn check(path: &Path, dry_run: bool) -> (u8, String) {
        let mut out = Vec::new();
        let args = Args { files: vec![path.to_owned()], fix: true, dry_run, ..Args::default() };
        let code = run(&Args { color: crate::check::Colour::Never, ..args }, &mut out);
        let name = path.parent().unwrap().display().to_string() + "/";
        (code, String::from_utf8(out).unwrap().replace(&name, ""))
    }

    fn instance(lines: &str) -> String {
        format!(
            "vrrp_instance A {{\n    interface eth0\n    virtual_router_id 7\n    priority 90\n{lines}    \
             virtual_ipaddress {{\n        10.0.0.3\n    }}\n}}\n"
        )
    }

    #[test]
    fn included_files_links_and_modes() {
        let here = Scratch::new("files");
        let real = here.write("real.conf", &instance("    state\u{a0}Backup\n"));
        fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("real.conf", here.0.join("link.conf")).unwrap();
        let main = here.write("main.conf", "include link.conf\ninclude link.conf\n");
        let before = fs::read(&real).unwrap();
        let (_, shown) = check(&main, true);
        assert!(shown.starts_with("--- link.conf\n+++ link.conf\n@@ line 5 @@\n-    state<U+00A0>Backup\n+    state BACKUP\n\nwould mend 2 findings in 1 file\n"), "{shown}");
        assert_eq!(fs::read(&real).unwrap(), before, "--dry-run writes nothing");
        let (_, shown) = check(&main, false);
        assert!(shown.contains("mended 2 findings in 1 file\n"), "{shown}");
        assert_eq!(fs::read_to_string(&real).unwrap(), instance("    state BACKUP\n"));
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o640);
        assert!(here.0.join("link.conf").is_symlink());
        assert_eq!(fs::read_dir(&here.0).unwrap().count(), 3, "nothing else is left there");
        let (_, again) = check(&main, false);
        assert!(!again.contains("mended"), "{again}");
    }

    #[test]
    fn when_one_file_cannot_be_changed_none_is() {
        let here = Scratch::new("all");
        let part = here.write("a.conf", &instance("    state Backup\n"));
        let other = instance("    state Backup\n").replace("id 7", "id 8").replace("e A", "e B");
        let shared = here.write("b.conf", &other);
        fs::hard_link(&shared, here.0.join("b.other")).unwrap();
        let main = here.write("main.conf", "include a.conf\ninclude b.conf\n");
        let (code, shown) = check(&main, false);
        assert!(code != 0 && shown.contains("--- a.conf") && !shown.contains("mended"), "{code} {shown}");
        assert_eq!(fs::read_to_string(&part).unwrap(), instance("    state Backup\n"));
        assert_eq!(fs::read_dir(&here.0).unwrap().count(), 4, "nothing else is left there");
    }

    #[test]
    fn what_is_mended_is_what_was_meant() {
        let here = Scratch::new("meant");
        let mended = |text: &str| {
            let path = here.write("x.conf", text);
            check(&path, false);
            fs::read_to_string(path).unwrap()
        };
        let lines = |lines: &str| mended(&instance(lines));
        assert_eq!(mended(&format!("\u{feff}{}", instance(""))), instance(""));
        assert_eq!(
            lines("    state MASTER\r\n    garp_master_repeat 0\r\n"),
            instance("    state MASTER\r\n    garp_master_repeat 1\r\n")
        );
        assert_eq!(lines("    state slave\n"), instance("    state BACKUP\n"));
        assert_eq!(
            lines("    unicast_peer {\n 10.0.0.6/24\n}\n"),
            instance("    unicast_peer {\n 10.0.0.6\n}\n")
        );
        // Guesses, definitions and their uses are left alone.
        for left in ["    prioirty 80\n", "    state $STATE\n", "    state ACTIVE\n", "    stat\\\ne slave\n"]
        {
            let text = format!("$STATE=slave\n{}", instance(left));
            assert_eq!(mended(&text), text);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let here = Scratch::new("secret");
        let path = here.write(
            "x.conf",
            &instance("    authentication {\n auth_type PASS\n auth_pass \u{201c}geheim\u{201d}\n}\n"),
        );
        let (_, shown) = check(&path, true);
        assert!(!shown.contains("geheim"), "{shown}");
        for format in [crate::report::Format::Json, crate::report::Format::Sarif] {
            let mut out = Vec::new();
            run(&Args { files: vec![path.clone()], format, ..Args::default() }, &mut out);
            let shown = String::from_utf8(out).unwrap();
            assert!(shown.contains("odd-quote") && !shown.contains("geheim"), "{shown}");
        }
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let here = Scratch::new("meanwhile");
        let path = here.write("x.conf", &instance("    state slave\n"));
        let surroundings = Surroundings::default();
        let mended = mend(&read(&path, &surroundings), &surroundings);
        here.write("x.conf", "# new\n");
        assert!(mended.write().unwrap_err().ends_with("x.conf: somebody else changed it meanwhile"));
        fs::remove_file(&path).unwrap();
        assert!(mended.write().is_err());
        assert_eq!(fs::read_dir(&here.0).unwrap().count(), 0);
    }

    /// A page's example that has a safe fix is mended by it.
    #[test]
    fn every_safe_fix_mends_the_example_of_its_page() {
        let mut mended = Vec::new();
        for id in Id::ALL {
            let example =
                id.explanation().split_once("```keepalived\n").and_then(|(_, rest)| rest.split_once("```"));
            let Some((example, _)) = example else { continue };
            let mut sources = Sources::new();
            sources.add_root("x.conf", example.as_bytes().to_vec());
            let surroundings = Surroundings::default();
            let Some(before) = State::of(&sources, &surroundings) else { continue };
            let fixes = applicable(&before.diagnostics, &sources);
            if fixes.iter().any(|(of, _)| of == id) {
                let (_, after, _) = round(&sources, &before, &fixes, &surroundings, &mut 100).unwrap();
                assert!(after.counts().get(id) < before.counts().get(id), "{id}");
                mended.push(id.name());
            }
        }
        for id in ["bad-prefix", "bad-number", "unknown-state", "interval-altered"] {
            assert!(mended.contains(&id), "{id} is not among {mended:?}");
        }
    }

    /// Lines, right and wrong ones.
    fn line() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(vec![
            "state slave",
            "state Master",
            "state\u{a0}BACKUP",
            "priority 90x",
            "priority\u{3000}\u{201c}80\u{201d}",
            "advert_int 1.0000001",
            "advert_int 0,5",
            "advert_int 1.5",
            "version 3",
            "garp_master_repeat 0",
            "garp_master_delay 5s",
            "unicast_peer {\n10.0.0.6/24\n10.0.0.7\n}",
            "unicast_src_ip 10.0.0.5/24",
            "virtual_ipaddress_excluded {\n10.0.0.9/255.255.255.0 nodad\n}",
            "check_unicast_src",
            "nopreempt",
            "accept TRUE",
            "skip_check_adv_addr On",
            "prioirty 3",
            "}",
            "authentication {\nauth_type pass\nauth_pass x\n}",
            "higher_prio_send_advert YES",
            "\u{feff}",
            "$S=slave",
            "state $S",
            "foo {",
            "state \u{201c}slave",
            "! x",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_comes_and_what_was_mended_stays_gone(lines in proptest::collection::vec(line(), 0..12)) {
            let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
            let mut sources = Sources::new();
            let root = sources.add_root("x.conf", instance(&lines).into_bytes());
            let surroundings = Surroundings::default();
            let before = State::of(&sources, &surroundings).unwrap();
            let read = Read::Done {
                host: None,
                partial: None,
                places: config::Places::default(),
                diagnostics: before.diagnostics.clone(),
                omitted: before.omitted.clone(),
                sources: sources.clone(),
            };
            let mended = mend(&read, &surroundings);
            if let Some(file) = mended.files.first() {
                sources.replace(root, file.after.clone());
            }
            let after = State::of(&sources, &surroundings).unwrap();
            let (was, is) = (before.counts(), after.counts());
            let characters = [Id::OddBlank, Id::OddQuote, Id::ByteOrderMark].iter().any(|id| was.contains_key(id));
            for (id, count) in &is {
                prop_assert!(characters || *count <= was.get(id).copied().unwrap_or(0), "{}", id);
            }
            let total = |counts: &BTreeMap<Id, usize>| counts.values().sum::<usize>();
            prop_assert!(characters || total(&is) <= total(&was) - mended.findings);
            let fixes = applicable(&after.diagnostics, &sources);
            prop_assert!(round(&sources, &after, &fixes, &surroundings, &mut 100).is_none(), "a second run changes nothing");
        }
    }
}

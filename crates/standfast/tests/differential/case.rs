//! A case as it is written down: the files of the nodes as their users write them, and what then happens.
//!
//! ```text
//! # why this case is here
//! ci                              it runs always
//! machines lb01 lb02              unless it says so
//! quiet 2.5                       seconds without news: the act is over. Longer than any timer of the case
//! link eth1                       a second interface of each machine, with a cable to nowhere
//! count                           also how many announcements there were
//! lower                           also what is told of lower adverts
//! --- all                         the file of each node; lines `@lb01 …` are that node's only
//! --- lb02                        the file of one node
//! --- file /run/x                 a program on each machine
//! --- story                       one act a line, see `act.rs`; `;` joins acts that follow each other at once
//! --- differs                     blocks of `after:`, `at:`, `theirs:`, `ours:`, `because:`; an act that is in the story
//!                                 for the second time is `ACT (2)`, and `any` is any act
//! ```
//!
//! `/run` is each machine's own. `/run/rec` writes down its arguments, `/run/check NAME` succeeds until the story says
//! `fail … NAME`, and `/run/fifo` is a FIFO that is read.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A difference that is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Difference {
    /// The act after which.
    pub(crate) after: String,
    /// What was compared.
    pub(crate) at: String,
    pub(crate) theirs: String,
    pub(crate) ours: String,
    /// A name in `reasons.rs`.
    pub(crate) because: String,
}

/// A case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) ci: bool,
    pub(crate) machines: Vec<String>,
    pub(crate) quiet: Duration,
    pub(crate) links: Vec<String>,
    pub(crate) count: bool,
    pub(crate) lower: bool,
    /// By machine; `all` for those that have none of their own.
    pub(crate) files: BTreeMap<String, String>,
    /// Programs, by their paths.
    pub(crate) programs: BTreeMap<String, String>,
    pub(crate) story: Vec<String>,
    pub(crate) differences: Vec<Difference>,
}

impl Case {
    /// The configuration of a machine.
    pub(crate) fn configuration(&self, machine: &str) -> Result<&str, String> {
        let found = self.files.get(machine).or_else(|| self.files.get("all"));
        found.map(String::as_str).ok_or_else(|| format!("{}: no file for {machine}", self.name))
    }
}

/// All cases, by name.
pub(crate) fn all() -> Result<Vec<Case>, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/cases");
    let entries = std::fs::read_dir(&directory).map_err(|why| format!("{}: {why}", directory.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "case"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Case, String> {
    let text = std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    parse(&name, &text).map_err(|why| format!("{}: {why}", path.display()))
}

fn parse(name: &str, text: &str) -> Result<Case, String> {
    let mut case = Case {
        name: name.to_owned(),
        machines: vec!["lb01".to_owned(), "lb02".to_owned()],
        quiet: Duration::from_millis(2500),
        ..Case::default()
    };
    let mut part = "head";
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("--- ") {
            part = heading;
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match (part, words.as_slice()) {
            ("head", words) => head(&mut case, words)?,
            ("story", []) => {}
            ("story", words) => case.story.push(words.join(" ")),
            ("differs", words) => difference(&mut case.differences, line, words)?,
            (part, _) => {
                let (files, name) = match part.strip_prefix("file ") {
                    Some(path) => (&mut case.programs, path),
                    None => (&mut case.files, part),
                };
                let file = files.entry(name.to_owned()).or_default();
                file.push_str(line);
                file.push('\n');
            }
        }
    }
    if case.story.is_empty() {
        return Err("it has no story".to_owned());
    }
    case.machines.iter().try_for_each(|machine| case.configuration(machine).map(drop))?;
    Ok(case)
}

fn head(case: &mut Case, words: &[&str]) -> Result<(), String> {
    match words {
        [] | ["#", ..] => {}
        ["ci"] => case.ci = true,
        ["count"] => case.count = true,
        ["lower"] => case.lower = true,
        ["machines", names @ ..] => case.machines = names.iter().map(|&name| name.to_owned()).collect(),
        ["link", names @ ..] => case.links = names.iter().map(|&name| name.to_owned()).collect(),
        ["quiet", time] => {
            let time: f64 = time.parse().map_err(|why| format!("quiet {time}: {why}"))?;
            case.quiet = Duration::from_secs_f64(time);
        }
        other => return Err(format!("nobody knows what {other:?} means")),
    }
    Ok(())
}

fn difference(all: &mut Vec<Difference>, line: &str, words: &[&str]) -> Result<(), String> {
    let Some((key, value)) = line.split_once(':') else {
        return if words.is_empty() { Ok(()) } else { Err(format!("a difference {line:?}")) };
    };
    let value = value.trim().to_owned();
    if key == "after" {
        all.push(Difference { after: value, ..Difference::default() });
        return Ok(());
    }
    let last = all.last_mut().ok_or("a difference begins with `after:`")?;
    match key {
        "at" => last.at = value,
        "theirs" => last.theirs = value,
        "ours" => last.ours = value,
        "because" => last.because = value,
        other => return Err(format!("a difference has no {other:?}")),
    }
    Ok(())
}

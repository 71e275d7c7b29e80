//! `cargo xtask mutants`: breaks the core in every small way and looks whether anybody notices: first the simulated
//! worlds, then the unit tests. The table is docs/testing/mutants.md; `excused.txt` beside this file says of those that
//! nobody notices why.

mod mutate;
mod run;
mod table;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{self, root};
use mutate::{Mutation, Mutator};

/// What is broken: files, and folders with all that is in them.
const TARGETS: [&str; 6] = [
    "crates/vrrp/src/router.rs",
    "crates/vrrp/src/timers.rs",
    "crates/vrrp/src/admit.rs",
    "crates/node/src/held.rs",
    "crates/node/src/verdict.rs",
    "crates/node/src/node",
];
/// What is needed for building the judges.
const CRATES: [&str; 6] = ["timeline", "wire", "vrrp", "model", "node", "sim"];

/// What the caller wants.
pub(crate) struct Wish {
    /// So many worlds see each mutant.
    pub(crate) worlds: u64,
    /// Only each of so many.
    pub(crate) every: usize,
    /// Only mutations in files whose path has this in it.
    pub(crate) only: Option<String>,
    /// No further one is begun after so many minutes.
    pub(crate) minutes: Option<u64>,
}

pub(crate) fn wish(words: &[&str]) -> Result<Wish> {
    let mut wish = Wish { worlds: 500, every: 1, only: None, minutes: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} wants a value"))?;
        match *word {
            "--worlds" => wish.worlds = value.parse().context("--worlds wants a number")?,
            "--every" => wish.every = value.parse().context("--every wants a number")?,
            "--minutes" => wish.minutes = Some(value.parse().context("--minutes wants a number")?),
            "--only" => wish.only = Some((*value).into()),
            other => bail!("mutants has no option {other}"),
        }
    }
    Ok(wish)
}

pub(crate) fn run(wish: &Wish) -> Result<bool> {
    let tree = target().join("mutants");
    let (mutations, tools) = build(&tree)?;
    println!("{} mutations", mutations.len());
    let chosen: Vec<Mutation> = mutations
        .into_iter()
        .filter(|mutation| wish.only.as_ref().is_none_or(|only| mutation.file.contains(only.as_str())))
        .step_by(wish.every.max(1))
        .collect();
    let results = run::judge_all(&tools, &chosen, wish)?;
    table::write(&root(), &results, wish)
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Writes the mutated sources and builds the judges; a mutation that does not build is left out.
fn build(tree: &Path) -> Result<(Vec<Mutation>, run::Tools)> {
    // What is known of the same sources need not be found out once more.
    let (known, print) = (tree.join("left_out.json"), fingerprint()?);
    let noted = std::fs::read(&known).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let noted: (u64, BTreeSet<usize>) = noted.unwrap_or_default();
    let mut left_out = if noted.0 == print { noted.1 } else { BTreeSet::new() };
    loop {
        let mutations = write_tree(tree, &left_out)?;
        put(&known, &serde_json::to_string(&(print, &left_out))?)?;
        match run::build(tree)? {
            run::Built::Tools(tools) => return Ok((mutations, tools)),
            run::Built::Broken(numbers) => {
                println!("{} mutations do not build and are left out", numbers.len());
                left_out.extend(numbers);
            }
        }
    }
}

/// Of the sources that are broken.
fn fingerprint() -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for target in TARGETS {
        let path = root().join(target);
        let mut files = vec![path.clone()];
        if path.is_dir() {
            let entries: Vec<_> = std::fs::read_dir(&path)?.collect::<std::io::Result<_>>()?;
            files = entries.into_iter().map(|entry| entry.path()).collect();
            files.sort();
        }
        for file in files {
            std::fs::read_to_string(&file).with_context(|| file.display().to_string())?.hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}

fn write_tree(tree: &Path, left_out: &BTreeSet<usize>) -> Result<Vec<Mutation>> {
    let mut mutator = Mutator::new(left_out.clone());
    for name in CRATES {
        let from = root().join("crates").join(name);
        let to = tree.join("crates").join(name);
        copy(&from, &to, &mut mutator)?;
        forget(&from, &to)?;
    }
    let manifest = std::fs::read_to_string(root().join("Cargo.toml"))?;
    let manifest = manifest
        .replace("members = [\"crates/*\", \"xtask\"]", "members = [\"crates/*\"]")
        .replace("default-members = [\"crates/standfast\"]", "")
        .replace(
            "[workspace.dependencies]",
            "[workspace.dependencies]\nmutant = { path = \"crates/mutant\" }",
        );
    put(&tree.join("Cargo.toml"), &manifest)?;
    put(&tree.join("Cargo.lock"), &std::fs::read_to_string(root().join("Cargo.lock"))?)?;
    put(&tree.join("crates/mutant/Cargo.toml"), SWITCH_MANIFEST)?;
    put(&tree.join("crates/mutant/src/lib.rs"), SWITCH)?;
    for name in ["vrrp", "node"] {
        let path = tree.join("crates").join(name).join("Cargo.toml");
        let manifest = std::fs::read_to_string(&path)?;
        let manifest =
            manifest.replacen("[dependencies]", "[dependencies]\nmutant = { workspace = true }", 1);
        put(&path, &manifest)?;
    }
    Ok(mutator.all)
}

/// Copies a crate; its sources lose their lints and get the mutations.
fn copy(from: &Path, to: &Path, mutator: &mut Mutator) -> Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(from)?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target, mutator)?;
            continue;
        }
        let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned();
        let is_core = name.starts_with("crates/vrrp/src") || name.starts_with("crates/node/src");
        if is_core && name.ends_with(".rs") {
            let is_target = TARGETS.iter().any(|target| name.starts_with(target));
            let source = std::fs::read_to_string(&path)?;
            let text = mutator.mutate(&name, &source, is_target).with_context(|| name.clone())?;
            put(&target, &text)?;
        } else if name.ends_with("Cargo.toml") {
            let text = std::fs::read_to_string(&path)?;
            put(&target, &text.replace("[lints]\nworkspace = true", ""))?;
        } else {
            let bytes = std::fs::read(&path)?;
            put_bytes(&target, &bytes)?;
        }
    }
    Ok(())
}

/// Removes what an earlier run copied and is no more.
fn forget(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(to)? {
        let entry = entry?;
        let (path, source) = (entry.path(), from.join(entry.file_name()));
        match (path.is_dir(), source.exists()) {
            (true, true) => forget(&source, &path)?,
            (true, false) => std::fs::remove_dir_all(&path)?,
            (false, true) => {}
            (false, false) => std::fs::remove_file(&path)?,
        }
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<()> {
    put_bytes(path, text.as_bytes())
}

/// Leaves what is the same as it is, so that it is not built again.
fn put_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// Cargo for the mutated tree.
fn cargo(tree: &Path, words: &[&str]) -> shell::Run {
    let manifest = tree.join("Cargo.toml");
    let (first, rest) = words.split_first().unwrap_or((&"check", &[]));
    let path = manifest.to_string_lossy().into_owned();
    let all = [*first, "--manifest-path", &path].into_iter().chain(rest.iter().copied());
    shell::cargo(all.map(String::from).collect::<Vec<_>>()).with("CARGO_TARGET_DIR", tree.join("target"))
}

const SWITCH_MANIFEST: &str =
    "[package]\nname = \"mutant\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n";

const SWITCH: &str = r#"
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
static WHICH: AtomicUsize = AtomicUsize::new(usize::MAX);
#[inline]
pub fn is(number: usize) -> bool {
    let mut which = WHICH.load(Relaxed);
    if which == usize::MAX {
        which = std::env::var("MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        WHICH.store(which, Relaxed);
    }
    which == number
}
pub trait Flip { fn flip(self) -> Self; }
impl Flip for bool { fn flip(self) -> Self { !self } }
#[inline]
pub fn flip<T: Flip>(is: bool, value: T) -> T { if is { value.flip() } else { value } }
"#;

//! Builds the judges and lets them judge each mutant in a process of its own, with a limit of time and memory.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::mutate::Mutation;
use super::{Wish, cargo};

/// The programs that judge.
#[derive(Debug)]
pub(super) struct Tools {
    sim: PathBuf,
    /// Each with the crate that it belongs to.
    tests: Vec<(PathBuf, PathBuf)>,
}

pub(super) enum Built {
    Tools(Tools),
    /// These mutations are no Rust.
    Broken(BTreeSet<usize>),
}

/// Who noticed a mutant.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) mutation: Mutation,
    /// What the worlds say; `None`: nothing is wrong.
    pub(super) sim: Option<String>,
    pub(super) tests: Option<String>,
}

/// Longer than any judge needs, which also has ten seconds of a processor only.
const LIMIT: Duration = Duration::from_secs(200);

pub(super) fn build(tree: &Path) -> Result<Built> {
    let judges: [&[&str]; 2] = [
        &["build", "--offline", "--profile", "lab", "-p", "sim", "--examples", "--message-format=json"],
        &["test", "--offline", "--no-run", "-p", "vrrp", "-p", "node", "--message-format=json"],
    ];
    let mut programs = Vec::new();
    for words in judges {
        let (well, output) = cargo(tree, words).with("RUSTFLAGS", "-Awarnings").whole_output()?;
        let messages: Vec<Value> =
            output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if !well {
            let broken: BTreeSet<usize> =
                messages.iter().filter_map(|message| culprit(tree, message)).collect();
            ensure!(!broken.is_empty(), "the mutated sources do not build, and no mutation is to blame");
            return Ok(Built::Broken(broken));
        }
        programs.extend(messages.iter().filter_map(program));
    }
    let sim = programs.iter().find(|(path, _)| path.to_string_lossy().contains("/examples/"));
    let sim = sim.map(|(path, _)| path.clone()).context("no simulator was built")?;
    // What counts allocations would count those of the switch.
    let tests = programs.into_iter().filter(|(path, _)| {
        let path = path.to_string_lossy();
        !path.contains("/examples/") && !path.contains("/steady-")
    });
    Ok(Built::Tools(Tools { sim, tests: tests.collect() }))
}

fn program(message: &Value) -> Option<(PathBuf, PathBuf)> {
    let path = message.get("executable")?.as_str()?;
    let manifest = Path::new(message.get("manifest_path")?.as_str()?);
    Some((path.into(), manifest.parent()?.into()))
}

/// The mutation that an error of the compiler is about: the nearest one before its end.
fn culprit(tree: &Path, message: &Value) -> Option<usize> {
    let error = message.get("message")?;
    if error.get("level")?.as_str()? != "error" {
        return None;
    }
    let spans = error.get("spans")?.as_array()?;
    let span = spans.iter().find(|span| span.get("is_primary") == Some(&Value::Bool(true)))?;
    let text = std::fs::read_to_string(tree.join(span.get("file_name")?.as_str()?)).ok()?;
    let at = |name: &str| usize::try_from(span.get(name)?.as_u64()?).ok();
    let (start, end) = (at("byte_start")?, at("byte_end")?);
    let inside = || Some((start + text.get(start..end)?.find("mutant :: is (")?, false));
    let before = || Some((text.get(..start)?.rfind("mutant :: is (")?, true));
    let (place, _) = inside().or_else(before)?;
    let digits = text.get(place..)?.split('(').nth(1)?;
    digits.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

pub(super) fn judge_all(tools: &Tools, mutations: &[Mutation], wish: &Wish) -> Result<Vec<Judged>> {
    let worlds = wish.worlds;
    // What is not broken is not noticed.
    if let Some(what) = sim(tools, 0, worlds).or_else(|| tests(tools, 0)) {
        bail!("the judges do not even like what was not changed: {what}");
    }
    let end = wish.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let is_over = || end.is_some_and(|end| Instant::now() >= end);
    // Whatever is left when the time is over is spread over all files.
    let stride =
        [37, 41, 43].into_iter().find(|stride| !mutations.len().is_multiple_of(*stride)).unwrap_or(1);
    let nth = |n: usize| (n < mutations.len()).then(|| mutations.get(n * stride % mutations.len())).flatten();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(mutation) = nth(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !is_over()) {
            let judged = Judged {
                mutation: mutation.clone(),
                sim: sim(tools, mutation.number, worlds),
                tests: tests(tools, mutation.number),
            };
            let say = |noticed: &Option<String>| noticed.as_deref().unwrap_or("missed").to_owned();
            println!(
                "{}:{}: {}: {} | worlds: {} | tests: {}",
                mutation.file,
                mutation.line,
                mutation.function,
                mutation.what,
                say(&judged.sim),
                say(&judged.tests)
            );
            if let Ok(mut done) = done.lock() {
                done.push(judged);
            }
        }
    };
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|judged| judged.mutation.number);
    Ok(done)
}

/// What the first world that goes wrong says.
fn sim(tools: &Tools, number: usize, worlds: u64) -> Option<String> {
    let ended = limited(&tools.sim, &["--first", &worlds.to_string()], number, Path::new("."));
    match ended {
        Ended::Well => None,
        Ended::Badly(text) => {
            let line = text.lines().find(|line| line.starts_with("seed "));
            let oracle = line.and_then(|line| line.split(": ").nth(2)).map(String::from);
            Some(oracle.unwrap_or_else(|| "panic".into()))
        }
        Ended::Never => Some("never ends".into()),
    }
}

fn tests(tools: &Tools, number: usize) -> Option<String> {
    tools.tests.iter().find_map(|(program, folder)| match limited(program, &["-q"], number, folder) {
        Ended::Well => None,
        Ended::Badly(text) => {
            let test = text.lines().find_map(|line| line.strip_prefix("---- ")?.split(' ').next());
            Some(test.map_or_else(|| "panic".into(), String::from))
        }
        Ended::Never => Some("never ends".into()),
    })
}

enum Ended {
    Well,
    Badly(String),
    Never,
}

fn limited(program: &Path, words: &[&str], number: usize, folder: &Path) -> Ended {
    let child = Command::new("sh")
        .args(["-c", "ulimit -v 6000000; ulimit -t 10; exec \"$0\" \"$@\""])
        .arg(program)
        .args(words)
        .current_dir(folder)
        .env("MUTANT", number.to_string())
        .env("INSTA_WORKSPACE_ROOT", folder.parent().and_then(Path::parent).unwrap_or(folder))
        .env("INSTA_UPDATE", "no")
        .env("PROPTEST_RNG_SEED", "20261122")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("PROPTEST_FAILURE_PERSISTENCE", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return Ended::Badly("cannot be started".into()) };
    let output = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut output) = output {
            let _ = std::io::Read::read_to_end(&mut output, &mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ended::Well,
            // The limit of its time.
            Ok(Some(status)) if matches!(status.signal(), Some(9 | 24)) => return Ended::Never,
            Ok(Some(_)) | Err(_) => return Ended::Badly(reader.join().unwrap_or_default()),
            Ok(None) if began.elapsed() > LIMIT => {
                let _ = child.kill();
                let _ = child.wait();
                return Ended::Never;
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

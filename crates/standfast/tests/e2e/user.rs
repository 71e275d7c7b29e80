//! The same for an ordinary user, whose laboratory has a user namespace around it: some rights are missing there, and
//! the daemon still does its work.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use lab::harness::{Outcome, Test, fail, skip};

use crate::pair::OURS;

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::slow("user::an_ordinary_user_passes_a_few_of_these", ordinary_user)]
}

/// Nobody's number on Debian and most others.
const NOBODY: u32 = 65534;
/// Names the program for the run as another user, who may not reach the original.
pub(crate) const PROGRAM: &str = "STANDFAST_E2E_PROGRAM";
/// What is run once more.
const AGAIN: [&str; 5] = [
    "scenario::ours::",
    "takeover::V3Ipv6::ours_active_ours",
    "repair::a_deleted",
    "a_killed_",
    "run::readiness",
];

/// A directory that everybody may read and that every laboratory shows; it vanishes when this is dropped.
struct Place(PathBuf);

impl Place {
    fn make() -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        // Numbers of processes begin anew in each laboratory; the time tells two apart.
        let place = std::env::temp_dir().join(format!("standfast-e2e-{}", lab::now().as_nanos()));
        std::fs::DirBuilder::new().mode(0o755).create(&place)?;
        Ok(Self(place))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ordinary_user() -> Outcome {
    if !rustix::process::geteuid().is_root() || lab::inside().is_some_and(|inside| inside.user_namespace) {
        return Err(skip("only root can become another user"));
    }
    let place = Place::make()?;
    let copy = |from: &std::path::Path, name: &str| {
        let to = place.0.join(name);
        // Not copied by this process: another thread's fork could hold the copy open for writing.
        let copied = Command::new("install").args(["-m", "755"]).arg(from).arg(&to).status()?;
        if copied.success() { Ok(to) } else { Err(fail(format!("{name} was not copied"))) }
    };
    let (tests, program) = (copy(&std::env::current_exe()?, "tests")?, copy(OURS.as_ref(), "standfast")?);
    let runs = AGAIN.map(|filter| {
        let mut command = Command::new(&tests);
        command.arg(filter).uid(NOBODY).gid(NOBODY).current_dir("/").env_remove("CI").env(PROGRAM, &program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    });
    for (filter, child) in AGAIN.iter().zip(runs) {
        let output = child?.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let summary = text.lines().find(|line| line.starts_with("test result:")).unwrap_or_default();
        if !output.status.success() || !summary.contains(" 0 failed") || summary.contains(" 0 passed") {
            return Err(fail(format!("{filter}: {text}{}", String::from_utf8_lossy(&output.stderr))));
        }
    }
    Ok(())
}

//! Runs other programs, says which, and listens to what they print while it passes by.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// A program to run in the workspace's root.
pub(crate) struct Run(Command);

/// Cargo itself, the one that runs this.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments)
}

/// Any program.
pub(crate) fn program<S: AsRef<OsStr>>(
    name: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> Run {
    let mut command = Command::new(name);
    // Nothing here asks questions, and a clean machine has nobody to answer.
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    Run(command)
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    here.parent().map_or_else(|| PathBuf::from("."), PathBuf::from)
}

impl Run {
    /// With an environment variable.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Whether it succeeds; what it prints goes to the terminal.
    pub(crate) fn succeeds(mut self) -> Result<bool> {
        let status = self.0.status().with_context(|| format!("cannot run {:?}", self.0.get_program()))?;
        Ok(status.success())
    }

    /// Whether it succeeds; what it prints is of no interest.
    pub(crate) fn quietly(mut self) -> bool {
        self.0.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// Its standard output, if it succeeds.
    pub(crate) fn output(mut self) -> Result<String> {
        let output = self.0.stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot run {:?}", self.0.get_program()))?;
        anyhow::ensure!(output.status.success(), "{:?} failed", self.0);
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether it succeeds, and its standard output.
    pub(crate) fn whole_output(mut self) -> Result<(bool, String)> {
        let output = self.0.stderr(Stdio::null()).output();
        let output = output.with_context(|| format!("cannot run {:?}", self.0.get_program()))?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// Whether it succeeds; each line that it prints is shown, and then given to `hear`.
    pub(crate) fn heard_by(mut self, mut hear: impl FnMut(&str)) -> Result<bool> {
        let (reader, writer) = std::io::pipe()?;
        self.0.stdout(writer.try_clone()?).stderr(writer);
        let mut child = self.0.spawn().with_context(|| format!("cannot run {:?}", self.0.get_program()))?;
        // The command holds the writing end of the pipe, which would never end.
        drop(self.0);
        let mut lines = BufReader::new(reader);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            println!("{text}");
            hear(&plain(text));
            line.clear();
        }
        Ok(child.wait()?.success())
    }
}

/// The text without the terminal's colours.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_off() {
        assert_eq!(plain("\u{1b}[32;1m Summary\u{1b}[0m 3 passed"), " Summary 3 passed");
        assert_eq!(plain("plain"), "plain");
    }
}

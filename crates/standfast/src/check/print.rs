//! `standfast check --print`: what holds, in normal form.

use crate::report::{Tally, counted};
use crate::sources::Read;
use config::{Detail, Id, Secrets};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Prints each configuration; only for those that can run.
pub(super) fn print(
    reads: &[Read],
    files: &[PathBuf],
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (n, (read, file)) in reads.iter().zip(files).enumerate() {
        let Read::Done { host: Some(host), .. } = read else { continue };
        if files.len() > 1 {
            let gap = if n > 0 { "\n" } else { "" };
            writeln!(out, "{gap}# {}", comment(&file.display().to_string()))?;
        }
        out.write_all(config::print(host, Secrets::Masked, detail).as_bytes())?;
        left_out(read, file, out)?;
    }
    Ok(())
}

/// What the file says and the print does not, as comments. No line numbers: two prints are to be compared.
fn left_out(read: &Read, file: &Path, out: &mut dyn Write) -> io::Result<()> {
    let without = |d: &&config::Diagnostic| matches!(d.id, Id::NotBuilt | Id::NoEffect);
    let lines: BTreeSet<&str> =
        read.diagnostics().iter().filter(without).map(|d| d.message.as_str()).collect();
    if !lines.is_empty() {
        writeln!(out, "\n# The file says more than holds here:")?;
    }
    for line in lines {
        writeln!(out, "#   {}", comment(line))?;
    }
    let tally = Tally::of(read.diagnostics(), read.omitted());
    if tally.warnings > 0 {
        let (count, name) = (counted(tally.warnings, "warning"), file.display().to_string());
        writeln!(out, "# {count}: standfast check {}", comment(&name))?;
    }
    Ok(())
}

/// Text that cannot end its comment.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

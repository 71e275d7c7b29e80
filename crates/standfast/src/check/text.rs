//! What was found, for people: like a compiler, or one line each; and a last line that says it all.

use super::Part;
use crate::report::{Format, Reporter, Tally, counted};
use std::io::{self, Write};

/// Shows one part and its last line.
pub(super) fn show(
    part: &Part<'_>,
    format: Format,
    reporter: &mut Reporter<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for diagnostic in part.diagnostics {
        let text = match format {
            Format::Full => reporter.full(diagnostic),
            Format::Concise | Format::Json => reporter.concise(diagnostic),
        };
        out.write_all(text.as_bytes())?;
    }
    for (id, count) in part.omitted {
        writeln!(out, "... and {count} more of {id}")?;
    }
    let tally = part.tally();
    let found = if tally == Tally::default() { "no findings".to_owned() } else { tally.text() };
    let size = part.host.map_or_else(String::new, |host| {
        let addresses = host.instances.iter().map(|i| i.held_addresses().count()).sum();
        let instances = counted(host.instances.len(), "instance");
        format!(": {instances}, {}", counted(addresses, "address"))
    });
    writeln!(out, "{}: {found}{size}", part.name)
}

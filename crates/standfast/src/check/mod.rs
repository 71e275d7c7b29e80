//! `standfast check`: says what is wrong with configurations, like a compiler; and the same for `keepalived -t`.

mod diff;
mod fix;
pub mod here;
mod print;
mod text;

use crate::daemon::{Invocation, exit};
use crate::report::{self, Document, Format, Reporter, Tally, counted};
use crate::sources::{self, Read};
use config::pair::{self, Comparison};
use config::table::Release;
use config::{Detail, Diagnostic, Id, Surroundings};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Options of `standfast check`.
#[derive(Debug, Default, clap::Args)]
#[command(
    after_help = "Ends with 0 (nothing, or notes), 1 (warnings) or 2 (errors, or a file that cannot be changed).\n\
    standfast explain ID tells more about a finding."
)]
pub struct Args {
    /// Configurations, - for the standard input; two and more are also compared, as nodes of one cluster
    /// [default: the one that `run` would read]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print what holds, in normal form: definitions replaced, files included, secrets masked
    #[arg(long, conflicts_with = "fix")]
    pub print: bool,
    /// With --print: defaults too, as comments
    #[arg(long, requires = "print")]
    pub defaults: bool,
    /// Say what a reload from OLD to NEW would change, and whether anybody would notice. Ends with 0 (nobody),
    /// 1 (somebody) or 2 (errors)
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["files", "fix", "print"])]
    pub diff: Vec<PathBuf>,
    /// How to show findings
    #[arg(long, value_enum, default_value_t = Format::Full)]
    pub format: Format,
    /// Make the changes that are safe in the files, and show them
    #[arg(long)]
    pub fix: bool,
    /// With --fix: only show them
    #[arg(long, requires = "fix")]
    pub dry_run: bool,
    /// Who is to run the file: standfast, keepalived (the newest known, 2.4.3), or a version of it,
    /// keepalived=2.2.7. For keepalived, what Standfast cannot do yet is not said, and what is newer than the
    /// version is
    #[arg(long = "for", value_name = "PROGRAM", default_value = "standfast", value_parser = runner)]
    pub runner: Runner,
    /// Say also which interfaces and programs are missing on this machine [default: only without FILE]
    #[arg(long)]
    pub here: bool,
    /// Id for @ID lines in the configuration [default: the host's short name]
    #[arg(short = 'i', long, value_name = "ID")]
    pub config_id: Option<String>,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
}

/// Who is to run a configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runner {
    /// This program.
    #[default]
    Standfast,
    /// keepalived of this version.
    Keepalived(Release),
}

/// The newest keepalived whose language is known here.
const NEWEST: Release = Release { numbers: [2, 4, 3] };

fn runner(text: &str) -> Result<Runner, String> {
    match text.split_once('=').unwrap_or((text, "")) {
        ("standfast", "") => Ok(Runner::Standfast),
        ("keepalived", "") => Ok(Runner::Keepalived(NEWEST)),
        ("keepalived", version) => {
            let release =
                Release::of(version).ok_or_else(|| format!("`{version}` is no version like 2.2.7"))?;
            Ok(Runner::Keepalived(release))
        }
        _ => Err("write standfast, keepalived, or keepalived=2.2.7".to_owned()),
    }
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Colour {
    /// Whether what goes to standard output is coloured.
    #[must_use]
    pub fn wanted(self) -> bool {
        match self {
            Self::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// The exit code: 0, 1 or 2.
const fn verdict(tally: Tally) -> u8 {
    match tally {
        Tally { errors: 1.., .. } => 2,
        Tally { warnings: 1.., .. } => 1,
        Tally { .. } => 0,
    }
}

/// Checks, shows, and returns the exit code. A reader that went away does not change it.
pub fn run(args: &Args, out: &mut dyn Write) -> u8 {
    let default = [Invocation::standfast().config_path()];
    let (files, here) = match (&args.files[..], &args.diff[..]) {
        ([], []) => (&default[..], true),
        ([], pair) => (pair, args.here),
        (files, _) => (files, args.here),
    };
    let mut surroundings = here::surroundings(args.config_id.clone(), here);
    if let Runner::Keepalived(release) = args.runner {
        surroundings.keepalived = Some(release);
    }
    if args.fix && files.iter().any(|file| file.as_os_str() == "-") {
        let _ = writeln!(io::stderr(), "--fix changes files; standard input is none");
        return 2;
    }
    if args.fix && !mend_each(files, &surroundings, args, out) {
        return 2;
    }
    let reads = sources::read_each(files, &surroundings);
    let can_run = reads.iter().all(|read| matches!(read, Read::Done { host: Some(_), .. }));
    if let ([old_file, new_file], [old, new], true) = (&args.diff[..], &reads[..], can_run) {
        let mut reporter = Reporter::new([old.sources(), new.sources()], false);
        return diff::run(&diff::Pair { old, new, old_file, new_file }, args.format, &mut reporter, out);
    }
    if args.print && can_run {
        let detail = if args.defaults { Detail::Defaults } else { Detail::Normal };
        // As below: who does not read it does not need it.
        let _ = print::print(&reads, files, detail, out);
        let tallies = reads.iter().map(|read| Tally::of(read.diagnostics(), read.omitted()));
        return tallies.map(verdict).max().unwrap_or_default();
    }
    let single = args.print || !args.diff.is_empty();
    let comparison = if single { None } else { compared(&reads) };
    let mut parts: Vec<Part<'_>> =
        reads.iter().zip(files).map(|(read, file)| Part::of(read, file, &surroundings)).collect();
    parts.extend(comparison.as_ref().map(|comparison| Part::together(comparison, files)));
    let mut reporter = Reporter::new(reads.iter().map(Read::sources), args.color.wanted());
    let code = parts.iter().map(|part| verdict(part.tally())).max().unwrap_or_default();
    // Nobody is left to tell when writing fails; the exit code still says it all.
    let _ = match args.format {
        Format::Json => json(&parts, code, &mut reporter, out),
        Format::Sarif => sarif(&parts, code, &mut reporter, out),
        Format::Full => text::full(&parts, &mut reporter, out),
        Format::Concise => text::concise(&parts, &mut reporter, out),
    };
    code
}

/// Mends configuration after configuration, since they may share files. False when a file cannot be written.
fn mend_each(files: &[PathBuf], surroundings: &Surroundings, args: &Args, out: &mut dyn Write) -> bool {
    let for_people = matches!(args.format, Format::Full | Format::Concise);
    let mut done = true;
    for path in files {
        let mended = fix::mend(&sources::read(path, surroundings), surroundings);
        if mended.findings == 0 {
            continue;
        }
        // Another format is all that may stand in standard output.
        let shown = if for_people {
            mended.show(args.color.wanted(), out)
        } else {
            mended.show(false, &mut io::stderr())
        };
        let written = if args.dry_run { Ok(()) } else { mended.write() };
        let what = counted(mended.findings, "finding");
        let place = counted(mended.count(), "file");
        let line = match (&written, args.dry_run) {
            (Ok(()), true) => format!("would mend {what} in {place}"),
            (Ok(()), false) => format!("mended {what} in {place}"),
            (Err(why), _) => why.clone(),
        };
        done &= written.is_ok();
        // As below: who does not read it does not need it.
        let _ = shown.and_then(|()| {
            if for_people && done { writeln!(out, "{line}\n") } else { writeln!(io::stderr(), "{line}") }
        });
    }
    done
}

/// Shows, as `check` does, what is wrong with configurations that cannot run (as JSON and in colour, if so). False
/// when all of them can.
pub(crate) fn refuse(
    reads: &[Read],
    files: &[PathBuf],
    surroundings: &Surroundings,
    (as_json, colour): (bool, bool),
    out: &mut dyn Write,
) -> bool {
    let cannot_run = |read: &Read| !matches!(read, Read::Done { host: Some(_), .. });
    let wrong = reads.iter().zip(files).filter(|(read, _)| cannot_run(read));
    let parts: Vec<Part<'_>> = wrong.map(|(read, file)| Part::of(read, file, surroundings)).collect();
    let mut reporter = Reporter::new(reads.iter().map(Read::sources), colour);
    // As elsewhere: who does not read it does not need it.
    let _ = match (&parts[..], as_json) {
        ([], _) => Ok(()),
        (parts, true) => json(parts, 2, &mut reporter, out),
        (parts, false) => text::full(parts, &mut reporter, out),
    };
    !parts.is_empty()
}

/// The files against each other, if there are at least two to compare.
fn compared(reads: &[Read]) -> Option<Comparison> {
    let nodes: Vec<pair::Node<'_>> = reads.iter().filter_map(Read::node).collect();
    (nodes.len() > 1).then(|| pair::compare(&nodes))
}

/// What belongs together in the report: the findings about one configuration, or about several together.
/// Their places may be in any file that was read.
struct Part<'a> {
    /// What it is about: the main files.
    files: Vec<String>,
    diagnostics: &'a [Diagnostic],
    omitted: &'a [(Id, usize)],
    /// The configuration, when it can run.
    host: Option<&'a model::Host>,
    /// How many findings `--fix` would mend.
    mendable: usize,
}

impl<'a> Part<'a> {
    fn of(read: &'a Read, file: &Path, surroundings: &Surroundings) -> Self {
        let host = match read {
            Read::Done { host, .. } => host.as_ref(),
            Read::Absent { .. } => None,
        };
        let files = vec![sources::shown(file)];
        // Standard input cannot be changed.
        let is_file = file.as_os_str() != "-";
        let mendable = if is_file { fix::mendable(read, surroundings) } else { 0 };
        Self { files, diagnostics: read.diagnostics(), omitted: read.omitted(), host, mendable }
    }

    fn together(comparison: &'a Comparison, files: &[PathBuf]) -> Self {
        let files = files.iter().map(|file| sources::shown(file)).collect();
        let (diagnostics, omitted) = (&comparison.diagnostics, &comparison.omitted);
        Self { files, diagnostics, omitted, host: None, mendable: 0 }
    }

    fn tally(&self) -> Tally {
        Tally::of(self.diagnostics, self.omitted)
    }
}

fn json(parts: &[Part<'_>], code: u8, reporter: &mut Reporter<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut checks = Vec::new();
    for part in parts {
        let files = part.files.iter().map(String::as_str).collect();
        let instances = part.host.map(|host| host.instances.len());
        checks.push(reporter.check(files, part.diagnostics, part.omitted, instances));
    }
    let document = Document { version: 1, exit_code: code, checks };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn sarif(parts: &[Part<'_>], code: u8, reporter: &mut Reporter<'_>, out: &mut dyn Write) -> io::Result<()> {
    let omitted: Vec<(Id, usize)> = parts.iter().flat_map(|part| part.omitted).copied().collect();
    let diagnostics = parts.iter().flat_map(|part| part.diagnostics);
    let log = report::log(reporter, diagnostics, &omitted, code);
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

/// `keepalived -t`: one line for each finding but notes (keepalived gives no advice, and scripts take any word
/// for a complaint), and keepalived's exit code.
///
/// 0: nothing but notes. 2: a keyword without its value. 4: only files or interfaces are missing. 5: anything
/// else. keepalived says 0 when the file itself is missing; here that is 4, so that nobody is told that a file
/// which does not exist is in order.
pub fn run_as_keepalived(path: &Path, config_id: &str, all_includes: bool, out: &mut dyn Write) -> u8 {
    let here = here::surroundings(Some(config_id.to_owned()), true);
    let read = sources::read(path, &Surroundings { all_includes, ..here });
    let mut reporter = Reporter::new([read.sources()], false);
    for diagnostic in read.diagnostics().iter().filter(|d| d.severity != config::Severity::Note) {
        // As above: the exit code says it all.
        let line = reporter.concise(diagnostic);
        let help = diagnostic.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
        let _ = writeln!(out, "{}{help}", line.trim_end());
    }
    for (id, count) in read.omitted() {
        let _ = writeln!(out, "... and {count} more of {id}");
    }
    let tally = Tally::of(read.diagnostics(), read.omitted());
    let ids: Vec<Id> = read.diagnostics().iter().map(|d| d.id).collect();
    let missing = |id: &Id| {
        let file = matches!(id, Id::FileUnreadable | Id::IncludeNotFound | Id::IncludeRefused);
        file || *id == Id::InterfaceAbsent || id.severity() == config::Severity::Note
    };
    if tally.errors + tally.warnings == 0 {
        exit::OK
    } else if ids.contains(&Id::MissingValue) {
        exit::CONFIG
    } else if ids.iter().all(missing) {
        4
    } else {
        5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str, format: Format) -> (u8, String) {
        checked_with(text, Args { format, ..Args::default() })
    }

    fn checked_with(text: &str, args: Args) -> (u8, String) {
        let path = std::env::temp_dir().join(format!(
            "standfast-check-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::write(&path, text).unwrap();
        let mut out = Vec::new();
        let args = Args { files: vec![path.clone()], color: Colour::Never, ..args };
        let code = run(&args, &mut out);
        std::fs::remove_file(&path).unwrap();
        (code, String::from_utf8(out).unwrap().replace(&path.display().to_string(), "f"))
    }

    const GOOD: &str = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\npriority 90\nvirtual_ipaddress {\n10.0.0.3\n10.0.0.4\n}\n}\n";

    #[test]
    fn the_last_line_says_it_all() {
        assert_eq!(checked(GOOD, Format::Full), (0, "f: no findings: 1 instance, 2 addresses\n".into()));
        let note = GOOD.replace("priority 90\n", "");
        let (code, text) = checked(&note, Format::Concise);
        assert_eq!((code, text.lines().last()), (0, Some("f: 1 note: 1 instance, 2 addresses")));
        let warning = format!("{GOOD}foo\nbar {{\n}}\n");
        let (code, text) = checked(&warning, Format::Concise);
        assert_eq!((code, text.lines().last()), (1, Some("f: 2 warnings: 1 instance, 2 addresses")));
        let error = GOOD.replace("virtual_router_id 7", "");
        let (code, text) = checked(&error, Format::Concise);
        assert_eq!(
            (code, &*text),
            (2, "f:1:1: error[vrid-missing]: `A` has no virtual_router_id\nf: 1 error\n")
        );
    }

    #[test]
    fn several_files_are_compared() {
        let path =
            |name: &str| std::env::temp_dir().join(format!("standfast-{name}-{}.conf", std::process::id()));
        let files = vec![path("lb01"), path("lb02")];
        let check = |second: &str, format| {
            std::fs::write(&files[0], GOOD).unwrap();
            std::fs::write(&files[1], second).unwrap();
            let mut out = Vec::new();
            let code = run(
                &Args { files: files.clone(), format, color: Colour::Never, ..Args::default() },
                &mut out,
            );
            files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
            (code, String::from_utf8(out).unwrap())
        };
        let partner = GOOD.replace("priority 90", "priority 80");
        let (code, text) = check(&partner, Format::Full);
        assert_eq!((code, text.lines().count()), (0, 3), "{text}");
        assert!(
            text.trim_end().ends_with(
                "lb02-{}.conf compared: no findings".replace("{}", &std::process::id().to_string()).as_str()
            ),
            "{text}"
        );
        let wrong = partner.replace("virtual_router_id 7", "virtual_router_id 8");
        let (code, text) = check(&wrong, Format::Full);
        assert_eq!(code, 1);
        let drawn = "3 | virtual_router_id 8\n  | ^^^^^^^^^^^^^^^^^^^\n";
        assert!(text.contains(drawn) && text.contains("------------------- 7 here"), "{text}");
        let (code, text) = check(&wrong, Format::Json);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let found = &value["checks"][2]["diagnostics"][0];
        assert_eq!((code, found["id"].as_str(), found["line"].as_u64()), (1, Some("pair-vrid"), Some(3)));
        assert!(found["labels"][0]["file"].as_str().unwrap().contains("lb01"));
    }

    #[test]
    fn for_keepalived_other_things_count() {
        let text =
            GOOD.replace("priority 90", "priority 90\nuse_ipvlan\nnopreempt\ntimer_expired_backup\nfoo {\n}");
        let ids = |runner| {
            let args = Args { format: Format::Concise, runner, ..Args::default() };
            let (_, shown) = checked_with(&text, args);
            let lines = shown.lines().filter_map(|line| line.split(['[', ']']).nth(1).map(str::to_owned));
            (lines.collect::<Vec<_>>(), shown.contains("the whole block is skipped"))
        };
        let keepalived = |version| Runner::Keepalived(Release::of(version).unwrap());
        let list = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(ids(Runner::Standfast), (list(&["not-built", "unknown-block"]), true));
        assert_eq!(ids(keepalived("2.2.7")), (list(&["too-new", "unknown-block"]), false));
        assert_eq!(ids(runner("keepalived").unwrap()), (list(&["unknown-block"]), false));
        assert!(runner("keepalived=x").is_err() && runner("frr").is_err());
    }

    #[test]
    fn a_print_reads_back_and_names_what_it_leaves_out() {
        let text =
            GOOD.replace("priority 90", "priority 90\nauthentication {\nauth_type PASS\nauth_pass geheim\n}");
        let (code, shown) = checked_with(&text, Args { print: true, ..Args::default() });
        assert_eq!(code, 0, "{shown}");
        assert!(
            shown.starts_with("vrrp_instance A {\n    state BACKUP\n") && !shown.contains("geheim"),
            "{shown}"
        );
        let (_, again) = checked_with(&shown, Args { print: true, ..Args::default() });
        assert_eq!(again, shown);
        let served = format!("{GOOD}virtual_server 10.0.0.3 80 {{\n}}\n");
        let (code, shown) = checked_with(&served, Args { print: true, ..Args::default() });
        assert_eq!(code, 1);
        assert!(
            shown.contains("# The file says more than holds here:\n#   `virtual_server` is not built"),
            "{shown}"
        );
        assert!(shown.ends_with(": standfast check f\n"), "{shown}");
        let wrong = GOOD.replace("virtual_router_id 7", "");
        let (code, shown) = checked_with(&wrong, Args { print: true, ..Args::default() });
        assert!(
            code == 2 && shown.contains("error[vrid-missing]") && !shown.contains("state BACKUP"),
            "{shown}"
        );
    }

    fn compared_to(new: &str, format: Format) -> (u8, String) {
        let name = |which| {
            let thread = std::thread::current().id();
            std::env::temp_dir().join(format!("standfast-diff-{}-{thread:?}-{which}", std::process::id()))
        };
        let (old_path, new_path) = (name("old"), name("new"));
        std::fs::write(&old_path, GOOD).unwrap();
        std::fs::write(&new_path, new).unwrap();
        let mut out = Vec::new();
        let diff = vec![old_path.clone(), new_path.clone()];
        let code = run(&Args { diff, format, color: Colour::Never, ..Args::default() }, &mut out);
        std::fs::remove_file(&old_path).unwrap();
        std::fs::remove_file(&new_path).unwrap();
        let text = String::from_utf8(out).unwrap();
        let text = text.replace(&old_path.display().to_string(), "old");
        (code, text.replace(&new_path.display().to_string(), "new"))
    }

    #[test]
    fn a_diff_says_who_would_notice() {
        assert_eq!(compared_to(GOOD, Format::Full), (0, "old → new: nothing changes\n".into()));
        let renamed = compared_to(&GOOD.replace("instance A", "instance B"), Format::Full);
        assert_eq!(
            renamed,
            (
                0,
                "B (eth0 VRID 7 IPv4): changed\n  renamed: A → B  (old:1 → new:1)\n      \
                 nobody notices: it is the same virtual router and goes on; messages and scripts use the\n      \
                 new name\n\nold → new: 1 instance changed: nobody notices\n"
                    .into()
            )
        );
        let (code, text) = compared_to(&GOOD.replace("90", "80"), Format::Concise);
        assert_eq!(code, 1);
        assert!(
            text.starts_with("old:4 → new:4: A changed: priority 90 → 80: may interrupt: if it is"),
            "{text}"
        );
        assert!(text.ends_with("old → new: 1 instance changed: may interrupt\n"), "{text}");
        let (code, text) = compared_to(&GOOD.replace("virtual_router_id 7", ""), Format::Full);
        assert!(code == 2 && text.contains("error[vrid-missing]"), "{text}");
        let (code, text) = compared_to("global_defs {\n}\n", Format::Full);
        assert!(code == 2 && text.contains("refused: no instance would be left"), "{text}");
    }

    #[test]
    fn a_diff_as_json() {
        let (code, text) = compared_to(&GOOD.replace("90", "80"), Format::Json);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code, &value["verdict"]), (1, &"interrupts".into()));
        let difference = &value["changes"][0]["differences"][0];
        assert_eq!(
            (&difference["what"], &difference["new"]["line"]),
            (&"priority 90 → 80".into(), &4.into())
        );
    }

    #[test]
    fn json_is_one_document() {
        let (code, text) = checked("priority 5\n", Format::Json);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(code, 1);
        assert_eq!(value["checks"][0]["diagnostics"][0]["id"], "misplaced-keyword");
        assert_eq!(value["checks"][0]["diagnostics"][0]["line"], 1);
        assert_eq!(value["checks"][0]["diagnostics"][0]["end_column"], 9);
        assert_eq!(value["checks"][0]["instances"], 0);
    }

    #[test]
    fn keepalived_has_codes_of_its_own() {
        let code = |text: &str| {
            let path =
                std::env::temp_dir().join(format!("standfast-test-{}-{}", std::process::id(), text.len()));
            std::fs::write(&path, text).unwrap();
            let code = run_as_keepalived(&path, "lb01", false, &mut Vec::new());
            std::fs::remove_file(&path).unwrap();
            code
        };
        let good = GOOD.replace("eth0", "nosuch0");
        // Where nobody may look, nobody knows what is missing.
        let missing = if linux::privileges::forbidden_netns().is_ok() { 4 } else { 0 };
        assert_eq!(code(&good), missing, "an interface that is missing");
        assert_eq!(code(&format!("{good}foo\n")), 5, "and a word that nobody knows");
        assert_eq!(code("vrrp_instance A {\npriority\n}"), 2);
        assert_eq!(code(""), 0);
        assert_eq!(run_as_keepalived(Path::new("/nonexistent/x"), "", false, &mut Vec::new()), 4);
    }
}

//! keepalived's command line: what existing units, scripts and habits say to it is understood here.
//!
//! One table holds every option of keepalived 2.4.3; what an option does not do (yet) is said at start, never
//! passed over.

use crate::cli::check_as_keepalived;
use crate::daemon::{Invocation, exit};
use crate::log::Style;
use crate::supervisor;
use std::ffi::OsString;
use std::io::Write;

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// A value only if it is joined: `-tFILE`, `--config-test=FILE`.
    Joined,
}

/// What an option means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    UseFile,
    LogConsole,
    LogDetail,
    LogFacility,
    NoSyslog,
    Umask,
    DontReleaseVrrp,
    DontRespawn,
    DontFork,
    Pid,
    VrrpPid,
    Namespace,
    ConfigId,
    ConfigTest,
    AllConfig,
    Signum,
    Version,
    Help,
    /// The VRRP process is wanted.
    Vrrp,
    /// The checker process is wanted, and no other unless that is said too.
    Checkers,
    /// Nothing to do here: the process it names does not exist in Standfast, or it is a debugging aid.
    Quietly,
    /// Not built: said at start.
    NotBuilt,
    /// Refused, as keepalived refuses it when it was built without it.
    Refused,
}

/// Every option: short letter, long name, what it takes, what it means, help.
const OPTIONS: &[(Option<char>, &str, Takes, Means, &str)] = &[
    (Some('f'), "use-file", Takes::Value, Means::UseFile, "configuration file"),
    (Some('P'), "vrrp", Takes::Nothing, Means::Vrrp, "VRRP only (always so here)"),
    (
        Some('C'),
        "check",
        Takes::Nothing,
        Means::Checkers,
        "health checkers only (there are none here: ends at once)",
    ),
    (Some('B'), "no_bfd", Takes::Nothing, Means::Quietly, "no BFD process (there is none here)"),
    (None, "all", Takes::Nothing, Means::Vrrp, "start every process (there is one here)"),
    (Some('l'), "log-console", Takes::Nothing, Means::LogConsole, "also log to the console"),
    (Some('D'), "log-detail", Takes::Nothing, Means::LogDetail, "detailed log (always so here)"),
    (
        Some('S'),
        "log-facility",
        Takes::Value,
        Means::LogFacility,
        "syslog facility: 0-7, local0-7, user, daemon",
    ),
    (Some('g'), "log-file", Takes::Joined, Means::Refused, "log to a file"),
    (None, "flush-log-file", Takes::Nothing, Means::Quietly, "flush that file"),
    (Some('G'), "no-syslog", Takes::Nothing, Means::NoSyslog, "do not log to syslog"),
    (Some('u'), "umask", Takes::Value, Means::Umask, "file creation mask, octal"),
    (Some('X'), "release-vips", Takes::Nothing, Means::NotBuilt, "remove addresses that were there before"),
    (Some('V'), "dont-release-vrrp", Takes::Nothing, Means::DontReleaseVrrp, "keep addresses at the end"),
    (Some('I'), "dont-release-ipvs", Takes::Nothing, Means::Quietly, "keep IPVS at the end (none here)"),
    (Some('R'), "dont-respawn", Takes::Nothing, Means::DontRespawn, "end when the worker dies"),
    (Some('n'), "dont-fork", Takes::Nothing, Means::DontFork, "stay in the foreground"),
    (Some('d'), "dump-conf", Takes::Nothing, Means::NotBuilt, "log the configuration"),
    (Some('p'), "pid", Takes::Value, Means::Pid, "pid file"),
    (Some('r'), "vrrp_pid", Takes::Value, Means::VrrpPid, "pid file of the VRRP process"),
    (Some('c'), "checkers_pid", Takes::Value, Means::Quietly, "pid file of the checker (none here)"),
    (Some('b'), "bfd_pid", Takes::Value, Means::Quietly, "pid file of the BFD process (none here)"),
    (Some('T'), "genhash", Takes::Nothing, Means::Refused, "behave as genhash"),
    (Some('a'), "address-monitoring", Takes::Nothing, Means::Quietly, "log address changes"),
    (Some('x'), "snmp", Takes::Nothing, Means::NotBuilt, "SNMP"),
    (Some('A'), "snmp-agent-socket", Takes::Value, Means::NotBuilt, "AgentX address"),
    (Some('s'), "namespace", Takes::Value, Means::Namespace, "network namespace"),
    (Some('m'), "core-dump", Takes::Nothing, Means::Quietly, "core dumps"),
    (Some('M'), "core-dump-pattern", Takes::Joined, Means::Quietly, "pattern of core dumps"),
    (Some('e'), "all-config", Takes::Nothing, Means::AllConfig, "an include that finds nothing is an error"),
    (Some('i'), "config-id", Takes::Value, Means::ConfigId, "id for @ID lines"),
    (Some('t'), "config-test", Takes::Joined, Means::ConfigTest, "check the configuration and end"),
    (None, "ignore-sigint", Takes::Nothing, Means::Quietly, "for debuggers"),
    (None, "signum", Takes::Value, Means::Signum, "number of STOP, RELOAD, DATA, STATS, STATS_CLEAR, JSON"),
    (Some('v'), "version", Takes::Nothing, Means::Version, "version"),
    (Some('h'), "help", Takes::Nothing, Means::Help, "this text"),
];

/// What the command line comes to.
#[derive(Debug)]
enum Parsed {
    Run(Box<Invocation>, Vec<String>),
    Test(Box<Invocation>, Option<OsString>),
    Say(u8, String),
}

/// keepalived's `main`.
#[must_use]
pub fn main(arguments: &[OsString]) -> u8 {
    match parse(arguments) {
        Parsed::Say(code, text) => {
            let _ = std::io::stderr().write_all(text.as_bytes());
            code
        }
        Parsed::Test(invocation, file) => check_as_keepalived(&invocation, file.as_deref()),
        Parsed::Run(invocation, remarks) => supervisor::main(&invocation, &remarks),
    }
}

fn parse(arguments: &[OsString]) -> Parsed {
    let mut invocation = Invocation {
        as_keepalived: true,
        foreground: false,
        log: Style {
            console: false,
            syslog: true,
            facility: 3,
            ident: "Keepalived_vrrp".into(),
            ctime: true,
        },
        ..Invocation::standfast()
    };
    let mut remarks = Vec::new();
    let mut test = None;
    let (mut vrrp, mut checkers) = (false, false);
    let mut queue = arguments.iter().skip(1).map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>();
    queue.reverse();
    while let Some(word) = queue.pop() {
        let (option, value) = match take_option(&word, &mut queue) {
            Ok(Some(found)) => found,
            Ok(None) => {
                remarks.push(format!("'{word}' on the command line means nothing and was passed over"));
                continue;
            }
            Err(text) => return Parsed::Say(exit::FATAL, text),
        };
        vrrp |= option.3 == Means::Vrrp;
        checkers |= option.3 == Means::Checkers;
        match apply(&mut invocation, &mut remarks, &mut test, option, value) {
            Ok(()) => {}
            Err((code, text)) => return Parsed::Say(code, text),
        }
    }
    if checkers && !vrrp && test.is_none() {
        return Parsed::Say(exit::OK, "keepalived: no checker is built: nothing to run\n".into());
    }
    match test {
        Some(file) => Parsed::Test(Box::new(invocation), file),
        None => Parsed::Run(Box::new(invocation), remarks),
    }
}

type Known = &'static (Option<char>, &'static str, Takes, Means, &'static str);

/// Takes one option and its value off the words; `None` for a word that is no option.
fn take_option(word: &str, queue: &mut Vec<String>) -> Result<Option<(Known, Option<String>)>, String> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, joined) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let known = long_option(name).map_err(|why| format!("keepalived: {why}\n"))?;
        return finish(known, joined, queue, word).map(Some);
    }
    let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else { return Ok(None) };
    let mut rest = letters.chars();
    let first = rest.next().unwrap_or_default();
    let known = OPTIONS
        .iter()
        .find(|o| o.0 == Some(first))
        .ok_or_else(|| format!("keepalived: unknown option -{first}; see keepalived --help\n"))?;
    let joined = rest.as_str();
    if known.2 == Takes::Nothing {
        // Letters without values may stand together: -nlD.
        if !joined.is_empty() {
            queue.push(format!("-{joined}"));
        }
        return Ok(Some((known, None)));
    }
    let joined = (!joined.is_empty()).then(|| joined.to_owned());
    finish(known, joined, queue, word).map(Some)
}

/// A long option by its name or an unambiguous beginning of it.
fn long_option(name: &str) -> Result<Known, String> {
    if let Some(exact) = OPTIONS.iter().find(|o| o.1 == name) {
        return Ok(exact);
    }
    let mut begun = OPTIONS.iter().filter(|o| o.1.starts_with(name));
    match (begun.next(), begun.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(format!("option --{name} is ambiguous; see keepalived --help")),
        (None, _) => Err(format!("unknown option --{name}; see keepalived --help")),
    }
}

fn finish(
    known: Known,
    joined: Option<String>,
    queue: &mut Vec<String>,
    word: &str,
) -> Result<(Known, Option<String>), String> {
    let value = match (known.2, joined) {
        (Takes::Nothing, Some(_)) => return Err(format!("keepalived: option {word} takes no value\n")),
        (Takes::Value, None) => {
            Some(queue.pop().ok_or_else(|| format!("keepalived: option {word} needs a value\n"))?)
        }
        (Takes::Nothing | Takes::Joined, None) => None,
        (Takes::Value | Takes::Joined, Some(value)) => Some(value),
    };
    Ok((known, value))
}

fn apply(
    invocation: &mut Invocation,
    remarks: &mut Vec<String>,
    test: &mut Option<Option<OsString>>,
    option: Known,
    value: Option<String>,
) -> Result<(), (u8, String)> {
    let text = value.clone().unwrap_or_default();
    match option.3 {
        Means::UseFile => invocation.config = Some(text.into()),
        Means::LogConsole => invocation.log.console = true,
        Means::LogDetail | Means::Quietly | Means::Vrrp | Means::Checkers => {}
        Means::LogFacility => invocation.log.facility = facility(&text)?,
        Means::NoSyslog => invocation.log.syslog = false,
        Means::Umask => {
            let mask = u32::from_str_radix(&text, 8).ok().filter(|mask| *mask <= 0o777);
            let mask =
                mask.ok_or_else(|| (exit::FATAL, format!("keepalived: '{text}' is no octal umask\n")))?;
            invocation.umask = Some(mask);
        }
        Means::DontReleaseVrrp => invocation.keep_at_exit = true,
        Means::DontRespawn => invocation.no_respawn = true,
        Means::DontFork => invocation.foreground = true,
        Means::Pid => invocation.pid_file = Some(text.into()),
        Means::VrrpPid => invocation.worker_pid_file = Some(text.into()),
        Means::Namespace => invocation.namespace = Some(text),
        Means::ConfigId => invocation.config_id = Some(text),
        Means::AllConfig => invocation.all_includes = true,
        Means::ConfigTest => *test = Some(value.map(OsString::from)),
        Means::Signum => return Err(signum(&text)),
        Means::Version => return Err((exit::OK, version())),
        Means::Help => return Err((exit::OK, help())),
        Means::NotBuilt => {
            remarks.push(format!("option --{} is not built yet; it was passed over", option.1));
        }
        Means::Refused => {
            return Err((
                exit::FATAL,
                format!("keepalived: option --{} is not part of this build\n", option.1),
            ));
        }
    }
    Ok(())
}

fn facility(text: &str) -> Result<u8, (u8, String)> {
    let local = text.strip_prefix("local").unwrap_or(text);
    match (text, local.parse::<u8>()) {
        ("daemon", _) => Ok(3),
        ("user", _) => Ok(1),
        (_, Ok(number)) if number < 8 => Ok(16 + number),
        _ => Err((
            exit::FATAL,
            format!("keepalived: '{text}' is no syslog facility (0-7, local0-7, user, daemon)\n"),
        )),
    }
}

/// `--signum`: scripts ask for the number instead of knowing it.
fn signum(name: &str) -> (u8, String) {
    use rustix::process::Signal;
    let number = match name {
        "STOP" => Signal::TERM,
        "RELOAD" => Signal::HUP,
        "DATA" => Signal::USR1,
        "STATS" => Signal::USR2,
        "STATS_CLEAR" => return number(linux::signals::stats_clear()),
        "JSON" => return number(linux::signals::json()),
        _ => {
            return (
                exit::FATAL,
                format!(
                    "keepalived: unknown signal name {name}; STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON\n"
                ),
            );
        }
    };
    self::number(number.as_raw())
}

fn number(number: i32) -> (u8, String) {
    let _ = writeln!(std::io::stdout(), "{number}");
    (exit::OK, String::new())
}

/// First line as keepalived prints it, since programs read it.
fn version() -> String {
    format!(
        "Keepalived v2.4.3 (07/01,2026)\n\nThis is Standfast {}, which speaks keepalived's language.\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn help() -> String {
    let mut text =
        String::from("Usage: keepalived [OPTION...]\n\nThis is Standfast. See also: standfast --help\n\n");
    for (short, long, takes, _, about) in OPTIONS {
        let value = match takes {
            Takes::Nothing => "",
            Takes::Value => "=VALUE",
            Takes::Joined => "[=VALUE]",
        };
        let short = short.map_or_else(|| "    ".to_owned(), |c| format!("-{c}, "));
        text.push_str(&format!("  {short}{:<26}{about}\n", format!("--{long}{value}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> (Invocation, Vec<String>) {
        let words: Vec<OsString> = ["keepalived"].iter().chain(words).map(OsString::from).collect();
        let Parsed::Run(invocation, remarks) = parse(&words) else { panic!("{words:?} should run") };
        (*invocation, remarks)
    }

    #[test]
    fn clusters_of_letters_and_joined_values() {
        let (invocation, remarks) = run(&["-nlDf/etc/x.conf", "-p", "/tmp/a.pid", "--vrrp_pid=/tmp/b.pid"]);
        assert!(invocation.foreground && invocation.log.console && invocation.log.syslog);
        assert_eq!(invocation.config.as_deref(), Some("/etc/x.conf".as_ref()));
        assert_eq!(invocation.pid_file, Some("/tmp/a.pid".into()));
        assert_eq!(invocation.worker_pid_file, Some("/tmp/b.pid".into()));
        assert!(remarks.is_empty());
    }

    #[test]
    fn debian_s_unit_starts_with_dont_fork() {
        let (invocation, _) = run(&["--dont-fork"]);
        assert!(invocation.foreground && !invocation.log.console);
    }

    #[test]
    fn checkers_alone_are_nothing_to_run() {
        let words = ["keepalived", "-n", "-C"].map(OsString::from);
        assert!(matches!(parse(&words), Parsed::Say(exit::OK, text) if text.contains("nothing to run")));
        for words in [&["-C", "-P"][..], &["--all", "--check"]] {
            run(words);
        }
    }

    #[test]
    fn unknown_options_and_missing_values_are_refused() {
        for words in
            [&["--nonsense"][..], &["-Z"], &["-f"], &["--dont-fork=1"], &["-S", "local9"], &["-u", "9"]]
        {
            let words: Vec<OsString> = ["keepalived"].iter().chain(words).map(OsString::from).collect();
            assert!(
                matches!(parse(&words), Parsed::Say(exit::FATAL, text) if text.starts_with("keepalived: "))
            );
        }
    }

    #[test]
    fn an_option_that_is_not_built_is_said() {
        let (_, remarks) = run(&["--snmp", "stray"]);
        assert_eq!(remarks.len(), 2, "{remarks:?}");
    }

    #[test]
    fn config_test_takes_only_a_joined_file() {
        let words = ["keepalived", "-t", "-f", "x"].map(OsString::from);
        assert!(matches!(parse(&words), Parsed::Test(_, None)));
        let words = ["keepalived", "--config-test=out"].map(OsString::from);
        assert!(matches!(parse(&words), Parsed::Test(_, Some(file)) if file == "out"));
    }

    #[test]
    fn no_two_options_share_a_letter_or_a_name() {
        let letters: std::collections::BTreeSet<_> = OPTIONS.iter().filter_map(|o| o.0).collect();
        let names: std::collections::BTreeSet<_> = OPTIONS.iter().map(|o| o.1).collect();
        assert_eq!(letters.len(), OPTIONS.iter().filter(|o| o.0.is_some()).count());
        assert_eq!(names.len(), OPTIONS.len());
    }
}

//! Scripts that notice too late, or not at all.

use super::Advice;
use crate::ProgramFlaw;
use crate::diagnostic::Findings;
use crate::lower::ScriptPlaces;
use crate::registry::Id;
use crate::source::Span;
use alloc::format;
use alloc::string::String;
use core::time::Duration;
use model::{Flaw, Script};

/// A failure that is noticed later than this is noticed by the users first.
const LATE: Duration = Duration::from_secs(600);

impl Advice<'_> {
    fn fate(&self, is_hook: bool) -> Fate {
        Fate {
            is_standfast: self.surroundings.keepalived.is_none(),
            security: self.host.script_settings.security,
            is_hook,
        }
    }

    pub(super) fn scripts(&self, findings: &mut Findings) {
        for (script, places) in self.host.scripts.iter().zip(self.scripts) {
            timeout(script, places, findings);
            notices(script, places, findings);
            if let Some(flaw) = self.surroundings.programs.get(&*script.name) {
                let command = places.command.unwrap_or(places.name);
                let spans = (command, places.user.unwrap_or(command));
                program(flaw, spans, self.fate(false), findings);
            }
        }
        for (hook, place) in self.hooks {
            if let Some(flaw) = self.surroundings.hooks.get(hook) {
                program(flaw, (*place, *place), self.fate(true), findings);
            }
        }
    }
}

fn timeout(script: &Script, places: &ScriptPlaces, findings: &mut Findings) {
    let (Some(limit), Some(span)) = (script.timeout, places.timeout) else { return };
    if limit <= script.interval {
        return;
    }
    findings.add(Id::TimeoutBeyondInterval, span, |d| {
        let d = d.say(format!(
            "a run may take {}, but the next one is due after {}: runs are skipped while one hangs",
            shown(limit),
            shown(script.interval)
        ));
        let d = match places.interval {
            Some(place) => d.label(place, "the interval"),
            None => d.label(places.name, "it has no `interval`, so that is 1 s"),
        };
        d.help("a timeout up to the interval tells a hanging service from a slow one in time")
    });
}

fn notices(script: &Script, places: &ScriptPlaces, findings: &mut Findings) {
    let time = script.interval.saturating_mul(script.fall);
    if time <= LATE {
        return;
    }
    let span = places.fall.filter(|_| script.fall > 1).or(places.interval).unwrap_or(places.name);
    findings.add(Id::SlowCheck, span, |d| {
        d.say(format!(
            "a failure counts after {} (interval {} x fall {})",
            shown(time),
            shown(script.interval),
            script.fall
        ))
        .help("both times are given in seconds")
    });
}

/// What decides over a program that cannot be run.
#[derive(Clone, Copy)]
struct Fate {
    is_standfast: bool,
    /// `enable_script_security`.
    security: bool,
    /// It is told of something; else it is a check.
    is_hook: bool,
}

impl Fate {
    /// What Standfast does without it.
    const fn ours(self) -> &'static str {
        if self.is_hook { "it is not told" } else { "who tracks it has priority 1" }
    }

    /// Of one that is looked at when the configuration is read.
    const fn dropped(self) -> &'static str {
        if self.is_standfast { self.ours() } else { "keepalived drops it" }
    }

    /// Of one that only fails when it is run.
    const fn missed(self) -> &'static str {
        match (self.is_standfast, self.is_hook) {
            (true, _) => self.ours(),
            (false, true) => "keepalived does not tell it",
            (false, false) => "keepalived takes that for a success",
        }
    }

    /// Of one that others may change.
    const fn changeable(self) -> &'static str {
        match (self.security, self.is_standfast, self.is_hook) {
            (true, true, false) => "it is not run (enable_script_security), and who tracks it has priority 1",
            (true, true, true) => "it is not told (enable_script_security)",
            (true, false, _) => "keepalived drops it (enable_script_security)",
            (false, ..) => "they can become root here",
        }
    }

    /// Of one without a `#!` line.
    const fn bare(self) -> &'static str {
        if self.is_standfast { "it is run by /bin/sh" } else { self.missed() }
    }
}

/// What is wrong with the program on this machine.
fn program(flaw: &ProgramFlaw, (command, user): (Span, Span), fate: Fate, findings: &mut Findings) {
    let (dropped, missed) = (fate.dropped(), fate.missed());
    let mode = |mode: u32| format!("{:04o}", mode & 0o7777);
    let (id, span, text, help) = match flaw {
        ProgramFlaw::Flaw(Flaw::Missing(path)) => {
            let help = "put it there, or write where it is".into();
            (Id::ScriptMissing, command, format!("`{path}` does not exist: {dropped}"), help)
        }
        ProgramFlaw::Flaw(Flaw::NotAFile(path)) => {
            let text = format!("`{path}` is no file that can be run: {dropped}");
            (Id::ScriptNotExecutable, command, text, String::new())
        }
        ProgramFlaw::Flaw(Flaw::NotExecutable { path, mode: bits, user }) => {
            let text = format!("user {user} may not run `{path}` (mode {}): {dropped}", mode(*bits));
            (Id::ScriptNotExecutable, command, text, format!("chmod a+x {path}"))
        }
        ProgramFlaw::Flaw(Flaw::Interpreter { path, interpreter: Some(interpreter) }) => {
            let text = format!("`{interpreter}`, which `{path}` names, cannot be run: {missed}");
            let help = if interpreter.ends_with("\\r") {
                format!("its lines end as Windows has it: sed -i 's/\\r$//' {path}")
            } else {
                "mend its first line".into()
            };
            (Id::ScriptInterpreter, command, text, help)
        }
        ProgramFlaw::Flaw(Flaw::Interpreter { path, interpreter: None }) => {
            let text = format!("`{path}` is no program of this machine: {missed}");
            (Id::ScriptInterpreter, command, text, String::new())
        }
        ProgramFlaw::Flaw(Flaw::Unsafe { path, mode: bits, owner }) => {
            let so = fate.changeable();
            let who = format!("(owner {owner}, mode {})", mode(*bits));
            let text = format!("root runs it, and others may change `{path}` {who}: {so}");
            let help = format!("chown root:root {path}; chmod go-w {path}");
            (Id::ScriptUnsafe, command, text, help)
        }
        ProgramFlaw::Flaw(Flaw::NoAccount(name)) => {
            let text = format!("there is no user or group `{name}`: {dropped}");
            (Id::ScriptUser, user, text, String::new())
        }
        ProgramFlaw::NoSwitch(name) => {
            let text = format!("only root can run a program as another user (`{name}`): {missed}");
            (Id::ScriptUser, user, text, String::new())
        }
        ProgramFlaw::Bare(path) => {
            let text = format!("`{path}` has no `#!` line: {}", fate.bare());
            (Id::ScriptBare, command, text, "write `#!/bin/sh` as its first line".into())
        }
    };
    findings.add(id, span, |d| {
        let d = d.say(text);
        if help.is_empty() { d } else { d.help(help) }
    });
}

/// A time for people.
pub(super) fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds, time.subsec_millis()) {
        (0, millis) => format!("{millis} ms"),
        (_, millis) if seconds < 600 && millis > 0 => {
            let fraction = format!("{millis:03}");
            format!("{seconds}.{} s", fraction.trim_end_matches('0'))
        }
        (0..600, _) => format!("{seconds} s"),
        (600..7200, _) => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

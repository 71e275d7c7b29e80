//! Programs: their words, and whose rights they get.

use super::Lower;
use crate::registry::Id;
use crate::shell::ScriptLine;
use crate::source::Span;
use crate::text::Word;
use crate::tree::At;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use model::{Account, Command, Hook};

/// Words by which only a shell can do anything.
const SHELL: [&str; 12] =
    ["|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1", ">/dev/null", "&>/dev/null"];

impl Lower<'_> {
    /// The command of a `script` line; whatever stands behind its first word does not count.
    pub(super) fn script_command(&mut self, at: At<'_, '_>) -> Option<Command> {
        if at.arguments().is_empty() {
            self.value(at);
        }
        let line = at.script()?;
        let rest = line.words.get(1..).unwrap_or_default();
        if let (Some(first), Some(second), Some(last)) = (line.words.first(), rest.first(), rest.last()) {
            let name = at.node.keyword.map_or("script", |k| k.name);
            self.findings.add(Id::CommandCut, second.span.to(last.span), |d| {
                let text = crate::text::shown(joined(rest).as_bytes());
                let d = d
                    .say(format!("`{text}` is no part of the command: it is ignored"))
                    .help(format!("put the whole command in double quotes: `{name} \"...\"`"));
                match quoted(&line.words) {
                    Some(text) => d.suggest(first.span.to(last.span), text),
                    None => d,
                }
            });
        }
        self.command(line)
    }

    /// A program that is told of something: `CMD [USER [GROUP]]`.
    pub(super) fn hook(&mut self, at: At<'_, '_>) -> Option<Hook> {
        if at.arguments().is_empty() {
            self.value(at);
        }
        let line = at.script()?;
        let rest = line.words.get(1..).unwrap_or_default();
        if let Some(odd) = rest.iter().take(2).find(|word| !may_be_account(&word.text)) {
            let first = line.words.first().map_or(odd.span, |first| first.span);
            let whole = rest.last().map_or(first, |last| first.to(last.span));
            self.findings.add(Id::CommandUser, odd.span, |d| {
                let d = d
                    .say(format!(
                        "`{}` is read as a user or group, and there is none of that name: the program is not run",
                        odd.shown()
                    ))
                    .help("arguments belong into the double quotes of the command");
                match quoted(&line.words) {
                    Some(text) => d.suggest(whole, text),
                    None => d,
                }
            });
            return None;
        }
        self.extra(at, 3);
        let place = line.words.first().map_or(at.node.span, |first| first.span);
        let hook = Hook { command: self.command(line)?, account: account(rest) };
        self.hooks.push((hook.clone(), place));
        Some(hook)
    }

    /// `USER [GROUP]` behind a keyword.
    pub(super) fn account(&mut self, at: At<'_, '_>) -> Option<Account> {
        if at.arguments().is_empty() {
            self.value(at);
        }
        self.extra(at, 2);
        account(at.arguments())
    }

    fn command(&mut self, line: &ScriptLine<'_>) -> Option<Command> {
        let whole = line.words.first()?;
        let text = String::from_utf8_lossy(&whole.text);
        if let Some(file) = text.strip_prefix('<').filter(|file| file.starts_with('/')) {
            return Some(Command::Readable { path: String::from(file.trim()) });
        }
        let mut words = line.command.iter().map(|w| String::from_utf8_lossy(&w.text).into_owned());
        let Some(path) = words.next().filter(|path| !path.is_empty()) else {
            self.findings.add(Id::CommandEmpty, whole.span, |d| d.say("there is no command: nothing is run"));
            return None;
        };
        let arguments: Vec<String> = words.collect();
        self.shell_syntax(&path, &arguments, whole.span);
        Some(Command::Run { path, arguments })
    }

    /// No shell reads a command; its signs are arguments like others.
    fn shell_syntax(&mut self, path: &str, arguments: &[String], span: Span) {
        let sign = arguments.iter().find(|word| SHELL.contains(&word.as_str()) || word.starts_with("$("));
        let Some(sign) = sign else { return };
        self.findings.add(Id::CommandShell, span, |d| {
            d.say(format!(
                "no shell reads this command: `{sign}` is an argument of `{}`",
                crate::text::shown(path.as_bytes())
            ))
            .help("put it in a script of its own, or write `\"/bin/sh -c '...'\"`")
        });
    }
}

/// A word that could name a user or a group. What surely does not is an argument that was left outside the quotes.
fn may_be_account(word: &[u8]) -> bool {
    let states = ["master", "backup", "fault", "stop", "start", "active", "standby"];
    let sign =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'$' | b'@' | b'\\' | b':');
    let text = String::from_utf8_lossy(word).to_ascii_lowercase();
    !word.is_empty() && !word.starts_with(b"-") && word.iter().all(sign) && !states.contains(&&*text)
}

pub(super) fn account(words: &[Word<'_>]) -> Option<Account> {
    let name = |word: &Word<'_>| Arc::from(&*String::from_utf8_lossy(&word.text));
    Some(Account { user: name(words.first()?), group: words.get(1).map(name) })
}

fn joined(words: &[Word<'_>]) -> String {
    let words: Vec<_> = words.iter().map(|w| String::from_utf8_lossy(&w.text)).collect();
    words.join(" ")
}

/// The words as one in double quotes, if that is possible.
fn quoted(words: &[Word<'_>]) -> Option<String> {
    let text = joined(words);
    (!text.contains('"')).then(|| format!("\"{text}\""))
}

//! Programs: their words, and whose rights they get.

use super::Lower;
use crate::registry::Id;
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
        let arguments = at.arguments();
        let Some(first) = arguments.first() else {
            self.value(at);
            return None;
        };
        if let (Some(second), Some(last)) = (arguments.get(1), arguments.last()) {
            let whole = first.span.to(last.span);
            let name = at.node.keyword.map_or("script", |k| k.name);
            self.findings.add(Id::CommandCut, second.span.to(last.span), |d| {
                let rest = joined(arguments.get(1..).unwrap_or_default());
                let d = d
                    .say(format!(
                        "`{}` is no part of the command: it is ignored",
                        crate::text::shown(rest.as_bytes())
                    ))
                    .help(format!("put the whole command in double quotes: `{name} \"...\"`"));
                match quoted(arguments) {
                    Some(text) => d.fix(whole, text),
                    None => d,
                }
            });
        }
        self.command(first)
    }

    /// A program that is told of something: `CMD [USER [GROUP]]`.
    pub(super) fn hook(&mut self, at: At<'_, '_>) -> Option<Hook> {
        let arguments = at.arguments();
        let Some(first) = arguments.first() else {
            self.value(at);
            return None;
        };
        let rest = arguments.get(1..).unwrap_or_default();
        if let Some(odd) = rest.iter().find(|word| !may_be_account(&word.text)) {
            let whole = rest.last().map_or(odd.span, |last| first.span.to(last.span));
            self.findings.add(Id::CommandUser, odd.span, |d| {
                let d = d
                    .say(format!(
                        "`{}` is read as a user or group, and there is none of that name: the program is not run",
                        odd.shown()
                    ))
                    .help("arguments belong into the double quotes of the command");
                match quoted(arguments) {
                    Some(text) => d.fix(whole, text),
                    None => d,
                }
            });
            return None;
        }
        self.extra(at, 3);
        Some(Hook { command: self.command(first)?, account: account(rest) })
    }

    /// `USER [GROUP]` behind a keyword.
    pub(super) fn account(&mut self, at: At<'_, '_>) -> Option<Account> {
        if at.arguments().is_empty() {
            self.value(at);
        }
        self.extra(at, 2);
        account(at.arguments())
    }

    fn command(&mut self, word: &Word<'_>) -> Option<Command> {
        let text = String::from_utf8_lossy(&word.text);
        if text.starts_with("</") {
            return Some(Command::Readable { path: String::from(text.trim_start_matches('<').trim()) });
        }
        let Some(words) = split(&text) else {
            self.findings.add(Id::CommandQuote, word.span, |d| {
                d.say("a quote in this command is never closed: the program is not run")
            });
            return None;
        };
        let mut words = words.into_iter();
        let Some(path) = words.next().filter(|path| !path.is_empty()) else {
            self.findings.add(Id::CommandQuote, word.span, |d| d.say("there is no command: nothing is run"));
            return None;
        };
        let arguments: Vec<String> = words.collect();
        self.shell_syntax(&path, &arguments, word.span);
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

/// The words of a command: blanks separate; quotes of both kinds and backslashes keep together.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        match (sign, quote) {
            ('\\', _) => word.get_or_insert_default().push(signs.next()?),
            (sign, Some(open)) if sign == open => quote = None,
            (sign, Some(_)) => word.get_or_insert_default().push(sign),
            ('"' | '\'', None) => {
                quote = Some(sign);
                word.get_or_insert_default();
            }
            (sign, None) if sign.is_ascii_whitespace() => words.extend(word.take()),
            (sign, None) => word.get_or_insert_default().push(sign),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

//! Programs and their users, as lines of scripts are read: quotes and escapes like a shell's, and the first
//! word split once more.

use super::writer::word;
use super::{MASK, Secrets};
use alloc::format;
use alloc::string::{String, ToString};
use model::{Account, Command, Hook};

/// `CMD` of a `script` line.
pub(super) fn command(command: &Command, secrets: Secrets) -> String {
    match command {
        Command::Readable { path } => outer(&format!("<{path}")),
        Command::Run { path, arguments } => {
            let mut line = inner(path);
            let mut hide = false;
            for argument in arguments {
                let (shown, names) = match secrets {
                    Secrets::Shown => (argument.clone(), false),
                    Secrets::Masked if hide => (MASK.to_string(), false),
                    Secrets::Masked => without_secret(argument),
                };
                hide = names;
                line.push(' ');
                line.push_str(&inner(&shown));
            }
            outer(&line)
        }
    }
}

/// An argument without what stands behind the name of a secret; whether the next argument is the secret.
fn without_secret(argument: &str) -> (String, bool) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut rest = argument;
    while !rest.is_empty() {
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(length);
        if crate::secret::names_secret(name.as_bytes()) {
            let kept = argument.len() - behind.len();
            let mut sign = behind.chars();
            return match sign.next() {
                None => (argument.to_string(), true),
                Some(sign) => {
                    let kept = argument.get(..kept + sign.len_utf8()).unwrap_or_default();
                    (format!("{kept}{MASK}"), false)
                }
            };
        }
        rest = behind.get(behind.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
    }
    (argument.to_string(), false)
}

/// `CMD [USER [GROUP]]`.
pub(super) fn hook(hook: &Hook, secrets: Secrets) -> String {
    let mut line = command(&hook.command, secrets);
    if let Some(Account { user, group }) = &hook.account {
        for name in [Some(user), group.as_ref()].into_iter().flatten() {
            line.push(' ');
            line.push_str(&outer(name));
        }
    }
    line
}

/// `USER [GROUP]`.
pub(super) fn account(account: &Account) -> String {
    match &account.group {
        None => word(&account.user),
        Some(group) => format!("{} {}", word(&account.user), word(group)),
    }
}

/// A word of the command, as it stands within the quotes of the whole.
fn inner(text: &str) -> String {
    let special = |c: char| c.is_ascii_control() || matches!(c, '"' | '\'' | '\\');
    if text.contains(special) {
        return escaped(text, |c| special(c) || c == ' ');
    }
    let plain = !text.is_empty() && !text.contains(|c: char| c.is_ascii_whitespace());
    if plain { text.to_string() } else { format!("'{text}'") }
}

/// A word of the line.
fn outer(text: &str) -> String {
    let bare =
        |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '#' | '!' | '{' | '}' | '$' | '\\');
    if !text.is_empty() && text.chars().all(bare) {
        return text.to_string();
    }
    // A double quote would end the word for those parts of the reader that know no escapes, and `${` could name
    // something that is replaced.
    let doubled = text.replace('\\', "\\\\").replace("${", "\\x24{");
    format!("\"{}\"", escaped(&doubled, |c| c.is_ascii_control() || c == '"'))
}

fn escaped(text: &str, special: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if special(c) { out.push_str(&format!("\\x{:02x}", u32::from(c))) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn written(path: &str, arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|a| a.to_string()).collect();
        command(&Command::Run { path: path.into(), arguments }, Secrets::Shown)
    }

    #[test]
    fn secrets_among_the_arguments_are_masked() {
        let shown = |arguments: &[&str]| {
            let arguments = arguments.iter().map(|a| a.to_string()).collect();
            command(&Command::Run { path: "x".into(), arguments }, Secrets::Masked)
        };
        assert_eq!(shown(&["--password", "geheim", "ping"]), "\"x --password ******** ping\"");
        assert_eq!(shown(&["--password=geheim", "ping"]), "\"x --password=******** ping\"");
        assert_eq!(shown(&["-c", "PGPASSWORD=geheim psql"]), "\"x -c PGPASSWORD=********\"");
        assert_eq!(shown(&["-p", "80"]), "\"x -p 80\"");
    }

    #[test]
    fn commands_are_quoted_as_a_whole() {
        assert_eq!(written("/bin/true", &[]), "/bin/true");
        assert_eq!(written("/bin/check", &["-p", "80"]), "\"/bin/check -p 80\"");
        assert_eq!(written("/bin/sh", &["-c", "a && b"]), "\"/bin/sh -c 'a && b'\"");
        assert_eq!(written("/bin/a b", &[""]), "\"'/bin/a b' ''\"");
        assert_eq!(
            written("x", &["it's \"a\" \\n"]),
            "\"x it\\\\x27s\\\\x20\\\\x22a\\\\x22\\\\x20\\\\x5cn\""
        );
        assert_eq!(written("x", &["${A}"]), "\"x \\x24{A}\"");
        assert_eq!(command(&Command::Readable { path: "/run/x".into() }, Secrets::Masked), "</run/x");
    }
}

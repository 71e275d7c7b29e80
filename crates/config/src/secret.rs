//! Keeps passwords and keys out of everything that is shown.
//!
//! Messages never hold the words of a line that names a secret, and source lines are shown through
//! [`masked`]. Both go by the text, not by the tree: a misspelt keyword, a line in the wrong block and a
//! line that was commented out hide their secrets too.

use alloc::string::String;
use alloc::vec::Vec;

/// Whether a word (a keyword, an option, a definition) names a secret.
pub(crate) fn names_secret(word: &[u8]) -> bool {
    let word = word.to_ascii_lowercase();
    let has = |part: &[u8]| word.windows(part.len()).any(|w| w == part);
    let auth = word.starts_with(b"auth_") && word != b"auth_type" && word != b"auth_hmac";
    let short = word == b"pw" || word.starts_with(b"pw_") || word.ends_with(b"_pw");
    let pass = (short || has(b"pass") || has(b"pwd")) && !has(b"passive");
    auth || pass || has(b"secret") || word == b"key" || has(b"_key") && !has(b"active_key")
}

/// A line as it may be shown, and where each of its bytes went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// The text; as many characters as the line has.
    pub text: String,
    /// For each byte of the line, and for its end, the byte in `text` at which its character begins.
    pub at: Vec<usize>,
}

/// A source line with every secret replaced by stars, character by character, so that columns stay right.
///
/// Bytes that are not UTF-8 become `?`, control characters become blanks.
#[must_use]
pub fn masked(line: &[u8]) -> Masked {
    let hidden = secrets(line);
    let mut text = String::with_capacity(line.len());
    let mut at = Vec::with_capacity(line.len() + 1);
    let mut rest = line;
    while !rest.is_empty() {
        let (c, length) = first_char(rest);
        let from = line.len() - rest.len();
        let begins = text.len();
        at.extend(core::iter::repeat_n(begins, length));
        text.push(if hidden.get(from) == Some(&true) && !c.is_whitespace() {
            '*'
        } else if c.is_control() {
            ' '
        } else {
            c
        });
        rest = rest.get(length..).unwrap_or_default();
    }
    at.push(text.len());
    Masked { text, at }
}

/// The first character and its length; `?` for a byte that begins none.
fn first_char(bytes: &[u8]) -> (char, usize) {
    let head = bytes.get(..bytes.len().min(4)).unwrap_or(bytes);
    let valid = match core::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => core::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or(""),
    };
    valid.chars().next().map_or(('?', 1), |c| (c, c.len_utf8()))
}

/// Which bytes of a line are secret: everything after a word that names a secret, up to a brace.
fn secrets(line: &[u8]) -> Vec<bool> {
    let mut hidden = alloc::vec![false; line.len()];
    let mut hiding = false;
    let mut at = 0;
    while at < line.len() {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let length = line[at..].iter().position(|b| !is_word(*b)).unwrap_or(line.len() - at);
        if hiding {
            // A brace may be part of the secret; only a blank before it says otherwise.
            let blank = at > 0 && line[at - 1].is_ascii_whitespace();
            if length == 0 && blank && matches!(line[at], b'{' | b'}') {
                hiding = false;
            } else {
                // Separators right after the name are not the secret, but hiding them does no harm.
                for byte in &mut hidden[at..at + length.max(1)] {
                    *byte = true;
                }
            }
        } else if length > 0 && names_secret(&line[at..at + length]) {
            hiding = true;
        }
        at += length.max(1);
    }
    // The values of a loop may be what a word behind it needs: `~LST(X, a, b) auth_pass ${X}`.
    let head = line.trim_ascii_start();
    if head.starts_with(b"~") && hidden.contains(&true) {
        let open = line.iter().position(|b| *b == b'(').unwrap_or(line.len());
        let close = line.iter().position(|b| *b == b')').unwrap_or(line.len());
        hidden.iter_mut().take(close).skip(open + 1).for_each(|byte| *byte = true);
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        masked(line.as_bytes()).text
    }

    #[test]
    fn values_of_secret_words_become_stars() {
        assert_eq!(shown("  auth_pass 1111"), "  auth_pass ****");
        assert_eq!(shown("  auth_pas: \"pä ss\" # x"), "  auth_pas* *** *** * *");
        assert_eq!(shown("# auth_pass geheim"), "# auth_pass ******");
        assert_eq!(shown("authentication { auth_pass x }"), "authentication { auth_pass * }");
        assert_eq!(shown("key 1 hex:00ff"), "key * ********");
        assert_eq!(shown("$PASSWORD=abc"), "$PASSWORD****");
        assert_eq!(shown("$VRRP_PW=abc"), "$VRRP_PW****");
        assert_eq!(shown("~LST(X, a, b) auth_pass ${X}"), "~LST(** ** *) auth_pass ****");
        assert_eq!(shown("auth_type PASS"), "auth_type PASS");
        assert_eq!(shown("  passive"), "  passive");
        assert_eq!(shown("priority 100"), "priority 100");
    }

    #[test]
    fn places_survive_masking() {
        let masked = masked("auth_pass äöx".as_bytes());
        assert_eq!(masked.text, "auth_pass ***");
        assert_eq!(masked.at[10..], [10, 10, 11, 11, 12, 13]);
    }
}

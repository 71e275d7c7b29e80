//! Just enough of Rust's grammar to tell code from comments and text in quotes.

/// The source with comments, strings and character literals blanked out; lines and columns stay.
pub(crate) fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = end_of_literal(bytes, at);
        if end > at {
            for byte in &mut out[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            at = end;
        } else if is_word(bytes[at]) {
            // A word, so that `r` and `b` in the middle of one begin no string.
            at += bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
        } else {
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Where the comment, string or character that begins at `at` ends; `at` itself if none begins there.
fn end_of_literal(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + block_comment(rest);
    }
    let prefix = rest.iter().take_while(|byte| matches!(byte, b'b' | b'c' | b'r')).count();
    let raw = prefix > 0 && prefix <= 2 && rest[prefix - 1] == b'r';
    let hashes = rest[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    match rest.get(prefix + hashes) {
        Some(b'"') if raw => at + prefix + hashes + 1 + raw_string(&rest[prefix + hashes + 1..], hashes),
        Some(b'"') if hashes == 0 && prefix <= 1 => at + prefix + 1 + quoted(&rest[prefix + 1..], b'"'),
        Some(b'\'') if hashes == 0 && prefix <= 1 => at + character(rest, prefix),
        _ => at,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn raw_string(rest: &[u8], hashes: usize) -> usize {
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    rest.windows(close.len()).position(|part| part == close).map_or(rest.len(), |at| at + close.len())
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character literal; 0 for a lifetime.
fn character(rest: &[u8], prefix: usize) -> usize {
    let inner = &rest[prefix + 1..];
    // One character is at most four bytes; a lifetime has no second quote so near, except behind a word character.
    let literal = match inner.first() {
        Some(b'\\') => true,
        Some(byte) if is_word(*byte) && *byte < 0x80 => inner.get(1) == Some(&b'\''),
        Some(_) => inner.iter().take(5).skip(1).any(|&byte| byte == b'\''),
        None => false,
    };
    if literal { prefix + 1 + quoted(inner, b'\'') } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        let source = r####"let a = "unsafe \" x"; // unsafe
/* unsafe /* nested */ unsafe */ fn f<'a>(c: &'a str) { unsafe { g('"', b'\'', 'é') } }
let r = r#"unsafe " "#; let b = br"unsafe"; for_bar"unsafe""####;
        let code = code_only(source);
        assert_eq!(code.matches("unsafe").count(), 1, "{code}");
        assert_eq!(code.lines().count(), source.lines().count());
        assert!(code.contains("fn f<'a>(c: &'a str) { unsafe {"), "{code}");
    }
}

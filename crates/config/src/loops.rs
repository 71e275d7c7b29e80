//! `~SEQ`, `~SEQx` and `~LST`: a line that is read once for each value of a variable.

use crate::definitions::Definitions;
use crate::text::is_blank;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// What a loop goes through.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Numbers {
        next: i64,
        step: i64,
        end: i64,
        hexadecimal: bool,
    },
    /// One set for each turn, one value for each name.
    Sets(Rc<[Vec<Vec<u8>>]>, usize),
}

/// The head of a loop.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub(crate) names: Rc<[Vec<u8>]>,
    pub(crate) values: Values,
}

/// What stands at the start of a line.
pub(crate) enum Head {
    /// No loop.
    Absent,
    /// A loop, and where the text starts that it repeats.
    Loop(Loop, usize),
    /// Something that was meant as one; where the mistake is, and what.
    Broken(core::ops::Range<usize>, String),
}

impl Loop {
    /// The values of the next turn.
    pub(crate) fn turn(&mut self) -> Option<Vec<Vec<u8>>> {
        match &mut self.values {
            Values::Numbers { next, step, end, hexadecimal } => {
                let ended = if *step > 0 { *next > *end } else { *next < *end };
                if ended {
                    return None;
                }
                let value = if *hexadecimal { format!("{next:x}") } else { format!("{next}") };
                match next.checked_add(*step) {
                    Some(following) => *next = following,
                    // The last number that there is: one turn more must not begin.
                    None if *step > 0 => (*next, *end) = (1, 0),
                    None => (*next, *end) = (0, 1),
                }
                Some(Vec::from([value.into_bytes()]))
            }
            Values::Sets(sets, at) => {
                let set = sets.get(*at)?.clone();
                *at += 1;
                Some(set)
            }
        }
    }
}

/// Reads the head of a loop. The numbers of `~SEQ` may be names.
pub(crate) fn head(bytes: &[u8], definitions: &Definitions<'_>) -> Head {
    let Some(word) = [&b"~SEQ"[..], b"~LST"].into_iter().find(|word| bytes.starts_with(word)) else {
        return Head::Absent;
    };
    let hexadecimal = word == b"~SEQ" && bytes.get(word.len()) == Some(&b'x');
    let mut open = word.len() + usize::from(hexadecimal);
    while bytes.get(open).copied().is_some_and(is_blank) {
        open += 1;
    }
    if bytes.get(open) != Some(&b'(') {
        return Head::Broken(0..open, String::from("a `(` must follow"));
    }
    let Some(length) = bytes.iter().skip(open).position(|b| *b == b')') else {
        return Head::Broken(open..open + 1, String::from("nothing closes this parenthesis"));
    };
    let close = open + length;
    let inner = bytes.get(open + 1..close).unwrap_or_default();
    let read = if word == b"~LST" { list(inner) } else { sequence(inner, hexadecimal, definitions) };
    match read {
        Ok(found) => {
            let behind = bytes.iter().skip(close + 1).take_while(|b| is_blank(**b)).count();
            Head::Loop(found, close + 1 + behind)
        }
        Err(what) => Head::Broken(open..close + 1, what),
    }
}

fn sequence(inner: &[u8], hexadecimal: bool, definitions: &Definitions<'_>) -> Result<Loop, String> {
    let parts: Vec<&[u8]> = inner.split(|b| *b == b',').map(trimmed).collect();
    let Some((name, rest)) = parts.split_first().filter(|(name, rest)| is_name(name) && !rest.is_empty())
    else {
        return Err(String::from("write (NAME, LAST), (NAME, FIRST, LAST) or (NAME, FIRST, STEP, LAST)"));
    };
    let mut numbers = Vec::new();
    for part in rest {
        let text = definitions.plain(part);
        let Some(number) = number(trimmed(&text)) else {
            return Err(format!("`{}` is not a whole number", crate::text::shown(part)));
        };
        numbers.push(number);
    }
    let (first, step, last) = match numbers.as_slice() {
        [last] => (if *last < 0 { -1 } else { 1 }, None, *last),
        [first, last] => (*first, None, *last),
        [first, step, last] => (*first, Some(*step), *last),
        _ => return Err(String::from("at most three numbers may follow the name")),
    };
    let step = step.unwrap_or(if last < first { -1 } else { 1 });
    if step == 0 || first < last && step < 0 || first > last && step > 0 {
        return Err(format!("steps of {step} never lead from {first} to {last}"));
    }
    if hexadecimal && (first < 0 || last < 0) {
        return Err(String::from("hexadecimal numbers cannot be negative"));
    }
    let values = Values::Numbers { next: first, step, end: last, hexadecimal };
    Ok(Loop { names: Rc::new([name.to_vec()]), values })
}

fn list(inner: &[u8]) -> Result<Loop, String> {
    let mut items = items(inner)?;
    if items.len() < 2 {
        return Err(String::from("write (NAME, a, b ...) or ({NAME, NAME}, {a, b}, {c, d} ...)"));
    }
    let names = items.remove(0);
    if let Some(wrong) = names.iter().find(|name| !is_name(name)) {
        return Err(format!("`{}` is no name", crate::text::shown(wrong)));
    }
    for set in &mut items {
        if set.len() > names.len() {
            return Err(format!("{} values for {} names", set.len(), names.len()));
        }
        set.resize(names.len(), Vec::new());
    }
    Ok(Loop { names: names.into(), values: Values::Sets(items.into(), 0) })
}

/// `a, {b, c}` as `[[a], [b, c]]`.
fn items(inner: &[u8]) -> Result<Vec<Vec<Vec<u8>>>, String> {
    let mut items = Vec::new();
    let mut rest = inner;
    loop {
        rest = trimmed(rest);
        let mut set = Vec::new();
        if let Some(behind) = rest.strip_prefix(b"{") {
            let Some(close) = behind.iter().position(|b| *b == b'}') else {
                return Err(String::from("nothing closes a `{`"));
            };
            let (within, after) = behind.split_at(close);
            set.extend(within.split(|b| *b == b',').map(|value| trimmed(value).to_vec()));
            rest = trimmed(after.get(1..).unwrap_or_default());
            if !matches!(rest.first(), None | Some(b',')) {
                return Err(String::from("a comma must stand behind a `}`"));
            }
        } else {
            let end = rest.iter().position(|b| *b == b',').unwrap_or(rest.len());
            let (value, after) = rest.split_at(end);
            set.push(trimmed(value).to_vec());
            rest = after;
        }
        // The value may be a secret and is not shown.
        if set.iter().any(|v| v.iter().any(|b| is_blank(*b) || *b == b'{')) {
            return Err(String::from("each value is one word, and commas stand between them"));
        }
        items.push(set);
        match rest.strip_prefix(b",") {
            Some(behind) => rest = behind,
            None => return Ok(items),
        }
    }
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let is_text = |b: &u8| !is_blank(*b);
    let Some(start) = bytes.iter().position(is_text) else { return &[] };
    let end = bytes.iter().rposition(is_text).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

fn is_name(bytes: &[u8]) -> bool {
    !bytes.is_empty() && crate::definitions::name_length(bytes) == bytes.len()
}

/// A whole number as C writes it: decimal, `0x` hexadecimal, `0` octal.
fn number(text: &[u8]) -> Option<i64> {
    let text = core::str::from_utf8(text).ok()?;
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (base, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, digits.get(2..)?),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        _ => (10, digits),
    };
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let value = i64::from_str_radix(digits, base).ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(line: &str) -> Result<Vec<String>, String> {
        match head(line.as_bytes(), &Definitions::new(0)) {
            Head::Absent => Err("absent".into()),
            Head::Broken(range, what) => Err(format!("{}: {what}", &line[range])),
            Head::Loop(mut found, from) => {
                let mut list = alloc::vec![line[from..].into()];
                while let Some(set) = found.turn().filter(|_| list.len() < 20) {
                    list.push(String::from_utf8(set.join(&b'/')).unwrap());
                }
                Ok(list)
            }
        }
    }

    fn is(line: &str, want: &[&str]) {
        let found = turns(line).unwrap();
        assert_eq!(found[1..], *want, "{line}");
    }

    fn fails(line: &str, want: &str) {
        let said = turns(line).unwrap_err();
        assert!(said.contains(want), "{line}: {said}");
    }

    #[test]
    fn sequences() {
        assert_eq!(turns("~SEQ(X, 2)  a b").unwrap(), ["a b", "1", "2"]);
        is("~SEQ(X, -2) x", &["-1", "-2"]);
        is("~SEQ(X,0)x", &["1", "0"]);
        is("~SEQ (X, 4, 2) x", &["4", "3", "2"]);
        is("~SEQ(X, 1, 3, 8) x", &["1", "4", "7"]);
        is("~SEQ(X, 8, -3, 1) x", &["8", "5", "2"]);
        is("~SEQ(X, 5, 1, 5) x", &["5"]);
        is("~SEQ(X, 0x8, 012) x", &["8", "9", "10"]);
        is("~SEQx(X, 9, 0xB) x", &["9", "a", "b"]);
        is(
            "~SEQ(X, 9223372036854775806, 9223372036854775807) x",
            &["9223372036854775806", "9223372036854775807"],
        );
        is("~SEQ(X, -9223372036854775807, -9223372036854775807) x", &["-9223372036854775807"]);
    }

    #[test]
    fn lists() {
        is("~LST(X, a, b,, c) x", &["a", "b", "", "c"]);
        is("~LST({A,B}, {1,2}, {3, 4 }, 5) x", &["1/2", "3/4", "5/"]);
        is("~LST({A , B}, {1,}) x", &["1/"]);
        is("~LST(X,) x", &[""]);
    }

    #[test]
    fn what_is_no_loop() {
        fails("~seq(X, 1)", "absent");
        fails("~SEQZ(X, 1)", "must follow");
        fails("~SEQ(X, 1", "(: nothing closes");
        fails("~SEQ(X, 1, 0, 3) x", "steps of 0");
        fails("~SEQ(X, 1, -1, 3) x", "never lead");
        fails("~SEQ(X, 1, 2, 3, 4) x", "three numbers");
        fails("~SEQ(X, 1, 5x) x", "`5x` is not");
        fails("~SEQ(X, --5) x", "not a whole");
        fails("~SEQ(X, $N) x", "`$N` is not");
        fails("~SEQ(X) x", "write");
        fails("~SEQ(,1) x", "write");
        fails("~SEQx(X, -1) x", "negative");
        fails("~LST(X) x", "write");
        fails("~LST(X, a b) x", "is one word");
        fails("~LST({A,B}, {1,2,3}) x", "3 values for 2");
        fails("~LST({A,B}, {1,2 ) x", "closes a `{`");
        fails("~LST({A}b, 1) x", "comma");
        fails("~LST(1, 1) x", "no name");
    }
}

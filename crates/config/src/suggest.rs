//! "Did you mean": the word of a list that is nearest to a misspelt one.

use alloc::vec::Vec;

/// The candidate nearest to `word`, unless none is near. Ties go to the earlier candidate.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A longer word is never a slip of the fingers, and the work grows with the square.
    // One letter is near to every other one.
    if word.len() > 48 || word.len() < 2 {
        return None;
    }
    let limit = (word.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    let mut part: Option<&str> = None;
    for candidate in candidates {
        if word.eq_ignore_ascii_case(candidate) {
            return Some(candidate);
        }
        let distance = distance(word.as_bytes(), candidate.as_bytes());
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
        // `script_security` for `enable_script_security`: a whole part of the name, at either end.
        if word.len() >= 6 && part.is_none() && is_part(word, candidate) {
            part = Some(candidate);
        }
    }
    best.map(|(_, candidate)| candidate).or(part)
}

fn is_part(word: &str, candidate: &str) -> bool {
    let rest = candidate.strip_suffix(word).map(|head| head.ends_with('_'));
    let tail = candidate.strip_prefix(word).map(|tail| tail.starts_with('_'));
    rest == Some(true) || tail == Some(true)
}

/// Edits from `a` to `b`: insert, delete, replace, or swap two neighbours; case does not count.
fn distance(a: &[u8], b: &[u8]) -> usize {
    if a.len().abs_diff(b.len()) > 16 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let same = x.eq_ignore_ascii_case(y);
            let mut cost = (last[j] + usize::from(!same)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x.eq_ignore_ascii_case(&b[j - 1]) && a[i - 1].eq_ignore_ascii_case(y) {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = core::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_strangers_are_not() {
        let words = ["priority", "preempt", "virtual_ipaddress", "enable_script_security", "state"];
        assert_eq!(nearest("prioirty", words), Some("priority"));
        assert_eq!(nearest("PRIORITY", words), Some("priority"));
        assert_eq!(nearest("virtual_ipadress", words), Some("virtual_ipaddress"));
        assert_eq!(nearest("script_security", words), Some("enable_script_security"));
        assert_eq!(nearest("Clients", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest("$", ["!", "#"]), None, "one sign is near to every other");
    }

    #[test]
    fn swapped_neighbours_are_one_edit() {
        assert_eq!(distance(b"vvrp", b"vrrp"), 1);
        assert_eq!(distance(b"sate", b"state"), 1);
        assert_eq!(distance(b"abcd", b"acbd"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
    }
}

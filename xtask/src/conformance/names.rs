//! Which tests name which rows: `sm_bkp_5_sm_bkp_6_trap_4_what_it_is` shows three, `rx_2_to_rx_7_...` shows six.
//!
//! Names are read from the sources, which takes no time and no build. The tests of a laboratory are values, so their
//! names are texts; that each name is that of a test which ran is seen when the page is written.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::rows::Row;
use super::{LIST, finding};
use crate::tidy::Finding;
use crate::tidy::lexer;

/// A test, by crate and by the last part of its path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    pub(super) krate: String,
    pub(super) name: String,
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.krate, self.name)
    }
}

/// A test and the rows in its name.
pub(super) struct Named {
    pub(super) test: Test,
    pub(super) ids: Vec<String>,
}

/// All tests that name rows, and names that name what is not in the list.
pub(super) fn collect(root: &Path, rows: &[Row]) -> Result<(Vec<Named>, Vec<Finding>)> {
    let tokens = Tokens::new(rows);
    let (mut named, mut strangers) = (Vec::new(), Vec::new());
    for krate in sorted(&root.join("crates"))? {
        let Some(name) = krate.file_name().and_then(|name| name.to_str()) else { continue };
        let mut files = Vec::new();
        for part in ["src", "tests"].map(|part| krate.join(part)).into_iter().filter(|part| part.is_dir()) {
            sources(&part, &mut files)?;
        }
        for path in files {
            let source =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            for (line, test) in tests(&source) {
                match tokens.read(&test) {
                    Ok(ids) if ids.is_empty() => {}
                    Ok(ids) => named.push(Named { test: Test { krate: name.to_owned(), name: test }, ids }),
                    Err(id) => {
                        let file = path.strip_prefix(root).unwrap_or(&path);
                        let text = format!("{test} names {id}, which is not in {LIST}");
                        strangers.push(finding(file, line, text));
                    }
                }
            }
        }
    }
    Ok((named, strangers))
}

fn sorted(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn sources(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for path in sorted(directory)? {
        if path.is_dir() {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The last parts of the names of all tests in a source, each with its line.
fn tests(source: &str) -> Vec<(usize, String)> {
    let code = lexer::code_only(source);
    let mut found = Vec::new();
    let mut is_test = false;
    for (at, (plain, line)) in code.lines().zip(source.lines()).enumerate() {
        let plain = plain.trim();
        if plain == "#[test]" {
            is_test = true;
        } else if let Some(rest) = plain.strip_prefix("fn ").filter(|_| is_test) {
            found.push((at + 1, rest.chars().take_while(|c| is_name(*c)).collect()));
            is_test = false;
        } else if !(plain.is_empty() || plain.starts_with("#[")) {
            is_test = false;
        }
        // Names as texts: what stands between quotes.
        let quoted = line.split('"').skip(1).step_by(2).filter(|_| !plain.is_empty());
        found.extend(quoted.filter_map(last_part).map(|name| (at + 1, name)));
    }
    found
}

const fn is_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// `name` of `module::name`, if it can be the name of a test.
fn last_part(text: &str) -> Option<String> {
    let last = text.rsplit("::").next()?;
    (last.contains('_') && last.chars().all(is_name)).then(|| last.to_owned())
}

/// The ids as they stand in names.
struct Tokens {
    /// Token and id, the longest first.
    known: Vec<(String, String)>,
    /// Families that count: `sm_bkp`.
    families: BTreeSet<String>,
}

impl Tokens {
    fn new(rows: &[Row]) -> Self {
        let mut known: Vec<_> = rows.iter().map(|row| (row.token(), row.id.clone())).collect();
        known.sort_by_key(|(token, _)| std::cmp::Reverse(token.len()));
        let families = rows.iter().map(|row| row.family().to_ascii_lowercase().replace('-', "_")).collect();
        Self { known, families }
    }

    /// The ids at the beginning of a name, or the first one that is in no list.
    fn read(&self, name: &str) -> Result<Vec<String>, String> {
        let (mut ids, mut rest) = (Vec::<String>::new(), name);
        loop {
            let to = rest.strip_prefix("to_").filter(|_| !ids.is_empty());
            let next = to.or_else(|| rest.strip_prefix("and_").filter(|_| !ids.is_empty())).unwrap_or(rest);
            let Some((id, after)) = self.first(next) else {
                return match self.stranger(next) {
                    Some(stranger) => Err(stranger),
                    None => Ok(ids),
                };
            };
            if let (Some(_), Some(from)) = (to, ids.last()) {
                ids.extend(between(from, id)?);
            }
            ids.push(id.to_owned());
            rest = after;
        }
    }

    fn first<'a, 'b>(&'a self, text: &'b str) -> Option<(&'a str, &'b str)> {
        self.known.iter().find_map(|(token, id)| {
            let rest = text.strip_prefix(token.as_str())?;
            let after = rest.strip_prefix('_').or_else(|| rest.is_empty().then_some(""))?;
            Some((id.as_str(), after))
        })
    }

    /// `rx_24` when there are rows `RX`, but not that many.
    fn stranger(&self, text: &str) -> Option<String> {
        self.families.iter().find_map(|family| {
            let number = text.strip_prefix(family.as_str())?.strip_prefix('_')?.split('_').next()?;
            let counts = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            counts.then(|| format!("{family}_{number}").to_ascii_uppercase().replace('_', "-"))
        })
    }
}

/// The ids between two of one family.
fn between(from: &str, to: &str) -> Result<Vec<String>, String> {
    let split = |id: &str| {
        let (family, number) = id.rsplit_once('-')?;
        Some((family.to_owned(), number.parse::<u16>().ok()?))
    };
    match (split(from), split(to)) {
        (Some((family, first)), Some((other, last))) if family == other && first < last => {
            Ok((first + 1..last).map(|number| format!("{family}-{number}")).collect())
        }
        _ => Err(format!("{from} to {to}")),
    }
}

#[cfg(test)]
mod tests_of_names {
    use super::*;
    use crate::conformance::rows;

    fn tokens() -> Tokens {
        let ids =
            ["RX-2", "RX-3", "RX-4", "RX-5", "SM-BKP-5", "VEC-V3-4", "VEC-V3-4-MAX", "TM-1", "GARP-REPLY"];
        let text: Vec<_> = ids.iter().map(|id| format!("{id}\t\t\ttested\t\t\n")).collect();
        Tokens::new(&rows::read(&text.concat()).unwrap())
    }

    #[test]
    fn leading_ids_count_alone_in_lists_and_as_ranges() {
        let read = |name| tokens().read(name).map(|ids| ids.join(" "));
        assert_eq!(read("rx_2_a_thing_of_rx_3"), Ok("RX-2".into()));
        assert_eq!(read("tm_1_sm_bkp_5_and_rx_3_it"), Ok("TM-1 SM-BKP-5 RX-3".into()));
        assert_eq!(read("rx_2_to_rx_4_tm_1"), Ok("RX-2 RX-3 RX-4 TM-1".into()));
        assert_eq!(read("vec_v3_4_max_is_long"), Ok("VEC-V3-4-MAX".into()));
        assert_eq!(read("vec_v3_4_maximum"), Ok("VEC-V3-4".into()));
        assert_eq!(read("garp_reply"), Ok("GARP-REPLY".into()));
        assert_eq!(read("rx_fields_are_read"), Ok(String::new()));
        assert_eq!(read("to_and_fro"), Ok(String::new()));
    }

    #[test]
    fn ids_that_are_not_in_the_list_are_found() {
        assert_eq!(tokens().read("rx_24_it"), Err("RX-24".into()));
        assert_eq!(tokens().read("rx_2_sm_bkp_99_it"), Err("SM-BKP-99".into()));
        assert_eq!(tokens().read("rx_4_to_rx_2_it"), Err("RX-4 to RX-2".into()));
    }

    #[test]
    fn names_are_functions_and_texts() {
        let source = "/// \"rx_2_no\n#[test]\n#[cfg(x)]\nfn rx_2_a() {}\nfn rx_3_no() {}\n#[test]\nlet x;\nfn rx_4_no()\n\
            Test::new(\"m::rx_5_b\", f); add(\"A b\")\n";
        assert_eq!(tests(source), [(4, "rx_2_a".to_owned()), (9, "rx_5_b".to_owned())]);
    }
}

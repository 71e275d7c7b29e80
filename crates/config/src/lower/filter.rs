//! The filter of `no_accept`: the lines of `global_defs` that name its table.

use super::Lower;
use crate::registry::Id;
use crate::tree::At;
use alloc::format;
use alloc::string::String;
use model::Filter;

impl Lower<'_> {
    /// One of the lines of `global_defs` about the filter; false when it is none of them.
    pub(super) fn filter(&mut self, at: At<'_, '_>, name: &str, to: &mut Filter) -> bool {
        match name {
            "nftables" => self.table(at, to),
            "nftables_priority" => {
                if let Some(priority) = self.chain_priority(at) {
                    to.priority = priority;
                }
            }
            "nftables_counters" => {
                self.flag(at);
                to.counters = true;
            }
            _ => return false,
        }
        true
    }

    fn table(&mut self, at: At<'_, '_>, to: &mut Filter) {
        self.extra(at, 1);
        let Some(word) = at.arguments().first() else { return };
        let name = String::from_utf8_lossy(&word.text);
        if Filter::is_name(&name) {
            to.table = name.into_owned();
        } else {
            let used = &to.table;
            self.findings.add(Id::UnknownWord, word.span, |d| {
                d.say(format!("`{}` cannot be the name of a table: {used} is used", word.shown()))
                    .help("a letter first, then letters, digits, `_`, `.`, `/` and `-`")
            });
        }
    }

    fn chain_priority(&mut self, at: At<'_, '_>) -> Option<i32> {
        let word = self.value(at)?;
        let text = core::str::from_utf8(&word.text).unwrap_or_default();
        let number = text.parse::<i64>();
        if let Some(priority) = number.as_ref().ok().and_then(|n| i32::try_from(*n).ok()) {
            return Some(priority);
        }
        let id = if number.is_ok() { Id::OutOfRange } else { Id::BadNumber };
        self.findings.add(id, word.span, |d| {
            d.say(format!(
                "`nftables_priority` takes -2147483648 to 2147483647, not {}: the line is ignored",
                word.shown()
            ))
        });
        None
    }
}

//! What the daemon itself is told: namespace, names, pid files, priorities, dumps.

use super::Lower;
use super::value::{Numbers, trimmed};
use crate::registry::Id;
use crate::source::{Checks, Span};
use crate::text::Word;
use crate::tree::At;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use model::{Daemon, LONGEST_PROCESS_NAME, ReloadFile};

/// What `process_names` calls the worker.
const WORKER: &str = "keepalived_vrrp";
/// Numbers of processors that are believed: as many as Linux can have.
const PROCESSORS: u64 = 8192;
/// The longest name of an instance or a namespace: it becomes part of the name of a file.
const LONGEST_NAME: usize = 200;

/// What the lines about the daemon come to, and where those stood of which only the first counts.
#[derive(Debug, Default)]
pub(super) struct Serving {
    pub(super) daemon: Daemon,
    namespace: Option<Span>,
    name: Option<Span>,
    /// `process_names` was given.
    names: bool,
}

impl Serving {
    /// Puts together what stood on several lines.
    pub(super) fn finish(mut self) -> Daemon {
        if self.names {
            self.daemon.worker_process.get_or_insert_with(|| WORKER.into());
        }
        self.daemon
    }
}

impl Lower<'_> {
    /// One of the lines outside of blocks about the daemon; false when it is none of them.
    pub(super) fn serving_root(&mut self, at: At<'_, '_>, name: &str, to: &mut Serving) -> bool {
        match name {
            "net_namespace" => self.net_namespace(at, to),
            "instance" => {
                if let Some((text, span)) = self.file_name(at, &mut to.name)
                    && !self.impossible(&text, span, "the line is ignored")
                {
                    to.daemon.name = Some(text);
                    to.name = Some(at.node.span);
                }
            }
            "use_pid_dir" => {
                self.flag(at);
                to.daemon.own_pid_directory = true;
            }
            "child_wait_time" => {
                if let Some(time) = self.number(at, &Numbers::seconds(0..=u64::from(u32::MAX))) {
                    to.daemon.stop_limit = Duration::from_secs(time);
                }
            }
            _ => return false,
        }
        true
    }

    /// Here a line that is ignored would let the daemon speak in another network than was meant.
    fn net_namespace(&mut self, at: At<'_, '_>, to: &mut Serving) {
        let unclear = |lower: &mut Self, span, text: String| {
            lower.findings.add(Id::NamespaceUnclear, span, |d| {
                d.say(text).help("write `net_namespace NAME`, with a name that `ip netns` lists")
            });
        };
        if at.arguments().is_empty() {
            return unclear(self, at.node.span, "`net_namespace` does not say which".into());
        }
        let Some((text, span)) = self.file_name(at, &mut to.namespace) else { return };
        if is_file_name(&text) {
            to.daemon.namespace = Some(text);
            to.namespace = Some(at.node.span);
        } else {
            let shown = crate::text::shown(text.as_bytes());
            unclear(self, span, format!("`{shown}` cannot be the name of a network namespace"));
        }
    }

    /// A name of which the first one counts.
    fn file_name(&mut self, at: At<'_, '_>, before: &mut Option<Span>) -> Option<(String, Span)> {
        let word = self.value(at)?;
        let text = String::from_utf8_lossy(&word.text).into_owned();
        if let Some(first) = *before {
            let name = at.node.keyword.map_or("", |k| k.name);
            if self.sources.text(first) != self.sources.text(at.node.span) {
                self.findings.add(Id::FirstCounts, at.node.span, |d| {
                    d.say(format!("`{name}` is given already: the line is ignored"))
                        .label(first, "this one counts")
                });
            }
            return None;
        }
        Some((text, word.span))
    }

    fn impossible(&mut self, text: &str, span: Span, fate: &str) -> bool {
        let impossible = !is_file_name(text);
        if impossible {
            self.findings.add(Id::UnknownWord, span, |d| {
                let shown = crate::text::shown(text.as_bytes());
                d.say(format!("`{shown}` cannot be part of the name of a file: {fate}"))
            });
        }
        impossible
    }

    /// One of the lines of `global_defs` about the daemon; false when it is none of them.
    pub(super) fn serving(&mut self, at: At<'_, '_>, name: &str, to: &mut Serving) -> bool {
        let daemon = &mut to.daemon;
        match name {
            "process_names" => {
                self.flag(at);
                to.names = true;
            }
            "process_name" => {
                daemon.supervisor_process = self.process_name(at).or(daemon.supervisor_process.take())
            }
            "vrrp_process_name" => {
                daemon.worker_process = self.process_name(at).or(daemon.worker_process.take())
            }
            "umask" => daemon.umask = self.umask(at).or(daemon.umask),
            "log_unknown_vrids" => {
                self.flag(at);
                daemon.logs_unknown = true;
            }
            "data_use_instance" => self.set(at, &mut daemon.dumps.named),
            "state_dump_file" => daemon.dumps.state = self.path(at).or(daemon.dumps.state.take()),
            "json_version" => {
                if let Some(version) = self.number(at, &Numbers::count(1..=2)) {
                    daemon.dumps.json_version = if version == 2 { 2 } else { 1 };
                }
            }
            // The reader took it, for the lines behind it.
            "include_check" => {
                for word in at.arguments() {
                    if Checks::default().changed(core::iter::once(&*word.text)).is_none() {
                        self.findings.add(Id::UnknownWord, word.span, |d| {
                            d.say(format!("`{}` is no check: the line is ignored", word.shown()))
                                .help("there are read, match, wildcard_match and brace_match, with + or - before them")
                        });
                    }
                }
            }
            "reload_file" => {
                self.extra(at, 1);
                let path = at.arguments().first().map(|w| String::from_utf8_lossy(&w.text).into_owned());
                daemon.reload_file = Some(path.map_or(ReloadFile::Usual, ReloadFile::At));
            }
            _ => return self.scheduling(at, name, daemon),
        }
        true
    }

    fn scheduling(&mut self, at: At<'_, '_>, name: &str, daemon: &mut Daemon) -> bool {
        let to = &mut daemon.scheduling;
        match name {
            "vrrp_priority" => {
                if let Some(word) = self.value(at) {
                    to.nice = self.nice(word);
                }
            }
            "vrrp_rt_priority" => to.real_time = self.real_time(at).or(to.real_time),
            "vrrp_cpu_affinity" => {
                if at.arguments().is_empty() {
                    self.value(at);
                } else {
                    let list: BTreeSet<u16> =
                        at.arguments().iter().filter_map(|word| self.processor(word)).collect();
                    to.processors = Vec::from_iter(list);
                }
            }
            "vrrp_rlimit_rttime" | "vrrp_rlimit_rtime" => {
                if let Some(time) = self.number(at, &Numbers::count(1..=u64::from(u32::MAX))) {
                    to.longest_burst = Some(Duration::from_micros(time.max(2)));
                }
            }
            "vrrp_no_swap" => {
                self.flag(at);
                to.no_swap = true;
            }
            _ => return false,
        }
        true
    }

    fn path(&mut self, at: At<'_, '_>) -> Option<String> {
        self.value(at).map(|word| String::from_utf8_lossy(&word.text).into_owned())
    }

    /// The kernel keeps so much of it, and keepalived cuts it too.
    fn process_name(&mut self, at: At<'_, '_>) -> Option<String> {
        let word = self.value(at)?;
        let text = String::from_utf8_lossy(&word.text).into_owned();
        if text.len() <= LONGEST_PROCESS_NAME {
            return (!text.is_empty()).then_some(text);
        }
        let end = (0..=LONGEST_PROCESS_NAME).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let cut = String::from(text.get(..end).unwrap_or_default());
        self.findings.add(Id::OutOfRange, word.span, |d| {
            d.say(format!("a process has a name of at most {LONGEST_PROCESS_NAME} bytes: `{cut}` is used"))
                .fix(word.span, &*cut)
        });
        Some(cut)
    }

    /// keepalived takes 0 for what it cannot read.
    fn nice(&mut self, word: &Word<'_>) -> Option<i8> {
        let text = core::str::from_utf8(trimmed(word)).unwrap_or_default();
        let number = text.parse::<i64>();
        if let Some(nice) =
            number.as_ref().ok().and_then(|n| i8::try_from(*n).ok()).filter(|n| (-20..20).contains(n))
        {
            return Some(nice);
        }
        let id = if number.is_ok() { Id::OutOfRange } else { Id::BadNumber };
        self.findings.add(id, word.span, |d| {
            d.say(format!("`vrrp_priority` takes -20 to 19, not {}: 0 is used", word.shown()))
        });
        Some(0)
    }

    /// What is outside is moved to the nearest, as keepalived does.
    fn real_time(&mut self, at: At<'_, '_>) -> Option<u8> {
        let word = self.value(at)?;
        let text = core::str::from_utf8(trimmed(word)).unwrap_or_default();
        let Ok(number) = text.parse::<i64>() else {
            self.findings.add(Id::BadNumber, word.span, |d| {
                d.say(format!("`{}` is not a number: the line is ignored", word.shown()))
                    .help("`vrrp_rt_priority` takes 1 to 99")
            });
            return None;
        };
        let clamped = number.clamp(1, 99);
        if clamped != number {
            self.findings.add(Id::OutOfRange, word.span, |d| {
                d.say(format!("`vrrp_rt_priority` takes 1 to 99, not {number}: {clamped} is used"))
                    .fix(word.span, format!("{clamped}"))
            });
        }
        u8::try_from(clamped).ok()
    }

    fn processor(&mut self, word: &Word<'_>) -> Option<u16> {
        let allowed = Numbers::count(0..=PROCESSORS - 1).otherwise("the word is ignored");
        let number = self.number_in("vrrp_cpu_affinity", word, &allowed, Id::OutOfRange)?;
        u16::try_from(number).ok()
    }

    /// An octal number, or names of bits joined by `|`.
    fn umask(&mut self, at: At<'_, '_>) -> Option<u16> {
        if at.arguments().is_empty() {
            self.value(at);
            return None;
        }
        let words = at.arguments().iter().map(|word| String::from_utf8_lossy(&word.text).into_owned());
        let text: String = words.collect();
        let span = at.arguments().first()?.span.to(at.arguments().last()?.span);
        let mask = match text.bytes().next() {
            Some(b'0'..=b'9') => u16::from_str_radix(&text, 8).ok().filter(|mask| *mask <= 0o777),
            _ => text.split('|').try_fold(0, |mask, name| Some(mask | bit(name)?)),
        };
        if mask.is_none() {
            self.findings.add(Id::BadNumber, span, |d| {
                d.say(format!("`{}` is no umask: the line is ignored", crate::text::shown(text.as_bytes())))
                    .help("write an octal number from 0 to 0777, or names like IRWXG|IRWXO")
            });
        }
        mask
    }
}

/// Names of bits in `umask`.
const BITS: [(&str, u16); 12] = [
    ("IRWXU", 0o700),
    ("IRUSR", 0o400),
    ("IWUSR", 0o200),
    ("IXUSR", 0o100),
    ("IRWXG", 0o070),
    ("IRGRP", 0o040),
    ("IWGRP", 0o020),
    ("IXGRP", 0o010),
    ("IRWXO", 0o007),
    ("IROTH", 0o004),
    ("IWOTH", 0o002),
    ("IXOTH", 0o001),
];

fn bit(name: &str) -> Option<u16> {
    let name = name.strip_prefix("S_").unwrap_or(name);
    BITS.iter().find(|(known, _)| *known == name).map(|(_, bits)| *bits)
}

/// Whether a name can be one part of a path, and nothing more.
fn is_file_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST_NAME
        && text != "."
        && text != ".."
        && !text.contains(|c: char| c == '/' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_bits() {
        let of = |text: &str| text.split('|').try_fold(0, |mask, name| Some(mask | bit(name)?));
        assert_eq!(of("IXUSR|IRWXG|IRWXO"), Some(0o177));
        assert_eq!(of("IRUSR|IWUSR|IRGRP|IWOTH"), Some(0o642));
        assert_eq!(of("S_IRWXU"), Some(0o700));
        for wrong in ["", "USR", "IRWXX", "IWGRP|", "irwxo"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_of_files() {
        for good in ["blue", "a b", "a.b", "lb-01"] {
            assert!(is_file_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "/run", "a\nb"] {
            assert!(!is_file_name(bad), "{bad:?}");
        }
    }
}

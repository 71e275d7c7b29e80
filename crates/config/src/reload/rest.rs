//! Scripts, groups, notifications: compared line by line in normal form, so nothing is forgotten.

use super::{Difference, Notice, Pair};
use crate::print::{self, Secrets};
use crate::table::{Block, State};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use model::{Host, Instance};

/// Lines of normal form by what they are about: the blocks around them and their first word.
type Lines = BTreeMap<Vec<String>, String>;

fn lines(text: &str) -> Lines {
    let mut blocks: Vec<String> = Vec::new();
    let mut found = Lines::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(header) = line.strip_suffix(" {") {
            blocks.push(header.to_string());
            found.insert(blocks.clone(), String::new());
        } else if line == "}" {
            blocks.pop();
        } else {
            let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
            let key = blocks.iter().cloned().chain([first.to_string()]).collect();
            found.insert(key, rest.to_string());
        }
    }
    found
}

/// A line that is not the same in both.
struct Changed {
    /// The blocks around it and its keyword, or the block itself.
    path: Vec<String>,
    what: String,
}

/// `print` gives the text of the old and of the new configuration.
fn changed(print: impl Fn(Secrets) -> (String, String)) -> Vec<Changed> {
    let ((old, new), (old_shown, new_shown)) = (print(Secrets::Shown), print(Secrets::Masked));
    let (old, new) = (lines(&old), lines(&new));
    let (old_shown, new_shown) = (lines(&old_shown), lines(&new_shown));
    let mut list = Vec::new();
    let whole = |path: &[String], one: &Lines, other: &Lines| {
        (1..path.len()).any(|depth| {
            let block = path.get(..depth).unwrap_or_default();
            one.contains_key(block) && !other.contains_key(block)
        })
    };
    for (path, was) in &old {
        let text = path.join(": ");
        let is = new.get(path);
        if is == Some(was) || whole(path, &old, &new) {
            continue;
        }
        let was = old_shown.get(path).map_or("", String::as_str);
        let what = match is {
            None => format!("{text} {was}").trim_end().to_string() + " removed",
            Some(_) => {
                let is = new_shown.get(path).map_or("", String::as_str);
                let (was, is) = (plain(was), plain(is));
                if was == is { format!("{text}: another secret") } else { format!("{text} {was} → {is}") }
            }
        };
        list.push(Changed { path: path.clone(), what });
    }
    for path in new.keys().filter(|path| !old.contains_key(*path) && !whole(path, &new, &old)) {
        let is = new_shown.get(path).map_or("", String::as_str);
        let what = format!("{} {is}", path.join(": ")).trim_end().to_string() + " added";
        list.push(Changed { path: path.clone(), what });
    }
    list
}

/// Nothing written is what is usual.
const fn plain(value: &str) -> &str {
    if value.is_empty() { "as usual" } else { value }
}

impl Pair<'_> {
    /// What stands in an instance about trackers and notifications.
    pub(super) fn around(
        &self,
        old: (&Host, &Instance),
        new: (&Host, &Instance),
        list: &mut Vec<Difference>,
    ) {
        for change in
            changed(|secrets| (print::around(old.0, old.1, secrets), print::around(new.0, new.1, secrets)))
        {
            let keyword = change.path.first().map_or("", String::as_str);
            let (notice, why) = consequence(Block::VrrpInstance, keyword);
            list.push(self.difference(keyword, change.what, notice, why));
        }
        if list.is_empty() && (&old.1.tracking, &old.1.notify) != (&new.1.tracking, &new.1.notify) {
            let what = "what is tracked stands in another order".into();
            list.push(self.difference("track_script", what, Notice::Nobody, "each counts as before"));
        }
    }

    /// What stands outside of instances about trackers, groups, programs, pipes and mail.
    pub(super) fn beside(&self, old: &Host, new: &Host, list: &mut Vec<Difference>) {
        let before = list.len();
        for change in changed(|secrets| (print::definitions(old, secrets), print::definitions(new, secrets)))
        {
            let header = change.path.first().map_or("", String::as_str);
            let (keyword, name) = header.split_once(' ').unwrap_or((header, ""));
            let (notice, why) = consequence(Block::Root, keyword);
            let inner = change.path.get(1).map(|line| line.split(' ').next().unwrap_or(line));
            let (notice, why) = match (keyword, inner) {
                (
                    "bfd_instance",
                    Some("min_tx" | "min_rx" | "idle_tx" | "multiplier" | "passive" | "max_hops"),
                ) => (Notice::Nobody, "the session goes on, and its neighbour is told what it has to know"),
                ("bfd_instance", Some("neighbor_ip" | "source_ip" | "ttl" | "multihop")) => {
                    (Notice::Interrupts, "a session begins anew; what the old one said counts until then")
                }
                _ => (notice, why),
            };
            let place = |places: &crate::Places| {
                let block = places.block(keyword, name.trim_matches('"'))?;
                Some(match inner {
                    Some(entry) if keyword == "static_ipaddress" => block.entry(keyword, entry),
                    Some(inner) => block.line(inner),
                    None => block.header,
                })
            };
            let (old, new) = (place(self.old), place(self.new));
            list.push(Difference { what: change.what, notice, consequence: why.into(), old, new });
        }
        for change in changed(|secrets| (print::telling(old, secrets), print::telling(new, secrets))) {
            let keyword = change.path.first().map_or("", String::as_str);
            let (notice, why) = consequence(Block::GlobalDefs, keyword);
            list.push(self.difference(keyword, change.what, notice, why));
        }
        if list.len() == before && rest(old) != rest(new) {
            let what = "trackers or groups stand in another order".into();
            list.push(self.difference("vrrp_script", what, Notice::Nobody, "each counts as before"));
        }
    }
}

/// Everything that [`Pair::beside`] compares.
fn rest(host: &Host) -> Host {
    let plain = Host::default();
    let copy =
        Host { instances: Vec::new(), router_id: None, startup_delay: plain.startup_delay, ..host.clone() };
    let copy = Host { boot_delay: plain.boot_delay, ..copy };
    Host { group_v4: plain.group_v4, group_v6: plain.group_v6, ..copy }
}

fn consequence(block: Block, keyword: &str) -> (Notice, &'static str) {
    let built = block.keyword(keyword.as_bytes()).is_none_or(|k| k.state != State::NotBuilt);
    if !built {
        return (Notice::Nobody, "not built yet: it has no effect");
    }
    match keyword {
        name if name.starts_with("notify") || name.contains("fifo") || name.contains("mail") => {
            (Notice::Nobody, "it counts from the next change of state on")
        }
        name if name.starts_with("smtp") || name.contains("script_") || name.ends_with("_script_timeout") => {
            (Notice::Nobody, "only programs and mail have to do with it")
        }
        "startup_script" => (Notice::Nobody, "it counts when the daemon starts, not at a reload"),
        "shutdown_script" | "script_user" => (Notice::Nobody, "only programs have to do with it"),
        "net_namespace" | "instance" => {
            (Notice::Nobody, "a reload cannot change it and is refused: restart the daemon")
        }
        "use_pid_dir" | "process_name" | "umask" => {
            (Notice::Nobody, "it counts when the daemon starts, not at a reload")
        }
        "vrrp_process_name" => (Notice::Nobody, "only what `ps` shows has to do with it"),
        "child_wait_time" => (Notice::Nobody, "it counts when the daemon ends"),
        "vrrp_priority" | "vrrp_rt_priority" | "vrrp_cpu_affinity" | "vrrp_rlimit_rttime"
        | "vrrp_no_swap" => (Notice::Nobody, "only how the kernel treats the worker has to do with it"),
        "data_use_instance" | "state_dump_file" | "json_version" | "reload_file" | "log_unknown_vrids" => {
            (Notice::Nobody, "only what is written for people has to do with it")
        }
        "static_ipaddress" => (
            Notice::Interrupts,
            "what is new is set at once, what is gone or another goes; no router notices",
        ),
        "no_accept" => (
            Notice::Interrupts,
            "if it is Active, packets for its addresses are dropped from now on, or accepted again; the addresses stay",
        ),
        "nftables" | "nftables_priority" | "nftables_counters" => {
            (Notice::Nobody, "the filter is made anew in one moment; the addresses stay")
        }
        _ => (Notice::Interrupts, "it may alter the priority or be a fault, as soon as its state is known"),
    }
}

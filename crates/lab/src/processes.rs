//! Who descends from whom, read from `/proc`: a daemon that forks must be stopped as a whole.
//!
//! `/proc` may be the laboratory's own or, where that could not be mounted, the machine's, which numbers processes
//! differently. `NSpid` has both numbers, so the two cases are one.

use std::collections::BTreeMap;
use std::fs;

use crate::enter::{inside, namespace_inode};

/// A process of the laboratory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number inside the laboratory, the one to signal.
    pub pid: i32,
    /// The number of its parent inside the laboratory; 0 if that is not inside.
    pub parent: i32,
    /// The name of its program (at most 15 bytes).
    pub name: String,
    /// The kernel's letter for what it does: `R`, `S`, `T` (stopped), `Z` (dead, not reaped) ...
    pub state: char,
    /// Its number as `/proc` has it.
    shown: i32,
}

/// What processes cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cost {
    /// Time on a processor so far, of all threads, as the scheduler counts it.
    pub cpu: std::time::Duration,
    /// Bytes of memory: what they share counts in proportion.
    pub memory: u64,
}

impl Cost {
    /// Of all of `processes`. One that ends meanwhile is left out.
    #[must_use]
    pub fn of(processes: &[Process]) -> Self {
        let mut all = Self::default();
        for process in processes {
            all.cpu += process.cpu().unwrap_or_default();
            all.memory += process.memory().unwrap_or_default();
        }
        all
    }
}

impl Process {
    /// Time on a processor so far, of all its threads that live; `None` when it is gone.
    #[must_use]
    pub fn cpu(&self) -> Option<std::time::Duration> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.shown)).ok()?;
        let nanos = threads.flatten().filter_map(|thread| {
            // Three numbers: nanoseconds on a processor, nanoseconds of waiting for one, and how often.
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Some(std::time::Duration::from_nanos(nanos.sum()))
    }

    /// The number inside the laboratory of its thread of this name; `None` if it has none.
    #[must_use]
    pub fn thread(&self, name: &str) -> Option<i32> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.shown)).ok()?;
        threads.flatten().find_map(|thread| {
            let status = fs::read_to_string(thread.path().join("status")).ok()?;
            (field(&status, "Name:") == Some(name)).then(|| numbers(&status)?.last().copied()).flatten()
        })
    }

    /// Its memory in bytes, its share of what it shares; `None` when it is gone.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.shown)).ok()?;
        let kilobytes = field(&text, "Pss:")?.split_whitespace().next()?.parse::<u64>().ok()?;
        Some(kilobytes * 1024)
    }
}

/// All processes of the laboratory's process namespace (not only one [`Lab`](crate::Lab)'s).
pub(crate) fn all() -> Vec<Process> {
    let Some(depth) =
        fs::read_to_string("/proc/self/status").ok().and_then(|own| numbers(&own).map(|n| n.len()))
    else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let own =
        namespace_inode("/proc/self/ns/pid").ok().filter(|_| inside().is_some_and(|inside| !inside.own_proc));
    let statuses = entries.flatten().filter_map(|entry| {
        let shown = entry.file_name().to_str()?.parse().ok()?;
        // The machine's `/proc` shows the laboratories of others too.
        if own.is_some() && namespace_inode(entry.path().join("ns/pid")).ok() != own {
            return None;
        }
        // It may be gone by now.
        Some((shown, fs::read_to_string(entry.path().join("status")).ok()?))
    });
    from_statuses(depth, statuses)
}

fn from_statuses(depth: usize, statuses: impl Iterator<Item = (i32, String)>) -> Vec<Process> {
    let mut found = Vec::new();
    let mut inside = BTreeMap::new();
    for (shown, status) in statuses {
        // Process 1 of our namespace has as many numbers as we have; the machine's processes have fewer.
        let Some(pid) = numbers(&status).and_then(|all| all.get(depth - 1).copied()) else { continue };
        let parent = field(&status, "PPid:").and_then(|n| n.parse().ok()).unwrap_or(0);
        let name = field(&status, "Name:").unwrap_or_default().to_owned();
        let state = field(&status, "State:").and_then(|s| s.chars().next()).unwrap_or('?');
        inside.insert(shown, pid);
        found.push(Process { pid, parent, name, state, shown });
    }
    for process in &mut found {
        process.parent = inside.get(&process.parent).copied().unwrap_or(0);
    }
    found
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn numbers(status: &str) -> Option<Vec<i32>> {
    field(status, "NSpid:")?.split_whitespace().map(|number| number.parse().ok()).collect()
}

/// `root` and its descendants, parents before children; dead ones too.
pub(crate) fn tree(root: i32) -> Vec<Process> {
    descend(root, &all())
}

fn descend(root: i32, all: &[Process]) -> Vec<Process> {
    let mut family: Vec<Process> = all.iter().filter(|process| process.pid == root).cloned().collect();
    let mut next = 0;
    while let Some(parent) = family.get(next).map(|process| process.pid) {
        family.extend(all.iter().filter(|process| process.parent == parent).cloned());
        next += 1;
    }
    family
}

/// The processes in the network namespace `inode`, this program excepted.
pub(crate) fn in_netns(inode: u64) -> Vec<Process> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let here = |process: &Process| {
        process.pid != own
            && namespace_inode(format!("/proc/{}/ns/net", process.shown)).is_ok_and(|there| there == inode)
    };
    all().into_iter().filter(here).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, parent: i32, numbers: &str) -> String {
        format!("Name:\t{name}\nState:\tS (sleeping)\nPPid:\t{parent}\nNSpid:\t{numbers}\n")
    }

    #[test]
    fn the_machines_proc_is_translated() {
        let all = [
            (1, status("systemd", 0, "1")),
            (900, status("lab", 1, "900")),
            (901, status("init", 900, "901\t1")),
            (902, status("demo", 901, "902\t2")),
            (903, status("keepalived", 902, "903\t3")),
            (905, status("vrrp", 903, "905\t5")),
        ];
        let inside = from_statuses(2, all.into_iter());
        let seen: Vec<_> = inside.iter().map(|p| (p.pid, p.parent, p.name.as_str())).collect();
        assert_eq!(seen, [(1, 0, "init"), (2, 1, "demo"), (3, 2, "keepalived"), (5, 3, "vrrp")]);
        let family: Vec<_> = descend(3, &inside).iter().map(|p| p.pid).collect();
        assert_eq!(family, [3, 5]);
    }

    #[test]
    fn this_process_is_among_them() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(all().iter().any(|process| process.pid == own));
        assert_eq!(tree(own).first().map(|process| process.pid), Some(own));
    }
}

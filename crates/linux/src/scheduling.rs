//! How the kernel treats this process: what the configuration asks for beyond what the threads take by themselves.
//!
//! Without a word of it the packet thread and the hand run in real time, at the lowest priorities there are, and the
//! memory stays in RAM where that is allowed without limit. What cannot be had is said, and never a reason to end.

use crate::error::Refusal;
use crate::privileges;
use crate::sys::process;
use model::Scheduling;
use node::event::Level;
use rustix::process::{Resource, Rlimit, getpriority_process, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CpuSet, sched_getaffinity, sched_setaffinity};

/// The real-time priority of the packet thread, if nothing else is asked for.
pub const USUAL: i32 = crate::packet::PRIORITY;
/// The packet thread has no higher priority: there must be one for the supervisor, which watches over it.
pub const HIGHEST: i32 = 98;

/// The thread that sends and receives adverts.
const PACKET: &str = "packet";
/// The threads that set addresses and announce them.
const HANDS: [&str; 2] = [crate::hand::NAME, crate::hand::CRIER];

/// What holds, and what held at the start: that comes back when a reload takes a line away.
#[derive(Debug)]
pub struct Scheduler {
    asked: Scheduling,
    /// Nothing is known that keeps memory from being locked.
    may_lock: bool,
    nice: i32,
    processors: Option<CpuSet>,
    burst: Rlimit,
}

type Remarks = Vec<(Level, String)>;

impl Default for Scheduler {
    fn default() -> Self {
        Self::new()
    }
}

impl Scheduler {
    /// To be made before threads are started.
    #[must_use]
    pub fn new() -> Self {
        Self {
            asked: Scheduling::default(),
            may_lock: may_lock(),
            nice: getpriority_process(None).unwrap_or(0),
            processors: sched_getaffinity(None).ok(),
            burst: getrlimit(Resource::Rttime),
        }
    }

    /// The start is over: gives back the memory that only it has needed, and locks the rest in RAM if that has no limit.
    /// Returns in words what came of it.
    pub fn settle(&mut self) -> String {
        privileges::give_back();
        if !self.may_lock {
            return "memory may be swapped out (needs CAP_IPC_LOCK or LimitMEMLOCK=infinity)".into();
        }
        let (is_locked, remark) = privileges::lock_memory();
        self.may_lock = is_locked;
        remark
    }

    /// Much has happened at once, and is over: unlocks the memory, so that the threads can give back what only that has needed
    /// ([`Command::Rest`](crate::packet::Command::Rest)), until [`Scheduler::tighten`].
    pub fn loosen(&mut self) {
        if self.may_lock {
            let _ = rustix::mm::munlockall();
        }
        process::give_freed_memory();
    }

    /// Gives back what lies between what is in use, and the program's code, and locks the memory again. What is needed all the
    /// time comes back by itself, what a takeover needs with [`Command::Brace`](crate::packet::Command::Brace), which belongs
    /// after this. Returns in words what must be told.
    pub fn tighten(&mut self) -> Option<String> {
        // To look what is mapped takes memory itself.
        let mapped = process::Mapped::here();
        // Who frees holds the allocator's locks: nothing ordinary shall come between while the packet thread waits for
        // one, and the packet thread may.
        let before = process::Schedule::own().ok();
        let packet = self.asked.real_time.map_or(USUAL, i32::from).min(HIGHEST);
        let is_hurried = before.is_some() && process::real_time(0, (packet - 1).max(1)).is_ok();
        process::trim();
        before.filter(|_| is_hurried).into_iter().for_each(process::Schedule::take_up);
        mapped.give_back();
        process::keep_freed_memory();
        let (is_locked, remark) = self.may_lock.then(privileges::lock_memory)?;
        self.may_lock = is_locked;
        (!is_locked).then_some(remark)
    }

    /// Does what a configuration asks for, in all threads that there are. Returns what could not be done.
    pub fn apply(&mut self, wanted: &Scheduling) -> Vec<(Level, String)> {
        let before = std::mem::replace(&mut self.asked, wanted.clone());
        let mut remarks = Vec::new();
        let threads = threads();
        if before.nice != wanted.nice {
            let nice = wanted.nice.map_or(self.nice, i32::from);
            let done = threads.iter().map(|(thread, _)| process::set_nice(*thread, nice));
            note("vrrp_priority", " (needs CAP_SYS_NICE or LimitNICE=)", first(done), &mut remarks);
        }
        if before.real_time != wanted.real_time {
            self.real_time(&threads, wanted, &mut remarks);
        }
        if before.processors != wanted.processors {
            self.processors(&threads, wanted, &mut remarks);
        }
        if before.longest_burst != wanted.longest_burst {
            let micros = wanted.longest_burst.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
            let limit = Rlimit { current: micros.or(self.burst.current), maximum: self.burst.maximum };
            let done = setrlimit(Resource::Rttime, limit).map_err(Refusal::from);
            note("vrrp_rlimit_rttime", "", done, &mut remarks);
        }
        if wanted.no_swap && !self.may_lock {
            let text =
                "vrrp_no_swap: memory may be swapped out (needs CAP_IPC_LOCK or LimitMEMLOCK=infinity)";
            remarks.push((Level::Warning, text.into()));
        }
        remarks
    }

    /// The hand stays below the packet thread, except at the lowest priority.
    #[expect(clippy::unused_self, reason = "one of its kind")]
    fn real_time(&self, threads: &[(libc::pid_t, String)], wanted: &Scheduling, remarks: &mut Remarks) {
        let packet = wanted.real_time.map_or(crate::packet::PRIORITY, i32::from).min(HIGHEST);
        let hand = (packet - 1).max(1);
        // The first thread has the name that the user has chosen, which may be one of these.
        let own = process_number();
        let others = threads.iter().filter(|(thread, _)| *thread != own);
        let done = others.filter_map(|(thread, name)| match name.as_str() {
            PACKET => Some(process::real_time(*thread, packet)),
            name => HANDS.contains(&name).then(|| process::real_time(*thread, hand)),
        });
        let needs = " (needs CAP_SYS_NICE or LimitRTPRIO=; in a cgroup v1 also cpu.rt_runtime_us)";
        note("vrrp_rt_priority", needs, first(done), remarks);
    }

    fn processors(&self, threads: &[(libc::pid_t, String)], wanted: &Scheduling, remarks: &mut Remarks) {
        let mut set = CpuSet::new();
        for number in wanted.processors.iter().map(|number| usize::from(*number)) {
            let exists = number < CpuSet::MAX_CPU
                && std::fs::exists(format!("/sys/devices/system/cpu/cpu{number}")).unwrap_or(true);
            if exists {
                set.set(number);
            } else {
                remarks.push((Level::Warning, format!("vrrp_cpu_affinity: there is no processor {number}")));
            }
        }
        let set = if set.count() > 0 { set } else { self.processors.unwrap_or(set) };
        if set.count() > 0 {
            let pids = threads.iter().map(|(thread, _)| rustix::process::Pid::from_raw(*thread));
            let done = pids.map(|pid| sched_setaffinity(pid, &set).map_err(Refusal::from));
            note("vrrp_cpu_affinity", "", first(done), remarks);
        }
    }
}

/// Without a limit: with one, the next allocation after the lock would fail. The capability lifts it only in the first
/// user namespace, where numbers of users are what they are.
fn may_lock() -> bool {
    let capable =
        rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_first = map.split_whitespace().eq(["0", "0", "4294967295"]);
    capable && is_first || getrlimit(Resource::Memlock).current.is_none()
}

/// The first refusal. A thread that has ended meanwhile is none.
fn first(done: impl Iterator<Item = Result<(), Refusal>>) -> Result<(), Refusal> {
    done.filter(|done| !matches!(done, Err(why) if why.errno.0 == libc::ESRCH)).collect()
}

fn note(keyword: &str, needs: &str, done: Result<(), Refusal>, remarks: &mut Remarks) {
    if let Err(why) = done {
        let needs = if why.errno.0 == libc::EPERM || why.errno.0 == libc::EACCES { needs } else { "" };
        remarks.push((Level::Warning, format!("{keyword} cannot be had: {why}{needs}")));
    }
}

/// The number of this process, which is also that of its first thread.
fn process_number() -> libc::pid_t {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// The threads of this process with their names.
fn threads() -> Vec<(libc::pid_t, String)> {
    let Ok(list) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let named = list.flatten().filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        Some((number, name.trim_end().to_owned()))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_asked_holds_and_what_was_comes_back() {
        // One thread's nice value can always be raised, and the limit lowered.
        let mut scheduler = Scheduler::new();
        let now = || getrlimit(Resource::Rttime).current;
        let before = now();
        let asked = Scheduling {
            longest_burst: Some(Duration::from_micros(90_000_000)),
            processors: vec![0, 8191],
            ..Scheduling::default()
        };
        let remarks = scheduler.apply(&asked);
        assert_eq!(now(), Some(90_000_000));
        assert!(
            remarks.iter().any(|(_, text)| text == "vrrp_cpu_affinity: there is no processor 8191"),
            "{remarks:?}"
        );
        assert_eq!(sched_getaffinity(None).map(|set| set.count()), Ok(1));
        // The same once more is no news.
        assert_eq!(scheduler.apply(&asked), []);
        assert_eq!(scheduler.apply(&Scheduling::default()), []);
        assert_eq!(now(), before);
        assert_eq!(
            sched_getaffinity(None).ok().map(|set| set.count()),
            scheduler.processors.map(|set| set.count())
        );
    }

    #[test]
    fn after_a_rest_everything_is_as_before() {
        let mut scheduler = Scheduler { may_lock: false, ..Scheduler::new() };
        let before = process::Schedule::own().unwrap();
        for _ in 0..2 {
            scheduler.loosen();
            assert_eq!(scheduler.tighten(), None);
            assert_eq!(process::Schedule::own(), Ok(before));
        }
    }

    #[test]
    fn who_cannot_lock_again_says_so() {
        // In a process that may lock, it does.
        let mut scheduler = Scheduler { may_lock: true, ..Scheduler::new() };
        let can = may_lock();
        scheduler.loosen();
        let said = scheduler.tighten();
        assert_eq!((said.is_none(), scheduler.may_lock), (can, can), "{said:?}");
        let _ = rustix::mm::munlockall();
    }
}

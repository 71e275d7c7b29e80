//! The thread that watches processes.
//!
//! Who has ended is told by a descriptor of each process that matches, at once and anywhere. Who has begun is told by the
//! kernel's connector; where it is not to be had (another network, PID or user namespace, as in a container), and after
//! its news were lost, `/proc` is read. Of a process that begins only the name is read, and its command line if the
//! configuration compares it; of one that ends nothing.

use super::connector::{Connector, Deed, Heard};
use super::process::{About, Sought};
use super::{Letter, News, Plan, Teller};
use crate::mailbox::Mailbox;
use model::Process;
use node::event::Level;
use node::io::{Errno, Fact};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often `/proc` is read without the kernel's news.
const LOOK: Duration = Duration::from_secs(1);
/// The same beside them, in case that something was not told.
const LOOK_BESIDES: Duration = Duration::from_secs(30);
/// Soonest after news were lost.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A reading may take this part of the time at most.
const SHARE: u32 = 50;
/// News are read together that come within this.
const TOGETHER: Duration = Duration::from_millis(5);

/// Starts the thread.
pub(super) fn start(
    plans: Arc<Mailbox<Plan<Process>>>,
    letters: Arc<Mailbox<Letter>>,
) -> std::io::Result<()> {
    let run = move || {
        let mut watcher = Watcher::new(Teller { plan: 0, letters });
        loop {
            watcher.turn(&plans);
        }
    };
    std::thread::Builder::new().name("processes".into()).spawn(run).map(drop)
}

/// What is tracked under one name.
struct Crowd {
    name: Arc<str>,
    sought: Sought,
    told: Option<Result<u32, Errno>>,
}

/// A process that matches.
struct Member {
    /// Which crowds it belongs to.
    of: Vec<usize>,
    /// Readable when it has ended; `None` if there are no descriptors left.
    life: Option<OwnedFd>,
}

impl Member {
    fn has_ended(&self) -> bool {
        self.life.as_ref().is_some_and(has_ended)
    }
}

fn has_ended(life: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(life, PollFlags::IN)], Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

struct Watcher {
    teller: Teller,
    connector: Option<Connector>,
    /// There was one, and nothing to watch any more.
    is_paused: bool,
    /// Why there is none, to be told with the first plan.
    untold: Option<String>,
    /// The lives of the members.
    lives: Option<OwnedFd>,
    crowds: Vec<Crowd>,
    members: BTreeMap<u32, Member>,
    /// Why `/proc` cannot be read.
    blind: Option<Errno>,
    look_at: Instant,
    look_cost: Duration,
    hear_at: Instant,
    inbox: Vec<Plan<Process>>,
}

impl Watcher {
    fn new(teller: Teller) -> Self {
        let (connector, why) = match Connector::open() {
            Ok(connector) => (Some(connector), None),
            Err(why) => (None, Some(why.to_string())),
        };
        let lives = epoll::create(epoll::CreateFlags::CLOEXEC).ok();
        Self::with(teller, connector, why, lives)
    }

    fn with(
        teller: Teller,
        connector: Option<Connector>,
        why: Option<String>,
        lives: Option<OwnedFd>,
    ) -> Self {
        Self {
            teller,
            connector,
            is_paused: false,
            untold: why,
            lives,
            crowds: Vec::new(),
            members: BTreeMap::new(),
            blind: None,
            look_at: Instant::now(),
            look_cost: Duration::ZERO,
            hear_at: Instant::now(),
            inbox: Vec::new(),
        }
    }

    /// Waits for something to do, and does it.
    fn turn(&mut self, plans: &Mailbox<Plan<Process>>) {
        self.wait(plans);
        plans.take(&mut self.inbox);
        let plan = self.inbox.pop();
        self.inbox.clear();
        if let Some(plan) = plan {
            self.take(plan);
        }
        self.bury();
        if Instant::now() >= self.hear_at {
            self.hear();
        }
        if !self.crowds.is_empty() && Instant::now() >= self.look_at {
            self.look();
        }
        self.tell();
    }

    fn wait(&self, plans: &Mailbox<Plan<Process>>) {
        let now = Instant::now();
        let mut ready = vec![PollFd::new(plans, PollFlags::IN)];
        ready.extend(self.lives.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        let mut until = self.look_at;
        if let Some(connector) = &self.connector {
            if now >= self.hear_at {
                ready.push(PollFd::new(connector, PollFlags::IN));
            } else {
                until = until.min(self.hear_at);
            }
        }
        let left = until.saturating_duration_since(now);
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let is_idle = self.crowds.is_empty() && self.connector.is_none();
        // Interrupted or not: the turn looks at everything anyway.
        let _ = poll(&mut ready, (!is_idle).then_some(&left));
    }

    fn take(&mut self, plan: Plan<Process>) {
        self.teller.plan = plan.number;
        let crowd = |process: Process| Crowd { sought: Sought::of(&process), name: process.name, told: None };
        self.crowds = plan.things.into_iter().map(crowd).collect();
        self.members.clear();
        self.look_at = Instant::now();
        if self.crowds.is_empty() {
            // News that nobody wants cost time all the same.
            self.is_paused |= self.connector.take().is_some();
        } else if std::mem::take(&mut self.is_paused) {
            self.reopen();
        }
        if let Some(why) = self.untold.take() {
            let text = format!("{why}: processes that begin are looked for once a second");
            self.teller.tell([News::Remark(Level::Info, text)]);
        }
    }

    fn reopen(&mut self) {
        match Connector::open() {
            Ok(connector) => self.connector = Some(connector),
            Err(why) => self.untold = Some(why.to_string()),
        }
    }

    /// Takes away who has ended.
    fn bury(&mut self) {
        let Some(lives) = &self.lives else { return };
        let mut events =
            [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 64];
        while let Ok(count) = epoll::wait(lives, events.as_mut_slice(), Some(&Timespec::default()))
            && count > 0
        {
            for event in &events[..count] {
                // Its descriptor goes with it.
                self.members.remove(&u32::try_from(event.data.u64()).unwrap_or(0));
            }
        }
    }

    /// Takes the kernel's news.
    fn hear(&mut self) {
        let Self { connector: Some(connector), members, .. } = self else { return };
        let mut doubtful = BTreeSet::new();
        let heard = connector.hear(|deed| match deed {
            // A child is what its parent was, until it says otherwise.
            Deed::Fork { parent, child } => {
                if members.contains_key(&parent) || doubtful.contains(&parent) {
                    doubtful.insert(child);
                }
            }
            Deed::Became(pid) => {
                doubtful.insert(pid);
            }
            Deed::Ended(pid) => {
                doubtful.remove(&pid);
                // Others are told of by their descriptors.
                if members.get(&pid).is_some_and(|member| member.life.is_none()) {
                    doubtful.insert(pid);
                }
            }
        });
        if self.crowds.is_empty() {
            return;
        }
        self.hear_at = Instant::now() + TOGETHER;
        for pid in doubtful {
            self.examine(pid);
        }
        match heard {
            Heard::All => {}
            Heard::Lost => {
                self.look_at = self.look_at.min(Instant::now() + LOOK_AGAIN.max(self.look_cost * SHARE))
            }
            Heard::Failed => {
                self.connector = None;
                self.look_at = Instant::now();
            }
        }
    }

    /// Reads all of `/proc`.
    fn look(&mut self) {
        let begun = Instant::now();
        match pids() {
            Ok(pids) => {
                self.blind = None;
                self.members.retain(|pid, _| pids.contains(pid));
                for pid in pids {
                    self.examine(pid);
                }
            }
            Err(why) => self.blind = Some(Errno(why.raw_os_error().unwrap_or(libc::EIO))),
        }
        self.look_cost = begun.elapsed();
        let pause = if self.connector.is_some() { LOOK_BESIDES } else { LOOK };
        self.look_at = Instant::now() + pause.max(self.look_cost * SHARE);
    }

    /// Looks what a process is now.
    fn examine(&mut self, pid: u32) {
        if self.members.get(&pid).is_some_and(Member::has_ended) {
            self.members.remove(&pid);
        }
        let of = self.crowds_of(pid);
        if of.is_empty() {
            self.members.remove(&pid);
            return;
        }
        if let Some(member) = self.members.get_mut(&pid)
            && member.life.is_some()
        {
            member.of = of;
            return;
        }
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let life = raw.and_then(|raw| pidfd_open(raw, PidfdFlags::empty()).ok());
        let is_dead = match &life {
            Some(life) => has_ended(life),
            None => About::new(pid).is_dead(),
        };
        // The number may have gone to another process before its descriptor was opened.
        if is_dead || self.crowds_of(pid) != of {
            self.members.remove(&pid);
            return;
        }
        if let (Some(lives), Some(life)) = (&self.lives, &life) {
            let data = epoll::EventData::new_u64(pid.into());
            // Without it, the next reading finds that it has ended.
            let _ = epoll::add(lives, life, data, epoll::EventFlags::IN);
        }
        self.members.insert(pid, Member { of, life });
    }

    fn crowds_of(&self, pid: u32) -> Vec<usize> {
        let mut about = About::new(pid);
        let crowds = self.crowds.iter().enumerate();
        crowds.filter(|(_, crowd)| crowd.sought.matches(&mut about)).map(|(at, _)| at).collect()
    }

    /// Tells what is new.
    fn tell(&mut self) {
        let mut counts = vec![0; self.crowds.len()];
        self.members.values().flat_map(|member| &member.of).for_each(|&at| counts[at] += 1);
        let blind = self.blind;
        let news = self.crowds.iter_mut().zip(counts).filter_map(|(crowd, count)| {
            let count = blind.map_or(Ok(count), Err);
            let is_new = crowd.told.replace(count) != Some(count);
            is_new.then(|| News::Fact(Fact::Processes { name: crowd.name.clone(), count }))
        });
        self.teller.tell(news.collect::<Vec<_>>());
    }
}

/// All processes.
fn pids() -> std::io::Result<BTreeSet<u32>> {
    let mut pids = BTreeSet::new();
    for entry in std::fs::read_dir("/proc")? {
        pids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    // Whoever reads is there: one that sees nobody is not the kernel's.
    if pids.is_empty() { Err(std::io::Error::from_raw_os_error(libc::ENOENT)) } else { Ok(pids) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ParameterMatch;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command};

    struct Desk {
        directory: PathBuf,
        plans: Mailbox<Plan<Process>>,
        watcher: Watcher,
        letters: Arc<Mailbox<Letter>>,
    }

    impl Desk {
        /// With the kernel's news if they are wanted and to be had.
        fn new(name: &str, is_told: bool) -> Self {
            let directory =
                std::env::temp_dir().join(format!("standfast-processes-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&directory);
            std::fs::create_dir_all(&directory).unwrap();
            let letters = Arc::new(Mailbox::new().unwrap());
            let teller = Teller { plan: 0, letters: letters.clone() };
            let watcher = if is_told {
                Watcher::new(teller)
            } else {
                let lives = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
                Watcher::with(teller, None, Some("not here".into()), Some(lives))
            };
            Self { directory, plans: Mailbox::new().unwrap(), watcher, letters }
        }

        /// `sleep` under another name.
        fn program(&self, name: &str) -> PathBuf {
            let path = self.directory.join(name);
            std::fs::copy("/bin/sleep", &path).unwrap();
            path
        }

        fn watch(&self, number: u64, things: Vec<Process>) {
            self.plans.push(Plan { number, is_first: number == 1, things });
        }

        /// Turns until a crowd counts so many.
        fn until(&mut self, name: &str, wanted: u32) {
            let since = Instant::now();
            let mut letters = Vec::new();
            loop {
                self.watcher.turn(&self.plans);
                self.letters.take(&mut letters);
                let mut last = letters.drain(..).filter_map(|letter| match letter.news {
                    News::Fact(Fact::Processes { name: told, count }) if &*told == name => Some(count),
                    News::Fact(_) | News::Remark(..) => None,
                });
                if last.next_back() == Some(Ok(wanted)) {
                    return;
                }
                assert!(since.elapsed() < Duration::from_secs(20), "{name}: {wanted} were not counted");
            }
        }
    }

    impl Drop for Desk {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    fn tracked(name: &str, path: &Path, parameters: &[&str]) -> Process {
        Process {
            name: name.into(),
            path: path.display().to_string(),
            parameters: parameters.iter().map(|&word| word.into()).collect(),
            parameter_match: ParameterMatch::Exact,
            full_command: false,
            weight: model::Weight::default(),
            fewest: 1,
            most: None,
            end_delay: Duration::ZERO,
            begin_delay: Duration::ZERO,
        }
    }

    fn start(path: &Path, seconds: &str) -> Child {
        Command::new(path).arg(seconds).spawn().unwrap()
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn come_and_go(desk: &mut Desk, name: &str) {
        let path = desk.program(name);
        desk.watch(1, vec![tracked("named", &path, &[]), tracked("lined", &path, &["1001"])]);
        desk.until("named", 0);
        let first = start(&path, "1000");
        desk.until("named", 1);
        let second = start(&path, "1001");
        desk.until("lined", 1);
        desk.watch(2, vec![tracked("named", &path, &[])]);
        desk.until("named", 2);
        end(first);
        desk.until("named", 1);
        // One that is dead and not reaped does not count.
        let mut second = second;
        second.kill().unwrap();
        desk.until("named", 0);
        second.wait().unwrap();
        // A program that becomes another one.
        let script = format!("read line; exec {} 1000", path.display());
        let mut shell = Command::new("/bin/sh")
            .args(["-c", &script])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        desk.watcher.turn(&desk.plans);
        drop(shell.stdin.take());
        desk.until("named", 1);
        end(shell);
        desk.until("named", 0);
        desk.watch(3, Vec::new());
        desk.watcher.turn(&desk.plans);
        assert!(desk.watcher.members.is_empty());
    }

    #[test]
    fn processes_come_and_go_with_the_kernels_news_where_they_are_to_be_had() {
        let mut desk = Desk::new("told", true);
        come_and_go(&mut desk, "sf-told");
    }

    #[test]
    fn processes_come_and_go_without_the_kernels_news() {
        let mut desk = Desk::new("untold", false);
        come_and_go(&mut desk, "sf-untold");
    }

    #[test]
    fn an_end_is_seen_without_looking() {
        let mut desk = Desk::new("end", false);
        let path = desk.program("sf-end");
        let child = start(&path, "1000");
        desk.watch(1, vec![tracked("named", &path, &[])]);
        desk.until("named", 1);
        desk.watcher.look_at = Instant::now() + Duration::from_secs(1000);
        end(child);
        desk.until("named", 0);
    }

    #[test]
    fn without_descriptors_who_ended_is_found_by_looking() {
        let mut desk = Desk::new("few", false);
        let path = desk.program("sf-few");
        let mut child = start(&path, "1000");
        desk.watch(1, vec![tracked("named", &path, &[])]);
        desk.until("named", 1);
        for member in desk.watcher.members.values_mut() {
            member.life = None;
        }
        // Dead and not reaped.
        child.kill().unwrap();
        desk.until("named", 0);
        child.wait().unwrap();
    }
}

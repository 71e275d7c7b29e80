//! The thread that watches files.
//!
//! The way to a file is a list of directories and names in them, links included; each directory on it is watched, and an
//! event that names one of these names means: go the way again. So it is all the same whether the file is written,
//! replaced, renamed, deleted, or a link or a directory on the way to it. What the kernel does not tell (network file
//! systems, mounts, watches that it refuses) is found by a look at each file once a second.

use super::{Letter, News, Plan, Teller, number};
use crate::mailbox::Mailbox;
use model::File;
use node::event::Level;
use node::io::{Fact, Unread};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often each file is looked at besides.
const LOOK: Duration = Duration::from_secs(1);
/// Links on one way; the kernel follows as many.
const LINKS: u32 = 40;
/// What may be told of a directory.
const EVENTS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Starts the thread.
pub(super) fn start(plans: Arc<Mailbox<Plan<File>>>, letters: Arc<Mailbox<Letter>>) -> std::io::Result<()> {
    let run = move || {
        let mut watcher = Watcher::new(Teller { plan: 0, letters });
        loop {
            watcher.turn(&plans);
        }
    };
    std::thread::Builder::new().name("files".into()).spawn(run).map(drop)
}

/// What tells one state of a file from another without reading it; `None`: there is none.
type Seen = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// One file.
struct Watched {
    name: Arc<str>,
    path: PathBuf,
    /// What an event must name to concern this file.
    way: BTreeSet<(PathBuf, OsString)>,
    /// How it looked before it was read.
    read: Seen,
    /// How it looked at the last look.
    looked: Seen,
    told: Option<Result<i32, Unread>>,
    is_doubtful: bool,
}

struct Watcher {
    teller: Teller,
    inotify: Option<OwnedFd>,
    /// The directories behind each watch.
    directories: BTreeMap<i32, BTreeSet<PathBuf>>,
    files: Vec<Watched>,
    look_at: Instant,
    inbox: Vec<Plan<File>>,
    has_complained: bool,
}

impl Watcher {
    fn new(teller: Teller) -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let refused = inotify.as_ref().err().copied();
        let mut watcher = Self {
            teller,
            inotify: inotify.ok(),
            directories: BTreeMap::new(),
            files: Vec::new(),
            look_at: Instant::now(),
            inbox: Vec::new(),
            has_complained: false,
        };
        if let Some(why) = refused {
            watcher.complain(why);
        }
        watcher
    }

    /// Once: it works without, but later.
    fn complain(&mut self, why: rustix::io::Errno) {
        if !std::mem::replace(&mut self.has_complained, true) {
            let why = crate::Refusal::from(why);
            let text = format!(
                "the kernel does not tell of all tracked files ({why}): they are looked at once a second"
            );
            self.teller.tell([News::Remark(Level::Warning, text)]);
        }
    }

    /// Waits for something to do, and does it.
    fn turn(&mut self, plans: &Mailbox<Plan<File>>) {
        self.wait(plans);
        plans.take(&mut self.inbox);
        let plan = self.inbox.pop();
        self.inbox.clear();
        if let Some(plan) = plan {
            self.take(plan);
        }
        self.hear();
        if Instant::now() >= self.look_at {
            self.look_at = Instant::now() + LOOK;
            self.files.iter_mut().for_each(Watched::look);
        }
        let mut moved = false;
        for at in 0..self.files.len() {
            if std::mem::take(&mut self.files[at].is_doubtful) {
                self.read(at);
                moved = true;
            }
        }
        if moved {
            self.forget_directories();
        }
    }

    fn wait(&self, plans: &Mailbox<Plan<File>>) {
        let left = self.look_at.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let mut ready = vec![PollFd::new(plans, PollFlags::IN)];
        ready.extend(self.inotify.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        // Interrupted or not: the turn looks at everything anyway.
        let _ = poll(&mut ready, (!self.files.is_empty()).then_some(&left));
    }

    fn take(&mut self, plan: Plan<File>) {
        self.teller.plan = plan.number;
        self.files.clear();
        for file in plan.things {
            let path = std::path::absolute(&file.path).unwrap_or_else(|_| PathBuf::from(&file.path));
            if let Some(initial) = file.initial.filter(|_| plan.is_first)
                && let Err(why) = number::write(&path, initial.value, initial.overwrite)
            {
                let text = format!(
                    "the first number of tracked file {} is not written: {} {why}",
                    file.name, file.path
                );
                self.teller.tell([News::Remark(Level::Warning, text)]);
            }
            self.files.push(Watched {
                name: file.name,
                path,
                way: BTreeSet::new(),
                read: None,
                looked: None,
                told: None,
                is_doubtful: true,
            });
        }
        if self.files.is_empty() {
            self.forget_directories();
        }
    }

    /// Takes what the kernel tells.
    fn hear(&mut self) {
        let Self { inotify: Some(inotify), directories, files, .. } = self else { return };
        let mut buffer = [const { MaybeUninit::uninit() }; 16 * 1024];
        let mut reader = inotify::Reader::new(inotify.as_fd(), &mut buffer);
        while let Ok(event) = reader.next() {
            let flags = event.events();
            let Some(paths) = directories.get(&event.wd()) else {
                // Events were lost (and that names no directory): nothing is certain any more.
                if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                    files.iter_mut().for_each(|file| file.is_doubtful = true);
                }
                continue;
            };
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            for file in files.iter_mut() {
                // Without a name, it is the directory itself that has changed.
                file.is_doubtful |= file.way.iter().any(|(directory, used)| {
                    paths.contains(directory) && name.is_none_or(|name| name == used)
                });
            }
            if flags.contains(ReadFlags::IGNORED) {
                directories.remove(&event.wd());
            }
        }
    }

    /// Goes the way to a file and reads it. First come the watches, so that no later change is missed.
    fn read(&mut self, at: usize) {
        let way = way(&self.files[at].path);
        let mut refused = None;
        if let Some(inotify) = &self.inotify {
            for directory in way.iter().map(|(directory, _)| directory) {
                match inotify::add_watch(inotify, directory, EVENTS) {
                    Ok(watch) => {
                        self.directories.entry(watch).or_default().insert(directory.clone());
                    }
                    Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
                    Err(why) => refused = Some(why),
                }
            }
        }
        if let Some(why) = refused {
            self.complain(why);
        }
        let file = &mut self.files[at];
        file.way = way;
        file.read = seen(&file.path);
        file.looked = file.read;
        let value = number::read(&file.path);
        if file.told.replace(value) != Some(value) {
            self.teller.tell([News::Fact(Fact::File { name: file.name.clone(), value })]);
        }
    }

    /// Ends the watches of directories that are on no way any more.
    fn forget_directories(&mut self) {
        let used: BTreeSet<&Path> =
            self.files.iter().flat_map(|file| &file.way).map(|(directory, _)| directory.as_path()).collect();
        let inotify = &self.inotify;
        self.directories.retain(|watch, paths| {
            paths.retain(|path| used.contains(path.as_path()));
            let is_used = !paths.is_empty();
            if !is_used && let Some(inotify) = inotify {
                let _ = inotify::remove_watch(inotify, *watch);
            }
            is_used
        });
    }
}

impl Watched {
    /// One that changed is read when it looks the same twice: somebody may just be writing it.
    fn look(&mut self) {
        let seen = seen(&self.path);
        self.is_doubtful |= seen != self.read && seen == self.looked;
        self.looked = seen;
    }
}

fn seen(path: &Path) -> Seen {
    let data = std::fs::metadata(path).ok()?;
    Some((
        data.dev(),
        data.ino(),
        data.size(),
        data.mtime(),
        data.mtime_nsec(),
        data.ctime(),
        data.ctime_nsec(),
    ))
}

/// The directories and names that lead to a file, as far as they exist.
fn way(path: &Path) -> BTreeSet<(PathBuf, OsString)> {
    let (mut way, mut links) = (BTreeSet::new(), 0);
    let (mut here, mut left) = (PathBuf::from("/"), Vec::new());
    ahead(path, &mut here, &mut left);
    while let Some(name) = left.pop() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        way.insert((here.clone(), name));
        match std::fs::read_link(&next) {
            Ok(target) if links < LINKS => {
                links += 1;
                ahead(&target, &mut here, &mut left);
            }
            Err(why) if why.raw_os_error() == Some(libc::EINVAL) => here = next,
            Ok(_) | Err(_) => break,
        }
    }
    way
}

/// Puts a path before what is left to go.
fn ahead(path: &Path, here: &mut PathBuf, left: &mut Vec<OsString>) {
    if path.is_absolute() {
        *here = PathBuf::from("/");
    }
    left.extend(path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A directory of its own, and a watcher of files in it that another thread would run.
    struct Desk {
        directory: PathBuf,
        plans: Mailbox<Plan<File>>,
        watcher: Watcher,
        letters: Arc<Mailbox<Letter>>,
    }

    impl Desk {
        fn new(name: &str) -> Self {
            let directory =
                std::env::temp_dir().join(format!("standfast-files-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&directory);
            fs::create_dir_all(&directory).unwrap();
            let letters = Arc::new(Mailbox::new().unwrap());
            let watcher = Watcher::new(Teller { plan: 0, letters: letters.clone() });
            Self { directory, plans: Mailbox::new().unwrap(), watcher, letters }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.directory.join(name)
        }

        fn watch(&self, number: u64, names: &[&str]) {
            let file = |name: &&str| File {
                name: (*name).into(),
                path: self.at(name).display().to_string(),
                weight: model::Weight::default(),
                initial: None,
            };
            let things = names.iter().map(file).collect();
            self.plans.push(Plan { number, is_first: number == 1, things });
        }

        /// What is told next. Without a tick of the second's look, so that only events can bring it.
        fn heard(&mut self) -> Vec<Result<i32, Unread>> {
            let mut letters = Vec::new();
            let since = Instant::now();
            while letters.is_empty() {
                self.watcher.look_at = Instant::now() + LOOK;
                self.watcher.turn(&self.plans);
                self.letters.take(&mut letters);
                assert!(since.elapsed() < Duration::from_secs(10), "nothing was told");
            }
            values(letters)
        }

        /// Whatever has happened, nothing is told.
        fn hears_nothing(&mut self) {
            self.watcher.hear();
            let mut letters = Vec::new();
            for at in 0..self.watcher.files.len() {
                self.watcher.read(at);
            }
            self.letters.take(&mut letters);
            assert!(letters.is_empty(), "{letters:?}");
        }
    }

    impl Drop for Desk {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }

    fn values(letters: Vec<Letter>) -> Vec<Result<i32, Unread>> {
        let value = |letter: Letter| match &letter.news {
            News::Fact(Fact::File { value, .. }) => *value,
            News::Fact(_) | News::Remark(..) => panic!("{letter:?}"),
        };
        letters.into_iter().map(value).collect()
    }

    #[test]
    fn whatever_becomes_of_a_file_is_told_at_once() {
        let mut desk = Desk::new("becomes");
        desk.watch(1, &["deep/er/file"]);
        assert_eq!(desk.heard(), [Err(Unread::Absent)]);
        let file = desk.at("deep/er/file");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        // The way has grown; there is still no file.
        desk.hears_nothing();
        fs::write(&file, "5\n").unwrap();
        assert_eq!(desk.heard(), [Ok(5)]);
        fs::write(desk.at("new"), "-6").unwrap();
        fs::rename(desk.at("new"), &file).unwrap();
        assert_eq!(desk.heard(), [Ok(-6)]);
        fs::write(&file, [0, 159, 146, 150]).unwrap();
        assert_eq!(desk.heard(), [Err(Unread::Garbage)]);
        fs::remove_file(&file).unwrap();
        assert_eq!(desk.heard(), [Err(Unread::Absent)]);
        fs::write(&file, "7").unwrap();
        assert_eq!(desk.heard(), [Ok(7)]);
        fs::rename(desk.at("deep"), desk.at("other")).unwrap();
        assert_eq!(desk.heard(), [Err(Unread::Absent)]);
        fs::rename(desk.at("other"), desk.at("deep")).unwrap();
        assert_eq!(desk.heard(), [Ok(7)]);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(desk.heard().contains(&Err(Unread::NotAFile("a directory"))));
    }

    #[test]
    fn links_on_the_way_may_change() {
        let mut desk = Desk::new("links");
        for (name, value) in [("one", "1"), ("two", "2")] {
            fs::create_dir(desk.at(name)).unwrap();
            fs::write(desk.at(name).join("value"), value).unwrap();
        }
        symlink("one", desk.at("now")).unwrap();
        symlink("now/value", desk.at("file")).unwrap();
        desk.watch(1, &["file"]);
        assert_eq!(desk.heard(), [Ok(1)]);
        fs::write(desk.at("one/value"), "11").unwrap();
        assert_eq!(desk.heard(), [Ok(11)]);
        symlink("two", desk.at("next")).unwrap();
        fs::rename(desk.at("next"), desk.at("now")).unwrap();
        assert_eq!(desk.heard(), [Ok(2)]);
        fs::write(desk.at("two/value"), "22").unwrap();
        assert_eq!(desk.heard(), [Ok(22)]);
        symlink("file", desk.at("round")).unwrap();
        fs::rename(desk.at("round"), desk.at("file")).unwrap();
        assert_eq!(desk.heard(), [Err(Unread::Refused(node::io::Errno(libc::ELOOP)))]);
    }

    #[test]
    fn a_new_plan_tells_everything_again_and_ends_old_watches() {
        let mut desk = Desk::new("plan");
        fs::create_dir(desk.at("other")).unwrap();
        fs::write(desk.at("other/file"), "4").unwrap();
        fs::write(desk.at("file"), "3").unwrap();
        desk.watch(1, &["file"]);
        assert_eq!(desk.heard(), [Ok(3)]);
        desk.watch(2, &["other/file", "file"]);
        assert_eq!(desk.heard(), [Ok(4), Ok(3)]);
        let many = desk.watcher.directories.len();
        desk.watch(3, &["file"]);
        assert_eq!(desk.heard(), [Ok(3)]);
        assert_eq!(desk.watcher.directories.len(), many - 1);
        desk.watch(4, &[]);
        desk.watcher.turn(&desk.plans);
        assert!(desk.watcher.directories.is_empty());
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_found_by_looking() {
        let mut desk = Desk::new("look");
        fs::write(desk.at("file"), "3").unwrap();
        desk.watcher.inotify = None;
        desk.watch(1, &["file"]);
        assert_eq!(desk.heard(), [Ok(3)]);
        fs::write(desk.at("file"), "42").unwrap();
        let mut letters = Vec::new();
        for looks in 1..=2 {
            desk.watcher.look_at = Instant::now();
            desk.watcher.turn(&desk.plans);
            desk.letters.take(&mut letters);
            assert_eq!(letters.len(), looks - 1, "it is read when it looks the same twice");
        }
        assert_eq!(values(letters), [Ok(42)]);
    }

    #[test]
    fn lost_events_mean_that_all_is_read_again() {
        let mut desk = Desk::new("lost");
        fs::write(desk.at("file"), "3").unwrap();
        desk.watch(1, &["file"]);
        assert_eq!(desk.heard(), [Ok(3)]);
        // More than the kernel keeps, then the change.
        let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let limit: usize = limit.trim().parse().unwrap();
        for number in 0..=limit / 2 {
            // Different names: equal events in a row would count as one.
            fs::write(desk.at(if number % 2 == 0 { "a" } else { "b" }), "").unwrap();
        }
        fs::write(desk.at("file"), "4").unwrap();
        assert_eq!(desk.heard(), [Ok(4)]);
    }
}

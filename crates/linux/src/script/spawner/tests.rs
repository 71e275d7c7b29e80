//! The thread as it is, with programs as they come.

use super::*;
use crate::script::Runner;
use model::{Account, Flaw};
use node::io::Program as Asked;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A spawner with a directory of its own.
struct Bench {
    spawner: Option<Spawner>,
    runner: Option<Runner>,
    directory: PathBuf,
    next: u64,
    remarks: Vec<String>,
    begun: Vec<RunId>,
    ended: BTreeMap<u64, Ending>,
}

impl Bench {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = PathBuf::from(format!("/run/standfast-scripts-{}-{number}", std::process::id()));
        let directory = match fs::create_dir(&directory) {
            Ok(()) => directory,
            Err(_) => {
                let other = std::env::temp_dir().join(directory.file_name().unwrap());
                fs::create_dir(&other).unwrap();
                other
            }
        };
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let (ours, theirs) = channel().unwrap();
        let spawner = Some(Spawner::start(theirs, &["SECRET_OF_STAGE"]).unwrap());
        let runner = Some(Runner::new(ours));
        Self {
            spawner,
            runner,
            directory,
            next: 0,
            remarks: Vec::new(),
            begun: Vec::new(),
            ended: BTreeMap::new(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn ask(&mut self, command: Command, user: Option<&str>, security: bool) -> RunId {
        self.next += 1;
        let id = RunId(self.next);
        let account = user.map(|user| Account { user: user.into(), group: None });
        let program = Arc::new(Asked { command, account, security });
        let runner = self.runner.as_mut().unwrap();
        runner.ask(&Request::Run(Run { id, script: "chk".into(), program }));
        runner.flush();
        id
    }

    fn words(&mut self, words: &[&str], user: Option<&str>, security: bool) -> RunId {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.ask(Command::Run { path: words[0].clone(), arguments: words[1..].to_vec() }, user, security)
    }

    fn kill(&mut self, id: RunId, hard: bool) {
        let runner = self.runner.as_mut().unwrap();
        runner.ask(&Request::Kill(Kill { id, hard }));
        runner.flush();
    }

    /// Waits for the end of a run.
    fn end(&mut self, id: RunId) -> Ending {
        let since = Instant::now();
        loop {
            if let Some(how) = self.ended.remove(&id.0) {
                return how;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "{id:?} does not end");
            let Self { runner: Some(runner), remarks, begun, ended, .. } = self else { panic!("closed") };
            let limit = Timespec { tv_sec: 1, tv_nsec: 0 };
            let _ = poll(&mut [PollFd::new(runner, PollFlags::IN)], Some(&limit));
            runner.flush();
            runner.receive(|answer| match answer {
                Answer::Ended(Ended { id, how }) => assert_eq!(ended.insert(id.0, how), None),
                Answer::Begun(id) => begun.push(id),
                Answer::Remark(text) => remarks.push(text),
            });
        }
    }

    fn run(&mut self, words: &[&str]) -> Ending {
        let id = self.words(words, Some("root"), true);
        self.end(id)
    }

    /// A shell's verdict.
    fn says(&mut self, script: &str) -> bool {
        self.run(&["/bin/sh", "-c", script]) == Ending::Exited(0)
    }

    /// The worker dies.
    fn close(&mut self) {
        self.runner = None;
        self.spawner.take().unwrap().join();
    }

    /// Waits until a file has something in it.
    fn await_file(&self, name: &str) -> String {
        let since = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(self.path(name))
                && text.ends_with('\n')
            {
                return text.trim().to_owned();
            }
            assert!(since.elapsed() < Duration::from_secs(10), "{name} does not come");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn is_alive(pid: &str) -> bool {
    // A zombie answers, but does nothing any more.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

fn is_gone_soon(pid: &str) -> bool {
    let since = Instant::now();
    while is_alive(pid) {
        if since.elapsed() > Duration::from_secs(5) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn codes_and_signals_are_told() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(&["/bin/sh", "-c", "exit 0"]), Ending::Exited(0));
    assert_eq!(bench.run(&["sh", "-c", "exit 126"]), Ending::Exited(126));
    assert_eq!(bench.run(&["sh", "-c", "no-such-command-here"]), Ending::Exited(127));
    assert_eq!(bench.run(&["sh", "-c", "kill -9 $$"]), Ending::Signalled(libc::SIGKILL));
    let words = ["sh", "-c", "[ \"$1\" = \"a b\" ] && [ -z \"$2\" ] && [ $# = 2 ]", "sh", "a b", ""];
    assert_eq!(bench.run(&words), Ending::Exited(0));
}

#[test]
fn a_script_starts_clean() {
    let mut bench = Bench::new();
    for script in [
        // A group and a session of its own.
        "[ $(cut -d' ' -f5 /proc/$$/stat) = $$ ] && [ $(cut -d' ' -f6 /proc/$$/stat) = $$ ]",
        // The standard streams, and the one that lists the directory.
        "[ \"$(ls /proc/self/fd | tr '\\n' ' ')\" = '0 1 2 3 ' ] || [ \"$(ls /proc/$$/fd | wc -l)\" -le 4 ]",
        "[ $(readlink /proc/$$/fd/0) = /dev/null ] && [ $(readlink /proc/$$/fd/2) = /dev/null ]",
        // No signal is blocked or ignored.
        "grep -q '^SigBlk:.0000000000000000' /proc/self/status",
        "awk '/^SigIgn:/ { exit $2 != \"0000000000000000\" }' /proc/self/status",
        // Ordinary scheduling.
        "[ $(cut -d' ' -f41 /proc/$$/stat) = 0 ] && [ $(cut -d' ' -f19 /proc/$$/stat) = 0 ]",
        "[ -z \"$LD_PRELOAD\" ] && [ -n \"$PATH\" ]",
        "yes | head -c 3000000; yes | head -c 1000000 >&2; exec 0<&- 1<&- 2<&-; exit 0",
    ] {
        assert!(bench.says(script), "{script}");
    }
}

#[test]
fn a_script_of_another_user_has_its_groups_and_nothing_else() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new();
    let script = "[ $(id -un) = nobody ] && [ \"$(id -G)\" = \"$(id -G nobody)\" ] \
                  && grep -q '^CapEff:.0000000000000000' /proc/self/status";
    let id = bench.words(&["sh", "-c", script], Some("nobody"), true);
    assert_eq!(bench.end(id), Ending::Exited(0));
    let id = bench.words(&["sh", "-c", "true"], Some("no-such-user"), true);
    assert_eq!(bench.end(id), Ending::NotRun(Reason::Flaw(Flaw::NoAccount("no-such-user".into()))));
}

#[test]
fn what_cannot_be_run_says_why() {
    let mut bench = Bench::new();
    let shell = "#!/bin/sh\nexit 0\n";
    let missing = bench.path("none/such.sh");
    assert_eq!(bench.run(&[&missing]), Ending::NotRun(Reason::Flaw(Flaw::Missing(bench.path("none")))));
    let plain = bench.file("plain", shell, 0o644);
    let reason = Reason::Flaw(Flaw::NotExecutable { path: plain.clone(), mode: 0o644, user: "root".into() });
    assert_eq!(bench.run(&[&plain]), Ending::NotRun(reason));
    let directory = bench.directory.display().to_string();
    assert_eq!(bench.run(&[&directory]), Ending::NotRun(Reason::Flaw(Flaw::NotAFile(directory.clone()))));
    for (text, interpreter) in [
        ("#!/no/such/shell -e\n", Some("/no/such/shell")),
        ("#!/bin/sh\r\nexit 0\r\n", Some("/bin/sh\\r")),
        ("", None),
        ("\x7fELF nonsense", None),
        ("\x01\x02\x00\x03", None),
    ] {
        let path = bench.file("wrong", text, 0o755);
        let interpreter = interpreter.map(str::to_owned);
        let reason = Reason::Flaw(Flaw::Interpreter { path: path.clone(), interpreter });
        assert_eq!(bench.run(&[&path]), Ending::NotRun(reason), "{text:?}");
    }
    assert_eq!(
        bench.run(&["no-such-program-anywhere"]),
        Ending::NotRun(Reason::Flaw(Flaw::Missing("no-such-program-anywhere (in PATH)".into())))
    );
    let long = "x".repeat(LONGEST);
    assert_eq!(bench.run(&["true", &long]), Ending::NotRun(Reason::Refused(Errno(libc::E2BIG))));
}

#[test]
fn a_user_that_may_not_pass_is_told_where() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new();
    fs::create_dir(bench.path("closed")).unwrap();
    let path = bench.file("closed/chk", "#!/bin/sh\nexit 0\n", 0o755);
    fs::set_permissions(bench.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    let id = bench.words(&[&path], Some("nobody"), true);
    let reason =
        Reason::Flaw(Flaw::NotExecutable { path: bench.path("closed"), mode: 0o700, user: "nobody".into() });
    assert_eq!(bench.end(id), Ending::NotRun(reason));
}

#[test]
fn what_others_may_change_is_not_run_as_root() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new();
    let shell = "#!/bin/sh\nexit 0\n";
    let safe = bench.file("safe", shell, 0o755);
    assert_eq!(bench.run(&[&safe]), Ending::Exited(0));
    let loose = bench.file("loose", shell, 0o757);
    let reason = Reason::Flaw(Flaw::Unsafe { path: loose.clone(), mode: 0o757, owner: 0 });
    assert_eq!(bench.run(&[&loose]), Ending::NotRun(reason));
    // Without enable_script_security it is run, and that is said once.
    for _ in 0..2 {
        let id = bench.words(&[&loose], Some("root"), false);
        assert_eq!(bench.end(id), Ending::Exited(0));
    }
    assert_eq!(bench.remarks.len(), 1);
    assert!(bench.remarks[0].contains("others than root may change"), "{:?}", bench.remarks);
    // As another user it can do no harm.
    let id = bench.words(&[&loose], Some("nobody"), true);
    assert_eq!(bench.end(id), Ending::Exited(0));
    // A directory that everybody may write to, and a link in it.
    fs::create_dir(bench.path("open")).unwrap();
    fs::set_permissions(bench.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    std::os::unix::fs::symlink(&safe, bench.path("open/link")).unwrap();
    let reason = Reason::Flaw(Flaw::Unsafe { path: bench.path("open"), mode: 0o777, owner: 0 });
    assert_eq!(bench.run(&[&bench.path("open/link")]), Ending::NotRun(reason));
    // With the sticky bit only the owner may change what is in it.
    fs::set_permissions(bench.path("open"), fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(bench.run(&[&bench.path("open/link")]), Ending::Exited(0));
    let nobody = rustix::fs::Uid::from_raw(65534);
    rustix::fs::chownat(
        rustix::fs::CWD,
        bench.path("open/link"),
        Some(nobody),
        None,
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
    )
    .unwrap();
    let how = bench.run(&[&bench.path("open/link")]);
    assert!(
        matches!(&how, Ending::NotRun(Reason::Flaw(Flaw::Unsafe { path, owner: 65534, .. })) if *path == bench.path("open/link")),
        "{how:?}"
    );
}

#[test]
fn what_an_access_list_lets_others_change_is_not_run_as_root() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new();
    let path = bench.file("listed", "#!/bin/sh\nexit 0\n", 0o775);
    assert_eq!(bench.run(&[&path]), Ending::Exited(0), "root's own group may change it");
    // acl(5): owner rwx, user 1000 rwx, group r-x, mask rwx, others r-x.
    let entries =
        [(1u16, 7u16, u32::MAX), (2, 7, 1000), (4, 5, u32::MAX), (0x10, 7, u32::MAX), (0x20, 5, u32::MAX)];
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(rights.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let name = "system.posix_acl_access";
    match rustix::fs::setxattr(path.as_str(), name, &list, rustix::fs::XattrFlags::empty()) {
        Err(rustix::io::Errno::OPNOTSUPP) => return,
        other => other.unwrap(),
    }
    let reason = Reason::Flaw(Flaw::Unsafe { path: path.clone(), mode: 0o775, owner: 0 });
    assert_eq!(bench.run(&[&path]), Ending::NotRun(reason));
}

#[test]
fn a_text_without_an_interpreter_is_for_the_shell() {
    let mut bench = Bench::new();
    let path = bench.file("bare", "# no first line\n[ \"$1\" = x ] && exit 3\n", 0o755);
    for _ in 0..2 {
        assert_eq!(bench.run(&[&path, "x"]), Ending::Exited(3));
    }
    let mentions = bench.remarks.iter().filter(|text| text.contains("has no #! line: it is run by /bin/sh"));
    assert_eq!(mentions.count(), 1, "{:?}", bench.remarks);
}

#[test]
fn a_file_that_must_be_readable() {
    let mut bench = Bench::new();
    let path = bench.file("it's \"here\"", "", 0o644);
    let id = bench.ask(Command::Readable { path }, Some("root"), true);
    assert_eq!(bench.end(id), Ending::Exited(0));
    let id = bench.ask(Command::Readable { path: bench.path("gone") }, Some("root"), true);
    assert_eq!(bench.end(id), Ending::Exited(1));
}

#[test]
fn a_kill_ends_the_whole_group_but_not_who_left_it() {
    let mut bench = Bench::new();
    let (group, left, ready) = (bench.path("group"), bench.path("left"), bench.path("ready"));
    let script = format!(
        "(trap '' TERM; sh -c 'echo $$ >{group}; exec sleep 1000') & \
         setsid sh -c 'echo $$ >{left}; exec sleep 1000' & sleep 0.2; echo x >{ready}; sleep 1000"
    );
    let id = bench.words(&["sh", "-c", &script], Some("root"), true);
    bench.await_file("ready");
    let (group, left) = (bench.await_file("group"), bench.await_file("left"));
    bench.kill(id, false);
    assert_eq!(bench.end(id), Ending::Signalled(libc::SIGTERM));
    // It ignores TERM, its leader is gone: KILL finds it all the same.
    assert!(is_gone_soon(&group), "{group}");
    assert!(is_alive(&left));
    let pid = Pid::from_raw(left.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn what_runs_is_told_and_what_is_called_off_before_its_turn_never_runs() {
    let mut bench = Bench::new();
    let first = bench.words(&["/bin/sh", "-c", "exit 3"], Some("root"), true);
    assert_eq!(bench.end(first), Ending::Exited(3));
    let missing = bench.words(&["/no/such"], Some("root"), true);
    assert!(matches!(bench.end(missing), Ending::NotRun(_)));
    assert_eq!(bench.begun, [first]);
    let runner = bench.runner.as_mut().unwrap();
    let words = vec!["-c".to_owned(), "sleep 1000".to_owned()];
    let command = Command::Run { path: "/bin/sh".into(), arguments: words };
    let account = Some(Account { user: "root".into(), group: None });
    let program = Arc::new(Asked { command, account, security: true });
    let ids = 100..300;
    for id in ids.clone().map(RunId) {
        runner.ask(&Request::Run(Run { id, script: "chk".into(), program: program.clone() }));
    }
    for id in ids.clone().map(RunId) {
        runner.ask(&Request::Kill(Kill { id, hard: false }));
    }
    let endings: Vec<Ending> = ids.map(|id| bench.end(RunId(id))).collect();
    let called_off = Ending::NotRun(Reason::NotBegun);
    assert!(endings.iter().all(|how| *how == called_off || *how == Ending::Signalled(15)), "{endings:?}");
    assert_eq!(endings.last(), Some(&called_off));
    let begun = endings.iter().filter(|how| **how != called_off).count();
    assert_eq!(bench.begun.len(), begun + 1);
}

#[test]
fn a_script_that_ignores_term_is_killed() {
    let mut bench = Bench::new();
    let ready = bench.path("ready");
    let id = bench.words(
        &["sh", "-c", &format!("trap '' TERM; echo x >{ready}; while :; do sleep 0.1; done")],
        Some("root"),
        true,
    );
    bench.await_file("ready");
    bench.kill(id, false);
    bench.kill(id, true);
    assert_eq!(bench.end(id), Ending::Signalled(libc::SIGKILL));
    // What is over cannot be killed again, and what never was neither.
    bench.kill(id, true);
    bench.kill(RunId(4711), true);
    assert_eq!(bench.run(&["true"]), Ending::Exited(0));
}

#[test]
fn what_a_script_leaves_in_its_group_lives_on_when_it_ends() {
    let mut bench = Bench::new();
    let left = bench.path("left");
    assert!(bench.says(&format!("sh -c 'echo $$ >{left}; exec sleep 1000' & sleep 0.1; exit 0")));
    let left = bench.await_file("left");
    bench.close();
    assert!(is_alive(&left));
    rustix::process::kill_process(Pid::from_raw(left.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_worker_that_dies_takes_its_scripts_along() {
    let mut bench = Bench::new();
    let (one, two) = (bench.path("one"), bench.path("two"));
    bench.words(&["sh", "-c", &format!("echo $$ >{one}; exec sleep 1000")], Some("root"), true);
    bench.words(
        &["sh", "-c", &format!("trap '' TERM; echo $$ >{two}; sleep 1000; sleep 1000")],
        Some("root"),
        true,
    );
    let (one, two) = (bench.await_file("one"), bench.await_file("two"));
    let since = Instant::now();
    bench.close();
    assert!(!is_alive(&one) && !is_alive(&two));
    assert!(since.elapsed() < ABANDONED, "{:?}", since.elapsed());
}

#[test]
fn a_file_that_is_being_written_is_waited_for() {
    let mut bench = Bench::new();
    let path = bench.path("program");
    fs::copy("/bin/true", &path).unwrap();
    let writer = File::options().append(true).open(&path).unwrap();
    let id = bench.words(&[&path], Some("root"), true);
    std::thread::sleep(Duration::from_millis(60));
    assert!(bench.ended.is_empty());
    drop(writer);
    assert_eq!(bench.end(id), Ending::Exited(0));
}

#[test]
fn garbage_is_ignored() {
    let (ours, theirs) = channel().unwrap();
    let spawner = Spawner::start(theirs, &[]).unwrap();
    for bytes in [&b"\xff"[..], b"x", &[2; 17], &[1; 4000]] {
        rustix::net::send(&ours, bytes, SendFlags::empty()).unwrap();
    }
    let mut bench = Bench::new();
    assert_eq!(bench.run(&["true"]), Ending::Exited(0));
    drop(ours);
    spawner.join();
}

#[test]
fn without_a_supervisor_everything_is_refused() {
    let (ours, theirs) = channel().unwrap();
    drop(theirs);
    let mut runner = Runner::new(ours);
    let program = Asked { command: Command::Readable { path: "/x".into() }, account: None, security: false };
    let program = Arc::new(program);
    let mut ended = Vec::new();
    for id in 1..=2 {
        let script = "chk".into();
        runner.ask(&Request::Run(Run { id: RunId(id), script, program: program.clone() }));
        runner.flush();
        runner.receive(|answer| ended.push(answer));
    }
    let refused = |id| Answer::Ended(Ended { id: RunId(id), how: Ending::NotRun(Reason::NoRunner) });
    assert_eq!(ended, [refused(1), refused(2)]);
}

#[test]
fn five_hundred_at_once() {
    let mut bench = Bench::new();
    let ids: Vec<_> = (0..500).map(|_| bench.words(&["/bin/true"], Some("root"), true)).collect();
    for id in ids {
        assert_eq!(bench.end(id), Ending::Exited(0));
    }
}

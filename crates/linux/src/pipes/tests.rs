//! Pipes that somebody reads, that nobody reads, that are none; and the scripts that read them.

use super::*;
use model::{Account, Flaw};
use node::io::{Effect, Ended, Ending, Kill, Reason, RunId};
use rustix::fs::{FileType, Mode, OFlags, mknodat, open};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use timeline::Instant;

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("standfast-pipes-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> String {
        self.0.join("fifo").to_string_lossy().into_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn fifo(path: &str) -> Fifo {
    Fifo { path: path.into(), account: None, script: None }
}

fn host(path: &str) -> Host {
    let mut host = Host::default();
    host.notify.fifo = Some(fifo(path));
    host
}

type Said = Arc<Mutex<Vec<String>>>;

fn start() -> (Pipes, Said) {
    let said = Said::default();
    let into = said.clone();
    let pipes = Pipes::start(Box::new(move |_, text| into.lock().unwrap().push(text))).unwrap();
    (pipes, said)
}

/// Waits until something is so.
fn until(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it does not come true");
}

fn reader(path: &str) -> std::fs::File {
    open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).map(std::fs::File::from).unwrap()
}

/// So many bytes, or all that come.
fn read(file: &mut std::fs::File, wanted: usize) -> String {
    let mut bytes = Vec::new();
    until_some(|| {
        let mut buffer = [0; 1 << 16];
        if let Ok(count) = file.read(&mut buffer) {
            bytes.extend(&buffer[..count]);
        }
        bytes.len() >= wanted
    });
    String::from_utf8(bytes).unwrap()
}

fn until_some(mut what: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if what() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it does not come true");
}

#[test]
fn lines_come_in_order_and_what_was_made_goes() {
    let place = Place::new("order");
    let path = place.path();
    let (pipes, said) = start();
    pipes.configure(&host(&path));
    pipes.tell("one\n".into());
    until(|| Path::new(&path).exists());
    let status = std::fs::metadata(&path).unwrap();
    assert!(status.file_type().is_fifo());
    assert_eq!(status.permissions().mode() & 0o133, 0);
    let mut reader = reader(&path);
    pipes.tell("two\n".into());
    assert_eq!(read(&mut reader, 8), "one\ntwo\n");
    // A reload with the same pipe loses nothing and makes no other.
    pipes.tell("three\n".into());
    pipes.configure(&host(&path));
    pipes.tell("four\n".into());
    assert_eq!(read(&mut reader, 11), "three\nfour\n");
    pipes.end();
    assert!(!Path::new(&path).exists());
    assert_eq!(*said.lock().unwrap(), [""; 0]);
}

#[test]
fn what_nobody_reads_waits_and_what_does_not_fit_is_said() {
    let place = Place::new("full");
    let path = place.path();
    let (pipes, said) = start();
    pipes.configure(&host(&path));
    for n in 0..20_000 {
        pipes.tell(format!("INSTANCE \"VI_1\" MASTER {n}\n").into());
    }
    // The second one is made when all lines have been put.
    let second = place.0.join("second").to_string_lossy().into_owned();
    let mut both = host(&path);
    both.notify.vrrp_fifo = Some(fifo(&second));
    pipes.configure(&both);
    until(|| Path::new(&second).exists());
    assert_eq!(said.lock().unwrap().len(), 2);
    let mut reader = reader(&path);
    let mut lines = Vec::new();
    until_some(|| {
        let mut text = String::new();
        let _ = reader.read_to_string(&mut text);
        lines.push(text);
        said.lock().unwrap().len() == 3
    });
    std::thread::sleep(Duration::from_millis(50));
    lines.push(read(&mut reader, 0));
    let text = lines.concat();
    let numbers: Vec<usize> =
        text.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(numbers.iter().enumerate().all(|(at, n)| at == *n), "nothing is missing within");
    let lost = 20_000 - numbers.len();
    let said = said.lock().unwrap().clone();
    assert!(said[0].contains("it is full, nobody seems to read it"), "{said:?}");
    assert!(said[1].contains("from now on lines are lost"), "{said:?}");
    assert_eq!(said[2], format!("FIFO {path}: it is read again; {lost} lines were lost"));
    pipes.end();
}

#[test]
fn what_is_no_fifo_is_told_and_left_alone() {
    let place = Place::new("wrong");
    let path = place.path();
    let (pipes, said) = start();
    let told = |text: &str| {
        until(|| !said.lock().unwrap().is_empty());
        let text = format!("FIFO {text}; nothing is written to it");
        assert_eq!(std::mem::take(&mut *said.lock().unwrap()), [text]);
    };
    std::fs::write(&path, "precious").unwrap();
    pipes.configure(&host(&path));
    told(&format!("{path}: it is a regular file, no FIFO"));
    pipes.tell("line\n".into());
    let directory = place.0.to_string_lossy().into_owned();
    pipes.configure(&host(&directory));
    told(&format!("{directory}: it is a directory, no FIFO"));
    pipes.configure(&host("/no/such/directory/fifo"));
    told("/no/such/directory/fifo: cannot make it: No such file or directory (os error 2)");
    let mut strange = host(&path);
    let account = Account { user: "no-such-user".into(), group: None };
    strange.notify.fifo.as_mut().unwrap().account = Some(account);
    pipes.configure(&strange);
    told(&format!("{path}: there is no user or group no-such-user"));
    pipes.end();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn what_was_there_is_used_and_stays() {
    let place = Place::new("there");
    let path = place.path();
    mknodat(rustix::fs::CWD, path.as_str(), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let mut reader = reader(&path);
    let (pipes, said) = start();
    pipes.configure(&host(&path));
    pipes.tell("line\n".into());
    assert_eq!(read(&mut reader, 5), "line\n");
    pipes.end();
    assert!(Path::new(&path).exists());
    assert_eq!(*said.lock().unwrap(), [""; 0]);
}

#[test]
fn one_path_for_both_is_one_pipe() {
    let place = Place::new("both");
    let path = place.path();
    let (pipes, _) = start();
    let mut both = host(&path);
    both.notify.vrrp_fifo = Some(fifo(&path));
    pipes.configure(&both);
    pipes.tell("line\n".into());
    until(|| Path::new(&path).exists());
    let mut reader = reader(&path);
    pipes.tell("end\n".into());
    assert_eq!(read(&mut reader, 9), "line\nend\n");
    pipes.end();
}

fn ready(path: &str) -> Ready {
    let command = Command::Run { path: path.into(), arguments: vec!["/run/fifo".into()] };
    let program = Program { command, account: None, security: false };
    Ready { script: "notify_fifo_script".into(), program: program.into(), anew: false }
}

fn id(effect: Option<Effect>) -> RunId {
    match effect {
        Some(Effect::Run(run)) => run.id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reader_goes_on_over_a_reload_and_a_new_one_waits_for_the_end_of_the_old() {
    let at = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
    let mut readers = Readers::default();
    let first = id(readers.start(at(0), ready("/bin/x")));
    assert!(Readers::is_ours(first));
    assert_eq!(readers.configure(at(1), &[ready("/bin/x")]), []);
    assert_eq!((readers.start(at(1), ready("/bin/x")), readers.deadline()), (None, None));
    // Another program, and the one before ignores SIGTERM.
    assert_eq!(readers.configure(at(1), &[ready("/bin/y")]), [Effect::Kill(Kill { id: first, hard: false })]);
    assert_eq!(readers.start(at(1), ready("/bin/y")), None);
    assert_eq!(readers.deadline(), Some(at(3)));
    assert_eq!(readers.fire(at(2)), []);
    assert_eq!(readers.fire(at(3)), [Effect::Kill(Kill { id: first, hard: true })]);
    let (text, next) = readers.ended(at(3), &Ended { id: first, how: Ending::Signalled(9) });
    assert_eq!(text, None);
    let second = id(next);
    assert_ne!(first, second);
    // Its pipe is another one now.
    let anew = Ready { anew: true, ..ready("/bin/y") };
    assert_eq!(readers.start(at(4), anew), Some(Effect::Kill(Kill { id: second, hard: false })));
    let third = id(readers.ended(at(4), &Ended { id: second, how: Ending::Exited(0) }).1);
    let (text, next) = readers.ended(at(5), &Ended { id: third, how: Ending::Exited(3) });
    let said = "notify_fifo_script has ended (status 3): nobody reads its FIFO until the next reload";
    assert_eq!((text.as_deref(), next), (Some(said), None));
    let fourth = id(readers.start(at(6), ready("/bin/x")));
    let how = Ending::NotRun(Reason::Flaw(Flaw::Missing("/bin/x".into())));
    let (text, _) = readers.ended(at(6), &Ended { id: fourth, how });
    assert!(text.unwrap().starts_with("notify_fifo_script cannot be run: /bin/x does not exist: nobody"));
}

//! One daemon for each pid file: the lock decides, not the number.
//!
//! A number in a file outlives its process and may be somebody else's by now. The lock does not: the kernel drops it
//! with the last descriptor. A file without a lock is a leftover and is taken over silently.

use crate::error::{Error, Refusal, Result};
use crate::sys::process::{is_locked, lock_file};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a lock that somebody else has is asked for.
const PAUSE: Duration = Duration::from_millis(20);

/// A pid file that is ours. Dropping it removes the file and then releases the lock.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Takes the file at `path` and writes this process's id into it.
    ///
    /// The lock belongs to the open file, so a process that inherits the descriptor keeps it; descriptors are closed
    /// in programs that are started.
    ///
    /// # Errors
    /// [`Error::AlreadyRunning`], or the file cannot be created or written.
    pub fn acquire(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let refused = |doing: &str, error: &std::io::Error| {
            Error::refused(format!("{doing} {}", path.display()), Refusal::of(error))
        };
        loop {
            let mut file = open(path, true).map_err(|error| refused("open", &error))?;
            if let Err(why) = lock_file(&file) {
                if why.is(libc::EAGAIN) || why.is(libc::EACCES) {
                    return Err(Error::AlreadyRunning { path: path.to_owned(), pid: number(&mut file) });
                }
                return Err(Error::refused(format!("lock {}", path.display()), why));
            }
            // Its owner may have removed it between our open and our lock: then ours is a file without a name.
            if !is_same(&file, path) {
                continue;
            }
            let mut write = || {
                file.set_len(0)?;
                file.rewind()?;
                writeln!(file, "{}", std::process::id())
            };
            write().map_err(|error| refused("write", &error))?;
            return Ok(Self { path: path.to_owned(), file });
        }
    }

    /// Like [`acquire`](Self::acquire), but waits up to `limit` for a holder that is about to end.
    ///
    /// # Errors
    /// As there.
    pub fn acquire_within(path: impl AsRef<Path>, limit: Duration) -> Result<Self> {
        let begun = Instant::now();
        loop {
            match Self::acquire(path.as_ref()) {
                Err(Error::AlreadyRunning { .. }) if begun.elapsed() < limit => std::thread::sleep(PAUSE),
                done => return done,
            }
        }
    }

    /// Writes another process's id into the file (a supervisor names its worker, or itself after a fork).
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, pid: u32) -> Result<()> {
        let mut write = || {
            self.file.set_len(0)?;
            self.file.rewind()?;
            writeln!(self.file, "{pid}")
        };
        let written: std::io::Result<()> = write();
        written.map_err(|error| Error::refused(format!("write {}", self.path.display()), Refusal::of(&error)))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody may have put another file there by hand; that one is not ours to remove.
        if is_same(&self.file, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The process that holds the pid file at `path`; `None` when nobody does, whatever number it contains.
///
/// # Errors
/// The file exists and cannot be opened.
pub fn holder(path: impl AsRef<Path>) -> Result<Option<u32>> {
    let path = path.as_ref();
    let refused = |why| Error::refused(format!("look at {}", path.display()), why);
    let mut file = match open(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(Refusal::of(&error))),
    };
    Ok(if is_locked(&file).map_err(refused)? { number(&mut file) } else { None })
}

fn open(path: &Path, create: bool) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    // NOFOLLOW: in a directory that others may write, a link must not make root truncate its target.
    options.read(true).write(create).create(create).truncate(false).mode(0o644);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)
}

fn is_same(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn number(file: &mut File) -> Option<u32> {
    let mut bytes = Vec::new();
    file.take(32).read_to_end(&mut bytes).ok()?;
    written(&bytes)
}

/// The process id that a pid file with these bytes names. 0 and negative numbers, which signals take for whole groups,
/// are none.
#[must_use]
pub fn written(bytes: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok()?.trim_ascii();
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
    (1..=i32::MAX.unsigned_abs()).contains(&number).then_some(number)
}

/// A running keepalived in the calling thread's network namespace: both would fight for the same addresses.
///
/// Returns the smallest of its process ids (its parent process, as a rule). One whose namespace may not be
/// looked at (another user's) does not count.
#[must_use]
pub fn running_keepalived() -> Option<u32> {
    let here = std::fs::metadata("/proc/thread-self/ns/net").ok()?;
    let mut found = None;
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let name = std::fs::read(entry.path().join("comm")).unwrap_or_default();
        if name.trim_ascii() != b"keepalived" || pid == std::process::id() || is_this_program(&entry.path()) {
            continue;
        }
        let Ok(there) = std::fs::metadata(entry.path().join("ns/net")) else { continue };
        if (there.dev(), there.ino()) == (here.dev(), here.ino()) {
            found = Some(found.map_or(pid, |known: u32| known.min(pid)));
        }
    }
    found
}

/// Whether a process runs this program under keepalived's name: then the pid file's lock decides.
fn is_this_program(process: &Path) -> bool {
    match (std::fs::metadata("/proc/self/exe"), std::fs::metadata(process.join("exe"))) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("standfast-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn the_lock_decides_not_the_number() {
        let path = scratch("pid");
        std::fs::write(&path, "1\n").unwrap(); // process 1 lives, and has nothing to do with it
        assert_eq!(holder(&path).unwrap(), None);
        let mut first = PidFile::acquire(&path).unwrap();
        let me = std::process::id();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{me}\n"));
        assert_eq!(holder(&path).unwrap(), Some(me));
        let error = PidFile::acquire(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("already running as process {me} ({} is locked)", path.display())
        );
        let begun = Instant::now();
        assert!(PidFile::acquire_within(&path, Duration::from_millis(50)).is_err());
        assert!(begun.elapsed() >= Duration::from_millis(50));
        first.write(7).unwrap();
        assert_eq!(holder(&path).unwrap(), Some(7));
        drop(first);
        assert!(!path.exists());
        assert_eq!(holder(&path).unwrap(), None);
        drop(PidFile::acquire(&path).unwrap());
    }

    #[test]
    fn only_a_number_of_a_process_is_believed() {
        assert_eq!(written(b"4711\n"), Some(4711));
        for bytes in
            [&b"0\n"[..], b"-1\n", b"+5\n", b"", b"4294967295", b"2147483648", b"1 2", b"\xff", b"1\0"]
        {
            assert_eq!(written(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_ours_stays() {
        let path = scratch("replaced");
        let first = PidFile::acquire(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = PidFile::acquire(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn links_are_not_followed() {
        let (path, target) = (scratch("link"), scratch("target"));
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(PidFile::acquire(&path).is_err());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(&target).unwrap();
    }
}

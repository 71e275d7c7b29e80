//! What a command leads to on this machine: the file, whether its user may run it, and whether others than root
//! may change it. Nothing is run here.

use super::account::Identity;
use model::Flaw;
use node::io::{Errno, Reason};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// The directories that are searched for a bare name when `PATH` is not set.
const DIRECTORIES: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The kernel follows no more links than that either.
const LINKS: usize = 40;
/// As many interpreters may be scripts themselves: execve(2).
const INTERPRETERS: usize = 5;

/// What runs what has no `#!` line.
pub const SHELL: &str = "/bin/sh";

/// A command can be run, as far as can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file, as the command names it or as `PATH` leads to it.
    pub file: PathBuf,
    /// It is a text without a `#!` line: [`SHELL`] has to run it.
    pub needs_shell: bool,
    /// Root would run it and others may change it: the first such part of its path.
    pub unsafety: Option<Reason>,
}

/// Looks at the file of a command.
///
/// # Errors
/// Why it cannot be run.
pub fn examine(command: &str, who: &Identity) -> Result<Found, Reason> {
    let file = locate(command)?;
    let walk = Walk::of(&file, who)?;
    walk.may_run(who)?;
    let needs_shell = contents(&file, &walk.real, who, INTERPRETERS)?;
    let unsafety = if who.user == 0 { walk.unsafety } else { None };
    Ok(Found { file, needs_shell, unsafety })
}

/// The file of a command: itself, or where `PATH` leads to.
///
/// # Errors
/// When it leads nowhere.
pub fn locate(command: &str) -> Result<PathBuf, Reason> {
    if command.contains('/') {
        return Ok(PathBuf::from(command));
    }
    let directories = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(DIRECTORIES));
    let files = std::env::split_paths(&directories).map(|directory| directory.join(command));
    let runnable = |file: &PathBuf| {
        rustix::fs::stat(file)
            .is_ok_and(|stat| kind(&stat) == FileType::RegularFile && mode(&stat) & 0o111 != 0)
    };
    let missing = || Reason::Flaw(Flaw::Missing(format!("{command} (in PATH)")));
    files.filter(|file| file.is_absolute()).find(runnable).ok_or_else(missing)
}

/// The first part of a path that others than root may change, if root would run it.
///
/// # Errors
/// Why the file cannot be reached.
pub fn unsafety(file: &Path, who: &Identity) -> Result<Option<Reason>, Reason> {
    if who.user != 0 {
        return Ok(None);
    }
    Ok(Walk::of(file, who)?.unsafety)
}

/// A path that was followed to its end, through all links.
#[derive(Debug)]
struct Walk {
    /// Without links.
    real: PathBuf,
    stat: Stat,
    unsafety: Option<Reason>,
}

impl Walk {
    fn of(path: &Path, who: &Identity) -> Result<Self, Reason> {
        let start = if path.is_absolute() {
            PathBuf::from("/")
        } else {
            std::env::current_dir().map_err(|why| Reason::Refused(errno_of(&why)))?
        };
        let mut stat = look(&start)?;
        let mut walk = Self { real: start, stat, unsafety: None };
        walk.note();
        let mut rest = parts(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if kind(&walk.stat) != FileType::Directory {
                return Err(Reason::Flaw(Flaw::Missing(shown(&walk.real.join(&part)))));
            }
            walk.may_pass(who)?;
            if part == ".." {
                walk.real.pop();
                walk.stat = look(&walk.real)?;
                continue;
            }
            let next = walk.real.join(&part);
            stat = look(&next)?;
            if kind(&stat) != FileType::Symlink {
                (walk.real, walk.stat) = (next, stat);
                walk.note();
                continue;
            }
            links += 1;
            if links > LINKS {
                return Err(Reason::Refused(Errno(libc::ELOOP)));
            }
            // Whoever owns a link in a directory with the sticky bit may put another one in its place.
            if mode(&walk.stat) & 0o1002 == 0o1002 && stat.st_uid != 0 {
                walk.unsafety.get_or_insert(unsafe_part(&next, &stat));
            }
            let target = rustix::fs::readlink(&next, Vec::new()).map_err(|why| refused(&next, why))?;
            let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
            if target.is_absolute() {
                walk.real = PathBuf::from("/");
                walk.stat = look(&walk.real)?;
            }
            rest.extend(parts(&target));
        }
        Ok(walk)
    }

    /// Notes where we are if others than root may change it. In a directory with the sticky bit they may
    /// not touch what is not theirs.
    fn note(&mut self) {
        let mode = mode(&self.stat);
        let is_sticky = kind(&self.stat) == FileType::Directory && mode & 0o1000 != 0;
        // With an access list these bits are the most that anybody on it may do.
        let by_group = mode & 0o020 != 0 && (self.stat.st_gid != 0 || has_list(&self.real));
        let by_others = mode & 0o002 != 0;
        if self.stat.st_uid != 0 || !is_sticky && (by_group || by_others) {
            self.unsafety.get_or_insert(unsafe_part(&self.real, &self.stat));
        }
    }

    fn may_pass(&self, who: &Identity) -> Result<(), Reason> {
        let may = who.user == 0 || allows(&self.real, &self.stat, who);
        if may { Ok(()) } else { Err(self.forbidden(who)) }
    }

    fn may_run(&self, who: &Identity) -> Result<(), Reason> {
        if kind(&self.stat) != FileType::RegularFile {
            return Err(Reason::Flaw(Flaw::NotAFile(shown(&self.real))));
        }
        // Root may do without any right to a directory, but a file must be meant to be run.
        let may =
            if who.user == 0 { mode(&self.stat) & 0o111 != 0 } else { allows(&self.real, &self.stat, who) };
        if may { Ok(()) } else { Err(self.forbidden(who)) }
    }

    fn forbidden(&self, who: &Identity) -> Reason {
        Reason::Flaw(Flaw::NotExecutable {
            path: shown(&self.real),
            mode: mode(&self.stat),
            user: who.name.clone(),
        })
    }
}

/// The right to run a file or to pass through a directory. Where an access list says more than the bits do,
/// only the kernel knows.
fn allows(path: &Path, stat: &Stat, who: &Identity) -> bool {
    let mode = mode(stat);
    let bit = if stat.st_uid == who.user {
        0o100
    } else if stat.st_gid == who.group || who.groups.contains(&stat.st_gid) {
        0o010
    } else {
        0o001
    };
    mode & bit != 0 || has_list(path)
}

fn has_list(path: &Path) -> bool {
    rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0u8; 0][..]).is_ok()
}

/// Whether a file is a text without a `#!` line. `Err`: nothing on this machine runs it.
fn contents(file: &Path, real: &Path, who: &Identity, depth: usize) -> Result<bool, Reason> {
    // Whoever may run a program need not be allowed to read it, and then nothing is known.
    let Some(head) = head(real) else { return Ok(false) };
    if head.starts_with(b"\x7fELF") {
        return Ok(false);
    }
    let Some(line) = head.strip_prefix(b"#!") else {
        if head.is_empty() || head.contains(&0) {
            return Err(Reason::Flaw(Flaw::Interpreter { path: shown(file), interpreter: None }));
        }
        return Ok(true);
    };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // The kernel takes a carriage return for a part of the name, and so does this.
    let name = line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty());
    let wrong = |name: &[u8]| {
        Reason::Flaw(Flaw::Interpreter {
            path: shown(file),
            interpreter: (!name.is_empty()).then(|| shown(Path::new(OsStr::from_bytes(name)))),
        })
    };
    let Some(name) = name else { return Err(wrong(b"")) };
    let interpreter = Path::new(OsStr::from_bytes(name));
    let walk = Walk::of(interpreter, who).map_err(|_| wrong(name))?;
    walk.may_run(who).map_err(|_| wrong(name))?;
    let runs = depth > 0 && matches!(contents(interpreter, &walk.real, who, depth - 1), Ok(false));
    if runs { Ok(false) } else { Err(wrong(name)) }
}

/// The first bytes of a file, as many as the kernel looks at.
fn head(file: &Path) -> Option<Vec<u8>> {
    // A pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::open(file, flags, Mode::empty()).ok()?;
    let mut bytes = Vec::new();
    std::fs::File::from(fd).take(256).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The parts of a path, last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev();
    parts
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

fn look(path: &Path) -> Result<Stat, Reason> {
    rustix::fs::lstat(path).map_err(|why| refused(path, why))
}

fn refused(path: &Path, why: rustix::io::Errno) -> Reason {
    match why {
        rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR => Reason::Flaw(Flaw::Missing(shown(path))),
        other => Reason::Refused(Errno(other.raw_os_error())),
    }
}

fn unsafe_part(path: &Path, stat: &Stat) -> Reason {
    Reason::Flaw(Flaw::Unsafe { path: shown(path), mode: mode(stat), owner: stat.st_uid })
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn mode(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}

/// A path in a message: one line, whatever is in it.
fn shown(path: &Path) -> String {
    let mut text = String::new();
    for c in path.to_string_lossy().chars() {
        if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

fn errno_of(why: &std::io::Error) -> Errno {
    Errno(why.raw_os_error().unwrap_or(libc::EIO))
}

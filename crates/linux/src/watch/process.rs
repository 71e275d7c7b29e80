//! Which processes match a `vrrp_track_process`.

use model::{ParameterMatch, Process};
use std::fs::File;
use std::io::Read;

/// The kernel keeps so much of a process's name.
const NAME: usize = 15;
/// More of a command line is compared only if the configuration has more.
const COMMAND: usize = 4096;

/// What to look for.
#[derive(Debug)]
pub(super) enum Sought {
    /// The name of the program, as far as the kernel keeps it.
    Name(Vec<u8>),
    /// The command line: each word ended by a zero byte.
    Command { words: Vec<u8>, how: ParameterMatch },
}

impl Sought {
    pub(super) fn of(process: &Process) -> Self {
        let Process { path, parameters, parameter_match, full_command, .. } = process;
        if !full_command && parameters.is_empty() && *parameter_match == ParameterMatch::Exact {
            let name = path.rsplit('/').next().unwrap_or(path).as_bytes();
            return Self::Name(name[..name.len().min(NAME)].to_vec());
        }
        let mut words = Vec::new();
        for word in std::iter::once(path).chain(parameters) {
            words.extend_from_slice(word.as_bytes());
            words.push(0);
        }
        // A way to compare without anything to compare: there must be no parameters.
        let how =
            if parameters.is_empty() && !full_command { ParameterMatch::Exact } else { *parameter_match };
        Self::Command { words, how }
    }

    /// Whether a process is one of them. What is read of it is kept in `about`.
    pub(super) fn matches(&self, about: &mut About) -> bool {
        match self {
            Self::Name(name) => about.name() == name,
            Self::Command { words, how: ParameterMatch::Exact } => about.command(words.len()) == words,
            Self::Command { words, how: ParameterMatch::Partial } => {
                about.command(words.len()).starts_with(words)
            }
            // The last word may be longer.
            Self::Command { words, how: ParameterMatch::Initial } => {
                about.command(words.len()).starts_with(&words[..words.len() - 1])
            }
        }
    }
}

/// What is known of one process, read when it is needed.
#[derive(Debug)]
pub(super) struct About {
    pid: u32,
    name: Option<Vec<u8>>,
    command: Option<Vec<u8>>,
}

impl About {
    pub(super) const fn new(pid: u32) -> Self {
        Self { pid, name: None, command: None }
    }

    fn name(&mut self) -> &[u8] {
        let pid = self.pid;
        self.name.get_or_insert_with(|| {
            let mut name = start_of(pid, "comm", 64);
            name.pop_if(|byte| *byte == b'\n');
            name
        })
    }

    fn command(&mut self, length: usize) -> &[u8] {
        let pid = self.pid;
        // One more than what is sought, so that a longer one does not pass for equal.
        self.command.get_or_insert_with(|| start_of(pid, "cmdline", COMMAND.max(length + 1)))
    }

    /// Whether it is dead and only waits to be reaped.
    pub(super) fn is_dead(&self) -> bool {
        let stat = start_of(self.pid, "stat", 512);
        let state = stat.iter().rposition(|byte| *byte == b')').and_then(|at| stat.get(at + 2));
        matches!(state, None | Some(b'Z' | b'X'))
    }
}

/// The beginning of a file in `/proc`; empty if there is no such process any more.
fn start_of(pid: u32, what: &str, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(format!("/proc/{pid}/{what}")) {
        // A process that ends meanwhile is one that has ended.
        let _ = file.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn process(path: &str, parameters: &[&str], how: ParameterMatch, full_command: bool) -> Process {
        Process {
            name: "p".into(),
            path: path.into(),
            parameters: parameters.iter().map(|&word| word.into()).collect(),
            parameter_match: how,
            full_command,
            weight: model::Weight::default(),
            fewest: 1,
            most: None,
            end_delay: Duration::ZERO,
            begin_delay: Duration::ZERO,
        }
    }

    fn matches(sought: &Process, name: &[u8], command: &[u8]) -> bool {
        let mut about = About { pid: 0, name: Some(name.to_vec()), command: Some(command.to_vec()) };
        Sought::of(sought).matches(&mut about)
    }

    #[test]
    fn names_are_compared_as_far_as_the_kernel_keeps_them() {
        let exact = ParameterMatch::Exact;
        for path in ["nginx", "/usr/sbin/nginx"] {
            assert!(matches(&process(path, &[], exact, false), b"nginx", b"nginx: master process\0"));
            assert!(!matches(&process(path, &[], exact, false), b"nginx2", b""));
        }
        let long = "n".repeat(300);
        assert!(matches(&process(&long, &[], exact, false), b"nnnnnnnnnnnnnnn", b""));
        assert!(!matches(&process(&long, &[], exact, false), b"nnnnnnnnnnnnnn", b""));
        assert!(!matches(&process("", &[], exact, false), b"sh", b""));
    }

    #[test]
    fn command_lines_are_compared_word_by_word() {
        use ParameterMatch::{Exact, Initial, Partial};
        let line = b"/bin/app\0-c\0/etc/app.conf\0";
        let full = |how, words: &[&str]| matches(&process("/bin/app", words, how, true), b"app", line);
        assert!(full(Exact, &["-c", "/etc/app.conf"]));
        assert!(!full(Exact, &["-c"]) && !full(Exact, &["-c", "/etc/app"]) && !full(Exact, &[]));
        assert!(full(Partial, &["-c"]) && !full(Partial, &["-c", "/etc"]) && full(Partial, &[]));
        assert!(full(Initial, &["-c"]) && full(Initial, &["-c", "/etc"]) && !full(Initial, &["/etc"]));
        // Without `full_command`: parameters mean the command line all the same.
        assert!(matches(&process("/bin/app", &["-c", "/etc/app.conf"], Exact, false), b"other", line));
        // No parameters and a way to compare them: there must be none.
        assert!(!matches(&process("/bin/app", &[], Partial, false), b"app", line));
        assert!(matches(&process("/bin/app", &[], Initial, false), b"app", b"/bin/app\0"));
    }

    #[test]
    fn a_process_is_read_as_far_as_needed() {
        let own = std::process::id();
        let command = std::fs::read(format!("/proc/{own}/cmdline")).unwrap();
        let sought = Sought::Command { words: command.clone(), how: ParameterMatch::Exact };
        assert!(sought.matches(&mut About::new(own)));
        let longer =
            Sought::Command { words: [command, vec![b'x'; 70_000]].concat(), how: ParameterMatch::Exact };
        assert!(!longer.matches(&mut About::new(own)));
        assert!(!About::new(own).is_dead());
        assert!(About::new(u32::MAX).is_dead());
    }
}

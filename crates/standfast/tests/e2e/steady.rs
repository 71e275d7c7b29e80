//! The steady state costs no system call but those that the architecture names: each advert passes through here for
//! years.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use lab::Signal;
use lab::harness::{Outcome, Stop, Test, fail, program};
use rustix::process::{Pid, kill_process};

use crate::conf::{Flavour, LB01, LB02};
use crate::figures;
use crate::pair::{self, Node};
use crate::see;

/// Waiting, hearing, speaking, and saying when to wake up.
const NAMED: [&str; 4] = ["epoll_pwait2", "recvmmsg", "sendmmsg", "timerfd_settime"];
/// Adverts that are watched.
const ADVERTS: u32 = 20;

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new("steady::an_advert_costs_four_system_calls_to_send_and_two_to_hear", few_system_calls)]
}

/// A program that writes down the system calls of one thread.
struct Tracer {
    child: Child,
    file: std::path::PathBuf,
}

impl Tracer {
    fn attach(thread: i32, file: std::path::PathBuf) -> Result<Self, Stop> {
        let mut command = Command::new(program("strace")?);
        // Of the arguments nothing: there may be a password in an advert.
        command.args(["-qq", "-e", "abbrev=all", "-s", "0", "-p", &thread.to_string(), "-o"]).arg(&file);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child, file })
    }

    /// How often each was called, as far as it has been written.
    fn calls(&self) -> BTreeMap<String, u32> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let mut calls = BTreeMap::new();
        for name in text.lines().filter_map(|line| line.split_once('(').map(|(name, _)| name.to_owned())) {
            *calls.entry(name).or_default() += 1;
        }
        // What was interrupted when the tracer came goes on under this name.
        calls.remove("restart_syscall");
        calls
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Let go of the thread in order, or it may stay stopped.
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(pid, Signal::INT);
        }
        let _ = self.child.wait();
    }
}

fn few_system_calls() -> Outcome {
    program("strace")?;
    let lab = pair::three()?;
    let instance = |machine| Flavour::V3.instance(machine).every("0.1").line("garp_master_delay 0").file();
    let lb01 = Node::ours(lab.machine(LB01)?, instance(LB01))?.start_active()?;
    let lb02 = Node::ours(lab.machine(LB02)?, instance(LB02))?.start()?;
    for (machine, running, spoken, most) in [(LB01, &lb01, "sendmmsg", 4.0), (LB02, &lb02, "recvmmsg", 2.0)] {
        let processes = running.processes();
        let worker = processes.last().ok_or_else(|| fail("no worker"))?;
        let thread = worker.thread("packet").ok_or_else(|| fail("no packet thread"))?;
        let tracer = Tracer::attach(thread, lab.directory().join(format!("{machine}.calls")))?;
        see::wait_until("the tracer sees adverts", || {
            Ok(tracer.calls().get(spoken).is_some_and(|count| *count >= ADVERTS))
        })?;
        let calls = tracer.calls();
        drop(tracer);
        let strange: Vec<_> = calls.keys().filter(|name| !NAMED.contains(&name.as_str())).collect();
        assert!(strange.is_empty(), "{machine}: {calls:?}");
        let (all, adverts) = (calls.values().sum::<u32>(), calls[spoken]);
        let each = f64::from(all) / f64::from(adverts);
        figures::note(format!("system calls for an advert, {machine}"), format!("{each:.2}"));
        // Once a second it looks after the hand, and a timer of before may wake it up.
        assert!(each <= most + 0.5, "{machine}: {each:.2} system calls for an advert: {calls:?}");
    }
    Ok(())
}

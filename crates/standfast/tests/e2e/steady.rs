//! The steady state costs no system call but those that the architecture names: each advert passes through here for
//! years.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use lab::Signal;
use lab::harness::{Outcome, Stop, Test, fail, program};
use rustix::process::{Pid, kill_process};

use crate::conf::{Flavour, LB01, LB02};
use crate::figures;
use crate::pair::{self, Node, SOON};
use crate::see;

/// Waiting, hearing, speaking, saying when to wake up; and waiting for a crowd to be complete.
const NAMED: [&str; 6] =
    ["epoll_pwait2", "epoll_wait", "recvmmsg", "sendmmsg", "timerfd_settime", "clock_nanosleep"];
/// What a turn asks besides that begins a millisecond late, as the tracer makes some: five bells and two sockets. If each
/// turn did, there would be more of them than adverts.
const LATE: [&str; 2] = ["read", "recvfrom"];
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

    /// How often each was called, as far as it has been written; and how many datagrams were sent or received.
    fn calls(&self) -> (BTreeMap<String, u32>, BTreeMap<String, u32>) {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let (mut calls, mut datagrams) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            let (Some((name, _)), Some((_, result))) = (line.split_once('('), line.rsplit_once(" = ")) else {
                continue;
            };
            *calls.entry(name.to_owned()).or_default() += 1;
            if let Ok(count @ 1..) = result.trim().parse::<u32>()
                && name.ends_with("mmsg")
            {
                *datagrams.entry(name.to_owned()).or_default() += count;
            }
        }
        // What was interrupted when the tracer came goes on under this name.
        calls.remove("restart_syscall");
        (calls, datagrams)
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
    lb01.wait_for_line("in place", SOON)?;
    let lb02 = Node::ours(lab.machine(LB02)?, instance(LB02))?.start()?;
    lb02.wait_for_line("follows", SOON)?;
    for (machine, running, spoken, most) in [(LB01, &lb01, "sendmmsg", 4), (LB02, &lb02, "recvmmsg", 2)] {
        let thread = running.processes().iter().find_map(|process| process.thread("packet"));
        let thread = thread.ok_or_else(|| fail("no packet thread"))?;
        let tracer = Tracer::attach(thread, lab.directory().join(format!("{machine}.calls")))?;
        let adverts = |tracer: &Tracer| tracer.calls().1.get(spoken).copied().unwrap_or(0);
        see::wait_until("the tracer sees adverts", || Ok(adverts(&tracer) >= ADVERTS))?;
        let (calls, datagrams) = tracer.calls();
        drop(tracer);
        let is_strange = |name: &str| !NAMED.contains(&name) && !LATE.contains(&name);
        assert!(!calls.keys().any(|name| is_strange(name)), "{machine}: {calls:?}");
        let adverts = datagrams[spoken];
        let steady = calls.iter().filter(|(name, _)| !LATE.contains(&name.as_str()));
        let all = steady.map(|(_, count)| count).sum::<u32>();
        figures::note(
            format!("system calls for an advert, {machine}"),
            format!("{:.2}", f64::from(all) / f64::from(adverts)),
        );
        // Once a second it looks after the hand, and once in each Active_Down_Interval the timer goes off that was set
        // before the last adverts came.
        for (name, count) in &calls {
            assert!(*count <= adverts + 10, "{machine}: {adverts} adverts, {name} {count} times: {calls:?}");
        }
        assert!(all <= most * adverts + 30, "{machine}: {adverts} adverts: {calls:?}");
    }
    Ok(())
}

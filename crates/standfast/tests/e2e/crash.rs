//! The daemon dies, in part or whole, or stands still: its addresses do not outlive it, what is left over is
//! cleared away, and what an administrator has set stays.

use std::io::{Read as _, Write as _};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, fail};
use lab::{Capture, Client, Deadline, Lab, Signal};
use rustix::process::{Pid, kill_process};

use crate::conf::{Flavour, Instance, LB01, LB02, ip};
use crate::figures;
use crate::pair::{self, ELECTION, Kind, Node, Running, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "crash::sbt_5_a_worker_that_is_killed_twice_loses_its_address_and_another_starts",
            worker_killed,
        ),
        Test::new("crash::a_killed_worker_s_backup_takes_over_alone", worker_killed_pair),
        Test::new("crash::a_killed_supervisor_s_worker_resigns", supervisor_killed),
        Test::new("crash::bk_6_what_a_crash_left_is_removed_at_the_next_start", leftovers),
        Test::new(
            "crash::bk_6_a_backup_that_crashed_as_active_starts_without_the_address",
            leftover_of_a_backup,
        ),
        Test::slow("crash::sbt_4_a_frozen_active_settles_after_it_goes_on", frozen),
        Test::new("crash::a_log_that_nobody_reads_holds_up_nothing", full_log),
        Test::new("crash::what_stands_in_the_way_later_is_tried_again", broken_later),
        Test::new("stop::sigint_ends_it_in_order_as_well", || stops_by(Signal::INT)),
        Test::slow("stop::a_worker_that_does_not_end_is_killed_and_its_address_removed", hung_worker),
        Test::new("stop::sm_bkp_2_trap_19_a_backup_says_nothing_when_it_ends", backup_stops),
        Test::new("stop::an_end_in_the_middle_of_the_start_is_in_order", stops_at_once),
    ]
}

fn instance() -> Instance {
    Flavour::V3.instance(LB01).every("0.3")
}

/// lb01 alone, Active and holding.
fn active(lab: &Lab) -> Result<(Node, Running), Stop> {
    active_every(lab, "0.3")
}

fn active_every(lab: &Lab, interval: &str) -> Result<(Node, Running), Stop> {
    let lb01 = lab.machine(LB01)?;
    let node = Node::ours(lb01, instance().every(interval).file())?;
    let running = node.start_active()?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    Ok((node, running))
}

/// The process number of the worker.
pub(crate) fn worker(running: &Running) -> Result<i32, Stop> {
    match running.processes().as_slice() {
        [_, worker] => Ok(worker.pid),
        others => Err(fail(format!("a supervisor and a worker were expected: {others:?}"))),
    }
}

/// The first death in a long time: another worker goes on. To be asked of a router that advertises every second: on a
/// busy machine, a worker needs its time to start.
fn kill_first(running: &Running) -> Outcome {
    let mark = running.lines().mark();
    running.signal_process(worker(running)?, Signal::KILL)?;
    running.wait_for_line_from(mark, "where the worker before it left off", SOON)?;
    Ok(())
}

fn worker_killed() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let (_node, running) = active_every(&lab, "1")?;
    let watch = lb01.watch_addresses()?;
    let first = worker(&running)?;
    kill_first(&running)?;
    let mark = running.lines().mark();
    let killed = lab::now();
    running.signal_process(worker(&running)?, Signal::KILL)?;
    let gone = watch.wait_for_address_gone(0, ip("10.0.0.3"), SOON)?.at;
    figures::time("address gone after the worker was killed", gone.since(killed));
    assert!(gone.since(killed) < Duration::from_millis(500), "{:?}", gone.since(killed));
    running.wait_for_line_from(mark, "worker ended unexpectedly", SOON)?;
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    assert_ne!(worker(&running)?, first);
    running.stop()?;
    assert!(!lb01.holds(ip("10.0.0.3"))?);
    Ok(())
}

fn worker_killed_pair() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let nodes = pair::nodes(&lab, [Kind::Standfast; 2], |name| {
        let instance = Flavour::V3.instance(name).every("1");
        if name == LB01 { instance.state("BACKUP").line("nopreempt").file() } else { instance.file() }
    })?;
    let running = pair::settle(&nodes)?;
    let asking = Client::start(lab.machine("client")?, ip("10.0.0.3"))?;
    asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    kill_first(&running[0])?;
    let begun = lab::now();
    running[0].signal_process(worker(&running[0])?, Signal::KILL)?;
    running[1].enters("VI_1", "MASTER", ELECTION)?;
    asking.wait_for_answer_by(lb02.mac("eth0")?, SOON)?;
    // From the first answer of the new holder on, nobody else answers.
    let spans = asking.timeline().since(begun).spans();
    let of: Vec<_> = spans.iter().map(|span| span.by).collect();
    assert!(of == [lb01.mac("eth0")?, lb02.mac("eth0")?] || of == [lb02.mac("eth0")?], "{spans:?}");
    assert!(!lb01.holds(ip("10.0.0.3"))?);
    Ok(())
}

fn supervisor_killed() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let (node, running) = active(&lab)?;
    let watch = lb01.watch_addresses()?;
    let killed = lab::now();
    running.signal(Signal::KILL)?;
    let resigned = capture.wait_for("it resigns", SOON, |record| record.advert() == Some((50, 0)))?;
    let gone = watch.wait_for_address_gone(0, ip("10.0.0.3"), SOON)?.at;
    figures::time("address gone after the supervisor was killed", gone.since(killed));
    assert!(gone.since(killed) < Duration::from_millis(500) && resigned.at >= killed);
    // The place is free again.
    let again = node.start_active()?;
    again.stop()
}

/// A process that is killed if the test does not end it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

impl Killed {
    fn signal(&self, signal: Signal) -> Outcome {
        Ok(kill_process(Pid::from_child(&self.0), signal)?)
    }

    /// Its only child.
    fn child(&self) -> Result<Pid, Stop> {
        let pid = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let child = children.trim().parse().ok().and_then(Pid::from_raw);
        child.ok_or_else(|| fail(format!("one child was expected: {children:?}")))
    }

    fn wait(&mut self) -> Result<ExitStatus, Stop> {
        let deadline = Deadline::from(SOON);
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            if deadline.is_past() {
                return Err(fail("it does not end"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn full_log() -> Outcome {
    const SIZE: usize = 4096;
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let node = Node::ours(lb01, instance().every("1").file())?;
    let (mut reader, mut writer) = std::io::pipe()?;
    rustix::pipe::fcntl_setpipe_size(&writer, SIZE)?;
    writer.write_all(&[b'.'; SIZE])?;
    let watch = lb01.watch_addresses()?;
    let mut command = lb01.command(pair::ours());
    command.args(["run", "-f"]).arg(&node.conf).arg("-p").arg(&node.pid_file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer);
    let mut daemon = Killed(command.spawn()?);
    drop(command);
    lb01.wait_until_holds(ip("10.0.0.3"), true, ELECTION)?;
    // Another one goes on; the second death within a minute is a loop.
    let first = daemon.child()?;
    kill_process(first, Signal::KILL)?;
    see::wait_until("another worker starts", || Ok(daemon.child().is_ok_and(|next| next != first)))?;
    assert!(lb01.holds(ip("10.0.0.3"))?);
    let killed = lab::now();
    kill_process(daemon.child()?, Signal::KILL)?;
    let gone = watch.wait_for_address_gone(0, ip("10.0.0.3"), SOON)?.at;
    assert!(gone.since(killed) < Duration::from_millis(500), "{:?}", gone.since(killed));
    lb01.wait_until_holds(ip("10.0.0.3"), true, ELECTION)?;
    // Somebody reads again: then it is said what is missing.
    let mut read = [0; SIZE];
    reader.read_exact(&mut read)?;
    assert!(read.iter().all(|byte| *byte == b'.'), "nothing fitted in");
    daemon.signal(Signal::HUP)?;
    let count = reader.read(&mut read)?;
    let said = String::from_utf8_lossy(&read[..count]).into_owned();
    assert!(said.contains("log lines were lost"), "{said}");
    // And in the meantime nobody does.
    daemon.signal(Signal::TERM)?;
    assert!(daemon.wait()?.success());
    assert!(!lb01.holds(ip("10.0.0.3"))?);
    Ok(())
}

fn broken_later() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let (node, running) = active(&lab)?;
    node.write(instance().file().replace("virtual_router_id 50", "virtual_router_id"))?;
    let mark = running.lines().mark();
    running.signal_process(worker(&running)?, Signal::KILL)?;
    let (mark, _) =
        running.wait_for_line_from(mark, "the configuration cannot run; trying again in", SOON)?;
    assert!(!lb01.holds(ip("10.0.0.3"))?);
    // Mended, and told so: it does not wait for the end of its pause.
    running.wait_for_line_from(mark, "trying again in 4 s: standfast check", SOON)?;
    node.write(instance().file())?;
    let mark = running.lines().mark();
    let told = lab::now();
    running.signal(Signal::HUP)?;
    let (_, line) = running.wait_for_line_from(mark, "reading", SOON)?;
    assert!(line.at.since(told) < Duration::from_secs(2), "{:?}", line.at.since(told));
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    running.stop()
}

/// Crashes lb01's daemon whole; only the kernel still has the address.
fn crashed(lab: &Lab) -> Result<Node, Stop> {
    let (node, running) = active(lab)?;
    running.kill_crash()?;
    assert!(node.machine.holds(ip("10.0.0.3"))?, "nobody was left who could remove it");
    Ok(node)
}

fn leftovers() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    // An administrator's addresses, before and after, in the same subnet and of the same shape.
    lb01.add_address("eth0", "10.0.0.77/32".parse()?)?;
    let node = crashed(&lab)?;
    lb01.add_address("eth0", "10.0.0.78/24".parse()?)?;
    // The address is no longer configured.
    let mut other = instance();
    other.addresses = vec!["10.0.0.4".into()];
    node.write(other.file())?;
    let watch = lb01.watch_addresses()?;
    let started = lab::now();
    let running = node.start()?;
    let gone = watch.wait_for_address_gone(0, ip("10.0.0.3"), SOON)?.at;
    figures::time("left-over address gone after the start", gone.since(started));
    running.enters("VI_1", "MASTER", ELECTION)?;
    lb01.wait_until_holds(ip("10.0.0.4"), true, SOON)?;
    running.wait_for_line("10.0.0.3", SOON)?;
    running.stop()?;
    for (address, stays) in
        [("10.0.0.3", false), ("10.0.0.4", false), ("10.0.0.77", true), ("10.0.0.78", true)]
    {
        assert_eq!(lb01.holds(ip(address))?, stays, "{address}");
    }
    Ok(())
}

fn leftover_of_a_backup() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let node = crashed(&lab)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let holder = Node::ours(lb02, Flavour::V3.instance(LB02).every("0.3").priority(200).file())?;
    let holder = holder.start_active()?;
    let again = node.spawn()?;
    again.enters("VI_1", "BACKUP", SOON)?;
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    see::wait_for_adverts(&capture, ip("10.0.0.6"), 5, SOON)?;
    assert_eq!((again.count("Entering MASTER"), holder.count("Entering BACKUP")), (0, 1));
    assert!(lb02.holds(ip("10.0.0.3"))?);
    // It can hold it again, and give it back.
    holder.stop()?;
    again.enters("VI_1", "MASTER", ELECTION)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    again.stop()?;
    assert!(!lb01.holds(ip("10.0.0.3"))?);
    Ok(())
}

fn frozen() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02, client) = (lab.machine(LB01)?, lab.machine(LB02)?, lab.machine("client")?);
    let capture = Capture::start(client, "eth0")?;
    let nodes = pair::nodes(&lab, [Kind::Standfast; 2], |name| Flavour::V2Pass.instance(name).file())?;
    let running = pair::settle(&nodes)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let before = worker(&running[0])?;
    running[0].freeze()?;
    running[1].enters("VI_1", "MASTER", ELECTION)?;
    lb02.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    // Some 5 s after it began.
    see::wait_for_adverts(&capture, ip("10.0.0.6"), 2, SOON)?;
    let (mark, other) = (running[0].lines().mark(), running[1].lines().mark());
    running[0].thaw()?;
    running[1].enters_from(other, "VI_1", "BACKUP", ELECTION)?;
    lb02.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let asking = Client::start(client, ip("10.0.0.3"))?;
    asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 3, SOON)?;
    assert!(lb01.holds(ip("10.0.0.3"))? && !lb02.holds(ip("10.0.0.3"))?);
    let moves = running[0].lines().from_mark(mark);
    let moves = moves.iter().filter(|line| line.text.contains("Entering")).count();
    // All of it stood still: nobody is to blame.
    assert_eq!((worker(&running[0])?, running[0].count("hangs")), (before, 0));
    figures::note("transitions of a frozen Active after it went on", moves);
    assert!(moves <= 2, "it settles");
    Ok(())
}

fn stops_by(signal: Signal) -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let (node, running) = active(&lab)?;
    running.signal(signal)?;
    assert_eq!(running.wait(SOON)?, lab::Ended::Code(0));
    capture.wait_for("it resigns", SOON, |record| record.advert() == Some((50, 0)))?;
    assert!(!lb01.holds(ip("10.0.0.3"))?);
    assert!(!pair::exists(lb01, &node.pid_file)?);
    Ok(())
}

fn hung_worker() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let (node, running) = active(&lab)?;
    // The thread that obeys orders; adverts go on.
    lab::stop_thread(worker(&running)?)?;
    let asked = lab::now();
    running.term()?;
    running.wait(ELECTION)?;
    figures::time("end with a hung worker", lab::now().since(asked));
    running.wait_for_line("did not end in time", SOON)?;
    assert!(!lb01.holds(ip("10.0.0.3"))?);
    assert!(!pair::exists(lb01, &node.pid_file)?);
    Ok(())
}

fn backup_stops() -> Outcome {
    let lab = pair::three()?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let nodes =
        pair::nodes(&lab, [Kind::Standfast; 2], |name| Flavour::V3.instance(name).every("0.3").file())?;
    let running = pair::settle(&nodes)?;
    running[1].stop()?;
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 3, SOON)?;
    let all = see::adverts(&capture.records());
    assert!(all.iter().all(|advert| advert.source == ip("10.0.0.5") && advert.priority == 150), "{all:?}");
    assert_eq!(running[0].count("Entering"), 2);
    Ok(())
}

fn stops_at_once() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let node = Node::ours(lb01, instance().file())?;
    // Once as early as it can be told at all, once when the worker reads its file.
    for wait in [false, true] {
        let running = node.spawn()?;
        if wait {
            running.wait_for_line("reading", SOON)?;
        } else {
            running.wait_for_line("starting", SOON)?;
        }
        running.stop()?;
        assert!(!pair::exists(lb01, &node.pid_file)?);
        assert!(running.processes().is_empty());
    }
    Ok(())
}

//! A worker dies or hangs while it is Active: another one goes on before any peer notices, or the address is gone before
//! one takes over.

use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, fail};
use lab::{Capture, Change, Client, Lab, Signal, Watch};
use timeline::Instant;

use crate::conf::{Flavour, LB01, LB02, ip};
use crate::crash::worker;
use crate::figures;
use crate::pair::{self, ELECTION, Kind, Node, Running, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("hang::a_killed_worker_s_successor_goes_on_and_our_peer_notices_nothing", || {
            unseen(Kind::Standfast)
        }),
        Test::new(
            "hang::sm_init_9_a_killed_worker_s_successor_goes_on_and_keepalived_notices_nothing",
            || unseen(Kind::Keepalived),
        ),
        Test::new("hang::sbf_5_a_stopped_worker_is_ended_and_another_goes_on_unseen", || hangs("1", stop)),
        Test::new("hang::a_worker_whose_packet_thread_is_stuck_is_ended_and_never_makes_two_holders", || {
            hangs("1", stop_packet_thread)
        }),
        Test::new("hang::sbf_5_with_fast_adverts_a_stopped_worker_never_makes_two_holders", || {
            hangs("0.1", stop)
        }),
        Test::new("hang::sbf_5_with_the_fastest_adverts_a_stopped_worker_leaves_one_holder", || {
            hangs("0.02", stop)
        }),
        Test::new("hang::what_is_configured_no_longer_is_not_gone_on_with", other_address),
        Test::new("hang::authenticated_adverts_go_on_with_their_sequence_numbers", sealed),
    ]
}

fn kill(running: &Running) -> Outcome {
    Ok(running.signal_process(worker(running)?, Signal::KILL)?)
}

fn stop(running: &Running) -> Outcome {
    Ok(running.signal_process(worker(running)?, Signal::STOP)?)
}

fn stop_packet_thread(running: &Running) -> Outcome {
    Ok(lab::stop_thread(lab::thread_of(worker(running)?, "packet")?)?)
}

/// When the address was there and when it was not.
fn changes(watch: &Watch) -> Vec<(Instant, bool)> {
    let of = |event: lab::Event| match event.change {
        Change::Address { address, .. } => Some((event.at, address.address, true)),
        Change::AddressGone { address, .. } => Some((event.at, address.address, false)),
        Change::Link { .. } | Change::LinkGone { .. } | Change::Port { .. } | Change::Lost => None,
    };
    let all = watch.events().all().into_iter().filter_map(of);
    all.filter(|(_, address, _)| *address == ip("10.0.0.3")).map(|(at, _, there)| (at, there)).collect()
}

/// With adverts every second: the peer stays Backup, the address stays, the client is answered.
fn unseen(peer: Kind) -> Outcome {
    let lab = pair::three()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let nodes = pair::nodes(&lab, [Kind::Standfast, peer], |name| Flavour::V2Pass.instance(name).file())?;
    let running = pair::settle(&nodes)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let asking = Client::start(client, ip("10.0.0.3"))?;
    asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    let capture = Capture::start(client, "eth0")?;
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 1, SOON)?;
    let watch = lb01.watch_addresses()?;
    let (first, mark) = (worker(&running[0])?, running[0].lines().mark());
    let harmed = lab::now();
    kill(&running[0])?;
    if !goes_on(&running[0], mark, harmed)? {
        return Ok(());
    }
    // Long enough for a peer that has missed something.
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 6, ELECTION)?;
    assert_ne!(worker(&running[0])?, first);
    let adverts = see::adverts(&capture.records());
    assert!(adverts.iter().all(|a| (a.source, a.priority) == (ip("10.0.0.5"), 150)), "{adverts:?}");
    let times: Vec<_> = adverts.iter().map(|advert| advert.at).collect();
    figures::time("longest pause between its adverts", see::widest(&times));
    assert!(see::widest(&times) < Duration::from_secs(3), "{times:?}");
    assert_eq!(changes(&watch), [], "the address was never touched");
    assert_eq!(running[1].count("Entering MASTER"), 0);
    let silence = asking.timeline().since(harmed).longest_silence();
    figures::time("client silent", silence);
    // Nobody took the address away; a client that gets no processor is silent too.
    assert!(silence < Duration::from_secs(2), "{silence:?}");
    Ok(())
}

/// The address is never on both machines, whether another worker could go on or not, if the supervisor came to it in time.
/// With adverts every second another one can, if the machine did not stand still meanwhile. With the fastest adverts all
/// that is left is the time that telling the two apart takes here: one of them holds it in the end.
fn hangs(interval: &str, harm: fn(&Running) -> Outcome) -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let nodes = pair::nodes(&lab, [Kind::Standfast; 2], |name| {
        let quick = Flavour::V3.instance(name).every(interval);
        // Who comes back does not take the address back: there is one change of holders at most.
        if name == LB01 { quick.state("BACKUP").line("nopreempt").file() } else { quick.file() }
    })?;
    let running = pair::settle(&nodes)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let watches = [lb01.watch_addresses()?, lb02.watch_addresses()?];
    let mark = running[0].lines().mark();
    let harmed = lab::now();
    harm(&running[0])?;
    let (_, line) = running[0].wait_for_line_from(mark, "hangs and was killed", SOON)?;
    figures::time(format!("hang noticed with adverts every {interval} s"), line.at.since(harmed));
    // Whoever holds it then says so a few times.
    let (after, mut count) = (line.at, 0);
    capture.wait_for("adverts of who holds the address", ELECTION, |record| {
        count += u32::from(record.at > after && record.advert().is_some_and(|(_, priority)| priority > 0));
        count == 5
    })?;
    let [old, new] = [changes(&watches[0]), changes(&watches[1])];
    figures::note(format!("went on with adverts every {interval} s"), old.is_empty());
    let taken = new.iter().find(|(_, there)| *there).map(|(at, _)| *at);
    let gone = old.iter().find(|(_, there)| !*there).map(|(at, _)| *at);
    let in_time = line.text.contains("is 1.0 s late (it is stopped)");
    match (gone, taken) {
        (None, None) => {}
        (Some(_), _) if in_time && ended_at_once(&running[0], mark) => {
            return Err(fail("there was time for another worker to go on"));
        }
        (Some(gone), Some(taken)) => {
            let seconds: f64 = interval.parse().map_err(|_| fail("an interval in seconds"))?;
            let late = lateness(&line.text).ok_or_else(|| fail(format!("how late? {}", line.text)))?;
            // As late as a supervisor can be that got a processor when it wanted one.
            let judged = seconds >= 0.1 && late < seconds * 1.05;
            figures::note(format!("two holders looked for with adverts every {interval} s"), judged);
            let both = gone >= taken + Duration::from_millis(5);
            assert!(!(judged && both), "two holders: {old:?} {new:?}");
        }
        others => return Err(fail(format!("gone from one and set on the other: {others:?}"))),
    }
    assert!(lb01.holds(ip("10.0.0.3"))? != lb02.holds(ip("10.0.0.3"))?);
    Ok(())
}

/// How late a worker was that hangs, in seconds, as the log says it.
fn lateness(line: &str) -> Option<f64> {
    let (late, _) = line.split_once("sends adverts is ")?.1.split_once(" late")?;
    let (number, unit) = late.split_once(' ')?;
    let number: f64 = number.parse().ok()?;
    match unit {
        "ms" => Some(number / 1_000.0),
        "s" => Some(number),
        _ => None,
    }
}

/// Waits until another worker goes on. False: the machine was so busy that it hardly got to its configuration in time.
fn goes_on(running: &Running, mark: usize, harmed: Instant) -> Result<bool, Stop> {
    let (_, begins) = running.wait_for_line_from(mark, "reading ", ELECTION)?;
    let begins = begins.at.since(harmed);
    if begins > Duration::from_secs(1) {
        figures::time("not judged: another worker begins after", begins);
        return Ok(false);
    }
    let (_, line) = running.wait_for_line_from(mark, "where the worker before it left off", ELECTION)?;
    figures::time("another worker goes on after", line.at.since(harmed));
    Ok(true)
}

/// Whether the killed worker was gone before what it held had to be removed.
fn ended_at_once(running: &Running, mark: usize) -> bool {
    let lines = running.lines().from_mark(mark);
    lines.iter().any(|line| line.text.contains("its addresses stay, and another worker has"))
        && !lines.iter().any(|line| line.text.contains("no new worker was ready in time"))
}

fn alone(lab: &Lab, file: &str) -> Result<(Node, Running), Stop> {
    let lb01 = lab.machine(LB01)?;
    let node = Node::ours(lb01, file)?;
    let running = node.start_active()?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    Ok((node, running))
}

fn other_address() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let instance = Flavour::V3.instance(LB01).every("1");
    let (node, running) = alone(&lab, &instance.file())?;
    let mut other = instance;
    other.addresses = vec!["10.0.0.4".into()];
    node.write(other.file())?;
    let (mark, harmed) = (running.lines().mark(), lab::now());
    kill(&running)?;
    goes_on(&running, mark, harmed)?;
    lb01.wait_until_holds(ip("10.0.0.4"), true, SOON)?;
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    running.stop()?;
    assert!(!lb01.holds(ip("10.0.0.4"))?);
    Ok(())
}

/// keepalived drops an advert whose number is not greater than the last one.
fn sealed() -> Outcome {
    let lab = pair::three()?;
    let nodes =
        pair::nodes(&lab, [Kind::Standfast, Kind::Keepalived], |name| Flavour::V2Ah.instance(name).file())?;
    let running = pair::settle(&nodes)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 2, SOON)?;
    let (mark, harmed) = (running[0].lines().mark(), lab::now());
    kill(&running[0])?;
    if !goes_on(&running[0], mark, harmed)? {
        return Ok(());
    }
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 7, ELECTION)?;
    assert_eq!(running[1].count("Entering MASTER"), 0, "it believes what it hears");
    Ok(())
}

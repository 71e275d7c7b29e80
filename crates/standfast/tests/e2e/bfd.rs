//! BFD sessions with other implementations, what they steer, and what must not take them down.

use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, program, skip};
use lab::{Lab, Machine, Signal};

use crate::conf::{Instance, LB01, LB02, ip};
use crate::crash;
use crate::figures;
use crate::frr;
use crate::pair::{self, ELECTION, Kind, Node, Running, SLACK, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("bfd::keepalived_is_the_neighbour_over_both_families", keepalived),
        Test::new("bfd::frr_is_the_neighbour", frr_is_the_neighbour),
        Test::new("bfd::a_reload_and_the_death_of_a_worker_move_nothing", ours),
        Test::new("bfd::a_neighbour_that_never_speaks_is_waited_for", silent),
        Test::new("bfd::a_port_that_is_taken_is_unknown_and_no_failure", taken),
    ]
}

/// 100 ms three times: the Detection Time with a neighbour of the same configuration.
const DETECTION: Duration = Duration::from_millis(300);
const UP: &str = "(partner) Entering Up state";
const EXPIRED: &str = "(partner) Entering Down state (Local diagnostic - Control Detection Time Expired";

fn session(name: &str, neighbor: &str, more: &str) -> String {
    format!(
        "bfd_instance {name} {{\n    neighbor_ip {neighbor}\n    min_rx 100\n    min_tx 100\n    multiplier 3\n{more}}}\n"
    )
}

fn instance(tracks: &str) -> String {
    let tracked = format!("track_bfd {{\n{tracks}\n    }}");
    Instance::new("VI_1", 50).line("version 3").line(tracked).address("10.0.0.3/24").file()
}

/// The path to the neighbour is cut while every link has carrier: FAULT in time, and back. `also`: what is logged too.
fn cut_and_heal(lab: &Lab, running: &Running, what: &str, also: &str) -> Outcome {
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let (mark, cut) = (running.lines().mark(), lab::now());
    lab.isolate(&[lb01, lb02])?;
    let (_, noticed) = running.wait_for_line_from(mark, EXPIRED, SOON)?;
    let time = noticed.at.since(cut);
    figures::time(format_args!("{what}: BFD notices a cut (detection time 300 ms)"), time);
    assert!(time < DETECTION + SLACK, "{time:?}");
    running.wait_for_line_from(mark, "VRRP_Instance(VI_1) Tracked BFD instance partner is DOWN", SOON)?;
    running.enters_from(mark, "VI_1", "FAULT", SOON)?;
    running.wait_for_line_from(mark, also, SOON)?;
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    let mark = running.lines().mark();
    lab.heal()?;
    running.wait_for_line_from(mark, UP, SOON)?;
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    Ok(())
}

fn keepalived() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    // keepalived sends a hop limit of 64 over IPv6 unless it is told otherwise, and must take our 255.
    let theirs = session("partner", "10.0.0.5", "") + &session("six", "fd00:10::5", "");
    let theirs = Node::new(lb02, Kind::Keepalived, theirs)?.spawn()?;
    let conf = session("partner", "10.0.0.6", "") + &session("six", "fd00:10::6", "");
    let node = Node::ours(lb01, conf + &instance("partner\nsix weight 20"))?;
    let running = node.start()?;
    running.wait_for_line(UP, SOON)?;
    running.wait_for_line("(six) Entering Up state", SOON)?;
    theirs.wait_for_line(UP, SOON)?;
    theirs.wait_for_line("(six) Entering Up state", SOON)?;
    running.enters("VI_1", "MASTER", ELECTION)?;
    running.wait_for_line("priority from 100 to 120", SOON)?;
    assert_eq!(running.count("FAULT"), 0, "{}", running.log());
    let six = "VRRP_Instance(VI_1) Tracked BFD instance six is DOWN";
    cut_and_heal(&lab, &running, "keepalived", six)?;
    // It is told that we go on purpose.
    let mark = theirs.lines().mark();
    running.stop()?;
    let told = "(partner) Entering Down state (Local diagnostic - Neighbor Signaled Session Down, \
                Remote diagnostic - Administratively Down)";
    theirs.wait_for_line_from(mark, told, SOON)?;
    Ok(())
}

/// What FRR says of its session with lb01.
fn ask(machine: &Machine, directory: &std::path::Path, words: &[&str]) -> Result<String, Stop> {
    let mut command = machine.command(program("vtysh")?);
    command.arg("--vty_socket").arg(directory).args(["-d", "bfdd"]);
    words.iter().for_each(|word| _ = command.args(["-c", word]));
    Ok(String::from_utf8_lossy(&command.output()?.stdout).into_owned())
}

fn frr_is_the_neighbour() -> Outcome {
    if lab::inside().is_some_and(|inside| inside.user_namespace) {
        return Err(skip("FRR insists on becoming another user, and there is only one here"));
    }
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let directory = lab.directory().join("frr");
    std::fs::create_dir(&directory)?;
    let conf = "bfd\n peer 10.0.0.5 interface eth0\n  detect-multiplier 3\n  receive-interval 100\n  \
                transmit-interval 100\n  no shutdown\n";
    std::fs::write(directory.join("zebra.conf"), "")?;
    std::fs::write(directory.join("bfdd.conf"), conf)?;
    frr::succeed(std::process::Command::new("chown").args(["-R", "frr:frr"]).arg(&directory))?;
    let _zebra = frr::start(lb02, &directory, &frr::daemon("zebra")?, &[])?;
    let control = directory.join("bfdd.sock");
    let more = ["--bfdctl".as_ref(), control.as_os_str()];
    let _bfdd = frr::start(lb02, &directory, &frr::daemon("bfdd")?, &more)?;
    let running = Node::ours(lb01, session("partner", "10.0.0.6", "") + &instance("partner"))?.start()?;
    running.wait_for_line(UP, SOON)?;
    running.enters("VI_1", "MASTER", ELECTION)?;
    let peer = || ask(lb02, &directory, &["show bfd peers"]);
    see::wait_until("FRR is up", || Ok(peer()?.contains("Status: up")))?;
    let shown = peer()?;
    assert!(shown.contains("Receive interval: 100ms") && shown.contains("Detect-multiplier: 3"), "{shown}");
    cut_and_heal(&lab, &running, "FRR", EXPIRED)?;
    see::wait_until("FRR is up again", || Ok(peer()?.contains("Status: up")))?;
    // Its administrator takes the session down: that counts as well.
    let mark = running.lines().mark();
    let words = ["configure terminal", "bfd", "peer 10.0.0.5 interface eth0", "shutdown"];
    ask(lb02, &directory, &words)?;
    let told = "Remote diagnostic - No Diagnostic): its administrator took it down";
    running.wait_for_line_from(mark, told, SOON)?;
    running.enters_from(mark, "VI_1", "FAULT", SOON)?;
    running.stop()
}

fn ours() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    // Over several hops as far as the sessions know.
    let hops = "    multihop\n    max_hops 5\n";
    let _neighbor = Node::ours(lb02, session("partner", "10.0.0.5", hops))?.spawn()?;
    let conf = |more: &str| session("partner", "10.0.0.6", &format!("{hops}{more}")) + &instance("partner");
    let node = Node::ours(lb01, conf(""))?;
    let running = node.start()?;
    running.wait_for_line(UP, SOON)?;
    running.enters("VI_1", "MASTER", ELECTION)?;
    // Other intervals are told within the session.
    let mark = running.lines().mark();
    node.write(conf("    min_tx 150\n    min_rx 150\n"))?;
    running.signal(Signal::HUP)?;
    running.wait_for_line_from(mark, "configuration in force", SOON)?;
    see::wait_until("the slower interval is in use", || {
        running.signal(Signal::USR1)?;
        let dump = pair::exists(lb01, &node.dumps().join("keepalived.data"))?
            .then(|| lb01.read(node.dumps().join("keepalived.data")))
            .transpose()?;
        Ok(dump.is_some_and(|dump| dump.contains("Send interval = 150000 usecs")))
    })?;
    // A worker dies: the next one's session begins anew, and the instance goes on meanwhile.
    running.signal_process(crash::worker(&running)?, Signal::KILL)?;
    running.wait_for_line_from(mark, "where the worker before it left off", SOON)?;
    running.wait_for_line_from(mark, UP, SOON)?;
    let since = running.lines().from_mark(mark);
    let moved = |line: &&lab::Line| line.text.contains("FAULT") || line.text.contains("BACKUP");
    assert_eq!(since.iter().filter(moved).count(), 0, "{}", running.log());
    assert!(lb01.holds(ip("10.0.0.3"))?);
    running.stop()
}

fn silent() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let running = Node::ours(lb01, session("partner", "10.0.0.6", "") + &instance("partner"))?.start()?;
    running.wait_for_line("(partner) has not come up within 3 s: it counts as down", SOON)?;
    running.enters("VI_1", "FAULT", SOON)?;
    running.wait_for_line("BFD session partner is down", SOON)?;
    assert_eq!(running.count("MASTER"), 0, "{}", running.log());
    running.stop()
}

fn taken() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let socket = lb01.within(|| std::net::UdpSocket::bind("0.0.0.0:3784"))??;
    let running = Node::ours(lb01, session("partner", "10.0.0.6", "") + &instance("partner"))?.start()?;
    running.wait_for_line("cannot hear BFD packets at IPv4 UDP port 3784: Address already in use", SOON)?;
    running.wait_for_line("(partner) cannot be heard", SOON)?;
    // Nobody else is there, so it serves, with the least priority.
    running.enters("VI_1", "MASTER", ELECTION)?;
    drop(socket);
    running.wait_for_line("(partner) has not come up within 3 s", SOON)?;
    running.enters("VI_1", "FAULT", SOON)?;
    running.stop()
}

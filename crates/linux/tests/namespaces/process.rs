//! What needs a process of its own: death, signals, a forbidden namespace. The test program starts itself in a role.

use crate::space::{self, until};
use crate::trial;
use libtest_mimic::Trial;
use linux::hand::Hand;
use linux::ledger::{Ledger, Reader, State, release_all};
use linux::mailbox::Mailbox;
use linux::netlink::{Netlink, Request};
use linux::pidfile::running_keepalived;
use linux::privileges::{FORBID_NETNS, missing, netns_inode};
use linux::signals::{Received, Signals};
use linux::sockets::{Need, Speaker};
use model::{AddressOptions, VirtualAddress};
use node::io::{Act, Hold, Outcome, Placed, RouterId};
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// The variable that makes the test program play a role.
const ROLE: &str = "STANDFAST_TEST_ROLE";

pub(crate) fn trials(into: &mut Vec<Trial>) {
    into.extend([
        trial("process::what_a_killed_worker_leaves_is_released", killed),
        trial("process::only_marked_addresses_are_released", released),
        trial("process::signals_are_read_and_children_get_the_old_mask", signals),
        trial("process::the_service_manager_is_told", told),
        trial("process::nothing_is_opened_in_a_forbidden_namespace", forbidden),
        trial("process::a_keepalived_beside_us_is_found", keepalived),
        trial("process::root_lacks_no_capability", capabilities),
    ]);
}

/// Plays a role, if this process was started for one.
pub(crate) fn play() -> bool {
    match std::env::var(ROLE).as_deref() {
        Ok("holder") => hold(),
        Ok("signals") => receive_signals(),
        Ok("forbidden") => try_everything(),
        Ok("service") => serve(),
        _ => return false,
    }
    true
}

fn role(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, name).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

/// Holds two addresses until it is killed.
fn hold() {
    let outcomes: Arc<Mailbox<Outcome>> = Arc::new(Mailbox::new().unwrap());
    let ledger = Ledger::create(16).unwrap();
    let fd = ledger.as_fd().as_raw_fd();
    let hand = Hand::start(Arc::clone(&outcomes), ledger).unwrap();
    let addresses = ["10.0.0.3", "2001:db8::3"]
        .map(|text| Placed { interface: 1, address: VirtualAddress::host(text.parse().unwrap()) });
    let act = Act::Add { addresses: Arc::new(addresses), announcements: Arc::new([]) };
    hand.push(Hold { router: RouterId(1), epoch: 1, act });
    until("the outcome", || (outcomes.take(&mut Vec::new()) > 0).then_some(()));
    println!("{fd}");
    // Waits for ever: the other end never writes.
    let _ = std::io::stdin().read(&mut [0]);
}

fn killed() {
    let mut child = role("holder").spawn().unwrap();
    let fd = line(&mut child);
    // As a supervisor would have kept it: the descriptor outlives the process.
    let ledger = std::fs::File::open(format!("/proc/{}/fd/{fd}", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let mut netlink = Netlink::open().unwrap();
    let marked = |netlink: &mut Netlink| {
        netlink.dump_addresses().unwrap().into_iter().filter(|address| address.marked).count()
    };
    assert_eq!(marked(&mut netlink), 2, "its death has released nothing");
    let reader = Reader::open(&ledger).unwrap();
    assert_eq!(reader.entries().len(), 2);
    let released = release_all(&reader, &mut netlink).unwrap();
    assert_eq!((released.removed.len(), released.refused.len()), (2, 0), "{released:?}");
    assert_eq!(marked(&mut netlink), 0);
    assert_eq!(release_all(&reader, &mut netlink).unwrap().gone.len(), 2);
    space::fresh();
    let error = release_all(&reader, &mut Netlink::open().unwrap()).unwrap_err().to_string();
    assert!(error.contains("another network namespace"), "{error}");
}

fn released() {
    let mut netlink = Netlink::open().unwrap();
    let mut ledger = Ledger::create(16).unwrap();
    let mut note = |text: &str, state: Option<State>| -> VirtualAddress {
        let address: IpAddr = text.parse().unwrap();
        let slot = ledger.begin(1, address, 32).unwrap();
        if let Some(state) = state {
            ledger.set(slot, state);
        }
        VirtualAddress::host(address)
    };
    let held = note("10.0.0.1", Some(State::Held));
    let adding = note("10.0.0.2", None);
    let removing = note("10.0.0.3", Some(State::Removing));
    let never_set = note("10.0.0.4", None);
    let administrators = note("10.0.0.5", None);
    let peer = AddressOptions { peer: Some("10.1.0.1".parse().unwrap()), ..AddressOptions::default() };
    let peer = note("10.0.0.6", Some(State::Held)).with(peer);
    for address in [&held, &adding, &removing, &peer] {
        netlink.run(&Request::add_virtual(1, address)).unwrap();
    }
    space::address("lo", "10.0.0.5", 32);
    let report = release_all(&Reader::open(&ledger).unwrap(), &mut netlink).unwrap();
    let ips =
        |entries: &[linux::ledger::Entry]| entries.iter().map(|entry| entry.address).collect::<Vec<_>>();
    assert_eq!(ips(&report.removed), [&held, &adding, &removing, &peer].map(|address| address.address));
    assert_eq!(ips(&report.gone), [never_set.address]);
    assert_eq!(ips(&report.not_ours), [administrators.address]);
    let left = netlink.dump_addresses().unwrap();
    assert!(left.iter().any(|address| address.address == administrators.address));
    assert!(left.iter().all(|address| !address.marked));
}

/// Reads what it is sent and says it; shows what a child of it blocks and ignores.
fn receive_signals() {
    let signals = Signals::block().unwrap();
    assert_eq!(signals.next().unwrap(), None);
    let mut command = Command::new("grep");
    command.args(["-E", "SigBlk|SigIgn", "/proc/self/status"]);
    signals.restore_for(&mut command);
    let shown = command.output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    println!("{shown}");
    // The child's end came too.
    let mut seen = Vec::new();
    until("three signals", || {
        while let Some(Received { signal, sender }) = signals.next().unwrap() {
            seen.push(format!("{signal:?} {}", if sender == std::process::id() { "own" } else { "other" }));
        }
        (seen.len() >= 3).then_some(())
    });
    println!("{}", seen.join(", "));
}

fn signals() {
    let mut child = role("signals").stderr(Stdio::inherit()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    output.read_line(&mut text).unwrap();
    let sets: Vec<u64> =
        text.split_whitespace().filter_map(|word| u64::from_str_radix(word, 16).ok()).collect();
    let ours = [libc::SIGTERM, libc::SIGHUP, libc::SIGCHLD, libc::SIGPIPE].map(|signal| 1u64 << (signal - 1));
    assert_eq!(sets.len(), 2, "{text}");
    for bit in ours {
        assert_eq!((sets[0] & bit, sets[1] & bit), (0, 0), "blocked or ignored: {text}");
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    text.clear();
    output.read_line(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    let mut seen: Vec<_> = text.trim().split(", ").collect();
    seen.sort_unstable();
    assert_eq!(seen, ["Child other", "Hangup other", "Terminate other"]);
}

fn serve() {
    use linux::notify;
    notify::ready("holding 3 addresses");
    notify::reloading();
    notify::status("two\nlines");
    notify::alive();
    notify::stopping();
}

fn told() {
    let path = space::scratch("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let status = role("service").env("NOTIFY_SOCKET", &path).status().unwrap();
    assert!(status.success());
    socket.set_nonblocking(true).unwrap();
    let mut said = Vec::new();
    let mut buffer = [0; 512];
    while let Ok(len) = socket.recv(&mut buffer) {
        said.push(String::from_utf8_lossy(&buffer[..len]).into_owned());
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(said.len(), 5, "{said:?}");
    assert_eq!(said[0], "READY=1\nSTATUS=holding 3 addresses\n");
    assert!(said[1].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{said:?}");
    assert_eq!(said[2], "STATUS=two lines\n");
    assert_eq!(said[4], "STOPPING=1\n");
    assert!(role("service").env_remove("NOTIFY_SOCKET").status().unwrap().success());
}

fn try_everything() {
    let outcomes = Arc::new(Mailbox::new().unwrap());
    let ledger = Ledger::create(1).unwrap();
    let errors = [
        Netlink::open().map(drop).err(),
        Speaker::open(&Need::default()).map(drop).err(),
        Hand::start(outcomes, ledger).map(drop).err(),
        linux::monitor::Monitor::open(0, Arc::default()).map(drop).err(),
    ];
    println!("{}", errors.map(|error| error.map_or("opened".into(), |error| error.to_string())).join("|"));
}

fn forbidden() {
    let here = netns_inode().unwrap();
    for (value, expected) in [
        (
            here.to_string(),
            format!(
                "this is network namespace {here}, which STANDFAST_FORBID_NETNS forbids: nothing was opened and nothing was sent"
            ),
        ),
        (
            "nonsense".into(),
            format!(
                "this is network namespace {here}, which STANDFAST_FORBID_NETNS forbids: nothing was opened and nothing was sent"
            ),
        ),
        ("1".into(), "opened".into()),
    ] {
        let output = role("forbidden").env(FORBID_NETNS, value).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert_eq!(text.split('|').collect::<Vec<_>>(), [expected.as_str(); 4]);
    }
}

fn keepalived() {
    let folder = space::scratch("bin");
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("keepalived");
    std::fs::copy("/bin/sleep", &program).unwrap();
    assert_eq!(running_keepalived(), None);
    let mut child = Command::new(&program).arg("60").spawn().unwrap();
    let found = until("it", running_keepalived);
    assert_eq!(found, child.id());
    // In another network namespace it is nobody's business.
    space::fresh();
    assert_eq!(running_keepalived(), None);
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

fn capabilities() {
    assert_eq!(missing(), []);
    println!("{}", linux::privileges::lock_memory().1);
}

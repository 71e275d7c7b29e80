//! Another implementation: FRR's vrrpd, which puts the address on a device of its own with the virtual MAC.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, fail, program, skip};
use lab::{Capture, Daemon, Lab, Machine};

use crate::conf::{Instance, LB01, LB02, ip};
use crate::pair::{self, ELECTION, Node, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::slow("frr::version_2_both_ways", || both_ways(2)),
        Test::slow("frr::version_3_both_ways", || both_ways(3)),
    ]
}

/// Where Debian has FRR's daemons.
pub(crate) fn daemon(name: &str) -> Result<PathBuf, Stop> {
    let path = PathBuf::from("/usr/lib/frr").join(name);
    if path.exists() { Ok(path) } else { Err(Stop::Missing(format!("FRR's {name} is not installed"))) }
}

/// zebra and vrrpd on a machine, with VRID 50.
struct Frr {
    machine: Machine,
    directory: PathBuf,
    _daemons: [Daemon; 2],
}

impl Frr {
    fn start(lab: &Lab, machine: &Machine, version: u8) -> Result<Self, Stop> {
        if lab::inside().is_some_and(|inside| inside.user_namespace) {
            return Err(skip("FRR insists on becoming another user, and there is only one here"));
        }
        let binaries = [daemon("zebra")?, daemon("vrrpd")?];
        program("vtysh")?;
        // The device must be there before zebra starts.
        for words in [
            "link add vrrp4-2 link eth0 type macvlan mode bridge",
            "link set vrrp4-2 address 00:00:5e:00:01:32",
            "addr add 10.0.0.3/24 dev vrrp4-2",
            "link set vrrp4-2 up",
        ] {
            succeed(machine.command(program("ip")?).args(words.split(' ')))?;
        }
        let directory = lab.directory().join("frr");
        std::fs::create_dir(&directory)?;
        let conf = format!(
            "interface eth0\n vrrp 50 version {version}\n vrrp 50 priority 120\n \
             vrrp 50 advertisement-interval 1000\n vrrp 50 ip 10.0.0.3\n"
        );
        std::fs::write(directory.join("zebra.conf"), "")?;
        std::fs::write(directory.join("vrrpd.conf"), conf)?;
        succeed(Command::new("chown").args(["-R", "frr:frr"]).arg(&directory))?;
        let [zebra, vrrpd] = &binaries;
        let daemons = [start(machine, &directory, zebra, &[])?, start(machine, &directory, vrrpd, &[])?];
        Ok(Self { machine: machine.clone(), directory, _daemons: daemons })
    }

    /// Whether vrrpd says that it is in this state.
    fn is(&self, state: &str) -> Result<bool, Stop> {
        let mut command = self.machine.command(program("vtysh")?);
        command.arg("--vty_socket").arg(&self.directory).args(["-d", "vrrpd", "-c", "show vrrp"]);
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().any(|line| line.contains("Status (v4)") && line.contains(state)))
    }
}

/// Starts one of FRR's daemons with its files in `directory`, and waits until it can be asked.
pub(crate) fn start(
    machine: &Machine,
    directory: &Path,
    binary: &Path,
    more: &[&std::ffi::OsStr],
) -> Result<Daemon, Stop> {
    let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = |end: &str| directory.join(format!("{name}.{end}"));
    let daemon = machine.spawn(binary, |command| {
        command.arg("--vty_socket").arg(directory).arg("-z").arg(directory.join("zserv"));
        command.arg("-i").arg(file("pid")).arg("-f").arg(file("conf"));
        command.args(["-A", "127.0.0.1", "-P", "0", "--log", "stdout"]).args(more);
    })?;
    see::wait_until(&format!("{name} listens"), || Ok(file("vty").exists()))?;
    Ok(daemon)
}

pub(crate) fn succeed(command: &mut Command) -> Outcome {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(fail(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}

fn both_ways(version: u8) -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02, client) = (lab.machine(LB01)?, lab.machine(LB02)?, lab.machine("client")?);
    let capture = Capture::start(client, "eth0")?;
    let frr = Frr::start(&lab, lb02, version)?;
    capture.wait_for("FRR is Active alone", ELECTION, |record| record.advert() == Some((50, 120)))?;
    let conf = |priority| {
        let instance = Instance::new("VI_1", 50).line(format!("version {version}")).priority(priority);
        instance.address("10.0.0.3/24").file()
    };
    // With less than FRR has we follow it.
    let node = Node::ours(lb01, conf(100))?;
    let running = node.start()?;
    running.wait_for_line("follows 10.0.0.6 (priority 120)", SOON)?;
    let mark = capture.tape().mark();
    capture_more(&capture, mark, 120)?;
    assert_eq!(running.count("Entering MASTER"), 0, "{}", running.log());
    // With more we preempt it.
    node.write(conf(150))?;
    running.signal(lab::Signal::HUP)?;
    running.enters("VI_1", "MASTER", ELECTION)?;
    see::wait_until("FRR is the backup", || frr.is("Backup"))?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let mark = capture.tape().mark();
    capture_more(&capture, mark, 150)?;
    let all = see::adverts(&capture.tape().from_mark(mark));
    assert!(all.iter().all(|advert| advert.priority == 150), "{all:?}");
    // It takes over when we resign.
    running.stop()?;
    see::wait_until("FRR is Active", || frr.is("Master"))?;
    assert!(running.complaints(&["not built yet"]).is_empty(), "{}", running.log());
    see::examine(&capture, &lab, "frr")
}

/// Waits for four adverts of one priority.
fn capture_more(capture: &Capture, mark: usize, priority: u8) -> Outcome {
    let mut seen = 0;
    capture.wait_from(
        mark,
        &format!("four adverts with priority {priority}"),
        Duration::from_secs(12),
        |record| {
            seen += usize::from(record.advert() == Some((50, priority)));
            seen == 4
        },
    )?;
    Ok(())
}

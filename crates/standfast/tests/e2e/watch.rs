//! Files and processes steer the address (S8): a number moves it, a process that ends takes it along.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use lab::Machine;
use lab::harness::{Outcome, Stop, Test};

use crate::conf::{Flavour, LB01, LB02, ip};
use crate::figures;
use crate::pair::{self, ELECTION, Kind, Node, Running, SOON};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = vec![
        Test::new("watch::whatever_lies_in_place_of_a_file_has_a_reason_and_harms_nobody", hostile),
        Test::new("watch::s8_a_process_that_ends_takes_the_address_along", process),
        Test::new("watch::s8_the_manuals_three_ways_to_look", three_ways),
    ];
    for (kind, word) in [(Kind::Standfast, "ours"), (Kind::Keepalived, "theirs")] {
        let name = format!("watch::{word}::a_number_in_a_file_moves_the_address_there_and_back");
        tests.push(Test::new(name, move || number(kind)));
    }
    tests
}

/// A node's file: blocks, then its virtual router with a line, adverts every 0.3 s.
fn conf(name: &str, blocks: &str, line: &str) -> String {
    let instance = Flavour::V3.instance(name).every("0.3").line(line);
    format!("global_defs {{\n    script_user root\n}}\n{blocks}{}", instance.file())
}

fn plain(name: &str) -> String {
    Flavour::V3.instance(name).every("0.3").file()
}

fn tracked_file(path: &Path, lines: &str) -> String {
    format!("track_file number {{\n    file {}\n    {lines}\n}}\n", path.display())
}

/// Waits for both nodes to take new roles, the first one this one, after `act`.
fn moves(running: &[Running; 2], active: usize, act: impl FnOnce() -> Outcome) -> Outcome {
    let marks = [running[0].lines().mark(), running[1].lines().mark()];
    act()?;
    running[active].enters_from(marks[active], "VI_1", "MASTER", ELECTION)?;
    let other = 1 - active;
    running[other].enters_from(marks[other], "VI_1", "BACKUP", ELECTION)?;
    Ok(())
}

fn number(kind: Kind) -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let (file, new) = (lb01.file("number"), lb01.file("number.new"));
    let first = conf(LB01, &tracked_file(&file, "weight 1"), "track_file {\n        number\n    }");
    let nodes = [Node::new(lb01, kind, first)?, Node::new(lb02, kind, plain(LB02))?];
    let running = pair::settle(&nodes)?;
    moves(&running, 1, || Ok(lb01.write(&file, "-60\n")?))?;
    lb02.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    moves(&running, 0, || Ok(lb01.within(|| std::fs::remove_file(&file).unwrap())?))?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    lb01.write(&new, "-0x3c\n")?;
    moves(&running, 1, || Ok(lb01.within(|| std::fs::rename(&new, &file).unwrap())?))?;
    let mark = running[0].lines().mark();
    lb01.write(&file, [0x7f, b'E', b'L', b'F', 2, 0, 255])?;
    if kind == Kind::Standfast {
        let line = "tracked file number does not begin with a number of 32 bits: -60 stays";
        running[0].wait_for_line_from(mark, line, SOON)?;
    } else {
        std::thread::sleep(Duration::from_secs(1));
    }
    // The last number stays in force, on both.
    assert!(lb02.holds(ip("10.0.0.3"))? && !lb01.holds(ip("10.0.0.3"))?);
    moves(&running, 0, || Ok(lb01.write(&file, "0")?))?;
    let [first, second] = running;
    first.stop()?;
    second.stop()
}

fn hostile() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let directory = lb01.file("later");
    let file = directory.join("number");
    let text = tracked_file(&file, "weight 0\n    init_file 5");
    let node = Node::ours(lb01, conf(LB01, &text, "track_file {\n        number\n    }"))?;
    // There is not even a directory: no number is written, and that counts as 0.
    let running = node.start_active()?;
    running.wait_for_line("the first number of tracked file number is not written", SOON)?;
    let log = |line: &str, deed: &dyn Fn()| -> Outcome {
        let mark = running.lines().mark();
        lb01.within(|| {
            let _ = std::fs::remove_file(&file).or_else(|_| std::fs::remove_dir(&file));
        })?;
        deed();
        running.wait_for_line_from(mark, line, SOON)?;
        Ok(())
    };
    lb01.within(|| std::fs::create_dir(&directory).unwrap())?;
    let mark = running.lines().mark();
    lb01.write(&file, "1")?;
    running.enters_from(mark, "VI_1", "FAULT", SOON)?;
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    // Missing, it counts as 0; what comes in its place afterwards changes nothing.
    lb01.within(|| std::fs::remove_file(&file).unwrap())?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    log("number is a directory, not a file: 0 stays", &|| std::fs::create_dir(&file).unwrap())?;
    log("number is a pipe, not a file: 0 stays", &|| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    })?;
    log("number is a device, not a file: 0 stays", &|| {
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
    })?;
    log("number does not begin with a number of 32 bits: 0 stays", &|| {
        // A gigabyte of zero bytes appears at once.
        let new = directory.join("new");
        std::fs::File::create(&new).unwrap().set_len(1 << 30).unwrap();
        std::fs::rename(&new, &file).unwrap();
    })?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    running.stop()
}

/// `sleep` under a name that nobody else on this machine has.
fn program(machine: &Machine, name: &str) -> Result<PathBuf, Stop> {
    let path = machine.file("programs").join(name);
    machine.write(path.parent().unwrap().join("place"), "")?;
    std::fs::copy(lab::harness::program("sleep")?, &path).unwrap();
    Ok(path)
}

fn start(path: &Path) -> Child {
    Command::new(path).arg("1000").spawn().unwrap()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn process() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let unique = format!("sf{}", std::process::id());
    let service = program(lb01, &format!("{unique}-service"))?;
    let long = program(lb01, &format!("{unique}{}", "n".repeat(40)))?;
    // A name of 300 bytes: the kernel keeps the first 15.
    let block = |name: &str, process: &str, lines: &str| {
        format!("vrrp_track_process {name} {{\n    process {process}\n    {lines}\n}}\n")
    };
    let blocks = block("service", &service.display().to_string(), "full_command\n    param_match initial")
        + &block("long", &format!("{unique}{}", "n".repeat(300 - unique.len())), "weight -60");
    let text = conf(LB01, &blocks, "track_process {\n        service\n        long\n    }");
    let nodes = [Node::ours(lb01, &text)?, Node::ours(lb02, plain(LB02))?];
    let (alive, other) = (start(&service), start(&long));
    let running = pair::settle(&nodes)?;
    let since = Instant::now();
    let mark = running[0].lines().mark();
    end(alive);
    running[0].enters_from(mark, "VI_1", "FAULT", SOON)?;
    figures::time("from the end of a tracked process to FAULT", since.elapsed());
    running[0].wait_for_line_from(mark, "Quorum lost for tracked process service (0 running)", SOON)?;
    running[1].enters("VI_1", "MASTER", ELECTION)?;
    lb02.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let mut alive = None;
    moves(&running, 0, || {
        alive = Some(start(&service));
        Ok(())
    })?;
    moves(&running, 1, || {
        end(other);
        Ok(())
    })?;
    let mut other = None;
    moves(&running, 0, || {
        other = Some(start(&long));
        Ok(())
    })?;
    // A reload that tracks nothing any more: what ends then moves nothing.
    nodes[0].write(plain(LB01))?;
    let mark = running[0].lines().mark();
    running[0].signal(lab::Signal::HUP)?;
    running[0].wait_for_line_from(mark, "Reload complete", SOON)?;
    alive.into_iter().chain(other).for_each(end);
    std::thread::sleep(Duration::from_secs(1));
    assert!(lb01.holds(ip("10.0.0.3"))?);
    let [first, second] = running;
    first.stop()?;
    second.stop()
}

/// A block of the manual, by a line in it.
fn from_the_manual(manual: &str, line: &str) -> String {
    let block = manual.split("```").skip(1).step_by(2).find(|block| block.contains(line));
    block.unwrap_or_else(|| panic!("no block with {line:?}")).split_once('\n').unwrap().1.to_owned()
}

fn three_ways() -> Outcome {
    let nginx = lab::harness::program("nginx")?;
    lab::harness::program("ss")?;
    lab::harness::program("curl")?;
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/manual.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let (unique, at) =
        (format!("ng{}", std::process::id()), |name: &str| lb01.file(name).display().to_string());
    // Their own program, port and name, else word for word.
    let service = lb01.file("bin").join(&unique);
    lb01.write(&service, std::fs::read(nginx).unwrap())?;
    let mut blocks = from_the_manual(&manual, "vrrp_track_process nginx {")
        .replace("    process nginx ", &format!("    process {unique} "));
    blocks = blocks.split_once("vrrp_instance").unwrap().0.to_owned();
    blocks += &from_the_manual(&manual, "vrrp_script chk_port {")
        .replace("/usr/local/bin/check-", &at("check-"))
        .replace(" 80\"", " 8080\"");
    lb01.write(lb01.file("check-port"), from_the_manual(&manual, "# check-port PORT"))?;
    lb01.write(lb01.file("check-request"), from_the_manual(&manual, "# check-request NAME PORT"))?;
    let mode = std::fs::Permissions::from_mode(0o755);
    for path in [&service, &lb01.file("check-port"), &lb01.file("check-request")] {
        std::fs::set_permissions(path, mode.clone()).unwrap();
    }
    let conf_of = |good: bool| {
        let answer = if good { "200 fine" } else { "503" };
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", at(&format!("{kind}_temp"))));
        format!(
            "user root;\nworker_processes 1;\npid {};\nerror_log {};\nevents {{ worker_connections 16; }}\nhttp {{\n\
             access_log off;\n{}\nserver {{ listen 8080 default_server; return 444; }}\n\
             server {{ listen 8080; server_name www.example.org; return {answer}; }}\n}}\n",
            at("nginx.pid"),
            at("nginx.log"),
            temporary.concat(),
        )
    };
    let config = lb01.file("nginx.conf");
    let run = |words: &[&str]| -> Outcome {
        let done = lb01.command(&service).arg("-c").arg(&config).args(words).output()?;
        assert!(done.status.success(), "{done:?}");
        Ok(())
    };
    lb01.write(&config, conf_of(true))?;
    run(&[])?;
    let tracked = "track_process {\n        nginx\n    }\n    track_script {\n        chk_port\n        chk_request\n    }";
    let node = Node::ours(lb01, conf(LB01, &blocks, tracked))?;
    let running = node.start_active()?;
    for line in ["VRRP_Script(chk_port) succeeded", "VRRP_Script(chk_request) succeeded"] {
        running.wait_for_line(line, SOON)?;
    }
    // It answers wrongly: only who asks sees that.
    lb01.write(&config, conf_of(false))?;
    run(&["-s", "reload"])?;
    running.wait_for_line("VRRP_Script(chk_request) failed", Duration::from_secs(20))?;
    assert_eq!(running.count("VRRP_Script(chk_port) failed"), 0);
    // It is gone: the others see that too.
    run(&["-s", "stop"])?;
    running.wait_for_line("Quorum lost for tracked process nginx (0 running)", SOON)?;
    running.wait_for_line("VRRP_Script(chk_port) failed", SOON)?;
    running.enters("VI_1", "FAULT", SOON)?;
    running.stop()
}

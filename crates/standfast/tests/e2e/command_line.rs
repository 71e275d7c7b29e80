//! The program under both of its names: options, exit codes, pid files, readiness, what it says when it cannot
//! start.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, fail, program};
use lab::{Ended, Lab, Machine, Signal};

use crate::conf::{Flavour, LB01, ip};
use crate::pair::{self, ELECTION, Kind, Node, OURS, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("keepalived::version_and_help_go_to_stderr_with_code_0", version_and_help),
        Test::new("keepalived::unknown_options_and_missing_values_end_with_code_1", unknown_options),
        Test::new("keepalived::signum_prints_numbers", signum),
        Test::new("keepalived::config_test_has_keepalived_s_codes", config_test),
        Test::new("keepalived::foreground_with_its_usual_letters", foreground),
        Test::new("keepalived::in_the_background_the_parent_returns_when_it_is_ready", background),
        Test::new("keepalived::in_the_background_a_failure_is_the_parent_s_code", background_failure),
        Test::new("keepalived::a_second_start_says_already_running_with_code_0", second_start_as_keepalived),
        Test::new("keepalived::dont_release_vrrp_keeps_the_address", dont_release),
        Test::new("run::a_second_start_is_refused", second_start),
        Test::new("run::another_pid_file_makes_no_room_for_a_second_daemon", second_daemon),
        Test::new("run::a_namespace_that_is_not_there", no_namespace),
        Test::new("run::a_reload_that_would_remove_everything_is_refused", reload_to_nothing),
        Test::new("keepalived::checkers_alone_are_nothing_to_run", checkers),
        Test::new("run::a_stale_pid_file_is_no_obstacle", stale_pid_file),
        Test::new("run::a_running_keepalived_is_named", beside_keepalived),
        Test::new("run::signals_write_dumps", dumps),
        Test::new("run::readiness_is_notified", readiness),
        Test::new("run::in_the_background_as_well", run_in_the_background),
        Test::new("run::the_forbidden_namespace_is_refused", forbidden),
        Test::new("run::without_a_configuration_it_says_what_to_do", no_configuration),
        Test::new("run::wrong_usage_is_code_2", wrong_usage),
    ]
}

/// A link called `keepalived` to this program.
fn link(lab: &Lab) -> Result<PathBuf, Stop> {
    let directory = lab.directory().join("sbin");
    let link = directory.join("keepalived");
    if !link.exists() {
        std::fs::create_dir_all(&directory)?;
        std::os::unix::fs::symlink(OURS, &link)?;
    }
    Ok(link)
}

/// A machine, and the program under keepalived's name.
fn as_keepalived() -> Result<(Lab, PathBuf), Stop> {
    let lab = pair::alone()?;
    let link = link(&lab)?;
    Ok((lab, link))
}

/// Runs a program to its end and to the end of its output: nobody that it left behind may hold that open.
fn run(machine: &Machine, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Result<Output, Stop> {
    let mut command = machine.command(program);
    let child =
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    match ended.recv_timeout(SOON) {
        Ok(output) => Ok(output?),
        Err(_) => Err(fail(format!("{command:?} has not ended, or its output is held open"))),
    }
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn version_and_help() -> Outcome {
    let (lab, keepalived) = as_keepalived()?;
    let lb01 = lab.machine(LB01)?;
    for word in ["-v", "--version"] {
        let output = run(lb01, &keepalived, &[word])?;
        assert_eq!(output.status.code(), Some(0));
        let text = err(&output);
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("Keepalived v2.") && first.ends_with(')'), "{first}");
        assert!(text.contains("Standfast"), "{text}");
    }
    for word in ["-h", "--help"] {
        let output = run(lb01, &keepalived, &[word])?;
        assert_eq!(output.status.code(), Some(0));
        assert!(err(&output).contains("--use-file"), "{}", err(&output));
    }
    Ok(())
}

fn unknown_options() -> Outcome {
    let (lab, keepalived) = as_keepalived()?;
    let lb01 = lab.machine(LB01)?;
    for (words, sign) in [(&["--nonsense"][..], "nonsense"), (&["-Z"], "-Z"), (&["-n", "-f"], "-f")] {
        let output = run(lb01, &keepalived, words)?;
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(err(&output).contains(sign), "{}", err(&output));
    }
    Ok(())
}

fn signum() -> Outcome {
    let (lab, keepalived) = as_keepalived()?;
    let lb01 = lab.machine(LB01)?;
    let real = program("keepalived")?;
    for name in ["STOP", "RELOAD", "DATA", "STATS", "STATS_CLEAR", "JSON"] {
        let argument = format!("--signum={name}");
        let (ours, theirs) = (run(lb01, &keepalived, &[&argument])?, run(lb01, &real, &[&argument])?);
        assert_eq!((ours.status.code(), &ours.stdout), (Some(0), &theirs.stdout), "{name}");
    }
    assert_eq!(run(lb01, &keepalived, &["--signum", "NONE"])?.status.code(), Some(1));
    Ok(())
}

fn config_test() -> Outcome {
    let (lab, keepalived) = as_keepalived()?;
    let lb01 = lab.machine(LB01)?;
    let good = Flavour::V2Pass.instance(LB01).file();
    let long = good.replace("1111", "123456789");
    let unknown = good.replace("advert_int 1", "advert_int 1\n    no_such_keyword 1");
    let missing = good.replace("interface eth0", "interface eth7");
    let file = lb01.file("test.conf");
    let name = file.to_string_lossy().into_owned();
    for (what, conf, codes) in [
        ("a good file", good.as_str(), &[0][..]),
        ("a long password", long.as_str(), &[5]),
        ("an unknown keyword", unknown.as_str(), &[5]),
        ("an interface that is not there", missing.as_str(), &[4, 5]),
    ] {
        lb01.write(&file, conf)?;
        let output = run(lb01, &keepalived, &["-t", "-f", &name])?;
        let code = output.status.code().unwrap_or(-1);
        assert!(codes.contains(&code), "{what}: code {code}, {codes:?} expected\n{}", err(&output));
        assert_eq!(err(&output).is_empty(), code == 0, "{what}: {}", err(&output));
    }
    // Messages at the end of a file.
    let report = lb01.file("report");
    let joined = format!("--config-test={}", report.display());
    assert_eq!(run(lb01, &keepalived, &[&joined, "-f", &name])?.stderr, b"");
    assert!(lb01.read(&report)?.contains("eth7"));
    // A missing file (keepalived 2.2.7 says nothing and 0; the table of its codes says 4).
    let gone = run(lb01, &keepalived, &["-t", "-f", "/no/such/file"])?;
    assert_eq!(gone.status.code(), Some(4), "{}", err(&gone));
    let gone = run(lb01, &keepalived, &["-n", "-l", "-f", "/no/such/file"])?;
    assert_eq!(gone.status.code(), Some(6), "{}", err(&gone));
    Ok(())
}

fn foreground() -> Outcome {
    let (lab, keepalived) = as_keepalived()?;
    let lb01 = lab.machine(LB01)?;
    let conf = lb01.file("vrrp.conf");
    lb01.write(&conf, Flavour::V3.instance(LB01).every("0.3").file())?;
    let daemon = lb01.spawn(&keepalived, |command| {
        command.args(["-n", "-l", "-D", "-f"]).arg(&conf);
    })?;
    let line = daemon.wait_for_line("(VI_1) Entering MASTER STATE", ELECTION)?;
    // keepalived's line: date as ctime, colon, blank, text.
    let (date, text) = line.text.split_once(": ").unwrap_or_default();
    assert_eq!((date.len(), text), (24, "(VI_1) Entering MASTER STATE"), "{line:?}");
    daemon.wait_for_line("(VI_1) Receive advertisement timeout", SOON)?;
    for file in ["/run/keepalived.pid", "/run/vrrp.pid"] {
        let pid: i32 = lb01.read(file)?.trim().parse()?;
        assert!(daemon.processes().iter().any(|process| process.pid == pid), "{file}");
    }
    daemon.term()?;
    assert_eq!(daemon.wait(SOON)?, Ended::Code(0));
    assert!(!pair::exists(lb01, "/run/keepalived.pid".as_ref())?);
    assert!(!pair::exists(lb01, "/run/vrrp.pid".as_ref())?);
    Ok(())
}

/// The daemon that a pid file names, seen from outside its family.
fn kill(machine: &Machine, file: &str, signal: Signal) -> Outcome {
    let pid = machine.read(file)?.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or_else(|| fail(format!("{file} holds no process number")))?;
    // It is in this machine, so it is one of ours.
    Ok(rustix::process::kill_process(pid, signal)?)
}

fn background() -> Outcome {
    let (lab, keepalived) = as_keepalived()?;
    let lb01 = lab.machine(LB01)?;
    let conf = lb01.file("vrrp.conf");
    lb01.write(&conf, Flavour::V3.instance(LB01).every("0.3").file())?;
    let output = run(lb01, &keepalived, &["-D", "-f", &conf.to_string_lossy()])?;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    // It is ready: the pid file is there and its process listens to signals.
    kill(lb01, "/run/keepalived.pid", Signal::HUP)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    kill(lb01, "/run/keepalived.pid", Signal::TERM)?;
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    see::wait_until("the pid file is gone", || Ok(!pair::exists(lb01, "/run/keepalived.pid".as_ref())?))
}

fn background_failure() -> Outcome {
    let (lab, keepalived) = as_keepalived()?;
    let lb01 = lab.machine(LB01)?;
    let conf = lb01.file("vrrp.conf");
    assert_eq!(run(lb01, &keepalived, &["-f", "/no/such/file"])?.status.code(), Some(6));
    lb01.write(
        &conf,
        Flavour::V3.instance(LB01).file().replace("virtual_router_id 50", "virtual_router_id"),
    )?;
    let output = run(lb01, &keepalived, &["-f", &conf.to_string_lossy()])?;
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    Ok(())
}

fn second_start_as_keepalived() -> Outcome {
    let (lab, keepalived) = as_keepalived()?;
    let lb01 = lab.machine(LB01)?;
    let conf = lb01.file("vrrp.conf");
    lb01.write(&conf, Flavour::V3.instance(LB01).every("0.3").file())?;
    let words = ["-n", "-l", "-D", "-f", &conf.to_string_lossy()].map(str::to_owned);
    let daemon = lb01.spawn(&keepalived, |command| {
        command.args(&words);
    })?;
    daemon.wait_for_line("Startup complete", SOON)?;
    let second = lb01.spawn(&keepalived, |command| {
        command.args(&words);
    })?;
    assert_eq!(second.wait(SOON)?, Ended::Code(0));
    second.wait_for_line("already running", SOON)?;
    daemon.wait_for_line("(VI_1) Entering MASTER STATE", ELECTION)?;
    Ok(())
}

fn dont_release() -> Outcome {
    let (lab, keepalived) = as_keepalived()?;
    let lb01 = lab.machine(LB01)?;
    let capture = lab::Capture::start(lab.machine("client")?, "eth0")?;
    let conf = lb01.file("vrrp.conf");
    lb01.write(&conf, Flavour::V3.instance(LB01).every("0.3").file())?;
    let daemon = lb01.spawn(&keepalived, |command| {
        command.args(["-n", "-l", "-V", "-f"]).arg(&conf);
    })?;
    daemon.wait_for_line("(VI_1) Entering MASTER STATE", ELECTION)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    daemon.term()?;
    assert_eq!(daemon.wait(SOON)?, Ended::Code(0));
    assert!(lb01.holds(ip("10.0.0.3"))?, "it was asked to leave it");
    assert!(capture.records().iter().all(|record| record.advert() != Some((50, 0))), "and not to resign");
    Ok(())
}

fn second_start() -> Outcome {
    let lab = pair::alone()?;
    let node = Node::ours(lab.machine(LB01)?, Flavour::V3.instance(LB01).every("0.3").file())?;
    let running = node.start()?;
    let second = node.spawn()?;
    assert_eq!(second.wait(SOON)?, Ended::Code(1));
    second.wait_for_line("already running", SOON)?;
    second.wait_for_line(&running.pid().to_string(), SOON)?;
    // The first has not noticed, and its pid file is its own.
    assert_eq!(node.machine.read(&node.pid_file)?.trim(), running.pid().to_string());
    running.enters("VI_1", "MASTER", ELECTION)?;
    running.stop()
}

fn second_daemon() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, keepalived) = (lab.machine(LB01)?, link(&lab)?);
    let node = Node::ours(lb01, Flavour::V3.instance(LB01).every("0.3").file())?;
    let running = node.start_active()?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let watch = lb01.watch_addresses()?;
    let (conf, pid) = (node.conf.to_string_lossy(), lb01.file("other.pid"));
    let other = pid.to_string_lossy();
    let words = format!("running here already (process {})", running.pid());
    for (program, arguments, code) in [
        (std::path::Path::new(OURS), &["run", "-f", &*conf, "-p", &*other][..], 1),
        (keepalived.as_path(), &["-n", "-l", "-f", &*conf, "-p", &*other], 0),
    ] {
        let output = run(lb01, program, arguments)?;
        assert_eq!(output.status.code(), Some(code), "{}", err(&output));
        assert!(err(&output).contains(&words), "{}", err(&output));
        assert!(!pair::exists(lb01, &pid)?);
    }
    assert!(watch.wait_for_address_gone(0, ip("10.0.0.3"), Duration::from_millis(300)).is_err());
    running.stop()
}

fn no_namespace() -> Outcome {
    let (lab, keepalived) = as_keepalived()?;
    let lb01 = lab.machine(LB01)?;
    for (program, arguments, code) in
        [(PathBuf::from(OURS), &["run", "-s", "missing"][..], 1), (keepalived, &["-n", "-s", "missing"], 0)]
    {
        let output = run(lb01, program, arguments)?;
        assert_eq!(output.status.code(), Some(code), "{}", err(&output));
        let name = if code == 0 { "keepalived: " } else { "standfast: " };
        assert!(err(&output).starts_with(name) && err(&output).contains("missing"), "{}", err(&output));
    }
    Ok(())
}

fn reload_to_nothing() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let node = Node::ours(lb01, Flavour::V3.instance(LB01).every("0.3").file())?;
    let running = node.start_active()?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    node.write("global_defs {\n    router_id lb01\n}\n")?;
    running.signal(Signal::HUP)?;
    running.wait_for_line("reload refused", SOON)?;
    assert!(lb01.holds(ip("10.0.0.3"))?);
    running.stop()
}

fn checkers() -> Outcome {
    let (lab, keepalived) = as_keepalived()?;
    let output = run(lab.machine(LB01)?, &keepalived, &["-n", "-C"])?;
    assert_eq!(output.status.code(), Some(0));
    assert!(err(&output).contains("no checker is built: nothing to run"), "{}", err(&output));
    Ok(())
}

fn stale_pid_file() -> Outcome {
    let lab = pair::alone()?;
    let node = Node::ours(lab.machine(LB01)?, Flavour::V3.instance(LB01).every("0.3").file())?;
    // The number is in use, by this very test; another time it is no number at all.
    for content in [std::process::id().to_string(), "nonsense\n".to_owned()] {
        node.machine.write(&node.pid_file, content)?;
        let running = node.start()?;
        assert_eq!(node.machine.read(&node.pid_file)?.trim(), running.pid().to_string());
        running.stop()?;
    }
    Ok(())
}

fn beside_keepalived() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let conf = Flavour::V3.instance(LB01).every("0.3").file();
    let theirs = Node::new(lb01, Kind::Keepalived, &conf)?.start_active()?;
    let mut ours = Node::ours(lb01, &conf)?;
    ours.pid_file = lb01.file("other.pid");
    let ours = ours.spawn()?;
    let ended = ours.wait(SOON)?;
    assert_eq!(ended, Ended::Code(1), "{}", ours.log());
    ours.wait_for_line("keepalived is running here", SOON)?;
    ours.wait_for_line(&theirs.pid().to_string(), SOON)?;
    theirs.stop()?;
    // Nothing in the way any more.
    Node::ours(lb01, &conf)?.start_active()?.stop()
}

fn dumps() -> Outcome {
    let lab = pair::alone()?;
    let node = Node::ours(lab.machine(LB01)?, Flavour::V2Pass.instance(LB01).file())?;
    let running = node.start_active()?;
    running.signal(Signal::USR1)?;
    running.wait_for_line("keepalived.data", SOON)?;
    let data = node.machine.read(node.dumps().join("keepalived.data"))?;
    for words in ["VRRP Instance = VI_1", "State = MASTER", "Virtual Router ID = 50", "10.0.0.3/32 dev eth0"]
    {
        assert!(data.contains(words), "{words}: {data}");
    }
    assert!(!data.contains("1111"), "no secrets: {data}");
    running.signal(Signal::USR2)?;
    running.wait_for_line("keepalived.stats", SOON)?;
    let stats = node.machine.read(node.dumps().join("keepalived.stats"))?;
    for words in ["VRRP Instance: VI_1", "Became master: 1", "Released master: 0", "Priority Zero:"] {
        assert!(stats.contains(words), "{words}: {stats}");
    }
    Ok(())
}

fn readiness() -> Outcome {
    let lab = pair::alone()?;
    let node = Node::ours(lab.machine(LB01)?, Flavour::V3.instance(LB01).every("0.3").file())?;
    let path = lab.directory().join("notify");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(SOON))?;
    let running = node.spawn_with(|command| {
        command.env("NOTIFY_SOCKET", &path);
    })?;
    let next = || -> Result<String, Stop> {
        let mut buffer = [0; 4096];
        let len = socket.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..len]).into_owned())
    };
    let wait_for = |word: &str| -> Outcome {
        for _ in 0..10 {
            if next()?.lines().any(|line| line == word) {
                return Ok(());
            }
        }
        Err(fail(format!("no {word}")))
    };
    wait_for("READY=1")?;
    // Ready means that the configuration is in force. (The line may be read a moment after the word.)
    running.wait_for_line("Startup complete", Duration::from_secs(1))?;
    running.signal(Signal::HUP)?;
    wait_for("RELOADING=1")?;
    wait_for("READY=1")?;
    running.term()?;
    wait_for("STOPPING=1")?;
    assert_eq!(running.wait(SOON)?, Ended::Code(0));
    Ok(())
}

fn run_in_the_background() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let node = Node::ours(lb01, Flavour::V3.instance(LB01).every("0.3").file())?;
    let (conf, pid) = (node.conf.to_string_lossy(), node.pid_file.to_string_lossy());
    let good = lb01.read(&node.conf)?;
    node.write(good.replace("virtual_router_id 50", "virtual_router_id"))?;
    let output = run(lb01, OURS, &["run", "--daemon", "-f", &conf, "-p", &pid])?;
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("needs a value"), "{}", err(&output));
    node.write(good)?;
    // Relative names start where it was started, though it does not stay there.
    let script = format!(
        "cd {} && exec {OURS} run --daemon -f {} -p {}",
        lab.directory().display(),
        node.conf.file_name().unwrap_or_default().display(),
        node.pid_file.file_name().unwrap_or_default().display()
    );
    let output = run(lb01, "/bin/sh", &["-c", &script])?;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let daemon = lb01.read(&*pid)?;
    assert_eq!(std::fs::read_link(format!("/proc/{}/cwd", daemon.trim()))?, PathBuf::from("/"));
    kill(lb01, &pid, Signal::HUP)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    kill(lb01, &pid, Signal::TERM)?;
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    see::wait_until("the pid file is gone", || Ok(!pair::exists(lb01, &node.pid_file)?))
}

fn forbidden() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let node = Node::ours(lb01, Flavour::V3.instance(LB01).file())?;
    let here = lb01.within(linux::privileges::netns_inode)??;
    for value in [here.to_string(), "nonsense".to_owned()] {
        let running = node.spawn_with(|command| {
            command.env(linux::privileges::FORBID_NETNS, value);
        })?;
        assert_eq!(running.wait(SOON)?, Ended::Code(4));
        running.wait_for_line("STANDFAST_FORBID_NETNS forbids", SOON)?;
    }
    Ok(())
}

fn no_configuration() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let output = run(lb01, OURS, &["run", "-f", "/no/such/file.conf"])?;
    assert_eq!(output.status.code(), Some(6), "{}", err(&output));
    assert!(err(&output).contains("/no/such/file.conf"), "{}", err(&output));
    // Without any name: where it looked, and what to write.
    if ["/etc/standfast/standfast.conf", "/etc/keepalived/keepalived.conf"]
        .iter()
        .all(|f| !PathBuf::from(f).exists())
    {
        let output = run(lb01, OURS, &["run"])?;
        assert_eq!(output.status.code(), Some(6), "{}", err(&output));
        for words in ["/etc/keepalived/keepalived.conf", "vrrp_instance"] {
            assert!(err(&output).contains(words), "{}", err(&output));
        }
    }
    Ok(())
}

fn wrong_usage() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    for words in [&["run", "--nonsense"][..], &["nonsense"], &[]] {
        let output = run(lb01, OURS, words)?;
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(err(&output).contains("Usage") || err(&output).contains("usage"), "{}", err(&output));
    }
    let output = run(lb01, OURS, &["--version"])?;
    assert_eq!((output.status.code(), output.stdout.starts_with(b"standfast ")), (Some(0), true));
    Ok(())
}

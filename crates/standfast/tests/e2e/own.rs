//! What concerns the daemon itself and no virtual router: where it runs and what it is called, the programs at both
//! of its ends, its dumps; and what a reload keeps. Debian's keepalived tells what is to be expected.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::harness::{Outcome, Stop, Test, fail, program};
use lab::{Ended, Lab, Machine, Signal};
use serde_json::Value;

use crate::conf::{Flavour, Instance, LB01, ip};
use crate::pair::{self, ELECTION, Kind, Node, OURS, SOON};
use crate::see::wait_until;

const BOTH: [Kind; 2] = [Kind::Keepalived, Kind::Standfast];

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("own::two_daemons_in_two_namespaces_of_one_machine", two_daemons),
        Test::new("own::a_namespace_that_is_missing_or_misplaced_lets_nothing_speak", no_namespace),
        Test::new("own::scripts_at_both_ends_run_as_keepalived_runs_them", both_ends),
        Test::new("own::a_script_that_takes_too_long_is_ended_with_all_that_it_started", too_long),
        Test::new("own::the_json_has_keepalived_s_fields", json),
        Test::new("own::a_reload_keeps_counters_and_results", kept),
        Test::new("own::an_include_that_must_be_there_is_code_6", includes),
        Test::new("own::the_kernel_treats_the_worker_as_it_is_asked_to", scheduling),
    ]
}

/// A program for scripts, with this text.
fn script(machine: &Machine, name: &str, text: &str) -> Result<String, Stop> {
    let path = machine.file(name);
    machine.write(&path, format!("#!/bin/sh\n{text}\n"))?;
    machine.within(|| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap())?;
    Ok(path.display().to_string())
}

/// The program under keepalived's name.
fn keepalived(lab: &Lab) -> Result<PathBuf, Stop> {
    let directory = lab.directory().join("own");
    std::fs::create_dir_all(&directory)?;
    let link = directory.join("keepalived");
    std::os::unix::fs::symlink(OURS, &link)?;
    Ok(link)
}

fn shell(machine: &Machine, line: &str) -> Result<String, Stop> {
    let output = machine.command("/bin/sh").args(["-c", line]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(fail(format!("{line}: {text}{}", String::from_utf8_lossy(&output.stderr))))
}

fn two_daemons() -> Outcome {
    program("ip")?;
    let lab = pair::alone()?;
    let (lb01, keepalived) = (lab.machine(LB01)?, keepalived(&lab)?);
    let mut daemons = Vec::new();
    for (namespace, name) in [("blue", "a"), ("green", "b")] {
        shell(
            lb01,
            &format!(
                "ip netns add {namespace} && cd / && ip -n {namespace} link set lo up && \
                 ip -n {namespace} link add eth0 type veth peer name other && \
                 ip -n {namespace} link set other up && ip -n {namespace} link set eth0 up && \
                 ip -n {namespace} address add 10.0.0.5/24 dev eth0"
            ),
        )?;
        let conf = lb01.file(&format!("{namespace}.conf"));
        let text = format!(
            "net_namespace {namespace}\ninstance {name}\n{}",
            Flavour::V3.instance(LB01).every("0.3").file()
        );
        lb01.write(&conf, &text)?;
        let daemon = lb01.spawn(&keepalived, |command| {
            command.args(["-n", "-l", "-f"]).arg(&conf);
        })?;
        daemons.push((namespace, name, conf, text, daemon));
    }
    for (namespace, name, _, _, daemon) in &daemons {
        daemon.wait_for_line("(VI_1) Entering MASTER STATE", ELECTION)?;
        wait_until("it holds its address", || {
            Ok(shell(lb01, &format!("ip -n {namespace} -o address"))?.contains("10.0.0.3"))
        })?;
        // Debian's keepalived has its pid files at the same places.
        let directory = Path::new("/run/keepalived").join(namespace);
        let number = lb01.read(directory.join(format!("keepalived_{name}.pid")))?;
        assert_eq!(number.trim(), daemon.pid().to_string());
        assert!(pair::exists(lb01, &directory.join(format!("vrrp_{name}.pid")))?);
    }
    assert!(!lb01.holds(ip("10.0.0.3"))?, "the machine's own network is none of theirs");
    let (_, _, conf, text, daemon) = &daemons[0];
    for (from, to, said) in [
        ("instance a", "instance c", "Cannot change instance name at a reload - please restart keepalived"),
        ("net_namespace blue", "net_namespace green", "Cannot change network namespace at a reload"),
        ("net_namespace blue", "", "Cannot change network namespace at a reload"),
    ] {
        let mark = daemon.lines().mark();
        lb01.write(conf, text.replace(from, to).replace("priority 150", "priority 99"))?;
        daemon.signal(Signal::HUP)?;
        daemon.wait_for_line_from(mark, said, SOON)?;
    }
    let mark = daemon.lines().mark();
    lb01.write(conf, text)?;
    daemon.signal(Signal::HUP)?;
    daemon.wait_for_line_from(mark, "(0 new, 0 removed, 0 changed)", SOON)?;
    for (namespace, _, _, _, daemon) in &daemons {
        daemon.term()?;
        assert_eq!(daemon.wait(SOON)?, Ended::Code(0));
        assert!(!shell(lb01, &format!("ip -n {namespace} -o address"))?.contains("10.0.0.3"));
    }
    Ok(())
}

fn no_namespace() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, link) = (lab.machine(LB01)?, keepalived(&lab)?);
    let capture = lab::Capture::start(lab.machine("client")?, "eth0")?;
    let conf = lb01.file("vrrp.conf");
    let instance = Flavour::V3.instance(LB01).every("0.3").file();
    let misplaced = "global_defs {\n    net_namespace blue\n}\n";
    for (before, as_keepalived, code, said) in [
        ("net_namespace blue\n", true, 0, "blue"),
        ("net_namespace blue\n", false, 1, "blue"),
        (misplaced, true, 2, "write it outside of all blocks"),
        (misplaced, false, 2, "write it outside of all blocks"),
    ] {
        lb01.write(&conf, format!("{before}{instance}"))?;
        let (program, words) = if as_keepalived {
            (&*link, &["-n", "-l", "-f"][..])
        } else {
            (Path::new(OURS), &["run", "-f"][..])
        };
        let daemon = lb01.spawn(program, |command| {
            command.args(words).arg(&conf);
        })?;
        assert_eq!(daemon.wait(SOON)?, Ended::Code(code), "{before}: {}", daemon.log());
        daemon.wait_for_line(said, SOON)?;
    }
    assert!(capture.records().iter().all(|record| record.advert().is_none()), "nobody spoke");
    Ok(())
}

/// What scripts write: each line is one run.
fn told(machine: &Machine) -> Vec<String> {
    let text = machine.read(machine.file("told")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Programs before and after, and what is told between; with a reload that names another program for the end.
fn both_ends() -> Outcome {
    let mut stories = BTreeMap::new();
    for kind in BOTH {
        let lab = pair::alone()?;
        let lb01 = lab.machine(LB01)?;
        let log = lb01.file("told").display().to_string();
        let rec = script(lb01, "rec", &format!("echo \"$* $(id -u)\" >>{log}"))?;
        let globals = format!(
            "global_defs {{\n    script_user root\n    enable_script_security\n    startup_script \"{rec} up 'a b' c\"\n    \
             startup_script_timeout 5\n    shutdown_script \"{rec} down\"\n}}\n"
        );
        let instance = Flavour::V3.instance(LB01).every("0.3").line(format!("notify \"{rec} any\"")).file();
        let node = Node::new(lb01, kind, format!("{globals}{instance}"))?;
        let running = node.start()?;
        assert_eq!(told(lb01).first().map(String::as_str), Some("up a b c 0"), "before anything else");
        running.enters("VI_1", "MASTER", ELECTION)?;
        // keepalived's programs run side by side: the next is not begun before this one has told.
        wait_until("it tells", || Ok(told(lb01).iter().any(|line| line.contains("MASTER"))))?;
        let mark = running.lines().mark();
        node.write(format!(
            "{}{instance}",
            globals.replace("rec up", "rec again").replace("rec down", "rec end")
        ))?;
        running.signal(Signal::HUP)?;
        running.wait_for_line_from(mark, "Reload complete", SOON)?;
        running.stop()?;
        stories.insert(kind.to_string(), told(lb01));
    }
    let expected = [
        "up a b c 0",
        "any INSTANCE VI_1 BACKUP 150 0",
        "any INSTANCE VI_1 MASTER 150 0",
        "any INSTANCE VI_1 STOP 150 0",
        "end 0",
    ];
    for (kind, story) in &stories {
        assert_eq!(*story, expected, "{kind}");
    }
    Ok(())
}

fn too_long() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let log = lb01.file("told").display().to_string();
    let slow = script(lb01, "slow", &format!("sleep 77 &\necho \"$1 $!\" >>{log}\nwait"))?;
    let instance = Flavour::V3.instance(LB01).every("0.3").file();
    let globals = |limit: u32| {
        format!(
            "global_defs {{\n    script_user root\n    startup_script \"{slow} up\"\n    startup_script_timeout {limit}\n    \
             shutdown_script \"{slow} down\"\n    shutdown_script_timeout 3\n}}\n"
        )
    };
    let node = Node::ours(lb01, format!("{}{instance}", globals(3)))?;
    let running = node.spawn()?;
    running.wait_for_line("startup script timed out", SOON)?;
    running.enters("VI_1", "MASTER", ELECTION)?;
    running.stop()?;
    running.wait_for_line("shutdown script timed out", SOON)?;
    // Told to end while it waits for the first one: the second is run all the same.
    node.write(format!("{}{instance}", globals(60)))?;
    let again = node.spawn()?;
    wait_until("it begins", || Ok(told(lb01).len() == 3))?;
    again.stop()?;
    assert_eq!(again.count("Entering"), 0);
    let told = told(lb01);
    let words: Vec<(&str, &str)> = told.iter().filter_map(|line| line.split_once(' ')).collect();
    assert_eq!(words.iter().map(|(word, _)| *word).collect::<Vec<_>>(), ["up", "down", "up", "down"]);
    for (word, number) in words {
        assert!(shell(lb01, &format!("kill -0 {number}")).is_err(), "what {word} started still runs");
    }
    Ok(())
}

/// One configuration with most of what the JSON tells, on a machine that nobody contradicts.
fn everything() -> String {
    // By the path that links lead to: keepalived shows that one.
    let yes = "/usr/bin/true";
    let globals = format!(
        "global_defs {{\n    router_id lb01\n    script_user root\n    enable_script_security\n}}\n\
         vrrp_script chk {{\n    script \"{yes} now\"\n    interval 1\n    weight 10\n}}\n"
    );
    let first = Instance::new("VI_1", 50)
        .every("0.3")
        .line("version 3")
        .line("garp_master_refresh 60")
        .line("nopreempt")
        .line("track_script {\n        chk\n    }")
        .line("track_interface {\n        lo\n    }")
        .line(format!("notify_master \"{yes} a b\""))
        .line(format!("notify {yes}"))
        .line("virtual_ipaddress_excluded {\n        10.0.0.8/32\n        fd00:10::8/64\n    }")
        .address("10.0.0.3/24")
        .address("10.0.0.7 dev lo label lo:x scope host");
    let second = Instance::new("VI_2", 51)
        .priority(200)
        .line("lower_prio_no_advert")
        .line("authentication {\n        auth_type PASS\n        auth_pass 1111\n    }")
        .address("10.0.0.9");
    let third =
        Instance::new("VI_3", 52).every("0.5").line("preempt_delay 7").line("version 3").address("fe80::9");
    globals + &crate::conf::file(&[first, second, third])
}

/// Asks for JSON by the number that `--signum` tells, and waits for it.
fn ask_for_json(machine: &Machine, number: &str, pid: i32, path: &Path) -> Result<Value, Stop> {
    shell(machine, &format!("rm -f {0}; kill -{number} {pid}", path.display()))?;
    let mut read = Value::Null;
    wait_until("the JSON", || {
        read = serde_json::from_str(&machine.read(path).unwrap_or_default()).unwrap_or_default();
        Ok(!read.is_null())
    })?;
    Ok(read)
}

fn json() -> Outcome {
    let mut dumps = Vec::new();
    for kind in BOTH {
        let lab = pair::alone()?;
        let lb01 = lab.machine(LB01)?;
        let node = Node::new(lb01, kind, everything())?;
        let running = node.start()?;
        for name in ["VI_1", "VI_2", "VI_3"] {
            running.enters(name, "MASTER", ELECTION)?;
        }
        for address in ["10.0.0.3", "10.0.0.7", "10.0.0.9", "fe80::9"] {
            lb01.wait_until_holds(ip(address), true, SOON)?;
        }
        let asked = Command::new(keepalived(&lab)?).arg("--signum=JSON").output()?;
        let number = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        let path = node.dumps().join("keepalived.json");
        dumps.push(ask_for_json(lb01, &number, running.pid(), &path)?);
    }
    let [theirs, ours] = &dumps[..] else { return Err(fail("two dumps")) };
    let list = |dump: &Value| dump.as_array().cloned().unwrap_or_default();
    let (theirs, ours) = (list(theirs), list(ours));
    assert_eq!((theirs.len(), ours.len()), (3, 3));
    for (theirs, ours) in theirs.iter().zip(&ours) {
        for part in ["data", "stats"] {
            let (theirs, ours) = (theirs[part].as_object(), ours[part].as_object());
            let (Some(theirs), Some(ours)) = (theirs, ours) else { return Err(fail("no objects")) };
            let names = |of: &serde_json::Map<String, Value>| of.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(ours), names(theirs));
            for (name, value) in theirs {
                match name.as_str() {
                    // Each at its own time.
                    "last_transition" => {
                        assert!(ours[name].as_f64().is_some_and(|at| at > 1e9), "{:?}", ours[name]);
                    }
                    "advert_sent" => assert!(ours[name].as_u64().is_some_and(|sent| sent > 0)),
                    // Secrets are not told.
                    "auth_data" => assert_eq!(ours[name], "********"),
                    _ => assert_eq!(
                        ours[name],
                        *value,
                        "{name} of {}",
                        ours.get("iname").unwrap_or(&Value::Null)
                    ),
                }
            }
        }
    }
    Ok(())
}

/// `NAME: VALUE` of the first instance in the statistics.
fn statistic(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
    line.and_then(|value| value.parse().ok()).unwrap_or(u64::MAX)
}

/// Asks for the statistics with a signal until they are such.
fn statistics(
    node: &Node,
    running: &pair::Running,
    signal: &str,
    such: impl Fn(&str) -> bool,
) -> Result<String, Stop> {
    let path = node.dumps().join("keepalived.stats");
    let mut text = String::new();
    wait_until("the statistics", || {
        shell(&node.machine, &format!("kill -{signal} {}", running.pid()))?;
        text = node.machine.read(&path).unwrap_or_default();
        Ok(text.contains("Priority Zero") && such(&text))
    })?;
    Ok(text)
}

fn kept() -> Outcome {
    for kind in BOTH {
        let lab = pair::alone()?;
        let lb01 = lab.machine(LB01)?;
        let no = script(lb01, "no", "exit 1")?;
        let instance = Instance::new("VI_1", 50)
            .priority(150)
            .every("0.3")
            .line("version 3")
            .line("track_script {\n        chk\n    }")
            .address("10.0.0.3");
        let conf = |priority: u8| {
            let globals = "global_defs {\n    script_user root\n    enable_script_security\n}\n";
            let script = format!(
                "vrrp_script chk {{\n    script {no}\n    interval 1\n    fall 1\n    weight -30\n}}\n"
            );
            format!("{globals}{script}{}", instance.clone().priority(priority).file())
        };
        let node = Node::new(lb01, kind, conf(150))?;
        let running = node.start_active()?;
        running.wait_for_line("effective priority from 150 to 120", SOON)?;
        let before = statistics(&node, &running, "USR2", |text| statistic(text, "Sent") >= 3)?;
        let mark = running.lines().mark();
        node.write(conf(140))?;
        running.signal(Signal::HUP)?;
        running.wait_for_line_from(mark, "Reload complete", SOON)?;
        // It counts on, it did not lose its role, and what the script said counts at once.
        let after = statistics(&node, &running, "USR2", |text| {
            statistic(text, "Sent") > statistic(&before, "Sent") && statistic(text, "Sent") != u64::MAX
        })?;
        assert_eq!(statistic(&after, "Became master"), 1, "{kind}: {after}");
        assert_eq!(statistic(&after, "Released master"), 0, "{kind}: {after}");
        let since = running.lines().from_mark(mark);
        let said = |word: &str| since.iter().any(|line| line.text.contains(word));
        assert!(!said("Entering") && !said("VRRP_Script(chk) failed"), "{kind}: {since:?}");
        running.signal(Signal::USR1)?;
        let path = node.dumps().join("keepalived.data");
        wait_until("the effective priority", || {
            Ok(lb01.read(&path).unwrap_or_default().contains("Effective priority = 110"))
        })?;
        // Told and counted from zero.
        let cleared = shell(lb01, &format!("{} --signum=STATS_CLEAR", keepalived(&lab)?.display()))?;
        statistics(&node, &running, cleared.trim(), |text| statistic(text, "Became master") == 0)?;
        running.stop()?;
    }
    Ok(())
}

fn includes() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, link, real) = (lab.machine(LB01)?, keepalived(&lab)?, program("keepalived")?);
    let conf = lb01.file("vrrp.conf");
    let instance = Flavour::V3.instance(LB01).every("0.3").file();
    for (before, words) in [
        ("include /no/such.conf\n", &["-e"][..]),
        ("include /no/such*.conf\n", &["-e"]),
        ("includem /no/such.conf\n", &[]),
        ("global_defs {\n    include_check match\n}\ninclude /no/such.conf\n", &[]),
    ] {
        lb01.write(&conf, format!("{before}{instance}"))?;
        for program in [&real, &link] {
            let daemon = lb01.spawn(program, |command| {
                command.args(["-n", "-l"]).args(words).arg("-f").arg(&conf);
            })?;
            assert_eq!(daemon.wait(SOON)?, Ended::Code(6), "{}: {before}", program.display());
        }
    }
    Ok(())
}

fn scheduling() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let instance = Flavour::V3.instance(LB01).every("0.3").file();
    let path = lb01.file("reloading");
    let shown = format!("reload_file {}", path.display());
    let globals = format!(
        "global_defs {{\n    process_name top\n    process_names\n    vrrp_priority 3\n    vrrp_rt_priority 7\n    \
         vrrp_cpu_affinity 0\n    {shown}\n}}\n"
    );
    let node = Node::ours(lb01, format!("{globals}{instance}"))?;
    let running = node.start()?;
    let worker = running.processes().into_iter().find(|process| process.pid != running.pid());
    let worker = worker.ok_or_else(|| fail("there is no worker"))?;
    let name = |pid: i32| lb01.read(format!("/proc/{pid}/comm"));
    assert_eq!((name(running.pid())?.trim(), name(worker.pid)?.trim()), ("top", "keepalived_vrrp"));
    // Fields of proc_pid_stat(5) behind the name: the nice value is the 19th of all, real-time priority the 40th.
    let threads = || -> Result<BTreeMap<String, (i64, i64)>, Stop> {
        let list = shell(lb01, &format!("cat /proc/{}/task/*/stat", worker.pid))?;
        let thread = |line: &str| {
            let (head, tail) = line.rsplit_once(") ")?;
            let field = |n: usize| tail.split(' ').nth(n - 3)?.parse().ok();
            Some((head.split_once('(')?.1.to_owned(), (field(19)?, field(40)?)))
        };
        Ok(list.lines().filter_map(thread).collect())
    };
    let found = threads()?;
    let of = |name: &str| found.get(name).copied();
    let refused = running.count("vrrp_rt_priority cannot be had") > 0;
    assert_eq!(
        (of("packet"), of("hand")),
        if refused { (Some((3, 0)), Some((3, 0))) } else { (Some((3, 7)), Some((3, 6))) }
    );
    assert_eq!(of("keepalived_vrrp"), Some((3, 0)));
    assert!(lb01.read(format!("/proc/{}/status", worker.pid))?.contains("Cpus_allowed_list:\t0\n"));
    // One that is refused shows too that it is under way, and that it is over.
    lb01.write(&path, "")?;
    node.write("vrrp_instance VI_1 {\n}\n")?;
    running.signal(Signal::HUP)?;
    running.wait_for_line("reload refused", SOON)?;
    wait_until("reload_file goes", || Ok(!pair::exists(lb01, &path)?))?;
    // A reload takes it back. The file that shows it was left by an earlier run; another one is not ours.
    for content in ["", "precious"] {
        lb01.write(&path, content)?;
        let mark = running.lines().mark();
        node.write(format!("global_defs {{\n    {shown}\n}}\n{instance}"))?;
        running.signal(Signal::HUP)?;
        running.wait_for_line_from(mark, "Reload complete", SOON)?;
        wait_until("what becomes of reload_file", || Ok(pair::exists(lb01, &path)? != content.is_empty()))?;
    }
    assert_eq!((lb01.read(&path)?.as_str(), running.count("reload_file")), ("precious", 1));
    let found = threads()?;
    assert!(found.values().all(|(nice, real_time)| *nice == 0 && *real_time <= 2), "{found:?}");
    assert_eq!(name(worker.pid)?.trim(), "standfast");
    running.stop()
}

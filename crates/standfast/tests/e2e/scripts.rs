//! Scripts steer the address (S7, S9): what they say counts, what they do to the daemon harms nobody, and one that
//! cannot be run says why and never counts as success.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::harness::{Outcome, Stop, Test, fail};
use lab::{Capture, Ended, Machine, Signal};

use crate::conf::{Flavour, LB01, LB02, ip};
use crate::figures;
use crate::pair::{self, ELECTION, Node, Running, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("scripts::s7_a_service_that_died_is_started_again_and_outlives_the_daemon", restarts),
        Test::new("scripts::s7_a_script_that_stops_the_daemon_makes_it_resign_at_once", stops_the_daemon),
        Test::new("scripts::s7_nginx_is_started_again_and_where_that_fails_the_address_drifts", nginx),
        Test::new("scripts::s9_what_cannot_be_run_says_why_and_a_healthy_peer_takes_over", says_why),
        Test::new("scripts::s9_a_script_slower_than_its_interval_is_a_failure", too_slow),
        Test::new("scripts::somebody_serves_when_both_nodes_have_a_broken_script", both_broken),
        Test::new("scripts::a_weight_moves_the_address_there_and_back", weight),
        Test::new("scripts::init_fail_keeps_the_address_away_until_the_first_success", init_fail),
        Test::new("scripts::whatever_a_script_does_the_adverts_go_on", hostile),
        Test::new("scripts::a_script_that_is_replaced_is_the_new_one_at_the_next_run", replaced),
        Test::new(
            "scripts::a_worker_that_dies_takes_its_scripts_along_and_the_next_one_runs_them",
            worker_dies,
        ),
        Test::new("scripts::a_supervisor_that_dies_takes_its_scripts_along", supervisor_dies),
        Test::slow("scripts::five_hundred_scripts_a_second_delay_no_advert", five_hundred),
        Test::new("scripts::the_user_and_the_environment_are_what_keepalived_gives", user),
    ]
}

/// A script on a machine.
fn script(machine: &Machine, name: &str, mode: u32, text: &str) -> Result<PathBuf, Stop> {
    let path = machine.file(name);
    let new = machine.file(&format!("{name}.new"));
    machine.write(&new, text)?;
    machine.within(|| {
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::rename(&new, &path).unwrap();
    })?;
    Ok(path)
}

/// A node's file: its virtual router, adverts every 0.3 s, with this script.
fn conf(name: &str, script: &std::path::Path, lines: &str) -> String {
    let instance = Flavour::V3.instance(name).every("0.3").line("track_script {\n        chk\n    }");
    format!(
        "global_defs {{\n    script_user root\n    enable_script_security\n}}\n\
         vrrp_script chk {{\n    script \"{}\"\n    {lines}\n}}\n{}",
        script.display(),
        instance.file()
    )
}

/// A node's file without scripts.
fn plain(name: &str) -> String {
    Flavour::V3.instance(name).every("0.3").file()
}

fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.rsplit(") ").next().unwrap_or_default().starts_with('Z')
}

/// Waits until `done`, and says what was awaited when it does not come.
fn until(what: &str, mut done: impl FnMut() -> bool) -> Outcome {
    let since = Instant::now();
    while !done() {
        if since.elapsed() > SOON {
            return Err(fail(format!("{what}: not within {SOON:?}")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// A number that a script writes to a file.
fn number(machine: &Machine, name: &str) -> Option<i32> {
    machine.read(machine.file(name)).ok()?.trim().parse().ok()
}

/// Waits until a script has written a number.
fn wait_for_number(machine: &Machine, name: &str) -> Result<i32, Stop> {
    until(name, || number(machine, name).is_some())?;
    number(machine, name).ok_or_else(|| fail(format!("{name} has gone again")))
}

/// The scenario's check: when the service is gone it starts it, waits, and stops the daemon if it is still gone.
fn scenario(machine: &Machine) -> String {
    let at = |name: &str| machine.file(name).display().to_string();
    let (pid, service, own, daemon) = (at("service.pid"), at("service"), at("script.pid"), at("daemon.pid"));
    format!(
        "#!/bin/sh\nalive() {{ kill -0 \"$(cat {pid} 2>/dev/null)\" 2>/dev/null; }}\n\
         echo $$ >{own}.new; mv {own}.new {own}\n\
         if ! alive; then\n    {service}\n    sleep 0.5\n    if ! alive; then\n        \
         kill -TERM \"$(cat {daemon})\"\n        sleep 30\n    fi\nfi\n"
    )
}

/// A service that goes to the background by itself, as nginx does.
fn service(machine: &Machine) -> String {
    let pid = machine.file("service.pid").display().to_string();
    format!("#!/bin/sh\nsetsid sh -c 'echo $$ >{pid}.new; mv {pid}.new {pid}; exec sleep 1000' &\n")
}

fn end_service(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn restarts() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    script(lb01, "service", 0o755, &service(lb01))?;
    let check = script(lb01, "check", 0o755, &scenario(lb01))?;
    let node = Node::ours(lb01, conf(LB01, &check, "interval 1\n    timeout 5"))?;
    let running = node.start_active()?;
    let first = wait_for_number(lb01, "service.pid")?;
    end_service(first);
    until("another service", || {
        number(lb01, "service.pid").is_some_and(|pid| pid != first && is_alive(pid))
    })?;
    let second = wait_for_number(lb01, "service.pid")?;
    assert_eq!(running.count("Entering"), 2, "{}", running.log());
    running.stop()?;
    let outlives = is_alive(second);
    end_service(second);
    assert!(outlives, "what a script has started lives on");
    Ok(())
}

fn stops_the_daemon() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    script(lb01, "service", 0o755, &service(lb01))?;
    let check = script(lb01, "check", 0o755, &scenario(lb01))?;
    let first = Node::ours(lb01, conf(LB01, &check, "interval 1\n    timeout 5"))?;
    let second = Node::ours(lb02, plain(LB02))?;
    let [active, backup] = pair::settle(&[first, second])?;
    let service = wait_for_number(lb01, "service.pid")?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    script(lb01, "service", 0o755, "#!/bin/sh\nexit 1\n")?;
    end_service(service);
    let ended = active.wait(SOON)?;
    assert_eq!(ended, Ended::Code(0), "{}", active.log());
    backup.enters("VI_1", "MASTER", ELECTION)?;
    assert!(!lb01.holds(ip("10.0.0.3"))?);
    lb02.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let adverts = see::adverts(&capture.records());
    let resigned = adverts.iter().find(|advert| advert.source == ip("10.0.0.5") && advert.priority == 0);
    let taken = adverts.iter().find(|advert| advert.source == ip("10.0.0.6") && advert.priority == 100);
    let (Some(resigned), Some(taken)) = (resigned, taken) else {
        return Err(fail(format!("no priority 0 of lb01 and no advert of lb02: {adverts:?}")));
    };
    let gap = taken.at.since(resigned.at);
    figures::time("from the resignation that a script caused to the next one's advert", gap);
    assert!(gap < Duration::from_secs(1), "{gap:?}");
    let own = wait_for_number(lb01, "script.pid")?;
    assert!(!std::path::Path::new(&format!("/proc/{own}")).exists(), "the script is reaped");
    backup.stop()
}

fn says_why() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let shell = "#!/bin/sh\nexit 0\n";
    let missing = lb01.file("no/such/check");
    let closed = script(lb01, "closed", 0o644, shell)?;
    let foreign = script(lb01, "foreign", 0o755, "#!/no/such/shell\n")?;
    let open = script(lb01, "open", 0o777, shell)?;
    let [first, second] = [conf(LB01, &missing, "interval 1"), plain(LB02)];
    let nodes = [Node::ours(lb01, &first)?, Node::ours(lb02, second)?];
    let backup = nodes[1].start()?;
    let broken = nodes[0].start()?;
    backup.enters("VI_1", "MASTER", ELECTION)?;
    let what = |path: PathBuf, line: &str| (path.clone(), line.replace("{}", &path.display().to_string()));
    let cases = [
        (missing, format!("cannot be run: {} does not exist", lb01.file("no").display())),
        what(closed, "cannot be run: user root may not run {} (mode 0644)"),
        what(foreign, "cannot be run: the interpreter /no/such/shell that {} names cannot be run"),
        what(open, "cannot be run: others than root may change {} (owner 0, mode 0777)"),
    ];
    for (path, line) in cases {
        let mark = if line.contains("does not exist") { 0 } else { broken.lines().mark() };
        nodes[0].write(conf(LB01, &path, "interval 1"))?;
        broken.signal(Signal::HUP)?;
        broken.wait_for_line_from(mark, &line, SOON)?;
    }
    // The other one is healthy, so the higher priority does not count.
    assert!(!lb01.holds(ip("10.0.0.3"))? && lb02.holds(ip("10.0.0.3"))?);
    assert_eq!(broken.count("Entering MASTER"), 0, "{}", broken.log());
    // It is mended: at its next run it counts.
    let path = script(lb01, "open", 0o755, shell)?;
    nodes[0].write(conf(LB01, &path, "interval 1"))?;
    broken.enters("VI_1", "MASTER", ELECTION)?;
    // A text without a first line is run, and that is said.
    let mark = broken.lines().mark();
    let bare = script(lb01, "bare", 0o755, "exit 0\n")?;
    nodes[0].write(conf(LB01, &bare, "interval 1"))?;
    broken.signal(Signal::HUP)?;
    broken.wait_for_line_from(mark, "has no #! line: it is run by /bin/sh", SOON)?;
    broken.stop()?;
    backup.stop()
}

fn too_slow() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let check = script(lb01, "check", 0o755, "#!/bin/sh\ntrap '' TERM\nsleep 60\nexit 0\n")?;
    let nodes = [Node::ours(lb01, conf(LB01, &check, "interval 1"))?, Node::ours(lb02, plain(LB02))?];
    let slow = nodes[0].spawn()?;
    let backup = nodes[1].spawn()?;
    slow.wait_for_line("VRRP_Script(chk) timed_out", SOON)?;
    slow.enters("VI_1", "FAULT", SOON)?;
    backup.enters("VI_1", "MASTER", ELECTION)?;
    assert_eq!(slow.count("Entering MASTER"), 0, "{}", slow.log());
    slow.stop()?;
    backup.stop()
}

fn both_broken() -> Outcome {
    let lab = pair::three()?;
    let nodes = [LB01, LB02].map(|name| {
        let machine = lab.machine(name)?;
        Node::ours(machine, conf(name, &machine.file("none"), "interval 1"))
    });
    let [first, second] = nodes;
    let (first, second) = (first?.start()?, second?.start()?);
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    // Equals: whoever was first goes on, the other follows.
    until("somebody serves", || lb01.holds(ip("10.0.0.3")).unwrap() != lb02.holds(ip("10.0.0.3")).unwrap())?;
    let first_serves = lb01.holds(ip("10.0.0.3"))?;
    let (serves, other, machine) = if first_serves { (first, second, lb02) } else { (second, first, lb01) };
    serves.stop()?;
    other.enters("VI_1", "MASTER", ELECTION)?;
    machine.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    other.stop()
}

fn weight() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let flag = lb01.file("down");
    let text = format!("#!/bin/sh\n[ ! -e {} ]\n", flag.display());
    let check = script(lb01, "check", 0o755, &text)?;
    let lines = "interval 1\n    weight -60\n    fall 2\n    rise 2";
    let nodes = [Node::ours(lb01, conf(LB01, &check, lines))?, Node::ours(lb02, plain(LB02))?];
    let [first, second] = pair::settle(&nodes)?;
    let mark = first.lines().mark();
    lb01.write(&flag, "")?;
    second.enters("VI_1", "MASTER", ELECTION)?;
    first.enters_from(mark, "VI_1", "BACKUP", SOON)?;
    lb02.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let mark = first.lines().mark();
    lb01.within(|| std::fs::remove_file(&flag).unwrap())?;
    first.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    lb02.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    first.stop()?;
    second.stop()
}

fn init_fail() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let check = script(lb01, "check", 0o755, "#!/bin/sh\nsleep 3\nexit 0\n")?;
    let node = Node::ours(lb01, conf(LB01, &check, "interval 10\n    init_fail"))?;
    let running = node.start()?;
    running.enters("VI_1", "FAULT", SOON)?;
    assert!(!lb01.holds(ip("10.0.0.3"))?);
    running.enters("VI_1", "MASTER", ELECTION)?;
    running.stop()
}

/// Scripts that do what no script should do, all at once.
fn hostile() -> Outcome {
    const DEEDS: [(&str, &str); 6] = [
        ("deaf", "trap '' TERM INT HUP\nwhile :; do sleep 1; done"),
        ("daemons", "for i in 1 2 3; do setsid sleep 2 & done\nsleep 2 &\nexit 0"),
        ("loud", "head -c 20000000 /dev/zero\nhead -c 20000000 /dev/zero >&2\nexit 0"),
        ("closed", "exec 0<&- 1<&- 2<&-\nexit 0"),
        ("quick", "exit 0"),
        ("stopped", "kill -STOP $$\nexit 0"),
    ];
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let mut blocks = String::from("global_defs {\n    script_user root\n}\n");
    let mut tracked = String::from("track_script {\n");
    for (name, deed) in DEEDS {
        let path = script(lb01, name, 0o755, &format!("#!/bin/sh\n{deed}\n"))?;
        let path = path.display();
        blocks += &format!("vrrp_script {name} {{\n    script {path}\n    interval 1\n    weight 1\n}}\n");
        tracked += &format!("        {name}\n");
    }
    tracked += "    }";
    let instance = Flavour::V3.instance(LB01).every("0.1").line(tracked);
    let node = Node::ours(lb01, blocks + &instance.file())?;
    let running = node.start_active()?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let times = see::wait_for_adverts(&capture, ip("10.0.0.5"), 80, Duration::from_secs(30))?;
    let gaps = times.windows(2).map(|pair| pair[1].since(pair[0]));
    let longest = gaps.max().unwrap_or_default();
    figures::time("longest gap between adverts every 100 ms beside hostile scripts", longest);
    assert!(longest < Duration::from_millis(300), "{longest:?}");
    assert_eq!(running.count("Entering MASTER"), 1);
    running.wait_for_line("VRRP_Script(deaf) timed_out", SOON)?;
    running.wait_for_line("VRRP_Script(quick) succeeded", SOON)?;
    running.stop()?;
    assert!(running.processes().is_empty(), "{:?}", running.processes());
    Ok(())
}

fn replaced() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let check = script(lb01, "check", 0o755, "#!/bin/sh\nsleep 0.7\nexit 0\n")?;
    let node = Node::ours(lb01, conf(LB01, &check, "interval 1"))?;
    let running = node.start_active()?;
    script(lb01, "check", 0o755, "#!/bin/sh\nexit 7\n")?;
    running.wait_for_line("VRRP_Script(chk) failed (exited with status 7)", SOON)?;
    running.enters("VI_1", "FAULT", SOON)?;
    let mark = running.lines().mark();
    lb01.within(|| std::fs::remove_file(&check).unwrap())?;
    running.wait_for_line_from(mark, "does not exist", SOON)?;
    // Nobody knows whether the service is well; a node that is alone serves.
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    running.stop()
}

fn worker_dies() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let own = lb01.file("script.pid").display().to_string();
    let text = format!(
        "#!/bin/sh\necho $$ >{own}.new; mv {own}.new {own}\n[ -e {own}.long ] && sleep 100\nexit 0\n"
    );
    let check = script(lb01, "check", 0o755, &text)?;
    let node = Node::ours(lb01, conf(LB01, &check, "interval 1\n    timeout 60"))?;
    let running: Running = node.start_active()?;
    lb01.write(lb01.file("script.pid.long"), "")?;
    let before = wait_for_number(lb01, "script.pid")?;
    until("a long run", || number(lb01, "script.pid").is_some_and(|pid| pid != before && is_alive(pid)))?;
    let first = wait_for_number(lb01, "script.pid")?;
    let worker =
        match running.processes().iter().find(|process| process.pid != running.pid() && process.pid != first)
        {
            Some(worker) => worker.pid,
            None => return Err(fail("there is no worker")),
        };
    lb01.within(|| std::fs::remove_file(lb01.file("script.pid.long")).unwrap())?;
    let mark = running.lines().mark();
    running.signal_process(worker, Signal::KILL)?;
    until("the script is gone", || !is_alive(first))?;
    running.wait_for_line_from(mark, "worker ended unexpectedly", SOON)?;
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    running.wait_for_line_from(mark, "VRRP_Script(chk) succeeded", SOON)?;
    running.stop()
}

fn supervisor_dies() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let own = lb01.file("script.pid").display().to_string();
    let left = lb01.file("left.pid").display().to_string();
    // The first run is short, and leaves something behind.
    let text = format!(
        "#!/bin/sh\nif [ -e {own} ]; then\n    echo $$ >{own}.new; mv {own}.new {own}\n    exec sleep 100\nfi\n\
         echo 0 >{own}\nsetsid sh -c 'echo $$ >{left}; exec sleep 100' &\n"
    );
    let check = script(lb01, "check", 0o755, &text)?;
    let node = Node::ours(lb01, conf(LB01, &check, "interval 1\n    timeout 60"))?;
    let running = node.start_active()?;
    until("a long run", || number(lb01, "script.pid").is_some_and(|pid| pid > 0 && is_alive(pid)))?;
    let (run, left) = (wait_for_number(lb01, "script.pid")?, wait_for_number(lb01, "left.pid")?);
    running.signal(Signal::KILL)?;
    until("the script is gone", || !is_alive(run))?;
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    let lives = is_alive(left);
    end_service(left);
    assert!(lives, "what a script has left running is nobody's business");
    Ok(())
}

fn user() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let seen = lb01.file("seen").display().to_string();
    let text = format!(
        "#!/bin/sh\n{{ id -u; echo \"[$IFS_SET$LD_PRELOAD$STANDFAST_STAGE$STANDFAST_INHERITED]\"; echo \"$MARK\"; \
         echo \"$1|$2\"; }} >{seen}.new; mv {seen}.new {seen}\n"
    );
    let check = script(lb01, "check", 0o755, &text)?;
    let conf = conf(LB01, &check, "interval 1").replace("check\"", "check 'a b' c\\\\ d\"");
    let node = Node::ours(lb01, conf)?;
    let running = node.spawn_with(|command| {
        command.env("MARK", "it is passed on").env("LD_PRELOAD", "/nonexistent/x.so");
    })?;
    until("a run", || lb01.read(&seen).is_ok())?;
    assert_eq!(lb01.read(&seen)?, "0\n[]\nit is passed on\na b|c d\n");
    running.stop()
}

/// The scenario's script: when the port is closed it starts nginx, waits, and stops the daemon if that was in vain.
fn start_nginx(machine: &Machine, nginx: &std::path::Path) -> Result<PathBuf, Stop> {
    let at = |name: &str| machine.file(name).display().to_string();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {};\n", at(&format!("{kind}_temp"))));
    machine.write(
        machine.file("nginx.conf"),
        format!(
            "user root;\nworker_processes 1;\npid {};\nerror_log {};\nevents {{\n    worker_connections 16;\n}}\n\
             http {{\n    access_log off;\n{}    server {{\n        listen 8080;\n        location / {{\n            \
             return 200 \"{}\";\n        }}\n    }}\n}}\n",
            at("nginx.pid"),
            at("nginx.log"),
            temporary.concat(),
            machine.name()
        ),
    )?;
    let text = format!(
        "#!/bin/bash\nopen() {{ [ $(ss -Hlnt 'sport = :8080' | wc -l) -ge 1 ]; }}\nif ! open; then\n    \
         {} -c {}\n    sleep 1\n    if ! open; then\n        kill -TERM \"$(cat {})\"\n    fi\nfi\n",
        nginx.display(),
        at("nginx.conf"),
        at("daemon.pid")
    );
    script(machine, "check-nginx.sh", 0o755, &text)
}

/// Who answers behind the service's address.
fn answer(client: &Machine) -> Option<String> {
    use std::io::{Read, Write};
    let ask = || {
        let address = "10.0.0.3:8080".parse().ok()?;
        let limit = Duration::from_millis(500);
        let mut stream = std::net::TcpStream::connect_timeout(&address, limit).ok()?;
        stream.set_read_timeout(Some(limit)).ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text.rsplit("\r\n").next()?.to_owned())
    };
    client.within(ask).ok().flatten()
}

fn nginx() -> Outcome {
    let program = lab::harness::program("nginx")?;
    lab::harness::program("ss")?;
    let lab = pair::three()?;
    let (lb01, lb02, client) = (lab.machine(LB01)?, lab.machine(LB02)?, lab.machine("client")?);
    let lines = "interval 1\n    timeout 5";
    let [first, second] = [start_nginx(lb01, &program)?, start_nginx(lb02, &program)?];
    let nodes = [Node::ours(lb01, conf(LB01, &first, lines))?, Node::ours(lb02, conf(LB02, &second, lines))?];
    let [active, backup] = pair::settle(&nodes)?;
    until("lb01 answers", || answer(client).as_deref() == Some(LB01))?;
    let dies = |machine: &Machine| -> Result<i32, Stop> {
        let pid = wait_for_number(machine, "nginx.pid")?;
        let process = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        until("nginx is gone", || !is_alive(pid))?;
        Ok(pid)
    };
    let old = dies(lb01)?;
    until("another nginx", || number(lb01, "nginx.pid").is_some_and(|pid| pid != old && is_alive(pid)))?;
    until("lb01 answers again", || answer(client).as_deref() == Some(LB01))?;
    assert_eq!(active.count("Entering"), 2, "{}", active.log());
    lb01.write(lb01.file("nginx.conf"), "no such directive;\n")?;
    dies(lb01)?;
    assert_eq!(active.wait(SOON)?, Ended::Code(0), "{}", active.log());
    until("lb02 answers", || answer(client).as_deref() == Some(LB02))?;
    assert!(!lb01.holds(ip("10.0.0.3"))?);
    backup.stop()?;
    // The daemon has gone, what its script has started has not.
    let left = wait_for_number(lb02, "nginx.pid")?;
    let lives = is_alive(left);
    dies(lb02)?;
    assert!(lives, "nginx lives on");
    Ok(())
}

/// Seconds of processor time that a process has had, and those that it has waited for.
fn processor_time(pid: i32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<f64> =
        stat.rsplit(") ").next().unwrap_or_default().split(' ').filter_map(|f| f.parse().ok()).collect();
    // utime and stime, without the first field, which is no number, and the two before the parenthesis.
    let ticks = fields.get(10).copied().unwrap_or(0.0) + fields.get(11).copied().unwrap_or(0.0);
    ticks / rustix::param::clock_ticks_per_second() as f64
}

fn five_hundred() -> Outcome {
    const SCRIPTS: usize = 500;
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let mut text = String::from("global_defs {\n    script_user root\n    enable_script_security\n}\n");
    let mut tracked = String::from("track_script {\n");
    for number in 0..SCRIPTS {
        text += &format!(
            "vrrp_script chk{number} {{\n    script /bin/true\n    interval 1\n    timeout 5\n    weight 1\n}}\n"
        );
        tracked += &format!("        chk{number}\n");
    }
    tracked += "    }";
    let instance = Flavour::V3.instance(LB01).every("0.1").line(tracked);
    let node = Node::ours(lb01, text + &instance.file())?;
    let running = node.start_active()?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let before = processor_time(running.pid());
    let since = Instant::now();
    let times = see::wait_for_adverts(&capture, ip("10.0.0.5"), 100, Duration::from_secs(60))?;
    let share = (processor_time(running.pid()) - before) / since.elapsed().as_secs_f64();
    let longest = times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default();
    figures::time("longest gap between adverts every 100 ms beside 500 scripts a second", longest);
    figures::time(
        "processor time a second of the supervisor, 500 scripts a second",
        Duration::from_secs_f64(share),
    );
    assert!(longest < Duration::from_millis(300), "{longest:?}");
    assert_eq!(running.count("Entering MASTER"), 1);
    running.stop()
}

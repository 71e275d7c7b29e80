//! Who is told of changes: the same configuration and the same disturbances under our daemon and under Debian's
//! keepalived give the same arguments of notify scripts and the same lines of FIFOs, in the same order.
//!
//! What differs, and is evened out here by name:
//! - members of a group that change together are told in an order that keepalived does not fix (its timers decide),
//!   so the order is compared for each instance and group, and a group against its members;
//! - keepalived starts the specific and the general script of one change at the same time and ours one after the other,
//!   so what the two were given is compared separately;
//! - `MASTER_RX_LOWER_PRI` comes with each advert: how many there are depends on the time, so only the step that is
//!   about them counts them, as one;
//! - keepalived's own FIFO scripts are ended before they have read the lines of the end, so the story has a reader of
//!   its own (ours: see `a_fifo_script_reads_to_the_end`);
//! - keepalived 2.2.7 writes only the groups' states after a reload with `fifo_write_vrrp_states_on_reload` (2.4.0
//!   mended it), so that keyword is not in the common story.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::time::{Duration, Instant};

use lab::Machine;
use lab::harness::{Outcome, Stop, Test, fail};

use crate::conf::{LB01, LB02};
use crate::pair::{self, Kind, Node, Running, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("notify::the_same_story_is_told_as_keepalived_tells_it", story),
        Test::new("notify::a_script_that_hangs_delays_no_advert_and_not_the_end", hangs),
        Test::new("notify::what_cannot_be_run_or_written_says_why", says_why),
        Test::new("notify::a_fifo_script_reads_to_the_end", reader),
        Test::new("notify::a_fifo_that_nobody_reads_keeps_its_lines", unread),
    ]
}

/// Nothing new is told for so long: it is over.
const QUIET: Duration = Duration::from_millis(1500);

fn executable(machine: &Machine, name: &str, text: &str) -> Result<String, Stop> {
    let path = machine.file(name);
    machine.write(&path, text)?;
    machine.within(|| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap())?;
    Ok(path.display().to_string())
}

/// A machine's file: A and B in a group, C and D alone; C and D track a script.
fn conf(machine: &Machine, priority: u8, instances: &[&str]) -> Result<String, Stop> {
    let log = machine.file("told").display().to_string();
    let rec = executable(machine, "rec", &format!("#!/bin/sh\necho \"$*\" >>{log}\n"))?;
    let bad = machine.file("bad").display().to_string();
    let check = executable(machine, "check", &format!("#!/bin/sh\ntest ! -e {bad}\n"))?;
    let hooks = |name: &str| {
        let hook = |kind: &str| format!("    notify_{kind} \"{rec} {kind} {name}\"\n");
        let kinds = ["master", "backup", "fault", "stop"].map(hook).concat();
        format!("{kinds}    notify \"{rec} any\"\n")
    };
    let fifo = machine.file("fifo").display().to_string();
    let mut text = format!(
        "global_defs {{\n    script_user root\n    vrrp_notify_fifo {fifo}\n    \
         vrrp_notify_priority_changes true\n}}\n\
         vrrp_script chk {{\n    script {check}\n    interval 1\n    rise 1\n    fall 1\n}}\n"
    );
    for (name, vrid) in [("A", 51), ("B", 52), ("C", 53), ("D", 54)] {
        if !instances.contains(&name) {
            continue;
        }
        let (lower, deleted) = (
            format!("    notify_master_rx_lower_pri \"{rec} lower {name}\"\n"),
            if name == "C" { format!("    notify_deleted \"{rec} deleted C\"\n") } else { String::new() },
        );
        let track = if vrid > 52 { "    track_script {\n        chk weight -60\n    }\n" } else { "" };
        text += &format!(
            "vrrp_instance {name} {{\n    state BACKUP\n    interface eth0\n    virtual_router_id {vrid}\n    \
             priority {priority}\n    advert_int 0.3\n    version 3\n{}{lower}{deleted}{track}    \
             virtual_ipaddress {{\n        10.0.0.{vrid}\n    }}\n}}\n",
            hooks(name)
        );
    }
    let group = "vrrp_sync_group G {\n    group {\n        A\n        B\n    }\n";
    Ok(text + group + &hooks("G") + "}\n")
}

/// Makes the FIFO, and reads it for as long as the result lives.
fn listen(machine: &Machine) -> Result<lab::Daemon, Stop> {
    let fifo = machine.file("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let made = machine
        .within(|| rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0))?;
    made.map_err(|why| fail(why.to_string()))?;
    let lines = machine.file("lines").display().to_string();
    let text =
        format!("exec 3<>{}\nwhile read -r line <&3; do echo \"$line\" >>{lines}; done\n", fifo.display());
    Ok(machine.spawn("/bin/sh", |command| {
        command.arg("-c").arg(text);
    })?)
}

/// What was told on a machine, so far.
struct Ear {
    machine: Machine,
    told: usize,
    lines: usize,
}

/// What was told in one step: the lines of the FIFO, then what the scripts were given, for each instance and group.
type Heard = BTreeMap<String, Vec<String>>;

impl Ear {
    fn new(machine: &Machine) -> Self {
        Self { machine: machine.clone(), told: 0, lines: 0 }
    }

    fn files(&self) -> [Vec<String>; 2] {
        ["told", "lines"].map(|name| {
            let text = self.machine.read(self.machine.file(name)).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        })
    }

    /// What is new since the last time.
    fn news(&mut self, with_lower: bool) -> Result<Heard, Stop> {
        let [told, lines] = self.files();
        let (new_told, new_lines) = (&told[self.told..], &lines[self.lines..]);
        (self.told, self.lines) = (told.len(), lines.len());
        let mut heard = Heard::new();
        let mut add = |whose: String, what: &str| {
            let is_lower = what.contains("LOWER_PRI") || what.starts_with("lower");
            if is_lower && !with_lower {
                return;
            }
            let row = heard.entry(whose).or_default();
            let repeats = is_lower && row.iter().any(|r| r == what);
            if !repeats {
                row.push(what.to_owned());
            }
        };
        for line in new_lines {
            let Some(name) = line.split(' ').nth(1) else { return Err(fail(format!("a line {line:?}"))) };
            add(format!("fifo {name}"), line);
        }
        // A group is told after its members, but before them at the start.
        if let Some(at) = new_lines.iter().position(|line| line.starts_with("GROUP")) {
            let before =
                new_lines[..at].iter().filter(|line| line.contains("\"A\"") || line.contains("\"B\""));
            add("members before the group".into(), &before.count().to_string());
        }
        for words in new_told {
            let words: Vec<&str> = words.split(' ').collect();
            match words[..] {
                ["any", _, name, ..] => add(format!("notify {name}"), &words.join(" ")),
                [_, name] => add(format!("specific {name}"), &words.join(" ")),
                _ => return Err(fail(format!("arguments {words:?}"))),
            }
        }
        Ok(heard)
    }
}

/// Waits until nothing is told any more.
fn quiet(ears: &[Ear; 2]) {
    let since = Instant::now();
    let (mut last, mut at) = (ears.each_ref().map(Ear::files), Instant::now());
    while at.elapsed() < QUIET && since.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(50));
        let now = ears.each_ref().map(Ear::files);
        // Lower adverts come for ever.
        let counts = |files: &[[Vec<String>; 2]; 2]| {
            let all = files.iter().flatten().flatten();
            all.filter(|line| !line.contains("LOWER_PRI") && !line.starts_with("lower")).count()
        };
        if counts(&now) != counts(&last) {
            at = Instant::now();
        }
        last = now;
    }
}

/// One kind's story, step by step, on lb01 and lb02.
fn tell(kind: Kind) -> Result<Vec<(&'static str, [Heard; 2])>, Stop> {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let all = ["A", "B", "C", "D"];
    let first = Node::new(lb01, kind, conf(lb01, 150, &all)?)?;
    let second = Node::new(lb02, kind, conf(lb02, 100, &all)?)?;
    let _readers = [listen(lb01)?, listen(lb02)?];
    let mut ears = [Ear::new(lb01), Ear::new(lb02)];
    let mut story = Vec::new();
    let mut step = |name: &'static str| -> Outcome {
        quiet(&ears);
        let [one, two] = &mut ears;
        let with_lower = name == "lb02 hears nothing";
        story.push((name, [one.news(with_lower)?, two.news(with_lower)?]));
        Ok(())
    };
    let active: Running = first.start()?;
    step("lb01 starts")?;
    let backup = second.start()?;
    step("lb02 starts")?;
    lb01.write(lb01.file("bad"), "")?;
    step("the script of lb01 fails")?;
    lb01.within(|| std::fs::remove_file(lb01.file("bad")).unwrap())?;
    step("the script of lb01 succeeds")?;
    lb01.link_down("eth0")?;
    step("lb01 loses its link")?;
    lb01.link_up("eth0")?;
    step("lb01 has its link again")?;
    let loss = lab.lose_to(lb02, lab::Traffic::Vrrp)?;
    step("lb02 hears nothing")?;
    drop(loss);
    step("lb02 hears again")?;
    first.write(conf(lb01, 150, &["A", "B"])?)?;
    active.signal(lab::Signal::HUP)?;
    step("a reload of lb01 removes C and D")?;
    backup.term()?;
    backup.wait(SOON)?;
    step("lb02 stops")?;
    let backup = second.start()?;
    step("lb02 starts again")?;
    active.kill_crash()?;
    step("lb01 crashes")?;
    backup.term()?;
    backup.wait(SOON)?;
    step("lb02 stops again")?;
    Ok(story)
}

fn story() -> Outcome {
    let ours = tell(Kind::Standfast)?;
    let theirs = tell(Kind::Keepalived)?;
    let mut differences = String::new();
    for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        for (machine, (ours, theirs)) in [LB01, LB02].iter().zip(ours.iter().zip(theirs)) {
            if ours != theirs {
                differences += &format!("{name}, {machine}:\n ours {ours:#?}\n theirs {theirs:#?}\n");
            }
        }
    }
    if !differences.is_empty() {
        return Err(fail(differences));
    }
    // Two that say nothing would agree too.
    let count = ours.iter().flat_map(|(_, heard)| heard).flat_map(BTreeMap::values).flatten().count();
    if count < 100 { Err(fail(format!("only {count} things were told"))) } else { Ok(()) }
}

/// A node alone, active at once, with these lines in its instance and in `global_defs`.
fn alone(machine: &Machine, lines: &str, globals: &str) -> Result<Node, Stop> {
    Node::ours(
        machine,
        format!(
            "global_defs {{\n    script_user root\n    {globals}\n}}\nvrrp_instance VI_1 {{\n    interface eth0\n    \
             virtual_router_id 50\n    priority 255\n    advert_int 0.1\n    version 3\n    {lines}\n    \
             virtual_ipaddress {{\n        10.0.0.3\n    }}\n}}\n"
        ),
    )
}

fn hangs() -> Outcome {
    let lab = pair::alone()?;
    let machine = lab.machine(LB01)?;
    let told = machine.file("told").display().to_string();
    // Hangs, ignores TERM, says much, and has started a daemon.
    let bad = format!(
        "#!/bin/sh\ntrap '' TERM\necho \"$*\" >>{told}\nhead -c 4000000 /dev/zero\n(sleep 1000 &)\nsleep 1000\n"
    );
    let bad = executable(machine, "hangs", &bad)?;
    let node = alone(machine, &format!("notify \"{bad}\""), "")?;
    let running = node.start_active()?;
    let client = lab.machine("client")?;
    let capture = lab::Capture::start(client, "eth0")?;
    // Each of them is news for the script. A cable that is back before anybody has looked is none.
    for _ in 0..3 {
        let mark = running.lines().mark();
        machine.link_down("eth0")?;
        running.wait_for_line_from(mark, "Entering FAULT STATE", SOON)?;
        machine.link_up("eth0")?;
        running.wait_for_line_from(mark, "Entering MASTER STATE", SOON)?;
    }
    std::thread::sleep(Duration::from_secs(1));
    let adverts = capture.records().iter().filter(|record| record.advert().is_some()).count();
    if adverts < 10 {
        return Err(fail(format!("{adverts} adverts")));
    }
    let since = Instant::now();
    running.stop()?;
    if since.elapsed() > Duration::from_millis(4_800) {
        return Err(fail(format!("the end took {:?}", since.elapsed())));
    }
    running.wait_for_line("script VI_1 notify takes too long: it is not waited for any longer", SOON)?;
    running.wait_for_line("notify scripts were not run", SOON)?;
    Ok(())
}

fn says_why() -> Outcome {
    let lab = pair::alone()?;
    let machine = lab.machine(LB01)?;
    let fails = executable(machine, "fails", "#!/bin/sh\nexit 127\n")?;
    let plain = machine.file("plain").display().to_string();
    machine.write(&plain, "precious")?;
    let lines = format!("notify_master /no/such/script\n    notify {fails}");
    let node = alone(machine, &lines, &format!("notify_fifo {plain}"))?;
    let running = node.start_active()?;
    running.wait_for_line("script VI_1 notify_master cannot be run: /no does not exist", SOON)?;
    running.wait_for_line("script VI_1 notify did not find a command (exited with status 127)", SOON)?;
    let refused = format!("FIFO {plain}: it is a regular file, no FIFO; nothing is written to it");
    running.wait_for_line(&refused, SOON)?;
    running.stop()?;
    let left = machine.read(&plain)?;
    if left == "precious" { Ok(()) } else { Err(fail(format!("the file says {left:?}"))) }
}

fn unread() -> Outcome {
    let lab = pair::alone()?;
    let machine = lab.machine(LB01)?;
    let fifo = machine.file("fifo");
    let node = alone(machine, "", &format!("notify_fifo {}", fifo.display()))?;
    let running = node.start_active()?;
    machine.link_down("eth0")?;
    running.enters("VI_1", "FAULT", SOON)?;
    see::wait_until("there is a FIFO", || {
        Ok(machine.within(|| std::fs::metadata(&fifo).is_ok_and(|s| s.file_type().is_fifo()))?)
    })?;
    // Whoever comes late reads everything.
    let mut reader = machine.command("head");
    let output = reader.arg("-n2").arg(&fifo).output();
    let text = String::from_utf8_lossy(&output.map_err(|why| fail(why.to_string()))?.stdout).into_owned();
    let wanted = "INSTANCE \"VI_1\" MASTER 255\nINSTANCE \"VI_1\" FAULT 255\n";
    if text != wanted {
        return Err(fail(format!("the FIFO said {text:?}")));
    }
    running.stop()?;
    if pair::exists(machine, &fifo)? { Err(fail("the FIFO is still there")) } else { Ok(()) }
}

/// Over a reload too, and the last lines as well.
fn reader() -> Outcome {
    let lab = pair::alone()?;
    let machine = lab.machine(LB01)?;
    let (fifo, lines) = (machine.file("fifo"), machine.file("lines"));
    let text =
        "#!/bin/sh\necho \"$*\" >>LINES\nwhile read -r line; do echo \"$line\" >>LINES; done <\"$2\"\n";
    let text = text.replace("LINES", &lines.display().to_string());
    let script = executable(machine, "reader", &text)?;
    let globals = format!("notify_fifo {}\n    notify_fifo_script \"{script} word\"", fifo.display());
    let node = alone(machine, "", &globals)?;
    let running = node.start_active()?;
    // It has begun: what a shell takes to start on a busy machine is not what is asked here.
    see::wait_until("the program reads", || {
        Ok(machine.read(&lines).is_ok_and(|text| text.contains("MASTER")))
    })?;
    machine.link_down("eth0")?;
    running.enters("VI_1", "FAULT", SOON)?;
    running.signal(lab::Signal::HUP)?;
    running.wait_for_line("Reload complete", SOON)?;
    running.stop()?;
    let read = machine.read(&lines)?;
    let line = |state: &str| format!("INSTANCE \"VI_1\" {state} 255\n");
    let states = ["MASTER", "FAULT", "STOP"].map(line).concat();
    let wanted = format!("word {}\n{states}", fifo.display());
    if read == wanted { Ok(()) } else { Err(fail(format!("it read {read:?}"))) }
}

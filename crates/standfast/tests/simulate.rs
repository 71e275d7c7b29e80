//! What `standfast simulate` shows is what stands in `tests/simulate`. With `BLESS=1` in the environment these files
//! are rewritten.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its assumption does")]

use serde_json::Value;
use standfast::check::Colour;
use standfast::simulate::{Args, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAIR: [&str; 2] = ["tests/simulate/lb01.conf", "tests/simulate/lb02.conf"];
const STAYING: [&str; 2] = ["tests/simulate/stay01.conf", "tests/simulate/stay02.conf"];

fn args(files: &[&str]) -> Args {
    Args {
        files: files.iter().map(PathBuf::from).collect(),
        color: Colour::Never,
        seed: 1,
        ..Args::default()
    }
}

fn played(args: &Args) -> (u8, String) {
    let mut out = Vec::new();
    let code = run(args, &mut out);
    (code, String::from_utf8(out).unwrap())
}

fn json(args: Args) -> (u8, Value) {
    let (code, text) = played(&Args { json: true, ..args });
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
    assert_eq!(value["exit_code"], code);
    (code, value)
}

fn holds(name: &str, shown: &str) {
    let path = Path::new("tests/simulate").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, shown).unwrap();
    }
    assert_eq!(shown, fs::read_to_string(&path).unwrap(), "{name}");
}

/// A file of its own that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("standfast-simulate-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn name(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Plays a scenario; the output names it `own`.
fn own(files: &[&str], name: &str, text: &str) -> (u8, String) {
    let scratch = Scratch::new(name, text);
    let (code, shown) = played(&Args { scenarios: vec![scratch.name()], ascii: true, ..args(files) });
    (code, shown.replace(&scratch.name(), "own"))
}

/// Plays a scenario of `tests/simulate` on the reference pair.
fn committed(name: &str) -> (u8, String) {
    let scenarios = vec![format!("tests/simulate/{name}.scenario")];
    played(&Args { scenarios, ascii: true, ..args(&PAIR) })
}

fn sequence(value: &Value, scenario: &str) -> String {
    let all = value["scenarios"].as_array().unwrap();
    let one = all.iter().find(|one| one["name"] == scenario).unwrap();
    let nodes = one["instances"][0]["sequence"].as_array().unwrap().iter();
    nodes.map(|node| node.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_built_in_scenarios_of_the_reference_pair() {
    let (code, shown) = played(&Args { ascii: true, ..args(&PAIR) });
    holds("pair.txt", &shown);
    assert_eq!(code, 0, "{shown}");
    let (_, again) = played(&Args { ascii: true, ..args(&PAIR) });
    assert_eq!(shown, again);
    let (code, value) = json(args(&PAIR));
    assert_eq!(code, 0);
    for (scenario, owners) in [
        ("power-lost", "lb01 lb02 lb01"),
        ("orderly-stop", "lb01 lb02 lb01"),
        ("cable-cut", "lb01 lb02 lb01"),
        ("node-paused", "lb01 lb02 lb01"),
    ] {
        assert_eq!(sequence(&value, scenario), owners, "{scenario}");
    }
    let left: Vec<&str> =
        value["left_out"].as_array().unwrap().iter().map(|left| left["name"].as_str().unwrap()).collect();
    assert_eq!(left, ["check-fails", "reload"]);
}

#[test]
fn with_nopreempt_the_address_moves_once() {
    let (code, value) = json(args(&STAYING));
    assert_eq!(code, 0, "{value:#}");
    assert_eq!(sequence(&value, "power-lost"), "lb01 lb02");
    assert_eq!(sequence(&value, "orderly-stop"), "lb01 lb02");
    let power = &value["scenarios"][0]["expectations"];
    let texts: Vec<&str> = power.as_array().unwrap().iter().map(|e| e["text"].as_str().unwrap()).collect();
    assert!(texts.contains(&"lb02 owns VI_1 at the end"), "{texts:?}");
}

#[test]
fn the_times_are_those_of_the_protocol() {
    let (_, value) = json(Args { scenarios: vec!["power-lost".into()], ..args(&PAIR) });
    let gap = &value["scenarios"][0]["instances"][0]["without_owner"][0];
    let length = gap["until_s"].as_f64().unwrap() - gap["from_s"].as_f64().unwrap();
    // The last advert was up to a second old when the power went.
    assert!((2.60..=3.62).contains(&length), "{length}");
}

#[test]
fn another_seed_is_another_network_and_the_same_story() {
    let text = |seed| played(&Args { seed, json: true, ..args(&PAIR) }).1;
    assert_ne!(text(1), text(2));
    let owners = |seed| sequence(&json(Args { seed, ..args(&PAIR) }).1, "power-lost");
    assert_eq!(owners(2), "lb01 lb02 lb01");
    assert_eq!(owners(77), "lb01 lb02 lb01");
}

#[test]
fn expectations_decide_the_exit_code() {
    let kept = "at 0s start lb01, lb02\nat 10s power off lb01\nexpect lb02 owns VI_1 within 4s\n\
                expect nobody owns VI_1 for at most 4s\nat 30s power on lb01\nat 40s cut lb01 <-> lb02\n\
                at 50 s heal\nexpect owners of VI_1: lb01 lb02 lb01 lb02 lb01\nexpect silence for at most 4s\n\
                expect lb01 owns VI_1 from 36s to 40s\nat 60s expect lb01 owns VI_1\n\
                expect one owner within 1s\nuntil 90s\n";
    let (code, shown) = own(&PAIR, "kept", kept);
    assert_eq!(code, 0, "{shown}");
    let (code, shown) = committed("broken");
    holds("broken.txt", &shown);
    assert_eq!(code, 1);
}

#[test]
fn every_statement_is_played() {
    let (code, shown) = committed("every");
    assert_eq!(code, 0, "{shown}");
    holds("every.txt", &shown);
}

#[test]
fn mistakes_are_shown_with_what_to_write_instead() {
    let (code, shown) = committed("mistakes");
    assert_eq!(code, 2, "{shown}");
    holds("mistakes.txt", &shown);
}

#[test]
fn what_ends_too_early_is_said() {
    let (code, shown) =
        own(&PAIR, "early", "at 10s stop lb01\nexpect lb02 owns VI_1 within 30s\nuntil 20s\n");
    assert!(code == 2 && shown.contains("write `until 40s` or later"), "{shown}");
}

#[test]
fn files_with_errors_are_shown_as_check_does() {
    let wrong = Scratch::new("wrong.conf", "vrrp_instance A {\ninterface eth0\npriority 90\n}\n");
    let (code, shown) = played(&args(&[PAIR[0], &wrong.name()]));
    assert_eq!(code, 2);
    assert!(shown.contains("error[vrid-missing]") && !shown.contains("lb01"), "{shown}");
    let (code, value) = json(args(&[PAIR[0], &wrong.name()]));
    assert!(code == 2 && value["checks"][0].to_string().contains("\"vrid-missing\""), "{value:#}");
}

#[test]
fn nodes_that_do_not_fit_together_get_a_hint() {
    let text = fs::read_to_string(PAIR[1]).unwrap().replace("auth_pass 1111", "auth_pass 2222");
    let other = Scratch::new("password.conf", &text);
    let scenarios = vec!["power-lost".into()];
    let (code, shown) = played(&Args { scenarios, ascii: true, ..args(&[PAIR[0], &other.name()]) });
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("[pair-authentication]"), "{shown}");
    assert!(shown.contains("never two owners: two for"), "{shown}");
    assert!(!shown.contains("2222"), "{shown}");
}

#[test]
fn one_node_alone_is_played_and_says_what_that_means() {
    let (code, shown) = played(&Args { ascii: true, ..args(&PAIR[..1]) });
    holds("alone.txt", &shown);
    assert_eq!(code, 0);
}

/// The reference pair with a check that both track with this weight.
fn checked(weight: &str) -> [Scratch; 2] {
    PAIR.map(|file| {
        let text = fs::read_to_string(file).unwrap();
        let script = format!("vrrp_script chk {{\nscript \"/bin/true\"\ninterval 2\nfall 2\n{weight}}}\n");
        let text = format!("{script}{text}")
            .replace("    virtual_router_id", "    track_script { chk }\n    virtual_router_id");
        Scratch::new(&format!("chk{}-{}", weight.len(), Path::new(file).display()).replace('/', "-"), &text)
    })
}

#[test]
fn a_check_that_fails_moves_the_address_as_its_weight_says() {
    let played = |weight: &str| {
        let files = checked(weight);
        let names = [files[0].name(), files[1].name()];
        let names = [names[0].as_str(), names[1].as_str()];
        let (code, value) = json(Args { scenarios: vec!["check-fails".into()], ..args(&names) });
        let expectations = value["scenarios"][0]["expectations"].to_string();
        assert_eq!(code, 0, "{expectations}");
        (sequence(&value, "check-fails"), expectations, value["scenarios"][0]["remarks"].to_string())
    };
    // FAULT: it resigns.
    let (owners, texts, _) = played("");
    assert_eq!(owners, "lb01 lb02 lb01");
    assert!(texts.contains("lb02 owns VI_1 within"), "{texts}");
    // 150 - 60 is below the 100 of lb02; 150 - 20 is not.
    let (owners, texts, _) = played("weight -60\n");
    assert_eq!(owners, "lb01 lb02 lb01");
    assert!(texts.contains("lb02 owns VI_1 within"), "{texts}");
    let (owners, texts, remarks) = played("weight -20 \n");
    assert_eq!(owners, "lb01");
    assert!(
        texts.contains("lb01 owns VI_1 at") && remarks.contains("the address stays"),
        "{texts} {remarks}"
    );
}

#[test]
fn a_check_moves_the_whole_group_of_its_instance() {
    let member = |name: &str, vrid: u8, track: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface eth{vrid}\nvirtual_router_id {vrid}\npriority PRIORITY\n\
             virtual_ipaddress {{ 10.{vrid}.0.3 }}\n{track}}}\n"
        )
    };
    let text = format!(
        "vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\n}}\nvrrp_script chk {{\nscript \"/bin/true\"\n}}\n{}{}",
        member("A", 1, "track_script { chk }\n"),
        member("B", 2, "")
    );
    let files = ["150", "100"]
        .map(|priority| Scratch::new(&format!("group{priority}"), &text.replace("PRIORITY", priority)));
    let names = [files[0].name(), files[1].name()];
    let names = [names[0].as_str(), names[1].as_str()];
    let (code, value) = json(Args { scenarios: vec!["check-fails".into()], ..args(&names) });
    assert_eq!(code, 0, "{value:#}");
    for instance in value["scenarios"][0]["instances"].as_array().unwrap() {
        assert_eq!(instance["sequence"].as_array().unwrap().len(), 3, "{instance:#}");
    }
    assert_eq!(value["scenarios"][0]["remarks"].as_array().unwrap().len(), 0, "{value:#}");
}

#[test]
fn with_nopreempt_a_weight_moves_nothing_and_the_reason_is_said() {
    let files = checked("weight -60  \n").map(|file| {
        let text = fs::read_to_string(&file.0).unwrap();
        fs::write(
            &file.0,
            text.replace("state MASTER", "state BACKUP")
                .replace("    priority", "    nopreempt\n    priority"),
        )
        .unwrap();
        file
    });
    let names = [files[0].name(), files[1].name()];
    let names = [names[0].as_str(), names[1].as_str()];
    let (code, value) = json(Args { scenarios: vec!["check-fails".into()], ..args(&names) });
    assert_eq!((code, sequence(&value, "check-fails").as_str()), (0, "lb01"), "{value:#}");
    let remarks = value["scenarios"][0]["remarks"].to_string();
    assert!(remarks.contains("nopreempt") && !remarks.contains("its weight"), "{remarks}");
}

#[test]
fn a_reload_with_a_file_that_cannot_be_read_is_no_success() {
    let (code, shown) = played(&Args { reload_with: Some("nothing.conf".into()), ..args(&PAIR) });
    assert_eq!((code, shown.as_str()), (2, ""));
}

#[test]
fn what_nobody_ever_owned_was_never_there() {
    let text = fs::read_to_string(PAIR[0]).unwrap().replace("        10.0.0.3\n", "");
    let none = Scratch::new("none.conf", &text);
    let (_, shown) = played(&Args { scenarios: vec!["power-lost".into()], ..args(&[&none.name()]) });
    assert!(shown.contains("nobody ever owned it"), "{shown}");
    assert!(shown.contains("power-lost          always       always        never"), "{shown}");
}

#[test]
fn what_a_group_tracks_is_there() {
    let files = PAIR.map(|file| {
        let text = fs::read_to_string(file).unwrap();
        let group = "vrrp_sync_group G {\ngroup {\nVI_1\n}\ntrack_interface {\neth2\n}\n}\n";
        Scratch::new(&format!("grouped-{}", file.replace('/', "-")), &format!("{text}{group}"))
    });
    let names = [files[0].name(), files[1].name()];
    let names = [names[0].as_str(), names[1].as_str()];
    let text = "at 10s unplug lb01 eth2\nexpect lb02 owns VI_1 within 1s\nexpect owners: lb01 lb02\n";
    let (code, shown) = own(&names, "eth2.scenario", text);
    assert_eq!(code, 0, "{shown}");
}

#[test]
fn owners_without_a_name_are_those_of_all() {
    let (code, shown) = own(&PAIR, "owners.scenario", "at 10s power off lb01\nexpect owners: lb01 lb02\n");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(" + owners: lb01 lb02: they were lb01, lb02\n"), "{shown}");
}

#[test]
fn a_scenario_that_expects_nothing_keeps_nothing() {
    let (code, shown) = own(&PAIR, "silent.scenario", "at 10s power off lb01\n");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.ends_with("none\n") && !shown.contains("\n + "), "{shown}");
}

#[test]
fn what_is_no_scenario_is_refused_at_once() {
    let many = "at 1s dance\n".repeat(50_000);
    let (code, shown) = own(&PAIR, "many.scenario", &many);
    assert_eq!(code, 2);
    assert!(shown.ends_with("own: 50000 errors; the first of them are shown\n"), "{}", shown.len());
    for (name, text) in [("empty", ""), ("comments", "# at 1s stop lb01\n\n"), ("binary", "at\0")] {
        let (code, shown) = own(&PAIR, name, text);
        assert_eq!((code, shown.as_str()), (2, ""), "{name}");
    }
    let large = "#\n".repeat(2_200_000);
    assert_eq!(own(&PAIR, "large", &large).0, 2);
}

#[test]
fn a_node_that_can_take_over_nothing_is_no_node() {
    let empty = Scratch::new("no-instance.conf", "global_defs {\n}\n");
    assert_eq!(played(&args(&[PAIR[0], &empty.name()])).0, 2);
    assert_eq!(played(&args(&["-", "-"])).0, 2);
}

#[test]
fn a_reload_is_played_with_its_file() {
    let reload = Scratch::new("reload.conf", &fs::read_to_string(PAIR[0]).unwrap().replace("150", "50"));
    let args = Args {
        reload_with: Some(format!("lb01={}", reload.name())),
        scenarios: vec!["reload".into()],
        ..args(&PAIR)
    };
    let (code, value) = json(args);
    assert_eq!((code, sequence(&value, "reload").as_str()), (0, "lb01 lb02"), "{value:#}");
}

#[test]
fn what_is_printed_can_be_played() {
    let (code, text) = played(&Args { print: Some("power-lost".into()), ..args(&PAIR) });
    assert_eq!(code, 0);
    let (code, shown) = own(&PAIR, "printed", &text);
    assert!(code == 0 && shown.contains("lb02 owns VI_1 within 3.8s"), "{shown}");
}

#[test]
fn a_picture_shows_the_same() {
    let (code, picture) =
        played(&Args { svg: Some("-".into()), scenarios: vec!["power-lost".into()], ..args(&PAIR) });
    assert_eq!(code, 0);
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    assert!(picture.contains("standfast simulate lb01.conf lb02.conf -s power-lost"), "{picture}");
}

#[test]
fn the_manual_and_its_pictures_are_true() {
    let documents = Path::new("../../docs");
    let manual = fs::read_to_string(documents.join("manual.md")).unwrap();
    let mut examples = 0;
    for block in manual.split("```scenario").skip(1) {
        let (kind, rest) = block.split_once('\n').unwrap();
        let (text, _) = rest.split_once("```").unwrap();
        let files = if kind.trim() == "nopreempt" { &STAYING } else { &PAIR };
        let (code, shown) = own(files, &format!("manual{examples}"), text);
        assert_eq!(code, 0, "{shown}");
        examples += 1;
    }
    assert_eq!(examples, 2);
    let power = |args: Args| played(&Args { scenarios: vec!["power-lost".into()], ..args }).1;
    let shown = power(Args { ascii: true, ..args(&PAIR) });
    let shown: String = shown.lines().map(|line| format!("   {line}").trim_end().to_owned() + "\n").collect();
    assert!(manual.contains(&shown), "the manual shows something else than this:\n{shown}");
    // Made by: standfast simulate lb01.conf lb02.conf -s power-lost --svg docs/simulate.svg
    let picture = power(Args { svg: Some("-".into()), ..args(&PAIR) });
    holds("../../../../docs/simulate.svg", &picture);
    for builtin in played(&Args { list: true, ..Args::default() }).1.lines() {
        let name = builtin.split(' ').next().unwrap();
        assert!(manual.contains(&format!("| `{name}` |")), "{name} in the manual");
    }
}

#[test]
fn many_instances_on_many_nodes_are_summed_up() {
    let node = |n: u16| {
        let instance = |i: u16| {
            let vrid = i % 250 + 1;
            let priority = 100 + (n + i) % 10;
            format!(
                "vrrp_instance V{i} {{\ninterface eth{}\nvirtual_router_id {vrid}\npriority {priority}\n\
                 virtual_ipaddress {{ 10.{}.{}.3/24 }}\n}}\n",
                i / 250,
                i / 250,
                i % 250
            )
        };
        (0..500).map(instance).collect::<String>()
    };
    let files: Vec<Scratch> = (0..10).map(|n| Scratch::new(&format!("many{n}.conf"), &node(n))).collect();
    let names: Vec<String> = files.iter().map(Scratch::name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let started = std::time::Instant::now();
    let scenarios = vec!["power-lost".into()];
    let (code, shown) = played(&Args { scenarios, ascii: true, ..args(&names) });
    assert_eq!(code, 0, "{shown}");
    assert!(shown.lines().count() < 120, "{shown}");
    println!("10 nodes, 500 instances: {:?}", started.elapsed());
    if std::env::var_os("SHOW").is_some() {
        println!("{shown}");
    }
}

#[test]
fn a_bfd_session_goes_down_when_the_scenario_says_so() {
    let files = PAIR.map(|file| {
        let tracked = "bfd_instance gateway {\nneighbor_ip 10.0.0.1\nmin_rx 100\nmin_tx 100\n}\n\
                       vrrp_instance VI_1 {\ntrack_bfd {\ngateway\n}\n";
        let text = fs::read_to_string(file).unwrap().replace("vrrp_instance VI_1 {\n", tracked);
        Scratch::new(&format!("bfd-{}", file.replace('/', "-")), &text)
    });
    let names = [files[0].name(), files[1].name()];
    let names = [names[0].as_str(), names[1].as_str()];
    let lines = "at 0s power on all\nat 20s bfd gateway on lb01 down\nexpect lb02 owns VI_1 within 1s\n\
                 at 40s bfd gateway on lb01 up\nexpect owners of VI_1: lb01 lb02 lb01\nuntil 60s\n";
    let scene = Scratch::new("bfd.scenario", lines);
    let (code, shown) = played(&Args { scenarios: vec![scene.name()], ascii: true, ..args(&names) });
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("BFD session gateway is down"), "{shown}");
    let wrong = Scratch::new(
        "bfd-wrong.scenario",
        &lines.replace("bfd gateway on lb01 down", "bfd gatway on lb01 down"),
    );
    let (code, shown) = played(&Args { scenarios: vec![wrong.name()], ascii: true, ..args(&names) });
    assert!(code == 2 && shown.contains("gateway"), "{shown}");
}

#[test]
fn where_routing_leads_is_not_simulated() {
    let text = fs::read_to_string(PAIR[0]).unwrap();
    let address = text.lines().find(|line| line.contains("10.0.0.3")).unwrap();
    let text = text.replace(
        "    interface eth0\n",
        "    unicast_src_ip 10.0.0.5\n    unicast_peer {\n        10.0.0.6\n    }\n",
    );
    let routed = Scratch::new("routed.conf", &text.replace(address, &format!("{address} dev eth0")));
    let (code, shown) = played(&args(&[&routed.name(), PAIR[1]]));
    assert_eq!((code, shown.as_str()), (2, ""), "the reason goes to the standard error");
    let told = Command::new(env!("CARGO_BIN_EXE_standfast"))
        .args(["simulate", &routed.name(), PAIR[1]])
        .output()
        .unwrap();
    assert_eq!((told.status.code(), told.stdout.as_slice()), (Some(2), &[][..]));
    assert_eq!(
        String::from_utf8(told.stderr).unwrap(),
        "standfast simulate: `VI_1` has no interface, and where routing leads its adverts is not simulated: give it one for this\n"
    );
}

//! Configurations that are wrong in some way: the daemon refuses to run with the exact reason, or says what it
//! leaves out and runs with the rest.

use std::time::Duration;

use lab::Ended;
use lab::harness::{Outcome, Test, fail};

use crate::conf::{Flavour, Instance, LB01, file, ip};
use crate::pair::{self, ELECTION, Node, SOON};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for (name, conf, code, words) in refused() {
        tests.push(Test::new(format!("bad_files::refused::{name}"), move || refuses(&conf, code, words)));
    }
    for (name, conf, words) in altered() {
        tests.push(Test::new(format!("bad_files::runs::{name}"), move || runs(&conf, words)));
    }
    tests.push(Test::new("bad_files::refused::a_missing_file", || {
        refuses_path("/no/such/file", 6, "no such file")
    }));
    tests.push(Test::new("bad_files::refused::a_directory", || refuses_path("/etc", 6, "directory")));
    tests.push(Test::new("bad_files::refused::a_hundred_megabytes", huge));
    let without = no_addresses(Flavour::V2.instance(LB01));
    tests.push(Test::new("bad_files::waits::version_2_without_addresses", move || waits(&without, "VI_1")));
    tests
}

fn good() -> Instance {
    Flavour::V3.instance(LB01).every("0.3")
}

fn no_addresses(mut instance: Instance) -> String {
    instance.addresses.clear();
    instance.file()
}

type Refused = (&'static str, Vec<u8>, i32, &'static [&'static str]);

fn refused() -> Vec<Refused> {
    let text = good().file();
    let changed = |from: &str, to: &str| text.replace(from, to).into_bytes();
    let twice = file(&[good(), Instance::new("VI_2", 50).line("version 3").address("10.0.0.4")]);
    vec![
        ("vrid_0", changed("router_id 50", "router_id 0"), 2, &["virtual_router_id", "1 to 255, not 0"]),
        (
            "vrid_256",
            changed("router_id 50", "router_id 256"),
            2,
            &["virtual_router_id", "1 to 255, not 256"],
        ),
        ("no_vrid", changed("virtual_router_id 50", ""), 2, &["no virtual_router_id"]),
        (
            "vrid_without_its_value",
            changed("router_id 50", "router_id"),
            2,
            &["virtual_router_id", "needs a value"],
        ),
        ("no_interface", changed("interface eth0", ""), 2, &["no interface"]),
        ("no_addresses", no_addresses(good()).into_bytes(), 2, &["no address to keep"]),
        ("one_vrid_twice", twice.into_bytes(), 2, &["50", "VI_2"]),
    ]
}

type Altered = (&'static str, Vec<u8>, &'static [&'static str]);

fn altered() -> Vec<Altered> {
    let text = good().file();
    let changed = |from: &str, to: &str| text.replace(from, to).into_bytes();
    let mut latin = text.clone().into_bytes();
    latin.extend(b"# caf\xe9\n");
    let mut many = good();
    many.addresses.extend((1..300).map(|n| format!("10.1.{}.{}", n / 250, n % 250 + 1)));
    let closing = text.trim_end().strip_suffix('}').unwrap_or(&text).to_owned();
    vec![
        ("crlf", text.replace('\n', "\r\n").into_bytes(), &[]),
        ("latin_1_in_a_comment", latin, &[]),
        ("a_byte_order_mark", [b"\xef\xbb\xbf", text.as_bytes()].concat(), &["byte order mark"]),
        ("three_hundred_addresses", many.file().into_bytes(), &["300 addresses", "255"]),
        (
            "a_word_that_is_not_ascii",
            changed("priority 150", "priority 150\n    notify_master \"/bin/\u{fffd}\""),
            &["`/usr/bin/\u{fffd}` does not exist", "[script-missing]"],
        ),
        ("priority_256", changed("priority 150", "priority 256"), &["priority", "not 256"]),
        ("a_brace_missing", closing.into_bytes(), &["`}` is missing"]),
        ("a_brace_too_many", format!("{text}}}\n").into_bytes(), &["`}` is ignored"]),
        (
            "an_address_of_the_other_family",
            changed("10.0.0.3\n", "10.0.0.3\n        fd00:10::3\n"),
            &["fd00:10::3 is dropped"],
        ),
        ("an_unknown_keyword", changed("advert_int", "no_such_word 1\n    advert_int"), &["no_such_word"]),
        (
            "an_unknown_block",
            format!("{text}no_such_block {{\n    a {{\n    }}\n}}\n").into_bytes(),
            &["no_such_block"],
        ),
        (
            "a_known_keyword_that_is_not_built",
            changed("advert_int", "strict_mode on\n    old_unicast_checksum\n    advert_int"),
            &["old_unicast_checksum"],
        ),
        (
            "a_password_in_version_3",
            changed(
                "advert_int",
                "authentication {\n        auth_type PASS\n        auth_pass 1111\n    }\n    advert_int",
            ),
            &["auth"],
        ),
    ]
}

/// It does not run, and says why.
fn refuses(conf: &[u8], code: i32, words: &[&str]) -> Outcome {
    let lab = pair::alone()?;
    let node = Node::ours(lab.machine(LB01)?, "")?;
    node.machine.write(&node.conf, conf)?;
    let running = node.spawn()?;
    let ended = running.wait(SOON)?;
    if ended != Ended::Code(code) {
        return Err(fail(format!("code {code} was expected: {ended:?}")));
    }
    for word in words {
        running.wait_for_line(word, SOON)?;
    }
    // With the place: file:line:column.
    running.wait_for_line(&format!("{}:", node.conf.display()), SOON)?;
    assert!(running.log().len() < 4000, "the message is short: {}", running.log());
    Ok(())
}

fn refuses_path(path: &str, code: i32, word: &str) -> Outcome {
    let lab = pair::alone()?;
    let mut node = Node::ours(lab.machine(LB01)?, "")?;
    node.conf = path.into();
    let running = node.spawn()?;
    assert_eq!(running.wait(SOON)?, Ended::Code(code), "{}", running.log());
    running.wait_for_line(path, SOON)?;
    running.wait_for_line(word, SOON)?;
    Ok(())
}

fn huge() -> Outcome {
    let lab = pair::alone()?;
    let node = Node::ours(lab.machine(LB01)?, "")?;
    // A file with a hole: nothing of it is on any disk.
    std::fs::File::create(&node.conf)?.set_len(100 << 20)?;
    let running = node.spawn()?;
    assert_eq!(running.wait(SOON)?, Ended::Code(6), "{}", running.log());
    running.wait_for_line("larger than", SOON)?;
    Ok(())
}

/// It says what it makes of the file, and holds the address.
fn runs(conf: &[u8], words: &[&str]) -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let node = Node::ours(lb01, "")?;
    node.machine.write(&node.conf, conf)?;
    let running = node.start_active()?;
    for word in words {
        running.wait_for_line(word, SOON)?;
    }
    if words.is_empty() {
        assert_eq!(running.complaints(&["not built yet"]), Vec::<String>::new());
    }
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    running.stop()
}

/// It starts, and the instance waits visibly.
fn waits(conf: &str, instance: &str) -> Outcome {
    let lab = pair::alone()?;
    let running = Node::ours(lab.machine(LB01)?, conf)?.start()?;
    running.enters(instance, "FAULT", SOON)?;
    assert!(running.enters(instance, "MASTER", Duration::from_millis(1500).min(ELECTION)).is_err());
    running.stop()
}

//! Broken text: what is said about it, and what is still understood.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use common::{outcome, places};
use config::{Found, Loaded, Refusal, Severity, Sources, Surroundings, load};
use std::time::{Duration, Instant};

const GOOD: &str = "vrrp_instance B {\ninterface eth0\nvirtual_router_id 8\npriority 90\nvirtual_ipaddress { 10.0.0.4 }\n}\n";

fn names(text: &str) -> Vec<String> {
    let (_, outcome) = outcome(text);
    outcome.host.map(|h| h.instances.iter().map(|i| i.name.to_string()).collect()).unwrap_or_default()
}

#[test]
fn an_unknown_block_is_skipped_whole_with_one_finding() {
    let text = format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\npriority 90\nfoo {{\n priority 77\n bar {{\n x\n }}\n}}\nvirtual_ipaddress {{ 10.0.0.3 }}\n}}\n{GOOD}"
    );
    assert_eq!(places(&text), ["5:1 unknown-block"]);
    let (_, outcome) = outcome(&text);
    let host = outcome.host.unwrap();
    assert_eq!((host.instances.len(), host.instances[0].settings.priority.0), (2, 90));
}

#[test]
fn a_forgotten_closing_brace_is_found_where_it_belongs() {
    // In a block of keywords, in a list, and of a whole instance.
    let auth = format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\npriority 90\nauthentication {{\nauth_type PASS\nauth_pass x\nvirtual_ipaddress {{\n10.0.0.3\n}}\n}}\n{GOOD}"
    );
    assert_eq!(places(&auth), ["5:1 missing-close-brace"]);
    assert_eq!(names(&auth), ["A", "B"]);
    let list = format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {{\n10.0.0.3\npriority 90\n}}\n{GOOD}"
    );
    assert_eq!(places(&list), ["4:1 missing-close-brace"]);
    let whole = format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\npriority 90\nvirtual_ipaddress {{\n10.0.0.3\n}}\n{GOOD}"
    );
    assert_eq!(places(&whole), ["1:1 missing-close-brace"]);
    assert_eq!(names(&whole), ["A", "B"]);
    let end = GOOD.trim_end().trim_end_matches('}');
    assert_eq!(
        (places(end), names(end)),
        (vec!["1:1 missing-close-brace".to_string()], vec!["B".to_string()])
    );
}

#[test]
fn opening_braces_too_few_and_too_many() {
    let few = GOOD.replace("vrrp_instance B {", "vrrp_instance B");
    assert_eq!((places(&few), names(&few).len()), (vec!["1:16 missing-open-brace".to_string()], 1));
    let value = GOOD.replace("virtual_ipaddress { 10.0.0.4 }", "virtual_ipaddress 10.0.0.4");
    assert_eq!(places(&value), ["5:1 no-address-v2", "5:27 missing-open-brace"]);
    let many = GOOD.replace("priority 90", "priority 90 {");
    assert_eq!(places(&many), ["4:13 unexpected-open-brace"]);
    let pair = GOOD.replace("priority 90", "priority 90 {\nadvert_int 2\n}");
    assert_eq!((places(&pair), names(&pair).len()), (vec!["4:13 unexpected-open-brace".to_string()], 1));
    let extra = format!("{GOOD}}}\n");
    assert_eq!(places(&extra), ["7:1 extra-close-brace"]);
}

#[test]
fn a_keyword_of_another_block_says_where_it_belongs() {
    let (_, outcome) = outcome(format!("virtual_router_id 3\n{GOOD}"));
    assert_eq!(
        outcome.diagnostics[0].message,
        "`virtual_router_id` belongs in `vrrp_instance`, not outside the blocks: the line is ignored"
    );
}

#[test]
fn secrets_never_show_in_messages() {
    for body in [
        "authentication {\nauth_type PASS auth_pass hunter22\n}",
        "authentication {\nauth_pas hunter22\nauth_pass=hunter22\nauth_pass\nhunter22\nhunter22 {\n}\n}",
        "authentication {\nauth_type hunter22\nauth_pass hunter22hunter22 more hunter22\n}",
        "auth_pass hunter22",
        "auth_hmac {\nkey 1 hunter22\nhunter22\n}",
    ] {
        let text = format!("vrrp_instance A {{\n{body}\n}}");
        let (_, outcome) = outcome(&text);
        for d in &outcome.diagnostics {
            assert!(!format!("{d:?}").contains("hunter22"), "{body}: {d:?}");
        }
    }
}

#[test]
fn conditions_and_definitions() {
    let text = "$IF=eth0\n$BLOCK=virtual_router_id 8\n@lb01 $PRIO=150\n@^lb01 $PRIO=50\nvrrp_instance B {\ninterface ${IF}\n$BLOCK\n@lb01 priority $PRIO\n@lb02 priority 1\nvirtual_ipaddress { 10.0.0.4 }\n}\n";
    assert_eq!(common::clean(text).settings.priority.0, 150);
    // A place in a replaced line is where the name stands.
    let bad = text.replace("$PRIO=150", "$PRIO=1500");
    assert_eq!(places(&bad), ["8:16 out-of-range"]);
}

#[test]
fn includes_are_asked_for_and_read_in_place() {
    let mut sources = Sources::new();
    sources.add_root("main.conf", format!("include parts/*.conf\n{GOOD}").into_bytes());
    let surroundings = Surroundings::default();
    let Loaded::Missing(requests) = load(&sources, &surroundings) else { panic!("not asked") };
    assert_eq!((requests.len(), requests[0].pattern.as_str()), (1, "parts/*.conf"));
    let part = sources.add(
        "parts/a.conf",
        GOOD.replace('8', "9")
            .replace("10.0.0.4", "10.0.0.5")
            .replace(" B ", " A ")
            .replace("priority", "prio")
            .into_bytes(),
    );
    let refused =
        Found::Refused { name: "parts/b.conf".into(), why: Refusal::Unreadable("Permission denied".into()) };
    sources.resolve(&requests[0], vec![Found::File(part), refused]);
    let Loaded::Done(outcome) = load(&sources, &surroundings) else { panic!("asked again") };
    let said: Vec<_> = outcome.diagnostics.iter().map(|d| d.concise(&sources)).collect();
    assert_eq!(said.len(), 3, "{said:#?}");
    assert_eq!(
        said[0],
        "main.conf:1:9: warning[include-refused]: `parts/b.conf` is not included: Permission denied"
    );
    let inner = outcome.diagnostics.iter().find(|d| d.id.name() == "unknown-keyword").unwrap();
    assert_eq!(sources.name(inner.span.file), "parts/a.conf");
    assert_eq!(inner.include_chain.len(), 1);
    assert_eq!(sources.position(inner.include_chain[0]), (1, 9));
}

#[test]
fn a_flood_of_findings_is_cut_and_counted() {
    let text: String = (0..1000).map(|i| format!("strange{i}\n")).collect();
    let (_, outcome) = outcome(&text);
    let unknown = outcome.diagnostics.iter().filter(|d| d.id.name() == "unknown-keyword").count();
    assert_eq!(unknown, config::CAP);
    assert_eq!(outcome.omitted, [(config::Id::UnknownKeyword, 900)]);
    // The same word over and over is one finding.
    let (_, outcome) = common::outcome("strange\n".repeat(1000));
    assert_eq!(outcome.diagnostics.len(), 2);
    assert!(outcome.diagnostics.iter().any(|d| d.message.ends_with("(1000 places)")));
}

/// Whatever the input, an answer comes soon. The limits are generous: a debug build on a busy machine.
#[test]
fn monsters_end_soon() {
    let megabyte = 1 << 20;
    let monsters: Vec<(&str, Vec<u8>)> = vec![
        ("nested braces", "{\n".repeat(10_000).into_bytes()),
        ("nested unknown blocks", "x {\n".repeat(20_000).into_bytes()),
        ("nested instances", "vrrp_instance a {\n".repeat(20_000).into_bytes()),
        ("closing braces", "}\n".repeat(20_000).into_bytes()),
        ("one long line", vec![b'a'; megabyte]),
        ("one long line of quotes", vec![b'"'; megabyte]),
        ("words", "a b c d e f g h\n".repeat(20_000).into_bytes()),
        ("misspelt keywords", "vrrp_instanse\n".repeat(10_000).into_bytes()),
        (
            "misspelt and different",
            (0..10_000).map(|i| format!("vrrp_{i}\n")).collect::<String>().into_bytes(),
        ),
        ("odd blanks", "a\u{a0}b c\n".repeat(10_000).into_bytes()),
        ("zeros", vec![0; megabyte]),
        ("high bytes", vec![0xff; megabyte]),
        ("dollars", "$A=${A}${A}\n${A}\n".repeat(1_000).into_bytes()),
        (
            "doubling names",
            (0..200)
                .map(|i| format!("$N{}=${{N{i}}}${{N{i}}}\n", i + 1))
                .chain(["$N0=x\nfoo ${N200}\n".to_string()])
                .collect::<String>()
                .into_bytes(),
        ),
        ("lines that double", {
            let doubling = |i: u32| format!("$M{}=${{M{i}}} \\\n${{M{i}}}\n", i + 1);
            let text: String = (0..40).map(doubling).chain(["$M0=x \\\ny\n$M40\n".into()]).collect();
            text.into_bytes()
        }),
        ("a long loop", b"~SEQ(X, 999999999999) a${X}\n".to_vec()),
        ("loops in loops", format!("{} a${{X}}\n", "~SEQ(X, 99)".repeat(60)).into_bytes()),
        ("definitions never used", b"$A=1 \\\n".repeat(100_000)),
        ("commands", b"script \"/x 'a\\x20b' \\\"\n".repeat(20_000)),
        ("lists never closed", "vrrp_instance a {\nvirtual_ipaddress {\n".to_string().into_bytes()),
    ];
    for (name, bytes) in monsters {
        let start = Instant::now();
        let (_, outcome) = outcome(&bytes);
        assert!(start.elapsed() < Duration::from_secs(30), "{name}: {:?}", start.elapsed());
        assert!(outcome.diagnostics.len() < 1000, "{name}");
        assert!(!outcome.diagnostics.is_empty(), "{name}");
    }
}

#[test]
fn errors_forbid_running_and_warnings_do_not() {
    for text in ["vrrp_instance A {\n}", "vrrp_instance A {\npriority\n}", GOOD, "foo", ""] {
        let (_, outcome) = outcome(text);
        let error = outcome.diagnostics.iter().any(|d| d.severity == Severity::Error);
        assert_eq!(outcome.host.is_none(), error, "{text}");
    }
}

#[test]
fn a_skipped_block_is_the_only_mistake() {
    let text = format!(
        "vrrp_script S {{\nscript /bin/true\n}}\n{}",
        GOOD.replace("vrrp_instance", "vrrp_instanc")
            .replace("priority 90", "priority 90\ntrack_script {\nS\n}")
    );
    let said = places(&text);
    assert!(said.iter().all(|s| s.ends_with("unknown-block") || s.ends_with("not-built")), "{said:?}");
}

#[test]
fn names_in_a_group_need_a_block() {
    let (_, outcome) = outcome(format!("vrrp_sync_group G {{\nB\n}}\n{GOOD}"));
    let said = outcome.diagnostics.iter().find(|d| d.id.name() == "unknown-keyword").unwrap();
    assert_eq!(
        said.help.as_deref(),
        Some("the names of instances stand in a block of their own: `group { … }`")
    );
}

#[test]
fn a_template_is_said_once_and_its_braces_open_nothing() {
    let text = "vrrp_instance {{ name }} {\n state {{ 'MASTER' if first }}\n interface {{ iface }}\n{% for x in y %}\n \
                virtual_router_id {{ vrid }}\n{% endfor %}\n virtual_ipaddress {\n {{ vip }}\n }\n}\n";
    let (_, outcome) = common::outcome(text);
    let ids: Vec<_> = outcome.diagnostics.iter().map(|d| d.id.name()).collect();
    assert_eq!(ids, ["instance-name", "template"]);
    let quoted = "vrrp_script a {\n script \"docker inspect -f '{{.State.Running}}' web\"\n}\n";
    let (_, outcome) = common::outcome(quoted);
    assert!(outcome.diagnostics.iter().all(|d| d.id.name() != "template"), "a brace in quotes is none");
}

#[test]
fn a_password_that_is_missing_is_said_once() {
    let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 3\n priority 100\n authentication {\n \
                auth_type PASS\n auth_pass\n }\n virtual_ipaddress {\n 10.0.0.3\n }\n}\n";
    let (_, outcome) = common::outcome(text);
    let ids: Vec<_> = outcome.diagnostics.iter().map(|d| d.id.name()).collect();
    assert_eq!(ids, ["missing-value"]);
}

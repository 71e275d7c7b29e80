//! The two files of the reference scenario load with one word about their password, however their braces stand.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use common::outcome;
use model::{Authentication, Transport};
use wire::{Family, Priority, Version};

const LB01: &str = include_str!("data/lb01.conf");
const LB02: &str = include_str!("data/lb02.conf");

/// The one instance of a file about which there is nothing else to say.
fn clean(text: &str) -> model::Instance {
    let (sources, outcome) = outcome(text);
    let said: Vec<String> = outcome.diagnostics.iter().map(|d| d.concise(&sources)).collect();
    assert!(said.len() == 1 && said[0].contains("note[known-password]"), "{said:#?}");
    outcome.host.unwrap().instances.into_iter().next().unwrap()
}

#[test]
fn lb01_means_what_it_says() {
    let (_, loaded) = outcome(LB01);
    assert_eq!(loaded.host.unwrap().router_id.as_deref(), Some("lb01"));
    let lb01 = clean(LB01);
    assert_eq!((&*lb01.name, &lb01.home), ("VI_1", &"eth0".into()));
    let settings = &lb01.settings;
    assert_eq!((settings.version, settings.family), (Version::V2, Family::V4));
    assert_eq!((settings.vrid.get(), settings.priority), (50, Priority(150)));
    assert!(settings.preempt && lb01.wants_active);
    let Authentication::Password(secret) = &lb01.authentication else { panic!("no password") };
    assert_eq!(secret.reveal(), *b"1111\0\0\0\0");
    assert_eq!(lb01.transport, Transport::Multicast { group: None, source: None });
    assert_eq!(lb01.addresses, [model::VirtualAddress::host("10.0.0.3".parse().unwrap())]);
}

#[test]
fn lb02_is_the_backup() {
    let lb02 = clean(LB02);
    assert_eq!(lb02.settings.priority, Priority(100));
    assert!(!lb02.wants_active);
}

#[test]
fn braces_may_stand_anywhere() {
    let wanted = clean(LB01);
    let one_word_lines = LB01.replace('{', "\n{\n").replace('}', "\n\t}   \n");
    let no_indent: String = LB01.lines().map(|l| l.trim().to_string() + "\n").collect();
    let crlf = LB01.replace('\n', "\r\n");
    let joined = LB01.replace("{\n", "{ ").replace("\n}", " }").replace("\n    }", " }");
    let comments = LB01.replace('\n', " # c\n! d\n");
    for text in [&one_word_lines, &no_indent, &crlf, &joined, &comments] {
        assert_eq!(clean(text), wanted, "{text}");
    }
    // Even without an end of the last line.
    assert_eq!(clean(LB01.trim_end()), wanted);
}

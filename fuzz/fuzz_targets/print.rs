//! Any bytes that are a configuration: its print reads back to the same one, and a reload to it changes nothing.
#![no_main]

use config::{Detail, Loaded, Outcome, Secrets, Sources, Surroundings, Written, load, print, reload};
use libfuzzer_sys::fuzz_target;
use model::{Authentication, Host, Secret};

fn read(bytes: &[u8]) -> Option<Outcome> {
    let mut sources = Sources::new();
    sources.add_root("keepalived.conf", bytes.to_vec());
    match load(&sources, &Surroundings::default()) {
        Loaded::Done(outcome) => Some(outcome),
        Loaded::Missing(_) => None,
    }
}

/// A password that is not UTF-8 cannot be printed.
fn without_secrets(mut host: Host) -> Host {
    for instance in &mut host.instances {
        match &mut instance.authentication {
            Authentication::None => {}
            Authentication::Password(secret) | Authentication::Header(secret) => *secret = Secret::cut(b""),
        }
    }
    host
}

fuzz_target!(|bytes: &[u8]| {
    let Some(first) = read(bytes) else { return };
    let Some(host) = first.host else { return };
    let text = print(&host, Secrets::Shown, Detail::Normal);
    let again = read(text.as_bytes()).expect("a print includes nothing");
    let second = again.host.expect("a print can run");
    assert_eq!(without_secrets(host.clone()), without_secrets(second), "{text}");
    let same = |host| Written { host, places: &first.places };
    assert!(reload(same(&host), same(&host)).alterations.is_empty());
});

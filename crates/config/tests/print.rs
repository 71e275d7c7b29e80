//! A print reads back to the host that was printed, for every host that the language can say.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;
mod hosts;

use common::outcome;
use config::{Detail, Diagnostic, Loaded, Secrets, Severity, Sources, Surroundings, load, print};
use hosts::host;
use model::{Authentication, Host};
use proptest::prelude::*;
use std::sync::Arc;

// An instance may wait in FAULT for its first peer. A text may hold a `${NAME}` that nobody defined, or end with `;`: it is said again, and stays.
const ADVICE: [&str; 5] = ["not-built", "no-peers", "group-small", "undefined-name", "semicolon"];

/// What a text means, and what there is to say about it.
fn read_back(text: &str) -> (Option<Host>, Vec<String>) {
    let (sources, outcome) = outcome(text);
    // Known, but not built or not wise, is no mistake of the print.
    let wise = |d: &&Diagnostic| d.severity > Severity::Note && !ADVICE.contains(&d.id.name());
    let said = outcome.diagnostics.iter().filter(wise);
    let said = said.map(|d| d.concise(&sources)).collect();
    (outcome.host, said)
}

fn without_secrets(mut host: Host) -> Host {
    let stars = model::Secret::cut(b"********");
    for instance in &mut host.instances {
        match &mut instance.authentication {
            Authentication::None => {}
            Authentication::Password(secret) | Authentication::Header(secret) => *secret = stars.clone(),
            Authentication::Keyed(ring) => {
                let stars = model::Key::new(&[b'*'; 32]).unwrap();
                Arc::make_mut(ring).keys.iter_mut().for_each(|(_, key)| *key = stars.clone());
            }
        }
    }
    host
}

fn survives(host: &Host) -> Result<(), TestCaseError> {
    for detail in [Detail::Normal, Detail::Defaults] {
        let text = print(host, Secrets::Shown, detail);
        let (again, said) = read_back(&text);
        prop_assert_eq!(again.as_ref(), Some(host), "{}\n{:?}", text, said);
        prop_assert_eq!(said, Vec::<String>::new(), "{}", text);
        prop_assert_eq!(print(&again.unwrap(), Secrets::Shown, detail), text);
        let masked = print(host, Secrets::Masked, detail);
        prop_assert_eq!(read_back(&masked).0, Some(without_secrets(host.clone())), "{}", masked);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_host(host in host()) {
        prop_assert_eq!(host.check(), Ok(()));
        survives(&host)?;
    }

    /// Whatever text led to the host: its print may not be of another mind.
    #[test]
    fn any_text(text in hosts::text()) {
        let mut sources = Sources::new();
        sources.add_root("t", text.clone().into_bytes());
        if let Loaded::Done(outcome) = load(&sources, &Surroundings::default())
            && let Some(host) = outcome.host
        {
            let printed = print(&host, Secrets::Shown, Detail::Normal);
            let (again, _) = read_back(&printed);
            prop_assert_eq!(again.map(without_secrets), Some(without_secrets(host)), "{}\n{}", text, printed);
        }
    }
}

/// The texts that fuzzing found worth keeping, and the examples of the diagnostics.
#[test]
fn any_text_of_the_corpus() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut hosts = 0;
    for directory in ["fuzz/corpus/text", "docs/diagnostics"] {
        for entry in std::fs::read_dir(root.join(directory)).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            let examples = text.split("```keepalived\n").skip(1).filter_map(|rest| rest.split("```").next());
            // The whole file as it is: what is not UTF-8 counts too.
            for bytes in examples.map(str::as_bytes).chain([&*bytes]) {
                let mut sources = Sources::new();
                sources.add_root("t", bytes.to_vec());
                let Loaded::Done(outcome) = load(&sources, &Surroundings::default()) else { continue };
                let Some(host) = outcome.host else { continue };
                let printed = print(&host, Secrets::Shown, Detail::Normal);
                let again = read_back(&printed).0.map(without_secrets);
                let text = String::from_utf8_lossy(bytes);
                assert_eq!(again, Some(without_secrets(host)), "{text}\n{printed}");
                hosts += 1;
            }
        }
    }
    assert!(hosts > 100, "only {hosts} texts are configurations");
}

#[test]
fn secrets_are_not_shown() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\npriority 90\nauthentication {\n\
                auth_type PASS\nauth_pass geheim\n}\nvirtual_ipaddress {\n10.0.0.3\n}\n}\n";
    let host = read_back(text).0.unwrap();
    let masked = print(&host, Secrets::Masked, Detail::Defaults);
    assert!(!masked.contains("geheim") && masked.contains("auth_pass ******** #"), "{masked}");
    assert!(print(&host, Secrets::Shown, Detail::Normal).contains("auth_pass geheim\n"));
}

const WRITTEN: &str = "
$NET=10.0.0
vrrp_instance VI_1 {
  virtual_ipaddress { ${NET}.3/24 dev eth1 label eth1:1
  2001:db8::7 }
  virtual_ipaddress_excluded { 2001:db8::3/64 -nodad
  ${NET}.4/24 brd + scope link }
  state MASTER; interface eth0
  interface \"eth0\"
  virtual_router_id 50
  advert_int 2
  authentication { auth_type PASS
  auth_pass se#ret }
  unicast_peer { ${NET}.1
  ${NET}.9 max_ttl 3 }
  track_interface { eth2 weight -30 }
  garp_master_delay 1
}
vrrp_instance VI_2 {
  interface bond0
  virtual_router_id 51
  priority 90
  nopreempt
  virtual_ipaddress { 2001:db8::5/64 }
}
global_defs {
  vrrp_garp_interval 0.001
  vrrp_version 3
  vrrp_lower_prio_no_advert
}
garp_group { interface bond0
garp_interval .25 }
";

const NORMAL: &str = "garp_group {
    interface bond0
    garp_interval 0.25
}

garp_group {
    interface eth0
    garp_interval 0.001
}

vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 50
    version 3
    priority 100
    advert_int 2
    # Skew_Time 1.21875 s, Master_Down_Interval 7.21875 s
    lower_prio_no_advert true
    check_unicast_src
    unicast_peer {
        10.0.0.1
        10.0.0.9 max_ttl 3
    }
    virtual_ipaddress {
        10.0.0.3/24 dev eth1 label eth1:1
    }
    virtual_ipaddress_excluded {
        2001:db8::3/64 -nodad
        10.0.0.4/24 brd 10.0.0.255 scope link
    }
    track_interface {
        eth2 weight -30
    }
    garp_master_delay 1
}

vrrp_instance VI_2 {
    state BACKUP
    interface bond0
    virtual_router_id 51
    version 3
    priority 90
    advert_int 1
    # Skew_Time 0.648437 s, Master_Down_Interval 3.648437 s
    nopreempt
    lower_prio_no_advert true
    virtual_ipaddress {
        2001:db8::5/64
    }
}
";

#[test]
fn the_normal_form() {
    let host = read_back(WRITTEN).0.unwrap();
    assert_eq!(print(&host, Secrets::Masked, Detail::Normal), NORMAL);
}

#[test]
fn defaults_are_comments() {
    let host = read_back(
        "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {\n10.0.0.3\n}\n}\n",
    )
    .0;
    let text = print(&host.unwrap(), Secrets::Masked, Detail::Defaults);
    for line in ["    # preempt\n", "    # garp_master_repeat 5\n", "    # vrrp_mcast_group4 224.0.0.18\n"] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_masked_password_that_is_read_again_is_noticed() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\npriority 90\nauthentication {\n\
                auth_type PASS\nauth_pass geheim\n}\nvirtual_ipaddress {\n10.0.0.3\n}\n}\n";
    let masked = print(&read_back(text).0.unwrap(), Secrets::Masked, Detail::Normal);
    let ids: Vec<&str> = outcome(masked).1.diagnostics.iter().map(|d| d.id.name()).collect();
    assert_eq!(ids, ["known-password"]);
}

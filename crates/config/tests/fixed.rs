//! Static addresses and track_groups, from text to the model and back.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use common::outcome;
use config::{Detail, Secrets, print};
use model::{Host, StaticAddress, TrackGroup};

const INSTANCE: &str = "vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 50\npriority 90\nvirtual_ipaddress {\n10.0.0.3\n}\n}\n";
const GROUP: &str = "track_group TG {\ngroup {\nVI_1\n}\n}\n";

fn read(text: &str) -> (Host, Vec<&'static str>) {
    let (_, outcome) = outcome(text);
    let said = outcome.diagnostics.iter().map(|d| d.id.name()).collect();
    let host = outcome.host.unwrap();
    host.check().unwrap();
    (host, said)
}

/// The lines of `static_ipaddress`, behind a group and in front of an instance.
fn lines(lines: &str) -> (Host, Vec<&'static str>) {
    read(&format!("{GROUP}static_ipaddress {{\n{lines}\n}}\n{INSTANCE}"))
}

fn shown(host: &Host) -> Vec<String> {
    let show = |one: &StaticAddress| {
        let device = one.interface().unwrap();
        let group = one.track_group.as_deref().unwrap_or("-");
        format!("{} {device} {group}", one.address)
    };
    host.static_addresses.iter().map(show).collect()
}

#[test]
fn each_line_has_an_interface_and_perhaps_a_group() {
    let (host, said) =
        lines("10.1.0.1/24 dev eth1 track_group TG\n2001:db8::1/64 dev eth1 -nodad\n10.2.0.1/24");
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(shown(&host), ["10.1.0.1/24 eth1 TG", "2001:db8::1/64 eth1 -", "10.2.0.1/24 eth0 -"]);
    assert!(host.static_addresses[1].address.options.detect_duplicates);
    let members = vec!["VI_1".into()];
    assert_eq!(host.track_groups, [TrackGroup { name: "TG".into(), members }]);
    let by = host.static_interfaces();
    assert_eq!(by.get("VI_1").map(Vec::as_slice), Some(&["eth1".into()][..]));
}

#[test]
fn default_interface_counts_wherever_it_stands() {
    let (host, said) = read("static_ipaddress {\n10.2.0.1/24\n}\nglobal_defs {\ndefault_interface eth3\n}\n");
    assert_eq!((shown(&host), said), (vec![String::from("10.2.0.1/24 eth3 -")], Vec::new()));
    let (host, said) =
        read("global_defs {\ndefault_interface <eth>\n}\nstatic_ipaddress {\n10.2.0.1/24\n}\n");
    assert_eq!(shown(&host), ["10.2.0.1/24 eth0 -"]);
    assert!(said.contains(&"entry-option"), "{said:?}");
}

#[test]
fn what_cannot_be_is_dropped_and_said() {
    for (line, kept, id) in [
        ("somewhere dev eth0", 0, "bad-address"),
        ("10.1.0.1/24 dev eth0 use_vmac", 1, "entry-option"),
        ("10.1.0.1/24 dev eth0 track_group", 0, "entry-option"),
        ("10.1.0.1/24 dev eth0 track_group TG track_group TG", 1, "entry-option"),
        ("10.1.0.1/24 dev eth0 track_group TX", 1, "tracker-unknown"),
        ("10.1.0.1/24 dev eth0 no_track track_group TG", 1, "no-effect"),
        ("10.1.0.1/24 dev eth1\n10.1.0.1/24 dev eth1", 1, "duplicate-address"),
        ("10.0.0.3/32 dev eth0", 0, "duplicate-address"),
        ("10.0.0.3/32 dev eth1", 1, ""),
    ] {
        let (host, said) = lines(line);
        assert_eq!((host.static_addresses.len(), said.join(" ").as_str()), (kept, id), "{line}");
    }
}

#[test]
fn groups_that_cannot_be_are_said() {
    let group = |name: &str, members: &str| format!("track_group {name} {{\ngroup {{\n{members}\n}}\n}}\n");
    let one = "static_ipaddress {\n10.1.0.1/24 dev eth1 track_group G\n}\n";
    for (groups, kept, ids) in [
        (group("G", "VI_1"), 1, ""),
        (group("G", ""), 0, "group-small"),
        (group("", "VI_1"), 0, "group-name tracker-unknown"),
        (group("G", "VI_1 VI_1"), 1, "duplicate-entry"),
        (group("G", "VI_1\nVI_2"), 1, "group-member"),
        (format!("{}{}", group("G", "VI_1"), group("G", "VI_1")), 1, "group-name"),
    ] {
        let (host, mut said) = read(&format!("{groups}{one}{INSTANCE}"));
        said.sort_unstable();
        assert_eq!((host.track_groups.len(), said.join(" ").as_str()), (kept, ids), "{groups}");
        assert_eq!(host.static_addresses.len(), 1, "{groups}");
        assert_eq!(host.static_addresses[0].track_group.is_some(), kept == 1, "{groups}");
    }
    let (host, said) = read(&format!("{one}{}{INSTANCE}", group("G", "VI_1")));
    assert_eq!((said, shown(&host)), (vec!["tracker-late"], vec![String::from("10.1.0.1/24 eth1 -")]));
}

#[test]
fn what_is_printed_names_every_interface() {
    let (host, _) = lines("10.1.0.1/24 track_group TG");
    let text = print(&host, Secrets::Shown, Detail::Normal);
    assert!(text.contains("    10.1.0.1/24 dev eth0 track_group TG\n"), "{text}");
    assert_eq!(read(&text).0, host);
}

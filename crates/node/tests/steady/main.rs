//! The steady path allocates nothing: neither an Active router that advertises nor a Backup that hears it. A
//! process that allocates on every advert slows down, and stops, when memory does.
//!
//! A test binary of its own, because it counts the allocations of its thread.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod sys;

use model::{Authentication, Host, Instance, Peer, Secret, Transport, VirtualAddress};
use node::Node;
use node::io::{Address, Datagram, Effect, Fact, Frame, Input, Link};
use std::net::IpAddr;
use timeline::{Duration, Instant, Machine};
use vrrp::Settings;
use wire::{Family, Mac, Priority, Version, Vrid};

#[global_allocator]
static ALLOCATOR: sys::Counting = sys::Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = sys::count();
    work();
    sys::count() - before
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Two instances of this kind.
fn host(priority: u8, version: Version, address: &str, change: impl Fn(&mut Instance)) -> Host {
    let each = [50_u8, 51].map(|vrid| {
        let address = VirtualAddress::host(ip(&address.replace('N', &vrid.to_string())));
        let mut settings = Settings::new(version, Family::of(address.address), Vrid::new(vrid).unwrap());
        settings.priority = Priority(priority);
        settings.announce.delay = Duration::ZERO;
        let mut instance = Instance::new(format!("VI_{vrid}"), "eth0", settings, vec![address]);
        change(&mut instance);
        instance
    });
    Host { instances: each.into(), ..Host::default() }
}

fn boot(last: u8, host: Host) -> Node {
    let mut node = Node::new();
    let link = Link {
        index: 2,
        name: "eth0".into(),
        mac: Mac([2, 0, 0, 0, 0, last]),
        up: true,
        carrier: true,
        loopback: false,
        forwards_ipv6: false,
        is_vrf: false,
        master: None,
    };
    let addresses =
        [(format!("10.0.0.{last}"), 24), (format!("fe80::{last}"), 64)].map(|(address, prefix)| {
            let (usable, secondary, marked) = (true, false, false);
            Address { interface: 2, address: ip(&address), prefix, usable, secondary, marked }
        });
    let mut effects = Vec::new();
    let everything = Fact::Everything { links: vec![link], addresses: addresses.into() };
    node.handle(Instant::EPOCH, Input::Fact(everything), &mut effects);
    node.handle(Instant::EPOCH, Input::Configure(Box::new(host)), &mut effects);
    node.handle(Instant::EPOCH, Input::Elapsed, &mut effects);
    node
}

/// Gives a backup what an Active router sends.
fn hear(backup: &mut Node, now: Instant, sent: &[Effect], effects: &mut Vec<Effect>) {
    for effect in sent {
        let Effect::Send(t) = effect else { continue };
        let datagram = match (t.source, t.destination) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                Datagram::V6 { source, destination, hop_limit: Some(255), payload: &t.datagram }
            }
            _ => Datagram::V4(&t.datagram),
        };
        backup.handle(now, Input::Frame(Frame { interface: 2, at: now, datagram }), effects);
    }
}

/// Warms both up, then counts what each allocates over a hundred intervals.
fn steady(what: &str, active: Host, backup: Host) {
    let (mut active, mut backup) = (boot(5, active), boot(6, backup));
    let (mut sent, mut heard) = (Vec::new(), Vec::new());
    let mut adverts = 0;
    let mut turn = |now: Instant| {
        sent.clear();
        heard.clear();
        let from_sending = allocations(|| {
            active.handle(now, Input::Elapsed, &mut sent);
            active.note_estates(|_, note| note != node::estate::Note::Gone);
        });
        adverts += sent.iter().filter(|effect| matches!(effect, Effect::Send(_))).count();
        let from_hearing = allocations(|| {
            hear(&mut backup, now, &sent, &mut heard);
            backup.handle(now, Input::Elapsed, &mut heard);
            backup.note_estates(|_, note| note != node::estate::Note::Gone);
        });
        (from_sending, from_hearing, active.deadline())
    };
    let mut now = Instant::EPOCH;
    while now < Instant::EPOCH + Duration::from_secs(60) {
        now = turn(now).2.unwrap();
    }
    let end = now + Duration::from_secs(100);
    while now < end {
        let (from_sending, from_hearing, deadline) = turn(now);
        assert_eq!((from_sending, from_hearing), (0, 0), "{what} at {now:?}");
        now = deadline.unwrap();
    }
    assert!(adverts > 200, "{what}: {adverts} adverts");
    assert_eq!(backup.status(now).instances[0].standing, node::event::Standing::Backup);
    assert!(backup.status(now).instances.iter().all(|i| i.counters.received > 100), "{what}");
}

#[test]
fn version_2_with_a_password() {
    let make = |priority| {
        host(priority, Version::V2, "10.0.0.N", |i| {
            i.authentication = Authentication::Password(Secret::cut(b"1111"));
        })
    };
    steady("version 2", make(150), make(100));
}

#[test]
fn version_3_over_ipv4_and_ipv6() {
    let v4 = |priority| host(priority, Version::V3, "10.0.0.N", |_| {});
    steady("version 3, IPv4", v4(150), v4(100));
    let v6 = |priority| host(priority, Version::V3, "2001:db8::N", |_| {});
    steady("version 3, IPv6", v6(150), v6(100));
}

#[test]
fn an_authentication_header_is_sealed_in_place() {
    let make = |priority| {
        host(priority, Version::V2, "10.0.0.N", |i| {
            i.authentication = Authentication::Header(Secret::cut(b"1111"));
        })
    };
    steady("Authentication Header", make(150), make(100));
}

#[test]
fn auth_16_a_trailer_is_signed_in_place() {
    let keyed = |instance: &mut model::Instance| {
        let keys = vec![(1, model::Key::new(&[7; 32]).unwrap())];
        let (window, replay, mode) = (None, model::Replay::Time, model::KeyMode::Enforce);
        let ring = model::Keyring { keys, active: 1, window, replay, mode };
        instance.authentication = Authentication::Keyed(ring.into());
    };
    let v4 = |priority| host(priority, Version::V3, "10.0.0.N", keyed);
    steady("auth_hmac, IPv4", v4(150), v4(100));
    let v6 = |priority| host(priority, Version::V3, "2001:db8::N", keyed);
    steady("auth_hmac, IPv6", v6(150), v6(100));
}

#[test]
fn unicast_to_a_peer() {
    let make = |priority, peer: &'static str| {
        host(priority, Version::V2, "10.0.0.N", move |i| {
            let peers = vec![Peer { address: ip(peer), min_ttl: None, max_ttl: None }];
            i.transport = Transport::Unicast { source: None, peers, ttl: 255 };
        })
    };
    steady("unicast", make(150, "10.0.0.6"), make(100, "10.0.0.5"));
}

#[test]
fn in_a_group_that_tracks_something() {
    let make = |priority| {
        let mut host = host(priority, Version::V2, "10.0.0.N", |_| {});
        let (name, weight) = (std::sync::Arc::from("drain"), model::Weight { value: -1, reverse: false });
        let path = "/run/drain".into();
        host.files = vec![model::File { name: std::sync::Arc::clone(&name), path, weight, initial: None }];
        host.groups = vec![model::SyncGroup {
            name: "G".into(),
            members: host.instances.iter().map(|instance| instance.name.clone()).collect(),
            weights: false,
            track_interfaces: Vec::new(),
            tracking: model::Tracking {
                files: vec![model::Tracked { name, weight }],
                ..model::Tracking::default()
            }
            .into(),
            notify: model::Rare::default(),
        }];
        host
    };
    steady("a group", make(150), make(100));
}

/// Two ends of BFD sessions, once they are up.
#[test]
fn bfd_sessions() {
    use node::sessions::{Effect, Input, Packet, Sessions};
    let wanted = |peer: &str| {
        let mut bfd = model::Bfd::new("peer", ip(peer));
        (bfd.settings.min_tx, bfd.settings.min_rx) = (50_000, 50_000);
        [bfd]
    };
    let mut ends = [Sessions::new(1), Sessions::new(2)];
    let mut effects = Vec::new();
    ends[0].handle(Instant::EPOCH, Input::Configure(&wanted("10.0.0.6")), &mut effects);
    ends[1].handle(Instant::EPOCH, Input::Configure(&wanted("10.0.0.5")), &mut effects);
    let mut heard = Vec::new();
    let (mut now, mut packets) = (Instant::EPOCH, 0);
    while now < Instant::EPOCH + Duration::from_secs(60) {
        now = ends.iter().filter_map(Machine::deadline).min().unwrap().max(now);
        let made = allocations(|| {
            for (end, source) in [(0, "10.0.0.5"), (1, "10.0.0.6")] {
                effects.clear();
                ends[end].handle(now, Input::Elapsed, &mut effects);
                for effect in &effects {
                    let Effect::Send { bytes, .. } = effect else { continue };
                    packets += 1;
                    let (hop_limit, source) = (Some(255), source.parse().unwrap());
                    let packet = Packet { source, hop_limit, multihop: false, at: now, bytes };
                    heard.clear();
                    ends[1 - end].handle(now, Input::Packet(packet), &mut heard);
                    // What is answered at once.
                    for answer in &heard {
                        let Effect::Send { bytes, .. } = answer else { continue };
                        let source = if end == 0 { "10.0.0.6" } else { "10.0.0.5" }.parse().unwrap();
                        let packet = Packet { source, hop_limit, multihop: false, at: now, bytes };
                        ends[end].handle(now, Input::Packet(packet), &mut Vec::new());
                    }
                }
            }
        });
        let settled = now > Instant::EPOCH + Duration::from_secs(10);
        assert!(made == 0 || !settled, "{made} at {now:?}");
    }
    assert!(packets > 2_000, "{packets}");
}

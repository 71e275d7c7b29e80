//! Instances without an interface: routing decides where they speak, within a VRF or outside.

use crate::config::{host, scenario, with};
use crate::world::{ETH0, Kernel, World, address, adverts, forged, ip, link, ms, vrrp_message};
use model::{Home, Host, Instance, LinkDelay, Peer, TrackedInterface, Transport};
use node::compat;
use node::event::{Event, Fault, Standing};
use node::io::{Effect, Errno, InterfaceIndex, Order, Transmit};
use wire::message::Message;

/// The number of the VRF device `red`.
const RED: InterfaceIndex = 20;

/// What a kernel makes of an advert for which routing decides: it leaves where its source address is.
pub(crate) fn sent_by(kernel: &Kernel, transmit: &Transmit) -> Transmit {
    let home = || kernel.addresses.iter().find(|kept| kept.address.address == transmit.source);
    let interface = if transmit.interface == 0 { home().map(|kept| kept.address.interface) } else { None };
    Transmit { interface: interface.unwrap_or(transmit.interface), ..transmit.clone() }
}

/// The scenario's instance between 10.0.0.`from` and 10.0.0.`to`, without interface.
fn routed(priority: u8, from: u8, to: u8, vrf: Option<&str>) -> Host {
    let ip = |last: u8| ip(&format!("10.0.0.{last}"));
    let peers = vec![Peer { address: ip(to), min_ttl: None, max_ttl: None }];
    let transport = Transport::Unicast { source: Some(ip(from)), peers, ttl: 255 };
    let home = Home::Routed { vrf: vrf.map(Into::into) };
    let mut instance = Instance { home, transport, ..scenario(priority) };
    instance.addresses[0].options.device = Some("eth0".into());
    host(vec![instance])
}

/// Both nodes with this VRF; `red` is there on both, and eth0 a port of it.
fn world(vrf: Option<&str>) -> World {
    let mut world = World::new(2);
    for machine in &mut world.machines {
        let red = node::io::Link { is_vrf: true, carrier: false, ..link(RED, "red", 0x20) };
        machine.kernel.links.insert(RED, (red, 99));
        let (eth0, _) = machine.kernel.links.get_mut(&ETH0).unwrap();
        eth0.master = vrf.map(|_| RED);
    }
    world.boot(0, routed(150, 5, 6, vrf));
    world.boot(1, routed(100, 6, 5, vrf));
    world.run(ms(10_000));
    world
}

#[test]
fn uni_1_they_elect_and_hold_their_addresses_where_these_belong() {
    for vrf in [None, Some("red")] {
        let mut world = world(vrf);
        assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"), "{vrf:?}");
        let device = if vrf.is_some() { RED } else { 0 };
        let sent = world.machines[0].sent();
        assert!(sent.iter().all(|(_, t)| t.interface == 0 && t.vrf == device && t.source == ip("10.0.0.5")));
        assert!(!world.machines[0].kernel.announced.is_empty());
        let held = world.machines[0].kernel.addresses.iter().find(|kept| kept.ours).unwrap();
        assert_eq!(held.address.interface, ETH0);
        world.crash(0, true);
        world.run(ms(4_000));
        assert!(world.has(1, "10.0.0.3"), "{vrf:?}");
    }
}

/// By the main tables it would have no way, or a wrong one.
#[test]
fn unicast_from_a_port_goes_by_the_table_of_its_vrf() {
    let mut world = World::new(2);
    for machine in &mut world.machines {
        let red = node::io::Link { is_vrf: true, carrier: false, ..link(RED, "red", 0x20) };
        machine.kernel.links.insert(RED, (red, 99));
        machine.kernel.links.get_mut(&ETH0).unwrap().0.master = Some(RED);
    }
    let on_eth0 = |host: Host| with(host, |i| i.home = "eth0".into());
    world.boot(0, on_eth0(routed(150, 5, 6, None)));
    world.boot(1, on_eth0(routed(100, 6, 5, None)));
    world.run(ms(10_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
    let sent = world.machines[0].sent();
    assert!(!sent.is_empty() && sent.iter().all(|(_, t)| (t.interface, t.vrf) == (ETH0, RED)));
    // It leaves the VRF; it becomes a port of something that is none; it comes back.
    let blue = node::io::Link { carrier: false, ..link(21, "blue", 0x21) };
    world.machines[0].add_link(blue, 98);
    for (master, vrf) in [(None, 0), (Some(21), 0), (Some(RED), RED)] {
        world.machines[0].change_link(ETH0, |link| link.master = master);
        world.run(ms(2_000));
        let last = world.machines[0].sent().last().map(|(_, t)| (t.interface, t.vrf));
        assert_eq!((last, world.standing(0)), (Some((ETH0, vrf)), Standing::Active), "{master:?}");
    }
    // Its last word goes the same way.
    world.machines[0].steal("10.0.0.5", "somebody");
    world.order(0, Order::Stop);
    world.run(ms(1_000));
    let last = world.machines[0].sent().last().unwrap().1.clone();
    assert_eq!((Message::new(&vrrp_message(&last)).unwrap().priority().0, last.vrf), (0, RED));
    assert_eq!(world.standing(1), Standing::Active);
}

#[test]
fn no_link_is_watched_but_those_of_its_addresses_and_what_it_tracks() {
    let mut world = world(None);
    let quiet = |change: fn(&mut Instance)| {
        with(routed(150, 5, 6, None), |i| {
            i.addresses[0].options.no_track = true;
            change(i);
        })
    };
    world.configure(0, quiet(|_| {}));
    world.run(ms(1_000));
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(1_000));
    assert_eq!(world.standing(0), Standing::Active, "routing may have another way");
    world.configure(0, routed(150, 5, 6, None));
    world.run(ms(0));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::NoCarrier("eth0".into())], "its address is there");
    world.machines[0].change_link(ETH0, |link| link.carrier = true);
    world.run(ms(4_000));
    assert_eq!(world.standing(0), Standing::Active);
    // A link that is tracked ends it with a word: there may be a way out.
    world.configure(
        0,
        quiet(|i| {
            i.track_interfaces =
                vec![TrackedInterface { interface: "eth7".into(), weight: 0, reverse: false }].into();
        }),
    );
    world.run(ms(0));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::InterfaceMissing("eth7".into())]);
    assert_eq!(adverts(&world, 0).last().map(|(_, priority)| *priority), Some(0));
    world.run(ms(700));
    assert_eq!(world.standing(1), Standing::Active);
}

#[test]
fn a_vrf_that_does_not_work_is_a_fault_until_it_does() {
    let mut world = world(Some("red"));
    assert_eq!(world.standing(0), Standing::Active, "the carrier of a VRF device says nothing");
    let faults = |world: &World| world.status(0, "VI_50").faults;
    world.story(0);
    world.machines[0].change_link(RED, |link| link.up = false);
    world.run(ms(1_000));
    assert_eq!(faults(&world), [Fault::VrfDown("red".into())]);
    assert!(!world.has(0, "10.0.0.3") && adverts(&world, 0).iter().all(|(_, priority)| *priority != 0));
    world.machines[0].remove_link(RED);
    world.run(ms(1_000));
    assert_eq!(faults(&world), [Fault::VrfMissing("red".into())]);
    world.machines[0].add_link(link(21, "red", 0x21), 99);
    world.run(ms(1_000));
    assert_eq!(faults(&world), [Fault::NotAVrf("red".into())]);
    world.machines[0].remove_link(21);
    world.machines[0].add_link(node::io::Link { is_vrf: true, ..link(22, "red", 0x22) }, 99);
    world.machines[0].change_link(ETH0, |link| link.master = Some(22));
    world.run(ms(5_000));
    assert_eq!((faults(&world), world.standing(0)), (vec![], Standing::Active));
    assert_eq!(world.machines[0].sent().last().map(|(_, t)| t.vrf), Some(22));
    let story = world.story(0);
    for said in [
        "because the VRF device red is down",
        "the VRF device red does not exist",
        "interface red is no VRF device",
    ] {
        assert!(story.contains(said), "{story}");
    }
}

#[test]
fn a_vrf_without_sockets_is_no_trouble_of_others() {
    let no_socket = |vrf, why: Option<i32>| node::io::Fact::NoSocket {
        family: wire::Family::V4,
        sealed: false,
        vrf,
        why: why.map(Errno),
    };
    let on_eth0 = with(routed(150, 5, 6, None), |i| i.home = "eth0".into());
    for inside in [routed(150, 5, 6, Some("red")), on_eth0.clone()] {
        let mut world = world(Some("red"));
        world.configure(0, inside);
        world.run(ms(5_000));
        world.machines[0].tell(no_socket(Some(RED + 1), Some(24)));
        world.run(ms(1_000));
        assert_eq!((world.standing(0), world.has(0, "10.0.0.3")), (Standing::Active, true), "another VRF");
        world.machines[0].tell(no_socket(Some(RED), Some(24)));
        world.run(ms(1_000));
        let faults = world.status(0, "VI_50").faults;
        assert_eq!(faults, [Fault::NoSocket(wire::Family::V4, Errno(24))]);
        assert_eq!(
            faults[0].to_string(),
            "no IPv4 sockets for adverts: too many files are open (LimitNOFILE)"
        );
        world.machines[0].tell(no_socket(Some(RED), None));
        world.run(ms(5_000));
        assert_eq!(world.standing(0), Standing::Active);
    }
    for outside in [routed(150, 5, 6, None), on_eth0] {
        let mut world = world(None);
        world.configure(0, outside);
        world.run(ms(5_000));
        world.machines[0].tell(no_socket(Some(RED), Some(24)));
        world.run(ms(1_000));
        assert_eq!((world.standing(0), world.has(0, "10.0.0.3")), (Standing::Active, true));
        world.machines[0].tell(no_socket(None, Some(24)));
        world.run(ms(1_000));
        assert_eq!(world.standing(0), Standing::Fault);
    }
}

#[test]
fn a_vrf_may_be_down_for_as_long_as_it_is_allowed_to() {
    let mut world = world(Some("red"));
    let mut host = routed(150, 5, 6, Some("red"));
    host.link_delays = vec![LinkDelay { interface: "red".into(), down: ms(2_000), up: ms(1_000) }];
    world.machines[0].change_link(RED, |link| link.carrier = true);
    world.configure(0, host);
    world.run(ms(1_000));
    world.machines[0].change_link(RED, |link| link.up = false);
    world.run(ms(1_500));
    assert_eq!(world.standing(0), Standing::Active);
    world.run(ms(1_000));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::VrfDown("red".into())]);
    world.machines[0].change_link(RED, |link| link.up = true);
    world.run(ms(500));
    assert_eq!(world.standing(0), Standing::Fault);
    world.run(ms(600));
    assert_eq!(world.standing(0), Standing::Backup);
}

#[test]
fn what_comes_in_elsewhere_is_for_nobody() {
    for vrf in [None, Some("red")] {
        let mut world = world(vrf);
        let heard = |world: &World| {
            (
                world.status(1, "VI_50").counters.received,
                world.machines[1].node.status(world.now).strays.iter().sum::<u64>(),
            )
        };
        let genuine = world.machines[0].sent().last().unwrap().1.datagram.clone();
        // eth1 is on the other side of the fence, eth2 on this one, eth3 is not known.
        for (index, master) in [(3, vrf.is_none().then_some(RED)), (4, vrf.is_some().then_some(RED))] {
            let port = node::io::Link { master, ..link(index, &format!("eth{}", index - 2), 0x30) };
            world.machines[1].add_link(port, 98);
        }
        world.run(ms(0));
        for (interface, is_heard) in [(3, false), (4, true), (5, false), (RED, vrf.is_some())] {
            let (received, strays) = heard(&world);
            let now = world.now;
            let frame = forged(interface, ip("10.0.0.5"), ip("10.0.0.6"), genuine.to_vec());
            world.machines[1].catch(now, frame);
            world.run(ms(0));
            let expected = if is_heard { (received + 1, strays) } else { (received, strays + 1) };
            assert_eq!(heard(&world), expected, "{vrf:?} {interface}");
        }
        // A port that changes sides is heard from now on.
        world.machines[1].change_link(3, |link| link.master = vrf.map(|_| RED));
        let (now, received) = (world.now, heard(&world).0);
        world.machines[1].catch(now, forged(3, ip("10.0.0.5"), ip("10.0.0.6"), genuine.to_vec()));
        world.run(ms(0));
        assert_eq!(heard(&world).0, received + 1);
    }
}

#[test]
fn what_is_not_believed_is_told_with_the_interface_on_which_it_came() {
    let mut world = world(None);
    let mut wrong = world.machines[0].sent().last().unwrap().1.datagram.to_vec();
    let last = wrong.len() - 1;
    wrong[last] ^= 0xff;
    let now = world.now;
    world.machines[1].catch(now, forged(ETH0, ip("10.0.0.5"), ip("10.0.0.6"), wrong));
    world.run(ms(0));
    let events = world.machines[1].events();
    let told = events.iter().find_map(|(_, event)| {
        let Event::Discarded { instance: Some(_), interface, .. } = event else { return None };
        Some(interface.clone())
    });
    assert_eq!(told.as_deref(), Some("eth0"));
}

#[test]
fn its_source_address_is_tracked_wherever_it_is() {
    for vrf in [None, Some("red")] {
        let mut world = world(vrf);
        world.configure(0, with(routed(150, 5, 6, vrf), |i| i.track_source = true));
        world.run(ms(1_000));
        assert_eq!(world.standing(0), Standing::Active);
        world.machines[0].steal("10.0.0.5", "somebody");
        world.run(ms(0));
        assert_eq!(world.status(0, "VI_50").faults, [Fault::SourceMissing(ip("10.0.0.5"))]);
        let master = vrf.map(|_| RED);
        world.machines[0].add_link(node::io::Link { master, ..link(3, "eth1", 0x33) }, 98);
        world.machines[0].set_address(address(3, "10.0.0.5/32"));
        world.run(ms(0));
        assert_eq!(world.status(0, "VI_50").faults, []);
        // On the other side of the fence it is no use.
        world.machines[0].change_link(3, |link| link.master = vrf.is_none().then_some(RED));
        world.run(ms(0));
        let faults = world.status(0, "VI_50").faults;
        assert_eq!(faults, [Fault::SourceApart(ip("10.0.0.5"), vrf.map(Into::into))]);
        let place = if vrf.is_some() { "of VRF red" } else { "outside VRFs" };
        assert_eq!(faults[0].to_string(), format!("the source address 10.0.0.5 is on no interface {place}"));
        // And when it is nowhere at all.
        world.machines[0].steal("10.0.0.5", "somebody");
        world.run(ms(0));
        assert_eq!(world.status(0, "VI_50").faults, [Fault::SourceMissing(ip("10.0.0.5"))]);
    }
}

#[test]
fn con_12_one_that_moves_to_another_vrf_is_another_one() {
    let mut world = world(None);
    world.machines[0].change_link(ETH0, |link| link.master = Some(RED));
    world.run(ms(0));
    world.configure(0, routed(150, 5, 6, Some("red")));
    world.run(ms(0));
    assert_eq!(adverts(&world, 0).last().map(|(_, priority)| *priority), Some(0));
    let configured = world.machines[0].events().into_iter().rev().find_map(|(_, event)| {
        let Event::Configured { added, removed, altered, .. } = event else { return None };
        Some((added, removed, altered))
    });
    assert_eq!(configured, Some((1, 1, 0)));
    assert!(!world.has(0, "10.0.0.3"));
}

#[test]
fn a_daemon_goes_on_where_the_one_before_it_ended() {
    for vrf in [None, Some("red")] {
        let mut world = world(vrf);
        world.machines[0].log.clear();
        world.replace(0, routed(150, 5, 6, vrf), ms(100));
        world.run(ms(3_000));
        assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
        let said = world.machines[0].sent();
        let priority = |t: &Transmit| Message::new(&vrrp_message(t)).unwrap().priority().0;
        assert!(said.iter().all(|(_, t)| priority(t) == 150));
        assert!(
            world.machines[0]
                .log
                .iter()
                .all(|(_, e)| !matches!(e, Effect::Report(Event::Moved { to: Standing::Backup, .. })))
        );
        world.order(0, Order::Stop);
        world.run(ms(1_000));
        assert_eq!(world.standing(1), Standing::Active);
    }
}

#[test]
fn dumps_say_that_it_has_no_interface_and_which_vrf() {
    for (vrf, line, pair) in [(None, "", ""), (Some("red"), "   VRF = red\n", ",\"vrf\":\"red\"")] {
        let world = world(vrf);
        let node = &world.machines[0].node;
        let status = node.status(world.now);
        let dump = compat::data(&status);
        assert!(dump.contains(&format!("   Interface = none\n{line}   Using src_ip = 10.0.0.5\n")), "{dump}");
        let json = compat::json(&status, &node.host(), ms(0)).unwrap();
        assert!(json.contains(&format!("\"ifp_ifname\":\"\"{pair},\"master_priority\"")), "{json}");
    }
}

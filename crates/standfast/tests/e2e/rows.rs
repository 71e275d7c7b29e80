//! Requirements of the conformance list that only a real kernel and a real wire show: what leaves the machine, who
//! answers for an address and who does not, and what Linux hosts make of announcements.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, fail, program};
use lab::{Capture, Client, Machine, Record};
use wire::arp::{Arp, Operation, TargetHardware, gratuitous_reply, gratuitous_request};
use wire::checksum::OnesComplement;
use wire::frame::{ETHERTYPE_IPV6, Seen, header};
use wire::ndp::{self, Kind as Said, solicited_node, unsolicited_advertisement};
use wire::{Mac, ipv6};

use crate::conf::{self, Flavour, Instance, LB01, LB02, ip};
use crate::pair::{self, Kind, Node, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "rows::con_1_con_2_con_4_tx_1_tx_3_tx_5_tx_6_wire_12_garp_1_garp_3_ipv4_is_exact",
            ipv4_is_exact,
        ),
        Test::new("rows::tx_7_trap_7_three_instances_on_one_host_do_not_hear_themselves", three_instances),
        Test::new("rows::tx_10_adverts_are_not_forwarded", not_forwarded),
        Test::new("rows::bk_1_arp_1_sm_bkp_1_sm_act_1_who_answers_arp", who_answers_arp),
        Test::new(
            "rows::bk_2_nd_2_na_8_na_10_sm_bkp_1_sm_act_1_who_answers_solicitations",
            who_answers_solicitations,
        ),
        Test::new("rows::bk_3_acd_19_no_router_advertisements_and_no_probes", nothing_else),
        Test::new("rows::bk_5_fwd_2_sm_bkp_1_sm_act_1_who_accepts_packets", who_accepts),
        Test::new("rows::sm_init_8_nd_1_solicited_node_groups", groups),
        Test::new("rows::nd_10_an_address_that_is_elsewhere_too_is_usable_at_once", no_detection),
        Test::new("rows::nd_14_no_route_but_its_own", routes),
        Test::new("rows::ck_8_wrong_sums_over_ipv6_reach_the_daemon", wrong_sums),
        Test::new("rows::garp_4_garp_5_hosts_take_every_form_of_gratuitous_arp", hosts_take_arp),
        Test::new(
            "rows::vec_v2_pass_eth_vec_v2_none_ip_vec_v3_4_pseudo_ip_vec_v3_6_two_eth_as_tshark_reads_them",
            vectors_by_tshark,
        ),
        Test::new(
            "rows::garp_req_vmac_garp_reply_arp_probe_una_global_as_tshark_reads_them",
            frames_by_tshark,
        ),
        Test::new("rows::na_5_na_9_hosts_take_unasked_advertisements", hosts_take_advertisements),
    ]
}

/// What `ip` prints.
fn said(machine: &Machine, arguments: &str) -> Result<String, Stop> {
    let output = machine.command(program("ip")?).args(arguments.split(' ')).output()?;
    if !output.status.success() {
        return Err(fail(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn v4(address: IpAddr) -> Result<Ipv4Addr, Stop> {
    match address {
        IpAddr::V4(v4) => Ok(v4),
        IpAddr::V6(_) => Err(fail("not IPv4")),
    }
}

fn v6(address: IpAddr) -> Result<Ipv6Addr, Stop> {
    match address {
        IpAddr::V6(v6) => Ok(v6),
        IpAddr::V4(_) => Err(fail("not IPv6")),
    }
}

/// lb01 active, lb02 its backup, both ours.
struct Two {
    lab: lab::Lab,
    capture: Capture,
    _running: [pair::Running; 2],
}

fn two(flavour: Flavour) -> Result<Two, Stop> {
    let lab = pair::three()?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let nodes = pair::nodes(&lab, [Kind::Standfast; 2], |name| flavour.instance(name).every("0.3").file());
    let running = if flavour.version() == 3 {
        pair::settle(&nodes?)?
    } else {
        pair::settle(&pair::nodes(&lab, [Kind::Standfast; 2], |name| flavour.instance(name).file())?)?
    };
    lab.machine(LB01)?.wait_until_holds(flavour.service(), true, SOON)?;
    Ok(Two { lab, capture, _running: running })
}

fn ipv4_is_exact() -> Outcome {
    for flavour in [Flavour::V2, Flavour::V3] {
        let lab = pair::alone()?;
        let lb01 = lab.machine(LB01)?;
        let capture = Capture::start(lab.machine("client")?, "eth0")?;
        let _running = Node::ours(lb01, flavour.instance(LB01).file())?.start_active()?;
        let mac = lb01.mac("eth0")?;
        see::wait_for_announcements(&capture, 0, ip("10.0.0.3"), mac, 5, SOON)?;
        see::wait_for_adverts(&capture, ip("10.0.0.5"), 2, SOON)?;
        let (mut adverts, mut announcements) = (0, 0);
        for record in capture.records() {
            if record.advert().is_some() {
                adverts += 1;
                let see::Opened { ethernet, ip: packet } = see::open(&record)?;
                assert_eq!(ethernet.destination.to_string(), "01:00:5e:00:00:12");
                assert_eq!((packet.ttl, packet.protocol, packet.header[1]), (255, 112, 0xc0));
                assert_eq!((packet.source, packet.destination), (v4(ip("10.0.0.5"))?, v4(ip("224.0.0.18"))?));
                assert!(packet.header_verifies());
                // Version and type; VRID; priority; one address.
                let first = flavour.version() << 4 | 1;
                assert_eq!(packet.payload[..4], [first, 50, 150, 1]);
                assert_eq!(packet.payload[8..12], [10, 0, 0, 3]);
            }
            if let Some(Seen::Arp(arp)) =
                record.seen.filter(|_| see::announces(&record, ip("10.0.0.3")).is_some())
            {
                announcements += 1;
                let frame = wire::frame::ethernet(&record.frame).ok_or_else(|| fail("no frame"))?;
                assert_eq!((frame.destination, frame.source), (Mac::BROADCAST, mac));
                assert_eq!((arp.operation, arp.sender_mac), (Operation::Request, mac));
                assert_eq!((arp.sender, arp.target), (v4(ip("10.0.0.3"))?, v4(ip("10.0.0.3"))?));
            }
        }
        assert!(adverts >= 2 && announcements >= 5, "{adverts} {announcements}");
        see::examine(&capture, &lab, "ipv4")?;
    }
    Ok(())
}

fn three_instances() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let each = |vrid: u8| {
        let mut instance = Instance::new(&format!("VI_{vrid}"), vrid).every("0.3").line("version 3");
        instance.addresses = vec![format!("10.0.0.{vrid}")];
        instance
    };
    let running = Node::ours(lb01, conf::file(&[each(51), each(52), each(53)]))?.spawn()?;
    for name in ["VI_51", "VI_52", "VI_53"] {
        running.enters(name, "MASTER", SOON)?;
    }
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 30, SOON)?;
    assert_eq!(running.count("Entering MASTER"), 3, "{}", running.log());
    assert_eq!(running.count("Entering"), 6, "{}", running.log());
    // Had one come back, it would have been told as a loop.
    assert_eq!(running.count("ignored an advert"), 0, "{}", running.log());
    running.stop()
}

/// lb01 forwards, between the network and another one behind it.
fn not_forwarded() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    {
        let mut netlink = lb01.netlink();
        netlink.create_veth("other0", "other1", None)?;
        netlink.set_up("other0", true)?;
        netlink.set_up("other1", true)?;
    }
    lb01.add_address("other0", "10.7.0.5/24".parse()?)?;
    lb01.add_address("other0", "fd00:7::5/64".parse()?)?;
    lb01.write("/proc/sys/net/ipv4/ip_forward", "1")?;
    lb01.write("/proc/sys/net/ipv6/conf/all/forwarding", "1")?;
    let behind = Capture::start(lb01, "other1")?;
    let _running = Node::ours(lb01, Flavour::V3.instance(LB01).every("0.3").file())?.start_active()?;
    for flavour in [Flavour::V3, Flavour::V3Ipv6] {
        let frame = crate::bad_packets::stranger(flavour, client)?;
        for _ in 0..10 {
            client.send_frame("eth0", &frame)?;
        }
    }
    // That it does forward: it looks for the next hop of a packet to the other network.
    said(client, "route add 10.7.0.0/24 via 10.0.0.5")?;
    let _asking = Client::start(client, ip("10.7.0.77"))?;
    behind.wait_for(
        "lb01 forwards",
        SOON,
        |record| matches!(record.seen, Some(Seen::Arp(arp)) if IpAddr::V4(arp.target) == ip("10.7.0.77")),
    )?;
    assert!(!behind.records().iter().any(|record| record.advert().is_some()));
    Ok(())
}

/// Who answers an ARP request of the client, until lb01 has answered three of them.
fn who_answers_arp() -> Outcome {
    let Two { lab, capture, .. } = &two(Flavour::V3)?;
    let (client, lb01) = (lab.machine("client")?, lab.machine(LB01)?);
    let request = Arp {
        operation: Operation::Request,
        sender_mac: client.mac("eth0")?,
        sender: v4(ip("10.0.0.9"))?,
        target_mac: Mac::default(),
        target: v4(ip("10.0.0.3"))?,
    };
    let mark = capture.tape().mark();
    for _ in 0..3 {
        let asked = capture.tape().mark();
        client.send_frame("eth0", &request.to_frame(Mac::BROADCAST))?;
        capture.wait_from(asked, "an answer to an ARP request", SOON, |record| {
            !replies(std::slice::from_ref(record)).is_empty()
        })?;
    }
    // Whoever is slower has time to answer too.
    std::thread::sleep(Duration::from_millis(300));
    let answers = replies(&capture.tape().from_mark(mark));
    assert_eq!(answers, [lb01.mac("eth0")?; 3], "lb02 is {}", lab.machine(LB02)?.mac("eth0")?);
    Ok(())
}

/// Who said, asked, that it has 10.0.0.3.
fn replies(records: &[Record]) -> Vec<Mac> {
    let reply = |record: &Record| match record.seen {
        Some(Seen::Arp(arp))
            if arp.operation == Operation::Reply && IpAddr::V4(arp.sender) == ip("10.0.0.3") =>
        {
            Some(arp.sender_mac)
        }
        _ => None,
    };
    records.iter().filter_map(reply).collect()
}

/// A Neighbor Solicitation for the service address from `source`.
fn solicitation(from: Mac, source: Ipv6Addr, target: Ipv6Addr) -> Result<Vec<u8>, Stop> {
    let group = solicited_node(target);
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    if !source.is_unspecified() {
        message.extend([1, 1]);
        message.extend(from.0);
    }
    let sum = OnesComplement::pseudo_header(source.into(), group.into(), 58, message.len());
    let sum = sum.with(&message).checksum();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let to = Mac::multicast(group.into()).ok_or_else(|| fail("no group"))?;
    let mut frame = header(to, from, ETHERTYPE_IPV6).to_vec();
    let packet =
        ipv6::Header { source, destination: group, next_header: 58, hop_limit: 255, traffic_class: 0 };
    packet.emit(message.len(), &mut frame);
    frame.extend(message);
    Ok(frame)
}

fn who_answers_solicitations() -> Outcome {
    let Two { lab, capture, .. } = &two(Flavour::V3Ipv6)?;
    let (client, lb01) = (lab.machine("client")?, lab.machine(LB01)?);
    let (from, target, mac) = (client.mac("eth0")?, v6(ip("fd00:10::3"))?, lb01.mac("eth0")?);
    for forwards in [false, true] {
        lb01.write("/proc/sys/net/ipv6/conf/all/forwarding", if forwards { "1" } else { "0" })?;
        for source in [v6(ip("fd00:10::9"))?, Ipv6Addr::UNSPECIFIED] {
            let asked = !source.is_unspecified();
            let mark = capture.tape().mark();
            client.send_frame("eth0", &solicitation(from, source, target)?)?;
            let answer = |record: &Record| match record.seen {
                Some(Seen::Neighbor(neighbor)) if neighbor.target == target && !record.outgoing => {
                    let frame = wire::frame::ethernet(&record.frame)?;
                    let packet = ipv6::parse(frame.payload).ok()?;
                    Some((neighbor, frame.source, packet.destination))
                }
                _ => None,
            };
            capture.wait_from(mark, "an answer", SOON, |record| answer(record).is_some())?;
            std::thread::sleep(Duration::from_millis(200));
            let answers: Vec<_> = capture.tape().from_mark(mark).iter().filter_map(answer).collect();
            let kind = Said::Advertisement { router: forwards, solicited: asked, override_cache: true };
            let to = if asked { source } else { ndp::ALL_NODES };
            for (neighbor, by, destination) in &answers {
                assert_eq!((neighbor.kind, neighbor.link_layer, *by), (kind, Some(mac), mac), "{answers:?}");
                assert_eq!(*destination, to);
            }
            assert_eq!(answers.len(), 1, "{answers:?}");
        }
    }
    Ok(())
}

fn nothing_else() -> Outcome {
    for flavour in [Flavour::V3, Flavour::V3Ipv6] {
        let Two { lab, capture, _running: running } = two(flavour)?;
        running[0].stop()?;
        running[1].enters("VI_1", "MASTER", SOON)?;
        let mac = lab.machine(LB02)?.mac("eth0")?;
        see::wait_for_announcements(&capture, 0, flavour.service(), mac, 5, SOON)?;
        for record in capture.records() {
            assert!(!matches!(record.seen, Some(Seen::Arp(arp)) if arp.is_probe()), "{record:?}");
            let is_ipv6 = record.frame.get(12..14) == Some(&[0x86, 0xdd]);
            let is_router =
                is_ipv6 && record.frame.get(20) == Some(&58) && record.frame.get(54) == Some(&134);
            assert!(!is_router, "{record:?}");
        }
    }
    Ok(())
}

/// A client whose neighbour table is wrong sends to the backup, one whose table is right to the active machine.
fn who_accepts() -> Outcome {
    for flavour in [Flavour::V3, Flavour::V3Ipv6] {
        let Two { lab, .. } = &two(flavour)?;
        let (client, lb01, lb02) = (lab.machine("client")?, lab.machine(LB01)?, lab.machine(LB02)?);
        let service = flavour.service();
        let point =
            |at: Mac| said(client, &format!("neigh replace {service} lladdr {at} dev eth0 nud permanent"));
        point(lb02.mac("eth0")?)?;
        let asking = Client::start(client, service)?;
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(asking.answers().all().len(), 0, "{flavour:?}: a backup took packets for the address");
        point(lb01.mac("eth0")?)?;
        asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    }
    Ok(())
}

fn groups() -> Outcome {
    let Two { lab, .. } = &two(Flavour::V3Ipv6)?;
    // fe80::3 and fd00:10::3 end alike.
    let group = solicited_node(v6(ip("fd00:10::3"))?).to_string();
    let joined = |name: &str| -> Result<bool, Stop> {
        let shown = said(lab.machine(name)?, "-6 maddr show dev eth0")?;
        Ok(shown.lines().any(|line| line.split_whitespace().any(|word| word == group)))
    };
    assert_eq!((joined(LB01)?, joined(LB02)?), (true, false));
    Ok(())
}

/// The other holder would fail a duplicate address detection.
fn no_detection() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    client.add_address("eth0", "fd00:10::3/128".parse()?)?;
    let running = Node::ours(lb01, Flavour::V3Ipv6.instance(LB01).every("0.3").file())?.start_active()?;
    lb01.wait_until_holds(ip("fd00:10::3"), true, SOON)?;
    std::thread::sleep(Duration::from_millis(300));
    let shown = said(lb01, "-6 -o addr show dev eth0")?;
    let line = shown.lines().find(|line| line.contains("fd00:10::3/128")).unwrap_or_default();
    assert!(line.contains("nodad"), "{shown}");
    assert!(!line.contains("tentative") && !line.contains("dadfailed"), "{shown}");
    running.stop()
}

fn routes() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let others = || -> Result<Vec<String>, Stop> {
        let shown = said(lb01, "-6 route show")?;
        Ok(shown.lines().filter(|line| !line.starts_with("fd00:10::3 ")).map(str::to_owned).collect())
    };
    let before = others()?;
    assert!(before.iter().any(|line| line.starts_with("fd00:10::/64 ")), "{before:?}");
    let mut instance = Flavour::V3Ipv6.instance(LB01).every("0.3");
    instance.addresses = vec!["fd00:10::3".into()];
    let running = Node::ours(lb01, instance.file())?.start_active()?;
    lb01.wait_until_holds(ip("fd00:10::3"), true, SOON)?;
    assert_eq!(others()?, before);
    running.stop()?;
    assert_eq!(said(lb01, "-6 route show")?.lines().collect::<Vec<_>>(), before);
    Ok(())
}

fn wrong_sums() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let running = Node::ours(lb01, Flavour::V3Ipv6.instance(LB01).every("0.3").file())?.start_active()?;
    let mut frame = crate::bad_packets::stranger(Flavour::V3Ipv6, client)?;
    let last = frame.len() - 1;
    frame[last] ^= 1;
    client.send_frame("eth0", &frame)?;
    running.wait_for_line("ignored an advert from fe80::aff:fe00:9: its checksum is wrong", SOON)?;
    assert_eq!(running.count("Entering"), 2, "{}", running.log());
    running.stop()
}

/// An entry that was changed just now: a host leaves it alone for a while, unless a packet is gratuitous.
fn hosts_take_arp() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    client.write("/proc/sys/net/ipv4/neigh/eth0/locktime", "6000")?;
    let (old, new, address) = (Mac([2, 0, 0, 0, 0, 0x77]), lb01.mac("eth0")?, ip("10.0.0.77"));
    let known = || client.neighbour(address);
    let reset = || said(client, &format!("neigh replace {address} lladdr {old} dev eth0 nud reachable"));
    let request = |form| gratuitous_request(new, Ipv4Addr::new(10, 0, 0, 77), form);
    for frame in [
        request(TargetHardware::Own),
        request(TargetHardware::Zero),
        request(TargetHardware::Broadcast),
        gratuitous_reply(new, v4(address)?),
    ] {
        reset()?;
        assert_eq!(known()?, Some(old));
        lb01.send_frame("eth0", &frame)?;
        see::wait_for_neighbour(&lab, address, new)?;
    }
    // A reply that names nobody is not gratuitous to Linux.
    reset()?;
    let nobody = Arp {
        operation: Operation::Reply,
        sender_mac: new,
        sender: v4(address)?,
        target_mac: Mac::default(),
        target: v4(address)?,
    };
    lb01.send_frame("eth0", &nobody.to_frame(Mac::BROADCAST))?;
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(known()?, Some(old));
    Ok(())
}

fn hosts_take_advertisements() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let (old, new, address) = (Mac([2, 0, 0, 0, 0, 0x77]), lb01.mac("eth0")?, v6(ip("fd00:10::77"))?);
    let shown = || said(client, &format!("-6 neigh show {address} dev eth0"));
    let frame =
        |to: Mac| unsolicited_advertisement(to, "fe80::aff:fe00:5".parse().unwrap_or(address), address, true);
    // A host that does not know the address learns nothing.
    lb01.send_frame("eth0", &frame(new))?;
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(shown()?.trim(), "");
    said(client, &format!("-6 neigh replace {address} lladdr {old} dev eth0 nud reachable"))?;
    // Without Override the old one stays.
    let mut timid = frame(new).to_vec();
    timid[58] &= !0x20;
    timid[56..58].fill(0);
    let (source, group) = (v6(ip("fe80::aff:fe00:5"))?, ndp::ALL_NODES);
    let sum = OnesComplement::pseudo_header(source.into(), group.into(), 58, timid.len() - 54);
    let sum = sum.with(&timid[54..]).checksum();
    timid[56..58].copy_from_slice(&sum.to_be_bytes());
    lb01.send_frame("eth0", &timid)?;
    std::thread::sleep(Duration::from_millis(200));
    assert!(shown()?.contains(&old.to_string()), "{}", shown()?);
    // With it the new one counts, and is no proof that it can be reached.
    said(client, &format!("-6 neigh replace {address} lladdr {old} dev eth0 nud reachable"))?;
    lb01.send_frame("eth0", &frame(new))?;
    see::wait_for_neighbour(&lab, address.into(), new)?;
    let entry = shown()?;
    assert!(entry.contains("STALE") && !entry.contains("REACHABLE"), "{entry}");
    Ok(())
}

/// What tshark reads out of frames that lb01 sends.
fn read_by_tshark(frames: &[&str], fields: &[&str]) -> Result<Vec<String>, Stop> {
    let tshark = program("tshark")?;
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let capture = Capture::start(lb01, "eth0")?;
    for frame in frames {
        let byte = |at: usize| u8::from_str_radix(&frame[at..at + 2], 16);
        let bytes = (0..frame.len()).step_by(2).map(byte).collect::<Result<Vec<_>, _>>()?;
        let mark = capture.tape().mark();
        lb01.send_frame("eth0", &bytes)?;
        capture.wait_from(mark, "the frame itself", SOON, |record| record.frame.starts_with(&bytes))?;
    }
    let file = lab.directory().join("vectors.pcap");
    capture.write_pcap(&file)?;
    let mut command = std::process::Command::new(tshark);
    // Nobody's own settings.
    command.env("HOME", lab.directory()).env_remove("XDG_CONFIG_HOME").stdin(std::process::Stdio::null());
    command
        .args(["-n", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator= ", "-r"])
        .arg(&file);
    // The vectors' own addresses: nothing else on this network has them.
    command.args(["-Y", "vrrp || arp.src.hw_mac == 00:00:5e:00:01:33 || arp.src.hw_mac == 02:00:00:00:00:05 || icmpv6.opt.linkaddr == 00:00:5e:00:02:34"]);
    command.args(fields.iter().flat_map(|field| ["-e", *field]));
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
}

fn vectors_by_tshark() -> Outcome {
    let frames = [
        "01005e00001200005e000132080045c0002800000000ff70d08e0a000005e0000012213296010101db650a0000033131313100000000",
        "01005e00001200005e000132080045c0002800000000ff70d08e0a000005e00000122132960100013ec80a0000030000000000000000",
        "01005e00001200005e000133080045c0002000000000ff701899c0000202e000001231336401006405d4c0000201",
        "33330000001200005e00023486dd6c000000002870fffe800000000000000000000000000002ff0200000000000000000000000000123134c802000adc52fe80000000000000000000000000000120010db8000000000000000000000001",
    ];
    let fields = [
        "ip.checksum.status",
        "vrrp.checksum.status",
        "vrrp.version",
        "vrrp.virt_rtr_id",
        "vrrp.prio",
        "vrrp.addr_count",
        "vrrp.auth_type",
        "vrrp.adver_int",
        "vrrp.auth_string",
        "vrrp.short_adver_int",
        "vrrp.ip_addr",
        "vrrp.ipv6_addr",
    ];
    assert_eq!(
        read_by_tshark(&frames, &fields)?,
        [
            "1 1 2 50 150 1 1 1 1111 10.0.0.3",
            "1 1 2 50 150 1 0 1 10.0.0.3",
            "1 1 3 51 100 1 100 192.0.2.1",
            "1 3 52 200 2 10 fe80::1,2001:db8::1",
        ]
    );
    Ok(())
}

fn frames_by_tshark() -> Outcome {
    let frames = [
        "ffffffffffff00005e0001330806000108000604000100005e000133c000020100005e000133c0000201",
        "ffffffffffff00005e0001330806000108000604000200005e000133c000020100005e000133c0000201",
        "ffffffffffff0200000000050806000108000604000102000000000500000000000000000000c0000201",
        "33330000000100005e00023486dd6000000000203afffe800000000000000000000000000001ff02000000000000000000000000000188004a2fa000000020010db8000000000000000000000001020100005e000234",
    ];
    let fields = [
        "arp.opcode",
        "arp.isgratuitous",
        "arp.isprobe",
        "arp.src.hw_mac",
        "arp.src.proto_ipv4",
        "arp.dst.proto_ipv4",
        "icmpv6.checksum.status",
        "icmpv6.nd.na.flag.r",
        "icmpv6.nd.na.flag.s",
        "icmpv6.nd.na.flag.o",
        "icmpv6.nd.na.target_address",
        "icmpv6.opt.linkaddr",
    ];
    assert_eq!(
        read_by_tshark(&frames, &fields)?,
        [
            "1 1 00:00:5e:00:01:33 192.0.2.1 192.0.2.1",
            "2 1 00:00:5e:00:01:33 192.0.2.1 192.0.2.1",
            "1 1 02:00:00:00:00:05 0.0.0.0 192.0.2.1",
            "1 1 0 1 2001:db8::1 00:00:5e:00:02:34",
        ]
    );
    Ok(())
}

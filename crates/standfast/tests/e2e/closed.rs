//! Addresses that do not accept: what a client sees of them, beside Debian's keepalived, and that they stay so.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, fail, program};
use lab::{Client, Lab, Machine, Signal};

use crate::conf::{Flavour, Instance, LB01, ip};
use crate::crash::worker;
use crate::pair::{self, ELECTION, Kind, Node, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for kind in [Kind::Standfast, Kind::Keepalived] {
        for flavour in [Flavour::V3, Flavour::V3Ipv6] {
            let name = format!("closed::fwd_2_fwd_3_fwd_4_who_accepts_{flavour:?}::{kind}");
            tests.push(Test::new(name, move || who_accepts(kind, flavour)));
        }
    }
    tests.push(Test::new("closed::fwd_5_strict_version_2_accepts_as_owner_only", strict_version_2));
    tests.push(Test::new("closed::a_flush_is_mended_and_an_end_leaves_nothing", flushed));
    tests.push(Test::new("closed::no_answer_slips_out_while_workers_die", workers_die));
    tests.push(Test::new("closed::a_table_that_is_not_ours_is_an_alarm_and_the_address_is_held", taken));
    tests
}

fn closed(flavour: Flavour) -> Instance {
    flavour.instance(LB01).every("0.3").line("no_accept")
}

fn nft(machine: &Machine, arguments: &str) -> Result<String, Stop> {
    let output = machine.command(program("nft")?).args(arguments.split(' ')).output()?;
    if !output.status.success() {
        return Err(fail(format!("nft {arguments}: {}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn ip_route(machine: &Machine, arguments: &str) -> Outcome {
    let status = machine.command(program("ip")?).args(arguments.split(' ')).status()?;
    if status.success() { Ok(()) } else { Err(fail(format!("ip {arguments}: {status}"))) }
}

/// Whether the machine behind an address says anything to a TCP connection: a refusal is an answer.
fn answers_tcp(client: &Machine, address: IpAddr) -> Result<bool, Stop> {
    let target = SocketAddr::new(address, 9);
    let tried = client.within(|| TcpStream::connect_timeout(&target, Duration::from_millis(400)))?;
    match tried {
        Ok(_) => Ok(true),
        Err(why) if why.kind() == ErrorKind::ConnectionRefused => Ok(true),
        Err(why) if why.kind() == ErrorKind::TimedOut => Ok(false),
        Err(why) => Err(fail(format!("connecting to {target}: {why}"))),
    }
}

/// lb01 with another network behind it, where `inner` is.
fn router(flavour: Flavour) -> Result<(Lab, IpAddr), Stop> {
    let lab = Lab::builder()
        .machine(LB01, "10.0.0.5/24", Some("fd00:10::5/64"))
        .machine("client", "10.0.0.9/24", Some("fd00:10::9/64"))
        .machine("inner", "10.9.0.9/24", Some("fd00:99::9/64"))
        .build()?;
    let (lb01, client, inner) = (lab.machine(LB01)?, lab.machine("client")?, lab.machine("inner")?);
    let (ends, network, back) = match flavour.is_ipv6() {
        true => {
            (["fd00:20::1/64", "fd00:20::9/64"], "-6 route add fd00:20::/64", "-6 route add fd00:10::/64")
        }
        false => (["10.2.0.1/24", "10.2.0.9/24"], "route add 10.2.0.0/24", "route add 10.0.0.0/24"),
    };
    lab.join("cable", [(lb01, ends[0].parse()?), (inner, ends[1].parse()?)])?;
    lb01.write("/proc/sys/net/ipv4/ip_forward", "1")?;
    lb01.write("/proc/sys/net/ipv6/conf/all/forwarding", "1")?;
    let gateway = |end: &str| end.split('/').next().map(str::to_owned).unwrap_or_default();
    ip_route(client, &format!("{network} via {}", flavour.service()))?;
    ip_route(inner, &format!("{back} via {}", gateway(ends[0])))?;
    Ok((lab, ip(&gateway(ends[1]))))
}

/// The address answers for itself alone: ARP or Neighbor Discovery, and what is forwarded; nothing that is sent to it.
fn who_accepts(kind: Kind, flavour: Flavour) -> Outcome {
    let (lab, behind) = router(flavour)?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let service = flavour.service();
    let node = Node::new(lb01, kind, closed(flavour).file())?;
    let mut running = node.start_active()?;
    lb01.wait_until_holds(service, true, SOON)?;
    let asking = Client::start(client, service)?;
    assert!(!answers_tcp(client, service)?, "closed");
    see::wait_for_neighbour(&lab, service, lb01.mac("eth0")?)?;
    let through = Client::start(client, behind)?;
    through.wait_for_answer(SOON)?;
    assert_eq!(asking.answers().all().len(), 0, "closed");
    if flavour.is_ipv6() {
        let scoped = machine_scoped(client, "fe80::3")?;
        assert!(!client.within(|| connects(scoped))?, "the link-local address is closed too");
    }
    // The own address of the machine is nobody's business.
    let own = if flavour.is_ipv6() { ip("fd00:10::5") } else { ip("10.0.0.5") };
    assert!(answers_tcp(client, own)?);
    node.write(flavour.instance(LB01).every("0.3").line("accept").file())?;
    match kind {
        Kind::Standfast => running.signal(Signal::HUP)?,
        // A reload of 2.2.7 leaves the address in its set.
        Kind::Keepalived => {
            running.stop()?;
            running = node.start_active()?;
        }
    }
    asking.wait_for_answer(SOON)?;
    assert!(answers_tcp(client, service)?, "open");
    running.stop()?;
    let left = nft(lb01, "list tables")?;
    assert_eq!(left, "");
    Ok(())
}

fn machine_scoped(client: &Machine, address: &str) -> Result<SocketAddr, Stop> {
    let IpAddr::V6(address) = ip(address) else { return Err(fail("not IPv6")) };
    Ok(std::net::SocketAddrV6::new(address, 9, 0, client.link_index("eth0")?).into())
}

fn connects(target: SocketAddr) -> bool {
    match TcpStream::connect_timeout(&target, Duration::from_millis(400)) {
        Ok(_) => true,
        Err(why) => why.kind() == ErrorKind::ConnectionRefused,
    }
}

/// RFC 3768 has no Accept_Mode: in strict mode, `accept` is of no use, and the owner needs none.
fn strict_version_2() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let service = Flavour::V2.service();
    let strict = |priority: u8| {
        let state = if priority == 255 { "MASTER" } else { "BACKUP" };
        Flavour::V2.instance(LB01).priority(priority).state(state).line("strict_mode").line("accept").file()
    };
    let node = Node::ours(lb01, strict(150))?;
    let running = node.start_active()?;
    lb01.wait_until_holds(service, true, SOON)?;
    assert!(!answers_tcp(client, service)?);
    node.write(strict(255))?;
    running.signal(Signal::HUP)?;
    let asking = Client::start(client, service)?;
    asking.wait_for_answer(SOON)?;
    running.stop()
}

fn flushed() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let node = Node::ours(lb01, closed(Flavour::V3).file())?;
    let running = node.start_active()?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    nft(lb01, "flush ruleset")?;
    running.wait_for_line("table inet standfast was changed or removed by nft (process ", SOON)?;
    assert!(nft(lb01, "list table inet standfast")?.contains("10.0.0.3"));
    assert!(!answers_tcp(client, ip("10.0.0.3"))?);
    running.signal(Signal::USR1)?;
    running.wait_for_line("keepalived.data", SOON)?;
    let data = lb01.read(node.dumps().join("keepalived.data"))?;
    assert!(data.contains("put back = 1"), "{data}");
    assert!(data.contains("Filter = table inet standfast") && data.contains("Status = in force"), "{data}");
    assert!(data.contains("Addresses that do not accept now = 1") && data.contains("Accept = disabled"));
    running.stop()?;
    assert_eq!(nft(lb01, "list tables")?, "");
    Ok(())
}

/// The first death is succeeded, the second one releases; killed altogether, the address stays, and so does its filter,
/// until the next start.
fn workers_die() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let conf = closed(Flavour::V3).every("1");
    let node = Node::ours(lb01, conf.file())?;
    let asking = Client::start(client, ip("10.0.0.3"))?;
    let running = node.start_active()?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let mark = running.lines().mark();
    running.signal_process(worker(&running)?, Signal::KILL)?;
    running.wait_for_line_from(mark, "where the worker before it left off", SOON)?;
    assert!(lb01.holds(ip("10.0.0.3"))? && nft(lb01, "list ruleset")?.contains("10.0.0.3"));
    let mark = running.lines().mark();
    running.signal_process(worker(&running)?, Signal::KILL)?;
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    running.freeze()?;
    running.kill_crash()?;
    assert!(lb01.holds(ip("10.0.0.3"))? && nft(lb01, "list ruleset")?.contains("10.0.0.3"));
    assert_eq!(asking.answers().all().len(), 0, "not once");
    let next = Node::ours(lb01, Flavour::V3.instance(LB01).every("0.3").file())?.start_active()?;
    asking.wait_for_answer(SOON)?;
    assert_eq!(nft(lb01, "list tables")?, "");
    next.stop()
}

/// As keepalived does, though that says so in other words: an address that serves nobody would be worse.
fn taken() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    nft(lb01, "add table inet mine")?;
    nft(lb01, "add chain inet mine own")?;
    let conf = format!("global_defs {{\n    nftables mine\n}}\n{}", closed(Flavour::V3));
    let running = Node::ours(lb01, conf)?.start_active()?;
    running.wait_for_line("table inet mine is there and not ours", SOON)?;
    let asking = Client::start(client, ip("10.0.0.3"))?;
    asking.wait_for_answer(SOON)?;
    assert!(nft(lb01, "list table inet mine")?.contains("chain own"));
    nft(lb01, "delete table inet mine")?;
    running.wait_for_line("table inet mine drops what hosts send to addresses", SOON)?;
    assert!(!answers_tcp(client, ip("10.0.0.3"))?);
    running.stop()
}

//! Small configurations, and adverts that they would believe.

use arbitrary::{Result, Unstructured};
use model::{
    Authentication, ChecksumForm, Command, File, Home, Host, Instance, Process, Rare, Script, Secret,
    SyncGroup, Tracked, TrackedInterface, Tracking, Transport, VirtualAddress, Weight,
};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use vrrp::{Peer, Settings};
use wire::checksum::Sum;
use wire::message::{Auth, Outgoing};
use wire::{Family, Interval, Priority, Version, Vrid};

/// The password of every configuration: nothing may show it.
pub(super) const SECRET: &str = "Pst!4711";
/// All addresses that anything is about.
pub(super) const ADDRESSES: [&str; 9] = [
    "10.0.0.3",
    "10.0.0.4",
    "10.0.0.7",
    "10.1.0.3",
    "2001:db8::3",
    "2001:db8::4",
    "10.0.0.5",
    "fe80::5",
    "127.0.0.1",
];

/// Up to three instances; what is inconsistent is for the caller to leave out.
pub(super) fn any(u: &mut Unstructured<'_>) -> Result<Host> {
    let mut host = Host { router_id: Some("lb01".into()), ..Host::default() };
    let count = u.int_in_range(0..=3)?;
    for n in 0..count {
        host.instances.push(instance(u, n)?);
    }
    host.startup_delay = Duration::from_secs(if u.ratio(1, 8)? { 3 } else { 0 });
    if u.ratio(1, 2)? {
        trackers(u, &mut host)?;
    }
    if count >= 2 && u.ratio(1, 3)? {
        let members = host.instances.iter().map(|instance| instance.name.clone()).collect();
        let (name, weights) = ("G".into(), u.arbitrary()?);
        let (tracking, notify) = (Tracking::default(), model::Notify::default());
        host.groups.push(SyncGroup {
            name,
            members,
            weights,
            track_interfaces: Vec::new(),
            tracking: tracking.into(),
            notify: notify.into(),
        });
    }
    Ok(host)
}

fn instance(u: &mut Unstructured<'_>, n: u8) -> Result<Instance> {
    let six = u.ratio(1, 3)?;
    let (family, own) = if six { (Family::V6, &ADDRESSES[4..6]) } else { (Family::V4, &ADDRESSES[..4]) };
    let version = if six || u.arbitrary()? { Version::V3 } else { Version::V2 };
    let mut addresses = Vec::new();
    for _ in 0..u.int_in_range(1..=2)? {
        addresses.push(virtual_address(u, u8::from(six), own)?);
    }
    let mut excluded = Vec::new();
    if u.ratio(1, 4)? {
        excluded.push(virtual_address(u, 2, &ADDRESSES[..6])?);
    }
    addresses.dedup_by_key(|placed| placed.address);
    let mut settings =
        Settings::new(version, family, Vrid::new(50 + n).unwrap_or(Vrid::new(1).expect("one")));
    settings.priority = Priority(*u.choose(&[100, 150, 1, 254, 255, 200])?);
    settings.interval = if version == Version::V3 && u.ratio(1, 3)? {
        Interval::from_centis(u.int_in_range(20..=300)?).unwrap_or(Interval::SECOND)
    } else {
        Interval::SECOND
    };
    settings.preempt = u.ratio(3, 4)?;
    settings.preempt_delay = Duration::from_secs(if settings.preempt && u.ratio(1, 4)? { 2 } else { 0 });
    settings.announce.refresh = Duration::from_secs(if u.ratio(1, 4)? { 1 } else { 0 });
    let source = u.ratio(1, 6)?.then(|| ip(if six { "fe80::5" } else { "10.0.0.5" }));
    let transport = if u.ratio(1, 4)? {
        let address = ip(if six { "fe80::6" } else { "10.0.0.6" });
        Transport::Unicast { source, peers: vec![Peer { address, min_ttl: None, max_ttl: None }], ttl: 255 }
    } else {
        Transport::Multicast { group: None, source }
    };
    let authentication = match (version, u.int_in_range(0..=2)?) {
        (Version::V2, 1) => Authentication::Password(Secret::cut(SECRET.as_bytes())),
        (Version::V2, 2) => Authentication::Header(Secret::cut(SECRET.as_bytes())),
        _ => Authentication::None,
    };
    let mut track_interfaces = Vec::new();
    if u.ratio(1, 4)? {
        let (weight, reverse) = (*u.choose(&[0, 20, -60])?, u.arbitrary()?);
        track_interfaces.push(TrackedInterface { interface: "eth1".into(), weight, reverse });
    }
    let mut instance = Instance {
        name: format!("VI_{n}").into(),
        home: (*u.choose(&["eth0", "eth0", "eth1"])?).into(),
        settings,
        wants_active: u.arbitrary()?,
        transport,
        authentication,
        checksum: ChecksumForm::default(),
        addresses,
        excluded: excluded.into(),
        track_interfaces: track_interfaces.into(),
        tracking: model::Rare::default(),
        ignore_own_link: u.ratio(1, 8)?,
        track_source: u.ratio(1, 8)?,
        notify: model::Rare::default(),
        strict: u.ratio(1, 8)?,
        accept: n != 1,
        gaps: Rare::default(),
        skip_check_known_leader: u.arbitrary()?,
        check_unicast_source: u.arbitrary()?,
    };
    unsettle(&mut instance, n);
    Ok(instance)
}

/// Takes the interface from one that can do without, unless its priority is odd. Draws nothing, so that what is in the
/// corpus stays what it is.
fn unsettle(instance: &mut Instance, n: u8) {
    let can = matches!(instance.transport, Transport::Unicast { source: Some(IpAddr::V4(_)), .. });
    let may = instance.settings.priority.0.is_multiple_of(2);
    if let (true, true, Home::Interface(name)) = (can, may, instance.home.clone()) {
        for address in instance.addresses.iter_mut().chain(&mut *instance.excluded) {
            address.options.device.get_or_insert_with(|| name.clone());
        }
        instance.home = Home::Routed { vrf: (n == 1).then(|| "lan0".into()) };
    }
}

fn virtual_address(u: &mut Unstructured<'_>, kind: u8, of: &[&str]) -> Result<VirtualAddress> {
    let mut address = VirtualAddress::host(ip(u.choose(of)?));
    if u.ratio(1, 4)? {
        address.prefix = if address.address.is_ipv4() { 24 } else { 64 };
    }
    if u.ratio(1, 4)? {
        address.options.device = Some("eth1".into());
    }
    address.options.no_track = kind == 2 && u.arbitrary()?;
    Ok(address)
}

/// A script, a process and a file, tracked by each instance with a weight or without.
fn trackers(u: &mut Unstructured<'_>, host: &mut Host) -> Result<()> {
    let weight = Weight { value: *u.choose(&[0, -30, 20])?, reverse: u.arbitrary()? };
    host.scripts.push(Script {
        name: "a".into(),
        command: Command::Run { path: "/bin/true".into(), arguments: Vec::new() },
        account: None,
        interval: Duration::from_millis(u.int_in_range(100..=3_000)?),
        timeout: u.ratio(1, 2)?.then_some(Duration::from_millis(500)),
        rise: u.int_in_range(1..=3)?,
        fall: u.int_in_range(1..=3)?,
        weight,
        starts_failed: u.arbitrary()?,
    });
    host.processes.push(Process {
        name: "b".into(),
        path: "/usr/sbin/nginx".into(),
        parameters: Vec::new(),
        parameter_match: model::ParameterMatch::default(),
        full_command: false,
        weight,
        fewest: 1,
        most: u.ratio(1, 3)?.then_some(4),
        end_delay: Duration::from_millis(u.int_in_range(0..=1_500)?),
        begin_delay: Duration::ZERO,
    });
    host.files.push(File { name: "c".into(), path: "/run/c".into(), weight, initial: None });
    for instance in &mut host.instances {
        let tracked = |name: &str| vec![Tracked { name: name.into(), weight }];
        let (scripts, processes) = (tracked("a"), tracked("b"));
        instance.tracking = Tracking { scripts, processes, files: tracked("c"), bfd: Vec::new() }.into();
    }
    Ok(())
}

/// What another router may say.
pub(super) fn advert(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let version = if u.arbitrary()? { Version::V3 } else { Version::V2 };
    let auth = match version {
        Version::V2 if u.arbitrary()? => {
            let mut password = [0; 8];
            password.copy_from_slice(SECRET.as_bytes());
            Auth::Pass(password)
        }
        Version::V2 | Version::V3 => Auth::None,
    };
    let vrid = Vrid::new(50 + u.int_in_range(0..=3)?).unwrap_or(Vrid::new(1).expect("one"));
    let priority = Priority(*u.choose(&[0, 1, 100, 150, 200, 254, 255])?);
    let addresses = [ip(u.choose(&ADDRESSES[..4])?)];
    let advert =
        Outgoing { version, vrid, priority, interval: Interval::SECOND, addresses: &addresses, auth };
    let source = Ipv4Addr::new(10, 0, 0, u.int_in_range(4..=7)?);
    let destination = if u.ratio(1, 4)? { Ipv4Addr::new(10, 0, 0, 5) } else { wire::GROUP_V4 };
    let sum = if version == Version::V3 {
        Sum::PseudoHeader { source: source.into(), destination: destination.into() }
    } else {
        Sum::Message
    };
    let mut message = Vec::new();
    advert.emit(sum, &mut message).expect("it can be said");
    let (protocol, ttl, traffic_class, identification) = (wire::PROTOCOL_VRRP, 255, 0xc0, 0);
    let header = wire::ipv4::Header { source, destination, protocol, ttl, traffic_class, identification };
    Ok([&header.to_bytes(message.len())[..], &message].concat())
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is drawn, from a few thousand strings of bytes.
    #[test]
    fn unicast_from_a_source_is_drawn_with_an_interface_and_without() {
        let (mut state, mut homes) = (7u64, [0; 3]);
        for _ in 0..4_000 {
            let bytes = core::array::from_fn::<u8, 256, _>(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                u8::try_from(state >> 56).unwrap_or(0)
            });
            let host = any(&mut Unstructured::new(&bytes)).expect("enough bytes");
            for instance in host.instances {
                let v4 = matches!(instance.transport, Transport::Unicast { source: Some(IpAddr::V4(_)), .. });
                homes[match instance.home {
                    Home::Interface(_) => 0,
                    Home::Routed { vrf: None } => 1,
                    Home::Routed { vrf: Some(_) } => 2,
                }] += usize::from(v4);
            }
        }
        assert!(homes.iter().all(|count| *count > 10), "{homes:?}");
    }
}

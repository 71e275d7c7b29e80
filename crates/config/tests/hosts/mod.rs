//! Hosts and texts out of thin air.

use model::{
    AnnounceSettings, Authentication, ChecksumForm, Host, Instance, Peer, Secret, Settings, TrackedInterface,
    Transport, VirtualAddress,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use wire::{Family, Interval, Priority, Version, Vrid};

/// Any host that the language can say.
pub(crate) fn host() -> impl Strategy<Value = Host> {
    let global = (option::of(word()), group_v4(), group_v6(), startup_delay());
    (global, vec(instance(), 0..4), gaps()).prop_map(
        |((router_id, group_v4, group_v6, startup_delay), list, gaps)| {
            let mut names = BTreeSet::new();
            let mut identities = BTreeSet::new();
            let mut instances: Vec<Instance> = list;
            instances.retain(|i| names.insert(i.name.clone()) && identities.insert(i.identity()));
            // The pauses belong to the interface, or to the whole host.
            for instance in &mut instances {
                let (arp, na) = gaps.get(&*instance.interface).copied().unwrap_or_default();
                (instance.arp_gap, instance.na_gap) = (arp, na);
            }
            Host { router_id, group_v4, group_v6, startup_delay, instances, ..Host::default() }
        },
    )
}

const INTERFACES: [&str; 5] = ["eth0", "bond0.100", "include", "@x", "a#b\\c"];

fn interface() -> impl Strategy<Value = Arc<str>> {
    proptest::sample::select(&INTERFACES[..]).prop_map(Arc::from)
}

fn gaps() -> impl Strategy<Value = BTreeMap<&'static str, (Duration, Duration)>> {
    let gap = || prop_oneof![Just(Duration::ZERO), (1..=4_294_967_295_u64).prop_map(Duration::from_micros)];
    let same = (gap(), gap()).prop_map(|gaps| INTERFACES.iter().map(|name| (*name, gaps)).collect());
    let own =
        vec((gap(), gap()), INTERFACES.len()).prop_map(|list| INTERFACES.into_iter().zip(list).collect());
    prop_oneof![same, own]
}

/// A word that can be written: no double quote, and nothing that a definition would replace. The quotes that it
/// needs must not be taken for escaped.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[A-Za-z0-9_.-]{1,12}",
        1 => "[ -!#-z|~äöü]{0,12}".prop_filter("hidden quote", |text| !text.ends_with('\\')),
        1 => Just(String::from("${HOME} $HOME")),
    ]
}

fn group_v4() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        Just(wire::GROUP_V4),
        (224..=239_u8, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| Ipv4Addr::new(a, b, c, d))
    ]
}

fn group_v6() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![Just(wire::GROUP_V6), any::<u16>().prop_map(|n| Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, n))]
}

fn startup_delay() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(Duration::ZERO), (1_000..=4_294_967_295_u64).prop_map(Duration::from_micros)]
}

fn of_family(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::V4 => any::<[u8; 4]>().prop_map(IpAddr::from).boxed(),
        Family::V6 => any::<[u8; 16]>().prop_map(IpAddr::from).boxed(),
    }
}

fn any_family() -> impl Strategy<Value = Family> {
    prop_oneof![2 => Just(Family::V4), 1 => Just(Family::V6)]
}

fn address(family: Family, own: Arc<str>) -> BoxedStrategy<VirtualAddress> {
    let most = if family == Family::V4 { 32 } else { 128_u8 };
    let place =
        (of_family(family), 0..=most, option::of(interface()), option::weighted(0.2, of_family(family)));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let options =
        (any::<u8>(), option::of(label()), option::of(any::<u32>()), option::of(option::of(any::<u32>())));
    (place, flags, options)
        .prop_map(move |((address, prefix, device, peer), flags, (scope, label, broadcast, lifetime))| {
            let mut all = VirtualAddress::host(address);
            all.prefix = prefix;
            all.device = device.filter(|device| *device != own);
            all.peer = peer;
            (all.no_track, all.detect_duplicates, all.home, all.no_prefix_route) = flags;
            all.preferred_lifetime = lifetime.map(|some| some.unwrap_or(u32::MAX));
            if family == Family::V4 {
                all.scope = scope;
                all.label = label;
                all.broadcast = broadcast.map(Ipv4Addr::from).filter(|_| peer.is_none());
            }
            all
        })
        .boxed()
}

fn label() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9:]{1,15}", "[ -!#-Z]{1,15}"]
}

fn announce() -> impl Strategy<Value = AnnounceSettings> {
    let seconds = |most: u64| (0..=most).prop_map(Duration::from_secs);
    let usual = Just(AnnounceSettings::default());
    let own = (1..=9_u32, seconds(4294), seconds(u64::from(u32::MAX)), 1..=u32::MAX, 0..=9_u32, seconds(9));
    prop_oneof![
        usual,
        own.prop_map(
            |(repeat, delay, refresh, refresh_repeat, lower_priority_repeat, lower_priority_delay)| {
                AnnounceSettings {
                    repeat,
                    delay,
                    refresh,
                    refresh_repeat,
                    lower_priority_repeat,
                    lower_priority_delay,
                }
            }
        )
    ]
}

fn settings(family: Family) -> impl Strategy<Value = Settings> {
    let version = if family == Family::V6 { Just(true).boxed() } else { any::<bool>().boxed() };
    let times = (1..=4095_u16, 1..=255_u8, prop_oneof![Just(0), 1..=1_000_000_000_u64], 1..=100_u8);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (version, 1..=255_u8, 1..=255_u8, times, flags, announce()).prop_map(
        move |(third, vrid, priority, (centis, seconds, delay, down_adverts), flags, announce)| {
            let version = if third { Version::V3 } else { Version::V2 };
            let (preempt, owner_ignores, lower, higher) = flags;
            let interval = if third { Interval::from_centis(centis) } else { Interval::from_secs(seconds) };
            let priority = Priority(priority);
            let preempt = preempt || priority.is_owner();
            Settings {
                priority,
                interval: interval.unwrap(),
                preempt,
                preempt_delay: if preempt { Duration::from_micros(delay) } else { Duration::ZERO },
                down_adverts,
                owner_ignores_adverts: owner_ignores && priority.is_owner(),
                lower_priority_no_advert: lower,
                higher_priority_send_advert: higher,
                announce,
                ..Settings::new(version, family, Vrid::new(vrid).unwrap())
            }
        },
    )
}

fn transport(family: Family) -> impl Strategy<Value = Transport> {
    let group = match family {
        Family::V4 => group_v4().prop_map(IpAddr::V4).boxed(),
        Family::V6 => group_v6().prop_map(IpAddr::V6).boxed(),
    };
    let multicast = (option::of(group), option::of(of_family(family)))
        .prop_map(|(group, source)| Transport::Multicast { group, source });
    let peer = (of_family(family), option::of(any::<u8>()), option::of(any::<u8>()));
    let peer = peer.prop_map(|(address, min_ttl, max_ttl)| Peer { address, min_ttl, max_ttl });
    let unicast =
        (option::of(of_family(family)), vec(peer, 1..4), any::<u8>()).prop_map(|(source, mut peers, ttl)| {
            let mut seen = BTreeSet::new();
            peers.retain(|peer| seen.insert(peer.address));
            Transport::Unicast { source, peers, ttl }
        });
    prop_oneof![multicast, unicast]
}

fn authentication(version: Version) -> BoxedStrategy<Authentication> {
    if version == Version::V3 {
        return Just(Authentication::None).boxed();
    }
    let secret = || "[ -!#-\\[\\]-~]{0,8}".prop_map(|text| Secret::cut(text.as_bytes()));
    prop_oneof![
        Just(Authentication::None),
        secret().prop_map(Authentication::Password),
        secret().prop_map(Authentication::Header),
    ]
    .boxed()
}

fn instance() -> impl Strategy<Value = Instance> {
    (any_family(), interface()).prop_flat_map(|(family, interface)| {
        (settings(family), Just(interface)).prop_flat_map(move |(settings, interface)| {
            let lists = (
                vec(address(family, interface.clone()), 0..4),
                vec(any_family(), 0..3).prop_flat_map({
                    let interface = interface.clone();
                    move |families| {
                        families.into_iter().map(|f| address(f, interface.clone())).collect::<Vec<_>>()
                    }
                }),
                vec((interface_to_track(), -253..=253_i16, any::<bool>()), 0..3),
            );
            let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
            let how = (transport(family), authentication(settings.version));
            (word(), how, lists, flags, Just((settings, interface))).prop_map(built)
        })
    })
}

fn interface_to_track() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![interface(), Just(Arc::from("weight"))]
}

type Lists = (Vec<VirtualAddress>, Vec<VirtualAddress>, Vec<(Arc<str>, i16, bool)>);
type Parts =
    (String, (Transport, Authentication), Lists, (bool, bool, bool, bool, bool), (Settings, Arc<str>));

fn built((name, (transport, authentication), lists, flags, (mut settings, interface)): Parts) -> Instance {
    let (mut addresses, mut excluded, trackers) = lists;
    let (wants_active, ignore_own_link, message, skip_check, check_source) = flags;
    let mut seen = BTreeSet::new();
    addresses.retain(|a| seen.insert(a.address));
    let mut seen: BTreeSet<_> = addresses.iter().map(|a| (a.address, a.device.clone())).collect();
    excluded.retain(|a| seen.insert((a.address, a.device.clone())));
    let mut tracked: Vec<TrackedInterface> = Vec::new();
    for (name, weight, reverse) in trackers {
        if name != interface && tracked.iter().all(|t| t.interface != name) {
            // Nothing changes the priority of the owner.
            let weight = if settings.priority.is_owner() { 0 } else { weight };
            tracked.push(TrackedInterface { interface: name, weight, reverse });
        }
    }
    let limited = match &transport {
        Transport::Multicast { .. } => false,
        Transport::Unicast { peers, .. } => peers.iter().any(|p| p.min_ttl.or(p.max_ttl).is_some()),
    };
    // `state MASTER` neither waits to preempt nor refuses to.
    if wants_active {
        (settings.preempt, settings.preempt_delay) = (true, Duration::ZERO);
    }
    Instance {
        name: name.into(),
        interface,
        settings,
        wants_active,
        transport,
        authentication,
        checksum: if message { ChecksumForm::Message } else { ChecksumForm::PseudoHeader },
        addresses,
        excluded,
        track_interfaces: tracked,
        tracking: model::Tracking::default(),
        ignore_own_link,
        track_source: false,
        notify: model::Notify::default(),
        strict: false,
        arp_gap: Duration::ZERO,
        na_gap: Duration::ZERO,
        skip_check_known_leader: skip_check,
        check_unicast_source: check_source || limited,
    }
}

/// Text with a whole instance in it, and lines that may alter anything about it.
#[allow(dead_code, reason = "not every test uses it")]
pub(crate) fn text() -> impl Strategy<Value = String> {
    let names = |block: config::table::Block| block.keywords().map(|k| k.name).collect::<Vec<_>>();
    let value = || {
        proptest::sample::select(vec![
            "",
            "1",
            "0",
            "3",
            "100",
            "255",
            "0.5",
            "7.25",
            "on",
            "off",
            "MASTER",
            "BACKUP",
            "eth0",
            "eth1",
            "10.0.0.3",
            "10.0.0.4/24",
            "10.1.0.9 peer 10.1.0.8/30",
            "2001:db8::1/64",
            "224.0.0.99",
            "ff02::99",
            "PASS",
            "AH",
            "\"a b\"",
            "a\\#b",
            "$x",
            "x{",
            "10.0.0.9 brd + dev eth1",
            "eth1 weight -20 reverse",
            "${_HASH}",
            "\"${A}\"",
            "10.0.0.7 max_ttl 9",
            "12345678901",
            "a\"b",
            "\\",
            "\"x\\\"",
            "ä",
            "\u{a0}",
        ])
    };
    let line = |names: Vec<&'static str>| {
        (proptest::sample::select(names), value(), value()).prop_map(|(a, b, c)| format!("{a} {b} {c}\n"))
    };
    let inner = names(config::table::Block::VrrpInstance);
    let lists = vec![
        "virtual_ipaddress",
        "virtual_ipaddress_excluded",
        "unicast_peer",
        "track_interface",
        "authentication",
        "track_script",
    ];
    let list = (proptest::sample::select(lists), vec((value(), value()), 0..4)).prop_map(|(name, lines)| {
        lines.iter().fold(format!("{name} {{\n"), |text, (a, b)| text + a + " " + b + "\n") + "}\n"
    });
    let auth = value().prop_map(|pass| format!("authentication {{\nauth_type PASS\nauth_pass {pass}\n}}\n"));
    let global = vec(line(names(config::table::Block::GlobalDefs)), 0..5);
    let body = vec(prop_oneof![5 => line(inner), 3 => list, 1 => auth], 0..12);
    let instance = (value(), body).prop_map(|(name, body)| {
        format!("vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id 7\n{}\nvirtual_ipaddress {{\n10.0.0.33\n}}\n}}\n", body.concat())
    });
    let group = (value(), value()).prop_map(|(a, b)| {
        format!("garp_group {{\ninterface eth0\ngarp_interval {a}\ngna_interval {b}\n}}\n")
    });
    (global, option::of(group), vec(instance, 1..3)).prop_map(|(global, group, instances)| {
        format!("global_defs {{\n{}}}\n{}{}", global.concat(), group.unwrap_or_default(), instances.concat())
    })
}

//! Hosts and texts out of thin air.

use model::{
    Account, AnnounceSettings, Authentication, Bfd, BfdSettings, ChecksumForm, Command, Daemon, Deleted,
    Dumps, Fifo, File, Filter, Home, Hook, Host, HostNotify, InitialNumber, Instance, Key, KeyMode, Keyring,
    LinkDelay, Mail, MailServer, Notify, ParameterMatch, Peer, Process, Rare, ReloadFile, Replay, Scheduling,
    Script, Scripts, Secret, Settings, StaticAddress, SyncGroup, TimedHook, TrackGroup, Tracked,
    TrackedInterface, Tracking, Transport, VirtualAddress, Weight,
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
pub(crate) fn host() -> BoxedStrategy<Host> {
    let global = (option::of(word()), group_v4(), group_v6(), startup_delay(), startup_delay(), daemon());
    let told = (programs(), host_notify(), mail(), link_delays(), filter());
    (global, told, vec(instance(), 0..4), gaps(), (definitions(), fixed()))
        .prop_map(|(global, told, list, gaps, (definitions, fixed))| {
            let (router_id, group_v4, group_v6, startup_delay, boot_delay, daemon) = global;
            let (script_settings, notify, mail, link_delays, filter) = told;
            let mut names = BTreeSet::new();
            let mut identities = BTreeSet::new();
            let mut instances: Vec<Instance> = list;
            instances.retain(|i| names.insert(i.name.clone()) && identities.insert(i.identity()));
            // The pauses belong to the interface, or to the whole host.
            for instance in &mut instances {
                let name = instance.home.interface().map_or("", |name| name);
                let (arp, na) = gaps.get(name).copied().unwrap_or_default();
                (instance.gaps.arp, instance.gaps.na) = (arp, na);
            }
            // Longer than partners wait is cut.
            let mut link_delays = link_delays;
            for delay in link_delays.iter_mut() {
                if instances.iter().any(|i| i.home.device() == Some(&delay.interface)) {
                    delay.down = Duration::ZERO;
                }
            }
            let host = Host {
                router_id,
                group_v4,
                group_v6,
                startup_delay,
                boot_delay,
                daemon,
                instances,
                script_settings,
                notify,
                mail,
                link_delays,
                filter,
                ..Host::default()
            };
            with_fixed(with_trackers(host, definitions), fixed)
        })
        .boxed()
}

/// What can be tracked, what each instance and group shall track of it, and the groups.
type Definitions =
    (Vec<Script>, Vec<Process>, Vec<File>, Vec<Bfd>, Vec<SyncGroup>, Vec<[Vec<(usize, Weight)>; 4]>);

fn definitions() -> BoxedStrategy<Definitions> {
    let picks = || vec((0..3_usize, weight(253)), 0..3);
    let group = (word(), any::<bool>(), vec((interface(), -253..=253_i16), 0..2), notify(false)).prop_map(
        |(name, weights, interfaces, notify)| SyncGroup {
            name: name.into(),
            members: Vec::new(),
            weights,
            track_interfaces: interfaces
                .into_iter()
                .map(|(interface, weight)| TrackedInterface { interface, weight, reverse: false })
                .collect(),
            tracking: Tracking::default().into(),
            notify: notify.into(),
        },
    );
    let kinds = (vec(script(), 0..3), vec(process(), 0..3), vec(file(), 0..3), vec(bfd(), 0..3));
    (kinds, vec(group, 0..3), vec([picks(), picks(), picks(), picks()], 6))
        .prop_map(|((scripts, processes, files, bfd), groups, picks)| {
            (scripts, processes, files, bfd, groups, picks)
        })
        .boxed()
}

fn with_trackers(mut host: Host, (scripts, processes, files, bfd, groups, picks): Definitions) -> Host {
    host.scripts = once(scripts, |s| s.name.clone());
    host.processes = once(processes, |p| p.name.clone());
    host.files = once(files, |f| f.name.clone());
    host.bfd = once(once(bfd, |b| b.name.clone()), |b| b.neighbor);
    let names: [Vec<Arc<str>>; 4] = [
        host.scripts.iter().map(|s| s.name.clone()).collect(),
        host.processes.iter().map(|p| p.name.clone()).collect(),
        host.files.iter().map(|f| f.name.clone()).collect(),
        host.bfd.iter().map(|b| b.name.clone()).collect(),
    ];
    let tracking = |picks: &[Vec<(usize, Weight)>; 4], plain: bool| -> model::Rare<Tracking> {
        let list = |n: usize| {
            let found = picks[n].iter().filter_map(|(at, weight)| {
                let weight = if plain { Weight { value: 0, ..*weight } } else { *weight };
                Some(Tracked { name: names[n].get(*at)?.clone(), weight })
            });
            once(found.collect(), |t| t.name.clone())
        };
        Tracking { scripts: list(0), processes: list(1), files: list(2), bfd: list(3) }.into()
    };
    let mut free: Vec<Arc<str>> = host.instances.iter().map(|i| i.name.clone()).collect();
    host.groups = once(groups, |g| g.name.clone());
    for (n, group) in host.groups.iter_mut().enumerate() {
        group.members = free.split_off(free.len().saturating_sub(1 + n));
        group.tracking = tracking(&picks[n], !group.weights);
        for tracked in group.track_interfaces.iter_mut().filter(|_| !group.weights) {
            tracked.weight = 0;
        }
    }
    host.groups.retain(|group| !group.members.is_empty());
    for (instance, picks) in host.instances.iter_mut().zip(picks.iter().rev()) {
        let grouped = host.groups.iter().any(|g| !g.weights && g.members.contains(&instance.name));
        let plain = grouped || instance.settings.priority.is_owner();
        instance.tracking = tracking(picks, plain);
        for tracked in instance.track_interfaces.iter_mut().filter(|_| plain) {
            tracked.weight = 0;
        }
    }
    let used: BTreeSet<Arc<str>> = {
        let own = host.instances.iter().map(|i| &i.tracking).chain(host.groups.iter().map(|g| &g.tracking));
        own.flat_map(|t| t.all()).map(|t| t.name.clone()).collect()
    };
    let tracked = |list: fn(&Tracking) -> &Vec<Tracked>, name: &Arc<str>| {
        let own = host.instances.iter().map(|i| &i.tracking).chain(host.groups.iter().map(|g| &g.tracking));
        used.contains(name) && own.flat_map(|tracking| list(tracking)).any(|t| t.name == *name)
    };
    let scripts = host.scripts.iter().filter(|s| tracked(|t| &t.scripts, &s.name)).cloned().collect();
    let processes = host.processes.iter().filter(|p| tracked(|t| &t.processes, &p.name)).cloned().collect();
    let files = host.files.iter().filter(|f| tracked(|t| &t.files, &f.name)).cloned().collect();
    (host.scripts, host.processes, host.files) = (scripts, processes, files);
    host
}

/// Static addresses, each with the number of its group; groups, each with the numbers of its members.
type Fixed = (Vec<(VirtualAddress, Option<usize>)>, Vec<(String, BTreeSet<usize>)>);

fn fixed() -> impl Strategy<Value = Fixed> {
    let address = any_family().prop_flat_map(|family| address(family, Arc::from("")));
    let one = (address, interface(), option::of(0..3_usize)).prop_map(|(mut address, device, group)| {
        address.options.device.get_or_insert(device);
        (address, group)
    });
    let members = proptest::collection::btree_set(0..4_usize, 0..4);
    (vec(one, 0..4), vec((word(), members), 0..3))
}

fn with_fixed(mut host: Host, (addresses, groups): Fixed) -> Host {
    let groups = groups.into_iter().map(|(name, members)| {
        let members = members.iter().filter_map(|at| Some(host.instances.get(*at)?.name.clone())).collect();
        TrackGroup { name: name.into(), members }
    });
    let groups: Vec<TrackGroup> = groups.filter(|group| !group.members.is_empty()).collect();
    host.track_groups = once(groups, |group| group.name.clone());
    let held = host
        .instances
        .iter()
        .flat_map(|i| i.held_addresses().filter_map(|a| Some((i.device_of(a)?, a.address))));
    let mut seen: BTreeSet<(Arc<str>, IpAddr)> =
        held.map(|(device, address)| (device.clone(), address)).collect();
    for (address, group) in addresses {
        let device = address.options.device.clone().unwrap_or_default();
        if seen.insert((device, address.address)) {
            let group = group.filter(|_| !address.options.no_track).and_then(|at| host.track_groups.get(at));
            let track_group = group.map(|group| group.name.clone());
            host.static_addresses.push(StaticAddress { address, track_group });
        }
    }
    host
}

fn once<T, K: Ord>(mut list: Vec<T>, name: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = BTreeSet::new();
    list.retain(|one| seen.insert(name(one)));
    list
}

fn weight(most: i16) -> impl Strategy<Value = Weight> {
    (-most..=most, any::<bool>()).prop_map(|(value, reverse)| Weight { value, reverse })
}

fn command() -> BoxedStrategy<Command> {
    let argument =
        prop_oneof!["[a-z0-9/._-]{1,8}", "[ -~ä]{0,8}"].prop_filter("the name of a secret", |text| {
            let text = text.to_ascii_lowercase();
            !["pass", "pw", "key", "auth_", "secret"].iter().any(|sign| text.contains(sign))
        });
    let run = ("/[a-z0-9/._-]{1,8}", vec(argument, 0..4))
        .prop_map(|(path, arguments)| Command::Run { path, arguments });
    let readable = "/[a-z0-9._-]{1,8}".prop_map(|path| Command::Readable { path });
    prop_oneof![4 => run, 1 => readable].boxed()
}

fn account() -> impl Strategy<Value = Account> {
    let name = || "[a-z_][a-z0-9_.-]{1,8}".prop_map(|name| Arc::from(format!("{name}0")));
    (name(), option::of(name())).prop_map(|(user, group)| Account { user, group })
}

fn hook() -> BoxedStrategy<Hook> {
    (command(), option::of(account())).prop_map(|(command, account)| Hook { command, account }).boxed()
}

fn seconds(most: u64) -> impl Strategy<Value = Duration> {
    (1..=most).prop_map(Duration::from_secs)
}

fn notify(of_instance: bool) -> BoxedStrategy<Notify> {
    let deleted = prop_oneof![
        Just(Deleted::AsFault),
        Just(Deleted::Told(None)),
        hook().prop_map(|hook| Deleted::Told(Some(hook.into()))),
    ];
    let hooks = [(); 6].map(|()| option::of(hook().prop_map(Arc::new)));
    (hooks, deleted, option::of(any::<bool>()), option::of(any::<bool>()))
        .prop_map(
            move |([active, backup, fault, stop, any, lower_advert], deleted, mail, priority_changes)| {
                Notify {
                    active,
                    backup,
                    fault,
                    stop,
                    any,
                    lower_advert: lower_advert.filter(|_| of_instance),
                    deleted: if of_instance { deleted } else { Deleted::AsFault },
                    mail,
                    priority_changes,
                }
            },
        )
        .boxed()
}

fn daemon() -> BoxedStrategy<Daemon> {
    let part = || option::of("[a-zA-Z0-9._-]{1,8}0");
    let names = (part(), part(), any::<bool>(), part(), part());
    let reload_file = prop_oneof![
        Just(None),
        Just(Some(ReloadFile::Usual)),
        word().prop_map(|path| Some(ReloadFile::At(path))),
    ];
    let rest =
        (option::of(0..=0o777_u16), (0..=u32::MAX).prop_map(|s| Duration::from_secs(s.into())), reload_file);
    (names, rest, scheduling(), dumps(), any::<bool>())
        .prop_map(|(names, rest, scheduling, dumps, logs_unknown)| {
            let (namespace, name, own_pid_directory, supervisor_process, worker_process) = names;
            let (umask, stop_limit, reload_file) = rest;
            Daemon {
                namespace,
                name,
                own_pid_directory,
                stop_limit,
                supervisor_process,
                worker_process,
                umask,
                scheduling,
                dumps,
                reload_file,
                logs_unknown,
            }
        })
        .boxed()
}

fn scheduling() -> impl Strategy<Value = Scheduling> {
    let burst = (2..=u32::MAX).prop_map(|micros| Duration::from_micros(micros.into()));
    let processors = proptest::collection::btree_set(0..8192_u16, 0..4).prop_map(Vec::from_iter);
    (option::of(-20..=19_i8), option::of(1..=99_u8), processors, option::of(burst), any::<bool>()).prop_map(
        |(nice, real_time, processors, longest_burst, no_swap)| Scheduling {
            nice,
            real_time,
            processors,
            longest_burst,
            no_swap,
        },
    )
}

fn dumps() -> impl Strategy<Value = Dumps> {
    (any::<bool>(), option::of(word()), 1..=2_u8).prop_map(|(named, state, json_version)| Dumps {
        named,
        state,
        json_version,
    })
}

fn programs() -> BoxedStrategy<Scripts> {
    let timed =
        || option::of((hook(), seconds(1000)).prop_map(|(hook, timeout)| TimedHook { hook, timeout }));
    (option::of(account()), any::<bool>(), timed(), timed())
        .prop_map(|(account, security, startup, shutdown)| Scripts { account, security, startup, shutdown })
        .boxed()
}

fn host_notify() -> BoxedStrategy<HostNotify> {
    let fifo = || {
        let fifo = (word(), option::of(account()), option::of(hook()));
        option::of(fifo.prop_map(|(path, account, script)| Fifo { path, account, script }))
    };
    (fifo(), fifo(), any::<bool>(), any::<bool>())
        .prop_map(|(fifo, vrrp_fifo, priority_changes, states_on_reload)| HostNotify {
            fifo,
            vrrp_fifo,
            priority_changes,
            states_on_reload,
        })
        .boxed()
}

fn mail() -> BoxedStrategy<Mail> {
    let server = ("[a-z][a-z0-9.-]{0,8}", 1..=u16::MAX).prop_map(|(host, port)| MailServer { host, port });
    let address = || "[a-z+#!;-]{1,8}(@[a-z.]{1,8})?".prop_map(String::from);
    let named = || {
        (word().prop_filter("one line", |name| !name.contains(char::is_control)), address())
            .prop_map(|(name, address)| format!("{name} <{address}>"))
    };
    let person = || prop_oneof![address(), named()];
    let words = (
        vec(person().prop_map(Arc::from), 0..3),
        option::of(person()),
        option::of(server),
        option::of(word()),
    );
    (words, seconds(4294), any::<bool>(), any::<bool>())
        .prop_map(|((to, from, server, helo), connect_timeout, default, no_faults)| Mail {
            to,
            from,
            server,
            helo,
            connect_timeout,
            default,
            no_faults,
        })
        .boxed()
}

fn link_delays() -> impl Strategy<Value = Vec<LinkDelay>> {
    let time = || (0..=255_000_000_u64).prop_map(Duration::from_micros);
    let delay =
        (interface(), time(), time()).prop_map(|(interface, down, up)| LinkDelay { interface, down, up });
    vec(delay, 0..3).prop_map(|list| once(list, |delay| delay.interface.clone()))
}

fn script() -> BoxedStrategy<Script> {
    let time = || (1..=4_294_000_u64).prop_map(Duration::from_millis);
    let times = (time(), option::of(time()), 1..=0x7fff_ffff_u32, 1..=9_u32);
    (word(), command(), option::of(account()), times, weight(253), any::<bool>())
        .prop_map(|(name, command, account, (interval, timeout, rise, fall), weight, starts_failed)| Script {
            name: name.into(),
            command,
            account,
            interval,
            timeout,
            rise,
            fall,
            weight,
            starts_failed,
        })
        .boxed()
}

fn process() -> BoxedStrategy<Process> {
    let delay = || prop_oneof![Just(0), 1..=3_600_000_000_u64].prop_map(Duration::from_micros);
    let matching = proptest::sample::select(vec![
        ParameterMatch::Exact,
        ParameterMatch::Initial,
        ParameterMatch::Partial,
    ]);
    let what = (word(), word(), vec(word(), 0..3), matching, any::<bool>());
    let many = prop_oneof![
        Just((0, Some(0))),
        (1..=9_u32).prop_map(|n| (n, None)),
        (1..=9_u32, 0..9_u32).prop_map(|(n, more)| (n, Some(n + more))),
    ];
    (what, weight(254), many, delay(), delay())
        .prop_map(|(what, weight, (fewest, most), end_delay, begin_delay)| {
            let (name, path, parameters, parameter_match, full_command) = what;
            Process {
                name: name.into(),
                path,
                parameters,
                parameter_match,
                full_command,
                weight,
                fewest,
                most,
                end_delay,
                begin_delay,
            }
        })
        .boxed()
}

fn file() -> impl Strategy<Value = File> {
    let initial =
        (any::<i32>(), any::<bool>()).prop_map(|(value, overwrite)| InitialNumber { value, overwrite });
    (word(), word(), weight(254), option::of(initial)).prop_map(|(name, path, weight, initial)| File {
        name: name.into(),
        path,
        weight,
        initial,
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let table = prop_oneof![Just(String::from(Filter::USUAL)), "[A-Za-z][A-Za-z0-9_./-]{0,9}"];
    (table, prop_oneof![Just(-1), any::<i32>()], any::<bool>())
        .prop_map(|(table, priority, counters)| Filter { table, priority, counters })
}

fn bfd() -> impl Strategy<Value = Bfd> {
    let address = |v6: bool, n: u8| match v6 {
        true => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, n.into()]),
        false => IpAddr::from([10, 9, 0, n]),
    };
    let interval = || prop_oneof![Just(10_000), 1000..=10_000_000_u32];
    let idle = prop_oneof![Just(1_000_000), 1_000_000..=4_294_967_000_u32];
    let settings = (interval(), interval(), idle, 1..=255_u8, any::<bool>());
    let ends = (any::<bool>(), 0..=3_u8, option::of(any::<u8>()));
    let hops = (option::of(1..=255_u8), option::of(any::<u8>()), any::<bool>());
    (word(), ends, settings, hops, weight(253)).prop_map(move |(name, ends, settings, hops, weight)| {
        let ((v6, neighbor, source), (min_tx, min_rx, idle_tx, multiplier, passive)) = (ends, settings);
        let (hop_limit, max_hops, multihop) = hops;
        let settings = BfdSettings { min_tx, min_rx, idle_tx, multiplier, passive };
        let most = hop_limit.unwrap_or(if v6 { 64 } else { 255 });
        let max_hops = max_hops.map(|hops| hops.min(most));
        let source = source.map(|n| address(v6, n));
        let new = Bfd::new(name, address(v6, neighbor));
        Bfd { source, settings, hop_limit, max_hops, multihop, weight, ..new }
    })
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
            all.options.device = device.filter(|device| *device != own);
            all.options.peer = peer;
            (
                all.options.no_track,
                all.options.detect_duplicates,
                all.options.home,
                all.options.no_prefix_route,
            ) = flags;
            all.options.preferred_lifetime = lifetime.map(|some| some.unwrap_or(u32::MAX));
            if family == Family::V4 {
                all.options.scope = scope;
                all.options.label = label;
                all.options.broadcast = broadcast.map(Ipv4Addr::from).filter(|_| peer.is_none());
            }
            all
        })
        .boxed()
}

fn label() -> impl Strategy<Value = String> {
    // `//` looks like the comment of another language, and is reported as one.
    prop_oneof!["[a-z0-9:]{1,15}", "[ -!#-Z]{1,15}"]
        .prop_filter("a comment", |label: &String| !label.starts_with("//"))
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

fn settings(family: Family) -> BoxedStrategy<Settings> {
    let version = if family == Family::V6 { Just(true).boxed() } else { any::<bool>().boxed() };
    let times = (1..=4095_u16, 1..=255_u8, prop_oneof![Just(0), 1..=1_000_000_000_u64], 1..=100_u8);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (version, 1..=255_u8, 1..=255_u8, times, flags, announce())
        .prop_map(move |(third, vrid, priority, (centis, seconds, delay, down_adverts), flags, announce)| {
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
                // Any delay may stand for it: it needs `nopreempt`.
                late_rival: (!preempt && delay % 2 == 1)
                    .then(|| Priority(u8::try_from(1 + delay % 254).unwrap_or(1))),
                down_adverts,
                owner_ignores_adverts: owner_ignores && priority.is_owner(),
                lower_priority_no_advert: lower,
                higher_priority_send_advert: higher,
                announce: announce.into(),
                ..Settings::new(version, family, Vrid::new(vrid).unwrap())
            }
        })
        .boxed()
}

fn transport(family: Family) -> BoxedStrategy<Transport> {
    let group = match family {
        Family::V4 => group_v4().prop_map(IpAddr::V4).boxed(),
        Family::V6 => group_v6().prop_map(IpAddr::V6).boxed(),
    };
    let multicast = (option::of(group), option::of(of_family(family)))
        .prop_map(|(group, source)| Transport::Multicast { group, source });
    let peer = (of_family(family), option::of(any::<u8>()), option::of(any::<u8>()));
    let peer = peer.prop_map(|(address, min_ttl, max_ttl)| Peer { address, min_ttl, max_ttl });
    let unicast =
        (option::of(of_family(family)), vec(peer, 0..4), any::<u8>()).prop_map(|(source, mut peers, ttl)| {
            let mut seen = BTreeSet::new();
            peers.retain(|peer| seen.insert(peer.address));
            Transport::Unicast { source, peers, ttl }
        });
    prop_oneof![multicast, unicast].boxed()
}

fn authentication(version: Version) -> BoxedStrategy<Authentication> {
    if version == Version::V3 {
        return prop_oneof![Just(Authentication::None), keyring()].boxed();
    }
    let secret = || "[ -!#-\\[\\]-~]{0,8}".prop_map(|text| Secret::cut(text.as_bytes()));
    prop_oneof![
        Just(Authentication::None),
        secret().prop_map(Authentication::Password),
        secret().prop_map(Authentication::Header),
        keyring(),
    ]
    .boxed()
}

/// Enforcing: of any other mode there is advice.
fn keyring() -> BoxedStrategy<Authentication> {
    let key = vec(any::<u8>(), 32..=64).prop_filter_map("32 to 64 bytes", |bytes| Key::new(&bytes));
    let keys = vec((1..=255_u8, key), 1..4).prop_map(|keys| {
        let by_id: BTreeMap<u8, Key> = keys.into_iter().collect();
        by_id.into_iter().collect::<Vec<_>>()
    });
    let window = option::of((1..=300_u64).prop_map(Duration::from_secs));
    (keys, window, any::<bool>(), any::<prop::sample::Index>())
        .prop_map(|(keys, window, counts, active)| {
            let active = active.get(&keys).0;
            let replay = if counts { Replay::Monotonic } else { Replay::Time };
            Authentication::Keyed(Keyring { keys, active, window, replay, mode: KeyMode::Enforce }.into())
        })
        .boxed()
}

fn instance() -> BoxedStrategy<Instance> {
    (any_family(), interface())
        .prop_flat_map(|(family, interface)| {
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
                let routed = option::of(option::of(interface_to_track()));
                let told = (notify(true), any::<bool>(), any::<bool>(), any::<bool>(), routed);
                (word(), how, lists, flags, Just((settings, interface)), told).prop_map(built)
            })
        })
        .boxed()
}

fn interface_to_track() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![interface(), Just(Arc::from("weight"))]
}

type Lists = (Vec<VirtualAddress>, Vec<VirtualAddress>, Vec<(Arc<str>, i16, bool)>);
type Parts = (
    String,
    (Transport, Authentication),
    Lists,
    (bool, bool, bool, bool, bool),
    (Settings, Arc<str>),
    (Notify, bool, bool, bool, Option<Option<Arc<str>>>),
);

/// Without interface, if that is wanted and can be.
fn home(routed: Option<Option<Arc<str>>>, transport: &mut Transport, interface: &Arc<str>) -> Home {
    let is_local = |address: IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    match (routed, transport) {
        (Some(vrf), Transport::Unicast { source: Some(source), peers, .. }) if !is_local(*source) => {
            peers.retain(|peer| !is_local(peer.address));
            Home::Routed { vrf }
        }
        _ => Home::Interface(interface.clone()),
    }
}

fn built(
    (name, (mut transport, authentication), lists, flags, (mut settings, interface), told): Parts,
) -> Instance {
    let (mut addresses, mut excluded, trackers) = lists;
    let (notify, track_source, strict, accept, routed) = told;
    let (mut wants_active, mut ignore_own_link, message, skip_check, check_source) = flags;
    let home = home(routed, &mut transport, &interface);
    if home.is_routed() {
        ignore_own_link = false;
        for address in addresses.iter_mut().chain(&mut excluded) {
            address.options.device.get_or_insert_with(|| interface.clone());
        }
    }
    let mut seen = BTreeSet::new();
    addresses.retain(|a| seen.insert(a.address));
    let mut seen: BTreeSet<_> = addresses.iter().map(|a| (a.address, a.options.device.clone())).collect();
    excluded.retain(|a| seen.insert((a.address, a.options.device.clone())));
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
    let sourced = transport.source().is_some();
    // Strict mode warns of unicast and of authentication, and wants a link-local address first.
    let multicast = matches!(transport, Transport::Multicast { .. });
    let strict = strict
        && multicast
        && settings.family == Family::V4
        && authentication == Authentication::None
        && !addresses.is_empty();
    if strict {
        wants_active = settings.priority.is_owner();
        (settings.preempt_delay, settings.down_adverts) = (Duration::ZERO, 3);
        (settings.lower_priority_no_advert, settings.higher_priority_send_advert) = (true, false);
        settings.announce.lower_priority_repeat = 0;
        settings.announce.lower_priority_delay = Duration::ZERO;
        settings.owner_ignores_adverts = settings.priority.is_owner();
    }
    // `state MASTER` neither waits to preempt nor refuses to.
    if wants_active {
        (settings.preempt, settings.preempt_delay, settings.late_rival) = (true, Duration::ZERO, None);
    }
    // Strict mode has no `accept` in version 2, and an owner is told that `no_accept` is of no effect.
    let accept = match settings.priority.is_owner() {
        true => !strict,
        false => accept && !(strict && settings.version == Version::V2),
    };
    Instance {
        name: name.into(),
        home,
        settings,
        wants_active,
        transport,
        authentication,
        checksum: if message { ChecksumForm::Message } else { ChecksumForm::PseudoHeader },
        addresses,
        excluded: excluded.into(),
        track_interfaces: tracked.into(),
        tracking: Tracking::default().into(),
        ignore_own_link,
        track_source: track_source && sourced,
        notify: notify.into(),
        strict,
        accept,
        gaps: Rare::default(),
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

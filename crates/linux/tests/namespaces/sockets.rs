//! The raw sockets: filters, memberships, sending and receiving in both families.

use crate::space::{self, inside, until};
use crate::trial;
use libtest_mimic::Trial;
use linux::clock::Clock;
use linux::filter::VridSet;
use linux::links::Netns;
use linux::netlink::Netlink;
use linux::sockets::{Drained, Need, Speaker};
use node::io::{Datagram, Frame, InterfaceIndex, RouterId, Transmit};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::Duration;
use wire::{Family, GROUP_V4, GROUP_V6, Vrid};

pub(crate) fn trials(into: &mut Vec<Trial>) {
    into.extend([
        trial("sockets::ipv4_multicast_sorted_by_vrid_stamped_and_with_its_interface", v4_multicast),
        trial("sockets::ipv6_multicast_sorted_by_vrid_with_addresses_and_hop_limit", v6_multicast),
        trial("sockets::a_long_advert_is_lost_once_and_then_there_is_room", long),
        trial("sockets::unicast_goes_where_routing_sends_it", unicast),
        trial("sockets::authenticated_adverts_have_a_socket_of_their_own", authenticated),
        trial("sockets::what_the_kernel_dropped_is_counted_and_what_the_filter_refused_is_not", overflow),
        trial("sockets::what_arrives_while_a_turn_is_held_up_counts_from_when_it_arrives", held_up),
        trial("sockets::one_bad_transmit_does_not_stop_the_others", bad_transmit),
        trial("sockets::thirty_interfaces_are_more_than_one_socket_may_join", thirty),
        trial("sockets::an_interface_that_comes_back_is_joined_again", comes_back),
        trial("sockets::a_new_configuration_changes_the_filters", adapt),
        trial("sockets::a_family_that_cannot_be_had_leaves_the_other_alone", one_family),
        trial("sockets::what_comes_through_a_vrf_is_heard_once", apart),
        trial("sockets::a_vrf_that_cannot_be_had_leaves_the_rest_alone", one_vrf),
        trial("sockets::unicast_goes_by_the_table_of_its_vrf", tables),
        trial("sockets::memberships_are_renewed_without_trust_in_the_old_ones", renewed),
    ]);
}

const ROUTER: RouterId = RouterId(1);

fn set(vrids: &[u8]) -> VridSet {
    vrids.iter().filter_map(|&vrid| Vrid::new(vrid)).collect()
}

fn both(vrids: &[u8]) -> Need {
    Need {
        v4: Some(set(vrids)),
        v6: Some(set(vrids)),
        authenticated: false,
        backlog: 0,
        longest: 0,
        vrfs: BTreeSet::new(),
    }
}

/// An IPv4 datagram with a header whose length and checksum the kernel fills in.
fn datagram(protocol: u8, source: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, 0xc0, 0, 0, 0, 0, 0, 0, 255, protocol, 0, 0];
    bytes.extend(source.octets());
    bytes.extend(to.octets());
    bytes.extend(payload);
    bytes
}

fn v4(interface: InterfaceIndex, source: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Transmit {
    Transmit {
        router: ROUTER,
        interface,
        vrf: 0,
        source: source.into(),
        destination: to.into(),
        hop_limit: 255,
        datagram: datagram(112, source, to, payload).into(),
    }
}

fn v6(interface: InterfaceIndex, source: Ipv6Addr, to: Ipv6Addr, payload: &[u8]) -> Transmit {
    Transmit {
        router: ROUTER,
        interface,
        vrf: 0,
        source: source.into(),
        destination: to.into(),
        hop_limit: 254,
        datagram: payload.into(),
    }
}

/// A frame that outlives its buffer: interface, (source, destination, hop limit) of IPv6, bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    interface: InterfaceIndex,
    v6: Option<(Ipv6Addr, Ipv6Addr, Option<u8>)>,
    bytes: Vec<u8>,
}

fn keep(frame: Frame<'_>) -> Kept {
    let (v6, bytes) = match frame.datagram {
        Datagram::V4(bytes) => (None, bytes),
        Datagram::V6 { source, destination, hop_limit, payload } => {
            (Some((source, destination, hop_limit)), payload)
        }
    };
    Kept { interface: frame.interface, v6, bytes: bytes.to_vec() }
}

fn drain(speaker: &mut Speaker, clock: &mut Clock) -> (Vec<Kept>, Drained) {
    let mut turn = clock.turn();
    let (previous, mut frames) = (turn.previous, Vec::new());
    let drained = speaker.receive(clock, &mut turn, true, |now, frame| {
        assert!(frame.at >= previous && frame.at <= now, "{frame:?} {now:?}");
        frames.push(keep(frame));
    });
    assert_eq!(frames.len(), drained.frames);
    (frames, drained)
}

/// Which ears have something, in their order.
fn heard(speaker: &Speaker) -> Vec<bool> {
    let ears: Vec<_> = speaker.ears().collect();
    let mut fds: Vec<PollFd<'_>> = ears.iter().map(|(fd, _)| PollFd::new(fd, PollFlags::IN)).collect();
    poll(&mut fds, Some(&Timespec::default())).unwrap();
    fds.iter().map(|fd| fd.revents().contains(PollFlags::IN)).collect()
}

fn say(speaker: &mut Speaker, transmits: &[Transmit]) {
    let mut unsent = Vec::new();
    speaker.send(transmits, &mut unsent);
    assert_eq!(unsent, []);
}

/// Two hosts on one cable: here with 10.0.0.1 and fe80::1, there with 10.0.0.2 and fe80::2.
struct Pair {
    there: File,
    near: InterfaceIndex,
    far: InterfaceIndex,
}

const HERE4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const THERE4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const HERE6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const THERE6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

fn pair() -> Pair {
    let there = space::another();
    let (near, far) = space::cable("a", "b", &there);
    space::address("a", "10.0.0.1", 24);
    space::address("a", "fe80::1", 64);
    space::address("a", "2001:db8::1", 64);
    inside(&there, || {
        space::address("b", "10.0.0.2", 24);
        space::address("b", "fe80::2", 64);
        space::address("b", "2001:db8::2", 64);
    });
    Pair { there, near, far }
}

impl Pair {
    fn listener(&self, need: &Need) -> Speaker {
        inside(&self.there, || {
            let mut speaker = Speaker::open(need).unwrap();
            speaker.join(self.far, GROUP_V4.into()).unwrap();
            speaker.join(self.far, GROUP_V6.into()).unwrap();
            speaker.join(self.far, GROUP_V6.into()).unwrap();
            speaker
        })
    }
}

fn v4_multicast() {
    let pair = pair();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&Need { v6: None, ..both(&[51, 200]) });
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    // The speaker's host is a member too and hears nothing of itself.
    speaker.join(pair.near, GROUP_V4.into()).unwrap();
    for (vrid, ears) in [(51u8, [true, false]), (52, [false, true]), (200, [true, false])] {
        say(&mut speaker, &[v4(pair.near, HERE4, GROUP_V4, &[0x31, vrid, 100, 1])]);
        until("an advert", || heard(&listener).contains(&true).then_some(()));
        assert_eq!(heard(&listener), ears, "VRID {vrid}");
        let (frames, drained) = drain(&mut listener, &mut clock);
        assert_eq!(frames.len(), 1, "{drained:?}");
        assert_eq!((frames[0].interface, &frames[0].v6), (pair.far, &None));
        let header = &frames[0].bytes[..20];
        assert_eq!((header[0], header[1], header[8], header[9]), (0x45, 0xc0, 255, 112));
        assert_eq!(header[12..20], [10, 0, 0, 1, 224, 0, 0, 18]);
        assert_eq!(frames[0].bytes[20..], [0x31, vrid, 100, 1]);
    }
    say(&mut speaker, &[v4(pair.near, HERE4, GROUP_V4, &[0x31])]);
    until("a short packet", || heard(&listener).contains(&true).then_some(()));
    assert_eq!(heard(&listener), [false, true], "too short is stray");
    assert!(heard(&speaker).iter().all(|heard| !heard), "no echo");
}

fn long() {
    let pair = pair();
    let mut clock = Clock::new();
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    let mut hear = |listener: &mut Speaker, length: usize| {
        let mut payload = vec![7; length];
        payload[..2].copy_from_slice(&[0x31, 51]);
        say(&mut speaker, &[v4(pair.near, HERE4, GROUP_V4, &payload)]);
        until("an advert", || heard(listener).contains(&true).then_some(()));
        let (frames, drained) = drain(listener, &mut clock);
        assert!(frames.iter().all(|frame| frame.bytes[20..] == payload));
        (frames.len(), drained.lost, drained.unreadable)
    };
    let mut listener = pair.listener(&Need { v6: None, ..both(&[51]) });
    assert_eq!(hear(&mut listener, 200), (1, 0, 0));
    assert_eq!(hear(&mut listener, 300), (0, 1, 0), "it is known that one is missing");
    assert_eq!(hear(&mut listener, 300), (1, 0, 0));
    assert_eq!(hear(&mut listener, 1_400), (1, 0, 0));
    drop(listener);
    let mut listener = pair.listener(&Need { v6: None, longest: 400, ..both(&[51]) });
    assert_eq!(hear(&mut listener, 300), (1, 0, 0), "it was to be expected");
}

fn v6_multicast() {
    let pair = pair();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&Need { v4: None, ..both(&[51]) });
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    speaker.join(pair.near, GROUP_V6.into()).unwrap();
    for (vrid, ears) in [(51u8, [true, false]), (52, [false, true])] {
        say(&mut speaker, &[v6(pair.near, HERE6, GROUP_V6, &[0x31, vrid, 100, 1])]);
        until("an advert", || heard(&listener).contains(&true).then_some(()));
        assert_eq!(heard(&listener), ears, "VRID {vrid}");
        let (frames, _) = drain(&mut listener, &mut clock);
        let expected = Kept {
            interface: pair.far,
            v6: Some((HERE6, GROUP_V6, Some(254))),
            bytes: vec![0x31, vrid, 100, 1],
        };
        assert_eq!(frames, [expected]);
    }
    assert!(heard(&speaker).iter().all(|heard| !heard), "no echo");
}

fn unicast() {
    let pair = pair();
    let mut clock = Clock::new();
    let mut listener = inside(&pair.there, || Speaker::open(&both(&[51])).unwrap());
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    let near6: Ipv6Addr = "2001:db8::1".parse().unwrap();
    let far6: Ipv6Addr = "2001:db8::2".parse().unwrap();
    // A source that no interface has (any more), as with a virtual address that has just gone.
    let ghost = Ipv4Addr::new(10, 0, 0, 77);
    say(
        &mut speaker,
        &[
            v4(pair.near, HERE4, THERE4, &[0x31, 51, 1]),
            v4(pair.near, ghost, THERE4, &[0x31, 51, 2]),
            v6(pair.near, near6, far6, &[0x31, 51, 3]),
            v6(pair.near, HERE6, THERE6, &[0x31, 51, 4]),
            v6(pair.near, HERE6, far6, &[0x31, 51, 5]),
        ],
    );
    let mut frames = Vec::new();
    until("five adverts", || {
        frames.extend(drain(&mut listener, &mut clock).0);
        (frames.len() == 5).then_some(())
    });
    // The last byte tells which it was: one of them had to ask for its neighbour first.
    frames.sort_by_key(|frame| frame.bytes.last().copied());
    assert_eq!(frames[0].bytes[12..], [10, 0, 0, 1, 10, 0, 0, 2, 0x31, 51, 1]);
    assert_eq!(frames[1].bytes[12..], [10, 0, 0, 77, 10, 0, 0, 2, 0x31, 51, 2]);
    assert_eq!(frames[2].v6, Some((near6, far6, Some(254))));
    assert_eq!(frames[3].v6, Some((HERE6, THERE6, Some(254))));
    assert_eq!(frames[4].v6, Some((HERE6, far6, Some(254))), "a link-local source to a global peer");
}

/// One that has just gone leads nowhere; and multicast and what is link-local need no table.
fn tables() {
    const GONE: InterfaceIndex = 4_000_000;
    let pair = pair();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&both(&[51]));
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    let near6: Ipv6Addr = "2001:db8::1".parse().unwrap();
    let far6: Ipv6Addr = "2001:db8::2".parse().unwrap();
    let payload = [0x31, 51, 100, 1];
    let through = |vrf, transmit| Transmit { vrf, ..transmit };
    let mut unsent = Vec::new();
    let astray = [
        through(GONE, v4(pair.near, HERE4, THERE4, &payload)),
        through(GONE, v6(pair.near, near6, far6, &payload)),
    ];
    speaker.send(&astray, &mut unsent);
    assert_eq!(unsent.iter().map(|unsent| unsent.at).collect::<Vec<_>>(), [0, 1]);
    say(
        &mut speaker,
        &[
            through(GONE, v4(pair.near, HERE4, GROUP_V4, &payload)),
            // Any device is to routing what a VRF device is: it leads there.
            through(pair.near, v4(0, HERE4, THERE4, &payload)),
            through(GONE, v6(pair.near, HERE6, GROUP_V6, &payload)),
            through(GONE, v6(pair.near, HERE6, THERE6, &payload)),
            through(pair.near, v6(0, near6, far6, &payload)),
        ],
    );
    let mut frames = Vec::new();
    until("five adverts", || {
        frames.extend(drain(&mut listener, &mut clock).0);
        (frames.len() == 5).then_some(())
    });
}

fn authenticated() {
    let pair = pair();
    let mut clock = Clock::new();
    let need = Need { authenticated: true, v6: None, ..both(&[51]) };
    let mut listener = pair.listener(&need);
    let mut speaker = Speaker::open(&need).unwrap();
    let mut payload = vec![112, 4, 0, 0];
    payload.extend([0; 20]);
    payload.extend([0x21, 51, 100, 1]);
    let mut transmit = v4(pair.near, HERE4, GROUP_V4, &[]);
    transmit.datagram = datagram(51, HERE4, GROUP_V4, &payload).into();
    let mut other = transmit.clone();
    other.datagram = datagram(51, HERE4, GROUP_V4, &[6, 4, 0, 0, 1, 2, 3, 4]).into();
    say(&mut speaker, &[other, transmit]);
    until("an advert", || heard(&listener).contains(&true).then_some(()));
    assert_eq!(heard(&listener), [false, true, false], "fast, authenticated, stray");
    let (frames, _) = drain(&mut listener, &mut clock);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].bytes[20..], payload);
}

/// A pair and a second cable between them, with the numbers of its ends.
fn two_cables() -> (Pair, InterfaceIndex, InterfaceIndex) {
    let pair = pair();
    let (near, far) = space::cable("c", "d", &pair.there);
    space::address("c", "10.1.0.1", 24);
    inside(&pair.there, || space::address("d", "10.1.0.2", 24));
    (pair, near, far)
}

/// To a socket any device is what a VRF is: it can be bound to it. Here it is one end of a cable.
fn apart() {
    let (pair, near, far) = two_cables();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&both(&[51]));
    let need = |vrfs: &[InterfaceIndex]| Need {
        vrfs: vrfs.iter().copied().collect(),
        authenticated: true,
        ..both(&[51])
    };
    inside(&pair.there, || listener.join(far, GROUP_V4.into()).unwrap());
    let mut speaker = Speaker::open(&need(&[])).unwrap();
    let payload = [0x31, 51, 100, 1];
    let stray = [0x31, 9, 100, 1];
    let sealed = datagram(wire::PROTOCOL_AH, HERE4, GROUP_V4, &[112, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    // 4,000,000: a device that has just gone.
    for vrfs in [&[][..], &[pair.far], &[pair.far, far], &[far, 4_000_000], &[pair.far], &[]] {
        assert_eq!(inside(&pair.there, || listener.adapt(&need(vrfs))), Ok(vec![]), "{vrfs:?}");
        assert_eq!(listener.ears().count(), 5 * (1 + vrfs.len()), "{vrfs:?}");
        say(
            &mut speaker,
            &[
                v4(pair.near, HERE4, GROUP_V4, &payload),
                v4(near, Ipv4Addr::new(10, 1, 0, 1), GROUP_V4, &payload),
                v4(pair.near, HERE4, THERE4, &payload),
                v4(pair.near, HERE4, GROUP_V4, &stray),
                v6(pair.near, HERE6, GROUP_V6, &payload),
                Transmit { datagram: sealed.clone().into(), ..v4(pair.near, HERE4, GROUP_V4, &[]) },
            ],
        );
        let mut frames = Vec::new();
        until("an advert of each kind", || {
            frames.extend(drain(&mut listener, &mut clock).0);
            (frames.len() >= 6).then_some(())
        });
        frames.extend(drain(&mut listener, &mut clock).0);
        let mut on: Vec<_> = frames.iter().map(|frame| frame.interface).collect();
        on.sort_unstable();
        let mut expected = vec![pair.far; 5];
        expected.push(far);
        expected.sort_unstable();
        assert_eq!(on, expected, "{vrfs:?}");
    }
}

fn overflow() {
    let pair = pair();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&Need { v6: None, ..both(&[51]) });
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    let good = v4(pair.near, HERE4, GROUP_V4, &[0x31, 51, 100, 1]);
    let foreign = v4(pair.near, HERE4, GROUP_V4, &[0x31, 9, 100, 1]);
    // The stray socket overflows, the fast one gets its few all the same.
    say(&mut speaker, &vec![foreign; 1000]);
    say(&mut speaker, &vec![good.clone(); 200]);
    let mut frames = Vec::new();
    let mut total = Drained::default();
    let mut collect = |listener: &mut Speaker, total: &mut Drained| {
        let (more, drained) = drain(listener, &mut clock);
        frames.extend(more);
        total.lost += drained.lost;
        total.lost_stray += drained.lost_stray;
        frames.iter().filter(|frame| frame.bytes[21] == 51).count()
    };
    until("200 adverts", || (collect(&mut listener, &mut total) == 200).then_some(()));
    assert_eq!(total.lost, 0, "refused by the filter is not lost");
    // The count of dropped datagrams comes with the next one that is not.
    until("the stray socket's loss", || {
        say(&mut speaker, &[v4(pair.near, HERE4, GROUP_V4, &[0x31, 9, 100, 1])]);
        collect(&mut listener, &mut total);
        (total.lost_stray > 0).then_some(())
    });
    say(&mut speaker, &vec![good.clone(); 16_000]);
    until("the fast socket's loss", || {
        say(&mut speaker, std::slice::from_ref(&good));
        collect(&mut listener, &mut total);
        (total.lost > 0).then_some(())
    });
    let kept = collect(&mut listener, &mut total) - 200;
    println!("backlog 2048: {kept} of 16000 kept, {} lost, stray lost {}", total.lost, total.lost_stray);
    assert!(kept >= 2048, "{kept} adverts were kept");
}

/// A process that is stopped between looking at the clock and reading its sockets.
fn held_up() {
    let pair = pair();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&Need { v6: None, ..both(&[51]) });
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    let mut turn = clock.turn();
    let began = turn.now;
    let stop = linux::clock::now() + Duration::from_millis(20);
    until("time to pass", || (linux::clock::now() >= stop).then_some(()));
    say(&mut speaker, &[v4(pair.near, HERE4, GROUP_V4, &[0x31, 51, 100, 1])]);
    until("an advert", || heard(&listener).contains(&true).then_some(()));
    let mut at = Vec::new();
    listener.receive(&mut clock, &mut turn, true, |now, frame| at.push((now, frame.at)));
    let [(now, at)] = at[..] else { panic!("{at:?}") };
    assert!(turn.now == now && now >= stop, "the turn has moved on");
    assert!(
        at >= began + Duration::from_millis(15) && at <= now,
        "not from before the stop: {at:?} {began:?}"
    );
}

fn bad_transmit() {
    let pair = pair();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&both(&[51]));
    let mut speaker = Speaker::open(&Need { v6: None, ..both(&[51]) }).unwrap();
    let good = v4(pair.near, HERE4, GROUP_V4, &[0x31, 51, 100, 1]);
    let mut transmits = vec![good; 100];
    for at in [0, 50, 63, 64, 99] {
        transmits[at].interface = 4_000_000;
        transmits[at].router = RouterId(7);
    }
    transmits.insert(30, v6(pair.near, HERE6, GROUP_V6, &[0x31, 51]));
    let mut unsent = Vec::new();
    speaker.send(&transmits, &mut unsent);
    let places: Vec<_> = unsent.iter().map(|unsent| (unsent.at, unsent.router.0, unsent.errno.0)).collect();
    println!("{places:?}");
    assert_eq!(places.iter().map(|place| place.0).collect::<Vec<_>>(), [0, 30, 51, 64, 65, 100]);
    assert_eq!(places[1], (30, 1, libc::EAFNOSUPPORT));
    assert_eq!(places[0].1, 7);
    let mut count = 0;
    until("95 adverts", || {
        count += drain(&mut listener, &mut clock).1.frames;
        (count == 95).then_some(())
    });
}

fn thirty() {
    let there = space::another();
    let mut clock = Clock::new();
    let indexes: Vec<_> = (0..30).map(|n| space::cable(&format!("a{n}"), &format!("b{n}"), &there)).collect();
    let wanted: BTreeSet<(InterfaceIndex, IpAddr)> =
        indexes.iter().flat_map(|&(_, far)| [(far, GROUP_V4.into()), (far, GROUP_V6.into())]).collect();
    let mut listener = inside(&there, || {
        let mut listener = Speaker::open(&both(&[51])).unwrap();
        assert_eq!(listener.hold_memberships(&wanted), []);
        listener
    });
    assert_eq!(listener.memberships().collect::<BTreeSet<_>>(), wanted);
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    let transmits: Vec<_> = indexes
        .iter()
        .flat_map(|&(near, _)| {
            [v4(near, HERE4, GROUP_V4, &[0x31, 51]), v6(near, HERE6, GROUP_V6, &[0x31, 51])]
        })
        .collect();
    say(&mut speaker, &transmits);
    let mut seen = Vec::new();
    until("sixty adverts", || {
        seen.extend(drain(&mut listener, &mut clock).0.into_iter().map(|f| (f.interface, f.v6.is_some())));
        (seen.len() == 60).then_some(())
    });
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 60, "each interface and family once");
    // Half of them leave; only the others are heard.
    let half: BTreeSet<_> = wanted.iter().copied().filter(|place| place.0.is_multiple_of(2)).collect();
    inside(&there, || assert_eq!(listener.hold_memberships(&half), []));
    say(&mut speaker, &transmits);
    let mut count = 0;
    until("the other half", || {
        for frame in drain(&mut listener, &mut clock).0 {
            assert!(frame.interface.is_multiple_of(2), "{frame:?}");
            count += 1;
        }
        (count == half.len()).then_some(())
    });
}

fn comes_back() {
    let pair = pair();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&both(&[51]));
    Netlink::open().unwrap().delete_link("a").unwrap();
    listener.forget(pair.far);
    assert_eq!(listener.memberships().count(), 0);
    let (near, far) = space::cable("a", "b", &pair.there);
    assert_ne!(far, pair.far);
    inside(&pair.there, || listener.join(far, GROUP_V4.into()).unwrap());
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    say(&mut speaker, &[v4(near, HERE4, GROUP_V4, &[0x31, 51])]);
    let frame = until("an advert", || drain(&mut listener, &mut clock).0.pop());
    assert_eq!(frame.interface, far);
    let error = listener.join(4_000_000, GROUP_V4.into()).unwrap_err();
    assert_eq!(error.to_string(), "cannot join 224.0.0.18 on interface number 4000000: No such device");
}

fn adapt() {
    let pair = pair();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&Need { v6: None, ..both(&[51]) });
    inside(&pair.there, || assert_eq!(listener.adapt(&Need { v6: None, ..both(&[52]) }), Ok(vec![])));
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    for (vrid, ears) in [(51u8, [false, true]), (52, [true, false])] {
        say(&mut speaker, &[v4(pair.near, HERE4, GROUP_V4, &[0x31, vrid])]);
        until("an advert", || heard(&listener).contains(&true).then_some(()));
        assert_eq!(heard(&listener), ears);
        drain(&mut listener, &mut clock);
    }
    inside(&pair.there, || assert_eq!(listener.adapt(&Need::default()), Ok(vec![])));
    assert_eq!(listener.ears().count(), 0);
    assert_eq!(listener.memberships().count(), 2, "memberships follow the interfaces, not the sockets");
}

/// Without `CAP_NET_RAW` for the calling thread, which no new raw socket survives.
fn powerless<T>(act: impl FnOnce() -> T) -> T {
    let all = rustix::thread::capabilities(None).unwrap();
    let mut few = all;
    few.effective.remove(rustix::thread::CapabilitySet::NET_RAW);
    rustix::thread::set_capabilities(None, few).unwrap();
    let result = act();
    rustix::thread::set_capabilities(None, all).unwrap();
    result
}

fn one_family() {
    let pair = pair();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&Need { v6: None, ..both(&[51]) });
    let mut speaker = Speaker::open(&Need { v4: None, ..both(&[51]) }).unwrap();
    let all = Need { authenticated: true, ..both(&[52]) };
    inside(&pair.there, || {
        let missing = powerless(|| listener.adapt(&all).unwrap());
        let what: Vec<_> = missing.iter().map(|one| (one.family, one.sealed, one.why.errno())).collect();
        let refused = Some(node::io::Errno(libc::EPERM));
        assert_eq!(what, [(Family::V6, false, refused), (Family::V4, true, refused)]);
        assert_eq!(listener.ears().count(), 2, "IPv4 listens on, and to the new VRID");
        // The other way round: what comes first in the list is no obstacle to what comes after it.
        let missing = powerless(|| speaker.adapt(&all).unwrap());
        assert_eq!(missing.first().map(|one| one.family), Some(Family::V4));
        assert_eq!(speaker.ears().count(), 2);
        assert_eq!(listener.adapt(&all), Ok(vec![]), "asked again, it is there");
        assert_eq!(listener.ears().count(), 5);
    });
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    let adverts = [v4(pair.near, HERE4, GROUP_V4, &[0x31, 52]), v6(pair.near, HERE6, GROUP_V6, &[0x31, 52])];
    say(&mut speaker, &adverts);
    let mut count = 0;
    until("both adverts", || {
        count += drain(&mut listener, &mut clock).1.frames;
        (count == 2).then_some(())
    });
}

fn one_vrf() {
    let (pair, near, far) = two_cables();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&both(&[51]));
    inside(&pair.there, || listener.join(far, GROUP_V4.into()).unwrap());
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    let all = Need { vrfs: [pair.far, far].into(), ..both(&[52]) };
    let first = Need { vrfs: [pair.far].into(), ..both(&[51]) };
    inside(&pair.there, || {
        assert_eq!(listener.adapt(&first), Ok(vec![]));
        let missing = powerless(|| listener.adapt(&all).unwrap());
        let what: Vec<_> = missing.iter().map(|one| (one.family, one.sealed, one.vrf)).collect();
        let each = |family| [(family, false, Some(far)); 2];
        assert_eq!(what, [each(Family::V4), each(Family::V6)].concat(), "fast and stray");
        assert_eq!(listener.ears().count(), 8);
    });
    // What is there listens to the new VRID, and in the place of what is missing.
    let adverts = [
        v4(pair.near, HERE4, GROUP_V4, &[0x31, 52]),
        v4(near, Ipv4Addr::new(10, 1, 0, 1), GROUP_V4, &[0x31, 52]),
        v6(pair.near, HERE6, GROUP_V6, &[0x31, 52]),
    ];
    let hear = |speaker: &mut Speaker, listener: &mut Speaker, clock: &mut Clock| {
        say(speaker, &adverts);
        let mut total = Drained::default();
        until("three adverts", || {
            let drained = drain(listener, clock).1;
            total.frames += drained.frames;
            total.ours += drained.ours;
            (total.frames >= 3).then_some(())
        });
        assert_eq!((total.frames, total.ours), (3, 3));
    };
    hear(&mut speaker, &mut listener, &mut clock);
    inside(&pair.there, || assert_eq!(listener.adapt(&all), Ok(vec![]), "asked again, it is there"));
    assert_eq!(listener.ears().count(), 12);
    hear(&mut speaker, &mut listener, &mut clock);
}

fn renewed() {
    let pair = pair();
    let mut clock = Clock::new();
    let mut listener = pair.listener(&both(&[51]));
    let wanted: BTreeSet<_> = listener.memberships().collect();
    let renew = |listener: &mut Speaker| inside(&pair.there, || listener.renew_memberships(&wanted));
    assert_eq!(renew(&mut listener), []);
    assert_eq!(listener.memberships().collect::<BTreeSet<_>>(), wanted);
    // Gone and back with the same number: the kernel has forgotten the membership, the socket has not.
    let aside = space::another();
    inside(&pair.there, || Netlink::open().unwrap().move_link("b", Netns::Fd(aside.as_fd())).unwrap());
    inside(&aside, || Netlink::open().unwrap().move_link("b", Netns::Fd(pair.there.as_fd())).unwrap());
    inside(&pair.there, || {
        let mut netlink = Netlink::open().unwrap();
        assert_eq!(netlink.link_index("b").unwrap(), pair.far);
        netlink.set_up("b", true).unwrap();
    });
    assert_eq!(
        inside(&pair.there, || listener.hold_memberships(&wanted)),
        [],
        "it believes that it is joined"
    );
    let mut speaker = Speaker::open(&both(&[51])).unwrap();
    let advert = v4(pair.near, HERE4, GROUP_V4, &[0x31, 51]);
    assert_eq!(renew(&mut listener), []);
    say(&mut speaker, &[advert]);
    let frame = until("an advert", || drain(&mut listener, &mut clock).0.pop());
    assert_eq!(frame.interface, pair.far);
}

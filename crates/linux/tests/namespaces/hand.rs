//! The hand: what it sets, announces, removes, and what it lets be.

use crate::space::{self, Sniffer, inside, until};
use crate::trial;
use libtest_mimic::Trial;
use linux::hand::Hand;
use linux::ledger::{Ledger, Reader, State};
use linux::mailbox::Mailbox;
use linux::netlink::{Netlink, Request};
use linux::scheduling::Scheduler;
use model::{AddressOptions, Scheduling, VirtualAddress};
use node::io::{Act, Announcement, Errno, Hold, InterfaceIndex, Outcome, Placed, RouterId, Settled};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::Mac;
use wire::arp::{TargetHardware, gratuitous_request};

pub(crate) fn trials(into: &mut Vec<Trial>) {
    into.extend([
        trial("hand::sets_announces_and_removes", adds_and_removes),
        trial("hand::who_is_braced_does_nothing_but_what_it_is_asked", braced),
        trial("hand::who_announces_beside_it_runs_as_it_does", crier),
        trial("hand::what_was_there_is_adopted_and_left_alone", adopts),
        trial("hand::a_later_removal_overtakes", overtakes),
        trial("hand::what_one_router_lets_go_of_and_another_sets_at_once_is_there", handed_over),
        trial("hand::refusals_are_outcomes", refusals),
        trial("hand::removing_a_primary_address_takes_no_other_along", primary),
        trial("hand::announcements_go_round_by_round_and_keep_their_gap", rounds),
        trial("hand::arp_6_nd_9_a_refused_address_is_not_announced", refused_is_silent),
        trial("hand::an_empty_removal_ends_announcements", fence),
        trial("hand::what_somebody_else_set_again_is_adopted", set_again),
        trial("hand::another_prefix_is_another_address", other_prefix),
        trial("hand::a_paced_burst_delays_nobody", paced),
        trial("hand::a_removed_address_is_not_announced_any_more", withdrawn),
        trial("hand::two_thousand_addresses_and_their_first_announcements", many),
        trial("hand::stopping_carries_out_what_was_asked", stopping),
        trial("hand::a_full_ledger_and_a_lost_interface_are_survived", full_ledger),
    ]);
}

/// A hand with everything around it: an interface `a` here, its other end listened to.
struct Bench {
    hand: Option<Hand>,
    outcomes: Arc<Mailbox<Outcome>>,
    ledger: Reader,
    near: InterfaceIndex,
    sniffer: Sniffer,
    netlink: Netlink,
    there: File,
}

const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

impl Bench {
    fn new() -> Self {
        Self::with_room(4096)
    }

    fn with_room(capacity: usize) -> Self {
        let there = space::another();
        let (near, far) = space::cable("a", "b", &there);
        let sniffer = inside(&there, || Sniffer::new(far));
        let outcomes = Arc::new(Mailbox::new().unwrap());
        let ledger = Ledger::create(capacity).unwrap();
        let reader = Reader::open(ledger.as_fd()).unwrap();
        let hand = Hand::start(Arc::clone(&outcomes), ledger).unwrap();
        assert!(hand.scheduling().contains("scheduling"), "{}", hand.scheduling());
        let netlink = Netlink::open().unwrap();
        Self { hand: Some(hand), outcomes, ledger: reader, near, sniffer, netlink, there }
    }

    fn hand(&self) -> &Hand {
        self.hand.as_ref().unwrap()
    }

    fn push(&self, router: u32, epoch: u64, act: Act) {
        self.hand().push(Hold { router: RouterId(router), epoch, act });
    }

    /// The next outcomes, `count` of them.
    fn outcomes(&self, count: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        until("the outcomes", || {
            self.outcomes.take(&mut outcomes);
            (outcomes.len() >= count).then_some(())
        });
        assert_eq!(outcomes.len(), count);
        outcomes
    }

    fn settled(&self) -> Vec<Settled> {
        self.outcomes(1).remove(0).results.into_iter().map(|result| result.1).collect()
    }

    fn add(&self, addresses: &[VirtualAddress]) -> Act {
        let announcements = addresses.iter().map(|address| self.announcement(address.address)).collect();
        Act::Add { addresses: self.placed(addresses), announcements }
    }

    fn remove(&self, addresses: &[VirtualAddress], all: bool) -> Act {
        Act::Remove { addresses: self.placed(addresses), all }
    }

    fn announce(&self, addresses: &[VirtualAddress], rounds: u32, gap: Duration) -> Act {
        let announcements = addresses.iter().map(|address| self.announcement(address.address)).collect();
        Act::Announce { announcements, rounds, gap }
    }

    fn placed(&self, addresses: &[VirtualAddress]) -> Arc<[Placed]> {
        let placed = |address: &VirtualAddress| Placed { interface: self.near, address: address.clone() };
        addresses.iter().map(placed).collect()
    }

    fn announcement(&self, address: IpAddr) -> Announcement {
        let frame: Box<[u8]> = match address {
            IpAddr::V4(ip) => Box::new(gratuitous_request(MAC, ip, TargetHardware::Broadcast)),
            // What it says is of no interest here; the last bytes tell which it is.
            IpAddr::V6(ip) => {
                let mut frame = vec![0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd];
                frame.extend([0; 24]);
                frame.extend(ip.octets());
                frame.into()
            }
        };
        Announcement { interface: self.near, address, frame }
    }

    fn marked(&mut self) -> Vec<IpAddr> {
        let held = self.netlink.dump_addresses().unwrap();
        held.into_iter().filter(|address| address.marked).map(|address| address.address).collect()
    }

    /// The addresses of the next `count` announcements, in order.
    fn announced(&self, count: usize) -> Vec<IpAddr> {
        let mut seen = Vec::new();
        until("the announcements", || {
            seen.extend(self.heard());
            (seen.len() >= count).then_some(())
        });
        seen
    }

    fn heard(&self) -> Vec<IpAddr> {
        self.sniffer.frames().iter().filter_map(|frame| announced(frame)).collect()
    }
}

/// Which address a frame of [`Bench::announcement`] announces.
fn announced(frame: &[u8]) -> Option<IpAddr> {
    match (frame.get(6..12)? == MAC.0, frame.get(12..14)?) {
        (true, [0x08, 0x06]) => Some(IpAddr::from(<[u8; 4]>::try_from(frame.get(28..32)?).ok()?)),
        (true, [0x86, 0xdd]) => Some(IpAddr::from(<[u8; 16]>::try_from(frame.get(38..54)?).ok()?)),
        _ => None,
    }
}

fn host(text: &str) -> VirtualAddress {
    VirtualAddress::host(text.parse().unwrap())
}

fn range(start: [u8; 4], count: u32) -> Vec<VirtualAddress> {
    let start = u32::from(Ipv4Addr::from(start));
    (0..count).map(|n| VirtualAddress::host(Ipv4Addr::from(start + n).into())).collect()
}

fn ips(addresses: &[VirtualAddress]) -> Vec<IpAddr> {
    addresses.iter().map(|address| address.address).collect()
}

fn braced() {
    let mut bench = Bench::new();
    let vips = [host("10.0.0.3"), host("2001:db8::3")];
    for _ in 0..3 {
        bench.hand().brace(1, true);
        bench.hand().rest();
    }
    // While it stays awake, and after that.
    for round in 1..=2 {
        bench.push(1, round * 10, bench.add(&vips));
        assert_eq!(bench.settled(), [Settled::Added; 2]);
        bench.hand().brace(1000, true);
        bench.push(1, round * 10 + 1, bench.remove(&vips, false));
        assert_eq!(bench.settled(), [Settled::Removed; 2]);
        bench.hand().rest();
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(bench.announced(4), [ips(&vips), ips(&vips)].concat(), "nothing else was announced");
    assert_eq!(bench.hand().announced().failed, 0);
    // The interface gets an address by itself meanwhile, or loses a flag: nobody's business here.
    let left = bench.netlink.dump_addresses().unwrap();
    let is_ours = |one: &node::io::Address| one.marked || one.address.is_unspecified();
    assert!(!left.iter().any(is_ours), "{left:?}");
    assert!(bench.ledger.entries().is_empty(), "nor does the ledger know of more");
}

/// Name, real-time priority and policy of each thread of this process (proc_pid_stat(5)).
fn threads() -> Vec<(String, String, String)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let texts = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    let of = |text: String| {
        let (head, tail) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = tail.split(' ').collect();
        Some((head.split_once('(')?.1.to_owned(), fields.get(37)?.to_string(), fields.get(38)?.to_string()))
    };
    texts.filter_map(of).collect()
}

fn crier() {
    let bench = Bench::new();
    let of = |name: &str| threads().into_iter().find(|thread| thread.0 == name).map(|(_, p, q)| (p, q));
    // Removals alone, in however many slices, need nobody who announces; nor does what one slice has.
    let vips = range([10, 1, 0, 0], 300);
    bench.push(1, 1, bench.remove(&vips, true));
    let removed = bench.settled();
    assert!(removed.iter().all(|one| matches!(one, Settled::Removed | Settled::NotOurs)), "{removed:?}");
    bench.hand().brace(64, true);
    assert_eq!(of("crier"), None);
    bench.hand().brace(65, false);
    if std::thread::available_parallelism().is_ok_and(|count| count.get() > 1) {
        until("another thread that is scheduled as the hand", || (of("crier") == of("hand")).then_some(()));
        let asked = Scheduling { real_time: Some(5), ..Scheduling::default() };
        let refused = !Scheduler::new().apply(&asked).is_empty();
        assert_eq!(of("crier"), of("hand"));
        assert!(refused || of("crier").is_some_and(|(priority, _)| priority == "4"), "{:?}", threads());
    }
    drop(bench);
    assert_eq!((of("hand"), of("crier")), (None, None), "both end");
}

fn adds_and_removes() {
    let mut bench = Bench::new();
    let vips = [host("10.0.0.3"), host("2001:db8::3"), VirtualAddress { prefix: 24, ..host("10.7.0.1") }];
    inside(&bench.there, || space::sysctl("ipv4/conf/b/arp_accept", "1"));
    bench.push(1, 1, bench.add(&vips));
    let outcome = bench.outcomes(1).remove(0);
    assert_eq!((outcome.router, outcome.epoch), (RouterId(1), 1));
    let results: Vec<_> = bench.placed(&vips).iter().map(|placed| (placed.place(), Settled::Added)).collect();
    assert_eq!(outcome.results, results);
    assert_eq!(bench.announced(3), ips(&vips));
    let learnt = inside(&bench.there, || Netlink::open().unwrap().neighbour("b", vips[0].address)).unwrap();
    assert_eq!(learnt.and_then(|neighbour| neighbour.mac), Some(MAC), "a neighbour has learnt it");
    assert_eq!(bench.marked().len(), 3);
    let noted = bench.ledger.entries();
    assert_eq!(noted.iter().map(|entry| entry.address).collect::<Vec<_>>(), ips(&vips));
    assert!(noted.iter().all(|entry| entry.state == State::Held && entry.interface == bench.near));
    // Once more: they are ours already.
    bench.push(1, 2, bench.add(&vips));
    assert_eq!(bench.settled(), [Settled::Added; 3]);
    bench.push(1, 3, bench.remove(&vips, false));
    assert_eq!(bench.settled(), [Settled::Removed; 3]);
    assert_eq!(bench.marked(), [] as [IpAddr; 0]);
    assert_eq!(bench.ledger.entries(), []);
    bench.push(1, 4, bench.remove(&vips, false));
    assert_eq!(bench.settled(), [Settled::NotOurs; 3], "what we do not have is not ours");
    bench.push(1, 5, bench.remove(&vips, true));
    assert_eq!(bench.settled(), [Settled::Removed; 3], "not there is as good as removed");
    let counts = bench.hand().announced();
    assert_eq!((counts.sent, counts.failed, counts.last_failure), (6, 0, None));
}

fn adopts() {
    let mut bench = Bench::new();
    let vip = [host("10.0.0.3")];
    space::address("a", "10.0.0.3", 32);
    bench.push(1, 1, bench.add(&vip));
    assert_eq!(bench.settled(), [Settled::Adopted]);
    assert_eq!(bench.announced(1), ips(&vip));
    assert_eq!(bench.ledger.entries(), []);
    bench.push(1, 2, bench.remove(&vip, false));
    assert_eq!(bench.settled(), [Settled::NotOurs]);
    let there = |bench: &mut Bench| {
        bench.netlink.dump_addresses().unwrap().iter().any(|address| address.address == vip[0].address)
    };
    assert!(there(&mut bench));
    bench.push(1, 3, bench.remove(&vip, true));
    assert_eq!(bench.settled(), [Settled::NotOurs], "no earlier run left it: it has no mark");
    assert!(there(&mut bench));
    // A leftover of an earlier run with a peer that nobody remembers.
    let peer = AddressOptions { peer: Some("10.0.0.9".parse().unwrap()), ..AddressOptions::default() };
    let left = host("10.0.0.8").with(peer);
    bench.netlink.run(&Request::add_virtual(bench.near, &left)).unwrap();
    bench.push(9, 4, bench.remove(&[host("10.0.0.8")], true));
    assert_eq!(bench.settled(), [Settled::Removed]);
    assert_eq!(bench.marked(), [] as [IpAddr; 0]);
}

fn overtakes() {
    let mut bench = Bench::new();
    let vips = range([10, 1, 0, 0], 3000);
    let other = host("10.9.9.9");
    let hold = |router: u32, epoch: u64, act: Act| Hold { router: RouterId(router), epoch, act };
    bench.hand().push_all([
        hold(1, 1, bench.add(&vips)),
        hold(1, 1, bench.announce(&vips, 3, Duration::ZERO)),
        hold(2, 2, bench.add(std::slice::from_ref(&other))),
        hold(1, 3, bench.remove(&vips, false)),
    ]);
    let outcomes = bench.outcomes(3);
    let count =
        |outcome: &Outcome, state: Settled| outcome.results.iter().filter(|result| result.1 == state).count();
    assert_eq!(
        count(&outcomes[0], Settled::Superseded),
        3000,
        "the removal was known before the first slice"
    );
    assert_eq!(count(&outcomes[1], Settled::Added), 1, "another router is not concerned");
    assert_eq!(count(&outcomes[2], Settled::NotOurs), 3000);
    // In the middle of it: what was set is removed, the rest is never set.
    bench.push(1, 4, bench.add(&vips));
    bench.push(1, 5, bench.remove(&vips, false));
    let outcomes = bench.outcomes(2);
    let (added, superseded) = (count(&outcomes[0], Settled::Added), count(&outcomes[0], Settled::Superseded));
    println!("of 3000: {added} added, {superseded} superseded");
    assert_eq!(added + superseded, 3000);
    assert_eq!(count(&outcomes[1], Settled::Removed), added);
    assert_eq!(count(&outcomes[1], Settled::NotOurs), superseded);
    assert_eq!(bench.marked(), [other.address]);
    assert_eq!(bench.ledger.entries().len(), 1);
    // Nobody announces them from here on, whoever did so meanwhile.
    let sent = bench.hand().announced().sent;
    // An old order that arrives late.
    bench.push(1, 7, bench.remove(&vips[..1], false));
    bench.push(1, 6, bench.add(&vips[..1]));
    let outcomes = bench.outcomes(2);
    assert_eq!(outcomes[1].results[0].1, Settled::Superseded);
    assert_eq!(bench.hand().announced().sent, sent);
    bench.push(1, 8, bench.add(&vips[..1]));
    assert_eq!(bench.settled(), [Settled::Added]);
    // At rest it forgets what was overtaken; what comes then is overtaken as before.
    bench.hand().rest();
    let hold = |epoch: u64, act: Act| Hold { router: RouterId(1), epoch, act };
    bench.hand().push_all([hold(9, bench.add(&vips[1..2])), hold(10, bench.remove(&vips[1..2], false))]);
    let outcomes = bench.outcomes(2);
    assert_eq!((outcomes[0].results[0].1, outcomes[1].results[0].1), (Settled::Superseded, Settled::NotOurs));
    bench.push(1, 11, bench.add(&vips[1..2]));
    assert_eq!(bench.settled(), [Settled::Added]);
}

/// Orders that come together go to the kernel together; each must see what those before it made.
fn handed_over() {
    let mut bench = Bench::new();
    let address = [VirtualAddress { prefix: 24, ..VirtualAddress::host("10.0.0.3".parse().unwrap()) }];
    let orders = [
        (1, bench.remove(&address, true)), // an earlier run might have left it
        (2, bench.add(&address)),
        (2, bench.add(&address)),
        (2, bench.remove(&address, false)),
        (1, bench.remove(&address, false)), // not ours any more
        (1, bench.add(&address)),
    ];
    let holds = orders.into_iter().map(|(router, act)| Hold { router: RouterId(router), epoch: 1, act });
    bench.hand().push_all(holds);
    let results = bench.outcomes(6).into_iter().map(|outcome| outcome.results[0].1).collect::<Vec<_>>();
    use Settled::{Added, NotOurs, Removed};
    assert_eq!(results, [Removed, Added, Added, Removed, NotOurs, Added]);
    assert_eq!(bench.marked(), [address[0].address]);
}

fn refusals() {
    let bench = Bench::new();
    let mut wrong = host("10.0.0.4");
    wrong.prefix = 77;
    bench.push(1, 1, bench.add(&[host("10.0.0.3"), wrong, host("10.0.0.5")]));
    assert_eq!(bench.settled(), [Settled::Added, Settled::Refused(Errno(libc::EINVAL)), Settled::Added]);
    let nowhere: Arc<[Placed]> = Arc::new([Placed { interface: 4_000_000, address: host("10.0.0.6") }]);
    bench.push(1, 2, Act::Add { addresses: Arc::clone(&nowhere), announcements: Arc::new([]) });
    assert_eq!(bench.settled(), [Settled::Refused(Errno(libc::ENODEV))]);
    bench.push(1, 3, Act::Remove { addresses: nowhere, all: true });
    assert_eq!(bench.settled(), [Settled::Removed]);
    bench.push(1, 4, Act::Add { addresses: Arc::new([]), announcements: Arc::new([]) });
    assert_eq!(bench.settled(), []);
    assert_eq!(bench.ledger.entries().len(), 2);
    let lost = Announcement { interface: 4_000_000, ..bench.announcement("10.0.0.6".parse().unwrap()) };
    bench.push(2, 5, Act::Announce { announcements: Arc::new([lost]), rounds: 2, gap: Duration::ZERO });
    until("the failures", || (bench.hand().announced().failed == 2).then_some(()));
    assert!(bench.hand().announced().last_failure.is_some());
    assert!(!bench.hand().is_dead());
}

fn primary() {
    let mut bench = Bench::new();
    space::sysctl("ipv4/conf/a/promote_secondaries", "0");
    let vip = VirtualAddress { prefix: 24, ..host("10.0.0.3") };
    bench.push(1, 1, bench.add(std::slice::from_ref(&vip)));
    assert_eq!(bench.settled(), [Settled::Added]);
    let promotes = std::fs::read_to_string("/proc/sys/net/ipv4/conf/a/promote_secondaries").unwrap();
    assert_eq!(promotes.trim(), "1", "before there is anything to remove");
    // The administrator's comes second in the same subnet.
    let own = space::address("a", "10.0.0.1", 24);
    bench.push(1, 2, bench.remove(&[vip], false));
    assert_eq!(bench.settled(), [Settled::Removed]);
    let left = bench.netlink.dump_addresses().unwrap();
    assert!(left.iter().any(|address| address.address == own && !address.secondary), "{left:?}");
}

fn refused_is_silent() {
    let bench = Bench::new();
    let mut wrong = host("10.0.0.4");
    wrong.prefix = 77;
    let vips = [host("10.0.0.3"), wrong];
    bench.push(1, 1, bench.add(&vips));
    bench.push(1, 1, bench.announce(&vips, 20, Duration::from_millis(1)));
    bench.outcomes(1);
    let seen = bench.announced(21);
    assert!(seen.iter().all(|&ip| ip == vips[0].address), "{seen:?}");
    // Set after all, it is announced.
    bench.push(1, 2, bench.add(&[host("10.0.0.4")]));
    bench.push(1, 2, bench.announce(&[host("10.0.0.4")], 3, Duration::ZERO));
    assert_eq!(bench.announced(4), [vips[1].address; 4]);
}

fn fence() {
    let bench = Bench::new();
    let vip = [host("10.0.0.3")];
    space::address("a", "10.0.0.3", 32);
    bench.push(1, 1, bench.add(&vip));
    bench.push(1, 1, bench.announce(&vip, 500, Duration::from_millis(2)));
    assert_eq!(bench.settled(), [Settled::Adopted]);
    bench.announced(3);
    bench.push(1, 2, bench.remove(&[], false));
    assert_eq!(bench.settled(), []);
    let sent = bench.hand().announced().sent;
    bench.push(2, 3, bench.announce(&[host("10.0.0.9")], 10, Duration::from_millis(2)));
    until("another's announcements", || (bench.hand().announced().sent == sent + 10).then_some(()));
    bench.push(1, 1, bench.add(&vip));
    assert_eq!(bench.settled(), [Settled::Superseded], "a late order of an older mind");
}

fn set_again() {
    let mut bench = Bench::new();
    let vip = [host("10.0.0.3")];
    bench.push(1, 1, bench.add(&vip));
    assert_eq!(bench.settled(), [Settled::Added]);
    bench.netlink.run(&Request::remove_virtual(bench.near, &vip[0])).unwrap();
    space::address("a", "10.0.0.3", 32);
    bench.push(1, 2, bench.add(&vip));
    assert_eq!(bench.settled(), [Settled::Adopted]);
    assert_eq!(bench.ledger.entries(), []);
    bench.push(1, 3, bench.remove(&vip, false));
    assert_eq!(bench.settled(), [Settled::NotOurs]);
}

fn other_prefix() {
    let mut bench = Bench::new();
    let (old, new) = (host("10.0.0.3"), VirtualAddress { prefix: 24, ..host("10.0.0.3") });
    bench.push(1, 1, bench.add(std::slice::from_ref(&old)));
    bench.outcomes(1);
    let hold = |epoch, act| Hold { router: RouterId(1), epoch, act };
    bench.hand().push_all([
        hold(2, bench.remove(std::slice::from_ref(&old), false)),
        hold(3, bench.add(std::slice::from_ref(&new))),
    ]);
    bench.outcomes(2);
    let noted = bench.ledger.entries();
    assert_eq!(noted.iter().map(|entry| entry.prefix).collect::<Vec<_>>(), [24]);
    assert!(noted.iter().all(|entry| entry.state == State::Held));
    bench.push(1, 4, bench.remove(&[new], false));
    assert_eq!(bench.settled(), [Settled::Removed]);
    assert_eq!((bench.marked(), bench.ledger.entries().len()), (vec![], 0));
}

fn rounds() {
    let bench = Bench::new();
    let (vips, gap) = (range([10, 0, 0, 1], 3), Duration::from_millis(4));
    let start = Instant::now();
    bench.push(1, 1, bench.announce(&vips, 3, gap));
    let seen = bench.announced(9);
    assert!(start.elapsed() >= gap * 8, "{:?}", start.elapsed());
    println!("9 announcements with a gap of 4 ms: {:?}", start.elapsed());
    assert_eq!(seen, [ips(&vips), ips(&vips), ips(&vips)].concat());
    // Two routers: everybody's first goes before anybody's second.
    let (one, two) = (range([10, 1, 0, 0], 100), range([10, 2, 0, 0], 100));
    bench.hand().push_all([
        Hold { router: RouterId(1), epoch: 2, act: bench.announce(&one, 2, Duration::ZERO) },
        Hold { router: RouterId(2), epoch: 3, act: bench.announce(&two, 2, Duration::ZERO) },
    ]);
    let seen = bench.announced(400);
    let mut firsts: Vec<_> = seen[..200].to_vec();
    firsts.sort_unstable();
    assert_eq!(firsts, [ips(&one), ips(&two)].concat());
}

fn paced() {
    let bench = Bench::new();
    bench.push(1, 1, bench.announce(&range([10, 1, 0, 0], 100), 2, Duration::from_secs(60)));
    assert_eq!(bench.announced(1).len(), 1);
    let vip = [host("10.9.9.9")];
    let start = Instant::now();
    bench.push(2, 2, bench.add(&vip));
    assert_eq!(bench.settled(), [Settled::Added]);
    println!("one address beside a paced burst: {:?}", start.elapsed());
    assert_eq!(bench.announced(1), ips(&vip));
}

fn withdrawn() {
    let bench = Bench::new();
    let (vips, gap) = (range([10, 0, 0, 1], 2), Duration::from_millis(2));
    bench.push(1, 1, bench.add(&vips));
    bench.push(1, 1, bench.announce(&vips, 500, gap));
    bench.outcomes(1);
    bench.announced(4);
    // The same decision drops one address and keeps the other: the burst goes on for that one only.
    bench.push(1, 1, bench.remove(&vips[..1], false));
    bench.outcomes(1);
    bench.heard();
    let seen = bench.announced(5);
    assert!(seen[1..].iter().all(|&ip| ip == vips[1].address), "{seen:?}");
    // A newer decision ends it.
    bench.push(1, 2, bench.remove(&vips[1..], false));
    bench.outcomes(1);
    let sent = bench.hand().announced().sent;
    bench.push(2, 3, bench.announce(&[host("10.0.0.9")], 10, gap));
    until("another's announcements", || (bench.hand().announced().sent == sent + 10).then_some(()));
}

fn many() {
    let mut bench = Bench::new();
    let vips = range([10, 1, 0, 0], 2000);
    let start = Instant::now();
    // One router for each address, as in a big configuration.
    let holds = |bench: &Bench| -> Vec<Hold> {
        let one = |(router, vip): (usize, &VirtualAddress)| {
            let router = RouterId(u32::try_from(router).unwrap());
            let vip = std::slice::from_ref(vip);
            [
                Hold { router, epoch: 1, act: bench.add(vip) },
                Hold { router, epoch: 1, act: bench.announce(vip, 1, Duration::ZERO) },
            ]
        };
        vips.iter().enumerate().flat_map(one).collect()
    };
    let holds = holds(&bench);
    bench.hand().push_all(holds);
    let outcomes = bench.outcomes(2000);
    let held = start.elapsed();
    assert!(outcomes.iter().all(|outcome| outcome.results[0].1 == Settled::Added));
    let seen = bench.announced(4000);
    println!("2000 routers with an address each: {held:?}; announced twice: {:?}", start.elapsed());
    // Two threads announce them, each in order.
    assert_eq!(sorted(&seen[..2000]), ips(&vips), "every address once before any address twice");
    assert_eq!(sorted(&seen[2000..]), ips(&vips));
    assert_eq!(bench.marked().len(), 2000);
    let start = Instant::now();
    bench.push(1, 2, bench.remove(&vips, false));
    assert!(bench.settled().iter().all(|&settled| settled == Settled::Removed));
    println!("2000 addresses removed: {:?}", start.elapsed());
    let v6: Vec<_> = (1..=1000u128)
        .map(|n| VirtualAddress::host(IpAddr::V6((0x2001_0db8u128 << 96 | n).into())))
        .collect();
    let start = Instant::now();
    bench.push(1, 3, bench.add(&v6));
    assert!(bench.settled().iter().all(|&settled| settled == Settled::Added));
    println!("1000 IPv6 addresses set: {:?}", start.elapsed());
    assert_eq!(sorted(&bench.announced(1000)), ips(&v6));
    let start = Instant::now();
    bench.push(1, 4, bench.remove(&v6, false));
    assert!(bench.settled().iter().all(|&settled| settled == Settled::Removed));
    println!("1000 IPv6 addresses removed: {:?}", start.elapsed());
}

fn sorted(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut all = addresses.to_vec();
    all.sort_unstable();
    all
}

fn stopping() {
    let mut bench = Bench::new();
    let vips = range([10, 1, 0, 0], 500);
    bench.push(1, 1, bench.add(&vips));
    bench.push(1, 1, bench.announce(&vips, 1000, Duration::from_secs(1)));
    bench.outcomes(1);
    bench.push(1, 2, bench.remove(&vips, false));
    bench.hand.take().unwrap().stop();
    assert_eq!(bench.outcomes(1)[0].results.len(), 500);
    assert_eq!(bench.marked(), [] as [IpAddr; 0]);
    assert_eq!(bench.ledger.entries(), []);
}

fn full_ledger() {
    let mut bench = Bench::with_room(2);
    let vips = range([10, 1, 0, 0], 4);
    bench.push(1, 1, bench.add(&vips));
    assert_eq!(bench.settled(), [Settled::Added; 4]);
    assert_eq!(bench.ledger.entries().len(), 2);
    bench.push(1, 2, bench.remove(&vips[2..], false));
    assert_eq!(bench.settled(), [Settled::Removed; 2]);
    bench.netlink.delete_link("a").unwrap();
    bench.hand().forget(bench.near);
    bench.push(1, 3, bench.remove(&vips, true));
    assert_eq!(bench.settled(), [Settled::Removed; 4]);
    assert_eq!(bench.ledger.entries(), []);
}

//! Addresses that do not accept: what the hand makes of the kernel's tables, as nft(8) lists them.

use crate::space::{self, until};
use crate::trial;
use libtest_mimic::Trial;
use linux::hand::Hand;
use linux::ledger::{Ledger, Reader};
use linux::mailbox::Mailbox;
use linux::nftables::Nftables;
use model::{Filter, VirtualAddress};
use node::io::{
    Act, Fact, FilterState, Filtering, Hold, InterfaceIndex, Outcome, Place, Placed, RouterId, Unfiltered,
};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::Arc;

pub(crate) fn trials(into: &mut Vec<Trial>) {
    let is_there = Command::new("nft").arg("--version").output().is_ok();
    let all = [
        trial("closed::fwd_4_what_nft_lists_is_what_was_meant", listed),
        trial("closed::nothing_is_asked_while_nobody_wants_any", nobody),
        trial("closed::a_thousand_routers_are_one_transaction", thousand),
        trial("closed::what_somebody_changes_is_put_back", put_back),
        trial("closed::a_table_that_is_not_ours_is_left_alone", taken),
        trial("closed::what_an_earlier_run_left_is_replaced_or_removed", left),
        trial("closed::it_is_closed_before_it_is_set", stays),
    ];
    into.extend(all.into_iter().map(|trial| trial.with_ignored_flag(!is_there)));
}

struct Bench {
    hand: Option<Hand>,
    outcomes: Arc<Mailbox<Outcome>>,
    ledger: Reader,
    near: InterfaceIndex,
    known: Filtering,
}

impl Bench {
    fn new() -> Self {
        let (near, _) = space::cable("a", "b", &space::another());
        Self::at(near)
    }

    fn at(near: InterfaceIndex) -> Self {
        let outcomes = Arc::new(Mailbox::new().unwrap());
        let ledger = Ledger::create(4096).unwrap();
        let reader = Reader::open(ledger.as_fd()).unwrap();
        let hand = Some(Hand::start(Arc::clone(&outcomes), ledger).unwrap());
        Self { hand, outcomes, ledger: reader, near, known: Filtering::default() }
    }

    fn push(&self, filter: Option<Option<Filter>>, acts: impl IntoIterator<Item = (u32, Act)>) {
        let hold = |(router, act)| Hold { router: RouterId(router), epoch: 1, act };
        self.hand.as_ref().unwrap().push_with(filter, acts.into_iter().map(hold));
    }

    fn close(&self, addresses: &[&str]) -> Act {
        let place = |text: &&str| Place { interface: self.near, address: text.parse().unwrap(), prefix: 32 };
        Act::Close { places: addresses.iter().map(place).collect() }
    }

    fn add(&self, address: &str) -> Act {
        let placed = Placed { interface: self.near, address: VirtualAddress::host(address.parse().unwrap()) };
        Act::Add { addresses: [placed].into(), announcements: [].into() }
    }

    /// Waits until the node would know this.
    fn wait(&mut self, what: &str, is: impl Fn(&Filtering) -> bool) {
        let Self { hand, known, .. } = self;
        let mut facts = Vec::new();
        until(what, || {
            hand.as_ref().unwrap().take_facts(&mut facts);
            for fact in facts.drain(..) {
                let Fact::Filter(filtering) = fact else { panic!("{fact:?}") };
                *known = filtering;
            }
            is(known).then_some(())
        });
    }

    fn wait_in_force(&mut self) {
        self.wait("the filter", |known| known.state == FilterState::InForce);
    }

    fn stop(&mut self) {
        self.hand.take().unwrap().stop();
    }
}

/// What nft(8) says.
fn nft(arguments: &str) -> String {
    let output = Command::new("nft").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "nft {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn has(text: &str) -> bool {
    nft("list ruleset").contains(text)
}

fn listed() {
    let mut bench = Bench::new();
    let filter = Filter { counters: true, priority: -7, ..Filter::default() };
    bench.push(Some(Some(filter)), [(1, bench.close(&["10.0.0.3", "10.0.0.4", "fd00::3", "fe80::3"]))]);
    bench.wait_in_force();
    assert!(bench.ledger.has_filter());
    let expected = r#"table inet standfast {
	comment "kept by standfast: addresses that do not accept"
	set addresses4 {
		type ipv4_addr
		elements = { 10.0.0.3, 10.0.0.4 }
	}

	set addresses6 {
		type ipv6_addr
		elements = { fd00::3 }
	}

	set links6 {
		type ipv6_addr . iface_index
		elements = { fe80::3 . "a" }
	}

	set discovery {
		type icmpv6_type
		flags constant
		elements = { mld-listener-report,
			     mld-listener-done,
			     nd-router-solicit,
			     nd-router-advert,
			     nd-neighbor-solicit,
			     nd-neighbor-advert,
			     nd-redirect,
			     mld2-listener-report }
	}

	chain closed {
		meta l4proto 112 counter packets 0 bytes 0 accept
		ah nexthdr 112 counter packets 0 bytes 0 accept
		icmpv6 type @discovery counter packets 0 bytes 0 accept
		counter packets 0 bytes 0 drop
	}

	chain in {
		type filter hook input priority filter - 7; policy accept;
		ip daddr @addresses4 goto closed
		ip6 daddr @addresses6 goto closed
		ip6 daddr . iif @links6 goto closed
	}

	chain out {
		type filter hook output priority filter - 7; policy accept;
		ip saddr @addresses4 goto closed
		ip6 saddr @addresses6 goto closed
		ip6 saddr . oif @links6 goto closed
	}
}
"#;
    let said = nft("list table inet standfast");
    // Versions of nft differ in whether they show the comment, and the names of protocols and interfaces.
    let near = format!(". {}", bench.near);
    let plain = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.contains("comment "));
        let numbers = |line: &str| line.replace(". \"a\"", &near).replace("vrrp", "112");
        lines.map(numbers).collect()
    };
    assert_eq!(plain(&said), plain(expected), "{said}");
    bench.push(None, [(1, bench.close(&[]))]);
    bench.stop();
    assert_eq!(nft("list tables"), "");
    assert!(!bench.ledger.has_filter());
}

fn nobody() {
    let mut bench = Bench::new();
    bench.push(Some(None), [(1, bench.add("10.0.0.3"))]);
    until("the address", || (bench.outcomes.take(&mut Vec::new()) == 1).then_some(()));
    assert!(!bench.ledger.has_filter());
    bench.stop();
    assert_eq!(nft("list tables"), "");
    assert_eq!(bench.known.batches, 0);
}

fn thousand() {
    let mut bench = Bench::new();
    let address = |n: u32| IpAddr::V4(Ipv4Addr::from(0x0a01_0000 + n));
    let all = |close: bool| {
        let of = |n| match close {
            true => vec![address(n).to_string()],
            false => Vec::new(),
        };
        let acts = (0..1000).map(|n| {
            let texts = of(n);
            (n, bench.close(&texts.iter().map(String::as_str).collect::<Vec<_>>()))
        });
        acts.collect::<Vec<_>>()
    };
    let (close, open) = (all(true), all(false));
    bench.push(Some(Some(Filter::default())), close.clone());
    bench.wait_in_force();
    assert_eq!(bench.known.batches, 1, "the table and all its elements");
    assert_eq!(nft("list set inet standfast addresses4").matches("10.1.").count(), 1000);
    // A reload to a configuration with another name: one more.
    bench.push(Some(Some(Filter { table: "other".into(), ..Filter::default() })), []);
    bench.wait("the other table", |known| known.batches == 2);
    assert_eq!(nft("list tables"), "table inet other\n");
    bench.push(None, open);
    bench.wait("all open", |known| known.batches == 3);
    bench.push(None, close);
    bench.wait("all closed", |known| known.batches == 4);
    assert_eq!(nft("list set inet other addresses4").matches("10.1.").count(), 1000);
}

fn put_back() {
    let mut bench = Bench::new();
    bench.push(Some(Some(Filter::default())), [(1, bench.close(&["10.0.0.3"]))]);
    bench.wait_in_force();
    let deeds = [
        "flush ruleset",
        "delete table inet standfast",
        "delete element inet standfast addresses4 { 10.0.0.3 }",
        "flush chain inet standfast closed",
        "add rule inet standfast closed accept",
    ];
    for (deed, repairs) in deeds.into_iter().zip(1..) {
        nft(deed);
        bench.wait(deed, |known| known.repairs == repairs);
        bench.wait_in_force();
        assert!(has("10.0.0.3") && has("drop") && !has("\t\taccept"), "{deed}: {}", nft("list ruleset"));
        assert!(bench.known.by.as_ref().is_some_and(|by| by.starts_with("nft (process ")), "{deed}");
    }
    // What others do to their own tables is nothing to us.
    nft("add table inet standfast2");
    nft("add table ip standfast");
    let before = bench.known.batches;
    bench.push(None, [(1, bench.close(&["10.0.0.3", "10.0.0.4"]))]);
    bench.wait("one element more", |known| known.batches > before);
    assert_eq!((bench.known.batches, bench.known.repairs), (before + 1, 5));
}

fn taken() {
    let mut bench = Bench::new();
    nft("add table inet mine");
    nft("add chain inet mine own");
    let filter = Filter { table: "mine".into(), ..Filter::default() };
    let acts = [(1, bench.close(&["10.0.0.3"])), (1, bench.add("10.0.0.3"))];
    bench.push(Some(Some(filter)), acts);
    bench.wait("the refusal", |known| known.state == FilterState::Lacking(Unfiltered::Taken));
    until("the address", || (bench.outcomes.take(&mut Vec::new()) == 1).then_some(()));
    assert!(has("chain own") && !has("10.0.0.3"));
    nft("delete table inet mine");
    bench.wait_in_force();
    assert!(has("10.0.0.3"));
}

fn left() {
    let mut bench = Bench::new();
    let mut kernel = Nftables::open().unwrap();
    let old = Filter { table: "old".into(), ..Filter::default() };
    kernel.replace(&old, &BTreeSet::new()).unwrap();
    nft("add table inet others");
    bench.push(Some(Some(Filter::default())), [(1, bench.close(&["10.0.0.3"]))]);
    bench.wait_in_force();
    assert!(has("10.0.0.3") && !has("table inet old") && has("table inet others"));
    // The hand ends without having let go of the address: nothing is opened.
    bench.stop();
    assert!(has("10.0.0.3"));
    let mut next = Bench::at(bench.near);
    next.push(Some(None), []);
    until("the end of the table", || (nft("list tables") == "table inet others\n").then_some(()));
    next.stop();
}

/// And a reload opens it and closes it again where it is.
fn stays() {
    let mut bench = Bench::new();
    let acts = [(1, bench.close(&["10.0.0.3"])), (1, bench.add("10.0.0.3"))];
    bench.push(Some(Some(Filter::default())), acts);
    until("the address", || (bench.outcomes.take(&mut Vec::new()) == 1).then_some(()));
    assert!(has("10.0.0.3"), "before it was set");
    bench.push(Some(None), [(1, bench.close(&[]))]);
    bench.wait("the end of the table", |known| known.state == FilterState::Off);
    assert_eq!(nft("list tables"), "");
    bench.push(Some(Some(Filter::default())), [(1, bench.close(&["10.0.0.3"]))]);
    bench.wait_in_force();
    assert!(has("10.0.0.3"));
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"flush ruleset\nadd table inet standfast { chain x { }; }\n")
        .unwrap();
    assert!(child.wait().unwrap().success());
    until("what somebody made in its place is replaced", || {
        (has("10.0.0.3") && !has("chain x")).then_some(())
    });
    bench.stop();
}

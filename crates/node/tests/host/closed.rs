//! Addresses that do not accept: they are closed before they are set, and opened after they are gone.

use crate::addresses::acts;
use crate::config::{host, instance, lb01, with};
use crate::world::{ETH0, World, address, ip, ms};
use model::Host;
use node::io::{Act, Errno, Fact, FilterState, Filtering, Order, Place, Unfiltered};
use wire::Priority;

fn closed() -> Host {
    with(lb01(), |i| i.accept = false)
}

/// Active since 3.414 s, and all that was asked of the hand so far.
fn active(host: Host) -> (World, Vec<String>) {
    let mut world = World::new(1);
    world.boot(0, host);
    world.run(ms(4_000));
    let asked = acts(&world);
    world.machines[0].log.clear();
    (world, asked)
}

#[test]
fn fwd_3_it_is_closed_before_it_is_set_and_opened_after_it_is_gone() {
    let (mut world, asked) = active(closed());
    assert_eq!(asked, ["close 10.0.0.3", "add 10.0.0.3", "announce 1 x4"]);
    world.order(0, Order::Stop);
    world.run(ms(100));
    assert_eq!(acts(&world), ["remove 10.0.0.3", "close "]);
    assert!(!world.has(0, "10.0.0.3"));
}

#[test]
fn fwd_2_whoever_accepts_asks_for_nothing() {
    for host in [lb01(), with(closed(), |i| i.settings.priority = Priority::OWNER)] {
        let (mut world, asked) = active(host);
        world.order(0, Order::Stop);
        world.run(ms(100));
        assert!(asked.iter().chain(&acts(&world)).all(|act| !act.starts_with("close")), "{asked:?}");
    }
}

#[test]
fn a_reload_closes_and_opens_without_touching_the_address() {
    let (mut world, _) = active(closed());
    world.configure(0, lb01());
    world.run(ms(100));
    assert_eq!(acts(&world), ["close "]);
    world.machines[0].log.clear();
    world.configure(0, closed());
    world.run(ms(100));
    assert_eq!(acts(&world), ["close 10.0.0.3"]);
    assert!(world.has(0, "10.0.0.3"));
}

#[test]
fn an_address_less_stays_closed_until_it_is_gone() {
    let two = || with(closed(), |i| i.addresses.push(model::VirtualAddress::host(ip("10.0.0.4"))));
    let (mut world, asked) = active(two());
    assert_eq!(asked[..2], ["close 10.0.0.3 10.0.0.4", "add 10.0.0.3 10.0.0.4"]);
    world.configure(0, closed());
    world.run(ms(100));
    assert_eq!(acts(&world), ["remove 10.0.0.4", "close 10.0.0.3"]);
    world.machines[0].log.clear();
    world.configure(0, host(vec![instance(51, 100, &["10.0.0.9"])]));
    world.run(ms(100));
    assert_eq!(acts(&world)[..2], ["remove 10.0.0.3", "close "], "an instance less");
}

#[test]
fn what_another_set_is_closed_too_but_not_while_backup() {
    let mut world = World::new(1);
    world.boot(0, closed());
    world.run(ms(1_000));
    world.machines[0].set_address(address(ETH0, "10.0.0.3/32"));
    world.run(ms(1_000));
    assert_eq!(acts(&world), [""; 0], "a real server may have it on purpose");
    world.run(ms(2_000));
    assert_eq!(acts(&world)[..2], ["close 10.0.0.3", "add 10.0.0.3"]);
}

/// A worker that goes on closes in its first turn what it holds: the table of the one before stays until then.
#[test]
fn whoever_goes_on_closes_in_its_first_turn() {
    let (mut world, _) = active(closed());
    world.replace(0, closed(), ms(500));
    world.run(ms(1));
    let first = world.machines[0].holds().into_iter().next().map(|hold| hold.act);
    let place = Place { interface: ETH0, address: ip("10.0.0.3"), prefix: 32 };
    assert_eq!(first, Some(Act::Close { places: [place].into() }));
}

#[test]
fn how_the_filter_is_is_told_once_and_shown() {
    let (mut world, _) = active(closed());
    let tell = |world: &mut World, state, repairs| {
        let by = (repairs > 0).then(|| "nft (process 7)".into());
        world.machines[0].tell(Fact::Filter(Filtering { state, batches: 2, repairs, by }));
        world.run(ms(100));
    };
    tell(&mut world, FilterState::InForce, 0);
    tell(&mut world, FilterState::InForce, 0);
    tell(&mut world, FilterState::InForce, 1);
    tell(&mut world, FilterState::InForce, 2);
    tell(&mut world, FilterState::InForce, 5);
    tell(&mut world, FilterState::Lacking(Unfiltered::Refused(Errno(1))), 5);
    insta::assert_snapshot!(world.story(0), @r"
    4.000000 table inet standfast drops what hosts send to addresses that do not accept
    4.200000 table inet standfast was changed or removed by nft (process 7) and is put back
    4.500000 addresses accept though they must not (no_accept, strict_mode): another program owns table inet standfast, or nftables may not be changed here; see: nft list tables
    ");
    let status = world.machines[0].node.status(world.now).filter.unwrap();
    assert_eq!((status.closed, status.repairs), (1, 5));
    assert_eq!(status.state, FilterState::Lacking(Unfiltered::Refused(Errno(1))));
    world.run(ms(60_000));
    tell(&mut world, FilterState::Lacking(Unfiltered::Refused(Errno(1))), 6);
    let story = world.story(0);
    assert!(story.contains("(5 times since the last such line)"), "{story}");
}

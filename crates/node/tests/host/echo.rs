//! The advert that a Backup hears again and again is compared with the one before it. Whatever happens in between, it must
//! do what a first one would.

use crate::config::{host, lb02, scenario, with};
use crate::election::settled;
use crate::facts::file;
use crate::tracking::tracked;
use crate::world::{ETH0, World, address, forged, ip, ms};
use model::{Authentication, Host, Secret};
use node::event::{Event, Standing};
use node::io::{Fact, Transmit};
use vrrp::{Discard, Leader};
use wire::Priority;

/// lb01 is gone, and somebody repeats its last advert, which lb02 has heard ten times.
fn repeated() -> (World, Transmit) {
    let mut world = settled();
    let (_, advert) = world.machines[0].sent().pop().unwrap_or_else(|| {
        world.run(ms(1_500));
        world.machines[0].sent().pop().unwrap()
    });
    world.crash(0, true);
    (world, advert)
}

/// It arrives at lb02 each second, so many times.
fn hear(world: &mut World, advert: &Transmit, times: u32) {
    for _ in 0..times {
        let now = world.now;
        world.machines[1].catch(now, advert.clone());
        world.run(ms(1_000));
    }
}

fn leader(world: &World) -> Option<Leader> {
    world.status(1, "VI_50").leader
}

#[test]
fn it_is_counted_and_puts_the_takeover_off() {
    let (mut world, advert) = repeated();
    let before = world.status(1, "VI_50").counters.received;
    hear(&mut world, &advert, 20);
    let status = world.status(1, "VI_50");
    assert_eq!((status.standing, status.counters.received), (Standing::Backup, before + 20));
    world.run(ms(4_000));
    assert_eq!(world.standing(1), Standing::Active, "and no longer than the last one");
}

/// It is believed no more once lb02 has another configuration, which refuses it for `why`.
fn refused(why: Discard, change: impl Fn(Host) -> Host) {
    let (mut world, advert) = repeated();
    hear(&mut world, &advert, 2);
    world.configure(1, change(lb02()));
    world.run(ms(1));
    hear(&mut world, &advert, 3);
    assert_eq!(world.status(1, "VI_50").counters.discarded(why), 3, "{why:?}");
    world.run(ms(2_000));
    assert_eq!(world.standing(1), Standing::Active, "{why:?}");
}

#[test]
fn another_configuration_believes_something_else() {
    refused(Discard::AuthenticationFailed, |host| {
        with(host, |instance| instance.authentication = Authentication::Password(Secret::cut(b"2222")))
    });
    refused(Discard::AuthenticationType, |host| {
        with(host, |instance| instance.authentication = Authentication::None)
    });
    refused(Discard::Interval, |host| {
        with(host, |instance| instance.settings.interval = crate::config::interval(200))
    });
    refused(Discard::AddressList, |host| {
        with(host, |instance| {
            instance.strict = true;
            instance.addresses[0].address = ip("10.0.0.4");
        })
    });
    refused(Discard::Destination, |mut host| {
        host.group_v4 = [224, 0, 0, 99].into();
        host
    });
}

#[test]
fn rx_17_what_comes_from_an_address_that_is_ours_by_now_is_not_believed() {
    let (mut world, advert) = repeated();
    hear(&mut world, &advert, 2);
    world.machines[1].steal("10.0.0.6", "ip");
    world.machines[1].set_address(address(ETH0, "10.0.0.5/24"));
    world.run(ms(1));
    hear(&mut world, &advert, 3);
    assert_eq!(world.status(1, "VI_50").counters.discarded(Discard::OwnSource), 3);
}

#[test]
fn sm_bkp_7_it_puts_nothing_off_once_we_have_more() {
    let raised = |priority| with(lb02(), |instance| instance.settings.priority = Priority(priority));
    for (priority, standing) in [(149, Standing::Backup), (151, Standing::Active)] {
        let (mut world, advert) = repeated();
        hear(&mut world, &advert, 2);
        world.configure(1, raised(priority));
        world.run(ms(1));
        hear(&mut world, &advert, 5);
        assert_eq!(world.standing(1), standing, "{priority}");
    }
    // The same without a new configuration: something that is tracked.
    let (mut world, advert) = repeated();
    let mut instance = scenario(100);
    instance.tracking.files = vec![tracked("drain", 1)];
    world.configure(1, Host { files: vec![file("drain")], ..host(vec![instance]) });
    world.machines[1].tell(Fact::File { name: "drain".into(), value: Ok(0) });
    hear(&mut world, &advert, 3);
    assert_eq!(world.standing(1), Standing::Backup);
    world.machines[1].tell(Fact::File { name: "drain".into(), value: Ok(100) });
    hear(&mut world, &advert, 5);
    assert_eq!(world.standing(1), Standing::Active);
}

#[test]
fn who_was_followed_before_is_followed_again() {
    let (mut world, advert) = repeated();
    hear(&mut world, &advert, 2);
    let (ours, theirs) = (ip("10.0.0.5"), ip("10.0.0.4"));
    assert_eq!(leader(&world).unwrap().source, ours);
    let mut bytes = advert.datagram.to_vec();
    bytes[12..16].copy_from_slice(&[10, 0, 0, 4]);
    let other = forged(ETH0, theirs, advert.destination, bytes);
    hear(&mut world, &other, 1);
    assert_eq!(leader(&world).unwrap().source, theirs);
    world.machines[1].log.clear();
    hear(&mut world, &advert, 2);
    assert_eq!(leader(&world).unwrap().source, ours);
    let is_news = |event: &Event| matches!(event, Event::NewLeader { leader, .. } if leader.source == ours);
    assert_eq!(world.machines[1].events().iter().filter(|(_, event)| is_news(event)).count(), 1);
}

#[test]
fn sm_bkp_4_after_a_resignation_it_counts_anew() {
    let (mut world, advert) = repeated();
    hear(&mut world, &advert, 2);
    let mut bytes = advert.datagram.to_vec();
    bytes[22] = 0;
    bytes[26..28].fill(0);
    let sum = wire::checksum::internet(&bytes[20..]);
    bytes[26..28].copy_from_slice(&sum.to_be_bytes());
    let leaves = forged(ETH0, advert.source, advert.destination, bytes);
    let now = world.now;
    world.machines[1].catch(now, leaves);
    world.run(ms(100));
    assert_eq!(leader(&world).map(|leader| leader.priority), Some(Priority::LEAVING));
    hear(&mut world, &advert, 2);
    assert_eq!(leader(&world).map(|leader| leader.priority), Some(Priority(150)));
    assert_eq!(world.standing(1), Standing::Backup);
}

/// Whoever carries a takeover out is told when it is due, as long as nothing else comes before it.
#[test]
fn a_takeover_that_is_near_can_be_seen_coming() {
    let mut world = settled();
    let at = |world: &World, n: usize| world.machines[n].node.takeover_at();
    assert_eq!(at(&world, 0), None, "it is Active");
    let first = at(&world, 1).unwrap();
    assert!(first > world.now);
    world.run(ms(1_500));
    let second = at(&world, 1).unwrap();
    assert!(second > first, "an advert has put it off");
    world.crash(0, true);
    let due = second - world.now.since(timeline::Instant::EPOCH);
    world.run(due.since(timeline::Instant::EPOCH) - ms(1));
    assert_eq!((world.standing(1), at(&world, 1)), (Standing::Backup, Some(second)));
    world.run(ms(1));
    assert_eq!((world.standing(1), at(&world, 1)), (Standing::Active, None));
}

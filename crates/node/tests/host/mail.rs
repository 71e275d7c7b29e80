//! What is mailed, when, and what becomes of mail that nobody delivers.

use crate::config::{host, instance, lb01, scenario, with};
use crate::groups::group;
use crate::world::{ETH0, World, ms};
use model::{Deleted, Fifo, Hook, Host, MailServer};
use node::compat;
use node::event::{Event, Unmailed};
use node::io::{Effect, Letter, Order};
use node::mail::{Delivery, Failure, Refused, Stage, Trouble};
use std::time::Duration;

/// With a server, a recipient, and mail about everything.
fn mailing(mut host: Host) -> Host {
    host.router_id = Some("LB".into());
    host.mail.server = Some(MailServer { host: "relay".into(), port: 25 });
    host.mail.to = vec!["a@b".into()];
    host.mail.default = true;
    host
}

fn letters(world: &mut World) -> Vec<Letter> {
    let log = std::mem::take(&mut world.machines[0].log);
    let letters = log.into_iter().filter_map(|(_, effect)| match effect {
        Effect::Mail(letter) => Some(letter),
        Effect::Tell(_)
        | Effect::Run(_)
        | Effect::Kill(_)
        | Effect::Send(_)
        | Effect::Hold(_)
        | Effect::Report(_) => None,
    });
    letters.collect()
}

/// Subjects, without what they all have.
fn titles(world: &mut World) -> Vec<String> {
    letters(world).iter().map(|letter| letter.title.strip_prefix("[LB] VRRP ").unwrap().into()).collect()
}

fn troubles(world: &World) -> Vec<Unmailed> {
    let events = world.machines[0].events().into_iter();
    events.filter_map(|(_, event)| if let Event::Unmailed(why) = event { Some(why) } else { None }).collect()
}

fn carrier(world: &mut World, carrier: bool) {
    world.machines[0].change_link(ETH0, |link| link.carrier = carrier);
    world.run(ms(10));
}

fn silent() -> Delivery {
    let trouble = Trouble::Silent(Duration::from_secs(30));
    Delivery::Failed(Failure { server: None, stage: Stage::Connect, trouble })
}

#[test]
fn a_life_in_mail() {
    let mut world = World::new(1);
    world.boot(0, mailing(lb01()));
    world.run(ms(5_000));
    let first = letters(&mut world);
    let of = |letter: &Letter| (letter.title.to_string(), letter.body);
    assert_eq!(
        first.iter().map(of).collect::<Vec<_>>(),
        [
            (
                "[LB] VRRP Instance VI_50 - Entering BACKUP state".into(),
                "=> VRRP Instance is no longer owning VRRP VIPs <="
            ),
            (
                "[LB] VRRP Instance VI_50 - Entering MASTER state".into(),
                "=> VRRP Instance is now owning VRRP VIPs <="
            ),
        ]
    );
    assert_eq!(*first[0].envelope, mailing(lb01()).mail);
    carrier(&mut world, false);
    carrier(&mut world, true);
    world.run(ms(5_000));
    world.order(0, Order::Stop);
    world.run(ms(100));
    let rest = letters(&mut world);
    assert_eq!(rest.last().map(|letter| letter.body), Some("=> VRRP Instance stopping <="));
    let rest: Vec<_> = rest.iter().map(|letter| letter.title.rsplit(" - ").next().unwrap()).collect();
    assert_eq!(rest, ["Entering FAULT state", "Entering BACKUP state", "Entering MASTER state", "Stopping"]);
    assert!(world.machines[0].node.is_at_rest());
    let status = world.machines[0].node.status(world.now).mail.unwrap();
    assert_eq!((status.delivered, status.failed, status.lost, status.waiting), (6, 0, 0, 0));
}

#[test]
fn without_server_or_recipient_or_wish_nothing_is_mailed() {
    let changes: [fn(&mut Host); 4] = [
        |host| host.mail.server = None,
        |host| host.mail.to.clear(),
        |host| host.mail.default = false,
        |host| host.instances[0].notify.mail = Some(false),
    ];
    for change in changes {
        let mut host = mailing(lb01());
        change(&mut host);
        let mut world = World::new(1);
        world.boot(0, host);
        world.run(ms(5_000));
        assert_eq!(titles(&mut world), [""; 0]);
    }
    let mut world = World::new(1);
    let host = mailing(with(lb01(), |instance| instance.notify.mail = Some(true)));
    world.boot(0, Host { mail: model::Mail { default: false, ..host.mail.clone() }, ..host });
    world.run(ms(10));
    assert_eq!(titles(&mut world), ["Instance VI_50 - Entering BACKUP state"]);
}

#[test]
fn only_what_differs_from_the_last_mail_is_mailed() {
    let mut world = World::new(2);
    let mut host = mailing(Host { instances: vec![scenario(100)], ..Host::default() });
    host.mail.no_faults = true;
    world.boot(0, host.clone());
    world.boot(1, lb01());
    world.run(ms(5_000));
    assert_eq!(titles(&mut world), ["Instance VI_50 - Entering BACKUP state"]);
    // A fault that is not mailed, and BACKUP again, which was mailed last.
    carrier(&mut world, false);
    carrier(&mut world, true);
    world.run(ms(1_000));
    assert_eq!(titles(&mut world), [""; 0]);
    host.mail.no_faults = false;
    world.configure(0, host);
    world.run(ms(100));
    assert_eq!(titles(&mut world), [""; 0]);
    carrier(&mut world, false);
    carrier(&mut world, true);
    world.run(ms(1_000));
    assert_eq!(
        titles(&mut world),
        ["Instance VI_50 - Entering FAULT state", "Instance VI_50 - Entering BACKUP state"]
    );
}

#[test]
fn a_group_mails_for_itself() {
    let all = |of_group, of_member| {
        let (mut a, b) = (instance(50, 100, &["10.0.0.3"]), instance(51, 100, &["10.0.0.4"]));
        a.notify.mail = of_member;
        let mut group = group(&[&a.name, &b.name]);
        group.notify.mail = of_group;
        let mut host = mailing(Host { groups: vec![group], ..host(vec![a, b]) });
        host.mail.default = false;
        let mut world = World::new(1);
        world.boot(0, host);
        world.run(ms(5_000));
        world.order(0, Order::Stop);
        world.run(ms(100));
        titles(&mut world)
    };
    let (backup, master) = ("Entering BACKUP state", "Entering MASTER state");
    let lines = |lines: &[(&str, &str)]| lines.iter().map(|(a, b)| format!("{a} - {b}")).collect::<Vec<_>>();
    assert_eq!(
        all(Some(true), None),
        lines(&[("Group G", backup), ("Group G", master), ("Group G", "Stopping")])
    );
    let a = "Instance VI_50";
    assert_eq!(all(None, Some(true)), lines(&[(a, backup), (a, master), (a, "Stopping")]));
    assert_eq!(
        all(Some(true), Some(true)),
        lines(&[
            ("Group G", backup),
            (a, backup),
            (a, master),
            ("Group G", master),
            (a, "Stopping"),
            ("Group G", "Stopping"),
        ])
    );
}

#[test]
fn mail_follows_scripts_and_pipes() {
    let mut host = mailing(lb01());
    let path = "/n".to_owned();
    let hook = Hook { command: model::Command::Run { path, arguments: vec![] }, account: None };
    host.instances[0].notify.backup = Some(hook.into());
    host.notify.fifo = Some(Fifo { path: "/run/fifo".into(), account: None, script: None });
    let mut world = World::new(1);
    world.boot(0, host);
    world.run(ms(10));
    let order = world.machines[0].log.iter().filter_map(|(_, effect)| match effect {
        Effect::Run(_) => Some("script"),
        Effect::Tell(_) => Some("pipe"),
        Effect::Mail(_) => Some("mail"),
        Effect::Kill(_) | Effect::Send(_) | Effect::Hold(_) | Effect::Report(_) => None,
    });
    assert_eq!(order.collect::<Vec<_>>(), ["script", "pipe", "mail"]);
}

#[test]
fn what_a_reload_removes_is_mailed_as_fault_or_as_deleted() {
    let removed = |deleted, no_faults| {
        let mut goes = instance(51, 100, &["10.0.0.4"]);
        goes.notify.deleted = deleted;
        let mut before = mailing(host(vec![scenario(100), goes]));
        let mut after = mailing(host(vec![scenario(100)]));
        (before.mail.no_faults, after.mail.no_faults) = (no_faults, no_faults);
        let mut world = World::new(1);
        world.boot(0, before);
        world.run(ms(5_000));
        world.machines[0].log.clear();
        world.configure(0, after);
        world.run(ms(100));
        let letters = letters(&mut world);
        letters.iter().map(|letter| (letter.title.to_string(), letter.body)).collect::<Vec<_>>()
    };
    let fault = "[LB] VRRP Instance VI_51 - Entering FAULT state".to_owned();
    assert_eq!(
        removed(Deleted::AsFault, false),
        [(fault, "=> VRRP Instance is no longer owning VRRP VIPs <=")]
    );
    assert_eq!(removed(Deleted::AsFault, true), []);
    let deleted = "[LB] VRRP Instance VI_51 - Deleted".to_owned();
    assert_eq!(removed(Deleted::Told(None), true), [(deleted, "=> VRRP Deleted at reload <=")]);
}

#[test]
fn a_reload_keeps_what_was_mailed_last() {
    let mut world = World::new(1);
    world.boot(0, mailing(lb01()));
    world.run(ms(5_000));
    world.machines[0].log.clear();
    // The name of the instance, another server, and everything else as before.
    let mut next = mailing(with(lb01(), |instance| instance.name = "other".into()));
    next.mail.server = Some(MailServer { host: "second".into(), port: 587 });
    world.configure(0, next);
    world.run(ms(100));
    assert_eq!(titles(&mut world), [""; 0]);
    carrier(&mut world, false);
    let [letter] = &letters(&mut world)[..] else { panic!() };
    assert_eq!(&*letter.title, "[LB] VRRP Instance other - Entering FAULT state");
    assert_eq!(letter.envelope.server.as_ref().unwrap().host, "second");
}

#[test]
fn no_name_makes_a_header_of_its_own() {
    let mut host = mailing(lb01());
    host.router_id = Some("x\r\nBcc: y".into());
    host.instances[0].name = format!("a\nb\u{1b}[31m{}", "n".repeat(3_000)).into();
    let mut world = World::new(1);
    world.boot(0, host);
    world.run(ms(10));
    let [letter] = &letters(&mut world)[..] else { panic!() };
    assert!(letter.title.starts_with("[x  Bcc: y] VRRP Instance a b [31mnnn"), "{}", letter.title);
    assert!(letter.title.len() < 900 && !letter.title.contains(char::is_control));
}

#[test]
fn what_was_not_delivered_is_told_with_the_reason_and_counted() {
    let mut world = World::new(1);
    world.machines[0].delivery = Some(silent());
    world.boot(0, mailing(host(vec![scenario(255)])));
    world.run(ms(100));
    let events = world.machines[0].events();
    let lines = events.iter().flat_map(|(_, event)| compat::log_lines(event));
    let lines: Vec<_> = lines.filter(|line| line.contains("mail")).collect();
    assert_eq!(
        lines,
        [
            "mail \"[LB] VRRP Instance VI_50 - Entering MASTER state\" was not delivered: connecting: no answer for 30 s"
        ]
    );
    let refused = Refused { recipient: "root".into(), trouble: Trouble::Answer("550 no".into()) };
    world.machines[0].delivery = Some(Delivery::Taken(vec![refused.clone()]));
    carrier(&mut world, false);
    let title = "[LB] VRRP Instance VI_50 - Entering FAULT state".into();
    assert_eq!(troubles(&world)[1..], [Unmailed::Refused { title, refused, suppressed: 0 }]);
    let status = world.machines[0].node.status(world.now);
    let mail = status.mail.clone().unwrap();
    assert_eq!((mail.delivered, mail.failed, mail.refused), (1, 1, 1));
    assert!(compat::data(&status).ends_with(
        " Mail server = relay port 25\n   Delivered = 1, recipients refused = 1\n   \
         Not delivered = 1, not sent = 0, waiting = 0\n"
    ));
}

#[test]
fn a_queue_is_bounded_in_order_and_ends_with_the_last_state() {
    let mut world = World::new(1);
    world.machines[0].delivery = None;
    world.boot(0, mailing(host(vec![scenario(255)])));
    world.run(ms(10));
    for _ in 0..100 {
        carrier(&mut world, false);
        carrier(&mut world, true);
    }
    // 64 are under way, 16 wait.
    let status = world.machines[0].node.status(world.now).mail.unwrap();
    assert_eq!((status.waiting, status.lost), (80, 201 - 80));
    assert_eq!(troubles(&world), [Unmailed::Lost { count: 1 }]);
    let sent = letters(&mut world);
    assert_eq!(sent.len(), 64);
    assert!(sent.iter().zip(1..).all(|(letter, number)| letter.id.0 == number));
    // The end does not wait for ever, and tells what is left.
    world.order(0, Order::Stop);
    world.run(ms(1_900));
    assert!(!world.machines[0].node.is_at_rest());
    world.run(ms(200));
    assert!(world.machines[0].node.is_at_rest());
    let lost = Unmailed::Lost { count: 121 };
    assert_eq!(troubles(&world), [lost, Unmailed::Left { count: 80 }]);
}

#[test]
fn the_end_waits_for_mail_that_goes_on_though_a_reload_wanted_no_more() {
    let mut world = World::new(1);
    world.machines[0].delivery = None;
    world.boot(0, mailing(lb01()));
    world.run(ms(5_000));
    world.configure(0, lb01());
    world.run(ms(10));
    world.order(0, Order::Stop);
    world.run(ms(10));
    assert!(!world.machines[0].node.is_at_rest());
    world.run(ms(2_100));
    assert!(world.machines[0].node.is_at_rest());
    assert_eq!(troubles(&world), [Unmailed::Left { count: 2 }]);
}

#[test]
fn a_dead_server_is_not_told_of_for_ever() {
    let mut world = World::new(1);
    world.machines[0].delivery = Some(silent());
    world.boot(0, mailing(host(vec![scenario(255)])));
    for _ in 0..20 {
        carrier(&mut world, false);
        carrier(&mut world, true);
    }
    assert_eq!(troubles(&world).len(), 8);
    world.run(ms(60_000));
    carrier(&mut world, false);
    let last = troubles(&world).pop().unwrap();
    assert!(matches!(last, Unmailed::Failed { suppressed: 32, .. }), "{last:?}");
}

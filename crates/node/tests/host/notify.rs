//! Who is told of what, in which words and which order.

use crate::config::{host, instance, lb01, lb02, scenario, with};
use crate::groups::group;
use crate::tracking::{script, tracked};
use crate::world::{ETH0, Programs, World, ms};
use model::{Account, Command, Deleted, Fifo, Flaw, Hook, Host, Instance, Notify};
use node::event::{Event, Standing, Unheard};
use node::io::{Effect, Ending, Order, Reason};

fn hook(words: &str) -> Hook {
    let mut words = words.split(' ').map(str::to_owned);
    let path = words.next().unwrap();
    Hook { command: Command::Run { path, arguments: words.collect() }, account: None }
}

fn all() -> Notify {
    let of = |kind: &str| Some(hook(&format!("/n {kind}")).into());
    Notify {
        active: of("master"),
        backup: of("backup"),
        fault: of("fault"),
        stop: of("stop"),
        any: of("any"),
        lower_advert: of("lower"),
        ..Notify::default()
    }
}

/// Everybody is told everything.
fn told(mut host: Host) -> Host {
    host.instances.iter_mut().for_each(|instance| instance.notify = all().into());
    host.groups.iter_mut().for_each(|group| group.notify = all().into());
    piped(host)
}

fn piped(mut host: Host) -> Host {
    host.notify.fifo = Some(Fifo { path: "/run/fifo".into(), account: None, script: None });
    host
}

/// What was told since the last time: the words of programs and the lines of pipes, in the order of the effects.
fn heard(world: &mut World, n: usize) -> Vec<String> {
    let log = std::mem::take(&mut world.machines[n].log);
    let heard = log.iter().filter_map(|(_, effect)| match effect {
        Effect::Run(run) if run.id.0 >> 63 == 1 => match &run.program.command {
            Command::Run { path, arguments } => Some(format!("{path} {}", arguments.join(" "))),
            Command::Readable { .. } => None,
        },
        Effect::Tell(line) => Some(line.trim_end().to_owned()),
        Effect::Mail(letter) => Some(format!("mail {}", letter.title)),
        Effect::Run(_) | Effect::Kill(_) | Effect::Send(_) | Effect::Hold(_) | Effect::Report(_) => None,
    });
    heard.collect()
}

fn lines(world: &mut World, n: usize) -> Vec<String> {
    heard(world, n).into_iter().filter(|text| !text.starts_with('/')).collect()
}

fn unheard(world: &World) -> Vec<(String, Unheard)> {
    let unheard = world.machines[0].events().into_iter().filter_map(|(_, event)| {
        if let Event::Unheard { script, why } = event { Some((script.to_string(), why)) } else { None }
    });
    unheard.collect()
}

#[test]
fn a_life_in_lines_and_arguments() {
    let mut world = World::new(2);
    world.boot(0, told(lb01()));
    world.run(ms(5_000));
    let active = |what: &str| {
        let line = format!("INSTANCE \"VI_50\" {what} 150");
        let any = format!("/n any INSTANCE VI_50 {what} 150");
        (format!("/n {}", what.to_lowercase()), line, any)
    };
    let of = |what| {
        let (specific, line, any) = active(what);
        [specific, line, any]
    };
    assert_eq!(heard(&mut world, 0), [of("BACKUP"), of("MASTER")].concat());
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(100));
    assert_eq!(heard(&mut world, 0), of("FAULT"));
    world.machines[0].change_link(ETH0, |link| link.carrier = true);
    world.run(ms(5_000));
    assert_eq!(heard(&mut world, 0), [of("BACKUP"), of("MASTER")].concat());
    world.order(0, Order::Stop);
    world.run(ms(100));
    assert_eq!(heard(&mut world, 0), of("STOP"));
    assert!(world.machines[0].node.is_at_rest());
}

#[test]
fn master_is_told_when_the_addresses_are_set_and_backup_when_they_are_gone() {
    let mut world = World::new(2);
    world.machines[1].kernel.delay = ms(300);
    world.boot(1, told(lb02()));
    world.run(ms(10));
    assert_eq!(lines(&mut world, 1), ["INSTANCE \"VI_50\" BACKUP 100"]);
    let steps = |world: &mut World| {
        let mut steps = Vec::new();
        for _ in 0..1_000 {
            world.run(ms(10));
            let has = world.has(1, "10.0.0.3");
            steps.extend(lines(world, 1).into_iter().map(|line| (line, has)));
        }
        steps
    };
    assert_eq!(steps(&mut world), [("INSTANCE \"VI_50\" MASTER 100".to_owned(), true)]);
    world.boot(0, lb01());
    assert_eq!(
        steps(&mut world),
        [
            ("INSTANCE \"VI_50\" MASTER_RX_LOWER_PRI 100".to_owned(), true),
            ("INSTANCE \"VI_50\" BACKUP 100".to_owned(), false),
        ][1..]
    );
}

#[test]
fn what_is_overtaken_is_told_all_the_same() {
    let mut world = World::new(1);
    world.machines[0].kernel.delay = ms(60_000);
    world.boot(0, told(host(vec![scenario(255)])));
    world.run(ms(10));
    assert_eq!(lines(&mut world, 0), [""; 0]);
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(10));
    assert_eq!(lines(&mut world, 0), ["INSTANCE \"VI_50\" MASTER 255"]);
    world.machines[0].change_link(ETH0, |link| link.carrier = true);
    world.run(ms(10));
    assert_eq!(lines(&mut world, 0), ["INSTANCE \"VI_50\" FAULT 255"]);
}

#[test]
fn a_group_is_told_after_its_members_but_before_them_at_the_start() {
    let (a, b) = (instance(50, 100, &["10.0.0.3"]), instance(51, 100, &["10.0.0.4"]));
    let group = group(&[&a.name, &b.name]);
    let mut world = World::new(1);
    world.boot(0, told(Host { groups: vec![group], ..host(vec![a, b]) }));
    world.run(ms(10));
    let all =
        |word: &str| [format!("INSTANCE \"VI_50\" {word} 100"), format!("INSTANCE \"VI_51\" {word} 100")];
    let of_group = |word: &str| vec![format!("GROUP \"G\" {word} 0")];
    assert_eq!(lines(&mut world, 0), [of_group("BACKUP"), all("BACKUP").into()].concat());
    world.run(ms(5_000));
    let heard = heard(&mut world, 0);
    let (of_scripts, of_pipes): (Vec<_>, Vec<_>) = heard.into_iter().partition(|text| text.starts_with('/'));
    assert_eq!(of_pipes, [all("MASTER").into(), of_group("MASTER")].concat());
    let count = |text: &str| of_scripts.iter().filter(|run| *run == text).count();
    assert_eq!((count("/n master"), count("/n any GROUP G MASTER 0")), (3, 1), "{of_scripts:?}");
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(10));
    assert_eq!(lines(&mut world, 0), [all("FAULT").into(), of_group("FAULT")].concat());
    world.order(0, Order::Stop);
    world.run(ms(100));
    assert_eq!(lines(&mut world, 0), [all("STOP").into(), of_group("STOP")].concat());
}

#[test]
fn a_group_that_a_reload_makes_is_told_where_it_stands() {
    let (a, b) = (instance(50, 100, &["10.0.0.3"]), instance(51, 100, &["10.0.0.4"]));
    let alone = told(host(vec![a.clone(), b.clone()]));
    let mut grouped = host(vec![a.clone(), b.clone()]);
    grouped.groups = vec![group(&[&a.name, &b.name])];
    let grouped = told(grouped);
    let said = |active: bool| {
        let mut world = World::new(1);
        world.boot(0, alone.clone());
        world.run(ms(if active { 5_000 } else { 10 }));
        lines(&mut world, 0);
        world.configure(0, grouped.clone());
        world.run(ms(10));
        lines(&mut world, 0)
    };
    assert_eq!(said(false), ["GROUP \"G\" BACKUP 0"]);
    assert_eq!(said(true), ["GROUP \"G\" MASTER 0"]);
}

#[test]
fn each_lower_advert_is_told() {
    let mut world = World::new(2);
    world.boot(0, told(lb01()));
    world.run(ms(5_000));
    world.boot(1, lb02());
    world.cut(0, 1);
    world.run(ms(1));
    world.machines[0].log.clear();
    world.run(ms(10_000));
    let heard = heard(&mut world, 0);
    let adverts = world.machines[1].sent().len();
    assert!(adverts >= 5);
    let line = "INSTANCE \"VI_50\" MASTER_RX_LOWER_PRI 150".to_owned();
    assert_eq!(heard.iter().filter(|text| **text == line).count(), adverts);
    assert_eq!(heard.iter().filter(|text| *text == "/n lower").count(), adverts);
    assert_eq!(heard.len(), 2 * adverts);
}

#[test]
fn priorities_are_told_where_that_is_wanted() {
    let prepare = |of_instance, of_host| {
        let mut instance = scenario(100);
        instance.tracking.scripts = vec![tracked("chk", -20)];
        instance.notify.priority_changes = of_instance;
        let mut host = piped(Host { scripts: vec![script("chk", 1_000)], ..host(vec![instance]) });
        host.notify.priority_changes = of_host;
        let mut world = World::new(1);
        world.machines[0].programs = Programs::ending(Ending::Exited(0));
        world.boot(0, host);
        world.run(ms(5_000));
        world.machines[0].log.clear();
        world.machines[0].programs = Programs::ending(Ending::Exited(1));
        world.run(ms(1_000));
        let active = lines(&mut world, 0);
        world.machines[0].change_link(ETH0, |link| link.carrier = false);
        world.machines[0].programs = Programs::ending(Ending::Exited(0));
        world.run(ms(1_000));
        [active, lines(&mut world, 0)]
    };
    let fault = "INSTANCE \"VI_50\" FAULT 80";
    let wanted = [
        vec!["INSTANCE \"VI_50\" MASTER_PRIORITY 80"],
        vec![fault, "INSTANCE \"VI_50\" BACKUP_PRIORITY 100"],
    ];
    assert_eq!(prepare(None, true), wanted);
    assert_eq!(prepare(Some(true), false), wanted);
    assert_eq!(prepare(Some(false), true), [vec![], vec![fault]]);
}

/// Who is told what when a reload removes `VI_51`.
fn removed(deleted: Deleted, faulty: bool) -> Vec<String> {
    let (stays, mut goes) = (scenario(100), instance(51, 100, &["10.0.0.4"]));
    goes.notify = Notify { deleted, ..all() }.into();
    let mut world = World::new(1);
    world.boot(0, piped(host(vec![stays.clone(), goes])));
    world.run(ms(5_000));
    if faulty {
        world.machines[0].change_link(ETH0, |link| link.carrier = false);
        world.run(ms(10));
    }
    world.machines[0].log.clear();
    world.configure(0, piped(host(vec![stays])));
    world.run(ms(100));
    heard(&mut world, 0)
}

#[test]
fn what_a_reload_removes_is_told_as_fault_or_as_deleted() {
    let as_fault = ["/n any INSTANCE VI_51 FAULT 100", "INSTANCE \"VI_51\" FAULT 100"];
    assert_eq!(removed(Deleted::AsFault, false), as_fault);
    assert_eq!(removed(Deleted::AsFault, true), [""; 0]);
    let line = "INSTANCE \"VI_51\" DELETED 100";
    let any = "/n any INSTANCE VI_51 DELETED 100";
    assert_eq!(removed(Deleted::Told(None), false), [any, line]);
    assert_eq!(removed(Deleted::Told(Some(hook("/d").into())), true), ["/d ", line, any]);
}

#[test]
fn a_reload_tells_what_stayed_only_if_asked_to() {
    let mut world = World::new(1);
    world.boot(0, told(lb01()));
    world.run(ms(5_000));
    world.machines[0].log.clear();
    world.configure(0, with(told(lb01()), |instance| instance.notify.fault = None));
    world.run(ms(100));
    assert_eq!(heard(&mut world, 0), [""; 0]);
    let mut again = told(lb01());
    again.notify.states_on_reload = true;
    world.configure(0, again);
    world.run(ms(100));
    assert_eq!(heard(&mut world, 0), ["INSTANCE \"VI_50\" MASTER 150"]);
}

#[test]
fn an_instance_that_a_reload_renames_is_the_same_one() {
    let mut world = World::new(1);
    world.boot(0, told(lb01()));
    world.run(ms(5_000));
    world.machines[0].log.clear();
    world.configure(0, with(told(lb01()), |instance| instance.name = "other".into()));
    world.run(ms(100));
    assert_eq!(heard(&mut world, 0), [""; 0]);
    world.order(0, Order::Stop);
    world.run(ms(100));
    assert_eq!(lines(&mut world, 0), ["INSTANCE \"other\" STOP 150"]);
}

#[test]
fn whose_rights_the_programs_get() {
    let mut named = scenario(255);
    let account = |name: &str| Some(Account { user: name.into(), group: None });
    named.notify.active = Some(Hook { account: account("www"), ..hook("/n") }.into());
    named.notify.any = Some(hook("/n").into());
    let mut host = host(vec![named]);
    host.script_settings.account = account("scripts");
    host.script_settings.security = true;
    let mut world = World::new(1);
    world.boot(0, host);
    world.run(ms(100));
    let runs = world.machines[0].runs();
    let whose = runs.iter().map(|(_, run)| (run.program.account.clone(), run.program.security, &*run.script));
    assert_eq!(
        whose.collect::<Vec<_>>(),
        [(account("www"), true, "VI_50 notify_master"), (account("scripts"), true, "VI_50 notify")]
    );
}

// ---- programs that do not end ----

fn flapping(world: &mut World, times: usize) {
    for _ in 0..times {
        for carrier in [false, true] {
            world.machines[0].change_link(ETH0, |link| link.carrier = carrier);
            world.run(ms(10));
        }
    }
}

fn only_any(instance: Instance) -> Instance {
    Instance { notify: Notify { any: Some(hook("/n").into()), ..Notify::default() }.into(), ..instance }
}

fn hangs() -> Programs {
    Programs { ending: Ending::Exited(0), after: None, obeys: false, mortal: true }
}

#[test]
fn the_next_waits_for_the_one_before_and_not_for_ever() {
    let mut world = World::new(1);
    world.machines[0].programs = hangs();
    world.boot(0, host(vec![only_any(scenario(255)), only_any(instance(51, 255, &["10.0.0.4"]))]));
    world.run(ms(100));
    // Different instances do not wait for each other; nobody waits behind them, so they may take their time.
    assert_eq!(heard(&mut world, 0).len(), 2);
    world.run(ms(60_000));
    assert_eq!(unheard(&world), []);
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(10));
    let slow = |name: &str, waiting| (format!("{name} notify"), Unheard::Slow { waiting });
    assert_eq!(unheard(&world), [slow("VI_50", 1), slow("VI_51", 1)]);
    assert_eq!(heard(&mut world, 0), ["/n INSTANCE VI_50 FAULT 255", "/n INSTANCE VI_51 FAULT 255"]);
    world.machines[0].change_link(ETH0, |link| link.carrier = true);
    world.run(ms(9_900));
    assert_eq!(heard(&mut world, 0), [""; 0]);
    world.run(ms(200));
    assert_eq!(heard(&mut world, 0).len(), 2);
    // Nobody was ended for it.
    assert_eq!(world.machines[0].kills(), []);
}

#[test]
fn a_queue_is_bounded_and_the_last_state_is_told() {
    let mut world = World::new(1);
    world.machines[0].programs = Programs { after: Some(ms(9_000)), ..hangs() };
    world.boot(0, host(vec![only_any(scenario(255))]));
    world.run(ms(10));
    flapping(&mut world, 100);
    let [(name, Unheard::Lost { count: 1 })] = &unheard(&world)[..] else { panic!("{:?}", unheard(&world)) };
    assert_eq!(name, "VI_50");
    world.run(ms(1_000_000));
    let lost = unheard(&world).into_iter().map(|(_, why)| match why {
        Unheard::Lost { count } => usize::try_from(count).unwrap(),
        other @ (Unheard::Ended { .. } | Unheard::Slow { .. }) => panic!("{other:?}"),
    });
    let lost: usize = lost.sum();
    let run = heard(&mut world, 0);
    assert_eq!(world.standing(0), Standing::Active);
    assert_eq!(run.last().unwrap(), "/n INSTANCE VI_50 MASTER 255");
    // One before, and two for each time.
    assert_eq!(run.len() + lost, 201);
}

#[test]
fn those_that_hang_are_bounded_too() {
    let mut world = World::new(1);
    world.machines[0].programs = hangs();
    world.boot(0, host(vec![only_any(scenario(255))]));
    flapping(&mut world, 20);
    world.run(ms(3_600_000));
    assert_eq!(world.machines[0].runs().len(), 5);
}

#[test]
fn the_end_waits_a_second_for_each_and_three_for_all() {
    let mut world = World::new(1);
    world.machines[0].programs = hangs();
    world.boot(0, told(host(vec![scenario(255)])));
    world.run(ms(100));
    world.machines[0].log.clear();
    world.order(0, Order::Stop);
    let mut at_rest = None;
    for tick in 1..=50 {
        world.run(ms(100));
        if at_rest.is_none() && world.machines[0].node.is_at_rest() {
            at_rest = Some(tick);
        }
    }
    assert_eq!(at_rest, Some(30));
    let slow = |name: &str, waiting| (format!("VI_50 {name}"), Unheard::Slow { waiting });
    assert_eq!(
        unheard(&world),
        [
            slow("notify_master", 3),
            slow("notify", 2),
            slow("notify_stop", 1),
            ("VI_50".to_owned(), Unheard::Lost { count: 1 })
        ]
    );
    // And with programs that end, it is over at once.
    let mut world = World::new(1);
    world.boot(0, told(host(vec![scenario(255)])));
    world.run(ms(100));
    world.order(0, Order::Stop);
    world.run(ms(20));
    assert!(world.machines[0].node.is_at_rest());
}

#[test]
fn how_they_end_is_said() {
    let missing = Ending::NotRun(Reason::Flaw(Flaw::Missing("/n".into())));
    for how in [Ending::Exited(1), Ending::Exited(126), Ending::Exited(127), Ending::Signalled(11), missing] {
        let mut world = World::new(1);
        world.machines[0].programs = Programs::ending(how.clone());
        world.boot(0, host(vec![only_any(scenario(255))]));
        world.run(ms(100));
        assert_eq!(unheard(&world), [("VI_50 notify".into(), Unheard::Ended { how, suppressed: 0 })]);
    }
}

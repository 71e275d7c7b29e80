//! Under pressure: floods, stalls, busy neighbours, a kernel whose locks are held. Nothing of that is a reason to
//! take over.

use crate::adverts::{Sample, Sampling, active, settle};
use crate::figures::{
    BUSY_GAP, BUSY_TAKEN, FLOOD_CPU, FLOOD_GAP, FLOOD_RATE, FLOOD_TAKEN, Figures, LOCKS_GAP, LOCKS_TAKEN,
    Party, SCRIPTS_CPU, SCRIPTS_GAP, STALL_TAKEN,
};
use crate::load::{self, Load, PRIORITIES, advert};
use crate::{Failure, LIMIT, Wish};
use lab::{Capture, Cost, Daemon, Lab, floor};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wire::Interval;

/// 200 virtual routers at 100 ms.
const TWO_HUNDRED: Load = Load { cables: 1, each: 200, ..Load::thousand(10, PRIORITIES[0]) };

/// An Active machine and its backup, at rest.
fn both(party: Party, lab: &Lab, load: Load) -> Result<[Daemon; 2], Failure> {
    let first = active(party, lab, load)?;
    let second = load::start(party, lab.machine("lb02")?, &Load { priority: PRIORITIES[1], ..load }.text())?;
    std::thread::sleep(Duration::from_secs(3));
    Ok([first, second])
}

/// Watches a pair while something happens beside it.
fn beside(
    party: Party,
    load: Load,
    window: Duration,
    nuisance: impl FnOnce(&Lab, &AtomicBool) -> Result<(), Failure> + Send,
) -> Result<Sample, Failure> {
    let lab = load::pair(load.cables)?;
    let _daemons = both(party, &lab, load)?;
    let sampling = Sampling::start(lab.machine("lb02")?, load)?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| nuisance(&lab, &over).map_err(|why| why.to_string()));
        std::thread::sleep(window);
        over.store(true, Ordering::Relaxed);
        other.join().map_err(|_| "the nuisance panicked")??;
        Ok::<_, Failure>(())
    })?;
    sampling.end()
}

/// A third machine sends VRRP as fast as it can: of other VRIDs, and with ours but a wrong checksum.
pub(crate) fn flood(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let lab = load::pair(0)?;
    let (lb01, lb02, client) = (lab.machine("lb01")?, lab.machine("lb02")?, lab.machine("client")?);
    let text = |priority: u8| {
        format!(
            "global_defs {{\n    router_id bench\n    vrrp_version 3\n}}\nvrrp_instance V {{\n    state BACKUP\n    \
             interface eth0\n    virtual_router_id 1\n    priority {priority}\n    advert_int 0.1\n    \
             virtual_ipaddress {{\n        10.0.0.3\n    }}\n}}\n"
        )
    };
    let own = |end: u8| Ipv4Addr::new(10, 0, 0, end);
    let first = load::start(party, lb01, &text(PRIORITIES[0]))?;
    lb01.wait_until_holds(IpAddr::V4(own(3)), true, LIMIT)?;
    let second = load::start(party, lb02, &text(PRIORITIES[1]))?;
    std::thread::sleep(Duration::from_secs(2));
    let interval = Interval::from_centis(10).ok_or("no interval")?;
    let interface = client.link_index("eth0")?;
    let mut frames = Vec::new();
    for vrid in 1..=64 {
        let mut one = advert((own(9), interface), vrid, 255, interval, &[IpAddr::V4(own(3))])?;
        if vrid <= 32 {
            // Ours, but for its checksum.
            let mut ours = advert((own(9), interface), 1, 255, interval, &[IpAddr::V4(own(3))])?;
            if let Some(byte) = ours.datagram.last_mut() {
                *byte ^= 0xff;
            }
            one = ours;
        }
        frames.push(one);
    }
    let captures = [
        Capture::sample(lb02, "eth0", &[], Some(own(5)))?,
        Capture::sample(lb02, "eth0", &[], Some(own(6)))?,
    ];
    let cost = || [&first, &second].map(|daemon| Cost::of(&daemon.processes()).cpu);
    let (before, begun) = (cost(), lab::now());
    let sent = floor::flood(client, &frames, wish.half())?;
    let (after, ended) = (cost(), lab::now());
    if captures.iter().any(|capture| capture.dropped() > 0) {
        return Err("the capture lost frames: the machine is too busy to measure".into());
    }
    let length = ended.since(begun).as_secs_f64();
    // From the beginning and to the end: silence at either side is a gap too.
    let seen = captures[0].records().into_iter().map(|record| record.at);
    let seen = seen.filter(|at| *at >= begun && *at <= ended);
    let times: Vec<_> = std::iter::once(begun).chain(seen).chain([ended]).collect();
    let gap = times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default();
    let spent = after.iter().zip(before).map(|(after, before)| after.checked_sub(before));
    let spent = spent.collect::<Option<Vec<_>>>().ok_or("a process of the daemon has ended")?;
    let share = spent.into_iter().max().unwrap_or_default().as_secs_f64() / length * 100.0;
    let taken = u32::try_from(captures[1].records().len())?;
    #[expect(clippy::cast_precision_loss)]
    let rate = sent as f64 / length / 1e3;
    Ok(Figures::of(FLOOD_GAP, crate::figures::ms(gap))
        .and(FLOOD_RATE, rate)
        .and(FLOOD_CPU, share)
        .and(FLOOD_TAKEN, f64::from(taken)))
}

/// The backup stands still for a while, and so does the Active machine, but never for Active_Down_Interval; the backup
/// also for longer: what it missed lies in its sockets.
pub(crate) fn stalls(party: Party, _: &Wish) -> Result<Figures, Failure> {
    let load = Load::thousand(10, PRIORITIES[0]);
    let lab = load::pair(load.cables)?;
    let daemons = both(party, &lab, load)?;
    let sampling = Sampling::start(lab.machine("lb02")?, load)?;
    for (which, stall) in
        [(1, 20), (1, 50), (1, 100), (1, 200), (1, 500), (0, 20), (0, 50), (0, 100), (0, 200)]
    {
        daemons[which].freeze()?;
        std::thread::sleep(Duration::from_millis(stall));
        daemons[which].thaw()?;
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(Figures::of(STALL_TAKEN, f64::from(sampling.end()?.by_second)))
}

/// Endless loops of this process's own threads: they end with it, and when they are told.
pub(crate) fn busy(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let sample = beside(party, TWO_HUNDRED, wish.half(), |_, over| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
        });
        Ok(())
    })?;
    Ok(Figures::of(BUSY_GAP, sample.longest_gap()).and(BUSY_TAKEN, f64::from(sample.by_second)))
}

/// Somebody makes and deletes interfaces, 300 at a time: the kernel's configuration lock is held most of the time.
pub(crate) fn locks(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let sample = beside(party, TWO_HUNDRED, wish.half(), |lab, over| {
        let client = lab.machine("client")?;
        while !over.load(Ordering::Relaxed) {
            for number in 0..300 {
                client.netlink().create_veth(&format!("a{number}"), &format!("b{number}"), None)?;
            }
            for number in 0..300 {
                client.netlink().delete_link(&format!("a{number}"))?;
            }
        }
        Ok(())
    })?;
    Ok(Figures::of(LOCKS_GAP, sample.longest_gap()).and(LOCKS_TAKEN, f64::from(sample.by_second)))
}

/// 500 scripts each second, which 200 virtual routers track.
pub(crate) fn scripts(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let load = TWO_HUNDRED;
    let lab = load::pair(load.cables)?;
    let mut text = load.text();
    for number in 0..500 {
        let _ = write!(
            text,
            "vrrp_script s{number} {{\n    script \"/bin/true\"\n    interval 1\n    weight 1\n    user root\n}}\n"
        );
    }
    // Each of the first hundred instances tracks five.
    for number in 0..100 {
        let head = format!("vrrp_instance V0_{} {{\n", number + 1);
        let names: Vec<String> = (0..5).map(|at| format!("        s{}\n", number * 5 + at)).collect();
        text = text.replacen(&head, &format!("{head}    track_script {{\n{}    }}\n", names.concat()), 1);
    }
    let captures = load::announcements(lab.machine("lb02")?, load.cables)?;
    let daemon = load::start(party, lab.machine("lb01")?, &text)?;
    load::all_announced(&captures, load.services())?;
    drop(captures);
    settle();
    let sampling = Sampling::start(lab.machine("lb02")?, load)?;
    let before = Cost::of(&daemon.processes());
    std::thread::sleep(wish.half());
    let after = Cost::of(&daemon.processes());
    let sample = sampling.end()?;
    let share = after.cpu.saturating_sub(before.cpu).as_secs_f64() / wish.half().as_secs_f64() * 100.0;
    Ok(Figures::of(SCRIPTS_GAP, sample.longest_gap())
        .and(SCRIPTS_CPU, share)
        .sampled(SCRIPTS_GAP, sample.gaps()))
}

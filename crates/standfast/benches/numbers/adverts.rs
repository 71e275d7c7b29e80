//! Adverts in the steady state: what they cost, whether they all come, and how evenly.

use crate::figures::{
    CPU_FAMILIES, CPU_RECEIVED, CPU_SENT, CPU_SIXTEEN, DRIFT, Figures, LATE_FAMILIES, LATE_SENT,
    LATE_SIXTEEN, MEMORY, Party, START_SIXTEEN, TEN_BACKUP, TEN_GAP, TEN_MAX, TEN_SENT, ms, quantile, us,
};
use crate::load::{self, Load, PRIORITIES, SAMPLE, cable};
use crate::{Failure, LIMIT, Wish};
use lab::{Capture, Cost, Daemon, Lab, Machine, floor};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::mpsc;
use std::time::Duration;
use timeline::Instant;
use wire::frame::Seen;

/// The slots of the reference loop: a wake-up a millisecond, or sixteen an interval.
fn slot(interval: Duration) -> Duration {
    Duration::from_millis(1).min(interval / 16)
}

/// Samples of the adverts that the first machine sends, taken where `machine` receives (or sends) them.
pub(crate) struct Sampling {
    load: Load,
    captures: Vec<Capture>,
    begun: Instant,
}

impl Sampling {
    /// Also of every advert that the second machine sends.
    pub(crate) fn start(machine: &Machine, load: Load) -> Result<Self, Failure> {
        let vrids: Vec<u8> = SAMPLE.into_iter().filter(|vrid| *vrid <= load.each).collect();
        let captures = (0..load.cables)
            .map(|number| Capture::sample(machine, &cable(number), &vrids, Some(load::own(number, 6))));
        Ok(Self { load, captures: captures.collect::<Result<_, _>>()?, begun: lab::now() })
    }

    /// What was seen since then.
    pub(crate) fn end(self) -> Result<Sample, Failure> {
        let ended = lab::now();
        // Each virtual router that is looked at, seen or not.
        let vrids = SAMPLE.into_iter().filter(|vrid| *vrid <= self.load.each);
        let series =
            vrids.flat_map(|vrid| (0..self.captures.len()).map(move |cable| ((cable, vrid), Vec::new())));
        let mut times: BTreeMap<(usize, u8), Vec<Instant>> = series.collect();
        let mut by_second = 0;
        for (cable, capture) in self.captures.iter().enumerate() {
            if capture.dropped() > 0 {
                return Err("the capture lost frames: the machine is too busy to measure".into());
            }
            for record in capture.records().into_iter().filter(|it| it.at >= self.begun && it.at <= ended) {
                let Some(Seen::Vrrp { vrid, source, .. }) = record.seen else { continue };
                if source == IpAddr::V4(load::own(u8::try_from(cable)?, 6)) {
                    by_second += 1;
                } else {
                    times.entry((cable, vrid)).or_default().push(record.at);
                }
            }
        }
        let times = times.into_values().collect();
        Ok(Sample { load: self.load, times, by_second, begun: self.begun, ended })
    }
}

/// Adverts of some virtual routers.
pub(crate) struct Sample {
    load: Load,
    times: Vec<Vec<Instant>>,
    /// Adverts of the second machine, of all its virtual routers.
    pub(crate) by_second: u32,
    begun: Instant,
    ended: Instant,
}

impl Sample {
    /// All gaps in milliseconds, sorted.
    pub(crate) fn gaps(&self) -> Vec<f64> {
        let pairs = self.times.iter().flat_map(|times| times.windows(2));
        let mut gaps: Vec<f64> = pairs.map(|pair| ms(pair[1].since(pair[0]))).collect();
        gaps.sort_by(f64::total_cmp);
        gaps
    }

    /// The longest silence, at the beginning and at the end of the time too.
    pub(crate) fn longest_gap(&self) -> f64 {
        let ends = |times: &Vec<Instant>| {
            let all: Vec<Instant> =
                std::iter::once(self.begun).chain(times.iter().copied()).chain([self.ended]).collect();
            all.windows(2).map(|pair| ms(pair[1].since(pair[0]))).fold(0.0, f64::max)
        };
        self.times.iter().map(ends).fold(0.0, f64::max)
    }

    /// How many adverts all virtual routers have sent, to judge by these.
    fn adverts(&self) -> f64 {
        let seen: usize = self.times.iter().map(Vec::len).sum();
        #[expect(clippy::cast_precision_loss)]
        let share = seen as f64 / self.times.len().max(1) as f64;
        share * f64::from(self.load.count())
    }

    /// The share of those that were due, in percent.
    fn of_due(&self) -> f64 {
        let due = self.ended.since(self.begun).as_secs_f64() / self.load.interval().as_secs_f64()
            * f64::from(self.load.count());
        self.adverts() / due * 100.0
    }
}

/// Virtual routers on the first machine, all Active. They have taken over from a machine whose adverts were spread
/// over the interval, as those of virtual routers are that became Active at different times.
pub(crate) fn active(party: Party, lab: &Lab, load: Load) -> Result<Daemon, Failure> {
    let (lb01, lb02) = (lab.machine("lb01")?, lab.machine("lb02")?);
    let captures = load::announcements(lb02, load.cables)?;
    let before = Load { priority: 200, ..load }.adverts(lb02, 6)?;
    let daemon = std::thread::scope(|scope| {
        let predecessor = scope.spawn(|| {
            floor::send(lb02, &before, load.interval(), slot(load.interval()), Duration::from_secs(6))
        });
        let daemon = load::start(party, lb01, &load.text())?;
        predecessor.join().map_err(|_| "the predecessor panicked")??;
        Ok::<_, Failure>(daemon)
    })?;
    // Who announces before has not heard it, and would be another load.
    if captures.iter().any(|capture| capture.records().iter().any(|it| load::gratuitous(&it.seen).is_some()))
    {
        return Err("the daemon did not follow the machine that was active before it".into());
    }
    load::all_announced(&captures, load.services())?;
    Ok(daemon)
}

/// Lets a second pass after the second burst of announcements, which comes after one: what is measured then is
/// the steady state.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(2500));
}

/// One virtual router at 10 ms: does every advert that is due come?
pub(crate) fn drift(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let lab = load::pair(1)?;
    let one = Load { cables: 1, each: 1, ..Load::thousand(1, PRIORITIES[0]) };
    let capture = Capture::sample(lab.machine("lb02")?, "hb0", &[1], None)?;
    let _daemon = load::start(party, lab.machine("lb01")?, &one.text())?;
    capture.wait_for("the first advert", LIMIT, |record| record.advert().is_some())?;
    settle();
    let mark = capture.tape().mark();
    std::thread::sleep(wish.window);
    let times: Vec<Instant> = capture.tape().from_mark(mark).iter().map(|record| record.at).collect();
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return Err("no adverts".into()) };
    let due = last.since(*first).as_secs_f64() / one.interval().as_secs_f64();
    #[expect(clippy::cast_precision_loss)]
    let share = (times.len() - 1) as f64 / due * 100.0;
    let mut gaps: Vec<f64> = times.windows(2).map(|pair| ms(pair[1].since(pair[0]))).collect();
    gaps.sort_by(f64::total_cmp);
    Ok(Figures::of(DRIFT, share).sampled(DRIFT, gaps))
}

/// A thousand virtual routers at 10 ms on both machines, which share the processors here.
pub(crate) fn ten_milliseconds(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let [first, second] = PRIORITIES.map(|priority| Load::thousand(1, priority));
    let lab = load::pair(first.cables)?;
    let _active = active(party, &lab, first)?;
    settle();
    let lb02 = lab.machine("lb02")?;
    let _backup = load::start(party, lb02, &second.text())?;
    // It is a second daemon's start, too, and a loaded machine: let it come to rest.
    std::thread::sleep(Duration::from_secs(4));
    let sampling = Sampling::start(lb02, first)?;
    std::thread::sleep(wish.window);
    let sample = sampling.end()?;
    let gaps = sample.gaps();
    Ok(Figures::of(TEN_SENT, sample.of_due())
        .and(TEN_GAP, quantile(&gaps, 0.999))
        .and(TEN_MAX, sample.longest_gap())
        .and(TEN_BACKUP, f64::from(sample.by_second))
        .sampled(TEN_GAP, gaps))
}

/// Active virtual routers watched for a while: time on a processor for an advert, and what was seen.
fn watched(party: Party, lab: &Lab, load: Load, window: Duration) -> Result<(f64, Sample, u64), Failure> {
    let daemon = active(party, lab, load)?;
    settle();
    let sampling = Sampling::start(lab.machine("lb02")?, load)?;
    let before = Cost::of(&daemon.processes());
    std::thread::sleep(window);
    let after = Cost::of(&daemon.processes());
    let sample = sampling.end()?;
    Ok((each(before, after, &sample)?, sample, after.memory))
}

/// Microseconds on a processor for each advert.
fn each(before: Cost, after: Cost, sample: &Sample) -> Result<f64, Failure> {
    let spent = after.cpu.checked_sub(before.cpu).ok_or("a process of the daemon has ended")?;
    Ok(us(spent) / sample.adverts())
}

/// What an advert costs its sender, and how much memory a thousand virtual routers take.
pub(crate) fn sending(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let load = Load::thousand(10, PRIORITIES[0]);
    let lab = load::pair(load.cables)?;
    if party == Party::Floor {
        let lb01 = lab.machine("lb01")?;
        let adverts = load.adverts(lb01, 5)?;
        // Observed as the daemons are: what the captures cost the sender is in all figures.
        let sampling = Sampling::start(lab.machine("lb02")?, load)?;
        let spent = floor::send(lb01, &adverts, load.interval(), slot(load.interval()), wish.window)?;
        sampling.end()?;
        return Ok(Figures::of(CPU_SENT, us(spent.each())));
    }
    let (cost, sample, memory) = watched(party, &lab, load, wish.window)?;
    Ok(Figures::of(CPU_SENT, cost)
        .and(LATE_SENT, sample.longest_gap())
        .and(MEMORY, megabytes(memory))
        .sampled(LATE_SENT, sample.gaps()))
}

/// 255 VRIDs on one interface, each in both families.
pub(crate) fn families(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let load = Load { cables: 1, each: 255, both_families: true, ..Load::thousand(10, PRIORITIES[0]) };
    let lab = load::pair(load.cables)?;
    let (cost, sample, _) = watched(party, &lab, load, wish.half())?;
    Ok(Figures::of(CPU_FAMILIES, cost).and(LATE_FAMILIES, sample.longest_gap()))
}

/// 16 interfaces with 250 virtual routers each.
pub(crate) fn sixteen(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let load = Load { cables: 16, ..Load::thousand(10, PRIORITIES[0]) };
    let lab = load::pair(load.cables)?;
    let captures = load::announcements(lab.machine("lb02")?, load.cables)?;
    let begun = lab::now();
    let daemon = load::start(party, lab.machine("lb01")?, &load.text())?;
    let last = load::all_announced(&captures, load.services())?;
    drop(captures);
    settle();
    let sampling = Sampling::start(lab.machine("lb02")?, load)?;
    let before = Cost::of(&daemon.processes());
    std::thread::sleep(wish.half());
    let after = Cost::of(&daemon.processes());
    let sample = sampling.end()?;
    Ok(Figures::of(START_SIXTEEN, ms(last.since(begun)) - ms(load.down()))
        .and(CPU_SIXTEEN, each(before, after, &sample)?)
        .and(LATE_SIXTEEN, sample.longest_gap()))
}

fn megabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss)]
    let bytes = bytes as f64;
    bytes / 1e6
}

/// What an advert costs its receiver. The reference loop sends them, to all alike.
pub(crate) fn receiving(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let load = Load::thousand(10, PRIORITIES[0]);
    let lab = load::pair(load.cables)?;
    let (lb01, lb02) = (lab.machine("lb01")?, lab.machine("lb02")?);
    let adverts = load.adverts(lb01, 5)?;
    let (window, slot) = (wish.window, slot(load.interval()));
    if party == Party::Floor {
        let interfaces =
            (0..load.cables).map(|number| lb02.link_index(&cable(number))).collect::<Result<Vec<_>, _>>()?;
        let (tell, hear) = mpsc::channel();
        return std::thread::scope(|scope| {
            let ear = scope.spawn(|| {
                floor::receive(lb02, wire::GROUP_V4, &interfaces, window, || {
                    let _ = tell.send(());
                })
            });
            hear.recv_timeout(LIMIT)?;
            let sampling = Sampling::start(lb02, load)?;
            floor::send(lb01, &adverts, load.interval(), slot, window)?;
            sampling.end()?;
            let heard = ear.join().map_err(|_| "the receiving floor panicked")??;
            Ok(Figures::of(CPU_RECEIVED, us(heard.each())))
        });
    }
    // Until the daemon has started, has settled, and was watched.
    let length = window + Duration::from_secs(8);
    std::thread::scope(|scope| {
        let mouth = scope.spawn(|| floor::send(lb01, &adverts, load.interval(), slot, length));
        let daemon = load::start(party, lb02, &Load { priority: PRIORITIES[1], ..load }.text())?;
        std::thread::sleep(Duration::from_secs(6));
        let sampling = Sampling::start(lb02, load)?;
        let before = Cost::of(&daemon.processes());
        std::thread::sleep(window);
        let after = Cost::of(&daemon.processes());
        let sample = sampling.end()?;
        mouth.join().map_err(|_| "the sending floor panicked")??;
        if sample.by_second > 0 {
            return Err(format!("the backup sent {} adverts of its own", sample.by_second).into());
        }
        Ok(Figures::of(CPU_RECEIVED, each(before, after, &sample)?))
    })
}

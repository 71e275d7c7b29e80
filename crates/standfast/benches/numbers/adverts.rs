//! Adverts in the steady state: what they cost, whether they all come, and how evenly.

use crate::figures::{
    CPU_RECEIVED, CPU_SENT, DRIFT, Figures, LATE_SENT, MEMORY, Party, TEN_BACKUP, TEN_GAP, TEN_MAX, TEN_SENT,
    ms, quantile, us,
};
use crate::load::{self, CABLES, COUNT, PRIORITIES, SAMPLE, Thousand};
use crate::{Failure, LIMIT, Wish};
use lab::{Capture, Cost, Daemon, Lab, Machine, floor};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::mpsc;
use std::time::Duration;
use timeline::Instant;
use wire::frame::Seen;

/// The slots of the reference loop: a wake-up a millisecond.
const SLOT: Duration = Duration::from_millis(1);

/// Samples of the adverts that `first` sends, taken where `machine` receives (or sends) them.
struct Sampling {
    captures: Vec<Capture>,
    begun: Instant,
}

impl Sampling {
    /// Also of every advert that the second machine sends.
    fn start(machine: &Machine) -> Result<Self, Failure> {
        let captures = CABLES
            .iter()
            .zip(0..)
            .map(|(name, cable)| Capture::sample(machine, name, &SAMPLE, Some(load::own(cable, 6))));
        Ok(Self { captures: captures.collect::<Result<_, _>>()?, begun: lab::now() })
    }

    /// What was seen since then.
    fn end(self) -> Result<Sample, Failure> {
        let length = lab::now().since(self.begun);
        let mut times = BTreeMap::<(usize, u8), Vec<Instant>>::new();
        let mut by_second = 0;
        for (cable, capture) in self.captures.iter().enumerate() {
            if capture.dropped() > 0 {
                return Err("the capture lost frames: the machine is too busy to measure".into());
            }
            for record in capture.records() {
                let Some(Seen::Vrrp { vrid, source, .. }) = record.seen else { continue };
                let number = u8::try_from(cable)?;
                if source == IpAddr::V4(load::own(number, 6)) {
                    by_second += 1;
                } else {
                    times.entry((cable, vrid)).or_default().push(record.at);
                }
            }
        }
        Ok(Sample { times: times.into_values().collect(), by_second, length })
    }
}

/// Adverts of some virtual routers.
struct Sample {
    times: Vec<Vec<Instant>>,
    by_second: u32,
    length: Duration,
}

impl Sample {
    /// All gaps in milliseconds, sorted.
    fn gaps(&self) -> Vec<f64> {
        let pairs = self.times.iter().flat_map(|times| times.windows(2));
        let mut gaps: Vec<f64> = pairs.map(|pair| ms(pair[1].since(pair[0]))).collect();
        gaps.sort_by(f64::total_cmp);
        gaps
    }

    /// How many adverts all virtual routers have sent, to judge by these.
    fn adverts(&self) -> f64 {
        let seen: usize = self.times.iter().map(Vec::len).sum();
        #[expect(clippy::cast_precision_loss)]
        let share = seen as f64 / (CABLES.len() * SAMPLE.len()) as f64;
        share * f64::from(COUNT)
    }

    /// The share of those that were due, in percent.
    fn of_due(&self, interval: Duration) -> f64 {
        let due = self.length.as_secs_f64() / interval.as_secs_f64() * f64::from(COUNT);
        self.adverts() / due * 100.0
    }
}

/// A thousand virtual routers on the first machine, all Active and past their announcements.
fn active(party: Party, lab: &Lab, thousand: Thousand) -> Result<Daemon, Failure> {
    let captures = load::announcements(lab.machine("lb02")?)?;
    let daemon = load::start(party, lab.machine("lb01")?, &thousand.text())?;
    load::all_announced(&captures, thousand.instances())?;
    drop(captures);
    Ok(daemon)
}

/// Lets a second pass after the second burst of announcements, which comes after one: what is measured then is
/// the steady state.
fn settle() {
    std::thread::sleep(Duration::from_millis(2500));
}

/// One virtual router at 10 ms: does every advert that is due come?
pub(crate) fn drift(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let lab = load::pair()?;
    let text = "global_defs {\n    vrrp_version 3\n}\nvrrp_instance V {\n    state BACKUP\n    interface hb0\n    \
                virtual_router_id 1\n    priority 150\n    advert_int 0.01\n    virtual_ipaddress {\n        \
                10.30.1.1\n    }\n}\n";
    let capture = Capture::sample(lab.machine("lb02")?, "hb0", &[1], None)?;
    let _daemon = load::start(party, lab.machine("lb01")?, text)?;
    capture.wait_for("the first advert", LIMIT, |record| record.advert().is_some())?;
    settle();
    let mark = capture.tape().mark();
    std::thread::sleep(wish.window);
    let times: Vec<Instant> = capture.tape().from_mark(mark).iter().map(|record| record.at).collect();
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return Err("no adverts".into()) };
    #[expect(clippy::cast_precision_loss)]
    let share = (times.len() - 1) as f64 / (last.since(*first).as_secs_f64() / 0.01) * 100.0;
    let mut gaps: Vec<f64> = times.windows(2).map(|pair| ms(pair[1].since(pair[0]))).collect();
    gaps.sort_by(f64::total_cmp);
    Ok(Figures::of(DRIFT, share).sampled(DRIFT, gaps))
}

/// A thousand virtual routers at 10 ms on both machines, which share the processors here.
pub(crate) fn ten_milliseconds(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let lab = load::pair()?;
    let [first, second] = PRIORITIES.map(|priority| Thousand::every(1, priority));
    let _active = active(party, &lab, first)?;
    settle();
    let lb02 = lab.machine("lb02")?;
    let _backup = load::start(party, lb02, &second.text())?;
    // It is a second daemon's start, too, and a loaded machine: let it come to rest.
    std::thread::sleep(Duration::from_secs(4));
    let sampling = Sampling::start(lb02)?;
    std::thread::sleep(wish.window);
    let sample = sampling.end()?;
    let gaps = sample.gaps();
    Ok(Figures::of(TEN_SENT, sample.of_due(first.interval()))
        .and(TEN_GAP, quantile(&gaps, 0.999))
        .and(TEN_MAX, gaps.last().copied().unwrap_or(f64::NAN))
        .and(TEN_BACKUP, f64::from(sample.by_second))
        .sampled(TEN_GAP, gaps))
}

/// What an advert costs its sender, and how much memory a thousand virtual routers take.
pub(crate) fn sending(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let lab = load::pair()?;
    let thousand = Thousand::every(10, PRIORITIES[0]);
    let lb01 = lab.machine("lb01")?;
    if party == Party::Floor {
        let adverts = thousand.adverts(lb01)?;
        let spent = floor::send(lb01, &adverts, thousand.interval(), SLOT, wish.window)?;
        return Ok(Figures::of(CPU_SENT, us(spent.each())));
    }
    let daemon = active(party, &lab, thousand)?;
    settle();
    let sampling = Sampling::start(lab.machine("lb02")?)?;
    let before = Cost::of(&daemon.processes());
    std::thread::sleep(wish.window);
    let after = Cost::of(&daemon.processes());
    let sample = sampling.end()?;
    let gaps = sample.gaps();
    Ok(Figures::of(CPU_SENT, us(after.cpu - before.cpu) / sample.adverts())
        .and(LATE_SENT, gaps.last().copied().unwrap_or(f64::NAN))
        .and(MEMORY, megabytes(after.memory))
        .sampled(LATE_SENT, gaps))
}

fn megabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss)]
    let bytes = bytes as f64;
    bytes / 1e6
}

/// What an advert costs its receiver. The reference loop sends them, to all alike.
pub(crate) fn receiving(party: Party, wish: &Wish) -> Result<Figures, Failure> {
    let lab = load::pair()?;
    let thousand = Thousand::every(10, PRIORITIES[0]);
    let (lb01, lb02) = (lab.machine("lb01")?, lab.machine("lb02")?);
    let adverts = thousand.adverts(lb01)?;
    let window = wish.window;
    if party == Party::Floor {
        let interfaces = CABLES.iter().map(|name| lb02.link_index(name)).collect::<Result<Vec<_>, _>>()?;
        let (tell, hear) = mpsc::channel();
        return std::thread::scope(|scope| {
            let ear = scope.spawn(|| {
                floor::receive(lb02, wire::GROUP_V4, &interfaces, window, || {
                    let _ = tell.send(());
                })
            });
            hear.recv_timeout(LIMIT)?;
            floor::send(lb01, &adverts, thousand.interval(), SLOT, window)?;
            let heard = ear.join().map_err(|_| "the receiving floor panicked")??;
            Ok(Figures::of(CPU_RECEIVED, us(heard.each())))
        });
    }
    // Until the daemon has started, has settled, and was watched.
    let length = window + Duration::from_secs(8);
    std::thread::scope(|scope| {
        let mouth = scope.spawn(|| floor::send(lb01, &adverts, thousand.interval(), SLOT, length));
        let daemon = load::start(party, lb02, &Thousand::every(10, PRIORITIES[1]).text())?;
        std::thread::sleep(Duration::from_secs(6));
        let sampling = Sampling::start(lb02)?;
        let before = Cost::of(&daemon.processes());
        std::thread::sleep(window);
        let after = Cost::of(&daemon.processes());
        let sample = sampling.end()?;
        mouth.join().map_err(|_| "the sending floor panicked")??;
        if sample.by_second > 0 {
            return Err(format!("the backup sent {} adverts of its own", sample.by_second).into());
        }
        Ok(Figures::of(CPU_RECEIVED, us(after.cpu - before.cpu) / sample.adverts()))
    })
}

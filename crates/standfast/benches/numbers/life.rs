//! Starting and reloading a thousand virtual routers.

use crate::figures::{Figures, Party, RELOAD_LATE, RELOAD_NEW, START, ms};
use crate::load::{self, CABLES, SAMPLE, Thousand};
use crate::{Failure, LIMIT, Wish};
use lab::{Capture, Signal};
use std::net::IpAddr;
use std::time::Duration;

/// From nothing to a thousand Active virtual routers.
pub(crate) fn start(party: Party, _: &Wish) -> Result<Figures, Failure> {
    let lab = load::pair()?;
    let thousand = Thousand::every(100, 150);
    let captures = load::announcements(lab.machine("lb02")?)?;
    let begun = lab::now();
    let _daemon = load::start(party, lab.machine("lb01")?, &thousand.text())?;
    let last = load::all_announced(&captures, thousand.instances())?;
    Ok(Figures::of(START, ms(last.since(begun)) - ms(thousand.down())))
}

/// One virtual router more, while a thousand run.
pub(crate) fn reload(party: Party, _: &Wish) -> Result<Figures, Failure> {
    let lab = load::pair()?;
    let (lb01, lb02) = (lab.machine("lb01")?, lab.machine("lb02")?);
    let thousand = Thousand::every(100, 150);
    let captures = load::announcements(lb02)?;
    let daemon = load::start(party, lb01, &thousand.text())?;
    load::all_announced(&captures, thousand.instances())?;
    // Past the second burst of announcements.
    std::thread::sleep(Duration::from_secs(3));
    let adverts = CABLES
        .iter()
        .map(|name| Capture::sample(lb02, name, &SAMPLE, None))
        .collect::<Result<Vec<_>, _>>()?;
    std::thread::sleep(Duration::from_secs(2));
    let more = Thousand { one_more: true, ..thousand };
    load::configure(lb01, &more.text())?;
    let begun = lab::now();
    daemon.signal(Signal::HUP)?;
    let new = IpAddr::V4(load::service(0, load::EACH + 1));
    let first = captures[0].wait_for("the new address is announced", LIMIT, |record| {
        load::gratuitous(&record.seen).map(IpAddr::V4) == Some(new)
    })?;
    std::thread::sleep(Duration::from_secs(2));
    let mut late = 0.0_f64;
    for capture in &adverts {
        for vrid in SAMPLE {
            let of = |record: &lab::Record| record.advert().is_some_and(|(its, _)| its == vrid);
            let times: Vec<_> = capture.records().iter().filter(|r| of(r)).map(|r| r.at).collect();
            for pair in times.windows(2) {
                late = late.max(ms(pair[1].since(pair[0])) - ms(thousand.interval()));
            }
        }
    }
    Ok(Figures::of(RELOAD_NEW, ms(first.at.since(begun)) - ms(thousand.down())).and(RELOAD_LATE, late))
}

//! Starting and reloading many virtual routers.

use crate::adverts::Sampling;
use crate::figures::{Figures, Party, RELOAD_LATE, RELOAD_NEW, START, START_TWENTY, ms};
use crate::load::{self, Load};
use crate::{Failure, LIMIT, Wish};
use lab::Signal;
use std::net::IpAddr;
use std::time::Duration;

/// From nothing to a thousand Active virtual routers.
pub(crate) fn start(party: Party, _: &Wish) -> Result<Figures, Failure> {
    Ok(Figures::of(START, started(party, Load::thousand(100, 150))?))
}

/// The same with 250 of them and 20 addresses in each.
pub(crate) fn twenty(party: Party, _: &Wish) -> Result<Figures, Failure> {
    let load = Load { cables: 1, addresses: 20, ..Load::thousand(100, 150) };
    Ok(Figures::of(START_TWENTY, started(party, load)?))
}

/// Milliseconds from the call of the program to the last first gratuitous ARP, beyond the protocol's wait.
fn started(party: Party, load: Load) -> Result<f64, Failure> {
    let lab = load::pair(load.cables)?;
    let captures = load::announcements(lab.machine("lb02")?, load.cables)?;
    let begun = lab::now();
    let _daemon = load::start(party, lab.machine("lb01")?, &load.text())?;
    let last = load::all_announced(&captures, load.services())?;
    Ok(ms(last.since(begun)) - ms(load.down()))
}

/// One virtual router more, while a thousand run.
pub(crate) fn reload(party: Party, _: &Wish) -> Result<Figures, Failure> {
    let load = Load::thousand(100, 150);
    let lab = load::pair(load.cables)?;
    let (lb01, lb02) = (lab.machine("lb01")?, lab.machine("lb02")?);
    let captures = load::announcements(lb02, load.cables)?;
    let daemon = load::start(party, lb01, &load.text())?;
    load::all_announced(&captures, load.services())?;
    // Past the second burst of announcements.
    std::thread::sleep(Duration::from_secs(3));
    let sampling = Sampling::start(lb02, load)?;
    std::thread::sleep(Duration::from_secs(2));
    load::configure(lb01, &Load { one_more: true, ..load }.text())?;
    let begun = lab::now();
    daemon.signal(Signal::HUP)?;
    let new = IpAddr::V4(load::service(0, load.each + 1, 1));
    let first = captures[0].wait_for("the new address is announced", LIMIT, |record| {
        load::gratuitous(&record.seen).map(IpAddr::V4) == Some(new)
    })?;
    std::thread::sleep(Duration::from_secs(2));
    let late = sampling.end()?.longest_gap() - ms(load.interval());
    Ok(Figures::of(RELOAD_NEW, ms(first.at.since(begun)) - ms(load.down())).and(RELOAD_LATE, late))
}

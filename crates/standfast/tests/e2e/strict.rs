//! Strict mode, beside Debian's keepalived: whom a strict router does not believe, and that two get on.

use lab::harness::{Outcome, Test};

use crate::conf::{Flavour, LB01, LB02};
use crate::pair::{self, ELECTION, Kind, SOON};

use Kind::{Keepalived, Standfast};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for kind in [Standfast, Keepalived] {
        tests.push(Test::new(format!("strict::rx_14_another_list_is_not_believed::{kind}"), move || {
            another_list(kind)
        }));
    }
    for kinds in [[Standfast, Keepalived], [Keepalived, Standfast]] {
        let name = format!("strict::{}_and_{}_get_on", kinds[0], kinds[1]);
        tests.push(Test::new(name, move || get_on(kinds)));
    }
    tests
}

/// Strict as far as it can be without a filter; keepalived of this version answers then, too.
fn file(name: &str, addresses: &[&str]) -> String {
    let mut instance = Flavour::V3.instance(name).state("BACKUP").line("accept").line("strict_mode");
    instance.addresses = addresses.iter().map(ToString::to_string).collect();
    instance.file()
}

/// The lower priority does not yield to a router whose list is another. Without strict mode ours would; keepalived 2.2.7
/// would not even then.
fn another_list(kind: Kind) -> Outcome {
    let lab = pair::three()?;
    let nodes = pair::nodes(&lab, [kind, kind], |name| match name {
        LB01 => file(name, &["10.0.0.3", "10.0.0.4"]),
        _ => file(name, &["10.0.0.3"]),
    })?;
    let first = nodes[0].start()?;
    first.enters("VI_1", "MASTER", ELECTION)?;
    let second = nodes[1].start()?;
    second.enters("VI_1", "MASTER", ELECTION)?;
    lab.machine(LB02)?.wait_until_holds(Flavour::V3.service(), true, SOON)?;
    Ok(())
}

/// The same list: one is Active, and the other takes over when it ends.
fn get_on(kinds: [Kind; 2]) -> Outcome {
    let lab = pair::three()?;
    let nodes = pair::nodes(&lab, kinds, |name| file(name, &["10.0.0.3"]))?;
    let running = pair::settle(&nodes)?;
    running[0].term()?;
    running[1].enters("VI_1", "MASTER", ELECTION)?;
    lab.machine(LB01)?.wait_until_holds(Flavour::V3.service(), false, SOON)?;
    lab.machine(LB02)?.wait_until_holds(Flavour::V3.service(), true, SOON)?;
    Ok(())
}

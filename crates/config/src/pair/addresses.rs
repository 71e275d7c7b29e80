//! Whether the nodes hold the same addresses.

use super::group::Group;
use super::node::{Member, names};
use crate::diagnostic::Findings;
use crate::registry::Id;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use model::VirtualAddress;

const LISTED: &str = "virtual_ipaddress";
const EXCLUDED: &str = "virtual_ipaddress_excluded";

/// So many addresses are named; the rest is counted.
const NAMED: usize = 4;

/// Compares both lists. keepalived compares them as sets, so the order does not matter.
pub(super) fn compare(group: &Group<'_>, findings: &mut Findings) {
    list(group, LISTED, |m| &m.instance.addresses, findings);
    list(group, EXCLUDED, |m| &m.instance.excluded, findings);
    prefixes(group, findings);
}

fn list<'a>(
    group: &Group<'a>,
    keyword: &str,
    of: impl Fn(&Member<'a>) -> &'a [VirtualAddress],
    findings: &mut Findings,
) {
    let set = |m: &Member<'a>| -> BTreeSet<IpAddr> { of(m).iter().map(|a| a.address).collect() };
    for odd in group.odd(set) {
        let Some(other) = odd.usual.first() else { continue };
        let missing: Vec<IpAddr> = odd.wanted.difference(&odd.has).copied().collect();
        let extra: Vec<IpAddr> = odd.has.difference(&odd.wanted).copied().collect();
        let place = match extra.first() {
            Some(address) => odd.member.entry(keyword, &address.to_string()),
            None => odd.member.line(keyword),
        };
        findings.add(Id::PairAddresses, place, |d| {
            let mut parts = Vec::new();
            if !extra.is_empty() {
                parts.push(format!("{} not in {}", are(&extra), odd.others()));
            }
            if !missing.is_empty() {
                let verb = if missing.len() == 1 { "is" } else { "are" };
                parts.push(format!("{} {verb} missing here", some(&missing)));
            }
            let d = d.say(format!("another `{keyword}` than in {}: {}", odd.others(), parts.join(", ")));
            let d = match missing.first() {
                Some(address) => d.label(other.entry(keyword, &address.to_string()), "only here"),
                None => d.label(other.line(keyword), "the other list"),
            };
            d.help("give all nodes the same list: what one does not hold is gone when it takes over")
        });
    }
}

/// `10.0.0.3 is`, `10.0.0.3 and 10.0.0.4 are`.
fn are(addresses: &[IpAddr]) -> String {
    format!("{} {}", some(addresses), if addresses.len() == 1 { "is" } else { "are" })
}

fn some(addresses: &[IpAddr]) -> String {
    let mut words: Vec<String> = addresses.iter().take(NAMED).map(ToString::to_string).collect();
    if addresses.len() > NAMED {
        words.push(format!("{} more", addresses.len() - NAMED));
    }
    names(words.iter().map(String::as_str))
}

/// The same address with another prefix length: it belongs to another subnet there.
fn prefixes(group: &Group<'_>, findings: &mut Findings) {
    let mut lengths: BTreeMap<IpAddr, Vec<Held<'_, '_>>> = BTreeMap::new();
    for member in &group.members {
        for (list, held) in [(LISTED, &member.instance.addresses), (EXCLUDED, &member.instance.excluded)] {
            for VirtualAddress { address, prefix, .. } in held {
                lengths.entry(*address).or_default().push(Held { member, list, prefix: *prefix });
            }
        }
    }
    for (address, held) in lengths {
        let Some(first) = held.first() else { continue };
        let Some(other) = held.iter().find(|other| other.prefix != first.prefix) else { continue };
        let place = |held: &Held<'_, '_>| held.member.entry(held.list, &address.to_string());
        findings.add(Id::PairPrefix, place(other), |d| {
            let (has, wanted, file) = (other.prefix, first.prefix, first.member.file_name);
            d.say(format!("{address}/{has} here, but {address}/{wanted} in {file}"))
                .label(place(first), format!("/{wanted} here"))
                .help("write the same prefix length on all nodes: the route to the subnet comes and goes with it")
        });
    }
}

/// An address on one node.
struct Held<'m, 'a> {
    member: &'m Member<'a>,
    list: &'static str,
    prefix: u8,
}

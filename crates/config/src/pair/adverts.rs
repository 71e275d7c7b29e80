//! Whether the nodes believe each other's adverts.

use super::group::Group;
use super::node::Member;
use crate::diagnostic::Findings;
use crate::registry::Id;
use alloc::format;
use alloc::string::String;
use core::net::IpAddr;
use model::{Authentication, ChecksumForm, KeyMode, Keyring, Transport};
use wire::{Family, Version};

/// Why different adverts are a disaster.
const BOTH: &str = "the nodes do not hear each other, and more than one holds the address";

/// Compares what is in adverts and how they travel. False: the routers are too different for anything else.
pub(super) fn compare(group: &Group<'_>, findings: &mut Findings) -> bool {
    if families(group, findings) {
        return false;
    }
    vrids(group, findings);
    transports(group, findings);
    multicast_groups(group, findings);
    if versions(group, findings) {
        return true;
    }
    intervals(group, findings);
    authentication(group, findings);
    checksums(group, findings);
    true
}

fn vrids(group: &Group<'_>, findings: &mut Findings) {
    for odd in group.odd(|m| m.instance.settings.vrid) {
        let (has, wanted) = (odd.has, odd.wanted);
        findings.add(Id::PairVrid, odd.member.line("virtual_router_id"), |d| {
            let d = d.say(format!("VRID {has} here, but {wanted} in {}: {BOTH}", odd.others()));
            odd.label(d, |m| m.line("virtual_router_id"), format_args!("{wanted} here"))
                .help("write the same virtual_router_id on all nodes")
        });
    }
}

/// The family follows from the addresses, so it is shown there.
fn families(group: &Group<'_>, findings: &mut Findings) -> bool {
    let odd = group.odd(|m| m.instance.settings.family);
    for odd in &odd {
        let (has, wanted) = (odd.has, odd.wanted);
        findings.add(Id::PairFamily, odd.member.line("virtual_ipaddress"), |d| {
            let d = d.say(format!(
                "adverts travel over {has} here, but over {wanted} in {}: {BOTH}",
                odd.others()
            ));
            odd.label(d, |m| m.line("virtual_ipaddress"), format_args!("{wanted} here"))
                .help("the first address decides about the family: give all nodes the same list")
        });
    }
    !odd.is_empty()
}

fn versions(group: &Group<'_>, findings: &mut Findings) -> bool {
    let odd = group.odd(|m| m.instance.settings.version);
    let place = |m: &Member<'_>| m.line_or_global("version", "vrrp_version");
    for odd in &odd {
        let (has, wanted) = (odd.has, odd.wanted);
        findings.add(Id::PairVersion, place(odd.member), |d| {
            let d = d.say(format!("version {has} here, but {wanted} in {}: {BOTH}", odd.others()));
            odd.label(d, place, format_args!("version {wanted} here"))
                .help("choose the same version on all nodes")
        });
    }
    !odd.is_empty()
}

fn intervals(group: &Group<'_>, findings: &mut Findings) {
    for odd in group.odd(|m| m.instance.settings.interval) {
        let (has, wanted) = (odd.has, odd.wanted);
        let version = odd.member.instance.settings.version;
        let (id, consequence) = match version {
            Version::V2 => (
                Id::PairInterval,
                "version 2 discards adverts with another interval: more than one node holds the address",
            ),
            Version::V3 => {
                (Id::PairIntervalLearnt, "a backup takes the interval of the node that advertises")
            }
        };
        findings.add(id, odd.member.line("advert_int"), |d| {
            let d = d.say(format!(
                "an advert every {has} here, but every {wanted} in {}: {consequence}",
                odd.others()
            ));
            odd.label(d, |m| m.line("advert_int"), format_args!("every {wanted} here"))
                .help("write the same advert_int on all nodes")
        });
    }
}

fn authentication(group: &Group<'_>, findings: &mut Findings) {
    if group.members.iter().any(|m| matches!(m.instance.authentication, Authentication::Keyed(_))) {
        return signatures(group, findings);
    }
    let place = |m: &Member<'_>| m.find("auth_type").unwrap_or_else(|| m.line("authentication"));
    let types = group.odd(|m| kind(&m.instance.authentication));
    for odd in &types {
        let (has, wanted) = (odd.has, odd.wanted);
        findings.add(Id::PairAuthentication, place(odd.member), |d| {
            let d = d.say(format!("{has} here, but {wanted} in {}: {BOTH}", odd.others()));
            odd.label(d, place, format_args!("{wanted} here"))
                .help("write the same authentication block on all nodes")
        });
    }
    if !types.is_empty() {
        return;
    }
    let place = |m: &Member<'_>| m.line("auth_pass");
    for odd in group.odd(|m| m.instance.authentication.clone()) {
        findings.add(Id::PairAuthentication, place(odd.member), |d| {
            let d = d.say(format!("another password here than in {}: {BOTH}", odd.others()));
            odd.label(d, place, "the other password")
                .help("write the same auth_pass on all nodes; the first 8 characters count")
        });
    }
}

const fn kind(authentication: &Authentication) -> &'static str {
    match authentication {
        Authentication::None => "no authentication",
        Authentication::Password(_) => "authentication with PASS",
        Authentication::Header(_) => "authentication with AH",
        Authentication::Keyed(_) => "auth_hmac",
    }
}

/// With `auth_hmac` the nodes may differ, if each believes what the others send: so a key is changed on a running pair.
fn signatures(group: &Group<'_>, findings: &mut Findings) {
    let place = |m: &Member<'_>| m.find("auth_hmac").unwrap_or_else(|| m.line("authentication"));
    let [first, others @ ..] = group.members.as_slice() else { return };
    for other in others {
        let (one, two) = (&first.instance.authentication, &other.instance.authentication);
        let there = disbelief(one, two).map(|why| (why, first, other));
        let back = || disbelief(two, one).map(|why| (why, other, first));
        let Some((why, sender, receiver)) = there.or_else(back) else { continue };
        findings.add(Id::PairAuthentication, place(other), |d| {
            let (sender, receiver) = (sender.file_name, receiver.file_name);
            d.say(format!("{receiver} does not believe the adverts of {sender}: {why}. {BOTH}"))
                .label(place(first), "the other node")
                .help("give all nodes the same keys under the same numbers; only then change `active_key` or `mode`")
        });
    }
}

/// Why adverts of this authentication are not believed by that one.
fn disbelief(sender: &Authentication, receiver: &Authentication) -> Option<String> {
    let unsigned = |ring: &Keyring| {
        (ring.mode == KeyMode::Enforce).then(|| String::from("they are not signed, and it requires that"))
    };
    match (sender, receiver) {
        (Authentication::Keyed(theirs), Authentication::Keyed(ours)) => match theirs.signing_key() {
            None => unsigned(ours),
            Some(key) => match ours.key(theirs.active) {
                None => Some(format!("they are signed with key {}, which it does not have", theirs.active)),
                Some(own) if own != key => Some(format!("its key {} is another one", theirs.active)),
                Some(_) => None,
            },
        },
        // Standfast passes over a trailer that it does not know; keepalived 2.2.7 does not.
        (Authentication::Keyed(theirs), Authentication::None) => theirs.signing_key().map(|_| {
            String::from("they are signed, and keepalived before 2.4 discards what it has no key for")
        }),
        (Authentication::None, Authentication::Keyed(ours)) => unsigned(ours),
        (sender, receiver) => {
            (sender != receiver).then(|| format!("they have {}, and it has {}", kind(sender), kind(receiver)))
        }
    }
}

fn checksums(group: &Group<'_>, findings: &mut Findings) {
    let place = |m: &Member<'_>| m.line_or_global("v3_checksum_as_v2", "v3_checksum_as_v2");
    let counts = group
        .members
        .iter()
        .all(|m| m.instance.settings.version == Version::V3 && m.instance.settings.family == Family::V4);
    if !counts {
        return;
    }
    for odd in group.odd(|m| m.instance.checksum) {
        let text = |form| match form {
            ChecksumForm::PseudoHeader => "includes the IP addresses",
            ChecksumForm::Message => "is that of the message alone",
        };
        let (has, wanted) = (text(odd.has), text(odd.wanted));
        findings.add(Id::PairChecksum, place(odd.member), |d| {
            let d = d.say(format!(
                "the checksum {has} here, but {wanted} in {}: keepalived discards what it does not expect",
                odd.others()
            ));
            odd.label(d, place, format_args!("it {wanted} here"))
                .help("write v3_checksum_as_v2 on all nodes or on none")
        });
    }
}

fn transports(group: &Group<'_>, findings: &mut Findings) {
    let place = |m: &Member<'_>| m.line("unicast_peer");
    for odd in group.odd(|m| matches!(m.instance.transport, Transport::Unicast { .. })) {
        let word = |unicast| if unicast { "unicast" } else { "multicast" };
        let (has, wanted) = (word(odd.has), word(odd.wanted));
        findings.add(Id::PairTransport, place(odd.member), |d| {
            let d = d.say(format!("adverts go by {has} here, but by {wanted} in {}: {BOTH}", odd.others()));
            odd.label(d, place, format_args!("{wanted} here"))
                .help("list the partners in `unicast_peer` on all nodes, or on none")
        });
    }
}

fn multicast_groups(group: &Group<'_>, findings: &mut Findings) {
    let to = |m: &Member<'_>| -> Option<IpAddr> {
        let Transport::Multicast { group, .. } = m.instance.transport else { return None };
        Some(group.unwrap_or(match m.instance.settings.family {
            Family::V4 => m.host.group_v4.into(),
            Family::V6 => m.host.group_v6.into(),
        }))
    };
    let place = |m: &Member<'_>| {
        let global = match m.instance.settings.family {
            Family::V4 => "vrrp_mcast_group4",
            Family::V6 => "vrrp_mcast_group6",
        };
        m.line_or_global("mcast_dst_ip", global)
    };
    for odd in group.odd(to) {
        // A unicast node was told of already.
        let (Some(has), Some(wanted)) = (odd.has, odd.wanted) else { continue };
        findings.add(Id::PairGroup, place(odd.member), |d| {
            let d = d.say(format!("adverts go to {has} here, but to {wanted} in {}: {BOTH}", odd.others()));
            odd.label(d, place, format_args!("to {wanted} here")).help("use the same group on all nodes")
        });
    }
}

//! Whether unicast nodes send their adverts to each other, from addresses of their own.

use super::group::{Group, files};
use super::node::Member;
use crate::diagnostic::Findings;
use crate::registry::Id;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use model::Peer;

/// Compares source addresses and peer lists.
pub(super) fn compare(group: &Group<'_>, findings: &mut Findings) {
    let shared = same_sources(group, findings);
    if !shared {
        for target in &group.members {
            omitted(group, target, findings);
        }
        same_lists(group, findings);
    }
}

/// Two nodes that send from one address: one of the files was copied.
fn same_sources(group: &Group<'_>, findings: &mut Findings) -> bool {
    let mut found = false;
    for (index, member) in group.members.iter().enumerate() {
        let Some(source) = member.source() else { continue };
        let Some(first) = group.members[..index].iter().find(|m| m.source() == Some(source)) else {
            continue;
        };
        found = true;
        findings.add(Id::PairSameSource, member.source_line(), |d| {
            d.say(format!("adverts are sent from {source} here and in {}", first.file_name))
                .label(first.source_line(), "the same address here")
                .help("write each node's own address")
        });
    }
    found
}

/// Who sends nothing to this node, although its address is known.
fn omitted(group: &Group<'_>, target: &Member<'_>, findings: &mut Findings) {
    let (Some(_), Some(source)) = (target.peers(), target.source()) else { return };
    let others = group.members.iter().filter(|m| m.file != target.file && m.peers().is_some());
    let (listing, silent): (Vec<&Member<'_>>, Vec<&Member<'_>>) = others.partition(|m| m.lists(source));
    if silent.len() > 1 && listing.is_empty() {
        // Everybody omits it: rather its own address is the odd one.
        findings.add(Id::PairPeer, target.source_line(), |d| {
            let d = d.say(format!("no partner lists {source} in its `unicast_peer`"));
            let d = silent.iter().fold(d, |d, m| d.label(m.line("unicast_peer"), "it is not in this list"));
            d.help(format!("add {source} to `unicast_peer` in {}", files(&silent)))
        });
        return;
    }
    for member in silent {
        findings.add(Id::PairPeer, member.line("unicast_peer"), |d| {
            let file = target.file_name;
            d.say(format!("{source} of {file} is no `unicast_peer` here: {file} does not hear this node, and both hold the address"))
                .label(target.source_line(), "the address that is not in the list")
                .help(format!("add {source} to this `unicast_peer`"))
        });
    }
}

/// Two lists that are equal and name one address: one of the two nodes must be naming itself.
fn same_lists(group: &Group<'_>, findings: &mut Findings) {
    let [first, second] = &*group.members else { return };
    let (Some([Peer { address: peer, .. }]), Some([other])) = (first.peers(), second.peers()) else { return };
    let known = first.source().is_some() && second.source().is_some();
    if *peer != other.address || known {
        return;
    }
    let place = |m: &Member<'_>| m.entry("unicast_peer", &peer.to_string());
    findings.add(Id::PairPeer, place(second), |d| {
        d.say(format!(
            "{peer} is the only `unicast_peer` here and in {}: one of the two names itself",
            first.file_name
        ))
        .label(place(first), "the same peer here")
        .help("list the partner's address on each node")
    });
}

//! BFD sessions that will not do what they are written for.

use super::Advice;
use crate::diagnostic::Findings;
use crate::lower::TrackerKind;
use crate::registry::Id;
use crate::source::Span;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use core::net::IpAddr;
use model::{Bfd, Tracked, Transport};

/// Machines, virtual ones above all, pause so long now and then: microseconds.
const PAUSE: u32 = 50_000;

impl Advice<'_> {
    pub(super) fn bfd(&self, findings: &mut Findings) {
        if self.host.bfd.is_empty() {
            return;
        }
        let instances = || self.instances.iter().map(|placed| &placed.instance);
        let own = instances().flat_map(|instance| &instance.tracking.bfd);
        let grouped = self.host.groups.iter().flat_map(|group| &group.tracking.bfd);
        let tracked: BTreeSet<&str> = own.chain(grouped).map(|tracked| &*tracked.name).collect();
        let held = instances().flat_map(|i| i.held_addresses().map(|a| (a.address, &*i.name)));
        let held: BTreeMap<IpAddr, &str> = held.collect();
        self.partners(findings);
        for (bfd, span) in self.host.bfd.iter().zip(self.bfd) {
            if tracked.contains(&*bfd.name) {
                tight(bfd, *span, findings);
            }
            path(bfd, &held, *span, findings);
        }
    }
}

impl Advice<'_> {
    /// Who is in FAULT because its partner is gone is of no use when the partner is gone.
    fn partners(&self, findings: &mut Findings) {
        let neighbors: BTreeMap<&str, IpAddr> =
            self.host.bfd.iter().map(|bfd| (&*bfd.name, bfd.neighbor)).collect();
        for placed in self.instances {
            let Transport::Unicast { peers, .. } = &placed.instance.transport else { continue };
            let peers: BTreeSet<IpAddr> = peers.iter().map(|peer| peer.address).collect();
            for line in placed.lines.iter().filter(|line| line.kind == TrackerKind::Bfd) {
                let Tracked { name, weight } = &line.tracked;
                let neighbor = neighbors.get(&**name).filter(|neighbor| peers.contains(neighbor));
                let Some(neighbor) = neighbor.filter(|_| weight.value == 0 && !weight.reverse) else {
                    continue;
                };
                findings.add(Id::BfdPartner, line.span, |d| {
                    d.say(format!(
                        "when the partner {neighbor} is gone, `{}` is in FAULT too: nobody has the addresses",
                        placed.instance.name
                    ))
                    .help("watch what lies beyond both, a gateway, or give the session a weight")
                });
            }
        }
    }
}

/// The neighbour decides how many packets may be missed; who is as strict as this side gives up after this time.
fn tight(bfd: &Bfd, span: Span, findings: &mut Findings) {
    let settings = &bfd.settings;
    let silence = settings.min_rx.max(settings.min_tx).saturating_mul(settings.multiplier.into());
    if silence > PAUSE {
        return;
    }
    findings.add(Id::BfdTight, span, |d| {
        d.say(format!(
            "{} ms of silence and the session `{}` is down: a busy or virtual machine pauses longer",
            silence.div_ceil(1000),
            bfd.name
        ))
        .help("`min_rx 100` and `min_tx 100` on both sides, with `multiplier 3`, survive such pauses")
    });
}

fn path(bfd: &Bfd, held: &BTreeMap<IpAddr, &str>, span: Span, findings: &mut Findings) {
    let name = &bfd.name;
    let is_local = |address: IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if is_local(bfd.neighbor) && !bfd.source.is_some_and(is_local) {
        findings.add(Id::BfdPath, span, |d| {
            d.say(format!(
                "nothing says on which interface {} of `{name}` is: no packet can be sent",
                bfd.neighbor
            ))
            .help("write the link-local address of that interface as `source_ip`")
        });
    }
    if bfd.multihop && bfd.max_hops == Some(0) {
        findings.add(Id::BfdPath, span, |d| {
            d.say(format!("`{name}` may go over several hops, and believes nothing that made one"))
                .help("say with `max_hops` how many there are at most; -1 is any number")
        });
    }
    if let Some((source, instance)) = bfd.source.and_then(|source| Some((source, held.get(&source)?))) {
        findings.add(Id::BfdPath, span, |d| {
            d.say(format!(
                "`{name}` speaks from {source}, an address of `{instance}`: without it the session is down"
            ))
            .help("write an address as `source_ip` that this machine has for itself")
        });
    }
    if let Some(instance) = held.get(&bfd.neighbor) {
        findings.add(Id::BfdPath, span, |d| {
            d.say(format!(
                "the neighbour of `{name}` is an address of `{instance}`: while this machine holds it, it is nobody else's"
            ))
            .help("write an address as `neighbor_ip` that the other machine has for itself")
        });
    }
}

//! Which instances of the nodes belong together.
//!
//! A VRID that differs must not hide the partner, so no single fact decides: a common address is enough, and
//! so are two of: the VRID, the name, and a neighbourhood (addresses of one network, or unicast peers that
//! point at each other).

use super::group::Group;
use super::node::{File, Files, Member, names};
use crate::diagnostic::Findings;
use crate::registry::Id;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::IpAddr;

/// What [`matched`] found.
#[derive(Debug)]
pub(super) struct Matched<'a> {
    /// Instances that belong together.
    pub(super) groups: Vec<Group<'a>>,
    /// An instance, and the names of the nodes of its cluster that have no such instance.
    pub(super) alone: Vec<(Member<'a>, Vec<&'a str>)>,
}

/// Matches the instances of all files. Says which files are copies of others, and which are strangers.
pub(super) fn matched<'a>(files: &Files<'a>, findings: &mut Findings) -> Matched<'a> {
    let copies = copies(files, findings);
    let chosen: Vec<usize> = (0..files.list.len())
        .filter(|index| !copies.contains(index) && !files.list[*index].node.host.instances.is_empty())
        .collect();
    let mut routers: Vec<Vec<Member<'a>>> = Vec::new();
    for index in &chosen {
        add(&mut routers, files.members(*index).collect(), chosen.len() > 2);
    }
    let clusters = clusters(&chosen, &routers);
    strangers(files, &clusters, findings);
    let alone = routers.iter().filter_map(|router| lacking(files, &clusters, router)).collect();
    let groups = routers.into_iter().filter(|router| router.len() > 1);
    Matched { groups: groups.map(|members| Group { members }).collect(), alone }
}

/// Tells of an instance that some nodes do not have.
pub(super) fn say_alone(member: &Member<'_>, missing: &[&str], findings: &mut Findings) {
    findings.add(Id::PairAlone, member.header(), |d| {
        let name = &member.instance.name;
        d.say(format!("`{name}` has no partner in {}", names(missing.iter().copied())))
            .help("when this node fails, nobody takes these addresses: configure the instance there too")
    });
}

/// Files with the text of an earlier one that are not compared: the same file once more, or one whose `@ID` lines
/// make it another on each node. Any other copy was put on a second node unchanged, and what follows is said.
fn copies(files: &Files<'_>, findings: &mut Findings) -> BTreeSet<usize> {
    let texts = |file: &File<'_>| -> Vec<Vec<u8>> {
        let sources = file.node.sources;
        sources.files().map(|id| sources.bytes(id).to_vec()).collect()
    };
    let mut known = BTreeMap::new();
    let mut copies = BTreeSet::new();
    for (index, file) in files.list.iter().enumerate() {
        let first = *known.entry(texts(file)).or_insert(index);
        if first != index {
            let first = &files.list[first];
            let by_id = texts(file).iter().any(|text| text.split(|b| *b == b'\n').any(conditional));
            let skipped = by_id || first.name == file.name;
            if skipped {
                copies.insert(index);
            }
            let so = if skipped { "there is nothing to compare" } else { "nothing tells the nodes apart" };
            findings.add(Id::PairSameText, file.start, |d| {
                d.say(format!("this is the same text as in {}: {so}", first.name))
                    .help("name the files of different nodes; with `@ID` lines, one file says something else on each node")
            });
        }
    }
    copies
}

/// Whether a line holds on some nodes only.
fn conditional(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"@")
}

/// Adds the instances of one more node to the routers that they belong to, the surest first.
fn add<'a>(routers: &mut Vec<Vec<Member<'a>>>, members: Vec<Member<'a>>, many: bool) {
    let mut candidates = Vec::new();
    {
        let index = Index::of(routers);
        for (m, member) in members.iter().enumerate() {
            for r in index.near(member) {
                let best = routers[r].iter().filter_map(|other| evidence(other, member, many)).max();
                candidates.extend(best.map(|score| (Reverse(score), m, r)));
            }
        }
    }
    candidates.sort_unstable();
    let mut home: Vec<Option<usize>> = members.iter().map(|_| None).collect();
    let mut full = BTreeSet::new();
    for (_, m, r) in candidates {
        if home[m].is_none() && full.insert(r) {
            home[m] = Some(r);
        }
    }
    for (member, home) in members.into_iter().zip(home) {
        match home {
            Some(router) => routers[router].push(member),
            None => routers.push(Vec::from([member])),
        }
    }
}

/// How sure it is that two instances are one virtual router; `None`: not enough. Who names two files means a
/// pair. Among many files there may be several clusters, and half the world calls its router `VI_1` and 51: then
/// the addresses must not contradict.
fn evidence(a: &Member<'_>, b: &Member<'_>, many: bool) -> Option<u32> {
    let mut score = 0;
    let shared = a.instance.addresses.iter().any(|address| b.holds(address.address));
    if shared {
        score += 6;
    }
    if a.instance.settings.vrid == b.instance.settings.vrid {
        score += 3;
    }
    if a.instance.name == b.instance.name {
        score += 3;
    }
    if !shared {
        let near = neighbours(a, b) || points(a, b) || points(b, a);
        let unknown = a.instance.addresses.is_empty() || b.instance.addresses.is_empty();
        if many && !near && !unknown {
            return None;
        }
        score += if near { 3 } else { 0 };
    }
    if score < 6 {
        return None;
    }
    let same_family = a.instance.settings.family == b.instance.settings.family;
    let same_interface = a.instance.home == b.instance.home;
    Some(score * 4 + u32::from(same_family) * 2 + u32::from(same_interface))
}

/// Whether they hold addresses of one network.
fn neighbours(a: &Member<'_>, b: &Member<'_>) -> bool {
    let ours: BTreeSet<_> = a.instance.addresses.iter().map(|held| network(held.address)).collect();
    b.instance.addresses.iter().any(|held| ours.contains(&network(held.address)))
}

/// The network of an address, as far as it can be guessed: /24 or /64.
fn network(address: IpAddr) -> (u8, u64) {
    match address {
        IpAddr::V4(v4) => (4, u64::from(v4.to_bits() >> 8)),
        IpAddr::V6(v6) => (6, u64::try_from(v6.to_bits() >> 64).unwrap_or_default()),
    }
}

/// Whether `a` sends its adverts to `b`.
fn points(a: &Member<'_>, b: &Member<'_>) -> bool {
    b.source().is_some_and(|source| a.lists(source))
}

/// Why two instances with one VRID are looked at: one of these is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Near {
    /// A network with addresses of both.
    Network((u8, u64)),
    /// An address that sends adverts on one side and gets them on the other.
    Peer(IpAddr),
    Source(IpAddr),
}

/// Finds the routers that [`evidence`] may be enough for. Comparing each with each would take minutes for ten
/// thousand, even only those with one VRID: a host may use one VRID on thousands of VLANs.
struct Index<'r> {
    near: BTreeMap<(u8, Near), Vec<usize>>,
    names: BTreeMap<&'r str, Vec<usize>>,
    addresses: BTreeMap<IpAddr, Vec<usize>>,
}

impl<'r> Index<'r> {
    fn of(routers: &'r [Vec<Member<'_>>]) -> Self {
        let mut index = Self { near: BTreeMap::new(), names: BTreeMap::new(), addresses: BTreeMap::new() };
        for (r, router) in routers.iter().enumerate() {
            for member in router {
                let instance = member.instance;
                let vrid = instance.settings.vrid.get();
                for held in &instance.addresses {
                    note(&mut index.near, (vrid, Near::Network(network(held.address))), r);
                }
                for peer in member.peers().into_iter().flatten() {
                    note(&mut index.near, (vrid, Near::Peer(peer.address)), r);
                }
                if let Some(source) = member.source() {
                    note(&mut index.near, (vrid, Near::Source(source)), r);
                }
                note(&mut index.names, &*instance.name, r);
                for held in instance.held_addresses() {
                    note(&mut index.addresses, held.address, r);
                }
            }
        }
        index
    }

    fn near(&self, member: &Member<'_>) -> BTreeSet<usize> {
        let instance = member.instance;
        let vrid = instance.settings.vrid.get();
        let by_address = instance.held_addresses().filter_map(|held| self.addresses.get(&held.address));
        let networks = instance.addresses.iter().map(|held| Near::Network(network(held.address)));
        let sources = member.peers().into_iter().flatten().map(|peer| Near::Source(peer.address));
        let near = networks.chain(sources).chain(member.source().map(Near::Peer));
        let by_vrid = near.filter_map(|near| self.near.get(&(vrid, near)));
        let by_name = self.names.get(&*instance.name);
        by_address.chain(by_vrid).chain(by_name).flatten().copied().collect()
    }
}

/// Adds a router, once in a row: an instance may have many addresses in one network.
fn note<K: Ord>(map: &mut BTreeMap<K, Vec<usize>>, key: K, router: usize) {
    let list = map.entry(key).or_default();
    if list.last() != Some(&router) {
        list.push(router);
    }
}

/// Files that are one cluster because they have routers in common.
fn clusters(chosen: &[usize], routers: &[Vec<Member<'_>>]) -> Vec<BTreeSet<usize>> {
    let mut clusters: Vec<BTreeSet<usize>> = chosen.iter().map(|file| BTreeSet::from([*file])).collect();
    for router in routers.iter().filter(|router| router.len() > 1) {
        let files: BTreeSet<usize> = router.iter().map(|member| member.file).collect();
        let (touched, mut rest): (Vec<_>, Vec<_>) =
            clusters.into_iter().partition(|cluster| !cluster.is_disjoint(&files));
        rest.push(touched.into_iter().flatten().collect());
        clusters = rest;
    }
    clusters.sort();
    clusters
}

/// Says which files have nothing to do with the others.
fn strangers(files: &Files<'_>, clusters: &[BTreeSet<usize>], findings: &mut Findings) {
    if clusters.len() < 2 {
        return;
    }
    let file = |index: &usize| &files.list[*index];
    let all_single = clusters.iter().all(|cluster| cluster.len() == 1);
    let single = clusters.iter().filter(|cluster| cluster.len() == 1);
    // When nothing belongs to anything, one line says it.
    for lonely in single.flatten().skip(usize::from(all_single)).take(if all_single { 1 } else { usize::MAX })
    {
        let others = clusters.iter().flatten().filter(|other| *other != lonely);
        let others = names(others.map(|other| file(other).name));
        findings.add(Id::PairStrangers, file(lonely).start, |d| {
            d.say(format!("this file has no virtual router in common with {others}: it is checked by itself"))
                .help("files of one cluster have the same VRIDs and addresses")
        });
    }
}

/// A router that some node of its cluster does not have.
fn lacking<'a>(
    files: &Files<'a>,
    clusters: &[BTreeSet<usize>],
    router: &[Member<'a>],
) -> Option<(Member<'a>, Vec<&'a str>)> {
    let first = router.first()?;
    let cluster = clusters.iter().find(|cluster| cluster.contains(&first.file))?;
    let has = |index: usize| router.iter().any(|member| member.file == index);
    // An instance that is there, but broken, was reported already.
    let broken = |file: &File<'_>| file.node.places.instance(&first.instance.name).is_some();
    let missing = cluster.iter().filter(|index| !has(**index)).map(|index| &files.list[*index]);
    let missing: Vec<&str> = missing
        .filter(|file| !broken(file) || understood(file, &first.instance.name))
        .map(|file| file.name)
        .collect();
    (!missing.is_empty()).then_some((*first, missing))
}

fn understood(file: &File<'_>, name: &str) -> bool {
    file.node.host.instances.iter().any(|instance| &*instance.name == name)
}

//! The files that are compared, and the instances in them with their places.

use super::Node;
use crate::source::Span;
use crate::{BlockPlaces, Places};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Host, Instance, Peer, SyncGroup, Transport};

/// One file among those that are compared.
#[derive(Debug)]
pub(super) struct File<'a> {
    pub(super) node: Node<'a>,
    /// Its name in messages: as short as the other names allow.
    pub(super) name: &'a str,
    /// Its start.
    pub(super) start: Span,
}

/// All files that have something to compare.
#[derive(Debug)]
pub(super) struct Files<'a> {
    pub(super) list: Vec<File<'a>>,
}

impl<'a> Files<'a> {
    pub(super) fn new(nodes: &[Node<'a>]) -> Self {
        let mut list = Vec::with_capacity(nodes.len());
        for node in nodes {
            if let Some(root) = node.sources.roots().first() {
                let start = Span { file: *root, start: 0, end: 0 };
                list.push(File { node: *node, name: node.sources.name(*root), start });
            }
        }
        let mut short: Vec<&str> = list.iter().map(|file| last_part(file.name)).collect();
        short.sort_unstable();
        if short.windows(2).all(|pair| pair[0] != pair[1]) {
            for file in &mut list {
                file.name = last_part(file.name);
            }
        }
        Self { list }
    }

    /// The instances of a file.
    pub(super) fn members(&self, index: usize) -> impl Iterator<Item = Member<'a>> {
        let file = &self.list[index];
        let (node, name, start) = (file.node, file.name, file.start);
        let mut groups: BTreeMap<&str, &SyncGroup> = BTreeMap::new();
        for group in &node.host.groups {
            groups.extend(group.members.iter().map(|name| (&**name, group)));
        }
        node.host.instances.iter().map(move |instance| Member {
            file: index,
            file_name: name,
            host: node.host,
            instance,
            group: groups.get(&*instance.name).copied(),
            places: node.places.instance(&instance.name),
            all_places: node.places,
            globals: node.places.block("global_defs", ""),
            start,
        })
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// One node's instance in a comparison.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    /// Which file.
    pub(super) file: usize,
    /// Its name in messages.
    pub(super) file_name: &'a str,
    pub(super) host: &'a Host,
    pub(super) instance: &'a Instance,
    /// The sync group that it is in.
    pub(super) group: Option<&'a SyncGroup>,
    places: Option<&'a BlockPlaces>,
    all_places: &'a Places,
    globals: Option<&'a BlockPlaces>,
    start: Span,
}

impl<'a> Member<'a> {
    /// The line with a keyword in the instance.
    pub(super) fn find(&self, keyword: &str) -> Option<Span> {
        self.places?.find(keyword)
    }

    /// The line with a keyword, or the line that opens the instance.
    pub(super) fn line(&self, keyword: &str) -> Span {
        self.find(keyword).unwrap_or_else(|| self.header())
    }

    /// The line with a keyword, or the one in `global_defs` that sets its default.
    pub(super) fn line_or_global(&self, keyword: &str, global: &str) -> Span {
        let global = || self.globals?.find(global);
        self.find(keyword).or_else(global).unwrap_or_else(|| self.header())
    }

    /// The line that opens the instance.
    pub(super) fn header(&self) -> Span {
        self.places.map_or(self.start, |places| places.header)
    }

    /// An entry of a list.
    pub(super) fn entry(&self, list: &str, word: &str) -> Span {
        self.places.map_or(self.start, |places| places.entry(list, word))
    }

    /// An entry of a list of a sync group.
    pub(super) fn group_entry(&self, group: &SyncGroup, list: &str, word: &str) -> Span {
        let places = self.all_places.block("vrrp_sync_group", &group.name);
        places.map_or(self.start, |places| places.entry(list, word))
    }

    /// Whether it tracks something of that name in its text, even if that was dropped with a finding.
    pub(super) fn mentions(&self, name: &str) -> bool {
        let lists = ["track_script", "track_process", "track_file", "track_bfd"];
        lists.iter().any(|list| self.find(list).is_some_and(|line| self.entry(list, name) != line))
    }

    /// The source address that was chosen for its adverts.
    pub(super) fn source(&self) -> Option<IpAddr> {
        match self.instance.transport {
            Transport::Multicast { source, .. } | Transport::Unicast { source, .. } => source,
        }
    }

    /// The line that chose it.
    pub(super) fn source_line(&self) -> Span {
        self.find("unicast_src_ip").or_else(|| self.find("mcast_src_ip")).unwrap_or_else(|| self.header())
    }

    /// Its unicast peers; `None`: it speaks multicast.
    pub(super) fn peers(&self) -> Option<&'a [Peer]> {
        match &self.instance.transport {
            Transport::Multicast { .. } => None,
            Transport::Unicast { peers, .. } => Some(peers),
        }
    }

    /// Whether an address is among its unicast peers.
    pub(super) fn lists(&self, address: IpAddr) -> bool {
        self.peers().is_some_and(|peers| peers.iter().any(|peer| peer.address == address))
    }

    /// Whether an address is among those it holds, the listed and the unlisted ones.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        self.instance.held_addresses().any(|held| held.address == address)
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn names<'m>(members: impl IntoIterator<Item = &'m str>) -> String {
    let list: Vec<&str> = members.into_iter().collect();
    let mut text = String::new();
    for (index, name) in list.iter().enumerate() {
        text.push_str(match index {
            0 => "",
            _ if index + 1 == list.len() => " and ",
            _ => ", ",
        });
        text.push_str(name);
    }
    text
}

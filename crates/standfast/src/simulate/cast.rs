//! Who plays: the nodes with their names, and what they keep alive together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use model::{Host, Instance};

/// The nodes of a cluster, and what they serve.
#[derive(Debug)]
pub(crate) struct Cast {
    /// The nodes, in the order of the files.
    pub(crate) nodes: Vec<Node>,
    /// What they serve, in the order of the first node that has it.
    pub(crate) services: Vec<Service>,
}

/// One machine.
#[derive(Debug)]
pub(crate) struct Node {
    /// How it is called here.
    pub(crate) name: Arc<str>,
    /// Its configuration.
    pub(crate) host: Host,
}

/// What is one and the same instance on several nodes.
#[derive(Debug)]
pub(crate) struct Service {
    /// The name on the first node that has it.
    pub(crate) name: Arc<str>,
    /// The number of the instance on each node.
    pub(crate) on: Vec<Option<usize>>,
}

impl Cast {
    /// The cast of these configurations.
    pub(crate) fn new(hosts: Vec<(&Path, Host)>) -> Self {
        let names = names(&hosts);
        let nodes: Vec<Node> =
            hosts.into_iter().zip(names).map(|((_, host), name)| Node { name, host }).collect();
        let services = services(&nodes);
        Self { nodes, services }
    }

    /// The name of a node.
    pub(crate) fn name(&self, node: usize) -> &str {
        self.nodes.get(node).map_or("?", |node| &node.name)
    }

    /// The number of the node with this name.
    pub(crate) fn node(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| &*node.name == name)
    }

    /// The number of the service that any node calls so.
    pub(crate) fn service(&self, name: &str) -> Option<usize> {
        let called = |service: usize| self.members(service).any(|(_, instance)| &*instance.name == name);
        let first = self.services.iter().position(|service| &*service.name == name);
        first.or_else(|| (0..self.services.len()).find(|service| called(*service)))
    }

    /// The instance of a service on a node.
    pub(crate) fn instance(&self, service: usize, node: usize) -> Option<&Instance> {
        let number = (*self.services.get(service)?.on.get(node)?)?;
        self.nodes.get(node)?.host.instances.get(number)
    }

    /// The nodes that have a service, each with its instance.
    pub(crate) fn members(&self, service: usize) -> impl Iterator<Item = (usize, &Instance)> {
        (0..self.nodes.len()).filter_map(move |node| Some((node, self.instance(service, node)?)))
    }

    /// The addresses of a service, those that are listed in adverts first.
    pub(crate) fn addresses(&self, service: usize) -> Vec<IpAddr> {
        let mut seen = BTreeSet::new();
        let all = self.members(service).flat_map(|(_, instance)| instance.held_addresses());
        all.map(|held| held.address).filter(|address| seen.insert(*address)).collect()
    }

    /// `10.0.0.3`, `10.0.0.3 and 19 more`.
    pub(crate) fn address_words(&self, service: usize) -> String {
        let addresses = self.addresses(service);
        match &addresses[..] {
            [] => "no address".to_owned(),
            [only] => only.to_string(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        }
    }
}

/// The `router_id`s if they tell the nodes apart; else the names of the files, of their directories, or numbers.
fn names(hosts: &[(&Path, Host)]) -> Vec<Arc<str>> {
    let of_router = |(_, host): &(&Path, Host)| host.router_id.clone();
    let of_file = |(path, _): &(&Path, Host)| Some(path.file_stem()?.to_string_lossy().into_owned());
    let of_directory =
        |(path, _): &(&Path, Host)| Some(path.parent()?.file_name()?.to_string_lossy().into_owned());
    let each = |way: fn(&(&Path, Host)) -> Option<String>| -> Vec<String> {
        hosts.iter().filter_map(way).filter(|name| is_name(name)).collect()
    };
    for found in [each(of_router), each(of_file), each(of_directory)] {
        let different: BTreeSet<&String> = found.iter().collect();
        if different.len() == hosts.len() {
            return found.iter().map(|name| name.as_str().into()).collect();
        }
    }
    (1..=hosts.len()).map(|number| format!("lb{number:02}").into()).collect()
}

/// Whether it can stand in a scenario without being taken for something else.
fn is_name(name: &str) -> bool {
    let letters = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.len() <= 64 && name.chars().all(letters) && name.starts_with(char::is_alphanumeric)
}

/// Instances of different nodes belong together when they serve the same address, or have the same name.
fn services(nodes: &[Node]) -> Vec<Service> {
    let mut list: Vec<Service> = Vec::new();
    let mut by_address: BTreeMap<IpAddr, usize> = BTreeMap::new();
    let mut by_name: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    for (n, node) in nodes.iter().enumerate() {
        for (number, instance) in node.host.instances.iter().enumerate() {
            let free = |service: &usize| list.get(*service).is_some_and(|s| s.on.get(n) == Some(&None));
            let addresses = instance.held_addresses().map(|held| held.address);
            let same = addresses.filter_map(|address| by_address.get(&address).copied()).find(free);
            let same = same.or_else(|| by_name.get(&instance.name).copied().filter(free));
            let service = same.unwrap_or_else(|| {
                list.push(Service { name: instance.name.clone(), on: vec![None; nodes.len()] });
                list.len() - 1
            });
            if let Some(place) = list.get_mut(service).and_then(|service| service.on.get_mut(n)) {
                *place = Some(number);
            }
            for held in instance.held_addresses() {
                by_address.entry(held.address).or_insert(service);
            }
            by_name.entry(instance.name.clone()).or_insert(service);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast(ids: [Option<&str>; 2], paths: [&str; 2]) -> Vec<String> {
        let host = |id: Option<&str>| Host { router_id: id.map(str::to_owned), ..Host::default() };
        let hosts = vec![(Path::new(paths[0]), host(ids[0])), (Path::new(paths[1]), host(ids[1]))];
        Cast::new(hosts).nodes.iter().map(|node| node.name.to_string()).collect()
    }

    #[test]
    fn nodes_are_called_as_they_can_be_told_apart() {
        assert_eq!(cast([Some("a"), Some("b")], ["x.conf", "y.conf"]), ["a", "b"]);
        assert_eq!(cast([Some("a"), Some("a")], ["x.conf", "y.conf"]), ["x", "y"]);
        assert_eq!(cast([None, Some("b")], ["e/lb1/k.conf", "e/lb2/k.conf"]), ["lb1", "lb2"]);
        assert_eq!(cast([Some("my lb"), Some("b")], ["k.conf", "k.conf"]), ["lb01", "lb02"]);
    }
}

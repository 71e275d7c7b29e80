//! Services that live alike: hundreds of instances on one pair do the same, and are told of once.

use std::time::Duration;

use timeline::Instant;

use super::cast::Cast;
use super::history::{HANDOVER, History};

/// Changes at times that differ by less are the same change.
const NEAR: Duration = Duration::from_millis(500);

/// Services that live alike, the first one first.
pub(crate) type Group = Vec<usize>;

/// Groups of services: first those with which most happens, then in the order of their first ones.
pub(crate) fn groups(cast: &Cast, history: &History) -> Vec<Group> {
    let mut groups: Vec<(Sketch, Group)> = Vec::new();
    for service in 0..cast.services.len() {
        let sketch = Sketch::of(cast, history, service);
        match groups.iter_mut().find(|(known, _)| known.is_like(&sketch)) {
            Some((_, group)) => group.push(service),
            None => groups.push((sketch, vec![service])),
        }
    }
    groups.sort_by_key(|(sketch, _)| std::cmp::Reverse(sketch.owners.len()));
    groups.into_iter().map(|(_, group)| group).collect()
}

/// What matters of a life: who could own it, and who did when, without the moments of passing on.
struct Sketch {
    members: Vec<usize>,
    owners: Vec<(Instant, Vec<usize>)>,
}

impl Sketch {
    fn of(cast: &Cast, history: &History, service: usize) -> Self {
        let members = cast.members(service).map(|(node, _)| node).collect();
        let mut owners: Vec<(Instant, Vec<usize>)> = Vec::new();
        let spans = history.lives.get(service).into_iter().flat_map(|life| life.owners.spans(history.end));
        for (span, who) in spans.filter(|(span, _)| span.length() >= HANDOVER) {
            if owners.last().is_none_or(|(_, last)| last != who) {
                owners.push((span.from, who.clone()));
            }
        }
        Self { members, owners }
    }

    fn is_like(&self, other: &Self) -> bool {
        let near = |a: Instant, b: Instant| a.max(b).since(a.min(b)) < NEAR;
        self.members == other.members
            && self.owners.len() == other.owners.len()
            && self.owners.iter().zip(&other.owners).all(|(a, b)| a.1 == b.1 && near(a.0, b.0))
    }
}

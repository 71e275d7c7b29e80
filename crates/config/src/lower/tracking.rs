//! The lines that track something by name, in an instance or a group.

use super::Lower;
use super::trackers::{Defined, Kind, Trackers};
use crate::registry::Id;
use crate::source::Span;
use crate::tree::At;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use model::{Tracked, Tracking};

/// Something that is tracked, with its place.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) kind: Kind,
    pub(crate) tracked: Tracked,
    pub(crate) span: Span,
}

/// The lines as the model has them.
pub(super) fn tracking(lines: &[Line]) -> Tracking {
    let of = |kind| lines.iter().filter(|l| l.kind == kind).map(|l| l.tracked.clone()).collect();
    Tracking {
        scripts: of(Kind::Script),
        processes: of(Kind::Process),
        files: of(Kind::File),
        bfd: of(Kind::Bfd),
    }
}

impl Lower<'_> {
    /// Reads one list. `index`: the place of the block around it among the blocks of the file.
    pub(super) fn track(
        &mut self,
        list: At<'_, '_>,
        kind: Kind,
        index: usize,
        trackers: &mut Trackers,
        out: &mut Vec<Line>,
    ) {
        self.extra(list, 0);
        let before = out.iter().filter(|line| line.kind == kind);
        let mut seen: BTreeSet<Arc<str>> = before.map(|line| line.tracked.name.clone()).collect();
        for at in list.children() {
            let words = at.words();
            let Some(first) = words.first() else { continue };
            let name: Arc<str> = Arc::from(&*String::from_utf8_lossy(&first.text));
            let default = self.resolve(kind, &name, first.span, index, trackers);
            let of = format!("a tracked {}", kind.noun());
            let weight = self.weight_options(words, kind.limit(), &of, default.unwrap_or_default());
            if default.is_none() {
                continue;
            }
            if !seen.insert(name.clone()) {
                self.findings.add(Id::DuplicateEntry, first.span, |d| {
                    d.say(format!("`{}` is tracked already: the line is dropped", first.shown()))
                });
                continue;
            }
            out.push(Line { kind, tracked: Tracked { name, weight }, span: first.span });
        }
    }

    /// The weight of what is tracked; `None`: there is nothing of that name, which was reported.
    fn resolve(
        &mut self,
        kind: Kind,
        name: &Arc<str>,
        span: Span,
        index: usize,
        trackers: &mut Trackers,
    ) -> Option<model::Weight> {
        let Some(found) = trackers.find(kind, name) else {
            self.unknown_tracker(kind, name, span, trackers);
            return None;
        };
        if found.index < index {
            found.used = true;
            return found.what.is_some().then_some(found.weight);
        }
        found.meant = true;
        let place = found.span;
        self.findings.add(Id::TrackerLate, span, |d| {
            d.say(format!("`{name}` is defined further below: the line is dropped"))
                .label(place, "this stands too late")
                .help(format!("move `{} {name}` above what tracks it", kind.block()))
        });
        None
    }

    fn unknown_tracker(&mut self, kind: Kind, name: &Arc<str>, span: Span, trackers: &mut Trackers) {
        // The search for a near name is dear, and nobody reads the thousandth of such findings.
        if !self.findings.wants(Id::TrackerUnknown, span) {
            return;
        }
        let near = crate::suggest::nearest(name, trackers.names(kind)).map(Arc::<str>::from);
        if let Some(found) = near.as_ref().and_then(|near| trackers.find(kind, near)) {
            found.meant = true;
        }
        let other = Kind::ALL.into_iter().find(|other| *other != kind && trackers.exists(*other, name));
        self.findings.add(Id::TrackerUnknown, span, |d| {
            let shown = crate::text::shown(name.as_bytes());
            let d = d.say(format!("there is no {} `{shown}`: the line is dropped", kind.noun()));
            match (other, near) {
                (Some(other), _) => {
                    d.help(format!("`{shown}` is a {}: track it in `{}`", other.noun(), other.list()))
                }
                (None, Some(near)) => d.help(format!("did you mean `{near}`?")).suggest(span, &*near),
                (None, None) => d.help(format!("define it with `{} {shown} {{ ... }}` above", kind.block())),
            }
        });
    }

    /// Reports what nothing tracks.
    pub(super) fn unused(&mut self, defined: &Defined) {
        let kind = defined.kind;
        self.findings.add(Id::TrackerUnused, defined.span, |d| {
            let d = d.say(format!("nothing tracks the {} `{}`: it has no effect", kind.noun(), defined.name));
            d.help(format!(
                "write `{} {{ {} }}` in the instances that it shall steer",
                kind.list(),
                defined.name
            ))
        });
    }
}

//! From the tree to [`model::Host`]: values, defaults, and the rules that hold between lines.

mod address;
mod bfd;
mod command;
mod daemon;
mod entries;
mod filter;
mod finish;
mod fixed;
mod generic;
mod global;
mod group;
mod home;
mod instance;
mod keys;
mod notify;
mod routes;
mod strict;
mod trackers;
mod tracking;
mod value;

use crate::Surroundings;
use crate::diagnostic::Findings;
use crate::lint::Advice;
use crate::registry::Id;
use crate::source::{IncludeRequest, Sources, Span};
use crate::table::{Keyword, Shape, State};
use crate::text::Word;
use crate::tree::{At, Tree};
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use model::{Hook, Host, Identity, Instance, InterfaceName};
use trackers::{Kind, Trackers, What};

pub(crate) use finish::Placed;
pub(crate) use notify::MailPlaces;
pub(crate) use trackers::{Kind as TrackerKind, ScriptPlaces};

/// Signs by which a template marks what is to be replaced.
const PLACEHOLDER: [char; 8] = ['<', '>', '[', ']', '{', '}', '$', '|'];

/// What every step of lowering needs.
struct Lower<'f> {
    findings: &'f mut Findings,
    surroundings: &'f Surroundings,
    sources: &'f Sources,
    /// Programs that are told of something, each with its place.
    hooks: Vec<(Hook, Span)>,
    /// Files with keys that were not read yet.
    missing: BTreeSet<IncludeRequest>,
    mail: MailPlaces,
}

/// Lowers a tree. The host is complete only when no error was found and no file is missing.
pub(crate) fn lower(
    tree: &Tree<'_>,
    sources: &Sources,
    surroundings: &Surroundings,
    findings: &mut Findings,
) -> (Host, BTreeSet<IncludeRequest>) {
    let (hooks, missing, mail) = (Vec::new(), BTreeSet::new(), MailPlaces::default());
    let mut lower = Lower { findings, surroundings, sources, hooks, missing, mail };
    // Instances take their defaults from these two blocks, wherever in the file they stand.
    let mut globals = lower.globals(tree);
    let groups = lower.garp_groups(tree);
    let mut trackers = lower.trackers(tree);
    let mut host = globals.host();
    let mut names: BTreeMap<Arc<str>, Span> = BTreeMap::new();
    let mut group_names: BTreeMap<Arc<str>, Span> = BTreeMap::new();
    let mut identities: BTreeMap<Identity, (Span, Arc<str>)> = BTreeMap::new();
    let mut instances = Vec::new();
    let mut sync_groups = Vec::new();
    let mut delays = Vec::new();
    let mut seen = false;
    let mut serving = core::mem::take(&mut globals.serving);
    let mut given = Given::default();
    let mut fixed = fixed::Fixed::default();
    for (index, at) in tree.roots().enumerate() {
        let Some(keyword) = at.node.keyword else { continue };
        match keyword.name {
            "global_defs" | "garp_group" => {}
            "vrrp_instance" => {
                seen = true;
                let Some(name) = lower.instance_name(at, &mut names) else { continue };
                let draft = lower.instance(at, name, index, &mut trackers);
                if let Some(placed) = lower.finish(draft, &globals, &groups) {
                    lower.identity(at.node.span, &placed.instance, &mut identities);
                    instances.push(placed);
                }
            }
            name => {
                lower.mail.has_servers |= name == "virtual_server";
                match name {
                    "vrrp_sync_group" => {
                        sync_groups.extend(lower.sync_group(at, index, &mut trackers, &mut group_names));
                    }
                    "interface_up_down_delays" => lower.link_delays(at, &mut delays),
                    "track_group" => lower.track_group(at, &mut fixed),
                    "static_ipaddress" => {
                        lower.static_addresses(at, globals.default_interface.as_ref(), &mut fixed);
                    }
                    _ => {
                        lower.given(&mut given, at);
                        lower.serving_root(at, name, &mut serving);
                    }
                }
                lower.unbuilt(keyword, at.node.span);
            }
        }
    }
    host.daemon = serving.finish();
    lower.unread(tree);
    host.groups = lower.finish_groups(sync_groups, &mut instances, &names);
    lower.finish_fixed(fixed, &instances, &names, &mut host);
    host.link_delays = delays.iter().map(|(delay, _)| delay.clone()).collect();
    // What is missed may stand in a block that was skipped.
    let skipped = lower.findings.any(Id::UnknownBlock);
    for defined in trackers.list.iter().filter(|d| !d.used && !d.meant && !skipped && d.kind != Kind::Bfd) {
        lower.unused(defined);
    }
    let (scripts, bfd) = take(&mut host, trackers);
    crate::lint::shorten(&mut host.link_delays, &instances);
    let advice = Advice {
        host: &host,
        instances: &instances,
        delays: &delays,
        scripts: &scripts,
        bfd: &bfd,
        hooks: &lower.hooks,
        mail: lower.mail,
        surroundings,
    };
    advice.give(lower.findings);
    host.instances = instances.into_iter().map(|placed| placed.instance).collect();
    drop_untracked(&mut host);
    if !seen
        && host.static_addresses.is_empty()
        && !skipped
        && !lower.findings.has_errors()
        && let Some(file) = sources.roots().first()
    {
        let start = Span { file: *file, start: 0, end: 0 };
        lower
            .findings
            .add(Id::NoInstance, start, |d| d.say("there is no `vrrp_instance`: no address is kept"));
    }
    (host, lower.missing)
}

/// Whoever tracked it may have been dropped in the meantime, or the line that did; that was reported.
fn drop_untracked(host: &mut Host) {
    let tracking = host.instances.iter().map(|i| &i.tracking).chain(host.groups.iter().map(|g| &g.tracking));
    let [mut scripts, mut processes, mut files] = [const { BTreeSet::new() }; 3];
    for own in tracking {
        scripts.extend(own.scripts.iter().map(|t| t.name.clone()));
        processes.extend(own.processes.iter().map(|t| t.name.clone()));
        files.extend(own.files.iter().map(|t| t.name.clone()));
    }
    host.scripts.retain(|script| scripts.contains(&script.name));
    host.processes.retain(|process| processes.contains(&process.name));
    host.files.retain(|file| files.contains(&file.name));
}

/// Moves what something tracks into the host, and all BFD sessions; tells the places of scripts and sessions.
fn take(host: &mut Host, trackers: Trackers) -> (Vec<ScriptPlaces>, Vec<Span>) {
    let (mut places, mut sessions) = (Vec::new(), Vec::new());
    for defined in trackers.list.into_iter().filter(|d| d.used || d.kind == Kind::Bfd) {
        match defined.what {
            Some(What::Script(script, lines)) => {
                host.scripts.push(script);
                places.push(lines);
            }
            Some(What::Process(process)) => host.processes.push(process),
            Some(What::File(file)) => host.files.push(file),
            Some(What::Bfd(bfd)) => {
                host.bfd.push(bfd);
                sessions.push(defined.span);
            }
            None => {}
        }
    }
    (places, sessions)
}

impl Lower<'_> {
    /// The name of an instance; `None` when it has none of its own and is skipped.
    fn instance_name(&mut self, at: At<'_, '_>, names: &mut BTreeMap<Arc<str>, Span>) -> Option<Arc<str>> {
        let [name] = at.arguments() else {
            self.findings.add(Id::InstanceName, at.node.span, |d| {
                let problem =
                    if at.arguments().is_empty() { "has no name" } else { "has more than one name" };
                d.say(format!("this instance {problem}: it is skipped")).help("write `vrrp_instance VI_1 {`")
            });
            return None;
        };
        let text: Arc<str> = String::from_utf8_lossy(&name.text).into();
        match names.entry(text.clone()) {
            Entry::Vacant(free) => {
                free.insert(name.span);
                Some(text)
            }
            Entry::Occupied(first) => {
                let first = *first.get();
                self.findings.add(Id::InstanceTwice, name.span, |d| {
                    d.say(format!("there is an instance `{}` already: this one is skipped", name.shown()))
                        .label(first, "the first one")
                        .help("give each instance a name of its own")
                });
                None
            }
        }
    }

    /// Two instances must not be the same virtual router.
    fn identity(
        &mut self,
        header: Span,
        instance: &Instance,
        identities: &mut BTreeMap<Identity, (Span, Arc<str>)>,
    ) {
        match identities.entry(instance.identity()) {
            Entry::Vacant(free) => {
                free.insert((header, instance.name.clone()));
            }
            Entry::Occupied(first) => {
                let (span, name) = first.get();
                let (span, name) = (*span, name.clone());
                self.findings.add(Id::VridTwice, header, |d| {
                    let settings = &instance.settings;
                    d.say(format!(
                        "`{}` and `{name}` both use VRID {} with {} on {}",
                        instance.name, settings.vrid, settings.family, instance.home
                    ))
                    .label(span, format!("`{name}` uses it first"))
                    .help("give one of them another virtual_router_id, here and on its partners")
                });
            }
        }
    }

    /// The name of an interface in a word, if it can be one. The kernel would allow some signs that only
    /// templates use; an instance that waits for `<interface>` waits for ever.
    fn interface_name(word: &Word<'_>) -> Option<InterfaceName> {
        let text = core::str::from_utf8(&word.text).ok()?;
        let possible = (1..=15).contains(&text.len())
            && text != "."
            && text != ".."
            && !text.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
            && !text.contains(PLACEHOLDER);
        possible.then(|| Arc::from(text))
    }

    /// Says that an interface is not there, once for each interface.
    fn must_exist(&mut self, name: &InterfaceName, span: Span) {
        let Some(known) = &self.surroundings.interfaces else { return };
        if known.contains_key(&**name) {
            return;
        }
        let near = crate::suggest::nearest(name, known.keys().map(String::as_str).filter(|n| *n != "lo"));
        self.findings.add_once((Id::InterfaceAbsent, "", String::from(&**name)), span, |d| {
            let fate = match self.surroundings.keepalived {
                Some(_) => "without `dynamic_interfaces` keepalived does not start",
                None => "what needs it waits until it appears",
            };
            let d = d.say(format!("there is no interface `{name}` now: {fate}"));
            match near {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.help("`ip link` lists the interfaces"),
            }
        });
    }

    /// Reports a keyword of a block that this version does not build, or that has no effect.
    fn passed_over(&mut self, at: At<'_, '_>) {
        if let Some(keyword) = at.node.keyword {
            debug_assert!(keyword.state != State::Honoured, "`{}` is honoured by nobody", keyword.name);
            self.unbuilt(keyword, at.node.span);
        }
    }
}

/// Remembers which settings of a block were given, to notice the second one.
#[derive(Default)]
struct Given {
    list: Vec<(&'static str, Span)>,
}

impl Lower<'_> {
    fn given(&mut self, given: &mut Given, at: At<'_, '_>) {
        let Some(keyword) = at.node.keyword else { return };
        // Of programs that are told, the first one counts; that is said where they are read.
        let first_counts = keyword.arguments.starts_with("CMD [")
            || keyword.name.ends_with("notify_fifo")
            || matches!(keyword.name, "net_namespace" | "instance");
        let noted = keyword.shape == Shape::Value && !matches!(keyword.state, State::NoEffect(_));
        if !noted || first_counts || at.arguments().is_empty() {
            return;
        }
        let name = keyword.name;
        let Some((_, first)) = given.list.iter_mut().find(|(n, _)| *n == name) else {
            given.list.push((name, at.node.span));
            return;
        };
        let before = core::mem::replace(first, at.node.span);
        // These two have rules of their own.
        if matches!(name, "state" | "version") || self.sources.text(before) == self.sources.text(at.node.span)
        {
            return;
        }
        self.findings.add(Id::RepeatedKeyword, at.node.span, |d| {
            d.say(format!("`{name}` is given twice: this one counts")).label(before, "this one does not")
        });
    }
}

/// What it means that a keyword is not built.
fn consequence(keyword: &Keyword) -> &'static str {
    match keyword.name {
        "virtual_server" | "virtual_server_group" | "SSL" => "VRRP runs, but no virtual server is served",
        "vrrp_script" | "vrrp_track_process" | "track_file" | "vrrp_track_file" => {
            "it is not run, and what tracks it does not notice a failure"
        }
        "track_script" | "track_process" => "a failure does not change the priority",
        "use_vmac" | "use_ipvlan" | "use_vmac_addr" => "the addresses answer with the interface's own MAC",
        "virtual_routes" | "static_routes" => "no route is set",
        "virtual_rules" | "static_rules" => "no rule is set",
        name if name.contains("notif") && !name.contains("email") => "no script or FIFO is told",
        name if name.ends_with("_script") => "it is not run",
        name if name.contains("smtp") || name.contains("email") => "no mail is sent",
        _ if keyword.shape.opens() => "the whole block has no effect",
        _ => "the line has no effect",
    }
}

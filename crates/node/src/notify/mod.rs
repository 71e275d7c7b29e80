//! Who is told of what: changes of instances and groups become runs of programs, lines for the pipes, and mail.
//!
//! What happens is owed until what it means is true: MASTER is told when the addresses are set, BACKUP when they are
//! gone. A group is told after its members. What is told keeps its order for each instance and group (`Post`).

mod outbox;
mod post;

use crate::compat::{self, Word};
use crate::event::Standing;
use crate::io::{Effect, Program, RouterId};
use crate::node::Group;
use crate::slot::Slot;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use model::{Blank, Command, Deleted, Hook, Host, Notify};
use timeline::Instant;
use wire::Priority;

pub(crate) use outbox::Outbox;
use post::Task;
pub(crate) use post::{Post, is_ours};

/// What a notice is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An instance.
    Instance(Arc<str>),
    /// A group.
    Group(Arc<str>),
}

impl Subject {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        match self {
            Self::Instance(name) | Self::Group(name) => name,
        }
    }
}

/// What is told of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It stands here now.
    Stands(Standing),
    /// The daemon ends.
    Stops,
    /// A reload removed it.
    Deleted,
    /// Active, it heard an advert of a lower priority.
    LowerAdvert,
    /// It has another priority.
    Priority {
        /// It is Active.
        active: bool,
    },
}

/// News that are not told yet.
#[derive(Clone, Debug)]
struct Owed {
    subject: Subject,
    who: Who,
    news: News,
    priority: Priority,
}

/// Where a subject is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// An instance.
    Router(RouterId),
    /// A group, by its place in the configuration.
    Group(usize),
}

/// Collects what is to be told, and tells it when it is true.
#[derive(Debug, Default)]
pub(crate) struct Herald {
    /// Anybody is to be told anything.
    wanted: bool,
    owed: Vec<Owed>,
    /// Who was told of: only those are told to have stopped. A reload may rename an instance, not a group.
    known: BTreeSet<RouterId>,
    known_groups: BTreeSet<Arc<str>>,
    /// The end was told.
    pub(crate) parted: bool,
    pub(crate) post: Post,
    pub(crate) outbox: Outbox,
}

/// What decides whether news are true by now.
pub(crate) trait Truth {
    /// Nothing of it is being set or removed.
    fn is_settled(&self, id: RouterId) -> bool;
    /// Who is in this group.
    fn members(&self, group: usize) -> &[RouterId];
    /// What is configured for it; `name` tells whether a group still has its place.
    fn notify(&self, who: Who, name: &str) -> Option<&Notify>;
}

impl Herald {
    /// A configuration is in force.
    pub(crate) fn configure(&mut self, host: &Host) {
        let of_instances = host.instances.iter().map(|instance| &instance.notify);
        let mut all = of_instances.chain(host.groups.iter().map(|group| &group.notify));
        self.wanted = has_pipes(host)
            || all.any(|notify| **notify != *Notify::BLANK || outbox::is_wanted(host, notify));
        // Instances that are gone are told of one by one, groups are not.
        let groups: BTreeSet<&Arc<str>> = host.groups.iter().map(|group| &group.name).collect();
        self.known_groups.retain(|name| groups.contains(name));
        self.outbox.retain_groups(&groups);
    }

    /// Nothing is under way any more.
    pub(crate) fn is_done(&self) -> bool {
        let told = self.parted && self.owed.is_empty() && self.post.is_empty();
        (told || !self.wanted) && self.outbox.is_empty()
    }

    /// An instance stands elsewhere.
    pub(crate) fn stands(&mut self, slot: &Slot) {
        // The end of an instance is told by whoever ends it.
        if slot.standing != Standing::Initialize {
            self.owe_instance(slot, News::Stands(slot.standing), slot.verdict.priority);
        }
    }

    /// Something else about an instance.
    pub(crate) fn owe_instance(&mut self, slot: &Slot, news: News, priority: Priority) {
        self.owe(Subject::Instance(slot.instance.name.clone()), Who::Router(slot.id), news, priority);
    }

    /// A group stands elsewhere, all of it. At the start it is told before its members.
    pub(crate) fn group_stands(&mut self, group: &Group, at: usize, from: Standing) {
        let to = group.standing;
        if to == Standing::Initialize {
            return;
        }
        let (subject, who) = (Subject::Group(group.group.name.clone()), Who::Group(at));
        self.owe(subject, who, News::Stands(to), Priority::LEAVING);
        if (from, to) == (Standing::Initialize, Standing::Backup) {
            let is_member = |owed: &Owed| matches!(owed.who, Who::Router(id) if group.members.contains(&id));
            // Members that stood there before the group was made by a reload are told of nothing.
            if let Some(first) = self.owed.iter().position(is_member)
                && let Some(last) = self.owed.pop()
            {
                self.owed.insert(first, last);
            }
        }
    }

    /// The daemon ends: of whom something was told, the end is told.
    pub(crate) fn stops(&mut self, subject: Subject, who: Who, priority: Priority) {
        if self.is_known(who, &subject) {
            self.owe(subject, who, News::Stops, priority);
        }
    }

    fn is_known(&self, who: Who, subject: &Subject) -> bool {
        match who {
            Who::Router(id) => self.known.contains(&id),
            Who::Group(_) => self.known_groups.contains(subject.name()),
        }
    }

    fn owe(&mut self, subject: Subject, who: Who, news: News, priority: Priority) {
        if self.wanted && !self.parted {
            self.owed.push(Owed { subject, who, news, priority });
        }
    }

    /// An instance was removed by a reload; `notify` is what was configured for it.
    pub(crate) fn deleted(
        &mut self,
        now: Instant,
        host: &Host,
        slot: &Slot,
        standing: Standing,
        effects: &mut Vec<Effect>,
    ) {
        let subject = Subject::Instance(slot.instance.name.clone());
        let notify = &slot.instance.notify;
        let told = notify.deleted != Deleted::AsFault;
        if !self.known.remove(&slot.id) || !told && standing == Standing::Fault {
            self.outbox.forget(slot.id);
            return;
        }
        // Whatever it still owes comes first, true or not any more.
        let (before, rest) = core::mem::take(&mut self.owed).into_iter().partition(|o| o.subject == subject);
        self.owed = rest;
        let before: Vec<Owed> = before;
        for owed in before {
            self.tell(now, host, notify, &owed, effects);
        }
        let (who, news, priority) = (Who::Router(slot.id), News::Deleted, slot.verdict.priority);
        self.tell(now, host, notify, &Owed { subject, who, news, priority }, effects);
        self.outbox.forget(slot.id);
    }

    /// Tells what is true by now, in the order in which it happened.
    pub(crate) fn tell_all(
        &mut self,
        now: Instant,
        host: &Host,
        truth: &impl Truth,
        effects: &mut Vec<Effect>,
    ) {
        if self.owed.is_empty() {
            return;
        }
        let owed = core::mem::take(&mut self.owed);
        // The last news of each: what has been overtaken need not wait to be told.
        let mut last = BTreeMap::new();
        for (at, one) in owed.iter().enumerate() {
            last.insert(one.subject.clone(), at);
        }
        let mut waiting: BTreeSet<Subject> = BTreeSet::new();
        let mut routers: BTreeSet<RouterId> = BTreeSet::new();
        for (at, one) in owed.into_iter().enumerate() {
            let is_last = last.get(&one.subject) == Some(&at);
            let unsettled = |id: &RouterId| routers.contains(id) || !truth.is_settled(*id);
            let is_true = match one.who {
                _ if !is_last || !matches!(one.news, News::Stands(_)) => true,
                Who::Router(id) => truth.is_settled(id),
                // What its members owe is told first.
                Who::Group(group) => !truth.members(group).iter().any(unsettled),
            };
            if !is_true || waiting.contains(&one.subject) {
                if let Who::Router(id) = one.who {
                    routers.insert(id);
                }
                waiting.insert(one.subject.clone());
                self.owed.push(one);
                continue;
            }
            let notify = truth.notify(one.who, one.subject.name()).cloned().unwrap_or_default();
            self.tell(now, host, &notify, &one, effects);
        }
    }

    /// All states again, into the pipes only.
    pub(crate) fn repeat(
        &self,
        host: &Host,
        (who, subject): (Who, &Subject),
        standing: Standing,
        priority: Priority,
        effects: &mut Vec<Effect>,
    ) {
        if has_pipes(host) && self.is_known(who, subject) && standing != Standing::Initialize {
            effects.push(line(subject, Word::of(standing), priority));
        }
    }

    fn tell(&mut self, now: Instant, host: &Host, notify: &Notify, owed: &Owed, effects: &mut Vec<Effect>) {
        let Owed { subject, who, news, priority } = owed;
        let (word, kind, hook) = match news {
            News::Stands(Standing::Active) => (Word::Active, "notify_master", notify.active.as_deref()),
            News::Stands(Standing::Backup) => (Word::Backup, "notify_backup", notify.backup.as_deref()),
            News::Stands(Standing::Fault) => (Word::Fault, "notify_fault", notify.fault.as_deref()),
            News::Stands(Standing::Initialize) => return,
            News::Stops => (Word::Stop, "notify_stop", notify.stop.as_deref()),
            News::Deleted => match &notify.deleted {
                Deleted::AsFault => (Word::Fault, "", None),
                Deleted::Told(hook) => (Word::Deleted, "notify_deleted", hook.as_deref()),
            },
            News::LowerAdvert => {
                (Word::LowerAdvert, "notify_master_rx_lower_pri", notify.lower_advert.as_deref())
            }
            News::Priority { active: true } => (Word::ActivePriority, "", None),
            News::Priority { active: false } => (Word::BackupPriority, "", None),
        };
        let is_state = !matches!(news, News::LowerAdvert | News::Priority { .. });
        if is_state && *news != News::Deleted {
            match who {
                Who::Router(id) => _ = self.known.insert(*id),
                Who::Group(_) => _ = self.known_groups.insert(subject.name().clone()),
            }
        }
        let task = |kind, hook: &Hook, more: &[String]| Task {
            script: alloc::format!("{} {kind}", subject.name()).into(),
            program: Arc::new(program(host, hook, more)),
            is_state,
        };
        if let Some(hook) = hook {
            self.post.send(now, subject, task(kind, hook, &[]), effects);
        }
        if let Some(hook) = notify.any.as_deref().filter(|_| is_state) {
            let more = compat::notify_arguments(subject, word, *priority);
            self.post.send(now, subject, task("notify", hook, &more), effects);
        }
        if has_pipes(host) {
            effects.push(line(subject, word, *priority));
        }
        if is_state && outbox::is_wanted(host, notify) {
            self.outbox.post(now, host, (*who, subject), word, effects);
        }
    }
}

fn line(subject: &Subject, word: Word, priority: Priority) -> Effect {
    Effect::Tell(compat::fifo_line(subject, word, priority).into())
}

const fn has_pipes(host: &Host) -> bool {
    host.notify.fifo.is_some() || host.notify.vrrp_fifo.is_some()
}

fn program(host: &Host, hook: &Hook, more: &[String]) -> Program {
    let mut command = hook.command.clone();
    if let Command::Run { arguments, .. } = &mut command {
        arguments.extend_from_slice(more);
    }
    let account = hook.account.clone().or_else(|| host.script_settings.account.clone());
    Program { command, account, security: host.script_settings.security }
}

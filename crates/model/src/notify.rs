//! Who is told of a change of state: programs, pipes, mail.

use crate::{Account, Hook};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use vrrp::Blank;

/// Who is told of the changes of one instance or group. Shared hooks: most instances have none, and what there is stands
/// in the configuration and in the running instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `notify_master`.
    pub active: Option<Arc<Hook>>,
    /// `notify_backup`.
    pub backup: Option<Arc<Hook>>,
    /// `notify_fault`.
    pub fault: Option<Arc<Hook>>,
    /// `notify_stop`.
    pub stop: Option<Arc<Hook>>,
    /// `notify`: every change, told by arguments.
    pub any: Option<Arc<Hook>>,
    /// `notify_master_rx_lower_pri`: an advert of lower priority was heard while Active. Instances only.
    pub lower_advert: Option<Arc<Hook>>,
    /// `notify_deleted`: a reload removed it. Instances only.
    pub deleted: Deleted,
    /// Send mail; `None`: as the host says.
    pub mail: Option<bool>,
    /// Write changes of the priority to the pipes; `None`: as the host says.
    pub priority_changes: Option<bool>,
}

impl Blank for Notify {
    const BLANK: &'static Self = &Self {
        active: None,
        backup: None,
        fault: None,
        stop: None,
        any: None,
        lower_advert: None,
        deleted: Deleted::AsFault,
        mail: None,
        priority_changes: None,
    };
}

impl Notify {
    /// All programs that are told.
    pub fn hooks(&self) -> impl Iterator<Item = &Hook> {
        let deleted = match &self.deleted {
            Deleted::AsFault => None,
            Deleted::Told(hook) => hook.as_ref(),
        };
        let own = [&self.active, &self.backup, &self.fault, &self.stop, &self.any, &self.lower_advert];
        own.into_iter().flatten().chain(deleted).map(|hook| &**hook)
    }
}

/// What is told when a reload removes an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Deleted {
    /// That it is in FAULT.
    #[default]
    AsFault,
    /// That it is deleted; and this program is run.
    Told(Option<Arc<Hook>>),
}

/// A pipe that changes are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fifo {
    /// Its path.
    pub path: String,
    /// Who owns it.
    pub account: Option<Account>,
    /// The program that reads it.
    pub script: Option<Hook>,
}

/// Who is told of the changes of all instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNotify {
    /// `notify_fifo`.
    pub fifo: Option<Fifo>,
    /// `vrrp_notify_fifo`.
    pub vrrp_fifo: Option<Fifo>,
    /// Changes of priorities are written to the pipes.
    pub priority_changes: bool,
    /// After a reload all states are written again.
    pub states_on_reload: bool,
}

impl crate::Host {
    /// All programs that are told of changes: by instances, by groups, and through pipes.
    pub fn hooks(&self) -> impl Iterator<Item = &Hook> {
        let instances = self.instances.iter().map(|instance| &instance.notify);
        let groups = self.groups.iter().map(|group| &group.notify);
        let pipes = [&self.notify.fifo, &self.notify.vrrp_fifo].into_iter().flatten();
        let readers = pipes.filter_map(|pipe| pipe.script.as_ref());
        instances.chain(groups).flat_map(|notify| notify.hooks()).chain(readers)
    }
}

/// Mail about changes of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Who gets it.
    pub to: Vec<Arc<str>>,
    /// Who sends it; `None`: the user at the host.
    pub from: Option<String>,
    /// The relay; `None`: no mail is sent.
    pub server: Option<MailServer>,
    /// How the host greets the relay; `None`: with its name.
    pub helo: Option<String>,
    /// How long the relay may take to answer.
    pub connect_timeout: Duration,
    /// Whether instances send mail that do not say it themselves.
    pub default: bool,
    /// `no_email_faults`.
    pub no_faults: bool,
}

/// A mail relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Mail {
    /// The address that stands in a sender or a recipient (`Name <address>`, or the address alone); `None`: there is
    /// none that a mail server could be told.
    #[must_use]
    pub fn address(text: &str) -> Option<&str> {
        let text = text.trim();
        let inner =
            text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')).map_or(text, |(_, inner)| inner);
        let is_odd = |c: char| c.is_whitespace() || matches!(c, '<' | '>');
        // RFC 5321, 4.5.3.1.3: a path has 256 bytes at most, with its brackets.
        let fits = (1..=254).contains(&inner.len()) && !inner.contains(is_odd);
        (fits && !text.contains(char::is_control)).then_some(inner)
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            to: Vec::new(),
            from: None,
            server: None,
            helo: None,
            connect_timeout: Duration::from_secs(30),
            default: false,
            no_faults: false,
        }
    }
}

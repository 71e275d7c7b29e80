//! Who is told of changes: the `notify` lines of instances and groups, pipes and mail of the host.

use super::Lower;
use super::value::Numbers;
use crate::registry::Id;
use crate::source::Span;
use crate::text::Word;
use crate::tree::At;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::net::IpAddr;
use core::time::Duration;
use model::{Deleted, Fifo, Hook, HostNotify, Mail, MailServer, Notify, Scripts, TimedHook};

/// Where mail is spoken of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MailPlaces {
    /// The first line that asks for it.
    pub(crate) asks: Option<Span>,
    /// `smtp_server`.
    pub(crate) server: Option<Span>,
    /// `notification_email`.
    pub(crate) recipients: Option<Span>,
    /// Virtual servers, of which keepalived mails without being asked.
    pub(crate) has_servers: bool,
}

/// What `global_defs` says about programs, pipes and mail.
#[derive(Debug, Default)]
pub(super) struct Telling {
    pub(super) scripts: Scripts,
    pub(super) notify: HostNotify,
    pub(super) mail: Mail,
    mail_default: Option<bool>,
    vrrp_mail_default: Option<bool>,
    fifo_script: Option<Hook>,
    vrrp_fifo_script: Option<Hook>,
    startup: Option<Hook>,
    startup_limit: Option<Duration>,
    shutdown: Option<Hook>,
    shutdown_limit: Option<Duration>,
}

impl Telling {
    /// Puts together what stood on several lines.
    pub(super) fn finish(&mut self) {
        let limit = |time: Option<Duration>| time.unwrap_or(Duration::from_secs(10));
        let timed = |hook: Option<Hook>, time| hook.map(|hook| TimedHook { hook, timeout: limit(time) });
        self.scripts.startup = timed(self.startup.take(), self.startup_limit);
        self.scripts.shutdown = timed(self.shutdown.take(), self.shutdown_limit);
        for (fifo, script) in [
            (&mut self.notify.fifo, self.fifo_script.take()),
            (&mut self.notify.vrrp_fifo, self.vrrp_fifo_script.take()),
        ] {
            if let Some(fifo) = fifo {
                fifo.script = script;
            }
        }
        self.mail.default = self.vrrp_mail_default.or(self.mail_default).unwrap_or(false);
    }
}

impl Lower<'_> {
    /// One of the lines of `global_defs` about telling; false when it is none of them.
    pub(super) fn telling(&mut self, at: At<'_, '_>, name: &str, to: &mut Telling) -> bool {
        match name {
            "script_user" => to.scripts.account = self.account(at).or(to.scripts.account.take()),
            "enable_script_security" => {
                self.flag(at);
                to.scripts.security = true;
            }
            "startup_script" => self.first_hook(at, &mut to.startup),
            "shutdown_script" => self.first_hook(at, &mut to.shutdown),
            "startup_script_timeout" => to.startup_limit = self.hook_limit(at).or(to.startup_limit),
            "shutdown_script_timeout" => to.shutdown_limit = self.hook_limit(at).or(to.shutdown_limit),
            "notify_fifo" => self.fifo(at, &mut to.notify.fifo),
            "vrrp_notify_fifo" => self.fifo(at, &mut to.notify.vrrp_fifo),
            "notify_fifo_script" => self.first_hook(at, &mut to.fifo_script),
            "vrrp_notify_fifo_script" => self.first_hook(at, &mut to.vrrp_fifo_script),
            "vrrp_notify_priority_changes" => self.set(at, &mut to.notify.priority_changes),
            "fifo_write_vrrp_states_on_reload" => {
                self.flag(at);
                to.notify.states_on_reload = true;
            }
            _ => return self.mail(at, name, to),
        }
        true
    }

    fn mail(&mut self, at: At<'_, '_>, name: &str, to: &mut Telling) -> bool {
        let text = |lower: &mut Self| lower.value(at).map(|w| String::from_utf8_lossy(&w.text).into_owned());
        match name {
            "notification_email" => {
                self.extra(at, 0);
                if at.node.opened && at.children().next().is_none() {
                    self.findings.add(Id::EmptyValue, at.node.span, |d| {
                        d.say("the list is empty: no mail is sent").help("name at least one address")
                    });
                }
                self.mail.recipients.get_or_insert(at.node.span);
                at.children().for_each(|line| self.recipients(line, &mut to.mail.to));
            }
            "notification_email_from" => {
                // `Name <address>` is one value.
                let words = at.arguments().iter().map(|w| String::from_utf8_lossy(&w.text));
                let whole: alloc::vec::Vec<_> = words.collect();
                if whole.is_empty() {
                    self.value(at);
                } else {
                    let whole = whole.join(" ");
                    if self.mail_address(at.node.span, &whole) {
                        to.mail.from = Some(whole);
                    }
                }
            }
            "smtp_server" => {
                self.mail.server = Some(at.node.span);
                to.mail.server = self.mail_server(at).or(to.mail.server.take());
            }
            "smtp_helo_name" => to.mail.helo = text(self).or(to.mail.helo.take()),
            "smtp_connect_timeout" => {
                if let Some(time) = self.number(at, &Numbers::seconds(0..=4294)) {
                    to.mail.connect_timeout = Duration::from_secs(time.max(1));
                }
            }
            "smtp_alert" => to.mail_default = self.asks_for_mail(at).or(to.mail_default),
            "smtp_alert_vrrp" => to.vrrp_mail_default = self.asks_for_mail(at).or(to.vrrp_mail_default),
            "no_email_faults" => {
                self.flag(at);
                to.mail.no_faults = true;
            }
            _ => return false,
        }
        true
    }

    fn asks_for_mail(&mut self, at: At<'_, '_>) -> Option<bool> {
        let asks = self.switch(at);
        if asks == Some(true) {
            self.mail.asks.get_or_insert(at.node.span);
        }
        asks
    }

    /// The recipients of one line: each word, or a name with its address behind it (`Name <address>`).
    fn recipients(&mut self, line: At<'_, '_>, to: &mut alloc::vec::Vec<Arc<str>>) {
        let words = line.words();
        let text = |word: &Word<'_>| String::from_utf8_lossy(&word.text).into_owned();
        let is_name = |word: &Word<'_>| !word.text.contains(&b'@');
        if let [names @ .., last] = words
            && last.text.starts_with(b"<")
            && last.text.ends_with(b">")
            && names.iter().all(is_name)
        {
            let whole: alloc::vec::Vec<String> = words.iter().map(text).collect();
            let whole = whole.join(" ");
            if self.mail_address(last.span, &whole) {
                to.push(whole.into());
            }
            return;
        }
        for word in words {
            let address = text(word);
            if self.mail_address(word.span, &address) {
                to.push(address.into());
            }
        }
    }

    fn mail_address(&mut self, span: Span, address: &str) -> bool {
        let is_one = Mail::address(address).is_some();
        if !is_one {
            self.findings.add(Id::MailAddress, span, |d| {
                let shown: String = address.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                d.say(format!("`{shown}` is no mail address: it is left out"))
                    .help("write `user@example.org`, or `Name <user@example.org>`")
            });
        }
        is_one
    }

    fn mail_server(&mut self, at: At<'_, '_>) -> Option<MailServer> {
        let Some(first) = at.arguments().first() else {
            self.value(at);
            return None;
        };
        self.extra(at, 2);
        let host = String::from_utf8_lossy(&first.text).into_owned();
        if !self.mail_host(first, &host) {
            return None;
        }
        let allowed = Numbers::count(1..=65535).otherwise("the line is ignored");
        let port = match at.arguments().get(1) {
            Some(word) => self.number_in("smtp_server", word, &allowed, Id::OutOfRange)?,
            None => 25,
        };
        Some(MailServer { host, port: u16::try_from(port).ok()? })
    }

    /// Whether a word can be the name or the address of a mail server; whether such a host exists is not asked.
    fn mail_host(&mut self, word: &Word<'_>, host: &str) -> bool {
        let number = |part: &str| part.parse::<u16>().is_ok();
        let quad = host.split('.').count() == 4 && host.split('.').all(number);
        let parts = host.rsplit_once(':').filter(|(name, port)| !name.contains(':') && number(port));
        if host.parse::<IpAddr>().is_ok() || !(quad || parts.is_some()) {
            return true;
        }
        self.findings.add(Id::BadAddress, word.span, |d| {
            let d = d.say(format!(
                "`{host}` is neither an IP address nor the name of a host: the line is ignored"
            ));
            match parts {
                Some((name, port)) => {
                    d.help("a blank stands between host and port").fix(word.span, format!("{name} {port}"))
                }
                None => d,
            }
        });
        false
    }

    fn hook_limit(&mut self, at: At<'_, '_>) -> Option<Duration> {
        self.number(at, &Numbers::seconds(1..=1000)).map(Duration::from_secs)
    }

    fn fifo(&mut self, at: At<'_, '_>, to: &mut Option<Fifo>) {
        let Some(first) = at.arguments().first() else {
            self.value(at);
            return;
        };
        self.extra(at, 3);
        if to.is_some() {
            return self.second(at);
        }
        let path = String::from_utf8_lossy(&first.text).into_owned();
        *to = Some(Fifo {
            path,
            account: super::command::account(at.arguments().get(1..).unwrap_or_default()),
            script: None,
        });
    }

    /// A program that only the first line of its kind names.
    pub(super) fn first_hook<T: From<Hook>>(&mut self, at: At<'_, '_>, to: &mut Option<T>) {
        if to.is_some() {
            return self.second(at);
        }
        *to = self.hook(at).map(T::from);
    }

    fn second(&mut self, at: At<'_, '_>) {
        let name = at.node.keyword.map_or("", |k| k.name);
        self.findings.add(Id::NotifyTwice, at.node.span, |d| {
            d.say(format!("`{name}` is given already: the line is dropped"))
                .help("only the first one counts; let one script run both programs")
        });
    }

    /// One of the lines of an instance or a group about telling; false when it is none of them.
    pub(super) fn notify(&mut self, at: At<'_, '_>, name: &str, to: &mut Notify) -> bool {
        match name {
            "notify_master" => self.first_hook(at, &mut to.active),
            "notify_backup" => self.first_hook(at, &mut to.backup),
            "notify_fault" => self.first_hook(at, &mut to.fault),
            "notify_stop" => self.first_hook(at, &mut to.stop),
            "notify" => self.first_hook(at, &mut to.any),
            "notify_master_rx_lower_pri" => self.first_hook(at, &mut to.lower_advert),
            "notify_deleted" => match &mut to.deleted {
                Deleted::Told(Some(_)) => self.second(at),
                Deleted::Told(None) | Deleted::AsFault => {
                    let hook = if at.arguments().is_empty() { None } else { self.hook(at).map(Arc::new) };
                    to.deleted = Deleted::Told(hook);
                }
            },
            "smtp_alert" => to.mail = self.asks_for_mail(at).or(to.mail),
            "notify_priority_changes" => to.priority_changes = self.switch(at).or(to.priority_changes),
            _ => return false,
        }
        true
    }
}

//! Who is told of changes.

use super::command::{account, hook};
use super::writer::word;
use super::{Print, seconds};
use alloc::format;
use core::time::Duration;
use model::{Deleted, Fifo, Hook, HostNotify, Mail, Notify, Scripts, TimedHook};

impl Print<'_> {
    pub(super) fn notify(&mut self, notify: &Notify) {
        let Notify { active, backup, fault, stop, any, lower_advert, deleted, mail, priority_changes } =
            notify;
        self.hook("notify_master", active.as_deref());
        self.hook("notify_backup", backup.as_deref());
        self.hook("notify_fault", fault.as_deref());
        self.hook("notify_stop", stop.as_deref());
        self.hook("notify", any.as_deref());
        self.hook("notify_master_rx_lower_pri", lower_advert.as_deref());
        match deleted {
            Deleted::AsFault => {}
            Deleted::Told(None) => self.to.line("notify_deleted"),
            Deleted::Told(program) => self.hook("notify_deleted", program.as_deref()),
        }
        self.choice("notify_priority_changes", *priority_changes);
        self.choice("smtp_alert", *mail);
    }

    fn hook(&mut self, keyword: &str, program: Option<&Hook>) {
        if let Some(program) = program {
            self.setting(keyword, &hook(program, self.secrets), false);
        }
    }

    fn choice(&mut self, keyword: &str, on: Option<bool>) {
        if let Some(on) = on {
            self.setting(keyword, if on { "true" } else { "false" }, false);
        }
    }

    pub(super) fn programs(&mut self, scripts: &Scripts) {
        let Scripts { account: user, security, startup, shutdown } = scripts;
        if let Some(user) = user {
            self.setting("script_user", &account(user), false);
        }
        self.flag("enable_script_security", *security);
        self.timed("startup_script", startup.as_ref());
        self.timed("shutdown_script", shutdown.as_ref());
    }

    fn timed(&mut self, keyword: &str, program: Option<&TimedHook>) {
        if let Some(TimedHook { hook: program, timeout }) = program {
            self.hook(keyword, Some(program));
            let usual = *timeout == Duration::from_secs(10);
            self.setting(&format!("{keyword}_timeout"), &seconds(*timeout), usual);
        }
    }

    pub(super) fn host_notify(&mut self, notify: &HostNotify) {
        let HostNotify { fifo, vrrp_fifo, priority_changes, states_on_reload } = notify;
        self.fifo("notify_fifo", fifo.as_ref());
        self.fifo("vrrp_notify_fifo", vrrp_fifo.as_ref());
        self.switch("vrrp_notify_priority_changes", *priority_changes);
        self.flag("fifo_write_vrrp_states_on_reload", *states_on_reload);
    }

    fn fifo(&mut self, keyword: &str, fifo: Option<&Fifo>) {
        let Some(Fifo { path, account: owner, script }) = fifo else { return };
        let owner = owner.as_ref().map(|owner| format!(" {}", account(owner))).unwrap_or_default();
        self.setting(keyword, &format!("{}{owner}", word(path)), false);
        self.hook(&format!("{keyword}_script"), script.as_ref());
    }

    pub(super) fn mail(&mut self, mail: &Mail) {
        let Mail { to, from, server, helo, connect_timeout, default, no_faults } = mail;
        if !to.is_empty() {
            self.to.open("notification_email");
            to.iter().for_each(|address| self.to.line(&word(address)));
            self.to.close();
        }
        if let Some(from) = from {
            self.setting("notification_email_from", &word(from), false);
        }
        if let Some(server) = server {
            self.setting("smtp_server", &format!("{} {}", word(&server.host), server.port), false);
        }
        if let Some(helo) = helo {
            self.setting("smtp_helo_name", &word(helo), false);
        }
        let usual = *connect_timeout == Mail::default().connect_timeout;
        self.setting("smtp_connect_timeout", &seconds(*connect_timeout), usual);
        self.switch("smtp_alert_vrrp", *default);
        self.flag("no_email_faults", *no_faults);
    }
}

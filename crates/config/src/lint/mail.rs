//! Mail that will never be sent.

use super::Advice;
use crate::diagnostic::Findings;
use crate::registry::Id;
use model::Notify;

impl Advice<'_> {
    pub(super) fn mail(&self, findings: &mut Findings) {
        let mail = &self.host.mail;
        let places = self.mail;
        let lacking = match (mail.server.is_none(), mail.to.is_empty()) {
            (false, false) => return self.unused_mail(findings),
            (true, true) => "neither `smtp_server` nor `notification_email`",
            (true, false) => "no `smtp_server`",
            (false, true) => "no recipient in `notification_email`",
        };
        let Some(asks) = places.asks else { return };
        findings.add(Id::MailNowhere, asks, |d| {
            let d = d.say(alloc::format!("mail is asked for, but there is {lacking}: nothing is mailed"));
            let d = match places.server.filter(|_| mail.server.is_some()).or(places.recipients) {
                Some(place) => d.label(place, "this alone does not do it"),
                None => d,
            };
            d.help("`smtp_server ADDRESS` and `notification_email { ADDRESS }` in `global_defs`")
        });
    }

    fn unused_mail(&self, findings: &mut Findings) {
        let default = self.host.mail.default;
        let asks = |notify: &Notify| notify.mail.unwrap_or(default);
        let instances = self.instances.iter().map(|placed| &placed.instance.notify);
        let mut all = instances.chain(self.host.groups.iter().map(|group| &group.notify));
        if self.instances.is_empty() || self.mail.has_servers || all.any(|notify| asks(notify)) {
            return;
        }
        let Some(server) = self.mail.server else { return };
        findings.add(Id::MailUnused, server, |d| {
            d.say("a server and recipients are given, but no instance or group asks for mail: nothing is mailed")
                .help("`smtp_alert_vrrp` in `global_defs` asks for all of them")
        });
    }
}

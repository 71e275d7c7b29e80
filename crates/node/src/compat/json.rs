//! The JSON that keepalived writes at SIGRTMIN+2 (`keepalived.json`): names, order and kinds of its fields.

use crate::event::Standing;
use crate::status::{AddressState, AddressStatus, InstanceStatus, ProcessStatus, Status};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::{self, Write};
use core::net::IpAddr;
use core::time::Duration;
use model::{Authentication, Command, Deleted, Hook, Host, Instance, ParameterMatch, VirtualAddress};
use vrrp::{Discard, Leader};
use wire::Priority;

/// What stands for a secret.
const MASK: &str = "********";

/// The JSON of a node at one moment. `host` is its configuration, `wall` the time of day as time since 1970.
/// `None`: there are no instances, and keepalived writes nothing then.
#[must_use]
pub fn json(status: &Status, host: &Host, wall: Duration) -> Option<String> {
    let configured: BTreeMap<&Arc<str>, &Instance> = host.instances.iter().map(|i| (&i.name, i)).collect();
    let mut to = Json::default();
    let both = host.daemon.dumps.json_version == 2;
    if both {
        to.open('{').key("vrrp");
    }
    to.open('[');
    let mut any = false;
    for instance in &status.instances {
        // Both are of one moment, or a reload came between.
        let Some(configured) = configured.get(&instance.name) else { continue };
        any = true;
        to.open('{');
        to.key("data").open('{').instance(instance, configured, host, wall).close('}');
        to.key("stats").open('{').counters(instance).close('}');
        to.close('}');
    }
    to.close(']');
    if both {
        to.key("track_process").open('[');
        for process in &status.processes {
            to.open('{').process(process, host).close('}');
        }
        to.close(']').close('}');
    }
    any.then_some(to.text)
}

/// Text that grows.
#[derive(Default)]
struct Json {
    text: String,
    /// The next value needs a comma in front.
    more: bool,
}

impl Json {
    fn open(&mut self, sign: char) -> &mut Self {
        self.comma().text.push(sign);
        self.more = false;
        self
    }

    fn close(&mut self, sign: char) -> &mut Self {
        self.text.push(sign);
        self.more = true;
        self
    }

    fn comma(&mut self) -> &mut Self {
        if core::mem::replace(&mut self.more, true) {
            self.text.push(',');
        }
        self
    }

    fn key(&mut self, name: &str) -> &mut Self {
        self.comma().quoted(name).text.push(':');
        self.more = false;
        self
    }

    fn raw(&mut self, name: &str, value: impl fmt::Display) -> &mut Self {
        self.key(name);
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{value}");
        self.more = true;
        self
    }

    /// A flag that is a number.
    fn flag(&mut self, name: &str, on: bool) -> &mut Self {
        self.raw(name, u8::from(on))
    }

    fn string(&mut self, name: &str, value: &str) -> &mut Self {
        self.key(name).quoted(value).more = true;
        self
    }

    /// Texts, if there are any.
    fn list(&mut self, name: &str, values: impl IntoIterator<Item = String>) -> &mut Self {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.key(name).open('[');
            for value in values {
                self.comma().quoted(&value);
            }
            self.close(']');
        }
        self
    }

    fn quoted(&mut self, text: &str) -> &mut Self {
        self.text.push('"');
        for sign in text.chars() {
            let _ = match sign {
                '"' | '\\' => write!(self.text, "\\{sign}"),
                sign if sign.is_control() => write!(self.text, "\\u{:04x}", u32::from(sign)),
                sign => write!(self.text, "{sign}"),
            };
        }
        self.text.push('"');
        self
    }

    fn instance(&mut self, i: &InstanceStatus, of: &Instance, host: &Host, wall: Duration) -> &mut Self {
        let settings = &of.settings;
        let announce = &settings.announce;
        let leader = match i.leader {
            Some(Leader { priority, .. }) if i.standing == Standing::Backup => priority,
            Some(_) | None => Priority::LEAVING,
        };
        let is_set = i.standing == Standing::Active
            && i.addresses.iter().any(|a| matches!(a.state, AddressState::Held | AddressState::Foreign));
        self.string("iname", &i.name)
            .flag("dont_track_primary", of.ignore_own_link)
            .flag("skip_check_adv_addr", of.skip_check_known_leader)
            .flag("strict_mode", of.strict)
            .string("vmac_ifname", "")
            .string("ifp_ifname", i.home.interface().map_or("", |name| name));
        if let Some(vrf) = i.home.vrf() {
            self.string("vrf", vrf);
        }
        self.raw("master_priority", leader)
            .raw("last_transition", Seconds(wall.saturating_sub(i.since), 6))
            .raw("garp_delay", Seconds(announce.delay, 0))
            .raw("garp_refresh", announce.refresh.as_secs())
            .raw("garp_rep", announce.repeat)
            .raw("garp_refresh_rep", announce.refresh_repeat)
            .raw("garp_lower_prio_delay", announce.lower_priority_delay.as_secs())
            .raw("garp_lower_prio_rep", announce.lower_priority_repeat)
            .flag("lower_prio_no_advert", settings.lower_priority_no_advert)
            .flag("higher_prio_send_advert", settings.higher_priority_send_advert)
            .raw("vrid", i.vrid)
            .raw("base_priority", i.base_priority)
            .raw("effective_priority", i.priority)
            .raw("vipset", is_set)
            .raw("promote_secondaries", false)
            .raw("adver_int", Seconds(i.interval.duration(), 0))
            .raw("master_adver_int", Seconds(i.active_interval.duration(), 0))
            .flag("accept", of.accepts())
            .raw("nopreempt", !i.preempt)
            .raw("preempt_delay", Seconds(settings.preempt_delay, 0))
            .raw("state", number(i.standing))
            .raw("wantstate", number(i.standing))
            .raw("version", i.version)
            .raw("smtp_alert", of.notify.mail.unwrap_or(host.mail.default))
            .raw("notify_deleted", matches!(of.notify.deleted, Deleted::Told(_)))
            .told(of)
            .held(i, of)
            .tracked(of, host)
            .authentication(of)
    }

    fn told(&mut self, of: &Instance) -> &mut Self {
        let notify = &of.notify;
        let deleted = match &notify.deleted {
            Deleted::Told(hook) => hook.as_deref(),
            Deleted::AsFault => None,
        };
        for (name, hook) in [
            ("script_backup", notify.backup.as_deref()),
            ("script_master", notify.active.as_deref()),
            ("script_fault", notify.fault.as_deref()),
            ("script_stop", notify.stop.as_deref()),
            ("script_deleted", deleted),
            ("script", notify.any.as_deref()),
            ("script_master_rx_lower_pri", notify.lower_advert.as_deref()),
        ] {
            if let Some(Hook { command: words, .. }) = hook {
                self.string(name, &command(words));
            }
        }
        self
    }

    fn held(&mut self, i: &InstanceStatus, of: &Instance) -> &mut Self {
        let text = |held: &VirtualAddress| {
            let device = of.device_of(held);
            let is_it = |a: &&AddressStatus| a.address == held.address && Some(&a.device) == device;
            let at = i.addresses.iter().find(is_it);
            let is_set = at.is_some_and(|a| matches!(a.state, AddressState::Held | AddressState::Foreign));
            address(held, device.map_or("", |name| name), is_set)
        };
        self.list("vips", of.addresses.iter().map(text)).list("evips", of.excluded.iter().map(text))
    }

    fn tracked(&mut self, of: &Instance, host: &Host) -> &mut Self {
        let scripts = of.tracking.scripts.iter().filter_map(|tracked| {
            host.scripts
                .iter()
                .find(|script| script.name == tracked.name)
                .map(|script| command(&script.command))
        });
        self.list("track_ifp", of.track_interfaces.iter().map(|tracked| String::from(&*tracked.interface)))
            .list("track_script", scripts)
            .list("track_process", of.tracking.processes.iter().map(|tracked| String::from(&*tracked.name)))
    }

    fn authentication(&mut self, of: &Instance) -> &mut Self {
        match of.authentication {
            // Adverts with a signed trailer have the type 0 too; what newer versions write beside it is not known.
            Authentication::None | Authentication::Keyed(_) => self.raw("auth_type", 0),
            Authentication::Password(_) => self.raw("auth_type", 1).string("auth_data", MASK),
            Authentication::Header(_) => self.raw("auth_type", 2).string("auth_data", MASK),
        }
    }

    fn counters(&mut self, i: &InstanceStatus) -> &mut Self {
        let c = &i.counters;
        let n = |why| c.discarded(why);
        self.raw("advert_rcvd", c.received)
            .raw("advert_sent", c.sent)
            .raw("become_master", c.became_active)
            .raw("release_master", c.released_active)
            .raw("packet_len_err", n(Discard::Truncated))
            .raw("advert_interval_err", n(Discard::Interval) + n(Discard::IntervalZero))
            .raw("ip_ttl_err", n(Discard::HopLimit))
            .raw("invalid_type_rcvd", n(Discard::Type))
            .raw("addr_list_err", c.incidents.address_list_differs + n(Discard::AddressList))
            .raw("invalid_authtype", n(Discard::AuthenticationUnknown))
            .raw("authtype_mismatch", n(Discard::AuthenticationType) + n(Discard::SignatureMissing))
            .raw("auth_failure", super::authentication_failures(c))
            .raw("pri_zero_rcvd", c.incidents.priority_zero_received)
            .raw("pri_zero_sent", c.incidents.priority_zero_sent)
    }

    fn process(&mut self, now: &ProcessStatus, host: &Host) -> &mut Self {
        let Some(of) = host.processes.iter().find(|process| process.name == now.name) else { return self };
        self.string("process", &of.path);
        if !of.parameters.is_empty() {
            let matching = match of.parameter_match {
                ParameterMatch::Exact => "exact",
                ParameterMatch::Partial => "partial",
                ParameterMatch::Initial => "initial",
            };
            self.string("parameters", &of.parameters.join(" ")).string("param_match", matching);
        }
        self.raw("min_processes", of.fewest)
            .raw("max_processes", of.most.unwrap_or(u32::MAX))
            .raw("current_processes", now.count.and_then(Result::ok).unwrap_or(0))
            .raw("have_quorum", now.health == crate::event::Health::Well)
            .raw("weight", of.weight.value)
            .raw("terminate_delay", Seconds(of.end_delay, 0))
            .raw("fork_delay", Seconds(of.begin_delay, 0))
            .raw("full_command", of.full_command)
    }
}

const fn number(standing: Standing) -> u8 {
    match standing {
        Standing::Initialize => 0,
        Standing::Backup => 1,
        Standing::Active => 2,
        Standing::Fault => 3,
    }
}

/// A command as keepalived shows it: each word in single quotes.
fn command(command: &Command) -> String {
    match command {
        Command::Readable { path } => format!("'<{path}'"),
        Command::Run { path, arguments } => {
            let words = core::iter::once(path).chain(arguments);
            words.map(|word| format!("'{word}'")).collect::<alloc::vec::Vec<_>>().join(" ")
        }
    }
}

/// An address as keepalived shows it, which is much as `ip` does.
fn address(held: &VirtualAddress, device: &str, is_set: bool) -> String {
    let mut text = format!("{}", held.address);
    let (host, is_v6) = match held.address {
        IpAddr::V4(_) => (32, false),
        IpAddr::V6(_) => (128, true),
    };
    let mut say = |more: fmt::Arguments<'_>| {
        let _ = text.write_fmt(more);
    };
    // keepalived leaves the peer out, and the prefix that is the peer's.
    if held.options.peer.is_none() && held.prefix != host {
        say(format_args!("/{}", held.prefix));
    }
    if let Some(broadcast) = held.options.broadcast {
        say(format_args!(" brd {broadcast}"));
    }
    say(format_args!(" dev {device} scope "));
    match held.options.scope {
        0 => say(format_args!("global")),
        200 => say(format_args!("site")),
        253 => say(format_args!("link")),
        254 => say(format_args!("host")),
        other => say(format_args!("{other}")),
    }
    if let Some(label) = &held.options.label {
        say(format_args!(" label {label}"));
    }
    for (name, given) in [
        ("home", held.options.home),
        ("-nodad", held.options.detect_duplicates),
        ("noprefixroute", held.options.no_prefix_route),
    ] {
        if given {
            say(format_args!(" {name}"));
        }
    }
    if is_v6 {
        let usual = if held.prefix == host { 0 } else { u32::MAX };
        match held.options.preferred_lifetime.unwrap_or(usual) {
            0 => say(format_args!(" deprecated")),
            u32::MAX => say(format_args!(" preferred_lft forever")),
            time => say(format_args!(" preferred_lft {time}")),
        }
    }
    if is_set {
        say(format_args!(" set"));
    }
    text
}

/// Seconds with at least so many digits behind the point, and with no more than they need.
struct Seconds(Duration, usize);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:06}", self.0.subsec_micros());
        let needed = digits.trim_end_matches('0').len().max(self.1);
        write!(f, "{}", self.0.as_secs())?;
        match digits.get(..needed) {
            Some(digits) if needed > 0 => write!(f, ".{digits}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::AddressOptions;

    /// As Debian's keepalived 2.2.7 shows them.
    #[test]
    fn addresses() {
        let with = |text: &str, prefix, options| {
            VirtualAddress { prefix, ..VirtualAddress::host(text.parse().unwrap()) }.with(options)
        };
        let none = AddressOptions::default;
        let shown = |held: &VirtualAddress| address(held, "eth0", true);
        let broadcast = Some([10, 9, 0, 255].into());
        let peer = Some("10.9.1.2".parse().unwrap());
        for (held, text) in [
            (
                with("10.9.0.3", 24, AddressOptions { broadcast, ..none() }),
                "10.9.0.3/24 brd 10.9.0.255 dev eth0 scope global set",
            ),
            (with("10.9.1.1", 30, AddressOptions { peer, ..none() }), "10.9.1.1 dev eth0 scope global set"),
            (with("fd00::2", 128, none()), "fd00::2 dev eth0 scope global deprecated set"),
            (
                with("fd00::1", 64, AddressOptions { preferred_lifetime: Some(100), ..none() }),
                "fd00::1/64 dev eth0 scope global preferred_lft 100 set",
            ),
            (
                with(
                    "fd00::5",
                    64,
                    AddressOptions { home: true, detect_duplicates: true, no_prefix_route: true, ..none() },
                ),
                "fd00::5/64 dev eth0 scope global home -nodad noprefixroute preferred_lft forever set",
            ),
        ] {
            assert_eq!(shown(&held), text);
        }
    }

    #[test]
    fn numbers_and_texts() {
        let shown = |time: Duration, digits| format!("{}", Seconds(time, digits));
        assert_eq!(shown(Duration::from_millis(200), 0), "0.2");
        assert_eq!(shown(Duration::from_secs(5), 0), "5");
        assert_eq!(shown(Duration::from_secs(5), 6), "5.000000");
        let mut json = Json::default();
        json.string("a", "\"\\\n").flag("b", true).list("none", []).list("c", ["d".into(), "e".into()]);
        assert_eq!(json.text, "\"a\":\"\\\"\\\\\\u000a\",\"b\":1,\"c\":[\"d\",\"e\"]");
    }
}

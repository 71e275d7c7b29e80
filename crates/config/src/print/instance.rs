//! One `vrrp_instance`.

use super::writer::word;
use super::{MASK, Print, Secrets, seconds};
use alloc::format;
use alloc::string::{String, ToString};
use core::net::IpAddr;
use model::{
    AnnounceSettings, Authentication, ChecksumForm, Home, Instance, KeyMode, Keyring, Peer, Replay, Secret,
    TrackedInterface, Transport, VirtualAddress,
};
use vrrp::timers;
use wire::Family;

impl Print<'_> {
    pub(super) fn instance(&mut self, instance: &Instance) {
        self.to.open(&format!("vrrp_instance {}", word(&instance.name)));
        self.basics(instance);
        self.election(instance);
        self.transport(&instance.transport, instance.check_unicast_source);
        self.authentication(&instance.authentication);
        self.addresses("virtual_ipaddress", &instance.addresses);
        self.addresses("virtual_ipaddress_excluded", &instance.excluded);
        self.flag("dont_track_primary", instance.ignore_own_link);
        self.flag("track_src_ip", instance.track_source);
        self.tracking(&instance.track_interfaces, &instance.tracking);
        self.notify(&instance.notify);
        self.announcing(&instance.settings.announce);
        self.to.close();
    }

    /// What every instance says, defaults too: they are what two nodes must agree about.
    fn basics(&mut self, instance: &Instance) {
        let settings = &instance.settings;
        let state = if instance.wants_active { "MASTER" } else { "BACKUP" };
        self.setting("state", state, false);
        match &instance.home {
            Home::Interface(name) => self.setting("interface", &word(name), false),
            Home::Routed { vrf: Some(name) } => self.setting("vrf", &word(name), false),
            Home::Routed { vrf: None } => {}
        }
        self.setting("virtual_router_id", &settings.vrid.to_string(), false);
        self.setting("version", &settings.version.to_string(), false);
        // Without addresses or peers nothing else tells the family.
        self.flag("native_ipv6", settings.family == Family::V6 && instance.addresses.is_empty());
        self.setting("priority", &settings.priority.to_string(), false);
        self.setting("advert_int", &seconds(settings.interval.duration()), false);
        let adverts = settings.down_adverts;
        self.setting("down_timer_adverts", &adverts.to_string(), adverts == 3);
        let (version, interval, priority) = (settings.version, settings.interval, settings.priority);
        let skew = timers::skew(version, interval, priority);
        let down = timers::down(version, interval, priority, adverts);
        self.to.line(&format!("# Skew_Time {} s, Master_Down_Interval {} s", seconds(skew), seconds(down)));
    }

    fn election(&mut self, instance: &Instance) {
        let settings = &instance.settings;
        match settings.preempt {
            true => self.usual("preempt"),
            false => self.to.line("nopreempt"),
        }
        let delay = settings.preempt_delay;
        self.setting("preempt_delay", &seconds(delay), delay.is_zero());
        if let Some(rival) = settings.late_rival {
            self.setting("timer_expired_backup", &rival.to_string(), false);
        }
        self.switch("owner_ignore_adverts", settings.owner_ignores_adverts);
        self.switch("lower_prio_no_advert", settings.lower_priority_no_advert);
        self.switch("higher_prio_send_advert", settings.higher_priority_send_advert);
        self.switch("skip_check_adv_addr", instance.skip_check_known_leader);
        self.switch("strict_mode", instance.strict);
        self.accept(instance);
        self.switch("v3_checksum_as_v2", instance.checksum == ChecksumForm::Message);
    }

    /// Usual is what strict mode asks for, or that it is off.
    pub(super) fn accept(&mut self, instance: &Instance) {
        let line = if instance.accept { "accept" } else { "no_accept" };
        match instance.accept == instance.strict {
            true => self.to.line(line),
            false => self.usual(line),
        }
    }

    pub(super) fn switch(&mut self, keyword: &str, on: bool) {
        self.setting(keyword, if on { "true" } else { "false" }, !on);
    }

    fn transport(&mut self, transport: &Transport, check_source: bool) {
        match transport {
            Transport::Multicast { group, source } => {
                self.source("mcast_src_ip", *source);
                self.source("mcast_dst_ip", *group);
                self.flag("check_unicast_src", check_source);
            }
            Transport::Unicast { source, peers, ttl } => {
                self.source("unicast_src_ip", *source);
                self.setting("unicast_ttl", &ttl.to_string(), *ttl == wire::HOP_LIMIT);
                self.flag("check_unicast_src", check_source);
                self.flag("unicast_fault_no_peer", peers.is_empty());
                self.to.open("unicast_peer");
                peers.iter().for_each(|one| self.to.line(&peer(one)));
                self.to.close();
            }
        }
    }

    fn source(&mut self, keyword: &str, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.setting(keyword, &address.to_string(), false);
        }
    }

    fn authentication(&mut self, authentication: &Authentication) {
        let (kind, secret) = match authentication {
            Authentication::None => return,
            Authentication::Keyed(ring) => return self.keys(ring),
            Authentication::Password(secret) => ("PASS", secret),
            Authentication::Header(secret) => ("AH", secret),
        };
        self.to.open("authentication");
        self.setting("auth_type", kind, false);
        match self.shown(secret) {
            Some(text) => self.setting("auth_pass", &text, false),
            None => self.to.line(&format!("auth_pass {MASK} # not shown")),
        }
        self.to.close();
    }

    fn keys(&mut self, ring: &Keyring) {
        self.to.open("auth_hmac");
        for (id, key) in &ring.keys {
            match self.secrets {
                Secrets::Shown => {
                    let digits: String = key.reveal().iter().map(|b| format!("{b:02x}")).collect();
                    self.to.line(&format!("key {id} hex:{digits}"));
                }
                // As many stars as a key must have at least, whatever its length: the line can be read again.
                Secrets::Masked => self.to.line(&format!("key {id} {MASK}{MASK}{MASK}{MASK} # not shown")),
            }
        }
        self.setting("active_key", &ring.active.to_string(), ring.keys.len() == 1);
        if let Some(window) = ring.window {
            self.setting("time_window", &seconds(window), false);
        }
        let replay = match ring.replay {
            Replay::Time => "time",
            Replay::Monotonic => "monotonic",
        };
        self.setting("anti_replay", replay, ring.replay == Replay::Time);
        let mode = match ring.mode {
            KeyMode::Enforce => "enforce",
            KeyMode::Permissive => "permissive",
            KeyMode::ReceiveOnly => "receive-only",
        };
        self.setting("mode", mode, ring.mode == KeyMode::Enforce);
        self.to.close();
    }

    fn shown(&self, secret: &Secret) -> Option<String> {
        let bytes = secret.reveal();
        let length = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        let text = core::str::from_utf8(bytes.get(..length)?).ok()?;
        (self.secrets == Secrets::Shown).then(|| word(text))
    }

    fn addresses(&mut self, keyword: &str, list: &[VirtualAddress]) {
        if list.is_empty() {
            return self.flag("no_virtual_ipaddress", keyword == "virtual_ipaddress");
        }
        self.to.open(keyword);
        list.iter().for_each(|address| self.to.line(&virtual_address(address)));
        self.to.close();
    }

    fn announcing(&mut self, own: &AnnounceSettings) {
        let usual = AnnounceSettings::default();
        let count = |n: u32| n.to_string();
        self.setting("garp_master_delay", &seconds(own.delay), own.delay == usual.delay);
        self.setting("garp_master_repeat", &count(own.repeat), own.repeat == usual.repeat);
        self.setting("garp_master_refresh", &seconds(own.refresh), own.refresh == usual.refresh);
        let repeat = own.refresh_repeat;
        self.setting("garp_master_refresh_repeat", &count(repeat), repeat == usual.refresh_repeat);
        // The host's, unless they are written.
        let (delay, repeat) = (own.lower_priority_delay, own.lower_priority_repeat);
        self.setting("garp_lower_prio_delay", &seconds(delay), delay == usual.delay);
        self.setting("garp_lower_prio_repeat", &count(repeat), repeat == usual.repeat);
    }
}

fn peer(peer: &Peer) -> String {
    let mut line = peer.address.to_string();
    option(&mut line, "min_ttl", peer.min_ttl);
    option(&mut line, "max_ttl", peer.max_ttl);
    line
}

pub(super) fn tracked_interface(tracked: &TrackedInterface) -> String {
    let mut line = word(&tracked.interface);
    option(&mut line, "weight", (tracked.weight != 0).then_some(tracked.weight));
    flag(&mut line, "reverse", tracked.reverse);
    line
}

/// An address with its options, as a line of a list.
pub(crate) fn virtual_address(own: &VirtualAddress) -> String {
    let mut line = match own.options.peer {
        // The prefix length is that of the other end.
        Some(peer) => format!("{} peer {peer}/{}", own.address, own.prefix),
        None => own.to_string(),
    };
    option(&mut line, "brd", own.options.broadcast);
    option(&mut line, "dev", own.options.device.as_deref().map(word));
    option(&mut line, "scope", scope(own.options.scope));
    option(&mut line, "label", own.options.label.as_deref().map(word));
    flag(&mut line, "noprefixroute", own.options.no_prefix_route);
    flag(&mut line, "-nodad", own.options.detect_duplicates);
    flag(&mut line, "home", own.options.home);
    let lifetime = own.options.preferred_lifetime.map(|seconds| match seconds {
        u32::MAX => "forever".to_string(),
        seconds => seconds.to_string(),
    });
    option(&mut line, "preferred_lft", lifetime);
    flag(&mut line, "no_track", own.options.no_track);
    line
}

/// The name of a scope, if it has one; none for the usual one.
fn scope(number: u8) -> Option<String> {
    let name = match number {
        0 => return None,
        200 => "site",
        253 => "link",
        254 => "host",
        255 => "nowhere",
        other => return Some(other.to_string()),
    };
    Some(name.to_string())
}

fn option(line: &mut String, name: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        for part in [" ", name, " ", &value.to_string()] {
            line.push_str(part);
        }
    }
}

fn flag(line: &mut String, name: &str, given: bool) {
    if given {
        line.push(' ');
        line.push_str(name);
    }
}

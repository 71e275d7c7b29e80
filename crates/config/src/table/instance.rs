//! Keywords of a `vrrp_instance`, of the blocks inside it, and of a `vrrp_sync_group`.

use super::State::{Honoured, NoEffect, NotBuilt};
use super::value::{U32, bytes, int, secs, secs6};
use super::{Block, Keyword, Lines, Shape, Value, k};

/// `vrrp_instance`.
#[rustfmt::skip]
pub(super) const VRRP_INSTANCE: &[Keyword] = &[
    k("use_vmac", Shape::Optional, "[[name] IF] [MAC] [netlink_notify_msg] [group ID]", Value::Words, "off; name vrrp.VRID", "", NotBuilt, "Own a macvlan with the virtual MAC; VIPs and adverts use it.").but("a MAC of 5 octets gets the VRID as the sixth; the words `name` and `group` since 2.3.0"),
    k("use_vmac_addr", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Create VMACs also on the interfaces of VIPs that name another interface."),
    k("vmac_xmit_base", Shape::Flag, "", Value::Nothing, "off (on for unicast)", "", NotBuilt, "Send adverts from the base interface instead of the VMAC."),
    k("use_ipvlan", Shape::Optional, "[[name] IF] [ADDR] [bridge|private|vepa] [group ID]", Value::Words, "off", "", NotBuilt, "Own an ipvlan interface; needs a source address.").but("the words `name` and `group` since 2.3.0"),
    k("unicast_peer", Shape::Lines(Lines::Peers), "{ IP [min_ttl N] [max_ttl N] }", Value::Block, "none (multicast)", "", Honoured, "Send adverts by unicast to these peers; ttl words turn on source checking.").but("ttl 0..255"),
    k("unicast_fault_no_peer", Shape::Flag, "", Value::Nothing, "off", "", Honoured, "Go to FAULT when a unicast instance has no peer left."),
    k("check_unicast_src", Shape::Flag, "", Value::Nothing, "global value", "", Honoured, "Accept unicast adverts only from listed peers."),
    k("old_unicast_checksum", Shape::Optional, "[never]", Value::OneOf(&["never"]), "auto-detect", "", NotBuilt, "Use the pre-1.4 unicast checksum for v3 IPv4; never turns detection off."),
    k("native_ipv6", Shape::Flag, "", Value::Nothing, "off", "", Honoured, "Force IPv6 transport although VIPs may be IPv4."),
    k("state", Shape::Value, "MASTER|BACKUP", Value::OneOf(&["MASTER", "BACKUP"]), "from priority (255 = MASTER)", "", Honoured, "Wanted initial state."),
    k("interface", Shape::Value, "IF", Value::Interface, "required unless unicast", "", Honoured, "Interface for adverts and default for VIPs.").but("not the loopback interface"),
    k("vrf", Shape::Value, "IF", Value::Interface, "none", "", Honoured, "VRF for unicast instances without interface.").but("a VRF device; not with interface"),
    k("dont_track_primary", Shape::Flag, "", Value::Nothing, "off", "", Honoured, "Ignore link state of the own interface."),
    k("track_interface", Shape::Lines(Lines::Trackers), "{ IF [weight N [reverse]] }", Value::Block, "", "", Honoured, "Further interfaces to track.").but("weight -253..253 (254 read as 253)"),
    k("track_script", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse|noreverse]] }", Value::Block, "", "", Honoured, "Scripts to track; script block must come first.").but("weight -253..253"),
    k("track_file", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", Value::Block, "", "", Honoured, "Files to track.").but("weight -254..254"),
    k("track_process", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", Value::Block, "", "", Honoured, "Processes to track.").but("weight -254..254"),
    k("track_bfd", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", Value::Block, "", "", Honoured, "BFD sessions to track.").but("weight -253..253"),
    k("mcast_src_ip", Shape::Value, "ADDR", Value::Address, "first address of the interface", "", Honoured, "Source of multicast adverts."),
    k("unicast_src_ip", Shape::Value, "ADDR", Value::Address, "first address of the interface", "", Honoured, "Source of unicast adverts."),
    k("mcast_dst_ip", Shape::Value, "ADDR", Value::Address, "global group", "", Honoured, "Own advert group.").but("a multicast group"),
    k("track_src_ip", Shape::Flag, "", Value::Nothing, "off", "", Honoured, "Go to FAULT while the configured source address is absent."),
    k("virtual_router_id", Shape::Value, "N", int("1..255"), "required", "", Honoured, "VRID."),
    k("unicast_ttl", Shape::Value, "N", int("0..255"), "255", "", Honoured, "TTL of sent unicast adverts."),
    k("version", Shape::Value, "2|3", int("2..3"), "global vrrp_version; 3 for IPv6", "", Honoured, "VRRP version."),
    k("priority", Shape::Value, "N", int("1..255"), "100; 255 when state MASTER and no priority given", "", Honoured, "Base priority; 255 = address owner."),
    k("advert_int", Shape::Value, "SECS", secs6("0.01..255"), "1", "", Honoured, "Advert period.").but("version 2: whole seconds; version 3: steps of 10 ms up to 40.95"),
    k("virtual_ipaddress", Shape::Lines(Lines::Addresses), "{ ADDRESS-LINE ... }", Value::Block, "required for v3/strict unless no_virtual_ipaddress", "", Honoured, "Addresses moved with mastership and listed in adverts."),
    k("virtual_ipaddress_excluded", Shape::Lines(Lines::Addresses), "{ ADDRESS-LINE ... }", Value::Block, "", "", Honoured, "Addresses moved but not advertised; any family."),
    k("no_virtual_ipaddress", Shape::Flag, "", Value::Nothing, "off", "2.2.8", Honoured, "Allow an instance without VIPs."),
    k("promote_secondaries", Shape::Flag, "", Value::Nothing, "off", "", NoEffect("it is switched on anyway before the first address with a prefix shorter than /32 is set"), "Set the sysctl of that name on the interface."),
    k("linkbeat_use_polling", Shape::Flag, "", Value::Nothing, "", "", NoEffect("it never worked for a single instance; link state comes from the kernel"), "Obsolete per-instance polling."),
    k("v3_checksum_as_v2", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "global value", "2.2.8", Honoured, "V3 IPv4 checksum without pseudo header."),
    k("virtual_routes", Shape::Lines(Lines::Routes), "{ ROUTE-LINE ... }", Value::Block, "", "", NotBuilt, "Routes moved with mastership."),
    k("virtual_rules", Shape::Lines(Lines::Rules), "{ RULE-LINE ... }", Value::Block, "", "", NotBuilt, "Policy rules moved with mastership."),
    k("accept", Shape::Flag, "", Value::Nothing, "on unless strict", "", Honoured, "VIPs answer local traffic even when not owner."),
    k("no_accept", Shape::Flag, "", Value::Nothing, "off (on in strict)", "", Honoured, "Firewall off traffic to VIPs when not owner."),
    k("skip_check_adv_addr", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "global value", "", Honoured, "Do not compare the address list of adverts from the current master again."),
    k("strict_mode", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "global vrrp_strict", "", Honoured, "Enforce the RFC for this instance."),
    k("preempt", Shape::Flag, "", Value::Nothing, "on", "", Honoured, "Undo nopreempt."),
    k("nopreempt", Shape::Flag, "", Value::Nothing, "off", "", Honoured, "A lower-priority master is left alone; needs initial state BACKUP."),
    k("preempt_delay", Shape::Value, "SECS", secs6("0..1000"), "0", "", Honoured, "Wait before taking over from a lower-priority master."),
    k("debug", Shape::Value, "N", int("0..4"), "0", "", NoEffect("it is left over from early versions; the log level is set on the command line"), "Legacy debug level."),
    k("notify_backup", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", Honoured, "Run on entering BACKUP."),
    k("notify_master", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", Honoured, "Run on entering MASTER."),
    k("notify_fault", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", Honoured, "Run on entering FAULT."),
    k("notify_stop", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", Honoured, "Run when the daemon stops."),
    k("notify", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", Honoured, "Run on every change with 4 extra arguments."),
    k("notify_master_rx_lower_pri", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", Honoured, "Run on each lower-priority advert heard as master."),
    k("notify_deleted", Shape::Optional, "[CMD [USER [GROUP]]]", Value::Script, "none (a FAULT notification is sent instead)", "", Honoured, "Notify DELETED when a reload removes the instance."),
    k("smtp_alert", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "global smtp_alert_vrrp", "", Honoured, "Mail on state change."),
    k("notify_priority_changes", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "global value", "", Honoured, "FIFO lines on priority change."),
    k("lvs_sync_daemon_interface", Shape::Value, "IF", Value::Interface, "", "", NotBuilt, "Obsolete per-instance sync daemon."),
    k("garp_master_delay", Shape::Value, "SECS", secs("0..4294"), "global value", "", Honoured, "See vrrp_garp_master_delay."),
    k("garp_master_refresh", Shape::Value, "SECS", secs(U32), "global value", "", Honoured, "See vrrp_garp_master_refresh."),
    k("garp_master_repeat", Shape::Value, "N", int("1..4294967295"), "global value", "", Honoured, "See vrrp_garp_master_repeat."),
    k("garp_master_refresh_repeat", Shape::Value, "N", int("1..4294967295"), "global value", "", Honoured, "See vrrp_garp_master_refresh_repeat."),
    k("garp_lower_prio_delay", Shape::Value, "SECS", secs("0..4294"), "global value", "", Honoured, "See vrrp_garp_lower_prio_delay."),
    k("garp_lower_prio_repeat", Shape::Value, "N", int("0..2147483647"), "global value", "", Honoured, "See vrrp_garp_lower_prio_repeat."),
    k("down_timer_adverts", Shape::Value, "N", int("1..100"), "global value", "", Honoured, "See vrrp_down_timer_adverts."),
    k("timer_expired_backup", Shape::Optional, "[PRIO]", int("1..254"), "off; 254 when no number", "2.2.8", Honoured, "Highest priority of the peers; a master whose timers ran so late that they must have taken over steps down to BACKUP."),
    k("thread_timer_expired", Shape::Optional, "[PRIO]", int("1..254"), "", "2.3.2", Honoured, "Alternative spelling of timer_expired_backup."),
    k("garp_extra_if", Shape::Words, "[all] SECS", secs("0..86400"), "global value", "", NotBuilt, "See vrrp_garp_extra_if.").but("`all` before it: on the interface of every address").lenient(),
    k("vmac_garp_intvl", Shape::Words, "[all] SECS", secs("0..86400"), "", "", NotBuilt, "Deprecated spelling of garp_extra_if.").but("`all` before it: on the interface of every address").lenient(),
    k("lower_prio_no_advert", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "global value", "", Honoured, "See vrrp_lower_prio_no_advert."),
    k("higher_prio_send_advert", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "global value", "", Honoured, "See vrrp_higher_prio_send_advert."),
    k("owner_ignore_adverts", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "global value", "2.3.3", Honoured, "See vrrp_owner_ignore_adverts.").but("only with priority 255; a false still ends an earlier true"),
    k("kernel_rx_buf_size", Shape::Value, "BYTES", bytes("0..4294967295"), "kernel default", "", NoEffect("receive buffers are sized from the number of virtual routers and their intervals"), "Receive buffer of the instance's socket.").lenient(),
    k("authentication", Shape::Block(Block::Authentication), "{ ... }", Value::Block, "none", "", Honoured, "VRRPv2 authentication.").but("VRRPv2 only"),
    k("auth_hmac", Shape::Block(Block::AuthHmac), "{ ... }", Value::Block, "none", "2.4.0", Honoured, "Keyed authentication trailer; replaces the legacy kind."),
];

/// `vrrp_instance/authentication`.
#[rustfmt::skip]
pub(super) const AUTHENTICATION: &[Keyword] = &[
    k("auth_type", Shape::Value, "PASS|AH", Value::OneOf(&["PASS", "AH"]), "none", "", Honoured, "Plain password or IPsec AH (AH only IPv4).").but("AH only for IPv4"),
    k("auth_pass", Shape::Value, "STRING", Value::Secret, "empty", "", Honoured, "Password or key.").but("8 characters count"),
];

/// `vrrp_instance/auth_hmac`.
#[rustfmt::skip]
pub(super) const AUTH_HMAC: &[Keyword] = &[
    k("key", Shape::Words, "ID VALUE", Value::Secret, ">=1 key required", "2.4.0", Honoured, "Shared key.").but("the id is 1 to 255; the key is text, hex:HEX or file:PATH, of 32 to 64 bytes; in a file one line end is cut off, and only its owner may read it").lenient(),
    k("active_key", Shape::Value, "ID", int("1..255"), "the only key, else required", "2.4.0", Honoured, "Key used for sending.").lenient(),
    k("time_window", Shape::Value, "SECS", secs("1..300"), "max(3 x advert interval, 5), cap 300", "2.4.0", Honoured, "Clock difference tolerated.").lenient(),
    k("anti_replay", Shape::Value, "time|monotonic", Value::OneOf(&["time", "monotonic"]), "time", "2.4.0", Honoured, "Time-window or pure counter replay check.").lenient(),
    k("mode", Shape::Value, "enforce|permissive|receive-only", Value::OneOf(&["enforce", "permissive", "receive-only"]), "enforce", "2.4.0", Honoured, "Whether unsigned adverts are accepted and whether own ones are signed.").but("receive-only since 2.4.2").lenient(),
];

/// `vrrp_sync_group`.
#[rustfmt::skip]
pub(super) const VRRP_SYNC_GROUP: &[Keyword] = &[
    k("group", Shape::Lines(Lines::Names), "{ INSTANCE ... }", Value::Block, "required", "", Honoured, "Members.").but(">=1; one member only warns"),
    k("track_interface", Shape::Lines(Lines::Trackers), "{ IF [weight N [reverse]] }", Value::Block, "", "", Honoured, "Interfaces tracked for all members."),
    k("track_script", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", Value::Block, "", "", Honoured, "Scripts tracked for all members."),
    k("track_file", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", Value::Block, "", "", Honoured, "Files tracked for all members."),
    k("track_process", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", Value::Block, "", "", Honoured, "Processes tracked for all members."),
    k("track_bfd", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", Value::Block, "", "", Honoured, "BFD sessions tracked for all members."),
    k("notify_backup", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", Honoured, "Run when the group enters BACKUP."),
    k("notify_master", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", Honoured, "Run when the group enters MASTER."),
    k("notify_fault", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", Honoured, "Run when the group enters FAULT."),
    k("notify_stop", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", Honoured, "Run when the daemon stops."),
    k("notify", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", Honoured, "Run on every group state change with 4 extra arguments."),
    k("smtp_alert", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "global smtp_alert_vrrp", "", Honoured, "Mail on group state change."),
    k("global_tracking", Shape::Flag, "", Value::Nothing, "", "", Honoured, "Obsolete spelling of sync_group_tracking_weight."),
    k("sync_group_tracking_weight", Shape::Flag, "", Value::Nothing, "off", "", Honoured, "Allow weighted trackers in the group (all members then need equal priorities in effect)."),
    k("notify_priority_changes", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "global value", "", Honoured, "FIFO lines on priority changes of members."),
];

//! Keywords of a `vrrp_instance`, of the blocks inside it, and of a `vrrp_sync_group`.

use super::State::{Honoured, NoEffect, NotBuilt};
use super::{Block, Keyword, Lines, Shape, k};

/// `vrrp_instance`.
#[rustfmt::skip]
pub(super) const VRRP_INSTANCE: &[Keyword] = &[
    k("use_vmac", Shape::Optional, "[[name] IF] [MAC] [netlink_notify_msg] [group ID]", "compound; MAC of 5 (VRID appended) or 6 octets", "off; name vrrp.VRID", "name/group words 2.3.0", NotBuilt, "Own a macvlan with the virtual MAC; VIPs and adverts use it."),
    k("use_vmac_addr", Shape::Flag, "", "flag", "off", "", NotBuilt, "Create VMACs also on the interfaces of VIPs that name another interface."),
    k("vmac_xmit_base", Shape::Flag, "", "flag", "off (on for unicast)", "", NotBuilt, "Send adverts from the base interface instead of the VMAC."),
    k("use_ipvlan", Shape::Optional, "[[name] IF] [ADDR] [bridge|private|vepa] [group ID]", "compound", "off", "name/group words 2.3.0", NotBuilt, "Own an ipvlan interface; needs a source address."),
    k("unicast_peer", Shape::Lines(Lines::Peers), "{ IP [min_ttl N] [max_ttl N] }", "list; ttl 0..255", "none (multicast)", "", Honoured, "Send adverts by unicast to these peers; ttl words turn on source checking."),
    k("unicast_fault_no_peer", Shape::Flag, "", "flag", "off", "", NotBuilt, "Go to FAULT when a unicast instance has no peer left."),
    k("check_unicast_src", Shape::Flag, "", "flag", "global value", "", Honoured, "Accept unicast adverts only from listed peers."),
    k("old_unicast_checksum", Shape::Optional, "[never]", "enum", "auto-detect", "", NotBuilt, "Use the pre-1.4 unicast checksum for v3 IPv4; never turns detection off."),
    k("native_ipv6", Shape::Flag, "", "flag", "off", "", Honoured, "Force IPv6 transport although VIPs may be IPv4."),
    k("state", Shape::Value, "MASTER|BACKUP", "enum", "from priority (255 = MASTER)", "", Honoured, "Wanted initial state."),
    k("interface", Shape::Value, "IF", "interface; not loopback", "required unless unicast", "", Honoured, "Interface for adverts and default for VIPs."),
    k("vrf", Shape::Value, "IF", "interface", "none", "", NotBuilt, "VRF for unicast instances without interface."),
    k("dont_track_primary", Shape::Flag, "", "flag", "off", "", Honoured, "Ignore link state of the own interface."),
    k("track_interface", Shape::Lines(Lines::Trackers), "{ IF [weight N [reverse]] }", "list; weight -253..253 (254 read as 253)", "", "", Honoured, "Further interfaces to track."),
    k("track_script", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse|noreverse]] }", "list; weight -253..253", "", "", NotBuilt, "Scripts to track; script block must come first."),
    k("track_file", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", "list; weight -254..254", "", "", NotBuilt, "Files to track."),
    k("track_process", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", "list; weight -254..254", "", "", NotBuilt, "Processes to track."),
    k("track_bfd", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", "list; weight -253..253", "", "", NotBuilt, "BFD sessions to track."),
    k("mcast_src_ip", Shape::Value, "ADDR", "address", "first address of the interface", "", Honoured, "Source of multicast adverts."),
    k("unicast_src_ip", Shape::Value, "ADDR", "address", "first address of the interface", "", Honoured, "Source of unicast adverts."),
    k("mcast_dst_ip", Shape::Value, "ADDR", "multicast address", "global group", "", Honoured, "Own advert group."),
    k("track_src_ip", Shape::Flag, "", "flag", "off", "", NotBuilt, "Go to FAULT while the configured source address is absent."),
    k("virtual_router_id", Shape::Value, "N", "int; 1..255", "required", "", Honoured, "VRID."),
    k("unicast_ttl", Shape::Value, "N", "int; 0..255", "255", "", Honoured, "TTL of sent unicast adverts."),
    k("version", Shape::Value, "2|3", "int; 2..3", "global vrrp_version; 3 for IPv6", "", Honoured, "VRRP version."),
    k("priority", Shape::Value, "N", "int; 1..255", "100; 255 when state MASTER and no priority given", "", Honoured, "Base priority; 255 = address owner."),
    k("advert_int", Shape::Value, "SECS", "s decimal; 0.01..255; v2 whole seconds, v3 10 ms steps up to 40.95", "1", "", Honoured, "Advert period."),
    k("virtual_ipaddress", Shape::Lines(Lines::Addresses), "{ ADDRESS-LINE ... }", "list", "required for v3/strict unless no_virtual_ipaddress", "", Honoured, "Addresses moved with mastership and listed in adverts."),
    k("virtual_ipaddress_excluded", Shape::Lines(Lines::Addresses), "{ ADDRESS-LINE ... }", "list", "", "", Honoured, "Addresses moved but not advertised; any family."),
    k("no_virtual_ipaddress", Shape::Flag, "", "flag", "off", "2.2.8", Honoured, "Allow an instance without VIPs."),
    k("promote_secondaries", Shape::Flag, "", "flag", "off", "", NotBuilt, "Set the sysctl of that name on the interface."),
    k("linkbeat_use_polling", Shape::Flag, "", "flag", "", "", NoEffect("it never worked for a single instance; link state comes from the kernel"), "Obsolete per-instance polling."),
    k("v3_checksum_as_v2", Shape::Optional, "[true|on|yes|false|off|no]", "bool", "global value", "2.2.8", Honoured, "V3 IPv4 checksum without pseudo header."),
    k("virtual_routes", Shape::Lines(Lines::Routes), "{ ROUTE-LINE ... }", "list", "", "", NotBuilt, "Routes moved with mastership."),
    k("virtual_rules", Shape::Lines(Lines::Rules), "{ RULE-LINE ... }", "list", "", "", NotBuilt, "Policy rules moved with mastership."),
    k("accept", Shape::Flag, "", "flag", "on unless strict", "", Honoured, "VIPs answer local traffic even when not owner."),
    k("no_accept", Shape::Flag, "", "flag", "off (on in strict)", "", NotBuilt, "Firewall off traffic to VIPs when not owner."),
    k("skip_check_adv_addr", Shape::Optional, "[true|on|yes|false|off|no]", "bool", "global value", "", Honoured, "Do not compare the address list of adverts from the current master again."),
    k("strict_mode", Shape::Optional, "[true|on|yes|false|off|no]", "bool", "global vrrp_strict", "", NotBuilt, "Enforce the RFC for this instance."),
    k("preempt", Shape::Flag, "", "flag", "on", "", Honoured, "Undo nopreempt."),
    k("nopreempt", Shape::Flag, "", "flag", "off", "", Honoured, "A lower-priority master is left alone; needs initial state BACKUP."),
    k("preempt_delay", Shape::Value, "SECS", "s decimal; 0..1000", "0", "", Honoured, "Wait before taking over from a lower-priority master."),
    k("debug", Shape::Value, "N", "int; 0..4", "0", "", NoEffect("it is left over from early versions; the log level is set on the command line"), "Legacy debug level."),
    k("notify_backup", Shape::Words, "CMD [USER [GROUP]]", "script", "none", "", NotBuilt, "Run on entering BACKUP."),
    k("notify_master", Shape::Words, "CMD [USER [GROUP]]", "script", "none", "", NotBuilt, "Run on entering MASTER."),
    k("notify_fault", Shape::Words, "CMD [USER [GROUP]]", "script", "none", "", NotBuilt, "Run on entering FAULT."),
    k("notify_stop", Shape::Words, "CMD [USER [GROUP]]", "script", "none", "", NotBuilt, "Run when the daemon stops."),
    k("notify", Shape::Words, "CMD [USER [GROUP]]", "script", "none", "", NotBuilt, "Run on every change with 4 extra arguments."),
    k("notify_master_rx_lower_pri", Shape::Words, "CMD [USER [GROUP]]", "script", "none", "", NotBuilt, "Run on each lower-priority advert heard as master."),
    k("notify_deleted", Shape::Optional, "[CMD [USER [GROUP]]]", "script", "none (a FAULT notification is sent instead)", "", NotBuilt, "Notify DELETED when a reload removes the instance."),
    k("smtp_alert", Shape::Optional, "[true|on|yes|false|off|no]", "bool", "global smtp_alert_vrrp", "", NotBuilt, "Mail on state change."),
    k("notify_priority_changes", Shape::Optional, "[true|on|yes|false|off|no]", "bool", "global value", "", NotBuilt, "FIFO lines on priority change."),
    k("lvs_sync_daemon_interface", Shape::Value, "IF", "interface", "", "", NotBuilt, "Obsolete per-instance sync daemon."),
    k("garp_master_delay", Shape::Value, "SECS", "s; 0..4294", "global value", "", Honoured, "See vrrp_garp_master_delay."),
    k("garp_master_refresh", Shape::Value, "SECS", "s; 0..4294967295", "global value", "", Honoured, "See vrrp_garp_master_refresh."),
    k("garp_master_repeat", Shape::Value, "N", "count; 1..", "global value", "", Honoured, "See vrrp_garp_master_repeat."),
    k("garp_master_refresh_repeat", Shape::Value, "N", "count; 1..", "global value", "", Honoured, "See vrrp_garp_master_refresh_repeat."),
    k("garp_lower_prio_delay", Shape::Value, "SECS", "s; 0..4294", "global value", "", Honoured, "See vrrp_garp_lower_prio_delay."),
    k("garp_lower_prio_repeat", Shape::Value, "N", "count; 0..2147483647", "global value", "", Honoured, "See vrrp_garp_lower_prio_repeat."),
    k("down_timer_adverts", Shape::Value, "N", "count; 1..100", "global value", "", Honoured, "See vrrp_down_timer_adverts."),
    k("timer_expired_backup", Shape::Optional, "[PRIO]", "int; 1..254", "off; 254 when no number", "2.2.8", NotBuilt, "Highest priority of the peers; a master whose timers ran so late that they must have taken over steps down to BACKUP."),
    k("thread_timer_expired", Shape::Optional, "[PRIO]", "int", "", "2.3.2", NotBuilt, "Alternative spelling of timer_expired_backup."),
    k("garp_extra_if", Shape::Optional, "[all] SECS", "s; 0..86400", "global value", "", NotBuilt, "See vrrp_garp_extra_if."),
    k("vmac_garp_intvl", Shape::Optional, "[all] SECS", "s", "", "", NotBuilt, "Deprecated spelling of garp_extra_if."),
    k("lower_prio_no_advert", Shape::Optional, "[true|on|yes|false|off|no]", "bool", "global value", "", Honoured, "See vrrp_lower_prio_no_advert."),
    k("higher_prio_send_advert", Shape::Optional, "[true|on|yes|false|off|no]", "bool", "global value", "", Honoured, "See vrrp_higher_prio_send_advert."),
    k("owner_ignore_adverts", Shape::Optional, "[true|on|yes|false|off|no]", "bool; only priority 255; explicit false still ends true", "global value", "2.3.3", Honoured, "See vrrp_owner_ignore_adverts."),
    k("kernel_rx_buf_size", Shape::Value, "BYTES", "bytes", "kernel default", "", NoEffect("receive buffers are sized from the number of virtual routers and their intervals"), "Receive buffer of the instance's socket."),
    k("authentication", Shape::Block(Block::Authentication), "{ ... }", "block; VRRPv2 only", "none", "", Honoured, "VRRPv2 authentication."),
    k("auth_hmac", Shape::Block(Block::AuthHmac), "{ ... }", "block", "none", "2.4.0", NotBuilt, "Keyed authentication trailer; replaces the legacy kind."),
];

/// `vrrp_instance/authentication`.
#[rustfmt::skip]
pub(super) const AUTHENTICATION: &[Keyword] = &[
    k("auth_type", Shape::Value, "PASS|AH", "enum", "none", "", Honoured, "Plain password or IPsec AH (AH only IPv4)."),
    k("auth_pass", Shape::Value, "STRING", "string; 8 characters (longer truncated with message)", "empty", "", Honoured, "Password or key."),
];

/// `vrrp_instance/auth_hmac`.
#[rustfmt::skip]
pub(super) const AUTH_HMAC: &[Keyword] = &[
    k("key", Shape::Words, "ID VALUE", "id + key; ID 1..255; 32..64 bytes; VALUE = text, hex:HEX or file:PATH", ">=1 key required", "2.4.0", NotBuilt, "Shared key."),
    k("active_key", Shape::Value, "ID", "int; 1..255", "the only key, else required", "2.4.0", NotBuilt, "Key used for sending."),
    k("time_window", Shape::Value, "SECS", "s; 1..300", "max(3 x advert interval, 5), cap 300", "2.4.0", NotBuilt, "Clock difference tolerated."),
    k("anti_replay", Shape::Value, "time|monotonic", "enum", "time", "2.4.0", NotBuilt, "Time-window or pure counter replay check."),
    k("mode", Shape::Value, "enforce|permissive|receive-only", "enum", "enforce", "2.4.0 (receive-only 2.4.2)", NotBuilt, "Whether unsigned adverts are accepted and whether own ones are signed."),
];

/// `vrrp_sync_group`.
#[rustfmt::skip]
pub(super) const VRRP_SYNC_GROUP: &[Keyword] = &[
    k("group", Shape::Lines(Lines::Names), "{ INSTANCE ... }", "list; >=1; one member only warns", "required", "", NotBuilt, "Members."),
    k("track_interface", Shape::Lines(Lines::Trackers), "{ IF [weight N [reverse]] }", "list", "", "", NotBuilt, "Interfaces tracked for all members."),
    k("track_script", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", "list", "", "", NotBuilt, "Scripts tracked for all members."),
    k("track_file", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", "list", "", "", NotBuilt, "Files tracked for all members."),
    k("track_process", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", "list", "", "", NotBuilt, "Processes tracked for all members."),
    k("track_bfd", Shape::Lines(Lines::Trackers), "{ NAME [weight N [reverse]] }", "list", "", "", NotBuilt, "BFD sessions tracked for all members."),
    k("notify_backup", Shape::Words, "CMD [USER [GROUP]]", "script", "none", "", NotBuilt, "Run when the group enters BACKUP."),
    k("notify_master", Shape::Words, "CMD [USER [GROUP]]", "script", "none", "", NotBuilt, "Run when the group enters MASTER."),
    k("notify_fault", Shape::Words, "CMD [USER [GROUP]]", "script", "none", "", NotBuilt, "Run when the group enters FAULT."),
    k("notify_stop", Shape::Words, "CMD [USER [GROUP]]", "script", "none", "", NotBuilt, "Run when the daemon stops."),
    k("notify", Shape::Words, "CMD [USER [GROUP]]", "script", "none", "", NotBuilt, "Run on every group state change with 4 extra arguments."),
    k("smtp_alert", Shape::Optional, "[true|on|yes|false|off|no]", "bool", "global smtp_alert_vrrp", "", NotBuilt, "Mail on group state change."),
    k("global_tracking", Shape::Flag, "", "flag", "", "", NotBuilt, "Obsolete spelling of sync_group_tracking_weight."),
    k("sync_group_tracking_weight", Shape::Flag, "", "flag", "off", "", NotBuilt, "Allow weighted trackers in the group (all members then need equal priorities in effect)."),
    k("notify_priority_changes", Shape::Optional, "[true|on|yes|false|off|no]", "bool", "global value", "", NotBuilt, "FIFO lines on priority changes of members."),
];

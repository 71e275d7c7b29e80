//! Keywords that stand outside every block, and those of the small blocks there.

use super::State::{Honoured, NotBuilt};
use super::{Block, Keyword, Lines, Shape, k};

/// Keywords that stand outside every block, and those of the small blocks there.
#[rustfmt::skip]
pub(super) const ROOT: &[Keyword] = &[
    k("global_defs", Shape::Block(Block::GlobalDefs), "{ ... }", "block", "", "", Honoured, "Global settings."),
    k("linkbeat_use_polling", Shape::Flag, "", "flag", "off", "", NotBuilt, "Poll link state (MII, then ETHTOOL, then ioctl flags) for every interface."),
    k("net_namespace", Shape::Value, "NAME", "string", "none", "", NotBuilt, "Run inside the named network namespace; implies use_pid_dir."),
    k("net_namespace_ipvs", Shape::Optional, "[NAME]", "string", "same as daemon; no name = the original namespace", "", NotBuilt, "Namespace used for IPVS work."),
    k("namespace_with_ipsets", Shape::Flag, "", "flag", "off", "", NotBuilt, "Allow ipsets inside a namespace on kernels too old to isolate them."),
    k("use_pid_dir", Shape::Flag, "", "flag", "off", "", NotBuilt, "Put pid files in a keepalived sub-directory of the run directory."),
    k("instance", Shape::Value, "NAME", "string", "none", "", NotBuilt, "Name this daemon instance (pid file names, log idents, D-Bus path)."),
    k("child_wait_time", Shape::Value, "SECS", "s; 0..4294967295", "5", "", NotBuilt, "Time the parent waits for children at shutdown before killing them."),
    k("track_group", Shape::Block(Block::TrackGroup), "NAME { ... }", "block; unique name", "", "", NotBuilt, "Named list of instances that own static entries."),
    k("static_ipaddress", Shape::Lines(Lines::Addresses), "{ ADDRESS-LINE ... }", "block", "", "", NotBuilt, "Addresses kept up all the time."),
    k("static_routes", Shape::Lines(Lines::Routes), "{ ROUTE-LINE ... }", "block", "", "", NotBuilt, "Routes kept up all the time."),
    k("static_rules", Shape::Lines(Lines::Rules), "{ RULE-LINE ... }", "block", "", "", NotBuilt, "Policy rules kept up all the time."),
    k("vrrp_sync_group", Shape::Block(Block::VrrpSyncGroup), "NAME { ... }", "block; unique name", "", "", NotBuilt, "Instances that change state together."),
    k("garp_group", Shape::Block(Block::GarpGroup), "{ ... }", "block", "", "", Honoured, "Shared spacing of gratuitous ARP/NA over interfaces."),
    k("linkbeat_interfaces", Shape::Lines(Lines::Names), "{ IF [MII|ETHTOOL|IOCTL] }", "list", "", "", NotBuilt, "Interfaces whose link is polled."),
    k("vrrp_instance", Shape::Block(Block::VrrpInstance), "NAME { ... }", "block; unique name", "", "", Honoured, "One virtual router."),
    k("vrrp_script", Shape::Block(Block::VrrpScript), "NAME { ... }", "block; not checked for duplicates (first one is found)", "", "", NotBuilt, "Check script for instances and groups."),
    k("vrrp_track_process", Shape::Block(Block::VrrpTrackProcess), "NAME { ... }", "block; not checked for duplicates", "", "", NotBuilt, "Watch processes by name."),
    k("track_file", Shape::Block(Block::TrackFile), "NAME { ... }", "block; not checked for duplicates; directory must exist and support inotify", "", "", NotBuilt, "Watch a number in a file."),
    k("vrrp_track_file", Shape::Block(Block::VrrpTrackFile), "NAME { ... }", "block; not checked for duplicates; directory must exist and support inotify", "", "", NotBuilt, "Watch a number in a file (deprecated name)."),
    k("interface_up_down_delays", Shape::Lines(Lines::Names), "{ IF DOWN [UP] }", "list; 0..255 s decimal", "0", "", NotBuilt, "Damp link changes."),
    k("bfd_instance", Shape::Block(Block::BfdInstance), "NAME { ... }", "block; name <= 31 characters, unique", "", "", NotBuilt, "One BFD session."),
    k("SSL", Shape::Block(Block::Ssl), "{ ... }", "block", "generated context", "", NotBuilt, "TLS client context of SSL_GET."),
    k("virtual_server_group", Shape::Lines(Lines::ServerGroup), "NAME { IP[-N|-IP|/MASK] [PORT] | fwmark N [inet|inet6] }", "block", "", "", NotBuilt, "Named set of virtual addresses."),
    k("virtual_server", Shape::Block(Block::VirtualServer), "IP [PORT] | fwmark N | group NAME { ... }", "block", "", "", NotBuilt, "One IPVS service."),
];

/// `track_group`.
#[rustfmt::skip]
pub(super) const TRACK_GROUP: &[Keyword] = &[
    k("group", Shape::Lines(Lines::Names), "{ INSTANCE ... }", "list", "none", "", NotBuilt, "Instances of the group."),
];

/// `garp_group`.
#[rustfmt::skip]
pub(super) const GARP_GROUP: &[Keyword] = &[
    k("garp_interval", Shape::Value, "SECS", "s decimal 6dp; 0.000001..4294", "0", "", Honoured, "ARP spacing over the group."),
    k("gna_interval", Shape::Value, "SECS", "s decimal 6dp; 0.000001..4294", "0", "", Honoured, "NA spacing over the group."),
    k("interface", Shape::Value, "IF", "interface", "", "", Honoured, "Single interface of the group."),
    k("interfaces", Shape::Lines(Lines::Names), "{ IF ... }", "list", "", "", Honoured, "Interfaces of the group."),
];

/// `SSL`.
#[rustfmt::skip]
pub(super) const SSL: &[Keyword] = &[
    k("password", Shape::Value, "VALUE", "path/string", "none", "", NotBuilt, "Key password."),
    k("ca", Shape::Value, "VALUE", "path/string", "none", "", NotBuilt, "CA file."),
    k("certificate", Shape::Value, "VALUE", "path/string", "none", "", NotBuilt, "Certificate file."),
    k("key", Shape::Value, "VALUE", "path/string", "none", "", NotBuilt, "Key file."),
];

//! Keywords that stand outside every block, and those of the small blocks there.

use super::State::{Honoured, NoEffect, NotBuilt};
use super::value::{U32, secs, secs6};
use super::{Block, Keyword, Lines, Shape, Value, k};

/// Keywords that stand outside every block, and those of the small blocks there.
#[rustfmt::skip]
pub(super) const ROOT: &[Keyword] = &[
    k("global_defs", Shape::Block(Block::GlobalDefs), "{ ... }", Value::Block, "", "", Honoured, "Global settings."),
    k("linkbeat_use_polling", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Poll link state (MII, then ETHTOOL, then ioctl flags) for every interface."),
    k("net_namespace", Shape::Value, "NAME", Value::Text, "none", "", Honoured, "Run inside the named network namespace; implies use_pid_dir.").lenient(),
    k("net_namespace_ipvs", Shape::Optional, "[NAME]", Value::Text, "same as daemon; no name = the original namespace", "", NoEffect("no IPVS service is set up"), "Namespace used for IPVS work."),
    k("namespace_with_ipsets", Shape::Flag, "", Value::Nothing, "off", "", NoEffect("no ipset is made"), "Allow ipsets inside a namespace on kernels too old to isolate them."),
    k("use_pid_dir", Shape::Flag, "", Value::Nothing, "off", "", Honoured, "Put pid files in a keepalived sub-directory of the run directory."),
    k("instance", Shape::Value, "NAME", Value::Text, "none", "", Honoured, "Name this daemon instance (pid file names, log idents, D-Bus path).").lenient(),
    k("child_wait_time", Shape::Value, "SECS", secs(U32), "5", "", Honoured, "Time the parent waits for children at shutdown before killing them."),
    k("track_group", Shape::Block(Block::TrackGroup), "NAME { ... }", Value::Block, "", "", Honoured, "Named list of instances that own static entries.").but("unique name"),
    k("static_ipaddress", Shape::Lines(Lines::Addresses), "{ ADDRESS-LINE ... }", Value::Block, "", "", Honoured, "Addresses kept up all the time."),
    k("static_routes", Shape::Lines(Lines::Routes), "{ ROUTE-LINE ... }", Value::Block, "", "", NotBuilt, "Routes kept up all the time."),
    k("static_rules", Shape::Lines(Lines::Rules), "{ RULE-LINE ... }", Value::Block, "", "", NotBuilt, "Policy rules kept up all the time."),
    k("vrrp_sync_group", Shape::Block(Block::VrrpSyncGroup), "NAME { ... }", Value::Block, "", "", Honoured, "Instances that change state together.").but("unique name"),
    k("garp_group", Shape::Block(Block::GarpGroup), "{ ... }", Value::Block, "", "", Honoured, "Shared spacing of gratuitous ARP/NA over interfaces."),
    k("linkbeat_interfaces", Shape::Lines(Lines::Names), "{ IF [MII|ETHTOOL|IOCTL] }", Value::Block, "", "", NotBuilt, "Interfaces whose link is polled."),
    k("vrrp_instance", Shape::Block(Block::VrrpInstance), "NAME { ... }", Value::Block, "", "", Honoured, "One virtual router.").but("unique name"),
    k("vrrp_script", Shape::Block(Block::VrrpScript), "NAME { ... }", Value::Block, "", "", Honoured, "Check script for instances and groups.").but("not checked for duplicates (first one is found)"),
    k("vrrp_track_process", Shape::Block(Block::VrrpTrackProcess), "NAME { ... }", Value::Block, "", "", Honoured, "Watch processes by name.").but("not checked for duplicates"),
    k("track_file", Shape::Block(Block::TrackFile), "NAME { ... }", Value::Block, "", "", Honoured, "Watch a number in a file.").but("not checked for duplicates; directory must exist and support inotify"),
    k("vrrp_track_file", Shape::Block(Block::VrrpTrackFile), "NAME { ... }", Value::Block, "", "", Honoured, "Watch a number in a file (deprecated name).").but("not checked for duplicates; directory must exist and support inotify"),
    k("interface_up_down_delays", Shape::Lines(Lines::Names), "{ IF DOWN [UP] }", Value::Block, "0", "", Honoured, "Damp link changes.").but("0..255 s decimal"),
    k("bfd_instance", Shape::Block(Block::BfdInstance), "NAME { ... }", Value::Block, "", "", Honoured, "One BFD session.").but("name <= 31 characters, unique"),
    k("SSL", Shape::Block(Block::Ssl), "{ ... }", Value::Block, "generated context", "", NotBuilt, "TLS client context of SSL_GET."),
    k("virtual_server_group", Shape::Lines(Lines::ServerGroup), "NAME { IP[-N|-IP|/MASK] [PORT] | fwmark N [inet|inet6] }", Value::Block, "", "", NotBuilt, "Named set of virtual addresses."),
    k("virtual_server", Shape::Block(Block::VirtualServer), "IP [PORT] | fwmark N | group NAME { ... }", Value::Block, "", "", NotBuilt, "One IPVS service."),
];

/// `track_group`.
#[rustfmt::skip]
pub(super) const TRACK_GROUP: &[Keyword] = &[
    k("group", Shape::Lines(Lines::Names), "{ INSTANCE ... }", Value::Block, "none", "", Honoured, "Instances of the group."),
];

/// `garp_group`.
#[rustfmt::skip]
pub(super) const GARP_GROUP: &[Keyword] = &[
    k("garp_interval", Shape::Value, "SECS", secs6("0..4294"), "0", "", Honoured, "ARP spacing over the group.").but("0 is no gap"),
    k("gna_interval", Shape::Value, "SECS", secs6("0..4294"), "0", "", Honoured, "NA spacing over the group.").but("0 is no gap"),
    k("interface", Shape::Value, "IF", Value::Interface, "", "", Honoured, "Single interface of the group."),
    k("interfaces", Shape::Lines(Lines::Names), "{ IF ... }", Value::Block, "", "", Honoured, "Interfaces of the group."),
];

/// `SSL`.
#[rustfmt::skip]
pub(super) const SSL: &[Keyword] = &[
    k("password", Shape::Value, "VALUE", Value::Secret, "none", "", NotBuilt, "Key password.").lenient(),
    k("ca", Shape::Value, "VALUE", Value::Path, "none", "", NotBuilt, "CA file.").lenient(),
    k("certificate", Shape::Value, "VALUE", Value::Path, "none", "", NotBuilt, "Certificate file.").lenient(),
    k("key", Shape::Value, "VALUE", Value::Path, "none", "", NotBuilt, "Key file.").lenient(),
];

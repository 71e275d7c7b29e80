//! Keywords of everything that can be tracked: scripts, processes, files, BFD sessions.

use super::State::NotBuilt;
use super::{Keyword, Shape, k};

/// `vrrp_script`.
#[rustfmt::skip]
pub(super) const VRRP_SCRIPT: &[Keyword] = &[
    k("script", Shape::Value, "CMD", "script", "required", "", NotBuilt, "Command to run."),
    k("interval", Shape::Value, "SECS", "s decimal 3dp; 0.001..4294 (0 becomes 1)", "1", "", NotBuilt, "Period between runs."),
    k("timeout", Shape::Value, "SECS", "s decimal 3dp; 0.001..4294 (0 becomes 1)", "unset = interval", "", NotBuilt, "Limit of one run; then killed."),
    k("weight", Shape::Words, "N [reverse]", "int; -253..253", "0", "", NotBuilt, "Priority change; 0 = failure means FAULT."),
    k("rise", Shape::Value, "N", "count; 1..2147483647", "1", "", NotBuilt, "Successes needed to count as up."),
    k("fall", Shape::Value, "N", "count; 1..2147483647", "1", "", NotBuilt, "Failures needed to count as down."),
    k("user", Shape::Words, "USER [GROUP | :GROUP]", "account", "script_user", "group-list form 2.4.4-dev", NotBuilt, "Account to run it as."),
    k("init_fail", Shape::Flag, "", "flag", "off", "", NotBuilt, "Treat as failed before the first run (lost again by a later track_script reference)."),
];

/// `vrrp_track_process`.
#[rustfmt::skip]
pub(super) const VRRP_TRACK_PROCESS: &[Keyword] = &[
    k("process", Shape::Words, "PATH [PARAM ...]", "string", "required", "", NotBuilt, "Process to look for."),
    k("param_match", Shape::Optional, "[initial|partial]", "enum", "exact", "", NotBuilt, "How parameters must match."),
    k("weight", Shape::Words, "N [reverse]", "int; -254..254", "0", "", NotBuilt, "Priority change; 0 = FAULT."),
    k("quorum", Shape::Value, "N", "count; 1..65535", "1", "", NotBuilt, "Fewest matching processes."),
    k("quorum_max", Shape::Value, "N", "count; 0..65535; 0 allows 0", "no limit", "", NotBuilt, "Most matching processes."),
    k("delay", Shape::Value, "SECS", "s decimal; 0.000001..3600", "0", "", NotBuilt, "Wait before both kinds of change count."),
    k("terminate_delay", Shape::Value, "SECS", "s decimal; 0.000001..3600", "0", "", NotBuilt, "Wait after processes ended."),
    k("fork_delay", Shape::Value, "SECS", "s decimal; 0.000001..3600", "0", "", NotBuilt, "Wait after processes started."),
    k("full_command", Shape::Flag, "", "flag", "off", "", NotBuilt, "Match the whole command line, not only the name."),
];

/// `track_file`.
#[rustfmt::skip]
pub(super) const TRACK_FILE: &[Keyword] = &[
    k("file", Shape::Value, "PATH", "path", "required", "", NotBuilt, "File to read; a missing file reads as 0."),
    k("weight", Shape::Words, "N [reverse]", "int; -254..254", "1", "", NotBuilt, "Factor applied to the number; 0 = non-zero number means FAULT."),
    k("init_file", Shape::Optional, "[VALUE] [overwrite]", "int; int32", "no init", "overwrite 2.3.3", NotBuilt, "Write VALUE (0) when the file is missing (overwrite: always)."),
];

/// `vrrp_track_file`.
#[rustfmt::skip]
pub(super) const VRRP_TRACK_FILE: &[Keyword] = &[
    k("file", Shape::Value, "PATH", "path", "required", "", NotBuilt, "File to read; a missing file reads as 0."),
    k("weight", Shape::Words, "N [reverse]", "int; -254..254", "1", "", NotBuilt, "Factor applied to the number; 0 = non-zero number means FAULT."),
    k("init_file", Shape::Optional, "[VALUE] [overwrite]", "int; int32", "no init", "overwrite 2.3.3", NotBuilt, "Write VALUE (0) when the file is missing (overwrite: always)."),
];

/// `bfd_instance`.
#[rustfmt::skip]
pub(super) const BFD_INSTANCE: &[Keyword] = &[
    k("source_ip", Shape::Value, "ADDR", "address; same family", "any", "", NotBuilt, "Local address."),
    k("neighbor_ip", Shape::Value, "ADDR", "address", "required", "", NotBuilt, "Peer address."),
    k("neighbour_ip", Shape::Value, "ADDR", "address", "required", "", NotBuilt, "Peer address."),
    k("min_rx", Shape::Value, "MS", "ms decimal 3dp; 1..4294967; >10000 warns", "10", "", NotBuilt, "Wanted receive interval."),
    k("min_tx", Shape::Value, "MS", "ms decimal 3dp; 1..4294967; >10000 warns", "10", "", NotBuilt, "Wanted send interval."),
    k("idle_tx", Shape::Value, "MS", "ms decimal 3dp; 1000..4294967", "1000", "", NotBuilt, "Send interval while down."),
    k("multiplier", Shape::Value, "N", "count; 1..255", "5", "", NotBuilt, "Missed packets before down."),
    k("passive", Shape::Flag, "", "flag", "off", "", NotBuilt, "Wait for the peer before sending."),
    k("ttl", Shape::Value, "N", "int; 1..255", "255 (IPv4), 64 (IPv6)", "", NotBuilt, "Sent TTL/hop limit."),
    k("hoplimit", Shape::Value, "N", "int; 1..255", "255 (IPv4), 64 (IPv6)", "", NotBuilt, "Sent TTL/hop limit."),
    k("max_hops", Shape::Value, "N", "int; -1..255; -1 = do not check", "0", "", NotBuilt, "Accepted distance."),
    k("multihop", Shape::Optional, "[true|on|yes|false|off|no]", "bool", "false (port 3784)", "2.2.8", NotBuilt, "Use the multihop port 4784."),
    k("weight", Shape::Words, "N [reverse]", "int; -253..253", "0", "", NotBuilt, "Default weight when tracked by VRRP."),
    k("vrrp", Shape::Flag, "", "flag", "both", "", NotBuilt, "Report only to the VRRP process."),
    k("checker", Shape::Flag, "", "flag", "both", "", NotBuilt, "Report only to the checker process."),
];

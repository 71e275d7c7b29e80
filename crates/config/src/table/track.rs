//! Keywords of everything that can be tracked: scripts, processes, files, BFD sessions.

use super::State::{Honoured, NoEffect};
use super::value::{int, msecs3, secs3, secs6, weight};
use super::{Keyword, Shape, Value, k};

/// `vrrp_script`.
#[rustfmt::skip]
pub(super) const VRRP_SCRIPT: &[Keyword] = &[
    k("script", Shape::Value, "CMD", Value::Command, "required", "", Honoured, "Command to run.").lenient(),
    k("interval", Shape::Value, "SECS", secs3("0.001..4294"), "1", "", Honoured, "Period between runs.").but("0 is read as 1; digits behind the point since 2.3.2"),
    k("timeout", Shape::Value, "SECS", secs3("0.001..4294"), "unset = interval", "", Honoured, "Limit of one run; then killed.").but("0 is read as 1; digits behind the point since 2.3.2"),
    k("weight", Shape::Words, "N [reverse]", weight("-253..253"), "0", "", Honoured, "Priority change; 0 = failure means FAULT."),
    k("rise", Shape::Value, "N", int("1..2147483647"), "1", "", Honoured, "Successes needed to count as up."),
    k("fall", Shape::Value, "N", int("1..2147483647"), "1", "", Honoured, "Failures needed to count as down."),
    k("user", Shape::Words, "USER [GROUP | :GROUP]", Value::Account, "script_user", "", Honoured, "Account to run it as.").but("`:GROUP` for further groups since 2.4.4"),
    k("init_fail", Shape::Flag, "", Value::Nothing, "off", "", Honoured, "Treat as failed before the first run (lost again by a later track_script reference)."),
];

/// `vrrp_track_process`.
#[rustfmt::skip]
pub(super) const VRRP_TRACK_PROCESS: &[Keyword] = &[
    k("process", Shape::Words, "PATH [PARAM ...]", Value::Command, "required", "", Honoured, "Process to look for."),
    k("param_match", Shape::Optional, "[initial|partial]", Value::OneOf(&["initial", "partial"]), "exact", "", Honoured, "How parameters must match."),
    k("weight", Shape::Words, "N [reverse]", weight("-254..254"), "0", "", Honoured, "Priority change; 0 = FAULT.").lenient(),
    k("quorum", Shape::Value, "N", int("1..65535"), "1", "", Honoured, "Fewest matching processes."),
    k("quorum_max", Shape::Value, "N", int("0..65535"), "no limit", "", Honoured, "Most matching processes.").but("0: none may run"),
    k("delay", Shape::Value, "SECS", secs6("0.000001..3600"), "0", "", Honoured, "Wait before both kinds of change count."),
    k("terminate_delay", Shape::Value, "SECS", secs6("0.000001..3600"), "0", "", Honoured, "Wait after processes ended."),
    k("fork_delay", Shape::Value, "SECS", secs6("0.000001..3600"), "0", "", Honoured, "Wait after processes started."),
    k("full_command", Shape::Flag, "", Value::Nothing, "off", "", Honoured, "Match the whole command line, not only the name."),
];

/// `track_file`.
#[rustfmt::skip]
pub(super) const TRACK_FILE: &[Keyword] = &[
    k("file", Shape::Value, "PATH", Value::Path, "required", "", Honoured, "File to read; a missing file reads as 0.").lenient(),
    k("weight", Shape::Words, "N [reverse]", weight("-254..254"), "1", "", Honoured, "Factor applied to the number; 0 = non-zero number means FAULT.").lenient(),
    k("init_file", Shape::Optional, "[VALUE] [overwrite]", Value::Words, "no init", "", Honoured, "Write VALUE (0) when the file is missing (overwrite: always).").but("a number of 32 bits; `overwrite` since 2.3.3"),
];

/// `vrrp_track_file`.
#[rustfmt::skip]
pub(super) const VRRP_TRACK_FILE: &[Keyword] = &[
    k("file", Shape::Value, "PATH", Value::Path, "required", "", Honoured, "File to read; a missing file reads as 0.").lenient(),
    k("weight", Shape::Words, "N [reverse]", weight("-254..254"), "1", "", Honoured, "Factor applied to the number; 0 = non-zero number means FAULT.").lenient(),
    k("init_file", Shape::Optional, "[VALUE] [overwrite]", Value::Words, "no init", "", Honoured, "Write VALUE (0) when the file is missing (overwrite: always).").but("a number of 32 bits; `overwrite` since 2.3.3"),
];

/// `bfd_instance`.
#[rustfmt::skip]
pub(super) const BFD_INSTANCE: &[Keyword] = &[
    k("source_ip", Shape::Value, "ADDR", Value::Address, "any", "", Honoured, "Local address.").but("of the family of the neighbour"),
    k("neighbor_ip", Shape::Value, "ADDR", Value::Address, "required", "", Honoured, "Peer address.").lenient(),
    k("neighbour_ip", Shape::Value, "ADDR", Value::Address, "required", "", Honoured, "Peer address.").lenient(),
    k("min_rx", Shape::Value, "MS", msecs3("1..4294967"), "10", "", Honoured, "Wanted receive interval.").but("more than 10000 is unusual"),
    k("min_tx", Shape::Value, "MS", msecs3("1..4294967"), "10", "", Honoured, "Wanted send interval.").but("more than 10000 is unusual"),
    k("idle_tx", Shape::Value, "MS", msecs3("1000..4294967"), "1000", "", Honoured, "Send interval while down."),
    k("multiplier", Shape::Value, "N", int("1..255"), "5", "", Honoured, "Missed packets before down."),
    k("passive", Shape::Flag, "", Value::Nothing, "off", "", Honoured, "Wait for the peer before sending."),
    k("ttl", Shape::Value, "N", int("1..255"), "255", "", Honoured, "Sent TTL/hop limit."),
    k("hoplimit", Shape::Value, "N", int("1..255"), "255", "", Honoured, "Sent TTL/hop limit."),
    k("max_hops", Shape::Value, "N", int("-1..255"), "0", "", Honoured, "Accepted distance.").but("-1: any distance"),
    k("multihop", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "false (port 3784)", "2.2.8", Honoured, "Use the multihop port 4784."),
    k("weight", Shape::Words, "N [reverse]", weight("-253..253"), "0", "", Honoured, "Default weight when tracked by VRRP."),
    k("vrrp", Shape::Flag, "", Value::Nothing, "both", "", NoEffect("whoever tracks a session is told"), "Report only to the VRRP process."),
    k("checker", Shape::Flag, "", Value::Nothing, "both", "", NoEffect("whoever tracks a session is told"), "Report only to the checker process."),
];

//! What can be tracked, and the groups.

use super::command::{account, command};
use super::instance::{tracked_interface, virtual_address};
use super::writer::word;
use super::{Print, seconds};
use alloc::format;
use alloc::string::{String, ToString};
use model::{
    Bfd, BfdSettings, File, Host, InitialNumber, ParameterMatch, Process, Script, StaticAddress, SyncGroup,
    TrackGroup, Tracked, TrackedInterface, Tracking, Weight,
};

impl Print<'_> {
    /// Everything that must stand above what tracks it.
    pub(super) fn trackers(&mut self, host: &Host) {
        host.scripts.iter().for_each(|script| self.script(script));
        host.processes.iter().for_each(|process| self.process(process));
        host.files.iter().for_each(|file| self.file(file));
        host.bfd.iter().for_each(|bfd| self.bfd(bfd));
        if !host.link_delays.is_empty() {
            self.to.gap();
            self.to.open("interface_up_down_delays");
            for delay in &host.link_delays {
                let (down, up) = (seconds(delay.down), seconds(delay.up));
                self.to.line(&format!("{} {down} {up}", word(&delay.interface)));
            }
            self.to.close();
        }
    }

    fn script(&mut self, script: &Script) {
        let Script {
            name,
            command: program,
            account: user,
            interval,
            timeout,
            rise,
            fall,
            weight,
            starts_failed,
        } = script;
        self.block("vrrp_script", name);
        self.setting("script", &command(program, self.secrets), false);
        if let Some(user) = user {
            self.setting("user", &account(user), false);
        }
        self.setting("interval", &seconds(*interval), false);
        self.setting("timeout", &seconds(timeout.unwrap_or(*interval)), timeout.is_none());
        self.setting("rise", &rise.to_string(), *rise == 1);
        self.setting("fall", &fall.to_string(), *fall == 1);
        self.own_weight(*weight, 0);
        self.flag("init_fail", *starts_failed);
        self.to.close();
    }

    fn process(&mut self, process: &Process) {
        let Process {
            name,
            path,
            parameters,
            parameter_match,
            full_command,
            weight,
            fewest,
            most,
            end_delay,
            begin_delay,
        } = process;
        self.block("vrrp_track_process", name);
        let mut line = word(path);
        for parameter in parameters {
            line.push(' ');
            line.push_str(&word(parameter));
        }
        self.setting("process", &line, false);
        match parameter_match {
            ParameterMatch::Exact => {}
            ParameterMatch::Initial => self.setting("param_match", "initial", false),
            ParameterMatch::Partial => self.setting("param_match", "partial", false),
        }
        self.flag("full_command", *full_command);
        self.own_weight(*weight, 0);
        // None at all is written as the largest number alone.
        if *fewest > 0 {
            self.setting("quorum", &fewest.to_string(), *fewest == 1);
        }
        if let Some(most) = most {
            self.setting("quorum_max", &most.to_string(), false);
        }
        if !end_delay.is_zero() {
            self.setting("terminate_delay", &seconds(*end_delay), false);
        }
        if !begin_delay.is_zero() {
            self.setting("fork_delay", &seconds(*begin_delay), false);
        }
        self.to.close();
    }

    fn file(&mut self, file: &File) {
        let File { name, path, weight, initial } = file;
        self.block("track_file", name);
        self.setting("file", &word(path), false);
        self.own_weight(*weight, 1);
        if let Some(InitialNumber { value, overwrite }) = initial {
            let rest = if *overwrite { " overwrite" } else { "" };
            self.setting("init_file", &format!("{value}{rest}"), false);
        }
        self.to.close();
    }

    fn bfd(&mut self, bfd: &Bfd) {
        let Bfd { name, neighbor, source, settings, hop_limit, max_hops, multihop, weight } = bfd;
        let BfdSettings { min_tx, min_rx, idle_tx, multiplier, passive } = *settings;
        self.block("bfd_instance", name);
        self.setting("neighbor_ip", &neighbor.to_string(), false);
        if let Some(source) = source {
            self.setting("source_ip", &source.to_string(), false);
        }
        self.setting("min_tx", &millis(min_tx), min_tx == 10_000);
        self.setting("min_rx", &millis(min_rx), min_rx == 10_000);
        self.setting("idle_tx", &millis(idle_tx), idle_tx == 1_000_000);
        self.setting("multiplier", &multiplier.to_string(), multiplier == 5);
        self.flag("passive", passive);
        if let Some(hop_limit) = hop_limit {
            self.setting("ttl", &hop_limit.to_string(), false);
        }
        let hops = max_hops.map_or_else(|| "-1".to_string(), |hops| hops.to_string());
        self.setting("max_hops", &hops, *max_hops == Some(0));
        self.setting("multihop", if *multihop { "true" } else { "false" }, !multihop);
        self.own_weight(*weight, 0);
        self.to.close();
    }

    fn block(&mut self, keyword: &str, name: &str) {
        self.to.gap();
        self.to.open(&format!("{keyword} {}", word(name)));
    }

    fn own_weight(&mut self, weight: Weight, usual: i16) {
        let reverse = if weight.reverse { " reverse" } else { "" };
        let value = weight.value;
        self.setting(
            "weight",
            &format!("{value}{reverse}"),
            weight == Weight { value: usual, reverse: false },
        );
    }

    /// The lists that track something, of an instance or a group.
    pub(super) fn tracking(&mut self, interfaces: &[TrackedInterface], tracking: &Tracking) {
        if !interfaces.is_empty() {
            self.to.open("track_interface");
            interfaces.iter().for_each(|one| self.to.line(&tracked_interface(one)));
            self.to.close();
        }
        let Tracking { scripts, processes, files, bfd } = tracking;
        let host = self.host;
        self.tracked("track_script", scripts, |name| find(&host.scripts, |s| (&s.name, s.weight), name));
        self.tracked("track_process", processes, |name| find(&host.processes, |p| (&p.name, p.weight), name));
        self.tracked("track_file", files, |name| find(&host.files, |f| (&f.name, f.weight), name));
        self.tracked("track_bfd", bfd, |name| find(&host.bfd, |b| (&b.name, b.weight), name));
    }

    fn tracked(&mut self, list: &str, all: &[Tracked], defined: impl Fn(&str) -> Weight) {
        if all.is_empty() {
            return;
        }
        self.to.open(list);
        for Tracked { name, weight } in all {
            let usual = defined(name);
            let mut line = word(name);
            if self.weights || weight.value != usual.value {
                line.push_str(&format!(" weight {}", weight.value));
            }
            match (weight.reverse, usual.reverse) {
                (true, false) => line.push_str(" reverse"),
                (false, true) => line.push_str(" noreverse"),
                (true, true) | (false, false) => {}
            }
            self.to.line(&line);
        }
        self.to.close();
    }

    pub(super) fn all_groups(&mut self, host: &Host) {
        host.groups.iter().for_each(|group| self.group(group));
    }

    /// Static addresses; what they name stands in front of them.
    pub(super) fn fixed(&mut self, host: &Host) {
        for TrackGroup { name, members } in &host.track_groups {
            self.block("track_group", name);
            self.to.open("group");
            members.iter().for_each(|member| self.to.line(&word(member)));
            self.to.close();
            self.to.close();
        }
        if host.static_addresses.is_empty() {
            return;
        }
        self.to.gap();
        self.to.open("static_ipaddress");
        for StaticAddress { address, track_group } in &host.static_addresses {
            let mut line = virtual_address(address);
            if let Some(group) = track_group {
                line = format!("{line} track_group {}", word(group));
            }
            self.to.line(&line);
        }
        self.to.close();
    }

    fn group(&mut self, group: &SyncGroup) {
        let SyncGroup { name, members, weights, track_interfaces, tracking, notify } = group;
        self.block("vrrp_sync_group", name);
        self.to.open("group");
        members.iter().for_each(|member| self.to.line(&word(member)));
        self.to.close();
        self.flag("sync_group_tracking_weight", *weights);
        self.tracking(track_interfaces, tracking);
        self.notify(notify);
        self.to.close();
    }
}

fn find<T>(list: &[T], part: impl Fn(&T) -> (&alloc::sync::Arc<str>, Weight), name: &str) -> Weight {
    list.iter().map(part).find(|(its, _)| &***its == name).map(|(_, weight)| weight).unwrap_or_default()
}

/// Microseconds as milliseconds.
fn millis(micros: u32) -> String {
    let (whole, rest) = (micros / 1000, micros % 1000);
    if rest == 0 {
        format!("{whole}")
    } else {
        String::from(format!("{whole}.{rest:03}").trim_end_matches('0'))
    }
}

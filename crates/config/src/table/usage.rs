//! How widely each keyword is used, and which part of keepalived it belongs to: what "all that ordinary clusters use"
//! means, so that it can be counted.
//!
//! By name and not in the rows: a row says what a keyword is, this says how much it matters, and most are alike. The
//! tests hold the names against the rows.

use super::{Block, Keyword};

/// How widely a keyword is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Ordinary clusters use it.
    Ordinary,
    /// Some clusters use it.
    Occasional,
    /// Only those use it that serve virtual servers (IPVS) as well.
    Servers,
    /// Hardly anybody uses it: tuning of keepalived's own processes, rare route options, old spellings.
    Rare,
}

impl Tier {
    /// All of them, the most used first.
    pub const ALL: [Self; 4] = [Self::Ordinary, Self::Occasional, Self::Servers, Self::Rare];

    /// Its number, from 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Ordinary => 1,
            Self::Occasional => 2,
            Self::Servers => 3,
            Self::Rare => 4,
        }
    }

    /// What it means.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary clusters use it",
            Self::Occasional => "some clusters use it",
            Self::Servers => "for virtual servers only",
            Self::Rare => "hardly anybody uses it",
        }
    }
}

/// An area of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Comments, includes, definitions, conditions.
    Language,
    /// The whole daemon.
    Global,
    /// Addresses, routes and rules that never move.
    Static,
    /// Virtual routers and their groups.
    Vrrp,
    /// What is tracked.
    Tracking,
    /// BFD sessions.
    Bfd,
    /// Virtual servers and their checkers.
    Servers,
}

impl Area {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Language, Self::Global, Self::Static, Self::Vrrp, Self::Tracking, Self::Bfd, Self::Servers];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Language => "Language",
            Self::Global => "Global",
            Self::Static => "Static",
            Self::Vrrp => "VRRP",
            Self::Tracking => "Tracking",
            Self::Bfd => "BFD",
            Self::Servers => "Virtual servers",
        }
    }
}

/// A part of keepalived that is no part of a virtual address, and comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Routes that move or stay.
    Routes,
    /// Policy rules that move or stay.
    Rules,
    /// Interfaces with the virtual router's own Ethernet address, ipvlan too.
    Vmac,
    /// SNMP.
    Snmp,
    /// D-Bus.
    Dbus,
    /// BFD sessions.
    Bfd,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Routes, Self::Rules, Self::Vmac, Self::Snmp, Self::Dbus, Self::Bfd];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Routes => "routes",
            Self::Rules => "rules",
            Self::Vmac => "VMAC",
            Self::Snmp => "SNMP",
            Self::Dbus => "D-Bus",
            Self::Bfd => "BFD",
        }
    }
}

impl Block {
    /// How widely a keyword of this block is used.
    #[must_use]
    pub fn tier(self, keyword: &Keyword) -> Tier {
        let listed = |list: &[Named]| names(list, self).any(|name| name == keyword.name);
        if listed(ORDINARY) {
            Tier::Ordinary
        } else if listed(RARE) {
            Tier::Rare
        } else if listed(SERVERS) || self.area(keyword) == Area::Servers {
            Tier::Servers
        } else {
            Tier::Occasional
        }
    }

    /// The area of a keyword of this block: that of the block, unless it stands outside all of them.
    #[must_use]
    pub fn area(self, keyword: &Keyword) -> Area {
        match self {
            Self::AnyLine => Area::Language,
            Self::Root => {
                let area = ROOT.iter().find(|(_, names)| names.contains(&keyword.name));
                area.map_or(Area::Global, |(area, _)| *area)
            }
            Self::GlobalDefs => Area::Global,
            Self::TrackGroup => Area::Static,
            Self::VrrpInstance
            | Self::Authentication
            | Self::AuthHmac
            | Self::VrrpSyncGroup
            | Self::GarpGroup
            | Self::AddressLine
            | Self::RouteLine
            | Self::RuleLine => Area::Vrrp,
            Self::VrrpScript | Self::VrrpTrackProcess | Self::TrackFile | Self::VrrpTrackFile => {
                Area::Tracking
            }
            Self::BfdInstance => Area::Bfd,
            Self::Ssl
            | Self::VirtualServer
            | Self::RealServer
            | Self::TcpCheck
            | Self::UdpCheck
            | Self::SmtpCheck
            | Self::SmtpHost
            | Self::PingCheck
            | Self::HttpGet
            | Self::SslGet
            | Self::DnsCheck
            | Self::MiscCheck
            | Self::HttpUrl
            | Self::SslUrl
            | Self::FileCheck
            | Self::BfdCheck => Area::Servers,
        }
    }

    /// The part of keepalived that a keyword of this block belongs to, if it is one of its own.
    #[must_use]
    pub fn part(self, keyword: &Keyword) -> Option<Part> {
        let whole =
            [(Self::RouteLine, Part::Routes), (Self::RuleLine, Part::Rules), (Self::BfdInstance, Part::Bfd)];
        if let Some((_, part)) = whole.iter().find(|(block, _)| *block == self) {
            return Some(*part);
        }
        let found = PARTS.iter().find(|(_, list)| names(list, self).any(|name| name == keyword.name));
        found.map(|(part, _)| *part)
    }
}

/// Keywords of a block.
type Named = (Block, &'static [&'static str]);

fn names(list: &[Named], block: Block) -> impl Iterator<Item = &'static str> {
    list.iter().filter(move |(known, _)| *known == block).flat_map(|(_, names)| names.iter().copied())
}

/// Keywords outside all blocks that do not belong to the whole daemon.
const ROOT: &[(Area, &[&str])] = &[
    (Area::Static, &["track_group", "static_ipaddress", "static_routes", "static_rules"]),
    (Area::Vrrp, &["vrrp_sync_group", "garp_group", "linkbeat_interfaces", "vrrp_instance"]),
    (
        Area::Tracking,
        &["vrrp_script", "vrrp_track_process", "track_file", "vrrp_track_file", "interface_up_down_delays"],
    ),
    (Area::Bfd, &["bfd_instance"]),
    (Area::Servers, &["SSL", "virtual_server_group", "virtual_server"]),
];

/// The parts, besides the blocks that are nothing else.
const PARTS: &[(Part, &[Named])] = &[
    (Part::Routes, &[(Block::Root, &["static_routes"]), (Block::VrrpInstance, &["virtual_routes"])]),
    (Part::Rules, &[(Block::Root, &["static_rules"]), (Block::VrrpInstance, &["virtual_rules"])]),
    (
        Part::Vmac,
        &[
            (
                Block::GlobalDefs,
                &[
                    "vrrp_garp_extra_if",
                    "vrrp_vmac_garp_intvl",
                    "nftables_ifindex",
                    "vmac_prefix",
                    "vmac_addr_prefix",
                ],
            ),
            (
                Block::VrrpInstance,
                &[
                    "use_vmac",
                    "use_vmac_addr",
                    "vmac_xmit_base",
                    "use_ipvlan",
                    "garp_extra_if",
                    "vmac_garp_intvl",
                ],
            ),
            (Block::AddressLine, &["use_vmac"]),
        ],
    ),
    (
        Part::Snmp,
        &[(
            Block::GlobalDefs,
            &[
                "snmp_socket",
                "enable_traps",
                "enable_snmp_vrrp",
                "enable_snmp_keepalived",
                "enable_snmp_rfc",
                "enable_snmp_rfcv2",
                "enable_snmp_rfcv3",
                "enable_snmp_checker",
                "snmp_vs_stats_update_interval",
                "snmp_rs_stats_update_interval",
            ],
        )],
    ),
    (Part::Dbus, &[(Block::GlobalDefs, &["enable_dbus", "dbus_service_name", "dbus_no_interface_name"])]),
    (
        Part::Bfd,
        &[
            (Block::Root, &["bfd_instance"]),
            (
                Block::GlobalDefs,
                &[
                    "bfd_process_name",
                    "bfd_priority",
                    "bfd_no_swap",
                    "bfd_rt_priority",
                    "bfd_cpu_affinity",
                    "bfd_rlimit_rttime",
                    "bfd_rlimit_rtime",
                ],
            ),
            (Block::VrrpInstance, &["track_bfd"]),
            (Block::VrrpSyncGroup, &["track_bfd"]),
        ],
    ),
];

/// What ordinary clusters use.
#[rustfmt::skip]
const ORDINARY: &[Named] = &[
    (Block::AnyLine, &["!", "#", "include"]),
    (Block::Root, &["global_defs", "vrrp_sync_group", "vrrp_instance", "vrrp_script", "track_file"]),
    (Block::GlobalDefs, &[
        "router_id", "notification_email_from", "smtp_server", "smtp_helo_name", "smtp_connect_timeout",
        "notification_email", "smtp_alert", "smtp_alert_vrrp", "dynamic_interfaces", "no_email_faults",
        "vrrp_mcast_group4", "vrrp_mcast_group6", "vrrp_garp_master_delay", "vrrp_garp_master_repeat",
        "vrrp_garp_master_refresh", "vrrp_garp_master_refresh_repeat", "vrrp_garp_lower_prio_delay",
        "vrrp_garp_lower_prio_repeat", "vrrp_garp_interval", "vrrp_gna_interval", "vrrp_min_garp",
        "vrrp_lower_prio_no_advert", "vrrp_higher_prio_send_advert", "vrrp_version", "vrrp_check_unicast_src",
        "vrrp_skip_check_adv_addr", "vrrp_strict", "notify_fifo", "notify_fifo_script", "vrrp_notify_fifo",
        "vrrp_notify_fifo_script", "vrrp_notify_priority_changes", "fifo_write_vrrp_states_on_reload",
        "script_user", "enable_script_security", "vrrp_startup_delay",
    ]),
    (Block::VrrpSyncGroup, &[
        "group", "track_interface", "track_script", "notify_backup", "notify_master", "notify_fault",
        "notify_stop", "notify", "smtp_alert",
    ]),
    (Block::VrrpInstance, &[
        "use_vmac", "vmac_xmit_base", "unicast_peer", "check_unicast_src", "state", "interface",
        "dont_track_primary", "track_interface", "track_script", "mcast_src_ip", "unicast_src_ip",
        "virtual_router_id", "version", "priority", "advert_int", "virtual_ipaddress",
        "virtual_ipaddress_excluded", "virtual_routes", "accept", "no_accept", "strict_mode", "preempt",
        "nopreempt", "preempt_delay", "notify_backup", "notify_master", "notify_fault", "notify_stop",
        "notify", "notify_master_rx_lower_pri", "notify_deleted", "smtp_alert", "notify_priority_changes",
        "garp_master_delay", "garp_master_refresh", "garp_master_repeat", "garp_master_refresh_repeat",
        "garp_lower_prio_delay", "garp_lower_prio_repeat", "down_timer_adverts", "lower_prio_no_advert",
        "higher_prio_send_advert", "authentication",
    ]),
    (Block::Authentication, &["auth_type", "auth_pass"]),
    (Block::AddressLine, &["ADDR[/LEN]", "dev", "scope", "broadcast", "brd", "label", "peer", "no_track"]),
    (Block::RouteLine, &["[to]", "via", "metric", "dev", "onlink"]),
    (Block::VrrpScript, &["script", "interval", "timeout", "weight", "rise", "fall", "user", "init_fail"]),
    (Block::TrackFile, &["file", "weight"]),
];

/// What is for virtual servers only, besides the areas that are nothing else.
#[rustfmt::skip]
const SERVERS: &[Named] = &[
    (Block::Root, &["net_namespace_ipvs", "SSL", "virtual_server_group", "virtual_server"]),
    (Block::GlobalDefs, &[
        "smtp_alert_checker", "checker_log_all_failures", "lvs_timeouts", "lvs_flush", "lvs_flush_on_stop",
        "lvs_sync_daemon", "nftables_ipvs", "nftables_ipvs_priority", "nftables_ipvs_start_fwmark",
        "checker_priority", "checker_no_swap", "checker_rt_priority", "checker_cpu_affinity",
        "lvs_notify_fifo", "lvs_notify_fifo_script", "enable_snmp_checker", "snmp_vs_stats_update_interval",
        "snmp_rs_stats_update_interval", "rs_init_notifies", "no_checker_emails",
    ]),
    (Block::BfdInstance, &["checker"]),
];

/// What hardly anybody uses.
#[rustfmt::skip]
const RARE: &[Named] = &[
    (Block::AnyLine, &["${_RANDOM}", "~SEQ", "~SEQx", "~LST"]),
    (Block::Root, &[
        "linkbeat_use_polling", "namespace_with_ipsets", "linkbeat_interfaces", "vrrp_track_file",
    ]),
    (Block::GlobalDefs, &[
        "process_names", "process_name", "vrrp_process_name", "checker_process_name", "lvs_process_name",
        "bfd_process_name", "use_symlink_paths", "set_supplementary_groups", "max_auto_priority",
        "min_auto_priority_delay", "disable_local_igmp", "lvs_flush_onstop", "vrrp_vmac_garp_intvl",
        "vrrp_ipsets", "nftables_ifindex", "vrrp_rlimit_rttime", "vrrp_rlimit_rtime", "checker_rlimit_rttime",
        "checker_rlimit_rtime", "bfd_rlimit_rttime", "bfd_rlimit_rtime", "enable_snmp_keepalived",
        "dbus_no_interface_name", "vrrp_netlink_cmd_rcv_bufs", "vrrp_netlink_cmd_rcv_bufs_force",
        "vrrp_netlink_monitor_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs_force", "process_monitor_rcv_bufs",
        "process_monitor_rcv_bufs_force", "lvs_netlink_cmd_rcv_bufs", "lvs_netlink_cmd_rcv_bufs_force",
        "lvs_netlink_monitor_rcv_bufs", "lvs_netlink_monitor_rcv_bufs_force", "vrrp_rx_bufs_policy",
        "vrrp_rx_bufs_multiplier", "log_unknown_vrids", "vmac_addr_prefix", "random_seed", "reload_time_file",
        "reload_repeat", "reload_file", "include_check", "config_save_dir", "tmp_config_directory",
        "iproute_usr_dir", "iproute_etc_dir",
    ]),
    (Block::VrrpSyncGroup, &["global_tracking"]),
    (Block::VrrpInstance, &[
        "old_unicast_checksum", "linkbeat_use_polling", "debug", "lvs_sync_daemon_interface",
        "thread_timer_expired", "vmac_garp_intvl", "kernel_rx_buf_size",
    ]),
    (Block::AddressLine, &["mngtmpaddr", "autojoin"]),
    (Block::RouteLine, &[
        "inet", "inet6", "as", "gw", "encap", "rtt", "rttvar", "rto_min", "cwnd", "ssthresh", "reordering",
        "congctl", "window", "hoplimit", "initcwnd", "initrwnd", "quickack", "features", "fastopen_no_cookie",
        "ttl-propagate", "add", "prepend", "append", "or",
    ]),
    (Block::RuleLine, &[
        "inet", "inet6", "realms", "sup_pl", "suppress_ifgroup", "sup_group", "tunnel-id", "protocol", "goto",
    ]),
    (Block::VrrpTrackFile, &["file", "weight", "init_file"]),
    (Block::VirtualServer, &["flag-1", "flag-2", "flag-3"]),
    (Block::SmtpCheck, &["host"]),
    (Block::HttpGet, &["nb_get_retry"]),
    (Block::SslGet, &["nb_get_retry"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn every_name_in_the_lists_is_a_keyword_and_stands_there_once() {
        let tiers = [ORDINARY, SERVERS, RARE];
        let all: Vec<(Block, &str)> = tiers
            .iter()
            .flat_map(|list| list.iter())
            .flat_map(|(block, names)| names.iter().map(|name| (*block, *name)))
            .collect();
        let root = ROOT.iter().flat_map(|(_, names)| names.iter()).map(|name| (Block::Root, *name));
        let parts = PARTS.iter().flat_map(|(_, list)| list.iter());
        let parts = parts.flat_map(|(block, names)| names.iter().map(|name| (*block, *name)));
        for list in [all, root.collect(), parts.collect()] {
            for (at, (block, name)) in list.iter().enumerate() {
                assert!(block.keyword(name.as_bytes()).is_some(), "{name} in {}", block.path());
                let first = list.iter().position(|other| other == &(*block, *name));
                assert_eq!(first, Some(at), "{name} in {}", block.path());
            }
        }
    }

    #[test]
    fn tiers_and_areas_of_some() {
        let of = |block: Block, name: &str| {
            let keyword = block.keyword(name.as_bytes()).unwrap();
            (block.area(keyword), block.tier(keyword).number(), block.part(keyword))
        };
        assert_eq!(of(Block::VrrpInstance, "priority"), (Area::Vrrp, 1, None));
        assert_eq!(of(Block::VrrpInstance, "use_vmac"), (Area::Vrrp, 1, Some(Part::Vmac)));
        assert_eq!(of(Block::VrrpInstance, "virtual_rules"), (Area::Vrrp, 2, Some(Part::Rules)));
        assert_eq!(of(Block::RouteLine, "cwnd"), (Area::Vrrp, 4, Some(Part::Routes)));
        assert_eq!(of(Block::Root, "track_file"), (Area::Tracking, 1, None));
        assert_eq!(of(Block::Root, "instance"), (Area::Global, 2, None));
        assert_eq!(of(Block::GlobalDefs, "lvs_flush"), (Area::Global, 3, None));
        assert_eq!(of(Block::BfdInstance, "checker"), (Area::Bfd, 3, Some(Part::Bfd)));
        assert_eq!(of(Block::RealServer, "weight"), (Area::Servers, 3, None));
        assert_eq!(of(Block::Root, "virtual_server"), (Area::Servers, 3, None));
    }

    /// A keyword that is new in the table must be given its tier: this is what tells whoever adds it.
    #[test]
    fn each_tier_has_so_many() {
        let count = |tier: Tier| {
            let all = Block::ALL.iter().flat_map(|block| block.keywords().map(move |k| block.tier(k)));
            all.filter(|other| *other == tier).count()
        };
        assert_eq!(Tier::ALL.map(count), [121, 173, 250, 106]);
    }
}

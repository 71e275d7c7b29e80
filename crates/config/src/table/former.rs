//! Words that keepalived once had, or still takes under protest, and what is written today.

use super::Block;

/// An old word.
#[derive(Debug, PartialEq, Eq)]
pub struct Former {
    /// The word.
    pub name: &'static str,
    /// The blocks in which it stood.
    pub blocks: &'static [Block],
    /// What to write.
    pub successor: Successor,
    /// Whether keepalived still takes it. Otherwise it ignores the line.
    pub works: bool,
}

/// What to write instead of an old word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// This word, with everything else as it was.
    Word(&'static str),
    /// Something else; the advice.
    Advice(&'static str),
}

/// Every check that may be repeated.
const CHECKS: &[Block] = &[
    Block::TcpCheck,
    Block::UdpCheck,
    Block::SmtpCheck,
    Block::PingCheck,
    Block::DnsCheck,
    Block::MiscCheck,
];

/// The old words.
#[rustfmt::skip]
pub const FORMER: &[Former] = &[
    works("lvs_process_name", &[Block::GlobalDefs], Successor::Word("checker_process_name")),
    works("lvs_flush_onstop", &[Block::GlobalDefs], Successor::Word("lvs_flush_on_stop")),
    works("vrrp_vmac_garp_intvl", &[Block::GlobalDefs], Successor::Word("vrrp_garp_extra_if")),
    works("vrrp_rlimit_rtime", &[Block::GlobalDefs], Successor::Word("vrrp_rlimit_rttime")),
    works("checker_rlimit_rtime", &[Block::GlobalDefs], Successor::Word("checker_rlimit_rttime")),
    works("bfd_rlimit_rtime", &[Block::GlobalDefs], Successor::Word("bfd_rlimit_rttime")),
    works("enable_snmp_keepalived", &[Block::GlobalDefs], Successor::Word("enable_snmp_vrrp")),
    gone("lvs_id", &[Block::GlobalDefs], Successor::Word("router_id")),
    gone("script_security", &[Block::GlobalDefs], Successor::Word("enable_script_security")),
    works("vrrp_track_file", &[Block::Root], Successor::Word("track_file")),
    works("global_tracking", &[Block::VrrpSyncGroup], Successor::Word("sync_group_tracking_weight")),
    works("linkbeat_use_polling", &[Block::VrrpInstance], Successor::Advice("remove the line; `linkbeat_interfaces` lists interfaces that must be polled")),
    works("vmac_garp_intvl", &[Block::VrrpInstance], Successor::Word("garp_extra_if")),
    works("thread_timer_expired", &[Block::VrrpInstance], Successor::Word("timer_expired_backup")),
    works("lvs_sync_daemon_interface", &[Block::VrrpInstance], Successor::Advice("write `lvs_sync_daemon INTERFACE INSTANCE` in `global_defs`")),
    gone("lvs_sync_daemon_inteface", &[Block::VrrpInstance], Successor::Advice("write `lvs_sync_daemon INTERFACE INSTANCE` in `global_defs`")),
    gone("vrrp_unicast_bind", &[Block::VrrpInstance], Successor::Word("unicast_src_ip")),
    gone("vrrp_unicast_peer", &[Block::VrrpInstance], Successor::Advice("list the peers in `unicast_peer { ... }`")),
    works("gw", &[Block::RouteLine], Successor::Word("via")),
    works("or", &[Block::RouteLine], Successor::Advice("write each further gateway as `nexthop via ADDRESS`")),
    gone("nat_mask", &[Block::VirtualServer], Successor::Advice("remove the line")),
    gone("net_mask", &[Block::VirtualServer], Successor::Advice("remove the line")),
    gone("laddr_group_name", &[Block::VirtualServer], Successor::Advice("remove the line: it needs a patched kernel and a patched keepalived")),
    works("nb_get_retry", &[Block::HttpGet, Block::SslGet], Successor::Word("retry")),
    gone("nb_get_retry", CHECKS, Successor::Word("retry")),
    works("host", &[Block::SmtpCheck], Successor::Advice("write its lines directly in `SMTP_CHECK`, one check for each host")),
];

/// Words of other programs and of habit, with what they mean here.
const MEANT: &[(&str, &str)] = &[
    ("vrid", "virtual_router_id"),
    ("vip", "virtual_ipaddress"),
    ("virtual_ip", "virtual_ipaddress"),
    ("virtual_address", "virtual_ipaddress"),
    ("password", "auth_pass"),
    ("passwd", "auth_pass"),
];

/// The old word `name` of a block.
#[must_use]
pub fn former(block: Block, name: &[u8]) -> Option<&'static Former> {
    FORMER.iter().find(|f| f.name.as_bytes() == name && f.blocks.contains(&block))
}

/// What somebody meant who wrote a word that was never one.
pub(crate) fn meant(word: &str) -> Option<&'static str> {
    MEANT.iter().find(|(name, _)| *name == word).map(|(_, keyword)| *keyword)
}

const fn works(name: &'static str, blocks: &'static [Block], successor: Successor) -> Former {
    Former { name, blocks, successor, works: true }
}

const fn gone(name: &'static str, blocks: &'static [Block], successor: Successor) -> Former {
    Former { name, blocks, successor, works: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_works_is_a_keyword_and_what_went_is_none() {
        for old in FORMER {
            for block in old.blocks {
                let known = block.keyword(old.name.as_bytes()).is_some();
                assert_eq!(known, old.works, "{} in {}", old.name, block.path());
                if let Successor::Word(today) = old.successor {
                    assert!(block.keyword(today.as_bytes()).is_some(), "{today} in {}", block.path());
                }
            }
        }
        for (name, keyword) in MEANT {
            assert!(super::super::homes(keyword.as_bytes()).next().is_some(), "{name}");
        }
    }
}

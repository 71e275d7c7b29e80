//! Keywords of LVS virtual servers and their checkers. Known, so that mistakes are found; not served.

use super::State::NotBuilt;
use super::value::{U32, int, secs, secs6, weight};
use super::{Block, Keyword, Shape, Value, k};

/// `virtual_server`.
#[rustfmt::skip]
pub(super) const VIRTUAL_SERVER: &[Keyword] = &[
    k("ip_family", Shape::Value, "inet|inet6", Value::OneOf(&["inet", "inet6"]), "from address", "", NotBuilt, "Family of a fwmark service."),
    k("retry", Shape::Value, "N", int("1..4294967295"), "1", "", NotBuilt, "Default checker retries."),
    k("delay_before_retry", Shape::Value, "SECS", secs6("0..4294"), "1", "", NotBuilt, "Default delay between retries.").but("2.2.7 takes more"),
    k("warmup", Shape::Value, "SECS", secs6("0..4294"), "delay_loop", "", NotBuilt, "Default first-check spread.").but("2.2.7 takes more"),
    k("connect_timeout", Shape::Value, "SECS", secs6("0.000001..4294"), "5", "", NotBuilt, "Default connect timeout.").but("2.2.7 takes more"),
    k("delay_loop", Shape::Value, "SECS", secs6("0.000001..4294"), "60", "", NotBuilt, "Default check period.").but("2.2.7 takes more"),
    k("inhibit_on_failure", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Set weight 0 instead of removing a failed server."),
    k("lb_algo", Shape::Value, "rr wrr lc wlc lblc sh mh dh fo ovf lblcr sed nq twos", Value::OneOf(&["rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"]), "wlc", "", NotBuilt, "Scheduler."),
    k("lvs_sched", Shape::Value, "rr wrr lc wlc lblc sh mh dh fo ovf lblcr sed nq twos", Value::OneOf(&["rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"]), "wlc", "", NotBuilt, "Scheduler."),
    k("hashed", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Hashed flag (needs a hashing scheduler)."),
    k("ops", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "One packet scheduling (UDP)."),
    k("flag-1", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Scheduler flag 1."),
    k("flag-2", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Scheduler flag 2."),
    k("flag-3", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Scheduler flag 3."),
    k("sh-port", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Source-hash includes port."),
    k("sh-fallback", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Source-hash falls back."),
    k("mh-port", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Maglev includes port."),
    k("mh-fallback", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Maglev falls back."),
    k("lb_kind", Shape::Words, "NAT|DR|TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]", Value::Forwarding, "NAT with message", "", NotBuilt, "Forwarding method."),
    k("lvs_method", Shape::Words, "NAT|DR|TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]", Value::Forwarding, "NAT with message", "", NotBuilt, "Forwarding method."),
    k("persistence_engine", Shape::Value, "NAME", Value::Text, "none", "", NotBuilt, "Persistence engine (sip)."),
    k("persistence_timeout", Shape::Optional, "[SECS]", secs("1..2678400"), "off; 360 when no number", "", NotBuilt, "Persistence timeout."),
    k("persistence_granularity", Shape::Value, "MASK | PREFIX", Value::Text, "full address", "", NotBuilt, "Persistence granularity.").but("an IPv4 mask, or for IPv6 a prefix length 1 to 128"),
    k("protocol", Shape::Value, "TCP|UDP|SCTP", Value::AnyCase(&["TCP", "UDP", "SCTP"]), "UDP when unset", "", NotBuilt, "Transport."),
    k("ha_suspend", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Check only while the VIP is present.").but("not with fwmark"),
    k("smtp_alert", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "global smtp_alert_checker (VS false, RS true)", "", NotBuilt, "Mail on state change."),
    k("virtualhost", Shape::Value, "NAME", Value::Text, "none", "", NotBuilt, "Default HTTP Host/SNI name.").lenient(),
    k("snmp_name", Shape::Value, "NAME", Value::Text, "none", "", NotBuilt, "Name shown in SNMP.").lenient(),
    k("alpha", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Servers start down until checked."),
    k("omega", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Run down-notifies on shutdown."),
    k("quorum_up", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", NotBuilt, "Run when quorum is reached."),
    k("quorum_down", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", NotBuilt, "Run when quorum is lost."),
    k("quorum", Shape::Value, "N", int("1..4294967295"), "1", "", NotBuilt, "Total weight needed."),
    k("hysteresis", Shape::Value, "N", int(U32), "0", "", NotBuilt, "Quorum hysteresis.").but("less than the quorum"),
    k("weight", Shape::Value, "N", int("1..65535"), "1", "", NotBuilt, "Default server weight.").but("2.2.7 takes more"),
    k("sorry_server", Shape::Words, "IP [PORT]", Value::Endpoint, "none", "", NotBuilt, "Server used below quorum."),
    k("sorry_server_inhibit", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Apply inhibit_on_failure to it."),
    k("sorry_server_lvs_method", Shape::Words, "as lvs_method", Value::Forwarding, "method of the service", "", NotBuilt, "Forwarding method to it.").lenient(),
    k("real_server", Shape::Block(Block::RealServer), "IP [PORT] { ... }", Value::Block, "", "", NotBuilt, "One destination server."),
];

/// `virtual_server/real_server`.
#[rustfmt::skip]
pub(super) const REAL_SERVER: &[Keyword] = &[
    k("weight", Shape::Value, "N", int("0..65535"), "1 (or service weight)", "", NotBuilt, "IPVS weight.").but("2.2.7 takes more"),
    k("lvs_method", Shape::Words, "as lvs_method", Value::Forwarding, "method of the service", "", NotBuilt, "Per-server method."),
    k("uthreshold", Shape::Value, "N", int(U32), "0 (off)", "", NotBuilt, "Upper connection threshold."),
    k("lthreshold", Shape::Value, "N", int(U32), "0", "", NotBuilt, "Lower connection threshold."),
    k("inhibit_on_failure", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "service value", "", NotBuilt, "Weight 0 instead of removal."),
    k("notify_up", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", NotBuilt, "Run on up change."),
    k("notify_down", Shape::Words, "CMD [USER [GROUP]]", Value::Script, "none", "", NotBuilt, "Run on down change."),
    k("alpha", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "service value", "", NotBuilt, "Start down until checked."),
    k("retry", Shape::Value, "N", int("1..4294967295"), "service value", "", NotBuilt, "Checker retries."),
    k("delay_before_retry", Shape::Value, "SECS", secs6("0..4294"), "service value", "", NotBuilt, "Delay between retries.").but("2.2.7 takes more"),
    k("warmup", Shape::Value, "SECS", secs6("0..4294"), "service value", "", NotBuilt, "First-check spread.").but("2.2.7 takes more"),
    k("connect_timeout", Shape::Value, "SECS", secs6("0.000001..4294"), "service value", "", NotBuilt, "Connect timeout.").but("2.2.7 takes more"),
    k("delay_loop", Shape::Value, "SECS", secs6("0.000001..4294"), "service value", "", NotBuilt, "Check period.").but("2.2.7 takes more"),
    k("smtp_alert", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "service value", "", NotBuilt, "Mail on change."),
    k("virtualhost", Shape::Value, "NAME", Value::Text, "service value", "", NotBuilt, "HTTP Host/SNI name.").lenient(),
    k("snmp_name", Shape::Value, "NAME", Value::Text, "none", "", NotBuilt, "Name shown in SNMP.").lenient(),
    k("TCP_CHECK", Shape::Block(Block::TcpCheck), "{ ... }", Value::Block, "", "", NotBuilt, "Check by a TCP connection."),
    k("UDP_CHECK", Shape::Block(Block::UdpCheck), "{ ... }", Value::Block, "", "", NotBuilt, "Check by a UDP datagram."),
    k("SMTP_CHECK", Shape::Block(Block::SmtpCheck), "{ ... }", Value::Block, "", "", NotBuilt, "Check by an SMTP dialogue."),
    k("PING_CHECK", Shape::Block(Block::PingCheck), "{ ... }", Value::Block, "", "", NotBuilt, "Check by an ICMP echo."),
    k("HTTP_GET", Shape::Block(Block::HttpGet), "{ ... }", Value::Block, "", "", NotBuilt, "Check by an HTTP request."),
    k("SSL_GET", Shape::Block(Block::SslGet), "{ ... }", Value::Block, "", "", NotBuilt, "Check by an HTTPS request."),
    k("DNS_CHECK", Shape::Block(Block::DnsCheck), "{ ... }", Value::Block, "", "", NotBuilt, "Check by a DNS query."),
    k("MISC_CHECK", Shape::Block(Block::MiscCheck), "{ ... }", Value::Block, "", "", NotBuilt, "Check by a script."),
    k("FILE_CHECK", Shape::Block(Block::FileCheck), "{ ... }", Value::Block, "", "", NotBuilt, "Follow a track_file."),
    k("BFD_CHECK", Shape::Block(Block::BfdCheck), "{ ... }", Value::Block, "", "", NotBuilt, "Follow a bfd_instance."),
];

/// Every checker that connects somewhere.
#[rustfmt::skip]
pub(super) const CHECK: &[Keyword] = &[
    k("connect_ip", Shape::Value, "ADDR", Value::Address, "server address", "", NotBuilt, "Address to check."),
    k("connect_port", Shape::Value, "PORT", int("1..65535"), "server port", "", NotBuilt, "Port to check."),
    k("bindto", Shape::Value, "ADDR", Value::Address, "none", "", NotBuilt, "Local address to bind."),
    k("bind_port", Shape::Value, "PORT", int("1..65535"), "none", "", NotBuilt, "Local port to bind."),
    k("bind_if", Shape::Value, "IF", Value::Interface, "none", "", NotBuilt, "Interface to bind (link-local)."),
    k("connect_timeout", Shape::Value, "SECS", secs6("0.000001..4294"), "5", "", NotBuilt, "Connect timeout.").but("2.2.7 takes more"),
    k("fwmark", Shape::Value, "N", int(U32), "none", "", NotBuilt, "Mark of check packets."),
];

/// Every checker that repeats.
#[rustfmt::skip]
pub(super) const RETRY: &[Keyword] = &[
    k("retry", Shape::Value, "N", int(U32), "1 (or from server/service)", "", NotBuilt, "Retries before failure."),
    k("delay_before_retry", Shape::Value, "SECS", secs6("0..4294"), "1 s (or from server/service)", "", NotBuilt, "Pause between retries.").but("2.2.7 takes more"),
    k("warmup", Shape::Value, "SECS", secs6("0..4294"), "delay_loop", "", NotBuilt, "Random delay of the first check.").but("2.2.7 takes more"),
    k("delay_loop", Shape::Value, "SECS", secs6("0.000001..4294"), "60", "", NotBuilt, "Check period.").but("2.2.7 takes more"),
    k("alpha", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "server value", "", NotBuilt, "Start failed until checked."),
    k("log_all_failures", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "checker_log_all_failures", "", NotBuilt, "Log each failure."),
];

/// `HTTP_GET` and `SSL_GET`.
#[rustfmt::skip]
pub(super) const HTTP: &[Keyword] = &[
    k("nb_get_retry", Shape::Value, "N", int(U32), "", "", NotBuilt, "Deprecated retry."),
    k("virtualhost", Shape::Value, "NAME", Value::Text, "server/service value", "", NotBuilt, "Host header.").lenient(),
    k("http_protocol", Shape::Value, "1.0|1.0C|1.0c|1.1", Value::OneOf(&["1.0", "1.0C", "1.0c", "1.1"]), "1.0", "", NotBuilt, "Request protocol.").lenient(),
    k("enable_sni", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "false", "", NotBuilt, "Send SNI (TLS)."),
    k("sni_name", Shape::Optional, "[NAME]", Value::Text, "virtualhost", "2.4.4", NotBuilt, "SNI name."),
    k("fast_recovery", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "false", "", NotBuilt, "One good reply is enough after failure."),
];

/// `url` of both.
#[rustfmt::skip]
pub(super) const URL: &[Keyword] = &[
    k("path", Shape::Value, "PATH", Value::Text, "required", "", NotBuilt, "Request path."),
    k("digest", Shape::Value, "MD5HEX", Value::Hex, "none", "", NotBuilt, "MD5 of the body.").but("32 digits"),
    k("status_code", Shape::Words, "N|N-M ...", Value::Words, "200-299", "", NotBuilt, "Accepted status codes.").but("each 100 to 599").lenient(),
    k("virtualhost", Shape::Value, "NAME", Value::Text, "checker value", "", NotBuilt, "Host header.").lenient(),
    k("regex", Shape::Value, "PATTERN", Value::Regex, "none", "", NotBuilt, "Pattern the body must match.").lenient(),
    k("regex_no_match", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Success when the pattern does not match."),
    k("regex_options", Shape::Words, "NAME ...", Value::Words, "none", "", NotBuilt, "Pattern options.").but("names of pcre2 options").lenient(),
    k("regex_min_offset", Shape::Value, "N", int(U32), "0", "", NotBuilt, "Earliest start of a match.").lenient(),
    k("regex_max_offset", Shape::Value, "N", int(U32), "none", "", NotBuilt, "Latest start of a match.").lenient(),
    k("regex_stack", Shape::Words, "START MAX", Value::Words, "none", "", NotBuilt, "Stack sizes for the pattern.").but("two sizes in bytes").lenient(),
];

/// `UDP_CHECK` only.
#[rustfmt::skip]
pub(super) const UDP_CHECK: &[Keyword] = &[
    k("payload", Shape::Value, "HEX", Value::Hex, "none", "", NotBuilt, "Payload to send.").lenient(),
    k("require_reply", Shape::Optional, "[HEX with x wildcards]", Value::Hex, "off", "", NotBuilt, "A reply (matching the pattern) is required."),
    k("min_reply_length", Shape::Value, "N", int("0..65535"), "0", "", NotBuilt, "Shortest accepted reply."),
    k("max_reply_length", Shape::Value, "N", int("0..65535"), "255", "", NotBuilt, "Longest accepted reply."),
];

/// `SMTP_CHECK` only.
#[rustfmt::skip]
pub(super) const SMTP_CHECK: &[Keyword] = &[
    k("helo_name", Shape::Value, "NAME", Value::Text, "smtpchecker.keepalived.org", "", NotBuilt, "HELO name.").lenient(),
    k("host", Shape::Block(Block::SmtpHost), "{ ... }", Value::Block, "", "", NotBuilt, "Deprecated extra target list."),
];

/// `HTTP_GET` only.
#[rustfmt::skip]
pub(super) const HTTP_GET: &[Keyword] = &[
    k("url", Shape::Block(Block::HttpUrl), "{ ... }", Value::Block, "at least one", "", NotBuilt, "One URL to fetch."),
];

/// `SSL_GET` only.
#[rustfmt::skip]
pub(super) const SSL_GET: &[Keyword] = &[
    k("tls_compliant", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "false", "2.2.8", NotBuilt, "Require a clean TLS close."),
    k("url", Shape::Block(Block::SslUrl), "{ ... }", Value::Block, "at least one", "", NotBuilt, "One URL to fetch."),
];

/// `DNS_CHECK` only.
#[rustfmt::skip]
pub(super) const DNS_CHECK: &[Keyword] = &[
    k("type", Shape::Value, "A|NS|CNAME|SOA|MX|TXT|AAAA|RRSIG|DNSKEY", Value::AnyCase(&["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"]), "SOA", "", NotBuilt, "Record type."),
    k("name", Shape::Value, "NAME", Value::Text, "\".\"", "", NotBuilt, "Name to ask for."),
];

/// `MISC_CHECK` only.
#[rustfmt::skip]
pub(super) const MISC_CHECK: &[Keyword] = &[
    k("misc_path", Shape::Value, "CMD", Value::Command, "required", "", NotBuilt, "Script to run.").lenient(),
    k("misc_timeout", Shape::Value, "SECS", secs("0..4294"), "delay_loop", "", NotBuilt, "Limit of one run."),
    k("misc_dynamic", Shape::Flag, "", Value::Nothing, "off", "", NotBuilt, "Exit 2..255 sets weight to code minus 2."),
    k("user", Shape::Words, "USER [GROUP]", Value::Account, "script_user", "", NotBuilt, "Account to run as.").lenient(),
];

/// `FILE_CHECK` only.
#[rustfmt::skip]
pub(super) const FILE_CHECK: &[Keyword] = &[
    k("track_file", Shape::Value, "NAME", Value::Name, "required", "", NotBuilt, "Track_file to follow."),
    k("weight", Shape::Words, "N [reverse|noreverse]", weight("-65535..65535"), "file weight", "", NotBuilt, "Factor on the file number.").but("2.2.7 takes more").lenient(),
];

/// `BFD_CHECK` only.
#[rustfmt::skip]
pub(super) const BFD_CHECK: &[Keyword] = &[
    k("name", Shape::Value, "NAME", Value::Name, "required", "", NotBuilt, "Bfd_instance to follow.").lenient(),
    k("alpha", Shape::Optional, "", Value::Switch, "server value", "", NotBuilt, "Start failed."),
];

/// `SSL_GET/url` only.
#[rustfmt::skip]
pub(super) const SSL_URL: &[Keyword] = &[
    k("tls_compliant", Shape::Optional, "[true|on|yes|false|off|no]", Value::Switch, "checker value", "2.2.8", NotBuilt, "Require a clean TLS close."),
];

//! The one table of keywords. The parser, the lookups, the suggestions, `explain` and every later product
//! (manual, completions) follow from it: a keyword exists when it has a row here, and only then.
//!
//! The rows stand in the sub-modules, one line each and in the order of the manual.

mod former;
mod global;
mod instance;
pub mod json;
mod language;
mod lines;
mod lvs;
mod pages;
mod root;
mod track;
mod usage;
mod value;

pub(crate) use former::meant;
pub use former::{FORMER, Former, Successor, former};
pub use pages::{Page, facts, pages};
pub use usage::{Area, Part, Tier};
pub use value::{Number, Value};

use alloc::format;
use alloc::string::String;
use core::fmt;

/// A keyword of the language.
#[derive(Debug, PartialEq, Eq)]
pub struct Keyword {
    /// The word.
    pub name: &'static str,
    /// What follows it.
    pub shape: Shape,
    /// What follows it, as shown to users: `SECS`, `NAME { ... }`; empty for a flag.
    pub arguments: &'static str,
    /// What that may be.
    pub value: Value,
    /// What else there is to say about the value, for people.
    pub remark: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// The keepalived version that brought it, as text; empty: 2.2.7 or earlier. See [`Keyword::since`].
    since: &'static str,
    /// What Standfast does with it.
    pub state: State,
    /// What it is for, in one sentence.
    pub doc: &'static str,
    /// Whether keepalived only drops the line when the value is missing. It ends for most others.
    pub lenient: bool,
}

impl Keyword {
    /// Adds what the type of the value does not say.
    const fn but(self, remark: &'static str) -> Self {
        Self { remark, ..self }
    }

    /// keepalived drops the line when the value is missing, and goes on.
    const fn lenient(self) -> Self {
        Self { lenient: true, ..self }
    }

    /// The version of keepalived that brought it; `None`: 2.2.7 or earlier.
    #[must_use]
    pub fn since(&self) -> Option<Release> {
        Release::of(self.since)
    }

    /// Everything about its value in one line: what it may be, and the remark.
    #[must_use]
    pub fn value_text(&self) -> String {
        let mut text = self.value.text();
        if !text.is_empty() && !self.remark.is_empty() {
            text.push_str("; ");
        }
        text.push_str(self.remark);
        text
    }
}

/// A version of keepalived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// The three numbers: 2, 2, 8.
    pub numbers: [u16; 3],
}

impl Release {
    /// Reads `2.2.8`, `v2.3`, or `2.4.4-dev`.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split_once('-').map_or(text, |(numbers, _)| numbers);
        let mut numbers = [0; 3];
        let mut count = 0;
        for (at, part) in text.split('.').enumerate() {
            *numbers.get_mut(at)? = part.parse().ok()?;
            count = at;
        }
        (count > 0).then_some(Self { numbers })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// What follows a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing.
    Flag,
    /// One word.
    Value,
    /// One word or nothing.
    Optional,
    /// Several words.
    Words,
    /// A block of keywords, after a name where [`Keyword::arguments`] says so.
    Block(Block),
    /// A block of lines that are not keywords.
    Lines(Lines),
}

impl Shape {
    /// Whether a `{` must follow.
    #[must_use]
    pub const fn opens(self) -> bool {
        matches!(self, Self::Block(_) | Self::Lines(_))
    }
}

/// What the lines of a list block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Addresses with options.
    Addresses,
    /// Routes with options.
    Routes,
    /// Policy rules.
    Rules,
    /// Names of things to track, each with a weight.
    Trackers,
    /// Unicast peers.
    Peers,
    /// Plain names.
    Names,
    /// Addresses of a virtual server group.
    ServerGroup,
}

/// What Standfast does with a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// What keepalived does, or what the manual says instead.
    Honoured,
    /// Nothing, on purpose; the reason.
    NoEffect(&'static str),
    /// Nothing yet. Each use is reported by name.
    NotBuilt,
}

/// A place in which keywords have a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Block {
    /// `(any line)`.
    AnyLine,
    /// `(root)`.
    Root,
    /// `global_defs`.
    GlobalDefs,
    /// `track_group`.
    TrackGroup,
    /// `vrrp_sync_group`.
    VrrpSyncGroup,
    /// `garp_group`.
    GarpGroup,
    /// `vrrp_instance`.
    VrrpInstance,
    /// `vrrp_instance/authentication`.
    Authentication,
    /// `vrrp_instance/auth_hmac`.
    AuthHmac,
    /// `ADDRESS-LINE`.
    AddressLine,
    /// `ROUTE-LINE`.
    RouteLine,
    /// `RULE-LINE`.
    RuleLine,
    /// `vrrp_script`.
    VrrpScript,
    /// `vrrp_track_process`.
    VrrpTrackProcess,
    /// `track_file`.
    TrackFile,
    /// `vrrp_track_file`.
    VrrpTrackFile,
    /// `bfd_instance`.
    BfdInstance,
    /// `SSL`.
    Ssl,
    /// `virtual_server`.
    VirtualServer,
    /// `virtual_server/real_server`.
    RealServer,
    /// `virtual_server/real_server/TCP_CHECK`.
    TcpCheck,
    /// `virtual_server/real_server/UDP_CHECK`.
    UdpCheck,
    /// `virtual_server/real_server/SMTP_CHECK`.
    SmtpCheck,
    /// `virtual_server/real_server/SMTP_CHECK/host`.
    SmtpHost,
    /// `virtual_server/real_server/PING_CHECK`.
    PingCheck,
    /// `virtual_server/real_server/HTTP_GET`.
    HttpGet,
    /// `virtual_server/real_server/SSL_GET`.
    SslGet,
    /// `virtual_server/real_server/DNS_CHECK`.
    DnsCheck,
    /// `virtual_server/real_server/MISC_CHECK`.
    MiscCheck,
    /// `virtual_server/real_server/HTTP_GET/url`.
    HttpUrl,
    /// `virtual_server/real_server/SSL_GET/url`.
    SslUrl,
    /// `virtual_server/real_server/FILE_CHECK`.
    FileCheck,
    /// `virtual_server/real_server/BFD_CHECK`.
    BfdCheck,
}

/// Rows of the table with their long texts. Several blocks may share one.
struct Slice {
    rows: &'static [Keyword],
    /// A section `## KEYWORD` for each row.
    long: &'static str,
}

macro_rules! slice {
    ($rows:path, $file:literal) => {
        Slice { rows: $rows, long: include_str!(concat!("long/", $file, ".md")) }
    };
}

const CHECK: Slice = slice!(lvs::CHECK, "check");
const RETRY: Slice = slice!(lvs::RETRY, "retry");
const HTTP: Slice = slice!(lvs::HTTP, "http");
const URL: Slice = slice!(lvs::URL, "url");

impl Slice {
    /// The section of a keyword, in Markdown.
    fn section(&self, keyword: &str) -> Option<&'static str> {
        let heading = format!("## {keyword}\n");
        let start = if self.long.starts_with(&heading) {
            heading.len()
        } else {
            self.long.find(&format!("\n{heading}"))? + 1 + heading.len()
        };
        let text = self.long.get(start..)?;
        let end = text.find("\n## ").unwrap_or(text.len());
        text.get(..end).map(str::trim)
    }
}

impl Block {
    /// Every block, outermost first.
    pub const ALL: &'static [Self] = &[
        Self::AnyLine,
        Self::Root,
        Self::GlobalDefs,
        Self::TrackGroup,
        Self::VrrpSyncGroup,
        Self::GarpGroup,
        Self::VrrpInstance,
        Self::Authentication,
        Self::AuthHmac,
        Self::AddressLine,
        Self::RouteLine,
        Self::RuleLine,
        Self::VrrpScript,
        Self::VrrpTrackProcess,
        Self::TrackFile,
        Self::VrrpTrackFile,
        Self::BfdInstance,
        Self::Ssl,
        Self::VirtualServer,
        Self::RealServer,
        Self::TcpCheck,
        Self::UdpCheck,
        Self::SmtpCheck,
        Self::SmtpHost,
        Self::PingCheck,
        Self::HttpGet,
        Self::SslGet,
        Self::DnsCheck,
        Self::MiscCheck,
        Self::HttpUrl,
        Self::SslUrl,
        Self::FileCheck,
        Self::BfdCheck,
    ];

    /// The keywords of this block, in slices that several blocks may share.
    const fn slices(self) -> &'static [Slice] {
        match self {
            Self::AnyLine => &[slice!(language::ANY_LINE, "any_line")],
            Self::Root => &[slice!(root::ROOT, "root")],
            Self::GlobalDefs => &[slice!(global::GLOBAL_DEFS, "global_defs")],
            Self::TrackGroup => &[slice!(root::TRACK_GROUP, "track_group")],
            Self::VrrpSyncGroup => &[slice!(instance::VRRP_SYNC_GROUP, "vrrp_sync_group")],
            Self::GarpGroup => &[slice!(root::GARP_GROUP, "garp_group")],
            Self::VrrpInstance => &[slice!(instance::VRRP_INSTANCE, "vrrp_instance")],
            Self::Authentication => &[slice!(instance::AUTHENTICATION, "authentication")],
            Self::AuthHmac => &[slice!(instance::AUTH_HMAC, "auth_hmac")],
            Self::AddressLine => &[slice!(lines::ADDRESS_LINE, "address_line")],
            Self::RouteLine => &[slice!(lines::ROUTE_LINE, "route_line")],
            Self::RuleLine => &[slice!(lines::RULE_LINE, "rule_line")],
            Self::VrrpScript => &[slice!(track::VRRP_SCRIPT, "vrrp_script")],
            Self::VrrpTrackProcess => &[slice!(track::VRRP_TRACK_PROCESS, "vrrp_track_process")],
            Self::TrackFile => &[slice!(track::TRACK_FILE, "track_file")],
            Self::VrrpTrackFile => &[slice!(track::VRRP_TRACK_FILE, "vrrp_track_file")],
            Self::BfdInstance => &[slice!(track::BFD_INSTANCE, "bfd_instance")],
            Self::Ssl => &[slice!(root::SSL, "ssl")],
            Self::VirtualServer => &[slice!(lvs::VIRTUAL_SERVER, "virtual_server")],
            Self::RealServer => &[slice!(lvs::REAL_SERVER, "real_server")],
            Self::TcpCheck => &[CHECK, RETRY],
            Self::UdpCheck => &[CHECK, RETRY, slice!(lvs::UDP_CHECK, "udp_check")],
            Self::SmtpCheck => &[CHECK, RETRY, slice!(lvs::SMTP_CHECK, "smtp_check")],
            Self::SmtpHost => &[CHECK, RETRY],
            Self::PingCheck => &[CHECK, RETRY],
            Self::HttpGet => &[CHECK, RETRY, HTTP, slice!(lvs::HTTP_GET, "http_get")],
            Self::SslGet => &[CHECK, RETRY, HTTP, slice!(lvs::SSL_GET, "ssl_get")],
            Self::DnsCheck => &[CHECK, RETRY, slice!(lvs::DNS_CHECK, "dns_check")],
            Self::MiscCheck => &[RETRY, slice!(lvs::MISC_CHECK, "misc_check")],
            Self::HttpUrl => &[URL],
            Self::SslUrl => &[URL, slice!(lvs::SSL_URL, "ssl_url")],
            Self::FileCheck => &[slice!(lvs::FILE_CHECK, "file_check")],
            Self::BfdCheck => &[slice!(lvs::BFD_CHECK, "bfd_check")],
        }
    }

    /// Where the block stands: the keywords that lead to it.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::AnyLine => "(any line)",
            Self::Root => "(root)",
            Self::GlobalDefs => "global_defs",
            Self::TrackGroup => "track_group",
            Self::VrrpSyncGroup => "vrrp_sync_group",
            Self::GarpGroup => "garp_group",
            Self::VrrpInstance => "vrrp_instance",
            Self::Authentication => "vrrp_instance/authentication",
            Self::AuthHmac => "vrrp_instance/auth_hmac",
            Self::AddressLine => "ADDRESS-LINE",
            Self::RouteLine => "ROUTE-LINE",
            Self::RuleLine => "RULE-LINE",
            Self::VrrpScript => "vrrp_script",
            Self::VrrpTrackProcess => "vrrp_track_process",
            Self::TrackFile => "track_file",
            Self::VrrpTrackFile => "vrrp_track_file",
            Self::BfdInstance => "bfd_instance",
            Self::Ssl => "SSL",
            Self::VirtualServer => "virtual_server",
            Self::RealServer => "virtual_server/real_server",
            Self::TcpCheck => "virtual_server/real_server/TCP_CHECK",
            Self::UdpCheck => "virtual_server/real_server/UDP_CHECK",
            Self::SmtpCheck => "virtual_server/real_server/SMTP_CHECK",
            Self::SmtpHost => "virtual_server/real_server/SMTP_CHECK/host",
            Self::PingCheck => "virtual_server/real_server/PING_CHECK",
            Self::HttpGet => "virtual_server/real_server/HTTP_GET",
            Self::SslGet => "virtual_server/real_server/SSL_GET",
            Self::DnsCheck => "virtual_server/real_server/DNS_CHECK",
            Self::MiscCheck => "virtual_server/real_server/MISC_CHECK",
            Self::HttpUrl => "virtual_server/real_server/HTTP_GET/url",
            Self::SslUrl => "virtual_server/real_server/SSL_GET/url",
            Self::FileCheck => "virtual_server/real_server/FILE_CHECK",
            Self::BfdCheck => "virtual_server/real_server/BFD_CHECK",
        }
    }

    /// The block's own name, for messages: the last part of its path.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.path().rsplit('/').next().unwrap_or_default()
    }

    /// Whether its words are keywords at the beginning of a line (and not options within one).
    #[must_use]
    pub const fn is_block(self) -> bool {
        !matches!(self, Self::AnyLine | Self::AddressLine | Self::RouteLine | Self::RuleLine)
    }

    /// The keywords that may stand here.
    pub fn keywords(self) -> impl Iterator<Item = &'static Keyword> {
        self.slices().iter().flat_map(|slice| slice.rows)
    }

    /// The long text of a keyword of this block, in Markdown; examples are fences named `keepalived`.
    #[must_use]
    pub fn long(self, keyword: &str) -> Option<&'static str> {
        let slice = self.slices().iter().find(|slice| slice.rows.iter().any(|k| k.name == keyword))?;
        slice.section(keyword)
    }

    /// The keyword `name` of this block. The words of keepalived are case-sensitive.
    #[must_use]
    pub fn keyword(self, name: &[u8]) -> Option<&'static Keyword> {
        self.keywords().find(|k| k.name.as_bytes() == name)
    }
}

/// Every place where a keyword of that name may stand.
pub fn homes(name: &[u8]) -> impl Iterator<Item = (Block, &'static Keyword)> {
    Block::ALL.iter().filter_map(move |b| b.keyword(name).map(|k| (*b, k)))
}

/// One row.
#[allow(clippy::too_many_arguments, reason = "a row of a table has as many columns as it has")]
const fn k(
    name: &'static str,
    shape: Shape,
    arguments: &'static str,
    value: Value,
    default: &'static str,
    since: &'static str,
    state: State,
    doc: &'static str,
) -> Keyword {
    Keyword { name, shape, arguments, value, remark: "", default, since, state, doc, lenient: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_block_has_a_keyword_twice() {
        for block in Block::ALL {
            for (i, keyword) in block.keywords().enumerate() {
                let first = block.keywords().position(|k| k.name == keyword.name);
                assert_eq!(first, Some(i), "{} in {}", keyword.name, block.path());
            }
        }
    }

    #[test]
    fn every_row_has_its_sentence() {
        for block in Block::ALL {
            for keyword in block.keywords() {
                assert!(keyword.doc.ends_with('.') && keyword.doc.len() > 4, "{}", keyword.name);
                assert!(!keyword.doc.contains('\n'), "{}", keyword.name);
            }
        }
    }

    #[test]
    fn every_keyword_has_its_long_text() {
        for (block, keyword) in Block::ALL.iter().flat_map(|b| b.keywords().map(move |k| (b, k))) {
            let text = block.long(keyword.name).unwrap_or_default();
            assert!(text.len() > 20, "{} in {}", keyword.name, block.path());
            assert!(!text.contains("\n## "), "{} in {}", keyword.name, block.path());
        }
        assert_eq!(Block::Root.long("priority"), None);
    }

    #[test]
    fn versions_compare() {
        assert!(Release::of("2.2.7") < Release::of("2.2.8"));
        assert!(Release::of("2.4") < Release::of("2.4.4-dev"));
        assert_eq!(Release::of("v2.4.2"), Some(Release { numbers: [2, 4, 2] }));
        assert_eq!(
            [Release::of(""), Release::of("3"), Release::of("2.x"), Release::of("2.2.2.2")],
            [None; 4]
        );
        for keyword in Block::ALL.iter().flat_map(|b| b.keywords()) {
            let since = keyword.since();
            assert_eq!(since.is_none(), keyword.since.is_empty(), "{}", keyword.name);
            assert!(since.is_none_or(|s| s > Release { numbers: [2, 2, 7] }), "{}", keyword.name);
        }
    }

    /// The shape says how many words there are, the value what they are: both must say the same.
    #[test]
    fn shape_and_value_agree() {
        for (block, keyword) in Block::ALL.iter().flat_map(|b| b.keywords().map(move |k| (b, k))) {
            let place = format!("{} in {}", keyword.name, block.path());
            match keyword.shape {
                Shape::Flag if *block == Block::AnyLine => {}
                Shape::Flag if matches!(keyword.name, "ADDR[/LEN]") => {}
                Shape::Flag => assert_eq!(keyword.value, Value::Nothing, "{place}"),
                Shape::Block(_) | Shape::Lines(_) => assert_eq!(keyword.value, Value::Block, "{place}"),
                Shape::Value | Shape::Optional | Shape::Words if *block == Block::AnyLine => {}
                Shape::Value | Shape::Optional | Shape::Words => {
                    assert_ne!(keyword.value, Value::Nothing, "{place}");
                    assert_ne!(keyword.value, Value::Block, "{place}");
                }
            }
            if keyword.value == Value::Switch {
                assert_eq!(keyword.shape, Shape::Optional, "{place}");
            }
        }
    }

    #[test]
    fn a_block_is_reached_by_its_path() {
        for block in Block::ALL.iter().filter(|b| b.is_block() && **b != Block::Root) {
            let opener = block.path().rsplit('/').next().unwrap();
            assert!(
                homes(opener.as_bytes()).any(|(_, k)| k.shape == Shape::Block(*block)),
                "nothing opens {}",
                block.path()
            );
        }
    }
}

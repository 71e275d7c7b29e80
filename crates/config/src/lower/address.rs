//! The lines of `virtual_ipaddress` and `virtual_ipaddress_excluded`.

use super::Lower;
use super::value::{Numbers, parse_address};
use crate::registry::Id;
use crate::source::Span;
use crate::table::{Block, Keyword, State};
use crate::text::Word;
use crate::tree::At;
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use model::VirtualAddress;

/// An address with the place of its first word.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) address: VirtualAddress,
    pub(super) span: Span,
}

/// The line cannot be used; that was reported.
struct Dropped;

/// A line being read.
struct Line<'t, 'a> {
    address: VirtualAddress,
    rest: core::slice::Iter<'t, Word<'a>>,
    /// `broadcast`, decided when the prefix is final.
    broadcast: Option<&'t Word<'a>>,
}

impl Lower<'_> {
    pub(super) fn addresses(&mut self, block: At<'_, '_>, out: &mut Vec<Entry>) {
        for at in block.children() {
            let words = at.words();
            let (Some(first), Some(rest)) = (words.first(), words.get(1..)) else { continue };
            if let Ok(address) = self.address_line(first, rest) {
                out.push(Entry { address, span: first.span });
            }
        }
    }

    /// One line; `None`: it is dropped, and that was reported.
    pub(super) fn one_address(&mut self, first: &Word<'_>, rest: &[Word<'_>]) -> Option<VirtualAddress> {
        self.address_line(first, rest).ok()
    }

    fn address_line(&mut self, first: &Word<'_>, rest: &[Word<'_>]) -> Result<VirtualAddress, Dropped> {
        let (text, prefix) = match first.text.iter().position(|b| *b == b'/') {
            Some(slash) => (first.text.get(..slash).unwrap_or_default(), first.text.get(slash + 1..)),
            None => (&*first.text, None),
        };
        let Some(address) = parse_address(text) else {
            self.not_an_address(first, "192.0.2.3");
            return Err(Dropped);
        };
        let mut address = VirtualAddress::host(address);
        if let Some(prefix) = prefix {
            address.prefix = self.prefix(prefix, address.address, first);
        }
        let mut line = Line { address, rest: rest.iter(), broadcast: None };
        while let Some(option) = line.rest.next() {
            self.option(option, &mut line)?;
        }
        if let Some(word) = line.broadcast {
            line.address.options.broadcast = self.broadcast(word, &line.address)?;
        }
        // What was written may say what holds without it.
        line.address.options.settle();
        Ok(line.address)
    }

    fn option<'t, 'a>(&mut self, option: &'t Word<'a>, line: &mut Line<'t, 'a>) -> Result<(), Dropped> {
        let v6 = line.address.address.is_ipv6();
        // The table's first row stands for the address itself; it is no option that could be written.
        let no_option = |k: &&Keyword| matches!(k.name, "track_group" | "ADDR[/LEN]");
        let Some(keyword) = Block::AddressLine.keyword(&option.text).filter(|k| !no_option(k)) else {
            if self.strange_address_option(option, &line.address) {
                line.rest.next();
            }
            return Ok(());
        };
        if keyword.state == State::NotBuilt {
            self.unbuilt(keyword, option.span);
            return Ok(());
        }
        match keyword.name {
            "dev" => self.device(option, line)?,
            "scope" => {
                let word = self.option_value(keyword, option, line)?;
                if v6 {
                    self.ignored(option, "an IPv6 address has no scope of its own: the option is ignored");
                } else {
                    line.address.options.scope = self.scope(word).unwrap_or(line.address.options.scope);
                }
            }
            "broadcast" | "brd" => {
                let word = self.option_value(keyword, option, line)?;
                if v6 {
                    return self.dropped(option, "IPv6 has no broadcast");
                }
                line.broadcast = Some(word);
            }
            "label" => self.label(keyword, option, line)?,
            "peer" => {
                let word = self.option_value(keyword, option, line)?;
                self.peer(word, &mut line.address);
            }
            "preferred_lft" => {
                let word = self.option_value(keyword, option, line)?;
                line.address.options.preferred_lifetime = if *word.text == *b"forever" {
                    Some(u32::MAX)
                } else {
                    let allowed =
                        Numbers::seconds(0..=u64::from(u32::MAX)).otherwise("the option is ignored");
                    let seconds = self.number_in("preferred_lft", word, &allowed, Id::OutOfRange);
                    seconds.and_then(|n| u32::try_from(n).ok())
                };
            }
            "home" => line.address.options.home = true,
            "-nodad" => line.address.options.detect_duplicates = true,
            "noprefixroute" => line.address.options.no_prefix_route = true,
            "no_track" => line.address.options.no_track = true,
            name => debug_assert!(false, "`{name}` is honoured by nobody"),
        }
        Ok(())
    }

    fn option_value<'t, 'a>(
        &mut self,
        keyword: &Keyword,
        option: &Word<'_>,
        line: &mut Line<'t, 'a>,
    ) -> Result<&'t Word<'a>, Dropped> {
        if let Some(word) = line.rest.next() {
            return Ok(word);
        }
        self.findings.add(Id::AddressOption, option.span, |d| {
            d.say(format!("`{}` needs a value: the address is dropped", keyword.name))
                .help(format!("write `{} {}`", keyword.name, keyword.arguments))
        });
        Err(Dropped)
    }

    fn ignored(&mut self, option: &Word<'_>, why: &str) {
        self.findings.add(Id::AddressOption, option.span, |d| d.say(why));
    }

    fn dropped<T>(&mut self, option: &Word<'_>, why: &str) -> Result<T, Dropped> {
        self.findings
            .add(Id::AddressOption, option.span, |d| d.say(format!("{why}: the address is dropped")));
        Err(Dropped)
    }

    fn device<'t, 'a>(&mut self, option: &'t Word<'a>, line: &mut Line<'t, 'a>) -> Result<(), Dropped> {
        let Some(word) = line.rest.next() else {
            return self.dropped(option, "`dev` needs the name of an interface");
        };
        if line.address.options.device.is_some() {
            return self.dropped(option, "`dev` is given twice");
        }
        let Some(name) = Self::interface_name(word) else {
            return self.dropped(word, "this cannot be the name of an interface");
        };
        self.must_exist(&name, word.span);
        line.address.options.device = Some(name);
        Ok(())
    }

    fn label<'t, 'a>(
        &mut self,
        keyword: &Keyword,
        option: &'t Word<'a>,
        line: &mut Line<'t, 'a>,
    ) -> Result<(), Dropped> {
        let word = self.option_value(keyword, option, line)?;
        if line.address.address.is_ipv6() {
            self.ignored(option, "an IPv6 address has no label: the option is ignored");
        } else if word.text.len() > 15 {
            return self.dropped(word, "a label has at most 15 characters");
        } else if let Ok(label) = core::str::from_utf8(&word.text) {
            line.address.options.label = Some(label.into());
        } else {
            self.ignored(option, "a label is UTF-8: the option is ignored");
        }
        Ok(())
    }

    /// A prefix length. One that cannot be is replaced by that of a host, as keepalived does.
    fn prefix(&mut self, text: &[u8], address: IpAddr, word: &Word<'_>) -> u8 {
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        let number = core::str::from_utf8(text).ok().and_then(|t| t.parse::<u8>().ok());
        if let Some(prefix) = number.filter(|n| *n <= most) {
            return prefix;
        }
        let mask = parse_address(text).and_then(mask_length);
        self.findings.add(Id::BadPrefix, word.span, |d| {
            let d =
                d.say(format!("the prefix length of `{}` is not 0 to {most}: /{most} is used", word.shown()));
            match mask {
                Some(length) => d
                    .help(format!("this netmask is written /{length}"))
                    .fix(word.span, format!("{address}/{length}")),
                None => d,
            }
        });
        most
    }

    fn scope(&mut self, word: &Word<'_>) -> Option<u8> {
        let number = match &*word.text {
            b"global" | b"universe" => Some(0),
            b"site" => Some(200),
            b"link" => Some(253),
            b"host" => Some(254),
            b"nowhere" => Some(255),
            other => core::str::from_utf8(other).ok().and_then(|t| t.parse().ok()),
        };
        if number.is_none() {
            self.findings.add(Id::AddressOption, word.span, |d| {
                d.say(format!("`{}` is no scope: the option is ignored", word.shown()))
                    .help("write global, site, link, host, or a number up to 255")
            });
        }
        number
    }

    fn broadcast(&mut self, word: &Word<'_>, address: &VirtualAddress) -> Result<Option<Ipv4Addr>, Dropped> {
        if address.options.peer.is_some() {
            self.ignored(word, "an address with `peer` has no broadcast: the option is ignored");
            return Ok(None);
        }
        let IpAddr::V4(own) = address.address else { return Ok(None) };
        let sign = &*word.text;
        if sign == b"+" || sign == b"-" {
            if address.prefix > 30 {
                return self.dropped(word, &format!("a /{} has no broadcast", address.prefix));
            }
            let hosts = u32::MAX.checked_shr(u32::from(address.prefix)).unwrap_or(0);
            let bits = u32::from(own);
            let bits = if sign == b"+" { bits | hosts } else { bits & !hosts };
            return Ok(Some(Ipv4Addr::from(bits)));
        }
        match parse_address(sign) {
            Some(IpAddr::V4(broadcast)) => Ok(Some(broadcast)),
            _ => self.dropped(word, "this is no IPv4 broadcast address"),
        }
    }

    fn peer(&mut self, word: &Word<'_>, address: &mut VirtualAddress) {
        let (text, prefix) = match word.text.iter().position(|b| *b == b'/') {
            Some(slash) => (word.text.get(..slash).unwrap_or_default(), word.text.get(slash + 1..)),
            None => (&*word.text, None),
        };
        let peer = parse_address(text).filter(|peer| peer.is_ipv4() == address.address.is_ipv4());
        let (Some(peer), None) = (peer, address.options.peer) else {
            let twice = address.options.peer.is_some();
            self.findings.add(Id::AddressOption, word.span, |d| {
                if twice {
                    d.say("there is a peer already: this one is ignored")
                } else {
                    d.say(format!("`{}` is no address of this family: `peer` is ignored", word.shown()))
                }
            });
            return;
        };
        address.options.peer = Some(peer);
        if let Some(prefix) = prefix {
            address.prefix = self.prefix(prefix, peer, word);
        }
    }

    /// Reports an option that does not exist; says whether the one that was meant has a value.
    fn strange_address_option(&mut self, option: &Word<'_>, address: &VirtualAddress) -> bool {
        let shown = option.shown();
        let mask = parse_address(&option.text).and_then(mask_length);
        let names = Block::AddressLine.keywords().map(|k| k.name).filter(|n| *n != "track_group");
        let near = crate::suggest::nearest(&shown, names);
        let known = self.surroundings.interfaces.as_ref().is_some_and(|known| known.contains_key(&*shown));
        self.findings.add(Id::AddressOption, option.span, |d| {
            let d = d.say(format!("`{shown}` is no option of an address: it is ignored"));
            if let Some(length) = mask {
                d.help(format!("write the prefix length behind the address: {}/{length}", address.address))
            } else if &*option.text == b"nodad" {
                d.help("duplicate address detection is off unless `-nodad` is written").fix(option.span, "")
            } else if parse_address(&option.text).is_some() {
                d.help("each address stands on a line of its own")
            } else if known {
                d.help(format!("write `dev {shown}`")).suggest(option.span, format!("dev {shown}"))
            } else if let Some(near) = near {
                d.help(format!("did you mean `{near}`?")).suggest(option.span, near)
            } else {
                d
            }
        });
        let meant = near.filter(|_| mask.is_none() && &*option.text != b"nodad" && !known);
        meant
            .and_then(|name| Block::AddressLine.keyword(name.as_bytes()))
            .is_some_and(|k| !k.arguments.is_empty())
    }

    /// Reports a word that should have been an address.
    pub(super) fn not_an_address(&mut self, word: &Word<'_>, example: &str) {
        let shown = word.shown();
        let example = if shown.contains(':') { "2001:db8::3" } else { example };
        let keyword = Block::VrrpInstance.keyword(&word.text).is_some();
        let option = Block::AddressLine.keyword(&word.text).is_some();
        self.findings.add(Id::BadAddress, word.span, |d| {
            let placeholder = !keyword && !option && is_placeholder(&shown);
            let what = if placeholder { "stands in the place of an address" } else { "is not an IP address" };
            let d = d.say(format!("`{shown}` {what}: the line is dropped"));
            if keyword {
                d.help(format!("`{shown}` is a keyword of `vrrp_instance`: is a `}}` missing above?"))
            } else if option {
                d.help("options stand on the line of their address")
            } else if placeholder {
                d.help(format!("write the address itself, for example {example}"))
            } else if shown.starts_with(|c: char| c.is_ascii_digit()) {
                d.help(format!("write one whole address on a line, for example {example}"))
            } else {
                d.help(format!("write an address, for example {example}; a comment begins with `#`"))
            }
        });
    }
}

/// What a template left behind: `<vip>`, `x.x.x.x`, `VIP_ADDRESS`, `{{ vip }}`.
fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    text.contains(['<', '>', '*', '$', '_', '['])
        || lower.contains("vip")
        || lower.contains("your")
        || lower.contains("address")
        || lower.contains(".x")
        || lower.contains("x.")
        || lower.contains("xx")
        || (text.len() > 1 && text.chars().all(|c| c.is_ascii_uppercase()))
}

/// The prefix length of a netmask.
fn mask_length(mask: IpAddr) -> Option<u32> {
    let IpAddr::V4(mask) = mask else { return None };
    let bits = u32::from(mask);
    (bits.leading_ones() + bits.trailing_zeros() == 32 && bits != 0).then_some(bits.leading_ones())
}

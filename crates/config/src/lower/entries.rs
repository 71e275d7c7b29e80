//! The lines of `unicast_peer` and `track_interface`.

use super::Lower;
use super::value::Numbers;
use crate::registry::Id;
use crate::source::Span;
use crate::text::Word;
use crate::tree::At;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use model::{InterfaceName, Peer, TrackedInterface, Weight};

impl Lower<'_> {
    /// Reads peers; says whether a line limits the TTL, which turns the check of sources on.
    pub(super) fn peers(&mut self, block: At<'_, '_>, out: &mut Vec<(Peer, Span)>) -> bool {
        let mut limited = false;
        for at in block.children() {
            let words = at.words();
            let Some(first) = words.first() else { continue };
            let Some(address) = self.plain_address(first) else {
                self.not_an_address(first, "192.0.2.2");
                continue;
            };
            let mut peer = Peer { address, min_ttl: None, max_ttl: None };
            let mut rest = words.get(1..).unwrap_or_default().iter();
            while let Some(option) = rest.next() {
                let place = match &*option.text {
                    b"min_ttl" => &mut peer.min_ttl,
                    b"max_ttl" => &mut peer.max_ttl,
                    _ => {
                        if self.strange_option(option, "a peer", &["min_ttl", "max_ttl"]) {
                            rest.next();
                        }
                        continue;
                    }
                };
                let Some(value) = rest.next() else {
                    self.option_without_value(option);
                    break;
                };
                let allowed = Numbers::count(0..=255).otherwise("it is not checked");
                let ttl = self.number_in(&option.shown(), value, &allowed, Id::OutOfRange);
                if let Some(ttl) = ttl.and_then(|n| u8::try_from(n).ok()) {
                    *place = Some(ttl);
                    limited = true;
                }
            }
            out.push((peer, first.span));
        }
        limited
    }

    /// The interface that a line of a list begins with.
    pub(super) fn listed_interface(&mut self, first: &Word<'_>) -> Option<InterfaceName> {
        let interface = Self::interface_name(first);
        if interface.is_none() {
            self.findings.add(Id::EntryOption, first.span, |d| {
                d.say(format!("`{}` cannot be the name of an interface: the line is dropped", first.shown()))
            });
        }
        interface
    }

    /// The options `weight N`, `reverse` and `noreverse` behind the name of what is tracked; `of` is what it is,
    /// `usual` what holds without them.
    pub(super) fn weight_options(
        &mut self,
        words: &[Word<'_>],
        limit: i16,
        of: &str,
        usual: Weight,
    ) -> Weight {
        let mut weight = usual;
        let mut rest = words.get(1..).unwrap_or_default().iter();
        while let Some(option) = rest.next() {
            match &*option.text {
                b"weight" => {
                    let Some(value) = rest.next() else {
                        self.option_without_value(option);
                        break;
                    };
                    weight.value = self.weight(value, limit, usual.value).unwrap_or(usual.value);
                }
                b"reverse" => weight.reverse = true,
                b"noreverse" => weight.reverse = false,
                _ => {
                    if self.strange_option(option, of, &["weight", "reverse"]) {
                        rest.next();
                    }
                }
            }
        }
        weight
    }

    /// Reads tracked interfaces.
    pub(super) fn tracked_interfaces(&mut self, block: At<'_, '_>, out: &mut Vec<(TrackedInterface, Span)>) {
        for at in block.children() {
            let words = at.words();
            let Some(first) = words.first() else { continue };
            let Some(interface) = self.listed_interface(first) else { continue };
            let Weight { value: weight, reverse } =
                self.weight_options(words, 253, "a tracked interface", Weight::default());
            let tracked = TrackedInterface { interface, weight, reverse };
            self.must_exist(&tracked.interface, first.span);
            out.push((tracked, first.span));
        }
    }

    /// A weight, from `-limit` to `limit`; `otherwise` is what counts when it cannot be used. Where the limit is
    /// 253, the next larger one is what people mean who subtract from 255.
    pub(super) fn weight(&mut self, word: &Word<'_>, limit: i16, otherwise: i16) -> Option<i16> {
        let text = core::str::from_utf8(&word.text).unwrap_or_default().trim();
        let counts = if otherwise == 0 {
            String::from("it counts as 0, so a failure is a fault")
        } else {
            format!("{otherwise} is used")
        };
        let Ok(number) = text.parse::<i64>() else {
            self.findings.add(Id::BadNumber, word.span, |d| {
                d.say(format!("`{}` is no weight: {counts}", word.shown()))
                    .help(format!("weights go from -{limit} to {limit}"))
            });
            return None;
        };
        let most = i64::from(limit);
        if number.abs() > 254 {
            self.findings.add(Id::OutOfRange, word.span, |d| {
                d.say(format!("weights go from -{limit} to {limit}, not {number}: {counts}"))
            });
            return None;
        }
        if number.abs() > most {
            self.findings.add(Id::OutOfRange, word.span, |d| {
                d.say(format!("weights go from -{limit} to {limit}: {} is read", number.signum() * most))
            });
        }
        i16::try_from(number.clamp(-most, most)).ok()
    }

    /// Reports an option that does not exist; says whether the one that was meant has a value.
    pub(super) fn strange_option(&mut self, word: &Word<'_>, of: &str, known: &[&str]) -> bool {
        let shown = word.shown();
        let near = crate::suggest::nearest(&shown, known.iter().copied());
        self.findings.add(Id::EntryOption, word.span, |d| {
            let d = d.say(format!("`{shown}` is no option of {of}: it is ignored"));
            match near {
                Some(near) => d.help(format!("did you mean `{near}`?")).suggest(word.span, near),
                None => d,
            }
        });
        near.is_some_and(|near| near != "reverse")
    }

    pub(super) fn option_without_value(&mut self, word: &Word<'_>) {
        self.findings.add(Id::EntryOption, word.span, |d| {
            d.say(format!("`{}` needs a value: it is ignored", word.shown()))
        });
    }
}

//! Advice: what nobody drops or alters, and what all the same will not do what it was written for.
//!
//! Each piece of advice is true for every reader of the file. What may be meant is not mentioned.

mod addresses;
mod bfd;
mod homes;
mod mail;
mod password;
mod scripts;
mod timing;
mod weights;

pub(crate) use timing::shorten;

use crate::Surroundings;
use crate::diagnostic::Findings;
use crate::lower::{MailPlaces, Placed, ScriptPlaces};
use crate::source::Span;
use model::{Hook, Host, LinkDelay};

/// What advice is given about.
pub(crate) struct Advice<'a> {
    /// The host; its instances stand beside it, with their places.
    pub(crate) host: &'a Host,
    pub(crate) instances: &'a [Placed],
    pub(crate) delays: &'a [(LinkDelay, Span)],
    /// The places of the host's scripts, in the same order.
    pub(crate) scripts: &'a [ScriptPlaces],
    /// The names of the host's BFD sessions, in the same order, in the text.
    pub(crate) bfd: &'a [Span],
    /// The programs that are told of something, each with its place.
    pub(crate) hooks: &'a [(Hook, Span)],
    pub(crate) mail: MailPlaces,
    pub(crate) surroundings: &'a Surroundings,
}

impl Advice<'_> {
    /// Adds all advice.
    pub(crate) fn give(&self, findings: &mut Findings) {
        self.passwords(findings);
        self.addresses(findings);
        self.homes(findings);
        self.weights(findings);
        self.scripts(findings);
        self.timing(findings);
        self.bfd(findings);
        self.mail(findings);
    }
}

//! Mail that a node has sent: what it asks for, what it reads like on the way, and what became of it.
//!
//! When something is mailed is decided in `notify`; the words are keepalived's (`compat`). How a server is spoken to
//! is the driver's.

use crate::compat;
use crate::io::Errno;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use model::Mail;

/// Lines longer than this are broken before the next address (RFC 5322 allows 998 bytes).
const LINE: usize = 900;
/// So much of a header is kept.
const LONGEST: usize = 800;

/// Names one mail. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId(pub u64);

/// A mail to be delivered. Each is answered by exactly one [`Mailed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Names this mail.
    pub id: LetterId,
    /// Its subject.
    pub title: Arc<str>,
    /// Its text, one line.
    pub body: &'static str,
    /// Who gets it, who sends it, and through which server.
    pub envelope: Arc<Mail>,
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailed {
    /// The mail.
    pub id: LetterId,
    /// For some recipients, or all.
    pub how: Delivery,
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The server has it, for all recipients but these.
    Taken(Vec<Refused>),
    /// Nobody gets it.
    Failed(Failure),
}

/// A recipient who does not get a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// As configured.
    pub recipient: Arc<str>,
    /// Why.
    pub trouble: Trouble,
}

/// Why a mail was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The server, as far as it was reached.
    pub server: Option<SocketAddr>,
    /// How far it came.
    pub stage: Stage,
    /// What went wrong there.
    pub trouble: Trouble,
}

/// How far a delivery came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Looking for the address of the server.
    Lookup,
    /// Connecting.
    Connect,
    /// The server's greeting.
    Greeting,
    /// Ours.
    Hello,
    /// Who sends it.
    Sender,
    /// Who gets it.
    Recipient,
    /// Asking to send the text.
    Data,
    /// The text.
    Text,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The kernel said no.
    Refused(Errno),
    /// The resolver said no.
    Unknown(String),
    /// No answer for so long.
    Silent(Duration),
    /// The server ended the connection.
    Closed,
    /// What came is no answer of a mail server; how it begins.
    Garbage(String),
    /// The server said no: its words.
    Answer(String),
    /// This cannot be written as an address.
    Unfit(String),
    /// Nobody delivers mail here.
    Nobody,
}

impl Letter {
    /// The whole mail as it goes over the wire, without the dot that ends it. `date` is that of RFC 5322.
    #[must_use]
    pub fn text(&self, date: &str) -> String {
        let from = clean(self.envelope.from.as_deref().unwrap_or_default());
        let mut to = String::from("To: ");
        let mut length = to.len();
        for (at, recipient) in self.envelope.to.iter().enumerate() {
            let recipient = clean(recipient);
            if at > 0 {
                to.push_str(", ");
                length += 2;
                if length + recipient.len() > LINE {
                    to.push_str("\r\n ");
                    length = 1;
                }
            }
            to.push_str(&recipient);
            length += recipient.len();
        }
        let Self { title, body, .. } = self;
        let mailer = compat::MAILER;
        alloc::format!(
            "Date: {date}\r\nFrom: {from}\r\nSubject: {title}\r\nX-Mailer: {mailer}\r\n{to}\r\n\r\n{body}\r\n\r\n"
        )
    }
}

/// What stands between `<` and `>` in a `MAIL FROM` or `RCPT TO`: of `Name <address>` the address.
///
/// # Errors
/// When it cannot stand there.
pub fn address(text: &str) -> Result<&str, Trouble> {
    Mail::address(text).ok_or_else(|| Trouble::Unfit(clean(text)))
}

/// Text that may stand in a header or a line of the log: no control characters, and not too long.
pub fn clean(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        if kept.len() >= LONGEST {
            kept.push('…');
            break;
        }
        kept.push(if c.is_control() { ' ' } else { c });
    }
    kept
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(server) = self.server {
            write!(f, "{server}: ")?;
        }
        let what = match (self.stage, &self.trouble) {
            (_, Trouble::Nobody | Trouble::Unfit(_)) => return write!(f, "{}", self.trouble),
            (Stage::Lookup, _) => "looking up the server",
            (Stage::Connect, _) => "connecting",
            (Stage::Greeting, _) => "greeting",
            (Stage::Hello, _) => "HELO",
            (Stage::Sender, _) => "MAIL FROM",
            (Stage::Recipient, _) => "RCPT TO",
            (Stage::Data, _) => "DATA",
            (Stage::Text, _) => "the text",
        };
        write!(f, "{what}: {}", self.trouble)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Errno(1)) => f.write_str("the firewall of this machine does not let it out"),
            Self::Refused(Errno(111)) => f.write_str("connection refused"),
            Self::Refused(Errno(113)) => f.write_str("no route to host"),
            Self::Refused(errno) => write!(f, "{errno}"),
            Self::Unknown(why) => f.write_str(why),
            Self::Silent(time) if time.subsec_millis() == 0 => {
                write!(f, "no answer for {} s", time.as_secs())
            }
            Self::Silent(time) => write!(f, "no answer for {} ms", time.as_millis()),
            Self::Closed => f.write_str("the server ended the connection"),
            Self::Garbage(text) => write!(f, "\"{text}\" is no answer of a mail server"),
            Self::Answer(text) => write!(f, "the server said \"{text}\""),
            Self::Unfit(text) => write!(f, "\"{text}\" is no address"),
            Self::Nobody => f.write_str("the thread that delivers mail could not be started"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn letter(from: &str, to: &[&str], title: &str) -> Letter {
        let to = to.iter().map(|&to| to.into()).collect();
        let envelope = Mail { to, from: Some(from.into()), ..Mail::default() };
        Letter { id: LetterId(1), title: title.into(), body: "=> x <=", envelope: Arc::new(envelope) }
    }

    #[test]
    fn a_mail_reads_as_keepalived_writes_it() {
        let letter = letter("k@example.org", &["one@example.org", "root"], "[LB] VRRP Instance A - Stopping");
        assert_eq!(
            letter.text("Sat, 28 Nov 2026 21:59:57 +0000"),
            "Date: Sat, 28 Nov 2026 21:59:57 +0000\r\nFrom: k@example.org\r\n\
             Subject: [LB] VRRP Instance A - Stopping\r\nX-Mailer: Keepalived\r\n\
             To: one@example.org, root\r\n\r\n=> x <=\r\n\r\n"
        );
    }

    #[test]
    fn nothing_in_a_name_makes_a_header_of_its_own() {
        let letter = letter("a@b\r\nBcc: c@d", &["e@f\nX: y"], "t");
        let text = letter.text("d");
        assert!(text.contains("From: a@b  Bcc: c@d\r\n") && text.contains("To: e@f X: y\r\n"), "{text}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn many_recipients_stand_on_lines_of_a_length_that_servers_take() {
        let names: vec::Vec<String> = (0..300).map(|n| alloc::format!("user-{n}@example.org")).collect();
        let names: vec::Vec<&str> = names.iter().map(|name| &**name).collect();
        let text = letter("a@b", &names, "t").text("d");
        assert!(text.lines().all(|line| line.len() < 998));
        assert!(names.iter().all(|name| text.contains(name)));
        let broken = text.lines().filter(|line| line.starts_with(" user")).count();
        assert_eq!(broken, text.lines().count() - 8, "{text}");
    }

    #[test]
    fn the_address_within_a_name_is_the_one_of_the_envelope() {
        for (text, wanted) in [
            ("root", "root"),
            ("a@b", "a@b"),
            ("<a@b>", "a@b"),
            ("Me <a@b>", "a@b"),
            ("\"M. <x>\" <a@b>", "a@b"),
        ] {
            assert_eq!(address(text), Ok(wanted), "{text}");
        }
        for text in ["", "<>", "a b", "a@b\r\nRCPT TO:<c>", "a>b", "<a", "\u{a0}a\u{a0}b"] {
            assert!(matches!(address(text), Err(Trouble::Unfit(_))), "{text:?}");
        }
        assert!(address(&"a".repeat(255)).is_err());
    }
}

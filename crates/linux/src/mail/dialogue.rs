//! What is said to a mail server and what its answers mean (RFC 5321), without a socket.
//!
//! As keepalived speaks it: HELO, one RCPT for each recipient, no extensions. A recipient that is refused keeps nobody
//! else from the mail.

use node::io::Letter;
use node::mail::{Delivery, Failure, Refused, Stage, Trouble, address, clean};
use std::net::SocketAddr;
use std::sync::Arc;

/// More than this is no answer (RFC 5321 allows lines of 512 bytes).
const LONGEST: usize = 8192;
/// So much of an answer is told.
const SHOWN: usize = 160;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Its words, with the number.
    pub(super) text: String,
}

impl Reply {
    /// What was asked for is done.
    pub(super) const fn is_good(&self) -> bool {
        self.code / 100 == 2
    }

    pub(super) fn trouble(self) -> Trouble {
        Trouble::Answer(self.text)
    }
}

/// Puts answers together from what arrives.
#[derive(Debug, Default)]
pub(super) struct Ear {
    bytes: Vec<u8>,
    /// The next answer decides, if it is good, whatever is said after it.
    pub(super) first_decides: bool,
    /// Something was said after such an answer: the connection is of no use any more.
    pub(super) is_spoilt: bool,
}

impl Ear {
    /// Takes what has arrived. `None`: the answer is not complete yet.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Option<Result<Reply, Trouble>> {
        self.bytes.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.bytes.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            rest = after;
            let line = line.trim_ascii_end();
            let Some((code, is_last)) = code(line) else { return Some(Err(self.refuse())) };
            let words = String::from_utf8_lossy(line.get(4..).unwrap_or_default());
            text = if text.is_empty() { format!("{code} {words}") } else { format!("{text} {words}") };
            if is_last {
                // One answer for each question: whoever says more speaks out of turn.
                let reply = Reply { code, text: shown(&text) };
                let spoilt = !rest.is_empty();
                let answer = if spoilt && !(self.first_decides && reply.is_good()) {
                    Err(garbage(rest))
                } else {
                    Ok(reply)
                };
                self.is_spoilt |= spoilt;
                self.bytes.clear();
                return Some(answer);
            }
        }
        let is_odd = !may_be_reply(rest) || self.bytes.len() > LONGEST;
        is_odd.then(|| Err(self.refuse()))
    }

    /// What has arrived is no answer.
    fn refuse(&mut self) -> Trouble {
        garbage(&std::mem::take(&mut self.bytes))
    }
}

/// The number of a line and whether it is the last one of its answer.
fn code(line: &[u8]) -> Option<(u16, bool)> {
    let digits =
        std::str::from_utf8(line.get(..3)?).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let code = digits?.parse().ok().filter(|code| (200..600).contains(code))?;
    match line.get(3) {
        None | Some(b' ') => Some((code, true)),
        Some(b'-') => Some((code, false)),
        Some(_) => None,
    }
}

/// Whether the beginning of a line may be that of an answer.
fn may_be_reply(line: &[u8]) -> bool {
    match line.len() {
        0..3 => line.iter().all(u8::is_ascii_digit),
        // The end of the line is on its way.
        _ => code(line.strip_suffix(b"\r").unwrap_or(line)).is_some(),
    }
}

fn garbage(bytes: &[u8]) -> Trouble {
    let start = bytes.get(..SHOWN).unwrap_or(bytes);
    Trouble::Garbage(shown(String::from_utf8_lossy(start).trim_end()))
}

fn shown(text: &str) -> String {
    let mut text = clean(text.trim_end());
    if let Some((at, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Say this, and wait for the answer.
    Say(Vec<u8>),
    /// That is all.
    Over(Delivery),
}

/// One mail on its way to a server that has been greeted.
#[derive(Debug)]
pub(super) struct Transaction {
    server: SocketAddr,
    sender: String,
    /// As configured, and as it is said.
    recipients: Vec<(Arc<str>, String)>,
    text: String,
    stage: Stage,
    /// So many recipients were asked about.
    asked: usize,
    refused: Vec<Refused>,
    /// Somebody gets it.
    accepted: bool,
}

impl Transaction {
    /// Begins: what is said first.
    pub(super) fn begin(server: SocketAddr, letter: &Letter, date: &str) -> (Self, Next) {
        let mut refused = Vec::new();
        let mut recipients = Vec::new();
        for recipient in &letter.envelope.to {
            match address(recipient) {
                Ok(said) => recipients.push((recipient.clone(), said.to_owned())),
                Err(trouble) => refused.push(Refused { recipient: recipient.clone(), trouble }),
            }
        }
        let sender = letter.envelope.from.as_deref().unwrap_or_default();
        let mut transaction = Self {
            server,
            sender: String::new(),
            recipients,
            text: letter.text(date),
            stage: Stage::Sender,
            asked: 0,
            refused,
            accepted: false,
        };
        let next = match address(sender) {
            Err(trouble) => transaction.fail(trouble),
            Ok(_) if transaction.recipients.is_empty() => transaction.nobody(),
            Ok(sender) => {
                sender.clone_into(&mut transaction.sender);
                Next::Say(format!("MAIL FROM:<{sender}>\r\n").into_bytes())
            }
        };
        (transaction, next)
    }

    pub(super) const fn stage(&self) -> Stage {
        self.stage
    }

    /// Takes the answer to what was said last.
    pub(super) fn hear(&mut self, reply: Reply) -> Next {
        match self.stage {
            Stage::Sender if reply.is_good() => {
                self.stage = Stage::Recipient;
                self.ask()
            }
            Stage::Recipient => {
                if reply.is_good() {
                    self.accepted = true;
                } else if let Some((recipient, _)) = self.recipients.get(self.asked - 1) {
                    let (recipient, trouble) = (recipient.clone(), reply.trouble());
                    self.refused.push(Refused { recipient, trouble });
                }
                self.ask()
            }
            Stage::Data if reply.code == 354 => {
                self.stage = Stage::Text;
                Next::Say(stuffed(&self.text).into_bytes())
            }
            Stage::Text if reply.is_good() => Next::Over(Delivery::Taken(std::mem::take(&mut self.refused))),
            Stage::Lookup
            | Stage::Connect
            | Stage::Greeting
            | Stage::Hello
            | Stage::Sender
            | Stage::Data
            | Stage::Text => self.fail(reply.trouble()),
        }
    }

    /// Asks about the next recipient; after the last one, for the text.
    fn ask(&mut self) -> Next {
        if let Some((_, said)) = self.recipients.get(self.asked) {
            self.asked += 1;
            return Next::Say(format!("RCPT TO:<{said}>\r\n").into_bytes());
        }
        if !self.accepted {
            return self.nobody();
        }
        self.stage = Stage::Data;
        Next::Say(b"DATA\r\n".to_vec())
    }

    /// All recipients were refused; the last refusal stands for all.
    fn nobody(&mut self) -> Next {
        self.stage = Stage::Recipient;
        let trouble = self.refused.pop().map_or(Trouble::Unfit(String::new()), |refused| refused.trouble);
        self.fail(trouble)
    }

    fn fail(&self, trouble: Trouble) -> Next {
        Next::Over(Delivery::Failed(Failure { server: Some(self.server), stage: self.stage, trouble }))
    }
}

/// The text with its end: a dot at the beginning of a line is doubled.
fn stuffed(text: &str) -> String {
    let text = text.replace("\r\n.", "\r\n..");
    let dot = if text.starts_with('.') { "." } else { "" };
    format!("{dot}{text}.\r\n")
}

#[cfg(test)]
mod tests;

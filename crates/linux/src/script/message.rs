//! What worker and supervisor say to each other about scripts: one datagram each, checked as if anybody could
//! have written it.

use model::{Account, Command, Flaw};
use node::io::{Ended, Ending, Errno, Kill, Program, Reason, Run, RunId};
use std::sync::Arc;

/// No message is longer: a command with more words than fit is not run.
pub const LONGEST: usize = 64 << 10;
/// More words than any command has.
const WORDS: usize = 4096;

/// What a worker asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run a program.
    Run(Run),
    /// End a run.
    Kill(Kill),
}

/// What the supervisor answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A run has begun.
    Begun(RunId),
    /// A run is over.
    Ended(Ended),
    /// Something that the administrator should know about a script that was run all the same.
    Remark(String),
}

impl Request {
    /// As bytes; `None`: it is longer than [`LONGEST`], or has a zero in a word.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut to = Writer::default();
        match self {
            Self::Run(Run { id, script, program }) => {
                to.byte(1).number(id.0).text(script).byte(u8::from(program.security));
                let account = program.account.as_ref();
                to.option(account.map(|account| &*account.user));
                to.option(account.and_then(|account| account.group.as_deref()));
                match &program.command {
                    Command::Run { arguments, .. } if arguments.len() > WORDS => return None,
                    Command::Run { path, arguments } => {
                        to.byte(1).text(path).number(u64::try_from(arguments.len()).ok()?);
                        arguments.iter().for_each(|word| {
                            to.text(word);
                        });
                    }
                    Command::Readable { path } => {
                        to.byte(2).text(path);
                    }
                }
            }
            Self::Kill(Kill { id, hard }) => {
                to.byte(2).number(id.0).byte(u8::from(*hard));
            }
        }
        (to.bytes.len() <= LONGEST && !to.has_zero).then_some(to.bytes)
    }

    /// From bytes; `None`: this is no request.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader { bytes };
        let request = match from.byte()? {
            1 => {
                let id = RunId(from.number()?);
                let script = Arc::from(from.text()?);
                let security = from.switch()?;
                let (user, group) = (from.option()?, from.option()?);
                let account = match (user, group) {
                    (Some(user), group) => Some(Account { user: user.into(), group: group.map(Arc::from) }),
                    (None, None) => None,
                    (None, Some(_)) => return None,
                };
                let command = match from.byte()? {
                    1 => {
                        let path = from.text()?;
                        let count = usize::try_from(from.number()?).ok().filter(|count| *count <= WORDS)?;
                        let arguments = (0..count).map(|_| from.text()).collect::<Option<_>>()?;
                        Command::Run { path, arguments }
                    }
                    2 => Command::Readable { path: from.text()? },
                    _ => return None,
                };
                Self::Run(Run { id, script, program: Arc::new(Program { command, account, security }) })
            }
            2 => Self::Kill(Kill { id: RunId(from.number()?), hard: from.switch()? }),
            _ => return None,
        };
        from.bytes.is_empty().then_some(request)
    }
}

impl Answer {
    /// As bytes; texts are cut where they would make it longer than [`LONGEST`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        match self {
            Self::Remark(text) => {
                to.byte(1).text(cut(text));
            }
            Self::Begun(id) => {
                to.byte(3).number(id.0);
            }
            Self::Ended(Ended { id, how }) => {
                to.byte(2).number(id.0);
                match how {
                    Ending::Exited(code) => to.byte(1).byte(*code),
                    Ending::Signalled(signal) => to.byte(2).signed(*signal),
                    Ending::NotRun(reason) => to.byte(3).reason(reason),
                };
            }
        }
        to.bytes
    }

    /// From bytes; `None`: this is no answer.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader { bytes };
        let answer = match from.byte()? {
            1 => Self::Remark(from.text()?),
            2 => {
                let id = RunId(from.number()?);
                let how = match from.byte()? {
                    1 => Ending::Exited(from.byte()?),
                    2 => Ending::Signalled(from.signed()?),
                    3 => Ending::NotRun(from.reason()?),
                    _ => return None,
                };
                Self::Ended(Ended { id, how })
            }
            3 => Self::Begun(RunId(from.number()?)),
            _ => return None,
        };
        from.bytes.is_empty().then_some(answer)
    }
}

/// At most as much of a text as two of them fit into a message.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST / 4);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// A text has a byte that ends every word for the kernel.
    has_zero: bool,
}

impl Writer {
    fn byte(&mut self, byte: u8) -> &mut Self {
        self.bytes.push(byte);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.bytes.extend(number.to_ne_bytes());
        self
    }

    fn signed(&mut self, number: i32) -> &mut Self {
        self.bytes.extend(number.to_ne_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.has_zero |= text.contains('\0');
        self.number(u64::try_from(text.len()).unwrap_or(u64::MAX));
        self.bytes.extend(text.as_bytes());
        self
    }

    fn option(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.byte(1).text(text),
            None => self.byte(0),
        }
    }

    fn reason(&mut self, reason: &Reason) -> &mut Self {
        match reason {
            Reason::Flaw(Flaw::Missing(path)) => self.byte(1).text(cut(path)),
            Reason::Flaw(Flaw::NotAFile(path)) => self.byte(2).text(cut(path)),
            Reason::Flaw(Flaw::NotExecutable { path, mode, user }) => {
                self.byte(3).text(cut(path)).number(u64::from(*mode)).text(cut(user))
            }
            Reason::Flaw(Flaw::Interpreter { path, interpreter }) => {
                self.byte(4).text(cut(path)).option(interpreter.as_deref().map(cut))
            }
            Reason::Flaw(Flaw::Unsafe { path, mode, owner }) => {
                self.byte(5).text(cut(path)).number(u64::from(*mode)).number(u64::from(*owner))
            }
            Reason::Flaw(Flaw::NoAccount(name)) => self.byte(6).text(cut(name)),
            Reason::Switch { user, errno } => self.byte(7).text(cut(user)).signed(errno.0),
            Reason::Refused(errno) => self.byte(8).signed(errno.0),
            Reason::NoRunner => self.byte(9),
            Reason::NotBegun => self.byte(10),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*first)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn switch(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn signed(&mut self) -> Option<i32> {
        self.take().map(i32::from_ne_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok().filter(|length| *length <= self.bytes.len())?;
        let (text, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        let text = std::str::from_utf8(text).ok().filter(|text| !text.contains('\0'))?;
        Some(text.to_owned())
    }

    fn option(&mut self) -> Option<Option<String>> {
        if self.switch()? { self.text().map(Some) } else { Some(None) }
    }

    fn reason(&mut self) -> Option<Reason> {
        Some(match self.byte()? {
            1 => Reason::Flaw(Flaw::Missing(self.text()?)),
            2 => Reason::Flaw(Flaw::NotAFile(self.text()?)),
            3 => Reason::Flaw(Flaw::NotExecutable {
                path: self.text()?,
                mode: self.small()?,
                user: self.text()?,
            }),
            4 => Reason::Flaw(Flaw::Interpreter { path: self.text()?, interpreter: self.option()? }),
            5 => Reason::Flaw(Flaw::Unsafe { path: self.text()?, mode: self.small()?, owner: self.small()? }),
            6 => Reason::Flaw(Flaw::NoAccount(self.text()?)),
            7 => Reason::Switch { user: self.text()?, errno: Errno(self.signed()?) },
            8 => Reason::Refused(Errno(self.signed()?)),
            9 => Reason::NoRunner,
            10 => Reason::NotBegun,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: Command, account: Option<Account>) -> Request {
        let program = Arc::new(Program { command, account, security: true });
        Request::Run(Run { id: RunId(7), script: "chk".into(), program })
    }

    fn command(words: &[&str]) -> Command {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Command::Run { path: words[0].clone(), arguments: words[1..].to_vec() }
    }

    fn requests() -> Vec<Request> {
        let account = Account { user: "nobody".into(), group: Some("nogroup".into()) };
        vec![
            run(command(&["/bin/x", "", "ä b"]), Some(account)),
            run(command(&["x"]), Some(Account { user: "5".into(), group: None })),
            run(Command::Readable { path: "/a b".into() }, None),
            Request::Kill(Kill { id: RunId(u64::MAX), hard: true }),
        ]
    }

    fn answers() -> Vec<Answer> {
        let path = || "/a/b".to_owned();
        let reasons = vec![
            Reason::Flaw(Flaw::Missing(path())),
            Reason::Flaw(Flaw::NotAFile(path())),
            Reason::Flaw(Flaw::NotExecutable { path: path(), mode: 0o644, user: "nobody".into() }),
            Reason::Flaw(Flaw::Interpreter { path: path(), interpreter: Some("/bin/x".into()) }),
            Reason::Flaw(Flaw::Interpreter { path: path(), interpreter: None }),
            Reason::Flaw(Flaw::Unsafe { path: path(), mode: 0o777, owner: 1000 }),
            Reason::Flaw(Flaw::NoAccount("x".into())),
            Reason::Switch { user: "x".into(), errno: Errno(1) },
            Reason::Refused(Errno(11)),
            Reason::NoRunner,
            Reason::NotBegun,
        ];
        let endings = reasons.into_iter().map(Ending::NotRun);
        let endings = endings.chain([Ending::Exited(255), Ending::Signalled(9)]);
        let ended = endings.map(|how| Answer::Ended(Ended { id: RunId(1), how }));
        ended.chain([Answer::Remark("x".into()), Answer::Begun(RunId(7))]).collect()
    }

    #[test]
    fn what_is_said_is_understood() {
        for request in requests() {
            assert_eq!(Request::decode(&request.encode().unwrap()), Some(request));
        }
        for answer in answers() {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
    }

    #[test]
    fn what_is_cut_or_lengthened_is_nothing() {
        let requests = requests().into_iter().map(|request| request.encode().unwrap());
        for bytes in requests {
            for end in 0..bytes.len() {
                assert_eq!(Request::decode(&bytes[..end]), None);
            }
            assert_eq!(Request::decode(&[&bytes[..], &[0]].concat()), None);
        }
        for bytes in answers().iter().map(Answer::encode) {
            for end in 0..bytes.len() {
                assert_eq!(Answer::decode(&bytes[..end]), None);
            }
            assert_eq!(Answer::decode(&[&bytes[..], &[0]].concat()), None);
        }
    }

    #[test]
    fn what_the_kernel_could_not_take_is_not_said() {
        assert_eq!(run(command(&["/bin/x", "a\0b"]), None).encode(), None);
        let long = "x".repeat(LONGEST);
        assert_eq!(run(command(&["/bin/x", &long]), None).encode(), None);
        let many = vec!["x"; WORDS + 2];
        assert_eq!(run(command(&many), None).encode(), None);
        assert!(
            run(command(&many[1..]), None).encode().is_some_and(|bytes| Request::decode(&bytes).is_some())
        );
        let remark = Answer::Remark("ä".repeat(LONGEST)).encode();
        assert!(remark.len() < LONGEST && Answer::decode(&remark).is_some());
    }

    #[test]
    fn numbers_that_lie_cost_nothing() {
        let mut bytes = requests()[0].encode().unwrap();
        for at in 0..bytes.len() {
            let before = bytes[at];
            bytes[at] = 0xff;
            // Understood or not: no panic, no allocation of what the number says.
            let _ = Request::decode(&bytes);
            bytes[at] = before;
        }
    }
}

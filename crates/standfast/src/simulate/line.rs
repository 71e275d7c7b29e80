//! One line of a scenario, read word by word.

use std::time::Duration;

use config::nearest;

use super::cast::Cast;
use super::words::{Word, is_unit, time};

/// How each thing that happens is written.
pub(crate) const VERBS: [(&str, &str); 16] = [
    ("start", "`at 0s start lb01, lb02`"),
    ("stop", "`at 10s stop lb01`"),
    ("crash", "`at 10s crash lb01`"),
    ("power", "`at 10s power off lb01`"),
    ("pause", "`at 10s pause lb01 for 5s`"),
    ("freeze", "`at 10s freeze lb01 for 5s`"),
    ("reload", "`at 10s reload lb01 with new.conf`"),
    ("cut", "`at 10s cut lb01 -> lb02`"),
    ("lose", "`at 10s lose 30% lb01 -> lb02`"),
    ("delay", "`at 10s delay 50ms lb01 -> lb02`"),
    ("heal", "`at 30s heal`"),
    ("unplug", "`at 10s unplug lb01 eth0`"),
    ("plug", "`at 30s plug lb01 eth0`"),
    ("script", "`at 10s script chk_nginx on lb01 fails`"),
    ("bfd", "`at 10s bfd gateway on lb01 down`"),
    ("remove", "`at 10s remove 10.0.0.3 on lb01`"),
];

/// Something that was not understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Bytes of the file, from and to.
    pub(crate) place: (usize, usize),
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) help: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, Mistake>;

impl Mistake {
    /// A mistake at a place.
    pub(crate) fn new(place: (usize, usize), message: impl Into<String>) -> Self {
        Self { place, message: message.into(), help: None }
    }

    /// A mistake that is a word.
    pub(crate) fn at(word: Word<'_>, message: impl Into<String>) -> Self {
        Self::new((word.start, word.end), message)
    }

    /// The same with what to write instead.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The words of a line that were not read yet.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    text: &'a str,
    from: usize,
    words: Vec<Word<'a>>,
    at: usize,
    cast: &'a Cast,
}

impl<'a> Line<'a> {
    /// A line that begins at byte `from`.
    pub(crate) const fn new(text: &'a str, from: usize, words: Vec<Word<'a>>, cast: &'a Cast) -> Self {
        Self { text, from, words, at: 0, cast }
    }

    /// Who plays.
    pub(crate) const fn cast(&self) -> &'a Cast {
        self.cast
    }

    /// The next word, if there is one.
    pub(crate) fn peek(&self) -> Option<Word<'a>> {
        self.words.get(self.at).copied()
    }

    /// Leaves the next word behind.
    pub(crate) const fn skip(&mut self) {
        self.at += 1;
    }

    /// Leaves the next word behind if it is this one.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        let is_it = self.peek().is_some_and(|next| next.text.eq_ignore_ascii_case(word));
        self.at += usize::from(is_it);
        is_it
    }

    /// What was not read yet, as it was written, without a comment.
    pub(crate) fn rest(&self) -> &'a str {
        let from = self.peek().map_or(self.text.len(), |word| word.start - self.from);
        let to = self.words.last().map_or(from, |word| word.end - self.from);
        self.text.get(from..to.max(from)).unwrap_or_default()
    }

    /// Where that stands.
    pub(crate) fn place(&self) -> (usize, usize) {
        let from = self.peek().map_or(self.from + self.text.len(), |word| word.start);
        (from, from + self.rest().len())
    }

    /// The next word, which must be there.
    pub(crate) fn next(&mut self, what: &str) -> Result<Word<'a>> {
        let word = self.peek().ok_or_else(|| self.here(format!("{what} is missing here")))?;
        self.skip();
        Ok(word)
    }

    /// A mistake at the next word, or at the end of the line.
    pub(crate) fn here(&self, message: String) -> Mistake {
        let end = self.words.last().map_or(self.from, |word| word.end);
        let place = self.peek().map_or((end, end), |word| (word.start, word.end));
        let mistake = Mistake::new(place, message);
        match self.example() {
            Some(example) => mistake.help(example),
            None => mistake,
        }
    }

    /// A mistake at the word that was read last.
    pub(crate) fn back(&self, message: &str, help: &str) -> Mistake {
        let last = self.at.checked_sub(1).and_then(|at| self.words.get(at));
        let place = last.map_or((self.from, self.from), |word| (word.start, word.end));
        Mistake::new(place, message).help(help)
    }

    /// How a statement like this one is written.
    fn example(&self) -> Option<String> {
        let known = |word: &Word<'_>| VERBS.iter().find(|(verb, _)| *verb == word.text);
        let (_, example) = self.words.iter().take(3).find_map(known)?;
        Some(format!("for example {example}"))
    }

    /// There must be nothing more.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(word) => Err(self.here(format!("nothing more was expected here, but `{}`", word.text))),
        }
    }

    /// A thing that happens.
    pub(crate) fn verb(&mut self) -> Result<&'static str> {
        let verbs = VERBS.map(|(verb, _)| verb);
        let Some(word) = self.peek() else {
            let help = format!("one of {}", verbs.join(", "));
            return Err(self.here("what happens then?".to_owned()).help(help));
        };
        if let Some(verb) = verbs.into_iter().find(|verb| verb.eq_ignore_ascii_case(word.text)) {
            self.skip();
            return Ok(verb);
        }
        Err(self.unknown(word, "a thing that can happen", &verbs))
    }

    /// One of these words.
    pub(crate) fn one_of(&mut self, words: &[&'static str]) -> Result<&'static str> {
        let list = || words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
        let Some(word) = self.peek() else {
            return Err(self.here(format!("{} is missing here", list())));
        };
        if let Some(found) = words.iter().find(|known| known.eq_ignore_ascii_case(word.text)) {
            self.skip();
            return Ok(found);
        }
        let mut mistake = self.here(format!("{} was expected, not `{}`", list(), word.text));
        if let Some(near) = nearest(word.text, words.iter().copied()) {
            mistake.help = Some(format!("did you mean `{near}`?"));
        }
        Err(mistake)
    }

    /// A time, and where it stands.
    pub(crate) fn time(&mut self) -> Result<(Duration, (usize, usize))> {
        let word = self.next("a time like 10s")?;
        let mut text = word.text.to_owned();
        let mut place = (word.start, word.end);
        if word.text.ends_with(|c: char| c.is_ascii_digit())
            && let Some(unit) = self.peek().filter(|unit| is_unit(unit.text))
        {
            text.push_str(unit.text);
            place.1 = unit.end;
            self.skip();
        }
        let found = time(&text).filter(|time| *time <= LONGEST);
        let wrong = || {
            Mistake::new(place, format!("`{text}` is no time"))
                .help("write 10s, 1.5s, 500ms or 2m, at most 24h")
        };
        found.map(|time| (time, place)).ok_or_else(wrong)
    }

    /// `for at most 4s`
    pub(crate) fn at_most(&mut self) -> Result<Duration> {
        self.one_of(&["for"])?;
        self.most()
    }

    /// `at most 4s`
    pub(crate) fn most(&mut self) -> Result<Duration> {
        self.one_of(&["at"])?;
        self.one_of(&["most"])?;
        Ok(self.time()?.0)
    }

    /// `30%`
    pub(crate) fn percent(&mut self) -> Result<u8> {
        let word = self.next("a share like 30%")?;
        let number = word.text.strip_suffix('%').and_then(|text| text.parse::<u8>().ok());
        number.filter(|number| *number <= 100).ok_or_else(|| {
            Mistake::at(word, format!("`{}` is no share", word.text)).help("write 30%, at most 100%")
        })
    }

    /// A node.
    pub(crate) fn node(&mut self) -> Result<usize> {
        let word = self.next("the name of a node")?;
        self.cast.node(word.text).ok_or_else(|| {
            let names: Vec<&str> = self.cast.nodes.iter().map(|node| &*node.name).collect();
            self.unknown(word, "a node", &names)
        })
    }

    /// Nodes up to one of these words: `lb01, lb02`, `lb01 and lb02`, `all`.
    pub(crate) fn nodes(&mut self, until: &[&str]) -> Result<Vec<usize>> {
        let mut nodes = Vec::new();
        while let Some(word) = self.list_word(until) {
            if word.text == "all" && self.cast.node("all").is_none() {
                self.skip();
                nodes.extend(0..self.cast.nodes.len());
            } else {
                nodes.push(self.node()?);
            }
        }
        if nodes.is_empty() {
            Err(self.here("the name of a node is missing here".to_owned()))
        } else {
            Ok(nodes)
        }
    }

    /// The next word of a list, unless it ends here.
    fn list_word(&mut self, until: &[&str]) -> Option<Word<'a>> {
        while self.take(",") || self.take("and") {}
        self.peek().filter(|word| !until.contains(&word.text))
    }

    /// Instances up to one of these words.
    pub(crate) fn services(&mut self, until: &[&str]) -> Result<Vec<usize>> {
        let mut services = Vec::new();
        while let Some(word) = self.list_word(until) {
            self.skip();
            let (text, ends) = match word.text.strip_suffix(':') {
                Some(text) if until.contains(&":") => (text, true),
                _ => (word.text, false),
            };
            match self.cast.service(text) {
                Some(service) => services.push(service),
                None if matches!(text, "all" | "everything") => services.extend(0..self.cast.services.len()),
                None => {
                    let names: Vec<&str> = self.cast.services.iter().map(|service| &*service.name).collect();
                    let word = Word { text, end: word.end - usize::from(ends), ..word };
                    return Err(self.unknown(word, "an instance of these files", &names));
                }
            }
            if ends || text == ":" {
                break;
            }
        }
        if services.is_empty() {
            return Err(self.here("the name of an instance, or `all`, is missing here".to_owned()));
        }
        Ok(services)
    }

    /// `of` instances, up to one of these words; all of them when nothing is said.
    pub(crate) fn services_of(&mut self, until: &[&str]) -> Result<Vec<usize>> {
        if self.take("of") {
            return self.services(until);
        }
        Ok((0..self.cast.services.len()).collect())
    }

    /// Whether the word that was read last ends with a colon; one that stands alone is left behind.
    pub(crate) fn after_colon(&mut self) -> bool {
        let last = self.at.checked_sub(1).and_then(|at| self.words.get(at));
        last.is_some_and(|word| word.text.ends_with(':')) || self.take(":")
    }

    /// Whether an arrow follows.
    pub(crate) fn has_arrow(&self) -> bool {
        let rest = self.words.get(self.at..).unwrap_or_default();
        rest.iter().any(|word| matches!(word.text, "->" | "<->" | "<-" | "-" | "--"))
    }

    /// `lb01 -> lb02`, `lb01 <-> lb02`, also with lists at both sides: each way, from and to.
    pub(crate) fn paths(&mut self) -> Result<Vec<(usize, usize)>> {
        const ARROWS: [&str; 5] = ["->", "<->", "<-", "-", "--"];
        let left = self.nodes(&ARROWS)?;
        let arrow = self.one_of(&ARROWS)?;
        let right = self.nodes(&[])?;
        let mut paths = Vec::new();
        for &a in &left {
            for &b in right.iter().filter(|b| **b != a) {
                if arrow != "<-" {
                    paths.push((a, b));
                }
                if arrow != "->" {
                    paths.push((b, a));
                }
            }
        }
        if paths.is_empty() {
            return Err(
                self.back("there is no way from a node to itself", "name two nodes: `cut lb01 -> lb02`")
            );
        }
        Ok(paths)
    }

    /// A word that is none of those that are known.
    pub(crate) fn unknown(&self, word: Word<'_>, what: &str, known: &[&str]) -> Mistake {
        const SHOWN: usize = 14;
        let mistake = Mistake::at(word, format!("`{}` is not {what}", word.text));
        if let Some(near) = nearest(word.text, known.iter().copied()) {
            let example =
                VERBS.iter().find(|(verb, _)| *verb == near).map(|(_, example)| format!(": {example}"));
            return mistake.help(format!("did you mean `{near}`{}?", example.unwrap_or_default()));
        }
        match known {
            [] => mistake.help("there is none"),
            _ if known.len() <= SHOWN => mistake.help(format!("there are: {}", known.join(", "))),
            _ => {
                let some = known.get(..SHOWN).unwrap_or_default().join(", ");
                mistake.help(format!("there are: {some} and {} more", known.len() - SHOWN))
            }
        }
    }

    /// Nothing stands behind `expect`.
    pub(crate) fn expectation_missing(&self) -> Mistake {
        self.here("what is expected?".to_owned()).help(
            "`expect lb02 owns VI_1 within 4s`, `expect nobody owns VI_1 for at most 4s`,\n\
             `expect never two owners of VI_1` or `expect owners of VI_1: lb01 lb02`",
        )
    }
}

/// No scenario lasts longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

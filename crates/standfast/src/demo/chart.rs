//! The picture of it all: who held the address, and whether the client was answered, over time.

use std::time::Duration;

use timeline::Instant;

use super::measure::{Gap, History, Power, served_by};
use super::scenario::Who;
use crate::draw::grid::{Grid, write_at};
use crate::draw::ink::{Ink, Line};
use crate::draw::words::{WIDTH, span};

/// Columns of the names at the left.
const NAMES: usize = 9;
/// Columns of the time line.
const CELLS: usize = WIDTH - NAMES;
/// Shorter silences are not drawn; the checks tell of them.
const VISIBLE: Duration = Duration::from_millis(50);

/// A time line over a history.
#[derive(Debug)]
pub(crate) struct Chart<'a> {
    history: &'a History,
    chapters: &'a [(Instant, String)],
    /// The left and the right end.
    ends: (Instant, Instant),
    silences: Vec<Gap>,
    outages: Vec<Gap>,
}

/// The parts of the picture: all of it in one row of columns would be too fine to read.
pub(crate) fn pages(begun: Instant, page: Option<Instant>, taken: Instant) -> Vec<(Instant, Instant)> {
    match page {
        Some(page) => vec![(begun, page), (page, taken)],
        None => vec![(begun, taken)],
    }
}

impl<'a> Chart<'a> {
    /// From `ends.0` to `ends.1`.
    pub(crate) fn new(
        history: &'a History,
        chapters: &'a [(Instant, String)],
        ends: (Instant, Instant),
    ) -> Self {
        let visible = |gap: &Gap| gap.length() >= VISIBLE && gap.until > ends.0 && gap.from < ends.1;
        let silences = history.gaps().filter(visible).collect();
        let outages = history.outages().filter(visible).collect();
        Self { history, chapters, ends, silences, outages }
    }

    /// All of its rows.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut lines = vec![self.chapter_row()];
        for who in Who::BOTH {
            lines.push(self.row(who.name(), ink(who), |cell| self.machine_cell(who, cell)));
        }
        lines.push(self.row("client", Ink::Plain, |cell| self.client_cell(cell)));
        let first = self.history.answers.first().map(|answer| answer.at);
        lines.push(self.silence_row(&self.silences, first));
        if self.history.calls.first().is_some_and(|call| call.began < self.ends.1) {
            lines.push(self.row("service", Ink::Plain, |cell| self.service_cell(cell)));
            lines.extend((!self.outages.is_empty()).then(|| self.silence_row(&self.outages, None)));
        }
        lines.push(self.axis());
        lines
    }

    /// A name, and one character for each cell.
    fn row(&self, name: &str, ink: Ink, cell: impl Fn(usize) -> (Ink, &'static str)) -> Line {
        let name = Line::default().add(ink, format!(" {name:<pad$}", pad = NAMES - 1));
        (0..CELLS).fold(name, |line, number| {
            let (ink, text) = cell(number);
            line.add(ink, text)
        })
    }

    /// What the characters mean.
    pub(crate) fn legend() -> Line {
        Line::plain(" ".repeat(NAMES))
            .add(Ink::Plain, "█")
            .add(Ink::Dim, " has the address / answers  ")
            .add(Ink::Plain, "·")
            .add(Ink::Dim, " listens  ")
            .add(Ink::Silent, "×")
            .add(Ink::Dim, " no power  ")
            .add(Ink::Bad, "F")
            .add(Ink::Dim, " FAULT  ")
            .add(Ink::Silent, "░")
            .add(Ink::Dim, " silence")
    }

    const fn grid(&self) -> Grid {
        Grid { from: self.ends.0, until: self.ends.1, cells: CELLS }
    }

    fn cell(&self, number: usize) -> (Instant, Instant) {
        self.grid().cell(number)
    }

    fn column(&self, at: Instant) -> usize {
        self.grid().column(at)
    }

    fn machine_cell(&self, who: Who, number: usize) -> (Ink, &'static str) {
        let (from, until) = self.cell(number);
        if from >= self.history.taken {
            return (Ink::Plain, " ");
        }
        let held = self.history.holds.iter().filter(|hold| hold.who == who);
        let held: Duration = held.map(|hold| hold.until.min(until).since(hold.from.max(from))).sum();
        if held * 2 >= until.since(from) {
            return (ink(who), "█");
        }
        match self.history.power_at(who, from + until.since(from) / 2) {
            Power::Off => (Ink::Silent, "×"),
            Power::Idle => (Ink::Plain, " "),
            Power::Fault => (Ink::Bad, "F"),
            Power::Serving => (Ink::Dim, "·"),
        }
    }

    fn client_cell(&self, number: usize) -> (Ink, &'static str) {
        let (from, until) = self.cell(number);
        if from >= self.history.taken {
            return (Ink::Plain, " ");
        }
        if self.is_silent(&self.silences, number) {
            return (Ink::Silent, "░");
        }
        let middle = from + until.since(from) / 2;
        let before = self.history.answers.partition_point(|answer| answer.at < middle);
        let last = before.checked_sub(1).and_then(|at| self.history.answers.get(at));
        match last.and_then(|answer| self.history.owner_of(answer.by)) {
            Some(who) => (ink(who), "█"),
            None => (Ink::Silent, "░"),
        }
    }

    fn service_cell(&self, number: usize) -> (Ink, &'static str) {
        let (from, until) = self.cell(number);
        let middle = from + until.since(from) / 2;
        let calls = &self.history.calls;
        if from >= self.history.taken || calls.first().is_none_or(|call| middle < call.began) {
            return (Ink::Plain, " ");
        }
        if self.is_silent(&self.outages, number) {
            return (Ink::Silent, "░");
        }
        let before = calls.partition_point(|call| call.ended < middle);
        match calls.get(..before).and_then(|calls| calls.iter().rev().find_map(served_by)) {
            Some(who) => (ink(who), "█"),
            None => (Ink::Silent, "░"),
        }
    }

    /// Whether a cell shows one of these silences.
    fn is_silent(&self, silences: &[Gap], number: usize) -> bool {
        let (from, until) = self.cell(number);
        let overlap = |gap: &Gap| gap.until.min(until).since(gap.from.max(from));
        let silent: Duration = silences.iter().map(overlap).sum();
        // A silence that fills no cell still marks the one in which most of it lies.
        let lies_here = |gap: &Gap| self.column(gap.from + gap.length() / 2) == number;
        silent * 2 >= until.since(from) || silences.iter().any(lies_here)
    }

    /// The names of the parts of the story, as far as there is room for them.
    fn chapter_row(&self) -> Line {
        let here = self.chapters.iter().filter(|(at, _)| *at >= self.ends.0 && *at < self.ends.1);
        let marks: Vec<(usize, &str)> = here.map(|(at, name)| (self.column(*at), name.as_str())).collect();
        let mut row = vec![' '; CELLS];
        for (n, (column, name)) in marks.iter().enumerate() {
            let next = marks.get(n + 1).map_or(CELLS + 1, |(next, _)| *next);
            // The number alone, where there is no room for more.
            let short = name.split(' ').next().filter(|word| word.parse::<u8>().is_ok());
            let fits = |text: &&str| column + text.len() < next;
            write_at(&mut row, *column, Some(*name).filter(fits).or(short).unwrap_or_default());
        }
        let row: String = row.into_iter().collect();
        Line::plain(" ".repeat(NAMES)).add(Ink::Bold, row)
    }

    /// How long each silence was, below it; nothing about those before `first`.
    fn silence_row(&self, silences: &[Gap], first: Option<Instant>) -> Line {
        let over = |gap: &&Gap| first.is_none_or(|first| gap.from >= first) && gap.until < self.history.taken;
        let mut labels: Vec<&Gap> = silences.iter().filter(over).collect();
        // Where there is no room for two, the longer silence is told.
        labels.sort_by_key(|gap| std::cmp::Reverse(gap.length()));
        let mut row = vec![' '; CELLS];
        for gap in labels {
            let text = span(gap.length());
            let width = text.chars().count();
            let middle = self.column(gap.from + gap.length() / 2).min(CELLS - 1);
            // Below its middle, or a little to one side.
            let places =
                [0, 1, 2, 3].into_iter().flat_map(|by| [width / 2 + by, (width / 2).saturating_sub(by)]);
            let free = |column: &usize| {
                let around = column.saturating_sub(1)..(column + width + 1).min(CELLS);
                row.get(around).is_some_and(|cells| cells.iter().all(|cell| *cell == ' '))
            };
            let column = places.map(|left| middle.saturating_sub(left).min(CELLS - width)).find(free);
            if let Some(column) = column {
                write_at(&mut row, column, &text);
            }
        }
        let row: String = row.into_iter().collect();
        Line::plain(" ".repeat(NAMES)).add(Ink::Silent, row)
    }

    fn axis(&self) -> Line {
        let every = if self.ends.1.since(self.ends.0) > Duration::from_secs(60) { 15 } else { 5 };
        Line::plain(" ".repeat(NAMES)).add(Ink::Dim, self.grid().axis(every, self.history.begun))
    }
}

/// Whose colour.
pub(crate) const fn ink(who: Who) -> Ink {
    match who {
        Who::Lb01 => Ink::Node(0),
        Who::Lb02 => Ink::Node(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::measure::Hold;
    use crate::draw::ink::Look;
    use lab::{Answer, Probe};
    use wire::Mac;

    const MACS: [Mac; 2] = [Mac([2, 0, 10, 0, 0, 5]), Mac([2, 0, 10, 0, 0, 6])];

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// One second a cell: lb01 holds from 2 to 10 s, is off from 10 to 20 s; lb02 holds from 14 s on.
    fn history() -> History {
        let seconds = u64::try_from(CELLS).unwrap();
        let probes: Vec<Probe> = (0..seconds * 100).map(|n| Probe { sent: at(n * 10) }).collect();
        let who = |n: u64| match n * 10 {
            2_000..=9_999 => Some(0),
            14_000.. => Some(1),
            _ => None,
        };
        let answers = (0..seconds * 100).filter_map(|n| {
            let to = usize::try_from(n).ok()?;
            who(n).map(|who| Answer { at: at(n * 10), to, by: MACS[who] })
        });
        History {
            begun: at(0),
            taken: at(seconds * 1000),
            sights: Vec::new(),
            calls: Vec::new(),
            answers: answers.collect(),
            probes,
            holds: vec![
                Hold { who: Who::Lb01, from: at(2_000), until: at(10_000) },
                Hold { who: Who::Lb02, from: at(14_000), until: at(seconds * 1000) },
            ],
            power: [
                vec![(at(500), Power::Serving), (at(10_000), Power::Off), (at(20_000), Power::Idle)],
                vec![(at(0), Power::Serving)],
            ],
            macs: MACS,
        }
    }

    #[test]
    fn rows_show_holders_silence_and_its_length() {
        let history = history();
        let chapters = [(at(0), "1 start".to_owned()), (at(10_000), "2 power off".to_owned())];
        let chart = Chart::new(&history, &chapters, (history.begun, history.taken));
        let look = Look { colour: false, ascii: true };
        let shown: Vec<String> = chart.lines().iter().map(|line| look.show(line)).collect();
        assert_eq!(shown[0], "         1 start   2 power off");
        assert_eq!(shown[1], " lb01    ..########xxxxxxxxxx");
        assert!(shown[2].starts_with(" lb02    ..............####"), "{}", shown[2]);
        assert!(shown[3].starts_with(" client  __########____####"), "{}", shown[3]);
        assert_eq!(shown[4], "                 4.002 s");
        assert!(shown[5].starts_with("         0 s            15 s"), "{}", shown[5]);
        assert!(chart.lines().iter().all(|line| line.width() <= WIDTH));
    }

    #[test]
    fn a_short_silence_is_still_seen() {
        let mut history = history();
        history.answers.retain(|answer| !(answer.at > at(30_100) && answer.at < at(30_300)));
        let chart = Chart::new(&history, &[], (history.begun, history.taken));
        let client = Look { colour: false, ascii: true }.show(&chart.lines()[3]);
        assert_eq!(client.chars().nth(NAMES + 30), Some('_'), "{client}");
        assert_eq!(client.chars().nth(NAMES + 31), Some('#'), "{client}");
    }

    #[test]
    fn the_second_page_begins_later_and_shows_who_served() {
        let mut history = history();
        let reply = |n: u64| match n {
            750..=999 => lab::Reply::Refused,
            1000.. => lab::Reply::Body("lb02".into()),
            _ => lab::Reply::Body("lb01".into()),
        };
        let call = |n| lab::Call { began: at(n * 20), ended: at(n * 20 + 1), reply: reply(n) };
        history.calls = (600..2000).map(call).collect();
        history.power[0].push((at(30_000), Power::Fault));
        let pages = pages(history.begun, Some(at(10_000)), history.taken);
        assert_eq!(pages, [(at(0), at(10_000)), (at(10_000), history.taken)]);
        let chapters = [(at(0), "1 start".to_owned()), (at(12_000), "6 service".to_owned())];
        let page = (at(10_000), at(10_000 + u64::try_from(CELLS).unwrap() * 1000));
        let look = Look { colour: false, ascii: true };
        let shown: Vec<String> =
            Chart::new(&history, &chapters, page).lines().iter().map(|line| look.show(line)).collect();
        assert_eq!(shown[0].trim_end(), "           6 service");
        assert!(shown[1].starts_with(" lb01    xxxxxxxxxx          FFFF"), "{}", shown[1]);
        let service = format!(" service   ###_____{}{}", "#".repeat(20), "_".repeat(31));
        assert_eq!(shown[5].trim_end(), service);
        assert_eq!(shown[6].trim_end(), "             5.020 s");
        assert_eq!(shown[7].split_whitespace().collect::<Vec<_>>().join(" "), "15 s 30 s 45 s 60 s 75 s");
        assert_eq!(shown[7].find("15 s"), Some(NAMES + 5));
    }
}

//! The picture of one service: a row for each node, and one for the client.

use std::time::Duration;

use node::event::Standing;
use timeline::Instant;

use super::cast::Cast;
use super::history::{Answer, History, Life, Presence, Span};
use crate::draw::grid::{Grid, write_at};
use crate::draw::ink::{Ink, Line};
use crate::draw::words::{WIDTH, span};

/// With more nodes than this, those that never own anything share a row.
const ROWS: usize = 4;
/// Longer names are cut.
const LONGEST_NAME: usize = 16;
/// Shorter silences are not drawn; the numbers below tell of them.
const VISIBLE: Duration = Duration::from_millis(50);

/// The rows of a service.
pub(crate) struct Chart<'a> {
    cast: &'a Cast,
    history: &'a History,
    service: usize,
    life: &'a Life,
    grid: Grid,
    names: usize,
}

impl<'a> Chart<'a> {
    /// The chart of a service; `None` if there is no such service.
    pub(crate) fn new(cast: &'a Cast, history: &'a History, service: usize) -> Option<Self> {
        let life = history.lives.get(service)?;
        let longest = cast.nodes.iter().map(|node| node.name.chars().count()).max().unwrap_or(0);
        let names = longest.clamp(6, LONGEST_NAME) + 3;
        let grid = Grid { from: Instant::EPOCH, until: history.end, cells: WIDTH - names };
        Some(Self { cast, history, service, life, grid, names })
    }

    /// All of its rows.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let members: Vec<usize> = self.cast.members(self.service).map(|(node, _)| node).collect();
        let owners = self.life.sequence();
        let is_shown =
            |node: &usize| members.len() <= ROWS || owners.contains(node) || self.has_trouble(*node);
        let (shown, rest): (Vec<usize>, Vec<usize>) = members.iter().partition(|node| is_shown(node));
        let mut lines: Vec<Line> = shown.iter().map(|node| self.node_row(*node)).collect();
        if let [first, others @ ..] = &rest[..] {
            let name = if others.is_empty() {
                self.cast.name(*first).to_owned()
            } else {
                format!("{} more", rest.len())
            };
            lines.push(self.row(&name, Ink::Dim, |_| (Ink::Dim, '·')));
        }
        lines.push(self.row("client", Ink::Plain, |span| self.client_cell(span)));
        lines.extend(self.silence_row());
        lines.push(Line::plain(" ".repeat(self.names)).add(Ink::Dim, self.axis()));
        lines
    }

    /// What the signs mean, as far as they are there.
    pub(crate) fn legend() -> Line {
        Line::plain(" ")
            .add(Ink::Plain, "█")
            .add(Ink::Dim, " owns / answers  ")
            .add(Ink::Plain, "·")
            .add(Ink::Dim, " listens  ")
            .add(Ink::Silent, "×")
            .add(Ink::Dim, " off  ")
            .add(Ink::Silent, "−")
            .add(Ink::Dim, " stands still  ")
            .add(Ink::Bad, "F")
            .add(Ink::Dim, " FAULT  ")
            .add(Ink::Silent, "░")
            .add(Ink::Dim, " silence")
    }

    /// Whether there is more to see than a node that listens.
    fn has_trouble(&self, node: usize) -> bool {
        let is_calm = |presence: &Presence| matches!(presence, Presence::Running | Presence::Idle);
        let calm = self
            .history
            .presence
            .get(node)
            .is_none_or(|track| track.changes().iter().all(|(_, p)| is_calm(p)));
        let fault = self.life.standings.get(node);
        !calm || fault.is_some_and(|track| track.changes().iter().any(|(_, to)| *to == Standing::Fault))
    }

    fn row(&self, name: &str, ink: Ink, cell: impl Fn(Span) -> (Ink, char)) -> Line {
        let cut: String = name.chars().take(self.names - 3).collect();
        let begin = Line::plain(" ").add(ink, format!("{cut:<pad$}", pad = self.names - 1));
        (0..self.grid.cells).fold(begin, |line, number| {
            let (from, until) = self.grid.cell(number);
            let (ink, sign) = cell(Span { from, until });
            line.add(ink, sign)
        })
    }

    fn node_row(&self, node: usize) -> Line {
        self.row(self.cast.name(node), ink(node), |span| self.node_cell(node, span))
    }

    fn node_cell(&self, node: usize, cell: Span) -> (Ink, char) {
        let owned = self.life.owners.spans(self.history.end).filter(|(_, owners)| owners.contains(&node));
        let owned: Duration = owned.map(|(span, _)| span.overlap(cell)).sum();
        if owned * 2 >= cell.length() {
            return (ink(node), '█');
        }
        let middle = cell.from + cell.length() / 2;
        match self.history.presence.get(node).and_then(|track| track.at(middle)) {
            Some(Presence::Off) => (Ink::Silent, '×'),
            Some(Presence::Paused) => (Ink::Silent, '−'),
            Some(Presence::Idle) | None => (Ink::Plain, ' '),
            Some(Presence::Running) => match self.life.standings.get(node).and_then(|track| track.at(middle))
            {
                Some(Standing::Fault) => (Ink::Bad, 'F'),
                _ => (Ink::Dim, '·'),
            },
        }
    }

    fn client_cell(&self, cell: Span) -> (Ink, char) {
        let silences = self.life.silences();
        let silent: Duration = silences.iter().map(|span| span.overlap(cell)).sum();
        // A silence that fills no cell still marks the one in which most of it lies.
        let lies_here = |span: &Span| {
            let middle = span.from + span.length() / 2;
            span.length() >= VISIBLE && cell.from <= middle && middle < cell.until
        };
        if silent * 2 >= cell.length() || silences.iter().any(lies_here) {
            return (Ink::Silent, '░');
        }
        match self.life.answers.at(cell.from + cell.length() / 2) {
            Some(Answer::By(node)) => (ink(*node), '█'),
            Some(Answer::Unknown | Answer::None | Answer::Astray) | None => (Ink::Plain, ' '),
        }
    }

    /// How long each silence was, below it.
    fn silence_row(&self) -> Option<Line> {
        let mut silences = self.life.silences();
        silences.retain(|silence| silence.length() >= VISIBLE);
        // Where there is no room for two, the longer silence is told.
        silences.sort_by_key(|silence| std::cmp::Reverse(silence.length()));
        let mut row = vec![' '; self.grid.cells];
        for silence in &silences {
            let text = span(silence.length());
            let width = text.chars().count();
            let middle = self.grid.column(silence.from + silence.length() / 2);
            let column = middle.saturating_sub(width / 2).min(self.grid.cells.saturating_sub(width));
            let around = column.saturating_sub(1)..(column + width + 1).min(self.grid.cells);
            if row.get(around).is_some_and(|cells| cells.iter().all(|cell| *cell == ' ')) {
                write_at(&mut row, column, &text);
            }
        }
        let row: String = row.into_iter().collect();
        (!silences.is_empty()).then(|| Line::plain(" ".repeat(self.names)).add(Ink::Silent, row))
    }

    /// A number about every ten columns.
    fn axis(&self) -> String {
        const STEPS: [usize; 13] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200];
        let seconds = usize::try_from(self.history.end.since(Instant::EPOCH).as_secs()).unwrap_or(usize::MAX);
        let fits = |step: &&usize| seconds / **step <= self.grid.cells / 9;
        self.grid.axis(STEPS.iter().find(fits).copied().unwrap_or(14_400), self.grid.from)
    }
}

/// The colour of a node.
pub(crate) fn ink(node: usize) -> Ink {
    Ink::Node(u8::try_from(node % 4).unwrap_or(0))
}

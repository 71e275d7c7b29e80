//! Time as columns of a screen.

use std::time::Duration;

use timeline::Instant;

/// A stretch of time in cells of equal length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// The left end.
    pub(crate) from: Instant,
    /// The right end.
    pub(crate) until: Instant,
    /// How many cells.
    pub(crate) cells: usize,
}

impl Grid {
    /// The beginning and the end of a cell.
    pub(crate) fn cell(&self, number: usize) -> (Instant, Instant) {
        let step = self.until.since(self.from) / u32::try_from(self.cells.max(1)).unwrap_or(u32::MAX);
        let from = self.from + step * u32::try_from(number).unwrap_or(u32::MAX);
        (from, from + step)
    }

    /// The cell in which a moment lies.
    pub(crate) fn column(&self, at: Instant) -> usize {
        (0..self.cells).take_while(|&number| self.cell(number).1 <= at).count()
    }

    /// The seconds since `zero` below the cells, one number for `every` so many.
    pub(crate) fn axis(&self, every: usize, zero: Instant) -> String {
        let mut row = vec![' '; self.cells];
        for second in (0..=self.until.since(zero).as_secs()).step_by(every.max(1)) {
            let at = zero + Duration::from_secs(second);
            if at >= self.from {
                write_at(&mut row, self.column(at), &format!("{second} s"));
            }
        }
        row.into_iter().collect()
    }
}

/// Writes a text into cells, if it fits before their end.
pub(crate) fn write_at(row: &mut [char], column: usize, text: &str) {
    let end = column + text.chars().count();
    if let Some(cells) = row.get_mut(column..end) {
        cells.iter_mut().zip(text.chars()).for_each(|(cell, character)| *cell = character);
    }
}

//! Repeatable codes for tests.

use crate::build::Rows;

/// Codes of generated rows.
pub(crate) struct Data {
    pub(crate) codes: Vec<i8>,
    pub(crate) dim: usize,
}

impl Data {
    /// From a function of row and column.
    pub(crate) fn new(count: usize, dim: usize, value: impl Fn(u64, u64) -> i8) -> Self {
        let cells = (0..count as u64).flat_map(|row| (0..dim as u64).map(move |column| (row, column)));
        Self { codes: cells.map(|(row, column)| value(row, column)).collect(), dim }
    }

    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows { codes: &self.codes, dim: self.dim, count: self.codes.len() / self.dim }
    }

    pub(crate) fn row(&self, row: usize) -> &[i8] {
        &self.codes[row * self.dim..][..self.dim]
    }
}

//! Exact order where the index knows distances only roughly: rows that the table has measured wait here until no other
//! row can come before them.
//!
//! What streams claim of coarse codes are bounds that hold with overwhelming probability, not always, and the executor
//! ends a query with an error when a bound turns out wrong. So it is told exact values only. The nearest row that was
//! measured leaves when its distance is not above the bound of what the streams offer next. A row that turns out
//! nearer than one that has left was bounded wrongly, or came late: in strict order it waits until the end, in relaxed
//! order it leaves at once.
//!
//! A waiting row takes 16 bytes: its distance and its TID. When all that work_mem allows are waiting, the nearest
//! leaves without being certain of its place: memory is bounded, and what comes later may come out of order, but none
//! is lost.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use pages::tids::HeapTid;

/// A row of the table and its distance.
#[derive(Clone, Copy, Debug)]
pub struct Ranked {
    /// As the operator computes it.
    pub distance: f64,
    /// Where the row is.
    pub tid: HeapTid,
}

/// Rows by distance, NaN last; ties by place.
impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.tid.cmp(&other.tid))
    }
}
impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Ranked {}

/// See the module's head.
pub struct Waiting {
    nearest: BinaryHeap<Reverse<Ranked>>,
    /// Strict order: those that should have left before others did.
    late: BinaryHeap<Reverse<Ranked>>,
    /// The farthest that has left.
    last: f64,
    is_strict: bool,
    rows_max: usize,
}

impl Waiting {
    /// For this many bytes.
    pub fn new(is_strict: bool, bytes: f64) -> Self {
        let rows_max = (bytes / size_of::<Ranked>() as f64) as usize;
        Self {
            nearest: BinaryHeap::new(),
            late: BinaryHeap::new(),
            last: f64::NEG_INFINITY,
            is_strict,
            rows_max,
        }
    }

    /// Takes a row that the table has measured.
    pub fn push(&mut self, tid: HeapTid, distance: f64) {
        // Of the two NaN, only the positive one is behind all numbers.
        let distance = if distance.is_nan() { f64::NAN } else { distance };
        let row = Reverse(Ranked { distance, tid });
        if self.is_strict && distance < self.last { self.late.push(row) } else { self.nearest.push(row) }
    }

    /// The next row, if no row that is not here can come before it; `bound`: of those, None when there are none.
    pub fn pop(&mut self, bound: Option<f64>) -> Option<Ranked> {
        let Some(bound) = bound else { return self.pop_any() };
        let is_full = self.nearest.len() + self.late.len() >= self.rows_max;
        let is_certain = self.nearest.peek().is_some_and(|row| row.0.distance <= bound);
        if is_certain || is_full { self.pop_any() } else { None }
    }

    fn pop_any(&mut self) -> Option<Ranked> {
        let row = self.nearest.pop().or_else(|| self.late.pop())?.0;
        self.last = self.last.max(row.distance);
        Some(row)
    }
}

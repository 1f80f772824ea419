//! Offering every element in order by reading them all, in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{ByLower, Graph, Measured, Visited};

/// Passes over a store, each of which offers the next elements in the order of their lower bounds.
///
/// A pass keeps the `capacity` least elements above the last one offered; when they are used up, the next pass
/// begins behind them. First come the elements from `after` on, where a stream left off, then those below it, which
/// could no longer be offered in order.
pub(super) struct LinearPass {
    offered: Visited,
    capacity: usize,
    batch: BinaryHeap<Reverse<ByLower>>,
    /// The last element offered in this range.
    cursor: Option<ByLower>,
    after: f64,
    /// Whether the range below `after` is being offered.
    is_below: bool,
    /// Whether the batch holds all that is left of its range.
    is_last: bool,
    is_filled: bool,
}

impl LinearPass {
    pub(super) fn new(offered: Visited, after: f64, capacity: usize) -> Self {
        Self {
            offered,
            capacity: capacity.max(64),
            batch: BinaryHeap::new(),
            cursor: None,
            after,
            is_below: false,
            is_last: false,
            is_filled: false,
        }
    }

    pub(super) fn next<G: Graph>(&mut self, graph: &mut G) -> Result<Option<Measured>, G::Error> {
        loop {
            if let Some(Reverse(element)) = self.batch.pop() {
                self.cursor = Some(element);
                return Ok(Some(element.0));
            }
            if self.is_filled && self.is_last {
                if self.is_below || self.after == f64::NEG_INFINITY {
                    return Ok(None);
                }
                self.is_below = true;
                self.cursor = None;
            }
            self.fill(graph)?;
        }
    }

    /// Reads all elements and keeps the least of the range that were not offered.
    fn fill<G: Graph>(&mut self, graph: &mut G) -> Result<(), G::Error> {
        let mut batch = std::mem::take(&mut self.batch).into_vec();
        let Self { offered, capacity, cursor, after, is_below, .. } = &*self;
        let mut overflowed = false;
        graph.measure_all(&mut |element| {
            let candidate = ByLower(element);
            let is_in_range = (element.lower < *after) == *is_below;
            if !is_in_range || cursor.is_some_and(|last| candidate <= last) || offered.contains(element.id) {
                return;
            }
            batch.push(Reverse(candidate));
            if batch.len() >= capacity * 2 {
                truncate(&mut batch, *capacity);
                overflowed = true;
            }
        })?;
        if batch.len() > *capacity {
            truncate(&mut batch, *capacity);
            overflowed = true;
        }
        self.batch = batch.into();
        self.is_last = !overflowed;
        self.is_filled = true;
        Ok(())
    }
}

/// Keeps the `capacity` least elements.
fn truncate(batch: &mut Vec<Reverse<ByLower>>, capacity: usize) {
    batch.select_nth_unstable_by_key(capacity, |element| element.0);
    batch.truncate(capacity);
}

//! Offering every element in order by reading them all, in bounded memory.

use super::{ByLower, Graph, Measured, Visited};

/// Passes over a store, each of which offers the next elements in the order of their lower bounds.
///
/// A pass keeps the `capacity` least elements above the last one offered; when they are used up, the next pass
/// begins behind them. First come the elements above `after`, where a stream left off, then those below it, which
/// could no longer be offered in order.
pub(super) struct LinearPass {
    offered: Visited,
    capacity: usize,
    batch: Vec<ByLower>,
    position: usize,
    cursor: Option<ByLower>,
    range: (f64, f64),
    after: f64,
    batch_is_last: bool,
    wrapped: bool,
}

impl LinearPass {
    pub(super) fn new(offered: Visited, after: f64, capacity: usize) -> Self {
        Self {
            offered,
            capacity: capacity.max(64),
            batch: Vec::new(),
            position: 0,
            cursor: None,
            range: (after, f64::INFINITY),
            after,
            batch_is_last: false,
            wrapped: after == f64::NEG_INFINITY,
        }
    }

    pub(super) fn next<G: Graph>(&mut self, graph: &mut G) -> Result<Option<Measured>, G::Error> {
        loop {
            if let Some(element) = self.batch.get(self.position) {
                self.position += 1;
                return Ok(Some(element.0));
            }
            if self.batch_is_last {
                if self.wrapped {
                    return Ok(None);
                }
                self.wrapped = true;
                self.cursor = None;
                self.range = (f64::NEG_INFINITY, self.after);
            }
            self.fill(graph)?;
        }
    }

    /// Reads all elements and keeps the least that were not offered.
    fn fill<G: Graph>(&mut self, graph: &mut G) -> Result<(), G::Error> {
        let cursor = self.batch.last().copied().filter(|_| !self.batch_is_last).or(self.cursor);
        let (from, below) = self.range;
        let capacity = self.capacity;
        let offered = &self.offered;
        let batch = &mut self.batch;
        batch.clear();
        let mut overflowed = false;
        graph.measure_all(&mut |element| {
            let candidate = ByLower(element);
            let is_in_range = element.lower >= from && (element.lower < below || below == f64::INFINITY);
            if !is_in_range || cursor.is_some_and(|last| candidate <= last) || offered.contains(element.id) {
                return;
            }
            batch.push(candidate);
            if batch.len() >= capacity * 2 {
                batch.select_nth_unstable(capacity);
                batch.truncate(capacity);
                overflowed = true;
            }
        })?;
        batch.sort_unstable();
        if batch.len() > capacity {
            batch.truncate(capacity);
            overflowed = true;
        }
        self.cursor = cursor;
        self.position = 0;
        self.batch_is_last = !overflowed;
        Ok(())
    }
}

//! Brings records together: in memory as long as they fit, else by the host's sort.

use std::alloc::{Layout, handle_alloc_error};
use std::collections::TryReserveError;

/// Memory for records grows by so much at least.
const GROWTH_BYTES: usize = 1 << 20;

/// Memory for a record besides its bytes: what it is sorted by.
const RECORD_OVERHEAD: usize = size_of::<Key>();

/// Records between two calls of what may end a sort.
const LOOK_RECORDS: usize = 4096;

/// The first bytes of a record, and its number.
type Key = (u64, u32);

/// Brings records into the order of their bytes. What goes wrong there is the host's to raise.
pub trait RowSort {
    /// Adds a record. All have the same length, which is not zero.
    fn push(&mut self, record: &[u8]);
    /// Ends the input, or goes back to the first record.
    fn rewind(&mut self);
    /// The next record.
    fn next(&mut self) -> Option<&[u8]>;
}

/// A sort in memory.
#[derive(Debug, Default)]
pub struct MemSort {
    /// Bytes of a record.
    length: usize,
    records: Vec<u8>,
    is_sorted: bool,
    next: usize,
}

impl MemSort {
    fn count(&self) -> usize {
        self.records.len() / self.length.max(1)
    }

    fn record(&self, at: usize) -> &[u8] {
        &self.records[at * self.length..][..self.length]
    }

    /// Memory that sorting one more record would take.
    fn bytes_with(&self, record: &[u8]) -> usize {
        let bytes = self.records.len() + record.len();
        bytes + growth(bytes) + (self.count() + 1) * RECORD_OVERHEAD
    }

    /// Adds a record, or leaves it and all others as they are.
    fn try_push(&mut self, record: &[u8]) -> Result<(), TryReserveError> {
        self.length = record.len();
        if self.records.capacity() - self.records.len() < record.len() {
            self.records.try_reserve_exact(growth(self.records.len()).max(record.len()))?;
        }
        self.records.extend_from_slice(record);
        Ok(())
    }

    /// Puts the records themselves in order, so that every reading runs through memory, and goes to the first. Calls
    /// `look` now and then.
    fn try_sort(&mut self, look: &mut dyn FnMut()) -> Result<(), TryReserveError> {
        self.next = 0;
        if std::mem::replace(&mut self.is_sorted, true) {
            return Ok(());
        }
        let key = |at: usize| {
            let mut key = [0; 8];
            let bytes = self.length.min(8);
            key[..bytes].copy_from_slice(&self.record(at)[..bytes]);
            (u64::from_be_bytes(key), at as u32)
        };
        let mut order: Vec<Key> = Vec::new();
        order.try_reserve_exact(self.count())?;
        order.extend((0..self.count()).map(key));
        order.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| self.record(a.1 as usize).cmp(self.record(b.1 as usize)))
        });
        // Along the cycles of the permutation, with room for one record.
        let mut first = vec![0; self.length];
        for start in 0..order.len() {
            if start.is_multiple_of(LOOK_RECORDS) {
                look();
            }
            if order[start].1 as usize == start {
                continue;
            }
            first.copy_from_slice(self.record(start));
            let mut at = start;
            loop {
                let from = order[at].1 as usize;
                order[at].1 = at as u32;
                let place = at * self.length;
                if from == start {
                    self.records[place..][..self.length].copy_from_slice(&first);
                    break;
                }
                self.records.copy_within(from * self.length..(from + 1) * self.length, place);
                at = from;
            }
        }
        Ok(())
    }
}

/// Memory that a record takes while it is sorted here.
pub fn bytes_sorted(record: usize) -> usize {
    record + record / 8 + RECORD_OVERHEAD
}

/// By how much memory for so many bytes grows.
fn growth(bytes: usize) -> usize {
    GROWTH_BYTES.max(bytes / 8)
}

impl RowSort for MemSort {
    fn push(&mut self, record: &[u8]) {
        if self.try_push(record).is_err() {
            handle_alloc_error(Layout::for_value(record));
        }
    }

    fn rewind(&mut self) {
        if self.try_sort(&mut || ()).is_err() {
            handle_alloc_error(Layout::for_value(&self.records[..]));
        }
    }

    fn next(&mut self) -> Option<&[u8]> {
        self.next += 1;
        (self.next <= self.count()).then(|| self.record(self.next - 1))
    }
}

/// A sort in memory until that is full, then by another, which may keep records elsewhere.
pub struct SpillSort<S> {
    memory: MemSort,
    bytes_max: usize,
    other: S,
    is_spilled: bool,
    look: fn(),
}

impl<S: RowSort> SpillSort<S> {
    /// A sort that may take so many bytes, be it in memory or in `other`, which knows its own limit. `look` is called
    /// now and then, and may unwind.
    pub fn new(bytes_max: u64, other: S, look: fn()) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Self { memory: MemSort::default(), bytes_max, other, is_spilled: false, look }
    }

    fn spill(&mut self) {
        let MemSort { mut records, length, .. } = std::mem::take(&mut self.memory);
        let piece = (GROWTH_BYTES / length.max(1)).max(1) * length;
        // Piece by piece, so that the two together take little more than one.
        while !records.is_empty() {
            let rest = records.len() - piece.min(records.len());
            records[rest..].chunks_exact(length).for_each(|record| self.other.push(record));
            records.truncate(rest);
            records.shrink_to_fit();
        }
        self.is_spilled = true;
    }
}

impl<S: RowSort> RowSort for SpillSort<S> {
    fn push(&mut self, record: &[u8]) {
        let is_full =
            || self.memory.bytes_with(record) > self.bytes_max || self.memory.count() >= u32::MAX as usize;
        if !self.is_spilled && (is_full() || self.memory.try_push(record).is_err()) {
            self.spill();
            self.other.push(record);
        } else if self.is_spilled {
            self.other.push(record);
        }
    }

    fn rewind(&mut self) {
        if !self.is_spilled && self.memory.try_sort(&mut self.look).is_err() {
            self.spill();
        }
        if self.is_spilled {
            self.other.rewind();
        }
    }

    fn next(&mut self) -> Option<&[u8]> {
        if self.is_spilled {
            return self.other.next();
        }
        if self.memory.next.is_multiple_of(LOOK_RECORDS) {
            (self.look)();
        }
        self.memory.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what it gets.
    #[derive(Default)]
    struct Counting(MemSort, usize);

    impl RowSort for Counting {
        fn push(&mut self, record: &[u8]) {
            self.1 += 1;
            self.0.push(record);
        }
        fn rewind(&mut self) {
            self.0.rewind();
        }
        fn next(&mut self) -> Option<&[u8]> {
            self.0.next()
        }
    }

    fn records(count: usize, length: usize) -> Vec<Vec<u8>> {
        let byte = |row: usize, at: usize| {
            // First bytes with few values: most pairs differ behind the key.
            let mixed = (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (8 * (at % 7));
            if at < 8 { (mixed % 2) as u8 } else { mixed as u8 }
        };
        (0..count).map(|row| (0..length).map(|at| byte(row, at)).collect()).collect()
    }

    fn read_all(sort: &mut impl RowSort) -> Vec<Vec<u8>> {
        sort.rewind();
        let mut all = Vec::new();
        while let Some(record) = sort.next() {
            all.push(record.to_vec());
        }
        all
    }

    #[test]
    fn records_come_in_order_as_often_as_wanted() {
        for (count, length) in [(0, 5), (1, 1), (100, 3), (5_000, 700), (20_000, 24)] {
            let mut expected = records(count, length);
            let mut sort = MemSort::default();
            expected.iter().for_each(|record| sort.push(record));
            expected.sort();
            for _ in 0..3 {
                assert!(read_all(&mut sort) == expected, "{count} of {length}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_goes_to_the_other_sort() {
        let mut expected = records(30_000, 100);
        let bytes = 30_000 * (100 + RECORD_OVERHEAD) + GROWTH_BYTES;
        for (bytes_max, spilled) in [(bytes, 0), (bytes - 1, 30_000), (bytes / 2, 30_000), (0, 30_000)] {
            let mut sort = SpillSort::new(bytes_max as u64, Counting::default(), || ());
            expected.iter().for_each(|record| sort.push(record));
            assert_eq!(sort.other.1, spilled);
            let (first, second) = (read_all(&mut sort), read_all(&mut sort));
            let mut sorted = expected.clone();
            sorted.sort();
            assert!(first == sorted && second == sorted);
            expected.rotate_left(7);
        }
    }
}

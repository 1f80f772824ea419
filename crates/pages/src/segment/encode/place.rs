//! Placing rows that were loaded as they are, so that whoever reads them does no more than copy.

use std::collections::TryReserveError;

use ann::Metric;

use super::{CHUNK_ROWS, Loader};
use crate::format::segment::{TID_FIRST, TID_LAST, TidEntry};
use crate::row::Row;
use crate::space::{self, Placement, Space};
use crate::tids::HeapTid;

/// What the rows of a loader are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Their codes and those of others are relative to what they have in common.
    Frame,
    /// They are encoded about a frame that there is.
    Codes,
}

impl Loader {
    /// Adds a row of a loader that has no others yet, or only such. Before anything else [`Self::place`] has to be
    /// called.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn push_unplaced(
        &mut self,
        space: &Space,
        row: Row<'_>,
        tid: HeapTid,
    ) -> Result<(), TryReserveError> {
        let Row::Dense(values) = row else { return self.push(space, row, tid) };
        debug_assert!(self.is_unplaced || self.rows() == 0, "others have their places already");
        self.is_unplaced = true;
        self.push_to_chunk(space, row, values)?;
        self.tids.push(TidEntry { block: tid.block, offset: tid.offset, flags: 0 });
        Ok(())
    }

    /// Places all rows that are not; on any thread. Those without a place in the order leave the others.
    pub fn place(&mut self, space: &Space, purpose: Purpose) {
        if !std::mem::take(&mut self.is_unplaced) {
            return;
        }
        let (mut placed, mut kept) = (vec![0.0; space.width()], 0);
        for row in 0..self.tids.len() {
            let values = self.chunks[row / CHUNK_ROWS].floats_of(space, row % CHUNK_ROWS);
            let flags = match space.place(Row::Dense(values), &mut placed) {
                Placement::First => TID_FIRST,
                Placement::Last => TID_LAST,
                Placement::Ranked => 0,
            };
            let tid = self.tids[row];
            if flags != 0 {
                self.unranked.push(TidEntry { flags, ..tid });
                continue;
            }
            values_mut(self, space, kept).copy_from_slice(&placed);
            self.tids[kept] = tid;
            kept += 1;
            if purpose == Purpose::Frame {
                let norm = self.account(&placed);
                self.norm_max = self.norm_max.max(norm);
            } else if space.metric() == Metric::InnerProduct {
                self.norm_max = self.norm_max.max(space::norm(&placed));
            }
        }
        self.tids.truncate(kept);
        self.chunks.truncate(kept.div_ceil(CHUNK_ROWS));
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.truncate(space, kept - (kept - 1) / CHUNK_ROWS * CHUNK_ROWS);
        }
    }
}

fn values_mut<'a>(loader: &'a mut Loader, space: &Space, row: usize) -> &'a mut [f32] {
    loader.chunks[row / CHUNK_ROWS].floats_of_mut(space, row % CHUNK_ROWS)
}

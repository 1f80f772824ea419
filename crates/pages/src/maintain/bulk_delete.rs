//! Vacuum's marks.

use std::collections::HashSet;

use crate::error::PageError;
use crate::format::meta::{Meta, SegmentEntry};
use crate::format::segment::{SegmentHeader, TIDS_PER_PAGE};
use crate::pager::{PageChange, Pager};
use crate::tids::HeapTid;
use crate::{pending, tids};

/// Rows of a segment that are looked at in one step.
const STEP_ROWS: u32 = 8 * TIDS_PER_PAGE;

/// What one pass found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// Rows that were marked.
    pub removed: u64,
    /// Rows that are alive.
    pub alive: u64,
}

/// A pass of vacuum over an index: marks the rows that `is_dead` names, wherever a job moves them meanwhile.
///
/// It goes step by step, a chain or some pages of a segment each, until it has seen every one that the manifest names.
/// Between two steps jobs may commit: a segment that is gone then is left as it is, because its rows are in one with a
/// number that was not seen. Rows that are appended meanwhile are newer than the list of dead TIDs.
#[derive(Default)]
pub struct BulkDelete {
    /// Chains and segments that are done or begun.
    seen: HashSet<u32>,
    begun: Option<Begun>,
    total: Marked,
}

/// A segment that is not done.
struct Begun {
    segment: u32,
    next_row: u32,
    marked: Marked,
}

impl BulkDelete {
    /// What was found so far.
    pub fn marked(&self) -> Marked {
        self.total
    }

    /// One step; false: all is done. The caller holds the space lock.
    ///
    /// # Errors
    /// If a page is damaged.
    pub fn step<P: Pager>(
        &mut self,
        pager: &P,
        is_dead: &mut dyn FnMut(HeapTid) -> bool,
    ) -> Result<bool, PageError> {
        let meta = Meta::load(&*pager.read(0)?)?;
        if let Some(begun) = self.begun.take()
            && let Some(entry) = meta.segments().iter().find(|entry| entry.segment == begun.segment)
        {
            self.mark_segment(pager, &meta, entry, begun, is_dead)?;
            return Ok(true);
        }
        if let Some(chain) = meta.chains().find(|chain| self.seen.insert(chain.number)) {
            let (removed, alive) = pending::mark_dead(pager, &meta, chain, is_dead)?;
            self.add(Marked { removed, alive });
            return Ok(true);
        }
        let Some(entry) = meta.segments().iter().find(|entry| self.seen.insert(entry.segment)) else {
            return Ok(false);
        };
        let begun = Begun { segment: entry.segment, next_row: 0, marked: Marked::default() };
        self.mark_segment(pager, &meta, entry, begun, is_dead)?;
        Ok(true)
    }

    fn add(&mut self, marked: Marked) {
        self.total.removed += marked.removed;
        self.total.alive += marked.alive;
    }

    fn mark_segment<P: Pager>(
        &mut self,
        pager: &P,
        meta: &Meta,
        entry: &SegmentEntry,
        mut begun: Begun,
        is_dead: &mut dyn FnMut(HeapTid) -> bool,
    ) -> Result<(), PageError> {
        let page = pager.read(entry.header)?;
        let header = SegmentHeader::load(&page, entry.header, entry.segment, meta.padded_dim)?;
        drop(page);
        let end = begun.next_row.saturating_add(STEP_ROWS).min(header.rows);
        let (removed, alive) = tids::mark_dead(pager, entry.segment, &header, begun.next_row..end, is_dead)?;
        begun.marked.removed += removed;
        begun.marked.alive += alive;
        begun.next_row = end;
        if end < header.rows {
            self.begun = Some(begun);
            return Ok(());
        }
        self.add(begun.marked);
        let dead = u64::from(header.rows).saturating_sub(begun.marked.alive) as u32;
        if dead != entry.dead { count_dead(pager, entry.segment, dead) } else { Ok(()) }
    }
}

/// Writes the number of a segment's dead rows into the manifest.
fn count_dead<P: Pager>(pager: &P, segment: u32, dead: u32) -> Result<(), PageError> {
    let mut change = pager.change();
    let bytes = change.page(0)?;
    let mut meta = Meta::load(bytes)?;
    let count = meta.segment_count as usize;
    if let Some(entry) = meta.segments[..count].iter_mut().find(|entry| entry.segment == segment) {
        entry.dead = dead;
    }
    meta.store(bytes);
    change.commit();
    Ok(())
}

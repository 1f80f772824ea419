//! Heap TIDs of a segment, by row.

use crate::error::PageError;
use crate::format::page::{self, PageKind, read_at, write_at};
use crate::format::segment::{SegmentHeader, TID_DEAD, TIDS_PER_PAGE, TidEntry};
use crate::pager::{BlockNumber, PageBytes, PageChange, Pager};

/// Where a row's heap tuple is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeapTid {
    /// Heap block.
    pub block: u32,
    /// Heap offset, from 1.
    pub offset: u16,
}

impl TidEntry {
    /// The heap TID.
    pub fn tid(&self) -> HeapTid {
        HeapTid { block: self.block, offset: self.offset }
    }

    /// Whether vacuum has seen the row dead.
    pub fn is_dead(&self) -> bool {
        self.flags & TID_DEAD != 0
    }
}

/// The block that holds the TID of `row`, and its place there.
pub fn locate(header: &SegmentHeader, row: u32) -> (BlockNumber, usize) {
    let block = header.block_of(header.tid_page + row / TIDS_PER_PAGE);
    (block, (row % TIDS_PER_PAGE) as usize * size_of::<TidEntry>())
}

/// Appends the TIDs of rows `rows` to `out`, one page of them at most; returns the row after the last one read.
///
/// # Errors
/// If the page is not one of TIDs of this segment.
pub fn read<P: Pager>(
    pager: &P,
    segment: u32,
    header: &SegmentHeader,
    rows: std::ops::Range<u32>,
    out: &mut Vec<TidEntry>,
) -> Result<u32, PageError> {
    let end = rows.end.min((rows.start / TIDS_PER_PAGE + 1).saturating_mul(TIDS_PER_PAGE)).min(header.rows);
    if rows.start >= end {
        return Ok(rows.end);
    }
    let (block, offset) = locate(header, rows.start);
    let bytes = pager.read(block)?;
    page::check(&bytes, block, PageKind::Tids, segment)?;
    let content = page::content(&bytes);
    for at in 0..(end - rows.start) as usize {
        let entry: TidEntry = read_at(content, offset + at * size_of::<TidEntry>());
        if entry.offset == 0 {
            return Err(PageError::damaged(block, "heap TID"));
        }
        out.push(entry);
    }
    Ok(end)
}

/// Marks those of `rows` of a segment that `is_dead` names; returns (marked now, alive after).
///
/// One change per page that has something to mark. A page is examined under a share lock and again under the
/// exclusive lock of its change; nobody else sets marks meanwhile (they are set under the space lock), so both see
/// the same entries.
///
/// # Errors
/// If a page is not one of TIDs of this segment.
pub fn mark_dead<P: Pager>(
    pager: &P,
    segment: u32,
    header: &SegmentHeader,
    rows: std::ops::Range<u32>,
    is_dead: &mut dyn FnMut(HeapTid) -> bool,
) -> Result<(u64, u64), PageError> {
    let (mut marked, mut alive) = (0, 0);
    let (mut row, end) = (rows.start, rows.end.min(header.rows));
    let mut entries = Vec::new();
    while row < end {
        entries.clear();
        let first = row;
        row = read(pager, segment, header, row..end, &mut entries)?;
        let mut dead = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            if entry.is_dead() {
                continue;
            }
            if is_dead(entry.tid()) { dead.push(at) } else { alive += 1 }
        }
        if !dead.is_empty() {
            marked += dead.len() as u64;
            let (block, offset) = locate(header, first);
            let mut change = pager.change();
            let bytes = change.page(block)?;
            dead.iter().for_each(|at| mark(bytes, offset + at * size_of::<TidEntry>()));
            change.commit();
        }
    }
    Ok((marked, alive))
}

fn mark(bytes: &mut PageBytes, offset: usize) {
    let content = page::content_mut(bytes);
    let entry: TidEntry = read_at(content, offset);
    write_at(content, offset, &TidEntry { flags: entry.flags | TID_DEAD, ..entry });
}

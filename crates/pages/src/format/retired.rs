//! Pages that list the blocks which left the manifest together.
//!
//! ```text
//! | header | run 0 | run 1 | ...
//! ```
//! Runs are [`BlockRun`]s, ascending. Pages of a list form a chain, and lists follow each other in it when the meta
//! page has no more places: what is behind a page left the manifest earlier.

use super::meta::BlockRun;
use super::page::{self, CONTENT_BYTES, PageKind, read_at, write_at};
use crate::error::PageError;
use crate::pager::{BlockNumber, PAGE_SIZE, PageBytes};

on_disk! {
    /// The first bytes of a list of retired blocks.
    pub struct RetiredHeader: 8 {
        /// runs in use
        pub count: u32,
        /// zero
        pub reserved: u32,
    }
}

/// Runs on one page.
pub const RUNS_PER_PAGE: usize = (CONTENT_BYTES - size_of::<RetiredHeader>()) / size_of::<BlockRun>();

/// A page that lists at most [`RUNS_PER_PAGE`] runs; `number`: drawn for it from those of segments.
pub fn page_of(runs: &[BlockRun], number: u32, next: BlockNumber) -> PageBytes {
    let mut bytes = [0; PAGE_SIZE];
    page::init(&mut bytes, PageKind::Retired, number);
    page::set_next(&mut bytes, next);
    let content = page::content_mut(&mut bytes);
    write_at(content, 0, &RetiredHeader { count: runs.len() as u32, reserved: 0 });
    for (at, run) in runs.iter().enumerate() {
        write_at(content, size_of::<RetiredHeader>() + at * size_of::<BlockRun>(), run);
    }
    page::set_used(&mut bytes, size_of::<RetiredHeader>() + size_of_val(runs));
    bytes
}

/// Appends the runs of a page to `out`; returns the next page of the chain.
///
/// # Errors
/// If it is another page, or its runs exceed it.
pub fn read(
    bytes: &PageBytes,
    block: BlockNumber,
    out: &mut Vec<BlockRun>,
) -> Result<BlockNumber, PageError> {
    let special = page::check(bytes, block, PageKind::Retired, page::special(bytes).segment)?;
    let content = page::content(bytes);
    let header: RetiredHeader = read_at(content, 0);
    let count = header.count as usize;
    if count > RUNS_PER_PAGE {
        return Err(PageError::damaged(block, "list of retired blocks"));
    }
    let run = |at| read_at::<BlockRun>(content, size_of::<RetiredHeader>() + at * size_of::<BlockRun>());
    out.extend((0..count).map(run));
    Ok(special.next)
}

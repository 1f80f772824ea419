//! Whole pages in the place of blocks that a job has claimed.
//!
//! Nothing refers to them before the job's commit, so that a crash in between leaves nothing but blocks that the next
//! job claims. Each is logged as a full image before its buffer is released: so a page that is torn by a crash is made
//! whole by recovery, and no page can reach the disk before the record of the claim, which is older than its own. (The
//! blocks may belong to a segment that left the manifest in a record that is not on disk yet.)

use pages::error::{PageError, Problem};
use pages::pager::PageSink;
use pages::{BlockNumber, PageBytes};
use pgrx::pg_sys;

use super::pager::Stop;
use crate::pg::{buffer, compat};

/// Pages between two looks at whether to stop.
const STOP_PAGES: u32 = 64;

/// See the module's head.
pub struct ClaimedPages<'s> {
    relation: pg_sys::Relation,
    stop: Option<Stop<'s>>,
    written: u32,
}

impl<'s> ClaimedPages<'s> {
    /// `stop`: says whether to give up.
    ///
    /// # Safety
    /// `relation` is open for as long as this lives, only blocks are written that this process has claimed and that
    /// exist, and this is the backend's main thread.
    pub unsafe fn new(relation: pg_sys::Relation, stop: Option<Stop<'s>>) -> Self {
        Self { relation, stop, written: 0 }
    }
}

impl PageSink for ClaimedPages<'_> {
    fn write(&mut self, block: BlockNumber, page: &PageBytes) -> Result<(), PageError> {
        pgrx::check_for_interrupts!();
        self.written = self.written.wrapping_add(1);
        if self.written.is_multiple_of(STOP_PAGES) && self.stop.is_some_and(|stop| stop()) {
            return Err(PageError { block, problem: Problem::Stopped });
        }
        // SAFETY: the relation is open and the block claimed, by the contract of `new`.
        unsafe {
            let is_logged = compat::needs_wal(self.relation);
            buffer::fill(buffer::zeroed(self.relation, block), page, is_logged);
        }
        Ok(())
    }

    fn finish(&mut self) {}
}

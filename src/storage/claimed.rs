//! Whole pages in the place of blocks that a job has claimed.
//!
//! They are written through the buffers without a record each, and logged as full images in batches: nothing refers to
//! them before the job's commit, so that a crash in between leaves nothing but blocks that the next job claims.

use pages::error::PageError;
use pages::pager::PageSink;
use pages::{BlockNumber, PageBytes};
use pgrx::pg_sys;

use crate::pg::{buffer, compat};

/// Pages that are logged together.
const BATCH_PAGES: u32 = 32;

/// See the module's head.
pub struct ClaimedPages {
    relation: pg_sys::Relation,
    /// Adjacent blocks that were written and not logged.
    first: BlockNumber,
    end: BlockNumber,
}

impl ClaimedPages {
    /// # Safety
    /// `relation` is open for as long as this lives, only blocks are written that this process has claimed and that
    /// exist, and this is the backend's main thread.
    pub unsafe fn new(relation: pg_sys::Relation) -> Self {
        Self { relation, first: 0, end: 0 }
    }

    fn log(&mut self) {
        // SAFETY: the relation is open, by the contract of `new`; the pages were filled and have standard headers.
        unsafe {
            if self.end > self.first && compat::needs_wal(self.relation) {
                let fork = pg_sys::ForkNumber::MAIN_FORKNUM;
                pg_sys::log_newpage_range(self.relation, fork, self.first, self.end, true);
            }
        }
        self.first = self.end;
    }
}

impl PageSink for ClaimedPages {
    fn write(&mut self, block: BlockNumber, page: &PageBytes) -> Result<(), PageError> {
        if block != self.end || self.end - self.first >= BATCH_PAGES {
            self.log();
            (self.first, self.end) = (block, block);
        }
        pgrx::check_for_interrupts!();
        // SAFETY: the relation is open and the block claimed, by the contract of `new`.
        unsafe { buffer::fill(buffer::zeroed(self.relation, block), page) };
        self.end = block + 1;
        Ok(())
    }

    fn finish(&mut self) {
        self.log();
    }
}

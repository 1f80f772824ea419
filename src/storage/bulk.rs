//! Pages of a build: written through the buffers without a record each, logged as full images at the end.
//!
//! Safe only for a file that nobody else can reach yet and that disappears if the transaction fails: the new file of
//! CREATE INDEX and REINDEX.

use pages::error::PageError;
use pages::pager::BulkWriter;
use pages::{BlockNumber, PageBytes};
use pgrx::pg_sys;

use crate::pg::{buffer, compat};

/// Pages that the file grows by at once, where PostgreSQL can do that. They are pinned until they are filled.
const EXTENSION_PAGES: u32 = 64;

/// Appends pages to a new index file.
pub struct BulkPages {
    relation: pg_sys::Relation,
    first: BlockNumber,
    next: BlockNumber,
    /// Buffers of the blocks from `next` on, the first of them last. Pins that an error leaves here are PostgreSQL's to
    /// release.
    ready: Vec<pg_sys::Buffer>,
    /// Pages that are still sure to come.
    expected: u32,
}

impl BulkPages {
    /// # Safety
    /// `relation` is open for as long as this lives, its file was created in this transaction and nobody else can
    /// read it; this is the backend's main thread.
    pub unsafe fn new(relation: pg_sys::Relation) -> Self {
        // SAFETY: the relation is open, by the contract.
        let first =
            unsafe { pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM) };
        Self { relation, first, next: first, ready: Vec::new(), expected: 0 }
    }

    /// The block behind the last one that was appended.
    pub fn end(&self) -> BlockNumber {
        self.next
    }

    /// Whether nothing has been appended.
    pub fn is_empty(&self) -> bool {
        self.next == self.first
    }

    /// Replaces a page that this writer has appended.
    pub fn replace(&mut self, block: BlockNumber, page: &PageBytes) {
        assert!((self.first..self.next).contains(&block), "only pages of this build are replaced");
        // SAFETY: the relation is open and the block exists; the buffer is pinned and locked here.
        unsafe {
            let buffer = pg_sys::ReadBuffer(self.relation, block);
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_EXCLUSIVE as i32);
            buffer::fill(buffer, page, false);
        }
    }

    /// Logs all pages, if the index is logged.
    pub fn finish(self) {
        // SAFETY: the pins are this writer's.
        self.ready.into_iter().for_each(|buffer| unsafe { pg_sys::ReleaseBuffer(buffer) });
        // SAFETY: the relation is open, by the contract of `new`.
        if unsafe { compat::needs_wal(self.relation) } && self.next > self.first {
            // SAFETY: the pages of this range were filled by this writer and have standard headers.
            unsafe {
                pg_sys::log_newpage_range(
                    self.relation,
                    pg_sys::ForkNumber::MAIN_FORKNUM,
                    self.first,
                    self.next,
                    true,
                );
            }
        }
    }
}

impl BulkWriter for BulkPages {
    fn append(&mut self, page: &PageBytes) -> Result<BlockNumber, PageError> {
        pgrx::check_for_interrupts!();
        let ready = self.ready.pop().or_else(|| {
            // SAFETY: the relation is open, and nobody else extends or reads its file.
            self.ready = unsafe { compat::extend(self.relation, self.expected.min(EXTENSION_PAGES)) };
            self.ready.reverse();
            self.ready.pop()
        });
        let block = self.next;
        let buffer = ready.ok_or_else(|| PageError::damaged(block, "file that does not grow"))?;
        // SAFETY: the buffer is pinned, and unlocked again by `fill`.
        unsafe {
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_EXCLUSIVE as i32);
            buffer::fill(buffer, page, false);
        }
        self.next += 1;
        self.expected = self.expected.saturating_sub(1);
        Ok(block)
    }

    fn expect(&mut self, pages: u32) {
        self.expected = pages;
    }
}

/// Writes the only page of an unlogged index's init fork, and logs it: it is what crash recovery copies over the
/// main fork, also on a standby that never saw the main fork.
///
/// # Safety
/// `relation` is open, its init fork is empty, and this is the backend's main thread.
pub unsafe fn write_init_fork(relation: pg_sys::Relation, page: &PageBytes) {
    // SAFETY: by the contract; the buffer is pinned and exclusively locked between the calls.
    unsafe {
        let buffer = pg_sys::ReadBufferExtended(
            relation,
            pg_sys::ForkNumber::INIT_FORKNUM,
            pg_sys::InvalidBlockNumber,
            pg_sys::ReadBufferMode::RBM_ZERO_AND_LOCK,
            std::ptr::null_mut(),
        );
        buffer::fill(buffer, page, true);
    }
}

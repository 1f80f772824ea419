//! [`Pager`] over a relation's main fork.
//!
//! A change is one generic WAL record: pages are edited as private copies and become visible, dirty and logged
//! together in `commit`. For unlogged and temporary relations generic WAL writes no record but works the same.

use std::cell::Cell;

use pages::error::{PageError, Problem};
use pages::pager::{PageChange, Pager};
use pages::{BlockNumber, PageBytes};
use pgrx::pg_sys;

use crate::pg::buffer::{self, BufferHints, SharedPage};

/// Every so many accesses one goes through the mapping table, so that hot pages look hot to the clock sweep.
const COUNTED_ACCESS: u32 = 32;

/// Accesses between two looks at whether to stop.
const STOP_ACCESS: u32 = 1024;
/// Blocks that are added under one extension lock.
const EXTENSION_BLOCKS: u32 = 64;

/// An open index as a store of pages.
pub struct RelationPager<'r> {
    relation: pg_sys::Relation,
    hints: &'r BufferHints,
    accesses: Cell<u32>,
    stop: Option<Stop<'r>>,
    has_prefetch: bool,
}

/// Says whether to give up.
pub type Stop<'s> = &'s dyn Fn() -> bool;

impl<'r> RelationPager<'r> {
    /// # Safety
    /// `relation` is open and locked for as long as the pager lives, and this is the backend's main thread.
    pub unsafe fn new(relation: pg_sys::Relation, hints: &'r BufferHints) -> Self {
        Self { relation, hints, accesses: Cell::new(0), stop: None, has_prefetch: true }
    }

    /// Reading asks `stop` now and then, and ends with [`Problem::Stopped`] when it says so.
    pub fn with_stop(self, stop: Option<Stop<'r>>) -> Self {
        Self { stop, ..self }
    }

    /// Pages are not asked for before they are read, so that each that is read once counts for the cost-based delay.
    pub fn without_prefetch(self) -> Self {
        Self { has_prefetch: false, ..self }
    }

    /// Checks that `block` is in the file, whose length is asked for only when it seems to be exceeded.
    #[inline]
    fn check_block(&self, block: BlockNumber) -> Result<(), PageError> {
        if block >= self.hints.blocks.get() && block >= self.block_count() {
            return Err(PageError { block, problem: Problem::Damaged("block beyond the end of the file") });
        }
        Ok(())
    }
}

impl Pager for RelationPager<'_> {
    type Page<'p>
        = SharedPage
    where
        Self: 'p;
    type Change<'p>
        = Change<'p>
    where
        Self: 'p;

    #[inline]
    fn read(&self, block: BlockNumber) -> Result<SharedPage, PageError> {
        pgrx::check_for_interrupts!();
        self.check_block(block)?;
        let access = self.accesses.get().wrapping_add(1);
        self.accesses.set(access);
        let use_hint = !access.is_multiple_of(COUNTED_ACCESS);
        if access.is_multiple_of(STOP_ACCESS) && self.stop.is_some_and(|stop| stop()) {
            return Err(PageError { block, problem: Problem::Stopped });
        }
        // SAFETY: the relation is open, by the contract of `new`; the block exists.
        Ok(unsafe { buffer::read_shared(self.relation, block, self.hints, use_hint) })
    }

    fn change(&self) -> Change<'_> {
        // SAFETY: the relation is open, by the contract of `new`.
        let record = unsafe { pg_sys::GenericXLogStart(self.relation) };
        Change { pager: self, record, pages: Vec::with_capacity(2) }
    }

    fn block_count(&self) -> BlockNumber {
        // SAFETY: the relation is open, by the contract of `new`.
        let blocks = unsafe {
            pg_sys::RelationGetNumberOfBlocksInFork(self.relation, pg_sys::ForkNumber::MAIN_FORKNUM)
        };
        self.hints.blocks.set(blocks);
        blocks
    }

    fn extend_to(&self, blocks: BlockNumber) {
        // The length is asked for, because the file may have been truncated since.
        while self.block_count() < blocks {
            // Others who add pages wait no longer than this takes.
            pgrx::check_for_interrupts!();
            // SAFETY: the relation is open, by the contract of `new`. The extension lock keeps two backends from adding
            // the same block.
            unsafe {
                pg_sys::LockRelationForExtension(self.relation, pg_sys::ExclusiveLock as i32);
                let now = self.block_count();
                for _ in now..blocks.min(now.saturating_add(EXTENSION_BLOCKS)) {
                    pg_sys::ReleaseBuffer(pg_sys::ReadBuffer(self.relation, pg_sys::InvalidBlockNumber));
                }
                pg_sys::UnlockRelationForExtension(self.relation, pg_sys::ExclusiveLock as i32);
            }
        }
    }

    #[inline]
    fn prefetch(&self, block: BlockNumber, offset: usize, length: usize) {
        if self.has_prefetch && block < self.hints.blocks.get() {
            // SAFETY: the relation is open, by the contract of `new`; the block was in the file when its length was
            // asked for.
            unsafe { buffer::prefetch(self.relation, block, self.hints, (offset, length)) }
        }
    }
}

/// A generic WAL record in the making.
pub struct Change<'p> {
    pager: &'p RelationPager<'p>,
    record: *mut pg_sys::GenericXLogState,
    pages: Vec<(BlockNumber, pg_sys::Buffer, *mut PageBytes)>,
}

impl Change<'_> {
    /// Registers an exclusively locked buffer and returns the private copy of its page.
    fn register(&mut self, block: BlockNumber, buffer: pg_sys::Buffer, flags: u32) -> &mut PageBytes {
        // SAFETY: the record is open and the buffer is pinned and exclusively locked.
        let page = unsafe { pg_sys::GenericXLogRegisterBuffer(self.record, buffer, flags as i32) };
        let page = page.cast::<PageBytes>();
        self.pages.push((block, buffer, page));
        // SAFETY: the copy belongs to the record, has BLCKSZ bytes, and is borrowed through `self` only.
        unsafe { &mut *page }
    }

    fn release(&mut self) {
        for (_, buffer, _) in self.pages.drain(..) {
            // SAFETY: the change owns one pin and the exclusive lock of each of its buffers.
            unsafe { pg_sys::UnlockReleaseBuffer(buffer) }
        }
    }
}

impl PageChange for Change<'_> {
    fn page(&mut self, block: BlockNumber) -> Result<&mut PageBytes, PageError> {
        if let Some(&(_, _, page)) = self.pages.iter().find(|(own, _, _)| *own == block) {
            // SAFETY: as in `register`; the borrow of `self` is exclusive.
            return Ok(unsafe { &mut *page });
        }
        self.pager.check_block(block)?;
        // SAFETY: the relation is open, by the contract of `RelationPager::new`; the block exists.
        let buffer = unsafe {
            let buffer = pg_sys::ReadBuffer(self.pager.relation, block);
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_EXCLUSIVE as i32);
            buffer
        };
        Ok(self.register(block, buffer, 0))
    }

    fn fresh_page(&mut self, block: BlockNumber) -> Result<&mut PageBytes, PageError> {
        if self.pages.iter().any(|(own, _, _)| *own == block) {
            return Err(PageError::damaged(block, "new page, which is in use"));
        }
        self.pager.extend_to(block.saturating_add(1));
        // SAFETY: the relation is open, by the contract of `RelationPager::new`; the block exists.
        let buffer = unsafe { buffer::zeroed(self.pager.relation, block) };
        Ok(self.register(block, buffer, pg_sys::GENERIC_XLOG_FULL_IMAGE))
    }

    fn commit(mut self) {
        let record = std::mem::replace(&mut self.record, std::ptr::null_mut());
        // SAFETY: the record is open, and its buffers are locked until it is finished.
        unsafe { pg_sys::GenericXLogFinish(record) };
        self.release();
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        if self.record.is_null() || std::thread::panicking() {
            return;
        }
        // SAFETY: the record is open; aborting it leaves the pages as they were.
        unsafe { pg_sys::GenericXLogAbort(self.record) };
        self.release();
    }
}

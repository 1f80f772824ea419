//! The seam between the page algorithms and whatever stores pages.

use std::ops::Deref;

use crate::error::PageError;

/// The number of a page in its index, from 0.
pub type BlockNumber = u32;
/// No block.
pub const NO_BLOCK: BlockNumber = u32::MAX;
/// Bytes of a page: PostgreSQL's BLCKSZ.
pub const PAGE_SIZE: usize = 8192;
/// One page as stored, PostgreSQL's header included.
pub type PageBytes = [u8; PAGE_SIZE];

/// A store of pages. `read` and `change` may raise what the store raises (in PostgreSQL: an ERROR that unwinds).
pub trait Pager {
    /// A page that is pinned and share-locked while it is held. Hold one at a time.
    type Page<'p>: Deref<Target = PageBytes>
    where
        Self: 'p;
    /// An atomic change in the making.
    type Change<'p>: PageChange
    where
        Self: 'p;

    /// The page of this block.
    ///
    /// # Errors
    /// If the store has no such block.
    fn read(&self, block: BlockNumber) -> Result<Self::Page<'_>, PageError>;

    /// Begins a change.
    fn change(&self) -> Self::Change<'_>;

    /// Blocks in the store at this moment.
    fn block_count(&self) -> BlockNumber;

    /// Makes the store at least so long, with pages of zeros. No lock may be held.
    fn extend_to(&self, blocks: BlockNumber);

    /// Says that `length` bytes from `offset` of this block will be read soon. May do nothing.
    fn prefetch(&self, _block: BlockNumber, _offset: usize, _length: usize) {}
}

/// At most [`PageChange::PAGES_MAX`] pages that reach the log together or not at all.
///
/// Pages are exclusively locked from the first time that they are named until `commit`; dropping a change without
/// `commit` leaves the store as it was. Existing pages are named in ascending block order, so that two changes
/// can't wait for each other.
pub trait PageChange {
    /// PostgreSQL's limit for one generic WAL record.
    const PAGES_MAX: usize = 4;

    /// A private copy of the page, to be edited.
    ///
    /// # Errors
    /// If the store has no such block.
    fn page(&mut self, block: BlockNumber) -> Result<&mut PageBytes, PageError>;

    /// A page of zeros in the place of a block that nothing refers to, so that nobody else can reach it until
    /// `commit`. The store grows when it has no such block yet.
    ///
    /// # Errors
    /// If the store can't grow so far.
    fn fresh_page(&mut self, block: BlockNumber) -> Result<&mut PageBytes, PageError>;

    /// Makes the change true.
    fn commit(self);
}

/// Whole pages written in the place of blocks that nothing refers to.
///
/// They are durable, as whole images, once `finish` has returned.
pub trait PageSink {
    /// Writes a page.
    ///
    /// # Errors
    /// If the store can't grow so far.
    fn write(&mut self, block: BlockNumber, page: &PageBytes) -> Result<(), PageError>;

    /// Makes what was written durable.
    fn finish(&mut self);
}

/// Pages written in sequence that nothing refers to yet: the segment of a build or a merge.
///
/// The pages are durable, as whole images, before a change that refers to them commits.
pub trait BulkWriter {
    /// Writes the next page and returns its block.
    ///
    /// # Errors
    /// If the store has no more block numbers.
    fn append(&mut self, page: &PageBytes) -> Result<BlockNumber, PageError>;

    /// So many pages will come now: the store may make room for them at once.
    fn expect(&mut self, pages: u32) {
        let _ = pages;
    }
}

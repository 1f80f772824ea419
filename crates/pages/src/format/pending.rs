//! Pages of rows that are in no segment yet.
//!
//! ```text
//! | header | entry 0 | entry 1 | ...
//! ```
//! An entry is a [`PendingEntry`] and the code of the row's own vector, in the index's encoding, relative to the
//! centroid that the meta page names. Pages of a stripe form a chain; only the last one of a chain has room.

use super::page::{self, CONTENT_BYTES, PageKind, read_at, write_at};
use crate::error::PageError;
use crate::pager::{BlockNumber, PageBytes};

on_disk! {
    /// The first bytes of a pending page's content.
    pub struct PendingHeader: 8 {
        /// entries in use
        pub count: u16,
        /// bytes of an entry
        pub entry_bytes: u16,
        /// zero
        pub reserved: u32,
    }
}

on_disk! {
    /// The first bytes of a pending row.
    pub struct PendingEntry: 16 {
        /// heap block
        pub block: u32,
        /// heap offset, from 1
        pub offset: u16,
        /// as in a TID page: 1 dead, 2 always first, 4 always last
        pub flags: u16,
        /// own vector = scale * code
        pub scale: f32,
        /// bound of |own vector - what the row holds|
        pub error: f32,
    }
}

/// Bytes of an entry whose code has `own_bytes`.
pub fn entry_bytes(own_bytes: usize) -> usize {
    (size_of::<PendingEntry>() + own_bytes).next_multiple_of(8)
}

/// Entries that fit a page.
pub fn capacity(entry_bytes: usize) -> usize {
    (CONTENT_BYTES - size_of::<PendingHeader>()) / entry_bytes
}

/// Makes `page` an empty pending page.
pub fn init(bytes: &mut PageBytes, entry_bytes: usize) {
    page::init(bytes, PageKind::Pending, page::NO_SEGMENT);
    let header = PendingHeader { count: 0, entry_bytes: entry_bytes as u16, reserved: 0 };
    write_at(page::content_mut(bytes), 0, &header);
    page::set_used(bytes, size_of::<PendingHeader>());
}

/// Checks a pending page; returns its number of entries and the next page of its chain.
///
/// # Errors
/// If it is another page, or its counts exceed the page.
pub fn check(
    bytes: &PageBytes,
    block: BlockNumber,
    entry_bytes: usize,
) -> Result<(usize, BlockNumber), PageError> {
    let special = page::check(bytes, block, PageKind::Pending, page::NO_SEGMENT)?;
    let header: PendingHeader = read_at(page::content(bytes), 0);
    if usize::from(header.entry_bytes) != entry_bytes || usize::from(header.count) > capacity(entry_bytes) {
        return Err(PageError::damaged(block, "pending page"));
    }
    Ok((usize::from(header.count), special.next))
}

/// Entry number `at` of a checked page, with its code.
pub fn entry(bytes: &PageBytes, at: usize, entry_bytes: usize) -> (PendingEntry, &[u8]) {
    let start = size_of::<PendingHeader>() + at * entry_bytes;
    let content = page::content(bytes);
    (read_at(content, start), &content[start + size_of::<PendingEntry>()..start + entry_bytes])
}

/// Appends an entry to a checked page that has room.
pub fn push(bytes: &mut PageBytes, entry_bytes: usize, entry: &PendingEntry, own: &[u8]) {
    let mut header: PendingHeader = read_at(page::content(bytes), 0);
    let start = size_of::<PendingHeader>() + usize::from(header.count) * entry_bytes;
    let content = page::content_mut(bytes);
    write_at(content, start, entry);
    content[start + size_of::<PendingEntry>()..][..own.len()].copy_from_slice(own);
    header.count += 1;
    write_at(content, 0, &header);
    page::set_used(bytes, start + entry_bytes);
}

/// Marks entry number `at` of a checked page as dead.
pub fn mark_dead(bytes: &mut PageBytes, at: usize, entry_bytes: usize) {
    let start = size_of::<PendingHeader>() + at * entry_bytes;
    let content = page::content_mut(bytes);
    let entry: PendingEntry = read_at(content, start);
    let dead = PendingEntry { flags: entry.flags | super::segment::TID_DEAD, ..entry };
    write_at(content, start, &dead);
}

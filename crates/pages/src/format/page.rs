//! What every page has: PostgreSQL's header in front, our special area at the end.
//!
//! ```text
//! 0          24                                                    8176      8192
//! | header   | content: one of the kinds of this folder            | special |
//! ```
//! `lower` points behind the content in use, so that generic WAL keeps it; between `lower` and the special area a
//! page is zero.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use super::macros::{Documented, FieldDoc};
use crate::error::{PageError, Problem};
use crate::pager::{BlockNumber, PAGE_SIZE, PageBytes};

/// Where the content begins.
pub const CONTENT_START: usize = size_of::<PageHeader>();
/// Where the content ends.
pub const CONTENT_END: usize = PAGE_SIZE - size_of::<Special>();
/// Bytes of content.
pub const CONTENT_BYTES: usize = CONTENT_END - CONTENT_START;
/// The version that this code writes; it reads 1 up to this.
pub const FORMAT_VERSION: u8 = 1;
/// The last two bytes of each page: no other access method is known to use it.
pub const PAGE_ID: u16 = 0xFF58;
/// Segment number of pages that belong to no segment.
pub const NO_SEGMENT: u32 = 0;

on_disk! {
    /// PostgreSQL's page header (PageHeaderData), as a page without line pointers uses it.
    pub struct PageHeader: 24 {
        /// LSN of the last change, kept by PostgreSQL
        pub lsn: [u32; 2],
        /// checksum, kept by PostgreSQL
        pub checksum: u16,
        /// flags, kept by PostgreSQL
        pub flags: u16,
        /// offset behind the content in use
        pub lower: u16,
        /// offset of the special area
        pub upper: u16,
        /// offset of the special area
        pub special: u16,
        /// page size and PostgreSQL's layout version: 8192 | 4
        pub size_and_version: u16,
        /// unused: zero
        pub prune_xid: u32,
    }
}

on_disk! {
    /// The last 16 bytes of every page, which say what the page is.
    pub struct Special: 16 {
        /// next page of the same chain, 0xFFFFFFFF at its end or without a chain
        pub next: u32,
        /// segment or chain that the page belongs to, 0 for none
        pub segment: u32,
        /// zero
        pub reserved: u32,
        /// 1 meta, 2 header, 3 centroid, 4 nodes, 5 TIDs, 6 pending, 7 vectors, 8 retired, 9 routers, 10, 11 of lists
        pub kind: u8,
        /// format version of this page
        pub version: u8,
        /// 0xFF58
        pub page_id: u16,
    }
}

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PageKind {
    /// Block 0: what the index is and which segments it has.
    Meta = 1,
    /// The first page of a segment.
    Segment = 2,
    /// The mean that a segment's codes are relative to.
    Centroid = 3,
    /// Graph nodes.
    Nodes = 4,
    /// Heap TIDs by row.
    Tids = 5,
    /// Rows that are in no segment yet.
    Pending = 6,
    /// Own vectors whose length varies.
    Vectors = 7,
    /// A list of blocks that left the manifest together.
    Retired = 8,
    /// Codes of all nodes of a flat segment.
    Routers = 9,
    /// Lists: nodes whose own vectors are centroids.
    Lists = 10,
    /// Codes of all lists.
    ListRouters = 11,
}

/// Makes `page` an empty page of this kind.
pub fn init(page: &mut PageBytes, kind: PageKind, segment: u32) {
    page.fill(0);
    let header = PageHeader {
        lsn: [0; 2],
        checksum: 0,
        flags: 0,
        lower: CONTENT_START as u16,
        upper: CONTENT_END as u16,
        special: CONTENT_END as u16,
        size_and_version: PAGE_SIZE as u16 | 4,
        prune_xid: 0,
    };
    write_at(page, 0, &header);
    let special = Special {
        next: u32::MAX,
        segment,
        reserved: 0,
        kind: kind as u8,
        version: FORMAT_VERSION,
        page_id: PAGE_ID,
    };
    write_at(page, CONTENT_END, &special);
}

/// The special area of a page.
pub fn special(page: &PageBytes) -> Special {
    read_at(page, CONTENT_END)
}

/// Links `page` to the next one of its chain.
pub fn set_next(page: &mut PageBytes, next: BlockNumber) {
    let special = Special { next, ..special(page) };
    write_at(page, CONTENT_END, &special);
}

/// Says that the first `used` bytes of the content are in use.
pub fn set_used(page: &mut PageBytes, used: usize) {
    debug_assert!(used <= CONTENT_BYTES);
    let header: PageHeader = read_at(page, 0);
    write_at(page, 0, &PageHeader { lower: (CONTENT_START + used) as u16, ..header });
}

/// The content of a page.
pub fn content(page: &PageBytes) -> &[u8] {
    &page[CONTENT_START..CONTENT_END]
}

/// The content of a page, to be written.
pub fn content_mut(page: &mut PageBytes) -> &mut [u8] {
    &mut page[CONTENT_START..CONTENT_END]
}

/// Checks that `page` is of this kind and segment, in a version that can be read.
///
/// # Errors
/// If it is not; the error names `block`.
pub fn check(
    page: &PageBytes,
    block: BlockNumber,
    kind: PageKind,
    segment: u32,
) -> Result<Special, PageError> {
    let special = special(page);
    let problem = if special.page_id != PAGE_ID {
        Problem::Foreign
    } else if special.version > FORMAT_VERSION {
        Problem::Newer { version: u16::from(special.version) }
    } else if special.version == 0 {
        Problem::Damaged("version")
    } else if special.kind != kind as u8 || special.segment != segment {
        Problem::Misplaced
    } else {
        return Ok(special);
    };
    Err(PageError { block, problem })
}

/// Copies a struct out of `bytes`. The caller has checked that it lies inside.
pub fn read_at<T: FromBytes + KnownLayout + Immutable>(bytes: &[u8], offset: usize) -> T {
    match T::read_from_bytes(&bytes[offset..offset + size_of::<T>()]) {
        Ok(value) => value,
        Err(_) => unreachable!("the slice has the struct's size"),
    }
}

/// Copies a struct into `bytes`. The caller has checked that it lies inside.
pub fn write_at<T: IntoBytes + Immutable>(bytes: &mut [u8], offset: usize, value: &T) {
    bytes[offset..offset + size_of::<T>()].copy_from_slice(value.as_bytes());
}

/// Clears what lies between the content in use and the special area, as generic WAL does.
pub fn forget_unused(page: &mut PageBytes) {
    let header: PageHeader = read_at(page, 0);
    let lower = usize::from(header.lower).clamp(CONTENT_START, CONTENT_END);
    page[lower..CONTENT_END].fill(0);
}

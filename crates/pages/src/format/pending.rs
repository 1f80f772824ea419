//! Pages of rows that are in no segment yet.
//!
//! ```text
//! | header | entry 0 | entry 1 | ...
//! ```
//! An entry is a [`PendingEntry`] and the row's own vector, as the index's nodes hold it, relative to the centroid
//! that the meta page names. Entries start at multiples of 8. Sparse vectors vary in length: each is behind a
//! [`PendingLength`], and one that does not fit a page is left out: such a row has flag 2. Pages of a stripe form a
//! chain, whose number each of them has; only the last one of a chain has room, until the chain is sealed.

use super::page::{self, CONTENT_BYTES, PageKind, read_at, write_at};
use crate::error::PageError;
use crate::pager::{BlockNumber, NO_BLOCK, PageBytes};
use crate::plan::OwnCode;

on_disk! {
    /// The first bytes of a pending page's content.
    pub struct PendingHeader: 8 {
        /// entries in use
        pub count: u16,
        /// bytes of an entry; 0 when they vary
        pub entry_bytes: u16,
        /// 1: the chain is sealed, this page gets no more rows
        pub sealed: u32,
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

on_disk! {
    /// Between a pending row's entry and its own vector, when those vary in length.
    pub struct PendingLength: 8 {
        /// bytes of the own vector
        pub own_bytes: u32,
        /// zero
        pub reserved: u32,
    }
}

/// How long the entries of an index's pending pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// All have own vectors of so many bytes.
    Fixed {
        /// Bytes of an own vector.
        own_bytes: usize,
    },
    /// Each says it.
    Variable,
}

/// A page's entries that were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingPage {
    /// Entries in use.
    pub count: usize,
    /// Bytes of the content in use.
    used: usize,
    /// The next page of the chain.
    pub next: BlockNumber,
    /// Whether it gets no more rows.
    is_sealed: bool,
}

/// Entries of a row of typical length on a page, where lengths vary.
const TYPICAL_OWN_BYTES: usize = 1000;

impl Entries {
    /// The entries of an index with this code of own vectors.
    pub fn new(own: OwnCode, padded_dim: usize) -> Self {
        match own {
            OwnCode::Elsewhere => Self::Variable,
            _ => Self::Fixed { own_bytes: own.node_bytes(padded_dim) },
        }
    }

    /// Whether a page has room for an entry.
    pub fn fits_page(self) -> bool {
        self.typical_per_page() > 0
    }

    /// Entries on a page; a guess where they vary.
    pub fn typical_per_page(self) -> usize {
        let own_bytes = match self {
            Self::Fixed { own_bytes } => own_bytes,
            Self::Variable => TYPICAL_OWN_BYTES,
        };
        (CONTENT_BYTES - size_of::<PendingHeader>()) / self.entry_bytes(own_bytes)
    }

    /// Whether an own vector of so many bytes can be on a page at all.
    pub fn can_hold(self, own_bytes: usize) -> bool {
        self.entry_bytes(own_bytes) <= CONTENT_BYTES - size_of::<PendingHeader>()
    }

    fn own_offset(self) -> usize {
        match self {
            Self::Fixed { .. } => size_of::<PendingEntry>(),
            Self::Variable => size_of::<PendingEntry>() + size_of::<PendingLength>(),
        }
    }

    fn entry_bytes(self, own_bytes: usize) -> usize {
        (self.own_offset() + own_bytes).next_multiple_of(8)
    }

    /// The number that a page's header has.
    fn stored_bytes(self) -> u16 {
        match self {
            Self::Fixed { own_bytes } => self.entry_bytes(own_bytes) as u16,
            Self::Variable => 0,
        }
    }

    /// The bytes of the own vector of the entry at `start`.
    fn own_bytes(self, content: &[u8], start: usize) -> usize {
        match self {
            Self::Fixed { own_bytes } => own_bytes,
            Self::Variable => {
                let length: PendingLength = read_at(content, start + size_of::<PendingEntry>());
                length.own_bytes as usize
            }
        }
    }

    /// Makes `page` an empty pending page of chain `number`.
    pub fn init(self, bytes: &mut PageBytes, number: u32) {
        page::init(bytes, PageKind::Pending, number);
        let header = PendingHeader { count: 0, entry_bytes: self.stored_bytes(), sealed: 0 };
        write_at(page::content_mut(bytes), 0, &header);
        page::set_used(bytes, size_of::<PendingHeader>());
    }

    /// Checks a pending page of chain `number`.
    ///
    /// # Errors
    /// If it is another page, or its entries exceed the page.
    pub fn check(self, bytes: &PageBytes, block: BlockNumber, number: u32) -> Result<PendingPage, PageError> {
        let special = page::check(bytes, block, PageKind::Pending, number)?;
        let content = page::content(bytes);
        let header: PendingHeader = read_at(content, 0);
        let count = usize::from(header.count);
        let used = match self {
            Self::Fixed { own_bytes } => size_of::<PendingHeader>() + count * self.entry_bytes(own_bytes),
            Self::Variable => self.end_of(content, count).unwrap_or(usize::MAX),
        };
        if header.entry_bytes != self.stored_bytes() || used > CONTENT_BYTES {
            return Err(PageError::damaged(block, "pending page"));
        }
        Ok(PendingPage { count, used, next: special.next, is_sealed: header.sealed != 0 })
    }

    /// Where the last of `count` entries ends, if all lie inside.
    fn end_of(self, content: &[u8], count: usize) -> Option<usize> {
        let mut at = size_of::<PendingHeader>();
        for _ in 0..count {
            if at + self.own_offset() > content.len() {
                return None;
            }
            at += self.entry_bytes(self.own_bytes(content, at));
        }
        (at <= content.len()).then_some(at)
    }

    /// The entries of a checked page: place in the content, entry, own vector.
    pub fn iter(
        self,
        bytes: &PageBytes,
        page: PendingPage,
    ) -> impl Iterator<Item = (usize, PendingEntry, &[u8])> {
        let content = page::content(bytes);
        let mut next = size_of::<PendingHeader>();
        (0..page.count).map(move |_| {
            let start = next;
            let own_bytes = self.own_bytes(content, start);
            next += self.entry_bytes(own_bytes);
            (start, read_at(content, start), &content[start + self.own_offset()..][..own_bytes])
        })
    }

    /// Whether a checked page takes one more entry.
    pub fn has_room(self, page: PendingPage, own_bytes: usize) -> bool {
        let is_last = page.next == NO_BLOCK && !page.is_sealed;
        is_last && page.used + self.entry_bytes(own_bytes) <= CONTENT_BYTES
    }

    /// Appends an entry to a checked page that has room.
    pub fn push(self, bytes: &mut PageBytes, page: PendingPage, entry: &PendingEntry, own: &[u8]) {
        let start = page.used;
        let content = page::content_mut(bytes);
        let mut header: PendingHeader = read_at(content, 0);
        write_at(content, start, entry);
        if self == Self::Variable {
            let length = PendingLength { own_bytes: own.len() as u32, reserved: 0 };
            write_at(content, start + size_of::<PendingEntry>(), &length);
        }
        content[start + self.own_offset()..][..own.len()].copy_from_slice(own);
        header.count += 1;
        write_at(content, 0, &header);
        page::set_used(bytes, start + self.entry_bytes(own.len()));
    }
}

/// Marks the entry at `start` of a checked page as dead.
pub fn mark_dead(bytes: &mut PageBytes, start: usize) {
    let content = page::content_mut(bytes);
    let entry: PendingEntry = read_at(content, start);
    let dead = PendingEntry { flags: entry.flags | super::segment::TID_DEAD, ..entry };
    write_at(content, start, &dead);
}

/// Says on the last page of a chain that it gets no more rows.
pub fn seal(bytes: &mut PageBytes) {
    let content = page::content_mut(bytes);
    let header: PendingHeader = read_at(content, 0);
    write_at(content, 0, &PendingHeader { sealed: 1, ..header });
}

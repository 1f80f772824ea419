//! Block 0: what the index is, and the manifest of its segments.

use super::page::{self, PageKind, read_at, write_at};
use super::pending::Entries;
use crate::error::{PageError, Problem};
use crate::pager::{NO_BLOCK, PageBytes};
use crate::plan::OwnCode;
use crate::row::Element;
use crate::space;

/// "PROX"
pub const MAGIC: u32 = 0x584F_5250;
/// Chains of pending pages, chosen by inserting backends so that they seldom meet.
pub const STRIPES: usize = 8;
/// Segments that one manifest can name.
pub const SEGMENTS_MAX: usize = 128;

on_disk! {
    /// One chain of pending pages.
    pub struct Stripe: 8 {
        /// first page, 0xFFFFFFFF if the chain is empty
        pub head: u32,
        /// a page at or near the end; the chain goes on behind it
        pub tail: u32,
    }
}

on_disk! {
    /// A segment in the manifest.
    pub struct SegmentEntry: 24 {
        /// number of the segment, never used again in this index
        pub segment: u32,
        /// block of its header page
        pub header: u32,
        /// rows when it was written
        pub rows: u32,
        /// pages that it occupies
        pub pages: u32,
        /// zero
        pub reserved: [u32; 2],
    }
}

on_disk! {
    /// Block 0, at the start of the content.
    pub struct Meta: 3328 {
        /// 0x584F5250, the bytes "PROX" on a little-endian server
        pub magic: u32,
        /// format version of the index
        pub version: u16,
        /// extension version that created the index, major * 100 + minor
        pub written_by: u16,
        /// dimensions of the column
        pub dim: u32,
        /// coordinates that codes are of: dim, for sparse vectors at most 512, rounded up to a multiple of 64
        pub padded_dim: u32,
        /// 1 L2, 2 inner product, 3 cosine, 4 L1, 5 Hamming, 6 Jaccard
        pub metric: u8,
        /// 1 float4, 2 float2, 3 bit, 4 sparse
        pub element: u8,
        /// 1 graph segments (hnsw)
        pub method: u8,
        /// own vector of a row: code of 1 float2, 2 int8, 3 int4; 4 bits; 5 sparse
        pub encoding: u8,
        /// option m, 2 to 100
        pub m: u16,
        /// option ef_construction, 4 to 1000
        pub ef_construction: u16,
        /// random number that tells this index from others in the same file
        pub index_id: u64,
        /// seed of the random rotation
        pub rotation_seed: u64,
        /// raised by every change of the manifest
        pub generation: u64,
        /// number of the next segment, from 1
        pub next_segment: u32,
        /// entries of segments in use
        pub segment_count: u32,
        /// first page of the centroid that pending rows are relative to, 0xFFFFFFFF for the origin
        pub centroid: u32,
        /// segment that the centroid's pages name
        pub centroid_segment: u32,
        /// first page of the list of recycled blocks, 0xFFFFFFFF: none
        pub recycled: u32,
        /// attribute columns behind the vector: 0
        pub attribute_count: u32,
        /// zero
        pub reserved: [u32; 30],
        /// the chains of pending rows
        pub stripes: [Stripe; 8],
        /// the segments, oldest first
        pub segments: [SegmentEntry; 128],
    }
}

/// What a new index is created with.
#[derive(Clone, Copy, Debug)]
pub struct MetaParams {
    /// Dimensions of the column.
    pub dim: u32,
    /// The same, rounded up.
    pub padded_dim: u32,
    /// Number of the metric.
    pub metric: u8,
    /// Number of the element.
    pub element: u8,
    /// Number of the code of own vectors, in pending rows too.
    pub encoding: u8,
    /// Option `m`.
    pub m: u16,
    /// Option `ef_construction`.
    pub ef_construction: u16,
    /// See [`Meta::index_id`].
    pub index_id: u64,
    /// See [`Meta::rotation_seed`].
    pub rotation_seed: u64,
    /// See [`Meta::written_by`].
    pub written_by: u16,
}

impl Meta {
    /// The manifest of an empty index.
    pub fn new(params: &MetaParams) -> Self {
        Self {
            magic: MAGIC,
            version: u16::from(page::FORMAT_VERSION),
            written_by: params.written_by,
            dim: params.dim,
            padded_dim: params.padded_dim,
            metric: params.metric,
            element: params.element,
            method: 1,
            encoding: params.encoding,
            m: params.m,
            ef_construction: params.ef_construction,
            index_id: params.index_id,
            rotation_seed: params.rotation_seed,
            generation: 1,
            next_segment: 1,
            segment_count: 0,
            centroid: NO_BLOCK,
            centroid_segment: page::NO_SEGMENT,
            recycled: NO_BLOCK,
            attribute_count: 0,
            reserved: [0; 30],
            stripes: [Stripe { head: NO_BLOCK, tail: NO_BLOCK }; STRIPES],
            segments: [SegmentEntry { segment: 0, header: NO_BLOCK, rows: 0, pages: 0, reserved: [0; 2] };
                SEGMENTS_MAX],
        }
    }

    /// Writes it as a whole page.
    pub fn store_new(&self, bytes: &mut PageBytes) {
        page::init(bytes, PageKind::Meta, page::NO_SEGMENT);
        self.store(bytes);
    }

    /// Writes it into a meta page.
    pub fn store(&self, bytes: &mut PageBytes) {
        write_at(page::content_mut(bytes), 0, self);
        page::set_used(bytes, size_of::<Self>());
    }

    /// Reads block 0.
    ///
    /// # Errors
    /// If it is not a meta page, of a later version, or contradicts itself.
    pub fn load(bytes: &PageBytes) -> Result<Self, PageError> {
        page::check(bytes, 0, PageKind::Meta, page::NO_SEGMENT)?;
        let meta: Self = read_at(page::content(bytes), 0);
        if meta.magic != MAGIC {
            return Err(PageError { block: 0, problem: Problem::Foreign });
        }
        if meta.version > u16::from(page::FORMAT_VERSION) {
            return Err(PageError { block: 0, problem: Problem::Newer { version: meta.version } });
        }
        if meta.is_sound() { Ok(meta) } else { Err(PageError::damaged(0, "meta page")) }
    }

    fn is_sound(&self) -> bool {
        let Some(element) = self.element() else { return false };
        let metric = ann::Metric::from_number(self.metric);
        (1..=element.dim_max()).contains(&self.dim)
            && metric.is_some_and(|metric| space::is_supported(element, metric))
            && self.padded_dim as usize == space::padded_dim(element, self.dim)
            && self.own_code().is_some_and(|own| own.is_of(element))
            && self.method == 1
            && (2..=100).contains(&self.m)
            && self.attribute_count == 0
            && self.recycled == NO_BLOCK
            && self.pending_entries().is_some_and(|entries| entries.fits_page())
            && self.segment_count as usize <= SEGMENTS_MAX
    }

    /// What the column's values are made of, if the number is known.
    pub fn element(&self) -> Option<Element> {
        Element::from_number(self.element)
    }

    /// How own vectors are stored, if the number is known.
    pub fn own_code(&self) -> Option<OwnCode> {
        OwnCode::from_number(self.encoding)
    }

    /// The shape of pending rows, if the numbers make one.
    pub fn pending_entries(&self) -> Option<Entries> {
        self.own_code().map(|own| Entries::new(own, self.padded_dim as usize))
    }

    /// The segments in use.
    pub fn segments(&self) -> &[SegmentEntry] {
        &self.segments[..(self.segment_count as usize).min(SEGMENTS_MAX)]
    }
}

//! Block 0: what the index is, and the manifest of its segments.

use super::page::{self, PageKind, read_at, write_at};
use super::pending::Entries;
use crate::error::{PageError, Problem};
use crate::pager::{BlockNumber, NO_BLOCK, PageBytes};
use crate::plan::OwnCode;
use crate::row::Element;
use crate::space;

/// "PROX"
pub const MAGIC: u32 = 0x584F_5250;
/// More blocks than a relation can have.
pub const BLOCKS_MAX: u32 = u32::MAX - 1;
/// Chains of pending pages that rows are appended to, chosen by inserting backends so that they seldom meet.
pub const STRIPES: usize = 8;
/// Closed chains that wait to become a segment.
pub const SEALED_MAX: usize = 32;
/// Runs of blocks that are set aside for pending pages.
pub const POOL_MAX: usize = 16;
/// Runs of blocks that one process may have claimed for a segment in the making.
pub const CLAIM_MAX: usize = 64;
/// Lists of blocks that wait until nobody can read them.
pub const RETIRED_MAX: usize = 64;
/// [`SegmentEntry::navigator`] of a flat segment.
pub const FLAT: u32 = 1;
/// [`SegmentEntry::navigator`] of a segment with lists.
pub const LISTS: u32 = 2;
/// [`Meta::method`] of an index whose merges make graphs.
const METHOD_GRAPH: u8 = 1;
/// [`Meta::method`] of an index whose merges make lists.
const METHOD_LISTS: u8 = 2;
/// Segments that one manifest can name.
pub const SEGMENTS_MAX: usize = 128;

on_disk! {
    /// A chain of pending pages, oldest first.
    pub struct Chain: 16 {
        /// number of the chain, drawn from those of segments; 0: there is no chain
        pub number: u32,
        /// first page
        pub head: u32,
        /// last page
        pub tail: u32,
        /// pages
        pub pages: u32,
    }
}

on_disk! {
    /// Adjacent blocks.
    pub struct BlockRun: 8 {
        /// the first
        pub block: u32,
        /// how many; 0: none
        pub count: u32,
    }
}

on_disk! {
    /// Blocks that left the manifest together.
    pub struct Retired: 16 {
        /// the transaction that made them do so, or the next: readable by older snapshots until the horizon is past it
        pub stamp: u64,
        /// first page of the list of their runs, which is one of them
        pub page: u32,
        /// how many
        pub blocks: u32,
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
        /// rows that vacuum has marked dead since
        pub dead: u32,
        /// 0 graph, 1 flat, 2 lists, as in its header
        pub navigator: u32,
    }
}

on_disk! {
    /// The last time that rows were moved.
    pub struct LastMove: 16 {
        /// microseconds since 2000-01-01 UTC; 0: never
        pub at: u64,
        /// rows that were moved
        pub rows: u32,
        /// why: 1 size, 2 count, 3 age of the pending rows, 4 VACUUM, 5 asked for, 6 number of segments, 7 dead rows
        pub cause: u32,
    }
}

on_disk! {
    /// Block 0, at the start of the content.
    pub struct Meta: 6624 {
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
        /// what merges make: 1 graphs (hnsw), 2 lists (ivf)
        pub method: u8,
        /// own vector of a pending row: code of 1 float2, 2 int8, 3 int4, 7 int2; 4 bits; 5 sparse
        pub encoding: u8,
        /// option m, 2 to 100
        pub m: u16,
        /// option ef_construction, 4 to 1000
        pub ef_construction: u16,
        /// random number that tells this index from others in the same file
        pub index_id: u64,
        /// seed of the random rotation
        pub rotation_seed: u64,
        /// raised by every change of the manifest; appending pending pages is none
        pub generation: u64,
        /// microseconds since 2000-01-01 UTC when the oldest open chain began; 0 without one
        pub pending_since: u64,
        /// the last flush
        pub last_flush: LastMove,
        /// the last merge
        pub last_merge: LastMove,
        /// blocks that were given out a second time, in all
        pub reused: u64,
        /// flushes, in all
        pub flushes: u32,
        /// merges, in all
        pub merges: u32,
        /// blocks given out so far: those from here on are nobody's, whether the file has them or not
        pub blocks: u32,
        /// number of the next segment or chain, from 1
        pub next_segment: u32,
        /// entries of segments in use
        pub segment_count: u32,
        /// entries of sealed chains in use
        pub sealed_count: u32,
        /// entries of retired blocks in use
        pub retired_count: u32,
        /// attribute columns behind the vector: 0
        pub attribute_count: u32,
        /// lists: option lists, 0 for as many as suit the rows; else 0
        pub lists: u32,
        /// lists: own vector of a row in segments with lists, as encoding, or 6 none but the 1-bit code; else 0
        pub list_encoding: u32,
        /// zero
        pub reserved: [u32; 22],
        /// the chains that rows are appended to
        pub stripes: [Chain; 8],
        /// chains that get no more rows, oldest first
        pub sealed: [Chain; 32],
        /// free blocks for pending pages
        pub pool: [BlockRun; 16],
        /// blocks that a flush has claimed for the segment that it writes
        pub flush_claim: [BlockRun; 64],
        /// blocks that a merge of flat segments has claimed
        pub merge_claim: [BlockRun; 64],
        /// blocks that a merge of graphs has claimed
        pub large_claim: [BlockRun; 64],
        /// blocks that older snapshots may still read, oldest first
        pub retired: [Retired; 64],
        /// the segments, oldest first
        pub segments: [SegmentEntry; 128],
    }
}

/// What segments with lists are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOptions {
    /// Option `lists`; 0: as many as suit the rows.
    pub lists: u32,
    /// What they hold of a row's own vector.
    pub own: OwnCode,
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
    /// What segments with lists are made of, if merges make those.
    pub lists: Option<ListOptions>,
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
            method: if params.lists.is_some() { METHOD_LISTS } else { METHOD_GRAPH },
            encoding: params.encoding,
            m: params.m,
            ef_construction: params.ef_construction,
            index_id: params.index_id,
            rotation_seed: params.rotation_seed,
            generation: 1,
            pending_since: 0,
            last_flush: LastMove::NEVER,
            last_merge: LastMove::NEVER,
            reused: 0,
            flushes: 0,
            merges: 0,
            blocks: 1,
            next_segment: 1,
            segment_count: 0,
            sealed_count: 0,
            retired_count: 0,
            attribute_count: 0,
            lists: params.lists.map_or(0, |options| options.lists),
            list_encoding: params.lists.map_or(0, |options| u32::from(options.own.number())),
            reserved: [0; 22],
            stripes: [Chain::NONE; STRIPES],
            sealed: [Chain::NONE; SEALED_MAX],
            pool: [BlockRun::NONE; POOL_MAX],
            flush_claim: [BlockRun::NONE; CLAIM_MAX],
            merge_claim: [BlockRun::NONE; CLAIM_MAX],
            large_claim: [BlockRun::NONE; CLAIM_MAX],
            retired: [Retired::NONE; RETIRED_MAX],
            segments: [SegmentEntry::NONE; SEGMENTS_MAX],
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
            && self.own_code().is_some_and(|own| own.is_of(element) && own != OwnCode::Sign)
            && (self.method == METHOD_GRAPH
                || self.list_options().is_some_and(|lists| lists.own.is_of(element)))
            && (2..=100).contains(&self.m)
            && self.attribute_count == 0
            && (1..BLOCKS_MAX).contains(&self.blocks)
            && self.next_segment > 0
            && self.are_blocks_sound()
            && self.pending_entries().is_some_and(|entries| entries.fits_page())
            && self.segment_count as usize <= SEGMENTS_MAX
            && self.sealed_count as usize <= SEALED_MAX
            && self.retired_count as usize <= RETIRED_MAX
    }

    /// Whether what is used as a block was given out, and is not this one.
    fn are_blocks_sound(&self) -> bool {
        let is_block = |block: u32| (1..self.blocks).contains(&block);
        let is_run = |run: &BlockRun| run.count == 0 || run.block > 0 && run.end() <= u64::from(self.blocks);
        let claims = [&self.flush_claim, &self.merge_claim, &self.large_claim];
        self.chains().all(|chain| is_block(chain.head) && is_block(chain.tail))
            && self.segments().iter().all(|entry| is_block(entry.header))
            && self.retired().iter().all(|entry| is_block(entry.page))
            && self.pool.iter().chain(claims.into_iter().flatten()).all(is_run)
    }

    /// What the column's values are made of, if the number is known.
    pub fn element(&self) -> Option<Element> {
        Element::from_number(self.element)
    }

    /// How own vectors are stored, if the number is known.
    pub fn own_code(&self) -> Option<OwnCode> {
        OwnCode::from_number(self.encoding)
    }

    /// What segments with lists are made of, if merges make those.
    pub fn list_options(&self) -> Option<ListOptions> {
        let number = u8::try_from(self.list_encoding).ok().filter(|_| self.method == METHOD_LISTS);
        Some(ListOptions { lists: self.lists, own: OwnCode::from_number(number?)? })
    }

    /// The shape of pending rows, if the numbers make one.
    pub fn pending_entries(&self) -> Option<Entries> {
        self.own_code().map(|own| Entries::new(own, self.padded_dim as usize))
    }

    /// The segments in use.
    pub fn segments(&self) -> &[SegmentEntry] {
        &self.segments[..(self.segment_count as usize).min(SEGMENTS_MAX)]
    }

    /// The chains that get no more rows.
    pub fn sealed(&self) -> &[Chain] {
        &self.sealed[..(self.sealed_count as usize).min(SEALED_MAX)]
    }

    /// The chains that rows are appended to.
    pub fn open(&self) -> impl Iterator<Item = &Chain> {
        self.stripes.iter().filter(|chain| chain.number != 0)
    }

    /// All chains of pending rows.
    pub fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.sealed().iter().chain(self.open())
    }

    /// The blocks that older snapshots may still read.
    pub fn retired(&self) -> &[Retired] {
        &self.retired[..(self.retired_count as usize).min(RETIRED_MAX)]
    }

    /// Pages of pending rows.
    pub fn pending_pages(&self) -> u64 {
        self.chains().map(|chain| u64::from(chain.pages)).sum()
    }

    /// A number for a new segment or chain.
    ///
    /// # Errors
    /// If there are no more numbers.
    pub fn draw_number(&mut self) -> Result<u32, PageError> {
        let number = self.next_segment;
        self.next_segment =
            number.checked_add(1).ok_or(PageError::damaged(0, "number of the next segment"))?;
        Ok(number)
    }

    /// A block for a pending page, from those set aside or behind all others.
    ///
    /// # Errors
    /// If there are no more blocks.
    pub fn draw_block(&mut self) -> Result<BlockNumber, PageError> {
        if let Some(run) = self.pool.iter_mut().find(|run| run.count > 0) {
            let block = run.block;
            *run = BlockRun { block: block + 1, count: run.count - 1 };
            self.reused += 1;
            return Ok(block);
        }
        let block = self.blocks;
        self.blocks = block + 1;
        if self.blocks < BLOCKS_MAX { Ok(block) } else { Err(PageError::damaged(0, "number of blocks")) }
    }
}

impl Chain {
    /// No chain.
    pub const NONE: Self = Self { number: 0, head: NO_BLOCK, tail: NO_BLOCK, pages: 0 };
}

impl BlockRun {
    /// No blocks.
    pub const NONE: Self = Self { block: 0, count: 0 };

    /// The block behind the last one.
    pub fn end(&self) -> u64 {
        u64::from(self.block) + u64::from(self.count)
    }
}

impl Retired {
    /// An entry that is not in use.
    pub const NONE: Self = Self { stamp: 0, page: NO_BLOCK, blocks: 0 };
}

impl SegmentEntry {
    /// An entry that is not in use.
    pub const NONE: Self = Self { segment: 0, header: NO_BLOCK, rows: 0, pages: 0, dead: 0, navigator: 0 };

    /// Whether it has no graph.
    pub fn is_flat(&self) -> bool {
        self.navigator == FLAT
    }

    /// Rows that vacuum has not marked.
    pub fn live(&self) -> u32 {
        self.rows.saturating_sub(self.dead)
    }
}

impl LastMove {
    /// It never happened.
    pub const NEVER: Self = Self { at: 0, rows: 0, cause: 0 };
}

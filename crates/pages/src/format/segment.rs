//! The first page of a segment: where its parts are and how far to search it.
//!
//! A segment's other pages are numbered from 0 in the order in which they were written; the extents say where they
//! lie in the file. Centroid, nodes and TIDs are runs of such numbers. The header is written last.

use super::meta::{FLAT, LISTS};
use super::page::{self, CONTENT_BYTES, PageKind, read_at, write_at};
use crate::error::PageError;
use crate::pager::{BlockNumber, PageBytes};
use crate::plan::{NodePlan, OwnCode};

/// Runs of adjacent blocks that one segment can have.
pub const EXTENTS_MAX: usize = 512;
/// Points of the calibration curve.
pub const CURVE_POINTS: usize = 16;
/// Heap TIDs on one page.
pub const TIDS_PER_PAGE: u32 = (CONTENT_BYTES / size_of::<TidEntry>()) as u32;

/// The row is dead: vacuum saw it.
pub const TID_DEAD: u16 = 1;
/// The row has no place in the order and comes first (its distance must be computed from the heap).
pub const TID_FIRST: u16 = 2;
/// The row's distance is NaN, so it comes last.
pub const TID_LAST: u16 = 4;

on_disk! {
    /// The heap TID of one row; pages of kind 5 are arrays of these, by row.
    pub struct TidEntry: 8 {
        /// heap block
        pub block: u32,
        /// heap offset, from 1
        pub offset: u16,
        /// 1 dead, 2 always first, 4 always last
        pub flags: u16,
    }
}

on_disk! {
    /// A run of adjacent blocks.
    pub struct Extent: 8 {
        /// number in the segment of its first page
        pub page: u32,
        /// block of its first page
        pub block: u32,
    }
}

on_disk! {
    /// One measured point of the segment's calibration.
    pub struct CurvePoint: 8 {
        /// recall@10 of the segment's own rows
        pub recall: f32,
        /// the stopping factor that reached it
        pub gamma: f32,
    }
}

on_disk! {
    /// Content of a segment's first page.
    pub struct SegmentHeader: 4480 {
        /// rows, those without a place in the order included
        pub rows: u32,
        /// rows that nodes refer to; the others follow them
        pub ranked_rows: u32,
        /// nodes that stand for rows
        pub nodes: u32,
        /// graph: nodes behind them whose neighbors are the entry points; flat: pages with the codes of all nodes
        pub routers: u32,
        /// neighbors that a node can have; flat: 0
        pub lanes: u16,
        /// bytes of a node
        pub node_bytes: u16,
        /// nodes on one page
        pub nodes_per_page: u16,
        /// own vector of a node: code of 1 float2, 2 int8, 3 int4, 7 int2; 4 bits; 5 address of a sparse vector; 6 none
        pub encoding: u8,
        /// 1: nodes hold 1-bit codes of their neighbors, or routers those of all nodes; 0: only their numbers
        pub inline: u8,
        /// inner product: largest norm of a row; else 0
        pub norm_max: f32,
        /// pages of the centroid: first page
        pub centroid_page: u32,
        /// nodes: first page
        pub node_page: u32,
        /// TIDs: first page
        pub tid_page: u32,
        /// pages of the segment, this one left out
        pub pages: u32,
        /// extents in use
        pub extent_count: u32,
        /// points of the curve in use
        pub curve_count: u32,
        /// sparse vectors: first page
        pub vector_page: u32,
        /// sparse vectors: bytes of all of them, low and high word
        pub vector_bytes: [u32; 2],
        /// what leads to the nodes: 0 a graph, 1 flat: codes of all of them, 2 flat with lists
        pub navigator: u32,
        /// flat: first page of the routers; else 0
        pub router_page: u32,
        /// lists, each of adjacent nodes; else 0
        pub lists: u32,
        /// lists: first page of the lists' own nodes, whose rows are the nodes of the segment; else 0
        pub list_page: u32,
        /// lists: first page of the routers of those; else 0
        pub list_router_page: u32,
        /// points of the lists' curve in use
        pub list_curve_count: u32,
        /// zero; attribute columns will be described here
        pub reserved: [u32; 10],
        /// recall over effort, ascending
        pub curve: [CurvePoint; 16],
        /// lists: recall over the number of lists that are read (gamma), ascending
        pub list_curve: [CurvePoint; 16],
        /// where the pages are, ascending
        pub extents: [Extent; 512],
    }
}

impl SegmentHeader {
    /// Writes it as a whole page.
    pub fn store_new(&self, bytes: &mut PageBytes, segment: u32) {
        page::init(bytes, PageKind::Segment, segment);
        write_at(page::content_mut(bytes), 0, self);
        page::set_used(bytes, size_of::<Self>());
    }

    /// Reads a segment's first page.
    ///
    /// # Errors
    /// If it is another page or contradicts itself: every number that is used as an index later is checked here.
    pub fn load(
        bytes: &PageBytes,
        block: BlockNumber,
        segment: u32,
        padded_dim: u32,
    ) -> Result<Self, PageError> {
        page::check(bytes, block, PageKind::Segment, segment)?;
        let header: Self = read_at(page::content(bytes), 0);
        if header.is_sound(padded_dim) {
            Ok(header)
        } else {
            Err(PageError::damaged(block, "segment header"))
        }
    }

    fn is_sound(&self, padded_dim: u32) -> bool {
        let Some(plan) = self.plan(padded_dim as usize) else { return false };
        let routers_among_nodes = if plan.is_flat() { 0 } else { self.routers };
        let node_pages = (u64::from(self.nodes) + u64::from(routers_among_nodes))
            .div_ceil(u64::from(self.nodes_per_page.max(1)));
        let router_pages = self.routers - routers_among_nodes;
        let list_plan = plan.of_lists();
        let list_pages = u64::from(self.lists).div_ceil(list_plan.nodes_per_page().max(1) as u64);
        let list_router_pages = list_plan.routers().count(self.lists);
        let ends = [
            u64::from(self.list_page) + list_pages,
            u64::from(self.list_router_page) + u64::from(list_router_pages),
            u64::from(self.node_page) + node_pages,
            u64::from(self.router_page) + u64::from(router_pages),
            u64::from(self.tid_page) + u64::from(self.rows).div_ceil(u64::from(TIDS_PER_PAGE)),
            u64::from(self.centroid_page) + u64::from(centroid_pages(plan.own(), padded_dim)),
            u64::from(self.vector_page) + self.vector_bytes().div_ceil(CONTENT_BYTES as u64),
        ];
        plan.node_bytes() == usize::from(self.node_bytes)
            && plan.nodes_per_page() == usize::from(self.nodes_per_page)
            && self.navigator == if self.lists > 0 { LISTS } else { u32::from(plan.is_flat()) * FLAT }
            && (!plan.is_flat() || plan.routers().lanes() > 0)
            && (self.lists == 0
                || plan.is_flat() && self.lists <= self.nodes && list_plan.nodes_per_page() > 0)
            && self.list_curve_count as usize <= CURVE_POINTS
            && (if plan.is_flat() {
                self.routers == plan.routers().count(self.nodes)
            } else {
                self.router_page == 0
            })
            && self.ranked_rows <= self.rows
            && self.nodes <= self.ranked_rows
            && self.nodes.checked_add(self.routers).is_some()
            && ends.iter().all(|&end| end <= u64::from(self.pages))
            && (1..=EXTENTS_MAX as u32).contains(&self.extent_count)
            && self.extents[0].page == 0
            && self.extents[..self.extent_count as usize].windows(2).all(|pair| pair[0].page < pair[1].page)
            && self.curve_count as usize <= CURVE_POINTS
            && self.norm_max.is_finite()
    }

    /// The shape of the segment's nodes, if the numbers make one.
    pub fn plan(&self, padded_dim: usize) -> Option<NodePlan> {
        NodePlan::from_parts(padded_dim, usize::from(self.lanes), self.encoding, self.inline)
    }

    /// Bytes of all sparse vectors.
    #[inline]
    pub fn vector_bytes(&self) -> u64 {
        u64::from(self.vector_bytes[1]) << 32 | u64::from(self.vector_bytes[0])
    }

    /// The block of the segment's page number `page`.
    pub fn block_of(&self, page: u32) -> BlockNumber {
        let extents = &self.extents[..(self.extent_count as usize).clamp(1, EXTENTS_MAX)];
        let at =
            if extents.len() == 1 { 0 } else { extents.partition_point(|extent| extent.page <= page) - 1 };
        extents[at].block.wrapping_add(page - extents[at].page)
    }
}

/// Pages of a centroid; bits have none.
pub fn centroid_pages(own: OwnCode, padded_dim: u32) -> u32 {
    if own == OwnCode::Bits { 0 } else { padded_dim.div_ceil((CONTENT_BYTES / 4) as u32) }
}

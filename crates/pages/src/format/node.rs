//! A graph node: the row's own vector, and its neighbors with their 1-bit codes.
//!
//! ```text
//! | header | own vector | codes: dim/8 rows of `lanes` bytes |
//! | add: lanes x bf16 | mul: lanes x bf16 | ids: lanes x u32 |
//! ```
//! in the order of use, so that a hop reads it once from front to back. Nodes with more than 32 lanes repeat the
//! codes for each batch of 32 lanes. Nodes that are not inline have no codes and no factors. All offsets follow from
//! the [`NodePlan`]; a node starts at a multiple of 8 in the content.
//!
//! A sparse vector is not in the node: the node has its [`VectorAddress`]. Vectors lie one behind the other on pages
//! of their own, across the ends of pages, in the order of the nodes: first the indices (u32, ascending, from 0),
//! then the values (float4).

use super::page::{read_at, write_at};
use crate::plan::NodePlan;

on_disk! {
    /// The first bytes of a node.
    pub struct NodeHeader: 32 {
        /// first row with this vector
        pub row_start: u32,
        /// rows with this vector, adjacent
        pub row_count: u32,
        /// neighbors in use
        pub degree: u16,
        /// zero
        pub flags: u16,
        /// own vector = scale * code
        pub scale: f32,
        /// bound of |own vector - what the row holds|, in the L1 norm for metric 4, else L2
        pub error: f32,
        /// zero
        pub reserved: [u32; 3],
    }
}

on_disk! {
    /// In the place of a node's own vector, when those are on pages of their own: where it is.
    pub struct VectorAddress: 16 {
        /// bytes of the segment's vectors before it; each page of them is full but the last
        pub offset: u64,
        /// bytes of the vector
        pub bytes: u32,
        /// zero
        pub reserved: u32,
    }
}

impl VectorAddress {
    /// Reads the address that a node holds.
    pub fn load(own: &[u8]) -> Self {
        read_at(own, 0)
    }

    /// Writes it in the place of a node's own vector.
    pub fn store(&self, own: &mut [u8]) {
        write_at(own, 0, self);
    }
}

/// Most neighbors that one batch of codes covers.
pub const BATCH_LANES: usize = 32;

/// The bytes of one node.
#[derive(Clone, Copy)]
pub struct NodeView<'a> {
    plan: &'a NodePlan,
    bytes: &'a [u8],
}

impl<'a> NodeView<'a> {
    /// `bytes`: exactly [`NodePlan::node_bytes`].
    pub fn new(plan: &'a NodePlan, bytes: &'a [u8]) -> Self {
        assert_eq!(bytes.len(), plan.node_bytes());
        Self { plan, bytes }
    }

    /// The header.
    #[inline]
    pub fn header(&self) -> NodeHeader {
        read_at(self.bytes, 0)
    }

    /// The code of the node's own vector.
    #[inline]
    pub fn own(&self) -> &'a [u8] {
        &self.bytes[size_of::<NodeHeader>()..][..self.plan.own_bytes()]
    }

    /// Codes of the neighbors in a batch of lanes; what follows them in the node may be read over.
    #[inline]
    pub fn codes(&self, batch: usize) -> &'a [u8] {
        &self.bytes[self.plan.codes_offset(batch)..]
    }

    /// Factors `add` and `mul` of the neighbors in a batch.
    #[inline]
    pub fn factors(&self, batch: usize) -> (&'a [u8], &'a [u8]) {
        let lanes = self.plan.batch_lanes(batch);
        let start = self.plan.factors_offset() + batch * BATCH_LANES * 2;
        let mul = start + self.plan.lanes() * 2;
        (&self.bytes[start..start + lanes * 2], &self.bytes[mul..mul + lanes * 2])
    }

    /// The number of a neighbor.
    #[inline]
    pub fn neighbor(&self, lane: usize) -> u32 {
        let at = self.plan.ids_offset() + lane * 4;
        u32::from_ne_bytes([self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]])
    }
}

/// One neighbor to be written into a node.
#[derive(Clone, Copy, Debug)]
pub struct NeighborCode<'a> {
    /// Its number.
    pub id: u32,
    /// Its 1-bit code, dim/8 bytes; empty in nodes that are not inline.
    pub code: &'a [u8],
    /// bf16 of what is added to an estimate.
    pub add: u16,
    /// bf16 of what the dot product is multiplied with.
    pub mul: u16,
}

/// Writes the header and own vector of a node into `bytes`, which is zero.
pub fn write_own(bytes: &mut [u8], header: &NodeHeader, own: &[u8]) {
    write_at(bytes, 0, header);
    bytes[size_of::<NodeHeader>()..][..own.len()].copy_from_slice(own);
}

/// Writes neighbor number `lane` of a node.
pub fn write_neighbor(plan: &NodePlan, bytes: &mut [u8], lane: usize, neighbor: &NeighborCode<'_>) {
    let at = plan.ids_offset() + lane * 4;
    bytes[at..at + 4].copy_from_slice(&neighbor.id.to_ne_bytes());
    if !plan.is_inline() {
        return;
    }
    let (batch, place) = (lane / BATCH_LANES, lane % BATCH_LANES);
    let lanes = plan.batch_lanes(batch);
    let codes = &mut bytes[plan.codes_offset(batch)..];
    quant::rabitq::place(codes, lanes, place, neighbor.code);
    let add = plan.factors_offset() + lane * 2;
    bytes[add..add + 2].copy_from_slice(&neighbor.add.to_ne_bytes());
    let mul = add + plan.lanes() * 2;
    bytes[mul..mul + 2].copy_from_slice(&neighbor.mul.to_ne_bytes());
}

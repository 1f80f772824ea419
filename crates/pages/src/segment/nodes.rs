//! The nodes of a segment in the order of their numbers: what a merge reads.

use super::read::SegmentState;
use super::vectors;
use crate::error::PageError;
use crate::format::node::{NodeHeader, NodeView, VectorAddress};
use crate::format::page::{self, PageKind};
use crate::pager::Pager;
use crate::plan::OwnCode;
use crate::space::Space;

/// Reads the nodes of a segment page by page.
pub struct NodePages<'a, P> {
    pager: &'a P,
    space: &'a Space,
    state: &'a SegmentState,
    next: u32,
    next_row: u32,
    elsewhere: Vec<(NodeHeader, VectorAddress)>,
    on_routers: Vec<(NodeHeader, u32)>,
    vector: Vec<u8>,
}

impl<'a, P: Pager> NodePages<'a, P> {
    /// From the first.
    pub fn new(pager: &'a P, space: &'a Space, state: &'a SegmentState) -> Self {
        let (elsewhere, on_routers, vector) = (Vec::new(), Vec::new(), Vec::new());
        Self { pager, space, state, next: 0, next_row: 0, elsewhere, on_routers, vector }
    }

    /// The number of the next node.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Calls `visit` with the header and the own vector of each node of the next page; sparse vectors as pages hold
    /// them, and the code on the router where nodes have nothing else. Holds one page at a time, and none while
    /// `visit` runs for what is not in the node. Returns false behind the last page.
    ///
    /// # Errors
    /// If a page is damaged.
    pub fn next_page(&mut self, visit: &mut dyn FnMut(&NodeHeader, &[u8])) -> Result<bool, PageError> {
        let (state, header) = (self.state, &self.state.header);
        if self.next >= header.nodes {
            let is_whole = self.next_row == header.ranked_rows;
            return if is_whole { Ok(false) } else { Err(PageError::damaged(0, "rows of a segment")) };
        }
        let per_page = u32::from(header.nodes_per_page);
        let first = self.next;
        self.next = header.nodes.min(first.saturating_add(per_page));
        let block = header.block_of(header.node_page + first / per_page);
        let bytes = self.pager.read(block)?;
        page::check(&bytes, block, PageKind::Nodes, state.segment)?;
        for id in first..self.next {
            let start = (id - first) as usize * state.plan.node_bytes();
            let node = NodeView::new(&state.plan, &page::content(&bytes)[start..][..state.plan.node_bytes()]);
            let own = node.header();
            let end = self.next_row.checked_add(own.row_count).filter(|&end| end <= header.ranked_rows);
            let is_number = own.scale.is_finite() && (0.0..f32::INFINITY).contains(&own.error);
            let Some(end) = end.filter(|_| own.row_start == self.next_row && is_number) else {
                return Err(PageError::damaged(block, "graph node"));
            };
            self.next_row = end;
            match state.plan.own() {
                OwnCode::Elsewhere => self.elsewhere.push((own, VectorAddress::load(node.own()))),
                OwnCode::Sign => self.on_routers.push((own, id)),
                OwnCode::Residual(_) | OwnCode::Bits => visit(&own, node.own()),
            }
        }
        drop(bytes);
        for (own, address) in self.elsewhere.drain(..) {
            let from = (state.segment, header);
            vectors::read(self.pager, from, (address, block), self.space.dim() as u32, &mut self.vector)?;
            visit(&own, &self.vector);
        }
        for (own, id) in self.on_routers.drain(..) {
            state.read_code(self.pager, id, &mut self.vector)?;
            visit(&own, &self.vector);
        }
        Ok(true)
    }
}

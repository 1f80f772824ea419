//! A segment as a graph to be searched: one page per hop. Of a flat segment, whole pages of codes are read in
//! sequence, and then the own vectors of the nodes whose estimates are below the threshold.
//!
//! Locks: one share lock at a time, held while a node is read, none on return. Everything that comes off a page is
//! checked before it is used as an index: a damaged page is an error with its block, never a panic or a loop.

use std::ops::Range;

use ann::search::{Graph, Hop, Measured};
use kernels::Kernels;

use super::lists::Lists;
use super::vectors;
use crate::error::PageError;
use crate::format::node::{BATCH_LANES, NodeHeader, NodeView, VectorAddress};
use crate::format::page::{self, PageKind, read_at};
use crate::format::router::RouterView;
use crate::format::segment::{SegmentHeader, centroid_pages};
use crate::pager::{BlockNumber, Pager};
use crate::plan::{NodePlan, OwnCode};
use crate::space::{Query, SegmentQuery, Space};

/// What a backend keeps of a segment between queries.
#[derive(Clone)]
pub struct SegmentState {
    /// Number of the segment.
    pub segment: u32,
    /// Its first page.
    pub header: SegmentHeader,
    /// The shape of its nodes.
    pub plan: NodePlan,
    /// The mean that its codes are relative to: [`Space::width`].
    pub centroid: Vec<f32>,
}

impl SegmentState {
    /// Reads the header and the centroid.
    ///
    /// # Errors
    /// If a page is damaged.
    pub fn load<P: Pager>(
        pager: &P,
        space: &Space,
        segment: u32,
        block: BlockNumber,
    ) -> Result<Self, PageError> {
        let padded_dim = space.padded_dim() as u32;
        let header = SegmentHeader::load(&*pager.read(block)?, block, segment, padded_dim)?;
        if header.pages > pager.block_count() {
            return Err(PageError::damaged(block, "size of the segment"));
        }
        let plan =
            header.plan(space.padded_dim()).ok_or(PageError::damaged(block, "node shape of the segment"))?;
        if plan.is_inline() && !space.has_estimates() || !plan.own().is_of(space.element()) {
            return Err(PageError::damaged(block, "node shape of the segment"));
        }
        let pages = centroid_pages(plan.own(), padded_dim);
        let blocks = (0..pages).map(|at| header.block_of(header.centroid_page + at));
        let centroid = load_centroid(pager, space.width(), segment, blocks)?;
        Ok(Self { segment, header, plan, centroid })
    }

    /// The numbers of its routers, or of its lists.
    pub(super) fn behind_nodes(&self) -> Range<u32> {
        let count = if self.header.lists > 0 { self.header.lists } else { self.header.routers };
        self.header.nodes..self.header.nodes + count
    }

    /// Reads the 1-bit code of a node from its router in a flat segment. Holds one share lock, none on return.
    pub(super) fn read_code<P: Pager>(&self, pager: &P, id: u32, out: &mut Vec<u8>) -> Result<(), PageError> {
        let plan = self.plan.routers();
        let lanes = plan.lanes() as u32;
        let block = self.header.block_of(self.header.router_page + id / lanes);
        let bytes = pager.read(block)?;
        page::check(&bytes, block, PageKind::Routers, self.segment)?;
        RouterView::new(plan, page::content(&bytes)).code((id % lanes) as usize, out);
        Ok(())
    }

    /// The block of the page with node `id`, and where the node starts in its content.
    #[inline]
    fn locate(&self, id: u32) -> (BlockNumber, usize) {
        let per_page = u32::from(self.header.nodes_per_page);
        let block = self.header.block_of(self.header.node_page + id / per_page);
        (block, (id % per_page) as usize * self.plan.node_bytes())
    }
}

/// Reads a centroid of `width` coordinates from its pages.
///
/// # Errors
/// If a page is not a centroid's of this segment, or holds a number that is not finite.
pub fn load_centroid<P: Pager>(
    pager: &P,
    width: usize,
    segment: u32,
    blocks: impl Iterator<Item = BlockNumber>,
) -> Result<Vec<f32>, PageError> {
    let mut centroid = Vec::with_capacity(width);
    for block in blocks {
        let bytes = pager.read(block)?;
        page::check(&bytes, block, PageKind::Centroid, segment)?;
        let content = page::content(&bytes);
        for at in 0..(content.len() / 4).min(width - centroid.len()) {
            let value: f32 = read_at(content, at * 4);
            if !value.is_finite() {
                return Err(PageError::damaged(block, "centroid"));
            }
            centroid.push(value);
        }
    }
    if centroid.len() == width { Ok(centroid) } else { Err(PageError::damaged(0, "centroid")) }
}

/// The rows of an element that a [`SegmentReader`] has measured.
pub fn rows_of(element: &Measured) -> Range<u32> {
    let start = (element.payload >> 32) as u32;
    start..start + element.payload as u32
}

fn payload_of(header: &NodeHeader) -> u64 {
    u64::from(header.row_start) << 32 | u64::from(header.row_count)
}

/// What a node says of its own vector.
enum Own {
    Measured(Measured),
    /// It is elsewhere.
    At(VectorAddress, NodeHeader),
    /// It is the code on its router.
    OnRouter(NodeHeader),
}

/// A segment measured against one query.
pub struct SegmentReader<'a, P> {
    pager: &'a P,
    state: &'a SegmentState,
    query: &'a SegmentQuery,
    kernels: &'static Kernels,
    /// The dimensions of a sparse vector.
    dim: u32,
    /// The sparse vector, or the code, that was read last.
    vector: Vec<u8>,
    /// Number of node 0 in what is reported.
    first: u32,
}

/// Codes that are estimated at once.
struct Batch<'a> {
    codes: &'a [u8],
    /// Factors (add, mul).
    factors: (&'a [u8], &'a [u8]),
    lanes: usize,
    /// Lanes in use.
    used: usize,
}

impl<'a, P: Pager> SegmentReader<'a, P> {
    /// A reader of `state` for a query prepared by [`SegmentReader::prepare`].
    pub fn new(pager: &'a P, space: &Space, state: &'a SegmentState, query: &'a SegmentQuery) -> Self {
        let dim = space.dim() as u32;
        Self { pager, state, query, kernels: Kernels::get(), dim, vector: Vec::new(), first: 0 }
    }

    /// The same with the numbers of its elements counted from `first`, and room for a sparse vector.
    pub(super) fn numbered_from(self, first: u32, vector: Vec<u8>) -> Self {
        Self { first, vector, ..self }
    }

    /// The room for a sparse vector.
    pub(super) fn into_vector(self) -> Vec<u8> {
        self.vector
    }

    /// `query` in this segment's terms.
    pub fn prepare(space: &Space, state: &SegmentState, query: &Query) -> SegmentQuery {
        SegmentQuery::new(space, query, state.plan.own(), &state.centroid, state.header.norm_max)
    }

    #[inline]
    fn with_node<R>(
        &self,
        id: u32,
        use_node: impl FnOnce(NodeView<'_>, BlockNumber) -> Result<R, PageError>,
    ) -> Result<R, PageError> {
        let (block, offset) = self.state.locate(id);
        let bytes = self.pager.read(block)?;
        page::check(&bytes, block, PageKind::Nodes, self.state.segment)?;
        let plan = &self.state.plan;
        use_node(NodeView::new(plan, &page::content(&bytes)[offset..][..plan.node_bytes()]), block)
    }

    #[inline]
    fn checked_header(
        &self,
        node: &NodeView<'_>,
        block: BlockNumber,
        id: u32,
    ) -> Result<NodeHeader, PageError> {
        let header = node.header();
        let end = u64::from(header.row_start) + u64::from(header.row_count);
        let is_element = id < self.state.header.nodes;
        let is_sound = usize::from(header.degree) <= self.state.plan.lanes()
            && header.scale.is_finite()
            && (0.0..f32::INFINITY).contains(&header.error)
            && end <= u64::from(self.state.header.ranked_rows)
            && (header.row_count > 0) == is_element;
        if is_sound { Ok(header) } else { Err(PageError::damaged(block, "graph node")) }
    }

    /// Measures the node if its own vector is in it.
    #[inline]
    fn measure(&self, node: &NodeView<'_>, header: &NodeHeader, id: u32) -> Own {
        match self.state.plan.own() {
            OwnCode::Elsewhere => return Own::At(VectorAddress::load(node.own()), *header),
            OwnCode::Sign => return Own::OnRouter(*header),
            OwnCode::Residual(_) | OwnCode::Bits => {}
        }
        let payload = payload_of(header);
        let measured = self.query.measure(node.own(), header.scale, header.error);
        Own::Measured(Measured { id: self.first + id, payload, ..measured })
    }

    /// The element of a node that is read; reads its own vector if that is elsewhere. No lock may be held.
    #[inline]
    fn element(&mut self, own: Own, id: u32) -> Result<Measured, PageError> {
        let header = match own {
            Own::Measured(measured) => return Ok(measured),
            Own::At(address, header) => {
                let (from, block) = ((self.state.segment, &self.state.header), self.state.locate(id).0);
                vectors::read(self.pager, from, (address, block), self.dim, &mut self.vector)?;
                header
            }
            Own::OnRouter(header) => {
                self.state.read_code(self.pager, id, &mut self.vector)?;
                header
            }
        };
        let measured = self.query.measure(&self.vector, header.scale, header.error);
        Ok(Measured { id: self.first + id, payload: payload_of(&header), ..measured })
    }

    #[inline]
    fn checked_neighbor(
        &self,
        node: &NodeView<'_>,
        lane: usize,
        block: BlockNumber,
    ) -> Result<u32, PageError> {
        let id = node.neighbor(lane);
        if id < self.state.header.nodes { Ok(id) } else { Err(PageError::damaged(block, "neighbor")) }
    }

    /// A hop over a node that holds its neighbors' codes.
    #[inline]
    fn expand_inline(
        &self,
        node: &NodeView<'_>,
        degree: usize,
        block: BlockNumber,
        hop: &mut Hop<'_>,
    ) -> Result<(), PageError> {
        let plan = &self.state.plan;
        let mut estimates = [0f32; 32];
        for at in 0..plan.batches() {
            let first = at * 32;
            if first >= degree {
                break;
            }
            let (codes, factors, lanes) = (node.codes(at), node.factors(at), plan.batch_lanes(at));
            let batch = Batch { codes, factors, lanes, used: lanes.min(degree - first) };
            let mut mask = self.below(&batch, hop.threshold, &mut estimates);
            while mask != 0 {
                let lane = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let id = self.first + self.checked_neighbor(node, first + lane, block)?;
                if hop.seen.insert(id) {
                    hop.candidates.push((estimates[lane], id));
                }
            }
        }
        Ok(())
    }

    /// The lanes whose estimates are below the threshold, as a mask.
    #[inline]
    fn below(&self, batch: &Batch<'_>, threshold: f32, estimates: &mut [f32; 32]) -> u32 {
        self.query.estimate(self.kernels, batch.codes, batch.factors, batch.lanes, estimates);
        self.kernels.below(estimates, batch.used, threshold)
    }

    /// Reads one router of a flat segment.
    fn expand_router(&self, router: u32, hop: &mut Hop<'_>) -> Result<(), PageError> {
        let lanes = self.state.plan.routers().lanes() as u32;
        let start = router * lanes;
        self.read_codes(router, start..self.state.header.nodes.min(start + lanes), hop)
    }

    /// Reads a list.
    fn expand_list(&self, list: u32, hop: &mut Hop<'_>) -> Result<(), PageError> {
        let lists = Lists::new(self.pager, self.state.segment, &self.state.header, &self.state.plan);
        let nodes = lists.nodes_of(list)?;
        let lanes = self.state.plan.routers().lanes() as u32;
        for router in nodes.start / lanes..nodes.end.div_ceil(lanes) {
            if (router + 1) * lanes < nodes.end {
                self.prefetch_router(router + 1);
            }
            self.read_codes(router, nodes.clone(), hop)?;
        }
        Ok(())
    }

    /// Reads the codes of those nodes on a router that `nodes` has.
    fn read_codes(&self, router: u32, nodes: Range<u32>, hop: &mut Hop<'_>) -> Result<(), PageError> {
        let plan = self.state.plan.routers();
        let start = router * plan.lanes() as u32;
        let lanes =
            nodes.start.saturating_sub(start) as usize..((nodes.end - start) as usize).min(plan.lanes());
        let block = self.state.header.block_of(self.state.header.router_page + router);
        let bytes = self.pager.read(block)?;
        page::check(&bytes, block, PageKind::Routers, self.state.segment)?;
        let view = RouterView::new(plan, page::content(&bytes));
        let mut estimates = [0f32; 32];
        for at in lanes.start / BATCH_LANES..lanes.end.div_ceil(BATCH_LANES) {
            let (codes, factors, in_batch) = (view.codes(at), view.factors(at), plan.batch_lanes(at));
            let first = at * BATCH_LANES;
            let batch = Batch { codes, factors, lanes: in_batch, used: in_batch.min(lanes.end - first) };
            let mut mask = self.below(&batch, hop.threshold, &mut estimates);
            // What comes before belongs to another list.
            mask &= u32::MAX.unbounded_shl(lanes.start.saturating_sub(first) as u32);
            while mask != 0 {
                let lane = mask.trailing_zeros();
                mask &= mask - 1;
                let id = self.first + start + first as u32 + lane;
                if hop.seen.insert(id) {
                    hop.candidates.push((estimates[lane as usize], id));
                }
            }
        }
        Ok(())
    }

    /// A hop over a node, router or list whose number here is `id`.
    pub(super) fn expand_own(&mut self, id: u32, hop: &mut Hop<'_>) -> Result<(), PageError> {
        let (nodes, plan) = (self.state.header.nodes, &self.state.plan);
        if plan.is_flat() && id >= nodes {
            let behind = id - nodes;
            let has_lists = self.state.header.lists > 0;
            return if has_lists { self.expand_list(behind, hop) } else { self.expand_router(behind, hop) };
        }
        if !plan.is_inline() {
            return self.expand_exactly(id, hop);
        }
        hop.is_leaf = plan.is_flat();
        let own = self.with_node(id, |node, block| {
            let header = self.checked_header(&node, block, id)?;
            let own = (id < nodes).then(|| self.measure(&node, &header, id));
            self.expand_inline(&node, usize::from(header.degree), block, hop)?;
            Ok(own)
        })?;
        if let Some(own) = own {
            hop.measured.push(self.element(own, id)?);
        }
        Ok(())
    }

    /// A hop over a node that holds its neighbors' numbers only: it reads all of them.
    fn expand_exactly(&mut self, id: u32, hop: &mut Hop<'_>) -> Result<(), PageError> {
        let mut met = Vec::with_capacity(self.state.plan.lanes());
        self.with_node(id, |node, block| {
            let header = self.checked_header(&node, block, id)?;
            for lane in 0..usize::from(header.degree) {
                let neighbor = self.checked_neighbor(&node, lane, block)?;
                if hop.seen.insert(self.first + neighbor) {
                    met.push(neighbor);
                }
            }
            Ok(())
        })?;
        for (at, &id) in met.iter().enumerate() {
            if let Some(&next) = met.get(at + 1) {
                self.prefetch_own(next);
            }
            let own = self.with_node(id, |node, block| {
                let header = self.checked_header(&node, block, id)?;
                Ok(self.measure(&node, &header, id))
            })?;
            let element = self.element(own, id)?;
            hop.measured.push(element);
            hop.candidates.push((element.key, element.id));
        }
        Ok(())
    }

    fn prefetch_router(&self, router: u32) {
        let block = self.state.header.block_of(self.state.header.router_page + router);
        self.pager.prefetch(block, page::CONTENT_START, self.state.plan.routers().bytes());
    }

    /// Says that the node or router whose number here is `id` will be read soon.
    pub(super) fn prefetch_own(&self, id: u32) {
        let (header, plan) = (&self.state.header, &self.state.plan);
        if plan.is_flat() && id >= header.nodes {
            // Where a list begins is not known yet.
            if header.lists == 0 {
                self.prefetch_router(id - header.nodes);
            }
            return;
        }
        let (block, offset) = self.state.locate(id);
        let length = plan.node_bytes();
        self.pager.prefetch(block, page::CONTENT_START + offset, length);
    }
}

impl<P: Pager> Graph for SegmentReader<'_, P> {
    type Error = PageError;

    fn element_count(&self) -> u32 {
        self.state.header.nodes
    }

    fn routers(&self) -> Range<u32> {
        if self.state.plan.is_flat() { 0..0 } else { self.state.behind_nodes() }
    }

    fn parts(&self) -> usize {
        usize::from(!self.state.plan.is_flat())
    }

    fn lists(&self) -> Range<u32> {
        if self.state.plan.is_flat() { self.state.behind_nodes() } else { 0..0 }
    }

    fn rejects(&self) -> bool {
        self.state.plan.is_inline()
    }

    fn expand(&mut self, id: u32, hop: &mut Hop<'_>) -> Result<(), PageError> {
        self.expand_own(id, hop)
    }

    fn prefetch(&self, id: u32) {
        self.prefetch_own(id);
    }

    fn measure_all(&mut self, visit: &mut dyn FnMut(Measured)) -> Result<(), PageError> {
        let header = &self.state.header;
        let per_page = u32::from(header.nodes_per_page);
        let plan = &self.state.plan;
        let mut on_page = Vec::with_capacity(per_page as usize);
        for first in (0..header.nodes).step_by(per_page as usize) {
            let (block, _) = self.state.locate(first);
            let bytes = self.pager.read(block)?;
            page::check(&bytes, block, PageKind::Nodes, self.state.segment)?;
            for id in first..(first + per_page).min(header.nodes) {
                let start = (id - first) as usize * plan.node_bytes();
                let node = NodeView::new(plan, &page::content(&bytes)[start..][..plan.node_bytes()]);
                let header = self.checked_header(&node, block, id)?;
                on_page.push((self.measure(&node, &header, id), id));
            }
            drop(bytes);
            for (own, id) in on_page.drain(..) {
                visit(self.element(own, id)?);
            }
        }
        Ok(())
    }
}

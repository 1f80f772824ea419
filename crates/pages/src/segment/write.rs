//! Writing a segment: centroid, nodes and TIDs as pages, the header last.

use ann::build::FlatGraph;

use super::encode::EncodedNodes;
use crate::error::PageError;
use crate::format::meta::{FLAT, LISTS, SegmentEntry};
use crate::format::node::{NeighborCode, NodeHeader, VectorAddress, write_neighbor, write_own};
use crate::format::page::{self, CONTENT_BYTES, PageKind, write_at};
use crate::format::router::write_code;
use crate::format::segment::{
    CURVE_POINTS, CurvePoint, EXTENTS_MAX, Extent, SegmentHeader, TIDS_PER_PAGE, TidEntry, centroid_pages,
};
use crate::pager::{BlockNumber, BulkWriter, NO_BLOCK, PAGE_SIZE, PageBytes};
use crate::plan::{NodePlan, OwnCode};

/// Pages of one segment, in the order in which they are written.
pub(super) struct SegmentPages<'w, W> {
    writer: &'w mut W,
    segment: u32,
    pages: u32,
    extents: Vec<Extent>,
    last: BlockNumber,
}

impl<'w, W: BulkWriter> SegmentPages<'w, W> {
    /// None yet.
    pub fn new(writer: &'w mut W, segment: u32) -> Self {
        Self { writer, segment, pages: 0, extents: Vec::new(), last: NO_BLOCK }
    }

    /// Pages that were written.
    pub fn count(&self) -> u32 {
        self.pages
    }

    fn append(&mut self, bytes: &PageBytes) -> Result<(), PageError> {
        let block = self.writer.append(bytes)?;
        if self.extents.is_empty() || block != self.last.wrapping_add(1) {
            self.extents.push(Extent { page: self.pages, block });
        }
        self.last = block;
        self.pages += 1;
        Ok(())
    }

    /// The header of a segment whose other pages are written, without a calibration.
    ///
    /// `nodes`: what all of them share, and the lists.
    ///
    /// # Errors
    /// If the blocks that the writer gave are too scattered for the header's extents.
    pub fn header(self, nodes: &EncodedNodes, contents: &Contents) -> Result<SegmentHeader, PageError> {
        if self.extents.len() > EXTENTS_MAX {
            return Err(PageError::damaged(self.last, "free space too scattered for a segment"));
        }
        let mut extents = [Extent { page: 0, block: 0 }; EXTENTS_MAX];
        extents[..self.extents.len()].copy_from_slice(&self.extents);
        let plan = &nodes.plan;
        let lists = nodes.lists.as_ref().map_or(0, |lists| lists.count() as u32);
        let vector_bytes = contents.vector_bytes;
        Ok(SegmentHeader {
            rows: contents.ranked_rows + nodes.unranked.len() as u32,
            ranked_rows: contents.ranked_rows,
            nodes: contents.nodes,
            routers: contents.routers,
            lanes: plan.lanes() as u16,
            node_bytes: plan.node_bytes() as u16,
            nodes_per_page: plan.nodes_per_page() as u16,
            encoding: plan.own().number(),
            inline: u8::from(plan.is_inline()),
            norm_max: nodes.norm_max,
            centroid_page: 0,
            node_page: contents.node_page,
            tid_page: contents.tid_page,
            pages: self.pages,
            extent_count: self.extents.len() as u32,
            curve_count: 0,
            vector_page: if vector_bytes > 0 { contents.vector_page } else { 0 },
            vector_bytes: [vector_bytes as u32, (vector_bytes >> 32) as u32],
            navigator: if lists > 0 { LISTS } else { u32::from(plan.is_flat()) * FLAT },
            router_page: if plan.is_flat() { contents.router_page } else { 0 },
            lists,
            list_page: contents.list_page,
            list_router_page: contents.list_router_page,
            list_curve_count: 0,
            reserved: [0; 10],
            curve: [CurvePoint { recall: 0.0, gamma: 0.0 }; CURVE_POINTS],
            list_curve: [CurvePoint { recall: 0.0, gamma: 0.0 }; CURVE_POINTS],
            extents,
        })
    }
}

/// What a segment has, and its first pages of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contents {
    pub nodes: u32,
    pub ranked_rows: u32,
    pub routers: u32,
    pub node_page: u32,
    pub router_page: u32,
    pub tid_page: u32,
    pub list_page: u32,
    pub list_router_page: u32,
    pub vector_page: u32,
    pub vector_bytes: u64,
}

/// Writes all pages of a segment but its header, and returns the header without a calibration.
///
/// `graph` orders the nodes; it has no edges and seeds when the segment is flat. Holds no
/// locks between pages.
///
/// # Errors
/// What the writer raises, or when the blocks it gives are too scattered for the header's extents.
pub fn write_pages<W: BulkWriter>(
    writer: &mut W,
    segment: u32,
    nodes: &EncodedNodes,
    graph: &FlatGraph,
) -> Result<SegmentHeader, PageError> {
    let mut pages = SegmentPages::new(writer, segment);
    let mut contents = Contents {
        nodes: nodes.count() as u32,
        ranked_rows: nodes.row_tids.len() as u32,
        routers: graph.seeds.len().div_ceil(nodes.plan.lanes().max(1)) as u32,
        ..Contents::default()
    };
    write_centroid(&mut pages, nodes)?;
    contents.node_page = pages.pages;
    write_nodes(&mut pages, PageKind::Nodes, nodes, graph, NextNode::default())?;
    contents.router_page = pages.pages;
    if nodes.plan.is_flat() {
        contents.routers = write_flat_routers(&mut pages, PageKind::Routers, nodes, graph)?;
    }
    contents.tid_page = pages.pages;
    let mut tids = TidPages::new();
    let ranked = graph.order.iter().flat_map(|&node| rows_of(nodes, node));
    tids.write(&mut pages, ranked.chain(&nodes.unranked))?;
    tids.finish(&mut pages)?;
    write_lists(&mut pages, nodes, &mut contents)?;
    contents.vector_page = pages.pages;
    if nodes.plan.own() == OwnCode::Elsewhere {
        let vectors = graph.order.iter().map(|&node| nodes.own_of(node as usize));
        contents.vector_bytes = write_vectors(&mut pages, vectors)?;
    }
    pages.header(nodes, &contents)
}

/// Writes the lists, if there are some.
pub(super) fn write_lists<W: BulkWriter>(
    pages: &mut SegmentPages<'_, W>,
    nodes: &EncodedNodes,
    contents: &mut Contents,
) -> Result<(), PageError> {
    let Some(lists) = &nodes.lists else { return Ok(()) };
    let order = without_edges((0..lists.count() as u32).collect());
    contents.list_page = pages.pages;
    write_nodes(pages, PageKind::Lists, lists, &order, NextNode::default())?;
    contents.list_router_page = pages.pages;
    write_flat_routers(pages, PageKind::ListRouters, lists, &order)?;
    Ok(())
}

/// Nodes in this order, and nothing else.
pub fn without_edges(order: Vec<u32>) -> FlatGraph {
    FlatGraph { offsets: vec![0; order.len() + 1], order, ..FlatGraph::default() }
}

/// Writes the header page and returns what the manifest refers to.
///
/// # Errors
/// What the writer raises.
pub fn write_header<W: BulkWriter>(
    writer: &mut W,
    segment: u32,
    header: &SegmentHeader,
) -> Result<SegmentEntry, PageError> {
    let mut bytes = [0; PAGE_SIZE];
    header.store_new(&mut bytes, segment);
    Ok(SegmentEntry {
        segment,
        header: writer.append(&bytes)?,
        rows: header.rows,
        pages: header.pages + 1,
        dead: 0,
        navigator: header.navigator,
    })
}

fn rows_of(nodes: &EncodedNodes, node: u32) -> &[TidEntry] {
    let node = node as usize;
    &nodes.row_tids[nodes.row_offsets[node] as usize..nodes.row_offsets[node + 1] as usize]
}

/// Writes what codes are relative to, unless rows are bits.
pub(super) fn write_centroid<W: BulkWriter>(
    pages: &mut SegmentPages<'_, W>,
    nodes: &EncodedNodes,
) -> Result<(), PageError> {
    if nodes.plan.own() == OwnCode::Bits {
        return Ok(());
    }
    let per_page = CONTENT_BYTES / 4;
    let mut padded = nodes.centroid.clone();
    padded.resize(nodes.plan.padded_dim(), 0.0);
    for values in padded.chunks(per_page) {
        let mut bytes = [0; PAGE_SIZE];
        page::init(&mut bytes, PageKind::Centroid, pages.segment);
        for (at, value) in values.iter().enumerate() {
            write_at(page::content_mut(&mut bytes), at * 4, value);
        }
        page::set_used(&mut bytes, values.len() * 4);
        pages.append(&bytes)?;
    }
    Ok(())
}

/// Pages that [`write_pages`] will write.
pub fn pages_needed(nodes: &EncodedNodes, graph: &FlatGraph) -> u32 {
    let plan = &nodes.plan;
    let routers = if plan.is_flat() { 0 } else { graph.seeds.len().div_ceil(plan.lanes()) as u32 };
    let vector_bytes = if plan.own() == OwnCode::Elsewhere { nodes.own.len() } else { 0 };
    let contents = Contents {
        nodes: nodes.count() as u32,
        ranked_rows: nodes.row_tids.len() as u32,
        ..Contents::default()
    };
    pages_of(nodes, &Contents { routers, ..contents }) + vector_bytes.div_ceil(CONTENT_BYTES) as u32
}

/// Pages of the centroid, of nodes with their codes, TIDs, and lists.
///
/// `shared`: what nodes have in common. `contents`: how many there are; routers are a graph's.
pub(super) fn pages_of(shared: &EncodedNodes, contents: &Contents) -> u32 {
    let with_codes = |plan: &NodePlan, nodes: u32, routers: u32| {
        let code_pages = if plan.is_flat() { plan.routers().count(nodes) } else { 0 };
        (nodes + routers).div_ceil(plan.nodes_per_page() as u32) + code_pages
    };
    let plan = &shared.plan;
    let lists = shared.lists.as_ref().map_or(0, |lists| with_codes(&lists.plan, lists.count() as u32, 0));
    centroid_pages(plan.own(), plan.padded_dim() as u32)
        + with_codes(plan, contents.nodes, contents.routers)
        + (contents.ranked_rows + shared.unranked.len() as u32).div_ceil(TIDS_PER_PAGE)
        + lists
}

/// Writes nodes and the routers of a graph, all but the last page full; returns what is left to nodes that follow.
pub(super) fn write_nodes<W: BulkWriter>(
    pages: &mut SegmentPages<'_, W>,
    kind: PageKind,
    nodes: &EncodedNodes,
    graph: &FlatGraph,
    mut next: NextNode,
) -> Result<NextNode, PageError> {
    let plan = &nodes.plan;
    let routers: Vec<&[u32]> = graph.seeds.chunks(plan.lanes().max(1)).collect();
    let count = nodes.count() + routers.len();
    for first in (0..count).step_by(plan.nodes_per_page()) {
        let mut bytes = [0; PAGE_SIZE];
        page::init(&mut bytes, kind, pages.segment);
        let on_page = plan.nodes_per_page().min(count - first);
        for slot in 0..on_page {
            let out = &mut page::content_mut(&mut bytes)[slot * plan.node_bytes()..][..plan.node_bytes()];
            let position = first + slot;
            if position < nodes.count() {
                next = write_node(nodes, graph, position, next, out);
            } else {
                write_router(nodes, graph, routers[position - nodes.count()], out);
            }
        }
        page::set_used(&mut bytes, on_page * plan.node_bytes());
        pages.append(&bytes)?;
    }
    Ok(next)
}

/// Writes the codes of all nodes in their order; returns the number of pages.
pub(super) fn write_flat_routers<W: BulkWriter>(
    pages: &mut SegmentPages<'_, W>,
    kind: PageKind,
    nodes: &EncodedNodes,
    graph: &FlatGraph,
) -> Result<u32, PageError> {
    let plan = nodes.plan.routers();
    let mut count = 0;
    for on_page in graph.order.chunks(plan.lanes()) {
        let mut bytes = [0; PAGE_SIZE];
        page::init(&mut bytes, kind, pages.segment);
        for (lane, &node) in on_page.iter().enumerate() {
            let (code, factors) = (nodes.bits_of(node as usize), nodes.factors[node as usize]);
            write_code(plan, page::content_mut(&mut bytes), lane, code, factors);
        }
        page::set_used(&mut bytes, plan.bytes());
        pages.append(&bytes)?;
        count += 1;
    }
    Ok(count)
}

/// What the nodes before one have used up.
#[derive(Clone, Copy, Default)]
pub(super) struct NextNode {
    row: u32,
    /// Bytes of sparse vectors.
    offset: u64,
}

/// Writes the node at `position`; returns what is left to the next.
fn write_node(
    nodes: &EncodedNodes,
    graph: &FlatGraph,
    position: usize,
    next: NextNode,
    out: &mut [u8],
) -> NextNode {
    let node = graph.order[position] as usize;
    let neighbors = graph.neighbors(position as u32);
    let row_count = nodes.row_offsets[node + 1] - nodes.row_offsets[node];
    let header = NodeHeader {
        row_start: next.row,
        row_count,
        degree: neighbors.len().min(nodes.plan.lanes()) as u16,
        flags: 0,
        scale: nodes.scales[node],
        error: nodes.errors[node],
        reserved: [0; 3],
    };
    let mut offset = next.offset;
    match nodes.plan.own() {
        OwnCode::Elsewhere => {
            let bytes = nodes.own_of(node).len();
            let mut address = [0; size_of::<VectorAddress>()];
            VectorAddress { offset, bytes: bytes as u32, reserved: 0 }.store(&mut address);
            write_own(out, &header, &address);
            offset += bytes as u64;
        }
        OwnCode::Sign => write_own(out, &header, &[]),
        OwnCode::Residual(_) | OwnCode::Bits => write_own(out, &header, nodes.own_of(node)),
    }
    write_neighbors(nodes, graph, neighbors, out);
    NextNode { row: next.row + row_count, offset }
}

fn write_router(nodes: &EncodedNodes, graph: &FlatGraph, seeds: &[u32], out: &mut [u8]) {
    let header = NodeHeader {
        row_start: 0,
        row_count: 0,
        degree: seeds.len() as u16,
        flags: 0,
        scale: 0.0,
        error: 0.0,
        reserved: [0; 3],
    };
    write_own(out, &header, &[]);
    write_neighbors(nodes, graph, seeds, out);
}

fn write_neighbors(nodes: &EncodedNodes, graph: &FlatGraph, neighbors: &[u32], out: &mut [u8]) {
    let plan = &nodes.plan;
    for (lane, &id) in neighbors.iter().take(plan.lanes()).enumerate() {
        let node = graph.order[id as usize] as usize;
        let (code, (add, mul)) =
            if plan.is_inline() { (nodes.bits_of(node), nodes.factors[node]) } else { (&[][..], (0, 0)) };
        write_neighbor(plan, out, lane, &NeighborCode { id, code, add, mul });
    }
}

/// Pages of TIDs, the last of which is being filled.
pub(super) struct TidPages {
    bytes: PageBytes,
    used: usize,
}

impl TidPages {
    pub fn new() -> Self {
        Self { bytes: [0; PAGE_SIZE], used: 0 }
    }

    /// Adds TIDs.
    pub fn write<'t, W: BulkWriter>(
        &mut self,
        pages: &mut SegmentPages<'_, W>,
        tids: impl Iterator<Item = &'t TidEntry>,
    ) -> Result<(), PageError> {
        for tid in tids {
            if self.used == 0 {
                page::init(&mut self.bytes, PageKind::Tids, pages.segment);
            }
            write_at(page::content_mut(&mut self.bytes), self.used, tid);
            self.used += size_of::<TidEntry>();
            if self.used == TIDS_PER_PAGE as usize * size_of::<TidEntry>() {
                self.finish(pages)?;
            }
        }
        Ok(())
    }

    /// Writes what is left.
    pub fn finish<W: BulkWriter>(&mut self, pages: &mut SegmentPages<'_, W>) -> Result<(), PageError> {
        if self.used > 0 {
            page::set_used(&mut self.bytes, self.used);
            pages.append(&self.bytes)?;
            self.used = 0;
        }
        Ok(())
    }
}

/// Writes own vectors one behind the other; returns their bytes.
fn write_vectors<'v, W: BulkWriter>(
    pages: &mut SegmentPages<'_, W>,
    vectors: impl Iterator<Item = &'v [u8]>,
) -> Result<u64, PageError> {
    let mut bytes = [0; PAGE_SIZE];
    let mut total = 0u64;
    for mut vector in vectors {
        while !vector.is_empty() {
            let used = (total % CONTENT_BYTES as u64) as usize;
            if used == 0 {
                page::init(&mut bytes, PageKind::Vectors, pages.segment);
            }
            let (part, rest) = vector.split_at(vector.len().min(CONTENT_BYTES - used));
            page::content_mut(&mut bytes)[used..used + part.len()].copy_from_slice(part);
            page::set_used(&mut bytes, used + part.len());
            total += part.len() as u64;
            if total.is_multiple_of(CONTENT_BYTES as u64) {
                pages.append(&bytes)?;
            }
            vector = rest;
        }
    }
    if !total.is_multiple_of(CONTENT_BYTES as u64) {
        pages.append(&bytes)?;
    }
    Ok(total)
}

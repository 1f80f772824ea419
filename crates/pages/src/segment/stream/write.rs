//! From sorted records to pages.

use ann::build::FlatGraph;

use super::record::Layout;
use super::{Growing, RowSort};
use crate::error::PageError;
use crate::format::page::PageKind;
use crate::format::segment::{CurvePoint, TidEntry};
use crate::pager::BulkWriter;
use crate::segment::build::Written;
use crate::segment::calibrate;
use crate::segment::encode::EncodedNodes;
use crate::segment::write::{
    Contents, NextNode, SegmentPages, TidPages, pages_of, without_edges, write_centroid, write_flat_routers,
    write_header, write_lists, write_nodes,
};
use crate::space::Space;

/// Pages whose nodes or codes are in memory at once.
const PAGES_AT_ONCE: usize = 16;

/// A segment with lists that is ready to be written.
pub struct Listed<S> {
    layout: Layout,
    sort: S,
    heads: Heads,
    /// What all nodes share, the lists, and rows without a place.
    shared: EncodedNodes,
    /// How much there is; where, is not known yet.
    contents: Contents,
    curve: Vec<CurvePoint>,
    list_curve: Vec<CurvePoint>,
}

impl<S: RowSort> Listed<S> {
    pub(super) fn new(space: &Space, growing: Growing, mut sort: S, unranked: Vec<TidEntry>) -> Self {
        let Growing { trained, layout, truths, rows, norm_max, .. } = growing;
        let (sizes, heads) = count_nodes(&layout, &mut sort, (trained.lists.count(), rows));
        let mut lists = trained.lists.clone();
        let kept: Vec<u32> = (0..).zip(&sizes).filter(|(_, size)| **size > 0).map(|(list, _)| list).collect();
        lists.keep(&kept);
        lists.row_offsets = vec![0];
        let mut nodes = 0;
        lists.row_offsets.extend(kept.iter().map(|&list| {
            nodes += sizes[list as usize];
            nodes
        }));
        let (mut seen, truth, mut list_of) = truths.finish(&trained);
        // A list without rows can only be that of a query whose row has gone meanwhile.
        let number = |list: u32| kept.partition_point(|&other| other < list).min(kept.len() - 1) as u32;
        list_of.iter_mut().for_each(|list| *list = number(*list));
        let mut shared = Layout::empty(&trained.frame);
        lists.norm_max = norm_max;
        (shared.norm_max, seen.norm_max) = (norm_max, norm_max);
        seen.lists = Some(Box::new(lists));
        let curve = calibrate::estimated(space, &seen, &truth);
        let list_curve = calibrate::listed(space, &seen, &truth, &list_of);
        shared.lists = seen.lists;
        shared.unranked = unranked;
        let contents = Contents { nodes, ranked_rows: rows as u32, ..Contents::default() };
        Self { layout, sort, heads, shared, contents, curve, list_curve }
    }

    /// Pages that [`Self::write`] will append, the header's included.
    pub fn pages_needed(&self) -> u32 {
        pages_of(&self.shared, &self.contents) + 1
    }

    /// Writes the segment. The manifest does not refer to it yet.
    ///
    /// # Errors
    /// What the writer raises, or when the blocks it gives are too scattered for the header's extents.
    pub fn write<W: BulkWriter>(mut self, writer: &mut W, segment: u32) -> Result<Written, PageError> {
        let mut pages = SegmentPages::new(writer, segment);
        let mut contents = self.contents;
        write_centroid(&mut pages, &self.shared)?;
        contents.node_page = pages.count();
        let mut next = NextNode::default();
        self.for_each_window(Part::Nodes, |nodes, order| {
            next = write_nodes(&mut pages, PageKind::Nodes, nodes, order, next)?;
            Ok(())
        })?;
        contents.router_page = pages.count();
        self.for_each_window(Part::Codes, |nodes, order| {
            contents.routers += write_flat_routers(&mut pages, PageKind::Routers, nodes, order)?;
            Ok(())
        })?;
        contents.tid_page = pages.count();
        let mut tids = TidPages::new();
        self.sort.rewind();
        while let Some(record) = self.sort.next() {
            tids.write(&mut pages, [self.layout.tid(record)].iter())?;
        }
        tids.write(&mut pages, self.shared.unranked.iter())?;
        tids.finish(&mut pages)?;
        write_lists(&mut pages, &self.shared, &mut contents)?;
        let mut header = pages.header(&self.shared, &contents)?;
        calibrate::store_listed(&mut header, &self.list_curve);
        calibrate::store(&mut header, &self.curve);
        Ok(Written { entry: write_header(writer, segment, &header)?, reach: None })
    }

    /// Reads the records from the first and calls `visit` with nodes in their order, or with what `part` asks for of
    /// them: full pages at once but for the last.
    fn for_each_window(
        &mut self,
        part: Part,
        mut visit: impl FnMut(&EncodedNodes, &FlatGraph) -> Result<(), PageError>,
    ) -> Result<(), PageError> {
        let Self { layout, sort, shared, heads, .. } = self;
        let step = match part {
            Part::Nodes => shared.plan.nodes_per_page(),
            Part::Codes => shared.plan.routers().lanes(),
        };
        let count = step * PAGES_AT_ONCE;
        let (lists, unranked) = (shared.lists.take(), std::mem::take(&mut shared.unranked));
        let mut window = shared.clone();
        (shared.lists, shared.unranked) = (lists, unranked);
        let mut nodes = 0;
        sort.rewind();
        for at in 0.. {
            let record = sort.next();
            let is_head = heads.has(at);
            if nodes == count && is_head || record.is_none() && nodes > 0 {
                visit(&window, &without_edges((0..nodes as u32).collect()))?;
                clear(&mut window);
                nodes = 0;
            }
            let Some(record) = record else { break };
            nodes += usize::from(is_head);
            match part {
                Part::Nodes => push_row(layout, record, is_head, &mut window),
                Part::Codes if is_head => layout.push_code(record, &mut window),
                Part::Codes => {}
            }
        }
        Ok(())
    }
}

/// What pages of a kind have of nodes.
#[derive(Clone, Copy)]
enum Part {
    /// Own vectors, and how many rows.
    Nodes,
    /// 1-bit codes.
    Codes,
}

/// Which records are the first of their node, by number.
struct Heads {
    words: Vec<u64>,
    records: usize,
}

impl Heads {
    /// Of no records yet; for so many.
    fn of(records: u64) -> Self {
        Self { words: Vec::with_capacity(records.div_ceil(64) as usize), records: 0 }
    }

    fn push(&mut self, is_head: bool) {
        if self.records.is_multiple_of(64) {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(is_head) << (self.records % 64);
        }
        self.records += 1;
    }

    /// Whether this record is one; false behind the last.
    fn has(&self, record: usize) -> bool {
        self.words.get(record / 64).is_some_and(|word| word >> (record % 64) & 1 == 1)
    }
}

/// Adds a record's node, if it is the first, and its row to the node's.
fn push_row(layout: &Layout, record: &[u8], is_head: bool, nodes: &mut EncodedNodes) {
    if is_head {
        layout.push_node(record, nodes);
        nodes.row_offsets.push(nodes.row_offsets.last().copied().unwrap_or(0));
    }
    if let Some(error) = nodes.errors.last_mut() {
        *error = error.max(layout.error(record));
    }
    if let Some(end) = nodes.row_offsets.last_mut() {
        *end += 1;
    }
}

/// Takes all nodes out.
fn clear(nodes: &mut EncodedNodes) {
    nodes.own.clear();
    nodes.bits.clear();
    nodes.scales.clear();
    nodes.errors.clear();
    nodes.factors.clear();
    nodes.row_offsets.truncate(1);
}

/// Nodes of each list, and the first of each node's records, of which there are `records`.
fn count_nodes<S: RowSort>(
    layout: &Layout,
    sort: &mut S,
    (lists, records): (usize, u64),
) -> (Vec<u32>, Heads) {
    let (mut sizes, mut heads) = (vec![0; lists], Heads::of(records));
    let mut last: Vec<u8> = Vec::new();
    while let Some(record) = sort.next() {
        let is_head = last.is_empty() || !layout.is_same_node(&last, record);
        heads.push(is_head);
        if is_head {
            sizes[Layout::list(record) as usize] += 1;
            last.clear();
            last.extend_from_slice(record);
        }
    }
    (sizes, heads)
}

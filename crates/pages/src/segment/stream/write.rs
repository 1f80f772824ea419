//! From sorted records to pages.

use ann::build::FlatGraph;

use super::record::Layout;
use super::{Growing, RowSort};
use crate::error::PageError;
use crate::format::page::PageKind;
use crate::format::segment::{CurvePoint, TIDS_PER_PAGE, TidEntry};
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
const PAGES_AT_ONCE: usize = 64;

/// A segment with lists that is ready to be written.
pub struct Listed<S> {
    layout: Layout,
    sort: S,
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
        let sizes = count_nodes(&layout, &mut sort, trained.lists.count());
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
        Self { layout, sort, shared, contents, curve, list_curve }
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
        self.for_each_window(self.shared.plan.nodes_per_page(), |nodes, order| {
            next = write_nodes(&mut pages, PageKind::Nodes, nodes, order, next)?;
            Ok(())
        })?;
        contents.router_page = pages.count();
        self.for_each_window(self.shared.plan.routers().lanes(), |nodes, order| {
            contents.routers += write_flat_routers(&mut pages, PageKind::Routers, nodes, order)?;
            Ok(())
        })?;
        contents.tid_page = pages.count();
        let mut tids = TidPages::new();
        self.for_each_window(TIDS_PER_PAGE as usize, |nodes, _| {
            tids.write(&mut pages, nodes.row_tids.iter())
        })?;
        tids.write(&mut pages, self.shared.unranked.iter())?;
        tids.finish(&mut pages)?;
        write_lists(&mut pages, &self.shared, &mut contents)?;
        let mut header = pages.header(&self.shared, &contents)?;
        calibrate::store_listed(&mut header, &self.list_curve);
        calibrate::store(&mut header, &self.curve);
        Ok(Written { entry: write_header(writer, segment, &header)?, reach: None })
    }

    /// Reads the records from the first and calls `visit` with nodes in their order, a multiple of `step` at once but
    /// for the last.
    fn for_each_window(
        &mut self,
        step: usize,
        mut visit: impl FnMut(&EncodedNodes, &FlatGraph) -> Result<(), PageError>,
    ) -> Result<(), PageError> {
        let count = step * PAGES_AT_ONCE;
        let Self { layout, sort, shared, .. } = self;
        let lists = shared.lists.take();
        let mut window = EncodedNodes { unranked: Vec::new(), ..shared.clone() };
        shared.lists = lists;
        let order = |nodes: &EncodedNodes| without_edges((0..nodes.count() as u32).collect());
        let mut last: Vec<u8> = Vec::new();
        sort.rewind();
        while let Some(record) = sort.next() {
            if last.is_empty() || !layout.is_same_node(&last, record) {
                if window.count() == count {
                    visit(&window, &order(&window))?;
                    clear(&mut window);
                }
                layout.push_node(record, &mut window);
                window.row_offsets.push(window.row_tids.len() as u32);
                last.clear();
                last.extend_from_slice(record);
            }
            if let Some(error) = window.errors.last_mut() {
                *error = error.max(layout.error(record));
            }
            window.row_tids.push(layout.tid(record));
            if let Some(end) = window.row_offsets.last_mut() {
                *end += 1;
            }
        }
        if window.count() > 0 { visit(&window, &order(&window)) } else { Ok(()) }
    }
}

/// Takes all nodes out.
fn clear(nodes: &mut EncodedNodes) {
    nodes.own.clear();
    nodes.bits.clear();
    nodes.scales.clear();
    nodes.errors.clear();
    nodes.factors.clear();
    nodes.row_tids.clear();
    nodes.row_offsets.truncate(1);
}

/// Nodes of each list.
fn count_nodes<S: RowSort>(layout: &Layout, sort: &mut S, lists: usize) -> Vec<u32> {
    let mut sizes = vec![0; lists];
    let mut last: Vec<u8> = Vec::new();
    while let Some(record) = sort.next() {
        if last.is_empty() || !layout.is_same_node(&last, record) {
            sizes[Layout::list(record) as usize] += 1;
            last.clear();
            last.extend_from_slice(record);
        }
    }
    sizes
}

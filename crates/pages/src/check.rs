//! Whether an index is whole: every page that the manifest leads to, and every block of the file.
//!
//! For tests and for `proxima.check_index()`. Reads each page under a share lock, one at a time; an index that is
//! written meanwhile may show rows twice or not at all, but its pages must be sound at any moment.

use std::collections::HashSet;

use quant::rabitq::from_bf16;

use crate::error::PageError;
use crate::format::meta::{BlockRun, Meta};
use crate::format::node::{NodeView, VectorAddress};
use crate::format::page::{self, PageKind};
use crate::format::router::RouterView;
use crate::format::segment::SegmentHeader;
use crate::maintain::{Horizon, retired_runs};
use crate::pager::{BlockNumber, Pager};
use crate::pending;
use crate::plan::{NodePlan, OwnCode};
use crate::segment::lists::Lists;
use crate::segment::vectors;
use crate::tids::{self, HeapTid};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments in the manifest.
    pub segments: u64,
    /// Rows in segments that are not marked dead.
    pub segment_rows: u64,
    /// Rows marked dead, pending ones included.
    pub dead_rows: u64,
    /// Pending rows that are not marked dead.
    pub pending_rows: u64,
    /// Graph nodes.
    pub nodes: u64,
    /// Nodes that no path from the entry points reaches.
    pub unreachable_nodes: u64,
    /// Blocks that can be given out again.
    pub free_blocks: u64,
    /// Heap TIDs that two live entries name.
    pub repeated_tids: u64,
    /// What contradicts the format; empty in a sound index.
    pub problems: Vec<PageError>,
}

impl Report {
    /// Whether searches find everything that they should.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.unreachable_nodes == 0 && self.repeated_tids == 0
    }
}

/// How often an index is checked that changes under the check.
const TRIES: usize = 5;
/// Problems that a report lists at most.
const PROBLEMS_MAX: usize = 100;

struct Checker<'a, P> {
    pager: &'a P,
    horizon: &'a dyn Horizon,
    report: Report,
    blocks: HashSet<BlockNumber>,
    /// Blocks given out so far.
    end: BlockNumber,
    live: HashSet<HeapTid>,
}

/// Checks everything. Problems are listed, not raised; those that come from changes meanwhile are looked at again.
pub fn check<P: Pager>(pager: &P, horizon: &dyn Horizon) -> Report {
    let generation = || pager.read(0).and_then(|page| Meta::load(&page)).map(|meta| meta.generation);
    let mut report = Report::default();
    for _ in 0..TRIES {
        let before = generation();
        report = check_once(pager, horizon);
        if report.problems.is_empty() || before == generation() {
            break;
        }
    }
    report
}

fn check_once<P: Pager>(pager: &P, horizon: &dyn Horizon) -> Report {
    let mut checker = Checker {
        pager,
        horizon,
        report: Report::default(),
        blocks: HashSet::new(),
        end: 0,
        live: HashSet::new(),
    };
    if let Err(error) = checker.check_index() {
        checker.problem(error);
    }
    checker.report
}

impl<P: Pager> Checker<'_, P> {
    fn problem(&mut self, error: PageError) {
        if self.report.problems.len() < PROBLEMS_MAX {
            self.report.problems.push(error);
        }
    }

    fn check_index(&mut self) -> Result<(), PageError> {
        let meta = Meta::load(&*self.pager.read(0)?)?;
        self.blocks.insert(0);
        self.end = meta.blocks;
        for entry in meta.segments() {
            self.report.segments += 1;
            self.blocks.insert(entry.header);
            if let Err(error) = self.check_segment(&meta, entry.segment, entry.header) {
                self.problem(error);
            }
        }
        if let Err(error) = self.check_pending(&meta) {
            self.problem(error);
        }
        if let Err(error) = self.check_space(&meta) {
            self.problem(error);
        }
        let is_free = |block: &BlockNumber| !self.blocks.contains(block);
        self.report.free_blocks = (0..meta.blocks).filter(is_free).count() as u64;
        Ok(())
    }

    fn check_segment(&mut self, meta: &Meta, segment: u32, block: BlockNumber) -> Result<(), PageError> {
        let header = SegmentHeader::load(&*self.pager.read(block)?, block, segment, meta.padded_dim)?;
        if header.pages > self.pager.block_count() {
            return Err(PageError::damaged(block, "size of the segment"));
        }
        let plan = header
            .plan(meta.padded_dim as usize)
            .ok_or(PageError::damaged(block, "node shape of the segment"))?;
        let shared = |kind| (kind, segment);
        for page in 0..header.pages {
            let kind = match page {
                _ if header.vector_bytes() > 0 && page >= header.vector_page => shared(PageKind::Vectors),
                _ if header.lists > 0 && page >= header.list_router_page => shared(PageKind::ListRouters),
                _ if header.lists > 0 && page >= header.list_page => shared(PageKind::Lists),
                _ if page >= header.tid_page => shared(PageKind::Tids),
                _ if plan.is_flat() && page >= header.router_page => shared(PageKind::Routers),
                _ if page >= header.node_page => shared(PageKind::Nodes),
                _ => shared(PageKind::Centroid),
            };
            let block = header.block_of(page);
            if !self.blocks.insert(block) {
                self.problem(PageError::damaged(block, "block that two parts of the index claim"));
            }
            page::check(&*self.pager.read(block)?, block, kind.0, kind.1)?;
        }
        self.check_nodes(segment, &header, &plan)?;
        if plan.is_flat() {
            self.check_routers((header.router_page, header.nodes), &header, &plan)?;
            self.check_routers((header.list_router_page, header.lists), &header, &plan)?;
            self.check_lists(segment, &header, &plan)?;
        } else {
            self.check_graph(segment, &header, &plan)?;
        }
        if plan.own() == OwnCode::Elsewhere {
            self.check_vectors(meta, segment, &header, &plan)?;
        }
        self.check_tids(segment, &header)
    }

    /// Checks each node, the routers of a graph included, and that the rows of the nodes follow each other.
    fn check_nodes(
        &mut self,
        segment: u32,
        header: &SegmentHeader,
        plan: &NodePlan,
    ) -> Result<(), PageError> {
        self.report.nodes += u64::from(header.nodes);
        let total = header.nodes + if plan.is_flat() { 0 } else { header.routers };
        let mut next_row = 0u64;
        for id in 0..total {
            let (row_start, row_count) = self.check_node(segment, header, plan, id)?;
            if id < header.nodes {
                let block = locate(header, id).0;
                if u64::from(row_start) != next_row || row_count == 0 {
                    self.problem(PageError::damaged(block, "rows of a graph node"));
                }
                next_row = u64::from(row_start) + u64::from(row_count);
            }
        }
        if next_row != u64::from(header.ranked_rows) {
            let block = header.block_of(header.node_page);
            self.problem(PageError::damaged(block, "number of rows that nodes refer to"));
        }
        Ok(())
    }

    /// Checks that the routers from a page on can lead to each of `count` nodes or lists. They hold them in order, as
    /// many as the header's soundness asks for, so that each has its lane; a factor that is no number would hide it.
    fn check_routers(
        &mut self,
        (page, count): (u32, u32),
        header: &SegmentHeader,
        plan: &NodePlan,
    ) -> Result<(), PageError> {
        let routers = plan.routers();
        for (router, first) in (0..).zip((0..count).step_by(routers.lanes())) {
            let block = header.block_of(page + router);
            let bytes = self.pager.read(block)?;
            let view = RouterView::new(routers, page::content(&bytes));
            let used = (count - first).min(routers.lanes() as u32) as usize;
            let is_finite = |factor: &[u8]| from_bf16(u16::from_ne_bytes([factor[0], factor[1]])).is_finite();
            let are_finite = (0..used).all(|lane| {
                let (batch, place) = routers.place_of(lane);
                let (add, mul) = view.factors(batch);
                is_finite(&add[place * 2..]) && is_finite(&mul[place * 2..])
            });
            drop(bytes);
            if !are_finite {
                self.problem(PageError::damaged(block, "factors of a router"));
            }
        }
        Ok(())
    }

    /// Checks that the lists have all nodes, one after the other.
    fn check_lists(
        &mut self,
        segment: u32,
        header: &SegmentHeader,
        plan: &NodePlan,
    ) -> Result<(), PageError> {
        let lists = Lists::new(self.pager, segment, header, plan);
        let mut next = 0;
        for list in 0..header.lists {
            let nodes = lists.nodes_of(list)?;
            if nodes.start != next {
                self.problem(PageError::damaged(lists.locate(list).0, "nodes of a list"));
            }
            next = nodes.end;
        }
        if header.lists > 0 && next != header.nodes {
            let last = lists.locate(header.lists - 1).0;
            self.problem(PageError::damaged(last, "number of nodes that lists have"));
        }
        Ok(())
    }

    /// Checks that each node can be reached from the routers.
    fn check_graph(
        &mut self,
        segment: u32,
        header: &SegmentHeader,
        plan: &NodePlan,
    ) -> Result<(), PageError> {
        let total = header.nodes + header.routers;
        let mut reached = vec![false; total as usize];
        let mut work: Vec<u32> = (header.nodes..total).collect();
        work.iter().for_each(|&id| reached[id as usize] = true);
        while let Some(id) = work.pop() {
            for neighbor in self.neighbors(segment, header, plan, id)? {
                if !std::mem::replace(&mut reached[neighbor as usize], true) {
                    work.push(neighbor);
                }
            }
        }
        self.report.unreachable_nodes += reached.iter().filter(|reached| !**reached).count() as u64;
        Ok(())
    }

    /// Checks one node; returns its rows.
    fn check_node(
        &mut self,
        segment: u32,
        header: &SegmentHeader,
        plan: &NodePlan,
        id: u32,
    ) -> Result<(u32, u32), PageError> {
        let neighbors = self.neighbors(segment, header, plan, id)?;
        let mut distinct = neighbors.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let (block, offset) = locate(header, id);
        if distinct.len() < neighbors.len() || distinct.contains(&id) {
            self.problem(PageError::damaged(block, "neighbor list"));
        }
        let bytes = self.pager.read(block)?;
        let node = NodeView::new(plan, &page::content(&bytes)[offset..][..plan.node_bytes()]).header();
        if !node.scale.is_finite() || !node.error.is_finite() || node.error < 0.0 {
            drop(bytes);
            self.problem(PageError::damaged(block, "graph node"));
        }
        Ok((node.row_start, node.row_count))
    }

    /// Checks that the nodes' vectors follow each other without gaps.
    fn check_vectors(
        &mut self,
        meta: &Meta,
        segment: u32,
        header: &SegmentHeader,
        plan: &NodePlan,
    ) -> Result<(), PageError> {
        let (mut next, mut vector) = (0, Vec::new());
        for id in 0..header.nodes {
            let (block, offset) = locate(header, id);
            let bytes = self.pager.read(block)?;
            let node = NodeView::new(plan, &page::content(&bytes)[offset..][..plan.node_bytes()]);
            let address = VectorAddress::load(node.own());
            drop(bytes);
            if address.offset != next {
                self.problem(PageError::damaged(block, "address of a vector"));
            }
            next = address.offset.saturating_add(u64::from(address.bytes));
            let read = vectors::read(self.pager, (segment, header), (address, block), meta.dim, &mut vector);
            if let Err(error) = read {
                self.problem(error);
            }
        }
        Ok(())
    }

    fn neighbors(
        &self,
        segment: u32,
        header: &SegmentHeader,
        plan: &NodePlan,
        id: u32,
    ) -> Result<Vec<u32>, PageError> {
        let (block, offset) = locate(header, id);
        let bytes = self.pager.read(block)?;
        page::check(&bytes, block, PageKind::Nodes, segment)?;
        let node = NodeView::new(plan, &page::content(&bytes)[offset..][..plan.node_bytes()]);
        let degree = usize::from(node.header().degree);
        if degree > plan.lanes() {
            return Err(PageError::damaged(block, "degree of a graph node"));
        }
        let neighbors: Vec<u32> = (0..degree).map(|lane| node.neighbor(lane)).collect();
        if neighbors.iter().any(|&neighbor| neighbor >= header.nodes) {
            return Err(PageError::damaged(block, "neighbor"));
        }
        Ok(neighbors)
    }

    fn check_tids(&mut self, segment: u32, header: &SegmentHeader) -> Result<(), PageError> {
        let mut row = 0;
        let mut entries = Vec::new();
        while row < header.rows {
            entries.clear();
            row = tids::read(self.pager, segment, header, row..header.rows, &mut entries)?;
            for entry in &entries {
                if entry.is_dead() {
                    self.report.dead_rows += 1;
                } else {
                    self.report.segment_rows += 1;
                    self.report.repeated_tids += u64::from(!self.live.insert(entry.tid()));
                }
            }
        }
        Ok(())
    }

    fn check_pending(&mut self, meta: &Meta) -> Result<(), PageError> {
        let (report, live) = (&mut self.report, &mut self.live);
        pending::for_each(self.pager, meta, meta.chains(), &mut |entry, _| {
            if entry.is_dead() {
                report.dead_rows += 1;
            } else {
                report.pending_rows += 1;
                report.repeated_tids += u64::from(!live.insert(entry.tid()));
            }
        })?;
        let mut runs = Vec::new();
        pending::for_each_page(self.pager, meta, meta.chains(), &mut |block, _, _| {
            runs.push(BlockRun { block, count: 1 });
            Ok(())
        })?;
        self.claim_blocks(&runs);
        Ok(())
    }

    /// Checks that nothing else has blocks that are set aside, claimed or retired.
    fn check_space(&mut self, meta: &Meta) -> Result<(), PageError> {
        self.claim_blocks(&meta.pool);
        self.claim_blocks(&meta.flush_claim);
        self.claim_blocks(&meta.merge_claim);
        self.claim_blocks(&meta.large_claim);
        // What the horizon has passed may be in use again.
        let waiting = meta.retired().iter().filter(|entry| !self.horizon.is_past(entry.stamp));
        for entry in waiting {
            let mut runs = Vec::new();
            retired_runs(self.pager, entry.page, &mut runs)?;
            self.claim_blocks(&runs);
        }
        Ok(())
    }

    fn claim_blocks(&mut self, runs: &[BlockRun]) {
        for run in runs.iter().filter(|run| run.count > 0) {
            if run.end() > u64::from(self.end) {
                self.problem(PageError::damaged(run.block, "block that was never given out"));
                continue;
            }
            for block in run.block..run.block + run.count {
                if !self.blocks.insert(block) {
                    self.problem(PageError::damaged(block, "block that two parts of the index claim"));
                }
            }
        }
    }
}

fn locate(header: &SegmentHeader, id: u32) -> (BlockNumber, usize) {
    let per_page = u32::from(header.nodes_per_page);
    let block = header.block_of(header.node_page + id / per_page);
    (block, (id % per_page) as usize * usize::from(header.node_bytes))
}

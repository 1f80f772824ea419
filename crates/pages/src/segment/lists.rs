//! The lists of a segment: which of them are near to a query, and where their nodes are.
//!
//! A list is a run of adjacent nodes. For each there is a node of its own, whose vector is the list's centroid and
//! whose rows are the nodes of the segment; the 1-bit codes of all of these are beside each other. So lists are found
//! as rows of a flat segment are, in two levels: by the estimates of all, then by the distances of those of which
//! estimates do not say whether they are among the first that are due.
//!
//! A second level of centroids that are centroids of lists, as builds have one, is not stored. It could spare most
//! estimates, and these are 3 to 5 % of a search (perf of segments_bench, 100,000 text embeddings of 384 dimensions,
//! 632 and 5,000 lists); distances were 6 and 16 %, of which estimates now spare two thirds.

use std::cell::{Cell, OnceCell};
use std::ops::Range;

use kernels::Kernels;

use crate::error::PageError;
use crate::format::node::{BATCH_LANES, NodeView};
use crate::format::page::{self, PageKind};
use crate::format::router::RouterView;
use crate::format::segment::SegmentHeader;
use crate::pager::{BlockNumber, Pager};
use crate::plan::NodePlan;
use crate::space::SegmentQuery;

/// Of the lists that are to be read, the nearest by estimates, in tenths but for [`MARGIN`]: these will be read, so
/// distances would say no more. On text embeddings of 384 dimensions, searches found 0.0005 less so, which the margin
/// of the calibration covers, and took 15 % less time with 5,000 lists; cut to 72 dimensions, 0.001 to 0.002 less.
const SURE_TENTHS: usize = 7;
/// Lists up to which distances decide, by estimates: so many tenths of those that are to be read, and [`MARGIN`].
const MEASURED_TENTHS: usize = 15;
/// Where few are to be read, estimates decide nothing.
const MARGIN: usize = 16;

/// Lists by their distance to a query. Few searches read more than the nearest, so the others are put in order when the
/// first of them is asked for.
pub(crate) struct ListOrder {
    near: Vec<u32>,
    /// The others with their keys, in no order, until they are put in order.
    far: Cell<Vec<(f32, u32)>>,
    /// Their numbers, in order.
    far_numbers: OnceCell<Vec<u32>>,
}

impl ListOrder {
    /// Those of `sure` come first, then those of `near`, then the others, each by their keys.
    fn new(sure: Vec<(f32, u32)>, near: Vec<(f32, u32)>, far: Vec<(f32, u32)>) -> Self {
        let mut first = numbers_by_key(sure);
        first.append(&mut numbers_by_key(near));
        Self { near: first, far: Cell::new(far), far_numbers: OnceCell::new() }
    }

    /// The list that so many are before.
    pub(crate) fn get(&self, before: usize) -> Option<u32> {
        let Some(before) = before.checked_sub(self.near.len()) else { return self.near.get(before).copied() };
        self.far_numbers.get_or_init(|| numbers_by_key(self.far.take())).get(before).copied()
    }
}

/// Leaves the `count` with the smallest keys in `keys`, in no order, and returns the others.
fn split_nearest(keys: &mut Vec<(f32, u32)>, count: usize) -> Vec<(f32, u32)> {
    if count >= keys.len() {
        return Vec::new();
    }
    keys.select_nth_unstable_by(count, |a, b| a.0.total_cmp(&b.0));
    keys.split_off(count)
}

fn numbers_by_key(mut keys: Vec<(f32, u32)>) -> Vec<u32> {
    keys.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    keys.iter().map(|&(_, list)| list).collect()
}

/// The lists of one segment.
pub(crate) struct Lists<'a, P> {
    pager: &'a P,
    segment: u32,
    header: &'a SegmentHeader,
    plan: NodePlan,
}

impl<'a, P: Pager> Lists<'a, P> {
    /// `nodes`: the shape of the segment's nodes.
    pub(crate) fn new(pager: &'a P, segment: u32, header: &'a SegmentHeader, nodes: &NodePlan) -> Self {
        Self { pager, segment, header, plan: nodes.of_lists() }
    }

    /// The block of the page with the node of a list, and where the node starts in its content.
    pub(crate) fn locate(&self, list: u32) -> (BlockNumber, usize) {
        let per_page = self.plan.nodes_per_page() as u32;
        let block = self.header.block_of(self.header.list_page + list / per_page);
        (block, (list % per_page) as usize * self.plan.node_bytes())
    }

    /// Uses the node of a list, and the nodes that it has.
    fn with_list<R>(
        &self,
        list: u32,
        use_list: impl FnOnce(&NodeView<'_>, Range<u32>) -> R,
    ) -> Result<R, PageError> {
        let (block, offset) = self.locate(list);
        let bytes = self.pager.read(block)?;
        page::check(&bytes, block, PageKind::Lists, self.segment)?;
        let node = NodeView::new(&self.plan, &page::content(&bytes)[offset..][..self.plan.node_bytes()]);
        let own = node.header();
        let end = own.row_start.checked_add(own.row_count).filter(|&end| end <= self.header.nodes);
        let is_number = own.scale.is_finite() && (0.0..f32::INFINITY).contains(&own.error);
        match end.filter(|_| is_number && own.row_count > 0) {
            Some(end) => Ok(use_list(&node, own.row_start..end)),
            None => Err(PageError::damaged(block, "list")),
        }
    }

    /// The nodes of a list.
    ///
    /// # Errors
    /// If the page of the list is damaged.
    pub(crate) fn nodes_of(&self, list: u32) -> Result<Range<u32>, PageError> {
        self.with_list(list, |_, nodes| nodes)
    }

    /// All lists, the nearest first. `wanted`: how many of them will be read at first: which these are, distances
    /// decide where estimates leave it open. The order of all others is that of estimates.
    ///
    /// # Errors
    /// If a page is damaged.
    pub(crate) fn by_distance(&self, query: &SegmentQuery, wanted: usize) -> Result<ListOrder, PageError> {
        let mut sure = self.estimates(query)?;
        let tenths = |tenths: usize| wanted.saturating_mul(tenths) / 10;
        let far = split_nearest(&mut sure, tenths(MEASURED_TENTHS).saturating_add(MARGIN));
        let mut near = split_nearest(&mut sure, tenths(SURE_TENTHS).saturating_sub(MARGIN));
        for (key, list) in &mut near {
            *key = self.with_list(*list, |node, _| {
                let own = node.header();
                query.measure(node.own(), own.scale, own.error).key
            })?;
        }
        Ok(ListOrder::new(sure, near, far))
    }

    /// The estimated keys of all lists.
    fn estimates(&self, query: &SegmentQuery) -> Result<Vec<(f32, u32)>, PageError> {
        let (count, plan) = (self.header.lists, self.plan.routers());
        let mut keys = Vec::with_capacity(count as usize);
        let mut estimates = [0f32; 32];
        for (router, first) in (0..).zip((0..count).step_by(plan.lanes())) {
            let block = self.header.block_of(self.header.list_router_page + router);
            let bytes = self.pager.read(block)?;
            page::check(&bytes, block, PageKind::ListRouters, self.segment)?;
            let view = RouterView::new(plan, page::content(&bytes));
            let used = ((count - first) as usize).min(plan.lanes());
            for at in 0..used.div_ceil(BATCH_LANES) {
                let lanes = plan.batch_lanes(at);
                query.estimate(Kernels::get(), view.codes(at), view.factors(at), lanes, &mut estimates);
                let before = at * BATCH_LANES;
                let in_batch = estimates[..lanes.min(used - before)].iter().zip(first + before as u32..);
                // A key that is no number comes from a damaged page; it must not hide a list.
                keys.extend(in_batch.map(|(&key, list)| (if key.is_nan() { 0.0 } else { key }, list)));
            }
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_nearest_first_whether_they_were_due_or_not() {
        let near = vec![(3.0, 4), (1.0, 7), (2.0, 0)];
        let far = vec![(9.0, 1), (5.0, 6), (f32::INFINITY, 3), (4.0, 2), (7.0, 5)];
        // Estimates and distances are not compared with each other.
        let order = ListOrder::new(vec![(9.5, 8), (8.5, 9)], near, far);
        let all: Vec<u32> = (0..10).filter_map(|before| order.get(before)).collect();
        assert_eq!(all, [9, 8, 7, 0, 4, 2, 6, 5, 1, 3]);
        assert_eq!((order.get(5), order.get(10)), (Some(2), None));
        assert_eq!(ListOrder::new(Vec::new(), Vec::new(), vec![(0.0, 9)]).get(0), Some(9));
    }

    #[test]
    fn the_nearest_stay_and_the_others_leave() {
        let all: Vec<(f32, u32)> = (0..20).map(|list| (((list * 7) % 20) as f32, list)).collect();
        for count in [0, 1, 7, 19, 20, 30] {
            let mut keys = all.clone();
            let others = split_nearest(&mut keys, count);
            assert_eq!((keys.len(), keys.len() + others.len()), (count.min(20), 20));
            assert!(keys.iter().all(|key| others.iter().all(|other| key.0 < other.0)), "{count}");
        }
    }
}

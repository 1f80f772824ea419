//! Many segments as one graph: a walk with one bound and one pool goes through all of them.
//!
//! Elements are numbered through all segments, graphs first, the largest before the others, so that the bound is low
//! early; behind the elements come the routers of the graphs, each graph a part of its own, and then those of the flat
//! segments, which are lists. Segments that differ in their shape may stand together: those whose hops read all
//! neighbors ignore the threshold.
//!
//! Keys of all segments must be comparable: for inner products, where keys depend on the norm that a query is scaled
//! to, all segments take the largest that any of them has.
//!
//! Preparing a query takes longer than a hop. Segments with the same centroid and the same kind of codes share one.

use std::cmp::Reverse;
use std::ops::Range;

use ann::search::{Graph, Hop, Measured};

use super::calibrate::gamma_for;
use super::read::{SegmentReader, SegmentState};
use crate::error::PageError;
use crate::pager::Pager;
use crate::space::{Query, SegmentQuery, Space};

/// Share of the allowed misses that is aimed at in a union of several graphs.
const MISSES_OF_PARTS: f32 = 0.75;

/// Segments of one index, and a query in the terms of each.
pub struct UnionQuery {
    members: Vec<Member>,
    queries: Vec<SegmentQuery>,
    /// The first members are graphs.
    graphs: usize,
    elements: u32,
    /// Behind the last router of a graph, and of a flat segment.
    routers_end: u32,
    lists_end: u32,
    rejects: bool,
}

/// A segment in a union.
struct Member {
    /// Its place among the segments.
    segment: usize,
    /// The query in its terms.
    query: usize,
    /// Number of its first node, and of its first router, in the union.
    first: u32,
    first_router: u32,
}

impl UnionQuery {
    /// `query` in the terms of all `segments` that have nodes. One union, unless their numbers do not fit 32 bits.
    pub fn prepare(space: &Space, segments: &[SegmentState], query: &Query) -> Vec<Self> {
        let groups = group(segments);
        groups.iter().map(|group| Self::of_group(space, segments, group, query)).collect()
    }

    fn of_group(space: &Space, segments: &[SegmentState], group: &[usize], query: &Query) -> Self {
        let graphs = group.iter().filter(|&&at| !segments[at].plan.is_flat()).count();
        let elements = group.iter().map(|&at| segments[at].header.nodes).sum();
        let (mut first, mut first_router, mut routers_end) = (0, elements, elements);
        let norm_max = group.iter().map(|&at| segments[at].header.norm_max).fold(0.0, f32::max);
        let (mut members, mut queries) = (Vec::<Member>::with_capacity(group.len()), Vec::new());
        for (place, &at) in group.iter().enumerate() {
            let segment = &segments[at];
            let same = members.iter().find(|member| is_prepared_alike(&segments[member.segment], segment));
            let prepared = same.map(|member| member.query).unwrap_or_else(|| {
                let (own, centroid) = (segment.plan.own(), &segment.centroid);
                queries.push(SegmentQuery::new(space, query, own, centroid, norm_max));
                queries.len() - 1
            });
            members.push(Member { segment: at, query: prepared, first, first_router });
            first += segment.header.nodes;
            first_router += segment.header.routers;
            if place < graphs {
                routers_end = first_router;
            }
        }
        let rejects = group.iter().any(|&at| segments[at].plan.is_inline());
        Self { members, queries, graphs, elements, routers_end, lists_end: first_router, rejects }
    }

    /// The member that has this id, and the id in its own numbers.
    #[inline]
    fn locate(&self, segments: &[SegmentState], id: u32) -> (&Member, u32) {
        let is_element = id < self.elements;
        let first = |member: &Member| if is_element { member.first } else { member.first_router };
        let at = self.members.partition_point(|member| first(member) <= id).max(1) - 1;
        let member = &self.members[at];
        let nodes = if is_element { 0 } else { segments[member.segment].header.nodes };
        (member, id - first(member) + nodes)
    }

    /// The place among the segments of the one that has this element.
    pub fn segment_of(&self, element: &Measured) -> usize {
        let at = self.members.partition_point(|member| member.first <= element.id).max(1) - 1;
        self.members[at].segment
    }

    /// Preparations that the segments share.
    pub fn preparations(&self) -> usize {
        self.queries.len()
    }

    /// The stopping factor for a recall target: the mean of the segments' own, weighted by their nodes. What each part
    /// has of an answer is less connected than a whole answer is, so of several graphs fewer misses are allowed.
    pub fn gamma(&self, segments: &[SegmentState], target: f32) -> f32 {
        let target = if self.graphs > 1 { 1.0 - (1.0 - target) * MISSES_OF_PARTS } else { target };
        let sum: f64 = self
            .members
            .iter()
            .map(|member| &segments[member.segment].header)
            .map(|header| f64::from(header.nodes) * f64::from(gamma_for(header, target)))
            .sum();
        if self.elements == 0 { 1.0 } else { (sum / f64::from(self.elements)) as f32 }
    }
}

/// The segments that have nodes: graphs, then flat ones, each by descending size; a group for every 2^32 ids.
fn group(segments: &[SegmentState]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..segments.len()).filter(|&at| segments[at].header.nodes > 0).collect();
    order.sort_by_key(|&at| (segments[at].plan.is_flat(), Reverse(segments[at].header.nodes)));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut used = 0u32;
    for at in order {
        let header = &segments[at].header;
        let together = header.nodes.checked_add(header.routers).and_then(|ids| ids.checked_add(used));
        match (together, groups.last_mut()) {
            (Some(ids), Some(group)) => {
                group.push(at);
                used = ids;
            }
            _ => {
                groups.push(vec![at]);
                used = header.nodes + header.routers;
            }
        }
    }
    groups
}

/// Whether a query is the same in the terms of both, but for the norm that it is scaled to.
fn is_prepared_alike(a: &SegmentState, b: &SegmentState) -> bool {
    let is_same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
    a.plan.own() == b.plan.own()
        && a.centroid.len() == b.centroid.len()
        && a.centroid.iter().zip(&b.centroid).all(is_same)
}

/// The segments of a [`UnionQuery`], to be searched.
pub struct Union<'a, P> {
    pager: &'a P,
    space: &'a Space,
    segments: &'a [SegmentState],
    query: &'a UnionQuery,
    /// Room for a sparse vector.
    vector: Vec<u8>,
}

impl<'a, P: Pager> Union<'a, P> {
    /// `segments`: those that the query was prepared for.
    pub fn new(pager: &'a P, space: &'a Space, segments: &'a [SegmentState], query: &'a UnionQuery) -> Self {
        Self { pager, space, segments, query, vector: Vec::new() }
    }

    #[inline]
    fn reader(&self, member: &Member, vector: Vec<u8>) -> SegmentReader<'a, P> {
        let (state, query) = (&self.segments[member.segment], &self.query.queries[member.query]);
        SegmentReader::new(self.pager, self.space, state, query).numbered_from(member.first, vector)
    }
}

impl<P: Pager> Graph for Union<'_, P> {
    type Error = PageError;

    fn element_count(&self) -> u32 {
        self.query.elements
    }

    fn routers(&self) -> Range<u32> {
        self.query.elements..self.query.routers_end
    }

    fn parts(&self) -> usize {
        self.query.graphs
    }

    fn routers_of(&self, part: usize) -> Range<u32> {
        let member = &self.query.members[part];
        member.first_router..member.first_router + self.segments[member.segment].header.routers
    }

    fn elements_of(&self, part: usize) -> u32 {
        self.segments[self.query.members[part].segment].header.nodes
    }

    fn lists(&self) -> Range<u32> {
        self.query.routers_end..self.query.lists_end
    }

    fn rejects(&self) -> bool {
        self.query.rejects
    }

    #[inline]
    fn expand(&mut self, id: u32, hop: &mut Hop<'_>) -> Result<(), PageError> {
        let (member, own_id) = self.query.locate(self.segments, id);
        let vector = std::mem::take(&mut self.vector);
        let mut reader = self.reader(member, vector);
        reader.expand_own(own_id, hop)?;
        self.vector = reader.into_vector();
        Ok(())
    }

    fn prefetch(&self, id: u32) {
        let (member, own_id) = self.query.locate(self.segments, id);
        self.reader(member, Vec::new()).prefetch_own(own_id);
    }

    fn measure_all(&mut self, visit: &mut dyn FnMut(Measured)) -> Result<(), PageError> {
        for member in &self.query.members {
            let vector = std::mem::take(&mut self.vector);
            let mut reader = self.reader(member, vector);
            reader.measure_all(visit)?;
            self.vector = reader.into_vector();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ann::Metric;
    use zerocopy::FromZeros;

    use super::*;
    use crate::format::segment::SegmentHeader;
    use crate::plan::NodePlan;
    use crate::row::{Element, Row};

    /// A segment of which nothing but the header is looked at.
    fn segment(nodes: u32, routers: u32, lanes: usize) -> SegmentState {
        let plan = NodePlan::from_parts(128, lanes, 1, 1).expect("a node that fits");
        let header = SegmentHeader { nodes, routers, ..SegmentHeader::new_zeroed() };
        SegmentState { segment: 1, header, plan, centroid: vec![0.0; 100] }
    }

    #[test]
    fn every_id_belongs_to_one_segment() {
        let sizes = [(30, 2, 8), (0, 0, 8), (7, 1, 0), (50, 3, 8), (1, 0, 8), (9, 1, 0)];
        let segments = sizes.map(|(nodes, routers, lanes)| segment(nodes, routers, lanes));
        let space = Space::new(Element::Float4, Metric::L2, 100, 7);
        let query = Query::new(&space, Row::Dense(&[0.5; 100])).expect("ranked");
        let unions = UnionQuery::prepare(&space, &segments, &query);
        assert_eq!((unions.len(), unions[0].preparations(), unions[0].graphs), (1, 1, 3));
        let mut expected = Vec::new();
        // Graphs by size, then flat segments: their nodes, and then their routers in the same order.
        let order = [3, 0, 4, 5, 2];
        order.iter().for_each(|&at| expected.extend((0..sizes[at].0).map(|id| (at, id))));
        assert_eq!(unions[0].elements as usize, expected.len());
        order.iter().for_each(|&at| expected.extend((0..sizes[at].1).map(|id| (at, sizes[at].0 + id))));
        assert_eq!(unions[0].lists_end as usize, expected.len());
        assert_eq!(unions[0].routers_end, 97 + 5);
        for (id, &(at, own)) in expected.iter().enumerate() {
            let (member, found) = unions[0].locate(&segments, id as u32);
            assert_eq!((member.segment, found), (at, own), "{id}");
        }
    }

    #[test]
    fn more_ids_than_32_bits_have_make_several_unions() {
        let segments = [1 << 31, 5, u32::MAX - 10, 1 << 31].map(|nodes| segment(nodes, 1, 8));
        assert_eq!(group(&segments), [vec![2], vec![0], vec![3, 1]]);
    }
}

//! Many segments as one graph: a walk with one bound and one pool goes through all of them.
//!
//! Elements are numbered through all segments, graphs first, the largest before the others, so that the bound is low
//! early; behind the elements come the routers of the graphs, each graph a part of its own, then those of the flat
//! segments, which are lists that every search reads, and then the lists of other segments: not by number, but by
//! turns, the nearest of each segment first, in the proportion in which they are due. Segments that differ in their
//! shape may stand together: those whose hops read all neighbors ignore the threshold.
//!
//! Keys of all segments must be comparable: for inner products, where keys depend on the norm that a query is scaled
//! to, all segments take the largest that any of them has.
//!
//! Bounds of rows in lists with coarse own vectors are likely ones: see [`SegmentQuery::with_likely_bounds`].
//!
//! Preparing a query takes longer than a hop. Segments with the same centroid and the same kind of codes share one.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::ops::Range;

use ann::search::{Graph, Hop, Measured};

use super::calibrate::{gamma_for, lists_for};
use super::lists::{ListOrder, Lists};
use super::read::{SegmentReader, SegmentState};
use crate::error::PageError;
use crate::pager::Pager;
use crate::plan::OwnCode;
use crate::space::{Query, SegmentQuery, Space};

/// Share of the allowed misses that is aimed at in a union of several graphs, when those beside the largest have this
/// share of the nodes; more of the misses where they have less.
const MISSES_OF_PARTS: f32 = 0.4;
const PARTED: f32 = 0.25;

/// Misses that lists of a segment with hardly a share of the rows are allowed, against those of one that has them all.
const MISSES_OF_SHARES: f32 = 2.0;

/// Deviations of bounds if all rows might be missed, and misses below which there are no more of them.
const DEVIATIONS_OF_ALL: f64 = 0.7;
const MISSES_MIN: f64 = 1e-4;

/// Segments of one index, and a query in the terms of each.
pub struct UnionQuery {
    members: Vec<Member>,
    queries: Vec<SegmentQuery>,
    /// The first members are graphs.
    graphs: usize,
    elements: u32,
    /// Behind the last router of a graph, of a flat segment, and behind the lists.
    routers_end: u32,
    flat_end: u32,
    lists_end: u32,
    /// Behind the lists that are due.
    lists_due: u32,
    turns: Turns,
    rejects: bool,
}

/// A segment in a union.
struct Member {
    /// Its place among the segments.
    segment: usize,
    /// The query in its terms.
    query: usize,
    /// Number of its first node, and of its first router or list, in the union.
    first: u32,
    first_router: u32,
    lists: Option<MemberLists>,
}

/// The lists of a member.
struct MemberLists {
    /// The query in the terms of their nodes.
    query: usize,
    /// How many are due.
    due: u32,
    /// All of them, nearest first, once that was found out.
    order: OnceCell<ListOrder>,
}

/// How many lists are due in segments that have them.
#[derive(Clone, Copy, Debug)]
pub enum Probes {
    /// As many as this recall needs by calibration.
    Recall(f32),
    /// So many of the whole index, each segment its share.
    Lists(u32),
    /// All of them, for an answer that is as good as a look at every row.
    All,
}

impl UnionQuery {
    /// `query` in the terms of all `segments` that have nodes. One union, unless their numbers do not fit 32 bits.
    pub fn prepare(space: &Space, segments: &[SegmentState], query: &Query, probes: Probes) -> Vec<Self> {
        let groups = group(segments);
        groups.iter().map(|group| Self::of_group(space, segments, group, query, probes)).collect()
    }

    fn of_group(
        space: &Space,
        segments: &[SegmentState],
        group: &[usize],
        query: &Query,
        probes: Probes,
    ) -> Self {
        let graphs = group.iter().filter(|&&at| !segments[at].plan.is_flat()).count();
        let elements = group.iter().map(|&at| segments[at].header.nodes).sum();
        let norm_max = group.iter().map(|&at| segments[at].header.norm_max).fold(0.0, f32::max);
        let (mut members, mut queries) = (Vec::<Member>::with_capacity(group.len()), Queries::default());
        let (mut first, mut first_router, mut routers_end, mut flat_end) = (0, elements, elements, elements);
        for (place, &at) in group.iter().enumerate() {
            let segment = &segments[at];
            let mut prepare = |own: OwnCode| {
                let is_likely = segment.header.lists > 0 && own.is_coarse();
                queries.find(segment, (own, is_likely), |centroid| {
                    let prepared = SegmentQuery::new(space, query, own, centroid, norm_max);
                    let prepared = match probes {
                        Probes::Recall(target) if is_likely => {
                            prepared.with_bounds_within(deviations_for(target))
                        }
                        _ if is_likely => prepared.with_likely_bounds(),
                        _ => prepared,
                    };
                    if matches!(probes, Probes::All) { prepared.with_wider_bounds() } else { prepared }
                })
            };
            let prepared = prepare(segment.plan.own());
            let lists = (segment.header.lists > 0).then(|| MemberLists {
                query: prepare(segment.plan.of_lists().own()),
                due: due_lists(segments, segment, probes),
                order: OnceCell::new(),
            });
            let has_lists = lists.is_some();
            members.push(Member { segment: at, query: prepared, first, first_router, lists });
            first += segment.header.nodes;
            first_router += segment.behind_nodes().len() as u32;
            if place < graphs {
                routers_end = first_router;
            }
            if !has_lists {
                flat_end = first_router;
            }
        }
        let rejects = group.iter().any(|&at| segments[at].plan.is_inline());
        let due: u32 = members.iter().filter_map(|member| Some(member.lists.as_ref()?.due)).sum();
        let (lists_end, lists_due) = (first_router, flat_end + due);
        let turns = Turns::of(&members, segments);
        let queries = queries.prepared;
        Self {
            members,
            queries,
            graphs,
            elements,
            routers_end,
            flat_end,
            lists_end,
            lists_due,
            turns,
            rejects,
        }
    }

    /// The member that has the list whose turn is `id`, and how many of its lists come before.
    fn locate_list(&self, id: u32) -> (&Member, u32) {
        let (member, before) = self.turns.get((id - self.flat_end) as usize);
        (&self.members[member as usize], before)
    }

    /// The member that has this id, which is no list, and the id in its own numbers.
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
        let nodes = |member: &Member| segments[member.segment].header.nodes as f32;
        let of_graphs: f32 = self.members[..self.graphs].iter().map(nodes).sum();
        let largest = self.members.first().map_or(0.0, nodes);
        let parted = ((1.0 - largest / of_graphs.max(1.0)) / PARTED).clamp(0.0, 1.0);
        let parted = if self.graphs > 1 { parted } else { 0.0 };
        let target = 1.0 - (1.0 - target) * (1.0 - parted * (1.0 - MISSES_OF_PARTS));
        let sum: f64 = self
            .members
            .iter()
            .map(|member| &segments[member.segment].header)
            .map(|header| f64::from(header.nodes) * f64::from(gamma_for(header, target)))
            .sum();
        if self.elements == 0 { 1.0 } else { (sum / f64::from(self.elements)) as f32 }
    }
}

/// Prepared queries, and what each was prepared for.
#[derive(Default)]
struct Queries<'s> {
    prepared: Vec<SegmentQuery>,
    of: Vec<((OwnCode, bool), &'s [f32])>,
}

impl<'s> Queries<'s> {
    /// The query for own vectors of this kind in a segment, made by `new` if no other will do: they are the same about
    /// the same centroid, but for the norm that a query is scaled to.
    fn find(
        &mut self,
        segment: &'s SegmentState,
        own: (OwnCode, bool),
        new: impl FnOnce(&[f32]) -> SegmentQuery,
    ) -> usize {
        let centroid = segment.centroid.as_slice();
        let is_same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
        let is_alike = |other: &((OwnCode, bool), &[f32])| {
            other.0 == own && other.1.len() == centroid.len() && other.1.iter().zip(centroid).all(is_same)
        };
        self.of.iter().position(is_alike).unwrap_or_else(|| {
            self.of.push((own, centroid));
            self.prepared.push(new(centroid));
            self.prepared.len() - 1
        })
    }
}

/// Deviations within which bounds of coarse codes are for a recall target: 2 for 0.95, 2.7 for 0.99. Within 3, searches
/// for 0.95 find 0.997 instead of 0.987 with 1 bit, and take a third more time (minilm-100k in make bench: text
/// embeddings of 384 dimensions).
fn deviations_for(target: f32) -> f64 {
    let misses = f64::from(1.0 - target).max(MISSES_MIN);
    DEVIATIONS_OF_ALL - misses.log10()
}

/// How many lists of a segment are due.
fn due_lists(segments: &[SegmentState], segment: &SegmentState, probes: Probes) -> u32 {
    let header = &segment.header;
    let due = match probes {
        Probes::Recall(target) => {
            let all: u64 = segments.iter().map(|segment| u64::from(segment.header.nodes)).sum();
            let share = f64::from(header.nodes) / all.max(1) as f64;
            // What a segment has a small share of are its very nearest rows, and those are in nearer lists.
            lists_for(header, 1.0 - (1.0 - target) * (MISSES_OF_SHARES - share as f32))
        }
        Probes::All => header.lists,
        Probes::Lists(count) => {
            let all: u64 = segments.iter().map(|segment| u64::from(segment.header.lists)).sum();
            (u64::from(count) * u64::from(header.lists)).div_ceil(all.max(1)) as u32
        }
    };
    due.clamp(1, header.lists)
}

/// The turns of the members' lists: as large a share of each at any time. Those that are due come first, and whoever
/// reads no more does not pay for the order of the others.
struct Turns {
    /// By member that has lists: its number, how many of them are due, and how many there are.
    members: Vec<(u32, u32, u32)>,
    /// The member, and how many of its lists come before; empty with one member.
    due: Vec<(u32, u32)>,
    others: OnceCell<Vec<(u32, u32)>>,
}

impl Turns {
    fn of(members: &[Member], segments: &[SegmentState]) -> Self {
        let of_member = |(at, member): (usize, &Member)| {
            let due = member.lists.as_ref()?.due;
            Some((at as u32, due, segments[member.segment].header.lists))
        };
        Self::new(members.iter().enumerate().filter_map(of_member).collect())
    }

    fn new(members: Vec<(u32, u32, u32)>) -> Self {
        let due = if members.len() > 1 { in_turns(&members, |due, _| 0..due) } else { Vec::new() };
        Self { members, due, others: OnceCell::new() }
    }

    /// The member whose list has this turn, and how many of its lists come before.
    fn get(&self, turn: usize) -> (u32, u32) {
        match (self.members.as_slice(), self.due.get(turn)) {
            (&[(member, _, _)], _) => (member, turn as u32),
            (_, Some(&due)) => due,
            (members, None) => {
                let others = self.others.get_or_init(|| in_turns(members, |due, count| due..count));
                others.get(turn - self.due.len()).copied().unwrap_or_default()
            }
        }
    }
}

/// These of each member's lists, given how many are due and how many there are, in turns.
fn in_turns(members: &[(u32, u32, u32)], lists: impl Fn(u32, u32) -> Range<u32>) -> Vec<(u32, u32)> {
    let of_member = |&(member, due, count): &(u32, u32, u32)| {
        lists(due, count).map(move |before| (f64::from(before) / f64::from(due), member, before))
    };
    let mut turns: Vec<(f64, u32, u32)> = members.iter().flat_map(of_member).collect();
    turns.sort_by(|a, b| a.0.total_cmp(&b.0));
    turns.into_iter().map(|(_, member, before)| (member, before)).collect()
}

/// The segments that have nodes: graphs, then flat ones, then those with lists, each by descending size; a group for
/// every 2^32 ids.
fn group(segments: &[SegmentState]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..segments.len()).filter(|&at| segments[at].header.nodes > 0).collect();
    let kind = |at: usize| (segments[at].plan.is_flat(), segments[at].header.lists > 0);
    order.sort_by_key(|&at| (kind(at), Reverse(segments[at].header.nodes)));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut used = 0u32;
    for at in order {
        let header = &segments[at].header;
        let own = header.nodes.saturating_add(header.routers.max(header.lists));
        let together = own.checked_add(used);
        match (together, groups.last_mut()) {
            (Some(ids), Some(group)) => {
                group.push(at);
                used = ids;
            }
            _ => {
                groups.push(vec![at]);
                used = own;
            }
        }
    }
    groups
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

    /// The member that has the list whose turn is `id`, and the list in its own numbers.
    fn near_list(&self, id: u32) -> Result<(&'a Member, u32), PageError> {
        let (member, before) = self.query.locate_list(id);
        let state = &self.segments[member.segment];
        let nodes = state.header.nodes;
        let Some(lists) = &member.lists else { return Ok((member, nodes + before)) };
        if lists.order.get().is_none() {
            let query = &self.query.queries[lists.query];
            let of_segment = Lists::new(self.pager, state.segment, &state.header, &state.plan);
            let order = of_segment.by_distance(query, lists.due as usize)?;
            // It is empty, as was just seen.
            let _ = lists.order.set(order);
        }
        let list = lists.order.get().and_then(|order| order.get(before as usize));
        Ok((member, nodes + list.unwrap_or(before)))
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

    fn lists_due(&self) -> u32 {
        self.query.lists_due - self.query.routers_end
    }

    #[inline]
    fn expand(&mut self, id: u32, hop: &mut Hop<'_>) -> Result<(), PageError> {
        let (member, own_id) = if id >= self.query.flat_end {
            self.near_list(id)?
        } else {
            self.query.locate(self.segments, id)
        };
        let vector = std::mem::take(&mut self.vector);
        let mut reader = self.reader(member, vector);
        reader.expand_own(own_id, hop)?;
        self.vector = reader.into_vector();
        Ok(())
    }

    fn prefetch(&self, id: u32) {
        if id >= self.query.flat_end {
            return;
        }
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
    fn fewer_misses_take_more_deviations() {
        let of =
            [0.0, 0.9, 0.95, 0.99, 0.999, 1.0].map(|target| (deviations_for(target) * 10.0).round() as u32);
        assert_eq!(of, [7, 17, 20, 27, 37, 47]);
    }

    #[test]
    fn every_id_belongs_to_one_segment() {
        let sizes = [(30, 2, 8), (0, 0, 8), (7, 1, 0), (50, 3, 8), (1, 0, 8), (9, 1, 0)];
        let segments = sizes.map(|(nodes, routers, lanes)| segment(nodes, routers, lanes));
        let space = Space::new(Element::Float4, Metric::L2, 100, 7);
        let query = Query::new(&space, Row::Dense(&[0.5; 100])).expect("ranked");
        let unions = UnionQuery::prepare(&space, &segments, &query, Probes::Recall(0.95));
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

    /// (Member, due, lists) as one order of all would have them.
    #[test]
    fn lists_that_were_not_due_have_the_turns_behind_those_that_were() {
        for members in [vec![], vec![(2, 3, 7)], vec![(1, 2, 9), (3, 5, 6), (4, 1, 30)]] {
            let all = in_turns(&members, |_, count| 0..count);
            let due: u32 = members.iter().map(|member| member.1).sum();
            let turns = Turns::new(members);
            let found: Vec<(u32, u32)> = (0..all.len()).map(|turn| turns.get(turn)).collect();
            assert_eq!(found, all);
            assert!(found[due as usize..].iter().all(|later| !found[..due as usize].contains(later)));
        }
        let three = in_turns(&[(1, 2, 9), (3, 4, 6)], |_, count| 0..count);
        assert_eq!(three[..6], [(1, 0), (3, 0), (3, 1), (1, 1), (3, 2), (3, 3)]);
    }

    #[test]
    fn more_ids_than_32_bits_have_make_several_unions() {
        let segments = [1 << 31, 5, u32::MAX - 10, 1 << 31].map(|nodes| segment(nodes, 1, 8));
        assert_eq!(group(&segments), [vec![2], vec![0], vec![3, 1]]);
    }
}

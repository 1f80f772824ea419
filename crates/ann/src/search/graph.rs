//! What a search needs of a store.

use std::ops::Range;

use super::Visited;

/// An element whose distance to the query is known, up to the rounding of its stored form.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// No value of the distance operator for this element is below it. Never NaN.
    pub lower: f64,
    /// And none is above it. Never NaN.
    pub upper: f64,
    /// The distance as the stored form gives it, in the operator's units.
    pub value: f64,
    /// The same as a search key: non-negative, ordered like `value`, comparable with estimates.
    pub key: f32,
    /// The element.
    pub id: u32,
    /// What the store wants to get back with the element; tells elements with the same id apart.
    pub payload: u64,
}

/// One hop: what the search tells the store, and what the store answers.
pub struct Hop<'a> {
    /// Estimates at or above it are not wanted.
    pub threshold: f32,
    /// Elements met so far; the store adds each candidate that it reports.
    pub seen: &'a mut Visited,
    /// Out: neighbors that were not in `seen`, with their estimated keys.
    pub candidates: &'a mut Vec<(f32, u32)>,
    /// Out: elements whose distance this hop learnt.
    pub measured: &'a mut Vec<Measured>,
    /// Out: nothing can be reached from here, so that reading it again would show nothing new.
    pub is_leaf: bool,
}

/// A stored graph, measured against one query.
pub trait Graph {
    /// What reading can raise.
    type Error;
    /// Elements are numbered from 0 to this.
    fn element_count(&self) -> u32;
    /// Ids of the routing entries, which have neighbors but are no elements; not below `element_count`. A store
    /// without routers and lists is no graph: all its elements are measured at once.
    fn routers(&self) -> Range<u32>;
    /// Number of parts that no neighbor leads out of: a walk goes into each of them.
    fn parts(&self) -> usize {
        1
    }
    /// The routers of one part. All parts together have all routers.
    fn routers_of(&self, part: usize) -> Range<u32> {
        if part == 0 { self.routers() } else { 0..0 }
    }
    /// Elements of one part.
    fn elements_of(&self, _part: usize) -> u32 {
        self.element_count()
    }
    /// Ids of the lists, which name elements that no neighbor leads to, each in one list; not below `element_count`.
    /// Expanding one reports candidates only. A store with lists rejects.
    fn lists(&self) -> Range<u32> {
        0..0
    }
    /// How many of the lists, from the first on, are read before anything in them is offered. The others are read when
    /// the consumer goes on.
    fn lists_due(&self) -> u32 {
        self.lists().len() as u32
    }
    /// Whether hops leave out neighbors at or above the threshold.
    fn rejects(&self) -> bool;
    /// Reads `id` and reports what it shows.
    fn expand(&mut self, id: u32, hop: &mut Hop<'_>) -> Result<(), Self::Error>;
    /// Says that `id` will probably be expanded next.
    fn prefetch(&self, id: u32);
    /// Measures every element, in storage order.
    fn measure_all(&mut self, visit: &mut dyn FnMut(Measured)) -> Result<(), Self::Error>;
}

//! Best-first search of a graph, as a stream of elements in the order of their distance.
//!
//! The walk is that of Malkov and Yashunin (2018, Algorithm 2) on one level, ranked by estimates as in SymphonyQG
//! (Gou et al. 2025): a hop learns the distance of the element itself and estimates for its neighbors. What we
//! changed:
//!
//! - It is a stream without a `k`. [`Effort::Adaptive`] offers the next element when the best estimate still
//!   waiting exceeds `gamma` times that element's distance; the first [`FIRST_BATCH`] elements wait for the bound of
//!   the last of them, so that they leave in order. [`Effort::Pool`] is the classic candidate list of the `ef` nearest
//!   elements whose distance is known, which doubles when the consumer wants more.
//! - Estimates above the admission threshold are not stored. When the consumer asks for more than the threshold
//!   covers, the elements expanded so far are read again with a larger one; thresholds grow geometrically, so all
//!   repeats together cost no more than the walk did.
//! - When a walk has read more than a fraction of the graph, or the graph has no more connected elements,
//!   [`linear::LinearPass`] reads every element in storage order and offers the rest in exact order. So every
//!   element is offered in the end, whatever the graph looks like.
//!
//! Strict order: an element that turns out nearer than one offered before is held back and offered after all others
//! rather than dropped. Relaxed order offers it at once.
//!
//! Invariants: `frontier` holds ids in `seen` that were not expanded; `results` and `late` hold measured elements
//! that were not offered; an element is offered at most once.

mod linear;
mod visited;

#[cfg(test)]
mod tests;

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;

use linear::LinearPass;
pub use visited::Visited;

/// Elements that are ranked against each other before the first is offered.
pub const FIRST_BATCH: usize = 10;
/// The admission threshold lies this much above the bound of the first batch, so that a consumer who wants a few
/// elements more does not cause a second reading.
const ADMISSION_SLACK: f32 = 1.05;
/// Growth of the admission threshold when the consumer goes on.
const ADMISSION_GROWTH: f32 = 1.2;
/// Entry points that a walk starts with: the nearest of those that the routers name.
const ENTRIES: usize = 16;
/// Below this many elements every search reads them all: it costs no more than a walk, and is exact.
const LINEAR_ELEMENTS: u32 = 512;
/// A walk that has read one element in this many goes over to reading all of them in order.
const WALK_FRACTION: u32 = 8;

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
}

/// A stored graph, measured against one query.
pub trait Graph {
    /// What reading can raise.
    type Error;
    /// Elements are numbered from 0 to this.
    fn element_count(&self) -> u32;
    /// Ids of the routing entries, which have neighbors but are no elements; not below `element_count`. A store
    /// without any is no graph: all its elements are measured at once.
    fn routers(&self) -> Range<u32>;
    /// Whether hops leave out neighbors at or above the threshold.
    fn rejects(&self) -> bool;
    /// Reads `id` and reports what it shows.
    fn expand(&mut self, id: u32, hop: &mut Hop<'_>) -> Result<(), Self::Error>;
    /// Says that `id` will probably be expanded next.
    fn prefetch(&self, id: u32);
    /// Measures every element, in storage order.
    fn measure_all(&mut self, visit: &mut dyn FnMut(Measured)) -> Result<(), Self::Error>;
}

/// How far a search goes before it offers an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effort {
    /// Until the best waiting estimate exceeds `gamma` (at least 1) times the key that is due.
    Adaptive {
        /// The factor.
        gamma: f32,
        /// Elements that are expanded before the first is offered, whatever the factor says: where estimates are
        /// good it costs little and makes up for what calibration did not see.
        expansions_min: u32,
    },
    /// Until the best waiting estimate exceeds the key of the last of the `ef` nearest elements measured.
    Pool {
        /// Its size, at least 1.
        ef: usize,
    },
    /// Every element is measured before the first is offered.
    Exact,
}

/// What a stream does when its first effort is used up.
#[derive(Clone, Copy, Debug)]
pub struct Continuation {
    /// False: the stream ends after the first effort, as with a fixed candidate list.
    pub streaming: bool,
    /// Whether late elements wait until the end.
    pub strict: bool,
    /// The walk ends, and with it the stream, after this many expansions.
    pub expansions_max: u64,
    /// Elements that a linear pass may hold.
    pub linear_elements_max: usize,
}

impl Default for Continuation {
    fn default() -> Self {
        Self { streaming: true, strict: true, expansions_max: u64::MAX, linear_elements_max: 1 << 17 }
    }
}

/// Orders measured elements by their lower bound; ties by id and payload, so that no two are equal.
#[derive(Clone, Copy, Debug)]
struct ByLower(Measured);

impl PartialEq for ByLower {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for ByLower {}
impl PartialOrd for ByLower {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for ByLower {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_bound = self.0.lower.total_cmp(&other.0.lower);
        by_bound.then(self.0.id.cmp(&other.0.id)).then(self.0.payload.cmp(&other.0.payload))
    }
}

/// A search in progress. See the module's head.
pub struct Stream {
    effort: Effort,
    rules: Continuation,
    seen: Visited,
    frontier: BinaryHeap<Reverse<u64>>,
    results: BinaryHeap<Reverse<ByLower>>,
    /// Ascending keys of the nearest elements measured, as many as define the bound.
    nearest: Vec<f32>,
    due: usize,
    threshold: f32,
    expanded: Vec<u32>,
    keys: Vec<f32>,
    offered: Vec<u32>,
    last_lower: f64,
    late: Vec<Measured>,
    linear: Option<LinearPass>,
    candidates: Vec<(f32, u32)>,
    measured: Vec<Measured>,
    expansions: u64,
    started: bool,
}

/// What the walk can do next.
enum Step {
    Offer(Measured),
    Continue,
    Exhausted,
}

impl Stream {
    /// A search that has not begun.
    pub fn new(effort: Effort, rules: Continuation) -> Self {
        let due = match effort {
            Effort::Adaptive { .. } | Effort::Exact => FIRST_BATCH,
            Effort::Pool { ef } => ef.max(1),
        };
        Self {
            effort,
            rules,
            seen: Visited::new(0),
            frontier: BinaryHeap::with_capacity(256),
            results: BinaryHeap::with_capacity(64),
            nearest: Vec::with_capacity(due + 1),
            due,
            threshold: f32::INFINITY,
            expanded: Vec::with_capacity(128),
            keys: Vec::new(),
            offered: Vec::new(),
            last_lower: f64::NEG_INFINITY,
            late: Vec::new(),
            linear: None,
            candidates: Vec::with_capacity(64),
            measured: Vec::with_capacity(8),
            expansions: 0,
            started: false,
        }
    }

    /// Elements and routers expanded so far.
    pub fn expansions(&self) -> u64 {
        self.expansions
    }

    /// The next element, or none when all were offered or the rules end the stream.
    ///
    /// # Errors
    /// What the graph raises; the stream can't be continued after it.
    pub fn next<G: Graph>(&mut self, graph: &mut G) -> Result<Option<Measured>, G::Error> {
        if !self.started {
            self.start(graph)?;
        }
        while self.linear.is_none() {
            match self.step(graph)? {
                Step::Continue => {}
                Step::Offer(element) if self.is_late(&element) => self.late.push(element),
                Step::Offer(element) => {
                    self.last_lower = self.last_lower.max(element.lower);
                    self.offered.push(element.id);
                    return Ok(Some(element));
                }
                Step::Exhausted if self.may_go_on() => self.begin_linear(graph),
                Step::Exhausted => return Ok(self.pop_late()),
            }
        }
        match &mut self.linear {
            Some(pass) => pass.next(graph),
            None => Ok(None),
        }
    }

    /// The nearest of the elements that could not be offered in order.
    fn pop_late(&mut self) -> Option<Measured> {
        let nearest = (0..self.late.len()).min_by_key(|&at| ByLower(self.late[at]))?;
        Some(self.late.swap_remove(nearest))
    }

    fn may_go_on(&self) -> bool {
        self.rules.streaming && self.expansions < self.rules.expansions_max
    }

    fn is_late(&self, element: &Measured) -> bool {
        self.rules.strict && element.value < self.last_lower
    }

    fn start<G: Graph>(&mut self, graph: &mut G) -> Result<(), G::Error> {
        self.started = true;
        let is_small = graph.element_count() <= LINEAR_ELEMENTS && self.rules.streaming;
        if is_small || graph.routers().is_empty() || self.effort == Effort::Exact {
            self.begin_linear(graph);
            return Ok(());
        }
        let routers = graph.routers();
        self.seen = Visited::new(routers.end.max(graph.element_count()));
        let mut entries: Vec<f32> = Vec::with_capacity(ENTRIES + 1);
        for router in routers {
            self.expand(graph, router)?;
            self.candidates.iter().for_each(|candidate| insert_ascending(&mut entries, candidate.0, ENTRIES));
            if graph.rejects() && entries.len() == ENTRIES {
                self.threshold = entries[ENTRIES - 1];
            }
        }
        self.threshold = f32::INFINITY;
        Ok(())
    }

    fn begin_linear<G: Graph>(&mut self, graph: &G) {
        let mut offered = Visited::new(graph.element_count());
        for &id in &self.offered {
            offered.insert(id);
        }
        let after = if self.rules.strict { self.last_lower } else { f64::NEG_INFINITY };
        self.linear = Some(LinearPass::new(offered, after, self.rules.linear_elements_max));
    }

    /// One decision of the walk: expand, widen, offer or give up.
    fn step<G: Graph>(&mut self, graph: &mut G) -> Result<Step, G::Error> {
        let stop_at = self.stop_at();
        let waiting = self.frontier.peek().map(|entry| key_of(entry.0));
        if stop_at > self.threshold && graph.rejects() && !(waiting.is_some_and(|key| key <= self.threshold))
        {
            if !self.rules.streaming && self.frontier.is_empty() && !self.results.is_empty() {
                return Ok(self.offer());
            }
            self.widen(graph, stop_at)?;
            return Ok(Step::Continue);
        }
        match waiting {
            Some(key) if key <= stop_at => {
                if self.walked_too_far(graph) {
                    return Ok(self.give_up());
                }
                let id = self.frontier.pop().map_or(0, |entry| entry.0 as u32);
                if let Some(next) = self.frontier.peek() {
                    graph.prefetch(next.0 as u32);
                }
                self.expand(graph, id)?;
                Ok(Step::Continue)
            }
            Some(_) if self.rules.streaming && !self.result_is_due() => {
                self.double_pool();
                Ok(Step::Continue)
            }
            _ if !self.results.is_empty() => Ok(self.offer()),
            _ => Ok(Step::Exhausted),
        }
    }

    /// Whether the nearest result belongs to what the effort covers: a pool's hops also measure what lies beyond it.
    fn result_is_due(&self) -> bool {
        let nearest = self.results.peek().map(|element| element.0.0.key);
        match self.effort {
            Effort::Adaptive { .. } | Effort::Exact => nearest.is_some(),
            Effort::Pool { .. } => nearest.is_some_and(|key| key <= self.bound()),
        }
    }

    fn walked_too_far<G: Graph>(&self, graph: &G) -> bool {
        self.expansions >= self.rules.expansions_max
            || (self.rules.streaming
                && self.expansions > u64::from(graph.element_count() / WALK_FRACTION).max(64))
    }

    /// After a walk that went too far: what it found is offered only if nothing follows it.
    fn give_up(&mut self) -> Step {
        if self.may_go_on() || self.results.is_empty() { Step::Exhausted } else { self.offer() }
    }

    fn offer(&mut self) -> Step {
        self.results.pop().map_or(Step::Exhausted, |element| Step::Offer(element.0.0))
    }

    /// The walk goes on while the best waiting key is not above this.
    fn stop_at(&self) -> f32 {
        match self.effort {
            Effort::Pool { .. } | Effort::Exact => self.bound(),
            Effort::Adaptive { gamma, expansions_min } => {
                let is_first = self.offered.is_empty() && self.late.is_empty();
                if is_first && self.expansions < u64::from(expansions_min) && !self.frontier.is_empty() {
                    return f32::MAX.min(self.threshold);
                }
                let due = if is_first {
                    self.bound()
                } else {
                    self.results.peek().map_or(f32::INFINITY, |element| element.0.0.key)
                };
                due * gamma
            }
        }
    }

    /// The key of the last element of the first batch or pool; infinite while there are fewer.
    fn bound(&self) -> f32 {
        if self.nearest.len() < self.due { f32::INFINITY } else { self.nearest[self.due - 1] }
    }

    fn expand<G: Graph>(&mut self, graph: &mut G, id: u32) -> Result<(), G::Error> {
        self.expansions += 1;
        self.expanded.push(id);
        self.read(graph, id)?;
        let is_pool = matches!(self.effort, Effort::Pool { .. });
        for element in &self.measured {
            self.results.push(Reverse(ByLower(*element)));
            insert_ascending(&mut self.nearest, element.key, self.due);
            if is_pool {
                self.keys.push(element.key);
            }
        }
        self.admit();
        if self.offered.is_empty() && graph.rejects() && self.nearest.len() == self.due {
            let factor = match self.effort {
                Effort::Adaptive { gamma, .. } => gamma * ADMISSION_SLACK,
                Effort::Pool { .. } | Effort::Exact => 1.0,
            };
            self.threshold = self.threshold.min(self.bound() * factor);
        }
        Ok(())
    }

    fn read<G: Graph>(&mut self, graph: &mut G, id: u32) -> Result<(), G::Error> {
        self.candidates.clear();
        self.measured.clear();
        graph.expand(
            id,
            &mut Hop {
                threshold: self.threshold,
                seen: &mut self.seen,
                candidates: &mut self.candidates,
                measured: &mut self.measured,
            },
        )
    }

    /// Moves the hop's candidates to the frontier.
    fn admit(&mut self) {
        for &(estimate, id) in &self.candidates {
            self.frontier.push(Reverse(entry(estimate, id)));
        }
    }

    /// Reads the expanded elements again with a larger threshold.
    fn widen<G: Graph>(&mut self, graph: &mut G, wanted: f32) -> Result<(), G::Error> {
        self.threshold = wanted * ADMISSION_GROWTH;
        for at in 0..self.expanded.len() {
            let id = self.expanded[at];
            self.read(graph, id)?;
            self.admit();
        }
        self.expansions += self.expanded.len() as u64;
        Ok(())
    }

    /// Twice the candidate list, with the bound that follows from all that was met.
    fn double_pool(&mut self) {
        self.due = self.due.saturating_mul(2);
        self.nearest.clear();
        self.nearest.extend_from_slice(&self.keys);
        self.nearest.sort_unstable_by(f32::total_cmp);
        self.nearest.truncate(self.due);
    }
}

/// Inserts `key` into ascending `keys`, which keeps its `limit` smallest.
fn insert_ascending(keys: &mut Vec<f32>, key: f32, limit: usize) {
    if keys.len() >= limit {
        if keys.last().is_some_and(|&last| key >= last) {
            return;
        }
        keys.pop();
    }
    let at = keys.partition_point(|&other| other <= key);
    keys.insert(at, key);
}

/// A frontier entry: ordered by key, then id.
fn entry(key: f32, id: u32) -> u64 {
    let bits = key.to_bits();
    let ordered = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(ordered) << 32 | u64::from(id)
}

fn key_of(entry: u64) -> f32 {
    let ordered = (entry >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

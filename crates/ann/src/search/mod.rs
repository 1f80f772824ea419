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
//! - Lists that are far from the query are read only when the consumer goes on: more of them, the more was offered.
//! - A graph may have parts that no edge connects, and lists of elements without a graph: one walk with one bound
//!   goes through all of them ([`mod@enter`]).
//! - When a walk has read more than a fraction of the graph, or the graph has no more connected elements,
//!   [`linear::LinearPass`] reads every element in storage order and offers the rest in exact order. So every
//!   element is offered in the end, whatever the graph looks like.
//!
//! Strict order: an element that turns out nearer than one offered before is held back and offered after all others
//! rather than dropped. Relaxed order offers it at once.
//!
//! A hop waits for memory, so the walk takes the next element before it expands the one at hand, and asks for its page:
//! what a hop finds is expanded one later than it would be.
//!
//! Invariants: `frontier`, `ahead` and `spare` hold ids in `seen` that were not expanded; each candidate below
//! `threshold` that anything read so far names, but for entry points, is in `seen`, and not in `spare`; `results` and
//! `late` hold measured elements that were not offered; an element is offered at most once.

mod course;
mod enter;
mod graph;
mod linear;
mod order;
mod visited;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub use course::{Stop, course};
pub use graph::{Graph, Hop, Measured};
use linear::LinearPass;
use order::{ByLower, entry, insert_ascending, key_of};
pub use visited::Visited;

/// Elements that are ranked against each other before the first is offered.
pub const FIRST_BATCH: usize = 10;
/// The admission threshold lies this much above the bound of the first batch, so that a consumer who wants a few
/// elements more does not cause a second reading.
const ADMISSION_SLACK: f32 = 1.05;
/// Growth of the admission threshold when the consumer goes on.
const ADMISSION_GROWTH: f32 = 1.2;
/// Below this many elements every search reads them all: it costs no more than a walk, and is exact.
const LINEAR_ELEMENTS: u32 = 512;
/// A walk that has read one element in this many goes over to reading all of them in order.
const WALK_FRACTION: u32 = 8;

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

/// A search in progress. See the module's head.
pub struct Stream {
    effort: Effort,
    rules: Continuation,
    seen: Visited,
    frontier: BinaryHeap<Reverse<u64>>,
    /// The entry that is expanded next, whatever the expansion before it finds: it was taken out of the frontier when
    /// its page was asked for.
    ahead: Option<u64>,
    /// Candidates that lists named, above the threshold that the lists gave.
    spare: Vec<(f32, u32)>,
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
    /// Elements among them.
    hops: u64,
    widenings: u32,
    /// Lists before this id were read; those before the other one are to be read.
    lists_read: u32,
    lists_wanted: u32,
    /// Elements offered at which more lists are wanted.
    lists_next: usize,
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
            ahead: None,
            spare: Vec::new(),
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
            hops: 0,
            widenings: 0,
            lists_read: 0,
            lists_wanted: 0,
            lists_next: 0,
            started: false,
        }
    }

    /// Elements and routers expanded so far; lists do not count.
    pub fn expansions(&self) -> u64 {
        self.expansions
    }

    /// How often the threshold turned out too low, so that all that was read had to be read again.
    pub fn widenings(&self) -> u32 {
        self.widenings
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
        let is_plain = graph.routers().is_empty() && graph.lists().is_empty();
        if is_small || is_plain || self.effort == Effort::Exact {
            self.begin_linear(graph);
            return Ok(());
        }
        self.seen = Visited::new(graph.element_count());
        self.begin_lists(graph);
        self.enter(graph)
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
        let waiting = self.waiting();
        if self.rules.streaming && self.offered.len() >= self.lists_next {
            self.want_lists(graph);
        }
        if self.lists_read < self.lists_wanted
            && !waiting.is_some_and(|key| key <= stop_at.min(self.threshold))
        {
            self.read_lists(graph)?;
            return Ok(Step::Continue);
        }
        if stop_at > self.threshold && graph.rejects() && !(waiting.is_some_and(|key| key <= self.threshold))
        {
            if !self.rules.streaming && waiting.is_none() && !self.results.is_empty() {
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
                if let Some(id) = self.take_nearest(graph, stop_at) {
                    self.expand(graph, id)?;
                }
                Ok(Step::Continue)
            }
            Some(_) if self.rules.streaming && !self.result_is_due() => {
                self.double_pool();
                Ok(Step::Continue)
            }
            _ if !self.results.is_empty() => Ok(self.offer()),
            _ if self.may_go_on() && self.want_lists(graph) => Ok(Step::Continue),
            _ => Ok(Step::Exhausted),
        }
    }

    /// The least key that waits.
    fn waiting(&self) -> Option<f32> {
        let nearest = self.frontier.peek().map(|entry| entry.0);
        nearest.into_iter().chain(self.ahead).min().map(key_of)
    }

    /// The element to expand, of those that wait; asks for the page of the next, if that is not above `stop_at` either.
    fn take_nearest<G: Graph>(&mut self, graph: &G, stop_at: f32) -> Option<u32> {
        let due = self.ahead.take().filter(|&due| {
            let is_due = key_of(due) <= stop_at;
            if !is_due {
                self.frontier.push(Reverse(due));
            }
            is_due
        });
        let due = due.or_else(|| self.frontier.pop().map(|entry| entry.0));
        if self.frontier.peek().is_some_and(|next| key_of(next.0) <= stop_at) {
            self.ahead = self.frontier.pop().map(|entry| entry.0);
            self.ahead.iter().for_each(|&next| graph.prefetch(next as u32));
        }
        due.map(|due| due as u32)
    }

    /// Whether the nearest result belongs to what the effort covers: a pool's hops also measure what lies beyond it.
    fn result_is_due(&self) -> bool {
        let nearest = self.results.peek().map(|element| element.0.0.key);
        match self.effort {
            Effort::Adaptive { .. } | Effort::Exact => nearest.is_some(),
            Effort::Pool { .. } => nearest.is_some_and(|key| key <= self.bound()),
        }
    }

    fn is_spent(&self) -> bool {
        self.expansions >= self.rules.expansions_max
    }

    fn walked_too_far<G: Graph>(&self, graph: &G) -> bool {
        self.is_spent()
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
                if is_first && self.hops < u64::from(expansions_min) && self.waiting().is_some() {
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
        self.hops += 1;
        self.visit(graph, id)?;
        if self.offered.is_empty() && graph.rejects() && self.nearest.len() == self.due {
            self.threshold = self.threshold.min(self.bound() * self.admission_factor());
        }
        Ok(())
    }

    /// Reads an element or a router and keeps what it shows.
    fn visit<G: Graph>(&mut self, graph: &mut G, id: u32) -> Result<(), G::Error> {
        self.expansions += 1;
        if !self.read(graph, id)? {
            self.expanded.push(id);
        }
        let is_pool = matches!(self.effort, Effort::Pool { .. });
        for element in &self.measured {
            self.results.push(Reverse(ByLower(*element)));
            insert_ascending(&mut self.nearest, element.key, self.due);
            if is_pool {
                self.keys.push(element.key);
            }
        }
        self.admit();
        Ok(())
    }

    /// Whether what was read is a leaf.
    fn read<G: Graph>(&mut self, graph: &mut G, id: u32) -> Result<bool, G::Error> {
        self.candidates.clear();
        self.measured.clear();
        let mut hop = Hop {
            threshold: self.threshold,
            seen: &mut self.seen,
            candidates: &mut self.candidates,
            measured: &mut self.measured,
            is_leaf: false,
        };
        graph.expand(id, &mut hop)?;
        Ok(hop.is_leaf)
    }

    /// Moves the hop's candidates to the frontier.
    fn admit(&mut self) {
        for &(estimate, id) in &self.candidates {
            self.frontier.push(Reverse(entry(estimate, id)));
        }
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

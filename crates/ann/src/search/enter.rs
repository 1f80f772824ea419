//! Where a walk begins: routers, a way into each part of the graph, and lists.
//!
//! A part is entered from its routers' best entries and searched for its share of what is due, before the walk of all
//! parts begins. Without that, the bound that the other parts give would end the walk in a part before it came near
//! the query; and what lies below that bound in one part is too little to be connected in its graph: with 100,000 real
//! rows in four parts, a walk that only went down to the nearest element of each had a recall of 0.80 where this has
//! 0.96.
//!
//! Lists are read last, when the walk of the graph would end. Then the admission threshold is as low as it gets, and
//! next to nothing of what the lists name is stored. Without a graph the threshold comes from the lists themselves: of
//! the candidates met, the best [`LISTED`] for each element that is due are kept, with what lies above them as spare.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::order::{entry, insert_ascending, key_of};
use super::{Effort, Graph, Stream};

/// Entry points that a walk starts with: the nearest of those that the routers name.
const ENTRIES: usize = 16;
/// Elements that a part is searched for besides its share: the fewer are due, the less connected they are.
const PART_DUE: usize = 3;
/// The stopping factor for a part when the effort has none.
const PART_GAMMA: f32 = 1.03;
/// Candidates of the lists that are kept per element that is due, and besides: estimates are in another order than
/// distances, so more are needed than elements; too few cost a second reading.
const LISTED: usize = 4;
const LISTED_MIN: usize = 96;
/// Elements that are offered before more lists are wanted than at first; then with each doubling, one in so many more.
const LISTS_NEXT: usize = 2 * super::FIRST_BATCH;
const LISTS_GROWTH: u32 = 2;

/// A part on the way from its entries to the elements that are near.
struct PartWalk {
    frontier: BinaryHeap<Reverse<u64>>,
    /// So many of its elements are looked for.
    due: usize,
    /// Their keys, ascending.
    nearest: Vec<f32>,
    is_near: bool,
}

fn prefetch_nearest<G: Graph>(graph: &G, frontier: &BinaryHeap<Reverse<u64>>) {
    if let Some(next) = frontier.peek() {
        graph.prefetch(next.0 as u32);
    }
}

impl Stream {
    /// Reads the routers and walks into each part.
    pub(super) fn enter<G: Graph>(&mut self, graph: &mut G) -> Result<(), G::Error> {
        let parts = graph.parts();
        if parts == 1 {
            return self.read_routers(graph, graph.routers_of(0));
        }
        let mut walks = Vec::with_capacity(parts);
        for part in 0..parts {
            self.read_routers(graph, graph.routers_of(part))?;
            let share = f64::from(graph.elements_of(part)) / f64::from(graph.element_count().max(1));
            let due = (self.due as f64 * share).ceil() as usize + PART_DUE;
            let frontier = std::mem::take(&mut self.frontier);
            prefetch_nearest(graph, &frontier);
            walks.push(PartWalk { frontier, due, nearest: Vec::with_capacity(due + 1), is_near: false });
        }
        while walks.iter().any(|walk| !walk.is_near) {
            for walk in walks.iter_mut().filter(|walk| !walk.is_near) {
                std::mem::swap(&mut self.frontier, &mut walk.frontier);
                walk.is_near = !self.step_into_part(graph, walk.due, &mut walk.nearest)?;
                prefetch_nearest(graph, &self.frontier);
                std::mem::swap(&mut self.frontier, &mut walk.frontier);
            }
        }
        walks.iter_mut().for_each(|walk| self.frontier.append(&mut walk.frontier));
        Ok(())
    }

    fn read_routers<G: Graph>(&mut self, graph: &mut G, routers: Range<u32>) -> Result<(), G::Error> {
        let wanted = std::mem::replace(&mut self.threshold, f32::INFINITY);
        let mut entries: Vec<f32> = Vec::with_capacity(ENTRIES + 1);
        let end = routers.end;
        for router in routers {
            if router + 1 < end {
                graph.prefetch(router + 1);
            }
            self.visit(graph, router)?;
            self.candidates.iter().for_each(|candidate| insert_ascending(&mut entries, candidate.0, ENTRIES));
            if graph.rejects() && entries.len() == ENTRIES {
                self.threshold = entries[ENTRIES - 1];
            }
        }
        self.threshold = wanted;
        Ok(())
    }

    /// One hop in a part, whose candidates the frontier has; false when the `due` nearest of its elements were found.
    fn step_into_part<G: Graph>(
        &mut self,
        graph: &mut G,
        due: usize,
        nearest: &mut Vec<f32>,
    ) -> Result<bool, G::Error> {
        let gamma = match self.effort {
            Effort::Adaptive { gamma, .. } => gamma,
            Effort::Pool { .. } | Effort::Exact => PART_GAMMA,
        };
        let bound = if nearest.len() < due { f32::INFINITY } else { nearest[due - 1] * gamma };
        let Some(&Reverse(top)) = self.frontier.peek() else { return Ok(false) };
        if key_of(top) > bound || self.is_spent() {
            return Ok(false);
        }
        self.frontier.pop();
        // What leads further into the part is admitted even if it is too far away to be offered.
        let wanted = self.threshold;
        self.threshold = wanted.max(bound);
        self.expand(graph, top as u32)?;
        self.threshold = self.threshold.min(wanted);
        self.measured.iter().for_each(|element| insert_ascending(nearest, element.key, due));
        Ok(true)
    }

    /// Nothing is read, and what is due at first is wanted.
    pub(super) fn begin_lists<G: Graph>(&mut self, graph: &G) {
        let lists = graph.lists();
        self.lists_read = lists.start;
        self.lists_wanted = lists.end.min(lists.start + graph.lists_due());
        self.lists_next = if self.lists_wanted < lists.end { LISTS_NEXT } else { usize::MAX };
    }

    /// Wants more lists than were wanted so far; false when there are none.
    pub(super) fn want_lists<G: Graph>(&mut self, graph: &G) -> bool {
        let lists = graph.lists();
        if self.lists_wanted >= lists.end {
            self.lists_next = usize::MAX;
            return false;
        }
        let wanted = self.lists_wanted - lists.start;
        let more = (wanted / LISTS_GROWTH).max(1);
        self.lists_wanted = lists.end.min(self.lists_wanted.saturating_add(more));
        self.lists_next = (self.offered.len() * 2).max(LISTS_NEXT);
        true
    }

    /// Reads the lists that are wanted.
    pub(super) fn read_lists<G: Graph>(&mut self, graph: &mut G) -> Result<(), G::Error> {
        let lists = self.lists_read..self.lists_wanted;
        self.lists_read = lists.end;
        if self.threshold < f32::INFINITY {
            return self.admit_lists(graph, lists);
        }
        let kept = self.due.saturating_mul(LISTED).saturating_add(LISTED_MIN);
        let mut best: Vec<(f32, u32)> = Vec::new();
        let end = lists.end;
        for list in lists {
            if list + 1 < end {
                graph.prefetch(list + 1);
            }
            self.read(graph, list)?;
            best.extend_from_slice(&self.candidates);
            if best.len() >= kept.saturating_mul(2) {
                best.select_nth_unstable_by(kept - 1, |a, b| a.0.total_cmp(&b.0));
                self.threshold = best[kept - 1].0;
                self.spare.extend(best.drain(kept..));
            }
        }
        let mut entries: BinaryHeap<Reverse<u64>> =
            best.iter().map(|&(estimate, id)| Reverse(entry(estimate, id))).collect();
        self.frontier.append(&mut entries);
        Ok(())
    }

    /// Reads lists with the threshold in force.
    fn admit_lists<G: Graph>(&mut self, graph: &mut G, lists: Range<u32>) -> Result<(), G::Error> {
        let end = lists.end;
        for list in lists {
            if list + 1 < end {
                graph.prefetch(list + 1);
            }
            self.read(graph, list)?;
            self.admit();
        }
        Ok(())
    }

    /// Reads the expanded elements, and lists that were read, again with a larger threshold.
    pub(super) fn widen<G: Graph>(&mut self, graph: &mut G, wanted: f32) -> Result<(), G::Error> {
        self.widenings += 1;
        self.threshold = wanted * super::ADMISSION_GROWTH;
        for at in 0..self.expanded.len() {
            let id = self.expanded[at];
            self.read(graph, id)?;
            self.admit();
        }
        self.expansions += self.expanded.len() as u64;
        let (threshold, frontier) = (self.threshold, &mut self.frontier);
        self.spare.retain(|&(estimate, id)| {
            let is_admitted = estimate < threshold;
            if is_admitted {
                frontier.push(Reverse(entry(estimate, id)));
            }
            !is_admitted
        });
        let read = graph.lists().start..self.lists_read;
        self.admit_lists(graph, read)
    }

    /// The factor between the bound of what is due and the admission threshold.
    pub(super) fn admission_factor(&self) -> f32 {
        match self.effort {
            Effort::Adaptive { gamma, .. } => gamma * super::ADMISSION_SLACK,
            Effort::Pool { .. } | Effort::Exact => 1.0,
        }
    }
}

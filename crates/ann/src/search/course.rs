//! What one walk finds with each of several stopping factors.
//!
//! A search with a factor ends where the best key that waits exceeds the bound times that factor. Up to there it is the
//! walk that a larger factor takes: what the admission threshold of one has and that of the other has not, neither has
//! expanded by then. So one walk with the largest threshold passes the places where all others end. Elements are taken
//! ahead by the factor that is due, as its own search would; what one before it took otherwise changes the order of
//! hops, not how far they go.

use super::order::insert_ascending;
use super::{Continuation, Effort, Graph, Stream, Visited};

/// A place where a search ends.
pub struct Stop<'a> {
    /// Number of the factor that leads here.
    pub factor: usize,
    /// Ascending keys of the nearest elements found, at most [`super::FIRST_BATCH`].
    pub nearest: &'a [f32],
    /// Elements and routers expanded on the way.
    pub expansions: u64,
}

/// Walks through a graph that has one part. `gammas`: ascending, at least 1; `left_out`: an element that is no result.
///
/// # Errors
/// What the graph raises.
pub fn course<G: Graph>(
    graph: &mut G,
    gammas: &[f32],
    left_out: u32,
    at_stop: &mut dyn FnMut(Stop<'_>),
) -> Result<(), G::Error> {
    let Some(&gamma) = gammas.last() else { return Ok(()) };
    let mut stream = Stream::new(Effort::Adaptive { gamma, expansions_min: 0 }, Continuation::default());
    stream.seen = Visited::new(graph.element_count());
    stream.enter(graph)?;
    let mut factor = 0;
    while factor < gammas.len() {
        let bound = stream.bound();
        if stream.waiting().is_none_or(|waiting| waiting > bound * gammas[factor]) {
            let expansions = stream.expansions();
            at_stop(Stop { factor, nearest: &stream.nearest, expansions });
            factor += 1;
        } else if let Some(id) = stream.take_nearest(graph, bound * gammas[factor]) {
            stream.expand_but(graph, id, left_out)?;
        }
    }
    Ok(())
}

impl Stream {
    /// Expands an element; remembers the keys of the nearest results, and no results.
    fn expand_but<G: Graph>(&mut self, graph: &mut G, id: u32, left_out: u32) -> Result<(), G::Error> {
        self.expansions += 1;
        self.read(graph, id)?;
        for element in self.measured.iter().filter(|element| element.id != left_out) {
            insert_ascending(&mut self.nearest, element.key, self.due);
        }
        self.admit();
        if graph.rejects() && self.nearest.len() == self.due {
            self.threshold = self.threshold.min(self.bound() * self.admission_factor());
        }
        Ok(())
    }
}

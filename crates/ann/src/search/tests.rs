//! The stream against brute force, on small random graphs.

use super::*;

/// Points on a line; element `i` is linked to `links[i]`.
struct LineGraph {
    values: Vec<f32>,
    links: Vec<Vec<u32>>,
    query: f32,
    reads: usize,
}

impl LineGraph {
    fn measured(&self, id: u32) -> Measured {
        let key = (self.values[id as usize] - self.query).powi(2);
        Measured { lower: f64::from(key), upper: f64::from(key), value: f64::from(key), key, id, payload: 0 }
    }
}

impl Graph for LineGraph {
    type Error = std::convert::Infallible;
    fn element_count(&self) -> u32 {
        self.values.len() as u32
    }
    fn routers(&self) -> Range<u32> {
        self.element_count()..self.element_count() + 1
    }
    fn rejects(&self) -> bool {
        true
    }
    fn expand(&mut self, id: u32, hop: &mut Hop<'_>) -> Result<(), Self::Error> {
        self.reads += 1;
        let count = self.element_count();
        let links = if id >= count { vec![0, count / 2] } else { self.links[id as usize].clone() };
        if id < count {
            hop.measured.push(self.measured(id));
        }
        for link in links {
            let estimate = self.measured(link).key;
            if estimate < hop.threshold && hop.seen.insert(link) {
                hop.candidates.push((estimate, link));
            }
        }
        Ok(())
    }
    fn prefetch(&self, _id: u32) {}
    fn measure_all(&mut self, visit: &mut dyn FnMut(Measured)) -> Result<(), Self::Error> {
        (0..self.element_count()).for_each(|id| visit(self.measured(id)));
        Ok(())
    }
}

fn line(count: u32, seed: u64, cut: bool) -> LineGraph {
    let mut state = seed;
    let mut random = move |bound: u32| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 33) % u64::from(bound)) as u32
    };
    let values = (0..count).map(|_| random(1_000_000) as f32).collect::<Vec<_>>();
    let mut order = (0..count).collect::<Vec<_>>();
    order.sort_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]));
    let mut links = vec![Vec::new(); count as usize];
    for (at, &id) in order.iter().enumerate() {
        for step in [1usize, 2, 7, 50] {
            for other in
                [at.checked_sub(step), Some(at + step).filter(|o| *o < order.len())].into_iter().flatten()
            {
                let across = cut && (at < order.len() / 3) != (other < order.len() / 3);
                if !across {
                    links[id as usize].push(order[other]);
                }
            }
        }
    }
    LineGraph { values, links, query: random(1_000_000) as f32, reads: 0 }
}

fn drain(graph: &mut LineGraph, effort: Effort, rules: Continuation, limit: usize) -> Vec<Measured> {
    let mut stream = Stream::new(effort, rules);
    let mut all = Vec::new();
    while all.len() < limit {
        match stream.next(graph) {
            Ok(Some(element)) => all.push(element),
            Ok(None) => break,
        }
    }
    all
}

#[test]
fn every_element_is_offered_once_whatever_the_graph() {
    for count in [0, 1, 2, 300, 513, 3_000] {
        for cut in [false, true] {
            for effort in [
                Effort::Adaptive { gamma: 1.1, expansions_min: 0 },
                Effort::Pool { ef: 1 },
                Effort::Pool { ef: 40 },
            ] {
                for linear_elements_max in [64, 1 << 17] {
                    for strict in [true, false] {
                        let mut graph = line(count.max(1), u64::from(count) + 3, cut);
                        graph.values.truncate(count as usize);
                        let rules = Continuation { linear_elements_max, strict, ..Default::default() };
                        let mut ids: Vec<u32> =
                            drain(&mut graph, effort, rules, usize::MAX).iter().map(|e| e.id).collect();
                        ids.sort_unstable();
                        assert_eq!(ids, (0..count).collect::<Vec<_>>(), "{effort:?} cut {cut}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_first_elements_are_the_nearest_and_in_order() {
    for seed in 0..20 {
        let mut graph = line(5_000, seed, false);
        let mut exact = graph.values.iter().map(|v| (v - graph.query).powi(2)).collect::<Vec<_>>();
        exact.sort_by(f32::total_cmp);
        for effort in [Effort::Adaptive { gamma: 1.3, expansions_min: 0 }, Effort::Pool { ef: 64 }] {
            for limit in [10, 40] {
                let found = drain(&mut graph, effort, Continuation::default(), limit);
                assert_eq!(found.iter().map(|e| e.key).collect::<Vec<_>>(), &exact[..limit], "{effort:?}");
            }
        }
    }
}

#[test]
fn a_walk_reads_a_small_part() {
    let mut graph = line(50_000, 5, false);
    drain(&mut graph, Effort::Pool { ef: 20 }, Continuation::default(), 10);
    assert!(graph.reads < 1_500, "{}", graph.reads);
}

#[test]
fn without_streaming_the_stream_ends_after_its_effort() {
    let mut graph = line(5_000, 9, false);
    let rules = Continuation { streaming: false, ..Default::default() };
    let found = drain(&mut graph, Effort::Pool { ef: 40 }, rules, usize::MAX);
    assert!(found.len() >= 40 && found.len() < 1_000, "{}", found.len());
    let limited = Continuation { expansions_max: 100, ..Default::default() };
    let found = drain(&mut graph, Effort::Pool { ef: 40 }, limited, usize::MAX);
    assert!(found.len() >= 40 && found.len() <= 200, "{}", found.len());
}

#[test]
fn keys_keep_their_order_as_entries() {
    let keys = [-3.5f32, -0.0, 0.0, 1e-30, 1.0, 7.5, f32::INFINITY];
    for pair in keys.windows(2) {
        assert!(entry(pair[0], 9) < entry(pair[1], 1) || pair[0] == pair[1]);
    }
    assert!(keys.iter().all(|&key| key_of(entry(key, 77)) == key));
}

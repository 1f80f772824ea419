//! The stream against brute force, on small random graphs.

use std::ops::Range;

use super::*;

/// Points on a line; element `i` is linked to `links[i]`. Each part has one router, which leads to its first element
/// and its middle; elements behind the last part are on lists of [`LISTED`].
struct LineGraph {
    values: Vec<f32>,
    links: Vec<Vec<u32>>,
    /// Where each part ends.
    ends: Vec<u32>,
    query: f32,
    reads: usize,
}

impl LineGraph {
    fn measured(&self, id: u32) -> Measured {
        let key = (self.values[id as usize] - self.query).powi(2);
        Measured { lower: f64::from(key), upper: f64::from(key), value: f64::from(key), key, id, payload: 0 }
    }
}

const LISTED: u32 = 20;

impl LineGraph {
    fn first_listed(&self) -> u32 {
        self.ends.last().map_or(0, |&end| end.min(self.element_count()))
    }
}

impl Graph for LineGraph {
    type Error = std::convert::Infallible;
    fn element_count(&self) -> u32 {
        self.values.len() as u32
    }
    fn routers(&self) -> Range<u32> {
        self.element_count()..self.element_count() + self.ends.len() as u32
    }
    fn parts(&self) -> usize {
        self.ends.len()
    }
    fn routers_of(&self, part: usize) -> Range<u32> {
        let router = self.element_count() + part as u32;
        router..router + 1
    }
    fn elements_of(&self, part: usize) -> u32 {
        self.ends[part] - if part == 0 { 0 } else { self.ends[part - 1] }
    }
    fn lists(&self) -> Range<u32> {
        let start = self.routers().end;
        start..start + (self.element_count() - self.first_listed()).div_ceil(LISTED)
    }
    fn rejects(&self) -> bool {
        true
    }
    fn expand(&mut self, id: u32, hop: &mut Hop<'_>) -> Result<(), Self::Error> {
        self.reads += 1;
        let count = self.element_count();
        let links = if id >= self.routers().end {
            let first = self.first_listed() + (id - self.routers().end) * LISTED;
            (first..count.min(first + LISTED)).collect()
        } else if id >= count {
            let part = (id - count) as usize;
            let (start, end) = (if part == 0 { 0 } else { self.ends[part - 1] }, self.ends[part]);
            if end > count { vec![0, count / 2] } else { vec![start, (start + end) / 2] }
        } else {
            self.links[id as usize].clone()
        };
        if id < count {
            hop.measured.push(self.measured(id));
            hop.is_leaf = links.is_empty();
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
    LineGraph { values, links, ends: vec![count], query: random(1_000_000) as f32, reads: 0 }
}

/// Parts of these sizes, and `listed` elements that no edge leads to.
fn parts(counts: &[u32], listed: u32, seed: u64) -> LineGraph {
    let mut whole = LineGraph { values: vec![], links: vec![], ends: vec![], query: 0.0, reads: 0 };
    for (at, &count) in counts.iter().chain([&listed]).enumerate() {
        let part = line(count.max(1), seed + at as u64, false);
        let first = whole.element_count();
        let is_listed = at == counts.len();
        let links = part.links.iter().map(|links| links.iter().map(|link| link + first).collect());
        whole.links.extend(links.map(|links: Vec<u32>| if is_listed { Vec::new() } else { links }));
        whole.values.extend(part.values);
        whole.query = part.query;
        if !is_listed {
            whole.ends.push(whole.element_count());
        }
    }
    whole.values.truncate((counts.iter().sum::<u32>() + listed) as usize);
    whole
}

const LAYOUTS: [(&[u32], u32); 6] = [
    (&[], 3_000),
    (&[], 40_000),
    (&[4_000, 900, 30], 0),
    (&[4_000, 900], 700),
    (&[5], 2_000),
    (&[20_000, 5_000, 5_000, 3_000, 1_000], 4_000),
];

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
fn parts_and_lists_are_searched_as_one() {
    for (counts, listed) in LAYOUTS {
        for seed in 0..10 {
            let mut graph = parts(counts, listed, seed * 100);
            let mut exact = graph.values.iter().map(|v| (v - graph.query).powi(2)).collect::<Vec<_>>();
            exact.sort_by(f32::total_cmp);
            for effort in [Effort::Adaptive { gamma: 1.3, expansions_min: 40 }, Effort::Pool { ef: 64 }] {
                // 700 is more than the lists keep at first.
                for limit in [10, 40, 700] {
                    let found = drain(&mut graph, effort, Continuation::default(), limit);
                    let keys: Vec<f32> = found.iter().map(|e| e.key).collect();
                    assert_eq!(keys, &exact[..limit], "{counts:?} {listed} {effort:?}");
                }
            }
        }
    }
}

#[test]
fn parts_and_lists_offer_every_element_once() {
    for (counts, listed) in LAYOUTS {
        for effort in
            [Effort::Adaptive { gamma: 1.0, expansions_min: 0 }, Effort::Pool { ef: 1 }, Effort::Exact]
        {
            for linear_elements_max in [64, 1 << 17] {
                let mut graph = parts(counts, listed, 77);
                let rules = Continuation { linear_elements_max, ..Default::default() };
                let mut ids: Vec<u32> =
                    drain(&mut graph, effort, rules, usize::MAX).iter().map(|e| e.id).collect();
                ids.sort_unstable();
                assert_eq!(ids, (0..graph.element_count()).collect::<Vec<_>>(), "{counts:?} {effort:?}");
            }
        }
    }
}

#[test]
fn lists_are_read_once_for_the_first_elements() {
    for (counts, listed) in [(&[][..], 40_000), (&[20_000, 5_000][..], 10_000)] {
        let mut graph = parts(counts, listed, 5);
        let lists = graph.lists().len();
        let mut stream =
            Stream::new(Effort::Adaptive { gamma: 1.3, expansions_min: 40 }, Continuation::default());
        for _ in 0..10 {
            assert!(matches!(stream.next(&mut graph), Ok(Some(_))));
        }
        assert_eq!(stream.widenings(), 0);
        assert!(graph.reads < lists + 1_000, "{} with {lists} lists", graph.reads);
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

/// Where every element leads to all others, nothing that is near can be missed, in whatever order hops are made.
#[test]
fn what_was_met_is_offered_in_order() {
    for (count, streaming) in [(60, false), (700, true)] {
        for seed in 0..60 {
            let mut graph = line(count, seed, false);
            graph.links = vec![(0..count).collect(); count as usize];
            let mut nearest: Vec<f32> = (0..count).map(|id| graph.measured(id).key).collect();
            nearest.sort_by(f32::total_cmp);
            let efforts = [1, 7, 30].map(|ef| Effort::Pool { ef });
            let adaptive = [1.0, 1.3].map(|gamma| Effort::Adaptive { gamma, expansions_min: 0 });
            for effort in efforts.into_iter().chain(adaptive) {
                let rules = Continuation { streaming, ..Default::default() };
                let found = drain(&mut graph, effort, rules, 50);
                let wanted = match effort {
                    Effort::Pool { ef } if !streaming => ef,
                    _ => 10,
                };
                let keys: Vec<f32> = found.iter().map(|element| element.key).collect();
                let expected = nearest[..wanted.max(if streaming { 50 } else { 0 })].to_vec();
                assert!(keys.len() >= expected.len(), "{effort:?}: {} of {wanted}", keys.len());
                assert_eq!(keys[..expected.len()], expected, "{effort:?}, seed {seed}");
            }
        }
    }
}

/// Estimates are exact here, so hops of a larger factor come after those of a smaller one.
#[test]
fn one_walk_ends_where_each_factor_would() {
    let gammas = [1.0, 1.02, 1.1, 1.5, 4.0];
    let (mut differ, mut missed) = (0, 0);
    for seed in 0..60 {
        let mut graph = line(4_000, seed, false);
        // Few links, so that small factors miss some.
        graph.links.iter_mut().enumerate().for_each(|(at, links)| {
            let mut number = 0;
            links.retain(|link| {
                number += 1;
                !(at as u32 ^ link).wrapping_mul(0x9E37_79B9).wrapping_add(number).is_multiple_of(3)
            });
        });
        let mut stops: Vec<(Vec<f32>, u64)> = Vec::new();
        course(&mut graph, &gammas, u32::MAX, &mut |stop| {
            assert_eq!(stop.factor, stops.len());
            stops.push((stop.nearest.to_vec(), stop.expansions));
        })
        .unwrap();
        assert_eq!(stops.len(), gammas.len());
        for (&gamma, (nearest, expansions)) in gammas.iter().zip(&stops) {
            let effort = Effort::Adaptive { gamma, expansions_min: 0 };
            let rules = Continuation { streaming: false, ..Default::default() };
            let found = drain(&mut graph, effort, rules, FIRST_BATCH);
            let keys: Vec<f32> = found.iter().map(|element| element.key).collect();
            assert_eq!(&keys, nearest, "{gamma}, seed {seed}, {expansions} expansions");
        }
        differ += usize::from(stops[0].0 != stops[gammas.len() - 1].0);
        assert!(stops.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        let first = stops[gammas.len() - 1].0[0];
        let own = (0..4_000).find(|&id| graph.measured(id).key == first).unwrap();
        course(&mut graph, &gammas[3..], own, &mut |stop| {
            missed += usize::from(!stop.nearest.contains(&first));
        })
        .unwrap();
    }
    assert!(differ > 5 && missed == 120, "{differ} {missed}");
}

#[test]
fn keys_keep_their_order_as_entries() {
    let keys = [-3.5f32, -0.0, 0.0, 1e-30, 1.0, 7.5, f32::INFINITY];
    for pair in keys.windows(2) {
        assert!(entry(pair[0], 9) < entry(pair[1], 1) || pair[0] == pair[1]);
    }
    assert!(keys.iter().all(|&key| key_of(entry(key, 77)) == key));
}

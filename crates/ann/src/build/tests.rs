//! Properties of built graphs: reachability, bounds, determinism, recall.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::leaders::mix;
use super::{BuildError, Control, FlatGraph, Params, Space, best_first, build, working_bytes};
use crate::generated::Data;
use crate::recall::{Queries, exact_neighbors, recall};

impl Data {
    /// `clusters` centres, and rows within `spread` of them in each coordinate.
    fn clustered(count: usize, dim: usize, clusters: u64, spread: u64) -> Self {
        Self::new(count, dim, |row, column| {
            let centre = mix(mix(1, row) % clusters + 2, column) % 160;
            let offset = mix(row + (1 << 40), column) % (2 * spread + 1);
            (centre as i64 + offset as i64 - 80 - spread as i64) as i8
        })
    }

    /// Independent coordinates, only the first `latent` of them not zero.
    fn uniform(count: usize, dim: usize, latent: u64) -> Self {
        Self::new(count, dim, |row, column| if column < latent { mix(row, column) as i8 } else { 0 })
    }

    fn distance(&self, space: Space, a: u32, b: u32) -> u32 {
        let row = |id: u32| self.row(id as usize);
        let pairs = row(a).iter().zip(row(b)).map(|(&a, &b)| i32::from(a).abs_diff(i32::from(b)));
        match space {
            Space::L2 => pairs.map(|d| d * d).sum(),
            Space::L1 => pairs.sum(),
        }
    }
}

fn params() -> Params {
    Params { max_degree: 32, ef_construction: 64, seed: 7, seeds: 32 }
}

fn build_with(data: &Data, space: Space, params: &Params, threads: usize) -> FlatGraph {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| build(&data.rows(), space, params, &Control::default())).unwrap()
}

/// Checks what holds for every graph: a permutation, the degree bound, no loops or repetitions, neighbours in
/// order of distance, and a path from the first seed to every position.
fn check(data: &Data, space: Space, params: &Params, graph: &FlatGraph) {
    let count = data.rows().count;
    let mut order = graph.order.clone();
    order.sort_unstable();
    assert!(order.iter().copied().eq(0..count as u32), "order is a permutation");
    assert_eq!(graph.offsets.len(), count + 1);
    assert_eq!(*graph.offsets.last().unwrap() as usize, graph.neighbors.len());
    for position in 0..count as u32 {
        let neighbors = graph.neighbors(position);
        assert!(neighbors.len() <= params.max_degree, "degree {}", neighbors.len());
        assert!(!neighbors.contains(&position), "a loop at {position}");
        let mut unique = neighbors.to_vec();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), neighbors.len(), "a neighbour twice");
        let row = |position: u32| graph.order[position as usize];
        let distances = neighbors.iter().map(|&other| data.distance(space, row(position), row(other)));
        assert!(distances.is_sorted(), "nearest first");
    }
    assert!(count == 0 || !graph.seeds.is_empty());
    assert!(graph.seeds.len() <= params.seeds.max(1));
    let mut reached = vec![false; count];
    let mut open: Vec<u32> = graph.seeds.iter().take(1).copied().collect();
    while let Some(position) = open.pop() {
        if !std::mem::replace(&mut reached[position as usize], true) {
            open.extend(graph.neighbors(position));
        }
    }
    assert_eq!(reached.iter().filter(|&&reached| !reached).count(), 0, "unreachable positions");
}

/// Mean recall@10 of 200 rows as queries, entering at the best seed; a row does not count as its own
/// neighbour.
fn recall_at_10(data: &Data, space: Space, graph: &FlatGraph, ef: usize) -> f64 {
    let rows = data.rows();
    let queries: Vec<u32> = (0..200).map(|i| (i * rows.count / 200) as u32).collect();
    let truth =
        exact_neighbors(&rows, space, &Queries::of_rows(&rows, &queries), 10, &Control::default()).unwrap();
    let mut sum = 0.0;
    for (&query, truth) in queries.iter().zip(&truth) {
        let distance = |position: u32| data.distance(space, query, graph.order[position as usize]);
        let entry = *graph.seeds.iter().min_by_key(|&&seed| distance(seed)).unwrap();
        let found = best_first(|at| graph.neighbors(at), distance, &[entry], ef);
        let found: Vec<u32> = found.iter().map(|&(_, position)| graph.order[position as usize]).collect();
        let found: Vec<u32> = found.into_iter().filter(|&row| row != query).collect();
        // By distance, because equal distances make the ids of the truth arbitrary.
        let truth: Vec<u32> = truth.iter().map(|&(_, row)| row).collect();
        let worst = data.distance(space, query, truth[9]);
        let near = found.iter().filter(|&&row| data.distance(space, query, row) <= worst).count();
        sum += (near.min(10) as f64 / 10.0).max(recall(&found, &truth, 10));
    }
    sum / queries.len() as f64
}

fn build_and_check(data: &Data, space: Space, params: &Params) -> FlatGraph {
    let graph = build_with(data, space, params, 2);
    check(data, space, params, &graph);
    graph
}

#[test]
fn few_rows() {
    for count in [0, 1, 2, 3, 7, 31, 32, 33, 100] {
        for space in [Space::L2, Space::L1] {
            let data = Data::uniform(count, 64, 64);
            let graph = build_and_check(&data, space, &params());
            assert!(count > 33 || count == 0 || graph.neighbors.len() >= count - 1);
        }
    }
}

#[test]
fn recall_on_latent_dimensions() {
    for (space, dim, latent) in [(Space::L2, 128, 12), (Space::L1, 64, 12)] {
        let data = Data::uniform(10_000, dim, latent);
        let graph = build_and_check(&data, space, &params());
        let recall = recall_at_10(&data, space, &graph, 64);
        assert!(recall >= 0.95, "{space:?}: recall {recall}");
    }
}

/// With two seeds for each cluster a search starts in the right one, and inside nothing may be missing.
#[test]
fn recall_on_tight_clusters() {
    for (clusters, count) in [(1000, 20_000), (200, 20_000), (20, 20_000), (3, 8_000)] {
        let data = Data::clustered(count, 64, clusters, 3);
        let params = Params { seeds: (2 * clusters as usize).max(32), ..params() };
        let graph = build_and_check(&data, Space::L2, &params);
        let recall = recall_at_10(&data, Space::L2, &graph, 64);
        assert!(recall >= 0.99, "{clusters} clusters: recall {recall}");
    }
}

#[test]
fn one_seed_leads_everywhere() {
    let data = Data::clustered(20_000, 64, 1000, 2);
    let graph = build_and_check(&data, Space::L2, &Params { seeds: 1, ..params() });
    assert_eq!(graph.seeds.len(), 1);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    for data in [Data::clustered(6000, 64, 40, 9), Data::uniform(5000, 128, 16)] {
        let one = build_with(&data, Space::L2, &params(), 1);
        assert!(one == build_with(&data, Space::L2, &params(), 2));
        assert!(one == build_with(&data, Space::L2, &params(), 5));
    }
}

#[test]
fn equal_rows_only() {
    for count in [2, 5, 33, 3000] {
        let data = Data::new(count, 64, |_, column| column as i8);
        build_and_check(&data, Space::L2, &params());
        build_and_check(&data, Space::L1, &Params { max_degree: 8, ..params() });
    }
}

/// Thousands of copies of a few rows among others: none of the others may be walled off.
#[test]
fn groups_of_copies() {
    let others = Data::uniform(6000, 64, 10);
    let data = Data::new(9000, 64, |row, column| {
        let source = if row % 3 == 0 { row / 3 % 4 } else { row - row / 3 - 1 };
        others.codes[(source * 64 + column) as usize]
    });
    for max_degree in [8, 32] {
        let params = Params { max_degree, ..params() };
        let graph = build_and_check(&data, Space::L2, &params);
        let recall = recall_at_10(&data, Space::L2, &graph, if max_degree == 8 { 160 } else { 64 });
        assert!(recall >= 0.95, "degree {max_degree}: recall {recall}");
    }
}

#[test]
fn rows_that_leaders_cannot_tell_apart() {
    // One code differs from zero: all pairs are equally far.
    let data = Data::new(3000, 3008, |row, column| i8::from(row == column));
    build_and_check(&data, Space::L2, &Params { ef_construction: 4, ..params() });
    // Two values in one coordinate only.
    let data = Data::new(4000, 64, |row, column| if column == 0 { (row % 2) as i8 } else { 0 });
    build_and_check(&data, Space::L2, &params());
    // A line.
    let data = Data::new(256, 64, |row, column| if column == 63 { row as u8 as i8 } else { 0 });
    build_and_check(&data, Space::L2, &params());
}

#[test]
fn extreme_codes_do_not_overflow() {
    let data =
        Data::new(300, 4096, |row, column| if mix(row, column).is_multiple_of(2) { -128 } else { 127 });
    build_and_check(&data, Space::L2, &params());
    build_and_check(&data, Space::L1, &params());
}

#[test]
fn every_degree_and_effort() {
    let data = Data::clustered(3000, 64, 30, 20);
    for max_degree in [8, 10, 32, 64, 200] {
        for ef_construction in [4, 16, 200, 1000] {
            let params = Params { max_degree, ef_construction, seed: 3, seeds: 100 };
            let graph = build_and_check(&data, Space::L2, &params);
            assert_eq!(graph.seeds.len(), 100);
        }
    }
}

#[test]
fn more_effort_is_not_worse() {
    let data = Data::uniform(8000, 64, 24);
    let at = |ef_construction| {
        let graph = build_and_check(&data, Space::L2, &Params { ef_construction, ..params() });
        recall_at_10(&data, Space::L2, &graph, 40)
    };
    let (low, middle, high) = (at(4), at(64), at(400));
    assert!(low < middle + 0.01 && middle < high + 0.01, "{low} {middle} {high}");
}

#[test]
fn cancelling_stops() {
    let data = Data::uniform(3000, 64, 10);
    let control = Control::default();
    control.cancel.store(true, Ordering::Relaxed);
    assert_eq!(build(&data.rows(), Space::L2, &params(), &control), Err(BuildError::Cancelled));
    assert_eq!(
        exact_neighbors(&data.rows(), Space::L2, &Queries::of_rows(&data.rows(), &[5]), 3, &control),
        Err(BuildError::Cancelled)
    );
}

#[test]
fn working_bytes_grow_with_rows_and_effort() {
    let more = Params { ef_construction: 256, ..params() };
    assert!(working_bytes(100_000, 384, &params()) < working_bytes(200_000, 384, &params()));
    assert!(working_bytes(100_000, 384, &params()) < working_bytes(100_000, 768, &params()));
    assert!(working_bytes(100_000, 384, &params()) < working_bytes(100_000, 384, &more));
    let million = working_bytes(1_000_000, 768, &params());
    assert!((1 << 30..2_000_000_000).contains(&million), "{million} bytes for a million rows");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Small sets with many copies and few distinct values, all degrees.
    #[test]
    fn any_small_set(
        count in 0usize..300, values in 1u64..5, latent in 1u64..6, max_degree in 8usize..40, seed: u64
    ) {
        let data = Data::new(count, 64, |row, column| {
            if column < latent { (mix(mix(seed, row), column) % values) as i8 } else { 0 }
        });
        let params = Params { max_degree, ef_construction: 16, seed, seeds: 5 };
        for space in [Space::L2, Space::L1] {
            build_and_check(&data, space, &params);
        }
    }
}

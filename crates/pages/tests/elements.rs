//! Bits and sparse vectors in memory, against brute force.

mod common;

use ann::Metric;
use ann::search::Effort;
use common::{Clock, Index, Random, Value, bits, sparse, values_of};
use pages::row::Element;

const BIT_METRICS: [Metric; 2] = [Metric::Hamming, Metric::Jaccard];
const SPARSE_METRICS: [Metric; 4] = [Metric::L2, Metric::InnerProduct, Metric::Cosine, Metric::L1];

/// The share of the ten nearest that a search with the calibrated effort finds; rows as near as the tenth count.
fn recall(index: &Index, metric: Metric, rows: &[Value], queries: &[Value]) -> f64 {
    let entry = index.meta().segments()[0];
    let state = pages::segment::SegmentState::load(&index.pager, &index.space, entry.segment, entry.header)
        .expect("sound");
    let gamma = pages::segment::calibrate::gamma_for(&state.header, 0.95);
    let effort = Effort::Adaptive { gamma, expansions_min: 40 };
    let mut hits = 0;
    for query in queries {
        let mut distances: Vec<f64> = rows.iter().map(|row| row.distance(metric, query)).collect();
        let found = index.search_value(query, effort, 10).expect("sound");
        let found: Vec<f64> = found.iter().take(10).map(|found| distances[found.2]).collect();
        distances.sort_by(f64::total_cmp);
        hits += found.iter().filter(|&&distance| distance <= distances[9] + 1e-9).count();
    }
    hits as f64 / (queries.len() * 10) as f64
}

#[test]
fn recall_is_high_for_bits() {
    for (dim, count) in [(40, 3_000), (384, 4_000), (1_000, 2_000), (20_000, 600)] {
        let all = bits(count + 20, dim, 60, 3);
        let (rows, queries) = all.split_at(count);
        for metric in BIT_METRICS {
            let index = Index::build_values(Element::Bit, metric, dim, &[rows]);
            let report = pages::check::check(&index.pager, &Clock::default());
            assert!(report.is_sound(), "{report:?}");
            let recall = recall(&index, metric, rows, queries);
            assert!(recall >= 0.95, "{metric:?} dim {dim}: {recall}");
        }
    }
}

#[test]
fn recall_is_high_for_sparse_vectors() {
    // In few dimensions the largest products are with rows unlike the query: calibration sees less of that.
    for (dim, count, least) in [(300, 2_000, 0.9), (30_000, 6_000, 0.95)] {
        let all = sparse(count + 40, dim, 100, 5);
        let (rows, queries) = all.split_at(count);
        for metric in SPARSE_METRICS {
            let index = Index::build_values(Element::Sparse, metric, dim, &[rows]);
            let report = pages::check::check(&index.pager, &Clock::default());
            assert!(report.is_sound(), "{report:?}");
            let recall = recall(&index, metric, rows, queries);
            assert!(recall >= least, "{metric:?} dim {dim}: {recall}");
        }
    }
}

#[test]
fn every_row_is_offered_once_and_its_value_lies_between_its_bounds() {
    let cases = BIT_METRICS.map(|metric| (Element::Bit, metric));
    let cases = cases.into_iter().chain(SPARSE_METRICS.map(|metric| (Element::Sparse, metric)));
    for (element, metric) in cases {
        for dim in [9, 1_300, 20_000] {
            let rows = values_of(element, 802, dim, 5, 8);
            let (rows, queries) = rows.split_at(800);
            let (first, rest) = rows.split_at(600);
            let index = Index::build_values(element, metric, dim, &[first]);
            for (at, x) in rest.iter().enumerate() {
                index.insert_value(at, 600 + at, x).expect("room");
            }
            for query in queries {
                let effort = Effort::Adaptive { gamma: 1.1, expansions_min: 0 };
                let found = index.search_value(query, effort, usize::MAX).expect("sound");
                let mut seen: Vec<usize> = found.iter().map(|found| found.2).collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..800).collect::<Vec<_>>(), "{metric:?} dim {dim}");
                for (lower, upper, row) in found {
                    let value = rows[row].distance(metric, query);
                    let is_inside = (lower..=upper).contains(&value);
                    assert!(is_inside, "{metric:?} dim {dim}: {value} not in {lower}..{upper}");
                    assert!(upper - lower < 1e-3 * (1.0 + value.abs()), "{metric:?}: {lower}..{upper}");
                }
            }
        }
    }
}

/// Vectors that fill pages exactly, span pages, or have no elements at all; and one too long for a pending page.
#[test]
fn sparse_vectors_of_every_length() {
    let dim = 100_000;
    let mut random = Random(4);
    let lengths = [0usize, 1, 1_014, 1_015, 1_016, 1_019, 1_020, 2_038, 5_000, 16_000, 3, 0, 1];
    let rows: Vec<Value> = lengths
        .iter()
        .map(|&length| {
            let step = dim / length.max(1);
            let values = (0..length).map(|_| 0.5 + random.uniform()).collect();
            Value::Sparse((0..length).map(|at| (at * step) as u32).collect(), values)
        })
        .collect();
    for metric in [Metric::L2, Metric::InnerProduct, Metric::L1] {
        let index = Index::build_values(Element::Sparse, metric, dim, &[&rows]);
        rows.iter().enumerate().for_each(|(at, x)| index.insert_value(at, rows.len() + at, x).expect("room"));
        let report = pages::check::check(&index.pager, &Clock::default());
        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.segment_rows, report.pending_rows), (13, 13));
        let query = &rows[4];
        let found = index.search_value(query, Effort::Pool { ef: 1 }, usize::MAX).expect("sound");
        assert_eq!(found.len(), 26);
        for (lower, upper, row) in found {
            let value = rows[row % 13].distance(metric, query);
            assert!((lower..=upper).contains(&value), "{metric:?} row {row}: {value} in {lower}..{upper}");
            // Longer ones wait at the front for the executor to rank them.
            let is_whole = row < 13 || lengths[row - 13] <= 1_015;
            assert_eq!(is_whole, lower.is_finite(), "{metric:?} row {row}");
        }
        let (marked, alive) = index.delete(|row| row % 2 == 1).expect("sound");
        assert_eq!((marked, alive), (13, 13));
    }
}

#[test]
fn equal_rows_share_a_node() {
    for element in [Element::Bit, Element::Sparse] {
        let metric = if element == Element::Bit { Metric::Hamming } else { Metric::Cosine };
        let mut rows = values_of(element, 700, 500, 20, 6);
        let copies: Vec<Value> = (0..2_000).map(|at| rows[at % 3].clone()).collect();
        rows.extend(copies);
        let index = Index::build_values(element, metric, 500, &[&rows]);
        let report = pages::check::check(&index.pager, &Clock::default());
        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.nodes, report.segment_rows), (700, 2_700));
        for at in [0, 5, 699] {
            let found = index.search_value(&rows[at], Effort::Pool { ef: 40 }, 1).expect("sound");
            assert!(found.iter().any(|found| found.2 == at), "{element:?} row {at}");
        }
    }
}

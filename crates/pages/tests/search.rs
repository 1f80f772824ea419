//! Segments and pending rows in memory, against brute force.

mod common;

use ann::Metric;
use ann::search::Effort;
use common::{Clock, Index, clustered, operator};

const METRICS: [Metric; 4] = [Metric::L2, Metric::InnerProduct, Metric::Cosine, Metric::L1];

fn exact(metric: Metric, rows: &[Vec<f32>], query: &[f32]) -> Vec<(f64, usize)> {
    let mut all: Vec<(f64, usize)> =
        rows.iter().enumerate().map(|(row, x)| (operator(metric, x, query), row)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

fn recall(index: &Index, metric: Metric, rows: &[Vec<f32>], queries: &[Vec<f32>], effort: Effort) -> f64 {
    let mut hits = 0;
    for query in queries {
        let truth: Vec<usize> = exact(metric, rows, query).iter().take(10).map(|pair| pair.1).collect();
        let found = index.search(query, effort, 10).expect("sound");
        hits += found.iter().filter(|pair| truth.contains(&pair.1)).count();
    }
    hits as f64 / (queries.len() * 10) as f64
}

#[test]
fn recall_is_high_for_every_metric_and_layout() {
    for (dim, count) in [(48, 4_000), (384, 2_000), (4_096, 700)] {
        let rows = clustered(count, dim, 40, 11);
        let queries = clustered(30, dim, 40, 11);
        for metric in METRICS {
            let index = Index::build(metric, dim, &[&rows]);
            let entry = index.meta().segments()[0];
            let state =
                pages::segment::SegmentState::load(&index.pager, &index.space, entry.segment, entry.header)
                    .expect("sound");
            let gamma = pages::segment::calibrate::gamma_for(&state.header, 0.95);
            let default = Effort::Adaptive { gamma, expansions_min: 40 };
            for (effort, least) in [(default, 0.95), (Effort::Pool { ef: 120 }, 0.94)] {
                let recall = recall(&index, metric, &rows, &queries, effort);
                assert!(recall >= least, "{metric:?} dim {dim} {effort:?}: {recall}");
            }
        }
    }
}

#[test]
fn every_row_is_offered_once_and_its_value_lies_between_its_bounds() {
    for metric in METRICS {
        for dim in [3, 130, 4_096] {
            let rows = clustered(600, dim, 5, 3);
            let (first, rest) = rows.split_at(400);
            let index = Index::build(metric, dim, &[first]);
            for (at, x) in rest.iter().enumerate() {
                index.insert(at, 400 + at, x).expect("room");
            }
            for query in clustered(5, dim, 5, 4) {
                let effort = Effort::Adaptive { gamma: 1.1, expansions_min: 0 };
                let found = index.search_bounds(&query, effort, usize::MAX).expect("sound");
                let mut seen: Vec<usize> = found.iter().map(|found| found.2).collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..600).collect::<Vec<_>>(), "{metric:?} dim {dim}");
                for (lower, upper, row) in found {
                    let value = operator(metric, &rows[row], &query);
                    let is_inside = (lower..=upper).contains(&value);
                    assert!(is_inside, "{metric:?} dim {dim}: {value} not in {lower}..{upper}");
                    let sizes = pages::space::norm(&rows[row]) * pages::space::norm(&query);
                    let slack = (value.abs() + sizes + 1.0) * if dim > 4_000 { 0.2 } else { 0.02 };
                    assert!(
                        metric == Metric::L1 || lower > value - slack,
                        "{metric:?}: {lower} far below {value}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_group_of_equal_rows_hides_nobody() {
    let dim = 64;
    let mut rows = clustered(3_000, dim, 20, 5);
    let copy = rows[17].clone();
    rows.extend(std::iter::repeat_n(copy, 5_000));
    let index = Index::build(Metric::L2, dim, &[&rows]);
    let report = pages::check::check(&index.pager, &Clock::default());
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.nodes, report.segment_rows), (3_000, 8_000));
    for at in (0..3_000).step_by(97) {
        let found =
            index.search(&rows[at], Effort::Adaptive { gamma: 1.2, expansions_min: 0 }, 1).expect("sound");
        assert!(found.iter().any(|pair| pair.1 == at), "row {at}");
    }
}

#[test]
fn calibration_holds_its_target_on_queries_it_never_saw() {
    let rows = clustered(12_000, 96, 300, 21);
    let queries = clustered(100, 96, 300, 21);
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let index = Index::build(metric, 96, &[&rows]);
        let meta = index.meta();
        let entry = meta.segments()[0];
        let state =
            pages::segment::SegmentState::load(&index.pager, &index.space, entry.segment, entry.header)
                .expect("sound");
        assert!(state.header.curve_count > 0);
        for target in [0.9, 0.95, 0.99] {
            let gamma = pages::segment::calibrate::gamma_for(&state.header, target);
            let reached =
                recall(&index, metric, &rows, &queries, Effort::Adaptive { gamma, expansions_min: 0 });
            assert!(reached >= f64::from(target) - 0.02, "{metric:?} {target}: {reached} at {gamma}");
        }
    }
}

#[test]
fn builds_are_repeatable() {
    let rows = clustered(2_000, 64, 10, 8);
    let pages = |index: &Index| {
        use pages::pager::Pager;
        (0..index.pager.block_count()).map(|at| *index.pager.read(at).expect("there")).collect::<Vec<_>>()
    };
    let first = pages(&Index::build(Metric::L2, 64, &[&rows]));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let second = pool.install(|| pages(&Index::build(Metric::L2, 64, &[&rows])));
    assert!(first == second);
}

/// The operator as the server computes it: float4 kernels, then float8.
fn server_operator(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let kernels = kernels::Kernels::get();
    match metric {
        Metric::L2 => f64::from(kernels.l2_squared_f32(a, b)).sqrt(),
        Metric::InnerProduct => -f64::from(kernels.inner_product_f32(a, b)),
        Metric::L1 => f64::from(kernels.l1_f32(a, b)),
        Metric::Cosine => {
            let (dot, a, b) = kernels.cosine_parts_f32(a, b);
            1.0 - (f64::from(dot) / (f64::from(a) * f64::from(b)).sqrt()).clamp(-1.0, 1.0)
        }
        Metric::Hamming | Metric::Jaccard => unreachable!("of bits"),
    }
}

#[test]
fn bounds_hold_for_vectors_of_any_size() {
    let scaled = |rows: Vec<Vec<f32>>, scale: f32| -> Vec<Vec<f32>> {
        rows.into_iter().map(|row| row.into_iter().map(|x| x * scale).collect()).collect()
    };
    for metric in METRICS {
        for row_exponent in [-42, -30, -23, -10, -3, 0, 5, 12] {
            let rows = scaled(clustered(40, 100, 3, 1), 10f32.powi(row_exponent));
            if rows.iter().any(|row| !(1e-40..1e16).contains(&pages::space::norm(row))) {
                continue;
            }
            let (first, rest) = rows.split_at(20);
            if metric == Metric::Cosine && row_exponent < -10 {
                continue;
            }
            let index = Index::build(metric, 100, &[first]);
            rest.iter().enumerate().for_each(|(at, x)| index.insert(at, 20 + at, x).expect("room"));
            for query_exponent in [-50, -42, -20, -5, 0, 5, 12] {
                let query = scaled(clustered(1, 100, 3, 2), 10f32.powi(query_exponent)).remove(0);
                let Ok(found) = index.try_search(&query) else { continue };
                assert_eq!(found.len(), 40);
                for (lower, upper, row) in found {
                    let value = server_operator(metric, &rows[row], &query);
                    let is_inside = (lower..=upper).contains(&value) || !value.is_finite();
                    let at = (row_exponent, query_exponent);
                    assert!(is_inside, "{metric:?} {at:?} row {row}: {value} not in {lower}..{upper}");
                }
            }
        }
    }
}

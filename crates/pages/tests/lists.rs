//! Segments with lists: what is read of them, and what coarse own vectors are good for.

mod common;

use ann::Metric;
use ann::search::{Continuation, Effort, Stream};
use common::{Clock, Index, Value, values_of};
use kernels::Encoding;
use pages::check::check;
use pages::format::meta::{LISTS, ListOptions};
use pages::plan::OwnCode;
use pages::row::Element;
use pages::segment::build::Navigator;
use pages::segment::read::rows_of;
use pages::segment::{Probes, Union, UnionQuery};
use pages::space::Query;

const DIM: usize = 128;
const ROWS: usize = 6_000;
const EFFORT: Effort = Effort::Adaptive { gamma: 1.7, expansions_min: 0 };

fn lists(lists: u32, encoding: Encoding) -> Navigator {
    of(lists, OwnCode::Residual(encoding))
}

fn of(lists: u32, own: OwnCode) -> Navigator {
    Navigator::Lists(ListOptions { lists, own })
}

fn build(metric: Metric, navigator: Navigator) -> (Index, Vec<Value>, Vec<Value>) {
    let mut rows = values_of(Element::Float4, ROWS + 40, DIM, 80, 7);
    let queries = rows.split_off(ROWS);
    let index = Index::build_segments(Element::Float4, metric, DIM, &[(&rows, navigator)]);
    let report = check(&index.pager, &Clock::default());
    assert!(report.is_sound(), "{report:?}");
    (index, rows, queries)
}

/// The first `limit` elements with their bounds, by row; rows are not equal here, and keep no order in the segment.
fn offered(index: &Index, query: &Value, probes: Probes, limit: usize) -> Vec<(f64, f64, usize)> {
    let segments = index.segments().expect("sound");
    let query = Query::new(&index.space, query.row()).expect("ranked");
    let prepared = &UnionQuery::prepare(&index.space, &segments, &query, probes)[0];
    let mut graph = Union::new(&index.pager, &index.space, &segments, prepared);
    let mut stream = Stream::new(EFFORT, Continuation::default());
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(element) = stream.next(&mut graph).expect("sound")
    {
        index.add_rows(&segments[0], &element, &mut found).expect("sound");
        assert!(!rows_of(&element).is_empty());
    }
    found
}

/// The share of the ten nearest among what is offered.
fn recall(index: &Index, rows: &[Value], queries: &[Value], probes: Probes, limit: usize) -> f64 {
    let mut hits = 0;
    for query in queries {
        let distance = |row: usize| rows[row].distance(index.space.metric(), query);
        let mut distances: Vec<f64> = (0..rows.len()).map(distance).collect();
        distances.sort_by(f64::total_cmp);
        let found = offered(index, query, probes, limit);
        hits += found.iter().filter(|found| distance(found.2) <= distances[9] + 1e-9).count().min(10);
    }
    hits as f64 / (10 * queries.len()) as f64
}

#[test]
fn more_lists_find_more() {
    let (index, rows, queries) = build(Metric::L2, lists(100, Encoding::F16));
    let [one, some, all] =
        [1, 10, 100].map(|count| recall(&index, &rows, &queries, Probes::Lists(count), 10));
    assert!(one < some && some <= all && all >= 0.99, "{one} {some} {all}");
    let target = recall(&index, &rows, &queries, Probes::Recall(0.95), 10);
    assert!(target >= 0.95, "{target}");
}

#[test]
fn lists_are_as_many_as_suit_the_rows() {
    for (wanted, expected) in [(0, 100..=155), (37, 30..=37), (30_000, 400..=ROWS as u32 / 8)] {
        let (index, _, _) = build(Metric::Cosine, lists(wanted, Encoding::I8));
        let header = index.segments().expect("sound")[0].header;
        assert!(expected.contains(&header.lists), "{wanted}: {}", header.lists);
        assert!(header.list_curve_count > 0);
    }
}

/// The rows whose likely bounds say that they may be among the nearest ten are few, and the ten are among them.
#[test]
fn coarse_codes_leave_few_rows_to_be_looked_at() {
    let codes = [
        (OwnCode::Sign, 400.0),
        (OwnCode::Residual(Encoding::I2), 200.0),
        (OwnCode::Residual(Encoding::I4), 60.0),
        (OwnCode::Residual(Encoding::I8), 16.0),
    ];
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        for (own, most) in codes {
            let (index, rows, queries) = build(metric, of(50, own));
            let (mut looked_at, mut outside, mut hits) = (0, 0, 0);
            for query in &queries {
                let distance = |row: usize| rows[row].distance(metric, query);
                let mut nearest: Vec<f64> = Vec::new();
                for (lower, upper, row) in offered(&index, query, Probes::Lists(50), ROWS) {
                    if nearest.len() >= 10 && nearest[9] < lower {
                        break;
                    }
                    looked_at += 1;
                    outside += usize::from(!(lower..=upper).contains(&distance(row)));
                    let at = nearest.partition_point(|&other| other < distance(row));
                    nearest.insert(at, distance(row));
                }
                let mut distances: Vec<f64> = (0..rows.len()).map(distance).collect();
                distances.sort_by(f64::total_cmp);
                hits += nearest.iter().take(10).filter(|&&found| found <= distances[9] + 1e-9).count();
            }
            let per_query = looked_at as f64 / queries.len() as f64;
            let case = format!("{metric:?} {own:?}: {per_query} rows, {outside} outside, {hits} hits");
            assert!(hits * 100 >= 98 * 10 * queries.len(), "{case}");
            assert!((10.0..most).contains(&per_query), "{case}");
            assert!(outside * 20 <= looked_at, "{case}");
        }
    }
}

/// Whoever goes on gets every row, also from lists that were not due.
#[test]
fn every_row_is_offered_in_the_end() {
    for own in [OwnCode::Residual(Encoding::I4), OwnCode::Sign] {
        let (index, _, queries) = build(Metric::L2, of(64, own));
        let mut found: Vec<usize> =
            offered(&index, &queries[0], Probes::Lists(1), usize::MAX).iter().map(|found| found.2).collect();
        found.sort_unstable();
        assert_eq!(found, (0..ROWS).collect::<Vec<_>>(), "{own:?}");
    }
}

/// More nodes than are written at once, of either kind of page, and some of them with several rows.
#[test]
fn rows_are_those_of_their_nodes_across_what_is_written_at_once() {
    const NODES: usize = 8_000;
    const TWICE: usize = 1_500;
    let cases = [
        (Element::Float4, Metric::L2, OwnCode::Residual(Encoding::I4)),
        (Element::Float4, Metric::Cosine, OwnCode::Sign),
        (Element::Bit, Metric::Hamming, OwnCode::Bits),
    ];
    for (element, metric, own) in cases {
        let mut rows = values_of(element, NODES + 20, DIM, 80, 7);
        let queries = rows.split_off(NODES);
        rows.extend_from_within(NODES - TWICE..);
        rows.extend_from_within(..TWICE);
        let index = Index::build_segments(element, metric, DIM, &[(&rows, of(64, own))]);
        let report = check(&index.pager, &Clock::default());
        assert!(report.is_sound(), "{report:?}");
        let header = index.segments().expect("sound")[0].header;
        assert!(
            header.routers > 16 && header.nodes > 16 * u32::from(header.nodes_per_page),
            "more than a window"
        );
        let offered = offered(&index, &queries[0], Probes::All, usize::MAX);
        // So the node that a row comes with is its own.
        let is_within = |found: &&(f64, f64, usize)| {
            (found.0..=found.1).contains(&rows[found.2].distance(metric, &queries[0]))
        };
        let within = offered.iter().filter(is_within).count();
        assert!(within * 20 >= rows.len() * 19, "{own:?}: {within}");
        let mut found: Vec<usize> = offered.iter().map(|found| found.2).collect();
        found.sort_unstable();
        assert_eq!(found, (0..rows.len()).collect::<Vec<_>>(), "{own:?}");
        let recall = recall(&index, &rows, &queries, Probes::All, 400);
        assert!(recall > 0.97, "{own:?}: {recall}");
    }
}

/// What a merge makes of flat segments must not be one: it would be merged again and again.
#[test]
fn few_distinct_rows_have_a_list_too() {
    let rows = values_of(Element::Float4, 5, DIM, 2, 7);
    let many: Vec<Value> = rows.iter().cycle().take(300).cloned().collect();
    for (wanted, expected) in [(0, 1), (100, 5)] {
        let navigator = lists(wanted, Encoding::I4);
        let index = Index::build_segments(Element::Float4, Metric::L2, DIM, &[(&many, navigator)]);
        let report = check(&index.pager, &Clock::default());
        assert!(report.is_sound(), "{report:?}");
        let entry = index.meta().segments()[0];
        assert_eq!((entry.navigator, index.segments().expect("sound")[0].header.lists), (LISTS, expected));
        assert_eq!(offered(&index, &rows[3], Probes::All, usize::MAX).len(), 300);
    }
    // Without any row that has a place, there is nothing to make lists of.
    let zeros = vec![Value::Dense(vec![0.0; DIM]); 20];
    let index =
        Index::build_segments(Element::Float4, Metric::Cosine, DIM, &[(&zeros, lists(0, Encoding::I4))]);
    assert!(!index.meta().segments()[0].is_flat());
}

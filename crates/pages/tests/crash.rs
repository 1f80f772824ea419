//! Inserts and vacuum, crashed after every commit, and random work against a model.

mod common;

use std::collections::BTreeSet;

use ann::Metric;
use ann::search::Effort;
use common::{Clock, Index, Random, Value, clustered, values_of};
use pages::check::check;
use pages::row::Element;

fn live_rows(index: &Index, query: &[f32]) -> Vec<usize> {
    live_values(index, &Value::Dense(query.to_vec()))
}

fn live_values(index: &Index, query: &Value) -> Vec<usize> {
    let mut rows: Vec<usize> = index
        .search_value(query, Effort::Adaptive { gamma: 1.1, expansions_min: 0 }, usize::MAX)
        .expect("sound")
        .iter()
        .map(|found| found.2)
        .collect();
    rows.sort_unstable();
    rows
}

/// A row whose insert returned is there after a crash at any later point; one whose insert did not return may be
/// there or not; nothing else changes.
#[test]
fn inserts_survive_a_crash_at_any_commit() {
    for element in [Element::Float4, Element::Sparse] {
        let rows = values_of(element, 160, 200, 4, 1);
        (0..75).for_each(|crash_after| crash_inserts(element, &rows, crash_after));
    }
}

fn crash_inserts(element: Element, rows: &[Value], crash_after: u64) {
    let index = Index::build_values(element, Metric::L2, 200, &[&rows[..100]]);
    let before = index.pager.commits();
    index.pager.crash_after(crash_after);
    let mut acknowledged = 100;
    for (row, vector) in rows.iter().enumerate().skip(100) {
        index.insert_value(row / 20, row, vector).expect("room");
        if index.pager.commits() - before < crash_after {
            acknowledged = row + 1;
        }
    }
    index.pager.restart();
    let report = check(&index.pager, &Clock::default());
    assert!(report.is_sound(), "after {crash_after} commits: {report:?}");
    let found = live_values(&index, &rows[0]);
    assert!(found.len() >= acknowledged, "{} of {acknowledged} after {crash_after}", found.len());
    assert_eq!(found, (0..found.len()).collect::<Vec<_>>());
    for (row, vector) in rows.iter().enumerate().skip(found.len()) {
        index.insert_value(row, row, vector).expect("room");
    }
    assert_eq!(live_values(&index, &rows[0]).len(), 160);
    assert!(check(&index.pager, &Clock::default()).is_sound());
}

#[test]
fn vacuum_may_stop_anywhere_and_go_on() {
    let rows = clustered(2_600, 40, 4, 2);
    for crash_after in 0..12 {
        let index = Index::build(Metric::Cosine, 40, &[&rows[..1_200], &rows[1_200..2_400]]);
        for (row, vector) in rows.iter().enumerate().skip(2_400) {
            index.insert(row % 3, row, vector).expect("room");
        }
        index.pager.crash_after(crash_after);
        index.delete(|row| row % 3 == 0).expect("sound");
        index.pager.restart();
        assert!(check(&index.pager, &Clock::default()).is_sound());
        index.delete(|row| row % 3 == 0).expect("sound");
        let expected: Vec<usize> = (0..2_600).filter(|row| row % 3 != 0).collect();
        assert_eq!(live_rows(&index, &rows[0]), expected);
    }
}

#[test]
fn random_work_agrees_with_a_set() {
    let rows = clustered(1_500, 24, 6, 9);
    let index = Index::build(Metric::L2, 24, &[&rows[..300], &rows[300..500]]);
    let mut model: BTreeSet<usize> = (0..500).collect();
    let mut random = Random(4);
    let mut next = 500;
    for _ in 0..60 {
        if !random.next().is_multiple_of(3) && next + 20 <= rows.len() {
            for _ in 0..20 {
                index.insert(random.next() as usize, next, &rows[next]).expect("room");
                model.insert(next);
                next += 1;
            }
        } else {
            let modulus = 2 + random.next() as usize % 30;
            let dead: BTreeSet<usize> = model.iter().copied().filter(|row| row % modulus == 1).collect();
            let (marked, alive) = index.delete(|row| dead.contains(&row)).expect("sound");
            model.retain(|row| !dead.contains(row));
            assert_eq!((marked, alive), (dead.len() as u64, model.len() as u64));
        }
        assert_eq!(live_rows(&index, &rows[next - 1]), model.iter().copied().collect::<Vec<_>>());
    }
    let report = check(&index.pager, &Clock::default());
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.segment_rows + report.pending_rows, model.len() as u64);
}

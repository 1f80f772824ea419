//! Damaged pages: any bytes give an error or an answer, never a panic or a loop.

mod common;

use ann::Metric;
use ann::search::Effort;
use common::{Index, Random, Value, values_of};
use pages::check::check;
use pages::error::Problem;
use pages::format::page::{CONTENT_END, FORMAT_VERSION};
use pages::pager::Pager;
use pages::row::Element;

/// What is damaged: each element has pages of its own shape.
const CASES: [(Element, Metric, usize); 4] = [
    (Element::Float4, Metric::L2, 70),
    (Element::Bit, Metric::Hamming, 200),
    (Element::Sparse, Metric::L2, 5_000),
    (Element::Sparse, Metric::L1, 5_000),
];

fn small_index((element, metric, dim): (Element, Metric, usize)) -> (Index, Vec<Value>) {
    let rows = values_of(element, 900, dim, 6, 13);
    let index = Index::build_values(element, metric, dim, &[&rows[..600], &rows[600..800]]);
    for (row, value) in rows.iter().enumerate().skip(800) {
        index.insert_value(row % 2, row, value).expect("room");
    }
    (index, rows)
}

/// Everything that reads pages, with errors ignored.
fn exercise(index: &Index, query: &Value) {
    let Ok(meta) = pages::format::meta::Meta::load(&index.pager.read(0).expect("there")) else { return };
    let space = &index.space;
    let is_same = meta.element() == Some(space.element()) && meta.metric == space.metric() as u8;
    if !is_same || meta.dim as usize != space.dim() {
        return;
    }
    let _ = check(&index.pager);
    let _ = index.search_value(query, Effort::Adaptive { gamma: 1.1, expansions_min: 0 }, usize::MAX);
    let _ = index.search_value(query, Effort::Pool { ef: 10 }, 20);
}

#[test]
fn random_damage_never_panics_or_loops() {
    for case in CASES {
        let (index, rows) = small_index(case);
        let mut random = Random(99);
        for round in 0..1_500 {
            damage_once(&index, &rows[5], round, &mut random);
        }
        assert!(check(&index.pager).is_sound(), "{case:?}");
    }
}

fn damage_once(index: &Index, query: &Value, round: usize, random: &mut Random) {
    let block = (random.next() % u64::from(index.pager.block_count())) as u32;
    // The header of the first segment is read by the test's own helper for pending rows.
    if block == index.meta().segments()[0].header {
        return;
    }
    let good = *index.pager.read(block).expect("there");
    let mut bad = good;
    match round % 3 {
        0 => (0..1 + random.next() % 8).for_each(|_| {
            bad[random.next() as usize % bad.len()] = random.next() as u8;
        }),
        1 => bad[24..CONTENT_END].iter_mut().for_each(|byte| *byte = random.next() as u8),
        _ => {
            let at = 24 + random.next() as usize % 64;
            bad[at..at + 4].copy_from_slice(&[0xFF; 4]);
        }
    }
    index.pager.overwrite(block, &bad);
    exercise(index, query);
    index.pager.overwrite(block, &good);
}

#[test]
fn the_checker_names_the_block_of_each_kind_of_damage() {
    CASES.into_iter().for_each(checker_names_blocks);
}

fn checker_names_blocks(case: (Element, Metric, usize)) {
    let (index, _) = small_index(case);
    for block in 0..index.pager.block_count() {
        let good = *index.pager.read(block).expect("there");
        let mut foreign = good;
        foreign[CONTENT_END + 14..].copy_from_slice(&0xFF90u16.to_ne_bytes());
        let mut newer = good;
        newer[CONTENT_END + 13] = FORMAT_VERSION + 1;
        let version = u16::from(FORMAT_VERSION) + 1;
        for (bad, problem) in [(foreign, Problem::Foreign), (newer, Problem::Newer { version })] {
            index.pager.overwrite(block, &bad);
            let report = check(&index.pager);
            let is_named = report.problems.iter().any(|e| e.block == block && e.problem == problem);
            assert!(is_named, "block {block}: {report:?}");
        }
        index.pager.overwrite(block, &good);
    }
    assert!(check(&index.pager).is_sound());
}

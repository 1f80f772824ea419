//! Damaged pages: any bytes give an error or an answer, never a panic or a loop.

mod common;

use ann::Metric;
use ann::search::Effort;
use common::{Index, Random, clustered};
use pages::check::check;
use pages::error::Problem;
use pages::format::page::{CONTENT_END, FORMAT_VERSION};
use pages::pager::Pager;

fn small_index() -> (Index, Vec<Vec<f32>>) {
    let rows = clustered(900, 70, 6, 13);
    let index = Index::build(Metric::L2, 70, &[&rows[..600], &rows[600..800]]);
    for (row, vector) in rows.iter().enumerate().skip(800) {
        index.insert(row % 2, row, vector).expect("room");
    }
    (index, rows)
}

/// Everything that reads pages, with errors ignored.
fn exercise(index: &Index, query: &[f32]) {
    let Ok(meta) = pages::format::meta::Meta::load(&index.pager.read(0).expect("there")) else { return };
    if meta.dim != 70 || meta.metric != Metric::L2 as u8 || meta.centroid_segment != 1 {
        return;
    }
    let _ = check(&index.pager);
    let _ = index.search(query, Effort::Adaptive { gamma: 1.1, expansions_min: 0 }, usize::MAX);
    let _ = index.search(query, Effort::Pool { ef: 10 }, 20);
}

#[test]
fn random_damage_never_panics_or_loops() {
    let (index, rows) = small_index();
    let mut random = Random(99);
    let blocks = index.pager.block_count();
    for round in 0..3_000 {
        let block = (random.next() % u64::from(blocks)) as u32;
        // The header of the first segment is read by the test's own helper for pending rows.
        if block == index.meta().segments()[0].header {
            continue;
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
        exercise(&index, &rows[5]);
        index.pager.overwrite(block, &good);
    }
    assert!(check(&index.pager).is_sound());
}

#[test]
fn the_checker_names_the_block_of_each_kind_of_damage() {
    let (index, _) = small_index();
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

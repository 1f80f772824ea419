//! Damaged pages: any bytes give an error or an answer, never a panic or a loop.

mod common;

use ann::Metric;
use ann::search::Effort;
use common::{Clock, Index, Random, Value, values_of};
use kernels::Encoding;
use pages::PAGE_SIZE;
use pages::check::check;
use pages::error::Problem;
use pages::format::meta::ListOptions;
use pages::format::page::{CONTENT_END, CONTENT_START, FORMAT_VERSION};
use pages::format::segment::SegmentHeader;
use pages::pager::Pager;
use pages::plan::{OwnCode, RouterPlan};
use pages::row::Element;
use pages::segment::build::Navigator;

/// What is damaged: each element has pages of its own shape.
const CASES: [Case; 11] = [
    (Element::Float4, Metric::L2, 70, Navigator::Graph),
    (Element::Bit, Metric::Hamming, 200, Navigator::Graph),
    (Element::Sparse, Metric::L2, 5_000, Navigator::Graph),
    (Element::Sparse, Metric::L1, 5_000, Navigator::Graph),
    (Element::Float4, Metric::L2, 70, Navigator::Flat),
    (Element::Bit, Metric::Hamming, 200, Navigator::Flat),
    (Element::Sparse, Metric::L2, 5_000, Navigator::Flat),
    (Element::Float4, Metric::L2, 70, lists(OwnCode::Residual(Encoding::I4))),
    (Element::Float4, Metric::InnerProduct, 70, lists(OwnCode::Residual(Encoding::I2))),
    (Element::Float4, Metric::L2, 70, lists(OwnCode::Sign)),
    (Element::Bit, Metric::Hamming, 200, lists(OwnCode::Bits)),
];

const fn lists(own: OwnCode) -> Navigator {
    Navigator::Lists(ListOptions { lists: 12, own })
}

/// With the kind of the segments.
type Case = (Element, Metric, usize, Navigator);

fn small_index((element, metric, dim, navigator): Case) -> (Index, Vec<Value>) {
    let rows = values_of(element, 900, dim, 6, 13);
    let segments = [(&rows[..600], navigator), (&rows[600..800], navigator)];
    let index = Index::build_segments(element, metric, dim, &segments);
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
    let _ = check(&index.pager, &Clock::default());
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
        assert!(check(&index.pager, &Clock::default()).is_sound(), "{case:?}");
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

fn checker_names_blocks(case: Case) {
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
            let report = check(&index.pager, &Clock::default());
            let is_named = report.problems.iter().any(|e| e.block == block && e.problem == problem);
            assert!(is_named, "block {block}: {report:?}");
        }
        index.pager.overwrite(block, &good);
    }
    assert!(check(&index.pager, &Clock::default()).is_sound());
}

/// A node whose estimates are no numbers would be found by nobody.
#[test]
fn the_checker_sees_factors_that_are_no_numbers() {
    let (index, _) = small_index(CASES[4]);
    let header = index.segments().expect("sound")[0].header;
    let plan = RouterPlan::new(index.space.padded_dim());
    let block = header.block_of(header.router_page);
    let mut bad = *index.pager.read(block).expect("there");
    let at = CONTENT_START + plan.factors_offset(1) + 6;
    bad[at..at + 2].copy_from_slice(&0x7FC0u16.to_ne_bytes());
    index.pager.overwrite(block, &bad);
    let problems = check(&index.pager, &Clock::default()).problems;
    assert!(problems.iter().any(|error| error.block == block), "{problems:?}");
}

/// The header of a flat segment says how many routers there are, and where: it must agree with the number of nodes.
#[test]
fn headers_of_flat_segments_that_contradict_themselves() {
    let (index, _) = small_index(CASES[4]);
    let segment = index.segments().expect("sound").remove(0);
    let (good, block) = (segment.header, index.meta().segments()[0].header);
    let changes: [fn(&mut SegmentHeader); 6] = [
        |header| header.navigator = 0,
        |header| header.navigator = 2,
        |header| header.lanes = 8,
        |header| header.routers += 1,
        |header| header.routers -= 1,
        |header| header.router_page = header.pages,
    ];
    for change in changes {
        let mut header = good;
        change(&mut header);
        let mut page = [0; PAGE_SIZE];
        header.store_new(&mut page, segment.segment);
        index.pager.overwrite(block, &page);
        assert!(index.segments().is_err(), "{header:?}");
        assert!(check(&index.pager, &Clock::default()).problems.iter().any(|error| error.block == block));
    }
}

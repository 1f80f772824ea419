//! Flush and merge: against a model, crashed after every commit, with vacuum and inserts between their steps.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use ann::Metric;
use ann::search::Effort;
use common::{Clock, Index, Maintainer, Random, Value, clustered, values_of};
use kernels::Encoding;
use pages::check::check;
use pages::format::meta::{self, ListOptions};
use pages::format::node::NodeHeader;
use pages::format::page;
use pages::format::router::RouterView;
use pages::maintain::{Outcome, Step, usage};
use pages::pager::Pager;
use pages::plan::OwnCode;
use pages::row::Element;
use pages::segment::build::Navigator;
use pages::segment::nodes::NodePages;
use pages::tids;
use quant::rabitq::from_bf16;

const CASES: [(Element, Metric, usize); 5] = [
    (Element::Float4, Metric::Cosine, 72),
    (Element::Float4, Metric::InnerProduct, 100),
    (Element::Float4, Metric::L1, 20),
    (Element::Bit, Metric::Hamming, 128),
    (Element::Sparse, Metric::L2, 300),
];

/// Dimensions and what merges make: a graph; lists, for which there must be codes.
const MERGES: [(usize, Option<ListOptions>); 2] = [(40, None), (72, Some(LISTS))];
const LISTS: ListOptions = ListOptions { lists: 9, own: OwnCode::Residual(Encoding::F16) };

/// What lists of a case are made of, if it can have some.
fn lists_of(element: Element, metric: Metric) -> Option<ListOptions> {
    match element {
        Element::Bit => Some(ListOptions { own: OwnCode::Bits, ..LISTS }),
        Element::Float4 if metric != Metric::L1 => Some(LISTS),
        _ => None,
    }
}

fn found(index: &Index, query: &Value) -> Vec<usize> {
    let effort = Effort::Adaptive { gamma: 1.1, expansions_min: 0 };
    let found = index.search_value(query, effort, usize::MAX).expect("sound");
    let mut rows: Vec<usize> = found.iter().map(|found| found.2).collect();
    rows.sort_unstable();
    rows
}

fn assert_sound(index: &Index, clock: &Clock) {
    let report = check(&index.pager, clock);
    assert!(report.is_sound(), "{report:?}");
}

fn quiet(index: &Index, clock: &Clock) -> Outcome {
    let maintainer = Maintainer::new(index, clock, &|_| {});
    maintainer.flush().expect("sound");
    maintainer.merge().expect("sound")
}

#[test]
fn rows_survive_flushes_and_merges_with_true_bounds() {
    let with_lists = CASES.map(|case| (case, lists_of(case.0, case.1)));
    for ((element, metric, dim), lists) in CASES.map(|case| (case, None)).into_iter().chain(with_lists) {
        let rows = values_of(element, 900, dim, 6, 3);
        let index = Index::build_values(element, metric, dim, &[&rows[..300]]).with_lists(lists);
        let clock = Clock::default();
        let maintainer = Maintainer::new(&index, &clock, &|_| {});
        for (row, value) in rows.iter().enumerate().skip(300) {
            index.insert_value(row, row, value).expect("room");
            if row % 200 == 0 {
                let outcome = maintainer.flush().expect("sound");
                assert_eq!(outcome.rows, if row == 400 { 101 } else { 200 });
            }
        }
        index.delete(|row| row % 5 == 2).expect("sound");
        for round in 0..4 {
            let outcome = quiet(&index, &clock);
            assert_eq!((outcome.rows, outcome.dead), (720, if round == 0 { 160 } else { 0 }), "{element:?}");
            assert_sound(&index, &clock);
            let expected: Vec<usize> = (0..900).filter(|row| row % 5 != 2).collect();
            assert_eq!(found(&index, &rows[7]), expected);
            assert_bounds(&index, metric, &rows, &rows[11]);
            let merged = index.meta().segments()[0];
            assert_eq!(merged.navigator == meta::LISTS, lists.is_some(), "{element:?} {metric:?}");
        }
    }
}

/// Coarse codes bound distances only likely, but rows survive as well.
#[test]
fn rows_with_coarse_codes_survive_merges() {
    let owns = [Encoding::I8, Encoding::I4, Encoding::I2].map(OwnCode::Residual);
    for own in owns.into_iter().chain([OwnCode::Sign]) {
        for (metric, dim) in [(Metric::Cosine, 72), (Metric::InnerProduct, 128)] {
            let rows = values_of(Element::Float4, 900, dim, 6, 3);
            let index = Index::build_values(Element::Float4, metric, dim, &[&rows[..300]]);
            let index = index.with_lists(Some(ListOptions { own, ..LISTS }));
            let clock = Clock::default();
            for (row, value) in rows.iter().enumerate().skip(300) {
                index.insert_value(row, row, value).expect("room");
                if row % 200 == 0 {
                    quiet(&index, &clock);
                }
            }
            index.delete(|row| row % 5 == 2).expect("sound");
            quiet(&index, &clock);
            assert_sound(&index, &clock);
            let expected: Vec<usize> = (0..900).filter(|row| row % 5 != 2).collect();
            assert_eq!(found(&index, &rows[7]), expected, "{own:?} {metric:?}");
            // Estimates still fit the distances that follow from own codes.
            let header = index.segments().expect("sound")[0].header;
            let points = &header.curve[..header.curve_count as usize];
            let is_good = points.iter().any(|point| point.recall > 0.95 && point.gamma <= 1.5);
            assert!(is_good, "{own:?} {metric:?}: {points:?}");
        }
    }
}

/// What the index has of each row where its 1-bit code is all: the code, the norm that follows from scale and error,
/// and the factors of the estimate.
fn signs(index: &Index) -> BTreeMap<usize, (Vec<u8>, f64, [f32; 2])> {
    let state = index.segments().expect("sound").remove(0);
    assert_eq!((state.plan.own(), index.meta().segments().len()), (OwnCode::Sign, 1));
    let (mut rows, mut signs, mut node) = (Vec::new(), BTreeMap::new(), 0);
    let header = &state.header;
    let mut row = 0;
    while row < header.rows {
        row = tids::read(&index.pager, state.segment, header, row..header.rows, &mut rows).expect("sound");
    }
    let dim = index.space.padded_dim() as f64;
    let mut pages = NodePages::new(&index.pager, &index.space, &state);
    let mut visit = |own: &NodeHeader, code: &[u8]| {
        let plan = state.plan.routers();
        let (router, lane) = (node / plan.lanes(), node % plan.lanes());
        let page = index.pager.read(header.block_of(header.router_page + router as u32)).expect("there");
        let (batch, place) = plan.place_of(lane);
        let (add, mul) = RouterView::new(plan, page::content(&page)).factors(batch);
        let factor = |from: &[u8]| from_bf16(u16::from_ne_bytes([from[2 * place], from[2 * place + 1]]));
        let square = f64::from(own.scale).powi(2) * dim + f64::from(own.error).powi(2);
        assert_eq!(own.row_count, 1);
        let tid = rows[own.row_start as usize].tid();
        signs.insert(common::row_of_tid(tid), (code.to_vec(), square, [factor(add), factor(mul)]));
        node += 1;
    };
    while pages.next_page(&mut visit).expect("sound") {}
    signs
}

/// While the centroid is kept, a row's code and what is known of its length stay as they are, however often it moves:
/// what the code lost is carried along.
#[test]
fn sign_codes_stay_the_same_through_merges() {
    for (metric, dim) in [(Metric::L2, 128), (Metric::Cosine, 192), (Metric::InnerProduct, 64 * 5)] {
        let rows = clustered(1_200, dim, 5, 21);
        let own = OwnCode::Sign;
        let lists = ListOptions { own, ..LISTS };
        let index = Index::build_segments(
            Element::Float4,
            metric,
            dim,
            &[(&rows.iter().cloned().map(Value::Dense).collect::<Vec<_>>()[..], Navigator::Lists(lists))],
        );
        let index = index.with_lists(Some(lists));
        let clock = Clock::default();
        let before = signs(&index);
        for round in 0..3 {
            index.delete(|row| row % 40 == round).expect("sound");
            quiet(&index, &clock);
            assert_sound(&index, &clock);
            let after = signs(&index);
            assert_eq!(after.len(), 1_200 - 30 * (round + 1));
            for (row, (code, square, factors)) in &after {
                let (old_code, old_square, old_factors) = &before[row];
                assert_eq!(code, old_code, "{metric:?} {row} in round {round}");
                assert!((square / old_square - 1.0).abs() < 1e-4, "{metric:?} {row}: {square} {old_square}");
                for (new, old) in factors.iter().zip(old_factors) {
                    // The next bfloat16 at most.
                    assert!((new - old).abs() <= old.abs() / 128.0, "{metric:?} {row}: {new} {old}");
                }
            }
        }
    }
}

/// A node may have any number of rows: those of one are handed on in batches as others are, and a sample has few of it.
#[test]
fn a_merge_of_many_equal_rows_keeps_them_all() {
    let distinct = clustered(40, 72, 4, 3);
    let rows: Vec<Value> = (0..6_000).map(|row| Value::Dense(distinct[(row % 50).min(39)].clone())).collect();
    let lists = ListOptions { own: OwnCode::Residual(Encoding::I4), ..LISTS };
    let navigator = Navigator::Lists(lists);
    let segments = [(&rows[..4_000], navigator), (&rows[4_000..], Navigator::Flat)];
    let index = Index::build_segments(Element::Float4, Metric::L2, 72, &segments).with_lists(Some(lists));
    let clock = Clock::default();
    index.delete(|row| row % 7 == 0).expect("sound");
    assert_eq!(quiet(&index, &clock).rows, (0..6_000).filter(|row| row % 7 != 0).count() as u64);
    assert_sound(&index, &clock);
    let expected: Vec<usize> = (0..6_000).filter(|row| row % 7 != 0).collect();
    assert_eq!(found(&index, &rows[3]), expected);
}

/// Bounds hold for the values of the operator, and are not wide because rows moved often.
fn assert_bounds(index: &Index, metric: Metric, rows: &[Value], query: &Value) {
    let effort = Effort::Adaptive { gamma: 1.1, expansions_min: 0 };
    for (lower, upper, row) in index.search_value(query, effort, usize::MAX).expect("sound") {
        let value = query.distance(metric, &rows[row]);
        assert!(lower <= value && value <= upper, "{metric:?} {row}: {lower} <= {value} <= {upper}");
        let scale = match metric {
            Metric::InnerProduct | Metric::L1 => 40.0,
            _ => value.abs().max(1.0),
        };
        assert!(upper - lower < 0.05 * scale, "{metric:?} {row}: {lower} to {upper}");
    }
}

#[test]
fn a_crash_at_any_commit_leaves_the_old_or_the_new_state() {
    let cases =
        [(Element::Float4, 40, None), (Element::Sparse, 200, None), (Element::Float4, 72, Some(LISTS))];
    for (element, dim, lists) in cases {
        let rows = values_of(element, 400, dim, 4, 5);
        let mut crash_after = 0;
        let build = || {
            Index::build_values(element, Metric::L2, dim, &[&rows[..120], &rows[120..200]]).with_lists(lists)
        };
        while crash_once(build(), &rows, crash_after) {
            crash_after += 1;
        }
        // Eight chains are sealed one by one; flush and merge claim and commit.
        assert!(crash_after >= 12, "{crash_after}");
    }
}

/// Returns whether the jobs were cut off.
fn crash_once(index: Index, rows: &[Value], crash_after: u64) -> bool {
    let clock = Clock::default();
    for (row, value) in rows.iter().enumerate().skip(200) {
        index.insert_value(row, row, value).expect("room");
    }
    index.delete(|row| row % 7 == 0).expect("sound");
    let before = index.pager.commits();
    index.pager.crash_after(crash_after);
    let maintainer = Maintainer::new(&index, &clock, &|_| {});
    let done = maintainer.flush().is_ok() && maintainer.merge().is_ok();
    let was_cut = !done || index.pager.commits() - before >= crash_after;
    index.pager.restart();
    let expected: Vec<usize> = (0..400).filter(|row| row % 7 != 0).collect();
    assert_sound(&index, &clock);
    assert_eq!(found(&index, &rows[3]), expected, "after {crash_after} commits");
    quiet(&index, &clock);
    assert_sound(&index, &clock);
    assert_eq!(found(&index, &rows[3]), expected, "after {crash_after} commits and another round");
    was_cut
}

/// Vacuum and inserts at each step of each job; TIDs of vacuumed rows are given to new rows at once.
#[test]
fn vacuum_and_inserts_between_the_steps_of_a_job() {
    let steps = [Step::Sealed, Step::Loaded, Step::Prepared, Step::Claimed, Step::Written];
    let cases = steps.into_iter().flat_map(|step| [(step, true), (step, false)]);
    let cases = cases.flat_map(|case| MERGES.map(|merges| (case, merges)));
    for ((at, is_flush), (dim, lists)) in cases {
        let rows = clustered(700, dim, 4, 8);
        let index = Index::build(Metric::L2, dim, &[&rows[..200], &rows[200..400]]).with_lists(lists);
        for (row, x) in rows.iter().enumerate().take(600).skip(400) {
            index.insert(row, row, x).expect("room");
        }
        let is_open = Cell::new(true);
        let disturb = |step: Step| {
            if step == at && is_open.replace(false) {
                index.delete(|row| row % 4 == 1).expect("sound");
                // The heap gives the TID to a new row while the old entry is still in the job's hands.
                for row in (1..600).step_by(4) {
                    index.insert(row, row, &rows[row / 4 + 100]).expect("room");
                }
                for (row, x) in rows.iter().enumerate().skip(600) {
                    index.insert(row, row, x).expect("room");
                }
            }
        };
        let clock = Clock::default();
        let maintainer = Maintainer::new(&index, &clock, &disturb);
        let done = if is_flush { maintainer.flush() } else { maintainer.merge() };
        done.expect("sound");
        let expected: Vec<usize> = (0..700).collect();
        let is_disturbed = !is_open.get();
        let expected = if is_disturbed { expected } else { (0..600).collect() };
        assert_eq!(found(&index, &common::Value::Dense(rows[9].clone())), expected, "{at:?} {is_flush}");
        assert_sound(&index, &clock);
        quiet(&index, &clock);
        assert_sound(&index, &clock);
        assert_eq!(found(&index, &common::Value::Dense(rows[9].clone())), expected, "{at:?} {is_flush}");
    }
}

/// A flush that runs while a merge is between its steps, and the other way round.
#[test]
fn a_flush_and_a_merge_beside_each_other() {
    let steps = [Step::Loaded, Step::Prepared, Step::Claimed, Step::Written];
    for (at, (dim, lists)) in steps.into_iter().flat_map(|step| MERGES.map(|merges| (step, merges))) {
        let rows = clustered(600, dim, 4, 8);
        let index = Index::build(Metric::L2, dim, &[&rows[..200], &rows[200..400]]).with_lists(lists);
        for (row, x) in rows.iter().enumerate().skip(400) {
            index.insert(row, row, x).expect("room");
        }
        let clock = Clock::default();
        // Old blocks may be used again at once: what a claim protects must be enough.
        clock.horizon.set(u64::MAX);
        let beside = |step: Step| {
            if step == at {
                let other = Maintainer::new(&index, &clock, &|_| {});
                other.flush().expect("sound");
                (0..40).for_each(|row| index.insert(row, 600 + row, &rows[row]).expect("room"));
                other.flush().expect("sound");
            }
        };
        let maintainer = Maintainer::new(&index, &clock, &beside);
        maintainer.merge().expect("sound");
        assert_sound(&index, &clock);
        assert_eq!(found(&index, &Value::Dense(rows[5].clone())), (0..640).collect::<Vec<_>>(), "{at:?}");
        assert_eq!(index.meta().segments().len(), 3);
    }
}

/// What a reader that holds an old manifest sees while the horizon has not passed it.
#[test]
fn an_old_manifest_stays_readable_until_the_horizon_passes() {
    let rows = clustered(900, 40, 4, 2);
    let index = Index::build(Metric::L2, 40, &[&rows[..300]]);
    (300..500).for_each(|row| index.insert(row, row, &rows[row]).expect("room"));
    let old = *index.pager.read(0).expect("meta");
    let clock = Clock::default();
    let old_pages = |index: &Index| {
        // Everything but the meta page is where it was.
        let current = *index.pager.read(0).expect("meta");
        index.pager.overwrite(0, &old);
        let rows = found(index, &Value::Dense(rows[0].clone()));
        index.pager.overwrite(0, &current);
        rows
    };
    for (row, x) in rows.iter().enumerate().skip(500) {
        index.insert(row, row, x).expect("room");
        if row % 50 == 49 {
            quiet(&index, &clock);
        }
    }
    let old_rows = old_pages(&index);
    assert!(old_rows.starts_with(&(0..500).collect::<Vec<_>>()), "{old_rows:?}");
    let before = usage(&index.pager, &index.meta(), &clock, None).expect("sound");
    assert!(before.retired > 0 && before.passed == 0);
    clock.horizon.set(u64::MAX);
    quiet(&index, &clock);
    let after = usage(&index.pager, &index.meta(), &clock, None).expect("sound");
    assert!(after.free_blocks() > before.free_blocks(), "{before:?} {after:?}");
}

/// Appenders draw blocks while a claim waits for the file to grow: the claim must lie in the file all the same, or the
/// next who looks finds its pages beyond the end. (Two writers broke an index in seconds.)
#[test]
fn a_claim_lies_in_the_file_whatever_appenders_draw_meanwhile() {
    let rows = clustered(900, 40, 4, 2);
    let index = std::rc::Rc::new(Index::build(Metric::L2, 40, &[&rows[..300]]));
    (300..500).for_each(|row| index.insert(row, row, &rows[row]).expect("room"));
    let clock = Clock::default();
    let (weak, more) = (std::rc::Rc::downgrade(&index), rows.clone());
    index.pager.when_growing(std::rc::Rc::new(move || {
        let index = weak.upgrade().expect("there");
        (500..900).for_each(|row| index.insert(row, row, &more[row]).expect("room"));
    }));
    Maintainer::new(&index, &clock, &|_| {}).flush().expect("sound");
    assert!(index.meta().blocks <= index.pager.block_count());
    assert_eq!(found(&index, &Value::Dense(rows[5].clone())), (0..900).collect::<Vec<_>>());
    assert_sound(&index, &clock);
}

#[test]
fn ten_turnovers_keep_the_file_bounded() {
    const LIVE: usize = 4_000;
    const BATCH: usize = 200;
    let rows = clustered(11 * LIVE, 24, 6, 9);
    let index = Index::build(Metric::L2, 24, &[&rows[..LIVE]]);
    let fresh = index.pager.block_count();
    let clock = Clock::default();
    for start in (LIVE..11 * LIVE).step_by(BATCH) {
        let next = start + BATCH;
        (start..next).for_each(|row| index.insert(row, row, &rows[row]).expect("room"));
        index.delete(|row| row + LIVE < next).expect("sound");
        let maintainer = Maintainer::new(&index, &clock, &|_| {});
        maintainer.flush().expect("sound");
        // A merge rewrites everything, so that twice the rows must be there for a moment.
        if start % (4 * BATCH) == 0 {
            maintainer.merge().expect("sound");
        }
        clock.horizon.set(clock.next.get() + 1);
        let blocks = index.pager.block_count();
        assert!(f64::from(blocks) <= 2.5 * f64::from(fresh), "{blocks} of {fresh} at {start}");
    }
    let expected: Vec<usize> = (10 * LIVE..11 * LIVE).collect();
    assert_eq!(found(&index, &Value::Dense(rows[expected[0]].clone())), expected);
    assert_sound(&index, &clock);
}

#[test]
fn random_work_agrees_with_a_set() {
    for seed in 0..8 {
        let (dim, lists) = MERGES[seed as usize % 2];
        let rows = clustered(3_000, dim, 6, 9);
        let index = Index::build(Metric::Cosine, dim, &[&rows[..300], &rows[300..500]]).with_lists(lists);
        let clock = Clock::default();
        let model: RefCell<BTreeSet<usize>> = RefCell::new((0..500).collect());
        let next = Cell::new(500);
        let random = RefCell::new(Random(seed));
        let draw = || random.borrow_mut().next() as usize;
        let work = || {
            if !draw().is_multiple_of(3) && next.get() + 20 <= rows.len() {
                for _ in 0..20 {
                    let row = next.replace(next.get() + 1);
                    index.insert(draw(), row, &rows[row]).expect("room");
                    model.borrow_mut().insert(row);
                }
            } else {
                let modulus = 2 + draw() % 30;
                index.delete(|row| row % modulus == 1).expect("sound");
                model.borrow_mut().retain(|row| row % modulus != 1);
            }
        };
        for _ in 0..40 {
            work();
            let at_step = |_| {
                if draw().is_multiple_of(4) {
                    work()
                }
            };
            let maintainer = Maintainer::new(&index, &clock, &at_step);
            match draw() % 6 {
                0 | 1 => drop(maintainer.flush().expect("sound")),
                2 => drop(maintainer.merge().expect("sound")),
                3 => clock.horizon.set(clock.next.get() + 1),
                _ => {}
            }
            let query = Value::Dense(rows[draw() % 500].clone());
            assert_eq!(found(&index, &query), model.borrow().iter().copied().collect::<Vec<_>>(), "{seed}");
        }
        assert_sound(&index, &clock);
    }
}

//! Recall, hops and time of searches in memory, without PostgreSQL: for tuning the search itself.
//!
//! ```text
//! memory DATASET [rows] [l2|ip|cosine]
//! ```
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use ann::Metric;
use ann::search::{Continuation, Effort, Stream};
use bench::dataset::Dataset;
use pages::mem_pager::MemPager;
use pages::row::{Element, Row};
use pages::segment::build::{self, BuildOptions, Navigator};
use pages::segment::calibrate::gamma_for;
use pages::segment::encode::Loader;
use pages::segment::read::rows_of;
use pages::segment::stream::{Inline, MemSort};
use pages::segment::{SegmentReader, SegmentState};
use pages::space::{Query, Space};
use pages::tids::HeapTid;

const RESULTS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().ok_or("usage: memory DATASET [rows] [l2|ip|cosine]")?;
    let data = Dataset::read(Path::new(folder))?;
    let rows = arguments.get(1).map_or(Ok(data.rows.count), |text| text.parse())?.min(data.rows.count);
    let metric = match arguments.get(2).map(String::as_str) {
        Some("l2") => Metric::L2,
        Some("ip") => Metric::InnerProduct,
        _ => Metric::Cosine,
    };
    let space = Space::new(Element::Float4, metric, data.rows.dim as u32, 7);
    let mut loader = Loader::new(&space);
    for row in 0..rows {
        loader.push(&space, Row::Dense(data.rows.row(row)), HeapTid { block: row as u32, offset: 1 })?;
    }
    let options = BuildOptions { m: 16, ef_construction: 64, seed: 1, navigator: Navigator::Graph };
    let start = Instant::now();
    let prepared = build::prepare_all(loader, &space, &options, MemSort::default(), &Inline);
    let prepared = prepared.map_err(|e| format!("{e:?}"))?.ok_or("no rows")?;
    println!("encode and build {:.2} s", start.elapsed().as_secs_f64());
    let pager = MemPager::new();
    let start = Instant::now();
    let entry = prepared.write(&pager, &mut &pager, &space, 1).map_err(|e| format!("{e:?}"))?.entry;
    println!("write and calibrate {:.2} s", start.elapsed().as_secs_f64());
    let state = SegmentState::load(&pager, &space, 1, entry.header).map_err(|e| format!("{e:?}"))?;
    let order = node_order(&pager, &state)?;
    let curve = &state.header.curve[..state.header.curve_count as usize];
    curve.iter().for_each(|point| print!("{:.3}:{:.4} ", point.gamma, point.recall));
    println!("\n{} rows\neffort                         recall@10   hops   us/query", state.header.rows);
    let adaptive = |target| Effort::Adaptive { gamma: gamma_for(&state.header, target), expansions_min: 0 };
    let mut efforts: Vec<(String, Effort)> = [0.8, 0.9, 0.95, 0.98, 0.99, 0.999]
        .map(|target| (format!("target {target}"), adaptive(target)))
        .to_vec();
    efforts.extend([10, 20, 40, 80, 160, 320].map(|ef| (format!("ef {ef}"), Effort::Pool { ef })));
    for (label, effort) in efforts {
        report(&label, effort, &pager, &space, &state, &data, &order, rows)?;
    }
    Ok(())
}

/// Heap block of each row: the row's number in the data set.
fn node_order(pager: &MemPager, state: &SegmentState) -> Result<Vec<u32>, Box<dyn Error>> {
    let (mut entries, mut row) = (Vec::new(), 0);
    while row < state.header.rows {
        row = pages::tids::read(pager, 1, &state.header, row..state.header.rows, &mut entries)
            .map_err(|e| format!("{e:?}"))?;
    }
    Ok(entries.iter().map(|entry| entry.block).collect())
}

#[allow(clippy::too_many_arguments, reason = "one measurement: of what, with what, against what")]
fn report(
    label: &str,
    effort: Effort,
    pager: &MemPager,
    space: &Space,
    state: &SegmentState,
    data: &Dataset,
    order: &[u32],
    rows: usize,
) -> Result<(), Box<dyn Error>> {
    let (mut hits, mut wanted, mut hops) = (0, 0, 0);
    let start = Instant::now();
    for query in 0..data.queries.count {
        let prepared_query =
            Query::new(space, Row::Dense(data.queries.row(query))).map_err(|e| format!("{e:?}"))?;
        let prepared = SegmentReader::<MemPager>::prepare(space, state, &prepared_query);
        let mut graph = SegmentReader::new(pager, space, state, &prepared);
        let mut stream = Stream::new(effort, Continuation::default());
        // Only the truths among the rows that were loaded count.
        let truth: Vec<i32> =
            data.truth.row(query).iter().copied().filter(|id| (*id as usize) < rows).take(RESULTS).collect();
        wanted += truth.len();
        for _ in 0..truth.len() {
            let Some(element) = stream.next(&mut graph).map_err(|e| format!("{e:?}"))? else { break };
            hits += rows_of(&element).filter(|row| truth.contains(&(order[*row as usize] as i32))).count();
        }
        hops += stream.expansions();
    }
    let queries = data.queries.count as f64;
    let micros = start.elapsed().as_secs_f64() * 1e6 / queries;
    println!(
        "{label:<30} {:>9.4} {:>6.1} {micros:>10.1}",
        hits as f64 / wanted as f64,
        hops as f64 / queries
    );
    Ok(())
}

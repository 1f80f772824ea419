//! Time of a bulk build by phase, and recall of the graph by the number of distances a search computes.
//!
//! ```text
//! build_bench FOLDER [ef_construction] [max_degree] [seeds] [threads]
//! ```
//! FOLDER has base.npy and queries.npy (little-endian float16) and gt_cos.npy (int32, 100 per query).

#[path = "common/bench.rs"]
mod bench;
#[path = "common/npy.rs"]
mod npy;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ann::build::{Control, FlatGraph, Params, Rows, Space, best_first, build, working_bytes};
use bench::{Quantizer, cpu_seconds, memory, squared, watch};
use npy::{Failure, Matrix, read_matrix, read_npy};

fn unreachable(graph: &FlatGraph) -> usize {
    let mut reached = vec![false; graph.order.len()];
    let mut open = graph.seeds.clone();
    while let Some(position) = open.pop() {
        if !std::mem::replace(&mut reached[position as usize], true) {
            open.extend(graph.neighbors(position));
        }
    }
    reached.iter().filter(|&&reached| !reached).count()
}

/// Recall@10 and mean number of distances on the graph at one `ef`, entering at the best of all seeds.
fn measure(graph: &FlatGraph, base: &Matrix, queries: &Matrix, truth: &[Vec<u32>], ef: usize) -> (f64, f64) {
    let (mut found, mut distances) = (0, 0u64);
    for (query, truth) in truth.iter().enumerate() {
        let query = queries.row(query);
        let exact =
            |position: u32| squared(query, base.row(graph.order[position as usize] as usize)).to_bits();
        let entry = graph.seeds.iter().copied().min_by_key(|&seed| exact(seed)).unwrap_or_default();
        let counted = |position| {
            distances += 1;
            exact(position)
        };
        let best = best_first(|at| graph.neighbors(at), counted, &[entry], ef);
        let best = best.iter().take(10).map(|&(_, position)| graph.order[position as usize]);
        found += best.filter(|row| truth[..10].contains(row)).count();
    }
    let count = truth.len() as f64;
    (found as f64 / count / 10.0, distances as f64 / count)
}

fn report(graph: &FlatGraph, base: &Matrix, queries: &Matrix, truth: &[Vec<u32>]) {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for ef in [10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320] {
        let (recall, distances) = measure(graph, base, queries, truth, ef);
        println!("  ef {ef:3}  recall {recall:.4}  distances {distances:7.1}");
        points.push((recall, distances));
    }
    for target in [0.90, 0.95, 0.98, 0.99] {
        if let Some(pair) = points.windows(2).find(|pair| pair[0].0 < target && pair[1].0 >= target) {
            let share = (target - pair[0].0) / (pair[1].0 - pair[0].0);
            let distances = pair[0].1 + share * (pair[1].1 - pair[0].1);
            println!("  distances at {target:.2}: {distances:.0} + {} seeds", graph.seeds.len());
        }
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder =
        Path::new(arguments.first().ok_or("usage: build_bench FOLDER [ef] [degree] [seeds] [threads]")?);
    let number = |at: usize, default: usize| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let (base, queries) = (read_matrix(&folder.join("base.npy"))?, read_matrix(&folder.join("queries.npy"))?);
    let (bytes, width) = read_npy(&folder.join("gt_cos.npy"), "<i4")?;
    let ids: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|&id| u32::from_le_bytes(id)).collect();
    let truth: Vec<Vec<u32>> = ids.chunks_exact(width).map(<[u32]>::to_vec).collect();
    let quantizer = Quantizer::new(&base);
    let (codes, dim) = (quantizer.codes(&base), quantizer.dim());
    let rows = Rows { codes: &codes, dim, count: base.count() };
    let params = Params {
        ef_construction: number(1, 64)?,
        max_degree: number(2, 32)?,
        seed: 42,
        seeds: number(3, 256)?,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(number(4, 2)?).build()?;
    let (control, finished) = (Control::default(), AtomicBool::new(false));
    println!("{} rows x {dim}, {params:?}", rows.count);
    let before = memory("VmRSS");
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let graph = std::thread::scope(|scope| {
        scope.spawn(|| watch(&control, &finished));
        let graph = pool.install(|| build(&rows, Space::L2, &params, &control));
        finished.store(true, Ordering::Relaxed);
        graph
    });
    let graph = graph.map_err(|error| format!("{error:?}"))?;
    println!("build: wall {:.2}  cpu {:.2}", wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let (grown, bound) = (memory("VmHWM") - before, working_bytes(rows.count, dim, &params) >> 20);
    println!("memory besides the input: {grown} MB, computed bound {bound} MB");
    let degree = graph.neighbors.len() as f64 / rows.count as f64;
    println!("average degree {degree:.2}, unreachable {}", unreachable(&graph));
    report(&graph, &base, &queries, &truth);
    Ok(())
}

//! Time of a bulk build by phase, and recall of the graph by the number of distances a search computes.
//!
//! ```text
//! build_bench FOLDER [ef_construction] [max_degree] [seeds] [threads]
//! ```
//! FOLDER has base.npy and queries.npy (little-endian float16) and gt_cos.npy (int32, 100 per query).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ann::build::{Control, FlatGraph, Params, Phase, Rows, Space, best_first, build, working_bytes};

type Failure = Box<dyn std::error::Error>;

/// A matrix of float32.
struct Matrix {
    values: Vec<f32>,
    dim: usize,
}

impl Matrix {
    fn count(&self) -> usize {
        self.values.len() / self.dim
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..][..self.dim]
    }
}

/// Bytes behind the header, and the number of columns.
fn read_npy(path: &Path, kind: &str) -> Result<(Vec<u8>, usize), Failure> {
    let mut bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..10 + length]).into_owned();
    if &bytes[..7] != b"\x93NUMPY\x01" || !header.contains(kind) || header.contains("True") {
        return Err(format!("{}: not a row-major {kind} matrix: {header}", path.display()).into());
    }
    let shape = header.split(['(', ')']).nth(1).ok_or("no shape")?;
    let columns = shape.split(',').nth(1).ok_or("not two-dimensional")?.trim().parse()?;
    Ok((bytes.split_off(10 + length), columns))
}

fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        _ => sign * (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

fn read_matrix(path: &Path) -> Result<Matrix, Failure> {
    let (bytes, dim) = read_npy(path, "<f2")?;
    let halves = bytes.as_chunks::<2>().0.iter();
    Ok(Matrix { values: halves.map(|&pair| half_to_f32(u16::from_le_bytes(pair))).collect(), dim })
}

/// Codes about the mean, and their padded length.
fn quantize(base: &Matrix) -> (Vec<i8>, usize) {
    let mut mean = vec![0f64; base.dim];
    for row in base.values.chunks_exact(base.dim) {
        mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x));
    }
    let mean: Vec<f32> = mean.iter().map(|&sum| (sum / base.count() as f64) as f32).collect();
    let sampled = base.values.chunks_exact(base.dim).take(4000);
    let mut magnitudes: Vec<f32> =
        sampled.flat_map(|row| row.iter().zip(&mean).map(|(x, mean)| (x - mean).abs())).collect();
    let place = magnitudes.len() * 9995 / 10000;
    let scale = 127.0 / *magnitudes.select_nth_unstable_by(place, f32::total_cmp).1;
    let dim = base.dim.next_multiple_of(64);
    let mut codes = vec![0i8; base.count() * dim];
    for (codes, row) in codes.chunks_exact_mut(dim).zip(base.values.chunks_exact(base.dim)) {
        for ((code, &x), mean) in codes.iter_mut().zip(row).zip(&mean) {
            *code = ((x - mean) * scale).round().clamp(-127.0, 127.0) as i8;
        }
    }
    (codes, dim)
}

fn squared(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    sums.iter().sum()
}

/// User and system seconds of this process, to a hundredth.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Prints wall and CPU seconds of each phase until `finished`.
fn watch(control: &Control, finished: &AtomicBool) {
    let (mut phase, mut wall, mut cpu) = (0, Instant::now(), cpu_seconds());
    loop {
        let ended = finished.load(Ordering::Relaxed);
        let now = control.phase.load(Ordering::Relaxed);
        if now != phase || ended {
            let name = format!("{:?}", Phase::ALL[phase as usize]);
            println!("  {name:8} wall {:6.3}  cpu {:5.2}", wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
            (phase, wall, cpu) = (now, Instant::now(), cpu_seconds());
        }
        if ended {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A memory figure of this process in MB.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() >> 10
}

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
    let (codes, dim) = quantize(&base);
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

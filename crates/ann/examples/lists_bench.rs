//! Lists: time of training and assignment, error against plain k-means, sizes, and what share of the true neighbours
//! the nearest lists have.
//!
//! ```text
//! lists_bench FOLDER [lists ...]
//! lists_bench generated [rows] [lists] [dim] [sample]
//! ```
//! FOLDER has base.npy and queries.npy (little-endian float16) and gt_l2.npy (int32, 100 per query).

#[path = "common/bench.rs"]
mod bench;
#[path = "common/npy.rs"]
mod npy;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ann::build::{Control, Rows};
use ann::lists::{Assigner, Centroids, Nearest, Params, train, working_bytes};
use bench::{Quantizer, cpu_seconds, memory, squared, watch};
use npy::{Failure, read_matrix, read_npy};
use rayon::prelude::*;

/// Iterations of plain k-means.
const PLAIN_ITERATIONS: usize = 20;

/// Rows of the batches of an assignment.
const BATCH: usize = 8192;

/// Queries in units of the codes and their true neighbours.
struct Questions {
    queries: Vec<Vec<f32>>,
    truth: Vec<Vec<u32>>,
}

fn failed(error: impl std::fmt::Debug) -> Failure {
    format!("{error:?}").into()
}

/// The list of each row, and CPU seconds.
fn assign(assigner: &Assigner, rows: &Rows<'_>) -> Result<(Vec<u32>, f64), Failure> {
    let before = cpu_seconds();
    let nearest = assigner.assign_all(rows, &Control::default()).map_err(failed)?;
    let seconds = cpu_seconds() - before;
    Ok((nearest.into_iter().map(|nearest: Nearest| nearest.list).collect(), seconds))
}

/// Mean squared distance of the rows to their centroids.
fn error(rows: &Rows<'_>, centroids: &Centroids, lists: &[u32]) -> f64 {
    let batches = rows.codes.par_chunks(BATCH * rows.dim).zip(lists.par_chunks(BATCH));
    let sums: Vec<f64> = batches
        .map(|(codes, lists)| {
            let each = codes.chunks_exact(rows.dim).zip(lists);
            each.map(|(codes, &list)| {
                let row: Vec<f32> = codes.iter().map(|&code| f32::from(code)).collect();
                f64::from(squared(&row, centroids.list(list as usize)))
            })
            .sum()
        })
        .collect();
    sums.iter().sum::<f64>() / rows.count as f64
}

/// The list that is nearest by float32 centroids, for some rows.
fn nearest_by_floats(rows: &Rows<'_>, centroids: &Centroids, step: usize) -> Vec<u32> {
    let some: Vec<usize> = (0..rows.count).step_by(step).collect();
    some.par_iter()
        .map(|&row| {
            let row: Vec<f32> =
                rows.codes[row * rows.dim..][..rows.dim].iter().map(|&x| f32::from(x)).collect();
            let best = (0..centroids.count()).map(|list| (squared(&row, centroids.list(list)), list));
            best.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, list)| list as u32)
        })
        .collect()
}

fn sizes(lists: &[u32], count: usize) -> Vec<usize> {
    let mut sizes = vec![0; count];
    lists.iter().for_each(|&list| sizes[list as usize] += 1);
    sizes
}

/// Plain k-means over all rows, without groups and balance.
fn plain(rows: &Rows<'_>, count: usize) -> Result<Centroids, Failure> {
    let dim = rows.dim;
    let one_group = |lists| {
        Centroids::from_parts(dim, lists, vec![0.0; dim], vec![0, count as u32]).ok_or("parts do not fit")
    };
    let first = (0..count).flat_map(|list| &rows.codes[list * rows.count / count * dim..][..dim]);
    let mut centroids = one_group(first.map(|&code| f32::from(code)).collect())?;
    for _ in 0..PLAIN_ITERATIONS {
        let (lists, _) = assign(&Assigner::new(&centroids), rows)?;
        let mut means = vec![0f64; count * dim];
        for (row, &list) in rows.codes.chunks_exact(dim).zip(&lists) {
            let mean = &mut means[list as usize * dim..][..dim];
            mean.iter_mut().zip(row).for_each(|(mean, &code)| *mean += f64::from(code));
        }
        let sizes = sizes(&lists, count);
        let mut values = centroids.lists().to_vec();
        for ((value, sum), at) in values.iter_mut().zip(means).zip(0..) {
            if sizes[at / dim] > 0 {
                *value = (sum / sizes[at / dim] as f64) as f32;
            }
        }
        centroids = one_group(values)?;
    }
    Ok(centroids)
}

/// Share of the true neighbours, and of all rows, in the `probes` nearest lists of the queries.
fn reach(questions: &Questions, centroids: &Centroids, lists: &[u32]) {
    let sizes = sizes(lists, centroids.count());
    let ranks: Vec<Vec<u32>> = questions
        .queries
        .par_iter()
        .map(|query| {
            let mut order: Vec<(f32, u32)> = (0..centroids.count())
                .map(|list| (squared(query, centroids.list(list)), list as u32))
                .collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0));
            order.into_iter().map(|(_, list)| list).collect()
        })
        .collect();
    let queries = ranks.len() as f64;
    for probes in [1, 2, 4, 8, 16, 32, 64, 128] {
        let (mut found, mut read) = (0, 0);
        for (ranks, truth) in ranks.iter().zip(&questions.truth) {
            let probed = &ranks[..probes.min(ranks.len())];
            read += probed.iter().map(|&list| sizes[list as usize]).sum::<usize>();
            found += truth.iter().filter(|&&row| probed.contains(&lists[row as usize])).count();
        }
        let (recall, share) = (found as f64 / queries / 10.0, read as f64 / queries / lists.len() as f64);
        println!("    probes {probes:3}  recall {recall:.4}  rows {:5.2} %", 100.0 * share);
    }
}

/// What an assignment of all rows is like.
fn describe(rows: &Rows<'_>, centroids: &Centroids, questions: Option<&Questions>) -> Result<(), Failure> {
    let count = centroids.count();
    for probes in [2, 4, 8, 16, usize::MAX] {
        let (lists, seconds) = assign(&Assigner::with_probes(centroids, probes), rows)?;
        let step = (rows.count / 4000).max(1);
        let exact = nearest_by_floats(rows, centroids, step);
        let same = exact.iter().zip(lists.iter().step_by(step)).filter(|(a, b)| a == b).count();
        let largest = sizes(&lists, count).into_iter().max().unwrap_or(0);
        println!(
            "  groups {probes:20}: cpu {:6.3} us a row, error {:.0}, {:5.2} % in the nearest, largest / mean {:.2}",
            seconds * 1e6 / rows.count as f64,
            error(rows, centroids, &lists),
            100.0 * same as f64 / exact.len() as f64,
            (largest * count) as f64 / rows.count as f64,
        );
    }
    if let Some(questions) = questions {
        let (lists, _) = assign(&Assigner::new(centroids), rows)?;
        reach(questions, centroids, &lists);
    }
    Ok(())
}

fn trained(rows: &Rows<'_>, lists: usize) -> Result<Centroids, Failure> {
    let params = Params { lists, seed: 42 };
    let (control, finished) = (Control::default(), AtomicBool::new(false));
    // The peak so far is that of reading the data.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let before = memory("VmRSS");
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let centroids = std::thread::scope(|scope| {
        scope.spawn(|| watch(&control, &finished));
        let centroids = train(rows, &params, &control);
        finished.store(true, Ordering::Relaxed);
        centroids
    })
    .map_err(failed)?;
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!("trained {} lists of {} rows: wall {wall:.2}  cpu {cpu:.2}", centroids.count(), rows.count);
    let (grown, bound) = (memory("VmHWM") - before, working_bytes(rows.count, rows.dim, &params) >> 20);
    println!("  memory besides the input: {grown} MB, computed bound {bound} MB");
    Ok(centroids)
}

fn real(folder: &Path, lists: &[usize]) -> Result<(), Failure> {
    let (base, queries) = (read_matrix(&folder.join("base.npy"))?, read_matrix(&folder.join("queries.npy"))?);
    let (bytes, width) = read_npy(&folder.join("gt_l2.npy"), "<i4")?;
    let ids: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|&id| u32::from_le_bytes(id)).collect();
    let truth = ids.chunks_exact(width).map(|ids| ids[..10].to_vec()).collect();
    let quantizer = Quantizer::new(&base);
    let (codes, dim) = (quantizer.codes(&base), quantizer.dim());
    let padded = |row| {
        let mut query: Vec<f32> = quantizer.scaled(queries.row(row)).collect();
        query.resize(dim, 0.0);
        query
    };
    let questions = Questions { queries: (0..queries.count()).map(padded).collect(), truth };
    let rows = Rows { codes: &codes, dim, count: base.count() };
    println!("{} rows x {dim}, scale {}", rows.count, quantizer.scale);
    for &count in lists {
        describe(&rows, &trained(&rows, count)?, Some(&questions))?;
        let started = Instant::now();
        let centroids = plain(&rows, count)?;
        println!("plain k-means, {PLAIN_ITERATIONS} iterations: wall {:.2}", started.elapsed().as_secs_f64());
        let (lists, _) = assign(&Assigner::with_probes(&centroids, usize::MAX), &rows)?;
        let largest = sizes(&lists, count).into_iter().max().unwrap_or(0);
        let ratio = (largest * count) as f64 / rows.count as f64;
        println!("  error {:.0}, largest / mean {ratio:.2}", error(&rows, &centroids, &lists));
        reach(&questions, &centroids, &lists);
    }
    Ok(())
}

/// A pseudo-random number (splitmix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// About normal: mean zero, variance one.
fn normal(state: &mut u64) -> f32 {
    let sum: u32 = random(state).to_le_bytes().into_iter().map(u32::from).sum();
    (sum as f32 - 1020.0) / 209.0
}

/// Overlapping clusters of uneven sizes in 48 dimensions, turned into `dim`, with noise.
fn generated(count: usize, dim: usize) -> Vec<i8> {
    const LATENT: usize = 48;
    const CLUSTERS: u64 = 5000;
    let mut state = 1;
    let mut normals = |count: usize| (0..count).map(|_| normal(&mut state)).collect::<Vec<f32>>();
    let (centres, basis) = (normals(CLUSTERS as usize * LATENT), normals(LATENT * dim));
    let mut codes = vec![0i8; count * dim];
    codes.par_chunks_exact_mut(dim).enumerate().for_each(|(row, codes)| {
        let mut state = (row as u64 + 2) << 32;
        let cluster = (random(&mut state) % CLUSTERS).min(random(&mut state) % CLUSTERS) as usize;
        let mut values: Vec<f32> = (0..dim).map(|_| normal(&mut state) * 2.0).collect();
        for (centre, basis) in centres[cluster * LATENT..][..LATENT].iter().zip(basis.chunks_exact(dim)) {
            let factor = 4.0 * (centre + 0.7 * normal(&mut state));
            values.iter_mut().zip(basis).for_each(|(value, basis)| *value += factor * basis);
        }
        codes.iter_mut().zip(values).for_each(|(code, x)| *code = x.round().clamp(-127.0, 127.0) as i8);
    });
    codes
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().ok_or("usage: lists_bench FOLDER|generated [numbers]")?;
    let numbers: Result<Vec<usize>, _> = arguments[1..].iter().map(|text| text.parse()).collect();
    let numbers = numbers?;
    if folder != "generated" {
        let lists = if numbers.is_empty() { vec![316, 632, 1024] } else { numbers };
        return real(Path::new(folder), &lists);
    }
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let (count, lists, dim) = (number(0, 1_000_000), number(1, 4096), number(2, 768));
    let sample = number(3, 64 * lists).min(count);
    let codes = generated(count, dim);
    let rows = Rows { codes: &codes, dim, count };
    // Rows are independent: the first ones are a fair sample.
    let centroids = trained(&Rows { codes: &codes[..sample * dim], dim, count: sample }, lists)?;
    describe(&rows, &centroids, None)
}

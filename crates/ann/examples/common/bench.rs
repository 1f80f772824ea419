//! What the benchmarks of this crate share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ann::build::{Control, Phase};

use super::npy::Matrix;

/// Codes about the mean with one scale for all.
pub struct Quantizer {
    mean: Vec<f32>,
    pub scale: f32,
}

impl Quantizer {
    pub fn new(base: &Matrix) -> Self {
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
        Self { mean, scale }
    }

    /// Length of a row's codes.
    pub fn dim(&self) -> usize {
        self.mean.len().next_multiple_of(64)
    }

    /// A row in units of the codes, not rounded; without padding.
    pub fn scaled<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        row.iter().zip(&self.mean).map(|(&x, mean)| (x - mean) * self.scale)
    }

    /// The codes of all rows.
    pub fn codes(&self, base: &Matrix) -> Vec<i8> {
        let mut codes = vec![0i8; base.count() * self.dim()];
        for (codes, row) in codes.chunks_exact_mut(self.dim()).zip(base.values.chunks_exact(base.dim)) {
            for (code, x) in codes.iter_mut().zip(self.scaled(row)) {
                *code = x.round().clamp(-127.0, 127.0) as i8;
            }
        }
        codes
    }
}

pub fn squared(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    sums.iter().sum()
}

/// User and system seconds of this process, to a hundredth.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Prints wall and CPU seconds of each phase until `finished`.
pub fn watch(control: &Control, finished: &AtomicBool) {
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
pub fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() >> 10
}

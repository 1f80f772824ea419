//! Nanoseconds per vector of what an index does with each vector and each query.
//!
//! `cargo run --release -p quant --example quant_bench [dim]`

use quant::rabitq::{self, Lut};
use quant::{Encoding, Rotation, padded_dim, self_code};
use std::hint::black_box;
use std::time::Instant;

fn best_ns<T>(mut call: impl FnMut() -> T) -> f64 {
    const CALLS: u32 = 500;
    let mut run = || {
        let start = Instant::now();
        for _ in 0..CALLS {
            black_box(call());
        }
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..25).map(|_| run()).fold(f64::INFINITY, f64::min)
}

fn main() {
    let dim = padded_dim(std::env::args().nth(1).and_then(|dim| dim.parse().ok()).unwrap_or(768));
    let mut r: Vec<f32> = (0..dim).map(|i| ((i * 7919 + 13) % 1009) as f32 / 504.0 - 1.0).collect();
    let rotation = Rotation::new(dim, 1);
    println!("{dim} dimensions, ns per call, {}", kernels::Kernels::get().isa().name());
    println!("rotate     {:8.1}", best_ns(|| rotation.rotate(black_box(&mut r))));
    let mut lut = Lut::new();
    println!("lut        {:8.1}", best_ns(|| lut.fill(black_box(&r))));
    let mut code = vec![0; dim / 8];
    println!("rabitq     {:8.1}", best_ns(|| rabitq::encode(black_box(&r), &mut code)));
    println!("sign       {:8.1}", best_ns(|| rabitq::Reconstruction::of(black_box(&r))));
    for encoding in [Encoding::F16, Encoding::I8, Encoding::I4, Encoding::I2] {
        let mut code = vec![0; self_code::code_bytes(encoding, dim)];
        let ns = best_ns(|| self_code::encode(black_box(&r), encoding, &mut code));
        println!("self {encoding:?}  {ns:8.1}");
    }
}

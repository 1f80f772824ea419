//! Nanoseconds per call of every kernel on every instruction set, hot cache, best of several runs.
//!
//! `cargo run --release -p kernels --example kernel_bench [dim]`

use half::f16;
use kernels::{Encoding, Estimate, Kernels};
use std::hint::black_box;
use std::time::Instant;

fn best_ns<T>(mut call: impl FnMut() -> T) -> f64 {
    const CALLS: u32 = 2000;
    let mut run = || {
        let start = Instant::now();
        for _ in 0..CALLS {
            black_box(call());
        }
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..25).map(|_| run()).fold(f64::INFINITY, f64::min)
}

struct Data {
    a: Vec<f32>,
    b: Vec<f32>,
    halves: Vec<f16>,
    bytes: Vec<u8>,
    signed: Vec<i8>,
    lut: Vec<u8>,
    codes: Vec<u8>,
}

impl Data {
    fn new(dim: usize) -> Self {
        let float = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 504.0 - 1.0;
        let byte = |i: usize| (i * 167 + i / 7) as u8 & 0x3f;
        Self {
            a: (0..dim).map(float).collect(),
            b: (5..dim + 5).map(float).collect(),
            halves: (0..dim).map(|i| f16::from_f32(float(i))).collect(),
            bytes: (0..2 * dim).map(byte).collect(),
            signed: (0..dim).map(|i| byte(i) as i8).collect(),
            lut: (0..4 * dim).map(byte).collect(),
            codes: (0..4 * dim + 32).map(|i| (i * 31 + i / 5) as u8).collect(),
        }
    }
}

fn distances(kernels: &Kernels, data: &Data) {
    let print = |name: &str, ns: f64| println!("{:>7} {name:<22} {ns:8.1}", kernels.isa().name());
    let (a, b, h) = (&data.a[..], &data.b[..], &data.halves[..]);
    print("l2_squared_f32", best_ns(|| kernels.l2_squared_f32(black_box(a), b)));
    print("inner_product_f32", best_ns(|| kernels.inner_product_f32(black_box(a), b)));
    print("cosine_parts_f32", best_ns(|| kernels.cosine_parts_f32(black_box(a), b)));
    print("l1_f32", best_ns(|| kernels.l1_f32(black_box(a), b)));
    print("l2_squared_f16", best_ns(|| kernels.l2_squared_f16(black_box(h), h)));
    for encoding in [Encoding::F16, Encoding::I8, Encoding::I4, Encoding::I2] {
        let coded = kernels.coded(encoding);
        let row = &data.bytes[..encoding.code_bytes(a.len())];
        let l2 = best_ns(|| coded.l2_squared(black_box(a), 0.5, row));
        print(&format!("coded l2 {encoding:?}"), l2);
        let ip = best_ns(|| coded.inner_product(black_box(a), 0.5, row));
        print(&format!("coded ip {encoding:?}"), ip);
    }
    let s = &data.signed[..];
    print("dot_i8", best_ns(|| kernels.dot_i8(black_box(s), s)));
    let bits = &data.bytes[..a.len() / 8];
    print("hamming (dim bits)", best_ns(|| kernels.hamming(black_box(bits), bits)));
}

fn codes(kernels: &Kernels, data: &Data) {
    let print = |name: &str, ns: f64| println!("{:>7} {name:<22} {ns:8.1}", kernels.isa().name());
    let mut sums = [0; 32];
    for lanes in [8, 16, 24, 32] {
        let ns = best_ns(|| kernels.fastscan(black_box(&data.lut), &data.codes, lanes, &mut sums));
        print(&format!("fastscan {lanes} lanes"), ns);
    }
    let factors = [1; 64];
    let terms =
        Estimate { add: &factors, mul: &factors, lanes: 32, base: 1.0, lut_scale: 0.1, lut_bias: 0.0 };
    let mut estimates = [0.0; 32];
    print("estimates 32", best_ns(|| kernels.estimates(black_box(&sums), &terms, &mut estimates)));
    print("below 32", best_ns(|| kernels.below(black_box(&estimates), 32, 0.5)));
    let mut code = vec![0; data.a.len() / 8];
    print("sign_code", best_ns(|| kernels.sign_code(black_box(&data.a), &mut code)));
    print("sign_product", best_ns(|| kernels.sign_product(black_box(&code), &data.a)));
    let mut lut = vec![0; 4 * data.a.len()];
    print("fill_lut", best_ns(|| kernels.fill_lut(black_box(&data.a), &mut lut)));
    // Zeros: repeated transforms of anything else would overflow.
    let mut x = vec![0.0; data.a.len()];
    print("rotate", best_ns(|| kernels.rotate(black_box(&mut x), &data.codes[..data.a.len() / 2])));
    print("hadamard 256", best_ns(|| kernels.hadamard(black_box(&mut x[..256]))));
}

fn encoding(kernels: &Kernels, data: &Data) {
    let print = |name: &str, ns: f64| println!("{:>7} {name:<22} {ns:8.1}", kernels.isa().name());
    let a = &data.a[..];
    let inverses: [f32; 9] = std::array::from_fn(|step| 7.5 + step as f32);
    let mut costs = [0.0; 9];
    print("step_costs of 9", best_ns(|| kernels.step_costs(black_box(a), &inverses, 7.5, &mut costs)));
    print("largest_magnitude", best_ns(|| kernels.largest_magnitude(black_box(a))));
    print("magnitudes_about", best_ns(|| kernels.magnitudes_about(black_box(a), 0.5)));
    let mut row = vec![0; a.len()];
    print("code_i8", best_ns(|| kernels.code_i8(black_box(a), 127.0, &mut row)));
    let row = &mut row[..a.len() / 2];
    print("code_i4", best_ns(|| kernels.code_i4(black_box(a), 7.5, row)));
    print("lost I4", best_ns(|| kernels.coded(Encoding::I4).lost(black_box(a), 0.13, row)));
}

fn main() {
    let dim = std::env::args().nth(1).and_then(|dim| dim.parse().ok()).unwrap_or(384_usize);
    let dim = dim.next_multiple_of(64).max(256);
    let data = Data::new(dim);
    println!("{dim} dimensions, ns per call");
    for kernels in Kernels::available() {
        distances(kernels, &data);
        codes(kernels, &data);
        encoding(kernels, &data);
    }
}

//! Every cell of the grid on every instruction set of this CPU, against `reference`: all lengths up to
//! 130, unaligned starts, and the numbers at the edges of f32.

use half::{bf16, f16};
use kernels::{Encoding, Estimate, Kernels, reference};
use proptest::prelude::*;

const LENGTHS: std::ops::RangeInclusive<usize> = 0..=130;
const ENCODINGS: [Encoding; 4] = [Encoding::F16, Encoding::I8, Encoding::I4, Encoding::I2];

/// A small generator of our own: the tests repeat exactly.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }
    /// In -1..1.
    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }
    fn halves(&mut self, count: usize) -> Vec<f16> {
        (0..count).map(|_| f16::from_f32(self.float())).collect()
    }
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
    /// Row bytes whose codes are finite.
    fn row(&mut self, encoding: Encoding, dim: usize) -> Vec<u8> {
        match encoding {
            Encoding::F16 => self.halves(dim).iter().flat_map(|x| x.to_le_bytes()).collect(),
            _ => self.bytes(encoding.code_bytes(dim)),
        }
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn wide_halves(x: &[f16]) -> Vec<f64> {
    x.iter().map(|&x| x.to_f64()).collect()
}

/// The documented bound; `magnitudes` is the sum of the magnitudes of the terms.
fn assert_near(actual: f32, expected: f64, magnitudes: f64, dim: usize, what: &str) {
    let bound = (dim as f64 / 16.0 + 12.0) * 2_f64.powi(-24) * magnitudes + dim as f64 * 2_f64.powi(-149);
    let error = (f64::from(actual) - expected).abs();
    assert!(error <= bound, "{what}, dim {dim}: {actual} instead of {expected}, bound {bound:e}");
}

fn magnitudes(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum()
}

fn check_floats(kernels: &Kernels, a: &[f32], b: &[f32]) {
    let (isa, dim, x, y) = (kernels.isa().name(), a.len(), wide(a), wide(b));
    let (l2, l1) = (reference::l2_squared(&x, &y), reference::l1(&x, &y));
    assert_near(kernels.l2_squared_f32(a, b), l2, l2, dim, isa);
    assert_near(kernels.l1_f32(a, b), l1, l1, dim, isa);
    let ip = reference::inner_product(&x, &y);
    assert_near(kernels.inner_product_f32(a, b), ip, magnitudes(&x, &y), dim, isa);
    let (ab, aa, bb) = kernels.cosine_parts_f32(a, b);
    assert_near(ab, ip, magnitudes(&x, &y), dim, isa);
    assert_near(aa, reference::inner_product(&x, &x), magnitudes(&x, &x), dim, isa);
    assert_near(bb, reference::inner_product(&y, &y), magnitudes(&y, &y), dim, isa);
}

fn check_halves(kernels: &Kernels, a: &[f16], b: &[f16]) {
    let (isa, dim, x, y) = (kernels.isa().name(), a.len(), wide_halves(a), wide_halves(b));
    let (l2, l1) = (reference::l2_squared(&x, &y), reference::l1(&x, &y));
    assert_near(kernels.l2_squared_f16(a, b), l2, l2, dim, isa);
    assert_near(kernels.l1_f16(a, b), l1, l1, dim, isa);
    let ip = reference::inner_product(&x, &y);
    assert_near(kernels.inner_product_f16(a, b), ip, magnitudes(&x, &y), dim, isa);
    let (ab, aa, bb) = kernels.cosine_parts_f16(a, b);
    assert_near(ab, ip, magnitudes(&x, &y), dim, isa);
    assert_near(aa, reference::inner_product(&x, &x), magnitudes(&x, &x), dim, isa);
    assert_near(bb, reference::inner_product(&y, &y), magnitudes(&y, &y), dim, isa);
}

fn check_coded(kernels: &Kernels, encoding: Encoding, query: &[f32], scale: f32, row: &[u8]) {
    let (dim, what) = (query.len(), format!("{} {encoding:?}", kernels.isa().name()));
    let coded = kernels.coded(encoding);
    let q = wide(query);
    let codes = reference::codes(encoding, row, dim);
    let values: Vec<f64> = codes.iter().map(|c| c * f64::from(scale)).collect();
    let sums: Vec<f64> = q.iter().zip(&values).map(|(q, v)| q.abs() + v.abs()).collect();
    let (l2, l1) = (reference::l2_squared(&q, &values), reference::l1(&q, &values));
    assert_near(coded.l2_squared(query, scale, row), l2, magnitudes(&sums, &sums), dim, &what);
    assert_near(coded.l1(query, scale, row), l1, sums.iter().sum(), dim, &what);
    let ip = reference::inner_product(&q, &values);
    assert_near(coded.inner_product(query, scale, row), ip, magnitudes(&q, &values), dim, &what);
    let mut decoded = vec![0.0; dim];
    coded.decode(row, scale, &mut decoded);
    let expected: Vec<f32> = codes.iter().map(|&c| c as f32 * scale).collect();
    assert_eq!(decoded, expected, "{what}");
}

fn check_bits(kernels: &Kernels, a: &[u8], b: &[u8]) {
    let signed = |x: &[u8]| x.iter().map(|&x| x as i8).collect::<Vec<_>>();
    let (x, y) = (signed(a), signed(b));
    let isa = kernels.isa().name();
    assert_eq!(kernels.dot_i8(&x, &y), reference::dot_i8(&x, &y), "{isa} {}", a.len());
    assert_eq!(kernels.hamming(a, b), reference::hamming(a, b), "{isa} {}", a.len());
    assert_eq!(kernels.jaccard_parts(a, b), reference::jaccard_parts(a, b), "{isa} {}", a.len());
}

#[test]
fn all_lengths_and_alignments() {
    let mut random = Random(1);
    for dim in LENGTHS {
        for offset in 0..4 {
            let (a, b) = (random.floats(dim + offset), random.floats(dim + offset));
            let (x, y) = (random.halves(dim + offset), random.halves(dim + offset));
            let (s, t) = (random.bytes(dim + offset), random.bytes(dim + offset));
            let row_offset = 2 * offset + 1;
            let rows =
                ENCODINGS.map(|encoding| [random.bytes(row_offset), random.row(encoding, dim)].concat());
            for kernels in Kernels::available() {
                check_floats(kernels, &a[offset..], &b[offset..]);
                check_halves(kernels, &x[offset..], &y[offset..]);
                check_bits(kernels, &s[offset..], &t[offset..]);
                for (encoding, row) in ENCODINGS.into_iter().zip(&rows) {
                    check_coded(kernels, encoding, &a[offset..], 0.37, &row[row_offset..]);
                }
            }
        }
    }
}

#[test]
fn corners_of_signed_bytes() {
    for dim in [1, 63, 64, 65, 16_384] {
        for (x, y) in [(-128, -128), (-128, 127), (127, 127), (127, -128), (-1, -128)] {
            let (a, b) = (vec![x; dim], vec![y; dim]);
            for kernels in Kernels::available() {
                assert_eq!(kernels.dot_i8(&a, &b), i32::from(x) * i32::from(y) * dim as i32);
            }
        }
    }
}

#[test]
fn edges_of_f32() {
    let same = |x: f32, y: f32| x == y || x.is_nan() && y.is_nan();
    let denormal = f32::from_bits(3);
    for kernels in Kernels::available() {
        for dim in 1..40 {
            for at in 0..dim {
                let with = |x: f32| {
                    let mut v = vec![1.0; dim];
                    v[at] = x;
                    v
                };
                let one = with(1.0);
                let measure = |a: &[f32], b: &[f32]| {
                    let (ab, aa, bb) = kernels.cosine_parts_f32(a, b);
                    let plain = [kernels.l2_squared_f32(a, b), kernels.l1_f32(a, b)];
                    (plain, [kernels.inner_product_f32(a, b), ab], [aa, bb])
                };
                let all = |got: [f32; 2], expected: f32| got.iter().all(|&x| same(x, expected));
                for nan in [f32::NAN, -f32::NAN] {
                    let (plain, ip, [aa, bb]) = measure(&with(nan), &one);
                    assert!(all(plain, f32::NAN) && all(ip, f32::NAN) && aa.is_nan() && bb == dim as f32);
                }
                let (plain, ip, [aa, _]) = measure(&with(f32::INFINITY), &one);
                assert!(all(plain, f32::INFINITY) && all(ip, f32::INFINITY) && aa == f32::INFINITY);
                let (plain, ip, _) = measure(&with(f32::INFINITY), &with(f32::INFINITY));
                assert!(all(plain, f32::NAN) && all(ip, f32::INFINITY));
                let (plain, ip, _) = measure(&with(3e38), &with(-3e38));
                assert!(all(plain, f32::INFINITY) && all(ip, f32::NEG_INFINITY));
                let (plain, ip, _) = measure(&with(denormal), &with(-denormal));
                assert_eq!(plain, [0.0, 2.0 * denormal]);
                assert!(all(ip, (dim - 1) as f32));
            }
        }
    }
}

#[test]
fn every_half() {
    let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    let row: Vec<u8> = all.iter().flat_map(|x| x.to_le_bytes()).collect();
    for kernels in Kernels::available() {
        let mut decoded = vec![0.0; all.len()];
        kernels.coded(Encoding::F16).decode(&row, 1.0, &mut decoded);
        for (x, decoded) in all.iter().zip(decoded) {
            let expected = x.to_f32();
            assert!(decoded.to_bits() == expected.to_bits() || expected.is_nan() && decoded.is_nan());
            let abs = kernels.l1_f16(&[*x; 17], &[f16::ZERO; 17]);
            assert!(abs == 17.0 * expected.abs() || abs.is_nan() && expected.is_nan());
        }
    }
}

#[test]
fn fastscan_all_lanes_and_dims() {
    let mut random = Random(2);
    let dims = (0..=130).chain([255, 256, 257, 511, 512, 513, 2048]).map(|rows| 8 * rows);
    for dim in dims {
        let full = dim > 2000;
        let lut = if full { vec![255; 4 * dim] } else { random.bytes(4 * dim) };
        for lanes in [8, 16, 24, 32] {
            for tail in [0, 1, 16, 40] {
                let codes = random.bytes(dim / 8 * lanes + tail + 1);
                let expected = reference::fastscan(&lut, &codes[1..], lanes);
                for kernels in Kernels::available() {
                    let mut sums = [7; 32];
                    kernels.fastscan(&lut, &codes[1..], lanes, &mut sums);
                    assert_eq!(sums, expected, "{} {dim} {lanes} {tail}", kernels.isa().name());
                }
            }
        }
    }
}

#[test]
fn estimates_and_thresholds() {
    let mut random = Random(3);
    for lanes in [8, 16, 24, 32] {
        for _ in 0..50 {
            let sums: [u32; 32] = std::array::from_fn(|_| random.next() as u32 & 0xf_ffff);
            let mut terms = || -> Vec<u8> {
                (0..lanes).flat_map(|_| bf16::from_f32(random.float()).to_le_bytes()).collect()
            };
            let (add, mul) = (terms(), terms());
            let terms = Estimate { add: &add, mul: &mul, lanes, base: 1.5, lut_scale: 1e-5, lut_bias: -5.0 };
            for kernels in Kernels::available() {
                let mut out = [f32::NEG_INFINITY; 32];
                kernels.estimates(&sums, &terms, &mut out);
                for (lane, &out) in out.iter().enumerate() {
                    if lane < lanes {
                        let error = (f64::from(out) - reference::estimate(&terms, lane, sums[lane])).abs();
                        assert!(error < 1e-5, "{} {lane}", kernels.isa().name());
                    } else {
                        assert_eq!(out, f32::NEG_INFINITY);
                    }
                }
                out[3] = f32::NAN;
                for threshold in [1.5, out[5], f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let expected = (0..lanes).filter(|&l| out[l] < threshold).map(|l| 1 << l).sum::<u32>();
                    assert_eq!(kernels.below(&out, lanes, threshold), expected);
                }
            }
        }
    }
}

#[test]
fn hadamard_is_the_same_everywhere() {
    let mut random = Random(4);
    for log in 0..=12 {
        let x = random.floats(1 << log);
        let mut expected = x.clone();
        Kernels::available()[0].hadamard(&mut expected);
        if log <= 9 {
            for (x, y) in reference::hadamard(&wide(&x)).iter().zip(&expected) {
                assert!((x - f64::from(*y)).abs() < 1e-3);
            }
        }
        for kernels in Kernels::available() {
            let mut actual = x.clone();
            kernels.hadamard(&mut actual);
            assert_eq!(actual, expected, "{} {log}", kernels.isa().name());
        }
    }
}

#[test]
fn rotation_is_the_same_everywhere() {
    let mut random = Random(5);
    for dim in (1..=33).map(|x| 64 * x) {
        let (x, signs) = (random.floats(dim), random.bytes(dim / 2));
        let mut expected = x.clone();
        Kernels::available()[0].rotate(&mut expected, &signs);
        if dim <= 512 || dim % 512 == 0 {
            for (x, y) in reference::rotate(&wide(&x), &signs).iter().zip(&expected) {
                assert!((x - f64::from(*y)).abs() < 1e-4);
            }
        }
        for kernels in Kernels::available() {
            let mut actual = x.clone();
            kernels.rotate(&mut actual, &signs);
            assert_eq!(actual, expected, "{} {dim}", kernels.isa().name());
            kernels.rotate_back(&mut actual, &signs);
            assert!(x.iter().zip(actual).all(|(x, y)| (x - y).abs() < 1e-5));
        }
    }
}

#[test]
fn sign_codes_and_tables() {
    let mut random = Random(6);
    for dim in (0..=33).chain([96, 257]).map(|x| 8 * x) {
        let mut q = random.floats(dim + 1);
        q[dim / 2] = 0.0;
        let q = &q[1..];
        let mut expected = vec![0; dim / 8];
        for (i, _) in q.iter().enumerate().filter(|(_, q)| **q > 0.0) {
            expected[i / 8] |= 1 << (i % 8);
        }
        let (x, zeros) = (wide(q), vec![0.0; dim]);
        for kernels in Kernels::available() {
            let isa = kernels.isa().name();
            let mut code = vec![0xff; dim / 8];
            let (squares, total) = kernels.sign_code(q, &mut code);
            assert_eq!(code, expected, "{isa} {dim}");
            let (l2, l1) = (reference::l2_squared(&x, &zeros), reference::l1(&x, &zeros));
            assert_near(squares, l2, l2, dim, isa);
            assert_near(total, l1, l1, dim, isa);

            let mut lut = vec![1; 4 * dim];
            let (scale, bias) = kernels.fill_lut(q, &mut lut);
            let codes = random.bytes(dim / 8 * 8);
            let sums = reference::fastscan(&lut, &codes, 8);
            for (lane, &sum) in sums[..8].iter().enumerate() {
                let code: Vec<u8> = codes.iter().skip(lane).step_by(8).copied().collect();
                let estimate = f64::from(sum) * f64::from(scale) + f64::from(bias);
                let error = (estimate - reference::sign_product(&code, q)).abs();
                assert!(error <= 0.51 * f64::from(scale) * (dim / 4) as f64 + 1e-4, "{isa} {dim}");
                let product = kernels.sign_product(&code, q);
                assert_near(product, reference::sign_product(&code, q), l1 / 2.0, dim, isa);
            }
        }
    }
}

#[test]
fn tables_without_a_step() {
    for kernels in Kernels::available() {
        for x in [0.0, 1e-45, 1e-40, 1e-30, 1e30, 3e38, -3e38] {
            let mut lut = vec![9; 64];
            let (scale, bias) = kernels.fill_lut(&[x; 16], &mut lut);
            assert!(scale.is_finite() && bias.is_finite(), "{} {x}", kernels.isa().name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn long_vectors(seed: u64, dim in 131_usize..5000, scale in 1e-3_f32..1e3) {
        let mut random = Random(seed);
        let (a, b) = (random.floats(dim), random.floats(dim));
        let (x, y) = (random.halves(dim), random.halves(dim));
        let (s, t) = (random.bytes(dim), random.bytes(dim));
        let rows = ENCODINGS.map(|encoding| random.row(encoding, dim));
        for kernels in Kernels::available() {
            check_floats(kernels, &a, &b);
            check_halves(kernels, &x, &y);
            check_bits(kernels, &s, &t);
            for (encoding, row) in ENCODINGS.into_iter().zip(&rows) {
                check_coded(kernels, encoding, &a, scale, row);
            }
        }
    }
}

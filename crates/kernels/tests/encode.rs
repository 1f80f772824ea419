//! The making of codes on every instruction set of this CPU: against `reference`, and the same bits everywhere.

use half::f16;
use kernels::{Encoding, Kernels, reference};

const ENCODINGS: [Encoding; 4] = [Encoding::F16, Encoding::I8, Encoding::I4, Encoding::I2];

/// Lengths on both sides of every block, and some of real vectors.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=130).chain([383, 384, 385, 768, 1536, 2001])
}

/// In -1..1, and so that no two vectors are the same.
fn floats(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn code(kernels: &Kernels, encoding: Encoding, r: &[f32], inverse: f32) -> (Vec<u8>, Option<(f32, f32)>) {
    let mut out = vec![0xff; encoding.code_bytes(r.len())];
    let sums = match encoding {
        Encoding::F16 => {
            let halves = r.iter().flat_map(|x| f16::from_f32(x * inverse).to_le_bytes());
            out.iter_mut().zip(halves).for_each(|(out, byte)| *out = byte);
            return (out, None);
        }
        Encoding::I8 => kernels.code_i8(r, inverse, &mut out),
        Encoding::I4 => kernels.code_i4(r, inverse, &mut out),
        Encoding::I2 => kernels.code_i2(r, inverse, &mut out),
    };
    (out, Some(sums))
}

fn assert_close(actual: f64, expected: f64, relative: f64, what: &str) {
    assert!((actual - expected).abs() <= relative * expected.abs(), "{what}: {actual} instead of {expected}");
}

#[test]
fn codes_are_the_nearest_and_the_same_everywhere() {
    for (seed, dim) in (1..).zip(lengths()) {
        let all = floats(seed, dim + 3);
        // An unaligned start, and steps at which much, some and nothing is clipped.
        for (r, inverse) in [(&all[3..], 7.3), (&all[1..=dim], 1.4), (&all[..dim], 200.0)] {
            for encoding in [Encoding::I8, Encoding::I4, Encoding::I2] {
                let expected = code(Kernels::available()[0], encoding, r, inverse);
                let codes = reference::codes(encoding, &expected.0, dim);
                for ((x, nearest), got) in
                    r.iter().zip(reference::nearest_codes(encoding, r, inverse)).zip(&codes)
                {
                    let steps = f64::from(*x) * f64::from(inverse);
                    let same = (steps - got).abs() <= (steps - nearest).abs() + 1e-5;
                    assert!(same, "{encoding:?} {dim}: {got} for {steps}");
                }
                let steps: Vec<f64> = wide(r).iter().map(|x| x * f64::from(inverse)).collect();
                let (product, square) = expected.1.unwrap();
                let relative = 1e-6 + dim as f64 * 1e-8;
                let what = format!("{encoding:?} {dim}");
                assert_close(f64::from(product), reference::inner_product(&steps, &codes), relative, &what);
                assert_close(f64::from(square), reference::inner_product(&codes, &codes), relative, &what);
                for kernels in Kernels::available() {
                    let actual = code(kernels, encoding, r, inverse);
                    assert_eq!(actual, expected, "{} {encoding:?} {dim}", kernels.isa().name());
                }
            }
        }
    }
}

#[test]
fn unused_bits_are_zero() {
    for dim in 1..40 {
        for kernels in Kernels::available() {
            let nibbles = code(kernels, Encoding::I4, &vec![1.0; dim], 100.0).0;
            assert!(dim % 2 == 0 || nibbles[dim / 2] == 15, "{dim}");
            let pairs = code(kernels, Encoding::I2, &vec![1.0; dim], 100.0).0;
            assert!(dim % 4 == 0 || u32::from(pairs[dim / 4]) == (1 << (2 * (dim % 4))) - 1, "{dim}");
        }
    }
}

#[test]
fn costs_are_those_of_the_codes_and_the_same_everywhere() {
    let inverses = [7.5, 8.2, 9.9, 11.0, 13.6, 17.2, 1.5, 2.25, 4.0, 0.3, 1e-3];
    for (seed, dim) in (50..).zip(lengths()) {
        let all = floats(seed, dim + 1);
        let r = &all[1..];
        for (encoding, largest) in [(Encoding::I4, 7.5), (Encoding::I2, 1.5)] {
            for count in 0..=inverses.len() {
                let mut expected = vec![f32::NAN; count];
                Kernels::available()[0].step_costs(r, &inverses[..count], largest, &mut expected);
                for (&cost, &inverse) in expected.iter().zip(&inverses) {
                    let steps: Vec<f64> = wide(r).iter().map(|x| x * f64::from(inverse)).collect();
                    let cost_wanted =
                        reference::lost(&steps, &reference::nearest_codes(encoding, r, inverse)).0;
                    let relative = 1e-5 + dim as f64 * 1e-7;
                    assert_close(f64::from(cost), cost_wanted, relative, &format!("{encoding:?} {dim}"));
                }
                for kernels in Kernels::available() {
                    let mut costs = vec![f32::NAN; count];
                    kernels.step_costs(r, &inverses[..count], largest, &mut costs);
                    assert_eq!(costs, expected, "{} {encoding:?} {dim}", kernels.isa().name());
                }
            }
        }
    }
}

#[test]
fn what_is_lost_is_the_same_everywhere() {
    for (seed, dim) in (150..).zip(lengths()) {
        let all = floats(seed, dim + 1);
        let r = &all[1..];
        for encoding in ENCODINGS {
            let (row, _) = code(Kernels::get(), encoding, r, 7.0);
            for scale in [1.0 / 7.0, 0.2, 3e-30] {
                let codes = reference::codes(encoding, &row, dim);
                let decoded: Vec<f64> = codes.iter().map(|&c| f64::from(c as f32 * scale)).collect();
                let (squares, magnitudes) = reference::lost(&wide(r), &decoded);
                let expected = Kernels::available()[0].coded(encoding).lost(r, scale, &row);
                let what = format!("{encoding:?} {dim}");
                assert_close(expected.0, squares, 2_f64.powi(-22), &what);
                assert_close(expected.1, magnitudes, 2_f64.powi(-23), &what);
                for kernels in Kernels::available() {
                    let actual = kernels.coded(encoding).lost(r, scale, &row);
                    assert_eq!(actual, expected, "{} {what}", kernels.isa().name());
                }
            }
        }
    }
}

#[test]
fn magnitudes_are_the_same_everywhere() {
    for (seed, dim) in (250..).zip(lengths()) {
        let all = floats(seed, dim + 1);
        let r = &all[1..];
        let magnitudes: Vec<f64> = wide(r).iter().map(|x| x.abs()).collect();
        let largest = magnitudes.iter().copied().fold(0.0, f64::max);
        for centre in [0.0, 0.5, 2.0] {
            let expected = Kernels::available()[0].magnitudes_about(r, centre);
            let wanted = reference::lost(&magnitudes, &vec![f64::from(centre); dim]);
            assert_close(expected.0, wanted.0, 2_f64.powi(-22), &format!("{dim}"));
            assert_close(expected.1, wanted.1, 2_f64.powi(-23), &format!("{dim}"));
            for kernels in Kernels::available() {
                assert_eq!(kernels.magnitudes_about(r, centre), expected, "{} {dim}", kernels.isa().name());
                assert_eq!(f64::from(kernels.largest_magnitude(r)), largest, "{}", kernels.isa().name());
            }
        }
    }
}

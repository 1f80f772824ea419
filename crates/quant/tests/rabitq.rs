//! The 1-bit estimator as a statistic: no bias over rotations, error within the paper's bound.

mod common;
use common::{Normal, dot, norm};
use kernels::{Estimate, Kernels};
use proptest::prelude::*;
use quant::Rotation;
use quant::rabitq::{Lut, Reconstruction, encode, from_bf16, place, take, to_bf16, with_lost};

/// `<y, q>` for a code.
fn sign_product(code: &[u8], q: &[f32]) -> f64 {
    kernels::reference::sign_product(code, q)
}

/// A pair with the given cosine.
fn pair(normal: &mut Normal, dim: usize, cosine: f64) -> (Vec<f32>, Vec<f32>) {
    let (r, noise) = (normal.vector(dim), normal.vector(dim));
    let sine = (1.0 - cosine * cosine).sqrt();
    let q = r.iter().zip(noise).map(|(&r, n)| (cosine * f64::from(r) + sine * f64::from(n)) as f32);
    let q = q.collect();
    (r, q)
}

#[test]
fn unbiased_over_rotations() {
    for (dim, cosine) in [(64, 0.6), (128, 0.9), (192, -0.5), (384, 0.0)] {
        let mut normal = Normal::new(dim as u64);
        let (r, q) = pair(&mut normal, dim, cosine);
        let expected = 2.0 * dot(&r, &q);
        let errors: Vec<f64> = (0..3000)
            .map(|seed| {
                let rotation = Rotation::new(dim, seed);
                let (mut x, mut y, mut code) = (r.clone(), q.clone(), vec![0; dim / 8]);
                rotation.rotate(&mut x);
                rotation.rotate(&mut y);
                let factors = encode(&x, &mut code);
                f64::from(factors.rescale) * sign_product(&code, &y) - expected
            })
            .collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let variance = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / errors.len() as f64;
        let standard_error = (variance / errors.len() as f64).sqrt();
        assert!(mean.abs() < 3.5 * standard_error, "dim {dim}: bias {mean} +- {standard_error}");
    }
}

/// What is lost is at right angles to the reconstruction, so its length tells the norm and the factors; and a row that
/// is coded again from its reconstruction, with what it had lost before, has the same.
#[test]
fn reconstructions_tell_the_factors() {
    let mut normal = Normal::new(8);
    for dim in [64, 192, 1536] {
        let r = normal.vector(dim);
        let (mut code, mut decoded) = (vec![0; dim / 8], vec![f32::NAN; dim]);
        let expected = encode(&r, &mut code);
        let first = Reconstruction::of(&r);
        first.decode(&code, &mut decoded);
        let lost: Vec<f32> = r.iter().zip(&decoded).map(|(r, d)| r - d).collect();
        assert!((f64::from(first.error) / norm(&lost) - 1.0).abs() < 1e-5);
        assert!(dot(&lost, &decoded).abs() < 1e-5 * norm(&r).powi(2));
        let again = Reconstruction::of(&decoded);
        assert_eq!((again.scale, with_lost(0.5, 0.0)), (first.scale, 0.5));
        assert!((with_lost(again.error, first.error) / first.error - 1.0).abs() < 1e-5);
        let factors = encode(&decoded, &mut code).with_lost(first.error);
        assert!((factors.norm2 / expected.norm2 - 1.0).abs() < 1e-5, "{factors:?} {expected:?}");
        assert!((factors.rescale / expected.rescale - 1.0).abs() < 1e-5, "{factors:?} {expected:?}");
    }
    let zero = Reconstruction::of(&[0.0; 64]);
    assert_eq!((zero.scale, zero.error), (0.0, 0.0));
}

#[test]
fn what_is_placed_can_be_taken() {
    let (mut block, code) = (vec![0; 24 * 8], [1, 2, 3, 4, 5, 6, 7, 8]);
    place(&mut block, 24, 5, &code);
    let mut taken = [0; 8];
    take(&block, 24, 5, &mut taken);
    assert_eq!(taken, code);
    take(&block, 24, 6, &mut taken);
    assert_eq!(taken, [0; 8]);
}

#[test]
fn error_is_within_the_bound() {
    // |error of <r, q>| <= |r| |q| sqrt((1 - t^2) / t^2) * e / sqrt(D - 1). The error is close to normal
    // with the standard deviation of e = 1, so e = 1.9 covers 94 % and e = 2.7 covers 99 %.
    for (dim, cosine) in [(128, 0.3), (384, 0.8), (768, 0.0)] {
        let mut normal = Normal::new(dim as u64 + 1);
        let (mut within_19, mut within_27, trials) = (0, 0, 4000);
        for _ in 0..trials {
            let (r, q) = pair(&mut normal, dim, cosine);
            let mut code = vec![0; dim / 8];
            let factors = encode(&r, &mut code);
            let error = (f64::from(factors.rescale) * sign_product(&code, &q) / 2.0 - dot(&r, &q)).abs();
            let t = r.iter().map(|x| f64::from(x.abs())).sum::<f64>() / ((dim as f64).sqrt() * norm(&r));
            let unit = norm(&r) * norm(&q) * ((1.0 - t * t) / (t * t)).sqrt() / ((dim - 1) as f64).sqrt();
            within_19 += i32::from(error <= 1.9 * unit);
            within_27 += i32::from(error <= 2.7 * unit);
        }
        assert!(within_19 >= trials * 93 / 100, "dim {dim}: {within_19}");
        assert!(within_27 >= trials * 99 / 100, "dim {dim}: {within_27}");
    }
}

#[test]
fn tables_add_little_error() {
    let mut normal = Normal::new(9);
    for dim in [64, 384, 768, 1536] {
        let (q, mut lut) = (normal.vector(dim), Lut::new());
        lut.fill(&q);
        let (mut block, codes) = (vec![0; 4 * dim], (0..32).map(|_| normal.vector(dim)));
        let codes: Vec<Vec<u8>> = codes
            .enumerate()
            .map(|(lane, r)| {
                let mut code = vec![0; dim / 8];
                encode(&r, &mut code);
                place(&mut block, 32, lane, &code);
                code
            })
            .collect();
        let mut sums = [0; 32];
        Kernels::get().fastscan(lut.tables(), &block, 32, &mut sums);
        let mean_square = codes.iter().zip(sums).map(|(code, sum)| {
            let estimate = f64::from(lut.scale()) * f64::from(sum) + f64::from(lut.bias());
            (estimate - sign_product(code, &q)).powi(2)
        });
        let error = (mean_square.sum::<f64>() / 32.0).sqrt();
        // <y, q> itself varies by |q| / 2 over codes.
        assert!(error < 0.012 * norm(&q), "dim {dim}: {error} of {}", norm(&q));
    }
}

#[test]
fn whole_estimate_of_a_batch() {
    let (dim, lanes) = (384, 24);
    let mut normal = Normal::new(11);
    let q = normal.vector(dim);
    let mut lut = Lut::new();
    lut.fill(&q);
    let (mut block, mut add, mut mul) = (vec![0; lanes * dim / 8], Vec::new(), Vec::new());
    let rows: Vec<Vec<f32>> = (0..lanes).map(|_| normal.vector(dim)).collect();
    for (lane, r) in rows.iter().enumerate() {
        let mut code = vec![0; dim / 8];
        let factors = encode(r, &mut code);
        place(&mut block, lanes, lane, &code);
        add.extend(to_bf16(factors.norm2).to_le_bytes());
        mul.extend(to_bf16(factors.rescale).to_le_bytes());
    }
    let (mut sums, mut estimates) = ([0; 32], [0.0; 32]);
    let base = dot(&q, &q) as f32;
    let terms = Estimate { add: &add, mul: &mul, lanes, base, lut_scale: lut.scale(), lut_bias: lut.bias() };
    Kernels::get().fastscan(lut.tables(), &block, lanes, &mut sums);
    Kernels::get().estimates(&sums, &terms, &mut estimates);
    for (r, estimate) in rows.iter().zip(estimates) {
        let distance: f64 = r.iter().zip(&q).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        assert!((f64::from(estimate) / distance - 1.0).abs() < 0.15, "{estimate} {distance}");
    }
}

#[test]
fn extreme_and_zero_residuals() {
    let mut normal = Normal::new(12);
    let unit = normal.vector(128);
    for magnitude in [1e-45, 1e-38, 1e-30, 1e-15, 1.0, 1e15, 1e30, 5e37] {
        let r: Vec<f32> = unit.iter().map(|x| x * magnitude).collect();
        let mut code = vec![0; 16];
        let factors = encode(&r, &mut code);
        assert!(factors.norm2.is_finite() && factors.rescale.is_finite(), "{magnitude}");
        if (1e-30..=1e30).contains(&magnitude) {
            let ratio = f64::from(factors.rescale) * sign_product(&code, &r) / dot(&r, &r);
            assert!((ratio - 2.0).abs() < 1e-5, "{magnitude}: {ratio}");
        }
        let mut lut = Lut::new();
        lut.fill(&r);
        assert!(lut.scale().is_finite() && lut.bias().is_finite());
    }
    let mut code = vec![0xff; 16];
    let factors = encode(&[0.0; 128], &mut code);
    assert_eq!((factors.norm2, factors.rescale, code), (0.0, 0.0, vec![0; 16]));
}

#[test]
fn every_bf16_survives() {
    for bits in 0..=u16::MAX {
        let x = from_bf16(bits);
        if x.is_finite() {
            assert_eq!(to_bf16(x), bits);
        }
    }
    assert_eq!(to_bf16(f32::INFINITY), 0x7f7f);
    assert_eq!(to_bf16(f32::MIN), 0xff7f);
    assert!(from_bf16(to_bf16(f32::NAN)).is_nan());
    // Halfway between two: to the even one.
    assert_eq!(to_bf16(f32::from_bits(0x3f80_8000)), 0x3f80);
    assert_eq!(to_bf16(f32::from_bits(0x3f81_8000)), 0x3f82);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bf16_is_nearest(x in -3.3e38_f32..3.3e38) {
        prop_assert_eq!(to_bf16(x), half::bf16::from_f32(x).to_bits());
    }
}

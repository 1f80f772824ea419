//! The rotation is orthogonal, invertible, repeatable, and spreads single coordinates.

mod common;
use common::{Normal, dot, norm};
use quant::{Rotation, padded_dim};

#[test]
fn padding() {
    let cases = [(1, 64), (64, 64), (65, 128), (384, 384), (1000, 1024), (16_000, 16_000)];
    assert!(cases.into_iter().all(|(dim, padded)| padded_dim(dim) == padded));
}

#[test]
fn preserves_inner_products_and_inverts() {
    let mut normal = Normal::new(1);
    for dim in [64, 128, 192, 320, 384, 768, 1024, 1536, 16_384] {
        let rotation = Rotation::new(dim, 42);
        let (a, b) = (normal.vector(dim), normal.vector(dim));
        let (mut x, mut y) = (a.clone(), b.clone());
        rotation.rotate(&mut x);
        rotation.rotate(&mut y);
        let bound = 1e-6 * norm(&a) * norm(&b);
        assert!((dot(&x, &y) - dot(&a, &b)).abs() < bound, "{dim}");
        assert!((norm(&x) / norm(&a) - 1.0).abs() < 1e-6, "{dim}");
        assert!(x.iter().zip(&a).any(|(x, a)| (x - a).abs() > 0.1), "{dim}");
        rotation.inverse(&mut x);
        assert!(x.iter().zip(&a).all(|(x, a)| (x - a).abs() < 1e-5), "{dim}");
    }
}

#[test]
fn matrix_is_orthogonal() {
    let dim = 192;
    let rotation = Rotation::new(dim, 7);
    let columns: Vec<Vec<f32>> = (0..dim)
        .map(|i| {
            let mut x = vec![0.0; dim];
            x[i] = 1.0;
            rotation.rotate(&mut x);
            x
        })
        .collect();
    for (i, a) in columns.iter().enumerate() {
        assert!(a.iter().all(|x| x.abs() < 0.5), "a coordinate stayed where it was");
        for (j, b) in columns.iter().enumerate() {
            let expected = if i == j { 1.0 } else { 0.0 };
            assert!((dot(a, b) - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn seeds_and_identity() {
    let x = Normal::new(2).vector(384);
    let rotated = |rotation: Rotation| {
        let mut y = x.clone();
        rotation.rotate(&mut y);
        y
    };
    assert_eq!(rotated(Rotation::new(384, 5)), rotated(Rotation::new(384, 5)));
    assert_ne!(rotated(Rotation::new(384, 5)), rotated(Rotation::new(384, 6)));
    assert_eq!(rotated(Rotation::identity(384)), x);
}

/// An index stores the seed alone, so these bits must never change.
#[test]
fn bits_are_pinned() {
    for (dim, pinned) in [
        (64, 0xb97b_aa26_ff3b_d425),
        (192, 0x7f2e_c962_a7d9_0a1e),
        (1024, 0x4258_9a60_2188_f9b6),
        (1536, 0xf201_dcae_1335_be8b),
        (4032, 0xd11f_5a4a_d230_f5ba),
    ] {
        let mut x: Vec<f32> = (0..dim).map(|i| i as f32).collect();
        Rotation::new(dim, 0x5eed).rotate(&mut x);
        let hash = x.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, x| {
            (hash ^ u64::from(x.to_bits())).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!(hash, pinned, "{dim}: {hash:#x}");
    }
}

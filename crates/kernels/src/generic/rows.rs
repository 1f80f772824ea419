//! How a row of each representation becomes vectors of f32.

use crate::arch::{LANES_MAX, Simd, half_to_f32};
use half::f16;

/// A representation of a row of numbers.
pub(crate) trait Row<S: Simd> {
    /// What the row is a slice of.
    type Item: Copy;
    /// Items that hold `S::LANES` numbers.
    const ITEMS: usize;
    /// The numbers of the first `ITEMS` items.
    fn load(simd: S, items: &[Self::Item]) -> S::F;
    /// The number at `index`.
    fn get(items: &[Self::Item], index: usize) -> f32;

    /// The first `count < LANES` numbers, the rest zero.
    #[inline(always)]
    fn load_tail(simd: S, items: &[Self::Item], count: usize) -> S::F {
        let mut lanes = [0.0; LANES_MAX];
        for (index, lane) in lanes[..count].iter_mut().enumerate() {
            *lane = Self::get(items, index);
        }
        simd.load(&lanes)
    }
}

/// `&[f32]`.
pub(crate) struct Floats;
/// `&[f16]`.
pub(crate) struct Halves;
/// Halves as little-endian bytes at any alignment.
pub(crate) struct HalfBytes;
/// Signed bytes.
pub(crate) struct SignedBytes;
/// Two per byte, low nibble first, nibble minus 7.5.
pub(crate) struct Nibbles;
/// Four per byte, lowest bits first, two bits minus 1.5.
pub(crate) struct BitPairs;

impl<S: Simd> Row<S> for Floats {
    type Item = f32;
    const ITEMS: usize = S::LANES;
    #[inline(always)]
    fn load(simd: S, items: &[f32]) -> S::F {
        simd.load(items)
    }
    #[inline(always)]
    fn get(items: &[f32], index: usize) -> f32 {
        items[index]
    }
    #[inline(always)]
    fn load_tail(simd: S, items: &[f32], count: usize) -> S::F {
        simd.load_tail(&items[..count])
    }
}

impl<S: Simd> Row<S> for Halves {
    type Item = f16;
    const ITEMS: usize = S::LANES;
    #[inline(always)]
    fn load(simd: S, items: &[f16]) -> S::F {
        simd.load_f16(items)
    }
    #[inline(always)]
    fn get(items: &[f16], index: usize) -> f32 {
        half_to_f32(items[index].to_bits())
    }
}

impl<S: Simd> Row<S> for HalfBytes {
    type Item = u8;
    const ITEMS: usize = 2 * S::LANES;
    #[inline(always)]
    fn load(simd: S, items: &[u8]) -> S::F {
        simd.load_f16_bytes(items)
    }
    #[inline(always)]
    fn get(items: &[u8], index: usize) -> f32 {
        half_to_f32(u16::from_le_bytes([items[2 * index], items[2 * index + 1]]))
    }
}

impl<S: Simd> Row<S> for SignedBytes {
    type Item = u8;
    const ITEMS: usize = S::LANES;
    #[inline(always)]
    fn load(simd: S, items: &[u8]) -> S::F {
        simd.load_i8(items)
    }
    #[inline(always)]
    fn get(items: &[u8], index: usize) -> f32 {
        f32::from(items[index] as i8)
    }
}

impl<S: Simd> Row<S> for Nibbles {
    type Item = u8;
    const ITEMS: usize = S::LANES / 2;
    #[inline(always)]
    fn load(simd: S, items: &[u8]) -> S::F {
        simd.load_i4(items)
    }
    #[inline(always)]
    fn get(items: &[u8], index: usize) -> f32 {
        f32::from(items[index / 2] >> (4 * (index % 2)) & 15) - 7.5
    }
}

impl<S: Simd> Row<S> for BitPairs {
    type Item = u8;
    const ITEMS: usize = S::LANES / 4;
    #[inline(always)]
    fn load(simd: S, items: &[u8]) -> S::F {
        simd.load_i2(items)
    }
    #[inline(always)]
    fn get(items: &[u8], index: usize) -> f32 {
        f32::from(items[index / 4] >> (2 * (index % 4)) & 3) - 1.5
    }
}

//! The tier for every CPU: plain arrays, which the compiler turns into the target's baseline vectors.

use super::{Simd, half_to_f32, instantiate, nearest_integer};
use std::array::from_fn;

/// Arrays of 8 floats and 16 bytes; needs nothing from the CPU.
#[derive(Clone, Copy)]
pub(crate) struct Portable(());

impl Portable {
    /// A token of the portable tier.
    ///
    /// # Safety
    /// None needed; `unsafe` only to have the shape of the other tokens.
    #[inline(always)]
    unsafe fn assume() -> Self {
        Self(())
    }
}

#[inline(always)]
fn map(a: [f32; 8], b: [f32; 8], f: impl Fn(f32, f32) -> f32) -> [f32; 8] {
    from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn map_bytes(a: [u8; 16], b: [u8; 16], f: impl Fn(u8, u8) -> u8) -> [u8; 16] {
    from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn u16_pair(x: &[u8], i: usize) -> u16 {
    u16::from_le_bytes([x[2 * i], x[2 * i + 1]])
}

#[inline(always)]
fn to_u64(v: [u8; 16]) -> [u64; 2] {
    let v = u128::from_le_bytes(v);
    [v as u64, (v >> 64) as u64]
}

#[inline(always)]
fn from_u64(v: [u64; 2]) -> [u8; 16] {
    (u128::from(v[0]) | u128::from(v[1]) << 64).to_le_bytes()
}

#[inline(always)]
fn from_u16(v: [u16; 8]) -> [u8; 16] {
    from_fn(|i| v[i / 2].to_le_bytes()[i % 2])
}

impl Simd for Portable {
    const LANES: usize = 8;
    const BYTES: usize = 16;
    type F = [f32; 8];
    type B = [u8; 16];
    type W = [f64; 8];
    type Dot = [i32; 16];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; 8]
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> Self::F {
        from_fn(|i| x[..8][i])
    }
    #[inline(always)]
    fn load_f16_bytes(self, x: &[u8]) -> Self::F {
        from_fn(|i| half_to_f32(u16_pair(&x[..16], i)))
    }
    #[inline(always)]
    fn load_bf16_bytes(self, x: &[u8]) -> Self::F {
        from_fn(|i| f32::from_bits(u32::from(u16_pair(&x[..16], i)) << 16))
    }
    #[inline(always)]
    fn load_i8(self, x: &[u8]) -> Self::F {
        from_fn(|i| f32::from(x[..8][i] as i8))
    }
    #[inline(always)]
    fn load_i4(self, x: &[u8]) -> Self::F {
        from_fn(|i| f32::from(x[..4][i / 2] >> (4 * (i % 2)) & 15) - 7.5)
    }
    #[inline(always)]
    fn load_i2(self, x: &[u8]) -> Self::F {
        from_fn(|i| f32::from(x[..2][i / 4] >> (2 * (i % 4)) & 3) - 1.5)
    }
    #[inline(always)]
    fn load_u32(self, x: &[u32]) -> Self::F {
        from_fn(|i| x[..8][i] as i32 as f32)
    }
    #[inline(always)]
    fn store(self, v: Self::F, out: &mut [f32]) {
        out[..8].copy_from_slice(&v);
    }
    #[inline(always)]
    fn store_u8(self, v: Self::F, out: &mut [u8]) {
        for (byte, x) in out[..8].iter_mut().zip(v) {
            *byte = x.round_ties_even() as u8;
        }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        map(a, b, |x, y| x + y)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        map(a, b, |x, y| x - y)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        map(a, b, |x, y| x * y)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        map(a, b, |x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        map(a, b, |x, y| if x < y { x } else { y })
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        a.map(nearest_integer)
    }
    #[inline(always)]
    fn flip(self, v: Self::F, bits: u32) -> Self::F {
        from_fn(|i| f32::from_bits(v[i].to_bits() ^ (bits >> i & 1) << 31))
    }
    #[inline(always)]
    fn exchange<const H: usize>(self, v: Self::F) -> Self::F {
        from_fn(|i| v[i ^ H])
    }
    #[inline(always)]
    fn below(self, a: Self::F, b: Self::F) -> u32 {
        (0..8).fold(0, |mask, i| mask | u32::from(a[i] < b[i]) << i)
    }
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }

    #[inline(always)]
    fn widen(self, v: Self::F) -> Self::W {
        v.map(f64::from)
    }
    #[inline(always)]
    fn add_wide(self, a: Self::W, b: Self::W) -> Self::W {
        from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn add_square(self, acc: Self::W, v: Self::W) -> Self::W {
        from_fn(|i| acc[i] + v[i] * v[i])
    }
    #[inline(always)]
    fn store_wide(self, v: Self::W, out: &mut [f64]) {
        out[..8].copy_from_slice(&v);
    }

    #[inline(always)]
    fn load_bytes(self, x: &[u8]) -> Self::B {
        from_fn(|i| x[..16][i])
    }
    #[inline(always)]
    fn store_bytes(self, v: Self::B, out: &mut [u8]) {
        out[..16].copy_from_slice(&v);
    }
    #[inline(always)]
    fn zero_bytes(self) -> Self::B {
        [0; 16]
    }
    #[inline(always)]
    fn and(self, a: Self::B, b: Self::B) -> Self::B {
        map_bytes(a, b, |x, y| x & y)
    }
    #[inline(always)]
    fn or(self, a: Self::B, b: Self::B) -> Self::B {
        map_bytes(a, b, |x, y| x | y)
    }
    #[inline(always)]
    fn xor(self, a: Self::B, b: Self::B) -> Self::B {
        map_bytes(a, b, |x, y| x ^ y)
    }
    #[inline(always)]
    fn count_ones(self, acc: Self::B, v: Self::B) -> Self::B {
        let (acc, v) = (to_u64(acc), to_u64(v));
        from_u64(from_fn(|i| acc[i] + u64::from(v[i].count_ones())))
    }
    #[inline(always)]
    fn sum_u64(self, acc: Self::B) -> u64 {
        to_u64(acc).iter().sum()
    }
    #[inline(always)]
    fn add_u16(self, a: Self::B, b: Self::B) -> Self::B {
        from_u16(from_fn(|i| u16_pair(&a, i).wrapping_add(u16_pair(&b, i))))
    }
    #[inline(always)]
    fn high_bytes(self, v: Self::B) -> Self::B {
        from_fn(|i| if i % 2 == 0 { v[i + 1] } else { 0 })
    }

    #[inline(always)]
    fn dot_zero(self) -> Self::Dot {
        [0; 16]
    }
    #[inline(always)]
    fn dot_step(self, acc: Self::Dot, a: Self::B, b: Self::B) -> Self::Dot {
        from_fn(|i| acc[i].wrapping_add(i32::from(a[i] as i8) * i32::from(b[i] as i8)))
    }
    #[inline(always)]
    fn dot_sum(self, acc: Self::Dot) -> i32 {
        acc.iter().fold(0, |sum, &x| sum.wrapping_add(x))
    }

    #[inline(always)]
    fn lookup<const STRIDE: usize, const WIDTH: usize>(
        self,
        tables: &[u8],
        rows: &[u8],
    ) -> (Self::B, Self::B) {
        let (low, high) = tables[..32].split_at(16);
        let lanes = if STRIDE == 8 { 8 } else { 16 };
        let row = self.load_bytes_tail(&rows[..lanes]);
        (from_fn(|i| low[usize::from(row[i] & 15)]), from_fn(|i| high[usize::from(row[i] >> 4)]))
    }
}

crate::table::grid! { instantiate Portable [inline] }

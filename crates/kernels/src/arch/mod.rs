//! The vocabulary of the algorithms in `generic`, and one implementation of it per instruction set.
//!
//! A value of a [`Simd`] type is a proof: it is made only inside a function compiled with the target
//! features of that type, so its methods may use the instructions without asking again. All algorithms
//! are `#[inline(always)]` over `S: Simd` and are instantiated, once per cell of the grid, by
//! `instantiate!`; nothing is called per distance.

// The one place (with table.rs) where pointers are read and features are assumed.
#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
pub(crate) mod portable;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;

use half::f16;

/// Most lanes any implementation has; the size of scratch for tails.
pub(crate) const LANES_MAX: usize = 16;

/// One instruction set: vectors `F` of `LANES` f32 and `B` of `BYTES` bytes.
///
/// Loads read from the start of the slice and panic when it is shorter than the vector; after inlining
/// behind `chunks_exact` the check is gone. Bytes of codes are little-endian.
pub(crate) trait Simd: Copy {
    /// Number of f32 in `F`: 4, 8 or 16.
    const LANES: usize;
    /// Number of bytes in `B`: 16, 32 or 64.
    const BYTES: usize;
    /// `LANES` f32.
    type F: Copy;
    /// `BYTES` bytes, also seen as u16 or u64 lanes.
    type B: Copy;
    /// `LANES` f64.
    type W: Copy;
    /// Accumulator of [`Simd::dot_step`].
    type Dot: Copy;

    fn splat(self, x: f32) -> Self::F;
    fn load(self, x: &[f32]) -> Self::F;
    /// `LANES` halves of 2 little-endian bytes each.
    fn load_f16_bytes(self, x: &[u8]) -> Self::F;
    /// `LANES` bfloat16 of 2 little-endian bytes each.
    fn load_bf16_bytes(self, x: &[u8]) -> Self::F;
    /// `LANES` signed bytes.
    fn load_i8(self, x: &[u8]) -> Self::F;
    /// `LANES / 2` bytes, low nibble first, each nibble minus 7.5.
    fn load_i4(self, x: &[u8]) -> Self::F;
    /// `LANES / 4` bytes, lowest bits first, each two bits minus 1.5.
    fn load_i2(self, x: &[u8]) -> Self::F;
    /// `LANES` integers below 2^31.
    fn load_u32(self, x: &[u32]) -> Self::F;
    fn store(self, v: Self::F, out: &mut [f32]);
    /// Rounds lanes in 0..=255 to the nearest integer.
    fn store_u8(self, v: Self::F, out: &mut [u8]);

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, fused where the hardware fuses.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// The larger lane; which one comes back for NaN is not specified.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The smaller lane; which one comes back for NaN is not specified.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The nearest integers, ties to even, of lanes whose magnitudes are below 2^22.
    fn round(self, a: Self::F) -> Self::F;
    /// Changes the sign of the lanes whose bit is set.
    fn flip(self, v: Self::F, bits: u32) -> Self::F;
    /// Lane `i` of the result is lane `i ^ H`; `H` is a power of two below `LANES`.
    fn exchange<const H: usize>(self, v: Self::F) -> Self::F;
    /// Bit `i` is set when lane `i` of `a` is less than that of `b`.
    fn below(self, a: Self::F, b: Self::F) -> u32;
    fn sum(self, v: Self::F) -> f32;

    fn widen(self, v: Self::F) -> Self::W;
    fn add_wide(self, a: Self::W, b: Self::W) -> Self::W;
    /// `acc + v * v`. The squares of widened lanes are exact, so it is the same whether the hardware fuses or not.
    fn add_square(self, acc: Self::W, v: Self::W) -> Self::W;
    fn store_wide(self, v: Self::W, out: &mut [f64]);

    fn load_bytes(self, x: &[u8]) -> Self::B;
    fn store_bytes(self, v: Self::B, out: &mut [u8]);
    fn zero_bytes(self) -> Self::B;
    fn and(self, a: Self::B, b: Self::B) -> Self::B;
    fn or(self, a: Self::B, b: Self::B) -> Self::B;
    fn xor(self, a: Self::B, b: Self::B) -> Self::B;
    /// `acc` plus the number of set bits of `v`, in u64 lanes whose partition is the implementation's.
    fn count_ones(self, acc: Self::B, v: Self::B) -> Self::B;
    fn sum_u64(self, acc: Self::B) -> u64;
    /// Wrapping addition in u16 lanes.
    fn add_u16(self, a: Self::B, b: Self::B) -> Self::B;
    /// Each u16 lane shifted right by 8.
    fn high_bytes(self, v: Self::B) -> Self::B;

    fn dot_zero(self) -> Self::Dot;
    /// Adds the products of the signed bytes of `a` and `b`.
    fn dot_step(self, acc: Self::Dot, a: Self::B, b: Self::B) -> Self::Dot;
    fn dot_sum(self, acc: Self::Dot) -> i32;

    /// FastScan lookups for `BYTES / WIDTH` rows: (by low nibble, by high nibble).
    ///
    /// `tables`: 2 tables of 16 bytes per row; `rows`: rows of `WIDTH` bytes, `STRIDE` apart. Byte
    /// `r * WIDTH + l` of the results belongs to lane `l` of row `r`. With `STRIDE` 8 only the first 8
    /// lanes of each row mean anything and only 8 bytes per row are read. `WIDTH` is 16, or 32 where
    /// `BYTES >= 32`.
    fn lookup<const STRIDE: usize, const WIDTH: usize>(
        self,
        tables: &[u8],
        rows: &[u8],
    ) -> (Self::B, Self::B);

    /// `LANES` halves.
    #[inline(always)]
    fn load_f16(self, x: &[f16]) -> Self::F {
        let mut bytes = [0; 2 * LANES_MAX];
        for (pair, h) in bytes.chunks_exact_mut(2).zip(&x[..Self::LANES]) {
            pair.copy_from_slice(&h.to_le_bytes());
        }
        self.load_f16_bytes(&bytes)
    }

    /// Fewer than `LANES` floats, the rest zero.
    #[inline(always)]
    fn load_tail(self, x: &[f32]) -> Self::F {
        let mut lanes = [0.0; LANES_MAX];
        lanes[..x.len()].copy_from_slice(x);
        self.load(&lanes)
    }

    /// Fewer than `BYTES` bytes, the rest zero.
    #[inline(always)]
    fn load_bytes_tail(self, x: &[u8]) -> Self::B {
        let mut bytes = [0; 64];
        bytes[..x.len()].copy_from_slice(x);
        self.load_bytes(&bytes)
    }
}

/// The f32 with the value of an IEEE half given by its bits.
#[inline(always)]
pub(crate) fn half_to_f32(bits: u16) -> f32 {
    // The half's exponent and fraction, read as an f32, are 2^112 too small, subnormals included.
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let scaled = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
    let special = if magnitude >= 0x0f80_0000 { 0x7f80_0000 } else { 0 };
    f32::from_bits(scaled | special | u32::from(bits & 0x8000) << 16)
}

/// The nearest integer, ties to even, for magnitudes below 2^22. Adding and subtracting 1.5 * 2^23 leaves no room for a
/// fraction, and vectorises where a call of a rounding function would not.
#[inline(always)]
pub(crate) fn nearest_integer(x: f32) -> f32 {
    const NO_FRACTION: f32 = 12_582_912.0;
    (x + NO_FRACTION) - NO_FRACTION
}

/// The start of a slice that holds at least `count` values.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn start<T>(x: &[T], count: usize) -> *const T {
    assert!(x.len() >= count, "vector load past the end");
    x.as_ptr()
}

/// The start of a mutable slice that holds at least `count` values.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
fn start_mut<T>(x: &mut [T], count: usize) -> *mut T {
    assert!(x.len() >= count, "vector store past the end");
    x.as_mut_ptr()
}

/// Compiles every cell of the grid for one `Simd` type and collects them in `CELLS`.
macro_rules! instantiate {
    ($token:ident $features:tt
     $($name:ident($($arg:ident: $type:ty),*) -> $ret:ty = $body:expr;)*) => {
        use crate::generic::{bits, encode, fastscan, hadamard, lut, reduce, rows::*};
        $(
            #$features
            fn $name($($arg: $type),*) -> $ret {
                // SAFETY: this function is compiled with, and only called under, the token's features.
                let simd = unsafe { $token::assume() };
                $body(simd, $($arg),*)
            }
        )*
        /// Every kernel of this instruction set.
        pub(crate) const CELLS: crate::table::Cells = crate::table::Cells { $($name),* };
    };
}
pub(crate) use instantiate;

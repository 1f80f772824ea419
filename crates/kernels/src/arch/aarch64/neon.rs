//! NEON, which every 64-bit ARM CPU has: 128-bit vectors with fused multiply-add.

use crate::arch::{Simd, instantiate, start, start_mut};
use std::arch::aarch64::*;

/// An intrinsic that touches no memory, in a method of the token.
macro_rules! cpu {
    ($intrinsic:expr) => {{
        // SAFETY: the token in scope exists only where NEON is present, and the intrinsic works on
        // registers alone.
        #[allow(unused_unsafe)]
        unsafe {
            $intrinsic
        }
    }};
}

/// Proof of NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    /// A token of this tier.
    ///
    /// # Safety
    /// The CPU has NEON.
    #[inline(always)]
    unsafe fn assume() -> Self {
        Self(())
    }

    /// Four 2-byte values, zero-extended.
    #[inline(always)]
    fn load_u16(self, x: &[u8]) -> uint32x4_t {
        // SAFETY: `start` checked 8 bytes; the load has no alignment.
        let bytes = unsafe { vld1_u8(start(x, 8)) };
        cpu!(vmovl_u16(vreinterpret_u16_u8(bytes)))
    }

    /// Lane i shifted left by `counts[i]` (right if negative).
    #[inline(always)]
    fn shift(self, v: uint32x4_t, counts: [i32; 4]) -> uint32x4_t {
        // SAFETY: the array holds the 4 integers that are read.
        let counts = unsafe { vld1q_s32(counts.as_ptr()) };
        cpu!(vshlq_u32(v, counts))
    }
}

impl Simd for Neon {
    const LANES: usize = 4;
    const BYTES: usize = 16;
    type F = float32x4_t;
    type B = uint8x16_t;
    type W = [float64x2_t; 2];
    type Dot = int32x4_t;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        cpu!(vdupq_n_f32(x))
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> Self::F {
        // SAFETY: `start` checked 4 floats.
        unsafe { vld1q_f32(start(x, 4)) }
    }
    #[inline(always)]
    fn load_f16_bytes(self, x: &[u8]) -> Self::F {
        let bits = self.load_u16(x);
        cpu!({
            // As `half_to_f32`, four at a time.
            let magnitude = vshlq_n_u32::<13>(vandq_u32(bits, vdupq_n_u32(0x7fff)));
            let sign = vshlq_n_u32::<16>(vandq_u32(bits, vdupq_n_u32(0x8000)));
            let rescale = vreinterpretq_f32_u32(vdupq_n_u32(0x7780_0000));
            let scaled = vreinterpretq_u32_f32(vmulq_f32(vreinterpretq_f32_u32(magnitude), rescale));
            let is_special = vcgeq_u32(magnitude, vdupq_n_u32(0x0f80_0000));
            let special = vandq_u32(is_special, vdupq_n_u32(0x7f80_0000));
            vreinterpretq_f32_u32(vorrq_u32(vorrq_u32(scaled, special), sign))
        })
    }
    #[inline(always)]
    fn load_bf16_bytes(self, x: &[u8]) -> Self::F {
        let bits = self.load_u16(x);
        cpu!(vreinterpretq_f32_u32(vshlq_n_u32::<16>(bits)))
    }
    #[inline(always)]
    fn load_i8(self, x: &[u8]) -> Self::F {
        let bytes = u64::from(u32::from_le_bytes([x[0], x[1], x[2], x[3]]));
        cpu!({
            let words = vmovl_s8(vcreate_s8(bytes));
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(words)))
        })
    }
    #[inline(always)]
    fn load_i4(self, x: &[u8]) -> Self::F {
        let bytes = u32::from(u16::from_le_bytes([x[0], x[1]]));
        let shifted = self.shift(cpu!(vdupq_n_u32(bytes)), [0, -4, -8, -12]);
        cpu!({
            let nibbles = vandq_u32(shifted, vdupq_n_u32(15));
            vsubq_f32(vcvtq_f32_u32(nibbles), vdupq_n_f32(7.5))
        })
    }
    #[inline(always)]
    fn load_i2(self, x: &[u8]) -> Self::F {
        let shifted = self.shift(cpu!(vdupq_n_u32(u32::from(x[0]))), [0, -2, -4, -6]);
        cpu!({
            let numbers = vandq_u32(shifted, vdupq_n_u32(3));
            vsubq_f32(vcvtq_f32_u32(numbers), vdupq_n_f32(1.5))
        })
    }
    #[inline(always)]
    fn load_u32(self, x: &[u32]) -> Self::F {
        // SAFETY: `start` checked 4 integers.
        let lanes = unsafe { vld1q_u32(start(x, 4)) };
        cpu!(vcvtq_f32_u32(lanes))
    }
    #[inline(always)]
    fn store(self, v: Self::F, out: &mut [f32]) {
        // SAFETY: `start_mut` checked 4 floats.
        unsafe { vst1q_f32(start_mut(out, 4), v) }
    }
    #[inline(always)]
    fn store_u8(self, v: Self::F, out: &mut [u8]) {
        let bytes = cpu!({
            let words = vqmovn_u32(vcvtnq_u32_f32(v));
            vget_lane_u32::<0>(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(words, words))))
        });
        out[..4].copy_from_slice(&bytes.to_le_bytes());
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(vaddq_f32(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(vsubq_f32(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(vmulq_f32(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        cpu!(vfmaq_f32(c, a, b))
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        cpu!(vabsq_f32(a))
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(vmaxq_f32(a, b))
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(vminq_f32(a, b))
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        cpu!(vrndnq_f32(a))
    }
    #[inline(always)]
    fn flip(self, v: Self::F, bits: u32) -> Self::F {
        let shifted = self.shift(cpu!(vdupq_n_u32(bits)), [31, 30, 29, 28]);
        cpu!({
            let signs = vandq_u32(shifted, vdupq_n_u32(1 << 31));
            vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(v), signs))
        })
    }
    #[inline(always)]
    fn exchange<const H: usize>(self, v: Self::F) -> Self::F {
        match H {
            1 => cpu!(vrev64q_f32(v)),
            _ => cpu!(vextq_f32::<2>(v, v)),
        }
    }
    #[inline(always)]
    fn below(self, a: Self::F, b: Self::F) -> u32 {
        let is_below = cpu!(vshrq_n_u32::<31>(vcltq_f32(a, b)));
        let bits = self.shift(is_below, [0, 1, 2, 3]);
        cpu!(vaddvq_u32(bits))
    }
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        cpu!(vaddvq_f32(v))
    }

    #[inline(always)]
    fn widen(self, v: Self::F) -> Self::W {
        cpu!([vcvt_f64_f32(vget_low_f32(v)), vcvt_high_f64_f32(v)])
    }
    #[inline(always)]
    fn add_wide(self, a: Self::W, b: Self::W) -> Self::W {
        cpu!([vaddq_f64(a[0], b[0]), vaddq_f64(a[1], b[1])])
    }
    #[inline(always)]
    fn add_square(self, acc: Self::W, v: Self::W) -> Self::W {
        cpu!([vfmaq_f64(acc[0], v[0], v[0]), vfmaq_f64(acc[1], v[1], v[1])])
    }
    #[inline(always)]
    fn store_wide(self, v: Self::W, out: &mut [f64]) {
        let start = start_mut(out, 4);
        // SAFETY: `start_mut` checked 4 f64, 2 for each of the two.
        unsafe {
            vst1q_f64(start, v[0]);
            vst1q_f64(start.add(2), v[1]);
        }
    }

    #[inline(always)]
    fn load_bytes(self, x: &[u8]) -> Self::B {
        // SAFETY: `start` checked 16 bytes; the load has no alignment.
        unsafe { vld1q_u8(start(x, 16)) }
    }
    #[inline(always)]
    fn store_bytes(self, v: Self::B, out: &mut [u8]) {
        // SAFETY: `start_mut` checked 16 bytes; the store has no alignment.
        unsafe { vst1q_u8(start_mut(out, 16), v) }
    }
    #[inline(always)]
    fn zero_bytes(self) -> Self::B {
        cpu!(vdupq_n_u8(0))
    }
    #[inline(always)]
    fn and(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(vandq_u8(a, b))
    }
    #[inline(always)]
    fn or(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(vorrq_u8(a, b))
    }
    #[inline(always)]
    fn xor(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(veorq_u8(a, b))
    }
    #[inline(always)]
    fn count_ones(self, acc: Self::B, v: Self::B) -> Self::B {
        cpu!({
            let words = vpaddlq_u16(vpaddlq_u8(vcntq_u8(v)));
            vreinterpretq_u8_u64(vpadalq_u32(vreinterpretq_u64_u8(acc), words))
        })
    }
    #[inline(always)]
    fn sum_u64(self, acc: Self::B) -> u64 {
        cpu!(vaddvq_u64(vreinterpretq_u64_u8(acc)))
    }
    #[inline(always)]
    fn add_u16(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(vreinterpretq_u8_u16(vaddq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b))))
    }
    #[inline(always)]
    fn high_bytes(self, v: Self::B) -> Self::B {
        cpu!(vreinterpretq_u8_u16(vshrq_n_u16::<8>(vreinterpretq_u16_u8(v))))
    }

    #[inline(always)]
    fn dot_zero(self) -> Self::Dot {
        cpu!(vdupq_n_s32(0))
    }
    #[inline(always)]
    fn dot_step(self, acc: Self::Dot, a: Self::B, b: Self::B) -> Self::Dot {
        cpu!({
            // Each product fits 16 bits; two of them need not, so they are widened before adding.
            let (a, b) = (vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b));
            let acc = vpadalq_s16(acc, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
            vpadalq_s16(acc, vmull_high_s8(a, b))
        })
    }
    #[inline(always)]
    fn dot_sum(self, acc: Self::Dot) -> i32 {
        cpu!(vaddvq_s32(acc))
    }

    #[inline(always)]
    fn lookup<const STRIDE: usize, const WIDTH: usize>(
        self,
        tables: &[u8],
        rows: &[u8],
    ) -> (Self::B, Self::B) {
        let codes = if STRIDE == 8 {
            // SAFETY: `start` checked 8 bytes; the load has no alignment.
            let eight = unsafe { vld1_u8(start(rows, 8)) };
            cpu!(vcombine_u8(eight, eight))
        } else {
            self.load_bytes(rows)
        };
        let (low, high) = (self.load_bytes(tables), self.load_bytes(&tables[16..]));
        cpu!((vqtbl1q_u8(low, vandq_u8(codes, vdupq_n_u8(15))), vqtbl1q_u8(high, vshrq_n_u8::<4>(codes))))
    }
}

crate::table::grid! { instantiate Neon
[target_feature(enable = "neon")] }

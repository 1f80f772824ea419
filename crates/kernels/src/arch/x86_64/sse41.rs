//! SSE4.1 (every x86-64 server since 2008): 128-bit vectors, no fused multiply-add, no half conversion.

use crate::arch::{Simd, instantiate, start, start_mut};
use std::arch::x86_64::*;

/// Proof of SSE4.1 and what it implies (SSSE3 for byte shuffles).
#[derive(Clone, Copy)]
pub(crate) struct Sse41(());

impl Sse41 {
    /// A token of this tier.
    ///
    /// # Safety
    /// The CPU has SSE4.1.
    #[inline(always)]
    unsafe fn assume() -> Self {
        Self(())
    }

    /// Four 2-byte values, zero-extended.
    #[inline(always)]
    fn load_u16(self, x: &[u8]) -> __m128i {
        // SAFETY: `start` checked the 8 bytes that are read; the load has no alignment.
        let words = unsafe { _mm_loadl_epi64(start(x, 8).cast()) };
        cpu!(_mm_cvtepu16_epi32(words))
    }
}

impl Simd for Sse41 {
    const LANES: usize = 4;
    const BYTES: usize = 16;
    type F = __m128;
    type B = __m128i;
    type W = [__m128d; 2];
    type Dot = __m128i;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        cpu!(_mm_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> Self::F {
        // SAFETY: `start` checked 4 floats.
        unsafe { _mm_loadu_ps(start(x, 4)) }
    }
    #[inline(always)]
    fn load_f16_bytes(self, x: &[u8]) -> Self::F {
        let bits = self.load_u16(x);
        cpu!({
            // As `half_to_f32`, four at a time.
            let magnitude = _mm_slli_epi32::<13>(_mm_and_si128(bits, _mm_set1_epi32(0x7fff)));
            let sign = _mm_slli_epi32::<16>(_mm_and_si128(bits, _mm_set1_epi32(0x8000)));
            let rescale = _mm_castsi128_ps(_mm_set1_epi32(0x7780_0000));
            let scaled = _mm_castps_si128(_mm_mul_ps(_mm_castsi128_ps(magnitude), rescale));
            let is_special = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x0f7f_ffff));
            let special = _mm_and_si128(is_special, _mm_set1_epi32(0x7f80_0000));
            _mm_castsi128_ps(_mm_or_si128(_mm_or_si128(scaled, special), sign))
        })
    }
    #[inline(always)]
    fn load_bf16_bytes(self, x: &[u8]) -> Self::F {
        let bits = self.load_u16(x);
        cpu!(_mm_castsi128_ps(_mm_slli_epi32::<16>(bits)))
    }
    #[inline(always)]
    fn load_i8(self, x: &[u8]) -> Self::F {
        let bytes = i32::from_le_bytes([x[0], x[1], x[2], x[3]]);
        cpu!(_mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(bytes))))
    }
    #[inline(always)]
    fn load_i4(self, x: &[u8]) -> Self::F {
        let bytes = i32::from(u16::from_le_bytes([x[0], x[1]]));
        cpu!({
            // A byte in each u64; 28 up and its high nibble starts the upper u32.
            let wide = _mm_cvtepu8_epi64(_mm_cvtsi32_si128(bytes));
            let pairs = _mm_or_si128(wide, _mm_slli_epi64::<28>(wide));
            let nibbles = _mm_and_si128(pairs, _mm_set1_epi32(15));
            _mm_sub_ps(_mm_cvtepi32_ps(nibbles), _mm_set1_ps(7.5))
        })
    }
    #[inline(always)]
    fn load_i2(self, x: &[u8]) -> Self::F {
        let bits = i32::from(x[0]);
        cpu!({
            // Multiplying by a power of two brings the two bits of each lane to the same place.
            let to_place = _mm_setr_epi32(64, 16, 4, 1);
            let shifted = _mm_srli_epi32::<6>(_mm_mullo_epi32(_mm_set1_epi32(bits), to_place));
            let numbers = _mm_and_si128(shifted, _mm_set1_epi32(3));
            _mm_sub_ps(_mm_cvtepi32_ps(numbers), _mm_set1_ps(1.5))
        })
    }
    #[inline(always)]
    fn load_u32(self, x: &[u32]) -> Self::F {
        // SAFETY: `start` checked 4 integers of 4 bytes.
        let lanes = unsafe { _mm_loadu_si128(start(x, 4).cast()) };
        cpu!(_mm_cvtepi32_ps(lanes))
    }
    #[inline(always)]
    fn store(self, v: Self::F, out: &mut [f32]) {
        // SAFETY: `start_mut` checked 4 floats.
        unsafe { _mm_storeu_ps(start_mut(out, 4), v) }
    }
    #[inline(always)]
    fn store_u8(self, v: Self::F, out: &mut [u8]) {
        let bytes = cpu!({
            let lanes = _mm_cvtps_epi32(v);
            let words = _mm_packus_epi32(lanes, lanes);
            _mm_cvtsi128_si32(_mm_packus_epi16(words, words))
        });
        out[..4].copy_from_slice(&bytes.to_le_bytes());
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm_mul_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        cpu!(_mm_add_ps(_mm_mul_ps(a, b), c))
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        cpu!(_mm_andnot_ps(_mm_set1_ps(-0.0), a))
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm_min_ps(a, b))
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        cpu!(_mm_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn flip(self, v: Self::F, bits: u32) -> Self::F {
        cpu!({
            // Multiplying by a power of two shifts each lane by its own count.
            let to_sign = _mm_setr_epi32(1 << 31, 1 << 30, 1 << 29, 1 << 28);
            let shifted = _mm_castsi128_ps(_mm_mullo_epi32(_mm_set1_epi32(bits as i32), to_sign));
            _mm_xor_ps(v, _mm_and_ps(shifted, _mm_set1_ps(-0.0)))
        })
    }
    #[inline(always)]
    fn exchange<const H: usize>(self, v: Self::F) -> Self::F {
        match H {
            1 => cpu!(_mm_shuffle_ps::<0xB1>(v, v)),
            _ => cpu!(_mm_shuffle_ps::<0x4E>(v, v)),
        }
    }
    #[inline(always)]
    fn below(self, a: Self::F, b: Self::F) -> u32 {
        cpu!(_mm_movemask_ps(_mm_cmplt_ps(a, b))) as u32
    }
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        cpu!({
            let two = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }

    #[inline(always)]
    fn widen(self, v: Self::F) -> Self::W {
        cpu!([_mm_cvtps_pd(v), _mm_cvtps_pd(_mm_movehl_ps(v, v))])
    }
    #[inline(always)]
    fn add_wide(self, a: Self::W, b: Self::W) -> Self::W {
        cpu!([_mm_add_pd(a[0], b[0]), _mm_add_pd(a[1], b[1])])
    }
    #[inline(always)]
    fn add_square(self, acc: Self::W, v: Self::W) -> Self::W {
        cpu!([_mm_add_pd(_mm_mul_pd(v[0], v[0]), acc[0]), _mm_add_pd(_mm_mul_pd(v[1], v[1]), acc[1])])
    }
    #[inline(always)]
    fn store_wide(self, v: Self::W, out: &mut [f64]) {
        let start = start_mut(out, 4);
        // SAFETY: `start_mut` checked 4 f64, 2 for each of the two.
        unsafe {
            _mm_storeu_pd(start, v[0]);
            _mm_storeu_pd(start.add(2), v[1]);
        }
    }

    #[inline(always)]
    fn load_bytes(self, x: &[u8]) -> Self::B {
        // SAFETY: `start` checked 16 bytes; the load has no alignment.
        unsafe { _mm_loadu_si128(start(x, 16).cast()) }
    }
    #[inline(always)]
    fn store_bytes(self, v: Self::B, out: &mut [u8]) {
        // SAFETY: `start_mut` checked 16 bytes; the store has no alignment.
        unsafe { _mm_storeu_si128(start_mut(out, 16).cast(), v) }
    }
    #[inline(always)]
    fn zero_bytes(self) -> Self::B {
        cpu!(_mm_setzero_si128())
    }
    #[inline(always)]
    fn and(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm_and_si128(a, b))
    }
    #[inline(always)]
    fn or(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm_or_si128(a, b))
    }
    #[inline(always)]
    fn xor(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm_xor_si128(a, b))
    }
    #[inline(always)]
    fn count_ones(self, acc: Self::B, v: Self::B) -> Self::B {
        cpu!({
            let counts = _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
            let nibble = _mm_set1_epi8(15);
            let low = _mm_shuffle_epi8(counts, _mm_and_si128(v, nibble));
            let high = _mm_shuffle_epi8(counts, _mm_and_si128(_mm_srli_epi16::<4>(v), nibble));
            _mm_add_epi64(acc, _mm_sad_epu8(_mm_add_epi8(low, high), _mm_setzero_si128()))
        })
    }
    #[inline(always)]
    fn sum_u64(self, acc: Self::B) -> u64 {
        cpu!(_mm_cvtsi128_si64(acc) + _mm_extract_epi64::<1>(acc)) as u64
    }
    #[inline(always)]
    fn add_u16(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm_add_epi16(a, b))
    }
    #[inline(always)]
    fn high_bytes(self, v: Self::B) -> Self::B {
        cpu!(_mm_srli_epi16::<8>(v))
    }

    #[inline(always)]
    fn dot_zero(self) -> Self::Dot {
        self.zero_bytes()
    }
    #[inline(always)]
    fn dot_step(self, acc: Self::Dot, a: Self::B, b: Self::B) -> Self::Dot {
        cpu!({
            // Products of 16-bit lanes: `maddubs` would saturate at the corners.
            let low = _mm_madd_epi16(_mm_cvtepi8_epi16(a), _mm_cvtepi8_epi16(b));
            let (a_high, b_high) = (_mm_srli_si128::<8>(a), _mm_srli_si128::<8>(b));
            let high = _mm_madd_epi16(_mm_cvtepi8_epi16(a_high), _mm_cvtepi8_epi16(b_high));
            _mm_add_epi32(acc, _mm_add_epi32(low, high))
        })
    }
    #[inline(always)]
    fn dot_sum(self, acc: Self::Dot) -> i32 {
        cpu!({
            let two = _mm_add_epi32(acc, _mm_shuffle_epi32::<0x4E>(acc));
            _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0xB1>(two)))
        })
    }

    #[inline(always)]
    fn lookup<const STRIDE: usize, const WIDTH: usize>(
        self,
        tables: &[u8],
        rows: &[u8],
    ) -> (Self::B, Self::B) {
        let codes = if STRIDE == 8 {
            // SAFETY: `start` checked the 8 bytes that are read; the load has no alignment.
            unsafe { _mm_loadl_epi64(start(rows, 8).cast()) }
        } else {
            self.load_bytes(rows)
        };
        let (low, high) = (self.load_bytes(tables), self.load_bytes(&tables[16..]));
        cpu!({
            let nibble = _mm_set1_epi8(15);
            let low_index = _mm_and_si128(codes, nibble);
            let high_index = _mm_and_si128(_mm_srli_epi16::<4>(codes), nibble);
            (_mm_shuffle_epi8(low, low_index), _mm_shuffle_epi8(high, high_index))
        })
    }
}

crate::table::grid! { instantiate Sse41
[target_feature(enable = "sse4.1")] }

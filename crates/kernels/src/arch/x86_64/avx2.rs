//! AVX2 with FMA and F16C (Haswell, Zen and later).

use crate::arch::{Simd, instantiate, start, start_mut};
use half::f16;
use std::arch::x86_64::*;

/// Proof of AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// A token of this tier.
    ///
    /// # Safety
    /// The CPU has the features named at the instantiation below.
    #[inline(always)]
    unsafe fn assume() -> Self {
        Self(())
    }
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    const BYTES: usize = 32;
    type F = __m256;
    type B = __m256i;
    type W = [__m256d; 2];
    type Dot = __m256i;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        cpu!(_mm256_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> Self::F {
        // SAFETY: `start` checked 8 floats; the token proves AVX.
        unsafe { _mm256_loadu_ps(start(x, 8)) }
    }
    #[inline(always)]
    fn load_f16(self, x: &[f16]) -> Self::F {
        // SAFETY: `start` checked 8 halves, which are 16 bytes; the load has no alignment.
        let halves = unsafe { _mm_loadu_si128(start(x, 8).cast()) };
        cpu!(_mm256_cvtph_ps(halves))
    }
    #[inline(always)]
    fn load_f16_bytes(self, x: &[u8]) -> Self::F {
        // SAFETY: `start` checked 16 bytes; the load has no alignment.
        let halves = unsafe { _mm_loadu_si128(start(x, 16).cast()) };
        cpu!(_mm256_cvtph_ps(halves))
    }
    #[inline(always)]
    fn load_bf16_bytes(self, x: &[u8]) -> Self::F {
        // SAFETY: `start` checked 16 bytes; the load has no alignment.
        let halves = unsafe { _mm_loadu_si128(start(x, 16).cast()) };
        cpu!(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves))))
    }
    #[inline(always)]
    fn load_i8(self, x: &[u8]) -> Self::F {
        // SAFETY: `start` checked 8 bytes; the load has no alignment.
        let bytes = unsafe { _mm_loadl_epi64(start(x, 8).cast()) };
        cpu!(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)))
    }
    #[inline(always)]
    fn load_i4(self, x: &[u8]) -> Self::F {
        let bytes = i32::from_le_bytes([x[0], x[1], x[2], x[3]]);
        cpu!({
            // A byte in each u64; 28 up and its high nibble starts the upper u32.
            let wide = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(bytes));
            let pairs = _mm256_or_si256(wide, _mm256_slli_epi64::<28>(wide));
            let nibbles = _mm256_and_si256(pairs, _mm256_set1_epi32(15));
            _mm256_sub_ps(_mm256_cvtepi32_ps(nibbles), _mm256_set1_ps(7.5))
        })
    }
    #[inline(always)]
    fn load_i2(self, x: &[u8]) -> Self::F {
        let bytes = i32::from(u16::from_le_bytes([x[0], x[1]]));
        cpu!({
            // The permutation looks at the low two bits of an index only.
            let shifts = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
            let index = _mm256_srlv_epi32(_mm256_set1_epi32(bytes), shifts);
            _mm256_permutevar_ps(_mm256_setr_ps(-1.5, -0.5, 0.5, 1.5, -1.5, -0.5, 0.5, 1.5), index)
        })
    }
    #[inline(always)]
    fn load_u32(self, x: &[u32]) -> Self::F {
        // SAFETY: `start` checked 8 integers of 4 bytes.
        let lanes = unsafe { _mm256_loadu_si256(start(x, 8).cast()) };
        cpu!(_mm256_cvtepi32_ps(lanes))
    }
    #[inline(always)]
    fn store(self, v: Self::F, out: &mut [f32]) {
        // SAFETY: `start_mut` checked 8 floats.
        unsafe { _mm256_storeu_ps(start_mut(out, 8), v) }
    }
    #[inline(always)]
    fn store_u8(self, v: Self::F, out: &mut [u8]) {
        let bytes = cpu!({
            let lanes = _mm256_cvtps_epi32(v);
            let words = _mm_packus_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
            _mm_packus_epi16(words, words)
        });
        // SAFETY: `start_mut` checked 8 bytes, all that is written.
        unsafe { _mm_storel_epi64(start_mut(out, 8).cast(), bytes) }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        cpu!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        cpu!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), a))
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        cpu!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn flip(self, v: Self::F, bits: u32) -> Self::F {
        cpu!({
            let to_sign = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
            let shifted = _mm256_castsi256_ps(_mm256_sllv_epi32(_mm256_set1_epi32(bits as i32), to_sign));
            _mm256_xor_ps(v, _mm256_and_ps(shifted, _mm256_set1_ps(-0.0)))
        })
    }
    #[inline(always)]
    fn exchange<const H: usize>(self, v: Self::F) -> Self::F {
        match H {
            1 => cpu!(_mm256_permute_ps::<0xB1>(v)),
            2 => cpu!(_mm256_permute_ps::<0x4E>(v)),
            _ => cpu!(_mm256_permute2f128_ps::<1>(v, v)),
        }
    }
    #[inline(always)]
    fn below(self, a: Self::F, b: Self::F) -> u32 {
        cpu!(_mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b))) as u32
    }
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        cpu!({
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }

    #[inline(always)]
    fn widen(self, v: Self::F) -> Self::W {
        cpu!([_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(v))])
    }
    #[inline(always)]
    fn add_wide(self, a: Self::W, b: Self::W) -> Self::W {
        cpu!([_mm256_add_pd(a[0], b[0]), _mm256_add_pd(a[1], b[1])])
    }
    #[inline(always)]
    fn add_square(self, acc: Self::W, v: Self::W) -> Self::W {
        cpu!([_mm256_fmadd_pd(v[0], v[0], acc[0]), _mm256_fmadd_pd(v[1], v[1], acc[1])])
    }
    #[inline(always)]
    fn store_wide(self, v: Self::W, out: &mut [f64]) {
        let start = start_mut(out, 8);
        // SAFETY: `start_mut` checked 8 f64, 4 for each of the two.
        unsafe {
            _mm256_storeu_pd(start, v[0]);
            _mm256_storeu_pd(start.add(4), v[1]);
        }
    }

    #[inline(always)]
    fn load_bytes(self, x: &[u8]) -> Self::B {
        // SAFETY: `start` checked 32 bytes; the load has no alignment.
        unsafe { _mm256_loadu_si256(start(x, 32).cast()) }
    }
    #[inline(always)]
    fn store_bytes(self, v: Self::B, out: &mut [u8]) {
        // SAFETY: `start_mut` checked 32 bytes; the store has no alignment.
        unsafe { _mm256_storeu_si256(start_mut(out, 32).cast(), v) }
    }
    #[inline(always)]
    fn zero_bytes(self) -> Self::B {
        cpu!(_mm256_setzero_si256())
    }
    #[inline(always)]
    fn and(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm256_and_si256(a, b))
    }
    #[inline(always)]
    fn or(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm256_or_si256(a, b))
    }
    #[inline(always)]
    fn xor(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm256_xor_si256(a, b))
    }
    #[inline(always)]
    fn count_ones(self, acc: Self::B, v: Self::B) -> Self::B {
        cpu!({
            let counts =
                _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
            let nibble = _mm256_set1_epi8(15);
            let low = _mm256_shuffle_epi8(counts, _mm256_and_si256(v, nibble));
            let high = _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16::<4>(v), nibble));
            let bytes = _mm256_add_epi8(low, high);
            _mm256_add_epi64(acc, _mm256_sad_epu8(bytes, _mm256_setzero_si256()))
        })
    }
    #[inline(always)]
    fn sum_u64(self, acc: Self::B) -> u64 {
        cpu!({
            let two = _mm_add_epi64(_mm256_castsi256_si128(acc), _mm256_extracti128_si256::<1>(acc));
            (_mm_cvtsi128_si64(two) + _mm_extract_epi64::<1>(two)) as u64
        })
    }
    #[inline(always)]
    fn add_u16(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm256_add_epi16(a, b))
    }
    #[inline(always)]
    fn high_bytes(self, v: Self::B) -> Self::B {
        cpu!(_mm256_srli_epi16::<8>(v))
    }

    #[inline(always)]
    fn dot_zero(self) -> Self::Dot {
        self.zero_bytes()
    }
    #[inline(always)]
    fn dot_step(self, acc: Self::Dot, a: Self::B, b: Self::B) -> Self::Dot {
        cpu!({
            // Products of 16-bit lanes: `maddubs` would saturate at the corners.
            let a_low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(a));
            let b_low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(b));
            let a_high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(a));
            let b_high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(b));
            let acc = _mm256_add_epi32(acc, _mm256_madd_epi16(a_low, b_low));
            _mm256_add_epi32(acc, _mm256_madd_epi16(a_high, b_high))
        })
    }
    #[inline(always)]
    fn dot_sum(self, acc: Self::Dot) -> i32 {
        cpu!({
            let four = _mm_add_epi32(_mm256_castsi256_si128(acc), _mm256_extracti128_si256::<1>(acc));
            let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0x4E>(four));
            _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0xB1>(two)))
        })
    }

    #[inline(always)]
    fn lookup<const STRIDE: usize, const WIDTH: usize>(
        self,
        tables: &[u8],
        rows: &[u8],
    ) -> (Self::B, Self::B) {
        let codes = load_rows::<STRIDE>(self, rows);
        let first = self.load_bytes(tables);
        let (low, high) = if WIDTH == 32 {
            cpu!((_mm256_permute4x64_epi64::<0x44>(first), _mm256_permute4x64_epi64::<0xEE>(first)))
        } else {
            let second = self.load_bytes(&tables[32..]);
            cpu!((
                _mm256_permute2x128_si256::<0x20>(first, second),
                _mm256_permute2x128_si256::<0x31>(first, second)
            ))
        };
        cpu!({
            let nibble = _mm256_set1_epi8(15);
            let low_index = _mm256_and_si256(codes, nibble);
            let high_index = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), nibble);
            (_mm256_shuffle_epi8(low, low_index), _mm256_shuffle_epi8(high, high_index))
        })
    }
}

/// One row of 32 bytes (`STRIDE` 24 or 32) or two of 16 (`STRIDE` 8 or 16).
#[inline(always)]
fn load_rows<const STRIDE: usize>(simd: Avx2, rows: &[u8]) -> __m256i {
    if STRIDE == 8 {
        // SAFETY: `start` checked 16 bytes; the load has no alignment.
        let packed = unsafe { _mm_loadu_si128(start(rows, 16).cast()) };
        cpu!(_mm256_permute4x64_epi64::<0x50>(_mm256_castsi128_si256(packed)))
    } else {
        simd.load_bytes(rows)
    }
}

crate::table::grid! { instantiate Avx2
[target_feature(enable = "avx2,fma,f16c")] }

//! AVX-512 with byte, VNNI and popcount instructions (Ice Lake, Sapphire Rapids, Zen 4 and later).

use crate::arch::{Simd, instantiate, start, start_mut};
use half::f16;
use std::arch::x86_64::*;

/// Proof of AVX-512 F, BW, VL, DQ, VNNI and VPOPCNTDQ.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// A token of this tier.
    ///
    /// # Safety
    /// The CPU has the features named at the instantiation below.
    #[inline(always)]
    unsafe fn assume() -> Self {
        Self(())
    }
}

impl Simd for Avx512 {
    const LANES: usize = 16;
    const BYTES: usize = 64;
    type F = __m512;
    type B = __m512i;
    type W = [__m512d; 2];
    /// Sum of `(a + 128) * b`, and sum of `b` to take the 128 out again: `vpdpbusd` wants one unsigned side.
    type Dot = [__m512i; 2];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        cpu!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, x: &[f32]) -> Self::F {
        // SAFETY: `start` checked 16 floats; the token proves AVX-512.
        unsafe { _mm512_loadu_ps(start(x, 16)) }
    }
    #[inline(always)]
    fn load_tail(self, x: &[f32]) -> Self::F {
        let mask = ((1_u32 << x.len().min(16)) - 1) as u16;
        // SAFETY: the mask admits only lanes below `x.len()`, and masked lanes are not read.
        unsafe { _mm512_maskz_loadu_ps(mask, x.as_ptr()) }
    }
    #[inline(always)]
    fn load_f16(self, x: &[f16]) -> Self::F {
        // SAFETY: `start` checked 16 halves, which are 32 bytes; the load has no alignment.
        let halves = unsafe { _mm256_loadu_si256(start(x, 16).cast()) };
        cpu!(_mm512_cvtph_ps(halves))
    }
    #[inline(always)]
    fn load_f16_bytes(self, x: &[u8]) -> Self::F {
        // SAFETY: `start` checked 32 bytes; the load has no alignment.
        let halves = unsafe { _mm256_loadu_si256(start(x, 32).cast()) };
        cpu!(_mm512_cvtph_ps(halves))
    }
    #[inline(always)]
    fn load_bf16_bytes(self, x: &[u8]) -> Self::F {
        // SAFETY: `start` checked 32 bytes; the load has no alignment.
        let halves = unsafe { _mm256_loadu_si256(start(x, 32).cast()) };
        cpu!(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves))))
    }
    #[inline(always)]
    fn load_i8(self, x: &[u8]) -> Self::F {
        // SAFETY: `start` checked 16 bytes; the load has no alignment.
        let bytes = unsafe { _mm_loadu_si128(start(x, 16).cast()) };
        cpu!(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)))
    }
    #[inline(always)]
    fn load_i4(self, x: &[u8]) -> Self::F {
        // SAFETY: `start` checked 8 bytes; the load has no alignment.
        let bytes = unsafe { _mm_loadl_epi64(start(x, 8).cast()) };
        cpu!({
            // A byte in each u64; 28 up and its high nibble starts the upper u32. The permutation
            // looks at the low four bits of an index only, so nothing needs masking.
            let wide = _mm512_cvtepu8_epi64(bytes);
            let index = _mm512_or_si512(wide, _mm512_slli_epi64::<28>(wide));
            let values = _mm512_setr_ps(
                -7.5, -6.5, -5.5, -4.5, -3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5,
            );
            _mm512_permutexvar_ps(index, values)
        })
    }
    #[inline(always)]
    fn load_i2(self, x: &[u8]) -> Self::F {
        let bytes = i32::from_le_bytes([x[0], x[1], x[2], x[3]]);
        cpu!({
            // The permutation looks at the low two bits of an index only.
            let shifts = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let index = _mm512_srlv_epi32(_mm512_set1_epi32(bytes), shifts);
            _mm512_permutevar_ps(_mm512_setr4_ps(-1.5, -0.5, 0.5, 1.5), index)
        })
    }
    #[inline(always)]
    fn load_u32(self, x: &[u32]) -> Self::F {
        // SAFETY: `start` checked 16 integers of 4 bytes.
        let lanes = unsafe { _mm512_loadu_si512(start(x, 16).cast()) };
        cpu!(_mm512_cvtepi32_ps(lanes))
    }
    #[inline(always)]
    fn store(self, v: Self::F, out: &mut [f32]) {
        // SAFETY: `start_mut` checked 16 floats.
        unsafe { _mm512_storeu_ps(start_mut(out, 16), v) }
    }
    #[inline(always)]
    fn store_u8(self, v: Self::F, out: &mut [u8]) {
        let bytes = cpu!(_mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(v)));
        // SAFETY: `start_mut` checked 16 bytes.
        unsafe { _mm_storeu_si128(start_mut(out, 16).cast(), bytes) }
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        cpu!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        cpu!(_mm512_abs_ps(a))
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        cpu!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        cpu!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn flip(self, v: Self::F, bits: u32) -> Self::F {
        cpu!({
            let v = _mm512_castps_si512(v);
            _mm512_castsi512_ps(_mm512_mask_xor_epi32(v, bits as u16, v, _mm512_set1_epi32(i32::MIN)))
        })
    }
    #[inline(always)]
    fn exchange<const H: usize>(self, v: Self::F) -> Self::F {
        match H {
            1 => cpu!(_mm512_permute_ps::<0xB1>(v)),
            2 => cpu!(_mm512_permute_ps::<0x4E>(v)),
            4 => cpu!(_mm512_shuffle_f32x4::<0xB1>(v, v)),
            _ => cpu!(_mm512_shuffle_f32x4::<0x4E>(v, v)),
        }
    }
    #[inline(always)]
    fn below(self, a: Self::F, b: Self::F) -> u32 {
        u32::from(cpu!(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b)))
    }
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        cpu!(_mm512_reduce_add_ps(v))
    }

    #[inline(always)]
    fn widen(self, v: Self::F) -> Self::W {
        cpu!([_mm512_cvtps_pd(_mm512_castps512_ps256(v)), _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(v))])
    }
    #[inline(always)]
    fn add_wide(self, a: Self::W, b: Self::W) -> Self::W {
        cpu!([_mm512_add_pd(a[0], b[0]), _mm512_add_pd(a[1], b[1])])
    }
    #[inline(always)]
    fn add_square(self, acc: Self::W, v: Self::W) -> Self::W {
        cpu!([_mm512_fmadd_pd(v[0], v[0], acc[0]), _mm512_fmadd_pd(v[1], v[1], acc[1])])
    }
    #[inline(always)]
    fn store_wide(self, v: Self::W, out: &mut [f64]) {
        let start = start_mut(out, 16);
        // SAFETY: `start_mut` checked 16 f64, 8 for each of the two.
        unsafe {
            _mm512_storeu_pd(start, v[0]);
            _mm512_storeu_pd(start.add(8), v[1]);
        }
    }

    #[inline(always)]
    fn load_bytes(self, x: &[u8]) -> Self::B {
        // SAFETY: `start` checked 64 bytes; the load has no alignment.
        unsafe { _mm512_loadu_si512(start(x, 64).cast()) }
    }
    #[inline(always)]
    fn load_bytes_tail(self, x: &[u8]) -> Self::B {
        let mask = (1_u64.unbounded_shl(x.len() as u32)).wrapping_sub(1);
        // SAFETY: the mask admits only bytes below `x.len()`, and masked bytes are not read.
        unsafe { _mm512_maskz_loadu_epi8(mask, x.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_bytes(self, v: Self::B, out: &mut [u8]) {
        // SAFETY: `start_mut` checked 64 bytes; the store has no alignment.
        unsafe { _mm512_storeu_si512(start_mut(out, 64).cast(), v) }
    }
    #[inline(always)]
    fn zero_bytes(self) -> Self::B {
        cpu!(_mm512_setzero_si512())
    }
    #[inline(always)]
    fn and(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm512_and_si512(a, b))
    }
    #[inline(always)]
    fn or(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm512_or_si512(a, b))
    }
    #[inline(always)]
    fn xor(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm512_xor_si512(a, b))
    }
    #[inline(always)]
    fn count_ones(self, acc: Self::B, v: Self::B) -> Self::B {
        cpu!(_mm512_add_epi64(acc, _mm512_popcnt_epi64(v)))
    }
    #[inline(always)]
    fn sum_u64(self, acc: Self::B) -> u64 {
        cpu!(_mm512_reduce_add_epi64(acc)) as u64
    }
    #[inline(always)]
    fn add_u16(self, a: Self::B, b: Self::B) -> Self::B {
        cpu!(_mm512_add_epi16(a, b))
    }
    #[inline(always)]
    fn high_bytes(self, v: Self::B) -> Self::B {
        cpu!(_mm512_srli_epi16::<8>(v))
    }

    #[inline(always)]
    fn dot_zero(self) -> Self::Dot {
        [self.zero_bytes(); 2]
    }
    #[inline(always)]
    fn dot_step(self, acc: Self::Dot, a: Self::B, b: Self::B) -> Self::Dot {
        cpu!({
            let unsigned = _mm512_xor_si512(a, _mm512_set1_epi8(i8::MIN));
            let products = _mm512_dpbusd_epi32(acc[0], unsigned, b);
            [products, _mm512_dpbusd_epi32(acc[1], _mm512_set1_epi8(1), b)]
        })
    }
    #[inline(always)]
    fn dot_sum(self, acc: Self::Dot) -> i32 {
        cpu!(_mm512_reduce_add_epi32(_mm512_sub_epi32(acc[0], _mm512_slli_epi32::<7>(acc[1]))))
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
            // Tables of row 0 for the lower half, of row 1 for the upper.
            cpu!((_mm512_shuffle_i64x2::<0xA0>(first, first), _mm512_shuffle_i64x2::<0xF5>(first, first)))
        } else {
            let second = self.load_bytes(&tables[64..]);
            cpu!((_mm512_shuffle_i64x2::<0x88>(first, second), _mm512_shuffle_i64x2::<0xDD>(first, second)))
        };
        cpu!({
            let nibble = _mm512_set1_epi8(15);
            let low_index = _mm512_and_si512(codes, nibble);
            let high_index = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), nibble);
            (_mm512_shuffle_epi8(low, low_index), _mm512_shuffle_epi8(high, high_index))
        })
    }
}

/// Two rows of 32 bytes (`STRIDE` 24 or 32) or four of 16 (`STRIDE` 8 or 16).
#[inline(always)]
fn load_rows<const STRIDE: usize>(simd: Avx512, rows: &[u8]) -> __m512i {
    match STRIDE {
        8 => {
            // SAFETY: `start` checked 32 bytes; the load has no alignment.
            let packed = unsafe { _mm256_loadu_si256(start(rows, 32).cast()) };
            cpu!(_mm512_permutexvar_epi64(
                _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3),
                _mm512_castsi256_si512(packed)
            ))
        }
        24 => {
            // SAFETY: `start` checked 56 bytes: 32 from 0 and 32 from 24.
            let (lower, upper) = unsafe {
                let start = start(rows, 56);
                (_mm256_loadu_si256(start.cast()), _mm256_loadu_si256(start.add(24).cast()))
            };
            cpu!(_mm512_inserti64x4::<1>(_mm512_castsi256_si512(lower), upper))
        }
        _ => simd.load_bytes(rows),
    }
}

crate::table::grid! { instantiate Avx512
[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq,avx2,fma,f16c")] }

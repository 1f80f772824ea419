//! The grid: every kernel by every instruction set, detected once.
//!
//! [`grid!`] is the one list of kernels. It is expanded once here, into [`Cells`], a table of function
//! pointers, and once per instruction set, into the functions themselves.

// Calls through the table are unsafe: the CPU must have the features of its instruction set.
#![allow(unsafe_code)]

use crate::arch;
use crate::{Coded, Encoding, Estimate};
use half::f16;
use std::sync::OnceLock;

/// The list of kernels: `name(arguments) -> result = the generic algorithm`, given to another macro.
macro_rules! grid {
    ($apply:ident $($prefix:tt)*) => { $apply! { $($prefix)*
        l2_squared_f32(a: &[f32], b: &[f32]) -> f32 = reduce::l2_squared::<_, Floats>;
        inner_product_f32(a: &[f32], b: &[f32]) -> f32 = reduce::inner_product::<_, Floats>;
        cosine_parts_f32(a: &[f32], b: &[f32]) -> (f32, f32, f32) = reduce::cosine_parts::<_, Floats>;
        l1_f32(a: &[f32], b: &[f32]) -> f32 = reduce::l1::<_, Floats>;
        l2_squared_f16(a: &[half::f16], b: &[half::f16]) -> f32 = reduce::l2_squared::<_, Halves>;
        inner_product_f16(a: &[half::f16], b: &[half::f16]) -> f32 = reduce::inner_product::<_, Halves>;
        cosine_parts_f16(a: &[half::f16], b: &[half::f16]) -> (f32, f32, f32)
            = reduce::cosine_parts::<_, Halves>;
        l1_f16(a: &[half::f16], b: &[half::f16]) -> f32 = reduce::l1::<_, Halves>;
        coded_l2_squared_f16(q: &[f32], s: f32, row: &[u8]) -> f32
            = reduce::coded_l2_squared::<_, HalfBytes>;
        coded_l2_squared_i8(q: &[f32], s: f32, row: &[u8]) -> f32
            = reduce::coded_l2_squared::<_, SignedBytes>;
        coded_l2_squared_i4(q: &[f32], s: f32, row: &[u8]) -> f32
            = reduce::coded_l2_squared::<_, Nibbles>;
        coded_l2_squared_i2(q: &[f32], s: f32, row: &[u8]) -> f32
            = reduce::coded_l2_squared::<_, BitPairs>;
        coded_inner_product_f16(q: &[f32], s: f32, row: &[u8]) -> f32
            = reduce::coded_inner_product::<_, HalfBytes>;
        coded_inner_product_i8(q: &[f32], s: f32, row: &[u8]) -> f32
            = reduce::coded_inner_product::<_, SignedBytes>;
        coded_inner_product_i4(q: &[f32], s: f32, row: &[u8]) -> f32
            = reduce::coded_inner_product::<_, Nibbles>;
        coded_inner_product_i2(q: &[f32], s: f32, row: &[u8]) -> f32
            = reduce::coded_inner_product::<_, BitPairs>;
        coded_l1_f16(q: &[f32], s: f32, row: &[u8]) -> f32 = reduce::coded_l1::<_, HalfBytes>;
        coded_l1_i8(q: &[f32], s: f32, row: &[u8]) -> f32 = reduce::coded_l1::<_, SignedBytes>;
        coded_l1_i4(q: &[f32], s: f32, row: &[u8]) -> f32 = reduce::coded_l1::<_, Nibbles>;
        coded_l1_i2(q: &[f32], s: f32, row: &[u8]) -> f32 = reduce::coded_l1::<_, BitPairs>;
        decode_f16(row: &[u8], s: f32, out: &mut [f32]) -> () = reduce::decode::<_, HalfBytes>;
        decode_i8(row: &[u8], s: f32, out: &mut [f32]) -> () = reduce::decode::<_, SignedBytes>;
        decode_i4(row: &[u8], s: f32, out: &mut [f32]) -> () = reduce::decode::<_, Nibbles>;
        decode_i2(row: &[u8], s: f32, out: &mut [f32]) -> () = reduce::decode::<_, BitPairs>;
        lost_f16(r: &[f32], s: f32, row: &[u8]) -> (f64, f64) = encode::lost::<_, HalfBytes>;
        lost_i8(r: &[f32], s: f32, row: &[u8]) -> (f64, f64) = encode::lost::<_, SignedBytes>;
        lost_i4(r: &[f32], s: f32, row: &[u8]) -> (f64, f64) = encode::lost::<_, Nibbles>;
        lost_i2(r: &[f32], s: f32, row: &[u8]) -> (f64, f64) = encode::lost::<_, BitPairs>;
        code_i8(r: &[f32], inverse: f32, out: &mut [u8]) -> (f32, f32) = encode::code::<_, SignedBytes>;
        code_i4(r: &[f32], inverse: f32, out: &mut [u8]) -> (f32, f32) = encode::code::<_, Nibbles>;
        code_i2(r: &[f32], inverse: f32, out: &mut [u8]) -> (f32, f32) = encode::code::<_, BitPairs>;
        step_costs(r: &[f32], inverses: &[f32], largest: f32, costs: &mut [f32]) -> ()
            = encode::step_costs;
        largest_magnitude(r: &[f32]) -> f32 = encode::largest_magnitude;
        magnitudes_about(r: &[f32], centre: f32) -> (f64, f64) = encode::magnitudes_about;
        dot_i8(a: &[u8], b: &[u8]) -> i32 = bits::dot_i8;
        hamming(a: &[u8], b: &[u8]) -> u64 = bits::hamming;
        jaccard_parts(a: &[u8], b: &[u8]) -> (u64, u64) = bits::jaccard_parts;
        fastscan(lut: &[u8], codes: &[u8], lanes: usize, out: &mut [u32; 32]) -> () = fastscan::fastscan;
        estimates(sums: &[u32; 32], terms: &crate::Estimate<'_>, out: &mut [f32; 32]) -> ()
            = fastscan::estimates;
        below(estimates: &[f32; 32], lanes: usize, threshold: f32) -> u32 = fastscan::below;
        hadamard(x: &mut [f32]) -> () = hadamard::hadamard;
        rotate(x: &mut [f32], signs: &[u8]) -> () = hadamard::rotate;
        rotate_back(x: &mut [f32], signs: &[u8]) -> () = hadamard::rotate_back;
        sign_code(r: &[f32], code: &mut [u8]) -> (f32, f32) = lut::sign_code;
        sign_product(code: &[u8], q: &[f32]) -> f32 = lut::sign_product;
        fill_lut(q: &[f32], lut: &mut [u8]) -> (f32, f32) = lut::fill_lut;
    } };
}
pub(crate) use grid;

macro_rules! declare {
    ($($name:ident($($arg:ident: $type:ty),*) -> $ret:ty = $body:expr;)*) => {
        /// One column of the grid. Calling a cell requires the features of its instruction set.
        pub(crate) struct Cells {
            $(pub(crate) $name: unsafe fn($($type),*) -> $ret,)*
        }
    };
}
grid! { declare }

/// An instruction set, from the least to the most preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// What every CPU of the architecture has.
    Scalar,
    /// 128-bit ARM vectors.
    Neon,
    /// 128-bit x86 vectors.
    Sse41,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, VL, DQ, VNNI and VPOPCNTDQ.
    Avx512,
}

impl Isa {
    /// The name, as `PROXIMA_ISA` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            Isa::Neon => "neon",
            Isa::Sse41 => "sse41",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }

    /// Whether this CPU has it.
    fn is_available(self) -> bool {
        match self {
            Isa::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Sse41 => is_x86_feature_detected!("sse4.1"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vnni")
                    && is_x86_feature_detected!("avx512vpopcntdq")
            }
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }
}

/// All kernels for one instruction set.
///
/// Only the detection hands out a reference, so holding `&Kernels` proves that the CPU supports it.
/// Every method panics when the lengths of its slices do not fit together.
pub struct Kernels {
    isa: Isa,
    cells: Cells,
}

/// Worst first.
static TABLE: &[Kernels] = &[
    Kernels { isa: Isa::Scalar, cells: arch::portable::CELLS },
    #[cfg(target_arch = "aarch64")]
    Kernels { isa: Isa::Neon, cells: arch::aarch64::neon::CELLS },
    #[cfg(target_arch = "x86_64")]
    Kernels { isa: Isa::Sse41, cells: arch::x86_64::sse41::CELLS },
    #[cfg(target_arch = "x86_64")]
    Kernels { isa: Isa::Avx2, cells: arch::x86_64::avx2::CELLS },
    #[cfg(target_arch = "x86_64")]
    Kernels { isa: Isa::Avx512, cells: arch::x86_64::avx512::CELLS },
];

/// Calls a cell of the table in `self`.
macro_rules! call {
    ($self:ident.$name:ident($($arg:expr),*)) => {{
        // SAFETY: references to a column come from `available` alone, which checked the CPU's features.
        unsafe { ($self.cells.$name)($($arg),*) }
    }};
}

/// Panics unless two slices have the same length.
#[inline]
fn same_length<A, B>(a: &[A], b: &[B]) {
    assert_eq!(a.len(), b.len(), "vectors of different lengths");
}

impl Kernels {
    /// The best instruction set of this CPU, or the one named by the environment variable
    /// `PROXIMA_ISA` if this CPU has it (read once; meant for tests).
    pub fn get() -> &'static Kernels {
        static BEST: OnceLock<&'static Kernels> = OnceLock::new();
        BEST.get_or_init(|| {
            let available = Self::available();
            let forced = std::env::var("PROXIMA_ISA").ok();
            let forced = available.iter().find(|k| forced.as_deref() == Some(k.isa.name()));
            forced.unwrap_or(&available[available.len() - 1])
        })
    }

    /// Every instruction set this CPU can run, worst first; never empty.
    pub fn available() -> Vec<&'static Kernels> {
        TABLE.iter().filter(|kernels| kernels.isa.is_available()).collect()
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The kernels for rows of one encoding.
    pub fn coded(&self, encoding: Encoding) -> Coded<'_> {
        Coded::new(self, encoding)
    }
}

/// Distances between vectors of floats.
///
/// Terms and sums are f32, in at least 16 interleaved sums: the error is at most
/// `(dim / 16 + 12) * 2^-24` times the sum of the magnitudes of the terms (of the exact terms; each
/// term's own rounding is included), plus the smallest positive f32 per term that underflows. Overflow
/// gives infinity. NaN in gives NaN out; so do infinities of opposite sign in a sum.
impl Kernels {
    /// Sum of `(a_i - b_i)^2`.
    pub fn l2_squared_f32(&self, a: &[f32], b: &[f32]) -> f32 {
        same_length(a, b);
        call!(self.l2_squared_f32(a, b))
    }

    /// Sum of `a_i * b_i`.
    pub fn inner_product_f32(&self, a: &[f32], b: &[f32]) -> f32 {
        same_length(a, b);
        call!(self.inner_product_f32(a, b))
    }

    /// Sums of `a_i * b_i`, of `a_i^2` and of `b_i^2`, in one pass.
    pub fn cosine_parts_f32(&self, a: &[f32], b: &[f32]) -> (f32, f32, f32) {
        same_length(a, b);
        call!(self.cosine_parts_f32(a, b))
    }

    /// Sum of `|a_i - b_i|`.
    pub fn l1_f32(&self, a: &[f32], b: &[f32]) -> f32 {
        same_length(a, b);
        call!(self.l1_f32(a, b))
    }

    /// Sum of `(a_i - b_i)^2`, halves widened to f32 first.
    pub fn l2_squared_f16(&self, a: &[f16], b: &[f16]) -> f32 {
        same_length(a, b);
        call!(self.l2_squared_f16(a, b))
    }

    /// Sum of `a_i * b_i`, halves widened to f32 first.
    pub fn inner_product_f16(&self, a: &[f16], b: &[f16]) -> f32 {
        same_length(a, b);
        call!(self.inner_product_f16(a, b))
    }

    /// Sums of `a_i * b_i`, of `a_i^2` and of `b_i^2`, halves widened to f32 first.
    pub fn cosine_parts_f16(&self, a: &[f16], b: &[f16]) -> (f32, f32, f32) {
        same_length(a, b);
        call!(self.cosine_parts_f16(a, b))
    }

    /// Sum of `|a_i - b_i|`, halves widened to f32 first.
    pub fn l1_f16(&self, a: &[f16], b: &[f16]) -> f32 {
        same_length(a, b);
        call!(self.l1_f16(a, b))
    }
}

/// The making of codes: the same bits on every instruction set.
impl Kernels {
    /// The largest magnitude of finite numbers; zero of nothing.
    pub fn largest_magnitude(&self, r: &[f32]) -> f32 {
        call!(self.largest_magnitude(r))
    }

    /// Sums of `(|r_i| - centre)^2` and of `||r_i| - centre|`: each difference is rounded to f32, the sums are f64.
    pub fn magnitudes_about(&self, r: &[f32], centre: f32) -> (f64, f64) {
        call!(self.magnitudes_about(r, centre))
    }

    /// `costs[k]`: what the codes nearest to `r * inverses[k]` lose, as a sum of squares in steps.
    ///
    /// `largest`: the largest code, a half more than an integer; codes are the halves up to it on either side of zero.
    /// No step may be 2^22 or more.
    ///
    /// # Panics
    /// If there are not as many `costs` as `inverses`.
    pub fn step_costs(&self, r: &[f32], inverses: &[f32], largest: f32, costs: &mut [f32]) {
        assert_eq!(inverses.len(), costs.len(), "costs of another number of steps");
        call!(self.step_costs(r, inverses, largest, costs))
    }

    /// Writes the nearest integers in -127..=127 and returns the sums of `r_i * inverse * code` and of `code^2`, with
    /// the error bound of the float distances.
    ///
    /// # Panics
    /// If `out` is not a row of [`Encoding::I8`] of that many numbers.
    pub fn code_i8(&self, r: &[f32], inverse: f32, out: &mut [u8]) -> (f32, f32) {
        check_row(Encoding::I8, r, out);
        call!(self.code_i8(r, inverse, out))
    }

    /// The same with codes of [`Encoding::I4`].
    ///
    /// # Panics
    /// If `out` is not such a row.
    pub fn code_i4(&self, r: &[f32], inverse: f32, out: &mut [u8]) -> (f32, f32) {
        check_row(Encoding::I4, r, out);
        call!(self.code_i4(r, inverse, out))
    }

    /// The same with codes of [`Encoding::I2`].
    ///
    /// # Panics
    /// If `out` is not such a row.
    pub fn code_i2(&self, r: &[f32], inverse: f32, out: &mut [u8]) -> (f32, f32) {
        check_row(Encoding::I2, r, out);
        call!(self.code_i2(r, inverse, out))
    }
}

/// Integers and bits: exact, and the same on every instruction set.
impl Kernels {
    /// Sum of `a_i * b_i`; exact up to 131,071 dimensions, modulo 2^32 beyond.
    pub fn dot_i8(&self, a: &[i8], b: &[i8]) -> i32 {
        same_length(a, b);
        let (a, b) = (as_bytes(a), as_bytes(b));
        call!(self.dot_i8(a, b))
    }

    /// Number of bits that differ.
    pub fn hamming(&self, a: &[u8], b: &[u8]) -> u64 {
        same_length(a, b);
        call!(self.hamming(a, b))
    }

    /// Number of bits set in both, and number of bits set in either.
    pub fn jaccard_parts(&self, a: &[u8], b: &[u8]) -> (u64, u64) {
        same_length(a, b);
        call!(self.jaccard_parts(a, b))
    }
}

/// 1-bit codes in batches of up to 32, and the query's side of them.
impl Kernels {
    /// `out[l]` = sum over rows t of `lut[2t][low] + lut[2t + 1][high]`, `low` and `high` being the
    /// nibbles of byte `codes[t * lanes + l]`; zero for `l >= lanes`. Exact.
    ///
    /// `lut`: dim/4 tables of 16 entries; `lanes`: 8, 16, 24 or 32; `codes`: dim/8 rows of `lanes` bytes.
    /// Bytes after them, if the slice has any, may be read and do not matter; 32 of them avoid a slower
    /// path for the last rows.
    ///
    /// # Panics
    /// If `lanes` is not one of those, `lut` is not made of pairs of tables, or `codes` is too short.
    pub fn fastscan(&self, lut: &[u8], codes: &[u8], lanes: usize, out: &mut [u32; 32]) {
        check_lanes(lanes);
        assert!(lut.len().is_multiple_of(32), "look-up tables come in pairs of 32 bytes");
        assert!(codes.len() >= lut.len() / 32 * lanes, "fewer codes than look-up tables");
        call!(self.fastscan(lut, codes, lanes, out))
    }

    /// `out[l] = add[l] + base - mul[l] * (sums[l] * lut_scale + lut_bias)` for `l < lanes`; the rest
    /// of `out` is left alone. `sums` below 2^24 enter exactly.
    ///
    /// # Panics
    /// If `lanes` is not 8, 16, 24 or 32, or `add` or `mul` is not 2 bytes per lane.
    pub fn estimates(&self, sums: &[u32; 32], terms: &Estimate<'_>, out: &mut [f32; 32]) {
        check_lanes(terms.lanes);
        assert_eq!(terms.add.len(), 2 * terms.lanes, "terms of another number of lanes");
        assert_eq!(terms.mul.len(), 2 * terms.lanes, "factors of another number of lanes");
        call!(self.estimates(sums, terms, out))
    }

    /// Bit `l` is set when `estimates[l] < threshold`, for `l < lanes`; never for NaN.
    ///
    /// # Panics
    /// If `lanes > 32`.
    pub fn below(&self, estimates: &[f32; 32], lanes: usize, threshold: f32) -> u32 {
        assert!(lanes <= 32, "more than 32 lanes");
        call!(self.below(estimates, lanes, threshold))
    }

    /// Fills look-up tables for a query and returns `(scale, bias)`: for a code y of +-1/2 per
    /// dimension (bit set: +), `<y, q> = scale * sum + bias`, `sum` being what `fastscan` returns. Each
    /// table's entry is rounded, so the error is at most `scale / 2` per table.
    ///
    /// `q`: dim, finite, and dim a multiple of 8; `lut`: `4 * dim`. A query too large for f32 sums gets
    /// zeros all over, never NaN.
    ///
    /// # Panics
    /// If the lengths are not those.
    pub fn fill_lut(&self, q: &[f32], lut: &mut [u8]) -> (f32, f32) {
        assert!(q.len().is_multiple_of(8), "dimensions are not a multiple of 8");
        assert_eq!(lut.len(), 4 * q.len(), "look-up tables of another dimension");
        call!(self.fill_lut(q, lut))
    }

    /// Writes the signs of `r`, bit i of byte j set when `r[8j + i] > 0`, and returns (sum of squares,
    /// sum of magnitudes), with the error bound of the float distances.
    ///
    /// # Panics
    /// If `r.len() != 8 * code.len()`.
    pub fn sign_code(&self, r: &[f32], code: &mut [u8]) -> (f32, f32) {
        assert_eq!(r.len(), 8 * code.len(), "code of another dimension");
        call!(self.sign_code(r, code))
    }

    /// Sum of `y_i * q_i`, `y_i` being 1/2 where bit i of the code is set and -1/2 elsewhere (bit i of byte j for
    /// coordinate 8j + i), with the error bound of the float distances.
    ///
    /// # Panics
    /// If `q.len() != 8 * code.len()`.
    #[inline]
    pub fn sign_product(&self, code: &[u8], q: &[f32]) -> f32 {
        assert_eq!(q.len(), 8 * code.len(), "code of another dimension");
        call!(self.sign_product(code, q))
    }
}

/// Transforms in place: the same bits on every instruction set.
impl Kernels {
    /// The unnormalised Walsh-Hadamard transform (its square is `x.len()` times the identity).
    ///
    /// # Panics
    /// If the length is not a power of two.
    pub fn hadamard(&self, x: &mut [f32]) {
        assert!(x.len().is_power_of_two(), "length is not a power of two");
        call!(self.hadamard(x))
    }

    /// Four rounds of signs, orthonormal Hadamard transform and a step by pi/4 between the halves
    /// (index-design C1).
    ///
    /// `signs`: 4 rounds of dim/8 bytes, bit i of byte j: coordinate 8j + i changes its sign.
    ///
    /// # Panics
    /// If `x.len()` is not a positive multiple of 64 or `signs.len()` is not half of it.
    pub fn rotate(&self, x: &mut [f32], signs: &[u8]) {
        check_rotation(x, signs);
        call!(self.rotate(x, signs))
    }

    /// The inverse of [`Kernels::rotate`].
    ///
    /// # Panics
    /// As that.
    pub fn rotate_back(&self, x: &mut [f32], signs: &[u8]) {
        check_rotation(x, signs);
        call!(self.rotate_back(x, signs))
    }
}

/// The cells behind [`Coded`].
impl Kernels {
    pub(crate) fn coded_l2_squared(&self, encoding: Encoding, q: &[f32], s: f32, row: &[u8]) -> f32 {
        match encoding {
            Encoding::F16 => call!(self.coded_l2_squared_f16(q, s, row)),
            Encoding::I8 => call!(self.coded_l2_squared_i8(q, s, row)),
            Encoding::I4 => call!(self.coded_l2_squared_i4(q, s, row)),
            Encoding::I2 => call!(self.coded_l2_squared_i2(q, s, row)),
        }
    }

    pub(crate) fn coded_inner_product(&self, encoding: Encoding, q: &[f32], s: f32, row: &[u8]) -> f32 {
        match encoding {
            Encoding::F16 => call!(self.coded_inner_product_f16(q, s, row)),
            Encoding::I8 => call!(self.coded_inner_product_i8(q, s, row)),
            Encoding::I4 => call!(self.coded_inner_product_i4(q, s, row)),
            Encoding::I2 => call!(self.coded_inner_product_i2(q, s, row)),
        }
    }

    pub(crate) fn coded_l1(&self, encoding: Encoding, q: &[f32], s: f32, row: &[u8]) -> f32 {
        match encoding {
            Encoding::F16 => call!(self.coded_l1_f16(q, s, row)),
            Encoding::I8 => call!(self.coded_l1_i8(q, s, row)),
            Encoding::I4 => call!(self.coded_l1_i4(q, s, row)),
            Encoding::I2 => call!(self.coded_l1_i2(q, s, row)),
        }
    }

    pub(crate) fn decode(&self, encoding: Encoding, row: &[u8], s: f32, out: &mut [f32]) {
        match encoding {
            Encoding::F16 => call!(self.decode_f16(row, s, out)),
            Encoding::I8 => call!(self.decode_i8(row, s, out)),
            Encoding::I4 => call!(self.decode_i4(row, s, out)),
            Encoding::I2 => call!(self.decode_i2(row, s, out)),
        }
    }

    pub(crate) fn lost(&self, encoding: Encoding, r: &[f32], s: f32, row: &[u8]) -> (f64, f64) {
        match encoding {
            Encoding::F16 => call!(self.lost_f16(r, s, row)),
            Encoding::I8 => call!(self.lost_i8(r, s, row)),
            Encoding::I4 => call!(self.lost_i4(r, s, row)),
            Encoding::I2 => call!(self.lost_i2(r, s, row)),
        }
    }
}

fn check_row(encoding: Encoding, r: &[f32], row: &[u8]) {
    assert_eq!(row.len(), encoding.code_bytes(r.len()), "code of another dimension");
}

fn check_lanes(lanes: usize) {
    assert!(matches!(lanes, 8 | 16 | 24 | 32), "lanes are not 8, 16, 24 or 32");
}

fn check_rotation(x: &[f32], signs: &[u8]) {
    assert!(!x.is_empty() && x.len().is_multiple_of(64), "dimensions are not a multiple of 64");
    assert_eq!(signs.len(), x.len() / 2, "signs of another dimension");
}

/// The same bytes, read as unsigned.
fn as_bytes(x: &[i8]) -> &[u8] {
    // SAFETY: i8 and u8 have the same size and alignment and no invalid values; length and lifetime
    // are those of `x`.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

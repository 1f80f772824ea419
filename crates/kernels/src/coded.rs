//! A query in f32 against a row of codes.

use crate::Kernels;

/// How the numbers of a row are stored; the value of a code is `scale * code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// IEEE halves of 2 little-endian bytes.
    F16,
    /// Signed bytes.
    I8,
    /// Two per byte, the even index in the low nibble; the code is the nibble minus 7.5.
    I4,
    /// Four per byte, the first in the lowest bits; the code is the number of the two bits minus 1.5.
    I2,
}

impl Encoding {
    /// Bytes of a row of `dim` numbers.
    pub const fn code_bytes(self, dim: usize) -> usize {
        match self {
            Encoding::F16 => 2 * dim,
            Encoding::I8 => dim,
            Encoding::I4 => dim.div_ceil(2),
            Encoding::I2 => dim.div_ceil(4),
        }
    }
}

/// Distances from a query to rows of one encoding, given as bytes at any alignment.
///
/// Error bounds and NaN policy are those of the float distances of [`Kernels`], with
/// `(|q_i| + |scale * c_i|)` in the place of `|q_i - scale * c_i|`: `scale * c_i` is itself rounded on
/// instruction sets that cannot fuse.
/// Every method panics when the row is not `encoding.code_bytes(dim)` long.
#[derive(Clone, Copy)]
pub struct Coded<'k> {
    kernels: &'k Kernels,
    encoding: Encoding,
}

impl<'k> Coded<'k> {
    pub(crate) fn new(kernels: &'k Kernels, encoding: Encoding) -> Self {
        Self { kernels, encoding }
    }

    /// The encoding.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sum of `(q_i - scale * c_i)^2`.
    #[inline]
    pub fn l2_squared(&self, query: &[f32], scale: f32, row: &[u8]) -> f32 {
        self.check(query.len(), row);
        self.kernels.coded_l2_squared(self.encoding, query, scale, row)
    }

    /// Sum of `q_i * scale * c_i`.
    #[inline]
    pub fn inner_product(&self, query: &[f32], scale: f32, row: &[u8]) -> f32 {
        self.check(query.len(), row);
        self.kernels.coded_inner_product(self.encoding, query, scale, row)
    }

    /// Sum of `|q_i - scale * c_i|`.
    #[inline]
    pub fn l1(&self, query: &[f32], scale: f32, row: &[u8]) -> f32 {
        self.check(query.len(), row);
        self.kernels.coded_l1(self.encoding, query, scale, row)
    }

    /// `out[i] = scale * c_i`, rounded once.
    #[inline]
    pub fn decode(&self, row: &[u8], scale: f32, out: &mut [f32]) {
        self.check(out.len(), row);
        self.kernels.decode(self.encoding, row, scale, out);
    }

    /// Sums of the squares and of the magnitudes of `r_i - scale * c_i`: product and difference are rounded to f32
    /// each, the sums are f64. The same bits on every instruction set.
    #[inline]
    pub fn lost(&self, r: &[f32], scale: f32, row: &[u8]) -> (f64, f64) {
        self.check(r.len(), row);
        self.kernels.lost(self.encoding, r, scale, row)
    }

    #[inline]
    fn check(&self, dim: usize, row: &[u8]) {
        assert_eq!(row.len(), self.encoding.code_bytes(dim), "code of another dimension");
    }
}

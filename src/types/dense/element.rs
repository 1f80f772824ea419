//! What differs between the dense types: the element.

use kernels::Kernels;

use crate::error::TypeError;

/// The element of a dense vector type. All-zero bytes are the number 0.
pub trait Element: Copy + PartialOrd + Into<f64> + 'static {
    /// The SQL type whose elements these are.
    const TYPE_NAME: &'static str;
    /// Names of the functions that quote themselves in errors.
    const ACCUM: &'static str;
    /// As [`ACCUM`](Self::ACCUM).
    const AVG: &'static str;
    /// As [`ACCUM`](Self::ACCUM).
    const COMBINE: &'static str;

    /// The nearest element; infinite when out of range.
    fn from_f32(value: f32) -> Self;

    /// The nearest element; infinite when out of range. Not by way of `f32`: that would round twice.
    fn from_f64(value: f64) -> Self;

    /// Exactly the same number.
    fn to_f32(self) -> f32;

    /// Reads the wire format: big endian. `bytes` has `size_of::<Self>()` bytes.
    fn from_wire(bytes: &[u8]) -> Self;

    /// Writes the wire format.
    fn to_wire(self, bytes: &mut [u8]);

    /// The square of the Euclidean distance. All kernels accumulate in `f32` and overflow to infinity.
    fn l2_squared(a: &[Self], b: &[Self]) -> f32;

    /// The inner product.
    fn inner_product(a: &[Self], b: &[Self]) -> f32;

    /// The inner product and the squared norms of `a` and `b`.
    fn cosine_parts(a: &[Self], b: &[Self]) -> (f32, f32, f32);

    /// The taxicab distance.
    fn l1(a: &[Self], b: &[Self]) -> f32;

    /// `self`, if it is a number that a vector may hold.
    ///
    /// # Errors
    /// For NaN and infinities.
    #[inline]
    fn checked(self) -> Result<Self, TypeError> {
        let value = self.to_f32();
        if value.is_nan() {
            return Err(TypeError::NotANumber { type_name: Self::TYPE_NAME });
        }
        if value.is_infinite() {
            return Err(TypeError::Infinite { type_name: Self::TYPE_NAME });
        }
        Ok(self)
    }
}

impl Element for f32 {
    const TYPE_NAME: &'static str = "vector";
    const ACCUM: &'static str = "vector_accum";
    const AVG: &'static str = "vector_avg";
    const COMBINE: &'static str = "vector_combine";

    #[inline]
    fn from_f32(value: f32) -> Self {
        value
    }

    #[inline]
    fn from_f64(value: f64) -> Self {
        value as f32
    }

    #[inline]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline]
    fn from_wire(bytes: &[u8]) -> Self {
        f32::from_be_bytes(bytes.try_into().expect("four bytes"))
    }

    #[inline]
    fn to_wire(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_be_bytes());
    }

    #[inline]
    fn l2_squared(a: &[Self], b: &[Self]) -> f32 {
        Kernels::get().l2_squared_f32(a, b)
    }

    #[inline]
    fn inner_product(a: &[Self], b: &[Self]) -> f32 {
        Kernels::get().inner_product_f32(a, b)
    }

    #[inline]
    fn cosine_parts(a: &[Self], b: &[Self]) -> (f32, f32, f32) {
        Kernels::get().cosine_parts_f32(a, b)
    }

    #[inline]
    fn l1(a: &[Self], b: &[Self]) -> f32 {
        Kernels::get().l1_f32(a, b)
    }
}

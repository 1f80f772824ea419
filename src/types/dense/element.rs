//! What differs between the dense types: the element.

use half::f16;
use kernels::Kernels;

use crate::error::TypeError;
use crate::pg::text::f32_text;

/// The element of a dense vector type. All-zero bytes are the number 0.
pub trait Element: Copy + PartialOrd + Into<f64> + 'static {
    /// The SQL type whose elements these are.
    const TYPE_NAME: &'static str;
    /// Names of the functions that quote themselves in errors.
    const ACCUM: &'static str;
    /// As [`ACCUM`](Self::ACCUM).
    const AVG: &'static str;

    /// The nearest element; infinite when out of range.
    ///
    /// Everything passes through here, numbers of double precision rounded to `f32` first: halves are then rounded
    /// twice, as pgvector's are.
    fn from_f32(value: f32) -> Self;

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

    /// The nearest element to a number that did not come as text.
    ///
    /// # Errors
    /// For finite numbers that are out of range.
    #[inline]
    fn convert(value: f32) -> Result<Self, TypeError> {
        let element = Self::from_f32(value);
        if element.to_f32().is_infinite() && value.is_finite() {
            return Err(TypeError::OutOfRange { type_name: Self::TYPE_NAME, literal: f32_text(value) });
        }
        Ok(element)
    }

    /// `self`, if it is a number that a vector may hold.
    ///
    /// # Errors
    /// For NaN and infinities.
    #[inline]
    fn checked(self) -> Result<Self, TypeError> {
        check_finite(self.to_f32(), Self::TYPE_NAME)?;
        Ok(self)
    }
}

/// Whether a vector may hold `value`.
#[inline]
pub fn check_finite(value: f32, type_name: &'static str) -> Result<(), TypeError> {
    if value.is_nan() {
        return Err(TypeError::NotANumber { type_name });
    }
    if value.is_infinite() {
        return Err(TypeError::Infinite { type_name });
    }
    Ok(())
}

/// What an element's name and its kernels are; the rest follows from its number of bits.
macro_rules! element {
    ($element:ty, $name:literal, $from_f32:expr, $to_f32:expr, $l2:ident, $ip:ident, $cosine:ident, $l1:ident) => {
        impl Element for $element {
            const TYPE_NAME: &'static str = $name;
            const ACCUM: &'static str = concat!($name, "_accum");
            const AVG: &'static str = concat!($name, "_avg");

            #[inline]
            fn from_f32(value: f32) -> Self {
                $from_f32(value)
            }

            #[inline]
            fn to_f32(self) -> f32 {
                $to_f32(self)
            }

            #[inline]
            fn from_wire(bytes: &[u8]) -> Self {
                Self::from_be_bytes(bytes.try_into().expect("the bytes of one element"))
            }

            #[inline]
            fn to_wire(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_be_bytes());
            }

            #[inline]
            fn l2_squared(a: &[Self], b: &[Self]) -> f32 {
                Kernels::get().$l2(a, b)
            }

            #[inline]
            fn inner_product(a: &[Self], b: &[Self]) -> f32 {
                Kernels::get().$ip(a, b)
            }

            #[inline]
            fn cosine_parts(a: &[Self], b: &[Self]) -> (f32, f32, f32) {
                Kernels::get().$cosine(a, b)
            }

            #[inline]
            fn l1(a: &[Self], b: &[Self]) -> f32 {
                Kernels::get().$l1(a, b)
            }
        }
    };
}

element! {
    f32, "vector", core::convert::identity, core::convert::identity,
    l2_squared_f32, inner_product_f32, cosine_parts_f32, l1_f32
}
element! {
    f16, "halfvec", f16::from_f32, f16::to_f32,
    l2_squared_f16, inner_product_f16, cosine_parts_f16, l1_f16
}

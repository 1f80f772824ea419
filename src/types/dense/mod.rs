//! Dense vectors, one element after the other: `vector` and `halfvec`.
//!
//! ```text
//! offset  size       field
//!      0  4          varlena length word
//!      4  2          dim          1..=16000
//!      6  2          reserved     zero
//!      8  dim * 4|2  elements     finite
//! ```
//!
//! Storage is `external`: floats do not compress. Identical to pgvector's types, so that tables can be taken
//! over as they are.

pub mod aggregate;
pub mod cast;
pub mod element;
pub mod io;
pub mod ops;

use core::mem::{offset_of, size_of};
use core::ops::{Deref, DerefMut};

use pgrx::pg_sys::Datum;

use crate::error::TypeError;
use crate::pg::datum::{Call, Varlena, allocate_varlena};
use element::Element;

/// Most dimensions of a dense vector.
pub const DIM_MAX: usize = 16_000;

#[repr(C)]
struct Header {
    vl_len: u32,
    dim: i16,
    reserved: i16,
}

const HEADER_BYTES: usize = size_of::<Header>();
const _: () = assert!(HEADER_BYTES == 8 && offset_of!(Header, dim) == 4);

/// A vector argument, read in place; a slice of its elements.
pub struct Dense<'fc, E> {
    elements: &'fc [E],
    argument: Varlena<'fc>,
}

impl<'fc, E: Element> Dense<'fc, E> {
    /// Argument `n` of `call`, declared as the SQL type of `E`.
    #[inline]
    pub fn argument(call: Call<'fc>, n: usize) -> Result<Self, TypeError> {
        let argument = call.varlena(n);
        let bytes = argument.bytes();
        if bytes.len() <= HEADER_BYTES {
            return Err(TypeError::Corrupted { type_name: E::TYPE_NAME });
        }
        let start = bytes.as_ptr();
        // SAFETY: the value has more bytes than the header, and is aligned to 4.
        let dim = unsafe { (*start.cast::<Header>()).dim };
        let dim = usize::try_from(dim).unwrap_or(0);
        if bytes.len() != HEADER_BYTES + dim * size_of::<E>() {
            return Err(TypeError::Corrupted { type_name: E::TYPE_NAME });
        }
        // SAFETY: `dim` elements follow the header (checked above), aligned to 4, and live as long as `bytes`.
        let elements = unsafe { core::slice::from_raw_parts(start.add(HEADER_BYTES).cast(), dim) };
        Ok(Dense { elements, argument })
    }

    /// Arguments 0 and 1, with equal dimensions.
    #[inline]
    pub fn pair(call: Call<'fc>) -> Result<(Self, Self), TypeError> {
        let (a, b) = (Self::argument(call, 0)?, Self::argument(call, 1)?);
        if a.len() != b.len() {
            let (left, right) = (a.len(), b.len());
            return Err(TypeError::DifferentDimensions { type_name: E::TYPE_NAME, left, right });
        }
        Ok((a, b))
    }

    /// Frees the copy that detoasting made: for comparisons, which sorts call in one long-lived context.
    #[inline]
    pub fn free_copy(self) {
        // SAFETY: `elements` ends with `self`; `deref` lends it for no longer.
        unsafe { self.argument.free_copy() }
    }
}

impl<E> Deref for Dense<'_, E> {
    type Target = [E];

    #[inline]
    fn deref(&self) -> &[E] {
        self.elements
    }
}

/// A new vector to return: zero until written; a slice of its elements.
pub struct DenseBuf<'a, E> {
    datum: Datum,
    elements: &'a mut [E],
}

impl<E: Element> DenseBuf<'_, E> {
    /// `dim` zeros.
    ///
    /// # Errors
    /// If `dim` is not a legal number of dimensions.
    pub fn zeros(dim: usize) -> Result<Self, TypeError> {
        check_dim::<E>(dim)?;
        let (datum, bytes) = allocate_varlena(HEADER_BYTES + dim * size_of::<E>());
        let raw = bytes.as_mut_ptr();
        // SAFETY: the allocation is aligned to 8 and holds the header and `dim` elements; all-zero is a valid E.
        let elements = unsafe {
            (*raw.cast::<Header>()).dim = dim as i16;
            core::slice::from_raw_parts_mut(raw.add(HEADER_BYTES).cast(), dim)
        };
        Ok(DenseBuf { datum, elements })
    }

    /// A copy of `elements`.
    ///
    /// # Errors
    /// As [`zeros`](Self::zeros).
    pub fn copy_of(elements: &[E]) -> Result<Self, TypeError> {
        let mut new = Self::zeros(elements.len())?;
        new.copy_from_slice(elements);
        Ok(new)
    }

    /// The vector as a value to return.
    pub fn into_datum(self) -> Datum {
        self.datum
    }
}

impl<E> Deref for DenseBuf<'_, E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        self.elements
    }
}

impl<E> DerefMut for DenseBuf<'_, E> {
    fn deref_mut(&mut self) -> &mut [E] {
        self.elements
    }
}

/// Whether a vector may have `dim` dimensions.
pub fn check_dim<E: Element>(dim: usize) -> Result<(), TypeError> {
    match dim {
        0 => Err(TypeError::NoDimensions { type_name: E::TYPE_NAME }),
        1..=DIM_MAX => Ok(()),
        _ => Err(TypeError::TooManyDimensions { type_name: E::TYPE_NAME, limit: DIM_MAX }),
    }
}

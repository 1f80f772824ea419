//! Sparse vectors: `sparsevec`, the elements that are not zero and where they are.
//!
//! ```text
//! offset       size     field
//!      0       4        varlena length word
//!      4       4        dim        1..=1000000000
//!      8       4        count      0..=16000, of elements; at most dim
//!     12       4        reserved   zero
//!     16       4 count  indices    ascending, 0..dim
//!     16+4count 4 count values     float4, finite and not zero
//! ```
//!
//! Text counts indices from 1, everything else from 0. Storage is `external`. Identical to pgvector's type.

pub mod cast;
pub mod io;
pub mod ops;

use core::mem::{offset_of, size_of};

use pgrx::pg_sys::Datum;

use crate::error::TypeError;
use crate::pg::datum::{Call, Varlena, allocate_varlena};

/// The SQL type.
const TYPE_NAME: &str = "sparsevec";
/// Most dimensions.
const DIM_MAX: usize = 1_000_000_000;
/// Most elements that are not zero.
const COUNT_MAX: usize = 16_000;

#[repr(C)]
struct Header {
    vl_len: u32,
    dim: i32,
    count: i32,
    reserved: i32,
}

const HEADER_BYTES: usize = size_of::<Header>();
const ELEMENT_BYTES: usize = size_of::<i32>() + size_of::<f32>();
const _: () = assert!(HEADER_BYTES == 16 && offset_of!(Header, count) == 8);

/// A sparse vector argument, read in place.
///
/// Its lengths are consistent; that the indices ascend below `dim` is a promise of whoever stored it.
pub struct Sparse<'fc> {
    dim: usize,
    indices: &'fc [i32],
    values: &'fc [f32],
    argument: Varlena<'fc>,
}

impl<'fc> Sparse<'fc> {
    /// Argument `n` of `call`, declared `sparsevec`.
    pub fn argument(call: Call<'fc>, n: usize) -> Result<Self, TypeError> {
        let corrupted = TypeError::Corrupted { type_name: TYPE_NAME };
        let argument = call.varlena(n);
        let bytes = argument.bytes();
        if bytes.len() < HEADER_BYTES {
            return Err(corrupted);
        }
        let start = bytes.as_ptr();
        // SAFETY: the value has the header's bytes, and is aligned to 4.
        let Header { dim, count, .. } = unsafe { start.cast::<Header>().read() };
        let (Ok(dim), Ok(count)) = (usize::try_from(dim), usize::try_from(count)) else {
            return Err(corrupted);
        };
        if count > dim || bytes.len() != HEADER_BYTES + count * ELEMENT_BYTES {
            return Err(corrupted);
        }
        // SAFETY: `count` indices and then `count` values follow the header (checked above), aligned to 4; they
        // live as long as `bytes`.
        let (indices, values) = unsafe {
            let indices = start.add(HEADER_BYTES).cast::<i32>();
            let values = indices.add(count).cast();
            (core::slice::from_raw_parts(indices, count), core::slice::from_raw_parts(values, count))
        };
        Ok(Sparse { dim, indices, values, argument })
    }

    /// Arguments 0 and 1, with equal dimensions.
    pub fn pair(call: Call<'fc>) -> Result<(Self, Self), TypeError> {
        let (a, b) = (Self::argument(call, 0)?, Self::argument(call, 1)?);
        if a.dim != b.dim {
            let (left, right) = (a.dim, b.dim);
            return Err(TypeError::DifferentDimensions { type_name: TYPE_NAME, left, right });
        }
        Ok((a, b))
    }

    /// The elements: index and value.
    pub fn iter(&self) -> impl Iterator<Item = (i32, f32)> + Clone {
        self.indices.iter().copied().zip(self.values.iter().copied())
    }

    /// Frees the copy that detoasting made: for comparisons, which sorts call in one long-lived context.
    pub fn free_copy(self) {
        // SAFETY: `indices` and `values` end with `self`, and are lent for no longer outside of this module.
        unsafe { self.argument.free_copy() }
    }
}

/// A new sparse vector to return.
///
/// `elements` are index and value, by ascending index below `dim`; zeros are left out.
///
/// # Errors
/// If `dim` is not a legal number of dimensions, or too many elements are not zero.
pub fn new_sparse(
    dim: usize,
    elements: impl Iterator<Item = (i32, f32)> + Clone,
) -> Result<Datum, TypeError> {
    check_dim(dim)?;
    let elements = elements.filter(|&(_, value)| value != 0.0);
    let count = elements.clone().count();
    if count > COUNT_MAX {
        return Err(TypeError::TooManyElements { limit: COUNT_MAX });
    }
    let (datum, bytes) = allocate_varlena(HEADER_BYTES + count * ELEMENT_BYTES);
    let start = bytes.as_mut_ptr();
    // SAFETY: the allocation is aligned to 8 and holds the header, `count` indices and `count` values; all-zero is
    // valid for each.
    let (indices, values) = unsafe {
        let header = start.cast::<Header>();
        (*header).dim = dim as i32;
        (*header).count = count as i32;
        let indices = start.add(HEADER_BYTES).cast::<i32>();
        let values = indices.add(count).cast::<f32>();
        (core::slice::from_raw_parts_mut(indices, count), core::slice::from_raw_parts_mut(values, count))
    };
    for ((to_index, to_value), (index, value)) in indices.iter_mut().zip(values).zip(elements) {
        (*to_index, *to_value) = (index, value);
    }
    Ok(datum)
}

/// Whether a sparse vector may have `dim` dimensions.
fn check_dim(dim: usize) -> Result<(), TypeError> {
    match dim {
        0 => Err(TypeError::NoDimensions { type_name: TYPE_NAME }),
        1..=DIM_MAX => Ok(()),
        _ => Err(TypeError::TooManyDimensions { type_name: TYPE_NAME, limit: DIM_MAX }),
    }
}

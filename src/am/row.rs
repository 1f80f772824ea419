//! Values of indexed columns, as the page layer takes them. The layouts are those of the types in `types`.
#![deny(unsafe_code)]

use half::f16;
use half::slice::HalfFloatSliceExt;
use pages::row::{Element, Row, SparseRow};
use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::error::IndexError;
use crate::pg::detoast::Detoasted;

/// Bytes of the header of `vector` and `halfvec`: dimensions, a reserved field.
const DENSE_HEADER_BYTES: usize = 4;
/// Bytes of the header of `sparsevec`: dimensions, elements, a reserved field.
const SPARSE_HEADER_BYTES: usize = 12;

/// A value of an indexed column.
pub struct IndexedValue {
    detoasted: Detoasted,
    element: Element,
    dim: u32,
    /// `halfvec`: the numbers in float4.
    floats: Vec<f32>,
}

impl IndexedValue {
    /// `detoasted`: a value of the type of `element`.
    ///
    /// # Errors
    /// If its length and its contents disagree, or a number is not finite: no function makes such a value, and no page
    /// holds one.
    pub fn new(element: Element, detoasted: Detoasted) -> Result<Self, IndexError> {
        let bytes = detoasted.bytes();
        let mut floats = Vec::new();
        let dim = match element {
            Element::Float4 => slice_of::<f32>(bytes, DENSE_HEADER_BYTES).map(|x| x.len() as u32),
            Element::Float2 => slice_of::<u16>(bytes, DENSE_HEADER_BYTES).map(|halves| {
                floats.resize(halves.len(), 0.0);
                // The bits of a half are its type's layout.
                let halves: Vec<f16> = halves.iter().map(|&bits| f16::from_bits(bits)).collect();
                halves.convert_to_f32_slice(&mut floats);
                halves.len() as u32
            }),
            Element::Bit => word(bytes, 0).filter(|&dim| bytes.len() - 4 == dim.div_ceil(8) as usize),
            Element::Sparse => word(bytes, 0).filter(|&dim| sparse(bytes, dim).is_some()),
        };
        let dim = dim.ok_or(IndexError::CorruptedValue)?;
        let value = Self { detoasted, element, dim, floats };
        let is_finite = match value.row() {
            Row::Dense(values) => all_finite(values),
            Row::Sparse(row) => all_finite(row.values),
            Row::Bits(_) => true,
        };
        if is_finite { Ok(value) } else { Err(IndexError::CorruptedNumber) }
    }

    /// Number of dimensions.
    pub fn dim(&self) -> u32 {
        self.dim
    }

    /// The value for the page layer.
    pub fn row(&self) -> Row<'_> {
        let bytes = self.detoasted.bytes();
        match self.element {
            Element::Float4 => Row::Dense(slice_of(bytes, DENSE_HEADER_BYTES).unwrap_or_default()),
            Element::Float2 => Row::Dense(&self.floats),
            Element::Bit => Row::Bits(&bytes[4..]),
            Element::Sparse => {
                let none = SparseRow { indices: &[], values: &[] };
                Row::Sparse(sparse(bytes, self.dim).unwrap_or(none))
            }
        }
    }
}

/// Without an early end, so that it runs at the speed of memory.
fn all_finite(values: &[f32]) -> bool {
    values.iter().fold(true, |all, value| all & value.is_finite())
}

/// The elements behind a header of a dense vector whose dimensions agree with its length.
fn slice_of<T: FromBytes + Immutable + KnownLayout>(bytes: &[u8], header_bytes: usize) -> Option<&[T]> {
    let dim = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
    let elements = <[T]>::ref_from_bytes(bytes.get(header_bytes..)?).ok()?;
    (elements.len() == usize::from(dim)).then_some(elements)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A sparse vector of `dim` dimensions: indices ascend below `dim`.
fn sparse(bytes: &[u8], dim: u32) -> Option<SparseRow<'_>> {
    let count = word(bytes, 4)? as usize;
    let (indices, values) = bytes.get(SPARSE_HEADER_BYTES..)?.split_at_checked(count.checked_mul(4)?)?;
    let row = SparseRow {
        indices: <[u32]>::ref_from_bytes(indices).ok()?,
        values: <[f32]>::ref_from_bytes(values).ok()?,
    };
    let ascend = row.indices.windows(2).all(|pair| pair[0] < pair[1]);
    let is_sound = row.values.len() == count && ascend && row.indices.last().is_none_or(|&last| last < dim);
    is_sound.then_some(row)
}

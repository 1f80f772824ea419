//! Casts: to the same type (for its type modifier), from and to dense vectors, from arrays.
#![deny(unsafe_code)]

use pgrx::pg_sys::Datum;

use super::{Sparse, TYPE_NAME, check_dim, new_sparse};
use crate::error::TypeError;
use crate::pg::array::{Array, Numbers};
use crate::pg::datum::Call;
use crate::types::dense::cast::check_array;
use crate::types::dense::element::{Element, check_finite};
use crate::types::dense::{self, Dense, DenseBuf};
use crate::types::typmod;

/// `sparsevec(sparsevec, integer, boolean)`: the same vector, if it fits the type modifier.
pub fn to_typmod(call: Call) -> Result<Datum, TypeError> {
    typmod::check(call.i32(1), Sparse::argument(call, 0)?.dim)?;
    Ok(call.datum(0))
}

/// `array_to_sparsevec(anyarray, integer, boolean)` for integer, real, double precision and numeric arrays.
pub fn from_array(call: Call) -> Result<Datum, TypeError> {
    let array = Array::argument(call, 0);
    check_array(&array)?;
    check_dim(array.len())?;
    typmod::check(call.i32(1), array.len())?;
    let numbers = Numbers::of(&array).ok_or(TypeError::ArrayType)?;
    let sparse = new_sparse(array.len(), (0..).zip(numbers.iter()))?;
    numbers.iter().try_for_each(|value| check_finite(value, TYPE_NAME))?;
    Ok(sparse)
}

/// `T_to_sparsevec(T, integer, boolean)`.
pub fn from_dense<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let vector = Dense::<E>::argument(call, 0)?;
    typmod::check(call.i32(1), vector.len())?;
    new_sparse(vector.len(), (0..).zip(vector.iter().map(|element| element.to_f32())))
}

/// `sparsevec_to_T(sparsevec, integer, boolean)`: the elements rounded to the nearest of the other type.
pub fn to_dense<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let sparse = Sparse::argument(call, 0)?;
    dense::check_dim::<E>(sparse.dim)?;
    typmod::check(call.i32(1), sparse.dim)?;
    let mut dense = DenseBuf::<E>::zeros(sparse.dim)?;
    for (index, value) in sparse.iter() {
        let element = usize::try_from(index).ok().and_then(|index| dense.get_mut(index));
        *element.ok_or(TypeError::CorruptedIndex)? = E::convert(value)?;
    }
    Ok(dense.into_datum())
}

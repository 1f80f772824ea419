//! Casts: to the same type (for its type modifier), between dense types, from and to arrays.
#![deny(unsafe_code)]

use pgrx::pg_sys::Datum;

use super::element::Element;
use super::{Dense, DenseBuf, check_dim};
use crate::error::TypeError;
use crate::pg::array::{Array, Numbers, new_array};
use crate::pg::datum::Call;
use crate::types::typmod;

/// `T(T, integer, boolean)`: the same vector, if it fits the type modifier.
pub fn to_typmod<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let vector = Dense::<E>::argument(call, 0)?;
    typmod::check(call.i32(1), vector.len())?;
    Ok(call.datum(0))
}

/// `array_to_T(anyarray, integer, boolean)` for integer, real, double precision and numeric arrays.
pub fn from_array<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let array = Array::argument(call, 0);
    check_array(&array)?;
    check_dim::<E>(array.len())?;
    typmod::check(call.i32(1), array.len())?;
    let numbers = Numbers::of(&array).ok_or(TypeError::ArrayType)?;
    let mut vector = DenseBuf::<E>::zeros(array.len())?;
    for (element, value) in vector.iter_mut().zip(numbers.iter()) {
        *element = E::convert(value)?;
    }
    for element in vector.iter() {
        element.checked()?;
    }
    Ok(vector.into_datum())
}

/// Whether an array can be a vector.
pub fn check_array(array: &Array) -> Result<(), TypeError> {
    if array.ndim() > 1 {
        return Err(TypeError::ArrayDimensions);
    }
    if array.contains_nulls() {
        return Err(TypeError::ArrayNulls);
    }
    Ok(())
}

/// `A_to_B(A, integer, boolean)`: the elements rounded to the nearest of the other type.
pub fn to_dense<A: Element, B: Element>(call: Call) -> Result<Datum, TypeError> {
    let from = Dense::<A>::argument(call, 0)?;
    typmod::check(call.i32(1), from.len())?;
    let mut to = DenseBuf::<B>::zeros(from.len())?;
    for (to, from) in to.iter_mut().zip(from.iter()) {
        *to = B::convert(from.to_f32())?;
    }
    Ok(to.into_datum())
}

/// `T_to_float4(T, integer, boolean)`.
pub fn to_float4<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let vector = Dense::<E>::argument(call, 0)?;
    let (datum, values) = new_array::<f32>(vector.len());
    for (value, element) in values.iter_mut().zip(vector.iter()) {
        *value = element.to_f32();
    }
    Ok(datum)
}

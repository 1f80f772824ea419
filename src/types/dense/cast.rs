//! Casts: to the same type (for its type modifier), from and to arrays.
#![deny(unsafe_code)]

use pgrx::pg_sys::{self, Datum};

use super::element::Element;
use super::{Dense, DenseBuf, check_dim, check_typmod};
use crate::error::TypeError;
use crate::pg::array::{Array, new_array};
use crate::pg::datum::Call;

/// `T(T, integer, boolean)`: the same vector, if it fits the type modifier.
pub fn to_typmod<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let vector = Dense::<E>::argument(call, 0)?;
    check_typmod(call.i32(1), vector.len())?;
    Ok(call.datum(0))
}

/// `array_to_T(anyarray, integer, boolean)` for integer, real, double precision and numeric arrays.
pub fn from_array<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let array = Array::argument(call, 0);
    if array.ndim() > 1 {
        return Err(TypeError::ArrayDimensions);
    }
    if array.contains_nulls() {
        return Err(TypeError::ArrayNulls);
    }
    check_dim::<E>(array.len())?;
    check_typmod(call.i32(1), array.len())?;
    let mut vector = DenseBuf::<E>::zeros(array.len())?;
    if let Some(values) = array.elements::<f32>() {
        fill(&mut vector, values, E::from_f32)?;
    } else if let Some(values) = array.elements::<f64>() {
        fill(&mut vector, values, E::from_f64)?;
    } else if let Some(values) = array.elements::<i32>() {
        fill(&mut vector, values, |value| E::from_f64(f64::from(value)))?;
    } else if array.element_type() == pg_sys::NUMERICOID {
        fill(&mut vector, &array.numeric_to_f32(), E::from_f32)?;
    } else {
        return Err(TypeError::ArrayType);
    }
    Ok(vector.into_datum())
}

fn fill<E: Element, T: Copy>(
    vector: &mut [E],
    values: &[T],
    convert: impl Fn(T) -> E,
) -> Result<(), TypeError> {
    for (element, &value) in vector.iter_mut().zip(values) {
        *element = convert(value).checked()?;
    }
    Ok(())
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

//! Distances, arithmetic, comparison.
//!
//! Two vectors of different dimensions have no distance and no sum: an error. They do have an order, like
//! arrays: element by element, then by length.
#![deny(unsafe_code)]

use core::cmp::Ordering;
use core::f64::consts::PI;

use pgrx::pg_sys::Datum;

use super::element::Element;
use super::{DIM_MAX, Dense, DenseBuf};
use crate::error::TypeError;
use crate::pg::bits::BitString;
use crate::pg::datum::Call;

/// Euclidean distance.
pub fn l2_distance<E: Element>(call: Call) -> Result<f64, TypeError> {
    Ok(l2_squared_distance::<E>(call)?.sqrt())
}

/// The square of the Euclidean distance.
pub fn l2_squared_distance<E: Element>(call: Call) -> Result<f64, TypeError> {
    let (a, b) = Dense::<E>::pair(call)?;
    Ok(f64::from(E::l2_squared(&a, &b)))
}

/// Inner product.
pub fn inner_product<E: Element>(call: Call) -> Result<f64, TypeError> {
    let (a, b) = Dense::<E>::pair(call)?;
    Ok(f64::from(E::inner_product(&a, &b)))
}

/// Inner product, negated: smaller is nearer.
pub fn negative_inner_product<E: Element>(call: Call) -> Result<f64, TypeError> {
    Ok(-inner_product::<E>(call)?)
}

/// 1 - cosine of the angle, 0 to 2; NaN for zero vectors and where a norm overflows.
pub fn cosine_distance<E: Element>(call: Call) -> Result<f64, TypeError> {
    let (a, b) = Dense::<E>::pair(call)?;
    let (product, norm_a, norm_b) = E::cosine_parts(&a, &b);
    // The root of the product and not the product of the roots: exact for a vector and itself.
    let similarity = f64::from(product) / (f64::from(norm_a) * f64::from(norm_b)).sqrt();
    Ok(1.0 - similarity.clamp(-1.0, 1.0))
}

/// Angle between unit vectors, in half turns: for k-means on the sphere.
pub fn spherical_distance<E: Element>(call: Call) -> Result<f64, TypeError> {
    Ok(inner_product::<E>(call)?.clamp(-1.0, 1.0).acos() / PI)
}

/// Taxicab distance.
pub fn l1_distance<E: Element>(call: Call) -> Result<f64, TypeError> {
    let (a, b) = Dense::<E>::pair(call)?;
    Ok(f64::from(E::l1(&a, &b)))
}

/// Number of dimensions.
pub fn dims<E: Element>(call: Call) -> Result<i32, TypeError> {
    Ok(Dense::<E>::argument(call, 0)?.len() as i32)
}

/// Euclidean norm, accumulated in double precision.
pub fn norm<E: Element>(call: Call) -> Result<f64, TypeError> {
    Ok(norm_of(&Dense::<E>::argument(call, 0)?))
}

fn norm_of<E: Element>(elements: &[E]) -> f64 {
    let square = |&element: &E| {
        let value: f64 = element.into();
        value * value
    };
    elements.iter().map(square).sum::<f64>().sqrt()
}

/// The vector scaled to norm 1; zero stays zero.
pub fn normalize<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let vector = Dense::<E>::argument(call, 0)?;
    let norm = norm_of(&vector);
    let mut result = DenseBuf::<E>::zeros(vector.len())?;
    if norm > 0.0 {
        for (to, &from) in result.iter_mut().zip(vector.iter()) {
            let value: f64 = from.into();
            *to = finite(E::from_f32((value / norm) as f32))?;
        }
    }
    Ok(result.into_datum())
}

/// Element by element.
pub fn add<E: Element>(call: Call) -> Result<Datum, TypeError> {
    elementwise::<E>(call, |a, b| finite(E::from_f32(a.to_f32() + b.to_f32())))
}

/// Element by element.
pub fn sub<E: Element>(call: Call) -> Result<Datum, TypeError> {
    elementwise::<E>(call, |a, b| finite(E::from_f32(a.to_f32() - b.to_f32())))
}

/// Element by element; a product of numbers other than 0 that rounds to 0 is an error.
pub fn mul<E: Element>(call: Call) -> Result<Datum, TypeError> {
    elementwise::<E>(call, |a, b| {
        let (a, b) = (a.to_f32(), b.to_f32());
        let product = finite(E::from_f32(a * b))?;
        if product.to_f32() == 0.0 && a != 0.0 && b != 0.0 {
            return Err(TypeError::Underflow);
        }
        Ok(product)
    })
}

fn elementwise<E: Element>(
    call: Call,
    operation: impl Fn(E, E) -> Result<E, TypeError>,
) -> Result<Datum, TypeError> {
    let (a, b) = Dense::<E>::pair(call)?;
    let mut result = DenseBuf::<E>::zeros(a.len())?;
    for (result, (&a, &b)) in result.iter_mut().zip(a.iter().zip(b.iter())) {
        *result = operation(a, b)?;
    }
    Ok(result.into_datum())
}

fn finite<E: Element>(value: E) -> Result<E, TypeError> {
    if value.to_f32().is_infinite() { Err(TypeError::Overflow) } else { Ok(value) }
}

/// One after the other.
pub fn concat<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let (a, b) = (Dense::<E>::argument(call, 0)?, Dense::<E>::argument(call, 1)?);
    let mut result = DenseBuf::<E>::zeros(a.len() + b.len())?;
    result[..a.len()].copy_from_slice(&a);
    result[a.len()..].copy_from_slice(&b);
    Ok(result.into_datum())
}

/// One bit per element: whether it is positive.
pub fn binary_quantize<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let vector = Dense::<E>::argument(call, 0)?;
    let mut bits = BitString::zeros(vector.len());
    for (i, element) in vector.iter().enumerate() {
        if element.to_f32() > 0.0 {
            bits.set(i);
        }
    }
    Ok(bits.into_datum())
}

/// `count` elements from `start`, counted from 1; what lies outside of the vector is left out.
pub fn subvector<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let vector = Dense::<E>::argument(call, 0)?;
    let (start, count) = (i64::from(call.i32(1)), i64::from(call.i32(2)));
    let within = |position: i64| position.clamp(0, DIM_MAX as i64) as usize;
    let first = within(start - 1);
    let end = within(start - 1 + count).min(vector.len());
    let part = vector.get(first..end).unwrap_or(&[]);
    Ok(DenseBuf::copy_of(part)?.into_datum())
}

/// The order of arguments 0 and 1. -0 and 0 are equal; NaN does not occur.
#[inline]
pub fn compare<E: Element>(call: Call) -> Result<Ordering, TypeError> {
    let (a, b) = (Dense::<E>::argument(call, 0)?, Dense::<E>::argument(call, 1)?);
    let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    a.free_copy();
    b.free_copy();
    Ok(order)
}

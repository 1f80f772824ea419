//! Distances, norm, comparison.
//!
//! Sums are `f32`, by ascending index, so that they overflow to infinity where pgvector's do.
#![deny(unsafe_code)]

use core::cmp::Ordering;

use pgrx::pg_sys::Datum;

use super::{Sparse, new_sparse};
use crate::error::TypeError;
use crate::pg::datum::Call;

/// Euclidean distance.
pub fn l2_distance(call: Call) -> Result<f64, TypeError> {
    Ok(l2_squared_distance(call)?.sqrt())
}

/// The square of the Euclidean distance.
pub fn l2_squared_distance(call: Call) -> Result<f64, TypeError> {
    distance(call, |a, b| (a - b) * (a - b))
}

/// Inner product.
pub fn inner_product(call: Call) -> Result<f64, TypeError> {
    distance(call, |a, b| a * b)
}

/// Inner product, negated: smaller is nearer.
pub fn negative_inner_product(call: Call) -> Result<f64, TypeError> {
    Ok(-inner_product(call)?)
}

/// Taxicab distance.
pub fn l1_distance(call: Call) -> Result<f64, TypeError> {
    distance(call, |a, b| (a - b).abs())
}

/// 1 - cosine of the angle, 0 to 2; NaN for zero vectors and where a norm overflows.
pub fn cosine_distance(call: Call) -> Result<f64, TypeError> {
    let (a, b) = Sparse::pair(call)?;
    let product = f64::from(sum(&a, &b, |a, b| a * b));
    let squares = |values: &[f32]| f64::from(values.iter().fold(0.0, |sum, value| sum + value * value));
    let similarity = product / (squares(a.values) * squares(b.values)).sqrt();
    Ok(1.0 - similarity.clamp(-1.0, 1.0))
}

fn distance(call: Call, term: impl Fn(f32, f32) -> f32) -> Result<f64, TypeError> {
    let (a, b) = Sparse::pair(call)?;
    Ok(f64::from(sum(&a, &b, term)))
}

/// The sum of `term` over the dimensions where `a` or `b` is not zero.
fn sum(a: &Sparse, b: &Sparse, term: impl Fn(f32, f32) -> f32) -> f32 {
    let (mut i, mut j) = (0, 0);
    let mut sum = 0.0;
    while i < a.indices.len() && j < b.indices.len() {
        let order = a.indices[i].cmp(&b.indices[j]);
        let left = if order.is_le() { a.values[i] } else { 0.0 };
        let right = if order.is_ge() { b.values[j] } else { 0.0 };
        sum += term(left, right);
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
    let rest = a.values[i..].iter().map(|&left| term(left, 0.0));
    rest.chain(b.values[j..].iter().map(|&right| term(0.0, right))).fold(sum, |sum, term| sum + term)
}

/// Euclidean norm, accumulated in double precision.
pub fn norm(call: Call) -> Result<f64, TypeError> {
    Ok(norm_of(&Sparse::argument(call, 0)?))
}

fn norm_of(vector: &Sparse) -> f64 {
    // Not `sum`, whose sum of nothing is -0.
    vector.values.iter().fold(0.0, |sum, &value| sum + f64::from(value) * f64::from(value)).sqrt()
}

/// The vector scaled to norm 1, without what rounds to zero; zero stays zero.
pub fn normalize(call: Call) -> Result<Datum, TypeError> {
    let vector = Sparse::argument(call, 0)?;
    let norm = norm_of(&vector);
    let scaled = vector.iter().map(|(index, value)| (index, (f64::from(value) / norm) as f32));
    if scaled.clone().any(|(_, value)| value.is_infinite()) {
        return Err(TypeError::Overflow);
    }
    new_sparse(vector.dim, scaled)
}

/// The order of arguments 0 and 1: that of the dense vectors with the same elements.
pub fn compare(call: Call) -> Result<Ordering, TypeError> {
    let (a, b) = (Sparse::argument(call, 0)?, Sparse::argument(call, 1)?);
    let order = order(&a, &b);
    a.free_copy();
    b.free_copy();
    Ok(order)
}

fn order(a: &Sparse, b: &Sparse) -> Ordering {
    for ((index_a, a), (index_b, b)) in a.iter().zip(b.iter()) {
        let (a, b) = match index_a.cmp(&index_b) {
            Ordering::Less => (a, 0.0),
            Ordering::Greater => (0.0, b),
            Ordering::Equal => (a, b),
        };
        match a.partial_cmp(&b) {
            None | Some(Ordering::Equal) => {}
            Some(order) => return order,
        }
    }
    // One has more elements. The first of them is compared with the other's zero, if the other is that long.
    let common = a.indices.len().min(b.indices.len());
    let beyond = |longer: &Sparse, other: &Sparse| {
        let index = usize::try_from(*longer.indices.get(common)?).ok()?;
        (index < other.dim).then(|| longer.values[common].total_cmp(&0.0))
    };
    beyond(a, b).or_else(|| beyond(b, a).map(Ordering::reverse)).unwrap_or_else(|| a.dim.cmp(&b.dim))
}

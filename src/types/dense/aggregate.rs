//! `avg`: the state is `double precision[]`, first the count, then the sum of every element.
//!
//! A state without sums (`{0}`) is the average of nothing. `sum` needs nothing of its own: it adds vectors.

use pgrx::pg_sys::Datum;

use super::element::Element;
use super::{DIM_MAX, Dense, DenseBuf};
use crate::error::TypeError;
use crate::pg::array::{Array, new_array};
use crate::pg::datum::Call;
use crate::types::typmod;

/// `accum(double precision[], T)`: the state with one more vector.
pub fn accumulate<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let state = Array::argument(call, 0);
    let sums = state_values::<E>(&state, E::ACCUM)?;
    let vector = Dense::<E>::argument(call, 1)?;
    if sums.len() == 1 {
        let (datum, new) = new_array::<f64>(vector.len() + 1);
        new[0] = sums[0] + 1.0;
        for (sum, &element) in new[1..].iter_mut().zip(vector.iter()) {
            *sum = element.into();
        }
        return Ok(datum);
    }
    typmod::check((sums.len() - 1) as i32, vector.len())?;
    if call.is_aggregate() {
        // In place, as core's float8_accum: copying the state would cost more than adding.
        // SAFETY: the state of an aggregate belongs to the aggregate alone, `sums` is not used again.
        let sums =
            unsafe { state.elements_mut::<f64>() }.ok_or(TypeError::StateArray { function: E::ACCUM })?;
        add_vector(sums, &vector)?;
        return Ok(state.into_datum());
    }
    let (datum, new) = new_array::<f64>(sums.len());
    new.copy_from_slice(sums);
    add_vector(new, &vector)?;
    Ok(datum)
}

fn add_vector<E: Element>(state: &mut [f64], vector: &[E]) -> Result<(), TypeError> {
    state[0] += 1.0;
    for (sum, &element) in state[1..].iter_mut().zip(vector) {
        *sum = finite(*sum + element.into())?;
    }
    Ok(())
}

/// `combine(double precision[], double precision[])`: the state of both, for parallel plans. One function for all
/// types, as pgvector has it.
pub fn combine(call: Call) -> Result<Datum, TypeError> {
    let (a, b) = (Array::argument(call, 0), Array::argument(call, 1));
    let read = |state| state_values::<f32>(state, "vector_combine");
    let (a, b) = (read(&a)?, read(&b)?);
    // A state without sums, whatever it counts, adds none.
    let (sums, others) = if a.len() == 1 { (b, a) } else { (a, b) };
    if others.len() > 1 {
        typmod::check((a.len() - 1) as i32, b.len() - 1)?;
    }
    let (datum, new) = new_array::<f64>(sums.len());
    new.copy_from_slice(sums);
    new[0] += others[0];
    for (sum, &other) in new[1..].iter_mut().zip(&others[1..]) {
        *sum = finite(*sum + other)?;
    }
    Ok(datum)
}

/// `avg(double precision[])`: the average; NULL for that of nothing.
pub fn average<E: Element>(call: Call) -> Result<Option<Datum>, TypeError> {
    let state = Array::argument(call, 0);
    let values = state_values::<E>(&state, E::AVG)?;
    let count = values[0];
    if count == 0.0 {
        return Ok(None);
    }
    let mut vector = DenseBuf::<E>::zeros(values.len() - 1)?;
    for (element, sum) in vector.iter_mut().zip(&values[1..]) {
        *element = E::convert((sum / count) as f32)?.checked()?;
    }
    Ok(Some(vector.into_datum()))
}

/// The values of a state, at least the count; the state may come from a user.
fn state_values<'fc, E: Element>(
    state: &Array<'fc>,
    function: &'static str,
) -> Result<&'fc [f64], TypeError> {
    let not_a_state = || TypeError::StateArray { function };
    if state.has_null_bitmap() {
        return Err(not_a_state());
    }
    let values = state.elements::<f64>().filter(|values| !values.is_empty()).ok_or_else(not_a_state)?;
    if values.len() > DIM_MAX + 1 {
        return Err(TypeError::TooManyDimensions { type_name: E::TYPE_NAME, limit: DIM_MAX });
    }
    Ok(values)
}

fn finite(value: f64) -> Result<f64, TypeError> {
    if value.is_infinite() { Err(TypeError::Overflow) } else { Ok(value) }
}

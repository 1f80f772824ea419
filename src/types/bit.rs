//! Distances between bit strings, PostgreSQL's own type `bit`.
#![deny(unsafe_code)]

use kernels::Kernels;

use crate::error::TypeError;
use crate::pg::bits::Bits;
use crate::pg::datum::Call;

/// Number of bits that differ.
pub fn hamming_distance(call: Call) -> Result<f64, TypeError> {
    let (a, b) = pair(call)?;
    Ok(Kernels::get().hamming(a, b) as f64)
}

/// The share of the bits set in either that is not set in both; 1 when no bit is set in both.
pub fn jaccard_distance(call: Call) -> Result<f64, TypeError> {
    let (a, b) = pair(call)?;
    let (both, either) = Kernels::get().jaccard_parts(a, b);
    Ok(if both == 0 { 1.0 } else { 1.0 - both as f64 / either as f64 })
}

/// Arguments 0 and 1, of equal length.
fn pair(call: Call<'_>) -> Result<(&[u8], &[u8]), TypeError> {
    let (a, b) = (Bits::argument(call, 0)?, Bits::argument(call, 1)?);
    if a.len() != b.len() {
        return Err(TypeError::DifferentBitLengths { left: a.len(), right: b.len() });
    }
    Ok((a.bytes(), b.bytes()))
}

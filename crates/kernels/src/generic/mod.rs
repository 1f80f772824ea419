//! The algorithms, each written once over `S: Simd`.
//!
//! Everything here is `#[inline(always)]`: it becomes part of the one function per cell that is
//! compiled with the target features of its instruction set.

pub(crate) mod bits;
pub(crate) mod encode;
pub(crate) mod fastscan;
pub(crate) mod hadamard;
pub(crate) mod lut;
pub(crate) mod reduce;
pub(crate) mod rows;

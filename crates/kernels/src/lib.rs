//! Distances and transforms of vectors, for every instruction set.
//!
//! [`Kernels::get`] returns the kernels of the best instruction set this CPU has; its methods are the
//! whole interface, safe, and panic on lengths that do not fit together. `table` is the grid of kernels
//! by instruction set, `generic` the algorithms, `arch` the instruction sets; [`mod@reference`] says what
//! each kernel computes, and the grid test compares every cell with it.
//!
//! Bytes of codes are little-endian. Nothing here allocates, except [`Kernels::available`].

mod arch;
pub mod block;
mod block_select;
#[cfg(target_arch = "x86_64")]
mod block_x86;
mod coded;
mod generic;
pub mod reference;
mod table;

pub use coded::{Coded, Encoding};
pub use table::{Isa, Kernels};

/// What turns the sums of a FastScan into estimates; see [`Kernels::estimates`].
#[derive(Clone, Copy, Debug)]
pub struct Estimate<'a> {
    /// Per lane, what is added: bfloat16, 2 little-endian bytes each.
    pub add: &'a [u8],
    /// Per lane, what the inner product is multiplied by: bfloat16, 2 little-endian bytes each.
    pub mul: &'a [u8],
    /// Number of lanes: 8, 16, 24 or 32.
    pub lanes: usize,
    /// What all lanes add.
    pub base: f32,
    /// Inner product per unit of a sum.
    pub lut_scale: f32,
    /// Inner product of a sum of zero.
    pub lut_bias: f32,
}

//! Distances and blocks of distances, for every instruction set.

pub mod block;
mod block_select;
#[cfg(target_arch = "x86_64")]
mod block_x86;

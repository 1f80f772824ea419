//! A random rotation without a matrix: the fast Hadamard transform with a Kac walk.
//!
//! Four rounds of random signs, an orthonormal Hadamard transform of the first (even rounds) or last
//! (odd rounds) power of two coordinates, and a step by pi/4 between the two halves, so that dimensions
//! other than powers of two are mixed too. Orthogonal by construction; O(dim log dim); only the seed is
//! stored. The arithmetic is the same on every instruction set, bit for bit.

use kernels::Kernels;

/// The signs of four rounds are dim / 2 bytes: dim / 64 words of 64 bits for each round.
const WORDS_PER_64_DIMS: usize = 4;

/// `dim` rounded up to a multiple of 64, the dimensions a rotation works on.
pub fn padded_dim(dim: usize) -> usize {
    dim.next_multiple_of(64)
}

/// An orthogonal map, the same for the same dimension and seed on every machine.
#[derive(Clone, Debug)]
pub struct Rotation {
    dim: usize,
    /// Empty for the identity.
    signs: Vec<u8>,
}

impl Rotation {
    /// The rotation of a seed.
    ///
    /// # Panics
    /// If `dim_padded` is not a positive multiple of 64.
    pub fn new(dim_padded: usize, seed: u64) -> Self {
        assert!(dim_padded > 0 && dim_padded.is_multiple_of(64), "dimensions are not a multiple of 64");
        let mut state = seed;
        let words = dim_padded / 64 * WORDS_PER_64_DIMS;
        let signs = (0..words).flat_map(|_| split_mix(&mut state).to_le_bytes()).collect();
        Self { dim: dim_padded, signs }
    }

    /// The map that changes nothing, for metrics a rotation would not preserve.
    pub fn identity(dim: usize) -> Self {
        Self { dim, signs: Vec::new() }
    }

    /// The dimensions of the vectors it works on.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Rotates in place.
    ///
    /// # Panics
    /// If `x` has other dimensions.
    pub fn rotate(&self, x: &mut [f32]) {
        assert_eq!(x.len(), self.dim, "vector of another dimension");
        if !self.signs.is_empty() {
            Kernels::get().rotate(x, &self.signs);
        }
    }

    /// Undoes [`Rotation::rotate`], up to rounding.
    ///
    /// # Panics
    /// If `x` has other dimensions.
    pub fn inverse(&self, x: &mut [f32]) {
        assert_eq!(x.len(), self.dim, "vector of another dimension");
        if !self.signs.is_empty() {
            Kernels::get().rotate_back(x, &self.signs);
        }
    }
}

/// The next output of SplitMix64 (Steele, Lea and Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

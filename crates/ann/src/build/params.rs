//! What the caller asks for, and what the phases make of it.

use super::leaders::LEADERS_MAX;
use super::near::{LEAF_MAX, ROWS_AT_ONCE};

/// Options of a build.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Largest number of neighbours of a row, 8 to 200 (2 m).
    pub max_degree: usize,
    /// Effort, 4 to 1000, 64 by default: candidates and overlap grow with its square root.
    ///
    /// | `ef_construction` | leaves of a row (first x second division) | near candidates at degree 32 |
    /// |---|---|---|
    /// | 4 | 3 x 2 | 48 |
    /// | 16 | 5 x 2 | 48 |
    /// | 64 | 10 x 2 | 64 |
    /// | 128 | 14 x 2 | 96 |
    /// | 256 | 20 x 3 | 128 |
    /// | 1000 | 24 x 3 | 192 |
    pub ef_construction: usize,
    /// Every random choice is a hash of this.
    pub seed: u64,
    /// Wanted number of routing seeds; at least one is chosen.
    pub seeds: usize,
}

/// Far candidates kept of each sampling ratio.
pub(super) const FAR: usize = 8;

/// Candidates of one row that are pruned at once after mirroring.
pub(super) const MIRRORED_MAX: usize = 128;

/// The numbers the phases work with.
#[derive(Clone, Debug)]
pub(super) struct Effort {
    /// Largest number of neighbours.
    pub degree: usize,
    /// Leaders a row goes to, in the first and the second division; one in later ones.
    pub fan_out: [usize; 2],
    /// Nearest candidates kept for each row; not less than `degree`.
    pub near: usize,
    /// Candidates a row takes from one leaf.
    pub per_leaf: usize,
}

impl Effort {
    pub fn new(params: &Params) -> Self {
        let degree = params.max_degree.clamp(8, 200);
        let ef_construction = params.ef_construction.clamp(4, 1000);
        let factor = (ef_construction as f64 / 64.0).sqrt();
        let first = ((10.0 * factor).round() as usize).clamp(3, 24);
        let second = if ef_construction < 200 { 2 } else { 3 };
        let near = ((64.0 * factor).round() as usize).clamp(24, 192).max(degree * 3 / 2);
        let near = near.next_multiple_of(16);
        let per_leaf = (near * 12 / 64).max(12);
        Self { degree, fan_out: [first, second], near, per_leaf }
    }

    /// Candidates a row can have at once, in any phase.
    pub fn candidates_max(&self) -> usize {
        (self.near + 2 * FAR).max(MIRRORED_MAX).max(self.degree + MIRRORED_MAX)
    }
}

/// Threads whose private memory [`working_bytes`] counts.
const THREADS_COUNTED: u64 = 8;

/// Upper bound of the memory that [`super::build`] allocates besides its input, for at most 8 threads.
pub fn working_bytes(count: usize, dim: usize, params: &Params) -> u64 {
    let effort = Effort::new(params);
    let [count, dim, degree, near] = [count, dim, effort.degree, effort.near].map(|x| x as u64);
    let leaves = effort.fan_out.iter().product::<usize>() as u64;
    // Codes in order, reservoirs, positions of the result.
    let kept = dim + 8 * near + 16;
    // Member lists of the divisions: one level whole, the ones below in flight.
    let dividing = 4 * effort.fan_out[0] as u64 + 4 * leaves + 8;
    let far = 16 * FAR as u64 + 16;
    let mirroring = 8 * degree + 24;
    let finishing = 8 * degree + 32;
    let row = kept + (dividing + far).max(mirroring).max(finishing);
    let (leaf, leaders) = (LEAF_MAX as u64, LEADERS_MAX as u64);
    let thread = leaf * (dim + 64) + ROWS_AT_ONCE as u64 * leaf * 4 + 2 * leaders * dim;
    count * row + THREADS_COUNTED * thread + (1 << 20)
}

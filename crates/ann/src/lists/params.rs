//! What the caller asks for, and the memory that it takes.

use super::assign::BATCH_ROWS;
use super::pass::NEIGHBORS;

/// Options of [`super::train`].
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Wanted number of lists; one at least. There are fewer when there are fewer distinct rows.
    pub lists: usize,
    /// Every random choice is a hash of this.
    pub seed: u64,
}

impl Params {
    /// Groups of near lists.
    pub(super) fn groups(&self) -> usize {
        (self.lists as f64).sqrt().ceil().max(1.0) as usize
    }
}

/// Threads whose private memory [`working_bytes`] counts.
const THREADS_COUNTED: u64 = 8;

/// Upper bound of the memory that [`super::train`] allocates besides its input, for at most 8 threads.
pub fn working_bytes(count: usize, dim: usize, params: &Params) -> u64 {
    let lists = params.lists.clamp(1, count.max(1)) as u64;
    let (count, dim) = (count as u64, dim as u64);
    // Hashes of rows and groups of identical ones; the rows' lists and the lists' rows need less. And what their
    // distances have in common.
    let row = 48 + 16;
    // Centroids before and after a pass, the ones being arranged, int8 ones, loose and packed, and near ones.
    let list = 16 * dim + 256 + 8 * NEIGHBORS as u64;
    // Visits of groups; near lists, packed; distances.
    let thread = BATCH_ROWS as u64 * 128 + NEIGHBORS as u64 * dim + (lists + 4096) * 24 * 4;
    count * row + lists * list + THREADS_COUNTED * thread + (1 << 20)
}

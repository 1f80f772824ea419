//! Lists: rows by their nearest centroid.
//!
//! [`train`] finds centroids by k-means on two levels: groups first, then the lists of each group, then passes
//! over all lists in which a row sees only the lists of its nearest groups. [`Assigner`] gives rows to lists the
//! same way. A row costs about the square root of the number of lists, and a few percent of the rows end
//! up in a list that is not quite the nearest.
//!
//! Invariants: equal input gives equal centroids, whatever the number of threads, because distances and sums are
//! integers and all choices come from hashes of the seed. No list of the result is without rows of the input.
//! Identical rows are one row with a weight, so they cannot hold more than one list.
//!
//! Threads: the caller's rayon pool. Nothing here calls PostgreSQL or panics on data.

mod assign;
mod centroids;
mod means;
mod params;
mod refine;

#[cfg(test)]
mod tests;

pub use assign::{Assigner, Nearest};
pub use centroids::Centroids;
pub use means::train;
pub use params::{Params, working_bytes};

//! Lists: rows by their nearest centroid.
//!
//! [`train`] finds centroids by k-means in which a row does not meet all centroids: these are arranged in groups
//! of near ones, and the row meets those of its nearest groups, as many as are about equally near. Once it has a
//! list, it meets the lists near to that, which are found by comparing all lists with each other in each step:
//! little beside the rows, of which a list has many. [`Assigner`] gives rows to lists by groups, too. A row costs
//! some multiple of the square root of the number of lists, and a few of a hundred rows end up in a list that is
//! not quite the nearest. First centroids are single rows. Finding them group by group, with a k-means in each, was
//! neither faster nor clearly better: a little worse on text embeddings, a little better on generated data.
//!
//! Invariants: equal input gives equal centroids, whatever the number of threads, because distances and sums are
//! integers and all choices come from hashes of the seed. No list of the result is without rows of the input.
//! Identical rows are one row with a weight, so they cannot hold more than one list.
//!
//! Threads: the caller's rayon pool. Nothing here calls PostgreSQL or panics on data.

mod assign;
mod centroids;
mod params;
mod pass;
mod train;

#[cfg(test)]
mod tests;

pub use assign::{Assigner, Nearest};
pub use centroids::Centroids;
pub use params::{Params, working_bytes};
pub use train::train;

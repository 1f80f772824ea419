//! Bulk build of a navigable graph by partition, not by insertion.
//!
//! Rows are arranged so that near rows get near positions, divided several times into overlapping leaves, and
//! in each leaf every row meets every other in one blocked product. Each row keeps its nearest candidates and
//! some far ones; the relative-neighbourhood rule thins them, edges are mirrored and thinned again, and what
//! no path from the seeds reaches is attached. After PiPNN (Rubel et al., arXiv 2602.21247) with these
//! differences: exact integer distances on int8 codes, sorted reservoirs of the nearest instead of hashed
//! ones, sampled far candidates, mirrored edges.
//!
//! Invariants: equal input gives an equal graph, whatever the number of threads, because every reservoir
//! holds the smallest of a fixed set and all choices come from hashes of the seed. No f32 copy of the data is
//! made. Identical rows are one row for the graph; the copies hang on it as a tree.
//!
//! Threads: the caller's rayon pool. Nothing here calls PostgreSQL or panics on data.

mod bulk;
mod connect;
mod control;
mod copies;
mod far;
mod leaders;
mod near;
mod order;
mod params;
mod partition;
mod prune;
mod reservoir;
mod reverse;
mod seeds;
mod walk;

#[cfg(test)]
mod tests;

pub use bulk::{FlatGraph, Rows, build};
pub use control::{BuildError, Control, Phase};
pub use kernels::block::Space;
pub use params::{Params, working_bytes};
pub use walk::best_first;

pub(crate) use copies::group;
pub use leaders::mix;
pub(crate) use leaders::{Clusters, Leaders, Training, sample};
pub(crate) use reservoir::Reservoirs;

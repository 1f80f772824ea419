//! Nearest-neighbour algorithms on abstract stores: they know neither pages nor PostgreSQL.
//!
//! [`mod@build`] makes a graph of int8 rows, [`lists`] divides them among centroids, [`search`] walks a graph that is
//! measured by a [`search::Graph`] (the store decides what a hop costs), [`recall`] finds exact neighbours to judge
//! them.
#![forbid(unsafe_code)]

pub mod build;
#[cfg(test)]
mod generated;
pub mod lists;
pub mod metric;
pub mod recall;
pub mod search;

pub use metric::Metric;

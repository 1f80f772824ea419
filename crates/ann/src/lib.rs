//! Nearest-neighbour algorithms on abstract stores: they know neither pages nor PostgreSQL.
//!
//! [`search`] walks a graph that is measured by a [`search::Graph`]; the store decides what a hop costs.
#![forbid(unsafe_code)]

pub mod metric;
pub mod search;

pub use metric::Metric;

//! The access methods.

pub mod hnsw;

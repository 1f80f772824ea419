//! The access methods.
//!
//! `hnsw` has everything; `ivfflat` is the same graph index under the name, the options and the settings that clients
//! of pgvector's second access method use. `method` tells them apart where they differ, `row` reads values.

pub mod hnsw;
pub mod ivfflat;
mod method;
mod row;

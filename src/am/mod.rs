//! The access methods.
//!
//! What they share is in `hnsw`: pending rows, flushes, merges, scans over whatever segments an index has. `ivf` has
//! what differs for the method of that name, and for `ivfflat`, which is the same under the name, the options and the
//! settings that clients of pgvector's second access method use. `method` tells them apart, `row` reads values,
//! `rerank` puts rows into exact order where an index keeps coarse codes only.

pub mod hnsw;
pub mod ivf;
pub mod method;
mod rerank;
mod row;

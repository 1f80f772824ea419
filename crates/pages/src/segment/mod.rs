//! Segments: written once in bulk, then only read, except for the dead marks of their TIDs.

pub mod build;
pub mod calibrate;
pub mod encode;
pub(crate) mod lists;
pub mod nodes;
pub mod read;
pub(crate) mod sampled;
pub mod stream;
pub mod union;
pub mod vectors;
pub mod write;

pub use read::{SegmentReader, SegmentState};
pub use union::{Probes, Union, UnionQuery};

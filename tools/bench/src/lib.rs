//! What the measuring programs share.
#![forbid(unsafe_code)]

pub mod dataset;
pub mod generated;
pub mod index;
pub mod measure;
pub mod random;

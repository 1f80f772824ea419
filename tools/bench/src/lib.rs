//! What the measuring programs share.
#![forbid(unsafe_code)]

pub mod dataset;
pub mod index;
pub mod measure;

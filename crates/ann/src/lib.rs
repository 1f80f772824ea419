//! Nearest-neighbour algorithms on abstract stores.
#![forbid(unsafe_code)]

pub mod build;
pub mod recall;

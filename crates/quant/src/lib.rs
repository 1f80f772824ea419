//! Vectors to codes, and distances from a query to codes.
//!
//! [`Rotation`] spreads a vector evenly over its coordinates; [`rabitq`] keeps one bit of each of them
//! and two numbers, enough for an unbiased estimate of a distance; [`self_code`] keeps 16, 8 or 4 bits
//! and a bound of what was lost, enough to order the last candidates and to know when to look at the
//! vector itself.

#![forbid(unsafe_code)]

pub mod rabitq;
pub mod rotation;
pub mod self_code;

pub use rotation::{Rotation, padded_dim};
pub use self_code::Encoding;

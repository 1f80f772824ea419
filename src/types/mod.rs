//! The SQL types and their functions.
//!
//! `dense` holds what dense types share, generic over the element; `sparse` and `bit` are one type each; `entry` lists
//! the C functions of all. The SQL side of each name is in `sql/parts`.

mod bit;
mod dense;
mod entry;
mod literal;
mod sparse;
mod typmod;

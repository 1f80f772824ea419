//! The SQL types and their functions.
//!
//! `dense` holds everything that dense types share, generic over the element; one file per SQL type lists
//! its C entry points. The SQL side of each name is in `sql/parts`.

mod dense;
mod vector;

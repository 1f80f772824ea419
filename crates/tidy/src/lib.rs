//! The rules of this repository, as tests: `cargo test -p tidy`.
//!
//! What Cargo, rustc and clippy can enforce is enforced there; this crate has the rest: which layer may name what,
//! how long files, functions and lines may be, that no file is left unused, and that FORMAT.md is what the code
//! prints.
#![forbid(unsafe_code)]

pub mod source;

#[cfg(test)]
mod tests;

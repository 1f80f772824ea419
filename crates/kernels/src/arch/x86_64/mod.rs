//! x86-64: 128-, 256- and 512-bit vectors.

/// An intrinsic that touches no memory, in a method of a `Simd` token.
macro_rules! cpu {
    ($intrinsic:expr) => {{
        // SAFETY: the token in scope exists only where its target features are present, and the
        // intrinsic works on registers alone.
        unsafe { $intrinsic }
    }};
}

pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod sse41;

//! Vectors out of datums, for code that handles many and frees each.

use pgrx::pg_sys::{self, Datum};

/// Bytes before the floats: varlena length, dimensions, a reserved field.
const HEADER_BYTES: usize = 8;

/// A vector's floats; a detoasted copy is freed on drop.
pub struct DetoastedVector {
    original: *mut pg_sys::varlena,
    plain: *mut pg_sys::varlena,
    dim: usize,
}

impl DetoastedVector {
    /// # Safety
    /// `datum` is a value of type `vector` that is not null and outlives the result.
    pub unsafe fn new(datum: Datum) -> Self {
        let original = datum.cast_mut_ptr::<pg_sys::varlena>();
        // SAFETY: by the contract; the detoasted value has a 4-byte length, and every vector has 8 bytes of header.
        unsafe {
            let plain = pg_sys::pg_detoast_datum(original);
            let stored = plain.cast::<u8>().add(4).cast::<u16>().read_unaligned();
            let floats = pgrx::varsize(plain).saturating_sub(HEADER_BYTES) / size_of::<f32>();
            Self { original, plain, dim: floats.min(usize::from(stored)) }
        }
    }

    /// The floats.
    pub fn as_slice(&self) -> &[f32] {
        // SAFETY: `dim` floats follow the header, inside the varlena's length; palloc aligns to 8.
        unsafe { std::slice::from_raw_parts(self.plain.cast::<u8>().add(HEADER_BYTES).cast(), self.dim) }
    }
}

impl Drop for DetoastedVector {
    fn drop(&mut self) {
        if self.plain != self.original && !std::thread::panicking() {
            // SAFETY: the copy was palloc'd by pg_detoast_datum and nothing else refers to it.
            unsafe { pg_sys::pfree(self.plain.cast()) }
        }
    }
}

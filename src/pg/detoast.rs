//! Values of varlena types, for code that handles many and frees each.

use pgrx::pg_sys::{self, Datum};

/// A value in one piece, with a 4-byte length word; a copy that detoasting made is freed on drop.
pub struct Detoasted {
    original: *mut pg_sys::varlena,
    plain: *mut pg_sys::varlena,
}

impl Detoasted {
    /// # Safety
    /// `datum` is a value of a varlena type that is not null and outlives the result.
    pub unsafe fn new(datum: Datum) -> Self {
        let original = datum.cast_mut_ptr::<pg_sys::varlena>();
        // SAFETY: by the contract.
        Self { original, plain: unsafe { pg_sys::pg_detoast_datum(original) } }
    }

    /// The bytes behind the length word; they start at a multiple of 4.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the value has as many bytes as its length word says, the word included.
        unsafe {
            let length = pgrx::varsize_4b(self.plain).saturating_sub(pg_sys::VARHDRSZ);
            std::slice::from_raw_parts(self.plain.cast::<u8>().add(pg_sys::VARHDRSZ), length)
        }
    }
}

impl Drop for Detoasted {
    fn drop(&mut self) {
        if self.plain != self.original && !std::thread::panicking() {
            // SAFETY: the copy was palloc'd by pg_detoast_datum and nothing else refers to it.
            unsafe { pg_sys::pfree(self.plain.cast()) }
        }
    }
}

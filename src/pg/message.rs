//! Binary messages from clients.

use core::marker::PhantomData;
use core::ptr::NonNull;

use pgrx::pg_sys;

use super::datum::Call;

/// Bytes before the contents of a `bytea` (VARHDRSZ).
pub const BYTEA_HEADER_BYTES: usize = pg_sys::VARHDRSZ;

/// The message that a binary input function reads. Reading past its end raises PostgreSQL's error.
pub struct Message<'fc> {
    raw: NonNull<pg_sys::StringInfoData>,
    lifetime: PhantomData<&'fc mut pg_sys::StringInfoData>,
}

impl<'fc> Message<'fc> {
    /// Argument `n` of `call`, declared `internal`: only PostgreSQL itself can call such a function.
    pub fn argument(call: Call<'fc>, n: usize) -> Self {
        let raw = NonNull::new(call.datum(n).cast_mut_ptr()).expect("a receive function gets a message");
        Message { raw, lifetime: PhantomData }
    }

    /// The next two bytes, big endian.
    pub fn i16(&mut self) -> i16 {
        // SAFETY: `raw` is the message that PostgreSQL passed to the running receive function.
        unsafe { pg_sys::pq_getmsgint(self.raw.as_ptr(), 2) as u16 as i16 }
    }

    /// The next four bytes, big endian.
    pub fn i32(&mut self) -> i32 {
        // SAFETY: as above.
        unsafe { pg_sys::pq_getmsgint(self.raw.as_ptr(), 4) as i32 }
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> &'fc [u8] {
        let length = i32::try_from(count).expect("vectors are short");
        // SAFETY: as above; the function returns `count` bytes inside the message, which lives for 'fc.
        unsafe {
            core::slice::from_raw_parts(pg_sys::pq_getmsgbytes(self.raw.as_ptr(), length).cast(), count)
        }
    }
}

//! Bit strings: PostgreSQL's `bit` and `bit varying`.

use core::mem::size_of;

use pgrx::pg_sys::Datum;

use super::datum::allocate_varlena;

/// Bytes before the bits: the length word of the varlena and the number of bits.
const HEADER_BYTES: usize = 2 * size_of::<i32>();

/// A new bit string to return.
pub struct BitString<'a> {
    datum: Datum,
    bits: &'a mut [u8],
}

impl BitString<'_> {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let (datum, bytes) = allocate_varlena(HEADER_BYTES + len.div_ceil(8));
        let (header, bits) = bytes.split_at_mut(HEADER_BYTES);
        let len = i32::try_from(len).expect("vectors are short");
        header[4..].copy_from_slice(&len.to_ne_bytes());
        BitString { datum, bits }
    }

    /// Sets bit `i`; bit 0 is the leftmost.
    pub fn set(&mut self, i: usize) {
        self.bits[i / 8] |= 0x80 >> (i % 8);
    }

    /// The bit string as a value to return.
    pub fn into_datum(self) -> Datum {
        self.datum
    }
}

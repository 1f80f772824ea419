//! Bit strings: PostgreSQL's `bit` and `bit varying`.

use core::mem::size_of;

use pgrx::pg_sys::Datum;

use super::datum::{Call, allocate_varlena};
use crate::error::TypeError;

/// Bytes before the bits: the length word of the varlena and the number of bits.
const HEADER_BYTES: usize = 2 * size_of::<i32>();

/// A bit string argument, read in place. The bits after the last of them are zero.
pub struct Bits<'fc> {
    len: usize,
    bytes: &'fc [u8],
}

impl<'fc> Bits<'fc> {
    /// Argument `n` of `call`, declared `bit` or `bit varying`.
    pub fn argument(call: Call<'fc>, n: usize) -> Result<Self, TypeError> {
        let corrupted = || TypeError::Corrupted { type_name: "bit" };
        let all = call.varlena(n).bytes();
        let (header, bytes) = all.split_first_chunk::<HEADER_BYTES>().ok_or_else(corrupted)?;
        let [_, _, _, _, len @ ..] = *header;
        let len = usize::try_from(i32::from_ne_bytes(len)).map_err(|_| corrupted())?;
        if bytes.len() != len.div_ceil(8) {
            return Err(corrupted());
        }
        Ok(Bits { len, bytes })
    }

    /// Number of bits.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bits, eight a byte, the leftmost in the highest place.
    pub fn bytes(&self) -> &'fc [u8] {
        self.bytes
    }
}

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

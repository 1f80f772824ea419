//! Text and binary input and output.
#![deny(unsafe_code)]

use core::mem::size_of;
use std::io::Write;

use pgrx::pg_sys::Datum;

use super::{COUNT_MAX, DIM_MAX, ELEMENT_BYTES, Sparse, TYPE_NAME, check_dim, new_sparse};
use crate::error::TypeError;
use crate::pg::datum::{Call, allocate, allocate_varlena};
use crate::pg::message::{BYTEA_HEADER_BYTES, Message};
use crate::pg::text::{F32_TEXT_BYTES, write_f32};
use crate::types::dense::element::check_finite;
use crate::types::literal::Scanner;
use crate::types::typmod;

/// Bytes of the longest index as text, be it negative, and of what precedes and follows it.
const INDEX_TEXT_BYTES: usize = 13;

/// `in(cstring, oid, integer)`: the vector that a text such as `{1:1.5,3:2}/5` means.
pub fn input(call: Call) -> Result<Datum, TypeError> {
    let mut text = Scanner::new(call.cstr(0), TYPE_NAME);
    let mut elements = parse_elements(&mut text)?;
    let dim = parse_dim(&mut text)?;
    check_dim(dim)?;
    typmod::check(call.i32(2), dim)?;
    elements.sort_by_key(|&(index, _)| index);
    check_indices(elements.iter().map(|&(index, _)| index), dim)?;
    new_sparse(dim, elements.iter().copied())
}

/// The elements that are not zero, as they come.
fn parse_elements(text: &mut Scanner) -> Result<Vec<(i32, f32)>, TypeError> {
    // Zeros count here, as they do for pgvector.
    let count = text.count(b',') + 1;
    if count > COUNT_MAX {
        return Err(TypeError::TooManyElements { limit: COUNT_MAX });
    }
    if !text.accept(b'{') {
        return Err(text.syntax_error(Some(c"Vector contents must start with \"{\".")));
    }
    let mut elements = Vec::with_capacity(count);
    if text.accept(b'}') {
        return Ok(elements);
    }
    loop {
        let index = text.integer()?;
        if !text.accept(b':') {
            return Err(text.syntax_error(None));
        }
        let value = parse_value(text)?;
        if value != 0.0 {
            // Saturates: what is out of range stays so.
            elements.push((index.saturating_sub(1), value));
        }
        if text.accept(b'}') {
            return Ok(elements);
        }
        if !text.accept(b',') {
            return Err(text.syntax_error(None));
        }
    }
}

/// One value. What is too small for a number other than 0 is an error here: it would not be stored.
fn parse_value(text: &mut Scanner) -> Result<f32, TypeError> {
    let (value, number) = text.number()?;
    let is_word = !number.iter().any(u8::is_ascii_digit);
    if (value.is_infinite() && !is_word) || (value == 0.0 && has_digit_other_than_zero(number)) {
        return Err(text.out_of_range(number));
    }
    check_finite(value, TYPE_NAME)?;
    Ok(value)
}

/// Whether a number's text, without its exponent, is anything but zeros.
fn has_digit_other_than_zero(number: &[u8]) -> bool {
    let (digits, exponent) = match number.iter().position(|byte| matches!(byte, b'x' | b'X')) {
        Some(prefix) => (&number[prefix + 1..], b"pP"),
        None => (number, b"eE"),
    };
    let mantissa = digits.iter().take_while(|byte| !exponent.contains(byte));
    mantissa.into_iter().any(|byte| byte.is_ascii_hexdigit() && *byte != b'0')
}

fn parse_dim(text: &mut Scanner) -> Result<usize, TypeError> {
    if !text.accept(b'/') {
        return Err(text.syntax_error(Some(c"Unexpected end of input.")));
    }
    let dim = text.integer()?;
    if text.next_token().is_some() {
        return Err(text.syntax_error(Some(c"Junk after closing.")));
    }
    Ok(usize::try_from(dim).unwrap_or(0))
}

/// Whether `indices` lie below `dim` and ascend.
fn check_indices(indices: impl Iterator<Item = i32>, dim: usize) -> Result<(), TypeError> {
    let mut last = None;
    for index in indices {
        if usize::try_from(index).map_or(true, |index| index >= dim) {
            return Err(TypeError::IndexOutOfBounds);
        }
        if last > Some(index) {
            return Err(TypeError::IndexOrder);
        }
        if last == Some(index) {
            return Err(TypeError::IndexDuplicate);
        }
        last = Some(index);
    }
    Ok(())
}

/// `out(sparsevec)`: the text that reads back as the same vector.
pub fn output(call: Call) -> Result<Datum, TypeError> {
    let vector = Sparse::argument(call, 0)?;
    // Per element an index and a value with what is between them; then "}/", the dimensions and NUL.
    let element = INDEX_TEXT_BYTES + F32_TEXT_BYTES;
    let text = allocate((vector.indices.len() + 2) * element);
    let mut length = 1;
    text[0] = b'{';
    for (index, value) in vector.iter() {
        let separator = if length == 1 { "" } else { "," };
        length += print(&mut text[length..], format_args!("{separator}{}:", i64::from(index) + 1));
        length += write_f32(value, &mut text[length..]);
    }
    print(&mut text[length..], format_args!("}}/{}\0", vector.dim));
    Ok(Datum::from(text.as_mut_ptr()))
}

/// Prints into `out` and returns the length. `out` is large enough.
fn print(mut out: &mut [u8], text: core::fmt::Arguments) -> usize {
    let room = out.len();
    out.write_fmt(text).expect("room for the text was allocated");
    room - out.len()
}

/// `typmod_in(cstring[])`.
pub fn typmod_in(call: Call) -> Result<i32, TypeError> {
    typmod::read(call, TYPE_NAME, DIM_MAX)
}

/// `recv(internal, oid, integer)`: from the wire, big endian: int32 dim, int32 count, int32 zero, the indices from 0,
/// the values.
pub fn receive(call: Call) -> Result<Datum, TypeError> {
    let mut message = Message::argument(call, 0);
    let (dim, count, reserved) = (message.i32(), message.i32(), message.i32());
    let dim = usize::try_from(dim).unwrap_or(0);
    check_dim(dim)?;
    let count = usize::try_from(count).map_err(|_| TypeError::NegativeElements)?;
    if count > COUNT_MAX {
        return Err(TypeError::TooManyElements { limit: COUNT_MAX });
    }
    if count > dim {
        return Err(TypeError::MoreElementsThanDimensions);
    }
    typmod::check(call.i32(2), dim)?;
    if reserved != 0 {
        return Err(TypeError::ReservedNotZero { value: reserved });
    }
    let (indices, _) = message.bytes(count * size_of::<i32>()).as_chunks();
    let indices = indices.iter().map(|&index| i32::from_be_bytes(index));
    check_indices(indices.clone(), dim)?;
    let (values, _) = message.bytes(count * size_of::<f32>()).as_chunks();
    let values = values.iter().map(|&value| f32::from_be_bytes(value));
    for value in values.clone() {
        check_finite(value, TYPE_NAME)?;
        if value == 0.0 {
            return Err(TypeError::ZeroElement);
        }
    }
    new_sparse(dim, indices.zip(values))
}

/// `send(sparsevec)`: to the wire, a `bytea`.
pub fn send(call: Call) -> Result<Datum, TypeError> {
    let vector = Sparse::argument(call, 0)?;
    let count = vector.indices.len();
    let (datum, bytes) = allocate_varlena(BYTEA_HEADER_BYTES + 3 * size_of::<i32>() + count * ELEMENT_BYTES);
    let header = [vector.dim as i32, count as i32, 0];
    let indices = header.iter().chain(vector.indices).map(|number| number.to_be_bytes());
    let fields = indices.chain(vector.values.iter().map(|value| value.to_be_bytes()));
    for (to, field) in bytes[BYTEA_HEADER_BYTES..].chunks_exact_mut(4).zip(fields) {
        to.copy_from_slice(&field);
    }
    Ok(datum)
}

//! Text and binary input and output.
#![deny(unsafe_code)]

use core::mem::size_of;

use pgrx::pg_sys::Datum;

use super::element::Element;
use super::{DIM_MAX, Dense, DenseBuf, check_dim};
use crate::error::TypeError;
use crate::pg::datum::{Call, allocate, allocate_varlena};
use crate::pg::message::{BYTEA_HEADER_BYTES, Message};
use crate::pg::text::{F32_TEXT_BYTES, write_f32};
use crate::types::literal::Scanner;
use crate::types::typmod;

/// `in(cstring, oid, integer)`: the vector that a text such as `[1,2,3]` means.
pub fn input<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let elements = parse::<E>(&mut Scanner::new(call.cstr(0), E::TYPE_NAME))?;
    typmod::check(call.i32(2), elements.len())?;
    Ok(DenseBuf::copy_of(&elements)?.into_datum())
}

fn parse<E: Element>(text: &mut Scanner) -> Result<Vec<E>, TypeError> {
    if !text.accept(b'[') {
        return Err(text.syntax_error(Some(c"Vector contents must start with \"[\".")));
    }
    if text.next_token() == Some(b']') {
        return Err(TypeError::NoDimensions { type_name: E::TYPE_NAME });
    }
    let mut elements = Vec::with_capacity(DIM_MAX.min(text.count(b',') + 1));
    loop {
        if elements.len() == DIM_MAX {
            return Err(TypeError::TooManyDimensions { type_name: E::TYPE_NAME, limit: DIM_MAX });
        }
        elements.push(element(text)?);
        if text.accept(b']') {
            break;
        }
        if !text.accept(b',') {
            return Err(text.syntax_error(None));
        }
    }
    if text.next_token().is_some() {
        return Err(text.syntax_error(Some(c"Junk after closing right brace.")));
    }
    Ok(elements)
}

fn element<E: Element>(text: &mut Scanner) -> Result<E, TypeError> {
    let (value, number) = text.number()?;
    let element = E::from_f32(value);
    // A number too large for the type reads as infinite, too; only the word has no digit.
    if element.to_f32().is_infinite() && number.iter().any(u8::is_ascii_digit) {
        return Err(text.out_of_range(number));
    }
    element.checked()
}

/// `out(T)`: the text that reads back as the same vector.
pub fn output<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let vector = Dense::<E>::argument(call, 0)?;
    // Per element a number and a comma (which the longest number leaves room for), then "[", "]" and NUL.
    let text = allocate(vector.len() * F32_TEXT_BYTES + F32_TEXT_BYTES + 3);
    let mut length = 0;
    for element in vector.iter() {
        text[length] = if length == 0 { b'[' } else { b',' };
        length += 1;
        length += write_f32(element.to_f32(), &mut text[length..]);
    }
    // The printer leaves digits beyond the length that it returns.
    text[length..length + 2].copy_from_slice(b"]\0");
    Ok(Datum::from(text.as_mut_ptr()))
}

/// `typmod_in(cstring[])`.
pub fn typmod_in<E: Element>(call: Call) -> Result<i32, TypeError> {
    typmod::read(call, E::TYPE_NAME, DIM_MAX)
}

/// `recv(internal, oid, integer)`: from the wire, big endian: int16 dim, int16 zero, the elements.
pub fn receive<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let mut message = Message::argument(call, 0);
    let dim = message.i16();
    let reserved = message.i16();
    let dim = usize::try_from(dim).unwrap_or(0);
    check_dim::<E>(dim)?;
    typmod::check(call.i32(2), dim)?;
    if reserved != 0 {
        return Err(TypeError::ReservedNotZero { value: reserved.into() });
    }
    let bytes = message.bytes(dim * size_of::<E>());
    let mut vector = DenseBuf::<E>::zeros(dim)?;
    for (element, bytes) in vector.iter_mut().zip(bytes.chunks_exact(size_of::<E>())) {
        *element = E::from_wire(bytes).checked()?;
    }
    Ok(vector.into_datum())
}

/// `send(T)`: to the wire, a `bytea`.
pub fn send<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let vector = Dense::<E>::argument(call, 0)?;
    let (datum, bytes) = allocate_varlena(BYTEA_HEADER_BYTES + 4 + size_of::<E>() * vector.len());
    let payload = &mut bytes[BYTEA_HEADER_BYTES..];
    payload[..2].copy_from_slice(&(vector.len() as i16).to_be_bytes());
    for (element, bytes) in vector.iter().zip(payload[4..].chunks_exact_mut(size_of::<E>())) {
        element.to_wire(bytes);
    }
    Ok(datum)
}

//! Text and binary input and output, type modifiers.
#![deny(unsafe_code)]

use core::ffi::CStr;
use core::mem::size_of;

use pgrx::pg_sys::Datum;

use super::element::Element;
use super::{DIM_MAX, Dense, DenseBuf, check_dim, check_typmod};
use crate::error::TypeError;
use crate::pg::datum::{Call, allocate, allocate_varlena};
use crate::pg::message::Message;
use crate::pg::text::{F32_TEXT_BYTES, read_f32, write_f32};
use crate::pg::{array, message};

/// `in(cstring, oid, integer)`: the vector that a text such as `[1,2,3]` means.
pub fn input<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let elements = Parser::<E>::new(call.cstr(0)).parse()?;
    check_typmod(call.i32(2), elements.len())?;
    Ok(DenseBuf::copy_of(&elements)?.into_datum())
}

/// Reads a literal over bytes; whitespace is allowed around every token.
struct Parser<'a, E> {
    literal: &'a CStr,
    position: usize,
    elements: Vec<E>,
}

impl<'a, E: Element> Parser<'a, E> {
    fn new(literal: &'a CStr) -> Self {
        Parser { literal, position: 0, elements: Vec::new() }
    }

    fn parse(mut self) -> Result<Vec<E>, TypeError> {
        if self.next_token() != Some(b'[') {
            return Err(self.syntax_error(Some("Vector contents must start with \"[\".")));
        }
        self.position += 1;
        if self.next_token() == Some(b']') {
            return Err(TypeError::NoDimensions { type_name: E::TYPE_NAME });
        }
        self.reserve();
        loop {
            if self.elements.len() == DIM_MAX {
                return Err(TypeError::TooManyDimensions { type_name: E::TYPE_NAME, limit: DIM_MAX });
            }
            let element = self.number()?;
            self.elements.push(element);
            match self.next_token() {
                Some(b',') => self.position += 1,
                Some(b']') => break,
                _ => return Err(self.syntax_error(None)),
            }
        }
        self.position += 1;
        if self.next_token().is_some() {
            return Err(self.syntax_error(Some("Junk after closing right brace.")));
        }
        Ok(self.elements)
    }

    /// Makes room for all elements at once.
    fn reserve(&mut self) {
        let commas = self.literal.to_bytes().iter().filter(|&&byte| byte == b',').count();
        self.elements.reserve_exact(DIM_MAX.min(commas + 1));
    }

    /// The first byte that is not whitespace, not consumed; `None` at the end.
    fn next_token(&mut self) -> Option<u8> {
        let bytes = self.literal.to_bytes();
        while matches!(bytes.get(self.position), Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)) {
            self.position += 1;
        }
        bytes.get(self.position).copied()
    }

    fn number(&mut self) -> Result<E, TypeError> {
        self.next_token();
        let start = self.position;
        let (value, end) = read_f32(self.literal, start);
        if end == start {
            return Err(self.syntax_error(None));
        }
        self.position = end;
        let element = E::from_f32(value);
        // A number too large for the type reads as infinite, too; only the word has no digit.
        let text = &self.literal.to_bytes()[start..end];
        if element.to_f32().is_infinite() && text.iter().any(u8::is_ascii_digit) {
            let literal = String::from_utf8_lossy(text).into_owned();
            return Err(TypeError::OutOfRange { type_name: E::TYPE_NAME, literal });
        }
        element.checked()
    }

    fn syntax_error(&self, detail: Option<&'static str>) -> TypeError {
        let literal = self.literal.to_string_lossy().into_owned();
        TypeError::Syntax { type_name: E::TYPE_NAME, literal, detail }
    }
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

/// `typmod_in(cstring[])`: `3` for `vector(3)`.
pub fn typmod_in<E: Element>(call: Call) -> Result<i32, TypeError> {
    let &[dim] = array::integer_typmods(call) else {
        return Err(TypeError::TypmodCount);
    };
    if dim < 1 {
        return Err(TypeError::TypmodTooSmall { type_name: E::TYPE_NAME });
    }
    if dim > DIM_MAX as i32 {
        return Err(TypeError::TypmodTooLarge { type_name: E::TYPE_NAME, limit: DIM_MAX });
    }
    Ok(dim)
}

/// `recv(internal, oid, integer)`: from the wire, big endian: int16 dim, int16 zero, the elements.
pub fn receive<E: Element>(call: Call) -> Result<Datum, TypeError> {
    let mut message = Message::argument(call, 0);
    let dim = message.i16();
    let reserved = message.i16();
    let dim = usize::try_from(dim).unwrap_or(0);
    check_dim::<E>(dim)?;
    check_typmod(call.i32(2), dim)?;
    if reserved != 0 {
        return Err(TypeError::ReservedNotZero { value: reserved });
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
    let (datum, bytes) = allocate_varlena(message::BYTEA_HEADER_BYTES + 4 + size_of::<E>() * vector.len());
    let payload = &mut bytes[message::BYTEA_HEADER_BYTES..];
    payload[..2].copy_from_slice(&(vector.len() as i16).to_be_bytes());
    for (element, bytes) in vector.iter().zip(payload[4..].chunks_exact_mut(size_of::<E>())) {
        element.to_wire(bytes);
    }
    Ok(datum)
}

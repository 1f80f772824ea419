//! Reading the text form of a vector, token by token.
#![deny(unsafe_code)]

use core::ffi::CStr;

use crate::error::TypeError;
use crate::pg::report::copied;
use crate::pg::text::read_f32;

/// A position in a literal. Whitespace is allowed around every token.
pub struct Scanner<'a> {
    literal: &'a CStr,
    bytes: &'a [u8],
    position: usize,
    type_name: &'static str,
}

impl<'a> Scanner<'a> {
    /// The start of `literal`, the text of a value of the SQL type `type_name`.
    pub fn new(literal: &'a CStr, type_name: &'static str) -> Self {
        Scanner { literal, bytes: literal.to_bytes(), position: 0, type_name }
    }

    /// The first byte that is not whitespace, not consumed; `None` at the end.
    pub fn next_token(&mut self) -> Option<u8> {
        while matches!(self.bytes.get(self.position), Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)) {
            self.position += 1;
        }
        self.bytes.get(self.position).copied()
    }

    /// Consumes `token` if it is the next one.
    pub fn accept(&mut self, token: u8) -> bool {
        let is_next = self.next_token() == Some(token);
        self.position += usize::from(is_next);
        is_next
    }

    /// How often `byte` is in the whole literal.
    pub fn count(&self, byte: u8) -> usize {
        self.bytes.iter().filter(|&&other| other == byte).count()
    }

    /// Consumes a number and returns it with its text, as strtof reads it: infinite when it is too large.
    ///
    /// # Errors
    /// If there is none.
    pub fn number(&mut self) -> Result<(f32, &'a [u8]), TypeError> {
        self.next_token();
        let start = self.position;
        let (value, end) = read_f32(self.literal, start);
        if end == start {
            return Err(self.syntax_error(None));
        }
        self.position = end;
        Ok((value, &self.bytes[start..end]))
    }

    /// Consumes a whole number and returns it, as strtol reads it: the nearest `i32` when it is out of range.
    ///
    /// # Errors
    /// If there is none.
    pub fn integer(&mut self) -> Result<i32, TypeError> {
        let is_negative = match self.next_token() {
            Some(sign @ (b'+' | b'-')) => {
                self.position += 1;
                sign == b'-'
            }
            _ => false,
        };
        let digits = self.bytes[self.position..].iter().take_while(|byte| byte.is_ascii_digit());
        let step = |value: i32, digit: &u8| {
            let digit = i32::from(digit - b'0');
            value.saturating_mul(10).saturating_add(if is_negative { -digit } else { digit })
        };
        let (value, length) = digits.fold((0, 0), |(value, length), digit| (step(value, digit), length + 1));
        if length == 0 {
            return Err(self.syntax_error(None));
        }
        self.position += length;
        Ok(value)
    }

    /// The literal is not one of its type; `detail` says where, when that helps.
    pub fn syntax_error(&self, detail: Option<&'static CStr>) -> TypeError {
        let literal = copied(self.literal.to_bytes());
        TypeError::Syntax { type_name: self.type_name, literal, detail }
    }

    /// The type has no number for `text`.
    pub fn out_of_range(&self, text: &[u8]) -> TypeError {
        TypeError::OutOfRange { type_name: self.type_name, literal: copied(text) }
    }
}

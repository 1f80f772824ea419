//! What the text and binary forms mean, said once more, to compare with.
//!
//! Numbers of a text are not read here: PostgreSQL's `float4` says what each part is.

use std::collections::HashMap;

use half::f16;
use postgres::Statement;

use crate::literal::Type;
use crate::session::{Failure, Raw, Session, bytes_of};

/// Most dimensions of a dense type, and most elements of a sparse one.
const DIM_MAX: usize = 16_000;
/// Most dimensions of a sparse type.
const SPARSE_DIM_MAX: i64 = 1_000_000_000;
/// Parts of one text that are asked for.
const ASKED_MAX: usize = 64;

/// What an input should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// Accepted, with this binary form.
    Value(Vec<u8>),
    /// Refused.
    Refused,
    /// Not known.
    Unknown,
}

/// What float4 says of a part.
#[derive(Clone, Copy, Debug)]
enum Part {
    Number(f32),
    /// A number other than 0 that rounds to 0.
    Underflow,
    Refused,
    Unknown,
}

/// Reads parts of texts by asking the server, and remembers.
#[derive(Default)]
pub struct Reader {
    known: HashMap<String, Part>,
    statements: Option<[Statement; 2]>,
    asked: usize,
}

/// White space around tokens.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

impl Reader {
    /// What `text` is as a value of a type.
    ///
    /// # Errors
    /// If the connection is lost.
    pub fn expect(&mut self, of: Type, text: &[u8], session: &mut Session) -> Result<Expected, Failure> {
        let Ok(text) = std::str::from_utf8(text) else { return Ok(Expected::Refused) };
        if text.contains('\0') {
            return Ok(Expected::Refused);
        }
        self.asked = 0;
        if self.known.len() > 100_000 {
            self.known.clear();
        }
        let text = text.trim_matches(is_space);
        if of == Type::Sparsevec { self.sparse(text, session) } else { self.dense(of, text, session) }
    }

    fn dense(&mut self, of: Type, text: &str, session: &mut Session) -> Result<Expected, Failure> {
        let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
            return Ok(Expected::Refused);
        };
        let parts: Vec<&str> = inside.split(',').collect();
        if parts.len() > DIM_MAX {
            return Ok(Expected::Refused);
        }
        let mut bytes = (parts.len() as i16).to_be_bytes().to_vec();
        bytes.extend([0, 0]);
        let mut is_known = true;
        for part in parts {
            match self.part(part, session)? {
                Part::Number(value) if of == Type::Halfvec => {
                    let value = f16::from_f32(value);
                    if !value.is_finite() {
                        return Ok(Expected::Refused);
                    }
                    bytes.extend(value.to_be_bytes());
                }
                Part::Number(value) if value.is_finite() => bytes.extend(value.to_be_bytes()),
                Part::Number(_) | Part::Refused => return Ok(Expected::Refused),
                Part::Underflow => {
                    let is_negative = part.trim_matches(is_space).starts_with('-');
                    let zero = if is_negative { -0.0 } else { 0.0 };
                    match of {
                        Type::Halfvec => bytes.extend(f16::from_f32(zero).to_be_bytes()),
                        _ => bytes.extend(zero.to_be_bytes()),
                    }
                }
                Part::Unknown => is_known = false,
            }
        }
        Ok(if is_known { Expected::Value(bytes) } else { Expected::Unknown })
    }

    fn sparse(&mut self, text: &str, session: &mut Session) -> Result<Expected, Failure> {
        let parts = text.strip_prefix('{').and_then(|text| text.rsplit_once('/'));
        let Some((elements, dim)) = parts else { return Ok(Expected::Refused) };
        let elements =
            elements.trim_matches(is_space).strip_suffix('}').map(|text| text.trim_matches(is_space));
        let (Some(elements), Some(dim)) = (elements, integer(dim)) else { return Ok(Expected::Refused) };
        if !(1..=SPARSE_DIM_MAX).contains(&dim) || text.matches(',').count() >= DIM_MAX {
            return Ok(Expected::Refused);
        }
        let mut values: Vec<(i64, f32)> = Vec::new();
        let mut is_known = true;
        for element in elements.split(',').filter(|_| !elements.is_empty()) {
            let Some((index, part)) = element.split_once(':') else { return Ok(Expected::Refused) };
            let Some(index) = integer(index) else { return Ok(Expected::Refused) };
            match self.part(part, session)? {
                Part::Number(value) if !value.is_finite() => return Ok(Expected::Refused),
                Part::Number(value) if value != 0.0 => values.push((index, value)),
                Part::Number(_) => {}
                Part::Underflow | Part::Refused => return Ok(Expected::Refused),
                Part::Unknown => is_known = false,
            }
        }
        values.sort_by_key(|&(index, _)| index);
        let is_repeated = values.windows(2).any(|pair| pair[0].0 == pair[1].0);
        if is_repeated || values.iter().any(|&(index, _)| index < 1 || index > dim) {
            return Ok(Expected::Refused);
        }
        let header = [dim as i32, values.len() as i32, 0];
        let indices = values.iter().map(|&(index, _)| index as i32 - 1);
        let mut bytes: Vec<u8> = header.into_iter().chain(indices).flat_map(i32::to_be_bytes).collect();
        bytes.extend(values.iter().flat_map(|(_, value)| value.to_be_bytes()));
        Ok(if is_known { Expected::Value(bytes) } else { Expected::Unknown })
    }

    fn part(&mut self, text: &str, session: &mut Session) -> Result<Part, Failure> {
        let text = text.trim_matches(is_space);
        if let Some(part) = self.known.get(text) {
            return Ok(*part);
        }
        if self.asked >= ASKED_MAX {
            return Ok(Part::Unknown);
        }
        self.asked += 1;
        let [single, double] = match &self.statements {
            Some(statements) => statements.clone(),
            None => {
                let sql = ["SELECT float4send($1::text::float4)", "SELECT float8send($1::text::float8)"];
                let statements = [session.prepare(sql[0])?, session.prepare(sql[1])?];
                self.statements.insert(statements).clone()
            }
        };
        let part = match session.query(&single, &[Raw::text(text)]) {
            Ok(rows) => {
                let bytes = rows.first().and_then(|row| bytes_of(row, 0)).unwrap_or_default();
                bytes.try_into().map_or(Part::Unknown, |bytes| Part::Number(f32::from_be_bytes(bytes)))
            }
            Err(failure @ Failure::Lost(_)) => return Err(failure),
            Err(failure) if failure.is("22003") => small_or_large(text, &double, session)?,
            Err(_) => Part::Refused,
        };
        self.known.insert(text.to_owned(), part);
        Ok(part)
    }

    /// Forgets what belongs to a connection that is gone.
    pub fn reset(&mut self) {
        self.statements = None;
    }
}

/// Whether a number that float4 has none for is too small or too large.
fn small_or_large(text: &str, double: &Statement, session: &mut Session) -> Result<Part, Failure> {
    match session.query(double, &[Raw::text(text)]) {
        Ok(rows) => {
            let bytes = rows.first().and_then(|row| bytes_of(row, 0)).unwrap_or_default();
            let value = bytes.try_into().map_or(f64::NAN, f64::from_be_bytes);
            Ok(if value.abs() < 1.0 { Part::Underflow } else { Part::Refused })
        }
        Err(failure @ Failure::Lost(_)) => Err(failure),
        Err(_) => Ok(match text.parse::<f64>() {
            Ok(value) if value.abs() < 1.0 => Part::Underflow,
            Ok(_) => Part::Refused,
            // Hexadecimal.
            Err(_) => Part::Unknown,
        }),
    }
}

/// A whole number with a sign at most; what is out of range stays so.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim_matches(is_space);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value = digits.parse::<i64>().unwrap_or(i64::MAX);
    is_number.then_some(if text.starts_with('-') { -value } else { value })
}

/// Whether `message` is the binary form of a value.
pub fn is_value(of: Type, message: &[u8]) -> bool {
    let word = |at: usize| {
        message.get(at..at + 4).map(|bytes| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let floats = |bytes: &[u8]| -> Vec<f32> {
        bytes.chunks_exact(4).map(|b| f32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    if of == Type::Sparsevec {
        let (Some(dim), Some(count), Some(0)) = (word(0), word(4), word(8)) else { return false };
        let is_sized = (1..=SPARSE_DIM_MAX as i32).contains(&dim) && (0..=DIM_MAX as i32).contains(&count);
        if !is_sized || message.len() != 12 + 8 * count as usize {
            return false;
        }
        let (indices, values) = message[12..].split_at(4 * count as usize);
        let indices: Vec<i32> =
            indices.chunks_exact(4).map(|b| i32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect();
        return indices.windows(2).all(|pair| pair[0] < pair[1])
            && indices.iter().all(|index| (0..dim).contains(index))
            && floats(values).iter().all(|value| value.is_finite() && *value != 0.0);
    }
    let Some([high, low, 0, 0]) = message.first_chunk::<4>() else { return false };
    let dim = i16::from_be_bytes([*high, *low]);
    let width = if of == Type::Halfvec { 2 } else { 4 };
    let elements = &message[4..];
    (1..=DIM_MAX as i16).contains(&dim)
        && elements.len() == width * dim as usize
        && match of {
            Type::Halfvec => elements.chunks_exact(2).all(|b| f16::from_be_bytes([b[0], b[1]]).is_finite()),
            _ => floats(elements).iter().all(|value| value.is_finite()),
        }
}

//! JSON as PostgreSQL prints jsonb. Numbers and strings stay as they are written, so nothing is rounded or decoded.

use crate::{BYTES_MAX, DEPTH_MAX, NODES_MAX, Problem};

/// A value, and how it is written.
#[derive(Debug)]
pub struct Value<'j> {
    pub raw: &'j [u8],
    pub kind: Kind<'j>,
}

/// What it is.
#[derive(Debug)]
pub enum Kind<'j> {
    Null,
    Bool(bool),
    Number,
    String,
    Array(Vec<Value<'j>>),
    /// Keys are decoded.
    Object(Vec<(Vec<u8>, Value<'j>)>),
}

impl Value<'_> {
    /// Whether it is neither array nor object.
    pub fn is_scalar(&self) -> bool {
        !matches!(self.kind, Kind::Array(_) | Kind::Object(_))
    }
}

/// The value that `text` is.
pub fn parse(text: &[u8]) -> Result<Value<'_>, Problem> {
    if text.len() > BYTES_MAX {
        return Err(Problem::TooLong);
    }
    let mut reader = Reader { text, at: 0, nodes: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at == text.len() { Ok(value) } else { Err(Problem::Syntax) }
}

struct Reader<'j> {
    text: &'j [u8],
    at: usize,
    nodes: usize,
}

impl<'j> Reader<'j> {
    fn skip_space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    /// Whether the next byte but spaces is this; then it is behind us.
    fn takes(&mut self, byte: u8) -> bool {
        self.skip_space();
        let is_next = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), Problem> {
        if self.takes(byte) { Ok(()) } else { Err(Problem::Syntax) }
    }

    fn count(&mut self) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX { Err(Problem::TooMany) } else { Ok(()) }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'j>, Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem::TooDeep);
        }
        self.count()?;
        self.skip_space();
        let start = self.at;
        let kind = match self.text.get(start) {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => {
                self.string()?;
                Kind::String
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Value { raw: &self.text[start..self.at], kind })
    }

    fn object(&mut self, depth: usize) -> Result<Kind<'j>, Problem> {
        self.expect(b'{')?;
        let mut entries = Vec::new();
        if self.takes(b'}') {
            return Ok(Kind::Object(entries));
        }
        loop {
            self.count()?;
            self.skip_space();
            let key = decode(self.string()?)?;
            self.expect(b':')?;
            entries.push((key, self.value(depth + 1)?));
            if !self.takes(b',') {
                self.expect(b'}')?;
                return Ok(Kind::Object(entries));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Kind<'j>, Problem> {
        self.expect(b'[')?;
        let mut elements = Vec::new();
        if self.takes(b']') {
            return Ok(Kind::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if !self.takes(b',') {
                self.expect(b']')?;
                return Ok(Kind::Array(elements));
            }
        }
    }

    /// The inside of a string, as it is written.
    fn string(&mut self) -> Result<&'j [u8], Problem> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(Problem::Syntax);
        }
        let start = self.at + 1;
        let mut at = start;
        loop {
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    at += match self.text.get(at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u') => {
                            let digits = self.text.get(at + 2..at + 6).ok_or(Problem::Syntax)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return Err(Problem::Syntax);
                            }
                            6
                        }
                        _ => return Err(Problem::Syntax),
                    };
                }
                Some(0..=31) | None => return Err(Problem::Syntax),
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok(&self.text[start..at])
    }

    fn digits(&mut self) -> Result<(), Problem> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Problem::Syntax) }
    }

    fn number(&mut self) -> Result<Kind<'j>, Problem> {
        self.at += usize::from(self.text[self.at] == b'-');
        self.digits()?;
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.text.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    fn word(&mut self) -> Result<Kind<'j>, Problem> {
        let rest = &self.text[self.at..];
        let (word, kind) = match rest.first() {
            Some(b'n') => ("null", Kind::Null),
            Some(b't') => ("true", Kind::Bool(true)),
            _ => ("false", Kind::Bool(false)),
        };
        if !rest.starts_with(word.as_bytes()) {
            return Err(Problem::Syntax);
        }
        self.at += word.len();
        Ok(kind)
    }
}

/// What a string is that is written so. PostgreSQL escapes control characters only; another character by its number
/// would need the encoding.
fn decode(written: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut decoded = Vec::with_capacity(written.len());
    let mut bytes = written.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'\\' {
            decoded.push(byte);
            continue;
        }
        decoded.push(match bytes.next() {
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let digits: Vec<u8> = bytes.by_ref().take(4).copied().collect();
                let digits = std::str::from_utf8(&digits).map_err(|_| Problem::Syntax)?;
                match u8::from_str_radix(digits, 16) {
                    Ok(code @ 1..=127) => code,
                    _ => return Err(Problem::Syntax),
                }
            }
            Some(&other) => other,
            None => return Err(Problem::Syntax),
        });
    }
    Ok(decoded)
}

/// Writes a decoded string as JSON.
pub fn write_string(decoded: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in decoded {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=31 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

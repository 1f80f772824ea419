//! Numbers as text, exactly as PostgreSQL reads and prints them.

use core::ffi::{CStr, c_char, c_int};
use std::ffi::CString;

use pgrx::pg_sys::Datum;

use super::datum::Call;
use super::report::copied;

/// Bytes that one printed float4 may need: FLOAT_SHORTEST_DECIMAL_LEN.
pub const F32_TEXT_BYTES: usize = 16;

unsafe extern "C" {
    // In the server: Ryu. Raises no error, so it needs none of pgrx's guard, which costs more than the work.
    fn float_to_shortest_decimal_bufn(value: f32, result: *mut c_char) -> c_int;
}

/// Prints `value` as float4out does by default (the shortest text that reads back equal); returns its length.
///
/// # Panics
/// If `out` is shorter than [`F32_TEXT_BYTES`].
pub fn write_f32(value: f32, out: &mut [u8]) -> usize {
    assert!(out.len() >= F32_TEXT_BYTES);
    // SAFETY: the function writes fewer than FLOAT_SHORTEST_DECIMAL_LEN (16) bytes, and `out` has them.
    unsafe { float_to_shortest_decimal_bufn(value, out.as_mut_ptr().cast()) as usize }
}

/// Powers of ten that are exact.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// The number at the start of `bytes` and its length, if it has few digits and no exponent, as numbers in vectors do;
/// rounded as strtof rounds.
///
/// Its digits and the power of ten are exact in f64, so the quotient is the f64 that is nearest to the number. Rounding
/// that to f32 is right unless it lies in the middle between two: everywhere else both are on the same side of it.
fn read_short(bytes: &[u8]) -> Option<(f32, usize)> {
    const DIGITS_MAX: usize = 19;
    const MIDDLE: u64 = 1 << 28;
    let is_negative = bytes.first() == Some(&b'-');
    let (mut at, mut digits, mut value, mut point) = (usize::from(is_negative), 0, 0u64, None);
    loop {
        match bytes.get(at) {
            Some(digit @ b'0'..=b'9') if digits < DIGITS_MAX => {
                value = value * 10 + u64::from(digit - b'0');
                digits += 1;
            }
            Some(b'.') if point.is_none() => point = Some(digits),
            Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'x' | b'X') => return None,
            _ => break,
        }
        at += 1;
    }
    let decimals = digits - point.unwrap_or(digits);
    if digits == 0 || value >= 1 << f64::MANTISSA_DIGITS {
        return None;
    }
    let quotient = value as f64 / POWERS[decimals];
    let is_middle = quotient.to_bits() & (2 * MIDDLE - 1) == MIDDLE;
    let rounded = if is_negative { -quotient } else { quotient } as f32;
    (!is_middle).then_some((rounded, at))
}

/// The number that starts at byte `start` of `text`, as strtof reads it, and the position after it.
///
/// The position is `start` when there is no number; the value is infinite when the number is too large.
///
/// # Panics
/// If `start` is beyond the end of `text`.
pub fn read_f32(text: &CStr, start: usize) -> (f32, usize) {
    let bytes = &text.to_bytes()[start..];
    if let Some((value, length)) = read_short(bytes) {
        return (value, start + length);
    }
    let length =
        bytes.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let plain = &bytes[..length.count()];
    // Decimal numbers, which is nearly all there ever is: Rust and strtof both round correctly, so they agree,
    // and Rust is several times faster. A number cut short (1e) and a hexadecimal one (0x1) go to strtof.
    let follows = bytes.get(plain.len());
    if !matches!(follows, Some(b'x' | b'X'))
        && let Some(value) = core::str::from_utf8(plain).ok().and_then(|plain| plain.parse().ok())
    {
        return (value, start + plain.len());
    }
    // SAFETY: `start` is within `text` (indexed above), which ends with NUL.
    let from = unsafe { text.as_ptr().add(start) };
    let mut end = core::ptr::null_mut();
    // SAFETY: `from` points into a NUL-terminated string; strtof stores a position within it, NUL at most.
    // The locale is C: PostgreSQL sets LC_NUMERIC so.
    let value = unsafe { libc::strtof(from, &mut end) };
    (value, start + (end.addr() - from.addr()))
}

/// `value` as float4out prints it by default.
pub fn f32_text(value: f32) -> &'static CStr {
    let mut text = [0; F32_TEXT_BYTES];
    let length = write_f32(value, &mut text);
    copied(&text[..length])
}

/// A new `text` value.
pub fn text_datum(text: impl AsRef<[u8]>) -> Datum {
    let text = text.as_ref();
    let (datum, bytes) = super::datum::allocate_varlena(4 + text.len());
    bytes[4..].copy_from_slice(text);
    datum
}

/// What PostgreSQL prints for argument `n`, declared `jsonb`.
pub fn jsonb_text(call: Call<'_>, n: usize) -> &'static CStr {
    // SAFETY: jsonb_out takes one jsonb, and returns a new C string that is not null or raises.
    unsafe {
        let text = pgrx::direct_function_call_as_datum(pgrx::pg_sys::jsonb_out, &[Some(call.datum(n))]);
        CStr::from_ptr(text.expect("jsonb_out returns a string").cast_mut_ptr())
    }
}

/// The relation of a name that may be qualified and quoted, as regclass prints it; 0 if there is none. A number, which
/// is what regclass prints for none, is none.
pub fn relation_of_name(name: &CStr) -> u32 {
    let bytes = name.to_bytes();
    if bytes == b"-" || bytes.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let name = text_datum(bytes);
    // SAFETY: to_regclass takes one text, and returns an OID, or null if there is no such relation.
    let relation = unsafe { pgrx::direct_function_call_as_datum(pgrx::pg_sys::to_regclass, &[Some(name)]) };
    relation.map_or(0, |oid| oid.value() as u32)
}

/// A new `jsonb` value. Raises PostgreSQL's error when `text` is not JSON.
pub fn jsonb_datum(text: &str) -> Datum {
    let text = CString::new(text).expect("JSON has no NUL");
    // SAFETY: jsonb_in takes one C string, and returns a value that is not null or raises.
    unsafe {
        pgrx::direct_function_call_as_datum(pgrx::pg_sys::jsonb_in, &[Some(Datum::from(text.as_ptr()))])
    }
    .expect("jsonb_in returns a value")
}

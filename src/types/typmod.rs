//! Type modifiers: the number of dimensions, -1 for any.
#![deny(unsafe_code)]

use crate::error::TypeError;
use crate::pg::array::integer_typmods;
use crate::pg::datum::Call;

/// `typmod_in(cstring[])`: `3` for `vector(3)`.
pub fn read(call: Call, type_name: &'static str, limit: usize) -> Result<i32, TypeError> {
    let &[dim] = integer_typmods(call) else {
        return Err(TypeError::TypmodCount);
    };
    if dim < 1 {
        return Err(TypeError::TypmodTooSmall { type_name });
    }
    if usize::try_from(dim).is_ok_and(|dim| dim > limit) {
        return Err(TypeError::TypmodTooLarge { type_name, limit });
    }
    Ok(dim)
}

/// Whether a vector of `actual` dimensions fits the type modifier.
pub fn check(typmod: i32, actual: usize) -> Result<(), TypeError> {
    if typmod == -1 || usize::try_from(typmod) == Ok(actual) {
        return Ok(());
    }
    Err(TypeError::UnexpectedDimensions { expected: i64::from(typmod), actual })
}

//! Functions about the library itself.

use crate::pg::text::text_datum;
use crate::sql_functions;

sql_functions! {
    /// `proxima.simd_tier() -> text`
    proxima_simd_tier = |_| Ok(text_datum("scalar"));
}

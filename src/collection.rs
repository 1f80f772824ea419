//! What collections need besides SQL: filters, and a type for names of relations that may be missing.

use crate::error::TypeError;
use crate::pg::report::copied;
use crate::pg::text::{jsonb_text, relation_of_name, text_datum};
use crate::sql_functions;

sql_functions! {
    /// `proxima.filter_sql(jsonb, text) -> text`
    proxima_filter_sql = |call| {
        let alias = call.varlena(1);
        let filter = jsonb_text(call, 0);
        match filter::compile(filter.to_bytes(), &alias.bytes()[4..]) {
            Ok(condition) => Ok(text_datum(condition)),
            Err(error) => Err(TypeError::Filter { key: copied(&error.key), problem: error.problem }),
        }
    };
    /// `proxima.relation_in(cstring) -> proxima.relation`
    proxima_relation_in = |call| Ok(relation_of_name(call.cstr(0)) as i32);
}

//! `CALL proxima.reindex_collection()`: another index or metric for a collection while reads and writes go on.
//!
//! What is to be done is SQL's to say (`reindex_statements()`): drop what an earlier call left invalid, create the new
//! index, register the metric, drop the old indexes. Each index is a statement of its own; what lies between is one
//! transaction, so nobody sees the metric without its comment.
//!
//! First the arguments and the caller's rights are looked at. Only then the table is locked, so that no stranger can
//! keep VACUUM from it, without a snapshot, for which a build in another session would wait. The lock makes calls for
//! one collection wait for each other: the second one finds what the first has left.

use std::ffi::{CStr, CString};

use pgrx::pg_sys::{self, Datum};

use crate::error;
use crate::pg::datum::Call;
use crate::pg::lock::TableLock;
use crate::pg::procedure::{Argument, Concurrent, TopLevel};
use crate::pg::text::text_datum;
use crate::sql_functions;

sql_functions! {
    /// `proxima.reindex_collection(uuid, text, text, jsonb)`
    proxima_reindex_collection = |call| {
        let collection = (!call.is_null(0)).then(|| call.datum(0));
        reindex(call, (pg_sys::UUIDOID, collection), c"SELECT * FROM proxima.reindex_target($1, $2, $3, $4)");
        Ok(Datum::null())
    };
    /// `proxima.reindex_collection(text, text, text, jsonb)`
    proxima_reindex_collection_by_name = |call| {
        let find = c"SELECT * FROM proxima.reindex_target(proxima.collection_id($1), $2, $3, $4)";
        reindex(call, flat(call, 0, pg_sys::TEXTOID), find);
        Ok(Datum::null())
    };
}

/// Argument `n`, which outlives the transaction: not in a TOAST table.
fn flat(call: Call<'_>, n: usize, kind: pg_sys::Oid) -> Argument {
    (kind, (!call.is_null(n)).then(|| Datum::from(call.varlena(n).bytes().as_ptr())))
}

fn reindex(call: Call<'_>, collection: Argument, find: &CStr) {
    let top = TopLevel::enter(call, c"CALL proxima.reindex_collection");
    let (method, metric) = (flat(call, 1, pg_sys::TEXTOID), flat(call, 2, pg_sys::TEXTOID));
    let options = flat(call, 3, pg_sys::JSONBOID);
    // SAFETY: the types are those that the function is declared with.
    let target = unsafe { top.query(find, &[collection, method, metric, options]) };
    let [[id, table]]: [[CString; 2]; 1] = target.try_into().expect("there is one target");
    let table = table.to_str().ok().and_then(|number| number.parse::<u32>().ok());
    let table = pg_sys::Oid::from(table.expect("an OID is a number"));
    top.commit();

    let lock = TableLock::wait(table);
    let id = (pg_sys::TEXTOID, Some(text_datum(id.to_bytes())));
    let statements = c"SELECT * FROM proxima.reindex_statements($1::pg_catalog.uuid, $2, $3, $4)";
    // SAFETY: as above.
    let statements = unsafe { top.query(statements, &[id, method, metric, options]) };
    for [statement] in &statements {
        let Some(concurrent) = Concurrent::parse(&top, statement, table, c"embedding") else {
            // SAFETY: there are no values.
            unsafe { top.query::<0>(statement, &[]) };
            continue;
        };
        top.commit();
        concurrent.run(&top, error::raise_for_invalid_index);
    }
    top.commit();
    drop(lock);
}

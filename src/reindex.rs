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

use crate::error;
use crate::pg::datum::Call;
use crate::pg::lock::TableLock;
use crate::pg::procedure::{Argument, Concurrent, TopLevel};
use crate::sql_functions;

sql_functions! {
    /// `proxima.reindex_collection(uuid, text, text, jsonb)`
    proxima_reindex_collection = |call| {
        reindex(call, Argument::uuid, c"SELECT * FROM proxima.reindex_target($1, $2, $3, $4)");
        Ok(())
    };
    /// `proxima.reindex_collection(text, text, text, jsonb)`
    proxima_reindex_collection_by_name = |call| {
        let find = c"SELECT * FROM proxima.reindex_target(proxima.collection_id($1), $2, $3, $4)";
        reindex(call, Argument::text, find);
        Ok(())
    };
}

/// What a call of either does; `find` gives the UUID and the table.
fn reindex(call: Call<'_>, collection: fn(Call<'_>, usize) -> Argument, find: &CStr) {
    let top = TopLevel::enter(call, c"CALL proxima.reindex_collection");
    let (method, metric, options) =
        (Argument::text(call, 1), Argument::text(call, 2), Argument::jsonb(call, 3));
    let target = top.query(find, &[collection(call, 0), method, metric, options]);
    let [[id, table]]: [[CString; 2]; 1] = target.try_into().expect("there is one target");
    let table = table.to_str().ok().and_then(|number| number.parse().ok()).expect("an OID is a number");
    top.commit();

    let lock = TableLock::wait(table);
    let statements = c"SELECT * FROM proxima.reindex_statements($1::pg_catalog.uuid, $2, $3, $4)";
    let statements = top.query(statements, &[Argument::new_text(&id), method, metric, options]);
    for [statement] in &statements {
        match Concurrent::parse(&top, statement, table, c"embedding") {
            Some(concurrent) => {
                top.commit();
                concurrent.run(&top, error::raise_for_invalid_index);
            }
            None => drop(top.query::<0>(statement, &[])),
        }
    }
    top.commit();
    drop(lock);
}

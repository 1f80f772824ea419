//! Maintaining an index from SQL: `proxima.flush()` and `proxima.merge()`.

use crate::am::hnsw::command;
use crate::am::hnsw::worker::Requested;
use crate::error::OrReport;
use crate::inspect::index_argument;
use crate::pg::text::{jsonb_datum, text_datum};
use crate::sql_functions;

sql_functions! {
    /// `proxima.flush(regclass) -> jsonb`
    proxima_flush = |call| Ok(jsonb_datum(&flush_text(index_argument(call))));
    /// `proxima.merge(regclass) -> jsonb`
    proxima_merge = |call| Ok(jsonb_datum(&merge_text(index_argument(call))));
    /// `request_merge(regclass) -> text`: what a writer does. Tests declare it; the extension doesn't.
    proxima_request_merge = |call| Ok(text_datum(request_text(index_argument(call))));
}

fn flush_text(index: u32) -> String {
    let flushed = command::flush(index).or_report();
    let (rows, dead, pages) = (flushed.rows, flushed.dead, flushed.pages);
    format!("{{\"rows\": {rows}, \"dead\": {dead}, \"pages\": {pages}}}")
}

fn merge_text(index: u32) -> String {
    let (merges, sum) = command::merge(index).or_report();
    format!(
        "{{\"merges\": {merges}, \"segments\": {}, \"rows\": {}, \"dead\": {}, \"pages\": {}}}",
        sum.segments, sum.rows, sum.dead, sum.pages
    )
}

fn request_text(index: u32) -> &'static str {
    match command::request_merge(index).or_report() {
        Requested::Started => "started",
        Requested::Running => "running",
        Requested::NoWorker => "no worker",
        Requested::Busy => "busy",
        Requested::NotPossible => "not possible",
    }
}

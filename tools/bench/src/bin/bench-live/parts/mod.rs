//! The parts of the benchmark, each a story of its own with tables of its own.

mod after_delete;
mod bulk_delete;
mod burst;
mod churn;
mod single;
mod sustained;

use crate::Bench;
use crate::exact::Live;
use crate::outcome::Outcome;
use crate::search::Search;
use crate::server;

/// Measures, and adds to the report.
type Run = fn(&mut Bench<'_>) -> Outcome<()>;

/// Names by which a part is chosen, what it does, and the part.
pub const ALL: [(&str, &str, Run); 6] = [
    ("a", "a burst of rows by COPY", burst::run),
    ("b c f", "rows by small COPYs, searches meanwhile, WAL", sustained::run),
    ("d", "rows one by one", single::run),
    ("e", "30 % deleted, then against a fresh index", after_delete::run),
    ("g", "bulk delete of 10 % dead rows", bulk_delete::run),
    ("h", "turnovers", churn::run),
];

/// recall@10 of searches in the table, over the rows that are live.
fn recall(bench: &mut Bench<'_>, table: &str, live: &Live<'_>) -> Outcome<f64> {
    let search = Search::new(&mut bench.client, bench.corpus, table)?;
    search.recall(&mut bench.client, &mut bench.exact, live)
}

/// Seconds until maintenance had nothing more to do, for reading; and what the index is then.
fn settle(bench: &mut Bench<'_>, table: &str) -> Outcome<String> {
    let waited = match server::caught_up(&mut bench.client)? {
        Some(seconds) => format!("maintenance done {seconds:.1} s later"),
        None => "maintenance did not end".to_owned(),
    };
    Ok(format!("{waited}; index: {}", server::stats(&mut bench.client, table)?))
}

//! Part d: rows inserted one by one, each its own transaction, by a prepared statement.
//!
//! Short slices of both tables take turns, so that whatever else the machine does hits both alike. The rates
//! are those of all rows, not of the median one: a row that waits for maintenance counts. Once as a server is run,
//! where each commit waits for the disk, and once without fsync, where little else hides what the index costs.

use std::ops::Range;

use crate::Bench;
use crate::exact::Live;
use crate::outcome::Outcome;
use crate::search::Times;
use crate::server::{self, INDEXED, PLAIN};

/// Slices of each table.
const SLICES: u32 = 50;

/// Measures.
///
/// # Errors
/// What the server raises.
pub fn run(bench: &mut Bench<'_>) -> Outcome<()> {
    for fsync in ["on", "off"] {
        server::set(&mut bench.client, "fsync", fsync)?;
        run_with(bench, fsync)?;
    }
    Ok(())
}

fn run_with(bench: &mut Bench<'_>, fsync: &str) -> Outcome<()> {
    let (base, rows) = (bench.rows(100_000), bench.rows(20_000));
    for table in [PLAIN, INDEXED] {
        server::load(&mut bench.client, table, bench.corpus, 0..base, false)?;
    }
    server::build(&mut bench.client, bench.method, INDEXED)?;
    bench.client.batch_execute("CHECKPOINT")?;
    let [plain, indexed] = in_turns(bench, [PLAIN, INDEXED], base..base + rows)?;
    let recall = super::recall(bench, INDEXED, &Live::all(0..base + rows))?;
    let share = indexed.rate() / plain.rate();
    let measured = format!("{:.0} rows/s, without index {:.0}: {share:.2}x", indexed.rate(), plain.rate());
    let what = |what: &str| format!("d: {what}, fsync {fsync}");
    bench.report.figure(&what("INSERT of single rows"), measured, ">= 0.85x", share >= 0.85).recall =
        Some(recall);
    bench.report.note(&what("one INSERT, indexed"), indexed.to_string());
    bench.report.note(&what("one INSERT, without index"), plain.to_string());
    let settled = super::settle(bench, INDEXED)?;
    bench.report.note(&what("afterwards"), settled);
    server::drop_all(&mut bench.client)
}

/// Inserts the rows into both tables, slice by slice; returns the times of each table.
///
/// # Errors
/// What the server raises.
pub fn in_turns(bench: &mut Bench<'_>, tables: [&str; 2], ids: Range<u32>) -> Outcome<[Times; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    let length = ids.len() as u32;
    let bound = |slice: u32| ids.start + (u64::from(length) * u64::from(slice) / u64::from(SLICES)) as u32;
    for slice in 0..SLICES {
        // Who is first changes from slice to slice.
        for turn in [slice % 2, 1 - slice % 2] {
            let at = turn as usize;
            let ids = bound(slice)..bound(slice + 1);
            server::insert_each(&mut bench.client, tables[at], bench.corpus, ids, &mut times[at])?;
        }
    }
    Ok(times.map(Times::new))
}

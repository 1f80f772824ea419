//! Part a: one connection copies twice as many rows as there are, into the indexed table and into one without
//! index.
//!
//! Recall is measured right after the burst, before maintenance has had time to catch up.

use crate::Bench;
use crate::exact::Live;
use crate::outcome::Outcome;
use crate::server::{self, INDEXED, PLAIN, Stream};

/// Rows per second that are enough whatever the table without index does.
const RATE_ENOUGH: f64 = 25_000.0;

/// Share of the speed of the table without index that is enough.
const SHARE_ENOUGH: f64 = 0.6;

/// Measures.
///
/// # Errors
/// What the server raises.
pub fn run(bench: &mut Bench<'_>) -> Outcome<()> {
    let (base, burst) = (bench.rows(100_000), bench.rows(200_000));
    let corpus = bench.corpus;
    for table in [PLAIN, INDEXED] {
        server::load(&mut bench.client, table, corpus, 0..base, false)?;
    }
    let built = server::build(&mut bench.client, bench.method, INDEXED)?;
    println!("  index on {base} rows built in {built:.1} s");
    copy(bench, "binary", &Stream::binary(corpus, base..base + burst), base + burst)?;
    copy(bench, "text", &Stream::text(corpus, base + burst..base + 2 * burst), base + 2 * burst)?;
    server::drop_all(&mut bench.client)
}

/// One burst into both tables; `end`: all ids are below it afterwards.
fn copy(bench: &mut Bench<'_>, form: &str, rows: &Stream, end: u32) -> Outcome<()> {
    let mut rates = [0.0; 2];
    for (table, rate) in [PLAIN, INDEXED].into_iter().zip(&mut rates) {
        bench.client.batch_execute("CHECKPOINT")?;
        *rate = rows.copy(&mut bench.client, table)?;
    }
    let recall = super::recall(bench, INDEXED, &Live::all(0..end))?;
    let [plain, indexed] = rates;
    let what = format!("a: COPY {form}");
    let measured = format!("{indexed:.0} rows/s, without index {plain:.0}: {:.2}x", indexed / plain);
    let is_met = indexed >= RATE_ENOUGH.min(SHARE_ENOUGH * plain);
    bench.report.figure(&what, measured, ">= 25,000 rows/s or >= 0.6x", is_met).recall = Some(recall);
    let settled = super::settle(bench, INDEXED)?;
    bench.report.note(&format!("a: after COPY {form}"), settled);
    Ok(())
}

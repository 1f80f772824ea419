//! Part h: every row is replaced, ten times over; what that leaves of the index's size and answers.
//!
//! A turnover deletes all rows, copies as many new ones and vacuums; the size is taken when maintenance has
//! nothing more to do. The fresh index that it is compared with is built at the end, over the last rows.

use std::time::{Duration, Instant};

use crate::Bench;
use crate::exact::Live;
use crate::outcome::Outcome;
use crate::search::Search;
use crate::server::{self, INDEXED, Stream};

/// How often all rows are replaced.
const TURNOVERS: u32 = 10;

/// How often the size of a fresh index it may have.
const SIZE_MAX: f64 = 2.5;

/// How long searches are measured after a turnover.
const SEARCHING: Duration = Duration::from_millis(500);

/// Measures.
///
/// # Errors
/// What the server raises.
pub fn run(bench: &mut Bench<'_>) -> Outcome<()> {
    let rows = bench.rows(20_000);
    server::load(&mut bench.client, INDEXED, bench.corpus, 0..rows, false)?;
    server::build(&mut bench.client, bench.method, INDEXED)?;
    let index = format!("{INDEXED}_embedding");
    let mut sizes = vec![server::bytes_of(&mut bench.client, &index)?];
    let mut recalls = Vec::new();
    let mut speeds = vec![speed(bench)?];
    for turnover in 1..=TURNOVERS {
        let ids = turnover * rows..(turnover + 1) * rows;
        let stream = Stream::binary(bench.corpus, ids.clone());
        let start = Instant::now();
        bench.client.batch_execute(&format!("DELETE FROM {INDEXED}"))?;
        stream.copy(&mut bench.client, INDEXED)?;
        bench.client.batch_execute(&format!("VACUUM {INDEXED}"))?;
        let seconds = start.elapsed().as_secs_f64();
        let settled = super::settle(bench, INDEXED)?;
        sizes.push(server::bytes_of(&mut bench.client, &index)?);
        recalls.push(super::recall(bench, INDEXED, &Live::all(ids))?);
        speeds.push(speed(bench)?);
        println!("  turnover {turnover}: {seconds:.1} s; {settled}");
    }
    bench.client.batch_execute(&format!("DROP INDEX {index}"))?;
    server::build(&mut bench.client, bench.method, INDEXED)?;
    let fresh = server::bytes_of(&mut bench.client, &index)?;
    let fresh_speed = speed(bench)?;
    bench.client.batch_execute(&format!("DROP TABLE {INDEXED}"))?;

    let list = |values: &[f64], unit: f64| -> String {
        values.iter().map(|value| format!("{:.1}", value / unit)).collect::<Vec<_>>().join(" ")
    };
    let largest = sizes.iter().copied().fold(0.0, f64::max) / fresh;
    let least = recalls.iter().copied().fold(f64::INFINITY, f64::min);
    let what = format!("h: largest index in {TURNOVERS} turnovers of {rows} rows");
    let measured = format!("{largest:.2}x of a fresh one's {:.1} MB", fresh / 1e6);
    bench.report.figure(&what, measured, "<= 2.5x", largest <= SIZE_MAX).recall = Some(least);
    bench.report.note("h: size in MB, at first and after each", list(&sizes, 1e6));
    let measured = format!("{}; fresh {fresh_speed:.0}", list(&speeds, 1.0));
    bench.report.note("h: searches/s, at first and after each", measured).recall = Some(least);
    Ok(())
}

fn speed(bench: &mut Bench<'_>) -> Outcome<f64> {
    let search = Search::new(&mut bench.client, bench.corpus, INDEXED)?;
    let mut times = Vec::new();
    search.steady(&mut bench.client, SEARCHING, &mut times)?;
    Ok(crate::search::Times::new(times).rate())
}

//! Part e: an index that lost 30 % of its rows, against one built afterwards over the same rows.
//!
//! Both tables lose the same rows and are vacuumed, so their heaps are alike; only one has its index before.
//! Searches and inserts take turns between them.

use std::ops::Range;
use std::time::Duration;

use crate::Bench;
use crate::exact::Live;
use crate::outcome::Outcome;
use crate::search::{Search, Times};
use crate::server::{self, INDEXED, PLAIN, Stream};

/// Turns of searching each table.
const TURNS: usize = 15;

/// How long one turn searches.
const TURN: Duration = Duration::from_millis(200);

/// COPYs that the rows come in; [`Bench::rows`] has multiples of it.
const COPIES: u32 = 10;

/// What the lived index must reach of the fresh one's speed.
const SHARE_ENOUGH: f64 = 0.9;

/// Measures.
///
/// # Errors
/// What the server raises.
pub fn run(bench: &mut Bench<'_>) -> Outcome<()> {
    let (base, each, burst) = (bench.rows(100_000), bench.rows(20_000), bench.rows(50_000));
    for table in [INDEXED, PLAIN] {
        server::load(&mut bench.client, table, bench.corpus, 0..base, false)?;
        if table == INDEXED {
            server::build(&mut bench.client, bench.method, table)?;
        }
        let client = &mut bench.client;
        let delete = server::seconds_of(client, &format!("DELETE FROM {table} WHERE id % 10 < 3"))?;
        let vacuum = server::seconds_of(client, &format!("VACUUM {table}"))?;
        let which = if table == INDEXED { "indexed" } else { "without index" };
        let measured = format!("DELETE {delete:.3} s, VACUUM {vacuum:.3} s");
        bench.report.note(&format!("e: 30 % of {base} rows, {which}"), measured);
    }
    server::build(&mut bench.client, bench.method, PLAIN)?;
    let settled = super::settle(bench, INDEXED)?;
    bench.report.note("e: afterwards", settled);

    let dead = |id: u32| id < base && id % 10 < 3;
    searches(bench, "e: searches", &Live { ids: 0..base, dead: &dead })?;
    bench.client.batch_execute("CHECKPOINT")?;
    let inserts = super::single::in_turns(bench, [INDEXED, PLAIN], base..base + each)?;
    let inserts = inserts.map(|times| times.rate());
    let end = base + each + burst;
    let copies = copies(bench, base + each..end)?;
    for table in [INDEXED, PLAIN] {
        let settled = super::settle(bench, table)?;
        println!("  {table}: {settled}");
    }
    let live = Live { ids: 0..end, dead: &dead };
    let recall = searches(bench, "e: searches after the inserts", &live)?;
    compare(bench, "e: INSERT of single rows", inserts, recall);
    compare(bench, &format!("e: COPY of {burst} rows in {COPIES}"), copies, recall);
    server::drop_all(&mut bench.client)
}

/// Copies the rows into both tables, part by part; returns rows per second of each.
fn copies(bench: &mut Bench<'_>, ids: Range<u32>) -> Outcome<[f64; 2]> {
    let rows = ids.len() as u32 / COPIES;
    let mut seconds_per_row = [0.0; 2];
    for turn in 0..COPIES {
        let first = ids.start + turn * rows;
        let stream = Stream::binary(bench.corpus, first..first + rows);
        // Who is first changes from part to part.
        for which in [turn % 2, 1 - turn % 2] {
            let rate = stream.copy(&mut bench.client, [INDEXED, PLAIN][which as usize])?;
            seconds_per_row[which as usize] += 1.0 / rate / f64::from(COPIES);
        }
    }
    Ok(seconds_per_row.map(f64::recip))
}

/// Queries per second and recall of both; returns the lived index's recall.
fn searches(bench: &mut Bench<'_>, what: &str, live: &Live<'_>) -> Outcome<f64> {
    let mut recalls = [0.0; 2];
    let mut times = [Vec::new(), Vec::new()];
    for (table, recall) in [INDEXED, PLAIN].into_iter().zip(&mut recalls) {
        *recall = super::recall(bench, table, live)?;
    }
    for _ in 0..TURNS {
        for (table, times) in [INDEXED, PLAIN].into_iter().zip(&mut times) {
            let search = Search::new(&mut bench.client, bench.corpus, table)?;
            search.steady(&mut bench.client, TURN, times)?;
        }
    }
    compare(bench, what, times.map(|times| Times::new(times).rate()), recalls[0]);
    bench.report.recall(&format!("{what}: recall, fresh index"), recalls[1]);
    Ok(recalls[0])
}

/// `rates`: of the index that lived, of the fresh one; `recall`: of the index that lived.
fn compare(bench: &mut Bench<'_>, what: &str, rates: [f64; 2], recall: f64) {
    let [lived, fresh] = rates;
    let share = lived / fresh;
    let measured = format!("{lived:.0}/s, fresh index {fresh:.0}/s: {share:.2}x");
    bench.report.figure(what, measured, ">= 0.9x", share >= SHARE_ENOUGH).recall = Some(recall);
}

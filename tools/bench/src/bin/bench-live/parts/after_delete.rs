//! Part e: an index that lost 30 % of its rows, against one built afterwards over the same rows.
//!
//! Both tables lose the same rows and are vacuumed, so their heaps are alike; only one has its index before. Searches
//! and inserts take turns between them.

use std::time::Duration;

use crate::Bench;
use crate::exact::Live;
use crate::outcome::Outcome;
use crate::search::{Search, Times};
use crate::server::{self, INDEXED, PLAIN, Stream};

/// Turns of searching each table.
const TURNS: usize = 4;

/// How long one turn searches.
const TURN: Duration = Duration::from_millis(750);

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
            server::build(&mut bench.client, table)?;
        }
        let client = &mut bench.client;
        let delete = server::seconds_of(client, &format!("DELETE FROM {table} WHERE id % 10 < 3"))?;
        let vacuum = server::seconds_of(client, &format!("VACUUM {table}"))?;
        let which = if table == INDEXED { "indexed" } else { "without index" };
        let measured = format!("DELETE {delete:.2} s, VACUUM {vacuum:.2} s");
        bench.report.note(&format!("e: 30 % of {base} rows, {which}"), measured);
    }
    server::build(&mut bench.client, PLAIN)?;
    let settled = super::settle(bench, INDEXED)?;
    bench.report.note("e: afterwards", settled);

    let dead = |id: u32| id < base && id % 10 < 3;
    searches(bench, "e: searches", &Live { ids: 0..base, dead: &dead })?;
    bench.client.batch_execute("CHECKPOINT")?;
    let [lived, fresh] = super::single::in_turns(bench, [INDEXED, PLAIN], base..base + each)?;
    compare(bench, "e: INSERT of single rows", lived.rate(), fresh.rate(), None);
    copies(bench, base + each, burst)?;
    for table in [INDEXED, PLAIN] {
        let settled = super::settle(bench, table)?;
        println!("  {table}: {settled}");
    }
    let end = base + each + 2 * (burst / 2);
    searches(bench, "e: searches after the inserts", &Live { ids: 0..end, dead: &dead })?;
    server::drop_all(&mut bench.client)
}

/// Two COPYs into each table, the second in reverse order.
fn copies(bench: &mut Bench<'_>, first: u32, rows: u32) -> Outcome<()> {
    let half = rows / 2;
    // Seconds per row.
    let (mut lived, mut fresh) = (0.0, 0.0);
    for (turn, order) in [[INDEXED, PLAIN], [PLAIN, INDEXED]].into_iter().enumerate() {
        let first = first + turn as u32 * half;
        let stream = Stream::binary(bench.corpus, first..first + half);
        for table in order {
            let rate = stream.copy(&mut bench.client, table)?;
            *(if table == INDEXED { &mut lived } else { &mut fresh }) += 0.5 / rate;
        }
    }
    compare(bench, &format!("e: COPY of {}", 2 * half), 1.0 / lived, 1.0 / fresh, None);
    Ok(())
}

/// Queries per second and recall of both.
fn searches(bench: &mut Bench<'_>, what: &str, live: &Live<'_>) -> Outcome<()> {
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
    let [lived, fresh] = times.map(|times| Times::new(times).rate());
    compare(bench, what, lived, fresh, Some(recalls[0]));
    bench.report.recall(&format!("{what}: recall, fresh index"), recalls[1]);
    Ok(())
}

fn compare(bench: &mut Bench<'_>, what: &str, lived: f64, fresh: f64, recall: Option<f64>) {
    let share = lived / fresh;
    let measured = format!("{lived:.0}/s, fresh index {fresh:.0}/s: {share:.2}x");
    bench.report.figure(what, measured, ">= 0.9x", share >= SHARE_ENOUGH).recall = recall;
}

//! Part g: how long VACUUM holds the index to mark 10 % of its rows dead.
//!
//! Another connection asks for VACUUM's phase every few milliseconds; the time in "vacuuming indexes" is the
//! index's bulk delete, that in "cleaning up indexes" what the index does afterwards. Without an index VACUUM
//! needs one pass over the table instead of two, so the difference of the totals is more than the index's
//! share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Bench;
use crate::exact::Live;
use crate::outcome::Outcome;
use crate::server::{self, INDEXED, PLAIN};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Seconds of VACUUM's phases of interest.
#[derive(Default)]
struct Phases {
    bulk_delete: f64,
    cleanup: f64,
}

/// Measures.
///
/// # Errors
/// What the server raises.
pub fn run(bench: &mut Bench<'_>) -> Outcome<()> {
    let base = bench.rows(100_000);
    let mut totals = [0.0; 2];
    let mut phases = Phases::default();
    for (table, total) in [PLAIN, INDEXED].into_iter().zip(&mut totals) {
        server::load(&mut bench.client, table, bench.corpus, 0..base, false)?;
        if table == INDEXED {
            server::build(&mut bench.client, bench.method, table)?;
        }
        bench.client.batch_execute(&format!("DELETE FROM {table} WHERE id % 10 = 0; CHECKPOINT"))?;
        let command = format!("VACUUM (INDEX_CLEANUP ON, PARALLEL 0, TRUNCATE OFF) {table}");
        (*total, phases) = watched(bench, table, &command)?;
    }
    let dead = |id: u32| id.is_multiple_of(10);
    let recall = super::recall(bench, INDEXED, &Live { ids: 0..base, dead: &dead })?;
    let what = format!("g: bulk delete of 10 % of {base} rows");
    let measured = format!("{:.3} s", phases.bulk_delete);
    bench.report.figure(&what, measured, "< 1 s", phases.bulk_delete < 1.0).recall = Some(recall);
    let [plain, indexed] = totals;
    let cleanup = phases.cleanup;
    let measured = format!("{indexed:.3} s, index cleanup {cleanup:.3} s of it; without index {plain:.3} s");
    bench.report.note("g: VACUUM in all", measured);
    server::drop_all(&mut bench.client)
}

/// Runs the VACUUM; returns its seconds, and those of its phases.
fn watched(bench: &mut Bench<'_>, table: &str, command: &str) -> Outcome<(f64, Phases)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(table, &stop));
        let total = server::seconds_of(&mut bench.client, command);
        stop.store(true, Ordering::Relaxed);
        let phases = watcher.join().map_err(|_| "the watching thread panicked")?;
        Ok((total?, phases?))
    })
}

fn watch(table: &str, stop: &AtomicBool) -> Outcome<Phases> {
    let mut client = server::connect()?;
    let sql = format!("SELECT phase FROM pg_stat_progress_vacuum WHERE relid = '{table}'::regclass");
    let statement = client.prepare(&sql)?;
    let (mut phases, mut last) = (Phases::default(), Instant::now());
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(LOOK_EVERY);
        let row = client.query_opt(&statement, &[])?;
        let seconds = last.elapsed().as_secs_f64();
        last = Instant::now();
        match row.as_ref().map(|row| row.get::<_, &str>(0)) {
            Some("vacuuming indexes") => phases.bulk_delete += seconds,
            Some("cleaning up indexes") => phases.cleanup += seconds,
            _ => {}
        }
    }
    Ok(phases)
}

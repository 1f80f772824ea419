//! Parts b, c and f: rows arrive in COPYs of 1,000, a commit each, while another connection searches.
//!
//! One run gives all three: rows per second until the last commit, times and recall of searches meanwhile,
//! and the WAL until maintenance has caught up. The same rows into a table without index (no searches there:
//! they would read the whole table) give what is subtracted from the WAL, and the speed to compare with.
//! Autovacuum is on in both, as it is by default, and a checkpoint before each makes both begin with full
//! page images.
//!
//! The table grows while it is searched, and what a search costs grows with it. So times under load stand beside those
//! of idle, freshly built indexes of the rows before and of the rows after.
//!
//! Only the inserter writes and ids grow from commit to commit, so a snapshot that sees an id sees all below
//! it: that is how samples of recall know their rows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use crate::Bench;
use crate::corpus::Corpus;
use crate::exact::Live;
use crate::outcome::Outcome;
use crate::report::RECALL_LEAST;
use crate::search::{self, Search, Times, UnderLoad, WINDOW_QUERIES};
use crate::server::{self, INDEXED, PLAIN, Stream};

/// Rows of one COPY.
const BATCH: u32 = 1000;

/// How long idle searches are measured.
const IDLE: Duration = Duration::from_secs(10);

/// Time between lines that say how far it is.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The insert of one table.
struct Inserted {
    rows_per_second: f64,
    wal_bytes: f64,
}

/// Measures.
///
/// # Errors
/// What the server raises.
pub fn run(bench: &mut Bench<'_>) -> Outcome<()> {
    let (base, rows) = (bench.rows(100_000), bench.rows(500_000));
    server::load(&mut bench.client, PLAIN, bench.corpus, 0..base, true)?;
    let before = start_of_wal(&mut bench.client)?;
    let rows_per_second = insert(&mut bench.client, PLAIN, bench.corpus, (base, rows), None)?;
    let plain = Inserted { rows_per_second, wal_bytes: server::wal_bytes(&mut bench.client)? - before };
    server::drop_all(&mut bench.client)?;

    server::load(&mut bench.client, INDEXED, bench.corpus, 0..base, true)?;
    server::build(&mut bench.client, bench.method, INDEXED)?;
    let idle_before = idle(bench, base, "before")?;
    let before = start_of_wal(&mut bench.client)?;
    let (rows_per_second, seen) =
        insert_and_search(&mut bench.client, bench.corpus, (base, rows), bench.pace)?;
    let settled = super::settle(bench, INDEXED)?;
    let indexed = Inserted { rows_per_second, wal_bytes: server::wal_bytes(&mut bench.client)? - before };

    let mut recalls = Vec::new();
    for (visible, answers) in &seen.samples {
        recalls.push((bench.exact.recall(answers, &Live::all(0..*visible))?, answers.len()));
    }
    report_insert(bench, &plain, &indexed, rows, mean_of(&recalls));
    bench.report.note("b: afterwards", settled);
    idle(bench, base + rows, "after")?;
    bench.client.batch_execute(&format!("REINDEX TABLE {INDEXED}"))?;
    let idle_after = idle(bench, base + rows, "after REINDEX")?;
    report_searches(bench, [&idle_before, &idle_after], &seen, &recalls);
    server::drop_all(&mut bench.client)
}

fn start_of_wal(client: &mut Client) -> Outcome<f64> {
    client.batch_execute("CHECKPOINT")?;
    server::wal_bytes(client)
}

/// Inserts rows by id, at most `pace` per second; returns rows per second.
fn insert(
    client: &mut Client,
    table: &str,
    corpus: &Corpus,
    (base, rows): (u32, u32),
    pace: Option<f64>,
) -> Outcome<f64> {
    let statement = Stream::binary(corpus, 0..0).statement(client, table)?;
    let (start, mut told) = (Instant::now(), Instant::now());
    let end = base + rows;
    for first in (base..end).step_by(BATCH as usize) {
        Stream::binary(corpus, first..end.min(first + BATCH)).copy_by(client, &statement)?;
        let due = pace.map(|pace| Duration::from_secs_f64(f64::from(first + BATCH - base) / pace));
        thread::sleep(due.unwrap_or_default().saturating_sub(start.elapsed()));
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            println!("  {table}: {} of {rows} rows in {:.0} s", first - base, start.elapsed().as_secs_f64());
        }
    }
    Ok(f64::from(rows) / start.elapsed().as_secs_f64())
}

/// Inserts while another thread searches; returns rows per second, and what the searches saw.
fn insert_and_search(
    client: &mut Client,
    corpus: &Corpus,
    ids: (u32, u32),
    pace: Option<f64>,
) -> Outcome<(f64, UnderLoad)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let searches = scope.spawn(|| search::under_load(corpus, INDEXED, &stop));
        let inserted = insert(client, INDEXED, corpus, ids, pace);
        stop.store(true, Ordering::Relaxed);
        let seen = searches.join().map_err(|_| "the searching thread panicked")?;
        Ok((inserted?, seen?))
    })
}

/// Searches of the idle table with rows 0 to `end`.
fn idle(bench: &mut Bench<'_>, end: u32, when: &str) -> Outcome<Times> {
    let search = Search::new(&mut bench.client, bench.corpus, INDEXED)?;
    let times = search.paced(&mut bench.client, IDLE)?;
    let recall = search.recall(&mut bench.client, &mut bench.exact, &Live::all(0..end))?;
    let what = format!("c: idle searches {when} ({end} rows)");
    bench.report.note(&what, times.to_string()).recall = Some(recall);
    Ok(times)
}

fn report_insert(bench: &mut Bench<'_>, plain: &Inserted, indexed: &Inserted, rows: u32, recall: f64) {
    let (rate, other) = (indexed.rows_per_second, plain.rows_per_second);
    let measured = format!("{rate:.0} rows/s, without index {other:.0}: {:.2}x", rate / other);
    let what = "b: COPY of 1,000 rows each";
    bench.report.figure(what, measured, ">= 8,000 rows/s", rate >= 8000.0).recall = Some(recall);
    let row = 4.0 * bench.corpus.dim() as f64;
    let bytes = (indexed.wal_bytes - plain.wal_bytes) / f64::from(rows);
    let of_heap = plain.wal_bytes / f64::from(rows);
    let measured =
        format!("{bytes:.0} bytes/row = {:.2}x of {row:.0}; of the table {of_heap:.0}", bytes / row);
    bench.report.figure("f: WAL of the index", measured, "<= 4x", bytes <= 4.0 * row);
}

/// `idle`: of fresh indexes, before and after; `samples`: recall and queries of each.
fn report_searches(bench: &mut Bench<'_>, idle: [&Times; 2], seen: &UnderLoad, samples: &[(f64, usize)]) {
    let (least, mean) = (least_of_windows(samples), mean_of(samples));
    let course: Vec<String> = seen.course.iter().map(|median| format!("{median:.2}")).collect();
    let seen = &seen.times;
    let [before, after] = idle.map(|idle| seen.quantile(0.5) / idle.quantile(0.5));
    let ratio = 2.0 / (1.0 / before + 1.0 / after);
    let what = format!("c: searches under load ({})", seen.count());
    let measured = format!(
        "{seen}; p50 of each fifth {}; {before:.2}x, {after:.2}x of idle before, after: {ratio:.2}x",
        course.join(", ")
    );
    bench.report.figure(&what, measured, "p50 <= 2x idle", ratio <= 2.0).recall = Some(mean);
    let what = format!("c: least recall of {WINDOW_QUERIES} adjacent queries under load");
    let measured = format!("{least:.4}; {} snapshots", samples.len());
    bench.report.figure(&what, measured, ">= 0.95", least >= RECALL_LEAST).recall = Some(least);
}

/// Recall of samples (recall, queries) taken together.
fn mean_of(samples: &[(f64, usize)]) -> f64 {
    let queries: usize = samples.iter().map(|(_, queries)| queries).sum();
    samples.iter().map(|(recall, queries)| recall * *queries as f64).sum::<f64>() / queries as f64
}

/// The least recall of adjacent samples that have [`WINDOW_QUERIES`] together; of all, when those are fewer.
///
/// A single sample is too small: chance takes or gives it two percent.
fn least_of_windows(samples: &[(f64, usize)]) -> f64 {
    let mut least = f64::INFINITY;
    for first in 0..samples.len() {
        let mut queries = 0;
        let has_enough = |&(_, more): &(f64, usize)| {
            queries += more;
            queries >= WINDOW_QUERIES
        };
        if let Some(last) = samples[first..].iter().position(has_enough) {
            least = least.min(mean_of(&samples[first..=first + last]));
        }
    }
    if least.is_finite() { least } else { mean_of(samples) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_slide_over_samples() {
        let half = WINDOW_QUERIES / 2;
        let samples = [(1.0, half), (0.9, half), (0.8, half), (1.0, half)];
        assert!((least_of_windows(&samples) - 0.85).abs() < 1e-12);
        assert!((mean_of(&samples) - 0.925).abs() < 1e-12);
        assert!((least_of_windows(&[(0.9, 1), (0.6, 2)]) - 0.7).abs() < 1e-12);
        assert_eq!(least_of_windows(&[(0.5, WINDOW_QUERIES), (1.0, 1)]), 0.5);
    }
}

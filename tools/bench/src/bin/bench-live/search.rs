//! Searches: how long they take, and what they find.
//!
//! A search asks for the 10 nearest rows of a real query by a prepared statement, its vector as a parameter.
//! Idle and under load searches come at the same pace, so that both find caches and processor in the same
//! mood; a time is that of one round trip, waiting for the next turn left out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postgres::{Client, GenericClient, IsolationLevel, Statement};

use crate::corpus::Corpus;
use crate::exact::{Answer, Exact, Live, RESULTS};
use crate::outcome::Outcome;
use crate::server;

/// Searches per second of a paced client.
const PACE: f64 = 50.0;

/// Time between two samples of recall under load.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Searches of one sample.
const SAMPLE: usize = 50;

/// Queries that a recall is measured on, if the data set has as many.
const RECALL_QUERIES: usize = 1000;

/// The same under load, where it is 4 samples.
pub const WINDOW_QUERIES: usize = 4 * SAMPLE;

/// Least number of queries whose times or answers say something.
const QUERIES_LEAST: usize = 20;

/// Measuring a recall ends after this time, when it has some queries.
const RECALL_MAX: Duration = Duration::from_secs(10);

/// Pages at a table's end that the youngest row is looked for in.
const TAIL_PAGES: i64 = 1000;

/// A searching connection's statement.
pub struct Search<'a> {
    corpus: &'a Corpus,
    statement: Statement,
}

/// Times of round trips.
#[derive(Clone, Debug, Default)]
pub struct Times {
    seconds: Vec<f64>,
}

/// What was seen of searches under load.
#[derive(Default)]
pub struct UnderLoad {
    /// Times of paced searches.
    pub times: Times,
    /// The same of each fifth of the load, in milliseconds: their medians.
    pub course: Vec<f64>,
    /// Samples: rows visible to the snapshot (ids below), and answers.
    pub samples: Vec<(u32, Vec<Answer>)>,
}

impl Times {
    /// Sorts times in seconds.
    pub fn new(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        Self { seconds }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.seconds.len()
    }

    /// The time that this share needed at most, in milliseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let at = (self.seconds.len() as f64 * share) as usize;
        self.seconds.get(at.min(self.seconds.len().saturating_sub(1))).map_or(f64::NAN, |time| time * 1000.0)
    }

    /// Per second, when one follows the other.
    pub fn rate(&self) -> f64 {
        self.seconds.len() as f64 / self.seconds.iter().sum::<f64>()
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p95, p99, max] = [0.5, 0.95, 0.99, 1.0].map(|share| self.quantile(share));
        write!(f, "p50 {p50:.2}, p95 {p95:.2}, p99 {p99:.2}, max {max:.1} ms")
    }
}

impl<'a> Search<'a> {
    /// Prepares the statement.
    ///
    /// # Errors
    /// What the server raises; when the plan has no index.
    pub fn new(client: &mut Client, corpus: &'a Corpus, table: &str) -> Outcome<Self> {
        let order = format!("FROM {table} ORDER BY embedding <=>");
        let zeros = vec!["0.1"; corpus.dim()].join(",");
        let plan = client.query(&format!("EXPLAIN SELECT id {order} '[{zeros}]' LIMIT {RESULTS}"), &[])?;
        if !plan.iter().any(|line| line.get::<_, &str>(0).contains("Index Scan")) {
            return Err(format!("searches of {table} do not take the index").into());
        }
        let statement = client.prepare(&format!("SELECT id {order} $1::real[]::vector LIMIT {RESULTS}"))?;
        Ok(Self { corpus, statement })
    }

    /// One search; returns the ids, nearest first.
    fn run(&self, client: &mut impl GenericClient, query: usize) -> Outcome<Vec<u32>> {
        let rows = client.query(&self.statement, &[&self.corpus.query(query)])?;
        Ok(rows.iter().map(|row| row.get::<_, i32>(0) as u32).collect())
    }

    /// Recall over the rows that are live; fewer queries than usual when they are slow.
    ///
    /// # Errors
    /// What the server raises; a row that is not live.
    pub fn recall(&self, client: &mut Client, exact: &mut Exact<'_>, live: &Live<'_>) -> Outcome<f64> {
        let start = Instant::now();
        let mut answers = Vec::new();
        for query in 0..RECALL_QUERIES.min(self.corpus.queries()) {
            if answers.len() >= QUERIES_LEAST && start.elapsed() > RECALL_MAX {
                break;
            }
            answers.push(Answer { query, found: self.run(client, query)? });
        }
        exact.recall(&answers, live)
    }

    /// Searches at a pace for so long, after a few that warm up.
    ///
    /// # Errors
    /// What the server raises.
    pub fn paced(&self, client: &mut Client, duration: Duration) -> Outcome<Times> {
        for query in 0..QUERIES_LEAST {
            self.run(client, query)?;
        }
        let (start, mut seconds, mut pace) = (Instant::now(), Vec::new(), Pace::new());
        while start.elapsed() < duration || seconds.len() < QUERIES_LEAST {
            pace.wait();
            seconds.push(self.timed(client, seconds.len())?);
        }
        Ok(Times::new(seconds))
    }

    /// Searches one after the other for so long.
    ///
    /// # Errors
    /// What the server raises.
    pub fn steady(&self, client: &mut Client, duration: Duration, seconds: &mut Vec<f64>) -> Outcome<()> {
        let start = Instant::now();
        while start.elapsed() < duration {
            seconds.push(self.timed(client, seconds.len())?);
        }
        Ok(())
    }

    fn timed(&self, client: &mut Client, query: usize) -> Outcome<f64> {
        let start = Instant::now();
        let found = self.run(client, query)?;
        if found.len() != RESULTS {
            return Err(format!("query {query}: {} results", found.len()).into());
        }
        Ok(start.elapsed().as_secs_f64())
    }

    /// Answers of one snapshot, and the number of rows that it sees: ids grow with commits, so these are all
    /// below one more than the largest.
    fn sample(&self, client: &mut Client, table: &str, first: usize) -> Outcome<(u32, Vec<Answer>)> {
        let mut snapshot = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()?;
        let visible = youngest(&mut snapshot, table)? + 1;
        let mut answers = Vec::new();
        for query in first..first + SAMPLE {
            let found = self.run(&mut snapshot, query)?;
            answers.push(Answer { query: query % self.corpus.queries(), found });
        }
        snapshot.commit()?;
        Ok((visible, answers))
    }
}

/// The largest id that the snapshot sees, from the table's last pages: rows are only appended.
fn youngest(client: &mut impl GenericClient, table: &str) -> Outcome<u32> {
    let size = format!("SELECT pg_relation_size('{table}') / current_setting('block_size')::int");
    let pages: i64 = client.query_one(&size, &[])?.get(0);
    let mut tail = TAIL_PAGES;
    loop {
        let first = (pages - tail).max(0);
        let sql = format!("SELECT max(id) FROM {table} WHERE ctid >= '({first},0)'::tid");
        if let Some(id) = client.query_one(&sql, &[])?.get::<_, Option<i32>>(0) {
            return Ok(id as u32);
        }
        if first == 0 {
            return Err(format!("{table} has no rows").into());
        }
        tail *= 4;
    }
}

/// On a connection of its own: searches at a pace, and samples of recall, until `stop`.
///
/// Exact answers are computed later, from what is kept, so that they don't disturb what is measured.
///
/// # Errors
/// What the server raises.
pub fn under_load(corpus: &Corpus, table: &str, stop: &AtomicBool) -> Outcome<UnderLoad> {
    let mut client = server::connect()?;
    let search = Search::new(&mut client, corpus, table)?;
    let (mut seconds, mut samples, mut pace) = (Vec::new(), Vec::new(), Pace::new());
    let mut sampled = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if sampled.elapsed() > SAMPLE_EVERY {
            samples.push(search.sample(&mut client, table, samples.len() * SAMPLE)?);
            // A sample that takes long must not leave no time for searches between two of them.
            sampled = Instant::now();
        }
        pace.wait();
        seconds.push(search.timed(&mut client, seconds.len())?);
    }
    if samples.is_empty() {
        samples.push(search.sample(&mut client, table, 0)?);
    }
    let fifth = seconds.len().div_ceil(5).max(1);
    let course = seconds.chunks(fifth).map(|part| Times::new(part.to_vec()).quantile(0.5)).collect();
    Ok(UnderLoad { times: Times::new(seconds), course, samples })
}

/// Turns at equal distances; who is late does not hurry afterwards.
struct Pace {
    next: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { next: Instant::now() }
    }

    fn wait(&mut self) {
        let now = Instant::now();
        if self.next > now {
            std::thread::sleep(self.next - now);
        }
        self.next = self.next.max(now) + Duration::from_secs_f64(1.0 / PACE);
    }
}

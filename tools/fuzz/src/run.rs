//! One run of one target: its counts, its findings, and the rules that every answer obeys.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::random::Random;
use crate::session::{Failure, Session};

/// Findings of one run that are printed.
const PRINTED_MAX: usize = 12;
/// Growth of the backend's own memory, in kB, that is a finding. The catalog's caches are not counted.
const MEMORY_GROWTH_MAX: i64 = 64 * 1024;

/// Internal errors that are documented: users only get them by calling what is not meant for them.
const INTERNAL: [&str; 6] = [
    // Values that somebody damaged.
    "stored ",
    "expected state array",
    "without order",
    "non-MVCC snapshots are not supported",
    // PostgreSQL's own, for what is not ours to check.
    "invalid memory alloc request size",
    "cache lookup failed",
];

/// The run, as targets see it.
pub struct Run {
    /// The target's name.
    pub name: &'static str,
    /// The connection of the run. Targets may replace it.
    pub session: Session,
    seed: u64,
    case: u64,
    started: Instant,
    counts: [u64; 2],
    seen: BTreeSet<String>,
    findings: usize,
    memory_at_start: Option<i64>,
    memory: i64,
}

impl Run {
    /// Makes the target's database, with the extension in it, and connects.
    ///
    /// # Errors
    /// As the server says.
    pub fn start(name: &'static str, seed: u64) -> Result<Self, Failure> {
        let database = Self::database(name);
        let mut session = Session::connect("postgres", "postgres")?;
        session.simple(&format!("DROP DATABASE IF EXISTS {database}"))?;
        session.simple(&format!("CREATE DATABASE {database}"))?;
        let mut session = Session::connect(&database, "postgres")?;
        session.simple("CREATE EXTENSION proxima")?;
        Ok(Run {
            name,
            session,
            seed,
            case: 0,
            started: Instant::now(),
            counts: [0; 2],
            seen: BTreeSet::new(),
            findings: 0,
            memory_at_start: None,
            memory: 0,
        })
    }

    /// The database of a target.
    pub fn database(name: &str) -> String {
        format!("fuzz_{name}")
    }

    /// Begins a case.
    pub fn begin(&mut self, case: u64) -> Random {
        self.case = case;
        // Caches have been filled by then.
        if case.is_multiple_of(256) {
            self.memory = self.own_memory();
            if self.memory_at_start.is_none() && self.started.elapsed() > Duration::from_secs(10) {
                self.memory_at_start = Some(self.memory);
            }
        }
        Random::of_case(self.seed, case)
    }

    /// Memory of the backend without the catalog's caches, which keep what is looked up, in kB; 0 if unknown.
    fn own_memory(&mut self) -> i64 {
        let caches = "SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts
            WHERE 'CacheMemoryContext' IN (name, parent)";
        let caches = self.session.simple(caches).ok().flatten().and_then(|caches| caches.parse::<f64>().ok());
        let all = anonymous_memory(self.session.pid);
        all.zip(caches).map_or(0, |(all, caches)| all - caches as i64)
    }

    /// Counts an input that was accepted.
    pub fn accepted(&mut self) {
        self.counts[0] += 1;
    }

    /// Counts an input that was rejected, and judges the error.
    ///
    /// # Errors
    /// If the connection is lost.
    pub fn rejected(&mut self, failure: Failure, input: &dyn Display) -> Result<(), Failure> {
        self.counts[1] += 1;
        match &failure {
            Failure::Lost(_) => Err(failure),
            Failure::Error(code, message) => {
                let is_internal = matches!(code.as_str(), "XX000" | "XX001" | "XX002" | "client")
                    || code.starts_with("58")
                    || message.contains("panicked");
                if is_internal && !INTERNAL.iter().any(|known| message.contains(known)) {
                    self.finding(
                        &format!("error {code} {}", shape(message)),
                        &format!("{failure}\n  {input}"),
                    );
                }
                Ok(())
            }
        }
    }

    /// Counts either, and hands back the value.
    ///
    /// # Errors
    /// If the connection is lost.
    pub fn judge<T>(
        &mut self,
        result: Result<T, Failure>,
        input: &dyn Display,
    ) -> Result<Option<T>, Failure> {
        match result {
            Ok(value) => {
                self.accepted();
                Ok(Some(value))
            }
            Err(failure) => self.rejected(failure, input).map(|()| None),
        }
    }

    /// Something is wrong; `kind` tells findings apart.
    pub fn finding(&mut self, kind: &str, detail: &dyn Display) {
        self.findings += 1;
        if self.seen.len() < PRINTED_MAX && self.seen.insert(kind.to_owned()) {
            println!("FINDING {} --seed {} --case {}: {kind}\n  {detail}", self.name, self.seed, self.case);
        }
    }

    /// Something is wrong unless `holds`.
    pub fn check(&mut self, holds: bool, kind: &str, detail: &dyn Display) {
        if !holds {
            self.finding(kind, detail);
        }
    }

    /// Whether more cases fit into the time.
    pub fn has_time(&self, seconds: f64) -> bool {
        self.started.elapsed().as_secs_f64() < seconds
    }

    /// The connection is gone: a finding. Connects again when the server is back.
    ///
    /// # Errors
    /// If the server stays away.
    pub fn reconnect(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.finding("lost connection", failure);
        let mut last = failure.clone();
        for _ in 0..60 {
            match Session::connect(&Self::database(self.name), "postgres") {
                Ok(session) => {
                    self.session = session;
                    return Ok(());
                }
                Err(error) => last = error,
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        Err(last)
    }

    /// Prints the run's line; whether there was no finding.
    pub fn finish(mut self, cases: u64) -> bool {
        let growth = self.memory_at_start.map_or(0, |start| self.memory - start);
        if growth > MEMORY_GROWTH_MAX {
            self.finding("memory", &format!("the backend grew by {growth} kB"));
        }
        println!(
            "{:<14} seed {:<6} {:>5.0} s {:>9} cases {:>9} accepted {:>9} rejected {:>4} findings, memory {:+} kB",
            self.name,
            self.seed,
            self.started.elapsed().as_secs_f64(),
            cases,
            self.counts[0],
            self.counts[1],
            self.findings,
            growth
        );
        self.findings == 0
    }
}

/// A message without what is special about one case.
fn shape(message: &str) -> String {
    let start: String = message.chars().take(80).collect();
    start.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

/// Memory of a process that is its own, in kB; none where the system does not say.
fn anonymous_memory(pid: i32) -> Option<i64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

//! Searches: the answers, how many are right, how long they take.

use std::time::{Duration, Instant};

use crate::data::Data;
use crate::session::{Session, Vector};

/// Rows asked for.
const K: usize = 10;
/// Answers shown per query.
const SHOWN_ANSWERS: i64 = 3;
const SEARCH: &str = "SELECT id FROM wordnet ORDER BY embedding <=> $1 LIMIT 10";

/// The answers to all queries.
pub struct Answers {
    ids: Vec<Vec<i32>>,
    /// Ascending.
    times: Vec<Duration>,
}

impl Answers {
    /// By reading the whole table, in one process: workers would take longer to start than to search.
    pub fn exact(session: &mut Session, data: &Data) -> Result<Self, postgres::Error> {
        session.batch_execute("SET enable_indexscan = off; SET max_parallel_workers_per_gather = 0")?;
        let answers = Self::measure(session, data)?;
        session.batch_execute("RESET enable_indexscan; RESET max_parallel_workers_per_gather")?;
        Ok(answers)
    }

    /// By the index, with every setting at its default.
    pub fn by_index(session: &mut Session, data: &Data) -> Result<Self, postgres::Error> {
        Self::measure(session, data)
    }

    fn measure(session: &mut Session, data: &Data) -> Result<Self, postgres::Error> {
        let statement = session.prepare(SEARCH)?;
        let mut answers = Answers { ids: Vec::new(), times: Vec::new() };
        // Once unmeasured: the first query after a build reads from disk and plans.
        session.query(&statement, &[&Vector(data.queries.row(0))])?;
        for i in 0..data.queries.rows() {
            let start = Instant::now();
            let rows = session.query(&statement, &[&Vector(data.queries.row(i))])?;
            answers.times.push(start.elapsed());
            answers.ids.push(rows.iter().map(|row| row.get(0)).collect());
        }
        answers.times.sort();
        Ok(answers)
    }

    /// The share of the true nearest rows that was found.
    fn recall(&self, data: &Data) -> f64 {
        let hits = |(i, ids): (usize, &Vec<i32>)| {
            let nearest = &data.nearest.row(i)[..K];
            ids.iter().filter(|id| nearest.contains(id)).count()
        };
        let found: usize = self.ids.iter().enumerate().map(hits).sum();
        found as f64 / (self.ids.len() * K) as f64
    }

    /// The time that `share` of the queries took at most, in milliseconds.
    fn quantile(&self, share: f64) -> f64 {
        let at = (self.times.len() as f64 * share).ceil() as usize;
        self.times[at.clamp(1, self.times.len()) - 1].as_secs_f64() * 1e3
    }

    /// One line about all of them.
    pub fn summary(&self, name: &str, data: &Data) -> String {
        format!(
            "{name:24} recall@{K} {:.3}   p50 {:6.2} ms   p99 {:6.2} ms   ({} queries)",
            self.recall(data),
            self.quantile(0.5),
            self.quantile(0.99),
            self.times.len()
        )
    }
}

/// Prints some queries and the texts nearest to them, for a person to judge.
pub fn show_answers(session: &mut Session, data: &Data, count: usize) -> Result<(), postgres::Error> {
    let statement = session.prepare(
        "SELECT text, embedding <=> $1 AS distance FROM wordnet ORDER BY embedding <=> $1 LIMIT $2",
    )?;
    // Spread over the file, the same ones every time.
    let step = (data.queries.rows() / count).max(1);
    for i in (0..data.queries.rows()).step_by(step).take(count) {
        println!("\n  {}", shorten(&data.query_texts[i]));
        for row in session.query(&statement, &[&Vector(data.queries.row(i)), &SHOWN_ANSWERS])? {
            let (text, distance): (String, f64) = (row.get(0), row.get(1));
            println!("    {distance:.3}  {}", shorten(&text));
        }
    }
    Ok(())
}

/// What fits on a line.
fn shorten(text: &str) -> String {
    const WIDTH: usize = 100;
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    text.chars().take(WIDTH - 3).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_measured_values() {
        let times = (1..=200).map(Duration::from_millis).collect();
        let answers = Answers { ids: Vec::new(), times };
        assert_eq!(answers.quantile(0.5), 100.0);
        assert_eq!(answers.quantile(0.99), 198.0);
        assert_eq!(answers.quantile(1.0), 200.0);
    }
}

//! `make bench-live`: an index that lives, beside the same table without one.
//!
//! ```text
//! bench-live [--parts a,b,...] [--rows-scale 0.1] [--pace 10000] [--method ivf] [--out DIR] DATASET
//! ```
//!
//! | part | what |
//! |---|---|
//! | a | COPY of 200,000 rows, binary and text |
//! | b | 500,000 rows by COPY of 1,000 each, maintenance on; with it c: searches meanwhile, f: WAL |
//! | d | 20,000 rows inserted one by one |
//! | e | 30 % deleted and vacuumed, then against a fresh index of the same rows |
//! | g | VACUUM of 10 % dead rows: the index's bulk delete |
//! | h | 10 turnovers of 20,000 rows: size against a fresh index |
//!
//! Every figure is measured in the same run as its counterpart without index, recall@10 is against exact
//! answers over the rows that were live at that moment (`exact.rs`). Autovacuum is on in part b only;
//! elsewhere it would run into one side of a comparison and not the other. Targets are meant for a scale of
//! 1. The program fails when a recall is below 0.95, not when a target is missed.
#![forbid(unsafe_code)]

mod corpus;
mod exact;
mod outcome;
mod parts;
mod report;
mod search;
mod server;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use bench::dataset::Dataset;
use bench::index::Method;
use postgres::Client;

use corpus::Corpus;
use exact::Exact;
use outcome::Outcome;
use report::Report;

/// What the program was asked for.
struct Options {
    parts: String,
    scale: f64,
    pace: Option<f64>,
    method: Method,
    out: PathBuf,
    data: PathBuf,
}

/// What parts work with.
pub struct Bench<'a> {
    /// The connection that writes.
    pub client: Client,
    /// The rows.
    pub corpus: &'a Corpus,
    /// Exact answers over them.
    pub exact: Exact<'a>,
    /// The figures.
    pub report: Report,
    /// Rows per second that part b inserts at most.
    pub pace: Option<f64>,
    /// What indexes are made with.
    pub method: Method,
    scale: f64,
}

impl Bench<'_> {
    /// So many rows, scaled; a multiple of 100.
    pub fn rows(&self, full: u32) -> u32 {
        ((f64::from(full) * self.scale / 100.0) as u32).max(5) * 100
    }
}

fn main() -> Outcome<ExitCode> {
    let options = parse(std::env::args().skip(1))?;
    let start = Instant::now();
    let data = Dataset::read(Path::new(&options.data)).map_err(|error| error.to_string())?;
    let corpus = Corpus::new(data);
    let mut client = server::connect()?;
    server::prepare(&mut client)?;
    // The settings that preparing changed are those of connections made afterwards.
    let client = server::connect()?;
    let report = Report::default();
    let mut bench = Bench {
        client,
        corpus: &corpus,
        exact: Exact::new(&corpus),
        report,
        pace: options.pace,
        method: options.method,
        scale: options.scale,
    };
    println!("{}: {} rows of {} dimensions", corpus.name(), corpus.real(), corpus.dim());
    for (name, what, run) in parts::ALL {
        if options.parts.split(',').any(|part| name.split(' ').any(|name| name == part)) {
            println!("\n[{:.0} s] {name}: {what}", start.elapsed().as_secs_f64());
            run(&mut bench)?;
        }
    }
    let heading = format!(
        "# An index that lives\n\n{}, {} ({} dimensions), rows scaled by {}, {:.0} s",
        options.method.name(),
        corpus.name(),
        corpus.dim(),
        options.scale,
        start.elapsed().as_secs_f64()
    );
    bench.report.finish(&heading, &options.out.join("live.md"))?;
    if bench.report.has_low_recall() {
        eprintln!("a recall is below {}", report::RECALL_LEAST);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(arguments: impl Iterator<Item = String>) -> Outcome<Options> {
    let usage = "usage: bench-live [--parts a,b,...] [--rows-scale FACTOR] [--pace ROWS_PER_SECOND] \
                 [--method hnsw|ivf] [--out DIR] DATASET";
    let mut options = Options {
        parts: "a,b,c,d,e,f,g,h".to_owned(),
        scale: 1.0,
        pace: None,
        method: Method::Hnsw,
        out: PathBuf::from("target/bench-results"),
        data: PathBuf::new(),
    };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--parts" => options.parts = value()?,
            "--rows-scale" => options.scale = value()?.parse()?,
            "--pace" => options.pace = Some(value()?.parse()?),
            "--method" => options.method = value()?.parse()?,
            "--out" => options.out = value()?.into(),
            folder if !folder.starts_with("--") => options.data = folder.into(),
            _ => return Err(format!("unknown option {argument}; {usage}").into()),
        }
    }
    if options.data.as_os_str().is_empty() || options.scale.is_nan() || options.scale <= 0.0 {
        return Err(usage.into());
    }
    if let Some(part) = options.parts.split(',').find(|part| !"abcdefgh".contains(part) || part.len() != 1) {
        return Err(format!("there is no part {part}; {usage}").into());
    }
    Ok(options)
}

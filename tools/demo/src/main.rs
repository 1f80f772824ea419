//! The demo: loads real embeddings into proxima, searches, and shows what comes back and how fast.
//!
//! ```text
//! demo FOLDER        FOLDER as described in data/wordnet-10k/README.md
//! ```
//!
//! Finds the server through PGHOST (a socket's directory), PGPORT and PGUSER, as psql does, and makes a table
//! of its own there. `scripts/demo.sh` gives it a private server.
#![forbid(unsafe_code)]

mod data;
mod index;
mod search;
mod session;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use data::Data;
use search::{Answers, show_answers};
use session::{Session, copy_rows};

/// Queries whose answers are shown as text.
const SHOWN_QUERIES: usize = 5;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: demo FOLDER");
        return ExitCode::FAILURE;
    };
    match run(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let data = Data::read(folder)?;
    let mut session = Session::connect()?;

    session.batch_execute("CREATE EXTENSION IF NOT EXISTS proxima")?;
    println!("{}", describe(&mut session)?);

    let start = Instant::now();
    copy_rows(&mut session, &data)?;
    let seconds = start.elapsed().as_secs_f64();
    let (count, dim) = (data.base.rows(), data.base.columns());
    println!(
        "loaded {count} embeddings of {dim} dimensions in {seconds:.2} s ({:.0} rows/s)",
        count as f64 / seconds
    );

    let exact = Answers::exact(&mut session, &data)?;
    println!("\n{}", exact.summary("exact search, no index", &data));
    for method in ["ivf", "hnsw"] {
        index::build(&mut session, method)?;
        let approximate = Answers::by_index(&mut session, &data)?;
        println!("{}", approximate.summary(&format!("{method}, defaults"), &data));
    }
    Ok(show_answers(&mut session, &data, SHOWN_QUERIES)?)
}

/// One line: what runs here.
fn describe(session: &mut Session) -> Result<String, postgres::Error> {
    let row = session.query_one(
        "SELECT extversion, current_setting('server_version'), proxima.simd_tier()
         FROM pg_extension WHERE extname = 'proxima'",
        &[],
    )?;
    let (version, server, tier): (String, String, String) = (row.get(0), row.get(1), row.get(2));
    Ok(format!("proxima {version} on PostgreSQL {server}, distances with {tier}"))
}

/// An error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

//! `make bench`: recall beside every speed, on real embeddings.
//!
//! For each data set and each kind of index: load, build, size, and for each effort the recall@10 of all queries
//! against exact answers and the queries per second that pgbench reaches with prepared statements from one client.
//! Indexes take turns, so that a machine that becomes slower or faster is fair to all of them. Results are tables on
//! standard output, with targets that are met or not, and a plot of recall over speed.
#![forbid(unsafe_code)]

mod plot;
mod report;

use std::error::Error;
use std::path::{Path, PathBuf};

use postgres::Client;

use bench::dataset::Dataset;
use bench::index::Kind;
use bench::measure::{self, Effort, Point};
use report::Measured;

/// Runs of pgbench, of which the best counts.
const ROUNDS: u32 = 2;

/// What the program was asked for.
struct Options {
    data: Vec<PathBuf>,
    out: PathBuf,
    seconds: u32,
    kinds: Vec<Kind>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = parse(std::env::args().skip(1))?;
    std::fs::create_dir_all(&options.out)?;
    for folder in &options.data {
        run(folder, &options)?;
    }
    Ok(())
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        data: Vec::new(),
        out: PathBuf::from("target/bench-results"),
        seconds: 5,
        kinds: Kind::all(),
    };
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--out" => options.out = value()?.into(),
            "--seconds" => options.seconds = value()?.parse()?,
            // Instead of ours, as another library's operator classes may want it.
            "--create-index" => options.kinds = vec![Kind::other(value()?)],
            folder if !folder.starts_with("--") => options.data.push(folder.into()),
            _ => return Err(format!("unknown option {argument}").into()),
        }
    }
    if options.data.is_empty() {
        return Err("usage: bench [--out DIR] [--seconds N] [--create-index SQL] DATASET...".into());
    }
    Ok(options)
}

/// An index, in a schema of its own beside the others.
struct Subject {
    schema: String,
    client: Client,
    efforts: Vec<Effort>,
    measured: Measured,
}

fn run(folder: &Path, options: &Options) -> Result<(), Box<dyn Error>> {
    let data = Dataset::read(folder)?;
    println!(
        "\n## {}: {} rows of {} dimensions, {} queries",
        data.name, data.rows.count, data.rows.dim, data.queries.count
    );
    let mut subjects = Vec::new();
    for (at, kind) in options.kinds.iter().enumerate() {
        subjects.push(make(&data, format!("bench_{at}"), kind)?);
    }
    let efforts = subjects.iter().map(|subject| subject.efforts.len()).max().unwrap_or(0);
    for round in 0..ROUNDS {
        for at in 0..efforts {
            for subject in &mut subjects {
                measure_effort(&data, subject, at, round, options.seconds)?;
            }
        }
    }
    let all: Vec<Measured> = subjects.into_iter().map(|subject| subject.measured).collect();
    println!(
        "\n{}\n{}\n{}",
        report::indexes(&all),
        report::efforts(&all),
        report::targets(&all, data.rows.count)
    );
    let path = options.out.join(format!("{}.svg", data.name));
    std::fs::write(&path, plot::recall_over_speed(&data.name, &all))?;
    println!("plot: {}", path.display());
    Ok(())
}

fn make(data: &Dataset, schema: String, kind: &Kind) -> Result<Subject, Box<dyn Error>> {
    let mut client = measure::connect_to(&schema)?;
    let load = measure::load(&mut client, data)?;
    let build = measure::build(&mut client, &kind.create_index)?;
    println!("{}: load (binary COPY) {load:.2} s, build {build:.2} s", kind.label);
    let bytes_per_row = measure::index_bytes(&mut client)? / data.rows.count as f64;
    let share = bytes_per_row / (4 * data.rows.dim) as f64;
    let latency = measure::latency(&mut client, data)?;
    let efforts = Effort::all(&mut client, kind.method);
    let measured = Measured { kind: kind.clone(), build, bytes_per_row, share, latency, points: Vec::new() };
    Ok(Subject { schema, client, efforts, measured })
}

/// Measures the effort at this place, if there is one: recall in the first round, the best speed in all.
fn measure_effort(
    data: &Dataset,
    subject: &mut Subject,
    at: usize,
    round: u32,
    seconds: u32,
) -> Result<(), Box<dyn Error>> {
    let Some(&effort) = subject.efforts.get(at) else { return Ok(()) };
    let points = &mut subject.measured.points;
    if round == 0 {
        let recall = measure::recall(&mut subject.client, data, &effort)?;
        points.push(Point { effort, recall, speed: 0.0 });
    }
    let speed = measure::speed(data, &subject.schema, &effort, seconds)?;
    points[at].speed = points[at].speed.max(speed);
    Ok(())
}

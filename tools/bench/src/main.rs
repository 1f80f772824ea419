//! `make bench`: recall beside every speed, on real embeddings.
//!
//! For each data set: load, then for each kind of index build, size, and for each effort the recall@10 of all queries
//! against exact answers and the queries per second that pgbench reaches with prepared statements from one client.
//! Results are tables on standard output, with targets that are met or not, and a plot of recall over speed.
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

fn run(folder: &Path, options: &Options) -> Result<(), Box<dyn Error>> {
    let data = Dataset::read(folder)?;
    let mut client = measure::connect()?;
    println!(
        "\n## {}: {} rows of {} dimensions, {} queries",
        data.name, data.rows.count, data.rows.dim, data.queries.count
    );
    let loading = measure::load(&mut client, &data)?;
    println!("load (binary COPY) {loading:.2} s");
    let mut all = Vec::new();
    for kind in &options.kinds {
        all.push(measure_one(&mut client, &data, kind, options.seconds)?);
    }
    println!("\n{}\n{}", report::indexes(&all), report::targets(&all, data.rows.count));
    let path = options.out.join(format!("{}.svg", data.name));
    std::fs::write(&path, plot::recall_over_speed(&data.name, &all))?;
    println!("plot: {}", path.display());
    Ok(())
}

fn measure_one(
    client: &mut Client,
    data: &Dataset,
    kind: &Kind,
    seconds: u32,
) -> Result<Measured, Box<dyn Error>> {
    let build = measure::build(client, &kind.create_index)?;
    let bytes_per_row = measure::index_bytes(client)? / data.rows.count as f64;
    let share = bytes_per_row / (4 * data.rows.dim) as f64;
    let latency = measure::latency(client, data)?;
    println!("\n### {}\n\n| effort | recall@10 | queries/s |\n|---|---:|---:|", kind.label);
    let mut points = Vec::new();
    for effort in Effort::all(client, kind.method) {
        let recall = measure::recall(client, data, &effort)?;
        let speed = measure::speed(data, &effort, seconds)?;
        println!("| {} | {recall:.4} | {speed:.0} |", effort.label());
        points.push(Point { effort, recall, speed });
    }
    Ok(Measured { kind: kind.clone(), build, bytes_per_row, share, latency, points })
}

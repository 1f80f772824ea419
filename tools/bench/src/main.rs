//! `make bench`: recall beside every speed, on real embeddings.
//!
//! For each data set: load, build, then for each effort the recall@10 of all queries against exact answers and the
//! queries per second that pgbench reaches with prepared statements from one client. Results are a table on standard
//! output and a plot of recall over speed.
#![forbid(unsafe_code)]

mod plot;

use std::error::Error;
use std::path::{Path, PathBuf};

use postgres::Client;

use bench::dataset::Dataset;
use bench::measure::{self, Effort, Point};

/// What the program was asked for.
struct Options {
    data: Vec<PathBuf>,
    out: PathBuf,
    seconds: u32,
    /// `CREATE INDEX ... USING` this, with this operator class, as `hnsw` of another library may want.
    create_index: String,
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
        create_index: "CREATE INDEX items_embedding ON items USING hnsw (embedding vector_cosine_ops)"
            .to_owned(),
    };
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--out" => options.out = value()?.into(),
            "--seconds" => options.seconds = value()?.parse()?,
            "--create-index" => options.create_index = value()?,
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
    println!("load (binary COPY)   {loading:.2} s");
    let building = measure::build(&mut client, &options.create_index)?;
    println!("build                {building:.2} s");
    let bytes = measure::index_bytes(&mut client)?;
    println!("index size           {:.0} bytes/row", bytes / data.rows.count as f64);
    let (p50, p99) = measure::latency(&mut client, &data)?;
    println!("latency, defaults    p50 {p50:.3} ms, p99 {p99:.3} ms\n");
    println!("| effort | recall@10 | queries/s |\n|---|---:|---:|");
    let points = measure_all(&mut client, &data, options)?;
    let path = options.out.join(format!("{}.svg", data.name));
    std::fs::write(&path, plot::recall_over_speed(&data.name, &points))?;
    println!("\nplot: {}", path.display());
    Ok(())
}

fn measure_all(client: &mut Client, data: &Dataset, options: &Options) -> Result<Vec<Point>, Box<dyn Error>> {
    let mut points = Vec::new();
    for effort in Effort::all(client) {
        let recall = measure::recall(client, data, &effort)?;
        let speed = measure::speed(data, &effort, options.seconds)?;
        println!("| {} | {recall:.4} | {speed:.0} |", effort.label());
        points.push(Point { effort, recall, speed });
    }
    Ok(points)
}

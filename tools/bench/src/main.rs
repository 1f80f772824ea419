//! `make bench`: recall beside every speed, on real embeddings, or on made ones of any number.
//!
//! ```text
//! bench [--out DIR] [--seconds N] [--maintenance-work-mem 64MB,1GB] [--kinds KIND]... [--pgvector KIND]...
//!       [--generated ROWSxDIM]... [DATASET]...
//! ```
//!
//! For each data set and each kind of index: load, build, size, and for each effort the recall@10 of all queries
//! against exact answers and the queries per second that pgbench reaches with prepared statements from one client.
//! Indexes take turns, so that a machine that becomes slower or faster is fair to all of them. Results are tables on
//! standard output, with targets that are met or not, and a plot of recall over speed.
//!
//! A kind is a method with options, `ivf, bits = 4`. `--kinds` replaces the usual ones, `--pgvector` adds one of
//! pgvector's, in a database of its own on the same server. With several values of maintenance_work_mem an index is
//! built with each, and measured as the last made it.
#![forbid(unsafe_code)]

mod plot;
mod report;

use std::error::Error;
use std::path::PathBuf;

use postgres::Client;

use bench::dataset::{Dataset, Rows};
use bench::index::{Kind, Library};
use bench::measure::{self, Effort, Place, Point};
use report::{Build, Measured};

/// Runs of pgbench, of which the best counts.
const ROUNDS: u32 = 2;

/// What the program was asked for.
struct Options {
    folders: Vec<PathBuf>,
    generated: Vec<String>,
    out: PathBuf,
    seconds: u32,
    memory: Vec<String>,
    kinds: Vec<Kind>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = parse(std::env::args().skip(1))?;
    std::fs::create_dir_all(&options.out)?;
    for folder in &options.folders {
        run(&Dataset::read(folder)?, &options)?;
    }
    for sizes in &options.generated {
        run(&Dataset::generated(sizes)?, &options)?;
    }
    Ok(())
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        folders: Vec::new(),
        generated: Vec::new(),
        out: PathBuf::from("target/bench-results"),
        seconds: 5,
        memory: vec!["2GB".to_owned()],
        kinds: Vec::new(),
    };
    let mut of_pgvector = Vec::new();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--out" => options.out = value()?.into(),
            "--seconds" => options.seconds = value()?.parse()?,
            "--maintenance-work-mem" => options.memory = value()?.split(',').map(str::to_owned).collect(),
            "--kinds" => options.kinds.push(Kind::parse(Library::Proxima, &value()?)?),
            "--pgvector" => of_pgvector.push(Kind::parse(Library::Pgvector, &value()?)?),
            "--generated" => options.generated.push(value()?),
            folder if !folder.starts_with("--") => options.folders.push(folder.into()),
            _ => return Err(format!("unknown option {argument}").into()),
        }
    }
    if options.folders.is_empty() && options.generated.is_empty() {
        return Err("nothing to measure: name a folder, or --generated ROWSxDIM".into());
    }
    if options.kinds.is_empty() {
        options.kinds = Kind::all();
    }
    options.kinds.extend(of_pgvector);
    Ok(options)
}

/// An index, in a schema of its own beside the others.
struct Subject {
    place: Place,
    client: Client,
    efforts: Vec<Effort>,
    measured: Measured,
}

fn run<R: Rows>(data: &Dataset<R>, options: &Options) -> Result<(), Box<dyn Error>> {
    let (rows, dim) = (data.rows.count(), data.rows.dim());
    println!("\n## {}: {rows} rows of {dim} dimensions, {} queries", data.name, data.queries.count);
    let mut subjects = Vec::new();
    for (at, kind) in options.kinds.iter().enumerate() {
        subjects.push(make(data, format!("bench_{at}"), kind, &options.memory)?);
    }
    let efforts = subjects.iter().map(|subject| subject.efforts.len()).max().unwrap_or(0);
    for round in 0..ROUNDS {
        for at in 0..efforts {
            for subject in &mut subjects {
                measure_effort(data, subject, at, round, options.seconds)?;
            }
        }
    }
    let all: Vec<Measured> = subjects.into_iter().map(|subject| subject.measured).collect();
    let tables = [
        report::indexes(&all),
        report::efforts(&all),
        report::factors(&all),
        report::targets(&all, rows, dim),
    ];
    tables.iter().filter(|table| !table.is_empty()).for_each(|table| println!("\n{table}"));
    let path = options.out.join(format!("{}.svg", data.name));
    std::fs::write(&path, plot::recall_over_speed(&data.name, &all))?;
    println!("plot: {}", path.display());
    Ok(())
}

fn make<R: Rows>(
    data: &Dataset<R>,
    schema: String,
    kind: &Kind,
    memory: &[String],
) -> Result<Subject, Box<dyn Error>> {
    let place = Place::make(kind.library, schema)?;
    let mut client = place.connect()?;
    let load = measure::load(&mut client, data)?;
    println!("{}: load (binary COPY) {load:.2} s", kind.label);
    let mut builds = Vec::new();
    for memory in memory {
        let seconds = measure::build(&mut client, &kind.create_index, memory)?;
        println!(
            "{}: build {seconds:.2} s (the faster of two) with maintenance_work_mem = {memory}",
            kind.label
        );
        builds.push(Build { memory: memory.clone(), seconds });
    }
    let bytes_per_row = measure::index_bytes(&mut client)? / data.rows.count() as f64;
    let share = bytes_per_row / (4 * data.rows.dim()) as f64;
    let latency = measure::latency(&mut client, data)?;
    let efforts = Effort::all(kind);
    let lists = kind.lists(data.rows.count());
    let measured =
        Measured { kind: kind.clone(), lists, builds, bytes_per_row, share, latency, points: Vec::new() };
    Ok(Subject { place, client, efforts, measured })
}

/// Measures the effort at this place, if there is one: recall in the first round, the best speed in all.
fn measure_effort<R>(
    data: &Dataset<R>,
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
    let speed = measure::speed(data, &subject.place, &effort, seconds)?;
    points[at].speed = points[at].speed.max(speed);
    Ok(())
}

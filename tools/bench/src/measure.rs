//! What is measured, and how.

use std::error::Error;
use std::io::Write;
use std::process::Command;
use std::time::Instant;

use postgres::{Client, NoTls};

use crate::dataset::{Dataset, Rows};
use crate::index::{Kind, Library};

/// The database of pgvector's indexes.
const PGVECTOR: &str = "pgvector";

/// Rows that are sent at once.
const BATCH: usize = 1024;

/// Builds of each index: the first has the table's own pages to wait for, which the system is still writing.
const BUILDS: usize = 2;

/// Neighbors that recall is measured on.
const RESULTS: usize = 10;

/// How hard searches try.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effort {
    /// Nothing is set.
    Defaults,
    /// `proxima.recall_target`
    RecallTarget(f64),
    /// The method's own setting and its value.
    Explicit(&'static str, u32),
}

/// One measurement.
pub struct Point {
    /// The effort.
    pub effort: Effort,
    /// recall@10
    pub recall: f64,
    /// Queries per second.
    pub speed: f64,
}

impl Effort {
    /// Everything that is measured of an index. The recall target that is left out is the default.
    pub fn all(kind: &Kind) -> Vec<Self> {
        let mut all = vec![Self::Defaults];
        if kind.library == Library::Proxima {
            all.extend([0.9, 0.99].map(Self::RecallTarget));
        }
        let (setting, values) = kind.method.effort();
        all.extend(values.iter().map(|&value| Self::Explicit(setting, value)));
        all
    }

    /// For tables.
    pub fn label(&self) -> String {
        match self {
            Self::Defaults => "defaults".to_owned(),
            Self::RecallTarget(target) => format!("recall_target {target}"),
            Self::Explicit(setting, value) => format!("{setting} {value}"),
        }
    }

    /// The setting as a connection takes it.
    fn setting(&self) -> Option<String> {
        match self {
            Self::Defaults => None,
            Self::RecallTarget(target) => Some(format!("proxima.recall_target={target}")),
            Self::Explicit(setting, value) => Some(format!("{setting}={value}")),
        }
    }
}

/// Connects as the environment says (PGHOST, PGPORT, PGUSER, PGDATABASE).
///
/// # Errors
/// If there is no server.
pub fn connect() -> Result<Client, Box<dyn Error>> {
    connect_with(&variable("PGDATABASE", "postgres"), "")
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn connect_with(database: &str, options: &str) -> Result<Client, Box<dyn Error>> {
    let parameters = format!(
        "host='{}' port='{}' user='{}' dbname='{database}' options='{options}'",
        variable("PGHOST", "/var/run/postgresql"),
        variable("PGPORT", "5432"),
        variable("PGUSER", "postgres"),
    );
    Ok(Client::connect(&parameters, NoTls)?)
}

/// Where an index is: tables that stand beside each other have the same names.
pub struct Place {
    database: String,
    schema: String,
}

impl Place {
    /// An empty schema of this name, in a database that has the library.
    ///
    /// # Errors
    /// If there is no server, or it does not have the library.
    pub fn make(library: Library, schema: String) -> Result<Self, Box<dyn Error>> {
        let database = match library {
            Library::Proxima => variable("PGDATABASE", "postgres"),
            Library::Pgvector => pgvector_database()?,
        };
        let place = Self { database, schema };
        let mut client = place.connect()?;
        client.batch_execute("SET client_min_messages = warning")?;
        client.batch_execute(&format!("DROP SCHEMA IF EXISTS {} CASCADE", place.schema))?;
        client.batch_execute(&format!("CREATE SCHEMA {}", place.schema))?;
        let has_vector = "SELECT to_regtype('vector') IS NOT NULL";
        if library == Library::Proxima && !client.query_one(has_vector, &[])?.get::<_, bool>(0) {
            client.batch_execute("CREATE EXTENSION proxima SCHEMA public")?;
        }
        Ok(place)
    }

    /// Connects to it.
    ///
    /// # Errors
    /// If there is no server.
    pub fn connect(&self) -> Result<Client, Box<dyn Error>> {
        connect_with(&self.database, &self.search_path())
    }

    /// The option of a connection that finds the tables.
    fn search_path(&self) -> String {
        format!("-c search_path={},public", self.schema)
    }
}

/// Makes the database that has pgvector, unless it is there; returns its name.
fn pgvector_database() -> Result<String, Box<dyn Error>> {
    let mut client = connect()?;
    if client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&PGVECTOR])?.is_none() {
        client.batch_execute(&format!("CREATE DATABASE {PGVECTOR}"))?;
        connect_with(PGVECTOR, "")?.batch_execute("CREATE EXTENSION vector")?;
    }
    // Proxima can be installed under that name.
    let is_ours = "SELECT to_regnamespace('proxima') IS NOT NULL";
    if connect_with(PGVECTOR, "")?.query_one(is_ours, &[])?.get(0) {
        return Err("the extension vector of this server is not pgvector: make bench-pgvector has one".into());
    }
    Ok(PGVECTOR.to_owned())
}

/// Loads rows and queries; returns the seconds that the rows took.
///
/// # Errors
/// What the server raises.
pub fn load<R: Rows>(client: &mut Client, data: &Dataset<R>) -> Result<f64, Box<dyn Error>> {
    client.batch_execute(&format!(
        "CREATE TABLE items (id int PRIMARY KEY, embedding vector({dim}));
         CREATE TABLE queries (id int PRIMARY KEY, embedding vector({dim}));",
        dim = data.rows.dim()
    ))?;
    if data.is_inline {
        client.batch_execute("ALTER TABLE items ALTER embedding SET STORAGE PLAIN")?;
    }
    let start = Instant::now();
    copy(client, "items", &data.rows)?;
    let seconds = start.elapsed().as_secs_f64();
    copy(client, "queries", &data.queries)?;
    client.batch_execute("VACUUM ANALYZE items")?;
    client.batch_execute("VACUUM ANALYZE queries")?;
    Ok(seconds)
}

fn copy(client: &mut Client, table: &str, rows: &impl Rows) -> Result<(), Box<dyn Error>> {
    let mut writer = client.copy_in(&format!("COPY {table} FROM STDIN (FORMAT binary)"))?;
    let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    let (dim, mut space) = (rows.dim(), Vec::new());
    for first in (0..rows.count()).step_by(BATCH) {
        let batch = rows.batch(first..rows.count().min(first + BATCH), &mut space);
        for (at, row) in batch.chunks_exact(dim).enumerate() {
            bytes.extend(2i16.to_be_bytes());
            bytes.extend(4i32.to_be_bytes());
            bytes.extend(((first + at) as i32).to_be_bytes());
            bytes.extend((4 + 4 * dim as i32).to_be_bytes());
            bytes.extend((dim as i16).to_be_bytes());
            bytes.extend([0; 2]);
            row.iter().for_each(|value| bytes.extend(value.to_be_bytes()));
        }
        writer.write_all(&bytes)?;
        bytes.clear();
    }
    bytes.extend((-1i16).to_be_bytes());
    writer.write_all(&bytes)?;
    writer.finish()?;
    Ok(())
}

/// Builds the index with so much `maintenance_work_mem`, as often as [`BUILDS`] says, and leaves the last one; returns
/// the seconds of the fastest.
///
/// # Errors
/// What the server raises.
pub fn build(client: &mut Client, create_index: &str, memory: &str) -> Result<f64, Box<dyn Error>> {
    client.batch_execute(&format!("SET maintenance_work_mem = '{memory}'"))?;
    let mut fastest = f64::INFINITY;
    for _ in 0..BUILDS {
        client.batch_execute("DROP INDEX IF EXISTS items_embedding_idx")?;
        client.batch_execute("CHECKPOINT")?;
        let start = Instant::now();
        client.batch_execute(create_index)?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
        client.batch_execute("CHECKPOINT")?;
    }
    Ok(fastest)
}

/// Bytes of the index.
///
/// # Errors
/// What the server raises.
pub fn index_bytes(client: &mut Client) -> Result<f64, Box<dyn Error>> {
    let sql = "SELECT pg_indexes_size('items') - pg_relation_size('items_pkey')";
    Ok(client.query_one(sql, &[])?.get::<_, i64>(0) as f64)
}

fn literal(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(|value| value.to_string()).collect();
    format!("[{}]", numbers.join(","))
}

/// The share of the exact nearest that searches find.
///
/// # Errors
/// What the server raises.
pub fn recall<R>(client: &mut Client, data: &Dataset<R>, effort: &Effort) -> Result<f64, Box<dyn Error>> {
    client.batch_execute("RESET ALL; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")?;
    if let Some(setting) = effort.setting() {
        client.batch_execute(&format!("SET {setting}"))?;
    }
    let sql = "SELECT id FROM items ORDER BY embedding <=> $1::text::vector LIMIT 10";
    let statement = client.prepare(sql)?;
    let mut hits = 0;
    for query in 0..data.queries.count {
        let rows = client.query(&statement, &[&literal(data.queries.row(query))])?;
        let truth = &data.truth.row(query)[..RESULTS];
        hits += rows.iter().filter(|row| truth.contains(&row.get::<_, i32>(0))).count();
    }
    Ok(hits as f64 / (data.queries.count * RESULTS) as f64)
}

/// Median and 99th percentile of one client's round trips in milliseconds, with nothing set.
///
/// # Errors
/// What the server raises.
pub fn latency<R>(client: &mut Client, data: &Dataset<R>) -> Result<(f64, f64), Box<dyn Error>> {
    let sql =
        "SELECT id FROM items ORDER BY embedding <=> (SELECT embedding FROM queries WHERE id = $1) LIMIT 10";
    let statement = client.prepare(sql)?;
    let mut times = Vec::new();
    for round in 0..2 {
        for query in 0..data.queries.count as i32 {
            let start = Instant::now();
            client.query(&statement, &[&query])?;
            if round > 0 {
                times.push(start.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], times[times.len() * 99 / 100]))
}

/// Queries per second of one pgbench client with prepared statements.
///
/// # Errors
/// If pgbench fails.
pub fn speed<R>(
    data: &Dataset<R>,
    place: &Place,
    effort: &Effort,
    seconds: u32,
) -> Result<f64, Box<dyn Error>> {
    let script = std::env::temp_dir().join(format!("proxima-bench-{}.sql", std::process::id()));
    std::fs::write(
        &script,
        format!(
            "\\set i random(0, {})\nSELECT id FROM items ORDER BY embedding <=> \
             (SELECT embedding FROM queries WHERE id = :i) LIMIT 10;\n",
            data.queries.count - 1
        ),
    )?;
    let pgbench = std::env::var("PGBENCH").unwrap_or_else(|_| "pgbench".to_owned());
    let options = effort.setting().map_or_else(String::new, |setting| format!("-c {setting}"));
    let path = place.search_path();
    let output = Command::new(&pgbench)
        .args(["--no-vacuum", "--client=1", "--protocol=prepared", "--file"])
        .arg(&script)
        .arg(format!("--time={seconds}"))
        .env("PGDATABASE", &place.database)
        .env("PGOPTIONS", format!("-c enable_seqscan=off {path} {options}"))
        .output()?;
    std::fs::remove_file(&script)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let speed = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    Ok(speed.ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?)
}

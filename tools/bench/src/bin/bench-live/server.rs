//! What the parts ask of the server: tables, rows by COPY or one by one, sizes, WAL, and waiting for
//! maintenance.
//!
//! Tables have an id and a vector and no primary key, so that "without index" means just that. Each part
//! makes its tables anew and drops them, so that nothing of one part (autovacuum, maintenance, WAL) falls
//! into the next.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::time::{Duration, Instant};

use bench::index::Method;
use bench::measure;
use postgres::{Client, Statement};

use crate::corpus::Corpus;
use crate::outcome::Outcome;

/// The table whose index is measured.
pub const INDEXED: &str = "live_indexed";

/// The table that it is compared with.
pub const PLAIN: &str = "live_plain";

/// How long maintenance may take to catch up before the wait is given up.
const MAINTENANCE_MAX: Duration = Duration::from_secs(180);

/// How long no maintenance must have been seen.
const MAINTENANCE_QUIET: Duration = Duration::from_secs(1);

/// Bytes sent at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Connects, with settings of this session that make every search take the index.
///
/// # Errors
/// If there is no server.
pub fn connect() -> Outcome<Client> {
    let mut client = measure::connect().map_err(|error| error.to_string())?;
    client.batch_execute(
        "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; \
         SET client_min_messages = warning",
    )?;
    Ok(client)
}

/// Makes the types known, and sets what is not as `cluster.sh` starts servers; for a server that is ours
/// alone, because background workers have only the server's settings.
///
/// # Errors
/// What the server raises.
pub fn prepare(client: &mut Client) -> Outcome<()> {
    let has_vector = "SELECT to_regtype('vector') IS NOT NULL";
    if !client.query_one(has_vector, &[])?.get::<_, bool>(0) {
        client.batch_execute("CREATE EXTENSION proxima")?;
    }
    set(client, "maintenance_work_mem", "1GB")
}

/// Sets a setting of the server.
///
/// # Errors
/// What the server raises.
pub fn set(client: &mut Client, name: &str, value: &str) -> Outcome<()> {
    client.batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'"))?;
    Ok(client.batch_execute("SELECT pg_reload_conf()")?)
}

/// Makes an empty table.
///
/// # Errors
/// What the server raises.
pub fn create(client: &mut Client, table: &str, dim: usize, autovacuum: bool) -> Outcome<()> {
    client.batch_execute(&format!(
        "DROP TABLE IF EXISTS {table};
         CREATE TABLE {table} (id int NOT NULL, embedding vector({dim}) NOT NULL)
         WITH (autovacuum_enabled = {autovacuum})"
    ))?;
    Ok(())
}

/// Drops the tables of a part.
///
/// # Errors
/// What the server raises.
pub fn drop_all(client: &mut Client) -> Outcome<()> {
    Ok(client.batch_execute(&format!("DROP TABLE IF EXISTS {INDEXED}, {PLAIN}"))?)
}

/// Makes a table with these rows, vacuumed and analyzed.
///
/// # Errors
/// What the server raises.
pub fn load(
    client: &mut Client,
    table: &str,
    corpus: &Corpus,
    ids: Range<u32>,
    autovacuum: bool,
) -> Outcome<()> {
    create(client, table, corpus.dim(), autovacuum)?;
    let rows = Stream::binary(corpus, ids);
    rows.copy(client, table)?;
    Ok(client.batch_execute(&format!("VACUUM ANALYZE {table}"))?)
}

/// Builds the index; returns the seconds.
///
/// # Errors
/// What the server raises.
pub fn build(client: &mut Client, method: Method, table: &str) -> Outcome<f64> {
    let method = method.name();
    let command =
        format!("CREATE INDEX {table}_embedding ON {table} USING {method} (embedding vector_cosine_ops)");
    seconds_of(client, &command)
}

/// Runs a command; returns the seconds.
///
/// # Errors
/// What the server raises.
pub fn seconds_of(client: &mut Client, command: &str) -> Outcome<f64> {
    let start = Instant::now();
    client.batch_execute(command)?;
    Ok(start.elapsed().as_secs_f64())
}

/// Bytes of a relation's file.
///
/// # Errors
/// What the server raises.
pub fn bytes_of(client: &mut Client, relation: &str) -> Outcome<f64> {
    let sql = format!("SELECT pg_relation_size('{relation}')");
    Ok(client.query_one(&sql, &[])?.get::<_, i64>(0) as f64)
}

/// Bytes of WAL that the server has ever written.
///
/// # Errors
/// What the server raises.
pub fn wal_bytes(client: &mut Client) -> Outcome<f64> {
    let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8";
    Ok(client.query_one(sql, &[])?.get(0))
}

/// Waits until no background worker of the extension and no autovacuum of a part's tables is seen; returns
/// the seconds until the last was seen, or nothing when that took too long.
///
/// # Errors
/// What the server raises.
pub fn caught_up(client: &mut Client) -> Outcome<Option<f64>> {
    let busy = client.prepare(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
         AND pid <> pg_backend_pid() AND (backend_type ILIKE '%proxima%' \
         OR application_name ILIKE '%proxima%' \
         OR (backend_type = 'autovacuum worker' AND query LIKE '%live_%')))",
    )?;
    let (start, mut last) = (Instant::now(), Duration::ZERO);
    loop {
        if client.query_one(&busy, &[])?.get(0) {
            last = start.elapsed();
        }
        if last > MAINTENANCE_MAX {
            return Ok(None);
        }
        if start.elapsed() - last > MAINTENANCE_QUIET {
            return Ok(Some(last.as_secs_f64()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the index says about itself: `proxima.index_stats` if there is such a function, else its size.
///
/// # Errors
/// What the server raises.
pub fn stats(client: &mut Client, table: &str) -> Outcome<String> {
    let exists = "SELECT to_regproc('proxima.index_stats') IS NOT NULL";
    let index = format!("{table}_embedding");
    if !client.query_one(exists, &[])?.get::<_, bool>(0) {
        return Ok(format!("{:.0} MB", bytes_of(client, &index)? / 1e6));
    }
    Ok(client.query_one(&format!("SELECT proxima.index_stats('{index}')::text"), &[])?.get(0))
}

/// Rows as COPY wants them, made before the clock runs.
pub struct Stream {
    options: &'static str,
    rows: u32,
    chunks: Vec<Vec<u8>>,
}

impl Stream {
    /// In COPY's binary format.
    pub fn binary(corpus: &Corpus, ids: Range<u32>) -> Self {
        let mut row = vec![0.0; corpus.dim()];
        let mut stream = Self { options: "(FORMAT binary)", rows: ids.len() as u32, chunks: Vec::new() };
        let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        for id in ids {
            corpus.row(id, &mut row);
            bytes.extend(2i16.to_be_bytes());
            bytes.extend(4i32.to_be_bytes());
            bytes.extend(id.to_be_bytes());
            bytes.extend((4 + 4 * row.len() as i32).to_be_bytes());
            bytes.extend((row.len() as i16).to_be_bytes());
            bytes.extend([0; 2]);
            row.iter().for_each(|value| bytes.extend(value.to_be_bytes()));
            stream.keep(&mut bytes, CHUNK_BYTES);
        }
        bytes.extend((-1i16).to_be_bytes());
        stream.keep(&mut bytes, 1);
        stream
    }

    /// In COPY's text format.
    pub fn text(corpus: &Corpus, ids: Range<u32>) -> Self {
        let mut row = vec![0.0; corpus.dim()];
        let mut stream = Self { options: "", rows: ids.len() as u32, chunks: Vec::new() };
        let mut text = String::new();
        for id in ids {
            corpus.row(id, &mut row);
            // Writing to a String can't fail.
            let _ = write!(text, "{id}\t");
            for (at, value) in row.iter().enumerate() {
                let _ = write!(text, "{}{value}", if at == 0 { '[' } else { ',' });
            }
            text.push_str("]\n");
            if text.len() >= CHUNK_BYTES {
                stream.chunks.push(std::mem::take(&mut text).into_bytes());
            }
        }
        stream.chunks.push(text.into_bytes());
        stream
    }

    fn keep(&mut self, bytes: &mut Vec<u8>, at_least: usize) {
        if bytes.len() >= at_least {
            self.chunks.push(std::mem::take(bytes));
        }
    }

    /// The statement that takes rows of this form.
    ///
    /// # Errors
    /// What the server raises.
    pub fn statement(&self, client: &mut Client, table: &str) -> Outcome<Statement> {
        Ok(client.prepare(&format!("COPY {table} FROM STDIN {}", self.options))?)
    }

    /// One COPY of all rows; returns rows per second.
    ///
    /// # Errors
    /// What the server raises.
    pub fn copy(&self, client: &mut Client, table: &str) -> Outcome<f64> {
        let statement = self.statement(client, table)?;
        let start = Instant::now();
        self.copy_by(client, &statement)?;
        Ok(f64::from(self.rows) / start.elapsed().as_secs_f64())
    }

    /// One COPY of all rows by the statement.
    ///
    /// # Errors
    /// What the server raises; when it took another number of rows.
    pub fn copy_by(&self, client: &mut Client, statement: &Statement) -> Outcome<()> {
        let mut writer = client.copy_in(statement)?;
        for chunk in &self.chunks {
            writer.write_all(chunk)?;
        }
        let taken = writer.finish()?;
        if taken != u64::from(self.rows) {
            return Err(format!("COPY took {taken} of {} rows", self.rows).into());
        }
        Ok(())
    }
}

/// Inserts rows one by one, each its own transaction, and keeps the time of each in seconds.
///
/// # Errors
/// What the server raises.
pub fn insert_each(
    client: &mut Client,
    table: &str,
    corpus: &Corpus,
    ids: Range<u32>,
    times: &mut Vec<f64>,
) -> Outcome<()> {
    let statement = client.prepare(&format!("INSERT INTO {table} VALUES ($1, $2::real[]::vector)"))?;
    let mut row = vec![0.0; corpus.dim()];
    for id in ids {
        corpus.row(id, &mut row);
        let start = Instant::now();
        client.execute(&statement, &[&(id as i32), &row])?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(())
}

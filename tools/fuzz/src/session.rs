//! A connection to the server that PGHOST, PGPORT and PGUSER name, and what comes back from it.

use std::error::Error;
use std::fmt;

use postgres::types::private::BytesMut;
use postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, NoTls, Row, SimpleQueryMessage, Statement};

/// A parameter of any type, as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Raw {
    bytes: Option<Vec<u8>>,
    is_text: bool,
}

impl Raw {
    /// In text format.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Raw { bytes: Some(text.into()), is_text: true }
    }

    /// In binary format.
    pub fn binary(bytes: impl Into<Vec<u8>>) -> Self {
        Raw { bytes: Some(bytes.into()), is_text: false }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bytes {
            None => f.write_str("NULL"),
            Some(bytes) if self.is_text => write!(f, "text {}", excerpt(&bytes.escape_ascii().to_string())),
            Some(bytes) => {
                let hex: String = bytes.iter().take(400).map(|byte| format!("{byte:02x}")).collect();
                write!(f, "binary \\x{hex} ({} bytes)", bytes.len())
            }
        }
    }
}

/// The start of a text that may be long.
pub fn excerpt(text: &str) -> String {
    match text.char_indices().nth(600) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(bytes) = &self.bytes else { return Ok(IsNull::Yes) };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        if self.is_text { Format::Text } else { Format::Binary }
    }

    to_sql_checked!();
}

/// A result of any type, in its binary format.
pub struct Bytes(pub Vec<u8>);

impl<'a> FromSql<'a> for Bytes {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Bytes(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The bytes of a column; none for NULL.
pub fn bytes_of(row: &Row, column: usize) -> Option<Vec<u8>> {
    row.get::<_, Option<Bytes>>(column).map(|bytes| bytes.0)
}

/// Why there is no result.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The server has said so: SQLSTATE and message.
    Error(String, String),
    /// The connection is gone.
    Lost(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error(code, message) => write!(f, "{code} {}", excerpt(message)),
            Failure::Lost(message) => write!(f, "connection lost: {message}"),
        }
    }
}

impl Failure {
    /// Whether the server reported this SQLSTATE.
    pub fn is(&self, code: &str) -> bool {
        matches!(self, Failure::Error(other, _) if other == code)
    }
}

/// A connection.
pub struct Session {
    client: Client,
    /// The backend's process.
    pub pid: i32,
}

impl Session {
    /// Connects to a database as a role.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn connect(database: &str, role: &str) -> Result<Self, Failure> {
        let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let mut config = Config::new();
        config
            .host(&variable("PGHOST", "/var/run/postgresql"))
            .port(variable("PGPORT", "5432").parse().unwrap_or(5432))
            .user(role)
            .dbname(database)
            .application_name("fuzz")
            // Penalties for plans that a target does not want look like costs that pay for a compiler.
            .options("-c jit=off");
        let client = config.connect(NoTls).map_err(|error| failure(&error, false))?;
        let mut session = Session { client, pid: 0 };
        let pid = session.simple("SELECT pg_backend_pid()")?;
        session.pid = pid.and_then(|pid| pid.parse().ok()).unwrap_or(0);
        Ok(session)
    }

    /// Plans a statement.
    ///
    /// # Errors
    /// As the server says.
    pub fn prepare(&mut self, sql: &str) -> Result<Statement, Failure> {
        self.client.prepare(sql).map_err(|error| failure(&error, self.client.is_closed()))
    }

    /// All rows of a statement.
    ///
    /// # Errors
    /// As the server says.
    pub fn query(&mut self, statement: &Statement, parameters: &[Raw]) -> Result<Vec<Row>, Failure> {
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let result = self.client.query(statement, &parameters);
        result.map_err(|error| failure(&error, self.client.is_closed()))
    }

    /// Runs statements; the first column of the last row, as text.
    ///
    /// # Errors
    /// As the server says.
    pub fn simple(&mut self, sql: &str) -> Result<Option<String>, Failure> {
        let messages = self.client.simple_query(sql);
        let messages = messages.map_err(|error| failure(&error, self.client.is_closed()))?;
        let first = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
            _ => None,
        };
        Ok(messages.iter().rev().find_map(first).flatten())
    }

    /// All rows of one statement, as text; NULL is the word.
    ///
    /// # Errors
    /// As the server says.
    pub fn table(&mut self, sql: &str) -> Result<Vec<Vec<String>>, Failure> {
        let messages = self.client.simple_query(sql);
        let messages = messages.map_err(|error| failure(&error, self.client.is_closed()))?;
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                let field = |i| row.get(i).unwrap_or("NULL").to_owned();
                Some((0..row.len()).map(field).collect())
            }
            _ => None,
        };
        Ok(messages.iter().filter_map(row).collect())
    }

    /// Sends `bytes` by COPY; how many rows arrived.
    ///
    /// # Errors
    /// As the server says.
    pub fn copy(&mut self, sql: &str, bytes: &[u8]) -> Result<u64, Failure> {
        use std::io::Write;
        let mut copy = || {
            let mut writer = self.client.copy_in(sql)?;
            // A failure to write is the server's error, which finish() reports.
            let _ = writer.write_all(bytes);
            writer.finish()
        };
        let result = copy();
        result.map_err(|error| failure(&error, self.client.is_closed()))
    }
}

fn failure(error: &postgres::Error, is_closed: bool) -> Failure {
    match error.as_db_error() {
        Some(server) if !is_closed && !server.severity().starts_with("FATAL") => {
            let detail = server.detail().map(|detail| format!(" DETAIL {detail}")).unwrap_or_default();
            Failure::Error(server.code().code().to_owned(), format!("{}{detail}", server.message()))
        }
        Some(server) => Failure::Lost(server.message().to_owned()),
        // The client's own complaint, about what it was asked to send or got.
        None if !is_closed => Failure::Error("client".to_owned(), error.to_string()),
        None => Failure::Lost(error.to_string()),
    }
}

/// A string constant of SQL.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

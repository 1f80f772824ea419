//! The connection, and the table of embeddings.

use std::error::Error;
use std::io::Write;
use std::ops::{Deref, DerefMut};

use postgres::types::private::BytesMut;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, NoTls};

use crate::data::Data;

/// A connection to the server that PGHOST, PGPORT and PGUSER name.
pub struct Session(Client);

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn connect() -> Result<Self, Box<dyn Error>> {
        let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let mut config = Config::new();
        config
            .host(&variable("PGHOST", "/var/run/postgresql"))
            .port(variable("PGPORT", "5432").parse()?)
            .user(&variable("PGUSER", "postgres"))
            .dbname(&variable("PGDATABASE", "postgres"));
        Ok(Session(config.connect(NoTls)?))
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.0
    }
}

/// A query parameter of type `vector`, in the wire format: int16 dimensions, int16 zero, float4 each.
#[derive(Debug)]
pub struct Vector<'a>(pub &'a [f32]);

impl Vector<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.0.len() as i16).to_be_bytes());
        out.extend([0, 0]);
        out.extend(self.0.iter().flat_map(|element| element.to_be_bytes()));
    }
}

impl ToSql for Vector<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let mut bytes = Vec::with_capacity(4 + 4 * self.0.len());
        self.write(&mut bytes);
        out.extend_from_slice(&bytes);
        Ok(IsNull::No)
    }

    fn accepts(sql_type: &Type) -> bool {
        sql_type.name() == "vector"
    }

    to_sql_checked!();
}

/// Makes the table `wordnet` and fills it by binary COPY.
///
/// # Errors
/// As the server says.
pub fn copy_rows(session: &mut Session, data: &Data) -> Result<(), Box<dyn Error>> {
    let dim = data.base.columns();
    session.batch_execute(&format!(
        "DROP TABLE IF EXISTS wordnet;
         CREATE TABLE wordnet (id int PRIMARY KEY, text text NOT NULL, embedding vector({dim}) NOT NULL)"
    ))?;
    let mut writer = session.copy_in("COPY wordnet FROM STDIN WITH (FORMAT binary)")?;
    // Signature, flags, length of the extension of the header.
    writer.write_all(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0")?;
    let mut row = Vec::new();
    for (id, text) in data.texts.iter().enumerate().take(data.base.rows()) {
        let mut embedding = Vec::new();
        Vector(data.base.row(id)).write(&mut embedding);
        row.clear();
        row.extend(3_i16.to_be_bytes());
        for field in [&(id as i32).to_be_bytes()[..], text.as_bytes(), &embedding] {
            row.extend((field.len() as i32).to_be_bytes());
            row.extend(field);
        }
        writer.write_all(&row)?;
    }
    writer.write_all(&(-1_i16).to_be_bytes())?;
    writer.finish()?;
    session.batch_execute("VACUUM ANALYZE wordnet")?;
    Ok(())
}

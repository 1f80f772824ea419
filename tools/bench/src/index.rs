//! What indexes are measured.

use std::str::FromStr;

/// An access method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Graphs.
    Hnsw,
    /// Lists.
    Ivf,
}

impl Method {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hnsw => "hnsw",
            Self::Ivf => "ivf",
        }
    }

    /// The setting that says how far scans go, and values of it for a curve.
    pub fn effort(self) -> (&'static str, &'static [u32]) {
        match self {
            Self::Hnsw => ("hnsw.ef_search", &[10, 20, 40, 80, 160, 320]),
            Self::Ivf => ("ivf.probes", &[1, 2, 4, 8, 16, 32, 64, 128]),
        }
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let method = [Self::Hnsw, Self::Ivf].into_iter().find(|method| method.name() == name);
        method.ok_or(format!("there is no method {name}"))
    }
}

/// A method with options.
#[derive(Clone, Debug)]
pub struct Kind {
    /// For tables.
    pub label: String,
    /// The method, whose settings are used.
    pub method: Method,
    /// The command that makes one on the column `embedding` of the table `items`.
    pub create_index: String,
    /// The share of the vectors' own bytes that it may take, if there is a limit.
    pub size_share: Option<f64>,
}

impl Kind {
    /// All that are compared, `hnsw` first.
    pub fn all() -> Vec<Self> {
        let kind = |label: &str, method: Method, options: &str, size_share| Self {
            label: label.to_owned(),
            method,
            create_index: format!(
                "CREATE INDEX ON items USING {} (embedding vector_cosine_ops){options}",
                method.name()
            ),
            size_share,
        };
        vec![
            kind("hnsw", Method::Hnsw, "", None),
            kind("ivf, bits = 1", Method::Ivf, " WITH (bits = 1)", Some(1.0 / 15.0)),
            kind("ivf, bits = 2", Method::Ivf, " WITH (bits = 2)", None),
            kind("ivf, bits = 4", Method::Ivf, " WITH (bits = 4)", Some(0.25)),
            kind("ivf, bits = 8", Method::Ivf, " WITH (bits = 8)", None),
            kind("ivf, rerank = index", Method::Ivf, " WITH (rerank = 'index')", None),
        ]
    }

    /// An index of another library, which has the settings of `hnsw`.
    pub fn other(create_index: String) -> Self {
        Self { label: "index".to_owned(), method: Method::Hnsw, create_index, size_share: None }
    }
}

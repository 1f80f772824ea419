//! What indexes are measured.

use std::str::FromStr;

/// Whose index it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// Ours.
    Proxima,
    /// pgvector, in a database of its own: its types have the same names.
    Pgvector,
}

/// An access method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Graphs.
    Hnsw,
    /// Lists.
    Ivf,
    /// Lists, by pgvector's name.
    Ivfflat,
}

impl Method {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hnsw => "hnsw",
            Self::Ivf => "ivf",
            Self::Ivfflat => "ivfflat",
        }
    }

    /// The setting that says how far scans go, and values of it for a curve.
    pub fn effort(self) -> (&'static str, &'static [u32]) {
        match self {
            Self::Hnsw => ("hnsw.ef_search", &[10, 20, 40, 80, 160, 320]),
            Self::Ivf => ("ivf.probes", &[1, 2, 4, 8, 16, 32, 64, 128, 256]),
            Self::Ivfflat => ("ivfflat.probes", &[1, 2, 4, 8, 16, 32, 64, 128, 256]),
        }
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let method = [Self::Hnsw, Self::Ivf, Self::Ivfflat].into_iter().find(|method| method.name() == name);
        method.ok_or(format!("there is no method {name}"))
    }
}

/// A method with options.
#[derive(Clone, Debug)]
pub struct Kind {
    /// For tables.
    pub label: String,
    /// Whose it is.
    pub library: Library,
    /// The method, whose settings are used.
    pub method: Method,
    /// The option `lists`, if it is given.
    lists: Option<u32>,
    /// The command that makes one on the column `embedding` of the table `items`.
    pub create_index: String,
    /// The share of the vectors' own bytes that it may take, if there is a limit.
    pub size_share: Option<f64>,
}

impl Kind {
    /// All that are compared unless kinds are named, `hnsw` first.
    pub fn all() -> Vec<Self> {
        let texts = [
            "hnsw",
            "ivf, bits = 1",
            "ivf, bits = 2",
            "ivf, bits = 4",
            "ivf, bits = 8",
            "ivf, rerank = index",
        ];
        texts.into_iter().filter_map(|text| Self::parse(Library::Proxima, text).ok()).collect()
    }

    /// A method's name, and options behind it as CREATE INDEX takes them: `ivf, bits = 4, lists = 1000`.
    ///
    /// # Errors
    /// If there is no such method.
    pub fn parse(library: Library, text: &str) -> Result<Self, String> {
        let (name, options) = text.split_once(',').unwrap_or((text, ""));
        let (method, options): (Method, _) = (name.trim().parse()?, options.trim());
        let with = if options.is_empty() { String::new() } else { format!(" WITH ({options})") };
        let lists = options.split(',').filter_map(|option| option.split_once('='));
        let lists =
            lists.filter(|(name, _)| name.trim() == "lists").find_map(|(_, value)| value.trim().parse().ok());
        Ok(Self {
            label: if library == Library::Pgvector { format!("pgvector: {text}") } else { text.to_owned() },
            library,
            method,
            lists,
            create_index: format!(
                "CREATE INDEX ON items USING {} (embedding vector_cosine_ops){with}",
                method.name()
            ),
            size_share: match (library, method, options) {
                (Library::Proxima, Method::Ivf, "bits = 1") => Some(1.0 / 15.0),
                (Library::Proxima, Method::Ivf, "" | "bits = 4") => Some(0.25),
                _ => None,
            },
        })
    }

    /// Lists of an index on so many rows.
    pub fn lists(&self, rows: usize) -> Option<u32> {
        match self.method {
            Method::Hnsw => None,
            Method::Ivf => Some(self.lists.unwrap_or((4 * rows).isqrt() as u32)),
            Method::Ivfflat => Some(self.lists.unwrap_or(100)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_methods_with_options() {
        assert_eq!(Kind::all().len(), 6);
        let kind = |text: &str| Kind::parse(Library::Proxima, text).unwrap();
        assert!(
            kind("ivf, bits = 8, lists = 70").create_index.ends_with("_ops) WITH (bits = 8, lists = 70)")
        );
        assert!(kind("hnsw").create_index.ends_with("USING hnsw (embedding vector_cosine_ops)"));
        let lists = |text: &str| kind(text).lists(100_000);
        assert_eq!(lists("hnsw"), None);
        assert_eq!(
            [lists("ivf, lists = 70, bits = 8"), lists("ivf"), lists("ivfflat")],
            [70, 632, 100].map(Some)
        );
        assert!(Kind::parse(Library::Proxima, "btree").is_err());
    }
}

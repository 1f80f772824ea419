//! The figures: what was measured, its recall, what it should be.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

/// Recall below which the program fails.
pub const RECALL_LEAST: f64 = 0.95;

/// One line of the table.
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The value, with its unit and what it was compared with.
    pub measured: String,
    /// recall@10 that belongs to it.
    pub recall: Option<f64>,
    /// What it should be, if anything.
    pub target: String,
    /// Whether it is.
    pub is_met: Option<bool>,
}

/// All lines so far.
#[derive(Default)]
pub struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// A figure with a target.
    pub fn figure(&mut self, what: &str, measured: String, target: &str, is_met: bool) -> &mut Figure {
        self.push(what, measured, target, Some(is_met))
    }

    /// A figure that only informs.
    pub fn note(&mut self, what: &str, measured: String) -> &mut Figure {
        self.push(what, measured, "", None)
    }

    /// A recall, alone.
    pub fn recall(&mut self, what: &str, recall: f64) {
        let measured = format!("{recall:.4}");
        self.figure(what, measured, ">= 0.95", recall >= RECALL_LEAST).recall = Some(recall);
    }

    fn push(&mut self, what: &str, measured: String, target: &str, is_met: Option<bool>) -> &mut Figure {
        println!("  {what}: {measured}");
        let at = self.figures.len();
        self.figures.push(Figure {
            what: what.to_owned(),
            measured,
            recall: None,
            target: target.to_owned(),
            is_met,
        });
        &mut self.figures[at]
    }

    /// Whether a recall is too low.
    pub fn has_low_recall(&self) -> bool {
        let is_low = |recall: f64| recall.is_nan() || recall < RECALL_LEAST;
        self.figures.iter().filter_map(|figure| figure.recall).any(is_low)
    }

    /// The table, as Markdown.
    pub fn table(&self) -> String {
        let mut text = "| what | measured | recall@10 | target | met |\n|---|---|---:|---|---|\n".to_owned();
        for figure in &self.figures {
            let recall = figure.recall.map_or_else(String::new, |recall| format!("{recall:.4}"));
            let met = figure.is_met.map_or("", |met| if met { "yes" } else { "NO" });
            // Writing to a String can't fail.
            let _ = writeln!(
                text,
                "| {} | {} | {recall} | {} | {met} |",
                figure.what, figure.measured, figure.target
            );
        }
        text
    }

    /// Prints the table and writes it to `path`, under a heading.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(&self, heading: &str, path: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
        let text = format!("{heading}\n\n{}", self.table());
        println!("\n{text}");
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(path, text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_figure() {
        let mut report = Report::default();
        report.figure("speed", "5 rows/s".to_owned(), ">= 6", false).recall = Some(0.99);
        report.note("size", "7 MB".to_owned());
        let table = report.table();
        assert!(table.contains("| speed | 5 rows/s | 0.9900 | >= 6 | NO |"), "{table}");
        assert!(table.contains("| size | 7 MB |  |  |  |"), "{table}");
        assert!(!report.has_low_recall());
    }

    #[test]
    fn low_recall_is_seen() {
        for (recall, is_low) in [(0.95, false), (0.949, true), (f64::NAN, true)] {
            let mut report = Report::default();
            report.recall("recall", recall);
            assert_eq!(report.has_low_recall(), is_low);
        }
    }
}

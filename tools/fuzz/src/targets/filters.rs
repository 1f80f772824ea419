//! Filters of collections: right ones find what the model says, by any plan and setting; others are errors.

use super::Target;
use crate::filter::{Filter, Json};
use crate::random::Random;
use crate::run::Run;
use crate::session::{Failure, Raw, bytes_of, quote};

const DOCUMENTS: usize = 300;

/// See the module's head.
#[derive(Default)]
pub struct Filters {
    documents: Vec<Json>,
}

/// A filter that may be anything, mostly nearly right.
fn odd(random: &mut Random) -> String {
    let mut text = match random.below(3) {
        0 => Json::any(random, 4).text(),
        _ => Filter::any(random, 3).text(),
    };
    for _ in 0..random.below(4) {
        let from = random.pick(&["$gt", "$in", "$not", "$and", "\"a\"", "[", "{}", "1", "null", "true"]);
        let to = random.pick(&[
            "$in",
            "$contains",
            "$exists",
            "$or",
            "{\"b\": 1}",
            "[1]",
            "\"$a\"",
            "\"\\\\\"",
            "{}",
        ]);
        text = text.replacen(from, to, 1);
    }
    text
}

impl Target for Filters {
    fn prepare(&mut self, run: &mut Run) -> Result<(), Failure> {
        let mut random = Random::of_case(7, 7);
        self.documents = (0..DOCUMENTS).map(|_| Json::object(&mut random, 3)).collect();
        run.session.simple(
            "DO $$ BEGIN PERFORM proxima.drop_collection(id) FROM proxima.collections; END $$;
             SELECT proxima.create_collection('documents', 1);
             CREATE INDEX ON documents USING gin (metadata);
             CREATE INDEX ON documents USING gin (metadata jsonb_path_ops);
             CREATE INDEX ON documents ((metadata -> 'a'));
             CREATE INDEX ON documents ((metadata -> 'b'))",
        )?;
        for (number, document) in self.documents.iter().enumerate() {
            let text = quote(&document.text());
            run.session.simple(&format!(
                "INSERT INTO documents (embedding, document, metadata) VALUES ('[1]', '{number}', {text})"
            ))?;
        }
        run.session.simple("ANALYZE documents").map(|_| ())
    }

    fn case(&mut self, random: &mut Random, _: u64, run: &mut Run) -> Result<(), Failure> {
        let filter = (!random.one_in(4)).then(|| Filter::any(random, 3));
        let text = filter.as_ref().map_or_else(|| odd(random), Filter::text);
        let statement = run.session.prepare("SELECT proxima.filter_sql($1)")?;
        let result = run.session.query(&statement, &[Raw::text(text.clone())]);
        let rows = match result {
            Err(failure) => {
                run.check(filter.is_none(), "a filter is refused", &format!("{text}\n  {failure}"));
                let is_named = ["22023", "22P02", "22P05", "54000"].iter().any(|code| failure.is(code));
                run.check(is_named, "a filter is refused without a reason", &format!("{text}\n  {failure}"));
                return run.rejected(failure, &text);
            }
            Ok(rows) => rows,
        };
        run.accepted();
        let condition = rows.first().and_then(|row| bytes_of(row, 0)).unwrap_or_default();
        let condition = String::from_utf8_lossy(&condition).into_owned();
        let settings = format!(
            "SET enable_seqscan = {}; SET enable_bitmapscan = {}; SET standard_conforming_strings = {}; \
             SET backslash_quote = {}; SET escape_string_warning = off",
            random.one_in(2),
            random.one_in(2),
            random.one_in(2),
            random.choose(&["off", "safe_encoding"])
        );
        run.session.simple(&settings)?;
        let found = run.session.simple(&format!(
            "SELECT string_agg(document, ',' ORDER BY document::int) FROM documents WHERE {condition}"
        ));
        let counted = run.session.prepare("SELECT proxima.count_rows('documents', $1)::text")?;
        let counted = run.session.query(&counted, &[Raw::text(text.clone())]);
        run.session.simple("SET standard_conforming_strings = on")?;
        let (found, counted) = (found?.unwrap_or_default(), counted?);
        let Some(filter) = filter else { return Ok(()) };
        let expected: Vec<String> =
            (0..DOCUMENTS).filter(|at| filter.holds(&self.documents[*at])).map(|at| at.to_string()).collect();
        let detail = format!(
            "{text}\n  {settings}\n  {condition}\n  found {found}\n  expected {}",
            expected.join(",")
        );
        run.check(found == expected.join(","), "other documents", &detail);
        let counted = counted.first().and_then(|row| bytes_of(row, 0)).unwrap_or_default();
        run.check(counted == expected.len().to_string().into_bytes(), "another count", &detail);
        Ok(())
    }
}

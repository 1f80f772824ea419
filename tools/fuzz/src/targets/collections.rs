//! Names and options of collections: an error, or a collection that answers to the name it was given.

use super::Target;
use crate::numbers;
use crate::random::Random;
use crate::run::Run;
use crate::session::{Failure, Raw, bytes_of};

/// See the module's head.
pub struct Collections;

const PARTS: &[&str] = &[
    "a",
    "B",
    "docs",
    "\"",
    "\"\"",
    "\"x\"",
    ".",
    "public",
    "pg_temp",
    "proxima",
    "pg_catalog",
    "'",
    ";",
    "--",
    " ",
    "/*",
    "$1",
    "$$",
    "%I",
    "%s",
    "\\",
    "\u{e9}",
    "\u{1F600}",
    "0",
    "select",
    "(",
    ")",
    "canary",
    "DROP TABLE canary",
    "\n",
    "-",
    "00000000-0000-0000-0000-000000000000",
    "x7890123456789012345678901234567890123456789012345678901234567890",
];

fn name(random: &mut Random) -> String {
    let parts: String = (0..random.between(0, 4)).map(|_| random.choose(PARTS)).collect();
    match random.below(4) {
        0 => format!("\"{}\"", parts.replace('"', "\"\"")),
        1 => format!("public.\"{}\"", parts.replace('"', "\"\"")),
        _ => parts,
    }
}

fn options(random: &mut Random) -> String {
    let quoted =
        |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    let option = |random: &mut Random| {
        let name = match random.below(4) {
            0 => quoted(&name(random)),
            _ => quoted(random.pick(&[
                "m",
                "ef_construction",
                "lists",
                "bits",
                "rerank",
                "pending_list_limit",
                "fillfactor",
                "M",
            ])),
        };
        let value = match random.below(5) {
            0 => quoted(&name_or_number(random)),
            1 => random
                .pick(&["null", "[]", "{}", "true", "1e1", "-1", "0.5", "\"index\"", "\"table\""])
                .to_owned(),
            _ => random.between(0, 120).to_string(),
        };
        format!("{name}: {value}")
    };
    match random.below(12) {
        0 => random.pick(&["[]", "1", "null", "\"m\"", "true"]).to_owned(),
        1..=6 => "{}".to_owned(),
        _ => format!(
            "{{{}}}",
            (0..random.between(1, 3)).map(|_| option(random)).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn name_or_number(random: &mut Random) -> String {
    if random.one_in(2) { name(random) } else { random.pick(numbers::INTEGERS).to_owned() }
}

impl Collections {
    /// Calls a function with parameters; the first column of its row.
    fn call(run: &mut Run, sql: &str, words: &[&str]) -> Result<Option<String>, Failure> {
        let statement = run.session.prepare(sql)?;
        let parameters: Vec<Raw> = words.iter().map(|word| Raw::text(*word)).collect();
        let rows = run.session.query(&statement, &parameters)?;
        let bytes = rows.first().and_then(|row| bytes_of(row, 0));
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

impl Target for Collections {
    fn prepare(&mut self, run: &mut Run) -> Result<(), Failure> {
        run.session
            .simple("CREATE TABLE IF NOT EXISTS canary AS SELECT 1 AS one; SET client_min_messages = error")
            .map(|_| ())
    }

    fn quick_cases(&self) -> u64 {
        200
    }

    fn case(&mut self, random: &mut Random, _: u64, run: &mut Run) -> Result<(), Failure> {
        let (first, second, options) = (name(random), name(random), options(random));
        let metric = random.choose(&["cosine", "l2", "ip", "l1", "l3", "COSINE", "'"]);
        let method = random.choose(&["hnsw", "hnsw", "ivf", "ivfflat", "btree", "hnsw; --"]);
        let element = random.choose(&["vector", "halfvec", "vector", "sparsevec", "vector(3)"]);
        let input = format!("{first:?}, {metric}, {method}, {element}, {options} renamed to {second:?}");
        // A case that failed has left its transaction open.
        run.session.simple("ROLLBACK; BEGIN; SAVEPOINT a")?;
        let create = "SELECT proxima.create_collection($1, 3, $2, $3, $4, options => $5)::text";
        let made = Self::call(run, create, &[&first, metric, method, element, &options]);
        if let Some(Some(id)) = run.judge(made, &input)? {
            let by_name = Self::call(run, "SELECT proxima.collection_id($1)::text", &[&first])?;
            run.check(by_name.as_deref() == Some(id.as_str()), "another collection has the name", &input);
            Self::call(run, "SELECT proxima.upsert_one($1::text, NULL, '[1,2,3]', $1)::text", &[&first])?;
            let found = "SELECT document FROM proxima.search($1::text, '[1,2,3]')";
            let document = Self::call(run, found, &[&id])?;
            run.check(document.as_deref() == Some(first.as_str()), "the document is not found", &input);
            run.session.simple("SAVEPOINT a")?;
            let renamed =
                Self::call(run, "SELECT proxima.rename_collection($1::text, $2)::text", &[&first, &second]);
            let now = if run.judge(renamed, &input)?.is_some() {
                &second
            } else {
                run.session.simple("ROLLBACK TO a")?;
                &first
            };
            let qualified = Self::call(
                run,
                "SELECT format('%I.%I', schema, name) FROM proxima.describe($1::text)",
                &[&id],
            )?;
            let by_name =
                Self::call(run, "SELECT proxima.collection_id($1)::text", &[&qualified.unwrap_or_default()])?;
            run.check(
                by_name.as_deref() == Some(id.as_str()),
                "the new name is not its",
                &format!("{input}: {now:?}"),
            );
            Self::call(run, "SELECT proxima.drop_collection($1::text)::text", &[&id])?;
        } else {
            run.session.simple("ROLLBACK TO a")?;
        }
        let canary = run.session.simple("SELECT count(*) FROM public.canary")?;
        run.check(canary.as_deref() == Some("1"), "the other table has changed", &input);
        let left = run.session.simple("SELECT count(*) FROM proxima.list_collections()")?;
        run.check(left.as_deref() == Some("0"), "a collection is left", &input);
        run.session.simple("ROLLBACK").map(|_| ())
    }
}

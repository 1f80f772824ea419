//! Settings with any text: before the library is loaded and after, for a role, in transactions that are undone.

use super::Target;
use crate::numbers;
use crate::random::Random;
use crate::run::Run;
use crate::session::{Failure, Session, quote};

const NAMES: [&str; 18] = [
    "hnsw.ef_search",
    "hnsw.iterative_scan",
    "hnsw.max_scan_tuples",
    "hnsw.scan_mem_multiplier",
    "ivf.probes",
    "ivf.iterative_scan",
    "ivf.max_probes",
    "ivfflat.probes",
    "ivfflat.iterative_scan",
    "ivfflat.max_probes",
    "proxima.recall_target",
    "proxima.pending_list_limit",
    "proxima.pending_rows_limit",
    "proxima.flush_age",
    "proxima.background_merge",
    "proxima.log_maintenance_min_duration",
    "proxima.max_merge_workers",
    "proxima.pause_at",
];
const ROLE: &str = "fuzz_settings";
/// Access methods; each has a table of that name.
const METHODS: [&str; 3] = ["hnsw", "ivf", "ivfflat"];
/// Dimensions of these: shorter vectors have no lists.
const DIM: usize = 70;

/// See the module's head.
pub struct Settings;

fn value(random: &mut Random) -> String {
    const WORDS: &[&str] = &[
        "off",
        "on",
        "OFF",
        "relaxed_order",
        "strict_order",
        " strict_order",
        "relaxed",
        "true",
        "default",
        "",
        " ",
        "40",
        "1",
        "1000",
        "1001",
        "20000",
        "32768",
        "32769",
        "0.5",
        "0.95",
        "0.999",
        "0.9990000001",
        "1kB",
        "10MB",
        "1ms",
        "1 ",
        "0x28",
        "050",
        "1e2",
        "1e400",
        "nan",
        "inf",
        "0.4999999999",
        "\u{e9}",
        "%s%n",
        "a\nb",
    ];
    match random.below(6) {
        0 => random.pick(numbers::INTEGERS).to_owned(),
        1 => numbers::text(random),
        2 => numbers::integer(random).to_string(),
        3 => "x".repeat(random.choose(&[1, 63, 64, 1000, 100_000])),
        _ => random.pick(WORDS).to_owned(),
    }
}

fn name(random: &mut Random) -> String {
    match random.below(16) {
        0 => random
            .pick(&[
                "hnsw.x",
                "ivf.x",
                "ivfflat.x",
                "proxima.x",
                "hnsw.",
                "proxima.recall_target.x",
                "hnsw.ef_search_",
            ])
            .to_owned(),
        1 => random.choose(&NAMES).to_uppercase(),
        _ => random.choose(&NAMES).to_owned(),
    }
}

/// A statement about a setting.
fn change(random: &mut Random) -> String {
    let (name, value) = (name(random), quote(&value(random)));
    // A name of two parts, each quoted.
    let quoted = name.split('.').map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(".");
    match random.below(12) {
        0 => format!("SET LOCAL {quoted} = {value}"),
        1 => format!("SELECT set_config({}, {value}, {})", quote(&name), random.one_in(2)),
        2 => format!("RESET {quoted}"),
        3 => format!("SHOW {quoted}"),
        4 => format!("SELECT current_setting({}, true)", quote(&name)),
        5 => format!("UPDATE pg_settings SET setting = {value} WHERE name = {}", quote(&name)),
        6 => format!("SET {quoted} = DEFAULT"),
        7 => format!(
            "CREATE OR REPLACE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET {quoted} = {value} \
             AS 'SELECT 1'; SELECT pg_temp.f()"
        ),
        _ => format!("SET {quoted} = {value}"),
    }
}

/// Counts seven rows of a table that are near to a vector.
fn search(table: &str, x: usize) -> String {
    let zeros = "0,".repeat(DIM - 2);
    format!("SELECT count(*) FROM (SELECT 1 FROM {table} ORDER BY v <-> '[{zeros}{x},1]' LIMIT 7) s")
}

/// What else happens in a session.
fn other(random: &mut Random) -> String {
    match random.below(10) {
        // Workers get the settings of their leader.
        9 => {
            "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; \
            SELECT sum(v <-> v) FROM hnsw"
                .to_owned()
        }
        0 => "BEGIN".to_owned(),
        1 => "ROLLBACK".to_owned(),
        2 => "COMMIT".to_owned(),
        3 => "SAVEPOINT a".to_owned(),
        4 => "ROLLBACK TO a".to_owned(),
        5 => "RESET ALL".to_owned(),
        6 => random.pick(&["DISCARD ALL", "LOAD 'proxima'", "SELECT '[1]'::vector"]).to_owned(),
        _ => search(random.choose(&METHODS), random.below(9)),
    }
}

/// After the library is loaded, every setting has a value in its range.
fn in_range(session: &mut Session, run: &mut Run, trace: &str) -> Result<(), Failure> {
    session.simple("ROLLBACK")?;
    session.simple("SELECT '[1]'::vector; SET enable_seqscan = off")?;
    let sql = "SELECT name, setting, min_val, max_val, enumvals,
            CASE WHEN vartype = 'enum' THEN setting = ANY (enumvals)
            WHEN vartype = 'bool' THEN setting IN ('on', 'off') WHEN vartype = 'string' THEN true
            ELSE setting::float8 BETWEEN min_val::float8 AND max_val::float8 END
        FROM pg_settings WHERE name ~ '^(hnsw|ivf|ivfflat|proxima)[.]'";
    let rows = session.table(sql)?;
    let wrong = rows.iter().find(|row| row.last().is_none_or(|cell| cell != "t"));
    run.check(wrong.is_none(), "a setting out of range", &format!("{wrong:?} after {trace}"));
    run.check(rows.len() == NAMES.len(), "settings are missing", &format!("{rows:?} after {trace}"));
    for table in METHODS {
        let count = session.simple(&search(table, 1));
        let counted = run.judge(count, &trace)?.flatten().and_then(|n| n.parse::<u32>().ok());
        let is_complete = counted.is_some_and(|n| n == 7 || (n > 0 && trace.to_lowercase().contains("scan")));
        run.check(is_complete, "a search found too few rows", &format!("{counted:?} after {trace}"));
    }
    Ok(())
}

impl Target for Settings {
    fn prepare(&mut self, run: &mut Run) -> Result<(), Failure> {
        let sql = format!(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}')
             THEN CREATE ROLE {ROLE} LOGIN; END IF; END $$;
             DROP TABLE IF EXISTS hnsw, ivf, ivfflat;
             CREATE TABLE hnsw AS
             SELECT (array_fill(0, ARRAY[{DIM} - 2]) || ARRAY[i % 17, i % 13])::vector({DIM}) AS v
             FROM generate_series(1, 300) i;
             CREATE TABLE ivf AS TABLE hnsw;
             CREATE TABLE ivfflat AS TABLE hnsw;
             CREATE INDEX ON hnsw USING hnsw (v vector_l2_ops);
             CREATE INDEX ON ivf USING ivf (v vector_l2_ops) WITH (lists = 20);
             CREATE INDEX ON ivfflat USING ivfflat (v vector_l2_ops);
             GRANT ALL ON hnsw, ivf, ivfflat TO {ROLE}"
        );
        run.session.simple(&sql).map(|_| ())
    }

    fn quick_cases(&self) -> u64 {
        15
    }

    fn case(&mut self, random: &mut Random, _: u64, run: &mut Run) -> Result<(), Failure> {
        let database = Run::database(run.name);
        let mut trace = String::new();
        run.session.simple(&format!(
            "ALTER ROLE {ROLE} RESET ALL; ALTER DATABASE {database} RESET ALL;
             ALTER ROLE {ROLE} IN DATABASE {database} RESET ALL"
        ))?;
        for _ in 0..random.below(3) {
            let whom = random.choose(&[
                "ROLE fuzz_settings",
                "DATABASE fuzz_settings",
                "ROLE fuzz_settings IN DATABASE fuzz_settings",
            ]);
            let quoted = random.choose(&NAMES).replace('.', "\".\"");
            let sql = format!("ALTER {whom} SET \"{quoted}\" = {}", quote(&value(random)));
            let result = run.session.simple(&sql);
            run.judge(result, &sql)?;
            trace.push_str(&sql);
            trace.push_str(";\n  ");
        }
        let mut session = Session::connect(&database, if random.one_in(3) { "postgres" } else { ROLE })?;
        for _ in 0..random.between(1, 12) {
            let sql = if random.one_in(3) { other(random) } else { change(random) };
            trace.push_str(&crate::session::excerpt(&sql));
            trace.push_str(";\n  ");
            let result = session.simple(&sql);
            run.judge(result, &trace)?;
        }
        in_range(&mut session, run, &trace)
    }
}

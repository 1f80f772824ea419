//! Tables with an index: searches by the index must find what a sequential scan finds.
//!
//! Most tables are small and the effort is large, so that an index has no reason to miss a row. On larger ones only
//! scans that go on to the end are compared.

use super::Target;
use super::options::CLASSES;
use crate::literal::{self, Type};
use crate::numbers;
use crate::random::Random;
use crate::run::Run;
use crate::session::Failure;

/// See the module's head.
pub struct Rows;

/// Access methods by the number of a case, so that few cases have them all.
const METHODS: [&str; 4] = ["hnsw", "ivf", "hnsw", "ivfflat"];
/// What `ivf` keeps of rows, likewise.
const KEPT: [&str; 5] = ["bits = 1", "bits = 2", "bits = 4", "bits = 8", "rerank = 'index'"];
/// Operator classes of `ivf` and `ivfflat`.
const LISTED: [&str; 7] = [
    "vector_l2_ops",
    "vector_ip_ops",
    "vector_cosine_ops",
    "halfvec_l2_ops",
    "halfvec_ip_ops",
    "halfvec_cosine_ops",
    "bit_hamming_ops",
];

/// Which numbers the rows of one table have.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Few different ones: many rows are equal.
    Few,
    /// Real ones around 0.
    Real,
    /// So large that sums overflow.
    Large,
    /// So small that squares vanish.
    Small,
    /// All of these, and zeros.
    Mixed,
}

fn number(of: Type, kind: Kind, random: &mut Random) -> f32 {
    let real = (random.below(20_001) as f32 - 10_000.0) / 4096.0;
    let most = if of == Type::Halfvec { 65_504.0 } else { 3e38 };
    let least = if of == Type::Halfvec { 6e-8 } else { 1e-44 };
    match kind {
        Kind::Few => random.below(3) as f32 - 1.0,
        Kind::Real => real,
        Kind::Large => (real / 2.5).clamp(-1.0, 1.0) * most,
        Kind::Small => real.signum() * least * (1.0 + real.abs()),
        Kind::Mixed => match random.below(6) {
            0 => 0.0,
            1 => number(of, Kind::Large, random),
            2 => number(of, Kind::Small, random),
            3 if of != Type::Halfvec => {
                let value = f32::from_bits(numbers::f32_bits(random));
                if value.is_finite() { value } else { 1.0 }
            }
            _ => real,
        },
    }
}

/// A column to test: class, SQL type, dimensions, kind of numbers.
struct Column {
    class: &'static str,
    name: String,
    dim: usize,
    kind: Kind,
}

impl Column {
    fn new(method: &str, random: &mut Random) -> Self {
        let class = if method == "hnsw" { CLASSES[random.below(14)] } else { random.choose(&LISTED) };
        let name: String = class.chars().take_while(char::is_ascii_lowercase).collect();
        let dim = match random.below(16) {
            0 => random.between(60, 1200),
            // Shorter ones have no lists.
            3..=10 if method != "hnsw" => random.between(65, 130),
            // Nor has ivfflat any of one dimension by these metrics.
            _ if method == "ivfflat" && !class.contains("l2") => random.between(2, 8),
            1 | 2 => random.between(9, 60),
            _ => random.between(1, 8),
        };
        let kind = random.choose(&[
            Kind::Few,
            Kind::Few,
            Kind::Real,
            Kind::Real,
            Kind::Large,
            Kind::Small,
            Kind::Mixed,
        ]);
        Column { class, name, dim, kind }
    }

    fn operator(&self) -> &'static str {
        let operators = [
            ("l2", "<->"),
            ("ip", "<#>"),
            ("cosine", "<=>"),
            ("l1", "<+>"),
            ("hamming", "<~>"),
            ("jaccard", "<%>"),
        ];
        operators.iter().find(|(word, _)| self.class.contains(word)).map_or("<->", |(_, operator)| operator)
    }

    /// A constant; sometimes all zeros.
    fn value(&self, random: &mut Random) -> String {
        let dim = self.dim;
        if self.name == "bit" {
            let share = random.choose(&[2, 2, 10]);
            let bits: String = (0..dim).map(|_| if random.one_in(share) { '1' } else { '0' }).collect();
            return format!("B'{bits}'");
        }
        let of = Type::ALL.into_iter().find(|of| of.name() == self.name).unwrap_or(Type::Vector);
        let is_zero = random.one_in(25);
        if matches!(self.kind, Kind::Few) && random.one_in(9) {
            return format!("'{}'", literal::valid(of, dim, random));
        }
        let numbers = (0..dim).map(|_| if is_zero { 0.0 } else { number(of, self.kind, random) });
        if of == Type::Sparsevec {
            let elements: Vec<String> =
                numbers.enumerate().map(|(i, x)| format!("{}:{x:e}", i + 1)).collect();
            return format!("'{{{}}}/{dim}'", elements.join(","));
        }
        format!("'[{}]'", numbers.map(|x| format!("{x:e}")).collect::<Vec<_>>().join(","))
    }

    /// Adds rows, some NULL.
    fn insert(&self, count: usize, random: &mut Random, run: &mut Run) -> Result<(), Failure> {
        if count == 0 {
            return Ok(());
        }
        let rows: Vec<String> = (0..count)
            .map(
                |_| if random.one_in(40) { "(NULL)".to_owned() } else { format!("({})", self.value(random)) },
            )
            .collect();
        run.session.simple(&format!("INSERT INTO t (v) VALUES {}", rows.join(","))).map(|_| ())
    }
}

/// Options of a new index.
fn options(method: &str, kept: &str, random: &mut Random) -> String {
    let lists = random.choose(&[0, 1, 5, 20]);
    match method {
        "hnsw" => random
            .pick(&[
                "",
                " WITH (m = 4)",
                " WITH (m = 2, ef_construction = 4)",
                " WITH (m = 40, ef_construction = 100)",
            ])
            .to_owned(),
        "ivf" => format!(" WITH ({kept}, lists = {lists})"),
        _ => format!(" WITH (lists = {})", lists.max(1)),
    }
}

/// The distances of a result; in their order, unless rows that a search of a larger table finds late may come last.
fn distances(rows: &[Vec<String>], is_sorted_here: bool) -> Vec<String> {
    let list = rows.first().map_or("", |row| row[0].trim_matches(['{', '}']));
    let mut list: Vec<String> = list.split(',').map(str::to_owned).collect();
    if is_sorted_here {
        list.sort_unstable();
    }
    list
}

/// One query by the index and without.
fn search(
    column: &Column,
    method: &str,
    is_large: bool,
    random: &mut Random,
    run: &mut Run,
) -> Result<(), Failure> {
    let query = if random.one_in(3) {
        "(SELECT v FROM t WHERE v IS NOT NULL ORDER BY id LIMIT 1)".to_owned()
    } else {
        format!("{}::{}({})", column.value(random), column.name, column.dim)
    };
    // Few lists have nearly all of the nearest rows, and a scan goes on to the others.
    let is_partial = method != "hnsw" && random.one_in(4);
    let is_whole = is_large || is_partial || random.one_in(8);
    let (operator, limit) = (column.operator(), if is_whole { 100_000 } else { 10 });
    let sql = format!(
        "SELECT array_agg(d), count(*) FROM (SELECT v {operator} q AS d FROM t, (SELECT {query} AS q OFFSET 0) q
            WHERE q IS NOT NULL ORDER BY v {operator} q LIMIT {limit}) s"
    );
    // The constant itself, so that the index can be used.
    let by_index = format!(
        "SELECT array_agg(d), count(*) FROM (SELECT v {operator} ({query}) AS d FROM t \
            ORDER BY v {operator} ({query}) LIMIT {limit}) s"
    );
    let exact = run.session.table(&format!(
        "SET enable_indexscan = off; SET enable_seqscan = on; {}",
        sql.replace("FROM t,", "FROM (SELECT * FROM t WHERE v IS NOT NULL) t,")
    ))?;
    let settings = match method {
        "hnsw" if random.one_in(4) => "RESET hnsw.ef_search".to_owned(),
        "hnsw" => "SET hnsw.ef_search = 1000".to_owned(),
        _ if is_partial => format!("RESET {method}.probes"),
        _ => format!("SET {method}.probes = 32768"),
    };
    let found = run
        .session
        .table(&format!("SET enable_indexscan = on; SET enable_seqscan = off; {settings}; {by_index}"));
    let detail =
        format!("{} {method} {:?} dim {}, {settings}: {by_index}", column.class, column.kind, column.dim);
    if let Some(found) = run.judge(found, &detail)? {
        // A query that is NULL gives all rows in no order.
        let is_null = exact.first().is_none_or(|row| row[1] == "0");
        // Coarse codes of rows far out may tell them from each other too late.
        let is_all = exact.first().is_some_and(|row| row[1].parse::<usize>().is_ok_and(|rows| rows < limit));
        let is_late_last = is_large || method != "hnsw" && is_all;
        let (exact, found) = (distances(&exact, is_late_last), distances(&found, is_late_last));
        if exact != found && !is_null {
            let at =
                exact.iter().zip(&found).position(|(a, b)| a != b).unwrap_or(exact.len().min(found.len()));
            let near = |list: &[String]| {
                list[at.saturating_sub(2).min(list.len())..(at + 5).min(list.len())].join(",")
            };
            let kind = format!("{} {method} {:?} differs", column.class, column.kind);
            let counts = format!("{} rows, {} found, from place {at} on", exact.len(), found.len());
            run.finding(
                &kind,
                &format!("{detail}\n  {counts}\n  exact {}\n  found {}", near(&exact), near(&found)),
            );
        }
    }
    Ok(())
}

impl Target for Rows {
    fn prepare(&mut self, run: &mut Run) -> Result<(), Failure> {
        run.session.simple("SET client_min_messages = error; SET synchronous_commit = off").map(|_| ())
    }

    fn quick_cases(&self) -> u64 {
        80
    }

    fn case(&mut self, random: &mut Random, number: u64, run: &mut Run) -> Result<(), Failure> {
        let number = number as usize;
        let method = METHODS[number % METHODS.len()];
        let column = Column::new(method, random);
        run.session.simple(&format!(
            "DROP TABLE IF EXISTS t; CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, v {}({}))",
            column.name, column.dim
        ))?;
        let most = if column.dim > 130 { 40 } else { 300 };
        let is_large = (column.dim <= 16 || method != "hnsw" && column.dim <= 130) && random.one_in(40);
        let before = match random.below(4) {
            _ if is_large => random.between(1500, 5000),
            0 => 0,
            _ => random.below(most),
        };
        let memory = random.choose(&["1MB", "64MB"]);
        run.session.simple(&format!("SET maintenance_work_mem = '{memory}'"))?;
        let after = if random.one_in(2) { 0 } else { random.below(30) };
        column.insert(before, random, run)?;
        let sql = format!(
            "CREATE INDEX x ON t USING {method} (v {}){}",
            column.class,
            options(method, KEPT[number / METHODS.len() % KEPT.len()], random)
        );
        let result = run.session.simple(&sql);
        run.judge(result, &sql)?;
        column.insert(after, random, run)?;
        if random.one_in(3) {
            run.session.simple("SELECT proxima.flush('x')")?;
        }
        if random.one_in(4) {
            run.session.simple("DELETE FROM t WHERE id % 5 = 0")?;
            if random.one_in(2) {
                run.session.simple("VACUUM t")?;
            }
        }
        if random.one_in(3) {
            run.session.simple("SELECT proxima.merge('x')")?;
        }
        if random.one_in(8) {
            run.session.simple("REINDEX INDEX x")?;
        }
        let report = run.session.simple("SELECT proxima.check_index('x')")?.unwrap_or_default();
        run.check(report.contains("\"sound\": true"), "the index is not sound", &format!("{sql}: {report}"));
        for _ in 0..3 {
            search(&column, method, is_large, random, run)?;
        }
        Ok(())
    }
}

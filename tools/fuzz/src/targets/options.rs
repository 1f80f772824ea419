//! Options of indexes, and indexes of every class on columns of every type.

use super::Target;
use crate::literal::{self, Type};
use crate::numbers;
use crate::random::Random;
use crate::run::Run;
use crate::session::{Failure, quote};

/// See the module's head.
pub struct Options;

/// Operator classes, with what they are for.
pub const CLASSES: [&str; 17] = [
    "vector_l2_ops",
    "vector_ip_ops",
    "vector_cosine_ops",
    "vector_l1_ops",
    "halfvec_l2_ops",
    "halfvec_ip_ops",
    "halfvec_cosine_ops",
    "halfvec_l1_ops",
    "sparsevec_l2_ops",
    "sparsevec_ip_ops",
    "sparsevec_cosine_ops",
    "sparsevec_l1_ops",
    "bit_hamming_ops",
    "bit_jaccard_ops",
    "vector_ops",
    "int4_ops",
    "",
];

/// A column, and an expression for its value in a row.
fn column(random: &mut Random) -> (String, String) {
    let dim = match random.below(12) {
        0 => random.choose(&[2000, 4000, 15_999, 16_000, 64_000]),
        // The least that lists are made of.
        1 | 2 => random.between(65, 130),
        _ => random.between(1, 20),
    };
    let dense = dim.min(16_000);
    match random.below(12) {
        0..=3 => (format!("vector({dense})"), format!("array_fill(i % 5, ARRAY[{dense}])::vector")),
        4 | 5 => (format!("halfvec({dense})"), format!("array_fill(i % 5, ARRAY[{dense}])::halfvec")),
        6 | 7 => {
            let dim = random.choose(&[1, 5, 16_000, 999_999_999, 1_000_000_000]);
            (format!("sparsevec({dim})"), format!("('{{1:' || i + 1 || '}}/{dim}')::sparsevec"))
        }
        8 => {
            let dim = random.choose(&[1, 8, 9, 64_000, 64_001, 83_886_080]);
            let shown = if dim > 100_000 {
                "NULL::bit".to_owned()
            } else {
                format!("repeat((i % 2)::text, {dim})::bit({dim})")
            };
            (format!("bit({dim})"), shown)
        }
        9 => {
            let name =
                random.choose(&["vector", "halfvec", "sparsevec", "bit varying(5)", "bit varying", "bit"]);
            (name.to_owned(), "NULL".to_owned())
        }
        10 => ("known".to_owned(), "'[1,2,3]'".to_owned()),
        _ => (random.choose(&["int", "text", "real[]", "vector(3)[]"]).to_owned(), "NULL".to_owned()),
    }
}

/// An option that some access method has.
fn known_option(random: &mut Random) -> String {
    match random.below(6) {
        0 => format!("lists = {}", random.choose(&[0, 1, 5, 100, 32_768])),
        1 => format!("m = {}", random.choose(&[2, 3, 16, 32, 100])),
        2 => format!("ef_construction = {}", random.choose(&[4, 40, 200, 1000])),
        3 => format!("bits = {}", random.choose(&[1, 2, 4, 8])),
        4 => format!("rerank = {}", random.pick(&["table", "index"])),
        _ => format!("pending_list_limit = {}", random.choose(&[64, 1000])),
    }
}

fn option(random: &mut Random) -> String {
    const NAMES: [&str; 12] = [
        "m",
        "M",
        "ef_construction",
        "lists",
        "bits",
        "rerank",
        "pending_list_limit",
        "fillfactor",
        "\"\"",
        "x",
        "m.m",
        "toast.m",
    ];
    if random.one_in(2) {
        return known_option(random);
    }
    let name = random.choose(&NAMES);
    let value = match random.below(7) {
        0 => random
            .choose(&["16", "2", "100", "101", "1", "4", "64", "1000", "1001", "32768", "32769"])
            .to_owned(),
        1 => quote(random.pick(numbers::INTEGERS)),
        2 => numbers::integer(random).to_string(),
        3 => quote(&numbers::text(random)),
        4 => random.choose(&["table", "'index'", "TABLE", "'table '", "8.0", "''"]).to_owned(),
        5 => random.choose(&["off", "true", "NULL", "16.5", "1e1", "'16 '", "+16", "m"]).to_owned(),
        _ => random.between(2, 40).to_string(),
    };
    if random.one_in(20) { name.to_owned() } else { format!("{name} = {value}") }
}

fn options(random: &mut Random) -> String {
    let count = random.choose(&[1, 1, 1, 2, 3]);
    let options: Vec<String> = (0..count).map(|_| option(random)).collect();
    options.join(", ")
}

/// What is indexed: the column, or an expression with it.
fn key(random: &mut Random, class: &str) -> String {
    let cast = |name: &str, n: i32| format!("((v::{name}({n})) {class})");
    match random.below(20) {
        0 => cast("vector", random.choose(&[1, 3, 16_000])),
        1 => cast("halfvec", random.choose(&[1, 3, 16_000])),
        2 => cast("sparsevec", random.choose(&[1, 3, 1_000_000_000])),
        3 => format!("((binary_quantize(v)::bit(3)) {class})"),
        4 => format!("(v {class}, v {class})"),
        5 => format!("(v {class}) INCLUDE (v)"),
        6 => format!("(v {class} DESC NULLS FIRST)"),
        _ => format!("(v {class})"),
    }
}

/// What is done with an index that was made.
fn use_index(random: &mut Random, run: &mut Run) -> Result<(), Failure> {
    for _ in 0..random.between(1, 4) {
        let sql = match random.below(9) {
            0 => format!("ALTER INDEX x SET ({})", options(random)),
            1 => format!(
                "ALTER INDEX x RESET ({})",
                random.choose(&["m", "lists", "ef_construction", "bits", "rerank, lists", "x", "m, m"])
            ),
            2 => "REINDEX INDEX x".to_owned(),
            3 => "INSERT INTO t SELECT v FROM t LIMIT 3".to_owned(),
            4 => "TRUNCATE t".to_owned(),
            5 => format!("ALTER TABLE t ALTER v TYPE {}", column(random).0),
            6 => "SELECT proxima.index_info('x')".to_owned(),
            7 => format!(
                "INSERT INTO t VALUES ({})",
                quote(&literal::valid(random.choose(&Type::ALL), 3, random))
            ),
            _ => "UPDATE t SET v = v".to_owned(),
        };
        run.session.simple("SAVEPOINT a")?;
        let result = run.session.simple(&sql);
        if run.judge(result, &sql)?.is_none() {
            run.session.simple("ROLLBACK TO a")?;
        }
    }
    let kind = run
        .session
        .simple("SELECT amname FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE c.oid = 'x'::regclass")?;
    if kind.is_some_and(|kind| kind == "hnsw" || kind.starts_with("ivf")) {
        let sound = run.session.simple("SELECT proxima.check_index('x') ->> 'sound'")?;
        run.check(sound.as_deref() == Some("true"), "the index is not sound", &format!("{sound:?}"));
    }
    Ok(())
}

impl Target for Options {
    fn prepare(&mut self, run: &mut Run) -> Result<(), Failure> {
        run.session.simple("CREATE DOMAIN known AS vector(3); SET client_min_messages = error").map(|_| ())
    }

    fn quick_cases(&self) -> u64 {
        100
    }

    fn case(&mut self, random: &mut Random, _: u64, run: &mut Run) -> Result<(), Failure> {
        let (column, value) = column(random);
        let class = if random.one_in(3) {
            random.choose(&CLASSES).to_owned()
        } else {
            let name: String = column.chars().take_while(char::is_ascii_alphabetic).collect();
            let suffixes: &[&str] =
                if name == "bit" { &["hamming", "jaccard"] } else { &["l2", "ip", "cosine", "l1"] };
            format!("{name}_{}_ops", random.choose(suffixes))
        };
        let method = random
            .choose(&["hnsw", "hnsw", "hnsw", "hnsw", "ivf", "ivf", "ivf", "ivfflat", "ivfflat", "btree"]);
        let with = if random.one_in(2) { String::new() } else { format!(" WITH ({})", options(random)) };
        let rows = random.choose(&[0, 1, 30]);
        let table = format!(
            "BEGIN; SET LOCAL maintenance_work_mem = {}; CREATE TABLE t (v {column});
             ALTER TABLE t ALTER v SET STORAGE {};
             INSERT INTO t SELECT {value} FROM generate_series(0, {rows} - 1) i",
            quote(random.pick(&["1MB", "64MB"])),
            random.choose(&["external", "main", "extended"])
        );
        let index = format!("CREATE INDEX x ON t USING {method} {}{with}", key(random, &class));
        let result = run.session.simple(&table).and_then(|_| run.session.simple(&index));
        if run.judge(result, &format!("{table};\n  {index}"))?.is_some() {
            use_index(random, run)?;
        }
        run.session.simple("ROLLBACK").map(|_| ())
    }
}

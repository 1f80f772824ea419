//! What every Rust client is tested with: repeatable rows, and the exact answers.
//!
//! The numbers are multiples of 1/64, so that every type holds them exactly.

/// Dimensions of the vectors.
pub const DIM: usize = 8;
/// Rows of the table.
pub const ROWS: usize = 300;
/// Bits of a bit string.
pub const BITS: usize = 32;
/// How many of the nearest are asked for.
pub const LIMIT: usize = 10;

/// Enough effort that an index's answer over so few rows is the exact one, and no other plan than the index.
pub const BY_INDEX: [&str; 4] = [
    "SET hnsw.ef_search = 300",
    "SET ivfflat.probes = 10",
    "SET enable_seqscan = off",
    "SET enable_sort = off",
];

/// Operators of the three vector types, with the middle of their operator classes' names.
pub const OPERATORS: [(&str, &str); 4] = [("<->", "l2"), ("<#>", "ip"), ("<=>", "cosine"), ("<+>", "l1")];
/// The same for bits.
pub const BIT_OPERATORS: [(&str, &str); 2] = [("<~>", "hamming"), ("<%>", "jaccard")];

/// A small generator of pseudo-random numbers (Marsaglia 2003, xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn number(&mut self) -> f32 {
        (self.next() % 257) as f32 / 64.0 - 2.0
    }
}

/// The rows of the table.
pub struct Rows {
    /// Of the types vector and halfvec.
    pub vectors: Vec<Vec<f32>>,
    /// Of the type sparsevec; about half of the elements are zero.
    pub sparse: Vec<Vec<f32>>,
    /// Of the type bit.
    pub bits: Vec<Vec<bool>>,
    /// What is searched for.
    pub query: Vec<f32>,
    /// What is searched for among the bits.
    pub bit_query: Vec<bool>,
}

/// The same rows each time.
pub fn rows() -> Rows {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let vectors: Vec<Vec<f32>> = (0..ROWS).map(|_| (0..DIM).map(|_| random.number()).collect()).collect();
    let sparse = vectors
        .iter()
        .map(|row| {
            row.iter()
                .enumerate()
                .map(|(i, x)| if i == 0 || random.next() % 2 == 0 { *x } else { 0.0 })
                .collect()
        })
        .collect();
    let mut bit_row = || (0..BITS).map(|_| random.next() % 2 == 0).collect::<Vec<bool>>();
    let bits = (0..ROWS).map(|_| bit_row()).collect();
    let bit_query = bit_row();
    let query = (0..DIM).map(|_| random.number()).collect();
    Rows { vectors, sparse, bits, query, bit_query }
}

/// The distance that an operator computes, in double precision.
pub fn distance(operator: &str, row: &[f32], query: &[f32]) -> f64 {
    let pairs = || row.iter().zip(query).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let dot = || pairs().map(|(a, b)| a * b).sum::<f64>();
    let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    match operator {
        "<->" => pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
        "<#>" => -dot(),
        "<=>" => 1.0 - dot() / (norm(row) * norm(query)),
        "<+>" => pairs().map(|(a, b)| (a - b).abs()).sum(),
        _ => panic!("no such operator: {operator}"),
    }
}

/// The same for bits.
pub fn bit_distance(operator: &str, row: &[bool], query: &[bool]) -> f64 {
    let count = |f: fn(bool, bool) -> bool| row.iter().zip(query).filter(|(a, b)| f(**a, **b)).count() as f64;
    match operator {
        "<~>" => count(|a, b| a != b),
        "<%>" => 1.0 - count(|a, b| a && b) / count(|a, b| a || b),
        _ => panic!("no such operator: {operator}"),
    }
}

/// Checks an answer, nearest first: its distances are those of the nearest rows. Ids may differ among ties.
///
/// # Panics
/// If they are not.
pub fn assert_nearest(operator: &str, found: &[(i64, f64)], all: impl Iterator<Item = f64>) {
    let all: Vec<f64> = all.collect();
    let mut expected = all.clone();
    expected.sort_by(f64::total_cmp);
    assert_eq!(found.len(), LIMIT, "{operator}: rows");
    for ((id, distance), expected) in found.iter().zip(&expected) {
        assert!(
            (distance - expected).abs() < 1e-4,
            "{operator}: {distance} is not the nearest, {expected} is"
        );
        let own = all[usize::try_from(*id).expect("ids are positive") - 1];
        assert!((distance - own).abs() < 1e-4, "{operator}: row {id} has distance {own}, not {distance}");
    }
}

/// The statement that makes the table of all types.
pub fn create_table() -> String {
    format!(
        "CREATE TABLE items (id bigserial PRIMARY KEY, v vector({DIM}), h halfvec({DIM}), s sparsevec({DIM}), \
         b bit({BITS}))"
    )
}

/// Every index: name and statement.
pub fn create_indexes() -> Vec<String> {
    let of = |column: &str, kind: &str, name: &str| {
        format!("CREATE INDEX items_{column}_{name} ON items USING hnsw ({column} {kind}_{name}_ops)")
    };
    let mut statements = Vec::new();
    for (column, kind) in [("v", "vector"), ("h", "halfvec"), ("s", "sparsevec")] {
        statements.extend(OPERATORS.iter().map(|(_, name)| of(column, kind, name)));
    }
    statements.extend(BIT_OPERATORS.iter().map(|(_, name)| of("b", "bit", name)));
    statements
}

/// The search of a column by `$1`.
pub fn search(column: &str, operator: &str) -> String {
    format!("SELECT id, {column} {operator} $1 FROM items ORDER BY {column} {operator} $1 LIMIT {LIMIT}")
}

/// Where the server is: the directory of its socket, its port, the user.
pub fn server() -> (String, u16, String) {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    (variable("PGHOST"), variable("PGPORT").parse().expect("PGPORT is a number"), variable("PGUSER"))
}

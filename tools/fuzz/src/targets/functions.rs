//! Every function and operator of the extension with values of its argument types, and laws that they obey.

use super::Target;
use super::options::CLASSES;
use crate::literal::{self, Type};
use crate::numbers;
use crate::random::Random;
use crate::run::Run;
use crate::session::{Failure, excerpt, quote};

/// See the module's head.
#[derive(Default)]
pub struct Functions {
    /// How to call: text with `$` for each argument, types of the arguments, type of the result.
    calls: Vec<(String, Vec<String>, String)>,
    is_damaged: bool,
}

impl Functions {
    /// With stored values that no input made, of any bytes.
    pub fn damaged() -> Self {
        Functions { is_damaged: true, ..Self::default() }
    }
}

/// A stored value of a type of ours with some bytes changed, for a server of this machine's byte order.
fn damaged(of: &str, dim: usize, random: &mut Random) -> String {
    let mut bytes: Vec<u8> = Vec::new();
    if of == "sparsevec" {
        let dim = dim as i32;
        bytes.extend([dim, dim, 0].into_iter().chain(0..dim).flat_map(i32::to_ne_bytes));
    } else {
        bytes.extend((dim as i16).to_ne_bytes());
        bytes.extend([0, 0]);
    }
    for _ in 0..dim {
        match of {
            "halfvec" => bytes.extend(numbers::f16_bits(random).to_ne_bytes()),
            _ => bytes.extend(numbers::f32_bits(random).to_ne_bytes()),
        }
    }
    for _ in 0..random.below(3) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes.truncate(at.max(1)),
            1 => bytes.extend(&random.word().to_ne_bytes()[..random.between(1, 8)]),
            2 => {
                let word = at / 4 * 4;
                let end = (word + 4).min(bytes.len());
                bytes[word..end].copy_from_slice(&numbers::integer(random).to_ne_bytes()[..end - word]);
            }
            _ => bytes[at] = random.word() as u8,
        }
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("'\\x{hex}'::bytea::{of}")
}

/// What must hold for every a, b, c of one type and dimension.
const LAWS: [&str; 15] = [
    "(a <-> b) IS NOT DISTINCT FROM (b <-> a)",
    "(a <#> b) IS NOT DISTINCT FROM (b <#> a)",
    "(a <=> b) IS NOT DISTINCT FROM (b <=> a)",
    "(a <+> b) IS NOT DISTINCT FROM (b <+> a)",
    "(a <-> a) = 0 AND (a <+> a) = 0",
    "(a <-> b) >= 0 AND (a <+> b) >= 0 AND (a <=> b) >= 0 AND ((a <=> b) <= 2 OR (a <=> b) = 'NaN')",
    "inner_product(a, b) = -(a <#> b)",
    "l2_distance(a, b) = (a <-> b) AND l1_distance(a, b) = (a <+> b) AND cosine_distance(a, b) = (a <=> b)",
    "(a < b)::int + (a = b)::int + (a > b)::int = 1 AND (a <> b) = NOT (a = b)",
    "(a <= b) = NOT (a > b) AND (a >= b) = NOT (a < b)",
    "NOT (a < b AND b < c) OR a < c",
    "NOT (a = b) OR (a <-> b) = 0",
    "(a < b) = (b > a)",
    "a::text::T = a",
    "sqrt(T_l2_squared_distance(a, b)) = (a <-> b)",
];

/// What must hold for dense types besides.
const DENSE_LAWS: [&str; 11] = [
    "(a || b)::real[] = a::real[] || b::real[]",
    "subvector(a || b, 1, vector_dims(a)) = a",
    "subvector(a, i, j)::real[] = (a::real[])[greatest(i, 1) : least(i::bigint + j - 1, vector_dims(a))::int]",
    "(a + b)::text = (b + a)::text",
    "(a * b)::text = (b * a)::text",
    "(a - a) = (b - b)",
    "binary_quantize(a)::text = (SELECT string_agg((x > 0)::int::text, '' ORDER BY o)
        FROM unnest(a::real[]) WITH ORDINALITY u(x, o))",
    "a::sparsevec::T = a",
    "(a < b) = (a::real[] < b::real[])",
    "(a <-> b) BETWEEN 0.9999 * e - 1e-17 AND 1.0001 * e + 1e-17 OR e > 1e19 FROM (SELECT sqrt(sum((x::float8 - y) ^ 2))
        FROM unnest(a::real[], b::real[]) u(x, y)) s(e)",
    "abs((a <#> b) + e) <= 0.0001 * f + 1e-30 OR f > 1e38 FROM (SELECT sum(x::float8 * y), sum(abs(x::float8 * y))
        FROM unnest(a::real[], b::real[]) u(x, y)) s(e, f)",
];

/// A constant of an SQL type; often an odd one.
fn constant(of: &str, dim: usize, random: &mut Random) -> String {
    if random.one_in(40) {
        return format!("NULL::{of}");
    }
    let list = |random: &mut Random, n: usize| {
        (0..n).map(|_| numbers::plain_text(random)).collect::<Vec<_>>().join(",")
    };
    let text = match of {
        "vector" | "halfvec" | "sparsevec" => {
            let of = Type::ALL.into_iter().find(|known| known.name() == of).unwrap_or(Type::Vector);
            value(of, dim, random)
        }
        "integer" => {
            if random.one_in(2) {
                (random.below(12) as i32 - 3).to_string()
            } else {
                numbers::integer(random).to_string()
            }
        }
        "integer[]" => format!("{{{}}}", (0..dim).map(|i| i.to_string()).collect::<Vec<_>>().join(",")),
        "real[]" | "double precision[]" | "numeric[]" => {
            let n = if random.one_in(2) { dim + 1 } else { dim };
            format!("{{{}}}", list(random, n))
        }
        "bit" => {
            return format!(
                "B'{}'",
                (0..dim).map(|_| if random.one_in(2) { '1' } else { '0' }).collect::<String>()
            );
        }
        "boolean" => random.choose(&["true", "false"]).to_owned(),
        "oid" => random.choose(&["0", "16", "4294967295"]).to_owned(),
        "regclass" => random
            .choose(&["0", "t", "x", "y", "z", "pg_class", "pg_class_oid_index", "4294967295"])
            .to_owned(),
        "cstring" => value(random.choose(&Type::ALL), dim, random),
        "cstring[]" => format!("{{{}}}", random.pick(numbers::INTEGERS).replace(['"', '\\'], "")),
        _ => return format!("NULL::{of}"),
    };
    format!("{}::{of}", quote(&text))
}

/// A literal of a type of ours: plain numbers, or numbers at the limits.
fn value(of: Type, dim: usize, random: &mut Random) -> String {
    if of == Type::Halfvec || random.one_in(2) {
        return literal::valid(of, dim, random);
    }
    let number = |random: &mut Random| match random.below(3) {
        0 => numbers::plain_text(random),
        1 => random
            .choose(&["3.4028235e38", "-3e38", "1e19", "-2e19", "1e-45", "1.2e-38", "1e-23", "3e-20"])
            .to_owned(),
        _ => {
            let value = f32::from_bits(random.word() as u32);
            if value.is_normal() { value.to_string() } else { "1".to_owned() }
        }
    };
    let numbers = (0..dim.max(1)).map(|_| number(random));
    if of == Type::Sparsevec {
        let elements: Vec<String> =
            numbers.enumerate().map(|(i, number)| format!("{}:{number}", i + 1)).collect();
        return format!("{{{}}}/{dim}", elements.join(","));
    }
    format!("[{}]", numbers.collect::<Vec<_>>().join(","))
}

fn dimensions(random: &mut Random) -> usize {
    match random.below(40) {
        0 => random.choose(&[15_999, 16_000]),
        1..=5 => random.between(7, 300),
        _ => random.between(1, 6),
    }
}

impl Functions {
    fn call(&self, random: &mut Random, run: &mut Run) -> Result<(), Failure> {
        let dim = dimensions(random);
        let (pattern, arguments, result) = &self.calls[random.below(self.calls.len())];
        let mut sql = String::new();
        let mut arguments = arguments.iter();
        for part in pattern.split_inclusive('$') {
            let Some(before) = part.strip_suffix('$') else {
                sql.push_str(part);
                continue;
            };
            let dim = if random.one_in(20) { dim + 1 } else { dim };
            sql.push_str(before);
            let of = arguments.next().map_or("text", String::as_str);
            let is_ours = Type::ALL.iter().any(|known| known.name() == of);
            let value =
                if self.is_damaged && is_ours { damaged(of, dim, random) } else { constant(of, dim, random) };
            sql.push_str(&value);
        }
        let of = Type::ALL.into_iter().find(|of| of.name() == result && !self.is_damaged);
        let sql = match of {
            // A type of ours must have a text that reads back.
            Some(of) => format!(
                "SELECT x::text::{0} = x AND {0}_send(x::text::{0}) = {0}_send(x) FROM (SELECT {sql} AS x OFFSET 0) s",
                of.name()
            ),
            None => format!("SELECT {sql}"),
        };
        let answer = run.session.simple(&sql);
        if let Some(Some(answer)) = run.judge(answer, &excerpt(&sql))? {
            run.check(
                of.is_none() || answer == "t",
                "a result that its text does not give back",
                &excerpt(&sql),
            );
        }
        Ok(())
    }

    fn law(&self, random: &mut Random, run: &mut Run) -> Result<(), Failure> {
        let of = random.choose(&Type::ALL);
        let dim = dimensions(random).min(2000);
        let mut law = random.choose(&LAWS);
        let mut other = dim;
        if of != Type::Sparsevec && random.one_in(2) {
            law = random.choose(&DENSE_LAWS);
        }
        // Only an order and || are there for different dimensions.
        if (law.contains("(a < b)") || law.contains("||")) && random.one_in(3) {
            other = random.between(1, 6);
        }
        let (a, b, c) = (value(of, dim, random), value(of, other, random), value(of, other, random));
        let b = if random.one_in(6) { a.clone() } else { b };
        let (i, j) = (numbers::integer(random), numbers::integer(random));
        let (condition, from) =
            law.split_once(" FROM (SELECT s").map_or((law, String::new()), |(condition, rest)| {
                (condition, format!(", LATERAL (SELECT s{rest}"))
            });
        let sql = format!(
            "SELECT {condition} FROM (SELECT '{a}'::T AS a, '{b}'::T AS b, '{c}'::T AS c, \
             {i} AS i, {j} AS j OFFSET 0) v{from}"
        );
        let sql =
            sql.replace("::T", &format!("::{}", of.name())).replace("T_l2", &format!("{}_l2", of.name()));
        let answer = run.session.simple(&sql);
        if let Some(answer) = run.judge(answer, &excerpt(&sql))? {
            let holds = answer.is_none_or(|answer| answer == "t");
            run.check(holds, &format!("law {} {law}", of.name()), &excerpt(&sql));
        }
        Ok(())
    }
}

/// Indexes of values that somebody damaged, and searches for such.
fn index_damaged(random: &mut Random, run: &mut Run) -> Result<(), Failure> {
    let class = CLASSES[random.below(12)];
    let of: String = class.chars().take_while(char::is_ascii_lowercase).collect();
    let operator = if class.contains("ip") { "<#>" } else { "<->" };
    let dim = random.between(1, 5);
    let value = |random: &mut Random| damaged(&of, dim, random);
    let mut sqls: Vec<String> = (0..8).map(|_| format!("INSERT INTO d VALUES ({})", value(random))).collect();
    let at = random.below(9);
    sqls.insert(at, format!("CREATE INDEX d_v ON d USING hnsw (v {class})"));
    sqls.push(format!(
        "SELECT count(*) FROM (SELECT 1 FROM d ORDER BY v {operator} {} LIMIT 5) s",
        value(random)
    ));
    sqls.push("SELECT proxima.check_index('d_v')".to_owned());
    run.session.simple(&format!(
        "BEGIN; CREATE TEMP TABLE d (v {of}({dim})) ON COMMIT DROP; SET LOCAL enable_seqscan = off"
    ))?;
    for sql in &sqls {
        run.session.simple("SAVEPOINT a")?;
        let result = run.session.simple(sql);
        match run.judge(result, &excerpt(sql))? {
            None => drop(run.session.simple("ROLLBACK TO a")?),
            Some(Some(report)) if sql.contains("check_index") => {
                run.check(report.contains("\"sound\": true"), "the index is not sound", &sqls.join(";\n  "));
            }
            Some(_) => {}
        }
    }
    run.session.simple("ROLLBACK").map(|_| ())
}

impl Target for Functions {
    fn prepare(&mut self, run: &mut Run) -> Result<(), Failure> {
        let members = "SELECT objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
            WHERE extname = 'proxima' AND deptype = 'e' AND classid";
        let calls = format!(
            "SELECT pronamespace::regnamespace || '.' || quote_ident(proname) || '(' ||
                array_to_string(array_fill('$'::text, ARRAY[pronargs::int]), ', ') || ')',
                array_to_string(ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) t), ','),
                format_type(prorettype, NULL)
             FROM pg_proc WHERE prokind = 'f' AND oid IN ({members} = 'pg_proc'::regclass)
             UNION ALL
             SELECT '$ ' || oprname || ' $', format_type(oprleft, NULL) || ',' || format_type(oprright, NULL),
                format_type(oprresult, NULL)
             FROM pg_operator WHERE oid IN ({members} = 'pg_operator'::regclass) ORDER BY 1, 2"
        );
        let rows = run.session.table(&calls)?;
        let call = |row: &Vec<String>| {
            let arguments = row[1].split(',').map(str::to_owned).collect();
            (row[0].clone(), arguments, row[2].clone())
        };
        self.calls = rows.iter().map(call).collect();
        let sql = "DROP TABLE IF EXISTS t; CREATE TABLE t (v vector(2));
            INSERT INTO t SELECT ARRAY[i, i % 3] FROM generate_series(1, 40) i;
            CREATE INDEX x ON t USING hnsw (v vector_l2_ops); CREATE INDEX y ON t USING ivfflat (v vector_l2_ops);
            CREATE INDEX z ON t (v)";
        run.session.simple(sql)?;
        if self.is_damaged {
            let casts = Type::ALL.map(|of| {
                format!(
                    "DROP CAST IF EXISTS (bytea AS {0}); CREATE CAST (bytea AS {0}) WITHOUT FUNCTION",
                    of.name()
                )
            });
            run.session.simple(&casts.join(";"))?;
        }
        Ok(())
    }

    fn quick_cases(&self) -> u64 {
        if self.is_damaged { 60 } else { 1000 }
    }

    fn case(&mut self, random: &mut Random, _: u64, run: &mut Run) -> Result<(), Failure> {
        match (self.is_damaged, random.below(2)) {
            (true, 0) => index_damaged(random, run),
            (false, 0) => self.law(random, run),
            _ => self.call(random, run),
        }
    }
}

//! Casts from arrays and back, and the states of aggregates.

use super::Target;
use crate::literal::{self, Type};
use crate::numbers;
use crate::random::Random;
use crate::run::Run;
use crate::session::{Failure, quote};

const ELEMENTS: [&str; 4] = ["int4", "float4", "float8", "numeric"];

/// See the module's head.
pub struct Arrays;

/// A number that the element type takes, most often.
fn element(of: &str, random: &mut Random) -> String {
    const SPECIAL: [&str; 12] = [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e38",
        "3.5e38",
        "-4e38",
        "1e300",
        "1e-300",
        "65519",
        "65520",
        "1e-45",
        "-0",
    ];
    match of {
        "int4" => numbers::integer(random).to_string(),
        _ if random.one_in(3) => random.choose(&SPECIAL).to_owned(),
        "numeric" if random.one_in(4) => format!("{}.{}", "9".repeat(random.below(60) + 1), random.word()),
        "numeric" if random.one_in(20) => "1e1000".to_owned(),
        _ => numbers::plain_text(random),
    }
}

/// An expression of type `of`[].
fn array(of: &str, random: &mut Random) -> String {
    let count =
        if random.one_in(60) { random.choose(&[15_999, 16_000, 16_001, 17_000]) } else { random.below(5) };
    if count > 1000 {
        let value = element(of, random);
        return format!("array_fill({}::{of}, ARRAY[{count}])", quote(&value));
    }
    let mut elements: Vec<String> = (0..count).map(|_| element(of, random)).collect();
    if random.one_in(12) && count > 0 {
        elements[random.below(count)] = "NULL".to_owned();
    }
    let list = elements.join(",");
    let text = match random.below(16) {
        0 => format!("{{{{{list}}}}}"),
        1 => format!("{{{{{list}}},{{{list}}}}}"),
        2 if count > 0 => {
            let low = random.choose(&[0, -5, 7, 2_147_483_600, -2_147_483_648]);
            format!("[{low}:{}]={{{list}}}", low + count as i32 - 1)
        }
        3 => "{}".to_owned(),
        // One element from the middle of a larger array, whose null bitmap it keeps.
        4 => return format!("({}::{of}[])[2:]", quote(&format!("{{NULL,{list}}}").replace(",}", "}"))),
        5 => {
            return format!(
                "array_remove({}::{of}[], NULL)",
                quote(&format!("{{NULL,{list}}}").replace(",}", "}"))
            );
        }
        6 => return format!("({}::{of}[])[3:2]", quote(&format!("{{{list}}}"))),
        7 => return format!("string_to_array({}, ',')::{of}[]", quote(&list)),
        8 => {
            return format!(
                "array_append({}::{of}[], {}::{of})",
                quote(&format!("{{{list}}}")),
                quote(&element(of, random))
            );
        }
        _ => format!("{{{list}}}"),
    };
    format!("{}::{of}[]", quote(&text))
}

/// Casts of one array to every type must agree.
fn casts(random: &mut Random, run: &mut Run) -> Result<(), Failure> {
    let of = random.choose(&ELEMENTS);
    let array = array(of, random);
    let to = random.choose(&Type::ALL);
    let name = to.name();
    let typmod = if random.one_in(5) { format!("({})", random.between(1, 4)) } else { String::new() };
    let sql = if random.one_in(6) {
        format!("SELECT array_to_{name}({array}, {}, true)::text", numbers::integer(random))
    } else {
        format!("SELECT ({array})::{name}{typmod}::text")
    };
    let result = run.session.simple(&sql);
    let Some(Some(text)) = run.judge(result, &sql)? else { return Ok(()) };
    // NaN is what `IS DISTINCT` finds equal; the others are equal numbers.
    let laws = match to {
        Type::Vector => format!(
            "SELECT ({array})::vector::real[] = ARRAY(SELECT x::real \
             FROM unnest({array}) WITH ORDINALITY u(x, i) ORDER BY i)"
        ),
        Type::Halfvec => format!("SELECT ({array})::vector::halfvec::text = ({array})::halfvec::text"),
        Type::Sparsevec => format!("SELECT ({array})::vector::sparsevec::text = ({array})::sparsevec::text"),
    };
    if let Some(Some(holds)) = law(&laws, run)? {
        run.check(holds == "t", "differs from the array", &laws);
    }
    let back = format!("SELECT {0}::{name}::text = {0}", quote(&text));
    let same = run.session.simple(&back)?;
    run.check(same.as_deref() == Some("t"), "text differs when read again", &sql);
    Ok(())
}

/// The result of a law whose terms may have no value; errors count for nothing.
fn law(sql: &str, run: &mut Run) -> Result<Option<Option<String>>, Failure> {
    match run.session.simple(sql) {
        Ok(value) => Ok(Some(value)),
        Err(failure @ Failure::Lost(_)) => Err(failure),
        Err(_) => Ok(None),
    }
}

/// States of aggregates that somebody made up.
fn states(random: &mut Random, run: &mut Run) -> Result<(), Failure> {
    let name = random.choose(&["vector", "halfvec"]);
    let of = if name == "vector" { Type::Vector } else { Type::Halfvec };
    let value = literal::valid(of, random.between(1, 4), random);
    let (a, b) = (array("float8", random), array("float8", random));
    let sql = match random.below(6) {
        0 => format!("SELECT {name}_accum({a}, '{value}')"),
        1 => format!("SELECT {name}_avg({a})"),
        2 => format!("SELECT {name}_combine({a}, {b})"),
        3 => format!("SELECT {name}_avg({name}_combine({name}_accum({a}, '{value}'), {b}))"),
        4 => format!("SELECT {name}_avg({name}_accum({name}_accum({a}, '{value}'), '{value}'))"),
        _ => format!("SELECT vector_avg(halfvec_accum({a}, '{}'))", literal::valid(Type::Halfvec, 2, random)),
    };
    let result = run.session.simple(&sql);
    run.judge(result, &sql).map(|_| ())
}

/// avg and sum, also split, over windows and in parallel.
fn aggregates(random: &mut Random, run: &mut Run) -> Result<(), Failure> {
    let of = random.choose(&[Type::Vector, Type::Halfvec]);
    let name = of.name();
    let dim = random.between(1, 4);
    let count = random.below(7);
    let value = |random: &mut Random| match random.below(12) {
        0 => "NULL".to_owned(),
        1 => quote(&literal::valid(of, dim + 1, random)),
        2 if of == Type::Vector => quote(&format!("[3e38{}]", ",3e38".repeat(dim - 1))),
        _ => quote(&literal::valid(of, dim, random)),
    };
    let rows: Vec<String> = (0..count).map(|i| format!("({i}, {}::{name})", value(random))).collect();
    let rows =
        format!("(VALUES (-1, NULL::{name}){}{}) r(i, v)", if count > 0 { "," } else { "" }, rows.join(","));
    let sql = format!("SELECT avg(v)::text, sum(v)::text, count(v) FROM {rows}");
    let result = run.session.simple(&sql);
    if run.judge(result, &sql)?.flatten().is_none() {
        return Ok(());
    }
    let split = format!(
        "SELECT avg(v)::text IS NOT DISTINCT FROM (SELECT {name}_avg({name}_combine(a, b))::text FROM
            (SELECT '{{0}}'::float8[]) z(s),
            LATERAL (SELECT coalesce((SELECT s.s FROM
                (SELECT {name}_accum('{{0}}', v) AS s FROM {rows} WHERE i = 0) s), s)) x(a),
            LATERAL (SELECT {name}_accum(s, v) FROM {rows} WHERE i = 1) y(b))
         FROM {rows} WHERE i IN (0, 1) AND v IS NOT NULL HAVING count(v) = 2 AND sum(vector_dims(v)) = {}",
        2 * dim
    );
    if let Some(Some(holds)) = law(&split, run)? {
        run.check(holds == "t", "avg differs from its parts combined", &split);
    }
    let window = format!(
        "SELECT bool_and(a IS NOT DISTINCT FROM b) FROM (SELECT avg(v) OVER (ORDER BY i), \
        (SELECT avg(v) FROM {rows} WHERE r.i <= o.i) FROM (SELECT * FROM {rows}) o) w(a, b)"
    );
    if let Some(Some(holds)) = law(&window, run)? {
        run.check(holds == "t", "avg over a window differs", &window);
    }
    Ok(())
}

impl Target for Arrays {
    fn prepare(&mut self, _: &mut Run) -> Result<(), Failure> {
        Ok(())
    }

    fn case(&mut self, random: &mut Random, _: u64, run: &mut Run) -> Result<(), Failure> {
        match random.below(5) {
            0 => states(random, run),
            1 => aggregates(random, run),
            _ => casts(random, run),
        }
    }
}

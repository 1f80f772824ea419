//! Very long input: it ends soon, with a value or an error, and a timeout stops it.

use std::time::Instant;

use super::Target;
use crate::random::Random;
use crate::run::Run;
use crate::session::{Failure, Raw};

/// See the module's head.
pub struct Large;

/// The first cases are not so long.
const SHORT_CASES: u64 = 4;
/// Seconds that the longest input may take on a loaded machine.
const SECONDS_MAX: f64 = 60.0;
/// Seconds that a statement may go on after its time.
const LATE_MAX: f64 = 10.0;

/// An expression of type text, of about `megabytes`.
fn text(megabytes: usize, random: &mut Random) -> (&'static str, String) {
    let repeat = |unit: &str| format!("repeat('{unit}', {})", megabytes * 1_000_000 / unit.len());
    let of = random.choose(&["vector", "halfvec", "sparsevec"]);
    let (open, close) = if of == "sparsevec" { ("{1:", "}/1") } else { ("[", "]") };
    let text = match random.below(16) {
        0 => repeat("["),
        1 => format!("'[' || {} || '1]'", repeat("1,")),
        2 => format!("'{open}' || {} || '1{close}'", repeat(" ")),
        3 => format!("'{open}' || {} || '{close}'", repeat("1")),
        4 => format!("'{open}0.' || {} || '1{close}'", repeat("0")),
        5 => format!("'{open}1e' || {} || '{close}'", repeat("9")),
        6 => format!("'{open}0x' || {} || '{close}'", repeat("f")),
        7 => format!("'{open}0x0.' || {} || '1p9{close}'", repeat("0")),
        8 => format!("'{open}nan(' || {}", repeat("a")),
        9 => format!("'{open}1' || {} || 'e{close}'", repeat("0")),
        10 => format!("'{{' || {} || '1:1}}/1'", repeat("1:1,")),
        11 => format!("'{{' || {} || ':1}}/1'", repeat("1")),
        12 => format!("'{{}}/' || {}", repeat("1")),
        13 => format!("'[' || {} || ']'", repeat(&format!("{},", "1".repeat(9000)))),
        14 => repeat("\u{e9}"),
        _ => format!("'{open}1{close}' || {}", repeat(" ")),
    };
    (of, text)
}

/// An expression that is no text.
fn array(is_short: bool, random: &mut Random) -> String {
    let count = if is_short { 100_000 } else { random.choose(&[1_000_000, 20_000_000]) };
    match random.below(4) {
        0 => format!("array_fill(0::numeric, ARRAY[{count}])::sparsevec"),
        1 => format!("array_fill(1::float8, ARRAY[{count}])::sparsevec"),
        2 => format!("array_fill(0::int, ARRAY[{count}])::vector"),
        _ => format!("vector_avg(array_fill(1::float8, ARRAY[{count}]))"),
    }
}

impl Target for Large {
    fn prepare(&mut self, run: &mut Run) -> Result<(), Failure> {
        // Errors have the whole text in them.
        run.session.simple("SET log_min_messages = panic; SET log_min_error_statement = panic").map(|_| ())
    }

    fn quick_cases(&self) -> u64 {
        SHORT_CASES
    }

    fn case(&mut self, random: &mut Random, number: u64, run: &mut Run) -> Result<(), Failure> {
        let timeout = random.choose(&[0, 0, 100, 1000]);
        run.session.simple(&format!("SET statement_timeout = {timeout}"))?;
        let mut start = Instant::now();
        let (sql, result) = if random.one_in(4) {
            let sql = format!("SELECT length(({})::text)", array(number < SHORT_CASES, random));
            let result = run.session.simple(&sql);
            (sql, result)
        } else {
            let megabytes = if number < SHORT_CASES { 1 } else { random.choose(&[1, 10, 100, 250]) };
            let (of, text) = text(megabytes, random);
            let sql = format!("SELECT length(({text})::{of}::text)");
            if random.one_in(4) {
                let statement = run.session.prepare(&format!("SELECT $1::{of}::text"))?;
                let bytes = vec![random.choose(b"[1 ,0"); megabytes * 1_000_000];
                let result = run.session.query(&statement, &[Raw::text(bytes)]);
                // Mostly the time of the connection.
                start = Instant::now();
                (format!("{megabytes} MB as a parameter"), result.map(|_| None))
            } else {
                let result = run.session.simple(&sql);
                (sql, result)
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        run.judge(result, &sql)?;
        let most = if timeout > 0 { f64::from(timeout) / 1000.0 + LATE_MAX } else { SECONDS_MAX };
        run.check(seconds <= most, "too slow", &format!("{seconds:.1} s, timeout {timeout} ms: {sql}"));
        Ok(())
    }
}

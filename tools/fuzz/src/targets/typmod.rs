//! Type modifiers: `vector(n)` with any list of anything, and the functions behind it.

use super::Target;
use crate::literal::Type;
use crate::numbers;
use crate::random::Random;
use crate::run::Run;
use crate::session::{Failure, quote};

/// See the module's head.
pub struct Typmod;

impl Target for Typmod {
    fn prepare(&mut self, _: &mut Run) -> Result<(), Failure> {
        Ok(())
    }

    fn case(&mut self, random: &mut Random, _: u64, run: &mut Run) -> Result<(), Failure> {
        let of = random.choose(&Type::ALL);
        let name = of.name();
        let count = random.choose(&[0, 1, 1, 1, 1, 2, 3]);
        let mut words: Vec<String> = Vec::new();
        for _ in 0..count {
            let word = random.pick(numbers::INTEGERS).to_owned();
            words.push(match random.below(5) {
                0 => quote(&word),
                1 => numbers::integer(random).to_string(),
                2 => format!("\"{}\"", word.replace('"', "")),
                3 => numbers::text(random),
                _ => word,
            });
        }
        let list = words.join(",");
        let array = format!(
            "{{{}}}",
            words
                .iter()
                .map(|word| format!("\"{}\"", word.replace(['"', '\\'], "")))
                .collect::<Vec<_>>()
                .join(",")
        );
        let sql = match random.below(5) {
            0 => format!("SELECT {name}_typmod_in({}::cstring[])", quote(&array)),
            1 => format!("SELECT {name}_typmod_in({}::cstring[])", quote(&numbers_array(random))),
            2 => format!("SELECT format_type('{name}'::regtype, {})", numbers::integer(random)),
            3 => format!(
                "BEGIN; CREATE TEMP TABLE x (v {name}({list})) ON COMMIT DROP; \
                SELECT atttypmod FROM pg_attribute WHERE attrelid = 'x'::regclass AND attname = 'v'; ROLLBACK"
            ),
            _ => format!("SELECT NULL::{name}({list})"),
        };
        let result = run.session.simple(&sql);
        let is_failed = result.is_err();
        let value = run.judge(result, &sql)?;
        if is_failed {
            run.session.simple("ROLLBACK")?;
        }
        let limit = if of == Type::Sparsevec { 1_000_000_000 } else { 16_000 };
        if let Some(Some(typmod)) = value.filter(|_| !sql.contains("format_type")) {
            let is_legal = typmod.parse::<i64>().is_ok_and(|typmod| (1..=limit).contains(&typmod));
            run.check(is_legal || typmod == "-1", "type modifier out of range", &sql);
        }
        Ok(())
    }
}

/// An array of another shape than the function expects.
fn numbers_array(random: &mut Random) -> String {
    random
        .pick(&["{}", "{NULL}", "{1,NULL}", "{{1},{2}}", "[5:5]={3}", "[-1:0]={3,4}", "{\"\"}", "{ 3 }"])
        .to_owned()
}

//! Binary input of one type: as a parameter, in arrays, and in binary COPY.

use postgres::Statement;

use super::Target;
use crate::literal::Type;
use crate::model;
use crate::numbers;
use crate::random::Random;
use crate::run::Run;
use crate::session::{Failure, Raw, bytes_of};

const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// See the module's head.
pub struct Binary {
    of: Type,
    statements: Option<[Statement; 4]>,
}

impl Binary {
    /// The target of a type.
    pub fn new(of: Type) -> Self {
        Binary { of, statements: None }
    }

    /// A message that is right but for its numbers.
    fn message(&self, random: &mut Random) -> Vec<u8> {
        let count =
            if random.one_in(100) { random.choose(&[15_999, 16_000, 16_001]) } else { random.below(6) };
        let odd = random.one_in(2);
        let plain = |random: &mut Random| random.below(9) as f32 - 4.5;
        if self.of != Type::Sparsevec {
            let mut message = (count as i16).to_be_bytes().to_vec();
            message.extend([0, 0]);
            for _ in 0..count {
                match (self.of, odd) {
                    (Type::Halfvec, true) => message.extend(numbers::f16_bits(random).to_be_bytes()),
                    (Type::Halfvec, false) => {
                        message.extend(half::f16::from_f32(plain(random)).to_be_bytes())
                    }
                    (_, true) => message.extend(numbers::f32_bits(random).to_be_bytes()),
                    (_, false) => message.extend(plain(random).to_be_bytes()),
                }
            }
            return message;
        }
        let gap = random.choose(&[1, 1, 2, 60_000]);
        let dim = match random.below(4) {
            0 => numbers::integer(random),
            _ => (count as i32 * gap).saturating_add(1),
        };
        let indices = (0..count as i32).map(|i| i.saturating_mul(gap));
        let mut message: Vec<u8> =
            [dim, count as i32, 0].into_iter().chain(indices).flat_map(i32::to_be_bytes).collect();
        for _ in 0..count {
            let value = if odd { f32::from_bits(numbers::f32_bits(random)) } else { plain(random) };
            message.extend(value.to_be_bytes());
        }
        message
    }

    fn mutate(&self, message: &mut Vec<u8>, random: &mut Random) {
        for _ in 0..random.between(1, 2) {
            let words = message.len() / 4;
            let at = random.below(message.len() + 1);
            match random.below(9) {
                0 => message.truncate(at),
                1 => message.extend_from_slice(&random.word().to_be_bytes()[..random.between(1, 8)]),
                2 if at < message.len() => message[at] = random.choose(&[0, 1, 0x7f, 0x80, 0xff]),
                3 if at < message.len() => message[at] ^= 1 << random.below(8),
                4..=6 if words > 0 => {
                    // The header's words, mostly.
                    let within = if random.one_in(3) { words } else { words.min(3) };
                    let word = 4 * random.below(within);
                    message[word..word + 4].copy_from_slice(&numbers::integer(random).to_be_bytes());
                }
                7 if words > 3 => {
                    let (a, b) = (4 * random.below(words), 4 * random.below(words));
                    (0..4).for_each(|i| message.swap(a + i, b + i));
                }
                _ if message.len() >= 2 => {
                    let dim = random.choose(&[0, 1, -1, 16_000, 16_001, i16::MAX, i16::MIN]);
                    message[..2].copy_from_slice(&dim.to_be_bytes());
                }
                _ => {}
            }
        }
    }

    /// COPY of one row into the column with or without a type modifier.
    fn copy(&self, message: &[u8], random: &mut Random, run: &mut Run) -> Result<(), Failure> {
        let name = self.of.name();
        let input = Raw::binary(message);
        let mut bytes = COPY_HEADER.to_vec();
        bytes.extend(1_i16.to_be_bytes());
        let length = if random.one_in(12) { numbers::integer(random) } else { message.len() as i32 };
        bytes.extend(length.to_be_bytes());
        bytes.extend(message);
        bytes.extend((-1_i16).to_be_bytes());
        let column = random.choose(&["free", "fixed"]);
        run.session.simple("BEGIN")?;
        let copied = run.session.copy(&format!("COPY t ({column}) FROM STDIN WITH (FORMAT binary)"), &bytes);
        if run.judge(copied, &input)?.is_some() && length >= 0 {
            let sql = format!("SELECT {name}_send({column}), {column}::text::{name} = {column} FROM t");
            let rows = run.session.table(&sql)?;
            let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
            let expected = vec![vec![format!("\\x{hex}"), "t".to_owned()]];
            run.check(
                rows == expected || length as usize != message.len(),
                "COPY stored something else",
                &input,
            );
        }
        run.session.simple("ROLLBACK").map(|_| ())
    }
}

impl Target for Binary {
    fn prepare(&mut self, run: &mut Run) -> Result<(), Failure> {
        let name = self.of.name();
        run.session
            .simple(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (free {name}, fixed {name}(3))"))?;
        let echo = format!("SELECT {name}_send(v), v::text FROM (SELECT $1::{name}) s(v)");
        let fixed = format!("SELECT {name}_send($1::{name}(3))");
        let array = format!("SELECT {name}_send(($1::{name}[])[1])");
        let text = format!("SELECT {name}_send($1::text::{name})");
        let session = &mut run.session;
        self.statements = Some([
            session.prepare(&echo)?,
            session.prepare(&fixed)?,
            session.prepare(&array)?,
            session.prepare(&text)?,
        ]);
        Ok(())
    }

    fn case(&mut self, random: &mut Random, _: u64, run: &mut Run) -> Result<(), Failure> {
        let mut message = self.message(random);
        if random.one_in(2) {
            self.mutate(&mut message, random);
        }
        if random.one_in(8) {
            return self.copy(&message, random, run);
        }
        let Some([echo, fixed, array, text]) = self.statements.clone() else { return Ok(()) };
        let (statement, parameter) = match random.below(6) {
            0 => (&fixed, Raw::binary(message.clone())),
            1 => {
                // One dimension, no nulls, the type's number, one element from 1.
                let oid = run.session.simple(&format!("SELECT '{}'::regtype::oid", self.of.name()))?;
                let oid: i32 = oid.and_then(|oid| oid.parse().ok()).unwrap_or(0);
                let header = [1, 0, oid, 1, 1, message.len() as i32];
                let header: Vec<u8> = header.into_iter().flat_map(i32::to_be_bytes).collect();
                (&array, Raw::binary([header, message.clone()].concat()))
            }
            _ => (&echo, Raw::binary(message.clone())),
        };
        let should = model::is_value(self.of, &message);
        let result = run.session.query(statement, std::slice::from_ref(&parameter));
        let Some(rows) = run.judge(result, &parameter)? else {
            let is_free = !std::ptr::eq(statement, &fixed);
            run.check(!should || !is_free, "refused, but is a value", &parameter);
            return Ok(());
        };
        run.check(should, "accepted, but is no value", &parameter);
        let row = rows.first();
        let sent = row.and_then(|row| bytes_of(row, 0)).unwrap_or_default();
        run.check(sent == message, "differs after a round trip", &parameter);
        if std::ptr::eq(statement, &echo) {
            let printed = row.and_then(|row| bytes_of(row, 1)).unwrap_or_default();
            let rows = run.session.query(&text, &[Raw::text(printed)])?;
            let again = rows.first().and_then(|row| bytes_of(row, 0)).unwrap_or_default();
            run.check(again == message, "differs after a round trip through text", &parameter);
        }
        Ok(())
    }
}

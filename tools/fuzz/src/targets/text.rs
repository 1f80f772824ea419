//! Text input of one type: as a parameter, through the input function with a type modifier, and in arrays.

use postgres::Statement;

use super::Target;
use crate::literal::{self, Type};
use crate::model::{self, Expected, Reader};
use crate::random::Random;
use crate::run::Run;
use crate::session::{Failure, Raw, bytes_of, quote};

/// See the module's head.
pub struct Text {
    of: Type,
    corpus: Vec<Vec<u8>>,
    reader: Reader,
    statements: Option<[Statement; 3]>,
}

impl Text {
    /// The target of a type.
    pub fn new(of: Type) -> Self {
        Text { of, corpus: literal::corpus(of), reader: Reader::default(), statements: None }
    }

    fn input(&self, random: &mut Random, number: u64) -> Vec<u8> {
        if let Some(text) = usize::try_from(number).ok().and_then(|number| self.corpus.get(number)) {
            return text.clone();
        }
        let mut text = match random.below(4) {
            0 => self.corpus[random.below(self.corpus.len())].clone(),
            _ => literal::generate(self.of, random),
        };
        if random.one_in(2) {
            literal::mutate(&mut text, random);
        }
        text
    }

    /// The same text where a type modifier is in force, and as an element of an array.
    fn other_ways(&self, text: &str, random: &mut Random, run: &mut Run) -> Result<(), Failure> {
        let name = self.of.name();
        let typmod = random.choose(&[1, 2, 3, 5, 16_000]);
        let element = text.replace('\\', "\\\\").replace('"', "\\\"");
        let ways = [
            format!("SELECT {name}_in({}::cstring, 0, {typmod})::text", quote(text)),
            format!("SELECT {}::{name}({typmod})::text", quote(text)),
            format!("SELECT ({}::{name}({typmod})[])[1]::text", quote(&format!("{{\"{element}\"}}"))),
            format!("SELECT ({}::{name})::text", quote(text)),
        ];
        let sql = &ways[random.below(ways.len())];
        let result = run.session.simple(sql);
        if let Some(Some(text)) = run.judge(result, sql)? {
            let sql = format!("SELECT {0}::{name}::text = {0}", quote(&text));
            let same = run.session.simple(&sql)?;
            run.check(same.as_deref() == Some("t"), "text of a value differs when read again", &text);
        }
        Ok(())
    }
}

impl Target for Text {
    fn prepare(&mut self, run: &mut Run) -> Result<(), Failure> {
        self.reader.reset();
        let name = self.of.name();
        let read = format!(
            "SELECT v::text, {name}_send(v), v = v::text::{name}, v <= v FROM (SELECT $1::{name}) s(v)"
        );
        let echo = format!("SELECT {name}_send($1::{name}), $1::text");
        let text = format!("SELECT {name}_send($1::text::{name})");
        let session = &mut run.session;
        self.statements = Some([session.prepare(&read)?, session.prepare(&echo)?, session.prepare(&text)?]);
        Ok(())
    }

    fn case(&mut self, random: &mut Random, number: u64, run: &mut Run) -> Result<(), Failure> {
        let text = self.input(random, number);
        let Some([read, echo, again]) = self.statements.clone() else { return Ok(()) };
        let parameter = Raw::text(text.clone());
        if random.one_in(4)
            && let Ok(text) = std::str::from_utf8(&text)
            && !text.contains('\0')
        {
            self.other_ways(text, random, run)?;
        }
        let expected = self.reader.expect(self.of, &text, &mut run.session)?;
        let result = run.session.query(&read, std::slice::from_ref(&parameter));
        let Some(rows) = run.judge(result, &parameter)? else {
            let is_expected = !matches!(expected, Expected::Value(_));
            run.check(is_expected, "refused, but every part is a number", &parameter);
            return Ok(());
        };
        run.check(expected != Expected::Refused, "accepted, but should not be", &parameter);
        let column = |at| rows.first().and_then(|row| bytes_of(row, at)).unwrap_or_default();
        let (printed, message) = (column(0), column(1));
        if let Expected::Value(expected) = expected {
            run.check(expected == message, "not the value that its parts have", &parameter);
        }
        run.check(model::is_value(self.of, &message), "not a legal value", &parameter);
        run.check(column(2) == [1] && column(3) == [1], "not equal to itself as text", &parameter);
        let from_binary = run.session.query(&echo, &[Raw::binary(message.clone())]);
        let Ok(rows) = from_binary else {
            run.finding("binary form refused", &parameter);
            return from_binary.map(|_| ());
        };
        let column = |at| rows.first().and_then(|row| bytes_of(row, at)).unwrap_or_default();
        run.check(column(0) == message, "binary form differs after a round trip", &parameter);
        run.check(column(1) == printed, "text differs after a round trip through binary", &parameter);
        let rows = run.session.query(&again, &[Raw::text(printed)])?;
        let reread = rows.first().and_then(|row| bytes_of(row, 0)).unwrap_or_default();
        run.check(reread == message, "binary form differs after a round trip through text", &parameter);
        Ok(())
    }
}

//! From JSON to a condition.

use crate::json::{self, Kind, Value};
use crate::sql;
use crate::{FilterError, PATH_BYTES_MAX, Problem};

/// A condition of SQL, which can be joined with AND as it is.
type Condition = Vec<u8>;
type Compiled = Result<Condition, FilterError>;

/// Where in the metadata a condition looks.
#[derive(Clone)]
struct Field<'c> {
    /// The column.
    column: &'c [u8],
    /// Keys from the outside in.
    path: Vec<Vec<u8>>,
    /// The key as the filter has it.
    name: &'c [u8],
}

fn error(key: &[u8], problem: Problem) -> FilterError {
    FilterError { key: key.to_vec(), problem }
}

/// A whole filter.
pub fn filter(value: &Value<'_>, column: &[u8]) -> Compiled {
    filter_of(value, b"", column)
}

/// The filter below an operator `key`.
fn filter_of(value: &Value<'_>, key: &[u8], column: &[u8]) -> Compiled {
    let Kind::Object(entries) = &value.kind else { return Err(error(key, Problem::NeedsObject)) };
    if entries.is_empty() {
        return Ok(b"true".to_vec());
    }
    let entries: Result<Vec<_>, _> = entries.iter().map(|(key, value)| entry(key, value, column)).collect();
    Ok(sql::join(entries?, "AND"))
}

fn entry(key: &[u8], value: &Value<'_>, column: &[u8]) -> Compiled {
    match key {
        b"$and" => filters(key, value, column, "AND"),
        b"$or" => filters(key, value, column, "OR"),
        b"$not" => Ok(sql::not(filter_of(value, key, column)?)),
        [b'$', ..] => Err(error(key, Problem::UnknownOperator)),
        name => Field { column, path: Vec::new(), name }.below(key)?.condition(value),
    }
}

fn filters(key: &[u8], value: &Value<'_>, column: &[u8], word: &str) -> Compiled {
    match &value.kind {
        Kind::Array(filters) if !filters.is_empty() => {
            let filters: Result<Vec<_>, _> =
                filters.iter().map(|filter| filter_of(filter, key, column)).collect();
            Ok(sql::join(filters?, word))
        }
        _ => Err(error(key, Problem::NeedsFilters)),
    }
}

impl<'c> Field<'c> {
    /// The field at `key`, which may be a path, of the object at this one.
    fn below(&self, key: &'c [u8]) -> Result<Field<'c>, FilterError> {
        let mut path = self.path.clone();
        let mut part = Vec::new();
        let mut bytes = key.iter();
        while let Some(&byte) = bytes.next() {
            match byte {
                b'.' => path.push(std::mem::take(&mut part)),
                b'\\' => match bytes.next() {
                    Some(&escaped @ (b'.' | b'$' | b'\\')) => part.push(escaped),
                    _ => return Err(error(key, Problem::Escape)),
                },
                _ => part.push(byte),
            }
        }
        path.push(part);
        if path.iter().map(Vec::len).sum::<usize>() + path.len() > PATH_BYTES_MAX {
            return Err(error(key, Problem::PathTooLong));
        }
        Ok(Field { column: self.column, path, name: key })
    }

    /// What is said of the field: a value that it equals, operators, or conditions on keys of the object there.
    fn condition(&self, value: &Value<'_>) -> Compiled {
        let Kind::Object(entries) = &value.kind else {
            return match value.kind {
                Kind::Array(_) => Err(error(self.name, Problem::BareArray)),
                _ => Ok(self.contains(value.raw)),
            };
        };
        let operators = entries.iter().filter(|(key, _)| key.starts_with(b"$")).count();
        if entries.is_empty() {
            return Err(error(self.name, Problem::NoCondition));
        } else if operators != 0 && operators != entries.len() {
            return Err(error(self.name, Problem::Mixed));
        }
        let conditions: Result<Vec<_>, _> = entries
            .iter()
            .map(|(key, value)| match operators {
                0 => Field { name: key, ..self.clone() }.below(key)?.condition(value),
                _ => self.operator(key, value),
            })
            .collect();
        Ok(sql::join(conditions?, "AND"))
    }

    fn operator(&self, operator: &[u8], value: &Value<'_>) -> Compiled {
        let wrong = |problem| {
            let key = [self.name, b": ", operator].concat();
            Err(FilterError { key, problem })
        };
        let negated = |result: Compiled| result.map(sql::not);
        let compared = |operator| match value.kind {
            Kind::Number => Ok(self.compared(operator, "number", value)),
            Kind::String => Ok(self.compared(operator, "string", value)),
            _ => wrong(Problem::NeedsOrdered),
        };
        let one_of = || match &value.kind {
            Kind::Array(values) if values.iter().all(Value::is_scalar) => Ok(self.one_of(values)),
            _ => wrong(Problem::NeedsValues),
        };
        match operator {
            b"$eq" => Ok(self.equals(value)),
            b"$ne" => Ok(sql::not(self.equals(value))),
            b"$gt" => compared(">"),
            b"$gte" => compared(">="),
            b"$lt" => compared("<"),
            b"$lte" => compared("<="),
            b"$in" => one_of(),
            b"$nin" => negated(one_of()),
            b"$exists" => match value.kind {
                Kind::Bool(exists) => Ok(self.exists(exists)),
                _ => wrong(Problem::NeedsBoolean),
            },
            b"$contains" => match &value.kind {
                Kind::Array(values) if values.iter().all(Value::is_scalar) => Ok(self.contains(value.raw)),
                Kind::Array(_) | Kind::Object(_) => wrong(Problem::NeedsScalar),
                _ => Ok(self.contains(&[b"[", value.raw, b"]"].concat())),
            },
            b"$not" => negated(self.condition(value)),
            _ => wrong(Problem::UnknownOperator),
        }
    }

    /// The object that has `json` at the path and nothing else.
    fn object(&self, json: &[u8]) -> Vec<u8> {
        let mut object = Vec::new();
        for key in &self.path {
            object.push(b'{');
            json::write_string(key, &mut object);
            object.push(b':');
        }
        object.extend_from_slice(json);
        object.extend(std::iter::repeat_n(b'}', self.path.len()));
        object
    }

    /// The metadata contains `json` at the path: equal if it is a scalar, among others if an array or object.
    fn contains(&self, json: &[u8]) -> Condition {
        let mut condition = self.column.to_vec();
        sql::write_operator("@>", &mut condition);
        sql::write_jsonb(&self.object(json), &mut condition);
        condition
    }

    fn equals(&self, value: &Value<'_>) -> Condition {
        let contains = self.contains(value.raw);
        if value.is_scalar() {
            return contains;
        }
        let mut exactly = self.value();
        sql::write_operator("=", &mut exactly);
        sql::write_jsonb(value.raw, &mut exactly);
        sql::join(vec![contains, exactly], "AND")
    }

    fn one_of(&self, values: &[Value<'_>]) -> Condition {
        if values.is_empty() {
            return b"false".to_vec();
        }
        let mut condition = self.column.to_vec();
        sql::write_operator("@>", &mut condition);
        condition.extend_from_slice(b"ANY (ARRAY[");
        for (at, value) in values.iter().enumerate() {
            condition.extend_from_slice(if at > 0 { b", " } else { b"" });
            sql::write_jsonb(&self.object(value.raw), &mut condition);
        }
        condition.extend_from_slice(b"])");
        condition
    }

    /// The value at the path, in parentheses; NULL if there is none.
    fn value(&self) -> Vec<u8> {
        let mut value = b"(".to_vec();
        value.extend_from_slice(self.column);
        for key in &self.path {
            sql::write_operator("->", &mut value);
            sql::write_constant(key, &mut value);
            value.extend_from_slice(b"::pg_catalog.text");
        }
        value.push(b')');
        value
    }

    fn exists(&self, exists: bool) -> Condition {
        let mut condition = b"(".to_vec();
        condition.extend_from_slice(&self.value());
        condition.extend_from_slice(if exists { b" IS NOT NULL)" } else { b" IS NULL)" });
        condition
    }

    /// PostgreSQL orders values of different types, too; a filter doesn't. The types that are not meant are said to be
    /// others: the planner would take a test for one type for a condition that leaves few rows.
    fn compared(&self, operator: &str, kind: &str, value: &Value<'_>) -> Condition {
        let mut comparison = self.value();
        sql::write_operator(operator, &mut comparison);
        sql::write_jsonb(value.raw, &mut comparison);
        let others: Vec<&str> = KINDS.into_iter().filter(|other| *other != kind).collect();
        let mut is_kind = b"pg_catalog.jsonb_typeof".to_vec();
        is_kind.extend_from_slice(&self.value());
        sql::write_operator("<>", &mut is_kind);
        is_kind.extend_from_slice(format!("ALL ('{{{}}}'::pg_catalog.text[])", others.join(",")).as_bytes());
        sql::join(vec![comparison, is_kind], "AND")
    }
}

/// What jsonb_typeof returns, as elements of an array: without quotes, null would be NULL.
const KINDS: [&str; 6] = ["\"null\"", "boolean", "number", "string", "array", "object"];

//! Filters of collections, and what they mean: computed from the documentation, on values that never were text.

use std::cmp::Ordering;

use crate::random::Random;

/// A value of JSON. Numbers are as they are written.
#[derive(Clone, Debug)]
pub enum Json {
    /// null
    Null,
    /// true, false
    Bool(bool),
    /// Few enough that f64 tells them apart.
    Number(&'static str),
    /// Any text.
    Text(&'static str),
    /// [...]
    Array(Vec<Json>),
    /// {...}, no key twice.
    Object(Vec<(String, Json)>),
}

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "1.0",
    "10e-1",
    "2",
    "-1",
    "0.5",
    "1e20",
    "100000000000000000000",
    "1e-300",
    "9007199254740993",
];
const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "ab",
    "A",
    "'",
    "''",
    "\\",
    "\\'",
    "\"",
    "a.b",
    "$gt",
    "';DROP TABLE documents;--",
    "\u{e9}",
    "\n",
    "\u{1}",
    "%s",
    "null",
    "1",
    "E'",
    "$1",
    "$x$",
    "{}",
    "[",
    "\u{1F600}",
    "\t\u{7f}",
];
const KEYS: &[&str] =
    &["a", "b", "c", "a.b", "$gt", "", "'", "\\", "\"", "\u{e9}", "x y", "\n", "0", "$", "\\.", "--"];

impl Json {
    /// A value that is neither array nor object.
    pub fn scalar(random: &mut Random) -> Self {
        match random.below(8) {
            0 => Json::Null,
            1 => Json::Bool(random.one_in(2)),
            2..=4 => Json::Number(random.choose(NUMBERS)),
            _ => Json::Text(random.choose(TEXTS)),
        }
    }

    /// Any value.
    pub fn any(random: &mut Random, depth: usize) -> Self {
        match random.below(if depth == 0 { 4 } else { 7 }) {
            0..=3 => Json::scalar(random),
            4 | 5 => Json::Array((0..random.below(4)).map(|_| Json::any(random, depth - 1)).collect()),
            _ => Json::object(random, depth - 1),
        }
    }

    /// An object, mostly with the first keys.
    pub fn object(random: &mut Random, depth: usize) -> Self {
        let mut entries: Vec<(String, Json)> = Vec::new();
        for _ in 0..random.below(5) {
            let name = key(random);
            if entries.iter().all(|(other, _)| *other != name) {
                entries.push((name, Json::any(random, depth)));
            }
        }
        Json::Object(entries)
    }

    /// As text.
    pub fn text(&self) -> String {
        match self {
            Json::Null => "null".to_owned(),
            Json::Bool(value) => value.to_string(),
            Json::Number(number) => (*number).to_owned(),
            Json::Text(text) => string(text),
            Json::Array(values) => {
                format!("[{}]", values.iter().map(Json::text).collect::<Vec<_>>().join(", "))
            }
            Json::Object(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("{}: {}", string(key), value.text()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn at<'j>(&'j self, path: &[String]) -> Option<&'j Json> {
        let Some((key, rest)) = path.split_first() else { return Some(self) };
        let Json::Object(entries) = self else { return None };
        entries.iter().find(|(other, _)| other == key)?.1.at(rest)
    }

    fn equals(&self, other: &Json) -> bool {
        match (self, other) {
            (Json::Array(left), Json::Array(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.equals(right))
            }
            (Json::Object(left), Json::Object(right)) => {
                left.len() == right.len()
                    && left.iter().all(|(key, value)| {
                        right.iter().any(|(other, theirs)| other == key && value.equals(theirs))
                    })
            }
            (Json::Null, Json::Null) => true,
            (Json::Bool(left), Json::Bool(right)) => left == right,
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }

    /// The order of two numbers or of two texts.
    fn compare(&self, other: &Json) -> Option<Ordering> {
        match (self, other) {
            (Json::Number(left), Json::Number(right)) => {
                left.parse::<f64>().ok()?.partial_cmp(&right.parse::<f64>().ok()?)
            }
            (Json::Text(left), Json::Text(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
            _ => None,
        }
    }
}

fn key(random: &mut Random) -> String {
    let among = if random.one_in(4) { KEYS.len() } else { 3 };
    KEYS[random.below(among)].to_owned()
}

/// A string of JSON.
fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{0}'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            _ => out.push(c),
        }
    }
    out + "\""
}

/// What is said of a field.
#[derive(Clone, Debug)]
pub enum Condition {
    /// A bare value.
    Is(Json),
    /// `$eq`, `$ne`
    Equals(Json, bool),
    /// `$gt`, `$gte`, `$lt`, `$lte`
    Compares(&'static str, Json),
    /// `$in`, `$nin`
    OneOf(Vec<Json>, bool),
    /// `$exists`
    Exists(bool),
    /// `$contains`
    Contains(Json),
    /// `$not`
    Not(Box<Condition>),
}

impl Condition {
    fn any(random: &mut Random, depth: usize) -> Self {
        match random.below(if depth == 0 { 9 } else { 10 }) {
            0 | 1 => Condition::Is(Json::scalar(random)),
            2 => Condition::Equals(Json::any(random, 2), random.one_in(2)),
            3 | 4 => {
                let limit = if random.one_in(2) {
                    Json::Number(random.choose(NUMBERS))
                } else {
                    Json::Text(random.choose(TEXTS))
                };
                Condition::Compares(random.choose(&["$gt", "$gte", "$lt", "$lte"]), limit)
            }
            5 | 6 => {
                let values = (0..random.below(4)).map(|_| Json::scalar(random)).collect();
                Condition::OneOf(values, random.one_in(2))
            }
            7 => Condition::Exists(random.one_in(2)),
            8 if random.one_in(2) => Condition::Contains(Json::scalar(random)),
            8 => {
                Condition::Contains(Json::Array((0..random.below(3)).map(|_| Json::scalar(random)).collect()))
            }
            _ => Condition::Not(Box::new(Condition::any(random, depth - 1))),
        }
    }

    fn text(&self) -> String {
        let list = |values: &[Json]| Json::Array(values.to_vec()).text();
        let (operator, operand) = match self {
            Condition::Is(value) => return value.text(),
            Condition::Equals(value, is_meant) => (if *is_meant { "$eq" } else { "$ne" }, value.text()),
            Condition::Compares(operator, limit) => (*operator, limit.text()),
            Condition::OneOf(values, is_meant) => (if *is_meant { "$in" } else { "$nin" }, list(values)),
            Condition::Exists(is_meant) => ("$exists", is_meant.to_string()),
            Condition::Contains(value) => ("$contains", value.text()),
            Condition::Not(condition) => ("$not", condition.text()),
        };
        format!("{{\"{operator}\": {operand}}}")
    }

    fn holds(&self, value: Option<&Json>) -> bool {
        let equals = |wanted: &Json| value.is_some_and(|value| value.equals(wanted));
        match self {
            Condition::Is(wanted) => equals(wanted),
            Condition::Equals(wanted, is_meant) => equals(wanted) == *is_meant,
            Condition::Compares(operator, limit) => {
                value.and_then(|value| value.compare(limit)).is_some_and(|order| match *operator {
                    "$gt" => order.is_gt(),
                    "$gte" => order.is_ge(),
                    "$lt" => order.is_lt(),
                    _ => order.is_le(),
                })
            }
            Condition::OneOf(values, is_meant) => values.iter().any(equals) == *is_meant,
            Condition::Exists(is_meant) => value.is_some() == *is_meant,
            Condition::Contains(wanted) => {
                let Some(Json::Array(elements)) = value else { return false };
                let has = |wanted: &Json| elements.iter().any(|element| element.equals(wanted));
                match wanted {
                    Json::Array(wanted) => wanted.iter().all(has),
                    wanted => has(wanted),
                }
            }
            Condition::Not(condition) => !condition.holds(value),
        }
    }
}

/// A filter.
#[derive(Clone, Debug)]
pub enum Filter {
    /// `{}`
    Everything,
    /// `{"a.b": ...}`; nested: `{"a": {"b": ...}}`
    Field(Vec<String>, bool, Condition),
    /// `$and`, `$or`
    Several(&'static str, Vec<Filter>),
    /// `$not`
    Not(Box<Filter>),
}

impl Filter {
    /// A filter that is right.
    pub fn any(random: &mut Random, depth: usize) -> Self {
        match random.below(if depth == 0 { 12 } else { 20 }) {
            0 if random.one_in(4) => Filter::Everything,
            0..=11 => {
                let path = (0..random.choose(&[1, 1, 1, 2, 3])).map(|_| key(random)).collect();
                Filter::Field(path, random.one_in(3), Condition::any(random, 2))
            }
            12..=14 | 16..=18 => {
                let word = random.choose(&["$and", "$or"]);
                Filter::Several(
                    word,
                    (0..random.between(1, 3)).map(|_| Filter::any(random, depth - 1)).collect(),
                )
            }
            _ => Filter::Not(Box::new(Filter::any(random, depth - 1))),
        }
    }

    /// As JSON.
    pub fn text(&self) -> String {
        match self {
            Filter::Everything => "{}".to_owned(),
            Filter::Field(path, is_nested, condition) => {
                let escaped: Vec<String> = path.iter().map(|key| escape(key)).collect();
                if !is_nested {
                    return format!("{{{}: {}}}", string(&escaped.join(".")), condition.text());
                }
                escaped
                    .iter()
                    .rev()
                    .fold(condition.text(), |inside, key| format!("{{{}: {inside}}}", string(key)))
            }
            Filter::Several(word, filters) => {
                let filters: Vec<String> = filters.iter().map(Filter::text).collect();
                format!("{{\"{word}\": [{}]}}", filters.join(", "))
            }
            Filter::Not(filter) => format!("{{\"$not\": {}}}", filter.text()),
        }
    }

    /// Whether it is true of a document.
    pub fn holds(&self, document: &Json) -> bool {
        match self {
            Filter::Everything => true,
            Filter::Field(path, _, condition) => condition.holds(document.at(path)),
            Filter::Several("$and", filters) => filters.iter().all(|filter| filter.holds(document)),
            Filter::Several(_, filters) => filters.iter().any(|filter| filter.holds(document)),
            Filter::Not(filter) => !filter.holds(document),
        }
    }
}

/// A key as a part of a path.
fn escape(key: &str) -> String {
    key.chars().flat_map(|c| matches!(c, '.' | '$' | '\\').then_some('\\').into_iter().chain([c])).collect()
}

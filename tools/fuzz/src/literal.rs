//! Texts of vectors: some right, most nearly.

use crate::numbers;
use crate::random::Random;

/// The types with a text form of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `vector`
    Vector,
    /// `halfvec`
    Halfvec,
    /// `sparsevec`
    Sparsevec,
}

impl Type {
    /// All of them.
    pub const ALL: [Type; 3] = [Type::Vector, Type::Halfvec, Type::Sparsevec];

    /// The name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Type::Vector => "vector",
            Type::Halfvec => "halfvec",
            Type::Sparsevec => "sparsevec",
        }
    }

    fn corpus(self) -> &'static str {
        match self {
            Type::Vector => include_str!("../corpus/vector.txt"),
            Type::Halfvec => include_str!("../corpus/halfvec.txt"),
            Type::Sparsevec => include_str!("../corpus/sparsevec.txt"),
        }
    }
}

/// Texts that are kept: one a line, with Rust's escapes; `#` begins a comment.
pub fn corpus(of: Type) -> Vec<Vec<u8>> {
    let lines = of.corpus().lines().filter(|line| !line.starts_with('#'));
    lines.map(unescaped).collect()
}

/// A line with `\t \n \r \\ \xNN \u{N}` and `*N{text}`, which is the text N times.
fn unescaped(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find(['\\', '*']) {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let (mark, tail) = rest[at..].split_at(1);
        let inside = tail.split_once('{').and_then(|(before, text)| Some((before, text.split_once('}')?)));
        rest = match (mark, tail.chars().next(), inside) {
            ("*", _, Some((count, (text, rest)))) if count.parse::<usize>().is_ok() => {
                bytes.extend(unescaped(text).repeat(count.parse().unwrap_or(1)));
                rest
            }
            ("\\", Some('u'), Some((_, (code, rest)))) => {
                let code = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
                bytes.extend(code.unwrap_or('?').to_string().into_bytes());
                rest
            }
            ("\\", Some('x'), _) => {
                bytes.push(tail.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(b'?'));
                tail.get(3..).unwrap_or("")
            }
            ("\\", Some(letter), _) => {
                let known = [('t', '\t'), ('n', '\n'), ('r', '\r')];
                let meant =
                    known.iter().find(|(name, _)| *name == letter).map_or(letter, |(_, meant)| *meant);
                bytes.extend(meant.to_string().into_bytes());
                &tail[letter.len_utf8()..]
            }
            _ => {
                bytes.extend(mark.bytes());
                tail
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// White space that the types skip, what looks like some, and nothing.
fn space(random: &mut Random) -> &'static str {
    const USUAL: [&str; 4] = ["", "", "", " "];
    const ODD: [&str; 12] =
        [" ", "\t", "\n", "\r", "\x0b", "\x0c", "  \t ", "\r\n", "\u{a0}", "\u{2003}", "\u{feff}", "\x1f"];
    if random.one_in(12) { random.choose(&ODD) } else { random.choose(&USUAL) }
}

/// How many elements a text has: few, or about as many as there may be.
fn count(random: &mut Random) -> usize {
    match random.below(200) {
        0 => random.choose(&[15_999, 16_000, 16_001, 16_002, 40_000]),
        1..=4 => random.between(10, 2000),
        _ => random.between(0, 6),
    }
}

/// A text of a type.
pub fn generate(of: Type, random: &mut Random) -> Vec<u8> {
    let number: fn(&mut Random) -> String =
        if random.one_in(3) { numbers::text } else { numbers::plain_text };
    let count = count(random);
    // One part many times where there are many, so that the model has few to ask for.
    let pool: Vec<String> = (0..count.clamp(1, 8)).map(|_| number(random)).collect();
    let mut text = String::new();
    let (open, close) = if of == Type::Sparsevec { ('{', '}') } else { ('[', ']') };
    text.push_str(space(random));
    text.push(open);
    text.push_str(space(random));
    for i in 0..count {
        if i > 0 {
            text.push(',');
            text.push_str(space(random));
        }
        if of == Type::Sparsevec {
            let odd = random.one_in(12);
            text.push_str(&if odd { random.pick(numbers::INTEGERS).to_owned() } else { (i + 1).to_string() });
            text.push_str(space(random));
            text.push(':');
            text.push_str(space(random));
        }
        text.push_str(&pool[if count > 8 { random.below(pool.len()) } else { i }]);
        text.push_str(space(random));
    }
    text.push(close);
    text.push_str(space(random));
    if of == Type::Sparsevec {
        text.push('/');
        text.push_str(space(random));
        let odd = random.one_in(6);
        text.push_str(&if odd { random.pick(numbers::INTEGERS).to_owned() } else { (count + 1).to_string() });
        text.push_str(space(random));
    }
    text.into_bytes()
}

/// A text that every type of its dimensions takes.
pub fn valid(of: Type, dim: usize, random: &mut Random) -> String {
    let numbers = (0..dim).map(|_| numbers::plain_text(random));
    if of != Type::Sparsevec {
        return format!("[{}]", numbers.collect::<Vec<_>>().join(","));
    }
    let elements = numbers.enumerate().filter(|(_, number)| number != "0");
    let elements: Vec<String> = elements.map(|(i, number)| format!("{}:{number}", i + 1)).collect();
    format!("{{{}}}/{dim}", elements.join(","))
}

/// Changes a few bytes or parts.
pub fn mutate(text: &mut Vec<u8>, random: &mut Random) {
    const TOKENS: &[&str] = &[
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        ",",
        ",,",
        ":",
        "/",
        " ",
        "-",
        "+",
        ".",
        "e",
        "x",
        "0x",
        "p",
        "1",
        "0",
        "9",
        "]9",
        "/5",
        "1:1,",
        "\u{e9}",
        "\u{1f600}",
        "\x7f",
        "\x01",
        "\"",
        "'",
        "\\",
        "%s",
        "$1",
        "\0",
        "\t",
        "\x0b",
    ];
    for _ in 0..random.between(1, 3) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(4)).min(text.len());
        match random.below(8) {
            0 => drop(text.splice(at..end, [])),
            1 => drop(text.splice(at..at, numbers::text(random).into_bytes())),
            2 => drop(text.splice(at..end, random.pick(numbers::INTEGERS).bytes())),
            3 => text.truncate(at),
            4 if at < text.len() => text[at] = random.word() as u8,
            5 => {
                let part = text[at..end].to_vec();
                let to = random.below(text.len() + 1);
                drop(text.splice(to..to, part.repeat(random.between(1, 3))));
            }
            _ => drop(text.splice(at..end, random.pick(TOKENS).bytes())),
        }
    }
}

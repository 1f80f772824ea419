//! The words of SQL: everything is quoted or qualified here.

/// `metadata`, or `"alias".metadata`.
pub fn column(alias: &[u8]) -> Vec<u8> {
    let mut column = Vec::new();
    if !alias.is_empty() {
        column.push(b'"');
        for &byte in alias {
            column.extend(std::iter::repeat_n(byte, if byte == b'"' { 2 } else { 1 }));
        }
        column.extend_from_slice(b"\".");
    }
    column.extend_from_slice(b"metadata");
    column
}

/// Writes a string constant. Backslashes take the form E'...', which means the same under any setting.
pub fn write_constant(text: &[u8], out: &mut Vec<u8>) {
    if text.contains(&b'\\') {
        out.push(b'E');
    }
    out.push(b'\'');
    for &byte in text {
        out.extend(std::iter::repeat_n(byte, if matches!(byte, b'\'' | b'\\') { 2 } else { 1 }));
    }
    out.push(b'\'');
}

/// Writes a constant of type jsonb.
pub fn write_jsonb(json: &[u8], out: &mut Vec<u8>) {
    write_constant(json, out);
    out.extend_from_slice(b"::pg_catalog.jsonb");
}

/// Writes ` OPERATOR(pg_catalog.name) `.
pub fn write_operator(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(" OPERATOR(pg_catalog.{name}) ").as_bytes());
}

/// All of the conditions, which are not empty together if none is.
pub fn join(mut conditions: Vec<Vec<u8>>, word: &str) -> Vec<u8> {
    if conditions.len() == 1 {
        return conditions.swap_remove(0);
    }
    let separator = format!(" {word} ");
    let mut joined = b"(".to_vec();
    joined.extend_from_slice(&conditions.join(separator.as_bytes()));
    joined.push(b')');
    joined
}

/// True where the condition is false or unknown.
pub fn not(condition: Vec<u8>) -> Vec<u8> {
    let mut negated = b"((".to_vec();
    negated.extend_from_slice(&condition);
    negated.extend_from_slice(b") IS NOT TRUE)");
    negated
}

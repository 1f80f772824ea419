use crate::{BYTES_MAX, DEPTH_MAX, NODES_MAX, PATH_BYTES_MAX, Problem, compile};

/// The condition without what makes it long.
fn short(filter: &str) -> String {
    let compiled = compile(filter.as_bytes(), b"").unwrap_or_else(|error| panic!("{filter}: {error:?}"));
    let text = String::from_utf8(compiled).expect("UTF-8 stays UTF-8");
    text.replace("OPERATOR(pg_catalog.", "(")
        .replace("pg_catalog.", "")
        .replace("::jsonb", "")
        .replace("::text[]", "[]")
        .replace("::text", "")
        .replace("metadata", "m")
        .replace("(@>)", "@>")
        .replace("(->)", "->")
        .replace("(=)", "=")
}

fn problem(filter: &str) -> (String, Problem) {
    let error = compile(filter.as_bytes(), b"").expect_err(filter);
    (String::from_utf8(error.key).expect("UTF-8 stays UTF-8"), error.problem)
}

#[test]
fn conditions() {
    for (filter, condition) in [
        ("{}", "true"),
        (r#"{"a": 1}"#, r#"m @> '{"a":1}'"#),
        (r#"{"a": {"$eq": null}}"#, r#"m @> '{"a":null}'"#),
        (r#"{"a.b": "x", "c": true}"#, r#"(m @> '{"a":{"b":"x"}}' AND m @> '{"c":true}')"#),
        (r#"{"a": {"b": {"$ne": 1.50}}}"#, r#"((m @> '{"a":{"b":1.50}}') IS NOT TRUE)"#),
        (
            r#"{"a": {"$gt": 1}}"#,
            r#"((m -> 'a') (>) '1' AND jsonb_typeof(m -> 'a') (<>) ALL ('{"null",boolean,string,array,object}'[]))"#,
        ),
        (
            r#"{"a.b": {"$lte": "x"}}"#,
            concat!(
                r#"((m -> 'a' -> 'b') (<=) '"x"' AND "#,
                r#"jsonb_typeof(m -> 'a' -> 'b') (<>) ALL ('{"null",boolean,number,array,object}'[]))"#
            ),
        ),
        (r#"{"a": {"$in": [1, "b"]}}"#, r#"m @> ANY (ARRAY['{"a":1}', '{"a":"b"}'])"#),
        (r#"{"a": {"$in": []}}"#, "false"),
        (r#"{"a": {"$nin": []}}"#, "((false) IS NOT TRUE)"),
        (r#"{"a": {"$exists": true}}"#, "((m -> 'a') IS NOT NULL)"),
        (r#"{"a": {"$exists": false}}"#, "((m -> 'a') IS NULL)"),
        (r#"{"a": {"$contains": 1}}"#, r#"m @> '{"a":[1]}'"#),
        (r#"{"a": {"$contains": [1, 2]}}"#, r#"m @> '{"a":[1, 2]}'"#),
        (r#"{"a": {"$eq": [1]}}"#, r#"(m @> '{"a":[1]}' AND (m -> 'a') = '[1]')"#),
        (r#"{"a": {"$not": {"$exists": true}}}"#, "((((m -> 'a') IS NOT NULL)) IS NOT TRUE)"),
        (r#"{"$not": {"a": 1}}"#, r#"((m @> '{"a":1}') IS NOT TRUE)"#),
        (
            r#"{"$or": [{"a": 1}, {"b": 2, "c": 3}]}"#,
            r#"(m @> '{"a":1}' OR (m @> '{"b":2}' AND m @> '{"c":3}'))"#,
        ),
        (r#"{"$and": [{"a": 1}]}"#, r#"m @> '{"a":1}'"#),
        (r#"{"": 1}"#, r#"m @> '{"":1}'"#),
        // A dot and a dollar that are part of a key, and a backslash, which JSON and E'' both double.
        (r#"{"a\\.b\\$": 1}"#, r#"m @> '{"a.b$":1}'"#),
        (r#"{"\\$a": {"$exists": true}}"#, r"((m -> '$a') IS NOT NULL)"),
        (r#"{"a\\\\b": 1}"#, r#"m @> E'{"a\\\\b":1}'"#),
        (r#"{"it's": "it's"}"#, r#"m @> '{"it''s":"it''s"}'"#),
        (r#"{"a": "\\' OR true --"}"#, r#"m @> E'{"a":"\\\\'' OR true --"}'"#),
        (r#"{"a\u0001\n": 1}"#, r#"m @> E'{"a\\u0001\\u000a":1}'"#),
        (r#"{"a": -1.5e-10}"#, r#"m @> '{"a":-1.5e-10}'"#),
    ] {
        assert_eq!(short(filter), condition, "{filter}");
    }
}

#[test]
fn an_alias_is_quoted() {
    let compiled = compile(br#"{"a": 1}"#, br#"a"b"#).expect("a filter");
    assert!(compiled.starts_with(br#""a""b".metadata "#));
}

#[test]
fn bytes_above_ascii_stay() {
    let compiled = compile(b"{\"a\xe9\": \"\xff\"}", b"").expect("a filter");
    let constant = b" '{\"a\xe9\":\"\xff\"}'::";
    assert!(compiled.windows(constant.len()).any(|bytes| bytes == constant));
}

#[test]
fn errors_name_the_key() {
    use Problem::*;
    for (filter, key, expected) in [
        ("[]", "", NeedsObject),
        ("1", "", NeedsObject),
        (r#"{"$nor": []}"#, "$nor", UnknownOperator),
        (r#"{"a": {"$regex": "x"}}"#, "a: $regex", UnknownOperator),
        (r#"{"a": {"$and": [{}]}}"#, "a: $and", UnknownOperator),
        (r#"{"$and": {}}"#, "$and", NeedsFilters),
        (r#"{"$or": []}"#, "$or", NeedsFilters),
        (r#"{"$or": [1]}"#, "$or", NeedsObject),
        (r#"{"$not": 1}"#, "$not", NeedsObject),
        (r#"{"a": [1]}"#, "a", BareArray),
        (r#"{"a.b": {}}"#, "a.b", NoCondition),
        (r#"{"a": {"b": 1, "$gt": 2}}"#, "a", Mixed),
        (r#"{"a": {"b": {"$gt": null}}}"#, "b: $gt", NeedsOrdered),
        (r#"{"a": {"$lt": true}}"#, "a: $lt", NeedsOrdered),
        (r#"{"a": {"$in": 1}}"#, "a: $in", NeedsValues),
        (r#"{"a": {"$nin": [[1]]}}"#, "a: $nin", NeedsValues),
        (r#"{"a": {"$exists": 1}}"#, "a: $exists", NeedsBoolean),
        (r#"{"a": {"$contains": {"b": 1}}}"#, "a: $contains", NeedsScalar),
        (r#"{"a": {"$contains": [{"b": 1}]}}"#, "a: $contains", NeedsScalar),
        (r#"{"a": {"$not": []}}"#, "a", BareArray),
        (r#"{"a\\": 1}"#, r"a\", Escape),
        (r#"{"a\\b": 1}"#, r"a\b", Escape),
    ] {
        assert_eq!(problem(filter), (key.to_owned(), expected), "{filter}");
    }
}

#[test]
fn what_is_not_json_is_an_error() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "{]",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1"#,
        r#"{"a":1,}"#,
        r#"{"a":1}}"#,
        r#"{a:1}"#,
        r#"{"a":tru}"#,
        r#"{"a":-}"#,
        r#"{"a":1.}"#,
        r#"{"a":1e}"#,
        r#"{"a":"x}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\u12"}"#,
        r#"{"a":"\u12g4"}"#,
        "{\"a\":\"\n\"}",
        r#"{"\u00e9":1}"#,
        r#"{"\u0000":1}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":nul"#,
    ] {
        assert_eq!(problem(text), (String::new(), Problem::Syntax), "{text}");
    }
}

#[test]
fn every_start_of_a_filter_is_an_error() {
    let filter = r#"{"a": [1.5e3, "\u0001\"", true, null], "b": {"$in": [-1]}}"#;
    for end in 0..filter.len() {
        assert_eq!(problem(&filter[..end]).1, Problem::Syntax, "{}", &filter[..end]);
    }
}

#[test]
fn limits() {
    let nested = |depth: usize| format!("{}{{\"a\": 1}}{}", r#"{"$not": "#.repeat(depth), "}".repeat(depth));
    assert!(compile(nested(DEPTH_MAX - 1).as_bytes(), b"").is_ok());
    assert_eq!(problem(&nested(DEPTH_MAX)).1, Problem::TooDeep);
    assert_eq!(problem(&nested(100_000)).1, Problem::TooDeep);

    let many = |count: usize| format!(r#"{{"a": {{"$in": [{}]}}}}"#, vec!["1"; count].join(","));
    assert!(compile(many(NODES_MAX - 5).as_bytes(), b"").is_ok());
    assert_eq!(problem(&many(NODES_MAX - 4)).1, Problem::TooMany);

    let path = |length: usize| format!(r#"{{"{}": 1}}"#, "p".repeat(length));
    assert!(compile(path(PATH_BYTES_MAX - 1).as_bytes(), b"").is_ok());
    assert_eq!(problem(&path(PATH_BYTES_MAX)).1, Problem::PathTooLong);

    let long = format!(r#"{{"a": "{}"}}"#, "x".repeat(BYTES_MAX));
    assert_eq!(problem(&long).1, Problem::TooLong);
}

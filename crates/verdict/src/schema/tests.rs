//! Schemas, what they take and what they refuse.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn schema(text: &str) -> Schema {
    Schema::compile(json(text)).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

/// A schema for the property `x`, values that it takes, and values that it refuses.
const WORDS: &[(&str, &[&str], &[&str])] = &[
    (r#"{"type": "integer"}"#, &["1", "-3", "2.0", "1e3"], &["1.5", "\"1\"", "null", "true", "[]", "{}"]),
    (r#"{"type": "number"}"#, &["1", "1.5"], &["\"1\"", "false"]),
    (r#"{"type": ["string", "null"]}"#, &["\"\"", "null"], &["0", "false"]),
    (r#"{"type": "boolean"}"#, &["true", "false"], &["0", "\"true\"", "null"]),
    (
        r#"{"enum": [1, "a", null, {"b": [1]}]}"#,
        &["1", "1.0", "\"a\"", "null", "{\"b\": [1]}"],
        &["2", "\"A\"", "{}", "false"],
    ),
    (r#"{"const": 0}"#, &["0", "0.0"], &["false", "null", "\"0\""]),
    (r#"{"minimum": 1, "maximum": 3}"#, &["1", "3", "2.5", "\"x\"", "null"], &["0", "0.999", "3.1"]),
    (r#"{"exclusiveMinimum": 1, "exclusiveMaximum": 3}"#, &["1.001", "2"], &["1", "3"]),
    (r#"{"maximum": 9007199254740993}"#, &["9007199254740993"], &["9007199254740994"]),
    (r#"{"multipleOf": 3}"#, &["0", "9", "-3"], &["1", "10"]),
    (r#"{"multipleOf": 0.01}"#, &["0.07", "19.99", "1"], &["0.075"]),
    (r#"{"minLength": 2, "maxLength": 3}"#, &["\"ab\"", "\"äöü\"", "7"], &["\"a\"", "\"abcd\""]),
    (r#"{"pattern": "^a.c$"}"#, &["\"abc\"", "1"], &["\"abd\"", "\"xabc\""]),
    (r#"{"pattern": "b"}"#, &["\"abc\""], &["\"ac\""]),
    (r#"{"items": {"type": "integer"}}"#, &["[]", "[1, 2]", "\"x\""], &["[1, \"2\"]"]),
    (
        r#"{"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false}"#,
        &["[1, \"a\"]", "[1]", "[]"],
        &["[\"a\"]", "[1, \"a\", 2]"],
    ),
    (
        r#"{"minItems": 1, "maxItems": 2, "uniqueItems": true}"#,
        &["[1]", "[1, 2]"],
        &["[]", "[1, 2, 3]", "[1, 1]", "[{\"a\": 1}, {\"a\": 1}]"],
    ),
    (r#"{"contains": {"const": 7}}"#, &["[1, 7]"], &["[]", "[1]"]),
    (
        r#"{"required": ["a"], "properties": {"a": {"type": "string"}}}"#,
        &["{\"a\": \"\"}", "{\"a\": \"\", \"b\": 1}", "[]"],
        &["{}", "{\"a\": 1}"],
    ),
    (r#"{"properties": {"a": true}, "additionalProperties": false}"#, &["{}", "{\"a\": 1}"], &["{\"b\": 1}"]),
    (
        r#"{"properties": {"a": true}, "additionalProperties": {"type": "integer"}}"#,
        &["{\"b\": 1, \"a\": \"x\"}"],
        &["{\"b\": \"1\"}"],
    ),
    (
        r#"{"patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": false}"#,
        &["{\"x-a\": 1}"],
        &["{\"x-a\": \"1\"}", "{\"y\": 1}"],
    ),
    (r#"{"propertyNames": {"maxLength": 1}}"#, &["{\"a\": 1}"], &["{\"ab\": 1}"]),
    (
        r#"{"minProperties": 1, "maxProperties": 2}"#,
        &["{\"a\": 1}"],
        &["{}", "{\"a\": 1, \"b\": 1, \"c\": 1}"],
    ),
    (
        r#"{"dependentRequired": {"a": ["b"]}}"#,
        &["{}", "{\"b\": 1}", "{\"a\": 1, \"b\": 1}"],
        &["{\"a\": 1}"],
    ),
    (r#"{"allOf": [{"minimum": 1}, {"maximum": 2}]}"#, &["1", "2"], &["0", "3"]),
    (
        r#"{"anyOf": [{"type": "string"}, {"minimum": 5, "type": "integer"}]}"#,
        &["\"a\"", "5"],
        &["4", "null"],
    ),
    (r#"{"oneOf": [{"multipleOf": 3}, {"multipleOf": 5}]}"#, &["3", "5"], &["15", "1"]),
    (r#"{"not": {"type": "string"}}"#, &["1"], &["\"a\""]),
    (
        r#"{"if": {"minimum": 10}, "then": {"multipleOf": 10}, "else": {"maximum": 5}}"#,
        &["20", "5"],
        &["15", "6"],
    ),
    (r##"{"$ref": "#/$defs/small"}"##, &["1"], &["10", "\"a\""]),
    (r##"{"$ref": "#/$defs/tree"}"##, &["{\"kids\": [{\"kids\": []}]}"], &["{\"kids\": [{\"kids\": 1}]}"]),
    ("true", &["1", "null"], &[]),
    ("false", &[], &["1", "null"]),
    (
        r#"{"format": "email", "title": "x", "x-own": 1, "description": "d", "default": 7}"#,
        &["\"not one\""],
        &[],
    ),
];

#[test]
fn each_word_takes_and_refuses_what_the_standard_says() {
    for (word, good, bad) in WORDS {
        let text = format!(
            r##"{{"properties": {{"x": {word}}}, "$defs": {{"small": {{"type": "integer", "maximum": 9}}, "tree": {{"properties": {{"kids": {{"type": "array", "items": {{"$ref": "#/$defs/tree"}}}}}}}}}}}}"##
        );
        let schema = schema(&text);
        for value in *good {
            assert_eq!(schema.check(&json(&format!("{{\"x\": {value}}}"))), Ok(()), "{word} of {value}");
        }
        for value in *bad {
            let said = schema.check(&json(&format!("{{\"x\": {value}}}")));
            let said = said.expect_err(&format!("{word} of {value}"));
            assert!(said.contains("`args.x"), "{word} of {value}: {said}");
        }
    }
}

#[test]
fn a_mismatch_names_the_place_and_what_was_expected_and_never_the_value() {
    let schema = schema(
        r#"{"properties": {"to": {"properties": {"list": {"items": {"type": "integer", "maximum": 5}}, "kind": {"enum": ["a", "b"]}}, "required": ["kind"]}}, "required": ["to"]}"#,
    );
    for (args, said) in [
        ("{}", "`args.to` is missing"),
        (r#"{"to": {}}"#, "`args.to.kind` is missing"),
        (r#"{"to": {"kind": "hunter2"}}"#, "`args.to.kind` must be one of \"a\", \"b\""),
        (
            r#"{"to": {"kind": "a", "list": [1, "hunter2"]}}"#,
            "`args.to.list.1` must be a whole number, and is a string",
        ),
        (r#"{"to": {"kind": "a", "list": [1, 2, 6]}}"#, "`args.to.list.2` must be at most 5"),
    ] {
        assert_eq!(schema.check(&json(args)).unwrap_err(), said.replace("\\\"", "\""), "{args}");
    }
}

#[test]
fn what_would_not_be_checked_is_no_schema() {
    for (odd, path, said) in [
        (
            r#"{"properties": {"a": {"unevaluatedProperties": false}}}"#,
            "properties a unevaluatedProperties",
            "not supported",
        ),
        (r#"{"properties": {"a": {"type": "int"}}}"#, "properties a type", "no type"),
        (r#"{"properties": {"a": 7}}"#, "properties a", "a schema is an object"),
        (r#"{"required": "a"}"#, "required", "a list is wanted"),
        (r#"{"properties": {"a": {"minLength": -1}}}"#, "properties a minLength", "whole number"),
        (r#"{"properties": {"a": {"pattern": "("}}}"#, "properties a pattern", "as a pattern"),
        (r#"{"properties": {"a": {"anyOf": []}}}"#, "properties a anyOf", "at least one"),
        (r#"{"type": "string"}"#, "", "arguments are an object"),
        (r##"{"$ref": "#/$defs/none"}"##, "", "not there"),
        (r#"{"properties": {"a": {"$ref": "http://x/"}}}"#, "", "not there"),
    ] {
        let faults = Schema::compile(json(odd)).unwrap_err();
        let found = faults.iter().any(|it| it.path.join(" ") == path && it.message.contains(said));
        assert!(found, "{odd}: {faults:?}");
    }
}

#[test]
fn no_schema_takes_for_ever() {
    let circle =
        schema(r##"{"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}"##);
    assert!(circle.check(&json(r#"{"x": 1}"#)).is_err());
    // Each level tries two ways through all that is below it.
    let fork = schema(
        r##"{"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"anyOf": [{"items": {"$ref": "#/$defs/a"}, "type": "array"}, {"items": {"$ref": "#/$defs/a"}, "minItems": 9}]}}}"##,
    );
    let deep = format!("{{\"x\": {}7{}}}", "[".repeat(60), "]".repeat(60));
    // Without a bound on steps this would take longer than anyone waits for a test.
    let _either = fork.check(&json(&deep));
    let not = schema(
        r##"{"properties": {"x": {"not": {"$ref": "#/$defs/a"}}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}"##,
    );
    assert!(
        not.check(&json(r#"{"x": 1}"#)).is_err(),
        "what could not be looked at is not let through by a `not`"
    );
}

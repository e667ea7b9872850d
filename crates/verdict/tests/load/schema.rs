//! The JSON Schema says of a file's shape what the reader says.
//!
//! Both are held against the same texts: whatever the reader takes, the schema takes; what is out of
//! shape, both refuse.

use super::mistakes::golden;
use super::{INIT, SAMPLE, read};
use regex::Regex;
use serde_json::{Value, json};
use verdict::load::{cases, schema};

/// The part of JSON Schema 2020-12 that our schema uses; a keyword that is missing here fails the test.
fn holds(rule: &Value, value: &Value, root: &Value) -> bool {
    let Value::Object(rule) = rule else {
        return rule.as_bool().expect("a schema is an object or a boolean");
    };
    rule.iter().all(|(keyword, wanted)| {
        let all = |wanted: &Value| {
            wanted.as_array().unwrap().iter().filter(|rule| holds(rule, value, root)).count()
        };
        let chars = value.as_str().map(|text| text.chars().count() as u64);
        let number = value.as_f64();
        match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" | "then" => true,
            "$ref" => holds(
                root.pointer(wanted.as_str().unwrap().strip_prefix('#').unwrap())
                    .expect("the reference leads somewhere"),
                value,
                root,
            ),
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|wanted| is(wanted, value)),
                wanted => is(wanted, value),
            },
            "const" => wanted == value,
            "enum" => wanted.as_array().unwrap().contains(value),
            "properties" => {
                each(value).all(|(key, value)| wanted.get(key).is_none_or(|rule| holds(rule, value, root)))
            }
            "additionalProperties" => each(value)
                .filter(|(key, _)| rule.get("properties").is_none_or(|known| known.get(key).is_none()))
                .all(|(_, value)| holds(wanted, value, root)),
            "propertyNames" => each(value).all(|(key, _)| holds(wanted, &json!(key), root)),
            "required" => {
                !value.is_object()
                    || wanted.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some())
            }
            "items" => {
                value.as_array().is_none_or(|items| items.iter().all(|item| holds(wanted, item, root)))
            }
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
            "minLength" => chars.is_none_or(|n| n >= wanted.as_u64().unwrap()),
            "maxLength" => chars.is_none_or(|n| n <= wanted.as_u64().unwrap()),
            "pattern" => {
                value.as_str().is_none_or(|text| Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text))
            }
            "minimum" => number.is_none_or(|n| n >= wanted.as_f64().unwrap()),
            "maximum" => number.is_none_or(|n| n <= wanted.as_f64().unwrap()),
            "not" => !holds(wanted, value, root),
            "anyOf" => all(wanted) > 0,
            "oneOf" => all(wanted) == 1,
            "allOf" => all(wanted) == wanted.as_array().unwrap().len(),
            "if" => !holds(wanted, value, root) || holds(&rule["then"], value, root),
            other => panic!("keyword `{other}` is not checked here"),
        }
    })
}

fn is(wanted: &Value, value: &Value) -> bool {
    match wanted.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64(),
        "null" => value.is_null(),
        other => panic!("type `{other}` is not checked here"),
    }
}

fn each(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A policy as JSON: it is read as the arguments of a test case.
fn as_json(policy: &str) -> Option<Value> {
    let indented: String = policy.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!(
        "- name: n\n  given:\n    agent: a\n    tool: t\n    args:\n{indented}  expect: {{decision: deny}}\n"
    );
    let case = cases("x", &text).ok()?.pop()?;
    serde_json::from_str(&case.given.args.canonical()).ok()
}

/// Names in `mistakes.txt` of texts whose shape is right and that are wrong for what they say.
const MEANING: &[&str] = &[
    "a rule given twice",
    "a rule that a role brings a second time",
    "a limit given twice",
    "a role nobody defined",
    "a limit on a tool nobody knows",
    "conditions on several lines",
    "conditions that are never true",
    "a name that no known tool has",
    "an allow that a deny always hides",
    "an allow that several denies hide together",
    "an allow that an earlier one always hides",
    "an agent's allow that its role's deny hides",
    "bounds of a sandbox that are none",
];

#[test]
fn the_schema_takes_what_the_reader_takes_and_refuses_what_is_out_of_shape() {
    let schema = schema();
    for (name, text) in [("init", INIT), ("sample", SAMPLE)] {
        assert!(holds(&schema, &as_json(text).expect(name), &schema), "{name}");
    }
    let mut compared = 0;
    for (name, text, _) in golden() {
        let Some(value) = as_json(text) else { continue };
        compared += 1;
        let right_shape = read(&format!("{text}\n")).is_ok() || MEANING.contains(&name);
        assert_eq!(holds(&schema, &value, &schema), right_shape, "{name}");
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn single_values_are_judged_alike() {
    let schema = schema();
    let whole = |place: &str, value: &Value| match place {
        "rule" => json!({"version": 1, "agents": {"a": {"rules": [value]}}}),
        "limit" => json!({"version": 1, "agents": {"a": {"limits": [value]}}}),
        "tool" => json!({"version": 1, "tools": {"t": value}}),
        "id" => json!({"version": 1, "agents": {value.as_str().unwrap(): {}}}),
        "name" => json!({"version": 1, "tools": {value.as_str().unwrap(): null}}),
        _ => value.clone(),
    };
    let cases = [
        ("top", json!({"version": 1}), true),
        ("top", json!({"version": 2}), false),
        ("top", json!({"version": "1"}), false),
        ("top", json!(null), false),
        ("top", json!({"version": 1, "include": "a"}), false),
        ("top", json!({"version": 1, "defaults": {"unknown_tool": "allow"}}), false),
        ("top", json!({"version": 1, "defaults": null}), true),
        ("top", json!({"version": 1, "groups": {"g": ["a", "b"]}}), true),
        ("top", json!({"version": 1, "groups": {"g": []}}), false),
        ("top", json!({"version": 1, "flows": {}}), false),
        ("id", json!("a.b:c@d-e_f"), true),
        ("id", json!("a/b"), false),
        ("id", json!("a..b"), false),
        ("id", json!("x".repeat(128)), true),
        ("id", json!("x".repeat(129)), false),
        ("name", json!("a/b"), true),
        ("name", json!("a*"), false),
        ("name", json!("é"), false),
        ("rule", json!({"name": "r", "allow": "a"}), true),
        ("rule", json!({"name": "r", "deny": ["a", "b.*"]}), true),
        ("rule", json!({"name": "r", "deny": ["b.*"], "when": true}), true),
        ("rule", json!({"name": "r"}), false),
        ("rule", json!({"name": "r", "allow": "a", "deny": "b"}), false),
        ("rule", json!({"name": "", "allow": "a"}), false),
        ("rule", json!({"name": "r ", "allow": "a"}), false),
        ("rule", json!({"name": "r", "allow": ["a", 1]}), false),
        ("rule", json!({"name": "r", "allow": "a", "approval": true}), true),
        ("rule", json!({"name": "r", "allow": "a", "approval": false}), false),
        ("rule", json!({"name": "r", "allow": "a", "approval": null}), true),
        ("rule", json!({"name": "r", "deny": "a", "approval": true}), false),
        (
            "rule",
            json!({"name": "r", "allow": "a", "approval": {"quorum": 2, "timeout": "2h", "from": "x@y"}}),
            true,
        ),
        ("rule", json!({"name": "r", "allow": "a", "approval": {"quorum": 0}}), false),
        ("rule", json!({"name": "r", "allow": "a", "approval": {"quorum": 101}}), false),
        ("rule", json!({"name": "r", "allow": "a", "approval": {"timeout": "0m"}}), false),
        ("rule", json!({"name": "r", "allow": "a", "approval": {"timeout": 5}}), false),
        (
            "rule",
            json!({"name": "r", "allow": "a", "tiers": {"by": "args.n", "steps": [{"up_to": 5}]}}),
            true,
        ),
        ("rule", json!({"name": "r", "allow": "a", "tiers": {"by": "n", "steps": [{"up_to": 5}]}}), false),
        ("rule", json!({"name": "r", "allow": "a", "when": 5}), false),
        ("rule", json!({"name": "r", "allow": "a", "users": []}), false),
        ("limit", json!({"meter": "usd", "max": 1.5, "per": "call"}), true),
        ("limit", json!({"meter": "usd", "max": -1, "per": "call"}), false),
        ("limit", json!({"meter": "usd", "max": "1", "per": "call"}), false),
        ("limit", json!({"meter": "usd", "max": 1}), false),
        ("limit", json!({"meter": "args.a.b", "max": 1, "per": "3w"}), true),
        ("limit", json!({"meter": "args", "max": 1, "per": "3w"}), false),
        ("limit", json!({"meter": "usd", "max": 1, "per": "1y"}), false),
        ("limit", json!({"meter": "usd", "max": 1, "per": "1h", "by": "team"}), false),
        ("limit", json!({"meter": "failures", "max": 1, "per": "1h", "consecutive": true}), true),
        ("limit", json!({"meter": "failures", "max": 1, "per": "1h", "consecutive": "true"}), false),
        (
            "tool",
            json!({"args": {"a.b": "money", "/c/d": "sql"}, "effects": "payment", "price_usd": 0.01, "yields": ["private"], "risk": "high", "description": "x"}),
            true,
        ),
        ("tool", json!({"args": {"a": "cash"}}), false),
        ("tool", json!({"effects": ["pay"]}), false),
        ("tool", json!({"price_usd": "0.01"}), false),
        ("tool", json!({"risk": "extreme"}), false),
        ("tool", json!({"description": " "}), false),
        ("tool", json!([]), false),
    ];
    for (place, value, expected) in cases {
        let policy = whole(place, &value);
        let text = policy.to_string();
        assert_eq!(read(&text).is_ok(), expected, "reader: {text}");
        assert_eq!(holds(&schema, &policy, &schema), expected, "schema: {text}");
    }
}

#[test]
fn every_key_is_described() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let sections: Vec<&Value> = schema["$defs"].as_object().unwrap().values().chain([&schema]).collect();
    assert!(sections.len() >= 9);
    for section in sections {
        assert!(section["description"].as_str().is_some_and(|doc| doc.ends_with('.')), "{section}");
        for (key, value) in section["properties"].as_object().unwrap() {
            assert!(value["description"].as_str().is_some_and(|doc| doc.len() > 10), "{key}");
        }
    }
}

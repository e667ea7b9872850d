//! The JSON Schema of the policy file, written from the table.
//!
//! Answerable for saying no more and no less than the table does about the shape of a file; what
//! depends on two places at once (a role nobody defined, a rule that is always hidden) is beyond it.

use serde_json::{Map, Value, json};

use super::table::{Form, Key, Kind, METERS, POLICY, RULE, Section, WINDOWS};

/// The JSON Schema (draft 2020-12) of the policy file.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    let mut root = section(&POLICY, &mut definitions);
    if let Value::Object(root) = &mut root {
        root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("title".to_owned(), json!("Portcullis policy"));
        root.insert("$defs".to_owned(), Value::Object(definitions));
    }
    root
}

fn section(section: &Section, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for key in section.keys {
        properties.insert(key.name.to_owned(), describe(key, definitions));
    }
    let required: Vec<&str> = section.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    let mut out = json!({
        "description": section.doc,
        "type": kind,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    // The one thing about keys of one section that the table cannot say key by key.
    if section.name == RULE.name
        && let Value::Object(rule) = &mut out
    {
        rule.insert("oneOf".to_owned(), json!([{"required": ["allow"]}, {"required": ["deny"]}]));
        let plain = json!({"properties": {"approval": false, "tiers": false}});
        rule.insert("if".to_owned(), json!({"required": ["deny"]}));
        rule.insert("then".to_owned(), plain);
    }
    out
}

fn refer(to: &'static Section, definitions: &mut Map<String, Value>) -> Value {
    let name = to.name.split(' ').next_back().unwrap_or(to.name);
    if !definitions.contains_key(name) {
        definitions.insert(name.to_owned(), Value::Null);
        let body = section(to, definitions);
        definitions.insert(name.to_owned(), body);
    }
    json!({"$ref": format!("#/$defs/{name}")})
}

fn describe(key: &Key, definitions: &mut Map<String, Value>) -> Value {
    let value = match key.kind {
        Kind::One(of) => form(of),
        Kind::List(of) => list(form(of)),
        Kind::Several(of) => json!({"anyOf": [form(of), list(form(of))]}),
        Kind::Sections(to) => json!({"type": "array", "items": refer(to, definitions)}),
        Kind::Section(to) => json!({"allOf": [refer(to, definitions)]}),
        Kind::SectionOrTrue(to) => json!({"anyOf": [{"const": true}, refer(to, definitions)]}),
        Kind::Named(name, to) => names(name, refer(to, definitions)),
        Kind::Scalars(name, of) => names(name, form(of)),
        Kind::Lists(name, of) => names(name, list(form(of))),
        Kind::Json => json!({"type": "object"}),
    };
    match value {
        Value::Object(mut value) => {
            value.insert("description".to_owned(), json!(format!("{} Example: {}", key.doc, key.example)));
            Value::Object(value)
        }
        other => other,
    }
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items, "minItems": 1})
}

fn names(name: Form, value: Value) -> Value {
    json!({"type": "object", "propertyNames": form(name), "additionalProperties": value})
}

/// A name without two dots in a row.
fn spelt(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern, "not": {"pattern": r"\.\."}})
}

fn form(form: Form) -> Value {
    match form {
        Form::Version => json!({"const": 1}),
        Form::Text | Form::Glob | Form::Program | Form::Regex => {
            json!({"type": "string", "pattern": r"\S", "not": {"pattern": CONTROL}})
        }
        Form::Hundredth => json!({"type": "integer", "minimum": 0, "maximum": 100}),
        Form::Bytes => json!({"type": "string", "pattern": "^[1-9][0-9]*(KiB|MiB|GiB)$"}),
        Form::Percent => json!({"type": "string", "pattern": "^[1-9][0-9]*%$"}),
        Form::Whole => json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
        Form::Between(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Form::Url => {
            json!({"type": "string", "pattern": "^https?://[^/?#@]+([/?][^#]*)?$", "maxLength": 4096})
        }
        Form::Header => json!({"type": "string", "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$"}),
        Form::RuleName => {
            json!({"type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^\S(.*\S)?$"})
        }
        Form::Id => spelt("^[A-Za-z0-9._:@-]{1,128}$"),
        Form::Tool => spelt("^[A-Za-z0-9._:@/-]{1,256}$"),
        Form::Pattern => spelt("^[A-Za-z0-9._:@/*-]{1,256}$"),
        Form::Argument => json!({"type": "string", "minLength": 1, "maxLength": 256}),
        Form::ArgumentPath => json!({"type": "string", "pattern": r"^args\.[^/.]"}),
        Form::Expression => json!({"type": ["string", "boolean"]}),
        Form::Quorum => json!({"type": "integer", "minimum": 1, "maximum": 100}),
        Form::Dollars | Form::Maximum => json!({"type": "number", "minimum": 0}),
        Form::Timeout => json!({"type": "string", "pattern": LENGTH}),
        Form::Window => json!({"anyOf": [{"enum": WINDOWS}, {"type": "string", "pattern": LENGTH}]}),
        Form::Meter => json!({"anyOf": [{"enum": METERS}, {"type": "string", "pattern": r"^args\.[^/.]"}]}),
        Form::Flag => json!({"type": "boolean"}),
        Form::Choice(_, words) => json!({"enum": words}),
    }
}

/// Control characters, but for tab and line feed.
const CONTROL: &str = r"[\x00-\x08\x0b-\x1f\x7f-\x9f]";

const LENGTH: &str = "^[1-9][0-9]*[smhdw]$";

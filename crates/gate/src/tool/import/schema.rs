//! Schemas of OpenAPI documents as the policy's schemas: references led to `$defs`, and what OpenAPI 3.0 spells in its
//! own way spelled as JSON Schema does.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use verdict::short;

/// References that lead to each other.
const HOPS: usize = 16;
/// Schemas within each other, and schemas that one operation refers to.
const DEEPEST: usize = 24;
const MOST: usize = 200;

/// What a value that is a reference leads to.
pub(super) fn resolved<'d>(value: &'d Value, document: &'d Value) -> Result<&'d Value, String> {
    let mut at = value;
    for _ in 0..HOPS {
        let Some(reference) = at.get("$ref").and_then(Value::as_str) else { return Ok(at) };
        let pointer = reference.strip_prefix('#').ok_or_else(|| outside(reference))?;
        at = document.pointer(pointer).ok_or_else(|| format!("`{}` leads to nothing", short(reference)))?;
    }
    Err("its references lead in a circle".to_owned())
}

fn outside(reference: &str) -> String {
    format!("`{}` leads out of the document; bundle it into one file first", short(reference))
}

/// The schema with all that it refers to.
pub(super) fn adapted(schema: &Value, document: &Value) -> Result<Value, String> {
    let mut adapting = Adapting { document, open: Vec::new(), done: BTreeMap::new() };
    let mut root = adapting.schema(schema, 0)?;
    while let Some(name) = adapting.open.pop() {
        if adapting.done.contains_key(&name) {
            continue;
        }
        if adapting.done.len() >= MOST {
            return Err(format!("it refers to more than {MOST} schemas"));
        }
        let source = document.pointer("/components/schemas").and_then(|it| it.get(&name));
        let source = source.ok_or_else(|| format!("it refers to `{}`, which is not there", short(&name)))?;
        // Known before it is looked at: a schema may refer to itself.
        adapting.done.insert(name.clone(), Value::Null);
        let made = adapting.schema(source, 0)?;
        adapting.done.insert(name, made);
    }
    if let (Some(root), false) = (root.as_object_mut(), adapting.done.is_empty()) {
        root.insert("$defs".to_owned(), Value::Object(adapting.done.into_iter().collect()));
    }
    Ok(root)
}

struct Adapting<'d> {
    document: &'d Value,
    open: Vec<String>,
    done: BTreeMap<String, Value>,
}

/// Words that say nothing about whether a value is right, and would only make the policy long.
const DROPPED: &[&str] = &[
    "example",
    "examples",
    "xml",
    "externalDocs",
    "discriminator",
    "deprecated",
    "readOnly",
    "writeOnly",
    "default",
    "title",
    "nullable",
    "$schema",
    "$id",
    "$comment",
    "contentEncoding",
    "contentMediaType",
];

impl Adapting<'_> {
    fn schema(&mut self, schema: &Value, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err("its schemas are nested too deep".to_owned());
        }
        let Some(map) = schema.as_object() else { return Ok(schema.clone()) };
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            return self.reference(reference);
        }
        let mut out = Map::new();
        for (key, value) in
            map.iter().filter(|(key, _)| !DROPPED.contains(&key.as_str()) && !key.starts_with("x-"))
        {
            let made = match key.as_str() {
                "properties" | "patternProperties" => self.each(value, depth)?,
                "items"
                | "not"
                | "additionalProperties"
                | "contains"
                | "propertyNames"
                | "if"
                | "then"
                | "else" => self.schema(value, depth.saturating_add(1))?,
                "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                    let parts = value.as_array().cloned().unwrap_or_default();
                    let made: Result<Vec<Value>, String> =
                        parts.iter().map(|part| self.schema(part, depth.saturating_add(1))).collect();
                    Value::Array(made?)
                }
                "description" => super::plain_line(value.as_str().unwrap_or_default()).into(),
                _ => value.clone(),
            };
            out.insert(key.clone(), made);
        }
        bounds(&mut out);
        if map.get("nullable") == Some(&Value::Bool(true)) {
            nullable(&mut out);
        }
        Ok(Value::Object(out))
    }

    fn each(&mut self, value: &Value, depth: usize) -> Result<Value, String> {
        let Some(map) = value.as_object() else { return Ok(value.clone()) };
        let mut out = Map::new();
        for (name, schema) in map {
            out.insert(name.clone(), self.schema(schema, depth.saturating_add(1))?);
        }
        Ok(Value::Object(out))
    }

    fn reference(&mut self, reference: &str) -> Result<Value, String> {
        if let Some(name) =
            reference.strip_prefix("#/components/schemas/").filter(|it| !it.contains(['/', '~', '%']))
        {
            self.open.push(name.to_owned());
            return Ok(json!({"$ref": format!("#/$defs/{name}")}));
        }
        let document = self.document;
        let found = json!({"$ref": reference});
        let target = resolved(&found, document)?.clone();
        self.schema(&target, 1)
    }
}

/// `exclusiveMinimum: true` beside `minimum` is how OpenAPI 3.0 says that the bound itself is too low.
fn bounds(out: &mut Map<String, Value>) {
    for (exclusive, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match out.get(exclusive) {
            Some(Value::Bool(true)) => {
                if let Some(value) = out.remove(bound) {
                    out.insert(exclusive.to_owned(), value);
                } else {
                    out.remove(exclusive);
                }
            }
            Some(Value::Bool(false)) => {
                out.remove(exclusive);
            }
            _ => (),
        }
    }
}

fn nullable(out: &mut Map<String, Value>) {
    if let Some(Value::String(kind)) = out.get("type").cloned() {
        out.insert("type".to_owned(), json!([kind, "null"]));
    }
    if let Some(Value::Array(values)) = out.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
}

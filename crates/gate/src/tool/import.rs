//! Tools of an OpenAPI document (3.0 and 3.1): what each operation is as a tool of the policy.
//!
//! Answerable for saying of every operation that is left out why it is, and for schemas that say no less than the
//! document's. Pure: whoever calls reads the document. Declares; what agents may do with it is for rules.

mod schema;

use serde_json::{Map, Value, json};
use verdict::{Address, short};

/// What an import is to make of a document.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What the tools' names begin with; without it, the document's title.
    pub prefix: Option<String>,
    /// Where the tools are; without it, the document's first server.
    pub server: Option<String>,
    /// The environment variable that has the secret.
    pub secret: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// Names, and the keys of the policy for each.
    pub tools: Vec<(String, Map<String, Value>)>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// The most operations of one document.
const MOST: usize = 2_000;
const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

/// Makes tools of a document. The error is a sentence.
pub fn openapi(document: &Value, plan: &Plan) -> Result<Imported, String> {
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with("3.") {
        return Err("it is no OpenAPI document of version 3: `openapi` is not `3.0.x` or `3.1.x`".to_owned());
    }
    let base = base(document, plan)?;
    let title = document.pointer("/info/title").and_then(Value::as_str).unwrap_or("api");
    let prefix = plan.prefix.clone().unwrap_or_else(|| plain(title).to_lowercase());
    let mut imported = Imported::default();
    let nothing = Map::new();
    let paths = document.get("paths").and_then(Value::as_object).unwrap_or(&nothing);
    for (path, item) in paths {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            if imported.tools.len() >= MOST {
                return Err(format!("it has more than {MOST} operations; import it in parts"));
            }
            let one = Operation { document, plan, base: &base, path, method, item, operation };
            let name = unique(format!("{prefix}.{}", one.name()), &imported.tools);
            match one.tool(&name, &prefix, &mut imported.notes) {
                Ok(keys) => imported.tools.push((name, keys)),
                Err(why) => {
                    imported.notes.push(format!("{} {path} is left out: {why}", method.to_uppercase()))
                }
            }
        }
    }
    Ok(imported)
}

fn base(document: &Value, plan: &Plan) -> Result<String, String> {
    let first = document.pointer("/servers/0");
    let mut url = match (&plan.server, first.and_then(|it| it.get("url")).and_then(Value::as_str)) {
        (Some(server), _) => server.clone(),
        (None, Some(url)) => url.to_owned(),
        (None, None) => {
            return Err("it names no server; say where the tools are with --server URL".to_owned());
        }
    };
    let nothing = Map::new();
    for (name, variable) in
        first.and_then(|it| it.get("variables")).and_then(Value::as_object).unwrap_or(&nothing)
    {
        let value = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), value);
    }
    let url = url.trim_end_matches('/').to_owned();
    match Address::parse(&url) {
        Ok(address) if address.arguments().next().is_none() => Ok(url),
        Ok(_) => Err(format!("its server `{}` has parts that vary; give --server URL", short(&url))),
        Err(why) => Err(format!("its server `{}` {why}; give --server URL", short(&url))),
    }
}

/// Letters, digits, `_` and `-`; what else there is becomes `_`.
fn plain(text: &str) -> String {
    let kept: String = text
        .trim()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .take(80)
        .collect();
    let mut parts = kept.split('_').filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or("api").to_owned();
    parts.fold(first, |name, part| format!("{name}_{part}"))
}

fn unique(name: String, tools: &[(String, Map<String, Value>)]) -> String {
    let taken = |name: &str| tools.iter().any(|(other, _)| other == name);
    let mut candidates = std::iter::once(name.clone()).chain((2..=MOST).map(|n| format!("{name}_{n}")));
    candidates.find(|it| !taken(it)).unwrap_or(name)
}

struct Operation<'d> {
    document: &'d Value,
    plan: &'d Plan,
    base: &'d str,
    path: &'d str,
    method: &'static str,
    item: &'d Value,
    operation: &'d Value,
}

impl Operation<'_> {
    fn name(&self) -> String {
        match self.operation.get("operationId").and_then(Value::as_str) {
            Some(id) => id.split('.').map(plain).collect::<Vec<_>>().join("."),
            None => plain(&format!("{}_{}", self.method, self.path)),
        }
    }

    fn tool(&self, name: &str, prefix: &str, notes: &mut Vec<String>) -> Result<Map<String, Value>, String> {
        let (mut properties, mut required, mut query) = (Map::new(), Vec::new(), Vec::new());
        for parameter in self.parameters()? {
            let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default();
            let (argument, place) = (text("name").to_owned(), text("in").to_owned());
            let needed = parameter.get("required") == Some(&Value::Bool(true)) || place == "path";
            if matches!(place.as_str(), "header" | "cookie") {
                if needed {
                    return Err(format!(
                        "it needs the {place} `{}`, which a tool cannot send",
                        short(&argument)
                    ));
                }
                notes.push(format!("`{name}`: the {place} `{}` is not sent", short(&argument)));
                continue;
            }
            if place == "query" && !matches!(self.method, "get" | "head" | "delete") {
                query.push(Value::from(argument.clone()));
            }
            let schema = parameter.get("schema").cloned().unwrap_or_else(|| json!({}));
            self.add(&mut properties, &argument, schema)?;
            if needed {
                required.push(Value::from(argument));
            }
        }
        self.body(&mut properties, &mut required)?;
        let mut schema = Map::from_iter([
            ("type".to_owned(), json!("object")),
            ("properties".to_owned(), Value::Object(properties)),
        ]);
        if !required.is_empty() {
            schema.insert("required".to_owned(), Value::Array(required));
        }
        let mut keys = Map::new();
        if let Some(text) =
            ["summary", "description"].into_iter().find_map(|key| self.operation.get(key)?.as_str())
        {
            keys.insert("description".to_owned(), plain_line(text).into());
        }
        keys.insert("url".to_owned(), format!("{}{}", self.base, self.path).into());
        keys.insert("method".to_owned(), self.method.to_uppercase().into());
        if !query.is_empty() {
            keys.insert("query".to_owned(), Value::Array(query));
        }
        if let Some(auth) = self.auth(prefix)? {
            keys.insert("auth".to_owned(), auth);
        }
        keys.insert("schema".to_owned(), schema::adapted(&Value::Object(schema), self.document)?);
        Ok(keys)
    }

    fn add(&self, properties: &mut Map<String, Value>, name: &str, schema: Value) -> Result<(), String> {
        if name.is_empty() || properties.insert(name.to_owned(), schema).is_some() {
            return Err(format!("two of its parameters are called `{}`", short(name)));
        }
        Ok(())
    }

    /// Those of the operation, and those of the path that it does not replace.
    fn parameters(&self) -> Result<Vec<Value>, String> {
        let list = |of: &Value| of.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut all: Vec<Value> = Vec::new();
        for parameter in list(self.operation).into_iter().chain(list(self.item)) {
            let parameter = schema::resolved(&parameter, self.document)?.clone();
            let same = |other: &Value| {
                other.get("name") == parameter.get("name") && other.get("in") == parameter.get("in")
            };
            if !all.iter().any(same) {
                all.push(parameter);
            }
        }
        Ok(all)
    }

    /// The properties of a JSON body are arguments like others.
    fn body(&self, properties: &mut Map<String, Value>, required: &mut Vec<Value>) -> Result<(), String> {
        let Some(body) = self.operation.get("requestBody") else { return Ok(()) };
        let body = schema::resolved(body, self.document)?;
        let content = body.get("content").and_then(Value::as_object);
        let json = content.and_then(|it| it.iter().find(|(kind, _)| kind.starts_with("application/json")));
        let needed = body.get("required") == Some(&Value::Bool(true));
        let Some((_, media)) = json else {
            return if needed { Err("its body is not JSON".to_owned()) } else { Ok(()) };
        };
        if matches!(self.method, "get" | "head" | "delete") {
            return if needed {
                Err("it sends a body with a method that has none".to_owned())
            } else {
                Ok(())
            };
        }
        let empty = json!({});
        let shape = schema::resolved(media.get("schema").unwrap_or(&empty), self.document)?;
        let Some(of_body) = shape.get("properties").and_then(Value::as_object) else {
            return Err("its body is no object with properties".to_owned());
        };
        for (name, schema) in of_body {
            self.add(properties, name, schema.clone())?;
        }
        if let Some(names) = shape.get("required").and_then(Value::as_array).filter(|_| needed) {
            required.extend(names.iter().cloned());
        }
        Ok(())
    }

    fn auth(&self, prefix: &str) -> Result<Option<Value>, String> {
        let security = self.operation.get("security").or_else(|| self.document.get("security"));
        let choices = security.and_then(Value::as_array).cloned().unwrap_or_default();
        // An empty one among them: it may be called without.
        if choices.is_empty() || choices.iter().any(|it| it.as_object().is_some_and(Map::is_empty)) {
            return Ok(None);
        }
        let variable = || {
            let made = format!("{}_SECRET", plain(prefix).to_uppercase().replace('-', "_"));
            json!({"env": self.plan.secret.clone().unwrap_or(made)})
        };
        for choice in choices.iter().filter_map(Value::as_object).filter(|it| it.len() == 1) {
            let Some(name) = choice.keys().next() else { continue };
            let scheme = self.document.pointer("/components/securitySchemes").and_then(|it| it.get(name));
            let Some(scheme) = scheme.map(|it| schema::resolved(it, self.document)).transpose()? else {
                continue;
            };
            let text = |key: &str| scheme.get(key).and_then(Value::as_str).unwrap_or_default();
            match (text("type"), text("scheme").to_ascii_lowercase().as_str(), text("in")) {
                ("http", "bearer", _) | ("oauth2" | "openIdConnect", ..) => {
                    return Ok(Some(json!({"bearer": variable()})));
                }
                ("apiKey", _, "header") if text("name").eq_ignore_ascii_case("authorization") => (),
                ("apiKey", _, "header") => {
                    let mut header = json!({"name": text("name")});
                    if let (Some(header), Value::Object(from)) = (header.as_object_mut(), variable()) {
                        header.extend(from);
                    }
                    return Ok(Some(json!({"header": header})));
                }
                _ => (),
            }
        }
        Err("none of the ways in which it wants to know its caller is a bearer token or a key in a header"
            .to_owned())
    }
}

/// The first line of a text, short enough for a list.
fn plain_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("imported");
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;

//! `GET /openapi.json`: the table of routes as OpenAPI 3.1, with the shapes of the wire.

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Call;
use super::problem::{Problem, ProblemShape, role_word};
use super::query::Query;
use super::reply::{self, Reply};
use super::routes::{Gives, May, Route, Takes, all};

/// An OpenAPI document.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Document {
    /// The version of OpenAPI.
    openapi: String,
    /// The routes.
    paths: Map<String, Value>,
}

pub(super) async fn serve(call: Call) -> Result<Reply, Problem> {
    static TEXT: OnceLock<String> = OnceLock::new();
    Query::read(&call.query, &[])?;
    Ok(reply::text("application/json", TEXT.get_or_init(|| document().to_string()).clone()))
}

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in all() {
        let operation = operation(route, &mut generator);
        if let Value::Object(methods) = paths.entry(route.path).or_insert_with(|| json!({})) {
            methods.insert(route.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    let problem = generator.subschema_for::<ProblemShape>();
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portcullis",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "The gate that every action of an AI agent passes through. Errors are problem documents (RFC 9457) with a stable `code`.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": {
                "description": "Why the request was not granted",
                "content": {"application/problem+json": {"schema": problem}},
            }},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut operation = Map::new();
    operation.insert("summary".to_owned(), route.summary.into());
    operation.insert("operationId".to_owned(), name(route).into());
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(body) = body(route, generator) {
        operation.insert("requestBody".to_owned(), body);
    }
    let good = match route.gives {
        Gives::Json(shape) => json!({"application/json": {"schema": shape(generator)}}),
        Gives::Text(media) => json!({media: {"schema": {"type": "string"}}}),
    };
    let status = if route.path == "/v1/keys" && route.method == hyper::Method::POST { "201" } else { "200" };
    let problem = json!({"$ref": "#/components/responses/Problem"});
    let answers = json!({
        status: {"description": "Done", "content": good},
        "4XX": problem,
        "5XX": problem,
    });
    operation.insert("responses".to_owned(), answers);
    if let May::Roles(roles) = route.may {
        let roles: Vec<&str> = roles.iter().map(|role| role_word(*role)).collect();
        operation.insert("security".to_owned(), json!([{"bearer": []}, {"apiKey": []}]));
        operation.insert("x-portcullis-roles".to_owned(), json!(roles));
        operation.insert("x-portcullis-test-keys".to_owned(), (!route.live_only).into());
    } else {
        operation.insert("security".to_owned(), json!([]));
    }
    Value::Object(operation)
}

fn parameters(route: &Route) -> Vec<Value> {
    let varies = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let path = varies
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let query = route.query.iter().map(|(name, what)| {
        let kind = if matches!(*name, "limit" | "from" | "wait_s") { "integer" } else { "string" };
        json!({"name": name, "in": "query", "description": what, "schema": {"type": kind}})
    });
    path.chain(query).collect()
}

fn body(route: &Route, generator: &mut SchemaGenerator) -> Option<Value> {
    match route.takes {
        Takes::Nothing => None,
        Takes::Json(shape) | Takes::Large(shape) => Some(json!({
            "required": true,
            "content": {"application/json": {"schema": shape(generator)}},
        })),
        Takes::MaybeJson(shape) => Some(json!({
            "required": false,
            "content": {"application/json": {"schema": shape(generator)}},
        })),
        Takes::Message => Some(json!({
            "required": true,
            "content": {"application/json": {"schema": {"type": ["object", "array"]}}},
        })),
        Takes::Policy => Some(json!({
            "required": true,
            "content": {
                "application/yaml": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}},
            },
        })),
    }
}

/// A name for generated clients: the method and the fixed parts of the path.
fn name(route: &Route) -> String {
    let mut name = route.method.as_str().to_ascii_lowercase();
    for part in route.path.split('/').filter(|part| !part.is_empty() && *part != "v1") {
        name.push('_');
        name.extend(part.chars().filter(|c| *c != '{' && *c != '}').map(|c| if c == '.' { '_' } else { c }));
    }
    name
}

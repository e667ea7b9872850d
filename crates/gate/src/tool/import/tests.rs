//! Documents, and the tools that come of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;

fn document() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {"title": "Pet Store"},
        "servers": [{"url": "https://{region}.example.com/v1/", "variables": {"region": {"default": "eu"}}}],
        "security": [{"key": []}],
        "paths": {
            "/pets/{pet_id}": {
                "parameters": [{"name": "pet_id", "in": "path", "schema": {"type": "integer", "minimum": 0, "exclusiveMinimum": true}}],
                "get": {"operationId": "pets.get", "summary": "One pet\n\nLong text", "parameters": [{"$ref": "#/components/parameters/Fields"}]},
                "put": {
                    "parameters": [{"name": "dry", "in": "query", "schema": {"type": "boolean"}}, {"name": "X-Trace", "in": "header"}],
                    "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                    "security": [{"token": []}],
                },
                "delete": {"operationId": "pets.get", "parameters": [{"name": "If-Match", "in": "header", "required": true}]},
            },
            "/upload": {"post": {"requestBody": {"required": true, "content": {"text/plain": {}}}}},
            "/ping": {"get": {"security": []}},
        },
        "components": {
            "parameters": {"Fields": {"name": "fields", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}}},
            "schemas": {"Pet": {
                "type": "object", "required": ["name"],
                "properties": {"name": {"type": "string", "nullable": true, "example": "Rex"}, "mother": {"$ref": "#/components/schemas/Pet"}},
            }},
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}, "token": {"type": "http", "scheme": "Bearer"}},
        },
    })
}

#[test]
fn operations_become_tools_that_the_policy_takes() {
    let imported = openapi(&document(), &Plan::default()).unwrap();
    let names: Vec<&str> = imported.tools.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["pet_store.pets.get", "pet_store.put_pets_pet_id", "pet_store.get_ping"]);
    let get = &imported.tools[0].1;
    assert_eq!(get["url"], "https://eu.example.com/v1/pets/{pet_id}");
    assert_eq!((&get["method"], &get["description"]), (&json!("GET"), &json!("One pet")));
    assert_eq!(get["auth"], json!({"header": {"name": "X-Key", "env": "PET_STORE_SECRET"}}));
    assert_eq!(get["schema"]["required"], json!(["pet_id"]));
    assert_eq!(get["schema"]["properties"]["pet_id"], json!({"type": "integer", "exclusiveMinimum": 0}));
    let put = &imported.tools[1].1;
    assert_eq!(put["query"], json!(["dry"]));
    assert_eq!(put["auth"], json!({"bearer": {"env": "PET_STORE_SECRET"}}));
    assert_eq!(put["schema"]["required"], json!(["pet_id", "name"]));
    assert_eq!(put["schema"]["properties"]["mother"], json!({"$ref": "#/$defs/Pet"}));
    assert_eq!(put["schema"]["$defs"]["Pet"]["properties"]["name"], json!({"type": ["string", "null"]}));
    assert_eq!(imported.tools[2].1.get("auth"), None);
    for said in [
        "DELETE /pets/{pet_id} is left out: it needs the header `If-Match`",
        "POST /upload is left out: its body is not JSON",
        "the header `X-Trace` is not sent",
    ] {
        assert!(imported.notes.iter().any(|note| note.contains(said)), "{said}: {:?}", imported.notes);
    }
    let tools: Map<String, Value> =
        imported.tools.into_iter().map(|(name, keys)| (name, Value::Object(keys))).collect();
    let text = json!({"version": 1, "tools": tools}).to_string();
    let policy = crate::policy_text::of_text("imported", &text).unwrap().loaded.policy;
    let args = |text: &str| verdict::Json::parse(text.as_bytes()).unwrap();
    let put = policy.tool("pet_store.put_pets_pet_id").unwrap();
    assert_eq!(
        put.refuses(&args(r#"{"pet_id": 7, "name": "x", "mother": {"name": null}, "dry": true}"#)),
        None
    );
    for (odd, said) in [
        (r#"{"pet_id": 0, "name": "x"}"#, "`args.pet_id` must be more than 0"),
        (r#"{"pet_id": 7}"#, "`args.name` is missing"),
        (r#"{"pet_id": 7, "name": "x", "mother": {}}"#, "`args.mother.name` is missing"),
        (r#"{"pet_id": 7, "name": "x", "nose": 1}"#, "`args.nose` is no argument"),
    ] {
        assert!(put.refuses(&args(odd)).unwrap().contains(said), "{odd}");
    }
}

#[test]
fn hostile_documents_get_a_sentence() {
    let with = |at: &str, value: Value| {
        let mut document = document();
        *document.pointer_mut(at).unwrap() = value;
        openapi(&document, &Plan::default())
    };
    assert!(
        openapi(&json!({"swagger": "2.0"}), &Plan::default()).unwrap_err().contains("no OpenAPI document")
    );
    assert!(with("/servers", json!([])).unwrap_err().contains("--server"));
    assert!(with("/servers/0/url", json!("/relative")).unwrap_err().contains("--server"));
    let circle =
        with("/components/parameters/Fields", json!({"$ref": "#/components/parameters/Fields"})).unwrap();
    assert!(circle.notes.iter().any(|note| note.contains("in a circle")), "{:?}", circle.notes);
    let outside = with("/components/schemas/Pet", json!({"$ref": "other.yaml#/Pet"})).unwrap();
    assert!(outside.notes.iter().any(|note| note.contains("out of the document")), "{:?}", outside.notes);
    assert!(with("/paths", json!([1, 2])).unwrap().tools.is_empty());
}

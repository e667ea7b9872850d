//! `portcullis tools import openapi`: from a document to tools that can be called.

use std::process::{Command, Output};

use serde_json::json;
use verdict::KeyRole;

use crate::http_client::{Folder, Served};
use crate::upstream::{Deed, Upstream};

fn portcullis(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis")).args(args).output().unwrap()
}

const DOCUMENT: &str = r#"
openapi: 3.1.0
info: {title: Things, version: "1"}
servers: [{url: "http://SERVER/api"}]
paths:
  /things/{id}:
    get:
      operationId: getThing
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {name: page, in: query, schema: {type: integer}}
    post:
      operationId: putThing
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      requestBody: {required: true, content: {application/json: {schema: {type: object, properties: {size: {type: integer}}}}}}
  /files:
    post:
      requestBody: {required: true, content: {text/csv: {}}}
"#;

#[test]
fn tools_of_a_document_are_put_into_a_policy_and_called() {
    let tool = Upstream::start(|_, _| Deed::json("{}"));
    let folder = std::sync::Arc::new(Folder::new());
    let (document, policy) = (folder.0.join("api.yaml"), folder.0.join("policy.yaml"));
    std::fs::write(&document, DOCUMENT.replace("SERVER", &tool.address.to_string())).unwrap();
    std::fs::write(
        &policy,
        "version: 1\n# who may what\nagents:\n  bot:\n    rules: [{name: may, allow: ['things.*']}]\n",
    )
    .unwrap();
    let out = portcullis(&["tools", "import", "openapi", document.to_str().unwrap()]);
    let printed = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && printed.contains("things.getThing:"), "{printed}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("POST /files is left out: its body is not JSON"));
    let out = portcullis(&[
        "tools",
        "import",
        "openapi",
        document.to_str().unwrap(),
        "--policy",
        policy.to_str().unwrap(),
    ]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = std::fs::read_to_string(&policy).unwrap();
    assert!(text.contains("# who may what"), "{text}");

    // What the API is on is private, which a person has to say of each tool.
    let text = text
        .replace("method: GET", "method: GET\n    allow_private: true")
        .replace("method: POST", "method: POST\n    allow_private: true");
    let served = Served::start_in(folder, &text);
    let key = served.key("app", KeyRole::Agent);
    let got = served.post(
        "/v1/tools/things.getThing/call",
        &key,
        &json!({"agent_id": "bot", "args": {"id": "7", "page": 2}}),
    );
    assert_eq!(got.json()["status"], "success", "{}", got.text());
    let put = served.post(
        "/v1/tools/things.putThing/call",
        &key,
        &json!({"agent_id": "bot", "args": {"id": "7", "size": 2}}),
    );
    assert_eq!(put.json()["status"], "success", "{}", put.text());
    let arrived = tool.arrived();
    assert_eq!((arrived[0].method.as_str(), arrived[0].path.as_str()), ("GET", "/api/things/7?page=2"));
    assert_eq!(
        (arrived[1].path.as_str(), arrived[1].body.as_slice()),
        ("/api/things/7", br#"{"size":2}"#.as_slice())
    );
}

#[test]
fn a_document_is_fetched_and_a_policy_with_mistakes_is_left_as_it_was() {
    let tool = Upstream::start(|_, request| match request.path.as_str() {
        "/api.yaml" => Deed::Answer(200, String::new(), DOCUMENT.as_bytes().to_vec()),
        _ => Deed::status(404),
    });
    let folder = Folder::new();
    let policy = folder.0.join("policy.yaml");
    std::fs::write(&policy, "version: 2\n").unwrap();
    let url = format!("http://{}/api.yaml", tool.address);
    let server = ["--server", "https://api.example.com", "--prefix", "x"];
    let out = portcullis(
        &[&["tools", "import", "openapi", url.as_str(), "--policy", policy.to_str().unwrap()][..], &server]
            .concat(),
    );
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("is as it was"));
    assert_eq!(std::fs::read_to_string(&policy).unwrap(), "version: 2\n");
    let out = portcullis(&[&["tools", "import", "openapi", url.as_str()][..], &server].concat());
    assert!(String::from_utf8_lossy(&out.stdout).contains("https://api.example.com/things/{id}"));
    for (source, said) in [
        (format!("http://{}/none", tool.address), "status 404"),
        ("/nowhere.yaml".to_owned(), "cannot be read"),
        ("http://169.254.169.254/".to_owned(), "metadata"),
    ] {
        let out = portcullis(&["tools", "import", "openapi", &source]);
        assert!(
            !out.status.success() && String::from_utf8_lossy(&out.stderr).contains(said),
            "{source}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

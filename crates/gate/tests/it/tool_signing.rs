//! Signatures of calls: the verifiers that the documentation gives away, run against what a gate really sends. The one in
//! TypeScript is run by `tests/e2e`, which installs a Node that can.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Value, json};
use verdict::KeyRole;

use crate::http_client::{Folder, Served};
use crate::tool_call::{called, gate};
use crate::upstream::{Arrived, Deed, Upstream};

#[path = "../../../../docs/verifiers/portcullis_verify.rs"]
pub mod portcullis_verify;
use portcullis_verify::Verifier;

const SECRET: &str = "the tool's own secret";
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verifiers");

/// A file with the secret, for a tool's `auth`.
fn secret_file(folder: &Folder) -> String {
    let path = folder.0.join("secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    path.display().to_string()
}

fn hmac_tool(tool: &Upstream, folder: &Folder, extra: &str) -> String {
    let file = secret_file(folder);
    format!(
        "{{url: 'http://{}/do/{{id}}?v=1', allow_private: true, undeclared_args: allow, auth: {{hmac_sha256: {{file: '{file}'}}}}{extra}}}",
        tool.address
    )
}

fn signed_request() -> Arrived {
    let tool = Upstream::start(|_, _| Deed::json("1"));
    let folder = Folder::new();
    let served = gate(&hmac_tool(&tool, &folder, ""), "");
    let key = served.key("app", KeyRole::Agent);
    called(&served, &key, &json!({"agent_id": "bot", "args": {"id": "ä/1", "n": [1.5, "x"]}}));
    tool.arrived().remove(0)
}

/// The request as it came, and changed in every way that a verifier must notice: name, time of the check, request,
/// what must be said.
fn cases(good: &Arrived) -> Vec<Value> {
    let headers = |it: &Arrived| -> Value {
        let names = ["portcullis-timestamp", "portcullis-nonce", "portcullis-signature"];
        names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), json!(it.header(name)?))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let sent: i64 = good.header("portcullis-timestamp").unwrap().parse().unwrap();
    let base = json!({
        "method": good.method, "path": good.path, "headers": headers(good), "now": sent + 1,
        "body": base64::engine::general_purpose::STANDARD.encode(&good.body),
    });
    let changed = |at: &str, value: Value, said: &str| {
        let mut case = base.clone();
        *case.pointer_mut(at).unwrap() = value;
        case["said"] = json!(said);
        case
    };
    let wrong = "the signature is wrong";
    vec![
        changed("/now", json!(sent + 301), "the request is too old, or a clock is wrong"),
        changed("/now", json!(sent - 301), "the request is too old, or a clock is wrong"),
        changed("/method", json!("PUT"), wrong),
        changed("/path", json!("/do/other?v=1"), wrong),
        changed("/body", json!("e30="), wrong),
        changed("/headers/portcullis-timestamp", json!((sent + 1).to_string()), wrong),
        changed("/headers/portcullis-nonce", json!("0".repeat(32)), wrong),
        changed("/headers/portcullis-signature", json!(format!("v1={}", "0".repeat(64))), wrong),
        changed("/headers/portcullis-timestamp", json!("soon"), "the request carries no signature"),
        changed("/now", json!(sent + 299), ""),
        changed("/now", json!(sent + 299), "the request came before"),
    ]
}

fn run(program: &str, args: &[&str], script: &str, input: &Value) -> Option<Value> {
    let mut command = Command::new(program);
    command.args(args).arg(script).current_dir(DOCS).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
    Some(serde_json::from_slice(&out.stdout).unwrap())
}

fn expected(cases: &[Value]) -> Vec<Value> {
    cases.iter().map(|case| case["said"].clone()).collect()
}

#[test]
fn the_verifier_in_python_refuses_what_was_changed_is_old_or_came_before() {
    let cases = cases(&signed_request());
    let script = "
import base64, json, sys
from portcullis_verify import Unsigned, Verifier
now, said = 0, []
verifier = Verifier(\"the tool's own secret\", clock=lambda: now)
for case in json.load(sys.stdin):
    now = case['now']
    try:
        verifier.check(case['method'], case['path'], case['headers'], base64.b64decode(case['body']))
        said.append('')
    except Unsigned as why:
        said.append(str(why))
print(json.dumps({'said': said, 'answer': verifier.sign_answer(200, '0' * 32, b'ok')}))
";
    let out = run("python3", &["-c"], script, &json!(cases)).expect("python3 is installed");
    assert_eq!(out["said"], json!(expected(&cases)));
    assert_eq!(out["answer"], Verifier::new(SECRET.as_bytes()).sign_answer(200, &"0".repeat(32), b"ok"));
}

#[test]
fn the_verifier_in_rust_does_so_too() {
    let cases = cases(&signed_request());
    let verifier = Verifier::new(SECRET.as_bytes());
    for case in &cases {
        let body = base64::engine::general_purpose::STANDARD.decode(case["body"].as_str().unwrap()).unwrap();
        let (method, path) = (case["method"].as_str().unwrap(), case["path"].as_str().unwrap());
        let header = |name: &str| case["headers"][name].as_str();
        let said = verifier.check_at(case["now"].as_u64().unwrap(), (method, path), header, &body);
        assert_eq!(said.err().unwrap_or_default(), case["said"], "{case}");
    }
}

#[test]
fn each_attempt_has_a_nonce_of_its_own() {
    let tool = Upstream::start(|n, _| if n == 0 { Deed::status(500) } else { Deed::json("1") });
    let folder = Folder::new();
    let served = gate(&hmac_tool(&tool, &folder, ", idempotent: true"), "");
    let key = served.key("app", KeyRole::Agent);
    called(&served, &key, &json!({"agent_id": "bot", "args": {"id": "1"}}));
    let nonces: Vec<String> =
        tool.arrived().iter().map(|it| it.header("portcullis-nonce").unwrap().to_owned()).collect();
    assert_eq!(nonces.len(), 2);
    assert_ne!(nonces[0], nonces[1]);
}

#[test]
fn answers_must_be_signed_where_that_is_asked_for() {
    let verifier = Arc::new(Verifier::new(SECRET.as_bytes()));
    let tool = Upstream::start(move |n, request| {
        let nonce =
            verifier.check(&request.method, &request.path, |name| request.header(name), &request.body);
        let body = b"{\"n\": 1}";
        let signature = verifier.sign_answer(200, &nonce.unwrap(), body);
        match n {
            0 => Deed::Answer(200, format!("Portcullis-Signature: {signature}\r\n"), body.to_vec()),
            1 => Deed::Answer(200, format!("Portcullis-Signature: {signature}\r\n"), b"{\"n\": 2}".to_vec()),
            2 => Deed::Answer(404, format!("Portcullis-Signature: {signature}\r\n"), body.to_vec()),
            _ => Deed::json("{\"n\": 1}"),
        }
    });
    let folder = Folder::new();
    let served = gate(&hmac_tool(&tool, &folder, ", signed_answers: true"), "");
    let key = served.key("app", KeyRole::Agent);
    let ask = || called(&served, &key, &json!({"agent_id": "bot", "args": {"id": "1"}}));
    assert_eq!(ask()["result"], json!({"n": 1}));
    for _ in 0..3 {
        let answer = ask();
        assert_eq!(
            (&answer["status"], &answer["error"]["code"]),
            (&json!("unknown"), &json!("unsigned")),
            "{answer}"
        );
        assert_eq!(answer.get("result"), None);
    }
}

#[test]
fn onceonly_headers_are_those_of_its_documentation() {
    let tool = Upstream::start(|_, _| Deed::json("{\"ok\": true}"));
    let folder = Folder::new();
    let served = gate(&hmac_tool(&tool, &folder, ", signing: onceonly").replace("/do/{id}?v=1", "/hook"), "");
    let key = served.key("app", KeyRole::Agent);
    assert_eq!(
        called(&served, &key, &json!({"agent_id": "bot", "args": {"a": 1}}))["result"],
        json!({"ok": true})
    );
    let arrived = tool.arrived().remove(0);
    let body: Value = serde_json::from_slice(&arrived.body).unwrap();
    assert_eq!(body, json!({"agent_id": "bot", "args": {"a": 1}, "tool": "t"}));
    assert_eq!(arrived.header("x-onceonly-signature-alg"), Some("hmac_sha256"));
    assert!(arrived.header("x-onceonly-timestamp").unwrap().parse::<u64>().is_ok());
    assert_eq!(arrived.header("portcullis-signature"), None);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let expected = verdict::hex(ring::hmac::sign(&key, &arrived.body).as_ref());
    assert_eq!(arrived.header("x-onceonly-signature"), Some(expected.as_str()));
}

#[test]
fn bearer_and_header_secrets_go_where_they_belong_and_nowhere_else() {
    let tool = Upstream::start(|_, _| Deed::json("1"));
    let folder = Folder::new();
    let file = secret_file(&folder);
    let policy =
        |auth: &str| format!("{{url: 'http://{}/', allow_private: true, auth: {auth}}}", tool.address);
    for (auth, name, value) in [
        (format!("{{bearer: {{file: '{file}'}}}}"), "authorization", format!("Bearer {SECRET}")),
        (format!("{{header: {{name: X-Key, file: '{file}'}}}}"), "x-key", SECRET.to_owned()),
    ] {
        let served = gate(&policy(&auth), "");
        let key = served.key("app", KeyRole::Agent);
        let answer = called(&served, &key, &json!({"agent_id": "bot"}));
        assert_eq!(answer["status"], "success");
        assert_eq!(tool.arrived().pop().unwrap().header(name), Some(value.as_str()));
        ledger_is_silent(&served);
    }
    let served = gate(&policy("{bearer: {env: PORTCULLIS_NO_SUCH_VARIABLE}}"), "");
    let key = served.key("app", KeyRole::Agent);
    let answer = called(&served, &key, &json!({"agent_id": "bot"}));
    assert_eq!((&answer["status"], &answer["error"]["code"]), (&json!("cancelled"), &json!("not_ready")));
    assert!(!answer.to_string().contains("NO_SUCH_VARIABLE"), "{answer}");
    assert_eq!(tool.count(), 2);
}

/// The secret is in no file of the ledger.
pub fn ledger_is_silent(served: &Served) {
    for file in std::fs::read_dir(&served.folder.0).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "the secret is in a file of the ledger");
    }
}

#[test]
fn a_registered_tool_is_called_with_its_stored_secret() {
    let tool = Upstream::start(|_, _| Deed::json("{\"ok\": true}"));
    let served = gate(
        "{url: 'https://old.example/', effects: [payment]}",
        "  other:\n    rules: [{name: may, allow: [own]}]\n",
    );
    let (key, admin) = (served.key("app", KeyRole::Agent), served.key("alice", KeyRole::Admin));
    let body = json!({
        "name": "t", "url": format!("http://{}/hook", tool.address), "allow_private": true, "price_usd": 0.5,
        "auth": {"type": "hmac_sha256", "secret": SECRET}, "schema": {"properties": {"a": {"type": "integer"}}},
    });
    let made = served.post("/v1/tools", &admin, &body);
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(!made.text().contains(SECRET));
    assert_eq!(
        (&made.json()["secret"], &made.json()["auth"]),
        (&json!("stored:tool.t"), &json!("hmac_sha256"))
    );
    let answer = called(&served, &key, &json!({"agent_id": "bot", "args": {"a": 1}}));
    assert_eq!((&answer["status"], &answer["cost_usd"]), (&json!("success"), &json!(0.5)), "{answer}");
    let arrived = tool.arrived().remove(0);
    let verifier = Verifier::new(SECRET.as_bytes());
    assert!(verifier.check("POST", "/hook", |name| arrived.header(name), &arrived.body).is_ok());
    ledger_is_silent(&served);

    // The policy says so, in a version of its own, and keeps what the tool does.
    let policy = served.get("/v1/policy", &admin).json();
    let text = policy.to_string();
    assert!(text.contains("stored: tool.t") && text.contains("payment") && !text.contains(SECRET), "{text}");
    let listed = served.get("/v1/tools", &admin).json();
    assert_eq!(listed["declared"][0]["name"], "t");
    assert_eq!(served.get("/v1/tools/t", &admin).json()["price_usd"], 0.5);
    assert_eq!(served.get("/v1/secrets", &admin).json(), json!({"secrets": ["tool.t"]}));

    // For one agent alone.
    let own = json!({"name": "own", "scope": "agent:other", "url": format!("http://{}/own", tool.address), "allow_private": true});
    assert_eq!(served.post("/v1/tools", &admin, &own).status, 201);
    assert_eq!(served.get("/v1/tools/own", &admin).status, 404);
    assert_eq!(served.get("/v1/tools/own?scope=agent:other", &admin).json()["scope"], "agent:other");
    assert_eq!(
        served.post("/v1/tools/own/call", &key, &json!({"agent_id": "other"})).json()["status"],
        "success"
    );

    // Removed, it and its secret are gone.
    assert_eq!(served.call("DELETE", "/v1/tools/t", &admin, None).status, 200);
    assert_eq!(served.call("DELETE", "/v1/tools/t", &admin, None).status, 404);
    assert_eq!(served.get("/v1/secrets", &admin).json(), json!({"secrets": []}));
    assert_eq!(served.post("/v1/tools/t/call", &key, &json!({"agent_id": "bot"})).status, 409);
}

#[test]
fn what_is_no_tool_is_not_registered() {
    let served = gate("{}", "");
    let (agent, admin) = (served.key("app", KeyRole::Agent), served.key("alice", KeyRole::Admin));
    let before = served.get("/v1/policy", &admin).json()["version"].clone();
    for (body, code, said) in [
        (json!({"url": "https://a/"}), "invalid_request", "`name` is missing"),
        (json!({"name": "x"}), "invalid_request", "`url` is missing"),
        (json!({"name": "x", "exec": ["id"]}), "invalid_request", "`exec` is not registered here"),
        (
            json!({"name": "x", "url": "https://a/", "builtin": "shell.run"}),
            "invalid_request",
            "declared in the policy",
        ),
        (json!({"name": "x", "url": "https://a/", "scope": "team"}), "invalid_request", "`scope`"),
        (
            json!({"name": "x", "url": "https://a/", "scope": "agent:nobody"}),
            "invalid_request",
            "no agent `nobody`",
        ),
        (json!({"name": "a b", "url": "https://a/"}), "invalid_request", "`a b`"),
        (json!({"name": "x", "url": "gopher://a/"}), "invalid_policy", "neither `https://` nor `http://`"),
        (
            json!({"name": "x", "url": "https://a/", "timeout_ms": 1}),
            "invalid_policy",
            "not between 250 and 120000",
        ),
        (json!({"name": "x", "url": "https://a/", "frob": 1}), "invalid_policy", "unknown key `frob`"),
        (
            json!({"name": "x", "url": "https://a/", "auth": {"type": "bearer", "secret": "short"}}),
            "invalid_request",
            "8 to",
        ),
    ] {
        let answer = served.post("/v1/tools", &admin, &body);
        assert_eq!((answer.status, answer.problem().as_str()), (422, code), "{body}: {}", answer.text());
        assert!(answer.json()["detail"].as_str().unwrap().contains(said), "{}", answer.text());
    }
    assert_eq!(served.post("/v1/tools", &agent, &json!({"name": "x", "url": "https://a/"})).status, 403);
    assert_eq!(served.get("/v1/policy", &admin).json()["version"], before);
}

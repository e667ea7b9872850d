//! Who may do what over HTTP: every route of the OpenAPI document against every kind of key, and what keys of one
//! agent or of the test realm see.

use std::time::Duration;

use serde_json::{Value, json};
use verdict::{KeyRole, Realm};

use crate::http_client::{Answer, Served, open_gate};

/// Every operation of the document: method, path with its parts filled in, the operation.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let filled = path
            .replace("{decision_id}", "dec_99999")
            .replace("{approval_id}", "apr_99999")
            .replace("{agent_id}", "nobody")
            .replace("{key_id}", "key_none")
            .replace("{name}", "nothing")
            .replace("{index}", "99999")
            .replace("{run_id}", "run%2F1")
            .replace("{permission_id}", "perm_none")
            .replace("{webhook_id}", "wh_none")
            .replace("{product}", "claude-code")
            .replace("{name}", "nothing");
        assert!(!filled.contains('{'), "the test knows no value for {path}");
        for (method, operation) in methods.as_object().unwrap() {
            all.push((method.to_ascii_uppercase(), filled.clone(), operation.clone()));
        }
    }
    all
}

fn call(served: &Served, method: &str, path: &str, key: &str) -> Answer {
    let body = matches!(method, "POST" | "PUT").then_some("{}");
    served.call(method, path, key, body)
}

/// The code of a refusal. Other products' clients get their own form, which has none.
fn refusal(path: &str, answer: &Answer) -> String {
    if !path.starts_with("/onceonly/") && !path.starts_with("/agentwarden/") {
        return answer.problem();
    }
    let detail = answer.json()["detail"].clone();
    assert!(detail.as_str().is_some_and(|detail| !detail.is_empty()), "{path}: {}", answer.text());
    let code = if answer.status == 401 { "unauthenticated" } else { "forbidden" };
    code.to_owned()
}

#[test]
fn every_operation_holds_to_its_roles() {
    let served = Served::start();
    let document = served.get("/openapi.json", "").json();
    let roles = [
        ("agent", KeyRole::Agent),
        ("approver", KeyRole::Approver),
        ("auditor", KeyRole::Auditor),
        ("admin", KeyRole::Admin),
    ];
    let keys: Vec<(&str, String)> =
        roles.iter().map(|(name, role)| (*name, served.key(name, *role))).collect();
    let test = served.key_like("test-admin", KeyRole::Admin, None, Realm::Test);
    let wrong = format!("pk_live_{}", "x".repeat(40));
    let (mut closed, mut open) = (0, Vec::new());
    for (method, path, operation) in operations(&document) {
        let at = format!("{method} {path}");
        if operation["security"] == json!([]) {
            let expected = if path.starts_with("/agentwarden/auth/") { 422 } else { 200 };
            assert_eq!(call(&served, &method, &path, "").status, expected, "{at}");
            open.push(path);
            continue;
        }
        closed += 1;
        for key in ["", wrong.as_str(), "x"] {
            let answer = call(&served, &method, &path, key);
            assert_eq!((answer.status, refusal(&path, &answer).as_str()), (401, "unauthenticated"), "{at}");
            assert!(answer.header("www-authenticate").is_some(), "{at}");
        }
        let listed: Vec<&str> =
            operation["x-portcullis-roles"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(listed.contains(&"admin"), "{at}");
        for (role, key) in &keys {
            let answer = call(&served, &method, &path, key);
            if listed.contains(role) {
                assert!(![401, 403, 405, 500].contains(&answer.status), "{at} as {role}: {}", answer.text());
            } else {
                assert_eq!(
                    (answer.status, refusal(&path, &answer).as_str()),
                    (403, "forbidden"),
                    "{at} as {role}"
                );
            }
        }
        if operation["x-portcullis-test-keys"] == json!(false) {
            assert_eq!(call(&served, &method, &path, &test).status, 403, "{at} with a test key");
        }
    }
    open.sort();
    assert_eq!(
        open,
        [
            "/",
            "/.well-known/authzen-configuration",
            "/agentwarden/auth/login",
            "/agentwarden/auth/register",
            "/healthz",
            "/openapi.json",
            "/readyz",
        ],
        "nothing else is open"
    );
    assert!(closed > 20, "{closed}");
    assert_eq!(served.get("/v1/key", &wrong).status, 401);
}

#[test]
fn the_document_describes_what_is_served() {
    let document = gate::http::document();
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for shape in [
        "CheckRequest",
        "CheckReply",
        "OutcomeRequest",
        "ApprovalView",
        "DecisionView",
        "KeyRequest",
        "Problem",
    ] {
        assert!(schemas.contains_key(shape), "{shape}: {:?}", schemas.keys());
    }
    let check = schemas["CheckRequest"].as_object().unwrap();
    assert_eq!(check["additionalProperties"], json!(false));
    assert_eq!(check["required"], json!(["agent_id", "tool"]));
    let mut names = std::collections::BTreeSet::new();
    for (_, path, operation) in operations(&document) {
        assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
        assert!(operation["responses"]["4XX"].is_object());
    }
    let mut references = Vec::new();
    collect(&document, &mut references);
    for reference in references {
        assert!(
            document.pointer(reference.strip_prefix('#').unwrap()).is_some(),
            "{reference} leads nowhere"
        );
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            references.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => (),
    }
}

#[test]
fn a_key_is_given_in_one_place_or_the_same_in_both() {
    let served = Served::start();
    let (key, other) = (served.key("app", KeyRole::Agent), served.key("other", KeyRole::Agent));
    let status = |headers: &str| served.raw("GET", "/v1/key", headers, b"").status;
    assert_eq!(status(&format!("Authorization: Bearer {key}\r\n")), 200);
    assert_eq!(status(&format!("authorization: bearer {key}\r\n")), 200);
    assert_eq!(status(&format!("X-API-Key: {key}\r\n")), 200);
    assert_eq!(status(&format!("X-API-Key: {key}\r\nAuthorization: Bearer {key}\r\n")), 200);
    assert_eq!(status(&format!("X-API-Key: {key}\r\nAuthorization: Bearer {other}\r\n")), 401);
    assert_eq!(status(&format!("X-API-Key: {key}\r\nX-API-Key: {other}\r\n")), 401);
    assert_eq!(status(&format!("Authorization: Basic {key}\r\n")), 401);
    assert_eq!(status(&format!("Authorization: {key}\r\n")), 401);
    assert_eq!(status("Authorization: Bearer \r\n"), 401);
    assert_eq!(status(&format!("X-API-Key: {key}x\r\n")), 401);
    assert_eq!(status(&format!("X-API-Key: {}\r\n", "k".repeat(5_000))), 401);
}

#[test]
fn a_key_for_one_agent_acts_and_reads_for_that_agent_alone() {
    let served = Served::start();
    let bound = served.key_like("app", KeyRole::Agent, Some("support-bot"), Realm::Live);
    let free = served.key("free", KeyRole::Agent);
    for agent in ["other-bot", "no-such-agent", ""] {
        let answer = served.post("/v1/check", &bound, &json!({"agent_id": agent, "tool": "crm.read"}));
        let text = answer.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!(
            (answer.status, text.as_str()),
            (403, "this key can act for another agent only"),
            "{agent}"
        );
    }
    let others = served.read(&free, "other-bot")["decision_id"].as_str().unwrap().to_owned();
    let own = served.read(&free, "support-bot")["decision_id"].as_str().unwrap().to_owned();
    let none = served.get("/v1/decisions/dec_99999", &bound);
    let theirs = served.get(&format!("/v1/decisions/{others}"), &bound);
    assert_eq!((none.status, theirs.status), (404, 404));
    assert_eq!(
        none.text().replace("dec_99999", "X").len(),
        theirs.text().replace(&others, "X").len(),
        "no hint"
    );
    assert_eq!(served.get(&format!("/v1/decisions/{own}"), &bound).status, 200);
    assert_eq!(
        served.post(&format!("/v1/decisions/{others}/outcome"), &bound, &json!({"status": "success"})).status,
        404
    );
    assert_eq!(served.get("/v1/decisions?agent_id=other-bot", &bound).status, 403);
    let list = served.get("/v1/decisions", &bound).json();
    assert_eq!(list["decisions"].as_array().unwrap().len(), 1);
    let asked = served
        .check(&free, &json!({"agent_id": "support-bot", "tool": "stripe.refund", "args": {"amount": 500}}));
    assert_eq!(
        served.get(&format!("/v1/approvals/{}", asked["approval_id"].as_str().unwrap()), &bound).status,
        200
    );
    let stranger = served.key_like("third", KeyRole::Agent, Some("other-bot"), Realm::Live);
    assert_eq!(
        served.get(&format!("/v1/approvals/{}", asked["approval_id"].as_str().unwrap()), &stranger).status,
        404
    );
    assert_eq!(served.get("/v1/approvals", &stranger).json()["approvals"], json!([]));
}

#[test]
fn test_keys_live_in_a_world_of_their_own() {
    let served = Served::start();
    let (live, test) =
        (served.key("app", KeyRole::Admin), served.key_like("lab", KeyRole::Admin, None, Realm::Test));
    assert!(test.starts_with("pk_test_") && live.starts_with("pk_live_"));
    for _ in 0..10 {
        assert_eq!(served.read(&test, "limited-bot")["allowed"], true);
    }
    assert_eq!(served.read(&test, "limited-bot")["code"], "limit");
    assert_eq!(
        served.read(&live, "limited-bot")["remaining"]["actions per 1h"],
        9,
        "the live counter was not touched"
    );
    let seen = |key: &str| served.get("/v1/decisions", key).json()["decisions"].as_array().unwrap().clone();
    assert_eq!((seen(&test).len(), seen(&live).len()), (11, 1));
    let id = seen(&live)[0]["decision_id"].as_str().unwrap().to_owned();
    assert_eq!(served.get(&format!("/v1/decisions/{id}"), &test).status, 404);
    assert_eq!(
        served.post(&format!("/v1/decisions/{id}/outcome"), &test, &json!({"status": "failed"})).status,
        404
    );
    let asked = served
        .check(&live, &json!({"agent_id": "support-bot", "tool": "stripe.refund", "args": {"amount": 500}}));
    let approval = asked["approval_id"].as_str().unwrap();
    let judge = served.key_like("judge", KeyRole::Approver, None, Realm::Test);
    assert_eq!(served.post(&format!("/v1/approvals/{approval}/approve"), &judge, &json!({})).status, 404);
    assert_eq!(served.get("/v1/approvals", &judge).json()["approvals"], json!([]));
    let own = json!({"name": "x", "role": "agent"});
    assert_eq!(served.post("/v1/keys", &test, &own).status, 403, "a test key makes no live key");
    let own = json!({"name": "x", "role": "agent", "test": true});
    assert_eq!(served.post("/v1/keys", &test, &own).status, 201);
    let listed = served.get("/v1/keys", &test).json();
    assert!(listed["keys"].as_array().unwrap().iter().all(|key| key["test"] == true));
    let text = String::from_utf8(served.get("/metrics", &live).body).unwrap();
    assert!(text.contains("agent=\"limited-bot\",tool=\"crm.read\",decision=\"allow\"} 1\n"), "{text}");
}

#[test]
fn keys_are_shown_once_and_revoked_at_once() {
    let served = Served::start();
    let admin = served.key("ada", KeyRole::Admin);
    let made =
        served.post("/v1/keys", &admin, &json!({"name": "ci", "role": "agent", "agent_id": "support-bot"}));
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let (id, secret) = (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned());
    assert!(secret.len() == 48 && secret.starts_with("pk_live_"), "{secret}");
    assert_eq!(served.get("/v1/key", &secret).json()["agent_id"], "support-bot");
    let listed = served.get("/v1/keys", &admin);
    assert!(!listed.text().contains(&secret) && listed.text().contains(&id));
    assert!(!listed.text().contains("hash"));
    assert_eq!(served.call("DELETE", &format!("/v1/keys/{id}"), &admin, None).status, 200);
    assert_eq!(served.get("/v1/key", &secret).status, 401, "at once");
    assert_eq!(served.call("DELETE", &format!("/v1/keys/{id}"), &admin, None).status, 404);
    for body in [
        json!({"role": "agent"}),
        json!({"name": "x", "role": "king"}),
        json!({"name": "x", "role": "approver", "agent_id": "a"}),
        json!({"name": "", "role": "agent"}),
        json!({"name": "x", "role": "agent", "secret": "mine"}),
        json!({"name": "x", "role": "agent", "expires_at": "soon"}),
        json!({"name": "x".repeat(10_000), "role": "agent"}),
        json!({"name": "x", "role": "agent", "test": "yes"}),
        json!({"name": "x", "role": "agent", "groups": "all"}),
    ] {
        assert_eq!(served.post("/v1/keys", &admin, &body).status, 422, "{body}");
    }
    let past = json!({"name": "x", "role": "agent", "expires_at": "2001-01-01T00:00:00Z"});
    assert_eq!(served.post("/v1/keys", &admin, &past).status, 400);
}

#[test]
fn a_key_revoked_and_an_agent_disabled_by_another_process_stop_here() {
    let served = Served::start();
    let (app, admin) = (served.key("app", KeyRole::Agent), served.key("ada", KeyRole::Admin));
    // Another holder of the same ledger, as another process would be.
    let other = open_gate(&served.folder, crate::http_client::POLICY);
    let id = served.get("/v1/key", &app).json()["id"].as_str().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let disable = verdict::Command::Agent {
        agent: "other-bot".to_owned(),
        enabled: Some(false),
        reason: Some("from afar".to_owned()),
        notes: None,
        by: "ops".to_owned(),
    };
    runtime.block_on(other.desk.obey(disable)).unwrap().unwrap();
    assert_eq!(served.read(&app, "other-bot")["code"], "agent_disabled", "the very next check");
    runtime
        .block_on(other.desk.obey(verdict::Command::Revoke { id, by: "ops".to_owned() }))
        .unwrap()
        .unwrap();
    let gone = (0..5_000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        served.get("/v1/key", &app).status == 401
    });
    assert!(gone, "the key still counts");
    assert_eq!(served.get("/v1/key", &admin).status, 200);
}

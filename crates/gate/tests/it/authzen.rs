//! OpenID AuthZEN 1.0: the same decisions as every other way in, in the standard's words.

use serde_json::{Value, json};
use verdict::KeyRole;

use crate::http_client::{Folder, Served};

const POLICY: &str = r#"
version: 1
tools:
  can_read_todos: {}
  files.write: {args: {path: fs.write}}
  pay: {args: {amount: money}}
agents:
  rick:
    rules:
      - {name: read, allow: can_read_todos, when: 'context.resource.type == "todo"'}
      - {name: write, allow: files.write}
      - {name: small, allow: pay, when: args.amount <= 200}
      - {name: large, allow: pay, when: args.amount > 200, approval: {from: [alice]}}
    limits: [{meter: actions, tools: [can_read_todos], max: 3, per: 1h}]
    boundaries: {paths: {write: [/srv]}}
"#;

fn served() -> Served {
    Served::start_in(std::sync::Arc::new(Folder::new()), POLICY)
}

fn question(action: &Value) -> Value {
    json!({
        "subject": {"type": "agent", "id": "rick"},
        "action": action,
        "resource": {"type": "todo", "id": "7"},
    })
}

#[test]
fn a_question_is_decided_and_recorded_as_a_check() {
    let served = served();
    let key = served.key("pep", KeyRole::Agent);
    let ask = |body: &Value| served.post("/access/v1/evaluation", &key, body);
    let cases = [
        (json!({"name": "can_read_todos"}), "allowed"),
        (json!({"name": "can_delete_todos"}), "unknown_tool"),
        (json!({"name": "files.write", "properties": {"path": "/srv/a"}}), "allowed"),
        (json!({"name": "files.write", "properties": {"path": "/srv/../etc/passwd"}}), "boundary"),
        (json!({"name": "files.write"}), "boundary"),
        (json!({"name": "pay", "properties": {"amount": 100}}), "allowed"),
        (json!({"name": "pay", "properties": {"amount": 300}}), "approval_required"),
        (json!({"name": "pay", "properties": {"amount": "100"}}), "invalid_action"),
    ];
    for (action, code) in cases {
        let answer = ask(&question(&action));
        assert_eq!(answer.status, 200, "{action}: {}", answer.text());
        let answer = answer.json();
        assert_eq!(answer["context"]["code"], code, "{action}: {answer}");
        assert_eq!(answer["decision"], code == "allowed", "{action}: {answer}");
        assert_eq!(answer["context"]["approval_id"].is_string(), code == "approval_required", "{answer}");
        // The very answer of a check.
        let same = served.check(
            &key,
            &json!({"agent_id": "rick", "tool": action["name"], "args": action["properties"],
                    "context": {"resource": {"type": "todo", "id": "7"}}}),
        );
        assert_eq!(same["code"], code, "{action}: {same}");
        assert_eq!(same["rule"], answer["context"]["rule"], "{action}");
        let id = answer["context"]["decision_id"].as_str().unwrap();
        let found = served.get(&format!("/v1/decisions/{id}"), &key).json();
        assert_eq!((&found["tool"], &found["code"]), (&action["name"], &json!(code)), "{found}");
    }
}

#[test]
fn what_is_no_question_is_400_and_nothing_is_allowed() {
    let served = served();
    let key = served.key("pep", KeyRole::Agent);
    let good = question(&json!({"name": "can_read_todos"}));
    let with = |at: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(at).unwrap() = value;
        body
    };
    let odd = [
        json!({}),
        json!([good]),
        with("/subject", Value::Null),
        with("/subject", json!("rick")),
        with("/subject/id", json!(7)),
        with("/subject", json!({"id": "rick"})),
        with("/action", json!({})),
        with("/action/name", json!("")),
        with("/action", json!({"name": "can_read_todos", "properties": [1]})),
        with("/resource", json!({"id": "7"})),
        with("/resource", Value::Null),
        {
            let mut body = good.clone();
            body["context"] = json!([]);
            body
        },
        {
            let mut body = good.clone();
            body["context"] = json!({"resource": {"type": "todo"}});
            body
        },
    ];
    for body in odd {
        let answer = served.post("/access/v1/evaluation", &key, &body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert!(answer.json().get("decision").is_none(), "{body}");
    }
    assert_eq!(served.post("/access/v1/evaluation", "pk_live_none", &good).status, 401);
    let auditor = served.key("auditor", KeyRole::Auditor);
    assert_eq!(served.post("/access/v1/evaluation", &auditor, &good).status, 403);
}

#[test]
fn many_questions_share_defaults_and_stop_where_they_say() {
    let served = served();
    let key = served.key("pep", KeyRole::Agent);
    let ask = |body: &Value| served.post("/access/v1/evaluations", &key, body).json();
    let read = json!({"name": "can_read_todos"});
    let none = json!({"name": "can_delete_todos"});
    let request = |actions: &[&Value], semantic: &str| {
        let evaluations: Vec<Value> = actions.iter().map(|action| json!({"action": action})).collect();
        json!({
            "subject": {"type": "agent", "id": "rick"},
            "resource": {"type": "todo", "id": "7"},
            "evaluations": evaluations,
            "options": {"evaluations_semantic": semantic},
        })
    };
    let decisions = |answer: &Value| -> Vec<bool> {
        let all = answer["evaluations"].as_array().unwrap_or_else(|| panic!("{answer}"));
        all.iter().map(|it| it["decision"].as_bool().unwrap()).collect()
    };
    assert_eq!(decisions(&ask(&request(&[&read, &none], "execute_all"))), [true, false]);
    assert_eq!(decisions(&ask(&request(&[&none, &read, &read], "deny_on_first_deny"))), [false]);
    assert_eq!(decisions(&ask(&request(&[&none, &read, &none], "permit_on_first_permit"))), [false, true]);
    // What was not asked was not counted: of three reads an hour, one is left.
    assert_eq!(decisions(&ask(&request(&[&read, &read], "execute_all"))), [true, false]);
    // One that cannot be read is answered in its place, and the others stand.
    let mut odd = request(&[&none, &none], "execute_all");
    odd["evaluations"][0] = json!({"action": {"name": 7}});
    let answer = ask(&odd);
    assert_eq!(answer["evaluations"][0]["context"]["error"]["status"], 400, "{answer}");
    assert_eq!(answer["evaluations"][1]["context"]["code"], "unknown_tool", "{answer}");
    // Without a list, it is one question.
    let mut single = question(&none);
    assert_eq!(ask(&single)["decision"], false);
    single["evaluations"] = json!([]);
    assert_eq!(ask(&single)["context"]["code"], "unknown_tool");
    for (field, value) in [("options", json!({"evaluations_semantic": "maybe"})), ("evaluations", json!({}))]
    {
        let mut odd = request(&[&read], "execute_all");
        odd[field] = value;
        assert_eq!(served.post("/access/v1/evaluations", &key, &odd).status, 400, "{odd}");
    }
}

#[test]
fn a_decision_point_says_where_it_is() {
    let served = served();
    let found = served.get("/.well-known/authzen-configuration", "").json();
    let here = found["policy_decision_point"].as_str().unwrap();
    assert_eq!(here, "http://localhost", "as the request calls it");
    assert_eq!(found["access_evaluation_endpoint"], format!("{here}/access/v1/evaluation"));
    assert_eq!(found["access_evaluations_endpoint"], format!("{here}/access/v1/evaluations"));
}

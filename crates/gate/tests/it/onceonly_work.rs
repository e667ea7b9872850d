//! OnceOnly's clients: work that the gate does for a task, and what an operator may say of the rest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gate::http::Customs;
use serde_json::{Value, json};
use verdict::KeyRole;

use crate::http_client::{Answer, CUSTOMS, Folder, Served};
use crate::upstream::{Deed, Upstream};

const BASE: &str = "/onceonly/v1";

fn post(served: &Served, key: &str, path: &str, body: &Value) -> Answer {
    served.post(&format!("{BASE}{path}"), key, body)
}

/// A gate whose tools `a` and `b` are at `tool`, and whose `b` needs a person above 10.
fn gate(tool: &Upstream) -> Served {
    let policy = format!(
        "version: 1
tools:
  a: {{url: 'http://{0}/a', allow_private: true, undeclared_args: allow, max_retries: 0}}
  b: {{url: 'http://{0}/b', allow_private: true, undeclared_args: allow, max_retries: 0}}
  plain: {{}}
agents:
  bot:
    rules:
      - {{name: a, allow: [a, plain]}}
      - {{name: b, allow: b, when: args.n <= 10}}
      - {{name: large, allow: b, approval: true}}
",
        tool.address
    );
    Served::start_in(Arc::new(Folder::new()), &policy)
}

/// The task at its end.
fn ended(served: &Served, key: &str, task: &str) -> Value {
    let start = Instant::now();
    loop {
        let result = served.get(&format!("{BASE}/ai/result?key={task}"), key).json();
        if result["status"] != "in_progress" {
            return result;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{result}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn work_is_begun_once_and_done_in_order() {
    let tool = Upstream::start(|n, _| Deed::json(&json!({"n": n}).to_string()).late(50));
    let served = gate(&tool);
    let key = served.key("app", KeyRole::Agent);
    let work = json!({"key": "job", "ttl": 60, "metadata": {"agent_id": "bot", "run_id": "r1", "actions": [
        {"tool": "a", "args": {"x": 1}, "spend_usd": 0.01}, {"tool": "b", "args": {"n": 2}}]}});
    let begun = post(&served, &key, "/ai/run", &work);
    assert_eq!((begun.status, &begun.json()["status"]), (200, &json!("acquired")), "{}", begun.text());
    assert_eq!(post(&served, &key, "/ai/run", &work).json()["status"], "in_progress");
    let result = ended(&served, &key, "job");
    assert_eq!((&result["status"], &result["ok"]), (&json!("completed"), &json!(true)), "{result}");
    let actions = result["result"]["actions"].as_array().unwrap();
    let said: Vec<_> = actions
        .iter()
        .map(|it| (it["tool"].as_str().unwrap(), it["answer"]["result"]["n"].as_u64().unwrap()))
        .collect();
    assert_eq!(said, [("a", 0), ("b", 1)]);
    assert_eq!(post(&served, &key, "/ai/run", &work).json()["status"], "completed");
    let arrived = tool.arrived();
    assert_eq!((arrived.len(), arrived[0].path.as_str(), arrived[1].path.as_str()), (2, "/a", "/b"));
    let decision = actions[0]["answer"]["decision_id"].as_str().unwrap();
    assert_eq!(served.get(&format!("/v1/decisions/{decision}"), &key).json()["session_id"], "r1");
}

#[test]
fn work_that_failed_goes_on_where_it_stopped() {
    let tool = Upstream::start(|n, _| if n == 1 { Deed::status(400) } else { Deed::json("1") });
    let served = gate(&tool);
    let (key, admin) = (served.key("app", KeyRole::Agent), served.key("alice", KeyRole::Admin));
    let work = |name: &str, n: i64| {
        json!({"key": name, "metadata": {"agent_id": "bot", "actions": [
            {"tool": "a"}, {"tool": "b", "args": {"n": n}}, {"tool": "a", "args": {"last": true}}]}})
    };
    post(&served, &key, "/ai/run", &work("job", 1));
    let failed = ended(&served, &key, "job");
    assert_eq!((&failed["status"], &failed["error_code"]), (&json!("failed"), &json!("action_1:failed")));
    assert_eq!(failed["result"]["actions"].as_array().unwrap().len(), 2);
    assert_eq!(tool.count(), 2, "nothing comes after what failed");
    assert_eq!(post(&served, &key, "/ai/run", &work("job", 1)).json()["status"], "acquired");
    assert_eq!(ended(&served, &key, "job")["status"], "completed");
    let paths: Vec<String> = tool.arrived().iter().map(|it| it.path.clone()).collect();
    assert_eq!(paths, ["/a", "/b", "/b", "/a"], "what was done is not done twice");

    // A person is asked; once they have agreed, the same work passes.
    post(&served, &key, "/ai/run", &work("large", 11));
    let waits = ended(&served, &key, "large");
    let error = waits["error_code"].as_str().unwrap();
    let approval = error.strip_prefix("action_1:approval_required:").unwrap_or_else(|| panic!("{waits}"));
    let agreed = served.call("POST", &format!("/v1/approvals/{approval}/approve"), &admin, None);
    assert_eq!(agreed.status, 200, "{}", agreed.text());
    post(&served, &key, "/ai/run", &work("large", 11));
    assert_eq!(ended(&served, &key, "large")["status"], "completed");
    // What is denied ends it, and is on record.
    let denied = json!({"key": "no", "metadata": {"agent_id": "bot", "actions": [{"tool": "unheard"}]}});
    post(&served, &key, "/ai/run", &denied);
    let result = ended(&served, &key, "no");
    assert_eq!(result["error_code"], "action_0:blocked", "{result}");
}

#[test]
fn work_that_makes_no_sense_is_refused_before_a_task_is_taken() {
    let tool = Upstream::start(|_, _| Deed::json("1"));
    let served = gate(&tool);
    let key = served.key("app", KeyRole::Agent);
    let many: Vec<Value> = (0..51).map(|n| json!({"tool": "a", "args": {"n": n}})).collect();
    for metadata in [
        json!({"actions": [{"tool": "a"}]}),
        json!({"agent_id": "bot", "actions": []}),
        json!({"agent_id": "bot", "actions": {"tool": "a"}}),
        json!({"agent_id": "bot", "actions": ["a"]}),
        json!({"agent_id": "bot", "actions": [{"args": {}}]}),
        json!({"agent_id": "bot", "actions": [{"tool": "a", "more": 1}]}),
        json!({"agent_id": "bot", "actions": [{"tool": "a", "agent_id": "other"}]}),
        json!({"agent_id": "bot", "actions": [{"tool": "plain"}]}),
        json!({"agent_id": "bot", "actions": [{"tool": "a"}], "dry_run": true}),
        json!({"agent_id": 7, "actions": [{"tool": "a"}]}),
        json!({"agent_id": "bot", "actions": many}),
    ] {
        let answer = post(&served, &key, "/ai/run", &json!({"key": "j", "metadata": metadata}));
        assert_eq!(answer.status, 422, "{metadata}: {}", answer.text());
    }
    assert_eq!(served.get(&format!("{BASE}/ai/status?key=j"), &key).json()["error_code"], "not_found");
    let bound = served.key_like("own", KeyRole::Agent, Some("other"), verdict::Realm::Live);
    let work = json!({"key": "j", "metadata": {"agent_id": "bot", "actions": [{"tool": "a"}]}});
    assert_eq!(post(&served, &bound, "/ai/run", &work).status, 403);
    assert_eq!(tool.count(), 0);
}

#[test]
fn a_duplicate_is_a_conflict_where_the_operator_wants_that() {
    CUSTOMS.set(Customs { onceonly_conflicts: true, onceonly_private_tools: false });
    let served = Served::start();
    let key = served.key("app", KeyRole::Agent);
    let first = post(&served, &key, "/check-lock", &json!({"key": "order"}));
    assert_eq!((first.status, &first.json()["status"]), (200, &json!("locked")));
    let second = post(&served, &key, "/check-lock", &json!({"key": "order"}));
    assert_eq!((second.status, second.header("x-onceonly-status")), (409, Some("duplicate")));
    let detail = &second.json()["detail"];
    assert_eq!(detail["error"], "Duplicate blocked");
    assert!(detail["first_seen_at"].as_str().unwrap().ends_with('Z'), "{detail}");
}

#[test]
fn tools_on_private_addresses_are_for_the_operator_to_allow() {
    let tool = Upstream::start(|_, _| Deed::json("{\"ok\": 1}"));
    let register = |served: &Served, admin: &str, url: &str| {
        post(served, admin, "/tools", &json!({"name": "t", "scope_id": "global", "url": url}))
    };
    let policy = "version: 1\nagents:\n  bot: {rules: [{name: may, allow: t}]}\n";
    let here = format!("http://{}/t", tool.address);
    let served = Served::start_in(Arc::new(Folder::new()), policy);
    let admin = served.key("ops", KeyRole::Admin);
    for url in [
        here.as_str(),
        "http://localhost:9/",
        "http://10.0.0.7/",
        "http://[::1]/",
        "http://169.254.169.254/",
        "http://box/",
    ] {
        let refused = register(&served, &admin, url);
        assert_eq!(refused.status, 422, "{url}");
        assert!(refused.text().contains("--onceonly-private-tools"), "{}", refused.text());
    }
    assert_eq!(register(&served, &admin, "https://tools.example.com/t").status, 201);
    drop(served);

    CUSTOMS.set(Customs { onceonly_conflicts: false, onceonly_private_tools: true });
    let served = Served::start_in(Arc::new(Folder::new()), policy);
    let (admin, key) = (served.key("ops", KeyRole::Admin), served.key("app", KeyRole::Agent));
    assert_eq!(register(&served, &admin, &here).status, 201);
    let ran = post(&served, &key, "/ai/run", &json!({"agent_id": "bot", "tool": "t"})).json();
    assert_eq!((&ran["decision"], &ran["result"]), (&json!("executed"), &json!({"ok": 1})), "{ran}");
    // A metadata service is called for nobody.
    assert_eq!(register(&served, &admin, "http://169.254.169.254/latest").status, 201);
    let ran =
        post(&served, &key, "/ai/run", &json!({"agent_id": "bot", "tool": "t", "args": {"n": 2}})).json();
    assert_eq!(ran["decision"], "failed", "{ran}");
    assert!(ran["policy_reason"].as_str().unwrap().contains("metadata"), "{ran}");
}

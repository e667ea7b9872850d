//! AgentWarden's contract, call by call, through a real socket. The official client is in `tests/e2e`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use verdict::{KeyRole, Realm};

use crate::http_client::{Answer, Served};
use crate::upstream::{Deed, Upstream};

const BASE: &str = "/agentwarden";

struct Client<'s> {
    served: &'s Served,
    key: String,
}

impl<'s> Client<'s> {
    fn new(served: &'s Served, name: &str, role: KeyRole) -> Self {
        Self { served, key: served.key(name, role) }
    }
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let headers = format!("X-API-Key: {}\r\nContent-Type: application/json\r\n", self.key);
        let body = body.map(Value::to_string).unwrap_or_default();
        self.served.raw(method, &format!("{BASE}{path}"), &headers, body.as_bytes())
    }
    fn ok(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.call(method, path, body);
        assert!(answer.status == 200 || answer.status == 201, "{method} {path}: {}", answer.text());
        answer.json()
    }
    fn check(&self, agent: &str, action: &str, context: Value) -> Value {
        self.ok("POST", "/sdk/check", Some(&json!({"agent_id": agent, "action": action, "context": context})))
    }
    fn get(&self, path: &str) -> Value {
        self.ok("GET", path, None)
    }
    fn decision(&self, id: &Value) -> Value {
        self.served.get(&format!("/v1/decisions/{}", id.as_str().unwrap()), &self.key).json()
    }
}

fn named(served: &Served) -> (Client<'_>, Value) {
    let admin = Client::new(served, "root@example.com", KeyRole::Admin);
    let agent =
        admin.ok("POST", "/api/agents", Some(&json!({"name": "pay-bot", "description": "Pays: back"})));
    (admin, agent)
}

#[test]
fn an_agent_made_here_is_an_agent_of_the_policy() {
    let served = Served::start();
    let (admin, agent) = named(&served);
    assert_eq!((&agent["name"], &agent["status"]), (&json!("pay-bot"), &json!("active")));
    assert_eq!(
        (&agent["description"], &agent["created_by"]),
        (&json!("Pays: back"), &json!("root@example.com"))
    );
    let id = agent["id"].as_str().unwrap();
    assert_eq!(admin.get(&format!("/api/agents/{id}")), agent);
    assert_eq!(admin.get("/api/agents/pay-bot"), agent);
    assert_eq!(admin.get("/api/agents").as_array().unwrap().len(), 4);
    let text = served.get("/v1/policy", &admin.key).json()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("pay-bot: {description: \"Pays: back\", rules: []}"), "{text}");
    assert_eq!(admin.call("POST", "/api/agents", Some(&json!({"name": "pay-bot"}))).status, 409);
    assert_eq!(admin.call("POST", "/api/agents", Some(&json!({"name": "Pay Bot"}))).status, 422);
    assert_eq!(admin.check(id, "stripe.refund", json!({}))["allowed"], false);

    let change = json!({"status": "inactive", "description": "off"});
    let off = admin.ok("PUT", &format!("/api/agents/{id}"), Some(&change));
    assert_eq!((&off["status"], &off["description"]), (&json!("inactive"), &json!("off")));
    let allowed = admin.check("support-bot", "crm.read", json!(null));
    assert_eq!((&allowed["allowed"], &allowed["reason"]), (&json!(true), &json!(null)));
    admin.ok("PUT", "/api/agents/support-bot", Some(&json!({"status": "inactive"})));
    assert_eq!(admin.check("support-bot", "crm.read", json!({}))["allowed"], false);
    assert_eq!(admin.call("PUT", &format!("/api/agents/{id}"), Some(&json!({"name": "other"}))).status, 422);
    assert_eq!(admin.call("DELETE", &format!("/api/agents/{id}"), None).status, 204);
    for path in [format!("/api/agents/{id}"), "/api/agents/pay-bot".to_owned()] {
        let gone = admin.call("GET", &path, None);
        assert_eq!((gone.status, gone.json()), (404, json!({"detail": "Agent not found"})));
    }
    let unknown = admin.call("POST", "/sdk/check", Some(&json!({"agent_id": id, "action": "a"})));
    assert_eq!((unknown.status, unknown.json()), (404, json!({"detail": "Agent not found"})));
    let last = served.get("/v1/decisions?limit=1", &admin.key).json();
    assert_eq!(last["decisions"][0]["code"], "unknown_agent", "it is on record all the same");
}

#[test]
fn a_permission_allows_up_to_its_maximum_and_no_odd_amount() {
    let served = Served::start();
    let (admin, agent) = named(&served);
    let id = agent["id"].as_str().unwrap();
    let path = format!("/api/agents/{id}/permissions");
    assert_eq!(admin.check(id, "stripe.charge", json!({"amount": 1}))["allowed"], false);
    let made = admin.call("POST", &path, Some(&json!({"action": "stripe.charge", "max_amount": 100})));
    assert_eq!(made.status, 201, "{}", made.text());
    let permission = made.json();
    assert_eq!((&permission["max_amount"], &permission["requires_approval"]), (&json!(100), &json!(false)));
    assert_eq!(admin.get(&path), json!([permission]));
    for good in [json!(0), json!(50), json!(99.99), json!(100), json!(100.0)] {
        assert_eq!(admin.check(id, "stripe.charge", json!({"amount": good}))["allowed"], true, "{good}");
    }
    for (odd, reason) in [
        (json!({"amount": 150}), Some("Amount 150.00 exceeds maximum allowed 100.00")),
        (json!({"amount": 100.01}), Some("Amount 100.01 exceeds maximum allowed 100.00")),
        (json!({"amount": -1}), Some("Amount -1.00 is negative")),
        (json!({"amount": "50"}), None),
        (json!({"amount": null}), None),
        (json!({"amount": true}), None),
        (json!({"amount": [50]}), None),
        (json!({}), None),
        (json!(null), None),
    ] {
        let denied = admin.check(id, "stripe.charge", odd.clone());
        assert_eq!(
            (&denied["allowed"], &denied["requires_approval"]),
            (&json!(false), &json!(false)),
            "{odd}"
        );
        if let Some(reason) = reason {
            assert_eq!(denied["reason"], reason, "{odd}");
        }
        assert!(denied["reason"].as_str().is_some_and(|it| !it.is_empty()), "{odd}: {denied}");
    }
    for odd in ["NaN", "1e300", "Infinity"] {
        let body = format!(
            "{{\"agent_id\": \"pay-bot\", \"action\": \"stripe.charge\", \"context\": {{\"amount\": {odd}}}}}"
        );
        let headers = format!("X-API-Key: {}\r\nContent-Type: application/json\r\n", admin.key);
        let refused = served.raw("POST", "/agentwarden/sdk/check", &headers, body.as_bytes());
        assert_eq!(refused.status, 422, "{odd}: {}", refused.text());
    }
    assert_eq!(admin.check(id, "stripe.payout", json!({"amount": 1}))["allowed"], false);

    // The same action again replaces it.
    admin.ok("POST", &path, Some(&json!({"action": "stripe.charge", "max_amount": 200.5})));
    assert_eq!(admin.check(id, "stripe.charge", json!({"amount": 200.5}))["allowed"], true);
    assert_eq!(admin.get(&path).as_array().unwrap().len(), 1);
    let gone = format!("/api/permissions/{}", permission["id"].as_str().unwrap());
    assert_eq!(admin.call("DELETE", &gone, None).status, 204);
    assert_eq!(admin.check(id, "stripe.charge", json!({"amount": 1}))["allowed"], false);
    let again = admin.call("DELETE", &gone, None);
    assert_eq!((again.status, again.json()), (404, json!({"detail": "Permission not found"})));
    for odd in [
        json!({}),
        json!({"action": ""}),
        json!({"action": "a b"}),
        json!({"action": "a", "max_amount": -1}),
        json!({"action": "a", "max_amount": "5"}),
    ] {
        assert_eq!(admin.call("POST", &path, Some(&odd)).status, 422, "{odd}");
    }
    let none = admin.call("POST", "/api/agents/none/permissions", Some(&json!({"action": "a"})));
    assert_eq!(none.status, 404);
    let versions = served.get("/v1/policy/versions", &admin.key).json();
    assert_eq!(versions["versions"].as_array().unwrap().len(), 5, "each change is a version: {versions}");
}

#[test]
fn what_needs_a_person_waits_for_one_and_is_then_allowed_once() {
    let served = Served::start();
    let (admin, agent) = named(&served);
    let id = agent["id"].as_str().unwrap();
    let permission = json!({"action": "deploy.production", "requires_approval": true});
    admin.ok("POST", &format!("/api/agents/{id}/permissions"), Some(&permission));
    let app = Client::new(&served, "app", KeyRole::Agent);
    let asked = app.check("pay-bot", "deploy.production", json!({"build": 7}));
    let approval = asked["approval_id"].as_str().unwrap();
    assert_eq!((&asked["allowed"], &asked["requires_approval"]), (&json!(false), &json!(true)));
    assert_eq!(asked["reason"], format!("This action requires human approval ({approval})"));
    let again = app.check("pay-bot", "deploy.production", json!({"build": 7}));
    assert_eq!(again["approval_id"], asked["approval_id"], "the same question");
    let open = admin.get("/api/approvals");
    assert_eq!((&open[0]["id"], &open[0]["status"]), (&asked["approval_id"], &json!("pending")));
    assert_eq!(open[0]["context"], json!({"build": 7}));
    assert_eq!(app.call("POST", &format!("/api/approvals/{approval}/approve"), None).status, 403);
    let path = format!("/api/approvals/{approval}/approve");
    let yes = admin.ok("POST", &path, Some(&json!({"comment": "go"})));
    assert_eq!((&yes["status"], &yes["comment"]), (&json!("approved"), &json!("go")));
    assert_eq!(yes["reviewed_by"], "root@example.com");
    assert_eq!(app.check("pay-bot", "deploy.production", json!({"build": 8}))["allowed"], false);
    assert_eq!(app.check("pay-bot", "deploy.production", json!({"build": 7}))["allowed"], true);
    let third = app.check("pay-bot", "deploy.production", json!({"build": 7}));
    assert_eq!(third["allowed"], false, "an approval is used once");
    let rejected = third["approval_id"].as_str().unwrap();
    let no = admin.ok("POST", &format!("/api/approvals/{rejected}/reject"), None);
    assert_eq!(no["status"], "rejected");
    assert_eq!(admin.call("POST", &format!("/api/approvals/{rejected}/approve"), None).status, 409);
    assert_eq!(admin.get(&format!("/api/approvals/{rejected}"))["status"], "rejected");
    assert_eq!(admin.call("GET", "/api/approvals/apr_99999", None).status, 404);
    assert_eq!(admin.get("/api/approvals?status=rejected").as_array().unwrap().len(), 1);
}

#[test]
fn logs_are_kept_and_end_what_was_allowed() {
    let served = Served::start();
    let (admin, agent) = named(&served);
    let (id, app) = (agent["id"].as_str().unwrap(), Client::new(&served, "app", KeyRole::Agent));
    let body = |agent: &str, status: &str, context: &Value| json!({"agent_id": agent, "action": "crm.read", "status": status, "context": context});
    let log = |status: &str, context: Value| {
        app.ok("POST", "/sdk/log", Some(&body("support-bot", status, &context)))
    };
    for status in
        ["success", "failed", "pending", "denied", "blocked", "pending_approval", "allowed", "error"]
    {
        let entry = log(status, json!({"n": 1}));
        for field in ["id", "agent_id", "organization_id", "action", "status", "created_at"] {
            assert!(entry[field].is_string(), "{field}: {entry}");
        }
        assert_eq!((&entry["status"], &entry["context"]), (&json!(status), &json!({"n": 1})));
    }
    assert_eq!(log("success", json!(null))["context"], json!(null));
    let odd = app.call("POST", "/sdk/log", Some(&body("support-bot", "done", &json!(null))));
    assert_eq!(odd.status, 422);
    let odd = app.call("POST", "/sdk/log", Some(&body("nobody", "success", &json!(null))));
    assert_eq!(odd.status, 404);

    let first = app.check("support-bot", "crm.read", json!({"id": 1}))["decision_id"].clone();
    let second = app.check("support-bot", "crm.read", json!({"id": 2}))["decision_id"].clone();
    log("failed", json!({"id": 1, "error": "gone"}));
    let ended = admin.decision(&first)["outcome"].clone();
    assert_eq!((&ended["status"], &ended["error"]), (&json!("failed"), &json!("gone")));
    assert_eq!(admin.decision(&second)["outcome"], json!(null));
    log("success", json!({"other": true}));
    assert_eq!(admin.decision(&second)["outcome"]["status"], "success");

    let logs = admin.get("/api/logs?limit=3&offset=1&agent_id=support-bot&action=crm.read");
    assert_eq!(logs.as_array().unwrap().len(), 3);
    assert_eq!((&logs[0]["status"], &logs[0]["ip_address"]), (&json!("failed"), &json!(null)));
    assert_eq!(admin.get("/api/logs?status=error").as_array().unwrap().len(), 1);
    assert_eq!(admin.get("/api/logs?created_before=2020-01-01T00:00:00Z"), json!([]));
    assert_eq!(admin.get(&format!("/api/logs?agent_id={id}")), json!([]));
    assert_eq!(admin.call("GET", "/api/logs?created_after=x", None).status, 422);
    let key = served.key_like("b", KeyRole::Agent, Some("other-bot"), Realm::Live);
    let bound = Client { served: &served, key };
    assert_eq!(bound.get("/api/logs"), json!([]));
    let refused = bound.call("POST", "/sdk/log", Some(&body("support-bot", "success", &json!(null))));
    assert_eq!(refused.status, 403);
    let other = json!({"agent_id": "support-bot", "action": "a"});
    assert_eq!(bound.call("POST", "/sdk/check", Some(&other)).status, 403);
}

#[test]
fn accounts_are_keys() {
    let served = Served::start();
    let admin = Client::new(&served, "root@example.com", KeyRole::Admin);
    let body = json!({"email": "root@example.com", "password": admin.key});
    let login = served.post("/agentwarden/auth/login", "", &body);
    assert_eq!(login.status, 200, "{}", login.text());
    let login = login.json();
    assert_eq!(
        (&login["token_type"], &login["user"]["email"]),
        (&json!("bearer"), &json!("root@example.com"))
    );
    let me = served.get("/agentwarden/auth/me", login["access_token"].as_str().unwrap()).json();
    assert_eq!(me["id"], login["user"]["id"]);
    assert!(me["created_at"].is_string() && me["organization_id"] == "org_live");
    for odd in
        [json!({"email": "root@example.com", "password": "no"}), json!({"email": "x", "password": admin.key})]
    {
        let wrong = served.post("/agentwarden/auth/login", "", &odd);
        assert_eq!((wrong.status, wrong.json()), (401, json!({"detail": "Invalid email or password"})));
    }
    let body = json!({"email": "a@b.c", "password": "12345678", "organization_name": "x"});
    let refused = served.post("/agentwarden/auth/register", "", &body);
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.json()["detail"].as_str().unwrap().contains("keys create"));
    let none = Client { served: &served, key: "pk_live_x".to_owned() };
    let check = json!({"agent_id": "a", "action": "b"});
    assert_eq!(none.call("POST", "/sdk/check", Some(&check)).status, 401);
}

#[test]
fn webhooks_are_told_what_was_recorded_signed_and_again_if_need_be() {
    let served = Served::start();
    let (admin, agent) = named(&served);
    let id = agent["id"].as_str().unwrap();
    let permission = json!({"action": "deploy.production", "requires_approval": true});
    admin.ok("POST", &format!("/api/agents/{id}/permissions"), Some(&permission));
    // The first attempt fails: it is tried again.
    let hook = Upstream::start(|n, _| if n == 0 { Deed::status(500) } else { Deed::json("{}") });
    let url = format!("http://{}/told?by=gate", hook.address);
    let body = json!({"url": url, "secret": "webhook-secret", "allow_private": true});
    let made = admin.call("POST", "/api/webhooks", Some(&body));
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(admin.get("/api/webhooks"), json!([made]));
    assert_eq!(made["events"].as_array().unwrap().len(), 5);
    // One that may not go to a private address, and one that wants other news, are told nothing.
    let guarded = json!({"url": url, "secret": "webhook-secret"});
    admin.ok("POST", "/api/webhooks", Some(&guarded));

    assert_eq!(admin.check("pay-bot", "users.delete", json!({"id": 1}))["allowed"], false);
    let asked = admin.check("pay-bot", "deploy.production", json!({"build": 7}));
    let other = Client::new(&served, "boss@example.com", KeyRole::Admin);
    let approval = asked["approval_id"].as_str().unwrap();
    other.ok("POST", &format!("/api/approvals/{approval}/approve"), None);
    assert_eq!(admin.check("pay-bot", "deploy.production", json!({"build": 7}))["allowed"], true);
    let failed = json!({"agent_id": "pay-bot", "action": "deploy.production", "status": "failed", "context": {"build": 7}});
    admin.ok("POST", "/sdk/log", Some(&failed));
    let until = Instant::now() + Duration::from_secs(20);
    while hook.count() < 5 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    let arrived = hook.arrived();
    let told: Vec<Value> = arrived.iter().map(|it| serde_json::from_slice(&it.body).unwrap()).collect();
    let events: Vec<&str> = told.iter().map(|it| it["event"].as_str().unwrap()).collect();
    let expected = ["log.blocked", "log.blocked", "log.pending_approval", "approval.approved", "log.failed"];
    assert_eq!(events, expected, "the first one twice");
    assert_eq!(told[0], told[1]);
    assert_eq!(
        (&told[0]["data"]["action"], &told[0]["data"]["context"]),
        (&json!("users.delete"), &json!({"id": 1}))
    );
    assert_eq!(
        (&told[2]["data"]["approval_id"], &told[2]["data"]["agent_id"]),
        (&json!(approval), &json!("pay-bot"))
    );
    for it in &arrived {
        assert_eq!((it.method.as_str(), it.path.as_str()), ("POST", "/told?by=gate"));
        assert!(it.header("portcullis-signature").unwrap().starts_with("v1="));
        assert!(it.header("portcullis-timestamp").is_some() && it.header("portcullis-nonce").is_some());
    }
    let gone = format!("/api/webhooks/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.call("DELETE", &gone, None).status, 204);
    assert_eq!(admin.call("DELETE", &gone, None).status, 404);
    for odd in [
        json!({"url": "ftp://x", "secret": "12345678"}),
        json!({"url": "https://x/{id}", "secret": "12345678"}),
        json!({"url": "https://x/", "secret": "short"}),
        json!({"url": "https://x/", "secret": "12345678", "events": ["log.everything"]}),
        json!({"secret": "12345678"}),
    ] {
        assert_eq!(admin.call("POST", "/api/webhooks", Some(&odd)).status, 422, "{odd}");
    }
    assert_eq!(admin.get("/api/webhooks").as_array().unwrap().len(), 1);
}

#[test]
fn a_limit_on_actions_is_told_in_headers() {
    let policy = "version: 1
tools: {t: {}, u: {}}
agents:
  bot:
    rules: [{name: may, allow: [t, u]}]
    limits: [{meter: actions, max: 100, per: 1d}, {meter: actions, max: 2, per: 1m}]
  free: {rules: [{name: may, allow: t}]}
";
    let served = Served::start_in(std::sync::Arc::new(crate::http_client::Folder::new()), policy);
    let app = Client::new(&served, "app", KeyRole::Agent);
    let check = |agent: &str| {
        let answer = app.call("POST", "/sdk/check", Some(&json!({"agent_id": agent, "action": "t"})));
        let header = |name: &str| answer.header(name).map(|text| text.parse::<i64>().unwrap());
        let told = ["limit", "remaining", "reset"].map(|name| header(&format!("x-ratelimit-{name}")));
        (answer.json()["allowed"] == true, told)
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    for (allowed, left) in [(true, 1), (true, 0), (false, 0)] {
        let (may, [limit, remaining, reset]) = check("bot");
        assert_eq!((may, limit, remaining), (allowed, Some(2), Some(left)));
        assert!((now..now + 90).contains(&reset.unwrap()), "{reset:?} {now}");
    }
    assert_eq!(check("free"), (true, [None; 3]), "an agent without a limit has none to tell of");
}

//! OnceOnly's contract, call by call, through a real socket. The official client is in `tests/e2e`.

use std::sync::{Arc, Barrier};

use serde_json::{Value, json};
use verdict::{KeyRole, Realm};

use crate::http_client::{Answer, Line, Served};

const BASE: &str = "/onceonly/v1";

struct Client<'s> {
    served: &'s Served,
    key: String,
}

impl<'s> Client<'s> {
    fn new(served: &'s Served, role: KeyRole) -> Self {
        Self { served, key: served.key("app", role) }
    }
    fn post(&self, path: &str, body: &Value) -> Answer {
        self.served.post(&format!("{BASE}{path}"), &self.key, body)
    }
    fn ok(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
        answer.json()
    }
    fn get(&self, path: &str) -> Value {
        let answer = self.served.get(&format!("{BASE}{path}"), &self.key);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }
    fn lock(&self, key: &str, request: &str) -> Answer {
        let headers = format!(
            "Authorization: Bearer {}\r\nContent-Type: application/json\r\nX-Request-Id: {request}\r\n",
            self.key
        );
        self.served.raw(
            "POST",
            &format!("{BASE}/check-lock"),
            &headers,
            json!({"key": key}).to_string().as_bytes(),
        )
    }
}

#[test]
fn the_first_gets_the_lock_and_the_second_learns_when() {
    let served = Served::start();
    let app = Client::new(&served, KeyRole::Agent);
    let first = app.post("/check-lock", &json!({"key": "order-1", "ttl": 60, "metadata": {"n": 1}}));
    assert_eq!((first.status, first.header("x-onceonly-status")), (200, Some("locked")));
    let body = first.json();
    assert_eq!(body["lock_id"].as_str(), first.header("x-request-id"));
    assert_eq!(
        (&body["success"], &body["status"], &body["key"], &body["ttl"], &body["first_seen_at"]),
        (&json!(true), &json!("locked"), &json!("order-1"), &json!(60), &json!(null))
    );
    let second = app.post("/check-lock", &json!({"key": "order-1"}));
    assert_eq!((second.status, second.header("x-onceonly-status")), (200, Some("duplicate")));
    let body = second.json();
    assert_eq!((&body["success"], &body["status"]), (&json!(false), &json!("duplicate")));
    assert!(body["first_seen_at"].as_str().unwrap().ends_with('Z'), "{body}");
    assert_eq!(app.ok("/check-lock", &json!({"key": "order-2"}))["ttl"], 86_400);
}

#[test]
fn a_retry_gets_its_first_answer_and_what_failed_can_be_taken_again() {
    let served = Served::start();
    let app = Client::new(&served, KeyRole::Agent);
    for _ in 0..3 {
        let answer = app.lock("k", "r1");
        assert_eq!(
            (answer.json()["status"].as_str(), answer.header("x-request-id")),
            (Some("locked"), Some("r1"))
        );
        assert_eq!(app.lock("k", "r2").json()["status"], "duplicate");
    }
    let other = Client { served: &served, key: served.key("other", KeyRole::Agent) };
    assert_eq!(other.lock("k", "r1").json()["status"], "duplicate", "another's request of the same name");
    let id = app.lock("k", "r1").json()["lock_id"].clone();
    for odd in [json!({"key": "k", "lock_id": "lock_0"}), json!({"key": "k", "lock_id": "x"})] {
        assert_eq!(app.post("/release", &odd).status, 409, "{odd}");
    }
    assert_eq!(other.post("/release", &json!({"key": "k", "lock_id": id})).status, 409);
    assert_eq!(app.post("/release", &json!({"key": "k"})).status, 422);
    assert_eq!(app.ok("/release", &json!({"key": "k", "lock_id": id}))["status"], "released");
    assert_eq!(app.lock("k", "r2").json()["status"], "locked");
}

#[test]
fn what_is_no_request_is_told_with_its_place() {
    let served = Served::start();
    let app = Client::new(&served, KeyRole::Agent);
    for (body, field) in [
        (json!({}), "key"),
        (json!({"key": 5}), "key"),
        (json!({"key": ""}), "key"),
        (json!({"key": "x".repeat(257)}), "key"),
        (json!({"key": "k", "ttl": "1"}), "ttl"),
        (json!({"key": "k", "ttl": 0}), "ttl"),
        (json!({"key": "k", "ttl": 2_592_001}), "ttl"),
        (json!({"key": "k", "metadata": []}), "metadata"),
        (json!({"key": "k", "metadata": {"x": "y".repeat(2_048)}}), "metadata"),
    ] {
        let answer = app.post("/check-lock", &body);
        assert_eq!(answer.status, 422, "{body}");
        assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", field]), "{body}");
    }
    let long = format!("{}\u{e9}", "\u{e9}".repeat(255));
    assert_eq!(app.ok("/check-lock", &json!({"key": long}))["status"], "locked", "256 characters");
    let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", app.key);
    for odd in ["{", "[]", "{\"key\":\"a\",\"key\":\"b\"}", "\u{0}"] {
        let answer = served.raw("POST", &format!("{BASE}/check-lock"), &headers, odd.as_bytes());
        assert_eq!(answer.status, 422, "{odd}: {}", answer.text());
    }
    assert_eq!(
        served.post(&format!("{BASE}/check-lock"), "", &json!({"key": "k"})).json()["detail"],
        "Missing Authorization Bearer token"
    );
    assert_eq!(served.post(&format!("{BASE}/check-lock"), "pk_live_x", &json!({"key": "k"})).status, 401);
    assert_eq!(
        served.get(&format!("{BASE}/nothing"), &app.key).json()["detail"].as_str().map(|it| it.is_empty()),
        Some(false)
    );
}

#[test]
fn of_64_at_once_one_wins_whatever_the_round() {
    let served = Arc::new(Served::start());
    let key = served.key("app", KeyRole::Agent);
    let barrier = Arc::new(Barrier::new(64));
    let threads: Vec<_> = (0..64)
        .map(|_| {
            let (address, key, barrier) = (served.address, key.clone(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let mut line = Line::open(address);
                let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
                let mut won = Vec::new();
                for round in 0..20 {
                    let body = json!({"key": format!("race-{round}")}).to_string();
                    barrier.wait();
                    let answer = line.call("POST", "/onceonly/v1/check-lock", &headers, body.as_bytes());
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    won.push(answer.json()["status"] == "locked");
                }
                won
            })
        })
        .collect();
    let won: Vec<Vec<bool>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    for round in 0..20 {
        assert_eq!(won.iter().filter(|won| won[round]).count(), 1, "round {round}");
    }
}

#[test]
fn a_task_has_one_holder_and_an_end_that_others_read() {
    let served = Served::start();
    let app = Client::new(&served, KeyRole::Agent);
    let other = Client { served: &served, key: served.key("other", KeyRole::Agent) };
    let taken = app.ok("/ai/lease", &json!({"key": "t", "ttl": 30}));
    assert_eq!(
        (&taken["status"], &taken["charged"], &taken["version"]),
        (&json!("acquired"), &json!(1), &json!(1))
    );
    let id = taken["lease_id"].clone();
    let busy = other.ok("/ai/lease", &json!({"key": "t"}));
    assert_eq!(
        (&busy["status"], &busy["lease_id"], &busy["charged"]),
        (&json!("in_progress"), &json!(null), &json!(0))
    );
    assert!(busy["retry_after_sec"].is_i64(), "{busy}");
    assert_eq!(other.get("/ai/status?key=t")["status"], "in_progress");
    assert_eq!(other.get("/ai/result?key=t")["status"], "in_progress");
    assert_eq!(other.post("/ai/complete", &json!({"key": "t", "lease_id": id})).status, 409);
    assert_eq!(app.ok("/ai/extend", &json!({"key": "t", "lease_id": id, "ttl": 60}))["status"], "extended");
    let body = json!({"key": "t", "lease_id": id, "result": {"n": [1, 2.5, "x"]}});
    assert_eq!(app.ok("/ai/complete", &body)["status"], "completed");
    assert_eq!(app.ok("/ai/complete", &body)["status"], "completed", "the same again");
    let mut changed = body.clone();
    changed["result"] = json!({});
    assert_eq!(app.post("/ai/complete", &changed).status, 409, "another result");
    assert_eq!(
        app.ok("/ai/extend", &json!({"key": "t", "lease_id": id}))["status"],
        "completed",
        "a late heartbeat"
    );
    let done = other.get("/ai/result?key=t");
    assert_eq!(
        (&done["ok"], &done["status"], &done["result"]),
        (&json!(true), &json!("completed"), &body["result"])
    );
    assert_eq!(done["result_hash"].as_str().unwrap().len(), 64);
    assert_eq!(other.ok("/ai/lease", &json!({"key": "t"}))["status"], "completed");

    let failing = app.ok("/ai/lease", &json!({"key": "f"}))["lease_id"].clone();
    assert_eq!(app.post("/ai/fail", &json!({"key": "f", "lease_id": failing})).status, 422);
    let failed = app.ok("/ai/fail", &json!({"key": "f", "lease_id": failing, "error_code": "boom"}));
    assert_eq!((&failed["status"], &failed["error_code"]), (&json!("failed"), &json!("boom")));
    assert_eq!(other.get("/ai/status?key=f")["error_code"], "boom");
    assert_eq!(other.get("/ai/result?key=f")["status"], "failed");
    let again = other.ok("/ai/lease", &json!({"key": "f"}));
    assert_eq!((&again["status"], &again["version"]), (&json!("acquired"), &json!(2)));
    let cancel = json!({"key": "f", "lease_id": again["lease_id"], "reason": "not needed"});
    assert_eq!(other.ok("/ai/cancel", &cancel)["status"], "cancelled");
    assert_eq!(app.get("/ai/status?key=f")["error_code"], "cancelled");
    assert_eq!(app.get("/ai/status?key=never")["error_code"], "not_found");
    assert_eq!(app.get("/ai/result?key=never")["status"], "failed");
    assert_eq!(app.ok("/ai/lease", &json!({"key": "x", "ttl": 1}))["status"], "acquired");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(app.get("/ai/status?key=x")["error_code"], "lease_expired");
    assert_eq!(app.get("/usage?kind=ai")["usage"], 4);
}

#[test]
fn keys_of_one_agent_have_names_of_their_own_and_stop_with_it() {
    let served = Served::start();
    let all = Client::new(&served, KeyRole::Admin);
    let bound = served.key_like("bound", KeyRole::Agent, Some("support-bot"), Realm::Live);
    let bound = Client { served: &served, key: bound };
    let test = Client { served: &served, key: served.key_like("t", KeyRole::Agent, None, Realm::Test) };
    for client in [&all, &bound, &test] {
        assert_eq!(client.ok("/check-lock", &json!({"key": "k"}))["status"], "locked");
    }
    let off = all.ok("/agents/support-bot/disable", &json!({"reason": "odd mails"}));
    assert_eq!((&off["is_enabled"], &off["disabled_reason"]), (&json!(false), &json!("odd mails")));
    assert!(off["disabled_at"].is_string());
    let refused = bound.post("/check-lock", &json!({"key": "k2"}));
    assert_eq!(
        (refused.status, refused.json()["detail"].as_str()),
        (403, Some("agent `support-bot` is disabled"))
    );
    let on = all.ok("/agents/support-bot/enable", &json!({}));
    assert_eq!((&on["is_enabled"], &on["disabled_reason"]), (&json!(true), &json!(null)));
    assert_eq!(bound.ok("/check-lock", &json!({"key": "k2"}))["status"], "locked");
}

#[test]
fn logs_and_metrics_are_the_ledgers_decisions() {
    let served = Served::start();
    let admin = Client::new(&served, KeyRole::Admin);
    let act = |tool: &str, args: Value, key: Option<&str>| {
        served.check(
            &admin.key,
            &json!({"agent_id": "support-bot", "tool": tool, "args": args, "idempotency_key": key}),
        )
    };
    act("crm.read", json!({}), Some("a"));
    act("crm.read", json!({}), Some("a"));
    act("users.delete", json!({}), None);
    act("lookup.paid", json!({}), None);
    let logs = admin.get("/agents/support-bot/logs?limit=10");
    let words: Vec<&str> =
        logs.as_array().unwrap().iter().map(|it| it["decision"].as_str().unwrap()).collect();
    assert_eq!(words, ["executed", "blocked", "dedup", "executed"]);
    assert_eq!(logs[0]["spend_usd"], 0.5);
    assert_eq!((logs[0]["args_hash"].as_str().unwrap().len(), logs[0]["ts"].is_i64()), (8, true));
    assert_eq!(logs[1]["allowed"], false);
    let metrics = admin.get("/agents/support-bot/metrics?period=hour");
    assert_eq!((&metrics["total_actions"], &metrics["blocked_actions"]), (&json!(4), &json!(2)));
    assert_eq!(metrics["total_spend_usd"], 0.5);
    assert_eq!(metrics["top_tools"][0], json!({"tool": "crm.read", "count": 2}));
    let agent = Client { served: &served, key: served.key("plain", KeyRole::Agent) };
    assert_eq!(served.get(&format!("{BASE}/agents/support-bot/logs"), &agent.key).status, 404);
    assert_eq!(served.get(&format!("{BASE}/agents/support-bot/metrics?period=year"), &admin.key).status, 422);
}

#[test]
fn a_policy_is_an_edit_of_the_policy_and_reads_back_as_it_was_put() {
    let served = Served::start();
    let admin = Client::new(&served, KeyRole::Admin);
    let wanted = json!({
        "allowed_tools": ["crm.read", "stripe.refund"],
        "blocked_tools": ["delete_user"],
        "max_actions_per_hour": 4,
        "max_spend_usd_per_day": 50.25,
        "max_calls_per_tool": {"stripe.refund": 2},
        "pricing_rules": [{"tool": "crm.read", "price_usd": 0.125}],
    });
    let mut sent = wanted.clone();
    sent["agent_id"] = json!("billing-bot");
    let put = admin.post("/policies/billing-bot", &sent);
    assert_eq!((put.status, put.json()), (201, json!({"agent_id": "billing-bot", "policy": wanted})));
    assert_eq!(admin.get("/policies/billing-bot")["policy"], wanted);
    let text = served.get("/v1/policy", &admin.key).json()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("{name: onceonly-allowed, allow: [crm.read, stripe.refund]}"), "{text}");
    assert_eq!(served.get("/v1/policy/versions", &admin.key).json()["versions"][0]["by"], "app");

    let check = |tool: &str| {
        served.check(&admin.key, &json!({"agent_id": "billing-bot", "tool": tool, "args": {"amount": 1}}))
    };
    let first = check("crm.read");
    assert_eq!((&first["allowed"], &first["remaining"]["usd per 1d"]), (&json!(true), &json!(50.125)));
    assert_eq!(check("delete_user")["rule"], "onceonly-blocked");
    assert_eq!(check("lookup.paid")["code"], "no_matching_rule");
    assert_eq!(
        [check("stripe.refund"), check("stripe.refund")].map(|it| it["allowed"].clone()),
        [json!(true), json!(true)]
    );
    assert_eq!(check("stripe.refund")["code"], "limit");
    assert_eq!(
        [check("crm.read"), check("crm.read")].map(|it| it["allowed"].clone()),
        [json!(true), json!(false)]
    );

    let template = json!({"agent_id": "billing-bot", "template": "moderate", "overrides": {"max_actions_per_hour": 300}});
    let moderate = admin.post("/policies/billing-bot/from-template", &template);
    assert_eq!(moderate.status, 201, "{}", moderate.text());
    let moderate = moderate.json()["policy"].clone();
    assert_eq!(
        (&moderate["max_actions_per_hour"], &moderate["max_spend_usd_per_day"]),
        (&json!(300), &json!(50))
    );
    assert_eq!(admin.get("/policies/billing-bot")["policy"], moderate);
    assert!(moderate.get("allowed_tools").is_none() && moderate["blocked_tools"][0] == "delete_user");
    for name in ["strict", "permissive", "read_only", "support_bot"] {
        let answer = admin.post("/policies/t-bot/from-template", &json!({"template": name}));
        assert_eq!(answer.status, 201, "{name}: {}", answer.text());
        assert_eq!(admin.get("/policies/t-bot"), answer.json(), "{name}");
    }
    let all = admin.get("/policies");
    assert!(
        all.as_array()
            .unwrap()
            .iter()
            .any(|it| it["agent_id"] == "support-bot" && it["also_in_policy"].is_array()),
        "{all}"
    );
}

#[test]
fn what_a_policy_cannot_hold_is_refused_and_not_dropped() {
    let served = Served::start();
    let admin = Client::new(&served, KeyRole::Admin);
    let before = served.gate.desk.policy().version().clone();
    for odd in [
        json!({"max_tokens": 5}),
        json!({"allowed_tools": "x"}),
        json!({"allowed_tools": ["a b"]}),
        json!({"allowed_tools": [5]}),
        json!({"max_actions_per_hour": -1}),
        json!({"max_actions_per_hour": 1.5}),
        json!({"max_spend_usd_per_day": "5"}),
        json!({"max_spend_usd_per_day": 0.000_000_1}),
        json!({"max_calls_per_tool": {"a": -1}}),
        json!({"max_calls_per_tool": []}),
        json!({"pricing_rules": [{"tool": "a"}]}),
        json!({"pricing_rules": [{"tool": "a", "price_usd": 1, "per": "token"}]}),
        json!({"agent_id": "other"}),
    ] {
        let answer = admin.post("/policies/bot", &odd);
        assert_eq!(answer.status, 422, "{odd}: {}", answer.text());
    }
    // Rules of its own would go on allowing what these no longer do.
    let own = admin.post("/policies/support-bot", &json!({"allowed_tools": ["crm.read"]}));
    assert_eq!((own.status, own.json()["detail"]["error"].as_str()), (409, Some("policy_conflict")));
    assert_eq!(admin.post("/policies/bot/from-template", &json!({"template": "x"})).status, 422);
    assert_eq!(
        admin
            .post("/policies/bot/from-template", &json!({"template": "strict", "overrides": {"x": 1}}))
            .status,
        422
    );
    assert_eq!(served.get(&format!("{BASE}/policies/none"), &admin.key).status, 404);
    assert_eq!(*served.gate.desk.policy().version(), before);
}

#[test]
fn a_governed_tool_is_decided_like_any_action() {
    let served = Served::start();
    let app = Client::new(&served, KeyRole::Admin);
    let read = app.ok("/ai/run", &json!({"agent_id": "support-bot", "tool": "crm.read", "args": {"id": 1, "run_id": "r-1"}, "spend_usd": 0.25}));
    assert_eq!(
        (&read["allowed"], &read["decision"], &read["ok"]),
        (&json!(true), &json!("allowed"), &json!(true))
    );
    let path = format!("/v1/decisions/{}", read["decision_id"].as_str().unwrap());
    let record = served.get(&path, &app.key).json();
    assert_eq!((&record["session_id"], &record["args"]), (&json!("r-1"), &json!({"id": 1})));
    assert_eq!(record["expected_cost_usd"], 0.25);
    let denied = app.ok("/ai/run", &json!({"agent_id": "support-bot", "tool": "users.delete"}));
    assert_eq!(
        (&denied["allowed"], &denied["decision"], &denied["result"]),
        (&json!(false), &json!("blocked"), &json!(null))
    );
    assert!(denied["policy_reason"].is_string());
    let asked = app
        .ok("/ai/run", &json!({"agent_id": "support-bot", "tool": "stripe.refund", "args": {"amount": 500}}));
    assert_eq!((&asked["allowed"], &asked["decision"]), (&json!(false), &json!("blocked")));
    assert!(
        asked["policy_reason"].as_str().unwrap().contains(asked["approval_id"].as_str().unwrap()),
        "{asked}"
    );
    assert_eq!(
        app.ok("/ai/run", &json!({"key": "job-1", "metadata": {"run_id": "r"}}))["status"],
        "acquired"
    );
    assert_eq!(
        app.post("/ai/run", &json!({"tool": "crm.read"})).json()["detail"][0]["loc"],
        json!(["body", "agent_id"])
    );
    let bound = served.key_like("b", KeyRole::Agent, Some("other-bot"), Realm::Live);
    let other = served.post(
        &format!("{BASE}/ai/run"),
        &bound,
        &json!({"agent_id": "support-bot", "tool": "crm.read"}),
    );
    assert_eq!(other.status, 403, "{}", other.text());
}

#[test]
fn a_registered_tool_is_one_of_the_policy_and_its_secret_stays_inside() {
    let served = Served::start();
    let admin = Client::new(&served, KeyRole::Admin);
    let tool = json!({
        "name": "send_email",
        "scope_id": "global",
        "url": "https://tools.example.com/send",
        "auth": {"type": "hmac_sha256", "secret": "a-very-secret-key"},
        "timeout_ms": 5_000,
        "max_retries": 1,
        "enabled": true,
        "description": "Sends mail",
    });
    let made = admin.post("/tools", &tool);
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(
        (&made["name"], &made["scope_id"], &made["enabled"]),
        (&tool["name"], &tool["scope_id"], &json!(true))
    );
    assert_eq!(
        (&made["has_secret"], &made["timeout_ms"], &made["max_retries"]),
        (&json!(true), &json!(5_000), &json!(1))
    );
    assert!(made["secret_id"].as_str().unwrap().starts_with("sec_") && made["secret_mask"] == "***");
    assert_eq!(admin.post("/tools", &tool).status, 201, "registered again");
    assert_eq!(admin.get("/tools?scope_id=global"), json!([made]));
    assert_eq!(admin.get("/tools/send_email"), made);
    assert_eq!(admin.get("/tools?scope_id=agent:support-bot"), json!([]));
    let own =
        json!({"name": "notes", "scope_id": "agent:support-bot", "url": "https://tools.example.com/notes"});
    assert_eq!(admin.post("/tools", &own).json()["has_secret"], false);
    assert_eq!(admin.get("/tools/notes?scope_id=agent:support-bot")["scope_id"], "agent:support-bot");
    assert_eq!(served.get(&format!("{BASE}/tools/notes"), &admin.key).status, 404);

    assert_eq!(
        admin.ok("/tools/send_email/toggle?scope_id=global", &json!({"enabled": false}))["enabled"],
        false
    );
    assert_eq!(admin.ok("/tools/send_email/toggle", &json!({"enabled": true}))["enabled"], true);
    let deleted =
        served.call("DELETE", &format!("{BASE}/tools/send_email?scope_id=global"), &admin.key, None);
    assert_eq!(deleted.json(), json!({"ok": true, "deleted": "send_email"}));
    assert_eq!(served.get(&format!("{BASE}/tools/send_email"), &admin.key).status, 404);
    for ledger in
        [served.get("/v1/ledger?limit=500", &admin.key).text(), served.get("/v1/policy", &admin.key).text()]
    {
        assert!(!ledger.contains("a-very-secret-key"));
    }
    for (field, odd) in [
        ("name", json!("a b")),
        ("scope_id", json!("team:x")),
        ("scope_id", json!("agent:nobody")),
        ("url", json!("ftp://x")),
        ("auth", json!({"type": "basic", "secret": "12345678"})),
        ("auth", json!({"type": "hmac_sha256", "secret": "short"})),
        ("timeout_ms", json!(100)),
        ("max_retries", json!(11)),
        ("description", json!("x".repeat(513))),
        ("headers", json!({})),
    ] {
        let mut bad = tool.clone();
        bad[field] = odd;
        let answer = admin.post("/tools", &bad);
        assert_eq!(answer.status, 422, "{field}: {}", answer.text());
        assert!(!answer.text().contains("a-very-secret-key"));
    }
}

#[test]
fn runs_keep_what_was_said_of_them() {
    let served = Served::start();
    let app = Client::new(&served, KeyRole::Agent);
    let admin = Client { served: &served, key: served.key("root", KeyRole::Admin) };
    for n in 0..5 {
        let event = json!({"run_id": "run/1 \u{e9}", "type": "step", "status": "ok", "step": n.to_string(), "data": {"n": n}, "extra": n, "ts": 100 + n});
        assert_eq!(app.ok("/events", &event)["ok"], true);
    }
    app.ok("/events", &json!({"run_id": "other", "type": "start"}));
    admin.ok("/events", &json!({"run_id": "run/1 \u{e9}", "type": "end"}));
    let run = admin.get("/runs/run%2F1%20%C3%A9?limit=3&offset=1");
    assert_eq!((&run["run_id"], &run["total"]), (&json!("run/1 \u{e9}"), &json!(6)));
    let steps: Vec<&Value> = run["events"].as_array().unwrap().iter().map(|event| &event["extra"]).collect();
    assert_eq!(steps, [&json!(1), &json!(2), &json!(3)]);
    assert_eq!((&run["events"][0]["ts"], &run["events"][0]["data"]), (&json!(101), &json!({"n": 1})));
    let runs = admin.get("/runs?q=run");
    assert_eq!(
        (&runs["total"], &runs["items"][0]["events_count"], &runs["items"][0]["last_type"]),
        (&json!(1), &json!(6), &json!("end"))
    );
    assert_eq!(admin.get("/events?limit=2")[0]["type"], "end");
    assert_eq!(app.get("/events?limit=1&offset=1")[0]["step"], "4", "its own alone");
    assert_eq!(served.get(&format!("{BASE}/runs/none"), &admin.key).status, 404);
    assert_eq!(
        app.post("/events", &json!({"run_id": "r"})).json()["detail"][0]["loc"],
        json!(["body", "type"])
    );

    assert_eq!(app.get("/me")["plan"], "self-hosted");
    assert_eq!(
        app.ok("/me/notifications", &json!({"email_notifications_enabled": true}))["email_notifications_enabled"],
        true
    );
    app.ok("/me/notifications", &json!({"run_failure_notifications_enabled": true}));
    let me = app.get("/me");
    assert_eq!(
        (&me["email_notifications_enabled"], &me["run_failure_notifications_enabled"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(admin.get("/me")["email_notifications_enabled"], false);
    app.ok("/check-lock", &json!({"key": "k"}));
    app.ok("/check-lock", &json!({"key": "k"}));
    let usage = app.get("/usage/all");
    assert_eq!((&usage["make"]["usage"], &usage["make"]["blocked_total_month"]), (&json!(1), &json!(1)));
    let days = admin.get("/metrics?from_day=2020-01-01");
    assert_eq!((&days[0]["locks"], &days[0]["duplicates"]), (&json!(2), &json!(1)));
    assert_eq!(admin.get("/metrics?to_day=2020-01-01"), json!([]));
    assert_eq!(served.get(&format!("{BASE}/metrics?from_day=x"), &admin.key).status, 422);
}

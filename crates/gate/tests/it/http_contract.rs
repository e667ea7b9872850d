//! The HTTP contract, route by route, through a real socket.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use verdict::{KeyRole, Realm};

use crate::http_client::{Answer, POLICY, Served};

fn refund(amount: f64) -> Value {
    json!({"agent_id": "support-bot", "tool": "stripe.refund", "args": {"amount": amount}})
}

#[test]
fn a_check_answers_with_the_contracts_fields() {
    let served = Served::start();
    let key = served.key("app", KeyRole::Agent);
    let allowed = served.check(&key, &refund(50.25));
    let mut fields: Vec<&str> = allowed.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = vec![
        "allowed",
        "code",
        "decision",
        "decision_id",
        "effects",
        "findings",
        "mode",
        "policy_version",
        "reason",
        "remaining",
        "requires_approval",
        "risk",
        "rule",
    ];
    fields.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!(allowed["decision"], "allow");
    assert_eq!(allowed["allowed"], true);
    assert_eq!(allowed["requires_approval"], false);
    assert_eq!(allowed["code"], "allowed");
    assert_eq!(allowed["rule"], "small-refunds");
    assert_eq!(allowed["reason"], "rule `small-refunds` allows it");
    assert_eq!(allowed["effects"], json!([{"kind": "payment"}]));
    assert_eq!(allowed["risk"], "high");
    assert_eq!(allowed["mode"], "enforce");
    assert_eq!(allowed["policy_version"].as_str().unwrap().len(), 32);

    let denied = served.check(&key, &refund(5_000.0));
    assert_eq!((&denied["decision"], &denied["allowed"]), (&json!("deny"), &json!(false)));
    assert_eq!(denied["code"], "no_matching_rule");
    let unknown = served.check(&key, &json!({"agent_id": "nobody", "tool": "crm.read"}));
    assert_eq!(unknown["code"], "unknown_agent");

    let limited = served
        .check(&key, &json!({"agent_id": "limited-bot", "tool": "lookup.paid", "estimated_cost_usd": 0.75}));
    assert_eq!(limited["remaining"], json!({"actions per 1h": 9, "usd per 1d": 99.35}));
    let dear = served
        .check(&key, &json!({"agent_id": "limited-bot", "tool": "lookup.paid", "estimated_cost_usd": 99.36}));
    assert_eq!(dear["code"], "budget");
    assert!(dear["retry_after_s"].as_i64().unwrap() > 86_000, "{dear}");
}

#[test]
fn a_repeated_key_gets_the_first_decision_and_its_result() {
    let served = Served::start();
    let key = served.key("app", KeyRole::Agent);
    let mut body = refund(20.0);
    body["idempotency_key"] = json!("order-1");
    let first = served.check(&key, &body);
    let id = first["decision_id"].as_str().unwrap();
    let second = served.check(&key, &body);
    assert_eq!((&second["code"], &second["allowed"]), (&json!("in_progress"), &json!(false)));
    assert_eq!(second["duplicate_of"], first["decision_id"]);
    assert_eq!(second["original"], json!({"decision_id": id, "decision": "allow"}));

    let outcome = json!({"status": "success", "cost_usd": 0.02, "result": {"refund": "re_1", "n": [1, 2.5]}});
    let path = format!("/v1/decisions/{id}/outcome");
    let settled = served.post(&path, &key, &outcome);
    assert_eq!(settled.status, 200, "{}", settled.text());
    let expected =
        json!({"decision_id": id, "status": "success", "result": outcome["result"], "findings": []});
    assert_eq!(settled.json(), expected);
    assert_eq!(
        served.post(&path, &key, &outcome).json(),
        expected,
        "the same report again gets the same answer"
    );
    let other = served.post(&path, &key, &json!({"status": "failed"}));
    assert_eq!((other.status, other.problem().as_str()), (409, "conflict"));

    let third = served.check(&key, &body);
    assert_eq!(third["code"], "duplicate");
    assert_eq!(third["original"]["status"], "success");
    assert_eq!(third["original"]["result"], outcome["result"]);

    let mut another = refund(21.0);
    another["idempotency_key"] = json!("order-1");
    let conflict = served.post("/v1/check", &key, &another);
    assert_eq!((conflict.status, conflict.problem().as_str()), (409, "duplicate"));
    let conflict = conflict.json();
    assert_eq!((&conflict["decision"], &conflict["allowed"]), (&json!("deny"), &json!(false)));
    assert_eq!(conflict["duplicate_of"], id);
    assert!(conflict["original"].is_null(), "another action's result is not shown: {conflict}");
}

#[test]
fn outcomes_of_what_was_not_allowed_are_refused() {
    let served = Served::start();
    let key = served.key("app", KeyRole::Agent);
    let denied = served.check(&key, &refund(5_000.0));
    let path = format!("/v1/decisions/{}/outcome", denied["decision_id"].as_str().unwrap());
    assert_eq!(served.post(&path, &key, &json!({"status": "success"})).status, 409);
    for id in ["dec_99999", "dec_0", "dec_01", "apr_1", "x", "..", "%2e%2e", "dec_18446744073709551616"] {
        let answer = served.post(&format!("/v1/decisions/{id}/outcome"), &key, &json!({"status": "success"}));
        assert_eq!(answer.status, 404, "{id}");
        answer.problem();
    }
    let allowed = served.check(&key, &refund(5.0));
    let path = format!("/v1/decisions/{}/outcome", allowed["decision_id"].as_str().unwrap());
    for body in [
        json!({}),
        json!({"status": "done"}),
        json!({"status": "unknown"}),
        json!({"status": "success", "cost_usd": -1}),
        json!({"status": "success", "cost_usd": "1"}),
        json!({"status": "success", "cost_usd": 0.0000001}),
        json!({"status": "success", "tokens": -1}),
        json!({"status": "success", "extra": 1}),
        json!([]),
        json!("success"),
    ] {
        let answer = served.post(&path, &key, &body);
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        answer.problem();
    }
    let stranger = served.key("stranger", KeyRole::Agent);
    assert_eq!(served.post(&path, &stranger, &json!({"status": "success"})).status, 404);
    assert_eq!(served.post(&path, &key, &json!({"status": "cancelled"})).status, 200);
}

#[test]
fn a_batch_is_answered_in_order_with_problems_in_their_places() {
    let served = Served::start();
    let key = served.key_like("app", KeyRole::Agent, Some("limited-bot"), Realm::Live);
    let good = json!({"agent_id": "limited-bot", "tool": "crm.read"});
    let mut checks = vec![
        good.clone(),
        json!({"agent_id": "limited-bot"}),
        json!({"agent_id": "other-bot", "tool": "crm.read"}),
    ];
    checks.extend(vec![good.clone(); 11]);
    checks.push(json!({"agent_id": "limited-bot", "tool": "../etc"}));
    let size = served.gate.desk.moved().borrow().to_owned();
    let answer = served.post("/v1/check/batch", &key, &json!({"checks": checks}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let results = answer.json()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), checks.len());
    assert_eq!(results[1]["error"]["code"], "invalid_action");
    assert!(results[1]["error"]["detail"].as_str().unwrap().contains("`tool` is missing"), "{}", results[1]);
    assert_eq!(results[2]["error"]["status"], 403);
    assert_eq!(results[14]["error"]["code"], "invalid_action");
    let allowed = results.iter().filter(|it| it["allowed"] == true).count();
    assert_eq!(allowed, 10, "exactly the limit");
    assert_eq!(results[12]["code"], "limit");
    assert_eq!(served.gate.desk.moved().borrow().to_owned(), size + 12, "what is no action is not recorded");
    for body in
        [json!({"checks": []}), json!({"checks": vec![good.clone(); 1001]}), json!({}), json!({"checks": 1})]
    {
        let answer = served.post("/v1/check/batch", &key, &body);
        assert_eq!(answer.status, 422);
        answer.problem();
    }
}

#[test]
fn a_large_refund_waits_for_a_person_and_is_carried_out_once() {
    let served = Served::start();
    let (app, boss) = (served.key("app", KeyRole::Agent), served.key("boss", KeyRole::Approver));
    let pending = served.check(&app, &refund(500.0));
    assert_eq!((&pending["decision"], &pending["requires_approval"]), (&json!("pending"), &json!(true)));
    let id = pending["approval_id"].as_str().unwrap().to_owned();

    let list = served.get("/v1/approvals?status=pending", &boss).json();
    assert_eq!(list["approvals"].as_array().unwrap().len(), 1);
    let view = &list["approvals"][0];
    for field in [
        "agent_id",
        "tool",
        "args",
        "context",
        "reason",
        "rule",
        "risk",
        "digest",
        "quorum",
        "answers",
        "requested_at",
        "expires_at",
    ] {
        assert!(view.get(field).is_some(), "{field}: {view}");
    }
    assert_eq!((&view["id"], &view["args"]), (&json!(id), &json!({"amount": 500})));
    assert_eq!(served.get("/v1/approvals?status=approved", &boss).json()["approvals"], json!([]));

    let early = served.check(&app, &json!({"agent_id": "support-bot", "tool": "stripe.refund", "args": {"amount": 500}, "approval_id": id}));
    assert_eq!(early["decision"], "pending");
    assert_eq!(
        served.post(&format!("/v1/approvals/{id}/approve"), &app, &json!({})).status,
        403,
        "agents do not answer"
    );
    let approved = served.post(&format!("/v1/approvals/{id}/approve"), &boss, &json!({"message": "go on"}));
    assert_eq!(approved.status, 200, "{}", approved.text());
    let approved = approved.json();
    assert_eq!(approved["status"], "approved");
    let answer = &approved["answers"][0];
    assert_eq!(
        (&answer["by"], &answer["answer"], &answer["message"]),
        (&json!("boss"), &json!("approve"), &json!("go on"))
    );
    let again = served.post(&format!("/v1/approvals/{id}/deny"), &boss, &json!({}));
    assert_eq!((again.status, again.problem().as_str()), (409, "conflict"));

    let mut body = refund(500.0);
    body["approval_id"] = json!(id);
    let carried = served.check(&app, &body);
    assert_eq!(
        (&carried["code"], &carried["allowed"], &carried["approval_id"]),
        (&json!("approved"), &json!(true), &json!(id))
    );
    let view = served.get(&format!("/v1/approvals/{id}"), &app).json();
    assert_eq!(view["used_by"], carried["decision_id"]);
    assert_eq!(served.check(&app, &body)["decision"], "pending", "an approval is used once");
    let mut changed = refund(501.0);
    changed["approval_id"] = json!(id);
    assert_eq!(served.check(&app, &changed)["decision"], "pending");
}

#[test]
fn whoever_asked_does_not_answer_and_what_is_no_approval_is_not_found() {
    let served = Served::start();
    let (own, boss) = (served.key("app2", KeyRole::Admin), served.key("boss", KeyRole::Approver));
    let asked = served.check(&own, &refund(600.0));
    let path = format!("/v1/approvals/{}/approve", asked["approval_id"].as_str().unwrap());
    assert_eq!(served.post(&path, &own, &json!({})).status, 409, "whoever asked does not answer");
    for id in ["apr_99999", "dec_1", "apr_00", "x"] {
        assert_eq!(
            served.post(&format!("/v1/approvals/{id}/approve"), &boss, &json!({})).status,
            404,
            "{id}"
        );
    }
    assert_eq!(served.call("POST", &path, &boss, None).status, 200, "a body is not needed");
}

#[test]
fn a_long_poll_wakes_when_the_answer_comes() {
    let served = Served::start();
    let (app, boss) = (served.key("app", KeyRole::Agent), served.key("boss", KeyRole::Approver));
    let id = served.check(&app, &refund(500.0))["approval_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/approvals/{id}?wait_s=60");
    let mut line = crate::http_client::Line::open(served.address);
    line.send("GET", &path, &format!("X-API-Key: {app}\r\n"), b"");
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(
        served.post(&format!("/v1/approvals/{id}/deny"), &boss, &json!({"message": "no"})).status,
        200
    );
    let view = line.receive().json();
    assert_eq!(view["status"], "denied");
    assert!(start.elapsed() < Duration::from_secs(30), "it did not wait for its own end");
    assert_eq!(served.get(&format!("/v1/approvals/{id}?wait_s=60"), &app).json()["status"], "denied");
    let open = served.check(&app, &refund(501.0))["approval_id"].as_str().unwrap().to_owned();
    assert_eq!(served.get(&format!("/v1/approvals/{open}?wait_s=0"), &app).json()["status"], "pending");
    assert_eq!(served.get(&format!("/v1/approvals/{open}?wait_s=soon"), &app).status, 400);
}

#[test]
fn decisions_are_listed_filtered_and_paged() {
    let served = Served::start();
    let (app, other, auditor) = (
        served.key("app", KeyRole::Agent),
        served.key("other", KeyRole::Agent),
        served.key("eve", KeyRole::Auditor),
    );
    for n in 0..5 {
        served.check(&app, &json!({"agent_id": "support-bot", "tool": "crm.read", "user": format!("u{n}"), "context": {"n": n}}));
    }
    served.check(&other, &refund(5_000.0));
    let all = served.get("/v1/decisions", &auditor).json();
    assert_eq!(all["decisions"].as_array().unwrap().len(), 6);
    assert_eq!(all["decisions"][0]["decision"], "deny", "newest first");
    let denied = served.get("/v1/decisions?decision=deny", &auditor).json();
    assert_eq!(denied["decisions"].as_array().unwrap().len(), 1);
    let one = served.get("/v1/decisions?user=u3&tool=crm.read&agent_id=support-bot", &auditor).json();
    assert_eq!(one["decisions"].as_array().unwrap().len(), 1);
    assert_eq!(
        served.get("/v1/decisions", &other).json()["decisions"].as_array().unwrap().len(),
        1,
        "its own only"
    );

    let (mut seen, mut path) = (Vec::new(), "/v1/decisions?limit=2".to_owned());
    loop {
        let page = served.get(&path, &auditor).json();
        seen.extend(
            page["decisions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["decision_id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/decisions?limit=2&cursor={cursor}");
    }
    assert_eq!(seen.len(), 6);
    let id = &seen[1];
    let view = served.get(&format!("/v1/decisions/{id}"), &app).json();
    assert_eq!((&view["args"], &view["context"]), (&json!({}), &json!({"n": 4})));
    assert_eq!(served.get(&format!("/v1/decisions/{id}"), &other).status, 404);
    for odd in [
        "?limit=x",
        "?limit=-1",
        "?cursor=zzz",
        "?cursor=",
        "?since=yesterday",
        "?decision=maybe",
        "?colour=red",
        "?limit=1&limit=2",
        "?user=%zz",
        "?user=%ff",
    ] {
        let answer = served.get(&format!("/v1/decisions{odd}"), &auditor);
        assert_eq!((answer.status, answer.problem().as_str()), (400, "invalid_request"), "{odd}");
    }
    let since = "since=2000-01-01T00:00:00Z&until=2001-01-01T00:00:00%2B00:00";
    assert_eq!(served.get(&format!("/v1/decisions?{since}"), &auditor).json()["decisions"], json!([]));
}

#[test]
fn the_kill_switch_stops_a_run_in_its_middle() {
    let served = Served::start();
    let (app, admin) = (served.key("app", KeyRole::Agent), served.key("ada", KeyRole::Admin));
    assert_eq!(served.read(&app, "support-bot")["allowed"], true);
    assert_eq!(
        served.post("/v1/agents/support-bot/disable", &admin, &json!({})).status,
        422,
        "a reason is needed"
    );
    let off = served.post("/v1/agents/support-bot/disable", &admin, &json!({"reason": "it repeats itself"}));
    assert_eq!(off.status, 200, "{}", off.text());
    let off = off.json();
    assert_eq!((&off["enabled"], &off["disabled_reason"]), (&json!(false), &json!("it repeats itself")));
    assert!(off["disabled_at"].is_string());
    let denied = served.read(&app, "support-bot");
    assert_eq!((&denied["code"], &denied["allowed"]), (&json!("agent_disabled"), &json!(false)));
    assert_eq!(served.read(&app, "other-bot")["allowed"], true, "others go on");
    let noted =
        served.call("PUT", "/v1/agents/support-bot", &admin, Some("{\"notes\": \"see ticket 7\"}")).json();
    assert_eq!(
        (&noted["notes"], &noted["disabled_reason"]),
        (&json!("see ticket 7"), &json!("it repeats itself"))
    );
    let on = served.call("POST", "/v1/agents/support-bot/enable", &admin, None).json();
    assert_eq!((&on["enabled"], &on["notes"]), (&json!(true), &json!("see ticket 7")));
    assert_eq!(served.read(&app, "support-bot")["allowed"], true);
    let list = served.get("/v1/agents", &admin).json();
    let ids: Vec<&str> =
        list["agents"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["limited-bot", "other-bot", "support-bot"]);
    assert!(list["agents"][2]["last_used_at"].is_string());
    assert_eq!(list["agents"][2]["owner"], "support@example.com");
    assert_eq!(served.get("/v1/agents/nobody", &admin).status, 404);
}

#[test]
fn a_policy_is_replaced_whole_or_not_at_all() {
    let served = Served::start();
    let (app, admin) = (served.key("app", KeyRole::Agent), served.key("ada", KeyRole::Admin));
    let put = |body: &str, extra: &str| -> Answer {
        let headers = format!("Authorization: Bearer {admin}\r\nContent-Type: application/yaml\r\n{extra}");
        served.raw("PUT", "/v1/policy", &headers, body.as_bytes())
    };
    let before = served.get("/v1/policy", &admin);
    let tag = before.header("etag").unwrap().to_owned();
    assert_eq!(before.json()["text"], POLICY);
    assert_eq!(format!("\"{}\"", before.json()["version"].as_str().unwrap()), tag);

    let bad = put(
        "version: 1\nagents:\n  a:\n    ruels: []\n    rules: [{name: x, allow: [t], when: 'args. <'}]\n",
        "",
    );
    assert_eq!((bad.status, bad.problem().as_str()), (422, "invalid_policy"), "{}", bad.text());
    let problems = bad.json()["problems"].as_array().unwrap().clone();
    assert!(problems.len() >= 2, "{problems:?}");
    for field in ["file", "line", "column", "message", "help"] {
        assert!(problems[0].get(field).is_some(), "{field}: {problems:?}");
    }
    assert_eq!(served.get("/v1/policy", &admin).header("etag"), Some(tag.as_str()), "nothing has changed");

    let stricter = POLICY.replace("args.amount <= 200", "args.amount <= 100");
    assert_eq!(served.check(&app, &refund(150.0))["decision"], "allow");
    let moved = put(&stricter, "If-Match: \"00000000000000000000000000000000\"\r\n");
    assert_eq!((moved.status, moved.problem().as_str()), (412, "precondition_failed"));
    assert_eq!(put(&stricter, "If-Match: nonsense\r\n").status, 412);
    let done = put(&stricter, &format!("If-Match: {tag}\r\n"));
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(served.check(&app, &refund(150.0))["decision"], "pending");
    assert_eq!(put(&stricter, &format!("If-Match: {tag}\r\n")).status, 412, "the tag is used up");
    let versions = served.get("/v1/policy/versions", &admin).json();
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&versions["versions"][0]["version"], &versions["versions"][0]["source"]),
        (&done.json()["version"], &json!("api"))
    );

    let as_json =
        json!({"version": 1, "agents": {"other-bot": {"rules": [{"name": "r", "allow": ["crm.read"]}]}}});
    let done = served.call("PUT", "/v1/policy", &admin, Some(&as_json.to_string()));
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(served.read(&app, "support-bot")["code"], "unknown_agent");
    assert_eq!(put("", "").status, 422);
    assert_eq!(
        served
            .raw("PUT", "/v1/policy", &format!("X-API-Key: {admin}\r\nContent-Type: image/png\r\n"), b"x")
            .status,
        415
    );
}

#[test]
fn the_ledger_is_readable_and_proves_its_records() {
    let served = Served::start();
    let (app, auditor) = (served.key("app", KeyRole::Agent), served.key("eve", KeyRole::Auditor));
    let id = served.read(&app, "support-bot")["decision_id"].as_str().unwrap().to_owned();
    let index: u64 = id.strip_prefix("dec_").unwrap().parse().unwrap();
    let page = served.get(&format!("/v1/ledger?from={index}&limit=5"), &auditor).json();
    assert_eq!(page["records"].as_array().unwrap().len(), 1);
    assert_eq!(page["records"][0]["record"]["decided"]["agent"], "support-bot");
    assert_eq!(page["next"], index + 1);
    assert_eq!(served.get("/v1/ledger?from=999999", &auditor).json()["records"], json!([]));
    let note = served.get("/v1/ledger/checkpoint", &auditor);
    assert!(note.header("content-type").unwrap().starts_with("text/plain"));
    let proof = served.get(&format!("/v1/ledger/proof/{index}"), &auditor);
    assert_eq!(proof.status, 200, "{}", proof.text());
    let proof = ledger::proof::Inclusion::from_json(std::str::from_utf8(&proof.body).unwrap()).unwrap();
    let vkey = ledger::Reader::open(&served.folder.0.join("ledger.db")).unwrap().vkey();
    proof.verify(&ledger::checkpoint::Vkey::parse(&vkey).unwrap()).unwrap();
    for odd in ["999999", "-1", "01", "x"] {
        assert_eq!(served.get(&format!("/v1/ledger/proof/{odd}"), &auditor).status, 404, "{odd}");
    }
}

#[test]
fn metrics_count_what_was_decided_under_few_labels() {
    let served = Served::start();
    let (app, auditor) = (served.key("app", KeyRole::Agent), served.key("eve", KeyRole::Auditor));
    served.read(&app, "support-bot");
    for n in 0..20 {
        served.check(&app, &json!({"agent_id": format!("stranger-{n}"), "tool": format!("tool-{n}")}));
    }
    for _ in 0..11 {
        served.read(&app, "limited-bot");
    }
    served.check(&app, &refund(500.0));
    let text = String::from_utf8(served.get("/metrics", &auditor).body).unwrap();
    for line in [
        "portcullis_decisions_total{agent=\"support-bot\",tool=\"crm.read\",decision=\"allow\"} 1",
        "portcullis_decisions_total{agent=\"other\",tool=\"other\",decision=\"deny\"} 20",
        "portcullis_limit_hits_total{agent=\"limited-bot\",code=\"limit\"} 1",
        "portcullis_approvals_pending 1",
        "portcullis_halted 0",
        "portcullis_decision_seconds_count 33",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(
        text.contains("portcullis_ledger_position ")
            && text.contains("portcullis_books_entries{table=\"counters\"}")
    );
    assert!(!text.contains("stranger"), "names that nobody wrote into the policy are no labels");
    assert_eq!(served.get("/metrics", "").status, 401);
}

#[test]
fn probes_and_the_start_page_are_open() {
    let served = Served::start();
    assert_eq!(served.get("/healthz", "").json(), json!({"status": "ok"}));
    assert_eq!(served.get("/readyz", "").json(), json!({"status": "ready"}));
    assert_eq!(served.get("/", "").json()["openapi"], "/openapi.json");
}

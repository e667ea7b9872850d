//! Hostile bodies, paths and connections: a clear 4xx problem document, nothing allowed, nothing lost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use serde_json::json;
use verdict::KeyRole;

use crate::http_client::{Line, Served};

/// Bodies for `POST /v1/check`, the status they get and a word of the reason.
fn bodies() -> Vec<(Vec<u8>, u16, &'static str)> {
    let with =
        |rest: &str| format!("{{\"agent_id\":\"support-bot\",\"tool\":\"crm.read\"{rest}}}").into_bytes();
    let args = |args: &str| with(&format!(",\"args\":{{\"x\":{args}}}"));
    let mut lone = with(",\"user\":\"");
    lone.truncate(lone.len() - 1);
    lone.extend_from_slice(b"\xff\"}");
    vec![
        (b"".to_vec(), 400, "JSON"),
        (b"{".to_vec(), 400, "JSON"),
        (b"[]".to_vec(), 422, "object"),
        (b"null".to_vec(), 422, "object"),
        (b"\"x\"".to_vec(), 422, "object"),
        (b"{}".to_vec(), 422, "`agent_id` is missing"),
        (with("} {"), 400, "trailing"),
        (with(",\"colour\":1"), 422, "`colour`"),
        (with(",\"tool\":\"stripe.refund\""), 422, "`tool` is given twice"),
        (with(",\"args\":{\"x\":1,\"x\":2}"), 422, "`x` is given twice"),
        (with(",\"args\":[]"), 422, "`args`"),
        (with(",\"context\":\"x\""), 422, "`context`"),
        (with(",\"user\":5"), 422, "`user` must be a string"),
        (with(",\"user\":\"\""), 422, "`user` is empty"),
        (with(",\"user\":\"\\u0000\""), 422, "`user`"),
        (with(&format!(",\"user\":\"{}\"", "u".repeat(10_000))), 422, "10000 characters"),
        (with(",\"session_id\":\"../../etc\""), 422, "`session_id`"),
        (with(",\"step\":1.5"), 422, "`step`"),
        (with(",\"idempotency_key\":\"\""), 422, "`idempotency_key`"),
        (with(",\"approval_id\":\"dec_1\""), 422, "`approval_id`"),
        (with(",\"approval_id\":\"apr_01\""), 422, "`approval_id`"),
        (with(",\"estimated_tokens\":-1"), 422, "`estimated_tokens`"),
        (with(",\"estimated_tokens\":1.5"), 422, "`estimated_tokens`"),
        (with(",\"estimated_cost_usd\":-0.01"), 422, "negative"),
        (with(",\"estimated_cost_usd\":0.0000001"), 422, "six decimal places"),
        (with(",\"estimated_cost_usd\":9223372036854775807"), 422, "larger than any amount"),
        (with(",\"estimated_cost_usd\":9223372036854775808"), 422, "out of range"),
        (with(",\"estimated_cost_usd\":1e400"), 400, "out of range"),
        (with(",\"estimated_cost_usd\":\"5\""), 422, "string"),
        (with(",\"estimated_cost_usd\":NaN"), 400, "JSON"),
        (with(",\"estimated_cost_usd\":Infinity"), 400, "JSON"),
        (args("1e400"), 400, "out of range"),
        (args("9223372036854775808"), 422, "out of range"),
        (args("-9223372036854775809"), 422, "out of range"),
        (args("01"), 400, "JSON"),
        (args("\"\\ud800\""), 400, "JSON"),
        (args(&format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000))), 400, "nested"),
        (args(&"[".repeat(100_000)), 400, "nested"),
        (lone, 400, "JSON"),
        (b"{\"agent_id\":\"\",\"tool\":\"crm.read\"}".to_vec(), 422, "`agent_id` is empty"),
        (b"{\"agent_id\":\"a b\",\"tool\":\"crm.read\"}".to_vec(), 422, "`agent_id`"),
        (b"{\"agent_id\":\"support-bot\",\"tool\":\"../crm\"}".to_vec(), 422, "`tool`"),
        (format!("{{\"agent_id\":\"a\",\"tool\":\"{}\"}}", "t".repeat(10_000)).into_bytes(), 422, "`tool`"),
        (args(&format!("\"{}\"", "x".repeat(1 << 20))), 413, "longer than 1048576 bytes"),
        (args(&format!("\"{}\"", "x".repeat(10 << 20))), 413, "longer than 1048576 bytes"),
    ]
}

#[test]
fn what_is_no_action_is_refused_and_not_recorded() {
    let served = Served::start();
    let key = served.key("app", KeyRole::Agent);
    let size = served.gate.desk.moved().borrow().to_owned();
    for (body, status, reason) in bodies() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
        let answer = served.raw("POST", "/v1/check", &format!("X-API-Key: {key}\r\n"), &body);
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        let code = answer.problem();
        assert_eq!(code, if status == 413 { "too_large" } else { "invalid_action" }, "{shown}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(reason), "{shown}: {detail}");
        assert!(detail.len() < 600, "{shown}: {detail}");
        for rust in ["Option", "String", "struct", "::", "i64", "enum"] {
            assert!(!detail.contains(rust), "{shown}: {detail}");
        }
    }
    assert_eq!(served.gate.desk.moved().borrow().to_owned(), size, "nothing was recorded");
    assert_eq!(served.read(&key, "support-bot")["allowed"], true, "and the gate goes on");
}

#[test]
fn hostile_amounts_in_arguments_count_against_the_action() {
    let served = Served::start();
    let key = served.key("app", KeyRole::Agent);
    for amount in [
        json!(-5),
        json!("5"),
        json!(null),
        json!(true),
        json!([5]),
        json!(1e-9),
        json!(9_223_372_036_854_775_807_i64),
    ] {
        let body = json!({"agent_id": "support-bot", "tool": "stripe.refund", "args": {"amount": amount}});
        let answer = served.check(&key, &body);
        assert_eq!(
            (&answer["allowed"], &answer["code"]),
            (&json!(false), &json!("invalid_action")),
            "{body}"
        );
    }
    let missing = served.check(&key, &json!({"agent_id": "support-bot", "tool": "stripe.refund"}));
    assert_eq!(missing["code"], "invalid_action");
}

#[test]
fn paths_and_methods_are_strict() {
    let served = Served::start();
    let admin = served.key("ada", KeyRole::Admin);
    let long = format!("/v1/agents/{}", "a".repeat(10_000));
    for path in [
        "/v2/check",
        "/v1",
        "/v1/",
        "/v1/check/",
        "//v1/check",
        "/v1/agents/",
        "/v1/agents/..",
        "/v1/agents/../keys",
        "/v1/agents/%2e%2e",
        "/v1/agents/a%2Fb",
        "/v1/agents/a%00",
        "/v1/decisions/dec_1/",
        "/v1/decisions/dec_-1",
        "/V1/check",
        "/etc/passwd",
        &long,
    ] {
        let answer = served.get(path, &admin);
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.text());
        answer.problem();
    }
    for (method, path) in [
        ("GET", "/v1/check"),
        ("DELETE", "/v1/check"),
        ("PATCH", "/v1/policy"),
        ("OPTIONS", "/v1/check"),
        ("POST", "/healthz"),
        ("BREW", "/v1/check"),
        ("DELETE", "/v1/agents/support-bot"),
    ] {
        let answer = served.raw(method, path, &format!("X-API-Key: {admin}\r\n"), b"");
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (405, "method_not_allowed"),
            "{method} {path}"
        );
        assert!(answer.header("allow").is_some());
    }
    assert_eq!(
        served.post("/v1/check?x=1", &admin, &json!({"agent_id": "support-bot", "tool": "crm.read"})).status,
        400
    );
    let kinds = [
        ("text/xml", 415),
        ("multipart/form-data", 415),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
    ];
    for (kind, status) in kinds {
        let headers = format!("X-API-Key: {admin}\r\nContent-Type: {kind}\r\n");
        let answer =
            served.raw("POST", "/v1/check", &headers, br#"{"agent_id":"support-bot","tool":"crm.read"}"#);
        assert_eq!(answer.status, status, "{kind}");
    }
    let packed = format!("X-API-Key: {admin}\r\nContent-Encoding: gzip\r\n");
    assert_eq!(served.raw("POST", "/v1/check", &packed, b"\x1f\x8b").status, 415);
}

#[test]
fn bodies_in_pieces_and_requests_in_a_row_are_read_right() {
    let served = Served::start();
    let key = served.key("app", KeyRole::Agent);
    let mut line = Line::open(served.address);
    let head = format!(
        "POST /v1/check HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    line.stream.write_all(head.as_bytes()).unwrap();
    for byte in br#"{"agent_id":"support-bot","tool":"crm.read"}"# {
        line.stream.write_all(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']).unwrap();
    }
    line.stream.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(line.receive().json()["allowed"], true);
    let headers = format!("X-API-Key: {key}\r\n");
    let body = br#"{"agent_id":"other-bot","tool":"crm.read"}"#;
    (0..3).for_each(|_| line.send("POST", "/v1/check", &headers, body));
    for _ in 0..3 {
        assert_eq!(line.receive().json()["allowed"], true);
    }
}

#[test]
fn a_client_that_hangs_up_leaves_a_consistent_record() {
    let served = Served::start();
    let (key, auditor) = (served.key("app", KeyRole::Agent), served.key("eve", KeyRole::Auditor));
    let body = json!({"agent_id": "limited-bot", "tool": "crm.read", "idempotency_key": "once"}).to_string();
    for cut in [10, 60, body.len() / 2, body.len()] {
        let mut stream = TcpStream::connect(served.address).unwrap();
        let head = format!(
            "POST /v1/check HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body.as_bytes()[..cut.min(body.len())]).unwrap();
        if cut == body.len() {
            // The whole request, and nobody waits for the answer.
            stream.shutdown(Shutdown::Write).unwrap();
        }
        drop(stream);
    }
    let answer = served.check(&key, &serde_json::from_str(&body).unwrap());
    let list = served.get("/v1/decisions?agent_id=limited-bot&decision=allow", &auditor).json();
    assert_eq!(
        list["decisions"].as_array().unwrap().len(),
        1,
        "one key, one winner, whoever heard of it: {answer}"
    );
}

#[test]
fn a_connection_outlives_what_was_refused_before_its_body_came() {
    let served = Served::start();
    let (agent, auditor) = (served.key("app", KeyRole::Agent), served.key("eve", KeyRole::Auditor));
    let body = json!({"agent_id": "support-bot", "tool": "crm.read"}).to_string();
    let mut line = Line::open(served.address);
    let refused = [
        ("POST", "/v1/check", "X-API-Key: pk_live_wrong\r\n".to_owned(), 401),
        ("POST", "/v1/check", format!("X-API-Key: {auditor}\r\n"), 403),
        ("POST", "/v1/nothing", format!("X-API-Key: {agent}\r\n"), 404),
        ("DELETE", "/v1/check", format!("X-API-Key: {agent}\r\n"), 405),
        ("POST", "/v1/check", format!("X-API-Key: {agent}\r\nContent-Type: text/html\r\n"), 415),
    ];
    for (method, path, headers, status) in refused {
        // The body comes well after its head, as many clients send it.
        line.send(method, path, &format!("{headers}Content-Length: {}\r\n", body.len()), b"");
        std::thread::sleep(std::time::Duration::from_millis(100));
        line.stream.write_all(body.as_bytes()).unwrap();
        assert_eq!(line.receive().status, status, "{method} {path}");
    }
    let answer = line.call("POST", "/v1/check", &format!("X-API-Key: {agent}\r\n"), body.as_bytes());
    assert_eq!(answer.status, 200, "the connection is still of use");
}

#[test]
fn a_stopped_gate_answers_what_it_had_begun_and_then_nothing() {
    let served = Served::start();
    let key = served.key("app", KeyRole::Agent);
    let address = served.address;
    let folder = std::sync::Arc::clone(&served.folder);
    let mut idle = TcpStream::connect(address).unwrap();
    let asked = json!({"agent_id": "support-bot", "tool": "stripe.refund", "args": {"amount": 500}});
    let approval = served.check(&key, &asked)["approval_id"].as_str().unwrap().to_owned();
    let auditor = served.key("eve", KeyRole::Auditor);
    let requests = || -> u64 {
        let text = String::from_utf8(served.get("/metrics", &auditor).body).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("portcullis_requests_total ")).unwrap();
        line.parse().unwrap()
    };
    let mut waiting = Line::open(address);
    let before = requests();
    waiting.send(
        "GET",
        &format!("/v1/approvals/{approval}?wait_s=60"),
        &format!("X-API-Key: {key}\r\n"),
        b"",
    );
    let arrived = (1_u64..100_000).any(|asked| requests() == before + asked + 1);
    assert!(arrived, "the long poll never began");
    let id = served.read(&key, "support-bot")["decision_id"].as_str().unwrap().to_owned();
    served.stop().unwrap();
    assert_eq!(waiting.receive().json()["status"], "pending", "who waits is answered");
    assert_eq!(idle.read(&mut [0; 16]).unwrap_or(0), 0, "idle connections are closed");
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    let again = Served::start_in(folder, crate::http_client::POLICY);
    assert_eq!(again.get(&format!("/v1/decisions/{id}"), &key).status, 200, "and what it said is on record");
}

#[test]
fn a_gate_that_cannot_write_allows_nothing_and_says_so() {
    let served = Served::start();
    let key = served.key("app", KeyRole::Agent);
    let (ledger, aside) = (served.folder.0.join("ledger.db"), served.folder.0.join("aside.db"));
    std::fs::rename(&ledger, &aside).unwrap();
    let body = json!({"agent_id": "support-bot", "tool": "crm.read"});
    for (path, body) in
        [("/v1/check", body.clone()), ("/v1/check/batch", json!({"checks": [body.clone(), body.clone()]}))]
    {
        let answer = served.post(path, &key, &body);
        assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"), "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
        assert!(!answer.text().contains("allow\""), "{}", answer.text());
        assert!(!answer.text().contains("ledger.db"), "the operator's reasons are not the agent's");
    }
    let ready = served.get("/readyz", "");
    assert_eq!((ready.status, ready.problem().as_str()), (503, "unavailable"));
    assert_eq!(served.get("/healthz", "").status, 200, "it lives, and is not ready");
    std::fs::rename(&aside, &ledger).unwrap();
    assert_eq!(served.check(&key, &body)["allowed"], true, "and recovers without a restart");
    let ready = (0..5_000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        served.get("/readyz", "").status == 200
    });
    assert!(ready);
}

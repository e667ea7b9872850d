//! Everything that can go wrong on the way to a tool over TLS: what ran, what was repeated, what the ledger says.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use verdict::KeyRole;

use crate::http_client::Served;
use crate::tool_call::{call, called, gate, outcome};
use crate::tool_signing::portcullis_verify::Verifier;
use crate::upstream::{Arrived, Deed, Upstream, nobody};

/// How a call must end.
struct Expected {
    /// `error.code`; empty: there is none.
    code: &'static str,
    /// The status on record.
    status: &'static str,
    /// How often the tool was called.
    ran: usize,
}

const fn ends(code: &'static str, status: &'static str, ran: usize) -> Expected {
    Expected { code, status, ran }
}

/// A gate whose tool `t` is this upstream, declared with `extra` besides.
fn in_front_of(tool: &Upstream, extra: &str) -> Served {
    gate(
        &format!(
            "{{url: 'https://localhost:{port}/x', allow_private: true, ca: '{0}', auth: {{hmac_sha256: {{file: '{0}'}}}}, timeout_ms: 2000, price_usd: 1{extra}}}",
            tool.ca(),
            port = tool.address.port(),
        ),
        "",
    )
}

fn try_it(name: &str, tool: &Upstream, extra: &str, body: &Value, expected: &Expected) -> Value {
    let served = in_front_of(tool, extra);
    let key = served.key("app", KeyRole::Agent);
    let answer = called(&served, &key, body);
    let Expected { code, status, ran } = expected;
    assert_eq!(answer["status"], *status, "{name}: {answer}");
    assert_eq!(answer["error"]["code"].as_str().unwrap_or_default(), *code, "{name}: {answer}");
    assert_eq!(tool.count(), *ran, "{name}: {answer}");
    assert!(!answer.to_string().contains("Traceback"), "{name}: {answer}");
    // The certificate's file is as good a secret as any.
    let secret = tool.certificate.as_deref().unwrap().trim_end();
    let verifier = Verifier::new(secret.as_bytes());
    for it in tool.arrived() {
        let nonce = verifier.check(&it.method, &it.path, |name| it.header(name), &it.body);
        assert!(nonce.is_ok(), "{name}: each attempt is signed anew: {nonce:?}");
    }
    let end = outcome(&served, &answer);
    assert_eq!(end["status"], *status, "{name}: {end}");
    assert!(!end.to_string().contains("Traceback"), "{name}: {end}");
    answer
}

#[test]
fn every_fault_ends_as_it_must() {
    let deed = |name: &str| match name {
        "hangup" => Deed::Hangup,
        "mid-body" => Deed::Raw(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"a\":".to_vec()),
        "mid-chunk" => {
            Deed::Raw(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n".to_vec())
        }
        "no http" => Deed::Raw(b"220 smtp.example.com ESMTP\r\n\r\n".to_vec()),
        "two lengths" => {
            Deed::Raw(b"HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n11".to_vec())
        }
        "huge" => Deed::json(&format!("\"{}\"", "x".repeat(2 << 20))),
        "huge chunks" => Deed::Raw(
            [
                b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n".as_slice(),
                &vec![b'x'; 0x20_0000],
            ]
            .concat(),
        ),
        "slow" => Deed::json("1").late(4_000),
        "gzip" => Deed::Answer(200, "Content-Encoding: gzip\r\n".to_owned(), b"\x1f\x8b".to_vec()),
        "binary" => Deed::Answer(200, String::new(), vec![0xff, 0xfe]),
        "301" => Deed::Answer(301, "Location: https://evil.example/\r\n".to_owned(), Vec::new()),
        "307" => Deed::Answer(307, "Location: /elsewhere\r\n".to_owned(), Vec::new()),
        "503 later" => Deed::Answer(503, "Retry-After: 60\r\n".to_owned(), Vec::new()),
        status => Deed::status(status.parse().unwrap()),
    };
    // What happens, how the tool is declared, and how it ends.
    let plain = "";
    let twice = ", idempotent: true";
    let reads = ", method: GET";
    let cases = [
        ("hangup", plain, ends("no_answer", "unknown", 1)),
        ("hangup", twice, ends("no_answer", "unknown", 3)),
        ("hangup", reads, ends("no_answer", "failed", 3)),
        ("mid-body", plain, ends("no_answer", "unknown", 1)),
        ("mid-body", reads, ends("no_answer", "failed", 3)),
        ("mid-chunk", plain, ends("no_answer", "unknown", 1)),
        ("no http", plain, ends("no_answer", "unknown", 1)),
        ("two lengths", plain, ends("no_answer", "unknown", 1)),
        ("huge", plain, ends("unreadable", "success", 1)),
        ("huge chunks", plain, ends("unreadable", "success", 1)),
        ("slow", plain, ends("timeout", "unknown", 1)),
        ("slow", reads, ends("timeout", "failed", 1)),
        ("gzip", plain, ends("unreadable", "success", 1)),
        ("binary", plain, ends("unreadable", "success", 1)),
        ("301", plain, ends("redirect", "unknown", 1)),
        ("301", reads, ends("redirect", "failed", 1)),
        ("307", plain, ends("redirect", "failed", 1)),
        ("400", plain, ends("rejected", "failed", 1)),
        ("404", twice, ends("rejected", "failed", 1)),
        ("429", plain, ends("rejected", "failed", 1)),
        ("429", twice, ends("rejected", "failed", 3)),
        ("500", plain, ends("tool_error", "unknown", 1)),
        ("500", twice, ends("tool_error", "failed", 3)),
        ("500", ", idempotent: true, max_retries: 0", ends("tool_error", "failed", 1)),
        ("501", plain, ends("tool_error", "failed", 1)),
        ("502", plain, ends("tool_error", "unknown", 1)),
        ("502", reads, ends("tool_error", "failed", 3)),
        ("503 later", plain, ends("tool_error", "failed", 1)),
        ("503 later", twice, ends("tool_error", "failed", 1)),
    ];
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        for (name, extra, expected) in cases {
            running.push(scope.spawn(move || {
                let tool = Upstream::with_tls(move |_, _| deed(name));
                let answer = try_it(name, &tool, extra, &json!({"agent_id": "bot"}), &expected);
                let cost = if matches!(expected.status, "success" | "unknown") { json!(1) } else { json!(0) };
                assert_eq!(answer["cost_usd"], cost, "{name}: {answer}");
            }));
            if running.len() >= 4 {
                running.drain(..).for_each(|it| it.join().unwrap());
            }
        }
    });
}

#[test]
fn a_key_that_is_sent_on_lets_overload_be_tried_again() {
    for status in [429, 502, 503, 504] {
        let tool =
            Upstream::with_tls(move |n, _| if n == 0 { Deed::status(status) } else { Deed::json("7") });
        let body = json!({"agent_id": "bot", "idempotency_key": "k"});
        let answer = try_it("overload", &tool, "", &body, &ends("", "success", 2));
        assert_eq!((&answer["result"], &answer["attempts"]), (&json!(7), &json!(2)));
        let keys: Vec<_> =
            tool.arrived().iter().map(|it| it.header("idempotency-key").unwrap().to_owned()).collect();
        assert_eq!(keys, ["bot/k", "bot/k"]);
    }
    let tool = Upstream::with_tls(|_, _| Deed::status(500));
    try_it(
        "500",
        &tool,
        "",
        &json!({"agent_id": "bot", "idempotency_key": "k"}),
        &ends("tool_error", "unknown", 1),
    );
}

#[test]
fn what_the_tool_says_of_when_to_come_again_counts() {
    let tool = Upstream::with_tls(|n, _| match n {
        0 => Deed::Answer(429, "Retry-After: 1\r\n".to_owned(), Vec::new()),
        _ => Deed::json("7"),
    });
    let start = Instant::now();
    try_it("429", &tool, ", idempotent: true", &json!({"agent_id": "bot"}), &ends("", "success", 2));
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_connection_that_the_tool_closed_is_not_used_again() {
    for tls in [false, true] {
        // It says nothing of closing, and closes all the same.
        let once = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n7";
        let plan = move |_: usize, _: &Arrived| Deed::Raw(once.to_vec());
        let tool = if tls { Upstream::with_tls(plan) } else { Upstream::start(plan) };
        let served = match tls {
            true => in_front_of(&tool, ""),
            false => gate(&format!("{{url: 'http://{}/x', allow_private: true}}", tool.address), ""),
        };
        let key = served.key("app", KeyRole::Agent);
        for n in 1..=3 {
            let answer = called(&served, &key, &json!({"agent_id": "bot", "args": {}}));
            assert_eq!((&answer["status"], &answer["attempts"]), (&json!("success"), &json!(1)), "{answer}");
            assert_eq!((tool.count(), tool.connections()), (n, n));
            // Its end has arrived.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn where_no_connection_can_be_made_nothing_happened() {
    let at = nobody();
    for (url, code, attempts) in [
        (format!("http://{at}/"), "unreachable", 3),
        ("https://no-such-host.invalid/".to_owned(), "unreachable", 3),
        ("http://169.254.169.254/latest".to_owned(), "refused_address", 1),
        ("http://metadata.google.internal/".to_owned(), "refused_address", 1),
    ] {
        let served = gate(&format!("{{url: '{url}', allow_private: true, timeout_ms: 3000}}"), "");
        let key = served.key("app", KeyRole::Agent);
        let answer = called(&served, &key, &json!({"agent_id": "bot", "idempotency_key": "k"}));
        assert_eq!(
            (&answer["status"], &answer["error"]["code"]),
            (&json!("failed"), &json!(code)),
            "{url}: {answer}"
        );
        assert_eq!(answer["attempts"], attempts, "{url}");
        // Its key is free: it may run again.
        let again = called(&served, &key, &json!({"agent_id": "bot", "idempotency_key": "k"}));
        assert_eq!(again["decision"], "allow");
    }
}

#[test]
fn private_addresses_need_leave() {
    let tool = Upstream::start(|_, _| Deed::json("1"));
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"] {
        let served = gate(&format!("{{url: 'http://{host}:{}/'}}", tool.address.port()), "");
        let key = served.key("app", KeyRole::Agent);
        let answer = called(&served, &key, &json!({"agent_id": "bot"}));
        assert_eq!(
            (&answer["status"], &answer["error"]["code"]),
            (&json!("failed"), &json!("refused_address")),
            "{host}: {answer}"
        );
    }
    assert_eq!((tool.count(), tool.connections()), (0, 0));
}

#[test]
fn only_a_trusted_certificate_for_the_right_name_is_talked_to() {
    let trusted = Upstream::with_tls(|_, _| Deed::json("1"));
    let other = Upstream::with_tls_for(&["other.example"], |_, _| Deed::json("1"));
    let plain = Upstream::start(|_, _| Deed::json("1"));
    for (port, ca, code) in [
        (trusted.address.port(), String::new(), "untrusted"),
        (other.address.port(), format!(", ca: '{}'", trusted.ca()), "untrusted"),
        (other.address.port(), format!(", ca: '{}'", other.ca()), "untrusted"),
        (plain.address.port(), format!(", ca: '{}'", trusted.ca()), "unreachable"),
        (trusted.address.port(), ", ca: /nowhere/ca.pem".to_owned(), "not_ready"),
    ] {
        let served = gate(
            &format!("{{url: 'https://localhost:{port}/', allow_private: true, timeout_ms: 3000{ca}}}"),
            "",
        );
        let key = served.key("app", KeyRole::Agent);
        let answer = called(&served, &key, &json!({"agent_id": "bot"}));
        assert_eq!(
            (&answer["status"], &answer["error"]["code"]),
            (&json!("failed"), &json!(code)),
            "{answer}"
        );
    }
    assert_eq!((trusted.count(), other.count(), plain.count()), (0, 0, 0));
}

#[test]
fn an_unknown_end_holds_its_key_until_a_person_says_how_it_ended() {
    let tool = Upstream::with_tls(|n, _| if n == 0 { Deed::Hangup } else { Deed::json("7") });
    let served = in_front_of(&tool, "");
    let (key, admin) = (served.key("app", KeyRole::Agent), served.key("alice", KeyRole::Admin));
    let body = json!({"agent_id": "bot", "idempotency_key": "k"});
    let first = called(&served, &key, &body);
    assert_eq!(first["status"], "unknown");
    for wait in [0, 5] {
        let start = Instant::now();
        let held = call(&served, &key, &json!({"agent_id": "bot", "idempotency_key": "k", "wait_s": wait}));
        assert_eq!((held.status, held.problem().as_str()), (409, "unknown"), "{}", held.text());
        assert!(held.text().contains("nobody knows"), "{}", held.text());
        assert!(start.elapsed() < Duration::from_secs(3), "waiting would not help");
    }
    assert_eq!(tool.count(), 1);
    let id = first["decision_id"].as_str().unwrap();
    let shown = |outcome: &str| {
        served.get(&format!("/v1/decisions?outcome={outcome}"), &admin).json()["decisions"].clone()
    };
    assert_eq!((&shown("unknown")[0]["decision_id"], shown("failed")), (&json!(id), json!([])));
    let said = served.post(&format!("/v1/decisions/{id}/outcome"), &admin, &json!({"status": "failed"}));
    assert_eq!(said.status, 200, "{}", said.text());
    let again = called(&served, &key, &body);
    assert_eq!((&again["status"], &again["result"]), (&json!("success"), &json!(7)));
    assert_eq!(tool.count(), 2);
}

#[test]
fn a_caller_who_hangs_up_stops_nothing() {
    let tool = Upstream::start(|_, _| Deed::json("7").late(600));
    let served = gate(&format!("{{url: 'http://{}/', allow_private: true}}", tool.address), "");
    let key = served.key("app", KeyRole::Agent);
    let body = json!({"agent_id": "bot", "idempotency_key": "k"}).to_string();
    let mut line = crate::http_client::Line::open(served.address);
    line.send(
        "POST",
        "/v1/tools/t/call",
        &format!("Content-Type: application/json\r\nAuthorization: Bearer {key}\r\n"),
        body.as_bytes(),
    );
    while tool.count() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(line);
    let again = called(&served, &key, &json!({"agent_id": "bot", "idempotency_key": "k", "wait_s": 20}));
    assert_eq!((&again["duplicate"], &again["result"]), (&json!(true), &json!(7)), "{again}");
    assert_eq!(tool.count(), 1);
}

#[test]
fn a_breaker_opens_and_lets_one_call_try() {
    let tool = Upstream::start(|n, _| match n {
        0..=2 => Deed::status(500),
        3 => Deed::status(500).late(600),
        _ => Deed::json("7"),
    });
    let served = gate(
        &format!(
            "{{url: 'http://{}/', allow_private: true, idempotent: true, max_retries: 0, breaker: {{failures: 3, cooldown: 1s}}}}",
            tool.address
        ),
        "",
    );
    let key = served.key("app", KeyRole::Agent);
    let ask = || called(&served, &key, &json!({"agent_id": "bot"}));
    for _ in 0..3 {
        assert_eq!(ask()["status"], "failed");
    }
    let open = ask();
    assert_eq!((&open["decision"], &open["code"]), (&json!("deny"), &json!("breaker_open")), "{open}");
    assert!(open["retry_after_s"].as_u64().is_some_and(|it| it <= 2), "{open}");
    std::thread::sleep(Duration::from_millis(1_100));
    // Half open: one of them tries, and fails.
    let tried: Vec<Value> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..5).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(tried.iter().filter(|it| it["status"] == "failed").count(), 1, "{tried:?}");
    assert_eq!(tried.iter().filter(|it| it["code"] == "breaker_open").count(), 4, "{tried:?}");
    assert_eq!(tool.count(), 4);
    assert_eq!(ask()["code"], "breaker_open");
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(ask()["status"], "success");
    assert_eq!(ask()["status"], "success");
}

#[test]
fn what_a_tool_refuses_does_not_open_its_breaker() {
    let tool = Upstream::start(|_, _| Deed::status(404));
    let served = gate(
        &format!(
            "{{url: 'http://{}/', allow_private: true, breaker: {{failures: 2, cooldown: 30s}}}}",
            tool.address
        ),
        "",
    );
    let key = served.key("app", KeyRole::Agent);
    for _ in 0..5 {
        assert_eq!(called(&served, &key, &json!({"agent_id": "bot"}))["error"]["status"], 404);
    }
}

#[test]
fn a_gate_that_is_stopped_in_the_middle_says_that_nobody_knows() {
    let tool = Upstream::start(|_, _| Deed::json("7").late(60_000));
    let declared = format!("{{url: 'http://{}/', allow_private: true, timeout_ms: 60000}}", tool.address);
    let served = gate(&declared, "");
    let folder = std::sync::Arc::clone(&served.folder);
    let key = served.key("app", KeyRole::Agent);
    let body = json!({"agent_id": "bot", "idempotency_key": "k"});
    let mut line = crate::http_client::Line::open(served.address);
    let head = format!("Content-Type: application/json\r\nAuthorization: Bearer {key}\r\n");
    line.send("POST", "/v1/tools/t/call", &head, body.to_string().as_bytes());
    while tool.count() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(line);
    served.stop().unwrap();
    let policy = format!(
        "version: 1\ntools:\n  t: {declared}\nagents:\n  bot:\n    rules: [{{name: may, allow: [t]}}]\n"
    );
    let served = Served::start_in(folder, &policy);
    let held = call(&served, &key, &body);
    assert_eq!((held.status, held.problem().as_str()), (409, "unknown"), "{}", held.text());
    let admin = served.key("alice", KeyRole::Admin);
    let shown = served.get("/v1/decisions?outcome=unknown", &admin).json();
    assert_eq!(shown["decisions"][0]["tool"], "t", "{shown}");
    assert_eq!(tool.count(), 1);
}

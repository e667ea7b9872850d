//! Calls of declared tools: decided, carried out once, settled, answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use verdict::{KeyRole, Realm};

use crate::http_client::{Answer, Folder, Served};
use crate::upstream::{Deed, Upstream};

/// A gate with one tool `t` (and what else is written) and one agent `bot` that may call it.
pub fn gate(tool: &str, rest: &str) -> Served {
    let policy = format!(
        "version: 1\ntools:\n  t: {tool}\nagents:\n  bot:\n    rules: [{{name: may, allow: [t]}}]\n{rest}"
    );
    Served::start_in(Arc::new(Folder::new()), &policy)
}

pub fn call(served: &Served, key: &str, body: &Value) -> Answer {
    served.post("/v1/tools/t/call", key, body)
}

pub fn called(served: &Served, key: &str, body: &Value) -> Value {
    let answer = call(served, key, body);
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    answer.json()
}

/// The recorded end of a decision.
pub fn outcome(served: &Served, decision: &Value) -> Value {
    let admin = served.key("reader", KeyRole::Admin);
    let id = decision["decision_id"].as_str().unwrap_or_else(|| panic!("{decision}"));
    served.get(&format!("/v1/decisions/{id}"), &admin).json()["outcome"].clone()
}

#[test]
fn a_call_is_carried_out_and_recorded() {
    let tool = Upstream::start(|_, _| Deed::json(r#"{"found": [1, 2]}"#));
    let served = gate(
        &format!(
            "{{url: 'http://{}/items/{{id}}', allow_private: true, price_usd: 0.02, schema: {{properties: {{id: {{type: string}}, n: {{type: integer, maximum: 9}}}}, required: [id]}}}}",
            tool.address
        ),
        "",
    );
    let key = served.key("app", KeyRole::Agent);
    let answer = called(
        &served,
        &key,
        &json!({"agent_id": "bot", "args": {"id": "a/b", "n": 3}, "idempotency_key": "k-1"}),
    );
    assert_eq!(answer["decision"], "allow");
    assert_eq!(answer["status"], "success");
    assert_eq!(answer["result"], json!({"found": [1, 2]}));
    assert_eq!(answer["cost_usd"], json!(0.02));
    assert_eq!(answer["attempts"], 1);
    assert!(answer["duration_ms"].is_u64() && answer.get("error").is_none());
    let arrived = tool.arrived();
    assert_eq!(arrived.len(), 1);
    assert_eq!((arrived[0].method.as_str(), arrived[0].path.as_str()), ("POST", "/items/a%2Fb"));
    assert_eq!(arrived[0].body, br#"{"n":3}"#);
    assert_eq!(arrived[0].header("idempotency-key"), Some("bot/k-1"));
    assert_eq!(arrived[0].header("host"), Some(tool.address.to_string().as_str()));
    assert_eq!(arrived[0].header("portcullis-signature"), None);
    let end = outcome(&served, &answer);
    assert_eq!((&end["status"], &end["result"]), (&json!("success"), &json!({"found": [1, 2]})));

    // The same again: what the first one brought, and nothing is sent.
    let again = called(
        &served,
        &key,
        &json!({"agent_id": "bot", "args": {"n": 3, "id": "a/b"}, "idempotency_key": "k-1"}),
    );
    assert_eq!(
        (&again["duplicate"], &again["code"], &again["status"]),
        (&json!(true), &json!("duplicate"), &json!("success"))
    );
    assert_eq!(again["result"], json!({"found": [1, 2]}));
    assert_eq!(again["duplicate_of"], answer["decision_id"]);
    let other =
        call(&served, &key, &json!({"agent_id": "bot", "args": {"id": "c"}, "idempotency_key": "k-1"}));
    assert_eq!((other.status, other.problem().as_str()), (409, "duplicate"));
    assert_eq!(tool.count(), 1);
    assert_eq!(tool.connections(), 1);
}

#[test]
fn arguments_that_are_none_of_the_tools_are_refused_before_anything_is_sent() {
    let tool = Upstream::start(|_, _| Deed::json("{}"));
    let served = gate(
        &format!(
            "{{url: 'http://{}/', allow_private: true, schema: {{properties: {{to: {{type: object, properties: {{amount: {{type: number, maximum: 200}}}}}}}}}}}}",
            tool.address
        ),
        "",
    );
    let key = served.key("app", KeyRole::Agent);
    for (args, said) in [
        (json!({"to": {"amount": "9"}}), "`args.to.amount` must be a number, and is a string"),
        (json!({"to": {"amount": 201}}), "`args.to.amount` must be at most 200"),
        (json!({"too": 1}), "`args.too` is no argument of `t`, which takes to"),
    ] {
        let answer = called(&served, &key, &json!({"agent_id": "bot", "args": args}));
        assert_eq!(
            (&answer["decision"], &answer["code"]),
            (&json!("deny"), &json!("invalid_action")),
            "{answer}"
        );
        assert_eq!(answer["reason"], said);
        // A check of the same says the same.
        let check = served.check(&key, &json!({"agent_id": "bot", "tool": "t", "args": args}));
        assert_eq!((&check["code"], &check["reason"]), (&answer["code"], &answer["reason"]));
    }
    assert_eq!(tool.count(), 0);
}

#[test]
fn what_is_denied_or_unknown_or_has_no_url_is_not_called() {
    let tool = Upstream::start(|_, _| Deed::json("{}"));
    let policy = format!(
        "version: 1
tools:
  t: {{url: 'http://{0}/', allow_private: true}}
  off: {{url: 'http://{0}/', allow_private: true, enabled: false}}
  plain: {{}}
agents:
  bot:
    rules: [{{name: may, allow: [off, plain]}}]
  own:
    tools: {{t: {{url: 'http://{0}/own', allow_private: true, method: GET}}}}
    rules: [{{name: may, allow: [t]}}]
",
        tool.address
    );
    let served = Served::start_in(Arc::new(Folder::new()), &policy);
    let key = served.key("app", KeyRole::Agent);
    let post = |tool: &str, agent: &str| {
        served.post(&format!("/v1/tools/{tool}/call"), &key, &json!({"agent_id": agent}))
    };
    for (tool, agent, code) in [
        ("t", "bot", "no_matching_rule"),
        ("off", "bot", "unknown_tool"),
        ("unheard", "bot", "unknown_tool"),
        ("t", "nobody", "unknown_agent"),
    ] {
        let answer = post(tool, agent);
        assert_eq!(
            (answer.status, &answer.json()["decision"], &answer.json()["code"]),
            (200, &json!("deny"), &json!(code)),
            "{tool}"
        );
    }
    let answer = post("plain", "bot");
    assert_eq!((answer.status, answer.problem().as_str()), (409, "conflict"));
    assert_eq!(tool.count(), 0);
    assert_eq!(post("t", "own").json()["status"], "success");
    assert_eq!((tool.arrived()[0].method.as_str(), tool.arrived()[0].path.as_str()), ("GET", "/own"));
}

#[test]
fn a_person_is_asked_first() {
    let tool = Upstream::start(|_, _| Deed::json("\"done\""));
    let served = Served::start_in(
        Arc::new(Folder::new()),
        &format!(
            "version: 1\ntools:\n  t: {{url: 'http://{}/', allow_private: true}}\nagents:\n  bot:\n    rules: [{{name: may, allow: [t], approval: {{quorum: 1}}}}]\n",
            tool.address
        ),
    );
    let (key, admin) = (served.key("app", KeyRole::Agent), served.key("alice", KeyRole::Admin));
    let asked = called(&served, &key, &json!({"agent_id": "bot"}));
    assert_eq!(asked["decision"], "pending");
    let approval = asked["approval_id"].as_str().unwrap();
    assert_eq!(tool.count(), 0);
    assert_eq!(served.call("POST", &format!("/v1/approvals/{approval}/approve"), &admin, None).status, 200);
    let done = called(&served, &key, &json!({"agent_id": "bot", "approval_id": approval}));
    assert_eq!((&done["status"], &done["result"]), (&json!("success"), &json!("done")));
    assert_eq!(tool.count(), 1);

    // One that waits is carried out as soon as somebody agrees.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| called(&served, &key, &json!({"agent_id": "bot", "wait_s": 30})));
        let open = loop {
            let open = served.get("/v1/approvals?status=pending", &admin).json();
            if let Some(id) = open["approvals"][0]["id"].as_str() {
                break id.to_owned();
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        served.call("POST", &format!("/v1/approvals/{open}/approve"), &admin, None);
        assert_eq!(waiting.join().unwrap()["status"], "success");
    });
    assert_eq!(tool.count(), 2);
    // Nobody answers: the question stands.
    let start = Instant::now();
    let open = called(&served, &key, &json!({"agent_id": "bot", "wait_s": 1}));
    assert_eq!(open["decision"], "pending");
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(tool.count(), 2);
}

#[test]
fn the_same_key_runs_once_however_many_ask_at_once() {
    let tool = Upstream::start(|n, _| Deed::json(&n.to_string()).late(400));
    let served = gate(&format!("{{url: 'http://{}/', allow_private: true}}", tool.address), "");
    let key = served.key("app", KeyRole::Agent);
    let body = |wait: u64| json!({"agent_id": "bot", "idempotency_key": "once", "wait_s": wait});
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8_u64)
            .map(|n| {
                let (served, key) = (&served, &key);
                scope.spawn(move || call(served, key, &body(if n % 2 == 0 { 20 } else { 0 })))
            })
            .collect();
        all.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(tool.count(), 1);
    let mut carried = 0;
    for (n, answer) in answers.iter().enumerate() {
        match answer.status {
            200 => {
                let json = answer.json();
                assert_eq!(json["result"], 0, "{json}");
                carried += usize::from(json["decision"] == "allow");
                assert!(json["decision"] == "allow" || json["duplicate"] == true);
            }
            409 => {
                assert_eq!(answer.problem(), "in_progress");
                assert!(answer.header("retry-after").is_some() && n % 2 == 1, "{n}");
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert_eq!(carried, 1);
}

#[test]
fn screens_hold_for_what_a_tool_gives_back() {
    let token = format!("ghp_{}", "16C7e42F292c6912E7710c838347Ae178B4a");
    let said = token.clone();
    let tool = Upstream::start(move |_, _| Deed::json(&json!({"token": said}).to_string()));
    let served = gate(
        &format!("{{url: 'http://{}/', allow_private: true}}", tool.address),
        "    screens: {output: {secrets: redact}}\n",
    );
    let key = served.key("app", KeyRole::Agent);
    let answer = called(&served, &key, &json!({"agent_id": "bot"}));
    assert_eq!(answer["status"], "success");
    assert!(!answer.to_string().contains(&token), "{answer}");
    assert_eq!(answer["findings"][0]["kind"], "secret");
    assert!(!outcome(&served, &answer).to_string().contains(&token));
}

#[test]
fn a_test_key_calls_the_test_address_or_nothing() {
    let (live, test) = (Upstream::start(|_, _| Deed::json("1")), Upstream::start(|_, _| Deed::json("2")));
    let declared = |extra: &str| format!("{{url: 'http://{}/', allow_private: true{extra}}}", live.address);
    let served = gate(&declared(""), "");
    let key = served.key_like("try", KeyRole::Agent, None, Realm::Test);
    let answer = called(&served, &key, &json!({"agent_id": "bot"}));
    assert_eq!((&answer["status"], &answer["error"]["code"]), (&json!("cancelled"), &json!("not_ready")));
    let served = gate(&declared(&format!(", test_url: 'http://{}/'", test.address)), "");
    let key = served.key_like("try", KeyRole::Agent, None, Realm::Test);
    assert_eq!(called(&served, &key, &json!({"agent_id": "bot"}))["result"], 2);
    assert_eq!((live.count(), test.count()), (0, 1));
}

#[test]
fn only_so_many_calls_at_once() {
    let tool = Upstream::start(|_, _| Deed::json("1").late(500));
    let served =
        gate(&format!("{{url: 'http://{}/', allow_private: true, max_in_flight: 2}}", tool.address), "");
    let key = served.key("app", KeyRole::Agent);
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..6).map(|_| scope.spawn(|| called(&served, &key, &json!({"agent_id": "bot"})))).collect();
        all.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let (good, refused): (Vec<&Value>, Vec<&Value>) =
        answers.iter().partition(|it| it["decision"] == "allow");
    assert_eq!((good.len(), refused.len()), (2, 4), "{answers:?}");
    for answer in refused {
        assert_eq!((&answer["code"], &answer["retry_after_s"]), (&json!("limit"), &json!(1)), "{answer}");
        assert!(answer["reason"].as_str().unwrap().contains("calls of t at once"), "{answer}");
    }
    assert_eq!(called(&served, &key, &json!({"agent_id": "bot"}))["decision"], "allow", "they have ended");
}

fn events(head: &str, pieces: &[&str]) -> Deed {
    let chunks: String = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
    Deed::Raw(
        format!("HTTP/1.1 200 X\r\n{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n").into_bytes(),
    )
}

/// The whole of an answer that has no length of its own.
fn streamed(served: &Served, key: &str, body: &Value) -> String {
    use std::io::{Read as _, Write as _};
    let body = body.to_string();
    let mut stream = std::net::TcpStream::connect(served.address).unwrap();
    let head = format!(
        "POST /v1/tools/t/call HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn an_answer_in_pieces_is_passed_on_as_it_comes() {
    let sse = "Content-Type: text/event-stream\r\n";
    let tool = Upstream::start(move |n, _| match n {
        0 => events(sse, &["data: {\"n\": 1}\n\nda", "ta: {\"n\": 2}\n\n", "event: done\ndata: x\n\n"]),
        1 => Deed::Raw(format!("HTTP/1.1 200 X\r\n{sse}Content-Length: 500\r\n\r\ndata: 1\n\n").into_bytes()),
        2 => Deed::json("{\"n\": 3}"),
        _ => events("Content-Type: application/x-ndjson\r\n", &["{\"n\": 4}\n{\"n\"", ": 5}"]),
    });
    let declared = format!("{{url: 'http://{}/', allow_private: true, idempotent: true}}", tool.address);
    let served = gate(&declared, "");
    let key = served.key("app", KeyRole::Agent);
    let body = |key: &str| json!({"agent_id": "bot", "stream": true, "idempotency_key": key});
    let text = streamed(&served, &key, &body("a"));
    assert!(text.contains("text/event-stream"), "{text}");
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
    assert!(at("event: piece\ndata: {\"n\":1}") < at("event: piece\ndata: {\"n\":2}"));
    assert!(at("{\"n\":2}") < at("data: {\"data\":\"x\",\"event\":\"done\"}"));
    assert!(at("\"done\"") < at("event: end\ndata: {\"decision\":\"allow\""));
    assert!(!text.contains("\"result\""));
    // All of it is on record, and for whoever repeats the call.
    let again = called(&served, &key, &body("a"));
    assert_eq!(again["result"], json!([{"n": 1}, {"n": 2}, {"event": "done", "data": "x"}]));

    // Cut short once a piece is out: not tried again, though it might be, and nobody knows its end.
    let text = streamed(&served, &key, &body("b"));
    assert!(text.contains("event: piece\ndata: 1") && text.contains("\"status\":\"unknown\""), "{text}");
    assert_eq!(tool.count(), 2);
    assert_eq!(called(&served, &key, &body("c"))["result"], json!({"n": 3}));
    let text = streamed(&served, &key, &body("d"));
    assert!(text.contains("data: {\"n\":4}") && text.contains("data: {\"n\":5}"), "{text}");

    // Where a screen could keep something back it comes whole.
    let served = gate(&declared, "    screens: {output: {secrets: redact}}\n");
    let key = served.key("app", KeyRole::Agent);
    assert_eq!(called(&served, &key, &body("e"))["result"], "{\"n\": 4}\n{\"n\": 5}");
}

#[test]
fn a_name_with_slashes_is_called_by_its_escaped_form() {
    let tool = Upstream::start(|_, _| Deed::json("1"));
    let policy = format!(
        "version: 1\ntools:\n  crm/contacts/read: {{url: 'http://{0}/', allow_private: true}}\n  a:b@c: {{url: 'http://{0}/', allow_private: true}}\nagents:\n  bot: {{rules: [{{name: may, allow: [crm/contacts/read, 'a:b@c']}}]}}\n",
        tool.address
    );
    let served = Served::start_in(Arc::new(Folder::new()), &policy);
    let (key, admin) = (served.key("app", KeyRole::Agent), served.key("ops", KeyRole::Admin));
    let call = |name: &str| served.post(&format!("/v1/tools/{name}/call"), &key, &json!({"agent_id": "bot"}));
    for name in ["crm%2Fcontacts%2Fread", "crm%2fcontacts%2fread", "a:b@c", "a%3Ab%40c", "%61:b@c"] {
        let answer = call(name);
        assert_eq!(
            (answer.status, &answer.json()["status"]),
            (200, &json!("success")),
            "{name}: {}",
            answer.text()
        );
    }
    assert_eq!(tool.count(), 5);
    for odd in [
        "crm/contacts/read",
        "crm%2F%2Fread",
        "%2Fcrm",
        "crm%2F..%2Fread",
        "crm%2F.%2E%2Fread",
        "crm%252Fread",
        "crm%2",
        "crm%zz",
        "a%00b",
        "a%20b",
        "%ff",
    ] {
        assert_eq!(call(odd).status, 404, "{odd}");
    }
    let one = served.get("/v1/tools/crm%2Fcontacts%2Fread", &admin);
    assert_eq!((one.status, &one.json()["name"]), (200, &json!("crm/contacts/read")), "{}", one.text());
    // As another product's clients write it, too.
    let one = served.get("/onceonly/v1/tools/crm%2Fcontacts%2Fread", &admin);
    assert_eq!((one.status, &one.json()["name"]), (200, &json!("crm/contacts/read")), "{}", one.text());
    let gone = served.call("DELETE", "/v1/tools/crm%2Fcontacts%2Fread", &admin, None);
    assert_eq!(gone.status, 200, "{}", gone.text());
    assert_eq!(served.get("/v1/tools/crm%2Fcontacts%2Fread", &admin).status, 404);
}

//! A gate that is killed while it calls a tool: nobody knows what became of the call, and nothing pretends to.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Desk, Running};
use crate::cli_serve::ready;
use crate::http_client::{Answer, Line};
use crate::upstream::{Deed, Upstream};

fn ask(address: SocketAddr, key: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let headers = format!("{kind}Authorization: Bearer {key}\r\n");
    Line::open(address).call(method, path, &headers, body.as_bytes())
}

fn serve(desk: &Desk) -> (Running, SocketAddr) {
    let mut serving = desk.start(&["serve", "--policy", "policy.yaml", "--listen", "127.0.0.1:0"]);
    let (_, address, _out) = ready(&mut serving);
    (serving, address.parse().unwrap())
}

/// The decisions that ended like this, newest first.
fn ended(address: SocketAddr, key: &str, status: &str) -> Vec<Value> {
    let page = ask(address, key, "GET", &format!("/v1/decisions?outcome={status}"), None).json();
    page["decisions"].as_array().unwrap().clone()
}

#[test]
fn a_call_that_was_under_way_is_unknown_and_waits_for_a_person() {
    let tool = Upstream::start(|n, _| Deed::json("\"done\"").late(if n == 0 { 60_000 } else { 0 }));
    let desk = Desk::new();
    desk.write(
        "policy.yaml",
        &format!(
            "version: 1\ntools:\n  t: {{url: 'http://{}/', allow_private: true, timeout_ms: 1500}}\nagents:\n  bot: {{rules: [{{name: may, allow: t}}]}}\n",
            tool.address
        ),
    );
    let admin = desk.key("admin", "ops", &[]);
    let (mut serving, address) = serve(&desk);
    let body = json!({"agent_id": "bot", "args": {}, "idempotency_key": "once"});
    let text = body.to_string();
    let mut caller = TcpStream::connect(address).unwrap();
    write!(
        caller,
        "POST /v1/tools/t/call HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
    .unwrap();
    while tool.count() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // SIGKILL: the tool has the request, and the gate says nothing more.
    serving.0.kill().unwrap();
    serving.0.wait().unwrap();

    let (_serving, address) = serve(&desk);
    let call = |body: &Value| ask(address, &admin, "POST", "/v1/tools/t/call", Some(body));
    let again = call(&body);
    assert_eq!(again.status, 409, "{}", again.text());
    let start = Instant::now();
    let unknown = loop {
        let unknown = ended(address, &admin, "unknown");
        if !unknown.is_empty() {
            break unknown;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it is listed nowhere");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((unknown.len(), &unknown[0]["idempotency_key"]), (1, &json!("once")));
    let id = unknown[0]["decision_id"].as_str().unwrap();
    let one = ask(address, &admin, "GET", &format!("/v1/decisions/{id}"), None).json();
    assert!(one["outcome"]["error"].as_str().unwrap().contains("nobody knows"), "{one}");
    // Its key is not used again, whoever waits for however long.
    let again = call(&json!({"agent_id": "bot", "args": {}, "idempotency_key": "once", "wait_s": 2}));
    assert_eq!((again.status, again.problem().as_str()), (409, "unknown"), "{}", again.text());
    assert_eq!(again.json()["original_status"], "unknown");
    assert_eq!(tool.count(), 1);

    // A person has looked: it was not done. Now it may be.
    let settled = json!({"status": "failed", "error": "it is not in the tool's own list"});
    let path = format!("/v1/decisions/{id}/outcome");
    assert_eq!(ask(address, &admin, "POST", &path, Some(&settled)).status, 200);
    assert!(ended(address, &admin, "unknown").is_empty());
    assert_eq!(ended(address, &admin, "failed").len(), 1);
    let done = call(&body);
    assert_eq!((done.status, &done.json()["result"]), (200, &json!("done")), "{}", done.text());
    assert_eq!(tool.count(), 2);
    // It ended well, and stays so.
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(ended(address, &admin, "success").len(), 1);
    assert!(ended(address, &admin, "unknown").is_empty());
}

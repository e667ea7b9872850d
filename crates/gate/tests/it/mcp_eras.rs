//! Clients with sessions and a server that has none (MCP 2026-07-28), and a server that misbehaves over HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use verdict::{Record, Status};

use crate::http_client::Folder;
use crate::mcp_http::{Client, records, serve_under};
use crate::mcp_rig::call;

const POLICY: &str = "
version: 1
agents:
  bot:
    rules: [{name: all, allow: [greet, vanish, garble, refuse, slow]}]
";

/// A server without sessions. What it was sent is kept.
struct Sessionless {
    address: SocketAddr,
    heard: Receiver<(String, Value)>,
}

impl Sessionless {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (to, heard) = channel();
        let to = Arc::new(Mutex::new(to));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let to = to.lock().unwrap().clone();
                std::thread::spawn(move || serve(stream, &to));
            }
        });
        Self { address, heard }
    }

    /// The next request of this method, and the headers above it.
    fn next(&self, method: &str) -> (String, Value) {
        loop {
            let (heads, body) = self.heard.recv_timeout(Duration::from_secs(20)).expect(method);
            if body["method"] == method {
                return (heads, body);
            }
        }
    }
}

fn serve(stream: TcpStream, to: &Sender<(String, Value)>) {
    let mut from = BufReader::new(stream);
    loop {
        let (mut heads, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if from.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
            heads.push_str(&line.to_ascii_lowercase());
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).unwrap();
        let Ok(body) = serde_json::from_slice::<Value>(&body) else { return };
        let _gone = to.send((heads, body.clone()));
        let Some((status, answer)) = answer(&body) else { return };
        let text = if answer.is_null() { "garbage".to_owned() } else { answer.to_string() };
        let reply = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        from.get_mut().write_all(reply.as_bytes()).unwrap();
    }
}

/// Nothing: the connection is closed.
fn answer(body: &Value) -> Option<(u16, Value)> {
    let result = |result: Value| Some((200, json!({"jsonrpc": "2.0", "id": body["id"], "result": result})));
    let error = |status: u16, code: i32| {
        Some((status, json!({"jsonrpc": "2.0", "id": body["id"], "error": {"code": code, "message": "no"}})))
    };
    let params = &body["params"];
    if params["_meta"]["io.modelcontextprotocol/protocolVersion"] != "2026-07-28" {
        return error(400, -32602);
    }
    match body["method"].as_str().unwrap() {
        "server/discover" => result(json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "private",
            "capabilities": {"tools": {}}, "instructions": "Be kind",
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "newest", "version": "9"}}})),
        "tools/list" => {
            let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
            let tools: Vec<Value> = ["greet", "vanish", "garble", "refuse", "hidden"].map(tool).to_vec();
            result(json!({"resultType": "complete", "tools": tools, "ttlMs": 0, "cacheScope": "private"}))
        }
        "tools/call" => match params["name"].as_str().unwrap() {
            "greet" if params.get("inputResponses").is_none() => result(json!({
                "resultType": "input_required", "requestState": "s-1",
                "inputRequests": {"who": {"method": "elicitation/create", "params": {"message": "Who?"}}}})),
            "greet" => {
                assert_eq!(params["requestState"], "s-1");
                let who = params["inputResponses"]["who"]["content"]["name"].as_str().unwrap();
                result(
                    json!({"resultType": "complete", "content": [{"type": "text", "text": format!("Hello, {who}")}]}),
                )
            }
            "vanish" => None,
            "garble" => Some((200, Value::Null)),
            _ => error(400, -32602),
        },
        _ => error(404, -32601),
    }
}

#[test]
fn a_client_with_sessions_is_served_by_a_server_without() {
    let folder = Arc::new(Folder::new());
    let server = Sessionless::start();
    let config =
        json!({"mcpServers": {"new": {"url": format!("http://{}/mcp", server.address), "prefix": ""}}});
    let served = serve_under(&folder, POLICY, &config);
    let mut client = Client::new(&served);
    client.begin(|| (), |()| ());
    let (heads, asked) = server.next("server/discover");
    assert!(
        heads.contains("mcp-method: server/discover") && heads.contains("mcp-protocol-version: 2026-07-28")
    );
    assert!(asked["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"].is_object());

    let listed = client.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).json();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 4, "{listed}");
    assert_eq!(client.post(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#).json()["result"], json!({}));

    // What it asks for in its answer is a question to the client, and then it is asked again.
    let mut reading = client.post(&call(3, "greet", "{}"));
    let (_, question) = reading.event().unwrap();
    assert_eq!(
        (&question["method"], &question["params"]["message"]),
        (&json!("elicitation/create"), &json!("Who?"))
    );
    let said = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"name": "you"}}});
    assert_eq!(client.post(&said.to_string()).status, 202);
    let (_, answer) = reading.event().unwrap();
    assert_eq!(
        (&answer["id"], &answer["result"]["content"][0]["text"]),
        (&json!(3), &json!("Hello, you")),
        "{answer}"
    );
    let (heads, first) = server.next("tools/call");
    assert!(heads.contains("mcp-name: greet"));
    assert_ne!(first["id"], server.next("tools/call").1["id"], "a round is a request of its own");
    let decided = records(&served).iter().filter(|it| matches!(it, Record::Decided(_))).count();
    assert_eq!(decided, 1, "one call, however often it is asked about");
}

#[test]
fn how_a_call_over_http_ended_is_not_guessed() {
    let folder = Arc::new(Folder::new());
    let server = Sessionless::start();
    let config =
        json!({"mcpServers": {"new": {"url": format!("http://{}/mcp", server.address), "prefix": ""}}});
    let served = serve_under(&folder, POLICY, &config);
    let mut client = Client::new(&served);
    client.begin(|| (), |()| ());
    for (n, (tool, status)) in
        [("vanish", Status::Unknown), ("garble", Status::Unknown), ("refuse", Status::Failed)]
            .into_iter()
            .enumerate()
    {
        let answer = client.post(&call(n as u32 + 1, tool, "{}")).json();
        let last = || {
            records(&served)
                .into_iter()
                .rev()
                .find_map(|it| if let Record::Settled(it) = it { Some(it.status) } else { None })
        };
        assert_eq!(last(), Some(status), "{tool}: {answer}");
    }
    // A server that is not there is said to be so.
    let config = json!({"mcpServers": {"gone": {"url": "http://127.0.0.1:1/mcp", "prefix": ""}}});
    let served = serve_under(&Arc::new(Folder::new()), POLICY, &config);
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
    let said = Client::new(&served).post(hello).json();
    assert!(said["error"]["message"].as_str().unwrap().contains("cannot be reached"), "{said}");
}

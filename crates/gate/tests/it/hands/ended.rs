//! Calls of programs that somebody stops waiting for: a client of MCP that takes its call back, and one of HTTP that
//! hangs up.

use std::time::{Duration, Instant};

use gate::mcp::servers::Servers;
use serde_json::{Value, json};
use verdict::{KeyRole, Realm};

use super::{call, gate_with, workspace};
use crate::http_client::{Line, Served};

/// True once the host has a process with this command line, or has none any more that speaks of it: the shell that
/// starts it does so before it does anything.
fn until(there: bool, mark: &str) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let found = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if there { line.trim_end() == mark } else { line.contains(mark) }
        });
        if found == there {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// The newest decision on a tool, as soon as it has ended.
fn ended(served: &Served, tool: &str) -> Value {
    let admin = served.key("reader", KeyRole::Admin);
    let start = Instant::now();
    loop {
        let page = served.get("/v1/decisions?limit=20", &admin).json();
        let newest = page["decisions"].as_array().unwrap().iter().find(|it| it["tool"] == tool).cloned();
        let newest = newest.unwrap_or_default();
        if newest["outcome"]["status"].is_string() || start.elapsed() > Duration::from_secs(10) {
            return newest;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_call_that_a_client_takes_back_ends_its_program() {
    // Deaf to SIGTERM, and with a process that left its session.
    let mark = format!("sleep 71.{}", std::process::id());
    let (ws, other) = (workspace("taken-back"), format!("sleep 72.{}", std::process::id()));
    let place = ws.display();
    let tools = format!(
        "  nap: {{exec: [/bin/sh, -c, \"trap '' TERM; (setsid {mark} &); {mark}\"]}}\n  \
         write: {{exec: [/bin/sh, -c, 'echo half > {place}/half; {other}'], sandbox: {{write: [{place}]}}}}\n  say: {{exec: [/bin/echo, '{{word}}']}}\n"
    );
    let servers = json!({"mcpServers": {"own": {"builtin": true}}}).to_string();
    let servers = Servers::parse(servers.as_bytes(), &|_| None).unwrap();
    let served = gate_with(&tools, "boundaries: {commands: {unknown: allow}}\n", None, Some(servers));
    let key = served.key_like("client", KeyRole::Agent, Some("bot"), Realm::Live);
    let plain = format!(
        "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\n"
    );
    let post = |session: &str, body: Value| {
        served.raw("POST", "/mcp", &format!("{plain}{session}"), body.to_string().as_bytes())
    };
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let greeted = post("", json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}));
    let session = format!("Mcp-Session-Id: {}\r\n", greeted.header("mcp-session-id").unwrap());
    post(&session, json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    // What has nothing outside of itself to change did nothing, and gives back what it held. Of what was half-way in
    // writing nobody knows how far it came.
    for (id, tool, mark, end) in [(7, "nap", &mark, "cancelled"), (17, "write", &other, "unknown")] {
        let asked = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
        let mut line = Line::open(served.address);
        line.send("POST", "/mcp", &format!("{plain}{session}"), asked.to_string().as_bytes());
        assert!(until(true, mark), "it was not started");
        let back = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id, "reason": "enough"}});
        assert_eq!(post(&session, back).status, 202);
        assert!(until(false, mark), "it goes on");
        let seen = ended(&served, tool);
        assert_eq!(seen["outcome"]["status"], end, "{seen}");
    }
    assert_eq!(std::fs::read_to_string(ws.join("half")).unwrap(), "half\n");
    // The session goes on, and so does its next call.
    let next = json!({"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": {"name": "say", "arguments": {"word": "x"}}});
    assert_eq!(post(&session, next).json()["result"]["structuredContent"]["stdout"], "x\n");
}

#[test]
fn a_program_goes_on_when_its_caller_hangs_up() {
    let ws = workspace("hung-up");
    let mark = format!("sleep 0.9{}", std::process::id());
    let tools = format!(
        "  nap: {{exec: [/bin/sh, -c, '{mark}; echo done > made'], sandbox: {{workspace: {}}}}}\n",
        ws.display()
    );
    let served = gate_with(&tools, "boundaries: {commands: {unknown: allow}}\n", None, None);
    let key = served.key_like("app", KeyRole::Agent, Some("bot"), Realm::Live);
    let body = json!({"agent_id": "bot", "args": {}}).to_string();
    let mut line = Line::open(served.address);
    let headers = format!("Content-Type: application/json\r\nAuthorization: Bearer {key}\r\n");
    line.send("POST", "/v1/tools/nap/call", &headers, body.as_bytes());
    assert!(until(true, &mark), "it was not started");
    drop(line);
    let seen = ended(&served, "nap");
    assert_eq!(seen["outcome"]["status"], "success", "{seen}");
    assert_eq!(std::fs::read_to_string(ws.join("made")).unwrap(), "done\n");
    assert_eq!(call(&served, "nap", &json!({}))["status"], "success");
}

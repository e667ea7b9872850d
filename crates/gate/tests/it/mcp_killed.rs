//! A gate that is killed while an MCP server has a call, or its program runs: nobody knows what became of it, and nothing
//! pretends to.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, Instant};

use gate::clock::Clock;
use gate::desk::Desk as Book;
use gate::ink::LedgerInk;
use gate::tool::Lost;
use gate::views::Reading;
use serde_json::json;
use verdict::{Decided, Index, Record, Settled, Status};

use crate::cli::Desk;
use crate::cli_serve::ready;
use crate::http_client::Line;
use crate::mcp_rig::Rig;

fn records(store: &Path) -> Vec<(Index, Record)> {
    let reader = ledger::Reader::open(store).unwrap();
    let entries = reader.read(0, 10_000).unwrap();
    let read = |body: &[u8]| serde_json::from_slice(body).unwrap();
    entries.iter().enumerate().map(|(at, entry)| (at as Index, read(&entry.body))).collect()
}

fn allowed(store: &Path, tool: &str) -> (Index, Decided) {
    let found = records(store).into_iter().find_map(|(at, record)| match record {
        Record::Decided(it) if it.tool == tool => Some((at, *it)),
        _ => None,
    });
    found.expect("the call was decided")
}

fn end(store: &Path, of: Index) -> Option<Settled> {
    records(store).into_iter().find_map(|(_, record)| match record {
        Record::Settled(it) if it.of == of => Some(it),
        _ => None,
    })
}

/// What another gate on the ledger sees to, `seconds` from now.
fn looked_after(store: &Path, seconds: i64, of: Index) -> Option<Settled> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let clock = Clock::Set(Arc::new(AtomicI64::new(Clock::start().now() + seconds * 1_000_000)));
    let text = gate::policy_text::of_text("other", "version: 1\nagents: {}\n").unwrap();
    let ink = LedgerInk::open(store).unwrap();
    let desk = Book::inline(ink, "other", Arc::new(text.loaded.policy), clock).unwrap();
    let reading = Reading::open(store.to_owned()).unwrap();
    let running = runtime.spawn(Lost { desk, reading }.run());
    let start = Instant::now();
    let patience = if seconds > 300 { Duration::from_secs(30) } else { Duration::from_secs(3) };
    while end(store, of).is_none() && start.elapsed() < patience {
        std::thread::sleep(Duration::from_millis(50));
    }
    running.abort();
    runtime.shutdown_background();
    end(store, of)
}

/// It is listed as one whose end nobody knows, once that would be known, and not before.
fn is_listed(store: &Path, tool: &str, seconds: i64) {
    let (of, decided) = allowed(store, tool);
    assert_eq!(decided.until.map(|until| until - decided.t), Some(seconds * 1_000_000));
    assert!(end(store, of).is_none());
    assert!(looked_after(store, 10, of).is_none(), "it may still be under way");
    let settled = looked_after(store, 400, of).expect("it is listed nowhere");
    assert_eq!(settled.status, Status::Unknown);
}

#[test]
fn a_call_of_an_mcp_server_that_was_under_way_is_unknown() {
    let mut rig = Rig::start();
    rig.call(5, "pay", r#"{"amount":5}"#);
    assert_eq!(rig.server.json()["params"]["name"], "pay");
    // SIGKILL: the server has the request, and the gate says nothing more.
    rig.gate.kill().unwrap();
    rig.gate.wait().unwrap();
    is_listed(&rig.store(), "pay", 300);
}

/// An MCP server that leaves a mark when it is called, and then says nothing more.
const SERVER: &str = r#"
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}}" ;;
    *'"tools/list"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"tools\":[{\"name\":\"pay\",\"inputSchema\":{\"type\":\"object\"}}]}}" ;;
    *'"tools/call"'*) echo called >>"$1"; exec sleep 120 ;;
  esac
done
"#;

#[test]
fn so_is_one_that_came_over_http() {
    let desk = Desk::new();
    desk.write("server.sh", SERVER);
    desk.write("policy.yaml", "version: 1\nagents:\n  bot: {rules: [{name: may, allow: pay}]}\n");
    let (script, mark) = (desk.path("server.sh"), desk.path("mark"));
    let config = json!({"command": "sh", "args": [script, mark], "prefix": ""});
    desk.write("servers.json", &json!({"mcpServers": {"s": config}}).to_string());
    let key = desk.key("agent", "client", &["--agent", "bot"]);
    let mut serving =
        desk.start(&["serve", "--policy", "policy.yaml", "--listen", "127.0.0.1:0", "--mcp", "servers.json"]);
    let (_, address, _out) = ready(&mut serving);
    let plain = format!(
        "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\n"
    );
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}).to_string();
    let greeted = Line::open(address.parse().unwrap()).call("POST", "/mcp", &plain, hello.as_bytes());
    let session = greeted.header("mcp-session-id").unwrap().to_owned();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "pay", "arguments": {}}});
    let call = call.to_string();
    let mut caller = TcpStream::connect(&address).unwrap();
    write!(
        caller,
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\n{plain}Mcp-Session-Id: {session}\r\nContent-Length: {}\r\n\r\n{call}",
        call.len()
    )
    .unwrap();
    let start = Instant::now();
    while !mark.exists() {
        assert!(start.elapsed() < Duration::from_secs(30), "the server was not called");
        std::thread::sleep(Duration::from_millis(10));
    }
    serving.0.kill().unwrap();
    serving.0.wait().unwrap();
    is_listed(&desk.store(), "pay", 300);
    assert_eq!(std::fs::read_to_string(mark).unwrap(), "called\n");
}

#[test]
fn so_is_a_program_that_ran_on_the_command_line() {
    let desk = Desk::new();
    let require = if rustix::process::geteuid().is_root() {
        "all"
    } else {
        "[files.read, files.write, network, privileges, time]"
    };
    let tools =
        format!("shell.run: {{args: {{command: shell}}, sandbox: {{timeout: 40s, require: {require}}}}}");
    let policy = format!(
        "version: 1\ntools:\n  {tools}\nagents:\n  bot: {{rules: [{{name: may, allow: shell.run}}]}}\n"
    );
    desk.write("policy.yaml", &policy);
    let args = ["run", "--policy", "policy.yaml", "--agent", "bot", "--", "sh", "-c", "echo begun; sleep 30"];
    let mut running = desk.start(&args);
    let start = Instant::now();
    while !desk.store().exists()
        || !records(&desk.store()).iter().any(|(_, it)| matches!(it, Record::Decided(_)))
    {
        assert!(start.elapsed() < Duration::from_secs(30), "it was not decided");
        std::thread::sleep(Duration::from_millis(20));
    }
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    // Its time, that of starting and clearing away, and that of recording its end.
    is_listed(&desk.store(), "shell.run", 40 + 20 + 5);
}

//! MCP servers behind https: believed by the certificates that are named for them, and by no others.

use std::sync::Arc;

use serde_json::{Value, json};
use verdict::Record;

use crate::http_client::Folder;
use crate::mcp_http::{Client, records, serve_under};
use crate::mcp_rig::call;
use crate::upstream::{Arrived, Deed, Upstream};

const POLICY: &str = "
version: 1
agents:
  bot:
    rules: [{name: all, allow: [greet]}]
";
const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;

/// A server with one tool.
fn answer(arrived: &Arrived) -> Deed {
    let asked: Value = match serde_json::from_slice(&arrived.body) {
        Ok(asked) => asked,
        // It has nothing to say of its own accord.
        Err(_) => return Deed::Answer(405, String::new(), Vec::new()),
    };
    let result = match asked["method"].as_str().unwrap() {
        "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "s", "version": "1"}}),
        "tools/list" => json!({"tools": [{"name": "greet", "inputSchema": {"type": "object"}}]}),
        "tools/call" => json!({"content": [{"type": "text", "text": "hello"}]}),
        _ => return Deed::Answer(202, String::new(), Vec::new()),
    };
    Deed::json(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string())
}

fn config(host: &str, server: &Upstream, ca: Option<&str>) -> Value {
    let url = format!("https://{host}:{}/mcp", server.address.port());
    let mut it = json!({"url": url, "prefix": ""});
    if let Some(ca) = ca {
        it["ca"] = json!(ca);
    }
    json!({"mcpServers": {"secure": it}})
}

#[test]
fn a_server_with_a_certificate_of_ones_own_is_called_where_that_is_named() {
    let folder = Arc::new(Folder::new());
    let server = Upstream::with_tls(|_, arrived| answer(arrived));
    let ca = server.ca();
    let served = serve_under(&folder, POLICY, &config("localhost", &server, Some(&ca)));
    let mut client = Client::new(&served);
    client.begin(|| (), |()| ());
    let listed = client.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).json();
    assert_eq!(listed["result"]["tools"][0]["name"], "greet", "{listed}");
    let said = client.post(&call(2, "greet", "{}")).json();
    assert_eq!(said["result"]["content"][0]["text"], "hello", "{said}");
    assert!(records(&served).iter().any(|it| matches!(it, Record::Settled(_))));
    let calls =
        server.arrived().iter().filter(|it| it.body.windows(10).any(|it| it == b"tools/call")).count();
    assert_eq!(calls, 1);
}

#[test]
fn nobody_else_is_sent_anything() {
    let server = Upstream::with_tls(|_, arrived| answer(arrived));
    let other = Upstream::with_tls_for(&["elsewhere.example"], |_, arrived| answer(arrived));
    let own = server.ca();
    let others = other.ca();
    for (what, host, of, ca) in [
        ("a certificate that nobody vouches for", "localhost", &server, None),
        ("one that another vouches for", "localhost", &server, Some(&others)),
        ("one for another name", "localhost", &other, Some(&others)),
        ("one for a name, and not for an address", "127.0.0.1", &server, Some(&own)),
    ] {
        let config = config(host, of, ca.map(String::as_str));
        let served = serve_under(&Arc::new(Folder::new()), POLICY, &config);
        let said = Client::new(&served).post(HELLO).json();
        let why = said["error"]["message"].as_str().unwrap_or_else(|| panic!("{what}: {said}"));
        assert!(why.contains("certificate"), "{what}: {why}");
        assert_eq!(of.count(), 0, "{what}");
    }
    // One that speaks no TLS at all, and waits for a request that does not come.
    let plain = Upstream::start(|_, arrived| answer(arrived));
    let served = serve_under(&Arc::new(Folder::new()), POLICY, &config("localhost", &plain, Some(&own)));
    assert_eq!(Client::new(&served).post(HELLO).status, 200);
    assert_eq!(plain.count(), 0);
}

#[test]
fn a_file_of_certificates_that_is_none_is_refused_at_the_start() {
    let folder = Folder::new();
    let file = folder.0.join("servers.json");
    for (server, said) in [
        (json!({"url": "https://x.example/mcp", "ca": "/nowhere/ca.pem"}), "certificates"),
        (json!({"url": "https://x.example/mcp", "ca": file}), "certificates"),
        (json!({"url": "http://x.example/mcp", "ca": "/ca.pem"}), "https://"),
        (json!({"command": "x", "ca": "/ca.pem"}), "`ca`"),
    ] {
        std::fs::write(&file, json!({"mcpServers": {"s": server}}).to_string()).unwrap();
        let why = gate::mcp::servers::Servers::read(&file).unwrap_err();
        assert!(why.contains(said), "{why}");
    }
}

//! What the gate adds to an MCP tool call over HTTP: a trivial server, called through `/mcp` and directly, and through
//! the gateway `mcp-contextforge-gateway` where it is installed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::routing::post;
use axum::serve::ListenerExt as _;

use crate::Effort;
use crate::disk::{Scratch, syncs};
use crate::mcp::{POLICY, answered};
use crate::peers::Peer;
use crate::portcullis::{Server, key, ready_line};
use crate::report::Section;
use crate::rounds::{Contender, Result, Round, alternate};

/// A server with one tool, `echo`, over streamable HTTP, until it is killed. Says its address on standard output.
pub fn echo() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let answer = |asked: Bytes| async move {
            let message = serde_json::from_slice(&asked).unwrap_or_default();
            match answered(&message) {
                Some(answer) => ([(CONTENT_TYPE, "application/json")], answer).into_response(),
                None => StatusCode::ACCEPTED.into_response(),
            }
        };
        let app = Router::new().route("/mcp", post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port can be had");
        println!("echo is ready at http://{}", listener.local_addr().expect("a bound socket has an address"));
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, app).await.expect("the echo serves");
    });
}

/// The server under way; killed when dropped.
struct Echo {
    child: Child,
    address: String,
}

impl Echo {
    fn start() -> Self {
        let bench = std::env::current_exe().expect("a program knows where it is");
        let mut child =
            Command::new(bench).arg("mcp-http-echo").stdout(Stdio::piped()).spawn().expect("the echo starts");
        let address = ready_line(&mut child);
        Self { child, address }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A client of one server, on one connection.
struct Client {
    stream: BufReader<TcpStream>,
    heads: String,
    tool: &'static str,
    id: u64,
    body: Vec<u8>,
}

impl Client {
    fn start(address: &str, heads: String, tool: &'static str) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket can be set");
        let mut client = Self { stream: BufReader::new(stream), heads, tool, id: 0, body: Vec::new() };
        let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}"#;
        if let Some(session) = client.ask("initialize", hello) {
            client
                .heads
                .push_str(&format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-11-25\r\n"));
        }
        client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        client.ask("tools/list", "{}");
        let list = String::from_utf8_lossy(&client.body);
        assert!(list.contains(&format!("\"{tool}\"")), "the tool is not listed: {list}");
        client
    }

    /// Posts a message and reads the answer. The session that it names, if any.
    fn post(&mut self, body: &str) -> Option<String> {
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{}Content-Length: {}\r\n\r\n{body}",
            self.heads,
            body.len()
        );
        self.stream.get_mut().write_all(head.as_bytes()).expect("the server reads");
        let (mut length, mut session, mut line, mut chunked) = (0, None, String::new(), false);
        loop {
            line.clear();
            let read = self.stream.read_line(&mut line).expect("the server writes");
            assert!(read > 0, "the server ended");
            let lower = line.to_ascii_lowercase();
            if let Some(text) = lower.strip_prefix("content-length:") {
                length = text.trim().parse().expect("a length is a number");
            }
            if let Some(text) = lower.strip_prefix("mcp-session-id:") {
                session = Some(text.trim().to_owned());
            }
            chunked |= lower.trim_end() == "transfer-encoding: chunked";
            if line == "\r\n" {
                break;
            }
        }
        self.body.clear();
        if chunked {
            self.read_chunks();
        } else {
            self.body.resize(length, 0);
            self.stream.read_exact(&mut self.body).expect("the server writes it all");
        }
        session
    }

    fn read_chunks(&mut self) {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("the server writes");
            let length = usize::from_str_radix(line.trim(), 16).expect("a chunk says its length");
            let start = self.body.len();
            // With the end of its line.
            self.body.resize(start + length + 2, 0);
            self.stream.read_exact(&mut self.body[start..]).expect("the server writes it all");
            self.body.truncate(start + length);
            if length == 0 {
                return;
            }
        }
    }

    fn ask(&mut self, method: &str, params: &str) -> Option<String> {
        self.id += 1;
        let body =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"{method}\",\"params\":{params}}}", self.id);
        self.post(&body)
    }

    /// Calls in a row.
    fn round(&mut self, calls: usize) -> Round {
        let params =
            format!(r#"{{"name":"{}","arguments":{{"text":"hello gate","amount":150}}}}"#, self.tool);
        let samples = (0..calls).map(|_| {
            let start = Instant::now();
            self.ask("tools/call", &params);
            let taken = start.elapsed().as_nanos() as f64;
            let answer = String::from_utf8_lossy(&self.body);
            assert!(answer.contains("hello gate"), "the call was refused: {answer}");
            taken
        });
        Round { samples: samples.collect(), rate: None }
    }
}

/// What the peer calls the tool: its server's name is before it.
const PEER_TOOL: &str = "bench-echo";

/// The peer with the server behind it, and the headers its clients send.
fn contextforge(scratch: &Scratch, server: &str) -> std::result::Result<(Peer, String), String> {
    let (peer, token) = Peer::contextforge(scratch)?;
    let heads = format!("Authorization: Bearer {token}\r\n");
    let body = format!(r#"{{"name":"bench","url":"http://{server}/mcp","transport":"STREAMABLEHTTP"}}"#);
    let mut stream = TcpStream::connect(&peer.address).map_err(|why| format!("{why}: no peer"))?;
    let head = format!(
        "POST /gateways HTTP/1.1\r\nHost: localhost\r\n{heads}Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let asked = stream.write_all(head.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    match asked {
        Ok(_) if answer.starts_with("HTTP/1.1 20") => Ok((peer, heads)),
        _ => Err("mcp-contextforge-gateway does not take the server: no peer".to_owned()),
    }
}

/// Through the gate, directly, and through the peer.
pub fn measure(effort: &Effort) -> Vec<Section> {
    let scratch = Scratch::new("mcp-http");
    let policy = scratch.write("policy.yaml", POLICY);
    let store = scratch.file("ledger.db");
    let echo = Echo::start();
    let servers =
        format!(r#"{{"mcpServers":{{"echo":{{"url":"http://{}/mcp","prefix":""}}}}}}"#, echo.address);
    let servers = scratch.write("servers.json", &servers);
    let key = key(&store, "agent");
    let gate = Server::start_with(&policy, &store, &["--mcp", &servers.display().to_string()]);
    let heads = format!("Authorization: Bearer {key}\r\nPortcullis-Agent: bench\r\n");
    let mut gated = Client::start(&gate.address, heads, "echo");
    let mut direct = Client::start(&echo.address, String::new(), "echo");
    let calls = (effort.seconds * 50.0) as usize;
    let peer = contextforge(&scratch, &echo.address);
    let mut other =
        peer.as_ref().ok().map(|(peer, heads)| Client::start(&peer.address, heads.clone(), PEER_TOOL));
    let mut contenders = vec![
        Contender::new("through /mcp", || gated.round(calls)),
        Contender::new("the server called directly", || direct.round(calls)),
        Contender::new("4 KiB and fdatasync", || syncs(&scratch, calls)),
    ];
    if let Some(other) = &mut other {
        contenders.push(Contender::new("through mcp-contextforge-gateway", || other.round(calls.min(20))));
    }
    let results = alternate(effort.rounds * 10, contenders);
    let [through, direct, floor, peers @ ..] = results.as_slice() else { return Vec::new() };
    let mut notes = vec![
        format!(
            "added p50 {:.0} us, added p99 {:.0} us",
            through.beyond(&[direct]) / 1e3,
            (through.p99 - direct.p99) / 1e3
        ),
        format!("added p50 beyond one fdatasync: {:.0} us", through.beyond(&[direct, floor]) / 1e3),
    ];
    match (peers, &peer) {
        ([peer, ..], _) => notes.push(format!(
            "the gate adds {:.3} times what mcp-contextforge-gateway adds (p50 {:.1} ms)",
            through.beyond(&[direct]) / peer.beyond(&[direct]),
            peer.beyond(&[direct]) / 1e6
        )),
        (_, Err(why)) => notes.push(why.clone()),
        _ => (),
    }
    vec![Section {
        title: "MCP over HTTP: tools/call".to_owned(),
        method: "one client on one connection, one call at a time, the server behind a URL; every call is decided, \
                 durably recorded, forwarded and settled"
            .to_owned(),
        aim: "added p50 <= 500 us",
        rows: results.iter().map(Result::row).collect(),
        notes,
    }]
}

//! What the gate adds to an MCP tool call over stdio: a trivial server, called through `portcullis mcp` and directly.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::Effort;
use crate::disk::{Scratch, syncs};
use crate::portcullis::{command, store};
use crate::report::Section;
use crate::rounds::{Contender, Result, Round, alternate};

pub const POLICY: &str = r"
version: 1
tools:
  echo: {args: {amount: money}, effects: [payment]}
agents:
  bench:
    owner: bench@example.com
    rules:
      - {name: never, deny: [echo], when: 'args.text.startsWith(''rm '')'}
      - {name: small, allow: [echo], when: args.amount <= 200}
    limits:
      - {meter: actions, max: 1000000000, per: 1h}
      - {meter: args.amount, tools: [echo], max: 1000000000000, per: 1d}
";

/// What a server with one tool, `echo`, answers; nothing, if nothing is to be answered.
pub fn answered(message: &Value) -> Option<String> {
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "bench-echo", "version": "1"},
        }),
        Some("tools/list") => json!({"tools": [{
            "name": "echo", "description": "says what it was told",
            "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}, "amount": {"type": "number"}}},
        }]}),
        Some("tools/call") => {
            json!({"content": [{"type": "text", "text": message["params"]["arguments"]["text"]}], "isError": false})
        }
        _ => json!({}),
    };
    if message["id"].is_null() {
        return None;
    }
    Some(json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string())
}

/// A server with one tool, `echo`, on standard input and output.
pub fn echo() {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let Ok(message) = serde_json::from_str::<Value>(&line.expect("the client writes text")) else {
            continue;
        };
        let Some(answer) = answered(&message) else { continue };
        writeln!(out, "{answer}").and_then(|()| out.flush()).expect("the client reads");
    }
}

/// A client of one server.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    id: u64,
    line: String,
}

impl Client {
    /// Starts the server and shakes hands.
    fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the server starts");
        let output = BufReader::new(child.stdout.take().expect("the output is piped"));
        let input = child.stdin.take();
        let mut client = Self { child, input, output, id: 0, line: String::new() };
        client.ask(
            "initialize",
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}"#,
        );
        client.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        let list = client.ask("tools/list", "{}").to_owned();
        assert!(list.contains("\"echo\""), "the tool is not listed: {list}");
        client
    }

    fn write(&mut self, line: &str) {
        self.input.as_mut().expect("the input is open").write_all(line.as_bytes()).expect("the server reads");
    }

    /// Asks and waits for the answer.
    fn ask(&mut self, method: &str, params: &str) -> &str {
        self.id += 1;
        let begins = format!("\"id\":{}", self.id);
        self.write(&format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"{method}\",\"params\":{params}}}\n",
            self.id
        ));
        loop {
            self.line.clear();
            let read = self.output.read_line(&mut self.line).expect("the server writes text");
            assert!(read > 0, "the server ended");
            if self.line.contains(&begins) {
                return &self.line;
            }
        }
    }

    /// Calls in a row.
    fn round(&mut self, calls: usize) -> Round {
        let samples = (0..calls).map(|_| {
            let start = Instant::now();
            let answer =
                self.ask("tools/call", r#"{"name":"echo","arguments":{"text":"hello gate","amount":150}}"#);
            let taken = start.elapsed().as_nanos() as f64;
            assert!(answer.contains("hello gate"), "the call was refused: {answer}");
            taken
        });
        Round { samples: samples.collect(), rate: None }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The end of its input is how an MCP server is told to end; a gate then ends its own server.
        self.input = None;
        drop(self.child.wait());
    }
}

/// Through the gate and directly.
pub fn measure(effort: &Effort) -> Vec<Section> {
    let scratch = Scratch::new("mcp");
    let policy = scratch.write("policy.yaml", POLICY);
    let bench = std::env::current_exe().expect("a program knows where it is");
    let mut gated = command();
    gated.args(["mcp", "--agent", "bench", "--policy"]).arg(&policy);
    gated.args(["--store", &store(&scratch.file("ledger.db")), "--"]).arg(&bench).arg("mcp-echo");
    let mut plain = Command::new(&bench);
    plain.arg("mcp-echo");
    let (mut gated, mut direct) = (Client::start(gated), Client::start(plain));
    // Many short turns: what slows the disk for a second must slow all three.
    let calls = (effort.seconds * 50.0) as usize;
    let results = alternate(
        effort.rounds * 10,
        vec![
            Contender::new("through portcullis mcp", || gated.round(calls)),
            Contender::new("the server called directly", || direct.round(calls)),
            Contender::new("4 KiB and fdatasync", || syncs(&scratch, calls)),
        ],
    );
    let [gate, direct, floor] = results.as_slice() else { return Vec::new() };
    let notes = vec![
        format!(
            "added p50 {:.0} us, added p99 {:.0} us",
            gate.beyond(&[direct]) / 1e3,
            (gate.p99 - direct.p99) / 1e3
        ),
        format!("added p50 beyond one fdatasync: {:.0} us", gate.beyond(&[direct, floor]) / 1e3),
    ];
    vec![Section {
        title: "MCP over stdio: tools/call".to_owned(),
        method: "one client, one call at a time, both servers up throughout; every call is decided, durably recorded, \
                 forwarded and settled"
            .to_owned(),
        aim: "added p50 <= 150 us",
        rows: results.iter().map(Result::row).collect(),
        notes,
    }]
}

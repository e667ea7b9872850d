//! A gate behind a real socket, and the smallest client that speaks to it: what goes over the wire is what a test
//! wrote, byte for byte.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gate::clock::Clock;
use gate::desk::Desk;
use gate::ink::LedgerInk;
use gate::path::Gate;
use gate::store::StorePath;
use gate::{keys, policy_text, serve};
use serde_json::{Value, json};
use verdict::{Command, KeyMade, KeyRole, Realm};

/// A folder of its own, removed in the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("portcullis-http-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

thread_local! {
    /// How the next gate of a test answers other products' clients.
    pub static CUSTOMS: std::cell::Cell<gate::http::Customs> = const {
        std::cell::Cell::new(gate::http::Customs { onceonly_conflicts: false, onceonly_private_tools: false })
    };
}

/// A served gate.
pub struct Served {
    pub address: SocketAddr,
    pub gate: Gate,
    runtime: Option<tokio::runtime::Runtime>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    done: Option<tokio::task::JoinHandle<Result<(), String>>>,
    pub folder: Arc<Folder>,
}

pub const POLICY: &str = "\
version: 1
tools:
  crm.read: {}
  stripe.refund: {args: {amount: money}, effects: [payment], price_usd: 0.01}
  lookup.paid: {price_usd: 0.50}
agents:
  support-bot:
    owner: support@example.com
    purpose: Customer support
    rules:
      - {name: everyday, allow: [crm.read, lookup.paid]}
      - {name: small-refunds, allow: [stripe.refund], when: args.amount <= 200}
      - {name: large-refunds, allow: [stripe.refund], when: args.amount <= 1000, approval: {quorum: 1, timeout: 15m}}
  limited-bot:
    rules:
      - {name: reads, allow: [crm.read, lookup.paid]}
    limits:
      - {meter: actions, max: 10, per: 1h}
      - {meter: usd, max: 100.10, per: 1d}
  other-bot:
    rules:
      - {name: reads, allow: [crm.read]}
";

/// Opens a gate on the ledger in `folder`, as `portcullis serve` does.
pub fn open_gate(folder: &Folder, policy: &str) -> Gate {
    let text = policy_text::of_text("policy.yaml", policy).unwrap();
    let compiled = Arc::new(text.loaded.policy);
    let ink = LedgerInk::open(&folder.0.join("ledger.db")).unwrap();
    let desk = Desk::open(ink, "main", Arc::clone(&compiled), Clock::start()).unwrap();
    let command = Command::Policy {
        line: "main".to_owned(),
        policy: compiled,
        text: text.packed,
        file: true,
        by: None,
        only_after: None,
    };
    block(desk.obey(command)).unwrap().unwrap();
    Gate { desk, eyes: gate::eyes::Eyes::elsewhere() }
}

pub fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

impl Served {
    pub fn start() -> Self {
        Self::start_in(Arc::new(Folder::new()), POLICY)
    }

    pub fn start_in(folder: Arc<Folder>, policy: &str) -> Self {
        Self::start_with(folder, policy, None)
    }

    /// With MCP servers behind `/mcp`.
    pub fn start_with(folder: Arc<Folder>, policy: &str, mcp: Option<gate::mcp::servers::Servers>) -> Self {
        Self::start_on(folder, policy, mcp, gate::tool::Ground::default())
    }

    /// With a ground for the gate's own tools.
    pub fn start_on(
        folder: Arc<Folder>,
        policy: &str,
        mcp: Option<gate::mcp::servers::Servers>,
        ground: gate::tool::Ground,
    ) -> Self {
        let gate = open_gate(&folder, policy);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, address) = std::sync::mpsc::channel();
        let options = serve::Options {
            gate: gate.clone(),
            address: "127.0.0.1:0".parse().unwrap(),
            store: StorePath(folder.0.join("ledger.db")),
            line: "main".to_owned(),
            mcp,
            ground,
            sealing: Some(gate::tool::SealingKey::parse(&"5a".repeat(32)).unwrap()),
            customs: CUSTOMS.with(std::cell::Cell::get),
            on_ready: Box::new(move |at| ready.send(at).unwrap()),
            stop: Box::pin(async move {
                let _told = stopped.await;
            }),
        };
        let done = runtime.spawn(serve::run(options));
        let address = address.recv_timeout(Duration::from_secs(30)).unwrap();
        Self { address, gate, runtime: Some(runtime), stop: Some(stop), done: Some(done), folder }
    }

    /// Makes a key that the server knows at once or soon; waits until it does.
    pub fn key(&self, name: &str, role: KeyRole) -> String {
        self.key_like(name, role, None, Realm::Live)
    }

    pub fn key_like(&self, name: &str, role: KeyRole, agent: Option<&str>, realm: Realm) -> String {
        let secret = keys::new_secret(realm).unwrap();
        let key = KeyMade {
            t: 0,
            id: keys::new_id().unwrap(),
            hash: keys::hash(&secret),
            name: name.to_owned(),
            role,
            agent: agent.map(str::to_owned),
            groups: Vec::new(),
            realm,
            expires: None,
            by: "test".to_owned(),
        };
        block(self.gate.desk.obey(Command::Key(key))).unwrap().unwrap();
        for _ in 0..2_000 {
            if self.get("/v1/key", &secret).status == 200 {
                return secret;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("the server never learned of the key");
    }

    pub fn get(&self, path: &str, key: &str) -> Answer {
        self.call("GET", path, key, None)
    }
    pub fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.call("POST", path, key, Some(&body.to_string()))
    }
    pub fn check(&self, key: &str, body: &Value) -> Value {
        let answer = self.post("/v1/check", key, body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        answer.json()
    }
    /// A check of `crm.read` by `agent`.
    pub fn read(&self, key: &str, agent: &str) -> Value {
        self.check(key, &json!({"agent_id": agent, "tool": "crm.read"}))
    }
    pub fn call(&self, method: &str, path: &str, key: &str, body: Option<&str>) -> Answer {
        let kind = if body.is_some() { "Content-Type: application/json\r\n" } else { "" };
        let headers =
            if key.is_empty() { kind.to_owned() } else { format!("{kind}Authorization: Bearer {key}\r\n") };
        self.raw(method, path, &headers, body.unwrap_or("").as_bytes())
    }
    pub fn raw(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        Line::open(self.address).call(method, path, headers, body)
    }

    /// Stops as a supervisor would, and waits for the end.
    pub fn stop(mut self) -> Result<(), String> {
        self.end()
    }

    fn end(&mut self) -> Result<(), String> {
        let (Some(stop), Some(done), Some(runtime)) =
            (self.stop.take(), self.done.take(), self.runtime.take())
        else {
            return Ok(());
        };
        let _told = stop.send(());
        runtime.block_on(done).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended = self.end();
    }
}

/// One connection, kept open between requests.
pub struct Line {
    pub stream: TcpStream,
    rest: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }
    pub fn text(&self) -> String {
        format!("{}\n{}", self.head, String::from_utf8_lossy(&self.body))
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        let line =
            self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
    /// Asserts that this is a problem document, and gives its code.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let json = self.json();
        assert_eq!(json["status"], self.status, "{json}");
        for field in ["type", "title", "detail", "code"] {
            assert!(json[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {json}");
        }
        json["code"].as_str().unwrap().to_owned()
    }
}

impl Line {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
        Self { stream, rest: Vec::new() }
    }

    pub fn call(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.send(method, path, headers, body);
        self.receive()
    }

    pub fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let mut bytes =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        self.stream.write_all(&bytes).unwrap();
    }

    pub fn receive(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            self.more();
        };
        let head = String::from_utf8(self.rest[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
        while self.rest.len() < end + 4 + length {
            self.more();
        }
        let body = self.rest[end + 4..end + 4 + length].to_vec();
        self.rest.drain(..end + 4 + length);
        Answer { body, ..answer }
    }

    fn more(&mut self) {
        let mut buffer = [0; 65_536];
        let read = self.stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the server closed the connection: {}", String::from_utf8_lossy(&self.rest));
        self.rest.extend_from_slice(&buffer[..read]);
    }
}

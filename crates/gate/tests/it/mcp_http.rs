//! MCP over HTTP: sessions, servers and streams, with the client and every server in the hands of a test.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command as Program;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use gate::mcp::servers::Servers;
use serde_json::{Value, json};
use verdict::{Command, KeyRole, Person, Realm, Record};

use crate::http_client::{Folder, Served};
use crate::mcp_rig::{Side, block_on, call, definition};

const POLICY: &str = "
version: 1
agents:
  bot:
    rules:
      - {name: reading, allow: [read, list, a__read, b__read]}
      - {name: asked, allow: [write, a__write], approval: {timeout: 20s}}
      - {name: never, deny: [remove, a__remove], reason: People remove files}
  other:
    rules:
      - {name: listing, allow: [list]}
";

/// A server that the gate starts; the test reads and writes for it.
pub struct Upstream {
    to: PathBuf,
    from: PathBuf,
}

/// One life of it.
pub struct Life {
    pub hears: Side,
    says: File,
}

impl Upstream {
    pub fn new(folder: &Folder, name: &str) -> Self {
        let (to, from) = (folder.0.join(format!("{name}-to")), folder.0.join(format!("{name}-from")));
        for pipe in [&to, &from] {
            assert!(Program::new("mkfifo").arg(pipe).status().unwrap().success());
        }
        Self { to, from }
    }

    pub fn config(&self) -> Value {
        let script = "exec 3<&0; cat <&3 >\"$1\" & cat \"$2\"; exit 7";
        json!({"command": "sh", "args": ["-c", script, "server", self.to, self.from]})
    }

    /// Waits until it is started.
    pub fn started(&self) -> Life {
        let hears = Side::of(File::open(&self.to).unwrap());
        Life { hears, says: File::options().write(true).open(&self.from).unwrap() }
    }
}

impl Life {
    fn say(&mut self, line: &str) {
        self.says.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub fn list(&mut self, tools: &[&str]) {
        let asked = self.hears.json();
        assert_eq!(asked["method"], "tools/list", "{asked}");
        let tools: Vec<String> = tools.iter().map(|name| definition(name)).collect();
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[{}]}}}}"#,
            asked["id"],
            tools.join(",")
        ));
    }

    /// Answers the next request with a text.
    pub fn answer(&mut self, method: &str) -> Value {
        let asked = self.hears.json();
        assert_eq!(asked["method"], method, "{asked}");
        let said = json!({"content": [{"type": "text", "text": "done"}]});
        self.say(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": said}).to_string());
        asked
    }
}

/// A client.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    key: String,
    more: String,
    session: Option<String>,
}

/// An answer that may go on.
pub struct Reading {
    pub status: u16,
    headers: Vec<String>,
    from: BufReader<TcpStream>,
}

impl Client {
    pub fn new(served: &Served) -> Self {
        Self::of(served, "bot")
    }

    /// One that acts for another agent.
    pub fn of(served: &Served, agent: &str) -> Self {
        let key = served.key("app", KeyRole::Agent);
        Self { address: served.address, key, more: format!("Portcullis-Agent: {agent}\r\n"), session: None }
    }

    fn send(&self, method: &str, more: &str, body: &str) -> Reading {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let session = self.session.as_ref().map(|id| format!("Mcp-Session-Id: {id}\r\n")).unwrap_or_default();
        let accept = "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n";
        let head = format!(
            "{method} /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n{accept}{session}{}{more}Content-Length: {}\r\n\r\n",
            self.key,
            self.more,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut from = BufReader::new(stream);
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            headers.push(line.trim().to_owned());
        }
        let status = headers[0].split(' ').nth(1).unwrap().parse().unwrap();
        Reading { status, headers, from }
    }

    pub fn post(&self, body: &str) -> Reading {
        self.send("POST", "", body)
    }

    /// The same, beside what the test does next.
    pub fn posted(&self, body: &str) -> JoinHandle<Reading> {
        let (client, body) = (self.clone(), body.to_owned());
        std::thread::spawn(move || client.post(&body))
    }

    /// Begins a session; `greet` is what the servers do meanwhile.
    pub fn begin<T>(&mut self, greet: impl FnOnce() -> T, initialized: impl FnOnce(&mut T)) -> T {
        let hello = json!({"jsonrpc": "2.0", "id": "h", "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let answer = self.posted(&hello.to_string());
        let mut lives = greet();
        let answer = answer.join().unwrap();
        self.session = answer.header("mcp-session-id");
        let said = answer.json();
        assert_eq!(
            (&said["id"], &said["result"]["protocolVersion"]),
            (&json!("h"), &json!("2025-11-25")),
            "{said}"
        );
        let ready = self.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert_eq!(ready.status, 202);
        initialized(&mut lives);
        lives
    }
}

impl Reading {
    fn header(&self, name: &str) -> Option<String> {
        let found =
            self.headers.iter().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(found.split_once(':').unwrap().1.trim().to_owned())
    }

    fn text(mut self) -> String {
        let length = self.header("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        self.from.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }

    pub fn json(self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// The next event with something in it: its id and its message; nothing at the end.
    pub fn event(&mut self) -> Option<(String, Value)> {
        assert_eq!(self.header("content-type").as_deref(), Some("text/event-stream"));
        let mut id = String::new();
        loop {
            let mut line = String::new();
            if self.from.read_line(&mut line).unwrap() == 0 || line == "0\r\n" {
                return None;
            }
            let line = line.trim_end();
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.to_owned();
            }
            if let Some(text) = line.strip_prefix("data: ").filter(|text| !text.is_empty()) {
                return Some((id, serde_json::from_str(text).unwrap()));
            }
        }
    }
}

fn serve(folder: &Arc<Folder>, config: &Value) -> Served {
    serve_under(folder, POLICY, config)
}

/// A gate with these servers behind `/mcp`.
pub fn serve_under(folder: &Arc<Folder>, policy: &str, config: &Value) -> Served {
    let servers = Servers::parse(config.to_string().as_bytes(), &|_| None).unwrap();
    Served::start_with(Arc::clone(folder), policy, Some(servers))
}

/// A gate with one server whose names are its own, and a client of it.
fn sole() -> (Served, Upstream, Client) {
    let folder = Arc::new(Folder::new());
    let upstream = Upstream::new(&folder, "it");
    let mut config = upstream.config();
    config["prefix"] = json!("");
    let served = serve(&folder, &json!({"mcpServers": {"it": config}}));
    let client = Client::new(&served);
    (served, upstream, client)
}

pub fn records(served: &Served) -> Vec<Record> {
    let reader = ledger::Reader::open(&served.folder.0.join("ledger.db")).unwrap();
    reader.read(0, 10_000).unwrap().iter().map(|it| serde_json::from_slice(&it.body).unwrap()).collect()
}

const TOOLS: [&str; 4] = ["read", "list", "write", "remove"];

#[test]
fn a_call_is_decided_and_the_rest_passes_byte_for_byte() {
    let (served, upstream, mut client) = sole();
    let mut life = client.begin(
        || {
            let mut life = upstream.started();
            let hello = life.hears.json();
            assert_eq!(hello["params"]["clientInfo"]["name"], "t");
            life.say(
                &json!({"jsonrpc": "2.0", "id": hello["id"], "result": {
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "x": 1}})
                .to_string(),
            );
            life
        },
        |life| {
            assert_eq!(life.hears.json()["method"], "notifications/initialized");
            life.list(&TOOLS);
        },
    );
    // Written over several lines, as HTTP lets a client do.
    let asked = client.posted(
        "{\"jsonrpc\":\"2.0\",\r\n \"id\":7,\"method\":\"x/y\",\"params\":{\"n\":1.50,\"big\":1e400}}",
    );
    assert_eq!(
        life.hears.line(),
        "{\"jsonrpc\":\"2.0\",   \"id\":7,\"method\":\"x/y\",\"params\":{\"n\":1.50,\"big\":1e400}}\n"
    );
    life.say(r#" {"jsonrpc":"2.0","result":{"m":1.0,"b":1e400}, "id":7.0}"#);
    let answer = asked.join().unwrap();
    assert_eq!((answer.status, answer.header("content-type").as_deref()), (200, Some("application/json")));
    assert_eq!(answer.text(), r#" {"jsonrpc":"2.0","result":{"m":1.0,"b":1e400}, "id":7.0}"#);

    let asked = client.posted(&call(8, "read", r#"{"path":"/x","n":1.50}"#));
    assert_eq!(life.hears.line(), format!("{}\n", call(8, "read", r#"{"path":"/x","n":1.50}"#)));
    life.say(r#"{"jsonrpc":"2.0","id":8,"result":{"content":[],"n":1.50}}"#);
    assert_eq!(asked.join().unwrap().text(), r#"{"jsonrpc":"2.0","id":8,"result":{"content":[],"n":1.50}}"#);

    let refused = client.post(&call(9, "remove", "{}")).json();
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    assert_eq!(refused["result"]["_meta"]["portcullis/decision"]["rule"], "never");
    assert!(life.hears.is_silent());

    let listed = client.posted(r#"{"jsonrpc":"2.0","id":10,"method":"tools/list"}"#);
    life.list(&TOOLS);
    let listed = listed.join().unwrap().json();
    let names: Vec<&str> =
        listed["result"]["tools"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["read", "list", "write"]);

    let decided = records(&served)
        .into_iter()
        .filter_map(|it| if let Record::Decided(it) = it { Some(it) } else { None });
    let decided: Vec<_> = decided.collect();
    assert_eq!(decided.len(), 2);
    assert!(decided.iter().all(|it| it.agent == "bot" && it.by.as_deref() == Some("app")), "{decided:?}");
    let metrics = served.get("/metrics", &served.key("auditor", KeyRole::Auditor)).text();
    for counted in ["tool=\"read\",decision=\"allow\"} 1", "tool=\"remove\",decision=\"deny\"} 1"] {
        assert!(metrics.contains(counted), "{counted}: {metrics}");
    }
}

#[test]
fn a_session_is_its_keys_and_ends() {
    let (served, upstream, mut client) = sole();
    for (body, status) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, 400),
        ("no JSON", 400),
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","method":"x"}"#, 400),
    ] {
        assert_eq!(client.post(body).status, status, "{body}");
    }
    let _life = client.begin(
        || {
            let mut life = upstream.started();
            greet_hello(&mut life);
            life
        },
        |_| (),
    );
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"x/ping"}"#;
    for (more, status) in [
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("MCP-Protocol-Version: 1999-01-01\r\n", 400),
        ("Accept: text/html\r\n", 200),
    ] {
        let told = client.send("POST", more, r#"{"jsonrpc":"2.0","method":"notifications/x"}"#);
        assert_eq!(told.status, if status == 200 { 202 } else { status }, "{more}");
    }
    let stranger = Client { key: served.key("stranger", KeyRole::Agent), ..client.clone() };
    assert_eq!(stranger.post(ping).status, 404);
    let other_agent = Client { more: "Portcullis-Agent: other\r\n".to_owned(), ..client.clone() };
    assert_eq!(other_agent.post(ping).status, 404);
    let nobody = Client { more: String::new(), ..client.clone() };
    assert_eq!(nobody.post(ping).status, 400);
    let bound =
        Client { key: served.key_like("b", KeyRole::Agent, Some("other"), Realm::Live), ..client.clone() };
    assert_eq!(bound.post(ping).status, 403, "its key is for another agent");
    let test = Client { key: served.key_like("t", KeyRole::Agent, None, Realm::Test), ..client.clone() };
    assert_eq!(test.post(ping).status, 403, "a test key carries nothing out");
    let auditor = Client { key: served.key("au", KeyRole::Auditor), ..client.clone() };
    assert_eq!(auditor.post(ping).status, 403);

    assert_eq!(client.send("DELETE", "", "").status, 204);
    assert_eq!(client.post(ping).status, 404);
    assert_eq!(client.send("GET", "", "").status, 404);
}

pub fn greet_hello(life: &mut Life) {
    let hello = life.hears.json();
    life.say(
        &json!({"jsonrpc": "2.0", "id": hello["id"], "result": {
        "protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": true}}}})
        .to_string(),
    );
}

/// Two servers and a client whose session is open.
fn two() -> (Served, [Upstream; 2], Client, [Life; 2]) {
    let folder = Arc::new(Folder::new());
    let upstreams = ["a", "b"].map(|name| Upstream::new(&folder, name));
    let config = json!({"mcpServers": {"a": upstreams[0].config(), "b": upstreams[1].config()}});
    let served = serve(&folder, &config);
    let mut client = Client::new(&served);
    let lives = client.begin(
        || {
            let mut lives = [upstreams[0].started(), upstreams[1].started()];
            lives.iter_mut().for_each(greet_hello);
            lives
        },
        |lives| {
            for life in lives {
                assert_eq!(life.hears.json()["method"], "notifications/initialized");
                life.list(&["read", "write", "remove"]);
            }
        },
    );
    (served, upstreams, client, lives)
}

#[test]
fn several_servers_are_one_and_keep_apart() {
    let (_served, _upstreams, client, [mut a, mut b]) = two();
    let listed = client.posted(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    a.list(&["read", "write", "remove"]);
    b.list(&["read", "write"]);
    let listed = listed.join().unwrap().json();
    let names: Vec<&str> =
        listed["result"]["tools"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a__read", "a__write", "b__read"], "what may be called, under its server's prefix");

    let asked = client.posted(&call(2, "b__read", r#"{"path":"/x"}"#));
    assert_eq!(b.answer("tools/call")["params"]["name"], "read");
    assert_eq!(asked.join().unwrap().json()["result"]["content"][0]["text"], "done");
    // What nobody has is looked for, and then refused on record.
    let unknown = client.posted(&call(3, "c__read", "{}"));
    a.list(&["read", "write", "remove"]);
    let unknown = unknown.join().unwrap().json();
    assert_eq!(unknown["result"]["_meta"]["portcullis/decision"]["code"], "unknown_tool", "{unknown}");
    assert_eq!(unknown["result"]["isError"], true, "{unknown}");
    assert_eq!(client.post(r#"{"jsonrpc":"2.0","id":4,"method":"ping"}"#).json()["result"], json!({}));

    // Both ask the client something under the same id; each gets its own answer.
    let mut reading = [(&mut a, "a__read"), (&mut b, "b__read")].map(|(life, tool)| {
        let posted = client.posted(&call(if tool == "a__read" { 5 } else { 6 }, tool, "{}"));
        assert_eq!(life.hears.json()["method"], "tools/call");
        life.say(r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"?"}}"#);
        posted.join().unwrap()
    });
    let ids: Vec<Value> = reading.iter_mut().map(|it| it.event().unwrap().1["id"].clone()).collect();
    assert_ne!(ids[0], ids[1]);
    for (n, id) in ids.iter().enumerate().rev() {
        let said = json!({"jsonrpc": "2.0", "id": id, "result": {"action": "accept", "content": {"n": n}}});
        assert_eq!(client.post(&said.to_string()).status, 202);
    }
    for (n, life) in [&mut a, &mut b].into_iter().enumerate() {
        let heard = life.hears.json();
        assert_eq!((&heard["id"], &heard["result"]["content"]["n"]), (&json!(1), &json!(n)), "{heard}");
        life.say(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[]}}}}"#, n + 5));
    }
    for (n, it) in reading.iter_mut().enumerate() {
        assert_eq!(it.event().unwrap().1["id"], n + 5);
        assert!(it.event().is_none(), "its answer ends a stream");
    }
}

#[test]
fn a_server_that_dies_is_missed_by_its_own_tools_and_comes_back() {
    let (_served, upstreams, client, [mut a, b]) = two();
    let mut standing = client.send("GET", "", "");
    assert_eq!(standing.status, 200);
    let lost = client.posted(&call(1, "b__read", "{}"));
    assert_eq!(b.hears.json()["method"], "tools/call");
    drop(b);
    let lost = lost.join().unwrap().json();
    assert!(lost.to_string().contains("nobody knows whether the call was carried out"), "{lost}");

    let asked = client.posted(&call(2, "a__read", "{}"));
    a.answer("tools/call");
    assert_eq!(asked.join().unwrap().json()["result"]["content"][0]["text"], "done");

    // It is started again, is greeted as before, and the client is told.
    let mut again = upstreams[1].started();
    greet_hello(&mut again);
    assert_eq!(again.hears.json()["method"], "notifications/initialized");
    again.list(&["read"]);
    assert_eq!(standing.event().unwrap().1["method"], "notifications/tools/list_changed");
    let asked = client.posted(&call(3, "b__read", "{}"));
    again.answer("tools/call");
    assert_eq!(asked.join().unwrap().json()["result"]["content"][0]["text"], "done");
}

#[test]
fn a_slow_server_holds_up_nobody_else() {
    let folder = Arc::new(Folder::new());
    let [a, b] = ["a", "b"].map(|name| Upstream::new(&folder, name));
    let served = serve(
        &folder,
        &json!({"mcpServers": {"a": a.config(), "b": b.config(), "c": {"command": "/no/such/program"}}}),
    );
    let mut client = Client::new(&served);
    let (mut quick, mut slow) = client.begin(
        || {
            let mut lives = (a.started(), b.started());
            greet_hello(&mut lives.0);
            lives
        },
        |(quick, _)| {
            assert_eq!(quick.hears.json()["method"], "notifications/initialized");
            quick.list(&["read"]);
        },
    );
    let asked = client.posted(&call(1, "a__read", "{}"));
    quick.answer("tools/call");
    assert_eq!(asked.join().unwrap().status, 200);
    let gone = client.post(&call(2, "c__read", "{}")).json();
    assert!(gone["error"]["message"].as_str().unwrap().contains("`c` does not run"), "{gone}");
    // Who asks for what the slow one has waits for it.
    let asked = client.posted(&call(3, "b__read", "{}"));
    slow_comes(&mut slow);
    assert_eq!(asked.join().unwrap().json()["result"]["content"][0]["text"], "done");
}

fn slow_comes(slow: &mut Life) {
    greet_hello(slow);
    assert_eq!(slow.hears.json()["method"], "notifications/initialized");
    slow.list(&["read"]);
    slow.answer("tools/call");
}

fn approve(served: &Served, of: u64) {
    let person = Person { name: "alice".to_owned(), groups: Vec::new(), admin: true, realm: Realm::Live };
    block_on(served.gate.desk.obey(Command::Answer { of, approve: true, person, message: None }))
        .unwrap()
        .unwrap();
}

fn question(served: &Served) -> u64 {
    for _ in 0..1_000 {
        let open =
            block_on(served.gate.desk.ask(|books| books.approvals().map(|(at, _)| at).last())).unwrap();
        if let Some(at) = open {
            return at;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nobody was asked");
}

#[test]
fn a_call_waits_for_a_person_and_says_so() {
    let (served, upstream, mut client) = sole();
    let mut life = client.begin(
        || {
            let mut life = upstream.started();
            greet_hello(&mut life);
            life
        },
        |life| {
            life.hears.line();
            life.list(&TOOLS);
        },
    );
    let asked = client.posted(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write","_meta":{"progressToken":"p"}}}"#,
    );
    let at = question(&served);
    let mut reading = asked.join().unwrap();
    let (_, told) = reading.event().unwrap();
    assert_eq!(
        (&told["method"], &told["params"]["progressToken"]),
        (&json!("notifications/progress"), &json!("p"))
    );
    approve(&served, at);
    life.answer("tools/call");
    let answer = loop {
        let (_, message) = reading.event().expect("an answer");
        if message["id"] == 1 {
            break message;
        }
    };
    assert_eq!(answer["result"]["content"][0]["text"], "done");
}

#[test]
fn where_nobody_waits_the_same_call_finds_its_approval() {
    let folder = Arc::new(Folder::new());
    let upstream = Upstream::new(&folder, "it");
    let mut config = upstream.config();
    config["prefix"] = json!("");
    let served = serve(&folder, &json!({"mcpServers": {"it": config}, "approvals": "return"}));
    let mut client = Client::new(&served);
    let mut life = client.begin(
        || {
            let mut life = upstream.started();
            greet_hello(&mut life);
            life
        },
        |life| {
            life.hears.line();
            life.list(&TOOLS);
        },
    );
    let said = |answer: Value| answer["result"]["_meta"]["portcullis/decision"].clone();
    let first = said(client.post(&call(1, "write", r#"{"path":"/a"}"#)).json());
    assert_eq!(first["decision"], "pending", "{first}");
    let again = said(client.post(&call(2, "write", r#"{"path":"/a"}"#)).json());
    assert_eq!(
        (&again["decision"], &again["approval_id"]),
        (&json!("pending"), &first["approval_id"]),
        "asked once"
    );
    approve(&served, question(&served));
    let done = client.posted(&call(3, "write", r#"{"path":"/a"}"#));
    life.answer("tools/call");
    assert_eq!(done.join().unwrap().json()["result"]["content"][0]["text"], "done");
    let other = said(client.post(&call(4, "write", r#"{"path":"/b"}"#)).json());
    assert_eq!(other["decision"], "pending", "another call is another question");
}

#[test]
fn a_broken_stream_goes_on_where_it_was() {
    let (_served, upstream, mut client) = sole();
    let mut life = client.begin(
        || {
            let mut life = upstream.started();
            greet_hello(&mut life);
            life
        },
        |life| {
            life.hears.line();
            life.list(&TOOLS);
        },
    );
    let asked = client.posted(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","_meta":{"progressToken":9}}}"#);
    life.hears.line();
    life.say(
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":9,"progress":1}}"#,
    );
    let mut reading = asked.join().unwrap();
    let (id, _) = reading.event().unwrap();
    drop(reading);
    std::thread::sleep(Duration::from_millis(50));
    // It broke; the call did not.
    life.say(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"late"}]}}"#);
    std::thread::sleep(Duration::from_millis(100));
    let mut resumed = client.send("GET", &format!("Last-Event-ID: {id}\r\n"), "");
    let (_, answer) = resumed.event().unwrap();
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(1), &json!("late")));
    assert!(resumed.event().is_none());
}

/// A request of the revision without sessions: its headers and its body.
fn sessionless(id: u32, method: &str, params: Value) -> (String, String) {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = params["name"].as_str().map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
    let heads = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}");
    (heads, json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string())
}

#[test]
fn a_client_without_sessions_is_served_by_a_server_that_has_them() {
    let (served, upstream, client) = sole();
    let ask = |client: &Client, (heads, body): (String, String)| {
        let client = client.clone();
        std::thread::spawn(move || client.send("POST", &heads, &body))
    };
    let found = ask(&client, sessionless(1, "server/discover", json!({})));
    let mut life = upstream.started();
    greet_hello(&mut life);
    assert_eq!(life.hears.json()["method"], "notifications/initialized");
    life.list(&TOOLS);
    let found = found.join().unwrap().json();
    assert_eq!(
        (&found["id"], &found["result"]["supportedVersions"]),
        (&json!(1), &json!(["2026-07-28"])),
        "{found}"
    );

    // Two clients of one principal use the same id at the same time.
    let calls = [1, 1]
        .map(|id| ask(&client, sessionless(id, "tools/call", json!({"name": "read", "arguments": {}}))));
    let asked = [life.hears.json(), life.hears.json()];
    assert_ne!(asked[0]["id"], asked[1]["id"]);
    for it in &asked {
        life.say(&json!({"jsonrpc": "2.0", "id": it["id"], "result": {"content": []}}).to_string());
    }
    for call in calls {
        let answer = call.join().unwrap().json();
        assert_eq!(
            (&answer["id"], &answer["result"]["resultType"]),
            (&json!(1), &json!("complete")),
            "{answer}"
        );
    }
    let refused =
        ask(&client, sessionless(2, "tools/call", json!({"name": "remove"}))).join().unwrap().json();
    assert_eq!(refused["result"]["_meta"]["portcullis/decision"]["rule"], "never", "{refused}");

    let listed = ask(&client, sessionless(3, "tools/list", json!({})));
    life.list(&TOOLS);
    let listed = listed.join().unwrap().json();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 3);
    assert_eq!((&listed["result"]["ttlMs"], &listed["result"]["cacheScope"]), (&json!(0), &json!("private")));

    let (heads, body) = sessionless(4, "tools/call", json!({"name": "remove"}));
    let code = |more: &str, body: &str| {
        let answer = client.send("POST", more, body);
        (answer.status, answer.json()["error"]["code"].as_i64().unwrap())
    };
    assert_eq!(code(&heads.replace("Mcp-Name: remove", "Mcp-Name: read"), &body), (400, -32020));
    assert_eq!(code(&heads.replace("Mcp-Method: tools/call", "Mcp-Method: ping"), &body), (400, -32020));
    let (heads, body) = (heads.replace("2026-07-28", "2027-01-01"), body.replace("2026-07-28", "2027-01-01"));
    assert_eq!(code(&heads, &body), (400, -32022));
    let (heads, body) = sessionless(5, "ping", json!({}));
    assert_eq!(code(&heads, &body), (404, -32601));

    let (heads, body) =
        sessionless(6, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let mut heard = client.send("POST", &heads, &body);
    assert_eq!(heard.event().unwrap().1["method"], "notifications/subscriptions/acknowledged");
    life.say(r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#);
    life.say(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    let told = heard.event().unwrap().1;
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 6);

    let decided = records(&served).iter().filter(|it| matches!(it, Record::Decided(_))).count();
    assert_eq!(decided, 3, "what was refused as no request was not decided on");
}

#[test]
fn sessions_are_bounded_and_end_with_their_key() {
    let folder = Arc::new(Folder::new());
    let served = serve(&folder, &json!({"mcpServers": {"it": {"command": "sleep", "args": ["1000"]}}}));
    let client = Client::new(&served);
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
    // None of them is ever answered; they wait, in streams.
    let posted: Vec<_> = (0..64).map(|_| client.posted(hello)).collect();
    let waiting: Vec<Reading> = posted.into_iter().map(|it| it.join().unwrap()).collect();
    assert!(waiting.iter().all(|it| it.status == 200));
    let refused = client.post(hello);
    assert_eq!((refused.status, refused.header("retry-after").as_deref()), (429, Some("5")));
    let other = Client { key: served.key("another", KeyRole::Agent), ..client.clone() };
    let mut mine = other.post(hello);
    assert_eq!(mine.status, 200);

    let keys = served
        .gate
        .desk
        .ask(|books| books.keys().map(|key| (key.name.clone(), key.id.clone())).collect::<Vec<_>>());
    let (_, id) = block_on(keys).unwrap().into_iter().find(|(name, _)| name == "another").unwrap();
    block_on(served.gate.desk.obey(Command::Revoke { id, by: "test".to_owned() })).unwrap().unwrap();
    assert!(mine.event().is_none(), "its stream ends when its key no longer counts");
    served.stop().unwrap();
}

//! A client and a server in the hands of a test, with the real gate between them.
//!
//! The server is two `cat`s on two named pipes, so that the test writes and reads every byte on both sides.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use gate::clock::Clock;
use gate::desk::Desk;
use gate::ink::LedgerInk;
use serde_json::Value;
use verdict::Record;

/// Long enough for a loaded machine; nothing that is asserted depends on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The policy where a test has none of its own.
pub const POLICY: &str = "
version: 1
agents:
  bot:
    rules:
      - {name: reading, allow: [read, list]}
      - {name: small-pay, allow: [pay], when: args.amount <= 200}
      - {name: asked, allow: [write], approval: {timeout: 20s}}
      - {name: never, deny: [remove], reason: People remove files}
";

/// Lines of one side, as they arrive.
pub struct Side {
    lines: Receiver<Vec<u8>>,
}

impl Side {
    pub fn of(from: impl std::io::Read + Send + 'static) -> Self {
        let (to, lines) = channel();
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            loop {
                let mut line = Vec::new();
                match from.read_until(b'\n', &mut line) {
                    Ok(read) if read > 0 && to.send(line).is_ok() => (),
                    _ => return,
                }
            }
        });
        Self { lines }
    }

    /// The next line, as bytes; `None` at the end.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing arrives"),
        }
    }

    /// The next line as text.
    pub fn line(&self) -> String {
        String::from_utf8(self.bytes().expect("a line")).unwrap()
    }

    /// The next line as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// True if nothing has arrived.
    pub fn is_silent(&self) -> bool {
        self.lines.try_recv().is_err()
    }
}

/// The gate between the two.
pub struct Rig {
    pub folder: PathBuf,
    pub gate: Child,
    to_gate: Option<ChildStdin>,
    pub client: Side,
    from_server: Option<File>,
    pub server: Side,
}

static RIGS: AtomicU32 = AtomicU32::new(0);

/// A folder for one test.
pub fn folder() -> PathBuf {
    let n = RIGS.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("portcullis-mcp-{}-{n}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The gate's command, without what follows `--`.
pub fn command(folder: &std::path::Path) -> Command {
    command_for(folder, "bot")
}

fn command_for(folder: &std::path::Path, agent: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["mcp", "--agent", agent, "--server-name", "files", "--policy"]).arg(folder.join("p.yaml"));
    command.arg("--store").arg(format!("sqlite:{}", folder.join("ledger.db").display()));
    command.env("PORTCULLIS_API_KEY", "pk_live_secret");
    command
}

impl Rig {
    /// Starts the gate under [`POLICY`], and says hello.
    pub fn start() -> Self {
        Self::under(POLICY)
    }

    /// Starts the gate under another policy, and says hello.
    pub fn under(policy: &str) -> Self {
        let mut rig = Self::silent(folder(), policy);
        rig.hello(&["read", "list", "pay", "write", "remove"]);
        rig
    }

    /// Starts the gate in `folder`, and says nothing.
    pub fn silent(folder: PathBuf, policy: &str) -> Self {
        Self::silent_for(folder, policy, "bot")
    }

    /// The same for another agent.
    pub fn silent_for(folder: PathBuf, policy: &str, agent: &str) -> Self {
        std::fs::write(folder.join("p.yaml"), policy).unwrap();
        let (to, from) = (folder.join("to"), folder.join("from"));
        for pipe in [&to, &from] {
            let _old = std::fs::remove_file(pipe);
            assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        }
        let mut gate = command_for(&folder, agent)
            .args(["--", "sh", "-c", "exec 3<&0; cat <&3 >\"$1\" & cat \"$2\"; exit 7", "server"])
            .args([&to, &from])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let (to_gate, out) = (gate.stdin.take(), gate.stdout.take().unwrap());
        let server = Side::of(File::open(&to).unwrap());
        let from_server = File::options().write(true).open(&from).unwrap();
        Self { folder, gate, to_gate, client: Side::of(out), from_server: Some(from_server), server }
    }

    /// Initializes, with a server that offers `tools`, and answers the gate's own list.
    pub fn hello(&mut self, tools: &[&str]) {
        self.send(r#"{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{}}"#);
        self.server.line();
        self.answer(r#"{"jsonrpc":"2.0","id":"hello","result":{"capabilities":{"logging":{},"tools":{}}}}"#);
        self.client.line();
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        self.server.line();
        self.offer(&tools.iter().map(|name| definition(name)).collect::<Vec<_>>());
    }

    /// Answers the list that the gate asks for.
    pub fn offer(&mut self, definitions: &[String]) {
        let asked = self.server.json();
        assert_eq!(asked["method"], "tools/list", "{asked}");
        let tools = definitions.join(",");
        self.answer(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[{tools}]}}}}"#, asked["id"]));
    }

    /// The client writes a line.
    pub fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\n").as_bytes());
    }

    /// The client writes bytes.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.to_gate.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// The client writes no more.
    pub fn hang_up(&mut self) {
        self.to_gate = None;
    }

    /// The server writes a line.
    pub fn answer(&mut self, line: &str) {
        self.from_server.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The server ends, with exit code 7.
    pub fn end_server(&mut self) {
        self.from_server = None;
    }

    /// The gate's exit code.
    pub fn code(&mut self) -> Option<i32> {
        self.gate.wait().unwrap().code()
    }

    /// Calls a tool as request `id`.
    pub fn call(&mut self, id: u32, tool: &str, args: &str) {
        self.send(&call(id, tool, args));
    }

    /// What the gate wrote on its error output.
    pub fn log(&self) -> String {
        let mut text = String::new();
        File::open(self.folder.join("log")).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// The ledger's file.
    pub fn store(&self) -> PathBuf {
        self.folder.join("ledger.db")
    }

    /// Another process on the same ledger, but for the process.
    pub fn desk(&self) -> Desk {
        let text = gate::policy_text::of_text("other", POLICY).unwrap();
        let ink = LedgerInk::open(&self.store()).unwrap();
        Desk::inline(ink, "other", Arc::new(text.loaded.policy), Clock::start()).unwrap()
    }

    /// All records.
    pub fn records(&self) -> Vec<Record> {
        let reader = ledger::Reader::open(&self.store()).unwrap();
        let entries = reader.read(0, 10_000).unwrap();
        entries.iter().map(|entry| serde_json::from_slice(&entry.body).unwrap()).collect()
    }

    /// The records that `pick` picks, once there is one.
    pub fn wait_for<T>(&self, pick: impl Fn(&Record) -> Option<T>) -> T {
        for _ in 0..3_000 {
            if let Some(found) = self.records().iter().find_map(&pick) {
                return found;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no such record: {:?}\n{}", self.records(), self.log());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _gone = self.gate.kill();
        let _gone = self.gate.wait();
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

/// A call of a tool.
pub fn call(id: u32, tool: &str, args: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{args}}}}}"#
    )
}

/// A tool's definition.
pub fn definition(name: &str) -> String {
    format!(
        r#"{{"name":"{name}", "description":"{name}s", "inputSchema":{{"type":"object","properties":{{"path":{{}},"amount":{{}}}}}}}}"#
    )
}

/// Runs a future.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

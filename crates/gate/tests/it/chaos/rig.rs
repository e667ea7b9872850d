//! A store of its own for every test, and the real program on it. Knows no test.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::client::Client;

/// A folder with a policy and a ledger, removed with everything in it.
pub struct Store {
    folder: PathBuf,
}

/// How a gate is started, where the plain way does not do: words put before the program.
pub type Wrap<'a> = &'a [&'a str];

impl Store {
    /// A new, empty one.
    pub fn new(policy: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name =
            format!("portcullis-chaos-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("policy.yaml"), policy).unwrap();
        Self { folder }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
    /// The ledger's file; it has a folder of its own.
    pub fn ledger(&self) -> PathBuf {
        self.folder.join("store/ledger.db")
    }

    /// The program with these arguments on this store.
    pub fn command(&self, wrap: Wrap<'_>, args: &[&str]) -> Command {
        let words: Vec<&str> = wrap.iter().copied().chain([program()]).chain(args.iter().copied()).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(&self.folder).stdin(Stdio::null());
        for name in ["PORTCULLIS_API_KEY", "PORTCULLIS_LOG", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.env("PORTCULLIS_STORE", format!("sqlite:{}", self.ledger().display()));
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(&[], args).output().unwrap()
    }

    /// Runs a command that must succeed; what it says.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (said, complaint) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "`portcullis {}` failed: {said}{complaint}", args.join(" "));
        said
    }

    /// A key's secret.
    pub fn key(&self, role: &str, name: &str, more: &[&str]) -> String {
        let args: Vec<&str> = ["keys", "create", "--role", role, "--name", name, "--json"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let made: Value = serde_json::from_str(&self.ok(&args)).unwrap();
        made["secret"].as_str().unwrap().to_owned()
    }

    /// Every record, as `ledger export` has it.
    pub fn records(&self) -> Vec<Entry> {
        self.ok(&["ledger", "export"]).lines().skip(1).map(Entry::read).collect()
    }

    /// `ledger verify` finds nothing wrong; how many records there are.
    pub fn verify(&self) -> u64 {
        let report: Value = serde_json::from_str(&self.ok(&["ledger", "verify", "--json"])).unwrap();
        assert_eq!(report["ok"], true, "{report}");
        report["records"].as_u64().unwrap()
    }

    /// What the gates on this store have logged, for failures.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("gate.log")).unwrap_or_default()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("CHAOS_KEEP").is_some() {
            eprintln!("kept: {}", self.folder.display());
            return;
        }
        // What a test made read-only must not keep it from being removed.
        let _ = Command::new("chmod").arg("-R").arg("u+rwx").arg(&self.folder).output();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// One record of an export.
#[derive(Debug)]
pub struct Entry {
    pub index: u64,
    /// `decided`, `settled`, ...
    pub kind: String,
    pub body: Value,
    /// Arguments, or results.
    pub payload: Value,
}

impl Entry {
    fn read(line: &str) -> Self {
        use base64::Engine as _;
        let line: Value = serde_json::from_str(line).unwrap();
        let body: Value = serde_json::from_str(line["body"].as_str().unwrap()).unwrap();
        let (kind, body) =
            body.as_object().unwrap().iter().next().map(|(k, v)| (k.clone(), v.clone())).unwrap();
        let payload = line["payload"].as_str().map_or(Value::Null, |text| {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
            serde_json::from_slice(&bytes).unwrap_or(Value::Null)
        });
        Self { index: line["index"].as_u64().unwrap(), kind, body, payload }
    }

    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }
    pub fn number(&self, name: &str) -> i64 {
        self.body[name].as_i64().unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
    pub fn is_allow(&self) -> bool {
        self.kind == "decided" && self.body["decision"] == "allow"
    }
}

/// A gate that listens. Killed when dropped.
pub struct Gate {
    child: Child,
    /// Held so that the program can go on writing to it.
    _stdout: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

/// A gate that did not start.
pub struct Refusal {
    pub status: ExitStatus,
    pub stderr: String,
}

impl Gate {
    /// Starts one on `store`; it must come up.
    pub fn start(store: &Store) -> Self {
        Self::try_start(store, &[])
            .unwrap_or_else(|it| panic!("the gate did not start ({}): {}", it.status, it.stderr))
    }

    /// Starts one and waits until it is ready, or has ended.
    pub fn try_start(store: &Store, wrap: Wrap<'_>) -> Result<Self, Refusal> {
        let mut child = Self::spawn(store, wrap);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("portcullis is ready at ") {
            line.clear();
            if stdout.read_line(&mut line).unwrap() == 0 {
                let status = child.wait().unwrap();
                let stderr = store.log();
                let _ = fs::remove_file(store.file("gate.log"));
                return Err(Refusal { status, stderr });
            }
        }
        let address = line.trim().rsplit("http://").next().unwrap().parse().unwrap();
        Ok(Self { child, _stdout: stdout, address })
    }

    /// Starts one and waits for nothing.
    pub fn spawn(store: &Store, wrap: Wrap<'_>) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(store.file("gate.log")).unwrap();
        let policy = store.file("policy.yaml");
        let args = ["serve", "--policy", policy.to_str().unwrap(), "--listen", "127.0.0.1:0"];
        store.command(wrap, &args).stdout(Stdio::piped()).stderr(log).spawn().unwrap()
    }

    pub fn client(&self, key: &str) -> Client {
        Client::new(self.address, key)
    }
    pub fn id(&self) -> u32 {
        self.child.id()
    }
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`, at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    /// How many sockets it has open.
    pub fn sockets(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap();
        let is_socket =
            |path: PathBuf| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        open.filter(|it| is_socket(it.as_ref().unwrap().path())).count()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program under test.
pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_portcullis")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Random numbers that a seed brings back: SplitMix64.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The seed of this run: `CHAOS_SEED`, or `otherwise`.
    pub fn seed(otherwise: u64) -> u64 {
        std::env::var("CHAOS_SEED").ok().map_or(otherwise, |text| text.parse().unwrap())
    }
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// From 0 to `n - 1`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

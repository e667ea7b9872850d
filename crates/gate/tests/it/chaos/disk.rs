//! Disks that are full and disks that may only be read: nothing is allowed, the gate says why, and goes on by itself
//! once it can. A file size limit stands for a full disk wherever mounts need rights that a test has not.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use super::client::Client;
use super::count::{Note, audit};
use super::fleet::until;
use super::load::index;
use super::rig::{Gate, Store, text};

const POLICY: &str = "
version: 1
agents:
  bot: {rules: [{name: notes, allow: note}], limits: [{meter: actions, max: 100000, per: 1h}]}
";

/// The words to put before a program so that it may mount; empty where nothing of the kind works.
fn may_mount() -> &'static [&'static str] {
    let ways: [&[&str]; 2] = [&["unshare", "-m"], &["unshare", "-Urm"]];
    let works = |way: &&[&'static str]| {
        let mount = ["mount", "-t", "tmpfs", "tmpfs", "/mnt"];
        let tried = Command::new(way[0]).args(&way[1..]).args(mount).output();
        tried.is_ok_and(|output| output.status.success())
    };
    ways.into_iter().find(works).unwrap_or_else(|| {
        println!("mounts need rights that this test has not: its other half ran, this half did not");
        &[]
    })
}

fn request() -> Value {
    json!({"agent_id": "bot", "tool": "note", "args": {"text": "x".repeat(6000)}})
}

/// Asks until the disk is full; then nothing more is allowed.
fn fill_up(client: &mut Client, store: &Store) -> Vec<Note> {
    let mut notes = Vec::new();
    loop {
        let reply = client.post("/v1/check", &request());
        if reply.status != 200 {
            break;
        }
        let at = index("dec_", &reply.ok()["decision_id"]);
        notes.push(Note::Allowed { at, request: request() });
        assert!(notes.len() < 5_000, "the disk never gets full");
    }
    for _ in 0..30 {
        let reply = client.post("/v1/check", &request());
        let problem = reply.json();
        assert_eq!((reply.status, &problem["code"]), (503, &json!("unavailable")), "{problem}");
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert!(!reply.header("retry-after").is_empty() && problem["decision"] != "allow", "{problem}");
    }
    // Nor by another way in, nor many at once.
    let batch = client.post("/v1/check/batch", &json!({"checks": [request(), request()]}));
    assert!(!batch.text().contains("\"allow\""), "{}", batch.text());
    assert_eq!(client.get("/readyz").status, 503);
    assert_eq!(client.get("/healthz").status, 200);
    let log = store.log();
    assert!(log.contains("nothing is admitted"), "{log}");
    notes
}

/// There is room again.
fn goes_on(client: &mut Client, notes: &mut Vec<Note>) {
    let reply = client.check(&request());
    assert_eq!(reply["decision"], "allow", "the first check after there is room: {reply}");
    notes.push(Note::Allowed { at: index("dec_", &reply["decision_id"]), request: request() });
    until("it is ready again", || client.get("/readyz").status == 200);
    for _ in 0..20 {
        assert_eq!(client.check(&request())["decision"], "allow");
    }
}

#[test]
fn a_ledger_that_cannot_grow_allows_nothing_until_it_can() {
    let store = Store::new(POLICY);
    let key = store.key("admin", "root", &[]);
    // The limit ends a program that has not said that it can do without the signal.
    let wrap = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    let mut gate = Gate::try_start(&store, &wrap).unwrap_or_else(|it| panic!("{}", it.stderr));
    let pid = Pid::from_raw(i32::try_from(gate.id()).unwrap());
    let most =
        |bytes: Option<u64>| prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
    let mut client = gate.client(&key);
    let mut notes = Vec::new();
    for bytes in [400_000, 900_000] {
        most(Some(bytes));
        notes.extend(fill_up(&mut client, &store));
        most(None);
        goes_on(&mut client, &mut notes);
    }
    // The same once more, and killed while it can write nothing.
    most(Some(1_000));
    notes.extend(fill_up(&mut client, &store));
    gate.kill();
    let mut gate = Gate::start(&store);
    goes_on(&mut gate.client(&key), &mut notes);
    gate.kill();
    store.verify();
    audit(&store.records(), &[], &notes);
}

#[test]
fn a_full_disk_allows_nothing_until_there_is_room() {
    let way = may_mount();
    if way.is_empty() {
        return;
    }
    let store = Store::new(POLICY);
    let key = store.key("admin", "root", &[]);
    let folder = store.file("store");
    fs::rename(&folder, store.file("seed")).unwrap();
    fs::create_dir(&folder).unwrap();
    let script =
        "mount -t tmpfs -o size=32m,mode=700 tmpfs store && cp -a seed/. store/ && exec \"$0\" \"$@\"";
    let wrap: Vec<&str> = way.iter().copied().chain(["sh", "-c", script]).collect();
    let mut gate = Gate::try_start(&store, &wrap).unwrap_or_else(|it| panic!("{}", it.stderr));
    // The disk as the gate sees it.
    let seen = PathBuf::from(format!("/proc/{}/root{}", gate.id(), folder.display()));
    let mut client = gate.client(&key);
    let mut notes = Vec::new();
    for _ in 0..2 {
        fill_disk(&seen.join("filler"));
        notes.extend(fill_up(&mut client, &store));
        assert!(store.log().contains("the disk that holds the ledger is full"), "{}", store.log());
        fs::remove_file(seen.join("filler")).unwrap();
        goes_on(&mut client, &mut notes);
    }
    // What is on that disk is whole.
    drop(client);
    for name in ["ledger.db", "ledger.db.key", "ledger.db-wal"] {
        fs::copy(seen.join(name), folder.join(name)).unwrap();
    }
    gate.kill();
    store.verify();
    audit(&store.records(), &[], &notes);
}

fn fill_disk(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    let block = [0_u8; 4096];
    while file.write_all(&block).is_ok() {}
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let store = Store::new(POLICY);
    let key = store.key("admin", "root", &[]);
    let wrap = ["sh", "-c", "exec \"$0\" \"$@\" 2>/dev/full"];
    let mut gate = Gate::try_start(&store, &wrap).unwrap_or_else(|it| panic!("{}", it.stderr));
    let mut client = gate.client(&key);
    for _ in 0..5 {
        // Something to log, and something to decide.
        assert_eq!(client.post("/v1/check", &json!({"agent_id": "bot"})).status, 422);
        assert_eq!(client.check(&request())["decision"], "allow");
    }
    fs::rename(store.ledger(), store.file("away")).unwrap();
    assert_eq!(client.post("/v1/check", &request()).status, 503);
    fs::rename(store.file("away"), store.ledger()).unwrap();
    assert_eq!(client.check(&request())["decision"], "allow");
    assert!(gate.is_running());
    assert!(gate.stop().success());
}

/// A gate and a decision without one, on a ledger that may only be read.
fn refuses_what_it_cannot_write(store: &Store, wrap: &[&str]) {
    let refusal = Gate::try_start(store, wrap).err().expect("a gate that cannot write must not start");
    assert_eq!(refusal.status.code(), Some(1), "{}", refusal.stderr);
    let why = "the ledger may only be read here, so nothing can be recorded: check the owner and mode";
    assert!(refusal.stderr.contains(why), "{}", refusal.stderr);
    let check = ["check", "--policy", "policy.yaml", "--agent", "bot", "--tool", "note"];
    let output = store.command(wrap, &check).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(
        text(&output.stderr).contains(why) && !text(&output.stdout).contains("allow"),
        "{}",
        text(&output.stderr)
    );
    // Whoever only looks may look.
    let output = store.command(wrap, &["ledger", "verify"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn with_some_records() -> Store {
    let store = Store::new(POLICY);
    let key = store.key("agent", "runner", &[]);
    let gate = Gate::start(&store);
    let mut client = gate.client(&key);
    for _ in 0..10 {
        client.check(&request());
    }
    assert!(gate.stop().success());
    store
}

#[test]
fn a_ledger_that_may_only_be_read_starts_no_gate() {
    let store = with_some_records();
    let chmod = |mode: &str, path: &Path| {
        assert!(Command::new("chmod").arg(mode).arg(path).status().unwrap().success())
    };
    chmod("0400", &store.ledger());
    chmod("0500", &store.file("store"));
    // Root may write what it may not, unless it lays that right down.
    let is_root = rustix::process::geteuid().is_root();
    let wrap = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
    refuses_what_it_cannot_write(&store, if is_root { &wrap } else { &[] });
    chmod("0700", &store.file("store"));
    chmod("0600", &store.ledger());
    Gate::start(&store);
}

#[test]
fn a_disk_that_is_mounted_read_only_starts_no_gate() {
    let way = may_mount();
    if way.is_empty() {
        return;
    }
    let store = with_some_records();
    let script = "mount --bind store store && mount -o remount,bind,ro store && exec \"$0\" \"$@\"";
    let wrap: Vec<&str> = way.iter().copied().chain(["sh", "-c", script]).collect();
    refuses_what_it_cannot_write(&store, &wrap);
}

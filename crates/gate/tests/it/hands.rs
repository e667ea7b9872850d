//! What the gate does itself for a tool: commands and code in the sandbox, files of one folder, requests, databases;
//! each decided, carried out, bounded and on record, whichever way the call came in.

mod database;
mod ended;
mod postgres;
mod web;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gate::mcp::servers::Servers;
use gate::tool::Ground;
use serde_json::{Value, json};
use verdict::{KeyRole, Realm};

use crate::http_client::{Answer, Folder, Served};

/// A gate with these tools, all of which `bot` may call, and its own tools on a folder if there is one.
pub fn gate_on(tools: &str, more: &str, folder: Option<PathBuf>) -> Served {
    gate_with(tools, &format!("boundaries: {{commands: {{unknown: allow}}}}\n{more}"), folder, None)
}

/// The same with boundaries of its own, and servers behind `/mcp`.
fn gate_with(tools: &str, boundaries: &str, folder: Option<PathBuf>, servers: Option<Servers>) -> Served {
    let require = if is_root() { "all" } else { "[files.read, files.write, network, privileges, time]" };
    let policy = format!(
        "version: 1\ntools:\n{tools}agents:\n  bot:\n    sandbox: {{require: {require}}}\n    \
         rules: [{{name: may, allow: '*'}}]\n    {boundaries}"
    );
    let place = Arc::new(Folder::new());
    let own = vec![place.0.join("ledger.db")];
    Served::start_on(
        place,
        &policy,
        servers,
        Ground { folder, own, helper: Some(env!("CARGO_BIN_EXE_portcullis").into()) },
    )
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn answer(served: &Served, tool: &str, args: &Value) -> Answer {
    let key = served.key_like("app", KeyRole::Agent, Some("bot"), Realm::Live);
    served.post(&format!("/v1/tools/{tool}/call"), &key, &json!({"agent_id": "bot", "args": args}))
}

pub fn call(served: &Served, tool: &str, args: &Value) -> Value {
    let answer = answer(served, tool, args);
    assert_eq!(answer.status, 200, "{tool} {args}: {}", answer.text());
    answer.json()
}

/// What is on record of a call: the decision as the API shows it.
pub fn recorded(served: &Served, answer: &Value) -> Value {
    let admin = served.key("reader", KeyRole::Admin);
    let id = answer["decision_id"].as_str().unwrap_or_else(|| panic!("{answer}"));
    served.get(&format!("/v1/decisions/{id}"), &admin).json()
}

/// A folder to work in: its real path. It goes away with the test, also with one that fails.
struct Workspace(PathBuf);

impl std::ops::Deref for Workspace {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn workspace(name: &str) -> Workspace {
    let dir = std::env::temp_dir().join(format!("hands-{name}-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    Workspace(dir.canonicalize().unwrap())
}

#[test]
fn a_command_runs_with_its_arguments_as_words_and_no_shell() {
    let served = gate_on(
        "  say: {exec: [/bin/echo, 'to={name}', '{word}', '{{}}'], schema: {properties: {name: {type: string}, word: {type: string}}, required: [name, word]}}\n  \
         count: {exec: [/usr/bin/wc, -c], stdin: text}\n  fails: {exec: [/bin/sh, -c, 'exit 3']}\n  \
         dashed: {exec: [/bin/echo, --, '{word}']}\n",
        "",
        None,
    );
    let said = call(&served, "say", &json!({"name": "-x; rm -rf $(id)", "word": "a b"}));
    assert_eq!(said["result"]["stdout"], "to=-x; rm -rf $(id) a b {}\n", "{said}");
    assert_eq!((&said["status"], &said["attempts"]), (&json!("success"), &json!(1)));
    assert!(said["result"]["sandbox"]["network"].as_str().unwrap().starts_with("enforced"), "{said}");
    let seen = recorded(&served, &said);
    assert_eq!(seen["effects"][0]["kind"], "process.exec", "{seen}");
    assert_eq!(call(&served, "count", &json!({"text": "12345"}))["result"]["stdout"], "5\n");
    let failed = call(&served, "fails", &json!({}));
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("tool_error")),
        "{failed}"
    );
    assert_eq!(failed["result"]["exit_code"], 3);
    // An argument is no option, where the policy did not say that none follow.
    let option = call(&served, "say", &json!({"name": "x", "word": "-n"}));
    assert_eq!(
        (&option["status"], &option["error"]["code"]),
        (&json!("cancelled"), &json!("bad_arguments")),
        "{option}"
    );
    assert_eq!(call(&served, "dashed", &json!({"word": "-n"}))["result"]["stdout"], "-- -n\n");
    for odd in [
        json!({"name": "x"}),
        json!({"name": "x", "word": ["a"]}),
        json!({"name": "x", "word": "a", "more": 1}),
    ] {
        let refused = call(&served, "say", &odd);
        assert!(refused["decision"] == "deny" || refused["status"] == "cancelled", "{odd}: {refused}");
    }
}

#[test]
fn code_of_the_policy_reads_its_arguments_and_code_of_the_agent_is_bounded() {
    if !Path::new("/usr/bin/python3").exists() {
        println!("SKIPPED: code, because /usr/bin/python3 is not installed");
        return;
    }
    let ws = workspace("code");
    let served = gate_on(
        &format!(
            "  add: {{code: {{language: python, text: 'import json,sys; a=json.load(sys.stdin); print(a[\"x\"]+a[\"y\"])'}}, schema: {{properties: {{x: {{type: integer}}, y: {{type: integer}}}}}}}}\n  \
             try: {{code: {{language: python, argument: source}}, sandbox: {{workspace: {0}, timeout: 2s}}}}\n  \
             sh: {{code: {{language: shell, argument: script}}, sandbox: {{workspace: {0}}}}}\n",
            ws.display()
        ),
        "",
        None,
    );
    assert_eq!(call(&served, "add", &json!({"x": 40, "y": 2}))["result"]["stdout"], "42\n");
    let tried = call(
        &served,
        "try",
        &json!({"source": "open('made','w').write('x'); import socket; socket.socket()"}),
    );
    assert_eq!(tried["status"], "failed", "{tried}");
    assert!(tried["result"]["stderr"].as_str().unwrap().contains("PermissionError"), "{tried}");
    assert_eq!(fs::read_to_string(ws.join("made")).unwrap(), "x");
    let late = call(&served, "try", &json!({"source": "while True: pass"}));
    assert!(
        late["result"]["timed_out"] == true && late["error"]["message"].as_str().unwrap().contains("timeout"),
        "{late}"
    );
    let sh = call(
        &served,
        "sh",
        &json!({"script": "cat made; echo no > .git-credentials; env | grep -c PORTCULLIS || true"}),
    );
    assert_eq!(sh["result"]["stdout"], "x0\n", "{sh}");
}

/// The same calls as `mcp --builtin` answers, by the gateway.
#[test]
fn the_gates_own_tools_are_called_over_http_and_stay_in_their_folder() {
    let ws = workspace("own");
    let tools = "  fs.read: {builtin: fs.read}\n  fs.write: {builtin: fs.write}\n  fs.list: {args: {path: fs.read}}\n  \
                 fs.delete: {builtin: fs.delete}\n  shell.run: {args: {command: shell}}\n  code.run: {}\n  http.request: {}\n  notes: {builtin: fs.read, enabled: false}\n";
    let served = gate_on(tools, "", Some(ws.to_owned()));
    let written = call(&served, "fs.write", &json!({"path": "a/b.txt", "content": "hello"}));
    assert_eq!(written["result"]["written"], 5, "{written}");
    assert_eq!(recorded(&served, &written)["effects"][0]["kind"], "fs.write");
    assert_eq!(
        call(&served, "fs.read", &json!({"path": "a/b.txt", "offset": 1}))["result"]["content"],
        "ello"
    );
    assert_eq!(call(&served, "fs.list", &json!({"path": "a"}))["result"]["entries"][0]["name"], "b.txt");
    let ran =
        call(&served, "shell.run", &json!({"command": "cat a/b.txt; cat; echo more > c", "stdin": " in"}));
    assert_eq!(ran["result"]["stdout"], "hello in", "{ran}");
    assert_eq!(fs::read_to_string(ws.join("c")).unwrap(), "more\n");
    std::os::unix::fs::symlink("/etc/hostname", ws.join("link")).ok();
    for path in ["../x", "link", "no/such"] {
        let read = call(&served, "fs.read", &json!({"path": path}));
        assert!(read["status"] == "failed" || read["decision"] == "deny", "{path}: {read}");
    }
    let held = call(&served, "fs.write", &json!({"path": ".git/hooks/pre-commit", "content": "x"}));
    assert_eq!(held["status"], "failed", "{held}");
    assert_eq!(call(&served, "fs.delete", &json!({"path": "c"}))["status"], "success");
    // One whose argument nobody would look at is not done.
    let blind = call(&served, "http.request", &json!({"url": "https://example.com/"}));
    assert!(blind["error"]["message"].as_str().unwrap().contains("builtin: http.request"), "{blind}");
    assert_eq!(call(&served, "notes", &json!({"path": "a"}))["decision"], "deny");
    // What the gate does itself is real: a test key does not do it.
    let key = served.key_like("t", KeyRole::Agent, Some("bot"), Realm::Test);
    let body = json!({"agent_id": "bot", "args": {"path": "made-by-test", "content": "x"}});
    let test = served.post("/v1/tools/fs.write/call", &key, &body).json();
    assert!(test["status"] == "cancelled" && !ws.join("made-by-test").exists(), "{test}");
}

#[test]
fn without_a_folder_a_tool_of_this_name_is_its_callers_to_carry_out() {
    let served = gate_on("  fs.read: {args: {path: fs.read}}\n  bound: {builtin: fs.read}\n", "", None);
    let refused = answer(&served, "fs.read", &json!({"path": "x"}));
    assert_eq!(refused.status, 409, "{}", refused.text());
    let missing = call(&served, "bound", &json!({"path": "x"}));
    assert_eq!(
        (&missing["status"], &missing["error"]["code"]),
        (&json!("cancelled"), &json!("not_ready")),
        "{missing}"
    );
}

/// One agent, one policy, three ways in: the same is allowed, refused and done, and the same is on record.
#[test]
fn a_call_is_decided_and_done_alike_over_http_and_mcp() {
    let ws = workspace("ways");
    let tools = "  fs.read: {builtin: fs.read}\n  fs.write: {builtin: fs.write}\n  fs.delete: {builtin: fs.delete, enabled: false}\n  \
                 say: {exec: [/bin/echo, '{word}']}\n  fails: {exec: [/bin/sh, -c, 'exit 3']}\n";
    let boundary = format!(
        "boundaries: {{commands: {{unknown: allow}}, paths: {{read: [{0}], write: [{0}], deny: ['**/secret*']}}}}\n",
        ws.display()
    );
    let servers = json!({"mcpServers": {"own": {"builtin": true}}}).to_string();
    let servers = Servers::parse(servers.as_bytes(), &|_| None).unwrap();
    let served = gate_with(tools, &boundary, Some(ws.to_owned()), Some(servers));
    let key = served.key_like("client", KeyRole::Agent, Some("bot"), Realm::Live);
    let accept = "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n";
    let post = |session: &str, body: Value| {
        let headers = format!("{accept}Authorization: Bearer {key}\r\n{session}");
        served.raw("POST", "/mcp", &headers, body.to_string().as_bytes())
    };
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let greeted = post("", json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}));
    assert_eq!(greeted.status, 200, "{}", greeted.text());
    let session = format!("Mcp-Session-Id: {}\r\n", greeted.header("mcp-session-id").unwrap());
    post(&session, json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let listed = post(&session, json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).json();
    let names: Vec<&str> =
        listed["result"]["tools"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fails", "fs.read", "fs.write", "say"], "{listed}");
    fs::write(ws.join("secret.txt"), "s").unwrap();
    let (mut id, mut matrix) = (1, Vec::new());
    for (tool, args, wanted) in [
        ("fs.write", json!({"path": "a.txt", "content": "hello"}), "success"),
        ("fs.read", json!({"path": "a.txt"}), "success"),
        ("fs.read", json!({"path": "secret.txt"}), "deny"),
        ("fs.read", json!({"path": "none.txt"}), "failed"),
        ("fs.read", json!({"path": ws.join("a.txt")}), "success"),
        ("fs.read", json!({"path": "/etc/hostname"}), "deny"),
        ("fs.read", json!({"path": "b/../../x"}), "deny"),
        ("fs.read", json!({"path": "a.txt", "more": 1}), "deny"),
        ("fs.delete", json!({"path": "a.txt"}), "deny"),
        ("say", json!({"word": "x"}), "success"),
        ("say", json!({"word": "-n"}), "cancelled"),
        ("fails", json!({}), "failed"),
    ] {
        let by_http = call(&served, tool, &args);
        id += 1;
        let params = json!({"name": tool, "arguments": args});
        let answer =
            post(&session, json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}))
                .json();
        assert_eq!(answer["result"]["isError"] == true, wanted != "success", "{tool} {args}: {answer}");
        let http =
            by_http["status"].as_str().unwrap_or_else(|| by_http["decision"].as_str().unwrap()).to_owned();
        assert_eq!(http, wanted, "{tool} {args}: {by_http}");
        matrix.push((tool, wanted));
        if wanted == "success" && tool != "say" {
            assert_eq!(answer["result"]["structuredContent"], by_http["result"], "{tool}");
        }
    }
    // What is on record is the same by both ways, pair by pair, the newest first.
    let admin = served.key("reader", KeyRole::Admin);
    let page = served.get("/v1/decisions?limit=100", &admin).json();
    let seen: Vec<(String, String)> = page["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let status = it["outcome"]["status"].as_str().unwrap_or_else(|| it["decision"].as_str().unwrap());
            (it["tool"].as_str().unwrap().to_owned(), status.to_owned())
        })
        .collect();
    assert_eq!(seen.len(), 2 * matrix.len(), "{page}");
    for (pair, (tool, wanted)) in seen.chunks(2).zip(matrix.iter().rev()) {
        assert!(
            pair.iter().all(|it| (it.0.as_str(), it.1.as_str()) == (*tool, *wanted)),
            "{tool} {wanted}: {pair:?}"
        );
    }
}

//! The same actions through every way in: the same decisions, rules and records.
//!
//! The actions and what must come of them are `corpus/ways`. Paths in them are absolute and links absent: what a way
//! in knows of the machine (its folder, its links) may only ever add to what counts against an action.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use gate::clock::Clock;
use gate::desk::Desk as Book;
use gate::ink::LedgerInk;
use gate::path::Gate;
use serde::Deserialize;
use serde_json::{Value, json};
use verdict::{Code, Command, Decided, Draft, Json, KeyRole, Record};

use crate::cli::Desk;
use crate::http_client::{Folder, Served, block, open_gate};
use crate::mcp_http::{Client, Upstream as Server, greet_hello, serve_under};
use crate::mcp_rig::{Rig, call, folder};
use crate::upstream::{Deed, Upstream};

#[derive(Deserialize)]
struct Row {
    given: Given,
    expect: String,
    why: String,
}

#[derive(Deserialize)]
struct Given {
    agent: String,
    tool: String,
    args: Value,
}

impl Row {
    fn is_allowed(&self) -> bool {
        self.expect.starts_with("allow ")
    }
    fn is_pending(&self) -> bool {
        self.expect.starts_with("pending ")
    }
}

/// What the same actions are held against: those of the corpus, under a policy whose tools are really there, and what
/// the gate itself makes of each.
struct Matrix {
    rows: Vec<Row>,
    policy: String,
    tools: Upstream,
    plain: Vec<Decided>,
}

fn corpus(file: &str) -> String {
    std::fs::read_to_string(format!("{}/../../corpus/ways/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What was decided, as the corpus has it.
fn words(it: &Decided) -> String {
    let word = |value: Value| value.as_str().unwrap().to_owned();
    let mut words = format!("{} {}", word(json!(it.decision)), word(json!(it.code)));
    if let Some(rule) = &it.rule {
        words += &format!(" by {rule}");
    }
    if let Some(would) = it.would {
        words += &format!(", would be {}", word(json!(would)));
    }
    words
}

/// What must be the same on record. Over MCP the server's definition of the tool is part of the action. Where a name
/// is relative, what is said of it depends on the folder; what is decided does not.
fn essence(way: &str, it: &Decided, relative: bool) -> Value {
    let record = json!(it);
    let mut kept = vec!["agent", "tool", "policy", "risk", "mode", "cost", "yields"];
    if !way.starts_with("MCP") {
        kept.push("digest");
    }
    // The sentence says for whom it is, where that is said.
    if !relative && !it.reason.as_ref().is_some_and(|why| why.contains(", but it is for alice, ")) {
        kept.push("reason");
    }
    let kept: Vec<&Value> = kept.iter().map(|key| &record[*key]).collect();
    let findings: Vec<Value> = it.findings.iter().map(|it| json!([it.kind, it.place])).collect();
    let what = |effect: &Value| if relative { effect["kind"].clone() } else { effect.clone() };
    let effects: Vec<Value> = record["effects"].as_array().into_iter().flatten().map(what).collect();
    json!({"said": words(it), "record": kept, "findings": findings, "effects": effects})
}

/// True if a name of a file in it depends on the folder.
fn is_relative(it: &Decided) -> bool {
    let effects = json!(it)["effects"].clone();
    effects.as_array().into_iter().flatten().any(|effect| {
        let of_a_file = effect["kind"].as_str().is_some_and(|kind| kind.starts_with("fs."));
        of_a_file && !effect["resource"].as_str().is_some_and(|name| name.starts_with('/'))
    })
}

/// Switches `sleeper` off in the ledger at `store`.
fn put_to_sleep(desk: &Book) {
    let command = Command::Agent {
        agent: "sleeper".to_owned(),
        enabled: Some(false),
        reason: Some("it sleeps".to_owned()),
        notes: None,
        by: "alice".to_owned(),
    };
    block(desk.obey(command)).unwrap().unwrap();
}

fn decisions(records: Vec<Record>) -> Vec<Decided> {
    let decided = records.into_iter().filter_map(|it| match it {
        Record::Decided(it) => Some(*it),
        _ => None,
    });
    decided.collect()
}

fn recorded(store: &Path) -> Vec<Decided> {
    let reader = ledger::Reader::open(store).unwrap();
    let entries = reader.read(0, 10_000).unwrap();
    decisions(entries.iter().map(|it| serde_json::from_slice(&it.body).unwrap()).collect())
}

impl Matrix {
    fn new() -> Self {
        let rows: Vec<Row> =
            corpus("actions.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let tools = Upstream::start(|_, _| Deed::json("{\"ok\":true}"));
        let policy = corpus("policy.yaml").replace("HOST", &tools.address.to_string());
        let folder = Folder::new();
        let gate = open_gate(&folder, &policy);
        put_to_sleep(&gate.desk);
        let plain = rows.iter().map(|row| decided(&gate, &row.given)).collect();
        gate.desk.close();
        Self { rows, policy, tools, plain }
    }

    fn served(&self) -> Served {
        let served = Served::start_in(Arc::new(Folder::new()), &self.policy);
        put_to_sleep(&served.gate.desk);
        served
    }

    /// A folder for commands, with the policy and a ledger in it.
    fn desk(&self) -> Desk {
        let desk = Desk::new();
        desk.write("policy.yaml", &self.policy);
        std::fs::create_dir_all(desk.store().parent().unwrap()).unwrap();
        self.found(&desk.store());
        desk
    }

    /// Founds a ledger in which `sleeper` sleeps.
    fn found(&self, store: &Path) {
        let compiled = gate::policy_text::of_text("p.yaml", &self.policy).unwrap().loaded.policy;
        let ink = LedgerInk::open(store).unwrap();
        let desk = Book::inline(ink, "other", Arc::new(compiled), Clock::start()).unwrap();
        put_to_sleep(&desk);
        desk.close();
    }

    fn agents(&self) -> Vec<&str> {
        let mut agents: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !agents.contains(&row.given.agent.as_str()) {
                agents.push(&row.given.agent);
            }
        }
        agents
    }

    fn of<'m>(&'m self, agent: &'m str) -> impl Iterator<Item = (&'m Row, &'m Decided)> {
        self.rows.iter().zip(&self.plain).filter(move |(row, _)| row.given.agent == agent)
    }

    /// What is on record of `agent` is what must be, no more and no less.
    fn holds_for(&self, way: &str, agent: &str, found: &[Decided]) {
        let found: Vec<&Decided> = found.iter().filter(|it| it.agent == agent).collect();
        for ((row, plain), found) in self.of(agent).zip(&found) {
            let what = format!("{way}: {} {}: {}", row.given.tool, row.given.args, row.why);
            assert_eq!(words(found), row.expect, "{what}: {:?}", found.reason);
            let relative = is_relative(plain);
            assert_eq!(essence(way, found, relative), essence(way, plain, relative), "{what}");
        }
        assert_eq!(found.len(), self.of(agent).count(), "{way}: {agent}");
    }

    fn holds(&self, way: &str, store: &Path) {
        let found = recorded(store);
        for agent in self.agents() {
            self.holds_for(way, agent, &found);
        }
    }

    /// Every action, one after the other, over HTTP; `ask` says whether it was allowed.
    fn over_http(&self, way: &str, ask: impl Fn(&Served, &str, &Given) -> bool) {
        let served = self.served();
        let key = served.key("app", KeyRole::Agent);
        for row in &self.rows {
            let allowed = ask(&served, &key, &row.given);
            assert_eq!(allowed, row.is_allowed(), "{way}: {} {}", row.given.tool, row.given.args);
        }
        self.holds(way, &served.folder.0.join("ledger.db"));
    }

    /// How many calls must have reached a tool that the gate calls itself.
    fn carried(&self) -> usize {
        let there = |row: &&Row| row.is_allowed() && row.given.tool != "unheard.of";
        self.rows.iter().filter(there).count()
    }
}

fn decided(gate: &Gate, given: &Given) -> Decided {
    let draft = Draft {
        agent: given.agent.clone(),
        tool: given.tool.clone(),
        args: Some(Json::parse(given.args.to_string().as_bytes()).unwrap()),
        by: Some("app".to_owned()),
        ..Draft::default()
    };
    block(gate.check(draft)).unwrap().unwrap().decided().clone()
}

fn body(given: &Given) -> Value {
    json!({"agent_id": given.agent, "tool": given.tool, "args": given.args})
}

#[test]
fn the_gate_itself() {
    let matrix = Matrix::new();
    assert!(matrix.rows.len() >= 200, "{}", matrix.rows.len());
    if let Ok(file) = std::env::var("WAYS_OUT") {
        let all: Vec<String> = matrix.plain.iter().map(words).collect();
        std::fs::write(file, json!(all).to_string()).unwrap();
    }
    for (row, plain) in matrix.rows.iter().zip(&matrix.plain) {
        let Given { agent, tool, args } = &row.given;
        assert_eq!(words(plain), row.expect, "{agent} {tool} {args}: {}: {:?}", row.why, plain.reason);
    }
    // Nothing is left out that a policy can say.
    for code in [
        "allow allowed",
        "pending approval_required",
        "deny denied_by_rule",
        "deny no_matching_rule",
        "deny unknown_agent",
        "deny unknown_tool",
        "deny agent_disabled",
        "deny boundary",
        "deny screen",
        "deny limit",
        "deny budget",
        "deny invalid_action",
        "deny evaluation_error",
        "would be boundary",
    ] {
        let count = matrix.rows.iter().filter(|row| row.expect.contains(code)).count();
        assert!(count > 0, "no action is there for `{code}`");
    }
}

#[test]
fn http_check() {
    Matrix::new().over_http("check", |served, key, given| {
        let answer = served.check(key, &body(given));
        assert_eq!(answer["allowed"], answer["decision"] == "allow");
        answer["allowed"] == true
    });
}

#[test]
fn http_batch() {
    let matrix = Matrix::new();
    let served = matrix.served();
    let key = served.key("app", KeyRole::Agent);
    let checks: Vec<Value> = matrix.rows.iter().map(|row| body(&row.given)).collect();
    let answer = served.post("/v1/check/batch", &key, &json!({"checks": checks})).json();
    assert_eq!(answer["results"].as_array().unwrap().len(), matrix.rows.len());
    matrix.holds("batch", &served.folder.0.join("ledger.db"));
}

#[test]
fn tool_gateway() {
    let matrix = Matrix::new();
    matrix.over_http("tool call", |served, key, given| {
        let path = format!("/v1/tools/{}/call", given.tool);
        let answer = served.post(&path, key, &json!({"agent_id": given.agent, "args": given.args}));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        if answer["decision"] == "allow" && given.tool != "unheard.of" {
            assert_eq!(answer["result"], json!({"ok": true}), "{answer}");
        }
        answer["decision"] == "allow"
    });
    assert_eq!(matrix.tools.count(), matrix.carried());
}

#[test]
fn authzen() {
    Matrix::new().over_http("AuthZEN", |served, key, given| {
        let question = json!({
            "subject": {"type": "agent", "id": given.agent},
            "action": {"name": given.tool, "properties": given.args},
            "resource": {"type": "any", "id": "any"},
        });
        let answer = served.post("/access/v1/evaluation", key, &question).json();
        answer["decision"].as_bool().unwrap_or_else(|| panic!("{answer}"))
    });
}

#[test]
fn onceonly() {
    let matrix = Matrix::new();
    matrix.over_http("OnceOnly", |served, key, given| {
        let answer = served.post("/onceonly/v1/ai/run", key, &body(given)).json();
        if answer["allowed"] == true && given.tool != "unheard.of" {
            assert_eq!(answer["result"], json!({"ok": true}), "{answer}");
        }
        answer["allowed"].as_bool().unwrap_or_else(|| panic!("{answer}"))
    });
    assert_eq!(matrix.tools.count(), matrix.carried());
}

#[test]
fn agentwarden() {
    let matrix = Matrix::new();
    matrix.over_http("AgentWarden", |served, key, given| {
        let check = json!({"agent_id": given.agent, "action": given.tool, "context": given.args});
        let answer = served.post("/agentwarden/sdk/check", key, &check);
        // Its client has an error of its own for that.
        if given.agent == "nobody" {
            assert_eq!(answer.status, 404);
            return false;
        }
        let answer = answer.json();
        answer["allowed"].as_bool().unwrap_or_else(|| panic!("{answer}"))
    });
    assert_eq!(matrix.tools.count(), 0);
}

#[test]
fn mcp_over_http() {
    let matrix = Matrix::new();
    for agent in matrix.agents() {
        let folder = Arc::new(Folder::new());
        let server = Server::new(&folder, "it");
        let mut config = server.config();
        config["prefix"] = json!("");
        let config = json!({"mcpServers": {"files": config}, "approvals": "return"});
        let served = serve_under(&folder, &matrix.policy, &config);
        put_to_sleep(&served.gate.desk);
        let mut client = Client::of(&served, agent);
        let names = names(&matrix);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut life = client.begin(
            || {
                let mut life = server.started();
                greet_hello(&mut life);
                life
            },
            |life| {
                life.hears.line();
                life.list(&names);
            },
        );
        for (at, (row, _)) in matrix.of(agent).enumerate() {
            let Given { tool, args, .. } = &row.given;
            let answer = client.posted(&call(u32::try_from(at).unwrap(), tool, &args.to_string()));
            if row.is_allowed() {
                assert_eq!(life.answer("tools/call")["params"]["arguments"], *args, "{tool}");
                assert_eq!(answer.join().unwrap().json()["result"]["content"][0]["text"], "done");
                continue;
            }
            let refused = answer.join().unwrap().json();
            let said = &refused["result"]["_meta"]["portcullis/decision"];
            assert_eq!(said["decision"], row.expect.split(' ').next().unwrap(), "{tool} {args}: {refused}");
        }
        matrix.holds_for("MCP over HTTP", agent, &recorded(&folder.0.join("ledger.db")));
    }
}

/// The tools that a server must offer, so that the gate decides and not the server.
fn names(matrix: &Matrix) -> Vec<String> {
    let names: std::collections::BTreeSet<&str> =
        matrix.rows.iter().map(|row| row.given.tool.as_str()).collect();
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn mcp_stdio() {
    let matrix = Matrix::new();
    for agent in matrix.agents() {
        let folder = folder();
        matrix.found(&folder.join("ledger.db"));
        let mut rig = Rig::silent_for(folder, &matrix.policy, agent);
        let names = names(&matrix);
        rig.hello(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for (at, (row, _)) in matrix.of(agent).enumerate() {
            let Given { tool, args, .. } = &row.given;
            let id = u32::try_from(at).unwrap() + 100;
            rig.call(id, tool, &args.to_string());
            if row.is_pending() {
                // It waits for a person; the client gives up.
                while asked(&rig).len() <= at {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                let given_up = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
                rig.send(&given_up.to_string());
                continue;
            }
            if row.is_allowed() {
                assert_eq!(rig.server.json()["params"]["arguments"], *args, "{tool}");
                rig.answer(&json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}}).to_string());
                assert_eq!(answered(&rig)["id"], id);
                continue;
            }
            let refused = answered(&rig);
            assert_eq!(refused["id"], id, "{refused}");
            assert_eq!(refused["result"]["_meta"]["portcullis/decision"]["decision"], "deny", "{refused}");
        }
        matrix.holds_for("MCP", agent, &asked(&rig));
    }
}

/// The decisions, but for those at the end of a wait for people.
fn asked(rig: &Rig) -> Vec<Decided> {
    decisions(rig.records()).into_iter().filter(|it| it.code != Code::ApprovalDenied).collect()
}

/// The next answer, but for what the gate says of those that wait.
fn answered(rig: &Rig) -> Value {
    loop {
        let said = rig.client.json();
        if said.get("id").is_some() {
            return said;
        }
    }
}

/// Runs the hook; true if the agent may go on.
fn hook(desk: &Desk, given: &Given, more: &[&str], key: &str) -> bool {
    let event = json!({"session_id": "s", "hook_event_name": "PreToolUse", "tool_name": given.tool, "tool_input": given.args});
    let mut all = vec!["hook", "claude-code", "--agent", &given.agent];
    all.extend(more);
    let mut hook = desk
        .command(&all)
        .env("PORTCULLIS_API_KEY", key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    hook.stdin.take().unwrap().write_all(event.to_string().as_bytes()).unwrap();
    let said = hook.wait_with_output().unwrap();
    let code = said.status.code().unwrap();
    assert!(code == 0 || code == 2, "{}", String::from_utf8_lossy(&said.stderr));
    code == 0
}

#[test]
fn hook_by_itself() {
    let matrix = Matrix::new();
    let desk = matrix.desk();
    for row in &matrix.rows {
        let may = hook(&desk, &row.given, &["--policy", "policy.yaml"], "");
        assert_eq!(may, row.is_allowed(), "{} {}", row.given.tool, row.given.args);
    }
    matrix.holds("hook", &desk.store());
}

#[test]
fn hook_of_a_running_gate() {
    let desk = Desk::new();
    Matrix::new().over_http("hook of a gate", |served, key, given| {
        hook(&desk, given, &["--gate", &format!("http://{}", served.address)], key)
    });
    assert!(!desk.store().exists(), "the hook has opened a ledger of its own");
}

#[test]
fn command_line() {
    let matrix = Matrix::new();
    let desk = matrix.desk();
    for row in &matrix.rows {
        let Given { agent, tool, args } = &row.given;
        let args = args.to_string();
        let line = ["check", "--policy", "policy.yaml", "--agent", agent, "--tool", tool, "--args", &args];
        let code = desk.run(&line).code;
        assert_eq!(code == 0, row.is_allowed(), "{tool} {args}: {code}");
    }
    matrix.holds("command line", &desk.store());
}

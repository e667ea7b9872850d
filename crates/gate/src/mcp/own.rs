//! The gate's own tools as an MCP server in this very process: tools that were safe from the start.
//!
//! Answerable for speaking MCP to the gate in front of it, which decides every call before it comes here; for doing
//! nothing that was not decided on by the policy in force; for a call that is taken back ending its program; and for
//! handing the gate the outcome beside the answer, so that what is recorded is what was done. What a tool does is in
//! [`crate::tool`]; decides nothing.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;
use verdict::{Json, Outcome, PolicyVersion, Status};

use super::child::{Child, Leash};
use super::lines::{Got, Lines};
use crate::desk::Desk;
use crate::tool::{Fault, Offered, Tools, Why, in_force};

/// Revisions of the protocol, the newest first.
const REVISIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// The most calls that something is known of.
const MOST: usize = 8_192;

/// The server, for one agent.
#[derive(Clone)]
pub struct OwnTools {
    desk: Desk,
    tools: Tools,
    agent: String,
    ends: Arc<Ends>,
}

/// What the gate in front and this server know of the same calls, by the id of the request as it is written.
#[derive(Default)]
pub(super) struct Ends(Mutex<HashMap<String, Known>>);

/// What is known of a call.
#[derive(Default)]
struct Known {
    /// The policy that decided, until the call has come.
    decided: Option<PolicyVersion>,
    /// True once it is to be ended.
    stop: Arc<AtomicBool>,
    /// How it ended, until its answer is taken.
    ended: Option<Outcome>,
}

impl Ends {
    /// A call that is held is on its way here.
    pub(super) fn expect(&self, id: &str, decided: &PolicyVersion) {
        let Some(id) = plain(id) else { return };
        let mut known = self.known();
        // Those of calls that nobody waited for stay; so many are none that anybody waits for.
        if known.len() >= MOST {
            known.retain(|_, it| it.ended.is_none());
        }
        known.insert(id, Known { decided: Some(decided.clone()), ..Known::default() });
    }

    /// How the call of this request ended.
    pub(super) fn take(&self, id: &str) -> Option<Outcome> {
        self.known().remove(&plain(id)?)?.ended
    }

    /// The call has come: what decided it, and its end if it is taken back.
    fn come(&self, id: &str) -> Option<(PolicyVersion, Arc<AtomicBool>)> {
        let mut known = self.known();
        let known = known.get_mut(id)?;
        Some((known.decided.take()?, Arc::clone(&known.stop)))
    }

    fn stop(&self, id: &str) {
        if let Some(known) = self.known().get(id) {
            known.stop.store(true, Ordering::Relaxed);
        }
    }

    fn put(&self, id: &str, outcome: Outcome) {
        if let Some(known) = self.known().get_mut(id) {
            known.ended = Some(outcome);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One id may be written in several ways.
fn plain(id: &str) -> Option<String> {
    Some(serde_json::from_str::<Value>(id).ok()?.to_string())
}

impl OwnTools {
    /// The tools of `tools` that `agent` has by the policy that `desk` holds.
    pub fn new(desk: Desk, tools: Tools, agent: String) -> Self {
        Self { desk, tools, agent, ends: Arc::default() }
    }

    /// Where the ends of its calls are found.
    pub(super) fn ends(&self) -> Arc<Ends> {
        Arc::clone(&self.ends)
    }

    /// Starts it: two threads and no process. The error is a sentence.
    pub(super) fn start(&self, runtime: Handle, longest: usize) -> Result<Child, String> {
        let odd = |error: std::io::Error| format!("the gate's own tools cannot be started: {error}");
        crate::runs::host::try_it(self.tools.helper());
        let (requests, input) = std::io::pipe().map_err(odd)?;
        let (output, answers) = std::io::pipe().map_err(odd)?;
        let file = |fd: OwnedFd| File::from(fd);
        let (ends, ended) = watch::channel(None);
        let (to, from) = channel();
        let mut answers = file(answers.into());
        let write = move || {
            said(&from, &mut answers);
            drop(answers);
            ends.send_replace(Some(ExitStatus::default()));
        };
        let (server, lines) = (self.clone(), Lines::new(file(requests.into()), longest));
        let read = move || server.listen(lines, &to, &runtime);
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        thread("own-tools-out").spawn(write).map_err(odd)?;
        thread("own-tools-in").spawn(read).map_err(odd)?;
        Ok(Child { input: file(input.into()), output: file(output.into()), ended, leash: Leash::none() })
    }

    fn listen(&self, mut lines: Lines, to: &Sender<Value>, runtime: &Handle) {
        let mut line = Vec::new();
        while let Ok(got) = lines.next(&mut line) {
            match got {
                Got::End => return,
                Got::TooLong => continue,
                Got::Line => (),
            }
            // What is no message was not passed on by the gate in front.
            let Ok(message) = serde_json::from_slice::<Value>(&line) else { continue };
            let method = message.get("method").and_then(Value::as_str);
            if method == Some("notifications/cancelled")
                && let Some(id) = message.pointer("/params/requestId")
            {
                self.ends.stop(&id.to_string());
            }
            let Some((id, method)) = message.get("id").zip(method) else { continue };
            let (id, none) = (id.clone(), json!({}));
            let params = message.get("params").unwrap_or(&none);
            let result = match method {
                "initialize" => greet(params),
                "ping" => json!({}),
                "tools/list" => json!({"tools": self.listed()}),
                "tools/call" => {
                    let (server, params, to) = (self.clone(), params.clone(), to.clone());
                    runtime.spawn(async move {
                        let result = server.called(&id, &params).await;
                        let _gone = to.send(json!({"jsonrpc": "2.0", "id": id, "result": result}));
                    });
                    continue;
                }
                _ => {
                    let error = json!({"code": -32601, "message": "there is no such method"});
                    let _gone = to.send(json!({"jsonrpc": "2.0", "id": id, "error": error}));
                    continue;
                }
            };
            let _gone = to.send(json!({"jsonrpc": "2.0", "id": id, "result": result}));
        }
    }

    fn listed(&self) -> Vec<Value> {
        let offered = self.tools.offered(&self.desk.policy(), &self.agent);
        let listed = offered.into_iter().map(|it| {
            let Offered { name, description, schema } = it;
            json!({"name": name, "description": description, "inputSchema": schema})
        });
        listed.collect()
    }

    async fn called(&self, id: &Value, params: &Value) -> Value {
        let id = id.to_string();
        let outcome = match self.done(&id, params).await {
            Ok((outcome, fault)) => {
                let error = outcome.error.or(fault.map(|fault| fault.message));
                Outcome { error, ..outcome }
            }
            Err(fault) => Outcome { error: Some(fault.message), ..Outcome::plain(Status::Cancelled) },
        };
        let told = told(&outcome);
        self.ends.put(&id, outcome);
        told
    }

    /// Does what was decided on. An error: nothing was begun.
    async fn done(&self, id: &str, params: &Value) -> Result<(Outcome, Option<Fault>), Fault> {
        let undecided = || Fault::new(Why::NotReady, "nobody has decided on this call");
        let (decided, stop) = self.ends.come(id).ok_or_else(undecided)?;
        let policy = in_force(&self.desk, &decided)?;
        let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
        let none = json!({});
        let args = params.get("arguments").filter(|it| !it.is_null()).unwrap_or(&none);
        let args = Json::parse(args.to_string().as_bytes()).unwrap_or(Json::Null);
        self.tools.by_hand(&policy, (&self.agent, name), &args, stop).await
    }
}

/// What the client gets: the result, with the reason if it is not one that was hoped for.
fn told(outcome: &Outcome) -> Value {
    let result = outcome.result.as_ref().and_then(|it| serde_json::from_str(&it.canonical()).ok());
    let failed = outcome.status != Status::Success;
    let mut result = match result {
        Some(Value::Object(map)) => map,
        Some(other) => serde_json::Map::from_iter([("result".to_owned(), other)]),
        None => serde_json::Map::new(),
    };
    if let Some(error) = outcome.error.as_ref().filter(|_| failed && !result.contains_key("error")) {
        result.insert("error".to_owned(), json!(error));
    }
    let result = Value::Object(result);
    json!({
        "content": [{"type": "text", "text": result.to_string()}],
        "structuredContent": result,
        "isError": failed,
    })
}

/// A result that was kept, as the client gets it.
pub(super) fn again(result: &str) -> String {
    let result = Json::parse(result.as_bytes()).ok();
    told(&Outcome { result, ..Outcome::plain(Status::Success) }).to_string()
}

fn said(from: &Receiver<Value>, to: &mut File) {
    while let Ok(message) = from.recv() {
        if writeln!(to, "{message}").and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}

fn greet(params: &Value) -> Value {
    let asked = params.get("protocolVersion").and_then(Value::as_str);
    let [newest, ..] = REVISIONS;
    let revision = REVISIONS.into_iter().find(|it| Some(*it) == asked).unwrap_or(newest);
    json!({
        "protocolVersion": revision,
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "portcullis-builtin", "version": env!("CARGO_PKG_VERSION")},
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use verdict::{Command, PolicyVersion, Status};

    use super::OwnTools;
    use crate::clock::Clock;
    use crate::desk::Desk;
    use crate::ink::LedgerInk;
    use crate::tool::{Ground, Tools};
    use crate::views::Reading;

    /// The policy in force, with one more note in it.
    async fn put(desk: &Desk, note: &str) -> PolicyVersion {
        let text = format!(
            "version: 1\ntools:\n  fs.write: {{builtin: fs.write}}\nagents:\n  bot: {{purpose: {note}, rules: [{{name: may, allow: '*'}}]}}\n"
        );
        let text = crate::policy_text::of_text("p.yaml", &text).unwrap();
        let policy = Arc::new(text.loaded.policy);
        let version = policy.version().clone();
        let (line, text) = ("main".to_owned(), text.packed);
        let command = Command::Policy { line, policy, text, file: true, by: None, only_after: None };
        desk.obey(command).await.unwrap().unwrap();
        version
    }

    #[tokio::test]
    async fn what_another_policy_decided_is_not_done() {
        let folder = std::env::temp_dir().join(format!("portcullis-own-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("ws")).unwrap();
        let store = folder.join("ledger.db");
        let first = crate::policy_text::of_text("p.yaml", "version: 1\nagents: {}\n").unwrap().loaded.policy;
        let ink = LedgerInk::open(&store).unwrap();
        let desk = Desk::open(ink, "main", Arc::new(first), Clock::start()).unwrap();
        let before = put(&desk, "before").await;
        let reading = Reading::open(store).unwrap();
        let ground = Ground { folder: Some(folder.join("ws")), ..Ground::default() };
        let own =
            OwnTools::new(desk.clone(), Tools::new(desk.clone(), reading, None, ground), "bot".to_owned());
        let params = json!({"name": "fs.write", "arguments": {"path": "made", "content": "x"}});
        let made = folder.join("ws/made");

        own.ends.expect("7", &before);
        let now = put(&desk, "now").await;
        let told = own.called(&json!(7), &params).await;
        assert!(
            told["structuredContent"]["error"].as_str().unwrap().contains("the policy changed"),
            "{told}"
        );
        assert_eq!((&told["isError"], made.exists()), (&json!(true), false));
        // Nothing was begun, so what it held is given back.
        assert_eq!(own.ends.take("7").unwrap().status, Status::Cancelled);

        own.ends.expect("8", &now);
        let told = own.called(&json!(8), &params).await;
        assert_eq!((&told["isError"], made.exists()), (&json!(false), true), "{told}");
        // And one that nobody decided on is not done either, nor one twice.
        for id in [8, 9] {
            let told = own.called(&json!(id), &params).await;
            assert!(
                told["structuredContent"]["error"].as_str().unwrap().contains("nobody has decided"),
                "{told}"
            );
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

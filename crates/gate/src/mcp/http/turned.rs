//! A server that has no sessions (2026-07-28), for clients that have one.
//!
//! Answerable for `initialize` being answered with what the server says of itself, for every request carrying what the
//! client said once, and for what the server asks for in an answer being asked of the client, and the request sent again
//! with it. What may pass either way is the session's. Source: MCP 2026-07-28, versioning and multi round-trip requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::border::Border;
use super::events::{Happening, Reading};
use super::modern::{CAPABILITIES, INFO, LEVEL, REVISION, VERSION};
use super::remote::{Letter, Remote, Went};
use super::visit::{one_line, with_id};
use crate::mcp::LONGEST_MESSAGE;
use crate::mcp::envelope::{Fields, Id, Message, read, text};
use crate::mcp::pump::{lost, server_line};
use crate::mcp::reply;
use crate::mcp::request::cancelled;
use crate::mcp::screen::spliced;
use crate::mcp::session::Session;

/// How often a server may ask for more before it answers.
const ROUNDS: u32 = 16;
/// How long until changes are listened to again, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The revisions that a client may speak.
const NEWEST: &str = "2025-11-25";

/// From the server.
pub(super) struct Turned {
    /// The server.
    pub(super) remote: Arc<Remote>,
    /// What is sent to it.
    pub(super) sent: mpsc::Receiver<Vec<u8>>,
}

/// What a request to the server needs.
#[derive(Clone)]
struct Desk {
    remote: Arc<Remote>,
    session: Arc<Session>,
    border: Arc<Border>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What the client said of itself.
    said: HashMap<&'static str, Value>,
    /// Questions to the client that are open.
    questions: HashMap<String, oneshot::Sender<Vec<u8>>>,
    count: u64,
}

/// Why there is no answer: whether the request may have reached the server, and a sentence.
struct NoAnswer(bool, String);

impl Turned {
    /// Sends what is to be sent and takes in what comes back, until the client is gone. Why it ended.
    pub(super) async fn run(self, session: Arc<Session>, border: Arc<Border>) -> String {
        let Self { remote, mut sent } = self;
        let desk = Desk { remote, session, border, state: Arc::default() };
        let mut tasks = JoinSet::new();
        let mut under_way: HashMap<Id, AbortHandle> = HashMap::new();
        while let Some(line) = sent.recv().await {
            while tasks.try_join_next().is_some() {}
            under_way.retain(|_, task| !task.is_finished());
            let letter = Letter::of(line);
            match (&letter.asks, letter.method.as_deref()) {
                (Some((id, _)), _) => {
                    let (id, desk) = (id.clone(), desk.clone());
                    let task = tasks.spawn(async move { desk.ask(letter).await });
                    under_way.insert(id, task);
                }
                (None, Some("notifications/initialized")) => {
                    tasks.spawn(desk.clone().listen());
                }
                (None, Some("notifications/cancelled")) => {
                    // Whoever closes the stream of a request has taken it back.
                    if let Some(task) = of_cancelled(&letter.line).and_then(|id| under_way.remove(&id)) {
                        task.abort();
                    }
                }
                (None, Some(_)) => (),
                (None, None) => desk.answered(&letter.line),
            }
        }
        "the session is over".to_owned()
    }
}

fn of_cancelled(line: &[u8]) -> Option<Id> {
    match text(line).and_then(read) {
        Ok(Message::Notification { params, .. }) => cancelled(params),
        _ => None,
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half changed by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own_id(&self, what: &str) -> String {
        let mut state = self.state();
        state.count = state.count.saturating_add(1);
        format!("portcullis-{what}-{}", state.count)
    }

    /// The client answers what it was asked.
    fn answered(&self, line: &[u8]) {
        if let Ok(Message::Answer { id: Some(Id::Text(id)), .. }) = text(line).and_then(read)
            && let Some(to) = self.state().questions.remove(&id)
        {
            // Whoever asked may have gone.
            let _gone = to.send(line.to_vec());
        }
    }

    async fn ask(self, letter: Letter) {
        let Letter { line, asks: Some((id, method)), .. } = letter else { return };
        let answer = match method.as_str() {
            "initialize" => self.hello(&line, &id).await,
            "ping" => Ok(result(&id, "{}")),
            "logging/setLevel" => {
                if let Some(level) = params(&line).get("level") {
                    self.state().said.insert(LEVEL, level.clone());
                }
                Ok(result(&id, "{}"))
            }
            "resources/subscribe" | "resources/unsubscribe" => {
                let why = "the server tells of changed lists only";
                Ok(reply::error(Some(&id.written()), -32601, why).into_bytes())
            }
            _ => self.rounds(&line, &id).await,
        };
        match answer {
            Ok(answer) => {
                let answer = self.border.inward(&answer).unwrap_or(answer);
                server_line(&self.session, &answer, Some(&id)).await;
            }
            Err(NoAnswer(true, why)) => lost(&self.session, &id, &why),
            Err(NoAnswer(false, why)) => {
                let error = reply::error(Some(&id.written()), -32603, &why);
                server_line(&self.session, error.as_bytes(), Some(&id)).await;
            }
        }
    }

    /// The answer to `initialize`: what the server says of itself.
    async fn hello(&self, line: &[u8], id: &Id) -> Result<Vec<u8>, NoAnswer> {
        let params = params(line);
        {
            let mut state = self.state();
            state.said.insert(CAPABILITIES, params.get("capabilities").cloned().unwrap_or_else(|| json!({})));
            if let Some(info) = params.get("clientInfo") {
                state.said.insert(INFO, info.clone());
            }
        }
        let own = self.own_id("discover");
        let ask = format!("{{\"jsonrpc\":\"2.0\",\"id\":\"{own}\",\"method\":\"server/discover\"}}\n");
        let answer = self.exchange(&ask, &Id::Text(own), None).await?;
        let found: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let said =
            found.get("result").ok_or_else(|| NoAnswer(false, "it does not say what it is".to_owned()))?;
        let mut capabilities = said.get("capabilities").cloned().unwrap_or_else(|| json!({}));
        if let Some(resources) = capabilities.get_mut("resources").and_then(Value::as_object_mut) {
            resources.remove("subscribe");
        }
        let wanted = params.get("protocolVersion").and_then(Value::as_str).unwrap_or(NEWEST);
        let mut hello = json!({
            "protocolVersion": wanted.min(NEWEST), "capabilities": capabilities,
            "serverInfo": found.pointer("/result/_meta/io.modelcontextprotocol~1serverInfo").cloned()
                .unwrap_or_else(|| json!({"name": self.session.names.server, "version": ""})),
        });
        if let (Some(instructions), Some(map)) = (said.get("instructions"), hello.as_object_mut()) {
            map.insert("instructions".to_owned(), instructions.clone());
        }
        Ok(result(id, &hello.to_string()))
    }

    /// A request, sent again with what the server asks for until it answers.
    async fn rounds(&self, line: &[u8], id: &Id) -> Result<Vec<u8>, NoAnswer> {
        let whole = String::from_utf8_lossy(line).into_owned();
        let (mut round, mut round_id) = (whole.clone(), id.clone());
        for _ in 0..ROUNDS {
            let answer = self.exchange(&round, &round_id, Some(id)).await?;
            let answer =
                String::from_utf8(answer).map_err(|_| NoAnswer(true, "its answer is no text".to_owned()))?;
            let Some(question) = question(&answer) else {
                let answer = with_id(&answer, &round_id.written(), &id.written());
                return answer
                    .map(String::into_bytes)
                    .ok_or_else(|| NoAnswer(true, "its answer cannot be read".to_owned()));
            };
            let more = self.put(&question, id).await?;
            let own = self.own_id("round");
            round_id = Id::Text(own);
            round = with_id(&whole, &id.written(), &round_id.written())
                .and_then(|line| with_params(&line, &more))
                .ok_or_else(|| NoAnswer(false, "the request cannot be sent again".to_owned()))?;
        }
        Err(NoAnswer(false, "the server asks for more and more".to_owned()))
    }

    /// Puts what the server asks for to the client. What the next round carries.
    async fn put(&self, question: &Value, about: &Id) -> Result<serde_json::Map<String, Value>, NoAnswer> {
        let mut more = serde_json::Map::new();
        if let Some(state) = question.get("requestState") {
            more.insert("requestState".to_owned(), state.clone());
        }
        let Some(asked) = question.get("inputRequests").and_then(Value::as_object) else { return Ok(more) };
        let mut answers = serde_json::Map::new();
        for (key, request) in asked {
            let own = self.own_id("question");
            let (to, answer) = oneshot::channel();
            self.state().questions.insert(own.clone(), to);
            let mut line = json!({"jsonrpc": "2.0", "id": own});
            if let (Some(line), Some(request)) = (line.as_object_mut(), request.as_object()) {
                line.extend(
                    request
                        .iter()
                        .filter(|(key, _)| matches!(key.as_str(), "method" | "params"))
                        .map(|(k, v)| (k.clone(), v.clone())),
                );
            }
            server_line(&self.session, format!("{line}\n").as_bytes(), Some(about)).await;
            let answer = answer.await.map_err(|_| NoAnswer(false, "the session is over".to_owned()))?;
            let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
            let given = answer.get("result").ok_or_else(|| {
                NoAnswer(
                    false,
                    format!(
                        "the client does not answer what the server asks for as `{}`",
                        verdict::short(key)
                    ),
                )
            })?;
            answers.insert(key.clone(), given.clone());
        }
        more.insert("inputResponses".to_owned(), answers.into());
        Ok(more)
    }

    /// What the client said of itself, as every request carries it.
    fn meta(&self) -> serde_json::Map<String, Value> {
        let state = self.state();
        let said = state.said.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        said.chain([(VERSION.to_owned(), REVISION.into())]).collect()
    }

    async fn post(&self, line: &str) -> Result<hyper::Response<hyper::body::Incoming>, NoAnswer> {
        let line = with_meta(line, &self.meta())
            .ok_or_else(|| NoAnswer(false, "the request cannot be read".to_owned()))?;
        let letter = Letter::of(line.into_bytes());
        let heads: Vec<(HeaderName, HeaderValue)> = self.remote.heads(&letter);
        match self.remote.send(Method::POST, Bytes::from(letter.line), &heads).await {
            Went::Back(back) => Ok(back),
            Went::NotSent(why) => Err(NoAnswer(false, why)),
            Went::Broken(why) => Err(NoAnswer(true, why)),
        }
    }

    /// Sends a request under `id`. Its answer; what comes before that goes to the session.
    async fn exchange(&self, line: &str, id: &Id, about: Option<&Id>) -> Result<Vec<u8>, NoAnswer> {
        let back = self.post(line).await?;
        let (status, kind) = (back.status(), back.headers().get(CONTENT_TYPE).cloned());
        let kind = kind.as_ref().and_then(|it| it.to_str().ok()).unwrap_or("");
        if kind.starts_with("text/event-stream") {
            let mut reading = Reading::new(back.into_body());
            while let Happening::Message(message) = reading.next().await {
                let line = one_line(&message);
                if matches!(text(&line).and_then(read), Ok(Message::Answer { id: Some(of), .. }) if of == *id)
                {
                    return Ok(line);
                }
                let line = self.border.inward(&line).unwrap_or(line);
                server_line(&self.session, &line, about).await;
            }
            return Err(NoAnswer(true, "the server's stream ended before its answer".to_owned()));
        }
        let body = Limited::new(back.into_body(), LONGEST_MESSAGE).collect().await;
        let body =
            body.map_err(|error| NoAnswer(true, format!("the server's answer cannot be read: {error}")))?;
        let line = one_line(&body.to_bytes());
        match text(&line).and_then(read) {
            Ok(Message::Answer { id: Some(of), .. }) if of == *id => Ok(line),
            _ => {
                let why = format!("the server gives no answer: HTTP status {}", status.as_u16());
                Err(NoAnswer(!status.is_client_error(), why))
            }
        }
    }

    /// Listens to what changes.
    async fn listen(self) {
        let mut pause = Duration::from_secs(1);
        loop {
            let own = self.own_id("listen");
            let ask = json!({"jsonrpc": "2.0", "id": own, "method": "subscriptions/listen", "params": {
                "notifications": {"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true}}});
            match self.post(&format!("{ask}\n")).await {
                Ok(back) if back.status().is_success() => {
                    pause = Duration::from_secs(1);
                    let mut reading = Reading::new(back.into_body());
                    while let Happening::Message(message) = reading.next().await {
                        let line = one_line(&message);
                        if let Ok(Message::Notification { method, .. }) = text(&line).and_then(read)
                            && method.ends_with("/list_changed")
                        {
                            server_line(&self.session, &line, None).await;
                        }
                    }
                }
                // It has nothing to tell.
                Ok(_) => return,
                Err(_) => (),
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }
}

fn params(line: &[u8]) -> Value {
    match text(line).and_then(read) {
        Ok(Message::Request { params: Some(params), .. }) => {
            serde_json::from_str(params.get()).unwrap_or_default()
        }
        _ => Value::Null,
    }
}

fn result(id: &Id, result: &str) -> Vec<u8> {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}\n", id.written()).into_bytes()
}

/// What an answer asks for, if it is no answer yet.
fn question(answer: &str) -> Option<Value> {
    let Ok(Message::Answer { result: Some(result), .. }) = text(answer.as_bytes()).and_then(read) else {
        return None;
    };
    let kind = Fields::strict(result.get(), &["resultType"]).ok()?.text("resultType").ok()??;
    if kind == "input_required" { serde_json::from_str(result.get()).ok() } else { None }
}

/// The request with more in its parameters.
fn with_params(line: &str, more: &serde_json::Map<String, Value>) -> Option<String> {
    let whole = line.trim_end_matches('\n');
    let Ok(Message::Request { params, .. }) = text(whole.as_bytes()).and_then(read) else { return None };
    let anew = |old: &str| {
        let rest = old.trim_start().strip_prefix('{')?;
        let more = Value::Object(more.clone()).to_string();
        let more = more.strip_suffix('}')?;
        let comma = if rest.trim_start().starts_with('}') || more == "{" { "" } else { "," };
        Some(format!("{more}{comma}{rest}"))
    };
    match params {
        Some(params) => Some(format!("{}\n", spliced(whole, params.get(), &anew(params.get())?)?)),
        None => Some(format!("{},\"params\":{}}}\n", whole.trim_end().strip_suffix('}')?, anew("{}")?)),
    }
}

/// The request with more in its `_meta`.
fn with_meta(line: &str, meta: &serde_json::Map<String, Value>) -> Option<String> {
    let whole = line.trim_end_matches('\n');
    let Ok(Message::Request { params, .. }) = text(whole.as_bytes()).and_then(read) else { return None };
    let old = params.and_then(|it| Fields::strict(it.get(), &["_meta"]).ok()?.raw("_meta"));
    match old.filter(|raw| raw.get() != "null") {
        None => with_params(line, &[("_meta".to_owned(), Value::Object(meta.clone()))].into_iter().collect()),
        Some(old) => {
            let rest = old.get().trim_start().strip_prefix('{')?;
            let ours = Value::Object(meta.clone()).to_string();
            let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
            Some(format!(
                "{}\n",
                spliced(whole, old.get(), &format!("{}{comma}{rest}", ours.strip_suffix('}')?))?
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_the_client_said_once_goes_with_every_request() {
        let meta = [("v".to_owned(), json!("1"))].into_iter().collect();
        for (line, anew) in [
            (r#"{"id":1,"method":"a"}"#, r#"{"id":1,"method":"a","params":{"_meta":{"v":"1"}}}"#),
            (r#"{"method":"a","params":{},"id":1}"#, r#"{"method":"a","params":{"_meta":{"v":"1"}},"id":1}"#),
            (
                r#"{"id":1,"method":"a","params":{"x":1e400,"_meta":{"t":1.0}}}"#,
                r#"{"id":1,"method":"a","params":{"x":1e400,"_meta":{"v":"1","t":1.0}}}"#,
            ),
        ] {
            assert_eq!(with_meta(line, &meta).unwrap().trim_end(), anew);
        }
    }
}

//! Requests without a session, to servers that have sessions, or to several servers.
//!
//! The gate keeps a session with the servers for each principal, and carries the requests of all its clients into it:
//! under ids of its own, with what the later revision has and the earlier has not put into the answers. Answerable for
//! no answer reaching another request than its own, and for a client that hangs up having taken its request back. What
//! a server asks in such a session nobody can answer, so that it is told so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{OnceCell, broadcast, mpsc};

use super::hub::{Answer, Heads, Hub, Principal};
use super::modern::{self, LEVEL, REVISION};
use super::once::completed;
use super::sessionless::{error, refused, status_of, stream};
use super::streams::{Event, Events};
use super::visit::{Taken, Visit, with_id};
use crate::mcp::envelope::{Fields, Id, Message, read, text};
use crate::mcp::reply;

/// Methods of earlier revisions that later ones do not have.
const GONE: [&str; 5] =
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
/// Methods whose answers say how long they hold.
const HELD: [&str; 5] =
    ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"];
/// Where a notification says to which stream it belongs.
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// Messages that wait for a client.
const MOST_WAITING: usize = 256;
/// The most principals that sessions are kept for.
const MOST: usize = 256;

/// The sessions that the gate keeps for requests without one.
#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<Principal, Arc<OnceCell<Arc<Visit>>>>>);

impl Kept {
    fn of(&self, who: &Principal) -> Option<Arc<OnceCell<Arc<Visit>>>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, cell| cell.get().is_none_or(|visit| !visit.is_over()));
        if kept.len() >= MOST && !kept.contains_key(who) {
            return None;
        }
        Some(Arc::clone(kept.entry(who.clone()).or_default()))
    }
}

impl Hub {
    /// A request without a session whose headers agree with it.
    pub(super) async fn bridged(&self, who: Principal, heads: Heads<'_>, line: &[u8]) -> Answer {
        let Ok(Message::Request { raw_id, method, params, .. }) = text(line).and_then(read) else {
            return Answer::Accepted;
        };
        if let Err((code, why, data)) = modern::is_whole(params) {
            return refused(400, error(raw_id, code, &why, &data));
        }
        if GONE.contains(&method.as_str()) {
            return refused(404, reply::error(Some(raw_id), -32601, "this revision has no such method"));
        }
        let visit = match self.kept(&who).await {
            Ok(visit) => visit,
            Err(why) => return refused(200, reply::error(Some(raw_id), -32603, &why)),
        };
        match method.as_str() {
            "server/discover" => {
                let answer =
                    format!("{{\"jsonrpc\":\"2.0\",\"id\":{raw_id},\"result\":{}}}", discovered(&visit));
                refused(200, answer)
            }
            "subscriptions/listen" => {
                let wanted = params.and_then(|it| serde_json::from_str::<Value>(it.get()).ok());
                stream(listen(&visit, raw_id, wanted.as_ref()), heads).await
            }
            _ => match carry(&visit, line, (raw_id, &method), wants_log(params)) {
                Ok(events) => stream(events, heads).await,
                Err(why) => refused(400, reply::error(Some(raw_id), -32600, &why)),
            },
        }
    }

    /// The session that is kept for a principal. The error is a sentence.
    async fn kept(&self, who: &Principal) -> Result<Arc<Visit>, String> {
        let cell = self.kept.of(who).ok_or("too many principals are served at once; try again later")?;
        let begin = || async {
            let hello = json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": {"name": "portcullis", "version": env!("CARGO_PKG_VERSION")}}});
            let hello = hello.to_string();
            let visit = self
                .begin(who.clone(), hello.as_bytes())
                .map_err(|_| "too many sessions are open".to_owned())?;
            let Taken::Stream(_, mut events) = visit.take(hello.as_bytes()) else {
                return Err("no session could be begun".to_owned());
            };
            let answer = events.recv().await.map(|event| event.message).unwrap_or_default();
            if let Ok(Message::Answer { result: None, .. }) = text(&answer).and_then(read) {
                visit.end();
                return Err(why(&answer));
            }
            visit.take(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
            visit.heard_by_many();
            Ok(visit)
        };
        cell.get_or_try_init(begin).await.cloned()
    }
}

/// What an error says.
fn why(answer: &[u8]) -> String {
    let said = serde_json::from_slice::<Value>(answer).ok();
    let said = said.as_ref().and_then(|it| it.pointer("/error/message")?.as_str());
    said.unwrap_or("the servers do not answer").to_owned()
}

fn discovered(visit: &Visit) -> Value {
    let mut result = super::many::said_hello(visit);
    let server = result.get("serverInfo").cloned().unwrap_or(Value::Null);
    if let Some(map) = result.as_object_mut() {
        map.retain(|key, _| matches!(key.as_str(), "capabilities" | "instructions"));
        map.insert("resultType".to_owned(), "complete".into());
        map.insert("supportedVersions".to_owned(), json!([REVISION]));
        map.insert("ttlMs".to_owned(), 0.into());
        map.insert("cacheScope".to_owned(), "private".into());
        map.insert("_meta".to_owned(), json!({"io.modelcontextprotocol/serverInfo": server}));
        // Neither has a meaning in a revision without sessions.
        if let Some(can) = map.get_mut("capabilities").and_then(Value::as_object_mut) {
            can.remove("logging");
            can.remove("tasks");
            if let Some(resources) = can.get_mut("resources").and_then(Value::as_object_mut) {
                resources.remove("subscribe");
            }
        }
    }
    result
}

fn wants_log(params: Option<&serde_json::value::RawValue>) -> bool {
    let meta = params.and_then(|it| Fields::strict(it.get(), &["_meta"]).ok()?.raw("_meta"));
    meta.and_then(|it| Fields::strict(it.get(), &[LEVEL]).ok()?.raw(LEVEL)).is_some()
}

/// Carries a request into the session, and what comes back out of it.
fn carry(
    visit: &Arc<Visit>,
    line: &[u8],
    (raw_id, method): (&str, &str),
    log: bool,
) -> Result<Events, String> {
    let own = visit.own_id();
    let within = text(line).ok().and_then(|line| with_id(line, raw_id, &format!("\"{own}\"")));
    let within = within.ok_or("the request cannot be read")?;
    let mut events = match visit.take(within.as_bytes()) {
        Taken::Stream(_, events) => events,
        Taken::Accepted => return Err("it is no request".to_owned()),
        Taken::Refused(_, answer) => return Err(why(answer.as_bytes())),
    };
    let (to, out) = mpsc::channel(MOST_WAITING);
    let (visit, raw_id, method) = (Arc::clone(visit), raw_id.to_owned(), method.to_owned());
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = to.closed() => {
                    let gone = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": own}});
                    visit.take(gone.to_string().as_bytes());
                    return;
                }
            };
            let Some(event) = event else { return };
            if let Some(event) = outward(&visit, event, (&own, &raw_id, &method), log)
                && to.send(event).await.is_err()
            {
                return;
            }
        }
    });
    Ok(out)
}

/// A message of the session's, as a client without one takes it.
fn outward(
    visit: &Arc<Visit>,
    event: Event,
    (own, raw_id, method): (&str, &str, &str),
    log: bool,
) -> Option<Event> {
    let whole = text(&event.message).ok()?;
    match read(whole).ok()? {
        Message::Answer { id: Some(Id::Text(id)), result } if id == own => {
            let code = if result.is_some() { 0 } else { code(whole) };
            let anew = with_id(whole, &format!("\"{own}\""), raw_id)?;
            let anew = completed(anew.as_bytes()).unwrap_or(anew.into_bytes());
            let anew = if HELD.contains(&method) { holding(&anew).unwrap_or(anew) } else { anew };
            let anew = anew.strip_suffix(b"\n").map(<[u8]>::to_vec).unwrap_or(anew);
            let status = if code == 0 { 200 } else { status_of(code) };
            Some(event.with(anew, status))
        }
        Message::Request { raw_id, .. } => {
            let said = reply::error(Some(raw_id), -32601, "the client cannot be asked in this revision");
            visit.take(said.as_bytes());
            None
        }
        Message::Notification { method, .. } if method == "notifications/message" && !log => None,
        Message::Notification { .. } => Some(event),
        _ => None,
    }
}

fn code(answer: &str) -> i32 {
    let said = serde_json::from_str::<Value>(answer).ok();
    let code = said.as_ref().and_then(|it| it.pointer("/error/code")?.as_i64());
    code.and_then(|code| i32::try_from(code).ok()).unwrap_or(-32603)
}

/// A result that says how long it holds: not at all, and for this client alone.
fn holding(message: &[u8]) -> Option<Vec<u8>> {
    let whole = text(message).ok()?;
    let Ok(Message::Answer { result: Some(result), .. }) = read(whole) else { return None };
    if Fields::strict(result.get(), &["ttlMs", "cacheScope"]).ok()?.raw("ttlMs").is_some() {
        return None;
    }
    let rest = result.get().trim_start().strip_prefix('{')?;
    let anew = format!("{{\"ttlMs\":0,\"cacheScope\":\"private\",{rest}");
    Some(crate::mcp::screen::spliced(whole, result.get(), &anew)?.into_bytes())
}

/// A stream of what changes, as far as the client wants to know of it.
fn listen(visit: &Arc<Visit>, raw_id: &str, params: Option<&Value>) -> Events {
    let kinds = [
        ("toolsListChanged", "tools"),
        ("promptsListChanged", "prompts"),
        ("resourcesListChanged", "resources"),
    ];
    let wants =
        |key: &str| params.and_then(|it| it.pointer(&format!("/notifications/{key}"))) == Some(&json!(true));
    let wanted: Vec<(&str, &str)> = kinds.into_iter().filter(|(key, _)| wants(key)).collect();
    let methods: Vec<String> =
        wanted.iter().map(|(_, what)| format!("notifications/{what}/list_changed")).collect();
    let id: Value = serde_json::from_str(raw_id).unwrap_or(Value::Null);
    let honoured: serde_json::Map<String, Value> =
        wanted.iter().map(|(key, _)| ((*key).to_owned(), true.into())).collect();
    let told = |method: &str, more: Value| {
        let mut params = json!({"_meta": {SUBSCRIPTION: id}});
        if let (Some(params), Value::Object(more)) = (params.as_object_mut(), more) {
            params.extend(more);
        }
        json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
    };
    let first = told("notifications/subscriptions/acknowledged", json!({"notifications": honoured}));
    let messages: HashMap<String, String> =
        methods.into_iter().map(|method| (method.clone(), told(&method, json!({})))).collect();
    let end = json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "_meta": {SUBSCRIPTION: id}}});
    let (to, out) = mpsc::channel(MOST_WAITING);
    let (visit, mut heard) = (Arc::clone(visit), visit.hear());
    tokio::spawn(async move {
        if to.send(Event::plain(first, false)).await.is_err() {
            return;
        }
        loop {
            let method = tokio::select! {
                method = heard.recv() => method,
                () = visit.over() => Err(broadcast::error::RecvError::Closed),
                () = to.closed() => return,
            };
            let sent = match method {
                Ok(method) => match messages.get(&method) {
                    Some(message) => to.send(Event::plain(message.clone(), false)).await,
                    None => Ok(()),
                },
                Err(broadcast::error::RecvError::Lagged(_)) => Ok(()),
                Err(broadcast::error::RecvError::Closed) => {
                    let _gone = to.send(Event::plain(end.to_string(), true)).await;
                    return;
                }
            };
            if sent.is_err() {
                return;
            }
        }
    });
    out
}

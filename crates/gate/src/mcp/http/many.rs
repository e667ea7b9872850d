//! Several servers as one: which of them a request is for, and one list of what all of them have.
//!
//! Answerable for the answers that the gate itself gives where there are several servers (`initialize`, `ping`, lists)
//! holding what the servers said, as they said it; and for one that is slow or dead being missing from lists, and not
//! holding them up. A sole server answers everything itself.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::border;
use super::link::{State, WAITING};
use super::visit::{Visit, with_id};
use crate::mcp::envelope::{Fields, Id, Message, read, text};
use crate::mcp::pump::client_line;
use crate::mcp::session::Session;

/// How long servers that start are waited for, where others are there.
const GRACE: Duration = Duration::from_secs(2);
/// How long a server may take for a list.
const LISTING: Duration = Duration::from_secs(30);
/// The most pages of a list.
const PAGES: usize = 1_000;
/// The newest revision that begins with `initialize`.
const NEWEST: &str = "2025-11-25";

/// Whom a request is for.
enum For {
    /// The gate: the session begins.
    Hello,
    /// One server.
    One(usize),
    /// All that have this capability; what they answer under this key is one list.
    All(&'static str, &'static str),
    /// All; there is nothing to answer.
    Everyone,
    /// The gate, which has nothing to say.
    Gate,
    /// Nobody.
    Nobody(i32, String),
}

/// Carries a request of the client's to whom it is for, and sees that it is answered.
pub(super) async fn request(visit: &Arc<Visit>, line: &[u8]) {
    let Ok(whole) = text(line) else { return };
    let Ok(Message::Request { id, raw_id, method, params }) = read(whole) else { return };
    match whom(visit, &method, params) {
        For::Hello => hello(visit, (&id, raw_id)).await,
        For::One(at) => one(visit, at, line, (&id, raw_id)).await,
        For::All(can, key) => all(visit, whole, (&id, raw_id), (can, key)).await,
        For::Everyone => {
            for session in (0..visit.links().len()).filter_map(|at| visit.ready(at)) {
                let (line, _unheard) = visit.with_own_id(whole, raw_id);
                client_line(&session, line.as_bytes());
            }
            answer(visit, (&id, raw_id), "{}");
        }
        For::Gate => answer(visit, (&id, raw_id), "{}"),
        For::Nobody(code, why) => visit.fail(&id, raw_id, (code, &why)),
    }
}

fn whom(visit: &Visit, method: &str, params: Option<&RawValue>) -> For {
    if method == "initialize" {
        return For::Hello;
    }
    if visit.is_sole() {
        return For::One(0);
    }
    let place = |uri: Option<String>| match uri.as_deref().and_then(|uri| of_place(visit, uri)) {
        Some(at) => For::One(at),
        None => For::Nobody(-32002, "no server has a resource of this address".to_owned()),
    };
    match method {
        "tools/list" => For::All("tools", "tools"),
        "prompts/list" => For::All("prompts", "prompts"),
        "resources/list" => For::All("resources", "resources"),
        "resources/templates/list" => For::All("resources", "resourceTemplates"),
        // What no server has is refused there, on record.
        "tools/call" => For::One(of_name(visit, said(params, "name").as_deref().unwrap_or("")).unwrap_or(0)),
        "prompts/get" => match said(params, "name").and_then(|name| of_name(visit, &name)) {
            Some(at) => For::One(at),
            None => For::Nobody(-32602, "no server has a prompt of this name".to_owned()),
        },
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => place(said(params, "uri")),
        "completion/complete" => {
            let of = params.and_then(|it| Fields::strict(it.get(), &["ref"]).ok()?.raw("ref"));
            match said(of, "name").and_then(|name| of_name(visit, &name)) {
                Some(at) => For::One(at),
                None => place(said(of, "uri")),
            }
        }
        "logging/setLevel" => For::Everyone,
        "ping" => For::Gate,
        other => For::Nobody(-32601, format!("`{}` is not known here", verdict::short(other))),
    }
}

fn said(params: Option<&RawValue>, key: &str) -> Option<String> {
    Fields::strict(params?.get(), &[key]).ok()?.text(key).ok().flatten()
}

/// The server that a name belongs to.
fn of_name(visit: &Visit, name: &str) -> Option<usize> {
    find(visit, |prefix| name.starts_with(prefix))
}

/// The server that an address belongs to.
fn of_place(visit: &Visit, uri: &str) -> Option<usize> {
    find(visit, |prefix| uri.starts_with(&border::scheme(prefix)))
}

fn find(visit: &Visit, fits: impl Fn(&str) -> bool) -> Option<usize> {
    let servers = || (0..visit.links().len()).filter_map(|at| Some((at, visit.server(at)?)));
    let named = servers().find(|(_, server)| !server.prefix.is_empty() && fits(&server.prefix));
    named.or_else(|| servers().find(|(_, server)| server.prefix.is_empty())).map(|(at, _)| at)
}

async fn one(visit: &Visit, at: usize, line: &[u8], (id, raw_id): (&Id, &str)) {
    let Some((link, name)) = visit.link(at) else { return };
    visit.streams.sent_to(id, at);
    match link.session(name).await {
        // The client may have taken it back meanwhile.
        Ok(session) if visit.streams.link_of(id).is_some() => client_line(&session, line),
        Ok(_) => (),
        Err(why) => visit.fail(id, raw_id, (-32603, &why)),
    }
}

/// Answers a request of the client's with a result of the gate's own.
fn answer(visit: &Visit, (id, raw_id): (&Id, &str), result: &str) {
    let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{raw_id},\"result\":{result}}}");
    // A client that is gone misses nothing.
    let _gone = visit.streams.send(answer.as_bytes(), Some(id), usize::MAX);
}

/// Waits until no server starts any more, or `until`; then goes on until one is there or none will be.
async fn settled(visit: &Visit, until: Instant) {
    for link in visit.links() {
        let mut changes = link.changes();
        let started = changes.wait_for(|state| !matches!(state, State::Starting));
        let _late = timeout_at(until, started).await;
    }
    let mut some = JoinSet::new();
    for link in visit.links() {
        let mut changes = link.changes();
        some.spawn(async move {
            let state = changes.wait_for(|state| !matches!(state, State::Starting)).await;
            state.is_ok_and(|state| matches!(*state, State::Ready(..)))
        });
    }
    let first = async {
        while let Some(ready) = some.join_next().await {
            if ready.unwrap_or(false) {
                return;
            }
        }
    };
    let _late = timeout(WAITING, first).await;
}

/// Begins the session: the answer to `initialize`.
async fn hello(visit: &Arc<Visit>, (id, raw_id): (&Id, &str)) {
    if visit.is_sole() {
        let Some((link, name)) = visit.link(0) else { return };
        let mut changes = link.changes();
        let state = changes.wait_for(|state| !matches!(state, State::Starting)).await.map(|it| it.clone());
        match state {
            Ok(State::Ready(_, line)) => {
                let own = read(&line).ok().and_then(|it| match it {
                    Message::Answer { id, .. } => id.map(|id| id.written()),
                    _ => None,
                });
                if let Some(version) =
                    result_of(&line).as_ref().and_then(|it| it.get("protocolVersion")?.as_str())
                {
                    visit.agreed(version);
                }
                if let Some(line) = own.and_then(|own| with_id(&line, &own, raw_id)) {
                    let _gone = visit.streams.send(line.as_bytes(), Some(id), 0);
                }
            }
            Ok(State::Down(why)) => {
                visit.fail(id, raw_id, (-32603, &format!("the server `{name}` does not run: {why}")));
                visit.end();
            }
            _ => (),
        }
        return;
    }
    settled(visit, Instant::now() + GRACE).await;
    answer(visit, (id, raw_id), &welcome(visit).to_string());
}

/// What the servers said to `initialize`.
pub(super) fn said_hello(visit: &Visit) -> serde_json::Value {
    let sole = visit.links().first().filter(|_| visit.is_sole()).map(|link| link.state());
    match sole {
        Some(State::Ready(_, line)) => result_of(&line).unwrap_or_default(),
        _ => welcome(visit),
    }
}

/// What all servers said to `initialize`, as one.
fn welcome(visit: &Visit) -> serde_json::Value {
    let (mut version, mut instructions) = (NEWEST.to_owned(), Vec::new());
    let (mut subscribes, mut completes, mut logs) = (false, false, false);
    for at in 0..visit.links().len() {
        let Some((link, name)) = visit.link(at) else { continue };
        let State::Ready(_, line) = link.state() else { continue };
        let Some(result) = result_of(&line) else { continue };
        let has = |key: &str| result.pointer(&format!("/capabilities/{key}")).is_some();
        (completes, logs) = (completes || has("completions"), logs || has("logging"));
        subscribes |= result.pointer("/capabilities/resources/subscribe") == Some(&json!(true));
        if let Some(theirs) = result.get("protocolVersion").and_then(|it| it.as_str()) {
            version = version.min(theirs.to_owned());
        }
        if let Some(text) = result.get("instructions").and_then(|it| it.as_str()) {
            instructions.push(format!("{name}: {text}"));
        }
    }
    visit.agreed(&version);
    // Servers that still start may have anything: the client is told when they are there.
    let mut capabilities = json!({
        "tools": {"listChanged": true}, "prompts": {"listChanged": true},
        "resources": {"listChanged": true, "subscribe": subscribes},
    });
    for (key, has) in [("completions", completes), ("logging", logs)] {
        if has && let Some(map) = capabilities.as_object_mut() {
            map.insert(key.to_owned(), json!({}));
        }
    }
    let mut result = json!({
        "protocolVersion": version, "capabilities": capabilities,
        "serverInfo": {"name": "portcullis", "version": env!("CARGO_PKG_VERSION")},
    });
    if !instructions.is_empty()
        && let Some(map) = result.as_object_mut()
    {
        map.insert("instructions".to_owned(), instructions.join("\n\n").into());
    }
    result
}

fn result_of(line: &str) -> Option<serde_json::Value> {
    serde_json::from_str::<serde_json::Value>(line).ok()?.get("result").cloned()
}

/// True if a server said that it has this.
fn can(line: &str, what: &str) -> bool {
    result_of(line).is_some_and(|result| result.pointer(&format!("/capabilities/{what}")).is_some())
}

/// One list of what all servers have.
async fn all(
    visit: &Arc<Visit>,
    whole: &str,
    (id, raw_id): (&Id, &str),
    (what, key): (&'static str, &'static str),
) {
    settled(visit, Instant::now() + GRACE).await;
    let mut lists = JoinSet::new();
    for at in 0..visit.links().len() {
        let Some((link, _)) = visit.link(at) else { continue };
        let State::Ready(session, line) = link.state() else { continue };
        if can(&line, what) {
            let (visit, whole, raw_id) = (Arc::clone(visit), whole.to_owned(), raw_id.to_owned());
            lists.spawn(async move {
                let pages = pages(&visit, &session, (&whole, &raw_id), key);
                (at, timeout(LISTING, pages).await.unwrap_or_else(|_| Err("it does not answer".to_owned())))
            });
        }
    }
    let mut found: Vec<(usize, Vec<String>)> = Vec::new();
    let mut failed = Vec::new();
    while let Some(list) = lists.join_next().await {
        match list {
            Ok((at, Ok(items))) => found.push((at, items)),
            Ok((at, Err(why))) => {
                let name = visit.link(at).map_or("", |(_, name)| name);
                tracing::warn!(server = name, %why, "a server's list is left out");
                failed.push(format!("`{name}`: {why}"));
            }
            Err(_) => failed.push("a list could not be made".to_owned()),
        }
    }
    if found.is_empty() && !failed.is_empty() {
        return visit.fail(id, raw_id, (-32603, &format!("no server could be asked: {}", failed.join("; "))));
    }
    // Always in the same order, whoever was quicker.
    found.sort_by_key(|(at, _)| *at);
    let items: Vec<String> = found.into_iter().flat_map(|(_, items)| items).collect();
    answer(visit, (id, raw_id), &format!("{{\"{key}\":[{}]}}", items.join(",")));
}

/// All items of one server's list, as written.
async fn pages(
    visit: &Visit,
    session: &Arc<Session>,
    (whole, raw_id): (&str, &str),
    key: &str,
) -> Result<Vec<String>, String> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let (line, came) = match &cursor {
            None => visit.with_own_id(whole, raw_id),
            Some(cursor) => visit.next_page(whole, cursor)?,
        };
        client_line(session, line.as_bytes());
        let page = came.await.map_err(|_| "the session is over".to_owned())?;
        let page = String::from_utf8(page).map_err(|_| "its list is no text".to_owned())?;
        let Ok(Message::Answer { result: Some(result), .. }) = read(&page) else {
            return Err(format!("it answers {}", verdict::short(&page)));
        };
        let fields = Fields::strict(result.get(), &[key, "nextCursor"])?;
        let list = fields.raw(key).ok_or_else(|| format!("its list has no `{key}`"))?;
        let list: Vec<&RawValue> =
            serde_json::from_str(list.get()).map_err(|_| format!("its `{key}` are no list"))?;
        items.extend(list.into_iter().map(|item| item.get().to_owned()));
        cursor = fields.raw("nextCursor").map(|raw| raw.get().to_owned()).filter(|raw| raw != "null");
        if cursor.is_none() {
            return Ok(items);
        }
    }
    Err("its list does not end".to_owned())
}

/// Tells the client that what server `at` has is another than before.
pub(super) fn changed(visit: &Visit, at: usize) {
    let Some(State::Ready(_, line)) = visit.link(at).map(|(link, _)| link.state()) else { return };
    for what in ["tools", "prompts", "resources"] {
        if can(&line, what) {
            let told = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/{what}/list_changed\"}}");
            // A client that is gone misses nothing.
            let _gone = visit.streams.send(told.as_bytes(), None, at);
        }
    }
}

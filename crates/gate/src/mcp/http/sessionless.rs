//! Requests without a session: who serves them, and how the two sides are agreed on.
//!
//! A request of a revision without sessions goes on as it is where the one server behind speaks such revisions; else it
//! goes into a session that the gate keeps (`bridge`). Answerable for every such
//! request being checked before it is decided on.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::feed::Feed;
use super::hub::{AT_ONCE, Answer, Heads, Hub, Principal, Shared};
use super::modern::{HEADERS_DIFFER, OTHER_REVISION, REVISION, Said};
use super::once::{self, To};
use super::streams::Events;
use super::visit::one_line;
use crate::mcp::envelope::{Message, read, text};
use crate::mcp::reply;
use crate::mcp::servers::Reach;

/// How long a server may take to say which revisions it speaks.
const PROBING: Duration = Duration::from_secs(10);

impl Hub {
    /// A request without a session.
    pub(super) async fn once(&self, who: Principal, heads: Heads<'_>, body: &[u8]) -> Answer {
        let line = one_line(body);
        let message = match text(&line).and_then(read) {
            Ok(message) => message,
            Err(odd) => return refused(400, reply::odd(&odd)),
        };
        let said = heads.all.map(|all| Said::of(all, heads.version)).unwrap_or_default();
        match message {
            Message::Batch(_) | Message::Answer { .. } => {
                let why = "send one request or notification; this revision has neither batches nor answers";
                return refused(400, reply::error(None, -32600, why));
            }
            Message::Request { raw_id, method, params, .. } => {
                if let Err((code, why)) = said.agrees(&method, params, &line) {
                    return refused(400, reply::error(Some(raw_id), code, &why));
                }
                if !self.is_modern().await {
                    return self.bridged(who, heads, &line).await;
                }
            }
            // Nothing is decided on, and whoever it is for checks it.
            Message::Notification { .. } => (),
        }
        let Some(to) = self.sole() else { return Answer::Accepted };
        match once::send(&self.shared, &who, to, &said, &line) {
            Ok((events, once)) => first(events, once, heads).await,
            Err(why) => refused(503, reply::error(None, -32603, &why)),
        }
    }

    fn sole(&self) -> Option<To<'_>> {
        if self.shared.servers.list.len() > 1 { None } else { elsewhere(&self.shared, 0) }
    }

    /// Whether the one server behind speaks revisions without sessions.
    async fn is_modern(&self) -> bool {
        self.sole().is_some() && speaks(&self.shared, 0).await
    }
}

/// Server `at`, if it is behind a URL.
fn elsewhere(shared: &Shared, at: usize) -> Option<To<'_>> {
    let server = shared.servers.list.get(at)?;
    match &server.reach {
        Reach::Url { url, headers, .. } => Some(To { at, server, url, headers }),
        Reach::Command { .. } | Reach::Own => None,
    }
}

/// Whether server `at` speaks revisions without sessions. It is asked where that is not known.
pub(super) async fn speaks(shared: &Arc<Shared>, at: usize) -> bool {
    let (Some(to), Some(known)) = (elsewhere(shared, at), shared.known.get(at)) else { return false };
    if let Some(modern) = known.is_modern() {
        return modern;
    }
    let meta = json!({super::modern::VERSION: REVISION, super::modern::CAPABILITIES: {}});
    let ask = json!({"jsonrpc": "2.0", "id": "portcullis-discover", "method": "server/discover", "params": {"_meta": meta}});
    let (who, line) = (Principal::nobody(), format!("{ask}\n"));
    let Ok((mut events, _once)) = once::send(shared, &who, to, &Said::default(), line.as_bytes()) else {
        return false;
    };
    let spoken = async {
        while let Some(event) = events.recv().await {
            if event.last {
                return serde_json::from_slice::<Value>(&event.message).ok();
            }
        }
        None
    };
    let Ok(Some(answer)) = timeout(PROBING, spoken).await else { return false };
    let new = |it: &Value| it.as_str().is_some_and(|version| version >= REVISION);
    let versions = answer.pointer("/result/supportedVersions").and_then(Value::as_array);
    let modern = versions.is_some_and(|versions| versions.iter().any(new));
    known.found(modern);
    modern
}

/// One message as the answer.
pub(super) fn refused(status: u16, message: String) -> Answer {
    let message = message.trim_end().to_owned();
    Answer::Message { status, session: None, body: message.into() }
}

/// The same for messages that end by themselves.
pub(super) async fn stream(mut events: Events, heads: Heads<'_>) -> Answer {
    match timeout(AT_ONCE, events.recv()).await {
        Ok(Some(event)) if heads.json && (event.is_whole() || event.is_error()) => {
            Answer::Message { status: event.status, session: None, body: event.message }
        }
        Ok(None) => Answer::Accepted,
        Ok(first) => Answer::Events { session: None, feed: Box::new(Feed::unnamed(first, events)) },
        Err(_) => Answer::Events { session: None, feed: Box::new(Feed::unnamed(None, events)) },
    }
}

/// Waits for the answer, if it comes soon and alone; else begins a stream.
async fn first(mut events: Events, once: once::Once, heads: Heads<'_>) -> Answer {
    match timeout(AT_ONCE, events.recv()).await {
        Ok(Some(event)) if heads.json && (event.is_whole() || event.is_error()) => {
            Answer::Message { status: event.status, session: None, body: event.message }
        }
        Ok(None) => Answer::Accepted,
        Ok(first) => Answer::Events { session: None, feed: Box::new(Feed::of_once(first, events, once)) },
        Err(_) => Answer::Events { session: None, feed: Box::new(Feed::of_once(None, events, once)) },
    }
}

/// A JSON-RPC error with what a program needs beside the sentence.
pub(super) fn error(raw_id: &str, code: i32, message: &str, data: &Value) -> String {
    let error = json!({"code": code, "message": message, "data": data});
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{raw_id},\"error\":{error}}}")
}

/// The HTTP status of an error that the gate itself gives.
pub(super) fn status_of(code: i32) -> u16 {
    match code {
        -32601 => 404,
        HEADERS_DIFFER | OTHER_REVISION | -32602 => 400,
        _ => 200,
    }
}

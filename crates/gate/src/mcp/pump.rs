//! The two directions: each message is passed on as it is, decided on, or refused, whatever it came by.
//!
//! Nothing reaches the server that was not read here as a message of one meaning, and no `tools/call` but
//! through the gate.

use std::sync::{Arc, Mutex};

use serde_json::value::RawValue;

use super::call::Errand;
use super::catalogue::{filtered, read_page};
use super::envelope::{Fields, Id, Message, Odd, id_of, read, text};
use super::flight::Flight;
use super::lines::{Got, Lines};
use super::session::{Session, Waiting};
use super::{reply, request};

/// Reads from the client until it ends.
pub(super) fn from_client(session: &Arc<Session>, mut lines: Lines) {
    let mut line = Vec::new();
    loop {
        match lines.next(&mut line) {
            Ok(Got::Line) => client_line(session, &line),
            Ok(Got::TooLong) => {
                session.to_client(reply::error(None, -32600, "the message is too long").as_bytes(), None);
            }
            Ok(Got::End) => return,
            Err(error) => return tracing::warn!(%error, "the client cannot be read"),
        }
    }
}

/// Reads from the server until it ends.
pub(super) fn from_server(session: &Arc<Session>, mut lines: Lines) {
    let mut line = Vec::new();
    loop {
        match lines.next(&mut line) {
            Ok(Got::Line) => session.runtime.block_on(server_line(session, &line, None)),
            Ok(Got::TooLong) => tracing::warn!("a message of the server's is too long; it is not passed on"),
            Ok(Got::End) => return,
            Err(error) => return tracing::warn!(%error, "the server cannot be read"),
        }
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n')) || line == b"\r\n"
}

/// One message of the client's.
pub(super) fn client_line(session: &Arc<Session>, line: &[u8]) {
    if is_blank(line) {
        return pass(session, line, None);
    }
    match text(line).and_then(read) {
        Err(odd) => {
            tracing::warn!(why = %odd.why, "a message of the client's is refused");
            session.to_client(reply::odd(&odd).as_bytes(), None);
        }
        Ok(Message::Batch(parts)) => {
            let ids: Vec<String> = parts.iter().filter_map(|part| id_in(part)).collect();
            let errors = reply::errors(&ids, "batches are not taken; send each message by itself");
            session.to_client(errors.as_bytes(), None);
        }
        Ok(Message::Answer { id, result }) => match result.and_then(|result| session.kept_in(result)) {
            None => pass(session, line, None),
            Some(why) => {
                tracing::warn!(%why, "an answer of the client's is kept back");
                let raw_id = id.and_then(|_| raw_id(text(line).unwrap_or_default()).map(str::to_owned));
                let answer = reply::error(raw_id.as_deref(), -32603, "the client's answer is kept back");
                pass(session, answer.as_bytes(), None);
            }
        },
        Ok(Message::Notification { method, params }) => notification(session, line, &method, params),
        Ok(Message::Request { id, raw_id, method, params }) if method == "tools/call" => {
            call(session, line, (id, raw_id), params);
        }
        Ok(Message::Request { id, raw_id, method, params }) => {
            let what = match method.as_str() {
                "tools/list" => Waiting::List,
                "initialize" => Waiting::Initialize,
                _ => Waiting::Plain,
            };
            if let ("logging/setLevel", Some(params)) = (method.as_str(), params)
                && let Ok(Some(level)) =
                    Fields::strict(params.get(), &["level"]).and_then(|it| it.text("level"))
            {
                session.set_level(&level);
            }
            if let Some(why) = params.and_then(|params| session.kept_in(params)) {
                let why = format!("not sent: {why}");
                return session.to_client(reply::error(Some(raw_id), -32602, &why).as_bytes(), Some(&id));
            }
            match session.asked(&id, what) {
                Ok(()) => pass(session, line, Some((&id, raw_id))),
                Err(why) => session.to_client(reply::error(Some(raw_id), -32600, why).as_bytes(), Some(&id)),
            }
        }
    }
}

/// The id of a request in a batch, if it has one.
fn id_in(part: &RawValue) -> Option<String> {
    match read(part.get()) {
        Ok(Message::Request { raw_id, .. }) => Some(raw_id.to_owned()),
        Err(Odd { id, .. }) => id,
        _ => None,
    }
}

/// Passes a message of the client's on. A request that cannot be passed on is answered.
fn pass(session: &Session, line: &[u8], request: Option<(&Id, &str)>) {
    if session.to_server(line, request.map(|(id, _)| id)).is_ok() {
        return;
    }
    if let Some((id, raw_id)) = request {
        drop(session.answered(id));
        session.to_client(reply::error(Some(raw_id), -32603, "the server has ended").as_bytes(), Some(id));
    }
}

fn notification(session: &Arc<Session>, line: &[u8], method: &str, params: Option<&RawValue>) {
    match method {
        "tools/call" | "tools/list" => {
            let why = format!("`{method}` needs an `id`");
            session.to_client(reply::error(None, -32600, &why).as_bytes(), None);
        }
        "notifications/initialized" => {
            pass(session, line, None);
            if session.has_tools() {
                drop(session.list());
            }
        }
        "notifications/cancelled" => match request::cancelled(params).and_then(|id| session.cancelled(&id)) {
            Some(Waiting::Call(flight)) => {
                flight.cancel();
                if flight.is_sent() {
                    pass(session, line, None);
                    // Whatever a server does now, nobody will be told. The gate's own tools tell how it ended.
                    if session.names.own.is_none() {
                        flight.arrive(None, &session.runtime);
                    }
                }
            }
            _ => pass(session, line, None),
        },
        _ => pass(session, line, None),
    }
}

fn call(session: &Arc<Session>, line: &[u8], (id, raw_id): (Id, &str), params: Option<&RawValue>) {
    let call = match request::read(params) {
        Ok(call) => call,
        Err(why) => return session.to_client(reply::error(Some(raw_id), -32602, &why).as_bytes(), Some(&id)),
    };
    if let Some(why) = request::responses(params).and_then(|raw| session.kept_in(raw)) {
        let why = format!("not sent: `inputResponses`: {why}");
        return session.to_client(reply::error(Some(raw_id), -32602, &why).as_bytes(), Some(&id));
    }
    let flight = Flight::new();
    let step = match session.called(&id, &flight, line.len()) {
        Ok(step) => step,
        Err(why) => return session.to_client(reply::error(Some(raw_id), -32600, why).as_bytes(), Some(&id)),
    };
    let errand = Errand {
        session: Arc::clone(session),
        flight: Arc::clone(&flight),
        call,
        id,
        raw_id: raw_id.to_owned(),
        line: line.to_vec(),
        step,
        answer: Mutex::new(None),
    };
    flight.drive(Box::pin(errand.run()), &session.runtime);
}

/// One message of the server's; `about` is the client's request that it came along with, where that is known.
pub(super) async fn server_line(session: &Arc<Session>, line: &[u8], about: Option<&Id>) {
    if is_blank(line) {
        return session.to_client(line, None);
    }
    let text = match text(line) {
        Ok(text) => text,
        Err(odd) => return dropped(session, &odd),
    };
    match read(text) {
        Err(odd) => dropped(session, &odd),
        Ok(Message::Batch(parts)) => {
            for part in parts {
                // A batch within a batch is no message.
                if !part.get().starts_with('[') {
                    let part = format!("{}\n", part.get());
                    Box::pin(server_line(session, part.as_bytes(), about)).await;
                }
            }
        }
        Ok(Message::Request { raw_id, .. }) => session.told(line, Some(raw_id), about).await,
        Ok(Message::Notification { method, .. }) => {
            // Before the client knows: what it calls next is held against what the tools are now.
            if method == "notifications/tools/list_changed" {
                session.tools_changed();
            }
            session.told(line, None, about).await;
        }
        Ok(Message::Answer { id: None, result: None }) => session.to_client(line, about),
        Ok(Message::Answer { id: None, .. }) => {
            tracing::warn!("the server answers, and does not say what; dropped")
        }
        Ok(Message::Answer { id: Some(id), result }) => answer(session, line, text, (&id, result)).await,
    }
}

/// A message of the server's that is not passed on. Whoever waits for it is told.
fn dropped(session: &Arc<Session>, odd: &Odd) {
    tracing::warn!(why = %odd.why, "a message of the server's cannot be read; it is not passed on");
    let Some(raw_id) = &odd.id else { return };
    let Some(id) = id_of(raw_id) else { return };
    match session.answered(&id) {
        Some(Waiting::Call(flight)) => flight.arrive(None, &session.runtime),
        Some(_) => {
            let why = format!("the server's answer cannot be read: {}", odd.why);
            session.to_client(reply::error(Some(raw_id), -32603, &why).as_bytes(), Some(&id));
        }
        None => (),
    }
}

/// The answer to a request of the client's will not come, and nobody knows whether the server took it.
pub(super) fn lost(session: &Arc<Session>, id: &Id, why: &str) {
    match session.answered(id) {
        Some(Waiting::Call(flight)) => flight.arrive(None, &session.runtime),
        Some(_) => {
            session.to_client(reply::error(Some(&id.written()), -32603, why).as_bytes(), Some(id));
        }
        None if session.is_ours(id) => session.list_failed(),
        None => (),
    }
}

async fn answer(session: &Arc<Session>, line: &[u8], text: &str, (id, result): (&Id, Option<&RawValue>)) {
    if session.is_ours(id) {
        match result.map(read_page) {
            Some(Ok(page)) => session.listed(&page).await,
            Some(Err(why)) => {
                tracing::warn!(%why, "the server's tools cannot be read");
                session.list_failed();
            }
            None => session.list_failed(),
        }
        return;
    }
    match session.answered(id) {
        // An answer to what nobody asked could be taken for another one.
        None => tracing::debug!("the server answers what was not asked, or was taken back; dropped"),
        Some(Waiting::Plain) => {
            let screened = screened(session, line, text).await;
            session.to_client(screened.as_deref().unwrap_or(line), Some(id));
        }
        Some(Waiting::Initialize) => {
            // Its instructions go to the model as they are.
            let screened = screened(session, line, text).await;
            if let Some(capabilities) = result.and_then(capabilities) {
                session
                    .server_can(capabilities.raw("logging").is_some(), capabilities.raw("tools").is_some());
            }
            session.to_client(screened.as_deref().unwrap_or(line), Some(id));
        }
        Some(Waiting::Call(flight)) => flight.arrive(Some(line.to_vec()), &session.runtime),
        Some(Waiting::List) => match result {
            None => session.to_client(line, Some(id)),
            Some(result) => list(session, line, text, (id, result)).await,
        },
    }
}

/// An answer as the screens leave it, where they touch it.
async fn screened(session: &Session, line: &[u8], text: &str) -> Option<Vec<u8>> {
    session.screened(line, raw_id(text)?).await
}

/// An answer's id as it was written.
fn raw_id(text: &str) -> Option<&str> {
    Fields::strict(text, &[]).ok()?.raw("id").map(RawValue::get)
}

fn capabilities(result: &RawValue) -> Option<Fields<'_>> {
    let fields = Fields::strict(result.get(), &["capabilities"]).ok()?;
    Fields::strict(fields.raw("capabilities")?.get(), &["logging", "tools"]).ok()
}

async fn list(session: &Session, line: &[u8], text: &str, (id, result): (&Id, &RawValue)) {
    let shown = match read_page(result) {
        Err(why) => Err(why),
        Ok(page) => match session.shown(&page).await {
            Err(halt) => Err(format!("the ledger cannot be written: {halt}")),
            Ok(views) => Ok(filtered(text, &page, &views)),
        },
    };
    match shown {
        Ok(None) => session.to_client(line, Some(id)),
        Ok(Some(filtered)) => session.to_client(format!("{filtered}\n").as_bytes(), Some(id)),
        Err(why) => {
            let why = format!("the tools cannot be shown: {why}");
            session.to_client(reply::error(raw_id(text), -32603, &why).as_bytes(), Some(id));
        }
    }
}

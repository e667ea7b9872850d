//! One request without a session, to a server that speaks such revisions itself.
//!
//! The request gets a session of the gate's own for as long as it takes: the same deciding, filtering, pinning and
//! screening. Answerable for a client that hangs up having taken its request back, and for what is known of a server's
//! tools being known to the next request.

use std::sync::Arc;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::json;
use tokio::task::AbortHandle;

use super::border::Border;
use super::hub::{Principal, Shared};
use super::link::ToServer;
use super::modern::{CAPABILITIES, Known, REVISION, Said, VERSION};
use super::remote::{self, Stateless};
use super::streams::{Events, Streams, Wanted};
use super::visit::names;
use crate::mcp::envelope::{Fields, Id, Message, read, text};
use crate::mcp::lines::{Lost, Way};
use crate::mcp::made_up;
use crate::mcp::pump::client_line;
use crate::mcp::screen::spliced;
use crate::mcp::servers::Server;
use crate::mcp::session::{Offers, Session, Waiting};

/// A request under way. When it goes, whoever asked has gone, or has the answer.
pub struct Once {
    shared: Arc<Shared>,
    at: usize,
    session: Arc<Session>,
    before: Option<Offers>,
    id: Option<Id>,
    ear: AbortHandle,
}

impl Drop for Once {
    fn drop(&mut self) {
        let now = self.session.offers();
        if let Some(known) = self.shared.known.get(self.at)
            && !now.is_empty()
            && !self.before.as_ref().is_some_and(|before| Arc::ptr_eq(before, &now))
        {
            known.listed(now);
        }
        self.session.end_waits();
        if let Some(Waiting::Call(flight)) = self.id.as_ref().and_then(|id| self.session.cancelled(id)) {
            flight.cancel();
            if flight.is_sent() {
                // Whatever the server does now, nobody will be told.
                flight.arrive(None, &self.session.runtime);
            }
        }
        self.ear.abort();
    }
}

/// Where it goes.
pub(super) struct To<'s> {
    /// The server's place among all.
    pub(super) at: usize,
    pub(super) server: &'s Server,
    pub(super) url: &'s Uri,
    pub(super) headers: &'s [(HeaderName, HeaderValue)],
}

/// Sends a request. What comes back, and what to hold on to meanwhile. The error is a sentence.
pub(super) fn send(
    shared: &Arc<Shared>,
    who: &Principal,
    To { at, server, url, headers }: To<'_>,
    said: &Said,
    line: &[u8],
) -> Result<(Events, Once), String> {
    let (id, token) = match text(line).and_then(read) {
        Ok(Message::Request { id, params, .. }) => (Some(id), super::visit::token(params.map(|it| it.get()))),
        _ => (None, None),
    };
    let streams: Arc<Streams> = Arc::default();
    let wanted = id.clone().map(|id| Wanted { id, token });
    let (_, events) = streams.open(wanted.into_iter().collect())?;
    let border = Arc::new(Border::of(&server.prefix));
    let asked = id.clone().unwrap_or(Id::Int(0));
    let stateless = Stateless { version: said.version(), asked, params: said.params.clone() };
    let (mouth, ear) =
        remote::connect_once(shared.dialer(at), (url, headers), Arc::clone(&streams), stateless);
    let names = names(shared, who, at, made_up()?, made_up()?);
    let version = said.version().to_str().unwrap_or(REVISION).to_owned();
    let names = crate::mcp::session::Names {
        meta: Some(json!({VERSION: version, CAPABILITIES: {}}).to_string()),
        ..names
    };
    let to_client = Box::new(ToClient { streams, shared: Arc::clone(shared), at });
    let to_server = Box::new(ToServer::new(Box::new(mouth), Arc::clone(&border)));
    let runtime = tokio::runtime::Handle::current();
    let session = Session::new(shared.elsewhere.clone(), names, (to_client, to_server), runtime);
    let before = shared.known.get(at).and_then(Known::offers);
    if let Some(offers) = &before {
        session.remember(Arc::clone(offers));
    }
    let ear = tokio::spawn(ear.run(Arc::clone(&session), border)).abort_handle();
    client_line(&session, line);
    Ok((events, Once { shared: Arc::clone(shared), at, session, before, id, ear }))
}

/// The client's end.
struct ToClient {
    streams: Arc<Streams>,
    shared: Arc<Shared>,
    at: usize,
}

impl Way for ToClient {
    fn send(&self, message: &[u8], about: Option<&Id>) -> Result<(), Lost> {
        if let Ok(Message::Notification { method, .. }) = text(message).and_then(read)
            && method == "notifications/tools/list_changed"
            && let Some(known) = self.shared.known.get(self.at)
        {
            known.outdated();
        }
        let own = private(message);
        let message = own.as_deref().unwrap_or(message);
        match completed(message) {
            Some(message) => self.streams.send(&message, about, self.at),
            None => self.streams.send(message, about, self.at),
        }
    }
    fn close(&self) {}
}

/// A list of tools that is said to be everyone's: it is this agent's.
fn private(message: &[u8]) -> Option<Vec<u8>> {
    let whole = text(message).ok()?;
    let Ok(Message::Answer { result: Some(result), .. }) = read(whole) else { return None };
    let fields = Fields::strict(result.get(), &["tools", "cacheScope"]).ok()?;
    let scope = fields.raw("tools").and_then(|_| fields.raw("cacheScope"))?;
    if scope.get() == "\"private\"" {
        return None;
    }
    Some(format!("{}\n", spliced(whole, scope.get(), "\"private\"")?).into_bytes())
}

/// A result that does not say of which kind it is, as revisions without sessions have it.
pub(super) fn completed(message: &[u8]) -> Option<Vec<u8>> {
    let whole = text(message).ok()?;
    let Ok(Message::Answer { result: Some(result), .. }) = read(whole) else { return None };
    let fields = Fields::strict(result.get(), &["resultType"]).ok()?;
    if fields.raw("resultType").is_some() {
        return None;
    }
    let rest = result.get().trim_start().strip_prefix('{')?;
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    let anew = format!("{{\"resultType\":\"complete\"{comma}{rest}");
    Some(spliced(whole, result.get(), &anew)?.into_bytes())
}

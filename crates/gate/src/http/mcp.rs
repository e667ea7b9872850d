//! `/mcp` on the wire: headers in, statuses out. What a session is, is [`crate::mcp::http`]'s.
//!
//! Answerable for no web page reaching the servers that was not named (the `Origin` of a request, against DNS
//! rebinding) and for who a request acts for being decided in one place: [`principal`].

use hyper::header::{ACCEPT, HeaderName, HeaderValue, ORIGIN};
use hyper::{HeaderMap, StatusCode, Uri};

use super::problem::Problem;
use super::reply::{self, Reply};
use super::{Call, query};
use crate::mcp::http::{Answer, Heads, Hub, Principal};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const AGENT: HeaderName = HeaderName::from_static("portcullis-agent");
const USER: HeaderName = HeaderName::from_static("portcullis-user");
const RUN: HeaderName = HeaderName::from_static("portcullis-session");

/// The longest value of a header that names something, in bytes.
const LONGEST: usize = 256;

pub(super) async fn post(call: Call) -> Result<Reply, Problem> {
    let (hub, who) = enter(&call)?;
    let takes = accepted(&call.headers);
    if !takes.json && !takes.events {
        return Err(not_acceptable("`application/json` and `text/event-stream`"));
    }
    let heads = Heads { json: takes.json, ..heads(&call.headers)? };
    replied(hub.post(who, heads, &call.body).await, StatusCode::ACCEPTED)
}

pub(super) async fn get(call: Call) -> Result<Reply, Problem> {
    let (hub, who) = enter(&call)?;
    if !accepted(&call.headers).events {
        return Err(not_acceptable("`text/event-stream`"));
    }
    replied(hub.get(&who, heads(&call.headers)?), StatusCode::ACCEPTED)
}

pub(super) async fn delete(call: Call) -> Result<Reply, Problem> {
    let (hub, who) = enter(&call)?;
    replied(hub.delete(&who, heads(&call.headers)?), StatusCode::NO_CONTENT)
}

fn enter(call: &Call) -> Result<(&Hub, Principal), Problem> {
    query::Query::read(&call.query, &[])?;
    let hub = call.app.hub.as_deref().ok_or_else(|| {
        Problem::not_found("no MCP servers are behind this gate; start it with --mcp FILE".to_owned())
    })?;
    same_site(&call.headers, hub.origins())?;
    Ok((hub, principal(call)?))
}

/// Who a request acts for: from its key, and for keys that are bound to no agent from what it says itself.
fn principal(call: &Call) -> Result<Principal, Problem> {
    let caller = call.caller()?;
    let named = text(&call.headers, &AGENT)?;
    let agent = match (&caller.agent, named) {
        (Some(bound), Some(named)) if bound != named => {
            return Err(Problem::forbidden("this key can act for another agent only".to_owned()));
        }
        (Some(bound), _) => bound.clone(),
        (None, Some(named)) => named.to_owned(),
        (None, None) => {
            let detail = "this key is bound to no agent; name one in the header `Portcullis-Agent`";
            return Err(Problem::request(detail.to_owned()));
        }
    };
    Ok(Principal {
        key: caller.key.clone(),
        by: caller.name.clone(),
        agent,
        user: text(&call.headers, &USER)?.map(str::to_owned),
        run: text(&call.headers, &RUN)?.map(str::to_owned),
    })
}

fn heads(headers: &HeaderMap) -> Result<Heads<'_>, Problem> {
    Ok(Heads {
        session: text(headers, &SESSION)?,
        version: text(headers, &VERSION)?,
        last_event: text(headers, &LAST_EVENT)?,
        all: Some(headers),
        json: true,
    })
}

/// The one value of a header.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), more) = (values.next(), values.next()) else { return Ok(None) };
    match value.to_str() {
        Ok(text) if more.is_none() && !text.is_empty() && text.len() <= LONGEST => Ok(Some(text)),
        _ => Err(Problem::request(format!(
            "the header `{name}` must be given once, in 1 to {LONGEST} plain letters"
        ))),
    }
}

struct Accepted {
    json: bool,
    events: bool,
}

/// What the client takes; everything, if it does not say.
fn accepted(headers: &HeaderMap) -> Accepted {
    let mut accepted = Accepted { json: false, events: false };
    let mut any = false;
    for kind in
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(','))
    {
        any = true;
        match kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
            "application/json" | "application/*" => accepted.json = true,
            "text/event-stream" | "text/*" => accepted.events = true,
            "*/*" => accepted = Accepted { json: true, events: true },
            _ => (),
        }
    }
    if any { accepted } else { Accepted { json: true, events: true } }
}

fn not_acceptable(kinds: &str) -> Problem {
    let detail = format!("the answer may be {kinds}; say so in `Accept`");
    Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
}

/// A browser says which page a request comes from. A page of another site has no business here, whatever name it
/// reached us by.
fn same_site(headers: &HeaderMap, named: &[String]) -> Result<(), Problem> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return Ok(()) };
    let known = origin.to_str().is_ok_and(|origin| {
        let origin = origin.to_ascii_lowercase();
        named.contains(&origin) || is_here(&origin)
    });
    if known && origins.next().is_none() {
        return Ok(());
    }
    let shown = verdict::short(origin.to_str().unwrap_or("?"));
    Err(Problem::forbidden(format!(
        "web pages of `{shown}` may not use this; name it under `origins` in the file of --mcp"
    )))
}

fn is_here(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or("").trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn replied(answer: Answer, accepted: StatusCode) -> Result<Reply, Problem> {
    let (mut reply, session) = match answer {
        Answer::Accepted => (reply::bare(accepted), None),
        Answer::Message { status, session, body } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            (reply::ready(status, body), session)
        }
        Answer::Events { session, feed } => (reply::feed(feed), session),
        Answer::NoSession(why) => return Err(Problem::not_found(why)),
        Answer::Wrong(why) => return Err(Problem::request(why)),
        Answer::Full(why) => {
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_sessions", why);
            return Err(Problem { retry_after: Some(5), ..problem });
        }
    };
    if let Some(id) = session.and_then(|id| HeaderValue::from_str(&id).ok()) {
        reply.headers_mut().insert(SESSION, id);
    }
    Ok(reply)
}

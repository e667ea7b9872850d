//! `http.request`: one request to an address that the agent names.
//!
//! Answerable for it going out as calls of declared tools do (every address looked at, no redirect followed, answers
//! bounded), and for no header being the agent's that says where it goes or how long it is.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Request};
use serde_json::{Map, Value, json};
use tokio::time::{Duration, Instant};
use verdict::{Address, Effect, Endpoint, HostTarget, HttpMethod, Json, Status, Target, short};

use super::{Ended, Job, bad, done, ended};
use crate::tool::attempt::{self, Answer, Attempt, Way};
use crate::tool::errand::AGENT;
use crate::tool::fault::Fault;
use crate::tool::fetch::path_of;

/// The most headers, and bytes of them.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 16 * 1024;
/// Where a request goes, how long it is, and what is between the two ends of a connection, is not the agent's to say.
const OURS: [&str; 15] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept-encoding",
    "http2-settings",
    "forwarded",
];

pub(super) async fn request(job: &Job<'_>) -> Result<Ended, Fault> {
    let method = match job.text_if("method")? {
        None => HttpMethod::Get,
        Some(text) => HttpMethod::parse(text).ok_or_else(|| {
            bad(format!(
                "`{}` is no method that is sent; write GET, HEAD, POST, PUT, PATCH or DELETE",
                short(text)
            ))
        })?,
    };
    let address = address(job.text("url")?)?;
    let body = job.text_if("body")?;
    if body.is_some() && matches!(method, HttpMethod::Get | HttpMethod::Head) {
        return Err(bad(format!("a {} has no body", method.as_str())));
    }
    let path = path_of(&address).map_err(bad)?;
    let mut request = Request::builder().method(method.as_str()).uri(&path);
    let headers =
        request.headers_mut().ok_or_else(|| bad("`args.url` is no address that can be asked".to_owned()))?;
    given(job, headers)?;
    put(headers, "host", &address.authority())?;
    put(headers, "accept-encoding", "identity")?;
    if !headers.contains_key("user-agent") {
        put(headers, "user-agent", AGENT)?;
    }
    let body = Bytes::from(body.unwrap_or_default().to_owned());
    let request = request
        .body(Full::new(body))
        .map_err(|_| bad("`args.url` is no address that can be asked".to_owned()))?;
    let endpoint = endpoint(job, &address, method);
    let (tool, agent) = job.names;
    // No connection is shared with another agent, nor with another tool.
    let purpose = format!("{agent} {tool} {} {}", address.tls, address.authority());
    let deadline = Instant::now() + Duration::from_millis(job.hand.timeout_ms);
    let way = Way { endpoint: &endpoint, address: &address, purpose: &purpose, deadline, sink: None };
    let attempt = attempt::send(&job.tools.0.lines, &way, request).await;
    let note = format!("{} {}", method.as_str(), bare(&path));
    Ok(told(attempt, method, effect(&address, note)))
}

/// An address without anything in it that could be an argument.
fn address(url: &str) -> Result<Address, Fault> {
    let odd = |why: &str| bad(format!("`args.url` {why}"));
    // The fragment is for who asked, and never sent.
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| odd("begins with neither `https://` nor `http://`"))?;
    let url = format!("{}://{}", scheme.to_ascii_lowercase(), rest.replace('{', "%7B").replace('}', "%7D"));
    Address::parse(&url).map_err(|why| odd(&why))
}

fn bare(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

fn endpoint(job: &Job<'_>, address: &Address, method: HttpMethod) -> Endpoint {
    let hand = job.hand;
    let bare = Endpoint::bare(address.clone(), method, hand.allow_private, hand.max_response_bytes);
    Endpoint { timeout_ms: hand.timeout_ms, ca: hand.ca.clone(), ..bare }
}

/// The headers that the agent gives.
fn given(job: &Job<'_>, headers: &mut HeaderMap) -> Result<(), Fault> {
    let map = match job.args.at(&["headers".to_owned()]) {
        None | Some(Json::Null) => return Ok(()),
        Some(Json::Map(map)) => map,
        Some(other) => {
            return Err(bad(format!("`args.headers` is {}; write an object of texts", other.kind())));
        }
    };
    let (mut count, mut bytes) = (0_usize, 0_usize);
    for (name, value) in map.iter() {
        let Json::Str(value) = value else {
            return Err(bad(format!("the header `{}` is {}; write a text", short(name), value.kind())));
        };
        (count, bytes) =
            (count.saturating_add(1), bytes.saturating_add(name.len()).saturating_add(value.len()));
        if count > HEADERS || bytes > HEADER_BYTES {
            return Err(bad(format!(
                "a request has at most {HEADERS} headers of {HEADER_BYTES} bytes in all"
            )));
        }
        let lower = name.to_ascii_lowercase();
        if OURS.contains(&lower.as_str()) || lower.starts_with("portcullis-") {
            return Err(bad(format!("the header `{}` is the gate's own to send; leave it out", short(name))));
        }
        put(headers, &lower, value)?;
    }
    Ok(())
}

fn put(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Fault> {
    let odd = || bad(format!("`{}` is no header, or its value cannot be sent", short(name)));
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| odd())?;
    let value = HeaderValue::from_str(value).map_err(|_| odd())?;
    headers.insert(name, value);
    Ok(())
}

fn effect(address: &Address, note: String) -> Effect {
    let host = HostTarget { host: address.host.clone(), port: Some(address.port), ..HostTarget::default() };
    Effect::new("net.connect", Target::Host(host)).noting(short(&note))
}

/// A whole answer is a result, whatever its status: what to make of it is the agent's.
fn told(attempt: Attempt, method: HttpMethod, effect: Effect) -> Ended {
    let status = |lost: bool| if lost && !method.is_safe() { Status::Unknown } else { Status::Failed };
    let (mut outcome, fault) = match attempt {
        Attempt::Never(fault) => ended(status(false), fault.why, fault.message),
        Attempt::Lost(fault) => ended(status(true), fault.why, fault.message),
        Attempt::Answer(answer) => answered(&answer),
    };
    outcome.did.push(effect.fact());
    (outcome, fault)
}

fn answered(answer: &Answer) -> Ended {
    let mut headers = Map::new();
    for (name, value) in &answer.headers {
        // Of a header that comes more than once, all values.
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match headers.get_mut(name.as_str()) {
            Some(Value::String(known)) => *known = format!("{known}, {value}"),
            _ => {
                headers.insert(name.as_str().to_owned(), Value::String(value));
            }
        }
    }
    match &answer.body {
        Ok(body) => {
            let text = String::from_utf8_lossy(body);
            done(&json!({"status": answer.status, "headers": headers, "body": text}))
        }
        Err(fault) => {
            let (outcome, _) = done(&json!({"status": answer.status, "headers": headers}));
            let fault = Fault { status: Some(answer.status), ..fault.clone() };
            (verdict::Outcome { error: Some(fault.message.clone()), ..outcome }, Some(fault))
        }
    }
}

//! Answers as bytes: one buffer, and headers made once.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::Problem;

/// An answer.
pub type Reply = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"portcullis\"");

/// An answer in JSON.
pub(super) fn json(body: &impl Serialize) -> Result<Reply, Problem> {
    json_with(StatusCode::OK, body)
}

/// An answer in JSON with another status than 200.
pub(super) fn json_with(status: StatusCode, body: &impl Serialize) -> Result<Reply, Problem> {
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, body).map_err(|error| unwritten(&error))?;
    Ok(of(status, JSON, bytes))
}

/// An answer whose JSON is written already.
pub(super) fn written(bytes: Vec<u8>) -> Reply {
    of(StatusCode::OK, JSON, bytes)
}

/// What an answer that cannot be written is over HTTP.
pub(super) fn unwritten(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "an answer could not be written");
    Problem::internal()
}

/// An answer in plain text.
pub(super) fn text(media: &'static str, body: String) -> Reply {
    of(StatusCode::OK, HeaderValue::from_static(media), body.into_bytes())
}

/// A problem as an answer.
pub(super) fn problem(problem: &Problem) -> Reply {
    let bytes = serde_json::to_vec(problem).unwrap_or_default();
    let mut reply = of(problem.status, PROBLEM, bytes);
    let headers = reply.headers_mut();
    if problem.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, BEARER);
    }
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = problem.allow.as_deref().and_then(|it| HeaderValue::from_str(it).ok()) {
        headers.insert(ALLOW, allow);
    }
    if problem.status == StatusCode::PAYLOAD_TOO_LARGE {
        headers.insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

fn of(status: StatusCode, media: HeaderValue, bytes: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(bytes)));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, media);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    reply
}

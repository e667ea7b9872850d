//! Answers as bytes: one buffer, and headers made once; or messages as they come.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc;

use super::Problem;
use crate::mcp::http::Feed;

/// An answer.
pub type Reply = Response<Payload>;

/// What an answer holds.
pub enum Payload {
    /// All of it.
    Whole(Full<Bytes>),
    /// Messages as they come.
    Feed(Box<Feed>),
    /// Events as they come.
    Events(Box<Coming>),
}

/// Events that come from somewhere else.
pub struct Coming {
    from: mpsc::Receiver<Bytes>,
    taken: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Coming {
    /// `taken` is called whenever the client has taken what was there.
    pub fn told(&mut self, taken: Box<dyn Fn() + Send + Sync>) {
        self.taken = Some(taken);
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Self::Feed(feed) => Pin::new(feed.as_mut()).poll_frame(cx),
            Self::Events(coming) => {
                if let Some(taken) = &coming.taken {
                    taken();
                }
                coming.from.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Feed(_) | Self::Events(_) => false,
        }
    }
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Feed(_) | Self::Events(_) => SizeHint::default(),
        }
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"portcullis\"");

/// Server-sent events, as they come.
pub(super) fn events(from: mpsc::Receiver<Bytes>) -> Reply {
    let mut reply = of(StatusCode::OK, EVENTS, Bytes::new());
    *reply.body_mut() = Payload::Events(Box::new(Coming { from, taken: None }));
    reply
}

/// One server-sent event, its data in JSON.
pub(super) fn event(name: &str, data: &impl Serialize) -> Bytes {
    // JSON has no line breaks of its own.
    let data = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

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

/// An answer with nothing in it.
pub(super) fn nothing() -> Reply {
    let mut reply = of(StatusCode::NO_CONTENT, JSON, Vec::new());
    reply.headers_mut().remove(CONTENT_TYPE);
    reply
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

/// An answer in JSON that is there already.
pub(super) fn ready(status: StatusCode, bytes: Bytes) -> Reply {
    of(status, JSON, bytes)
}

/// An answer without a body.
pub(super) fn bare(status: StatusCode) -> Reply {
    let mut reply = of(status, JSON, Bytes::new());
    reply.headers_mut().remove(CONTENT_TYPE);
    reply
}

/// Messages as they come.
pub(super) fn feed(feed: Box<Feed>) -> Reply {
    let mut reply = of(StatusCode::OK, EVENTS, Bytes::new());
    // Proxies that collect answers would hold up what is said.
    reply.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    *reply.body_mut() = Payload::Feed(feed);
    reply
}

fn of(status: StatusCode, media: HeaderValue, bytes: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Payload::Whole(Full::new(bytes.into())));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, media);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    reply
}

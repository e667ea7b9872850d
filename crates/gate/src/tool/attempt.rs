//! One attempt: a request goes out, and an answer comes back, or does not.
//!
//! Answerable for the one distinction that matters: whether anything can have arrived ([`Attempt::Lost`]) or surely
//! not ([`Attempt::Never`]). What follows from that is [`super::ending`]'s.

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};
use verdict::{Address, Endpoint, Json};

use super::fault::{Fault, Why};
use super::hush::Hush;
use super::pool::Line;
use super::stream::{self, Cut, Passed, Sink};
use super::{Lines, egress};

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Attempt {
    /// Nothing was sent, for sure.
    Never(Fault),
    /// Something was sent, and no whole answer came.
    Lost(Fault),
    /// A whole answer came.
    Answer(Answer),
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The body; or why it was not read, though the status says what was done.
    pub(super) body: Result<Bytes, Fault>,
    /// Its pieces, if they were passed on as they came; the body is then empty.
    pub(super) pieces: Option<Vec<Json>>,
}

impl Answer {
    /// What the tool says of when to come again.
    pub(super) fn retry_after(&self) -> Option<&str> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()
    }
}

/// Where a request goes, and by when an answer must have come.
pub(super) struct Way<'w> {
    pub(super) endpoint: &'w Endpoint,
    pub(super) address: &'w Address,
    /// What the connection is for: the tool's name and everything that says whom it trusts.
    pub(super) purpose: &'w str,
    pub(super) deadline: Instant,
    /// Where pieces of an answer go as they come, and what is taken out of them.
    pub(super) sink: Option<(&'w Sink, &'w Hush)>,
}

/// Heads and lines of answers beyond this are refused.
const HEAD: usize = 64 * 1024;

/// Sends a request once.
pub(super) async fn send(lines: &Lines, way: &Way<'_>, request: Request<Full<Bytes>>) -> Attempt {
    let mut request = request;
    while let Some(mut kept) = lines.pool.take(way.purpose) {
        let ready = kept.during(async |sender| timeout_at(way.deadline, sender.ready()).await);
        if ready.await.is_ok_and(|ready| ready.is_ok()) {
            match exchange(lines, way, kept, request).await {
                Exchanged::Done(attempt) => return attempt,
                // It had been closed by the other end: nothing of the request left.
                Exchanged::Unsent(back) => request = *back,
            }
        }
    }
    let line = match open(lines, way).await {
        Ok(line) => line,
        Err(fault) => return Attempt::Never(fault),
    };
    match exchange(lines, way, line, request).await {
        Exchanged::Done(attempt) => attempt,
        Exchanged::Unsent(_) => {
            Attempt::Never(Fault::new(Why::Unreachable, "the tool closed the connection at once"))
        }
    }
}

/// A new connection.
async fn open(lines: &Lines, way: &Way<'_>) -> Result<Line, Fault> {
    let Way { endpoint, address, deadline, .. } = way;
    let stream = egress::connect(address, endpoint.allow_private, *deadline).await?;
    if !address.tls {
        return shake_hands(TokioIo::new(stream)).await;
    }
    let met = timeout_at(*deadline, lines.trust.meet(endpoint, &address.host, stream)).await;
    let late = || Fault::new(Why::Unreachable, "the tool did not agree on TLS in time");
    shake_hands(TokioIo::new(met.map_err(|_| late())??)).await
}

async fn shake_hands<S>(stream: S) -> Result<Line, Fault>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let made = http1::Builder::new().max_buf_size(HEAD).handshake(stream).await;
    let (sender, connection) =
        made.map_err(|_| Fault::new(Why::Unreachable, "the connection could not be used"))?;
    Ok(Line::new(sender, async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a tool ended");
        }
    }))
}

enum Exchanged {
    Done(Attempt),
    Unsent(Box<Request<Full<Bytes>>>),
}

async fn exchange(lines: &Lines, way: &Way<'_>, mut line: Line, request: Request<Full<Bytes>>) -> Exchanged {
    let exchanged = line.during(async |sender| talk(sender, way, request).await).await;
    if let Exchanged::Done(Attempt::Answer(Answer { body: Ok(_), .. })) = &exchanged {
        lines.pool.put(way.purpose, line);
    }
    exchanged
}

async fn talk(
    sender: &mut SendRequest<Full<Bytes>>,
    way: &Way<'_>,
    request: Request<Full<Bytes>>,
) -> Exchanged {
    let lost = |why, message: &str| Exchanged::Done(Attempt::Lost(Fault::new(why, message)));
    let answered = match timeout_at(way.deadline, sender.try_send_request(request)).await {
        Err(_) => {
            return lost(
                Why::Timeout,
                "the tool did not answer in time; nobody knows whether it did what was asked",
            );
        }
        Ok(Err(mut error)) => {
            return match error.take_message() {
                Some(request) => Exchanged::Unsent(Box::new(request)),
                None => lost(
                    Why::NoAnswer,
                    "the connection broke before an answer came; nobody knows whether the tool did what was asked",
                ),
            };
        }
        Ok(Ok(answered)) => answered,
    };
    let (status, headers) = (answered.status().as_u16(), answered.headers().clone());
    let limit = usize::try_from(way.endpoint.max_response_bytes).unwrap_or(usize::MAX);
    let media = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let cut = Cut::of(media).filter(|_| matches!(status, 200..=299));
    let reading = async {
        match (way.sink, cut) {
            (Some(to), Some(cut)) => match stream::pass(answered.into_body(), limit, cut, to).await {
                Passed::Whole(pieces) => (Read::Whole(Bytes::new()), Some(pieces)),
                Passed::TooLong => (Read::TooLong, None),
                Passed::Broken => (Read::Broken, None),
            },
            _ => (read(answered, limit).await, None),
        }
    };
    match timeout_at(way.deadline, reading).await {
        Err(_) => {
            lost(Why::Timeout, "the tool's answer did not end in time; nobody knows how it would have ended")
        }
        Ok((Read::Broken, _)) => {
            lost(Why::NoAnswer, "the tool's answer broke off; nobody knows how it would have ended")
        }
        Ok((Read::TooLong, pieces)) => {
            let message =
                format!("the tool's answer is longer than the {limit} bytes that its declaration admits");
            let body = Err(Fault::new(Why::Unreadable, message));
            Exchanged::Done(Attempt::Answer(Answer { status, headers, body, pieces }))
        }
        Ok((Read::Whole(body), pieces)) => {
            Exchanged::Done(Attempt::Answer(Answer { status, headers, body: Ok(body), pieces }))
        }
    }
}

enum Read {
    Whole(Bytes),
    TooLong,
    Broken,
}

async fn read(answer: Response<Incoming>, limit: usize) -> Read {
    let mut body = answer.into_body();
    let said = body.size_hint().lower();
    if usize::try_from(said).unwrap_or(usize::MAX) > limit {
        return Read::TooLong;
    }
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Read::Broken };
        let Ok(data) = frame.into_data() else { continue };
        if first.len().saturating_add(rest.len()).saturating_add(data.len()) > limit {
            return Read::TooLong;
        }
        // Most answers come in one piece, which is then used as it is.
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Read::Whole(first);
    }
    let mut whole = BytesMut::with_capacity(first.len().saturating_add(rest.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Read::Whole(whole.freeze())
}

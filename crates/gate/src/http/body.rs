//! Bodies, read once and bounded: in length, in time, and in kind.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::Problem;
use super::routes::Takes;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of a body that is too long, so much is read and thrown away: a client that still writes when the connection
/// closes never sees why.
const THROWN_AWAY: usize = 16 << 20;
/// Of a body that is refused unseen, so much is, and for so long.
const UNSEEN: (usize, Duration) = (256 << 10, Duration::from_secs(2));

/// The body of a request, no longer than `limit` bytes.
pub(super) async fn read<B>(
    headers: &HeaderMap,
    body: B,
    takes: Takes,
    limit: usize,
) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    if let Err(problem) = kind(headers, takes) {
        pass_over(body).await;
        return Err(problem);
    }
    let late = || Problem::request("the body did not arrive in time".to_owned());
    let mut collected = pin!(collect(body, limit));
    // Most bodies are there already, and need no timer.
    let at_once = poll_fn(|cx| Poll::Ready(collected.as_mut().poll(cx))).await;
    match at_once {
        Poll::Ready(body) => body,
        Poll::Pending => tokio::time::timeout(PATIENCE, collected).await.map_err(|_| late())?,
    }
}

async fn collect<B>(mut body: B, limit: usize) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Problem::request(format!("the body could not be read: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > limit {
            throw_away(body, THROWN_AWAY).await;
            return Err(Problem::too_large(limit));
        }
        // Most bodies come in one piece, which is then used as it is.
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(length);
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

/// Takes in what nobody will look at. A connection whose request was not read to its end is closed behind the answer,
/// and a client that keeps connections would find that out with its next request.
pub(super) async fn pass_over<B: Body<Data = Bytes> + Unpin>(body: B) {
    if !body.is_end_stream() {
        let (most, time) = UNSEEN;
        // Too long or too late: then the connection is closed.
        let _late = tokio::time::timeout(time, throw_away(body, most)).await;
    }
}

async fn throw_away<B: Body<Data = Bytes> + Unpin>(mut body: B, most: usize) {
    let mut thrown = 0_usize;
    while let Some(Ok(frame)) = body.frame().await {
        thrown = thrown.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if thrown > most {
            return;
        }
    }
}

/// What most clients say.
fn expected_plain(takes: Takes) -> &'static str {
    takes.media().first().copied().unwrap_or_default()
}

fn kind(headers: &HeaderMap, takes: Takes) -> Result<(), Problem> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(Problem::media("sent as it is, without a content encoding"));
    }
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    if given == expected_plain(takes) {
        return Ok(());
    }
    let given = given.to_str().unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let expected = takes.media();
    // What `curl -d` says when nobody tells it otherwise; the body is read as JSON or not at all.
    let unsaid = given == "application/x-www-form-urlencoded";
    if unsaid
        || expected.contains(&given.as_str())
        || (given.starts_with("application/") && given.ends_with("+json"))
    {
        return Ok(());
    }
    Err(Problem::media(&expected.join(" or ")))
}

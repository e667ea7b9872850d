//! Messages as the body of an answer: server-sent events, with a sign of life while there are none.
//!
//! Answerable for the bytes of the stream, and for somebody knowing whether the client still takes them. Source: the
//! HTML standard, "Server-sent events".

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame};
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use super::once::Once;
use super::streams::{Event, Events};

/// How often something is said while there is nothing to say.
const SIGN: Duration = Duration::from_secs(15);

/// A stream of messages.
pub struct Feed {
    first: Option<Event>,
    events: Events,
    signs: Interval,
    /// Told that the client takes what is said.
    taken: Option<Box<dyn Fn() + Send + Sync>>,
    /// The request that is taken back when the client hangs up.
    _once: Option<Once>,
    /// Whether events have ids to come back to.
    named: bool,
}

impl Feed {
    /// `first`, and then what comes.
    pub(super) fn new(first: Option<Event>, events: Events) -> Self {
        let mut signs = interval_at(tokio::time::Instant::now() + SIGN, SIGN);
        signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { first, events, signs, taken: None, _once: None, named: true }
    }

    /// The same for a stream that cannot be taken up again.
    pub(super) fn unnamed(first: Option<Event>, events: Events) -> Self {
        Self { named: false, ..Self::new(first, events) }
    }

    /// The same for a request without a session that ends with it.
    pub(super) fn of_once(first: Option<Event>, events: Events, once: Once) -> Self {
        Self { _once: Some(once), ..Self::unnamed(first, events) }
    }

    /// `taken` is called whenever the client has taken what was there, every few seconds at least.
    pub fn told(&mut self, taken: Box<dyn Fn() + Send + Sync>) {
        self.taken = Some(taken);
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(taken) = &self.taken {
            taken();
        }
        if let Some(first) = self.first.take() {
            let named = self.named;
            return Poll::Ready(Some(Ok(Frame::data(written(&first, named)))));
        }
        match self.events.poll_recv(cx) {
            Poll::Ready(Some(event)) => {
                let named = self.named;
                Poll::Ready(Some(Ok(Frame::data(written(&event, named)))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.signs.poll_tick(cx) {
                Poll::Ready(_) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b":\n\n"))))),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

fn written(event: &Event, named: bool) -> Bytes {
    // An event without data is one to come back to: after this many milliseconds.
    let again = if event.message.is_empty() { "retry: 1000\n" } else { "" };
    let id = if named { format!("id: {}-{}\n", event.id.0, event.id.1) } else { String::new() };
    let head = format!("{id}{again}event: message\ndata: ");
    let mut bytes = BytesMut::with_capacity(head.len().saturating_add(event.message.len()).saturating_add(2));
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(&event.message);
    bytes.extend_from_slice(b"\n\n");
    bytes.freeze()
}

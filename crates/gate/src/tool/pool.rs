//! Connections that are kept for the next call of the same tool.
//!
//! Answerable for a connection being used by the tool that it was made for and by no other, and for none being kept
//! so long that its other end is likely to have left. Its address was looked at when it was made, and it cannot
//! come to lead elsewhere.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

/// A connection, driven by whoever uses it: so that an exchange costs no change of task. While it is kept nobody
/// drives it; what came in between (its end, most likely) is noticed by the next user.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// Nothing once it has ended.
    driver: Option<Driver>,
}

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Line {
    /// `driver` moves what `sender` sends.
    pub(super) fn new(
        sender: SendRequest<Full<Bytes>>,
        driver: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self { sender, driver: Some(Box::pin(driver)) }
    }

    /// What `talk` gives, with the connection driven all the while.
    pub(super) async fn during<T>(
        &mut self,
        talk: impl AsyncFnOnce(&mut SendRequest<Full<Bytes>>) -> T,
    ) -> T {
        let Self { sender, driver } = self;
        let mut talk = pin!(talk(sender));
        poll_fn(|cx| {
            // The connection first: it knows of its end before anything is said on it. Then again, for what was said.
            for _ in 0..2 {
                if driver.as_mut().is_some_and(|it| it.as_mut().poll(cx).is_ready()) {
                    *driver = None;
                }
                if let Poll::Ready(said) = talk.as_mut().poll(cx) {
                    return Poll::Ready(said);
                }
            }
            Poll::Pending
        })
        .await
    }

    fn is_closed(&self) -> bool {
        self.driver.is_none() || self.sender.is_closed()
    }
}

/// A connection that waits longer is not used again: servers close theirs after a few seconds, and a request that
/// meets the closing is one of which nobody knows whether it arrived.
const KEPT: Duration = Duration::from_millis(1_500);
/// The most that are kept for one tool, and for all.
const MOST_OF_ONE: usize = 64;
const MOST: usize = 1_024;

/// Kept connections, by what they were made for.
#[derive(Default)]
pub(super) struct Pool(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_purpose: HashMap<String, Vec<(Instant, Line)>>,
    count: usize,
    /// When those that waited too long were last dropped.
    swept: Option<Instant>,
}

impl Pool {
    /// A connection that was made for `purpose` and is still open, the one used last first.
    pub(super) fn take(&self, purpose: &str) -> Option<Line> {
        let mut kept = self.kept();
        let Kept { by_purpose, count, .. } = &mut *kept;
        let waiting = by_purpose.get_mut(purpose)?;
        let now = Instant::now();
        while let Some((since, line)) = waiting.pop() {
            *count = count.saturating_sub(1);
            if now.duration_since(since) > KEPT {
                // All below it have waited longer.
                *count = count.saturating_sub(waiting.len());
                waiting.clear();
                return None;
            }
            if !line.is_closed() {
                return Some(line);
            }
        }
        None
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(super) fn put(&self, purpose: &str, line: Line) {
        if line.is_closed() {
            return;
        }
        let now = Instant::now();
        let mut kept = self.kept();
        if kept.count >= MOST || kept.swept.is_none_or(|swept| now.duration_since(swept) > KEPT) {
            kept.sweep(now);
        }
        if kept.count >= MOST {
            return;
        }
        let waiting = match kept.by_purpose.get_mut(purpose) {
            Some(waiting) => waiting,
            None => kept.by_purpose.entry(purpose.to_owned()).or_default(),
        };
        if waiting.len() < MOST_OF_ONE {
            waiting.push((now, line));
            kept.count = kept.count.saturating_add(1);
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Drops connections that have waited too long, whatever they are for.
    fn sweep(&mut self, now: Instant) {
        self.by_purpose.retain(|_, waiting| {
            waiting.retain(|(since, line)| now.duration_since(*since) <= KEPT && !line.is_closed());
            !waiting.is_empty()
        });
        self.count = self.by_purpose.values().map(Vec::len).sum();
        self.swept = Some(now);
    }
}

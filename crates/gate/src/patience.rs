//! How long a connection may keep us waiting, with one timer for all its requests.
//!
//! A timer for each request is made, filed and thrown away a hundred thousand times for each time that it fires. Here
//! requests only move the time at which the connection's one timer has something to look for. Answerable for
//! noticing; what is then said is for whoever waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The timer looks at least so often: a time that was moved nearer is noticed this much later at most.
const LOOK: Duration = Duration::from_secs(5);

/// What one connection is waited for. Shared by whoever serves it, all in one task.
#[derive(Debug)]
pub struct Watch {
    start: Instant,
    /// Milliseconds after the start at which it is too late.
    due: AtomicU64,
    answering: AtomicBool,
    late: AtomicBool,
}

impl Watch {
    /// Waits for a request's head, for so long.
    pub fn new(head: Duration) -> Self {
        let watch = Self {
            start: Instant::now(),
            due: AtomicU64::new(0),
            answering: AtomicBool::new(false),
            late: AtomicBool::new(false),
        };
        watch.set(head);
        watch
    }

    /// A request is there, and is answered within so long.
    pub fn answer_within(&self, patience: Duration) {
        self.late.store(false, Ordering::Relaxed);
        self.answering.store(true, Ordering::Relaxed);
        self.set(patience);
    }

    /// It is answered; the next one is waited for.
    pub fn answered(&self, head: Duration) {
        self.answering.store(false, Ordering::Relaxed);
        self.set(head);
    }

    fn set(&self, patience: Duration) {
        let due = self.start.elapsed().saturating_add(patience);
        self.due.store(u64::try_from(due.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn due(&self) -> Instant {
        self.start + Duration::from_millis(self.due.load(Ordering::Relaxed))
    }

    /// Ends when a head is overdue. An answer that is overdue is given up by [`Watch::in_time`].
    ///
    /// To be polled before what it watches, in the same task.
    pub async fn over(&self) {
        let mut timer: Pin<Box<Sleep>> = Box::pin(sleep_until(self.next()));
        loop {
            timer.as_mut().await;
            if self.due() <= Instant::now() {
                if !self.answering.load(Ordering::Relaxed) {
                    return;
                }
                self.late.store(true, Ordering::Relaxed);
            }
            timer.as_mut().reset(self.next());
        }
    }

    fn next(&self) -> Instant {
        let now = Instant::now();
        let soonest = now + Duration::from_millis(1);
        self.due().clamp(soonest, now + LOOK)
    }

    /// The outcome of `answer`, or nothing if that is overdue.
    pub async fn in_time<F: Future>(&self, answer: F) -> Option<F::Output> {
        let mut answer = std::pin::pin!(answer);
        std::future::poll_fn(|cx: &mut Context<'_>| match answer.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.late.load(Ordering::Relaxed) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

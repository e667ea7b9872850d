//! Work that whoever asked for it drives, and that goes on without them.
//!
//! Answerable for work that was begun being polled to its end: by its asker, which costs no change of task, and by a
//! task of its own from the moment the asker goes. Does not know what the work is.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Gives what the work gives. Dropped before that, it leaves the work to the runtime; work that panicked is over.
pub(super) struct Unstoppable<T: Send + 'static>(Option<Work<T>>);

impl<T: Send + 'static> Unstoppable<T> {
    /// Nothing happens until it is polled, and nothing ever will if it is dropped before.
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<T: Send + 'static> Future for Unstoppable<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // Out of its place while it is polled: were it to panic, nobody would poll it again.
        let Some(mut work) = self.0.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Unstoppable<T> {
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::panic::AssertUnwindSafe;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    #[tokio::test]
    async fn what_was_begun_ends_without_its_asker() {
        let (begun, is_begun) = oneshot::channel();
        let (go, may_go) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let asker = tokio::spawn(Unstoppable::new(async move {
            begun.send(()).unwrap();
            may_go.await.unwrap();
            done.send(()).unwrap();
        }));
        is_begun.await.unwrap();
        asker.abort();
        assert!(asker.await.unwrap_err().is_cancelled());
        go.send(()).unwrap();
        timeout(Duration::from_secs(10), is_done).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_panicked_is_not_begun_again() {
        let times = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&times);
        let work = Unstoppable::new(async move {
            counted.fetch_add(1, Ordering::SeqCst);
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        let task = tokio::spawn(async move {
            let mut work: Unstoppable<()> = work;
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| {
                Pin::new(&mut work).poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
            }));
            assert!(polled.is_err());
        });
        task.await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(times.load(Ordering::SeqCst), 1);
    }
}

//! How much of the network one run may use: names that are asked for, bytes in each direction.
//!
//! Answerable for the sums over all connections of a run. What a question to a name server or a byte says is not
//! looked at: that there are few of them is what bounds it.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most names of a run that are resolved. Each one tells a name server something that the program chose.
const NAMES: usize = 200;
/// The most bytes of a run that go out.
const OUT: u64 = 1 << 30;
/// The most bytes of a run that come in.
const IN: u64 = 4 << 30;

/// What a run has used.
#[derive(Debug)]
pub(super) struct Meter {
    names: Mutex<BTreeSet<String>>,
    out_left: AtomicU64,
    in_left: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        Self::with(OUT, IN)
    }
}

impl Meter {
    /// One that lets so many bytes through.
    pub(super) fn with(out: u64, back: u64) -> Self {
        Self { names: Mutex::default(), out_left: AtomicU64::new(out), in_left: AtomicU64::new(back) }
    }

    /// Whether a name may be resolved.
    pub(super) fn name(&self, name: &str) -> Result<(), String> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES && !names.contains(name) {
            return Err(format!("the run has asked for {NAMES} names already, and that is the most"));
        }
        names.insert(name.to_owned());
        Ok(())
    }

    fn take(left: &AtomicU64, bytes: usize) -> io::Result<()> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| io::Error::from(io::ErrorKind::QuotaExceeded))
    }
}

/// A client's connection, metered: what is read from it goes out, what is written to it comes in.
pub(super) struct Metered<'m, S> {
    pub(super) stream: S,
    pub(super) meter: &'m Meter,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let done = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = done {
            let got = buffer.filled().len().saturating_sub(before);
            return Poll::Ready(Meter::take(&self.meter.out_left, got));
        }
        done
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = done {
            return Poll::Ready(Meter::take(&self.meter.in_left, written).map(|()| written));
        }
        done
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::{Meter, Metered, NAMES};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn names_are_counted_once_each() {
        let meter = Meter::default();
        for n in 0..NAMES {
            assert!(meter.name(&format!("{n}.example")).is_ok());
        }
        assert!(meter.name("0.example").is_ok());
        assert!(meter.name("one-more.example").is_err_and(|why| why.contains("200 names")));
    }

    #[tokio::test]
    async fn bytes_end_at_their_limit_over_all_connections() {
        let meter = Meter::with(10, 4);
        for (given, reads) in [(6, true), (4, true), (1, false)] {
            let (ours, mut theirs) = tokio::io::duplex(64);
            theirs.write_all(&vec![1; given]).await.unwrap();
            let mut metered = Metered { stream: ours, meter: &meter };
            assert_eq!(metered.read(&mut [0; 64]).await.is_ok(), reads, "{given}");
        }
        let (ours, _theirs) = tokio::io::duplex(64);
        let mut metered = Metered { stream: ours, meter: &meter };
        assert!(metered.write_all(&[1; 4]).await.is_ok());
        assert!(metered.write_all(&[1]).await.is_err());
    }
}

//! Messages as lines of bytes: read within a bound, written whole.
//!
//! Answerable for memory (a line that never ends is not kept) and for never mixing two messages on one pipe.
//! Knows nothing of what the lines say. What is written to is a [`Way`]: a pipe here, something else over HTTP.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::sync::Mutex;
use std::time::Duration;

use super::envelope::Id;

/// How much of a line that is too long is thrown away at once.
const SPILL: u64 = 256 * 1024;
/// Some parents hand over pipes that do not block. Those are looked at again after this.
const NOT_YET: Duration = Duration::from_millis(1);

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// A line, its line feed included; at the end of the stream it may lack that.
    Line,
    /// A line longer than the bound; it was thrown away.
    TooLong,
    /// The end of the stream.
    End,
}

/// A stream of lines.
pub(super) struct Lines {
    from: BufReader<File>,
    most: usize,
}

impl Lines {
    /// Lines of at most `most` bytes.
    pub(super) fn new(from: File, most: usize) -> Self {
        Self { from: BufReader::with_capacity(64 * 1024, from), most }
    }

    /// Reads the next line into `line`, in place of what was there.
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Got> {
        line.clear();
        // A huge line must not keep its memory for the rest of the session.
        line.shrink_to(1 << 20);
        let bound = u64::try_from(self.most).unwrap_or(u64::MAX).saturating_add(1);
        loop {
            let left = bound.saturating_sub(u64::try_from(line.len()).unwrap_or(u64::MAX));
            let read = match self.from.by_ref().take(left).read_until(b'\n', line) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(NOT_YET);
                    continue;
                }
                read => read?,
            };
            return Ok(match line.last() {
                Some(b'\n') => Got::Line,
                _ if line.len() > self.most => {
                    line.clear();
                    self.spill()?;
                    Got::TooLong
                }
                None => Got::End,
                Some(_) if read == 0 => Got::Line,
                Some(_) => continue,
            });
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut gone = Vec::new();
        loop {
            gone.clear();
            let read = patiently(|| self.from.by_ref().take(SPILL).read_until(b'\n', &mut gone))?;
            if read == 0 || gone.last() == Some(&b'\n') {
                return Ok(());
            }
        }
    }
}

/// Tries again while the pipe is not ready.
fn patiently<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(NOT_YET),
            done => return done,
        }
    }
}

/// Where messages go, each of them whole.
pub(super) trait Way: Send + Sync {
    /// Sends one message, its line feed included. `about` is the request of the client's that it belongs to, where
    /// that is known: an answer belongs to what it answers, progress to what makes it.
    fn send(&self, message: &[u8], about: Option<&Id>) -> Result<(), Lost>;
    /// Ends the stream, unless somebody is stuck in the middle of a message.
    fn close(&self);
}

/// The writing end of a pipe, shared by whoever has a message for it.
pub(super) struct Out {
    to: Mutex<Option<File>>,
}

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Not a byte of it left.
    Whole,
    /// Some of it left, maybe all.
    InPart,
}

impl Out {
    /// Writes to `to`.
    pub(super) fn new(to: File) -> Self {
        Self { to: Mutex::new(Some(to)) }
    }
}

impl Way for Out {
    /// Writes one message: `bytes`, as they are. Waits while the reader does not read, so that whoever sends
    /// too fast waits as well and nothing piles up.
    fn send(&self, bytes: &[u8], _about: Option<&Id>) -> Result<(), Lost> {
        let mut to = self.to.lock().map_err(|_| Lost::Whole)?;
        let Some(file) = to.as_mut() else { return Err(Lost::Whole) };
        let mut rest = bytes;
        while !rest.is_empty() {
            let wrote = patiently(|| match file.write(rest) {
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
                wrote => wrote,
            });
            let Ok(wrote) = wrote else {
                let lost = if rest.len() == bytes.len() { Lost::Whole } else { Lost::InPart };
                // What follows half a message would be read as its other half.
                *to = None;
                return Err(lost);
            };
            rest = rest.get(wrote..).unwrap_or_default();
        }
        Ok(())
    }

    fn close(&self) {
        if let Ok(mut to) = self.to.try_lock() {
            *to = None;
        }
    }
}

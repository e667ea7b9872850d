//! A server that the gate starts, as one client's end of it: lines in and lines out, without a thread.
//!
//! Answerable for bounds (a line that never ends is not kept, a server that does not read holds up nobody) and for
//! nothing of a server being left running. Knows nothing of what the lines say.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::mcp::LONGEST_MESSAGE;
use crate::mcp::child::{self, Child, Leash};
use crate::mcp::envelope::Id;
use crate::mcp::lines::{Got, Lost, Way};

/// Messages, and bytes of them, that wait for a server to read them.
const MOST_WAITING: usize = 4_096;
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// How long a server may take to end once its input has ended, and then once it was asked to.
const PATIENCE: Duration = Duration::from_secs(3);

/// A server that was started.
pub(super) struct Pipes {
    /// To its input.
    pub(super) way: Input,
    /// From its output.
    pub(super) output: Output,
    /// Its end.
    pub(super) end: End,
}

/// Starts a server. The error is a sentence. To be called on a runtime.
pub(super) fn start(line: &[String], env: &[(String, String)]) -> Result<Pipes, String> {
    of(child::start_with(line, env)?)
}

/// A server that was started. The error is a sentence. To be called on a runtime.
pub(super) fn of(child: Child) -> Result<Pipes, String> {
    let Child { input, output, ended, leash } = child;
    let unusable = |error: std::io::Error| format!("the server's input or output cannot be used: {error}");
    let input = pipe::Sender::from_owned_fd(OwnedFd::from(input)).map_err(unusable)?;
    let output = pipe::Receiver::from_owned_fd(OwnedFd::from(output)).map_err(unusable)?;
    let (to, lines) = mpsc::channel(MOST_WAITING);
    let waiting = Arc::new(AtomicUsize::new(0));
    tokio::spawn(write(input, lines, Arc::clone(&waiting)));
    let way = Input { to: std::sync::Mutex::new(Some(to)), waiting };
    let output = Output { from: BufReader::with_capacity(64 * 1024, output) };
    Ok(Pipes { way, output, end: End { ended, leash } })
}

async fn write(mut input: pipe::Sender, mut lines: mpsc::Receiver<Vec<u8>>, waiting: Arc<AtomicUsize>) {
    while let Some(line) = lines.recv().await {
        if input.write_all(&line).await.is_err() {
            return;
        }
        waiting.fetch_sub(line.len(), Ordering::Relaxed);
    }
}

/// The input of a server.
pub(super) struct Input {
    to: std::sync::Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    waiting: Arc<AtomicUsize>,
}

impl Way for Input {
    fn send(&self, message: &[u8], _about: Option<&Id>) -> Result<(), Lost> {
        let to = self.to.lock().map_err(|_| Lost::Whole)?;
        let to = to.as_ref().ok_or(Lost::Whole)?;
        let before = self.waiting.fetch_add(message.len(), Ordering::Relaxed);
        let taken =
            before.saturating_add(message.len()) <= MOST_BYTES && to.try_send(message.to_vec()).is_ok();
        if !taken {
            self.waiting.fetch_sub(message.len(), Ordering::Relaxed);
            return Err(Lost::Whole);
        }
        Ok(())
    }

    fn close(&self) {
        if let Ok(mut to) = self.to.lock() {
            *to = None;
        }
    }
}

/// The output of a server.
pub(super) struct Output {
    from: BufReader<pipe::Receiver>,
}

impl Output {
    /// Reads the next line into `line`, in place of what was there. A stream that breaks has ended.
    pub(super) async fn next(&mut self, line: &mut Vec<u8>) -> Got {
        line.clear();
        line.shrink_to(1 << 20);
        let mut too_long = false;
        loop {
            let Ok(piece) = self.from.fill_buf().await else { return Got::End };
            if piece.is_empty() {
                return if line.is_empty() || too_long { Got::End } else { Got::Line };
            }
            let end = memchr(piece);
            let taken = end.map_or(piece.len(), |at| at.saturating_add(1));
            if !too_long {
                line.extend_from_slice(piece.get(..taken).unwrap_or_default());
            }
            self.from.consume(taken);
            if line.len() > LONGEST_MESSAGE {
                too_long = true;
                line.clear();
            }
            match end {
                Some(_) if too_long => return Got::TooLong,
                Some(_) => return Got::Line,
                None => (),
            }
        }
    }
}

fn memchr(piece: &[u8]) -> Option<usize> {
    piece.iter().position(|byte| *byte == b'\n')
}

/// The end of a server, to wait for and to bring about.
pub(super) struct End {
    ended: watch::Receiver<Option<std::process::ExitStatus>>,
    leash: Leash,
}

impl End {
    /// Waits until it has ended, and says how.
    pub(super) async fn wait(&mut self) -> String {
        let status = self.ended.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        status.map_or_else(
            || "it ended".to_owned(),
            |it| format!("it ended with exit code {}", child::code(it)),
        )
    }

    /// Ends it, in the order the protocol asks for: its input has ended already.
    pub(super) async fn bring_about(mut self) {
        if timeout(PATIENCE, self.wait()).await.is_err() {
            self.leash.terminate();
            if timeout(PATIENCE, self.wait()).await.is_err() {
                self.leash.kill();
            }
        }
    }
}

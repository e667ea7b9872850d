//! The gate's side of a run: starts the helper, copies what is read and printed, and hears how it ended.
//!
//! Answerable for one thread doing all of it without ever blocking on one stream while another is full, and for
//! coming back only when every process of the run is gone: whoever reads its changes reads what nobody writes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::channel::{self, Ended, Said};
use super::guard::Guard;
use super::{starter, sys};
use crate::guarantee::Report;
use crate::run::{NotRun, Outcome, Sink, Stdin, Stream};
use crate::spec::Spec;

/// How often the caller is asked whether the run is to be ended, in milliseconds.
const ASK_EVERY: i32 = 50;
const CHUNK: usize = 32 << 10;

/// Runs a program to its end.
pub fn run(
    spec: &Spec,
    helper: Option<PathBuf>,
    stdin: Stdin,
    sink: &mut dyn Sink,
) -> Result<Outcome, NotRun> {
    let broken = |error: io::Error| NotRun::Broken(format!("the helper cannot be started: {error}"));
    let unguarded =
        |error: io::Error| NotRun::Broken(format!("what is written in place cannot be guarded: {error}"));
    let guard = Guard::look(spec).map_err(unguarded)?;
    let guarded = (!guard.found.is_empty()).then(|| Spec { guarded: guard.found.clone(), ..spec.clone() });
    let spec = guarded.as_ref().unwrap_or(spec);
    let (mut drive, mut driven) = attempt(spec, helper.clone(), stdin, sink).map_err(broken)?;
    if let Err(NotRun::Failed(failed)) = &driven
        && failed.is_for_want_of_namespaces()
        && spec.fail_at.is_none()
    {
        // Nothing was executed, and nothing read. What can be kept without namespaces is said, and refused unless
        // the operator has waived the rest.
        let light = Spec { without_namespaces: Some(failed.to_string()), ..spec.clone() };
        let stdin = drive.unread();
        (drive, driven) = attempt(&light, helper, stdin, sink).map_err(broken)?;
    }
    let undone = guard.undo();
    let ended = driven?;
    let Drive { report, upper, cut, printed, .. } = drive;
    Ok(Outcome { ended, report: report.unwrap_or_default(), cut, printed, undone, upper })
}

type Attempt = (Drive, Result<Ended, NotRun>);

fn attempt(spec: &Spec, helper: Option<PathBuf>, stdin: Stdin, sink: &mut dyn Sink) -> io::Result<Attempt> {
    let mut drive = start(spec, helper, stdin)?;
    let driven = drive.until_over(spec, sink);
    if driven.is_err() {
        drive.hang_up();
    }
    Ok((drive, driven))
}

struct Drive {
    control: OwnedFd,
    stdin: Option<Feed>,
    out: Option<File>,
    err: Option<File>,
    report: Option<Report>,
    started: bool,
    upper: Option<OwnedFd>,
    printed: u64,
    cut: bool,
}

/// What is still to be read by the program.
struct Feed {
    to: File,
    from: Option<File>,
    left: Vec<u8>,
}

fn start(spec: &Spec, helper: Option<PathBuf>, stdin: Stdin) -> io::Result<Drive> {
    let program = helper.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
    let (control, theirs) = UnixStream::pair()?;
    let (in_read, in_write) = sys::pipe()?;
    let (out, out_write) = sys::pipe()?;
    let (err, err_write) = sys::pipe()?;
    let fds = [in_read.as_fd(), out_write.as_fd(), err_write.as_fd(), theirs.as_fd()];
    starter::hand_over(&program, fds)?;
    for fd in [in_write.as_fd(), out.as_fd(), err.as_fd()] {
        sys::nonblocking(fd)?;
    }
    let to = File::from(in_write);
    let feed = match stdin {
        Stdin::Empty => None,
        Stdin::Bytes(left) => Some(Feed { to, from: None, left }),
        Stdin::From(fd) => Some(Feed { to, from: Some(File::from(fd)), left: Vec::new() }),
    };
    let control = OwnedFd::from(control);
    let drive = Drive {
        control,
        stdin: feed,
        out: Some(out.into()),
        err: Some(err.into()),
        report: None,
        started: false,
        upper: None,
        printed: 0,
        cut: false,
    };
    channel::send(drive.control.as_fd(), spec, None)?;
    Ok(drive)
}

impl Drive {
    /// What was to be read by a program that was never started.
    fn unread(&mut self) -> Stdin {
        match self.stdin.take() {
            Some(Feed { from: Some(from), .. }) => Stdin::From(from.into()),
            Some(Feed { left, .. }) if !left.is_empty() => Stdin::Bytes(left),
            _ => Stdin::Empty,
        }
    }

    /// Ends a run that goes on, and waits for it: the socket has no other end once helper and first process are gone.
    fn hang_up(&self) {
        sys::hang_up(self.control.as_fd());
        while let Ok(Some(_)) = channel::receive::<Said>(self.control.as_fd()) {}
    }

    fn until_over(&mut self, spec: &Spec, sink: &mut dyn Sink) -> Result<Ended, NotRun> {
        let broken = |error: io::Error| NotRun::Broken(error.to_string());
        loop {
            let ready = self.wait().map_err(broken)?;
            if ready.out {
                self.copy(Stream::Out, spec, sink).map_err(broken)?;
            }
            if ready.err {
                self.copy(Stream::Err, spec, sink).map_err(broken)?;
            }
            if ready.stdin {
                self.feed();
            }
            if ready.control
                && let Some(ended) = self.hear(spec, sink)?
            {
                // What the program printed is in the pipes; whoever else holds them is gone or will be.
                for stream in [Stream::Out, Stream::Err] {
                    self.drain(stream, spec, sink);
                }
                return Ok(ended);
            }
            if sink.cancelled() {
                return Err(NotRun::Cancelled);
            }
        }
    }

    /// One thing that is said from inside.
    fn hear(&mut self, spec: &Spec, sink: &mut dyn Sink) -> Result<Option<Ended>, NotRun> {
        let said = channel::receive::<Said>(self.control.as_fd());
        let said =
            said.map_err(|error| NotRun::Broken(format!("the helper cannot be understood: {error}")))?;
        let Some((said, carried)) = said else {
            return Err(NotRun::Broken("the helper went away".to_owned()));
        };
        match said {
            Said::Refused(report) => {
                let why = report.refusal(&spec.accept_missing).unwrap_or_default();
                return Err(NotRun::Refused(report, why));
            }
            Said::Failed(failed) => return Err(NotRun::Failed(failed)),
            Said::Holds(report) => self.report = Some(report),
            Said::Upper => self.upper = carried,
            Said::Listener => {
                if let Some(listener) = carried {
                    sink.listener(listener.into());
                }
            }
            Said::Started => {
                self.started = true;
                if let Some(report) = &self.report {
                    sink.started(report);
                }
            }
            Said::Ended(ended) if self.started => return Ok(Some(ended)),
            Said::Ended(_) => {
                return Err(NotRun::Broken("the run ended before its program was started".to_owned()));
            }
        }
        Ok(None)
    }

    fn wait(&self) -> io::Result<Ready> {
        let none = libc::pollfd { fd: -1, events: 0, revents: 0 };
        let on = |fd: Option<BorrowedFd<'_>>, events| {
            fd.map_or(none, |fd| libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 })
        };
        // Before there is a reader nothing is taken from whoever writes.
        let feed = self.stdin.as_ref().filter(|_| self.started);
        // Either there are bytes to be written, or more are to be read.
        let write = feed.filter(|it| !it.left.is_empty() || it.from.is_none()).map(|it| it.to.as_fd());
        let read = feed.filter(|it| it.left.is_empty()).and_then(|it| it.from.as_ref()).map(AsFd::as_fd);
        let mut fds = [
            on(Some(self.control.as_fd()), libc::POLLIN),
            on(self.out.as_ref().map(AsFd::as_fd), libc::POLLIN),
            on(self.err.as_ref().map(AsFd::as_fd), libc::POLLIN),
            on(write, libc::POLLOUT),
            on(read, libc::POLLIN),
        ];
        sys::poll(&mut fds, ASK_EVERY)?;
        let [control, out, err, write, read] = fds.map(|it| it.revents != 0);
        Ok(Ready { control, out, err, stdin: write || read })
    }

    fn copy(&mut self, stream: Stream, spec: &Spec, sink: &mut dyn Sink) -> io::Result<bool> {
        let file = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        let mut buffer = [0; CHUNK];
        let got = match file.as_mut().map(|file| file.read(&mut buffer)) {
            None => return Ok(false),
            Some(Ok(0)) => {
                *file = None;
                return Ok(false);
            }
            Some(Ok(got)) => got,
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Some(Err(error)) => return Err(error),
        };
        let left = usize::try_from(spec.limits.output.saturating_sub(self.printed)).unwrap_or(usize::MAX);
        self.printed = self.printed.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
        self.cut |= got > left;
        if let Some(bytes) = buffer.get(..got.min(left)).filter(|it| !it.is_empty()) {
            sink.printed(stream, bytes);
        }
        Ok(true)
    }

    /// What is in a pipe at the end. Bounded: a process that still prints must not keep us.
    fn drain(&mut self, stream: Stream, spec: &Spec, sink: &mut dyn Sink) {
        for _ in 0..64 {
            match self.copy(stream, spec, sink) {
                Ok(true) => (),
                Ok(false) | Err(_) => return,
            }
        }
    }

    fn feed(&mut self) {
        let Some(feed) = &mut self.stdin else { return };
        if feed.left.is_empty()
            && let Some(from) = &mut feed.from
        {
            let mut buffer = [0; CHUNK];
            match from.read(&mut buffer) {
                Ok(0) => feed.from = None,
                Ok(got) => feed.left = buffer.get(..got).unwrap_or_default().to_vec(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => feed.from = None,
            }
        }
        match feed.to.write(&feed.left) {
            Ok(written) => _ = feed.left.drain(..written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // The program reads no more.
            Err(_) => {
                self.stdin = None;
                return;
            }
        }
        if feed.left.is_empty() && feed.from.is_none() {
            self.stdin = None;
        }
    }
}

/// Which descriptors have something.
struct Ready {
    control: bool,
    out: bool,
    err: bool,
    stdin: bool,
}
